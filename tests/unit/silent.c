/* What fails without a word: calls in handlers that say nothing, streams that nothing feeds, gaps
   of what was never kept. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

#include "dial.h"

static char line[600]; /* the latest warning or error that was logged */
static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(line, sizeof line, "%s", text);
}

static sse_app *fresh(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.max_topics = 2;
    line[0] = '\0';
    return dial_app(&o);
}

static void slowly(sse_app *app, void *user) { /* so that more wait than may */
    (void)app;
    (void)user;
    poll(NULL, 0, 1);
}

static int no_part(sse_req *req, const sse_part *part, sse_str chunk, int status, void *user) {
    (void)req, (void)part, (void)chunk, (void)status, (void)user;
    return 0;
}

/* ?call=name&say=text: none of the answers is looked at */
static void quiet(sse_req *req, void *user) {
    sse_app    *app = sse_req_app(req);
    const char *call = sse_query(req, "call"), *odd = "<p style='width:50%'>%s";
    sse_event   event;
    int         i;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = "a\nb";
    event.data = "x";
    if (strcmp(call, "publish") == 0) sse_publish(app, "t", &event);
    if (strcmp(call, "touch") == 0) sse_touch(app, "no slash");
    if (strcmp(call, "header") == 0) sse_set_header(req, "X-A", "a\r\nb");
    if (strcmp(call, "body") == 0) sse_body_to_file(req, "here", NULL, NULL);
    if (strcmp(call, "form") == 0) sse_body_parts(req, no_part, NULL);
    if (strcmp(call, "parts") == 0) sse_body_parts(req, NULL, NULL);
    if (strcmp(call, "reader") == 0) sse_body_read(req, NULL, NULL);
    if (strcmp(call, "two") == 0) sse_set_status(req, 7), sse_body_to_file(req, "here", NULL, NULL);
    if (strcmp(call, "html") == 0) sse_html(sse_out(req), odd, "x");
    if (strcmp(call, "fmt") == 0) (void)sse_fmt(req, odd, "x");
    for (i = 0; i < 3000 && strcmp(call, "offload") == 0; i++) sse_offload(app, slowly, NULL, NULL);
    if (sse_query(req, "say")) sse_puts(sse_out(req), sse_query(req, "say"));
}

#ifdef SSE_NO_THREADS
#define HAS_THREADS 0
#else
#define HAS_THREADS 1
#endif
static void test_silence(void) {
    static const char *const calls[][2] = {{"publish", "SSE_E_FIELD: "}, {"touch", "SSE_E_ARG: "},
        {"header", "sse_set_header: X-A: the value holds a line break"},
        {"body", "sse_body_to_file: its route has no .body_later"},
        {"reader", "sse_body_read: fn is NULL"}, {"parts", "sse_body_parts: fn is NULL"},
        {"form", "sse_body_parts: its route has no .body_later"},
        {"two", "sse_set_status: 7 is not within 200..599"},
        {"fmt", "SSE_E_FORMAT: a conversion that sse_html and its kind lack "},
        {"offload", HAS_THREADS ? "SSE_E_FULL: " : "SSE_E_NOT_BUILT: "}};
    static const char        form[] = "Content-Type: multipart/form-data; boundary=x\r\n";
    char                     path[100], want[200];
    size_t                   i;
    int                      k;
    sse_app                 *app = fresh();
    sse_get(app, "/quiet", quiet, NULL);
    sse_get(app, "/still", quiet, NULL);
    for (i = 0; i < SSE__COUNT(calls); i++) {
        memset(app->refused, 0, sizeof app->refused); /* such things are said once a second */
        for (k = 0; k < 2; k++) { /* the call itself is told of once, for both routes */
            snprintf(path, sizeof path, "%s?call=%s", k ? "/still" : "/quiet", calls[i][0]);
            snprintf(want, sizeof want, "%s failed: %s", k ? "/still" : "/quiet", calls[i][1]);
            ok(times(dial(app, path, form), "HTTP/1.1 500 ") == 1,
                "%s failed, its handler says nothing: 500", calls[i][0]);
            ok(strncmp(line, want, strlen(want)) == 0, "... is logged: %s", line);
        }
        snprintf(path, sizeof path, "/quiet?call=%s&say=this", calls[i][0]);
        ok(times(dial(app, path, form), "HTTP/1.1 200 ") == 1,
            "... but what a handler says is the reply");
        ok(times(dial(app, "/quiet?call=none", ""), "HTTP/1.1 204 ") == 1,
            "... and the next request is none the worse");
    }
    ok(times(dial(app, "/quiet?call=html&say=this", ""), "HTTP/1.1 500 ") == 1,
        "a page that cannot be written whole is no reply");
    is_str(line,
        "/quiet failed: SSE_E_FORMAT: a conversion that sse_html and its kind lack (%% writes a "
        "percent sign), or a %s of sse_json between quotes: it writes its own",
        "... which says why");
    dial_free(app);
}

