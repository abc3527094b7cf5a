/* outbox.c: queries that are refused, what is read of a table, what happens without memory. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"

#ifdef SSE_NO_SQLITE
int main(void) {
    sse_app *app = sse_app_new(NULL);
    is_int(sse_topic_from_table(app, "t", sse_db_open("x", NULL), "SELECT 1, 2 WHERE 1 > ?"),
        SSE_E_NOT_BUILT, "without SQLite there are no tables");
    sse_app_free(app);
    return tap_done();
}
#else

static const char good[] = "SELECT id, body FROM outbox WHERE id > ? ORDER BY id";

static sse_db *new_db(int rows) {
    sse_db *db = sse_db_open(":memory:", NULL);
    int     i;
    sse_db_migrate(db,
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, name TEXT)");
    for (i = 0; i < rows; i++) sse_db_exec(db, "INSERT INTO outbox (body) VALUES (%d)", i);
    return db;
}

static void test_refused(void) {
    static const struct {
        const char *sql;
        int         error;
    } cases[] = {
        {good, SSE_OK},
        {"SELECT id, body, name FROM outbox WHERE id > ? ORDER BY id -- 100 %", SSE_OK},
        {"SELECT id FROM outbox WHERE id > ? ORDER BY id", SSE_E_ARG},
        {"SELECT id, body, name, 1 FROM outbox WHERE id > ?", SSE_E_ARG},
        {"SELECT id, body FROM outbox", SSE_E_ARG},
        {"SELECT id, body FROM outbox WHERE id > ? AND id > ?", SSE_E_ARG},
        {"SELECT id, body FROM outbox WHERE id > ?; SELECT 1", SSE_E_ARG},
        {"SELECT id, body FROM nowhere WHERE id > ?", SSE_E_DB},
        {"", SSE_E_ARG},
        {NULL, SSE_E_ARG},
    };
    sse_db *db = new_db(3);
    size_t  i;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        sse_app *app = sse_app_new(NULL);
        is_int(sse_topic_from_table(app, "t", db, cases[i].sql), cases[i].error,
            cases[i].sql ? cases[i].sql : "NULL");
        if (cases[i].error) is_int(sse_poll(app, 0), cases[i].error, "and sse_serve says so");
        else
            is_int(sse_topic_from_table(app, "t", db, cases[i].sql), SSE_E_STATE, "once per topic");
        sse_app_free(app);
    }
    sse_db_close(db);
}

typedef struct read_so_far {
    int      count, want;
    uint64_t last;
    bool     holes;
} read_so_far;

static bool read_one(uint64_t id, sse__message *m, void *user) {
    read_so_far *r = (read_so_far *)user;
    char         want[64];
    snprintf(want, sizeof want, "id: %llu\ndata: %llu\n\n", (unsigned long long)id,
        (unsigned long long)id - 1);
    if (!m || m->seq != id || !sse__eq(sse__message_bytes(m), sse__text(want))) r->holes = true;
    r->last = id;
    return ++r->count < r->want;
}

static bool has(const sse__outbox *o, uint64_t id) {
    bool there = false;
    return sse__outbox_has(o, id, &there) == SSE_OK && there;
}

static void test_reading(void) {
    sse_db      *db = new_db(1000);
    sse_app     *app = sse_app_new(NULL);
    sse__outbox *o;
    uint64_t     id;
    read_so_far  r = {0, 100, 0, false};
    int          i;
    is_int(sse__outbox_open(app, db, good, &o), SSE_OK, "an outbox");
    is_int((long long)o->last, 1000, "begins after the newest row");
    is_int(sse__outbox_read(o, 500, read_one, &r), SSE_OK, "reading from the middle");
    ok(r.count == 100 && r.last == 600 && !r.holes,
        "as many as are wanted, each as an event with its id");
    ok(sse__db_is_idle(db), "nothing stays open");
    ok(sse__outbox_before(o, 10, &id) == SSE_OK && id == 990, "the row before the ten newest");
    ok(sse__outbox_before(o, 999, &id) == SSE_OK && id == 1, "the first one is before all others");
    ok(sse__outbox_before(o, 1000, &id) == SSE_OK && id == 0, "there is none before all");
    ok(sse__outbox_greet(o, 0) == 1000 && sse__outbox_greet(o, 5) == 995,
        "where a greeting begins");
    sse_db_exec(db, "DELETE FROM outbox WHERE id = 7");
    ok(has(o, 0) && has(o, 8) && !has(o, 7) && !has(o, 1001), "which ids can be gone on from");
    for (i = 0; i < 3; i++) sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('not sent yet')");
    ok(sse__outbox_greet(o, 1) == 1000 && sse__outbox_greet(o, 3) == 1000 &&
            sse__outbox_greet(o, 4) == 999,
        "a greeting has only rows that were sent");
    sse__outbox_free(o);
    is_int(sse__outbox_open(app, db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id DESC",
               &o),
        SSE_OK, "the wrong order");
    r.count = 0;
    is_int(sse__outbox_read(o, 998, read_one, &r), SSE_E_ARG, "is an error when it shows");
    sse__outbox_free(o);
    sse_app_free(app);
    sse_db_close(db);
}

/* A read that fails while nobody listens: who comes next gets no rows that were there before. */
static void test_failing(void) {
    sse_db      *db = new_db(5);
    sse_app     *app = sse_app_new(NULL);
    sse__outbox *o;
    is_int(sse_topic_from_table(app, "t", db, good), SSE_OK, "a table that nobody listens to");
    o = app->streams->outboxes;
    sse_poll(app, 0);
    sse_db_exec(db, "ALTER TABLE outbox RENAME TO gone");
    o->changed = true;
    sse_poll(app, 0);
    ok(o->retry.link.next != NULL, "it cannot be read just now");
    is_int((long long)o->last, 5, "... and the rows that were there are not new ones");
    sse_app_free(app);
    sse_db_close(db);
}

