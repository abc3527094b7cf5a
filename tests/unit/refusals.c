/* What a program that sets an app up wrongly is told: the argument or option, and why. */
#define _DEFAULT_SOURCE
#include <sys/resource.h>

static rlim_t most_files; /* that may be open. 0: as it is; RLIM_INFINITY - 1: who knows */

static int limit_of_test(int what, struct rlimit *limit) {
    const int error = getrlimit((__typeof__(RLIMIT_NOFILE))what, limit);
    if (most_files) limit->rlim_cur = most_files;
    return most_files == RLIM_INFINITY - 1 ? -1 : error;
}
#define getrlimit(what, limit) limit_of_test((int)(what), limit)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static char line[600]; /* the latest warning or error that was logged */
static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(line, sizeof line, "%s", text);
}

static const char *logged(void) { return line; }

static void handler(sse_req *req, void *user) {
    (void)req;
    (void)user;
}

static sse_app *fresh(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    line[0] = '\0';
    return sse_app_new(&o);
}

/* The call answered code; the log and sse_app_error say text, and serving answers the same code. */
static void refused(sse_app *app, int got, int code, const char *text) {
    sse_serve_options o;
    const char       *why;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    is_int(got, code, text);
    is_str(logged(), text, "... is logged");
    is_int(sse_app_error(app, &why), code, "... and kept");
    is_str(why, text, "... with its words");
    is_int(sse_serve(app, &o), code, "... for who serves");
    sse_app_free(app);
}

static void test_log_line(void) { /* CO1: what a peer sends is shown, and obeyed by no terminal */
    static const struct {
        const char *sent, *shown;
    } rows[] = {{"GET /a\r\nb\x7F", "GET /a??b?"}, {"\x1B[31m\t\x01", "?[31m??"},
        {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
        {"a\xC2\x9B"
         "31m",
            "a??31m"},
        {"\xC2\x80\xC2\x9F\xC2\xA0", "????\xC2\xA0"},
        {"a\x9B"
         "31m",
            "a?31m"},
        {"\xC2", "?"}, {"\xE2\x80", "??"}, {"\xFF\xC0\x80", "???"}, {"\xD8\x9C", "??"},
        {"\xD8\x9B", "\xD8\x9B"},                                 /* U+061C, U+061B */
        {"\xE2\x80\x8E\xE2\x80\x8F", "??????"},                   /* U+200E, U+200F */
        {"\xE2\x80\x8D\xE2\x80\x90", "\xE2\x80\x8D\xE2\x80\x90"}, /* beside them */
        {"\xE2\x80\xA8\xE2\x80\xAA\xE2\x80\xAE", "?????????"},    /* U+2028, 202A, 202E */
        {"\xE2\x80\xA7\xE2\x80\xAF", "\xE2\x80\xA7\xE2\x80\xAF"}, /* beside them */
        {"\xE2\x81\xA6\xE2\x81\xA9", "??????"},                   /* U+2066, U+2069 */
        {"\xE2\x81\xA5\xE2\x81\xAA", "\xE2\x81\xA5\xE2\x81\xAA"}};
    sse_app *app = fresh();
    size_t   i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse__log(app, SSE_LOG_WARNING, "%s", rows[i].sent);
        is_str(logged(), rows[i].shown, "in its line");
    }
    sse_app_free(app);
}

static void test_app_error(void) {
    sse_app    *app = fresh();
    const char *why;
    is_int(sse_app_error(app, &why), SSE_OK, "a new app has no error");
    is_str(why, "", "... and no words");
    (void)sse_get(app, "one", handler, NULL);
    (void)sse_get(app, "two", handler, NULL);
    is_int(sse_app_error(app, &why), SSE_E_ARG, "the first mistake stays"); /* CO2 */
    is_str(why, "route GET one: a path begins with /", "... with its words");
    is_int(sse_app_error(app, NULL), SSE_E_ARG, "which need not be asked for");
    is_int(sse_app_error(NULL, &why), SSE_E_ARG, "no app");
    is_str(why, "there is no app: sse_app_new has logged why", "... has a reason too");
    is_int(sse_app_error(NULL, NULL), SSE_E_ARG, "... which need not be asked for");
    sse_app_free(app);
}

