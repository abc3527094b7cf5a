/* monitor.c: what the monitor says of an app, number by number: metrics for Prometheus and as JSON;
   latencies, rates, samples; searches, orders and pages; notes of what was cut, was slow, was
   logged; and who may see it. The clocks of this test stand still unless it moves them. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include <time.h>
static unsigned long long clock_us = 5000000000ULL; /* real ones, for latencies */

static int still_clock(clockid_t clock, struct timespec *t) {
    if (clock == CLOCK_REALTIME) return clock_gettime(clock, t);
    t->tv_sec = (time_t)(clock_us / 1000000);
    t->tv_nsec = (long)(clock_us % 1000000) * 1000;
    return 0;
}
#define clock_gettime still_clock
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef clock_gettime

#include "../tap.h"
#include "come.h"
#include "dial.h"
#include <unistd.h>

static sse_app *app;
#include "told.h"

static sse_test_reply r;

static void on_log(int level, const char *line, void *user) { (void)level, (void)line, (void)user; }

static sse_app *watched(const sse_app_options *options) {
    sse_app_options o;
    sse_app        *made;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    o.on_log = on_log;
    clock_us = (clock_us / 1000000 + 1) * 1000000;
    made = sse_app_new(&o);
    is_int(sse_monitor(made, "/m", NULL, NULL), 0, "an app with a monitor");
    sse_test_run(made, 0);
    return made;
}

static void done(void) {
    sse_test_close(&r);
    sse_test_close(&page);
    sse_app_free(app);
}

static void is_told(const char *query, const char *path, const char *want) {
    const sse_str value = told(query, path);
    char          name[120];
    snprintf(name, sizeof name, "%s of %s", path, *query ? query : "all");
    is_mem(value.ptr ? value.ptr : "", value.len, want, strlen(want), name);
}

static void open_stream(sse_req *req, void *user) { /* ?who=ann&label=tab&topic=t */
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    o.label = sse_query(req, "label");
    o.ping_ms = SSE_OFF;
    newest = sse_stream_open(req, &o);
    if (sse_query(req, "topic")) (void)sse_subscribe(newest, sse_query(req, "topic"));
    if (sse_query(req, "pattern")) (void)sse_subscribe_pattern(newest, sse_query(req, "pattern"));
}

/* ---- figures ---- */

/* The line of metrics that begins with these words; what follows them. */
static const char *metric(const char *name) {
    static char value[60];
    char        line[100];
    const char *at;
    snprintf(line, sizeof line, "\n%s ", name);
    at = strstr(r.body, line);
    snprintf(value, sizeof value, "%.*s", at ? (int)strcspn(at + strlen(line), "\n") : 4,
        at ? at + strlen(line) : "none");
    return value;
}

static int times_in(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) n++;
    return n;
}

static void figures(void) { /* each is in both, by its name, with its value */
    static const struct {
        const char *name, *key;
        size_t      at;
    } rows[] = {
#define AT(field) offsetof(sse_stats, field)
        {"sse_error_replies_total{class=\"5xx\"}", "error_replies_5xx", AT(replies_5xx)},
        {"sse_events_dropped_total", "events_dropped", AT(drops)},
        {"sse_streams_closed_total{reason=\"queue\"}", "streams_closed_queue",
            AT(closed[SSE_BY_QUEUE])},
        {"sse_streams_closed_total{reason=\"timeout\"}", "streams_closed_timeout",
            AT(closed[SSE_BY_TIMEOUT])},
        {"sse_streams_closed_total{reason=\"error\"}", "streams_closed_error",
            AT(closed[SSE_BY_ERROR])},
        {"sse_streams_closed_total{reason=\"peer\"}", "streams_closed_peer",
            AT(closed[SSE_BY_PEER])},
        {"sse_streams_closed_total{reason=\"end\"}", "streams_closed_end", AT(closed[SSE_BY_END])},
        {"sse_streams_closed_total{reason=\"stop\"}", "streams_closed_stop",
            AT(closed[SSE_BY_STOP])},
        {"sse_streams_closed_total{reason=\"lifetime\"}", "streams_closed_lifetime",
            AT(closed[SSE_BY_LIFETIME])},
        {"sse_gaps_total", "gaps", AT(gaps)},
        {"sse_renders_failed_total", "renders_failed", AT(renders_failed)},
        {"sse_subscriptions_refused_total", "subscriptions_refused", AT(subscriptions_refused)},
        {"sse_refused_total", "refused", AT(refused)},
        {"sse_no_memory_total", "no_memory", AT(no_memory)},
        {"sse_queue_high_bytes", "queue_high_bytes", AT(queue_high)},
        {"sse_bad_requests_total", "bad_requests", AT(bad_requests)},
        {"sse_timeouts_total", "timeouts", AT(timeouts)},
        {"sse_streams_opened_total", "streams_opened", AT(streams_opened)},
        {"sse_resumes_total", "resumes", AT(resumes)},
        {"sse_events_total", "events", AT(events)},
        {"sse_events_delivered_total", "events_delivered", AT(delivered)},
        {"sse_event_bytes_total", "event_bytes", AT(bytes_events)},
        {"sse_frame_bytes_total", "frame_bytes", AT(bytes_frames)},
        {"sse_renders_total", "renders", AT(renders)},
        {"sse_renders_same_total", "renders_same", AT(renders_same)},
#undef AT
    };
    char   want[40], path[60];
    size_t i;
    app = watched(NULL);
    for (i = 0; i < SSE__COUNT(rows); i++)
        *(uint64_t *)(void *)((char *)&app->net->counts + rows[i].at) = 1000 + i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(want, sizeof want, "%d", 1000 + (int)i);
        snprintf(path, sizeof path, "counters.%s", rows[i].key);
        is_told("", path, want);
    }
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8",
        "metrics for Prometheus");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(want, sizeof want, "%d", 1000 + (int)i);
        is_str(metric(rows[i].name), want, rows[i].name);
    }
    is_int(times_in(r.body, "# TYPE sse_streams_closed_total counter\n"), 1, "a name has a type");
    is_int(times_in(r.body, "# HELP sse_streams_closed_total "), 1, "... and a help, each once");
    is_int(times_in(r.body, "# TYPE sse_streams gauge\n"), 1, "what is now is a gauge");
    is_int(times_in(r.body, "# HELP ") - times_in(r.body, "# TYPE "), 0, "all have both");
    is_str(metric("sse_connections"), "1", "who asks is connected");
    is_str(metric("sse_streams"), "0", "... by no stream");
    is_str(metric("sse_build_info{version=\"" SSE_VERSION "\"}"), "1", "the version");
    done();
}

static void nothing(sse_app *a, void *user) { (void)a, (void)user; }

