/* testing.c: sse_test_: requests without a network, replies of every framing, and time that stands
   still until the test lets it pass. */
#define _DEFAULT_SOURCE
#include <time.h>
#include <unistd.h>
static long long ahead_ms, stride_ms; /* of the real clock; how much more each time it is read */

static int test_clock(clockid_t clock, struct timespec *t) {
    const int rc = clock_gettime(clock, t);
    if (clock != CLOCK_MONOTONIC) return rc;
    if (stride_ms) ahead_ms += stride_ms; /* other threads ask, too */
    t->tv_sec += (time_t)(ahead_ms / 1000);
    return rc;
}
#define clock_gettime test_clock
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef clock_gettime
#include "../tap.h"

static sse_app       *app;
static sse_db        *db;
static sse_test_reply r, feed;
static char           told[1000]; /* what happened, in order */

static void tell(const char *fmt, ...) {
    const size_t n = strlen(told);
    va_list      ap;
    va_start(ap, fmt);
    vsnprintf(told + n, sizeof told - n, fmt, ap);
    va_end(ap);
}

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) tell("log: %s\n", line);
}

static sse_app *new_app(sse_app_options *options) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    o.on_log = on_log;
    told[0] = '\0';
    return sse_app_new(&o);
}

static int ask(const char *request) { return sse_test_request(app, request, NULL, NULL, &r); }

/* ---- requests and replies ---- */

static void echo(sse_req *req, void *user) {
    const char *x = sse_query(req, "x"), *text = sse_form(req, "text");
    (void)user;
    sse_printf(sse_out(req), "%s x=%s text=%s from %s", sse_method(req), x ? x : "-",
        text ? text : "-", sse_peer(req));
    sse_set_header(req, "X-Two", "one");
    sse_set_header(req, "X-Two", "two");
}

static void nothing(sse_req *req, void *user) { (void)req, (void)user; }

static void large(sse_req *req, void *user) { /* ?n= bytes */
    long long n = sse_parse_int(sse_query(req, "n"), 0);
    (void)user;
    while (n-- > 0) sse_raw(sse_out(req), "x", 1);
}

static void same(sse_req *req, void *user) {
    (void)user;
    sse_set_status(req, 304);
}

static void length(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%zu", sse_body(req).len);
}

static void framings(void) { /* what the test says of its body counts */
    static const struct {
        const char *headers, *body, *length;
    } rows[] = {{NULL, "abc", "3"}, {NULL, "", "0"}, {"Content-Length: 3\n", "abc", "3"},
        {"transfer-encoding: chunked\n", "5\r\nhello\r\n2\r\n!!\r\n0\r\n\r\n", "7"}};
    size_t i;
    app = new_app(NULL);
    sse_post(app, "/length", length, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(sse_test_request(app, "POST /length", rows[i].headers, rows[i].body, &r), 0,
            rows[i].headers ? rows[i].headers : "a body");
        is_int(r.status, 200, "... is taken");
        is_str(r.body, rows[i].length, "... as it is framed");
    }
    sse_test_close(&r);
    sse_app_free(app);
}

