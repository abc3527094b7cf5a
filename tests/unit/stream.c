/* stream.c: the life of a stream. Each call with a stream in each phase of it: what it answers, and
   what the log says; when a request can become a stream; and that no phase is skipped or gone back
   to. */
#define _DEFAULT_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"
#include <pthread.h>
#include <sys/wait.h>

static sse_app *app;
static char     said[600]; /* the line of the log that names a call that was not possible */
static int      lines;     /* how many there were */

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level > SSE_LOG_WARNING || strncmp(line, "sse_", 4) != 0) return;
    snprintf(said, sizeof said, "%s", line);
    lines++;
}

static void listen_to_log(void) {
    app->phase_warned_ms = app->stream_warned_ms = 0; /* not only one line a second */
    said[0] = '\0';
    lines = 0;
}

/* ---- each call, in each phase ---- */

enum {
    SEND,
    WRITE,
    END,
    END_WITH,
    RECONNECT,
    SUBSCRIBE,
    UNSUBSCRIBE,
    PATTERN,
    UNPATTERN,
    VIEW,
    SET_META,
    CALLS
};

static const char *const names[CALLS] = {"sse_stream_send", "sse_stream_write", "sse_stream_end",
    "sse_stream_end: a last event", "sse_stream_reconnect", "sse_subscribe", "sse_unsubscribe",
    "sse_subscribe_pattern", "sse_unsubscribe_pattern", "sse_stream_view", "sse_stream_set_meta"};

static int make(int call, sse_stream s) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = "x";
    switch (call) {
    case SEND: return sse_stream_send(s, &event);
    case WRITE: return sse_stream_write(s, "data: x\n\n", 9);
    case END: return sse_stream_end(s, NULL);
    case END_WITH: return sse_stream_end(s, &event);
    case RECONNECT: return sse_stream_reconnect(s, NULL);
    case SUBSCRIBE: return sse_subscribe(s, "other");
    case UNSUBSCRIBE: return sse_unsubscribe(s, "on");
    case PATTERN: return sse_subscribe_pattern(s, "other*");
    case UNPATTERN: return sse_unsubscribe_pattern(s, "on*");
    case VIEW: return sse_stream_view(s, "/view");
    default: return sse_stream_set_meta(s, "k", "w");
    }
}

/* Where a stream is when the call is made. */
typedef enum place {
    IN_HANDLER,
    IN_GUARD,
    IN_STEP,
    IN_PING,
    OPEN,
    RAW,
    IN_ON_STOP,
    DRAINING, /* it is open */
    /* it is not, and on_close is to come */
    ENDED,
    SENT_AWAY,
    STEPPED_OUT,
    LIFETIME,
    OVERFLOWN,
    LEFT,
    IN_ON_CLOSE,
    IN_ON_CLOSE_LEFT,
    CLOSED,
    NONE,
    ELSEWHERE /* or it has */
} place;

static place here;
static int   call, answer, shown; /* shown: what the handler's sse_stream_view answered */
static int   looked;              /* the lines that asking what is known of it brought */
static char  known[40], id[80];

static void call_now(sse_stream s) { /* what is known of it, and then the call */
    const char *meta;
    listen_to_log();
    meta = sse_stream_meta(s, "k");
    snprintf(known, sizeof known, "%s%s%s%s", sse_stream_is_open(s) ? "open " : "",
        sse_stream_id(s) ? "id " : "", sse_stream_is_open(sse_stream_find(app, id)) ? "found " : "",
        meta && strcmp(meta, "v") == 0 ? "meta " : "");
    looked = lines;
    listen_to_log();
    answer = make(call, s);
}

static void call_in(place p, sse_stream s) { /* once */
    if (here == p && answer == 1) call_now(s);
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)user;
    call_in(reason == SSE_BY_PEER ? IN_ON_CLOSE_LEFT : IN_ON_CLOSE, s);
}

static void on_stop(sse_stream s, void *user) {
    (void)user;
    call_in(IN_ON_STOP, s);
}

static int step(sse_stream s, void *user) {
    (void)user;
    call_in(IN_STEP, s);
    return here == STEPPED_OUT ? SSE_END : 1000;
}

static void on_ping(sse_stream s, sse_buf *out, void *user) {
    (void)user;
    call_in(IN_PING, s);
    sse_puts(out, ":\n\n");
}

static void guard(sse_req *req, void *user) {
    (void)req, (void)user;
    call_in(IN_GUARD, newest);
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=\"x\"></p>");
}

static void open_stream(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = on_close;
    o.on_stop = on_stop;
    o.drain = true;
    if (here == IN_STEP || here == STEPPED_OUT) o.step = step;
    if (here == IN_PING) o.on_ping = on_ping, o.ping_ms = 1;
    if (here == RAW) o.type = "text/plain";
    if (here == OVERFLOWN) o.max_queue_bytes = 1000;
    newest = sse_stream_open(req, &o);
    if (here != RAW) sse_subscribe(newest, "on");
    if (here != RAW) sse_subscribe_pattern(newest, "on*");
    sse_stream_set_meta(newest, "k", "v");
    sse_stream_set_meta(newest, "k",
        sse_stream_meta(newest, "k")); /* the old value is the new one */
    snprintf(id, sizeof id, "%s", sse_stream_id(newest));
    call_in(IN_HANDLER, newest);
    if (here == IN_GUARD) shown = sse_stream_view(newest, "/view");
}

static void *elsewhere(void *user) {
    (void)user;
    call_now(newest);
    return NULL;
}

static void *reach(void) { /* then makes the call, unless a callback has */
    static const sse_stream none = {NULL, 0, 0};
    static char             large[2000];
    sse__stream            *stream = sse__stream_get(newest);
    pthread_t               thread;
    int                     i;
    if (here == IN_ON_STOP || here == DRAINING) sse_stop(app);
    if (here == ENDED || here == IN_ON_CLOSE || here == CLOSED) sse_stream_end(newest, NULL);
    if (here == SENT_AWAY) sse_stream_reconnect(newest, NULL);
    if (here == STEPPED_OUT) sse__stream_step(stream, 0);
    if (here == LIFETIME) sse__stream_finish(stream, SSE_BY_LIFETIME, false);
    if (here == OVERFLOWN)
        sse_stream_write(newest, large, sizeof large),
            sse_stream_write(newest, large, sizeof large);
    if (here == LEFT || here == IN_ON_CLOSE_LEFT) sse__conn_close(stream->conn);
    if (here == ELSEWHERE && pthread_create(&thread, NULL, elsewhere, NULL) == 0)
        pthread_join(thread, NULL);
    if (here == OPEN || here == RAW || (here >= ENDED && here <= LEFT)) call_now(newest);
    for (i = 0; i < 50 && here != NONE && here != ELSEWHERE && answer == 1; i++) {
        turns(app, 1);
        if (here == DRAINING || (here == CLOSED && i == 2)) call_now(newest);
    }
    if (here == NONE) call_now(none);
    return NULL;
}