static void figures_of_its_own(void) {
    char            want[40];
    sse_test_reply  streams[3];
    sse_app_options o;
    const char     *cpu;
    const long      before = (long)time(NULL);
    long            began;
    int             i;
    memset(&o, 0, sizeof o);
    memset(streams, 0, sizeof streams);
    o.max_connections = 77;
    app = watched(&o);
    sse_get(app, "/s", open_stream, NULL);
    for (i = 0; i < 3; i++) sse__log(app, SSE_LOG_ERROR, "error %d", i);
    for (i = 0; i < 5; i++) sse__log(app, SSE_LOG_WARNING, "warning %d", i);
    app->slow = 9;
    sse_test_request(app, "GET /s?topic=a", NULL, NULL, &streams[0]);
    sse_test_request(app, "GET /s?topic=a", NULL, NULL, &streams[1]);
    sse_test_request(app, "GET /s?pattern=b.*", NULL, NULL, &streams[2]);
    began = (long)strtol(told("", "counters.start_time_seconds").ptr, NULL, 10);
    ok(began >= before && began <= (long)time(NULL) + 1, "when it began");
    snprintf(want, sizeof want, "%ld", began);
    is_told("", "uptime_s", "0");
    sse_test_run(app, 61999);
    is_told("", "counters.start_time_seconds", want);
    is_told("", "uptime_s", "61");
    is_told("", "version", "\"" SSE_VERSION "\"");
    is_told("", "slow_ms", "250");
    is_told("", "counters.connections_max", "77");
    is_told("", "counters.log_lines_error", "3");
    is_told("", "counters.log_lines_warning", "5");
    is_told("", "counters.slow_callbacks", "9");
    is_told("", "counters.streams", "3");
    is_told("", "counters.connections", "4");
    is_told("", "counters.topics", "2");
    is_told("", "topics.open", "2");
    is_told("", "streams.open", "3");
    is_told("", "streams.looked_at", "3");
    is_told("", "counters.unsaved_events", "0");
    is_told("", "counters.streams_waiting", "0");
#if defined(__linux__)
    ok(number("", "counters.process_resident_memory_bytes") > 100000, "memory in use");
#endif
    cpu = strchr(told("", "counters.process_cpu_seconds").ptr, '.');
    ok(cpu && strspn(cpu + 1, "0123456789") == 6, "seconds in microseconds");
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    cpu = strchr(metric("process_cpu_seconds_total"), '.');
    ok(cpu && strlen(cpu) == 7, "... for Prometheus, too");
    is_str(metric("sse_start_time_seconds"), want, "... which counts from 1970");
    is_str(metric("sse_log_lines_total{level=\"warning\"}"), "5", "... and warnings");
    for (i = 0; i < 3; i++) sse_test_close(&streams[i]);
    done();
}

/* ---- latencies ---- */

static void takes(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    clock_us += 700;
    sse_printf(html, "<p id=p>%d</p>", ++*(int *)user);
}

static void publishes(sse_req *req, void *user) { /* and goes on for 300 us */
    (void)user;
    say(sse_req_app(req), "t", "x");
    clock_us += 300;
}

static void latencies(void) {
    sse_test_reply    view, stream;
    sse_topic_options keeps;
    sse_live_options  o;
    int               i, renders = 0;
    memset(&o, 0, sizeof o);
    o.user = &renders;
    memset(&view, 0, sizeof view);
    memset(&stream, 0, sizeof stream);
    memset(&keeps, 0, sizeof keeps);
    keeps.history = 10;
    app = watched(NULL);
    sse_topic(app, "t", &keeps);
    sse_live(app, "/view", takes, &o);
    sse_get(app, "/s", open_stream, NULL);
    sse_post(app, "/publish", publishes, NULL);
    is_told("", "latency",
        "{\"publish\":{\"count\":0,\"mean_us\":0,\"p50_us\":0,\"p99_us\":0,\"worst_us\":0},"
        "\"commit\":{\"count\":0,\"mean_us\":0,\"p50_us\":0,\"p99_us\":0,\"worst_us\":0},"
        "\"render\":{\"count\":0,\"mean_us\":0,\"p50_us\":0,\"p99_us\":0,\"worst_us\":0}}");
    sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &view);
    sse_test_request(app, "GET /s?topic=t", NULL, NULL, &stream);
    is_told("", "latency.render",
        "{\"count\":1,\"mean_us\":700,\"p50_us\":700,\"p99_us\":700,\"worst_us\":700}");
    for (i = 0; i < 4; i++) say(app, "t", "x");
    clock_us += 100;
    is_told("", "latency.publish",
        "{\"count\":4,\"mean_us\":100,\"p50_us\":50,\"p99_us\":100,\"worst_us\":100}");
    sse_test_request(app, "POST /publish", NULL, "", &r);
    is_told("", "latency.publish.count", "5");
    is_told("", "latency.publish.mean_us", "140");
    is_told("", "latency.publish.worst_us", "300");
    is_told("", "latency.commit.count", "0");
    for (i = 0; i < SSE__LEAVING + 36; i++) say(app, "t", "more than it notes apart");
    sse_test_run(app, 0);
    is_told("", "latency.publish.count", "105");
    is_told("", "latency.commit.count", "0");
    is_told("", "latency.render.count", "1");
    app->observer->told_view(app, clock_us); /* fewer are noted apart: each is one of its kind */
    for (i = 0; i < SSE__LEAVING + 1; i++) app->observer->told_event(app, NULL, clock_us, 0);
    sse__monitor_sent(app);
    is_int((int)app->monitor->took[SSE__TOOK_COMMIT].count, 1, "a view among many events");
    is_told("", "latency.publish.count", "170");
    app->net->told++; /* a change that is not on the disk yet */
    app->observer->told_event(app, NULL, clock_us, app->net->told - 1);
    app->observer->told_event(app, NULL, clock_us, app->net->told);
    sse__monitor_sent(app);
    is_int((int)app->monitor->took[SSE__TOOK_PUBLISH].count, 171, "... which it waits for");
    is_told("", "latency.publish.count", "172");
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    is_int(times_in(r.body, "# TYPE sse_publish_seconds histogram\n"), 1, "for Prometheus");
    is_int(times_in(r.body, "# HELP sse_publish_seconds From publishing "), 1, "... in words");
    is_str(metric("sse_publish_seconds_count"), "172", "... the same");
    is_str(metric("sse_render_seconds_count"), "1", "... of renders");
    is_str(metric("sse_render_seconds_sum"), "0.000700", "... in seconds");
    sse_test_close(&view);
    sse_test_close(&stream);
    done();
}

static void publishes_and_touches(sse_req *req, void *user) {
    (void)user;
    say(sse_req_app(req), "t", "x");
    sse_touch(sse_req_app(req), "/view");
}

/* A stream that was served before the request of who publishes is sent the event at the end of the
   turn, behind the render of a view. */
static void latency_of_a_turn(void) {
    sse_test_reply   view, stream;
    sse_live_options o;
    int              renders = 0;
    memset(&o, 0, sizeof o);
    memset(&view, 0, sizeof view);
    memset(&stream, 0, sizeof stream);
    o.user = &renders;
    app = watched(NULL);
    sse_live(app, "/view", takes, &o);
    sse_get(app, "/s", open_stream, NULL);
    sse_post(app, "/publish", publishes_and_touches, NULL);
    sse_test_request(app, "GET /s?topic=t", NULL, NULL, &stream);
    sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &view);
    sse_test_request(app, "POST /publish", NULL, "", &r);
    is_int(renders, 2, "a view is rendered in the turn of an event");
    is_told("", "latency.publish",
        "{\"count\":1,\"mean_us\":700,\"p50_us\":700,\"p99_us\":700,\"worst_us\":700}");
    sse_test_close(&view);
    sse_test_close(&stream);
    done();
}

/* From a commit to its views, and what waits for a disk. */
#ifndef SSE_NO_SQLITE
static void commits(void) {
    static const char full[] = "CREATE TRIGGER full BEFORE INSERT ON sse_events"
                               " BEGIN SELECT RAISE(ABORT, 'full'); END";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_live_options  o;
    sse_topic_options keeps;
    sse_test_reply    views[3];
    int               renders = 0, i;
    memset(&o, 0, sizeof o);
    memset(&keeps, 0, sizeof keeps);
    memset(views, 0, sizeof views);
    app = watched(NULL);
    sse_db_exec(db, "CREATE TABLE t(a)");
    o.db = db;
    o.user = &renders;
    sse_live(app, "/view", takes, &o);
    keeps.history = 10;
    keeps.db = db;
    is_int(sse_topic(app, "kept", &keeps), 0, "a history in a database");
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &views[0]);
    sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &views[1]);
    sse_test_request(app, "GET /s?topic=kept", NULL, NULL, &views[2]);
    clock_us = app->loop.still_ms * 1000;
    i = number("", "latency.commit.count");
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    is_int(number("", "latency.commit.count") - i, 1, "a commit that a view shows");
    is_told("", "latency.commit.worst_us", "700");
    sse_touch(app, "/view");
    sse_test_run(app, 0);
    is_int(number("", "latency.commit.count") - i, 1, "a touch shows no commit");
    is_told("", "counters.unsaved_events", "0");
    say(app, "kept", "saved");
    sse_test_run(app, 0);
    is_told("", "counters.unsaved_events", "0");
    is_told("", "latency.publish.count", "1");
    sse_db_exec(db, full);
    for (i = 0; i < 3; i++) say(app, "kept", "unsaved");
    sse_test_run(app, 0);
    is_told("", "counters.unsaved_events", "3");
    is_told("", "latency.publish.count", "4");
    is_told("?topics=name", "topics.rows.0.kept", "4");
    sse_db_exec(db, "DROP TRIGGER full");
    sse_test_run(app, 60000);
    is_told("", "counters.unsaved_events", "0");
    for (i = 0; i < 3; i++) sse_test_close(&views[i]);
    done();
    sse_db_close(db);
}

