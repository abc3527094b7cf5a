/* stopping.c: streams with last words, a slow reply, a stuck stream; says on stderr how it went.
   usage: stopping [GRACE_MS] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static int closed, by_stop;

static void on_stop(sse_stream s, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = "stopping";
    sse_stream_send(s, &event);
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    (void)user;
    closed++;
    by_stop += reason == SSE_BY_STOP;
}

static void stream(sse_req *req, void *user) {
    static const char  big[1 << 19];
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
    o.max_queue_bytes = SSE_UNLIMITED;
    if (sse_query(req, "stuck")) { /* more than the kernel takes */
        sse_stream s = sse_stream_open(req, &o);
        int        i;
        for (i = 0; i < 40; i++) sse_stream_write(s, big, sizeof big);
    } else sse_stream_open(req, &o);
}

static void answer(sse_app *app, void *user) {
    (void)app;
    sse_puts(sse_out((sse_req *)user), "at last");
    sse_finish((sse_req *)user);
}

static void slow(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    sse_after(sse_req_app(req), (int)sse_parse_int(sse_query(req, "ms"), 500), answer, req);
}

static void count(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req), "{\"streams\":%llu}", (unsigned long long)s.streams);
}

static void over(sse_app *app, void *user) {
    (void)app;
    (void)user;
    fprintf(stderr, "closed %d, by stop %d\n", closed, by_stop);
}

int main(int argc, char **argv) {
    sse_app          *app;
    sse_app_options   options;
    sse_serve_options serve;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready;
    options.on_exit = over;
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = (int)sse_parse_int(argc > 1 ? argv[1] : NULL, 5000);
    app = sse_app_new(&options);
    sse_get(app, "/stream", stream, NULL);
    sse_get(app, "/slow", slow, NULL);
    sse_get(app, "/count", count, NULL);
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
