/* What the library says by itself: callbacks that hold the loop, calls that are refused, names that
   match nothing, requests that nobody answers. */
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <time.h>

static uint64_t frozen_ms; /* what the clock shows, the rough one in tens; 0: it runs */

static int clock_of_test(clockid_t clock, struct timespec *t) {
    uint64_t ms = frozen_ms;
    if (!ms || clock == CLOCK_REALTIME) return clock_gettime(clock, t);
#if defined(CLOCK_MONOTONIC_COARSE)
    if (clock == CLOCK_MONOTONIC_COARSE) ms -= ms % 10;
#endif
    t->tv_sec = (time_t)(ms / 1000);
    t->tv_nsec = (long)(ms % 1000) * 1000000;
    return 0;
}
#define clock_gettime clock_of_test
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

#include "dial.h"
#include <stdlib.h>
#include <sys/wait.h>

static char warned[8192]; /* all warnings and errors, each with a line break */

static void on_log(int level, const char *text, void *user) {
    const size_t n = strlen(warned);
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(warned + n, sizeof warned - n, "%s\n", text);
}

static void on_reply(sse_req *req, void *user);

static sse_app *fresh(int slow_ms) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.slow_ms = slow_ms;
    o.on_reply = on_reply;
    warned[0] = '\0';
    return dial_app(&o);
}

static int said(const char *what) { /* how many lines hold it */
    const char *at = warned;
    int         n = 0;
    while (at && (at = strstr(at, what)) != NULL) n++, at = strchr(at, '\n');
    return n;
}

static void is_said(const char *what) { ok(said(what) == 1, "said: %s\n# %s", what, warned); }

/* ---- callbacks that hold the loop ---- */

enum { HOLD_MS = 40 };

static void hold(void) { poll(NULL, 0, HOLD_MS); }

static void on_reply(sse_req *req, void *user) {
    (void)user;
    if (strcmp(sse_path(req), "/reply") == 0) hold();
}

static void holds(sse_req *req, void *user) {
    hold();
    if (user) sse_puts(sse_out(req), (const char *)user);
}

static void answers(sse_req *req, void *user) { sse_puts(sse_out(req), (const char *)user); }
static void holds_app(sse_app *app, void *user) { (void)app, (void)user, hold(); }

static void holds_fd(sse_app *app, int fd, int events, void *user) {
    (void)events, (void)user;
    sse_watch(app, fd, 0, NULL, NULL);
    hold();
}

static void holds_render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    hold();
    sse_puts(html, "<p id=a>");
}

static int holds_step(sse_stream s, void *user) {
    (void)s, (void)user;
    hold();
    return SSE_END;
}

static void holds_closed(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)reason, (void)user;
    hold();
}

static void steps(sse_req *req, void *user) {
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    *(void **)(void *)&o.user = user;
    o.step = holds_step;
    o.on_close = holds_closed;
    sse_stream_open(req, &o);
}

static void holds_person(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app, (void)topic, (void)who, (void)user;
    hold();
}

static void joins(sse_req *req, sse_stream s) { (void)req, sse_subscribe(s, "room"); }

static int holds_body(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)chunk, (void)status, (void)user;
    hold();
    return 0;
}

static void reads(sse_req *req, void *user) { sse_body_read(req, holds_body, user); }

static void holds_event(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app, (void)topic, (void)event, (void)user;
    hold();
}

static void holds_file(sse_req *req, const sse_body_file *file, void *user) {
    (void)req, (void)file, (void)user;
    hold();
}

static void keeps(sse_req *req, void *user) {
    sse_body_to_file(req, "/nowhere/file", holds_file, NULL);
    (void)user;
}

static void done_holds(sse_app *app, void *user) { (void)user, holds_app(app, NULL); }
static void no_work(sse_app *app, void *user) { (void)app, (void)user; }

#ifndef SSE_NO_SQLITE
static void holds_commit(sse_app *app, sse_db *db, void *user) {
    (void)db, (void)user;
    holds_app(app, NULL);
}

static void hold_commits(sse_app *app) {
    sse_db *db = sse_db_open(":memory:", NULL);
    int     i;
    sse_db_migrate(db, "CREATE TABLE t(a)");
    sse_on_commit(app, db, NULL, holds_commit, NULL);
    for (i = 0; i < 3; i++) turns(app, 1);
    sse_db_exec(db, "INSERT INTO t(a) VALUES(1)");
    for (i = 0; i < 5; i++) turns(app, 1);
    sse_db_close(db);
}
#else
static void hold_commits(sse_app *app) { (void)app; }
#endif

static void hold_everywhere(sse_app *app) {
    sse_route_options guarded, later;
    sse_live_options  live;
    sse_topic_options topic;
    int               fds[2], i;
    memset(&guarded, 0, sizeof guarded);
    memset(&later, 0, sizeof later);
    memset(&live, 0, sizeof live);
    memset(&topic, 0, sizeof topic);
    guarded.guard = holds;
    later.body_later = true;
    live.guard = holds;
    topic.on_join = holds_person;
    topic.leave_ms = SSE_OFF;
    sse_get(app, "/handler/{id}", holds, (void *)"a");
    sse_before(app, "/hooked", holds, NULL);
    sse_get(app, "/hooked", answers, (void *)"a");
    sse_route(app, "/guarded", answers, (void *)"a", &guarded);
    sse_route(app, "/body", reads, NULL, &later);
    sse_route(app, "/file", keeps, NULL, &later);
    sse_topic_listen(app, "news", holds_event, NULL);
    sse_live(app, "/view", holds_render, &live);
    sse_get(app, "/step", steps, NULL);
    sse_get(app, "/reply", answers, (void *)"a");
    sse_topic(app, "room", &topic);
    dial(app, "/handler/7", NULL);
    dial(app, "/handler/8", NULL);
    dial(app, "/hooked", NULL);
    dial(app, "/guarded", NULL);
    dial(app, "/body", NULL);
    dial(app, "/file", NULL);
    say(app, "news", "a");
    dial(app, "/view", NULL);
    dial(app, "/step", NULL);
    dial(app, "/reply", NULL);
    opening = joins;
    dial(app, "/s?who=ann", NULL);
    sse_after(app, 1, holds_app, NULL);
    sse_call(app, holds_app, NULL);
    sse_offload(app, no_work, done_holds, NULL);
    if (pipe(fds) || write(fds[1], "a", 1) != 1) return;
    sse_watch(app, fds[0], SSE_READ, holds_fd, NULL);
    for (i = 0; i < 20; i++) turns(app, 5);
    hold_commits(app);
    close(fds[0]);
    close(fds[1]);
}

static void test_slow(void) {
    sse_app *app = fresh(HOLD_MS / 2);
    hold_everywhere(app);
    is_said("handler of GET /handler/{id} held the loop for "); /* once a second */
    is_said("before hook of /hooked held the loop for ");
    ok(said("guard of GET /guarded held") + said("guard of live view /view held") == 1,
        "of two guards in a second one is told");
    is_said("reader of the body of /body held ");
    is_said("done of sse_body_to_file of /file held ");
    is_said("listener of topic news held ");
#if !defined(SSE_NO_SQLITE)
    is_said("fn of sse_on_commit held ");
#endif
    is_said("render of live view /view held ");
    is_said("step of /step (stream ");
    is_said("on_close of /step (stream ");
    is_said("on_reply to /reply held ");
    is_said("on_join or on_leave of topic room held ");
    is_said("timer of sse_after, 1 ms, held ");
    is_said("watch of descriptor ");
    is_said("sse_call held ");
#if !defined(SSE_NO_THREADS)
    is_said("done of sse_offload held ");
#endif
    dial_free(app);
    app = fresh(SSE_OFF);
    hold_everywhere(app);
    ok(!strstr(warned, " held "), "SSE_OFF: nothing is said");
    dial_free(app);
    app = fresh(0);
    is_int(app->options.slow_ms, 250, "the default");
    hold_everywhere(app);
    is_int(said("held the loop for "), 0, "... says nothing of what is quick");
    dial_free(app);
}

static int  last_level; /* of the log */
static void on_level(int level, const char *text, void *user) {
    (void)user;
    last_level = level;
    on_log(level, text, NULL);
}

static void takes(sse_req *req, void *user) { /* so many ms */
    (void)req;
    frozen_ms += *(uint64_t *)user;
}

static void timer_takes(sse_app *app, void *user) { (void)app, frozen_ms += *(uint64_t *)user; }

static void watch_takes(sse_app *app, int fd, int events, void *user) {
    (void)events;
    sse_watch(app, fd, 0, NULL, NULL);
    timer_takes(app, user);
}

