/* live.c: guards that open the stream themselves, how many views clients can make, and what
   touching one of them costs. */
#define _DEFAULT_SOURCE
#include <string.h>
static size_t compared; /* names */

static int counting_strcmp(const char *a, const char *b) {
    compared++;
    return strcmp(a, b);
}
#define strcmp counting_strcmp
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef strcmp

#include "../tap.h"
#include <poll.h>
#include "dial.h"

static sse_app *app;
static int      renders;

static void render(sse_view *view, sse_buf *html, void *user) {
    const char *id = sse_view_param(view, "id"), *page = sse_view_param(view, "page");
    (void)user;
    sse_html(html, "<p id=\"x\">%s %s %d</p>", id ? id : "-", page ? page : "-", ++renders);
}

static void render_each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"x\">%s %d</p>", sse_attr(req, "me"), ++renders);
}

static sse_live_options options_of(sse_handler guard) {
    sse_live_options o;
    memset(&o, 0, sizeof o);
    o.guard = guard;
    return o;
}

/* ---- a guard that opens the stream ---- */

static char joined[100];
static int  freed;

static void on_join(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)user;
    snprintf(joined, sizeof joined, "%s in %s", who, topic);
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    freed += strcmp((const char *)user, "ann") == 0;
    if (reason != SSE_BY_ERROR)
        is_str(sse_stream_meta(s, "color"), "red", "metadata is there until on_close has returned");
    free(user);
}

static void enter(sse_req *req, void *user) { /* ?me=ann&as=... */
    const char        *me = sse_query(req, "me"), *as = sse_query(req, "as");
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&o, 0, sizeof o);
    if (!me) {
        sse_fail(req, 401, "who are you?");
        return;
    }
    sse_set_attr(req, "me", me);
    if (as && strcmp(as, "usual") == 0) return;
    o.who = me;
    if (as && strcmp(as, "raw") == 0) o.type = "text/plain";
    if (!as) o.user = sse__strdup(sse__text(me)), o.on_close = on_close;
    s = sse_stream_open(req, &o);
    sse_stream_set_meta(s, "color", "red");
    sse_subscribe(s, "room.7");
    if (as && strcmp(as, "ended") == 0) sse_stream_end(s, NULL);
}

/* Guards as a stream that is open asks them: what each answers must hold as it does for a request
   of its own. */
static void guard_of(sse_req *req, void *user) { /* by the view's parameter */
    const char *how = sse_param(req, "how");
    (void)user;
    is_str(sse_path(req), sse_fmt(req, "/guarded/%s", how), "it sees the path of the view");
    if (strcmp(how, "defers") == 0 && sse_defer(req)) return;
    if (strcmp(how, "files") == 0) sse_send_file(req, "/etc/hostname", NULL);
    if (strcmp(how, "sets") == 0) sse_set_attr(req, "user", "admin"), sse_fail(req, 401, "no");
    if (strcmp(how, "asks") == 0 && !sse_attr(req, "user")) sse_fail(req, 401, "no");
    if (strcmp(how, "asks") == 0 && sse_attr(req, "mine")) sse_set_attr(req, "mine", "changed");
    if (strcmp(how, "nests") == 0)
        is_int(sse_stream_view(newest, "/room/7"), SSE_E_STATE,
            "a guard that is asked shows nothing");
    if (strcmp(how, "backs") == 0) sse_come_back(req, 0);
}

