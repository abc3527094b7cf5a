/* asks.c: all that a handler may do with a request for events, and with any other, for
   asks.test.mjs. It prints its address.
   usage: asks [MAX_CONNECTIONS] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_db *db;

static void silent(sse_req *req, void *user) { (void)req, (void)user; }

static void no_content(sse_req *req, void *user) {
    (void)user;
    sse_set_status(req, 204);
}

static void failing(sse_req *req, void *user) { /* the row is refused, and nobody looks */
    (void)user;
    sse_db_exec(db, "INSERT INTO t(x) VALUES(%s)", sse_query(req, "absent"));
}

static void refused(sse_req *req, void *user) {
    (void)user;
    sse_fail(req, (int)sse_parse_int(sse_param(req, "status"), 0), "not for you");
}

static void unopened(sse_req *req, void *user) { /* its first event is none */
    static const sse_event bad = {.event = "a\nb", .data = "1"};
    (void)user;
    sse_stream_open(req, &(sse_stream_options){.first = &bad});
}

static void text(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static int two(sse_stream s, void *user) {
    int *count = (int *)user;
    sse_stream_send(s, &(sse_event){.data = "step"});
    return ++*count < 2 ? 1 : SSE_END;
}

static void counted(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    (void)reason;
    free(user);
}

static bool overflow(sse_stream s, void *user) {
    char noise[4096];
    int  i;
    for (i = 0; i + 1 < (int)sizeof noise; i++) noise[i] = (char)('!' + (i * i * 31 + i / 7) % 90);
    noise[i] = '\0';
    (void)user;
    while (!sse_stream_send(s, &(sse_event){.data = noise})) {
    }
    return true;
}

static void slow(sse_app *app, void *user) {
    (void)user;
    sse_streams_each(app, &(sse_filter){.label = "slow"}, overflow, NULL);
}

static void later(sse_app *app, void *user) {
    (void)user;
    sse_streams_close(app, &(sse_filter){.label = "closed"}, &(sse_event){.data = "bye"});
}

/* /stream/{end}: one that has an event, and then that end */
static void stream(sse_req *req, void *user) {
    static char        large[4000001];
    const char        *end = sse_param(req, "end");
    sse_event          first = {.data = "one"};
    sse_stream_options o = {.first = &first, .label = end};
    sse_stream         s;
    (void)user;
    if (strcmp(end, "step") == 0) {
        o.step = two;
        o.on_close = counted;
        o.user = calloc(1, sizeof(int));
    }
    if (strcmp(end, "lifetime") == 0 || strcmp(end, "large") == 0) o.lifetime_ms = 20;
    if (strcmp(end, "large") == 0) {
        memset(large, 'x', sizeof large - 1);
        first.data = large;
        o.no_compression = true;
    }
    if (strcmp(end, "slow") == 0) o.max_queue_bytes = 20000;
    s = sse_stream_open(req, &o);
    if (strcmp(end, "ended") == 0) sse_stream_end(s, &(sse_event){.data = "bye"});
    if (strcmp(end, "closed") == 0) sse_after(sse_req_app(req), 20, later, NULL);
    if (strcmp(end, "slow") == 0) sse_after(sse_req_app(req), 20, slow, NULL);
}

static void view(sse_view *v, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"v\">%s</p>", sse_view_param(v, "n"));
}

int main(int argc, char **argv) {
    static const char *const methods[] = {"GET", "POST"};
    sse_app                 *app;
    size_t                   i;
    int                      error;
    db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE t (x TEXT NOT NULL)");
    app = sse_app_new(&(sse_app_options){.on_init = ready,
        .allowed_hosts = "*",
        .max_views = 1,
        .max_connections = (int)sse_parse_int(argc > 1 ? argv[1] : NULL, 0)});
    for (i = 0; i < 2; i++) {
        const sse_route_options o = {.method = methods[i]};
        sse_route(app, "/silent", silent, NULL, &o);
        sse_route(app, "/no-content", no_content, NULL, &o);
        sse_route(app, "/failing", failing, NULL, &o);
        sse_route(app, "/refused/{status}", refused, NULL, &o);
        sse_route(app, "/unopened", unopened, NULL, &o);
        sse_route(app, "/text", text, NULL, &o);
        sse_route(app, "/stream/{end}", stream, NULL, &o);
    }
    sse_live(app, "/view/{n}", view, NULL);
    error = sse_serve(app, &(sse_serve_options){.port = SSE_ANY_PORT});
    sse_app_free(app);
    sse_db_close(db);
    return error != 0;
}
