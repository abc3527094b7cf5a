/* client.c: a page that is what the test says, replies and streams of every kind, and a log of what
   was asked, for client.test.mjs. DATASTAR_JS=file serves that copy of the Datastar client instead
   of the one that is built in. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_buf asked;         /* JSON objects of the requests noted */
static int     noted;         /* how many */
static char    names[64][40]; /* which were asked for, to count them */
static int     times[64];
static int     state; /* what the view shows */

/* ?body=...&follow=/view; FOLLOW in the body becomes the attributes. &policy=...: the page's
   Content-Security-Policy */
static void page(sse_req *req, void *user) {
    const char *body = sse_query(req, "body"), *at = body ? strstr(body, "FOLLOW") : NULL;
    sse_buf    *html = sse_out(req);
    (void)user;
    if (sse_query(req, "policy"))
        sse_set_header(req, "Content-Security-Policy", sse_query(req, "policy"));
    sse_puts(html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>client</title>"
        "<link rel=\"icon\" href=\"data:,\">"
        "<script type=\"module\" src=\"/datastar.js\"></script></head><body>");
    if (at) {
        sse_raw(html, body, (size_t)(at - body));
        sse_follow(html, sse_query(req, "follow"));
        body = at + 6;
    }
    sse_puts(html, body);
    sse_puts(html, "</body></html>");
}

static int note(sse_req *req) { /* returns how often this name was asked for before */
    static const char *const fields[] = {"accept", "content-type", "datastar-request",
        "last-event-id", "x-own"};
    const char              *name = sse_param(req, "name");
    const sse_str            body = sse_body(req);
    size_t                   i;
    int                      n;
    sse_json(&asked, noted++ ? ",{\"method\":%s" : "{\"method\":%s", sse_method(req));
    sse_json(&asked, ",\"name\":%s,\"body\":%.*s,\"datastar\":%s,\"q\":%s", name, SSE_STR(body),
        sse_query(req, "datastar"), sse_query(req, "q"));
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        sse_json(&asked, ",%s:", fields[i]);
        sse_json(&asked, "%s", sse_header(req, fields[i]));
    }
    sse_puts(&asked, "}");
    for (n = 0; n < 63 && names[n][0] && strcmp(names[n], name) != 0;) n++;
    snprintf(names[n], sizeof names[n], "%s", name);
    return times[n]++;
}

/* ?status=503,200: of the first request of this name, and of the later ones.
   &type=...&body=...&selector=... and other datastar- fields. */
static void reply(sse_req *req, void *user) {
    static const char *const fields[] = {"selector", "mode", "namespace", "use-view-transition",
        "only-if-missing", "script-attributes"};
    const char              *status = sse_query(req, "status"), *type = sse_query(req, "type");
    int                      n = note(req);
    size_t                   i;
    (void)user;
    for (; n > 0 && status && strchr(status, ','); n--) status = strchr(status, ',') + 1;
    sse_set_status(req, (int)sse_parse_int(status ? sse_fmt(req, "%.3s", status) : NULL, 200));
    for (i = 0; i < sizeof fields / sizeof *fields; i++)
        if (sse_query(req, fields[i]))
            sse_set_header(req, sse_fmt(req, "datastar-%s", fields[i]), sse_query(req, fields[i]));
    if (type) sse_set_type(req, type);
    sse_puts(sse_out(req), sse_query(req, "body"));
}

/* ?first=bytes of events; &end ends it after them, &status=503,200 as above */
static void stream(sse_req *req, void *user) {
    const char *first = sse_query(req, "first"), *status = sse_query(req, "status");
    int         n = note(req);
    sse_stream  s;
    (void)user;
    for (; n > 0 && status && strchr(status, ','); n--) status = strchr(status, ',') + 1;
    if (status && strncmp(status, "200", 3) != 0) {
        sse_set_status(req, (int)sse_parse_int(sse_fmt(req, "%.3s", status), 200));
        return;
    }
    s = sse_stream_open(req, &(sse_stream_options){.label = sse_param(req, "name")});
    if (first) sse_stream_write(s, first, strlen(first));
    if (sse_query(req, "end")) sse_stream_end(s, NULL);
}

static bool write_to(sse_stream s, void *user) {
    const sse_str *bytes = (const sse_str *)user;
    sse_stream_write(s, bytes->ptr, bytes->len);
    return true;
}

/* POST /send/name: the body goes to the streams of that name as it is */
static void send_bytes(sse_req *req, void *user) {
    sse_str body = sse_body(req);
    (void)user;
    sse_streams_each(sse_req_app(req), &(sse_filter){.label = sse_param(req, "name")}, write_to,
        &body);
}

static void end(sse_req *req, void *user) { /* POST /end/name */
    (void)user;
    sse_streams_close(sse_req_app(req), &(sse_filter){.label = sse_param(req, "name")}, NULL);
}

static void show_log(sse_req *req, void *user) {
    sse_stats st;
    (void)user;
    sse_stats_get(sse_req_app(req), &st);
    sse_printf(sse_out_json(req), "{\"streams\":%llu,\"asked\":[%s]}",
        (unsigned long long)st.streams, sse_buf_text(&asked));
}

static void forget(sse_req *req, void *user) {
    (void)req;
    (void)user;
    sse_buf_free(&asked);
    memset(names, 0, sizeof names);
    memset(times, 0, sizeof times);
    noted = 0;
}

static void view(sse_view *v, sse_buf *html, void *user) {
    (void)v;
    (void)user;
    sse_html(html, "<b id=\"state\">%d</b>", state);
}

static void touch(sse_req *req, void *user) {
    (void)user;
    state++;
    sse_touch(sse_req_app(req), "/view");
}

int main(void) {
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    const sse_app_options    o = {.on_init = ready,
           .allowed_hosts = "*",
           .max_header_bytes = 64 << 10};
    sse_app                 *app = sse_app_new(&o);
    size_t                   i;
    int                      error;
    sse_get(app, "/", page, NULL);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    for (i = 0; i < sizeof methods / sizeof *methods; i++)
        sse_route(app, "/reply/{name}", reply, NULL, &(sse_route_options){.method = methods[i]});
    sse_get(app, "/stream/{name}", stream, NULL);
    sse_post(app, "/stream/{name}", stream, NULL);
    sse_live(app, "/view", view, NULL);
    sse_post(app, "/touch", touch, NULL);
    sse_post(app, "/send/{name}", send_bytes, NULL);
    sse_post(app, "/end/{name}", end, NULL);
    sse_get(app, "/log", show_log, NULL);
    sse_post(app, "/forget", forget, NULL);
    error = sse_serve(app,
        &(sse_serve_options){.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT)});
    sse_app_free(app);
    sse_buf_free(&asked);
    return error != 0;
}