static void each_call(void) { /* S2: on_close is one of the places */
    enum { O = SSE_OK, C = SSE_E_CLOSED, S = SSE_E_STATE, A = SSE_E_ARG, T = SSE_E_THREAD };
    static const char all[] = "open id found meta ", after[] = "after its end was said";
    static const char raw[] = "on a raw stream, whose .type is not text/event-stream";
    static const struct {
        place       at;
        const char *name, *known;
        int         answer[CALLS];
        const char *why;  /* what the log says of those with an '!' */
        const char *loud; /* by call */
        /* send, write, end, with, reconnect, join, leave, joins, leaves, view, meta */
    } rows[] = {
        {IN_HANDLER, "in its opening handler", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL,
            "..........."},
        {IN_GUARD, "in the guard of a view for it", all, {O, O, O, O, O, O, O, O, O, S, O},
            "in the guard of a view on an open stream", ".........!."},
        {IN_STEP, "in its step", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL, "..........."},
        {IN_PING, "in on_ping", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL, "..........."},
        {OPEN, "open", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL, "..........."},
        {RAW, "open, of another type", all, {S, O, O, S, O, A, A, A, A, A, O}, raw, "!..!.!.!.!."},
        {IN_ON_STOP, "in on_stop", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL, "..........."},
        {DRAINING, "open while the app stops", all, {O, O, O, O, O, O, O, O, O, O, O}, NULL,
            "..........."},
        {ENDED, "after sse_stream_end", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, after,
            "!!...!.!.!."},
        {SENT_AWAY, "after sse_stream_reconnect", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, after,
            "!!...!.!.!."},
        {STEPPED_OUT, "after SSE_END", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, after,
            "!!...!.!.!."},
        {LIFETIME, "when its time was over", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, NULL,
            "..........."},
        {OVERFLOWN, "over its queue", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, NULL,
            "..........."},
        {LEFT, "when its peer has left", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, NULL,
            "..........."},
        {IN_ON_CLOSE, "in on_close", "meta ", {C, C, C, C, C, C, C, C, C, C, C}, NULL,
            "..........."},
        {IN_ON_CLOSE_LEFT, "in on_close, its peer has left", "meta ",
            {C, C, C, C, C, C, C, C, C, C, C}, NULL, "..........."},
        {CLOSED, "when it has closed", "", {C, C, C, C, C, C, C, C, C, C, C}, NULL, "..........."},
        {NONE, "without a stream", "found ", {C, C, C, C, C, C, C, C, C, C, C}, NULL,
            "..........."},
#ifndef SSE_NO_THREADS
        {ELSEWHERE, "on another thread", "", {T, T, T, T, T, T, T, T, T, T, T}, NULL,
            "!!!!!!!!!!!"},
#endif
    };
    sse_app_options  options;
    sse_live_options live;
    char             want[600], name[200];
    size_t           i;
    memset(&options, 0, sizeof options);
    memset(&live, 0, sizeof live);
    options.on_log = on_log;
    live.guard = guard;
    for (i = 0; i < SSE__COUNT(rows); i++)
        for (call = 0; call < CALLS; call++) {
            here = rows[i].at;
            answer = 1;
            app = dial_app(&options);
            sse_get(app, "/open", open_stream, NULL);
            sse_live(app, "/view", render, &live);
            dial(app, "/open", NULL);
            reach();
            snprintf(name, sizeof name, "%s %s", names[call], rows[i].name);
            is_int(answer, rows[i].answer[call], name);
            is_str(known, rows[i].known, "... what is known of it");
            if (here == ELSEWHERE)
                snprintf(want, sizeof want, "%.*s: another thread runs the loop: sse_publish",
                    (int)strcspn(names[call], ":"), names[call]);
            else
                snprintf(want, sizeof want, "%s: not possible %s (", names[call],
                    rows[i].why ? rows[i].why : "");
            is_int(looked, here == ELSEWHERE ? 4 : 0, "... asking is no mistake");
            if (rows[i].loud[call] == '.') ok(!lines, "... and no line in the log");
            else
                ok(strncmp(said, want, strlen(want)) == 0 && lines == 1, "... and the log says: %s",
                    want);
            if (here == IN_GUARD)
                is_int(shown, call == END || call == END_WITH || call == RECONNECT ? C : O,
                    "... and the view that asked");
            turns(app, 2);
            dial_free(app);
        }
}

/* ---- more than its queue may hold, before a byte can leave ---- */

static int overflown_answer, overflown_why;

static void overflown_close(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    overflown_why = (int)reason;
}

static void overflow_at_once(sse_req *req, void *user) {
    static char        large[1000];
    sse_stream_options o;
    int                i;
    (void)user;
    memset(&o, 0, sizeof o);
    o.max_queue_bytes = 5000;
    o.on_close = overflown_close;
    newest = sse_stream_open(req, &o);
    for (i = 0, overflown_answer = 0; i < 10 && !overflown_answer; i++)
        overflown_answer = sse_stream_write(newest, large, sizeof large);
}

static void overflow_in_handler(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    app = dial_app(&o);
    sse_get(app, "/much", overflow_at_once, NULL);
    listen_to_log();
    dial(app, "/much", NULL);
    turns(app, 2);
    is_int(overflown_answer, SSE_E_FULL, "a handler sends more than waits for a stream");
    is_int(overflown_why, SSE_BY_QUEUE, "... which is cut");
    is_str(said,
        "sse_stream_open: /much: its handler sent more than .max_queue_bytes, 5000, at once: "
        "raise that, or send the rest by a .step",
        "... as the log says: no peer is slow");
    is_int(lines, 1, "... once");
    dial_free(app);
}

/* ---- what a peer can bring about is no flood of the log ---- */

static void seldom(void) {
    sse_app_options o;
    int             i;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    here = OPEN;
    app = dial_app(&o);
    sse_get(app, "/open", open_stream, NULL);
    dial(app, "/open", NULL);
    sse_stream_end(newest, NULL);
    listen_to_log();
    for (i = 0; i < 100; i++) sse_stream_write(newest, "x", 1);
    is_int(lines, 1, "a loop that sends to what it has ended is one warning");
    dial_free(app);
}

/* ---- when a request can become a stream ---- */

static int  opened, not_opened;
static void count_close(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    not_opened += reason == SSE_BY_ERROR;
}

static int take(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)chunk, (void)status, (void)user;
    return 0;
}

static void finish_now(sse_app *a, void *user) {
    (void)a;
    sse_finish((sse_req *)user);
}