/* CO2: once it runs, a mistake is the call's own. */
static void test_at_run_time(void) {
    sse_app    *app = fresh();
    const char *why;
    ok(sse_poll(app, 0) > 0, "a new app runs");
    is_int(sse_get(app, "none", handler, NULL), SSE_E_ARG, "a mistake of a call at run time");
    ok(sse_poll(app, 0) > 0, "... leaves it running");
    (void)sse_get(app, "/a", handler, NULL);
    is_int(sse_get(app, "/a", handler, NULL), SSE_E_STATE, "another");
    is_int(sse_app_error(app, &why), SSE_E_STATE, "the latest is told");
    is_str(why, "route GET /a: one of that method and shape is there already: /a",
        "... with its words");
    sse_app_free(app);
}

/* Without an on_log what is wrong goes to stderr, and nothing else. */
static void test_stderr(void) {
    char      heard[400] = "", name[] = "/tmp/sse-refusals-XXXXXX";
    const int before = dup(2), fd = mkstemp(name);
    sse_app  *app = sse_app_new(NULL);
    ssize_t   n;
    ok(before >= 0 && fd >= 0 && dup2(fd, 2) == 2, "(stderr is a file)");
    unlink(name);
    (void)sse_get(app, "one", handler, NULL);
    sse__log(app, SSE_LOG_WARNING, "%s", "careful");
    sse__log(app, SSE_LOG_INFO, "%s", "by the way");
    sse__log(app, SSE_LOG_DEBUG, "%s", "in detail");
    sse_app_free(app);
    dup2(before, 2);
    close(before);
    n = pread(fd, heard, sizeof heard - 1, 0);
    heard[n > 0 ? n : 0] = '\0';
    close(fd);
    is_str(heard, "sse.h: error: route GET one: a path begins with /\nsse.h: warning: careful\n",
        "errors and warnings are on stderr, by their names");
}

static void test_routes(void) {
    static const struct {
        const char *path, *text;
    } bad[] = {
        {"a", "route GET a: a path begins with /"},
        {"/a?b", "route GET /a?b: a path has no query: what follows the ? is read with sse_query"},
        {"/}", "route GET /}: a } without its {"},
        {"/{a", "route GET /{a: a { without its }"},
        {"/{a/b}", "route GET /{a/b}: a { without its }"},
        {"/{}", "route GET /{}: a param without a name"},
        {"/{a}{b}", "route GET /{a}{b}: two params with nothing between them"},
        {"/{a}/{b}/{a}",
            "route GET /{a}/{b}/{a}: two params of one name: the second could not be read"},
        {"/a/../b", "route GET /a/../b: no request matches a . or .. segment"},
        {"/a/.", "route GET /a/.: no request matches a . or .. segment"},
        {"/a%20b", "route GET /a%20b: paths are matched decoded: write the character, not its %XX"},
        {NULL, "route GET : path is NULL"},
    };
    sse_route_options o;
    sse_app          *app;
    size_t            i;
    for (i = 0; i < SSE__COUNT(bad); i++) {
        app = fresh();
        refused(app, sse_get(app, bad[i].path, handler, NULL), SSE_E_ARG, bad[i].text);
    }
    app = fresh();
    ok(!sse_get(app, "/.well-known/..a/100%/b", handler, NULL),
        "a dot first, and a percent sign, may be");
    sse_app_free(app);
    app = fresh();
    (void)sse_get(app, "/a/{name}", handler, NULL);
    refused(app, sse_get(app, "/a/{id}", handler, NULL), SSE_E_STATE,
        "route GET /a/{id}: one of that method and shape is there already: /a/{name}");
    app = fresh();
    refused(app, sse_post(app, "/", NULL, NULL), SSE_E_ARG, "route POST /: the handler is NULL");
    memset(&o, 0, sizeof o);
    o.method = "get";
    app = fresh();
    refused(app, sse_route(app, "/", handler, NULL, &o), SSE_E_ARG,
        "route get /: .method is case-sensitive: write it in capitals");
    o.method = "G T";
    app = fresh();
    refused(app, sse_route(app, "/", handler, NULL, &o), SSE_E_ARG,
        "route G T /: .method is no token: \"GET\", \"POST\", ...; \"*\": all");
    app = fresh();
    refused(app, sse_mount(app, "", handler, NULL), SSE_E_ARG, "mount : for the root write /");
    app = fresh();
    refused(app, sse_mount(app, "a", handler, NULL), SSE_E_ARG, "mount * a: a path begins with /");
    app = fresh();
    refused(app, sse_mount(app, NULL, handler, NULL), SSE_E_ARG, "mount : prefix is NULL");
    app = fresh();
    refused(app, sse_datastar(app, NULL, "x.js"), SSE_E_ARG, "route GET : path is NULL");
    app = fresh();
    refused(app, sse_mount(app, "/a/{b}", handler, NULL), SSE_E_ARG,
        "mount * /a/{b}: what is below a prefix is sse_param(req, \"path\"): it has no params of "
        "its own");
    app = fresh();
    (void)sse_mount(app, "/a/", handler, NULL);
    refused(app, sse_mount(app, "/a", handler, NULL), SSE_E_STATE,
        "mount * /a: one of that method and shape is there already: /a");
}

