/* app.c: one request from its head to the log: hosts and pages it may come from, hooks and their
   order, what there is no route for, what its route, its body and its reply are counted and logged
   as; and what setting up takes, copies and gives back. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "come.h"
#include "dial.h"
#include <unistd.h>

static sse_test_reply r;
static char           said[2000]; /* what was called, and warned of, in order */

static void say_so(const char *fmt, ...) {
    const size_t n = strlen(said);
    va_list      ap;
    va_start(ap, fmt);
    vsnprintf(said + n, sizeof said - n, fmt, ap);
    va_end(ap);
}

static const char *what_was_said(void) {
    static char copy[sizeof said];
    memcpy(copy, said, sizeof said);
    said[0] = '\0';
    return copy;
}

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) say_so("%s\n", line);
}

static sse_app *fresh(sse_app_options *options) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    if (!o.on_log) o.on_log = on_log;
    said[0] = '\0';
    return sse_app_new(&o);
}

static void ask(sse_app *app, const char *request, const char *headers, const char *body,
    int status) {
    is_int(sse_test_request(app, request, headers, body, &r), 0, request);
    is_int(r.status, status, "... its status");
}

static const char *field(const char *name) {
    const char *value = sse_test_header(&r, name);
    return value ? value : "none";
}

static void done(sse_app *app) {
    sse_test_close(&r);
    sse_app_free(app);
}

static void answers(sse_req *req, void *user) { sse_puts(sse_out(req), (const char *)user); }
static void nothing(sse_req *req, void *user) { (void)req, (void)user; }

/* ---- whom a request is for, and from which page it comes ---- */

static void hosts(void) {
    static const struct {
        const char *allowed, *host;
        int         status;
    } rows[] = {
        {NULL, "Host: localhost", 200},
        {NULL, "Host: [::1]:8000", 200},
        {NULL, "Host: app.localhost", 200},
        {NULL, "Host: APP.LOCALHOST:80", 200},
        {NULL, "Host: 127.200.0.9", 200},
        {NULL, "Host: 128.0.0.1", 421},
        {NULL, "Host: notlocalhost", 421},
        {NULL, "Host: localhost.example", 421},
        {NULL, "Host: 127.0.0.1.example", 421},
        {"a.example", "Host: a.example", 200},
        {"a.example", "Host: localhost", 421},
        {"a.example", "Host: 127.0.0.1", 421},
        {" a.example  b.example ", "Host: B.example", 200},
        {" a.example  b.example ", "Host: example", 421},
        {" a.example  b.example ", "Host:", 400},
        {"*", "Host: b.example", 200},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app_options o;
        sse_app        *app;
        memset(&o, 0, sizeof o);
        o.allowed_hosts = rows[i].allowed;
        app = fresh(&o);
        sse_get(app, "/", answers, (void *)"in");
        ask(app, "GET /", rows[i].host, NULL, rows[i].status);
        done(app);
    }
}

/* What others reach has the names that others give it. */
static void hosts_elsewhere(void) {
    static const char any[] = "GET / HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n";
    char              host[64];
    const char       *got;
    sse_serve_options serve;
    sse_app          *app = fresh(NULL);
    memset(&serve, 0, sizeof serve);
    snprintf(host, sizeof host, "unix:/tmp/sse-app-%d", (int)getpid());
    serve.host = host;
    sse_get(app, "/", answers, (void *)"in");
    is_int(sse_listen(app, &serve), 0, "an app behind a proxy, on a unix socket");
    got = answered(app, come_with(app, host, any));
    ok(strstr(got, " 200 OK") != NULL, "... a name of the proxy's is answered: %.15s", got);
    sse_app_free(app);
}

/* Which host was refused is said, once a second; and to its client. */
static void hosts_refused(void) {
    static const char line[] = "refused a request for the host \"b.example:80\": if it is yours, "
                               "add it to allowed_hosts\n";
    sse_app          *app = fresh(NULL);
    sse_get(app, "/", answers, (void *)"in");
    ask(app, "GET /", "Host: b.example:80", NULL, 421);
    is_str(r.body,
        "this server does not answer for that host; if it is yours, add it to "
        "allowed_hosts\n",
        "... why");
    is_str(what_was_said(), line, "... which is logged");
    sse_test_run(app, 999);
    ask(app, "GET /", "Host: b.example:80", NULL, 421);
    is_str(what_was_said(), "", "... once a second");
    sse_test_run(app, 1);
    ask(app, "GET /", "Host: b.example:80", NULL, 421);
    is_str(what_was_said(), line, "... and again");
    ask(app, "POST /", "Host: b.example\nOrigin: https://c.example", "", 421);
    done(app);
}

static void origins(void) {
    static const struct {
        const char *request, *headers;
        int         status;
    } rows[] = {
        {"GET /", "Origin: http://b.example", 200},
        {"HEAD /", "Origin: http://b.example", 200},
        {"OPTIONS /", "Origin: http://b.example", 204},
        {"POST /", "Origin: http://b.example", 403},
        {"POST /", "Origin: localhost", 403},
        {"POST /", "Origin: http://localhost:8", 403},
        {"POST /", "Host: localhost:8\nOrigin: http://localhost:8", 200},
        {"POST /", "Sec-Fetch-Site: cross-site", 403},
        {"PURGE /", "Sec-Fetch-Site: cross-site", 403},
        {"PURGE /", "Origin: http://localhost", 200},
        {"POST /", "Origin: http://localhost\nOrigin: http://localhost", 403},
        {"POST /", "Origin: http://localhost\nOrigin: http://b.example", 403},
    };
    sse_route_options any;
    sse_app          *app = fresh(NULL);
    size_t            i;
    memset(&any, 0, sizeof any);
    sse_get(app, "/", answers, (void *)"in");
    any.method = "POST";
    sse_route(app, "/", answers, (void *)"in", &any);
    any.method = "PURGE";
    sse_route(app, "/", answers, (void *)"in", &any);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        ask(app, rows[i].request, rows[i].headers, rows[i].request[0] == 'P' ? "" : NULL,
            rows[i].status);
        if (rows[i].status == 403)
            is_str(r.body,
                "a page of another origin may not do this; if it is yours, add it to "
                "allowed_origins\n",
                "... why");
        is_str(field("Vary"), "none", "... which is no matter of CORS");
    }
    done(app);
}

static void notes(sse_req *req, void *user) { (void)req, say_so("%s ", (const char *)user); }

