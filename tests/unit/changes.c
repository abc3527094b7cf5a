/* >>changes: who hears of which commit, with real files, other connections and other processes. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What comes just before a -wal loses its name; before it is looked which file has a name. */
static void (*meanwhile)(void), (*before_look)(void);
static int other_disk; /* all files are said to lie on that one, by the same numbers */

static void comes(void (**what)(void), const char *path, const char *end) {
    void (*const fn)(void) = *what;
    const size_t len = strlen(path);
    if (!fn || len < strlen(end) || strcmp(path + len - strlen(end), end) != 0) return;
    *what = NULL;
    fn();
}

static int rename_late(const char *from, const char *to) {
    comes(&meanwhile, from, "-wal");
    return rename(from, to);
}

static int unlink_late(const char *path) {
    comes(&meanwhile, path, "-wal");
    return unlink(path);
}

static int stat_late(const char *path, struct stat *s) {
    const int error = (comes(&before_look, path, ".db"), stat(path, s));
    if (!error) s->st_dev += (dev_t)other_disk;
    return error;
}

#define rename        rename_late
#define unlink        unlink_late
#define stat(path, s) stat_late(path, s)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#ifdef SSE_NO_SQLITE
int main(void) {
    sse_app app;
    memset(&app, 0, sizeof app);
    is_int(sse__changes_watch(&app, sse_db_open("x", NULL)), SSE_E_NOT_BUILT,
        "without SQLite nothing can be followed");
    return tap_done();
}
#else

static char      dir[] = "/tmp/sse-changes-XXXXXX", heard[4096], logged[512];
static sse_app   app;
static sse_db   *db;
static sqlite3  *other; /* a connection the library knows nothing of */
static int       turns;
static long long n;

static void must(bool held, const char *name) { /* said only if it did not */
    if (!held) ok(false, "%s", name);
}

static const char *file(const char *name) {
    static char path[8][256];
    static int  turn;
    char       *p = path[turn++ % 8];
    snprintf(p, 256, "%s/%s", dir, name);
    return p;
}

static void on_change(sse_app *told, sse_db *which, sse_str table) {
    const size_t len = strlen(heard);
    char         name[100] = "*";
    if (table.ptr) snprintf(name, sizeof name, "%.*s", SSE_STR(table));
    must(told == &app && which == db, "told what was not given");
    strcat(name, " ");
    if (strncmp(name, "main.sqlite_", 12) && !strstr(heard, name) && len < 4000)
        strcat(heard, name);
}

static void on_log(int level, const char *line, void *user) {
    (void)level;
    (void)user;
    snprintf(logged, sizeof logged, "%s", line);
}

static void turn(int timeout_ms) {
    turns++;
    sse__loop_wait(&app.loop, timeout_ms);
    sse__changes_look(&app);
}

/* Whom the views hear of within ms: "main.t ", "* ", "". Ends soon after the first. */
static const char *hears(int ms) {
    static char result[4096];
    uint64_t    end;
    sse__changes_look(&app); /* the end of the turn in which the program wrote */
    for (end = sse__clock_ms() + (uint64_t)ms; !heard[0] && sse__clock_ms() < end;)
        turn((int)(end - sse__clock_ms()));
    if (heard[0])
        for (end = sse__clock_ms() + 12; sse__clock_ms() < end;) turn(3);
    memcpy(result, heard, sizeof result);
    heard[0] = '\0';
    return result;
}

static void hears_only(int ms, const char *want, const char *name) {
    const char *got = hears(ms);
    is_str(got, want, name);
}

enum { QUIET = 25 }; /* ms to wait for what must not come */

static void rest(void) { /* as if nothing had happened for long */
    hears(QUIET);
    sse__changes_schedule(app.changes, SSE__LOOK_SLOW_MS);
}

static void tick(void) { sse__changes_tick(&app.changes->alarm); } /* the look that is due */

static int follow(void) { /* there are no views and no topics: on_change hears in their place */
    const int error = sse__changes_watch(&app, db);
    if (error) return error;
    app.changes->fn = on_change;
    app.changes->unverified = false;
    return SSE_OK;
}

#define own(sql)               must(sse_db_exec(db, sql) >= 0, sql)
static void others(const char *sql) {
    must(sqlite3_exec(other, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static void begin(const char *name, const char *mode) {
    char sql[64];
    memset(&app, 0, sizeof app);
    app.options.on_log = on_log;
    logged[0] = heard[0] = '\0';
    sse__app_open(&app);
    db = strcmp(name, ":memory:") ? sse_db_open(file(name), NULL) : sse_db_open(name, NULL);
    other = NULL;
    if (strcmp(name, ":memory:")) sqlite3_open(file(name), &other);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", mode);
    sqlite3_exec(db->raw, sql, NULL, NULL, NULL);
    sse_db_migrate(db,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE u(a); CREATE TABLE log(a);"
        "CREATE TABLE child(p REFERENCES t(id) ON DELETE CASCADE);"
        "CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID;"
        "CREATE TRIGGER g AFTER INSERT ON u BEGIN INSERT INTO log VALUES(new.a); END;"
        "CREATE VIEW v AS SELECT a FROM t;");
    is_int(follow(), 0, name);
    hears(QUIET);
}

static void begin_again(const char *name) { /* with what there is */
    memset(&app, 0, sizeof app);
    app.options.on_log = on_log;
    logged[0] = heard[0] = '\0';
    sse__app_open(&app);
    db = sse_db_open(file(name), NULL);
    other = NULL;
    is_int(follow(), 0, name);
    hears(QUIET);
}

static void end(void) {
    sse_db_close(db);
    ok(app.changes == NULL, "closing the database ends the following");
    if (other) sqlite3_close(other);
    sse__app_drain(&app);
    sse__loop_close(&app.loop);
}

static int undone(sse_db *d, void *user) {
    (void)user;
    sse_db_exec(d, "INSERT INTO t(a) VALUES(1)");
    return 1;
}

static int partly_undone(sse_db *d, void *user) {
    (void)user;
    sse_db_exec(d, "INSERT INTO w VALUES(%lld)", ++n);
    sse_db_write(d, undone, NULL);
    return 0;
}

static void by_us(const char *mode) { /* G2 */
    char name[32];
    snprintf(name, sizeof name, "own-%s.db", mode);
    begin(name, mode);
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "main.t ", "our insert wakes its table");
    hears_only(QUIET, "", "once");
    own("INSERT INTO u VALUES(1)");
    hears_only(QUIET, "main.u main.log ", "a trigger");
    own("INSERT INTO child VALUES(1)");
    hears(QUIET);
    own("DELETE FROM t WHERE id = 1");
    hears_only(QUIET, "main.t main.child ", "a cascade");
    own("INSERT INTO t(a) VALUES(1)");
    own("DELETE FROM t");
    hears_only(QUIET, "main.t main.child ", "the truncating DELETE");
    own("DELETE FROM log");
    hears_only(QUIET, "main.log ", "also where nothing refers to the table");
    own("REPLACE INTO w VALUES(-1)");
    own("REPLACE INTO w VALUES(-1)");
    hears_only(QUIET, "main.w ", "REPLACE in a table WITHOUT ROWID");
    own("DROP TABLE child");
    hears_only(QUIET, "* ", "DROP");
    own("UPDATE t SET a = 2 WHERE id = 999");
    hears_only(QUIET, "", "an update of no row");
    own("BEGIN");
    own("INSERT INTO t(a) VALUES(2)");
    hears_only(QUIET, "", "an open transaction");
    own("COMMIT");
    hears_only(QUIET, "main.t ", "its commit, turns later");
    own("BEGIN");
    own("INSERT INTO t(a) VALUES(3)");
    own("ROLLBACK");
    hears_only(QUIET, "", "a rollback");
    sse_db_write(db, undone, NULL);
    hears_only(QUIET, "", "sse_db_write that rolls back");
    sse_db_write(db, partly_undone, NULL);
    hears_only(QUIET, "main.w main.t ", "a savepoint that rolls back in a commit is told with it");
    own("INSERT INTO t(a) VALUES(4)");
    own("PRAGMA wal_checkpoint(TRUNCATE)");
    hears_only(QUIET, "main.t ", "a commit and a checkpoint");
    own("PRAGMA wal_checkpoint(TRUNCATE)");
    hears_only(QUIET, "", "a checkpoint alone");
    own("VACUUM");
    hears_only(QUIET, "* ", "VACUUM, which may number rows anew");
    hears_only(QUIET, "", "is over after one wake");
    own("INSERT INTO t(a) VALUES(5)");
    hears_only(QUIET, "main.t ", "and after it all is as before");
    own("CREATE TEMP TABLE x(a)");
    hears(QUIET);
    own("INSERT INTO x VALUES(1)");
    hears_only(QUIET, "temp.x ", "a temporary table");
    sqlite3_exec(sse_db_raw(db), "INSERT INTO u VALUES(8)", NULL, NULL, NULL);
    ok(strstr(hears(QUIET), "main.u ") != NULL, "the raw connection");
    end();
}

/* In the program's own SQL; sse_db_write is above. What a commit leaves out is told with it, never
   less than it holds. */
static void savepoints(const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "savepoints-%s.db", mode);
    begin(name, mode);
    own("SAVEPOINT a");
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "", "an open savepoint");
    own("ROLLBACK TO a");
    own("RELEASE a");
    hears_only(QUIET, "main.t ",
        "a savepoint undone wholly: it ends in a commit, though nothing is in it");
    own("BEGIN");
    own("INSERT INTO u VALUES(1)");
    must(sse_db_exec(db, "ROLLBACK TO a") < 0, "there is no savepoint any more");
    own("COMMIT");
    hears_only(QUIET, "main.u main.log ", "a savepoint that is gone takes no names along");
    own("BEGIN");
    own("INSERT INTO w VALUES(101)");
    own("SAVEPOINT a");
    own("INSERT INTO t(a) VALUES(1)");
    own("SAVEPOINT b");
    own("INSERT INTO u VALUES(1)");
    own("ROLLBACK TO a");
    own("COMMIT");
    hears_only(QUIET, "main.w main.t main.u main.log ",
        "what stays of a transaction, and what was undone in it");
    own("SAVEPOINT a");
    own("INSERT INTO t(a) VALUES(1)");
    own("SAVEPOINT \"A\" -- another one");
    own("INSERT INTO u VALUES(1)");
    own("ROLLBACK TRANSACTION TO SAVEPOINT a");
    own("INSERT INTO w VALUES(102)");
    own("RELEASE a");
    own("INSERT INTO child VALUES(NULL)");
    own("RELEASE a");
    hears_only(QUIET, "main.t main.u main.log main.w main.child ",
        "likewise, with two savepoints of a name");
    own("SAVEPOINT a");
    own("INSERT INTO t(a) VALUES(1)");
    own("SAVEPOINT a");
    own("INSERT INTO u VALUES(1)");
    own("RELEASE a");
    own("ROLLBACK TO a");
    own("INSERT INTO w VALUES(103)");
    own("COMMIT");
    hears_only(QUIET, "main.t main.u main.log main.w ",
        "and with one that was released in one that was undone");
    own("SAVEPOINT a");
    own("INSERT INTO t(a) VALUES(1)");
    own("ROLLBACK TO a");
    own("INSERT INTO t(a) VALUES(2)");
    own("RELEASE a");
    hears_only(QUIET, "main.t ", "undone and done again");
    own("INSERT INTO w VALUES(104)");
    own("BEGIN");
    own("INSERT INTO t(a) VALUES(1)");
    own("ROLLBACK");
    sse_db_write(db, undone, NULL);
    hears_only(QUIET, "main.w main.t ", "a commit, and in the same turn two rollbacks");
    hears_only(QUIET, "", "once");
    others("BEGIN; SAVEPOINT a; INSERT INTO t(a) VALUES(1); ROLLBACK TO a; ROLLBACK");
    hears_only(QUIET, "", "another connection's savepoint and transaction undone");
    others("SAVEPOINT a; INSERT INTO t(a) VALUES(1); ROLLBACK TO a; RELEASE a");
    hears_only(500, "* ",
        "what it commits is a commit, though nothing is in it: SQLite itself cannot tell");
    hears_only(QUIET, "", "once");
    others(
        "BEGIN; INSERT INTO w VALUES(105); SAVEPOINT a; INSERT INTO t(a) VALUES(1); ROLLBACK TO a; "
        "COMMIT");
    hears_only(500, "* ", "half of a transaction by others");
    own("BEGIN");
    must(sse_db_migrate(db, "INSERT INTO w VALUES(107); COMMIT; BEGIN; INSERT INTO u VALUES(1)") <
             0,
        "COMMIT");
    own("ROLLBACK");
    hears_only(QUIET, "", "a script that would commit is refused");
    own("SAVEPOINT a");
    own("INSERT INTO w VALUES(106)");
    sqlite3_exec(sse_db_raw(db), "SAVEPOINT a", NULL, NULL, NULL);
    own("INSERT INTO u VALUES(1)");
    own("ROLLBACK TO a");
    own("COMMIT");
    hears_only(QUIET, "main.w main.u main.log ",
        "where the raw connection has savepoints no name is dropped");
    end();
}