static void guarded(sse_req *req, sse_stream s) {
    sse_set_attr(req, "mine", "before");
    newest = s;
    is_int(sse_stream_view(s, "/guarded/admits"), 0, "a guard that answers nothing admits");
    is_int(sse_stream_view(s, "/guarded/defers"), SSE_E_STATE,
        "one that would answer later refuses");
    is_int(sse_stream_view(s, "/guarded/files"), SSE_E_STATE, "one that sends a file refuses");
    is_int(sse_stream_view(s, "/guarded/backs"), SSE_E_STATE, "one that says come back refuses");
    is_int(sse_stream_view(s, "/guarded/asks"), SSE_E_STATE, "one that looks for an attr refuses");
    is_int(sse_stream_view(s, "/guarded/sets"), SSE_E_STATE, "one that sets it refuses");
    is_int(sse_stream_view(s, "/guarded/asks"), SSE_E_STATE, "and has set it for nobody else");
    is_int(sse_stream_view(s, "/guarded/nests"), 0, "one that would show another view");
    is_int(sse_stream_view(s, "/hooked/x"), SSE_E_STATE, "a hook that would answer later refuses");
    is_str(sse_attr(req, "mine"), "before", "attrs of the handler are as they were");
    is_str(sse_path(req), "/s", "and so is its path");
}

static void later_hook(sse_req *req, void *user) {
    (void)user;
    if (sse_defer(req) == 0) sse_finish(req);
}

static void guards_on_streams(void) {
    sse_live_options o = options_of(guard_of);
    sse_live_options none = options_of(NULL);
    app = dial_app(NULL);
    opening = guarded;
    sse_before(app, "/hooked", later_hook, NULL);
    sse_live(app, "/guarded/{how}", render, &o);
    sse_live(app, "/hooked/{x}", render, &none);
    sse_live(app, "/room/{id}", render, &none);
    dial(app, "/s", NULL);
    turns(app, 3);
    dial_free(app);
}

static void both(sse_req *req, void *user) { /* shows a view whose guard would open a stream */
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    is_int(sse_stream_view(s, "/room/9"), 0,
        "a guard that would open a stream admits one that is open");
    is_int(sse_stream_meta(s, "color") == NULL, true, "and changes nothing of it");
}

static void guards(void) {
    sse_live_options  o = options_of(enter);
    sse_topic_options topic;
    sse_filter        ann;
    client           *c;
    memset(&topic, 0, sizeof topic);
    memset(&ann, 0, sizeof ann);
    topic.on_join = on_join;
    ann.who = "ann";
    app = dial_app(NULL);
    sse_topic(app, "room.7", &topic);
    sse_live(app, "/room/{id}", render, &o);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    sse_get(app, "/both", both, NULL);
    c = dial(app, "/room/7?me=ann", NULL);
    turns(app, 3);
    is_int(times(c, "elements <p id=\"x\">7 - 1</p>"), 1,
        "the view is shown on the stream that the guard opened");
    is_int(sse_streams_count(app, &ann), 1, "which is of the person it named");
    ok(strcmp(joined, "ann in room.7") == 0, "and on the topic it subscribed to: %s", joined);
    say(app, "room.7", "hello");
    sse_touch(app, "/room/7");
    turns(app, 3);
    is_int(times(c, "data: hello\n") + times(c, "data: elements "), 3, "both flow");
    c = dial(app, "/mine/7?me=ann", NULL);
    turns(app, 3);
    is_int(times(c, "elements <p id=\"x\">ann"), 1, "a private view as well");
    sse_streams_close(app, &ann, NULL);
    turns(app, 3);
    is_int(freed, 2, "the user pointer of each is given back");
    is_int((long long)app->views->shared.count, 0, "and no view is left");
    c = dial(app, "/room/7?me=bob&as=ended", NULL);
    turns(app, 3);
    is_int(times(c, "data: elements "), 0, "a guard that ends what it opened: nothing is shown");
    is_int((long long)app->views->shared.count, 0, "and no view made");
    c = dial(app, "/room/7?me=bob&as=raw", NULL);
    turns(app, 3);
    ok(c->over || times(c, "0\r\n\r\n"), "a raw stream cannot show a view: it ends");
    c = dial(app, "/room/7", NULL);
    is_int(times(c, "401"), 1, "a guard that refuses");
    c = dial(app, "/room/7?me=bob&as=usual", NULL);
    turns(app, 3);
    is_int(times(c, "data: elements "), 1, "a guard that lets the view open its stream");
    dial(app, "/both?me=eve", NULL);
    dial_free(app);
}

