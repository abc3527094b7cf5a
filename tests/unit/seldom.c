/* seldom.c: what handlers seldom ask for, and what they ask for wrongly; what a test sends that is
   no request. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/stat.h>

static char said[2000], told[2000];

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level == SSE_LOG_INFO) snprintf(told, sizeof told, "%s", line);
}

static void say(const char *fmt, ...) {
    const size_t n = strlen(said);
    va_list      ap;
    va_start(ap, fmt);
    vsnprintf(said + n, sizeof said - n, fmt, ap);
    va_end(ap);
}

static int on_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)user;
    say("%d:%.*s ", status, SSE_STR(chunk));
    return 0;
}

static int on_part(sse_req *req, const sse_part *part, sse_str chunk, int status, void *user) {
    (void)req, (void)user;
    say("%s:%d:%.*s ", part ? part->name : "end", status, SSE_STR(chunk));
    return 0;
}

static void on_saved(sse_req *req, const sse_body_file *file, void *user) {
    (void)req, (void)file, (void)user;
}

#define IS(call, want) is_int(call, want, #call)

static void asks(sse_req *req, void *user) {
    const sse_str bytes = sse_query_bytes(req, "b"), broken = sse_query_bytes(req, "c");
    (void)user;
    ok(bytes.len == 2 && memcmp(bytes.ptr, "\0b", 2) == 0, "a query's bytes");
    ok(!broken.ptr && !sse_query_bytes(req, "absent").ptr, "... broken or absent: none");
    ok(!sse_param(req, NULL) && !sse_param(req, "absent"), "no parameter");
    is_str(sse_param(req, "id"), "7", "a parameter");
    ok(!sse_header_at(req, NULL, 0) && !sse_header_at(req, "x", -1) && !sse_header_at(req, "x", 2),
        "no field");
    is_str(sse_header_at(req, "x", 1), "2", "the second of a name");
    ok(sse_header_all(req) && sse_header_all(req) == sse_header_all(req), "all of them, once");
    ok(!sse_signal(req, NULL), "no signal without a path");
    ok(!sse_attr(req, NULL), "no attribute");
    IS(sse_set_attr(req, NULL, "x"), SSE_E_ARG);
    IS(sse_set_attr(req, "a", "1"), 0);
    IS(sse_set_attr(req, "a", "2"), 0);
    is_str(sse_attr(req, "a"), "2", "an attribute, set twice");
    IS(sse_set_attr(req, "a", NULL), 0);
    ok(!sse_attr(req, "a"), "... taken away");
    IS(sse_body_pause(req, true), SSE_E_STATE);
    IS(sse_body_read(req, on_chunk, NULL), SSE_E_STATE);
    IS(sse_set_status(req, 199), SSE_E_ARG);
    IS(sse_set_status(req, 600), SSE_E_ARG);
    IS(sse_send_file(req, NULL, NULL), SSE_E_ARG);
    IS(sse_redirect(req, NULL), SSE_E_ARG);
    IS(sse_fail(req, 399, "below"), SSE_E_ARG);
    IS(sse_fail(req, 404, "twice"), SSE_E_STATE);
}

static void above(sse_req *req, void *user) {
    (void)user;
    IS(sse_fail(req, 600, "above"), SSE_E_ARG);
}

static void signals(sse_req *req, void *user) {
    const char *a;
    (void)user;
    refuse("getrandom", user ? 1 : 0, ENOSYS);
    a = sse_signal(req, "a");
    refuse("", 0, 0);
    sse_printf(sse_out(req), "%s", a ? a : "none");
}

static void failed_by(sse_req *req, void *user) { /* what is set behind that is too late */
    (void)user;
    IS(sse_fail(req, 499, "why"), 0);
    IS(sse_set_status(req, 201), SSE_E_STATE);
    IS(sse_set_type(req, "text/html"), SSE_E_STATE);
    IS(sse_redirect(req, "/"), SSE_E_STATE);
}