static uint64_t nslow(sse_app *app) {
    sse_stats stats;
    sse_stats_get(app, &stats);
    return stats.slow;
}

static int  nheld, nwarned; /* that a monitor was told of */
static void told_held(sse_app *app, const char *which, uint64_t ms) {
    (void)app;
    nheld += strcmp(which, "handler of GET /takes") == 0 && ms < 60000;
}
static void told_log(sse_app *app, int level, const char *words) {
    (void)app, (void)words;
    nwarned += 1 + 10 * (level != SSE_LOG_WARNING);
}

static void asks_for(sse_app *app, const char *request) {
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    sse_test_request(app, request, NULL, NULL, &r);
    sse_test_close(&r);
}

static void event_takes(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)topic, (void)event;
    timer_takes(app, user);
}

#if !defined(SSE_NO_THREADS)
static void *publishes(void *user) { return say((sse_app *)user, "news", "x"), user; }

/* What another thread publishes is no sse_call of the program's, nor is the library's own work one
   of sse_offload. */
static void test_published_elsewhere(void) {
    sse_app  *app;
    pthread_t thread;
    uint64_t  ms = 30;
    int       i;
    frozen_ms = 5000000;
    app = fresh(30);
    sse_topic_listen(app, "news", event_takes, &ms);
    sse_poll(app, 0);
    if (!pthread_create(&thread, NULL, publishes, app)) pthread_join(thread, NULL);
    for (i = 0; i < 30000 && !nslow(app); i++) sse_poll(app, 1);
    is_int(said("listener of topic news held the loop for 30 ms"), 1, "a listener holds the loop");
    is_int(said(" held "), 1, "... and nothing else");
    ms = 31;
    is_int(sse__disk_do(app, no_work, timer_takes, &ms), 0, "work of the library's own");
    for (i = 0; i < 30000 && frozen_ms < 5000061; i++) sse_poll(app, 1);
    is_int(said(" held "), 1, "... is none of sse_offload");
    dial_free(app);
    frozen_ms = 0;
}
#else
static void test_published_elsewhere(void) { (void)event_takes; }
#endif

/* What counts as slow, to the millisecond, and that it is said once a second of each kind. */
static void test_slow_to_the_ms(void) {
    sse__observer   observer;
    sse_app_options o;
    sse_app        *app;
    uint64_t        ms, told;
    char            which[60];
    int             fds[2];
    frozen_ms = 5000000;
    memset(&observer, 0, sizeof observer);
    memset(&o, 0, sizeof o);
    o.on_log = on_level;
    o.slow_ms = 30;
    warned[0] = '\0';
    app = sse_app_new(&o);
    sse_get(app, "/takes", takes, &ms);
    ms = 29;
    asks_for(app, "GET /takes");
    ok(!nslow(app) && !warned[0], "a handler that is just quick enough");
    ms = 30;
    asks_for(app, "GET /takes");
    is_str(warned,
        "handler of GET /takes held the loop for 30 ms, and with it every client: sse_offload and "
        "sse_db_post take what lasts (.slow_ms)\n",
        "a slow one");
    told = frozen_ms;
    is_int(last_level, SSE_LOG_WARNING, "... is a warning");
    is_int(nslow(app), 1, "... is counted");
    asks_for(app, "GET /takes");
    is_int(nslow(app), 2, "... each time");
    sse_every(app, 1, timer_takes, &ms);
    frozen_ms = told;
    sse_test_run(app, 1);
    is_int(said("timer of sse_every, 1 ms, held the loop for 30 ms"), 1, "... of another kind");
    frozen_ms = told + 999 - ms;
    asks_for(app, "GET /takes");
    is_int(said("handler of "), 1, "... and is said once a second");
    frozen_ms = told + 1000 - ms;
    asks_for(app, "GET /takes");
    is_int(said("handler of "), 2, "... then again");
    told = frozen_ms;
    frozen_ms = told + 999 - ms;
    asks_for(app, "GET /takes");
    is_int(said("handler of "), 2, "... and no sooner");
    is_int(nslow(app), 6, "but counted");
    if (!pipe(fds) && write(fds[1], "a", 1) == 1)
        sse_watch(app, fds[0], SSE_READ, watch_takes, &ms);
    sse_test_run(app, 0);
    snprintf(which, sizeof which, "watch of descriptor %d held the loop for 30 ms", fds[0]);
    is_said(which);
    close(fds[0]), close(fds[1]);
    observer.told_held = told_held;
    observer.told_log = told_log;
    app->observer = &observer;
    nheld = nwarned = 0;
    ms = SSE__HELD_MS - 1;
    asks_for(app, "GET /takes");
    is_int(nheld, 0, "less than 20 ms are nothing to a monitor");
    ms = SSE__HELD_MS;
    asks_for(app, "GET /takes");
    is_int(nheld, 1, "20 ms are");
    is_int(nslow(app), 7, "... and yet not slow");
    is_int(nwarned, 0, "... nor a warning");
    sse__log(app, SSE_LOG_INFO, "by the way");
    sse__log(app, SSE_LOG_WARNING, "careful");
    is_int(nwarned, 1, "of which it is told");
    app->options.slow_ms = SSE_OFF;
    asks_for(app, "GET /takes");
    is_int(nheld, 1, "with SSE_OFF nothing is measured");
    app->observer = NULL;
    sse_app_free(app);
    o.slow_ms = 99; /* by the clock that is exact */
    app = sse_app_new(&o);
    sse_get(app, "/takes", takes, &ms);
    frozen_ms = 6000000;
    ms = 98;
    asks_for(app, "GET /takes");
    is_int(nslow(app), 0, "98 ms where 99 are slow");
    frozen_ms = 6000000;
    ms = 99;
    asks_for(app, "GET /takes");
    is_int(nslow(app), 1, "99 are");
    sse_app_free(app);
#if defined(CLOCK_MONOTONIC_COARSE)
    o.slow_ms = 100; /* by the rough one */
    app = sse_app_new(&o);
    sse_get(app, "/takes", takes, &ms);
    frozen_ms = 6000000;
    asks_for(app, "GET /takes");
    frozen_ms = 6000009;
    asks_for(app, "GET /takes");
    is_int(nslow(app), 1, "a clock that costs nothing is rough");
    sse_app_free(app);
#endif
    frozen_ms = 0;
}

/* ---- refusals ---- */

/* A warning once a second of each call, of a few of them. */
static void test_refused_again(void) {
    sse_app_options o;
    sse_app        *app;
    int             i, n;
    frozen_ms = 5000000;
    memset(&o, 0, sizeof o);
    o.on_log = on_level;
    app = sse_app_new(&o);
    warned[0] = '\0';
    is_int(sse__refused(app, SSE_E_FULL, "a: %d", 1), SSE_E_FULL, "a call is refused");
    is_str(warned, "a: 1\n", "which is a warning");
    is_int(last_level, SSE_LOG_WARNING, "... and no error");
    sse__refused(app, SSE_E_FULL, "a: %d", 2);
    is_int(last_level, SSE_LOG_DEBUG, "the next one is a debug line");
    sse__refused(app, SSE_E_FULL, "b: %d", 3);
    frozen_ms += 999;
    sse__refused(app, SSE_E_FULL, "a: %d", 4);
    is_str(warned, "a: 1\nb: 3\n", "... for a second, of this call");
    frozen_ms++;
    sse__refused(app, SSE_E_FULL, "a: %d", 5);
    sse__refused(app, SSE_E_FULL, "a: %d", 6);
    frozen_ms += 999;
    sse__refused(app, SSE_E_FULL, "a: %d", 7);
    is_str(warned, "a: 1\nb: 3\na: 5\n", "then it is said again");
    frozen_ms += 1000;
    warned[0] = '\0';
    n = (int)SSE__COUNT(app->refused);
    for (i = 0; i < n; i++) sse__refused(app, SSE_E_FULL, i < 2 ? "%c: x" : "%c%d: x", 'a' + i, i);
    is_int(said(": x"), n, "as many calls as there are places for");
    sse__refused(app, SSE_E_FULL, "beyond: x");
    is_int(said("beyond"), 0, "one more has none");
    for (i = 0; i + 1 < n; i++)
        sse__refused(app, SSE_E_FULL, i < 2 ? "%c: x" : "%c%d: x", 'a' + i, i);
    is_int(said(": x"), n, "... and the others have theirs");
    frozen_ms += 999;
    sse__refused(app, SSE_E_FULL, "beyond: x");
    is_int(said("beyond"), 0, "... for a second");
    frozen_ms++;
    for (i = 0; i < 3; i++) sse__refused(app, SSE_E_FULL, "beyond: x");
    is_int(said("beyond"), 1, "then it takes the place of the one that was told longest ago");
    sse_app_free(app);
    frozen_ms = 0;
}