static void requests(void) {
    char  *long_body = (char *)malloc(900001);
    size_t i;
    app = new_app(NULL);
    sse_get(app, "/echo", echo, NULL);
    sse_post(app, "/echo", echo, NULL);
    sse_get(app, "/nothing", nothing, NULL);
    sse_get(app, "/same", same, NULL);
    sse_get(app, "/large", large, NULL);
    sse_post(app, "/length", length, NULL);
    is_int(ask("GET /echo?x=1"), 0, "a request");
    is_int(r.status, 200, "its status");
    is_str(r.body, "GET x=1 text=- from 127.0.0.1", "its body, from this machine");
    is_int(r.body_len, strlen(r.body), "and length");
    ok(!r.open && r.complete, "that is all of it");
    ok(strncmp(r.head, "HTTP/1.1 200 OK\n", 16) == 0, "the head has the status line");
    ok(!strchr(r.head, '\r') && strstr(r.head, "\nX-Two: two\n"), "and lines that end with LF");
    is_str(sse_test_header(&r, "x-two"), "one", "the first field of a name");
    ok(!sse_test_header(&r, "absent"), "one that is not there");
    is_int(sse_test_request(app, "POST /echo?x=2", NULL, "text=a%20b", &r), 0, "a form");
    is_str(r.body, "POST x=2 text=a b from 127.0.0.1", "is read");
    is_int(sse_test_request(app, "POST /echo", "content-type: text/plain\nHost: localhost",
               "text=1", &r),
        0, "fields of its own");
    is_str(r.body, "POST x=- text=- from 127.0.0.1", "go before those that are added");
    is_int(sse_test_request(app, "GET /echo", "Host: other.example\n", NULL, &r), 0,
        "another Host");
    is_int(r.status, 421, "is refused as on a loopback address");
    ask("GET /nothing");
    ok(r.status == 204 && !r.body_len && r.complete, "204 has no body");
    ask("GET /same");
    ok(r.status == 304 && !r.body_len && r.complete && !r.open, "304 has none either");
    ask("HEAD /echo");
    ok(r.status == 200 && !r.body_len && r.complete && sse_test_header(&r, "Content-Length"),
        "nor has a reply to HEAD");
    ask("GET /absent");
    is_int(r.status, 404, "no route");
    ask("GET /large?n=9000000");
    ok(r.complete && r.body_len == 9000000 && r.body[8999999] == 'x' && !r.body[9000000],
        "a reply of megabytes");
#ifndef SSE_NO_COMPRESSION
    sse_test_request(app, "GET /large?n=3000000", "Accept-Encoding: gzip\n", NULL, &r);
    is_str(sse_test_header(&r, "Transfer-Encoding"), "chunked",
        "one that is compressed as it leaves");
    ok(r.complete && r.body_len > 1000 && r.body_len < 300000 && memcmp(r.body, "\x1F\x8B", 2) == 0,
        "comes without its chunks");
#endif
    for (i = 0; long_body && i < 900000; i++) long_body[i] = 'y';
    if (long_body) long_body[i] = '\0';
    sse_test_request(app, "POST /length", "Expect: 100-continue\n", long_body, &r);
    ok(r.status == 200 && strcmp(r.body, "900000") == 0, "a long body; 100 is no reply");
    free(long_body);
    is_int(sse_test_close(&r), 0, "closing");
    ok(!r.status && !r.conn && !r.body, "makes it {0}");
    is_int(sse_test_close(&r), 0, "and may be said twice");
    sse_app_free(app);
}

static void refusals(void) {
    app = new_app(NULL);
    is_int(ask("GET"), SSE_E_ARG, "no path");
    is_int(ask("GET /a b"), SSE_E_ARG, "a space in it");
    is_int(ask("GET /\r\nX: y"), SSE_E_ARG, "a line break in it");
    is_int(sse_test_request(app, "GET /", "no colon\n", NULL, &r), SSE_E_ARG, "no field");
    is_int(sse_test_request(app, "GET /", "X: a\1b\n", NULL, &r), SSE_E_ARG,
        "a value that is none");
    is_int(sse_test_request(app, "GET /", NULL, NULL, NULL), SSE_E_ARG, "no reply");
    is_int(sse_test_request(NULL, "GET /", NULL, NULL, &r), SSE_E_ARG, "no app");
    is_int(sse_test_run(app, -1), SSE_E_ARG, "no time");
    is_int(sse_test_run(NULL, 1), SSE_E_ARG, "no app to let time pass for");
    is_int(sse_test_close(NULL), SSE_E_ARG, "nothing to close");
    ok(!r.conn && !sse_test_header(&r, "Date") && !sse_test_header(NULL, "Date"),
        "nothing is left");
    sse_get(app, "no slash", nothing, NULL);
    sse_app_free(app);
    app = new_app(NULL);
    sse_get(app, "no slash", nothing, NULL);
    is_int(ask("GET /"), SSE_E_ARG, "a mistake made while setting up");
    sse_app_free(app);
}

/* ---- time ---- */

