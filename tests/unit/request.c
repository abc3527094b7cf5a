/* Tests of >>request: all names and values of a request, in order; the i-th of a name, by how many
   comparisons; how many there may be, by how much memory they take; pointers
   that hooks leave; signals of DELETE in either place; a cookie that is taken back; PATCH; texts
   that stay; replies by how many writes. */
#define _DEFAULT_SOURCE
#include <string.h>
static int socket_writes; /* to sockets */
static int compared;      /* texts */
#define strcmp(a, b) (compared++, strcmp(a, b))
static void note_call(const char *call);
#define SSE__SYS(call) (note_call(#call), call)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "dial.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static bool leaves; /* the peer of a file, when some of it is sent */

static void note_call(const char *call) {
    if (strncmp(call, "sen", 3) != 0) return; /* other threads may be in here */
    socket_writes++;
    if (leaves && strncmp(call, "sendfile(", 9) == 0) raise(SIGPIPE);
}

static void list(sse_buf *out, const char *what, const sse_pair *p) {
    sse_printf(out, "%s:", what);
    for (; p; p = p->next) sse_printf(out, "[%s=%s]", p->name, p->value);
    sse_puts(out, "\n");
}

static void all(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_str  raw = sse_query_raw(req);
    int      i;
    (void)user;
    list(out, "query", sse_query_all(req));
    list(out, "form", sse_form_all(req));
    list(out, "headers", sse_header_all(req));
    list(out, "cookies", sse_cookie_all(req));
    for (i = 0; sse_query_at(req, "a", i); i++)
        sse_printf(out, "a%d=%s ", i, sse_query_at(req, "a", i));
    for (i = 0; sse_form_at(req, "f", i); i++)
        sse_printf(out, "f%d=%s ", i, sse_form_at(req, "f", i));
    sse_printf(out, "raw=%.*s%s ", SSE_STR(raw), raw.ptr ? "" : "(none)");
    sse_printf(out, "no=%d%d%d%d\n", sse_query_at(req, "a", -1) == NULL,
        sse_query_at(req, NULL, 0) == NULL, sse_form_at(req, "zz", 0) == NULL,
        sse_query_at(req, "a", 99) == NULL);
}

static int mine = 5, yours = 6;

static void hook(sse_req *req, void *user) {
    (void)user;
    if (sse_query(req, "twice")) sse_set_attr_ptr(req, "me", &yours);
    if (!sse_query(req, "none")) sse_set_attr_ptr(req, "me", &mine);
    if (sse_query(req, "gone")) sse_set_attr_ptr(req, "me", NULL);
    sse_set_attr(req, "me", "text");
}

static void pointer(sse_req *req, void *user) {
    const int *me = (const int *)sse_attr_ptr(req, "me");
    (void)user;
    sse_printf(sse_out(req), "me=%d text=%s other=%d null=%d %d", me ? *me : -1,
        sse_attr(req, "me"), sse_attr_ptr(req, "you") == NULL, sse_attr_ptr(req, NULL) == NULL,
        sse_set_attr_ptr(req, NULL, &mine) == SSE_E_ARG);
}

static void signals(sse_req *req, void *user) {
    const char *text = sse_signal(req, "text");
    (void)user;
    sse_printf(sse_out(req), "text=%s", text ? text : "(none)");
}

static void forget(sse_req *req, void *user) {
    sse_cookie_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.path = "/deep";
    o.max_age_s = 100;
    sse_cookie_delete(req, "a", NULL);
    sse_cookie_delete(req, "b", &o);
    sse_printf(sse_out(req), "%d %d", sse_cookie_delete(req, "bad name", NULL),
        sse_cookie_delete(req, NULL, NULL));
}

static const char *ask(sse_app *app, const char *request) {
    client *c = send_from_new(app, request, strlen(request));
    int     i;
    for (i = 0; i < 30000 && !strstr(c->got, "\r\n\r\n"); i++) turns(app, 1);
    turns(app, 2);
    return c->got;
}

static void says(sse_app *app, const char *request, const char *what) {
    const char *got = ask(app, request);
    ok(strstr(got, what) != NULL, "%.*s", (int)strcspn(request, "\r"), request);
    if (!strstr(got, what)) tap_show("got", got, strlen(got));
}

/* ---- what RFC 9110 asks of replies ---- */

static void text(sse_req *req, void *user) {
    int i;
    (void)user;
    for (i = 0; i < 100; i++) sse_puts(sse_out(req), "long enough to be compressed, ");
}

static void denied(sse_req *req, void *user) {
    (void)user;
    sse_fail(req, 401, "who are you?");
}

static void peer(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "peer=%s;", sse_peer(req));
}

static void host_cookie(sse_req *req, void *user) { /* which has to be Secure */
    (void)user;
    sse_printf(sse_out(req), "set=%d;", sse_set_cookie(req, "__Host-a", "v", NULL));
}

static void form_text(sse_req *req, void *user) {
    const char *text = sse_form(req, "a");
    (void)user;
    sse_printf(sse_out(req), "a=%s;", text ? text : "-");
}

