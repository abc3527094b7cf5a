/* chat.c: a chat that every open page follows, as rows of an SQLite table. No JavaScript is written here.
   Try it from outside as well:  sqlite3 chat.db "INSERT INTO msgs(txt) VALUES('hello from the shell')"
   PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of the Datastar client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#define DATASTAR_CDN "https://cdn.jsdelivr.net/gh/starfederation/datastar@v1.0.3/bundles/datastar.js"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>chat</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1, interactive-widget=resizes-content\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --paper: light-dark(#f6f5f1, #16181d); --card: light-dark(#fff, #23262e);\n"
    "        --ink: light-dark(#23262e, #eceae4); --soft: light-dark(#77736a, #9a978f); --accent: light-dark(#1d6b5b, #5cc9b0) }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; max-width: 40rem; height: 100dvh; display: flex; flex-direction: column;\n"
    "       background: var(--paper); color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "header { padding: .9rem 1rem .6rem; display: flex; align-items: baseline; gap: .6rem }\n"
    "h1 { margin: 0; font-size: 1.25rem; letter-spacing: -.01em }\n"
    "header span { color: var(--soft); font-size: .85rem }\n"
    "#feed { flex: 1; overflow-y: auto; display: flex; flex-direction: column-reverse; gap: .4rem; padding: .6rem 1rem }\n"
    "#feed p { margin: 0; padding: .5rem .85rem; width: fit-content; max-width: 85%; overflow-wrap: anywhere;\n"
    "          background: var(--card); border-radius: .3rem 1rem 1rem; box-shadow: 0 1px 2px #0002 }\n"
    "#feed p:first-child { animation: in .25s ease-out }\n"
    "#feed:empty::after { content: 'Nothing said yet.'; margin: auto; color: var(--soft) }\n"
    "form { display: flex; gap: .5rem; padding: .6rem 1rem max(.8rem, env(safe-area-inset-bottom)) }\n"
    "input, button { font: inherit; border: 0; border-radius: 1.5rem; padding: .65rem 1.1rem }\n"
    "input { flex: 1; min-width: 0; background: var(--card); color: inherit; box-shadow: 0 1px 2px #0002 }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600; cursor: pointer }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "@keyframes in { from { opacity: 0; transform: translateY(.5rem) } }\n"
    "@media (prefers-reduced-motion: reduce) { #feed p:first-child { animation: none } }\n"
    "</style>\n";

static const char page_body[] =
    "</head><body data-init=\"@get('/feed')\">\n"
    "<header><h1>chat</h1><span>every open page follows</span></header>\n"
    "<main id=\"feed\" aria-live=\"polite\"></main>\n"
    "<form data-on:submit__prevent=\"$text.trim() &amp;&amp; @post('/say'); $text = ''\">\n"
    "<input data-bind:text placeholder=\"Say something\" aria-label=\"Message\" maxlength=\"500\" autocomplete=\"off\" autofocus>\n"
    "<button>Say</button></form>\n"
    "</body></html>\n";

static sse_db *db;

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_html(out, "<script type=\"module\" src=\"%s\"></script>\n", user ? "/datastar.js" : DATASTAR_CDN);
    sse_puts(out, page_body);
}

static void datastar(sse_req *req, void *user) { sse_send_file(req, (const char *)user, NULL); }

static void say(sse_req *req, void *user) {
    const char *text = sse_signal(req, "text");
    (void)user;
    if (text) sse_db_exec(db, "INSERT INTO msgs(txt) VALUES(%s)", text);    // bound, never spliced
    else sse_fail(req, 400, "text is missing");
}                                                                           // nothing written, nothing failed: 204

static void feed(sse_view *view, sse_buf *html, void *user) {               // runs ONCE per change,
    (void)view; (void)user;                                                 // however many are watching
    sse_puts(html, "<main id=\"feed\" aria-live=\"polite\">");
    for (sse_rows *r = sse_db_query(db, "SELECT txt FROM msgs ORDER BY id DESC LIMIT 50"); sse_db_next(r); )
        sse_html(html, "<p>%s</p>", sse_db_text(r, 0));
    sse_puts(html, "</main>");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the chat is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    char *script = getenv("DATASTAR_JS");
    db = sse_db_open("chat.db", NULL);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS msgs (id INTEGER PRIMARY KEY, txt TEXT)");
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get (app, "/",     page, script);
    sse_post(app, "/say",  say,  NULL);
    sse_live(app, "/feed", feed, &(sse_live_options){ .db = db, .tables = "msgs" });
    if (script) sse_get(app, "/datastar.js", datastar, script);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
