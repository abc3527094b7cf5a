/* >>db: SQL formats, statements, rows, transactions, migrations, opening. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
static long fail_after = -1; /* how many allocations still succeed; negative: all */
static int  fail_once;       /* then one fails, else all do */

static int fails(void) {
    if (fail_after) return fail_after > 0 ? (fail_after--, 0) : 0;
    if (fail_once) fail_after = -1;
    return 1;
}

static long allocations;

static void *test_malloc(size_t n) {
    allocations++;
    return fails() ? NULL : malloc(n);
}

static void *test_realloc(void *p, size_t n) {
    allocations++;
    return fails() ? NULL : realloc(p, n);
}
#define SSE_MALLOC(n)     test_malloc(n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SSE_NO_SQLITE

int main(void) {
    const char *text;
    long long   n = 5;
    sse_db     *db = sse_db_open("x.db", NULL);
    ok(db != NULL, "without SQLite a database is given all the same");
    is_int(sse_db_error(db, &text), SSE_E_NOT_BUILT, "which says that it was left out");
    ok(strstr(text, "left out") != NULL, "in words");
    is_int(sse_db_exec(db, "SELECT %d", 1), SSE_E_NOT_BUILT, "exec answers so");
    is_int(sse_db_one(db, &n, "SELECT 1"), SSE_E_NOT_BUILT, "one answers so");
    is_int(n, 0, "and sets the value to 0");
    ok(!sse_db_next(sse_db_query(db, "SELECT 1")), "a query has no rows");
    is_int(sse__db_open_error(db), SSE_E_NOT_BUILT, "sse_serve can tell");
    is_int(sse_db_migrate(db, "x"), SSE_E_NOT_BUILT, "migrate answers so");
    ok(sse_db_raw(db) == NULL, "there is no raw connection");
    sse_db_close(db);
    return tap_done();
}

#else
#include "sleeps.h"

static char dir[] = "/tmp/sse-db-XXXXXX";

static const char *file(const char *name) {
    static char path[8][256];
    static int  turn;
    char       *p = path[turn++ % 8];
    snprintf(p, 256, "%s/%s", dir, name);
    return p;
}

static long long got;
#define ONE(...) (sse_db_one(__VA_ARGS__) == 0 ? got : -999) /* ONE(db, &got, "SELECT ...") */

static const char *said(sse_db *db) {
    const char *text;
    sse_db_error(db, &text);
    return text;
}

#define says(db, error, words, name)                                            \
    do {                                                                        \
        is_int(sse_db_error(db, NULL), error, name);                            \
        if (!ok(strstr(said(db), words) != NULL, "... and says \"%s\"", words)) \
            printf("#   %s\n", said(db));                                       \
    } while (0)

static void values(void) { /* D1 */
    sse_db   *db = sse_db_open(":memory:", NULL);
    sse_str   blob = {"a\0b", 3}, none = {NULL, 0}, empty = {"", 0}, got_blob;
    sse_rows *r;
    const char *volatile null = NULL;
    char *big = (char *)malloc(100000), *expanded;
    memset(big, 'x', 100000);
    is_int(sse_db_exec(db, "CREATE TABLE t(i INTEGER PRIMARY KEY, a, b, c)"), 0,
        "a table is no changed row");
    is_int(sse_db_exec(db, "INSERT INTO t(a, b, c) VALUES(%s, %d, %f)", "x'); DROP TABLE t; --", -7,
               0.5),
        1, "text, integer, double");
    is_int(sse_db_last_id(db), 1, "the id of the new row");
    r = sse_db_query(db, "SELECT a, b, c, typeof(a), typeof(b), typeof(c) FROM t");
    ok(sse_db_next(r), "comes back");
    is_str(sse_db_text(r, 0), "x'); DROP TABLE t; --", "text is a value, not SQL");
    is_int(sse_db_int(r, 1), -7, "integer");
    ok(sse_db_double(r, 2) > 0.49 && sse_db_double(r, 2) < 0.51, "double");
    is_str(sse_db_text(r, 3), "text", "bound as text");
    is_str(sse_db_text(r, 4), "integer", "bound as integer");
    is_str(sse_db_text(r, 5), "real", "bound as real");
    is_int(sse_db_columns(r), 6, "how many columns");
    is_str(sse_db_column_name(r, 2), "c", "their names");
    ok(!sse_db_next(r), "one row");
    is_int(sse_db_error(db, NULL), 0, "the end is no error");
    is_int(ONE(db, &got, "SELECT %s IS NULL AND %p IS NULL AND %p IS NULL", null, (void *)NULL,
               (void *)&none),
        1, "NULL binds NULL");
    is_int(ONE(db, &got, "SELECT length(%p) = 0 AND typeof(%p) = 'blob'", (void *)&empty,
               (void *)&empty),
        1, "an empty blob is not NULL");
    r = sse_db_query(db, "SELECT %p, NULL, '', x''", (void *)&blob);
    ok(sse_db_next(r), "a blob");
    got_blob = sse_db_blob(r, 0);
    is_mem(got_blob.ptr, got_blob.len, "a\0b", 3, "keeps its NUL");
    ok(sse_db_text(r, 1) == NULL && sse_db_is_null(r, 1) && sse_db_blob(r, 1).ptr == NULL,
        "NULL is NULL");
    ok(sse_db_text(r, 2) != NULL && !sse_db_is_null(r, 2), "the empty text is not NULL");
    ok(sse_db_blob(r, 3).ptr != NULL && sse_db_blob(r, 3).len == 0, "nor is the empty blob");
    sse_db_done(r);
    is_int(ONE(db, &got, "SELECT %lld", -9223372036854775807LL - 1), -9223372036854775807LL - 1,
        "the least number");
    is_int(ONE(db, &got, "SELECT %u", 4294967295u), 4294967295LL, "unsigned");
    is_int(ONE(db, &got, "SELECT %llu", 9223372036854775807ull), 9223372036854775807LL,
        "the greatest that fits");
    is_int(ONE(db, &got, "SELECT %zu + %ld + %hhd", (size_t)1, 2L, (signed char)3), 6,
        "size_t, long, char");
    is_int(ONE(db, &got, "SELECT %c = 'q'", 'q'), 1, "a character");
    is_int(ONE(db, &got, "SELECT 7 %% 4 || %s", ""), 3, "%% is a percent");
    is_int(ONE(db, &got, "SELECT 'a%%b' LIKE 'a%%'"), 1, "also in quotes");
    is_int(ONE(db, &got, "SELECT length(%.*s)", 3, "abcdef"), 3, "%.*s binds a part");
    is_int(ONE(db, &got, "SELECT length(%.*s)", 100000, big), 100000, "of any length");
    sse_db_exec(db, "SELECT %.*s", 100000, big);
    expanded = sqlite3_expanded_sql(db->statements->stmt);
    is_str(expanded, "SELECT NULL", "a statement that is kept holds no value"); /* D2 */
    sqlite3_free(expanded);
    free(big);
    sse_db_close(db);
}

static void refusals(void) {
    sse_db       *db = sse_db_open(":memory:", NULL);
    unsigned long errors = sse__db_error_count();
    const char *volatile empty = "";
    is_int(sse_db_exec(db, "SELECT %5d", 1), SSE_E_ARG, "a width is refused");
    says(db, SSE_E_ARG, "only %s %d", "... and says which are bound");
    is_int(sse_db_exec(db, "SELECT %-5s", "x"), SSE_E_ARG, "a flag is refused");
    says(db, SSE_E_ARG, "only %s %d", "... and says which are bound");
    is_int(sse_db_exec(db, "SELECT %.2f", 1.0), SSE_E_ARG, "a precision of a number is refused");
    says(db, SSE_E_ARG, "only %s %d", "... and says which are bound");
    is_int(sse_db_exec(db, "SELECT %X", 1u), SSE_E_ARG, "so are its capitals");
    is_int(sse_db_exec(db, "SELECT %o", 1u), SSE_E_ARG, "... and octal");
    is_int(sse_db_exec(db, "SELECT %5s", "x"), SSE_E_ARG, "... the width of a text");
    is_int(sse_db_exec(db, "SELECT %-s", "x"), SSE_E_ARG, "... its flag alone");
    is_int(sse_db_exec(db, "SELECT %5u", 1u), SSE_E_ARG, "... that of an unsigned one");
    is_int(sse_db_exec(db, "SELECT %5p", (void *)NULL), SSE_E_ARG, "... that of a blob");
    is_int(sse_db_exec(db, "SELECT %x", 1u), SSE_E_ARG, "hexadecimal is refused");
    says(db, SSE_E_ARG, "only %s %d", "... and says which are bound");
    is_int(sse_db_exec(db, "SELECT %llu", 18446744073709551615ull), SSE_E_ARG,
        "what does not fit is refused");
    says(db, SSE_E_ARG, "%llu", "the error names the statement");
    is_int(sse_db_exec(db, "SELECT '%s'", "x"), SSE_E_ARG, "a %s in quotes is refused");
    says(db, SSE_E_ARG, "quotes", "with its reason");
    is_int(sse_db_exec(db, "SELECT 1 -- %d", 1), SSE_E_ARG, "one in a comment as well");
    is_int(sse_db_exec(db, "SELECT ?"), SSE_E_ARG, "a ? of one's own is refused");
    is_int(sse_db_exec(db, "SELECT 1; SELECT 2"), SSE_E_ARG, "a second statement is refused");
    says(db, SSE_E_ARG, "sse_db_migrate", "and where to go instead");
    is_int(sse_db_exec(db, "SELECT 1; SELECT 2"), SSE_E_ARG, "each time");
    is_int(sse_db_exec(db, "SELECT 1;  -- over\n /* and out */ "), 0, "a comment after it is fine");
    is_int(sse_db_exec(db, "  "), SSE_E_ARG, "no statement is refused");
    is_str(said(db), "there is no statement [  ]", "in words");
    is_int(sse_db_exec(db, empty), SSE_E_ARG, "nor is there one in the empty text");
    is_str(said(db), "there is no statement", "... which the words do not repeat");
    is_int(sse_db_exec(db, NULL), SSE_E_ARG, "NULL is refused");
    is_str(said(db), "the SQL is NULL", "by name");
    is_int(sse_db_exec(db, "SELEKT"), SSE_E_DB, "a syntax error");
    says(db, SSE_E_DB, "SELEKT", "is told");
    ok(sse__db_error_count() == errors + 20, "every failure is counted, once"); /* D3 */
    is_int(sse_db_exec(db, "SELECT 1"), 0, "the next call");
    is_int(sse_db_error(db, NULL), 0, "forgets it");
    ok(sse__db_error_count() == errors + 20, "the count does not");
    sse_db_close(db);
}

