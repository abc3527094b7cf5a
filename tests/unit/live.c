/* live.c: guards that open the stream themselves, how many views clients can make, and what
   touching one of them costs. */
#define _DEFAULT_SOURCE
#include "nth.h"
#include <string.h>
#include "nth.h"
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

static void by_itself(void) { /* as a page without a script shows it */
    sse_buf html = {0};
    render(NULL, &html, NULL);
    ok(strstr(sse_buf_text(&html), ">- - ") != NULL, "a render without a view has no parameters");
    sse_buf_free(&html);
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
static int reads_nothing(sse_req *req, sse_str chunk, int status, void *user) {
    (void)req, (void)chunk, (void)status, (void)user;
    return 0;
}

static void guard_of(sse_req *req, void *user) { /* by the view's parameter */
    const char *how = sse_param(req, "how");
    (void)user;
    is_str(sse_path(req), sse_fmt(req, "/guarded/%s", how), "it sees the path of the view");
    is_str(sse_query(req, "from"), "here", "... and what the query of the request has besides");
    if (strcmp(how, "defers") == 0 && sse_defer(req)) return;
    if (strcmp(how, "reads") == 0)
        is_int(sse_body_read(req, reads_nothing, NULL), SSE_E_STATE, "a guard reads no body");
    if (strcmp(how, "files") == 0) sse_send_file(req, "/etc/hostname", NULL);
    if (strcmp(how, "sets") == 0) sse_set_attr(req, "user", "admin"), sse_fail(req, 401, "no");
    if (strcmp(how, "asks") == 0 && !sse_attr(req, "user")) sse_fail(req, 401, "no");
    if (strcmp(how, "asks") == 0 && sse_attr(req, "mine")) sse_set_attr(req, "mine", "changed");
    if (strcmp(how, "points") == 0)
        sse_set_attr_ptr(req, "mine", &newest), sse_set_attr_ptr(req, "its", &newest);
    if (strcmp(how, "nests") == 0)
        is_int(sse_stream_view(newest, "/room/7"), SSE_E_STATE,
            "a guard that is asked shows nothing");
    if (strcmp(how, "backs") == 0) sse_come_back(req, 0);
}

static void guarded(sse_req *req, sse_stream s) {
    sse_set_attr(req, "mine", "before");
    sse_set_attr(req, "other", "before");
    sse_set_attr_ptr(req, "mine", &app);
    sse_set_attr_ptr(req, "other", &app);
    newest = s;
    is_str(sse_query(req, "from"), "here", "a handler with a query");
    is_int(sse_stream_view(s, "/guarded/admits"), 0, "a guard that answers nothing admits");
    is_int(sse_stream_view(s, "/guarded/defers"), SSE_E_STATE,
        "one that would answer later refuses");
    is_int(sse_stream_view(s, "/guarded/reads"), SSE_E_STATE, "so does one that would read a body");
    is_int(sse_stream_view(s, "/guarded/files"), SSE_E_STATE, "one that sends a file refuses");
    is_int(sse_stream_view(s, "/guarded/backs"), SSE_E_STATE, "one that says come back refuses");
    is_int(sse_stream_view(s, "/guarded/asks"), SSE_E_STATE, "one that looks for an attr refuses");
    is_int(sse_stream_view(s, "/guarded/sets"), SSE_E_STATE, "one that sets it refuses");
    is_int(sse_stream_view(s, "/guarded/asks"), SSE_E_STATE, "and has set it for nobody else");
    is_int(sse_stream_view(s, "/guarded/points"), 0, "one that sets pointers");
    ok(sse_attr_ptr(req, "mine") == &app && !sse_attr_ptr(req, "its"),
        "... sets them for nobody else either");
    is_int(sse_stream_view(s, "/guarded/nests"), 0, "one that would show another view");
    is_int(sse_stream_view(s, "/hooked/x"), SSE_E_STATE, "a hook that would answer later refuses");
    is_str(sse_attr(req, "mine"), "before", "attrs of the handler are as they were");
    is_str(sse_path(req), "/s", "and so is its path");
    is_str(sse_query(req, "from"), "here", "and its query");
    ok(!sse_param(req, "how"), "and it has no parameters of views");
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
    dial(app, "/s?from=here", NULL);
    turns(app, 3);
    dial_free(app);
}

static void both(sse_req *req, void *user) { /* shows a view whose guard would open a stream */
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    is_int(sse_stream_view(s, "/room/9"), 0,
        "a guard that would open a stream admits one that is open");
    is_str(sse_stream_meta(s, "color"), "red", "... which is the one that it gets");
    ok(sse_subscribed(s, "room.7"), "... also to subscribe");
}

static void members(sse_req *req, void *user) { /* a hook of what only members may see */
    const char *how = sse_query(req, "how");
    (void)user;
    if (strcmp(how, "ends") == 0) {
        sse_event event;
        memset(&event, 0, sizeof event);
        event.data = "log in";
        sse_stream_end(sse_stream_open(req, NULL), &event);
    } else if (strcmp(how, "opens") == 0) (void)sse_stream_open(req, NULL);
    else sse_redirect(req, strcmp(how, "wrong") == 0 ? "/log in" : "/login");
}

static int view_errors[3]; /* what sse_stream_view answered */

static void shows_all(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    view_errors[0] = sse_stream_view(s, "/mine/1");
    view_errors[1] = sse_stream_view(s, "/mine/2");
    view_errors[2] = sse_stream_view(s, "/room/1");
}

/* Whatever a hook replies, the views behind it are not shown, on what stream it may be. */
static void refused_by_hooks(void) {
    static const struct {
        const char *how;
        int         mine, others; /* the errors of views */
    } rows[] = {
        {"leads", SSE_E_STATE, 0},
        {"wrong", SSE_E_STATE, 0},
        {"opens", SSE_E_STATE, 0},
        {"ends", SSE_E_STATE, SSE_E_CLOSED},
    };
    sse_app       *a = sse_app_new(NULL);
    sse_test_reply r;
    size_t         i;
    memset(&r, 0, sizeof r);
    sse_before(a, "/mine", members, NULL);
    sse_live(a, "/mine/{id}", render, NULL);
    sse_live(a, "/room/{id}", render, NULL);
    sse_get(a, "/all", shows_all, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char request[60];
        snprintf(request, sizeof request, "GET /all?how=%s", rows[i].how);
        (void)sse_test_request(a, request, NULL, NULL, &r);
        is_int(view_errors[0], rows[i].mine, rows[i].how);
        is_int(view_errors[1], rows[i].others ? rows[i].others : rows[i].mine, "... a second one");
        is_int(view_errors[2], rows[i].others, "... one of another path");
        is_int(strstr(r.body, "log in") != NULL, rows[i].others != 0, "... what the hook says");
        is_int(r.open, !rows[i].others, "... the stream goes on");
        sse_test_close(&r);
    }
    sse_app_free(a);
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
    is_int((long long)app->net->counts.subscriptions_refused, 1, "its topic is counted, no view");
    c = dial(app, "/room/7", NULL);
    is_int(times(c, "401"), 1, "a guard that refuses");
    c = dial(app, "/room/7?me=bob&as=usual", NULL);
    turns(app, 3);
    is_int(times(c, "data: elements "), 1, "a guard that lets the view open its stream");
    dial(app, "/both?me=eve", NULL);
    dial_free(app);
}

static void guards_of_too_many(void) { /* the stream is open already, the view is one too many */
    sse_live_options o = options_of(enter);
    sse_stats        stats;
    client          *first, *c;
    app = dial_app(NULL);
    o.max_views = 1;
    sse_live(app, "/room/{id}", render, &o);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    first = dial(app, "/room/1?me=ann&as=guest", NULL);
    c = dial(app, "/room/2?me=bob&as=guest", NULL);
    turns(app, 3);
    is_int(times(c, "HTTP/1.1 200 ") + times(c, "retry: "), 2, "its client is told to come back");
    ok(c->over && !times(c, "data: elements "), "... without a view");
    sse_stats_get(app, &stats);
    is_int((long long)stats.subscriptions_refused, 1, "... and counted");
    sse_touch(app, "/room/1");
    turns(app, 3);
    ok(!first->over && times(first, "data: elements ") == 2, "the one that there is goes on");
    dial_free(app);
}

#ifndef SSE_NO_COMPRESSION
/* ---- memory that a view lacks just when somebody joins ---- */

static long arm; /* the allocation behind the guard that fails */

static void arming(sse_req *req, void *user) {
    (void)req, (void)user;
    fail_at = arm;
}

/* The state goes out all the same, compressed by itself, as to the next one, who shares it. */
static void without_a_codec(void) {
    static const char gzip[] = "Accept: text/event-stream\nAccept-Encoding: gzip\n";
    sse_live_options  o = options_of(arming);
    int               lacked = 0;
    bool              failed = true;
    for (arm = 1; arm < 30 && failed; arm++) {
        sse_test_reply r[3];
        const long     nth = arm;
        sse_view      *view;
        size_t         before;
        bool           lacks;
        memset(r, 0, sizeof r);
        app = sse_app_new(NULL);
        sse_live(app, "/room/{id}", render, &o);
        arm = 0;
        sse_test_request(app, "GET /room/1", "Accept: text/event-stream\n", NULL, &r[0]);
        arm = nth;
        sse_test_request(app, "GET /room/1", gzip, NULL, &r[1]);
        failed = fail_at == 0;
        fail_at = arm = 0;
        view = SSE__CONTAINER(SSE__CONTAINER(app->views->lives.next, sse__live, link)->views.next,
            sse_view, link);
        lacks = view->channel.users[SSE__GZIP] && !view->channel.codecs[SSE__GZIP];
        lacked += lacks;
        sse_test_request(app, "GET /room/1", gzip, NULL, &r[2]);
        ok(r[2].open && r[2].body_len > 20, "without allocation %ld the next one has the state",
            nth);
        if (lacks)
            is_mem(r[1].body, r[1].body_len, r[2].body, r[2].body_len,
                "... and so has who joined without a codec");
        ok(failed || r[1].open, "... or all do");
        before = r[1].body_len;
        sse_touch(app, "/room/1");
        sse_test_run(app, 100);
        ok(!lacks || (r[1].open && r[1].body_len > before), "... and goes on");
        arm = nth;
        sse_test_close(&r[0]), sse_test_close(&r[1]), sse_test_close(&r[2]);
        sse_app_free(app);
    }
    ok(!failed && lacked > 0, "%d of %ld were a codec's", lacked, arm - 2);
}

/* ---- a view that goes and comes back ---- */

/* Who missed a state meanwhile has it as a key, whatever it had before, and the next one is made
   with that in mind. */
static void shown_again(void) {
    static const char *const heads[] = {"Accept-Encoding: gzip\r\n", "Accept-Encoding: br\r\n"};
    static const int         encodings[] = {SSE__GZIP, SSE__BR};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(heads); i++) {
        sse_stream        one;
        const sse__codec *codec;
        sse_view         *view;
        app = dial_app(NULL);
        sse_live(app, "/room/{id}", render, NULL);
        dial(app, "/s", heads[i]);
        one = newest;
        dial(app, "/s", heads[i]);
        is_int(sse_stream_view(one, "/room/1"), 0, "a view on a stream");
        is_int(sse_stream_view(newest, "/room/1"), 0, "... and on another");
        turns(app, 3);
        sse_touch(app, "/room/1");
        turns(app, 3);
        view = SSE__CONTAINER(SSE__CONTAINER(app->views->lives.next, sse__live, link)->views.next,
            sse_view, link);
        codec = view->channel.codecs[encodings[i]];
        is_int(sse_stream_unview(one, "/room/1"), 0, "it goes");
        sse_touch(app, "/room/1");
        turns(app, 3);
        is_int((int)(10 * codec->ndeltas + codec->nkeys), 10, "one has the next state as a delta");
        is_int(sse_stream_view(one, "/room/1"), 0, "it comes back");
        is_int((int)(10 * codec->ndeltas + codec->nkeys), 11, "... with that state as a key");
        dial_free(app);
    }
}
#endif

