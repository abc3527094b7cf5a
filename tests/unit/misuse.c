/* What no program should do, and what it is answered: no app, no name, no function; the loop's
   functions on another thread; streams that are not there. */
#define _DEFAULT_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"
#include <unistd.h>

static char said[400]; /* the last line that the log was told, and how many they were */
static int  said_level, lines;
static void on_log(int level, const char *line, void *user) {
    (void)user;
    said_level = level;
    snprintf(said, sizeof said, "%s", line);
    lines++;
}

/* The last line tells whose loop it is, after the name of what was called. */
static void said_elsewhere(const char *call) {
    const size_t n = strcspn(call, "(");
    const bool   named = strncmp(said, call, n) == 0 || strncmp(said, "route ", 6) == 0 ||
                       strncmp(said, "mount ", 6) == 0;
    ok(lines == 1 && named && strstr(said, ": another thread runs the loop: ") != NULL,
        "%.*s: as is logged", (int)n, call);
    if (lines != 1 || !named) printf("# %d lines: %s\n", lines, said);
}

static void on_app(sse_app *app, void *user) { (void)app, (void)user; }
static void on_req(sse_req *req, void *user) { (void)req, (void)user; }
static void on_fd(sse_app *app, int fd, int events, void *user) {
    (void)app, (void)fd, (void)events, (void)user;
}
static void on_line(sse_app *app, const char *line, void *user) {
    (void)app, (void)line, (void)user;
}
static void on_topic(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app, (void)topic, (void)event, (void)user;
}
static bool on_stream(sse_stream s, void *user) {
    (void)s, (void)user;
    return false;
}
static bool on_label(const char *label, int n, void *user) {
    (void)label, (void)n, (void)user;
    return false;
}
static bool on_who(const char *who, sse_stream s, void *user) {
    (void)who, (void)s, (void)user;
    return false;
}
static bool on_event(const sse_event *event, void *user) {
    (void)event, (void)user;
    return false;
}
static void on_view(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)html, (void)user;
}
static void on_each(sse_req *req, sse_buf *html, void *user) { (void)req, (void)html, (void)user; }
static void on_commit(sse_app *app, sse_db *db, void *user) { (void)app, (void)db, (void)user; }

static int  nfreed;
static void count_freed(void *user) { nfreed += user == &nfreed; }

/* Whatever needs an app answers want to this one: none, or one whose loop runs on another
   thread. */