static int at; /* seconds that timers have counted */

static void second(sse_app *a, void *user) {
    (void)a, (void)user;
    tell("%d ", ++at);
}

static void once(sse_app *a, void *user) {
    (void)a;
    tell("%s ", (const char *)user);
}

static int step(sse_stream s, void *user) { /* user: how many are left */
    int      *left = (int *)user;
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = "step";
    sse_stream_send(s, &event);
    return --*left ? 400 : SSE_END;
}

static void closed(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    tell("closed %d ", (int)reason);
}

static void stream(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = closed;
    if (sse_query(req, "ms")) o.lifetime_ms = (int)sse_parse_int(sse_query(req, "ms"), 0);
    sse_subscribe(sse_stream_open(req, &o), "news");
}

static void steps(sse_req *req, void *user) {
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    o.step = step;
    o.user = user;
    sse_stream_open(req, &o);
}

static int times(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) n++;
    return n;
}

static void say(const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    sse_publish(app, "news", &event);
}

static void streams(void) {
    int            left = 3, before;
    sse_test_reply second_feed;
    uint64_t       began;
    memset(&second_feed, 0, sizeof second_feed);
    app = new_app(NULL);
    sse_test_run(app, 0); /* the time stands still before timers are set */
    sse_get(app, "/feed", stream, NULL);
    sse_get(app, "/steps", steps, &left);
    sse_every(app, 1000, second, NULL);
    sse_after(app, 1500, once, (void *)(intptr_t) "once");
    began = sse__clock_ms();
    is_int(sse_test_request(app, "GET /feed", NULL, NULL, &feed), 0, "a stream");
    ok(feed.status == 200 && feed.open && !feed.complete, "stays open");
    is_int(sse_test_run(app, 999), 0, "time passes");
    is_str(told, "", "a timer fires not before its moment");
    sse_test_run(app, 1);
    is_str(told, "1 ", "but then");
    sse_test_run(app, 2600);
    is_str(told, "1 once 2 3 ", "timers fire in order"); /* TE2 */
    say("hello");
    ok(!strstr(feed.body, "hello"), "what the test publishes");
    sse_test_run(app, 0);
    ok(strstr(feed.body, "data: hello\n\n") != NULL, "is there with the next call");
    told[0] = '\0';
    sse_test_request(app, "GET /steps", NULL, NULL, &r);
    is_int(times(r.body, "step"), 1, "a step is made at once");
    sse_test_run(app, 399);
    is_int(times(r.body, "step"), 1, "the next not before its time");
    sse_test_run(app, 1);
    is_int(times(r.body, "step"), 2, "but then");
    sse_test_run(app, 400);
    ok(times(r.body, "step") == 3 && !r.open && r.complete, "the end of a generator is complete");
    before = times(feed.body, ":\n");
    sse_test_run(app, 3600000);
    is_int(times(feed.body, ":\n") - before, 240, "an hour of heartbeats");
    ok(sse__clock_ms() - began < 600000, "takes no hour");
    sse_test_request(app, "GET /feed?ms=5000", NULL, NULL, &second_feed);
    told[0] = '\0';
    sse_test_run(app, 5000);
    ok(!second_feed.open && !second_feed.complete,
        "a lifetime ends a stream without its last chunk");
    ok(strstr(told, "closed 5 ") != NULL, "and is its reason");
    told[0] = '\0';
    sse_test_close(&feed);
    is_str(told, "closed 0 ", "who hangs up has left when that returns");
    sse_test_request(app, "GET /feed", NULL, NULL, &feed);
    sse_stop(app);
    is_int(sse_test_run(app, 100), 0, "the app stops");
    ok(!feed.open && !feed.complete, "and with it the stream");
    is_int(sse_test_request(app, "GET /feed", NULL, NULL, &r), SSE_E_STATE, "then there are none");
    sse_app_free(app);
    is_int(sse_test_close(&feed), 0, "closing behind the end of the app");
    sse_test_close(&second_feed);
    sse_test_close(&r);
}