static sqlite3_mem_methods real;
static long                fail_sqlite; /* as fail_at, of SQLite's own; 0: none */

static bool  sqlite_fails(void) { return fail_sqlite && --fail_sqlite == 0; }
static void *sqlite_malloc(int n) { return sqlite_fails() ? NULL : real.xMalloc(n); }
static void *sqlite_realloc(void *p, int n) { return sqlite_fails() ? NULL : real.xRealloc(p, n); }

static void sqlite_scarce(void) {
    sqlite3_mem_methods scarce;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    scarce = real;
    scarce.xMalloc = sqlite_malloc;
    scarce.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* each allocation is one that may fail */
}

static bool read_number(uint64_t id, sse__message *m, void *user) {
    read_so_far *r = (read_so_far *)user;
    char         want[64];
    snprintf(want, sizeof want, "id: %llu\nevent: 1.5\ndata: %llu.25\n\n", (unsigned long long)id,
        (unsigned long long)id);
    if (!m || !sse__eq(sse__message_bytes(m), sse__text(want))) r->holes = true;
    r->last = id;
    return ++r->count < r->want;
}

/* Numbers become text as they are read, which takes memory. */
static void test_numbers(void) {
    long n;
    int  wrong = 0, failed = 1;
    for (n = 1; n < 500 && failed; n++) {
        sse_db      *db = new_db(3);
        sse_app     *app = sse_app_new(NULL);
        sse__outbox *o = NULL;
        read_so_far  r = {0, 100, 0, false};
        int          error = sse__outbox_open(app, db,
                     "SELECT id, id + 0.25, 1.5 FROM outbox WHERE id > ? ORDER BY id", &o);
        sqlite3_db_release_memory(db->raw);
        fail_sqlite = n;
        if (!error) error = sse__outbox_read(o, 0, read_number, &r);
        failed = fail_sqlite == 0;
        fail_sqlite = 0;
        wrong += r.holes || (error ? error != SSE_E_NOMEM : r.count != 3);
        sse__outbox_free(o);
        sse_app_free(app);
        sse_db_close(db);
    }
    ok(n > 3 && n < 500, "each of %ld allocations of SQLite may fail", n - 1);
    is_int(wrong, 0, "... and no row is sent without what is in it");
}

static char logged[400], seen[200];
static int  logged_level, lines;

static void on_log(int level, const char *line, void *user) {
    (void)user;
    snprintf(logged, sizeof logged, "%s", line);
    logged_level = level;
    lines++;
}

static bool see(uint64_t id, sse__message *m, void *user) {
    size_t        n = strlen(seen), i;
    const sse_str text = m ? sse__message_bytes(m) : sse__str(NULL, 0);
    (void)user;
    for (i = 0; i < text.len && n < sizeof seen - 1; i++)
        seen[n++] = text.ptr[i] ? text.ptr[i] : '@';
    seen[n] = '\0'; /* a NUL is shown as @ */
    if (!m) snprintf(seen + n, sizeof seen - n, "no %llu\n", (unsigned long long)id);
    return true;
}

static void test_rows(void) {
    static const struct {
        const char *select, *seen, *words; /* of the row after 0 */
        int         error, level;          /* level: of the log's line */
    } rows[] = {{"1, ''", "id: 1\ndata: \n\n", "", 0, 0},
        {"1, NULL", "id: 1\ndata: \n\n", "", 0, 0},
        {"1, 'a', 'named'", "id: 1\nevent: named\ndata: a\n\n", "", 0, 0},
        {"1, CAST(x'61006200' AS TEXT)", "id: 1\ndata: a@b@\n\n", "", 0, 0},
        {"1, CAST(x'ff' AS TEXT)", "no 1\n",
            "row 1 of topic t is no event: it is not UTF-8, which .check_utf8 wants", 0,
            SSE_LOG_WARNING},
        {"1, 'a', 'two' || char(10) || 'lines'", "no 1\n",
            "row 1 of topic t is no event: .event holds a line break", 0, SSE_LOG_WARNING},
        {"1, 'a' FROM outbox UNION ALL SELECT 1, 'a'", "id: 1\ndata: a\n\n",
            "do not come in the order of their ids: 1 after 1", SSE_E_ARG, SSE_LOG_ERROR},
        {"0, 'a'", "", "do not come in the order of their ids: 0 after 0", SSE_E_ARG,
            SSE_LOG_ERROR},
        {"-1, 'a'", "", "do not come in the order of their ids: -1 after 0", SSE_E_ARG,
            SSE_LOG_ERROR}};
    sse_db         *db = new_db(1);
    sse_app_options options;
    size_t          i;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    options.check_utf8 = true;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app     *app = sse_app_new(&options);
        sse__outbox *o;
        char         sql[200];
        snprintf(sql, sizeof sql, "SELECT %s FROM outbox WHERE id > ?", rows[i].select);
        is_int(sse_topic_from_table(app, "t", db, sql), 0, rows[i].select);
        o = app->streams->outboxes;
        logged[0] = seen[0] = '\0';
        is_int(sse__outbox_read(o, 0, see, NULL), rows[i].error, "... is read");
        is_str(seen, rows[i].seen, "... as this event");
        ok(strstr(logged, rows[i].words) != NULL, "... and the log: %s", logged);
        if (*logged) {
            is_int(logged_level, rows[i].level, "... how grave that is");
            (void)sse__outbox_read(o, 0, see, NULL);
            is_int(logged_level, SSE_LOG_DEBUG, "... once a second, as who comes back reads it");
        }
        sse_app_free(app);
    }
    sse_db_close(db);
}

