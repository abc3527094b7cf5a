/* request.c: what a handler reads of a request: queries, fields, cookies, forms, signals, who asks;
   and what the monitor tells of them. The first byte chooses; each is compared with a second
   reader, or with what was written. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include <ctype.h>
#include "fuzz.h"
#include "tree.h"

enum { PATHS = 6, PAIRS = 8 };

static sse_app *app, *guarded; /* guarded: whose pages other origins may not use */
static sse_buf  shown;         /* by the handler */
static char     asked[PATHS][100];
static int      asks;

static void silent(int level, const char *line, void *user) {
    (void)level, (void)user;
    CHECK(strcspn(line, "\r\n") == strlen(line)); /* one line, whatever a peer sent */
}

/* Each text with its length, so that none of them can look like two. */
static void show(sse_buf *b, const char *s, size_t n) {
    if (!s) sse_puts(b, "-;");
    else {
        sse_printf(b, "%zu:", n);
        sse_raw(b, s, n);
        sse_puts(b, ";");
    }
}

static void show_text(sse_buf *b, const char *s) { show(b, s, s ? strlen(s) : 0); }

static void show_pairs(sse_buf *b, const sse_pair *pair) {
    for (; pair; pair = pair->next) {
        show_text(b, pair->name);
        show_text(b, pair->value);
    }
}

static void signals(sse_req *req, void *user) {
    int i;
    (void)user;
    for (i = 0; i < asks; i++) show_text(&shown, sse_signal(req, asked[i]));
    sse_puts(sse_out(req), "read");
}

static void form(sse_req *req, void *user) {
    const sse_pair *pair = sse_form_all(req);
    int             i;
    (void)user;
    show_pairs(&shown, pair);
    for (; pair; pair = pair->next) { /* each is found by its name */
        for (i = 0;
             sse_form_at(req, pair->name, i) && sse_form_at(req, pair->name, i) != pair->value;)
            i++;
        CHECK(sse_form_at(req, pair->name, i) == pair->value);
    }
    sse_puts(sse_out(req), "read");
}

static void head(sse_req *req, void *user) {
    const sse_pair *pair = sse_query_all(req);
    (void)user;
    show_pairs(&shown, pair);
    for (; pair; pair = pair->next) {
        const sse_str bytes = sse_query_bytes(req, pair->name);
        CHECK(same(bytes, sse__text(sse_query(req, pair->name))));
    }
    show_pairs(&shown, sse_cookie_all(req));
    for (pair = sse_header_all(req); pair; pair = pair->next) {
        if (strncmp(pair->name, "X-", 2)) continue;
        show_text(&shown, pair->name);
        show_text(&shown, pair->value);
    }
    show_text(&shown, sse_header_at(req, "x-A", 1));
    sse_puts(sse_out(req), "read");
}

static void basic(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_basic(req, "a \"realm\"", "ann", "pa:s")) sse_puts(sse_out(req), "in");
}

static void bearer(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_bearer(req, "YW5uOnBhOnM")) sse_puts(sse_out(req), "in");
}

static void guard(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "in");
}

static void allow(sse_req *req, void *user) { (void)req, (void)user; }

static void open_stream(sse_req *req, void *user) {
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    o.label = sse_query(req, "label");
    s = sse_stream_open(req, &o);
    if (sse_query(req, "t")) (void)sse_subscribe(s, sse_query(req, "t"));
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "%s", sse_view_param(view, "id"));
}

static void setup(void) {
    sse_app_options o;
    if (app) return;
    memset(&o, 0, sizeof o);
    o.on_log = silent;
    o.slow_ms = SSE_OFF;
    app = sse_app_new(&o);
    CHECK(app);
    CHECK(!sse_get(app, "/signals", signals, NULL) && !sse_post(app, "/signals", signals, NULL));
    CHECK(!sse_post(app, "/form", form, NULL) && !sse_get(app, "/head", head, NULL));
    CHECK(!sse_get(app, "/basic", basic, NULL) && !sse_get(app, "/bearer", bearer, NULL));
    CHECK(!sse_get(app, "/s/{id}", open_stream, NULL) && !sse_live(app, "/v/{id}", render, NULL));
    CHECK(!sse_monitor(app, "/_sse", allow, NULL));
    o.allowed_origins = "https://app.example http://x.test:8080";
    o.cors_origins = "https://cors.example null";
    guarded = sse_app_new(&o);
    CHECK(guarded && !sse_get(guarded, "/", guard, NULL) && !sse_post(guarded, "/", guard, NULL));
}

