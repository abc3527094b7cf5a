/* sqlite.c: what the tests of SQLite behind streams talk to: an outbox, a live view, commits of
   every kind. It listens on PORT (-1, the default: any) of 127.0.0.1 and prints the number.
   usage: sqlite DATABASE; or sqlite DATABASE COUNT: another process, which knows nothing of the
   library and commits COUNT times. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"
#include <stdio.h>

static const char *file;
static sse_db     *db;
static long long   renders;

static int number(sse_req *req, const char *name, int otherwise) {
    return (int)sse_parse_int(sse_query(req, name), otherwise);
}

static int commit_many(int count, const char *sql) { /* on a connection of its own */
    sqlite3 *other;
    int      i, rc;
    rc = sqlite3_open(file, &other);
    sqlite3_busy_timeout(other, 20000);
    if (getenv("SYNC")) sqlite3_exec(other, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    for (i = 0; i < count && rc == SQLITE_OK; i++) do
            rc = sqlite3_exec(other, sql, NULL, NULL, NULL);
        while (rc == SQLITE_BUSY); /* on a busy machine others may be served first for long */
    sqlite3_close(other);
    return rc;
}

/* ---- the outbox ---- */

/* /rows?with=topic&pattern=p: answers of both subscriptions as an event, if there are any */
static void rows(sse_req *req, void *user) {
    sse_stream_options o;
    sse_stream         s;
    int                first, second = 0;
    (void)user;
    memset(&o, 0, sizeof o);
    o.max_queue_bytes = (size_t)number(req, "queue", 0);
    s = sse_stream_open(req, &o);
    first = sse_subscribe(s, sse_query(req, "topic") ? sse_query(req, "topic") : "rows");
    if (sse_query(req, "with")) second = sse_subscribe(s, sse_query(req, "with"));
    if (sse_query(req, "pattern")) second = sse_subscribe_pattern(s, sse_query(req, "pattern"));
    if (first || second) {
        sse_event event;
        memset(&event, 0, sizeof event);
        event.event = "answers";
        event.data = sse_fmt(req, "%d %d", first, second);
        sse_stream_send(s, &event);
    }
}

static int insert_rows(sse_db *d, void *user) {
    sse_req  *req = (sse_req *)user;
    const int count = number(req, "count", 1);
    int       i;
    for (i = 0; i < count; i++)
        sse_db_exec(d, "INSERT INTO outbox (name, body) VALUES (%s, %s)", sse_query(req, "name"),
            sse_query(req, "body"));
    return sse_query(req, "undo") != NULL;
}

static void insert(sse_req *req, void *user) { /* POST /insert?count=n&body=x&name=y&undo */
    (void)user;
    sse_db_write(db, insert_rows, req);
}

static void exec(sse_req *req, void *user) { /* POST /exec with SQL */
    (void)user;
    if (sse_db_migrate(db, sse_fmt(req, "%.*s", SSE_STR(sse_body(req))))) sse_fail(req, 400, "SQL");
}

/* POST /unchecked: forgets to look, and goes on */
static void unchecked(sse_req *req, void *user) {
    (void)user;
    sse_db_exec(db, "INSERT INTO nowhere VALUES (%s)", "secret text");
    sse_redirect(req, "/");
}

static void checked(sse_req *req, void *user) { /* POST /checked */
    (void)user;
    if (sse_db_exec(db, "INSERT INTO nowhere_either VALUES (1)") < 0) sse_fail(req, 400, "no");
}

static void open_transaction(sse_req *req, void *user) { /* it stays open between turns */
    (void)user;
    sqlite3_exec(sse_db_raw(db), "BEGIN", NULL, NULL, NULL);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES (%s)", sse_query(req, "body"));
}

static void close_transaction(sse_req *req, void *user) {
    (void)user;
    if (sse_query(req, "undo")) sse_db_exec(db, "ROLLBACK");
    else sse_db_exec(db, "COMMIT");
}

static void publish(sse_req *req, void *user) { /* POST /publish/{topic} */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_body(req).ptr;
    event.data_len = sse_body(req).len;
    sse_publish(sse_req_app(req), sse_param(req, "topic"), &event);
}

/* ---- the view ---- */

static void put_state(sse_buf *out) {
    sse_rows *r = sse_db_query(db, "SELECT count(*), total(v) FROM hits");
    while (sse_db_next(r)) sse_printf(out, "%lld %.0f", sse_db_int(r, 0), sse_db_double(r, 1));
}

