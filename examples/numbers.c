/* numbers.c: a generator. A stream's step makes one event after the other, at its own pace, and
   never runs ahead of a slow reader. Each has its number as id: after a break, or a restart of the
   server, a reader goes on behind the last one it saw. Try /count?after=2&to=5&ms=900, too. PORT=-1
   lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

struct count { long long now, to; int ms; };

static int step(sse_stream s, void *user) {                      // called when there is room
    struct count *c = user;
    char text[24];
    if (c->now >= c->to) {
        sse_stream_send(s, &(sse_event){ .event = "done" });
        return SSE_END;
    }
    snprintf(text, sizeof text, "%lld", ++c->now);
    sse_stream_send(s, &(sse_event){ .id = text, .data = text });
    return c->ms;                                                // until the next call
}

static void closed(sse_stream s, sse_reason why, void *user) {   // exactly once, always
    (void)s; (void)why;
    free(user);
}

static void count(sse_req *req, void *user) {
    const char *last = sse_header(req, "Last-Event-ID");         // of a browser that comes back,
    struct count *c = malloc(sizeof *c);
    (void)user;
    if (!c) { sse_fail(req, 500, "out of memory"); return; }
    if (!last) last = sse_query(req, "lastEventId");             // or of a script
    c->now = sse_parse_int(last ? last : sse_query(req, "after"), 0);
    c->to  = sse_parse_int(sse_query(req, "to"), 10);
    c->ms  = (int)sse_parse_int(sse_query(req, "ms"), 500);
    if (c->ms < 1 || c->ms > 60000) c->ms = 500;
    sse_stream_open(req, &(sse_stream_options){ .step = step, .on_close = closed, .user = c,
                                                .retry_ms = 1000 });
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the numbers are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get(app, "/", page, NULL);
    sse_get(app, "/count", count, NULL);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>numbers</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<style>:root { color-scheme: light dark } body { height: 100dvh; margin: 0; display: grid;\n"
    "place-content: center; text-align: center; font: 1rem/1.4 system-ui, sans-serif }\n"
    "output { font-size: min(40vw, 14rem); font-weight: 300; font-variant-numeric: tabular-nums;\n"
    "line-height: 1 } [data-sse=connecting] output { color: light-dark(#6e6e6e, #8f8f8f) }\n"
    "p { min-height: 1.4em }</style>\n";

static const char page_body[] =
    "</head><body><output id=\"n\"></output>\n"
    "<p role=\"status\" data-sse-status data-open=\"\" data-closed=\"done\"\n"
    "   data-connecting=\"Not connected. Trying again...\"></p>\n"
    "<noscript>To count here takes a script.\n"
    "<a href=\"/count?to=60\">The numbers as text</a></noscript>\n"
    "<script>\n"
    "const numbers = new EventSource('/count?to=60')\n"
    "numbers.onmessage = e => { document.getElementById('n').textContent = e.data }\n"
    "numbers.addEventListener('done', () => numbers.close()) // or it would come back for more\n"
    "</script></body></html>\n";

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), page_head);
    sse_scripts(sse_out(req), SSE_SCRIPT_ALL);
    sse_puts(sse_out(req), page_body);
}