static int ask_of(sse_app *of, const char *request, const char *headers, const char *body,
    sse_test_reply *reply) {
    shown.len = 0;
    memset(reply, 0, sizeof *reply);
    CHECK(sse_test_request(of, request, headers, body, reply) == SSE_OK);
    CHECK(reply->complete);
    return reply->status;
}

/* A request whose answer is over; shown is then what its handler read. Returns the status. */
static int ask(const char *request, const char *headers, const char *body, sse_test_reply *reply) {
    return ask_of(app, request, headers, body, reply);
}

static bool has(sse_str s, int from, int to) { /* a byte of these */
    size_t i;
    for (i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= from && (unsigned char)s.ptr[i] <= to) return true;
    return false;
}

/* ---- signals ---- */

static void fuzz_signals(input *in) {
    const unsigned how = take(in);
    sse_buf        want = {NULL, 0, 0, 0}, request = {NULL, 0, 0, 0};
    sse_str        s;
    char          *json;
    tree          *all;
    const tree    *top, *at;
    sse_test_reply reply;
    int            i, status = 200;
    asks = 1 + (int)(how >> 4) % PATHS;
    for (i = 0; i < asks; i++) {
        s = take_until(in, '\n');
        if (s.len >= sizeof asked[i]) s.len = sizeof asked[i] - 1;
        snprintf(asked[i], sizeof asked[i], "%.*s", SSE_STR(s));
    }
    s = take_text(in, 3000);
    if (s.len && memchr(s.ptr, 0, s.len)) return;
    json = sse__strdup(s);
    all = tree_of(json);
    top = all;
    if (s.len && (!all || !is_utf8(json) || tree_depth(all) > SSE_JSON_DEPTH)) {
        status = 400;
        top = NULL;
    }
    at = top ? tree_at(top, "datastar") : NULL;
    if (top && top->kind == '{' && at && at->kind == '{') top = at;
    for (i = 0; i < asks; i++) {
        at = top ? tree_at(top, asked[i]) : NULL;
        if (!at || at->kind == 'n') show(&want, NULL, 0);
        else if (at->kind != '"') show(&want, at->raw.ptr, at->raw.len);
        else if (memchr(at->text, 0, at->text_n)) {
            show(&want, NULL, 0);
            status = 400;
        } else show(&want, at->text, at->text_n);
    }
    sse_puts(&request, how & 1 ? "GET /signals?datastar=" : "POST /signals");
    if (how & 1) sse__escape_url(&request, s);
    i = ask(sse_buf_text(&request), how & 1 ? NULL : "Content-Type: application/json\n",
        how & 1 ? NULL : json, &reply);
    if (i != status || !same(sse__str(shown.ptr, shown.len), sse__str(want.ptr, want.len)))
        fprintf(stderr, "%s\n%d, not %d: %.*s\nnot %.*s\n", json, i, status, (int)shown.len,
            shown.ptr, (int)want.len, want.ptr);
    CHECK(i == status && same(sse__str(shown.ptr, shown.len), sse__str(want.ptr, want.len)));
    sse_test_close(&reply);
    tree_free(all);
    SSE_FREE(json);
    sse_buf_free(&want);
    sse_buf_free(&request);
}

/* ---- forms ---- */

static void put_encoded(sse_buf *b, sse_str s, unsigned how) {
    size_t i;
    for (i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.ptr[i];
        if (c == ' ' && how & 1) sse_puts(b, "+");
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && !(how >> i % 8 & 1))
            sse_raw(b, s.ptr + i, 1);
        else sse_printf(b, how & 2 ? "%%%02x" : "%%%02X", c);
    }
}