/* What pages of other origins may read. A preflight is no visit: it has no cookie. */
static void cors(void) {
    static const char preflight[] = "Origin: https://a.example\nAccess-Control-Request-Method: PUT";
    sse_app_options   o;
    sse_app          *app;
    int               credentials;
    memset(&o, 0, sizeof o);
    o.cors_origins = "https://a.example";
    for (credentials = 0; credentials < 2; credentials++) {
        const char *want = credentials ? "true" : "none";
        o.cors_credentials = credentials;
        app = fresh(&o);
        sse_before(app, NULL, notes, (void *)"hook");
        sse_get(app, "/", answers, (void *)"in");
        ask(app, "OPTIONS /", preflight, NULL, 204);
        is_str(what_was_said(), "", "a preflight comes to no hook");
        is_str(field("Allow"), "none", "... and to no route");
        is_str(field("Access-Control-Max-Age"), "600", "... holds for ten minutes");
        is_str(field("Access-Control-Allow-Methods"), "PUT", "... and for that method");
        is_str(field("Access-Control-Allow-Credentials"), want, "... with cookies if they may");
        is_str(field("Vary"), "Origin", "... each page has its own");
        ask(app, "OPTIONS /", "Origin: https://a.example", NULL, 204);
        is_str(what_was_said(), "hook ", "one that names no method is none");
        is_str(field("Allow"), "GET, HEAD, OPTIONS", "... but asks what there is");
        is_str(field("Access-Control-Allow-Origin"), "https://a.example", "... and may read it");
        ask(app, "GET /", preflight, NULL, 200);
        is_str(what_was_said(), "hook ", "a reply does");
        is_str(field("Access-Control-Allow-Credentials"), want, "... with cookies if they may");
        is_str(field("Access-Control-Max-Age"), "none", "... and is none");
        is_str(field("Access-Control-Allow-Methods"), "none", "... for whatever method");
        ask(app, "GET /", "Origin: https://b.example", NULL, 200);
        is_str(field("Vary"), "Origin", "what is not for another page says so to caches");
        ask(app, "GET /", NULL, NULL, 200);
        is_str(field("Vary"), "Origin", "... as does what no page asked for");
        ask(app, "POST /", "Origin: https://b.example", "", 403);
        is_str(field("Vary"), "Origin", "... or may not ask for");
        done(app);
    }
}

/* ---- hooks, and the route ---- */

static void hook_that_answers(sse_req *req, void *user) {
    say_so("second ");
    if (sse_query(req, "stop")) sse_puts(sse_out(req), (const char *)user);
}

static void hook_without_memory(sse_req *req, void *user) {
    (void)user;
    if (!sse_query(req, "lacks")) return;
    if (req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = 1;
    (void)sse_set_attr(req, "who", "ann");
    fail_at = 0;
}

static void notes_guard(sse_req *req, void *user) { (void)req, (void)user, say_so("guard "); }
static void in(sse_req *req, void *user) { say_so("in"), answers(req, user); }

static void hooks(void) { /* as they were set up, until one answers */
    sse_route_options guarded;
    sse_app          *app = fresh(NULL);
    sse_stats         before, after;
    memset(&guarded, 0, sizeof guarded);
    guarded.guard = notes_guard;
    sse_before(app, "/a", notes, (void *)"first");
    sse_before(app, NULL, hook_that_answers, (void *)"stopped");
    sse_before(app, "/a", notes, (void *)"third");
    sse_before(app, "/a", hook_without_memory, NULL);
    sse_route(app, "/a", in, (void *)"in", &guarded);
    ask(app, "GET /a", NULL, NULL, 200);
    is_str(what_was_said(), "first second third guard in", "hooks are asked in their order");
    ask(app, "GET /a?stop=1", NULL, NULL, 200);
    is_str(what_was_said(), "first second ", "... until one answers");
    is_str(r.body, "stopped", "... for which that is the reply");
    ask(app, "GET /none", NULL, NULL, 404);
    is_str(what_was_said(), "second ", "... also where there is nothing");
    ask(app, "OPTIONS *", NULL, NULL, 204);
    is_str(what_was_said(), "", "the server itself is behind no hook");
    sse_stats_get(app, &before);
    ask(app, "GET /a?lacks=1", NULL, NULL, 500);
    is_str(what_was_said(), "first second third /a failed: SSE_E_NOMEM: out of memory\n",
        "a hook that lacked memory has let nobody in");
    sse_stats_get(app, &after);
    is_int((int)(after.no_memory - before.no_memory), 1, "... which is counted, once");
    ask(app, "GET /a", NULL, NULL, 200);
    sse_stats_get(app, &before);
    is_int((int)(before.no_memory - after.no_memory), 0, "... and for that request alone");
    done(app);
}

static void below(sse_req *req, void *user) {
    sse_printf(sse_out(req), "%s %s %s", (const char *)user, sse_method(req),
        sse_param(req, "path"));
}

static void routes(void) { /* by method, and what is said where there is none */
    sse_route_options o;
    sse_app          *app = fresh(NULL);
    memset(&o, 0, sizeof o);
    sse_get(app, "/a", answers, (void *)"got");
    sse_put(app, "/a", answers, (void *)"put");
    sse_delete(app, "/only", answers, (void *)"gone");
    o.method = "HEAD";
    sse_route(app, "/heads", notes, (void *)"HEAD", &o);
    sse_get(app, "/heads", notes, (void *)"GET");
    o.method = "*";
    sse_route(app, "/all", answers, (void *)"any", &o);
    o.method = "HEADS";
    sse_route(app, "/heads", answers, (void *)"body", &o);
    o.method = "purge";
    is_int(sse_route(app, "/a", answers, (void *)"purged", &o), 0,
        "a method of one's own is as it is written");
    sse_mount(app, "/m", below, (void *)"mount");
    ask(app, "HEAD /heads", NULL, NULL, 204);
    is_str(what_was_said(), "HEAD ", "HEAD has its own route");
    ask(app, "GET /heads", NULL, NULL, 204);
    is_str(what_was_said(), "GET ", "... not that of GET");
    ask(app, "HEADS /heads", NULL, NULL, 200);
    is_str(r.body, "body", "... or of another whose name begins so");
    ask(app, "HEAD /a", NULL, NULL, 200);
    is_str(field("Content-Length"), "3", "... or without one that of GET");
    ask(app, "purge /a", NULL, "", 200);
    is_str(r.body, "purged", "... which it is");
    ask(app, "PURGE /a", NULL, "", 405);
    is_str(r.body, "PURGE is not allowed here, but GET, HEAD, PUT, purge, OPTIONS\n",
        "another method is refused in words");
    is_str(field("Allow"), "GET, HEAD, PUT, purge, OPTIONS", "... and by the field for it");
    o.method = "OPTIONS";
    sse_route(app, "/heads", answers, (void *)"options", &o);
    ask(app, "DELETE /heads", NULL, NULL, 405);
    is_str(field("Allow"), "HEAD, GET, HEADS, OPTIONS", "... which names each once");
    ask(app, "OPTIONS /heads", NULL, NULL, 200);
    is_str(r.body, "options", "who answers OPTIONS is asked");
    ask(app, "OPTIONS /only", NULL, NULL, 204);
    is_str(field("Allow"), "DELETE, OPTIONS", "what OPTIONS asks for");
    ask(app, "GET /only", NULL, NULL, 405);
    ask(app, "GET /none?a", NULL, NULL, 404);
    is_str(r.body, "there is nothing at /none\n", "where nothing is");
    is_str(field("Allow"), "none", "... nothing is allowed");
    ask(app, "OPTIONS /none", NULL, NULL, 404);
    ask(app, "OPTIONS *", NULL, NULL, 204);
    is_str(field("Allow"), "none", "the server itself");
    ask(app, "PATCH /all", NULL, "", 200);
    ask(app, "POST /m/a/b%20c", NULL, "", 200);
    is_str(r.body, "mount POST a/b c", "what is below a mount");
    ask(app, "GET /m", NULL, NULL, 200);
    is_str(r.body, "mount GET ", "... and the mount itself");
    done(app);
}

#ifndef SSE_NO_CLIENT
static void client_goes(void) { /* with the app, and what was made of it */
    char      empty[] = "/tmp/sse-app-XXXXXX";
    const int fd = mkstemp(empty);
    sse_app  *app = fresh(NULL);
    int       open;
    is_int(sse_datastar(app, "/built-in.js", NULL), 0, "the Datastar client");
    is_int(sse_datastar(app, "/file.js", "/nowhere/at/all"), 0, "... another, or a file");
    ask(app, "GET /built-in.js", NULL, NULL, 200);
    ask(app, "GET /file.js", NULL, NULL, 200);
    sse_test_close(&r);
    open = descriptors();
    is_int(sse_datastar(app, "/empty.js", "/dev/null"), 0, "... in place of what is no file");
    is_int(sse_datastar(app, "/real.js", "tests/tap.h"), 0, "... or of one that is there");
    is_int(sse_datastar(app, "/none.js", empty), 0, "... or empty");
    ask(app, "GET /empty.js", NULL, NULL, 200);
    ask(app, "GET /none.js", NULL, NULL, 200);
    sse_test_close(&r);
    is_int(descriptors(), open, "no descriptor is left");
    close(fd);
    unlink(empty);
    done(app);
}
#endif

static int  freed;
static void count_freed(void *user) { freed += user == &freed; }

static void frees(void) { /* what a route takes is given back once, whatever becomes of it */
    static const struct {
        const char *method, *path;
        int         error;
    } rows[] = {{"GET", "/a", 0}, {"GET", "/a", SSE_E_STATE}, {"GET", "no slash", SSE_E_ARG},
        {"get", "/b", SSE_E_ARG}, {"G T", "/b", SSE_E_ARG}, {"GET", "/{b", SSE_E_ARG},
        {"DELETe", "/b", SSE_E_ARG}, {"gET", "/b", SSE_E_ARG}, {"PaTCH", "/b", SSE_E_ARG},
        {"propfind", "/b", 0}, {"GET", NULL, SSE_E_ARG}};
    sse_route_options o;
    sse_app          *app = fresh(NULL);
    size_t            i;
    int               kept = 0;
    long              n;
    memset(&o, 0, sizeof o);
    o.free_user = count_freed;
    freed = 0;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int before = freed;
        o.method = rows[i].method;
        is_int(sse_route(app, rows[i].path, nothing, &freed, &o), rows[i].error,
            rows[i].path ? rows[i].path : "no path");
        is_int(freed - before, rows[i].error != 0, "... what it took");
        kept += !rows[i].error;
    }
    o.method = "GET";
    is_int(sse_route(app, "/c", NULL, &freed, &o), SSE_E_ARG, "no handler");
    freed = 0;
    for (n = 1; n < 50; n++) {
        int error;
        fail_at = n;
        error = sse_route(app, "/d/{e}/f", nothing, &freed, &o);
        fail_at = 0;
        if (!error) break;
        ok(error == SSE_E_NOMEM && freed == n, "without allocation %ld it is given back", n);
    }
    ok(n > 3 && n < 50, "%ld allocations fail", n - 1);
    freed = 0;
    sse_app_free(app);
    is_int(freed, kept + 1, "... by the app the rest, each once");
}