static void login(sse_req *req, void *user) {
    const char *name = sse_cookie_signed(req, "who", 3600);
    (void)user;
    if (name) sse_puts(sse_out(req), name);
    else sse_set_cookie_signed(req, "who", "ann", NULL);
}

static void sessions(void) {
    char cookie[300];
    app = new_app(NULL);
    sse_get(app, "/login", login, NULL);
    ask("GET /login");
    snprintf(cookie, sizeof cookie, "Cookie: %s", sse_test_header(&r, "Set-Cookie"));
    if (strchr(cookie, ';')) *strchr(cookie, ';') = '\0';
    sse_test_run(app, 3599000);
    sse_test_request(app, "GET /login", cookie, NULL, &r);
    is_str(r.body, "ann", "a session is valid for its time");
    sse_test_run(app, 2000);
    sse_test_request(app, "GET /login", cookie, NULL, &r);
    is_str(r.body, "", "and no longer");
    sse_test_close(&r);
    sse_app_free(app);
}

static void limits(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.max_connections = 1;
    app = new_app(&o);
    sse_get(app, "/feed", stream, NULL);
    sse_test_request(app, "GET /feed", NULL, NULL, &feed);
    sse_test_request(app, "GET /feed", NULL, NULL, &r);
    is_int(r.status, 503, "one connection too many is refused as on the network");
    sse_test_close(&feed);
    sse_test_request(app, "GET /feed", NULL, NULL, &r);
    ok(r.status == 200 && r.open, "a connection that was hung up on leaves its room");
    sse_app_free(app);
    ok(!r.open && r.status == 200, "the end of the app hangs up");
    sse_test_close(&r);
}

static void timeouts(void) {
    app = new_app(NULL);
    sse_post(app, "/length", length, NULL);
    sse_test_request(app, "POST /length", "Content-Length: 10\n", "half", &r);
    ok(r.status == 0 && r.open, "half a body waits");
    is_str(r.head, "", "without a head");
    sse_test_run(app, 31000);
    is_int(r.status, 408, "until its time is over");
    sse_test_close(&r);
    sse_app_free(app);
}

static void stops(sse_app *a, void *user) {
    (void)user;
    tell("stops ");
    sse_stop(a);
}

static void again(sse_app *a, void *user) { sse_after(a, 0, again, user); }

static void stopping(void) { /* the app that stops has no time any more */
    app = new_app(NULL);
    sse_after(app, 10, stops, NULL);
    sse_after(app, 500, once, (void *)"late");
    is_int(sse_test_run(app, 1000), 0, "an app that stops meanwhile");
    is_str(told, "stops ", "... has no timers behind that");
    is_int(sse_poll(app, 0), 0, "... and is over");
    sse_app_free(app);
    app = new_app(NULL);
    sse_after(app, 10, again, NULL);
    sse_after(app, 500, once, (void *)"late");
    is_int(sse_test_run(app, 1000), SSE_E_STATE, "one that finds no rest meanwhile");
    ok(!strstr(told, "late"), "... neither");
    sse_app_free(app);
}

static int closed_within;

static void closes(sse_req *req, void *user) {
    (void)req;
    closed_within = sse_test_close((sse_test_reply *)user);
}

static void closing(void) { /* a handler may close what a test asked for */
    int left = 3;
    app = new_app(NULL);
    sse_get(app, "/stream", stream, &left);
    sse_get(app, "/closes", closes, &feed);
    sse_test_request(app, "GET /stream", NULL, NULL, &feed);
    ok(feed.open, "a stream");
    is_int(ask("GET /closes"), 0, "a handler that closes it");
    is_int(closed_within, SSE_E_STATE, "... is within a turn");
    ok(!feed.conn && !feed.open, "... it is closed");
    sse_test_run(app, 0);
    ok(strstr(told, "closed 0 ") != NULL, "... as the app notices later: %s", told);
    sse_test_close(&r);
    sse_app_free(app);
}

static int zero(sse_stream s, void *user) {
    (void)s, (void)user;
    return 0;
}

static void restless(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.step = zero;
    sse_stream_open(req, &o);
}