static int  hook_calls;
static void program_hook(void *user, int action, const char *schema, const char *table,
    sqlite3_int64 id) {
    (void)user, (void)action, (void)schema, (void)table, (void)id;
    hook_calls++;
}

static int program_commit(void *user) { return (void)user, hook_calls++, 0; }
static int program_authorizer(void *user, int action, const char *a, const char *b, const char *c,
    const char *d) {
    return (void)user, (void)action, (void)a, (void)b, (void)c, (void)d, SQLITE_OK;
}

static void raw_and_hooks(void) {
    sqlite3      *raw;
    sqlite3_stmt *stmt;
    begin("raw.db", "WAL");
    raw = sse_db_raw(db);
    sqlite3_prepare_v2(raw, "INSERT INTO w VALUES(?)", -1, &stmt, NULL);
    hears(QUIET);
    sqlite3_bind_int(stmt, 1, 1);
    sqlite3_step(stmt);
    sqlite3_reset(stmt);
    hears_only(QUIET, "main.w ", "a statement that the program prepared earlier");
    own("INSERT INTO t(a) VALUES(1)");
    ok(strstr(hears(QUIET), "main.t ") != NULL, "our own with it");
    sqlite3_update_hook(raw, program_hook, NULL);
    sqlite3_commit_hook(raw, program_commit, NULL);
    own("INSERT INTO t(a) VALUES(2)");
    ok(strstr(hears(QUIET), "main.t ") != NULL && hook_calls == 2,
        "hooks of the program's own are left alone");
    sqlite3_exec(raw, "CREATE TABLE made(a)", NULL, NULL, NULL);
    hears_only(500, "* ", "a table that is made there: any");
    own("INSERT INTO t(a) VALUES(2)");
    hears_only(QUIET, "* ", "... from then on");
    sqlite3_set_authorizer(raw, program_authorizer, NULL);
    own("INSERT INTO t(a) VALUES(2)");
    hears_only(QUIET, "* ", "an authorizer of its own hides the names: any table");
    sqlite3_finalize(stmt);
    end();
}

static void by_others(const char *mode) {
    char name[32];
    snprintf(name, sizeof name, "others-%s.db", mode);
    begin(name, mode);
    others("INSERT INTO t(a) VALUES(1)");
    hears_only(500, "* ", "another connection's insert");
    hears_only(QUIET, "", "once");
    others("DELETE FROM t");
    hears_only(500, "* ", "its truncating DELETE");
    others("BEGIN; INSERT INTO t(a) VALUES(1); ROLLBACK");
    hears_only(QUIET, "", "its rollback");
    others("BEGIN; INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "", "its open transaction");
    others("COMMIT");
    hears_only(500, "* ", "its commit");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 1,
        "which who is woken sees");
    others("PRAGMA wal_checkpoint");
    hears_only(QUIET, "", "its checkpoint");
    others("REPLACE INTO w VALUES(1); REPLACE INTO w VALUES(1)");
    hears_only(500, "* ", "its REPLACE");
    others("DROP TABLE log");
    hears_only(500, "* ", "its DROP");
    others("VACUUM");
    hears(100);
    hears_only(QUIET, "", "its VACUUM is over after one wake");
    own("INSERT INTO t(a) VALUES(5)");
    hears_only(QUIET, "main.t ", "then ours again, by name");
    own("INSERT INTO t(a) VALUES(6)");
    others("INSERT INTO t(a) VALUES(7)");
    ok(strstr(hears(QUIET), "* ") != NULL, "both within a turn: any table");
    end();
}

/* The disk's thread always has a job, as when several write there: who commits meanwhile is not
   known for a moment, and then told as another. */
static void busy_writer(void) {
    sse__db_job job[2];
    uint64_t    until;
    int         i = 0;
    memset(job, 0, sizeof job);
    begin("busy.db", "WAL");
    sse__db_job_begin(&job[0], db);
    others("INSERT INTO t(a) VALUES(1)");
    for (until = sse__clock_ms() + 2000; !heard[0] && sse__clock_ms() < until; i = !i) {
        sse__db_job_begin(&job[!i], db);
        sse__db_job_end(&job[i]);
        turn(1);
    }
    is_str(heard, "* ", "another's commit while the disk's thread works without a rest");
    sse__db_job_end(&job[i]);
    hears(QUIET);
    end();
}

static void attached_databases(void) {
    sqlite3 *second;
    begin("main.db", "WAL");
    sse_db_exec(db, "ATTACH %s AS aux", file("aux.db"));
    own("CREATE TABLE aux.q(a)");
    hears(QUIET);
    own("INSERT INTO q VALUES(1)");
    hears_only(QUIET, "aux.q ", "an attached database, by us");
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "main.t ", "not when it is another");
    sqlite3_open(file("aux.db"), &second);
    sqlite3_exec(second, "INSERT INTO q VALUES(2)", NULL, NULL, NULL);
    hears_only(500, "* ", "by others");
    own("BEGIN");
    own("INSERT INTO q VALUES(3)");
    own("INSERT INTO t(a) VALUES(3)");
    own("COMMIT");
    hears_only(QUIET, "aux.q main.t ", "two files in one commit");
    own("DETACH aux");
    hears(QUIET);
    sqlite3_exec(second, "INSERT INTO q VALUES(4)", NULL, NULL, NULL);
    hears_only(QUIET, "", "detached: no longer");
    sqlite3_close(second);
    rest();
    sse_db_exec(db, "ATTACH %s AS aux", file("aux.db"));
    hears_only(QUIET, "* ", "attached again, with what was committed meanwhile");
    ok(!db->schemas_changed, "... which is looked at once");
    own("DETACH aux");
    sse_db_exec(db, "ATTACH %s AS aux", file("third.db"));
    own("CREATE TABLE aux.q(a)");
    hears(QUIET);
    sqlite3_open(file("third.db"), &second);
    sqlite3_exec(second, "INSERT INTO q VALUES(2)", NULL, NULL, NULL);
    hears_only(500, "* ", "another file by the same name");
    sqlite3_close(second);
    sse_db_exec(db, "ATTACH %s AS main2", file("fourth.db"));
    own("CREATE TABLE main2.q(a)");
    hears(QUIET);
    own("BEGIN");
    own("INSERT INTO main2.q VALUES(1)");
    own("ROLLBACK");
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "main.t ", "a name that begins like another's");
    end();
}

static void attached_connection(const char *mode) {
    sqlite3 *raw;
    char     name[32];
    snprintf(name, sizeof name, "mine-%s.db", mode);
    begin(name, mode);
    sse_db_close(db);
    sqlite3_open(file(name), &raw);
    db = sse_db_attach(raw);
    follow();
    hears(QUIET);
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "* ", "a connection of the program's: any table");
    must(sqlite3_exec(raw, "INSERT INTO t(a) VALUES(1)", NULL, NULL, NULL) == SQLITE_OK,
        "its own way of writing");
    hears_only(QUIET, "* ", "also where the program writes without us");
    own("BEGIN");
    own("INSERT INTO t(a) VALUES(1)");
    own("ROLLBACK");
    hears_only(QUIET, "", "a rollback");
    own("SELECT 1");
    hears_only(QUIET, "", "reading wakes nobody");
    own("CREATE INDEX i ON t(a)");
    hears_only(QUIET, "* ", "but whatever is no reading does");
    others("INSERT INTO t(a) VALUES(1)");
    hears_only(500, "* ", "others write");
    others("BEGIN; INSERT INTO t(a) VALUES(1); ROLLBACK");
    hears_only(QUIET, "", "or roll back");
    end();
    sqlite3_close(raw);
}