static void open_late(sse_req *req, void *user) { /* /late/{after} */
    const char        *after = sse_param(req, "after");
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = count_close;
    if (strcmp(after, "defer") == 0) sse_defer(req), sse_after(app, 1, finish_now, req);
    if (strcmp(after, "fail") == 0) sse_fail(req, 409, "no");
    if (strcmp(after, "output") == 0) sse_puts(sse_out(req), "text");
    if (strcmp(after, "file") == 0) sse_send_file(req, "sse.h", NULL);
    if (*after == '2' || *after == '3') sse_set_status(req, (int)sse_parse_int(after, 0));
    if (strcmp(after, "stream") == 0) (void)sse_stream_open(req, NULL);
    if (strcmp(after, "body") == 0) sse_body_read(req, take, NULL);
    listen_to_log();
    opened += sse_stream_is_open(sse_stream_open(req, &o));
}

static void opening_late(void) { /* S2: on_close once */
    static const struct {
        const char *target, *head, *why;
    } rows[] = {
        {"/late/nothing", NULL, NULL},
        {"/late/defer", NULL, "after sse_defer"},
        {"/late/fail", NULL, "after sse_fail"},
        {"/late/output", NULL, "when something is written"},
        {"/late/file", NULL, "after sse_send_file"},
        {"/late/202", NULL, NULL},
        {"/late/204", NULL, "with a status that has no body"},
        {"/late/205", NULL, "with a status that has no body"},
        {"/late/304", NULL, "with a status that has no body"},
        {"/late/stream", NULL, "once a stream is open"},
        {"/late/body", "Content-Length: 5\r\n", "while its body is still to come"},
    };
    sse_app_options   options;
    sse_route_options route;
    char              want[200];
    size_t            i;
    memset(&options, 0, sizeof options);
    memset(&route, 0, sizeof route);
    options.on_log = on_log;
    route.body_later = true;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        app = dial_app(&options);
        opened = not_opened = 0;
        sse_route(app, "/late/{after}", open_late, NULL, &route);
        dial(app, rows[i].target, rows[i].head);
        turns(app, 5);
        is_int(opened * 10 + not_opened, rows[i].why ? 1 : 10, rows[i].target);
        want[0] = '\0';
        if (rows[i].why)
            snprintf(want, sizeof want, "sse_stream_open: not possible %s (%s)", rows[i].why,
                rows[i].target);
        is_str(said, want, "... and what the log says");
        dial_free(app);
    }
}

static int ends; /* calls of the reader with a status that is not 1 */

static int becomes_stream(sse_req *req, sse_str chunk, int status, void *user) {
    sse_stream_options o;
    sse_stream         s;
    char               much[200];
    (void)chunk, (void)user;
    if (status == 1 || ends++) return 0;
    memset(&o, 0, sizeof o);
    memset(much, 'x', sizeof much);
    o.max_queue_bytes = 100;
    s = sse_stream_open(req, &o);
    is_int(sse_stream_write(s, much, sizeof much), SSE_E_FULL,
        "a stream that the reader of a body opens is cut when it is too much");
    is_str(sse_path(req), "/read", "... and its request is still there");
    return 0;
}

static void reads(sse_req *req, void *user) { sse_body_read(req, becomes_stream, user); }

static void opening_in_reader(void) {
    static const char *const bodies[] = {"a body", ""};
    sse_route_options        route;
    sse_test_reply           r;
    size_t                   i;
    memset(&route, 0, sizeof route);
    memset(&r, 0, sizeof r);
    route.method = "POST";
    route.body_later = true;
    for (i = 0; i < SSE__COUNT(bodies); i++) {
        app = sse_app_new(NULL);
        sse_route(app, "/read", reads, NULL, &route);
        ends = 0;
        sse_test_request(app, "POST /read", NULL, bodies[i], &r);
        is_int(ends, 1, "... and the reader has one last call");
        sse_test_close(&r);
        sse_app_free(app);
    }
}

/* ---- no phase is skipped, and what they promise is looked at ---- */