/* What any peer can cause is a warning once a second, and else a debug line. */
static void test_limited(void) {
    static const struct {
        int ms, level; /* after so many ms */
    } rows[] = {{0, SSE_LOG_WARNING}, {0, SSE_LOG_DEBUG}, {999, SSE_LOG_DEBUG},
        {1, SSE_LOG_WARNING}, {999, SSE_LOG_DEBUG}, {1, SSE_LOG_WARNING}, {5000, SSE_LOG_WARNING}};
    sse_test_reply  r;
    sse_app_options o;
    sse_app        *app;
    size_t          i;
    memset(&r, 0, sizeof r);
    memset(&o, 0, sizeof o);
    o.on_log = on_level;
    app = sse_app_new(&o);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_test_run(app, rows[i].ms);
        sse_test_request(app, "GET /", "Host: other.example\n", NULL, &r);
        is_int(r.status, 421, "a request for another host");
        is_int(last_level, rows[i].level, "... in the log");
    }
    sse_test_close(&r);
    sse_app_free(app);
}

static void finishes(sse_app *app, void *user) { (void)app, sse_finish((sse_req *)user); }

static int refused_with(sse_req *req, const char *what) { /* a call of a handler that is refused */
    sse_cookie_options o;
    memset(&o, 0, sizeof o);
    o.path = "x";
    if (!strcmp(what, "status")) return sse_set_status(req, 99);
    if (!strcmp(what, "type")) return sse_set_type(req, "");
    if (!strcmp(what, "typ2")) return sse_set_type(req, "a\nb");
    if (!strcmp(what, "name")) return sse_set_header(req, "a b", "c");
    if (!strcmp(what, "ours")) return sse_set_header(req, "Content-Length", "7");
    if (!strcmp(what, "null")) return sse_set_header(req, "X-A", NULL);
    if (!strcmp(what, "value")) return sse_set_header(req, "X-A", "secret\r\n");
    if (!strcmp(what, "cookie")) return sse_set_cookie(req, "a", "b c", NULL);
    if (!strcmp(what, "path")) return sse_set_cookie(req, "a", "b", &o);
    if (!strcmp(what, "signed")) return sse_set_cookie_signed(req, "a", NULL, NULL);
    if (!strcmp(what, "blank")) return sse_redirect(req, "/a b");
    if (!strcmp(what, "script")) return sse_redirect(req, "javascript:x");
    if (!strcmp(what, "again")) return sse_redirect(req, "/b") ? 0 : sse_redirect(req, "/c");
    if (!strcmp(what, "attr")) return sse_set_attr(req, NULL, "x");
    if (!strcmp(what, "back")) return sse_come_back(req, -1);
    if (!strcmp(what, "fail")) return sse_fail(req, 200, "x");
    if (!strcmp(what, "finish")) return sse_finish(req);
    if (!strcmp(what, "twice")) {
        if (sse_defer(req)) return 0;
        sse_after(sse_req_app(req), 0, finishes, req);
        return sse_defer(req);
    }
    return 0;
}

static void refuses(sse_req *req, void *user) {
    (void)user;
    ok(refused_with(req, sse_query(req, "what")) < 0, "%s is refused", sse_query(req, "what"));
}

static int began(const char *what) { /* how many lines begin with it */
    const char *at = warned;
    int         n = 0;
    for (; *at; at = strchr(at, '\n') + 1) n += strncmp(at, what, strlen(what)) == 0;
    return n;
}

static void test_refused(void) {
    static const char *const calls[][2] =
        {{"status", "sse_set_status: 99 is not within 200..599 (/refuses)"},
            {"type", "sse_set_type: content_type is NULL or empty (/refuses)"},
            {"typ2", "sse_set_type: content_type holds a line break"},
            {"name", "sse_set_header: a b: the name is not that of a header (/refuses)"},
            {"ours", "sse_set_header: Content-Length: that is the library's own to write"},
            {"null", "sse_set_header: X-A: the value is NULL"},
            {"value", "sse_set_header: X-A: the value holds a line break"},
            {"cookie", "sse_set_cookie: a: the value holds a space"},
            {"path", "sse_set_cookie: a: .path does not begin with / (/refuses)"},
            {"signed", "sse_set_cookie_signed: a: the value is NULL"},
            {"blank", "sse_redirect: url holds a space"},
            {"script", "sse_redirect: \"javascript:x\" is no relative reference"},
            {"again", "sse_redirect: a second time (/refuses)"},
            {"attr", "sse_set_attr: name is NULL"}, {"back", "sse_come_back: ms is negative"},
            {"fail", "sse_fail: 200 is not within 400..599 (/refuses)"},
            {"finish", "sse_finish: without sse_defer: the reply leaves when the handler returns "
                       "(/refuses)"},
            {"twice", "sse_defer: a second time (/refuses)"}};
    char     path[64];
    size_t   i;
    sse_app *app;
    for (i = 0; i < SSE__COUNT(calls); i++) {
        app = fresh(SSE_OFF);
        sse_get(app, "/refuses", refuses, NULL);
        snprintf(path, sizeof path, "/refuses?what=%s", calls[i][0]);
        dial(app, path, NULL);
        is_int(began(calls[i][1]), 1, warned);
        ok(!strstr(warned, "secret"), "... not the value");
        dial(app, path, NULL);
        is_int(began(calls[i][1]), 1, "... once a second");
        dial_free(app);
    }
}

/* What peers can cause, as often as they like: one line a second of each route and fault. */

static void redirects(sse_req *req, void *user) {
    (void)user;
    (void)sse_redirect(req, sse_query(req, "to"));
}

static void sends_file(sse_req *req, void *user) {
    (void)user;
    (void)sse_send_file(req, sse_query(req, "to"), NULL);
}

static void feeds_nothing(sse_req *req, void *user) {
    (void)user;
    (void)sse_subscribe(sse_stream_open(req, NULL), "");
}

static void opens_with(sse_req *req, void *user) { /* an option as the client wants it */
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.retry_ms = (int)sse_parse_int(sse_query(req, "ms"), 0);
    (void)sse_stream_open(req, &o);
}

static void fails_render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_buf_fail(html, SSE_E_FIELD);
}

static void test_floods(void) {
    static const struct {
        const char *line;        /* holds this */
        const char *requests[4]; /* the first three are of one kind, the fourth of another */
    } rows[] = {{" failed: ", {"/to?to=javascript:1", "/to?to=javascript:2", "/to?to=javascript:3",
                                  "/also?to=javascript:1"}},
        {"cannot send ", {"/send?to=none", "/send?to=nor", "/send?to=neither", "/send?to=/etc"}},
        {"cannot send ", {"/send?to=none", "/send?to=nor", "/send?to=/none", "/sends?to=none"}},
        {"follows nothing", {"/feed", "/feed?a", "/feed?b", "/feeds"}},
        {"sse_stream_open: .retry_ms -", {"/open?ms=-1", "/open?ms=-2", "/open?ms=-3", NULL}},
        {"was not rendered: ", {"/view/1", "/view/2", "/view/3", "/views/1"}}};
    sse_app_options o;
    sse_app        *app;
    sse_test_reply  r;
    char            request[80];
    size_t          i, k, n;
    memset(&r, 0, sizeof r);
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        frozen_ms = 7000000;
        app = sse_app_new(&o);
        sse_get(app, "/to", redirects, NULL);
        sse_get(app, "/also", redirects, NULL);
        sse_get(app, "/send", sends_file, NULL);
        sse_get(app, "/sends", sends_file, NULL);
        sse_get(app, "/feed", feeds_nothing, NULL);
        sse_get(app, "/feeds", feeds_nothing, NULL);
        sse_get(app, "/open", opens_with, NULL);
        sse_live(app, "/view/{x}", fails_render, NULL);
        sse_live(app, "/views/{x}", fails_render, NULL);
        warned[0] = '\0';
        for (n = 0; n < 2; n++, sse_test_run(app, 1000)) {
            for (k = 0; k < 300; k++) {
                snprintf(request, sizeof request, "GET %s", rows[i].requests[k % 3]);
                sse_test_request(app, request, "Accept: text/event-stream\n", NULL, &r);
                sse_test_close(&r);
            }
            is_int(said(rows[i].line), (int)(2 * n) + 1, rows[i].line);
            if (!rows[i].requests[3]) break;
            snprintf(request, sizeof request, "GET %s", rows[i].requests[3]);
            sse_test_request(app, request, "Accept: text/event-stream\n", NULL, &r);
            sse_test_close(&r);
            is_int(said(rows[i].line), (int)(2 * n) + 2, rows[i].requests[3]);
        }
        sse_app_free(app);
    }
    frozen_ms = 0;
}