static void loop_only(sse_app *app, sse_db *db, int want, const char *who) {
    sse_event         event;
    sse_test_reply    reply;
    sse_route_options route;
    sse_filter        filter;
    int               fds[2] = {-1, -1};
    memset(&event, 0, sizeof event);
    memset(&reply, 0, sizeof reply);
    memset(&route, 0, sizeof route);
    memset(&filter, 0, sizeof filter);
    if (pipe(fds)) perror("pipe");
#define IS(call) \
    (lines = 0, is_int(call, want, who), want == SSE_E_THREAD ? said_elsewhere(#call) : (void)0)
    IS(sse_get(app, "/x", on_req, NULL));
    IS(sse_post(app, "/x", on_req, NULL));
    IS(sse_put(app, "/x", on_req, NULL));
    IS(sse_patch(app, "/x", on_req, NULL));
    IS(sse_delete(app, "/x", on_req, NULL));
    IS(sse_mount(app, "/x", on_req, NULL));
    route.free_user = count_freed;
    nfreed = 0;
    IS(sse_route(app, "/x", on_req, &nfreed, &route));
    is_int(nfreed, 1, "... and frees what it took");
    IS(sse_before(app, "/x", on_req, NULL));
    IS(sse_static(app, "/x", "/", NULL));
    IS(sse_datastar(app, "/x", "x.js"));
    IS(sse_live(app, "/x", on_view, NULL));
    IS(sse_live_each(app, "/x", on_each, NULL));
    IS(sse_topic(app, "x", NULL));
    IS(sse_topic_from_table(app, "x", db, "SELECT 1"));
    IS(sse_topic_listen(app, "x", on_topic, NULL));
    IS(sse_topic_unlisten(app, "x", on_topic, NULL));
    IS(sse_topic_who(app, "x", on_who, NULL));
    IS(sse_topic_history(app, "x", 1, on_event, NULL));
    IS(sse_source_restart(app, "x"));
    IS(sse_on_commit(app, db, NULL, on_commit, NULL));
    IS(sse_streams_count(app, &filter));
    IS(sse_streams_each(app, &filter, on_stream, NULL));
    IS(sse_streams_labels(app, on_label, NULL));
    IS(sse_streams_close(app, &filter, &event));
    IS(sse_monitor(app, "/_x", NULL, NULL));
    IS(sse_watch(app, fds[0], SSE_READ, on_fd, NULL));
    IS(sse_watch_lines(app, fds[0], on_line, NULL));
    IS(sse_offload(app, on_app, NULL, NULL));
    IS(sse_log_access(app));
    IS(sse_log_topic(app, "x"));
    IS(sse_listen(app, NULL));
    IS(sse_serve(app, NULL));
    IS(sse_poll(app, 0));
    IS(sse_stop_on_signals(app));
    IS(sse_upgrade_on_signal(app, NULL));
    IS(sse_test_request(app, "GET /x", NULL, NULL, &reply));
    IS(sse_test_run(app, 1));
    IS(sse_every(app, 1, on_app, NULL).app ? SSE_OK : want);
    IS(sse_after(app, 1, on_app, NULL).app ? SSE_OK : want);
    IS(sse_every(app, 0, on_app, NULL).app ? SSE_OK : want);
    IS(sse_tunnel_start(app, "cloudflared") ? SSE_OK : want);
#undef IS
    close(fds[0]);
    close(fds[1]);
}

static void no_app(void) {
    sse_event  event;
    sse_stats  stats;
    sse_filter filter;
    sse_timer  timer;
    sse_stream none;
    memset(&event, 0, sizeof event);
    memset(&timer, 0, sizeof timer);
    memset(&none, 0, sizeof none);
    memset(&filter, 0, sizeof filter);
    loop_only(NULL, NULL, SSE_E_ARG, "no app");
    is_int(sse_call(NULL, on_app, NULL), SSE_E_ARG, "no app to call on");
    is_int(sse_publish(NULL, "x", &event), SSE_E_ARG, "no app to publish in");
    is_int(sse_publish_json(NULL, "x", NULL, "{}"), SSE_E_ARG, "... JSON likewise");
    is_int(sse_touch(NULL, "/x"), SSE_E_ARG, "no app to touch a view of");
    memset(&stats, 7, sizeof stats);
    is_int(sse_stats_get(NULL, &stats), SSE_E_ARG, "no app to count in");
    is_int((long long)(stats.connections + stats.requests), 0, "... all are 0 then");
    is_int(sse_stop(NULL), SSE_E_ARG, "no app to stop");
    is_int(sse_stopping(NULL), 0, "... and none that stops");
    is_int(sse_fd(NULL), SSE_E_ARG, "no app with a descriptor");
    is_int(sse_next_ms(NULL), SSE_E_ARG, "no app with a next turn");
    is_int(sse_upgrade(NULL), SSE_E_ARG, "no app to hand over");
    is_int(sse_timer_cancel(timer), SSE_E_CLOSED, "no timer");
    ok(!sse_serve_background(NULL, NULL), "no app to serve");
    is_int(sse_stream_is_open(none), 0, "a zeroed handle is no stream");
    is_int(sse_stream_send(none, &event), SSE_E_CLOSED, "... to which nothing is sent");
    ok(!sse_stream_find(NULL, "1-1").app, "no app to find a stream in");
    sse_app_free(NULL);
    sse_db_close(NULL);
}

/* What is refused for its arguments says so, after its name. */
#define SAYS(call, words) \
    (said[0] = '\0', is_int(call, SSE_E_ARG, words), is_str(said, words, "... in the log"))

static void no_arguments(sse_app *app) {
    sse_event  event, odd;
    sse_filter all;
    memset(&event, 0, sizeof event);
    memset(&odd, 0, sizeof odd);
    memset(&all, 0, sizeof all);
    odd.data = "x";
    odd.except_count = -1;
    all.all = true;
    SAYS(sse_call(app, NULL, NULL), "sse_call: fn is NULL");
    SAYS(sse_offload(app, NULL, on_app, NULL), "sse_offload: work is NULL");
    SAYS(sse_publish(app, NULL, &event), "sse_publish: there is nothing in it");
    SAYS(sse_publish(app, "x", NULL), "sse_publish: the event is NULL");
    SAYS(sse_publish(app, "x", &odd), "sse_publish: .except_count -1: it is negative");
    odd.except_count = 1;
    SAYS(sse_publish(app, "x", &odd), "sse_publish: .except_count 1: .except_list is NULL");
    SAYS(sse_publish_json(app, NULL, NULL, "{}"), "sse_publish_json: a topic without a name");
    SAYS(sse_publish_json(app, "x", NULL, NULL), "sse_publish_json: fmt is NULL");
    SAYS(sse_touch(app, NULL), "sse_touch: NULL: a path begins with /");
    SAYS(sse_touch(app, "x"), "sse_touch: x: a path begins with /");
    SAYS(sse_stats_get(app, NULL), "sse_stats_get: out is NULL");
    SAYS(sse_topic_who(app, NULL, on_who, NULL), "sse_topic_who: topic is NULL");
    SAYS(sse_topic_who(app, "x", NULL, NULL), "sse_topic_who: fn is NULL");
    SAYS(sse_topic_history(app, NULL, 1, on_event, NULL), "sse_topic_history: topic is NULL");
    SAYS(sse_topic_history(app, "x", 1, NULL, NULL), "sse_topic_history: fn is NULL");
    SAYS(sse_topic_history(app, "x", -1, on_event, NULL), "sse_topic_history: limit is negative");
    SAYS(sse_topic_unlisten(app, NULL, on_topic, NULL), "sse_topic_unlisten: name is NULL");
    SAYS(sse_topic_unlisten(app, "x", NULL, NULL), "sse_topic_unlisten: fn is NULL");
    SAYS(sse_source_restart(app, NULL), "sse_source_restart: name is NULL");
    is_int(sse_source_restart(app, "x"), SSE_E_ABSENT, "... of a topic without a source");
    SAYS(sse_streams_each(app, &all, NULL, NULL), "sse_streams_each: fn is NULL");
    SAYS(sse_streams_each(app, NULL, on_stream, NULL),
        "sse_streams_each: the filter is empty: a name in it is NULL, or .all is meant");
    SAYS(sse_streams_labels(app, NULL, NULL), "sse_streams_labels: fn is NULL");
    ok(!sse_stream_find(app, NULL).app && !sse_stream_find(app, "").app &&
            !sse_stream_find(app, "1").app && !sse_stream_find(app, "1-1").app,
        "sse_stream_find: no id, or of no stream");
    SAYS(sse_after(app, -1, on_app, NULL).app ? 0 : SSE_E_ARG, "sse_after: ms is negative");
    SAYS(sse_after(app, 1, NULL, NULL).app ? 0 : SSE_E_ARG, "sse_after: fn is NULL");
    SAYS(sse_every(app, 1, NULL, NULL).app ? 0 : SSE_E_ARG, "sse_every: fn is NULL");
    SAYS(sse_every(app, -1, on_app, NULL).app ? 0 : SSE_E_ARG,
        "sse_every: -1 ms: not within 1..2147483647");
}

static void no_test(void) { /* requests that are none; no time */
    sse_app_options options;
    sse_test_reply  r;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    memset(&r, 0, sizeof r);
    options.on_log = on_log;
    app = sse_app_new(&options);
    SAYS(sse_test_request(app, "/h", NULL, NULL, &r),
        "sse_test_request: \"/h\": a request is like \"GET /path\"");
    SAYS(sse_test_request(app, "GET /a b", NULL, NULL, &r),
        "sse_test_request: \"GET /a b\": a request is like \"GET /path\"");
    SAYS(sse_test_request(app, "GET /h", "no colon", NULL, &r),
        "sse_test_request: headers has a line that is not like \"Name: value\"");
    ok(r.status == 0 && strcmp(r.head, "") == 0 && strcmp(r.body, "") == 0,
        "... and nothing has come of it");
    memset(&r, 0, sizeof r);
    SAYS(sse_test_request(app, NULL, NULL, NULL, &r), "sse_test_request: request is NULL");
    ok(strcmp(r.head, "") == 0 && strcmp(r.body, "") == 0, "... likewise");
    SAYS(sse_test_request(app, "GET /h", NULL, NULL, NULL), "sse_test_request: reply is NULL");
    SAYS(sse_test_run(app, -1), "sse_test_run: ms is negative");
    sse_app_free(app);
}

/* What the loop does while it runs is not possible in what it calls. */
static void misuses_loop(sse_req *req, void *user) {
    sse_app *app = sse_req_app(req);
#define IN_CALLBACK(call, words) \
    (said[0] = '\0', is_int(call, SSE_E_STATE, words), is_str(said, words, "... in the log"))
    IN_CALLBACK(sse_poll(app, 0), "sse_poll: in a callback: the loop runs already");
    IN_CALLBACK(sse_serve(app, NULL), "sse_serve: in a callback: the loop runs already");
    IN_CALLBACK(sse_test_run(app, 1), "sse_test_run: in a callback: the loop runs already");
    IN_CALLBACK(sse_test_request(app, "GET /", NULL, NULL, (sse_test_reply *)user),
        "sse_test_request: in a callback: the loop runs already");
    IN_CALLBACK(sse_test_close((sse_test_reply *)user),
        "sse_test_close: in a callback: the loop runs already");
}

static sse_stream misused;

static void misuses_stream(sse_req *req, void *user) {
    (void)user;
    misused = sse_stream_open(req, NULL);
    SAYS(sse_unsubscribe(misused, "x"), "sse_unsubscribe: x: the stream does not follow it");
    is_int(said_level, SSE_LOG_DEBUG, "... which a click too many may do");
    SAYS(sse_unsubscribe_pattern(misused, NULL), "sse_unsubscribe_pattern: the name is NULL");
    is_int(said_level, SSE_LOG_WARNING, "... which no click does");
    SAYS(sse_stream_unview(misused, "/view"),
        "sse_stream_unview: /view: the stream does not show it");
    is_int(said_level, SSE_LOG_DEBUG, "... which is left already, say");
    SAYS(sse_stream_unview(misused, "/x"), "sse_stream_unview: /x: the stream does not show it");
    is_int(said_level, SSE_LOG_WARNING, "... as there is no such view");
    SAYS(sse_stream_set_meta(misused, NULL, "x"), "sse_stream_set_meta: name is NULL");
    SAYS(sse_stream_stats_get(misused, NULL), "sse_stream_stats_get: out is NULL");
    SAYS(sse_stream_send_json(misused, "x", NULL), "sse_stream_send_json: fmt is NULL");
    said[0] = '\0';
    is_int(sse_stream_wake(misused), SSE_E_STATE, "a stream without a step is not woken");
    ok(strncmp(said, "sse_stream_wake: not possible without a .step (stream ", 54) == 0,
        "... as the log says: %s", said);
    sse_subscribe(misused, "x");
}

static void misuses_reply(sse_req *req, void *user) {
    (void)user;
    SAYS(sse_set_attr_ptr(req, NULL, req), "sse_set_attr_ptr: name is NULL (/reply)");
    is_int(sse_send_file(req, "sse.h", NULL), SSE_OK, "a file");
    IN_CALLBACK(sse_send_file(req, "sse.h", NULL), "sse_send_file: a second time (/reply)");
}

static void renders(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=view></p>");
}

static void in_callbacks(void) {
    sse_app_options options;
    sse_test_reply  r, other;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    memset(&r, 0, sizeof r);
    memset(&other, 0, sizeof other);
    options.on_log = on_log;
    app = sse_app_new(&options);
    sse_get(app, "/loop", misuses_loop, &other);
    sse_get(app, "/stream", misuses_stream, NULL);
    sse_live(app, "/view", renders, NULL);
    sse_get(app, "/reply", misuses_reply, NULL);
    sse_test_request(app, "GET /stream", NULL, NULL, &other);
    sse_test_request(app, "GET /loop", NULL, NULL, &r);
    sse_test_request(app, "GET /reply", NULL, NULL, &r);
    is_int(r.status, 200, "the first file is sent");
    sse_test_close(&r);
    sse_stop(app);
    sse_test_run(app, 10000);
    IN_CALLBACK(sse_test_run(app, 1), "sse_test_run: the app has stopped");
    sse_app_free(app);
}

static void two_with_signals(void) {
    sse_app_options options;
    sse_app        *first, *second;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    first = sse_app_new(&options);
    second = sse_app_new(&options);
    is_int(sse_stop_on_signals(first), SSE_OK, "an app has the signals");
    IN_CALLBACK(sse_stop_on_signals(second), "sse_stop_on_signals: another app has them");
    sse_app_free(second);
    sse_app_free(first);
}

#ifndef SSE_NO_SQLITE
static void shows_rows(sse_view *view, sse_buf *html, void *user) {
    long long n = -1;
    (void)view;
    sse_db_one((sse_db *)user, &n, "SELECT count(*) FROM t");
    sse_html(html, "<p id=n>%lld</p>", n);
}
#endif

static void frees(sse_req *req, void *user) {
    (void)user;
    sse_app_free(sse_req_app(req));
    sse_puts(sse_out(req), "still here");
}

static void freed_inside(void) { /* an app in its own handler */
    sse_app       *app = sse_app_new(NULL);
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    sse_get(app, "/free", frees, NULL);
    sse_test_request(app, "GET /free", NULL, NULL, &r);
    is_str(r.body, "still here", "an app is not freed in its own handler");
    sse_test_close(&r);
    sse_app_free(app);
}

static void freed_in_any_order(void) { /* the others are known as before */
    static const int orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}, {1, 2, 0}};
    sse_app         *others = sse__apps.first, *app;
    size_t           i;
    int              k, n;
    for (i = 0; i < SSE__COUNT(orders); i++) {
        sse_app *apps[3];
        for (k = 0; k < 3; k++) apps[k] = sse_app_new(NULL);
        for (k = 0; k < 3; k++) {
            sse_app_free(apps[orders[i][k]]);
            for (n = 0, app = sse__apps.first; app != others; app = app->next) n++;
            is_int(n, 2 - k, "an app is freed, and no other is forgotten");
        }
    }
}