static void rows(void) {
    sse_db   *db = sse_db_open(":memory:", NULL);
    sse_rows *r, *q;
    int       outer = 0, inner = 0, i;
    char      name[32];
    for (i = 0; i < 3; i++) {
        if (i == 0) sse_db_exec(db, "CREATE TABLE t(a)");
        sse_db_exec(db, "INSERT INTO t VALUES(%d)", i);
    }
    for (r = sse_db_query(db, "SELECT a FROM t"); sse_db_next(r); outer++)
        for (q = sse_db_query(db, "SELECT a FROM t"); sse_db_next(q);) inner++;
    ok(outer == 3 && inner == 9, "the same SQL nested in itself");
    strcpy(name, "gone");
    r = sse_db_query(db, "SELECT %s", name);
    strcpy(name, "else");
    ok(sse_db_next(r), "a query");
    is_str(sse_db_text(r, 0), "gone", "has copied its values");
    sse_db_done(r);
    ok(!sse_db_next(r) && !sse_db_next(NULL), "done rows and NULL have no next");
    ok(sse_db_text(r, 0) == NULL && sse_db_int(NULL, 0) == 0 && sse_db_is_null(NULL, 0) &&
            sse_db_columns(NULL) == 0,
        "and no columns");
    sse_db_done(r);
    sse_db_done(NULL);
    r = sse_db_query(db, "SELECT a FROM t");
    ok(sse_db_text(r, 0) == NULL && sse_db_error(db, NULL) == 0,
        "before the first next there is no row");
    ok(sse_db_next(r) && sse_db_text(r, 1) == NULL, "a column that does not exist");
    says(db, SSE_E_ARG, "there is no such column [SELECT a FROM t]", "is an error");
    sse_db_exec(db, "SELECT 1");
    ok(!sse_db_next(r), "that ends the rows");
    says(db, SSE_E_ARG, "there is no such column [SELECT a FROM t]", "and stays");
    is_int(sse_db_columns(r), 0, "rows that ended have no columns");
    r = sse_db_query(db, "SELECT a FROM t");
    ok(sse_db_column_name(r, 0) == NULL, "nor are they named before the first row");
    ok(sse_db_next(r) && sse_db_next(r), "the next query of this kind has none of that error");
    ok(sse_db_int(r, -1) == 0 && !sse_db_next(r), "a column before the first is an error as well");
    says(db, SSE_E_ARG, "there is no such column", "by the same words");
    ok(sse_db_query(db, "SELECT a FROM missing") == NULL, "a query that fails is NULL");
    says(db, SSE_E_DB, "no such table: missing", "with SQLite's words");
    r = sse_db_query(db, "SELECT abs(-9223372036854775807 - a) FROM t");
    ok(sse_db_next(r) && !sse_db_next(r), "an error in the middle ends the rows");
    says(db, SSE_E_DB, "overflow", "and is told");
    is_int(sse_db_one(db, &got, "SELECT a FROM t WHERE a > %d", 99), 1, "one: no row");
    is_int(sse_db_one(db, &got, "SELECT max(a) FROM t WHERE a > %d", 99), 1, "one: NULL");
    is_int(got, 0, "the value is 0 then");
    is_int(sse_db_one(db, NULL, "SELECT a FROM t"), 0, "one: nobody wants the value");
    is_int(ONE(db, &got, "INSERT INTO t VALUES(%d) RETURNING a * 2", 21), 42, "one: RETURNING");
    sse_db_exec(db, "CREATE TABLE p(a INTEGER PRIMARY KEY)");
    sse_db_exec(db, "CREATE TABLE c(a REFERENCES p(a) DEFERRABLE INITIALLY DEFERRED)");
    is_int(sse_db_one(db, &got, "INSERT INTO c VALUES(5) RETURNING a"), SSE_E_CONFLICT,
        "one: RETURNING of a row that refers to none");
    is_int(got, 0, "... gives no value");
    r = sse_db_query(db, "SELECT a FROM t");
    sse_db_next(r);
    is_int(sse_db_exec(db, "DROP TABLE t"), SSE_E_BUSY, "a table is not dropped while it is read");
    says(db, SSE_E_BUSY, "locked", "as SQLite says");
    sse_db_done(r);
    is_int(sse_db_exec(db, "UPDATE t SET a = a + 1"), 4, "rows changed");
    is_int(sse_db_exec(db, "SELECT a FROM t"), 0, "reading changes none, also after an update");
    is_int(sse_db_exec(db, "DELETE FROM t"), 4, "rows deleted at once");
    sse_db_close(db);
    {
        sse_db_options o = {0, 2, false};
        db = sse_db_open(":memory:", &o);
        r = sse_db_query(db, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3");
        ok(sse_db_next(r) && sse_db_next(r) && !sse_db_next(r), "max_rows ends the rows");
        says(db, SSE_E_FULL, "max_rows", "with an error");
        r = sse_db_query(db, "SELECT 1 UNION ALL SELECT 2");
        ok(sse_db_next(r) && sse_db_next(r) && !sse_db_next(r) && sse_db_error(db, NULL) == 0,
            "exactly max_rows is fine");
        r = sse_db_query(db, "SELECT 1 UNION ALL SELECT 2");
        ok(sse_db_next(r) && sse_db_next(r) && !sse_db_next(r) && sse_db_error(db, NULL) == 0,
            "each time");
        sse_db_query(db, "SELECT 1");
        sse_db_close(db);
        ok(1, "closing ends rows that are open");
    }
}

static void cache(void) {
    sse_db   *db = sse_db_open(":memory:", NULL);
    sse_rows *open[100], *r;
    sse_buf   sql = {0};
    char      text[64];
    int       i, right = 0;
    long      before;
    for (i = 0; i < 10; i++) sse_db_exec(db, "SELECT missing");
    is_int(db->statement_count, 1, "statements that fail take the room of one");
    sse_db_exec(db, "CREATE TABLE t(a)");
    for (i = 0; i < 1000; i++) {
        if (i % (SSE__DB_STATEMENTS - 1) == 0) sse_db_exec(db, "SELECT 'often'");
        sse_buf_free(&sql);
        sse_printf(&sql, "SELECT %d", i);
        if (sse_db_one(db, &got, sse_buf_text(&sql)) == 0 && got == i) right++;
    }
    sse_buf_free(&sql);
    is_int(right, 1000, "a thousand different statements");
    for (r = db->statements; r && strcmp(sse_buf_text(&r->sql), "SELECT 'often'");) r = r->next;
    ok(r != NULL, "... and one that was used in between, which is kept");
    is_int(db->statement_count, SSE__DB_STATEMENTS, "of which so many are kept");
    for (i = 0; i < 1000; i++) sse_db_exec(db, "SELECT missing");
    is_int(db->statement_count, SSE__DB_STATEMENTS, "those that fail take no more room");
    for (i = 0; i < 100; i++) open[i] = sse_db_query(db, "SELECT %d", i);
    for (i = right = 0; i < 100; i++) right += sse_db_next(open[i]) && sse_db_int(open[i], 0) == i;
    is_int(right, 100, "a hundred open at once");
    for (i = 0; i < 100; i++) sse_db_done(open[i]);
    sse_db_exec(db, "INSERT INTO t VALUES(%s)", "x");
    before = allocations;
    for (i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "text %d", i);
        sse_db_exec(db, "INSERT INTO t VALUES(%s)", text);
    }
    is_int(allocations, before, "a statement that is kept allocates nothing of ours");
    sse_db_exec(db, "ALTER TABLE t ADD COLUMN b");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(%s)", "x"), SSE_E_DB,
        "after a change of the schema it no longer fits: an error");
    says(db, SSE_E_DB, "2 columns", "that says so");
    sse_db_exec(db, "ALTER TABLE t DROP COLUMN b");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(%s)", "x"), 1, "and fits again");
    sse_db_close(db);
}

static int insert_and(sse_db *db, void *user) {
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    return *(int *)user;
}

static int nested(sse_db *db, void *user) {
    int keep = 0, undo = 5;
    (void)user;
    sse_db_exec(db, "INSERT INTO t VALUES(2)");
    is_int(sse_db_write(db, insert_and, &undo), 5, "an inner write that fails");
    is_int(sse_db_write(db, insert_and, &keep), 0, "an inner write that goes well");
    return 0;
}

static int ends_itself(sse_db *db, void *user) {
    (void)user;
    sse_db_exec(db, "ROLLBACK");
    return 0;
}

static int goes_on(sse_db *db, void *user) { /* though SQLite has undone it all */
    const char *why = "";
    int         keep = 0;
    sse_db_exec(db, "INSERT INTO t VALUES(8)");
    sse_db_exec(db, "INSERT OR ROLLBACK INTO one VALUES(1)");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(9)"), SSE_E_STATE, "what follows is refused");
    is_int(sse_db_error(db, &why), SSE_E_STATE, why);
    is_int(sse_db_write(db, insert_and, &keep), SSE_E_STATE, "... and so is a write inside it");
    ok(!sse_db_query(db, "SELECT 1"), "... and a query");
    return *(int *)user;
}

static int adds_orphan(sse_db *db, void *user) {
    (void)user;
    return sse_db_exec(db, "INSERT INTO late VALUES(5)") < 0 ? -1 : 0;
}

static void constraints(void) {
    static const struct {
        const char *sql, *words;
    } broken[] = {{"INSERT INTO c VALUES(1, 'a', 1, NULL)", "UNIQUE constraint failed: c.id"},
        {"INSERT INTO c VALUES(2, NULL, 1, NULL)", "NOT NULL constraint failed: c.name"},
        {"INSERT INTO c VALUES(2, 'a', 0, NULL)", "CHECK constraint failed"},
        {"INSERT INTO c VALUES(2, 'a', 1, 9)", "FOREIGN KEY constraint failed"},
        {"UPDATE c SET name = 'never'", "not that name"}};
    sse_db   *db = sse_db_open(file("c.db"), NULL);
    long long n;
    size_t    i;
    sse_db_migrate(db, "CREATE TABLE c(id INTEGER PRIMARY KEY, name TEXT NOT NULL, n CHECK(n > 0),"
                       " parent REFERENCES c(id)); INSERT INTO c VALUES(1, 'a', 1, NULL);"
                       "CREATE TABLE late(id REFERENCES c(id) DEFERRABLE INITIALLY DEFERRED);"
                       "CREATE TRIGGER t BEFORE UPDATE ON c WHEN new.name = 'never'"
                       " BEGIN SELECT RAISE(ABORT, 'not that name'); END");
    for (i = 0; i < SSE__COUNT(broken); i++) {
        is_int(sse_db_exec(db, broken[i].sql), SSE_E_CONFLICT, "a constraint is a conflict");
        says(db, SSE_E_CONFLICT, broken[i].words, "whose words are SQLite's");
        ok(strstr(sse__db_faults.words, "/c.db: ") != NULL, "and, in a log, name the file");
    }
    is_int(sse_db_one(db, &n, "INSERT INTO c VALUES(1, 'b', 1, NULL) RETURNING id"), SSE_E_CONFLICT,
        "likewise of a statement that returns a row");
    ok(!sse_db_next(sse_db_query(db, "INSERT INTO c VALUES(1, 'b', 1, NULL)")), "and of a query");
    says(db, SSE_E_CONFLICT, "UNIQUE", "which says so");
    is_int(sse_db_write(db, adds_orphan, NULL), SSE_E_CONFLICT, "and of a commit");
    is_int(sse_db_exec(db, "INSERT INTO late VALUES(1)"), 1, "nothing of it is left");
    ok(strncmp(sse_error_text(SSE_E_CONFLICT), "SSE_E_CONFLICT: ", 16) == 0, "it has a name");
    sse_db_close(db);
}

