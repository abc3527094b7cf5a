/* alive.c: pages with every client there is, and all that may end their streams, for
   alive.test.mjs. It listens on PORT (-1, the default: any) of 127.0.0.1 and prints its address.
   usage: alive NODE_MODULES [DATASTAR_JS] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

#include "crowd.h"

enum { MAX_CONNECTIONS = 400, MAX_SEATS = 400, MAX_QUEUE = 20000 };

/* A client of one page; its streams have its name as their label. */
typedef struct seat {
    char name[64];
    int  opened, short_lives;
} seat;

static seat     seats[MAX_SEATS];
static int      seat_count, short_lives; /* a seat that had fewer of them gets one */
static uint32_t noise = 1;

static seat *seat_of(const char *name) {
    int i;
    for (i = 0; i < seat_count && strcmp(seats[i].name, name) != 0; i++) {
    }
    if (i == MAX_SEATS || strlen(name) >= sizeof seats->name) return NULL;
    if (i < seat_count) return &seats[i];
    memset(&seats[i], 0, sizeof seats[i]);
    strcpy(seats[i].name, name);
    seats[i].short_lives = short_lives;
    seat_count++;
    return &seats[i];
}

/* ---- pages ---- */

/* The test puts frames into it; each tells here what it shows. */
static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req),
        "<!doctype html><link rel=\"icon\" href=\"data:,\"><style>iframe { width: 60px; height: "
        "30px; border: 0 }</style><body><script>\n"
        "window.seen = {}\n"
        "addEventListener('message', ({ data: [name, text, at] }) => (seen[name] = seen[name] || "
        "[]).push([text, at]))\n"
        "function add(name, url) {\n"
        "  const frame = document.body.appendChild(document.createElement('iframe'))\n"
        "  frame.id = name\n"
        "  frame.src = url\n"
        "}\n"
        "</script>");
}

static void event_source(sse_buf *html, const char *url) {
    sse_puts(html, "<b id=\"text\"></b><script>new EventSource(");
    sse_json(html, "%s", url);
    sse_puts(html,
        ").onmessage = event => { document.getElementById('text').textContent = event.data "
        "}</script>");
}

static void fetch_event_source(sse_buf *html, const char *url) {
#define LIB "/node/@microsoft/fetch-event-source/lib/esm/"
    sse_puts(html,
        "<b id=\"text\"></b><script type=\"importmap\">{\"imports\":{\"" LIB "fetch\":\"" LIB
        "fetch.js\",\"" LIB "parse\":\"" LIB
        "parse.js\"}}</script><script type=\"module\">import { fetchEventSource } from '" LIB
        "index.js'\nfetchEventSource(");
    sse_json(html, "%s", url);
    sse_puts(html,
        ", { onmessage: event => { if (event.data) document.getElementById('text').textContent = "
        "event.data } })</script>");
}

static void datastar(sse_buf *html, const char *client, const char *url, bool follow) {
    sse_html(html, "<script type=\"module\" src=\"/%s.js\"></script><b id=\"text\"></b><p ",
        client);
    if (follow) sse_follow(html, url);
    else sse_js(html, "data-init=\"@get('%s')\"", url);
    sse_puts(html, "></p>");
}

/* GET /frame/{client}?name=...: one client, whose newest event is in #text */
static void frame(sse_req *req, void *user) {
    sse_buf    *html = sse_out(req);
    const char *client = sse_param(req, "client"), *name = sse_query(req, "name");
    const char *url = sse_fmt(req, "/feed/%s?for=%s", name, client);
    (void)user;
    sse_puts(html, "<!doctype html><link rel=\"icon\" href=\"data:,\"><script>\n"
                   "new MutationObserver(() => {\n"
                   "  const text = document.getElementById('text')?.textContent\n"
                   "  if (text && text !== window.last) parent.postMessage([");
    sse_json(html, "%s", name);
    sse_puts(html, ", window.last = text, Date.now()], '*')\n"
                   "}).observe(document, { subtree: true, childList: true, characterData: true })\n"
                   "</script>");
    if (strcmp(client, "scripts") == 0)
        sse_scripts(html, SSE_SCRIPT_UNLOAD | SSE_SCRIPT_RECONNECT | SSE_SCRIPT_STATUS);
    if (strcmp(client, "scripts") == 0 || strcmp(client, "eventsource") == 0)
        event_source(html, url);
    else if (strcmp(client, "fetch-event-source") == 0) fetch_event_source(html, url);
    else if (strcmp(client, "htmx2") == 0)
        sse_puts(html, "<script src=\"/node/htmx2/dist/htmx.js\"></script>"
                       "<script src=\"/node/htmx-ext-sse/sse.js\"></script>");
    else if (strcmp(client, "htmx4") == 0)
        sse_puts(html, "<script src=\"/node/htmx4/dist/htmx.js\"></script>"
                       "<script src=\"/node/htmx4/dist/ext/hx-sse.js\"></script>");
    else if (strncmp(client, "datastar", 8) == 0)
        datastar(html, "datastar", url, strcmp(client, "datastar") != 0);
    else if (strncmp(client, "real", 4) == 0)
        datastar(html, "real", url, strcmp(client, "real") != 0);
    else sse_fail(req, 404, "no such client");
    if (strncmp(client, "htmx", 4) == 0)
        sse_htmx_element(html, url, strcmp(client, "htmx2") == 0 ? "message" : NULL, "id=\"text\"");
}