static void closed_first(void) { /* a database, while an app uses it */
#ifndef SSE_NO_SQLITE
    sse_db           *db = sse_db_open(":memory:", NULL), *failed;
    sse_app          *app = sse_app_new(NULL);
    sse_topic_options topic;
    sse_live_options  live;
    sse_event         event;
    sse_test_reply    view;
    sse_serve_options serve;
    memset(&serve, 0, sizeof serve);
    memset(&topic, 0, sizeof topic);
    memset(&live, 0, sizeof live);
    memset(&event, 0, sizeof event);
    memset(&view, 0, sizeof view);
    topic.history = 10;
    topic.db = live.db = db;
    live.tables = "t";
    live.user = db;
    event.data = "x";
    sse_db_migrate(db, "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    is_int(sse_topic(app, "kept", &topic), 0, "a history in a database");
    is_int(sse_topic_from_table(app, "rows", db, "SELECT id, body FROM t WHERE id > ? ORDER BY id"),
        0, "rows of it");
    is_int(sse_live(app, "/view", shows_rows, &live), 0, "a view of it");
    sse_db_close(db);
    is_int(sse_test_request(app, "GET /view", "Accept: text/event-stream\n", NULL, &view), 0,
        "it is closed, and the view is asked for");
    ok(strstr(view.body, "<p id=n>0</p>") != NULL, "which reads it");
    is_int(sse_publish(app, "kept", &event), 0, "the history goes on");
    sse_db_exec(db, "INSERT INTO t(body) VALUES('x')");
    sse_test_run(app, 1000);
    ok(strstr(view.body, "<p id=n>1</p>") != NULL, "and so does the view");
    sse_test_close(&view);
    sse_app_free(app); /* closes it */
    app = sse_app_new(NULL);
    failed = live.db = sse_db_open("/nowhere/at/all", NULL);
    ok(sse_live(app, "/view", shows_rows, &live) < 0, "one that did not open");
    sse_db_close(failed);
    serve.port = SSE_ANY_PORT;
    ok(sse_listen(app, &serve) < 0, "its view is not served");
    sse_app_free(app);
    app = sse_app_new(NULL);
    is_int(sse_listen(app, &serve), 0, "another app is");
    db = sse_db_open(":memory:", NULL);
    is_int(sse_on_commit(app, db, NULL, on_commit, NULL), 0,
        "one that only its commits are told of");
    sse_db_close(db);
    ok(!app->changes, "is followed until it is closed");
    sse_app_free(app);
#endif
}

static void elsewhere(void) {
#ifndef SSE_NO_THREADS
    sse_serve_options   serve;
    sse_db_post_options post;
    sse_app_options     options;
    sse_db             *db = sse_db_open(":memory:", NULL);
    sse_app            *app;
    sse_server         *server;
    sse_timer           timer;
    memset(&serve, 0, sizeof serve);
    memset(&post, 0, sizeof post);
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = sse_app_new(&options);
    timer = sse_every(app, 60000, on_app, NULL);
    serve.port = SSE_ANY_PORT;
    server = sse_serve_background(app, &serve);
    ok(server != NULL, "a loop on another thread");
    loop_only(app, db, SSE_E_THREAD, "the loop is elsewhere");
    lines = 0;
    is_int(sse_timer_cancel(timer), SSE_E_THREAD, "its timers too");
    said_elsewhere("sse_timer_cancel");
    post.app = app;
#ifndef SSE_NO_SQLITE
    lines = 0;
    is_int(sse_db_post(db, &post, "SELECT 1"), SSE_E_THREAD, "and what is posted for it");
    said_elsewhere("sse_db_post");
#endif
    is_int(sse_stop_background(server, 30000), SSE_OK, "which ends");
    sse_app_free(app);
    sse_db_close(db);
#endif
}

/* ---- a request that goes to somebody else, and is not deferred ---- */

static sse_db   *lost_db;
static sse_req  *lost, *held;
static sse_timer its_timer;
static int       told_of_it, told_late;

static void counts(int level, const char *line, void *user) { /* user: debug lines, too */
    if (level != SSE_LOG_WARNING && !user) return;
    told_of_it += strncmp(line, "sse_defer: not called", 21) == 0;
    told_late += strncmp(line, "sse_finish: a timer", 19) == 0;
}

static void uses(sse_app *app, void *user) { (void)app, (void)user; }

static void used(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)result, (void)user;
}

