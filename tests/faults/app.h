/* app.h: an app of everything that touches the system. Include it after client.h. */
#ifndef APP_H
#define APP_H

#include "rows.h"

/* ---- what was opened ends once ---- */

typedef struct opened {
    struct opened *next;
    int            closes;
} opened;

static opened *openings;

static void stream_closed(sse_stream s, sse_reason reason, void *user) {
    opened *o = (opened *)user;
    (void)s;
    (void)reason;
    if (o && o->closes++) bug("on_close ran %d times", o->closes);
}

/* Options of a stream with an owner. */
static sse_stream_options owned(void) {
    sse_stream_options o;
    const bool         was = serving;
    opened            *mine;
    memset(&o, 0, sizeof o);
    serving = false;
    mine = (opened *)calloc(1, sizeof *mine);
    serving = was;
    if (!mine) abort();
    mine->next = openings;
    openings = mine;
    o.on_close = stream_closed;
    o.user = mine;
    o.who = "ann";
    return o;
}

/* ---- replies ---- */

static void page(sse_req *req, void *user) { /* ?n=rows */
    long long i, n = sse_parse_int(sse_query(req, "n"), 0);
    (void)user;
    sse_html(sse_out(req), "<h1>%s</h1>\n", sse_query(req, "q"));
    for (i = 0; i < n; i++) sse_printf(sse_out(req), "<li>row %lld\n", i);
}

static void form(sse_req *req, void *user) {
    (void)user;
    if (sse_form(req, "a")) sse_printf(sse_out(req), "%s", sse_form(req, "a"));
}

static int count_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    size_t *sum = (size_t *)user;
    *sum += chunk.len;
    if (status == 1) return 0;
    if (status == 0) sse_printf(sse_out(req), "%zu", *sum);
    free(sum);
    return 0;
}

static int count_part(sse_req *req, const sse_part *part, sse_str chunk, int status, void *user) {
    return part ? (*(size_t *)user += chunk.len, 0) : count_chunk(req, chunk, status, user);
}

static void count_body(sse_req *req, void *user) {
    size_t *sum = (size_t *)calloc(1, sizeof *sum);
    int     error;
    if (!sum) {
        sse_fail(req, 503, "no memory");
        return;
    }
    error = user ? sse_body_parts(req, count_part, sum) : sse_body_read(req, count_chunk, sum);
    if (error) free(sum);
}

static void saved_form(sse_req *req, const sse_body_file *file, void *user) { /* no text is lost */
    const char *note = sse_form(req, "note");
    (void)user;
    if (!file->error && (!note || strcmp(note, "typed") != 0)) sse_fail(req, 400, "no note");
}

static void save_body(sse_req *req, void *user) {
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    o.field = (const char *)user;
    o.topic = "progress";
    sse_body_to_file(req, user ? "of-form" : "of-body", user ? saved_form : NULL, &o);
}

static void work(sse_app *a, void *user) { (void)a, (void)user; }

static void finish(sse_app *a, void *user) {
    (void)a;
    sse_puts(sse_out((sse_req *)user), "later");
    sse_finish((sse_req *)user);
}

static void later(sse_req *req, void *user) {
    (void)user;
    if (sse_defer(req)) return;
    if (sse_offload(sse_req_app(req), work, finish, req) == 0) return;
    sse_fail(req, 503, "no thread");
    sse_finish(req);
}

/* ---- the database ---- */

static int write_both(sse_db *d, void *user) {
    sse_req *req = (sse_req *)user;
    return sse_db_exec(d, "INSERT INTO rows(k) VALUES(%s)", sse_query(req, "k")) < 0 ||
           sse_db_exec(d, "INSERT INTO outbox(body) VALUES('outbox ' || %s || '.')",
               sse_query(req, "k")) < 0;
}

static void write_rows(sse_req *req, void *user) { /* POST ?k=number */
    (void)user;
    sse_db_write(db, write_both, req);
}

static void view(sse_view *v, sse_buf *html, void *user) {
    long long n = 0;
    (void)user;
    sse_db_one(db, &n, "SELECT count(*) FROM rows");
    sse_html(html, "<p id=\"v\">%s: %lld rows</p>", sse_view_param(v, "id"), n);
}

static void each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"e\">%s</p>", sse_query(req, "q"));
}

/* ---- streams ---- */

static void events(sse_req *req, void *user) {
    const sse_stream_options o = owned();
    sse_stream               s = sse_stream_open(req, &o);
    (void)user;
    sse_subscribe(s, sse_param(req, "topic"));
}

static int step(sse_stream s, void *user) {
    sse_event e;
    (void)user;
    memset(&e, 0, sizeof e);
    e.data = "step";
    return sse_stream_send(s, &e) ? SSE_RECONNECT : sse_stream_pending(s) > 100 ? SSE_END : 10;
}

static void steps(sse_req *req, void *user) {
    sse_stream_options o = owned();
    (void)user;
    o.step = step;
    o.lifetime_ms = 50;
    o.own_history = true;
    sse_stream_open(req, &o);
}

