/* Files as replies: what compressed ones that are kept cost the loop, whoever asks for them in
   whatever turns; single ones; those of databases, which are no replies. */
#define _DEFAULT_SOURCE
#include "nth.h"
#include <string.h>
static const char *really; /* what a path is without its links; NULL: as it is */
#define realpath(path, to) (really ? strdup(really) : realpath(path, to))
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#ifdef SSE_NO_COMPRESSION
int main(void) { return tap_done(); }
#else
#include "dial.h"
#include <sys/wait.h>

#ifdef SSE_NO_BROTLI /* as many compressed files, of one kind */
enum { FILES = 16, CODINGS = 1, ROUNDS = 12, CREDIT_FOR = 7 };
#else
enum { FILES = 8, CODINGS = 2, ROUNDS = 12, CREDIT_FOR = 7 };
#endif

static char dir[] = "/tmp/sse-file-XXXXXX";
static void send_file(sse_req *req, void *user) {
    sse_send_file(req, sse_fmt(req, "%s/%s.txt", (const char *)user, sse_param(req, "n")), NULL);
}

/* Of a text that compresses to a half: all of them together do not fit what is kept. */
static void make_files(void) {
    static const char hex[] = "0123456789abcdef";
    static char       text[900000];
    char              name[64];
    uint32_t          x = 1;
    size_t            k;
    int               i;
    for (i = 0; i < FILES; i++) {
        FILE *f;
        snprintf(name, sizeof name, "%s/%d.txt", dir, i);
        for (k = 0; k < sizeof text; k++) text[k] = hex[(x = x * 1664525 + 1013904223) >> 28];
        f = fopen(name, "w");
        if (!f || fwrite(text, 1, sizeof text, f) != sizeof text || fclose(f)) exit(1);
    }
}

/* Asks for a file, hangs up when its head is in. */
static bool compressed(sse_app *app, int i, const char *coding) {
    char    path[32], head[80];
    client *c;
    bool    is;
    snprintf(path, sizeof path, "/file/%d", i);
    snprintf(head, sizeof head, "Accept: */*\r\nAccept-Encoding: %s\r\n", coding);
    c = dial(app, path, head);
    is = times(c, "Content-Encoding:") == 1;
    if (!times(c, " 200 OK")) exit(1);
    hang_up(c);
    return is;
}

/* The same, and waits until what is compressed for it is kept. *work counts those, and the last one
   takes more credit than a test can earn: the speed of the machine counts for nothing. */
static bool costs(sse_app *app, int i, const char *coding, int *work) {
    sse__file_cache *files = app->files;
    sse__cached      were[SSE__CACHE_FILES];
    bool             is;
    size_t           k;
    memcpy(were, files->at, sizeof were);
    files->credit_us = *work < CREDIT_FOR ? SSE__CACHE_CREDIT_US : -1000000000;
    files->earned_us = sse__clock_us();
    is = compressed(app, i, coding);
    for (k = 0; k < SSE__CACHE_FILES; k++)
        while (files->at[k].busy) turns(app, 1);
    for (k = 0; k < SSE__CACHE_FILES; k++)
        if (files->at[k].used > were[k].used && (were[k].encoding != files->at[k].encoding ||
                                                    strcmp(were[k].etag, files->at[k].etag) != 0))
            ++*work;
    return is;
}

static void put_file(const char *name, const char *text) {
    char  path[64];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) exit(1);
}