/* What a peer chooses takes no place of others, and pushes no words out of a line. */

static void names_topics(sse_req *req, void *user) { /* each is in use: refused */
    char name[40];
    int  i;
    (void)user;
    for (i = 0; i < 40; i++) {
        sse_topic_options o;
        memset(&o, 0, sizeof o);
        o.history = 1;
        snprintf(name, sizeof name, "%d.%s", i, sse_query(req, "name"));
        say(sse_req_app(req), name, "x");
        (void)sse_subscribe(newest, name);
        (void)sse_topic(sse_req_app(req), name, &o);
    }
    (void)sse_set_header(req, "X-A", "\n");
}

static void fails_named(sse_req *req, void *user) {
    (void)user;
    if (sse_query(req, "db")) (void)sse_db_exec(NULL, "SELECT 1");
    else (void)sse_redirect(req, "/a b");
}

static void subscribes(sse_req *req, void *user) {
    (void)user;
    (void)sse_subscribe(sse_stream_open(req, NULL), sse_param(req, "name"));
}

static void test_names_of_peers(void) {
    static const struct {
        const char *request, *words;
    } rows[] = {{"/fails/%s", " failed: sse_redirect: url holds"},
        {"/fails/%s?db=1", ": a database call failed: the database is NULL"},
        {"/none/%s", ": its stream follows nothing, so it ends: SSE_E_FULL"},
        {"/none/%s", ": there are .max_topics topics and patterns already"}};
    char            name[601], path[700];
    sse_app_options o;
    sse_app        *app;
    size_t          i;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    for (i = 0; i < SSE__COUNT(rows); i++) {
        if (!SSE__HAS_DB && strstr(rows[i].request, "db")) continue;
        memset(&o, 0, sizeof o);
        o.on_log = on_log;
        o.max_topics = 1;
        warned[0] = '\0';
        app = dial_app(&o);
        dial(app, "/s", NULL);
        (void)sse_subscribe(newest, "taken");
        sse_get(app, "/fails/{name}", fails_named, NULL);
        sse_get(app, "/none/{name}", subscribes, NULL);
        snprintf(path, sizeof path, rows[i].request, name);
        dial(app, path, NULL);
        is_said(rows[i].words);
        dial_free(app);
    }
    app = fresh(SSE_OFF);
    sse_get(app, "/topics", names_topics, NULL);
    dial(app, "/s", NULL);
    dial(app, "/topics?name=a", NULL);
    is_int(said("in use already"), 1, "names of topics are one kind");
    is_int(began("sse_set_header: X-A: the value holds a line break"), 1, "... which hides none");
    dial_free(app);
}

static void no_log(sse_stream s, const char *name, const char *after, void *user) {
    (void)s, (void)name, (void)after, (void)user;
}

static void test_events(void) {
    static const struct {
        sse_event   event;
        int         error;
        const char *words;
    } events[] = {{{.event = "a\nb", .data = "x"}, SSE_E_FIELD, ".event holds a l"},
        {{.data = "x", .id = "a\n"}, SSE_E_FIELD, ".id holds a con"},
        {{.data = "x", .retry_ms = -1}, SSE_E_ARG, ".retry_ms is negative"},
        {{.data = "x", .elements = "<p>"}, SSE_E_ARG, "two of .data or"},
        {{.data = NULL}, SSE_E_ARG, "there is nothing in it"},
        {{.signals = "[1]"}, SSE_E_ARG, ".signals are no JSON"},
        {{.script = "</script"}, SSE_E_FIELD, ".script holds"},
        {{.redirect = ""}, SSE_E_ARG, ".redirect is empty"}};
    sse_topic_options logs;
    sse_patch_options patch;
    sse_event         event;
    sse_filter        nobody;
    sse_app          *app;
    char              line[200], name[1026], *longest = name + 1;
    size_t            i;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    memset(&patch, 0, sizeof patch);
    memset(&event, 0, sizeof event);
    memset(&nobody, 0, sizeof nobody);
    for (i = 0; i < SSE__COUNT(events); i++) {
        app = fresh(SSE_OFF);
        dial(app, "/s", NULL);
        is_int(sse_publish(app, "t", &events[i].event), events[i].error, "no event to publish");
        snprintf(line, sizeof line, "sse_publish: %s", events[i].words);
        is_said(line);
        is_int(sse_stream_send(newest, &events[i].event), events[i].error, "... to send");
        snprintf(line, sizeof line, "sse_stream_send: %s", events[i].words);
        is_said(line);
        is_int(sse_stream_end(newest, &events[i].event), events[i].error, "... to end with");
        snprintf(line, sizeof line, "sse_stream_end: %s", events[i].words);
        is_said(line);
        dial_free(app);
    }
    app = fresh(SSE_OFF);
    event.id = "7"; /* a removal that was meant */
    patch.mode = SSE_REMOVE;
    patch.selector = "#a";
    event.patch = &patch;
    is_int(sse_publish(app, "t", &event), SSE_E_ARG, "a patch of nothing");
    is_said("sse_publish: .patch without .elements");
    is_int(sse_streams_close(app, &nobody, NULL), SSE_E_ARG, "a filter that names nobody");
    is_said("the filter is empty");
    dial(app, "/s", NULL);
    is_int(sse_subscribe(newest, ""), SSE_E_ARG, "a topic without a name");
    is_said("sse_subscribe: a topic without a name");
    is_int(sse_subscribe(newest, longest), SSE_OK, "the longest name");
    memset(app->refused, 0, sizeof app->refused); /* a second later */
    is_int(sse_subscribe(newest, name), SSE_E_ARG, "a longer one");
    is_said("sse_subscribe: the name of a topic has more than 1024 bytes");
    dial_free(app);
    app = fresh(SSE_OFF);
    event.patch = NULL;
    is_int(sse_publish(app, "", &event), SSE_E_ARG, "to a topic without a name");
    is_said("sse_publish: a topic without a name");
    is_int(sse_publish(app, longest, &event), SSE_OK, "to the longest name");
    memset(app->refused, 0, sizeof app->refused);
    is_int(sse_publish(app, name, &event), SSE_E_ARG, "to a longer one");
    is_said("sse_publish: the name of a topic has more than 1024 bytes");
    dial(app, "/s", NULL);
    memset(&logs, 0, sizeof logs);
    logs.source = no_log;
    sse_topic(app, "one", &logs);
    sse_topic(app, "another", &logs);
    is_int(sse_subscribe(newest, "one"), 0, "a topic of a log");
    is_int(sse_subscribe(newest, "another"), SSE_E_STATE, "one of another log");
    is_said("sse_subscribe: another: its ids are not those of what the stream follows");
    app->options.max_topics = 1;
    is_int(sse_subscribe_pattern(newest, "b.*"), SSE_E_FULL, "no room for a pattern");
    is_said("sse_subscribe_pattern: b.*: there are .max_topics topics and patterns already");
    sse_get(app, "/unread", reads, NULL);
    dial(app, "/unread", NULL);
    is_said("sse_body_read: its route has no .body_later (/unread)");
    dial_free(app);
    for (i = 0; i < 2; i++) {
        app = fresh(SSE_OFF);
        app->options.check_utf8 = i > 0;
        dial(app, "/s", NULL);
        memset(&event, 0, sizeof event);
        event.data = "\xC3\xA9";
        is_int(sse_publish(app, "t", &event), 0, "an event in UTF-8");
        event.data = "\xC3";
        is_int(sse_publish(app, "t", &event), i ? SSE_E_SYNTAX : 0, "one that is not");
        is_int(sse_stream_send(newest, &event), i ? SSE_E_SYNTAX : 0, "... to send");
        is_int(said("sse_publish: it is not UTF-8, which .check_utf8 wants"), (int)i,
            "... in the log");
        is_int(said("sse_stream_send: it is not UTF-8, which .check_utf8 wants"), (int)i,
            "... likewise");
        dial_free(app);
    }
}

/* ---- steps, and requests that nobody answers ---- */

static int between; /* what a call elsewhere answered; 0: it was not made */

static void fails_between(sse_app *app, void *user) { /* two steps, which have no part in it */
    sse_event event;
    memset(&event, 0, sizeof event);
    *(int *)user = sse_publish(app, "t", &event);
}