static void app_refused(const char *text, const char *name) {
    is_str(logged(), text, name);
    line[0] = '\0';
}

static void test_app_texts(void) { /* OP1 */
    static const struct {
        size_t      at;
        const char *value, *text;
    } bad[] = {
#define TEXT(field) offsetof(sse_app_options, field)
        {TEXT(secret), "",
            ".secret \"\": empty: words by spaces, the first one signs; "
            "behind base64: comes base64, or NULL"},
        {TEXT(secret), "  ",
            ".secret \"  \": empty: words by spaces, the first one signs; "
            "behind base64: comes base64, or NULL"},
        {TEXT(secret), "fine base64:no+",
            ".secret \"base64:...\": words by spaces, the first one signs; "
            "behind base64: comes base64"},
        {TEXT(secret), "base64:",
            ".secret \"base64:...\": words by spaces, the first one signs; "
            "behind base64: comes base64"},
        {TEXT(trusted_proxies), "10.0.0.1 10.0.0.0/8",
            ".trusted_proxies \"10.0.0.0/8\": an address as inet_ntop writes it, without port or "
            "range, or unix"},
        {TEXT(trusted_proxies), "10.0.0.1,10.0.0.2",
            ".trusted_proxies \"10.0.0.1,10.0.0.2\": an address as inet_ntop writes it, "
            "without port or range, or unix"},
        {TEXT(trusted_proxies), "2001:0db8::1",
            ".trusted_proxies \"2001:0db8::1\": an address as inet_ntop writes it, without port or "
            "range, or unix"},
        {TEXT(trusted_proxies), "0000:0000:0000:0000:0000:0000:0000:0000:000000",
            ".trusted_proxies \"0000:0000:0000:0000:0000:0000:0000:0000:000000\": an address as "
            "inet_ntop writes it, without port or range, or unix"},
        {TEXT(trusted_proxies), "::ffff:10.0.0.1",
            ".trusted_proxies \"::ffff:10.0.0.1\": an address as inet_ntop writes it, "
            "without port or range, or unix"},
        {TEXT(trusted_proxies), "*",
            ".trusted_proxies \"*\": an address as inet_ntop writes it, without port or range, "
            "or unix"},
        {TEXT(allowed_hosts), "a.example https://b.example",
            ".allowed_hosts \"https://b.example\": a host name without scheme and port, "
            "IPv6 in brackets, or *"},
        {TEXT(allowed_hosts), "a.example:8000",
            ".allowed_hosts \"a.example:8000\": a host name without scheme and port, "
            "IPv6 in brackets, or *"},
        {TEXT(allowed_hosts), "a.example.",
            ".allowed_hosts \"a.example.\": a host name without scheme and port, "
            "IPv6 in brackets, or *"},
        {TEXT(allowed_hosts), "*.example",
            ".allowed_hosts \"*.example\": a host name without scheme and port, IPv6 in brackets, "
            "or *"},
        {TEXT(allowed_hosts), "",
            ".allowed_hosts \"\": empty: a host name without scheme and port, IPv6 in brackets, "
            "or *, or NULL"},
        {TEXT(allowed_origins), "a.example",
            ".allowed_origins \"a.example\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(allowed_origins), "https://a.example/",
            ".allowed_origins \"https://a.example/\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(allowed_origins), "https://a.example:443",
            ".allowed_origins \"https://a.example:443\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(cors_origins), "http://a.example:80",
            ".cors_origins \"http://a.example:80\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(cors_origins), "https://a.example:",
            ".cors_origins \"https://a.example:\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(cors_origins), "* https://*.example",
            ".cors_origins \"https://*.example\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(cors_origins), "Null",
            ".cors_origins \"Null\": as browsers say it: https://example.com, "
            "without path and usual port, or *"},
        {TEXT(cors_origins), " ",
            ".cors_origins \" \": empty: as browsers say it: https://example.com, "
            "without path and usual port, or *, or NULL"},
    };
    static const struct {
        size_t      at;
        const char *value;
    } good[] = {
        {TEXT(secret), "new old"},
        {TEXT(secret), "new base64:AAECAw== base64:-_8 base64"},
        {TEXT(trusted_proxies), "unix 10.0.0.1 2001:db8::1 ::1"},
        {TEXT(allowed_hosts), "a.example [::1] *"},
        {TEXT(allowed_origins), "https://a.example http://b.example:8080 null http://[::1]:443"},
        {TEXT(allowed_origins), " https://a.example:80  http://a.example:443 "},
        {TEXT(cors_origins), "*"},
    };
    sse_app_options o;
    char            text[400];
    size_t          i;
    for (i = 0; i < SSE__COUNT(bad); i++) {
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        *(const char **)(void *)((char *)&o + bad[i].at) = bad[i].value;
        ok(!sse_app_new(&o), "%s", bad[i].text);
        snprintf(text, sizeof text, "sse_app_new: %s", bad[i].text);
        app_refused(text, "... is logged");
    }
    for (i = 0; i < SSE__COUNT(good); i++) {
        sse_app *app;
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        *(const char **)(void *)((char *)&o + good[i].at) = good[i].value;
        app = sse_app_new(&o);
        ok(app != NULL, "%s", good[i].value);
        sse_app_free(app);
    }
}

