/* world.h: the app of a plan, its clients, and the model of what each of them must see. */
#ifndef WORLD_H
#define WORLD_H
#include "model.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

static char dir[100]; /* where the socket and the database are */

/* ---- handlers: who opens which stream is in the query: ?n=SESSION ---- */

static sse_event event_of(const char *data) {
    sse_event e;
    memset(&e, 0, sizeof e);
    e.data = data;
    return e;
}

static session *session_asked(sse_req *req) {
    const long long n = sse_parse_int(sse_query(req, "n"), -1);
    return n >= 0 && n < w.nsessions ? &w.sessions[n] : NULL;
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    session *x = (session *)user;
    int      i;
    for (i = 0; !x && i < w.nsessions; i++) /* of .stream, which has no user of its own */
        if (w.sessions[i].stream.slot == s.slot && w.sessions[i].stream.gen == s.gen &&
            w.sessions[i].incarnation == w.incarnation)
            x = &w.sessions[i];
    if (!x) wrong("on_close of a stream that nobody knows");
    else model_closed(x, (int)reason);
}

static int session_step(sse_stream s, void *user) {
    session  *x = (session *)user;
    char      text[40];
    sse_event e = event_of(text);
    if (sse_stopping(w.app)) return SSE_END;
    snprintf(text, sizeof text, "G%d", x->steps);
    model_expect(x, LANE_STEP, x->steps++);
    sse_stream_send(s, &e);
    return 700;
}

static void session_stop(sse_stream s, void *user) { /* of GRACE */
    session  *x = (session *)user;
    sse_event e = event_of("stopping");
    if (sse_stream_send(s, &e) == SSE_OK) x->farewell = true;
}

/* Tells the client what the hooks did, and who it is taken for. */
static void say_head(sse_req *req) {
    sse_set_header(req, "X-Peer", sse_peer(req));
    sse_set_header(req, "X-Hook", sse_attr(req, "hook") ? sse_attr(req, "hook") : "none");
    sse_set_header(req, "X-Guard", sse_attr(req, "guard") ? sse_attr(req, "guard") : "none");
    sse_set_cookie(req, "c", "1", NULL);
}

/* ---- events on their way ---- */

enum { EXCEPT_NOBODY, EXCEPT_ONE, EXCEPT_LIST, EXCEPT_PERSON };

typedef struct publication {
    int n, error;
} publication;

static int publication_send(const publication *made, bool thread) {
    const pub *p = &w.pubs[made->n];
    char       text[1400];
    sse_stream left_out[SESSIONS];
    sse_event  e = event_of(text);
    int        i, count = 0, receivers = -7, error;
    snprintf(text, sizeof text, "E%d %s", made->n, filler(made->n));
    for (i = 0; i < w.nsessions; i++)
        if (p->left_out >> i & 1) {
            left_out[count++] = w.sessions[i].stream;
            if (p->except == EXCEPT_PERSON) e.except_who = people[w.sessions[i].client];
        }
    if (p->except == EXCEPT_ONE && count) e.except = left_out[0];
    if (p->except == EXCEPT_LIST) e.except_list = left_out, e.except_count = count;
    e.ephemeral = p->ephemeral;
    e.key = made->n % 2 ? "odd" : "even";
    e.receivers = &receivers;
    error = sse_publish(w.app, topics[p->topic].name, &e);
    if (!error && receivers != (thread ? -1 : p->receivers) && (thread || !has(F_SLOW)))
        wrong("event %d has %d receivers, not %d", made->n, receivers, p->receivers);
    return error;
}

static void follow(sse_stream s, session *x, int t) {
    if (sse_subscribe(s, topics[t].name)) wrong("subscribing to %s failed", topics[t].name);
    model_follows(x, t);
}

/* What a stream of x is subscribed to. */
static void feed_stream(sse_stream s, session *x) {
    const bool rows = x->kind == KIND_ROWS || !numbered_kind();
    int        t;
    if (has(F_PATTERN) && !(rows && has(F_TABLE))) {
        if (sse_subscribe_pattern(s, "k.*")) wrong("subscribing to a pattern failed");
        x->pattern = true;
    }
    if (rows && has(F_TABLE)) follow(s, x, T_ROWS);
    for (t = 0; t < TOPICS; t++) {
        if (!topic_is_there(t) || x->follows[t]) continue;
        if (t == T_ROWS ? !rows : x->kind == KIND_ROWS && topic_is_numbered(t)) {
            if (sse_subscribe(s, topics[t].name) != SSE_E_STATE)
                wrong("ids of two kinds on a stream");
        } else if (!has(F_PATTERN) || x->client == 1 || t == T_HERE || rows) follow(s, x, t);
    }
    if (x->kind == KIND_ROWS && has(F_PATTERN) && sse_subscribe_pattern(s, "k.*") != SSE_E_STATE)
        wrong("a pattern beside the rows of a table");
}

