/* outbox.c: orders, each told exactly once. Who changes the database adds a row to an outbox in the
   same transaction; the rows are the events of a topic. Other programs do it as well:
       sqlite3 outbox.db "INSERT INTO outbox(body) VALUES('from the shell')"
   Stop the server, order, start it again: each order is taken once, and no page misses a row.
   PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *db);                        // at the end: HTML

static const char schema[] =                                     // AUTOINCREMENT: no id comes twice
    "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL,"
    "                                   at TEXT DEFAULT CURRENT_TIMESTAMP);"
    "CREATE TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)";

static int add_order(sse_db *db, void *user) {                   // all or nothing: that is what
    sse_req *req = user;                                         // an outbox is for
    const char *item = sse_form(req, "item"), *key = sse_form(req, "key");
    int rc = key ? sse_db_exec(db, "INSERT OR IGNORE INTO taken VALUES(%s)", key) : 1;
    if (rc == 0) return 0;                                       // sent again: its answer was lost
    if (rc > 0) rc = sse_db_exec(db, "INSERT INTO orders(item) VALUES(%s)", item);
    if (rc > 0) rc = sse_db_exec(db, "INSERT INTO outbox(body) VALUES('ordered: ' || %s)", item);
    return rc > 0 ? 0 : SSE_E_DB;
}

static void order(sse_req *req, void *db) {
    const char *item = sse_form(req, "item");
    if (!item || !*item) sse_fail(req, 400, "item is missing");
    else if (sse_db_write(db, add_order, req)) sse_fail(req, 500, "the order was not taken");
    else if (!sse_form(req, "key")) sse_redirect(req, "/");      // without a script: to the page
}

static void feed(sse_req *req, void *user) {                     // resumes by itself
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .retry_ms = 1000 }), "orders");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the orders are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_db  *db  = sse_db_open("outbox.db", NULL);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_db_migrate(db, schema);
    sse_topic(app, "orders", &(sse_topic_options){ .greet = 20 });
    sse_topic_from_table(app, "orders", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    sse_get (app, "/", page, db);
    sse_get (app, "/feed", feed, NULL);
    sse_post(app, "/order", order, db);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>orders</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#20261f, #e9efe7);\n"
    "        --paper: light-dark(#f3f6f1, #141813); --card: light-dark(#fff, #20271e);\n"
    "        --soft: light-dark(#5c665a, #98a394); --accent: light-dark(#2f6b3a, #8fce9b) }\n"
    "body { margin: 0 auto; max-width: 34rem; padding: 1.5rem 1rem; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }\n"
    "h1 { margin: 0 0 .8rem; font-size: 1.3rem }\n"
    "form { display: flex; gap: .5rem }\n"
    "input, button { font: inherit; border: 0; border-radius: .5rem; padding: .6rem .9rem }\n"
    "input { flex: 1; min-width: 0; background: var(--card); color: inherit }\n"
    "input::placeholder { color: var(--soft); opacity: 1 }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "p { margin: .4rem 0; color: var(--soft); font-size: .85rem; white-space: pre-line }\n"
    "ol { margin: 0; padding: 0; list-style: none; display: flex; flex-direction: column-reverse;\n"
    "     gap: .4rem }\n"
    "li { padding: .5rem .9rem; border-radius: .5rem; background: var(--card);\n"
    "     overflow-wrap: anywhere }\n"
    "li::before { content: '#' attr(data-id) '\\a0\\a0'; color: var(--accent);\n"
    "             font-variant-numeric: tabular-nums }\n"
    "</style>\n";

static const char page_form[] =
    "</head><body><h1>Orders</h1><form method=\"post\" action=\"/order\">\n"
    "<input name=\"item\" aria-label=\"Item\" placeholder=\"What shall it be?\" maxlength=\"200\"\n"
    "  pattern=\".*\\S.*\" autocomplete=\"off\" required autofocus><button>Order</button></form>\n"
    "<p id=\"queue\" role=\"status\"></p><p role=\"status\" data-sse-status data-open=\"\"\n"
    "  data-connecting=\"Not connected. Trying again...\"></p>\n"
    "<ol id=\"log\" aria-live=\"polite\">\n";

static const char page_script[] =
    "</ol><script>\n"
    "const form = document.querySelector('form'), waiting = document.getElementById('queue')\n"
    "const log = document.getElementById('log'), last = log.lastElementChild\n"
    "const feed = new EventSource('/feed?lastEventId=' + (last ? last.dataset.id : 0))\n"
    "feed.onmessage = e => {\n"
    "  const row = document.createElement('li')\n"
    "  row.dataset.id = e.lastEventId\n"
    "  row.textContent = e.data\n"
    "  log.append(row)\n"
    "}\n"
    "feed.addEventListener('gap', () => { log.textContent = '' }) // all rows follow\n"
    "\n"
    "// Orders wait in a queue and leave one at a time, in order, until the server has them.\n"
    "const queue = JSON.parse(sessionStorage.orders ?? '[]')\n"
    "let busy = false, trouble = ''\n"
    "const send = async () => {\n"
    "  sessionStorage.orders = JSON.stringify(queue)\n"
    "  const lines = queue.map(order => order.item + ' ...')\n"
    "  waiting.textContent = [trouble, ...lines].join('\\n').trim()\n"
    "  if (busy || !queue.length) return\n"
    "  busy = true\n"
    "  const post = { method: 'POST', body: new URLSearchParams(queue[0]) }\n"
    "  const reply = await fetch('/order', post).catch(() => ({ status: 503 }))\n"
    "  if (reply.status >= 500) await new Promise(done => setTimeout(done, 1000))\n"
    "  else if (reply.ok) queue.shift()\n"
    "  else trouble = `${await reply.text()}: ${queue.shift().item}`\n"
    "  busy = false\n"
    "  send()\n"
    "}\n"
    "form.onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  queue.push({ item: form.item.value, key: Date.now() + '.' + Math.random() })\n"
    "  form.item.value = trouble = ''\n"
    "  send()\n"
    "}\n"
    "send()\n"
    "</script></body></html>\n";

static void page(sse_req *req, void *db) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_puts(out, page_form);
    sse_rows *r = sse_db_query(db, "SELECT * FROM (SELECT id, body FROM outbox"
                                   "               ORDER BY id DESC LIMIT 20) ORDER BY id");
    while (sse_db_next(r))
        sse_html(out, "<li data-id=\"%lld\">%s</li>\n", sse_db_int(r, 0), sse_db_text(r, 1));
    sse_puts(out, page_script);                                  // the stream begins behind them
}
