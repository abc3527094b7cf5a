/* processes.c: four processes on one port and one SQLite file. Whichever takes a press, every page
   shows it: the counts are a live view, the presses the rows of a table as events, and both meet in
   the file. Kill one with -9: its pages go on where they were with another one, and it is started
   again. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <sys/wait.h>

static void page(sse_req *req, void *db);                        // at the end: HTML

static void press(sse_req *req, void *db) {
    const char *key = sse_query(req, "key");                     // sent again: the same press
    int n = sse_db_exec(db, "INSERT OR IGNORE INTO presses(pid, key) VALUES(%d, %s)",
                        getpid(), key);
    if (n >= 0 && !key) sse_redirect(req, "/");                 // without a script
}

static void counts(sse_view *view, sse_buf *html, void *db) {    // once per change and process
    (void)view;
    sse_rows *r = sse_db_query(db, "SELECT pid, count(*) FROM presses GROUP BY pid ORDER BY 1");
    while (sse_db_next(r))
        sse_html(html, "<tr><td>%lld<td>%lld", sse_db_int(r, 0), sse_db_int(r, 1));
}

static void feed(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, &(sse_stream_options){ .retry_ms = 500 });
    (void)user;
    sse_subscribe(s, "presses");                                 // resumes by itself, anywhere
    sse_stream_view(s, "/counts");
}

static int told[2], life[2];                                     // pipes: the port, see parent_gone

static void ready(sse_app *app, void *user) {
    const int port = sse_port(app);
    (void)user;
    if (told[1] >= 0 && write(told[1], &port, sizeof port) < 0) sse_stop(app);
}

static void parent_gone(sse_app *app, int fd, int events, void *user) { // its end of life is closed
    (void)fd; (void)events; (void)user;
    sse_stop(app);
}

static int serve(int port) {                                     // all of it after fork()
    sse_db  *db  = sse_db_open("processes.db", NULL);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS presses"
                       " (id INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER, key TEXT UNIQUE)");
    sse_topic_from_table(app, "presses", db,
                         "SELECT id, 'taken by ' || pid FROM presses WHERE id > ? ORDER BY id");
    sse_live(app, "/counts", counts, &(sse_live_options){
        .db = db, .tables = "presses", .format = SSE_AS_DATA, .event = "counts", .user = db });
    sse_get (app, "/", page, db);
    sse_get (app, "/feed", feed, NULL);
    sse_post(app, "/press", press, db);
    sse_watch(app, life[0], SSE_READ, parent_gone, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = port, .reuse_port = true });
}

enum { PROCESSES = 4 };
static volatile sig_atomic_t stopping;

static void stop(int number) {
    if (!stopping) close(life[1]);                               // which stops all
    stopping = number;
}

static pid_t start(int port) {
    const pid_t pid = fork();
    if (pid) return pid;
    signal(SIGTERM, SIG_DFL), signal(SIGINT, SIG_DFL);
    close(life[1]);                                              // the parent alone holds it
    exit(serve(port) != 0);
}

int main(void) {
    pid_t pids[PROCESSES], over;
    int   port = (int)sse_parse_int(getenv("PORT"), 8000), i;
    if (pipe(told) || pipe(life)) return 1;
    signal(SIGTERM, stop), signal(SIGINT, stop);
    pids[0] = start(port);                                       // which may choose the port
    close(told[1]), told[1] = -1;
    if (read(told[0], &port, sizeof port) <= 0) return 1;        // it could not begin
    for (i = 1; i < PROCESSES; i++) pids[i] = start(port);
    printf("the processes are on http://127.0.0.1:%d\n", port);
    fflush(stdout);
    while ((over = wait(NULL)) > 0)                              // one that dies starts again
        for (i = 0; i < PROCESSES && !stopping; i++)
            if (over == pids[i] && sleep(1) == 0) pids[i] = start(port);
    return 0;
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>processes</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#1e2430, #e8ecf4);\n"
    "        --paper: light-dark(#f2f4f8, #141720); --card: light-dark(#fff, #202532);\n"
    "        --soft: light-dark(#586072, #98a1b5); --accent: light-dark(#2a55b8, #8fb0ff) }\n"
    "body { margin: 0 auto; max-width: 34rem; padding: 1.5rem 1rem; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }\n"
    "h1 { margin: 0; font-size: 1.3rem }\n"
    "button { font: inherit; border: 0; border-radius: .5rem; padding: .6rem 1.4rem;\n"
    "         background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    "p, th { color: var(--soft); font-size: .85rem; font-weight: 400 }\n"
    "table { width: 100%; margin: 1rem 0; border-collapse: collapse }\n"
    "th, td { padding: .3rem .9rem; text-align: right } td { background: var(--card) }\n"
    "ol { padding: 0; list-style: none; display: flex; flex-direction: column-reverse }\n"
    "li { padding: .4rem .9rem; margin: .15rem 0; background: var(--card) }\n"
    "li::before { content: '#' attr(data-id) '\\a0\\a0'; color: var(--accent) }\n"
    "</style>";

static const char page_script[] = "</ol><script>\n"
    "const [counts, log] = document.querySelectorAll('tbody, ol')\n"
    "const last = log.lastElementChild?.dataset.id ?? 0\n"
    "const feed = new EventSource('/feed?lastEventId=' + last)\n"
    "feed.addEventListener('counts', e => { counts.innerHTML = e.data })\n"
    "feed.onmessage = e => {\n"
    "  const row = log.appendChild(document.createElement('li'))\n"
    "  row.dataset.id = e.lastEventId\n"
    "  row.textContent = e.data\n"
    "  if (log.childElementCount > 20) log.firstElementChild.remove()\n"
    "}\n"
    "document.forms[0].onsubmit = e => {\n"
    "  e.preventDefault()\n"
    "  const url = '/press?key=' + Date.now() + '.' + Math.random()\n"
    "  const send = () => fetch(url, { method: 'POST' }).catch(() => setTimeout(send, 500))\n"
    "  send()\n"
    "}\n"
    "</script></body></html>\n";

static void page(sse_req *req, void *db) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_printf(out, "</head><body><h1>Four processes</h1><p>Process %d made this page.</p>\n"
                    "<form method=\"post\" action=\"/press\"><button>Press</button></form>\n",
               (int)getpid());
    sse_puts(out, "<p role=\"status\" data-sse-status data-open=\"\" "
                  "data-connecting=\"Not connected. Trying again...\"></p>\n"
                  "<table><thead><tr><th>process<th>presses</thead><tbody>");
    counts(NULL, out, db);
    sse_puts(out, "</tbody></table><ol aria-live=\"polite\">\n");
    sse_rows *r = sse_db_query(db, "SELECT * FROM (SELECT id, pid FROM presses"
                                   "               ORDER BY id DESC LIMIT 20) ORDER BY id");
    while (sse_db_next(r))
        sse_html(out, "<li data-id=%lld>taken by %s</li>\n", sse_db_int(r, 0), sse_db_text(r, 1));
    sse_puts(out, page_script);                                  // the stream begins behind them
}
