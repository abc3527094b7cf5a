/* known.c: what is known of streams: whose, how old, what was sent, what waits; labels and how many
   streams have each; steps that are woken; and how the monitor orders and counts what it knows. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static sse_app *app;
#include "told.h"

static sse_stream_stats stats_of(sse_stream s) {
    sse_stream_stats stats;
    memset(&stats, 0xFF, sizeof stats);
    is_int(sse_stream_stats_get(s, &stats), 0, "stats");
    return stats;
}

static size_t body_of(const client *c) { /* bytes behind its head */
    const char *end = strstr(c->got, "\r\n\r\n");
    return end ? c->len - (size_t)(end + 4 - c->got) : 0;
}

static void subscribe_twice(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "a");
    sse_subscribe_pattern(s, "b.*");
    sse_stream_view(s, "/view");
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=\"x\">hello</p>");
}

static sse_stream_stats at_close;

static void note_at_close(sse_stream s, sse_reason reason) {
    (void)reason;
    at_close = stats_of(s);
    is_str(at_close.label, "tab", "the label is there in on_close");
    is_int(sse_stream_pending(s), SSE_E_CLOSED, "nothing waits any more");
}

static void stats(void) {
    client          *c;
    sse_stream_stats now;
    sse_stream       first;
    app = dial_app(NULL);
    app->loop.still_ms = sse__clock_ms(); /* ages are those of the app's time */
    sse_live(app, "/view", render, NULL);
    opening = subscribe_twice;
    closing = note_at_close;
    c = dial(app, "/s?who=ann&label=tab", NULL);
    first = newest;
    turns(app, 3);
    now = stats_of(first);
    is_str(now.label, "tab", "its label");
    is_str(now.who, "ann", "whose it is");
    is_str(now.peer, "127.0.0.1", "its peer");
    is_int(now.topics * 10 + now.views, 21, "topics and patterns, and views");
    is_int(now.events, 1, "the view's state");
    is_int(now.bytes, (long long)body_of(c), "all bytes of it are sent");
    is_int((long long)now.waiting, 0, "none waits");
    is_int(now.age_s * 10 + now.idle_s, 0, "it is young");
    say(app, "a", "one");
    say(app, "b.2", "two");
    ok(sse_stream_pending(first) > 16, "what was queued waits until the callback has returned");
    is_int(stats_of(first).bytes, (long long)body_of(c), "and is not sent");
    turns(app, 2);
    is_int(sse_stream_pending(first), 0, "then it has left");
    now = stats_of(first);
    is_int(now.events, 3, "events");
    is_int(now.bytes, (long long)body_of(c), "their bytes");
    app->loop.wheel.now += 61000;
    now = stats_of(first);
    is_int(now.age_s, 61, "a minute later it is older");
    is_int(now.idle_s, 61, "and was idle for as long");
    app->loop.wheel.now -= 61000;
    is_int(sse_stream_stats_get(first, NULL), SSE_E_ARG, "to nowhere");
    dial(app, "/s", NULL);
    now = stats_of(newest);
    ok(!now.label && !now.who, "neither label nor owner");
    closing = NULL;
    sse_stream_end(newest, NULL);
    closing = note_at_close;
    sse_stream_end(first, NULL);
    is_int(sse_stream_pending(first), SSE_E_CLOSED, "an ended stream");
    hang_up(&clients[1]);
    closing = NULL;
    turns(app, 3);
    is_int(sse_stream_stats_get(first, &now), SSE_E_CLOSED, "is gone");
    dial_free(app);
}

/* What slow readers lose was not sent; nor were older states of a view, and of a key. */
static void lost(void) {
    const client     *c;
    sse_stream_stats  now;
    sse_topic_options options;
    sse_event         event;
    sse_stream        s;
    static char       large[60000];
    int               i;
    memset(&options, 0, sizeof options);
    memset(&event, 0, sizeof event);
    memset(large, 'x', sizeof large - 1);
    app = dial_app(NULL);
    options.overflow = SSE_DROP_OLDEST;
    sse_topic(app, "drop", &options);
    options.overflow = SSE_KEEP_NEWEST;
    sse_topic(app, "newest", &options);
    c = dial(app, "/s", NULL);
    s = newest;
    sse_subscribe(s, "drop");
    sse_subscribe(s, "newest");
    for (i = 0; i < 3; i++) say(app, "newest", "state");
    turns(app, 2);
    now = stats_of(s);
    is_int(now.bytes, (long long)body_of(c), "older ones of a key were not sent");
    is_int(now.events, 3, "but queued");
    for (i = 0; i < 40; i++) say(app, "drop", large);
    now = stats_of(s);
    ok(now.waiting <= 1048576 && now.bytes == body_of(c),
        "what was dropped is not counted as sent");
    dial_free(app);
}

