/* todo.c: a list for each user, live on all devices of that user. Passwords are kept as hashes, and
   sessions outlive the server. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "todo_page.h"                                           // its HTML

static sse_db *db;
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, hash TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY, user TEXT NOT NULL REFERENCES users,"
    "  title TEXT NOT NULL CHECK (length(trim(title)) BETWEEN 1 AND 200), done INTEGER DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS secret AS SELECT hex(randomblob(32)) AS hex";

typedef struct attempt {                                         // to log in, or to join
    sse_req *req; const char *name, *password, *hash; sse_buf new_hash; bool joins, right;
} attempt;

static void check(sse_app *app, void *user) {                    // on a thread: half a second
    attempt *a = (attempt *)user;
    (void)app;
    a->right = a->joins ? sse_password_hash(&a->new_hash, a->password, 0) == SSE_OK
                        : sse_password_check(a->password, a->hash, 0);
}

static void checked(sse_app *app, void *user) {                  // on the loop
    attempt *a = (attempt *)user;
    (void)app;
    if (a->joins && a->right) a->right = sse_db_exec(db, "INSERT OR IGNORE INTO users"
        " VALUES(%s, %s)", a->name, sse_buf_text(&a->new_hash)) == 1; // 0: the name is taken
    if (a->right)
        sse_set_cookie_signed(a->req, "session", sse_fmt(a->req, "session:%s", a->name),
                              &(sse_cookie_options){ .max_age_s = 30 * 86400 });
    sse_redirect(a->req, a->right ? "/" : a->joins ? "/?taken" : "/?wrong");
    sse_finish(a->req);
    sse_buf_free(&a->new_hash);
    free(a);
}

static void enter(sse_req *req, void *user) {                    // POST /login, /join
    const char *name = sse_form(req, "name"), *password = sse_form(req, "password");
    attempt    *a    = (attempt *)calloc(1, sizeof *a);
    if (a && name && password && *name && strlen(name) <= 40 && strlen(password) >= 8) {
        sse_rows *r = sse_db_query(db, "SELECT hash FROM users WHERE name = %s", name);
        *a = (attempt){ req, name, password, NULL, {0}, user != NULL, false };
        if (sse_db_next(r)) a->hash = sse_fmt(req, "%s", sse_db_text(r, 0));
        sse_db_done(r);
        if (sse_offload(sse_req_app(req), check, checked, a) == 0) { sse_defer(req); return; }
        sse_fail(req, 503, "too many log in, try again");
    } else sse_redirect(req, "/?wrong");
    free(a);
}

static void members(sse_req *req, void *user) {                  // before all handlers
    const char *session = sse_cookie_signed(req, "session", 30 * 86400);
    (void)user;
    if (session && strncmp(session, "session:", 8) == 0) sse_set_attr(req, "user", session + 8);
    else if (sse_header(req, "Datastar-Request"))
        sse_stream_end(sse_stream_open(req, NULL), &(sse_event){ .redirect = "/" });
    else if (strncmp(sse_path(req), "/todo", 5) == 0) sse_redirect(req, "/");
}

static void logout(sse_req *req, void *user) {
    (void)user;                                                  // other tabs must log in again
    sse_streams_close(sse_req_app(req), &(sse_filter){ .who = sse_attr(req, "user") }, NULL);
    sse_cookie_delete(req, "session", NULL);
    sse_redirect(req, "/");
}

static void change(sse_req *req, void *user) {                   // POST /todo, /todo/{id}
    const char *title = sse_signal(req, "title"), *what = sse_form(req, "do");
    const char *owner = sse_attr(req, "user"), *id = sse_param(req, "id");
    const int   rc    = !what
        ? sse_db_exec(db, "INSERT INTO todo(user, title) VALUES(%s, %s)", owner, title)
        : strcmp(what, "delete") == 0
        ? sse_db_exec(db, "DELETE FROM todo WHERE id = %s AND user = %s", id, owner)
        : sse_db_exec(db, "UPDATE todo SET done = %d WHERE id = %s AND user = %s",
                      strcmp(what, "done") == 0, id, owner);
    (void)user;
    if (rc == 0) sse_fail(req, 404, "it is not there");
    else if (rc == SSE_E_CONFLICT) sse_fail(req, 400, "a title has 1 to 200 characters");
    else if (rc > 0 && !sse_header(req, "Datastar-Request")) sse_redirect(req, "/");
    else if (rc > 0 && !what) sse_json(sse_out_json(req), "{\"title\":\"\"}"); // taken: clear it
}

static void list(sse_req *req, sse_buf *html, void *user) {      // of one user
    (void)user;
    sse_puts(html, "<ul id=\"list\" aria-label=\"To do\">");
    sse_rows *r = sse_db_query(db, "SELECT id, title, iif(done, 'open', 'done'), iif(done, 'true',"
        " 'false') FROM todo WHERE user = %s ORDER BY done, id DESC", sse_attr(req, "user"));
    while (sse_db_next(r))
        sse_html(html, "<li id=\"t%s\"><form method=\"post\" action=\"/todo/%s\"\n"
            "  data-on:submit__prevent=\"@post(el.action, {contentType: 'form'})\">\n"
            "<button name=\"do\" value=\"%s\" aria-pressed=\"%s\">%s</button>"
            "<button name=\"do\" value=\"delete\" aria-label=\"Delete %s\">&times;</button></form>"
            "</li>", sse_db_text(r, 0), sse_db_text(r, 0), sse_db_text(r, 2), sse_db_text(r, 3),
            sse_db_text(r, 1), sse_db_text(r, 1));
    sse_puts(html, "</ul>");
}

static void page(sse_req *req, void *user) {
    const char *name = sse_attr(req, "user");
    sse_buf    *out  = sse_out(req);
    sse_puts(out, page_head);
    if (name) sse_follow(out, "/todo/list");
    sse_html(out, "><header><h1>To do</h1>%s\n", name ? name : "");
    if (sse_query(req, "wrong")) sse_puts(out, "<p role=\"alert\">Wrong name or password.</p>");
    if (sse_query(req, "taken")) sse_puts(out, "<p role=\"alert\">This name is taken.</p>");
    sse_puts(out, name ? page_form : page_login);
    if (name) list(req, out, user);                              // the state of now
    sse_puts(out, "<p role=\"status\" data-show=\"$_offline\" style=\"display: none\">\n"
                  "Not connected. Trying again...</p></body></html>\n");
}

static void own(sse_req *req, void *user) {                      // the guard of the view
    (void)user;
    sse_stream_open(req, &(sse_stream_options){ .who = sse_attr(req, "user") });
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the lists are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    db = sse_db_open("todo.db", NULL);
    sse_db_migrate(db, schema);
    sse_rows *r   = sse_db_query(db, "SELECT hex FROM secret");
    sse_app  *app = sse_app_new(&(sse_app_options){
        .on_init = ready, .secret = sse_db_next(r) ? sse_db_text(r, 0) : NULL });
    sse_db_done(r);
    sse_before(app, NULL, members, NULL);
    sse_get (app, "/", page, NULL);
    sse_post(app, "/login", enter, NULL);
    sse_post(app, "/join", enter, app);                          // not NULL: a new user
    sse_post(app, "/todo/logout", logout, NULL);
    sse_post(app, "/todo", change, NULL);
    sse_post(app, "/todo/{id}", change, NULL);
    sse_live_each(app, "/todo/list", list,
                  &(sse_live_options){ .db = db, .tables = "todo", .guard = own });
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
