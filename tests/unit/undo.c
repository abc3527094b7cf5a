/* What sse_db_write has to undo while memory is short, SQLite's own: nothing stays open, nothing
   that failed is there, nothing that was answered with 0 is missing. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

#ifndef SSE_NO_SQLITE
static sqlite3_mem_methods real;
static char                file[64];
/* so many allocations from now on are made, then so many fail; good -1: none does */
static long good = -1, bad;

static sse__thread_id loop;      /* whose allocations they are, */
static bool           elsewhere; /* or those of all other threads */

static bool fails(void) {
    if (sse__thread_equal(sse__thread_self(), loop) == elsewhere) return false;
    if (good < 0 || good-- > 0) return false;
    good = --bad > 0 ? 0 : -1;
    return true;
}

static void *scarce_malloc(int n) { return fails() ? NULL : real.xMalloc(n); }
static void *scarce_realloc(void *p, int n) { return fails() ? NULL : real.xRealloc(p, n); }

static int insert(sse_db *db, void *user) { /* a row; then what user says is the answer */
    int n = sse_db_exec(db, "INSERT INTO t (a, b) VALUES (%d, %s)", *(int *)user,
        "a text that is not short, so that a row has a size");
    return n < 0 ? n : *(int *)user % 3 == 2;
}

/* Two rows, the second in a savepoint that may be undone on its own. */
static int insert_inside(sse_db *db, void *user) {
    int other = *(int *)user + 1;
    if (insert(db, user) < 0) return -1;
    return sse_db_write(db, insert, &other) == SSE_E_NOMEM;
}

static void sweep(int (*fn)(sse_db *db, void *user), long burst, const char *name) {
    sse_db_options quick = {SSE_OFF, 0, false};
    sse_db        *db, *other;
    long           n;
    int            open = 0, locked = 0, wrong = 0, failed = 0;
    long long      before, count;
    db = sse_db_open(file, NULL);
    other = sse_db_open(file, &quick);
    sse_db_exec(db, "CREATE TABLE t (a INTEGER, b TEXT)");
    for (n = 0; n < 300; n++) {
        int a = (int)(n * 3), rc;
        sse_db_one(db, &before, "SELECT count(*) FROM t");
        sqlite3_db_release_memory(sse_db_raw(db));
        good = n;
        bad = burst;
        rc = sse_db_write(db, fn, &a);
        good = -1;
        failed += rc != 0;
        if (sse_db_one(db, &count, "SELECT count(*) FROM t")) wrong++;
        if (rc ? count != before : count == before) wrong++;
        open += !sqlite3_get_autocommit(sse_db_raw(db));
        locked += sse_db_exec(other, "DELETE FROM t WHERE a < 0") < 0;
    }
    /* SQLite does without some: without how many depends on its version */
    ok(failed > 0, "%s, %ld allocations in a row: %d of 300 writes failed", name, burst, failed);
    is_int(wrong, 0, "... nothing of those is there, and all of the others");
    is_int(open, 0, "... no transaction stayed open");
    is_int(locked, 0, "... nor a lock");
    sse_db_close(other);
    sse_db_close(db);
    unlink(file);
}

static int fails_inside(sse_db *db, void *user) { /* two rows, neither of which is to stay */
    int inner = *(int *)user + 1;
    if (insert(db, user) >= 0) (void)sse_db_write(db, insert, &inner);
    return 1;
}

/* Both are in a transaction of the program, which goes on, unless SQLite itself ends it. */
static void in_transaction(void) {
    sse_db   *db = sse_db_open(file, NULL);
    long long count, before = 0;
    int       n, twice = 0, ended = 0, wrong = 0;
    sse_db_exec(db, "CREATE TABLE t (a INTEGER, b TEXT)");
    for (n = 0; n < 100; n++) {
        int a = n * 3 + 1; /* and with one more insert answers 1: undo it */
        sse_db_exec(db, "BEGIN");
        sse_db_exec(db, "INSERT INTO t (a) VALUES(0)");
        sqlite3_db_release_memory(sse_db_raw(db));
        good = n;
        bad = 1000;
        wrong += !sse_db_write(db, fails_inside, &a);
        good = -1;
        twice += db->undo_due == 2;
        if (sse_db_exec(db, "COMMIT")) ended++;
        else before++;
        wrong += sse_db_one(db, &count, "SELECT count(*) FROM t") || count != before;
    }
    ok(ended < 50, "%d of 100 times a write in a write was still to be undone", twice);
    is_int(wrong, 0, "... what the transaction around both had done is there, and no more");
    sse_db_close(db);
    unlink(file);
}

