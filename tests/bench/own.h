/* own.h: the server of sse.h that the benchmarks measure: a page, and a stream that a byte on go
   has publish so many events to all. */

static void own_hello(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));
}

static void own_events(sse_req *req, void *user) {
    static const sse_event hello = {.data = "welcome"};
    sse_stream             s = sse_stream_open(req, NULL);
    (void)user;
    sse_stream_send(s, &hello);
    sse_subscribe(s, "news");
}

static void own_publish(sse_app *app, int fd, int ready, void *user) {
    char count;
    (void)ready;
    if (read(fd, &count, 1) != 1) _exit(0);
    while (count-- > 0) sse_publish(app, "news", (const sse_event *)user);
}

static void own(int out, int unused) {
    char              data[EVENT];
    sse_serve_options serve;
    sse_event         event;
    sse_app          *app = sse_app_new(NULL);
    (void)unused;
    memset(&serve, 0, sizeof serve);
    memset(&event, 0, sizeof event);
    memset(data, '0', sizeof data);
    data[EVENT - 8] = '\0';
    event.data = data;
    serve.port = SSE_ANY_PORT;
    sse_get(app, "/hello", own_hello, NULL);
    sse_get(app, "/events", own_events, NULL);
    if (go[0] >= 0) sse_watch(app, go[0], SSE_READ, own_publish, &event);
    if (sse_listen(app, &serve)) _exit(1);
    dprintf(out, "http://127.0.0.1:%d", sse_port(app));
    while (sse_poll(app, -1) > 0) {
    }
}