static void test_app_numbers(void) {
    static const struct {
        size_t      at;
        int         value;
        const char *text;
    } bad[] = {
        {TEXT(max_headers), 10001, ".max_headers 10001: not within 1..10000"},
        {TEXT(max_fields), -1, ".max_fields -1: less than 1"},
        {TEXT(max_connections), -1, ".max_connections -1: less than 1"},
        {TEXT(max_per_peer), -1, ".max_per_peer -1: less than 0"},
        {TEXT(max_views), -1, ".max_views -1: less than 1"},
        {TEXT(max_topics), -1, ".max_topics -1: less than 1"},
        {TEXT(header_timeout_ms), -2, ".header_timeout_ms -2: less than -1, SSE_OFF"},
        {TEXT(body_timeout_ms), -2, ".body_timeout_ms -2: less than -1, SSE_OFF"},
        {TEXT(keepalive_ms), -5, ".keepalive_ms -5: less than -1, SSE_OFF"},
        {TEXT(send_timeout_ms), -5, ".send_timeout_ms -5: less than -1, SSE_OFF"},
        {TEXT(compress_window), 12, ".compress_window 12: not within 16..24"},
        {TEXT(compress_quality), 12, ".compress_quality 12: not within 1..11"},
    };
#undef TEXT
    sse_app_options o;
    sse_app        *app;
    char            text[200];
    size_t          i;
    for (i = 0; i < SSE__COUNT(bad); i++) {
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        *(int *)(void *)((char *)&o + bad[i].at) = bad[i].value;
        ok(!sse_app_new(&o), "%s", bad[i].text);
        snprintf(text, sizeof text, "sse_app_new: %s", bad[i].text);
        app_refused(text, "... is logged");
    }
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.max_header_bytes = SSE_UNLIMITED;
    ok(!sse_app_new(&o), "a head has a limit");
    o.max_header_bytes = 100;
    ok(!sse_app_new(&o), "... that it fits into");
    app_refused("sse_app_new: .max_header_bytes 100: not within 128..16777216", "... is logged");
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.cors_origins = "*";
    o.cors_credentials = true;
    ok(!sse_app_new(&o), "not everyone with cookies");
    app_refused(
        "sse_app_new: .cors_credentials: not with .cors_origins *, every page could act as its "
        "visitor: name them",
        "... is logged");
    o.cors_origins = "https://a.example null";
    sse_app_free(app = sse_app_new(&o));
    ok(app != NULL, "... but those that are named");
}