static int  answered;
static void told(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)user;
    answered = result->changes;
}

/* Rows that end because a write among them is still to be undone are as ended as any. */
static void among_rows(void) {
    sse_db   *db = sse_db_open(file, NULL);
    sse_rows *rows;
    int       n, early = 0, open = 0;
    sse_db_exec(db, "CREATE TABLE t (a INTEGER, b TEXT)");
    sse_db_exec(db, "INSERT INTO t (a) VALUES (1), (2), (3)");
    for (n = 0; n < 60; n++) {
        int a = n * 3 + 2; /* insert answers 1: undo it */
        rows = sse_db_query(db, "SELECT a FROM t");
        sse_db_next(rows);
        sqlite3_db_release_memory(sse_db_raw(db));
        good = n;
        bad = 1000;
        sse_db_write(db, insert, &a);
        if (sse_db_next(rows)) sse_db_done(rows);
        else early++;
        good = -1;
        open += sse__db_busy_statement(db, true, true) != NULL;
    }
    ok(early > 0, "%d of 60 times rows ended while a write was to be undone", early);
    is_int(open, 0, "... and none stayed open");
    sse_db_close(db);
    unlink(file);
}

/* A statement that was posted, and what has to be undone when its turn comes. */
static void posted(void) {
    sse_db  *db = sse_db_open(":memory:", NULL); /* which has no thread: it runs on the loop */
    sse_app *app = sse_app_new(NULL);
    sse_db_post_options options;
    long long           count;
    int                 n, open = 0, lost = 0;
    memset(&options, 0, sizeof options);
    options.app = app;
    options.done = told;
    sse_db_exec(db, "CREATE TABLE t (a INTEGER, b TEXT)");
    for (n = 0; n < 60; n++) {
        int a = n * 3 + 2; /* insert answers 1: undo it */
        sse_db_exec(db, "DELETE FROM t");
        answered = 0;
        sse_db_post(db, &options, "INSERT INTO t (a) VALUES (-1)");
        sqlite3_db_release_memory(sse_db_raw(db));
        good = n;
        bad = 1000;
        sse_db_write(db, insert, &a);
        good = -1;
        open += !sqlite3_get_autocommit(sse_db_raw(db));
        while (!answered) sse_poll(app, 0);
        if (sse_db_one(db, &count, "SELECT count(*) FROM t WHERE a = -1")) count = -1;
        lost += count != (answered == 1);
    }
    ok(open > 0, "%d of 60 times a transaction is still to be undone", open);
    is_int(lost, 0, "before a statement runs that was posted: it is there if its answer says so");
    sse_app_free(app);
    sse_db_close(db);
}

static long      begin_good, begin_bad; /* set in as the first answer comes */
static int       n_answered;
static long long inserted;

static void told_together(sse_app *app, const sse_db_result *result, void *user) {
    (void)app;
    if (user && result->changes > 0) inserted++;
    if (n_answered++) return;
    good = begin_good;
    bad = begin_bad;
}

/* Statements that cannot share a transaction, and what has to be undone before each runs alone. */
static void together(const char *name, long burst) {
    sse_db_options      quick = {SSE_OFF, 0, false};
    sse_db             *db = sse_db_open(name, NULL), *other = NULL;
    sse_app            *app = sse_app_new(NULL);
    sse_db_post_options options, insertion;
    long long           count;
    int                 n, wrong = 0, locked = 0;
    memset(&options, 0, sizeof options);
    options.app = app;
    options.done = told_together;
    insertion = options;
    insertion.user = &inserted;
    sse_db_exec(db, "CREATE TABLE t (a INTEGER, b TEXT)");
    elsewhere = name == file;
    if (elsewhere) other = sse_db_open(file, &quick);
    for (n = 0; n < 150; n++) {
        sse_db_exec(db, "DELETE FROM t");
        begin_good = n;
        begin_bad = burst;
        n_answered = 0;
        inserted = 0;
        sse_db_post(db, &options, "SELECT 1"); /* alone; the others wait for it */
        sse_db_post(db, &insertion, "INSERT INTO t (a) VALUES (-1)");
        sse_db_post(db, &options, "SELECT 2");
        while (n_answered < 3) sse_poll(app, 1);
        good = -1;
        if (other) locked += sse_db_exec(other, "DELETE FROM t WHERE a > 0") < 0;
        sse_db_post(db, &options, "SELECT 3");
        while (n_answered < 4) sse_poll(app, 1);
        if (sse_db_one(db, &count, "SELECT count(*) FROM t")) count = -1;
        wrong += count != inserted;
    }
    is_int(wrong, 0, "what is posted together is there if its answer says so");
    is_int(locked, 0, "what is posted together leaves no lock, though it lacks memory to undo it");
    sse_app_free(app);
    sse_db_close(other);
    sse_db_close(db);
    elsewhere = false;
    unlink(file);
}