/* ---- labels ---- */

static char listed[200];
static int  most;

static bool list(const char *label, int n, void *user) {
    const size_t len = strlen(listed);
    (void)user;
    snprintf(listed + len, sizeof listed - len, "%s=%d ", label, n);
    sse_stream_end(newest, NULL);
    return --most != 0;
}

static bool listed_one(sse_stream s, void *user) {
    (void)s, (void)user;
    strcat(listed, "a stream ");
    return true;
}

static void labels(void) {
    sse_stream two, api;
    sse_filter all;
    memset(&all, 0, sizeof all);
    all.all = true;
    app = dial_app(NULL);
    is_int(sse_streams_labels(app, list, NULL), 0, "no streams");
    dial(app, "/s?label=tab", NULL);
    dial(app, "/s?label=tab", NULL);
    two = newest;
    dial(app, "/s?label=api", NULL);
    api = newest;
    dial(app, "/s", NULL);
    is_int(sse_streams_labels(app, list, NULL), 2, "two labels");
    ok(strstr(listed, "tab=2 ") && strstr(listed, "api=1 "), "with their streams: %s", listed);
    listed[0] = '\0';
    most = 1;
    is_int(sse_streams_labels(app, list, NULL), 1, "until fn returns false");
    listed[0] = '\0';
    sse_stream_end(two, NULL);
    sse_streams_labels(app, list, NULL);
    ok(strstr(listed, "tab=1 ") != NULL, "those that close are not counted: %s", listed);
    listed[0] = '\0';
    sse_stream_end(api, NULL);
    is_int(sse_streams_labels(app, list, NULL), 1, "nor are labels that have no others");
    is_str(listed, "tab=1 ", "... which are not told");
    fail_at = 1;
    is_int(sse_streams_labels(app, list, NULL), SSE_E_NOMEM, "without memory");
    fail_at = 1;
    is_int(sse_streams_each(app, &all, listed_one, NULL), SSE_E_NOMEM, "nor are streams gathered");
    fail_at = 0;
    is_str(listed, "tab=1 ", "... none is told");
    is_int(sse_streams_labels(app, NULL, NULL), SSE_E_ARG, "no function");
    is_int(sse_streams_labels(NULL, list, NULL), SSE_E_ARG, "no app");
    dial_free(app);
}

/* ---- waking ---- */

static int        steps;
static sse_stream sleeper;

static int step(sse_stream s, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = "step";
    sse_stream_send(s, &event);
    steps++;
    if (steps == 4) is_int(sse_stream_wake(s), 0, "a step may wake itself");
    return 3600000;
}

static void open_sleeper(sse_req *req, void *user) {
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    o.step = step;
    o.user = user;
    sleeper = sse_stream_open(req, &o);
}

#ifndef SSE_NO_THREADS
static void *wake_elsewhere(void *user) {
    *(int *)user = sse_stream_wake(sleeper);
    return NULL;
}

static void wake_from_thread(void) {
    pthread_t thread;
    int       error = -1;
    pthread_create(&thread, NULL, wake_elsewhere, &error);
    pthread_join(thread, NULL);
    is_int(error, 0, "from another thread");
}
#else
static void wake_from_thread(void) { sse_stream_wake(sleeper); }
#endif

