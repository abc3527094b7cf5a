/* frames.c: sends events whose hash is in their first line, in every way there is: views
   (/mix?views=012), topics and patterns (?topics=ab&pattern=1), private events (?private=1, ?own=1
   with a history of their own), pings, ends. A counter in each says whether one was lost. It
   listens on a free port of 127.0.0.1, answers for any host, and prints the number. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

enum { VIEWS = 4, TOPICS = 3 };

static unsigned long seed = 1;
static unsigned      drawn[VIEWS], published[TOPICS + 1];
static bool          quiet;

static unsigned random_below(unsigned n) {
    seed = seed * 1103515245u + 12345u;
    return (unsigned)(seed >> 16 & 0x7FFF) % n;
}

/* "HASH\nNAME NUMBER\nBODY" */
static void write_hashed(sse_buf *out, const char *name, unsigned number, const sse_buf *body) {
    static const char hex[] = "0123456789abcdef";
    unsigned char     sum[32];
    sse_sha256        s;
    sse_buf           text = {NULL, 0, 0, SSE_OK};
    char              line[65];
    int               i;
    memset(&s, 0, sizeof s);
    sse_printf(&text, "%s %u\n", name, number);
    sse_raw(&text, body->ptr, body->len);
    sse_sha256_add(&s, text.ptr, text.len);
    sse_sha256_end(&s, sum);
    for (i = 0; i < 32; i++) {
        line[2 * i] = hex[sum[i] >> 4];
        line[2 * i + 1] = hex[sum[i] & 15];
    }
    line[64] = '\n';
    sse_raw(out, line, 65);
    sse_raw(out, text.ptr, text.len);
    sse_buf_free(&text);
}

/* View 0: short and always new. 1: a page of which a line changes. 2: 200 KB that do not compress
   well. 3: empty at times. */
static void write_view(sse_buf *out, unsigned which) {
    static const unsigned lines[VIEWS] = {3, 200, 3000, 20};
    sse_buf               body = {NULL, 0, 0, SSE_OK};
    char                  name[8];
    unsigned              i, k, n = which == 3 && drawn[3] % 3 == 0 ? 0 : lines[which];
    for (i = 0; i < n; i++) {
        sse_printf(&body, "<p id=\"%u\">", i);
        for (k = 0; k < (which == 2 ? 8u : which == 0 ? 1u : i == drawn[1] % 200); k++)
            sse_printf(&body, "%x%x", random_below(32768), random_below(32768));
        sse_puts(&body, "</p>\n");
    }
    sse_printf(&body, "the end");
    snprintf(name, sizeof name, "view%u", which);
    write_hashed(out, name, ++drawn[which], &body);
    sse_buf_free(&body);
}

static void view(sse_view *v, sse_buf *out, void *user) {
    (void)user;
    write_view(out, (unsigned)sse_parse_int(sse_view_param(v, "n"), 0));
}

static void each(sse_req *req, sse_buf *out, void *user) {
    (void)req;
    (void)user;
    write_view(out, 1);
}

static void publish(sse_app *app, unsigned topic) {
    static const char *const names[] = {"a", "b", "c"};
    sse_buf                  body = {NULL, 0, 0, SSE_OK}, out = {NULL, 0, 0, SSE_OK};
    sse_event                event;
    unsigned                 i, n = random_below(40);
    for (i = 0; i < n; i++)
        sse_printf(&body, "%s says %u, and that is all.\n", names[topic], random_below(100));
    write_hashed(&out, names[topic], ++published[topic], &body);
    memset(&event, 0, sizeof event);
    event.data = sse_buf_text(&out);
    sse_publish(app, names[topic], &event);
    sse_buf_free(&body);
    sse_buf_free(&out);
}

