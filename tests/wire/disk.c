/* disk.c: a server whose disk is slow. It keeps a topic and a table in a database, and answers when
   they are kept.
   usage: disk DATABASE; PORT as everywhere */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_db *db;

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "hello");
}

static void publish(sse_req *req, void *user) { /* ?data=x: acknowledged when it is kept */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_query(req, "data");
    if (sse_publish(sse_req_app(req), "kept", &event)) sse_fail(req, 500, "not published");
}

static void posted(sse_app *app, const sse_db_result *result, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    if (result->changes < 0) sse_fail(req, 409, "%s", result->error);
    else sse_json(sse_out_json(req), "{\"id\":%lld}", result->last_id);
    sse_finish(req);
}

static void post(sse_req *req, void *user) { /* ?data=x */
    sse_db_post_options o;
    (void)user;
    o.app = sse_req_app(req);
    o.done = posted;
    o.user = req;
    if (sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%s)", sse_query(req, "data")) == SSE_OK)
        sse_defer(req);
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), sse_param(req, "topic"));
}

static void rows(sse_view *view, sse_buf *html, void *user) {
    long long n = 0;
    (void)view;
    (void)user;
    sse_db_one(db, &n, "SELECT count(*) FROM t");
    sse_html(html, "<p id=\"rows\">%lld</p>", n);
}

static void tick(sse_app *app, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = "tick";
    sse_publish(app, "ticks", &event);
}

int main(int argc, char **argv) {
    sse_app_options   options;
    sse_topic_options topic;
    sse_serve_options serve;
    sse_live_options  live;
    sse_app          *app;
    memset(&options, 0, sizeof options);
    memset(&topic, 0, sizeof topic);
    memset(&serve, 0, sizeof serve);
    memset(&live, 0, sizeof live);
    options.on_init = ready;
    db = sse_db_open(argc > 1 ? argv[1] : "disk.db", NULL);
    sse_db_exec(db, "PRAGMA synchronous = FULL");
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, txt TEXT UNIQUE)");
    app = sse_app_new(&options);
    topic.history = 100000;
    topic.db = db;
    live.db = db;
    live.tables = "t";
    sse_topic(app, "kept", &topic);
    sse_get(app, "/hello", hello, NULL);
    sse_post(app, "/publish", publish, NULL);
    sse_post(app, "/post", post, NULL);
    sse_get(app, "/on/{topic}", events, NULL);
    sse_live(app, "/rows", rows, &live);
    sse_every(app, 20, tick, NULL);
    serve.port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &serve);
}