/* ---- many views ---- */

static int  logged;
static char logged_line[200];
static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level > SSE_LOG_WARNING || !strstr(line, "max_views")) return;
    logged++;
    snprintf(logged_line, sizeof logged_line, "%s", line);
}

static void limits(void) {
    sse_live_options o = options_of(NULL);
    sse_app_options  options;
    char             path[64];
    client          *c;
    uint64_t         from;
    int              i, said;
    memset(&options, 0, sizeof options);
    options.max_views = 20;
    options.on_log = on_log;
    app = dial_app(&options);
    from = app->loop.wheel.now;
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
    is_str(logged_line, "live view /list: all of its 20 max_views are watched", "in words");
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
    ok(logged >= 2 && logged <= 2 + (int)((app->loop.wheel.now - from) / 1000),
        "full again is not said again within the second, so that who comes and goes does not write "
        "the log: %d",
        logged);
    said = logged;
    poll(NULL, 0, 1010);
    dial(app, "/list?page=300", NULL);
    turns(app, 3);
    ok(logged <= said + 1 && logged >= 3, "... but after it, once");
    said = logged;
    dial(app, "/list?page=301", NULL);
    turns(app, 3);
    is_int(logged, said, "... as long as nothing changes");
    dial_free(app);
}

static int times_in(const char *text, const char *what) {
    int n = 0;
    while ((text = strstr(text, what)) != NULL) n++, text += strlen(what);
    return n;
}

static int get(const char *path, sse_test_reply *r) {
    char request[100];
    snprintf(request, sizeof request, "GET %s", path);
    return sse_test_request(app, request, NULL, NULL, r);
}

/* Lets nobody see page 2. */
static void no_page_2(sse_req *req, void *user) {
    const char *page = sse_query(req, "page");
    (void)user;
    if (page && strcmp(page, "2") == 0) sse_fail(req, 403, "not yours");
}

/* A guard asks for a parameter by sse_query, which decodes its name: the view must mean the same
   one. */
static void names_in_queries(void) {
    static const char *const rows[][2] = {
        {"/list?page=1", "1"},
        {"/list?%70age=1&page=2", "1"},
        {"/list?p%61%67e=1", "1"},
        {"/list?pag=2&pagee=2&%70ag%6=2&p+ge=2&page%00=2", NULL},
        {"/list?page=%&page=1", "1"},
        {"/list?pag%65=2", NULL},
    };
    sse_live_options o = options_of(no_page_2);
    sse_test_reply   r;
    char             want[64];
    size_t           i;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    o.query = "page";
    sse_live(app, "/list", render, &o);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        snprintf(want, sizeof want, "<p id=\"x\">- %s ", rows[i][1] ? rows[i][1] : "-");
        is_int(get(rows[i][0], &r), 0, rows[i][0]);
        if (r.status == 200)
            ok(strstr(r.body, want) != NULL, "the page that the guard saw is shown");
        else ok(!rows[i][1] && r.status >= 400, "or the guard refuses it");
        is_int(sse_touch(app, rows[i][0]), 0, "sse_touch reads it likewise");
        sse_test_run(app, 0);
        if (r.status == 200) is_int(times_in(r.body, want), 2, "rendered again");
        sse_test_close(&r);
    }
    sse_app_free(app);
}

/* A path without a query stands for all the views that a query tells apart there, and no others. */
static void touched_by_path(void) {
    static const char *const watched[] = {"/one/a", "/one/a?page=2", "/one/a?sort=x&page=3",
        "/one/a%20b?page=2", "/one/b?page=2", "/list", "/list?page=2", "/plain/a?page=2"};
    static const struct {
        const char *path, *rendered;
    } rows[] = {{"/one/a", "aaa....."}, {"/one/%61", "aaa....."}, {"/one/a?page=2", ".a......"},
        {"/one/a?other=1&page=2", ".a......"}, {"/one/a?page=3", "........"},
        {"/one/a?page=3&sort=x", "..a....."}, {"/one/a?", "a......."},
        {"/one/a?other=1", "a......."}, {"/one/a%20b", "...a...."}, {"/one/b", "....a..."},
        {"/one/c", "........"}, {"/one/{id}", "aaaaa..."}, {"/list", ".....aa."},
        {"/l%69st", ".....aa."}, {"/list?page=2", "......a."}, {"/list?", ".....a.."},
        {"/plain/a", ".......a"}, {"/plain/a?page=3", ".......a"}};
    sse_live_options o = options_of(NULL);
    sse_test_reply   r[SSE__COUNT(watched)];
    char             got[SSE__COUNT(watched) + 1] = {0};
    size_t           i, k;
    memset(r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_live(app, "/plain/{id}", render, &o);
    o.query = "page sort";
    sse_live(app, "/one/{id}", render, &o);
    sse_live(app, "/list", render, &o);
    for (k = 0; k < SSE__COUNT(watched); k++) is_int(get(watched[k], &r[k]), 0, watched[k]);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        size_t before[SSE__COUNT(watched)];
        for (k = 0; k < SSE__COUNT(watched); k++) before[k] = strlen(r[k].body);
        is_int(sse_touch(app, rows[i].path), 0, rows[i].path);
        sse_test_run(app, 0);
        for (k = 0; k < SSE__COUNT(watched); k++) got[k] = r[k].body[before[k]] ? 'a' : '.';
        is_str(got, rows[i].rendered, "... renders those, and no others");
    }
    for (k = 0; k < 3; k++) sse_test_close(&r[k]);
    is_int(sse_touch(app, "/one/a"), 0, "a path that all have left");
    is_int(get("/one/a?page=7", &r[0]), 0, "... and one comes to");
    i = strlen(r[0].body);
    sse_touch(app, "/one/a");
    sse_test_run(app, 0);
    ok(r[0].body[i] != '\0', "... is touched by it");
    for (k = 0; k < SSE__COUNT(watched); k++) sse_test_close(&r[k]);
    sse_app_free(app);
}

