/* Tests of >>server in one process: stopping, freeing in every state, serving again, other loops,
   threads, systemd. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <poll.h>

static char     order[256]; /* what was called, a letter each */
static sse_req *deferred;
static int      closed_by_stop;
static int (*asked)(sse_app *app); /* by what runs while the app stops */
static int asked_answers[3];

static void note(char c) {
    const size_t n = strlen(order);
    if (n < sizeof order - 1) order[n] = c;
}

static const char *called(void) { return order; }

static void on_init(sse_app *app, void *user) {
    (void)app;
    (void)user;
    note('i');
}

static void on_exit_(sse_app *app, void *user) {
    (void)user;
    note('x');
    if (asked) asked_answers[2] = asked(app);
}

static int  told_elsewhere;  /* lines of calls on another thread than the loop's */
static char told_error[400]; /* the last error */

static void on_log(int level, const char *line, void *user) {
    (void)user;
    told_elsewhere += strstr(line, ": another thread runs the loop: ") != NULL;
    if (level == SSE_LOG_ERROR) snprintf(told_error, sizeof told_error, "%s", line);
    if (level <= SSE_LOG_WARNING) printf("# %s\n", line);
}

static void on_stop(sse_stream s, void *user) {
    sse_event event;
    (void)user;
    note('s');
    if (asked) asked_answers[0] = asked(s.app);
    memset(&event, 0, sizeof event);
    event.data = "stopping";
    sse_stream_send(s, &event);
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)user;
    note('c');
    if (asked) asked_answers[1] = asked(s.app);
    closed_by_stop += reason == SSE_BY_STOP;
}

static void hello(sse_req *req, void *user) { sse_puts(sse_out(req), (const char *)user); }

static void stream(sse_req *req, void *user) {
    sse_stream_options o;
    sse_event          last;
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.event = "bye";
    last.data = "farewell";
    o.last = &last;
    o.on_stop = on_stop;
    o.on_close = on_close;
    sse_subscribe(sse_stream_open(req, &o), "news");
}

static void later(sse_req *req, void *user) {
    (void)user;
    deferred = req;
    sse_defer(req);
}

static void answer(sse_app *app, void *user) {
    (void)app;
    (void)user;
    note('a');
    sse_puts(sse_out(deferred), "late answer");
    sse_finish(deferred);
}

static void deep(sse_req *req, void *user) { /* large variables, for which musl has no room */
    volatile char room[800000];
    size_t        i;
    (void)user;
    for (i = 0; i < sizeof room; i += 1000) room[i] = 'x';
    sse_printf(sse_out(req), "deep %c", room[sizeof room - 1000]);
}

static sse_app *app_new(void) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    memset(order, 0, sizeof order);
    closed_by_stop = 0;
    o.on_init = on_init;
    o.on_exit = on_exit_;
    o.on_log = on_log;
    app = sse_app_new(&o);
    sse_get(app, "/", hello, (void *)"hello");
    sse_get(app, "/stream", stream, NULL);
    sse_get(app, "/later", later, NULL);
    sse_get(app, "/deep", deep, NULL);
    return app;
}

static const sse_serve_options *any_port(int grace_ms) {
    static sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    o.grace_ms = grace_ms;
    return &o;
}

/* ---- a client ---- */

static int dial(int port, const char *path) { /* a descriptor on which the reply will come */
    struct sockaddr_in to;
    char               text[128];
    const int          fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return -1;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (path && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) return -1;
    return fd;
}

static bool readable(int fd, int ms) {
    struct pollfd p;
    p.fd = fd;
    p.events = POLLIN;
    return poll(&p, 1, ms) > 0;
}

/* What arrived, until it holds this or the end (what NULL) comes; 5 s. */
static const char *read_until(int fd, const char *what) {
    static char text[8192];
    size_t      n = 0;
    text[0] = '\0';
    while (n < sizeof text - 1 && readable(fd, 5000)) {
        const ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) return what ? "" : text;
        n += (size_t)got;
        text[n] = '\0';
        if (what && strstr(text, what)) return text;
    }
    return "";
}

static void turns(sse_app *app, int count) {
    while (count-- > 0 && sse_poll(app, 10) > 0) {
    }
}

/* ---- stopping ---- */

static void stop_order(void) {
    sse_app    *app = app_new();
    int         streams[2], late, idle;
    const char *got;
    uint64_t    began;
    is_int(sse_listen(app, any_port(60000)), SSE_OK, "listens");
    streams[0] = dial(sse_port(app), "/stream");
    streams[1] = dial(sse_port(app), "/stream");
    late = dial(sse_port(app), "/later");
    idle = dial(sse_port(app), NULL);
    turns(app, 20);
    ok(!sse_stopping(app), "is not stopping");
    sse_stop(app);
    ok(sse_stopping(app), "is stopping");
    turns(app, 10);
    ok(strstr(read_until(streams[0], NULL), "stopping") != NULL,
        "a stream hears its last words, and ends");
    ok(strstr(read_until(streams[1], NULL), "event: bye\ndata: farewell") != NULL,
        "... and its last event");
    got = read_until(idle, NULL);
    is_str(got, "", "an idle connection ends");
    is_int(dial(sse_port(app), "/"), -1, "no new connections");
    is_int(sse_poll(app, 0), 1, "a reply in flight keeps it alive");
    close(streams[0]);
    close(streams[1]);
    sse_after(app, 100, answer, NULL);
    began = sse__clock_ms();
    while (sse_poll(app, -1) > 0) {
        if (readable(late, 0)) break;
    }
    ok(strstr(read_until(late, "late answer"), "200 OK") != NULL, "... and is finished");
    close(late);
    turns(app, 1000);
    ok(sse__clock_ms() - began < 30000, "then it is over, before the grace period");
    is_int(sse_poll(app, -1), 0, "and stays over");
    is_str(called(), "issccax", "on_init, on_stop, on_close, the answer, on_exit");
    is_int(closed_by_stop, 2, "the streams know why");
    close(idle);
    sse_app_free(app);
}

static void grace(void) {
    sse_app    *app = app_new();
    uint64_t    began = sse__clock_ms(), took;
    int         late;
    const char *got;
    sse_listen(app, any_port(300));
    late = dial(sse_port(app), "/later");
    turns(app, 20);
    sse_stop(app);
    began = sse__clock_ms();
    while (sse_poll(app, -1) > 0) {
    }
    took = sse__clock_ms() - began;
    ok(took >= 290 && took < 30000, "what is still open is cut when the grace period ends (%d ms)",
        (int)took);
    got = read_until(late, NULL);
    is_str(got, "", "its client sees the end");
    answer(app, NULL); /* still possible: nobody hears it */
    close(late);
    sse_app_free(app);
}

static void states(void) { /* sse_app_free at any time */
    sse_app_options bad;
    sse_app        *app;
    int             fd;
    memset(&bad, 0, sizeof bad);
    bad.max_headers = -1;
    bad.on_log = on_log;
    ok(!sse_app_new(&bad), "no app with options out of range");
    sse_app_free(NULL);
    sse_app_free(app_new());
    app = app_new();
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/stream");
    sse_app_free(app);
    is_str(called(), "", "freed before its first turn: no callback");
    close(fd);
    app = app_new();
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/stream");
    turns(app, 10);
    sse_app_free(app);
    is_str(called(), "icx", "freed while serving: on_close, on_exit");
    close(fd);
    app = app_new();
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/later");
    turns(app, 10);
    sse_call(app, answer, NULL);
    sse_app_free(app);
    is_str(called(), "ixa", "freed with a request deferred: it can still be finished");
    close(fd);
    app = app_new();
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/stream");
    turns(app, 10);
    sse_stop(app);
    sse_poll(app, 0);
    sse_app_free(app);
    is_str(called(), "iscx", "freed while stopping");
    close(fd);
}

