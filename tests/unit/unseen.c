/* What nothing saw once when it was broken, in each section a moment or a bound of its own: the
   mutants of tests/mutants/known. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

static int blind; /* there is no inotify, and a database has no second connection */
#define SSE__SYS(call) (blind && strstr(#call, "inotify_init") ? (errno = EMFILE, -1) : (call))
#ifndef SSE_NO_SQLITE
#include <sqlite3.h>
#define sqlite3_open_v2(name, to, flags, vfs)                   \
    (blind && (flags) == SQLITE_OPEN_READONLY ? SQLITE_CANTOPEN \
                                              : sqlite3_open_v2(name, to, flags, vfs))
#endif
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "come.h"
#include "dial.h"

static char logged[4000];
static int  level_of_last;
static void on_log(int level, const char *line, void *user) {
    (void)user;
    level_of_last = level;
    if (strlen(logged) + strlen(line) < sizeof logged - 2) strcat(strcat(logged, line), "\n");
}

static sse_app_options quiet(void) {
    sse_app_options options;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    logged[0] = '\0';
    return options;
}

static sse_stream_options stream_options;

static void on_stream(sse_req *req, void *user) {
    sse_stream *to = (sse_stream *)user;
    *to = sse_stream_open(req, &stream_options);
    if (sse_query(req, "topic")) sse_subscribe(*to, sse_query(req, "topic"));
    if (sse_query(req, "pattern")) sse_subscribe_pattern(*to, sse_query(req, "pattern"));
}

static void hook(sse_req *req, void *user) { sse_set_header(req, "X-Hook", (const char *)user); }
static void page(sse_req *req, void *user) { sse_puts(sse_out(req), (const char *)user); }

static void hooks(void) { /* a prefix ends with a segment */
    static const struct {
        const char *path, *hook;
    } rows[] = {{"GET /mine", "mine"}, {"GET /mine/", "mine"}, {"GET /mine/x", "mine"},
        {"GET /mines", NULL}, {"GET /min", NULL}, {"GET /", NULL}, {"GET /a/mine", NULL},
        {"GET /dir/", "dir"}, {"GET /dir/x", "dir"}, {"GET /dir", "dir"}, {"GET /dirx", NULL}};
    sse_app_options options = quiet();
    sse_app        *app = sse_app_new(&options);
    sse_test_reply  r;
    size_t          i;
    memset(&r, 0, sizeof r);
    sse_before(app, "/mine", hook, (void *)"mine");
    sse_before(app, "/dir/", hook, (void *)"dir");
    sse_mount(app, "/", page, (void *)"page");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *got;
        is_int(sse_test_request(app, rows[i].path, NULL, NULL, &r), 0, rows[i].path);
        got = sse_test_header(&r, "X-Hook");
        is_str(got ? got : "none", rows[i].hook ? rows[i].hook : "none", "... its hook");
    }
    sse_test_close(&r);
    sse_app_free(app);
}

static void monitor_hosts(void) { /* a page of another name may be of somebody else */
    sse_app_options options = quiet();
    sse_app        *app;
    sse_test_reply  r;
    memset(&r, 0, sizeof r);
    options.allowed_hosts = "app.example localhost 127.0.0.1";
    app = sse_app_new(&options);
    sse_monitor(app, "/_sse", NULL, NULL);
    sse_test_request(app, "GET /_sse", "Host: app.example\n", NULL, &r);
    is_int(r.status, 403, "the monitor, by a name that is allowed to all else");
    sse_test_request(app, "GET /_sse", "Host: localhost\n", NULL, &r);
    is_int(r.status, 200, "by this machine's");
    sse_test_request(app, "GET /_sse", "Host: 127.0.0.1:80\n", NULL, &r);
    is_int(r.status, 200, "by its address");
    sse_test_close(&r);
    sse_app_free(app);
}