/* ---- in a time that stands still ---- */

static sse_test_reply feed;

static void follow(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "t");
}

static sse_app *follows(sse_db *db) { /* an app with a table, and a client of it */
    sse_app_options options;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = sse_app_new(&options);
    is_int(sse_topic_from_table(app, "t", db, good), 0, "a table");
    sse_get(app, "/t", follow, NULL);
    is_int(sse_test_request(app, "GET /t", NULL, NULL, &feed), 0, "a client");
    return app;
}

static int came(const char *what) { /* how often, in its stream */
    const char *at = feed.body;
    int         n = 0;
    while ((at = strstr(at, what)) != NULL) n++, at += strlen(what);
    return n;
}

static sse_stats counts(sse_app *app) {
    sse_stats now;
    is_int(sse_stats_get(app, &now), 0, "counters");
    return now;
}

/* More rows than one turn takes, in one commit. */
static void test_many_rows(void) {
    sse_db   *db = new_db(0);
    sse_app  *app = follows(db);
    int       n;
    long long delivered = (long long)counts(app).delivered;
    sse_db_exec(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)"
                    " INSERT INTO outbox (body) SELECT i FROM n");
    sse_test_run(app, 0);
    for (n = 1; n <= 600; n++) {
        char row[40];
        snprintf(row, sizeof row, "id: %d\ndata: %d\n\n", n, n);
        if (came(row) != 1) break;
    }
    is_int(n, 601, "all rows of a large commit come, each once");
    is_int((long long)counts(app).events, 600, "... are counted");
    is_int((long long)counts(app).delivered - delivered, 600, "... and what was sent of them");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* A table that cannot be read is tried again once a second. */
