/* seldom.c: what handlers seldom ask for, and what they ask for wrongly; what a test sends that is
   no request. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/stat.h>

static char said[2000], told[2000], warned[600]; /* told, warned: the latest line of the log */

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level == SSE_LOG_INFO) snprintf(told, sizeof told, "%s", line);
    else if (level <= SSE_LOG_WARNING) snprintf(warned, sizeof warned, "%s", line);
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
    ok(sse_query_bytes(req, "d").len == 2 && sse_query_bytes(req, "d").ptr[0] == ' ',
        "... a plus is a space");
    ok(sse_query_bytes(req, "e").len == 1 && sse_query_bytes(req, "e").ptr[0] == '3',
        "... one that is broken is passed over");
    is_str(sse_query(req, "e"), "3", "... as where it is read as text");
    ok(!sse_query_bytes(req, "").ptr, "... a name that is broken is none, and not the empty one");
    ok(sse_query_at(req, "d", 0) && !sse_query(req, "") && !sse_query(req, "%zz"),
        "likewise where a query is read as texts");
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
    refuse("", user ? -1 : 0, ENOSYS); /* no random bytes, so no index of them */
    a = sse_signal(req, "a");
    refuse("", 0, 0);
    IS(sse_set_header(req, "X-A", a ? a : "none"), 0);
    sse_printf(sse_out(req), "%s", a ? a : "none");
}

static void failed_by(sse_req *req, void *user) { /* what is set behind that is too late */
    sse_buf *before = sse_out(req);
    (void)user;
    IS(sse_fail(req, 499, "why"), 0);
    sse_puts(before, "more");
    sse_puts(sse_out(req), "still more");
    IS(sse_set_status(req, 201), SSE_E_STATE);
    IS(sse_set_type(req, "text/html"), SSE_E_STATE);
    IS(sse_redirect(req, "/"), SSE_E_STATE);
}

static void redirects(sse_req *req, void *user) {
    (void)user;
    IS(sse_redirect(req, "http://a b"), SSE_E_FIELD);
    IS(sse_redirect(req, "/first"), 0);
    IS(sse_redirect(req, "/second"), SSE_E_STATE);
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
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    IS(sse_body_read(req, NULL, NULL), SSE_E_ARG);
    is_str(warned, "sse_body_read: fn is NULL (/body)", "... in the log");
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    IS(sse_body_to_file(req, NULL, on_saved, NULL), SSE_E_ARG);
    is_str(warned, "sse_body_to_file: there is no path (/body)", "... in the log");
    IS(sse_body_to_file(req, "", on_saved, NULL), SSE_E_ARG);
    if (sse_query(req, "parts")) IS(sse_body_parts(req, on_part, NULL), 0);
    else IS(sse_body_read(req, on_chunk, NULL), 0);
    warned[0] = '\0';
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    IS(sse_body_read(req, on_chunk, NULL), SSE_E_STATE);
    is_str(warned, "sse_body_read: its body has a reader (/body)", "... in the log");
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    IS(sse_body_to_file(req, "/tmp/x", on_saved, NULL), SSE_E_STATE);
    is_str(warned, "sse_body_to_file: its body has a reader (/body)", "... likewise");
    ok(!sse_form(req, "a"), "no form where the body comes later");
}

static void download(sse_req *req, void *user) {
    sse_puts(sse_out(req), "a text in front");
    IS(sse_send_file(req, (const char *)user, "a \"b\"; \xc3\xa9.txt"), 0);
    is_int(fcntl(req->file->block->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "no child inherits it");
    IS(sse_send_file(req, (const char *)user, NULL), SSE_E_STATE);
}

static void no_file(sse_req *req, void *user) {
    (void)user;
    IS(sse_send_file(req, NULL, NULL), SSE_E_ARG);
}

static void no_plain_file(sse_req *req, void *user) { /* a directory, and a device */
    IS(sse_send_file(req, (const char *)user, NULL), SSE_E_IO);
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

static void basic_nobody(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_basic(req, "none", NULL, "p")) sse_puts(sse_out(req), "in");
}

static void basic_broken(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "page: ");
    if (sse_auth_basic(req, "a\nb", "u", "p")) sse_puts(sse_out(req), "in");
}

static void basic_late(sse_req *req, void *user) { /* the reply is settled by then */
    (void)user;
    IS(sse_defer(req), 0);
    sse_puts(sse_out(req), "settled");
    IS(sse_finish(req), 0);
    ok(!sse_auth_basic(req, NULL, "u", "p"), "who is asked for after sse_finish");
}

static sse_app       *app_new(void);
static sse_test_reply r;

static void ask(sse_app *app, const char *request, const char *headers, const char *text,
    int status, const char *want) {
    is_int(sse_test_request(app, request, headers, text, &r), 0, request);
    is_int(r.status, status, headers ? headers : "... its status");
    if (want) is_str(r.body, want, "... its body");
}

/* ---- calls without memory ---- */

enum { BASIC, UNSIGN, SEND_FILE, TO_FILE, CALLS };

static const char *const calls[] = {"sse_auth_basic", "sse_req_unsign", "sse_send_file",
    "sse_body_to_file"};
static char              kept[] = "/tmp/sse-seldom-kept-XXXXXX";
static bool              filled; /* what the request has of memory is in use */
static int               dones;  /* of sse_body_to_file */

static void on_kept(sse_req *req, const sse_body_file *file, void *user) {
    (void)user;
    dones++;
    sse_printf(sse_out(req), "%s", file->error ? "not kept" : "done");
}