static int peers;

static void peer(sse_req *req, void *user) { /* once without memory */
    const bool none = !peers++;
    (void)user;
    fail_at = none;
    while (none && sse__arena_get(&req->arena, 1)) {
    }
    fail_at = none;
    is_str(sse_peer(req), none ? "" : "127.0.0.1", "who asks");
    fail_at = 0;
    sse_puts(sse_out(req), sse_peer(req));
}

static void cookie(sse_req *req, void *user) {
    sse_cookie_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.domain = "";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.domain = "a b";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.domain = "a.example";
    o.same_site = "Often";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.same_site = "Strict";
    o.path = "/a;b";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.path = "/\x7f";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.path = "/a\tb";
    IS(sse_set_cookie(req, "a", "b", &o), SSE_E_ARG);
    o.path = "/a";
    o.script_readable = true;
    o.max_age_s = 60;
    IS(sse_set_cookie(req, "a", NULL, &o), SSE_E_FIELD);
    IS(sse_set_cookie(req, NULL, "b", &o), SSE_E_FIELD);
    IS(sse_set_cookie(req, "a", "b", &o), 0);
}

static void body(sse_req *req, void *user) {
    (void)user;
    IS(sse_body_parts(req, NULL, NULL), SSE_E_ARG);
    IS(sse_body_read(req, NULL, NULL), SSE_E_ARG);
    IS(sse_body_to_file(req, NULL, on_saved, NULL), SSE_E_ARG);
    IS(sse_body_to_file(req, "", on_saved, NULL), SSE_E_ARG);
    if (sse_query(req, "parts")) IS(sse_body_parts(req, on_part, NULL), 0);
    else IS(sse_body_read(req, on_chunk, NULL), 0);
    IS(sse_body_read(req, on_chunk, NULL), SSE_E_STATE);
    IS(sse_body_to_file(req, "/tmp/x", on_saved, NULL), SSE_E_STATE);
    ok(!sse_form(req, "a"), "no form where the body comes later");
}

static void download(sse_req *req, void *user) {
    IS(sse_send_file(req, (const char *)user, "a \"b\"; \xc3\xa9.txt"), 0);
    IS(sse_send_file(req, (const char *)user, NULL), SSE_E_STATE);
}

static void bearer(sse_req *req, void *user) {
    if (sse_auth_bearer(req, (const char *)user)) sse_puts(sse_out(req), "in");
}

static void basic(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_basic(req, "a \"b\" \\ c", "u", "p")) sse_puts(sse_out(req), "in");
}

static void basic_bare(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_basic(req, NULL, "u", NULL)) sse_puts(sse_out(req), "in");
}

static sse_app       *app_new(void);
static sse_test_reply r;

/* ---- streams ---- */

static sse_stream opened;

static void stream(sse_req *req, void *user) { /* ?wrong=n */
    static const sse_event event = {0};
    sse_stream_options     o;
    int                    want = SSE_E_ARG;
    (void)user;
    memset(&o, 0, sizeof o);
    switch ((int)sse_parse_int(sse_query(req, "wrong"), 0)) {
    case 1: o.status = 199; break;
    case 2: o.status = 600; break;
    case 3: o.status = 204; break;
    case 4: o.type = "a\nb", want = SSE_E_FIELD; break;
    case 5: o.type = "text/csv", o.first = &event; break;
    case 6: o.type = "text/csv", o.last = &event; break;
    case 7: o.type = "text/csv", o.retry_ms = 1; break;
    case 8: o.type = "text/csv"; break;
    case 9: o.status = 201, o.retry_ms = 1, o.retry_spread_ms = 5; break;
    default: break;
    }
    opened = sse_stream_open(req, &o);
    if (sse_parse_int(sse_query(req, "wrong"), 0) < 8) {
        const char *why = "";
        ok(!opened.app, "no stream: %s", sse_query(req, "wrong"));
        is_int(sse_app_error(sse_req_app(req), &why), want, why);
    } else ok(opened.app != NULL, "a stream");
}

