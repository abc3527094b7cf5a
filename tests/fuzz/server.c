/* server.c: the whole server, with up to six browsers, in one process and a time of its own. The
   input is a program of operations (see run()): the browsers connect, ask, read, leave and come
   back; the program publishes, commits, renders, ends streams; memory and system calls fail; the
   server stops and starts again on the same files, as a crash would have left them too.

   What must hold is said by the model below, which is made of numbers that the events carry:
   replies are well-formed (reply.h) and come one to a request, in order; each event arrives once
   and in order, across reconnections, or a gap is told; on_close runs once; nothing is left at the
   end, and the loop rests when there is nothing to do.

   TELL=1 build/fuzz/server FILE says what happens in a run. */
#define _GNU_SOURCE
#define SSE_NO_THREADS /* histories are written on the loop: each run is the same */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

/* ---- what is taken from sse.h: memory, chance, and calls that may fail ---- */

static long live_blocks, fail_memory, fail_call;
static int  fail_how;
static bool inside; /* sse.h runs: nothing else fails */
static bool faulty; /* something failed in this run: less can be promised */

static void *fuzz_realloc(void *p, size_t n) {
    if (inside && fail_memory && --fail_memory == 0) {
        faulty = true;
        return NULL;
    }
    live_blocks += !p;
    return realloc(p, n);
}
static void fuzz_free(void *p) {
    live_blocks -= p != NULL;
    free(p);
}
#define SSE_MALLOC(n)     fuzz_realloc(NULL, n)
#define SSE_REALLOC(p, n) fuzz_realloc(p, n)
#define SSE_FREE(p)       fuzz_free(p)

static bool fails(const char *call) {
    static const struct {
        const char *call;
        int         how, error;
    } ways[] = {{"recv(", 0, EINTR}, {"recv(", 1, ECONNRESET}, {"send", 0, EINTR},
        {"send", 1, EPIPE}, {"accept(", 0, ECONNABORTED}, {"accept(", 1, EMFILE},
        {"epoll_ctl(", 2, ENOSPC}, {"open(", 2, EMFILE}, {"pread(", 2, EIO}, {"write(", 2, ENOSPC},
        {"fsync(", 2, EIO}, {"rename(", 2, EIO}};
    size_t i;
    if (!inside || !fail_call) return false;
    for (i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].how == fail_how && !strncmp(call, ways[i].call, strlen(ways[i].call)) &&
            --fail_call == 0) {
            faulty = true;
            errno = ways[i].error;
            return true;
        }
    return false;
}
#define INSIDE(call) (inside = true, got_inside = (call), inside = false, got_inside)
static int got_inside;
#define SSE__SYS(call) (fails(#call) ? -1 : (call))

static uint32_t chance;

static ssize_t fuzz_random(void *out, size_t n, unsigned flags) {
    uint8_t *p = (uint8_t *)out;
    size_t   i;
    (void)flags;
    for (i = 0; i < n; i++) p[i] = (uint8_t)((chance = chance * 1664525u + 1013904223u) >> 24);
    return (ssize_t)n;
}
#define getrandom fuzz_random
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"
#include "reply.h"
#include <sqlite3.h>

/* ---- the model ---- */

static bool telling;