static void test_again(void) {
    static const char words[] = "the rows of topic t cannot be read: no such table: outbox";
    sse_db           *db = new_db(2);
    sse_app          *app = follows(db);
    int               i;
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('missed')");
    sse_db_exec(db, "ALTER TABLE outbox RENAME TO gone");
    sse_test_run(app, 10); /* it is looked for */
    for (i = lines = 0; i < 1500 && !lines; i++) sse_test_run(app, 1);
    for (i = 1; i < 4; i++) {
        is_int(lines, i, "it cannot be read");
        ok(strncmp(logged, words, strlen(words)) == 0, "... why: %s", logged);
        is_int(logged_level, SSE_LOG_WARNING, "... how grave that is");
        sse_test_run(app, 999);
        is_int(lines, i, "it is not tried again yet");
        sse_test_run(app, 1);
    }
    sse_db_exec(db, "ALTER TABLE gone RENAME TO outbox");
    lines = 0;
    sse_test_run(app, 1000);
    is_int(lines, 0, "it can be read again");
    is_int(came("id: 3\ndata: missed\n\n"), 1, "... what came meanwhile comes");
    ok(feed.open, "... and the stream stays");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* A table that gives ids again: its clients are told of a gap, and get what there is. */
static void test_anew(void) {
    sse_db  *db = new_db(5);
    sse_app *app = follows(db);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    sse_test_run(app, 0);
    is_int(came("id: 6\ndata: six\n\n"), 1, "a row comes");
    sse_db_exec(db, "DELETE FROM outbox");
    sse_test_run(app, 0);
    is_int(came("event: gap"), 0, "that rows were deleted is no gap");
    sse_db_exec(db, "DELETE FROM sqlite_sequence");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('anew')");
    logged[0] = '\0';
    sse_test_run(app, 0);
    is_int(came("event: gap"), 1, "that ids are given again is one");
    is_str(logged, "the table of topic t gives ids again that were sent, up to 6: all begin anew",
        "... in words");
    is_int(logged_level, SSE_LOG_WARNING, "... how grave that is");
    is_int(came("id: 1\ndata: anew\n\n"), 1, "... and all that there is comes");
    is_int((long long)counts(app).gaps, 1, "... counted for each stream");
    is_int((long long)counts(app).events, 3, "... and as an event");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
    sse_test_run(app, 0);
    is_int(came("id: 2\ndata: more\n\n") * 10 + came("event: gap"), 11, "what follows is new");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* What was sent came from another table, though the new one has come further. */
static void test_anew_above(void) {
    sse_db  *db = new_db(1);
    sse_app *app = follows(db);
    int      i;
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('two')");
    sse_test_run(app, 0);
    for (i = 1; i < 3; i++) { /* the second time it is known that rows stay what they are */
        sse_db_migrate(db, "DELETE FROM outbox; DELETE FROM sqlite_sequence;"
                           "INSERT INTO outbox (body) VALUES ('R1'), ('R2'), ('R3'), ('R4')");
        if (i == 2) sse_db_exec(db, "UPDATE outbox SET body = body || 'b'");
        sse_test_run(app, 0);
        is_int(came("event: gap"), i, "ids are given again, and more");
        is_int(came(i == 2 ? "id: 1\ndata: R1b\n\n" : "id: 1\ndata: R1\n\n"), 1, "... all come");
        is_int(came(i == 2 ? "data: R4b\n" : "data: R4\n"), 1, "... to the newest");
        sse_test_run(app, 2000);
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('five')");
        sse_test_run(app, 0);
        is_int(came("id: 5\ndata: five\n\n"), i, "... and what follows");
    }
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* Rows that are edited are no others, whether or not they stand at the end. */
static void test_edited(void) {
    sse_db  *db = new_db(3);
    sse_app *app = follows(db);
    int      id;
    for (id = 3; id > 0; id--) {
        sse_db_exec(db, "UPDATE outbox SET body = 'edited' WHERE id = %d", id);
        sse_test_run(app, 0);
    }
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('four')");
    sse_test_run(app, 0);
    sse_db_exec(db, "UPDATE outbox SET body = 'edited' WHERE id = 4");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('five')");
    sse_test_run(app, 0);
    sse_db_exec(db, "DELETE FROM outbox");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    sse_test_run(app, 0);
    is_int(came("event: gap"), 0, "rows that are edited, then all gone, are no gap");
    is_int(came("data: four\n") * 100 + came("data: five\n") * 10 + came("data: six\n"), 111,
        "... and each new one comes");
    is_int(came("data: "), 3, "... no other");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

static int queries;

static int note_query(unsigned type, void *user, void *statement, void *sql) {
    (void)type, (void)user, (void)statement;
    queries += strstr((const char *)sql, "FROM outbox WHERE") != NULL;
    return 0;
}

/* A query whose rows are never the same: that is taken for another table once. */
static void test_varies(void) {
    sse_db         *db = new_db(2);
    sse_app_options options;
    sse_app        *app;
    int             i;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = sse_app_new(&options);
    is_int(sse_topic_from_table(app, "t", db,
               "SELECT id, random() FROM outbox WHERE id > ? ORDER BY id"),
        0, "a query that gives something else each time");
    sse_get(app, "/t", follow, NULL);
    is_int(sse_test_request(app, "GET /t", NULL, NULL, &feed), 0, "a client");
    for (i = 3; i < 9; i++) {
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
        sse_test_run(app, 5000);
    }
    is_int(came("event: gap"), 1, "is believed once");
    is_int(came("id: 8\n"), 1, "... and its rows come");
    ok(strstr(logged, "its SELECT is to give the same") != NULL, "... the log: %s", logged);
    queries = 0;
    sqlite3_trace_v2(sse_db_raw(db), SQLITE_TRACE_STMT, note_query, NULL);
    sse_test_run(app, 60000);
    is_int(queries, 0, "... and without a commit nobody asks");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* Another table once more: it is known at once, if rows have stayed for a second, else then. */
static void test_anew_again(void) {
    static const int waits[] = {1000, 999, 400};
    size_t           i;
    for (i = 0; i < SSE__COUNT(waits); i++) {
        sse_db  *db = new_db(0);
        sse_app *app = follows(db);
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('a'), ('b')");
        sse_test_run(app, 5000);
        sse_db_exec(db, "UPDATE outbox SET body = 'R' || id");
        sse_test_run(app, waits[i]);
        is_int(came("event: gap") * 10 + came("data: R2\n"), 11, "another table");
        sse_db_exec(db, "UPDATE outbox SET body = 'S' || id");
        sse_test_run(app, 0);
        is_int(came("event: gap"), i ? 1 : 2, i ? "soon after that a third" : "and a third");
        sse_test_run(app, 1000);
        is_int(came("event: gap") * 10 + came("data: S1\n"), 21, "... comes whole");
        sse_test_run(app, 60000);
        is_int(came("event: gap"), 2, "... once");
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
        sse_test_run(app, 0);
        is_int(came("event: gap") * 10 + came("id: 3\ndata: more\n"), 21, "... and goes on");
        sse_test_close(&feed);
        sse_app_free(app);
        sse_db_close(db);
    }
}

/* The only row of a young table is edited, as often as one likes; another table is still known. */
static void test_edited_alone(void) {
    sse_db  *db = new_db(0);
    sse_app *app = follows(db);
    int      i;
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('helo')");
    sse_test_run(app, 100);
    logged[0] = '\0';
    for (i = 0; i < 4; i++) {
        sse_db_exec(db, "UPDATE outbox SET body = %d", i);
        sse_test_run(app, i * 700);
    }
    is_int(came("event: gap") * 10 + came("data: "), 1, "the first row is edited: no gap");
    is_str(logged, "", "... nor a word in the log");
    sse_db_migrate(db, "DELETE FROM outbox; INSERT INTO outbox VALUES (1, 'I1', NULL),"
                       " (2, 'I2', NULL)");
    sse_test_run(app, 0);
    is_int(came("event: gap"), 1, "another table, with one row more, is");
    is_int(came("data: I1\n") * 10 + came("data: I2\n"), 11, "... and comes whole");
    sse_test_run(app, 2000);
    sse_db_migrate(db, "DELETE FROM outbox; DELETE FROM sqlite_sequence;"
                       "INSERT INTO outbox (body) VALUES ('J1')");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("data: J1\n"), 21, "so is one of fewer rows");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

static int  unreadable; /* the row that is, once; 0: none */
static bool for_good;   /* ... or always */

static void body_of(sqlite3_context *context, int n, sqlite3_value **values) {
    (void)n;
    if (sqlite3_value_int(values[0]) == unreadable) {
        sqlite3_result_error(context, "unreadable", -1);
        if (!for_good) unreadable = 0;
    } else sqlite3_result_value(context, values[1]);
}

/* Rows that cannot be compared to the end are compared again. */
static void test_half_read(bool edited) {
    sse_db         *db = new_db(0);
    sse_app_options options;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = sse_app_new(&options);
    sqlite3_create_function(sse_db_raw(db), "body_of", 2, SQLITE_UTF8, NULL, body_of, NULL, NULL);
    is_int(sse_topic_from_table(app, "t", db,
               "SELECT id, body_of(id, body) FROM outbox WHERE id > ? ORDER BY id"),
        0, "a table");
    sse_get(app, "/t", follow, NULL);
    sse_test_request(app, "GET /t", NULL, NULL, &feed);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('a'), ('b'), ('c')");
    sse_test_run(app, 2000);
    unreadable = 2;
    sse_db_exec(db, "UPDATE outbox SET body = body || 'X' WHERE id = 1 OR %d", !edited);
    sse_test_run(app, 0);
    is_int(unreadable * 10 + came("event: gap"), 0, "a row that cannot be read tells nothing");
    sse_test_run(app, 1000);
    is_int(came("event: gap"), !edited, edited ? "one was edited" : "all are others");
    is_int(came("data: cX\n"), !edited, "... as is seen when it can");
    unreadable = 2;
    for_good = true;
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
    sse_test_run(app, 60000);
    is_int(came("id: 4\ndata: more\n") * 10 + came("event: gap"), 10 + !edited,
        "one that was sent and cannot be read any more holds no new one up");
    for_good = false;
    unreadable = 0;
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* Rows that nobody reads cost one query a commit, however many are known again. */
static void test_nobody_reads(void) {
    sse_db  *db = new_db(9);
    sse_app *app = sse_app_new(NULL);
    int      i;
    is_int(sse_topic_from_table(app, "t", db, good), 0, "a topic that nobody follows");
    sse_get(app, "/t", follow, NULL);
    sqlite3_trace_v2(sse_db_raw(db), SQLITE_TRACE_STMT, note_query, NULL);
    for (i = 0; i < 3; i++) {
        queries = 0;
        sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
        sse_test_run(app, 0);
        is_int(queries, 1, "asks once at a commit");
    }
    is_int((long long)app->streams->outboxes->last, 12, "... where it is");
    is_int(sse_test_request(app, "GET /t", NULL, NULL, &feed), 0, "a client comes");
    sse_db_migrate(db, "DELETE FROM outbox WHERE id < 9; UPDATE outbox SET body = body || 'b'");
    sse_test_run(app, 0);
    is_int(came("event: gap"), 1, "... and what there was is known again");
    is_int(came("data: moreb\n") * 10 + came("data: 8b\n"), 31, "... to the fourth row");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* The file is replaced by one whose rows have come further. */
static void test_replaced(void) {
    char     dir[] = "/tmp/sse-outbox-XXXXXX", path[2][60], command[80];
    sse_db  *db, *next;
    sse_app *app;
    int      i;
    if (!mkdtemp(dir)) return;
    for (i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.db", dir, i);
        next = sse_db_open(path[i], NULL);
        sse_db_migrate(next,
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
        if (i) sse_db_exec(next, "INSERT INTO outbox (body) VALUES ('N1'), ('N2'), ('N3')");
        sse_db_close(next);
    }
    db = sse_db_open(path[0], NULL);
    app = follows(db);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('one')");
    sse_test_run(app, 0);
    sse_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    ok(rename(path[1], path[0]) == 0, "the file is replaced");
    sse_test_run(app, 3000);
    is_int(came("event: gap"), 1, "its clients are told");
    is_int(came("id: 1\ndata: N1\n\n") * 100 + came("data: N2\n") * 10 + came("data: N3\n"), 111,
        "... and get all there is");
    is_str(logged, "the file of topic t was replaced: all begin anew", "... which the log says");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('N4')");
    sse_test_run(app, 0);
    is_int(came("id: 4\ndata: N4\n\n") * 10 + came("event: gap"), 11, "... once");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ok(system(command) == 0, "clean");
}

/* Rows that are deleted, the newest too, are no gap; nor are ids that were never given again. */
static void test_deleted(void) {
    sse_db  *db = new_db(5);
    sse_app *app = follows(db);
    int      id;
    for (id = 5; id > 0; id--) {
        sse_db_exec(db, "DELETE FROM outbox WHERE id = %d", id);
        sse_test_run(app, 0);
    }
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("id: 6\ndata: six\n\n"), 1,
        "all rows are deleted, one by one: what comes then is no surprise");
    is_int((long long)counts(app).gaps, 0, "... nor counted as a gap");
    for (id = 7; id < 12; id++) sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('more')");
    sse_test_run(app, 0);
    sse_db_exec(db, "DELETE FROM outbox WHERE id > 9");
    sse_test_run(app, 0);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('twelve'), ('thirteen')");
    sse_test_run(app, 0);
    sse_db_exec(db, "DELETE FROM outbox WHERE id = 13");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("data: t"), 2, "newer ones are, and the newest again");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* Rows that were deleted and came back, as by an undo, are those that were sent: the table is no
   other one when the newest of them is deleted again. */
static void test_undeleted(void) {
    sse_db  *db = new_db(4);
    sse_app *app = follows(db);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('five')");
    sse_test_run(app, 0);
    sse_db_exec(db, "CREATE TABLE kept AS SELECT * FROM outbox WHERE id > 3");
    sse_db_exec(db, "DELETE FROM outbox WHERE id > 3");
    sse_test_run(app, 0);
    sse_db_exec(db, "INSERT INTO outbox SELECT * FROM kept");
    sse_test_run(app, 0);
    sse_db_exec(db, "DELETE FROM outbox WHERE id = 5");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("data: "), 1,
        "rows are deleted, come back, and the newest is deleted again: no gap");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("id: 6\ndata: six\n\n"), 1, "... and what follows comes");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* Who comes back gets what it missed in pages: of 256 KiB, of half a queue, or of one row. */
static void test_pages(void) {
    static const struct {
        size_t   max_queue;
        unsigned least, most; /* bytes that wait at once */
    } rows[] = {{0, 200000, 262144}, {8 << 20, 200000, 262144}, {100000, 50000, 50100},
        {240000, 100000, 120000}};
    static char body[50001];
    size_t      i;
    int         n;
    memset(body, 'x', sizeof body - 1);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_db         *db = new_db(1);
        sse_app_options options;
        sse_app        *app;
        memset(&options, 0, sizeof options);
        options.max_queue_bytes = rows[i].max_queue;
        app = sse_app_new(&options);
        is_int(sse_topic_from_table(app, "t", db, good), 0, "a table");
        sse_get(app, "/t", follow, NULL);
        for (n = 0; n < 20; n++) sse_db_exec(db, "INSERT INTO outbox (body) VALUES (%s)", body);
        sse_test_run(app, 0);
        sse_test_request(app, "GET /t", "Last-Event-ID: 1\n", NULL, &feed);
        sse_test_run(app, 0);
        ok(feed.open && came(body) == 20, "all it missed comes");
        ok(counts(app).queue_high >= rows[i].least && counts(app).queue_high <= rows[i].most,
            "... at most %lu bytes at once, of a queue of %lu",
            (unsigned long)counts(app).queue_high, (unsigned long)rows[i].max_queue);
        sse_test_close(&feed);
        sse_app_free(app);
        sse_db_close(db);
    }
}

static int        over;  /* the reason of the stream that closed last; -1: none did */
static long       fails; /* the allocation that fails once its handler has returned; 0: none */
static sse_stream opened;

static void note_over(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    over = (int)reason;
}

static void follow_noted(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = note_over;
    opened = sse_stream_open(req, &o);
    sse_subscribe(opened, "t");
    fail_at = fails;
}

/* What a client missed cannot be read: it is not told of a gap, but comes back. */
static void test_unreadable(void) {
    sse_db  *db = new_db(5);
    sse_app *app = sse_app_new(NULL);
    is_int(sse_topic_from_table(app, "t", db,
               "SELECT id, CASE id WHEN 4 THEN abs(-9223372036854775807 - 1) ELSE body END"
               " FROM outbox WHERE id > ? ORDER BY id"),
        0, "a table with a row that cannot be read");
    sse_get(app, "/t", follow_noted, NULL);
    over = -1;
    sse_test_request(app, "GET /t", "Last-Event-ID: 2\n", NULL, &feed);
    is_int(over, SSE_BY_ERROR, "a stream that is to have it ends, by that reason");
    ok(!feed.open && !feed.complete && came("event: gap") == 0, "... and its client comes back");
    over = -1;
    sse_test_request(app, "GET /t", "Last-Event-ID: 5\n", NULL, &feed);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    sse_test_run(app, 0);
    ok(feed.open && over == -1 && came("data: six") == 1, "one that had it goes on behind it");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

static int interrupts; /* how many reads are interrupted yet */

static int interrupt(void *user) {
    (void)user;
    return interrupts && interrupts--;
}

static void follow_interrupted(sse_req *req, void *user) { /* from the end of its handler on */
    follow_noted(req, user);
    sqlite3_progress_handler((sqlite3 *)user, 1, interrupt, NULL);
}

/* Whether the row of who comes back is still there cannot be told just now: that is no gap. */
static void test_unread_row(void) {
    sse_db  *db = new_db(5);
    sse_app *app = sse_app_new(NULL);
    is_int(sse_topic_from_table(app, "t", db, good), 0, "a table");
    sse_get(app, "/t", follow_interrupted, sse_db_raw(db));
    over = -1;
    interrupts = 1;
    sse_test_request(app, "GET /t", "Last-Event-ID: 3\n", NULL, &feed);
    sqlite3_progress_handler(sse_db_raw(db), 0, NULL, NULL);
    is_int(interrupts, 0, "a read that fails for once");
    is_int(over, SSE_BY_ERROR, "... ends the stream of who comes back, by that reason");
    ok(!feed.open && !feed.complete && came("event: gap") == 0, "... without a gap: %s", feed.body);
    sse_test_request(app, "GET /t", "Last-Event-ID: 3\n", NULL, &feed);
    sqlite3_progress_handler(sse_db_raw(db), 0, NULL, NULL);
    ok(feed.open && came("data: ") == 2, "its client comes back, and misses nothing");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* What a gap says: rows that are gone were there; an id that was never given is another one's. */
static void test_gaps(void) {
    static const struct {
        const char *id, *says;
        int         rows;
    } rows[] = {{"2", NULL, 2}, {"5", NULL, 0}, {"3", "expired", 4}, {"6", "unknown", 4},
        {"18446744073709551615", "unknown", 4}, {"x", "unknown", 4}, {"1418-2", "unknown", 4}};
    sse_db     *db = new_db(5);
    sse_app    *app = follows(db);
    size_t      i;
    const char *gap;
    sse_test_close(&feed);
    sse_db_exec(db, "DELETE FROM outbox WHERE id = 3");
    sse_test_run(app, 0);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char head[60];
        snprintf(head, sizeof head, "Last-Event-ID: %s\n", rows[i].id);
        sse_test_request(app, "GET /t", head, NULL, &feed);
        gap = strstr(feed.body, "event: gap\n");
        is_int(gap != NULL, rows[i].says != NULL, head);
        ok(!rows[i].says || (gap && strstr(gap, rows[i].says)), "... says why: %s", feed.body);
        is_int(came("\ndata: ") - (gap != NULL), rows[i].rows, "... rows that come");
        sse_test_close(&feed);
    }
    is_int((long long)counts(app).resumes, 2, "those that came back in time");
    is_int((long long)counts(app).gaps, SSE__COUNT(rows) - 2, "... and too late");
    sse_app_free(app);
    sse_db_close(db);
}

static int latencies(sse_app *app) { /* how many events the monitor has measured */
    sse_test_reply page;
    sse_str        n = SSE__LIT("");
    int            count;
    memset(&page, 0, sizeof page);
    sse_test_request(app, "GET /m/metrics.json", NULL, NULL, &page);
    (void)sse_json_get(sse__str(page.body, page.body_len), "latency.publish.count", &n);
    count = n.len ? (int)strtol(n.ptr, NULL, 10) : -1;
    sse_test_close(&page);
    return count;
}

static int heard; /* events, by the program */

static void hear(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app, (void)topic, (void)event, (void)user;
    heard++;
}

/* The program and the monitor are told of rows as of what is published. */
static void test_told(void) {
    sse_db  *db = new_db(0);
    sse_app *app = follows(db);
    is_int(sse_monitor(app, "/m", NULL, NULL), 0, "a monitor");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('one')");
    sse_test_run(app, 0);
    is_int(latencies(app), 1, "how long a row took to its client is measured");
    sse_test_close(&feed);
    is_int(sse_topic_listen(app, "t", hear, NULL), 0, "the program listens, alone");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('two')");
    sse_test_run(app, 0);
    is_int(heard, 1, "... and hears of a row");
    is_int(latencies(app), 1, "... which took to no client");
    sse_app_free(app);
    sse_db_close(db);
}

/* A stream that waits for a row of another server (B3) leaves the table: it waits no more. */
static void test_leaves(void) {
    sse_db           *db = new_db(3);
    sse_app          *app = follows(db);
    sse__stream      *stream = (sse__stream *)app->streams->all.at[0].item;
    const sse_stream  s = sse__stream_handle(stream);
    sse_topic_options o;
    sse_event         event;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    o.history = 10;
    event.data = "kept";
    is_int(sse_topic(app, "kept", &o), 0, "a topic that keeps its events");
    stream->first.after = 9;
    stream->replaying = true;
    is_int(sse_subscribe(s, "kept"), SSE_E_STATE, "which one that follows a table cannot");
    is_int(sse_unsubscribe(s, "t"), 0, "... until it has left that");
    is_int(sse_subscribe(s, "kept"), 0, "... as it does");
    is_int(sse_publish(app, "kept", &event), 0, "an event");
    sse_test_run(app, 0);
    is_int(came("data: kept\n"), 1, "... comes at once");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* The only stream of an app, which is yet to get the rows after that one. */
static sse__stream *replays(sse_app *app, uint64_t after) {
    sse__stream *stream = (sse__stream *)app->streams->all.at[0].item;
    stream->first.after = after;
    stream->replaying = true;
    return stream;
}

/* One that waits for a row of another server (B3) begins anew with all others. */
static void test_anew_ahead(void) {
    sse_db  *db = new_db(5);
    sse_app *app = follows(db);
    replays(app, 9);
    app->streams->outboxes->ahead = true;
    sse_db_exec(db, "DELETE FROM outbox");
    sse_db_exec(db, "DELETE FROM sqlite_sequence");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('anew')");
    sse_test_run(app, 0);
    is_int(came("event: gap") * 10 + came("id: 1\ndata: anew\n\n"), 11,
        "who waits for a row that is not there yet begins anew, too");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

/* One that catches up, and has no room for a row that is new just now: it gets it in its turn. */
static void test_new_meanwhile(void) {
    sse_db      *db = new_db(5);
    sse_app     *app = follows(db);
    sse__stream *stream = replays(app, 3);
    sse_event    event;
    memset(&event, 0, sizeof event);
    event.data = "waits";
    is_int(sse_stream_send(sse__stream_handle(stream), &event), 0, "an event");
    stream->max_queue = 1;
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('six')");
    app->streams->outboxes->changed = true;
    sse__outboxes_run(app);
    sse_test_run(app, 0);
    is_int(came("data: 3\n") * 100 + came("data: 4\n") * 10 + came("data: six\n"), 111,
        "who catches up misses no row where a new one finds no room");
    is_int(came("data: "), 4, "... and has each once");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

static void follow_other(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "u");
}

/* Two tables that are written in one commit. */
static void test_two(void) {
    sse_db        *db = new_db(0);
    sse_app       *app = follows(db);
    sse_test_reply other;
    memset(&other, 0, sizeof other);
    sse_db_migrate(db, "CREATE TABLE second (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    is_int(sse_topic_from_table(app, "u", db,
               "SELECT id, body FROM second WHERE id > ? ORDER BY id"),
        0, "another table");
    sse_get(app, "/u", follow_other, NULL);
    sse_test_request(app, "GET /u", NULL, NULL, &other);
    sse_db_exec(db, "BEGIN");
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('mine')");
    sse_db_exec(db, "INSERT INTO second (body) VALUES ('other')");
    sse_test_run(app, 0);
    is_int(came("data: mine\n"), 0, "what is not committed does not come");
    sse_db_exec(db, "COMMIT");
    sse_test_run(app, 0);
    is_int(came("data: mine\n"), 1, "then the row of one comes");
    ok(strstr(other.body, "id: 1\ndata: other\n\n") != NULL, "... and that of the other: %s",
        other.body);
    sse_test_close(&feed);
    sse_test_close(&other);
    sse_app_free(app);
    sse_db_close(db);
}

/* Nor is anything left out where memory lacks for what it missed. */
static void test_scarce(void) {
    long n, left = 0;
    int  error;
    for (n = 1; n < 400 && !left; n++) {
        sse_db  *db = new_db(9);
        sse_app *app = sse_app_new(NULL);
        sse_topic_from_table(app, "t", db, good);
        sse_get(app, "/t", follow_noted, NULL);
        over = -1;
        fails = n;
        error = sse_test_request(app, "GET /t", "Last-Event-ID: 2\n", NULL, &feed);
        left = fail_at;
        fail_at = fails = 0;
        if (!error && (feed.open ? came("data: ") != 7 : over != SSE_BY_ERROR))
            ok(false, "without allocation %ld: %d rows, closed %d", n, came("data: "), over);
        sse_test_close(&feed);
        sse_app_free(app);
        sse_db_close(db);
    }
    ok(n > 5 && n < 400, "%ld allocations may fail for who comes back", n - 2);
}

/* Nobody listens: what comes later is new to the next client, what came is not. */
static void test_unread(void) {
    sse_db  *db = new_db(0);
    sse_app *app = follows(db);
    sse_test_close(&feed);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('unread')");
    sse_test_run(app, 0);
    is_int((long long)counts(app).events, 0, "a row that nobody is there for is no event");
    sse_test_request(app, "GET /t", NULL, NULL, &feed);
    sse_db_exec(db, "INSERT INTO outbox (body) VALUES ('read')");
    sse_test_run(app, 0);
    is_int(came("data: unread") * 10 + came("data: read"), 1, "who comes later gets later rows");
    sse_test_close(&feed);
    sse_app_free(app);
    sse_db_close(db);
}

static bool without_memory(long n) { /* false: fewer allocations than n */
    sse_db      *db = new_db(3);
    sse_app     *app = sse_app_new(NULL);
    sse__outbox *o = NULL;
    read_so_far  r = {0, 100, 0, false};
    int          error;
    bool         failed;
    fail_at = n;
    error = sse_topic_from_table(app, "t", db, good);
    if (!error) error = sse__outbox_open(app, db, good, &o);
    if (!error) error = sse__outbox_read(o, 0, read_one, &r);
    failed = fail_at == 0;
    fail_at = 0;
    if (!error && (r.count != 3 || r.holes)) ok(false, "allocation %ld lost a row", n);
    sse__outbox_free(o);
    sse_app_free(app);
    sse_db_close(db);
    return failed;
}

int main(void) {
    long n;
    fclose(stderr);
    sqlite_scarce();
    test_refused();
    test_reading();
    test_failing();
    test_numbers();
    test_rows();
    test_many_rows();
    test_again();
    test_anew();
    test_anew_above();
    test_edited();
    test_varies();
    test_nobody_reads();
    test_anew_again();
    test_edited_alone();
    test_half_read(true);
    test_half_read(false);
    test_replaced();
    test_unread();
    test_deleted();
    test_undeleted();
    test_pages();
    test_unreadable();
    test_unread_row();
    test_scarce();
    test_gaps();
    test_two();
    test_told();
    test_leaves();
    test_anew_ahead();
    test_new_meanwhile();
    for (n = 1; n < 500 && without_memory(n); n++) {
    }
    ok(n > 10 && n < 500, "each of %ld allocations may fail", n - 1);
    return tap_done();
}
#endif
