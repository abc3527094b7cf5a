/* One program with a little of everything, over and over: each time another allocation fails. What
   is refused says SSE_E_NOMEM, no request is answered as if nothing had happened, the next ones are
   answered well, and what was allocated is freed. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"

static long        wrong;  /* in this round */
static const char *where;  /* the first of it */
static bool        failed; /* something was refused for want of memory */
static int         nfreed, nheard, nseen, ntouched;
static sse_stream  opened[2]; /* by /stream, in turn */

static void expect(bool fine, const char *what) {
    if (!fine && !wrong++) where = what;
}
#define EXPECT(x) expect(x, #x)

static void may(int error, const char *what) { /* a call: done, or without memory */
    expect(error >= 0 || error == SSE_E_NOMEM, what);
    failed |= error == SSE_E_NOMEM;
}
#define MAY(call) may(call, #call)

static void sets(sse_app *app, int error, const char *call, const char *name) { /* or says why */
    static const char *const kinds[] = {"route GET ", "route POST ", "mount * ", "before hook ",
        "static files at ", "live view ", "topic ", "sse_topic_listen: ", "monitor "};
    const char              *why;
    size_t                   i, n = strlen(name);
    may(error, call);
    if (!error) return;
    sse_app_error(app, &why);
    for (i = 0; i < SSE__COUNT(kinds); i++)
        if (!strncmp(why, kinds[i], strlen(kinds[i])) && !strncmp(why + strlen(kinds[i]), name, n))
            break;
    expect(i < SSE__COUNT(kinds) && strstr(why, sse_error_text(error)), call);
}
#define SETS(call, name) sets(app, call, #call, name)

/* volatile: gcc, which sees it all at once, takes a NULL for a mistake */
static const char *volatile no_dir;

static void on_log(int level, const char *line, void *user) { (void)level, (void)line, (void)user; }
static void count_freed(void *user) { nfreed += user == &nfreed; }
static void on_app(sse_app *app, void *user) { (void)app, (void)user; }
static void hook(sse_req *req, void *user) { sse_set_attr(req, "who", (const char *)user); }

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_set_header(req, "X-Who", sse_attr(req, "who"));
    sse_set_cookie(req, "a", sse_query(req, "q"), NULL);
    sse_set_cookie_signed(req, "s", "v", NULL);
    sse_html(sse_out(req), "hello %s, %s, %s", sse_param(req, "name"), sse_query(req, "q"),
        sse_cookie(req, "c"));
}

static void form(sse_req *req, void *user) {
    (void)user;
    sse_json(sse_out_json(req), "{\"a\":%s,\"b\":%s}", sse_form(req, "a"),
        sse_form_at(req, "b", 1));
}

static void signals(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%s %s", sse_signal(req, "a.b"), sse_signal(req, "c.0"));
}

static void stream(sse_req *req, void *user) {
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    o.label = "tab";
    s = sse_stream_open(req, &o);
    opened[o.who && !strcmp(o.who, "bob")] = s;
    MAY(sse_stream_is_open(s) ? sse_subscribe(s, "kept") : 0);
    MAY(sse_stream_is_open(s) ? sse_subscribe_pattern(s, "p.*") : 0);
    MAY(sse_stream_is_open(s) ? sse_stream_set_meta(s, "m", "meta") : 0);
    MAY(sse_stream_is_open(s) ? sse_stream_send_json(s, "hi", "{\"n\":%d}", 1) : 0);
    MAY(sse_stream_is_open(s) ? sse_stream_view(s, "/view/2") : 0);
}

static void view(sse_view *v, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"v\">%s %d</p>", sse_view_param(v, "id"), ntouched);
}

static void each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    sse_html(html, "<p id=\"e\">%s</p>", sse_query(req, "q"));
}

static void heard(sse_app *app, const char *topic, const sse_event *event, void *user) {
    (void)app, (void)topic, (void)event, (void)user;
    nheard++;
}

static bool seen(const sse_event *event, void *user) {
    (void)event, (void)user;
    return ++nseen > 0;
}