static void attached_memory(void) { /* no other connection tells of it */
    sqlite3 *raw;
    begin(":memory:", "MEMORY");
    sse_db_close(db);
    sqlite3_open(":memory:", &raw);
    db = sse_db_attach(raw);
    follow();
    own("CREATE TABLE t(a)");
    hears(QUIET);
    own("INSERT INTO t VALUES(1)");
    hears_only(QUIET, "* ", "a connection of the program's to memory");
    tick();
    hears_only(QUIET, "", "... is not told of when nothing was written");
    end();
    sqlite3_close(raw);
}

static void read_only(const char *mode) {
    sse_db_options options;
    char           name[32];
    memset(&options, 0, sizeof options);
    options.read_only = true;
    snprintf(name, sizeof name, "read-%s.db", mode);
    begin(name, mode);
    sse_db_close(db);
    db = sse_db_open(file(name), &options);
    is_int(follow(), 0, "a database that is only read");
    hears(QUIET);
    must(sse_db_exec(db, "INSERT INTO t(a) VALUES(1)") < 0, "read only");
    hears_only(QUIET, "", "what is refused wakes nobody");
    others("INSERT INTO t(a) VALUES(1)");
    hears_only(500, "* ", "others write");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 1, "which is seen");
    end();
}

static void in_memory(void) {
    begin(":memory:", "MEMORY");
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "main.t ", "a database in memory");
    own("BEGIN");
    own("INSERT INTO t(a) VALUES(1)");
    hears_only(QUIET, "", "not before its commit");
    own("COMMIT");
    hears_only(QUIET, "main.t ", "then");
    own("CREATE TEMP TABLE x(a)");
    hears(QUIET);
    own("INSERT INTO x VALUES(1)");
    hears_only(QUIET, "temp.x ", "a temporary table beside it");
    sqlite3_exec(sse_db_raw(db), "INSERT INTO u VALUES(1)", NULL, NULL, NULL);
    hears_only(QUIET, "main.u main.log ", "by the raw connection");
    tick();
    is_str(logged, "", "that it has no file is not logged");
    end();
}

static void open_rows(void) {
    sse_rows   *r;
    const char *got = "";
    int         i;
    begin("rows.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    own("INSERT INTO t(a) VALUES(2)");
    hears(QUIET);
    r = sse_db_query(db, "SELECT a FROM t");
    ok(sse_db_next(r), "a query is left open");
    others("INSERT INTO t(a) VALUES(3)");
    hears_only(QUIET, "", "another connection commits");
    is_str(logged, "", "a moment is nothing to be logged");
    for (i = 0; i < 300 && !*got && !strstr(logged, "SELECT a FROM t"); i++) got = hears(100);
    is_str(got, "", "whoever looks now would see the past: nobody is woken");
    is_str(logged,
        "views wait for the end of a query that is still open (sse_db_done): SELECT a FROM t",
        "the log says what is in the way");
    logged[0] = '\0';
    for (i = 0; i < 12; i++) tick();
    is_str(logged, "", "once");
    sse_db_done(r);
    hears_only(QUIET, "* ", "done, and everybody is");
    r = sse_db_query(db, "SELECT a FROM t");
    ok(sse_db_next(r), "another one");
    others("INSERT INTO t(a) VALUES(4)");
    for (i = 0; i < 300 && !logged[0]; i++) hears(100);
    ok(strncmp(logged, "views wait for", 14) == 0, "... is told of as well: %s", logged);
    sse_db_done(r);
    end();
}

static void open_transaction(void) {
    const char *got = "";
    char        command[600];
    int         i;
    begin("begun.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    hears(QUIET);
    own("BEGIN");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 1, "a transaction reads");
    others("INSERT INTO t(a) VALUES(2)");
    for (i = 0; i < 300 && !*got && !logged[0]; i++) got = hears(100);
    is_str(got, "", "as long as it lasts nobody is woken");
    is_str(logged, "views wait for the end of a transaction", "... which the log says as well");
    own("COMMIT");
    hears_only(QUIET, "* ", "over, and everybody is");
    snprintf(command, sizeof command, "cp %s %s", file("begun.db"), file("next.db"));
    ok(system(command) == 0 && rename(file("next.db"), file("begun.db")) == 0,
        "the file is replaced, its -wal is not");
    for (i = 0; i < 300 && !strstr(logged, "was replaced"); i++) hears(100);
    ok(strstr(logged, "opened the new one") != NULL, "which is told, whatever was told before: %s",
        logged);
    end();
}

/* What was rendered meanwhile may show what is not there any more. */
static void rolled_back(void) {
    begin("undone.db", "WAL");
    sqlite3_exec(sse_db_raw(db), "BEGIN; INSERT INTO t(a) VALUES(1)", NULL, NULL, NULL);
    hears_only(QUIET, "", "a transaction that lasts for turns");
    sqlite3_exec(sse_db_raw(db), "ROLLBACK", NULL, NULL, NULL);
    hears_only(QUIET, "main.t ", "... is told of when it was rolled back");
    sqlite3_exec(sse_db_raw(db), "BEGIN", NULL, NULL, NULL);
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t"), 0, "one that reads");
    hears_only(QUIET, "", "... lasts");
    sqlite3_exec(sse_db_raw(db), "ROLLBACK", NULL, NULL, NULL);
    hears_only(QUIET, "", "... and is not");
    end();
}

static void replaced(void) {
    int      i;
    char     command[600];
    sqlite3 *next;
    begin("live.db", "WAL");
    sqlite3_open(file("new.db"), &next);
    sqlite3_exec(next, "CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t(a) VALUES(77)",
        NULL, NULL, NULL);
    sqlite3_close(next);
    own("INSERT INTO t(a) VALUES(1)");
    hears(QUIET);
    snprintf(command, sizeof command, "cp %s %s", file("new.db"), file("next.db"));
    ok(system(command) == 0 && rename(file("next.db"), file("live.db")) == 0,
        "the file is replaced, its -wal is not");
    hears_only(1500, "* ", "everybody is woken");
    is_int(sse_db_one(db, &n, "SELECT a FROM t") == 0 ? n : -1, 77, "and sees the new file");
    own("INSERT INTO t(a) VALUES(78)");
    hears_only(QUIET, "main.t ", "which is followed");
    sqlite3_open(file("live.db"), &next);
    ok(sqlite3_exec(next, "INSERT INTO t(a) VALUES(79)", NULL, NULL, NULL) == SQLITE_OK,
        "others write to it");
    hears_only(500, "* ", "and are heard");
    sqlite3_close(next);
    for (i = 0; i < 2; i++) {
        logged[0] = '\0';
        if (i == 0) must(system(command) == 0 && rename(file("next.db"), file("live.db")) == 0, "");
        tick();
        is_int(strstr(logged, "opened the new one") != NULL, i == 0, "once more it is told");
    }
    end();
}

static long long asked(const char *name, const char *sql) { /* by a connection of its own */
    long long     value = -1;
    sqlite3      *c;
    sqlite3_stmt *stmt = NULL;
    sqlite3_open(file(name), &c);
    sqlite3_prepare_v2(c, sql, -1, &stmt, NULL);
    if (stmt && sqlite3_step(stmt) == SQLITE_ROW) value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(c);
    return value;
}

static const char whole[] = "SELECT count(*) FROM pragma_integrity_check"
                            " WHERE integrity_check = 'ok'";

/* The -wal of the old file is large, and so is the new file, which has nothing to do with it. The
   old one is still there by another name. */
static void replaced_large(void) {
    static const char rows[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                               " WHERE i < 5000) INSERT INTO t(a) SELECT 'row ' || i FROM n";
    char              sql[400];
    sqlite3          *next;
    struct stat       s;
    int               fd, looks;
    begin("large.db", "WAL");
    sqlite3_open(file("new-large.db"), &next);
    snprintf(sql, sizeof sql,
        "PRAGMA journal_mode = WAL; CREATE TABLE x(a);"
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a); %s",
        rows);
    must(sqlite3_exec(next, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
    sqlite3_close(next);
    own("DELETE FROM t");
    own("PRAGMA wal_autocheckpoint = 0");
    own(rows);
    own("UPDATE t SET a = a || ' of the old file'");
    hears(QUIET);
    must(stat(file("large.db-wal"), &s) == 0 && s.st_size > 100000, "a large -wal");
    must(link(file("large.db"), file("aside.db")) == 0, "another name");
    must(rename(file("new-large.db"), file("large.db")) == 0, "replaced");
    own("INSERT INTO t(a) VALUES('the last of the old file')");
    fd = open(dir, O_RDONLY);
    must(flock(fd, LOCK_EX) == 0, "another server takes away what is left of the old one");
    tick();
    is_str(logged, "", "one server at a time opens what replaces a file");
    is_int(app.changes->delay_ms, 2 * SSE__LOOK_SOON_MS, "... and another looks again soon");
    for (looks = 0; looks < 300 && !logged[0]; looks++) hears(100);
    ok(strstr(logged, "locked its directory") != NULL, "that lasts: the log says so: %s", logged);
    is_int(sse_db_exec(db, "DELETE FROM t"), SSE_E_DB, "... and nothing more is written");
    close(fd);
    ok(strstr(hears(1500), "* ") != NULL, "a large file is replaced by another one");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 5000, "... which is read");
    is_int(sse_db_one(db, &n, whole) == 0 ? n : -1, 1, "... and is whole");
    own("INSERT INTO t(a) VALUES('new')");
    is_int(asked("large.db", whole), 1, "... for others, too");
    is_int(asked("large.db", "SELECT count(*) FROM t"), 5001, "... with what is written to it");
    is_int(asked("aside.db", whole), 1, "the old one is whole as well");
    is_int(asked("aside.db", "SELECT count(*) FROM t WHERE a LIKE '%old file'"), 5001,
        "... with all that was written to that");
    ok(access(file("large.db-wal.old"), F_OK) != 0, "no -wal is kept");
    end();
    is_int(asked("large.db", whole), 1, "the new one stays whole");
    is_int(asked("large.db", "SELECT count(*) FROM t"), 5001, "... after the end");
    unlink(file("aside.db"));
}

/* Others are in the middle of the old file, so that not all of its -wal can go there. */
static void replaced_while_read(void) {
    static const char *const kept[] = {"read.db-wal.old", "read.db-wal.old2", "read.db-wal.old3"};
    static const char *const away[] = {"first.db", "second.db", "third.db"};
    sqlite3                 *reader[3];
    sqlite3_stmt            *reads[3];
    char                     name[40];
    int                      i;
    begin("read.db", "WAL");
    must(asked("new.db", "SELECT a FROM t") == 77, "the next");
    for (i = 0; i < 3; i++) {
        logged[0] = '\0';
        own("INSERT INTO t(a) VALUES(1)");
        sqlite3_open(file("read.db"), &reader[i]);
        sqlite3_prepare_v2(reader[i], "SELECT a FROM t UNION ALL SELECT 2", -1, &reads[i], NULL);
        must(sqlite3_step(reads[i]) == SQLITE_ROW, "a row");
        must(sse_db_exec(db, "INSERT INTO t(a) VALUES(%d)", 100 + i) == 1, "written");
        hears(QUIET);
        must(link(file("new.db"), file("next.db")) == 0, "its copy");
        must(rename(file("read.db"), file(away[i])) == 0, "away");
        must(rename(file("next.db"), file("read.db")) == 0, "replaced");
        hears_only(1500, "* ", "a file that others read is replaced");
        is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 77, "... and opened");
        ok(access(file(kept[i]), F_OK) == 0, "what may be in the old -wal alone is kept");
        ok(strstr(logged, "whole only with ") && strstr(logged, kept[i]), "... as is said: %s",
            logged);
        must(unlink(file("new.db")) == 0, "it is the file that is written now");
        if (i < 2) must(sse_db_exec(db, "VACUUM INTO %s", file("new.db")) >= 0, "the next");
    }
    for (i = 0; i < 3; i++) {
        sqlite3_finalize(reads[i]);
        sqlite3_close(reader[i]);
        snprintf(name, sizeof name, "%s-wal", away[i]);
        must(rename(file(kept[i]), file(name)) == 0, "by the name of its file");
        is_int(asked(away[i], "SELECT max(a) FROM t"), 100 + i, "each is whole with its own");
    }
    end();
    is_int(asked("read.db", whole), 1, "... and no part of the new one");
}

/* later.db, and another one in the file next.db, which holds 77. */
static void begin_beside_next(void) {
    sqlite3 *next;
    begin("later.db", "WAL");
    end();
    sqlite3_open(file("next.db"), &next);
    sqlite3_exec(next,
        "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a);"
        "DELETE FROM t; INSERT INTO t(a) VALUES(77)",
        NULL, NULL, NULL);
    sqlite3_close(next);
    begin_again("later.db");
    own("INSERT INTO t(a) VALUES(1)");
}

/* The file is replaced between the opening of the database and its following. */
static void replaced_before(void) {
    begin_beside_next();
    sse_db_close(db);
    must(asked("later.db", "PRAGMA journal_mode = DELETE") == 0, "its -wal comes as it is opened");
    db = sse_db_open(file("later.db"), NULL);
    own("INSERT INTO t(a) VALUES(2)");
    must(rename(file("later.db"), file("aside.db")) == 0, "moved");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    is_int(follow(), 0, "a database is followed whose file was replaced before");
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "... which is noticed: %s", logged);
    is_int(sse_db_one(db, &n, "SELECT sum(a) FROM t") == 0 ? n : -1, 77, "... and so it is");
    end();
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "the new one is as it came");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 2, "the old one has what was written");
    unlink(file("later.db"));
    unlink(file("aside.db"));
}