/* OP1: each number by itself, at both ends of what it may be, and one beyond. */
static void test_each_number(void) {
    static const struct {
        const char *name;
        size_t      at;
        bool        is_size;
        long long   otherwise, min, max;
    } rows[] = {
#define NUMBER(is_size, field, otherwise, min, max) \
    {#field, offsetof(sse_app_options, field), is_size, otherwise, min, max}
        NUMBER(true, max_header_bytes, 16384, 128, 16777216),
        NUMBER(true, max_body_bytes, 1048576, 1, 0),
        NUMBER(true, max_queue_bytes, 1048576, 1, 0),
        NUMBER(true, max_call_bytes, 67108864, 1, 0),
        NUMBER(true, max_bodies_bytes, 67108864, 1, 0),
        NUMBER(true, compress_min_bytes, 1024, 1, 0),
        NUMBER(false, max_headers, 100, 1, 10000),
        NUMBER(false, max_fields, 1000, 1, INT32_MAX),
        NUMBER(false, max_connections, 180, 1, INT32_MAX),
        NUMBER(false, max_per_peer, 0, 1, INT32_MAX),
        NUMBER(false, max_views, 1000, 1, INT32_MAX),
        NUMBER(false, max_topics, 10000, 1, INT32_MAX),
        NUMBER(false, header_timeout_ms, 10000, SSE_OFF, INT32_MAX),
        NUMBER(false, body_timeout_ms, 30000, SSE_OFF, INT32_MAX),
        NUMBER(false, keepalive_ms, 60000, SSE_OFF, INT32_MAX),
        NUMBER(false, send_timeout_ms, 30000, SSE_OFF, INT32_MAX),
        NUMBER(false, slow_ms, 250, SSE_OFF, INT32_MAX),
        NUMBER(false, compress_window, 18, 16, 24),
        NUMBER(false, compress_quality, 5, 1, 11),
#undef NUMBER
    };
    size_t i;
    most_files = 204;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const long long values[] = {0, rows[i].min, rows[i].max, rows[i].min - 1, rows[i].max + 1};
        size_t          k;
        for (k = 0; k < SSE__COUNT(values); k++) {
            const bool      is_size = rows[i].is_size;
            const bool      fine = k < 3 || (k == 3 ? values[k] == 0 : rows[i].max == 0);
            const long long want = values[k] ? values[k] : rows[i].otherwise;
            const size_t    size = (size_t)values[k];
            const int       number = (int)values[k];
            sse_app_options o;
            sse_app        *app;
            if (k == 4 && rows[i].max == INT32_MAX) continue;
            memset(&o, 0, sizeof o);
            o.on_log = on_log;
            if (is_size) memcpy((char *)&o + rows[i].at, &size, sizeof size);
            else memcpy((char *)&o + rows[i].at, &number, sizeof number);
            app = sse_app_new(&o);
            ok((app != NULL) == fine, ".%s %lld is %s", rows[i].name, values[k],
                fine ? "fine" : "refused");
            if (app) {
                const void *at = (const char *)&app->options + rows[i].at;
                is_int(is_size ? (long long)*(const size_t *)at : *(const int *)at, want,
                    "... and kept, or the default");
            }
            sse_app_free(app);
        }
    }
    most_files = 0;
}

/* As many connections as leave a tenth of the descriptors to the rest. */
static void test_connections(void) {
    static const struct {
        rlim_t files;
        int    want;
    } rows[] = {{100, 90}, {1024, 918}, {10000000, 9000000}, {20000000, 9000000},
        {RLIM_INFINITY, 9000000}, {RLIM_INFINITY - 1, 9000000}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app;
        most_files = rows[i].files;
        app = fresh();
        is_int(app->options.max_connections, rows[i].want, "connections by the limit of files");
        sse_app_free(app);
    }
    most_files = 0;
}