static void again(void) {
    sse_app *app = app_new();
    int      i, fd;
    for (i = 0; i < 3; i++) {
        sse_listen(app, any_port(100));
        fd = dial(sse_port(app), "/");
        turns(app, 5);
        ok(strstr(read_until(fd, "hello"), "200 OK") != NULL, "run %d answers", i + 1);
        sse_stop(app);
        while (sse_poll(app, -1) > 0) {
        }
        close(fd);
    }
    is_str(called(), "ixixix", "each run has its on_init and on_exit");
    sse_app_free(app);
    app = app_new();
    sse_stop(app);
    is_int(sse_serve(app, any_port(0)), SSE_OK, "stopped before it began");
    sse_app_free(app);
}

/* ---- the time that a stop leaves ---- */

static int steps_left;

static void stop_soon(sse_app *app, void *user) {
    (void)user;
    sse_stop(app);
}

static int goes_on(sse_stream s, void *user) { /* as long as it may */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_stopping(s.app) ? "stopping" : "step";
    sse_stream_send(s, &event);
    return steps_left-- > 0 ? 100 : SSE_END;
}

static void opens_steps(sse_req *req, void *user) {
    sse_stream_options o;
    sse_event          last;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.data = "farewell";
    o.last = &last;
    o.step = goes_on;
    o.on_close = on_close;
    (void)user;
    (void)sse_stream_open(req, &o);
}

static void grace_times(void) { /* what is open is cut when its time is over, and not before */
    static const int rows[][2] = {{0, 5000}, {700, 700}, {1, 1}, {SSE_OFF, 0}};
    size_t           i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app       *app = app_new();
        sse_test_reply late, stream;
        memset(&late, 0, sizeof late);
        memset(&stream, 0, sizeof stream);
        steps_left = 1000;
        sse_get(app, "/steps", opens_steps, NULL);
        is_int(sse_listen(app, any_port(rows[i][0])), 0, "an app with a time to stop in");
        sse_test_request(app, "GET /later", NULL, NULL, &late);
        sse_test_request(app, "GET /steps", NULL, NULL, &stream);
        ok(stream.open && strstr(stream.body, "step") && !strstr(stream.body, "stopping"),
            "a stream goes on");
        sse_stop(app);
        if (rows[i][1]) is_int(sse_test_run(app, rows[i][1] - 1), 0, "the app stops");
        if (rows[i][1]) ok(late.open && stream.open, "... within %d ms", rows[i][1]);
        if (rows[i][1]) ok(strstr(stream.body, "stopping") != NULL, "... as its steps are told");
        is_str(called(), "i", "... and nothing is over");
        is_int(sse_test_run(app, rows[i][1] ? 1 : 0), 0, "... then it is");
        ok(!late.open && !late.status, "a reply that did not come is cut");
        ok(!stream.open && strstr(stream.body, "data: farewell\n") != NULL,
            "a stream that would go on has its last event: %d", rows[i][1]);
        is_str(called(), "icx", "on_close, on_exit");
        is_int(closed_by_stop, 1, "... as it stopped");
        is_int(sse_poll(app, 0), 0, "it is over");
        is_int(sse_test_run(app, 0), SSE_E_STATE, "... for tests, too");
        answer(app, NULL);
        sse_test_close(&late);
        sse_test_close(&stream);
        sse_app_free(app);
    }
}

static void last_replies(void) { /* a connection is not kept behind the reply that was in flight */
    sse_app       *app = app_new();
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    sse_listen(app, any_port(60000));
    sse_test_request(app, "GET /later", NULL, NULL, &r);
    sse_after(app, 1000, answer, NULL);
    sse_stop(app);
    is_int(sse_test_run(app, 1000), 0, "a reply comes while the app stops");
    is_str(r.body, "late answer", "... whole");
    is_str(sse_test_header(&r, "Connection"), "close", "... and the last");
    is_str(called(), "iax", "... with which all is over");
    sse_test_close(&r);
    sse_app_free(app);
}

/* Connections that wait for a request, a first or another, end with a stop, at once. */
static void idle_ends(void) {
    sse_app_options o;
    sse_app        *app;
    int             fds[2], i;
    memset(&o, 0, sizeof o);
    o.keepalive_ms = SSE_OFF;
    app = sse_app_new(&o);
    sse_get(app, "/", hello, (void *)"hello");
    sse_listen(app, any_port(600000));
    fds[0] = dial(sse_port(app), NULL);
    fds[1] = dial(sse_port(app), "/");
    for (i = 0; i < 30000 && (app->net->count < 2 || !readable(fds[1], 0)); i++) sse_poll(app, 10);
    is_int((int)app->net->count, 2, "two connections, of which one was answered");
    turns(app, 3);
    sse_stop(app);
    for (i = 0; i < 50 && sse_poll(app, 10) > 0; i++) {
    }
    is_int(sse_poll(app, 0), 0, "a stop does not wait for them");
    for (i = 0; i < 2; i++) close(fds[i]);
    sse_app_free(app);
}

/* Neither a grace period that was cut nor one that nobody needed is one of the next run. */
static void graces_of_runs(void) {
    int cut;
    for (cut = 0; cut < 2; cut++) {
        sse_app       *app = app_new();
        sse_test_reply r;
        memset(&r, 0, sizeof r);
        sse_listen(app, any_port(5000));
        sse_test_request(app, cut ? "GET /later" : "GET /", NULL, NULL, &r);
        sse_stop(app);
        is_int(sse_test_run(app, 6000), 0, "an app stops");
        is_int(sse_poll(app, 0), 0, cut ? "... when its time is over" : "... at once");
        if (cut) answer(app, NULL);
        is_int(sse_listen(app, any_port(60000)), 0, "it serves again");
        is_int(sse_test_request(app, "GET /later", NULL, NULL, &r), 0, "a request");
        is_int(sse_test_run(app, 20000), 0, "... waits");
        sse_stop(app);
        is_int(sse_test_run(app, 59999), 0, "it stops again");
        ok(r.open, "... with all of its time");
        answer(app, NULL);
        sse_test_run(app, 0);
        is_str(r.body, "late answer", "... for a reply");
        sse_test_close(&r);
        sse_app_free(app);
    }
}

static int listens_late(sse_app *app) { return sse_listen(app, NULL); }

static void too_late(void) { /* an address for an app that stops would serve nobody */
    sse_app       *app = app_new();
    sse_test_reply r;
    int            i;
    memset(&r, 0, sizeof r);
    sse_listen(app, any_port(0));
    sse_test_request(app, "GET /stream", NULL, NULL, &r);
    asked = listens_late;
    sse_stop(app);
    is_int(sse_test_run(app, 6000), 0, "an app stops");
    asked = NULL;
    is_str(called(), "iscx", "... with all that is called then");
    for (i = 0; i < 3; i++) is_int(asked_answers[i], SSE_E_STATE, "... which cannot listen");
    is_int(sse_listen(app, any_port(0)), 0, "... but it can, when it has stopped");
    is_int(sse_poll(app, 0), 1, "... and serves again");
    sse_test_close(&r);
    sse_app_free(app);
}

static void serves_elsewhere(void) { /* again, at an address of another kind */
    sse_serve_options o;
    char              path[64];
    sse_app          *app = app_new();
    is_int(sse_port(app), 0, "no port before it listens");
    is_int(sse_port(NULL), 0, "... or without an app");
    sse_listen(app, any_port(0));
    ok(sse_port(app) > 0, "then there is");
    sse_stop(app);
    ok(sse_stopping(app), "a stop");
    turns(app, 5);
    memset(&o, 0, sizeof o);
    snprintf(path, sizeof path, "unix:/tmp/sse-again-%d", (int)getpid());
    o.host = path;
    is_int(sse_listen(app, &o), 0, "it serves again, at a unix socket");
    is_int(sse_port(app), 0, "... which has no port");
    ok(!sse_stopping(app), "... and does not stop");
    is_int(sse_poll(app, 0), 1, "... but runs");
    is_str(called(), "ixi", "... anew");
    sse_app_free(app);
}

