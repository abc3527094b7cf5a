/* kanban.c: a tool for a team. Boards of cards that everybody sees move, by sqlite3 kanban.db too;
   who is there; a search that goes on finding; files of cards; and each change in an outbox, which
   other programs get, once and in order: curl -N 'http://127.0.0.1:8000/audit?lastEventId=0'
   Names are given, not proven: see login.c. PORT=-1: the system chooses. DATASTAR_JS=a client. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <sys/stat.h>

enum { YEAR = 365 * 86400 };
static sse_db *db;
#include "kanban_page.h"                                         // cards, found, page_head, ...

static const char schema[] =                                     // AUTOINCREMENT: no id comes twice
    "CREATE TABLE IF NOT EXISTS cards (id INTEGER PRIMARY KEY, board TEXT NOT NULL,"
    "  title TEXT NOT NULL CHECK (length(trim(title)) BETWEEN 1 AND 200),"
    "  list INTEGER NOT NULL DEFAULT 0 CHECK (list BETWEEN 0 AND 2));"
    "CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, name TEXT NOT NULL,"
    "  card INTEGER NOT NULL REFERENCES cards ON DELETE CASCADE);"
    "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, board TEXT,"
    "  body TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);"
    "CREATE TABLE IF NOT EXISTS secret AS SELECT hex(randomblob(32)) AS hex";

static void people(sse_req *req, void *user) {                   // before all handlers
    const char  *me = sse_cookie_signed(req, "me", YEAR), *path = sse_path(req);
    const bool   on_board = strncmp(path, "/b/", 3) == 0;
    const size_t name = on_board ? strspn(path + 3, "abcdefghijklmnopqrstuvwxyz0123456789-") : 1;
    (void)user;
    if (me) sse_set_attr(req, "me", me);
    if (!name || (on_board && path[3 + name] && path[3 + name] != '/'))
        sse_fail(req, 404, "boards have names of a-z, 0-9 and -");
    else if (!me && strcmp(path, "/") == 0) sse_puts(sse_out(req), page_name);
    else if (!me && (on_board || strncmp(path, "/files/", 7) == 0)) sse_redirect(req, "/");
}

static void home(sse_req *req, void *user) { (void)user, sse_redirect(req, "/b/team"); }
static void enter(sse_req *req, void *user) {                    // POST /name
    const char *name = sse_form(req, "name");
    (void)user;
    if (name && *name && strlen(name) <= 40)
        sse_set_cookie_signed(req, "me", name, &(sse_cookie_options){ .max_age_s = YEAR });
    sse_redirect(req, "/");
}

static int change(sse_db *of, void *user) {                      // a transaction: all or nothing
    sse_req    *req = (sse_req *)user;
    const char *board = sse_param(req, "board"), *to = sse_form(req, "to");
    const char *file  = sse_attr(req, "file"), *what = " added ";
    long long   id = sse_parse_int(sse_param(req, "id"), 0), list = sse_parse_int(to, -1);
    int         rc = 1;
    if (!id) {
        rc = sse_db_exec(of, "INSERT INTO cards(board, title) VALUES(%s, %s)", board,
                         sse_signal(req, "title"));
        id = sse_db_last_id(of);
    } else if (file) {
        rc   = sse_db_exec(of, "INSERT INTO files VALUES(%s, %s, %lld)", file,
                           sse_attr(req, "name"), id);
        what = sse_fmt(req, " attached %s to ", sse_attr(req, "name"));
    } else if (list >= 0 && list <= 2) {
        rc   = sse_db_exec(of, "UPDATE cards SET list = %lld WHERE id = %lld", list, id);
        what = sse_fmt(req, " moved to %s: ", lists[list]);
    } else what = " removed ";
    if (rc > 0) rc = sse_db_exec(of, "INSERT INTO outbox(board, body) SELECT board, %s || %s ||"
                                     " title FROM cards WHERE id = %lld AND board = %s",
                                 sse_attr(req, "me"), what, id, board);
    if (rc > 0 && to && list < 0) rc = sse_db_exec(of, "DELETE FROM cards WHERE id = %lld", id);
    return rc > 0 ? 0 : rc == 0 ? SSE_E_ABSENT : rc;             // ABSENT: nothing has changed
}

static int edit(sse_req *req) {
    const int rc = sse_db_write(db, change, req);
    if (rc == SSE_E_CONFLICT) sse_fail(req, 400, "a title has 1 to 200 characters");
    else if (rc) sse_fail(req, rc == SSE_E_ABSENT ? 404 : 500, "the card is not there");
    else if (!sse_header(req, "Datastar-Request"))
        sse_redirect(req, sse_fmt(req, "/b/%s", sse_param(req, "board")));
    else if (!sse_param(req, "id")) sse_json(sse_out_json(req), "{\"title\":\"\"}"); // clears it
    return rc;
}

static void post(sse_req *req, void *user) { (void)user, edit(req); }

#include "kanban_files.h"                                        // attach, download
static void look(sse_req *req, void *user) {                     // the guard of the view: its owner
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .who = sse_attr(req, "me") }),
                  sse_path(req));                                // a topic for who is there
}

static void moved(sse_app *app, const char *path, const char *who, void *user) { // in, or out
    (void)who, (void)user;
    sse_touch(app, path);
}

static void view_cards(sse_view *view, sse_buf *html, void *app) { // ONCE per change and board
    cards((sse_app *)app, sse_view_param(view, "board"), html);
}

static void view_found(sse_req *req, sse_buf *html, void *user) { // for one who searches
    (void)user;
    found(sse_param(req, "board"), sse_signal(req, "q"), html);
}

static void audit(sse_req *req, void *user) {                    // resumes by itself
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "audit");
}

static void page(sse_req *req, void *app) {                      // GET /b/{board}
    const char *board = sse_param(req, "board");
    sse_buf    *out   = sse_out(req);
    sse_puts(out, page_head);
    sse_follow(out, sse_fmt(req, "/b/%s/cards", board));
    sse_html(out, page_top, board, sse_attr(req, "me"), board, board, board);
    found(board, sse_query(req, "q"), out);                      // without a script
    cards((sse_app *)app, board, out);
    sse_puts(out, page_end);
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the boards are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    db = sse_db_open("kanban.db", NULL);
    sse_db_migrate(db, schema);
    mkdir("kanban-files", 0700);
    sse_rows *r   = sse_db_query(db, "SELECT hex FROM secret");
    sse_app  *app = sse_app_new(&(sse_app_options){
        .on_init = ready, .secret = sse_db_next(r) ? sse_db_text(r, 0) : NULL });
    sse_db_done(r);
    sse_topic(app, "/b/*", &(sse_topic_options){ .on_join = moved, .on_leave = moved });
    sse_topic_from_table(app, "audit", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    sse_before(app, NULL, people, NULL);
    sse_get (app, "/", home, NULL);
    sse_post(app, "/name", enter, NULL);
    sse_get (app, "/b/{board}", page, app);
    sse_post(app, "/b/{board}/cards", post, NULL);
    sse_post(app, "/b/{board}/cards/{id}", post, NULL);
    sse_route(app, "/b/{board}/cards/{id}/files", attach, NULL, &(sse_route_options){
        .method = "POST", .body_later = true, .max_body_bytes = 64 << 20 });
    sse_get (app, "/files/{id}", download, NULL);
    sse_get (app, "/audit", audit, NULL);
    sse_live(app, "/b/{board}/cards", view_cards, &(sse_live_options){
        .db = db, .guard = look, .user = app });
    sse_live_each(app, "/b/{board}/find", view_found, &(sse_live_options){
        .db = db, .tables = "cards files" });
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