static void scarcely(sse_req *req, void *user) { /* the allocation that fails is *user */
    const int             call = (int)sse_parse_int(sse_query(req, "call"), 0);
    const char           *text = sse_req_sign(req, "v"), *back = NULL;
    char                  far[3000]; /* the same file */
    bool                  done = false;
    int                   error = -1;
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    o.topic = "kept";
    memset(far, '/', sizeof far);
    snprintf(far + sizeof far - sizeof kept, sizeof kept, "%s", kept);
    if (filled && req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = *(long *)user;
    if (call == BASIC) done = sse_auth_basic(req, NULL, "u", "p");
    if (call == UNSIGN) done = (back = sse_req_unsign(req, text, 0)) != NULL;
    if (call == SEND_FILE) error = sse_send_file(req, kept, "name");
    if (call == TO_FILE) error = sse_body_to_file(req, far, on_kept, &o);
    *(long *)user = fail_at;
    fail_at = 0;
    if (error != -1) is_int(error, *(long *)user ? 0 : SSE_E_NOMEM, calls[call]);
    if (call == UNSIGN && back) ok(strcmp(back, "v") == 0, "what was signed");
    if (done) sse_puts(sse_out(req), "done");
}

/* With one allocation less the answer is 500, and nothing else: no 401 to who knows the password,
   no half of a file. */
static void without_memory(void) {
    const int   fd = mkstemp(kept);
    char        request[60];
    struct stat st;
    int         call;
    ok(fd >= 0 && write(fd, "done", 4) == 4, "a file");
    for (call = 0; call < 2 * CALLS; call++) {
        sse_route_options later;
        sse_app          *app = app_new();
        long              n, at, open;
        bool              whole = false;
        memset(&later, 0, sizeof later);
        later.method = "POST";
        later.body_later = true;
        filled = call >= CALLS;
        sse_route(app, "/scarcely", scarcely, &at, &later);
        snprintf(request, sizeof request, "POST /scarcely?call=%d", call % CALLS);
        for (n = 1; n < 100 && !whole; n++) {
            open = descriptors();
            at = n;
            dones = 0;
            is_int(sse_test_request(app, request, "Authorization: Basic dTpw\n", "done", &r), 0,
                calls[call % CALLS]);
            whole = at > 0; /* it was not that many */
            ok(whole ? r.status == 200 && strcmp(r.body, "done") == 0
                     : r.status == 500 && !sse_test_header(&r, "WWW-Authenticate"),
                "... without allocation %ld: %d", n, r.status);
            ok(stat(kept, &st) == 0 && st.st_size == 4, "... the file is whole");
            is_int(dones, whole && call % CALLS == TO_FILE, "... a file that comes is told of");
            sse_test_close(&r);
            is_int(descriptors(), open, "... no descriptor is left");
        }
        ok(whole && n > 2, "%s fails %ld times%s", calls[call % CALLS], n - 2,
            filled ? ", where a request is large" : "");
        sse_app_free(app);
    }
    close(fd);
    unlink(kept);
}

/* A file is sent only if nothing failed that chose it. */
static void chosen(sse_req *req, void *user) { /* ?lacks=sse_fmt&out=-7 */
    const int error = (int)sse_parse_int(sse_query(req, "out"), 0);
    (void)user;
    fail_at = sse_query(req, "lacks") != NULL;
    (void)sse_fmt(req, "x");
    fail_at = 0;
    IS(sse_send_file(req, kept, NULL), 0);
    if (error) sse_buf_fail(sse_out(req), error);
}

static void files_after_failures(void) {
    static const char *const rows[] = {"", "?lacks=1", "", "?out=-7", ""};
    char                     request[40];
    size_t                   i;
    sse_app                 *app = app_new();
    FILE                    *f = fopen(kept, "w");
    ok(f && fputs("done", f) >= 0 && fclose(f) == 0, "a file");
    sse_get(app, "/chosen", chosen, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(request, sizeof request, "GET /chosen%s", rows[i]);
        ask(app, request, NULL, NULL, rows[i][0] ? 500 : 200, rows[i][0] ? NULL : "done");
    }
    sse_test_close(&r);
    sse_app_free(app);
    unlink(kept);
}

/* A guard that lacked memory has let nobody in. */
static void lacking_guard(sse_req *req, void *user) { /* ?lacks=sse_set_attr */
    (void)user;
    if (sse_query(req, "opens")) (void)sse_stream_open(req, NULL);
    if (req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = sse_query(req, "lacks") != NULL;
    (void)sse_set_attr(req, "user", "ann");
    fail_at = 0;
}

static void let_in(sse_req *req, void *user) {
    ++*(int *)user;
    sse_puts(sse_out(req), "in");
}

static void seen(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    ++*(int *)user;
    sse_puts(html, "<p id=x>in");
}

static void guards_without_memory(void) {
    static const struct {
        const char *request;
        int         status;
        bool        in;
    } rows[] = {
        {"GET /handler", 200, true},
        {"GET /handler?lacks=1", 500, false},
        {"GET /view", 200, true},
        {"GET /view?lacks=1", 500, false},
        {"GET /view?opens=1", 200, true},
        {"GET /view?opens=1&lacks=1", 200, false},
    };
    sse_route_options o;
    sse_live_options  live;
    sse_app          *app = app_new();
    int               in;
    size_t            i;
    memset(&o, 0, sizeof o);
    memset(&live, 0, sizeof live);
    o.guard = live.guard = lacking_guard;
    live.user = &in;
    sse_route(app, "/handler", let_in, &in, &o);
    sse_live(app, "/view", seen, &live);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        in = 0;
        ask(app, rows[i].request, NULL, NULL, rows[i].status, NULL);
        is_int(in, rows[i].in, "... who is let in");
        ok(rows[i].in || !r.open, "... or goes");
        sse_test_close(&r);
    }
    sse_app_free(app);
}

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

static int ends; /* calls of on_close */

static void on_end(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    ends += reason == SSE_BY_ERROR ? 1 : 100;
}

static void opens_scarcely(sse_req *req, void *user) { /* the allocation that fails is *user */
    sse_stream_options o;
    sse_event          event;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    event.data = "whole";
    o.label = "label";
    o.who = "ann";
    o.first = o.last = &event;
    o.on_close = on_end;
    fail_at = *(long *)user;
    (void)sse_set_header(req, "X-Long", "a field that a client is to have, or no stream at all");
    opened = sse_stream_open(req, &o);
    *(long *)user = fail_at;
    fail_at = 0;
}

/* A stream that memory lacks for ends as one that was opened: on_close is called, once. */
static void opens_without_memory(void) {
    long      n, at = 0;
    long long lacked = 0;
    sse_stats stats;
    sse_app  *app = app_new();
    sse_get(app, "/opens", opens_scarcely, &at);
    for (n = 1; n < 60 && !at; n++) {
        at = n;
        ends = 0;
        is_int(sse_test_request(app, "GET /opens", "Accept-Encoding: gzip\n", NULL, &r), 0,
            "a stream, without an allocation");
        ok(!r.open || sse_test_header(&r, "X-Long"), "... has its whole head, or is none");
        ok(r.open ? !ends : ends == 1, "... allocation %ld: on_close says %d", n, ends);
        sse_stats_get(app, &stats);
        is_int((long long)stats.no_memory - lacked, !r.open, "... counted, once");
        lacked = (long long)stats.no_memory;
        is_int(stats.streams, r.open, "... what could not be opened leaves nothing");
        sse_test_close(&r);
    }
    ok(at && n > 8, "... failed %ld times", n - 2);
    is_int(app->streams->labels.count + app->streams->people.count, 0, "... no name stays");
    sse_app_free(app);
}

/* An event that memory lacks for would be missing: the stream closes, and its client comes back. */
static void sends_scarcely(sse_req *req, void *user) { /* the allocation that fails is *user */
    const int call = (int)sse_parse_int(sse_query(req, "call"), 0);
    sse_event event;
    int       error = 0;
    memset(&event, 0, sizeof event);
    event.data = "whole";
    opened = sse_stream_open(req, NULL);
    fail_at = *(long *)user;
    if (call == 0) error = sse_stream_send(opened, &event);
    if (call == 1) error = sse_stream_write(opened, "data: whole\n\n", 13);
    if (call == 2) error = sse_stream_send_json(opened, NULL, "whole");
    *(long *)user = fail_at;
    fail_at = 0;
    is_int(error, *(long *)user ? 0 : SSE_E_NOMEM, "... without an allocation");
    is_int(sse_stream_is_open(opened), !error, "... is open only if all was queued");
    if (call == 2 && error) IS(sse_stream_send_json(opened, NULL, "x"), SSE_E_CLOSED);
}

static void sends_without_memory(void) {
    long        at, n, cut = 0;
    int         call;
    char        request[40];
    const char *noted;
    sse_stats   stats;
    sse_app    *app = app_new();
    sse_get(app, "/scarcely", sends_scarcely, &at);
    IS(sse_monitor(app, "/m", NULL, NULL), 0);
    for (call = 0; call < 3; call++) {
        snprintf(request, sizeof request, "GET /scarcely?call=%d", call);
        for (n = 1, at = 0; n < 20 && !at; n++) {
            at = n;
            is_int(sse_test_request(app, request, NULL, NULL, &r), 0, request);
            is_int(r.open, at > 0, "... and so is its reply");
            cut += !at;
            if (at) is_str(r.body, "data: whole\n\n", "... with all of it");
            sse_test_close(&r);
        }
        ok(at && n > 3, "... failed %ld times", n - 2);
    }
    sse_stats_get(app, &stats);
    is_int(stats.closed[SSE_BY_ERROR], cut, "each that was cut is counted");
    is_int(stats.no_memory, cut, "... as is that there was no memory, once");
    ask(app, "GET /m/metrics.json", NULL, NULL, 200, NULL);
    for (at = 0, noted = r.body; (noted = strstr(noted, "\"reason\":\"error\"")) != NULL; noted++)
        at++;
    is_int(at, cut, "... and the monitor shows it");
    sse_test_close(&r);
    sse_app_free(app);
}

/* Who came back by ?lastEventId= is not taken for a newcomer, whom nothing is missing. */
static void comes_back(sse_req *req, void *user) { /* the allocation that fails is *user */
    opened = sse_stream_open(req, NULL);
    IS(sse_subscribe(opened, "kept"), 0);
    if (req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = *(long *)user;
}

static bool note_id(const sse_event *event, void *user) {
    snprintf((char *)user, 60, "%s", event->id);
    return false;
}

static void resumes_without_memory(void) {
    sse_topic_options o;
    sse_event         event;
    sse_app          *app = app_new();
    char              id[60] = "", request[100];
    long              at, n;
    bool              failed = true;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    o.history = 10;
    IS(sse_topic(app, "kept", &o), 0);
    sse_get(app, "/back", comes_back, &at);
    event.data = "seen";
    IS(sse_publish(app, "kept", &event), 0);
    event.data = "missed";
    IS(sse_publish(app, "kept", &event), 0);
    IS(sse_topic_history(app, "kept", 0, note_id, id), 1);
    snprintf(request, sizeof request, "GET /back?lastEventId=%s", id);
    for (n = 1; n < 40 && failed; n++) {
        at = n;
        (void)sse_test_request(app, request, "Accept: text/event-stream\n", NULL, &r);
        failed = fail_at == 0;
        fail_at = 0;
        ok(!r.open || (strstr(r.body, "data: missed") && !strstr(r.body, "data: seen")),
            "without allocation %ld the stream has what was missed, or ends", n);
        sse_test_close(&r);
    }
    ok(!failed && n > 3, "%ld failed", n - 2);
    sse_app_free(app);
}

/* What a handler says of its stream before it opens it. */
/* ?name=X-A&value=b&status=202&own=203&type=text/csv&plain=1 */
static void own_fields(sse_req *req, void *user) {
    const int          status = (int)sse_parse_int(sse_query(req, "status"), 0);
    sse_stream_options o;
    sse_event          first;
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&first, 0, sizeof first);
    first.data = "first";
    o.type = sse_query(req, "type");
    o.no_compression = sse_query(req, "plain") != NULL;
    o.status = (int)sse_parse_int(sse_query(req, "own"), 0);
    if (sse_query(req, "name"))
        IS(sse_set_header(req, sse_query(req, "name"), sse_query(req, "value")), 0);
    if (status) IS(sse_set_status(req, status), 0);
    o.first = o.type ? NULL : &first;
    opened = sse_stream_open(req, &o);
    ok((opened.app != NULL) == (strcmp(sse_method(req), "HEAD") != 0), "a stream, or its head");
}

static void fields_of_streams(void) {
    static const struct {
        const char *request;
        int         status;
        const char *field, *value, *body;
    } rows[] = {
        {"GET /own", 200, "X-Accel-Buffering", "no", NULL},
        {"GET /own?name=X-Accel-Buffering&value=yes", 200, "X-Accel-Buffering", "yes", NULL},
        {"GET /own?name=Cache-Control&value=private", 200, "Cache-Control", "private", NULL},
#ifndef SSE_NO_COMPRESSION
        {"GET /own", 200, "Content-Encoding", "gzip", NULL},
        {"GET /own", 200, "Vary", "Accept-Encoding", NULL},
        {"GET /own", 200, "Cache-Control", "no-cache, no-transform", NULL},
#endif
        {"GET /own?plain=1", 200, "Content-Encoding", NULL, "data: first\n\n"},
        {"GET /own?plain=1", 200, "Vary", NULL, "data: first\n\n"},
        {"GET /own?plain=1", 200, "Cache-Control", "no-cache", "data: first\n\n"},
        {"GET /own?type=text/csv", 200, "Content-Encoding", NULL, ""},
        {"GET /own?type=text/csv", 200, "Cache-Control", NULL, ""},
        {"GET /own?type=text/csv", 200, "X-Accel-Buffering", NULL, ""},
        {"GET /own?name=Content-Encoding&value=identity", 200, "Content-Encoding", "identity",
            "data: first\n\n"},
        {"GET /own?name=Content-Encoding&value=identity", 200, "Vary", NULL, "data: first\n\n"},
        {"GET /own?status=202", 202, "Content-Type", "text/event-stream", NULL},
        {"GET /own?own=203", 203, "Content-Type", "text/event-stream", NULL},
        {"GET /own?status=202&own=203", 203, "Content-Type", "text/event-stream", NULL},
        {"HEAD /own", 200, "Content-Type", "text/event-stream", ""},
        {"HEAD /own?type=text/csv", 200, "Content-Type", "text/csv", ""},
        {"HEAD /own?status=202", 202, "X-Accel-Buffering", "no", ""},
    };
    sse_app *app = app_new();
    size_t   i;
    int      n;
    sse_route(app, "/own", own_fields, NULL, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *value;
        ask(app, rows[i].request, "Accept: text/event-stream\nAccept-Encoding: gzip\n", NULL,
            rows[i].status, rows[i].body);
        value = sse_test_header(&r, rows[i].field);
        is_str(value ? value : "none", rows[i].value ? rows[i].value : "none", rows[i].field);
        value = strstr(r.head, rows[i].field);
        for (n = 0; value; n++) value = strstr(value + 1, rows[i].field);
        ok(n == (rows[i].value != NULL), "... %d times", n);
        sse_test_close(&r);
    }
    sse_app_free(app);
}

static void shapes(sse_req *req, void *user);

/* What a client sends stands in the access log without what ends a field of it or a line. */
static void access_log(void) {
    static const char *const rows[][2] = {{"GET /shapes?text=xyz", " 200 3"},
        {"HEAD /shapes?text=xyz", " 200 0"}, {"GET /shapes?status=204&text=x", " 204 0"},
        {"GET /shapes?status=205&text=x", " 205 0"}, {"GET /shapes?fail=404", " 404 4"}};
    sse_serve_options        o;
    size_t                   i;
    sse_app                 *app = app_new();
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    o.access_log = true;
    is_int(sse_listen(app, &o), 0, "an app with an access log");
    is_int(sse_test_request(app, "GET /a\"b?c\\d", NULL, NULL, &r), 0, "a request");
    is_int(r.status, 404, "... for nothing");
    ok(strstr(told, "] \"GET /a\\\"b?c\\\\d HTTP/1.1\" 404 ") != NULL, "%s", told);
    sse_get(app, "/shapes", shapes, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        (void)sse_test_request(app, rows[i][0], NULL, NULL, &r);
        ok(strstr(told, rows[i][1]) && !strstr(told, rows[i][1])[strlen(rows[i][1])],
            "what was sent of a body: %s", told);
    }
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

/* ---- timers, watches and calls without memory, or whose system calls fail ---- */

static int  counted;
static void count_app(sse_app *app, void *user) { (void)app, (void)user, counted++; }
static void count_fd(sse_app *app, int fd, int events, void *user) {
    (void)app, (void)fd, (void)events, (void)user;
    counted++;
}

static char lines[200];
static void note_line(sse_app *app, const char *line, void *user) {
    const size_t n = strlen(lines);
    (void)app, (void)user;
    snprintf(lines + n, sizeof lines - n, "[%s]", line ? line : "end");
}

static int begin_one(sse_app *app, int which, int fd) { /* or why not */
    switch (which) {
    case 0: return sse_call(app, count_app, NULL);
    case 1: return sse_after(app, 0, count_app, NULL).app ? 0 : SSE_E_NOMEM;
    case 2: return sse_every(app, 60000, count_app, NULL).app ? 0 : SSE_E_NOMEM;
    case 3: return sse_watch(app, fd, SSE_READ, count_fd, NULL);
    default: return sse_watch_lines(app, fd, note_line, NULL);
    }
}

static void begin_without_memory(void) {
    const int before = descriptors();
    int       fds[2], which, i;
    ok(!pipe(fds) && write(fds[1], "a", 1) == 1, "a pipe");
    for (which = 0; which < 5; which++) {
        const long whole = living;
        sse_app   *app = app_new();
        const long had = living;
        int        error = SSE_E_NOMEM;
        long       n;
        for (n = 1; n < 20 && error; n++) {
            fail_at = n;
            error = begin_one(app, which, fds[0]);
            fail_at = 0;
            ok(error == 0 || error == SSE_E_NOMEM, "without allocation %ld: %d", n, error);
            if (error) is_int(living, had, "... no memory is left");
        }
        ok(!error && n > 2, "then it begins");
        is_int(begin_one(app, which, fds[0]), 0, "... and once more");
        counted = 0;
        lines[0] = '\0';
        for (i = 0; i < 3; i++) sse_poll(app, 0);
        ok(which == 2 || which == 4 ? !counted && !lines[0] : counted > 1, "... and is called");
        sse_app_free(app);
        is_int(living, whole, "no memory is left of it");
    }
    close(fds[0]), close(fds[1]);
    is_int(descriptors(), before, "no descriptor is");
}

/* More of them than there is room for, until memory is had. */
static void many_watches(void) {
    sse_app *app = app_new();
    int      pair[2], fds[20], i, wrong = 0, most = 0; /* refused */
    ok(!pipe(pair), "a pipe");
    for (i = 0; i < 20; i++) {
        const long had = living;
        int        error = SSE_E_NOMEM;
        long       n;
        fds[i] = dup(pair[1]);
        for (n = 1; n < 9 && error; n++) {
            fail_at = n;
            error = sse_watch(app, fds[i], SSE_WRITE, count_fd, NULL);
            wrong += error ? error != SSE_E_NOMEM || living != had : living != had + 1;
        }
        fail_at = 0;
        wrong += error != 0;
        if (most < n - 2) most = (int)n - 2;
    }
    is_int(most, SSE__EPOLL ? 1 : 3, "poll(2) has two tables that grow");
    is_int(wrong, 0, "twenty watches, each refused first for want of memory, leave nothing more");
    sse_app_free(app);
    while (i > 0) close(fds[--i]);
    close(pair[0]), close(pair[1]);
}

static sse_timer every;
static void      ends_itself(sse_app *app, void *user) {
         (void)app, (void)user;
         sse_timer_cancel(every);
}

/* Each goes in its own way, and leaves nothing. */
static void ends_of_timers(void) {
    sse_app  *app = app_new();
    long      had;
    int       i;
    sse_timer t = sse_every(app, 1, count_app, NULL); /* the first: it makes their table */
    is_int(sse_timer_cancel(t), 0, "a timer is cancelled");
    had = living;
    t = sse_after(app, 60000, count_app, NULL);
    is_int(sse_timer_cancel(t), 0, "... another");
    is_int(living, had, "... and freed at once");
    sse_after(app, 0, count_app, NULL);
    every = sse_every(app, 1, ends_itself, NULL);
    sse_call(app, count_app, NULL);
    for (i = 0; i < 30000 && living > had; i++) sse_poll(app, 1);
    is_int(living, had, "... after it fired, or in its own callback, and a call likewise");
    sse_app_free(app);
}

static void lines_of_a_watch(void) {
    sse_app *app = app_new();
    int      fds[2], i;
    long     had = living;
    lines[0] = '\0';
    ok(!pipe(fds) && write(fds[1], "one\ntwo\nhalf", 12) == 12, "a pipe");
    is_int(sse_watch_lines(app, fds[0], note_line, NULL), 0, "its lines");
    refuse("read(w->source.fd", 1, EINTR);
    sse_poll(app, 20);
    refuse("read(w->source.fd", 1, EAGAIN);
    sse_poll(app, 20);
    is_str(lines, "", "a read that is interrupted has none");
    fail_at = 1; /* memory for the first */
    sse_poll(app, 20);
    fail_at = 0;
    is_str(lines, "[][two]", "one that memory lacked for is empty, the next one is whole");
    is_int(sse_watch_lines(app, fds[0], note_line, NULL), 0, "a second call");
    for (i = 0; i < 2; i++) sse_poll(app, 0);
    ok(write(fds[1], "three\n", 6) == 6, "(a line)");
    for (i = 0; i < 3; i++) sse_poll(app, 0);
    is_str(lines, "[][two][halfthree]", "... keeps the half of a line that was read");
    refuse("read(w->source.fd", 1, EIO);
    ok(write(fds[1], "four\n", 5) == 5, "(a line)");
    for (i = 0; i < 3; i++) sse_poll(app, 0);
    is_str(lines, "[][two][halfthree][end]", "what cannot be read has ended");
    is_int(sse_watch_lines(app, fds[0], note_line, NULL), 0, "(once more)");
    for (i = 0; i < 3; i++) sse_poll(app, 0);
    sse_watch(app, fds[0], 0, NULL, NULL);
    for (i = 0; i < 3; i++) sse_poll(app, 0);
    ok(living <= had + 3, "no memory is left of what has ended: %ld", living - had);
    had = living;
    for (i = 0; i < 9; i++) {
        sse_watch_lines(app, fds[0], note_line, NULL);
        if (write(fds[1], "half", 4) == 4) sse_poll(app, 20);
        sse_watch(app, fds[0], 0, NULL, NULL);
        sse_poll(app, 0);
    }
    is_int(living, had, "... however often");
    sse_app_free(app);
    close(fds[0]), close(fds[1]);
}

#if SSE__EPOLL
static void watches_refused(void) {
    sse_app *app = app_new();
    int      fds[2];
    long     had = living;
    ok(!pipe(fds), "a pipe");
    refuse("epoll_ctl(", 1, ENOSPC);
    is_int(sse_watch(app, fds[0], SSE_READ, count_fd, NULL), SSE_E_IO, "no room for a watch");
    is_int(living, had, "... leaves nothing");
    is_int(sse_watch(app, fds[0], 0, NULL, NULL), 0, "... and was none");
    sse_app_free(app);
    refuse("epoll_create1(", 1, EMFILE);
    ok(!sse_app_new(NULL), "no poller: no app");
    close(fds[0]), close(fds[1]);
}
#else
static void watches_refused(void) {}
#endif

/* The loop of a new app: whatever the system refuses, nothing is left. */
static void loops_refused(void) {
    static const char *const refused_calls[] = {"pipe(", "fcntl(fd, F_GETFL", "fcntl(fd, F_SETFL",
        "fcntl(fd, F_SETFD"};
    const int                before = descriptors();
    const long               had = living;
    size_t                   i;
    int                      nth;
    for (i = 0; i < SSE__COUNT(refused_calls); i++)
        for (nth = 1; nth <= (i ? 2 : 1); nth++) {
            sse_app_options o;
            memset(&o, 0, sizeof o);
            o.on_log = on_log;
            refuse(refused_calls[i], nth, EMFILE);
            ok(!sse_app_new(&o) && !refuse_at, "%s is refused: no app", refused_calls[i]);
            is_int(descriptors(), before, "... no descriptor is left");
            is_int(living, had, "... no memory is");
        }
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
    sse_get(app, "/redirects", redirects, NULL);
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
    sse_get(app, "/basic-nobody", basic_nobody, NULL);
    sse_get(app, "/basic-broken", basic_broken, NULL);
    sse_get(app, "/basic-late", basic_late, NULL);
    return app;
}

static void requests(void) {
    sse_app *app = app_new();
    ask(app, "GET /asks/7?b=%00b&c=%zz&%zz=1&d=+x&e=%zz&e=%4&e=3", "X: 1\nX: 2\n", NULL, 500, NULL);
    ask(app, "GET /above", NULL, NULL, 500, NULL);
    ask(app, "GET /failed", NULL, NULL, 499, "why\n");
    is_str(sse_test_header(&r, "Content-Type"), "text/plain; charset=utf-8", "... and its type");
    ask(app, "GET /redirects", NULL, NULL, 303, NULL);
    is_str(sse_test_header(&r, "Location"), "/first", "the first redirect stays");
    ask(app, "GET /peer", NULL, NULL, 500, NULL);
    ask(app, "GET /peer", NULL, NULL, 200, "127.0.0.1");
    ask(app, "GET /signals?datastar=%7B%22a%22:1%7D", NULL, NULL, 200, "1");
    ask(app, "GET /signals-unkeyed?datastar=%7B%22a%22:1%7D", NULL, NULL, 200, "1");
    ask(app, "GET /signals?datastar=%7B%22datastar%22:%7B%22a%22:2%7D%7D", NULL, NULL, 200, "2");
    ask(app, "GET /signals?datastar=%7B%22datastar%22:3,%22a%22:4%7D", NULL, NULL, 200, "4");
    ask(app, "GET /signals?datastar=%7B%22a%22:%22%5Cu0000%22%7D", NULL, NULL, 400,
        "the signal a holds a NUL\n");
    ask(app, "GET /signals?datastar=%7B%22a%22:1", NULL, NULL, 400,
        "the JSON is not well-formed at byte 6\n");
    ask(app, "HEAD /signals?datastar=%7B%22a%22:1%7D", NULL, NULL, 200, "");
    is_str(sse_test_header(&r, "X-A"), "1", "HEAD has its signals in the query, too");
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
    ask(app, "GET /bearer", NULL, NULL, 401, "a token is needed here\n");
    is_str(sse_test_header(&r, "www-authenticate"), "Bearer", "a token is asked for");
    ask(app, "GET /bearer", "Authorization: Bearer wrong\n", NULL, 401, NULL);
    is_str(sse_test_header(&r, "WWW-Authenticate"), "Bearer error=\"invalid_token\"", "another");
    ask(app, "GET /bearer", "Authorization: Bearer secret\n", NULL, 200, "in");
    ask(app, "GET /bearer", "Authorization: Bearer secret\nAuthorization: Bearer other\n", NULL,
        401, NULL);
    ask(app, "GET /bearer-none", "Authorization: Bearer\n", NULL, 401, NULL);
    ask(app, "GET /bearer-none", "Authorization: Bearer \n", NULL, 401, NULL);
    ask(app, "GET /basic", NULL, NULL, 401, "a name and a password are needed here\n");
    is_str(sse_test_header(&r, "WWW-Authenticate"),
        "Basic realm=\"a \\\"b\\\" \\\\ c\", charset=\"UTF-8\"", "a realm that needs escapes");
    ask(app, "GET /basic", "Authorization: Basic dTpw\n", NULL, 200, "in");
    ask(app, "GET /basic", "Authorization: Basic dTpx\n", NULL, 401, NULL);
    ask(app, "GET /basic", "Authorization: Basic ?\n", NULL, 401, NULL);
    ask(app, "GET /basic-late", NULL, NULL, 200, "settled");
    ask(app, "GET /basic-bare", "Authorization: Basic dTpw\n", NULL, 401, NULL);
    is_str(sse_test_header(&r, "WWW-Authenticate"), "Basic realm=\"private\", charset=\"UTF-8\"",
        "no realm");
    ask(app, "GET /basic-nobody", "Authorization: Basic KG51bGwpOnA=\n", NULL, 401, NULL);
    ask(app, "GET /basic-nobody", "Authorization: Basic OnA=\n", NULL, 401, NULL);
    ask(app, "GET /basic-broken", "Authorization: Basic dTpw\n", NULL, 200, "page: in");
    ask(app, "GET /basic-broken", "Authorization: Basic dTpx\n", NULL, 500,
        "Internal Server Error\n");
    ok(!sse_test_header(&r, "WWW-Authenticate"), "a realm that no field can hold is not sent");
    is_int(sse_test_close(&r), 0, "closed");
    ok(!sse_test_header(&r, "x") && !sse_test_header(NULL, "x"), "no reply has no field");
    sse_app_free(app);
}

/* ---- what a reply may be ---- */

/* ?status=  ?type=  ?field=&value=  ?json=  ?to=  ?fail=  ?text=, in this order: ?wants= is what
   the last of the setters answers */
static void shapes(sse_req *req, void *user) {
    const char *fail = sse_query(req, "fail"), *text = sse_query(req, "text");
    int         got = 0;
    (void)user;
    if (sse_query(req, "status"))
        got = sse_set_status(req, (int)sse_parse_int(sse_query(req, "status"), 0));
    if (sse_query(req, "type")) got = sse_set_type(req, sse_query(req, "type"));
    if (sse_query(req, "field"))
        got = sse_set_header(req, sse_query(req, "field"), sse_query(req, "value"));
    if (sse_query(req, "to")) got = sse_redirect(req, sse_query(req, "to"));
    if (fail) got = sse_fail(req, (int)sse_parse_int(fail, 0), "why");
    is_int(got, sse_parse_int(sse_query(req, "wants"), 0), "what the setter answers");
    if (text) sse_puts(sse_query(req, "json") ? sse_out_json(req) : sse_out(req), text);
    if (sse_query(req, "broken")) sse_buf_fail(sse_out(req), SSE_E_ARG);
}

static int fields_in(const char *head, const char *name) { /* how many there are */
    int n = 0;
    while ((head = strstr(head, name)) != NULL) n++, head++;
    return n;
}

static int fields_named(const char *name) { return fields_in(r.head, name); }

static int own_fields_of(const char *head) { /* memory may lack to keep a connection, or to vary */
    return fields_in(head, ": ") - fields_in(head, "Connection: ") - fields_in(head, "Vary: ");
}

static void shapes_of_replies(void) {
    static const struct {
        const char *query, *status, *body, *field, *value; /* of the reply; value NULL: no such */
    } rows[] = {
        {"text=x", "200 OK", "x", "Content-Type", "text/html; charset=utf-8"},
        {"status=200&text=x", "200 OK", "x", "Content-Length", "1"},
        {"status=201&text=x", "201 Created", "x", NULL, NULL},
        {"status=599&text=x", "599 Unknown", "x", NULL, NULL},
        {"status=200", "200 OK", "", "Content-Length", "0"},
        {"type=text/x-a", "200 OK", "", "Content-Type", "text/x-a"},
        {"status=204&text=x", "204 No Content", "", "Content-Length", NULL},
        {"status=205&text=x", "205 Reset Content", "", "Content-Length", "0"},
        {"status=205&text=x", "205 Reset Content", "", "Content-Type", NULL},
        {"status=304&text=x", "304 Not Modified", "", "Content-Length", NULL},
        {"status=304&text=x", "304 Not Modified", "", "Content-Type", NULL},
        {"json=1&text=1", "200 OK", "1", "Content-Type", "application/json"},
        {"type=text/x-a&json=1&text=1", "200 OK", "1", "Content-Type", "text/x-a"},
        {"field=CONTENT-type&value=text/x-b&text=1", "200 OK", "1", "Content-Type", "text/x-b"},
        {"status=401&text=x", "401 Unauthorized", "x", "WWW-Authenticate", "Session"},
        {"status=401&field=www-AUTHENTICATE&value=Own&text=x", "401 Unauthorized", "x",
            "www-AUTHENTICATE", "Own"},
        {"to=/b", "303 See Other", "", "Location", "/b"},
        {"status=300&to=/b", "300 Multiple Choices", "", "Location", "/b"},
        {"status=399&to=/b", "399 Unknown", "", "Location", "/b"},
        {"status=201&to=/b", "303 See Other", "", NULL, NULL},
        {"status=299&to=/b", "303 See Other", "", NULL, NULL},
        {"status=400&to=/b", "303 See Other", "", NULL, NULL},
        {"fail=400", "400 Bad Request", "why\n", NULL, NULL},
        {"fail=402", "402 Payment Required", "why\n", NULL, NULL},
        {"fail=599&text=x", "599 Unknown", "why\n", "Content-Type", "text/plain; charset=utf-8"},
        {"type=text/x-a&fail=404", "404 Not Found", "why\n", "Content-Type",
            "text/plain; charset=utf-8"},
        {"fail=600&wants=-2", "500 Internal Server Error", "why\n", NULL, NULL},
        {"field=keep-alive&value=x&wants=-5", "500 Internal Server Error",
            "Internal Server Error\n", "keep-alive", NULL},
        {"field=Date&value=x&wants=-5", "500 Internal Server Error", "Internal Server Error\n",
            NULL, NULL},
        {"field=upgrade&value=x&wants=-5", "500 Internal Server Error", "Internal Server Error\n",
            "upgrade", NULL},
        {"field=X-A&value=b&text=x", "200 OK", "x", "X-A", "b"},
        {"field=X-A&value=b&broken=1", "500 Internal Server Error", "Internal Server Error\n",
            "X-A", NULL},
    };
    char   request[100], status[60];
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_new(); /* words of statuses come in with the first call of their kind */
        const char *value;
        sse_get(app, "/shapes", shapes, NULL);
        snprintf(request, sizeof request, "GET /shapes?%s", rows[i].query);
        is_int(sse_test_request(app, request, NULL, NULL, &r), 0, rows[i].query);
        snprintf(status, sizeof status, "HTTP/1.1 %s\n", rows[i].status);
        ok(strncmp(r.head, status, strlen(status)) == 0, "... %s: %.40s", rows[i].status, r.head);
        is_str(r.body, rows[i].body, "... its body");
        if (rows[i].field) {
            value = sse_test_header(&r, rows[i].field);
            is_str(value ? value : "none", rows[i].value ? rows[i].value : "none", rows[i].field);
        }
        ok(fields_named("ontent-Type: ") <= 1 && fields_named("-A") <= 1, "... each field once");
        sse_test_close(&r);
        sse_app_free(app);
    }
}

/* The head of most replies is that of the one before, where nothing of it differs. */
static void heads_of_replies(void) {
    static const char *const rows[][3] = {
        {"type=text/x-a", "200 OK", "text/x-a"},
        {"type=text/x-b", "200 OK", "text/x-b"},
        {"type=text/x-b&status=201", "201 Created", "text/x-b"},
        {"type=text/x-bcd&status=201", "201 Created", "text/x-bcd"},
        {"type=xt/x-bcd&status=201", "201 Created", "xt/x-bcd"},
        {"type=xt/x-bcd", "200 OK", "xt/x-bcd"},
        {"status=204", "204 No Content", "none"},
        {"status=200", "200 OK", "text/html; charset=utf-8"},
    };
    sse_app *app = app_new();
    char     request[100], status[60], date[40];
    size_t   i;
    sse_get(app, "/shapes", shapes, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *type;
        snprintf(request, sizeof request, "GET /shapes?%s", rows[i][0]);
        is_int(sse_test_request(app, request, NULL, NULL, &r), 0, request);
        snprintf(status, sizeof status, "HTTP/1.1 %s\n", rows[i][1]);
        ok(strncmp(r.head, status, strlen(status)) == 0, "... %s: %.40s", rows[i][1], r.head);
        type = sse_test_header(&r, "Content-Type");
        is_str(type ? type : "none", rows[i][2], "... its type");
    }
    snprintf(date, sizeof date, "%s", sse_test_header(&r, "Date"));
    sse_test_run(app, 5000);
    ask(app, request, NULL, NULL, 200, "");
    ok(strcmp(sse_test_header(&r, "Date"), date) != 0, "%s, and 5 s later another date", date);
    sse_test_close(&r);
    sse_app_free(app);
}

/* A request is kept for the next one: what failed in it, or was too large, is not. */
static void fails_to_set(sse_req *req, void *user) {
    static const char value[2000] = {0};
    char             *text = sse__arena_text(&req->arena, sse__str(value, sizeof value - 1));
    (void)user;
    memset(text, 'x', sizeof value - 1);
    fail_at = 1;
    IS(sse_set_header(req, "X-Large", text), SSE_E_NOMEM);
    fail_at = 0;
    sse_puts(sse_out(req), "without it");
}

static void long_text(sse_req *req, void *user) {
    int n = (int)sse_parse_int(sse_query(req, "n"), 0);
    (void)user;
    while (n-- > 0) sse_puts(sse_out(req), "x");
}

static void requests_after_others(void) {
    sse_app *app = app_new();
    sse_get(app, "/lacks", fails_to_set, NULL);
    sse_get(app, "/shapes", shapes, NULL);
    sse_get(app, "/long", long_text, NULL);
    ask(app, "GET /lacks", NULL, NULL, 500, "Internal Server Error\n");
    ask(app, "GET /shapes?field=X-A&value=b&text=x", NULL, NULL, 200, "x");
    is_str(sse_test_header(&r, "X-A"), "b", "the next one sets its fields");
    ask(app, "GET /shapes?broken=1", NULL, NULL, 500, NULL);
    ask(app, "GET /shapes?text=x", NULL, NULL, 200, "x");
    ok(!sse_test_header(&r, "X-A"), "... and none of those before");
    ok(app->router->spare && app->router->spare->out.cap > 0, "the memory of a short text is kept");
    ask(app, "HEAD /long?n=100000", NULL, NULL, 200, "");
    is_int((long long)app->router->spare->out.cap, 0, "that of a long one is not");
    ask(app, "HEAD /long?n=1000", NULL, NULL, 200, "");
    ok(app->router->spare->out.cap >= 1000, "... that of a thousand bytes is");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- cookies that browsers would not take ---- */

static const struct {
    const char        *name, *value;
    sse_cookie_options options;
    int                error;
    const char        *words;
} odd_cookies[] = {
    {"a b", "v", {0}, SSE_E_FIELD, "a b: the name is no token"},
    {NULL, "v", {0}, SSE_E_FIELD, "NULL: the name is no token"},
    {"a", NULL, {0}, SSE_E_FIELD, "a: the value is NULL"},
    {"a", "b c", {0}, SSE_E_FIELD,
        "a: the value holds a space, quote, comma, semicolon or control character"},
    {"a", "b c", {.path = "x"}, SSE_E_FIELD,
        "a: the value holds a space, quote, comma, semicolon or control character"},
    {"__Host-a", "v", {0}, SSE_E_ARG,
        "__Host-a: a __Host- cookie needs .secure, no .domain, and / as .path"},
    {"__Host-a", "v", {.path = "/x", .secure = true}, SSE_E_ARG,
        "__Host-a: a __Host- cookie needs .secure, no .domain, and / as .path"},
    {"__Host-a", "v", {.domain = "a.example", .secure = true}, SSE_E_ARG,
        "__Host-a: a __Host- cookie needs .secure, no .domain, and / as .path"},
    {"__Host-a", "v", {.path = "/", .secure = true}, 0, NULL},
    {"__Secure-a", "v", {0}, SSE_E_ARG, "__Secure-a: a __Secure- cookie needs .secure"},
    {"__Secure-a", "v", {.path = "/x", .secure = true}, 0, NULL},
    {"__host-a", "v", {.domain = "a.example", .secure = true}, SSE_E_ARG,
        "__host-a: a __Host- cookie needs .secure, no .domain, and / as .path"},
    {"__sEcUrE-a", "v", {0}, SSE_E_ARG, "__sEcUrE-a: a __Secure- cookie needs .secure"},
    {"__Secure", "v", {0}, 0, NULL},
    {"a", "v", {.same_site = "none"}, SSE_E_ARG, "a: .same_site None needs .secure"},
    {"a", "v", {.same_site = "None", .secure = true}, 0, NULL},
    {"a", "v", {.max_age_s = -2}, SSE_E_ARG, "a: .max_age_s is negative"},
    {"a", "v", {.max_age_s = SSE_OFF}, 0, NULL},
    {"a", "v", {.path = "x"}, SSE_E_ARG, "a: .path does not begin with /"},
    {"a", "v", {.path = ""}, SSE_E_ARG, "a: .path does not begin with /"},
    {"a", "v", {.domain = ""}, SSE_E_ARG, "a: .domain is no host name"},
    {"a", "v", {.domain = "a/b"}, SSE_E_ARG, "a: .domain is no host name"},
    {"a", "v", {.same_site = "Often"}, SSE_E_ARG, "a: .same_site is none of Strict, Lax, None"},
    {"a", "v", {.path = "/a;b"}, SSE_E_ARG,
        "a: .path holds a semicolon, a control character or one that is not ASCII"},
    {"a", "v", {.path = "/\x1f"}, SSE_E_ARG,
        "a: .path holds a semicolon, a control character or one that is not ASCII"},
    {"a", "v", {.path = "/\xc3\xa9"}, SSE_E_ARG,
        "a: .path holds a semicolon, a control character or one that is not ASCII"},
    {"a", "v", {.path = "/ ~"}, 0, NULL},
};

static void sets_odd_cookies(sse_req *req, void *user) {
    sse_cookie_options o;
    char               words[200];
    size_t             i;
    (void)user;
    memset(&o, 0, sizeof o);
    for (i = 0; i < SSE__COUNT(odd_cookies); i++) {
        const char *why = odd_cookies[i].words;
        memset(sse_req_app(req)->refused, 0,
            sizeof sse_req_app(req)->refused); /* a second passed */
        warned[0] = '\0';
        is_int(sse_set_cookie(req, odd_cookies[i].name, odd_cookies[i].value,
                   &odd_cookies[i].options),
            odd_cookies[i].error, why ? why : "a cookie");
        snprintf(words, sizeof words, "sse_set_cookie: %s (/odd-cookies)", why ? why : "");
        is_str(warned, why ? words : "", "... in the log");
    }
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    is_int(sse_set_cookie_signed(req, NULL, NULL, NULL), SSE_E_ARG, "a value to sign");
    is_str(warned, "sse_set_cookie_signed: NULL: the value is NULL (/odd-cookies)",
        "... in the log");
    o.path = "/signed";
    o.max_age_s = 1;
    IS(sse_set_cookie_signed(req, "s", "v", &o), 0);
    o.domain = "a.example";
    IS(sse_cookie_delete(req, "gone", &o), 0);
    sse_puts(sse_out(req), "set");
}

static void cookies(void) {
    const char *at;
    sse_app    *app = app_new();
    sse_get(app, "/odd-cookies", sets_odd_cookies, NULL);
    ask(app, "GET /odd-cookies", NULL, NULL, 200, "set");
    is_int(fields_named("Set-Cookie: "), 8, "those that are fine are set");
    at = strstr(r.head, "Set-Cookie: s=");
    ok(at && strstr(at, "; Path=/signed; SameSite=Lax; Max-Age=1; HttpOnly\n"),
        "a signed one with its options");
    ok(strstr(r.head, "Set-Cookie: a=v; Path=/; SameSite=Lax; Max-Age=0; HttpOnly\n") != NULL,
        "one that ends at once");
    ok(strstr(r.head, "Set-Cookie: gone=; Path=/signed; SameSite=Lax; Domain=a.example; "
                      "Max-Age=0; HttpOnly\n") != NULL,
        "one that is taken back where it was set");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- what is signed grows old ---- */

static void signs(sse_req *req, void *user) { /* ?age= of what ?text= says, or signs "v" */
    const int   age = (int)sse_parse_int(sse_query(req, "age"), 0);
    const char *text = sse_query(req, "text"), *cookie = sse_cookie_signed(req, "c", age);
    (void)user;
    if (!text) sse_puts(sse_out(req), sse_req_sign(req, "v"));
    else {
        text = sse_req_unsign(req, text, age);
        if (text || cookie) /* else it is silent: a forged text is no failure of the program */
            sse_printf(sse_out(req), "%s %s", text ? text : "-", cookie ? cookie : "-");
    }
}

static void ages(void) {
    static const struct {
        int         after_s;
        const char *age, *want;
    } rows[] = {{0, "", "v v"}, {10, "&age=10", "v v"}, {0, "&age=9", ""}, {0, "", "v v"},
        {3590, "", "v v"}, {1, "", ""}, {0, "&age=3601", "v v"}, {1, "&age=3601", ""},
        {0, "&age=-1", "v v"}};
    sse_app *app = app_new();
    char     text[200], request[300], head[300];
    size_t   i;
    sse_get(app, "/signs", signs, NULL);
    sse_test_request(app, "GET /signs", NULL, NULL, &r);
    snprintf(text, sizeof text, "%s", r.body);
    snprintf(head, sizeof head, "Cookie: c=%s\n", text);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_test_run(app, rows[i].after_s * 1000);
        snprintf(request, sizeof request, "GET /signs?text=%s%s", text, rows[i].age);
        ask(app, request, head, NULL, rows[i].want[0] ? 200 : 204, rows[i].want);
    }
    ask(app, "GET /signs?text=v.forged", NULL, NULL, 204, "");
    sse_test_close(&r);
    sse_app_free(app);
}

static void signs_nothing(sse_req *req, void *user) {
    (void)user;
    ok(!sse_req_sign(req, NULL), "no value to sign");
}

/* ---- attributes ---- */

static void many_attrs(sse_req *req, void *user) {
    char name[2] = "a";
    int  i, values[3] = {1, 2, 3};
    (void)user;
    for (i = 0; i < 3; i++, name[0]++) { /* names are copied */
        IS(sse_set_attr(req, name, name), 0);
        IS(sse_set_attr_ptr(req, name, &values[i]), 0);
    }
    ok(!sse_attr(req, name) && !sse_attr_ptr(req, name), "an attribute that is not set");
    IS(sse_set_attr(req, "a", "again"), 0);
    IS(sse_set_attr_ptr(req, "a", &values[2]), 0);
    is_str(sse_attr(req, "a"), "again", "the first is set again");
    is_str(sse_attr(req, "b"), "b", "... the second is as it was");
    ok(sse_attr_ptr(req, "a") == &values[2] && sse_attr_ptr(req, "b") == &values[1] &&
            sse_attr_ptr(req, "c") == &values[2],
        "likewise pointers");
    sse_puts(sse_out(req), "set");
}

/* ?what=attr, ptr, type or defer, without memory */
static void lacks_room(sse_req *req, void *user) {
    const char *what = sse_query(req, "what");
    int         error = 0;
    while (sse__arena_get(&req->arena, 1) && req->arena.used < req->arena.blocks->size) {
    }
    fail_at = *(long *)user;
    if (strcmp(what, "attr") == 0) error = sse_set_attr(req, "a", "text");
    if (strcmp(what, "ptr") == 0) error = sse_set_attr_ptr(req, "a", req);
    if (strcmp(what, "type") == 0) error = sse_set_type(req, "text/x-a");
    if (strcmp(what, "defer") == 0) error = sse_defer(req);
    *(long *)user = fail_at;
    fail_at = 0;
    is_int(error, *(long *)user ? 0 : SSE_E_NOMEM, what);
    sse_puts(sse_out(req), "set");
    if (strcmp(what, "defer") == 0) {
        memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
        IS(sse_finish(req), error ? SSE_E_STATE : 0);
        ok(!error || strcmp(warned, "sse_finish: without sse_defer: the reply leaves when the "
                                    "handler returns (/lacks)") == 0,
            "... in the log: %s", warned);
    }
}

static void attributes(void) {
    static const char *const requests[] = {"GET /lacks?what=attr", "GET /lacks?what=ptr",
        "GET /lacks?what=type", "GET /lacks?what=defer"};
    sse_app                 *app = app_new();
    long                     at, n;
    int                      i;
    sse_get(app, "/attrs", many_attrs, NULL);
    sse_get(app, "/lacks", lacks_room, &at);
    sse_get(app, "/signs-nothing", signs_nothing, NULL);
    ask(app, "GET /attrs", NULL, NULL, 200, "set");
    ask(app, "GET /signs-nothing", NULL, NULL, 500, NULL);
    for (i = 0; i < 4; i++)
        for (n = 1, at = 0; n < 10 && !at; n++) {
            at = n;
            is_int(sse_test_request(app, requests[i], NULL, NULL, &r), 0, requests[i]);
            ok(at ? strcmp(r.body, "set") == 0 : r.status == 500, "... without allocation %ld: %d",
                n, r.status);
        }
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- calls that come too late, and the first failure ---- */

static void is_warned(sse_req *req, const char *words) { /* and may be warned again at once */
    is_str(warned, words, "... in the log");
    warned[0] = '\0';
    sse_req_app(req)->phase_warned_ms = 0;
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
}

static void late(sse_app *app, void *user) { /* its handler has returned */
    sse_req *req = (sse_req *)user;
    (void)app;
    is_warned(req, "");
    IS(sse_defer(req), SSE_E_STATE);
    is_warned(req, "sse_defer: not possible when its handler has returned (/late)");
    IS(sse_body_read(req, on_chunk, NULL), SSE_E_STATE);
    is_str(warned, "sse_body_read: not possible when its handler has returned (/late)",
        "... in the log");
    warned[0] = '\0';
    IS(sse_defer(req), SSE_E_STATE);
    is_warned(req, "");
    IS(sse_body_pause(req, true), SSE_E_STATE);
    IS(sse_set_status(req, 202), 0);
    sse_puts(sse_out(req), "late");
    IS(sse_finish(req), 0);
    IS(sse_fail(req, 400, "why"), SSE_E_STATE);
    is_warned(req, "sse_fail: not possible after sse_finish (/late)");
}

static void late_reply(sse_app *app, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    sse_puts(sse_out(req), "late");
    IS(sse_finish(req), 0);
}

static void defers(sse_req *req, void *user) {
    (void)user;
    warned[0] = '\0';
    IS(sse_defer(req), 0);
    IS(sse_defer(req), SSE_E_STATE);
    is_warned(req, "sse_defer: a second time (/late)");
    sse_after(sse_req_app(req), 10, late, req);
}

/* The reader of a body may defer until its last call has returned, unless the peer has left. */
static int defers_last(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk, (void)user;
    if (status == 1) return 0;
    warned[0] = '\0';
    IS(sse_defer(req), status ? SSE_E_STATE : 0);
    is_warned(req, status ? "sse_defer: not possible when its handler has returned (/reads)" : "");
    if (!status) sse_after(sse_req_app(req), 10, late_reply, req);
    return 0;
}

static void reads_then_defers(sse_req *req, void *user) {
    (void)user;
    IS(sse_body_read(req, defers_last, NULL), 0);
}

static void defers_in_reader(void) {
    sse_app          *app = app_new();
    sse_test_reply    got;
    sse_route_options o;
    memset(&got, 0, sizeof got);
    memset(&o, 0, sizeof o);
    o.method = "POST";
    o.body_later = true;
    sse_route(app, "/reads", reads_then_defers, NULL, &o);
    sse_test_request(app, "POST /reads", NULL, "body", &got);
    sse_test_run(app, 20);
    ok(got.status == 200 && strcmp(got.body, "late") == 0, "a reader defers in its last call");
    sse_test_request(app, "POST /reads", "Content-Length: 9\n", "body", &got);
    sse_test_close(&got);
    sse_test_run(app, 20);
    sse_app_free(app);
}

static void on_reply(sse_req *req, void *user) {
    (void)user;
    if (strcmp(sse_path(req), "/late") != 0) return;
    warned[0] = '\0';
    IS(sse_set_status(req, 500), SSE_E_STATE);
    is_warned(req, "sse_set_status: not possible when the reply is on its way (/late)");
    ok(sse_out(req)->error != 0, "nothing is written behind the reply");
    is_warned(req, "sse_out: not possible when the reply is on its way (/late)");
}

static void streams_first(sse_req *req, void *user) {
    (void)user;
    warned[0] = '\0';
    ok(sse_stream_open(req, NULL).app != NULL, "a stream");
    IS(sse_set_status(req, 202), SSE_E_STATE);
    is_warned(req, "sse_set_status: not possible once a stream is open (/streams-first)");
    ok(!sse_query(req, "a"), "too many fields are none");
    is_warned(req, ""); /* that is the client's mistake */
}

/* ?then=lacks or says */
static void fails_twice(sse_req *req, void *user) {
    const char *then = sse_query(req, "then");
    sse_event   event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = "a\nb";
    IS(sse_publish(sse_req_app(req), "t", &event), SSE_E_FIELD);
    (void)sse_set_attr_ptr(req, NULL, req);
    (void)sse_set_header(req, "a b", "c");
    if (then && strcmp(then, "lacks") == 0) {
        fail_at = 1;
        is_str(sse_fmt(req, "x"), "", "no text without memory");
        fail_at = 0;
    }
    if (then) sse_puts(sse_out(req), "said");
}

static void order_of_calls(void) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.on_reply = on_reply;
    o.max_fields = 3;
    app = sse_app_new(&o);
    sse_get(app, "/late", defers, NULL);
    sse_get(app, "/streams-first", streams_first, NULL);
    sse_get(app, "/twice", fails_twice, NULL);
    sse_test_request(app, "GET /late", NULL, NULL, &r);
    sse_test_run(app, 10);
    ok(r.status == 202 && strcmp(r.body, "late") == 0, "what was said in time: %d %s", r.status,
        r.body);
    ask(app, "GET /streams-first?a=&b=&c=&d=", NULL, NULL, 200, NULL);
    ask(app, "GET /twice", NULL, NULL, 500, NULL);
    is_str(warned, "/twice failed: sse_set_attr_ptr: name is NULL",
        "the first failure with the request is the one that is told");
    ask(app, "GET /twice?then=says", NULL, NULL, 200, "said");
    ask(app, "GET /twice?then=lacks", NULL, NULL, 500, NULL);
    is_str(warned, "/twice failed: SSE_E_NOMEM: out of memory", "... but for memory");
    ask(app, "GET /twice?then=lacks", "Accept: text/event-stream\n", NULL, 200, "retry: 2000\n\n");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- hooks that answer ---- */

static void finishes_it(sse_app *app, void *user) { (void)app, (void)sse_finish((sse_req *)user); }

static void answers(sse_req *req, void *user) { /* ?how= */
    const char *how = sse_query(req, "how");
    if (strcmp(how, "text") == 0) sse_puts(sse_out(req), "by the hook");
    if (strcmp(how, "error") == 0) sse_buf_fail(sse_out(req), SSE_E_ARG);
    if (strcmp(how, "status") == 0) sse_set_status(req, 202);
    if (strcmp(how, "fail") == 0) sse_fail(req, 418, "by the hook");
    if (strcmp(how, "file") == 0) IS(sse_send_file(req, (const char *)user, NULL), 0);
    if (strcmp(how, "later") == 0) {
        IS(sse_defer(req), 0);
        sse_after(sse_req_app(req), 0, finishes_it, req);
    }
    if (strcmp(how, "stream") == 0) ok(sse_stream_open(req, NULL).app != NULL, "a stream");
    if (strcmp(how, "none") != 0) return;
    sse_set_header(req, "X-A", "b");
    sse_set_cookie(req, "a", "b", NULL);
    sse_set_attr(req, "a", "b");
    sse_set_type(req, "text/x-own");
}

static void hooks_that_answer(void) {
    static const struct {
        const char *request;
        int         status, in;
    } rows[] = {{"GET /hooked?how=text", 200, 0}, {"GET /hooked?how=error", 500, 0},
        {"GET /hooked?how=status", 202, 0}, {"GET /hooked?how=fail", 418, 0},
        {"GET /hooked?how=file", 200, 0}, {"GET /hooked?how=later", 204, 0},
        {"GET /hooked?how=stream", 200, 0}, {"GET /hooked?how=none", 200, 1}};
    char      file[] = "/tmp/sse-seldom-XXXXXX";
    const int fd = mkstemp(file);
    sse_app  *app = app_new();
    size_t    i;
    int       in;
    ok(fd >= 0 && write(fd, "file", 4) == 4, "a file");
    sse_before(app, "/hooked", answers, file);
    sse_get(app, "/hooked", let_in, &in);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        in = 0;
        ask(app, rows[i].request, NULL, NULL, rows[i].status, NULL);
        is_int(in, rows[i].in, "... whether its handler runs");
        sse_test_close(&r);
    }
    sse_app_free(app);
    close(fd);
    unlink(file);
}

/* ---- come back later ---- */

static void comes_back_in(sse_req *req, void *user) { /* ?ms= */
    (void)user;
    if (sse_query(req, "headers")) sse_set_header(req, "X-A", "b");
    IS(sse_come_back(req, (int)sse_parse_int(sse_query(req, "ms"), 0)), 0);
    IS(sse_come_back(req, 5000), SSE_E_STATE); /* the first one stays */
}

static void silent(sse_req *req, void *user) { (void)req, (void)user; }

static void opens_wrongly(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.status = 199;
    ok(!sse_stream_open(req, &o).app, "no stream");
}

static void come_back(void) {
    static const char events[] = "Accept: text/event-stream\n",
                      datastar[] = "Datastar-Request: true\n";
    static const struct {
        const char *request, *headers;
        int         status;
        const char *body, *retry_after;
    } rows[] = {
        {"GET /back", NULL, 503, "there is no room at the moment: come back later\n", "2"},
        {"GET /back?ms=1", NULL, 503, NULL, "1"},
        {"GET /back?ms=1000", NULL, 503, NULL, "1"},
        {"GET /back?ms=1001", NULL, 503, NULL, "2"},
        {"GET /back?ms=59999", datastar, 200, "retry: 59999\n\n", "60"},
        {"GET /back", events, 200, "retry: 2000\n\n", "2"},
        {"POST /back", datastar, 503, NULL, "2"},
        {"GET /silent", events, 200, "retry: 2000\n\n", NULL},
        {"GET /silent", datastar, 204, "", NULL},
        {"GET /silent", NULL, 204, "", NULL},
        {"GET /said?fail=500", events, 500, "why\n", NULL},
        {"GET /said?status=202", events, 202, "", NULL},
        {"GET /opens", datastar, 200, "retry: 2000\n\n", NULL},
        {"GET /opens", NULL, 500, NULL, NULL},
    };
    sse_app *app = app_new();
    char     status[40];
    size_t   i;
    sse_get(app, "/back", comes_back_in, NULL);
    sse_post(app, "/back", comes_back_in, NULL);
    sse_get(app, "/silent", silent, NULL);
    sse_get(app, "/opens", opens_wrongly, NULL);
    sse_get(app, "/said", shapes, NULL);
    IS(sse_log_access(app), 0);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const bool  comes = rows[i].status == 200;
        const char *value;
        ask(app, rows[i].request, rows[i].headers, rows[i].request[0] == 'P' ? "" : NULL,
            rows[i].status, rows[i].body);
        value = sse_test_header(&r, "Retry-After");
        is_str(value ? value : "none", rows[i].retry_after ? rows[i].retry_after : "none",
            "... in how many seconds");
        value = sse_test_header(&r, "Content-Type");
        ok((value && strcmp(value, "text/event-stream") == 0) == comes, "... a stream: %d", comes);
        ok((sse_test_header(&r, "Cache-Control") != NULL) == comes, "... that is not kept");
        ok((sse_test_header(&r, "Connection") != NULL) == comes, "... nor its connection");
        snprintf(status, sizeof status, " HTTP/1.1\" %d ", rows[i].status);
        ok(strstr(told, status) != NULL, "... as the log says: %s", told);
        sse_test_close(&r);
    }
    sse_app_free(app);
}

/* ---- forms and parts ---- */

static void form(sse_req *req, void *user) {
    const char *f = sse_form(req, "f"), *g = sse_form(req, "g");
    (void)user;
    ok(!f || strcmp(f, sse_signal(req, "f")) == 0, "a field is a signal as well");
    sse_printf(sse_out(req), "%s %s", f ? f : "-", g ? g : "-");
}

static int stop_at; /* the call with a part that ends the body; 0: none does */

static int stopping_part(sse_req *req, const sse_part *part, sse_str chunk, int status,
    void *user) {
    (void)on_part(req, part, chunk, status, user);
    if (!status && !part) sse_puts(sse_out(req), "whole");
    if (!stop_at || --stop_at) return 0;
    sse_puts(sse_out(req), "enough");
    return 1;
}

static void parts(sse_req *req, void *user) { /* ?want= */
    (void)user;
    IS(sse_body_parts(req, stopping_part, NULL), (int)sse_parse_int(sse_query(req, "want"), 0));
}

static void no_parts(sse_req *req, void *user) {
    (void)user;
    IS(sse_body_parts(req, NULL, NULL), SSE_E_ARG);
}

static void reads_scarcely(sse_req *req, void *user) { /* the allocation that fails is *user */
    const char *text;
    if (req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = *(long *)user;
    text = sse_signal(req, "f");
    *(long *)user = fail_at;
    fail_at = 0;
    sse_puts(sse_out(req), text ? text : "none");
}

/* What a body holds is read, or the answer is 500: its client is not blamed. */
static void bodies_without_memory(sse_app *app) {
    static const char *const rows[][2] = {{"Content-Type: application/json\n", "{\"f\":\"text\"}"},
        {"Content-Type: application/x-www-form-urlencoded\n", "f=text&g=2"},
        {"Content-Type: multipart/form-data; boundary=b\n",
            "--b\r\nContent-Disposition: form-data; name=f\r\n\r\ntext\r\n--b--"}};
    size_t                   i;
    long                     n, at;
    sse_post(app, "/reads", reads_scarcely, &at);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        for (n = 1, at = 0; n < 40 && !at; n++) {
            at = n;
            is_int(sse_test_request(app, "POST /reads", rows[i][0], rows[i][1], &r), 0, rows[i][1]);
            ok((!at && r.status == 500) || (r.status == 200 && strcmp(r.body, "text") == 0),
                "... without allocation %ld: %d %s", n, r.status, r.body);
        }
        ok(at && n > 2, "... %ld failed", n - 2);
    }
}

#define PART(name, text) "--b\r\nContent-Disposition: form-data; " name "\r\n\r\n" text "\r\n"

static void forms_and_parts(void) {
    static const char multi[] = "Content-Type: multipart/form-data; boundary=b\n",
                      plain[] = "Content-Type: application/x-www-form-urlencoded\n",
                      malformed[] = "the form is not well-formed, or holds a NUL\n",
                      two[] = PART("name=n", "one") PART("name=m", "two") "--b--\r\n";
    static char huge[SSE__PART_HEADERS + 100] = "--b\r\nA: ";
    static const struct {
        const char *request, *type, *text;
        int         status, stop;
        const char *body, *told; /* told: to the function of parts */
    } rows[] = {
        {"POST /form", plain, "f=1&g=2", 200, 0, "1 2", NULL},
        {"POST /form", plain, "f=1&%zz=2", 400, 0, malformed, NULL},
        {"POST /form", plain, "f=%zz", 400, 0, malformed, NULL},
        {"POST /form", multi,
            PART("name=f; filename=x", "file") PART("name=f", "text") PART("name=g", "") "--b--",
            200, 0, "text ", NULL},
        {"POST /form", multi, PART("name=f", "text") PART("name=g; filename=x", "f") "--b--", 200,
            0, "text -", NULL},
        {"POST /form", multi, PART("name=f", "text"), 400, 0, malformed, NULL},
        {"POST /form", plain, "f=a%00b&g=2", 400, 0, malformed, NULL},
        {"POST /form", "Content-Type: multipart/form-data\n", "x", 400, 0, malformed, NULL},
        {"POST /form", "Content-Type: text/plain\n", "f=1", 200, 0, "- -", NULL},
        {"POST /parts", multi, two, 200, 0, "whole", "n:1:one n:0: m:1:two m:0: end:0: "},
        {"POST /parts", multi, two, 200, 1, "enough", "n:1:one "},
        {"POST /parts", multi, two, 200, 2, "enough", "n:1:one n:0: "},
        {"POST /parts", multi, two, 200, 3, "enough", "n:1:one n:0: m:1:two "},
        {"POST /parts", multi, PART("name=n", "one"), 400, 0,
            "the multipart body is not well-formed\n", "n:1:one end:-12: "},
        {"POST /parts", multi, "--b\r\nno field\r\n\r\n", 400, 0,
            "the multipart body is not well-formed\n", "end:-12: "},
        {"POST /parts", multi, huge, 431, 0, "the headers of a part are too large\n", "end:-12: "},
        {"POST /parts?want=-12", plain, "f=1", 415, 0,
            "only multipart/form-data is taken here, with a boundary of 1 to 70 characters\n", ""},
    };
    sse_route_options later;
    sse_app          *app = app_new();
    size_t            i;
    memset(huge + strlen(huge), 'a', sizeof huge - 1 - strlen(huge));
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_post(app, "/form", form, NULL);
    sse_route(app, "/parts", parts, NULL, &later);
    sse_route(app, "/no-parts", no_parts, NULL, &later);
    ask(app, "POST /no-parts", multi, two, 500, NULL);
    bodies_without_memory(app);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        said[0] = '\0';
        stop_at = rows[i].stop;
        ask(app, rows[i].request, rows[i].type, rows[i].text, rows[i].status, rows[i].body);
        if (rows[i].told) is_str(said, rows[i].told, "... what its function was told");
    }
    sse_test_close(&r);
    sse_app_free(app);
}