/* One file, at a path of its own. */
static void one_file(void) {
    sse_static_options o;
    sse_test_reply     r;
    sse_app           *app = sse_app_new(NULL);
    char               path[64];
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.cache_control = "max-age=60";
    put_file(".icon.svg", "<svg/>");
    put_file("page.html", "<p>page");
    put_file("page.html.gz", "as if compressed");
    snprintf(path, sizeof path, "%s/.icon.svg", dir);
    is_int(sse_static(app, "/favicon.svg", path, &o), 0, "a file instead of a directory");
    snprintf(path, sizeof path, "%s/page.html", dir);
    is_int(sse_static(app, "/", path, NULL), 0, "... also at /");
    sse_test_request(app, "GET /favicon.svg?v=2", NULL, NULL, &r);
    is_str(r.body, "<svg/>", "... is served at that path, dotfile or not");
    is_str(sse_test_header(&r, "Content-Type"), "image/svg+xml", "... by the type of its name");
    is_str(sse_test_header(&r, "Cache-Control"), "max-age=60", "... and as the options say");
    sse_test_request(app, "HEAD /favicon.svg", NULL, NULL, &r);
    is_str(sse_test_header(&r, "Content-Length"), "6", "... HEAD, too");
    sse_test_request(app, "GET /favicon.svg", "Range: bytes=1-3\n", NULL, &r);
    ok(r.status == 206 && strcmp(r.body, "svg") == 0, "... in parts");
    sse_test_request(app, "POST /favicon.svg", NULL, "", &r);
    is_int(r.status, 405, "... and only read");
    sse_test_request(app, "GET /favicon.svg/", NULL, NULL, &r);
    is_int(r.status, 404, "... nothing below it");
    sse_test_request(app, "GET /page.html", NULL, NULL, &r);
    is_int(r.status, 404, "... nothing beside it");
    sse_test_request(app, "GET /", "Accept-Encoding: gzip\n", NULL, &r);
    is_str(r.body, "as if compressed", "... but for its compressed form");
    sse_test_request(app, "GET /", NULL, NULL, &r);
    is_str(r.body, "<p>page", "... no index.html below it");
    remove(path);
    mkdir(path, 0700);
    sse_test_request(app, "GET /", NULL, NULL, &r);
    is_int(r.status, 404, "... a directory in its place is none");
    sse_test_close(&r);
    sse_app_free(app);
}

/* The directory of a file is what stands before its last slash, but / is one as well. */
static void directories(void) {
    static const char *const rows[][3] = {{"/a/b.txt", "/a", "b.txt"}, {"/b.txt", "/", "b.txt"},
        {"/a/b/c", "/a/b", "c"}, {"/a", "/", "a"}};
    char                     path[64];
    size_t                   i;
    put_file("link", "any file");
    snprintf(path, sizeof path, "%s/link", dir);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse__dir *d = SSE__NEW(sse__dir);
        really = rows[i][0];
        ok(sse__dir_find(d, path), "%s", rows[i][0]);
        really = NULL;
        is_str(d->root, rows[i][1], "... its directory");
        is_str(d->only, rows[i][2], "... its name there");
        sse__dir_free(d);
    }
    remove(path);
}

/* A compressed form is one of a file: a directory has none, whatever stands beside or in it. */
static void no_form_of_directories(void) {
    static const char *const accepts[] = {"Accept-Encoding: gzip\n", "Accept-Encoding: br\n", NULL};
    static const sse_file    listed[] = {{"/.gz", "hidden", 6}, {"/.br", "hidden", 6},
           {NULL, NULL, 0}};
    sse_static_options       o;
    sse_test_reply           r;
    sse_app                 *app = sse_app_new(NULL);
    char                     path[64];
    size_t                   i;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    snprintf(path, sizeof path, "%s/sub", dir);
    mkdir(path, 0700);
    put_file(".gz", "hidden");
    put_file(".br", "hidden");
    put_file("sub.gz", "of no file");
    put_file("sub.br", "of no file");
    put_file("alone.txt.gz", "as if compressed");
    sse_static(app, "/f", dir, NULL);
    o.files = listed;
    sse_static(app, "/listed", NULL, &o);
    for (i = 0; i < 3; i++) {
        sse_test_request(app, "GET /f", accepts[i], NULL, &r);
        ok(r.status == 301 && strcmp(sse_test_header(&r, "Location"), "./f/") == 0,
            "the directory itself is at its path with a slash: no dotfile is its compressed form");
        sse_test_request(app, "GET /f/sub", accepts[i], NULL, &r);
        ok(r.status == 301 && strcmp(sse_test_header(&r, "Location"), "./sub/") == 0,
            "... so is one below it, though a file of its name and .gz or .br is beside it");
        sse_test_request(app, "GET /listed", accepts[i], NULL, &r);
        is_int(r.status, 301, "... so is a list of files");
    }
    sse_test_request(app, "GET /f/alone.txt", accepts[0], NULL, &r);
    is_str(r.body, "as if compressed", "a compressed form whose file is not there is sent");
    sse_test_close(&r);
    sse_app_free(app);
}

#ifndef SSE_NO_SQLITE
/* ---- files of databases ---- */

static int refusal, errors;

static void on_error(int level, const char *line, void *user) {
    (void)user;
    errors += level == SSE_LOG_ERROR && strstr(line, "VACUUM INTO") != NULL;
}

static void send_any(sse_req *req, void *user) {
    (void)user;
    refusal = sse_send_file(req, sse_fmt(req, "%s/%s", dir, sse_param(req, "name")), NULL);
}