static void wrong_streams(void) {
    char i, text[40];
    for (i = 1; i < 8; i++) {
        sse_app_options o;
        sse_app        *app;
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        app = sse_app_new(&o);
        sse_get(app, "/s", stream, NULL);
        snprintf(text, sizeof text, "GET /s?wrong=%d", i);
        is_int(sse_test_request(app, text, NULL, NULL, &r), 0, text);
        is_int(r.status, 500, "... is a mistake of the program");
        sse_app_free(app);
        sse_test_close(&r);
    }
}

static void uses(void) {
    sse_test_reply raw;
    sse_event      event;
    sse_app       *app = app_new();
    sse_stream     s;
    memset(&event, 0, sizeof event);
    memset(&raw, 0, sizeof raw);
    sse_get(app, "/s", stream, NULL);
    is_int(sse_test_request(app, "GET /s?wrong=9", NULL, NULL, &r), 0, "a stream");
    is_int(r.status, 201, "... with a status of its own");
    ok(strncmp(r.body, "retry: ", 7) == 0 && r.body[7] >= '1' && r.body[7] <= '6',
        "... comes back after 1 to 5 ms: %s", r.body);
    s = opened;
    IS(sse_stream_set_meta(s, NULL, "x"), SSE_E_ARG);
    IS(sse_stream_set_meta(s, "a", "1"), 0);
    IS(sse_stream_set_meta(s, "b", "2"), 0);
    IS(sse_stream_set_meta(s, "a", "3"), 0);
    is_str(sse_stream_meta(s, "a"), "3", "what is noted of a stream");
    IS(sse_stream_set_meta(s, "a", NULL), 0);
    IS(sse_stream_set_meta(s, "a", NULL), 0);
    ok(!sse_stream_meta(s, "a") && !sse_stream_meta(s, NULL), "... and taken away");
    is_str(sse_stream_meta(s, "b"), "2", "... the other stays");
    ok(!sse_stream_find(app, "absent").app && !sse_stream_find(app, NULL).app, "no such stream");
    refuse("getrandom", 1, ENOSYS);
    ok(sse_stream_id(s) != NULL, "a name, from a device where the call is refused");
    is_int(sse_stream_find(app, sse_stream_id(s)).app == app, 1, "... by which it is found");
    is_int(sse_test_request(app, "GET /s?wrong=8", NULL, NULL, &raw), 0, "a raw stream");
    IS(sse_stream_write(opened, NULL, 1), SSE_E_ARG);
    IS(sse_stream_write(opened, NULL, 0), 0);
    IS(sse_stream_write(opened, "a,b\n", 4), 0);
    sse_test_run(app, 0);
    is_str(raw.body, "a,b\n", "what was written");
    event.data = "x";
    IS(sse_stream_reconnect(opened, &event), SSE_E_STATE);
    sse_test_run(app, 0);
    ok(!raw.open && !raw.complete, "it is over, without an event: its client comes back");
    is_str(raw.body, "a,b\n", "... which none can be");
    sse_test_close(&raw);
    sse_test_close(&r);
    IS(sse_stream_set_meta(s, "a", "1"), SSE_E_CLOSED);
    sse_app_free(app);
}

/* What a client sends stands in the access log without what ends a field of it or a line. */
static void access_log(void) {
    sse_serve_options o;
    sse_app          *app = app_new();
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    o.access_log = true;
    is_int(sse_listen(app, &o), 0, "an app with an access log");
    is_int(sse_test_request(app, "GET /a\"b?c\\d", NULL, NULL, &r), 0, "a request");
    is_int(r.status, 404, "... for nothing");
    ok(strstr(told, "] \"GET /a\\\"b?c\\\\d HTTP/1.1\" 404 ") != NULL, "%s", told);
    sse_app_free(app);
    sse_test_close(&r);
}