static void gives(sse_req *req, void *user) {
    const char         *how = sse_param(req, "how");
    sse_app            *app = sse_req_app(req);
    sse_db_post_options post;
    (void)user;
    memset(&post, 0, sizeof post);
    post.app = app;
    post.done = used;
    post.user = req;
    lost = req;
    if (strcmp(how, "echo") == 0)
        sse_printf(sse_out(req), "%s %s %s %d", sse_query(req, "x"), sse_cookie(req, "c"),
            sse_header(req, "X"), sse_header_all(req) != NULL);
    if (strcmp(how, "after") == 0) sse_after(app, 5, uses, req);
    if (strcmp(how, "every") == 0) sse_every(app, 5000, uses, req);
    if (strcmp(how, "work") == 0) sse_offload(app, uses, uses, req);
    if (strcmp(how, "post") == 0) sse_db_post(lost_db, &post, "SELECT 1");
    if (strcmp(how, "stream") == 0) {
        sse_stream_open(req, NULL);
        sse_after(app, 5, uses, req);
    }
    if (strcmp(how, "says") == 0) {
        sse_after(app, 5, uses, req);
        sse_puts(sse_out(req), "said");
    }
    if (strcmp(how, "another") == 0) sse_after(app, 5, uses, app);
    if (strcmp(how, "both") == 0) { /* the latest is not the only one */
        sse_offload(app, uses, uses, req);
        sse_after(app, 5, uses, app);
    }
    if (strncmp(how, "cancels", 7) == 0) sse_timer_cancel(sse_after(app, 5000, uses, req));
    if (strcmp(how, "cancels-says") == 0) sse_puts(sse_out(req), "said");
    if (strcmp(how, "cancels-stream") == 0) sse_stream_open(req, NULL);
    if (strcmp(how, "cancels-one") == 0) sse_every(app, 5000, uses, req);
    if (strcmp(how, "fails") == 0) {
        app->loop.closing = true;
        is_int(sse_offload(app, uses, uses, req), SSE_E_STATE, "what is refused has no request");
        app->loop.closing = false;
        sse_puts(sse_out(req), "said");
    }
}