static int fails_by(sse_stream s, void *user) {
    sse_event event;
    memset(&event, 0, sizeof event);
    if (!user) return sse_publish(s.app, "t", &event);
    if (user == &between && !between) return sse_call(s.app, fails_between, user) ? SSE_E_IO : 20;
    if (user == &between) return SSE_END;
    if (!strcmp((const char *)user, "both")) sse_publish(s.app, "t", &event);
    else if (strcmp((const char *)user, "db")) return SSE_END;
#ifndef SSE_NO_SQLITE
    {
        sse_db *db = sse_db_open(":memory:", NULL);
        sse_db_exec(db, "INSERT INTO nowhere VALUES(1)");
        sse_db_close(db);
    }
#endif
    return SSE_END;
}

static int fails_plainly(sse_stream s, void *user) { return (void)s, (void)user, SSE_E_IO; }

static sse_reason step_over;

static void note_reason(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    step_over = reason;
}

static void steps_by(sse_req *req, void *user) {
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    o.on_close = note_reason;
    o.step = user && !strcmp((const char *)user, "io") ? fails_plainly : fails_by;
    o.user = user;
    sse_stream_open(req, &o);
}

static void test_steps(void) {
    sse_app *app = fresh(SSE_OFF);
    client  *c;
    int      i;
    sse_get(app, "/io", steps_by, (void *)"io");
    c = dial(app, "/io", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (/io): SSE_E_IO: ");
    ok(step_over == SSE_BY_ERROR && !strstr(c->got, "\r\n0\r\n"), "an error, and not complete");
    dial_free(app);
    app = fresh(SSE_OFF);
    sse_get(app, "/publish", steps_by, NULL);
    dial(app, "/publish", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (/publish): SSE_E_ARG: ");
    is_int(step_over, SSE_BY_ERROR, "that of a call likewise");
    dial_free(app);
#ifndef SSE_NO_SQLITE
    app = fresh(SSE_OFF);
    sse_get(app, "/db", steps_by, (void *)"db");
    dial(app, "/db", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (/db): no such table: nowhere");
    dial_free(app);
    app = fresh(SSE_OFF);
    sse_get(app, "/both", steps_by, (void *)"both");
    dial(app, "/both", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (/both): no such table: nowhere");
    dial_free(app);
#endif
    app = fresh(SSE_OFF);
    sse_get(app, "/publish", steps_by, NULL);
    sse_get(app, "/end", steps_by, (void *)"end");
    dial(app, "/publish", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (/publish): ");
    warned[0] = '\0';
    dial(app, "/end", NULL);
    turns(app, 5);
    is_str(warned, "", "an end that is none of these says nothing");
    dial_free(app);
    app = fresh(SSE_OFF);
    sse_get(app, "/later", steps_by, &between);
    c = dial(app, "/later", NULL);
    for (i = 0; i < 30000 && !strstr(c->got, "\r\n0\r\n"); i++) turns(app, 1);
    ok(between == SSE_E_ARG && !said("step: "), "... nor one behind what failed elsewhere");
    dial_free(app);
}

/* A hook opened it: no route did. */
static void test_no_route(void) {
    sse_app *app = fresh(SSE_OFF);
    sse_before(app, "/nothing", steps_by, (void *)"io");
    dial(app, "/nothing", NULL);
    turns(app, 5);
    is_said("step: it ended the stream (of no route): SSE_E_IO: ");
    dial_free(app);
}

/* ---- a client that leaves while its body is read ---- */

static int  left_by, paused;
static bool opened_late;

static int hears_end(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk, (void)user;
    if (status > 0) return 0;
    left_by = status;
    paused = sse_body_pause(req, true);
    opened_late = sse_stream_open(req, NULL).app != NULL;
    return 0;
}

static void reads_on(sse_req *req, void *user) { sse_body_read(req, hears_end, user); }

static void test_leaving(void) {
    static const char half[] = "POST /body HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 10\r\n\r\nhalf";
    sse_route_options later;
    sse_app          *app = fresh(SSE_OFF);
    int               i;
    memset(&later, 0, sizeof later);
    later.method = "POST";
    later.body_later = true;
    sse_route(app, "/body", reads_on, NULL, &later);
    left_by = 0;
    hang_up(send_from_new(app, half, sizeof half - 1));
    for (i = 0; i < 30000 && !left_by; i++) turns(app, 1);
    ok(left_by < 0, "a client leaves with half of its body: %d", left_by);
    is_int(paused, SSE_E_CLOSED, "... there is nothing to pause");
    ok(!opened_late, "... and no stream to open");
    dial_free(app);
}

/* ---- names that match nothing ---- */

static void no_render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=a>");
}

static void *touches_elsewhere(void *user) { return sse_touch((sse_app *)user, "/rom/9"), user; }

static void test_names(void) {
    static const struct {
        const char *path, *words;
        int         fine;
    } paths[] = {{"/x/:id", "a segment that varies is {name}, not :name", 0},
        {"/:id/x", "a segment that varies is {name}, not :name", 0},
        {"/files/*", "a * is no pattern: {name} is a segment, sse_mount all that is below", 0},
        {"/files/*.css", "a * is no pattern: {name} is a segment, sse_mount all that is below", 0},
        {"/a:b", "", 1}, {"/:1", "", 1}};
    sse_app *app;
    size_t   i;
    for (i = 0; i < SSE__COUNT(paths); i++) {
        app = fresh(SSE_OFF);
        is_int(sse_get(app, paths[i].path, answers, NULL), paths[i].fine ? 0 : SSE_E_ARG,
            "a route");
        ok(strstr(warned, paths[i].words) != NULL, "... %s", paths[i].words);
        warned[0] = '\0';
        is_int(sse_mount(app, paths[i].path, answers, NULL), paths[i].fine ? 0 : SSE_E_ARG,
            "a mount");
        is_int(sse_before(app, paths[i].path, answers, NULL), paths[i].fine ? 0 : SSE_E_ARG,
            "a hook");
        if (paths[i].fine) is_str(warned, "", "... nothing is said");
        else is_int(said(paths[i].words), 2, "... said of both");
        dial_free(app);
    }
    app = fresh(SSE_OFF);
    is_int(sse_before(app, "/room/{id}", answers, NULL), SSE_E_ARG, "a prefix with a param");
    is_said("before hook /room/{id}: a prefix is taken as it is: it has no params");
    dial_free(app);
    app = fresh(SSE_OFF);
    dial(app, "/s", NULL);
    is_int(sse_stream_view(newest, NULL), SSE_E_ARG, "a view of no path");
    is_str(warned, "sse_stream_view: no live view has the path /\n", "... is none");
    sse_live(app, "/{any}", no_render, NULL);
    is_int(sse_stream_view(newest, "/%zz"), SSE_E_ARG, "a path that cannot be decoded");
    is_int(sse_stream_view(newest, ""), SSE_E_ARG, "an empty one");
    is_int(sse_stream_view(newest, "/%20"), 0, "another");
    dial_free(app);
    app = fresh(SSE_OFF);
    is_int(sse_touch(app, "/room/9"), SSE_E_ABSENT, "a touch where there is no live view");
    dial(app, "/s", NULL);
    is_int(sse_stream_view(newest, "/room/9"), SSE_E_ARG, "nor can it be shown");
    is_said("sse_stream_view: no live view has the path /room/9");
    sse_live(app, "/room/{id}", no_render, NULL);
    sse_get(app, "/page", answers, NULL);
    warned[0] = '\0';
    is_int(sse_touch(app, "/room/9"), 0, "... nobody watches one");
    is_int(sse_touch(app, "/room/{id}"), 0, "... or any of them");
    is_str(warned, "", "... is nothing to speak of");
    poll(NULL, 0, 1001);
    is_int(sse_touch(app, "/rom/9"), SSE_E_ABSENT, "a name that is misspelled");
    is_said("sse_touch: no live view has the path /rom/9");
    is_int(sse_touch(app, "/page"), SSE_E_ABSENT, "a route that is no view");
    is_int(sse_touch(app, NULL), SSE_E_ARG, "no path");
#if !defined(SSE_NO_THREADS)
    {
        pthread_t thread;
        warned[0] = '\0';
        poll(NULL, 0, 1001);
        turns(app, 1);
        if (!pthread_create(&thread, NULL, touches_elsewhere, app)) pthread_join(thread, NULL);
        turns(app, 2);
        is_said("sse_touch: no live view has the path /rom/9");
    }
#endif
    dial_free(app);
}

#ifndef SSE_NO_SQLITE
static void test_tables(void) {
    static char      file[] = "/tmp/sse-words-XXXXXX";
    const int        fd = mkstemp(file);
    sse_db          *db = sse_db_open(file, NULL);
    sqlite3         *raw;
    sse_live_options live;
    char             line[200], aside[64];
    sse_app         *app = fresh(SSE_OFF);
    memset(&live, 0, sizeof live);
    close(fd);
    live.db = db;
    live.tables = "nope";
    sse_live(app, "/view", no_render, &live);
    turns(app, 2);
    snprintf(line, sizeof line, "live view /view: .tables: nope is no table of %s: it follows all",
        file);
    is_said(line);
    warned[0] = '\0';
    ok(sse_topic_from_table(app, "t", db, "SELECT id, body FROM nope WHERE id > ?") < 0,
        "rows of a table that there is not");
    snprintf(line, sizeof line, "topic t from a table: %s: no such table: nope", file);
    is_said(line);
    dial_free(app);
    sse_db_close(db);
    unlink(file);
    snprintf(aside, sizeof aside, "%s-wal", file);
    unlink(aside);
    snprintf(aside, sizeof aside, "%s-shm", file);
    unlink(aside);
    if (sqlite3_open(":memory:", &raw)) return;
    db = sse_db_attach(raw);
    live.db = db;
    app = fresh(SSE_OFF);
    sse_live(app, "/view", no_render, &live);
    turns(app, 2);
    is_said("live view /view: .tables: nope is no table of its database: it follows all tables");
    dial_free(app);
    sse_db_close(db);
    sqlite3_close(raw);
    app = fresh(SSE_OFF);
    db = sse_db_open("/nowhere/at.db", NULL);
    live.db = db;
    live.tables = NULL;
    ok(sse_live(app, "/view", no_render, &live) < 0, "a view of a database that did not open");
    is_said("live view /view: unable to open database file [/nowhere/at.db]");
    dial_free(app);
    sse_db_close(db);
}
#endif

/* ---- calls that fail in callbacks ---- */

#ifndef SSE_NO_SQLITE
static sse_db  *failing;
static sse_req *deferred[2];

static void fails(const char *where) { /* each another statement: a line a second is of each */
    char sql[64];
    snprintf(sql, sizeof sql, "INSERT INTO no_%s VALUES(1)", where);
    is_int(sse_db_exec(failing, sql), SSE_E_DB, where);
}

static void fails_and_finishes(sse_req *req) {
    const char *how = sse_param(req, "how");
    if (strcmp(how, "publish") == 0)
        is_int(sse_publish(sse_req_app(req), "", NULL), SSE_E_ARG, "no topic");
    else fails(how);
    if (strcmp(how, "conflict") == 0) sse_set_status(req, 409);
    if (strcmp(how, "text") == 0) sse_puts(sse_out(req), "a");
    sse_finish(req);
}

static void finishes_call(sse_app *app, void *user) {
    (void)app;
    fails_and_finishes((sse_req *)user);
}

static void finishes_both(sse_app *app, void *user) {
    (void)app, (void)user;
    fails("both");
    sse_finish(deferred[0]);
    sse_finish(deferred[1]);
}

static void finishes_watch(sse_app *app, int fd, int events, void *user) {
    (void)events;
    sse_watch(app, fd, 0, NULL, NULL);
    fails_and_finishes((sse_req *)user);
}

static void finishes_posted(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)result;
    fails_and_finishes((sse_req *)user);
}

static void fails_file(sse_req *req, const sse_body_file *file, void *user) {
    (void)req, (void)user;
    is_int(file->error, SSE_OK, "a file is there");
    fails("file");
}

static void fails_later(sse_req *req, void *user) {
    const char         *how = sse_param(req, "how");
    sse_app            *app = sse_req_app(req);
    sse_db_post_options post;
    int                 file;
    memset(&post, 0, sizeof post);
    post.app = app;
    post.done = finishes_posted;
    post.user = req;
    if (strcmp(how, "file") == 0) {
        sse_body_to_file(req, "words.tmp", fails_file, NULL);
        return;
    }
    deferred[deferred[0] != NULL] = req;
    sse_defer(req);
    if (strcmp(how, "call") == 0) sse_call(app, finishes_call, req);
    else if (strcmp(how, "done") == 0) {
        if (sse_offload(app, no_work, finishes_call, req)) sse_call(app, finishes_call, req);
    } else if (strcmp(how, "posted") == 0) sse_db_post(failing, &post, "DELETE FROM t");
    else if (strcmp(how, "watch") == 0 && (file = open("/dev/zero", O_RDONLY)) >= 0) {
        sse_watch(app, file, SSE_READ, finishes_watch, req);
    } else if (strcmp(how, "both") && strcmp(how, "outside")) sse_after(app, 1, finishes_call, req);
    (void)user;
}

static void fails_alone(sse_app *app, void *user) {
    (void)app, (void)user;
    fails("alone");
}

/* A callback that finishes a request, or runs for none. */
static void test_failures(void) {
    static const struct {
        const char *how;
        int         status, lines;
    } rows[] = {{"timer", 500, 1}, {"call", 500, 1}, {"done", 500, 1}, {"posted", 500, 1},
        {"watch", 500, 1}, {"file", 500, 1}, {"publish", 500, 0}, {"conflict", 409, 0},
        {"text", 200, 1}};
    sse_app          *app = fresh(SSE_OFF);
    sse_route_options later;
    client           *c[2];
    char              text[64], line[100];
    size_t            i;
    memset(&later, 0, sizeof later);
    later.body_later = true;
    failing = sse_db_open(":memory:", NULL);
    is_int(sse_db_exec(failing, "CREATE TABLE t(a)"), 0, "(a table)");
    sse_route(app, "/fails/{how}", fails_later, NULL, &later);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(text, sizeof text, "/fails/%s", rows[i].how);
        memset(deferred, 0, sizeof deferred);
        c[0] = dial(app, text, "");
        snprintf(line, sizeof line, "HTTP/1.1 %d ", rows[i].status);
        is_int(times(c[0], line), 1, text);
        snprintf(line, sizeof line, "a database call failed%s: no such table: no_%s",
            rows[i].status == 200 ? ", though its reply says 200" : "", rows[i].how);
        is_int(said(line), rows[i].lines, "... in the log");
        snprintf(line, sizeof line, "GET /fails/%s: a database call", rows[i].how);
        is_int(said(line), rows[i].lines, "... as that of the request");
    }
    for (i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "/fails/%s", i ? "outside" : "both");
        memset(deferred, 0, sizeof deferred);
        snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", text);
        c[0] = send_from_new(app, line, strlen(line));
        c[1] = send_from_new(app, line, strlen(line));
        while (!deferred[1]) turns(app, 1);
        if (i) finishes_both(app, NULL);
        else sse_after(app, 1, finishes_both, NULL);
        while (!c[0]->len || !c[1]->len) turns(app, 1);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", i ? 204 : 500);
        is_int(times(c[0], line) + times(c[1], line), 2, text);
    }
    sse_after(app, 1, fails_alone, NULL);
    sse_after(app, 1, fails_alone, NULL);
    while (!said("no_alone")) turns(app, 1);
    turns(app, 5);
    is_said("timer of sse_after, 1 ms, made a database call that failed: no such table: no_alone");
    is_int(said(" made a database call that failed: "), 1, "... where no request is told");
    sse_db_close(failing);
    dial_free(app);
    unlink("words.tmp");
}
#endif

/* ---- a database on two threads ---- */

#if !defined(SSE_NO_SQLITE) && !defined(SSE_NO_THREADS)
static int astray_counted, astray_exec, astray_error, astray_write, astray_one, own_exec;
static struct sqlite3 *astray_raw;
static bool            astray_done;
static char            astray_words[300];

static int no_write(sse_db *db, void *user) { return (void)db, (void)user, 0; }

static void use_astray(sse_app *app, void *user) { /* work on a thread of the pool */
    sse_db             *db = (sse_db *)user, *own;
    const char         *why;
    long long           n;
    const unsigned long before = sse__db_error_count();
    (void)app;
    astray_exec = sse_db_exec(db, "INSERT INTO t VALUES(1)");
    astray_counted = (int)(sse__db_error_count() - before);
    astray_error = sse_db_error(db, &why);
    astray_counted += (int)(sse__db_error_count() - before);
    if (sse_db_error(db, NULL) != astray_error) astray_error = 0;
    snprintf(astray_words, sizeof astray_words, "%s", why);
    astray_write = sse_db_write(db, no_write, NULL);
    astray_one = sse_db_next(sse_db_query(db, "SELECT 1")) ? 0 : sse_db_one(db, &n, "SELECT 1");
    astray_raw = sse_db_raw(db);
    sse_db_close(db); /* does nothing */
    own = sse_db_open(":memory:", NULL);
    own_exec = sse_db_exec(own, "CREATE TABLE t(a)");
    sse_db_close(own);
}

static void used_astray(sse_app *app, void *user) { (void)app, (void)user, astray_done = true; }

static void *runs_loop(void *user) {
    while (sse_poll((sse_app *)user, 5) > 0) {
    }
    return NULL;
}

static int     used[2]; /* a pipe */
static sse_db *prepared;

static void uses_db(sse_app *app, void *user) {
    (void)app;
    own_exec = sse_db_exec((sse_db *)user, "INSERT INTO t VALUES(2)");
    if (write(used[1], "", 1) != 1) abort();
}

static void mute(int level, const char *line, void *user) { (void)level, (void)line, (void)user; }

/* A loop looks at what it follows between the calls of the program, which need not make any. */
static void test_followed(void) { /* D7 */
    sse_serve_options serve;
    sse_live_options  live;
    sse_topic_options topic;
    sse_app_options   o;
    sse_db           *dbs[3];
    sse_app          *app, *second;
    sse_server       *server;
    char              files[3][40];
    int               i, k, accepted;
    memset(&serve, 0, sizeof serve);
    memset(&live, 0, sizeof live);
    memset(&topic, 0, sizeof topic);
    memset(&o, 0, sizeof o);
    serve.port = SSE_ANY_PORT;
    o.on_log = on_log;
    app = sse_app_new(&o);
    for (i = 0; i < 3; i++) {
        snprintf(files[i], sizeof files[i], "build/followed-%d-%ld", i, (long)getpid());
        dbs[i] = sse_db_open(files[i], NULL);
        is_int(sse_db_migrate(dbs[i], "CREATE TABLE t(id INTEGER PRIMARY KEY, a)"), 0, files[i]);
    }
    live.db = dbs[0];
    is_int(sse_live(app, "/live", no_render, &live), 0, "(a view follows the first)");
    topic.history = 5;
    topic.db = dbs[1];
    is_int(sse_topic(app, "kept", &topic), 0, "(a topic keeps its events in the second)");
    is_int(sse_topic_from_table(app, "rows", dbs[2], "SELECT id, a FROM t WHERE id > ?"), 0,
        "(one takes them from the third)");
    for (k = 0; k < 2; k++) {
        warned[0] = '\0';
        server = sse_serve_background(app, &serve);
        ok(server != NULL, "a loop on another thread, of which no callback uses a database");
        for (i = accepted = 0; i < 120; i++)
            accepted += sse_db_exec(dbs[i % 3], "INSERT INTO t(a) VALUES(1)") != SSE_E_THREAD;
        is_int(accepted, 0, "... has what it follows from the start");
        o.on_log = mute;
        second = sse_app_new(&o);
        is_int(sse_live(second, "/live", no_render, &live), SSE_E_THREAD,
            "... so that no other app can follow it");
        sse_app_free(second);
        is_int(sse_stop_background(server, 10000), 0, "... until it has stopped");
        if (k == 0) is_said("sse_db: build/followed-"); /* then once a second */
        for (i = 0; i < 3; i++)
            is_int(sse_db_exec(dbs[i], "INSERT INTO t(a) VALUES(2)"), 1, "... then it is free");
    }
    for (i = 0; i < 3; i++) {
        sse_db_close(dbs[i]);
        if (i == 2) sse_app_free(app);
    }
    for (i = 0; i < 3; i++) unlink(files[i]);
}

/* A thread that has ended has no loop, also if one that came after it is known by the same name. */
static void test_given_back(void) { /* D7 */
    sse_app         *app = sse_app_new(NULL), *next = sse_app_new(NULL);
    sse_db          *handed = sse_db_open(":memory:", NULL);
    sse_live_options live;
    pthread_t        thread;
    memset(&live, 0, sizeof live);
    live.db = handed;
    sse_db_exec(handed, "CREATE TABLE t(a)");
    is_int(sse_live(app, "/live", no_render, &live), 0, "a view follows a database");
    sse_stop(app);
    ok(!pthread_create(&thread, NULL, runs_loop, app), "a loop on another thread");
    pthread_join(thread, NULL);
    ok(!pthread_create(&thread, NULL, runs_loop, next), "then one of another app, on a new one");
    poll(NULL, 0, 50);
    is_int(sse_db_exec(handed, "INSERT INTO t VALUES(1)"), 1, "has nothing of it");
    sse_stop(next);
    pthread_join(thread, NULL);
    sse_app_free(next);
    sse_app_free(app);
    sse_db_close(handed);
}

static void *prepares(void *user) { /* on a thread that runs no loop */
    sse_db *db = sse_db_open(":memory:", NULL);
    sse_db_exec(db, "CREATE TABLE t(a)");
    *(sse_db **)user = db;
    return NULL;
}

static void *prepares_and_runs(void *user) {
    sse_db *db;
    (void)prepares(&db);
    sse_call((sse_app *)user, uses_db, db);
    prepared = db;
    return runs_loop(user);
}

/* Threads that come one after the other are known by one name, as a rule: none of them has what
   only an earlier one has used. */
static void test_names_again(void) { /* D7 */
    sse_app  *apps[2];
    sse_db   *db = NULL;
    pthread_t thread;
    char      byte;
    int       i;
    ok(!pipe(used), "a pipe");
    for (i = 0; i < 2; i++) apps[i] = sse_app_new(NULL);
    ok(!pthread_create(&thread, NULL, prepares, &db), "a thread makes a database ready");
    pthread_join(thread, NULL);
    ok(!pthread_create(&thread, NULL, runs_loop, apps[0]), "... one after it runs a loop");
    poll(NULL, 0, 50);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(1)"), 1, "... which has not used it");
    sse_call(apps[0], uses_db, db);
    ok(read(used[0], &byte, 1) == 1, "... until a callback does");
    is_int(own_exec, 1, "... that may");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(3)"), SSE_E_THREAD, "... so that it has it");
    sse_stop(apps[0]);
    pthread_join(thread, NULL);
    ok(!pthread_create(&thread, NULL, runs_loop, apps[1]), "the loop of the next thread");
    poll(NULL, 0, 50);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(4)"), 1, "... has not what that one had");
    sse_stop(apps[1]);
    pthread_join(thread, NULL);
    for (i = 0; i < 2; i++) sse_app_free(apps[i]);
    sse_db_close(db);
    own_exec = 0;
    apps[0] = sse_app_new(NULL);
    ok(!pthread_create(&thread, NULL, prepares_and_runs, apps[0]),
        "a thread that runs a loop then");
    ok(read(used[0], &byte, 1) == 1, "... in which a callback uses what it has made ready");
    is_int(sse_db_exec(prepared, "INSERT INTO t VALUES(5)"), SSE_E_THREAD, "... has that");
    sse_stop(apps[0]);
    pthread_join(thread, NULL);
    sse_app_free(apps[0]);
    sse_db_close(prepared);
    close(used[0]);
    close(used[1]);
}

static void *holds_locks(void *user) {
    sse__lock(&sse__apps.mutex);
    sse__lock(&((sse_app *)user)->loop.mutex);
    if (write(used[1], "", 1) != 1) abort();
    poll(NULL, 0, 100);
    sse__unlock(&((sse_app *)user)->loop.mutex);
    sse__unlock(&sse__apps.mutex);
    return NULL;
}

/* taken: by a loop of the parent. A bit for each answer that is wrong. */
static int in_child(sse_app *idle, sse_db *taken, sse_db *own) {
    const char *why;
    sse_app    *app;
    int         wrong = 0;
    alarm(20);
    if (sse_db_exec(taken, "INSERT INTO t VALUES(5)") != SSE_E_STATE) wrong |= 1;
    if (sse_db_error(taken, &why) != SSE_E_STATE || !strstr(why, "after fork()")) wrong |= 2;
    sse_db_close(taken);
    sse_db_close(own);
    if (sse_offload(idle, NULL, NULL, NULL) != SSE_E_ARG) wrong |= 8; /* the monitor has the line */
    sse_app_free(idle);
    app = sse_app_new(NULL);
    own = sse_db_open(":memory:", NULL);
    if (!app || sse_db_exec(own, "CREATE TABLE t(a)")) wrong |= 4;
    sse_db_close(own);
    sse_app_free(app);
    return wrong;
}

/* In a child all is as the manual says, whatever other threads of the parent did at the fork. */
static void test_forked(void) { /* CO4 */
    sse_app        *app = sse_app_new(NULL), *idle;
    sse_db         *taken = sse_db_open(":memory:", NULL), *own = sse_db_open(":memory:", NULL);
    sse_app_options o;
    pthread_t       thread, holder;
    int             status = -1;
    char            byte;
    pid_t           child;
    memset(&o, 0, sizeof o);
    o.on_log = mute;
    idle = sse_app_new(&o);
    is_int(sse_monitor(idle, "/m", NULL, NULL), 0, "an app with a monitor");
    ok(!pipe(used), "a pipe");
    sse_db_exec(taken, "CREATE TABLE t(a)");
    sse_call(app, uses_db, taken);
    ok(!pthread_create(&thread, NULL, runs_loop, app), "a loop on another thread");
    ok(read(used[0], &byte, 1) == 1, "... uses a database");
    ok(!pthread_create(&holder, NULL, holds_locks, idle), "a third one holds locks");
    ok(read(used[0], &byte, 1) == 1, "... at a fork");
    child = fork();
    if (child == 0) _exit(in_child(idle, taken, own));
    waitpid(child, &status, 0);
    is_int(status, 0, "a child waits for none of these threads");
    is_int(sse_db_exec(taken, "INSERT INTO t VALUES(4)"), SSE_E_THREAD, "its parent is as before");
    pthread_join(holder, NULL);
    sse_stop(app);
    pthread_join(thread, NULL);
    sse_app_free(app);
    sse_app_free(idle);
    sse_db_close(taken);
    sse_db_close(own);
    close(used[0]);
    close(used[1]);
}

static void *runs_two(void *user) { /* until they end, the first one first */
    sse_app **apps = (sse_app **)user;
    while (sse_poll(apps[0], 5) > 0) (void)sse_poll(apps[1], 0);
    if (write(used[1], "", 1) != 1) abort();
    return runs_loop(apps[1]);
}

/* One thread runs two apps: what both use is not free as one of them ends. */
static void test_two_loops(void) { /* D7 */
    sse_app         *apps[2];
    sse_db          *db = sse_db_open(":memory:", NULL);
    sse_live_options live;
    pthread_t        thread;
    char             byte;
    int              i;
    memset(&live, 0, sizeof live);
    live.db = db;
    sse_db_exec(db, "CREATE TABLE t(a)");
    ok(!pipe(used), "a pipe");
    for (i = 0; i < 2; i++) apps[i] = sse_app_new(NULL);
    is_int(sse_live(apps[0], "/live", no_render, &live), 0, "a view of one app follows it");
    sse_call(apps[1], uses_db, db);
    ok(!pthread_create(&thread, NULL, runs_two, apps), "a thread runs that and another one");
    ok(read(used[0], &byte, 1) == 1, "... which uses it, too");
    sse_stop(apps[0]);
    ok(read(used[0], &byte, 1) == 1, "... the first ends");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(3)"), SSE_E_THREAD, "... the other still has it");
    sse_stop(apps[1]);
    pthread_join(thread, NULL);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(3)"), 1, "... until it has ended");
    for (i = 0; i < 2; i++) sse_app_free(apps[i]);
    sse_db_close(db);
    close(used[0]);
    close(used[1]);
}

static void test_astray(void) { /* D7 */
    sse_app    *app = fresh(SSE_OFF);
    sse_db     *db = sse_db_open(":memory:", NULL);
    const char *why;
    long long   n = 0;
    int         i;
    pthread_t   thread;
    char        byte;
    is_int(sse_db_exec(db, "CREATE TABLE t(a)"), 0, "(a table)");
    turns(app, 1);
    sse_db_exec(db, "DELETE FROM t");
    is_int(sse_offload(app, use_astray, used_astray, db), 0, "work");
    for (i = 0; i < 30000 && !astray_done; i++) turns(app, 1);
    turns(app, 2);
    is_int(astray_exec, SSE_E_THREAD, "the loop's database in work: refused");
    is_int(astray_error, SSE_E_THREAD, "... as sse_db_error tells");
    is_int(astray_counted, 1 + 2, "... and each of them is counted"); /* D3 */
    ok(strstr(astray_words, "open one for this thread") != NULL, "... in words: %s", astray_words);
    is_int(astray_write, SSE_E_THREAD, "... a transaction likewise");
    is_int(astray_one, SSE_E_THREAD, "... rows likewise");
    ok(!astray_raw && !db->raw_given, "... its connection is not given away");
    is_int(own_exec, 0, "one of its own is fine");
    is_said("sse_db: :memory:: a database is used on one thread");
    is_int(sse_db_error(db, &why), SSE_OK, "the loop's own is as it was");
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM t"), 0, "... and is used on");
    is_int(n, 0, "... with nothing written");
    dial_free(app);
    app = fresh(SSE_OFF); /* handed to the thread of another loop, and back */
    ok(!pipe(used), "a pipe");
    sse_call(app, uses_db, db);
    ok(!pthread_create(&thread, NULL, runs_loop, app), "a loop on another thread");
    ok(read(used[0], &byte, 1) == 1, "... runs");
    is_int(own_exec, 1, "... takes the database over");
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(3)"), SSE_E_THREAD, "... and has it");
    sse_stop(app);
    pthread_join(thread, NULL);
    is_int(sse_db_exec(db, "INSERT INTO t VALUES(3)"), 1, "until it has stopped");
    dial_free(app);
    sse_db_close(db);
    close(used[0]);
    close(used[1]);
}
#endif

static sse_req *forgotten;
static uint64_t forgotten_ms;

static void forgets(sse_req *req, void *user) {
    (void)user;
    forgotten = req;
    forgotten_ms = req->app->loop.wheel.now;
    sse_defer(req);
}

static int deferred_late;

static void defers(sse_req *req, sse_stream s) { (void)s, deferred_late = sse_defer(req); }

static void test_deferred_stream(void) {
    sse_app *app = fresh(SSE_OFF);
    opening = defers;
    dial(app, "/s", NULL);
    is_int(deferred_late, SSE_E_STATE, "a stream is not deferred");
    is_said("sse_defer: not possible once a stream is open (/s)");
    turns(app, 2);
    ok(sse_stream_is_open(newest), "... and is open all the same");
    dial_free(app);
}

static void test_deferred(void) {
    static const char   next[] = "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_app            *app = fresh(SSE_OFF);
    client             *c;
    int                 i;
    const struct linger reset = {1, 0};
    sse_get(app, "/forgotten", forgets, NULL);
    c = dial(app, "/forgotten", NULL);
    ok(forgotten->finish.due == forgotten_ms + 60000, "a minute to answer");
    sse__alarm_set(&app->loop.wheel, &forgotten->finish, 0); /* it is over */
    turns(app, 3);
    is_said("GET /forgotten was deferred a minute ago and is not answered yet");
    turns(app, 3);
    is_int(said("/forgotten"), 1, "... which is said once");
    sse_puts(sse_out(forgotten), "here");
    is_int(sse_finish(forgotten), SSE_OK, "it can still be answered");
    turns(app, 3);
    ok(strstr(c->got, "here") != NULL, "... and is");
    is_int(sse_set_status(forgotten, 404), SSE_E_STATE, "what comes behind that is too late");
    is_int(sse_defer(forgotten), SSE_E_STATE, "... all of it");
    is_int(sse_finish(forgotten), SSE_E_STATE, "... a second time");
    ok(send(c->fd, next, sizeof next - 1, MSG_NOSIGNAL) > 0, "the next request");
    for (i = 0; i < 30000 && times(c, "HTTP/1.1 ") < 2; i++) turns(app, 1);
    ok(strstr(c->got, "HTTP/1.1 404 ") != NULL, "... is answered as ever");
    c = dial(app, "/forgotten", NULL);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    hang_up(c);
    turns(app, 3);
    sse__alarm_set(&app->loop.wheel, &forgotten->finish, 0);
    turns(app, 3);
    is_said("is not answered yet (its client has left)");
    dial_free(app);
}

int main(void) {
    test_slow();
    test_slow_to_the_ms();
    test_published_elsewhere();
    test_refused();
    test_refused_again();
    test_limited();
    test_floods();
    test_names_of_peers();
    test_events();
    test_steps();
    test_no_route();
    test_leaving();
    test_deferred();
    test_deferred_stream();
    test_names();
#ifndef SSE_NO_SQLITE
    test_tables();
    test_failures();
#endif
#if !defined(SSE_NO_SQLITE) && !defined(SSE_NO_THREADS)
    test_astray();
    test_followed();
    test_given_back();
    test_names_again();
    test_forked();
    test_two_loops();
#endif
    return tap_done();
}
