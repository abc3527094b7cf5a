/* http.c: a server for the HTTP tests. It listens on a free port of 127.0.0.1 and prints the
   number.
   usage: http [OPTION=VALUE]...   options of sse_app_options by their names, root=DIR for /files */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_req *kept[16]; /* deferred, by ?slot= */

static void ok(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static void echo(sse_req *req, void *user) {
    sse_str body = sse_body(req);
    (void)user;
    sse_set_type(req, "application/octet-stream");
    sse_raw(sse_out(req), body.ptr, body.len);
}

static void silent(sse_req *req, void *user) {
    (void)req;
    (void)user;
}

static void show(sse_req *req, void *user) { /* what the library makes of the request */
    (void)user;
    sse_json(sse_out_json(req),
        "{\"method\":%s,\"path\":%s,\"peer\":%s,\"a\":%s,\"x\":%s,\"x1\":%s,\"cookie\":%s,"
        "\"form\":%s,\"rest\":%s}",
        sse_method(req), sse_path(req), sse_peer(req), sse_query(req, "a"),
        sse_header(req, "x-test"), sse_header_at(req, "X-Test", 1), sse_cookie(req, "c"),
        sse_form(req, "f"), sse_param(req, "path"));
}

static void big(sse_req *req, void *user) {
    long long kb = sse_parse_int(sse_query(req, "kb"), 1024);
    char      line[1024];
    (void)user;
    memset(line, 'x', sizeof line);
    while (kb-- > 0) sse_raw(sse_out(req), line, sizeof line);
}

static void set(sse_req *req, void *user) { /* answers with what the setters said */
    const char *url = sse_query(req, "url"), *name = sse_query(req, "name"),
               *value = sse_query(req, "value");
    sse_cookie_options o;
    int                error = SSE_OK;
    (void)user;
    memset(&o, 0, sizeof o);
    o.path = sse_query(req, "path");
    o.domain = sse_query(req, "domain");
    o.same_site = sse_query(req, "same_site");
    if (sse_query(req, "cookie")) error = sse_set_cookie(req, sse_query(req, "cookie"), value, &o);
    else if (url) error = sse_redirect(req, url);
    else if (sse_query(req, "type")) error = sse_set_type(req, sse_query(req, "type"));
    else if (name) error = sse_set_header(req, name, value);
    if (error) sse_fail(req, 422, "%s", sse_error_text(error));
    else if (!url) sse_puts(sse_out(req), "set");
}

static void cookies(sse_req *req, void *user) {
    sse_cookie_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    sse_set_cookie(req, "plain", "1", NULL);
    o.path = "/in";
    o.domain = "example.com";
    o.same_site = "Strict";
    o.max_age_s = 60;
    o.script_readable = o.secure = true;
    sse_set_cookie(req, "all", "2", &o);
    memset(&o, 0, sizeof o);
    o.max_age_s = SSE_OFF;
    sse_set_cookie(req, "gone", "", &o);
    sse_set_cookie_signed(req, "signed", "me", NULL);
}

static void whoami(sse_req *req, void *user) {
    (void)user;
    sse_json(sse_out_json(req), "%s", sse_cookie_signed(req, "signed", 0));
}

/* ?value= signs it; ?text= reads what was signed, within ?age= seconds */
static void seal(sse_req *req, void *user) {
    const char *value = sse_query(req, "value"), *text = sse_query(req, "text");
    (void)user;
    if (text)
        sse_json(sse_out_json(req), "%s",
            sse_req_unsign(req, text, (int)sse_parse_int(sse_query(req, "age"), 0)));
    else if ((text = sse_req_sign(req, value)) != NULL) sse_puts(sse_out(req), text);
}

static void defer(sse_req *req, void *user) { /* ?now=1: finished before it returns */
    const long long slot = sse_parse_int(sse_query(req, "slot"), 0);
    (void)user;
    sse_defer(req);
    sse_printf(sse_out(req), "deferred %s",
        sse_fmt(req, "%s%s", sse_path(req),
            sse_header(req, "x-test") ? sse_header(req, "x-test") : ""));
    if (sse_query(req, "now")) sse_finish(req);
    else kept[slot & 15] = req;
}

static void finish(sse_req *req, void *user) {
    sse_req **at = &kept[sse_parse_int(sse_query(req, "slot"), 0) & 15];
    (void)user;
    if (!*at) {
        sse_fail(req, 404, "nothing deferred");
        return;
    }
    sse_printf(sse_out(*at), ", finished%s", sse_query(*at, "a") ? sse_query(*at, "a") : "");
    sse_printf(sse_out(req), "%d ", sse_finish(*at));
    sse_printf(sse_out(req), "%d", sse_finish(*at)); /* once is enough */
    *at = NULL;
}

static void stream(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "topic");
}

