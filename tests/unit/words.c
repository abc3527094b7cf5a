/* What the library says by itself: callbacks that hold the loop, calls that are refused, names that
   match nothing, requests that nobody answers. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

#include "dial.h"

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
    while ((at = strstr(at, what)) != NULL) n++, at = strchr(at, '\n');
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

static void done_holds(sse_app *app, void *user) { (void)user, holds_app(app, NULL); }
static void no_work(sse_app *app, void *user) { (void)app, (void)user; }

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
    sse_live(app, "/view", holds_render, &live);
    sse_get(app, "/step", steps, NULL);
    sse_get(app, "/reply", answers, (void *)"a");
    sse_topic(app, "room", &topic);
    dial(app, "/handler/7", NULL);
    dial(app, "/handler/8", NULL);
    dial(app, "/hooked", NULL);
    dial(app, "/guarded", NULL);
    dial(app, "/body", NULL);
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
    is_str(warned, "", "SSE_OFF: nothing is said");
    dial_free(app);
    app = fresh(0);
    is_int(app->options.slow_ms, 250, "the default");
    hold_everywhere(app);
    is_int(said("held the loop for "), 0, "... says nothing of what is quick");
    dial_free(app);
}

int main(void) {
    test_slow();
    return tap_done();
}