static bool seen_label(const char *label, int n, void *user) {
    (void)user;
    EXPECT(strcmp(label, "tab") == 0 && n > 0);
    return true;
}

static bool seen_stream(sse_stream s, void *user) {
    (void)user;
    EXPECT(sse_stream_is_open(s));
    return true;
}

static int setup(sse_app *app) {
    static const sse_file file[] = {{"/a.txt", "text", 4}, {NULL, NULL, 0}};
    sse_route_options     route;
    sse_static_options    files;
    sse_topic_options     topic;
    sse_live_options      live;
    memset(&route, 0, sizeof route);
    memset(&files, 0, sizeof files);
    memset(&topic, 0, sizeof topic);
    memset(&live, 0, sizeof live);
    route.free_user = count_freed;
    files.files = file;
    topic.history = 3;
    live.query = "q";
    SETS(sse_route(app, "/freed", signals, &nfreed, &route), "/freed");
    SETS(sse_get(app, "/hello/{name}", hello, NULL), "/hello/{name}");
    SETS(sse_post(app, "/form", form, NULL), "/form");
    SETS(sse_post(app, "/signals", signals, NULL), "/signals");
    SETS(sse_get(app, "/stream", stream, NULL), "/stream");
    SETS(sse_before(app, "/hello", hook, (void *)"ann"), "/hello");
    SETS(sse_static(app, "/files", no_dir, &files), "/files");
    SETS(sse_live(app, "/view/{id}", view, &live), "/view/{id}");
    SETS(sse_live_each(app, "/each", each, NULL), "/each");
    SETS(sse_topic(app, "kept", &topic), "kept");
    SETS(sse_topic(app, "p.*", &topic), "p.*");
    SETS(sse_topic_listen(app, "kept", heard, NULL), "kept");
    SETS(sse_monitor(app, "/_sse", NULL, NULL), "/_sse");
    MAY(sse_call(app, on_app, NULL));
    failed |= !sse_every(app, 1000, on_app, NULL).app;
    return failed;
}

/* status: what it is answered with enough memory; then body holds text */
static void ask(sse_app *app, const char *request, const char *head, const char *body, int status,
    const char *text, sse_test_reply *r) {
    const int error = sse_test_request(app, request, head, body, r);
    if (error) {
        expect(error == SSE_E_NOMEM && fail_at <= 0, request);
        failed = true;
    } else if (r->status == status) {
        if (!strstr(r->body, text)) expect(failed || !r->complete, request);
    } else { /* 500 and 503, or a connection that is cut */
        expect(r->status >= 500 || (!r->status && !r->complete), request);
        failed = true;
    }
}

static void say_to(sse_app *app, const char *topic, const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    MAY(sse_publish(app, topic, &event));
}

