/* server.c: what other people's test suites are pointed at. Listens on 127.0.0.1, for any host name
   and origin.
   usage: outside PORT [ROOT] [DB]
   Each part below is one concern: its handlers, and a function at its end that adds its routes. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char *const secret = "secret";

/* ---- small replies -------------------------------------------------------------- */

static void home(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static void echo(sse_req *req, void *user) {
    const char   *type = sse_header(req, "content-type");
    const sse_str body = sse_body(req);
    (void)user;
    sse_set_type(req, type ? type : "application/octet-stream");
    sse_raw(sse_out(req), body.ptr, body.len);
}

static void sign(sse_req *req, void *user) {
    (void)user;
    sse_set_type(req, "text/plain");
    if (sse_sign(sse_out(req), secret, sse_query(req, "value")))
        sse_fail(req, 400, "value is missing");
}

static void unsign(sse_req *req, void *user) {
    (void)user;
    sse_set_type(req, "text/plain; charset=utf-8");
    if (sse_unsign(sse_out(req), secret, sse_query(req, "value"),
            (int)sse_parse_int(sse_query(req, "max_age"), 0)))
        sse_fail(req, 403, "not signed here, or too old");
}

static void stats(sse_req *req, void *user) {
    sse_stats s;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
#define N(name) (unsigned long long)s.name
    sse_json(sse_out_json(req),
        "{\"connections\":%llu,\"streams\":%llu,\"views\":%llu,\"accepted\":%llu,\"refused\":%llu,"
        "\"requests\":%llu,\"bad_requests\":%llu,"
        "\"timeouts\":%llu,\"events\":%llu,\"renders\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,"
        "\"sends\":%llu}",
        N(connections), N(streams), N(views), N(accepted), N(refused), N(requests), N(bad_requests),
        N(timeouts), N(events), N(renders), N(bytes_in), N(bytes_out), N(sends));
#undef N
}

static void answer_slowly(sse_app *app, void *user) {
    sse_req *req = (sse_req *)user;
    (void)app;
    sse_puts(sse_out(req), "slow");
    sse_finish(req);
}

static void slow(sse_req *req, void *user) {
    const long long ms = sse_parse_int(sse_query(req, "ms"), 1000);
    (void)user;
    if (ms < 0 || ms > 3600000) sse_fail(req, 400, "ms is out of range");
    else if (!sse_defer(req)) sse_after(sse_req_app(req), (int)ms, answer_slowly, req);
}

static int upload_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    sse_sha256   *sum = (sse_sha256 *)user;
    unsigned char hash[32];
    int           i;
    if (status == 1) {
        sse_sha256_add(sum, chunk.ptr, chunk.len);
        return 0;
    }
    sse_sha256_end(sum, hash);
    sse_set_type(req, "text/plain");
    for (i = 0; i < 32; i++) sse_printf(sse_out(req), "%02x", hash[i]);
    free(sum);
    return 0;
}

static void upload(sse_req *req, void *user) {
    sse_sha256 *sum = (sse_sha256 *)calloc(1, sizeof *sum);
    (void)user;
    if (!sum || sse_body_read(req, upload_chunk, sum)) free(sum);
}

static void add_small(sse_app *app) {
    sse_route_options o;
    memset(&o, 0, sizeof o);
    sse_get(app, "/", home, NULL);
    sse_post(app, "/echo", echo, NULL);
    sse_get(app, "/sign", sign, NULL);
    sse_get(app, "/unsign", unsign, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_get(app, "/slow", slow, NULL);
    o.method = "POST";
    o.body_later = true;
    o.max_body_bytes = SSE_UNLIMITED;
    sse_route(app, "/upload", upload, NULL, &o);
}

/* ---- topics ---------------------------------------------------------------------- */

static sse_db *db;

static void subscribe(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.ping_ms = (int)sse_parse_int(sse_query(req, "ping_ms"), 0);
    o.send_timeout_ms = (int)sse_parse_int(sse_query(req, "send_timeout_ms"), 0);
    o.max_queue_bytes = (size_t)sse_parse_int(sse_query(req, "max_queue"), 0);
    sse_subscribe(sse_stream_open(req, &o), sse_fmt(req, "topic.%s", sse_param(req, "name")));
}

static void publish(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    sse_event     event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = sse_query(req, "event");
    event.id = sse_query(req, "id");
    event.data = body.len ? body.ptr : "";
    event.data_len = body.len;
    if (sse_publish(sse_req_app(req), sse_fmt(req, "topic.%s", sse_param(req, "name")), &event))
        sse_fail(req, 400, "not an event");
}

static void add_topics(sse_app *app, bool durable) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = 1000;
    o.db = durable ? db : NULL;
    sse_topic(app, "topic.*", &o);
    sse_get(app, "/topic/{name}", subscribe, NULL);
    sse_post(app, "/topic/{name}", publish, NULL);
}