static int publish_number(const char *topic, const char *number) {
    char      data[16400];
    sse_event e;
    memset(&e, 0, sizeof e);
    snprintf(data, sizeof data, "%s %s.%*s", topic, number, strcmp(topic, "big") ? 0 : 16300, "");
    e.data = data;
    return sse_publish(app, topic, &e);
}

static void publish(sse_req *req, void *user) { /* POST /publish/{topic}?k=number */
    (void)user;
    if (publish_number(sse_param(req, "topic"), sse_query(req, "k")))
        sse_fail(req, 503, "not published");
}

/* ---- the program ---- */

static int  ticked, heard;
static char lines[200];

static void tick(sse_app *a, void *user) {
    (void)a, (void)user;
    ticked++;
}

static void hear_event(sse_app *a, const char *topic, const sse_event *event, void *user) {
    (void)a, (void)topic, (void)event, (void)user;
    heard++;
}

static void hear_line(sse_app *a, const char *line, void *user) {
    (void)a, (void)user;
    if (strlen(lines) < 100) strcat(lines, line ? line : "|end");
}

static bool unkept; /* it has said that events are sent that a crash would lose */

static void log_line(int level, const char *line, void *user) {
    const char *p = line;
    (void)user;
    while (*p && (unsigned char)*p >= 32) p++;
    if (*p) bug("a log line holds a control character: %s", line);
    if (strstr(line, "sent but not kept")) unkept = true;
    if (strstr(line, "kept again")) unkept = false;
    if (getenv("SHOW")) fprintf(stderr, "#   %d %s\n", level, line);
}

static void anyone(sse_req *req, void *user) { (void)req, (void)user; }

static void on_joins(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)topic, (void)who, (void)user;
}

static void add_bodies(void) {
    sse_route_options later_body;
    memset(&later_body, 0, sizeof later_body);
    later_body.method = "POST";
    later_body.body_later = true;
    sse_route(app, "/sum", count_body, NULL, &later_body);
    sse_route(app, "/parts", count_body, (void *)app, &later_body);
    sse_route(app, "/save", save_body, NULL, &later_body);
    sse_route(app, "/save-form", save_body, (void *)"file", &later_body);
}

static void add_streams(void) {
    sse_topic_options t;
    sse_live_options  l;
    memset(&t, 0, sizeof t);
    memset(&l, 0, sizeof l);
    t.history = 1000;
    t.on_join = t.on_leave = on_joins;
    sse_topic(app, "mem", &t);
    t.db = db;
    sse_topic(app, "kept", &t);
    sse_topic_from_table(app, "outbox", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    sse_topic_listen(app, "*", hear_event, NULL);
    l.db = db;
    l.tables = "rows";
    sse_live(app, "/view/{id}", view, &l);
    sse_live_each(app, "/each", each, NULL);
    sse_get(app, "/events/{topic}", events, NULL);
    sse_get(app, "/steps", steps, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
}

static void add_routes(void) {
    sse_before(app, "/page", anyone, NULL);
    sse_get(app, "/page", page, NULL);
    sse_post(app, "/form", form, NULL);
    sse_get(app, "/later", later, NULL);
    sse_post(app, "/post", post, NULL);
    sse_post(app, "/write", write_rows, NULL);
    sse_static(app, "/dir", "dir", NULL);
    sse_monitor(app, "/_sse", anyone, NULL);
    add_bodies();
    add_streams();
}

static int listen_twice(void) {
    sse_serve_options o;
    int               error;
    memset(&o, 0, sizeof o);
    o.host = "unix:s";
    o.unix_mode = 0600;
    o.access_log = true;
    o.grace_ms = 1000;
    o.senders = 1;
    error = sse_listen(app, &o);
    if (error) return error;
    o.host = NULL;
    o.unix_mode = 0;
    o.port = SSE_ANY_PORT;
    return sse_listen(app, &o);
}

static void app_down(void) {
    serving = true;
    sse_app_free(app);
    sse_db_close(db);
    serving = false;
    app = NULL;
    db = NULL;
}

/* Makes it, listening. False: something of that failed, and said so; nothing is left. */
static bool app_up(void) {
    sse_app_options o;
    const char     *why = "";
    int             error = SSE_E_NOMEM;
    memset(&o, 0, sizeof o);
    o.on_log = log_line;
    serving = true;
    app = sse_app_new(&o);
    db = sse_db_open("a.db", NULL);
    sse_db_exec(db, "PRAGMA wal_autocheckpoint = 20");
    error = sse_db_migrate(db,
        "CREATE TABLE IF NOT EXISTS rows(k INTEGER);"
        "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    if (app) {
        add_routes();
        error = listen_twice();
        if (error) sse_app_error(app, &why);
    }
    serving = false;
    if (app && !error) return true;
    if (app && fails.error != ENOMEM && !*why) bug("%s without a word", sse_error_text(error));
    if (!fails.hits) bug("not set up: %s, %s", sse_error_text(error), why);
    app_down();
    return false;
}
#endif