static sse_stream_options stream_options(session *x) {
    static char        first[24];
    static sse_event   hi, bye;
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    o.on_close = on_close;
    o.user = x;
    if (has(F_LIFETIME)) o.lifetime_ms = LIFETIME_MS;
    if (has(F_SLOW)) o.max_queue_bytes = QUEUE_BYTES;
    o.own_history = has(F_OWN);
    o.label = "direct";
    if (!x) return o;
    o.label = "own";
    o.who = people[x->client];
    snprintf(first, sizeof first, "hi %d", x->n);
    hi = event_of(first);
    o.first = &hi;
    if (has(F_STEP) && x->kind != KIND_PLAIN) o.step = session_step;
    if (has(F_GRACE)) {
        bye = event_of("bye");
        o.last = &bye;
        o.on_stop = session_stop;
        x->drains = o.drain = x->client % 2 == 0;
    }
    return o;
}

/* Opens the stream of a request. direct: for a view, which joins by itself. */
static void open_session(sse_req *req, session *x, bool direct) {
    sse_stream_options o = stream_options(x);
    sse_stream         s;
    say_head(req);
    model_opens(x, sse_header(req, "last-event-id"));
    x->greeted = true;
    s = x->stream = sse_stream_open(req, &o);
    if (!s.app) {
        wrong("a stream could not be opened");
        return;
    }
    x->opened = true;
    if (has(F_SEND)) {
        const char *id = sse_stream_id(s);
        if (sse_stream_find(w.app, id).gen != s.gen) wrong("sse_stream_find");
    }
    if (x->kind != KIND_PLAIN) feed_stream(s, x);
    model_begins(x);
    if (direct || x->kind == KIND_PLAIN) return;
    if (has(F_VIEW) && sse_stream_view(s, "/v")) wrong("sse_stream_view of a shared view");
    if (has(F_EACH) && sse_stream_view(s, "/e")) wrong("sse_stream_view of a private view");
    x->shows[0] = has(F_VIEW);
    x->shows[1] = has(F_EACH);
}

static void stream(sse_req *req, void *user) {
    session *x = session_asked(req);
    (void)user;
    if (!x) sse_fail(req, 400, "who?");
    else open_session(req, x, false);
}

/* A body that is read as it comes: its bytes are counted; behind the last one fn is called. */
typedef struct intake {
    size_t      n;
    sse_handler then;
} intake;

static int take_body(sse_req *req, sse_str chunk, int status, void *user) {
    intake *in = (intake *)user;
    if (status == 1) {
        in->n += chunk.len;
        return 0;
    }
    if (status == 0 && (long long)in->n != sse_parse_int(sse_query(req, "len"), -1))
        wrong("a body of %d bytes has another length", (int)in->n);
    if (status == 0) in->then(req, NULL);
    free(in);
    return 0;
}

static void read_body(sse_req *req, sse_handler then) {
    intake *in = (intake *)calloc(1, sizeof *in);
    if (!in) abort();
    in->then = then;
    if (sse_body_read(req, take_body, in)) wrong("sse_body_read");
}

static void stream_later(sse_req *req, void *user) {
    (void)user;
    read_body(req, stream);
}

static void guard(sse_req *req, void *user) {
    session *x = session_asked(req);
    (void)user;
    w.guards++;
    if (sse_query(req, "refuse")) {
        sse_set_header(req, "X-Hook", sse_attr(req, "hook") ? sse_attr(req, "hook") : "none");
        sse_fail(req, 403, "no");
        return;
    }
    sse_set_attr(req, "guard", "ran");
    if (sse_query(req, "direct") && x) open_session(req, x, true);
}

static void before(sse_req *req, void *user) {
    (void)user;
    w.hooks++;
    sse_set_attr(req, "hook", "ran");
}

/* A view whose .guard there is none for: its stream is found by being the newest. */
static void before_view(sse_req *req, void *user) {
    session *x = session_asked(req);
    (void)user;
    if (!x || !sse_query(req, "direct")) return;
    say_head(req);
    model_opens(x, NULL);
    x->opened = true;
    model_begins(x);
}

/* ---- publishing ---- */

static void *publish_on_thread(void *user) {
    ((publication *)user)->error = publication_send((publication *)user, true);
    return NULL;
}

/* Publishes what the model has noted already. thread: from another one. */
static void publish_noted(int from, int count, bool thread) {
    pthread_t   other;
    publication p;
    int         i;
    for (i = from; i < from + count; i++) {
        p.n = i;
        p.error = 0;
        if (!thread) p.error = publication_send(&p, false);
        else if (pthread_create(&other, NULL, publish_on_thread, &p)) p.error = -1;
        else pthread_join(other, NULL);
        if (p.error) wrong("sse_publish answered %d", p.error);
    }
}

static void publish_answer(sse_req *req) {
    sse_printf(sse_out(req), "published %s", sse_query(req, "from"));
}

static void publish_finish(sse_app *app, void *user) {
    (void)app;
    publish_answer((sse_req *)user);
    if (sse_finish((sse_req *)user)) wrong("sse_finish");
}

static void refused_closed(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    ++*(int *)user;
    if (reason != SSE_BY_ERROR) wrong("a stream that did not open closed by %d", (int)reason);
}