/* ---- heads and bodies ---- */

static void length(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%zu", sse_body(req).len);
}

static void heads(void) { /* what is refused before a byte of a body is taken */
    static const char path[] = "the path is not well-formed UTF-8, or holds a % without two "
                               "digits, %2F, a backslash, a control character, or . or .. as a "
                               "part\n",
                      query[] = "the query holds a NUL (%00)\n";
    static const struct {
        const char *request, *headers;
        int         status;
        const char *said; /* NULL: anything */
    } rows[] = {
        {"GET /a?b=%00", NULL, 400, query},
        {"GET /a?b=1%2500", NULL, 200, "0"},
        {"GET /a?b=%0", NULL, 200, "0"},
        {"GET /a?%01=%00c", NULL, 400, query},
        {"GET /binary?b=%00", NULL, 200, "0"},
        {"GET /none?b=%00", NULL, 400, query},
        {"GET /a%00", NULL, 400, path},
        {"GET /a%2Fb", NULL, 400, path},
        {"GET /a/%2e%2E/b", NULL, 400, path},
        {"GET /a%5cb", NULL, 400, path},
        {"GET /a%ff", NULL, 400, path},
        {"GET /a%zz", NULL, 400, path},
        {"HEAD /a%zz", NULL, 400, ""},
        {"GET /any", NULL, 200, "0"},
        {"POST /any", "Content-Type: text/plain", 411, "Length Required\n"},
        {"PUT /any", "Content-Type: text/plain", 411, NULL},
        {"PATCH /any", "Content-Type: text/plain", 411, NULL},
        {"PURGE /any", "Content-Type: text/plain", 200, NULL},
        {"DELETE /any", "Content-Type: text/plain", 200, NULL},
        {"POST /any", NULL, 200, NULL},
        {"POST /any", "Content-Type: text/plain\nContent-Length: 0", 200, NULL},
    };
    static const char old[] = "POST /any HTTP/1.0\r\n\r\n", fine[] = "GET /any HTTP/1.0\r\n\r\n";
    sse_route_options o;
    sse_app          *app = fresh(NULL);
    client           *c;
    size_t            i;
    int               k;
    memset(&o, 0, sizeof o);
    sse_get(app, "/a", length, NULL);
    o.binary_query = true;
    sse_route(app, "/binary", length, NULL, &o);
    o.method = "*";
    sse_route(app, "/any", length, NULL, &o);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(sse_test_request(app, rows[i].request, rows[i].headers, NULL, &r), 0,
            rows[i].request);
        is_int(r.status, rows[i].status, "... its status");
        if (rows[i].said) is_str(r.body, rows[i].said, "... and its words");
        sse_test_close(&r);
    }
    done(app);
    app = dial_app(NULL);
    sse_route(app, "/any", length, NULL, &o);
    for (k = 0; k < 2; k++) {
        c = send_from_new(app, k ? fine : old, (k ? sizeof fine : sizeof old) - 1);
        for (i = 0; i < 30000 && !c->len; i++) turns(app, 1);
        ok(strstr(c->got, k ? " 200 " : " 411 ") != NULL, "HTTP/1.0 says how long a body is: %.12s",
            c->got);
    }
    dial_free(app);
}

static int hears(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)user;
    say_so("%d:%zu ", status, chunk.len);
    return 0;
}

static void reads(sse_req *req, void *user) { sse_body_read(req, hears, user); }

/* How much a body may be is said by its route, or the app, for each request anew. */
static void bodies(void) {
    static const char *const order[] = {"/small", "/app", "/large", "/app", "/none", "/app",
        "/hooked", "/app", "/late"};
    static const int         at_most[] = {3, 8, 20, 8, -404, 8, 8, 8, 5};
    static char              body[21] = "aaaaaaaaaaaaaaaaaaaa";
    sse_route_options        o;
    sse_app_options          options;
    sse_app                 *app;
    client                  *c;
    char                     request[200];
    size_t                   i, k;
    int                      n;
    memset(&o, 0, sizeof o);
    memset(&options, 0, sizeof options);
    options.max_body_bytes = 8;
    app = dial_app(&options);
    sse_post(app, "/app", length, NULL);
    o.method = "POST";
    o.max_body_bytes = 3;
    sse_route(app, "/small", length, NULL, &o);
    o.max_body_bytes = 20;
    sse_route(app, "/large", length, NULL, &o);
    o.max_body_bytes = 5;
    o.body_later = true;
    sse_route(app, "/late", reads, NULL, &o);
    sse_before(app, "/hooked", length, NULL);
    for (i = 0; i < SSE__COUNT(order); i++)
        for (k = 0; k < 2; k++) { /* as much, and one more */
            const int most = at_most[i], len = (most < 0 ? 20 : most) + (int)k;
            const int want = most < 0 ? -most : k ? 413 : strcmp(order[i], "/late") ? 200 : 204;
            char      line[24];
            if (len > 20) continue;
            snprintf(request, sizeof request,
                "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%.*s", order[i],
                len, len, body);
            c = send_from_new(app, request, strlen(request));
            for (n = 0; n < 30000 && !c->len; n++) turns(app, 1);
            snprintf(line, sizeof line, "HTTP/1.1 %d ", want);
            ok(strncmp(c->got, line, strlen(line)) == 0, "%s with %d bytes: %.12s", order[i], len,
                c->got);
        }
    dial_free(app);
}