static bool ends_program(void (*fn)(int a, int b), int a, int b) {
    int   status = 0;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        fn(a, b);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

static void move(int from, int to) {
    sse__stream stream;
    memset(&stream, 0, sizeof stream);
    stream.phase = (uint8_t)from;
    sse__stream_set_phase(&stream, (sse__stream_phase)to);
}

static void transitions(void) {
    static const char *const phases[] = {"NEW", "OPENING", "OPEN", "STOPPING", "ENDING", "CUT",
        "CLOSED"};
    static const char *const allowed[] = {".x...x.", "..x.xx.", "...xxx.", "....xx.", ".....xx",
        "......x", "......."};
    int                      from, to;
    for (from = 0; from < 7; from++)
        for (to = 0; to < 7; to++)
            ok(ends_program(move, from, to) == (allowed[from][to] == '.'), "%s to %s %s",
                phases[from], phases[to],
                allowed[from][to] == '.' ? "is seen as an error" : "is as drawn");
}

static sse__stream *the_stream(void) { return sse__stream_get(newest); }

static void break_it(int how, int unused) {
    sse__stream *stream = the_stream();
    (void)unused;
    if (how == 0) stream->phase = SSE__STREAM_OPENING;
    if (how == 1) stream->phase = SSE__STREAM_ENDING;
    if (how == 2) stream->phase = SSE__STREAM_STOPPING;
    if (how == 3) app->server->stopping = true;
    if (how == 4) stream->conn = NULL;
    if (how == 5) stream->gen++;
    if (how == 6) stream->raw = true;
    if (how == 7) {
        stream->detached = true;
        sse__list_add(&app->streams->closing, &stream->of.closing);
    }
    if (how == 8) app->streams->all.count++;
    if (how == 9) sse__list_remove(&stream->extra->with_label.link);
    sse__check_all(app);
}

static void promises(void) {
    static const char *const broken[] = {"a handler that never returned",
        "an end that was not said", "one that stops for no reason",
        "one that was not told that the app stops", "a lost connection",
        "a handle that does not find it", "a raw one that is subscribed",
        "one that closes and has a connection", "one that is counted twice",
        "one that is missing in its label"};
    int                      i;
    here = OPEN;
    app = dial_app(NULL);
    dial(app, "/s?label=tab", NULL);
    sse_subscribe(newest, "on");
    turns(app, 2);
    for (i = 0; i < 10; i++) ok(ends_program(break_it, i, 0), "%s is seen", broken[i]);
    ok(!ends_program(break_it, -1, 0), "and nothing is where nothing is broken");
    dial_free(app);
}

/* ---- its options, in a time that stands still ---- */

static sse_test_reply reply;
static int            over, stepped, pinged; /* over: the reason of the latest that closed */

static void note_over(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    over = (int)reason;
}

static int steps(sse_stream s, void *user) { /* *user: what it returns while the app stops */
    (void)s;
    stepped++;
    return sse_stopping(app) ? *(int *)user : 3600000;
}

static void says_nothing(sse_stream s, sse_buf *out, void *user) {
    (void)s, (void)out, (void)user;
    pinged++;
}

static int number(sse_req *req, const char *name) {
    return (int)sse_parse_int(sse_query(req, name), 0);
}

static void open_as(sse_req *req, void *user) { /* ?ping=1000&last=bye ... */
    sse_stream_options o;
    sse_event          last, first;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    memset(&first, 0, sizeof first);
    last.data = sse_query(req, "last");
    last.id = sse_query(req, "last_id");
    first.data = sse_query(req, "first");
    first.id = sse_query(req, "first_id");
    if (last.data) o.last = &last;
    if (first.data) o.first = &first;
    if (sse_query(req, "step")) o.step = steps;
    if (sse_query(req, "silent")) o.on_ping = says_nothing;
    o.type = sse_query(req, "type");
    o.status = number(req, "status");
    o.ping_ms = number(req, "ping");
    o.send_timeout_ms = number(req, "timeout");
    o.retry_ms = number(req, "retry");
    o.retry_spread_ms = number(req, "spread");
    o.lifetime_ms = number(req, "life");
    o.max_queue_bytes = (size_t)sse_parse_int(sse_query(req, "queue"), 0);
    o.own_history = sse_query(req, "own") != NULL;
    o.drain = sse_query(req, "drain") != NULL;
    o.on_close = note_over;
    o.user = user;
    newest = sse_stream_open(req, &o);
    if (sse_query(req, "on")) sse_subscribe(newest, sse_query(req, "on"));
}

static int step_last; /* what steps() returns at last */

#ifndef SSE_NO_THREADS
static bool stops_here, stops_elsewhere;

static void *asks_elsewhere(void *user) {
    (void)user;
    stops_elsewhere = sse_stopping(app);
    return NULL;
}

static int steps_and_asks(sse_stream s, void *user) {
    pthread_t other;
    (void)s, (void)user;
    stops_here = sse_stopping(app);
    pthread_create(&other, NULL, asks_elsewhere, NULL);
    pthread_join(other, NULL);
    return stops_here ? SSE_RECONNECT : 3600000;
}

static void open_asking(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.step = steps_and_asks;
    sse_stream_open(req, &o);
}

/* A stream that is to go while the app stays is told so in its last step: work on other threads is
   for the app, and goes on. */
static void last_steps(void) {
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_get(app, "/asks", open_asking, NULL);
    is_int(sse_test_request(app, "GET /asks", NULL, NULL, &r), 0, "a stream with a step");
    ok(r.open && !stops_here && !stops_elsewhere, "... goes on");
    sse__streams_leave(app, 1, 1);
    sse_test_run(app, 0);
    ok(!r.open && stops_here, "its last step is told to stop");
    ok(!stops_elsewhere, "... other threads are not");
    sse_test_close(&r);
    sse_app_free(app);
}
#endif

static void still_app(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    app = sse_app_new(&o);
    sse_get(app, "/as", open_as, &step_last);
    listen_to_log();
    over = -1;
    stepped = pinged = 0;
}

static void ask(const char *request) {
    is_int(sse_test_request(app, request, NULL, NULL, &reply), 0, request);
}

static void end_of_app(void) {
    sse_app_free(app);
    sse_test_close(&reply);
}

static int occurs(const char *what) { /* in what came */
    const char *at = reply.body;
    int         n = 0;
    while ((at = strstr(at, what)) != NULL) n++, at += strlen(what);
    return n;
}

static void send_plainly(const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    is_int(sse_stream_send(newest, &event), 0, data);
}

static void heartbeats(void) { /* S3 */
    static const struct {
        const char *request;
        int         ms, beats, asked;
    } rows[] = {{"GET /as?ping=1000", 999, 0, 0}, {"GET /as?ping=1000", 1000, 1, 0},
        {"GET /as?ping=1000", 10000, 10, 0}, {"GET /as", 14999, 0, 0}, {"GET /as", 15000, 1, 0},
        {"GET /as?ping=-1", 3600000, 0, 0}, {"GET /as?type=text/plain", 3600000, 0, 0},
        {"GET /as?ping=1000&silent=1", 10999, 0, 10}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        still_app();
        ask(rows[i].request);
        is_int(sse_test_run(app, rows[i].ms), 0, "time passes");
        is_int(occurs(":\n\n"), rows[i].beats, "... the heartbeats that came");
        is_int((int)reply.body_len, 3 * rows[i].beats, "... and nothing else");
        is_int(pinged, rows[i].asked, "... how often on_ping was called");
        end_of_app();
    }
    still_app();
    ask("GET /as?ping=1000");
    sse_test_run(app, 600);
    send_plainly("x");
    sse_test_run(app, 999);
    is_str(reply.body, "data: x\n\n", "an event puts off the heartbeat");
    sse_test_run(app, 1);
    is_int(occurs(":\n\n"), 1, "... for the whole interval");
    end_of_app();
}

static void lifetimes(void) {
    static const char *const requests[] = {"GET /as?life=5000&last=bye&ping=700",
        "GET /as?life=5000&last=bye&step=1&ping=-1"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(requests); i++) {
        still_app();
        ask(requests[i]);
        sse_test_run(app, 4999);
        ok(reply.open && !occurs("bye"), "it lives");
        sse_test_run(app, 1);
        ok(!reply.open && !reply.complete && occurs("data: bye\n\n") == 1,
            "... until its time is over, to the millisecond; then its client comes back");
        is_int(over, SSE_BY_LIFETIME, "... that is the reason");
        end_of_app();
    }
}

static void stops(void) {
    static const struct {
        const char *request;
        int         returns, open_ms, reason;
        const char *body;
    } rows[] = {{"GET /as?last=bye", 0, -1, SSE_BY_STOP, "data: bye\n\n"},
        {"GET /as?last=bye&drain=1", 0, 4999, SSE_BY_STOP, "data: bye\n\n"},
        {"GET /as?last=bye&step=1", 10, 4999, SSE_BY_STOP, "data: bye\n\n"},
        {"GET /as?last=bye&step=1", SSE_END, -1, SSE_BY_END, "data: bye\n\n"},
        {"GET /as?step=1", SSE_END, -1, SSE_BY_END, ""},
        {"GET /as?step=1", SSE_RECONNECT, -1, SSE_BY_END, ""},
        {"GET /as?step=1", SSE_E_IO, -1, SSE_BY_ERROR, ""}};
    sse_serve_options serve;
    size_t            i;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 5000;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        still_app();
        is_int(sse_listen(app, &serve), 0, "it listens, with a grace period");
        step_last = rows[i].returns;
        ask(rows[i].request);
        sse_test_run(app, 1000);
        is_int(stepped, strstr(rows[i].request, "step") != NULL, "a step sleeps for an hour");
        sse_stop(app);
        sse_test_run(app, rows[i].open_ms < 0 ? 0 : rows[i].open_ms);
        is_int(reply.open, rows[i].open_ms >= 0, "... once the app stops it ends, or may finish");
        if (reply.open) sse_test_run(app, 1);
        ok(!reply.open, "... not later than grace_ms");
        is_int(over, rows[i].reason, "... its reason");
        is_int(reply.complete, rows[i].returns == SSE_END, "... only the program's end is whole");
        is_str(reply.body, rows[i].body, "... what came last");
        if (rows[i].returns == 10) is_int(stepped, 501, "... a step goes on meanwhile");
        else if (rows[i].returns) is_int(stepped, 2, "... its step is called at once, once");
        end_of_app();
    }
}