static sse_stream left;

static void subscribes(sse_req *req, void *user) {
    (void)req, (void)user;
    is_int(sse_subscribe(left, "t"), SSE_E_CLOSED, "a stream whose client has left");
}

#if !defined(SSE_NO_THREADS)
static void *publishes(void *user) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.event = "a\nb";
    event.data = "x";
    is_int(sse_publish((sse_app *)user, "t", &event), SSE_E_FIELD, "no event, on another thread");
    return NULL;
}

static void starts(sse_req *req, void *user) {
    pthread_t thread;
    (void)user;
    if (!pthread_create(&thread, NULL, publishes, sse_req_app(req))) pthread_join(thread, NULL);
}
#else
static void starts(sse_req *req, void *user) { (void)req, (void)user; }
#endif

/* What is no failure of the handler's. */
static void test_no_failure(void) {
    sse_app *app = fresh();
    sse_get(app, "/subscribes", subscribes, NULL);
    sse_get(app, "/starts", starts, NULL);
    hang_up(dial(app, "/s", NULL));
    left = newest;
    while (sse_stream_is_open(left)) turns(app, 1);
    is_int(times(dial(app, "/subscribes", ""), "HTTP/1.1 204 "), 1,
        "that a client left is no failure of a handler");
    is_int(times(dial(app, "/starts", ""), "HTTP/1.1 204 "), 1, "nor what another thread did");
    dial_free(app);
}

#ifndef SSE_NO_SQLITE
static int asks_nothing(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk;
    if (!status) sse_db_exec((sse_db *)user, "INSERT INTO nowhere VALUES(1)");
    if (!status && sse_query(req, "say")) sse_puts(sse_out(req), sse_query(req, "say"));
    return 0;
}

static void asks_none(sse_req *req, void *user) {
    (void)req, (void)user;
    sse_db_exec(NULL, "SELECT 1");
}

static void reads(sse_req *req, void *user) { sse_body_read(req, asks_nothing, user); }

/* Likewise where a body's reader asks the database. */
static void test_reader(void) {
    static const char *const paths[] = {"/reads", "/reads?say=this"};
    static const char *const replies[] = {"HTTP/1.1 500 ", "HTTP/1.1 200 "};
    sse_route_options        later;
    sse_app                 *app = fresh();
    sse_db                  *db = sse_db_open(":memory:", NULL);
    int                      i, n;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/reads", reads, db, &later);
    sse_get(app, "/none", asks_none, NULL);
    is_int(times(dial(app, "/none", ""), "HTTP/1.1 500 "), 1, "without a database");
    is_str(line, "/none failed: the database is NULL", "... as the log says");
    for (i = 0; i < 2; i++) {
        char    request[200];
        client *c;
        line[0] = '\0';
        snprintf(request, sizeof request,
            "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", paths[i]);
        c = send_from_new(app, request, strlen(request));
        for (n = 0; n < 30000 && !c->len; n++) turns(app, 1);
        is_int(times(c, replies[i]), 1, replies[i]);
        ok(i || strstr(line, "/reads failed: no such table: nowhere"),
            "a reader whose database fails, and says nothing: %s", line);
    }
    dial_free(app);
    sse_db_close(db);
}
#endif

/* ?topic= of which there may be too many, ?and= one more */
static void follow(sse_req *req, sse_stream s) {
    sse_subscribe(s, sse_query(req, "topic"));
    if (sse_query(req, "and")) sse_subscribe(s, sse_query(req, "and"));
}

static void test_unfed(void) {
    sse_app *app = fresh();
    client  *one, *c;
    opening = follow;
    one = dial(app, "/s?topic=a", NULL);
    dial(app, "/s?topic=b", NULL);
    line[0] = '\0';
    c = dial(app, "/s?topic=c", NULL);
    turns(app, 5);
    is_int(times(c, "HTTP/1.1 200 ") + times(c, "retry: "), 2,
        "a stream whose only subscription failed: its client is told to come back");
    is_int(c->over, 1, "... and it ends");
    ok(strstr(line, "/s: its stream follows nothing, so it ends: SSE_E_FULL") != NULL,
        "... is logged: %s", line);
    c = dial(app, "/s", NULL);
    turns(app, 5);
    is_int(c->over, 1, "the same for a topic without a name");
    c = dial(app, "/s?topic=d&and=a", NULL);
    say(app, "a", "live");
    turns(app, 5);
    is_int(times(c, "data: live") * 10 + c->over, 10, "one that follows another topic stays");
    is_int(times(one, "data: live"), 1, "as do all others");
    dial_free(app);
}