/* Sends it whatever the request is, with a status of its own. What fails is the file's to say. */
static void as_status(sse_req *req, void *user) { /* ?status=404&errno=24 */
    const int status = (int)sse_parse_int(sse_query(req, "status"), 0);
    const int error = (int)sse_parse_int(sse_query(req, "errno"), 0);
    if (status) IS(sse_set_status(req, status), 0);
    refuse("open(path", error != 0, error);
    IS(sse_send_file(req, (const char *)user, NULL), error ? SSE_E_IO : 0);
    refuse("", 0, 0);
}

static void dated(char *field, size_t room, const char *before, time_t t) {
    struct tm tm;
    char      date[40];
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(field, room, "%s: %s\n", before, date);
}

/* Who may have a part of a file, who is told that it has not changed, and who gets all of it. */
static void parts_of_files(void) {
    enum { NEVER = 2000000000 }; /* a date that no file has */
    static const sse_file listed[] = {{"/m.txt", "0123456789", 10}, {NULL, NULL, 0}};
    static const struct {
        const char *request, *headers, *date; /* date: the name of a field with the file's */
        int         later;                    /* that date is so much later */
        int         status;
        const char *body, *field, *value; /* of the reply */
    } rows[] = {
        {"GET /file", "", "If-Unmodified-Since", 10, 200, "0123456789", NULL, NULL},
        {"GET /file", "", "If-Modified-Since", 10, 304, "", NULL, NULL},
        {"GET /file", "Range: bytes=2-4\n", "If-Range", 10, 200, "0123456789", NULL, NULL},
        {"POST /file", "Range: bytes=2-4\n", NULL, 0, 200, "0123456789", NULL, NULL},
        {"POST /file", "Range: bytes=2-4\n", "If-Range", 0, 200, "0123456789", NULL, NULL},
        {"POST /file", "", "If-Modified-Since", 10, 200, "0123456789", NULL, NULL},
        {"POST /file", "", "If-Unmodified-Since", -10, 200, "0123456789", NULL, NULL},
        {"POST /file", "If-None-Match: *\n", NULL, 0, 200, "0123456789", NULL, NULL},
        {"POST /file", "If-Match: \"x\"\n", NULL, 0, 200, "0123456789", NULL, NULL},
        {"HEAD /file", "", "If-Modified-Since", 10, 304, "", NULL, NULL},
        {"HEAD /file", "If-Match: \"x\"\n", NULL, 0, 412, "", NULL, NULL},
        {"GET /file", "Range: bytes=2-4\nIf-Range: *\n", NULL, 0, 200, "0123456789", NULL, NULL},
        {"GET /list/m.txt", "", "If-Modified-Since", 0, 200, "0123456789", "Last-Modified", NULL},
        {"GET /list/m.txt", "", "If-Unmodified-Since", -NEVER, 200, "0123456789", NULL, NULL},
        {"GET /list/m.txt", "Range: bytes=2-4\n", NULL, 0, 206, "234", NULL, NULL},
        {"GET /list/m.txt", "Range: bytes=2-4\n", "If-Range", 0, 200, "0123456789", NULL, NULL},
        {"GET /empty", "Range: bytes=0-0\n", NULL, 0, 416, "", "Content-Range", "bytes */0"},
        {"GET /empty", "Range: bytes=-5\n", NULL, 0, 200, "", "Content-Range", NULL},
        {"GET /file?status=404", "Range: bytes=2-4\n", NULL, 0, 404, "0123456789", "Content-Range",
            NULL},
        {"GET /file?status=404", "", "If-Modified-Since", 0, 404, "0123456789", NULL, NULL},
        {"GET /file?status=412", "", NULL, 0, 412, "0123456789", "Content-Length", "10"},
        {"GET /file?status=416", "", NULL, 0, 416, "0123456789", "Content-Range", "bytes */10"},
        {"GET /file?status=204", "", NULL, 0, 204, "", "Content-Length", NULL},
        {"GET /dir/a.txt", "Range: bytes=2-4\n", NULL, 0, 206, "234", NULL, NULL},
        {"GET /dir/a.txt", "Range: bytes=2-4\n", "If-Range", 0, 200, "0123456789", "Vary",
            "Accept-Encoding"},
#ifndef SSE_NO_COMPRESSION
        {"GET /file?small=1", "Range: bytes=2-4\n", NULL, 0, 206, "234", "Vary", "Accept-Encoding"},
        {"GET /file?small=1", "Range: bytes=2-4\n", "If-Range", 0, 200, "0123456789", "Vary",
            "Accept-Encoding"},
#endif
    };
    char               dir[] = "/tmp/sse-seldom-XXXXXX", file[100], none[100], field[200];
    sse_static_options o;
    sse_app_options    small;
    sse_app           *apps[2];
    struct stat        st;
    FILE              *f;
    size_t             i;
    int                k;
    memset(&o, 0, sizeof o);
    memset(&small, 0, sizeof small);
    o.files = listed;
    small.compress_min_bytes = 1;
    if (!mkdtemp(dir)) return;
    snprintf(none, sizeof none, "%s/none.txt", dir);
    f = fopen(none, "w");
    ok(f && fclose(f) == 0, "an empty file");
    snprintf(file, sizeof file, "%s/a.txt", dir);
    f = fopen(file, "w");
    ok(f && fputs("0123456789", f) >= 0 && fclose(f) == 0 && stat(file, &st) == 0, "a file");
    apps[0] = app_new();
    apps[1] = sse_app_new(&small);
    for (k = 0; k < 2; k++) {
        sse_get(apps[k], "/file", as_status, file);
        sse_post(apps[k], "/file", as_status, file);
        sse_get(apps[k], "/empty", as_status, none);
        sse_static(apps[k], "/list", NULL, &o);
        sse_static(apps[k], "/dir", dir, NULL);
    }
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *value;
        size_t      n = strlen(rows[i].headers);
        snprintf(field, sizeof field, "%s", rows[i].headers);
        if (rows[i].date)
            dated(field + n, sizeof field - n, rows[i].date, st.st_mtime + rows[i].later);
        ask(apps[strstr(rows[i].request, "small") != NULL], rows[i].request, field,
            rows[i].request[0] == 'P' ? "" : NULL, rows[i].status, rows[i].body);
        if (!rows[i].field) continue;
        value = sse_test_header(&r, rows[i].field);
        is_str(value ? value : "none", rows[i].value ? rows[i].value : "none", rows[i].field);
    }
    ask(apps[0], "GET /file?errno=2", NULL, NULL, 404, "there is nothing at /file\n"); /* ENOENT */
    snprintf(field, sizeof field, "cannot send %s: %s", file, strerror(ENOENT));
    is_str(warned, field, "... in the log");
    for (k = 0; k < 5; k++) {
        static const int errors[] = {EMFILE, ENFILE, ENOMEM, EOVERFLOW, EACCES},
                         statuses[] = {503, 503, 503, 500, 404};
        static const char *const bodies[] = {"Service Unavailable\n", "Service Unavailable\n",
            "Service Unavailable\n", "Internal Server Error\n", "there is nothing at /file\n"};
        snprintf(field, sizeof field, "GET /file?errno=%d", errors[k]);
        ask(apps[0], field, NULL, NULL, statuses[k], bodies[k]);
        ok(!strstr(r.body, "0123"), "... and no file: %s", strerror(errors[k]));
    }
    sse_app_free(apps[0]);
    sse_app_free(apps[1]);
    sse_test_close(&r);
    ok(unlink(file) == 0 && unlink(none) == 0 && rmdir(dir) == 0, "the directory goes");
}

