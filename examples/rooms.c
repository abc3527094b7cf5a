/* rooms.c: rooms to talk in. Who is here, and, after a break of any kind, exactly what was missed: the history is in SQLite, so a
   restart is only a break. Open /?room=garden&me=ann twice. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>rooms</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, interactive-widget=resizes-content\">\n"
    "<link rel=\"icon\" href=\"data:,\"><style>\n"
    ":root { color-scheme: light dark; --paper: light-dark(#f4f3fa, #17161d);\n"
    "        --card: light-dark(#fff, #25232f); --ink: light-dark(#25232f, #eceaf4);\n"
    "        --soft: light-dark(#625d76, #a09ab5); --accent: light-dark(#5a3fc0, #a893ff) }\n"
    "* { box-sizing: border-box; overflow-wrap: anywhere }\n"
    "body { margin: 0 auto; max-width: 40rem; height: 100dvh; display: flex; flex-direction: column;\n"
    "       background: var(--paper); color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "header { padding: .9rem 1rem .5rem } h1 { margin: 0; font-size: 1.25rem }\n"
    "ul { display: flex; flex-wrap: wrap; gap: .35rem; margin: .4rem 0 0; padding: 0; list-style: none }\n"
    "li { padding: .1rem .6rem; border-radius: 1rem } li, #log p, input { background: var(--card) }\n"
    "li::before { content: '\\25CF'; color: var(--accent); margin-right: .35rem }\n"
    "[data-sse=connecting] li::before { color: var(--soft) }\n"
    "#log { flex: 1; overflow-y: auto; padding: .5rem 1rem }\n"
    "li, [role=status] { font-size: .85rem } li, p, ::placeholder { color: var(--soft); opacity: 1 }\n"
    "#log p { margin: 0 0 .4rem; padding: .5rem .85rem; width: fit-content; max-width: 85%;\n"
    "         color: var(--ink); border-radius: .3rem 1rem 1rem } #log b { display: block; color: var(--accent) }\n"
    "[role=status] { margin: .3rem 1rem 0; white-space: pre-line }\n"
    "form { display: flex; gap: .5rem; padding: .6rem 1rem max(.8rem, env(safe-area-inset-bottom)) }\n"
    "input, button { font: inherit; border: 0; border-radius: 1.5rem; padding: .65rem 1.1rem }\n"
    "input { flex: 1; min-width: 0 } button { background: var(--accent); color: var(--paper) }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }</style>\n";

static const char page_status[] =
    "</main><p id=\"queue\" role=\"status\"></p><p role=\"status\" data-sse-status data-open=\"\"\n"
    "data-connecting=\"Not connected. Trying again...\"></p>\n<form method=\"post\" action=\"";

static const char page_script[] =
    "\"><input name=\"text\" placeholder=\"Say something\" aria-label=\"Message\" maxlength=\"500\"\n"
    "autocomplete=\"off\" required autofocus><button>Say</button></form>\n<script>\n"
    "const [here, log, waiting, form] = document.querySelectorAll('#here, #log, #queue, form')\n"
    "const url = form.action, to_end = () => { log.scrollTop = log.scrollHeight }\n"
    "const feed = new EventSource(url + '?lastEventId=' + (log.lastElementChild?.id ?? ''))\n"
    "feed.addEventListener('said', e => {\n"
    "  const at_end = log.scrollHeight - log.scrollTop - log.clientHeight < 40\n"
    "  log.insertAdjacentHTML('beforeend', e.data)\n"
    "  if (at_end) to_end()\n"
    "})\n"
    "feed.addEventListener('here', e => { here.innerHTML = e.data })\n"
    "feed.addEventListener('gap', () => { log.textContent = '' }) // the whole history follows\n"
    "\n"
    "// Lines wait in a queue and leave one at a time, in order, until the server has them.\n"
    "const queue = JSON.parse(sessionStorage[url] ?? '[]')\n"
    "let busy = false, trouble = ''\n"
    "const send = async () => {\n"
    "  sessionStorage[url] = JSON.stringify(queue)\n"
    "  waiting.textContent = [trouble, ...queue.map(line => line.text + ' ...')].join('\\n').trim()\n"
    "  if (busy || !queue.length) return\n"
    "  busy = true\n"
    "  const reply = await fetch(url, { method: 'POST', body: new URLSearchParams(queue[0]) })\n"
    "    .catch(() => ({ status: 503 }))\n"
    "  if (reply.status >= 500) await new Promise(done => setTimeout(done, 1000))\n"
    "  else if (reply.ok) queue.shift()\n"
    "  else trouble = `${await reply.text()}: ${queue.shift().text}`\n"
    "  busy = false\n"
    "  send()\n"
    "}\n"
    "form.onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  queue.push({ text: form.text.value, key: Date.now() + '.' + Math.random() })\n"
    "  form.text.value = trouble = ''\n"
    "  send()\n"
    "}\n"
    "to_end()\n"
    "send()\n"
    "</script></body></html>\n";

static const char *given(const char *text, const char *otherwise) {         // a path cannot carry everything
    return text && *text && strlen(text) < 40 && *text != '.' && !strpbrk(text, "/\\") ? text : otherwise;
}

static bool chip(const char *who, sse_stream s, void *html) {
    return (void)s, sse_html(html, "<li>%s</li>", who), true;
}

static bool line(const sse_event *event, void *html) {                      // its data begins with "<p"
    return sse_html(html, "<p id=\"%s\"", event->id), sse_puts(html, event->data + 2), true;
}

static void page(sse_req *req, void *user) {
    const char *room = given(sse_query(req, "room"), "garden"), *me = given(sse_query(req, "me"), "guest");
    const char *name = sse_fmt(req, "room.%s", room);
    sse_buf    *out  = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><header><h1>%s</h1><ul id=\"here\">", room);
    sse_topic_who(sse_req_app(req), name, chip, out);
    sse_puts(out, "</ul></header>\n<main id=\"log\" aria-live=\"polite\" tabindex=\"0\">");
    sse_topic_history(sse_req_app(req), name, 50, line, out);              // the stream goes on behind the last of them
    sse_puts(out, page_status);
    sse_url(out, "/room/%s/%s", room, me);                                  // a real program knows who asks: by a signed cookie
    sse_puts(out, page_script);
}

static const char *topic(sse_req *req) { return sse_fmt(req, "room.%s", sse_param(req, "room")); }

static bool differs(const sse_event *event, void *line) {                   // forgets the line if it was said
    return strcmp(event->data, *(const char **)line) || (*(const char **)line = NULL);
}

static void say(sse_req *req, void *user) {
    const char *text = sse_form(req, "text"), *key = sse_form(req, "key");
    sse_buf html = {0}, back = {0};
    (void)user;
    if (!text || !*text) { sse_fail(req, 400, "text is missing"); return; }
    sse_html(&html, "<p data-key=\"%s\"><b>%s</b>%s</p>", key, sse_param(req, "me"), text);
    sse_url(&back, "/?room=%s&me=%s", sse_param(req, "room"), sse_param(req, "me"));
    text = sse_buf_text(&html);
    if (key) sse_topic_history(sse_req_app(req), topic(req), 0, differs, &text); // sent again: the answer was lost
    else sse_redirect(req, sse_buf_text(&back));                            // no script: back to the page
    if (text) sse_publish(sse_req_app(req), topic(req), &(sse_event){ .event = "said", .data = text });
    sse_buf_free(&html);
    sse_buf_free(&back);
}

static void presence(sse_app *app, const char *room, const char *who, void *user) { // somebody came or went
    sse_buf html = {0};
    (void)who; (void)user;
    sse_topic_who(app, room, chip, &html);
    sse_publish(app, room, &(sse_event){ .event = "here", .data = sse_buf_text(&html), .ephemeral = true }); // not for the history
    sse_buf_free(&html);
}

static void feed(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, &(sse_stream_options){ .who = sse_param(req, "me"), .retry_ms = 1000, .retry_spread_ms = 1000 });
    sse_buf html = {0};
    (void)user;
    sse_subscribe(s, topic(req));                                           // resumes by itself when the handler returns
    sse_topic_who(sse_req_app(req), topic(req), chip, &html);               // a second tab is no join: it is told here
    sse_stream_send(s, &(sse_event){ .event = "here", .data = sse_buf_text(&html) });
    sse_buf_free(&html);
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the rooms are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_db  *db  = sse_db_open("rooms.db", NULL);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "room.*", &(sse_topic_options){ .history = 1000, .greet = 50, .db = db, .on_join = presence, .on_leave = presence });
    sse_get (app, "/", page, NULL);
    sse_get (app, "/room/{room}/{me}", feed, NULL);
    sse_post(app, "/room/{room}/{me}", say, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
