/* numbers.c: a generator. A stream's step makes one event after the other, at its own pace, and never runs ahead of a slow reader.
   Try /count?from=1&to=5&ms=900, too. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

struct count { long long next, to; int ms; };

static int step(sse_stream s, void *user) {                                 // called when the stream has room
    struct count *c = user;
    sse_buf text = {0};
    if (c->next > c->to) return SSE_END;
    sse_printf(&text, "%lld", c->next++);
    sse_stream_send(s, &(sse_event){ .data = sse_buf_text(&text) });
    sse_buf_free(&text);
    return c->ms;                                                           // until the next call
}

static void closed(sse_stream s, sse_reason why, void *user) {              // exactly once, whatever happened
    (void)s; (void)why;
    free(user);
}

static void count(sse_req *req, void *user) {
    static const sse_event done = { .event = "done", .data = "" };
    struct count *c = malloc(sizeof *c);
    (void)user;
    if (!c) { sse_fail(req, 500, "out of memory"); return; }
    c->next = sse_parse_int(sse_query(req, "from"), 1);
    c->to   = sse_parse_int(sse_query(req, "to"), 10);
    c->ms   = (int)sse_parse_int(sse_query(req, "ms"), 500);
    if (c->ms < 1 || c->ms > 60000) c->ms = 500;
    sse_stream_open(req, &(sse_stream_options){ .step = step, .last = &done, .on_close = closed, .user = c });
}

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req),
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>numbers</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\n"
        "<style>:root { color-scheme: light dark } body { height: 100dvh; margin: 0; display: grid; place-content: center;\n"
        "font: 300 min(40vw, 14rem)/1 system-ui, sans-serif; font-variant-numeric: tabular-nums }</style></head>\n"
        "<body><output id=\"n\"></output><script>\n"
        "const numbers = new EventSource('/count?to=60')\n"
        "numbers.onmessage = e => { document.getElementById('n').textContent = e.data }\n"
        "numbers.addEventListener('done', () => numbers.close()) // or it would come back and begin again\n"
        "</script></body></html>\n");
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
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