static void mistaken(void) { /* one made while setting up stays; a wrong address may be mended */
    sse_serve_options o;
    sse_app          *app = app_new();
    memset(&o, 0, sizeof o);
    o.port = 70000;
    is_int(sse_listen(app, &o), SSE_E_ARG, "no such port");
    is_int(sse_listen(app, any_port(0)), 0, "another");
    sse_app_free(app);
    app = app_new();
    (void)sse_get(app, "/", hello, NULL);
    is_int(sse_listen(app, any_port(0)), SSE_E_STATE, "a route that was there");
    is_int(sse_listen(app, any_port(0)), SSE_E_STATE, "... stays a mistake");
    is_int(sse_poll(app, 0), SSE_E_STATE, "... with which no loop turns");
    is_int(sse_serve(app, any_port(0)), SSE_E_STATE, "... and nothing is served");
    is_str(called(), "", "... so nothing began");
    sse_app_free(app);
}

static sse_stream watching;

static void renders(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=p>");
}

static void watches(sse_req *req, void *user) {
    (void)user;
    watching = sse_stream_open(req, NULL);
    sse_stream_view(watching, "/view");
}

/* What a loop of the program's own does between two turns is for the next one, at once. */
static void between_turns(void) {
    sse_app   *app = app_new();
    sse_filter all;
    int        fd, i;
    memset(&all, 0, sizeof all);
    memset(&watching, 0, sizeof watching);
    all.all = true;
    sse_live(app, "/view", renders, NULL);
    sse_get(app, "/watch", watches, NULL);
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/watch");
    ok(fd >= 0, "a stream that watches a view");
    for (i = 0; i < 500 && !sse_streams_count(app, &all); i++) sse_poll(app, 10);
    for (i = 0; i < 500 && !sse_next_ms(app); i++) sse_poll(app, 10);
    ok(sse_next_ms(app) != 0, "there is nothing to do");
    sse_touch(app, "/view");
    is_int(sse_next_ms(app), 0, "a view that was touched is to be rendered");
    for (i = 0; i < 500 && !sse_next_ms(app); i++) sse_poll(app, 10);
    ok(sse_next_ms(app) != 0, "... once");
    sse_stream_end(watching, NULL);
    is_int(sse_next_ms(app), 0, "a stream that was ended is to be closed");
    sse_app_free(app);
    close(fd);
}

static void next_turns(void) { /* how long a loop of the program's own may wait */
    sse_app *app = app_new();
    int      ms;
    sse_listen(app, any_port(0));
    is_int(sse_next_ms(app), 0, "not at all before the first turn, which begins");
    is_str(called(), "", "... what has not begun");
    turns(app, 1);
    is_str(called(), "i", "... by on_init");
    if (sse_fd(app) >= 0) is_int(sse_next_ms(app), -1, "as long as it likes");
    sse_after(app, 50000, answer, NULL);
    ms = sse_next_ms(app);
    ok(sse_fd(app) < 0 || (ms > 1000 && ms <= 50000), "until the next timer (%d ms)", ms);
    sse_after(app, 0, stop_soon, NULL);
    is_int(sse_next_ms(app), 0, "not at all: one is due");
    turns(app, 3);
    is_int(sse_poll(app, 0), 0, "which stops the app");
    ok(sse_next_ms(app) != 0, "one that is over has no more to begin");
    sse_app_free(app);
}

/* ---- no callback turns the loop that it runs in ---- */

static void turn_in(sse_app *app, char where) {
    const int answered = sse_poll(app, 0);
    note(where);
    if (answered != SSE_E_STATE) note('!');
}

static void turn_in_init(sse_app *app, void *user) { turn_in(app, ((const char *)user)[0]); }
static void turn_in_exit(sse_app *app, void *user) { turn_in(app, ((const char *)user)[1]); }
static void turn_in_call(sse_app *app, void *user) { turn_in(app, ((const char *)user)[2]); }

static void turn_in_stop(sse_stream s, void *user) {
    (void)user;
    sse_stream_end(s, NULL);
    turn_in(s.app, 's');
}

static void turn_in_close(sse_stream s, sse_reason reason, void *user) {
    (void)reason, (void)user;
    turn_in(s.app, 'c');
}

static void turning_stream(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_stop = turn_in_stop;
    o.on_close = turn_in_close;
    sse_stream_open(req, &o);
}

static void in_callbacks(void) {
    static char     places[] = "ixl";
    sse_app_options o;
    sse_test_reply  r;
    sse_app        *app;
    int             freed;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.on_init = turn_in_init;
    o.on_exit = turn_in_exit;
    o.user = places;
    for (freed = 0; freed < 2; freed++) {
        memset(order, 0, sizeof order);
        app = sse_app_new(&o);
        sse_get(app, "/stream", turning_stream, NULL);
        sse_test_request(app, "GET /stream", NULL, NULL, &r);
        if (!freed) sse_stop(app);
        if (!freed) sse_test_run(app, 0);
        sse_call(app, turn_in_call, places);
        sse_app_free(app);
        sse_test_close(&r);
        is_str(called(), freed ? "icxl" : "iscxl",
            freed ? "freed: no callback turns the loop" : "stopped: no callback turns the loop");
    }
}

/* ---- two apps in a loop of the program's own ---- */

static void foreign_loop(void) {
    sse_app *apps[2];
    int      fds[4], i, k, answered = 0;
    apps[0] = app_new();
    apps[1] = app_new();
    for (i = 0; i < 2; i++) sse_listen(apps[i], any_port(100));
    for (i = 0; i < 4; i++) fds[i] = dial(sse_port(apps[i % 2]), "/");
    for (k = 0; k < 100 && answered < 4; k++) {
        struct pollfd p[2];
        int           a = sse_next_ms(apps[0]), b = sse_next_ms(apps[1]);
        for (i = 0; i < 2; i++) {
            p[i].fd = sse_fd(apps[i]);
            p[i].events = POLLIN;
        }
        poll(p, 2, a < 0 ? b : b < 0 || a < b ? a : b);
        for (i = 0; i < 2; i++) sse_poll(apps[i], 0);
        for (answered = 0, i = 0; i < 4; i++) answered += readable(fds[i], 0);
    }
    is_int(answered, 4, "two apps in one poll(2) loop answer");
    ok(k < 50, "without spinning (%d turns)", k);
    for (i = 0; i < 4; i++) close(fds[i]);
    for (i = 0; i < 2; i++) sse_app_free(apps[i]);
    is_str(called(), "iixx", "both began and ended");
}

static void *visitor(void *user) { /* asks, reads the answer, stops the app */
    sse_app *app = (sse_app *)user;
    int      fd = dial(sse_port(app), "/");
    void    *failed = strstr(read_until(fd, "hello"), "200 OK") ? NULL : user;
    close(fd);
    sse_stop(app);
    return failed;
}

/* That of the manual's chapter 10: it waits as the app says, and for nothing else. */
static void own_loop(void) {
    sse_app  *app = app_new();
    pthread_t thread;
    void     *failed;
    sse_listen(app, any_port(100));
    if (pthread_create(&thread, NULL, visitor, app)) return;
    for (;;) {
        struct pollfd p = {sse_fd(app), POLLIN, 0};
        poll(&p, 1, sse_next_ms(app));
        if (sse_poll(app, 0) <= 0) break;
    }
    pthread_join(thread, &failed);
    ok(!failed, "a loop of the program's own answers, and ends when another thread stops the app");
    sse_app_free(app);
    (void)called();
}