/* A text with a NUL would be another one: it is refused, as is the rest of its form. */
static void no_nul(void) {
    static const char head[] = "POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Length: 66\r\n"
                               "Content-Type: multipart/form-data; boundary=b\r\n\r\n",
                      body[] = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nadmin?root\r\n"
                               "--b--\r\n";
    char         bytes[sizeof head + sizeof body];
    const size_t n = sizeof head + sizeof body - 2;
    sse_app     *app = dial_app(NULL);
    int          i;
    sse_post(app, "/form", form_text, NULL);
    memcpy(bytes, head, sizeof head);
    memcpy(bytes + sizeof head - 1, body, sizeof body);
    for (i = 0; i < 2; i++) {
        client *c;
        if (i) *strchr(bytes, '?') = '\0';
        c = send_from_new(app, bytes, n);
        turns(app, 20);
        ok(strstr(c->got, i ? "HTTP/1.1 400 " : "a=admin?root;") != NULL, "a form%s",
            i ? " with a NUL in it" : "");
    }
    dial_free(app);
}

static void rules(void) {
    static const struct {
        const char *forwarded, *peer;
    } hops[] = {{"203.0.113.9", "203.0.113.9"}, {"::ffff:203.0.113.9", "203.0.113.9"},
        {"2001:DB8:0:0::1", "2001:db8::1"}, {"203.0.113.9, 2001:DB8:0:0:0:0:0:7", "203.0.113.9"},
        {"203.0.113.9, ::FFFF:198.51.100.1", "203.0.113.9"}, {"2001:db8::9", "2001:db8::9"},
        {"0000:0000:0000:0000:0000:ffff:203.100.113.123", "203.100.113.123"},
        {"203.0.113.9, unknown", "127.0.0.1"},
        {"203.0.113.9, unknown, 198.51.100.1", "198.51.100.1"}};
    sse_app_options o;
    sse_stats       stats;
    sse_app        *app;
    char            request[300], dir[] = "/tmp/sse-request-XXXXXX", file[64], said[64];
    const char     *got, *date, *modified;
    FILE           *f;
    struct timespec later[2];
    size_t          i;
    memset(&o, 0, sizeof o);
    o.trusted_proxies = "127.0.0.1 2001:db8::7 198.51.100.1";
    app = dial_app(&o);
    sse_get(app, "/text", text, NULL);
    sse_get(app, "/denied", denied, NULL);
    sse_get(app, "/peer", peer, NULL);
    sse_get(app, "/host-cookie", host_cookie, NULL);
#ifndef SSE_NO_COMPRESSION
    says(app,
        "GET /text HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\n"
        "Accept-Encoding: gzip\r\n\r\n",
        "Content-Encoding: gzip");
#endif
    says(app, "GET /denied HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\nWWW-Authenticate: ");
    for (i = 0; i < SSE__COUNT(hops); i++) {
        snprintf(request, sizeof request,
            "GET /peer HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: %s\r\n\r\n",
            hops[i].forwarded);
        snprintf(said, sizeof said, "peer=%s;", hops[i].peer);
        says(app, request, said);
    }
    says(app,
        "GET /peer HTTP/1.1\r\nHost: localhost\r\nForwarded: for=6.6.6.6\r\n"
        "X-Forwarded-For: 203.0.113.9\r\n\r\n",
        "peer=203.0.113.9;"); /* a proxy that writes the one leaves the other as it came */
    says(app, "GET /host-cookie HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\r\n",
        "\r\nSet-Cookie: __Host-a=v; Path=/; SameSite=Lax; HttpOnly; Secure\r\n");
    snprintf(said, sizeof said, "set=%d;", SSE_E_ARG);
    says(app, "GET /host-cookie HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: http\r\n\r\n",
        said);

    if (!mkdtemp(dir)) return;
    sse_static(app, "/files", dir, NULL);
    snprintf(file, sizeof file, "%s/sub", dir);
    mkdir(file, 0700);
    says(app, "GET /files/sub?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\nLocation: ./sub/?a=b\r\n"); /* a proxy may have taken a prefix off */
    rmdir(file);
    snprintf(file, sizeof file, "%s/new", dir);
    f = fopen(file, "w");
    if (f) fputs("from the future", f), fclose(f);
    memset(later, 0, sizeof later);
    later[0].tv_sec = later[1].tv_sec = time(NULL) + 86400;
    utimensat(AT_FDCWD, file, later, 0);
    got = ask(app, "GET /files/new HTTP/1.1\r\nHost: localhost\r\n\r\n");
    date = strstr(got, "\r\nDate: ");
    modified = strstr(got, "\r\nLast-Modified: ");
    ok(date && modified && strncmp(date + 8, modified + 17, 29) == 0,
        "no file was modified later than now");
    unlink(file);
    snprintf(file, sizeof file, "%s/long.txt", dir);
    f = fopen(file, "w");
    for (i = 0; f && i < 10000; i++) fputs("0123456789", f);
    if (f) fclose(f);
    got = ask(app, "GET /files/long.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    ok(strstr(got, "\r\nContent-Length: ") && !strstr(got, "\r\nTransfer-Encoding: "),
        "a file that a thread compresses meanwhile has its length for who knows no chunks");
    unlink(file);
    rmdir(dir);

    ask(app, "HEAD /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    sse_stats_get(app, &stats);
    ok(stats.closed[SSE_BY_ERROR] == 0 && stats.closed[SSE_BY_END] == 0,
        "HEAD of a stream is no error, and no stream");
    dial_free(app);
}

static void kept_connections(void) {
    sse_app_options o;
    sse_stats       stats;
    sse_app        *app;
    client         *c;
    int             i;
    memset(&o, 0, sizeof o);
    o.keepalive_ms = 20;
    app = dial_app(&o);
    sse_get(app, "/text", text, NULL);
    ask(app, "GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n");
    c = &clients[nclients - 1];
    for (i = 0; i < 30000 && !c->over; i++) turns(app, 1);
    sse_stats_get(app, &stats);
    ok(c->over && stats.timeouts == 0, "that a kept connection ends is no timeout");
    dial_free(app);
}

#if defined(__linux__)
static int  pipe_signals;
static void on_pipe(int signal) { (void)signal, pipe_signals++; }

/* Whether the signal of a peer that is gone ends the program is the program's to say. */
static void peers_of_files(void) {
    char        path[] = "/tmp/sse-request-XXXXXX";
    const int   fd = mkstemp(path);
    sigset_t    pipe, were, now;
    sse__block *block = sse__block_new(NULL, 0), rest;
    int         i, fds[2] = {-1, -1};
    memset(&rest, 0, sizeof rest);
    ok(fd >= 0 && write(fd, "0123456789", 10) == 10 && block, "a file");
    block->fd = fd;
    rest.from = block;
    rest.offset = 2;
    signal(SIGPIPE, on_pipe);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    for (i = 0; i < 2; i++) {
        char got[20] = {0};
        sigprocmask(i ? SIG_BLOCK : SIG_UNBLOCK, &pipe, &were);
        if (i) raise(SIGPIPE); /* somebody else's, who waits for it */
        is_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0, "a peer");
        leaves = true;
        is_int((long long)sse__file_send(fds[0], &rest, 100), 8, "takes the rest of a file");
        leaves = false;
        ok(recv(fds[1], got, sizeof got, 0) == 8 && memcmp(got, "23456789", 8) == 0, "... it");
        close(fds[1]);
        ok(sse__file_send(fds[0], &rest, 100) < 0 && errno == EPIPE, "... and is gone");
        close(fds[0]);
        sigprocmask(SIG_SETMASK, NULL, &now);
        is_int(sigismember(&now, SIGPIPE), i, "the signal is blocked only by who blocked it");
        sigpending(&now);
        is_int(sigismember(&now, SIGPIPE), i, "... and waits there");
        is_int(pipe_signals, 0, "nobody else hears of it");
    }
    sigprocmask(SIG_SETMASK, &were, NULL);
    is_int(pipe_signals, 1, "until it is let through");
    sse__block_drop(block);
    unlink(path);
}
#endif

