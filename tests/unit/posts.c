/* posts.c: sse_db_post. What is posted runs once, in order, on another thread, and is answered
   once, on the loop. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdlib.h>
static pthread_t loop_self;
static long      good = -1; /* so many allocations of the loop are made, then none; -1: all */
static void     *scarce_realloc(void *p, size_t n) {
        if (!pthread_equal(pthread_self(), loop_self) || good < 0) return realloc(p, n);
    return good > 0 && good-- ? realloc(p, n) : NULL;
}
#define SSE_MALLOC(n)     scarce_realloc(NULL, n)
#define SSE_REALLOC(p, n) scarce_realloc(p, n)
#define SSE_FREE(p)       free(p)
#ifndef SSE_NO_SQLITE
#include "stands.h"
#define clock_gettime        stands_clock
#define sqlite3_busy_timeout stands_timeout
#endif
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

#ifndef SSE_NO_SQLITE
#include "sleeps.h"

enum { MOST = 1200 };

static char           answers[MOST][160]; /* "changes id error", in the order in which they came */
static int            n_answers;
static sse__thread_id loop_thread;
static bool           elsewhere; /* an answer came on another thread */

static void must(bool fine, const char *what) {
    if (fine) return;
    printf("Bail out! %s\n", what);
    exit(1);
}

static void done(sse_app *app, const sse_db_result *r, void *user) {
    (void)app;
    if (!sse__thread_equal(loop_thread, sse__thread_self())) elsewhere = true;
    snprintf(answers[n_answers++], sizeof answers[0], "%s: %d %lld %s", (const char *)user,
        r->changes, r->last_id, r->error);
}

static sse_db_post_options to(sse_app *app, const char *name) {
    sse_db_post_options o;
    o.app = app;
    o.done = done;
    o.user = (void *)name;
    return o;
}

static sse_db *open_db(const char *file) {
    sse_db *db = sse_db_open(file, NULL);
    must(sse_db_migrate(db,
             "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, txt TEXT UNIQUE, data BLOB);"
             "CREATE TABLE IF NOT EXISTS child (t INTEGER REFERENCES t);"
             "CREATE TABLE IF NOT EXISTS late (t INTEGER REFERENCES t DEFERRABLE INITIALLY "
             "DEFERRED)") == 0,
        "no tables");
    return db;
}

static sse_app *begin(void) {
    loop_thread = sse__thread_self();
    n_answers = 0;
    memset(answers, 0, sizeof answers);
    return dial_app(NULL);
}

static void wait_for(sse_app *app, int n) {
    int i;
    for (i = 0; i < 30000 && n_answers < n; i++) turns(app, 1);
    turns(app, 2);
    ok(n_answers == n, "%d answers, of %d", n_answers, n);
}

static void is_answer(int i, const char *want) { is_str(answers[i], want, want); }

static long long count(sse_db *db) {
    long long n = -1;
    sse_db_one(db, &n, "SELECT count(*) FROM t");
    return n;
}

/* A row of statements that are posted together, as one by one. */
static void row(const char *file) {
    sse_db             *db = open_db(file);
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    char                text[] = "first";
    const char *volatile none = NULL;
    sse_str blob = {"\0b", 2}, empty = {"", 0};
    is_int(sse_db_post(db, &o, "INSERT INTO t (txt, data) VALUES (%s, %p)", text,
               (const void *)&blob),
        0, file);
    memset(text, 'x', 5); /* it was copied */
    blob.len = 0;
    is_int(sse_db_post(db, &o, "INSERT INTO t (txt, data) VALUES (%s, %p)", none,
               (const void *)&empty),
        0, "NULL, and an empty blob");
    is_int(sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%s)", "first"), 0,
        "one that violates UNIQUE");
    is_int(sse_db_post(db, &o, "INSERT OR ROLLBACK INTO t (txt) VALUES ('first')"), 0,
        "one that rolls back all there is");
    is_int(sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%.*s)", 3, "third"), 0,
        "a good one again");
    is_int(sse_db_post(db, &o, "INSERT INTO child VALUES (%d)", 99), 0,
        "one that violates a foreign key");
    is_int(sse_db_post(db, &o, "INSERT INTO late VALUES (%d)", 99), 0,
        "one that violates a foreign key at the commit");
    is_int(sse_db_post(db, &o, "VACUUM"), 0, "one that no transaction takes");
    is_int(sse_db_post(db, &o, "PRAGMA query_only = 1"), 0, "a setting");
    is_int(sse_db_post(db, &o, "ATTACH 'other.db' AS other"), 0, "another file");
    is_int(sse_db_post(db, &o, "BEGIN"), 0, "a transaction in pieces");
    is_int(sse_db_post(db, &o, "SELECT nothing"), 0, "an error");
    is_int(sse_db_post(db, &o, "UPDATE t SET txt = 'all' || id"), 0, "many rows");
    is_int(sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('%s')", "quoted"), 0,
        "a conversion in quotes");
    wait_for(app, 14);
    is_answer(0, "a: 1 1 ");
    is_answer(1, "a: 1 2 ");
    is_answer(2, "a: -17 0 UNIQUE constraint failed: t.txt [INSERT INTO t (txt) VALUES (?)]");
    ok(strstr(answers[3], "a: -") && strstr(answers[3], "UNIQUE"), "%s", answers[3]);
    is_answer(4, "a: 1 3 ");
    ok(strstr(answers[5], "a: -") && strstr(answers[5], "FOREIGN"), "%s", answers[5]);
    ok(strstr(answers[6], "a: -") && strstr(answers[6], "FOREIGN"), "%s", answers[6]);
    is_answer(7, "a: 0 0 ");
    ok(strstr(answers[8], "a: -") && strstr(answers[8], "PRAGMA"), "%s", answers[8]);
    ok(strstr(answers[9], "a: -") && strstr(answers[9], "ATTACH"), "%s", answers[9]);
    ok(strstr(answers[10], "a: -") && strstr(answers[10], "sse_db_write"), "%s", answers[10]);
    ok(strstr(answers[11], "a: -") && strstr(answers[11], "nothing"), "%s", answers[11]);
    is_answer(12, "a: 3 0 ");
    ok(strstr(answers[13], "a: -") && strstr(answers[13], "as many ?"), "%s", answers[13]);
    is_int(sse_db_one(db, NULL, "SELECT 1 FROM t WHERE txt = 'all1' AND data = x'0062'"), 0,
        "the values are those of then");
    is_int(sse_db_one(db, NULL, "SELECT 1 FROM t WHERE txt = 'all2' AND data = x''"), 0,
        "empty is not NULL");
    is_int(count(db), 3, "three rows");
    ok(!elsewhere, "all answers came on the loop");
    dial_free(app);
    sse_db_close(db);
}

static const char *said(sse_db *db) {
    const char *text;
    sse_db_error(db, &text);
    return text;
}

static void refused(void) {
    sse_db             *db = open_db("posts.db"), *broken = sse_db_open("/nowhere/at/all.db", NULL);
    sse_app            *app = sse_app_new(NULL);
    sse_db_post_options o = to(app, "a"), nobody = to(NULL, "a");
    n_answers = 0;
    is_int(sse_db_post(NULL, &o, "SELECT 1"), SSE_E_NOMEM, "no database");
    is_int(sse_db_post(broken, &o, "SELECT 1"), sse_db_error(broken, NULL),
        "one that did not open");
    is_int(sse_db_post(db, NULL, "SELECT 1"), SSE_E_ARG, "no options");
    is_int(sse_db_post(db, &nobody, "SELECT 1"), SSE_E_ARG, "no app");
    is_str(said(db), "sse_db_post without .app", "in words");
    is_int(sse_db_post(db, &o, NULL), SSE_E_ARG, "no SQL");
    is_str(said(db), "the SQL is NULL", "in words");
    is_int(sse_db_post(db, &o, "SELECT %5d", 1), SSE_E_ARG, "a format that cannot be bound");
    is_int(n_answers, 0, "what was refused is not answered");
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(broken);
}