static void next_comes(void) {
    must(rename(file("later.db"), file("aside.db")) == 0, "moved");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
}

/* The file is replaced just when it is open, and nothing of it was looked at. */
static void replaced_as_opened(bool attached) {
    begin_beside_next();
    end();
    if (attached) {
        begin("first.db", "WAL");
        must(sse_db_exec(db, "ATTACH %s AS later", file("later.db")) >= 0, "attached");
        own("INSERT INTO later.t(a) VALUES(2)");
        next_comes();
    } else {
        before_look = next_comes;
        begin_again("later.db");
    }
    tick();
    ok(!before_look && strstr(logged, "later.db was replaced: "),
        "a file is replaced as it is opened: %s", logged);
    if (attached) must(sse_db_exec(db, "ATTACH %s AS later", file("later.db")) >= 0, "again");
    is_int(sse_db_one(db, &n, attached ? "SELECT sum(a) FROM later.t" : "SELECT sum(a) FROM t"), 0,
        "... and opened");
    is_int(n, 77, "... anew");
    end();
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "the new one is as it came");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), attached ? 2 : 1, "the old one is whole");
    unlink(file("first.db"));
    unlink(file("later.db"));
    unlink(file("aside.db"));
}

/* The new file is locked by who has made it: the loop does not wait, and looks again. */
static void replaced_by_locked(void) {
    const char *again = "PRAGMA busy_timeout";
    uint64_t    since;
    int         i;
    begin_beside_next();
    hears(QUIET);
    sqlite3_open(file("next.db"), &other);
    others("BEGIN EXCLUSIVE");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    since = sse__clock_ms();
    tick();
    ok(sse__clock_ms() - since < 1000, "a new file that is locked: the loop goes on");
    is_str(logged, "", "... which is nothing to be logged for a moment");
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 1, "... reads the old one");
    for (i = 0; i < 300 && !logged[0]; i++) hears(100);
    ok(strstr(logged, "or the new file") != NULL, "... but then: %s", logged);
    others("COMMIT");
    for (i = 0; i < 300 && !strstr(logged, "opened the new one"); i++) hears(100);
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 77, "... until it is not");
    is_int(sse_db_one(db, &n, again) == 0 ? n : -1, 5000, "calls wait as before");
    own("INSERT INTO t(a) VALUES(78)");
    end();
    unlink(file("later.db"));
}

static void copy_part(const char *from, const char *to, off_t at, size_t count) {
    char      *bytes = (char *)malloc(count);
    const int  in = open(file(from), O_RDONLY), out = open(file(to), O_WRONLY | O_CREAT, 0644);
    const bool all = pread(in, bytes, count, at) == (ssize_t)count &&
                     pwrite(out, bytes, count, at) == (ssize_t)count;
    must(all, "a part of a copy");
    close(in);
    close(out);
    free(bytes);
}

enum { EMPTY, HEAD_ONLY, HALF, HALF_FOR_GOOD };

/* The new file is written under the name of ours, which was deleted: it is opened when it is whole,
   and nothing is written to it before. */
static void replaced_by_part(int how) {
    static const off_t    parts[] = {0, 60, 4096, 4096};
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    struct stat           s;
    off_t                 size;
    int                   i;
    begin_beside_next();
    must(asked("next.db", "VACUUM") == -1 && stat(file("next.db"), &s) == 0, "next.db");
    size = s.st_size;
    must(size > 4096, "of several pages");
    hears(QUIET);
    unlink(file("later.db"));
    unlink(file("later.db-wal"));
    unlink(file("later.db-shm"));
    copy_part("next.db", "later.db", 0, (size_t)parts[how]);
    if (how == HALF_FOR_GOOD) utimensat(AT_FDCWD, file("later.db"), old, 0);
    for (i = 0; i < 5; i++) tick();
    is_str(logged, "", "a file that is written where ours was");
    must(stat(file("later.db"), &s) == 0, "there");
    is_int(s.st_size, parts[how], "... is left alone until it is whole");
    for (i = 0; i < 300 && !logged[0]; i++) hears(100);
    ok(strstr(logged, how == HALF_FOR_GOOD ? "anew: restart" : "not complete") != NULL,
        "... which is logged: %s", logged);
    is_int(sse_db_exec(db, "DELETE FROM t"), SSE_E_DB, "... and nothing is written");
    copy_part("next.db", "later.db", parts[how], (size_t)(size - parts[how]));
    for (i = 0; i < 300 && !strstr(logged, "opened the new one"); i++) hears(100);
    is_int(sse_db_one(db, &n, "SELECT sum(a) FROM t") == 0 ? n : -1, 77, "then it is opened");
    own("INSERT INTO t(a) VALUES(78)");
    end();
    is_int(asked("later.db", whole), 1, "... and stays whole");
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77 + 78, "... with what was written to it");
    unlink(file("later.db"));
    unlink(file("next.db"));
}

/* Another disk is mounted over the directory, and its files have the numbers of ours. */
static void replaced_by_disk(void) {
    struct stat before, after;
    begin_beside_next();
    unlink(file("later.db-wal.old"));
    hears(QUIET);
    must(stat(file("later.db-wal"), &before) == 0, "a -wal");
    other_disk = 1;
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "another disk has that file: %s", logged);
    must(stat(file("later.db-wal"), &after) == 0, "a -wal");
    ok(after.st_ino == before.st_ino, "... and its -wal stays");
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 1, "... which is read");
    end();
    other_disk = 0;
    unlink(file("later.db"));
}

/* An attached file is replaced as well, or alone. */
static void replaced_beside(bool both) {
    static const char make[] = "PRAGMA journal_mode = WAL; CREATE TABLE b(a);";
    sqlite3          *next;
    int               i;
    for (i = 0; i < 2; i++) {
        sqlite3_open(file(i ? "beside-next.db" : "beside.db"), &next);
        must(sqlite3_exec(next, make, NULL, NULL, NULL) == SQLITE_OK, make);
        sqlite3_close(next);
    }
    begin_beside_next();
    must(sse_db_exec(db, "ATTACH %s AS beside", file("beside.db")) >= 0, "attached");
    own("INSERT INTO beside.b VALUES(5)");
    hears(QUIET);
    own("INSERT INTO beside.b VALUES(6)");
    must(rename(file("beside.db"), file("aside.db")) == 0, "moved");
    must(rename(file("beside-next.db"), file("beside.db")) == 0, "replaced");
    if (both) must(rename(file("next.db"), file("later.db")) == 0, "replaced as well");
    tick();
    ok(strstr(logged, "beside.db was replaced: ATTACH the new one") || both,
        "an attached file is replaced: %s", logged);
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, both ? 77 : 1, "main");
    must(sse_db_exec(db, "ATTACH %s AS beside", file("beside.db")) >= 0, "attached again");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM beside.b") == 0 ? n : -1, 0, "the new one");
    end();
    is_int(asked("aside.db", "SELECT sum(a) FROM b"), 11, "the old one has what was written");
    unlink(file("aside.db"));
    unlink(file("beside.db"));
    unlink(file("later.db"));
}