static void requests(sse_app *app, bool scarce) { /* with enough memory all are answered */
    static const char multipart[] =
        "--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
        "--X\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n"
        "--X\r\nContent-Disposition: form-data; name=b\r\n\r\n3\r\n--X--\r\n";
    sse_test_reply r, streams[4];
    sse_filter     all;
    int            i;
    memset(&r, 0, sizeof r);
    memset(&all, 0, sizeof all);
    memset(streams, 0, sizeof streams);
    memset(opened, 0, sizeof opened); /* those of the round before, and of its app */
    all.all = true;
    nheard = nseen = 0;
    ask(app, "GET /hello/bob?q=x%20y", "Cookie: c=d\n", NULL, 200, "hello bob, x y, d", &r);
    ask(app, "POST /form", NULL, "a=1&b=2&b=3", 200, "{\"a\":\"1\",\"b\":\"3\"}", &r);
    ask(app, "POST /form", "Content-Type: multipart/form-data; boundary=X\n", multipart, 200,
        "{\"a\":\"1\",\"b\":\"3\"}", &r);
    ask(app, "POST /signals", "Content-Type: application/json\n", "{\"a\":{\"b\":7},\"c\":[8]}",
        200, "7 8", &r);
    ask(app, "GET /files/a.txt", NULL, NULL, 200, "text", &r);
    ask(app, "GET /nowhere", NULL, NULL, 404, "", &r);
    ask(app, "GET /stream?who=ann", "Accept: text/event-stream\n", NULL, 200, "{\"n\":1}",
        &streams[0]);
    ask(app, "GET /stream?who=bob", "Accept: text/event-stream\n", NULL, 200, "<p id=\"v\">2",
        &streams[1]);
    ask(app, "GET /view/1?q=z", "Accept: text/event-stream\n", NULL, 200, "<p id=\"v\">1",
        &streams[2]);
    ask(app, "GET /each?q=mine", "Accept: text/event-stream\n", NULL, 200, "mine</p>", &streams[3]);
    say_to(app, "kept", "one");
    say_to(app, "p.q", "two");
    MAY(sse_publish_json(app, "kept", "named", "{\"x\":%s}", "three"));
    ntouched++;
    MAY(sse_touch(app, "/view/1?q=z"));
    MAY(sse_touch(app, "/view/2"));
    MAY(sse_test_run(app, 40000)); /* heartbeats, and renders that are tried again */
    MAY(sse_topic_history(app, "kept", 0, seen, NULL));
    MAY(sse_streams_labels(app, seen_label, NULL));
    MAY(sse_streams_each(app, &all, seen_stream, NULL));
    if (!scarce) {
        char v[40];
        snprintf(v, sizeof v, "<p id=\"v\">2 %d</p>", ntouched);
        EXPECT(!failed && nheard == 2 && nseen >= 2);
        EXPECT(sse_streams_count(app, &all) >= 4);
        for (i = 0; i < 2; i++) {
            EXPECT(streams[i].open && strstr(streams[i].body, "data: one\n"));
            EXPECT(strstr(streams[i].body, "data: two\n"));
            EXPECT(strstr(streams[i].body, "{\"x\":\"three\"}"));
            EXPECT(strstr(streams[i].body, v));
        }
        EXPECT(streams[3].open && strstr(streams[3].body, "mine"));
    }
    for (i = 0; i < 2; i++) /* from outside, where nothing gathers for its connection */
        if (sse_stream_is_open(opened[i])) MAY(sse_stream_end(opened[i], NULL));
    (void)sse_test_close(&r);
    for (i = 0; i < 4; i++) (void)sse_test_close(&streams[i]);
    MAY(sse_test_run(app, 0));
}

/* Returns whether there was an allocation to fail. */
static bool a_round(long n, bool at_setup) {
    sse_app_options options;
    sse_app        *app;
    bool            reached;
    const int       before = descriptors();
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    options.secret = "a secret of some length";
    options.cors_origins = "https://a.example https://b.example";
    wrong = nfreed = 0;
    failed = false;
    if (at_setup) fail_at = n;
    app = sse_app_new(&options);
    if (!app) {
        EXPECT(at_setup);
        reached = true;
    } else {
        bool refused = setup(app);
        if (!refused) {
            if (!at_setup) fail_at = n;
            requests(app, true);
        }
        reached = fail_at == 0;
        fail_at = 0;
        if (!refused) { /* as if nothing had been */
            failed = false;
            requests(app, false);
        }
        EXPECT(!refused || sse_app_error(app, NULL) == SSE_E_NOMEM || failed);
        sse_app_free(app);
        EXPECT(nfreed == 1);
    }
    fail_at = 0;
    EXPECT(living == 0);
    EXPECT(descriptors() == before);
    return reached;
}

int main(void) {
    static const char *const names[] = {"while it is made", "while it serves"};
    int                      part;
    EXPECT(!a_round(0, false) || true);
    ok(wrong == 0, "with enough memory: %s", wrong ? where : "all is well");
    for (part = 0; part < 2; part++) {
        long n = 1, bad = 0;
        char first[300] = "";
        for (; n < 3000; n++) {
            const bool reached = a_round(n, !part);
            if (wrong && !bad++) snprintf(first, sizeof first, "allocation %ld: %.200s", n, where);
            if (!reached) break;
        }
        ok(!bad && n > 50 && n < 3000, "%s: each of %ld allocations fails: %s", names[part], n - 1,
            bad ? first : "all is well");
    }
    return tap_done();
}
