/* progress.c: a long job and its bar, on every open page. The job is a row of a table, and is done
   in a hundred parts on another thread: so it can be cancelled between two of them, a reload shows
   where it is, and a server that was killed goes on. Other programs see and steer it:
       sqlite3 progress.db "UPDATE job SET state = 'cancelled'"
   PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of Datastar's client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static sse_db *db;
static struct { bool busy; long long below, number, found; } part; // the one in work

static void count_primes(sse_app *app, void *user) {             // on a thread: part is its own
    const long long to = part.below * (part.number + 1) / 100;
    long long n = part.below * part.number / 100, d, found = 0;
    (void)user;
    for (; n < to && !sse_stopping(app); n++) {
        for (d = 2; d * d <= n && n % d != 0; d++) {}
        found += n > 1 && d * d > n;
    }
    part.found = n == to ? found : -1;                           // -1: the next start does it anew
}

static void next_part(sse_app *app, void *user);

static void counted(sse_app *app, void *user) {                  // on the loop
    (void)user;
    part.busy = false;
    if (part.found >= 0)                                         // left meanwhile: changes no row
        sse_db_exec(db, "UPDATE job SET part = part + 1, found = found + %lld,"
                        " state = iif(part = 99, 'done', state)"
                        " WHERE below = %lld AND part = %lld AND state = 'running'",
                    part.found, part.below, part.number);
    if (!sse_stopping(app)) next_part(app, NULL);
}

static void next_part(sse_app *app, void *user) {
    (void)user;
    if (part.busy) return;                                       // counted goes on
    sse_rows *r = sse_db_query(db, "SELECT below, part FROM job WHERE state = 'running'");
    if (!sse_db_next(r)) return;                                 // nothing is to be done
    part.below  = sse_db_int(r, 0);
    part.number = sse_db_int(r, 1);
    sse_db_done(r);
    part.busy = sse_offload(app, count_primes, counted, NULL) == SSE_OK;
    if (!part.busy) sse_after(app, 1000, next_part, NULL);       // too little memory: try again
}

static void changed(sse_app *app, sse_db *of, void *user) {      // by a form, or by sqlite3
    (void)of;
    next_part(app, user);
}

static void back(sse_req *req) {                                 // without a script
    if (!sse_header(req, "Datastar-Request")) sse_redirect(req, "/");
}

static void start(sse_req *req, void *user) {                    // or anew
    const long long below = sse_parse_int(sse_form(req, "below"), 0);
    (void)user;
    if (below < 1000 || below > 100000000) sse_fail(req, 400, "from 1000 to 100000000");
    else if (sse_db_exec(db, "UPDATE job SET below = %lld, part = 0, found = 0, state = 'running'"
                            , below) > 0) back(req);
}

static void cancel(sse_req *req, void *user) {
    (void)user;
    if (sse_db_exec(db, "UPDATE job SET state = 'cancelled' WHERE state = 'running'") >= 0)
        back(req);
}

static void job(sse_view *view, sse_buf *html, void *user) {     // ONCE per change, for all
    (void)view, (void)user;
    sse_rows *r = sse_db_query(db, "SELECT state, part, found, below FROM job");
    if (!sse_db_next(r)) return;                                 // the render has failed
    const char *state = sse_db_text(r, 0);
    const bool  runs  = strcmp(state, "running") == 0;
    sse_html(html, "<section id=\"job\" class=\"%s\"><p id=\"state\" role=\"status\">%s</p>\n"
                   "<progress max=\"100\" value=\"%lld\" aria-label=\"Progress\"></progress>\n"
                   "<p id=\"numbers\"><b>%lld %%</b> <span>%lld below %lld</span></p>\n",
             state, state, sse_db_int(r, 1), sse_db_int(r, 1), sse_db_int(r, 2), sse_db_int(r, 3));
    sse_html(html, "<button id=\"go\" form=\"start\">%s</button>\n"
                   "<button id=\"stop\" form=\"cancel\"%s>Cancel</button></section>\n",
             runs ? "Restart" : "Start", runs ? "" : " disabled");
    sse_db_done(r);
}

static void ready(sse_app *app, void *user) {
    next_part(app, user);                                        // which was cut off, perhaps
    printf("the job is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, below, part, found, state);"
    "INSERT OR IGNORE INTO job VALUES(1, 20000000, 0, 0, 'ready')";

int main(void) {
    db = sse_db_open("progress.db", NULL);
    sse_db_migrate(db, schema);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_on_commit(app, db, "job", changed, NULL);
    sse_get (app, "/", page, NULL);
    sse_post(app, "/start", start, NULL);
    sse_post(app, "/cancel", cancel, NULL);
    sse_live(app, "/job", job, &(sse_live_options){ .db = db, .min_interval_ms = 50 });
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Primes</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#1f2430, #e8eaf0);\n"
    "        --paper: light-dark(#f3f5f9, #13151b); --card: light-dark(#fff, #1f232d);\n"
    "        --soft: light-dark(#5a6172, #9aa2b4); --accent: light-dark(#2456c7, #8cb0ff) }\n"
    "body { margin: 0 auto; max-width: 30rem; padding: 1.5rem 1rem; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }\n"
    "h1 { margin: 0 0 1rem; font-size: 1.3rem } p { margin: 0 } #trouble { margin-top: 1rem }\n"
    "input, button { font: inherit; border: 0; border-radius: .6rem; padding: .65rem 1rem }\n"
    "input { width: 100%; box-sizing: border-box; background: var(--card); color: inherit }\n"
    "#job { margin-top: 1rem; padding: 1rem; border-radius: .9rem; background: var(--card) }\n"
    "#state { text-transform: capitalize } label, span, #trouble { color: var(--soft) }\n"
    "#numbers { display: flex; justify-content: space-between; margin-bottom: 1rem }\n"
    "progress { width: 100%; height: 1rem; accent-color: var(--accent) }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    "#stop { background: none; color: var(--accent) } #stop:disabled { visibility: hidden }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }</style></head>\n";

static const char page_forms[] =
    "><h1>How many primes?</h1><form id=\"start\" method=\"post\" action=\"/start\"\n"
    "  data-on:submit__prevent=\"@post('/start', {contentType: 'form'})\"><label>Below\n"
    "  <input name=\"below\" type=\"number\" min=\"1000\" max=\"100000000\" value=\"20000000\"\n"
    "    required></label></form><form id=\"cancel\" method=\"post\" action=\"/cancel\"\n"
    "  data-on:submit__prevent=\"@post('/cancel')\"></form>\n";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_puts(out, "<body ");
    sse_follow(out, "/job");
    sse_puts(out, page_forms);
    job(NULL, out, user);                                        // the state of now
    sse_puts(out, "<p id=\"trouble\" role=\"status\" data-show=\"$_offline\"\n"
                  "   style=\"display: none\">Not connected. Trying again...</p></body></html>\n");
}