/* A wrong address is no mistake of the app: the next one may do. */
static void test_listening(void) {
    sse_serve_options o;
    const char       *why;
    char              in_use[200];
    sse_app          *app = fresh();
    memset(&o, 0, sizeof o);
    o.port = 70000;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a port that is none");
    app_refused("sse_listen: .port 70000: not within -1..65535", "... is logged");
    is_int(sse_app_error(app, &why), SSE_E_ARG, "... and kept");
    is_str(why, "sse_listen: .port 70000: not within -1..65535", "... with its words");
    o.port = SSE_ANY_PORT;
    o.host = "example.com";
    is_int(sse_listen(app, &o), SSE_E_ARG, "a name");
    app_refused("sse_listen: .host \"example.com\": a numeric address, localhost or unix:/path, "
                "of at most 107 bytes",
        "... is logged");
    o.host = "[::1]";
    is_int(sse_serve(app, &o), SSE_E_ARG, "brackets");
    app_refused("sse_serve: .host \"[::1]\": without brackets", "... are for URLs");
    o.host = "unix:.";
    is_int(sse_listen(app, &o), SSE_E_IO, "a path that is no socket");
    snprintf(in_use, sizeof in_use, "cannot listen on unix:. port 0: %s; choose another path",
        strerror(EADDRINUSE)); /* musl has other words than glibc */
    app_refused(in_use, "... is logged");
    o.host = NULL;
    o.backlog = -1;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a negative backlog");
    app_refused("sse_listen: .backlog -1: less than 0", "... is logged");
    o.backlog = 0;
    o.grace_ms = -2;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a negative time");
    app_refused("sse_listen: .grace_ms -2: less than -1, SSE_OFF", "... is logged");
    o.grace_ms = 0;
    o.host = "unix:/tmp/sse-refusals";
    o.unix_mode = 660;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a mode that is decimal");
    app_refused("sse_listen: .unix_mode 01224: not within 0..0777, a file mode in octal such as "
                "0660",
        "... is told as what it is");
    o.unix_mode = -1;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a negative mode");
    app_refused("sse_listen: .unix_mode -1: not within 0..0777, a file mode in octal such as 0660",
        "... likewise");
    o.unix_mode = 01000;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a mode of one bit more");
    o.unix_mode = 0600;
    o.reuse_port = true;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a path has no port");
    app_refused("sse_listen: .reuse_port is for a .host with a port", "... to share");
    o.reuse_port = false;
    o.host = NULL;
    is_int(sse_listen(app, &o), SSE_E_ARG, "a port has no mode");
    app_refused("sse_listen: .unix_mode is for a .host unix:/path", "... as a file has");
    o.unix_mode = 0;
    is_int(sse_listen(app, &o), SSE_OK, "the next try may do");
    o.port = sse_port(app);
    is_int(sse_listen(app, &o), SSE_E_IO, "a port in use");
    is_int(sse_app_error(app, &why), SSE_E_IO, "... is kept");
    ok(strstr(why, "choose another .port") != NULL, "... with advice");
    is_int(sse_poll(app, 0), 1, "and the app runs");
    sse_app_free(app);
}

/* What listening takes at most, and at least: nothing is opened by the look at it. */
static void test_ends_of_listening(void) {
    sse_app          *app = fresh();
    sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.port = 65535;
    o.backlog = INT32_MAX;
    o.grace_ms = INT32_MAX;
    o.senders = SSE__SENDERS_MOST;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_OK, "the most of all");
    o.port = 65536;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_E_ARG, "a port too many");
    o.port = SSE_ANY_PORT;
    o.backlog = 0;
    o.grace_ms = SSE_OFF;
    o.senders = 0;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_OK, "the least of all");
    o.port = SSE_ANY_PORT - 1;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_E_ARG, "a port below");
    o.port = SSE_ANY_PORT;
    o.senders = SSE__SENDERS_MOST + 1;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_E_ARG, "a sender too many");
    o.senders = -1;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_E_ARG, "fewer than none");
    o.senders = 0;
    o.host = "unix:/tmp/sse-refusals";
    o.unix_mode = 0777;
    is_int(sse__serve_check(app, "sse_listen", &o), SSE_OK, "a file for everybody");
    sse_app_free(app);
}

