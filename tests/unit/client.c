/* client.c: who serves the Datastar client, the file or the one built in, as files are served; each
   allocation fails once. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
static long fail_at; /* the allocation that fails, counted down */
static int  fails(void) { return fail_at > 0 && --fail_at == 0; }
#define SSE_MALLOC(n)     (fails() ? NULL : malloc(n))
#define SSE_REALLOC(p, n) (fails() ? NULL : realloc(p, n))
#define SSE_FREE(p)       free(p)
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static char file[100];

static void put_file(const char *text) {
    FILE *out = fopen(file, "w");
    if (!out) return;
    fputs(text, out);
    fclose(out);
}

/* What a reply's head says, up to the end of the line. */
static const char *field(const client *c, const char *name) {
    static char value[200];
    const char *at = strstr(c->got, name);
    snprintf(value, sizeof value, "%.*s", at ? (int)strcspn(at, "\r") : 0, at ? at : "");
    return value;
}

static void test_text(void) {
    static const size_t pieces[] = {sizeof sse__client_signals, sizeof sse__client_expressions,
        sizeof sse__client_request, sizeof sse__client_stream, sizeof sse__client_morph,
        sizeof sse__client_attributes, sizeof sse__client_plugins};
    sse_buf             b = {NULL, 0, 0, SSE_OK};
    size_t              i, wrong = 0, sum = 0;
    for (i = 0; i < SSE__COUNT(pieces); i++) {
        wrong += pieces[i] > 4095 + 1;
        sum += pieces[i] - 1;
    }
    is_int(wrong, 0, "no piece is longer than a literal may be"); /* JC1 */
    sse__client_write(&b);
    ok(!b.error && b.len > 10000 && b.len < 16384, "%lu bytes of JavaScript", (unsigned long)b.len);
    is_int((long long)b.len, (long long)sum, "all pieces");
    for (i = 0; i < b.len; i++)
        wrong += (unsigned char)b.ptr[i] > 126 || b.ptr[i] == '\t' ||
                 (b.ptr[i] == '\n' && i && strchr(" \n", b.ptr[i - 1]));
    is_int(wrong, 0, "in ASCII, without spaces that nobody sees");
    ok(strstr(sse_buf_text(&b), "?"
                                "?=") != NULL,
        "no trigraph became something else");
    sse_buf_free(&b);
}

static void test_served(void) {
    sse_app *app = dial_app(NULL);
    client  *c;
    char     etag[120], head[200];
    is_int(sse_datastar(app, "/own.js", NULL), 0, "without a file");
    is_int(sse_datastar(app, "/empty.js", ""), 0, "with an empty name");
    is_int(sse_datastar(app, "/datastar.js", file), 0, "with a file");
    c = dial(app, "/own.js", "");
    is_str(field(c, "HTTP/1.1"), "HTTP/1.1 200 OK", "the one built in");
    is_str(field(c, "Content-Type"), "Content-Type: text/javascript; charset=utf-8",
        "... is JavaScript");
    is_str(field(c, "Cache-Control"), "Cache-Control: no-cache",
        "... that may be kept, and is asked about");
    snprintf(etag, sizeof etag, "%s", field(c, "ETag: ") + 6);
    ok(strlen(etag) > 4 && strstr(c->got, "MutationObserver"), "... with an ETag, and whole");
    snprintf(head, sizeof head, "If-None-Match: %s\r\n", etag);
    is_str(field(dial(app, "/own.js", head), "HTTP/1.1"), "HTTP/1.1 304 Not Modified",
        "... which a client need not be sent again");
    is_str(field(dial(app, "/empty.js", ""), "ETag: ") + 6, etag, "an empty name is none");
#ifndef SSE_NO_COMPRESSION
    c = dial(app, "/own.js", "Accept-Encoding: gzip\r\n");
    ok(strcmp(field(c, "Content-Encoding"), "Content-Encoding: gzip") == 0 &&
            strcmp(field(c, "ETag: ") + 6, etag) != 0,
        "gzip has an ETag of its own");
    ok(atoi(field(c, "Content-Length: ") + 16) <= 5120, "5 KB at most in gzip"); /* JC2 */
#ifndef SSE_NO_BROTLI
    c = dial(app, "/own.js", "Accept-Encoding: br\r\n");
    ok(strstr(c->got, "\r\n\r\n") && atoi(field(c, "Content-Length: ") + 16) <= 5120,
        "... and in br: %s", field(c, "Content-Length: "));
#endif
#endif
    c = dial(app, "/own.js", "Range: bytes=0-9\r\n");
    ok(strstr(c->got, "206 Partial Content") && strstr(c->got, "Content-Range: bytes 0-9/"),
        "a range of it");
    ok(strstr(dial(app, "/datastar.js", "")->got, "MutationObserver") != NULL,
        "a file that is not there: the one built in");
    put_file("real();\n");
    c = dial(app, "/datastar.js", "");
    ok(strstr(c->got, "\r\n\r\nreal();\n") != NULL, "now it is there: the file");
    is_str(field(c, "Content-Type"), "Content-Type: text/javascript; charset=utf-8",
        "... as JavaScript, whatever its name");
    unlink(file);
    ok(strstr(dial(app, "/datastar.js", "")->got, "MutationObserver") != NULL, "and gone again");
    ok(mkdir(file, 0700) == 0 && strstr(dial(app, "/datastar.js", "")->got, "MutationObserver"),
        "a directory is no file");
    rmdir(file);
    dial_free(app);
}

