/* own.h: the server of sse.h that the benchmarks measure: a page, and a stream that all get the
   events of 1 KB on which are published. What is written to go says when; what it means is said by
   the function that publishes. */

static void own_hello(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));
}

static sse_stream own_stream(sse_req *req) { /* with its first event, which says that it joined */
    static const sse_event hello = {.data = "welcome"};
    sse_stream             s = sse_stream_open(req, NULL);
    sse_stream_send(s, &hello);
    return s;
}

/* publish: called when something was written to go; user: the event. */
static sse_app *own_open(int out, int senders, sse_handler events, sse_fd_fn publish) {
    static char       data[EVENT];
    static sse_event  event = {.data = data};
    sse_serve_options serve;
    sse_app          *app = sse_app_new(NULL);
    memset(&serve, 0, sizeof serve);
    memset(data, '0', EVENT - 8);
    serve.port = SSE_ANY_PORT;
    serve.senders = senders;
    sse_get(app, "/hello", own_hello, NULL);
    sse_get(app, "/events", events, NULL);
    if (go[0] >= 0) sse_watch(app, go[0], SSE_READ, publish, &event);
    if (sse_listen(app, &serve)) _exit(1);
    dprintf(out, "http://127.0.0.1:%d", sse_port(app));
    return app;
}

/* ---- a byte on go: so many events to all ---- */

__attribute__((unused)) static void own_events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(own_stream(req), "news");
}

__attribute__((unused)) static void own_publish(sse_app *app, int fd, int ready, void *user) {
    char count;
    (void)ready;
    if (read(fd, &count, 1) != 1) _exit(0);
    while (count-- > 0) sse_publish(app, "news", (const sse_event *)user);
}

__attribute__((unused)) static void own(int out, int unused) {
    sse_app *app = own_open(out, 0, own_events, own_publish);
    (void)unused;
    while (sse_poll(app, -1) > 0) {
    }
}