static void on_other(sse_app *told, sse_db *which, sse_str table) {
    (void)told, (void)which, (void)table;
}

/* Others have the old file as well, and notice later or never that it was replaced: what they
   commit until they let go is in it all the same. */
static void replaced_for_several(void) {
    sse_app  app2;
    sse_db  *follows, *unseen;
    sqlite3 *plain;
    begin_beside_next();
    unlink(file("later.db-wal.old"));
    follows = sse_db_open(file("later.db"), NULL); /* as another server */
    memset(&app2, 0, sizeof app2);
    app2.options.on_log = on_log;
    sse__app_open(&app2);
    is_int(sse__changes_watch(&app2, follows), 0, "two follow a file");
    app2.changes->fn = on_other;
    app2.changes->unverified = false;
    unseen = sse_db_open(file("later.db"), NULL);
    sqlite3_open(file("later.db"), &plain);
    sqlite3_exec(plain, "INSERT INTO t(a) VALUES(2)", NULL, NULL, NULL);
    must(sse_db_exec(unseen, "INSERT INTO t(a) VALUES(3)") == 1, "3");
    hears(QUIET);
    must(rename(file("later.db"), file("aside.db")) == 0, "moved");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "one of them opens the new file: %s", logged);
    ok(strstr(logged, "later.db-wal.old") != NULL, "... and keeps what others write to");
    is_int(sse_db_exec(follows, "INSERT INTO t(a) VALUES(4)"), 1, "the other has not noticed");
    logged[0] = '\0';
    sse__changes_tick(&app2.changes->alarm);
    ok(strstr(logged, "opened the new one") != NULL, "... then it has: %s", logged);
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 4, "what it wrote is in the old file");
    is_int(sse_db_exec(unseen, "INSERT INTO t(a) VALUES(5)"), 1, "a third one never does");
    sse_db_close(unseen);
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 5, "what it wrote is there as it closes");
    is_int(sqlite3_exec(plain, "INSERT INTO t(a) VALUES(6)", NULL, NULL, NULL), 0, "and SQLite");
    sqlite3_close(plain);
    must(rename(file("later.db-wal.old"), file("aside.db-wal")) == 0, "by the name of its file");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 6, "... is heard by what was kept");
    is_int(asked("aside.db", whole), 1, "... which is whole");
    is_int(sse_db_exec(db, "INSERT INTO t(a) VALUES(78)"), 1, "the new one is written");
    sse_db_close(follows);
    sse__app_drain(&app2);
    sse__loop_close(&app2.loop);
    end();
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77 + 78, "... and has nothing of the old");
    unlink(file("aside.db"));
    unlink(file("later.db"));
}

static bool is_its_own(void) { return sse__db_wal_is_its_own(db->raw, "main"); }

static void overwrite(off_t at, int whence) { /* 8 bytes of the -wal */
    const int fd = open(file("whose.db-wal"), O_RDWR);
    must(lseek(fd, at, whence) > 0 && write(fd, "others..", 8) == 8, "overwritten");
    close(fd);
}

static void whose_wal_alone(const char *uri, const char *name) { /* it has no shared memory */
    char path[300];
    begin("alone.db", "DELETE");
    end();
    snprintf(path, sizeof path, uri, file("alone.db"));
    sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL);
    others("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; INSERT INTO u VALUES(1)");
    ok(!sse__db_wal_is_its_own(other, "main"), "%s: it is not known whose its -wal is", name);
    ok(access(file("alone.db-shm"), F_OK) != 0, "... and that it is asked makes no -shm");
    sqlite3_close(other);
}

static void whose_wal(void) {
    static const struct {
        bool        restarted;
        int         at, whence;
        bool        still;
        const char *name;
    } rows[] = {{true, 16, SEEK_SET, false, "the header, where nothing counts"},
        {true, 32 + 8, SEEK_SET, true, "the first frame, which does not count"},
        {false, 16, SEEK_SET, false, "the header"},
        {false, 8 - 24 - 4096, SEEK_END, false, "the last frame"}};
    char   command[600];
    size_t i;
    begin(":memory:", "MEMORY");
    ok(!is_its_own(), "a database in memory has no -wal");
    end();
    begin("persist.db", "PERSIST");
    own("INSERT INTO t(a) VALUES(1)");
    ok(!is_its_own(), "a rollback journal is none");
    ok(access(file("persist.db-shm"), F_OK) != 0, "... and that it is asked makes no -shm");
    end();
    whose_wal_alone("file:%s", "an exclusive connection");
    whose_wal_alone("file:%s?vfs=unix-none", "one whose system has no shared memory");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        begin("whose.db", "WAL");
        own("PRAGMA wal_checkpoint(TRUNCATE)");
        own("CREATE TABLE one(a)");
        ok(is_its_own(), "what SQLite has just written is its own");
        if (rows[i].restarted) own("PRAGMA wal_checkpoint(RESTART)");
        ok(is_its_own(), "... also if nothing of it counts any more");
        overwrite(rows[i].at, rows[i].whence);
        is_int(is_its_own(), rows[i].still, rows[i].name);
        end();
        unlink(file("whose.db"));
        unlink(file("whose.db-wal"));
    }
    begin("whose.db", "WAL");
    snprintf(command, sizeof command, "cp %s %s", file("whose.db-wal"), file("older-wal"));
    must(system(command) == 0, "a backup");
    own("PRAGMA wal_checkpoint(TRUNCATE)");
    snprintf(command, sizeof command, "cp %s %s", file("older-wal"), file("whose.db-wal"));
    must(system(command) == 0, "put back, where it lies");
    ok(!is_its_own(), "one of before, where nothing was, is not");
    end();
    unlink(file("whose.db"));
    unlink(file("whose.db-wal"));
}

static void write_file(const char *name, const char *text) {
    const int fd = open(file(name), O_WRONLY | O_CREAT | O_APPEND, 0644);
    must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), name);
    close(fd);
}

/* An exclusive connection keeps its lock as long as it is there, and its -wal is kept. */
static void replaced_exclusive(void) {
    begin_beside_next();
    sse_db_close(db);
    db = sse_db_open(file("later.db"), NULL);
    own("PRAGMA locking_mode = EXCLUSIVE");
    own("INSERT INTO t(a) VALUES(5)");
    is_int(follow(), 0, "a file that its connection has for itself");
    hears(QUIET);
    unlink(file("later.db-wal.old"));
    must(rename(file("later.db"), file("aside.db")) == 0, "away");
    write_file("later.db", "no database, and as long as the head of one: ...................."
                           "....................................................................");
    tick();
    is_int(asked("aside.db", "SELECT count(*) FROM t"), -1, "... is not opened by others");
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 5,
        "... as long as it is read");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    tick();
    ok(strstr(logged, "opened the new one, the old one is whole only with ") != NULL,
        "... which "
        "ends: %s",
        logged);
    is_int(sse_db_one(db, &n, "SELECT sum(a) FROM t") == 0 ? n : -1, 77, "the new one is read");
    end();
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "... and is whole");
    must(rename(file("later.db-wal.old"), file("aside.db-wal")) == 0, "by the name of its file");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 5,
        "... as is the old one, with what is kept");
    unlink(file("later.db"));
    unlink(file("aside.db"));
}

/* The -wal has the inode of the old one, but may hold what came with the new file: nobody can tell.
   And then nobody is told that a write was done. */
static void replaced_in_doubt(void) {
    const char salt[8] = {'o', 't', 'h', 'e', 'r', 's', '.', '.'};
    int        i, fd;
    begin_beside_next();
    hears(QUIET);
    fd = open(file("later.db-wal"), O_RDWR);
    must(pwrite(fd, salt, 8, 16) == 8, "another -wal in its place");
    close(fd);
    must(rename(file("later.db"), file("aside.db")) == 0, "away");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    for (i = 0; i < 2; i++) {
        logged[0] = '\0';
        tick();
        is_int(strstr(logged, "the old -wal is still there: stop, remove ") != NULL, i == 0,
            "a -wal that may be of the one or the other is left to a human");
    }
    ok(access(file("later.db-wal"), F_OK) == 0, "... is still there");
    is_int(sse_db_exec(db, "INSERT INTO t(a) VALUES(5)"), SSE_E_DB, "nothing is written meanwhile");
    must(rename(file("later.db"), file("next.db")) == 0, "away");
    must(rename(file("aside.db"), file("later.db")) == 0, "the old one again");
    tick();
    is_int(sse_db_exec(db, "DELETE FROM t WHERE a = 5"), 0, "the old one is back: it is written");
    must(rename(file("next.db"), file("later.db")) == 0, "and replaced again");
    tick();
    must(unlink(file("later.db-wal")) == 0 && unlink(file("later.db-shm")) == 0, "removed");
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "when that is gone it is opened: %s", logged);
    is_int(sse_db_exec(db, "INSERT INTO t(a) VALUES(78)"), 1, "... and written");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 2, "... the new one");
    end();
    unlink(file("later.db"));
}

/* The -wal was begun or begun anew since it was looked at, by the commit just before the file is
   replaced: it is of the old file, however it differs from what it was. */
static void replaced_at_once(void) {
    static const struct {
        const char *before, *then, *name;
    } rows[] = {{"PRAGMA wal_checkpoint(TRUNCATE)", NULL, "the first write, then another file"},
        {"PRAGMA wal_checkpoint", NULL, "a -wal begun anew"},
        {"PRAGMA wal_checkpoint", "PRAGMA wal_checkpoint(RESTART)", "to be begun anew"},
        {"DELETE FROM t WHERE a = 99", NULL, "a -wal that goes on"}};
    size_t i;
    for (i = 0; i < 2 * SSE__COUNT(rows); i++) {
        const bool by_us = i % 2;
        begin_beside_next();
        sqlite3_open(file("later.db"), &other);
        must(link(file("later.db"), file("aside.db")) == 0, "another name");
        own(rows[i / 2].before);
        hears(QUIET);
        if (by_us) own("INSERT INTO t(a) VALUES(2)");
        else others("INSERT INTO t(a) VALUES(2)");
        if (rows[i / 2].then) own(rows[i / 2].then);
        must(rename(file("next.db"), file("later.db")) == 0, "replaced");
        tick();
        ok(strstr(logged, "opened the new one") != NULL, "%s, by %s: %s", rows[i / 2].name,
            by_us ? "us" : "others", logged);
        is_int(sse_db_exec(db, "INSERT INTO t(a) VALUES(78)"), 1, "... which is written");
        end();
        is_int(asked("aside.db", "SELECT max(a) FROM t"), 2, "... and the old one is whole");
        is_int(asked("later.db", "SELECT sum(a) FROM t"), 77 + 78, "... as is the new one");
        unlink(file("aside.db"));
        unlink(file("later.db"));
    }
}