/* Follows the view that its query names, ?view=, with what the query has besides. */
static void shows(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    if (sse_stream_view(s, sse_query(req, "view"))) sse_stream_end(s, NULL);
}

static void mine(sse_req *req, void *user) {
    const char *page = sse_query(req, "page"), *token = sse_query(req, "token");
    (void)user;
    if (!token || strcmp(token, "t") != 0) sse_fail(req, 401, "who is it?");
    else if (!page || strcmp(page, "mine") != 0) sse_fail(req, 403, "not yours");
}

/* On a stream that is open a view has its own parameters only, and its guard is shown no others of
   those names. V5 */
static void guards_of_more_views(void) {
    static const struct {
        const char *path;
        bool        shown;
    } rows[] = {
        {"/all?token=t&view=/list", false},
        {"/all?token=t&view=/list&page=mine", false},
        {"/all?page=mine&token=t&view=/list", false},
        {"/all?token=t&view=/list&%70age=mine", false},
        {"/all?token=t&view=/list%3Fpage=yours&page=mine", false},
        {"/all?token=t&view=/list%3Fpage=%25zz&page=mine", false},
        {"/all?token=t&view=/list%3Fpag=mine&page=mine", false},
        {"/all?view=/list%3Fpage=mine", false},
        {"/all?token=t&view=/list%3Fpage=mine", true},
        {"/all?token=t&view=/list%3Fpage=mine&page=yours", true},
    };
    sse_live_options o = options_of(mine);
    sse_test_reply   r;
    size_t           i;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    o.query = "other page";
    sse_live(app, "/list", render, &o);
    sse_get(app, "/all", shows, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(get(rows[i].path, &r), 0, rows[i].path);
        is_int(times_in(r.body, "<p id=\"x\">"), rows[i].shown, "shown, or not");
        if (rows[i].shown) ok(strstr(r.body, "<p id=\"x\">- mine ") != NULL, "with its own page");
        sse_test_close(&r);
    }
    sse_app_free(app);
}

static size_t compared_by_touching(int views) {
    sse_live_options o = options_of(enter), pages = options_of(NULL);
    char             path[64];
    size_t           n;
    int              i;
    app = dial_app(NULL);
    sse_live(app, "/room/{id}", render, NULL);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    pages.query = "page";
    sse_live(app, "/list/{id}", render, &pages);
    for (i = 0; i < views; i++) {
        snprintf(path, sizeof path, "/room/%d", i);
        dial(app, path, NULL);
        snprintf(path, sizeof path, "/list/%d?page=1", i);
        dial(app, path, NULL);
        snprintf(path, sizeof path, "/mine/%d?me=x&as=usual", i);
        dial(app, path, NULL);
    }
    turns(app, 3);
    renders = 0;
    compared = 0;
    sse_touch(app, "/room/3");
    sse_touch(app, "/mine/4");
    sse_touch(app, "/list/5");
    n = compared;
    turns(app, 3);
    is_int(renders, 3, "touching three paths renders three views");
    sse_touch(app, "/mine/{id}");
    turns(app, 3);
    is_int(renders, 3 + views, "touching a route renders all of its views");
    dial_free(app);
    return n;
}

/* ---- memory that a view lacks as it is joined ---- */

static long short_at; /* the allocation behind the guard that fails */

static void enter_short(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "room.7"); /* the view is not its first */
    fail_at = short_at;
}

static void joined_without_memory(void) {
    sse_live_options o = options_of(enter_short);
    long             n;
    int              lacked = 0;
    for (n = 1; n < 50; n++) {
        sse_test_reply r[2];
        memset(r, 0, sizeof r);
        app = sse_app_new(NULL);
        sse_live(app, "/room/{id}", render, &o);
        short_at = 0;
        sse_test_request(app, "GET /room/1", "Accept: text/event-stream\n", NULL, &r[0]);
        short_at = n;
        sse_test_request(app, "GET /room/1", "Accept: text/event-stream\n", NULL, &r[1]);
        short_at = fail_at;
        fail_at = 0;
        if (times_in(r[1].body, "retry: ")) {
            lacked++;
            is_int((long long)app->net->counts.subscriptions_refused, 1, "who is turned away");
        }
        sse_test_close(&r[0]), sse_test_close(&r[1]);
        sse_app_free(app);
        if (short_at) break;
    }
    ok(lacked > 2 && n < 50, "... is counted, whatever there was no memory for: %d times", lacked);
}

/* ---- views that have nothing to show yet ---- */

static int             skips, problems; /* how often the next renders skip; lines in the log */
static sse_app_options quiet;

static void on_problem(int level, const char *line, void *user) {
    (void)line, (void)user;
    problems += level <= SSE_LOG_WARNING;
}

static sse_app *test_app(void) {
    memset(&quiet, 0, sizeof quiet);
    quiet.on_log = on_problem;
    renders = problems = 0;
    return app = sse_app_new(&quiet);
}

static int in(const sse_test_reply *r, const char *what) { /* how often */
    const char *at = r->body;
    int         n = 0;
    for (; (at = strstr(at, what)) != NULL; at += strlen(what)) n++;
    return n;
}

static void render_all(sse_view *view, sse_buf *html, void *user) {
    static const char *const names[] = {"id", "page", "sort"};
    size_t                   i;
    (void)user;
    sse_puts(html, "<p id=\"x\">");
    for (i = 0; i < SSE__COUNT(names); i++) {
        const char *value = sse_view_param(view, names[i]);
        sse_html(html, "%s ", value ? value : "-");
    }
}

/* What separates the parameters of a view from each other may also stand in one. */
static void separators_in_parameters(void) {
    static const char *const rows[][2] = {
        {"/room/7%26page=2", "7&amp;page=2 - - "},
        {"/room/7?page=2", "7 2 - "},
        {"/room/7?page=2&sort=3", "7 2 3 "},
        {"/room/7?page=2%26sort=3", "7 2&amp;sort=3 - "},
        {"/room/7%26page=2?sort=3", "7&amp;page=2 - 3 "},
    };
    sse_live_options o = options_of(NULL);
    sse_test_reply   r[SSE__COUNT(rows)];
    size_t           i;
    memset(r, 0, sizeof r);
    test_app();
    o.query = "page sort";
    sse_live(app, "/room/{id}", render_all, &o);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        is_int(get(rows[i][0], &r[i]), 0, rows[i][0]);
        is_int(times_in(r[i].body, rows[i][1]), 1, "is a view of its own");
    }
    is_int((long long)app->views->shared.count, SSE__COUNT(rows), "of all the others");
    for (i = 0; i < SSE__COUNT(rows); i++) sse_test_close(&r[i]);
    sse_app_free(app);
}

static void render_or_skip(sse_view *view, sse_buf *html, void *user) {
    render(view, html, user);
    if (skips-- > 0) is_int(sse_view_skip(html), 0, "skipping");
}

static void each_or_skip(sse_req *req, sse_buf *html, void *user) {
    render_each(req, html, user);
    if (skips-- > 0) sse_view_skip(html);
}

static void whole_page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "page ");
    is_int(sse_view_skip(sse_out(req)), SSE_E_STATE, "a page cannot skip");
}