static void fails(sse_req *req, void *user) { (void)user, (void)sse_fail(req, 409, "no"); }

static sse_req *paused;

static void pauses(sse_req *req, void *user) {
    reads(req, user);
    paused = req;
    (void)sse_body_pause(req, true);
}

/* A body that a handler wants, but not yet, is asked for when it does. */
static void unwanted_yet(void) {
    static const char head[] = "POST /pauses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                               "Expect: 100-continue\r\n\r\n";
    sse_route_options later;
    sse_app          *app = dial_app(NULL);
    client           *c;
    int               n;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/pauses", pauses, NULL, &later);
    c = send_from_new(app, head, sizeof head - 1);
    for (n = 0; n < 30000 && !paused; n++) turns(app, 1);
    turns(app, 20);
    is_int((int)c->len, 0, "while a handler pauses its client is not asked for the body");
    is_int(sse_body_pause(paused, false), 0, "then it is");
    for (n = 0; n < 30000 && !c->len; n++) turns(app, 1);
    is_str(c->got, "HTTP/1.1 100 Continue\r\n\r\n", "... asked");
    dial_free(app);
}

/* Who may not, or finds nothing, is not asked to send its body. */
static void unwanted(void) {
    static const char *const heads[] = {
        "POST /none HTTP/1.1\r\nHost: localhost\r\n",
        "POST /app HTTP/1.1\r\nHost: b.example\r\n",
        "POST /app HTTP/1.1\r\nHost: localhost\r\nOrigin: http://b.example\r\n",
        "POST /files/a HTTP/1.1\r\nHost: localhost\r\n",
        "POST /app HTTP/1.1\r\nHost: localhost\r\n",
        "POST /hooked HTTP/1.1\r\nHost: localhost\r\n",
        "POST /reads HTTP/1.1\r\nHost: localhost\r\n",
        "POST /fails HTTP/1.1\r\nHost: localhost\r\n",
    };
    static const int  wants[] = {404, 421, 403, 405, 100, 100, 100, 409};
    sse_route_options later;
    sse_app          *app = dial_app(NULL);
    size_t            i;
    int               n;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/reads", reads, NULL, &later);
    sse_route(app, "/fails", fails, NULL, &later);
    sse_post(app, "/app", length, NULL);
    sse_static(app, "/files", "tests", NULL);
    sse_before(app, "/hooked", length, NULL);
    for (i = 0; i < SSE__COUNT(heads); i++) {
        char    request[200], line[24];
        client *c;
        snprintf(request, sizeof request, "%sContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            heads[i]);
        c = send_from_new(app, request, strlen(request));
        for (n = 0; n < 30000 && !c->len; n++) turns(app, 1);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", wants[i]);
        ok(strncmp(c->got, line, strlen(line)) == 0, "%.10s: %.12s", heads[i], c->got);
    }
    dial_free(app);
}

/* A call that failed in a reader of a body, which says nothing, makes an error of it. */
static int publishes(sse_req *req, sse_str chunk, int status, void *user) {
    sse_event none;
    (void)chunk, (void)user;
    memset(&none, 0, sizeof none);
    if (status == 0 && sse_query(req, "wrong")) (void)sse_publish(sse_req_app(req), "t", &none);
    return status && sse_query(req, "ends");
}

static void reads_all(sse_req *req, void *user) { sse_body_read(req, publishes, user); }

static void goes_on(sse_app *app, const char *bytes) { /* with the body of the latest request */
    sse_puts(&r.conn->out, bytes);
    is_int(sse_test_run(app, 0), 0, bytes);
}

static void publishes_none(sse_req *req, void *user) { /* which is a mistake, and says so */
    sse_event none;
    memset(&none, 0, sizeof none);
    (void)sse_publish(sse_req_app(req), "t", &none);
    answers(req, user);
}

static void readers(void) {
    sse_route_options later;
    sse_test_reply    other;
    char              want[20];
    sse_app          *app = fresh(NULL);
    memset(&later, 0, sizeof later);
    memset(&other, 0, sizeof other);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/reads", reads_all, NULL, &later);
    sse_route(app, "/hears", reads, NULL, &later);
    sse_get(app, "/mistake", publishes_none, (void *)"said");
    ask(app, "POST /reads", NULL, "hello", 204);
    ask(app, "POST /reads?wrong=1", NULL, "hello", 500);
    ask(app, "POST /reads?wrong=1", NULL, "", 500);
    ask(app, "POST /reads", NULL, "hello", 204);
    ask(app, "POST /reads?wrong=1&ends=1", NULL, "hello", 204);
    ask(app, "POST /reads", "Content-Length: 6\n", "one", 0);
    sse_test_request(app, "GET /mistake", NULL, NULL, &other);
    is_str(other.body, "said", "a mistake of another request meanwhile");
    goes_on(app, "two");
    is_int(r.status, 204, "... is none of this one's");
    said[0] = '\0';
    ask(app, "POST /hears", NULL, "", 204);
    is_str(what_was_said(), "0:0 ", "a body of no bytes is read as well");
    ask(app, "POST /hears", "Content-Length: 6\n", "one", 0);
    is_str(what_was_said(), "1:3 ", "half of a body");
    sse_test_close(&r);
    snprintf(want, sizeof want, "%d:0 ", SSE_E_CLOSED);
    is_str(what_was_said(), want, "a reader is told that its client has left, once");
    sse_test_close(&other);
    done(app);
}

/* A head lies still where it is read, however far its body has moved it. */
static void tells_of_itself(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%s %s %s %s %zu", sse_method(req), sse_path(req), sse_query(req, "a"),
        sse_header(req, "x-b"), sse_body(req).len);
}

static void moved(void) {
    enum { MANY = 300000 };
    char    *body = (char *)malloc(MANY + 1);
    sse_app *app = fresh(NULL);
    sse_post(app, "/moved", tells_of_itself, NULL);
    memset(body, 'x', MANY);
    body[MANY] = '\0';
    ask(app, "POST /moved?a=1", "X-B: two\n", body, 200);
    is_str(r.body, "POST /moved 1 two 300000", "a request with a long body");
    done(app);
    free(body);
}

static int opens_at_end(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk;
    if (status) return 0;
    fail_at = *(long *)user;
    (void)sse_stream_open(req, NULL);
    *(long *)user = fail_at;
    fail_at = 0;
    return 0;
}

static void reads_then_opens(sse_req *req, void *user) { sse_body_read(req, opens_at_end, user); }

/* A reader opens a stream, for which there may be no memory. */
static void opens_scarcely(void) {
    sse_route_options later;
    sse_app          *app = fresh(NULL);
    long              n, at = 0;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/opens", reads_then_opens, &at, &later);
    for (n = 1; n < 50 && at <= 0; n++) {
        at = n;
        is_int(sse_test_request(app, "POST /opens", "Accept: text/event-stream\n", "body", &r), 0,
            "a reader that opens a stream");
        ok(r.open ? r.status == 200 : at <= 0, "... without allocation %ld", n);
        sse_test_close(&r);
    }
    ok(at > 0 && n > 2, "%ld allocations fail", n - 2);
    done(app);
}