static void gives_and_defers(sse_req *req, void *user) {
    (void)user;
    its_timer = sse_after(sse_req_app(req), 60000, uses, req);
    held = sse_defer(req) ? NULL : req;
}

/* ---- ... while its body comes ---- */

static bool cancels;

static int reads(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)chunk, (void)user;
    if (status != 1 && cancels) sse_timer_cancel(its_timer);
    return 0;
}

static void watches(sse_req *req, void *user) {
    (void)user;
    lost = req;
    its_timer = sse_every(sse_req_app(req), 100, uses, req);
    sse_body_read(req, reads, NULL);
}

static void fires(sse_app *app, void *user) { /* and is given again */
    (void)app;
    if (user) its_timer = sse_after(app, 1000, uses, user);
}

static void watches_again(sse_req *req, void *user) {
    (void)user;
    lost = req;
    sse_after(sse_req_app(req), 10, fires, req);
    sse_body_read(req, reads, NULL);
}

/* Each call with a request that is over. */
static void calls_of_the_lost(void) {
    sse_cookie_options cookie;
    memset(&cookie, 0, sizeof cookie);
    sse_puts(sse_out(lost), "late");
    sse_puts(sse_out_json(lost), "late");
    ok(sse_out(lost)->len == 0 && sse_out(lost)->error, "what is written goes nowhere");
#define REFUSED(call) is_int(call, SSE_E_STATE, #call)
    REFUSED(sse_set_cookie(lost, "session", "of-the-first", &cookie));
    REFUSED(sse_set_cookie_signed(lost, "session", "of-the-first", NULL));
    REFUSED(sse_cookie_delete(lost, "session", NULL));
    REFUSED(sse_set_status(lost, 201));
    REFUSED(sse_set_type(lost, "text/plain"));
    REFUSED(sse_set_header(lost, "A", "b"));
    REFUSED(sse_set_attr(lost, "a", "b"));
    REFUSED(sse_set_attr_ptr(lost, "a", lost));
    REFUSED(sse_redirect(lost, "/"));
    REFUSED(sse_fail(lost, 400, "late"));
    REFUSED(sse_come_back(lost, 100));
    REFUSED(sse_send_file(lost, "/etc/hostname", NULL));
    REFUSED(sse_defer(lost));
    REFUSED(sse_finish(lost));
    is_int(sse_body_pause(lost, true), SSE_E_CLOSED, "it has no body that comes");
    REFUSED(sse_body_read(lost, NULL, NULL));
    REFUSED(sse_body_parts(lost, NULL, NULL));
    REFUSED(sse_body_to_file(lost, "/tmp/sse-misuse", NULL, NULL));
    ok(!sse_stream_open(lost, NULL).app, "no stream");
    ok(!sse_auth_basic(lost, "r", "u", "p") && !sse_auth_bearer(lost, "t"), "nobody is let in");
#define NOTHING(call) ok(!(call), #call)
    NOTHING(sse_req_app(lost));
    NOTHING(sse_query(lost, "a"));
    NOTHING(sse_query_at(lost, "a", 0));
    NOTHING(sse_query_bytes(lost, "a").ptr);
    NOTHING(sse_query_raw(lost).ptr);
    NOTHING(sse_query_all(lost));
    NOTHING(sse_form(lost, "a"));
    NOTHING(sse_form_at(lost, "a", 0));
    NOTHING(sse_form_all(lost));
    NOTHING(sse_header(lost, "Host"));
    NOTHING(sse_header_at(lost, "Host", 0));
    NOTHING(sse_header_all(lost));
    NOTHING(sse_cookie(lost, "a"));
    NOTHING(sse_cookie_all(lost));
    NOTHING(sse_cookie_signed(lost, "a", 60));
    NOTHING(sse_body(lost).ptr);
    NOTHING(sse_param(lost, "how"));
    NOTHING(sse_signal(lost, "a"));
    NOTHING(sse_attr(lost, "a"));
    NOTHING(sse_attr_ptr(lost, "a"));
    NOTHING(sse_req_unsign(lost, "a", 60));
    (void)sse_path(lost), (void)sse_method(lost), (void)sse_peer(lost);
    (void)sse_fmt(lost, "%d", 1), (void)sse_req_sign(lost, "a");
}