/* One that shows only at the commit is found among good ones. */
static void deferred(const char *file) {
    sse_db             *db = open_db(file);
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i;
    sse_db_exec(db, "DELETE FROM t");
    for (i = 0; i < 7; i++) {
        sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%d)", i);
        if (i == 3) sse_db_post(db, &o, "INSERT INTO late VALUES (%d)", 99);
    }
    wait_for(app, 8);
    is_int(count(db), 7, "seven good ones and a bad one");
    ok(strstr(answers[4], "FOREIGN") != NULL, "%s", answers[4]);
    dial_free(app);
    sse_db_close(db);
}

static char logged[1000];

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level < SSE_LOG_DEBUG && strlen(logged) + strlen(line) + 2 < sizeof logged)
        strcat(strcat(logged, line), "\n");
}

/* Without .done only a failure is told, to the log; and one app at a time posts to a database. */
static void unanswered(void) {
    sse_db             *db = open_db("posts.db");
    sse_app_options     options;
    sse_app            *app, *other = sse_app_new(NULL);
    sse_db_post_options o = to(NULL, "a"), others = to(other, "b");
    int                 i;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = dial_app(&options);
    n_answers = 0;
    logged[0] = '\0';
    o.app = app;
    o.done = NULL;
    sse_db_exec(db, "DELETE FROM t");
    is_int(sse_db_post(db, &o, "INSERT INTO t(id, txt) VALUES(1, 'x')"), 0, "nobody waits for it");
    is_int(sse_db_post(db, &others, "SELECT 1"), SSE_E_STATE, "another app posts too");
    is_str(said(db), "another app posts to this database", "in words");
    is_int(sse_db_post(db, &o, "INSERT INTO t(id, txt) VALUES(1, 'x')"), 0, "nor for its failure");
    for (i = 0; i < 30000 && !strstr(logged, "sse_db_post: "); i++) turns(app, 1);
    is_str(logged,
        "sse_db_post: posts.db: UNIQUE constraint failed: t.id"
        " [INSERT INTO t(id, txt) VALUES(1, 'x')]\n",
        "which is logged, with the file");
    for (i = 0; i < 3; i++) sse_db_post(db, &o, "INSERT INTO t(id, txt) VALUES(1, 'x')");
    for (i = 0; i < 30000 && db->posts; i++) turns(app, 1);
    ok(strstr(strchr(logged, '\n'), "sse_db_post") == NULL, "... once a second: %s", logged);
    is_int(sse_db_post(db, &o, "DELETE FROM t WHERE id = 2"), 0, "one that changes no row");
    for (i = 0; i < 30000 && db->posts; i++) turns(app, 1);
    ok(strstr(strchr(logged, '\n'), "sse_db_post") == NULL, "is no failure: %s", logged);
    is_int(sse_db_exec(db, "DELETE FROM t"), 1, "the first one was done");
    for (i = 0; i < 30000 && db->posts; i++) turns(app, 1);
    is_int(sse_db_post(db, &others, "INSERT INTO t(id, txt) VALUES(1, 'x')"), 0,
        "once they are done the other app may");
    wait_for(other, 1);
    is_int(n_answers, 1, "... and is answered");
    sse_db_exec(db, "DELETE FROM t");
    dial_free(app);
    sse_app_free(other);
    sse_db_close(db);
}

/* ---- answers that are replies ---- */

static int reply_status; /* 0: nothing is written */

static void replied(sse_app *app, const sse_db_result *r, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    must(r->changes < 0, "it was to fail");
    if (reply_status == 1) (void)sse_come_back(req, 0);
    else if (reply_status == 201) sse_set_status(req, 201);
    else if (reply_status) sse_fail(req, reply_status, "as it is");
    sse_finish(req);
}

static void posts_it(sse_req *req, void *user) {
    sse_db_post_options o;
    o.app = sse_req_app(req);
    o.done = replied;
    o.user = req;
    if (sse_db_post((sse_db *)user, &o,
            sse_query(req, "taken") ? "INSERT INTO t(id, txt) VALUES(1, 'x')"
                                    : "INSERT INTO nowhere VALUES(1)") == 0)
        sse_defer(req);
}

static void fails_later(sse_app *app, void *user) {
    (void)app;
    sse_fail((sse_req *)user, 500, "for a reason of its own");
    sse_finish((sse_req *)user);
}

static void waits(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    sse_after(sse_req_app(req), 1, fails_later, req);
}

/* What failed is logged as if the handler had run it: unless the reply says that it is the
   client's. */
static void replies(const char *file) {
    static const struct {
        int  reply;
        bool taken, said;
        int  status;
    } rows[] = {{500, false, true, 500}, {503, false, true, 503}, {507, false, true, 507},
        {404, false, false, 404}, {499, false, false, 499}, {0, false, true, 500},
        {201, false, true, 201}, {1, false, true, 503}, {409, true, false, 409},
        {500, true, false, 500}, {0, true, true, 500}};
    sse_db         *db = open_db(file);
    sse_app_options options;
    sse_test_reply  other;
    sse_app        *app;
    size_t          i;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = sse_app_new(&options);
    sse_post(app, "/say", posts_it, db);
    sse_get(app, "/waits", waits, NULL);
    sse_db_exec(db, "DELETE FROM t");
    sse_db_exec(db, "INSERT INTO t(id, txt) VALUES(1, 'x')");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char    *request = rows[i].taken ? "POST /say?taken=1" : "POST /say";
        sse_test_reply r;
        char           words[150], want[400];
        memset(&r, 0, sizeof r);
        reply_status = rows[i].reply;
        snprintf(words, sizeof words, "%s%s", *file == ':' ? "" : "posts.db: ",
            rows[i].taken ? "UNIQUE constraint failed: t.id [INSERT INTO t(id, txt) VALUES(1, 'x')]"
                          : "no such table: nowhere [INSERT INTO nowhere VALUES(1)]");
        snprintf(want, sizeof want, "POST /say: a database call failed%s: %s\n%s%s%s",
            rows[i].reply == 201 ? ", though its reply says 201" : "", words,
            rows[i].reply ? "" : "/say failed: ", rows[i].reply ? "" : words,
            rows[i].reply ? "" : "\n");
        sse_test_run(app, 1000);
        memset(app->refused, 0, sizeof app->refused); /* by the system's clock */
        logged[0] = '\0';
        is_int(sse_test_request(app, request, NULL, NULL, &r), 0, request);
        is_int(r.status, rows[i].status, "... the reply");
        is_str(logged, rows[i].said ? want : "", "... what is logged");
        sse_test_close(&r);
        if (!rows[i].said) continue;
        logged[0] = '\0';
        sse_test_request(app, request, NULL, NULL, &r);
        sse_test_close(&r);
        is_str(logged, "", "... once a second");
    }
    sse_test_run(app, 1000);
    memset(&other, 0, sizeof other);
    reply_status = 404;
    sse_test_request(app, "POST /say", NULL, NULL, &other);
    logged[0] = '\0';
    is_int(sse_test_request(app, "GET /waits", NULL, NULL, &other), 0, "another request, later");
    sse_test_run(app, 1);
    is_int(other.status, 500, "... which fails");
    is_str(logged, "", "... and not by what was posted");
    sse_test_close(&other);
    sse_db_exec(db, "DELETE FROM t");
    sse_app_free(app);
    sse_db_close(db);
}