static void from_a_callback(sse_req *req, void *user) {
    sse_test_reply inner;
    (void)user;
    memset(&inner, 0, sizeof inner);
    sse_printf(sse_out(req), "%d %d",
        sse_test_request(sse_req_app(req), "GET /", NULL, NULL, &inner),
        sse_test_run(sse_req_app(req), 1));
}

static void no_rest(void) {
    app = new_app(NULL);
    sse_get(app, "/restless", restless, NULL);
    sse_get(app, "/inner", from_a_callback, NULL);
    ask("GET /inner");
    is_str(r.body, "-3 -3", "a callback cannot test");
    is_int(ask("GET /restless"), SSE_E_STATE, "a step that never waits");
    ok(strstr(told, "log: sse_test: the app is not at rest after 10000 turns") != NULL,
        "is named in the log");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- real time: only what does not end is given up ---- */

static void takes_a_minute(sse_req *req, void *user) {
    (void)user;
    ahead_ms += 60000;
    sse_puts(sse_out(req), "done");
}

static void slow_handler(void) {
    app = new_app(NULL);
    sse_get(app, "/minute", takes_a_minute, NULL);
    is_int(ask("GET /minute"), 0, "a handler may take a minute");
    ok(r.complete && strcmp(r.body, "done") == 0, "its reply is there");
    is_str(told, "", "with no complaint");
    sse_test_close(&r);
    sse_app_free(app);
}

#ifdef SSE_NO_THREADS
static void slow_threads(void) {}
#else
static pthread_mutex_t job_lock = PTHREAD_MUTEX_INITIALIZER;
static int             jobs_left;

static void no_work(sse_app *a, void *user) { (void)a, (void)user; }

static void next_job(sse_app *a, void *user) { /* each comes six seconds behind the last */
    ahead_ms += 6000;
    if (--jobs_left > 0 && sse_offload(a, no_work, next_job, user) == 0) return;
    sse_puts(sse_out((sse_req *)user), "all of them");
    sse_finish((sse_req *)user);
}

static void chain(sse_req *req, void *user) {
    (void)user;
    jobs_left = 10;
    if (sse_offload(sse_req_app(req), no_work, next_job, req) == 0) sse_defer(req);
}

static void wait_for_lock(sse_app *a, void *user) {
    (void)a, (void)user;
    pthread_mutex_lock(&job_lock);
    pthread_mutex_unlock(&job_lock);
}

static void released(sse_app *a, void *user) {
    (void)a;
    sse_puts(sse_out((sse_req *)user), "released");
    sse_finish((sse_req *)user);
}

static void stuck(sse_req *req, void *user) {
    (void)user;
    if (sse_offload(sse_req_app(req), wait_for_lock, released, req) == 0) sse_defer(req);
}

static void slow_threads(void) {
    app = new_app(NULL);
    sse_get(app, "/chain", chain, NULL);
    sse_get(app, "/stuck", stuck, NULL);
    is_int(ask("GET /chain"), 0, "jobs that take a minute together, and end one by one");
    is_str(r.body, "all of them", "are waited for");
    is_str(told, "", "with no complaint");
    pthread_mutex_lock(&job_lock);
    stride_ms = 3000;
    is_int(ask("GET /stuck"), SSE_E_STATE, "a job that does not end");
    stride_ms = 0;
    ok(strstr(told, "log: sse_test: work on other threads does not end") != NULL,
        "is named in the log: %s", told);
    ok(!r.status && r.open, "its reply waits");
    pthread_mutex_unlock(&job_lock);
    is_int(sse_test_run(app, 0), 0, "once it ends");
    is_str(r.body, "released", "the reply comes");
    sse_test_close(&r);
    sse_app_free(app);
}
#endif

/* ---- what is told once a second ---- */

static void unset(sse_req *req, void *user) {
    (void)user;
    sse_set_status(req, 1000);
}

static int lines(void) { /* of the log, about it */
    const char *line = told;
    int         n = 0;
    while ((line = strstr(line, "log: sse_set_status")) != NULL) n++, line += 5;
    return n;
}

static void told_by_its_time(void) {
    app = new_app(NULL);
    sse_get(app, "/unset", unset, NULL);
    ask("GET /unset");
    is_int(lines(), 1, "a refused call is told of");
    ask("GET /unset");
    is_int(lines(), 1, "... once a second");
    ahead_ms += 5000;
    ask("GET /unset");
    is_int(lines(), 1, "... of the app's time, which stands still, however long the test takes");
    sse_test_run(app, 1000);
    ask("GET /unset");
    is_int(lines(), 2, "... until the test lets it pass");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- other threads ---- */

static void work(sse_app *a, void *user) {
    struct timespec t = {0, 150000000};
    (void)a, (void)user;
    nanosleep(&t, NULL);
}

static void done(sse_app *a, void *user) {
    (void)a;
    sse_puts(sse_out((sse_req *)user), "done");
    sse_finish((sse_req *)user);
}

static void later(sse_req *req, void *user) {
    (void)user;
    if (sse_offload(sse_req_app(req), work, done, req) == 0) sse_defer(req);
    else done(NULL, req);
}

static void noted(sse_app *a, const sse_db_result *result, void *user) {
    (void)a;
    sse_printf(sse_out((sse_req *)user), "%d", result->changes);
    sse_finish((sse_req *)user);
}

static void note(sse_req *req, void *user) {
    sse_db_post_options to;
    (void)user;
    memset(&to, 0, sizeof to);
    to.app = sse_req_app(req);
    to.done = noted;
    to.user = req;
    if (sse_db_post(db, &to, "INSERT INTO t VALUES(%s)", sse_form(req, "x")) == 0) sse_defer(req);
}

static void render(sse_view *view, sse_buf *html, void *user) {
    long long n = -1;
    (void)view, (void)user;
    sse_db_one(db, &n, "SELECT count(*) FROM t");
    sse_printf(html, "<p id=\"n\">%lld", n);
}

static void threads(void) { /* TE1 */
    sse_live_options  o;
    sse_topic_options keeps;
    char              path[40];
    memset(&o, 0, sizeof o);
    memset(&keeps, 0, sizeof keeps);
    app = new_app(NULL);
    sse_get(app, "/later", later, NULL);
    ask("GET /later");
    is_str(r.body, "done", "work on other threads is waited for");
#ifndef SSE_NO_SQLITE
    snprintf(path, sizeof path, "/tmp/sse-testing-%ld.db", (long)getpid());
    db = sse_db_open(path, NULL);
    sse_db_migrate(db, "CREATE TABLE t (x TEXT)");
    o.db = keeps.db = db;
    o.tables = "t";
    keeps.history = 10;
    sse_topic(app, "news", &keeps);
    sse_live(app, "/n", render, &o);
    sse_post(app, "/note", note, NULL);
    sse_get(app, "/feed", stream, NULL);
    sse_test_request(app, "GET /n", NULL, NULL, &feed);
    ok(strstr(feed.body, "<p id=\"n\">0") != NULL, "a view of a database");
    sse_test_request(app, "POST /note", NULL, "x=1", &r);
    is_str(r.body, "1", "a posted statement is waited for");
    ok(strstr(feed.body, "<p id=\"n\">1") != NULL, "and the view that follows its table");
    sse_test_request(app, "GET /feed", NULL, NULL, &r);
    say("kept");
    sse_test_run(app, 0);
    ok(strstr(r.body, "kept") != NULL, "as is an event that must be on the disk first");
    sse_test_close(&r);
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
    remove(path);
    strcat(path, "-wal");
    remove(path);
    memcpy(strrchr(path, '-'), "-shm", 4);
    remove(path);
#else
    (void)render, (void)note, (void)path;
    sse_test_close(&r);
    sse_app_free(app);
#endif
}

int main(void) {
    requests();
    framings();
    refusals();
    streams();
    sessions();
    limits();
    timeouts();
    stopping();
    closing();
    no_rest();
    slow_handler();
    told_by_its_time();
    slow_threads();
    threads();
    return tap_done();
}