static void waking(void) {
    const sse_stream none = {NULL, 0, 0};
    int              i;
    app = dial_app(NULL);
    sse_get(app, "/sleeper", open_sleeper, NULL);
    dial(app, "/sleeper", NULL);
    turns(app, 3);
    is_int(steps, 1, "the first step");
    is_int(sse_stream_wake(sleeper) + sse_stream_wake(sleeper), 0, "woken, twice");
    is_int(steps, 1, "not inside the call");
    turns(app, 3);
    is_int(steps, 2, "called once, an hour early");
    wake_from_thread();
    for (i = 0; i < 30000 && steps < 3; i++) turns(app, 1);
    is_int(steps, 3, "it wakes");
    sse_stream_wake(sleeper);
    turns(app, 5);
    is_int(steps, 4, "then what it returns counts");
    is_int(times(&clients[0], "data: step\n"), 4, "all steps were sent");
    dial(app, "/s", NULL);
    is_int(sse_stream_wake(newest), SSE_E_STATE, "a stream without a step");
    sse_stream_end(sleeper, NULL);
    is_int(sse_stream_wake(sleeper), SSE_E_CLOSED, "one that has ended");
    is_int(sse_stream_wake(none), SSE_E_CLOSED, "none");
    wake_from_thread();
    turns(app, 3);
    is_int(steps, 4, "a thread may come too late");
    dial_free(app);
}

/* ---- JSON ---- */

static void json(void) {
    const sse_stream none = {NULL, 0, 0};
    app = dial_app(NULL);
    opening = subscribe_twice;
    sse_live(app, "/view", render, NULL);
    dial(app, "/s", NULL);
    is_int(sse_stream_send_json(newest, "price", "{\"of\":%s,\"eur\":%.2f}", "\"tea\"\n", 1.5), 0,
        "to a stream");
    is_int(sse_publish_json(app, "a", NULL, "[%d,%s]", 7, sse_stream_meta(newest, "none")), 0,
        "to a topic");
    turns(app, 3);
    is_int(times(&clients[0], "event: price\ndata: {\"of\":\"\\\"tea\\\"\\n\",\"eur\":1.50}\n\n"),
        1, "a named event, its values quoted");
    is_int(times(&clients[0], "\r\ndata: [7,null]\n\n"), 1, "one without a name");
    is_int(sse_stream_send_json(newest, NULL, NULL), SSE_E_ARG, "no format");
    is_int(sse_publish_json(app, "a", NULL, NULL), SSE_E_ARG, "no format for a topic");
    is_int(sse_publish_json(app, NULL, NULL, "1"), SSE_E_ARG, "no topic");
    is_int(sse_publish_json(app, "", NULL, "1"), SSE_E_ARG, "nor one without a name");
    is_int(sse_publish_json(app, "a", "a\nb", "1"), SSE_E_FIELD, "a name of two lines");
    is_int(sse_publish_json(app, "a", NULL, "%99999d", 1), SSE_E_FORMAT,
        "a format that is refused");
    is_int(sse_stream_send_json(newest, NULL, "%99999d", 1), SSE_E_FORMAT, "likewise to a stream");
    is_int(sse_stream_send_json(none, NULL, "1"), SSE_E_CLOSED, "a closed stream");
    dial_free(app);
}

/* ---- what the monitor knows ---- */

/* Any window of any order is what a whole sort has there. */
static void picks(void) {
    enum { MANY = 3000, WINDOW = 17 };
    static sse__pick sorted[MANY];
    static char      names[40][8];
    unsigned         seed = 7, round, i, wrong = 0;
    for (i = 0; i < 40; i++) snprintf(names[i], sizeof names[i], "n%u", i * 7 % 40);
    for (round = 0; round < 40; round++) {
        const unsigned n = round ? 1 + round * 71 % MANY : MANY;
        sse__picks     p, all;
        memset(&p, 0, sizeof p);
        for (i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            sse__picks_add(&p, round % 4 ? (seed >> 16) % 50 : 0,
                round % 2 && (seed >> 8) % 5 ? names[seed % 40] : NULL, (void *)(uintptr_t)i);
        }
        p.down = round % 3 == 1;
        memcpy(sorted, p.at, n * sizeof *sorted);
        all = p;
        all.at = sorted;
        all.to = n;
        sse__picks_sort(&all, 0, n);
        for (i = 1; i < n; i++) wrong += !sse__picks_less(&all, &sorted[i - 1], &sorted[i]);
        sse__picks_page(&p, round % 9, WINDOW);
        for (i = p.from; i < p.to; i++) wrong += p.at[i].item != sorted[i].item;
        wrong += p.to > n || p.to - p.from > WINDOW || (p.to - p.from < WINDOW && p.to != n);
        SSE_FREE(p.at);
    }
    is_int(wrong, 0, "each page of each order");
}