/* ---- views of stored texts --------------------------------------------------------- */

typedef struct text {
    struct text *next;
    char        *name, *html;
} text;
static text *texts;

static char *copy(sse_str s) {
    char *p = (char *)malloc(s.len + 1);
    if (!p) return NULL;
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

static char *copy_text(const char *s) {
    sse_str bytes;
    bytes.ptr = s;
    bytes.len = strlen(s);
    return copy(bytes);
}

static text *find_text(const char *name) {
    text *t = texts;
    while (t && strcmp(t->name, name) != 0) t = t->next;
    return t;
}

static void render_text(sse_view *view, sse_buf *html, void *user) {
    const text *t = find_text(sse_view_param(view, "name"));
    (void)user;
    if (t) sse_puts(html, t->html);
}

static void render_each(sse_req *req, sse_buf *html, void *user) {
    const text *t = find_text(sse_param(req, "name"));
    (void)user;
    if (t) sse_puts(html, t->html);
}

static void put_text(sse_req *req, void *user) {
    const char *name = sse_param(req, "name");
    char       *html = copy(sse_body(req));
    text       *t = find_text(name);
    (void)user;
    if (!t && (t = (text *)calloc(1, sizeof *t)) != NULL) {
        t->name = copy_text(name);
        t->next = texts;
        texts = t;
    }
    if (!t || !t->name || !html) {
        free(html);
        sse_fail(req, 503, "no memory");
        return;
    }
    free(t->html);
    t->html = html;
    sse_touch(sse_req_app(req), sse_fmt(req, "/view/%s", name));
    sse_touch(sse_req_app(req), "/each/{name}");
}

static void add_views(sse_app *app) {
    sse_live(app, "/view/{name}", render_text, NULL);
    sse_live_each(app, "/each/{name}", render_each, NULL);
    sse_put(app, "/view/{name}", put_text, NULL);
    sse_put(app, "/each/{name}", put_text, NULL);
}

/* ---- a view of a table --------------------------------------------------------------- */

static void render_table(sse_view *view, sse_buf *html, void *user) {
    sse_rows *rows = sse_db_query(db, "SELECT k, v FROM kv ORDER BY k");
    (void)view;
    (void)user;
    sse_puts(html, "<table id=\"kv\">");
    while (sse_db_next(rows))
        sse_html(html, "<tr><td>%s</td><td>%s</td></tr>", sse_db_text(rows, 0),
            sse_db_text(rows, 1));
    sse_puts(html, "</table>");
}

static void write_table(sse_req *req, void *user) {
    const char *k = sse_query(req, "k");
    (void)user;
    if (!k) sse_fail(req, 400, "k is missing");
    else sse_db_exec(db, "INSERT OR REPLACE INTO kv(k, v) VALUES(%s, %s)", k, sse_query(req, "v"));
}

static void add_table(sse_app *app) {
    sse_live_options o;
    memset(&o, 0, sizeof o);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS kv(k PRIMARY KEY, v)");
    o.db = db;
    o.tables = "kv";
    sse_live(app, "/db", render_table, &o);
    sse_post(app, "/db", write_table, NULL);
}

/* ---- ticks: shared topics for load tests ------------------------------------------------ */

/* With ms 0 an event goes out as soon as every subscriber has taken the last one: each stream's
   step says so for it. */
typedef struct ticker {
    struct ticker *next;
    sse_app       *app;
    char           topic[64];
    int            ms, bytes, count, ready;
    unsigned       round;
    sse_timer      timer;
} ticker;
typedef struct watcher {
    ticker  *at;
    unsigned round;
} watcher;
static ticker *tickers;

static void tick(sse_app *app, void *user) {
    ticker         *t = (ticker *)user;
    sse_buf         b = {NULL, 0, 0, 0};
    sse_event       event;
    struct timespec now;
    memset(&event, 0, sizeof event);
    clock_gettime(CLOCK_MONOTONIC, &now);
    sse_printf(&b, "t=%lld ", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    while (!b.error && b.len < (size_t)t->bytes)
        sse_raw(&b, "abcdefghijklmnopqrstuvwxyz0123456789",
            t->bytes - (int)b.len < 36 ? (size_t)t->bytes - b.len : 36);
    event.data = sse_buf_text(&b);
    sse_publish(app, t->topic, &event);
    sse_buf_free(&b);
}

static int watcher_step(sse_stream s, void *user) {
    watcher *w = (watcher *)user;
    ticker  *t = w->at;
    (void)s;
    if (w->round != t->round) {
        w->round = t->round;
        t->ready++;
    }
    if (t->ready < t->count) return 1;
    t->ready = 0;
    t->round++;
    tick(t->app, t);
    return 0;
}

static void watcher_closed(sse_stream s, sse_reason reason, void *user) {
    watcher *w = (watcher *)user;
    ticker  *t = w->at;
    (void)s;
    (void)reason;
    if (w->round == t->round) t->ready--;
    if (--t->count == 0 && t->ms) sse_timer_cancel(t->timer);
    free(w);
}

static ticker *find_ticker(sse_app *app, int ms, int bytes) {
    ticker *t = tickers;
    while (t && (t->ms != ms || t->bytes != bytes)) t = t->next;
    if (t || !(t = (ticker *)calloc(1, sizeof *t))) return t;
    t->app = app;
    t->ms = ms;
    t->bytes = bytes;
    t->round = 1;
    snprintf(t->topic, sizeof t->topic, "tick %d %d", ms, bytes);
    t->next = tickers;
    tickers = t;
    return t;
}

static void watch_ticks(sse_req *req, void *user) {
    const long long ms = sse_parse_int(sse_query(req, "ms"), 1000),
                    bytes = sse_parse_int(sse_query(req, "bytes"), 100);
    ticker            *t = ms >= 0 && ms <= 3600000 && bytes >= 0 && bytes <= 100000000
                               ? find_ticker(sse_req_app(req), (int)ms, (int)bytes)
                               : NULL;
    watcher           *w = t ? (watcher *)calloc(1, sizeof *w) : NULL;
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    if (!w) {
        sse_fail(req, 400, "ms or bytes is out of range");
        return;
    }
    w->at = t;
    o.user = w;
    o.on_close = watcher_closed;
    if (!t->ms) o.step = watcher_step;
    if (t->count++ == 0 && t->ms) t->timer = sse_every(t->app, t->ms, tick, t);
    sse_subscribe(sse_stream_open(req, &o), t->topic);
}

static void add_ticks(sse_app *app) { sse_get(app, "/tick", watch_ticks, NULL); }

/* ---- the test endpoint of the Datastar SDKs ------------------------------------------------ */

static const char *part(sse_req *req, long long i, const char *name) {
    return sse_signal(req, sse_fmt(req, "events.%lld.%s", i, name));
}

static bool is_true(const char *s) { return s && strcmp(s, "true") == 0; }

static sse_mode mode_of(const char *name) {
    static const char *const names[] = {"outer", "inner", "replace", "prepend", "append", "before",
        "after", "remove"};
    unsigned                 i;
    for (i = 0; name && i < 8; i++)
        if (strcmp(names[i], name) == 0) return (sse_mode)i;
    return SSE_OUTER;
}

/* {"type":"module","async":"true"} as type="module" async="true". The text is JSON that was checked
   already. */
static const char *attributes(sse_req *req, long long i) {
    const char *p = part(req, i, "attributes"), *from, *all;
    sse_buf     b = {NULL, 0, 0, 0};
    int         depth = 0;
    bool        in_name = true;
    for (; p && *p; p++) {
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        if (*p == ',' || *p == '{') in_name = true;
        if (*p == ':') in_name = false;
        if (*p != '"') continue;
        for (from = ++p; *p != '"'; p++)
            if (*p == '\\') p++;
        if (depth != 1 || !in_name) continue;
        sse_printf(&b, "%s%.*s", b.len ? " " : "", (int)(p - from), from);
        sse_html(&b, "=\"%s\"",
            part(req, i, sse_fmt(req, "attributes.%.*s", (int)(p - from), from)));
    }
    all = b.len ? sse_fmt(req, "%s", sse_buf_text(&b)) : NULL;
    sse_buf_free(&b);
    return all;
}

static void send_test_event(sse_req *req, sse_buf *out, long long i) {
    const char       *type = part(req, i, "type");
    sse_patch_options patch;
    sse_event         event;
    memset(&patch, 0, sizeof patch);
    memset(&event, 0, sizeof event);
    event.patch = &patch;
    event.id = part(req, i, "eventId");
    event.retry_ms = (int)sse_parse_int(part(req, i, "retryDuration"), 0);
    if (event.retry_ms == 1000) event.retry_ms = 0; /* the default is not written */
    if (strcmp(type, "patchElements") == 0) {
        event.elements = part(req, i, "elements");
        patch.selector = part(req, i, "selector");
        patch.mode = mode_of(part(req, i, "mode"));
        patch.ns = part(req, i, "namespace");
        patch.view_transition = is_true(part(req, i, "useViewTransition"));
        if (!event.elements) event.elements = "";
    } else if (strcmp(type, "patchSignals") == 0) {
        event.signals = part(req, i, "signals-raw");
        patch.only_if_missing = is_true(part(req, i, "onlyIfMissing"));
        if (!event.signals) event.signals = part(req, i, "signals");
    } else if (strcmp(type, "executeScript") == 0) {
        event.script = part(req, i, "script");
        patch.attributes = attributes(req, i);
        patch.keep_script = part(req, i, "autoRemove") && !is_true(part(req, i, "autoRemove"));
    }
    if (sse_event_write(out, &event)) sse_fail(req, 400, "event %lld cannot be written", i);
}

static void datastar_test(sse_req *req, void *user) {
    sse_buf  *out = sse_out(req);
    long long i;
    (void)user;
    sse_set_type(req, "text/event-stream");
    sse_set_header(req, "Cache-Control", "no-cache");
    for (i = 0; part(req, i, "type"); i++) send_test_event(req, out, i);
}

static void add_datastar(sse_app *app) {
    sse_get(app, "/test", datastar_test, NULL);
    sse_post(app, "/test", datastar_test, NULL);
}

/* ---- EventSource: what the handlers of web-platform-tests do, by their names ----------------- */

static sse_buf *event_stream(sse_req *req) {
    sse_set_type(req, "text/event-stream");
    return sse_out(req);
}

static void send_message(sse_app *app, void *user) {
    sse_req      *req = (sse_req *)user;
    const sse_str message = sse_query_bytes(req, "message");
    const char   *mime = sse_query(req, "mime"), *newline = sse_query(req, "newline");
    (void)app;
    sse_set_type(req, mime ? mime : "text/event-stream");
    if (message.ptr) sse_raw(sse_out(req), message.ptr, message.len);
    else sse_puts(sse_out(req), "data: data");
    sse_puts(sse_out(req), newline && strcmp(newline, "none") == 0 ? "\n" : "\n\n\n");
}

static void finish_message(sse_app *app, void *user) {
    send_message(app, user);
    sse_finish((sse_req *)user);
}

static void message(sse_req *req, void *user) {
    const long long sleep = sse_parse_int(sse_query(req, "sleep"), 0);
    (void)user;
    if (sleep <= 0 || sleep > 60000) send_message(NULL, req);
    else if (!sse_defer(req)) sse_after(sse_req_app(req), (int)sleep, finish_message, req);
}

static int message2_step(sse_stream s, void *user) {
    static const char bytes[] =
        "data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\n"
        "data:end\n\n";
    (void)user;
    sse_stream_write(s, bytes, sizeof bytes - 1);
    return 2000;
}

static void message2(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.step = message2_step;
    sse_stream_open(req, &o);
}

static void last_event_id(sse_req *req, void *user) {
    const char   *id = sse_header(req, "last-event-id");
    const sse_str first = sse_query_bytes(req, "idvalue");
    sse_buf      *out = event_stream(req);
    (void)user;
    if (id && *id) {
        sse_printf(out, "data: %s\n\n", id);
        return;
    }
    sse_puts(out, "id: ");
    if (first.ptr) sse_raw(out, first.ptr, first.len);
    else sse_puts(out, "\xE2\x80\xA6");
    sse_puts(out, "\nretry: 200\ndata: hello\n\n");
}

static void last_event_id2(sse_req *req, void *user) {
    static const char *const bodies[] = {"id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
        "id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
        "id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n"};
    const long long          type = sse_parse_int(sse_query(req, "type"), 1);
    (void)user;
    sse_puts(event_stream(req),
        type >= 1 && type <= 3 ? bodies[type - 1] : "data: invalid_test\n\n");
}

static void use_status(sse_req *req, int otherwise) {
    sse_set_status(req, (int)sse_parse_int(sse_query(req, "status"), otherwise));
}

static void status_error(sse_req *req, void *user) {
    (void)user;
    use_status(req, 404);
    sse_puts(event_stream(req), "data: data\n\n");
}

static void forget_cookie(sse_req *req, const char *name) {
    sse_cookie_options gone;
    memset(&gone, 0, sizeof gone);
    gone.max_age_s = SSE_OFF;
    sse_set_cookie(req, name, "", &gone);
}

static void status_reconnect(sse_req *req, void *user) {
    const char *status = sse_query(req, "status"), *id = sse_query(req, "id");
    const char *name, *seen;
    (void)user;
    if (!status) status = "204";
    name = sse_fmt(req, "request%s", id ? id : status);
    seen = sse_cookie(req, name);
    if (seen && strcmp(seen, status) == 0) {
        forget_cookie(req, name);
        sse_puts(event_stream(req), "data: data\n\n");
        return;
    }
    sse_set_cookie(req, name, status, NULL);
    use_status(req, 204);
    sse_puts(event_stream(req), "retry: 2\n");
    if (sse_query(req, "ok_first")) sse_puts(sse_out(req), "data: ok\n\n");
}

static void reconnect_fail(sse_req *req, void *user) {
    const char *id = sse_query(req, "id"), *name = sse_fmt(req, "recon_fail_%s", id ? id : ""),
               *state = sse_cookie(req, name);
    (void)user;
    if (state && strcmp(state, "opened") == 0) {
        sse_set_cookie(req, name, "reconnected", NULL);
        sse_puts(event_stream(req), "data: reconnected\n\n");
    } else if (state && strcmp(state, "reconnected") == 0) {
        forget_cookie(req, name);
        sse_set_status(req, 204);
    } else {
        sse_set_cookie(req, name, "opened", NULL);
        sse_puts(event_stream(req), "retry: 2\ndata: opened\n\n");
    }
}

static void show_field(sse_req *req, void *user) {
    const char *value = sse_header(req, (const char *)user);
    sse_printf(event_stream(req), "data: %s\n\n", value ? value : "");
}

/* except: the value that leaves its field out; NULL: none does. */
static void allow_origin(sse_req *req, const char *except) {
    const char *origin = sse_query(req, "origin"), *credentials = sse_query(req, "credentials");
    if (!origin) origin = sse_header(req, "origin");
    if (!credentials) credentials = "true";
    if (origin && (!except || strcmp(origin, except) != 0))
        sse_set_header(req, "Access-Control-Allow-Origin", origin);
    if (!except || strcmp(credentials, except) != 0)
        sse_set_header(req, "Access-Control-Allow-Credentials", credentials);
}

static void redirect(sse_req *req, void *user) {
    const char *location = sse_query(req, "location"), *origin = sse_header(req, "origin");
    (void)user;
    use_status(req, 302);
    if (!location || sse_set_header(req, "Location", location))
        sse_fail(req, 400, "location is missing or no URL");
    if (!sse_query(req, "enable-cors") || !origin) return;
    sse_set_type(req, "text/plain");
    sse_set_header(req, "Access-Control-Allow-Origin", origin);
    sse_set_header(req, "Access-Control-Allow-Credentials", "true");
}

static void cors(sse_req *req, void *user) {
    static const struct {
        const char *name;
        sse_handler fn;
    } runs[] = {
        {"status-reconnect", status_reconnect},
        {"message", message},
        {"redirect", redirect},
        {"cache-control", show_field},
    };
    const char *run = sse_query(req, "run");
    unsigned    i;
    (void)user;
    allow_origin(req, NULL);
    sse_set_status(req, 200);
    for (i = 0; run && i < sizeof runs / sizeof *runs; i++)
        if (strcmp(runs[i].name, run) == 0) runs[i].fn(req, (void *)"cache-control");
}

static void cors_cookie(sse_req *req, void *user) {
    const char *last = sse_header(req, "last-event-id"), *ident = sse_query(req, "ident"), *cookie;
    (void)user;
    if (!ident) ident = "test";
    cookie = sse_cookie(req, ident) ? "COOKIE" : "NO_COOKIE";
    allow_origin(req, "none");
    if (!last || !*last) {
        sse_set_cookie(req, ident, "COOKIE", NULL);
        sse_printf(event_stream(req), "id: 1\nretry: 200\ndata: first %s\n\n", cookie);
    } else if (strcmp(last, "1") == 0) {
        forget_cookie(req, ident);
        sse_printf(event_stream(req), "id: 2\ndata: second %s\n\n", cookie);
    } else {
        sse_set_type(req, "stop");
        sse_printf(sse_out(req), "data: %s%s\n\n", last, cookie);
    }
}

static void add_eventsource(sse_app *app) {
    static const struct {
        const char *path;
        sse_handler fn;
        const char *user;
    } routes[] = {
        {"message.py", message, NULL},
        {"message2.py", message2, NULL},
        {"last-event-id.py", last_event_id, NULL},
        {"last-event-id2.py", last_event_id2, NULL},
        {"status-error.py", status_error, NULL},
        {"status-reconnect.py", status_reconnect, NULL},
        {"reconnect-fail.py", reconnect_fail, NULL},
        {"accept.event_stream", show_field, "accept"},
        {"cache-control.event_stream", show_field, "cache-control"},
        {"redirect.py", redirect, NULL},
        {"cors.py", cors, NULL},
        {"cors-cookie.py", cors_cookie, NULL},
    };
    sse_route_options o;
    char              path[64];
    unsigned          i;
    memset(&o, 0, sizeof o);
    o.binary_query = true; /* they send NUL bytes in messages */
    for (i = 0; i < sizeof routes / sizeof *routes; i++) {
        snprintf(path, sizeof path, "/eventsource/resources/%s", routes[i].path);
        sse_route(app, path, routes[i].fn, (void *)routes[i].user, &o);
    }
    sse_get(app, "/common/redirect.py", redirect, NULL); /* where their tests look for it */
}

/* ---- all together ---------------------------------------------------------------------------- */

static void add_files(sse_app *app, const char *root) {
    if (!root) return;
    sse_static(app, "/static", root, NULL);
    sse_static(app, "/", root, NULL);
}

int main(int argc, char **argv) {
    sse_app          *app;
    sse_app_options   options;
    sse_serve_options serve;
    int               error;
    if (argc < 2) {
        fprintf(stderr, "usage: outside PORT [ROOT] [DB]\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.secret = secret;
    options.allowed_hosts = options.allowed_origins = "*";
    app = sse_app_new(&options);
    add_small(app);
    db = sse_db_open(argc > 3 ? argv[3] : ":memory:", NULL);
    add_topics(app, argc > 3);
    add_views(app);
    add_table(app);
    add_ticks(app);
    add_datastar(app);
    add_eventsource(app);
    add_files(app, argc > 2 ? argv[2] : NULL);
    serve.port = (int)sse_parse_int(argv[1], 8000);
    error = sse_serve(app, &serve);
    sse_app_free(app);
    sse_db_close(db);
    if (error) fprintf(stderr, "%s\n", sse_error_text(error));
    return error != 0;
}