/* Where a statement with rows is left early, SQLite commits what it wrote only then. */
static void rows_left_early(void) { /* D3 */
    static const char *const sql = "INSERT INTO late VALUES(7), (8) RETURNING id";
    unsigned long            errors;
    long long                n = 5;
    sse_rows                *r;
    sse_db                  *db = sse_db_open(file("left.db"), NULL), *other;
    sse_db_migrate(db, "CREATE TABLE c(id INTEGER PRIMARY KEY);"
                       "CREATE TABLE late(id REFERENCES c(id) DEFERRABLE INITIALLY DEFERRED)");
    errors = sse__db_error_count();
    is_int(sse_db_exec(db, sql), SSE_E_CONFLICT, "exec: a commit that fails");
    is_int((long)(sse__db_error_count() - errors), 1, "... once");
    is_int(sse_db_one(db, &n, sql), SSE_E_CONFLICT, "one: the same");
    is_int(n, 0, "... whose row is none");
    says(db, SSE_E_CONFLICT, "FOREIGN KEY constraint failed [INSERT", "one");
    r = sse_db_query(db, sql);
    ok(sse_db_next(r) && sse_db_int(r, 0) == 7, "rows that are left early");
    is_int(sse_db_error(db, NULL), 0, "... fail not before");
    errors = sse__db_error_count();
    sse_db_done(r);
    says(db, SSE_E_CONFLICT, "FOREIGN KEY constraint failed [INSERT", "sse_db_done tells that");
    is_int((long)(sse__db_error_count() - errors), 1, "... for the handler, once");
    db->max_rows = 1;
    r = sse_db_query(db, sql);
    ok(sse_db_next(r) && !sse_db_next(r), "too many rows end them");
    says(db, SSE_E_CONFLICT, "FOREIGN KEY", "... and the commit that failed is told, not those");
    db->max_rows = SSE_UNLIMITED;
    r = sse_db_query(db, sql);
    ok(sse_db_next(r), "a row, in a database that is closed meanwhile");
    errors = sse__db_error_count();
    sse_db_close(db);
    is_int((long)(sse__db_error_count() - errors), 1, "... fails there");
    ok(strstr(sse__db_faults.words, "FOREIGN KEY") != NULL, "... in words for a log");
    db = sse_db_open(file("left.db"), NULL);
    other = sse_db_open(file("left.db"), NULL);
    is_int(ONE(other, &got, "SELECT count(*) FROM late"), 0, "nothing of all that was saved");
    is_int(ONE(db, &got, "INSERT INTO c VALUES(3), (4) RETURNING id"), 3, "one: what can be saved");
    r = sse_db_query(db, "INSERT INTO c VALUES(5), (6) RETURNING id");
    ok(sse_db_next(r), "rows that are left early");
    sse_db_done(r);
    is_int(sse_db_error(db, NULL), 0, "... are no error");
    is_int(ONE(other, &got, "SELECT count(*) FROM c"), 4, "... and are saved");
    sse_db_close(other);
    sse_db_close(db);
}

/* What a log says of a failure: the file, once, and never that there is none. */
static void failures_in_a_log(void) {
    sse_app *app = sse_app_new(NULL);
    sqlite3 *raw;
    char     words[40];
    int      n;
    sse_db  *db = sse_db_open("/nowhere/at/all.db", NULL);
    is_str(sse__db_faults.words, "unable to open database file [/nowhere/at/all.db]",
        "the file that cannot be opened");
    sse_db_close(db);
    db = sse_db_open(":memory:", NULL);
    sse_db_exec(db, "SELECT missing");
    is_str(sse__db_faults.words, "no such column: missing [SELECT missing]", "none, in memory");
    ok(sse__db_log_due(app, sse__db_faults.kind) && !sse__db_log_due(app, sse__db_faults.kind),
        "it is logged once a second");
    sse_db_exec(db, "SELECT another");
    ok(sse__db_log_due(app, sse__db_faults.kind), "... which holds back no other words");
    sse_db_exec(db, "SELECT missing");
    app->loop.wheel.now += 1000;
    ok(sse__db_log_due(app, sse__db_faults.kind), "... and is over a second later");
    app->loop.wheel.now += 1000;
    for (n = 0; n < 16; n++) {
        snprintf(words, sizeof words, "SELECT missing%d", n);
        sse_db_exec(db, words);
        ok(sse__db_log_due(app, sse__db_faults.kind), "%s hides no other", words);
    }
    sse_db_exec(db, "SELECT another");
    ok(!sse__db_log_due(app, sse__db_faults.kind), "but no more than 16 are logged in a second");
    app->loop.wheel.now += 1000;
    ok(sse__db_log_due(app, sse__db_faults.kind), "... each");
    sse_db_exec(db, "SELECT json(%s)", "{a");
    ok(sse__db_log_due(app, sse__db_faults.kind), "a statement whose error a peer may choose");
    sse_db_exec(db, "SELECT json_extract('{}', %s)", "a");
    ok(sse__db_log_due(app, sse__db_faults.kind), "... and another one");
    is_int(sse_db_exec(db, "SELECT json_extract('{}', %s)", "b"), SSE_E_DB, "... which fails anew");
    ok(strstr(sse__db_faults.words, "'b'") && !sse__db_log_due(app, sse__db_faults.kind),
        "is logged once a second in any words: %s", sse__db_faults.words);
    sse_db_close(db);
    sqlite3_open(":memory:", &raw);
    db = sse_db_attach(raw);
    sse_db_exec(db, "SELECT missing");
    is_str(sse__db_faults.words, "no such column: missing [SELECT missing]",
        "none of a connection of the program's, in memory");
    sse_db_close(db);
    sqlite3_close(raw);
    sqlite3_open(file("named.db"), &raw);
    db = sse_db_attach(raw);
    sse_db_exec(db, "SELECT missing");
    ok(strstr(sse__db_faults.words, "/named.db: no such column: missing [SELECT missing]") != NULL,
        "but that of one with a file: %s", sse__db_faults.words);
    sse_db_close(db);
    sqlite3_close(raw);
    sse_db_exec(NULL, "SELECT 1");
    is_str(sse__db_faults.words, "the database is NULL", "and what was never a database");
    db = sse_db_open("/nowhere/at/all.db", NULL);
    sse_db_exec(NULL, "SELECT 1");
    sse_db_exec(db, "SELECT 1");
    is_str(sse__db_faults.words, "unable to open database file [/nowhere/at/all.db]",
        "one that did not open says so each time");
    sse_db_close(db);
    sse_app_free(app);
}

static void stale_transaction(void) {
    sse_db   *db = sse_db_open(file("s.db"), NULL), *other = sse_db_open(file("s.db"), NULL);
    long long n;
    sse_db_exec(db, "CREATE TABLE t(a)");
    sse_db_exec(db, "BEGIN");
    (void)sse_db_one(db, &n, "SELECT count(*) FROM t");
    sse_db_exec(other, "INSERT INTO t VALUES(1)");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(2)"), SSE_E_STATE,
        "a write in a transaction that read before another's commit");
    says(db, SSE_E_STATE, "roll it back", "is told what to do");
    sse_db_exec(db, "ROLLBACK");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(2)"), 1, "which helps");
    sse_db_close(other);
    sse_db_close(db);
}

static void transactions(void) {
    sse_db_options quick = {SSE_OFF, 0, false};
    sse_db        *db = sse_db_open(file("t.db"), NULL), *other = sse_db_open(file("t.db"), &quick);
    int            zero = 0, bad = -77;
    sse_rows      *rows;
    sse_db_exec(db, "CREATE TABLE t(a)");
    is_int(sse_db_write(db, insert_and, &zero), 0, "a write");
    is_int(ONE(other, &got, "SELECT count(*) FROM t"), 1, "is there");
    is_int(sse_db_write(db, insert_and, &bad), -77, "a write that returns something else");
    is_int(ONE(other, &got, "SELECT count(*) FROM t"), 1, "is not");
    is_int(sse_db_write(db, nested, NULL), 0, "nested writes");
    is_int(ONE(other, &got, "SELECT count(*) FROM t"), 3, "roll back by themselves");
    is_int(sse_db_write(db, ends_itself, NULL), SSE_E_STATE,
        "a write that ends the transaction is told");
    says(db, SSE_E_STATE, "the transaction ended too early", "in words");
    is_int(sse_db_exec(db, "SELECT 1"), 0, "... and what comes after it runs");
    sse_db_exec(db, "CREATE TABLE one(a UNIQUE)");
    sse_db_exec(db, "INSERT INTO one VALUES(1)");
    is_int(sse_db_write(db, goes_on, &zero), SSE_E_STATE, "a write that goes on after its end");
    is_int(sse_db_write(db, goes_on, &bad), -77, "... or that fails then");
    is_int(ONE(other, &got, "SELECT count(*) FROM t"), 3, "... leaves nothing");
    is_int(sse_db_write(db, NULL, NULL), SSE_E_ARG, "no function");
    says(db, SSE_E_ARG, "sse_db_write without a function", "in words");
    sse_db_exec(db, "BEGIN IMMEDIATE");
    is_int(sse_db_write(other, insert_and, &zero), SSE_E_BUSY, "someone else is writing");
    is_int(sse_db_exec(other, "INSERT INTO t VALUES(3)"), SSE_E_BUSY, "a plain statement likewise");
    is_int(sse_db_write(db, insert_and, &zero), 0,
        "inside the program's own transaction it is a savepoint");
    is_int(ONE(other, &got, "SELECT count(*) FROM t"), 3, "which commits nothing");
    sse_db_exec(db, "COMMIT");
    is_int(sse_db_write(other, insert_and, &zero), 0, "then it is the other's turn");
    is_int(ONE(db, &got, "SELECT count(*) FROM t"), 5, "and both are there");
    rows = sse_db_query(db, "SELECT a FROM t");
    sse_db_next(rows);
    sse_db_exec(other, "INSERT INTO t VALUES(6)");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(7)"), SSE_E_STATE,
        "a write while a query reads what was there before another's commit");
    says(db, SSE_E_STATE, "(sse_db_done ends it): SELECT a FROM t [INSERT",
        "says which query is to be ended, not that somebody holds a lock");
    ok(strstr(sse__db_faults.words, file("t.db")) == sse__db_faults.words, "a log names the file");
    sse_db_done(rows);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(7)"), 1, "... and then there is a write");
    sse_db_close(other);
    sse_db_close(db);
}