static void test_files_and_hooks(void) {
    static const sse_file no_bytes[] = {{"/a", "", 0}, {"/b", NULL, 1}, {NULL, NULL, 0}},
                          no_slash[] = {
                              {"b", "b", 1},
                              {NULL, NULL, 0},
                          };
    char               far[202] = "/", text[400];
    const char *const  prefixes[] = {NULL, "", "/", "xy", "/x/", "/{x}", far};
    sse_static_options o;
    sse_app           *app = fresh();
    size_t             i;
    memset(&o, 0, sizeof o);
    refused(app, sse_before(app, "a", handler, NULL), SSE_E_ARG,
        "before hook a: a prefix begins with /; NULL: all");
    app = fresh();
    refused(app, sse_before(app, "/a", NULL, NULL), SSE_E_ARG,
        "before hook /a: the handler is NULL");
    app = fresh();
    refused(app, sse_static(app, "/a", NULL, NULL), SSE_E_ARG,
        "static files at /a: neither a directory nor .files");
    app = fresh();
    o.files = no_bytes;
    refused(app, sse_static(app, "/a", NULL, &o), SSE_E_ARG,
        "static files at /a: .files \"/b\": a path begins with /, and has .bytes");
    app = fresh();
    o.files = no_slash;
    refused(app, sse_static(app, "/a", NULL, &o), SSE_E_ARG,
        "static files at /a: .files \"b\": a path begins with /, and has .bytes");
    memset(&o, 0, sizeof o);
    app = fresh();
    refused(app, sse_static(app, "/a", "/nothing/here", NULL), SSE_E_IO,
        "static files at /a: directory /nothing/here: No such file or directory");
    app = fresh();
    refused(app, sse_static(app, "/a", "/dev/null", NULL), SSE_E_IO,
        "static files at /a: directory /dev/null: Not a directory");
    app = fresh();
    refused(app, sse_static(app, NULL, NULL, NULL), SSE_E_ARG,
        "static files at : neither a directory nor .files");
    app = fresh();
    refused(app, sse_static(app, NULL, "tests", NULL), SSE_E_ARG, "mount : prefix is NULL");
    app = fresh();
    o.cache_control = "a\nb";
    refused(app, sse_static(app, "/a", "tests", &o), SSE_E_FIELD,
        "static files at /a: .cache_control cannot be a header");
    memset(far + 1, 'x', sizeof far - 2);
    for (i = 0; i < SSE__COUNT(prefixes); i++) {
        snprintf(text, sizeof text,
            "monitor %s: a prefix is like /_sse: no / at its end, no "
            "param, at most 200 bytes",
            prefixes[i] ? prefixes[i] : "");
        app = fresh();
        refused(app, sse_monitor(app, prefixes[i], NULL, NULL), SSE_E_ARG, text);
    }
    app = fresh();
    far[200] = '\0';
    is_int(sse_monitor(app, far, NULL, NULL), 0, "a prefix of 200 bytes");
    sse_app_free(app);
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)html;
    (void)user;
}

static void render_each(sse_req *req, sse_buf *html, void *user) {
    (void)req;
    (void)html;
    (void)user;
}

static void live_refused(sse_live_options *o, const char *text) {
    sse_app *app = fresh();
    char     whole[300];
    snprintf(whole, sizeof whole, "live view /v: %s", text);
    refused(app, sse_live(app, "/v", render, o), SSE_E_ARG, whole);
    memset(o, 0, sizeof *o);
}

static void test_live(void) {
    sse_live_options   o;
    sse_stream_options stream;
    sse_patch_options  patch;
    sse_event          event;
    sse_app           *app = fresh();
    memset(&o, 0, sizeof o);
    memset(&stream, 0, sizeof stream);
    memset(&patch, 0, sizeof patch);
    memset(&event, 0, sizeof event);
    refused(app, sse_live(app, "/v", NULL, NULL), SSE_E_ARG, "live view /v: the render is NULL");
    app = fresh();
    refused(app, sse_live(app, NULL, render, NULL), SSE_E_ARG, "live view : path is NULL");
    o.tables = "msgs";
    live_refused(&o, ".tables without a .db");
    o.query = "page";
    app = fresh();
    refused(app, sse_live_each(app, "/v", render_each, &o), SSE_E_ARG,
        "live view /v: .query tells shared views apart: this one has a request to ask");
    memset(&o, 0, sizeof o);
    o.every_ms = -1;
    live_refused(&o, ".every_ms -1: less than 0");
    o.min_interval_ms = -1;
    live_refused(&o, ".min_interval_ms -1: less than 0");
    o.format = (sse_format)7;
    live_refused(&o, ".format is none of SSE_AS_");
    o.event = "news";
    live_refused(&o,
        ".event is for .format = SSE_AS_DATA: Datastar's events have names of their own");
    o.format = SSE_AS_DATA;
    o.event = "a\nb";
    live_refused(&o, ".event holds a line break");
    patch.mode = SSE_APPEND;
    o.patch = &patch;
    live_refused(&o, ".patch: this .mode needs a .selector");
    o.stream = &stream;
    stream.first = &event;
    live_refused(&o, ".stream: .first and .last are the view's own");
    stream.first = NULL;
    stream.status = 201;
    o.stream = &stream;
    live_refused(&o, ".stream: .type, .status and .step are the view's own");
    stream.status = 0;
    stream.ping_ms = -3;
    o.stream = &stream;
    live_refused(&o, ".stream: .ping_ms -3: less than -1, SSE_OFF");
}