static void hook(sse_req *req, void *user) {
    (void)user;
    if (sse_query(req, "stop")) sse_fail(req, 418, "the hook says no");
    else sse_set_header(req, "X-Hook", "1");
}

/* ---- bodies as they come ---- */

typedef struct upload {
    sse_sha256 sum;
    long long  bytes, calls;
} upload;

static void go_on(sse_app *app, void *user) {
    (void)app;
    sse_body_pause((sse_req *)user, false);
}

static int upload_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    upload       *u = (upload *)user;
    unsigned char hash[32];
    int           i;
    u->calls++;
    u->bytes += (long long)chunk.len;
    if (status == 1) {
        sse_sha256_add(&u->sum, chunk.ptr, chunk.len);
        if (sse_query(req, "pause") && u->calls % 4 == 1) {
            sse_body_pause(req, true);
            sse_after(sse_req_app(req), 150, go_on, req);
        }
        if (!sse_query(req, "enough") || u->bytes < sse_parse_int(sse_query(req, "enough"), 0))
            return 0;
        sse_fail(req, 507, "enough");
    } else if (status == 0) {
        sse_sha256_end(&u->sum, hash);
        sse_set_type(req, "text/plain");
        sse_printf(sse_out(req), "%lld ", u->bytes);
        for (i = 0; i < 32; i++) sse_printf(sse_out(req), "%02x", hash[i]);
    } else {
        printf("upload ended: %s\n", sse_error_text(status));
        fflush(stdout);
    }
    free(u);
    return status == 1;
}

static void read_upload(sse_req *req, void *user) {
    upload *u = (upload *)calloc(1, sizeof *u);
    (void)user;
    if (sse_query(req, "no")) {
        free(u);
        sse_fail(req, 403, "no uploads today");
    } else if (!u || sse_body_read(req, upload_chunk, u)) free(u);
    else if (sse_query(req, "twice"))
        sse_printf(sse_out(req), "%d ", sse_body_read(req, upload_chunk, u));
}

static void not_later(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%d", sse_body_read(req, upload_chunk, NULL));
}

static int part(sse_req *req, const sse_part *p, sse_str chunk, int status, void *user) {
    size_t  *n = (size_t *)user;
    sse_buf *out = sse_out(req);
    if (!p) {
        sse_json(out, "%d", status);
        if (status) printf("parts ended: %s\n", sse_error_text(status));
        fflush(stdout);
        free(n);
        return 0;
    }
    *n += chunk.len;
    if (status == 0) {
        sse_json(out, "[%s,%s,%s,%lu],", p->name, p->filename, p->type, (unsigned long)*n);
        *n = 0;
    }
    return 0;
}

static void read_parts(sse_req *req, void *user) {
    size_t *n = (size_t *)calloc(1, sizeof *n);
    (void)user;
    if (!n || sse_body_parts(req, part, n)) free(n);
    else sse_puts(sse_out_json(req), "[");
}

static void whole(sse_req *req, const sse_body_file *file, void *user) {
    const sse_pair *field = sse_form_all(req);
    (void)user;
    if (file->error) return; /* and is answered */
    sse_json(sse_out_json(req), "[%s,%s,%llu", file->filename, file->type, file->bytes);
    for (; field; field = field->next) sse_json(sse_out(req), ",%s,%s", field->name, field->value);
    sse_puts(sse_out(req), "]");
    remove(file->path);
}

static void keep(sse_req *req, void *user) {
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    o.field = (const char *)user;
    sse_body_to_file(req, "kept", whole, &o);
}

static void basic(sse_req *req, void *user) {
    (void)user;
    if (sse_auth_basic(req, "the \"realm\"", "ann", "p:w")) sse_puts(sse_out(req), "in");
}

static void bearer(sse_req *req, void *user) {
    if (sse_auth_bearer(req, (const char *)user)) sse_puts(sse_out(req), "in");
}

static void stats(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req),
        "{\"connections\":%llu,\"refused\":%llu,\"timeouts\":%llu,\"requests\":%llu,\"bad\":%llu,"
        "\"streams\":%llu}",
        (unsigned long long)s.connections, (unsigned long long)s.refused,
        (unsigned long long)s.timeouts, (unsigned long long)s.requests,
        (unsigned long long)s.bad_requests, (unsigned long long)s.streams);
}

static void replied(sse_req *req, void *user) {
    (void)user;
    printf("replied %s\n", sse_path(req));
    fflush(stdout);
}