/* ---- streams, and what ends them ---- */

/* GET /feed/{name}?for=client: says at once how often this seat was taken since this start */
static void feed(sse_req *req, void *user) {
    seat       *at = seat_of(sse_param(req, "name"));
    const char *boot = getenv("BOOT"), *client = sse_query(req, "for");
    const bool  elements = strncmp(client, "datastar", 8) == 0 || strncmp(client, "real", 4) == 0;
    sse_event   first = {0};
    /* nginx sends a reset of HTTP/2 with what comes next */
    sse_stream_options o = {.retry_ms = 1000, .first = &first, .ping_ms = 1000};
    const char        *text;
    (void)user;
    if (!at) {
        sse_fail(req, 400, "too many");
        return;
    }
    text = sse_fmt(req, "%s.%d", boot ? boot : "0", ++at->opened);
    if (elements) first.elements = sse_fmt(req, "<b id=\"text\">%s</b>", text);
    else first.data = text;
    o.label = at->name;
    if (at->short_lives < short_lives) o.lifetime_ms = 300, at->short_lives++;
    sse_stream_open(req, &o);
}

static bool overflow(sse_stream s, void *user) { /* as if it had read nothing of this */
    char text[8192];
    int  i, error = 0;
    (void)user;
    while (!error) {
        for (i = 0; i + 1 < (int)sizeof text; i++) {
            noise = noise * 1664525u + 1013904223u;
            text[i] = (char)('!' + (noise >> 24) % 94); /* nothing that compresses */
        }
        text[i] = '\0';
        error = sse_stream_send(s, &(sse_event){.event = "noise", .data = text});
    }
    return true;
}

/* POST /cut: every stream is too slow. ?lives=1: the next one of each lives for 300 ms */
static void cut(sse_req *req, void *user) {
    (void)user;
    short_lives += (int)sse_parse_int(sse_query(req, "lives"), 0);
    sse_streams_each(sse_req_app(req), &(sse_filter){.all = true}, overflow, NULL);
}

/* POST /full?ms=...: every stream is too slow, and for so long there is no room for any to come
   back */
static void full(sse_req *req, void *user) {
    crowd_comes(sse_req_app(req), MAX_CONNECTIONS, (int)sse_parse_int(sse_query(req, "ms"), 1000));
    cut(req, user);
}

static bool reconnect(sse_stream s, void *user) {
    (void)user;
    sse_stream_reconnect(s, NULL);
    return true;
}

/* POST /come-back: the program wants every client to open another stream */
static void come_back(sse_req *req, void *user) {
    (void)user;
    sse_streams_each(sse_req_app(req), &(sse_filter){.all = true}, reconnect, NULL);
}

static void end(sse_req *req, void *user) { /* POST /end: the program ends every stream */
    (void)user;
    sse_streams_close(sse_req_app(req), &(sse_filter){.all = true}, NULL);
}

/* POST /brief: a stream that ends with its first event */
static void brief(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    sse_stream_send(s, &(sse_event){.data = "one"});
    sse_stream_end(s, NULL);
}

static void plain(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static void stats(sse_req *req, void *user) {
    sse_stats st;
    (void)user;
    sse_stats_get(sse_req_app(req), &st);
    sse_json(sse_out_json(req),
        "{\"streams\":%llu,\"refused\":%llu,\"by_queue\":%llu,\"by_lifetime\":%llu,"
        "\"by_end\":%llu}",
        (unsigned long long)st.streams, (unsigned long long)st.refused,
        (unsigned long long)st.closed[SSE_BY_QUEUE], (unsigned long long)st.closed[SSE_BY_LIFETIME],
        (unsigned long long)st.closed[SSE_BY_END]);
}

int main(int argc, char **argv) {
    sse_app *app = sse_app_new(&(sse_app_options){.on_init = ready,
        .allowed_hosts = "*",
        .max_connections = MAX_CONNECTIONS,
        .max_queue_bytes = MAX_QUEUE});
    int      error;
    sse_get(app, "/", page, NULL);
    sse_get(app, "/frame/{client}", frame, NULL);
    sse_get(app, "/feed/{name}", feed, NULL);
    sse_post(app, "/cut", cut, NULL);
    sse_post(app, "/full", full, NULL);
    sse_post(app, "/come-back", come_back, NULL);
    sse_post(app, "/end", end, NULL);
    sse_post(app, "/brief", brief, NULL);
    sse_post(app, "/plain", plain, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_datastar(app, "/datastar.js", NULL);
    if (argc > 2) sse_datastar(app, "/real.js", argv[2]);
    if (argc > 1) sse_static(app, "/node", argv[1], NULL);
    error = sse_serve(app,
        &(sse_serve_options){.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT)});
    sse_app_free(app);
    return error != 0;
}