static void full(void) { /* somebody else has the lock */
    sse_db             *db = open_db("posts.db"), *other = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i, error = 0;
    sse_db_exec(db, "DELETE FROM t");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    sleeps = 0;
    for (i = 0; i < MOST && !error; i++)
        error = sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%d)", i);
    is_int(error, SSE_E_FULL, "more than 1000 wait: that is said");
    is_str(said(db), "the disk is behind: 1000 statements wait", "in words");
    is_int(i, 1002, "(one is with the thread)");
    for (i = 0; i < 50; i++) turns(app, 1);
    is_int(sleeps, 0, "the loop did not wait");
    is_int(n_answers, 0, "nothing is answered before it is there");
    sse_db_exec(other, "ROLLBACK");
    wait_for(app, 1001);
    is_int(count(db), 1001, "then all are");
    is_answer(0, "a: 1 1 ");
    is_answer(1000, "a: 1 1001 ");
    sse_db_close(other);
    dial_free(app);
    sse_db_close(db);
}

static void busy(void) {
    int                 i, once;
    sse_db_options      options;
    sse_db             *db, *other = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    memset(&options, 0, sizeof options);
    options.busy_ms = 50;
    db = sse_db_open("posts.db", &options);
    sse_db_exec(other, "BEGIN IMMEDIATE");
    sse_db_post(db, &o, "DELETE FROM t");
    sse_db_post(db, &o, "DELETE FROM t");
    sse_db_post(db, &o, "DELETE FROM t");
    wait_for(app, 3);
    ok(strstr(answers[0], "locked") && strstr(answers[1], "locked") && strstr(answers[2], "locked"),
        "%s", answers[2]);
    sleeps = sleeps_elsewhere = 0;
    sse_db_post(db, &o, "DELETE FROM t");
    wait_for(app, 4);
    once = sleeps + sleeps_elsewhere;
    sleeps = sleeps_elsewhere = 0;
    for (i = 0; i < 10; i++) sse_db_post(db, &o, "DELETE FROM t");
    wait_for(app, 14);
    ok(once > 0 && sleeps + sleeps_elsewhere <= 2 * once,
        "those that wait together wait for busy_ms once (%d naps, of one alone %d)",
        sleeps + sleeps_elsewhere, once);
    sse_db_close(other);
    dial_free(app);
    sse_db_close(db);
}

#ifndef SSE_NO_THREADS
static sse_db *patient(void) {
    sse_db_options options;
    memset(&options, 0, sizeof options);
    options.busy_ms = 60000;
    return sse_db_open("posts.db", &options);
}

static void post_at(int ms, sse_db *db, sse_app *app, const char *name) {
    sse_db_post_options o = to(app, name);
    stands_at(ms);
    is_int(sse_db_post(db, &o, "INSERT INTO t (data) VALUES (1)"), 0, name);
}

static void begins_to_wait(sse_app *app, int n, int ms) { /* the nth wait */
    int i;
    for (i = 0; i < 30000 && stands_waits() < n; i++) turns(app, 1);
    is_int(stands_waits(), n, "the thread waits for the lock");
    is_int(stands_asked(n), ms, "... for so long");
}

static void waited_until(int ms) { /* the wait under way is over then */
    stands_at(ms);
    stands_go_on();
}

static void is_locked(int i, const char *name) {
    ok(strncmp(answers[i], name, 1) == 0 && strstr(answers[i], ": -9 0 ") != NULL, "%s",
        answers[i]);
}

static void lock_again(sse_app *app, const sse_db_result *r, void *user) {
    (void)app;
    is_int(r->changes, 1, "one that has the lock in time");
    sqlite3_exec(sse_db_raw((sse_db *)user), "BEGIN IMMEDIATE", NULL, NULL, NULL);
    n_answers++;
}

/* Each statement waits for a lock until its own time is over, whatever the thread waited for
   before. */
static void deadlines(void) { /* PO2 */
    sse_db             *db, *other = open_db("posts.db");
    sse_app            *app;
    sse_db_post_options o;
    stands_begin();
    db = patient();
    app = begin();
    sse_db_exec(other, "DELETE FROM t");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    post_at(0, db, app, "a");
    begins_to_wait(app, 1, 60000);
    post_at(20000, db, app, "b");
    post_at(40000, db, app, "c");
    waited_until(60000);
    wait_for(app, 1);
    is_locked(0, "a");
    begins_to_wait(app, 2, 20000);
    waited_until(80000);
    wait_for(app, 2);
    is_locked(1, "b");
    begins_to_wait(app, 3, 20000);
    post_at(90000, db, app, "d");
    post_at(90000, db, app, "e");
    sse_db_exec(other, "ROLLBACK");
    waited_until(90000);
    wait_for(app, 5);
    is_answer(2, "c: 1 1 ");
    is_answer(3, "d: 1 2 ");
    is_answer(4, "e: 1 3 ");

    sse_db_exec(other, "BEGIN IMMEDIATE");
    post_at(100000, db, app, "f");
    begins_to_wait(app, 4, 60000);
    post_at(110000, db, app, "g");
    post_at(110000, db, app, "h");
    waited_until(170000);
    wait_for(app, 8);
    is_locked(5, "f");
    is_locked(6, "g");
    is_locked(7, "h");
    is_int(stands_waits(), 4, "what is overdue then has not waited again");

    o = to(app, "i");
    o.done = lock_again;
    o.user = other;
    stands_at(200000);
    is_int(sse_db_post(db, &o, "INSERT INTO t (data) VALUES (1)"), 0, "i");
    begins_to_wait(app, 5, 60000);
    post_at(200000, db, app, "j");
    sse_db_exec(other, "ROLLBACK");
    waited_until(270000); /* as a disk would take its time */
    begins_to_wait(app, 6, 1000);
    sse_db_exec(other, "ROLLBACK");
    stands_go_on();
    wait_for(app, 10);
    is_answer(9, "j: 1 5 ");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
    stands_end();
}

/* Those that share no transaction: each that has to wait in vain fails alone, and none is lost. */
static void alone_in_vain(void) { /* PO1, PO2 */
    static const struct {
        const char *sql, *answer;
    } all[] = {{"INSERT INTO t (data) VALUES (1)", "1 "}, {"SELECT 1", "0 "},
        {"DROP TABLE gone", "-9 "}, {"DROP TABLE gone", "-9 "},
        {"INSERT INTO t (data) VALUES (1)", "1 "}, {"DROP TABLE gone", "-9 "},
        {"INSERT INTO t (data) VALUES (1)", "1 "}};
    sse_db   *db;
    sse_app  *app;
    sse_rows *rows;
    size_t    i;
    stands_begin();
    db = open_db(":memory:");
    app = begin();
    sse_db_exec(db, "CREATE TABLE gone(a)");
    sse_db_exec(db, "INSERT INTO gone VALUES (1), (2)");
    rows = sse_db_query(db, "SELECT * FROM gone"); /* so that nobody drops it */
    ok(sse_db_next(rows), "a query is open");
    for (i = 0; i < SSE__COUNT(all); i++) {
        sse_db_post_options o = to(app, "a");
        if (i == 4) stands_at(4000);
        is_int(sse_db_post(db, &o, all[i].sql), 0, all[i].sql);
    }
    stands_at(7000);
    wait_for(app, SSE__COUNT(all));
    for (i = 0; i < SSE__COUNT(all); i++)
        ok(strncmp(answers[i] + strlen("a: "), all[i].answer, strlen(all[i].answer)) == 0, "%s: %s",
            all[i].sql, answers[i]);
    turns(app, 3);
    is_int(n_answers, SSE__COUNT(all), "each is answered once");
    sse_db_done(rows);
    dial_free(app);
    sse_db_close(db);
    stands_end();
}