/* ---- a thread of its own ---- */

static void *publisher(void *user) { /* what any thread may call */
    sse_app  *app = (sse_app *)user;
    sse_event event;
    sse_stats stats;
    int       i, errors = 0;
    memset(&event, 0, sizeof event);
    event.data = "from a thread";
    for (i = 0; i < 200; i++)
        errors += sse_publish(app, "news", &event) != SSE_OK ||
                  sse_stats_get(app, &stats) != SSE_OK || sse_stopping(app);
    return errors ? user : NULL;
}

static void background(void) {
    sse_app    *app = app_new();
    sse_server *server = sse_serve_background(app, any_port(60000));
    pthread_t   threads[2];
    sse_stats   stats;
    void       *failed[2];
    uint64_t    began, took;
    int         i, fds[50], late;
    ok(server && sse_port(app) > 0 && sse_alive(sse_port(app)), "serves in the background");
    is_int(sse_poll(app, 0), SSE_E_THREAD, "this thread may not run the loop");
    for (i = 0; i < 50; i++) fds[i] = dial(sse_port(app), "/stream");
    for (i = 0; i < 50; i++) read_until(fds[i], "\r\n\r\n");
    is_int(sse_stats_get(app, &stats), SSE_OK, "another thread reads the counters");
    /* the turn that sent the last head may not be over */
    for (i = 0; i < 200 && stats.streams < 50; i++) {
        poll(NULL, 0, 5);
        sse_stats_get(app, &stats);
    }
    is_int(stats.streams, 50, "... as of the latest turn");
    for (i = 0; i < 2; i++) pthread_create(&threads[i], NULL, publisher, app);
    for (i = 0; i < 2; i++) pthread_join(threads[i], &failed[i]);
    ok(!failed[0] && !failed[1], "two threads publish and look");
    ok(strstr(read_until(fds[49], "from a thread"), "data: from a thread") != NULL,
        "the streams hear of it");
    late = dial(sse_port(app), "/later");
    while (sse_stats_get(app, &stats) == SSE_OK && stats.requests < 51) {
    }
    sse_stop(app); /* with a minute of grace, which the next call shortens */
    began = sse__clock_ms();
    is_int(sse_stop_background(server, -1), SSE_E_ARG, "no negative time");
    is_int(sse_stop_background(server, 200), SSE_OK, "stops");
    took = sse__clock_ms() - began;
    ok(took >= 150 && took < 30000, "within its time (%d ms), though a request is open", (int)took);
    is_int(closed_by_stop, 50, "all streams were told");
    answer(app, NULL);
    for (i = 0; i < 50; i++) close(fds[i]);
    close(late);
    server = sse_serve_background(app, any_port(0));
    ok(server && sse_alive(sse_port(app)), "and serves again");
    fds[0] = dial(sse_port(app), "/deep");
    ok(strstr(read_until(fds[0], "deep"), "deep x") != NULL, "its handlers have a large stack");
    close(fds[0]);
    is_int(sse_stop_background(server, 0), SSE_OK, "and stops");
    sse_app_free(app);
    is_int(sse_stop_background(NULL, 0), SSE_E_ARG, "no server");
    ok(!sse_serve_background(NULL, NULL), "no app");
}

static void *over_already(void *user) { return user; }

/* A loop that was told to stop before waits for the end of that time: it is woken to see the new
   one. */
static void background_woken(void) {
    sse_app *app = app_new();
    is_int(sse_listen(app, any_port(60000)), 0, "an app listens");
    SSE__FLAG_SET(app->loop.stop);
    pthread_create(&app->server->thread, NULL, over_already, NULL);
    ok(!readable(app->loop.wake.fd, 0), "it was told to stop, and has heard that");
    is_int(sse_stop_background(app->server, 7), SSE_OK, "it is to stop sooner");
    is_int(app->server->grace_ms, 7, "... by this time");
    ok(readable(app->loop.wake.fd, 0), "... of which it hears at once");
    sse_app_free(app);
}

static void background_mistaken(void) { /* by a mistake made since sse_listen */
    sse_app    *app = app_new();
    sse_server *server;
    int         mistake;
    is_int(sse_listen(app, any_port(0)), SSE_OK, "an app listens");
    mistake = sse_get(app, "no-slash", hello, NULL);
    ok(mistake < 0, "and is set up further, wrongly");
    server = sse_serve_background(app, any_port(0));
    ok(!server, "no server says that it serves");
    if (server) sse_stop_background(server, 0);
    is_int(sse_serve(app, any_port(0)), mistake, "as sse_serve says");
    sse_app_free(app);
}

static void is_twice(sse_app *app, const char *when) {
    const char *why;
    ok(!sse_serve_background(app, any_port(0)), "no second loop: %s", when);
    is_int(sse_app_error(app, &why), SSE_E_STATE, "... is a state it is not for");
    is_str(why, "sse_serve_background: the app has a loop already: stop that first",
        "... in words");
}

static void twice_in_callback(sse_app *app, void *user) {
    (void)user;
    is_twice(app, "in a callback");
    sse_stop(app);
}

static void twice(void) {
    sse_app    *app = app_new();
    sse_server *server = sse_serve_background(app, any_port(0));
    is_twice(app, "in another thread");
    sse_stop(app);
    poll(NULL, 0, 50);
    is_twice(app, "behind one that has stopped and was not freed");
    is_int(sse_stop_background(server, 0), SSE_OK, "the first one ends as usual");
    sse_after(app, 0, twice_in_callback, NULL);
    is_int(sse_serve(app, any_port(0)), SSE_OK, "and the app serves again");
    sse_app_free(app);
}

static volatile int starter_over;

static void quiet(int level, const char *line, void *user) { (void)level, (void)line, (void)user; }

static void *starter(void *user) { /* as soon as the server before has been freed */
    sse_server *server = NULL;
    while (!server && !SSE__FLAG(starter_over)) {
        server = sse_serve_background((sse_app *)user, any_port(0));
        poll(NULL, 0, 1);
    }
    return server;
}

static void starts_while_stopped(void) {
    sse_app_options o;
    sse_app        *app;
    sse_server     *server;
    pthread_t       thread;
    void           *started;
    memset(&o, 0, sizeof o);
    o.on_log = quiet;
    app = sse_app_new(&o);
    is_int(sse_listen(app, any_port(0)), 0, "listens");
    server = sse_serve_background(app, NULL);
    if (pthread_create(&thread, NULL, starter, app)) return;
    poll(NULL, 0, 20);
    is_int(sse_stop_background(server, 0), SSE_OK, "stops, while another thread wants to start");
    poll(NULL, 0, 5);
    SSE__FLAG_SET(starter_over);
    pthread_join(thread, &started);
    if (started) sse_stop_background((sse_server *)started, 0);
    sse_app_free(app);
}

static void *runs_it(void *user) {
    sse_app *app = (sse_app *)user;
    int      turned = sse_listen(app, any_port(0));
    if (!turned) turned = sse_poll(app, 0);
    sse_stop(app);
    while (turned > 0 && sse_poll(app, 0) > 0) {
    }
    return turned == 1 ? user : NULL;
}

static void other_hands(void) { /* a loop that is over is nobody's: the next thread may have it */
    sse_app *app = app_new();
    int      i;
    for (i = 0; i < 3; i++) {
        pthread_t thread;
        void     *ran = NULL;
        if (i != 1) ran = runs_it(app);
        else if (!pthread_create(&thread, NULL, runs_it, app)) pthread_join(thread, &ran);
        ok(ran == app, i == 1 ? "another thread runs it" : "this thread runs an app");
    }
    is_str(called(), "ixixix", "... each of them once");
    sse_app_free(app);
}