static void echo(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    (void)user;
    sse_raw(sse_out(req), body.ptr, body.len);
}

/* Requests in flight behind a large reply are answered although their client sends no more. */
static void half_closed(void) {
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 20000\r\n\r\n";
    static const char next[] = "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_app          *app = dial_app(NULL);
    sse_buf           all;
    int               i, n;
    memset(&all, 0, sizeof all);
    sse_post(app, "/echo", echo, NULL);
    sse_puts(&all, head);
    for (i = 0; i < 2000; i++) sse_puts(&all, "0123456789");
    for (i = 0; i < 3; i++) sse_puts(&all, next);
    for (i = 0; i < 4; i++) {
        client *c = send_from_new(app, all.ptr, all.len);
        if (i) shutdown(c->fd, SHUT_WR);
        for (n = 0; n < 30000 && !c->over && times(c, "HTTP/1.1 ") < 4; n++) turns(app, 1);
        is_int(times(c, "HTTP/1.1 "), 4, i ? "its side is closed" : "its side is open");
    }
    sse_buf_free(&all);
    dial_free(app);
}

/* ---- texts that stay, and what nobody asks for ---- */

static sse_req    *kept;
static sse_str     body_then;
static const char *texts_then[4];

static void keep(sse_req *req, void *user) {
    (void)user;
    kept = req;
    body_then = sse_body(req);
    texts_then[0] = sse_header(req, "X-A");
    texts_then[1] = sse_query(req, "q");
    texts_then[2] = sse_cookie(req, "c");
    texts_then[3] = sse_path(req);
    sse_defer(req);
}