__attribute__((format(printf, 1, 2))) static void tell(const char *fmt, ...) {
    va_list ap;
    if (!telling) return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

enum { PLAIN, GREETS, KEPT, STORED, DROPS, NEWEST, ROWS, TOPICS };
enum { BROWSERS = 6, WANTS = 32, EVENTS = 700, REQUESTS = 500 };

static const char *const names[TOPICS] = {"plain", "kept.greets", "kept.all", "stored", "drops",
    "newest", "rows"};
static int               published[TOPICS];         /* the number of the last event */
static uint8_t           burnt[TOPICS][EVENTS + 1]; /* it may be missing */
static int               view_now[3], table_now;

/* A stream, seen from the handler that opened it; by the number of its request. */
typedef struct record {
    sse_stream handle;
    int        opened, closed;
    unsigned   topics, loose; /* it is subscribed to; with holes, since it left one for a while */
    unsigned   joined;        /* after its handler had returned */
    int        from[TOPICS];  /* what was published when it subscribed */
    int        steps;
    bool       ended;   /* by the program: its body is complete */
    bool       resumed; /* it came with an id */
} record;
static record   records[REQUESTS + 1];
static int      requests; /* numbers given */
static sse_app *app;
static sse_db  *db;
static sqlite3 *other; /* another process, as far as SQLite knows */
static char     dir[64], file[100];
static int      files, kind; /* of databases: 0: none, 1: in memory, 2: a file */
static unsigned flags;       /* of this run */
static bool     restarted;
static int      deferred_now;

/* What a browser expects of a request. */
typedef struct want {
    int   number, status;
    bool  stream, head, old;
    bool  behind; /* it was asked while another reply was due: its id may be an old one */
    char *body;   /* NULL: any */
} want;

typedef struct browser {
    int     fd;
    reply   in;
    want    wants[WANTS];
    int     first, count;
    bool    dirty;     /* it sent what is no request: of replies to that only the form is known */
    bool    head_sent; /* or may have */
    bool    half, late, refused;
    sse_buf out; /* not sent yet */
    size_t  at;
    sse_buf body;   /* of the reply in hand, or a line of its stream */
    record *stream; /* NULL: the reply in hand is none that the model knows */
    /* of its page, which outlives connections */
    char     id[64], next_id[64], asked_id[64], event[32];
    sse_buf  data;
    bool     has_data;
    int      seen[TOPICS], view[3], table;
    bool     any[TOPICS]; /* where the next event of a topic starts is not known */
    unsigned before;      /* topics of its last stream */
} browser;
static browser  browsers[BROWSERS];
static browser *reading;

static want *wanted(browser *b) { return b->count ? &b->wants[b->first % WANTS] : NULL; }

static void want_over(browser *b) {
    want *w = wanted(b);
    free(w->body);
    w->body = NULL;
    b->first++;
    b->count--;
}

static bool only_burnt(int topic, int from, int to) { /* both excluded */
    for (from++; from < to; from++)
        if (!burnt[topic][from]) return false;
    return true;
}

static void joined_late(browser *b, int topic) { /* its events begin with the next one then */
    record *r = b->stream;
    if (!(r->joined >> topic & 1)) return;
    r->joined &= ~(1u << topic);
    b->any[topic] = topic == ROWS; /* a row that is committed and not read yet comes, too */
    if (b->seen[topic] < r->from[topic]) b->seen[topic] = r->from[topic];
}

static void saw_event(browser *b, int topic, int n) {
    const record *r = b->stream;
    const bool    loose = topic == DROPS || topic == NEWEST || (r->loose >> topic & 1);
    tell("  browser %d: T%d %d", (int)(b - browsers), topic, n);
    CHECK(topic >= 0 && topic < TOPICS && n >= 1 && n <= published[topic]);
    joined_late(b, topic);
    CHECK(b->any[topic] || n > b->seen[topic]); /* once, and in order */
    if (!b->any[topic] && !loose) CHECK(only_burnt(topic, b->seen[topic], n));
    b->any[topic] = false;
    b->seen[topic] = n;
}

static void saw_gap(browser *b) {
    const unsigned memory = restarted ? 0 : 1u << KEPT,
                   strict = memory | 1u << STORED | 1u << PLAIN | 1u << DROPS | 1u << NEWEST;
    int i;
    tell("  browser %d: gap", (int)(b - browsers));
    /* who comes back to what is kept in full misses nothing */
    if (!faulty && !(restarted && kind != 2) && !(b->stream->topics & ~strict) &&
        strchr(b->asked_id, '-'))
        CHECK(published[KEPT] > 100 || published[STORED] > 100);
    for (i = 0; i < TOPICS; i++) b->any[i] = true;
}

static void saw(browser *b) { /* an event */
    const char *text = sse_buf_text(&b->data);
    int         topic, n;
    strcpy(b->id, b->next_id);
    if (!b->has_data) return;
    if (!strcmp(b->event, "gap")) saw_gap(b);
    else if (sscanf(text, "T%d %d", &topic, &n) == 2) saw_event(b, topic, n);
    else if (sscanf(text, "V%d %d", &topic, &n) == 2) {
        CHECK(topic >= 0 && topic < 3 && n > b->view[topic] && n <= view_now[topic]);
        b->view[topic] = n;
    } else if (sscanf(text, "R%d", &n) == 1) {
        CHECK(n != b->table && n <= table_now);
        b->table = n;
    } else
        CHECK(!strncmp(text, "S", 1) || !strcmp(text, "hi") || !strcmp(text, "bye") ||
              !strncmp(text, "{\"reason\":", 10));
}

static void stream_line(browser *b, sse_str line) { /* WHATWG HTML 9.2.6 */
    sse_str value = line, name = sse__str(line.ptr, 0);
    if (!line.len) {
        saw(b);
        b->data.len = 0;
        b->has_data = false;
        *b->event = '\0';
        return;
    }
    while (name.len < line.len && line.ptr[name.len] != ':') name.len++;
    value.ptr += name.len + (name.len < line.len);
    value.len -= name.len + (name.len < line.len);
    if (value.len && *value.ptr == ' ') value.ptr++, value.len--;
    if (sse__eq(name, SSE__LIT("data"))) {
        sse_printf(&b->data, "%s%.*s", b->has_data ? "\n" : "", SSE_STR(value));
        b->has_data = true;
    } else if (sse__eq(name, SSE__LIT("id")))
        snprintf(b->next_id, sizeof b->next_id, "%.*s", SSE_STR(value));
    else if (sse__eq(name, SSE__LIT("event")))
        snprintf(b->event, sizeof b->event, "%.*s", SSE_STR(value));
    else CHECK(!name.len || sse__eq(name, SSE__LIT("retry")));
}

/* ---- what reply.h tells ---- */

static void began(reply *r) {
    browser *b = reading;
    want    *w = wanted(b);
    int      i;
    tell("  browser %d: %d, number %ld, wants %d\n%s", (int)(b - browsers), r->status, r->number,
        w ? w->number : 0, r->line);
    b->body.len = b->data.len = 0;
    b->has_data = false;
    b->stream = NULL;
    *b->event = '\0';
    if (!w) {
        CHECK(b->dirty || b->late || b->refused || r->status == 408);
        if (b->head_sent) r->at = BLIND; /* it may be without a body */
        return;
    }
    if (faulty && (r->status != w->status || r->number < 0)) {
        CHECK(r->status >= 500 || r->status == 200 || r->status == 204 || r->status == 404);
        if (r->number >= 0) CHECK(r->number == w->number);
        w->stream = false;
        free(w->body);
        w->body = NULL;
    } else if (b->refused && r->number < 0 && (r->status == 503 || r->events)) {
        r->close = true;
        w->stream = false;
        free(w->body);
        w->body = NULL;
    } else {
        CHECK(r->status == w->status && r->number == w->number);
        CHECK(!w->stream || r->events);
    }
    if (!w->stream || w->head) return;
    b->stream = &records[w->number]; /* of a live view it stays empty */
    strcpy(b->next_id, b->id);
    strcpy(b->asked_id, b->id);
    b->table = -1;
    memset(b->view, 0xFF, sizeof b->view);
    for (i = 0; i < TOPICS; i++) { /* where it goes on */
        const record *s = b->stream;
        const bool    keeps = i == GREETS || i == KEPT || i == STORED || i == ROWS;
        if (!(s->topics >> i & 1)) continue;
        if (keeps && s->resumed) { /* from its id on */
            if (w->behind || !(b->before >> i & 1)) b->any[i] = true;
        } else { /* with what comes, or the last two */
            b->any[i] = i == GREETS || i == ROWS;
            b->seen[i] = s->from[i];
        }
    }
    b->before = b->stream->topics;
}

static void content(reply *r, const char *bytes, size_t n) {
    browser    *b = reading;
    const char *end;
    if (!n) return;
    sse_raw(&b->body, bytes, n);
    CHECK(!b->body.error && b->body.len < 2000000);
    if (!b->stream || !r->events) return;
    bytes = b->body.ptr;
    n = b->body.len;
    while ((end = (const char *)memchr(bytes, '\n', n)) != NULL) {
        stream_line(b, sse__str(bytes, (size_t)(end - bytes)));
        n -= (size_t)(end - bytes) + 1;
        bytes = end + 1;
    }
    memmove(b->body.ptr, bytes, n);
    b->body.len = n;
}

static void ended(reply *r, bool complete) {
    browser *b = reading;
    want    *w = wanted(b), *next;
    tell("  browser %d: %s", (int)(b - browsers), complete ? "complete" : "cut");
    if (b->stream && complete && !w->old) CHECK(b->stream->ended); /* else it is cut */
    if (!b->stream && w && w->body && complete && !w->head)
        CHECK(same(sse__str(b->body.ptr, b->body.len), sse__text(w->body)));
    b->stream = NULL;
    b->body.len = 0;
    if (!w) return;
    if (!complete)
        CHECK(r->events || b->late || faulty || b->half || b->refused || restarted ||
              sse_stopping(app));
    want_over(b);
    next = wanted(b);
    r->bodiless = next && next->head;
    r->old = next && next->old;
}

/* ---- the program ---- */

static record *record_of(sse_req *req) { /* the one of nobody is number 0 */
    const long long n = sse_parse_int(sse_query(req, "n"), 0);
    record         *r = &records[n > 0 && n <= requests ? n : 0];
    return r->opened ? &records[0] : r;
}

static void tag(sse_req *req, void *user) {
    const char *n = sse_query(req, "n");
    (void)user;
    if (n) sse_set_header(req, "X-N", n);
}

static void allow(sse_req *req, void *user) { (void)req, (void)user; }

static void on_close(sse_stream s, sse_reason reason, void *user) {
    record *r = (record *)user;
    (void)s, (void)reason;
    CHECK(++r->closed <= r->opened);
    if (r != &records[0]) r->handle.app = NULL;
}

static int step(sse_stream s, void *user) {
    sse_event e;
    record   *r = (record *)user;
    memset(&e, 0, sizeof e);
    e.data = "S";
    sse_stream_send(s, &e);
    if (!sse_stopping(app) && ++r->steps % 5) return 400;
    r->ended = !(flags & 1);
    return flags & 1 ? SSE_RECONNECT : SSE_END;
}

static void join(sse_stream s, record *r, int topic, bool pattern, bool late) {
    const int error = pattern ? sse_subscribe_pattern(s, "kept.*") : sse_subscribe(s, names[topic]);
    int       i;
    if (error) return;
    for (i = 0; i < TOPICS; i++) {
        if (pattern ? i != GREETS && i != KEPT : i != topic) continue;
        if (r->topics >> i & 1) continue;
        r->from[i] = published[i];
        r->topics |= 1u << i;
        if (late) r->joined |= 1u << i;
    }
}

static void open_stream(sse_req *req, void *user) {
    static const sse_event hi = {NULL, "hi", 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL,
        {NULL, 0, 0}, false, NULL, NULL, 0, NULL};
    sse_event              bye = hi;
    const char            *t = sse_query(req, "t");
    const long long        o = sse_parse_int(sse_query(req, "o"), 0);
    sse_stream_options     options;
    record                *r = record_of(req);
    sse_stream             s;
    (void)user;
    memset(&options, 0, sizeof options);
    bye.data = "bye";
    options.on_close = on_close;
    options.user = r;
    if (o & 1) options.first = &hi;
    if (o & 2) options.last = &bye;
    if (o & 4) options.step = step;
    if (o & 8) options.lifetime_ms = 5000;
    if (o & 16) options.max_queue_bytes = 3000;
    if (o & 32) options.own_history = true;
    if (o & 64) options.retry_spread_ms = 100;
    if (o & 128) options.who = "ann";
    if (o & 256) options.drain = true;
    if (o & 512) options.label = "tab";
    r->opened++;
    s = sse_stream_open(req, &options);
    if (!s.app) return;
    if (r != &records[0]) r->handle = s;
    r->resumed = sse_header(req, "last-event-id") != NULL;
    if (sse_query(req, "p")) join(s, r, 0, true, false);
    for (; t && *t >= '0' && *t < '0' + TOPICS; t++) join(s, r, *t - '0', false, false);
    if (sse_query(req, "v")) sse_stream_view(s, sse_fmt(req, "/v/%s", sse_query(req, "v")));
}

static void small(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "small");
}