/* Files in memory are read for their ETag once: a peer may ask as often as it likes. */
static void tags_of_memory(void) {
    static char        bytes[2][10] = {"one", "two"};
    const sse_file     listed[] = {{"/1", bytes[0], 3}, {"/2", bytes[1], 3}, {NULL, NULL, 0}};
    sse_static_options o;
    sse_app           *app = app_new();
    char               tags[2][40], path[20];
    int                i, again;
    memset(&o, 0, sizeof o);
    o.files = listed;
    is_int(sse_static(app, "/list", NULL, &o), 0, "files in memory");
    for (again = 0; again < 2; again++) {
        for (i = 0; i < 2; i++) {
            const char *tag;
            snprintf(path, sizeof path, "GET /list/%d", i + 1);
            ask(app, path, NULL, NULL, 200, bytes[i]);
            tag = sse_test_header(&r, "ETag");
            if (again) is_str(tag, tags[i], "... that is not made anew");
            snprintf(tags[i], sizeof tags[i], "%s", tag);
        }
        ok(strcmp(tags[0], tags[1]) != 0, "each has an ETag");
        bytes[0][0] = bytes[1][0] = 'X';
    }
    sse_test_close(&r);
    sse_app_free(app);
}

/* What a file is saved as, when it was changed, and what of it is asked for. */
static void files(void) {
    char                     path[] = "/tmp/sse-seldom-XXXXXX";
    const int                fd = mkstemp(path);
    sse_app                 *app = app_new();
    const char              *modified;
    static const char *const if_range[] = {"", "W/", "\"another\", ", "*, "};
    char                     field[200], etag[100];
    struct stat              st;
    struct tm                tm;
    time_t                   t;
    size_t                   k;
    int                      open;
    ok(fd >= 0 && write(fd, "0123456789", 10) == 10 && fstat(fd, &st) == 0, "a file");
    sse_get(app, "/file", download, path);
    sse_get(app, "/nothing", no_file, NULL);
    sse_get(app, "/directory", no_plain_file, (void *)"/tmp");
    sse_get(app, "/device", no_plain_file, (void *)"/dev/null");
    ask(app, "GET /file", NULL, NULL, 200, "0123456789");
    ok(!strstr(warned, path), "nothing to warn of: %s", warned);
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
    snprintf(etag, sizeof etag, "%s", sse_test_header(&r, "ETag"));
    for (k = 0; k < SSE__COUNT(if_range); k++) {
        snprintf(field, sizeof field, "Range: bytes=2-4\nIf-Range: %s%s\n", if_range[k], etag);
        ask(app, "GET /file", field, NULL, k ? 200 : 206, k ? "0123456789" : "234");
    }
    ask(app, "GET /file", "Range: bytes=20-\n", NULL, 416, NULL);
    is_str(sse_test_header(&r, "Content-Range"), "bytes */10", "how long it is");
    ask(app, "HEAD /file", "Range: bytes=2-4\n", NULL, 200, "");
    ask(app, "GET /file", "If-Modified-Since: yesterday\n", NULL, 200, "0123456789");
    ask(app, "GET /nothing", NULL, NULL, 500, NULL);
    sse_test_close(&r);
    open = descriptors();
    ask(app, "GET /directory", NULL, NULL, 404, "there is nothing at /directory\n");
    snprintf(field, sizeof field, "cannot send /tmp: %s", strerror(EISDIR));
    is_str(warned, field, "... in the log");
    ask(app, "GET /device", NULL, NULL, 404, NULL);
    snprintf(field, sizeof field, "cannot send /dev/null: %s", strerror(EINVAL));
    is_str(warned, field, "... likewise");
    sse_test_close(&r);
    is_int(descriptors(), open, "... and no descriptor is left");
    close(fd);
    unlink(path);
    sse_get(app, "/fifo", no_plain_file, path);
    is_int(mkfifo(path, 0600), 0, "a FIFO");
    alarm(60);
    ask(app, "GET /fifo", NULL, NULL, 404, NULL);
    alarm(0);
    snprintf(field, sizeof field, "cannot send %s: %s", path, strerror(EINVAL));
    is_str(warned, field, "... to which nobody writes holds nobody up");
    unlink(path);
    sse_app_free(app);
    sse_test_close(&r);
}