static void migrations(void) {
    static const char *const list[] = {"CREATE TABLE a(x); INSERT INTO a VALUES('50%s')",
        "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = 1", "CREATE TABLE b(x); CREATE TABLE b(x)"};
    sse_db                  *db = sse_db_open(file("m.db"), NULL);
    is_int(sse_db_migrate(db,
               "CREATE TABLE IF NOT EXISTS s(x); CREATE INDEX IF NOT EXISTS i ON s(x)"),
        0, "a script");
    is_int(sse_db_migrate(db,
               "CREATE TABLE IF NOT EXISTS s(x); CREATE INDEX IF NOT EXISTS i ON s(x)"),
        0, "again");
    is_int(sse_db_migrate(db, "INSERT INTO s VALUES(1); INSERT INTO none VALUES(1)"), SSE_E_DB,
        "a script that fails");
    is_int(ONE(db, &got, "SELECT count(*) FROM s"), 0, "leaves nothing");
    is_int(sse_db_migrate(db, "INSERT INTO s VALUES(1); COMMIT"), SSE_E_STATE,
        "a script that commits is told");
    is_int(sse_db_migrate(db, NULL), SSE_E_ARG, "no script");
    says(db, SSE_E_ARG, "the script is NULL", "in words");
    is_int(sse_db_exec(db, "SELECT 1"), 0, "the database still works");
    is_int(sse_db_migrate_list(db, list, 1), 0, "the first of a list");
    is_int(sse_db_migrate_list(db, list, 2), 0, "the second, and the first not again");
    is_int(ONE(db, &got, "SELECT count(*) FROM a WHERE x = '50%%s' AND y = 1"), 1, "each once");
    is_int(sse_db_migrate_list(db, list, 3), SSE_E_DB, "the third fails");
    is_int(ONE(db, &got, "PRAGMA user_version"), 2, "and does not count");
    is_int(ONE(db, &got, "SELECT count(*) FROM sqlite_master WHERE name = 'b'"), 0,
        "nothing of it stays");
    is_int(sse_db_migrate_list(db, list, 1), SSE_E_STATE, "a database from the future is refused");
    says(db, SSE_E_STATE, "version 2", "in words");
    is_int(sse_db_migrate_list(db, list, 2), 0, "the present one is not");
    is_int(sse_db_migrate_list(db, NULL, 2), 0, "nothing to do needs no list");
    is_int(sse_db_migrate_list(db, NULL, 3), SSE_E_ARG, "what is to do does");
    is_int(sse_db_migrate_list(db, list, -1), SSE_E_ARG, "a list of fewer than none");
    says(db, SSE_E_ARG, "no scripts, or fewer than none", "in words");
    sse_db_exec(db, "PRAGMA user_version = -1");
    is_int(sse_db_migrate_list(db, list, 2), SSE_E_ARG, "a version that no list gave");
    says(db, SSE_E_ARG, "the database is at a negative version", "in words");
    sse_db_close(db);
    db = sse_db_open("/nowhere/at/all.db", NULL);
    is_int(sse_db_migrate_list(db, list, 2), SSE_E_DB, "a database that did not open");
    sse_db_close(db);
}

static void commits(sqlite3_context *context, int n, sqlite3_value **values) {
    (void)n, (void)values;
    sqlite3_exec(sqlite3_context_db_handle(context), "COMMIT", NULL, NULL, NULL);
}

/* What ends a transaction is known by its word, behind whatever SQLite takes as a blank. */
static void words_as_sqlite_has_them(void) { /* D9 */
    static const char *const before[] = {"", " ", "\f", ";", "/**/", "-- a\n", "\xEF\xBB\xBF",
        "ROLLBACK", "ROLLBACK ", "ROLLBACK TRANSACTION"};
    static const char *const behind[] = {"COMMIT", " COMMIT", "TO s", " TO s"};
    sqlite3                 *raw;
    char                     sql[40];
    size_t                   i, k;
    int                      c, wrong = 0;
    sqlite3_open(":memory:", &raw);
    for (c = 1; c < 256; c++)
        for (i = 0; i < SSE__COUNT(before); i++)
            for (k = 0; k < SSE__COUNT(behind); k++) {
                bool known, runs, ended;
                snprintf(sql, sizeof sql, "%s%c%s", before[i], c, behind[k]);
                known = sse__sql_transaction_word(sql).ptr != NULL;
                sqlite3_exec(raw, "BEGIN; SAVEPOINT s", NULL, NULL, NULL);
                runs = sqlite3_exec(raw, sql, NULL, NULL, NULL) == SQLITE_OK;
                ended = sqlite3_get_autocommit(raw) != 0;
                if (!ended) sqlite3_exec(raw, "ROLLBACK", NULL, NULL, NULL);
                if (ended == known || (!ended && !runs)) continue;
                ok(false, "byte %d between '%s' and '%s': %s", c, before[i], behind[k],
                    ended ? "ends it" : "does not");
                wrong++;
            }
    sqlite3_close(raw);
    is_int(wrong, 0, "a word is found where SQLite finds it");
}

/* Nothing in a script ends the transaction that it runs in. */
static void scripts_that_commit(void) { /* D9 */
    static const char *const ends[] = {"COMMIT", "end", "End Transaction", "ROLLBACK", "BEGIN",
        "rollback transaction", "COMMIT; BEGIN", "-- a\n/* b */ COMMIT/**/", "/*/ */;;\tCOMMIT",
        " \vCOMMIT", "\xEF\xBB\xBF ROLLBACK", "ROLLBACK -- to\n", "BEGIN IMMEDIATE", "COMMIT--"};
    static const char *const stays[] = {"SAVEPOINT a; INSERT INTO n VALUES(2); RELEASE a",
        "SAVEPOINT a; INSERT INTO n VALUES(2); ROLLBACK TO a",
        "SAVEPOINT a; ROLLBACK TRANSACTION TO SAVEPOINT a", "-- COMMIT\n", "/* COMMIT", "SELECT 1",
        "CREATE TRIGGER r AFTER INSERT ON n BEGIN SELECT 1; END", "INSERT INTO n VALUES('COMMIT')"};
    const char              *list[2];
    char                     script[200];
    sqlite3                 *raw;
    size_t                   i;
    int                      attached;
    for (attached = 0; attached < 2; attached++) {
        sse_db *db = attached ? NULL : sse_db_open(file("ends.db"), NULL);
        if (attached) sqlite3_open(file("attached.db"), &raw); /* its authorizer is not ours */
        if (attached) db = sse_db_attach(raw);
        list[0] = "CREATE TABLE users(name TEXT PRIMARY KEY); CREATE TABLE n(x)";
        list[1] = script;
        is_int(sse_db_migrate_list(db, list, 1), 0, "the first step");
        for (i = 0; i < SSE__COUNT(ends); i++) {
            snprintf(script, sizeof script,
                "INSERT INTO users VALUES('ann'); %s; CREATE TABLE logs(t TEXT)", ends[i]);
            ok(sse_db_migrate_list(db, list, 2) == SSE_E_STATE, "a script that ends it: %d",
                (int)i);
            says(db, SSE_E_STATE, "in the script of a migration: it runs in one transaction", "it");
            is_int(sse_db_migrate_list(db, list, 2), SSE_E_STATE,
                "... and again at the next start");
            is_int(ONE(db, &got, "PRAGMA user_version"), 1, "... does not count");
            is_int(sse_db_migrate(db, script), SSE_E_STATE, "nor by itself");
            is_int(ONE(db, &got,
                       "SELECT (SELECT count(*) FROM users) +"
                       " (SELECT count(*) FROM sqlite_master WHERE name = 'logs')"),
                0, "... and nothing stays");
        }
        for (i = 0; i < SSE__COUNT(stays); i++) {
            snprintf(script, sizeof script, "INSERT INTO n VALUES(1); %s", stays[i]);
            ok(sse_db_migrate(db, script) == 0, "one that does not: %d", (int)i);
        }
        is_int(ONE(db, &got, "SELECT count(*) FROM n WHERE x = 1"), (long)i, "all of it stays");
        is_int(sse_db_migrate(db, "INSERT INTO users VALUES('bob');"
                                  "INSERT OR ROLLBACK INTO users VALUES('bob'); DELETE FROM n"),
            SSE_E_CONFLICT, "a statement that undoes the transaction is the last");
        is_int(ONE(db, &got, "SELECT count(*) FROM n WHERE x = 1"), (long)i, "... that runs");
        sqlite3_create_function(sse_db_raw(db), "f", 0, SQLITE_UTF8, NULL, commits, NULL, NULL);
        list[1] = "SELECT f(); CREATE TABLE logs(t TEXT)";
        is_int(sse_db_migrate_list(db, list, 2), SSE_E_STATE, "a function that ends it");
        is_int(ONE(db, &got, "SELECT count(*) FROM sqlite_master WHERE name = 'logs'"), 0,
            "... ends the script");
        is_int(ONE(db, &got, "PRAGMA user_version"), 1, "... which does not count");
        sse_db_exec(db, "BEGIN");
        is_int(sse_db_migrate(db, "INSERT INTO users VALUES('eve'); COMMIT"), SSE_E_STATE,
            "inside a transaction of the program");
        is_int(sse_db_exec(db, "COMMIT"), 0, "... that one stays open");
        is_int(ONE(db, &got, "SELECT count(*) FROM users"), 0, "... without what the script did");
        sse_db_close(db);
        if (attached) sqlite3_close(raw);
    }
}

static const char *const steps[] = {"CREATE TABLE a(x)", "INSERT INTO a VALUES(2)",
    "INSERT INTO a VALUES(3)"};
static sse_db           *racer;
static int               race_to; /* the version that it migrates to after the next commit */

static int race(void *user, sqlite3 *raw, const char *name, int pages) {
    const int to = race_to;
    (void)user, (void)raw, (void)name, (void)pages;
    race_to = 0;
    if (to) is_int(sse_db_migrate_list(racer, steps, to), 0, "somebody else is faster");
    return SQLITE_OK;
}

