/* Compressed files that are kept: what they cost the loop, whoever asks for them in whatever
   turns. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
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
