/* server.c: what the wire tests talk to. It listens on a free port of 127.0.0.1 and prints the
   number.
   usage: server [DATABASE] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_db   *db;
static long long commits;

static void home(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static void say(sse_req *req, void *user) { /* one post is one commit */
    const char *text = sse_signal(req, "text");
    (void)user;
    if (!text) sse_fail(req, 400, "text is missing");
    else if (sse_db_exec(db, "INSERT INTO msgs(txt) VALUES(%s)", text) == 1) commits++;
}

static void write_feed(sse_buf *html) {
    sse_rows *rows = sse_db_query(db, "SELECT id, txt FROM msgs ORDER BY id DESC LIMIT 50");
    sse_puts(html, "<div id=\"feed\">");
    while (sse_db_next(rows))
        sse_html(html, "<p id=\"m%lld\">%s</p>", sse_db_int(rows, 0), sse_db_text(rows, 1));
    sse_puts(html, "</div>");
}

static void feed(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)user;
    write_feed(html);
}

static void now(sse_req *req, void *user) { /* what every feed must end with */
    (void)user;
    write_feed(sse_out(req));
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), sse_param(req, "topic"));
}

static void publish(sse_req *req, void *user) {
    sse_str   body = sse_body(req);
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = sse_query(req, "event");
    event.data = body.len ? body.ptr : "";
    event.data_len = body.len;
    if (sse_publish(sse_req_app(req), sse_param(req, "topic"), &event) < 0)
        sse_fail(req, 400, "not published");
}

static void big(sse_req *req, void *user) {
    long long kb = sse_parse_int(sse_query(req, "kb"), 1024);
    char      line[1024];
    (void)user;
    memset(line, 'x', sizeof line);
    while (kb-- > 0) sse_raw(sse_out(req), line, sizeof line);
}

static void stats(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req),
        "{\"commits\":%lld,\"connections\":%llu,\"streams\":%llu,\"events\":%llu,\"renders\":%llu}",
        commits, (unsigned long long)s.connections, (unsigned long long)s.streams,
        (unsigned long long)s.events, (unsigned long long)s.renders);
}

static void wrong(sse_req *req, void *user) { /* a failed call, and then words or silence */
    sse_db_exec(db, "INSERT INTO nowhere VALUES(1)");
    if (user) sse_puts(sse_out(req), "said");
}

static void quiet(sse_req *req, void *user) {
    (void)req;
    (void)user;
}

static void twice(sse_req *req, void *user) { /* what only belongs before the loop runs */
    (void)user;
    sse_json(sse_out_json(req), "[%d,%d]", sse_get(sse_req_app(req), "/", twice, NULL),
        sse_poll(sse_req_app(req), 0));
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
    db = sse_db_open(argc > 1 ? argv[1] : ":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS msgs (id INTEGER PRIMARY KEY, txt TEXT)");
    options.on_init = ready;
    app = sse_app_new(&options);
    live.db = db;
    live.tables = "msgs";
    sse_get(app, "/", home, NULL);
    sse_post(app, "/say", say, NULL);
    sse_live(app, "/feed", feed, &live);
    sse_get(app, "/now", now, NULL);
    sse_get(app, "/topic/{topic}", events, NULL);
    sse_post(app, "/topic/{topic}", publish, NULL);
    sse_get(app, "/big", big, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_post(app, "/wrong", wrong, NULL);
    sse_post(app, "/wrong/said", wrong, app);
    sse_post(app, "/quiet", quiet, NULL);
    sse_get(app, "/twice", twice, NULL);
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 500;
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(db);
    if (error) fprintf(stderr, "%s\n", sse_error_text(error));
    return error != 0;
}