static void live_socket(void) {
    char              host[60];
    sse_app_options   options = quiet();
    sse_serve_options serve;
    sse_app          *first = sse_app_new(&options), *second = sse_app_new(&options);
    memset(&serve, 0, sizeof serve);
    snprintf(host, sizeof host, "unix:/tmp/sse-unseen-%d", (int)getpid());
    serve.host = host;
    is_int(sse_listen(first, &serve), 0, "a unix socket");
    ok(sse_listen(second, &serve) < 0, "another server answers there: it is refused");
    ok(strstr(answered(first, come_with(first, host, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")),
           " 404 ") != NULL,
        "and the first answers still");
    sse_app_free(second);
    sse_app_free(first);
    is_int(access(host + 5, F_OK), -1, "its file goes with it");
}

static void cache(void) { /* compressed files: 32, and 4 MiB together */
    sse_app_options options = quiet();
    sse_app        *app = sse_app_new(&options);
    sse__cached    *seen[12];
    int             i, held = 0;
    size_t          bytes = 0;
    app->files = SSE__NEW(sse__file_cache);
    for (i = 0; i < 12; i++) {
        sse__compress_job *job = SSE__NEW(sse__compress_job);
        sse__cached       *cached = sse__cached_oldest(app->files, false);
        sse_buf            b = {NULL, 0, 0, SSE_OK};
        while (b.len < (SSE__CACHE_BYTES / 8)) sse_puts(&b, "0123456789abcdef");
        sse__cached_drop(app->files, cached);
        cached->busy = true;
        cached->encoding = i + 1;
        cached->used = ++app->files->uses;
        job->cached = seen[i] = cached;
        job->known = true;
        job->out = b;
        sse__compress_done(app, job);
        ok(app->files->bytes <= SSE__CACHE_BYTES, "%d files: %lu bytes", i + 1,
            (unsigned long)app->files->bytes);
    }
    for (i = 0; i < SSE__CACHE_FILES; i++) {
        held += app->files->at[i].block != NULL;
        if (app->files->at[i].block) bytes += app->files->at[i].block->len;
    }
    ok(held == 8 && bytes == app->files->bytes, "eight of an eighth each are kept");
    ok(!seen[3]->block && seen[4]->block && seen[11]->block, "those that were used last");
    sse__file_cache_free(app);
    app->files = NULL;
    sse_app_free(app);
}

static void cached(void) { /* one that has been compressed is known again: that file, as it was */
    static const struct {
        const char *what, *etag;
        uint64_t    id[2];
        int         encoding;
    } rows[] = {{"itself", "\"1\"", {2, 3}, SSE__GZIP}, {"in br", "\"1\"", {2, 3}, SSE__BR},
        {"of another device", "\"1\"", {9, 3}, SSE__GZIP},
        {"another file", "\"1\"", {2, 9}, SSE__GZIP}, {"as it is now", "\"9\"", {2, 3}, SSE__GZIP}};
    sse__file_cache *files = SSE__NEW(sse__file_cache);
    sse__file        file;
    size_t           i;
    memset(&file, 0, sizeof file);
    files->at[5].encoding = SSE__GZIP;
    files->at[5].id[0] = 2;
    files->at[5].id[1] = 3;
    strcpy(files->at[5].etag, "\"1\"");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        file.id[0] = rows[i].id[0];
        file.id[1] = rows[i].id[1];
        strcpy(file.etag, rows[i].etag);
        ok(sse__cached_find(files, &file, rows[i].encoding) == (i ? NULL : &files->at[5]),
            "a compressed file: %s", rows[i].what);
    }
    SSE_FREE(files);
}

static void credit(void) { /* what compressing files may cost the loop */
    enum { FULL = SSE__CACHE_CREDIT_US };
    sse_app_options  options = quiet();
    sse_app         *app = sse_app_new(&options);
    sse__file_cache *files = SSE__NEW(sse__file_cache);
    const uint64_t   began = sse__clock_us();
    sse__file        file;
    sse__cached     *cached;
    int              i;
    memset(&file, 0, sizeof file);
    app->files = files;
    app->stages[SSE__FREE_FILES] = sse__file_cache_free;
    files->earned_us = began - 1000000000;
    files->credit_us = -1;
    ok(sse__file_cache_may_compress(files), "time earns credit");
    is_int((long long)files->credit_us, FULL, "... of no more than there is");
    ok(files->earned_us >= began, "... once");
    for (i = 0; i < 3; i++) { /* it got shorter, did not, or nobody knows */
        sse__compress_job *job = SSE__NEW(sse__compress_job);
        cached = sse__cached_oldest(files, false);
        cached->busy = true;
        cached->encoding = SSE__GZIP;
        cached->used = ++files->uses;
        job->cached = cached;
        job->known = i < 2;
        job->took_us = i ? 1000 : 1000000000000;
        if (!i) sse_puts(&job->out, "shorter");
        files->credit_us = FULL;
        sse__compress_done(app, job);
        is_int((long long)files->credit_us, i ? FULL - 1000 : -FULL,
            "what it took is taken, up to a bound");
        ok(!cached->busy && (cached->block != NULL) == !i &&
                cached->encoding == (i < 2 ? SSE__GZIP : 0),
            "... the place has what is known");
    }
    is_int((long long)files->bytes, 7, "... and the bytes");
    for (i = 0; i < SSE__CACHE_FILES; i++) files->at[i].busy = true;
    ok(!sse__cached_oldest(files, false), "no place but those that threads have");
    files->at[7].busy = false;
    ok(sse__cached_oldest(files, false) == &files->at[7], "... one");
    for (i = 0; i < SSE__CACHE_FILES; i++) files->at[i].busy = false;
    files->at[9].encoding = SSE__GZIP;
    strcpy(files->at[9].etag, "\"9\"");
    strcpy(file.etag, "\"9\"");
    ok(sse__cached_get(app, &file, SSE__GZIP) == &files->at[9] &&
            files->at[9].used == files->uses && files->uses > 3,
        "one that is asked for again was used last");
    sse_app_free(app);
}

static int  renders;
static void failing(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    if (renders++) sse_buf_fail(html, SSE_E_ARG);
    else sse_puts(html, "<p id=\"p\">once</p>");
}

static void backoff(void) { /* after 500 ms, 1 s, 2, 4, 8, 16, 32, 32 ... */
    static const int until_ms[] = {0, 499, 1, 999, 1, 1999, 1, 3999, 1, 7999, 1, 15999, 1, 31999, 1,
        31999, 1, 31999, 1};
    sse_app_options  options = quiet();
    sse_app         *app = sse_app_new(&options);
    sse_test_reply   r;
    size_t           i;
    memset(&r, 0, sizeof r);
    renders = 0;
    sse_live(app, "/p", failing, NULL);
    sse_test_request(app, "GET /p", "Accept: text/event-stream\n", NULL, &r);
    is_int(renders, 1, "a view is shown");
    sse_touch(app, "/p");
    for (i = 0; i < SSE__COUNT(until_ms); i++) {
        sse_test_run(app, until_ms[i]);
        is_int(renders, 2 + (int)i / 2, i % 2 ? "not tried again yet" : "tried, and failed");
    }
    ok(r.open, "its stream stays");
    sse_test_close(&r);
    sse_app_free(app);
}

static int        replied;
static void       on_reply(sse_req *req, void *user) { (void)user, replied = req->status; }
static void       refuse(sse_req *req, void *user) { (void)user, sse_fail(req, 403, "no"); }
static sse_stream shown;
static int        show;
static void       shows(sse_req *req, void *user) {
          (void)user;
          shown = sse_stream_open(req, NULL);
          show = sse_stream_view(shown, "/guarded");
          is_int(req->status, 200, "the status is that of the stream");
}

static void guards(void) {
    sse_app_options  options = quiet();
    sse_live_options live;
    sse_app         *app;
    sse_test_reply   r;
    memset(&r, 0, sizeof r);
    memset(&live, 0, sizeof live);
    options.on_reply = on_reply;
    live.guard = refuse;
    app = sse_app_new(&options);
    sse_live(app, "/guarded", failing, &live);
    sse_get(app, "/shows", shows, NULL);
    sse_test_request(app, "GET /shows", "Accept: text/event-stream\n", NULL, &r);
    is_int(show, SSE_E_STATE, "a guard refuses a view");
    ok(r.status == 200 && replied == 200 && r.open, "and not the stream");
    sse_test_close(&r);
    sse_app_free(app);
}

#ifdef SSE_NO_SQLITE
static void no_inotify(void) {} /* nothing is followed */
static void no_watcher(void) {}
#else
static void no_inotify(void) {
    sse_app_options options = quiet();
    int             i;
    for (i = 0; i < 2; i++) {
        sse_app *app = sse_app_new(&options);
        sse_db  *db = sse_db_open(":memory:", NULL);
        blind = i;
        is_int(sse__changes_watch(app, db), 0, "a database is followed");
        ok((app->changes->notify_fd < 0) == !!i, i ? "without inotify" : "with inotify");
        is_int(app->changes->slow_ms == SSE__LOOK_BLIND_MS, i, "and looked at ten times a second");
        blind = 0;
        sse_app_free(app);
        sse_db_close(db);
    }
}
#endif

#ifndef SSE_NO_SQLITE
static int committed;

static void on_commit(sse_app *app, sse_db *db, void *user) {
    (void)app, (void)db, (void)user;
    committed++;
}

/* Where nothing tells of commits, they are looked for: ten times a second. */
static void no_watcher(void) {
    static char name[] = "/tmp/sse-unseen-XXXXXX";
    sse_app    *app = sse_app_new(NULL);
    sse_db     *db, *other;
    char        rm[60];
    int         i, n;
    close(mkstemp(name));
    db = sse_db_open(name, NULL);
    other = sse_db_open(name, NULL);
    is_int(sse_db_exec(db, "CREATE TABLE t(x)"), 0, "a table");
    blind = 1;
    is_int(sse_on_commit(app, db, NULL, on_commit, NULL), 0, "... that is followed");
    turns(app, 300);
    for (n = 0; n < 3; n++) {
        const int before = committed;
        is_int(sse_db_exec(other, "INSERT INTO t VALUES(1)"), 1, "another writes");
        for (i = 0; i < 30000 && committed == before; i++) sse_poll(app, 1);
        is_int(committed - before, 1, "... which is seen");
        turns(app, 300);
    }
    blind = 0;
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
    snprintf(rm, sizeof rm, "rm -f %s*", name);
    is_int(system(rm), 0, "its files go");
}
#endif

static sse__message *message(const char *data, bool droppable) {
    sse_buf       b = {NULL, 0, 0, SSE_OK};
    sse__message *m;
    sse__message_begin(&b);
    sse_printf(&b, "data: %s\n\n", data);
    m = sse__message_new(&b, NULL);
    m->block->droppable = droppable;
    return m;
}

#ifdef SSE_NO_COMPRESSION
static void own_history(void) {} /* it is one of compression */
#else
static void own_history(void) {
    sse_app_options options = quiet();
    sse_app        *app = dial_app(&options);
    sse_stream      s;
    sse__stream    *stream;
    sse__message   *kept, *lossy;
    sse__codec     *codec;
    memset(&stream_options, 0, sizeof stream_options);
    stream_options.own_history = true;
    sse_get(app, "/own", on_stream, &s);
    dial(app, "/own", "Accept: text/event-stream\r\nAccept-Encoding: br\r\n");
    stream = sse__stream_get(s);
    kept = message("kept", false);
    lossy = message("lossy", true);
    ok(stream && stream->encoding == SSE__BR, "a stream with a history of its own");
    ok(!sse__stream_codec(stream, lossy), "what its queue may lose is not in it");
    codec = sse__stream_codec(stream, kept);
    ok(codec && stream->extra->codec == codec, "all else is");
    ok(!sse__stream_codec(stream, lossy), "then as before");
    sse__message_drop(kept);
    sse__message_drop(lossy);
    memset(&stream_options, 0, sizeof stream_options);
    dial_free(app);
}
#endif

static void slow_or_stuck(void) {
    sse_app_options options = quiet();
    sse_app        *app;
    sse_stream      s;
    sse__stream    *stream;
    sse__conn      *c;
    sse_event       event;
    char           *large = (char *)calloc(1, 1 << 20);
    int             i;
    options.max_queue_bytes = 1 << 28;
    app = dial_app(&options);
    memset(&stream_options, 0, sizeof stream_options);
    sse_get(app, "/slow", on_stream, &s);
    dial(app, "/slow", NULL);
    memset(large, 'x', (1 << 20) - 1);
    memset(&event, 0, sizeof event);
    event.data = large;
    for (i = 0; i < 30; i++) sse_stream_send(s, &event);
    (void)sse_poll(app, 0);
    stream = sse__stream_get(s);
    c = stream->conn;
    ok(c->out.count > 0, "more than its socket takes");
    stream->send_timeout_ms = 1000;
    stream->stuck_since = sse__stream_now(stream) - 5000;
    c->progressed = true;
    sse__stream_tick(c);
    ok(sse__stream_lives(stream), "a client that has taken some is slow");
    ok(sse__stream_ago(stream, stream->stuck_since) < 1000 && !c->progressed,
        "its time begins anew");
    stream->stuck_since = sse__stream_now(stream) - 999;
    sse__stream_tick(c);
    ok(sse__stream_lives(stream), "one that takes nothing has its time");
    stream->stuck_since = sse__stream_now(stream) - 1000;
    sse__stream_tick(c);
    ok(!sse__stream_lives(stream) && stream->reason == SSE_BY_TIMEOUT, "then it is stuck");
    dial_free(app);
    free(large);
}

static void reservations(void) {
    sse_app_options   options = quiet();
    sse_topic_options topic;
    sse_app          *app = dial_app(&options);
    sse__sequence    *sequence;
    sse__store        store;
    sse__stream      *stream;
    sse_stream        s;
    sse__queue       *q;
    uint64_t          told;
    memset(&topic, 0, sizeof topic);
    memset(&store, 0, sizeof store);
    memset(&stream_options, 0, sizeof stream_options);
    topic.history = 10;
    sse_topic(app, "t", &topic);
    sse_get(app, "/t", on_stream, &s);
    dial(app, "/t?topic=t", NULL);
    sequence = &app->topics->sequence;
    sequence->last = 40;
    store.reserved = 42;
    sequence->stores = &store;
    told = app->net->told;
    is_int(sse__sequence_next(sequence), 41, "the next number");
    is_int(sse__sequence_next(sequence), 42, "the last that is reserved");
    is_int(app->net->told, told, "which nobody waits for");
    stream = sse__stream_get(s);
    q = &stream->conn->out;
    sse__stream_send_position(stream);
    ok(q->count && sse__queue_at(q, q->count - 1)->after == 0, "a newcomer is told where it is");
    is_int(sse__sequence_next(sequence), 43, "one more");
    is_int(app->net->told, told + 1, "has to be kept before anybody hears of it");
    app->loop.upcall++; /* somebody else's, later */
    sse__stream_send_position(stream);
    is_int(sse__queue_at(q, q->count - 1)->after, told + 1, "its place as well");
    stream->replaying = true;
    say(app, "t", "forty-four");
    app->loop.upcall++;
    sse__stream_refill(stream, true);
    ok(!stream->replaying && sse__stream_lives(stream), "who catches up has it from memory");
    is_int(sse__queue_at(q, q->count - 1)->after, told + 2, "... when it is kept, too");
    sequence->stores = NULL;
    app->net->kept = app->net->told;
    dial_free(app);
}

#ifdef SSE_NO_SQLITE
static void unreadable(void) {} /* no history is anywhere else */
#else
static void unreadable(void) {
    sse_app_options   options = quiet();
    sse_topic_options topic;
    sse_app          *app;
    sse_stream        s;
    sse_db           *db;
    sse__topic       *t;
    char              file[] = "/tmp/sse-unseen-XXXXXX", name[60];
    int               i;
    if (!mkdtemp(file)) return;
    snprintf(name, sizeof name, "%s/a.db", file);
    for (i = 0; i < 2; i++) {
        db = sse_db_open(name, NULL);
        app = dial_app(&options);
        memset(&topic, 0, sizeof topic);
        memset(&stream_options, 0, sizeof stream_options);
        topic.history = 10;
        topic.db = db;
        is_int(sse_topic(app, "p.*", &topic), 0, "topics in a database");
        sse_get(app, "/t", on_stream, &s);
        if (!i) {
            dial(app, "/t?topic=p.a", NULL);
            say(app, "p.a", "one");
            say(app, "p.a", "two");
            turns(app, 20);
        } else {
            sse_db_exec(db, "ALTER TABLE sse_events RENAME COLUMN event TO other");
            dial(app, "/t?topic=p.a", NULL);
            t = sse__topic_find(app->topics, SSE__LIT("p.a"));
            ok(t && t->history && t->history->lost == app->topics->sequence.last &&
                    t->history->lost > 0,
                "a history that cannot be read is lost");
            ok(strstr(logged, "the history of p.a could not be read") != NULL, "as the log says");
            is_int(level_of_last, SSE_LOG_WARNING, "... in a warning");
            dial(app, "/t?topic=p.b", NULL);
            ok(strstr(logged, "the history of p.b could not be read") != NULL, "so is another");
            is_int(level_of_last, SSE_LOG_DEBUG, "... which peers choose: not a warning each");
        }
        dial_free(app);
        sse_db_close(db);
    }
    snprintf(logged, sizeof logged, "rm -r %s", file);
    is_int(system(logged), 0, "its files go");
}
#endif

static void too_far_behind(bool pattern) {
    sse_app_options   options = quiet();
    sse_topic_options topic;
    sse_app          *app = dial_app(&options);
    sse_stream        s;
    sse__stream      *stream;
    sse__history     *history;
    int               i;
    memset(&topic, 0, sizeof topic);
    memset(&stream_options, 0, sizeof stream_options);
    topic.history = 3;
    sse_topic(app, "p.*", &topic);
    sse_get(app, "/t", on_stream, &s);
    for (i = 0; i < 2; i++) {
        dial(app, pattern ? "/t?pattern=p.*" : "/t?topic=p.a", NULL);
        say(app, "p.a", "one");
        turns(app, 5);
        stream = sse__stream_get(s);
        app->topics->sequence.last = 100;
        sse__stream_subs(stream)->after = 50;
        history = sse__topic_find(app->topics, SSE__LIT("p.a"))->history;
        if (pattern) app->topics->rules->gone = i ? 51 : 50;
        else history->lost = i ? 51 : 50;
        app->topics->sequence.losses = 1; /* since it was told what it lacks */
        *(pattern ? &app->topics->sequence.forgot : &history->lost_at) = 1;
        stream->replaying = true;
        (void)sse__stream_refill(stream, false);
        is_int(sse__stream_lives(stream), !i,
            i ? "what it has yet to get is gone: it is cut, and comes back"
              : "it has had what went");
    }
    dial_free(app);
}

static int open_streams(const sse_app *app) {
    uint32_t i;
    int      n = 0;
    for (i = 0; i < app->streams->all.used; i++) {
        const sse__stream *stream = (const sse__stream *)app->streams->all.at[i].item;
        n += stream && stream->phase == SSE__STREAM_OPEN;
    }
    return n;
}

static void leaving(void) { /* a part of the streams, rounded up */
    sse_app_options options = quiet();
    sse_app        *app = dial_app(&options);
    sse_stream      s;
    int             i;
    for (i = 0; i < 6; i++) dial(app, "/s", NULL);
    is_int(open_streams(app), 6, "six streams");
    sse__streams_leave(app, 1, 3);
    is_int(open_streams(app), 4, "a third of them goes");
    sse__streams_leave(app, 1, 3);
    is_int(open_streams(app), 2, "of four, two");
    memset(&stream_options, 0, sizeof stream_options);
    stream_options.drain = true;
    sse_get(app, "/drains", on_stream, &s);
    dial(app, "/drains", NULL);
    sse__stream_stop(sse__stream_get(s));
    memset(&stream_options, 0, sizeof stream_options);
    ok(sse_stream_is_open(s), "one more has been told to go, and stays for now");
    sse__streams_leave(app, 1, 2);
    is_int(open_streams(app), 1, "... which is none of the two of which half goes");
    sse__streams_leave(app, 3, 3);
    is_int(open_streams(app), 0, "the rest");
    dial_free(app);
}

static bool fills(const sse_event *event, void *user) { /* others need the room */
    sse_app *app = (sse_app *)user;
    say(app, "p.b", event->data);
    say(app, "p.c", event->data);
    say(app, "p.d", event->data);
    return true;
}

static void history_in_use(void) { /* its topic stays while it is read */
    sse_app_options   options = quiet();
    sse_topic_options topic;
    sse_app          *app;
    int               i;
    memset(&topic, 0, sizeof topic);
    topic.history = 3;
    options.max_topics = 2;
    app = dial_app(&options);
    sse_topic(app, "p.*", &topic);
    for (i = 0; i < 3; i++) say(app, "p.a", "x");
    is_int(sse_topic_history(app, "p.a", 0, fills, app), 3, "all that it had");
    ok(sse__topic_find(app->topics, SSE__LIT("p.a")) != NULL, "it is still there");
    say(app, "p.e", "x");
    say(app, "p.f", "x");
    ok(!sse__topic_find(app->topics, SSE__LIT("p.a")), "and goes like the others");
    dial_free(app);
}

static void dozes(sse_req *req, void *user) {
    (void)user;
    usleep(30000);
    sse_puts(sse_out(req), "at last");
}

static void slow_ones(void) { /* are counted */
    sse_app_options options = quiet();
    sse_app        *app;
    sse_stats       stats;
    sse_test_reply  r;
    memset(&r, 0, sizeof r);
    options.slow_ms = 30;
    app = sse_app_new(&options);
    sse_get(app, "/doze", dozes, NULL);
    is_int(sse_test_request(app, "GET /doze", NULL, NULL, &r), 0, "a handler that takes its time");
    sse_stats_get(app, &stats);
    ok(stats.slow >= 1 && stats.slow < 100, "%lu calls were slow", (unsigned long)stats.slow);
    sse_test_close(&r);
    sse_app_free(app);
}

static void no_room(void) { /* for another connection: an EventSource is told to come back */
    sse_app_options options = quiet();
    sse_app        *app;
    client         *c;
    options.max_connections = 1;
    app = dial_app(&options);
    dial(app, "/s", NULL);
    c = dial(app, "/s", NULL);
    ok(strstr(c->got, "HTTP/1.1 200 OK\r\nDate: ") == c->got, "it is answered: %s", c->got);
    ok(strstr(c->got, "\r\nContent-Type: text/event-stream\r\n") && strstr(c->got, "retry: 2000\n"),
        "as a stream, with a time");
    dial_free(app);
}

static void too_late(sse_req *req, void *user) {
    const sse_stream closed = {NULL, 0, 0},
                     got = (sse_puts(sse_out(req), "x"), sse_stream_open(req, NULL));
    *(bool *)user = got.app == closed.app && got.slot == closed.slot && got.gen == closed.gen;
}

#if defined(SSE_NO_BROTLI) || defined(SSE_NO_COMPRESSION)
static void windows(void) {} /* they are libbrotli's */
#else
static void windows(void) { /* the smallest that holds all; 16 bytes of each are brotli's own */
    ok(sse__brotli_window(1) == 16 && sse__brotli_window(65520) == 16, "of 64 KB");
    ok(sse__brotli_window(65521) == 17 && sse__brotli_window(131056) == 17, "of 128 KB");
    ok(sse__brotli_window(4194288) == 22 && sse__brotli_window(99999999) == 22, "of 4 MB at most");
}
#endif

#ifdef SSE_NO_SQLITE
static void no_list(void) {} /* there are no tables */
#else
static int denies(void *user, int action, const char *a, const char *b, const char *c,
    const char *d) {
    (void)user, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

static void no_list(void) { /* what cannot be found out is not said to be wrong */
    sse_db *db = sse_db_open(":memory:", NULL);
    ok(!sse__db_has_table(db, SSE__LIT("t")), "a table that is none");
    sqlite3_set_authorizer((sqlite3 *)sse_db_raw(db), denies, NULL);
    ok(sse__db_has_table(db, SSE__LIT("t")), "where the schemas cannot be listed it may be one");
    sse_db_close(db);
}
#endif

static void ends(void) { /* a stream that is none is {0}; to stop is said as often as one likes */
    sse_app_options options = quiet();
    sse_app        *app = sse_app_new(&options);
    sse_test_reply  r;
    bool            none = false;
    int             i, fine = 0;
    memset(&r, 0, sizeof r);
    sse_get(app, "/late", too_late, &none);
    sse_test_request(app, "GET /late", NULL, NULL, &r);
    ok(none, "a stream that cannot be opened is {0}");
    sse_test_close(&r);
    for (i = 0; i < 70000; i++) fine += sse_stop(app) == SSE_OK; /* more than its pipe takes */
    is_int(fine, 70000, "a stop is one, however often it is said");
    sse_app_free(app);
}

int main(void) {
    ends();
    windows();
    no_list();
    leaving();
    history_in_use();
    slow_ones();
    no_room();
    hooks();
    monitor_hosts();
    live_socket();
    cache();
    cached();
    credit();
    backoff();
    guards();
    no_inotify();
    no_watcher();
    own_history();
    slow_or_stuck();
    reservations();
    unreadable();
    too_far_behind(false);
    too_far_behind(true);
    return tap_done();
}