static void not_deferred(void) {
    static const struct {
        const char *path;
        int         status, told;
    } rows[] = {{"GET /after", 500, 1}, {"GET /every", 500, 1},
#ifndef SSE_NO_SQLITE
        {"GET /post", 500, 1},
#endif
        {"GET /stream", 200, 1}, {"GET /says", 200, 1}, {"GET /another", 204, 0},
#ifndef SSE_NO_THREADS
        {"GET /work", 500, 1}, {"GET /both", 500, 1}, {"GET /fails", 200, 0},
#endif
        {"GET /cancels", 204, 0}, {"GET /cancels-says", 200, 0}, {"GET /cancels-stream", 200, 0},
        {"GET /cancels-one", 500, 1}, {"GET /none", 204, 0}};
    sse_app_options o;
    sse_test_reply  r, later;
    sse_app        *app;
    int             i;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    memset(&later, 0, sizeof later);
    o.on_log = counts;
    app = sse_app_new(&o);
    lost_db = sse_db_open(":memory:", NULL);
    sse_get(app, "/held", gives_and_defers, NULL);
    sse_get(app, "/{how}", gives, NULL);
    for (i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        told_of_it = 0;
        sse_test_request(app, rows[i].path, NULL, NULL, &r);
        sse_test_run(app, 2000);
        is_int(r.status, rows[i].status, rows[i].path);
        is_int(told_of_it, rows[i].told, "... and the log says what was forgotten");
        if (!rows[i].told || strcmp(rows[i].path, "GET /stream") == 0) continue;
        told_of_it = 0;
        sse_test_request(app, "GET /held", NULL, NULL, &later);
        ok(held && held != lost, "the next one is another, also while it waits");
        calls_of_the_lost();
        sse_puts(sse_out(held), "its own");
        is_int(sse_finish(held), 0, "which answers");
        sse_timer_cancel(its_timer);
        sse_test_run(app, 0);
        is_str(later.body, "its own", "... what is its own");
        ok(!strstr(later.head, "session"), "... and nobody else's cookie");
        is_int(told_of_it + told_late, 0, "it was deferred: all is well");
        lost = held;
        calls_of_the_lost();
        sse_test_request(app, "GET /echo?x=1", "Cookie: c=2\nX: 3\n", NULL, &later);
        is_str(later.body, "1 2 3 1", "calls with one that was answered harm no later one");
    }
    for (i = 0; i < 100; i++) sse_test_request(app, "GET /says", NULL, NULL, &r);
    is_int(r.status, 200, "however many there are");
    sse_test_close(&r);
    sse_test_close(&later);
    sse_app_free(app);
    sse_db_close(lost_db);
}

