/* outbox.c: orders, each told exactly once. Who changes the database adds a row to an outbox in the same transaction; the rows are
   the events of a topic. Other programs do it as well: sqlite3 outbox.db "INSERT INTO outbox(body) VALUES('from the shell')".
   Stop the server, insert, start it again: no page misses a row. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP);"
    "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)"; // AUTOINCREMENT: no id comes twice

static const char page_html[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>orders</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#20261f, #e9efe7); --paper: light-dark(#f3f6f1, #141813);\n"
    "        --card: light-dark(#fff, #20271e); --accent: light-dark(#2f6b3a, #8fce9b) }\n"
    "body { margin: 0 auto; max-width: 34rem; padding: 1.5rem 1rem; background: var(--paper); color: var(--ink);\n"
    "       font: 1rem/1.5 system-ui, sans-serif }\n"
    "h1 { margin: 0 0 .8rem; font-size: 1.3rem }\n"
    "form { display: flex; gap: .5rem; margin-bottom: 1rem }\n"
    "input, button { font: inherit; border: 0; border-radius: .5rem; padding: .6rem .9rem }\n"
    "input { flex: 1; min-width: 0; background: var(--card); color: inherit }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "ol { margin: 0; padding: 0; list-style: none; display: flex; flex-direction: column-reverse; gap: .4rem }\n"
    "li { padding: .5rem .9rem; border-radius: .5rem; background: var(--card); overflow-wrap: anywhere }\n"
    "li::before { content: '#' attr(data-id) '\\a0\\a0'; color: var(--accent); font-variant-numeric: tabular-nums }\n"
    "</style></head><body><h1>Orders</h1>\n"
    "<form><input name=\"item\" aria-label=\"Item\" placeholder=\"What shall it be?\" maxlength=\"200\" autocomplete=\"off\" required autofocus>\n"
    "<button>Order</button></form><ol id=\"log\" aria-live=\"polite\"></ol>\n"
    "<script>\n"
    "const form = document.querySelector('form'), log = document.getElementById('log')\n"
    "const feed = new EventSource('/feed')\n"
    "feed.onmessage = e => {\n"
    "  const row = document.createElement('li')\n"
    "  row.dataset.id = e.lastEventId\n"
    "  row.textContent = e.data\n"
    "  log.append(row)\n"
    "}\n"
    "feed.addEventListener('gap', () => { log.textContent = '' }) // all rows that there are follow\n"
    "form.onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  fetch('/order', { method: 'POST', body: new URLSearchParams(new FormData(form)) })\n"
    "  form.reset()\n"
    "}\n"
    "</script></body></html>\n";

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), page_html);
}

static int add_order(sse_db *db, void *user) {                              // both or neither: that is what an outbox is for
    const char *item = user;
    int rc = sse_db_exec(db, "INSERT INTO orders(item) VALUES(%s)", item);
    if (rc > 0) rc = sse_db_exec(db, "INSERT INTO outbox(body) VALUES('ordered: ' || %s)", item);
    return rc > 0 ? 0 : SSE_E_DB;
}

static void order(sse_req *req, void *user) {
    const char *item = sse_form(req, "item");
    if (!item || !*item) { sse_fail(req, 400, "item is missing"); return; }
    if (sse_db_write(user, add_order, (void *)item)) sse_fail(req, 500, "the order was not taken");
}

static void feed(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .retry_ms = 1000 }), "orders"); // resumes by itself
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
    sse_get (app, "/", page, NULL);
    sse_get (app, "/feed", feed, NULL);
    sse_post(app, "/order", order, db);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