static void histogram(void) {
    sse__histogram h;
    unsigned       i;
    memset(&h, 0, sizeof h);
    is_int((int)sse__histogram_within(&h, 990), 0, "nothing was measured");
    sse__histogram_add(&h, 77, 1);
    is_int((int)sse__histogram_within(&h, 500), 77, "no more than the worst");
    memset(&h, 0, sizeof h);
    for (i = 0; i < 1000; i++) sse__histogram_add(&h, 1000 + i, 1);
    sse__histogram_add(&h, 20000000, 1);
    is_int((int)h.counts[SSE__BOUNDS], 1, "the rest");
    ok(sse__histogram_within(&h, 500) >= 1499 && sse__histogram_within(&h, 500) <= 1800, "half");
    ok(sse__histogram_within(&h, 990) <= 2500, "nearly all");
    is_int((int)sse__histogram_within(&h, 1000), 20000000, "all");
    is_int((int)(h.sum_us / 1000), 21499, "their sum");
    memset(&h, 0, sizeof h);
    for (i = 0; i < SSE__BOUNDS; i++) {
        sse__histogram_add(&h, sse__bounds_of[i].us, 1);
        sse__histogram_add(&h, sse__bounds_of[i].us + 1, 10);
        is_int((int)h.counts[i], i ? 11 : 1, "a bound belongs to the bucket below");
    }
}

static sse__held_note *held(const char *which) {
    unsigned i;
    for (i = 0; i < app->monitor->held_count; i++)
        if (strcmp(app->monitor->held[i].which, which) == 0) return &app->monitor->held[i];
    return NULL;
}

static void notes(void) {
    struct sse__monitor *m;
    char                 name[40];
    unsigned             i;
    app = dial_app(NULL);
    sse_monitor(app, "/m", NULL, NULL);
    m = app->monitor;
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "step of /%u (stream %u-1)", i % 50, i);
        app->observer->told_held(app, name, i % 50 * 10);
    }
    is_int((int)m->held_count, SSE__HELD, "no more callbacks than there is room for");
    ok(!held("step of /1") && held("step of /49"), "the slowest stay");
    is_int((int)held("step of /49")->slow, 2, "two streams of a route are one");
    is_int((int)held("step of /49")->worst_ms, 490, "the worst");
    for (i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "line %u", i / 3);
        sse__log(app, i % 2 ? SSE_LOG_INFO : SSE_LOG_WARNING, "%s", name);
    }
    is_int((int)m->lines_seen, 10, "equal lines are one");
    is_int((int)m->lines_of[1], 15, "warnings are counted, information is not");
    is_int((int)m->lines[0].times, 2, "how often");
    for (i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "error %u", i);
        sse__log(app, SSE_LOG_ERROR, "%s", name);
    }
    is_int((int)m->lines_of[0], 40, "errors are, too");
    is_str(m->lines[(m->lines_seen - 1) % SSE__LINES].line, "error 39", "the latest");
    dial_free(app);
}

/* ---- what its page is told ---- */

static sse_app *watched(int max) { /* an app of so many topics and views, with a monitor */
    sse_app_options o;
    sse_app        *made;
    memset(&o, 0, sizeof o);
    o.max_topics = o.max_views = max;
    o.max_queue_bytes = 256 << 20;
    made = sse_app_new(&o);
    is_int(sse_monitor(made, "/m", NULL, NULL), 0, "an app with a monitor");
    return made;
}

static void follows(sse_req *req, void *user) { /* ?topics= and ?views=, that many */
    sse_stream s = sse_stream_open(req, NULL);
    char       name[40];
    int        i;
    (void)user;
    for (i = 0; i < sse_parse_int(sse_query(req, "topics"), 0); i++) {
        snprintf(name, sizeof name, "t%d", i);
        sse_subscribe(s, name);
    }
    for (i = 0; i < sse_parse_int(sse_query(req, "views"), 0); i++) {
        snprintf(name, sizeof name, "/seen/%d", i);
        sse_stream_view(s, name);
    }
    newest = s;
}