static void texts_stay(void) { /* R1: while others come, and its client leaves */
    static const char asks[] = "POST /keep?q=%C3%A9 HTTP/1.1\r\nHost: localhost\r\nX-A: one\r\n"
                               "Cookie: c=v\r\nContent-Length: 5\r\n\r\nfirst";
    static const char other[] = "POST /all?q=zzzzzz HTTP/1.1\r\nHost: localhost\r\nX-A: zzz\r\n"
                                "Cookie: c=z\r\nContent-Length: 5\r\n\r\nzzzzz";
    sse_app          *app = dial_app(NULL);
    client           *c;
    int               i;
    sse_post(app, "/keep", keep, NULL);
    sse_post(app, "/all", all, NULL);
    c = send_from_new(app, asks, strlen(asks));
    for (i = 0; i < 30000 && !kept; i++) turns(app, 1);
    for (i = 0; i < 3; i++) ask(app, other);
    hang_up(c);
    turns(app, 5);
    for (i = 0; i < 3; i++) ask(app, other);
    is_mem(body_then.ptr, body_then.len, "first", 5, "a body stays");
    is_str(texts_then[0], "one", "so does the value of a header");
    is_str(texts_then[1], "\xC3\xA9", "... of the query");
    is_str(texts_then[2], "v", "... of a cookie");
    is_str(texts_then[3], "/keep", "and the path");
    sse_finish(kept);
    turns(app, 3);
    dial_free(app);
}

static int  decoded[4]; /* before it asked for the query, for the signals, behind both; an index */
static void lazy(sse_req *req, void *user) {
    (void)user;
    decoded[0] = req->query.end || req->cookies.end || req->form.end || req->signals_read;
    (void)sse_query(req, "a");
    decoded[1] = req->query.end && !req->cookies.end && !req->signals_read;
    (void)sse_signal(req, "a");
    decoded[2] = req->signals_read && !req->cookies.end && !req->form.end;
    decoded[3] = req->signals_index != NULL;
}