enum { WAL_LEFT, WAL_EMPTIED, RAW_GIVEN, ROWS_OPEN, NO_TIME, NO_NAME, IN_DOUBT };

/* Nothing was in the -wal as the following began: what came into it is no part of a new file. */
static void replaced_later(int how) {
    static const char *const wants[] = {"opened the new one", "opened the new one",
        "later.db was replaced and cannot be opened anew: restart", "opened the new one"};
    char                     command[600];
    sqlite3                 *next;
    sse_rows                *rows = NULL;
    int                      i;
    begin_beside_next();
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 1, "what there is");
    hears(QUIET);
    if (how != WAL_LEFT) own("PRAGMA wal_checkpoint(TRUNCATE)");
    if (how == RAW_GIVEN) sqlite3_exec(sse_db_raw(db), "SELECT 1", NULL, NULL, NULL);
    if (how == ROWS_OPEN) rows = sse_db_query(db, "SELECT a FROM t UNION ALL SELECT 2");
    if (rows) must(sse_db_next(rows), "a row");
    snprintf(command, sizeof command, "cp %s %s", file("next.db"), file("copy.db"));
    ok(system(command) == 0 && rename(file("copy.db"), file("later.db")) == 0,
        "a file is replaced, its -wal is not");
    for (i = 0; rows && i < 5; i++) tick();
    if (rows) ok(sse_db_next(rows) && !sse_db_next(rows), "rows that are open go on first");
    for (i = 0; i < 300 && !strstr(logged, "was replaced"); i++) hears(100);
    ok(strstr(logged, wants[how]) != NULL, "the log says what comes of it: %s", logged);
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, how == RAW_GIVEN ? 1 : 77,
        "and so it is");
    is_int(sse_db_exec(db, "DELETE FROM t WHERE a = 99"), how == RAW_GIVEN ? SSE_E_DB : 0,
        "nothing is written to a file that nobody sees");
    if (how == WAL_EMPTIED) {
        own("INSERT INTO t(a) VALUES(78)");
        sqlite3_open(file("later.db"), &next);
        ok(sqlite3_exec(next, "INSERT INTO t(a) VALUES(79)", NULL, NULL, NULL) == SQLITE_OK,
            "others write to the new one");
        is_int(sse_db_one(db, &n, "SELECT count(*) FROM t") == 0 ? n : -1, 3, "all is there");
        sqlite3_close(next);
    }
    end();
    is_int(asked("later.db", "SELECT min(a) FROM t"), 77, "the end leaves the new one whole");
    unlink(file("later.db"));
}

/* There was no time to open the new file, or no way: what is left of the old one is no part of the
   new one at the next start. */
static void replaced_at_the_end(int how) {
    sse_rows *rows = NULL;
    int       fd;
    begin_beside_next();
    hears(QUIET);
    unlink(file("later.db-wal.old"));
    own("INSERT INTO t(a) VALUES(2)");
    if (how == IN_DOUBT) {
        fd = open(file("later.db-wal"), O_RDWR);
        must(pwrite(fd, "others..", 8, 16) == 8, "another -wal in its place");
        close(fd);
    }
    if (how == ROWS_OPEN) rows = sse_db_query(db, "SELECT a FROM t UNION ALL SELECT 3");
    if (rows) must(sse_db_next(rows), "a row");
    must(rename(file("later.db"), file("aside.db")) == 0, "moved");
    if (how != NO_NAME) must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    if (how == IN_DOUBT) tick();
    sse__changes_stop(&app);
    ok(strstr(logged, "its -wal is ") && strstr(logged, "later.db-wal.old now"),
        "the end puts the old -wal aside: %s", logged);
    ok(access(file("later.db-wal"), F_OK) != 0, "... so that it is not beside the new file");
    if (how == NO_TIME) own("INSERT INTO t(a) VALUES(3)");
    end();
    if (how == NO_NAME) must(rename(file("next.db"), file("later.db")) == 0, "put in its place");
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "the next start finds the new one");
    if (how != IN_DOUBT)
        is_int(asked("aside.db", "SELECT max(a) FROM t"), how == NO_TIME ? 3 : 2,
            "... and the old");
    unlink(file("later.db"));
    unlink(file("aside.db"));
}

/* The new connection is set as the old one was. */
static void replaced_as_set(void) {
    static const struct {
        const char *set, *ask;
        long long   value;
    } rows[] = {{"PRAGMA synchronous = FULL", "PRAGMA synchronous", 2},
        {"PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys", 0},
        {"PRAGMA wal_autocheckpoint = 100", "PRAGMA wal_autocheckpoint", 100},
        {"PRAGMA cache_size = -77", "PRAGMA cache_size", -77},
        {"PRAGMA journal_size_limit = -1", "PRAGMA journal_size_limit", -1},
        {"ATTACH ':memory:' AS beside", "SELECT count(*) FROM pragma_database_list", 1}};
    size_t i;
    begin_beside_next();
    for (i = 0; i < SSE__COUNT(rows); i++) own(rows[i].set);
    hears(QUIET);
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    hears_only(1500, "* ", "a file is replaced whose connection has settings of the program's");
    for (i = 0; i < SSE__COUNT(rows); i++)
        is_int(sse_db_one(db, &n, rows[i].ask) == 0 ? n : -9, rows[i].value, rows[i].set);
    end();
    unlink(file("later.db"));
}

/* Others write to the new file while a query of the old one is open: what they write has a -wal of
   its own. */
static void replaced_and_written(void) {
    sqlite3  *next;
    sse_rows *rows;
    int       i;
    begin_beside_next();
    hears(QUIET);
    rows = sse_db_query(db, "SELECT a FROM t UNION ALL SELECT 2");
    must(sse_db_next(rows), "a row");
    must(rename(file("next.db"), file("later.db")) == 0, "replaced");
    must(unlink(file("later.db-wal")) == 0 && unlink(file("later.db-shm")) == 0, "all of it");
    sqlite3_open(file("later.db"), &next);
    ok(sqlite3_exec(next, "PRAGMA journal_mode = WAL; INSERT INTO t(a) VALUES(79)", NULL, NULL,
           NULL) == SQLITE_OK,
        "others write to a file that has replaced ours");
    for (i = 0; i < 5; i++) tick();
    is_str(logged, "", "as long as a query is open it is not looked at");
    sse_db_done(rows);
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "then it is opened: %s", logged);
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 79, "with what they wrote");
    sqlite3_close(next);
    end();
    unlink(file("later.db"));
}

/* backup.db, with 500 rows of which all but the first are in its -wal. */
static void make_backup(void) {
    static const char rows[] = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n"
                               " WHERE i < 500) INSERT INTO t(a) SELECT 500 FROM n";
    sqlite3          *c;
    sqlite3_open(file("backup.db"), &c);
    must(sqlite3_exec(c,
             "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, a);"
             "INSERT INTO t(a) VALUES(500); PRAGMA wal_checkpoint(TRUNCATE)",
             NULL, NULL, NULL) == SQLITE_OK,
        "a backup");
    must(sqlite3_exec(c, rows, NULL, NULL, NULL) == SQLITE_OK, rows);
    sqlite3_db_config(c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(c);
    unlink(file("backup.db-shm"));
}

static void wal_comes(void) {
    must(rename(file("backup.db-wal"), file("later.db-wal")) == 0, "its -wal");
}

static void backup_comes(void) {
    must(rename(file("backup.db"), file("later.db")) == 0, "the backup");
}

enum { WAL_FIRST, WAL_BEFORE_LOOK, NO_FILE, JUST_THEN };

/* A backup comes with its -wal, which is no part of the old file, whenever it comes. */
static void restored(int how) {
    static const char *const names[] = {"the -wal of a backup comes first", "... just before it",
        "... when nothing is left", "... as the old one is taken away"};
    begin_beside_next();
    make_backup();
    must(link(file("later.db"), file("aside.db")) == 0, "another name");
    unlink(file("later.db-wal.old"));
    hears(QUIET);
    if (how == NO_FILE) {
        unlink(file("later.db"));
        unlink(file("later.db-wal"));
        unlink(file("later.db-shm"));
    }
    if (how == NO_FILE) tick();
    if (how == JUST_THEN) meanwhile = wal_comes;
    else wal_comes();
    if (how == WAL_FIRST || how == NO_FILE) tick();
    backup_comes();
    tick();
    ok(!meanwhile && strstr(logged, "opened the new one"), "%s: %s", names[how], logged);
    is_int(sse_db_one(db, &n, "SELECT sum(a) FROM t") == 0 ? n : -1, 500 * 500, "... whole");
    ok(access(file("later.db-wal.old"), F_OK) != 0, "... and none is kept");
    own("INSERT INTO t(a) VALUES(1)");
    end();
    is_int(asked("later.db", whole), 1, "... at the next start as well");
    is_int(asked("later.db", "SELECT count(*) FROM t"), 501, "... with what was written then");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 1, "the old file has all that was its own");
    is_int(asked("aside.db", whole), 1, "... and is whole");
    unlink(file("aside.db"));
    unlink(file("later.db"));
}

/* A copy of both files is put back: its -wal holds the same as the one that it replaces. */
static void restored_alike(void) {
    char command[900];
    begin_beside_next();
    snprintf(command, sizeof command, "cp %s %s; cp %s %s", file("later.db"), file("copy.db"),
        file("later.db-wal"), file("copy.db-wal"));
    must(system(command) == 0, "a copy");
    hears(QUIET);
    must(rename(file("copy.db-wal"), file("later.db-wal")) == 0, "its -wal");
    tick();
    must(rename(file("copy.db"), file("later.db")) == 0, "the copy");
    tick();
    ok(strstr(logged, "opened the new one") != NULL, "a copy of both files comes back: %s", logged);
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 1, "... with its -wal");
    end();
    is_int(asked("later.db", "SELECT max(a) FROM t"), 1, "... at the next start as well");
    unlink(file("later.db"));
}