/* Without memory for it a request is refused as one that may come again. */
static void scarcely(void) {
    sse_app *app = fresh(NULL);
    long     n, refused = 0, wrong = 0;
    int      error = -1;
    sse_get(app, "/a/{id}/{name}", answers, (void *)"in");
    for (n = 1; n < 200; n++) {
        fail_at = n;
        error = sse_test_request(app, "GET /a/7/b%20c?d=e", NULL, NULL, &r);
        if (fail_at > 0) break;
        fail_at = 0;
        refused += !error && r.status == 503;
        wrong += error ? error != SSE_E_NOMEM
                       : r.status && r.status != 503 && r.status != 500 && r.status != 200;
        sse_test_close(&r);
    }
    fail_at = 0;
    ok(!error && r.status == 200, "with memory it is answered");
    ok(refused > 0 && !wrong, "without it is a 503, %ld times", refused);
    done(app);
}

/* ---- the end of a request ---- */

static void by_status(sse_req *req, void *user) {
    (void)user;
    (void)sse_set_status(req, (int)sse_parse_int(sse_query(req, "n"), 0));
}

static void counts(void) {
    static const struct {
        const char *request;
        int         status, c4xx, c5xx;
    } rows[] = {{"GET /n?n=399", 399, 0, 0}, {"GET /n?n=400", 400, 1, 0},
        {"GET /n?n=499", 499, 1, 0}, {"GET /n?n=500", 500, 0, 1}, {"GET /n?n=599", 599, 0, 1},
        {"GET /n?n=200", 200, 0, 0}, {"GET /none", 404, 1, 0}};
    sse_app  *app = fresh(NULL);
    sse_stats before, now;
    size_t    i;
    sse_get(app, "/n", by_status, NULL);
    sse_stats_get(app, &before);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        ask(app, rows[i].request, NULL, NULL, rows[i].status);
        sse_stats_get(app, &now);
        is_int((int)(now.replies_4xx - before.replies_4xx), rows[i].c4xx, "... refusals");
        is_int((int)(now.replies_5xx - before.replies_5xx), rows[i].c5xx, "... errors");
        before = now;
    }
    is_int((int)now.no_memory, 0, "none of them lacked memory");
    done(app);
}

static void tells(sse_req *req, void *user) {
    (void)user;
    say_so("on_reply %s %d\n", sse_path(req), req->status);
}

static void tells_lines(int level, const char *line, void *user) {
    if (level == SSE_LOG_INFO && strstr(line, "HTTP/1.")) say_so("%s\n", line);
    is_str((const char *)user, "user", "with its user");
}

static void tells_topic(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app, (void)user;
    say_so("%s: %s\n", topic, event->data);
}

static sse_req *deferred;

static void defers(sse_req *req, void *user) {
    (void)user;
    deferred = req;
    sse_defer(req);
}

static void opens(sse_req *req, void *user) { (void)user, (void)sse_stream_open(req, NULL); }

static void set_time(sse_app *app) { /* Sun, 06 Nov 1994 08:49:37.999 GMT */
    app->loop.still_wall_ms = INT64_C(784111777999) - (int64_t)app->loop.still_ms;
}

static void logs(void) { /* of each reply on_reply, the topic and the access log are told, once */
    sse_app_options o;
    sse_stats       stats;
    sse_app        *app;
    int             i;
    memset(&o, 0, sizeof o);
    o.on_log = tells_lines;
    o.on_reply = tells;
    o.user = (void *)"user";
    app = fresh(&o);
    sse_get(app, "/a", answers, (void *)"four");
    sse_get(app, "/later", defers, NULL);
    sse_get(app, "/stream", opens, NULL);
    sse_topic_listen(app, "log", tells_topic, NULL);
    sse_topic_listen(app, "other", tells_topic, NULL);
    is_int(sse_log_topic(app, "other"), 0, "a topic of replies");
    is_int(sse_log_topic(app, "log"), 0, "... another in its place");
    is_int(sse_log_access(app), 0, "an access log");
    sse_test_run(app, 0);
    set_time(app);
    ask(app, "GET /a?b\"c\\", NULL, NULL, 200);
    is_str(what_was_said(),
        "on_reply /a 200\n"
        "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b\\\"c\\\\ HTTP/1.1\" 200 4\n"
        "log: GET /a 200\n",
        "a reply");
    ask(app, "POST /none", NULL, "", 404);
    is_str(what_was_said(),
        "on_reply /none 404\n"
        "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"POST /none HTTP/1.1\" 404 26\n"
        "log: POST /none 404\n",
        "a refusal");
    ask(app, "GET /stream", NULL, NULL, 200);
    is_str(what_was_said(),
        "on_reply /stream 200\n"
        "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /stream HTTP/1.1\" 200 0\n"
        "log: GET /stream 200\n",
        "a stream, as it opens");
    sse_test_close(&r);
    is_str(what_was_said(), "", "... not when it ends");
    is_int(sse_test_request(app, "GET /later", NULL, NULL, &r), 0, "a reply that comes later");
    is_str(what_was_said(), "", "... is not told of yet");
    sse_test_close(&r);
    is_str(what_was_said(), "", "... or when its client leaves");
    is_int(sse_finish(deferred), 0, "it is finished");
    sse_test_run(app, 0);
    is_str(what_was_said(),
        "on_reply /later 499\n"
        "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /later HTTP/1.1\" 499 0\n"
        "log: GET /later 499\n",
        "... for nobody");
    for (i = 0; i < 4; i++) {
        is_int(sse_test_request(app, "GET /later", NULL, NULL, &r), 0, "another");
        sse_test_close(&r);
        if (i == 0) (void)sse_set_status(deferred, 201);
        if (i == 1) (void)sse_redirect(deferred, "/");
        if (i > 1) (void)sse_fail(deferred, i == 2 ? 404 : 503, "none");
        is_int(sse_finish(deferred), 0, "... that has a status");
        sse_test_run(app, 0);
        is_str(what_was_said(),
            "on_reply /later 499\n"
            "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /later HTTP/1.1\" 499 0\n"
            "log: GET /later 499\n",
            "... for nobody, too");
    }
    sse_stats_get(app, &stats);
    is_int((int)stats.replies_4xx, 1, "nobody's is no reply that counts (/none is)");
    is_int((int)stats.replies_5xx, 0, "... also as an error");
    done(app);
}

static void logs_of_old_clients(void) { /* each by its own version */
    static const char *const versions[] = {"HTTP/1.0", "HTTP/1.1"};
    sse_app_options          o;
    sse_app                 *app;
    size_t                   i;
    memset(&o, 0, sizeof o);
    o.on_log = tells_lines;
    o.user = (void *)"user";
    app = dial_app(&o);
    sse_get(app, "/a", answers, (void *)"four");
    is_int(sse_log_access(app), 0, "an access log");
    for (i = 0; i < SSE__COUNT(versions); i++) {
        char        request[80], want[80];
        const char *line;
        client     *c;
        int         k;
        what_was_said();
        snprintf(request, sizeof request, "GET /a %s\r\nHost: localhost\r\n\r\n", versions[i]);
        snprintf(want, sizeof want, "\"GET /a %s\" 200 4\n", versions[i]);
        c = send_from_new(app, request, strlen(request));
        for (k = 0; k < 30000 && !c->len; k++) turns(app, 1);
        line = what_was_said();
        ok(strstr(line, want) != NULL, "%s: %s", versions[i], line);
    }
    dial_free(app);
}