static void big(sse_req *req, void *user) {
    long long n = sse_parse_int(sse_query(req, "size"), 1000);
    (void)user;
    for (n = n > 20000 ? 20000 : n; n > 0; n--) sse_puts(sse_out(req), "abcdefg ");
}

static void echo(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    (void)user;
    sse_raw(sse_out(req), body.ptr, body.len);
    if (body.len) sse_set_type(req, "text/plain");
}

static void finish(sse_app *a, void *user) {
    (void)a;
    deferred_now--;
    sse_puts(sse_out((sse_req *)user), "later");
    sse_finish((sse_req *)user);
}

static void later(sse_req *req, void *user) {
    (void)user;
    if (sse_defer(req)) return;
    deferred_now++;
    if (sse_after(app, 50, finish, req).app) return;
    finish(app, req);
}

static sse_req *paused;

static void unpause(sse_app *a, void *user) {
    (void)a, (void)user;
    if (paused) sse_body_pause(paused, false);
}

static int piece(sse_req *req, sse_str chunk, int status, void *user) {
    (void)user, (void)chunk;
    if (status == 1 && !paused && flags & 2 && !sse_body_pause(req, true)) {
        paused = req;
        if (!sse_after(app, 30, unpause, NULL).app) sse_body_pause(req, false);
    }
    if (status != 1 && paused == req) paused = NULL;
    if (status == 0) sse_puts(sse_out(req), "read");
    return 0;
}

static void in_place(sse_req *req, void *user) {
    (void)user;
    if (sse_body_read(req, piece, NULL)) sse_fail(req, 500, "no");
}

static int part(sse_req *req, const sse_part *p, sse_str chunk, int status, void *user) {
    (void)user, (void)chunk;
    if (!p && status == 0) sse_puts(sse_out(req), "parts");
    return 0;
}

static void parts(sse_req *req, void *user) {
    (void)user;
    sse_body_parts(req, part, NULL);
}

/* Bodies that become files: whole, or not at all, and each is told of once. */
static int uploads, uploading;

static void kept(sse_req *req, const sse_body_file *f, void *user) {
    struct stat st;
    CHECK(--uploading >= 0);
    CHECK((stat(f->path, &st) == 0) == (f->error == SSE_OK));
    if (f->error) return;
    CHECK((unsigned long long)st.st_size == f->bytes && unlink(f->path) == 0);
    sse_puts(sse_out(req), (const char *)user);
}