static void hears_topic(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "t");
}

static void hears(sse_app *app, const client *c, const char *data) {
    int i;
    for (i = 0; i < 30000 && !times(c, data); i++) turns(app, 1);
    is_int(times(c, data), 1, data);
}

static void kept_at(int ms, sse_app *app, sse_db *db, int all) { /* by a try that is due then */
    long long n = 0;
    int       i;
    stands_at(ms);
    for (i = 0; i < 30000 && n < all; i++) {
        turns(app, 1);
        sse_db_one(db, &n, "SELECT count(*) FROM sse_events");
    }
    is_int(n, all, "it is kept later");
    turns(app, 5);
}

/* So does an event that is to be kept; and what was posted before it does not wait for it. */
static void events_wait_as_well(void) { /* PO2 */
    sse_db           *db, *other = open_db("posts.db");
    sse_app          *app;
    sse_topic_options t;
    client           *c;
    stands_begin();
    db = patient();
    app = begin();
    memset(&t, 0, sizeof t);
    t.history = 10;
    t.db = db;
    is_int(sse_topic(app, "t", &t), 0, "a topic that is kept");
    opening = hears_topic;
    c = dial(app, "/s", NULL);
    say(app, "t", "first");
    hears(app, c, "data: first");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    post_at(0, db, app, "a");
    begins_to_wait(app, 1, 60000);
    stands_at(1000);
    say(app, "t", "held");
    turns(app, 5);
    waited_until(60000);
    wait_for(app, 1);
    begins_to_wait(app, 2, 1000);
    is_int(times(c, "data: held"), 0, "an event waits for the lock");
    waited_until(61000);
    hears(app, c, "data: held");
    sse_db_exec(other, "ROLLBACK");
    kept_at(63000, app, db, 2);

    sse_db_exec(other, "BEGIN IMMEDIATE");
    post_at(100000, db, app, "b");
    begins_to_wait(app, 3, 60000);
    post_at(110000, db, app, "c");
    stands_at(150000);
    say(app, "t", "late");
    turns(app, 5);
    waited_until(160000);
    begins_to_wait(app, 4, 10000);
    waited_until(170000);
    wait_for(app, 3);
    is_locked(1, "b");
    is_locked(2, "c");
    hears(app, c, "data: late");
    is_int(stands_waits(), 4, "nothing waited again");
    sse_db_exec(other, "ROLLBACK");
    kept_at(173000, app, db, 3);

    sse_db_exec(other, "BEGIN IMMEDIATE");
    post_at(200000, db, app, "d");
    begins_to_wait(app, 5, 60000);
    post_at(210000, db, app, "e");
    post_at(250000, db, app, "f");
    waited_until(260000);
    begins_to_wait(app, 6, 10000); /* e and f */
    stands_at(265000);
    say(app, "t", "last");
    turns(app, 5);
    waited_until(270000);
    begins_to_wait(app, 7, 40000); /* the event, as f is to be tried again */
    waited_until(310000);
    wait_for(app, 6);
    is_locked(5, "f");
    hears(app, c, "data: last");
    is_int(stands_waits(), 7, "nothing waited again");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    sse_db_close(db);
    sse_db_exec(other, "DROP TABLE sse_events");
    sse_db_close(other);
    stands_end();
}

static sse_db *post_db;
static bool    done_says; /* that it failed; else nothing */

static void replies_to(sse_app *app, const sse_db_result *r, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    n_answers++;
    (void)r;
    if (done_says) sse_fail(req, 503, "not saved");
    sse_finish(req);
}

static void defers(sse_req *req, void *user) {
    sse_db_post_options o;
    (void)user;
    o.app = sse_req_app(req);
    o.done = replies_to;
    o.user = req;
    if (sse_db_post(post_db, &o, "INSERT INTO t (data) VALUES (1)") == SSE_OK) sse_defer(req);
}

static client *asks(sse_app *app) { /* and is not answered at once */
    static const char request[] = "GET /defers HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client           *c = send_from_new(app, request, sizeof request - 1);
    turns(app, 5);
    is_int((int)c->len, 0, "a request that waits for its statement");
    return c;
}

/* What failed tells of no event, so it does not wait until those are kept that were published
   meanwhile. */
static void failures_leave(void) {
    sse_db           *other = open_db("posts.db");
    sse_app          *app;
    sse_topic_options t;
    client           *c;
    int               i;
    stands_begin();
    post_db = patient();
    app = begin();
    memset(&t, 0, sizeof t);
    t.history = 10;
    t.db = post_db;
    is_int(sse_topic(app, "t", &t), 0, "a topic that is kept");
    sse_get(app, "/defers", defers, NULL);
    for (i = 0; i < 2; i++) {
        done_says = i == 0;
        sse_db_exec(other, "BEGIN IMMEDIATE");
        stands_at(200000 * i);
        c = asks(app);
        begins_to_wait(app, 2 * i + 1, 60000);
        stands_at(200000 * i + 30000);
        say(app, "t", "of somebody else");
        turns(app, 5);
        waited_until(200000 * i + 60000);
        begins_to_wait(app, 2 * i + 2, 30000);
        hears(app, c, done_says ? "HTTP/1.1 503 " : "HTTP/1.1 500 ");
        sse_db_exec(other, "ROLLBACK");
        stands_go_on();
        sse__sequence_sync(&app->topics->sequence);
    }
    dial_free(app);
    sse_db_close(post_db);
    sse_db_exec(other, "DROP TABLE sse_events");
    sse_db_close(other);
    stands_end();
}
#endif

/* Each allocation is the last one that is made: what is accepted is answered later, and once. */
static void scarce(const char *file) {
    sse_app            *app;
    sse_db             *db;
    sse_db_post_options o;
    int                 n, error = SSE_E_NOMEM, early = 0, wrong = 0;
    for (n = 0; n < 100 && error; n++) {
        db = open_db(file);
        app = begin();
        o = to(app, "a");
        good = n;
        error = sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", n);
        good = -1;
        early += n_answers;
        wrong += error != SSE_OK && error != SSE_E_NOMEM;
        if (error) wrong += sse_db_error(db, NULL) != SSE_E_NOMEM || db->posts || db->writer_jobs;
        wrong += sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", n) != SSE_OK;
        sse_db_close(db);
        wrong += n_answers != (error == SSE_OK) + 1;
        dial_free(app);
    }
    ok(n > 3 && n < 100, "%s: %d allocations are too few", file, n - 1);
    is_int(early, 0, "no answer came before sse_db_post returned");
    is_int(wrong, 0, "what was accepted was answered once, and all else without memory");
}

