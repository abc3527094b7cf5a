/* chat.c: a chat that every open page follows, as rows of an SQLite table. No script is written
   here: the form's attributes keep what was typed until the server has it, once and in order, over
   breaks, restarts and reloads. Try it from outside as well:
       sqlite3 chat.db "INSERT INTO msgs(txt) VALUES('hello from the shell')"
   PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of Datastar's client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                                 // at the end: HTML

static sse_db *db;

static void say(sse_req *req, void *user) {                                 // signals, or a form
    const char *text = sse_signal(req, "text"), *key = sse_signal(req, "key");
    (void)user;
    if (!text || !*text) { sse_fail(req, 400, "text is missing"); return; }
    int rc = sse_db_exec(db, "INSERT OR IGNORE INTO msgs(txt, key) VALUES(%s, %s)",
                         text, key);                                        // bound, never spliced
    if (rc >= 0 && sse_form(req, "text")) sse_redirect(req, "/");           // without a script
}                                                                           // nothing failed: 204

static void feed(sse_view *view, sse_buf *html, void *user) {               // runs ONCE per change,
    (void)view; (void)user;                                                 // however many watch
    sse_puts(html, "<main id=\"feed\" aria-live=\"polite\" tabindex=\"0\">");
    sse_rows *r = sse_db_query(db, "SELECT id, txt FROM msgs ORDER BY id DESC LIMIT 50");
    while (sse_db_next(r))
        sse_html(html, "<p id=\"m%lld\">%s</p>", sse_db_int(r, 0), sse_db_text(r, 1));
    sse_puts(html, "</main>\n");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the chat is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

static const char *const schema[] = {                                       // each runs once, ever
    "CREATE TABLE IF NOT EXISTS msgs (id INTEGER PRIMARY KEY, txt TEXT)",
    "ALTER TABLE msgs ADD COLUMN key TEXT; CREATE UNIQUE INDEX msgs_key ON msgs(key)"};

int main(void) {
    db = sse_db_open("chat.db", NULL);
    sse_db_migrate_list(db, schema, 2);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get (app, "/",     page, NULL);
    sse_post(app, "/say",  say,  NULL);
    sse_live(app, "/feed", feed, &(sse_live_options){ .db = db, .tables = "msgs" });
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>chat</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, interactive-widget=resizes-content\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<style>\n"
    ":root { color-scheme: light dark; --paper: light-dark(#f6f5f1, #16181d);\n"
    "        --card: light-dark(#fff, #23262e); --ink: light-dark(#23262e, #eceae4);\n"
    "        --soft: light-dark(#66625a, #9a978f); --accent: light-dark(#1d6b5b, #5cc9b0) }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; max-width: 40rem; height: 100dvh; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "body, #feed { display: flex; flex-direction: column }\n"
    "header { padding: .9rem 1rem .6rem; display: flex; align-items: baseline; gap: .6rem }\n"
    "h1 { margin: 0; font-size: 1.25rem; letter-spacing: -.01em }\n"
    "header span, #trouble { color: var(--soft); font-size: .85rem }\n"
    "#feed { flex: 1 auto; overflow-y: auto; flex-direction: column-reverse; gap: .4rem;\n"
    "        padding: .6rem 1rem }\n"
    "#feed p, #queue { margin: 0; padding: .5rem .85rem; width: fit-content; max-width: 85%;\n"
    "                  overflow-wrap: anywhere; background: var(--card);\n"
    "                  border-radius: .3rem 1rem 1rem; box-shadow: 0 1px 2px #0002 }\n"
    "#feed:empty::after { content: 'Nothing said yet.'; margin: auto; color: var(--soft) }\n"
    "#queue { flex: none; margin: 0 1rem; max-height: 30dvh; overflow-y: auto;\n"
    "         color: var(--soft); white-space: pre-line; outline: 1px dashed }\n"
    "#trouble { margin: .4rem 1rem 0 }\n"
    "form { display: flex; gap: .5rem;\n"
    "       padding: .6rem 1rem max(.8rem, env(safe-area-inset-bottom)) }\n"
    "input, button { font: inherit; border: 0; border-radius: 1.5rem; padding: .65rem 1.1rem }\n"
    "input { flex: 1; min-width: 0; background: var(--card); color: inherit;\n"
    "        box-shadow: 0 1px 2px #0002 }\n"
    "input::placeholder { color: var(--soft); opacity: 1 }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600; cursor: pointer }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "</style></head>\n";

/* Lines wait in $_queue and leave one at a time. $key makes a line that is sent twice, as the
   answer to the first try was lost, the same line. After a network error @post tries again by
   itself, after a 5xx it is called again; after a 4xx the line comes back. */
static const char page_form[] =
    "<p id=\"queue\" title=\"being sent\" data-show=\"$_queue\" data-text=\"$_queue\"\n"
    "   style=\"display: none\"></p>\n"
    "<p id=\"trouble\" role=\"status\" style=\"display: none\"\n"
    "   data-show=\"$_offline || $_answer\"\n"
    "   data-text=\"$_offline ? 'Not connected. Trying again...' : $_answer < 500\n"
    "              ? `Refused (${$_answer}): ${$text}` : 'Something is wrong. Trying again...'\">\n"
    "</p><form method=\"post\" action=\"/say\"\n"
    "  data-signals=\"{text: '', key: sessionStorage.chat_key ?? '', _sending: false, _answer: 0,\n"
    "                 _draft: '', _queue: sessionStorage.chat ?? ''}\"\n"
    "  data-on:submit__prevent=\"$_queue += $_draft + '\\n'; $_draft = ''\"\n"
    "  data-on:datastar-fetch=\"evt.detail.el == el && /started|error/.test(evt.detail.type)\n"
    "                          && ($_answer = Number(evt.detail.argsRaw.status ?? 0))\"\n"
    "  data-effect=\"if ($_queue && !$_sending) {\n"
    "      $_sending = true; $text = $_queue.split('\\n')[0];\n"
    "      $key ||= Date.now() + '.' + Math.random();\n"
    "      const options = {retryInterval: 500, retryMaxWait: 2000, retryMaxCount: Infinity};\n"
    "      @post('/say', options).then(() => {\n"
    "        if ($_answer >= 500) { setTimeout(() => $_sending = false, 1000); return }\n"
    "        if ($_answer) $_draft ||= $text;\n"
    "        $_queue = $_queue.slice($text.length + 1); $key = ''; $_sending = false\n"
    "      })\n"
    "    }\n"
    "    sessionStorage.chat = $_queue; sessionStorage.chat_key = $key\">\n"
    "<input name=\"text\" data-bind:_draft placeholder=\"Say something\" aria-label=\"Message\"\n"
    "  maxlength=\"500\" pattern=\".*\\S.*\" autocomplete=\"off\" required autofocus>\n"
    "<button>Say</button></form></body></html>\n";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_puts(out, "<body ");
    sse_follow(out, "/feed");
    sse_puts(out, "><header><h1>chat</h1><span>every open page follows</span></header>\n");
    feed(NULL, out, user);                                                  // the state of now
    sse_puts(out, page_form);
}