/* What is written as either kind of form is read; of files nothing is. A NUL refuses it. */
static void fuzz_form(input *in) {
    const unsigned kind = take(in);
    const bool     parts = kind & 1;
    sse_buf        body = {NULL, 0, 0, 0}, want = {NULL, 0, 0, 0};
    sse_test_reply reply;
    int            n = 0, status = 200;
    while (n < PAIRS && in->left) {
        const unsigned how = take(in);
        const sse_str  name = take_until(in, '\n'), value = take_text(in, take(in) % 64);
        n++;
        if (parts) {
            if (has(name, 0, 0x1F) || has(name, 0x7F, 0x7F) || has(name, '"', '"') ||
                has(name, '\\', '\\') || name.len > 200)
                goto done;
            if (has(value, 0, 0) || memmem(value.ptr, value.len, "--B", 3)) goto done;
            sse_printf(&body, "--B\r\n%sContent-Disposition: form-data; name=\"%.*s\"%s\r\n\r\n",
                how & 1 ? "X: y\r\n" : "", SSE_STR(name), how & 2 ? "; filename=\"f\"" : "");
            sse__put_str(&body, value);
            sse_puts(&body, "\r\n");
            if (how & 2) continue;
        } else {
            if (n > 1) sse_puts(&body, how & 64 ? "&&" : "&");
            put_encoded(&body, name, how);
            if (value.len || name.len == 0 || how & 128) sse_puts(&body, "=");
            put_encoded(&body, value, how);
            if (has(name, 0, 0) || has(value, 0, 0)) {
                status = 400;
                continue;
            }
        }
        show(&want, name.len ? name.ptr : "", name.len);
        show(&want, value.len ? value.ptr : "", value.len);
    }
    if (parts) sse_puts(&body, kind & 2 ? "--B--\r\nepilogue" : "--B--");
    n = ask("POST /form",
        parts ? "Content-Type: Multipart/Form-Data;boundary=B\n"
              : "content-type: application/x-www-form-urlencoded; charset=utf-8\n",
        sse_buf_text(&body), &reply);
    CHECK(n == status && same(sse__str(shown.ptr, shown.len), sse__str(want.ptr, want.len)));
    sse_test_close(&reply);
done:
    sse_buf_free(&body);
    sse_buf_free(&want);
}

/* ---- fields, cookies, queries ---- */

static bool plain_value(sse_str s) { /* without blanks at its ends, which are not part of it */
    size_t i;
    for (i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7F) return false;
    return !s.len || (s.ptr[0] != ' ' && s.ptr[s.len - 1] != ' ');
}

static void fuzz_head(input *in) {
    sse_buf request = {NULL, 0, 0, 0}, headers = {NULL, 0, 0, 0}, want = {NULL, 0, 0, 0},
            fields = {NULL, 0, 0, 0}, cookies = {NULL, 0, 0, 0};
    sse_test_reply reply;
    sse_str        second = sse__str(NULL, 0);
    int            n = 0, of_a = 0, pairs = 0;
    sse_puts(&request, "GET /head?");
    while (n++ < 20 && in->left) {
        const unsigned how = take(in);
        const sse_str  value = take_until(in, '\n');
        char           name[4] = {'n', (char)('a' + how % 4), '\0', '\0'};
        switch (how / 4 % 3) {
        case 0:
            if (has(value, 0, 0)) goto done;
            if (pairs++) sse_puts(&request, "&");
            sse_printf(&request, "%s=", name);
            put_encoded(&request, value, how >> 4);
            show_text(&want, name);
            show(&want, value.len ? value.ptr : "", value.len);
            break;
        case 1:
            if (!plain_value(value) || has(value, ';', ';') || has(value, '"', '"')) goto done;
            sse_printf(&headers, "Cookie:%s %s=%.*s%s", how & 64 ? "\t" : "", name, SSE_STR(value),
                how & 128 ? " ; =x;\n" : "\n");
            show_text(&cookies, name);
            show(&cookies, value.len ? value.ptr : "", value.len);
            break;
        default:
            if (!plain_value(value)) goto done;
            name[0] = 'X', name[1] = '-', name[2] = (char)('A' + how % 4);
            sse_printf(&headers, "%s:%s%.*s%s\n", name, how & 64 ? "" : " ", SSE_STR(value),
                how & 128 ? " \t" : "");
            show_text(&fields, name);
            show(&fields, value.len ? value.ptr : "", value.len);
            if (name[2] == 'A' && of_a++ == 1) second = sse__str(value.ptr, value.len);
        }
    }
    sse__put_str(&want, sse__str(cookies.ptr, cookies.len));
    sse__put_str(&want, sse__str(fields.ptr, fields.len));
    show(&want, of_a > 1 && !second.ptr ? "" : second.ptr, second.len);
    if (headers.len + request.len > 8000) goto done;
    CHECK(ask(sse_buf_text(&request), sse_buf_text(&headers), NULL, &reply) == 200);
    CHECK(same(sse__str(shown.ptr, shown.len), sse__str(want.ptr, want.len)));
    sse_test_close(&reply);
done:
    sse_buf_free(&request);
    sse_buf_free(&headers);
    sse_buf_free(&want);
    sse_buf_free(&fields);
    sse_buf_free(&cookies);
}