static void skipping(void) { /* V2 */
    sse_test_reply one, two;
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    test_app();
    sse_live(app, "/room/{id}", render_or_skip, NULL);
    sse_live_each(app, "/mine", each_or_skip, NULL);
    sse_get(app, "/page", whole_page, NULL);
    get("/page", &one);
    is_str(one.body, "page ", "and loses nothing");
    is_int(sse_view_skip(NULL), SSE_E_STATE, "nor can nothing");
    is_int(sse_view_skip(&app->views->html), SSE_E_STATE, "nor a render that is over");
    skips = 2;
    get("/room/7", &one);
    ok(one.open && one.status == 200 && one.body_len == 0 && renders == 1, "no state yet");
    get("/room/7", &two);
    ok(two.open && two.body_len == 0 && renders == 2, "nor for who joins: it was asked again");
    sse_test_run(app, 10000);
    ok(renders == 2 && app->net->counts.renders_failed == 0, "it is no failure, and not retried");
    sse_touch(app, "/room/7");
    sse_test_run(app, 0);
    ok(in(&one, "7 - 3</p>") == 1 && in(&two, "7 - 3</p>") == 1, "the next change shows all");
    skips = 1;
    sse_touch(app, "/room/7");
    sse_test_run(app, 20000);
    ok(in(&one, "data: elements ") == 1 && one.open, "later the last state stays");
    get("/room/7", &two);
    is_int(in(&two, "7 - 3</p>"), 1, "also for who joins");
    sse_touch(app, "/room/7");
    sse_test_run(app, 0);
    ok(in(&one, "7 - 5</p>") == 1 && in(&two, "7 - 5</p>") == 1, "until there is another");
    skips = 1;
    get("/mine", &one);
    ok(one.open && one.body_len == 0, "a private view skips as well");
    sse_touch(app, "/mine");
    sse_test_run(app, 0);
    is_int(in(&one, "data: elements "), 1, "until it has something");
    is_int(problems, 0, "the log has heard of none of it");
    sse_app_free(app);
    sse_test_close(&one);
    sse_test_close(&two);
}

/* ---- several views on a stream, and fewer ---- */

static void name_guard(sse_req *req, void *user) {
    const char *me = sse_query(req, "me");
    (void)user;
    if (me && strcmp(me, "no") == 0) sse_fail(req, 403, "no");
    else sse_set_attr(req, "me", me ? me : "nobody");
}

static void several(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    newest = s;
    is_int(sse_stream_view(s, "/mine/1?me=ann"), 0, "a private view on a stream that is open");
    is_int(sse_stream_view(s, "/mine/1?me=ann"), 0, "twice is once");
    is_int(sse_stream_view(s, "/mine/1?me=bob"), 0, "another query is another view");
    is_int(sse_stream_view(s, "/mine/1?me=no"), SSE_E_STATE, "its guard refuses");
    is_int(sse_stream_view(s, "/room/7"), 0, "a shared one beside them");
    is_int(sse_stream_view(s, "/room/8"), 0, "and another");
    is_int(sse_stream_unview(s, "/room/9"), SSE_E_ARG, "one that is not shown");
    is_int(sse_stream_unview(s, "/nowhere"), SSE_E_ARG, "one that there is not");
    is_int(sse_stream_unview(s, NULL), SSE_E_ARG, "none");
}

static void only_briefly(sse_req *req, void *user) {
    (void)user;
    newest = sse_stream_open(req, NULL);
    sse_stream_view(newest, "/room/7"); /* it has a state, which is queued now */
    is_int(sse_stream_unview(newest, "/room/7"), 0, "a view is taken off at once");
}

static void unviews_itself(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "self");
    is_int(sse_stream_unview(newest, "/self"), SSE_E_STATE, "not in its own render");
}

static void shows_self(sse_req *req, void *user) {
    (void)user;
    newest = sse_stream_open(req, NULL);
    sse_stream_view(newest, "/self");
}

static void several_views(void) {
    sse_live_options o = options_of(name_guard);
    sse_test_reply   all, one;
    sse_stream_stats stats;
    memset(&all, 0, sizeof all);
    memset(&one, 0, sizeof one);
    test_app();
    sse_live(app, "/room/{id}", render, NULL);
    sse_live(app, "/self", unviews_itself, NULL);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    sse_get(app, "/all", several, NULL);
    sse_get(app, "/brief", only_briefly, NULL);
    sse_get(app, "/selfish", shows_self, NULL);
    get("/all?me=request", &all);
    ok(in(&all, "<p id=\"x\">ann ") == 1 && in(&all, "<p id=\"x\">bob ") == 1,
        "each private view is rendered for what its guard saw");
    ok(in(&all, "data: elements ") == 4, "with the shared ones");
    is_int((long long)app->net->counts.subscriptions_refused, 0,
        "who is refused by a guard is no "
        "trouble");
    sse_touch(app, "/mine/1");
    sse_test_run(app, 0);
    is_int(in(&all, "data: elements "), 6, "touching their path renders both");
    is_int(sse_stream_unview(newest, "/mine/1?me=bob"), 0, "one of them goes");
    is_int(sse_stream_unview(newest, "/mine/1?me=bob"), SSE_E_ARG, "once");
    is_int(sse_stream_unview(newest, "/room/8"), 0, "and a shared one, with its view");
    is_int((long long)app->views->shared.count, 1, "which is gone");
    sse_touch(app, "/mine/1");
    sse_touch(app, "/room/8");
    sse_test_run(app, 0);
    ok(in(&all, "data: elements ") == 7 && in(&all, "<p id=\"x\">ann ") == 3, "the other goes on");
    is_int(problems, 1, "what is not shown cannot go: the log says so, once a second");
    problems = 0;
    is_int(sse_stream_view(newest, "/mine/1?me=bob"), SSE_E_STATE, "later there is no request");
    is_int(problems, 1, "which the log says");
    is_int(sse_stream_view(newest, "/room/8"), 0, "a shared one comes back");
    sse_test_run(app, 0);
    is_int(in(&all, "data: elements "), 8, "with its state");
    get("/brief", &one);
    ok(one.open && one.body_len == 0, "a state that has not left is taken back");
    is_int(sse_stream_stats_get(newest, &stats), 0, "... as its stream says");
    is_int((int)stats.bytes, 0, "... which has sent nothing");
    sse_touch(app, "/room/7");
    sse_test_run(app, 0);
    ok(one.body_len == 0 && in(&all, "data: elements ") == 9, "others still follow");
    get("/mine/1?me=eve", &one);
    get("/selfish", &one);
    is_int(in(&one, "data: elements self"), 1, "what it rendered is sent");
    is_int(sse_stream_unview(newest, "/self"), 0, "afterwards it can go");
    sse_test_close(&all);
    is_int(sse_stream_unview(newest, "/self"), SSE_E_ARG, "and is gone");
    sse_test_close(&one);
    is_int(sse_stream_unview(newest, "/self"), SSE_E_CLOSED, "with its stream");
    is_int((long long)app->views->shared.count + (long long)app->views->paths.count, 0,
        "no view is left");
    sse_app_free(app);
}

/* ---- what Datastar finds by its id ---- */

static char        no_id[600]; /* what the log says of it */
static int         no_ids;
static const char *text_now;

static void on_no_id(int level, const char *line, void *user) {
    (void)user;
    if (level > SSE_LOG_WARNING || !strstr(line, "Datastar")) return;
    no_ids++;
    snprintf(no_id, sizeof no_id, "%s", line);
}

static void render_text(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, text_now);
}

static void each_text(sse_req *req, sse_buf *html, void *user) {
    (void)req, (void)user;
    sse_puts(html, text_now);
}