/* A body comes in two pieces, or its client leaves after the first. */
static void not_deferred_reading(void) { /* CO5 */
    static const struct {
        const char *path;
        bool        cancels, leaves;
        const char *status;
        int         told;
    } rows[] = {{"/watches", true, false, " 204 ", 0}, {"/watches", false, false, " 500 ", 1},
        {"/watches", true, true, NULL, 0}, {"/watches", false, true, NULL, 1},
        {"/again", true, false, " 204 ", 0}, {"/again", false, false, " 500 ", 1}};
    sse_app_options   o;
    sse_route_options later;
    sse_app          *app;
    client           *c;
    char              text[200];
    size_t            i;
    memset(&o, 0, sizeof o);
    memset(&later, 0, sizeof later);
    o.on_log = counts;
    o.user = &o;
    later.method = "POST";
    later.body_later = true;
    app = dial_app(&o);
    sse_route(app, "/watches", watches, NULL, &later);
    sse_route(app, "/again", watches_again, NULL, &later);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const uint64_t began = sse__clock_ms();
        told_of_it = 0;
        cancels = rows[i].cancels;
        snprintf(text, sizeof text,
            "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf", rows[i].path);
        c = send_from_new(app, text, strlen(text));
        while (sse__clock_ms() < began + 50) turns(app, 1);
        if (rows[i].leaves) hang_up(c);
        else ok(send(c->fd, "rest", 4, MSG_NOSIGNAL) == 4, "the rest");
        turns(app, 20);
        if (rows[i].status) ok(strstr(c->got, rows[i].status) != NULL, "%s: %s", text, c->got);
        ok(told_of_it == rows[i].told, "%s%s: a timer that %s", rows[i].path,
            rows[i].leaves ? ", its client leaves" : "", cancels ? "was cancelled" : "is to come");
        if (told_of_it) calls_of_the_lost();
        sse_timer_cancel(its_timer);
    }
    dial_free(app);
}

