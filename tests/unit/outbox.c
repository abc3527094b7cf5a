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

static void test_reading(void) {
    sse_db      *db = new_db(1000);
    sse_app     *app = sse_app_new(NULL);
    sse__outbox *o;
    uint64_t     id;
    read_so_far  r = {0, 100, 0, false};
    is_int(sse__outbox_open(app, db, good, &o), SSE_OK, "an outbox");
    is_int((long long)o->last, 1000, "begins after the newest row");
    is_int(sse__outbox_read(o, 500, read_one, &r), SSE_OK, "reading from the middle");
    ok(r.count == 100 && r.last == 600 && !r.holes,
        "as many as are wanted, each as an event with its id");
    ok(sse__db_is_idle(db), "nothing stays open");
    ok(sse__outbox_before(o, 10, &id) == SSE_OK && id == 990, "the row before the ten newest");
    ok(sse__outbox_before(o, 1000, &id) == SSE_OK && id == 0, "there is none before all");
    ok(sse__outbox_greet(o, 0) == 1000 && sse__outbox_greet(o, 5) == 995,
        "where a greeting begins");
    sse_db_exec(db, "DELETE FROM outbox WHERE id = 7");
    ok(sse__outbox_has(o, 0) && sse__outbox_has(o, 8) && !sse__outbox_has(o, 7) &&
            !sse__outbox_has(o, 1001),
        "which ids can be gone on from");
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

static void on_log(int level, const char *line, void *user) {
    (void)level, (void)user;
    snprintf(logged, sizeof logged, "%s", line);
}

static bool see(uint64_t id, sse__message *m, void *user) {
    const size_t n = strlen(seen);
    (void)user;
    if (m) snprintf(seen + n, sizeof seen - n, "%.*s", SSE_STR(sse__message_bytes(m)));
    else snprintf(seen + n, sizeof seen - n, "no %llu\n", (unsigned long long)id);
    return true;
}

static void test_rows(void) {
    static const struct {
        const char *select, *seen, *words; /* of the row after 0 */
        int         error;
    } rows[] = {{"1, ''", "id: 1\ndata: \n\n", "", 0}, {"1, NULL", "id: 1\ndata: \n\n", "", 0},
        {"1, 'a', 'named'", "id: 1\nevent: named\ndata: a\n\n", "", 0},
        {"1, CAST(x'ff' AS TEXT)", "no 1\n",
            "row 1 of topic t is no event: it is not UTF-8, which .check_utf8 wants", 0},
        {"1, 'a', 'two' || char(10) || 'lines'", "no 1\n",
            "row 1 of topic t is no event: .event holds a line break", 0},
        {"0, 'a'", "", "do not come in the order of their ids: 0 after 0", SSE_E_ARG},
        {"-1, 'a'", "", "do not come in the order of their ids: -1 after 0", SSE_E_ARG}};
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
        sse_app_free(app);
    }
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
    for (n = 1; n < 500 && without_memory(n); n++) {
    }
    ok(n > 10 && n < 500, "each of %ld allocations may fail", n - 1);
    return tap_done();
}
#endif