static void keep(sse_req *req, void *user) {
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    o.field = user ? "a" : NULL;
    o.user = (void *)(uintptr_t)(user ? "parts" : "read");
    if (!sse_body_to_file(req, sse_fmt(req, "%s/up-%d", dir, ++uploads), kept, &o)) uploading++;
}

static void form(sse_req *req, void *user) {
    const char *a = sse_form(req, "a"), *c = sse_cookie(req, "c");
    (void)user;
    sse_html(sse_out(req), "%s-%s-%s", a, c, sse_cookie_signed(req, "s", 0));
    sse_set_cookie_signed(req, "s", "v", NULL);
}

static void away(sse_req *req, void *user) {
    (void)user;
    sse_redirect(req, "/");
}

static void render(sse_view *view, sse_buf *html, void *user) {
    const int id = *sse_view_param(view, "id") % 3;
    (void)user;
    sse_printf(html, "V%d %d", id, view_now[id]);
}

static void table(sse_view *view, sse_buf *html, void *user) {
    long long n = 0;
    (void)view, (void)user;
    if (sse_db_one(db, &n, "SELECT v FROM kv WHERE k = 1") >= 0) sse_printf(html, "R%lld", n);
}

/* One who listens hears each event of a topic. */
static int heard[TOPICS];

static void hears(sse_app *a, const char *topic, const sse_event *event, void *user) {
    int t, n;
    (void)a, (void)topic, (void)user;
    if (!event->data || sscanf(event->data, "T%d %d", &t, &n) != 2) return;
    CHECK(n > heard[t] && (t == ROWS || faulty || heard[t] < 0 || only_burnt(t, heard[t], n)));
    heard[t] = n;
}

static void presence(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)topic, (void)user;
    CHECK(!strcmp(who, "ann"));
}

static void logged(int level, const char *line, void *user) {
    (void)level, (void)user;
    tell("log %d: %s", level, line);
    CHECK(strcspn(line, "\r\n") == strlen(line)); /* one line, whatever a peer sent */
}

static void must(int error) {
    if (error) fprintf(stderr, "setting up: %s\n", sse_error_text(error));
    CHECK(!error);
}

static void start_database(void) {
    if (!kind) return;
    db = sse_db_open(kind == 1 ? ":memory:" : file, NULL);
    must(sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY AUTOINCREMENT,"
                            " body); CREATE TABLE IF NOT EXISTS kv(k INTEGER PRIMARY KEY, v)"));
    if (kind == 2) CHECK(sqlite3_open(file, &other) == SQLITE_OK);
}

static uint64_t clock_ms; /* of all servers of a run */

static void start(void) {
    static char           text[3001];
    static const sse_file embedded[] = {{"/a.txt", text, 3000}, {NULL, NULL, 0}};
    sse_app_options       o;
    sse_topic_options     t;
    sse_route_options     r;
    sse_live_options      live;
    sse_static_options    s;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    memset(&r, 0, sizeof r);
    memset(&live, 0, sizeof live);
    memset(&s, 0, sizeof s);
    memset(text, 'x', 3000);
    memset(heard, 0xFF, sizeof heard);
    fail_memory = fail_call = 0;
    o.secret = "secret";
    o.on_log = logged;
    o.max_header_bytes = 1024;
    o.max_body_bytes = 3000;
    o.max_headers = 16;
    o.max_queue_bytes = flags & 4 ? 8000 : 60000;
    o.max_connections = flags & 8 ? 4 : 50;
    o.compress_window = 16;
    o.compress_quality = 1;
    o.compress_min_bytes = 300;
    o.slow_ms = SSE_OFF;
    o.trusted_proxies = flags & 16 ? "127.0.0.1" : NULL;
    o.cors_origins = flags & 32 ? "*" : NULL;
    o.max_bodies_bytes = flags & 64 ? 4000 : 0;
    app = sse_app_new(&o);
    CHECK(app);
    must(sse__test_begin(app, "server")); /* time stands still */
    app->loop.still_ms = clock_ms;
    app->loop.wheel.now = app->loop.wheel.at = clock_ms;
    app->loop.still_wall_ms = 1700000000000 - 1000000;
    start_database();
    if (flags & 128) sse_log_access(app);
    must(sse_before(app, NULL, tag, NULL));
    t.overflow = SSE_CLOSE_SLOW;
    t.history = 3;
    t.greet = 2;
    must(sse_topic(app, names[GREETS], &t));
    t.greet = 0;
    t.history = 100;
    t.on_join = t.on_leave = presence;
    must(sse_topic(app, names[KEPT], &t));
    t.db = kind ? db : NULL;
    must(sse_topic(app, names[STORED], &t));
    memset(&t, 0, sizeof t);
    t.overflow = SSE_DROP_OLDEST;
    must(sse_topic(app, names[DROPS], &t));
    t.overflow = SSE_KEEP_NEWEST;
    must(sse_topic(app, names[NEWEST], &t));
    memset(&t, 0, sizeof t);
    t.greet = 2;
    if (kind) must(sse_topic(app, names[ROWS], &t));
    if (kind)
        must(sse_topic_from_table(app, names[ROWS], db,
            "SELECT id, body FROM rows WHERE id > ? ORDER BY id"));
    if (flags & 256) must(sse_topic_listen(app, "*", hears, NULL));
    must(sse_get(app, "/", small, NULL));
    must(sse_get(app, "/big", big, NULL));
    must(sse_get(app, "/s", open_stream, NULL));
    must(sse_get(app, "/later", later, NULL));
    must(sse_get(app, "/away", away, NULL));
    must(sse_post(app, "/echo", echo, NULL));
    must(sse_post(app, "/form", form, NULL));
    must(sse_post(app, "/s", open_stream, NULL));
    r.method = "POST";
    r.body_later = true;
    must(sse_route(app, "/in_place", in_place, NULL, &r));
    must(sse_route(app, "/parts", parts, NULL, &r));
    if (kind == 2) must(sse_route(app, "/keep", keep, NULL, &r));
    if (kind == 2) must(sse_route(app, "/keep_part", keep, file, &r));
    live.format = SSE_AS_DATA;
    live.min_interval_ms = flags & 512 ? 200 : 0;
    must(sse_live(app, "/v/{id}", render, &live));
    live.db = db;
    live.tables = "kv";
    if (kind) must(sse_live(app, "/table", table, &live));
    s.files = embedded;
    must(sse_static(app, "/f", NULL, &s));
    must(sse_monitor(app, "/_sse", allow, NULL));
    CHECK(sse_poll(app, 0) == 1);
}