/* What waits for its view's .min_interval_ms waits from the first commit on. */
static void commits_that_wait(void) {
    sse_db          *db = sse_db_open(":memory:", NULL);
    sse_live_options o;
    sse_test_reply   view;
    uint64_t         first;
    int              renders = 0, before;
    memset(&o, 0, sizeof o);
    memset(&view, 0, sizeof view);
    app = watched(NULL);
    sse_db_exec(db, "CREATE TABLE t(a)");
    o.db = db;
    o.user = &renders;
    o.min_interval_ms = 1000;
    sse_live(app, "/view", takes, &o);
    sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &view);
    first = app->loop.wheel.now;
    before = number("", "latency.commit.count");
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    sse_test_run(app, 400);
    sse_db_exec(db, "INSERT INTO t VALUES(2)");
    sse_test_run(app, 599);
    is_int(renders, 1, "two commits, too soon to be shown");
    clock_us = (first + 1000) * 1000 - 700; /* which the render takes */
    sse_test_run(app, 1);
    is_int(renders, 2, "... are, together");
    is_int(number("", "latency.commit.count") - before, 1, "... in one render");
    is_told("", "latency.commit.worst_us", "1000000");
    sse_test_close(&view);
    done();
    sse_db_close(db);
}
#endif

static void buckets(void) {
    static const char want[] =
        "# HELP name help\n# TYPE name histogram\n"
        "name_bucket{le=\"0.0001\"} 0\nname_bucket{le=\"0.00025\"} 10\n"
        "name_bucket{le=\"0.0005\"} 10\nname_bucket{le=\"0.001\"} 10\n"
        "name_bucket{le=\"0.0025\"} 11\nname_bucket{le=\"0.005\"} 11\n"
        "name_bucket{le=\"0.01\"} 11\nname_bucket{le=\"0.025\"} 11\nname_bucket{le=\"0.05\"} 11\n"
        "name_bucket{le=\"0.1\"} 11\nname_bucket{le=\"0.25\"} 11\nname_bucket{le=\"0.5\"} 11\n"
        "name_bucket{le=\"1\"} 11\nname_bucket{le=\"2.5\"} 11\nname_bucket{le=\"5\"} 11\n"
        "name_bucket{le=\"10\"} 11\nname_bucket{le=\"+Inf\"} 13\n"
        "name_sum 25.000007\nname_count 13\n";
    sse__histogram h;
    sse_buf        b = {NULL, 0, 0, SSE_OK};
    memset(&h, 0, sizeof h);
    sse__histogram_add(&h, 50, 3);
    is_int((int)sse__histogram_within(&h, 1), 16, "the first bucket begins with 0");
    memset(&h, 0, sizeof h);
    sse__histogram_add(&h, 150, 10);
    is_int((int)sse__histogram_within(&h, 1), 105, "in a bucket they are spread evenly");
    is_int((int)sse__histogram_within(&h, 500), 125, "... to the half");
    is_int((int)sse__histogram_within(&h, 501), 130, "... rounded up");
    is_int((int)sse__histogram_within(&h, 1000), 150, "... to the worst");
    sse__histogram_add(&h, 2007, 1);
    is_int((int)sse__histogram_within(&h, 909), 250, "what is below the worst fills its bucket");
    is_int((int)sse__histogram_within(&h, 910), 2007, "... the worst is in the last");
    sse__histogram_add(&h, 12000000, 1);
    sse__histogram_add(&h, 12999000, 1);
    is_int((int)sse__histogram_within(&h, 900), 11499500, "over all bounds, too");
    is_int((int)sse__histogram_within(&h, 1000), 12999000, "... to the worst");
    is_int((int)h.sum_us, 25002507, "... in sum");
    h.sum_us = 25000007;
    sse__histogram_put(&h, "name", "help", &b);
    is_str(sse_buf_text(&b), want, "... for Prometheus");
    sse_buf_free(&b);
}

/* Events in the last minute: of the window before that part that is not over. */
static void rates(void) {
    sse_test_reply stream;
    int            i;
    memset(&stream, 0, sizeof stream);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /s?topic=t", NULL, NULL, &stream);
    sse_test_run(app, (int)(60000 - app->loop.wheel.now % 60000)); /* a window begins */
    for (i = 0; i < 60; i++) say(app, "t", "x");
    is_told("", "topics.rows.0.events_a_minute", "60");
    sse_test_run(app, 59999);
    is_told("", "topics.rows.0.events_a_minute", "60");
    sse_test_run(app, 15001);
    is_told("", "topics.rows.0.events_a_minute", "45");
    for (i = 0; i < 10; i++) say(app, "t", "x");
    is_told("", "topics.rows.0.events_a_minute", "55");
    sse_test_run(app, 30000);
    is_told("", "topics.rows.0.events_a_minute", "25");
    sse_test_run(app, 15000);
    is_told("", "topics.rows.0.events_a_minute", "10");
    sse_test_run(app, 60000);
    is_told("", "topics.rows.0.events_a_minute", "0");
    say(app, "t", "x");
    is_told("", "topics.rows.0.events_a_minute", "1");
    sse_test_run(app, 120000);
    say(app, "t", "x");
    is_told("", "topics.rows.0.events_a_minute", "1");
    sse_test_close(&stream);
    done();
}

/* ---- samples ---- */

static sse_test_reply live;

static const char *latest(const char *path) { /* what the latest state of live has there */
    static char text[2000];
    const char *at = live.body, *next;
    sse_str     state, got = SSE__LIT("none");
    while ((next = strstr(at, "data: {")) != NULL) at = next + 6;
    state = sse__text(at);
    state.len = strcspn(at, "\r\n");
    (void)sse_json_get(state, path, &got);
    snprintf(text, sizeof text, "%.*s", SSE_STR(got));
    return text;
}

static const char *sample(const char *name) {
    char path[40];
    snprintf(path, sizeof path, "samples.%s", name);
    return latest(path);
}