static bool send_private(sse_stream s, void *user) {
    sse_buf   body = {NULL, 0, 0, SSE_OK}, out = {NULL, 0, 0, SSE_OK};
    sse_event event;
    unsigned  number = (unsigned)sse_parse_int(sse_stream_meta(s, "private"), 0) + 1;
    char      text[16];
    (void)user;
    if (random_below(3)) return true;
    snprintf(text, sizeof text, "%u", number);
    sse_stream_set_meta(s, "private", text);
    sse_printf(&body, "for you alone, %u times over", number);
    write_hashed(&out, "private", number, &body);
    memset(&event, 0, sizeof event);
    event.data = sse_buf_text(&out);
    sse_stream_send(s, &event);
    sse_buf_free(&body);
    sse_buf_free(&out);
    return true;
}

static void tick(sse_app *app, void *user) {
    unsigned   i, which = random_below(12);
    char       path[16];
    sse_filter label;
    (void)user;
    if (quiet) return;
    memset(&label, 0, sizeof label);
    label.label = "private";
    snprintf(path, sizeof path, "/view/%u", which % VIEWS);
    if (which < 6) sse_touch(app, path);
    else if (which < 9) publish(app, which % TOPICS);
    else if (which == 9) sse_streams_each(app, &label, send_private, NULL);
    else if (which == 10) sse_touch(app, "/each");
    for (i = random_below(3); which == 11 && i < 3; i++) publish(app, i);
}

static void mix(sse_req *req, void *user) {
    static const sse_event farewell = {.event = "message", .data = "bye"};
    const char            *views = sse_query(req, "views"), *topics = sse_query(req, "topics");
    sse_stream_options     o;
    sse_stream             s;
    char                   name[16];
    (void)user;
    memset(&o, 0, sizeof o);
    o.ping_ms = 20;
    o.label = sse_query(req, "private") ? "private" : "shared";
    o.own_history = sse_query(req, "own") != NULL;
    o.last = &farewell;
    s = sse_stream_open(req, &o);
    for (; topics && *topics; topics++) {
        snprintf(name, sizeof name, "%c", *topics);
        sse_subscribe(s, name);
    }
    if (sse_query(req, "pattern")) sse_subscribe_pattern(s, "*");
    for (; views && *views; views++) {
        snprintf(name, sizeof name, "/view/%c", *views);
        sse_stream_view(s, name);
    }
}

/* POST /quiet?on=1; answers how often each view was drawn */
static void rest(sse_req *req, void *user) {
    (void)user;
    if (sse_query(req, "on")) quiet = *sse_query(req, "on") == '1';
    sse_json(sse_out_json(req), "[%u,%u,%u,%u]", drawn[0], drawn[1], drawn[2], drawn[3]);
}

static void end(sse_req *req, void *user) { /* POST /end: all streams, cleanly */
    sse_filter all;
    (void)user;
    memset(&all, 0, sizeof all);
    all.all = true;
    sse_streams_close(sse_req_app(req), &all, NULL);
}

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req),
        "<!doctype html><link rel=\"icon\" href=\"data:,\"><title>frames</title>");
}

static void ready_small(sse_app *app, void *user) {
    /* Small socket buffers, inherited by all connections: who stops reading is soon noticed. */
    sse__socket_option(SSE__CONTAINER(app->net->listeners.next, sse__listener, link)->source.fd,
        SOL_SOCKET, SO_SNDBUF, 16384);
    ready(app, user);
}

int main(void) {
    sse_app           *app;
    sse_app_options    options;
    sse_live_options   live;
    sse_stream_options stream;
    sse_serve_options  serve;
    int                error;
    memset(&options, 0, sizeof options);
    memset(&live, 0, sizeof live);
    memset(&stream, 0, sizeof stream);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready_small;
    options.allowed_hosts = "*";
    app = sse_app_new(&options);
    live.format = SSE_AS_DATA;
    stream.own_history = true;
    sse_get(app, "/", page, NULL);
    sse_live(app, "/view/{n}", view, &live);
    live.stream = &stream;
    sse_live_each(app, "/each", each, &live);
    sse_get(app, "/mix", mix, NULL);
    sse_post(app, "/quiet", rest, NULL);
    sse_post(app, "/end", end, NULL);
    sse_every(app, 3, tick, NULL);
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 2000;
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