/* ---- turning the loop ---- */

static void push(browser *b) { /* what it still has to send */
    while (b->fd >= 0 && !b->half && b->at < b->out.len) {
        const ssize_t n =
            send(b->fd, b->out.ptr + b->at, b->out.len - b->at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) return;
        b->at += (size_t)n;
    }
}

static void hung_up(browser *b, bool reset) {
    reading = b;
    close(b->fd);
    b->fd = -1;
    reply_closed(&b->in, reset);
    while (b->count) want_over(b);
    b->stream = NULL;
    b->out.len = b->at = 0;
}

static bool hear(browser *b, size_t most) { /* true: something came */
    char    bytes[4096];
    ssize_t n;
    if (b->fd < 0) return false;
    n = recv(b->fd, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return false;
    reading = b;
    if (n > 0) reply_bytes(&b->in, bytes, (size_t)n);
    if (n > 0) return true;
    if (b->count && b->in.at == HEAD && !b->in.n) /* closed without an answer */
        CHECK(b->late || b->half || b->refused || b->dirty || faulty || restarted ||
              sse_stopping(app) || b->in.close);
    hung_up(b, n < 0);
    return true;
}

/* Turns until nothing is left to do at this moment; that is soon. */
static void settle(void) {
    struct pollfd p;
    int           turns = 0, i;
    bool          more = true;
    while (more) {
        CHECK(turns++ < 3000); /* it spins */
        for (i = 0; i < BROWSERS; i++) push(&browsers[i]);
        if (INSIDE(sse_poll(app, 0)) != 1) return;
        p.fd = sse_fd(app);
        p.events = POLLIN;
        more = sse_next_ms(app) == 0 || poll(&p, 1, 0) > 0;
        for (i = 0; i < BROWSERS; i++)
            if (browsers[i].fd >= 0 && !browsers[i].half && browsers[i].at < browsers[i].out.len) {
                p.fd = browsers[i].fd;
                p.events = POLLOUT;
                more = more || (poll(&p, 1, 0) > 0 && p.revents == POLLOUT);
            }
    }
}

static void hear_all(void) { /* all that is there, and what comes as it is read */
    bool more = true;
    int  i, rounds = 0;
    settle();
    while (more) {
        CHECK(rounds++ < 20000);
        for (more = false, i = 0; i < BROWSERS; i++)
            if (hear(&browsers[i], 4096)) more = true;
        if (more) settle();
    }
}

static void pass(int ms) { /* from alarm to alarm, the first of them at least */
    int steps = 0, i;
    if (ms >= 1000)
        for (i = 0; i < BROWSERS; i++) browsers[i].late = true;
    while (ms > 0) {
        int next = steps++ < 100 ? sse_next_ms(app) : ms;
        if (next < 0 || next > ms) next = ms;
        if (next == 0) next = 1;
        app->loop.still_ms += (uint64_t)next;
        clock_ms = app->loop.still_ms;
        ms -= next;
        settle();
        if (app->server->over) return;
    }
}

/* ---- browsers ---- */

static void connect_browser(browser *b) {
    sse__listener l;
    sse__peer     peer;
    sse_stats     stats;
    int           fds[2], small_buffer = 1;
    memset(&l, 0, sizeof l);
    memset(&peer, 0, sizeof peer);
    if (b->fd >= 0 || app->server->over || app->server->stopping) return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    if (flags & 1024) setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small_buffer, sizeof small_buffer);
    l.net = app->net;
    l.loopback = true;
    peer.port = 1;
    peer.address[15] = 1;
    peer.address[12] = 127;
    memcpy(peer.address, sse__ipv4_mapped, 12);
    sse_stats_get(app, &stats);
    b->fd = fds[0];
    b->refused = flags & 8 && stats.connections >= 4;
    b->dirty = b->head_sent = b->half = b->late = false;
    memset(&b->in, 0, sizeof b->in);
    if (!INSIDE(sse__listener_take(&l, fds[1], &peer))) CHECK(b->refused || faulty);
}