static void samples(void) { /* one a second, whoever watches; anew behind a pause */
    sse_test_reply other, stream;
    int            i;
    memset(&live, 0, sizeof live);
    memset(&other, 0, sizeof other);
    memset(&stream, 0, sizeof stream);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /m/live", NULL, NULL, &live);
    is_str(sample("streams"), "[]", "nothing was sampled before");
    is_int(times_in(live.body, "\"requests\":[],\"cpu_us\":[]},\"latency\":{"), 1, "... of all");
    sse_test_run(app, 499);
    sse_test_request(app, "GET /m/live?q=x", NULL, NULL, &other);
    sse_test_run(app, 501);
    is_str(sample("streams"), "[2]", "a second later one was");
    for (i = 0; i < 3; i++) say(app, "t", "x");
    sse_test_request(app, "GET /s?topic=t", NULL, NULL, &stream);
    sse_test_run(app, 2000);
    is_str(sample("streams"), "[2,3,3]", "of what is now: its value");
    is_str(sample("events"), "[0,3,0]", "of what is counted: how much more it is");
    sse_test_close(&other);
    sse_test_close(&live);
    sse_test_run(app, 2000);
    sse_test_request(app, "GET /m/live", NULL, NULL, &live);
    is_str(sample("streams"), "[2,3,3,2]", "a short pause is one sample");
    for (i = 0; i < 5; i++) say(app, "t", "x");
    sse_test_run(app, 1000);
    is_str(sample("events"), "[0,3,0,0,5]", "... a second's part of it");
    sse_test_close(&live);
    sse_test_run(app, 10000);
    for (i = 0; i < 7; i++) say(app, "t", "x");
    sse_test_request(app, "GET /m/live", NULL, NULL, &live);
    is_str(sample("streams"), "[]", "behind a long one they begin anew");
    sse_test_run(app, 1000);
    is_str(sample("events"), "[0]", "... and so do their counts");
    sse_test_close(&live);
    sse_test_close(&stream);
    done();
}

static void rounded(void) { /* what a second and a half saw, in one */
    struct sse__monitor m;
    sse__figures        f;
    memset(&m, 0, sizeof m);
    memset(&f, 0, sizeof f);
    sse__monitor_sample(&m, &f, 10000);
    is_int((int)m.count, 0, "the first has none before it");
    f.stats.events = 4;
    sse__monitor_sample(&m, &f, 10499);
    is_int((int)m.count, 0, "nor has one within half a second");
    sse__monitor_sample(&m, &f, 11500);
    is_int((int)m.count, 1, "one later");
    is_int((int)m.samples[0][4], 3, "... four in 1500 ms are 2.7 in a second");
    f.stats.events = 5;
    sse__monitor_sample(&m, &f, 12000);
    is_int((int)m.samples[1][4], 2, "one in half a second is two");
    f.stats.events = 8005;
    f.cpu_us = 700;
    sse__monitor_sample(&m, &f, 15000);
    is_int((int)m.samples[2][4], 2667, "8000 in three seconds");
    is_int((int)m.samples[2][9], 233, "... of all");
    is_int((int)m.count, 3, "three seconds are no pause");
    sse__monitor_sample(&m, &f, 18001);
    is_int((int)m.count, 0, "more are");
}

/* ---- streams ---- */

/* The streams, by each of what they can be sorted by: c has the most, or the last name. */
static void sorted(void) {
    static const char *const sorts[] = {"age", "events", "bytes", "idle", "who", "label", "path"};
    static const char *const paths[] = {"/1?who=a&label=x&topic=t", "/2?who=b&label=y&topic=t",
        "/3?who=c&label=z&topic=t"};
    sse_test_reply           streams[4];
    char                     query[40], request[60];
    int                      i, k;
    memset(streams, 0, sizeof streams);
    app = watched(NULL);
    sse_get(app, "/1", open_stream, NULL);
    sse_get(app, "/2", open_stream, NULL);
    sse_get(app, "/3", open_stream, NULL);
    for (i = 2; i >= 0; i--) { /* c is the oldest */
        snprintf(request, sizeof request, "GET %s", paths[i]);
        is_int(sse_test_request(app, request, NULL, NULL, &streams[i]), 0, request);
        for (k = 0; k <= i; k++) sse_stream_send_json(newest, NULL, "\"sent\"");
        sse_test_run(app, 2000);
    }
    for (i = 0; i < (int)SSE__COUNT(sorts); i++) {
        snprintf(query, sizeof query, "?sort=%s", sorts[i]);
        is_str(each(told(query, "streams.rows"), "who"), "\"a\" \"b\" \"c\"", query);
        snprintf(query, sizeof query, "?sort=-%s", sorts[i]);
        is_str(each(told(query, "streams.rows"), "who"), "\"c\" \"b\" \"a\"", query);
    }
    is_int(sse_test_request(app, "GET /1", NULL, NULL, &streams[3]), 0, "a stream of nobody");
    is_str(each(told("?sort=who", "streams.rows"), "who"), "\"a\" \"b\" \"c\" null", "... is last");
    is_str(each(told("?sort=-who", "streams.rows"), "who"), "\"c\" \"b\" \"a\" null",
        "... whichever way they are sorted");
    for (i = 0; i < 4; i++) sse_test_close(&streams[i]);
    done();
}

static void a_row(void) { /* all that is said of a stream */
#if defined(__linux__)
    const int in_kernel = 0;
#else
    const int in_kernel = -1; /* not known */
#endif
    sse_test_reply stream;
    char           want[600];
    memset(&stream, 0, sizeof stream);
    app = watched(NULL);
    sse_get(app, "/s/{x}", open_stream, NULL);
    sse_test_request(app, "GET /s/7?who=ann&topic=t", NULL, NULL, &stream);
    say(app, "t", "12345");
    sse_test_run(app, 4000);
    say(app, "t", "12345");
    sse_test_run(app, 9999);
    snprintf(want, sizeof want,
        "{\"id\":\"%lu-%lu\",\"label\":null,\"who\":\"ann\",\"peer\":\"127.0.0.1\","
        "\"path\":\"/s/{x}\",\"age_s\":13,\"idle_s\":9,\"follows\":[\"t\"],\"follows_all\":1,"
        "\"events\":2,\"bytes\":%lu,\"waiting_bytes\":0,\"waiting_events\":0,\"kernel_bytes\":%d,"
        "\"state\":\"open\",\"stuck_s\":0}",
        (unsigned long)newest.slot, (unsigned long)newest.gen,
        (unsigned long)stream.body_len + 2 * 5, /* in two chunks */
        in_kernel);
    is_told("", "streams.rows.0", want);
    sse_test_close(&stream);
    done();
}

/* Without a turn of the loop. */
static void is_now_by(const char *sort, const char *path, const char *want) {
    const sse__wish w = sse__wish_of(NULL, sort, NULL, NULL, NULL);
    sse_buf         b = {NULL, 0, 0, SSE_OK};
    sse_str         value = SSE__LIT("none");
    sse__monitor_put(app, &w, false, &b);
    (void)sse_json_get(sse__str(b.ptr, b.len), path, &value);
    is_mem(value.ptr, value.len, want, strlen(want), path);
    sse_buf_free(&b);
}

static void is_now(const char *path, const char *want) { is_now_by(NULL, path, want); }

static void are_now(const char *state, const char *full, const char *stuck) {
    is_now("streams.rows.0.state", state);
    is_now("counters.streams_waiting", "1");
    is_now("counters.streams_full", full);
    is_now("counters.streams_stuck", stuck);
}

static void states(void) { /* what a stream waits for; the worst comes first */
    sse_test_reply streams[2];
    sse__stream   *stream;
    sse__conn     *c;
    char           want[20];
    memset(streams, 0, sizeof streams);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /s?who=a", NULL, NULL, &streams[0]);
    sse_test_request(app, "GET /s?who=b", NULL, NULL, &streams[1]);
    stream = sse__stream_get(newest);
    c = stream->conn;
    is_now("streams.rows.0.state", "\"open\"");
    is_now("counters.streams_waiting", "0");
    sse_stream_send_json(newest, NULL, "\"sent\"");
    are_now("\"waiting\"", "0", "0");
    is_now("streams.rows.0.who", "\"b\"");
    is_now("streams.rows.0.waiting_events", "1");
    snprintf(want, sizeof want, "%ld", (long)sse_stream_pending(newest));
    is_now("streams.rows.0.waiting_bytes", want);
    is_now("counters.waiting_bytes", want);
    sse__queue_at(&c->out, 0)->after = app->net->kept + 1;
    are_now("\"disk\"", "0", "0");
    sse__queue_at(&c->out, 0)->after = app->net->kept;
    c->writable = false;
    are_now("\"full\"", "1", "0");
    stream->stuck_since = sse__stream_now(stream);
    c->progressed = true;
    are_now("\"full\"", "1", "0");
    c->progressed = false;
    are_now("\"stuck\"", "1", "1");
    is_now_by("state", "streams.rows.0.who", "\"a\"");
    is_now_by("-state", "streams.rows.0.who", "\"b\"");
    is_now_by("none", "streams.rows.0.who", "\"b\"");
    is_now_by("-who ", "streams.rows.0.who", "\"b\"");
    is_now_by("-", "streams.rows.0.who", "\"b\"");
    is_now_by("", "streams.rows.0.who", "\"b\"");
    stream->stuck_since -= 4999;
    is_now("streams.rows.0.stuck_s", "4");
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    is_str(metric("sse_streams_stuck"), "1", "... for Prometheus, too");
    is_str(metric("sse_waiting_bytes"), want, "... with what waits");
    c->writable = true;
    stream->stuck_since = 0;
    sse__conn_schedule(c);
    sse_test_run(app, 0);
    is_now("counters.streams_waiting", "0");
    sse_test_close(&streams[0]);
    sse_test_close(&streams[1]);
    done();
}

