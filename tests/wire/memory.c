/* memory.c: a server whose allocations fail on demand. It listens on a free port of 127.0.0.1 and
   prints the number. GET /arm?nth=N or ?every=N: that allocation after the next SIGUSR2 fails, or
   each N-th. SIGUSR1: no more do. GET /now: how many did.
   usage: memory DIRECTORY */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>

static long                  nth, every, failed; /* the next to fail; 0: none does */
static volatile sig_atomic_t armed;

static void *failing_realloc(void *p, size_t n) {
    if (armed && nth && --nth == 0) {
        nth = every;
        failed++;
        return NULL;
    }
    return realloc(p, n);
}
#define SSE_MALLOC(n)     failing_realloc(NULL, n)
#define SSE_REALLOC(p, n) failing_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static void on_signal(int number) { armed = number == SIGUSR2; }

static void arm(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "armed");
    failed = 0;
    every = (long)sse_parse_int(sse_query(req, "every"), 0);
    nth = every ? every : (long)sse_parse_int(sse_query(req, "nth"), 0);
}

static void count(sse_req *req, void *user) {
    sse_stats now;
    (void)user;
    sse_stats_get(sse_req_app(req), &now);
    sse_json(sse_out_json(req), "{\"failed\":%ld,\"connections\":%llu,\"streams\":%llu}", failed,
        (unsigned long long)now.connections, (unsigned long long)now.streams);
}

/* ---- what the test asks for: each kind of reply once ---- */

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req), "hello %s, %s", sse_param(req, "name"), sse_query(req, "q"));
}

static void table(sse_req *req, void *user) { /* ?n=rows */
    long long i, n = sse_parse_int(sse_query(req, "n"), 100);
    (void)user;
    for (i = 0; i < n; i++) sse_printf(sse_out(req), "row %lld of the table\n", i);
}

static void echo(sse_req *req, void *user) {
    sse_str body = sse_body(req);
    (void)user;
    sse_set_header(req, "X-Length", sse_fmt(req, "%zu", body.len));
    sse_raw(sse_out(req), body.ptr, body.len);
}

static void form(sse_req *req, void *user) {
    const char *a = sse_form(req, "a"), *b = sse_form(req, "b"), *c = sse_cookie(req, "c");
    (void)user;
    if (a && b && c) sse_printf(sse_out(req), "%s %s %s", a, b, c);
    else sse_fail(req, 418, "something is missing");
}

static void signals(sse_req *req, void *user) {
    const char *text = sse_signal(req, "user.name");
    (void)user;
    sse_set_cookie_signed(req, "who", text ? text : "nobody", NULL);
    if (text) sse_json(sse_out_json(req), "{\"name\":%s}", text);
}

static int upload_part(sse_req *req, const sse_part *part, sse_str chunk, int status, void *user) {
    size_t *sum = (size_t *)user;
    size_t  i;
    for (i = 0; part && i < chunk.len; i++) *sum += (unsigned char)chunk.ptr[i];
    if (!part && status == 0) sse_printf(sse_out(req), "%zu", *sum);
    if (!part) free(sum);
    return 0;
}

static void upload(sse_req *req, void *user) {
    size_t *sum = (size_t *)calloc(1, sizeof *sum);
    (void)user;
    if (sse_body_parts(req, upload_part, sum)) free(sum);
}

static void finish(sse_app *app, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    sse_printf(sse_out(req), "%s, later", sse_query(req, "q"));
    sse_finish(req);
}

static void later(sse_req *req, void *user) {
    (void)user;
    if (sse_defer(req)) return;
    if (!sse_after(sse_req_app(req), 1, finish, req).app) {
        sse_fail(req, 503, "no timer");
        sse_finish(req);
    }
}

static void away(sse_req *req, void *user) {
    (void)user;
    sse_redirect(req, sse_fmt(req, "/hello/%s", sse_query(req, "q")));
}

/* The event "end" ends it: a client that waits for it is no longer waiting. */
static void events(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    if (sse_subscribe(s, sse_param(req, "topic"))) sse_stream_end(s, NULL);
}

static void publish(sse_req *req, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_query(req, "data");
    sse_puts(sse_out(req),
        sse_publish(sse_req_app(req), sse_param(req, "topic"), &event) < 0 ? "no" : "yes");
}

static void end(sse_req *req, void *user) {
    sse_filter all;
    (void)user;
    memset(&all, 0, sizeof all);
    all.all = true;
    sse_printf(sse_out(req), "%d", sse_streams_close(sse_req_app(req), &all, NULL));
}

static long state;

static void view(sse_view *v, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"v\">%s %ld</p>", sse_view_param(v, "id"), state);
}

static void each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"e\">%s %ld</p>", sse_query(req, "q"), state);
}

static void touch(sse_req *req, void *user) {
    (void)user;
    state = (long)sse_parse_int(sse_query(req, "state"), 0);
    sse_printf(sse_out(req), "%d",
        sse_touch(sse_req_app(req), "/view/{id}") | sse_touch(sse_req_app(req), "/each"));
}

static void quiet(int level, const char *text, void *user) { (void)level, (void)text, (void)user; }

int main(int argc, char **argv) {
    sse_app_options   options;
    sse_route_options route;
    sse_topic_options kept;
    sse_serve_options serve;
    sse_app          *app;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&route, 0, sizeof route);
    memset(&kept, 0, sizeof kept);
    memset(&serve, 0, sizeof serve);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    options.on_init = ready;
    options.on_log = quiet;
    options.secret = "a secret of this test, long enough";
    app = sse_app_new(&options);
    sse_get(app, "/arm", arm, NULL);
    sse_get(app, "/now", count, NULL);
    sse_get(app, "/hello/{name}", hello, NULL);
    sse_get(app, "/table", table, NULL);
    sse_post(app, "/echo", echo, NULL);
    sse_post(app, "/form", form, NULL);
    sse_post(app, "/signals", signals, NULL);
    route.method = "POST";
    route.body_later = true;
    sse_route(app, "/upload", upload, NULL, &route);
    sse_get(app, "/later", later, NULL);
    sse_get(app, "/away", away, NULL);
    kept.history = 10;
    sse_topic(app, "kept", &kept);
    sse_get(app, "/events/{topic}", events, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_post(app, "/end", end, NULL);
    sse_live(app, "/view/{id}", view, NULL);
    sse_live_each(app, "/each", each, NULL);
    sse_post(app, "/touch", touch, NULL);
    if (argc > 1) sse_static(app, "/dir", argv[1], NULL);
    serve.port = SSE_ANY_PORT;
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