static void test_ids(void) {
    static const struct {
        const char *text;
        int         lacks; /* what would find its element */
        sse_format  format;
        sse_mode    mode;
        const char *selector;
    } rows[] = {
        {"<p>a</p>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p>a</p>", 1, SSE_AS_ELEMENTS, SSE_OUTER, ""},
        {"<p>a</p>", 1, SSE_AS_ELEMENTS, SSE_REPLACE, NULL},
        {"<p>a</p>", 0, SSE_AS_ELEMENTS, SSE_OUTER, "#a"},
        {"<p>a</p>", 0, SSE_AS_ELEMENTS, SSE_REPLACE, "#a"},
        {"<p>a</p>", 0, SSE_AS_ELEMENTS, SSE_INNER, "#a"},
        {"<p>a</p>", 0, SSE_AS_ELEMENTS, SSE_APPEND, "#a"},
        {"<p>a</p>", 0, SSE_AS_ELEMENTS, SSE_REMOVE, "#a"},
        {"<p>a</p>", 0, SSE_AS_DATA, SSE_OUTER, NULL},
        {"{\"a\":\"<p>\"}", 0, SSE_AS_SIGNALS, SSE_OUTER, NULL},
        {"<p id=\"a\">a</p>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id='a'>a</p>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id=a>a</p>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<P\n\tID\n=\n\"a\">a", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<br/id=a>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p class=\"> id=a\" hidden id=a>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p class=\"> id=a\" hidden>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p class='\" id=a'>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p data-id=\"a\" idx=a>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id>a", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id=\"\">a", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id= >a", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p><b id=a></b>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"  \n<!-- <p> --><!doctype x><p id=a>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<!-- id=a --><p>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"1 < 2 <p id=a>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"plain text", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"</p> <", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<!doctype html><html><body>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<HEAD><title>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<body class=x>", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<header>", 1, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {" \n<!-- nothing -->", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<!-- no end", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p class=\"no end", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
        {"<p id=", 0, SSE_AS_ELEMENTS, SSE_OUTER, NULL},
    };
    size_t i, k;
    for (i = 0; i < SSE__COUNT(rows); i++)
        for (k = 0; k < 2; k++) {
            sse_live_options  o = options_of(NULL);
            sse_patch_options patch;
            sse_app_options   app_options;
            sse_test_reply    one, two;
            memset(&patch, 0, sizeof patch);
            memset(&app_options, 0, sizeof app_options);
            memset(&one, 0, sizeof one);
            memset(&two, 0, sizeof two);
            app_options.on_log = on_no_id;
            app = sse_app_new(&app_options);
            patch.mode = rows[i].mode;
            patch.selector = rows[i].selector;
            o.patch = rows[i].format == SSE_AS_ELEMENTS ? &patch : NULL;
            o.format = rows[i].format;
            no_ids = 0;
            text_now = rows[i].text;
            is_int(k ? sse_live_each(app, "/view/{a}", each_text, &o)
                     : sse_live(app, "/view/{a}", render_text, &o),
                0, text_now);
            get("/view/1", &one);
            get("/view/2", &two);
            sse_touch(app, "/view/{a}");
            sse_test_run(app, 0);
            is_int(no_ids, rows[i].lacks, "is told of once, if only an id could find its element");
            sse_test_close(&one);
            sse_test_close(&two);
            sse_app_free(app);
        }
    is_int(strncmp(no_id, "live view /view/{a}: ", 21), 0, no_id);
    ok(strstr(no_id, "id=\"...\"") && strstr(no_id, ".selector"), "... which says what to add");
}

/* ---- a stream that cannot be opened ---- */

static sse_stream watcher;
static int        unwatched; /* what its leaving answered; 1: it was not asked to */

static void watch(sse_req *req, void *user) {
    (void)user;
    watcher = sse_stream_open(req, NULL);
    sse_stream_view(watcher, "/state");
}

static void leave_for_it(sse_stream s, sse_reason reason, void *user) {
    (void)reason, (void)user;
    if (!s.app && unwatched == 1) unwatched = sse_stream_unview(watcher, "/state");
}

static void not_opened(void) {
    sse_stream_options stream;
    sse_live_options   o = options_of(NULL);
    sse_test_reply     first, second;
    int                n;
    memset(&stream, 0, sizeof stream);
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    stream.on_close = leave_for_it;
    o.stream = &stream;
    for (n = 1, unwatched = 1; n < 60 && unwatched; n++) {
        app = sse_app_new(NULL);
        sse_live(app, "/state", render, &o);
        sse_get(app, "/watch", watch, NULL);
        sse_test_request(app, "GET /watch", NULL, NULL, &first);
        unwatched = 1;
        fail_at = n;
        sse_test_request(app, "GET /state", "Accept: text/event-stream", NULL, &second);
        fail_at = 0;
        if (!unwatched) is_int(app->views->shared.count, 0, "a view without any watcher goes");
        sse_app_free(app);
        sse_test_close(&first);
        sse_test_close(&second);
    }
    is_int(unwatched, 0, "... by the on_close of a stream that was to watch it, too");
}

/* ---- views that are touched, or taken off, without memory ---- */

static void without_memory(void) {
    sse_test_reply r;
    long           n;
    int            touched = SSE_E_NOMEM, gone = SSE_E_NOMEM, before, lacked = 0;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_live(app, "/{id}", render, NULL); /* GET /watch shows /state */
    sse_get(app, "/watch", watch, NULL);
    sse_test_request(app, "GET /watch", NULL, NULL, &r);
    for (n = 1; n < 20 && touched; n++) {
        before = renders;
        fail_at = n;
        touched = sse_touch(app, "/state");
        lacked += fail_at == 0;
        is_int(touched, fail_at == 0 ? SSE_E_NOMEM : 0, "a touch says if it lacked memory");
        fail_at = 0;
        sse_test_run(app, 1);
        is_int(renders - before, touched == 0, "... else the view is rendered");
    }
    for (n = 1; n < 20 && gone; n++) {
        fail_at = n;
        gone = sse_stream_unview(watcher, "/state");
        lacked += fail_at == 0;
        is_int(gone, fail_at == 0 ? SSE_E_NOMEM : 0, "so does the end of a view");
        fail_at = 0;
    }
    ok(!touched && !gone && lacked > 2, "%d allocations failed", lacked);
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- what a private view keeps of its request ---- */

static void render_texts(sse_req *req, sse_buf *html, void *user) { /* all anew each time */
    char much[500];
    int  i;
    (void)user;
    memset(much, 'x', sizeof much);
    if (!sse_attr(req, "first")) sse_set_attr(req, "first", "1");
    for (i = 0; i < 10; i++) sse_fmt(req, "%.*s", (int)sizeof much, much);
    sse_html(html, "<p id=\"x\">%s %s %s %d</p>", sse_cookie(req, "c"), sse_query(req, "q"),
        sse_attr(req, "first"), ++renders);
}

static size_t kept_by(const sse_view *view) {
    const sse__arena_block *block = view->req->arena.blocks;
    size_t                  n = 0;
    for (; block; block = block->next) n += block->size;
    return n;
}

static void texts_of_renders(void) {
    sse_test_reply r;
    sse_view      *view;
    size_t         before = 0;
    int            i;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_live_each(app, "/mine", render_texts, NULL);
    sse_test_request(app, "GET /mine?q=2", "Cookie: c=1\n", NULL, &r);
    view = SSE__CONTAINER(SSE__CONTAINER(app->views->lives.next, sse__live, link)->views.next,
        sse_view, link);
    for (i = 0; i < 40; i++) {
        sse_touch(app, "/mine");
        sse_test_run(app, 1);
        if (i == 1) before = kept_by(view);
    }
    is_int(kept_by(view), before, "what a render makes of texts goes with it");
    ok(strstr(r.body, ">1 2 1 ") != NULL, "... not what it reads, nor what it sets");
    sse_test_close(&r);
    sse_app_free(app);
}

static void names(sse_req *req, void *user) {
    (void)user;
    sse_set_attr(req, "me", "ann");
    sse_set_attr(req, "gone", "soon");
    sse_set_attr(req, "gone", NULL);
}

static const char *shown(const char *text) { return text ? text : "-"; }

/* Each render reads one thing more for the first time, behind texts that are for this render
   alone: those take the place of none that was read before. */
static void render_what_it_knows(sse_req *req, sse_buf *html, void *user) {
    const int   k = ++renders;
    const char *junk = sse_fmt(req, "%2000s", "junk");
    (void)user;
    if (k == 5) sse_set_attr(req, "later", "set");
    if (k == 8) sse_set_attr_ptr(req, "later", &renders);
    sse_html(html, "<p id=x>%s %s %s %s %s", sse_path(req), shown(sse_param(req, "id")),
        shown(sse_header(req, "X-A")), shown(sse_attr(req, "me")), shown(sse_attr(req, "gone")));
    if (k > 1) sse_html(html, " %s", shown(sse_query(req, "q")));
    if (k > 2) sse_html(html, " %s", shown(sse_cookie(req, "c")));
    if (k > 3) sse_html(html, " %s", sse_header_all(req)->name);
    if (k > 4) sse_html(html, " %s", shown(sse_attr(req, "later")));
    if (k > 5) sse_html(html, " %s", shown(sse_signal(req, "s")));
    if (k > 6) sse_html(html, " %s", sse_peer(req));
    if (k > 7) sse_html(html, " %d", sse_attr_ptr(req, "later") == &renders);
    sse_html(html, " %d %d</p>", k, (int)strlen(junk));
}

static void private_requests(void) {
    static const char head[] = "Accept: text/event-stream\nX-A: own\nCookie: c=mine\n",
                      other[] = "Host: localhost\nX-A: xxxxxxxxxxxxxxxxxxxx\nCookie: c=other\n",
                      want[] = "<p id=x>/mine/7 7 own ann - two words mine Accept set sig "
                               "127.0.0.1 1 ";
    sse_live_options o = options_of(names);
    sse_test_reply   r, others;
    int              i;
    char             line[200];
    memset(&r, 0, sizeof r);
    memset(&others, 0, sizeof others);
    renders = 0;
    o.every_ms = 1000;
    app = sse_app_new(NULL);
    sse_live_each(app, "/mine/{id}", render_what_it_knows, &o);
    sse_test_request(app, "GET /mine/7?q=two+words&datastar=%7B%22s%22:%22sig%22%7D", head, NULL,
        &r);
    for (i = 1; i < 12; i++) {
        sse_test_request(app, "GET /none/8?q=nothing", other, NULL, &others);
        is_int(renders, i, "a render a second");
        snprintf(line, sizeof line, "%s%d 2000</p>", want, i);
        ok(i < 8 || strstr(r.body, line), "... has all that it, or one before, has read: %d", i);
        sse_test_run(app, 1000);
    }
    sse_test_close(&r);
    sse_test_close(&others);
    sse_app_free(app);
}

static char reply_line[400]; /* the latest warning */
static int  reply_error;     /* what the call answered */

static void on_reply_line(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(reply_line, sizeof reply_line, "%s", line);
}

static const char *const reply_calls[] = {"sse_out", "sse_set_status", "sse_set_type",
    "sse_set_header", "sse_set_cookie", "sse_set_cookie_signed", "sse_redirect", "sse_fail",
    "sse_send_file", "sse_defer", "sse_finish", "sse_stream_open", "sse_body_read"};

static void render_reply(sse_req *req, sse_buf *html, void *user) { /* html alone is what it has */
    sse_buf own = {NULL, 0, 0, SSE_OK};
    (void)user;
    if (!renders) {
        is_int(sse_view_skip(&own), SSE_E_STATE, "a render does not skip with a buffer of its own");
        is_str(reply_line, "sse_view_skip: /each: html is not the buffer of the render",
            "... as the log says");
        reply_line[0] = '\0';
    }
    sse_req_app(req)->phase_warned_ms = 0;
    switch (renders) {
    case 0: reply_error = sse_out(req)->error; break;
    case 1: reply_error = sse_set_status(req, 201); break;
    case 2: reply_error = sse_set_type(req, "text/plain"); break;
    case 3: reply_error = sse_set_header(req, "X-A", "b"); break;
    case 4: reply_error = sse_set_cookie(req, "a", "b", NULL); break;
    case 5: reply_error = sse_set_cookie_signed(req, "a", "b", NULL); break;
    case 6: reply_error = sse_redirect(req, "/"); break;
    case 7: reply_error = sse_fail(req, 400, "no"); break;
    case 8: reply_error = sse_send_file(req, "sse.h", NULL); break;
    case 9: reply_error = sse_defer(req); break;
    case 10: reply_error = sse_finish(req); break;
    case 11: reply_error = sse_stream_open(req, NULL).app ? SSE_OK : SSE_E_STATE; break;
    default: reply_error = sse_body_read(req, reads_nothing, NULL);
    }
    sse_html(html, "<p id=x>%d</p>", renders);
}

static void replies_of_renders(void) {
    sse_test_reply  r;
    sse_app_options o;
    char            want[200];
    memset(&r, 0, sizeof r);
    memset(&o, 0, sizeof o);
    o.on_log = on_reply_line;
    app = sse_app_new(&o);
    sse_live_each(app, "/each", render_reply, NULL);
    for (renders = 0; renders < (int)SSE__COUNT(reply_calls); renders++) {
        reply_line[0] = '\0';
        if (renders) sse_touch(app, "/each");
        if (renders) sse_test_run(app, 1);
        else sse_test_request(app, "GET /each?a=1", NULL, NULL, &r);
        is_int(reply_error, SSE_E_STATE, reply_calls[renders]);
        snprintf(want, sizeof want, "%s: not possible in a render, which writes to html (/each)",
            reply_calls[renders]);
        is_str(reply_line, want, "... as the log says");
        snprintf(want, sizeof want, "<p id=x>%d</p>", renders);
        ok(r.open && strstr(r.body, want), "... and what it wrote to html is shown");
    }
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- the signals of a further view ---- */

static void signal_guard(sse_req *req, void *user) {
    (void)user;
    is_str(sse_signal(req, "a"), "2", "a guard is shown the signals of its view");
}

static void render_signal(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    is_str(sse_signal(req, "a"), "2", "... which the view is rendered with");
    sse_puts(html, "<p id=\"x\"></p>");
}

static void shows_signals(sse_req *req, void *user) { /* ?read=first */
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    if (sse_query(req, "read")) is_str(sse_signal(req, "a"), "1", "a signal of the request");
    is_int(sse_stream_view(s, "/each?datastar=%7B%22a%22:2%7D"), 0, "a view with others");
    is_str(sse_signal(req, "a"), "1", "... and the handler has its own");
}

static void signals_of_views(void) {
    sse_test_reply   r;
    sse_live_options o = options_of(signal_guard);
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_live_each(app, "/each", render_signal, &o);
    sse_get(app, "/shows", shows_signals, NULL);
    sse_test_request(app, "GET /shows?datastar=%7B%22a%22:1%7D", NULL, NULL, &r);
    ok(r.open, "a stream");
    sse_test_close(&r);
    sse_test_request(app, "GET /shows?read=first&datastar=%7B%22a%22:1%7D", NULL, NULL, &r);
    ok(r.open, "another");
    sse_test_close(&r);
    sse_app_free(app);
}

/* ---- the parameters of a handler that shows a view ---- */

static void shows_room(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    is_int(sse_stream_view(s, "/room/7"), 0, "a view with a parameter");
    is_str(sse_param(req, "own"), "here", "... leaves those of the handler");
    ok(!sse_param(req, "id"), "... and adds none");
}

static void shows_mine(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    *(int *)user = sse_stream_view(s, "/mine/1?me=ann");
}

static void ends_it(sse_req *req, void *user) {
    (void)req, (void)user;
    sse_stream_end(newest, NULL);
}

static void ended_by_guard(sse_req *req, void *user) {
    newest = sse_stream_open(req, NULL);
    *(int *)user = sse_stream_view(newest, "/ends");
}

static void private_views(void) { /* each stream has its own */
    sse_live_options o = options_of(name_guard), ends = options_of(ends_it);
    sse_test_reply   one, two;
    int              error = 1;
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    app = sse_app_new(NULL);
    sse_live_each(app, "/mine/{id}", render_each, &o);
    sse_live_each(app, "/ends", render_each, &ends);
    sse_get(app, "/shows", shows_mine, &error);
    sse_get(app, "/ended", ended_by_guard, &error);
    get("/shows", &one);
    get("/shows", &two);
    is_int(error, 0, "a private view on two streams");
    ok(times_in(one.body, ">ann ") == 1 && times_in(two.body, ">ann ") == 1, "shows on both");
    sse_touch(app, "/mine/1");
    sse_test_run(app, 0);
    ok(times_in(one.body, ">ann ") == 2 && times_in(two.body, ">ann ") == 2, "and again");
    sse_test_close(&one);
    get("/ended", &one);
    is_int(error, SSE_E_CLOSED, "a guard that ends the stream: there is none to show it on");
    sse_test_close(&one);
    sse_test_close(&two);
    sse_app_free(app);
}

static void render_bytes(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_raw(html, "a\0b", 3);
}

static void plain_events(void) { /* their data may hold anything */
    static const char want[] = "event: state\ndata: a\0b\n\n";
    sse_live_options  o = options_of(NULL);
    sse_test_reply    r;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    o.format = SSE_AS_DATA;
    o.event = "state";
    sse_live(app, "/bytes", render_bytes, &o);
    get("/bytes", &r);
    is_mem(r.body, r.body_len, want, sizeof want - 1, "a NUL in plain data, under its name");
    sse_test_close(&r);
    sse_app_free(app);
}

/* Opens the stream, and finds no memory for what the view should know. */
static void short_guard(sse_req *req, void *user) {
    static char long_one[100000];
    (void)user;
    memset(long_one, 'x', sizeof long_one - 1);
    sse_stream_open(req, NULL);
    fail_at = 1;
    is_int(sse_set_attr(req, "me", long_one), SSE_E_NOMEM, "no memory for an attr");
    fail_at = 0;
}

static void around_views(void) {
    sse_live_options o = options_of(short_guard);
    sse_test_reply   r;
    memset(&r, 0, sizeof r);
    app = sse_app_new(NULL);
    sse_live(app, "/room/{id}", render, NULL);
    sse_live(app, "/short", render, &o);
    sse_get(app, "/shows/{own}", shows_room, NULL);
    get("/shows/here", &r);
    ok(r.open, "a stream");
    get("/short", &r);
    sse_test_run(app, 0);
    ok(!r.open && !times_in(r.body, "<p id="), "a guard that lacked memory: no view is shown");
    is_int(times_in(r.body, "retry: "), 1, "and its client told to come back");
    sse_test_close(&r);
    sse_app_free(app);
}

static long nth_of_view;
static int  error_of_view;

static void shows_scarcely(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    fail_at = nth_of_view;
    error_of_view = sse_stream_view(s, "/own/1");
    nth_of_view = fail_at;
    fail_at = 0;
}

/* Whatever memory a private view lacks, that is what is said. */
static void each_without_memory(void) {
    sse_test_reply r;
    long           n;
    int            lacked = 0;
    memset(&r, 0, sizeof r);
    for (n = 1; n < 60; n++) {
        app = sse_app_new(NULL);
        sse_live_each(app, "/own/{id}", render_each, NULL);
        sse_get(app, "/show", shows_scarcely, NULL);
        nth_of_view = n;
        (void)sse_test_request(app, "GET /show", NULL, NULL, &r);
        if (nth_of_view == 0) is_int(error_of_view, SSE_E_NOMEM, "a private view lacks memory");
        lacked += nth_of_view == 0;
        sse_test_close(&r);
        sse_app_free(app);
        if (nth_of_view > 0) break;
    }
    ok(lacked > 3 && n < 60, "... in %d places", lacked);
    is_int(error_of_view, 0, "... and is shown at last");
}

/* ---- a live view that could not be set up ---- */

static void second_try(void) {
    sse_test_reply r;
    int            before, n, error;
    memset(&r, 0, sizeof r);
    for (n = 1, error = SSE_E_NOMEM; n < 30 && error; n++) {
        app = sse_app_new(NULL);
        sse_get(app, "/watch", watch, NULL);
        sse_test_request(app, "GET /none", NULL, NULL, &r); /* it runs: no error sticks */
        sse_test_close(&r);
        fail_at = n;
        error = sse_live(app, "/state", render, NULL);
        fail_at = 0;
        if (error) is_int(sse_live(app, "/state", render, NULL), 0, "a view that is set up again");
        sse_test_request(app, "GET /watch", NULL, NULL, &r);
        before = renders;
        sse_touch(app, "/state");
        sse_test_run(app, 1);
        is_int(renders - before, 1, "... is the one that is touched");
        sse_test_close(&r);
        sse_app_free(app);
    }
    ok(!error && n > 4, "%d allocations failed", n - 2);
}

/* ---- when a view is rendered ---- */

static void touched(const char *path, int ms, int want, const char *name) {
    if (path) sse_touch(app, path);
    sse_test_run(app, ms);
    is_int(renders, want, name);
}

static void times_of_renders(void) { /* V1 */
    sse_live_options o = options_of(NULL);
    sse_test_reply   r;
    memset(&r, 0, sizeof r);
    test_app();
    o.min_interval_ms = 300;
    sse_live(app, "/slow", render, &o);
    get("/slow", &r);
    touched(NULL, 0, 1, "a view is rendered for its first watcher");
    touched("/slow", 100, 1, "not again within .min_interval_ms");
    touched("/slow", 199, 1, "however often it changes");
    touched(NULL, 1, 2, "then once");
    touched(NULL, 1000, 2, "for all of these changes");
    touched("/slow", 0, 3, "after it a change shows at once");
    touched(NULL, 300, 3, "without one nothing is rendered");
    touched("/slow", 0, 4, "just as it is over as well");
    sse_app_free(app);

    test_app();
    o.every_ms = 1000;
    sse_live(app, "/clock", render, &o);
    o.min_interval_ms = 2500;
    sse_live(app, "/late", render, &o);
    get("/clock", &r);
    touched(NULL, 999, 1, "a view is not rendered before .every_ms");
    touched(NULL, 1, 2, "but then");
    touched(NULL, 1000, 3, "and again");
    touched(NULL, 100, 3, "not between");
    touched("/clock", 199, 3, "a change waits for the shorter of both times");
    touched(NULL, 1, 4, "and shows");
    touched(NULL, 999, 4, "from there on it is .every_ms");
    touched(NULL, 1, 5, "until the next");
    get("/late", &r);
    renders = 0;
    touched(NULL, 2499, 0, "the longer .min_interval_ms counts");
    touched(NULL, 1, 1, "over .every_ms");
    sse_app_free(app);
    sse_test_close(&r);
}

static char why[300]; /* the latest error in the log */
static int  fails;    /* what the next renders fail with; 0: they do not */

static void on_error(int level, const char *line, void *user) {
    (void)user;
    if (level == SSE_LOG_ERROR) snprintf(why, sizeof why, "%s", line);
}

static void render_or_fail(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    renders++;
    sse_puts(html, text_now);
#ifndef SSE_NO_SQLITE
    if (fails == SSE_E_DB) sse_db_exec((sse_db *)user, "INSERT INTO nowhere VALUES(1)");
#endif
    if (fails && fails != SSE_E_DB) sse_buf_fail(html, fails);
    if (skips > 0) skips--, sse_view_skip(html);
    (void)user;
}

static sse_stats counts(void) {
    sse_stats stats;
    sse_stats_get(app, &stats);
    return stats;
}

static void failures(void) { /* V3 */
    sse_live_options o = options_of(NULL);
    sse_test_reply   r;
    sse_db          *db = sse_db_open(":memory:", NULL);
    char             want[200];
    memset(&r, 0, sizeof r);
    test_app();
    app->options.on_log = on_error;
    o.user = db;
    sse_live(app, "/p", render_or_fail, &o);
    text_now = "<p id=x>one</p>";
    fails = 0;
    get("/p", &r);
    touched("/p", 0, 2, "rendered again");
    ok(counts().renders == 2 && counts().renders_same == 1, "to the same, which is counted");
    is_int(times_in(r.body, "one"), 1, "and not sent");
    fails = SSE_E_IO;
    touched("/p", 0, 3, "then it fails");
    snprintf(want, sizeof want, "live view /p was not rendered: %s", sse_error_text(SSE_E_IO));
    is_str(why, want, "in words");
    touched(NULL, 500, 4, "is tried after half a second");
    touched(NULL, 999, 4, "not yet again");
    fails = SSE_E_NOMEM;
    touched(NULL, 1, 5, "and after a second");
    ok(counts().renders == 5 && counts().renders_failed == 3 && counts().no_memory == 1,
        "each is counted, and what found no memory as such");
    fails = 0;
    text_now = "<p id=x>two</p>";
    touched("/p", 0, 6, "a change is tried at once");
    is_int(times_in(r.body, "two"), 1, "and shown");
    touched(NULL, 60000, 7, "the try that was due comes, and no more");
    fails = SSE_E_IO;
    touched("/p", 499, 8, "when it fails again");
    touched(NULL, 1, 9, "it is tried after half a second, as at first");
#ifndef SSE_NO_SQLITE
    fails = SSE_E_DB;
    touched("/p", 0, 10, "a database that fails");
    is_str(why,
        "live view /p was not rendered: no such table: nowhere "
        "[INSERT INTO nowhere VALUES(1)]",
        "tells why");
    skips = 1;
    touched("/p", 0, 11, "one that fails before the render skips");
    is_int((long long)counts().renders_failed, 7, "... has failed as well");
    touched(NULL, 4000, 12, "... and is asked again");
#endif
    sse_app_free(app);
    test_app();
    o.every_ms = 60000;
    sse_live(app, "/p", render_or_fail, &o);
    fails = 0;
    get("/p", &r);
    fails = SSE_E_IO;
    touched("/p", 499, 2, "a view that is rendered once a minute fails");
    fails = 0;
    touched(NULL, 1, 3, "it is tried after half a second all the same");
    touched(NULL, 59999, 3, "... and is rendered again");
    touched(NULL, 1, 4, "... a minute later");
    sse_app_free(app);
    sse_test_close(&r);
    sse_db_close(db);
}

/* To have nothing to show is no failure: it ends a row of them. */
static void skipped_after_failures(void) {
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    test_app();
    sse_live(app, "/p", render_or_fail, NULL);
    text_now = "<p id=x>one</p>";
    fails = skips = 0;
    get("/p", &r);
    fails = SSE_E_IO;
    touched("/p", 0, 2, "a view fails");
    touched(NULL, 1500, 4, "and again, and again");
    fails = 0;
    skips = 1;
    touched("/p", 0, 5, "then it skips");
    fails = SSE_E_IO;
    touched("/p", 499, 6, "where it fails after that");
    touched(NULL, 1, 7, "... it is tried after half a second, as at first");
    fails = 0;
    sse_app_free(app);
    sse_test_close(&r);
}

static int joined_late; /* what joining answered; 1: it was not asked to */

static void join_late(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)reason, (void)user;
    if (joined_late == 1) joined_late = sse_stream_view(watcher, "/p");
}

/* Two watch a view that fails, so they go, and as the first of them does a third one joins. */
static void joined_as_it_fails(void) {
    sse_stream_options stream;
    sse_live_options   o = options_of(NULL);
    sse_test_reply     r[3];
    int                i;
    memset(&stream, 0, sizeof stream);
    memset(r, 0, sizeof r);
    stream.on_close = join_late;
    o.stream = &stream;
    test_app();
    sse_live(app, "/p", render_or_fail, &o);
    sse_live(app, "/state", render, NULL);
    sse_get(app, "/watch", watch, NULL);
    text_now = "<p id=x>one</p>";
    fails = 0;
    skips = 2;
    joined_late = 1;
    get("/watch", &r[0]);
    get("/p", &r[1]);
    get("/p", &r[2]);
    renders = 0;
    fails = SSE_E_IO;
    touched("/p", 0, 1, "a view that has nothing to show yet fails");
    ok(!r[1].open && !r[2].open, "who watches it is to come back");
    is_int(joined_late, 0, "who joins it just then");
    touched(NULL, 499, 1, "... waits as long as all would");
    fails = 0;
    touched(NULL, 1, 2, "... until it is tried again");
    is_int(times_in(r[0].body, "one"), 1, "... and shown");
    sse_app_free(app);
    for (i = 0; i < 3; i++) sse_test_close(&r[i]);
}

static void render_much(sse_view *view, sse_buf *html, void *user) {
    int i;
    (void)view;
    sse_printf(html, "<p id=x>%d", ++renders);
    for (i = 0; i < *(int *)user; i++) sse_puts(html, "much of it");
}

static void large_renders(void) { /* take no memory for longer than they need it */
    sse_live_options o = options_of(NULL);
    sse_test_reply   r;
    int              size = 100;
    memset(&r, 0, sizeof r);
    test_app();
    o.user = &size;
    sse_live(app, "/much", render_much, &o);
    get("/much", &r);
    ok(app->views->html.cap > 1000, "the buffer of a render is used again");
    size = 1 << 17;
    touched("/much", 0, 2, "one of more than a megabyte");
    is_int((long long)app->views->html.cap, 0, "... is not kept for that");
    sse_app_free(app);
    sse_test_close(&r);
}

/* Of views that are shown on a stream that is open already. */
static void more_on_a_stream(void) {
    sse_live_options o = options_of(NULL);
    sse_test_reply   r;
    memset(&r, 0, sizeof r);
    test_app();
    o.max_views = 1;
    sse_live(app, "/state", render, NULL);
    sse_live(app, "/room/{id}", render, &o);
    sse_get(app, "/watch", watch, NULL);
    get("/watch", &r);
    is_int(sse_stream_view(watcher, "/room/1"), 0, "a view");
    is_int(sse_stream_view(watcher, "/room/1"), 0, "the same once more");
    is_int((long long)counts().subscriptions_refused, 0, "which is no other");
    is_int(sse_stream_view(watcher, "/room/2"), SSE_E_FULL, "one more than .max_views");
    is_int((long long)counts().subscriptions_refused, 1, "is counted");
    sse_test_run(app, 0);
    is_int(times_in(r.body, "1 - "), 1, "the one is shown once");
    is_int(sse_stream_unview(watcher, "/room/1"), 0, "it goes");
    is_int(sse_stream_unview(watcher, "/room/1"), SSE_E_ARG, "all of it");
    is_int(sse_stream_view(watcher, "/room/2"), 0, "and makes room");
    sse_app_free(app);
    sse_test_close(&r);
}

#ifndef SSE_NO_SQLITE
static void own_database(void) { /* of two, a view follows its own */
    sse_live_options o = options_of(NULL);
    sse_db          *db[2];
    sse_test_reply   r;
    int              i;
    memset(&r, 0, sizeof r);
    test_app();
    for (i = 0; i < 2; i++) {
        db[i] = sse_db_open(":memory:", NULL);
        sse_db_migrate(db[i], "CREATE TABLE t(a)");
        o.db = db[i];
        o.tables = "t";
        sse_live(app, i ? "/other" : "/own", render, &o);
    }
    get("/own", &r);
    sse_test_run(app, 100);
    renders = 0;
    sse_db_exec(db[1], "INSERT INTO t VALUES(1)");
    touched(NULL, 100, 0, "a commit to another database");
    sse_db_exec(db[0], "INSERT INTO t VALUES(1)");
    touched(NULL, 100, 1, "one to its own");
    sse_app_free(app);
    sse_test_close(&r);
    for (i = 0; i < 2; i++) sse_db_close(db[i]);
}
#endif

#ifndef SSE_NO_THREADS
static int lost_lines; /* of the log */

static void on_lost(int level, const char *line, void *user) { /* a warning once a second */
    (void)user;
    if (strcmp(line, "a touch of /room/1 is lost: out of memory") != 0) return;
    lost_lines += level == SSE_LOG_WARNING || (lost_lines && level == SSE_LOG_DEBUG);
}

static void *touch_elsewhere(void *user) {
    *(int *)user = sse_touch(app, "/room/1");
    return NULL;
}

/* A touch by another thread finds the memory to be taken, and then none. */
static void touched_elsewhere(void) {
    sse_app_options options;
    pthread_t       thread;
    int             n, error = 0, shown = 0;
    memset(&options, 0, sizeof options);
    options.on_log = on_lost;
    app = dial_app(&options);
    sse_live(app, "/room/{id}", render, NULL);
    dial(app, "/room/1", NULL);
    turns(app, 3);
    for (n = 1; n < 10 && !error; n++) {
        const int before = renders, lines = lost_lines;
        pthread_create(&thread, NULL, touch_elsewhere, &error);
        pthread_join(thread, NULL);
        fail_at = n;
        (void)sse_poll(app, 0);
        fail_at = 0;
        shown += renders > before;
        if (lost_lines == lines && renders == before) break;
    }
    ok(!error && n == 10 && shown > 0, "a touch by another thread is one, %d times", shown);
    ok(lost_lines > 0, "or the log says that it is lost: %d times", lost_lines);
    dial_free(app);
}
#endif

/* ---- a line of the log that makes the last watcher go ---- */

static void unview_by_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING && strstr(line, "live view /state") && unwatched == 1)
        unwatched = sse_stream_unview(watcher, "/state");
}