static void pages(
    void) { /* so many rows, of which page; out of range is the default, or the last */
    static const struct {
        const char *query;
        int         from, rows;
    } rows[] = {{"", 0, 20}, {"?rows=0", 0, 20}, {"?rows=1", 0, 1}, {"?rows=25", 0, 25},
        {"?rows=200", 0, 25}, {"?rows=201", 0, 20}, {"?rows=x", 0, 20}, {"?page=1", 20, 5},
        {"?page=2", 20, 5}, {"?page=-1", 0, 20}, {"?page=32769", 20, 5}, {"?page=32768", 20, 5},
        {"?page=18446744073709551615", 20, 5}, {"?page=x", 0, 20}, {"?rows=5&page=4", 20, 5},
        {"?rows=5&page=5", 20, 5}, {"?rows=5&page=1", 5, 5}, {"?rows=24&page=1", 24, 1},
        {"?q=none&page=1", 0, 0}};
    sse_test_reply streams[25];
    size_t         i;
    memset(streams, 0, sizeof streams);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    for (i = 0; i < 25; i++) sse_test_request(app, "GET /s", NULL, NULL, &streams[i]);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(number(rows[i].query, "streams.from"), rows[i].from, rows[i].query);
        (void)each(told(rows[i].query, "streams.rows"), "id");
        is_int(nlisted, rows[i].rows, "... so many");
    }
    for (i = 0; i < 25; i++) sse_test_close(&streams[i]);
    done();
}

static void found(void) { /* by whose it is, label, path, peer, and what it follows */
    static const struct {
        const char *query;
        int         n;
    } rows[] = {{"?q=ann", 1}, {"?q=ANN", 1}, {"?q=nn", 1}, {"?q=annn", 0}, {"?q=tab", 1},
        {"?q=%2Fs", 3}, {"?q=127.0", 3}, {"?q=127.1", 0}, {"?q=room", 2}, {"?q=room.2", 1},
        {"?q=127.0x", 0}, {"?q=unix", 1}, {"?q=0.0.1", 3}, {"?q=", 3},
        {"?q=aaaaaaaaaabbbbbbbbbbccccccccccaaaaaaaaaabbbbbbbbbbcccccccccc123", 1},
        {"?q=aaaaaaaaaabbbbbbbbbbccccccccccaaaaaaaaaabbbbbbbbbbcccccccccc123456789", 1},
        {"?q=aaaaaaaaaabbbbbbbbbbccccccccccaaaaaaaaaabbbbbbbbbbcccccccccc124", 0}};
    static const char *const asks[] = {"GET /s?who=Ann&topic=room.1",
        "GET /s?label=tab&topic=room.2",
        "GET /s?who=unix&label=aaaaaaaaaabbbbbbbbbbccccccccccaaaaaaaaaabbbbbbbbbbcccccccccc1234"};
    sse_test_reply           streams[3];
    size_t                   i;
    memset(streams, 0, sizeof streams);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    for (i = 0; i < 3; i++) sse_test_request(app, asks[i], NULL, NULL, &streams[i]);
    for (i = 0; i < SSE__COUNT(rows); i++)
        is_int(number(rows[i].query, "streams.found"), rows[i].n, rows[i].query);
    sse_test_request(app, "GET /m/live?q=room&sort=-who&topics=-name&page=1&rows=1", NULL, NULL,
        &live);
    is_str(latest("streams.found"), "2", "who watches is shown what the query is for");
    is_str(latest("streams.from"), "1", "... of the page");
    is_str(latest("streams.rows.0.label"), "\"tab\"", "... in that order");
    is_str(latest("topics.rows.0.name"), "\"room.2\"", "... of topics, too");
    is_str(latest("topics.rows.1"), "", "... so many");
    sse_test_close(&live);
    is_told("?q=room", "topics.found", "2");
    is_told("?q=room.2", "topics.rows.0.name", "\"room.2\"");
    is_told("?q=room&rows=1", "topics.open", "2");
    (void)each(told("?q=room&rows=1", "topics.rows"), "");
    is_int(nlisted, 1, "topics are as many as rows");
    for (i = 0; i < 3; i++) sse_test_close(&streams[i]);
    done();
}

/* ---- topics and views ---- */

static void shows(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=p>x</p>");
}

static void topics_and_views(void) {
    sse_test_reply    streams[5];
    sse_topic_options keeps;
    sse_buf           want = {NULL, 0, 0, SSE_OK};
    size_t            i;
    memset(streams, 0, sizeof streams);
    memset(&keeps, 0, sizeof keeps);
    app = watched(NULL);
    keeps.history = 2;
    sse_topic(app, "kept", &keeps);
    sse_get(app, "/s", open_stream, NULL);
    sse_live(app, "/v/{x}", shows, NULL);
    sse_test_request(app, "GET /s?topic=plain", NULL, NULL, &streams[0]);
    for (i = 1; i < 4; i++)
        sse_test_request(app, i < 3 ? "GET /v/two" : "GET /v/one", "Accept: text/event-stream\n",
            NULL, &streams[i]);
    sse_test_request(app, "GET /s?pattern=p*", NULL, NULL, &streams[4]);
    for (i = 0; i < 3; i++) say(app, "kept", "12345");
    sse_printf(&want,
        "[{\"name\":\"kept\",\"watchers\":0,\"events_a_minute\":3,\"kept\":2,\"kept_bytes\":%lu,"
        "\"last_id\":\"%s-3\"},{\"name\":\"p*\",\"watchers\":1,\"events_a_minute\":0,\"kept\":0,"
        "\"kept_bytes\":0,\"last_id\":null},{\"name\":\"plain\",\"watchers\":1,"
        "\"events_a_minute\":0,\"kept\":0,\"kept_bytes\":0,\"last_id\":null}]",
        (unsigned long)sse__topic_find(app->topics, SSE__LIT("kept"))->history->bytes,
        app->topics->sequence.epoch);
    is_told("?topics=name", "topics.rows", sse_buf_text(&want));
    is_told("?topics=watchers", "topics.rows.0.name", "\"kept\"");
    is_told("?topics=-watchers", "topics.rows.2.name", "\"kept\"");
    is_told("?topics=none", "topics.rows.2.name", "\"kept\"");
    is_told("", "views.rows",
        "[{\"name\":\"/v/{x} /two\",\"watchers\":2},"
        "{\"name\":\"/v/{x} /one\",\"watchers\":1}]");
    is_told("?rows=1", "views.rows", "[{\"name\":\"/v/{x} /two\",\"watchers\":2}]");
    is_told("?rows=1", "views.found", "2");
    is_told("?q=ONE", "views.rows", "[{\"name\":\"/v/{x} /one\",\"watchers\":1}]");
    is_told("?q=ONE", "views.open", "2");
    is_told("", "counters.views", "2");
    sse_buf_free(&want);
    for (i = 0; i < 5; i++) sse_test_close(&streams[i]);
    done();
}

