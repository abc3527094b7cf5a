/* monitor.c: a program with streams, topics and views, pages on Datastar's client (DATASTAR_JS: the
   real one), and the monitor twice: for this machine, and behind a password. What goes wrong at
   night can be had from it: a handler that takes long, a view that fails, a database that is
   locked, topics that there is no room for. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_db *db, *other;
static bool    failing;

static void clock_view(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)user;
    sse_html(html, "<p id=\"clock\">%lld</p>", (long long)time(NULL));
}

static void notes(sse_view *view, sse_buf *html, void *user) {
    long long n = 0;
    (void)view;
    (void)user;
    if (sse_db_one(db, &n, failing ? "SELECT nothing" : "SELECT count(*) FROM notes")) return;
    sse_html(html, "<p id=\"notes\">%lld</p>", n);
}

static void note(sse_req *req, void *user) { /* a commit */
    (void)user;
    if (sse_db_exec(db, "INSERT INTO notes VALUES (1)") != 1) sse_fail(req, 500, "not kept");
}

static void night(sse_req *req, void *user) {
    const char *what = sse_param(req, "what");
    (void)user;
    if (strcmp(what, "slow") == 0) usleep(80000);
    if (strcmp(what, "fail") == 0) failing = true;
    if (strcmp(what, "mend") == 0) failing = false;
    if (strcmp(what, "lock") == 0)
        sqlite3_exec(sse_db_raw(other), "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (strcmp(what, "unlock") == 0) sse_db_exec(other, "COMMIT");
}

static void page(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req),
        "<!doctype html><html lang=en><title>page</title><link rel=icon href=data:,>"
        "<script type=module src=/datastar.js></script>"
        "<div data-init=\"@get('/notes')\"><p id=notes>-</p></div>");
}

static void topic(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    if (sse_query(req, "plain")) { /* no options: the library keeps next to nothing of it */
        sse_subscribe(sse_stream_open(req, NULL), sse_param(req, "topic"));
        return;
    }
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
        "{\"renders\":%llu,\"streams\":%llu,\"views\":%llu,\"queue_high\":%llu,\"slow\":%llu,"
        "\"subscriptions_refused\":%llu,\"no_memory\":%llu}",
        (unsigned long long)s.renders, (unsigned long long)s.streams, (unsigned long long)s.views,
        (unsigned long long)s.queue_high, (unsigned long long)s.slow,
        (unsigned long long)s.subscriptions_refused, (unsigned long long)s.no_memory);
}

static void password(sse_req *req, void *user) {
    const char *given = sse_query(req, "key") ? sse_query(req, "key") : sse_header(req, "x-key");
    if (!given || strcmp(given, (const char *)user) != 0) sse_fail(req, 401, "the key is missing");
}

int main(int argc, char **argv) {
    sse_app          *app;
    sse_app_options   options;
    sse_live_options  live, of_db;
    sse_topic_options kept;
    sse_serve_options serve;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&live, 0, sizeof live);
    memset(&of_db, 0, sizeof of_db);
    memset(&kept, 0, sizeof kept);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready;
    options.slow_ms = 50;
    options.max_topics = 400;
    options.max_queue_bytes = 1 << 20;
    live.every_ms = 500;
    live.max_views = 2;
    serve.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT);
    serve.grace_ms = 500;
    serve.host = argc > 1 ? argv[1] : NULL;
    db = sse_db_open("monitor.db", NULL);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS notes (n)");
    other = sse_db_open("monitor.db", NULL);
    app = sse_app_new(&options);
    of_db.db = db;
    kept.history = 100;
    sse_topic(app, "ring.*", &kept);
    kept.db = db;
    sse_topic(app, "kept.*", &kept);
    sse_get(app, "/topic/{topic}", topic, NULL);
    sse_post(app, "/topic/{topic}", publish, NULL);
    sse_get(app, "/counters", counters, NULL);
    sse_get(app, "/page", page, NULL);
    sse_post(app, "/note", note, NULL);
    sse_post(app, "/night/{what}", night, NULL);
    sse_live(app, "/clock/{zone}", clock_view, &live);
    sse_live(app, "/notes", notes, &of_db);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    sse_monitor(app, "/_sse", NULL, NULL);
    sse_monitor(app, "/admin/monitor", password, (void *)"sesame");
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(other);
    sse_db_close(db);
    return error != 0;
}
