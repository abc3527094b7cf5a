/* single.c: SQLite in its single-thread mode, which a program may choose before it opens a
   database. All that the library does with SQLite it does on the loop's thread; then the program
   may not use SQLite on another one, that is in sse_offload. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

#ifdef SSE_NO_SQLITE
int main(void) {
    ok(true, "without SQLite there is no mode");
    return tap_done();
}
#else

static void view(sse_view *v, sse_buf *out, void *user) {
    (void)v;
    (void)user;
    sse_puts(out, "x");
}

static bool count_one(const sse_event *event, void *user) {
    (void)event;
    ++*(int *)user;
    return true;
}

int main(void) {
    char              file[] = "/tmp/sse-single-XXXXXX", path[64], command[100];
    sse_topic_options o;
    sse_live_options  live;
    sse_event         event;
    sse_app          *app;
    sse_db           *db;
    long long         n = 0;
    int               i, count = 0;
    if (!mkdtemp(file)) return 1;
    snprintf(path, sizeof path, "%s/a.db", file);
    is_int(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD), SQLITE_OK, "the mode is set");
    db = sse_db_open(path, NULL);
    is_int(sse_db_error(db, NULL), SSE_OK, "a database opens");
    sse_db_migrate(db, "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    ok(sqlite3_db_mutex(sse_db_raw(db)) == NULL, "without a mutex");
    app = sse_app_new(NULL);
    memset(&o, 0, sizeof o);
    memset(&live, 0, sizeof live);
    memset(&event, 0, sizeof event);
    o.history = 10;
    o.db = db;
    live.db = db;
    event.data = "x";
    is_int(sse_topic(app, "kept", &o), SSE_OK, "a history in it");
    is_int(sse_live(app, "/view", view, &live), SSE_OK, "a view of it");
    is_int(sse_topic_from_table(app, "rows", db,
               "SELECT id, body FROM outbox WHERE id > ? ORDER BY id"),
        SSE_OK, "rows of it as events");
    for (i = 0; i < 20; i++) {
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES (%d)", i);
        sse_publish(app, "kept", &event);
        sse_poll(app, 1);
    }
    is_int(sse_topic_history(app, "kept", 0, count_one, &count), 10, "events are kept");
    ok(!db->writer, "on no other thread: SQLite takes no locks here");
    ok(sse_db_one(db, &n, "SELECT count(*) FROM sse_events") == 0 && n == 10, "and written");
    ok(app->streams->outboxes->last == 20, "the rows were read");
    sse_app_free(app);
    sse_db_close(db);
    snprintf(command, sizeof command, "rm -rf %s", file);
    if (system(command) != 0) return 1;
    return tap_done();
}
#endif