static void monitors_late(sse_app *app, void *user) {
    (void)user;
    poll(NULL, 0, 20);
    if (sse_monitor(app, "/_sse", NULL, NULL)) note('!');
    poll(NULL, 0, 20);
    note('m');
    sse_stop(app);
}

static void monitored_late(void) { /* while another thread publishes, and logs */
    sse_app_options o;
    sse_app        *app;
    sse_server     *server;
    sse_event       event;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    memset(order, 0, sizeof order);
    o.on_log = quiet;
    o.on_init = monitors_late;
    o.max_call_bytes = 100000;
    app = sse_app_new(&o);
    server = sse_serve_background(app, any_port(0));
    while (server && !sse_stopping(app)) {
        event.data = event.data ? NULL : "x"; /* one without is refused, with a warning */
        sse_publish(app, "news", &event);
    }
    sse_stop_background(server, 0);
    is_str(called(), "m", "a monitor begins while another thread has warnings logged");
    sse_app_free(app);
}

static volatile int flood_over;
static int          flooded;

static void flood_call(sse_app *app, void *user) {
    (void)app;
    (void)user;
    flooded++;
}

static void *flooder(void *user) { /* as fast as it can, until the app is freed */
    sse_app  *app = (sse_app *)user;
    sse_event event;
    intptr_t  full = 0; /* calls refused */
    memset(&event, 0, sizeof event);
    event.data = "a flood of events";
    while (!SSE__FLAG(flood_over))
        full += sse_call(app, flood_call, NULL) == SSE_E_FULL ||
                sse_publish(app, "news", &event) == SSE_E_FULL;
    return (void *)full;
}

static void flood(void) {
    sse_app_options o;
    sse_app        *app;
    sse_server     *server;
    pthread_t       threads[2];
    uint64_t        began, took;
    int             i, fd;
    intptr_t        full = 0;
    memset(&o, 0, sizeof o);
    o.max_call_bytes = 1000000;
    app = sse_app_new(&o);
    sse_get(app, "/", hello, (void *)"hello");
    server = sse_serve_background(app, any_port(60000));
    for (i = 0; i < 2; i++) pthread_create(&threads[i], NULL, flooder, app);
    poll(NULL, 0, 100);
    fd = dial(sse_port(app), "/");
    ok(strstr(read_until(fd, "hello"), "hello") != NULL,
        "under a flood of calls a request is answered");
    close(fd);
    began = sse__clock_ms();
    is_int(sse_stop_background(server, 0), SSE_OK, "... and the server stops");
    took = sse__clock_ms() - began;
    ok(took < 30000, "... at once (%d ms)", (int)took);
    poll(NULL, 0, 200);
    SSE__FLAG_SET(flood_over);
    for (i = 0; i < 2; i++) {
        void *refused = NULL;
        pthread_join(threads[i], &refused);
        full += (intptr_t)refused;
    }
    ok(flooded > 0 && full > 0, "calls ran, and were refused when nobody ran them");
    sse_app_free(app);
}

/* ---- threads that may not ---- */

static int elsewhere, elsewhere_of; /* calls on another thread that were refused, of how many */

static void is_elsewhere(int error) {
    elsewhere_of++;
    if (error == SSE_E_THREAD) elsewhere++;
    else printf("# call %d answered %d\n", elsewhere_of, error);
}

static void render_none(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)html;
    (void)user;
}

static void render_each_none(sse_req *req, sse_buf *html, void *user) {
    (void)req;
    (void)html;
    (void)user;
}

/* The likeliest mistake: work that writes the reply, and finishes it. */
static void write_elsewhere(sse_app *app, void *user) {
    sse_req *req = (sse_req *)user;
    sse_buf *out = sse_out(req);
    (void)app;
    sse_puts(out, "lost");
    is_elsewhere(out->error);
    is_elsewhere(sse_out_json(req)->error);
    is_elsewhere(sse_set_status(req, 201));
    is_elsewhere(sse_set_type(req, "text/plain"));
    is_elsewhere(sse_set_header(req, "X-A", "b"));
    is_elsewhere(sse_set_cookie(req, "a", "b", NULL));
    is_elsewhere(sse_set_cookie_signed(req, "a", "b", NULL));
    is_elsewhere(sse_set_attr(req, "a", "b"));
    is_elsewhere(sse_set_attr_ptr(req, "a", req));
    is_elsewhere(sse_redirect(req, "/"));
    is_elsewhere(sse_fail(req, 400, "no"));
    is_elsewhere(sse_send_file(req, "sse.h", NULL));
    is_elsewhere(sse_defer(req));
    is_elsewhere(sse_finish(req));
    is_elsewhere(sse_stream_is_open(sse_stream_open(req, NULL)) || req->app->streams->all.count
                     ? SSE_OK
                     : SSE_E_THREAD);
}

static void set_up_elsewhere(sse_app *app, void *user) {
    (void)user;
    is_elsewhere(sse_get(app, "/new", hello, NULL));
    is_elsewhere(sse_post(app, "/new", hello, NULL));
    is_elsewhere(sse_route(app, "/new", hello, NULL, NULL));
    is_elsewhere(sse_mount(app, "/m", hello, NULL));
    is_elsewhere(sse_before(app, NULL, hello, NULL));
    is_elsewhere(sse_static(app, "/s", "tests", NULL));
    is_elsewhere(sse_live(app, "/l", render_none, NULL));
    is_elsewhere(sse_live_each(app, "/e", render_each_none, NULL));
    is_elsewhere(sse_monitor(app, "/_sse", NULL, NULL));
    is_elsewhere(sse_listen(app, any_port(0)));
    is_elsewhere(sse_serve(app, any_port(0)));
}

static void finish_here(sse_app *app, void *user) {
    (void)app;
    is_int(sse_finish((sse_req *)user), SSE_OK, "the loop's thread finishes it");
}

static void stop_here(sse_app *app, void *user) {
    (void)user;
    sse_stop(app);
}

static void to_pool(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    sse_offload(sse_req_app(req), write_elsewhere, finish_here, req);
}

static void other_threads(void) {
    sse_app *app = app_new();
    int      fd;
    told_elsewhere = 0;
    sse_get(app, "/pool", to_pool, NULL);
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/pool");
    while (!readable(fd, 0)) sse_poll(app, 5);
    ok(strstr(read_until(fd, "\r\n\r\n"), " 500 ") != NULL,
        "a reply that another thread wrote is an error, not an empty success");
    is_int(elsewhere, elsewhere_of,
        "functions of the reply answer SSE_E_THREAD on a thread of the pool");
    is_int(told_elsewhere, elsewhere_of, "... and the log names each");
    is_str(told_error,
        "/pool failed: a call for it came from another thread than the loop's: "
        "write it in done of sse_offload",
        "... and says what to do");
    close(fd);
    sse_offload(app, set_up_elsewhere, stop_here, NULL);
    turns(app, 500);
    sse_app_free(app);
    is_int(elsewhere, elsewhere_of, "... and so do those that set up");
    is_int(told_elsewhere, elsewhere_of, "... which the log names as well");
    ok(elsewhere_of == 26, "... all of them (%d)", elsewhere_of);
}

/* ---- strangers and the log ---- */

/* calls of a handler with what no reply may have, and how many were told so */
static int refused_of, refused_as;

static void is_refused(int error) { refused_of++, refused_as += error == SSE_E_ARG; }