/* ---- who asks ---- */

/* Decoded as leniently as anybody would. */
static size_t lenient(char *out, sse_str s) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    unsigned bits = 0;
    size_t   i, n = 0;
    int      have = 0;
    for (i = 0; i < s.len; i++) {
        const char *at = s.ptr[i] ? strchr(digits, s.ptr[i]) : NULL;
        const int   v = at ? (int)(at - digits) : 0;
        if (!at) continue;
        bits = bits << 6 | (unsigned)(v < 64 ? v : v - 2);
        if ((have += 6) >= 8) out[n++] = (char)(bits >> (have -= 8));
    }
    return n;
}

/* Nobody comes in who does not say just that; "basic" in any case, and one line of it. */
static void fuzz_auth(input *in) {
    const unsigned           how = take(in);
    const bool               word = how & 1;
    static const char *const schemes[] = {"Basic ", "basic ", "BASIC  ", "Bearer ", "bEARER ",
        "Basic", "", "Basic\t"};
    const sse_str            value = take_until(in, '\n');
    sse_buf                  given = {NULL, 0, 0, 0}, headers = {NULL, 0, 0, 0};
    sse_test_reply           reply;
    char                     decoded[600];
    bool                     in_now, may;
    sse_str                  rest;
    size_t                   n;
    if (!plain_value(value) || value.len > 400) return;
    sse_puts(&given, schemes[how / 2 % 8]);
    if (how & 16) sse_puts(&given, word ? "YW5uOnBhOnM=" : "YW5uOnBhOnM");
    sse__put_str(&given, value);
    sse_printf(&headers, "Authorization: %s\n", sse_buf_text(&given));
    if (how & 128) sse_puts(&headers, "authorization: Basic YW5uOnBhOnM=\n");
    in_now = ask(word ? "GET /basic" : "GET /bearer", sse_buf_text(&headers), NULL, &reply) == 200;
    CHECK(in_now ? !strcmp(reply.body, "in")
                 : reply.status == 401 && sse_test_header(&reply, "WWW-Authenticate"));
    n = word ? 5 : 6;
    rest = sse__text(given.ptr);
    may = !(how & 128) && rest.len > n && rest.ptr[n] == ' ' &&
          !strncasecmp(rest.ptr, word ? "basic" : "bearer", n);
    if (may) rest.ptr += n, rest.len -= n;
    while (rest.len && *rest.ptr == ' ') rest.ptr++, rest.len--;
    if (word) may = may && lenient(decoded, rest) == 8 && !memcmp(decoded, "ann:pa:s", 8);
    else may = may && same(rest, SSE__LIT("YW5uOnBhOnM"));
    CHECK(!in_now || may);
    if (may && (!word || same(rest, SSE__LIT("YW5uOnBhOnM=")))) CHECK(in_now);
    sse_test_close(&reply);
    sse_buf_free(&given);
    sse_buf_free(&headers);
}

/* ---- pages of other origins: RFC 6454, Fetch 3.2 ---- */

/* The name of a host, without a dot at its end, in small letters, and its port. False: none. */
static bool read_host(sse_str s, char name[500], char port[100]) {
    const char *end = s.ptr + s.len, *p = s.ptr, *colon;
    char        inner[80];
    uint8_t     bytes[16];
    size_t      n, i;
    if (!s.len || s.len > 400) return false;
    if (*p == '[') {
        const char *close = (const char *)memchr(p, ']', s.len);
        n = close ? (size_t)(close - p) - 1 : sizeof inner;
        if (n >= sizeof inner) return false;
        memcpy(inner, p + 1, n);
        inner[n] = '\0';
        if (strlen(inner) != n || inet_pton(AF_INET6, inner, bytes) != 1) return false;
        n += 2;
        if (p + n < end && p[n] != ':') return false;
        colon = p + n < end ? p + n : NULL;
    } else {
        colon = (const char *)memchr(p, ':', s.len);
        n = colon ? (size_t)(colon - p) : s.len;
        for (i = 0; i < n; i++)
            if ((unsigned char)p[i] >= 0x80 ||
                (!isalnum((unsigned char)p[i]) && !strchr("-._~", p[i])))
                return false;
        if (!n) return false;
    }
    for (i = 0; i < n; i++) name[i] = (char)tolower((unsigned char)p[i]);
    name[n - (n > 1 && p[n - 1] == '.')] = '\0';
    *port = '\0';
    if (!colon) return true;
    n = (size_t)(end - colon) - 1;
    if (n > 9) return false; /* and is not asked for */
    memcpy(port, colon + 1, n);
    port[n] = '\0';
    return strspn(port, "0123456789") == n && atol(n ? port : "0") <= 65535;
}