static void on_line(sse_app *app, const char *line, void *user) {
    (void)app, (void)line, (void)user;
}
static void on_app(sse_app *app, void *user) { (void)app, (void)user; }

static void setting_up(void) {
    sse_app *app = app_new();
    IS(sse_watch(app, 0, SSE_READ, NULL, NULL), SSE_E_ARG);
    IS(sse_watch_lines(app, 0, NULL, NULL), SSE_E_ARG);
    IS(sse_watch_lines(app, -1, on_line, NULL), SSE_E_ARG);
    ok(!sse_every(app, 0, on_app, NULL).app && !sse_every(app, -1, on_app, NULL).app, "no timer");
    ok(!sse_after(app, -1, on_app, NULL).app && !sse_after(app, 1, NULL, NULL).app, "... either");
    IS(sse_log_topic(app, NULL), SSE_E_ARG);
    IS(sse_log_topic(app, ""), SSE_E_ARG);
    fail_at = 1;
    IS(sse_log_topic(app, "log"), SSE_E_NOMEM);
    fail_at = 0;
    IS(sse_monitor(app, NULL, NULL, NULL), SSE_E_ARG);
    IS(sse_monitor(app, "x", NULL, NULL), SSE_E_ARG);
    IS(sse_monitor(app, "/x/", NULL, NULL), SSE_E_ARG);
    IS(sse_monitor(app, "/{x}", NULL, NULL), SSE_E_ARG);
    sse_app_free(app);
}

static sse_app *app_new(void) {
    sse_app_options   o;
    sse_route_options later, binary;
    sse_app          *app;
    memset(&o, 0, sizeof o);
    memset(&later, 0, sizeof later);
    memset(&binary, 0, sizeof binary);
    o.on_log = on_log;
    app = sse_app_new(&o);
    binary.binary_query = true;
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/asks/{id}", asks, NULL, &binary);
    sse_get(app, "/above", above, NULL);
    sse_get(app, "/failed", failed_by, NULL);
    sse_get(app, "/peer", peer, NULL);
    sse_get(app, "/signals", signals, NULL);
    sse_get(app, "/signals-unkeyed", signals, (void *)app);
    sse_post(app, "/signals", signals, NULL);
    sse_get(app, "/cookie", cookie, NULL);
    sse_route(app, "/body", body, NULL, &later);
    sse_get(app, "/bearer", bearer, (void *)"secret");
    sse_get(app, "/bearer-none", bearer, (void *)"");
    sse_get(app, "/basic", basic, NULL);
    sse_get(app, "/basic-bare", basic_bare, NULL);
    return app;
}

static void ask(sse_app *app, const char *request, const char *headers, const char *text,
    int status, const char *want) {
    is_int(sse_test_request(app, request, headers, text, &r), 0, request);
    is_int(r.status, status, headers ? headers : "... its status");
    if (want) is_str(r.body, want, "... its body");
}