/* By their address: IPv4 by its number, before most of IPv6. */
static void peers(void) {
    static const char *const at[] = {"9.8.7.6", "10.0.0.1", "2001:db8::1", "::1", "9.8.7.5",
        "2001:db7::2"};
    sse_test_reply           replies[SSE__COUNT(at)];
    size_t                   i;
    memset(replies, 0, sizeof replies);
    app = watched(0);
    sse_get(app, "/s", follows, NULL);
    for (i = 0; i < SSE__COUNT(at); i++) {
        unsigned char *to;
        is_int(sse_test_request(app, "GET /s?topics=1", NULL, NULL, &replies[i]), 0, at[i]);
        to = sse__stream_get(newest)->conn->peer.address;
        if (strchr(at[i], ':')) inet_pton(AF_INET6, at[i], to);
        else {
            memcpy(to, sse__ipv4_mapped, 12);
            inet_pton(AF_INET, at[i], to + 12);
        }
    }
    is_str(each(told("?sort=peer", "streams.rows"), "peer"),
        "\"::1\" \"9.8.7.5\" \"9.8.7.6\" \"10.0.0.1\" \"2001:db7::2\" \"2001:db8::1\"",
        "streams by their address");
    for (i = 0; i < SSE__COUNT(at); i++) sse_test_close(&replies[i]);
    sse_app_free(app);
}

/* Topics by who watches them, by events, by what is kept, by name. */
static void topics(void) {
    static const struct {
        const char *sort, *order;
    } rows[] = {{"", "b a c"}, {"?topics=-watchers", "b a c"}, {"?topics=watchers", "c a b"},
        {"?topics=-rate", "a c b"}, {"?topics=rate", "b c a"}, {"?topics=-kept", "c b a"},
        {"?topics=kept", "a b c"}, {"?topics=name", "a b c"}, {"?topics=-name", "c b a"},
        {"?topics=other", "b a c"}};
    static const char *const watch[] = {"a", "a", "b", "b", "b", "c"};
    static const char *const say_to[] = {"a", "a", "a", "b", "c", "c"};
    sse_topic_options        keeps;
    sse_test_reply           replies[SSE__COUNT(watch)];
    char                     want[20];
    size_t                   i;
    memset(&keeps, 0, sizeof keeps);
    memset(replies, 0, sizeof replies);
    keeps.history = 10;
    app = watched(0);
    sse_topic(app, "b", &keeps);
    sse_topic(app, "c", &keeps);
    sse_get(app, "/s", follows, NULL);
    for (i = 0; i < SSE__COUNT(watch); i++) {
        sse_test_request(app, "GET /s", NULL, NULL, &replies[i]);
        is_int(sse_subscribe(newest, watch[i]), 0, watch[i]);
    }
    for (i = 0; i < SSE__COUNT(say_to); i++) say(app, say_to[i], "x");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(want, sizeof want, "\"%c\" \"%c\" \"%c\"", rows[i].order[0], rows[i].order[2],
            rows[i].order[4]);
        is_str(each(told(rows[i].sort, "topics.rows"), "name"), want, rows[i].sort);
    }
    for (i = 0; i < SSE__COUNT(watch); i++) sse_test_close(&replies[i]);
    sse_app_free(app);
}

/* A search finds views by their names, but not those of who searches: these have it in theirs. */
static void searches(void) {
    static const char *const asks[] = {"GET /s?topics=10&views=2", "GET /s?topics=1&views=1",
        "GET /m/live?q=seen"};
    sse_live_options         live;
    sse_test_reply           replies[SSE__COUNT(asks)];
    size_t                   i;
    memset(&live, 0, sizeof live);
    memset(replies, 0, sizeof replies);
    live.user = &live;
    app = watched(0);
    sse_get(app, "/s", follows, NULL);
    sse_live(app, "/seen/0", render, NULL);
    sse_live(app, "/seen/1", render, &live);
    for (i = 0; i < SSE__COUNT(asks); i++)
        is_int(sse_test_request(app, asks[i], NULL, NULL, &replies[i]), 0, asks[i]);
    is_int(number("?q=seen", "streams.open"), 3, "three streams");
    is_int(number("?q=seen", "streams.found"), 2, "... two follow what is looked for");
    is_int(number("", "views.found"), 3, "three views");
    is_str(each(told("?q=SEEN%2F", "views.rows"), "name"), "\"/seen/0 \" \"/seen/1 \"",
        "... two are found");
    is_str(each(told("?q=t9", "streams.rows"), "follows_all"), "12", "of many topics and views");
    (void)each(told("?q=t9", "streams.rows.0.follows"), "");
    is_int(nlisted, SSE__MONITOR_FOLLOWS, "... some are told");
    for (i = 0; i < SSE__COUNT(asks); i++) sse_test_close(&replies[i]);
    sse_app_free(app);
}