/* A failure is told in words also where there is no memory for them. */
static void scarce_words(void) {
    sse_db             *db = open_db(":memory:"); /* it runs on the loop */
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 n, i, wordless = 0;
    sse_db_exec(db, "INSERT INTO t (txt) VALUES ('x')");
    for (n = 0; n < 30; n++) {
        n_answers = 0;
        if (sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('x')")) wordless++;
        good = n;
        turns(app, 1);
        good = -1;
        for (i = 0; i < 30000 && !n_answers; i++) turns(app, 1);
        wordless += !strstr(answers[0], "UNIQUE") && !strstr(answers[0], "SSE_E_");
    }
    is_int(wordless, 0, "each failure has its words");
    dial_free(app);
    sse_db_close(db);
}

static sse_db *the_db;
static int     rounds;

/* An answer that posts the next one. */
static void again(sse_app *app, const sse_db_result *r, void *user) {
    sse_db_post_options o = to(app, "a");
    (void)r;
    (void)user;
    o.done = again;
    if (++rounds < 20) sse_db_post(the_db, &o, "INSERT INTO t (txt) VALUES (%d)", rounds);
}

static void close_it(sse_app *app, const sse_db_result *r, void *user) {
    (void)app;
    (void)r;
    (void)user;
    sse_db_close(the_db);
    the_db = NULL;
}

static int  chain_error;
static char chain_words[100];

static void chain(sse_app *app, const sse_db_result *r, void *user) { /* without an end */
    sse_db_post_options o = to(app, "a");
    (void)r;
    (void)user;
    o.done = chain;
    chain_error = sse_db_post(the_db, &o, "SELECT 1");
    snprintf(chain_words, sizeof chain_words, "%s", chain_error ? said(the_db) : "");
}

static int told[2]; /* of t, which is posted to, and of child, which another connection writes */

static void tells(sse_app *app, sse_db *db, void *user) {
    (void)app, (void)db;
    ++*(int *)user;
}

static int written; /* statements, one behind the other */

static void writes(sse_app *app, const sse_db_result *r, void *user) {
    sse_db_post_options o = to(app, "a");
    (void)r, (void)user;
    o.done = writes;
    written++;
    sse_db_post(the_db, &o, "INSERT INTO t (txt) VALUES (NULL)");
}

/* Commits are told of while there is always a statement that waits for its answer. */
static void told_meanwhile(void) {
    sse_app *app;
    sse_db  *other;
    the_db = open_db("told.db");
    other = open_db("told.db");
    app = begin();
    sse_on_commit(app, the_db, "t", tells, &told[0]);
    sse_on_commit(app, the_db, "child", tells, &told[1]);
    turns(app, 50);
    told[0] = told[1] = 0;
    writes(app, NULL, NULL);
    while (written < 20000 && told[0] < 5) turns(app, 1);
    ok(told[0] == 5, "its own are: %d times in %d statements", told[0], written);
    must(sse_db_exec(other, "INSERT INTO child VALUES (NULL)") == 1, "another's");
    for (told[1] = written = 0; written < 20000 && told[1] < 3;) turns(app, 1);
    ok(told[1] == 3, "... and another's");
    dial_free(app);
    sse_db_close(the_db);
    sse_db_close(other);
    unlink("told.db");
}

static void endless(void) { /* an answer that always posts again */
    sse_app            *app;
    sse_db_post_options o;
    the_db = open_db("posts.db");
    app = begin();
    o = to(app, "a");
    o.done = chain;
    sse_db_post(the_db, &o, "SELECT 1");
    turns(app, 20);
    is_int(chain_error, 0, "goes on");
    dial_free(app);
    is_int(chain_error, SSE_E_STATE, "until the app ends");
    is_str(chain_words, "the app or the database is about to go", "in words");
    app = begin();
    o = to(app, "a");
    o.done = chain;
    sse_db_post(the_db, &o, "SELECT 1");
    sse_db_close(the_db);
    is_int(chain_error, SSE_E_STATE, "or the database");
    is_str(chain_words, "the app or the database is about to go", "in words");
    dial_free(app);
}

static void close_first(void) { /* the first of seven answers closes the database */
    sse_app            *app;
    sse_db_post_options o;
    int                 i;
    the_db = open_db("posts.db");
    app = begin();
    o = to(app, "a");
    sse_db_post(the_db, &o, "SELECT 1"); /* with the thread: the others wait together */
    o.done = close_it;
    sse_db_post(the_db, &o, "SELECT 1");
    o.done = done;
    for (i = 0; i < 6; i++) sse_db_post(the_db, &o, "SELECT 1");
    for (i = 0; i < 30000 && the_db; i++) turns(app, 1);
    turns(app, 5);
    is_int(n_answers, 7, "all others are answered");
    dial_free(app);
}

static int commits;

static int commit(void *user) { return (void)user, commits++, 0; }

/* Where they run on the loop, in the connection that the program has. */
static void on_the_loop(void) {
    sse_db             *db = open_db(":memory:");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i, kept;
    char                sql[60];
    sse_db_exec(db, "INSERT INTO t (id) VALUES (7)");
    sse_db_post(db, &o, "UPDATE t SET txt = 'x'");
    wait_for(app, 1);
    is_answer(0, "a: 1 0 ");
    is_int(sse_db_last_id(db), 7, "what inserts nothing leaves the latest id as it is");
    sse_db_post(db, &o, "INSERT INTO t (id) VALUES (9)");
    wait_for(app, 2);
    is_int(sse_db_last_id(db), 9, "what inserts a row is the latest");
    sse_db_post(db, &o, "INSERT INTO t (txt) SELECT 'new' UNION ALL SELECT 'x'");
    wait_for(app, 3);
    ok(strstr(answers[2], "a: -17 0 UNIQUE") != NULL, "no id of what failed: %s", answers[2]);
    sqlite3_commit_hook(sse_db_raw(db), commit, NULL);
    for (i = 0; i < 7; i++) sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%d)", i);
    wait_for(app, 10);
    is_int(commits, 2, "the first of seven is committed alone, and the others together");
    sqlite3_commit_hook(sse_db_raw(db), NULL, NULL);
    for (i = 0, kept = 0; i < 20; i++) {
        if (i == 2) kept = db->statement_count;
        n_answers = 0;
        sse_db_post(db, &o, "BEGIN");
        sse_db_post(db, &o, "SELECT 1");
        sse_db_post(db, &o, "SELECT 2");
        sse_db_post(db, &o, "PRAGMA user_version");
        while (n_answers < 4) turns(app, 1);
    }
    is_answer(3, "a: 0 0 ");
    is_int(db->statement_count, kept, "none that is refused, or runs alone, stays in use");
    sse_db_post(db, &o, "SAVEPOINT a");
    wait_for(app, 5);
    ok(strstr(answers[4], "sse_db_write") != NULL, "a savepoint is a transaction: %s", answers[4]);
    sse_db_exec(db, "ATTACH ':memory:' AS aux");
    sse_db_post(db, &o, "DETACH aux");
    sse_db_post(db, &o, "DELETE FROM t");
    wait_for(app, 7);
    ok(strstr(answers[5], "ATTACH and DETACH") != NULL, "%s", answers[5]);
    ok(strstr(answers[6], "a: -") == NULL, "which holds up no other: %s", answers[6]);
    is_int(sse_db_exec(db, "PRAGMA user_version = 5"), 0, "a setting that the program has made");
    sse_db_post(db, &o, "PRAGMA user_version = 5");
    wait_for(app, 8);
    ok(strstr(answers[7], "a: -2") && strstr(answers[7], "PRAGMA"),
        "... cannot be posted either: %s", answers[7]);
    n_answers = 0;
    sqlite3_exec(sse_db_raw(db), "BEGIN; DELETE FROM t", NULL, NULL, NULL);
    sse_db_post(db, &o, "INSERT INTO t (id) VALUES (1)");
    wait_for(app, 1);
    ok(strstr(answers[0], "a: -9 0 a transaction of the program is open") != NULL,
        "none takes part in a transaction of the program: %s", answers[0]);
    sqlite3_exec(sse_db_raw(db), "ROLLBACK", NULL, NULL, NULL);
    sse_db_post(db, &o, "INSERT INTO t (id) VALUES (1)");
    wait_for(app, 2);
    is_answer(1, "a: 1 1 ");
    n_answers = 0;
    for (i = 0; i < 70; i++) { /* more than are kept prepared */
        snprintf(sql, sizeof sql, "DELETE FROM t WHERE id = -%d", i);
        sse_db_post(db, &o, sql);
    }
    wait_for(app, 70);
    for (i = 0; i < 70 && !strstr(answers[i], "a: -");) i++;
    is_int(i, 70, "nor is one taken for a transaction in whose place it was prepared");
    dial_free(app);
    sse_db_close(db);
}