static int takes(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)status, (void)user;
    if (chunk.len) say_so("%.*s ", SSE_STR(chunk));
    return 0;
}

static void logs_without_on_log(void) { /* lines go to stderr */
    char     got[200];
    sse_app *app = sse_app_new(NULL);
    int      to[2] = {-1, -1}, before = dup(2);
    ssize_t  n;
    sse_get(app, "/a", answers, (void *)"four");
    is_int(sse_log_access(app), 0, "an access log");
    ok(!pipe(to) && dup2(to[1], 2) == 2, "a pipe in place of stderr");
    sse_test_request(app, "GET /a", NULL, NULL, &r);
    dup2(before, 2);
    close(to[1]);
    n = read(to[0], got, sizeof got - 1);
    got[n > 0 ? n : 0] = '\0';
    ok(strstr(got, "\"GET /a HTTP/1.1\" 200 4\n") != NULL, "has its line: %.80s", got);
    close(to[0]);
    close(before);
    done(app);
}

static void defers_and_reads(sse_req *req, void *user) {
    sse_body_read(req, takes, NULL);
    defers(req, user);
}

/* Who forgets a deferred request is told so when a minute is over, and once. */
static void forgotten(void) {
    static const char warning[] = "POST /later was deferred a minute ago and is not answered yet: "
                                  "sse_finish does that\n";
    sse_route_options later;
    sse_app_options   o;
    sse_app          *app;
    memset(&o, 0, sizeof o);
    memset(&later, 0, sizeof later);
    o.body_timeout_ms = SSE_OFF;
    app = fresh(&o);
    later.method = "POST";
    sse_route(app, "/later", defers, NULL, &later);
    later.body_later = true;
    sse_route(app, "/reads", defers_and_reads, NULL, &later);
    is_int(sse_test_request(app, "POST /later", NULL, "body", &r), 0, "a request is deferred");
    sse_test_run(app, 59999);
    is_str(what_was_said(), "", "... for less than a minute");
    sse_test_run(app, 1);
    is_str(what_was_said(), warning, "... for one");
    sse_test_run(app, 200000);
    is_str(what_was_said(), "", "... which is said once");
    sse_puts(sse_out(deferred), "at last");
    is_int(sse_finish(deferred), 0, "it is finished");
    sse_test_run(app, 0);
    is_str(r.body, "at last", "... and answered");
    is_int(sse_test_request(app, "POST /later", NULL, "body", &r), 0, "another is deferred");
    sse_test_run(app, 59999);
    is_int(sse_finish(deferred), 0, "... and finished in time");
    sse_test_run(app, 100000);
    is_str(what_was_said(), "", "... of which there is nothing to say");
    is_int(sse_test_request(app, "POST /reads", "Content-Length: 9\n", "one", &r), 0,
        "one that is deferred while its body comes");
    sse_test_run(app, 59999);
    goes_on(app, "two");
    is_str(what_was_said(), "one two ", "... in pieces");
    sse_test_run(app, 1);
    ok(strncmp(said, "POST /reads was deferred a minute ago", 37) == 0, "... a minute: %s", said);
    said[0] = '\0';
    goes_on(app, "end");
    is_str(what_was_said(), "end ", "... hears the rest");
    sse_test_run(app, 200000);
    is_str(what_was_said(), "", "... and no second warning");
    is_int(sse_finish(deferred), 0, "it is finished");
    done(app);
}

/* What was wrong when a reply was finished stays so, whatever is written later. */
static void finished(void) {
    static const struct {
        const char *format;
        bool        scarce; /* there was no memory for a text */
        const char *late;
        int         status;
    } rows[] = {
        {"fine", false, "", 200},
        {"fine", false, "late", 200},
        {"%ls", false, "", 500},
        {"%ls", false, "late", 500},
        {"fine", true, "", 500},
        {"fine", true, "late", 500},
    };
    sse_app *app = fresh(NULL);
    size_t   i;
    sse_get(app, "/later", defers, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(sse_test_request(app, "GET /later", NULL, NULL, &r), 0, "a reply that comes later");
        sse_printf(sse_out(deferred), rows[i].format, "text");
        fail_at = rows[i].scarce;
        ok(*sse_fmt(deferred, "%9000d", 1) == (rows[i].scarce ? 0 : 32), "... with a text");
        fail_at = 0;
        is_int(sse_finish(deferred), 0, "... is finished");
        sse_puts(sse_out(deferred), rows[i].late);
        sse_test_run(app, 0);
        is_int(r.status, rows[i].status, "... as it was then");
        ok(!strstr(r.body, "late"), "... without what came later: %.40s", r.body);
        sse_test_close(&r);
    }
    done(app);
}

/* A reply that is refused is no silence: behind a hook, nothing runs that it was to keep from. */
static void replies_badly(sse_req *req, void *user) {
    const char        *how = sse_query(req, "how");
    sse_stream_options o;
    sse_event          torn;
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&torn, 0, sizeof torn);
    torn.id = "a\nb";
    o.status = 1000;
    if (strcmp(how, "redirect") == 0) sse_redirect(req, "/a b");
    if (strcmp(how, "javascript") == 0) sse_redirect(req, "javascript:1");
    if (strcmp(how, "nowhere") == 0) sse_redirect(req, NULL);
    if (strcmp(how, "status") == 0) sse_set_status(req, 1000);
    if (strcmp(how, "back") == 0) sse_come_back(req, -1);
    if (strcmp(how, "file") == 0) sse_send_file(req, NULL, NULL);
    if (strcmp(how, "typed") == 0) sse_set_type(req, "text/plain");
    if (strcmp(how, "json") == 0) (void)sse_out_json(req);
    if (strcmp(how, "typed") == 0 || strcmp(how, "json") == 0) sse_redirect(req, "/a b");
    if (strcmp(how, "first") == 0) o.first = &torn;
    if (strcmp(how, "last") == 0) o.last = &torn;
    if (o.first || o.last) o.status = 0;
    if (o.first || o.last || strcmp(how, "stream") == 0) (void)sse_stream_open(req, &o);
    if (strcmp(how, "again") == 0 && sse_redirect(req, "/a b")) sse_redirect(req, "/login");
    if (strcmp(how, "header") == 0) sse_set_header(req, "X-A", "a\nb");
}

static void refused_replies(void) {
    static const struct {
        const char *how;
        int         status;
    } rows[] = {{"redirect", 500}, {"javascript", 500}, {"nowhere", 500}, {"status", 500},
        {"back", 500}, {"file", 500}, {"stream", 500}, {"first", 500}, {"last", 500},
        {"typed", 500}, {"json", 500}, {"again", 303}, {"header", 200}, {"none", 200}};
    sse_app *app = fresh(NULL);
    size_t   i;
    sse_before(app, "/mine", replies_badly, NULL);
    sse_get(app, "/mine", answers, (void *)"secret");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char request[60];
        snprintf(request, sizeof request, "GET /mine?how=%s", rows[i].how);
        (void)sse_test_request(app, request, NULL, NULL, &r);
        is_int(r.status, rows[i].status, rows[i].how);
        is_int(strstr(r.body, "secret") != NULL, rows[i].status == 200, "... what is behind it");
        sse_test_close(&r);
    }
    done(app);
}