static void leave(browser *b, unsigned how) {
    const struct linger now = {1, 0};
    if (b->fd < 0) return;
    if (how % 4 == 0 && !b->half && b->at == b->out.len) {
        shutdown(b->fd, SHUT_WR);
        b->half = true;
        return;
    }
    if (how % 4 == 1) setsockopt(b->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    b->late = true; /* what it was sent and did not read is lost */
    hung_up(b, true);
}

enum { TEMPLATES = 24 };

/* Writes a request; its number goes into the query. Returns what it should be answered; status 0:
   there is no such template. */
static want request(sse_buf *out, unsigned which, unsigned how, browser *b) {
    static const char *const codings[] = {"", "Accept-Encoding: br\r\n",
        "Accept-Encoding: gzip\r\n", "accept-encoding: gzip;q=0.5, br;q=1\r\n"};
    static const char *const streams[] = {"/s?t=0", "/s?t=1", "/s?t=2", "/s?t=3", "/s?t=45",
        "/s?t=6", "/s?p=1", "/s?t=23&o=2", "/s?t=02&o=16", "/s?t=45&o=16", "/s?t=0123&o=35",
        "/s?o=4", "/s?t=2&o=136", "/s?t=0&v=1&o=769", "/s?t=60&o=640", "/s?t=3&p=1", "/s?t=12&p=1",
        "/s?t=1&p=1&o=16"};
    const char              *coding = codings[how & 3];
    want                     w = {++requests, 200, false, false, false, false, NULL};
    const int                n = w.number;
    char                     text[300];
    unsigned                 size = (how >> 2) * 38;
    size_t                   at = 0;
    switch (which % TEMPLATES) {
    case 0:
        sse_printf(out, "GET /?n=%d HTTP/1.1\r\nHost: a.localhost\r\n%s\r\n", n, coding);
        w.body = strdup("small");
        break;
    case 1:
        w.head = true;
        w.status = size ? 200 : 204;
        sse_printf(out, "HEAD /big?n=%d&size=%u HTTP/1.1\r\nHost: [::1]\r\n%s\r\n", n, size,
            coding);
        break;
    case 2:
    case 3:
        if (which & 1) size *= 8;
        sse_printf(out, "GET /big?size=%u&n=%d HTTP/1.1\r\nhost: 127.0.0.1:1\r\n%s\r\n", size, n,
            coding);
        w.body = (char *)malloc(size * 8 + 1);
        w.body[0] = '\0';
        w.status = size ? 200 : 204;
        while (size--) memcpy(w.body + at, "abcdefg ", 9), at += 8;
        break;
    case 4:
        size = size % 3000;
        sse_printf(out,
            "POST /echo?n=%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %u\r\n"
            "%s\r\n",
            n, size, how & 1 ? "Expect: 100-continue\r\n" : "");
        w.body = (char *)calloc(1, size + 1);
        memset(w.body, 'a' + (int)(how % 26), size);
        sse_puts(out, w.body);
        if (!size) w.status = 204;
        break;
    case 5:
        sse_printf(out,
            "POST /echo?n=%d HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
            "\r\n\r\n5;x=\"y\"\r\nhello\r\n%s0\r\n%s\r\n",
            n, how & 1 ? "00001\r\n!\r\n" : "", how & 2 ? "Trailer: x\r\n" : "");
        w.body = strdup(how & 1 ? "hello!" : "hello");
        break;
    case 6:
        sse_printf(out, "GET /none?n=%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n", n, coding);
        w.status = 404;
        break;
    case 7:
        sse_printf(out, "DELETE /?n=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
        w.status = 405;
        break;
    case 8:
        sse_printf(out,
            "GET /f/a.txt?n=%d HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%u-%u\r\n"
            "\r\n",
            n, how, how + 9);
        w.status = 206;
        w.body = strdup("xxxxxxxxxx");
        break;
    case 9:
        sse_printf(out,
            "GET /f/a.txt?n=%d HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: *\r\n"
            "%s\r\n",
            n, coding);
        w.status = 304;
        break;
    case 10:
        sse_printf(out, "GET /later?n=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
        w.body = strdup("later");
        break;
    case 11:
        sse_printf(out,
            "POST /%s?n=%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: %u\r\n"
            "\r\n",
            kind == 2 && how & 8 ? "keep" : "in_place", n, 40u);
        sse_puts(out, "0123456789012345678901234567890123456789");
        w.body = strdup("read");
        break;
    case 12:
        sse_printf(out,
            "POST /%s?n=%d HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/"
            "form-data; boundary=B\r\nContent-Length: 75\r\n\r\n--B\r\nContent-"
            "Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nhello\r\n--B--",
            kind == 2 && how & 8 ? "keep_part" : "parts", n);
        w.body = strdup("parts");
        break;
    case 13:
        sse_printf(out,
            "POST /form?n=%d HTTP/1.1\r\nHost: localhost\r\nCookie: c=1; s=2\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n"
            "\r\na=%%3c&b=%%41",
            n);
        w.body = strdup("&lt;-1-");
        break;
    case 14:
        sse_printf(out, "GET /away?n=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
        w.status = 303;
        break;
    case 15:
        w.old = true;
        sse_printf(out, "GET /big?size=%u&n=%d HTTP/1.0\r\n%s%s\r\n", size + 1, n,
            how & 4 ? "Connection: keep-alive\r\n" : "", coding);
        break;
    case 16:
        sse_printf(out, "OPTIONS /big?n=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n);
        w.status = 204;
        break;
    case 17:
        sse_printf(out,
            "GET /%s?n=%d HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            "%s\r\n",
            kind && how & 4 ? "table"
            : how & 8       ? "v/0"
                            : "v/1",
            n, coding);
        w.stream = true;
        break;
    case 18:
        sse_printf(out, "GET /_sse/metrics?n=%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n", n, coding);
        break;
    case 19:
        sse_printf(out,
            "POST /s?t=2&n=%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            "Datastar-Request: true\r\nContent-Type: application/json\r\n%s\r\n{}",
            n, coding);
        w.stream = true;
        break;
    default:
        w.stream = true;
        w.old = (which % TEMPLATES) == 23;
        snprintf(text, sizeof text, "Last-Event-ID: %s\r\n", b->id);
        sse_printf(out,
            "GET %s&n=%d HTTP/1.%d\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            "%s%s\r\n",
            streams[(how >> 2) % SSE__COUNT(streams)], n, !w.old, coding,
            *b->id && which % TEMPLATES != 22 ? text : "");
    }
    return w;
}

static void note_heads(browser *b) {
    const char *text = sse_buf_text(&b->out);
    if (memmem(text, b->out.len, "HEAD", 4)) b->head_sent = true;
}

static void ask(browser *b, unsigned which, unsigned how) {
    want w;
    if (requests >= REQUESTS || b->half || b->count == WANTS || b->out.len > 100000) return;
    if (b->fd < 0) connect_browser(b);
    if (b->fd < 0) return;
    if (b->at == b->out.len) b->out.len = b->at = 0;
    w = request(&b->out, which, how, b);
    tell("  browser %d asks %d (%u %u%s)", (int)(b - browsers), w.number, which, how,
        b->dirty ? ", dirty" : "");
    w.behind = b->count > 0;
    if (b->dirty) free(w.body);
    else {
        b->wants[(b->first + b->count++) % WANTS] = w;
        if (b->count == 1 && b->in.at == HEAD && !b->in.n)
            b->in.bodiless = w.head, b->in.old = w.old;
    }
    if (w.head && b->dirty) b->head_sent = true;
    push(b);
}

static void send_raw(browser *b, sse_str bytes) {
    if (b->fd < 0) connect_browser(b);
    if (b->fd < 0 || b->half || !bytes.len || b->out.len > 100000) return;
    b->dirty = true;
    sse_raw(&b->out, bytes.ptr, bytes.len);
    note_heads(b);
    if (bytes.len < 4) b->head_sent = true; /* pieces of it may come one by one */
    push(b);
}

/* A request with some of its bytes changed. */
static void ask_wrongly(browser *b, unsigned which, unsigned how, input *in) {
    sse_buf  text = {NULL, 0, 0, 0};
    unsigned times = 1 + take(in) % 4;
    if (requests >= REQUESTS) return;
    free(request(&text, which, how, b).body);
    while (times-- && text.len > 4) {
        const size_t at = take_number(in, 2) % (text.len - 1);
        const int    way = (int)take(in) % 4;
        if (way == 0) text.ptr[at] = (char)take(in);
        else if (way == 1) text.ptr[at] ^= (char)(1u << take(in) % 8);
        else if (way == 2) text.len = at + 1; /* cut off */
        else {                                /* a byte is left out */
            memmove(text.ptr + at, text.ptr + at + 1, text.len - at - 1);
            text.len--;
        }
    }
    send_raw(b, sse__str(text.ptr, text.len));
    sse_buf_free(&text);
}

/* ---- operations ---- */

static void publish(int topic, unsigned how, input *in) {
    sse_event e;
    sse_buf   data = {NULL, 0, 0, 0};
    const int n = published[topic] + 1;
    char      key[2] = {(char)('a' + n % 2), '\0'};
    int       error;
    if (n > EVENTS) return;
    memset(&e, 0, sizeof e);
    sse_printf(&data, "T%d %d", topic, n);
    if (how & 1) { /* large, and of bytes that do not compress well */
        const sse_str more = take_text(in, take(in));
        size_t        times = how >> 4, i;
        sse_puts(&data, " ");
        while (times--)
            for (i = 0; i < more.len; i++)
                sse_printf(&data, "%c", 'a' + ((unsigned char)more.ptr[i] + (int)times) % 26);
    }
    e.data = sse_buf_text(&data);
    if (how & 2 && topic != ROWS) e.event = "named";
    if (how & 4) e.key = key;
    if (how & 8 && requests) {
        e.except = records[1 + how % (unsigned)requests].handle;
        if (e.except.app) burnt[topic][n] = 1;
    }
    published[topic] = n;
    if (topic == ROWS) {
        error =
            !kind ? -1
            : how & 2 && other
                ? sqlite3_exec(other,
                      sse_buf_text((data.len = 0,
                          sse_printf(&data, "INSERT INTO rows(body) VALUES('T6 %d')", n), &data)),
                      NULL, NULL, NULL)
                : INSIDE(sse_db_exec(db, "INSERT INTO rows(body) VALUES(%s)", e.data));
        error = kind && error >= 0 && error != SQLITE_BUSY ? 0 : -1;
    } else error = INSIDE(sse_publish(app, names[topic], &e));
    if (error) burnt[topic][n] = 1;
    if (error && topic != ROWS) CHECK(faulty);
    sse_buf_free(&data);
}

static void commit(unsigned how) {
    char sql[100];
    int  i;
    if (!kind) return;
    if (how % 4 == 3) { /* rows go: who has not read them is told of a gap */
        for (i = 1; i <= published[ROWS]; i++) burnt[ROWS][i] = 1;
        sse_db_exec(db, "DELETE FROM rows WHERE id <= (SELECT max(id) FROM rows) - %d",
            (int)(how / 4 % 4));
        return;
    }
    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO kv(k, v) VALUES(1, %d)", table_now + 1);
    if (how & 1 && other) {
        if (sqlite3_exec(other, sql, NULL, NULL, NULL) == SQLITE_OK) table_now++;
    } else if (sse_db_exec(db, "INSERT OR REPLACE INTO kv(k, v) VALUES(1, %d)", table_now + 1) > 0)
        table_now++;
}

static void touch(unsigned how) {
    const int id = (int)(how % 3);
    int       error;
    char      path[20];
    view_now[id]++;
    snprintf(path, sizeof path, "/v/%d", id);
    error = INSIDE(sse_touch(app, how & 4 ? "/v/{id}" : path));
    CHECK(!error || faulty);
}

static void with_stream(unsigned how, unsigned which) {
    record   *r = requests ? &records[1 + which % (unsigned)requests] : NULL;
    sse_event e;
    if (!r || !r->handle.app) return;
    memset(&e, 0, sizeof e);
    e.data = "S";
    inside = true;
    switch (how % 8) {
    case 0: sse_stream_send(r->handle, &e); break;
    case 1:
        if (sse_stream_end(r->handle, &e) != SSE_E_CLOSED) r->ended = true; /* without memory too */
        break;
    case 2: sse_stream_reconnect(r->handle, NULL); break;
    case 3: join(r->handle, r, (int)(which % TOPICS), false, true); break;
    case 4:
        if (!sse_unsubscribe(r->handle, names[which % TOPICS])) r->loose |= 1u << which % TOPICS;
        break;
    case 5: sse_stream_wake(r->handle); break;
    case 6: sse_stream_view(r->handle, which & 1 ? "/v/0" : "/v/2"); break;
    default:
        if (!sse_unsubscribe_pattern(r->handle, "kept.*")) r->loose |= 1u << GREETS | 1u << KEPT;
    }
    inside = false;
}

/* ---- the end of a server, and of a run ---- */

static bool newest_of(const sse_event *event, void *user) {
    int topic, n;
    if (event->data && sscanf(event->data, "T%d %d", &topic, &n) == 2) *(int *)user = n;
    return true;
}

static void copy_file(const char *to, const char *suffix) {
    char   name[120], bytes[8192];
    FILE  *a, *b;
    size_t n;
    snprintf(name, sizeof name, "%s%s", file, suffix);
    a = fopen(name, "rb");
    if (!a) return;
    snprintf(name, sizeof name, "%s%s", to, suffix);
    b = fopen(name, "wb");
    CHECK(b);
    while ((n = fread(bytes, 1, sizeof bytes, a)) > 0) fwrite(bytes, 1, n, b);
    fclose(a);
    fclose(b);
}

static void remove_files(void) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-sse"};
    char                     name[120];
    size_t                   i;
    for (i = 0; i < SSE__COUNT(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", file, suffixes[i]);
        unlink(name);
    }
}

static void free_server(void) {
    int i;
    inside = true;
    sse_app_free(app);
    inside = false;
    app = NULL;
    if (other) CHECK(sqlite3_close(other) == SQLITE_OK);
    other = NULL;
    if (db) sse_db_close(db);
    db = NULL;
    deferred_now = 0;
    CHECK(!paused && !uploading);
    for (i = 0; i <= requests; i++) CHECK(records[i].opened == records[i].closed);
}

static void stop(void) { /* as by a signal: everybody is gone after the grace period */
    CHECK(sse_stop(app) == SSE_OK);
    hear_all();
    if (!app->server->over) pass(5100);
    CHECK(app->server->over);
}

static void next_server(unsigned how) {
    char before[sizeof file];
    int  last_seen = 0, kept = 0, i;
    fail_memory = fail_call = 0;
    strcpy(before, file);
    if (how & 1) stop();
    for (i = 0; i < BROWSERS; i++)
        if (browsers[i].seen[STORED] > last_seen) last_seen = browsers[i].seen[STORED];
    snprintf(file, sizeof file, "%s/%d.db", dir, ++files);
    if (kind == 2 && !(how & 3)) { /* what a crash would leave */
        char to[sizeof file];
        strcpy(to, file);
        strcpy(file, before);
        copy_file(to, "");
        copy_file(to, "-wal");
        free_server();
        remove_files();
        strcpy(file, to);
    } else {
        strcpy(file, before);
        free_server();
    }
    restarted = true;
    for (i = 0; i < BROWSERS; i++)
        while (browsers[i].fd >= 0) hear(&browsers[i], 4096);
    if (kind == 1) { /* it went with the server */
        memset(burnt[ROWS], 1, sizeof burnt[ROWS]);
        table_now = 0;
    }
    start();
    if (kind != 2) return;
    sse_topic_history(app, names[STORED], 0, newest_of, &kept);
    while (burnt[STORED][last_seen]) last_seen--; /* of an earlier crash; its number counts on */
    if (!faulty) CHECK(kept >= last_seen);        /* it is in the file before anybody sees it */
    for (i = kept + 1; i <= published[STORED]; i++) burnt[STORED][i] = 1;
}

/* All that was asked is answered, and who is still connected has all that was published. */
static void check_all_is_said(void) {
    int i, k;
    for (i = 0; i < BROWSERS; i++) {
        browser *b = &browsers[i];
        if (b->fd < 0 || b->half || b->refused) continue;
        if (b->count && b->at == b->out.len) CHECK(b->stream || wanted(b)->stream);
        if (!b->stream) continue;
        for (k = 0; k < TOPICS; k++) {
            joined_late(b, k);
            tell("  browser %d: %s: topics %x, loose %x, any %d, seen %d of %d", i, names[k],
                b->stream->topics, b->stream->loose, b->any[k], b->seen[k], published[k]);
            if ((b->stream->topics & ~b->stream->loose) >> k & 1 && !b->any[k])
                CHECK(only_burnt(k, b->seen[k], published[k] + 1));
        }
        for (k = 0; k < 3; k++) CHECK(b->view[k] < 0 || b->view[k] == view_now[k]);
        CHECK(b->table < 0 || b->table == table_now);
    }
}

static void run(input *in) {
    while (in->left > 1) {
        const unsigned op = take(in), how = take(in);
        browser       *b = &browsers[(op >> 4) % BROWSERS];
        if (app->server->over) next_server(0);
        tell("op %u %u %u", op & 15, op >> 4, how);
        switch (op & 15) {
        case 0: connect_browser(b); break;
        case 1: send_raw(b, take_text(in, how)); break;
        case 2:
        case 3:
        case 4: ask(b, how, take(in)); break;
        case 5: ask_wrongly(b, how, take(in), in); break;
        case 6: hear(b, how + 1); break;
        case 7: hear_all(); break;
        case 8: settle(); break;
        case 9: pass(1 << how % 18); break;
        case 10: leave(b, how); break;
        case 11: publish((int)((op >> 4) % TOPICS), how, in); break;
        case 12: commit(how); break;
        case 13: touch(how); break;
        case 14: with_stream(op >> 4, how); break;
        default:
            if (op >> 4 < 4) fail_memory = how + 1;
            else if (op >> 4 < 12) fail_call = 1 + how % 16, fail_how = (int)(how / 16 % 3);
            else if (op >> 4 == 12) next_server(how);
            else if (op >> 4 == 13) (void)INSIDE(sse_stop(app));
            else (void)INSIDE(sse_poll(app, 0));
        }
    }
}

static int descriptors(void) {
    int fd, n = 0;
    for (fd = 0; fd < 64; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void end_run(void) {
    sse_stats stats;
    int       i;
    fail_memory = fail_call = 0;
    if (!app->server->over && !app->server->stopping) {
        hear_all();
        for (i = 0; i < 4 || ((deferred_now || paused) && i < 60); i++) {
            pass(200); /* pipelined ones come in turn */
            hear_all();
        }
        if (!faulty) check_all_is_said();
    }
    if (flags & 2048) stop();
    for (i = 0; i < BROWSERS; i++) leave(&browsers[i], 2);
    if (!app->server->over) {
        pass(15000);
        sse_stats_get(app, &stats);
        if (!app->server->over) CHECK(stats.connections == 0 && stats.streams == 0);
    }
    free_server();
}

/* For the files of one run, which leaves nothing there. */
static void make_directory(void) {
    snprintf(dir, sizeof dir, "%s/sse-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    CHECK(mkdtemp(dir));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    int   before, i;
    input in = input_of(own, n);
    telling = getenv("TELL") != NULL;
    before = descriptors();
    memset(published, 0, sizeof published);
    memset(burnt, 0, sizeof burnt);
    memset(view_now, 0, sizeof view_now);
    memset(records, 0, sizeof records);
    table_now = requests = 0;
    faulty = restarted = false;
    chance = 1;
    clock_ms = 1000000;
    for (i = 0; i < BROWSERS; i++) browsers[i].fd = -1;
    kind = (int)(take(&in) % 4);
    if (kind == 3) kind = 0;
    flags = (unsigned)take_number(&in, 2);
    if (kind == 2) make_directory();
    snprintf(file, sizeof file, "%s/%d.db", dir, ++files);
    start();
    run(&in);
    end_run();
    for (i = 0; i < BROWSERS; i++) {
        browser *b = &browsers[i];
        CHECK(b->fd < 0 && !b->count);
        sse_buf_free(&b->out);
        sse_buf_free(&b->body);
        sse_buf_free(&b->data);
        memset(b, 0, sizeof *b);
    }
    if (kind == 2) {
        remove_files();
        CHECK(rmdir(dir) == 0);
    }
    CHECK(live_blocks == 0);
    CHECK(descriptors() == before);
    free(own);
    return 0;
}