static void read_only(void) { /* as it is for the program */
    sse_db_options      options;
    sse_db             *db;
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    memset(&options, 0, sizeof options);
    options.read_only = true;
    db = sse_db_open("posts.db", &options);
    sse_db_post(db, &o, "INSERT INTO t (data) VALUES (1)");
    wait_for(app, 1);
    ok(strstr(answers[0], "readonly") != NULL, "read only is so for what is posted: %s",
        answers[0]);
    dial_free(app);
    sse_db_close(db);
}

static void journal(void) { /* is the program's choice */
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    sse_db_exec(db, "PRAGMA journal_mode = DELETE");
    sse_db_post(db, &o, "DELETE FROM t");
    wait_for(app, 1);
    is_int(sse_db_one(db, NULL, "SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'delete'"),
        0, "a statement that is posted does not change the journal's mode");
    dial_free(app);
    sse_db_close(db);
}

static void unreachable(void) { /* the directory is elsewhere for a while */
    char                here[100], away[110];
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i;
    must(getcwd(here, sizeof here) != NULL, "a directory");
    snprintf(away, sizeof away, "%s-away", here);
    sse_db_close(db);
    snprintf(answers[MOST - 1], sizeof answers[0], "%s/posts.db", here);
    db = open_db(answers[MOST - 1]);
    for (i = 0; i < 2; i++) {
        must(rename(here, away) == 0, "moved");
        sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", 7);
        wait_for(app, 2 * i + 1);
        ok(strstr(answers[2 * i], "a: 1 ") != NULL, "it is posted to all the same: %s",
            answers[2 * i]);
        must(rename(away, here) == 0, "moved back");
        sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", 7);
        wait_for(app, 2 * i + 2);
        ok(strstr(answers[2 * i + 1], "a: 1 ") != NULL, "... as ever: %s", answers[2 * i + 1]);
    }
    is_int(sse_db_exec(db, "DELETE FROM t WHERE data = 7"), 4, "... where it belongs");
    dial_free(app);
    sse_db_close(db);
}

static int heard;

static void committed(sse_app *app, sse_db *db, void *user) {
    (void)app, (void)db, (void)user;
    heard++;
}

/* What is posted goes to the file that has the name now. left: with all that was beside the old
   one, which the writer has open. */
static void replaced(bool left) {
    sse_db             *db = open_db("old.db"), *next;
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i;
    is_int(sse_on_commit(app, db, "child", committed, NULL), 0, "a file is followed");
    db->writer_doubt_ms = 1000000; /* a thread that is slow is not taken for another process */
    sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('old')");
    wait_for(app, 1);
    next = open_db("new.db");
    sse_db_exec(next, "PRAGMA journal_mode = DELETE"); /* it has no -wal */
    sse_db_exec(next, "INSERT INTO t (txt) VALUES ('new'), ('newer')");
    sse_db_close(next);
    must(rename("new.db", "old.db") == 0, "replaced");
    if (!left) must(unlink("old.db-wal") == 0 && unlink("old.db-shm") == 0, "what was of it");
    for (i = 0; i < 30000 && count(db) != 2; i++) turns(app, 1);
    sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('posted')");
    wait_for(app, 2);
    is_int(count(db), 3, "what is posted then is written to the new one");
    ok(access("old.db-wal.old", F_OK) != 0, "... and nothing of the old one is kept");
    for (i = 0; i < 60; i++) turns(app, 1);
    heard = 0;
    sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('again')");
    wait_for(app, 3);
    for (i = 0; i < 30; i++) turns(app, 1);
    is_int(heard, 0, "... by a connection that is opened once, so that its tables are known");
    dial_free(app);
    sse_db_close(db);
    unlink("old.db");
}

static void forget(const char *file) { /* with all that belongs to it */
    char name[100];
    unlink(file);
    snprintf(name, sizeof name, "%s-wal", file);
    unlink(name);
    snprintf(name, sizeof name, "%s-shm", file);
    unlink(name);
}

static bool there(const char *file) { return access(file, F_OK) == 0; }

/* A file that is deleted lives on for its database, and what is posted is written there: nobody
   makes a new one, for which the old one would be given up. */
static void deleted(const char *name, bool followed, bool posted) {
    sse_db             *db = open_db(name);
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i, n = 0;
    if (followed) is_int(sse_on_commit(app, db, NULL, committed, NULL), 0, "it is followed");
    if (posted) sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%d)", n++);
    wait_for(app, n);
    sse_db_exec(db, "INSERT INTO t (txt) VALUES ('kept')");
    turns(app, 20);
    forget("gone.db");
    for (i = 0; i < 3; i++) {
        sse_db_post(db, &o, "INSERT INTO t (txt) VALUES (%d)", n++);
        wait_for(app, n);
        if (followed) sse__changes_tick(&app->changes->alarm);
        ok(strstr(answers[n - 1], "a: 1 ") != NULL, "what is posted is written: %s",
            answers[n - 1]);
        is_int(count(db), n + 1, name);
    }
    ok(!there("gone.db"), "the file is not there");
    dial_free(app);
    sse_db_close(db);
    forget("gone.db");
}

static void posts_where_it_reads(sse_app *app, sse_db *db) { /* the last that they do */
    sse_db_post_options o = to(app, "a");
    sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('posted')");
    wait_for(app, 1);
    is_answer(0, "a: 1 1 ");
    is_int(count(db), 1, "what is posted is where the database reads");
    dial_free(app);
    sse_db_close(db);
}

/* The new file is opened, but not set as the old one was: the database goes on with the old one,
   and what is posted goes there. */
static void replaced_in_vain(void) {
    sse_db  *db = open_db("old.db");
    sse_app *app = begin();
    int      length;
    sse_db_exec(db, "VACUUM INTO 'new.db'");
    must(rename("old.db", "aside.db") == 0, "moved");
    forget("old.db");
    must(rename("new.db", "old.db") == 0, "replaced");
    length = sqlite3_limit(db->raw, SQLITE_LIMIT_SQL_LENGTH, 10);
    is_int(sse__db_reopen(db), SSE_E_DB, "no settings can be asked for");
    sqlite3_limit(db->raw, SQLITE_LIMIT_SQL_LENGTH, length);
    posts_where_it_reads(app, db);
    forget("old.db");
    forget("aside.db");
}