static void only_what_is_asked_for(void) { /* R2 */
    sse_app *app = dial_app(NULL);
    sse_post(app, "/lazy", lazy, NULL);
    ask(app, "POST /lazy?a=1 HTTP/1.1\r\nHost: localhost\r\nCookie: c=v\r\n"
             "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    ok(!decoded[0], "nothing is decoded before a handler runs");
    ok(decoded[1], "then the query, when it asks for that");
    ok(decoded[2], "and the signals");
    ok(decoded[3], "... which have an index, so that none looks through all of the JSON");
    dial_free(app);
}

/* ---- many fields ---- */

typedef const char *(*ask_fn)(sse_req *req, const char *name, int i);

/* n times the text, in memory that stays. */
static char *repeated(const char *text, int n) {
    const size_t len = strlen(text);
    char        *all = (char *)calloc((size_t)n + 1, len), *at = all;
    for (; all && n > 0; n--, at += len) memcpy(at, text, len);
    return all;
}

static struct {
    ask_fn ask;
    int    asked;    /* names in turn: "a", "b" */
    int    found;    /* how many were there */
    int    compared; /* what it took */
} loop;

static void loops(sse_req *req, void *user) { /* as the manual does */
    static const char *const names[] = {"a", "b"};
    int                      i = 0, k = 0;
    (void)user;
    (void)loop.ask(req, "none", 0); /* reads them */
    compared = 0;
    for (loop.found = 0; loop.ask(req, names[k], i); loop.found++)
        if (++k == loop.asked) k = 0, i++;
    loop.compared = compared;
}

static void all_of_a_name(void) { /* asking for one after the other is one walk */
    static const struct {
        const char *text, *what;
        ask_fn      ask;
        int         asked, n, walks; /* of the list, at most */
    } rows[] = {{"a=&", "a form", sse_form_at, 1, 1000, 3},
        {"x=1&a=2&", "a form with others between", sse_form_at, 1, 500, 3},
        {"a=&", "a query", sse_query_at, 1, 1000, 3},
        {"a=1&b=2&", "a form, two names in turn", sse_form_at, 2, 500, 1001},
        {"a=&", "as many as may be", sse_form_at, 1, 20000, 3}};
    sse_app_options o;
    sse_app        *app;
    sse_test_reply  r;
    size_t          i;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.max_fields = 20000;
    app = sse_app_new(&o);
    sse_get(app, "/loop", loops, NULL);
    sse_post(app, "/loop", loops, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const bool form = rows[i].ask == sse_form_at;
        char      *text = repeated(rows[i].text, rows[i].n), request[8192];
        const int  fields = rows[i].n * (strchr(rows[i].text, '&')[1] ? 2 : 1);
        loop.ask = rows[i].ask;
        loop.asked = rows[i].asked;
        snprintf(request, sizeof request, form ? "POST /loop" : "GET /loop?%s", text);
        sse_test_request(app, request, NULL, form ? text : NULL, &r);
        is_int(loop.found, rows[i].n * rows[i].asked, rows[i].what);
        ok(loop.compared <= rows[i].walks * fields, "... by %d comparisons of %d fields",
            loop.compared, fields);
        free(text);
    }
    sse_test_close(&r);
    sse_app_free(app);
}

static const struct {
    const char *name;
    int         i;
    const char *value;
} orders[] = {{"a", 2, "5"}, {"a", 1, "3"}, {"a", 1, "3"}, {"a", 0, "1"}, {"b", 1, "4"},
    {"a", 2, "5"}, {"a", 3, NULL}, {"a", 2, "5"}, {"b", 0, "2"}, {"b", 2, NULL}, {"c", 0, NULL},
    {"b", 1, "4"}, {"a", -1, NULL}, {NULL, 0, NULL}, {"a", 0, "1"}};

static void in_any_order(sse_req *req, void *user) {
    size_t i;
    (void)user;
    for (i = 0; i < SSE__COUNT(orders); i++) {
        const char *got = sse_query_at(req, orders[i].name, orders[i].i);
        ok(got == orders[i].value || (got && orders[i].value && !strcmp(got, orders[i].value)),
            "%s, %d, after others", orders[i].name ? orders[i].name : "NULL", orders[i].i);
    }
}

static void any_order(void) { /* what was found last is no more than a place to begin */
    sse_app       *app = sse_app_new(NULL);
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    sse_get(app, "/order", in_any_order, NULL);
    sse_test_request(app, "GET /order?a=1&b=2&a=3&b=4&a=5", NULL, NULL, &r);
    is_int(r.status, 204, "all were asked for");
    sse_test_close(&r);
    sse_app_free(app);
}

static int    kept_fields; /* that the handler was told of */
static size_t kept_bytes;  /* of the arena */

static void keeps(sse_req *req, void *user) { /* ?of=: what it reads */
    const char              what = *(const char *)user;
    const sse_pair         *p = what == 'q'   ? sse_query_all(req)
                                : what == 'c' ? sse_cookie_all(req)
                                              : sse_form_all(req);
    const sse__arena_block *block = req->arena.blocks;
    for (kept_fields = 0; p; p = p->next) kept_fields++;
    for (kept_bytes = 0; block; block = block->next) kept_bytes += block->size;
}

static void too_many(void) { /* fields, before they are stored */
    static char       query[] = "q", form[] = "f", cookies[] = "c";
    static const char part[] = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n",
                      file[] = "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n"
                               "\r\n",
                      multipart[] = "Content-Type: multipart/form-data; boundary=b\n";
    static const struct {
        char       *of;
        const char *text, *headers;
        int         most, n, status, told;
        const char *says;
    } rows[] = {{query, "a&", NULL, 0, 1000, 204, 1000, ""},
        {query, "a&", NULL, 0, 1001, 400, 0,
            "the query has more than 1000 fields; if it may, raise max_fields\n"},
        {query, "%zz&", NULL, 0, 1001, 400, 0, "the query has more than 1000 fields; "},
        {query, "&", NULL, 0, 2000, 204, 0, ""}, {form, "a&", NULL, 0, 1000, 204, 1000, ""},
        {form, "a&", NULL, 0, 1001, 413, 0, "the form has more than 1000 fields; "},
        {form, "a&", NULL, 0, 400000, 413, 0, "the form has more than 1000 fields; "},
        {form, "a&", NULL, 3, 3, 204, 3, ""},
        {form, "a&", NULL, 3, 4, 413, 0, "the form has more than 3 fields; "},
        {form, "a&", NULL, 5000, 5000, 204, 5000, ""}, {form, part, multipart, 3, 3, 204, 3, ""},
        {form, part, multipart, 3, 4, 413, 0, "the form has more than 3 fields; "},
        {form, file, multipart, 3, 10, 204, 0, ""}, {cookies, "a=1;", "", 3, 3, 204, 3, ""},
        {cookies, "a=1;", "", 3, 4, 400, 0, "the Cookie header has more than 3 fields; "}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char           *text = repeated(rows[i].text, rows[i].n), *whole, line[8192];
        sse_app_options o;
        sse_app        *app;
        sse_test_reply  r;
        memset(&r, 0, sizeof r);
        memset(&o, 0, sizeof o);
        o.max_fields = rows[i].most;
        app = sse_app_new(&o);
        sse_get(app, "/keeps", keeps, rows[i].of);
        sse_post(app, "/keeps", keeps, rows[i].of);
        kept_fields = -1;
        whole = (char *)calloc(1, strlen(text) + 10);
        sprintf(whole, "%s%s", text, rows[i].headers == multipart ? "--b--\r\n" : "");
        snprintf(line, sizeof line, rows[i].of == query ? "GET /keeps?%s" : "Cookie: %s", text);
        sse_test_request(app,
            rows[i].of == query  ? line
            : rows[i].of == form ? "POST /keeps"
                                 : "GET /keeps",
            rows[i].of == cookies ? line : rows[i].headers, rows[i].of == form ? whole : NULL, &r);
        is_int(r.status, rows[i].status, rows[i].text);
        is_int(kept_fields, rows[i].told, "... and so many fields");
        ok(!strncmp(r.body ? r.body : "", rows[i].says, strlen(rows[i].says)), "... in words: %s",
            r.body ? r.body : "");
        if (rows[i].status != 204)
            ok(kept_bytes < 100000, "... which take little memory: %lu", (unsigned long)kept_bytes);
        sse_test_close(&r);
        sse_app_free(app);
        free(text);
        free(whole);
    }
}

static int  file_warnings, file_lines;
static char file_warning[300];

static void files_told(int level, const char *line, void *user) {
    (void)user;
    file_lines += strstr(line, "is passed over") != NULL;
    if (level != SSE_LOG_WARNING) return;
    file_warnings++;
    snprintf(file_warning, sizeof file_warning, "%s", line);
}

static void reads_form(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%s %d", sse_form(req, "a"), sse_form(req, "photo") != NULL);
}

/* A file that an ordinary route gets is nobody's: the program is told of it, once a second. */
static void file_passed_over(void) {
    static const char text[] = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n",
                      none[] = "--b\r\nContent-Disposition: form-data; name=photo; filename=\"\""
                               "\r\n\r\n\r\n",
                      file[] = "--b\r\nContent-Disposition: form-data; name=photo; filename=f"
                               "\r\n\r\ndata\r\n";
    char            with[600], without[600];
    sse_app_options o;
    sse_app        *app;
    sse_test_reply  r;
    int             i;
    memset(&r, 0, sizeof r);
    memset(&o, 0, sizeof o);
    o.on_log = files_told;
    app = sse_app_new(&o);
    sse_post(app, "/dish", reads_form, NULL);
    snprintf(with, sizeof with, "%s%s%s--b--\r\n", file, text, file);
    snprintf(without, sizeof without, "%s%s--b--\r\n", text, none);
    for (i = 0; i < 4; i++) {
        if (i == 3) sse_test_run(app, 1000);
        sse_test_request(app, "POST /dish", "Content-Type: multipart/form-data; boundary=b\n",
            i ? with : without, &r);
        ok(r.status == 200 && strcmp(r.body, "1 0") == 0, "a form %s a file: its text is read",
            i ? "with" : "without");
        is_int(file_warnings, (i + 1) / 2, "... and so many warnings by now");
    }
    is_str(file_warning,
        "sse_form: the file photo of a form is passed over: give the route .body_later, for "
        "sse_body_to_file or sse_body_parts (/dish)",
        "... which say what to do");
    is_int(file_lines, 3, "... one for each form, however many files it has");
    sse_test_close(&r);
    sse_app_free(app);
}

static sse_req *holding[2];
static size_t   held; /* of all bodies, when a handler had read its signals */
static int      first_signal;

static void reads_signals(sse_req *req, void *user) { /* ?wait=n: it waits for sse_finish */
    const int wait = (int)sse_parse_int(sse_query(req, "wait"), -1);
    (void)user;
    first_signal = sse_signal(req, "0") != NULL;
    held = sse_req_app(req)->body_bytes;
    if (wait < 0 || req->failed) return;
    holding[wait] = req;
    (void)sse_defer(req);
}

static void signals_in_memory(
    void) { /* an index takes more than its JSON, and counts as bodies do */
    static const char headers[] = "Content-Type: application/json\n";
    char             *ones = repeated("1,", 10000), *json = (char *)calloc(1, 20010);
    sse_test_reply    r[3];
    sse_app_options   o;
    sse_app          *app;
    memset(r, 0, sizeof r);
    memset(&o, 0, sizeof o);
    o.max_bodies_bytes = 100000;
    snprintf(json, 20010, "[%s1]", ones);
    app = sse_app_new(&o);
    sse_post(app, "/signals", reads_signals, NULL);
    sse_get(app, "/signals", reads_signals, NULL);
    sse_test_request(app, "POST /signals?wait=0", headers, json, &r[0]);
    ok(first_signal, "a body that is the only one may have an index of any size");
    ok(held > 10000 * sizeof(sse__json_node), "... which counts: %lu", (unsigned long)held);
    sse_test_request(app, "POST /signals", headers, "[1]", &r[1]);
    is_int(r[1].status, 503, "there is no room for another meanwhile");
    sse_test_request(app, "GET /signals?datastar=[1]", NULL, NULL, &r[1]);
    is_int(r[1].status, 204, "... but for what comes in a query");
    ok(first_signal, "... which is read");
    (void)sse_finish(holding[0]);
    sse_test_run(app, 0);
    is_int((int)app->body_bytes, 0, "nothing is held when it is answered");
    sse_test_close(&r[0]);
    o.max_bodies_bytes = 400000;
    sse_app_free(app);
    app = sse_app_new(&o);
    sse_post(app, "/signals", reads_signals, NULL);
    sse_test_request(app, "POST /signals?wait=0", headers, json, &r[0]);
    sse_test_request(app, "POST /signals?wait=1", headers, json, &r[2]);
    ok(!first_signal && r[2].status == 503, "the body has room, its index has none: %d",
        r[2].status);
    is_str(r[2].body, "there is no room for its JSON at the moment: come back later\n", "... why");
    sse_test_request(app, "POST /signals", headers, "[1]", &r[1]);
    ok(first_signal && r[1].status == 204, "a small one has");
    (void)sse_finish(holding[0]);
    sse_test_run(app, 0);
    sse_test_request(app, "POST /signals", headers, json, &r[1]);
    ok(first_signal && r[1].status == 204, "and all have it again");
    is_int((int)app->body_bytes, 0, "nothing is held");
    sse_test_close(&r[0]);
    sse_test_close(&r[1]);
    sse_test_close(&r[2]);
    sse_app_free(app);
    free(ones);
    free(json);
}

static void large_text(sse_req *req, void *user) { /* of ?n= bytes */
    int n = (int)sse_parse_int(sse_query(req, "n"), 0);
    (void)user;
    for (; n > 0; n--) sse_puts(sse_out(req), "x");
}

static void one_write(void) { /* A2 */
    sse_app *app = dial_app(NULL);
    sse_get(app, "/text", large_text, NULL);
    socket_writes = 0;
    says(app, "GET /text?n=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n", "Content-Length: 10000\r\n");
    is_int(socket_writes, 1, "head and body leave in one write");
    socket_writes = 0;
    says(app, "GET /text?n=20000 HTTP/1.1\r\nHost: localhost\r\n\r\n", "Content-Length: 20000\r\n");
    is_int(socket_writes, 1, "also where the body is not copied");
    dial_free(app);
}

/* ---- what comes after sse_finish ---- */

static char warnings[2000]; /* a line each */
static int  last_calls;

static void on_warning(int level, const char *line, void *user) {
    const size_t n = strlen(warnings);
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(warnings + n, sizeof warnings - n, "%s\n", line);
}

static void finish(sse_app *app, void *user) {
    (void)app;
    sse_finish((sse_req *)user);
    sse_puts(sse_out((sse_req *)user), "too late");
}

/* Its last call comes after sse_finish, as the handler did not wait for the body. */
static int reader(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk, (void)user;
    if (status == 1) return 0;
    last_calls++;
    sse_puts(sse_out(req), "too late");
    sse_set_status(req, 201);
    sse_body_read(req, reader, NULL);
    return 0;
}

static void finishes(sse_req *req, void *user) {
    const char *how = sse_query(req, "how");
    sse_buf    *out = sse_out(req);
    (void)user;
    if (strchr(how, 'r')) sse_body_read(req, reader, NULL);
    sse_defer(req);
    if (!strchr(how, 'e')) sse_puts(out, "whole");
    if (strchr(how, 't')) {
        sse_after(sse_req_app(req), 0, finish, req);
        return;
    }
    sse_finish(req);
    if (strchr(how, 'o')) sse_puts(sse_out(req), "too late");
    if (strchr(how, 'k')) sse_puts(out, "too late"); /* kept from before */
    if (strchr(how, 'f')) sse_buf_fail(out, SSE_E_NOMEM);
    if (strchr(how, 's')) sse_set_status(req, 201);
    if (strchr(how, 'x')) sse_fail(req, 400, "too late");
    if (strchr(how, 'q')) sse_set_header(req, "X", "a\nb");
}

static void finished(void) {
    static const char *const hows[] = {"", "o", "k", "f", "s", "x", "q", "r", "t", "okfsxr", "e",
        "eo", "ek", "ef", "eokfsxqr", "et", "nr", "ner"}; /* n: no body comes */
    sse_app_options          o;
    sse_route_options        later;
    sse_test_reply           r;
    sse_app                 *app;
    char                     what[64];
    size_t                   i;
    memset(&o, 0, sizeof o);
    memset(&later, 0, sizeof later);
    memset(&r, 0, sizeof r);
    o.on_log = on_warning;
    app = sse_app_new(&o);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/finish", finishes, NULL, &later);
    for (i = 0; i < SSE__COUNT(hows); i++) {
        const char *lines = warnings;
        int         n = 0, empty = strchr(hows[i], 'e') != NULL;
        warnings[0] = '\0';
        last_calls = 0;
        memset(app->refused, 0, sizeof app->refused); /* such things are said once a second */
        app->phase_warned_ms = 0;
        snprintf(what, sizeof what, "POST /finish?how=%s", hows[i]);
        sse_test_request(app, what, NULL, strchr(hows[i], 'n') ? "" : "a body", &r);
        ok(r.status == (empty ? 204 : 200) && strcmp(r.body, empty ? "" : "whole") == 0,
            "a reply that is finished stays as it was (%s): %d %s", hows[i], r.status, r.body);
        is_int(last_calls, strchr(hows[i], 'r') != NULL, "... and a reader has its last call");
        for (; (lines = strchr(lines, '\n')) != NULL; lines++) n++;
        ok(strpbrk(hows[i], "oksxqrt") ? n == 1 && strstr(warnings, "after sse_finish") : n == 0,
            "... what is late is refused in a line: %s", warnings);
    }
    sse_test_close(&r);
    sse_app_free(app);
}

/* Its body comes when another part of the program has finished it, in the same turn. */
static sse_req *waiting;
static char     taken[100];

static int take(sse_req *req, sse_str chunk, int status, void *user) {
    const size_t n = strlen(taken);
    (void)req, (void)user;
    snprintf(taken + n, sizeof taken - n, "%d:%.*s ", status, SSE_STR(chunk));
    return 0;
}

static void waits(sse_req *req, void *user) {
    (void)user;
    waiting = req;
    sse_body_read(req, take, NULL);
    sse_puts(sse_out(req), "early");
    sse_defer(req);
}

static void ends_it(sse_req *req, void *user) {
    (void)user;
    if (waiting) is_int(sse_finish(waiting), 0, "another request finishes it");
    sse_puts(sse_out(req), "ended");
}

static void finished_by_another(void) {
    static const char head[] = "POST /waits HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 10\r\n\r\nfirst",
                      ends[] = "GET /ends HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_route_options later;
    sse_app          *app = dial_app(NULL);
    client           *c, *other;
    char              want[40];
    int               i;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/waits", waits, NULL, &later);
    sse_get(app, "/ends", ends_it, NULL);
    other = dial(app, "/ends", "");
    c = send_from_new(app, head, strlen(head));
    for (i = 0; i < 30000 && !taken[0]; i++) turns(app, 1);
    send(other->fd, ends, strlen(ends), MSG_NOSIGNAL);
    send(c->fd, "later", 5, MSG_NOSIGNAL);
    for (i = 0; i < 30000 && !times(c, "early"); i++) turns(app, 1);
    is_int(times(other, "ended"), 2, "which is answered, too");
    ok(times(c, "HTTP/1.1 200 ") == 1 && times(c, "early") == 1, "... as it was then");
    snprintf(want, sizeof want, "1:first %d: ", SSE_E_CLOSED);
    is_str(taken, want, "... and what comes of its body is nobody's");
    dial_free(app);
}

int main(void) {
    sse_app *app = dial_app(NULL);
    sse_before(app, "/pointer", hook, NULL);
    sse_get(app, "/all", all, NULL);
    sse_post(app, "/all", all, NULL);
    sse_get(app, "/pointer", pointer, NULL);
    sse_delete(app, "/signals", signals, NULL);
    sse_get(app, "/signals", signals, NULL);
    sse_get(app, "/forget", forget, NULL);
    is_int(sse_patch(app, "/thing", signals, NULL), SSE_OK, "a route for PATCH");

    says(app,
        "GET /all?a=1&b=&a=2&c&a=%20x HTTP/1.1\r\nHost: localhost\r\nX-A: one\r\nx-a:  two \r\n"
        "Cookie: k=v; l=w\r\ncookie: m=n\r\n\r\n",
        "query:[a=1][b=][a=2][c=][a= x]\nform:\n"
        "headers:[Host=localhost][X-A=one][x-a=two][Cookie=k=v; l=w][cookie=m=n]\n"
        "cookies:[k=v][l=w][m=n]\n"
        "a0=1 a1=2 a2= x raw=a=1&b=&a=2&c&a=%20x no=1111");
    says(app,
        "POST /all HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n"
        "f=1&g=2&f=3&f=+",
        "query:\nform:[f=1][g=2][f=3][f= ]\n");
    says(app,
        "POST /all HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nf=1&f=2",
        "f0=1 f1=2 raw=(none)");
    says(app, "GET /all? HTTP/1.1\r\nHost: localhost\r\n\r\n", "raw= no=1111");

    says(app, "GET /pointer HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "me=5 text=text other=1 null=1 1");
    says(app, "GET /pointer?twice HTTP/1.1\r\nHost: localhost\r\n\r\n", "me=5 text=text");
    says(app, "GET /pointer?none HTTP/1.1\r\nHost: localhost\r\n\r\n", "me=-1 text=text");
    says(app, "GET /pointer?gone HTTP/1.1\r\nHost: localhost\r\n\r\n", "me=-1 text=text");

    says(app,
        "DELETE /signals?datastar=%7B%22text%22%3A%22q%22%7D HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "text=q");
    says(app,
        "DELETE /signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 15\r\n\r\n{\"text\":\"body\"}",
        "text=body");
    says(app,
        "DELETE /signals?datastar=%7B%22text%22%3A%22q%22%7D HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"text\":\"body\"}",
        "text=q");
    says(app, "DELETE /signals HTTP/1.1\r\nHost: localhost\r\n\r\n", "text=(none)");
    says(app,
        "GET /signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 15\r\n\r\n{\"text\":\"body\"}",
        "text=(none)");
    says(app,
        "PATCH /thing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 15\r\n\r\n{\"text\":\"body\"}",
        "text=body");
    says(app, "PUT /thing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        "Allow: PATCH");

    says(app, "GET /forget HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "Set-Cookie: a=; Path=/; SameSite=Lax; Max-Age=0; HttpOnly\r\n"
        "Set-Cookie: b=; Path=/deep; SameSite=Lax; Max-Age=0; HttpOnly\r\n");
    dial_free(app);
    rules();
    no_nul();
    kept_connections();
    half_closed();
    texts_stay();
    only_what_is_asked_for();
    all_of_a_name();
    any_order();
    too_many();
    file_passed_over();
    signals_in_memory();
    one_write();
#if defined(__linux__)
    peers_of_files();
#endif
    finished();
    finished_by_another();
    return tap_done();
}