static void raced_migrations(void) { /* each step runs once, whoever takes it */
    int to;
    for (to = 2; to <= 3; to++) {
        sse_db *db = sse_db_open(file("race.db"), NULL);
        race_to = to;
        racer = sse_db_open(file("race.db"), NULL);
        sqlite3_wal_hook(sse_db_raw(db), race, NULL);
        is_int(sse_db_migrate_list(db, steps, 3), 0, "a list of which others take a part");
        is_int(ONE(db, &got, "SELECT group_concat(x, '') FROM a"), 23, "each step is taken once");
        is_int(ONE(db, &got, "PRAGMA user_version"), 3, "... and counted");
        sse_db_close(racer);
        sse_db_close(db);
        unlink(file("race.db"));
    }
}

static void rebuilt_table(void) { /* SQLite's documented way to change a table drops it */
    static const char *const family =
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE posts(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE "
        "CASCADE);"
        "CREATE TABLE tags(name TEXT PRIMARY KEY, post INTEGER REFERENCES posts(id)) WITHOUT ROWID;"
        "INSERT INTO users VALUES(1,'ann'),(2,'bob'); INSERT INTO posts VALUES(1,1),(2,2),(3,1)";
    static const char *const rebuild =
        "PRAGMA foreign_keys = OFF; CREATE TABLE new_users(id INTEGER PRIMARY KEY, name TEXT NOT "
        "NULL);"
        "INSERT INTO new_users SELECT id, name FROM users; DROP TABLE users; ALTER TABLE new_users "
        "RENAME TO users";
    const char *list[4];
    sqlite3    *raw;
    sse_db     *db = sse_db_open(":memory:", NULL), *plain;
    list[0] = family;
    list[1] = rebuild;
    list[2] = "DELETE FROM users WHERE id = 2";
    list[3] = "INSERT INTO tags VALUES('x', 99)";
    is_int(sse_db_migrate_list(db, list, 2), 0, "a table is rebuilt by a list");
    is_int(ONE(db, &got, "SELECT count(*) FROM posts"), 3, "and the rows that refer to it stay");
    is_int(sse_db_migrate(db, rebuild), 0, "so it is by a script");
    is_int(ONE(db, &got, "SELECT count(*) FROM posts"), 3, "and they stay");
    is_int(ONE(db, &got, "PRAGMA foreign_keys"), 1, "foreign keys are on again");
    is_int(sse_db_migrate_list(db, list, 3), SSE_E_DB, "a row that refers to none is a failure");
    says(db, SSE_E_DB, "row 2 of table posts refers to a row of users", "in words");
    is_int(ONE(db, &got, "SELECT count(*) FROM users"), 2, "of which nothing stays");
    is_int(ONE(db, &got, "PRAGMA user_version"), 2, "nor does it count");
    is_int(ONE(db, &got, "PRAGMA foreign_keys"), 1, "foreign keys are on after a failure as well");
    is_int(sse_db_migrate(db, list[3]), SSE_E_DB, "so is one of a table without row ids");
    says(db, SSE_E_DB, "a row of table tags refers to a row of posts", "in words");
    is_int(sse_db_migrate(db, "not SQL"), SSE_E_DB, "a script that is none");
    is_int(ONE(db, &got, "PRAGMA foreign_keys"), 1, "leaves them on, too");
    ok(sse__db_busy_statement(db, true, true) == NULL, "none of these checks is left open");
    is_int(sse_db_migrate(db, "INSERT INTO posts VALUES(9, 99); COMMIT"), SSE_E_STATE,
        "a script that commits is told that");
    is_int(ONE(db, &got, "SELECT count(*) FROM posts WHERE id = 9"), 0, "... and commits nothing");
    sse_db_exec(db, "BEGIN");
    is_int(sse_db_migrate(db, "INSERT INTO posts VALUES(9, 99)"), SSE_E_CONFLICT,
        "inside a transaction of the program's foreign keys stay on");
    sse_db_exec(db, "ROLLBACK");
    is_int(sse_db_exec(db, "DELETE FROM users WHERE id = 1"), 1, "outside of migrations");
    is_int(ONE(db, &got, "SELECT count(*) FROM posts"), 1,
        "deleting a row takes those along that say so");
    sse_db_close(db);
    sqlite3_open(":memory:", &raw);
    plain = sse_db_attach(raw);
    is_int(sse_db_migrate(plain, family), 0,
        "a connection of the program's own, without foreign keys");
    is_int(plain->pending.all, true, "... in which it may have changed any table"); /* D4 */
    is_int(sse_db_migrate(plain, list[2]), 0, "is not checked for them");
    is_int(ONE(plain, &got, "PRAGMA foreign_keys"), 0, "and stays as it is");
    sse_db_exec(plain, "PRAGMA foreign_keys = ON");
    is_int(sse_db_migrate(plain, "CREATE TABLE IF NOT EXISTS users(id)"), 0,
        "what changes nothing is not checked either");
    is_int(sse_db_migrate(plain, "CREATE TABLE more(id)"), SSE_E_DB, "what changes something is");
    sse_db_close(plain);
    sqlite3_close(raw);
}

static void opening(void) {
    sse_db_options read_only = {0, 0, true}, odd = {-5, 0, false};
    sse_db        *db, *second;
    sqlite3       *raw;
    char           uri[300];
    FILE          *f = fopen(file("junk.db"), "w");
    const char    *text;
    db = sse_db_open(file("o.db"), NULL);
    is_int(sse__db_open_error(db), 0, "opened");
    is_int(ONE(db, &got, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1, "in WAL mode");
    is_int(ONE(db, &got, "PRAGMA synchronous"), 1, "synchronous NORMAL");
    is_int(ONE(db, &got, "PRAGMA foreign_keys"), 1, "foreign keys on");
    is_int(ONE(db, &got, "PRAGMA busy_timeout"), 5000, "five seconds of patience");
    is_int(ONE(db, &got, "PRAGMA wal_autocheckpoint"), 1000, "autocheckpoint as it was");
    sse_db_exec(db, "CREATE TABLE t(a)");
    second = sse_db_open(file("o.db"), &read_only);
    is_int(ONE(second, &got, "SELECT count(*) FROM t"), 0, "read only reads");
    is_int(sse_db_exec(second, "INSERT INTO t VALUES(1)"), SSE_E_DB, "and does not write");
    sse_db_close(second);
    sse_db_close(db);
    db = sse_db_open(file("nothing.db"), &read_only);
    is_int(sse__db_open_error(db), SSE_E_DB, "read only creates no file");
    sse_db_close(db);
    snprintf(uri, sizeof uri, "file:%s?mode=rwc", file("uri.db"));
    db = sse_db_open(uri, NULL);
    is_int(sse_db_exec(db, "CREATE TABLE t(a)"), 0, "a URI");
    sse_db_close(db);
    is_int(unlink(file("uri.db")), 0, "... is the file that it names");
    db = sse_db_open("/nonexistent/x.db", NULL);
    ok(db != NULL, "a file that cannot be opened gives a database");
    says(db, SSE_E_DB, "unable to open", "that says why");
    is_int(sse_db_exec(db, "SELECT 1"), SSE_E_DB, "fails everywhere: exec");
    ok(!sse_db_next(sse_db_query(db, "SELECT 1")), "query");
    is_int(sse_db_one(db, &got, "SELECT 1"), SSE_E_DB, "one");
    is_int(sse_db_write(db, insert_and, NULL), SSE_E_DB, "write");
    is_int(sse_db_migrate(db, "SELECT 1"), SSE_E_DB, "migrate");
    is_int(sse_db_migrate_list(db, NULL, 0), SSE_E_DB, "migrate_list");
    ok(sse_db_raw(db) == NULL && sse_db_last_id(db) == 0, "and has nothing to give");
    says(db, SSE_E_DB, "unable to open", "and still says why");
    sse_db_close(db);
    fputs(
        "this is not a database, but it is long enough to be taken for one if nobody looks at the "
        "first page of it ...........",
        f);
    fclose(f);
    db = sse_db_open(file("junk.db"), NULL);
    says(db, SSE_E_DB, "not a database", "junk is noticed when it is opened");
    sse_db_close(db);
    db = sse_db_open(file("junk.db"), &read_only);
    says(db, SSE_E_DB, "not a database", "also read only");
    sse_db_close(db);
    db = sse_db_open(NULL, NULL);
    is_int(sse__db_open_error(db), SSE_E_ARG, "no name");
    is_str(said(db), "the name of the database is NULL", "in words");
    sse_db_close(db);
    db = sse_db_open(":memory:", &odd);
    is_int(sse__db_open_error(db), SSE_E_ARG, "an option out of range");
    is_str(said(db), "busy_ms is out of range", "in words");
    sse_db_close(db);
    is_int(sse_db_error(NULL, &text), SSE_E_NOMEM, "NULL is what is left without memory");
    is_int(sse_db_exec(NULL, "SELECT 1"), SSE_E_NOMEM, "and answers so");
    sse_db_close(NULL);
    sqlite3_open(file("o.db"), &raw);
    db = sse_db_attach(raw);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(%d)", 4), 1, "a connection of the program");
    ok(sse_db_raw(db) == raw, "is used");
    (void)sse_db_exec(db, "SELECT 1; SELECT 2");
    (void)sse_db_exec(db, "SELECT '%s'", "x");
    (void)sse_db_exec(db, "SELECT missing");
    (void)sse_db_query(db, "SELECT 1");
    sse_db_close(db);
    is_int(sqlite3_exec(raw, "SELECT * FROM t", NULL, NULL, NULL), SQLITE_OK, "and not closed");
    is_int(sqlite3_close(raw), SQLITE_OK, "nothing of ours is left in it");
    db = sse_db_attach(NULL);
    is_int(sse_db_exec(db, "SELECT 1"), SSE_E_ARG, "NULL cannot be attached");
    is_str(said(db), "the connection is NULL", "in words");
    sse_db_close(db);
}

static void many_start_at_once(void) { /* each turns the new file to WAL, migrates, writes */
    enum { PROCESSES = 6 };
    static const char *const list[] = {"CREATE TABLE t(a)",
        "CREATE TABLE u(a); INSERT INTO u VALUES(1)"};
    int                      i, status, good = 0;
    sse_db                  *db;
    for (i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            db = sse_db_open(file("start.db"), NULL);
            _exit(sse_db_migrate_list(db, list, 2) != 0 ||
                  sse_db_exec(db, "INSERT INTO t VALUES(%d)", i) != 1);
        }
    for (i = 0; i < PROCESSES; i++) good += wait(&status) > 0 && status == 0;
    is_int(good, PROCESSES, "processes that start on a new file at once all get there");
    db = sse_db_open(file("start.db"), NULL);
    is_int(ONE(db, &got, "SELECT count(*) + (SELECT count(*) * 100 FROM u) FROM t"),
        100 + PROCESSES, "and migrate it once");
    sse_db_close(db);
}

/* Somebody reads a file that is not in WAL mode yet, for long. */
static void waits_for_wal(void) {
    sse_db_options o;
    sqlite3       *raw;
    sqlite3_stmt  *rows;
    sse_db        *db;
    uint64_t       began;
    memset(&o, 0, sizeof o);
    o.busy_ms = 100;
    sqlite3_open(file("read.db"), &raw);
    sqlite3_exec(raw, "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2)", NULL, NULL, NULL);
    sqlite3_prepare_v2(raw, "SELECT a FROM t", -1, &rows, NULL);
    is_int(sqlite3_step(rows), SQLITE_ROW, "a query is open");
    sleeps = 0;
    began = sse__clock_ms();
    db = sse_db_open(file("read.db"), &o);
    is_int(sse__db_open_error(db), SSE_E_BUSY, "who wants another mode does not get it");
    ok(sse__clock_ms() - began >= 100 && sleeps <= 11, "... within busy_ms: %d naps", sleeps);
    sse_db_close(db);
    sqlite3_finalize(rows);
    db = sse_db_open(file("read.db"), &o);
    is_int(ONE(db, &got, "PRAGMA busy_timeout"), 100, "... later it does, and waits as ever");
    sse_db_close(db);
    sqlite3_close(raw);
}

static void full(void) { /* a disk that takes no more */
    sse_db *db = sse_db_open(file("full.db"), NULL);
    sse_str blob = {NULL, 50000};
    int     i, rc = 1, zero = 0;
    blob.ptr = (const char *)calloc(1, blob.len);
    sse_db_exec(db, "CREATE TABLE t(a)");
    is_int(ONE(db, &got, "PRAGMA max_page_count = 40"), 40, "room for 40 pages");
    for (i = 0; i < 100 && rc == 1; i++)
        rc = sse_db_exec(db, "INSERT INTO t VALUES(%p)", (const void *)&blob);
    ok(i > 1 && i < 100, "some fit");
    says(db, SSE_E_DB, "full", "then it is full");
    is_int(ONE(db, &got, "SELECT count(*) FROM t"), i - 1, "what is there can be read");
    is_int(sse_db_write(db, insert_and, &zero), 0, "what is small may fit still");
    is_int(sse_db_exec(db, "DELETE FROM t"), i, "rows can be deleted");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(%p)", (const void *)&blob), 1,
        "and there is room again");
    is_int(ONE(db, &got, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1,
        "nothing broke");
    free((void *)(uintptr_t)blob.ptr);
    sse_db_close(db);
}

/* Another process has the lock, until 300 ms after the descriptor that is returned is closed. */
static int lock(const char *name) {
    sqlite3 *raw;
    int      has[2], over[2];
    char     byte;
    if (pipe(has) || pipe(over)) return -1;
    if (fork() == 0) {
        close(over[1]);
        sqlite3_open(file(name), &raw);
        sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (write(has[1], "", 1) != 1 || read(over[0], &byte, 1) != 0) _exit(1);
        usleep(300000);
        sqlite3_exec(raw, "COMMIT", NULL, NULL, NULL);
        _exit(0);
    }
    if (read(has[0], &byte, 1) != 1) return -1;
    close(has[0]);
    close(has[1]);
    close(over[0]);
    return over[1];
}

static void locked(void) {
    sse_db_options patience = {150, 0, false};
    sse_db        *db = sse_db_open(file("locked.db"), &patience),
           *patient = sse_db_open(file("locked.db"), NULL);
    int      zero = 0, status, until;
    uint64_t from;
    sse_db_exec(db, "CREATE TABLE t(a)");
    until = lock("locked.db");
    from = sse__clock_ms();
    is_int(sse_db_write(db, insert_and, &zero), SSE_E_BUSY,
        "another process has the lock for longer than busy_ms");
    ok(sse__clock_ms() - from >= 140, "after that time the call is back");
    says(db, SSE_E_BUSY, "locked", "and says so");
    is_int(ONE(db, &got, "SELECT count(*) FROM t"), 0, "reading goes on meanwhile");
    is_int(sse_db_migrate(db, "CREATE TABLE u(a)"), SSE_E_BUSY, "a migration waits as well");
    close(until);
    is_int(sse_db_write(patient, insert_and, &zero), 0, "who is patient gets in when it is over");
    is_int(sse_db_write(db, insert_and, &zero), 0, "and so does who tries again");
    is_int(ONE(db, &got, "SELECT count(*) FROM t"), 2, "once each");
    wait(&status);
    sse_db_close(patient);
    sse_db_close(db);
}

static int count_busy(void *user, int times) {
    (void)times;
    ++*(int *)user;
    return 0;
}

static void own_handler(void) { /* of a connection that the program holds: it stays */
    sse_db_options quick = {10, 0, false};
    sse_db        *db = sse_db_open(file("handler.db"), &quick),
           *other = sse_db_open(file("handler.db"), NULL);
    int waits, asked = 0;
    sqlite3_busy_handler(sse_db_raw(db), count_busy, &asked);
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another writes");
    for (waits = 0; waits < 2; waits++) {
        sse__db_wait(db, waits != 0);
        is_int(sse_db_exec(db, "CREATE TABLE t(a)"), SSE_E_BUSY, "who is to wait, or not");
        is_int(asked, waits + 1, "... asks the busy handler that the program has set");
    }
    sse_db_close(other);
    sse_db_close(db);
}

static void pending_is(sse_db *db, const char *want, bool all, const char *name) {
    char   names[256] = "";
    size_t at, len = 0;
    for (at = 0; at < db->pending.list.len; at += strlen(db->pending.list.ptr + at) + 1)
        if (!strstr(db->pending.list.ptr + at, "sqlite_"))
            len +=
                (size_t)snprintf(names + len, sizeof names - len, "%s ", db->pending.list.ptr + at);
    is_str(&names[0], want, name);
    is_int(db->pending.all, all, "... and all of them or not");
    sse__table_set_clear(&db->pending);
}

static int write_t_and_fail(sse_db *db, void *user) {
    (void)user;
    is_int(sse_db_exec(db, "INSERT INTO t(b) VALUES(1)"), 1, "a row that is undone again");
    return 1;
}

static int write_u_undo_t(sse_db *db, void *user) {
    (void)user;
    sse_db_exec(db, "DELETE FROM u");
    sse_db_write(db, write_t_and_fail, NULL);
    return 0;
}

static void names(void) { /* D4 */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sqlite3 *raw;
    sse_db_migrate(db,
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE u(a); CREATE TABLE log(a);"
        "CREATE TABLE child(p REFERENCES t(a) ON DELETE CASCADE);"
        "CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID;"
        "CREATE TRIGGER g AFTER INSERT ON u BEGIN INSERT INTO log VALUES(new.a); END;"
        "CREATE VIEW v AS SELECT a FROM u;"
        "CREATE TRIGGER iv INSTEAD OF INSERT ON v BEGIN UPDATE w SET k = 1; END;");
    sse__table_set_clear(&db->pending);
    sse_db_exec(db, "INSERT INTO t(b) VALUES(1)");
    pending_is(db, "main.t ", false, "an insert");
    sse_db_exec(db, "INSERT INTO t(b) VALUES(1)");
    sse_db_exec(db, "INSERT INTO t(b) VALUES(1)");
    pending_is(db, "main.t ", false, "again, from the cache");
    sse_db_exec(db, "SELECT * FROM t, u");
    pending_is(db, "", false, "reading");
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    pending_is(db, "main.u main.log ", false, "a trigger");
    sse_db_exec(db, "DELETE FROM t WHERE a = 1");
    pending_is(db, "main.t main.child ", false, "a cascade");
    sse_db_exec(db, "DELETE FROM log");
    pending_is(db, "main.log ", false, "the truncating delete");
    sse_db_exec(db, "REPLACE INTO w VALUES(1)");
    pending_is(db, "main.w ", false, "REPLACE, WITHOUT ROWID");
    sse_db_exec(db, "INSERT INTO v VALUES(1)");
    pending_is(db, "main.v main.w ", false, "a view with a trigger");
    sse_db_exec(db, "WITH x AS (SELECT 1) INSERT INTO t(b) SELECT * FROM x RETURNING a");
    pending_is(db, "main.t ", false, "WITH and RETURNING");
    sse_db_exec(db, "INSERT INTO t(a, b) VALUES(2, 3) ON CONFLICT DO UPDATE SET b = 4");
    pending_is(db, "main.t ", false, "upsert");
    sse_db_write(db, write_u_undo_t, NULL);
    pending_is(db, "main.u main.t ", false, "a savepoint that was rolled back stays named");
    sse_db_exec(db, "DROP TABLE log");
    pending_is(db, "main.log ", true, "DROP");
    sse_db_exec(db, "CREATE TABLE log(a)");
    pending_is(db, "", true, "CREATE");
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    pending_is(db, "main.u main.log ", false, "a statement prepared again");
    sse_db_exec(db, "ALTER TABLE w RENAME TO w2");
    is_int(db->pending.all, true, "ALTER TABLE");
    sse_db_exec(db, "ALTER TABLE w2 RENAME TO w");
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    sse__table_set_clear(&db->pending);
    sse_db_exec(db, "CREATE VIEW v2 AS SELECT a FROM t");
    is_int(db->pending.all, true, "CREATE VIEW");
    sse__table_set_clear(&db->pending);
    sse_db_exec(db, "DROP VIEW v2");
    is_int(db->pending.all, true, "DROP VIEW");
    sse__table_set_clear(&db->pending);
    sse_db_exec(db, "DROP TRIGGER g");
    pending_is(db, "", false, "DROP TRIGGER changes no rows");
    sse_db_exec(db, "CREATE TRIGGER g AFTER INSERT ON u BEGIN INSERT INTO w VALUES(1); END");
    pending_is(db, "", false, "nor does CREATE TRIGGER");
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    pending_is(db, "main.u main.log main.w ", false, "a trigger made after the statement");
    ok(db->raw_writes.list.len == 0 && !db->raw_writes.all, "none of this came from outside");
    sse_db_exec(db, "CREATE VIRTUAL TABLE f USING fts5(x)");
    if (sse_db_error(db, NULL) == 0) { /* SQLite was built with fts5 */
        is_int(db->pending.all, true, "CREATE VIRTUAL TABLE");
        sse__table_set_clear(&db->pending);
        sse_db_exec(db, "INSERT INTO f VALUES('x')");
        is_int(db->pending.all, true, "a virtual table writes anywhere");
        sse__table_set_clear(&db->pending);
        sse_db_exec(db, "ATTACH ':memory:' AS aux");
        sse_db_exec(db, "CREATE VIRTUAL TABLE aux.g USING fts5(x)");
        sse__table_set_clear(&db->pending);
        sse_db_exec(db, "INSERT INTO aux.g VALUES('x')");
        is_int(db->pending.all, true, "also one of an attached database");
        sse__table_set_clear(&db->pending);
        sse_db_exec(db, "DROP TABLE aux.g");
        is_int(db->pending.all, true, "... which is dropped");
        sse__table_set_clear(&db->pending);
    }
    sse__table_set_clear(&db->raw_writes);
    sqlite3_exec(sse_db_raw(db), "INSERT INTO u VALUES(2)", NULL, NULL, NULL);
    ok(db->raw_writes.list.len > 0 && strcmp(db->raw_writes.list.ptr, "main.u") == 0,
        "a statement of the program's own is seen when it is prepared");
    sqlite3_set_authorizer(sse_db_raw(db), NULL, NULL);
    sse_db_exec(db, "DELETE FROM t WHERE b = 99");
    is_int(db->pending.all, true, "without our authorizer it is all tables");
    sse_db_close(db);
    sqlite3_open(":memory:", &raw);
    db = sse_db_attach(raw);
    sse_db_exec(db, "CREATE TABLE t(a)");
    is_int(db->pending.all, true, "of an attached connection as well");
    sse_db_close(db);
    sqlite3_close(raw);
}

static sqlite3_stmt *of_function; /* it keeps its statement, as a program may */
static bool          function_writes;

static void function(sqlite3_context *context, int n, sqlite3_value **values) {
    (void)n, (void)values;
    if (!function_writes) return;
    if (!of_function)
        sqlite3_prepare_v2(sqlite3_context_db_handle(context), "INSERT INTO u VALUES(1)", -1,
            &of_function, NULL);
    sqlite3_step(of_function);
    sqlite3_reset(of_function);
}

static void functions_that_write(void) { /* D4 */
    sse_db *db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE u(a); CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    sqlite3_create_function(sse_db_raw(db), "f", 0, SQLITE_UTF8, NULL, function, NULL, NULL);
    sse_db_exec(db, "SELECT f() FROM t");
    sse_db_exec(db, "CREATE TABLE z(a)"); /* the SELECT is prepared again, after it */
    sse_db_exec(db, "SELECT f() FROM t");
    sse__table_set_clear(&db->pending);
    sse__table_set_clear(&db->raw_writes);
    function_writes = true;
    sse_db_exec(db, "SELECT f() FROM t");
    pending_is(db, "main.u ", false, "what a function of the program's writes");
    ok(db->raw_writes.list.len && !strcmp(db->raw_writes.list.ptr, "main.u"),
        "... which it may write again at any time, whatever calls it then");
    is_int(ONE(db, &got, "SELECT count(*) FROM u"), 1, "(it did)");
    sqlite3_finalize(of_function);
    sse_db_close(db);
}

/* ---- without memory ---- */

static sqlite3_mem_methods real_memory;

static void *sqlite_malloc(int n) { return fails() ? NULL : real_memory.xMalloc(n); }
static void *sqlite_realloc(void *p, int n) { return fails() ? NULL : real_memory.xRealloc(p, n); }

static int everything(void) { /* 0: all of it went well */
    sse_db   *db = sse_db_open(":memory:", NULL);
    sse_rows *r;
    int       zero = 0, sum = 0;
    bool      good =
        sse_db_migrate(db,
            "CREATE TABLE t(a); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = "
            "9; END") == 0;
    good = sse_db_exec(db, "INSERT INTO t VALUES(%s)",
               "1234567890123456789012345678901234567890") == 1 &&
           good;
    good = sse_db_write(db, insert_and, &zero) == 0 && good;
    for (r = sse_db_query(db, "SELECT a, a || %s FROM t",
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
         sse_db_next(r); sum++)
        good = sse_db_text(r, 1) != NULL && sse_db_blob(r, 0).ptr != NULL && good;
    good = sum == 2 && sse_db_error(db, NULL) == 0 && good;
    said(db);
    sse_db_close(db);
    return !good;
}

/* Fails one allocation after the other, from there on all, until there is enough for all of it. */
static void without_memory(void) {
    long n;
    int  failed = 0, rc;
    for (n = 0; n < 5000; n++) {
        fail_after = n;
        rc = everything();
        if (fail_after > 0) break;
        failed += rc != 0;
    }
    fail_after = -1;
    ok(n < 5000 && rc == 0, "with %ld allocations everything goes well", n);
    ok(failed > 50, "with fewer something fails (%d times), and nothing breaks", failed);
}

/* Where memory lacks for a moment, or from then on, a call fails or does what it should; once there
   is memory, the next ones are as good as any. */
static void short_of_memory(int once) { /* D4 */
    char long_name[301], sql[400];
    long n = 0;
    int  wrong = 0, untold = 0, worse = 0, failed = 0;
    bool last;
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    for (;; n++) {
        sse_db *db = sse_db_open(":memory:", NULL);
        int     rc;
        snprintf(sql, sizeof sql, "CREATE TABLE %s(a)", long_name);
        sqlite3_exec(sse_db_raw(db), sql, NULL, NULL, NULL);
        sqlite3_exec(sse_db_raw(db), "CREATE TABLE u(a)", NULL, NULL, NULL);
        snprintf(sql, sizeof sql, "INSERT INTO %s VALUES(%%s)", long_name);
        fail_once = once;
        fail_after = n;
        rc = sse_db_exec(db, sql, "x");
        last = fail_after > 0;
        fail_after = -1;
        if (last) sse_db_close(db);
        if (last) break;
        failed += rc < 0;
        wrong += rc != 1 && (rc != SSE_E_NOMEM || !strstr(said(db), "memory"));
        if (db->pending.list.len && strcmp(strchr(db->pending.list.ptr, '.') + 1, long_name))
            untold++;
        if (rc == 1 && !db->pending.all && !db->pending.list.len) untold++;
        fail_after = 0;
        (void)sse_db_exec(db, "SELECT missing");
        fail_after = -1;
        (void)sse_db_exec(db, "SELECT missing");
        worse += !strstr(said(db), "no such column: missing");
        worse += sse_db_exec(db, sql, "x") != 1;
        sse__table_set_clear(&db->pending);
        worse += sse_db_exec(db, "INSERT INTO u VALUES(%d)", 1) != 1;
        worse += db->pending.all || strcmp(db->pending.list.ptr, "main.u");
        sse_db_close(db);
    }
    fail_after = -1;
    fail_once = 0;
    ok(failed > 3, "of %ld allocations %d are needed", n, failed);
    is_int(wrong, 0, "where one lacks the call fails, and says why, or does all");
    is_int(untold, 0, "... and what it writes is known, or taken for any table");
    is_int(worse, 0, "... and the next calls are none the worse");
}

/* An error has words, though not all of them may have found room. */
static void words_without_memory(void) {
    char sql[400];
    int  n, wordless = 0;
    snprintf(sql, sizeof sql, "SELECT missing -- %0300d", 0);
    fail_once = 1;
    for (n = 0; n < 100; n++) {
        sse_db *db = sse_db_open(":memory:", NULL);
        sse_db_exec(db, "SELECT 1");
        fail_after = n;
        wordless += sse_db_exec(db, sql) < 0 && !*said(db);
        fail_after = -1;
        sse_db_close(db);
    }
    fail_once = 0;
    is_int(wordless, 0, "no error is without words");
}

/* Columns that need memory to be read. */
static void large_columns(void) {
    sse_db *db = sse_db_open(":memory:", NULL);
    int     as_text;
    for (as_text = 0; as_text < 2; as_text++) {
        sse_rows *r = sse_db_query(db, "WITH x(i) AS (VALUES(1), (2))"
                                       " SELECT zeroblob(i * 1000000) FROM x");
        ok(sse_db_next(r), "a large column");
        fail_after = 0;
        if (as_text) ok(sse_db_text(r, 0) == NULL, "is no text without memory for it");
        else ok(sse_db_blob(r, 0).ptr == NULL, "is no blob without memory for it");
        fail_after = -1;
        is_int(sse_db_error(db, NULL), SSE_E_NOMEM, "... an error");
        sse_db_exec(db, "SELECT 1");
        ok(!sse_db_next(r), "... that ends the rows");
        says(db, SSE_E_NOMEM, "memory", "... and stays");
    }
    sse_db_close(db);
}

/* What a database says to a process that may not write to its file, or its directory. */
static const char *denied(const char *path, int of_file, int of_directory, bool read_only) {
    static char words[400];
    char        beside[200];
    int         ends[2];
    ssize_t     n = 0;
    pid_t       child;
    words[0] = '\0';
    chmod(path, (mode_t)of_file);
    chmod(dir, (mode_t)of_directory);
    if (pipe(ends)) return words;
    child = fork();
    if (child == 0) {
        sse_db_options o;
        sse_db        *db;
        const char    *why = "";
        memset(&o, 0, sizeof o);
        o.read_only = read_only;
        if (getuid() == 0 && setuid(65534)) _exit(1); /* nothing is denied to root */
        db = sse_db_open(path, &o);
        if (!sse_db_error(db, NULL)) sse_db_exec(db, "INSERT INTO t VALUES(1)");
        if (!sse_db_error(db, &why)) why = "";
        if (write(ends[1], why, strlen(why)) < 0) _exit(1);
        sse_db_close(db);
        _exit(0);
    }
    close(ends[1]);
    n = read(ends[0], words, sizeof words - 1);
    words[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    chmod(dir, 0700);
    snprintf(beside, sizeof beside, "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", path);
    unlink(beside);
    return words;
}

static void rights(void) {
#define RIGHTS \
    ": this process needs the right to write to the file and its directory, or .read_only ["
    static const char readonly[] = "attempt to write a readonly database";
    char              path[200], want[400];
    sse_db           *db;
    snprintf(path, sizeof path, "%s/rights.db", dir);
    db = sse_db_open(path, NULL);
    sse_db_exec(db, "CREATE TABLE t(a)");
    sse_db_close(db);
    snprintf(want, sizeof want, "%s" RIGHTS "INSERT INTO t VALUES(1)]", readonly);
    is_str(denied(path, 0444, 0777, false), want, "a file that may not be written to");
    snprintf(want, sizeof want, "%s" RIGHTS "%s]", readonly, path);
    is_str(denied(path, 0666, 0555, false), want, "... its directory, where -wal is to be");
    is_str(denied(path, 0666, 0777, false), "", "both may");
    snprintf(want, sizeof want, "%s [INSERT INTO t VALUES(1)]", readonly);
    is_str(denied(path, 0666, 0777, true), want, "one that was opened so");
    unlink(path);
    snprintf(want, sizeof want, "unable to open database file" RIGHTS "%s]", path);
    is_str(denied(path, 0666, 0555, false), want, "a file that is to be made there");
#undef RIGHTS
}

static void broken(void) { /* a program that does not ask whether its database opened */
    sse_serve_options any = {NULL, SSE_ANY_PORT, 0, 0, true, false, 0, false, 0};
    sse_app          *app = sse_app_new(NULL);
    sse_db           *db = sse_db_open("/nowhere/at/all.db", NULL);
    const char       *why;
    is_int(sse_listen(app, &any), SSE_E_DB, "sse_listen reports a database that did not open");
    sse_app_error(app, &why);
    ok(strstr(why, "/nowhere/at/all.db") != NULL, "and why: %s", why);
    sse_app_free(app);
    app = sse_app_new(NULL);
    sse_db_close(db);
    is_int(sse_listen(app, &any), SSE_OK, "but not one that was closed again");
    sse_app_free(app);
}

static int listens(void) {
    sse_serve_options any = {NULL, SSE_ANY_PORT, 0, 0, true, false, 0, false, 0};
    sse_app          *app = sse_app_new(NULL);
    const char       *why;
    const int         rc = sse_listen(app, &any);
    sse_app_error(app, &why);
    if (rc) ok(strlen(why) > 70, "it says why: %s", why);
    sse_app_free(app);
    return rc;
}

/* What sse_db_open or sse_db_attach was given may be what getenv and sqlite3_open have answered. */
static void never_opened(void) {
    static const sse_db_options impatient = {-5, 0, false};
    int                         i;
    for (i = 0; i < 3; i++) {
        sse_db *db = i == 0   ? sse_db_open(NULL, NULL)
                     : i == 1 ? sse_db_open(file("never.db"), &impatient)
                              : sse_db_attach(NULL);
        is_int(listens(), SSE_E_DB, "no file, a busy_ms out of range, no connection");
        sse_db_close(db);
        is_int(listens(), 0, "... until it is closed");
    }
}

static void failed_migrations(void) { /* whoever does not ask how a migration went must not serve */
    static const char *const        bad[] = {"CREATE TABLE x(a); this is not SQL"},
                             *const good[] = {"CREATE TABLE x(a)"};
    sse_db_options                  patient = {100, 0, false};
    sse_db                         *db = sse_db_open(file("failed.db"), &patient),
           *other = sse_db_open(file("failed.db"), NULL);
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another one holds the lock");
    is_int(sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS m(a)"), SSE_E_BUSY,
        "a script that cannot have it");
    is_int(listens(), SSE_E_DB, "keeps the server from starting");
    is_int(sse_db_exec(other, "ROLLBACK"), 0, "it lets go");
    is_int(sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS n(a)"), 0, "another script runs");
    is_int(listens(), SSE_E_DB, "which is not the one that failed");
    is_int(sse_db_migrate(other, "CREATE TABLE IF NOT EXISTS m(a)"), 0, "nor is it of that one");
    is_int(listens(), SSE_E_DB, "where it runs in another database");
    is_int(sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS m(a)"), 0, "that one runs");
    is_int(listens(), 0, "and the server starts");
    is_int(sse_db_migrate_list(db, bad, 1), SSE_E_DB, "a list that fails");
    is_int(listens(), SSE_E_DB, "keeps it from starting");
    is_int(sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS o(a)"), 0, "whatever script runs later");
    is_int(listens(), SSE_E_DB, "still");
    is_int(sse_db_migrate_list(db, good, 1), 0, "until the list does");
    is_int(listens(), 0, "and it starts");
    is_int(sse_db_migrate_list(db, good, 0), SSE_E_STATE,
        "a database that is newer than the program");
    is_int(listens(), SSE_E_DB, "keeps it from starting as well");
    sse_db_close(db);
    is_int(listens(), 0, "but not one that was closed again");
    sse_db_close(other);
}

/* Each that is broken keeps the server from starting, whichever of them is mended first. */
static void several_broken(void) {
    static const char *const scripts[] = {"INSERT INTO m VALUES(1)", "INSERT INTO n VALUES(1)"};
    sse_db                  *nowhere[2], *db;
    int                      i;
    for (i = 0; i < 2; i++) {
        nowhere[0] = sse_db_open("/nowhere/at/all.db", NULL);
        nowhere[1] = sse_db_open("/nowhere/else.db", NULL);
        db = sse_db_open(file(i ? "several.db" : "more.db"), NULL);
        is_int(sse_db_migrate(db, scripts[0]), SSE_E_DB, "a script that fails");
        is_int(sse_db_migrate(db, scripts[1]), SSE_E_DB, "another");
        sse_db_close(nowhere[i]);
        is_int(listens(), SSE_E_DB, "one of two that did not open is closed");
        sse_db_close(nowhere[!i]);
        is_int(listens(), SSE_E_DB, "both; that leaves the scripts");
        is_int(sse_db_exec(db, i ? "CREATE TABLE n(a)" : "CREATE TABLE m(a)"), 0, "a table");
        is_int(sse_db_migrate(db, scripts[i]), 0, "one of them runs");
        is_int(listens(), SSE_E_DB, "that leaves the other");
        is_int(sse_db_exec(db, i ? "CREATE TABLE m(a)" : "CREATE TABLE n(a)"), 0, "a table");
        is_int(sse_db_migrate(db, scripts[!i]), 0, "it runs as well");
        is_int(listens(), 0, "and the server starts");
        sse_db_close(db);
    }
}

static void view_nothing(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)user;
    sse_puts(html, "<p id=\"p\"></p>");
}

/* What a child finds that goes on with the database of its parent; a bit for each answer that is
   wrong. */
static int in_child(sse_db *db, sse_rows *open_rows, sse_app *listening) {
    sse_serve_options any = {NULL, SSE_ANY_PORT, 0, 0, true, false, 0, false, 0};
    sse_topic_options kept;
    sse_app          *app = sse_app_new(NULL);
    const char       *why;
    int               wrong = 0;
    memset(&kept, 0, sizeof kept);
    kept.history = 10;
    kept.db = db;
    if (sse_db_error(db, NULL) != SSE_E_STATE || sse_db_exec(db, "SELECT 1") != SSE_E_STATE)
        wrong |= 1;
    if (ONE(db, &got, "SELECT 1") != -999 || sse_db_query(db, "SELECT 1") || sse_db_next(open_rows))
        wrong |= 2;
    if (sse_db_migrate(db, "SELECT 1") != SSE_E_STATE ||
        sse_db_write(db, NULL, NULL) != SSE_E_STATE)
        wrong |= 4;
    if (sse_db_raw(db) || sse_db_last_id(db) || !strstr(said(db), "open it after fork")) wrong |= 8;
    if (sse_serve_background(listening, &any)) wrong |= 128;
    if (sse_poll(listening, 0) != SSE_E_STATE || sse_serve(listening, &any) != SSE_E_STATE)
        wrong |= 16;
    sse_app_error(listening, &why);
    if (!strstr(why, "sse_db_open after fork")) wrong |= 32;
    if (sse_topic(app, "t", &kept) != SSE_E_STATE) wrong |= 64;
    sse_db_done(open_rows);
    sse_db_close(db);
    return wrong;
}

static void forked(void) { /* between sse_db_open and sse_serve */
    sse_serve_options any = {NULL, SSE_ANY_PORT, 0, 0, true, false, 0, false, 0};
    sse_live_options  live;
    int               round, status = -1;
    /* used by a view, by a topic's history, by a topic's rows; of an app that has turned, or not */
    for (round = 0; round < 6; round++) {
        sse_db           *db = sse_db_open(file("forked.db"), NULL);
        sse_app          *app = sse_app_new(NULL);
        sse_rows         *open_rows;
        sse_topic_options kept;
        pid_t             child;
        memset(&live, 0, sizeof live);
        memset(&kept, 0, sizeof kept);
        live.db = kept.db = db;
        kept.history = 10;
        sse_db_migrate(db,
            "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x); INSERT INTO t(x) VALUES(1)");
        if (round % 3 == 0) is_int(sse_live(app, "/v", view_nothing, &live), 0, "a view");
        if (round % 3 == 1) is_int(sse_topic(app, "t", &kept), 0, "a history");
        if (round % 3 == 2)
            is_int(sse_topic_from_table(app, "t", db,
                       "SELECT id, x FROM t WHERE id > ? ORDER BY id"),
                0, "rows");
        is_int(sse_listen(app, &any), 0, "it listens");
        if (round > 2) is_int(sse_poll(app, 0), 1, "... and turns");
        open_rows = sse_db_query(db, "SELECT x FROM t");
        child = fork();
        if (child == 0) _exit(in_child(db, open_rows, app));
        waitpid(child, &status, 0);
        is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0,
            "a child cannot use the database of its parent");
        ok(sse_db_next(open_rows), "the parent still can");
        sse_db_done(open_rows);
        is_int(sse_db_exec(db, "INSERT INTO t(x) VALUES(2)"), 1, "and writes");
        sse_app_free(app);
        sse_db_close(db);
    }
}

static long long size_of(const char *name) {
    struct stat st;
    return stat(name, &st) ? -1 : (long long)st.st_size;
}

static void wal_shrinks(void) { /* when who made it grow has gone */
    char      file[80], wal[90];
    sse_db   *db, *reader;
    sse_rows *r;
    int       i;
    snprintf(file, sizeof file, "%s/wal.db", dir);
    snprintf(wal, sizeof wal, "%s-wal", file);
    db = sse_db_open(file, NULL);
    reader = sse_db_open(file, NULL);
    sse_db_exec(db, "CREATE TABLE t (x)");
    sse_db_exec(db, "INSERT INTO t VALUES (1)");
    r = sse_db_query(reader, "SELECT x FROM t UNION ALL SELECT 2");
    ok(sse_db_next(r), "a reader reads for long");
    for (i = 0; i < 20; i++) sse_db_exec(db, "INSERT INTO t VALUES (zeroblob(1000000))");
    ok(size_of(wal) > 15000000, "the -wal file grows meanwhile (%lld bytes)", size_of(wal));
    sse_db_done(r);
    for (i = 0; i < 3; i++) sse_db_exec(db, "INSERT INTO t VALUES (1)");
    ok(size_of(wal) <= 4194304, "and shrinks when it has gone (%lld bytes)", size_of(wal));
    sse_db_close(reader);
    sse_db_close(db);
}

int main(void) {
    sqlite3_mem_methods failing;
    char                command[64];
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    failing = real_memory;
    failing.xMalloc = sqlite_malloc;
    failing.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    if (!mkdtemp(dir)) return 1;
    sleeps_begin();
    values();
    refusals();
    rows();
    cache();
    constraints();
    rows_left_early();
    failures_in_a_log();
    stale_transaction();
    transactions();
    migrations();
    words_as_sqlite_has_them();
    scripts_that_commit();
    raced_migrations();
    rebuilt_table();
    opening();
    rights();
    broken();
    never_opened();
    failed_migrations();
    several_broken();
    forked();
    many_start_at_once();
    waits_for_wal();
    full();
    locked();
    own_handler();
    wal_shrinks();
    names();
    functions_that_write();
    without_memory();
    short_of_memory(0);
    short_of_memory(1);
    words_without_memory();
    large_columns();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 1;
    return tap_done();
}

#endif