static void ending(sse_app *app, void *user) {
    (void)app;
    (void)user;
    puts("exit");
}

static const char *setting(int argc, char **argv, const char *name) {
    const size_t n = strlen(name);
    while (--argc)
        if (strncmp(argv[argc], name, n) == 0 && argv[argc][n] == '=') return argv[argc] + n + 1;
    return NULL;
}

static void configure(sse_app_options *o, int argc, char **argv) {
    const struct {
        const char *name;
        int        *at;
    } numbers[] = {
        {"max_headers", &o->max_headers},
        {"max_connections", &o->max_connections},
        {"max_per_peer", &o->max_per_peer},
        {"header_timeout_ms", &o->header_timeout_ms},
        {"body_timeout_ms", &o->body_timeout_ms},
        {"keepalive_ms", &o->keepalive_ms},
        {"send_timeout_ms", &o->send_timeout_ms},
    };
    const struct {
        const char  *name;
        const char **at;
    } texts[] = {
        {"secret", &o->secret},
        {"trusted_proxies", &o->trusted_proxies},
        {"allowed_hosts", &o->allowed_hosts},
        {"allowed_origins", &o->allowed_origins},
        {"cors_origins", &o->cors_origins},
    };
    size_t i;
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].at = (int)sse_parse_int(setting(argc, argv, numbers[i].name), 0);
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].at = setting(argc, argv, texts[i].name);
    o->max_header_bytes = (size_t)sse_parse_int(setting(argc, argv, "max_header_bytes"), 0);
    o->max_body_bytes = (size_t)sse_parse_int(setting(argc, argv, "max_body_bytes"), 0);
    o->cors_credentials = setting(argc, argv, "cors_credentials") != NULL;
    o->on_init = ready;
    o->on_exit = ending;
    o->on_reply = setting(argc, argv, "on_reply") ? replied : NULL;
}

static void add_files(sse_app *app, const char *root) {
    static const sse_file list[] = {
        {"/index.html", "<p>in memory", 12},
        {"/app.js", "let a", 5},
        {NULL, NULL, 0},
    };
    sse_static_options memory;
    memset(&memory, 0, sizeof memory);
    memory.files = list;
    sse_static(app, "/memory", NULL, &memory);
    if (root) sse_static(app, "/files", root, NULL);
}

int main(int argc, char **argv) {
    sse_app          *app;
    sse_app_options   options;
    sse_route_options route;
    sse_serve_options serve;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&route, 0, sizeof route);
    memset(&serve, 0, sizeof serve);
    configure(&options, argc, argv);
    app = sse_app_new(&options);
    sse_get(app, "/", ok, NULL);
    sse_post(app, "/echo", echo, NULL);
    sse_get(app, "/silent", silent, NULL);
    sse_post(app, "/silent", silent, NULL);
    sse_mount(app, "/show", show, NULL);
    sse_get(app, "/big", big, NULL);
    sse_get(app, "/set", set, NULL);
    sse_get(app, "/cookies", cookies, NULL);
    sse_get(app, "/whoami", whoami, NULL);
    sse_get(app, "/seal", seal, NULL);
    sse_get(app, "/defer", defer, NULL);
    sse_post(app, "/defer", defer, NULL);
    sse_get(app, "/finish", finish, NULL);
    sse_get(app, "/stream", stream, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_before(app, "/set", hook, NULL);
    route.method = "PUT";
    route.max_body_bytes = 10;
    sse_route(app, "/echo", echo, NULL, &route);
    route.method = "POST";
    route.max_body_bytes = SSE_UNLIMITED;
    route.body_later = true;
    sse_route(app, "/upload", read_upload, NULL, &route);
    sse_route(app, "/parts", read_parts, NULL, &route);
    sse_route(app, "/keep", keep, (void *)"photo", &route);
    sse_post(app, "/not-later", not_later, NULL);
    route.max_body_bytes = 1000;
    sse_route(app, "/upload/small", read_upload, NULL, &route);
    sse_get(app, "/basic", basic, NULL);
    sse_get(app, "/bearer", bearer, (char *)"secret");
    sse_get(app, "/bearer/unset", bearer, (char *)"");
    add_files(app, setting(argc, argv, "root"));
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 500;
    if (setting(argc, argv, "access_log")) sse_log_access(app);
    if (setting(argc, argv, "log_topic")) sse_log_topic(app, setting(argc, argv, "log_topic"));
    error = sse_serve(app, &serve);
    memset(kept, 0, sizeof kept);
    sse_app_free(app);
    if (error) fprintf(stderr, "%s\n", sse_error_text(error));
    return error != 0;
}