/* ---- answers without memory ---- */

/* ?n= bytes, or the file *user; what follows the handler lacks memory */
static long answer_at;
static void then_lacks(sse_req *req, void *user) {
    int n = (int)sse_parse_int(sse_query(req, "n"), 0);
    if (!n) IS(sse_send_file(req, (const char *)user, NULL), 0);
    for (; n > 0; n--) sse_puts(sse_out(req), n % 7 ? "some" : "text");
    if (answer_at && req->arena.blocks) req->arena.used = req->arena.blocks->size;
    fail_at = answer_at;
}

/* What arrives is one of the two replies that it may be, whole, or none. */
static void answers_without_memory(void) {
    static const char *const rows[][2] = {{"GET /a?n=500", "Accept-Encoding: gzip\n"},
        {"GET /a?n=10000", NULL}, {"GET /a", NULL},
        {"GET /a", "Accept-Encoding: identity\nAccept-Encoding: gzip\n"},
        {"GET /a", "Range: bytes=1-3\n"}};
    char                     file[] = "/tmp/sse-seldom-XXXXXX.txt";
    FILE                    *f;
    size_t                   i;
    int                      fd = mkstemps(file, 4), k, error;
    f = fd < 0 ? NULL : fdopen(fd, "w");
    for (k = 0; f && k < 2000; k++) fprintf(f, "line %d\n", k);
    ok(f && fclose(f) == 0, "a file");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app       *app = app_new();
        sse_test_reply plain, best;
        long           n;
        bool           failed = true;
        sse_get(app, "/a", then_lacks, file);
        memset(&plain, 0, sizeof plain);
        memset(&best, 0, sizeof best);
        answer_at = 0;
        sse_test_request(app, rows[i][0], NULL, NULL, &plain);
        sse_test_request(app, rows[i][0], rows[i][1], NULL, &best);
        ok(plain.complete && best.complete, "%s: two replies", rows[i][0]);
        sse_app_free(app);
        for (n = 1; n < 60 && failed; n++) {
            const sse_test_reply *want;
            app = app_new();
            sse_get(app, "/a", then_lacks, file);
            answer_at = n;
            error = sse_test_request(app, rows[i][0], rows[i][1], NULL, &r);
            failed = fail_at == 0;
            fail_at = 0;
            want = r.status == plain.status && !sse_test_header(&r, "Content-Encoding") ? &plain
                                                                                        : &best;
            ok(error || r.status == 0 || r.status == 500 || !r.complete ||
                    (r.status == want->status && r.body_len == want->body_len &&
                        memcmp(r.body, want->body, r.body_len) == 0 &&
                        own_fields_of(r.head) == own_fields_of(want->head)),
                "%s without allocation %ld: %d, %lu bytes", rows[i][0], n, r.status,
                (unsigned long)r.body_len);
            ok(failed || (r.complete && r.body_len == best.body_len), "... or the best of them");
            answer_at = 0;
            ask(app, rows[i][0], rows[i][1], NULL, best.status, NULL);
            ok(r.body_len == best.body_len && memcmp(r.body, best.body, r.body_len) == 0,
                "... which is the next one");
            sse_test_close(&r);
            sse_app_free(app);
        }
        ok(!failed, "... %ld failed", n - 2);
        sse_test_close(&plain);
        sse_test_close(&best);
    }
    unlink(file);
}