static void deferred_and_given(void) { /* CO5 */
    sse_app_options o;
    sse_test_reply  r;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.on_log = counts;
    app = sse_app_new(&o);
    sse_get(app, "/held", gives_and_defers, NULL);
    told_late = told_of_it = 0;
    sse_test_request(app, "GET /held", NULL, NULL, &r);
    lost = held;
    sse_puts(sse_out(lost), "answered");
    is_int(sse_finish(lost), 0, "one that was deferred is answered");
    sse_test_run(app, 0);
    ok(r.status == 200 && strcmp(r.body, "answered") == 0, "... as it should be");
    is_int(told_late, 1, "... and the log names the timer that still has it");
    sse_test_request(app, "GET /held", NULL, NULL, &r);
    ok(held != lost, "the next one is another");
    calls_of_the_lost();
    is_int(told_of_it, 0, "nobody forgot sse_defer");
    sse_test_close(&r);
    sse_app_free(app);
    is_int(told_late, 1, "when the app goes no timer comes");
}

enum { MANY = 40 };

static sse_req *many[MANY]; /* in the order in which they are lost */
static int      given_away, ticks, let_in;

static void ticks_with(sse_app *app, void *user) {
    (void)app;
    ticks++;
    let_in += sse_finish((sse_req *)user) != SSE_E_STATE;
}

static void gives_away(sse_req *req, void *user) {
    (void)user;
    sse_after(sse_req_app(req), 1000, ticks_with, req);
    many[given_away++] = req;
    sse_puts(sse_out(req), "said");
}

/* Each is there until its timer has come, however many there are; then it is memory again. */
static void many_given(void) { /* CO5 */
    sse_app_options o;
    sse_test_reply  r;
    sse_app        *app;
    int             i, k, same = 0, before;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.on_log = counts;
    app = sse_app_new(&o);
    sse_get(app, "/away", gives_away, NULL);
    sse_get(app, "/{how}", gives, NULL);
    for (i = 0; i < MANY; i++) {
        sse_test_request(app, "GET /away", NULL, NULL, &r);
        for (k = 0; k < i; k++) same += many[k] == many[i];
    }
    is_int(same, 0, "none is another one while a timer has it");
    is_int(app->router->nlost, MANY, "so many are kept");
    sse_test_run(app, 2000);
    is_int(ticks, MANY, "each timer comes");
    is_int(let_in, 0, "... and is refused");
    before = app->router->nlost;
    for (i = 0; i < MANY; i++) sse_test_request(app, "GET /none", NULL, NULL, &r);
    is_int(before - app->router->nlost, MANY - SSE__LOST, "then all go but the latest");
    sse_test_close(&r);
    sse_app_free(app);
}

int main(void) {
    sse_app        *app;
    sse_app_options options;
    memset(&options, 0, sizeof options);
    no_app();
    options.on_log = on_log;
    app = sse_app_new(&options);
    no_arguments(app);
    sse_app_free(app);
    no_test();
    in_callbacks();
    two_with_signals();
    elsewhere();
    closed_first();
    freed_inside();
    freed_in_any_order();
    not_deferred();
    not_deferred_reading();
    deferred_and_given();
    many_given();
    return tap_done();
}