static void asks_nobody(sse_stream s, const char *name, const char *after, void *user) {
    (void)s, (void)name, (void)after, (void)user;
}

static void topic_refused(sse_topic_options *o, const char *text) {
    sse_app *app = fresh();
    char     whole[300];
    snprintf(whole, sizeof whole, "topic t: %s", text);
    refused(app, sse_topic(app, "t", o), SSE_E_ARG, whole);
    memset(o, 0, sizeof *o);
}

static void test_topics(void) {
    sse_topic_options o;
    sse_app          *app = fresh();
    memset(&o, 0, sizeof o);
    refused(app, sse_topic(app, "", NULL), SSE_E_ARG, "sse_topic: a topic without a name");
    o.history = -1;
    topic_refused(&o, ".history -1: less than 0");
    o.greet = -1;
    topic_refused(&o, ".greet -1: less than 0");
    o.overflow = (sse_overflow)5;
    topic_refused(&o, ".overflow 5: not within 0..2");
    o.history_age_ms = -1;
    topic_refused(&o, ".history_age_ms -1: less than 0");
    o.leave_ms = -2;
    topic_refused(&o, ".leave_ms -2: less than -1, SSE_OFF");
    o.gap_event = "a\nb";
    topic_refused(&o, ".gap_event holds a line break");
    app = fresh();
    (void)sse_topic(app, "t", NULL);
    refused(app, sse_topic(app, "t", NULL), SSE_E_STATE,
        "topic t: in use already: call sse_topic once, before sse_subscribe and sse_publish");
#ifndef SSE_NO_SQLITE
    {
        sse_db *db = sse_db_open(":memory:", NULL);
        o.db = db;
        topic_refused(&o, ".db without a history: set .history, .history_bytes or .history_age_ms");
        o.db = db;
        o.source = asks_nobody;
        topic_refused(&o, ".db with a .source, which keeps its events");
        app = fresh();
        refused(app, sse_topic_from_table(app, "t", db, "SELECT id, body FROM t WHERE id > ?"),
            SSE_E_DB,
            "topic t from a table: no such table: t [SELECT id, body FROM t WHERE id > ?]");
        app = fresh();
        refused(app, sse_topic_from_table(app, "t", db, "SELECT 1"), SSE_E_ARG,
            "topic t from a table: the SELECT needs one ? for the id to go on after, and gives id, "
            "data and, if wanted, the event's name");
        app = fresh();
        refused(app, sse_topic_from_table(app, NULL, db, "SELECT 1"), SSE_E_ARG,
            "sse_topic_from_table: a topic without a name");
        app = fresh();
        refused(app, sse_topic_from_table(app, "", db, "SELECT 1"), SSE_E_ARG,
            "sse_topic_from_table: a topic without a name");
        app = fresh();
        refused(app, sse_topic_from_table(app, "t", db, NULL), SSE_E_ARG,
            "sse_topic_from_table: sql is NULL");
        app = fresh();
        refused(app, sse_topic_from_table(app, "t", NULL, "SELECT id, body FROM t WHERE id > ?"),
            SSE_E_ARG, "topic t from a table: db is NULL");
        {
            sse_patch_options patch;
            sse_live_options  live;
            const char       *why = "";
            memset(&patch, 0, sizeof patch);
            memset(&live, 0, sizeof live);
            live.db = db;
            live.tables = "a,b";
            live_refused(&live, ".tables are separated by spaces");
            memset(&live, 0, sizeof live);
            live.query = "page,sort";
            live_refused(&live, ".query: its names are separated by spaces");
            live.query = "page sort";
            live.patch = &patch;
            live.format = SSE_AS_SIGNALS;
            live_refused(&live, ".patch is for .format = SSE_AS_ELEMENTS");
            is_int(sse_db_migrate_list(db, NULL, 3), SSE_E_ARG, "no list of migrations");
            (void)sse_db_error(db, &why);
            is_str(why, "no scripts, or fewer than none", "... in words");
        }
        sse_db_close(db);
    }
#endif
}

int main(void) {
    test_log_line();
    test_app_error();
    test_at_run_time();
    test_stderr();
    test_routes();
    test_app_texts();
    test_app_numbers();
    test_each_number();
    test_connections();
    test_listening();
    test_ends_of_listening();
    test_files_and_hooks();
    test_live();
    test_topics();
    return tap_done();
}