/* ---- names and places of files ---- */

static void saves_as(sse_req *req, void *user) { /* ?name= */
    const char *name = sse_query(req, "name");
    if (*name == 0x1F) sse_set_header(req, "X-Content-Type-Options", "sniff");
    IS(sse_send_file(req, (const char *)user, name), 0);
}

static void write_text(const char *dir, const char *name, const char *text) {
    char  path[100];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    ok(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s", name);
}

static const char *etag_of(sse_app *app, const char *request, char tag[100]) {
    ask(app, request, NULL, NULL, 200, NULL);
    snprintf(tag, 100, "%s", sse_test_header(&r, "ETag"));
    return tag;
}

static void places_of_files(void) {
    static const sse_file    listed[] = {{"/a.txt", "abc", 3}, {"/b.txt", "abd", 3},
           {"/c.css", "abcd", 2}, {"/empty", NULL, 0}, {NULL, NULL, 0}};
    static const char *const names[][2] = {
        {"b%25c", "filename=\"b_c\"; filename*=UTF-8''b%25c"},
        {"%1f%20%7e%7f", "filename=\"_ ~_\"; filename*=UTF-8''%1F%20~%7F"},
        {"../../etc/passwd", "filename=\"passwd\"; filename*=UTF-8''passwd"},
        {"C:\\dir/a\\b.txt", "filename=\"b.txt\"; filename*=UTF-8''b.txt"},
        {"dir/", ""},
        {"a%ff%c3", "filename=\"a__\""},
        {"", ""},
    };
    char               dir[] = "/tmp/sse-seldom-XXXXXX", path[200], tags[4][100];
    sse_static_options o;
    struct timespec    times[2];
    sse_app           *app = app_new();
    size_t             i;
    memset(&o, 0, sizeof o);
    memset(times, 0, sizeof times);
    if (!mkdtemp(dir)) return;
    write_text(dir, "a.txt", "0123");
    write_text(dir, "b.txt", "0123");
    write_text(dir, ".hidden", "dot");
    snprintf(path, sizeof path, "%s/a.txt", dir);
    sse_get(app, "/save", saves_as, path);
    IS(sse_static(app, "/d", dir, NULL), 0);
    IS(sse_static(app, "/all", "/", NULL), 0);
    o.dotfiles = true;
    o.cache_control = "no-store";
    IS(sse_static(app, "/dots", dir, &o), 0);
    o.files = listed;
    IS(sse_static(app, "/listed", NULL, &o), 0);
    for (i = 0; i < SSE__COUNT(names); i++) {
        char request[100], want[120];
        snprintf(request, sizeof request, "GET /save?name=%s", names[i][0]);
        snprintf(want, sizeof want, "attachment%s%s", *names[i][1] ? "; " : "", names[i][1]);
        ask(app, request, NULL, NULL, 200, "0123");
        is_str(sse_test_header(&r, "Content-Disposition"), want, "... its name");
        is_str(sse_test_header(&r, "X-Content-Type-Options"), i == 1 ? "sniff" : "nosniff",
            "... and it is what it says it is, unless the program thinks otherwise");
    }
    ask(app, "GET /d/a.txt", NULL, NULL, 200, "0123");
    is_str(sse_test_header(&r, "Cache-Control"), "no-cache", "a file is asked about each time");
    is_str(sse_test_header(&r, "X-Content-Type-Options"), "nosniff", "... is what it says it is");
    is_str(sse_test_header(&r, "Accept-Ranges"), "bytes", "... and there are parts of it");
    ask(app, "GET /d/.hidden", NULL, NULL, 404, "there is nothing at /d/.hidden\n");
    ask(app, "GET /dots/.hidden", NULL, NULL, 200, "dot");
    is_str(sse_test_header(&r, "Cache-Control"), "no-store", "... as the options say");
    ask(app, "GET /dots//.hidden", NULL, NULL, 404, NULL);
    ask(app, "GET /d/none", NULL, NULL, 404, "there is nothing at /d/none\n");
    ask(app, "POST /d/a.txt", NULL, "", 405, "files can only be read\n");
    is_str(sse_test_header(&r, "Allow"), "GET, HEAD, OPTIONS", "... as these methods do");
    ask(app, "OPTIONS /d/a.txt", NULL, NULL, 204, "");
    is_str(sse_test_header(&r, "Allow"), "GET, HEAD, OPTIONS", "... which may be asked");
    snprintf(path, sizeof path, "GET /all%s/a.txt", dir);
    ask(app, path, NULL, NULL, 200, "0123");
    ask(app, "GET /listed/empty", NULL, NULL, 200, "");
    ask(app, "GET /listed/c.css", NULL, NULL, 200, "ab");
    is_str(sse_test_header(&r, "Content-Type"), "text/css; charset=utf-8", "... a style");
    ok(strcmp(etag_of(app, "GET /listed/a.txt", tags[0]),
           etag_of(app, "GET /listed/b.txt", tags[1])) != 0 &&
            strcmp(tags[0], etag_of(app, "GET /listed/c.css", tags[2])) != 0,
        "other bytes have other tags: %s %s", tags[0], tags[1]);
    /* two files of one size and date; one of another date, by a nanosecond and by a second */
    for (i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s.txt", dir, i == 1 ? "b" : "a");
        times[0].tv_sec = times[1].tv_sec = i == 3 ? 1000001 : 1000000;
        times[0].tv_nsec = times[1].tv_nsec = i == 2 ? 1000 : 0;
        ok(utimensat(AT_FDCWD, path, times, 0) == 0, "a date");
        etag_of(app, i == 1 ? "GET /d/b.txt" : "GET /d/a.txt", tags[i]);
    }
    ok(strcmp(tags[0], tags[1]) != 0, "another file has another tag: %s", tags[1]);
#if defined(st_mtime)
    ok(strcmp(tags[0], tags[2]) != 0, "... so it has a microsecond later: %s", tags[2]);
#endif
    ok(strcmp(tags[0], tags[3]) != 0, "... a second later: %s", tags[3]);
    refuse("open(path", -1, EMFILE);
    ask(app, "GET /d/a.txt", NULL, NULL, 503, "Service Unavailable\n");
    write_text(dir, "a.txt.gz", "as if compressed");
    refuse("open(path", 1, EMFILE);
    ask(app, "GET /d/a.txt", "Accept-Encoding: gzip\n", NULL, 200, "0123");
    ok(!sse_test_header(&r, "Content-Encoding"), "... as the other cannot be opened now");
    ask(app, "GET /d/a.txt", "Accept-Encoding: gzip\n", NULL, 200, "as if compressed");
    refuse("open(path", -1, EOVERFLOW);
    ask(app, "GET /d/a.txt", NULL, NULL, 500, "Internal Server Error\n");
    is_str(warned,
        "sse_static: of 2 GiB and more, or dated after 2038: compile with "
        "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 (/d/a.txt)",
        "... in the log");
    refuse("", 0, 0);
    sse_test_close(&r);
    sse_app_free(app);
    snprintf(path, sizeof path, "rm -r %s", dir);
    is_int(system(path), 0, "the directory goes");
}

#ifndef SSE_NO_COMPRESSION
static void says(sse_req *req, void *user) { sse_puts(sse_out(req), (const char *)user); }

/* Files that are compressed, at once or by a thread, and those that would not be shorter. */
static void compressed_files(void) {
    static const char gzip[] = "Accept-Encoding: gzip\n";
    char              dir[] = "/tmp/sse-seldom-XXXXXX", path[100], tag[100], weak[100];
    static char       text[100001], noise[2001];
    sse_app          *app = app_new();
    uint32_t          x = 1;
    int               i;
    if (!mkdtemp(dir)) return;
    for (i = 0; i < 100000; i++) text[i] = "a line of some words\n"[i % 21];
    for (i = 0; i < 2000; i++) noise[i] = (char)(33 + (x = x * 1664525 + 1013904223) / 65536 % 222);
    write_text(dir, "large.txt", text);
    write_text(dir, "noise.txt", noise);
    text[3000] = '\0';
    write_text(dir, "small.txt", text);
    snprintf(path, sizeof path, "%s/small.txt", dir);
    IS(sse_static(app, "/d", dir, NULL), 0);
    sse_get(app, "/status", as_status, path);
    for (i = 0; i < 2; i++) {
        ask(app, "GET /d/noise.txt", gzip, NULL, 200, noise);
        ok(!sse_test_header(&r, "Content-Encoding"), "what would not be shorter is sent as it is");
    }
    ask(app, "GET /status", gzip, NULL, 200, NULL);
    ok(sse_test_header(&r, "Content-Encoding") && r.body_len < 200, "a text is compressed");
    ask(app, "GET /status", NULL, NULL, 200, text);
    ask(app, "GET /status?status=404", gzip, NULL, 404, text);
    sse_get(app, "/shapes", shapes, NULL);
    sse_get(app, "/noise", says, noise);
    for (i = 0; i < 2; i++) {
        char request[1200];
        snprintf(request, sizeof request, "GET /shapes?status=%d&text=%01100d", i ? 206 : 204, 0);
        ask(app, request, gzip, NULL, i ? 206 : 204, NULL);
        ok(!sse_test_header(&r, "Content-Encoding") && !sse_test_header(&r, "Vary"),
            "no text, or a part of one, is not compressed");
    }
    for (i = 0; i < 2; i++) {
        char request[1200];
        snprintf(request, sizeof request, "GET /shapes?field=ETag&value=%s%%22x%%22&text=%01100d",
            i ? "W/" : "", 0);
        ask(app, request, gzip, NULL, 200, NULL);
        is_str(sse_test_header(&r, "ETag"), "W/\"x\"", "the tag of what is compressed is weak");
    }
    ask(app, "GET /noise", gzip, NULL, 200, noise);
    is_str(sse_test_header(&r, "Vary"), "Accept-Encoding", "noise is not shorter");
    ask(app, "GET /status", "Accept-Encoding: gzip\nRange: bytes=2-5\n", NULL, 206, "line");
    ask(app, "GET /d/large.txt", gzip, NULL, 200, NULL);
    ok(sse_test_header(&r, "Content-Encoding") && r.body_len < 5000, "a large one as it leaves");
    snprintf(weak, sizeof weak, "%s", sse_test_header(&r, "ETag"));
    for (i = 0; i < 10000 && (i == 0 || !sse_test_header(&r, "Content-Length")); i++) {
        sse_test_run(app, 1);
        (void)poll(NULL, 0, 1);
        (void)sse_test_request(app, "HEAD /d/large.txt", gzip, NULL, &r);
    }
    ask(app, "GET /d/large.txt", gzip, NULL, 200, NULL);
    snprintf(tag, sizeof tag, "W/%s", sse_test_header(&r, "ETag"));
    ok(sse_test_header(&r, "Content-Length") && r.body_len < 5000, "... until that is done");
    ok(SSE__IF_THREADS(strcmp(tag, weak), strcmp(tag + 2, weak)) == 0,
        "other bytes, so that the tag was a weak one: %s %s", tag, weak);
    write_text(dir, "huge.txt", text);
    snprintf(path, sizeof path, "%s/huge.txt", dir);
    is_int(truncate(path, SSE__CACHE_MAX_FILE + 1), 0, "one that is never kept");
    ask(app, "GET /d/huge.txt", gzip, NULL, 200, NULL);
    ok(sse_test_header(&r, "Content-Encoding") && sse_test_header(&r, "Transfer-Encoding"),
        "... is compressed as it leaves");
    snprintf(tag, sizeof tag, "If-None-Match: %s\n%s", sse_test_header(&r, "ETag"), gzip);
    ask(app, "GET /d/huge.txt", tag, NULL, 304, "");
    ok(!sse_test_header(&r, "Transfer-Encoding"), "... if at all");
    sse_test_close(&r);
    sse_app_free(app);
    snprintf(path, sizeof path, "rm -r %s", dir);
    is_int(system(path), 0, "the directory goes");
}

static void many_small_files(void) { /* more than there are places for */
    enum { MANY = SSE__CACHE_FILES + 8 };
    static char        text[2001], names[MANY][20];
    sse_file           listed[MANY + 1];
    sse_static_options o;
    sse_app           *app = app_new();
    char               request[40];
    size_t             i, bytes = 0;
    memset(&o, 0, sizeof o);
    memset(listed, 0, sizeof listed);
    memset(text, 't', sizeof text - 1);
    for (i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "/%d.txt", (int)i);
        listed[i].path = names[i];
        listed[i].bytes = text;
        listed[i].len = 2000 - i;
    }
    o.files = listed;
    IS(sse_static(app, "/l", NULL, &o), 0);
    for (i = 0; i < MANY; i++) {
        snprintf(request, sizeof request, "GET /l%s", names[i]);
        ask(app, request, "Accept-Encoding: gzip\n", NULL, 200, NULL);
        ok(sse_test_header(&r, "Content-Encoding") != NULL, "... compressed");
    }
    for (i = 0; i < SSE__CACHE_FILES; i++) bytes += app->files->at[i].block->len;
    is_int((long long)app->files->bytes, (long long)bytes, "those that are kept are counted");
    sse_test_close(&r);
    sse_app_free(app);
}
#endif

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
    int       error = -1, part = 0, open;
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
        part += !error && (strcmp(r.body, "none") || !sse_test_header(&r, "Content-Length"));
        fail_at = 0;
        sse_test_close(&r);
    }
    ok(!error && n > 4, "%ld allocations fail", n - 2);
    is_int(part, 0, "... and of no reply a part is taken for all");
    sse_app_free(app);
    app = app_new();
    fail_at = 1;
    is_int(sse_test_run(app, 0), SSE_E_NOMEM, "nor does a test begin without memory");
    fail_at = 0;
    is_int(sse_test_run(app, 0), 0, "... but then");
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
    char               dir[] = "/tmp/sse-seldom-XXXXXX", file[100], head[200];
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
    snprintf(head, sizeof head, "If-Match: \"x\"\nIf-Match: %s\n", sse_test_header(&r, "ETag"));
    ask(app, "GET /d/index.html", head, NULL, 200, "index");
    snprintf(head, sizeof head, "If-Match: \"x\"\nIf-Match: \"y\"\nIf-Match: %s\n",
        sse_test_header(&r, "ETag"));
    ask(app, "GET /d/index.html", head, NULL, 200, "index");
    ask(app, "GET /d/index.html", "If-Match: \"x\"\nIf-Match: \"y\"\n", NULL, 412, NULL);
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