static void long_name(sse_req *req, void *user) {
    char name[3000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    fail_at = 1;
    *(int *)user = sse_set_attr(req, name, "a value for which there is room");
    fail_at = 0;
}

static void attrs_without_memory(void) {
    sse_app *app = fresh(NULL);
    int      error = 0;
    sse_get(app, "/long", long_name, &error);
    (void)sse_test_request(app, "GET /long", NULL, NULL, &r);
    is_int(error, SSE_E_NOMEM, "there is no memory for the name of an attribute");
    done(app);
}

static void fails_then_sends(sse_req *req, void *user) { /* ?how= */
    const char *how = sse_query(req, "how");
    (void)user;
    (void)sse_send_file(req, "tests/tap.h", NULL);
    if (strcmp(how, "fail") == 0) (void)sse_fail(req, 418, "no file");
    if (strcmp(how, "header") == 0) sse_buf_fail(&req->headers, SSE_E_NOMEM);
    if (strcmp(how, "output") == 0) sse_buf_fail(sse_out(req), SSE_E_ARG);
}

static void files(void) { /* a file that was chosen is sent unless something failed behind that */
    sse_app *app = fresh(NULL);
    sse_get(app, "/f", fails_then_sends, NULL);
    ask(app, "GET /f?how=well", NULL, NULL, 200);
    ok(strstr(r.body, "TAP_H") != NULL, "... a file");
    ask(app, "GET /f?how=fail", NULL, NULL, 418);
    is_str(r.body, "no file\n", "... what failed");
    ask(app, "GET /f?how=header", NULL, NULL, 500);
    ask(app, "GET /f?how=output", NULL, NULL, 500);
    done(app);
}

/* Requests take turns in the same memory: nothing of one is in the next, and nothing is lost. */
static void reused(void) {
    const long before = living;
    long       at_rest = 0;
    sse_app   *app = fresh(NULL);
    int        i;
    sse_get(app, "/later", defers, NULL);
    sse_get(app, "/a", answers, (void *)"in");
    for (i = 0; i < 5; i++) {
        sse_req *first;
        ask(app, "GET /a", NULL, NULL, 200);
        sse_test_close(&r);
        if (i == 1) at_rest = living;
        sse_test_request(app, "GET /later", NULL, NULL, &r);
        first = deferred;
        sse_test_close(&r);
        sse_test_request(app, "GET /later", NULL, NULL, &r);
        sse_finish(first);
        sse_finish(deferred);
        sse_test_run(app, 0);
        is_int(r.status, 204, "two at a time");
    }
    ask(app, "GET /a", NULL, NULL, 200);
    sse_test_close(&r);
    is_int(living, at_rest, "no request leaves memory in use");
    done(app);
    is_int(living, before, "nor does the app");
}

#ifndef SSE_NO_SQLITE
static sse_db *db;

static void asks_nowhere(sse_req *req, void *user) { /* ?status= */
    const int status = (int)sse_parse_int(sse_query(req, "status"), 0);
    (void)user;
    (void)sse_db_exec(db,
        sse_query(req, "taken") ? "INSERT INTO t VALUES(1)" : "INSERT INTO nowhere VALUES(1)");
    if (sse_query(req, "back")) (void)sse_come_back(req, 0);
    else if (status && sse_query(req, "fail")) (void)sse_fail(req, status, "as it is");
    else if (status) (void)sse_set_status(req, status);
    else sse_puts(sse_out(req), "as if nothing were wrong");
}

/* A handler that does not look is told of, and so is one that says by itself that the server has
   failed: whoever runs it sees no replies. What the client did wrong is the client's to know. */
static void databases(void) {
    static const struct {
        const char *request;
        int         status;
        bool        said;
    } rows[] = {{"GET /db", 200, true}, {"GET /db?status=201", 201, true},
        {"GET /db?status=399", 399, true}, {"GET /db?status=400", 400, false},
        {"GET /db?status=499", 499, false}, {"GET /db?status=500", 500, true},
        {"GET /db?status=503", 503, true}, {"GET /db?status=404&fail=1", 404, false},
        {"GET /db?status=500&fail=1", 500, true}, {"GET /db?status=507&fail=1", 507, true},
        {"GET /db?back=1", 503, true}, {"GET /db?taken=1", 200, true},
        {"GET /db?taken=1&status=409&fail=1", 409, false},
        {"GET /db?taken=1&status=500&fail=1", 500, false},
        {"GET /db?taken=1&status=503", 503, false}};
    sse_app *app = fresh(NULL);
    size_t   i;
    db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)");
    sse_get(app, "/db", asks_nowhere, NULL);
    sse_test_run(app, 0);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char why[120], though[40] = "";
        if (rows[i].status < 400)
            snprintf(though, sizeof though, ", though its reply says %d", rows[i].status);
        snprintf(why, sizeof why, "GET /db: a database call failed%s: %s", though,
            strstr(rows[i].request, "taken") ? "UNIQUE constraint failed: t.id"
                                             : "no such table: nowhere");
        sse_test_run(app, 1000);
        ask(app, rows[i].request, NULL, NULL, rows[i].status);
        if (rows[i].said)
            ok(strncmp(said, why, strlen(why)) == 0 && !strstr(said + 1, "GET"),
                "... which is logged, once: %s", said);
        else is_str(said, "", "... of which nothing is said");
        said[0] = '\0';
        if (!rows[i].said) continue;
        ask(app, rows[i].request, NULL, NULL, rows[i].status);
        is_str(what_was_said(), "", "... once a second");
    }
    done(app);
    sse_db_close(db);
}
#endif

/* ---- setting up ---- */

static void shows(sse_view *view, sse_buf *html, void *user) {
    const char *page = sse_view_param(view, "page");
    (void)user;
    sse_html(html, "<p id=p>%s</p>", page ? page : "none");
}

static void shows_each(sse_req *req, sse_buf *html, void *user) {
    (void)req, (void)user;
    sse_puts(html, "<p id=p>mine</p>");
}

/* Views keep copies of their texts: what they were set up with may go. */
static void copies(void) {
    char path[] = "/v/{id}", query[] = "page", selector[] = "#here", label[] = "tab", who[] = "ann",
         event[] = "news", ns[] = "svg", root[] = "#main";
    sse_live_options   o, as_data;
    sse_patch_options  patch;
    sse_stream_options stream;
    sse_stats          stats;
    sse_filter         filter;
    sse_app           *app = fresh(NULL);
    memset(&o, 0, sizeof o);
    memset(&patch, 0, sizeof patch);
    memset(&stream, 0, sizeof stream);
    memset(&as_data, 0, sizeof as_data);
    memset(&filter, 0, sizeof filter);
    patch.selector = selector;
    patch.mode = SSE_APPEND;
    patch.ns = ns;
    patch.view_transition_selector = root;
    stream.label = label;
    stream.who = who;
    stream.ping_ms = 1000;
    o.query = query;
    o.patch = &patch;
    o.stream = &stream;
    o.every_ms = 5000;
    o.max_views = 1;
    is_int(sse_live(app, path, shows, &o), 0, "a view");
    as_data.format = SSE_AS_DATA;
    as_data.event = event;
    strcpy(path, "/w/{id}");
    is_int(sse_live(app, path, shows, &as_data), 0, "another");
    memset(path, '?', sizeof path - 1);
    memset(query, '?', sizeof query - 1);
    memset(selector, '?', sizeof selector - 1);
    memset(label, '?', sizeof label - 1);
    memset(who, '?', sizeof who - 1);
    memset(event, '?', sizeof event - 1);
    memset(ns, '?', sizeof ns - 1);
    memset(root, '?', sizeof root - 1);
    memset(&patch, 0, sizeof patch);
    memset(&stream, 0, sizeof stream);
    ask(app, "GET /v/1?page=7", "Accept: text/event-stream\n", NULL, 200);
    ok(strstr(r.body, "<p id=p>7</p>") && strstr(r.body, "data: selector #here\n") &&
            strstr(r.body, "data: mode append\n") && strstr(r.body, "data: namespace svg\n") &&
            strstr(r.body, "data: viewTransitionSelector #main\n"),
        "... is rendered and patched as was said");
    filter.who = "ann";
    is_int(sse_streams_count(app, &filter), 1, "... whose it is");
    filter.who = NULL;
    filter.label = "tab";
    is_int(sse_streams_count(app, &filter), 1, "... and by its label");
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 1, "... rendered once");
    sse_test_run(app, 4999);
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 1, "... and not again before its time");
    sse_test_run(app, 1);
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 2, "... but then");
    is_int(sse_touch(app, "/v/{id}"), 0, "... found by its path");
    ask(app, "GET /w/1", "Accept: text/event-stream\n", NULL, 200);
    ok(strstr(r.body, "event: news\n") != NULL, "... the other has its event");
    done(app);
}