/* ---- many views ---- */

static int  logged;
static void on_log(int level, const char *line, void *user) {
    (void)user;
    logged += level <= SSE_LOG_WARNING && strstr(line, "max_views") != NULL;
}

static void limits(void) {
    sse_live_options o = options_of(NULL);
    sse_app_options  options;
    char             path[64];
    client          *c;
    int              i;
    memset(&options, 0, sizeof options);
    options.max_views = 20;
    options.on_log = on_log;
    app = dial_app(&options);
    o.query = "page";
    sse_live(app, "/list", render, &o);
    sse_live(app, "/room/{id}", render, NULL);
    o.max_views = 5;
    sse_live(app, "/few", render, &o);
    for (i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/list?page=%d", i);
        dial(app, path, NULL);
    }
    turns(app, 3);
    is_int(app->views->shared.count, 20, "one client makes as many views as max_views");
    is_int(times(&clients[25], "d\r\nretry: 2000\n\n\r\n"), 1, "more are told to come back");
    is_int(logged, 1, "and the log says so, once");
    is_int(times(dial(app, "/list", NULL), "HTTP/1.1 200"), 1, "the one without parameters");
    dial(app, "/list?page=3", NULL);
    dial(app, "/room/1", NULL);
    turns(app, 3);
    is_int(times(&clients[30], "data: elements "), 1, "can be watched all the same");
    is_int(times(&clients[31], "data: elements "), 1, "so can one that somebody watches");
    is_int(times(&clients[32], "data: elements "), 1, "and those of other routes");
    c = dial(app, "/list?page=100", "Accept: text/html\r\n");
    is_int(times(c, "HTTP/1.1 503"), 1, "who is no EventSource is told 503");
    for (i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/few?page=%d", i);
        dial(app, path, NULL);
    }
    is_int(app->views->shared.count, 27, "a route may have a limit of its own");
    for (i = 0; i < 10; i++) hang_up(&clients[i]);
    turns(app, 5);
    c = dial(app, "/list?page=200", NULL);
    turns(app, 3);
    is_int(times(c, "data: elements "), 1, "there is room as soon as some are not watched");
    for (i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "/list?page=2%d", i);
        dial(app, path, NULL);
    }
    is_int(logged, 2,
        "full again is not said again within the second, so that who comes and goes does not write "
        "the log");
    poll(NULL, 0, 1010);
    dial(app, "/list?page=300", NULL);
    turns(app, 3);
    is_int(logged, 3, "... but after it, once");
    dial(app, "/list?page=301", NULL);
    turns(app, 3);
    is_int(logged, 3, "... as long as nothing changes");
    dial_free(app);
}

static size_t compared_by_touching(int views) {
    sse_live_options o = options_of(enter);
    char             path[64];
    size_t           n;
    int              i;
    app = dial_app(NULL);
    sse_live(app, "/room/{id}", render, NULL);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    for (i = 0; i < views; i++) {
        snprintf(path, sizeof path, "/room/%d", i);
        dial(app, path, NULL);
        snprintf(path, sizeof path, "/mine/%d?me=x&as=usual", i);
        dial(app, path, NULL);
    }
    turns(app, 3);
    renders = 0;
    compared = 0;
    sse_touch(app, "/room/3");
    sse_touch(app, "/mine/4");
    n = compared;
    turns(app, 3);
    is_int(renders, 2, "touching two paths renders two views");
    sse_touch(app, "/mine/{id}");
    turns(app, 3);
    is_int(renders, 2 + views, "touching a route renders all of its views");
    dial_free(app);
    return n;
}

int main(void) {
    size_t few, many;
    guards();
    guards_on_streams();
    limits();
    few = compared_by_touching(10);
    many = compared_by_touching(300);
    ok(many <= few + 5, "touching compares %lu names among 20 views, %lu among 600",
        (unsigned long)few, (unsigned long)many);
    return tap_done();
}