/* One that takes nothing, how long already. */
static void stuck(void) {
    static char     large[1 << 20];
    sse_app_options o;
    sse_stream      s;
    sse__stream    *stream;
    int             i;
    memset(&o, 0, sizeof o);
    o.max_queue_bytes = 64 << 20;
    app = dial_app(&o);
    sse_test_run(app, 0); /* time stands still */
    sse_monitor(app, "/m", NULL, NULL);
    dial(app, "/s", NULL);
    s = newest;
    memset(large, 'x', sizeof large - 1);
    for (i = 0; i < 30; i++) sse_stream_send_json(s, NULL, "%s", large);
    stream = sse__stream_get(s);
    sse_poll(app, 0);
    is_str(each(told("", "streams.rows"), "state"), "\"full\"", "a client that does not read");
    is_str(each(told("", "streams.rows"), "stuck_s"), "0", "... as was not noticed before");
    sse__stream_tick(stream->conn);
    stream->stuck_since -= 7000;
    is_str(each(told("", "streams.rows"), "state"), "\"stuck\"", "it is stuck");
    ok(number("", "streams.rows.0.stuck_s") >= 7, "... for so long");
    dial_free(app);
}

/* Of each second, as many as there is room for; the oldest go. */
static void samples(void) {
    enum { SECONDS = SSE__SAMPLES + 30 };
    sse_test_reply live;
    sse_str        state, got;
    char           want[8 * SSE__SAMPLES] = "[";
    const char    *at;
    int            i, k;
    memset(&live, 0, sizeof live);
    app = watched(0);
    sse_test_request(app, "GET /m/live", NULL, NULL, &live);
    for (i = 0; i < SECONDS; i++) {
        for (k = 0; k < i; k++) say(app, "a", "x");
        sse_test_run(app, SSE__MONITOR_MS);
        if (i >= SECONDS - SSE__SAMPLES)
            snprintf(want + strlen(want), 8, "%s%d", want[1] ? "," : "", i);
    }
    for (at = live.body; strstr(at, "data: {"); at = strstr(at, "data: {") + 6) {
    }
    state = sse__text(at);
    state.len = strcspn(at, "\r\n");
    is_int(sse_json_get(state, "samples.events", &got), 0, "the latest state");
    strcat(want, "]");
    is_mem(got.ptr, got.len, want, strlen(want), "... has the last seconds");
    sse_test_close(&live);
    sse_app_free(app);
}

/* More than it looks at: N2. No turn of the loop sees them all. */
static void bounds(void) {
    enum { MANY = SSE__MONITOR_LOOKS + 100 };
    static const char *const paths[] = {"topics.found", "topics.open", "views.found", "views.open"};
    static const int         want[] = {SSE__MONITOR_LOOKS, MANY + 1, SSE__MONITOR_LOOKS, MANY};
    const sse__wish          w = sse__wish_of(NULL, NULL, NULL, NULL, NULL);
    sse_topic_options        keeps;
    sse_test_reply           reply;
    sse_str                  value;
    sse_buf                  b = {NULL, 0, 0, SSE_OK};
    char                     name[40];
    size_t                   k;
    int                      i;
    memset(&keeps, 0, sizeof keeps);
    memset(&reply, 0, sizeof reply);
    keeps.history = 1;
    app = watched(MANY + 10);
    sse_topic(app, "many.*", &keeps);
    sse_get(app, "/s", follows, NULL);
    sse_live(app, "/seen/{n}", render, NULL);
    sse_test_request(app, "GET /s?topics=1", NULL, NULL, &reply);
    for (i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many.%d", i);
        say(app, name, "x");
        snprintf(name, sizeof name, "/seen/%d", i);
        sse_stream_view(newest, name);
    }
    sse__monitor_put(app, &w, false, &b);
    for (k = 0; k < SSE__COUNT(paths); k++) {
        is_int(sse_json_get(sse__str(b.ptr, b.len), paths[k], &value), 0, paths[k]);
        is_int(value.len ? strtol(value.ptr, NULL, 10) : -1, want[k], "... so many");
    }
    sse_buf_free(&b);
    sse_app_free(app);
    sse_test_close(&reply);
}