static void pokes(sse_req *req, void *user) { (void)user, sse_puts(sse_out(req), "done"); }

static void pages_elsewhere(void) { /* what a page may send, by what its browser says of it */
    static const struct {
        const char *allowed, *cors, *head;
        int         status;
    } rows[] = {{NULL, NULL, NULL, 200}, {NULL, NULL, "Origin: http://localhost\n", 200},
        {NULL, NULL, "Origin: http://evil.example\n", 403}, {NULL, NULL, "Origin: null\n", 403},
        {NULL, NULL, "Origin: http://localhost\nOrigin: http://evil.example\n", 403},
        {NULL, NULL, "Origin: http://localhost\nOrigin: http://localhost\n", 403},
        {NULL, NULL, "Sec-Fetch-Site: same-origin\n", 200},
        {NULL, NULL, "Sec-Fetch-Site: none\n", 200},
        {NULL, NULL, "Sec-Fetch-Site: same-site\n", 403},
        {NULL, NULL, "Sec-Fetch-Site: cross-site\n", 403},
        {"https://a.example", NULL, "Origin: https://a.example\n", 200},
        {"https://a.example", NULL, "Origin: https://b.example\n", 403},
        {"*", NULL, "Origin: https://b.example\n", 200},
        {NULL, "https://a.example", "Origin: https://a.example\n", 200},
        {NULL, "https://a.example", "Origin: https://b.example\n", 403},
        {NULL, "*", "Origin: https://a.example\n", 403}, {NULL, "*", "Origin: null\n", 403},
        {NULL, "* https://a.example", "Origin: https://a.example\n", 200},
        {NULL, "* https://a.example", "Origin: https://b.example\n", 403}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app_options o;
        sse_app        *app;
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        o.allowed_origins = rows[i].allowed;
        o.cors_origins = rows[i].cors;
        app = sse_app_new(&o);
        sse_post(app, "/poke", pokes, NULL);
        ask(app, "POST /poke", rows[i].head, "x=1", rows[i].status, NULL);
        sse_app_free(app);
    }
}

