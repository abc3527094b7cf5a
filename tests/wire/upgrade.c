/* upgrade.c: requests, posts and streams while a program is started anew again and again.
   usage: upgrade [HOST [SPREAD_MS]]. A file "exits" in its directory keeps the next process from
   serving, "hangs" makes it late, "waits" as long as it is there. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"
#include <dirent.h>

static sse_db *db;
static int     descriptors; /* that are open when main begins */

static int count_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    int  n = -3; /* ".", "..", and that of dir */
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}

static void about(sse_req *req, void *user) {
    (void)user;
    sse_json(sse_out_json(req), "{\"pid\":%d,\"descriptors\":%d}", (int)getpid(), descriptors);
}

static void added(sse_app *app, const sse_db_result *result, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    if (result->changes < 0) sse_fail(req, 503, "%s", result->error);
    else sse_printf(sse_out(req), "%lld", result->last_id);
    sse_finish(req);
}

static void add(sse_req *req, void *user) { /* POST /add: a row with this key; its id */
    sse_db_post_options to = {sse_req_app(req), added, req};
    const sse_str       key = sse_body(req);
    (void)user;
    if (sse_db_post(db, &to, "INSERT INTO outbox(body) VALUES(%.*s)", SSE_STR(key)) == SSE_OK)
        sse_defer(req);
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

static void rows(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "rows");
}

static void count(sse_view *view, sse_buf *html, void *user) {
    long long n = 0;
    (void)view;
    (void)user;
    sse_db_one(db, &n, "SELECT count(*) FROM outbox");
    sse_printf(html, "%lld", n);
}

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_INFO) fprintf(stderr, "%d: %s\n", (int)getpid(), line);
}

int main(int argc, char **argv) {
    sse_app            *app;
    sse_app_options     options;
    sse_serve_options   serve;
    sse_upgrade_options upgrade;
    sse_live_options    live;
    int                 error;
    descriptors = count_descriptors();
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    memset(&upgrade, 0, sizeof upgrade);
    memset(&live, 0, sizeof live);
    options.on_init = ready;
    options.on_log = on_log;
    db = sse_db_open("a.db", NULL);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT,"
                       " body TEXT NOT NULL)");
    app = sse_app_new(&options);
    upgrade.start_ms = 2000;
    upgrade.spread_ms = (int)sse_parse_int(argc > 2 ? argv[2] : NULL, 300);
    while (access("waits", F_OK) == 0) usleep(10000);
    sse_upgrade_on_signal(app, &upgrade);
    if (access("exits", F_OK) == 0) return 7;
    if (access("hangs", F_OK) == 0) pause();
    sse_topic_from_table(app, "rows", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    live.db = db;
    live.format = SSE_AS_DATA;
    sse_get(app, "/", about, NULL);
    sse_get(app, "/slow", slow, NULL);
    sse_get(app, "/rows", rows, NULL);
    sse_post(app, "/add", add, NULL);
    sse_live(app, "/count", count, &live);
    serve.host = argc > 1 ? argv[1] : NULL;
    serve.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT);
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(db);
    return error != 0;
}