/* A -wal comes when its file was opened without it, or goes alone. */
static void wal_lost(bool replaced) {
    int i;
    begin_beside_next();
    make_backup();
    hears(QUIET);
    unlink(file("later.db-wal.old"));
    if (replaced) wal_comes();
    else unlink(file("later.db-wal"));
    tick();
    own("INSERT INTO t(a) VALUES(2)");
    is_str(logged, "", "a -wal that has lost its name may be on its way");
    for (i = 0; i < 300 && !logged[0]; i++) {
        hears(100);
        own("UPDATE t SET a = a + 1");
    }
    ok(strstr(logged, "later.db-wal was replaced or deleted, its database was not") != NULL,
        "... but not for long: %s", logged);
    logged[0] = '\0';
    tick();
    is_str(logged, "", "... once");
    own("INSERT INTO t(a) VALUES(1000)");
    end();
    is_int(access(file("later.db-wal.old"), F_OK), replaced ? 0 : -1, "the other one is kept");
    is_int(asked("later.db", whole), 1, "... and no part of the file");
    is_int(asked("later.db", "SELECT max(a) FROM t"), 1000, "... which has what was committed");
    must(!replaced || !rename(file("later.db-wal.old"), file("backup.db-wal")), "its own");
    is_int(asked("backup.db", "SELECT count(*) FROM t"), 500, "... to its file");
    unlink(file("backup.db"));
    unlink(file("later.db"));
}

enum { ALONE, SEVERAL, NO_FILE_THEN, AS_OPENED };

/* Nothing follows the database, which is closed: its -wal is no part of the new file. */
static void replaced_unfollowed(int how) {
    begin_beside_next();
    end();
    unlink(file("later.db-wal.old"));
    if (how == AS_OPENED) before_look = next_comes;
    db = sse_db_open(file("later.db"), NULL);
    own("INSERT INTO t(a) VALUES(5)");
    if (how == SEVERAL) sqlite3_open(file("later.db"), &other);
    if (how == SEVERAL) others("INSERT INTO t(a) VALUES(6)");
    if (how == NO_FILE_THEN) must(rename(file("later.db"), file("aside.db")) == 0, "away");
    else if (how != AS_OPENED) next_comes();
    own("INSERT INTO t(a) VALUES(7)");
    sse_db_close(db);
    is_int(access(file("later.db-wal"), F_OK), -1,
        "a database that nothing follows leaves no -wal");
    is_int(access(file("later.db-wal.old"), F_OK), how == SEVERAL ? 0 : -1,
        "... but for those who have it still");
    if (how == NO_FILE_THEN) must(rename(file("next.db"), file("later.db")) == 0, "then");
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "... beside the new file");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 7, "... and the old one is whole");
    if (how == SEVERAL) sqlite3_close(other);
    unlink(file("aside.db"));
    unlink(file("later.db"));
}

/* Likewise; the program has left WAL mode and come back, and others have that -wal as well. */
static void begun_anew_unfollowed(void) {
    begin("anew.db", "WAL");
    end();
    db = sse_db_open(file("anew.db"), NULL);
    must(link(file("anew.db-wal"), file("anew.keep")) == 0, "its number is not given again");
    must(sqlite3_exec(db->raw,
             "PRAGMA journal_mode = DELETE; VACUUM; PRAGMA journal_mode = WAL;"
             "INSERT INTO t(a) VALUES(1)",
             NULL, NULL, NULL) == SQLITE_OK,
        "another -wal");
    sqlite3_open(file("anew.db"), &other);
    others("INSERT INTO t(a) VALUES(2)");
    sse_db_close(db);
    ok(access(file("anew.db-wal.old"), F_OK) != 0, "a -wal that was begun anew keeps its name");
    is_int(asked("anew.db", "SELECT count(*) FROM t"), 2, "... and others see all");
    others("INSERT INTO t(a) VALUES(3)");
    sqlite3_close(other);
}

/* An ATTACHed file is replaced: where nothing follows the database, or a second app does. */
static void replaced_attached(bool followed) {
    begin_beside_next();
    end();
    begin("first.db", "WAL");
    own("INSERT INTO u VALUES(1)");
    if (!followed) sse__changes_end(app.changes);
    must(sse_db_exec(db, "ATTACH %s AS later", file("later.db")) >= 0, "attached");
    own("INSERT INTO later.t(a) VALUES(2)");
    if (followed) {
        hears(QUIET);
        sse__changes_end(app.changes);
        is_int(follow(), 0, "it is followed again");
        hears(QUIET);
    }
    next_comes();
    if (followed) tick();
    if (followed) ok(strstr(logged, "later.db was replaced: ") != NULL, "%s", logged);
    else end();
    is_int(access(file("later.db-wal"), F_OK), -1, "an ATTACHed file that is replaced");
    is_int(asked("later.db", "SELECT sum(a) FROM t"), 77, "... is what took its place");
    is_int(asked("aside.db", "SELECT max(a) FROM t"), 2, "... and the old one is whole");
    if (followed) end();
    unlink(file("aside.db"));
    unlink(file("later.db"));
}

/* The writer would open the -wal of a backup, whose file is still to come, and write to it. */
static void posted_between(void) {
    sse__db_job job;
    begin_beside_next();
    make_backup();
    hears(QUIET);
    wal_comes();
    memset(&job, 0, sizeof job);
    sse__db_job_begin(&job, db);
    ok(!sse__db_job_is_away(&job), "another -wal is there: the writer writes nothing");
    is_int(sse__db_job_enter(&job), 0, "... the database does");
    sse__db_job_leave(&job);
    sse__db_job_end(&job);
    backup_comes();
    tick();
    is_int(sse_db_one(db, &n, "SELECT sum(a) FROM t") == 0 ? n : -1, 500 * 500,
        "... and the backup is whole");
    end();
    unlink(file("later.db"));
}

