/* faults.c: a server of everything at once, for the tests in which memory runs out: pages, forms,
   writes to SQLite, streams of topics in memory and in the database, an outbox, live views, files,
   uploads, work on other threads, the monitor. It listens on PORT (-1, the default: any) of
   127.0.0.1 and prints the number.
   usage: faults DATABASE DIRECTORY */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_db *db;

/* ---- replies ---- */

static void page(sse_req *req, void *user) { /* /page/{name}?q=text&n=rows */
    long long i, n = sse_parse_int(sse_query(req, "n"), 0);
    (void)user;
    sse_html(sse_out(req), "<h1>%s, %s</h1>\n", sse_param(req, "name"), sse_query(req, "q"));
    for (i = 0; i < n; i++) sse_html(sse_out(req), "<li>row %lld of the page\n", i);
}

static void form(sse_req *req, void *user) {
    const char *a = sse_form(req, "a"), *b = sse_form(req, "b");
    (void)user;
    if (a && b) sse_printf(sse_out(req), "%s %s", a, b);
}

static void signals(sse_req *req, void *user) {
    const char *name = sse_signal(req, "user.name");
    (void)user;
    if (name) sse_json(sse_out_json(req), "{\"name\":%s}", name);
}

static int upload_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    size_t *sum = (size_t *)user;
    *sum += chunk.len;
    if (status == 1) return 0;
    if (status == 0) sse_printf(sse_out(req), "%zu", *sum);
    free(sum);
    return 0;
}

static void upload(sse_req *req, void *user) {
    size_t *sum = (size_t *)calloc(1, sizeof *sum);
    (void)user;
    if (!sum) sse_fail(req, 503, "no memory");
    else if (sse_body_read(req, upload_chunk, sum)) free(sum);
}

static void work(sse_app *app, void *user) { (void)app, (void)user; }

static void finish(sse_app *app, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    sse_puts(sse_out(req), "later");
    sse_finish(req);
}

static void later(sse_req *req, void *user) {
    (void)user;
    if (sse_defer(req)) return;
    if (sse_offload(sse_req_app(req), work, finish, req) == 0) return;
    sse_fail(req, 503, "no memory");
    sse_finish(req);
}

/* ---- the database ---- */

static int write_both(sse_db *d, void *user) {
    sse_req *req = (sse_req *)user;
    return sse_db_exec(d, "INSERT INTO rows(k) VALUES(%s)", sse_query(req, "k")) < 0 ||
           sse_db_exec(d, "INSERT INTO outbox(body) VALUES(%s)", sse_query(req, "k")) < 0;
}

/* POST /write?k=key: 204 once it is written, with its event */
static void write_row(sse_req *req, void *user) {
    (void)user;
    sse_db_write(db, write_both, req);
}

static void list_rows(sse_req *req, void *user) {
    sse_rows *rows = sse_db_query(db, "SELECT k FROM rows ORDER BY rowid");
    (void)user;
    while (sse_db_next(rows)) sse_printf(sse_out(req), "%s\n", sse_db_text(rows, 0));
}

static void view(sse_view *v, sse_buf *html, void *user) {
    sse_rows *rows = sse_db_query(db, "SELECT count(*), max(rowid) FROM rows");
    (void)user;
    while (sse_db_next(rows))
        sse_html(html, "<p id=\"v\">%s: %lld rows</p>", sse_view_param(v, "id"),
            sse_db_int(rows, 0));
}

static void each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"e\">%s</p>", sse_query(req, "q"));
}

/* ---- streams ---- */

static void events(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    if (sse_subscribe(s, sse_param(req, "topic"))) sse_stream_end(s, NULL);
}

static void publish(sse_req *req, void *user) { /* POST /publish/{topic}?data=text */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_query(req, "data");
    if (sse_publish(sse_req_app(req), sse_param(req, "topic"), &event) < 0)
        sse_fail(req, 503, "not published");
}

static bool list_event(const sse_event *event, void *user) {
    sse_printf((sse_buf *)user, "%s\n", event->data);
    return true;
}

static void history(sse_req *req, void *user) {
    (void)user;
    sse_topic_history(sse_req_app(req), sse_param(req, "topic"), 0, list_event, sse_out(req));
}

static void touch(sse_req *req, void *user) {
    (void)user;
    sse_touch(sse_req_app(req), "/each");
}

static void end(sse_req *req, void *user) {
    sse_filter all;
    (void)user;
    memset(&all, 0, sizeof all);
    all.all = true;
    sse_streams_close(sse_req_app(req), &all, NULL);
}

static void stats(sse_req *req, void *user) {
    sse_stats now;
    (void)user;
    sse_stats_get(sse_req_app(req), &now);
    sse_json(sse_out_json(req),
        "{\"connections\":%llu,\"streams\":%llu,\"views\":%llu,\"topics\":%llu}",
        (unsigned long long)now.connections, (unsigned long long)now.streams,
        (unsigned long long)now.views, (unsigned long long)now.topics);
}

/* ---- the program ---- */

static void anyone(sse_req *req, void *user) { (void)req, (void)user; }

static void add_routes(sse_app *app) {
    sse_route_options route;
    memset(&route, 0, sizeof route);
    route.method = "POST";
    route.body_later = true;
    sse_route(app, "/upload", upload, NULL, &route);
    sse_get(app, "/page/{name}", page, NULL);
    sse_post(app, "/form", form, NULL);
    sse_post(app, "/signals", signals, NULL);
    sse_get(app, "/later", later, NULL);
    sse_post(app, "/write", write_row, NULL);
    sse_get(app, "/rows", list_rows, NULL);
    sse_get(app, "/events/{topic}", events, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_get(app, "/history/{topic}", history, NULL);
    sse_post(app, "/touch", touch, NULL);
    sse_post(app, "/end", end, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_monitor(app, "/_sse", anyone, NULL);
}

static void add_streams(sse_app *app) {
    sse_topic_options topic;
    sse_live_options  live;
    memset(&topic, 0, sizeof topic);
    memset(&live, 0, sizeof live);
    topic.history = 100000;
    sse_topic(app, "kept", &topic);
    topic.db = db;
    sse_topic(app, "stored", &topic);
    sse_topic_from_table(app, "outbox", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    live.db = db;
    live.tables = "rows";
    sse_live(app, "/view/{id}", view, &live);
    sse_live_each(app, "/each", each, NULL);
}

int main(int argc, char **argv) {
    const char       *port = getenv("PORT");
    sse_app_options   options;
    sse_serve_options serve;
    sse_app          *app;
    int               error;
    if (argc < 3) return 2;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready;
    serve.port = port ? (int)sse_parse_int(port, 0) : SSE_ANY_PORT;
    db = sse_db_open(argv[1], NULL);
    sse_db_migrate(db,
        "CREATE TABLE IF NOT EXISTS rows(k TEXT);"
        "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    app = sse_app_new(&options);
    add_routes(app);
    add_streams(app);
    sse_static(app, "/dir", argv[2], NULL);
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(db);
    return error != 0;
}