static void wrong(sse_req *req, void *user) {
    sse_cookie_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.same_site = "None";
    is_refused(sse_set_cookie(req, "a", "b", &o));
    o.secure = true;
    ok(!sse_set_cookie(req, "a", "b", &o), "SameSite=None over TLS");
    o.same_site = NULL;
    o.path = "/a";
    is_refused(sse_set_cookie(req, "__Host-a", "b", &o));
    o.path = NULL;
    o.domain = "a.example";
    is_refused(sse_set_cookie(req, "__Host-a", "b", &o));
    o.domain = NULL;
    ok(!sse_set_cookie(req, "__Host-a", "b", &o), "a __Host- cookie as it has to be");
    o.secure = false;
    is_refused(sse_set_cookie(req, "__Host-a", "b", &o));
    is_refused(sse_set_cookie(req, "__Secure-a", "b", &o));
    o.max_age_s = -2;
    is_refused(sse_set_cookie(req, "a", "b", &o));
    is_refused(sse_fail(req, 200, "not a failure"));
}

static void wrong_values(void) {
    sse_app *app = app_new();
    int      fd;
    sse_get(app, "/wrong", wrong, NULL);
    sse_listen(app, any_port(0));
    fd = dial(sse_port(app), "/wrong");
    while (!readable(fd, 0)) sse_poll(app, 5);
    ok(strstr(read_until(fd, "\r\n\r\n"), " 500 ") != NULL,
        "sse_fail with a status of success is a 500");
    is_int(refused_as, refused_of, "... and it, and cookies that browsers drop, are told so");
    close(fd);
    sse_app_free(app);
}

/* What a stream is to begin or end with, and no event can be. */
static void no_event(sse_req *req, void *user) {
    sse_stream_options o;
    sse_event          event;
    const char        *why;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    event.event = "a\nb";
    if (user) o.last = &event;
    else o.first = &event;
    ok(!sse_stream_open(req, &o).app, "no event, no stream");
    (void)sse_app_error(sse_req_app(req), &why);
    ok(strstr(why, user ? "sse_stream_open: .last: " : "sse_stream_open: .first: ") != NULL,
        "... and the option is named: %s", why);
}

static void no_events(void) {
    sse_app *app = app_new();
    int      fd[2];
    sse_get(app, "/first", no_event, NULL);
    sse_get(app, "/last", no_event, app);
    sse_listen(app, any_port(0));
    fd[0] = dial(sse_port(app), "/first");
    fd[1] = dial(sse_port(app), "/last");
    while (!readable(fd[0], 0) || !readable(fd[1], 0)) sse_poll(app, 5);
    close(fd[0]);
    close(fd[1]);
    sse_app_free(app);
}

static int loud; /* warnings and errors */

static void count_loud(int level, const char *line, void *user) {
    (void)line;
    (void)user;
    loud += level <= SSE_LOG_WARNING;
}

static int loud_after(sse_app *app, int times, const char *path, const char *answer) {
    int i, fd, answered = 0;
    loud = 0;
    for (i = 0; i < times; i++) {
        fd = dial(sse_port(app), path);
        while (!readable(fd, 0)) sse_poll(app, 1);
        answered += strstr(read_until(fd, "\r\n\r\n"), answer) != NULL;
        close(fd);
    }
    is_int(answered, times, "each one is answered");
    return loud;
}

static void strangers(void) {
    sse_app_options  o;
    sse_live_options live;
    sse_app         *app;
    int              fd, warned;
    memset(&o, 0, sizeof o);
    memset(&live, 0, sizeof live);
    o.on_log = count_loud;
    live.max_views = 1;
    app = sse_app_new(&o);
    sse_live(app, "/v/{id}", render_none, &live);
    sse_listen(app, any_port(0));
    warned = loud_after(app, 30, "http://stranger.example/", " 421 ");
    ok(warned >= 1 && warned <= 2,
        "requests for a foreign host: a warning, and then none for a second (%d)", warned);
    fd = dial(sse_port(app), "/v/1");
    turns(app, 5);
    warned = loud_after(app, 30,
        "/v/2 HTTP/1.1\r\nAccept: text/event-stream\r\nX-A:", "text/event-stream");
    ok(warned >= 1 && warned <= 3, "streams beyond max_views: likewise (%d)", warned);
    close(fd);
    sse_app_free(app);
}

/* ---- systemd ---- */

static int notify_socket(const char *path, size_t len) {
    struct sockaddr_un a;
    const int          fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    memset(&a, 0, sizeof a);
    a.sun_family = AF_UNIX;
    memcpy(a.sun_path, path, len);
    return bind(fd, (struct sockaddr *)&a,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len))
               ? -1
               : fd;
}

static void notified(const char *variable, const char *path, size_t len) {
    const int   fd = notify_socket(path, len);
    sse_app    *app = app_new();
    const char *got;
    setenv("NOTIFY_SOCKET", variable, 1);
    sse_listen(app, any_port(0));
    ok(!readable(fd, 0), "%s: nothing before it is ready",
        variable[0] == '@' ? "abstract" : "file");
    turns(app, 1);
    is_int(readable(fd, 0), 1, "ready");
    got = read_until(fd, "READY");
    is_str(got, "READY=1", "... in these words");
    sse_stop(app);
    turns(app, 2);
    got = read_until(fd, "STOP");
    is_str(got, "STOPPING=1", "stopping");
    sse_app_free(app);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
}

static int heard_alive(int fd) {
    char text[64];
    int  n = 0;
    while (readable(fd, 0)) {
        const int got = (int)recv(fd, text, sizeof text - 1, 0);
        text[got < 0 ? 0 : got] = '\0';
        n += strcmp(text, "WATCHDOG=1") == 0;
    }
    return n;
}

/* How often systemd is told with this WATCHDOG_USEC, in so many ms, or until it was told want
   times; held: for so many ms the loop is held instead. */