/* A view that there is no memory for is counted as refused. */
static void view_without_memory(void) {
    sse_stats stats;
    app = dial_app(NULL);
    sse_live(app, "/view", render, NULL);
    dial(app, "/s", NULL);
    fail_at = 1;
    is_int(sse_stream_view(newest, "/view"), SSE_E_NOMEM, "no memory for the path of a view");
    fail_at = 0;
    sse_stats_get(app, &stats);
    is_int((int)stats.subscriptions_refused, 1, "... is counted");
    is_int(sse_stream_view(newest, "/view"), 0, "then there is");
    turns(app, 3);
    ok(strstr(clients[0].got, "<p") != NULL, "... and it is shown");
    dial_free(app);
}

/* What there is no memory for is left out; all that is said is whole. */
static void without_memory(void) {
    sse_test_reply reply;
    sse__wish      w = sse__wish_of(NULL, NULL, NULL, NULL, NULL);
    long           n, left = 1;
    int            wrong = 0, streams = 0, of_topics = 0;
    memset(&reply, 0, sizeof reply);
    app = watched(0);
    sse_get(app, "/s", follows, NULL);
    sse_test_request(app, "GET /s?topics=3", NULL, NULL, &reply);
    for (n = 1; left && n < 100; n++) {
        sse_buf b = {NULL, 0, 0, 0};
        sse_str open, value;
        fail_at = n;
        sse__monitor_put(app, &w, false, &b);
        left = !fail_at;
        fail_at = 0;
        if (!b.error) {
            open = sse__str(b.ptr, b.len);
            wrong += sse_json_get(open, "", NULL) != 0;
            streams += !sse_json_get(open, "streams.found", &value) && *value.ptr == '0';
            of_topics += !sse_json_get(open, "topics.found", &value) && *value.ptr == '0';
        } else wrong += b.error != SSE_E_NOMEM;
        sse_buf_free(&b);
    }
    ok(!left && n > 4 && !wrong, "%ld allocations fail", n - 2);
    is_int(streams, 1, "without memory there are no streams in it");
    is_int(of_topics, 1, "... or no topics");
    sse_test_close(&reply);
    sse_app_free(app);
}

/* What is noted, the latest first. */
static void lists(void) {
    static const char old[] = "GET /m/metrics.json HTTP/1.0\r\n\r\n";
    sse_app_options   o;
    client           *c;
    char              name[40];
    unsigned          i;
    memset(&o, 0, sizeof o);
    o.slow_ms = SSE_OFF; /* only what is told here */
    app = dial_app(&o);
    sse_monitor(app, "/m", NULL, NULL);
    is_str(each(told("", "cuts"), ""), "", "nothing was cut");
    sse_before(app, "/nothing", dial_open, NULL);
    dial(app, "/nothing", NULL);
    sse__stream_cut(sse__stream_get(newest), SSE_BY_TIMEOUT);
    is_str(each(told("", "cuts"), "path"), "null", "one that no route opened");
    for (i = 0; i < 2; i++) {
        dial(app, i ? "/s?who=bob" : "/s?who=ann", NULL);
        sse__stream_cut(sse__stream_get(newest), i ? SSE_BY_QUEUE : SSE_BY_TIMEOUT);
        snprintf(name, sizeof name, "step of /%u (stream 1-1)", i);
        app->observer->told_held(app, name, 20);
        sse__log(app, i ? SSE_LOG_ERROR : SSE_LOG_WARNING, "line %u", i);
    }
    is_str(each(told("", "cuts"), "who"), "\"bob\" \"ann\" null", "two more");
    is_str(each(told("", "cuts"), "reason"), "\"queue\" \"timeout\" \"timeout\"", "... why");
    is_str(each(told("", "slow"), "callback"), "\"step of /0\" \"step of /1\"", "callbacks");
    is_str(each(told("", "log"), "level"), "\"error\" \"warning\"", "lines of the log");
    c = send_from_new(app, old, sizeof old - 1);
    for (i = 0; i < 30000 && !c->len; i++) turns(app, 1);
    ok(strstr(c->got, " 200 ") != NULL, "all of it for a client that says no Host, too");
    dial_free(app);
}

int main(void) {
    picks();
    histogram();
    notes();
    lists();
    peers();
    topics();
    searches();
    stuck();
    samples();
    bounds();
    without_memory();
    view_without_memory();
    stats();
    lost();
    labels();
    waking();
    json();
    return tap_done();
}