static void render_badly(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_buf_fail(html, SSE_E_IO);
}

static void render_nameless(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p>without an id</p>");
}

static void told(void) {
    const sse_render renderers[] = {render_badly, render_nameless};
    sse_app_options  o;
    sse_test_reply   r;
    int              i;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    o.on_log = unview_by_log;
    for (i = 0; i < 2; i++) {
        app = sse_app_new(&o);
        sse_live(app, "/state", renderers[i], NULL);
        sse_get(app, "/watch", watch, NULL);
        unwatched = 1;
        sse_test_request(app, "GET /watch", NULL, NULL, &r);
        is_int(unwatched, SSE_E_STATE, "a view that the log is told of is still being rendered");
        sse_app_free(app);
        sse_test_close(&r);
    }
}

int main(void) {
    size_t few, many;
    test_ids();
    guards();
    guards_of_too_many();
    joined_without_memory();
#ifndef SSE_NO_COMPRESSION
    without_a_codec();
    shown_again();
#endif
    guards_on_streams();
    refused_by_hooks();
    skipping();
    several_views();
    limits();
    names_in_queries();
    separators_in_parameters();
    touched_by_path();
    guards_of_more_views();
    not_opened();
    texts_of_renders();
    private_requests();
    replies_of_renders();
    signals_of_views();
    around_views();
    private_views();
    plain_events();
    each_without_memory();
    second_try();
    without_memory();
    told();
    by_itself();
    times_of_renders();
    failures();
    skipped_after_failures();
    joined_as_it_fails();
    large_renders();
    more_on_a_stream();
#ifndef SSE_NO_SQLITE
    own_database();
#endif
#ifndef SSE_NO_THREADS
    touched_elsewhere();
#endif
    few = compared_by_touching(10);
    many = compared_by_touching(300);
    ok(many <= few + 5, "touching compares %lu names among 20 views, %lu among 600",
        (unsigned long)few, (unsigned long)many);
    return tap_done();
}