static int heard;

static void committed(sse_app *app, sse_db *db, void *user) {
    (void)app, (void)db, (void)user;
    heard++;
}

/* What SQLite counts for the connection of the thread begins again when that was closed. */
static void counted(void) {
    sse_db             *db = sse_db_open(file, NULL), *other;
    sse_app            *app = sse_app_new(NULL);
    sse_db_post_options options;
    int                 i;
    memset(&options, 0, sizeof options);
    options.app = app;
    options.done = told;
    sse_db_exec(db, "CREATE TABLE t (a INTEGER)");
    sse_db_exec(db, "CREATE TABLE u (a INTEGER)");
    other = sse_db_open(file, NULL);
    sse_on_commit(app, db, "u", committed, NULL);
    answered = 0;
    sse_db_post(db, &options, "INSERT INTO t VALUES (1)");
    while (!answered) sse_poll(app, 1);
    for (i = 0; i < 20; i++) sse_poll(app, 2);
    heard = answered = 0;
    sse__db_disconnect(db->writer);
    sse_db_exec(other, "INSERT INTO u VALUES (1)");
    sse_db_post(db, &options, "INSERT INTO t VALUES (2)");
    while (!answered) sse_poll(app, 0);
    for (i = 0; i < 30000 && !heard; i++) sse_poll(app, 5);
    ok(heard > 0, "a commit of others is told of, also beside one of the thread's new connection");
    sse_app_free(app);
    sse_db_close(other);
    sse_db_close(db);
    unlink(file);
}

/* The connection of the thread is as strict as the other one, also without memory to ask it. */
static void strict(void) {
    sse_db             *db;
    sse_app            *app = sse_app_new(NULL);
    sse_db_post_options options;
    long long           n, level, orphans = 0, weak = 0;
    db = sse_db_open(file, NULL);
    memset(&options, 0, sizeof options);
    options.app = app;
    options.done = told;
    sse_db_exec(db, "CREATE TABLE p (id INTEGER PRIMARY KEY)");
    sse_db_exec(db, "CREATE TABLE c (id INTEGER REFERENCES p)");
    sse_db_exec(db, "PRAGMA synchronous = FULL");
    for (n = 0; n < 40; n++) {
        answered = 99;
        sqlite3_db_release_memory(sse_db_raw(db));
        good = (long)n;
        bad = 1;
        if (sse_db_post(db, &options, "INSERT INTO c VALUES (1)")) answered = 0;
        good = -1;
        while (answered == 99) sse_poll(app, 10);
        if (answered > 0) orphans++;
        if (db->writer && !sse_db_one(db->writer, &level, "PRAGMA synchronous")) weak += level < 2;
    }
    is_int(orphans, 0, "memory that fails as a statement is posted turns no foreign keys off");
    is_int(weak, 0, "... nor synchronous = FULL");
    sse_app_free(app);
    sse_db_close(db);
    unlink(file);
}
#endif

int main(void) {
#ifndef SSE_NO_SQLITE
    sqlite3_mem_methods scarce;
    loop = sse__thread_self();
    snprintf(file, sizeof file, "/tmp/sse-undo-%ld.db", (long)getpid());
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    scarce = real;
    scarce.xMalloc = scarce_malloc;
    scarce.xRealloc = scarce_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* each allocation is one that may fail */
    sweep(insert, 1, "a write");
    sweep(insert, 1000, "a write");
    sweep(insert_inside, 1, "a write inside a write");
    sweep(insert_inside, 1000, "a write inside a write");
    in_transaction();
    among_rows();
    posted();
    together(":memory:", 1);
    together(file, 1);
    together(file, 1000);
    counted();
    strict();
#else
    ok(true, "no SQLite");
#endif
    return tap_done();
}