static bool locked(const char *name) { /* by this process: another one looks */
    struct flock lock;
    char         path[64];
    int          status = 0, fd;
    const pid_t  child = fork();
    if (child == 0) {
        memset(&lock, 0, sizeof lock);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        lock.l_type = F_WRLCK;
        fd = open(path, O_RDWR);
        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) ? 2 : lock.l_type != F_UNLCK);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* status: of sse_static; that of sse_send_file is 500 in place of 404 */
static void asks(sse_app *app, const char *name, int status) {
    const bool     is = status == 404;
    sse_test_reply r;
    char           line[64];
    memset(&r, 0, sizeof r);
    snprintf(line, sizeof line, "GET /s/%s", name);
    sse_test_request(app, line, NULL, NULL, &r);
    is_int(r.status, status, name);
    snprintf(line, sizeof line, "GET /f/%s", name);
    sse_test_request(app, line, NULL, NULL, &r);
    is_int(r.status, is ? 500 : status, "... by sse_send_file");
    is_int(refusal, is ? SSE_E_STATE : 0, "... as that says");
    sse_test_close(&r);
}

/* Whoever opens a file of a database and closes it takes the locks that the process has there. */
static void databases(void) { /* FL2 */
    static const char *const theirs[] = {"app.db", "app.db-wal", "app.db-shm", "aux.db",
        "aux.db-shm", "linked"};
    sse_app_options          o;
    sse_app                 *app;
    sse_db                  *db, *second;
    char                     path[64], other[64];
    size_t                   i;
    memset(&o, 0, sizeof o);
    o.on_log = on_error;
    app = sse_app_new(&o);
    sse_static(app, "/s", dir, NULL);
    sse_get(app, "/f/{name}", send_any, NULL);
    snprintf(path, sizeof path, "%s/app.db", dir);
    snprintf(other, sizeof other, "%s/aux.db", dir);
    db = sse_db_open(path, NULL);
    sse_db_exec(db, "CREATE TABLE t(a)");
    sse_db_exec(db, "ATTACH %s AS aux", other);
    sse_db_exec(db, "PRAGMA aux.journal_mode = WAL");
    sse_db_exec(db, "CREATE TABLE aux.u(a)");
    snprintf(other, sizeof other, "%s/linked", dir);
    ok(link(path, other) == 0, "another name");
    put_file("app.db-shmem", "of no database");
    second = sse_db_open(":memory:", NULL);
    sse_db_close(sse_db_open(path, NULL)); /* what one has open another may close */
    for (i = 0; i < SSE__COUNT(theirs); i++) asks(app, theirs[i], 404);
    ok(locked("app.db") && locked("app.db-shm"), "the locks of the database stay");
    ok(locked("aux.db") && locked("aux.db-shm"), "... of an attached one, too");
    ok(errors > 0, "the log says how a copy is sent");
    asks(app, "app.db-shmem", 200);
    snprintf(other, sizeof other, "%s/copy.db", dir);
    is_int(sse_db_exec(db, "VACUUM INTO %s", other), 0, "a copy");
    asks(app, "copy.db", 200);
    rename(other, path);
    asks(app, "app.db", 404);
    asks(app, "linked", 404);
    sse_db_exec(db, "DETACH aux");
    asks(app, "aux.db", 200);
    sse_db_close(db);
    sse_db_close(second);
    asks(app, "app.db", 200);
    asks(app, "linked", 200);
    sse_app_free(app);
}

/* Without memory for what is open it is known by the next call, or there is no database. */
static void databases_without_memory(void) { /* FL2 */
    char    path[64], other[64], index[72];
    sse_db *db = NULL;
    long    n;
    int     open;
    bool    held;
    snprintf(path, sizeof path, "%s/app.db", dir);
    snprintf(index, sizeof index, "%s-shm", path);
    snprintf(other, sizeof other, "%s/aux.db", dir);
    for (n = 1, open = 0; !open; n++) {
        fail_at = n;
        db = sse_db_open(path, NULL);
        open = fail_at > 0;
        fail_at = 0;
        if (!db) continue;
        ok(sse_db_error(db, NULL) || sse__file_is_held(path), "without allocation %ld", n);
        if (!open) sse_db_close(db);
        ok(open || !sse__file_is_held(path), "... and it is closed");
    }
    sse_db_exec(db, "ATTACH %s AS aux", other); /* what else that takes is kept */
    sse_db_exec(db, "DETACH aux");
    for (n = 1, open = 0; !open; n++) {
        fail_at = n;
        sse_db_exec(db, "ATTACH %s AS aux", other);
        open = fail_at > 0;
        fail_at = 0;
        sse_db_exec(db, "CREATE TABLE IF NOT EXISTS aux.u(a)");
        held = sse__file_is_held(other);
        ok(held && sse_db_exec(db, "DETACH aux") == 0, "attached without allocation %ld", n);
    }
    fail_at = 1;
    ok(sse__file_is_held(index), "what cannot be found out is not sent");
    fail_at = 0;
    ok(!sse__file_is_held(other) && !sse__file_is_held("/nowhere"), "what is not open is not held");
    put_file("sub/app.db", "of its name elsewhere");
    snprintf(other, sizeof other, "%s/sub/app.db", dir);
    ok(!sse__file_is_held(other), "... whatever its name is");
    sse_db_close(db);
}