static char said[2000]; /* warnings, a line each */
static char told[300];  /* the last line of information */

static void hear_log(int level, const char *line, void *user) {
    const size_t n = strlen(said);
    (void)user;
    if (level == SSE_LOG_INFO) snprintf(told, sizeof told, "%s", line);
    if (level <= SSE_LOG_WARNING) snprintf(said + n, sizeof said - n, "%s\n", line);
}

static void asks(sse_app *app, const char *words, const char *name) {
    char want[300] = "";
    int  i;
    for (i = 0; i < 3; i++)
        ok(strstr(dial(app, "/datastar.js", "")->got, "MutationObserver") != NULL,
            "the client built in instead of %s", name);
    if (words)
        snprintf(want, sizeof want,
            "the Datastar client at /datastar.js: %s: %s: the one that is "
            "built in is served instead\n",
            file, words);
    is_str(said, want, words ? "... which is said, once" : "... which is nothing to say");
    said[0] = '\0';
}

/* What stands in the place of the file and cannot be served is told of: when the route is made, and
   when it comes later. */
static void test_told(void) {
    char            want[300];
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = hear_log;
    mkdir(file, 0700);
    app = dial_app(&o);
    is_int(sse_datastar(app, "/datastar.js", file), 0, "a directory instead of a file");
    ok(strstr(said, "Is a directory") != NULL, "is told of at once");
    asks(app, "Is a directory", "a directory");
    rmdir(file);
    told[0] = '\0';
    asks(app, NULL, "what is not there");
    snprintf(want, sizeof want,
        "the Datastar client at /datastar.js: %s: %s: the one that is "
        "built in is served instead",
        file, strerror(ENOENT));
    is_str(told, want, "... but for those who read information");
    told[0] = '\0';
    asks(app, NULL, "what is still not there");
    is_str(told, "", "... who read it once");
    snprintf(want, sizeof want,
        "the Datastar client at /other.js: %s: %s: the one that is built "
        "in is served instead",
        file, strerror(ENOENT));
    is_int(sse_datastar(app, "/other.js", file), 0, "a name that may be a wrong one");
    is_str(told, want, "... which is told when the route is made");
    put_file("");
    asks(app, "it is empty", "an empty file");
    put_file("real();\n");
    ok(strstr(dial(app, "/datastar.js", "")->got, "real();") != NULL, "a file that is right");
    put_file("");
    asks(app, "it is empty", "one that is empty again");
    unlink(file);
    is_int(mkfifo(file, 0600), 0, "a FIFO");
    asks(app, "it is no plain file", "a FIFO");
    unlink(file);
    if (symlink(file, file) == 0) asks(app, strerror(ELOOP), "a link that leads nowhere");
    unlink(file);
    dial_free(app);
}

/* Out of descriptors for a moment: the file may be what it was, so nothing else takes its place. */
static void test_short(void) {
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    sse_app_options  o;
    sse_app         *app;
    size_t           i;
    memset(&o, 0, sizeof o);
    o.on_log = hear_log;
    put_file("");
    app = dial_app(&o);
    is_int(sse_datastar(app, "/datastar.js", file), 0, "a file");
    said[0] = '\0';
    for (i = 0; i < SSE__COUNT(errors); i++) {
        refuse("open(path", -1, errors[i]);
        is_str(field(dial(app, "/datastar.js", ""), "HTTP/1.1"), "HTTP/1.1 503 Service Unavailable",
            strerror(errors[i]));
        refuse("", 0, 0);
        ok(!strstr(said, "built in"), "... nothing is told of the file: %s", said);
        said[0] = '\0';
        asks(app, NULL, "what was told of before");
    }
    put_file("real();\n");
    refuse("open(path", 1, EMFILE);
    ok(strstr(dial(app, "/datastar.js", "")->got, "\r\n\r\nreal();\n") != NULL,
        "there is one again, and it is served");
    ok(!refuse_at && !said[0], "... without a word");
    unlink(file);
    dial_free(app);
}

static void test_no_memory(void) {
    long n;
    int  error = -1, refusals = 0, short_replies = 0, whole = 0;
    for (n = 1; error && n < 50; n++) {
        sse_app *app = sse_app_new(NULL);
        fail_at = n;
        error = sse_datastar(app, "/datastar.js", file);
        fail_at = 0;
        refusals += error == SSE_E_NOMEM;
        sse_app_free(app);
    }
    ok(refusals >= 3 && refusals == n - 2,
        "set-up: SSE_E_NOMEM for each allocation, and nothing is lost");
    for (n = 1; !whole && n < 50; n++) {
        sse_app *app = dial_app(NULL);
        client  *c;
        sse_datastar(app, "/datastar.js", NULL);
        dial(app, "/none", "");
        fail_at = n;
        c = dial(app, "/datastar.js", "");
        whole = fail_at > 0 && strstr(c->got, "MutationObserver") != NULL;
        fail_at = 0;
        short_replies += !strstr(c->got, "HTTP/1.1 200");
        ok(strstr(dial(app, "/datastar.js", "")->got, "MutationObserver") != NULL,
            "the next request is served");
        dial_free(app);
    }
    ok(whole && short_replies >= 2, "a request without memory gets no half of it");
}

int main(void) {
    snprintf(file, sizeof file, "/tmp/sse-client-%ld.x", (long)getpid());
    test_text();
    test_served();
    test_told();
    test_short();
    test_no_memory();
    is_int(sse_datastar(NULL, "/a", NULL), SSE_E_ARG, "no app");
    return tap_done();
}
