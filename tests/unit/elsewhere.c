/* elsewhere.c: a program that goes to another working directory when it has set up, as daemons do:
   what it named by a relative path stays what it was. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <ftw.h>
#include <sys/stat.h>

static char began[4096], place[] = "/tmp/sse-elsewhere-XXXXXX";

static void back(void) { /* where it sets up */
    if (chdir(place)) perror(place);
}

static void away(void) { /* to an empty directory */
    if (chdir(place) || chdir("empty")) perror("empty");
}

static int made(void) { /* files where the program is now: none, if all is well */
    return system("test -z \"$(ls -A)\"");
}

static void put_file(const char *name, const char *text) {
    FILE *f = fopen(name, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) perror(name);
}

#ifndef SSE_NO_SQLITE
static int rows(sse_db *db) {
    long long n = -1;
    (void)sse_db_one(db, &n, "SELECT count(*) FROM t");
    return (int)n;
}

static int events(sse_db *db) {
    long long n = -1;
    (void)sse_db_one(db, &n, "SELECT count(*) FROM sse_events");
    return (int)n;
}

static void databases(void) { /* those of posts and topics, and what is opened anew */
    static const char *const names[] = {"a.db", "./b.db", "sub/../c.db", "file:d.db",
        "file:e%20f.db?cache=private", "file:sub/g.db?mode=rwc"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(names); i++) {
        sse_app            *app = sse_app_new(NULL);
        sse_db_post_options to;
        sse_topic_options   o;
        sse_event           event;
        sse_db             *db;
        int                 turn;
        memset(&to, 0, sizeof to);
        memset(&o, 0, sizeof o);
        memset(&event, 0, sizeof event);
        back();
        db = sse_db_open(names[i], NULL);
        is_int(sse_db_exec(db, "CREATE TABLE t(x)"), 0, names[i]);
        o.history = 10;
        o.db = db;
        is_int(sse_topic(app, "topic", &o), 0, "... keeps events");
        away();
        event.data = "an event";
        is_int(sse_publish(app, "topic", &event), 0, "... that come when it is elsewhere");
        to.app = app;
        is_int(sse_db_post(db, &to, "INSERT INTO t VALUES (1)"), 0, "... and rows");
        for (turn = 0; turn < 3000 && (rows(db) != 1 || events(db) != 1); turn++) sse_poll(app, 1);
        ok(turn < 3000, "... are in its file");
        is_int(sse__db_reopen(db), 0, "... which can be opened anew");
        is_int(rows(db), 1, "... and is the same");
        sse_app_free(app);
        sse_db_close(db);
        is_int(made(), 0, "... nothing is where the program has gone");
    }
}

static int answered; /* what a statement that was posted came to */

static void done(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)user;
    answered = result->changes;
}

static void linked(void) { /* to another file meanwhile, as to what the next release brings */
    static const char *const names[] = {"link", "file:link?mode=rwc", "file:link#it?x"};
    sse_app                 *app = sse_app_new(NULL);
    sse_db_post_options      to;
    size_t                   i;
    int                      turn;
    memset(&to, 0, sizeof to);
    to.app = app;
    to.done = done;
    back();
    sse_db_close(sse_db_open("second.db", NULL));
    for (i = 0; i < SSE__COUNT(names); i++) {
        sse_db *db;
        is_int(symlink("first.db", "link"), 0, "a link");
        db = sse_db_open(names[i], NULL);
        is_int(sse_db_exec(db, "CREATE TABLE IF NOT EXISTS t(x)"), 0, names[i]);
        is_int(unlink("link") || symlink("second.db", "link"), 0, "... leads elsewhere");
        answered = -100;
        is_int(sse_db_post(db, &to, "INSERT INTO t VALUES (1)"), 0, "... and what is posted");
        for (turn = 0; turn < 3000 && answered == -100; turn++) sse_poll(app, 1);
        is_int(answered, 1, "... is written");
        is_int(rows(db), (int)i + 1, "... to the file that was opened");
        is_int(sse__db_reopen(db), 0, "... which can be opened anew");
        is_int(rows(db), (int)i + 1, "... and is the same");
        sse_db_close(db);
        unlink("link");
    }
    sse_app_free(app);
}

static void in_memory(void) { /* names that are no files stay so */
    static const char *const names[] = {":memory:", "", "file::memory:", "file:x?mode=memory"};
    size_t                   i;
    back();
    for (i = 0; i < SSE__COUNT(names); i++) {
        sse_db *db = sse_db_open(names[i], NULL);
        is_int(sse_db_exec(db, "CREATE TABLE t(x)"), 0, names[i]);
        is_int((int)db->whole.len, 0, "... is no path");
        sse_db_close(db);
    }
}
#else
static void databases(void) {}
static void linked(void) {}
static void in_memory(void) {}
#endif

static void files(void) {
    sse_app          *app = sse_app_new(NULL);
    sse_serve_options o;
    sse_test_reply    r;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    back();
    put_file("client.js", "client();");
    put_file("public/page.txt", "a page");
    is_int(sse_datastar(app, "/client.js", "client.js"), 0, "a client");
    is_int(sse_static(app, "/public", "public", NULL), 0, "a directory");
    o.host = "unix:socket";
    is_int(sse_listen(app, &o), 0, "a socket");
    is_int(access("socket", F_OK), 0, "... which is a file");
    away();
    is_int(sse_test_request(app, "GET /client.js", NULL, NULL, &r), 0, "elsewhere");
    is_str(r.body, "client();", "... the client is served");
    is_int(sse_test_request(app, "GET /public/page.txt", NULL, NULL, &r), 0, "so are the files");
    is_str(r.body, "a page", "... as they are");
    sse_test_close(&r);
    sse_app_free(app);
    back();
    ok(access("socket", F_OK) != 0, "the file of the socket goes with it");
}

static void keep(sse_req *req, void *user) {
    (void)user;
    is_int(sse_body_to_file(req, "kept.bin", NULL, NULL), 0, "a body for a file");
    away();
}

static void upload(void) { /* the program goes elsewhere before it is all in */
    sse_app          *app = sse_app_new(NULL);
    sse_route_options r;
    sse_test_reply    reply;
    memset(&r, 0, sizeof r);
    memset(&reply, 0, sizeof reply);
    back();
    r.method = "PUT";
    r.body_later = true;
    sse_route(app, "/file", keep, NULL, &r);
    is_int(sse_test_request(app, "PUT /file", NULL, "text", &reply), 0, "an upload");
    is_int(reply.status, 204, "... is kept");
    is_int(made(), 0, "... not where the program has gone");
    back();
    is_int(access("kept.bin", F_OK), 0, "... but where it was asked for");
    sse_test_close(&reply);
    sse_app_free(app);
}

static void nowhere(void) { /* a working directory that was removed has no name */
    char *path;
    back();
    is_int(mkdir("gone", 0700) || chdir("gone") || rmdir("../gone"), 0, "a directory goes");
    path = sse__path_whole("file");
    is_str(path, "file", "a path stays as it is");
    SSE_FREE(path);
}

static int removed(const char *name, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(name);
}

int main(void) {
    if (!getcwd(began, sizeof began) || !mkdtemp(place)) return 1;
    back();
    ok(mkdir("empty", 0700) == 0 && mkdir("sub", 0700) == 0 && mkdir("public", 0700) == 0,
        "a place for it");
    databases();
    linked();
    in_memory();
    files();
    upload();
    nowhere();
    if (chdir(began)) perror(began);
    is_int(nftw(place, removed, 8, FTW_DEPTH | FTW_PHYS), 0, "it goes");
    return tap_done();
}