static void intervals(void) { /* however often a view is touched */
    sse_live_options o;
    sse_stats        stats;
    sse_app         *app = fresh(NULL);
    memset(&o, 0, sizeof o);
    o.min_interval_ms = 2000;
    sse_live(app, "/v", shows, &o);
    ask(app, "GET /v", "Accept: text/event-stream\n", NULL, 200);
    sse_test_run(app, 2000);
    sse_touch(app, "/v");
    sse_test_run(app, 0);
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 2, "a view that is touched is rendered");
    sse_touch(app, "/v");
    sse_test_run(app, 1999);
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 2, "... not again within .min_interval_ms");
    sse_test_run(app, 1);
    sse_stats_get(app, &stats);
    is_int((int)stats.renders, 3, "... but then");
    done(app);
}

static int no_step(sse_stream s, void *user) { return (void)s, (void)user, SSE_END; }

static void live_faults(void) { /* what no view can be, each said by its name */
    sse_live_options   o;
    sse_stream_options stream;
    sse_event          event;
    const char        *why;
    size_t             i;
    memset(&event, 0, sizeof event);
    for (i = 0; i < 9; i++) {
        static const char *const words[] = {".stream: .first and .last are the view's own",
            ".stream: .first and .last are the view's own",
            ".stream: .type, .status and .step are the view's own",
            ".stream: .type, .status and .step are the view's own",
            ".stream: .type, .status and .step are the view's own", ".format is none of SSE_AS_",
            ".max_views -1: less than 0", ".event holds a line break", ""};
        sse_app                 *app = fresh(NULL);
        char                     want[200];
        memset(&o, 0, sizeof o);
        memset(&stream, 0, sizeof stream);
        if (i < 5) o.stream = &stream;
        if (i == 0) stream.first = &event;
        if (i == 1) stream.last = &event;
        if (i == 2) stream.type = "text/plain";
        if (i == 3) stream.status = 201;
        if (i == 4) stream.step = no_step;
        if (i == 5) o.format = (sse_format)-1;
        if (i == 6) o.max_views = -1;
        if (i == 7) o.event = "a\rb", o.format = SSE_AS_DATA;
        if (i == 8) o.event = "a", o.format = SSE_AS_DATA;
        is_int(sse_live(app, "/v", shows, &o), i < 8 ? SSE_E_ARG : 0, words[i]);
        (void)sse_app_error(app, &why);
        snprintf(want, sizeof want, "live view /v: %s", words[i]);
        is_str(why, i < 8 ? want : "", "... in words");
        sse_app_free(app);
    }
}

/* A view that there is no memory for, or no room at its path, leaves nothing. */
static void live_fails(void) {
    const long before = living;
    sse_app   *app = fresh(NULL);
    long       n, open;
    int        error = -1, each;
    for (each = 0; each < 2; each++) {
        const char *path = each ? "/each" : "/shared";
        error = -1;
        for (n = 1; error && n < 100; n++) {
            fail_at = n;
            error = each ? sse_live_each(app, path, shows_each, NULL)
                         : sse_live(app, path, shows, NULL);
            fail_at = 0;
            if (error)
                ok(error == SSE_E_NOMEM && sse_touch(app, path) == SSE_E_ABSENT,
                    "without allocation %ld there is no such view", n);
        }
        ok(!error && n > 4, "%s: %ld allocations fail", path, n - 2);
        open = living;
        is_int(sse_live(app, path, shows, NULL), SSE_E_STATE, "a second view at that path");
        is_int(living, open, "... leaves no memory in use");
    }
    is_int(sse_touch(app, "/shared"), 0, "the first is there");
    sse_app_free(app);
    is_int(living, before, "no memory is lost");
}

static void static_fails(void) { /* nor does a directory */
    const long before = living;
    sse_app   *app = fresh(NULL);
    int        error = -1;
    long       n, open;
    for (n = 1; error && n < 100; n++) {
        fail_at = n;
        error = sse_static(app, "/tests", "tests", NULL);
        fail_at = 0;
        ok(!error || error == SSE_E_NOMEM, "without allocation %ld: %d", n, error);
    }
    ok(!error && n > 4, "%ld allocations fail", n - 2);
    error = -1;
    for (n = 1; error && n < 100; n++) {
        fail_at = n;
        error = sse_static(app, "/tap.h", "tests/tap.h", NULL);
        fail_at = 0;
        ok(!error || error == SSE_E_NOMEM, "a file without allocation %ld: %d", n, error);
    }
    ok(!error && n > 4, "%ld allocations fail", n - 2);
    error = -1;
    for (n = 1; error && n < 100; n++) {
        fail_at = n;
        error = sse_before(app, "/tests", nothing, NULL);
        fail_at = 0;
        ok(!error || error == SSE_E_NOMEM, "a hook without allocation %ld: %d", n, error);
    }
    ok(!error && n == 3, "%ld allocations fail", n - 2);
    open = living;
    is_int(sse_static(app, "/tests", "tests", NULL), SSE_E_STATE, "a second time");
    is_int(sse_static(app, "/x", "/nowhere/at/all", NULL), SSE_E_IO, "no directory");
    is_int(living, open, "... leaves no memory in use");
    sse_app_free(app);
    is_int(living, before, "no memory is lost");
    app = fresh(NULL);
    is_int(sse_static(app, "/tests", "tests", NULL), 0, "a directory");
    ask(app, "GET /tests/tap.h", NULL, NULL, 200);
    is_str(field("Cache-Control"), "no-cache", "... whose files are asked about");
    done(app);
}

int main(void) {
    hosts();
    hosts_elsewhere();
    hosts_refused();
    origins();
    cors();
    hooks();
    routes();
    frees();
    heads();
    bodies();
    unwanted();
    unwanted_yet();
    moved();
    opens_scarcely();
    readers();
    scarcely();
    counts();
    logs();
    logs_without_on_log();
    logs_of_old_clients();
    forgotten();
    finished();
    attrs_without_memory();
    refused_replies();
    files();
    reused();
#ifndef SSE_NO_SQLITE
    databases();
#endif
    copies();
    intervals();
    live_faults();
    live_fails();
    static_fails();
#ifndef SSE_NO_CLIENT
    client_goes();
#endif
    is_int(living, 0, "no memory is lost");
    return tap_done();
}