/* A head that was not whole when the app stopped may open a stream yet: that is told to stop. */
static void stops_late(void) {
    static const char head[] = "GET /as?last=bye HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client           *late;
    sse_stream        drains;
    int               i;
    app = dial_app(NULL);
    sse_get(app, "/as", open_as, &step_last);
    dial(app, "/as?drain=1", NULL);
    drains = newest;
    late = send_from_new(app, head, 20);
    turns(app, 5);
    sse_stop(app);
    turns(app, 5);
    over = -1;
    ok(send(late->fd, head + 20, sizeof head - 21, MSG_NOSIGNAL) > 0, "the rest of a head");
    for (i = 0; i < 30000 && over < 0; i++) turns(app, 1);
    is_int(over, SSE_BY_STOP, "its stream is told to stop as well");
    is_int(times(late, "data: bye\n\n"), 1, "... and says so");
    ok(sse_stream_is_open(drains), "... one that drains goes on");
    sse_stream_end(drains, NULL);
    dial_free(app);
}

/* ---- a client that reads nothing ---- */

static void pass(int ms) { /* the app's time, not the client's */
    int i;
    app->loop.still_ms += (uint64_t)ms;
    for (i = 0; i < 3; i++) (void)sse_poll(app, 0);
}

static int next_look(void) { /* in milliseconds */
    const sse__stream *stream = sse__stream_get(newest);
    return (int)(stream->conn->alarm.due - app->loop.wheel.now);
}

static int app_timeout; /* send_timeout_ms of the app's options */

static void fill(const char *path) { /* more waits for the newest than its socket takes */
    static char large[1 << 20];
    int         i;
    memset(large, 'x', sizeof large - 1);
    for (i = 0; i < 30; i++) sse_stream_write(newest, large, sizeof large);
    pass(0);
    ok(sse_stream_pending(newest) > 0, "%s, to a client that does not read", path);
}

static client *unread(const char *path) {
    sse_app_options o;
    client         *c;
    memset(&o, 0, sizeof o);
    o.max_queue_bytes = 64 << 20;
    o.send_timeout_ms = app_timeout;
    app = dial_app(&o);
    app->loop.still_ms = sse__clock_ms();
    sse_get(app, "/as", open_as, &step_last);
    stepped = 0;
    over = -1;
    c = dial(app, path, NULL);
    turns(app, 2);
    fill(path);
    return c;
}

static void stuck(void) {
    client   *c;
    int       i;
    long long pending;
    unread("/as?timeout=3000&ping=-1");
    pass(3000);
    is_int(over, -1, "that nothing is taken shows at the first look");
    is_int(next_look(), 3000, "... the next one is when its time is over");
    pass(2999);
    is_int(over, -1, "... it has its time");
    pass(1);
    is_int(over, SSE_BY_TIMEOUT, "... and no more");
    dial_free(app);
    unread("/as?timeout=3000&ping=2000");
    pending = sse_stream_pending(newest);
    pass(2000);
    is_int(next_look(), 2000, "no heartbeat is due while bytes wait");
    pass(2000);
    is_int(sse_stream_pending(newest), pending, "... none is queued");
    is_int(next_look(), 1000, "other looks do not put off its end");
    pass(999);
    is_int(over, -1, "... it has its time");
    pass(1);
    is_int(over, SSE_BY_TIMEOUT, "... and no more");
    dial_free(app);
    c = unread("/as?timeout=3000&ping=-1&step=1");
    is_int(sse_stream_wake(newest), 0, "its step is woken");
    pass(1);
    is_int(stepped, 1, "... which waits for what was queued before");
    is_int(next_look(), 2999, "... and is no reason to look at it meanwhile");
    pass(2999);
    is_int(stepped, 1, "... whenever that is looked at");
    for (i = 0; i < 20000 && stepped == 1; i++) {
        c->len = 0;
        turns(app, 1);
    }
    is_int(stepped, 2, "... until that has left");
    is_int(over, -1, "... and the stream goes on");
    dial_free(app);
    unread("/as?life=1500&timeout=3000");
    pass(1500);
    is_int(over, SSE_BY_LIFETIME, "its lifetime ends all the same");
    dial_free(app);
    app_timeout = 3000;
    unread("/as?ping=-1");
    for (i = 0; i < 3; i++) pass(3000);
    is_int(over, SSE_BY_TIMEOUT, "a stream has the time that the app's options say");
    dial_free(app);
    unread("/as?ping=-1&timeout=-1");
    for (i = 0; i < 30; i++) pass(3000);
    is_int(over, -1, "... unless it says that it has any");
    dial_free(app);
    app_timeout = 0;
}

#if defined(__linux__) && defined(TCP_USER_TIMEOUT)
static int system_waits(const sse__conn *c) { /* in milliseconds */
    int       ms = -1;
    socklen_t n = sizeof ms;
    if (getsockopt(c->source.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &n)) perror("getsockopt");
    return ms;
}

/* The system has a time for what it keeps for a client: it goes by the stream's, and by a clock
   that goes on while the app's stands still. */
static void given_up(void) {
    static const struct {
        const char *path;
        int         ms;
    } rows[] = {{"/as", 200}, {"/as?timeout=100", 200}, {"/as?timeout=3000", 6000},
        {"/as?timeout=50", 100}, {"/as?timeout=-1", 0}, {"/as?timeout=2147483647", INT32_MAX}};
    sse__conn *c;
    sse_stream patient;
    size_t     i;
    int        k;
    app_timeout = 100;
    unread("/as?timeout=600000&ping=-1");
    patient = newest;
    dial(app, "/as?ping=-1", NULL);
    fill("/as?ping=-1");
    for (k = 0; k < 60000 && over < 0; k++) (void)sse_poll(app, 1);
    is_int(over, SSE_BY_TIMEOUT, "the system gives up on a client that takes nothing");
    ok(!sse_stream_is_open(newest), "... whose stream has the time of the app");
    ok(sse_stream_is_open(patient), "one with a longer time goes on");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        dial(app, rows[i].path, NULL);
        c = sse__stream_get(newest)->conn;
        is_int(system_waits(c), rows[i].ms, rows[i].path); /* twice its time: ours is over first */
        sse_stream_end(newest, NULL);
        turns(app, 2);
        is_int(c->state, SSE__IDLE, "... its connection is kept");
        is_int(system_waits(c), 200, "... for replies that have the time of the app");
    }
    dial_free(app);
    app_timeout = 0;
}
#else
static void given_up(void) {}
#endif