static void view(sse_view *v, sse_buf *out, void *user) {
    (void)v;
    (void)user;
    renders++;
    put_state(out);
}

static void now(sse_req *req, void *user) {
    (void)user;
    put_state(sse_out(req));
}

/* ---- commits ---- */

static const char hit[] = "INSERT INTO hits (v) VALUES (random() & 1023)";

static void *thread_commits(void *user) {
    commit_many(*(const int *)user, hit);
    return NULL;
}

/* POST /thread?count=n: it goes on when this is answered */
static void in_thread(sse_req *req, void *user) {
    static int count;
    pthread_t  thread;
    (void)user;
    count = number(req, "count", 1);
    if (!pthread_create(&thread, NULL, thread_commits, &count)) pthread_detach(thread);
}

static void commit(sse_req *req, void *user) { /* on the loop */
    (void)req;
    (void)user;
    sse_db_exec(db, hit);
}

static void offloaded(sse_app *app, void *user) {
    (void)app;
    (void)user;
    commit_many(1, hit);
}

static void offload(sse_req *req, void *user) {
    (void)user;
    if (sse_offload(sse_req_app(req), offloaded, NULL, NULL)) sse_fail(req, 500, "offload");
}

static void tick(sse_app *app, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = "tick";
    sse_publish(app, "ticks", &event);
}

static void ticks(sse_req *req, void *user) { /* GET /ticks: 50 events a second from now on */
    static bool ticking;
    (void)user;
    if (!ticking) sse_every(sse_req_app(req), 20, tick, NULL);
    ticking = true;
    sse_subscribe(sse_stream_open(req, NULL), "ticks");
}

static void stats(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req), "{\"renders\":%lld,\"streams\":%llu,\"closed_slow\":%llu}", renders,
        (unsigned long long)s.streams, (unsigned long long)s.closed[SSE_BY_QUEUE]);
}

/* ---- setting up ---- */

static void set_up_topics(sse_app *app) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.greet = 2;
    sse_topic(app, "greeted", &o);
    o.greet = 0;
    o.history = 100;
    o.db = db;
    sse_topic(app, "kept", &o);
    sse_topic_from_table(app, "rows", db,
        "SELECT id, body, name FROM outbox WHERE id > ? ORDER BY id");
    sse_topic_from_table(app, "greeted", db,
        "SELECT id, body FROM outbox WHERE id > ? AND body LIKE '%' ORDER BY id -- in order");
}

int main(int argc, char **argv) {
    sse_app_options   options;
    sse_serve_options serve;
    sse_live_options  live;
    sse_app          *app;
    int               error;
    if (argc < 2) return 2;
    file = argv[1];
    if (argc > 2)
        return commit_many((int)sse_parse_int(argv[2], 1), argc > 3 ? argv[3] : hit) != SQLITE_OK;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    memset(&live, 0, sizeof live);
    db = sse_db_open(file, NULL);
    sse_db_migrate(db,
        "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, "
        "body TEXT);"
        "CREATE TABLE IF NOT EXISTS hits (id INTEGER PRIMARY KEY, v INTEGER)");
    if (getenv("SYNC")) sse_db_exec(db, "PRAGMA synchronous = FULL");
    options.on_init = ready;
    app = sse_app_new(&options);
    set_up_topics(app);
    live.db = db;
    live.format = SSE_AS_DATA;
    sse_live(app, "/view", view, &live);
    sse_get(app, "/now", now, NULL);
    sse_get(app, "/rows", rows, NULL);
    sse_post(app, "/insert", insert, NULL);
    sse_post(app, "/exec", exec, NULL);
    sse_post(app, "/unchecked", unchecked, NULL);
    sse_post(app, "/checked", checked, NULL);
    sse_post(app, "/begin", open_transaction, NULL);
    sse_post(app, "/end", close_transaction, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_post(app, "/thread", in_thread, NULL);
    sse_post(app, "/commit", commit, NULL);
    sse_post(app, "/offload", offload, NULL);
    sse_get(app, "/ticks", ticks, NULL);
    sse_get(app, "/stats", stats, NULL);
    serve.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT);
    serve.grace_ms = 1000;
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(db);
    if (error) fprintf(stderr, "%s\n", sse_error_text(error));
    return error != 0;
}