static void requests(void) {
    sse_app *app = app_new();
    ask(app, "GET /asks/7?b=%00b&c=%zz", "X: 1\nX: 2\n", NULL, 500, NULL);
    ask(app, "GET /above", NULL, NULL, 500, NULL);
    ask(app, "GET /failed", NULL, NULL, 499, "why\n");
    is_str(sse_test_header(&r, "Content-Type"), "text/plain; charset=utf-8", "... and its type");
    ask(app, "GET /peer", NULL, NULL, 500, NULL);
    ask(app, "GET /peer", NULL, NULL, 200, "127.0.0.1");
    ask(app, "GET /signals?datastar=%7B%22a%22:1%7D", NULL, NULL, 200, "1");
    ask(app, "GET /signals-unkeyed?datastar=%7B%22a%22:1%7D", NULL, NULL, 200, "1");
    ask(app, "GET /signals?datastar=%7B%22datastar%22:%7B%22a%22:2%7D%7D", NULL, NULL, 200, "2");
    ask(app, "GET /signals?datastar=%7B%22datastar%22:3,%22a%22:4%7D", NULL, NULL, 200, "4");
    ask(app, "GET /signals?datastar=%7B%22a%22:%22%5Cu0000%22%7D", NULL, NULL, 400, NULL);
    ask(app, "GET /signals", NULL, NULL, 200, "none");
    ask(app, "POST /signals", "Content-Type: application/json\n", "{\"a\":{\"b\":5}}", 200,
        "{\"b\":5}");
    ask(app, "GET /cookie", NULL, NULL, 500, NULL);
    said[0] = '\0';
    ask(app, "POST /body", "Content-Type: text/plain\n", "hello", 500, NULL);
    is_str(said, "1:hello 0: ", "a body as it comes");
    said[0] = '\0';
    ask(app, "POST /body?parts=1", "Content-Type: multipart/form-data; boundary=b\n",
        "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\ntext\r\n--b--\r\n", 500, NULL);
    is_str(said, "n:1:text n:0: end:0: ", "its parts as they come");
    ask(app, "GET /bearer", NULL, NULL, 401, NULL);
    is_str(sse_test_header(&r, "www-authenticate"), "Bearer", "a token is asked for");
    ask(app, "GET /bearer", "Authorization: Bearer wrong\n", NULL, 401, NULL);
    is_str(sse_test_header(&r, "WWW-Authenticate"), "Bearer error=\"invalid_token\"", "another");
    ask(app, "GET /bearer", "Authorization: Bearer secret\n", NULL, 200, "in");
    ask(app, "GET /bearer-none", "Authorization: Bearer\n", NULL, 401, NULL);
    ask(app, "GET /bearer-none", "Authorization: Bearer \n", NULL, 401, NULL);
    ask(app, "GET /basic", NULL, NULL, 401, NULL);
    is_str(sse_test_header(&r, "WWW-Authenticate"),
        "Basic realm=\"a \\\"b\\\" \\\\ c\", charset=\"UTF-8\"", "a realm that needs escapes");
    ask(app, "GET /basic", "Authorization: Basic dTpw\n", NULL, 200, "in");
    ask(app, "GET /basic", "Authorization: Basic dTpx\n", NULL, 401, NULL);
    ask(app, "GET /basic", "Authorization: Basic ?\n", NULL, 401, NULL);
    ask(app, "GET /basic-bare", "Authorization: Basic dTpw\n", NULL, 401, NULL);
    is_str(sse_test_header(&r, "WWW-Authenticate"), "Basic realm=\"private\", charset=\"UTF-8\"",
        "no realm");
    is_int(sse_test_close(&r), 0, "closed");
    ok(!sse_test_header(&r, "x") && !sse_test_header(NULL, "x"), "no reply has no field");
    sse_app_free(app);
}