static void replaced_unseen(void) { /* nothing follows it */
    sse_db  *db = open_db("old.db");
    sse_app *app = begin();
    sse_db_exec(db, "VACUUM INTO 'new.db'");
    forget("old.db");
    must(rename("new.db", "old.db") == 0, "replaced");
    posts_where_it_reads(app, db);
    forget("old.db");
}

/* The file goes behind what is on its way to the thread. */
static void goes_meanwhile(bool replaced, bool connected) {
    sse_db     *db = open_db("gone.db");
    sse__db_job job;
    const char *words;
    int         error;
    sse_db_exec(db, "VACUUM INTO 'new.db'");
    if (connected) must(sse__db_writer(db) != NULL, "a writer");
    if (connected) must(!sse__db_connect(db->writer, &db->writer->raw), "connected");
    memset(&job, 0, sizeof job);
    sse__db_job_begin(&job, db);
    ok(sse__db_job_is_away(&job), "a job is for the thread");
    forget("gone.db");
    if (replaced) must(rename("new.db", "gone.db") == 0, "replaced");
    error = sse__db_job_enter(&job);
    sse__db_job_leave(&job);
    if (connected) is_int(error, 0, "who has the file uses it");
    else is_int(error, SSE_E_DB, "who comes late does not");
    words = sse_buf_text(&job.on->message);
    if (!connected)
        ok(strstr(words, replaced ? "was replaced" : "unable to open") && strstr(words, "gone.db"),
            "... and says why: %s", words);
    is_int(there("gone.db"), replaced, "... and makes none");
    sse__db_job_end(&job);
    sse__db_job_begin(&job, db);
    ok(!sse__db_job_is_away(&job), "the next job stays on the loop");
    sse__db_job_end(&job);
    sse_db_close(db);
    forget("gone.db");
    unlink("new.db");
}

/* Only the file is replaced meanwhile, and what is beside it is of the old one. */
static void replaced_meanwhile(void) {
    sse_db     *db = open_db("old.db");
    sse__db_job job;
    sqlite3    *next = NULL;
    sse_db_exec(db, "VACUUM INTO 'new.db'");
    sse_db_exec(db, "INSERT INTO t (txt) VALUES ('old')");
    memset(&job, 0, sizeof job);
    sse__db_job_begin(&job, db);
    must(rename("new.db", "old.db") == 0, "replaced");
    is_int(sse__db_job_enter(&job), SSE_E_DB, "a job comes late");
    sse__db_job_leave(&job);
    sse__db_job_end(&job);
    ok(there("old.db-wal"), "... and leaves the old -wal as it is");
    sse_db_close(db);
    unlink("old.db-wal");
    unlink("old.db-shm");
    sqlite3_open("old.db", &next);
    db = sse_db_attach(next);
    is_int(count(db), 0, "... and the new file");
    sse_db_close(db);
    sqlite3_close(next);
    forget("old.db");
}

static void ends(void) { /* who goes waits for what was posted */
    sse_app            *app;
    sse_db_post_options o;
    int                 i;
    the_db = open_db("posts.db");
    app = begin();
    o = to(app, "a");
    sse_db_exec(the_db, "DELETE FROM t");
    for (i = 0; i < 5; i++) sse_db_post(the_db, &o, "INSERT INTO t (txt) VALUES (%d)", i);
    sse_db_close(the_db);
    is_int(n_answers, 5, "sse_db_close answers all first");
    turns(app, 5);
    is_int(n_answers, 5, "and once");
    the_db = open_db("posts.db");
    is_int(count(the_db), 5, "which are there");
    rounds = 0;
    o.done = again;
    sse_db_post(the_db, &o, "DELETE FROM t");
    for (i = 0; i < 30000 && rounds < 20; i++) turns(app, 1);
    is_int(rounds, 20, "an answer may post the next one");
    is_int(count(the_db), 19, "and each is done");
    o = to(app, "a");
    for (i = 0; i < 5; i++)
        sse_db_post(the_db, &o, "INSERT INTO t (txt) VALUES ('at the end ' || %d)", i);
    dial_free(app);
    is_int(n_answers, 10, "sse_app_free waits for them");
    is_int(count(the_db), 24, "and they are there");
    app = begin();
    o = to(app, "a");
    o.done = close_it;
    sse_db_post(the_db, &o, "DELETE FROM t");
    o.done = done;
    sse_db_post(the_db, &o, "INSERT INTO t (txt) VALUES ('after')");
    for (i = 0; i < 30000 && the_db; i++) turns(app, 1);
    turns(app, 5);
    ok(!the_db && n_answers == 1,
        "an answer may close the database: the others are answered before");
    sse_app_free(app);
}

static void settings(void) { /* of the connection that the program has */
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    long long           value = -1;
    sse_db_exec(db, "PRAGMA foreign_keys = OFF");
    sse_db_exec(db, "PRAGMA synchronous = FULL");
    sse_db_exec(db, "PRAGMA wal_autocheckpoint = 100");
    sse_db_post(db, &o, "INSERT INTO child VALUES (%d)", 12345);
    wait_for(app, 1);
    ok(strncmp(answers[0], "a: 1 ", 5) == 0, "foreign keys are off there, too: %s", answers[0]);
    sse_db_one(db->writer, &value, "PRAGMA synchronous");
    is_int(value, 2, "and synchronous is FULL");
    sse_db_one(db->writer, &value, "PRAGMA wal_autocheckpoint");
    is_int(value, 100, "and the WAL as short");
    sse_db_exec(db, "PRAGMA synchronous = NORMAL");
    sse_db_post(db, &o, "INSERT INTO child VALUES (%d)", 12346);
    wait_for(app, 2);
    sse_db_one(db->writer, &value, "PRAGMA synchronous");
    is_int(value, 1, "and NORMAL, once the program has it so");
    dial_free(app);
    sse_db_close(db);
}

static int rendered;

static void view(sse_view *v, sse_buf *html, void *user) {
    (void)v;
    (void)user;
    sse_printf(html, "<p id=\"v\">%d</p>", ++rendered);
}

static void views(void) { /* hear of what was posted, and of its table only */
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    sse_live_options    live;
    int                 before, i;
    memset(&live, 0, sizeof live);
    live.db = db;
    live.tables = "child";
    sse_live(app, "/v", view, &live);
    db->writer_doubt_ms = 1000000; /* a thread that is slow is not taken for another process */
    (void)dial(app, "/v", NULL);
    /* the first one opens the connection, which may wake any */
    sse_db_post(db, &o, "UPDATE t SET txt = txt");
    wait_for(app, 1);
    for (i = 0; i < 60; i++) turns(app, 1);
    before = rendered;
    for (i = 0; i < 10; i++) {
        sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", i);
        wait_for(app, i + 2);
        poll(NULL, 0, 3);
        turns(app, 3);
    }
    is_int(rendered, before, "a view is not rendered for another table");
    sse_db_post(db, &o, "INSERT INTO child VALUES (NULL)");
    for (i = 0; i < 30000 && rendered == before; i++) turns(app, 1);
    is_int(rendered, before + 1, "and once for its own");
    for (i = 0; i < 30; i++) turns(app, 1);
    before = rendered;
    sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", i);
    wait_for(app, 13);
    for (i = 0; i < 30; i++) turns(app, 1);
    is_int(rendered, before, "and not with the next one for another");
    must(sse_db_exec(db, "UPDATE t SET txt = txt") >= 0, "written by the loop");
    for (i = 0; i < 30; i++) turns(app, 1);
    is_int(rendered, before, "nor for what the loop itself has written there");
    sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", i);
    wait_for(app, 14);
    for (i = 0; i < 30; i++) turns(app, 1);
    is_int(rendered, before, "... and what is posted behind that");
    dial_free(app);
    sse_db_close(db);
}