/* Why a stream closed that a call found broken. */
static void broken_calls(void) {
    static const struct {
        int        error;
        sse_reason reason;
    } rows[] = {{EPIPE, SSE_BY_PEER}, {ECONNRESET, SSE_BY_PEER}, {ETIMEDOUT, SSE_BY_TIMEOUT},
        {EHOSTUNREACH, SSE_BY_TIMEOUT}, {ENETUNREACH, SSE_BY_TIMEOUT}};
    size_t i;
    int    ahead;
    app = dial_app(NULL);
    sse_get(app, "/as", open_as, &step_last);
    for (i = 0; i < SSE__COUNT(rows); i++)
        for (ahead = 0; ahead < 2; ahead++) {
            sse__conn *c;
            over = -1;
            dial(app, "/as", NULL);
            turns(app, 2);
            c = sse__stream_get(newest)->conn;
            if (!ahead) sse__conn_lost(c, rows[i].error);
            else c->broken = !sse__conn_note_sent(c, -1, rows[i].error); /* as >>senders does */
            if (ahead) sse__conn_schedule(c);
            turns(app, 2);
            is_int(over, rows[i].reason, strerror(rows[i].error));
        }
    dial_free(app);
}

/* What waits for the disk is not its client's fault. */
static void held(void) {
    sse__flight under_way;
    client     *c;
    char        large[1001];
    int         i;
    app = dial_app(NULL);
    app->loop.still_ms = sse__clock_ms();
    sse_get(app, "/as", open_as, &step_last);
    over = -1;
    c = dial(app, "/as?timeout=3000&ping=-1&queue=8000", NULL);
    turns(app, 2);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    memset(&under_way, 0, sizeof under_way);
    app->topics->sequence.flight = &under_way; /* as if a disk took its time */
    sse__net_tell(app->net);
    send_plainly("held");
    for (i = 0; i < 6; i++) pass(3000);
    is_int(over, -1, "a stream whose bytes wait for the disk is not stuck");
    turns(app, 2);
    is_int(times(c, "data: held"), 0, "... while they do");
    for (i = 0; i < 10; i++) send_plainly(large);
    is_int(over, -1, "... as much as they may be: all streams share them");
    app->topics->sequence.flight = NULL;
    sse__net_keep(app->net, app->net->told);
    turns(app, 3);
    send_plainly("kept");
    turns(app, 3);
    is_int(times(c, "data: held\n") * 10 + times(c, "data: kept\n"), 11, "... then all leaves");
    app->topics->sequence.flight = &under_way;
    sse__net_tell(app->net);
    for (i = 0; i < 1000 && sse_stream_is_open(newest); i++) sse_stream_write(newest, "x", 1);
    ok(i > 100 && i <= 1 + 8000 / (int)sizeof(sse__out), "but how many they may be is bounded: %d",
        i);
    turns(app, 1);
    is_int(over, SSE_BY_QUEUE, "... which is the reason");
    app->topics->sequence.flight = NULL;
    sse__net_keep(app->net, app->net->told);
    dial_free(app);
}

/* ---- how it is ended ---- */

static void farewells(void) {
    static const struct {
        const char *data, *id; /* of the event that sse_stream_end is given; data NULL: none */
        int         error;
        const char *body;
    } rows[] = {{NULL, NULL, 0, "data: bye\n\n"}, {"adieu", NULL, 0, "data: adieu\n\n"},
        {"adieu", "a\nb", SSE_E_FIELD, ""}};
    sse_event event;
    char      want[80];
    size_t    i;
    for (i = 0; i < 2 * SSE__COUNT(rows); i++) {
        const size_t row = i / 2;
        still_app();
        memset(&event, 0, sizeof event);
        event.data = rows[row].data;
        event.id = rows[row].id;
        ask("GET /as?last=bye");
        is_int(i % 2 ? sse_stream_reconnect(newest, event.data ? &event : NULL)
                     : sse_stream_end(newest, event.data ? &event : NULL),
            rows[row].error, i % 2 ? "sse_stream_reconnect" : "sse_stream_end");
        sse_test_run(app, 0);
        is_str(reply.body, rows[row].body, "... the one last event that came");
        is_int((int)reply.body_len, (int)strlen(rows[row].body), "... and nothing behind it");
        ok(!reply.open && reply.complete == !(i % 2) && over == SSE_BY_END, "... and the end");
        snprintf(want, sizeof want, "%s: .id ", i % 2 ? "sse_stream_reconnect" : "sse_stream_end");
        is_int(strncmp(said, want, strlen(want)) == 0, rows[row].error != 0,
            "... an event that cannot be sent is in the log");
        end_of_app();
    }
}

static void at_the_end(void) { /* of an app that nobody has stopped */
    still_app();
    ask("GET /as?last=bye");
    sse_app_free(app);
    is_int(over, SSE_BY_STOP, "an app that is freed stops its streams");
    ok(!reply.complete, "... which is no whole end");
    sse_test_close(&reply);
}

static void late_returns(void) { /* the longest time to come back, and a part of it more */
    int i;
    still_app();
    for (i = 0; i < 5; i++) {
        ask("GET /as?retry=2147483647&spread=2147483647");
        is_str(reply.body, "retry: 2147483647\n\n", "... is the longest");
    }
    end_of_app();
}

static void large_queues(void) { /* of 4 GiB, where a size can say that */
    char request[60];
    still_app();
    snprintf(request, sizeof request, "GET /as?queue=%llu",
        sizeof(size_t) > 4 ? 4294967296ull : 4294967295ull);
    ask(request);
    send_plainly("one");
    send_plainly("two");
    sse_test_run(app, 0);
    is_str(reply.body, "data: one\n\ndata: two\n\n", "a queue may be as large as one likes");
    end_of_app();
}

/* What is of another type than events is sent as it is written, and has no last event. */
static void types(void) {
    static const struct {
        const char *request, *text;
    } rows[] = {{"GET /as?type=text/plain", "raw"},
        {"GET /as?on=t&type=text/event-stream", "rawdata: news\n\ndata: adieu\n\n"},
        {"GET /as?on=t&type=Text/Event-Stream;charset=utf-8", "rawdata: news\n\ndata: adieu\n\n"}};
    sse_filter all;
    sse_event  last;
    size_t     i;
    memset(&all, 0, sizeof all);
    memset(&last, 0, sizeof last);
    all.all = true;
    last.data = "adieu";
    for (i = 0; i < SSE__COUNT(rows); i++) {
        still_app();
        ask(rows[i].request);
        is_str(sse_test_header(&reply, "Content-Type"), strstr(rows[i].request, "type=") + 5,
            "... its type");
        is_int(sse_stream_write(newest, "raw", 3), 0, "... bytes");
        say(app, "t", "news");
        is_int(sse_streams_close(app, &all, &last), 1, "... is closed with others");
        sse_test_run(app, 0);
        is_str(reply.body, rows[i].text, "... and had this");
        ok(!reply.open && reply.complete, "... whole");
        end_of_app();
    }
}