static bool same_host(sse_str origin, const char *name, const char *port) {
    char        other[500], its_port[100];
    const char *p = origin.ptr, *end = p + origin.len, *usual = "80";
    size_t      n = 0;
    while (p + n < end && p[n] != ':') n++;
    if ((size_t)(end - p) < n + 3 || memcmp(p + n, "://", 3) || !n) return false;
    if (n == 5 && !strncasecmp(p, "https", 5)) usual = "443";
    if (!isalpha((unsigned char)*p) || (unsigned char)*p >= 0x80) return false;
    while (n--)
        if ((unsigned char)p[n] >= 0x80 || (!isalnum((unsigned char)p[n]) && !strchr("-._~", p[n])))
            return false;
    p = (const char *)memchr(p, ':', origin.len) + 3;
    if (!read_host(sse__str(p, (size_t)(end - p)), other, its_port)) return false;
    return !strcmp(name, other) && !strcmp(*port ? port : usual, *its_port ? its_port : usual);
}

static bool one_of(sse_str s, const char *a, const char *b) {
    return (s.len == strlen(a) && !strncasecmp(s.ptr, a, s.len)) ||
           (s.len == strlen(b) && !strncasecmp(s.ptr, b, s.len));
}

static void fuzz_guards(input *in) {
    static const char *const methods[] = {"GET", "POST", "HEAD", "OPTIONS"};
    static const char *const hosts[] = {"localhost", "127.0.0.1:80", "[::1]:8000", "a.localhost.",
        "example.org", ""};
    static const char *const origins[] = {"http://localhost", "https://cors.example",
        "https://app.example", "http://x.test:8080", "null", "http://127.0.0.1",
        "http://[::1]:8000", ""};
    const unsigned           how = take(in), more = take(in), method = how % 4;
    sse_buf        headers = {NULL, 0, 0, 0}, host = {NULL, 0, 0, 0}, origin = {NULL, 0, 0, 0};
    sse_str        h, o;
    sse_test_reply reply;
    const char    *allow_origin;
    char           name[500], port[100], line[40];
    int            want = 200, got;
    bool           local, cors;
    sse_puts(&host, hosts[how / 4 % SSE__COUNT(hosts)]);
    sse__put_str(&host, take_until(in, '\n'));
    sse_puts(&origin, origins[more % SSE__COUNT(origins)]);
    sse__put_str(&origin, take_until(in, '\n'));
    h = sse__str(sse_buf_text(&host), host.len);
    o = sse__str(sse_buf_text(&origin), origin.len);
    if (!plain_value(h) || !plain_value(o) || h.len + o.len > 800) goto done;
    sse_printf(&headers, "Host: %s\n", h.ptr);
    if (more & 8) sse_printf(&headers, "Origin: %s\n", o.ptr);
    if (more & 16) sse_printf(&headers, "Sec-Fetch-Site: %s\n", more & 32 ? "Cross-Site" : "none");
    if (more & 64) sse_puts(&headers, "Access-Control-Request-Method: PUT\n");
    snprintf(line, sizeof line, "%s /", methods[method]);
    got = ask_of(guarded, line, sse_buf_text(&headers), method == 1 ? "" : NULL, &reply);
    cors = more & 8 && one_of(o, "https://cors.example", "null");
    if (!read_host(h, name, port)) want = 400;
    else {
        size_t  n = strlen(name);
        uint8_t bytes[4];
        local = !strcmp(name, "localhost") || !strcmp(name, "[::1]") ||
                (n > 10 && !strcmp(name + n - 10, ".localhost")) ||
                (inet_pton(AF_INET, name, bytes) == 1 && bytes[0] == 127);
        if (!local) want = 421;
        else if (method == 3) want = 204;
        else if (method == 1 && more & 8 && !cors && !same_host(o, name, port) &&
                 !one_of(o, "https://app.example", "http://x.test:8080"))
            want = 403;
        else if (method == 1 && !(more & 8) && more & 16 && more & 32) want = 403;
    }
    if (got != want) fprintf(stderr, "%s\n%s%d, not %d\n", line, headers.ptr, got, want);
    CHECK(got == want);
    CHECK(want != 200 || method == 2 || !strcmp(reply.body, "in"));
    allow_origin = sse_test_header(&reply, "Access-Control-Allow-Origin");
    CHECK(want == 400 || want == 421 || !cors ? !allow_origin
                                              : allow_origin && !strcmp(allow_origin, o.ptr));
    CHECK(!sse_test_header(&reply, "Access-Control-Allow-Methods") ==
          !(allow_origin && method == 3 && more & 64));
    sse_test_close(&reply);
done:
    sse_buf_free(&headers);
    sse_buf_free(&host);
    sse_buf_free(&origin);
}