static int rendered_then; /* as the answer came */

static void done_then(sse_app *app, const sse_db_result *r, void *user) {
    rendered_then = rendered;
    done(app, r, user);
}

/* What a statement has written is shown in the turn of its answer. */
static void shown_at_once(void) {
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    sse_live_options    live;
    int                 i, k, late = 0;
    memset(&live, 0, sizeof live);
    live.db = db;
    sse_live(app, "/v", view, &live);
    db->writer_doubt_ms = 1000000; /* a thread that is slow is not taken for another process */
    (void)dial(app, "/v", NULL);
    o.done = done_then;
    for (i = 0; i < 20; i++) {
        sse_db_post(db, &o, "INSERT INTO t (data) VALUES (%d)", i);
        for (k = 0; k < 3000 && n_answers == i; k++) turns(app, 1);
        late += i > 0 && rendered == rendered_then; /* the first one opens the connection */
        for (k = 0; k < 10; k++) turns(app, 1);
    }
    is_int(n_answers, 20, "20 are answered");
    is_int(late, 0, "... and shown in the same turns");
    dial_free(app);
    sse_db_close(db);
}

/* What the thread writes to is one file: others may write to those that are attached. */
static void attached_by_us(void) {
    sse_db             *db = open_db("posts.db"), *other = open_db("beside.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i, k;
    sse_db_exec(db, "ATTACH 'beside.db' AS beside");
    is_int(sse_on_commit(app, db, NULL, committed, NULL), 0, "two files are followed");
    db->writer_doubt_ms = 1000000; /* a thread that is slow is not taken for another process */
    sse_db_post(db, &o, "INSERT INTO t (txt) VALUES ('beside')");
    wait_for(app, 1);
    for (i = 0; i < 60; i++) turns(app, 1);
    for (k = 0; k < 3; k++) {
        heard = 0;
        is_int(sse_db_exec(other, "INSERT INTO t (data) VALUES (%d)", k), 1, "others write");
        for (i = 0; i < 3000 && !heard; i++) turns(app, 1);
        ok(heard > 0, "... which is heard");
        for (i = 0; i < 30; i++) turns(app, 1);
    }
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
    forget("beside.db");
}

/* What one statement has written is told by name also where another one was on its way when it was
   looked at. */
static void names_in_doubt(void) {
    sse_db             *db = open_db("posts.db");
    sse_app            *app = begin();
    sse_db_post_options o = to(app, "a");
    int                 i;
    is_int(sse_on_commit(app, db, "child", committed, NULL), 0, "a table is followed");
    db->writer_doubt_ms = 1000000; /* a thread that is slow is not taken for another process */
    sse_db_post(db, &o, "UPDATE t SET txt = txt");
    wait_for(app, 1);
    for (i = 0; i < 60; i++) turns(app, 1);
    heard = 0;
    db->writer_jobs = 1;
    db->writer_since = sse__clock_ms();
    sse_db_post(db, &o, "INSERT INTO child VALUES (NULL)");
    wait_for(app, 2);
    for (i = 0; i < 20; i++) turns(app, 1);
    is_int(heard, 0, "as long as another is on its way nothing is known");
    db->writer_jobs = 0;
    for (i = 0; i < 3000 && !heard; i++) turns(app, 1);
    is_int(heard, 1, "... then it is told");
    dial_free(app);
    sse_db_close(db);
}

/* Which commit was the thread's is not known while it has the file: for a moment that is waited
   for. */
static void doubts(void) {
    sse_db        *db = open_db("posts.db");
    sse_app       *app = begin();
    sse__committer by = SSE__BY_NOBODY;
    sse__dbfile   *f;
    int            i;
    is_int(sse_on_commit(app, db, NULL, committed, NULL), 0, "a file is followed");
    must(sse__db_writer(db) != NULL, "a writer");
    for (f = app->changes->files; f && strcmp(f->schema, "main");) f = f->next;
    for (i = 0; i < 2; i++)
        is_int(sse__dbfile_ask_writer(f, db), SSE__BY_OTHERS, "it has written nothing yet");
    must(!sse__db_connect(db->writer, &db->writer->raw), "connected");
    for (i = 0; i < 2; i++) {
        is_int(sse__dbfile_ask_writer(f, db), SSE__BY_OTHERS, "its first look tells nothing");
        is_int(sse__dbfile_ask_writer(f, db), SSE__BY_US, "... the next one does");
        db->writer->anew = true; /* nor does the first one of another connection */
    }
    db->writer_jobs = 1;
    for (i = 0; i < 1000 && by != SSE__BY_UNKNOWN; i++) {
        db->writer_since = sse__clock_ms();
        by = sse__dbfile_ask_writer(f, db);
    }
    is_int(by, SSE__BY_UNKNOWN, "a statement that has just gone to the thread may have committed");
    db->writer_since = sse__clock_ms() - SSE__WRITER_MS;
    is_int(sse__dbfile_ask_writer(f, db), SSE__BY_OTHERS, "... later it counts as anybody's");
    db->writer_jobs = 0;
    dial_free(app);
    sse_db_close(db);
}

int main(void) {
    char dir[] = "/tmp/sse-posts-XXXXXX";
    int  i;
    must(mkdtemp(dir) && chdir(dir) == 0, "a directory");
    sleeps_begin();
    loop_self = pthread_self();
    row("posts.db");
    row(":memory:");
    deferred("posts.db");
    deferred(":memory:");
    refused();
    unanswered();
    replies("posts.db");
    replies(":memory:");
#ifndef SSE_NO_THREADS /* without, the loop waits for the lock */
    full();
    deadlines();
    alone_in_vain();
    events_wait_as_well();
    failures_leave();
#endif
    busy();
    on_the_loop();
    read_only();
    journal();
    unreachable();
    replaced(false);
    replaced(true);
    for (i = 0; i < 4; i++) deleted("gone.db", i & 1, i & 2);
    deleted("file:gone.db?mode=rwc", true, false);
    replaced_in_vain();
    replaced_unseen();
    replaced_meanwhile();
    for (i = 0; i < 4; i++) goes_meanwhile(i & 1, i & 2);
    ends();
    endless();
    told_meanwhile();
    scarce(":memory:");
    scarce("posts.db");
    scarce_words();
    close_first();
    settings();
    views();
    shown_at_once();
    attached_by_us();
    names_in_doubt();
    doubts();
    must(unlink("posts.db") == 0 && chdir("/") == 0 && rmdir(dir) == 0,
        "the directory is empty again");
    return tap_done();
}
#else
int main(void) {
    sse_app            *app = sse_app_new(NULL);
    sse_db_post_options o;
    memset(&o, 0, sizeof o);
    o.app = app;
    is_int(sse_db_post(sse_db_open("x", NULL), &o, "SELECT 1"), SSE_E_NOT_BUILT,
        "it was not built");
    sse_app_free(app);
    return tap_done();
}
#endif