static void publish_body(sse_req *req, void *user) {
    (void)user;
    say_head(req);
    publish_noted((int)sse_parse_int(sse_query(req, "from"), 0),
        (int)sse_parse_int(sse_query(req, "count"), 0), false);
    if (!has(F_DEFERRED)) publish_answer(req);
    else if (!sse_after(w.app, 50, publish_finish, req).app) wrong("sse_after");
}

static void publish_route(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = refused_closed;
    o.user = &w.refused_closed;
    if (has(F_DEFERRED)) {
        if (sse_defer(req)) wrong("sse_defer");
        if (sse_stream_open(req, &o).app) wrong("a deferred request became a stream");
        w.refused_opened++;
    }
    if (has(F_BODY_LATER)) read_body(req, publish_body);
    else publish_body(req, NULL);
}

/* ---- views, presence, listening ---- */

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    (void)user;
    sse_printf(html, "V%d %s", w.version[0], filler(w.version[0] * 7 + 1));
}

static void render_each(sse_req *req, sse_buf *html, void *user) {
    session *x = session_asked(req);
    (void)user;
    sse_printf(html, "W%d c%d %s", w.version[1], x ? x->client : -1, filler(w.version[1] * 7 + 2));
}

static void joined(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app;
    (void)user;
    model_presence(topic, who, 1);
}

static void left(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app;
    (void)user;
    model_presence(topic, who, -1);
}

static void listened(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app;
    (void)user;
    model_listened(topic, event->data);
}

static bool here(const char *who, sse_stream s, void *user) {
    int i;
    (void)s;
    for (i = 0; i < CLIENTS; i++)
        if (strcmp(people[i], who) == 0) ((bool *)user)[i] = true;
    return true;
}

/* ---- the app ---- */

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (getenv("LOGS") && level <= SSE_LOG_INFO) fprintf(stderr, "log %d: %s\n", level, line);
}

static void add_topics(void) {
    sse_topic_options o;
    int               t;
    for (t = 0; t < TOPICS; t++) {
        if (!topic_is_there(t) || t == T_NONE) continue;
        memset(&o, 0, sizeof o);
        o.history = topics[t].history;
        if (t == T_AGE) o.history_age_ms = AGE_MS;
        if (topic_is_stored(t)) o.db = w.db;
        if (has(F_GREET) && t != T_HERE) o.greet = GREET;
        o.overflow = topic_overflow(t);
        if (has(F_PRESENCE)) {
            o.on_join = joined;
            o.on_leave = left;
        }
        if (sse_topic(w.app, topics[t].name, &o)) wrong("sse_topic %s", topics[t].name);
    }
    if (has(F_TABLE) && sse_topic_from_table(w.app, topics[T_ROWS].name, w.db,
                            "SELECT id, body FROM outbox WHERE id > ? ORDER BY id"))
        wrong("sse_topic_from_table");
    if (has(F_LISTEN)) sse_topic_listen(w.app, "k.*", listened, NULL);
}

static void add_routes(void) {
    static sse_stream_options stream_of_views;
    sse_route_options         o;
    sse_live_options          live;
    memset(&o, 0, sizeof o);
    memset(&live, 0, sizeof live);
    if (has(F_BEFORE)) sse_before(w.app, NULL, before, NULL);
    if (has(F_GUARD)) o.guard = live.guard = guard;
    else sse_before(w.app, "/v", before_view, NULL), sse_before(w.app, "/e", before_view, NULL);
    sse_route(w.app, "/s", stream, NULL, &o);
    o.method = "POST";
    o.body_later = has(F_BODY_LATER);
    sse_route(w.app, "/pub", publish_route, NULL, &o);
    if (has(F_BODY_LATER)) sse_route(w.app, "/s", stream_later, NULL, &o);
    stream_of_views = stream_options(NULL);
    live.stream = &stream_of_views;
    live.format = SSE_AS_DATA;
    live.event = "view";
    sse_live(w.app, "/v", render, &live);
    live.event = "each";
    sse_live_each(w.app, "/e", render_each, &live);
}

static void start(void) {
    sse_app_options   o;
    sse_serve_options serve;
    char              path[160];
    memset(&o, 0, sizeof o);
    memset(&serve, 0, sizeof serve);
    w.incarnation++;
    model_starts();
    snprintf(path, sizeof path, "%s/app.db", dir);
    if (has(F_DATABASE) || has(F_TABLE)) {
        w.db = sse_db_open(path, NULL);
        sse_db_migrate(w.db, "CREATE TABLE IF NOT EXISTS outbox"
                             " (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    }
    o.on_log = on_log;
    o.secret = "secret";
    o.compress_window = 16;
    if (has(F_PROXY)) o.trusted_proxies = "unix";
    w.app = sse_app_new(&o);
    add_topics();
    add_routes();
    snprintf(path, sizeof path, "unix:%s/socket", dir);
    serve.host = path;
    serve.senders = has(F_SENDERS) ? 1 : 0;
    if (sse_listen(w.app, &serve)) wrong("sse_listen");
}
#endif