/* ---- what the monitor makes of it ---- */

static void fuzz_monitor(input *in) {
    static const char *const looks[] = {"/_sse/metrics.json", "/_sse/metrics", "/_sse",
        "/_sse/live?"};
    sse_test_reply           reply, open[4];
    sse_buf                  request = {NULL, 0, 0, 0};
    unsigned                 how = take(in);
    int                      n = 0, i;
    tree                    *t;
    char                    *json;
    memset(open, 0, sizeof open);
    while (n < 4 && in->left && (how >> n & 1)) { /* streams and views whose names peers chose */
        const sse_str a = take_until(in, '\n'), b = take_until(in, '\n'), c = take_until(in, '\n');
        if (has(a, 0, 0) || has(b, 0, 0) || has(c, 0, 0) || a.len + b.len + c.len > 900) break;
        request.len = 0;
        sse_puts(&request, how >> n & 16 ? "GET /v/" : "GET /s/");
        sse__escape_url(&request, a);
        sse_puts(&request, "?who=");
        sse__escape_url(&request, b);
        sse_puts(&request, "&label=");
        sse__escape_url(&request, b);
        sse_puts(&request, "&t=");
        sse__escape_url(&request, c);
        CHECK(sse_test_request(app, sse_buf_text(&request), NULL, NULL, &open[n++]) == SSE_OK);
    }
    for (i = 0; i < 3; i++) {
        request.len = 0;
        sse_printf(&request, "GET %s", looks[i]);
        ask(sse_buf_text(&request), NULL, NULL, &reply);
        CHECK(reply.status == 200);
        if (i == 0) { /* whatever they are called, it is JSON */
            json = sse__strdup(sse__str(reply.body, reply.body_len));
            t = tree_of(json);
            if (!t) fprintf(stderr, "%s\n", json);
            CHECK(t && is_utf8(json));
            tree_free(t);
            SSE_FREE(json);
        }
        sse_test_close(&reply);
    }
    request.len = 0; /* its live page, as somebody wants to see it */
    sse_printf(&request, "GET %s", looks[3]);
    for (i = 0; i < 5 && in->left; i++) {
        static const char *const names[] = {"q", "sort", "topics", "page", "rows"};
        const sse_str            value = take_until(in, '\n');
        if (has(value, 0, 0) || value.len > 600) break;
        sse_printf(&request, "&%s=", names[i]);
        sse__escape_url(&request, value);
    }
    memset(&reply, 0, sizeof reply);
    CHECK(sse_test_request(app, sse_buf_text(&request), NULL, NULL, &reply) == SSE_OK);
    CHECK(reply.status == 200 && reply.open);
    CHECK(!sse_test_run(app, 1500));
    json = sse__strdup(sse__str(reply.body, reply.body_len));
    CHECK(strlen(json) == reply.body_len && is_utf8(json));
    {
        char *line, *rest = json; /* each event of it is JSON */
        while ((line = strsep(&rest, "\n")) != NULL) {
            if (strncmp(line, "data: ", 6)) continue;
            t = tree_of(line + 6);
            if (!t) fprintf(stderr, "%s\n", line);
            CHECK(t);
            tree_free(t);
        }
    }
    SSE_FREE(json);
    sse_test_close(&reply);
    for (i = 0; i < n; i++) sse_test_close(&open[i]);
    sse_buf_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    setup();
    switch (take(&in) % 6) {
    case 0: fuzz_signals(&in); break;
    case 1: fuzz_form(&in); break;
    case 2: fuzz_head(&in); break;
    case 3: fuzz_auth(&in); break;
    case 5: fuzz_guards(&in); break;
    default: fuzz_monitor(&in);
    }
    free(own);
    return 0;
}