#ifndef SSE_NO_SQLITE
static void rows_of_a_table(void) { /* a topic from a table has the id of the last row */
    sse_db        *db = sse_db_open(":memory:", NULL);
    sse_test_reply stream;
    memset(&stream, 0, sizeof stream);
    app = watched(NULL);
    sse_db_exec(db, "CREATE TABLE o(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    sse_topic_from_table(app, "rows", db, "SELECT id, body FROM o WHERE id > ? ORDER BY id");
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /s?topic=rows", NULL, NULL, &stream);
    sse_db_exec(db, "INSERT INTO o VALUES(41, 'x')");
    sse_test_run(app, 1000);
    is_told("", "topics.rows.0.last_id", "\"41\"");
    is_told("", "topics.rows.0.kept", "0");
    sse_test_close(&stream);
    done();
    sse_db_close(db);
}
#endif

/* ---- notes ---- */

static void lines(void) { /* of the log: equal ones are one, as far as there is room for them */
    char text[260];
    int  i;
    app = watched(NULL);
    sse__log(app, SSE_LOG_WARNING, "first");
    sse_test_run(app, 5000);
    sse__log(app, SSE_LOG_ERROR, "second");
    sse_test_run(app, 2999);
    sse__log(app, SSE_LOG_ERROR, "second");
    app->loop.still_ms++; /* within a turn, at whose beginning notes are read */
    sse__log(app, SSE_LOG_ERROR, "second");
    is_now("log.0.ago_s", "0");
    app->loop.still_ms--;
    sse__log(app, SSE_LOG_INFO, "nobody is told");
    is_told("", "log",
        "[{\"ago_s\":0,\"level\":\"error\",\"times\":3,\"line\":\"second\"},"
        "{\"ago_s\":7,\"level\":\"warning\",\"times\":1,\"line\":\"first\"}]");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sse__log(app, SSE_LOG_WARNING, "%s", text);
    text[210] = 'y';
    sse__log(app, SSE_LOG_WARNING, "%s", text);
    is_told("", "log.0.times", "2");
    text[198] = 'y';
    sse__log(app, SSE_LOG_WARNING, "%s", text);
    is_told("", "log.0.times", "1");
    is_told("", "log.1.times", "2");
    is_int((int)told("", "log.0.line").len, 199 + 2, "... and a quote before and behind it");
    for (i = 0; i < SSE__LINES + 3; i++) sse__log(app, SSE_LOG_WARNING, "line %d", i);
    (void)each(told("", "log"), "");
    is_int(nlisted, SSE__LINES, "the latest");
    is_told("", "log.0.line", "\"line 18\"");
    is_told("", "log.15.line", "\"line 3\"");
    is_str(each(told("", "log"), "times"), "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "each once");
    done();
}

static void holds(sse_req *req, void *user) { /* ?us= */
    (void)user;
    clock_us += (unsigned long long)sse_parse_int(sse_query(req, "us"), 0);
}

static void slow(void) { /* callbacks: the worst of each; which of them were slow */
    sse_app_options o;
    char            name[40];
    int             i;
    memset(&o, 0, sizeof o);
    o.slow_ms = 200;
    app = watched(&o);
    sse_get(app, "/a", holds, NULL);
    sse_test_request(app, "GET /a?us=19000", NULL, NULL, &r);
    is_told("", "slow", "[]");
    sse_test_request(app, "GET /a?us=20000", NULL, NULL, &r);
    is_told("", "slow",
        "[{\"callback\":\"handler of GET /a\",\"worst_ms\":20,\"slow\":0,\"ago_s\":0}]");
    sse_test_request(app, "GET /a?us=200000", NULL, NULL, &r);
    sse_test_run(app, 3000);
    sse_test_request(app, "GET /a?us=199000", NULL, NULL, &r);
    sse_test_run(app, 2999);
    is_told("", "slow",
        "[{\"callback\":\"handler of GET /a\",\"worst_ms\":200,\"slow\":1,\"ago_s\":2}]");
    is_told("", "counters.slow_callbacks", "1");
    for (i = 0; i < SSE__HELD - 1; i++) {
        snprintf(name, sizeof name, "step of /%d (stream 1-1)", i);
        app->observer->told_held(app, name, 300 + (uint64_t)i);
    }
    is_told("", "slow.0.worst_ms", "200");
    app->observer->told_held(app, "timer", 199);
    is_told("", "slow.0.callback", "\"handler of GET /a\"");
    app->observer->told_held(app, "timer", 200);
    is_told("", "slow.0", "{\"callback\":\"timer\",\"worst_ms\":200,\"slow\":1,\"ago_s\":0}");
    app->observer->told_held(app, "another", 250);
    is_told("", "slow.0.callback", "\"another\"");
    app->observer->told_held(app, "a third", 301);
    is_told("", "slow.0.callback", "\"a third\"");
    app->observer->told_held(app, "a fourth", 301);
    is_told("", "slow.1.callback", "\"a fourth\"");
    is_told("", "slow.2.callback", "\"step of /1\"");
    (void)each(told("", "slow"), "");
    is_int(nlisted, SSE__HELD, "no more than there is room for");
    done();
}

static void cuts(void) { /* of streams that were cut: whose, when, why, and what they had to get */
    static const sse_reason why[] = {SSE_BY_TIMEOUT, SSE_BY_QUEUE, SSE_BY_ERROR};
    sse_test_reply          streams[SSE__CUTS + 2];
    sse_event               event;
    char                    request[60];
    int                     i;
    memset(streams, 0, sizeof streams);
    memset(&event, 0, sizeof event);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /s?who=ann&label=tab", NULL, NULL, &streams[0]);
    sse_test_run(app, 4000);
    sse_stream_send_json(newest, NULL, "\"123456\"");
    sse_stream_send_json(newest, NULL, "\"123456\"");
    i = (int)sse_stream_pending(newest);
    sse__stream_cut(sse__stream_get(newest), SSE_BY_QUEUE);
    sse_test_run(app, 9999);
    snprintf(request, sizeof request, "%d", i);
    ok(i > 20, "%d bytes wait", i);
    is_told("", "cuts.0.waiting_bytes", request);
    is_told("", "cuts.0.waiting_events", "2");
    is_told("", "cuts.0.ago_s", "9");
    is_told("", "cuts.0.age_s", "4");
    is_told("", "cuts.0.reason", "\"queue\"");
    is_told("", "cuts.0.peer", "\"127.0.0.1\"");
    is_told("", "cuts.0.who", "\"ann\"");
    is_told("", "cuts.0.label", "\"tab\"");
    is_told("", "cuts.0.path", "\"/s\"");
    for (i = 0; i < SSE__CUTS + 1; i++) {
        snprintf(request, sizeof request, "GET /s?who=u%d", i);
        sse_test_request(app, request, NULL, NULL, &streams[1 + i]);
        sse__stream_cut(sse__stream_get(newest), why[i % 3]);
    }
    sse_test_run(app, 0);
    (void)each(told("", "cuts"), "who");
    is_int(nlisted, SSE__CUTS, "the latest");
    is_told("", "cuts.0.who", "\"u32\"");
    is_told("", "cuts.0.reason", "\"error\"");
    is_told("", "cuts.1.reason", "\"queue\"");
    is_told("", "cuts.2.reason", "\"timeout\"");
    is_told("", "cuts.0.label", "null");
    is_told("", "cuts.31.who", "\"u1\"");
    for (i = 0; i < SSE__CUTS + 2; i++) sse_test_close(&streams[i]);
    done();
}

/* ---- its pages ---- */

static void page_and_files(void) {
    static const char *const alarms[] = {"error_replies_5xx", "log_lines_error", "events_dropped",
        "streams_stuck", "slow_callbacks"};
    static const char *const others[] = {"error_replies_4xx", "streams_full", "sent_bytes",
        "process_resident_memory_bytes"};
    static const char *const none[] = {"streams_closed_stop", "start_time_seconds",
        "process_cpu_seconds"};
    sse_buf                  script = {NULL, 0, 0, SSE_OK};
    char                     key[80];
    const char              *middle;
    size_t                   i;
    app = watched(NULL);
    sse_test_request(app, "GET /m", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Cache-Control"), "no-store", "its page is not kept");
    ok(strstr(sse_test_header(&r, "Content-Security-Policy"), "default-src 'none'") != NULL,
        "... and lets nothing else in");
    ok(strstr(sse_test_header(&r, "Content-Security-Policy"), "frame-ancestors 'none'") != NULL,
        "... nor is it shown in another page, for its visitors to click on what they cannot see");
    ok(strstr(r.body, "href=\"m/monitor.css\"") && strstr(r.body, "src=\"m/monitor.js\""),
        "... its files are relative to it");
    middle = strstr(r.body, sse__page_panels);
    ok(middle != NULL, "... between its numbers are its panels");
    for (i = 0; i < SSE__COUNT(alarms); i++) {
        const char *at;
        snprintf(key, sizeof key, "data-key=\"%s\" data-unit=\"count\"", alarms[i]);
        at = strstr(r.body, key);
        ok(at && at < middle, "what should be 0 comes first: %s", alarms[i]);
        is_int(times_in(r.body, key), 1, "... once");
    }
    for (i = 0; i < SSE__COUNT(others); i++) {
        const char *at;
        snprintf(key, sizeof key, "data-key=\"%s\" data-unit=\"%s\"", others[i],
            strstr(others[i], "_bytes") ? "bytes" : "count");
        at = strstr(r.body, key);
        ok(at && at > middle, "all else behind: %s", others[i]);
        is_int(times_in(r.body, key), 1, "... once");
    }
    for (i = 0; i < SSE__COUNT(none); i++) {
        snprintf(key, sizeof key, "data-key=\"%s\"", none[i]);
        is_int(times_in(r.body, key), 0, "what has no label is not on it");
    }
    ok(strstr(r.body, "</summary><p>Open event streams.</p></details>") != NULL,
        "what they mean is said");
    sse_test_request(app, "GET /m/monitor.css", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Content-Type"), "text/css; charset=utf-8", "its look");
    ok(r.body_len > 1000, "... is there");
    sse_test_request(app, "GET /m/monitor.js", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Content-Type"), "text/javascript; charset=utf-8", "its script");
    ok(strstr(r.body, "EventSource") && !strstr(r.body, "<script"), "... is one");
    sse__page_script(&script);
    ok(strstr(r.body, sse_buf_text(&script)) != NULL, "... and its own, whole");
    sse_buf_free(&script);
    sse_test_request(app, "GET /m/metrics.json", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Cache-Control"), "no-store", "its JSON is not kept");
    is_str(sse_test_header(&r, "Content-Type"), "application/json", "... and said to be that");
    done();
}

static void closes(void) { /* a stream by its id, and no other */
    static const char *const bad[] = {"", "id=", "id=1", "id=x-1", "id=1-x", "id=4294967296-1",
        "id=1-4294967296", "id=-1-1"};
    sse_test_reply           streams[2];
    sse_stream               first;
    char                     body[60];
    size_t                   i;
    memset(streams, 0, sizeof streams);
    app = watched(NULL);
    sse_get(app, "/s", open_stream, NULL);
    sse_test_request(app, "GET /s", NULL, NULL, &streams[0]);
    first = newest;
    sse_test_request(app, "GET /s", NULL, NULL, &streams[1]);
    for (i = 0; i < SSE__COUNT(bad); i++) {
        sse_test_request(app, "POST /m/close", NULL, bad[i], &r);
        is_int(r.status, 400, bad[i]);
        is_str(r.body, "id is missing\n", "... why");
    }
    snprintf(body, sizeof body, "id=%lu-%lu", (unsigned long)first.slot,
        (unsigned long)first.gen + 1);
    sse_test_request(app, "POST /m/close", NULL, body, &r);
    is_int(r.status, 404, "a stream that was in its place");
    is_str(r.body, "that stream is closed\n", "... why");
    ok(streams[0].open && streams[1].open, "none of these ends any");
    snprintf(body, sizeof body, "id=%lu-%lu", (unsigned long)first.slot, (unsigned long)first.gen);
    sse_test_request(app, "POST /m/close", NULL, body, &r);
    is_int(r.status, 204, "one that is there");
    ok(!streams[0].open && streams[0].complete && streams[1].open, "... ends, alone");
    sse_test_request(app, "POST /m/close", NULL, body, &r);
    is_int(r.status, 404, "... once");
    for (i = 0; i < 2; i++) sse_test_close(&streams[i]);
    done();
}

/* ---- who may ---- */

static void beside(sse_req *req, void *user) { /* the monitor */
    (void)user;
    sse_puts(sse_out(req), "beside");
}

static void refuses(sse_req *req, void *user) {
    if (!sse_query(req, "key")) sse_fail(req, 401, "%s", (const char *)user);
}

static const char local_words[] = "the monitor is for this machine alone, ",
                  page_words[] = "the monitor is neither for pages from elsewhere nor behind links",
                  tunnel_words[] = "anybody may come through the tunnel: give sse_monitor a guard";

static void guarded(void) { /* by default */
    static const struct {
        const char *headers, *says; /* NULL: it is shown */
        const char *host;           /* of the target, NULL: none */
    } rows[] = {{NULL, NULL, NULL}, {"Host: [::1]:80", NULL, NULL},
        {"Host: app.localhost", NULL, NULL}, {"X-Forwarded: no such field", NULL, NULL},
        {"Forwarded: for=1.2.3.4", local_words, NULL}, {"Via: 1.1 proxy", local_words, NULL},
        {"X-Forwarded-For: 127.0.0.1", local_words, NULL},
        {"X-Real-IP: 1.2.3.4", local_words, NULL}, {"Host: app.example", local_words, NULL},
        {"Host: localhost", NULL, "http://localhost"},
        {"Host: LOCALHOST", NULL, "http://localhost"},
        {"Host: x.example", local_words, "http://localhost"},
        {"Host: localhost", local_words, "http://x.example"},
        {"Host: x.example", local_words, "http://x.example"},
        {"Host: localhost:80", local_words, "http://localhost"},
        {"Origin: http://localhost", NULL, NULL},
        {"Host: localhost:8000\nOrigin: http://localhost:8000", NULL, NULL},
        {"Origin: https://evil.example", page_words, NULL},
        {"Origin: http://localhost:3000", page_words, NULL}, {"Origin: null", page_words, NULL},
        {"Origin: ", page_words, NULL},
        {"Origin: http://localhost\nOrigin: https://evil.example", page_words, NULL},
        {"Origin: https://named.example", page_words, NULL}, {"Sec-Fetch-Site: none", NULL, NULL},
        {"Sec-Fetch-Site: same-origin", NULL, NULL},
        {"Sec-Fetch-Site: same-site", page_words, NULL},
        {"Sec-Fetch-Site: cross-site", page_words, NULL},
        {"Origin: http://localhost\nSec-Fetch-Site: cross-site", page_words, NULL},
        {"Origin: https://evil.example\nSec-Fetch-Site: none", page_words, NULL}};
    static const char *const paths[] = {"", "/monitor.css", "/monitor.js", "/live", "/metrics",
        "/metrics.json", "/none"};
    sse_app_options          o;
    char                     request[60];
    size_t                   i, k;
    memset(&o, 0, sizeof o);
    o.allowed_hosts = "*";
    o.allowed_origins = "https://named.example";
    app = watched(&o);
    for (i = 0; i < SSE__COUNT(rows); i++)
        for (k = 0; k < SSE__COUNT(paths); k++) {
            const int shown = strcmp(paths[k], "/none") ? 200 : 404;
            snprintf(request, sizeof request, "GET %s/m%s", rows[i].host ? rows[i].host : "",
                paths[k]);
            sse_test_request(app, request, rows[i].headers, NULL, &r);
            ok(r.status == (rows[i].says ? 403 : shown), "%s: %s: %d", request,
                rows[i].headers ? rows[i].headers : "no proxy", r.status);
            if (rows[i].says)
                ok(!strncmp(r.body, rows[i].says, strlen(rows[i].says)), "... why: %s", r.body);
            sse_test_close(&r);
        }
    done();
}

static void guarded_from_the_tunnel(void) { /* whose agent is on this machine */
    app = watched(NULL);
    is_int(sse_monitor(app, "/own", refuses, (void *)"the key"), 0, "a second one, with a guard");
    app->tunnel = (struct sse_tunnel *)(void *)&r; /* nobody looks into it */
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    is_int(r.status, 403, "an app with a tunnel shows it to nobody");
    ok(!strncmp(r.body, tunnel_words, sizeof tunnel_words - 1), "... why: %s", r.body);
    sse_test_request(app, "GET /own/metrics?key=1", NULL, NULL, &r);
    is_int(r.status, 200, "but by the program's own guard");
    app->tunnel = NULL;
    sse_test_request(app, "GET /m/metrics", NULL, NULL, &r);
    is_int(r.status, 200, "and again when the tunnel has gone");
    done();
}

static void kept_from_other_pages(void) { /* CORS is not for it, whoever guards it */
    static const struct {
        const char *request, *origins, *headers;
        int         status;
        bool        shared; /* with the page */
    } rows[] = {{"GET /beside", "*", "", 200, true}, {"GET /mine", "*", "", 200, true},
        {"GET /m/metrics.json", "*", "", 403, false}, {"GET /m", "*", "", 403, false},
        {"GET /own/metrics.json?key=1", "*", "", 200, false},
        {"GET /own/live?key=1", "*", "Accept: text/event-stream\n", 200, false},
        {"GET /own/metrics?key=1", "https://page.example", "", 200, false},
        {"GET /own?key=1", "https://page.example", "", 200, false},
        {"GET /own", "https://page.example", "", 401, false},
        {"OPTIONS /beside", "https://page.example", "Access-Control-Request-Method: GET\n", 204,
            true},
        {"OPTIONS /own/close?key=1", "https://page.example",
            "Access-Control-Request-Method: POST\n", 204, false},
        {"POST /own/close?key=1", "https://page.example", "", 403, false},
        {"POST /m/close", "https://page.example", "", 403, false},
        {"POST /beside", "https://page.example", "", 200, true}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app_options o;
        char            headers[200];
        const char     *allowed;
        memset(&o, 0, sizeof o);
        o.cors_origins = rows[i].origins;
        o.cors_credentials = rows[i].origins[0] != '*';
        app = watched(&o);
        sse_monitor(app, "/own", refuses, (void *)"the key");
        sse_get(app, "/beside", beside, NULL);
        sse_post(app, "/beside", beside, NULL);
        sse_get(app, "/mine", beside, NULL); /* /m is not before this one */
        snprintf(headers, sizeof headers, "Origin: https://page.example\n%s", rows[i].headers);
        sse_test_request(app, rows[i].request, headers, rows[i].request[0] == 'P' ? "id=0-0" : NULL,
            &r);
        allowed = sse_test_header(&r, "Access-Control-Allow-Origin");
        is_int(r.status, rows[i].status, rows[i].request);
        ok((allowed != NULL) == rows[i].shared, "... for the page to read: %s",
            allowed ? allowed : "no");
        ok(rows[i].shared || !sse_test_header(&r, "Access-Control-Allow-Credentials"),
            "... or to use");
        done();
    }
}

static void guarded_by_the_program(void) {
    static const char *const paths[] = {"", "/monitor.css", "/monitor.js", "/live", "/metrics",
        "/metrics.json"};
    sse_app_options          o;
    char                     request[60];
    size_t                   i;
    memset(&o, 0, sizeof o);
    o.allowed_origins = "https://named.example";
    app = watched(&o);
    is_int(sse_monitor(app, "/own", refuses, (void *)"the key"), 0, "a second one, with a guard");
    for (i = 0; i < SSE__COUNT(paths); i++) {
        snprintf(request, sizeof request, "GET /own%s", paths[i]);
        sse_test_request(app, request, NULL, NULL, &r);
        is_int(r.status, 401, request);
        is_str(r.body, "the key\n", "... by the guard, and its user");
        snprintf(request, sizeof request, "GET /own%s?key=1", paths[i]);
        sse_test_request(app, request, "Via: 1.1 proxy\n", NULL, &r);
        is_int(r.status, 200, "... which alone says who may");
        snprintf(request, sizeof request, "GET /m%s", paths[i]);
        sse_test_request(app, request, "Via: 1.1 proxy\n", NULL, &r);
        is_int(r.status, 403, "... and not of the first");
    }
    sse_test_request(app, "POST /own/close", NULL, "id=0-0", &r);
    is_int(r.status, 401, "nor may a stranger end streams");
    sse_test_request(app, "POST /own/close?key=1", "Origin: https://named.example\n", "id=0-0", &r);
    is_int(r.status, 404, "pages of allowed_origins send to it as to all routes");
    is_int(sse_monitor(app, "/own", refuses, NULL), SSE_E_STATE, "one at the place of another");
    done();
}

static void guarded_elsewhere(void) { /* what comes by a socket for others is not this machine's */
    static const char request[] = "GET /m/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char              host[64];
    const char       *got;
    sse_serve_options serve;
    memset(&serve, 0, sizeof serve);
    app = sse_app_new(NULL);
    sse_monitor(app, "/m", NULL, NULL);
    snprintf(host, sizeof host, "unix:/tmp/sse-monitor-%d", (int)getpid());
    serve.host = host;
    is_int(sse_listen(app, &serve), 0, "an app behind a proxy, on a unix socket");
    got = answered(app, come_with(app, host, request));
    ok(strstr(got, " 403 ") != NULL, "... who comes by that may not see it: %.12s", got);
    sse_app_free(app);
}

static void many_who_watch(void) { /* so many searches, orders and pages at a time */
    static sse_test_reply views[SSE__MONITOR_VIEWS + 1];
    char                  request[40];
    int                   i, shown = 0;
    app = watched(NULL);
    for (i = 0; i <= SSE__MONITOR_VIEWS; i++) {
        snprintf(request, sizeof request, "GET /m/live?page=%d", i);
        sse_test_request(app, request, "Accept: text/event-stream\n", NULL, &views[i]);
        shown += views[i].open && strstr(views[i].body, "data: {") != NULL;
    }
    is_int(shown, SSE__MONITOR_VIEWS, "as many as may");
    ok(!views[SSE__MONITOR_VIEWS].open, "one more is told to come back");
    is_told("?rows=1", "streams.rows.0.label", "\"monitor\"");
    for (i = 0; i <= SSE__MONITOR_VIEWS; i++) sse_test_close(&views[i]);
    done();
}

int main(void) {
    figures();
    figures_of_its_own();
    latencies();
    latency_of_a_turn();
#ifndef SSE_NO_SQLITE
    commits();
    commits_that_wait();
    rows_of_a_table();
#endif
    buckets();
    rates();
    samples();
    rounded();
    sorted();
    a_row();
    states();
    pages();
    found();
    topics_and_views();
    lines();
    slow();
    cuts();
    page_and_files();
    closes();
    guarded();
    guarded_from_the_tunnel();
    kept_from_other_pages();
    guarded_by_the_program();
    guarded_elsewhere();
    many_who_watch();
    is_int(living, 0, "no memory is lost");
    return tap_done();
}