static void shows_host(sse_req *req, void *user) {
    const sse_pair *pair = sse_header_all(req);
    (void)user;
    while (pair && strcmp(pair->name, "Host")) pair = pair->next;
    sse_printf(sse_out(req), "%s %s %s", sse_header(req, "host"), pair ? pair->value : "none",
        sse_path(req));
}

static void hosts(void) { /* an absolute target says which; the field is not believed */
    sse_app *app = app_new();
    sse_get(app, "/host/{path...}", shows_host, NULL);
    IS(sse_log_access(app), 0);
    ask(app, "GET /host/a", "Host: localhost:80\n", NULL, 200, "localhost:80 localhost:80 /host/a");
    ask(app, "GET http://localhost/host/a?b", "Host: evil.example\n", NULL, 200,
        "localhost localhost /host/a");
    ok(strstr(told, "\"GET http://localhost/host/a?b HTTP/1.1\" 200 ") != NULL, "%s", told);
    ask(app, "GET http://LOCALHOST:8/host/b", "Host: evil.example\n", NULL, 200,
        "LOCALHOST:8 LOCALHOST:8 /host/b");
    sse_test_close(&r);
    sse_app_free(app);
}

int main(void) {
    pages_elsewhere();
    hosts();
    requests();
    shapes_of_replies();
    heads_of_replies();
    requests_after_others();
    cookies();
    ages();
    attributes();
    order_of_calls();
    defers_in_reader();
    hooks_that_answer();
    come_back();
    forms_and_parts();
    without_memory();
    guards_without_memory();
    files_after_failures();
    files();
    parts_of_files();
    tags_of_memory();
    answers_without_memory();
    places_of_files();
#ifndef SSE_NO_COMPRESSION
    compressed_files();
    many_small_files();
#endif
    no_requests();
    wrong_streams();
    uses();
    opens_without_memory();
    resumes_without_memory();
    sends_without_memory();
    fields_of_streams();
    access_log();
    setting_up();
    begin_without_memory();
    many_watches();
    ends_of_timers();
    lines_of_a_watch();
    watches_refused();
    loops_refused();
    directories();
    origins();
    return tap_done();
}