static void deleted(void) {
    begin("gone.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    hears(QUIET);
    unlink(file("gone.db"));
    unlink(file("gone.db-wal"));
    unlink(file("gone.db-shm"));
    own("INSERT INTO t(a) VALUES(2)");
    hears_only(QUIET, "main.t ", "the file is deleted: what we commit is heard as before");
    hears(QUIET);
    ok(strstr(logged, "gone.db was deleted") != NULL,
        "and the log says that nobody else will see it");
    logged[0] = '\0';
    own("INSERT INTO t(a) VALUES(3)");
    hears(QUIET);
    hears(QUIET);
    is_str(logged, "", "once");
    ok(sse_db_exec(db, "VACUUM INTO %s", file("back.db")) >= 0 &&
            rename(file("back.db"), file("gone.db")) == 0,
        "saved and put back");
    hears_only(1500, "* ", "it is opened anew");
    is_int(sse_db_one(db, &n, "SELECT max(a) FROM t") == 0 ? n : -1, 3,
        "with all that was written");
    ok(strstr(logged, "deleted") == NULL && strstr(logged, "replaced") != NULL, "and so is told");
    end();
}

/* A file that cannot be looked at may still be there. */
static void hidden(void) {
    begin("hidden.db", "WAL");
    must(rename(file("hidden.db"), file("aside.db")) == 0, "away");
    must(symlink(file("hidden.db"), file("hidden.db")) == 0, "a link that leads nowhere");
    tick();
    is_str(logged, "", "a name that leads nowhere is not said to be deleted");
    must(unlink(file("hidden.db")) == 0, "no link");
    must(rename(file("aside.db"), file("hidden.db")) == 0, "back");
    tick();
    is_str(logged, "", "... and all is as before");
    end();
}

static void moved_away(void) { /* and back, twice */
    int i;
    begin("moved.db", "WAL");
    for (i = 0; i < 2; i++) {
        logged[0] = '\0';
        must(rename(file("moved.db"), file("aside.db")) == 0, "away");
        tick();
        ok(strstr(logged, "moved.db was deleted") != NULL, "a file that is not there is logged");
        must(rename(file("aside.db"), file("moved.db")) == 0, "back");
        tick();
    }
    end();
}

/* A process of its own, which knows nothing of the library. */
static void child_writes(const char *name, int count) {
    sqlite3 *c;
    int      i;
    if (fork() != 0) return;
    sqlite3_open(file(name), &c);
    sqlite3_busy_timeout(c, 10000);
    for (i = 0; i < count; i++)
        if (sqlite3_exec(c, "INSERT INTO t(a) VALUES(1)", NULL, NULL, NULL) != SQLITE_OK) _exit(1);
    sqlite3_close(c);
    _exit(0);
}

/* A burst from several processes and from us at once. Whoever looks at each wake must have the last
   state in the end. */
static int burst(const char *name, int children, int each, int ours) {
    long long seen = -1, before, total;
    int       i, status, looks = 0;
    uint64_t  stop;
    sse_db_one(db, &before, "SELECT count(*) FROM t");
    for (i = 0; i < children; i++) child_writes(name, each);
    for (i = 0; i < ours; i++) {
        sse_db_exec(db, "INSERT INTO t(a) VALUES(%d)", i);
        turn(0);
    }
    total = before + (long long)children * each + ours;
    for (stop = sse__clock_ms() + 60000; seen < total && sse__clock_ms() < stop;) {
        if (heard[0]) {
            heard[0] = '\0';
            sse_db_one(db, &seen, "SELECT count(*) FROM t");
            looks++;
        } else turn(300);
    }
    for (i = 0; i < children; i++) wait(&status);
    return seen == total && looks <= total ? 1 : 0;
}

static void processes(void) {
    int  i, k, good = 0, soon = 0, status;
    char command[700];
    begin("many.db", "WAL");
    if (system("command -v sqlite3 > /dev/null") == 0) {
        snprintf(command, sizeof command, "sqlite3 %s 'INSERT INTO t(a) VALUES(5)'",
            file("many.db"));
        ok(system(command) == 0, "the sqlite3 shell writes");
        hears_only(500, "* ", "and is heard");
    }
    for (i = 0; i < 10; i++) {
        hears(20);
        child_writes("many.db", 1);
        wait(&status);
        poll(NULL, 0, 2 * SSE__LOOK_BLIND_MS); /* the look is due */
        for (k = 0; k < 5 && !heard[0]; k++) turn(5);
        soon += heard[0] != '\0';
        heard[0] = '\0';
    }
    is_int(soon, 10, "another process is heard at the next look, each time");
    for (i = 0; i < 5; i++) good += burst("many.db", 3, 20, 20);
    is_int(good, 5, "after bursts from four processes the last state was seen");
    end();
    begin("many2.db", "DELETE");
    for (good = 0, i = 0; i < 3; i++) good += burst("many2.db", 2, 8, 8);
    is_int(good, 3, "with a rollback journal as well");
    end();
}

static void blind(void) {
    begin("blind.db", "WAL");
    sse_watch(&app, app.changes->notify_fd, 0, NULL, NULL);
    close(app.changes->notify_fd);
    app.changes->notify_fd = -1;
    app.changes->slow_ms = SSE__LOOK_BLIND_MS;
    hears(300);
    ok(sse__wheel_next_ms(&app.loop.wheel, sse__clock_ms()) <= SSE__LOOK_BLIND_MS,
        "without inotify the next look is at most a tenth of a second away");
    others("INSERT INTO t(a) VALUES(1)");
    hears_only(5000, "* ", "without inotify others are heard as well");
    end();
}

/* Our counter cannot be read when the following begins: SQLite takes no statement of that length,
   as if it had no memory for it. */
static void begins_blind(const char *name) {
    int length;
    begin(name, "WAL");
    sse__changes_stop(&app);
    length = sqlite3_limit(db->raw, SQLITE_LIMIT_SQL_LENGTH, (int)strlen("PRAGMA database_list"));
    is_int(follow(), 0, "a moment without memory, as the following begins");
    sqlite3_limit(db->raw, SQLITE_LIMIT_SQL_LENGTH, length);
    own("INSERT INTO t(a) VALUES(1)");
    ok(hears(3000)[0], "... and yet a commit is told of: %s", name); /* G2 */
    hears(QUIET);
    own("INSERT INTO u VALUES(1)");
    ok(strstr(hears(QUIET), "main.u "), "... and the next ones by their tables");
    end();
}

static void at_rest(void) { /* G3 */
    uint64_t began, ms;
    begin("rest.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    hears(QUIET);
    hears(1050);
    turns = 0;
    for (began = sse__clock_ms(); (ms = sse__clock_ms() - began) < 1100;) turn((int)(1100 - ms));
    /* the timing wheel takes a turn or two to get to one */
    ok((uint64_t)turns <= 8 * ms / 1000, "at rest there is one look a second (%d turns in %d ms)",
        turns, (int)ms);
    end();
}

/* A process of its own writes the first byte of a file anew, with no commit, or makes the file. */
static void touch(const char *path) {
    int  status;
    char byte = 'x';
    if (fork() == 0) {
        const int fd = open(path, O_RDWR | O_CREAT, 0600);
        (void)!pread(fd, &byte, 1, 0);
        _exit(pwrite(fd, &byte, 1, 0) != 1);
    }
    must(wait(&status) > 0 && status == 0, "written");
}

static void wakes(void) { /* it is looked at soon after whatever is done to the files */
    static const char *const touched[] = {"wakes.db", "wakes.db-wal", "wakes.db-new"};
    size_t                   i;
    int                      k;
    begin("wakes.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    hears(QUIET);
    for (i = 0; i < SSE__COUNT(touched) && app.changes->notify_fd >= 0; i++) {
        rest();
        turn(0);
        sse__changes_schedule(app.changes, SSE__LOOK_SLOW_MS);
        touch(file(touched[i]));
        for (k = 0; k < 20 && app.changes->delay_ms >= SSE__LOOK_SLOW_MS; k++) turn(20);
        ok(app.changes->delay_ms < SSE__LOOK_SLOW_MS, "%s", touched[i]);
    }
    end();
}

static void wal_stays_small(void) {
    struct stat s;
    int         i;
    begin("wal.db", "WAL");
    for (i = 0; i < 4000; i++) {
        must(sse_db_exec(db, "INSERT INTO t(a) VALUES(%s)", "some text that makes a row") == 1,
            "a commit");
        if (i % 4 == 0) turn(0);
    }
    must(stat(file("wal.db-wal"), &s) == 0, "there is a WAL");
    ok(s.st_size > 0 && s.st_size < 6 << 20,
        "autocheckpoint goes on: %ld KB of WAL after 4000 commits", (long)(s.st_size >> 10));
    heard[0] = '\0';
    end();
}

static int lowest_free(void) { /* descriptor */
    const int fd = dup(0);
    close(fd);
    return fd;
}

/* Its connections, and what the loop waits by, are the parent's as well. */
static void closed_by_a_child(void) {
    int i, status, free_fd;
    begin("child.db", "WAL");
    own("INSERT INTO t(a) VALUES(1)");
    for (i = 0; i < 2; i++) {
        hears(QUIET);
        free_fd = lowest_free();
        if (fork() == 0) {
            if (i) sse__changes_stop(&app);
            sse_db_close(db);
            _exit(app.changes ? 2 : lowest_free() != free_fd);
        }
        must(wait(&status) > 0, "a child");
        is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0,
            "a child that closes what is followed forgets it, and closes nothing");
        rest();
        others("INSERT INTO t(a) VALUES(2)");
        hears_only(500, "* ", "... the parent hears of a commit at once");
    }
    end();
}

static void names(void) {
    const sse_str any = {NULL, 0};
    int           open_before;
    begin("names.db", "WAL");
#define NAMES(tables, changed) sse__tables_include(sse__text(tables), sse__text(changed))
    ok(NAMES("msgs", "main.msgs") && NAMES("MSGS", "main.msgs") &&
            NAMES(" users  msgs ", "main.msgs"),
        "a table among others, in any case");
    ok(!NAMES("msgs", "main.users") && !NAMES("msgs", "main.amsgs") &&
            !NAMES("msgs2", "main.msgs") && !NAMES("main", "main.msgs"),
        "not others");
    ok(NAMES("*", "main.*") && !NAMES("*", "main.msgs"), "a star is the name of a table");
    ok(NAMES("msgs", "aux.msgs") && NAMES("aux.msgs", "aux.msgs") &&
            !NAMES("main.msgs", "aux.msgs"),
        "a schema narrows it down");
    ok(NAMES("b", "main.a.b") && NAMES("a.b", "main.a.b"),
        "a dot in a name wakes too many, never too few");
    ok(!NAMES("", "main.sse_events") && !NAMES("", "aux.sse_topics") &&
            !NAMES(NULL, "sse_sequence") && !NAMES("", "main.sse_starts"),
        "where events are kept is not among all tables");
    ok(NAMES("sse_events", "main.sse_events") && NAMES("", "main.my_sse_events") &&
            NAMES("", "main.sse_events2"),
        "unless it is named, and others are");
    ok(NAMES("", "main.t") && NAMES(NULL, "main.t") && sse__tables_include(sse__text("msgs"), any),
        "no tables is all, and any table is each");
    ok(sse__changes_unknown(db, sse__text("t u  main.w")).ptr == NULL, "tables that exist");
    is_mem(sse__changes_unknown(db, sse__text("t v")).ptr, 1, "v", 1,
        "a view is no table that anybody writes");
    is_mem(sse__changes_unknown(db, sse__text("uu t")).ptr, 2, "uu", 2, "nor is a misspelling");
    is_mem(sse__changes_unknown(db, sse__text("temp.t")).ptr, 6, "temp.t", 6,
        "nor a table of another database");
    is_int(follow(), 0, "a database is followed once");
    ok(app.changes && !app.changes->next, "however often it is asked for");
    sse__changes_stop(&app);
    ok(app.changes == NULL && db->on_close == NULL, "until it is stopped");
    open_before = lowest_free();
    follow();
    sse__changes_stop(&app);
    is_int(lowest_free(), open_before, "which closes what it opened");
    end();
}

int main(void) {
    char command[64];
    if (!mkdtemp(dir)) return 1;
    names();
    by_us("WAL");
    by_us("DELETE");
    savepoints("WAL");
    savepoints("DELETE");
    raw_and_hooks();
    by_others("WAL");
    by_others("DELETE");
    busy_writer();
    attached_databases();
    attached_connection("WAL");
    attached_connection("DELETE");
    attached_connection("TRUNCATE");
    attached_memory();
    read_only("WAL");
    read_only("DELETE");
    in_memory();
    open_rows();
    open_transaction();
    rolled_back();
    replaced();
    replaced_large();
    replaced_while_read();
    whose_wal();
    replaced_before();
    replaced_as_opened(false);
    replaced_as_opened(true);
    replaced_by_locked();
    replaced_by_part(EMPTY);
    replaced_by_part(HEAD_ONLY);
    replaced_by_part(HALF);
    replaced_by_part(HALF_FOR_GOOD);
    replaced_by_disk();
    replaced_beside(false);
    replaced_beside(true);
    replaced_for_several();
    replaced_in_doubt();
    replaced_exclusive();
    replaced_at_once();
    replaced_as_set();
    replaced_later(WAL_LEFT);
    replaced_later(WAL_EMPTIED);
    replaced_later(RAW_GIVEN);
    replaced_later(ROWS_OPEN);
    replaced_at_the_end(NO_TIME);
    replaced_at_the_end(NO_NAME);
    replaced_at_the_end(ROWS_OPEN);
    replaced_at_the_end(IN_DOUBT);
    replaced_and_written();
    restored(WAL_FIRST);
    restored(WAL_BEFORE_LOOK);
    restored(NO_FILE);
    restored(JUST_THEN);
    restored_alike();
    wal_lost(true);
    wal_lost(false);
    replaced_unfollowed(ALONE);
    replaced_unfollowed(SEVERAL);
    replaced_unfollowed(NO_FILE_THEN);
    replaced_unfollowed(AS_OPENED);
    begun_anew_unfollowed();
    replaced_attached(false);
    replaced_attached(true);
    posted_between();
    deleted();
    closed_by_a_child();
    hidden();
    moved_away();
    processes();
    blind();
    begins_blind("begins.db");
    begins_blind(":memory:");
    wakes();
    wal_stays_small();
    at_rest();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 1;
    return tap_done();
}
#endif