/* ---- what is refused, and in which words ---- */

static void refusals(void) {
    static const struct {
        const char *request, *why; /* NULL: it is opened */
        int         error;
    } rows[] = {{"GET /as?status=200", NULL, 0}, {"GET /as?status=599", NULL, 0},
        {"GET /as?ping=-1&timeout=-1", NULL, 0}, {"GET /as?status=199", ".status 199", SSE_E_ARG},
        {"GET /as?status=600", ".status 600", SSE_E_ARG},
        {"GET /as?ping=-2", ".ping_ms -2", SSE_E_ARG},
        {"GET /as?timeout=-2", ".send_timeout_ms -2", SSE_E_ARG},
        {"GET /as?retry=-1", ".retry_ms -1", SSE_E_ARG},
        {"GET /as?spread=-1", ".retry_spread_ms -1", SSE_E_ARG},
        {"GET /as?life=-1", ".lifetime_ms -1", SSE_E_ARG},
        {"GET /as?first=x&first_id=a%0Ab", "sse_stream_open: .first: SSE_E_FIELD", SSE_E_FIELD},
        {"GET /as?last=x&last_id=a%0Ab", "sse_stream_open: .last: SSE_E_FIELD", SSE_E_FIELD}};
    const char *why;
    size_t      i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        still_app();
        ask(rows[i].request);
        is_int(reply.open, !rows[i].why, "... is a stream, or none");
        is_int(over, rows[i].why ? SSE_BY_ERROR : -1, "... its on_close");
        is_int(sse_app_error(app, &why), rows[i].error, "... why");
        ok(!rows[i].why || strstr(why, rows[i].why), "... in words: %s", why);
        end_of_app();
    }
    still_app();
    ask("HEAD /as");
    ok(over == SSE_BY_END && !sse_test_header(&reply, "Content-Length"),
        "that only its head was asked for is an end");
    ask("HEAD /as?status=199");
    ok(reply.status == 500 && over == SSE_BY_ERROR && sse_test_header(&reply, "Content-Length"),
        "one that is refused has the head of an error");
    end_of_app();
}

/* ---- what is known and counted ---- */

static void found(void) { /* by its id alone, which begins with a number that can be guessed */
    sse_stream other;
    char       forged[80];
    size_t     n;
    still_app();
    ask("GET /as");
    snprintf(forged, sizeof forged, "%lu-%lu-", (unsigned long)newest.slot,
        (unsigned long)newest.gen);
    ok(!sse_stream_is_open(sse_stream_find(app, forged)), "one whose id was never asked for");
    snprintf(forged, sizeof forged, "%s", sse_stream_id(newest));
    other = sse_stream_find(app, forged);
    ok(other.app == app && other.slot == newest.slot && other.gen == newest.gen, "by its id");
    n = strlen(forged);
    forged[n - 2] = (char)(forged[n - 2] == 'A' ? 'B' : 'A');
    ok(!sse_stream_find(app, forged).app, "not by another one");
    forged[n - 2] = '\0';
    ok(!sse_stream_find(app, forged).app, "nor by a part of it");
    end_of_app();
}

static sse_stats counts(void) {
    sse_stats now;
    is_int(sse_stats_get(app, &now), 0, "counters");
    return now;
}

static void counted(void) {
    static const char *const asks[] = {"GET /as?on=t&type=text/event-stream", "GET /as?on=t"};
    sse_test_reply           replies[2];
    char                     text[1001];
    sse_stats                now;
    long long                pending;
    size_t                   i;
    memset(replies, 0, sizeof replies);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    still_app();
    for (i = 0; i < 2; i++)
        is_int(sse_test_request(app, asks[i], i ? NULL : "Accept-Encoding: gzip\n", NULL,
                   &replies[i]),
            0, asks[i]);
    say(app, "t", text);
    pending = sse_stream_pending(newest);
    now = counts();
    is_int(now.streams_opened, 2, "streams that were opened");
    is_int(now.events, 1, "an event is counted once");
    is_int(now.delivered, 2, "... and once for each stream that got it");
    is_int(now.bytes_events, 2 * 1008, "... as it was formatted");
#ifndef SSE_NO_COMPRESSION
    ok(now.bytes_frames > 1008 && now.bytes_frames < 1008 + 200, "... and as it was queued: %lu",
        (unsigned long)now.bytes_frames);
#endif
    is_int(now.queue_high, pending, "... the most that waited");
    sse_test_run(app, 0);
    send_plainly("small");
    now = counts();
    is_int(now.events, 2, "one for a stream alone is counted as well");
    is_int(now.delivered, 3, "... it got that");
    is_int(now.queue_high, pending, "... less that waits changes nothing");
    sse_stream_end(newest, NULL);
    sse_test_close(&replies[0]);
    now = counts();
    is_int(now.closed[SSE_BY_END] * 10 + now.closed[SSE_BY_PEER], 11, "closed, by their reasons");
    sse_app_free(app);
    sse_test_close(&replies[1]);
}

static int closed_in_all(void) {
    const sse_stats now = counts();
    uint64_t        n = 0;
    size_t          i;
    for (i = 0; i < SSE__COUNT(now.closed); i++) n += now.closed[i];
    return (int)n;
}

static void counted_as_closed(void) { /* what was opened, and nothing else */
    still_app();
    ask("HEAD /as");
    is_int(over, SSE_BY_END, "a request for a head alone");
    ask("GET /as?status=199");
    is_int(over, SSE_BY_ERROR, "... and one whose stream is not opened");
    is_int(closed_in_all(), 0, "... close no stream");
    ask("GET /as");
    sse_stream_end(newest, NULL);
    sse_test_run(app, 0);
    is_int(closed_in_all(), 1, "one that was open does");
    is_int(counts().streams_opened, 1, "... and was counted as such");
    end_of_app();
}

/* An event that is too much for a queue reaches nobody. */
static void overflows(void) {
    static const char *const heads[] = {NULL, "Accept-Encoding: gzip\n"};
    char                     text[701];
    sse_event                event;
    sse_stats                now;
    size_t                   i, k;
    int                      received = -1;
    unsigned                 seed = 5;
    memset(&event, 0, sizeof event);
    event.data = text;
    event.receivers = &received;
    text[700] = '\0';
    for (i = 0; i < SSE__COUNT(heads); i++) {
        still_app();
        is_int(sse_test_request(app, "GET /as?on=t&queue=1000", heads[i], NULL, &reply), 0,
            heads[i] ? heads[i] : "plain");
        for (k = 0; k < 3 * 700; k++) { /* the largest event counts for nothing */
            seed = seed * 1103515245 + 12345;
            text[k % 700] = (char)('!' + (seed >> 16) % 90);
            if (k % 700 < 699) continue;
            is_int(sse_publish(app, "t", &event), 0, "an event");
            is_int(received, k < 1400, k < 1400 ? "... that fits has a receiver" : "... has none");
        }
        now = counts();
        is_int(now.delivered, 2, "two were delivered");
        is_int(now.bytes_events, 2 * 708, "... and their bytes are counted");
        sse_test_run(app, 0);
        is_int(over, SSE_BY_QUEUE, "the stream is cut");
        end_of_app();
    }
}

