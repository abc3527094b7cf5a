/* monitor.c: a program with streams, topics and a view, and the monitor twice: for this machine,
   and behind a password. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void clock_view(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)user;
    sse_html(html, "<p id=\"clock\">%lld</p>", (long long)time(NULL));
}

static void topic(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.label = sse_query(req, "label");
    o.who = sse_query(req, "who");
    sse_subscribe(sse_stream_open(req, &o), sse_param(req, "topic"));
}

static void publish(sse_req *req, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_body(req).ptr;
    event.data_len = sse_body(req).len;
    sse_publish(sse_req_app(req), sse_param(req, "topic"), &event);
}

static void counters(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req),
        "{\"renders\":%llu,\"streams\":%llu,\"views\":%llu,\"queue_high\":%llu}",
        (unsigned long long)s.renders, (unsigned long long)s.streams, (unsigned long long)s.views,
        (unsigned long long)s.queue_high);
}

static void password(sse_req *req, void *user) {
    const char *given = sse_query(req, "key") ? sse_query(req, "key") : sse_header(req, "x-key");
    if (!given || strcmp(given, (const char *)user) != 0) sse_fail(req, 401, "the key is missing");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("listening on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(int argc, char **argv) {
    sse_app          *app;
    sse_app_options   options;
    sse_live_options  live;
    sse_serve_options serve;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&live, 0, sizeof live);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready;
    live.every_ms = 500;
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 500;
    serve.host = argc > 1 ? argv[1] : NULL;
    app = sse_app_new(&options);
    sse_get(app, "/topic/{topic}", topic, NULL);
    sse_post(app, "/topic/{topic}", publish, NULL);
    sse_get(app, "/counters", counters, NULL);
    sse_live(app, "/clock/{zone}", clock_view, &live);
    sse_monitor(app, "/_sse", NULL, NULL);
    sse_monitor(app, "/admin/monitor", password, (void *)"sesame");
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