/* What a file is saved as, when it was changed, and what of it is asked for. */
static void files(void) {
    char        path[] = "/tmp/sse-seldom-XXXXXX";
    const int   fd = mkstemp(path);
    sse_app    *app = app_new();
    const char *modified;
    char        field[200];
    struct stat st;
    struct tm   tm;
    time_t      t;
    ok(fd >= 0 && write(fd, "0123456789", 10) == 10 && fstat(fd, &st) == 0, "a file");
    sse_get(app, "/file", download, path);
    ask(app, "GET /file", NULL, NULL, 200, "0123456789");
    is_str(sse_test_header(&r, "Content-Disposition"),
        "attachment; filename=\"a _b__ __.txt\"; filename*=UTF-8''a%20%22b%22%3B%20%C3%A9.txt",
        "the name under which it is saved");
    ok(strstr(sse_test_header(&r, "Content-Type"), "text/plain") != NULL, "its type is by that");
    modified = sse_test_header(&r, "Last-Modified");
    snprintf(field, sizeof field, "If-Modified-Since: %s\n", modified);
    ask(app, "GET /file", field, NULL, 304, "");
    t = st.st_mtime - 10;
    gmtime_r(&t, &tm);
    strftime(field, sizeof field, "If-Unmodified-Since: %a, %d %b %Y %H:%M:%S GMT\n", &tm);
    ask(app, "GET /file", field, NULL, 412, NULL);
    strftime(field, sizeof field, "If-Modified-Since: %a, %d %b %Y %H:%M:%S GMT\n", &tm);
    ask(app, "GET /file", field, NULL, 200, "0123456789");
    strftime(field, sizeof field, "Range: bytes=2-4\nIf-Range: %a, %d %b %Y %H:%M:%S GMT\n", &tm);
    ask(app, "GET /file", field, NULL, 200, "0123456789");
    t = st.st_mtime;
    gmtime_r(&t, &tm);
    strftime(field, sizeof field, "Range: bytes=2-4\nIf-Range: %a, %d %b %Y %H:%M:%S GMT\n", &tm);
    ask(app, "GET /file", field, NULL, 206, "234");
    ask(app, "GET /file", "Range: bytes=2-4\nIf-Range: \"another\"\n", NULL, 200, "0123456789");
    ask(app, "GET /file", "Range: bytes=20-\n", NULL, 416, NULL);
    is_str(sse_test_header(&r, "Content-Range"), "bytes */10", "how long it is");
    ask(app, "HEAD /file", "Range: bytes=2-4\n", NULL, 200, "");
    ask(app, "GET /file", "If-Modified-Since: yesterday\n", NULL, 200, "0123456789");
    close(fd);
    unlink(path);
    sse_app_free(app);
    sse_test_close(&r);
}