/* What slow readers lose is counted; compressed or not, what may be lost is. */
static void drops(void) {
    static const char *const heads[] = {NULL, "Accept-Encoding: gzip\n", "Accept-Encoding: br\n"};
    sse_topic_options        o;
    sse_stream_stats         stats, before;
    char                     text[401];
    size_t                   i, k;
    unsigned                 seed = 5;
    long long                pending;
    memset(&o, 0, sizeof o);
    for (i = 0; i < SSE__COUNT(heads); i++) {
        still_app();
        o.overflow = SSE_DROP_OLDEST;
        sse_topic(app, "t", &o);
        is_int(sse_test_request(app, "GET /as?on=t&queue=4000", heads[i], NULL, &reply), 0,
            heads[i] ? heads[i] : "plain");
        sse_stream_stats_get(newest, &before);
        for (k = 0; k < 40 * 400; k++) { /* nothing that could be made smaller by half */
            seed = seed * 1103515245 + 12345;
            text[k % 400] = (char)('!' + (seed >> 16) % 90);
            text[400] = '\0';
            if (k % 400 == 399) say(app, "t", text);
        }
        ok(counts().drops > 20 && counts().drops < 40, "... %lu of 40 events are dropped",
            (unsigned long)counts().drops);
        is_int(counts().delivered, 40, "... all were queued");
        pending = sse_stream_pending(newest);
        ok(pending > 2000 && pending <= 4000, "... what is left fits: %lld", pending);
        sse_test_run(app, 0);
        if (!heads[i]) is_int(occurs("data: "), 40 - (int)counts().drops, "... and comes");
        is_int(sse_stream_stats_get(newest, &stats), 0, "what was sent");
        is_int((long long)(stats.bytes - before.bytes), pending, "... is what was not dropped");
        end_of_app();
        still_app();
        o.overflow = SSE_KEEP_NEWEST;
        sse_topic(app, "t", &o);
        is_int(sse_test_request(app, "GET /as?on=t", heads[i], NULL, &reply), 0, "... by key");
        say(app, "t", text);
        pending = sse_stream_pending(newest);
        for (k = 0; k < 5; k++) say(app, "t", text);
        is_int(sse_stream_pending(newest), pending, "... the newest takes the place of the others");
        end_of_app();
    }
}

static int fails(sse_stream s, void *user) {
    (void)s, (void)user;
    return SSE_E_IO;
}

static void open_failing(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.step = fails;
    o.label = "failing";
    o.on_close = note_over;
    newest = sse_stream_open(req, &o);
}

/* The monitor shows the streams that were cut, and no others. */
static void noted(void) {
    still_app();
    is_int(sse_monitor(app, "/m", NULL, NULL), 0, "an app with a monitor");
    sse_get(app, "/fails", open_failing, NULL);
    ask("GET /as?life=1000");
    sse_test_run(app, 1000);
    is_int(over, SSE_BY_LIFETIME, "a stream whose time is over");
    ask("GET /as");
    sse_stream_end(newest, NULL);
    sse_test_run(app, 0);
    is_int(over, SSE_BY_END, "one that the program ended");
    ask("GET /as");
    sse_test_close(&reply);
    is_int(over, SSE_BY_PEER, "one whose peer left");
    ask("GET /m/metrics.json");
    ok(strstr(reply.body, "\"cuts\":[]") != NULL, "none of them was cut");
    ask("GET /fails");
    is_int(over, SSE_BY_ERROR, "one whose step failed");
    ok(!reply.open && !reply.complete, "... which is no whole end");
    ask("GET /m/metrics.json");
    is_int(occurs("\"reason\":"), 1, "... was");
    ok(strstr(reply.body, "\"reason\":\"error\"") && strstr(reply.body, "\"failing\""),
        "... which is shown");
    end_of_app();
}

#ifndef SSE_NO_COMPRESSION
/* With a history of its own what a stream was sent makes what follows it small. */
static void own_histories(void) {
    static const char *const requests[] = {"GET /as", "GET /as?own=1"};
    char                     text[801];
    size_t                   i, first, second;
    unsigned                 seed = 3;
    for (i = 0; i < sizeof text - 1; i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = (char)('!' + (seed >> 16) % 90);
    }
    text[sizeof text - 1] = '\0';
    for (i = 0; i < SSE__COUNT(requests); i++) {
        still_app();
        is_int(sse_test_request(app, requests[i], "Accept-Encoding: gzip\n", NULL, &reply), 0,
            requests[i]);
        send_plainly(text);
        first = (size_t)counts().bytes_frames;
        send_plainly(text);
        second = (size_t)counts().bytes_frames - first;
        ok(first > 600 && (i ? second < 60 : second > 600), "... %lu bytes, then %lu",
            (unsigned long)first, (unsigned long)second);
        end_of_app();
    }
}

/* Only what the program ends has the end of its compression: S5 */
static void compressed_ends(void) {
    static const char *const encodings[] = {"Accept-Encoding: gzip\n", "Accept-Encoding: br\n"};
    size_t                   i, before;
    int                      whole;
    for (i = 0; i < 2 * SSE__COUNT(encodings); i++) {
        whole = i % 2 == 0;
        still_app();
        is_int(sse_test_request(app, "GET /as?life=1000&ping=-1", encodings[i / 2], NULL, &reply),
            0, encodings[i / 2]);
        send_plainly("x");
        sse_test_run(app, 999);
        before = reply.body_len;
        ok(reply.open && before > 0, "it is open");
        if (whole) sse_stream_end(newest, NULL);
        sse_test_run(app, 1);
        ok(!reply.open && (whole ? reply.body_len > before : reply.body_len == before),
            whole ? "... its end is said" : "... its end is not said");
        end_of_app();
    }
}
#else
static void own_histories(void) {} /* it is one of compression */
static void compressed_ends(void) {}
#endif

int main(void) {
#ifndef SSE_NO_THREADS
    last_steps();
#endif
    heartbeats();
    lifetimes();
    stops();
    stops_late();
    stuck();
    given_up();
    broken_calls();
    held();
    farewells();
    at_the_end();
    late_returns();
    large_queues();
    types();
    refusals();
    found();
    counted();
    counted_as_closed();
    overflows();
    drops();
    noted();
    own_histories();
    compressed_ends();
    each_call();
    overflow_in_handler();
    seldom();
    opening_late();
    opening_in_reader();
    transitions();
    promises();
    return tap_done();
}
