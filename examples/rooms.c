/* rooms.c: rooms to talk in. Who is here, and, after a break of any kind, exactly what was missed: the history is in SQLite, so a
   restart is only a break. Open /?room=garden&me=ann twice. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>rooms</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1, interactive-widget=resizes-content\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --paper: light-dark(#f4f3fa, #17161d); --card: light-dark(#fff, #25232f);\n"
    "        --ink: light-dark(#25232f, #eceaf4); --soft: light-dark(#716c86, #9a94b0); --accent: light-dark(#5a3fc0, #a893ff) }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; max-width: 40rem; height: 100dvh; display: flex; flex-direction: column;\n"
    "       background: var(--paper); color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "header { padding: .9rem 1rem .5rem }\n"
    "h1 { margin: 0; font-size: 1.25rem }\n"
    "#here { display: flex; flex-wrap: wrap; gap: .35rem; margin: .4rem 0 0; padding: 0; list-style: none }\n"
    "#here li { padding: .1rem .6rem; border-radius: 1rem; background: var(--card); color: var(--soft); font-size: .85rem }\n"
    "#here li::before { content: '\\25CF'; color: var(--accent); margin-right: .35rem }\n"
    "#log { flex: 1; overflow-y: auto; padding: .5rem 1rem }\n"
    "#log p { margin: 0 0 .4rem; padding: .5rem .85rem; width: fit-content; max-width: 85%; overflow-wrap: anywhere;\n"
    "         background: var(--card); border-radius: .3rem 1rem 1rem }\n"
    "#log b { display: block; color: var(--accent); font-size: .8rem }\n"
    "form { display: flex; gap: .5rem; padding: .6rem 1rem max(.8rem, env(safe-area-inset-bottom)) }\n"
    "input, button { font: inherit; border: 0; border-radius: 1.5rem; padding: .65rem 1.1rem }\n"
    "input { flex: 1; min-width: 0; background: var(--card); color: inherit }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "</style></head>\n";

static const char page_script[] =
    "<script>\n"
    "const log = document.getElementById('log'), form = document.querySelector('form')\n"
    "const feed = new EventSource(document.body.dataset.feed)\n"
    "feed.addEventListener('said', e => { log.insertAdjacentHTML('beforeend', e.data); log.scrollTop = log.scrollHeight })\n"
    "feed.addEventListener('here', e => { document.getElementById('here').innerHTML = e.data })\n"
    "feed.addEventListener('gap', () => { log.textContent = '' }) // the whole history follows\n"
    "form.onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  if (form.text.value.trim()) fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })\n"
    "  form.text.value = ''\n"
    "}\n"
    "</script></body></html>\n";

static const char *given(const char *text, const char *otherwise) { return text && *text && strlen(text) < 40 ? text : otherwise; }

static void page(sse_req *req, void *user) {
    const char *room = given(sse_query(req, "room"), "garden"), *me = given(sse_query(req, "me"), "guest");
    sse_buf *out = sse_out(req), path = {0};
    (void)user;
    sse_url(&path, "/room/%s", room);
    sse_url(&path, "/%s", me);                                              // a real program knows who asks: by a signed cookie
    sse_puts(out, page_head);
    sse_html(out, "<body data-feed=\"%s\"><header><h1>%s</h1><ul id=\"here\"></ul></header>\n", sse_buf_text(&path), room);
    sse_html(out, "<main id=\"log\" aria-live=\"polite\"></main><form action=\"%s\">", sse_buf_text(&path));
    sse_puts(out, "<input name=\"text\" placeholder=\"Say something\" aria-label=\"Message\" maxlength=\"500\" autocomplete=\"off\" autofocus>\n"
                  "<button>Say</button></form>\n");
    sse_puts(out, page_script);
    sse_buf_free(&path);
}

static const char *topic(sse_req *req) { return sse_fmt(req, "room.%s", sse_param(req, "room")); }

static void say(sse_req *req, void *user) {
    const char *text = sse_form(req, "text");
    sse_buf html = {0};
    (void)user;
    if (!text || !*text) { sse_fail(req, 400, "text is missing"); return; }
    sse_html(&html, "<p><b>%s</b>%s</p>", sse_param(req, "me"), text);
    sse_publish(sse_req_app(req), topic(req), &(sse_event){ .event = "said", .data = sse_buf_text(&html) });
    sse_buf_free(&html);
}

static bool chip(const char *who, sse_stream s, void *user) {
    (void)s;
    sse_html(user, "<li>%s</li>", who);
    return true;
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