static void no_requests(void) {
    static const struct {
        const char *request, *headers;
    } rows[] = {{"GET", NULL}, {"GET ", NULL}, {" /", NULL}, {"G@T /", NULL}, {"GET /a b", NULL},
        {"GET /\x7f", NULL}, {"GET /\x1f", NULL}, {"GET /", "no field\n"}, {"GET /", "a b: c\n"},
        {"GET /", "A: b\x01\n"}, {"GET /", ": b\n"}};
    const int before = descriptors();
    sse_app  *app = app_new();
    size_t    i;
    long      n;
    int       error = -1, open;
    for (i = 0; i < SSE__COUNT(rows); i++)
        is_int(sse_test_request(app, rows[i].request, rows[i].headers, NULL, &r), SSE_E_ARG,
            rows[i].headers ? rows[i].headers : rows[i].request);
    is_int(sse_test_request(app, "GET /", NULL, NULL, NULL), SSE_E_ARG, "no reply");
    is_int(sse_test_request(app, NULL, NULL, NULL, &r), SSE_E_ARG, "no request");
    is_int(sse_test_close(NULL), SSE_E_ARG, "nothing to close");
    open = descriptors();
    refuse("socketpair(", 1, EMFILE);
    is_int(sse_test_request(app, "GET /above", NULL, NULL, &r), SSE_E_IO, "without a socket");
    for (i = 1; i < 3; i++) {
        refuse("fcntl(fd, F_GETFL", (int)i, EIO);
        is_int(sse_test_request(app, "GET /above", NULL, NULL, &r), SSE_E_IO, "without its flags");
        is_int(descriptors(), open, "... no descriptor is left");
    }
    refuse("recv(t->fd", 1, EINTR);
    ask(app, "GET /signals", NULL, NULL, 200, "none");
    refuse("send(t->fd", 1, EINTR);
    ask(app, "GET /signals", NULL, NULL, 200, "none");
    sse_test_close(&r);
    for (n = 1; error && n < 200; n++) {
        fail_at = n;
        error = sse_test_request(app, "GET /signals", NULL, NULL, &r);
        if (!error && r.status != 200) error = -1; /* a refusal of the app's */
        fail_at = 0;
        sse_test_close(&r);
    }
    ok(!error && n > 4, "%ld allocations fail", n - 2);
    sse_app_free(app);
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

static void typed(sse_req *req, void *user) {
    (void)user;
    IS(sse_set_type(req, "text/x-own"), 0);
}

static void typed_file(sse_req *req, void *user) {
    IS(sse_set_type(req, "text/x-own"), 0);
    IS(sse_send_file(req, (const char *)user, NULL), 0);
}

static void directories(void) {
    char               dir[] = "/tmp/sse-seldom-XXXXXX", file[100];
    sse_static_options o;
    sse_app           *app = app_new();
    FILE              *f;
    memset(&o, 0, sizeof o);
    o.no_index = true;
    if (!mkdtemp(dir)) return;
    snprintf(file, sizeof file, "%s/index.html", dir);
    f = fopen(file, "w");
    ok(f && fputs("index", f) >= 0 && fclose(f) == 0, "a file");
    is_int(sse_static(app, "/d", dir, NULL), 0, "its directory");
    is_int(sse_static(app, "/bare", dir, &o), 0, "without an index");
    is_int(sse_before(app, "/d/index.html", typed, NULL), 0, "a hook that says its type");
    sse_get(app, "/typed", typed_file, file);
    ask(app, "GET /d/", NULL, NULL, 200, "index");
    ask(app, "GET /bare/", NULL, NULL, 404, NULL);
    ask(app, "GET /bare", NULL, NULL, 404, NULL);
    ask(app, "GET /bare/index.html", NULL, NULL, 200, "index");
    ask(app, "OPTIONS /d/index.html", NULL, NULL, 204, "");
    ask(app, "GET /d/index.html", NULL, NULL, 200, "index");
    is_str(sse_test_header(&r, "Content-Type"), "text/x-own", "what a hook said stays");
    ask(app, "GET /typed", NULL, NULL, 200, "index");
    is_str(sse_test_header(&r, "Content-Type"), "text/x-own", "... and what a handler said");
    sse_test_close(&r);
    sse_app_free(app);
    ok(unlink(file) == 0 && rmdir(dir) == 0, "the directory goes");
}

static void origins(void) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.cors_origins = "https://a.example";
    o.cors_credentials = true;
    app = sse_app_new(&o);
    sse_get(app, "/above", above, NULL);
    ask(app, "OPTIONS /above",
        "Origin: https://a.example\nAccess-Control-Request-Method: GET\n"
        "Access-Control-Request-Headers: x-a\n",
        NULL, 204, "");
    is_str(sse_test_header(&r, "Access-Control-Allow-Origin"), "https://a.example", "who may");
    is_str(sse_test_header(&r, "Access-Control-Allow-Credentials"), "true", "... with cookies");
    is_str(sse_test_header(&r, "Access-Control-Allow-Methods"), "GET", "... by this method");
    is_str(sse_test_header(&r, "Access-Control-Allow-Headers"), "x-a", "... with this field");
    ask(app, "OPTIONS /above", "Origin: https://a.example\nAccess-Control-Request-Method: GET\n",
        NULL, 204, "");
    ok(!sse_test_header(&r, "Access-Control-Allow-Headers"), "no field is asked for");
    ask(app, "OPTIONS /above", "Origin: https://a.example\n", NULL, 204, NULL);
    ok(!sse_test_header(&r, "Access-Control-Allow-Methods"), "nor a method");
    ask(app, "GET /above", "Origin: https://a.example\nAccess-Control-Request-Method: GET\n", NULL,
        500, NULL);
    is_str(sse_test_header(&r, "Access-Control-Allow-Origin"), "https://a.example", "a read");
    ask(app, "GET /above", "Origin: https://b.example\n", NULL, 500, NULL);
    ok(!sse_test_header(&r, "Access-Control-Allow-Origin"), "another origin may not");
    sse_test_close(&r);
    sse_app_free(app);
}

int main(void) {
    requests();
    files();
    no_requests();
    wrong_streams();
    uses();
    access_log();
    setting_up();
    directories();
    origins();
    return tap_done();
}