/* What a stream that follows nothing may have instead is enough for it to stay. */
static int step(sse_stream s, void *user) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = "a step";
    (void)user;
    sse_stream_send(s, &event);
    return 1000000;
}

static void feed_otherwise(sse_req *req, void *user) { /* ?by=step, raw or nothing */
    const char        *by = sse_query(req, "by");
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&o, 0, sizeof o);
    if (strcmp(by, "step") == 0) o.step = step;
    if (strcmp(by, "raw") == 0) o.type = "text/plain";
    s = sse_stream_open(req, &o);
    ok(sse_subscribe(s, "") != 0, "a topic without a name, and %s", by);
    if (o.type) sse_stream_write(s, "raw bytes", 9);
}

static void test_fed_otherwise(void) {
    static const struct {
        const char *path, *comes;
        int         over;
    } rows[] = {{"/feed?by=step", "data: a step\n", 0}, {"/feed?by=raw", "raw bytes", 0},
        {"/feed?by=nothing", "retry: 2000\n", 1}};
    sse_app *app = fresh();
    size_t   i;
    sse_get(app, "/feed", feed_otherwise, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        client *c;
        memset(app->refused, 0, sizeof app->refused);
        line[0] = '\0';
        c = dial(app, rows[i].path, NULL);
        turns(app, 5);
        is_int(times(c, rows[i].comes), 1, rows[i].path);
        is_int(c->over, rows[i].over, "... its end");
        is_int(strstr(line, "its stream follows nothing") != NULL, rows[i].over, "... in the log");
    }
    dial_free(app);
}

static bool pattern;
static void follow_all(sse_req *req, sse_stream s) {
    (void)req;
    if (pattern) sse_subscribe_pattern(s, "chat.*");
    else sse_subscribe(s, "chat.1");
}

static void test_own_ids(void) {
    const char *const id = "Accept: text/event-stream\r\nLast-Event-ID: 1700000000000-5\r\n";
    sse_topic_options o;
    client           *c;
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 10;
    for (i = 0; i < 4; i++) {
        sse_app *app = fresh();
        opening = follow_all;
        pattern = i & 1;
        if (i & 2) sse_topic(app, "chat.1", &o);
        else sse_topic(app, "other", &o);
        c = dial(app, "/s", id);
        turns(app, 5);
        say(app, "chat.1", "live");
        turns(app, 5);
        ok(times(c, "event: gap") == i / 2, "%s, an unknown id: a gap only where something is kept",
            pattern ? "a pattern" : "a topic");
        is_int(times(c, "data: live"), 1, "... then the live flow");
        dial_free(app);
    }
}

static void render(sse_view *v, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=a>%s</p>", sse_view_param(v, "q") ? sse_view_param(v, "q") : "none");
}

static void test_malformed_query(void) {
    static const char *const queries[] = {"q=%zz", "q=100%", "q=%zz&q=two"};
    static const char *const shows[] = {">none<", ">none<", ">two<"};
    sse_live_options         o;
    sse_app                 *app = fresh();
    char                     path[100];
    int                      i;
    memset(&o, 0, sizeof o);
    o.query = "q";
    sse_live(app, "/feed", render, &o);
    for (i = 0; i < 3; i++) {
        client *c;
        snprintf(path, sizeof path, "/feed?%s", queries[i]);
        c = dial(app, path, NULL);
        turns(app, 5);
        ok(times(c, shows[i]) == 1, "a view of ?%s reads it as sse_query does: %s", queries[i],
            shows[i]);
    }
    dial_free(app);
}

static void test_timer(void) {
    sse_app    *app = fresh();
    const char *why;
    is_int(sse_every(app, 0, slowly, NULL).app == NULL, 1,
        "a timer of 0 ms again and again is refused");
    is_int(sse_app_error(app, &why), SSE_E_ARG, "... which sse_app_error tells");
    ok(strstr(why, "sse_every: 0 ms") != NULL, "... in words: %s", why);
    dial_free(app);
}

int main(void) {
    test_silence();
    test_no_failure();
#ifndef SSE_NO_SQLITE
    test_reader();
#endif
    test_unfed();
    test_fed_otherwise();
    test_own_ids();
    test_malformed_query();
    test_timer();
    return tap_done();
}