static int alive(const char *usec, const char *pid, int ms, int want, int held) {
    const uint64_t until = sse__clock_ms() + (uint64_t)ms;
    char           path[64];
    int            fd, n = 0;
    sse_app       *app = app_new();
    snprintf(path, sizeof path, "/tmp/sse-watchdog-%d", (int)getpid());
    fd = notify_socket(path, strlen(path));
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", usec, 1);
    if (pid) setenv("WATCHDOG_PID", pid, 1);
    sse_listen(app, any_port(0));
    turns(app, 1);
    if (held) poll(NULL, 0, held);
    while ((n < want || sse__clock_ms() < until) && sse__clock_ms() < until + 60000 && !held) {
        sse_poll(app, 10);
        n += heard_alive(fd);
    }
    n += heard_alive(fd);
    sse_app_free(app);
    close(fd);
    unlink(path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return n;
}

static void watchdog(void) {
    sse_app       *app;
    char           pid[32];
    const uint64_t began = sse__clock_ms();
    const int      n = alive("100000", NULL, 400, 4, 0);
    ok(n >= 4 && (uint64_t)n <= 2 + (sse__clock_ms() - began) / 50,
        "the watchdog is told at half its time (%d)", n);
    is_int(alive("100000", NULL, 0, 0, 400), 1, "... not by a loop that is held");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    ok(alive("100000", pid, 200, 2, 0) >= 2, "it is this process that it watches");
    is_int(alive("100000", "1", 200, 0, 0), 0, "... or another, which tells it");
    ok(alive("1000", NULL, 100, 2, 0) >= 2, "no time is too short");
    is_int(alive("8589934594000", NULL, 100, 0, 0), 1, "... or too long: 2 to the 32 + 1 ms");
    is_int(alive("0", NULL, 100, 0, 0), 0, "no watchdog");
    is_int(alive("x", NULL, 100, 0, 0), 0, "... nor is this one");
    setenv("WATCHDOG_USEC", "1000", 1); /* of a manager that is not there to be told */
    app = app_new();
    turns(app, 2);
    ok(!app->server->watchdog_ms && !app->server->watchdog.fn, "nobody to tell: no timer for it");
    sse_app_free(app);
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    app = app_new();
    turns(app, 2);
    is_int(app->server->watchdog_ms, 15000, "half a minute: told every 15 s");
    ok(sse__wheel_next_ms(&app->loop.wheel, sse__clock_ms()) >= 0, "... for which it wakes");
    sse_stop(app);
    turns(app, 2);
    is_int(sse__wheel_next_ms(&app->loop.wheel, sse__clock_ms()), -1, "... until it has stopped");
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    sse_app_free(app);
}

static void notify(void) {
    char path[64], abstract[64];
    snprintf(path, sizeof path, "/tmp/sse-notify-%d", (int)getpid());
    notified(path, path, strlen(path));
    unlink(path);
#if defined(__linux__)
    snprintf(abstract, sizeof abstract, "@sse-notify-%d", (int)getpid());
    memcpy(path, abstract, sizeof path);
    path[0] = '\0';
    notified(abstract, path, strlen(abstract));
#endif
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    sse__notify("READY=1"); /* nobody there: nothing happens */
    setenv("NOTIFY_SOCKET", "relative", 1);
    sse__notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

/* Puts listening sockets where a service manager would: at 3 and 4. What is there now is kept. */
static void activation(void) {
    static const sse_serve_options plain = {0};
    sse__address                   a;
    char                           pid[32], path[64];
    int                            kept[2], i, fd, port, tcp, local, unpassed;
    sse_app                       *app = app_new();
    sse__address_parse(&a, "127.0.0.1", 0);
    tcp = sse__socket_listen(app, &a, false, &plain);
    port = sse__bound_port(tcp);
    snprintf(path, sizeof path, "unix:/tmp/sse-passed-%d", (int)getpid());
    sse__address_parse(&a, path, 0);
    local = sse__socket_listen(app, &a, true, &plain);
    sse_app_free(app);
    tcp = fcntl(tcp, F_DUPFD, 20);
    local = fcntl(local, F_DUPFD, 20);
    for (i = 0; i < 2; i++) kept[i] = fcntl(3 + i, F_DUPFD, 20);
    dup2(tcp, 3);
    dup2(local, 4);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_PID", "1", 1);
    app = app_new();
    sse_listen(app, any_port(0));
    unpassed = sse_port(app);
    ok(unpassed != port && getenv("LISTEN_FDS"), "sockets for another process are not taken");
    sse_app_free(app);
    setenv("LISTEN_PID", pid, 1);
    app = app_new();
    is_int(sse_listen(app, any_port(0)), SSE_OK, "sockets passed to this one are");
    is_int(sse_port(app), port, "... the port is theirs");
    ok(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"), "... once");
    is_int(fcntl(3, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "... and no child inherits them");
    fd = dial(port, "/");
    turns(app, 5);
    ok(strstr(read_until(fd, "hello"), "200 OK") != NULL, "... and they serve");
    close(fd);
    sse_app_free(app);
    ok(access(path + 5, F_OK) == 0, "a file that was the manager's stays");
    unlink(path + 5);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", pid, 1);
    fd = open("/dev/null", O_RDONLY);
    dup2(fd, 3);
    app = app_new();
    is_int(sse_listen(app, any_port(0)), SSE_E_IO, "what is no listening socket is refused");
    sse_app_free(app);
    close(fd);
    close(tcp);
    close(local);
    for (i = 0; i < 2; i++) {
        if (kept[i] >= 0) dup2(kept[i], 3 + i);
        else close(3 + i);
        if (kept[i] >= 0) close(kept[i]);
    }
}

/* ---- signals, and a loop of one's own ---- */

static volatile int earlier; /* signals that the program's own handler got */

static void own_handler(int number) {
    (void)number;
    earlier++;
}

static struct sigaction within[2]; /* around a call of sse_serve */
static int              served_within;

static void serves_within(sse_app *app, void *user) {
    sigaction(SIGTERM, NULL, &within[0]);
    served_within = sse_serve(app, (const sse_serve_options *)user);
    sigaction(SIGTERM, NULL, &within[1]);
    sse_stop(app);
}

/* What runs by sse_serve, without options, or by sse_poll is not served a second time: signals stay
   whose they are. */
static void serving_within(void) {
    struct sigaction  mine, now;
    sse_serve_options none;
    int               how; /* by sse_serve, by sse_poll, by sse_serve that takes no signals */
    memset(&none, 0, sizeof none);
    none.no_signal_handlers = true;
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = own_handler;
    sigaction(SIGTERM, &mine, NULL);
    for (how = 0; how < 3; how++) {
        sse_app *app = app_new();
        sse_listen(app, any_port(60000));
        sse_after(app, 0, serves_within, NULL);
        served_within = 1;
        if (how != 1)
            is_int(sse_serve(app, how ? &none : NULL), 0, "an app that listens is served");
        while (how == 1 && sse_poll(app, 10) > 0) {
        }
        is_int(served_within, SSE_E_STATE, "a callback that serves it, too");
        ok((within[0].sa_handler == own_handler) == (how > 0),
            "sse_serve takes signals, if it may");
        ok(within[1].sa_handler == within[0].sa_handler, "... of which a second one takes none");
        sigaction(SIGTERM, NULL, &now);
        ok(now.sa_handler == own_handler, "in the end they are the program's");
        sse_app_free(app);
    }
    signal(SIGTERM, SIG_DFL);
}

#ifndef SSE_NO_THREADS
static void *serves_alone(void *user) { /* an app of this thread's own, that takes signals */
    sse_serve_options o;
    int               i;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    for (i = 0; i < 20; i++) {
        sse_app *app = sse_app_new(NULL);
        sse_stop(app);
        if (sse_serve(app, &o)) *(int *)user += 1;
        sse_app_free(app);
    }
    return NULL;
}

static void signals_of_threads(void) {
    struct sigaction mine, now;
    pthread_t        threads[2];
    int              i, failed[2] = {0, 0};
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = own_handler;
    sigaction(SIGTERM, &mine, NULL);
    for (i = 0; i < 2; i++) pthread_create(&threads[i], NULL, serves_alone, &failed[i]);
    for (i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    is_int(failed[0] + failed[1], 0, "two threads serve an app each, again and again");
    sigaction(SIGTERM, NULL, &now);
    ok(now.sa_handler == own_handler, "signals are the program's again");
    signal(SIGTERM, SIG_DFL);
}
#endif

static void signals(void) {
    struct sigaction mine, now;
    sse_app         *app = app_new(), *other = app_new();
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = own_handler;
    sigaction(SIGTERM, &mine, NULL);
    is_int(sse_stop_on_signals(NULL), SSE_E_ARG, "signals for no app");
    sse_listen(app, any_port(60000));
    turns(app, 2);
    raise(SIGTERM);
    ok(earlier == 1 && !sse_stopping(app), "sse_listen takes no signals");
    is_int(sse_stop_on_signals(app), 0, "sse_stop_on_signals does");
    is_int(sse_stop_on_signals(app), 0, "... once is enough");
    is_int(sse_stop_on_signals(other), SSE_E_STATE, "... one app of a process");
    raise(SIGTERM);
    ok(earlier == 1 && sse_stopping(app), "... and the app stops");
    while (sse_poll(app, 0) > 0) {
    }
    sigaction(SIGTERM, NULL, &now);
    ok(now.sa_handler == own_handler, "... then the program's handlers are in force again");
    is_int(sse_stop_on_signals(other), 0, "... and another app may have them");
    sse_app_free(app);
    sigaction(SIGTERM, NULL, &now);
    ok(now.sa_handler != own_handler, "... which keeps them when the first is freed");
    sse_app_free(other);
    sigaction(SIGTERM, NULL, &now);
    ok(now.sa_handler == own_handler, "... and gives them back when it is freed itself");
    signal(SIGTERM, SIG_DFL);
}

/* A second signal waits for nothing. Either may be either. */
static void signals_twice(void) {
    static const int numbers[] = {SIGINT, SIGTERM};
    int              first, second, i;
    for (first = 0; first < 2; first++)
        for (second = 0; second < 2; second++) {
            struct sigaction now;
            sse_app         *app = app_new();
            int              late;
            for (i = 0; i < 2; i++) signal(numbers[i], SIG_DFL);
            is_int(sse_stop_on_signals(app), 0, "an app that signals stop");
            sse_listen(app, any_port(600000));
            late = dial(sse_port(app), "/later");
            for (i = 0; i < 30000 && !app->net->counts.requests; i++) sse_poll(app, 10);
            raise(numbers[first]);
            for (i = 0; i < 3; i++)
                is_int(sse_poll(app, 0), 1, "a signal: what is open is waited for");
            raise(numbers[second]);
            is_int(sse_poll(app, 0), 0, "a second one: it is over");
            is_str(called(), "ix", "... as ever");
            for (i = 0; i < 2; i++) {
                sigaction(numbers[i], NULL, &now);
                ok(now.sa_handler == SIG_DFL, "... and signals are as they were");
            }
            answer(app, NULL);
            close(late);
            sse_app_free(app);
        }
}

static void signals_keep_errno(void) { /* of whatever was interrupted */
    sse_app *app = app_new();
    int      i;
    sse_stop_on_signals(app);
    for (i = 0; i < 70000; i++) sse_stop(app); /* more than its pipe takes */
    errno = ENOTTY;
    raise(SIGTERM);
    is_int(errno, ENOTTY, "errno is what it was before a signal");
    sse_app_free(app);
    sse_app_free(app_new());
}

/* ---- databases of another process ---- */

#ifndef SSE_NO_SQLITE
static void on_commit(sse_app *app, sse_db *db, void *user) { (void)app, (void)db, (void)user; }

static void databases_elsewhere(void) { /* each use of one is refused by its name */
    static const char *const whose[] = {"live view", "topic", "topic", "function of sse_on_commit"};
    int                      i;
    for (i = 0; i < 4; i++) {
        sse_db           *db = sse_db_open(":memory:", NULL);
        const pid_t       here = db->process;
        sse_app          *app = app_new();
        sse_live_options  live;
        sse_topic_options kept;
        struct sigaction  now;
        const char       *why;
        char              want[200];
        memset(&live, 0, sizeof live);
        memset(&kept, 0, sizeof kept);
        signal(SIGTERM, SIG_DFL);
        sse_db_migrate(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, x)");
        live.db = kept.db = db;
        kept.history = 10;
        if (i == 0) is_int(sse_live(app, "/v", render_none, &live), 0, "a view");
        if (i == 1) is_int(sse_topic(app, "t", &kept), 0, "a history");
        if (i == 2)
            is_int(sse_topic_from_table(app, "t", db, "SELECT id, x FROM t WHERE id > ?"), 0,
                "rows");
        if (i == 3) is_int(sse_on_commit(app, db, NULL, on_commit, NULL), 0, "a function");
        db->process = 1; /* as if this were a child of who opened it */
        is_int(sse_listen(app, any_port(0)), SSE_E_STATE, "... and the app does not listen");
        (void)sse_app_error(app, &why);
        snprintf(want, sizeof want,
            "a %s uses a database that was opened before this process was forked: call sse_db_open "
            "after fork() or daemon()",
            whose[i]);
        is_str(why, want, "... in words");
        db->process = here;
        is_int(sse_listen(app, any_port(0)), 0, "its own it may use");
        db->process = 1; /* a child of this one */
        is_int(sse_serve(app, NULL), SSE_E_STATE, "... but a child does not serve");
        sigaction(SIGTERM, NULL, &now);
        ok(now.sa_handler == SIG_DFL, "... and takes no signals");
        is_int(sse_poll(app, 0), SSE_E_STATE, "... nor does its loop turn");
        is_str(called(), "", "... and nothing begins");
        db->process = here;
        sse_app_free(app);
        sse_db_close(db);
    }
}
#endif

/* ---- who may connect to a unix socket ---- */

static void unix_modes(void) {
    static const int  modes[] = {0, 0600, 0666};
    sse_serve_options o;
    char              path[64];
    struct stat       st;
    sse_app          *app;
    int               i;
    const mode_t      before = umask(027);
    memset(&o, 0, sizeof o);
    snprintf(path, sizeof path, "unix:/tmp/sse-mode-%d", (int)getpid());
    o.host = path;
    for (i = 0; i < 3; i++) {
        app = app_new();
        o.unix_mode = modes[i];
        is_int(sse_listen(app, &o), 0, "a unix socket");
        is_int(stat(path + 5, &st), 0, "... has a file");
        is_int(st.st_mode & 0777, modes[i] ? modes[i] : 0750, "... of this mode");
        sse_app_free(app);
    }
    umask(before);
    app = app_new();
    o.unix_mode = 01777;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a mode that is none");
    o.unix_mode = 0600;
    o.host = NULL;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a mode for a TCP address");
    sse_app_free(app);
}

/* ---- several processes at one port ---- */

/* Two apps stand for two processes: to the system, sockets count. */
static void shared_port(void) {
    sse_serve_options o;
    sse_app          *one = app_new(), *two = app_new(), *three = app_new();
    int               fds[64], n = 0, i, answered = 0;
    sse_stats         stats;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    o.reuse_port = true;
    is_int(sse_listen(one, &o), 0, "a port that may be shared");
    o.port = sse_port(one);
    is_int(sse_listen(two, &o), 0, "... is");
    is_int(sse_port(two), sse_port(one), "... by both");
    o.reuse_port = false;
    is_int(sse_listen(three, &o), SSE_E_IO, "... not with who does not want to");
    for (i = 0; i < 64; i++) n += (fds[i] = dial(o.port, "/")) >= 0;
    is_int(n, 64, "64 connect");
    turns(one, 5);
    turns(two, 5);
    for (i = 0; i < 64; i++) {
        answered += strstr(read_until(fds[i], "hello"), "200 OK") != NULL;
        close(fds[i]);
    }
    is_int(answered, 64, "and are answered");
    sse_stats_get(one, &stats);
    n = (int)stats.accepted;
    ok(n > 0 && n < 64, "by both: one has %d of them", n);
    o.reuse_port = true;
    o.host = "unix:/tmp/x";
    is_int(sse_listen(three, &o), SSE_E_ARG, "a unix socket has no port to share");
    sse_app_free(one);
    sse_app_free(two);
    sse_app_free(three);
}

int main(void) {
    shared_port();
    stop_order();
    grace();
    states();
    again();
    grace_times();
    last_replies();
    graces_of_runs();
    idle_ends();
    too_late();
    serves_elsewhere();
    mistaken();
    next_turns();
    between_turns();
    in_callbacks();
    foreign_loop();
    own_loop();
#ifndef SSE_NO_THREADS
    background();
    background_woken();
    background_mistaken();
    other_threads();
    twice();
    starts_while_stopped();
    other_hands();
    monitored_late();
    flood();
    signals_of_threads();
#endif
    strangers();
    wrong_values();
    no_events();
    notify();
    watchdog();
    activation();
    signals();
    signals_twice();
    signals_keep_errno();
    serving_within();
#ifndef SSE_NO_SQLITE
    databases_elsewhere();
#endif
    unix_modes();
    return tap_done();
}