static int denies(void *user, int action, const char *a, const char *b, const char *c,
    const char *d) {
    (void)user, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

static void nobody(sse_app *app, sse_db *db, void *user) { (void)app, (void)db, (void)user; }

/* A connection of the program's attaches what it likes. */
static void databases_of_the_program(void) { /* FL2 */
    static const char *const files[] = {"own.db", "first.db", "second.db"};
    sqlite3                 *raw;
    sse_app                 *app = sse_app_new(NULL);
    sse_db                  *db;
    char                     sql[64];
    size_t                   i;
    sse_static(app, "/s", dir, NULL);
    sse_get(app, "/f/{name}", send_any, NULL);
    for (i = 0; i < SSE__COUNT(files); i++) {
        snprintf(sql, sizeof sql, "%s/%s", dir, files[i]);
        put_file(files[i], "");
        if (!i) sqlite3_open(sql, &raw);
        if (!i) db = sse_db_attach(raw);
        snprintf(sql, sizeof sql, "ATTACH '%s/%s' AS n%d", dir, files[i], (int)i);
        if (i) sqlite3_exec(raw, sql, NULL, NULL, NULL);
        if (i == 1) sse_on_commit(app, db, NULL, nobody, NULL);
        if (i == 2) sse_test_run(app, 3000);
        asks(app, files[i], 404);
    }
    sse_db_close(db);
    sqlite3_set_authorizer(raw, denies, NULL);
    db = sse_db_attach(raw);
    is_int(sse_db_exec(db, "CREATE TABLE t(a)"), 0, "it need not say which: the calls go on");
    sse_db_close(db);
    sse_app_free(app);
    sqlite3_close(raw);
}
#endif

int main(void) {
    static const char *const codings[] = {"gzip", "br"};
    sse_app                 *app;
    char                     command[64];
    int                      round, i, k, whole = 0, work = 0;
    if (!mkdtemp(dir)) return 1;
    make_files();
    one_file();
    directories();
    no_form_of_directories();
#ifndef SSE_NO_SQLITE
    databases();
    databases_without_memory();
    databases_of_the_program();
#endif
    app = dial_app(NULL);
    sse_get(app, "/file/{n}", send_file, dir);
    ok(compressed(app, 0, "gzip") && compressed(app, 0, "gzip"),
        "a file that is asked for is compressed");
    while (app->files->at[0].busy) turns(app, 1);
    ok(app->files->credit_us < SSE__CACHE_CREDIT_US, "which takes of the credit");
    for (round = 0; round < ROUNDS; round++)
        for (i = 0; i < FILES; i++)
            for (k = 0; k < CODINGS; k++) whole += costs(app, i, codings[k], &work);
    is_int(work, CREDIT_FOR,
        "more files in turns than are kept are compressed as long as there is credit");
    ok(whole >= work && whole < CODINGS * FILES * ROUNDS,
        "those that are not kept leave as they are (%d of %d compressed)", whole,
        CODINGS * FILES * ROUNDS);
    ok(!costs(app, FILES - 2, "gzip", &work) && !costs(app, FILES - 1, "gzip", &work),
        "the last two are among them");
    for (i = FILES - 2; i < FILES; i++) {
        app->files->credit_us = -1000000;
        app->files->earned_us = sse__clock_us();
        for (k = 0; k < 64; k++) { /* as if some seconds had passed */
            app->files->earned_us -= 1000000;
            (void)sse__file_cache_may_compress(app->files);
        }
        ok(compressed(app, i, "gzip"), "time earns credit: file %d is compressed again", i);
    }
    dial_free(app);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) ? 1 : tap_done();
}
#endif
