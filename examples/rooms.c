/* rooms.c: rooms to talk in. Who is here, and, after a break of any kind, exactly what was missed:
   the history is in SQLite, so a restart is only a break. Open /?room=garden&me=ann twice. PORT=-1
   lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static const char *given(const char *text, const char *otherwise) {
    return text && *text && strlen(text) < 40 ? text : otherwise;
}

static const char *room(sse_req *req) { return given(sse_query(req, "room"), "garden"); }
static const char *me(sse_req *req) { return given(sse_query(req, "me"), "guest"); } // no login
static const char *topic(sse_req *req) { return sse_fmt(req, "room.%s", room(req)); }

static bool differs(const sse_event *event, void *text) {        // forgets what was said already
    if (strcmp(event->data, *(const char **)text) == 0) *(const char **)text = NULL;
    return *(const char **)text != NULL;
}

static void say(sse_req *req, void *user) {
    const char *text = sse_form(req, "text"), *key = sse_form(req, "key");
    const char *from = sse_header(req, "Referer");
    sse_event said = { .event = "said" };
    sse_buf   html = {0};
    (void)user;
    if (!text || !*text) { sse_fail(req, 400, "text is missing"); return; }
    sse_html(&html, "<p data-key=\"%s\"><b>%s</b>%s</p>", key, me(req), text);
    said.data = sse_buf_text(&html);
    if (key) sse_topic_history(sse_req_app(req), topic(req), 0, differs, &said.data); // again?
    else sse_redirect(req, from ? from : "/");                   // without a script
    if (said.data) sse_publish(sse_req_app(req), topic(req), &said);
    sse_buf_free(&html);
}

static bool chip(const char *who, sse_stream s, void *html) {
    (void)s;
    sse_html(html, "<li>%s</li>", who);
    return true;
}

static void presence(sse_app *app, const char *room, const char *who, void *user) {
    sse_event here = { .event = "here", .ephemeral = true };     // somebody came or went: not for
    sse_buf   html = {0};                                        // the history
    (void)who; (void)user;
    sse_topic_who(app, room, chip, &html);
    here.data = sse_buf_text(&html);
    sse_publish(app, room, &here);
    sse_buf_free(&html);
}

static void feed(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, &(sse_stream_options){
        .who = me(req), .retry_ms = 1000, .retry_spread_ms = 1000 });
    sse_buf html = {0};
    (void)user;
    sse_subscribe(s, topic(req));                                // resumes when this returns
    sse_topic_who(sse_req_app(req), topic(req), chip, &html);    // a second tab is no join
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
    sse_topic(app, "room.*", &(sse_topic_options){
        .history = 1000, .greet = 50, .db = db, .on_join = presence, .on_leave = presence });
    sse_get (app, "/", page, NULL);
    sse_post(app, "/", say, NULL);
    sse_get (app, "/feed", feed, NULL);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>rooms</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, interactive-widget=resizes-content\">\n"
    "<link rel=\"icon\" href=\"data:,\"><style>\n"
    ":root { color-scheme: light dark; --paper: light-dark(#f4f3fa, #17161d);\n"
    "        --card: light-dark(#fff, #25232f); --ink: light-dark(#25232f, #eceaf4);\n"
    "        --soft: light-dark(#625d76, #a09ab5); --accent: light-dark(#5a3fc0, #a893ff) }\n"
    "* { box-sizing: border-box; overflow-wrap: anywhere }\n"
    "body { margin: 0 auto; max-width: 40rem; height: 100dvh; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "body, ul, form { display: flex; gap: .4rem } body { flex-direction: column }\n"
    "header { padding: .9rem 1rem .1rem } h1 { margin: 0; font-size: 1.25rem }\n"
    "ul { flex-wrap: wrap; margin: .4rem 0 0; padding: 0; list-style: none }\n"
    "li { padding: .1rem .6rem; border-radius: 1rem } li, input { background: var(--card) }\n"
    "li::before { content: '\\25CF'; color: var(--accent); margin-right: .35rem }\n"
    "[data-sse=connecting] li::before { color: var(--soft) }\n"
    "#log { flex: 1; overflow-y: auto; padding: .5rem 1rem }\n"
    "li, p, ::placeholder { color: var(--soft); opacity: 1 } p { font-size: .85rem }\n"
    "#log p { margin: 0 0 .4rem; padding: .5rem .85rem; width: fit-content; max-width: 85%;\n"
    "         background: var(--card); border-radius: .3rem 1rem 1rem; font-size: 1rem;\n"
    "         color: inherit }\n"
    "b { display: block; color: var(--accent) }\n"
    "[role=status] { margin: 0 1rem; white-space: pre-line }\n"
    "form { padding: .2rem 1rem max(.8rem, env(safe-area-inset-bottom)) }\n"
    "input, button { font: inherit; border: 0; border-radius: 1.5rem; padding: .65rem 1.1rem }\n"
    "input { flex: 1; min-width: 0 } button { background: var(--accent); color: var(--paper) }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }</style>\n";

static const char page_script[] =
    "</main><p id=\"queue\" role=\"status\"></p>\n"
    "<p role=\"status\" data-sse-status data-open=\"\"\n"
    "   data-connecting=\"Not connected. Trying again...\"></p>\n"
    "<form method=\"post\"><input name=\"text\" aria-label=\"Message\" autocomplete=\"off\"\n"
    "  placeholder=\"Say something\" maxlength=\"500\" pattern=\".*\\S.*\" required autofocus>\n"
    "<button>Say</button></form><script>\n"
    "const [here, log, waiting, form] = document.querySelectorAll('#here, #log, #queue, form')\n"
    "const last = log.lastElementChild, url = (location.search || '?') + '&lastEventId='\n"
    "const feed = new EventSource('/feed' + url + (last ? last.id : ''))\n"
    "feed.addEventListener('said', e => {\n"
    "  look()\n"
    "  log.insertAdjacentHTML('beforeend', e.data)\n"
    "  stay()\n"
    "})\n"
    "feed.addEventListener('here', e => { here.innerHTML = e.data })\n"
    "feed.addEventListener('gap', () => { log.textContent = '' }) // the whole history follows\n"
    "let at_end = true // who is there stays there\n"
    "const look = () => { at_end = log.scrollHeight - log.scrollTop - log.clientHeight < 40 }\n"
    "const stay = () => { if (at_end) log.scrollTop = log.scrollHeight }\n"
    "log.onscroll = look\n"
    "new ResizeObserver(stay).observe(log)\n"
    "\n"
    "// Lines wait in a queue and leave one at a time, in order, until the server has them.\n"
    "const queue = JSON.parse(sessionStorage[url] ?? '[]')\n"
    "let busy = false, trouble = ''\n"
    "const send = async () => {\n"
    "  sessionStorage[url] = JSON.stringify(queue)\n"
    "  const lines = queue.map(line => line.text + ' ...')\n"
    "  waiting.textContent = [trouble, ...lines].join('\\n').trim()\n"
    "  if (busy || !queue.length) return\n"
    "  busy = true\n"
    "  const post = { method: 'POST', body: new URLSearchParams(queue[0]) }\n"
    "  const reply = await fetch(form.action, post).catch(() => ({ status: 503 }))\n"
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
    "send()\n"
    "</script></body></html>\n";

static bool line(const sse_event *event, void *html) {           // its data begins with "<p"
    sse_html(html, "<p id=\"%s\"", event->id);
    sse_puts(html, event->data + 2);
    return true;
}

static void page(sse_req *req, void *user) {
    sse_app *app = sse_req_app(req);
    sse_buf *out = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><header><h1>%s</h1><ul id=\"here\">", room(req));
    sse_topic_who(app, topic(req), chip, out);
    sse_puts(out, "</ul></header>\n<main id=\"log\" aria-live=\"polite\" tabindex=\"0\">");
    sse_topic_history(app, topic(req), 50, line, out);           // the stream begins behind them
    sse_puts(out, page_script);
}
