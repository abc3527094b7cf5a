/* tabs.c: one stream for all tabs of a browser, which has six connections to a server over plain
   HTTP. Open the page in ten tabs: the server counts one stream, and each press reaches each tab
   once, also while the tab that reads for all is closed, as the topic has a history to go on from.
   PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static int presses;

static void press(sse_req *req, void *user) {
    (void)user;
    sse_publish_json(sse_req_app(req), "tabs", "press", "{\"presses\":%d}", ++presses);
    if (!sse_query(req, "script")) sse_redirect(req, "/");
}

static void count_streams(sse_app *app, void *user) {            // every second, if it is another
    static int  told = -1;
    const int   n    = sse_streams_count(app, &(sse_filter){ .label = "tabs" });
    sse_buf     json = {0};
    (void)user;
    if (n == told) return;
    sse_json(&json, "{\"streams\":%d}", told = n);
    sse_publish(app, "tabs", &(sse_event){
        .event = "streams", .data = sse_buf_text(&json), .ephemeral = true });
    sse_buf_free(&json);
}

static void feed(sse_req *req, void *user) {                     // resumes by itself
    sse_stream s = sse_stream_open(req, &(sse_stream_options){ .label = "tabs", .retry_ms = 500 });
    (void)user;
    sse_subscribe(s, "tabs");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the tabs are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "tabs", &(sse_topic_options){ .history = 1000, .greet = 1000 });
    sse_get (app, "/", page, NULL);
    sse_get (app, "/feed", feed, NULL);
    sse_post(app, "/press", press, NULL);
    sse_every(app, 1000, count_streams, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tabs</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#241f33, #ebe7f5);\n"
    "        --paper: light-dark(#f5f2fa, #15121d); --card: light-dark(#fff, #221d2e);\n"
    "        --soft: light-dark(#635b78, #a197b8); --accent: light-dark(#6d3bc4, #b794ff) }\n"
    "body { margin: 0 auto; max-width: 30rem; min-height: 100dvh; box-sizing: border-box;\n"
    "       padding: 1.5rem 1rem; display: flex; flex-direction: column; gap: 1rem;\n"
    "       justify-content: center; text-align: center; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }\n"
    "h1 { margin: 0; font-size: 1.3rem } p { margin: 0; color: var(--soft) }\n"
    "dl { margin: 0; display: grid; grid-template-columns: 1fr 1fr; gap: .8rem }\n"
    "dl div { padding: 1.1rem .5rem; border-radius: 1rem; background: var(--card) }\n"
    "dt { color: var(--soft); font-size: .9rem }\n"
    "dd { margin: 0; font-size: 3.5rem; line-height: 1.15; font-weight: 300;\n"
    "     font-variant-numeric: tabular-nums } #streams { color: var(--accent) }\n"
    "button { font: inherit; font-weight: 600; border: 0; border-radius: 1rem; width: 100%;\n"
    "         padding: .9rem; background: var(--accent); color: var(--paper) }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "[role=status] { min-height: 1.5em }</style>\n";

/* What the tabs say to each other is only for the number of them: sse_scripts shares the stream. */
static const char page_script[] =
    "<p role=\"status\" data-sse-status data-open=\"\"\n"
    "   data-connecting=\"Not connected. Trying again...\"></p><script>\n"
    "const $ = id => document.getElementById(id)\n"
    "const feed = new EventSource('/feed?lastEventId=' + $('presses').dataset.last)\n"
    "feed.addEventListener('streams', e => {\n"
    "  $('streams').textContent = JSON.parse(e.data).streams\n"
    "})\n"
    "feed.addEventListener('press', e => {\n"
    "  $('presses').textContent = JSON.parse(e.data).presses\n"
    "  $('seen').textContent++\n"
    "})\n"
    "document.forms[0].onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  fetch('/press?script', { method: 'POST' }).catch(() => {})\n"
    "}\n"
    "const channel = new BroadcastChannel('tabs'), me = Math.random(), tabs = new Set([me])\n"
    "const tell = what => channel.postMessage({ what, me })\n"
    "channel.onmessage = ({ data: { what, me: other } }) => {\n"
    "  if (what === 'hello') tell('here')\n"
    "  what === 'bye' ? tabs.delete(other) : tabs.add(other)\n"
    "  $('tabs').textContent = tabs.size\n"
    "}\n"
    "addEventListener('pagehide', () => tell('bye'))\n"
    "addEventListener('pageshow', () => tell('hello'))\n"
    "</script></body></html>\n";

static bool newest(const sse_event *event, void *id) {
    return sse_set_attr((sse_req *)id, "last", event->id) == SSE_OK;
}

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    (void)user;
    sse_topic_history(sse_req_app(req), "tabs", 1, newest, req); // the stream begins behind it
    const char *last = sse_attr(req, "last");
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><h1>One stream for all tabs</h1>\n"
                  "<p>Open this page in more tabs, and press.</p><dl>\n"
                  "<div><dt>tabs here</dt><dd id=\"tabs\">1</dd></div>\n"
                  "<div><dt>streams at the server</dt><dd id=\"streams\">%d</dd></div>\n",
             sse_streams_count(sse_req_app(req), &(sse_filter){ .label = "tabs" }));
    sse_html(out, "<div><dt>presses</dt><dd id=\"presses\" data-last=\"%s\">%d</dd></div>\n"
                  "<div><dt>seen by this tab</dt><dd id=\"seen\">0</dd></div></dl>\n"
                  "<form method=\"post\" action=\"/press\"><button>Press</button></form>\n",
             last ? last : "", presses);
    sse_puts(out, page_script);
}
