/* ends.c: streams and how each of them ends. usage: ends [GRACE_MS] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static sse_app *the_app;

static void say(sse_stream s, const char *text) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = text;
    sse_stream_send(s, &event);
}

/* ---- ended by the program, and by what is no end ---- */

static int last_step(sse_stream s, void *user) { /* user: what it returns at last */
    say(s, "step");
    return *(const int *)user;
}

static int cuts; /* streams whose readers were too slow */

static void count_cuts(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    (void)user;
    if (reason == SSE_BY_TIMEOUT || reason == SSE_BY_QUEUE) cuts++;
}

static void show_cuts(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%d", cuts);
}

static void stream(sse_req *req, void *user) { /* /stream/{how} */
    static const int   end = SSE_END, reconnect = SSE_RECONNECT;
    const char        *how = sse_param(req, "how");
    sse_event          last;
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.data = "last";
    o.last = &last;
    o.ping_ms = SSE_OFF;
    o.send_timeout_ms = strcmp(how, "slow") ? SSE_OFF : 300;
    o.max_queue_bytes = strcmp(how, "queue") ? SSE_UNLIMITED : 65536;
    o.label = how;
    o.on_close = count_cuts;
    if (strcmp(how, "lifetime") == 0) o.lifetime_ms = 50;
    if (strcmp(how, "step-end") == 0) o.step = last_step, o.user = (void *)(uintptr_t)&end;
    if (strcmp(how, "step-reconnect") == 0)
        o.step = last_step, o.user = (void *)(uintptr_t)&reconnect;
    if (strcmp(how, "quiet") == 0) o.last = NULL;
    if (strcmp(how, "large") == 0 || strcmp(how, "large-first") == 0) {
        static char text[3 << 20];
        memset(text, 'x', sizeof text - 1);
        o.max_queue_bytes = 65536;
        o.retry_ms = 1000;
        last.data = text;
        if (strcmp(how, "large") == 0) {
            s = sse_stream_open(req, &o);
            say(s, "one");
            say(s, text);
            return;
        }
        o.first = &last;
        o.last = NULL;
    }
    /* more than a reader that begins late has taken when the end is near */
    if (strcmp(how, "later") == 0) {
        static const char big[4000000];
        o.max_queue_bytes = SSE_UNLIMITED;
        o.lifetime_ms = 50;
        sse_stream_write(sse_stream_open(req, &o), big, sizeof big);
        return;
    }
    s = sse_stream_open(req, &o);
    if (strcmp(how, "quiet") != 0) say(s, "one");
    if (strcmp(how, "end") == 0 || strcmp(how, "quiet") == 0) sse_stream_end(s, NULL);
    if (strcmp(how, "reconnect") == 0) sse_stream_reconnect(s, NULL);
    if (strcmp(how, "slow") == 0 || strcmp(how, "queue") == 0) { /* more than the kernel takes */
        static const char big[1 << 20];
        int               i;
        for (i = 0; i < 40; i++) sse_stream_write(s, big, sizeof big);
    }
}

static void close_all(sse_req *req, void *user) { /* POST /close/{how} */
    sse_filter f;
    (void)user;
    memset(&f, 0, sizeof f);
    f.label = sse_param(req, "how");
    sse_printf(sse_out(req), "%d", sse_streams_close(sse_req_app(req), &f, NULL));
}

/* ---- when the app stops ---- */

typedef struct job {
    sse_stream s;
    int        left;
    bool       whole;
} job;

static void job_goes_on(sse_app *app, void *user) { /* three more, 50 ms apart, then the end */
    job *j = (job *)user;
    say(j->s, sse_stopping(app) ? "wrapping up" : "working");
    if (--j->left) sse_after(app, 50, job_goes_on, j);
    else if (j->whole) sse_stream_end(j->s, NULL);
    else sse_stream_reconnect(j->s, NULL);
}

static void job_is_told(sse_stream s, void *user) {
    say(s, "told");
    if (((job *)user)->left) sse_after(the_app, 50, job_goes_on, user);
}

static void job_over(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    fprintf(stderr, "job over by %d, %d left\n", (int)reason, ((job *)user)->left);
    free(user);
}

/* Sleeps long; when the app stops it says three things, and lets go. */
static int generate(sse_stream s, void *user) {
    job *j = (job *)user;
    if (!sse_stopping(the_app)) return 3600000;
    say(s, "farewell");
    return --j->left ? 20 : j->whole ? SSE_END : SSE_RECONNECT;
}

static int endless(sse_stream s, void *user) { /* never looks at sse_stopping */
    (void)user;
    say(s, "tick");
    return 20;
}

static void draining(sse_req *req, void *user) { /* /drain/{how}?whole */
    const char        *how = sse_param(req, "how");
    sse_event          last;
    sse_stream_options o;
    job               *j = (job *)calloc(1, sizeof *j);
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.data = "last";
    j->left = strcmp(how, "forever") ? 3 : 0;
    j->whole = sse_query(req, "whole") != NULL;
    o.user = j;
    o.last = &last;
    o.on_close = job_over;
    if (strcmp(how, "job") == 0 || strcmp(how, "forever") == 0)
        o.drain = true, o.on_stop = job_is_told;
    if (strcmp(how, "generator") == 0) o.step = generate;
    if (strcmp(how, "endless") == 0) o.step = endless;
    j->s = sse_stream_open(req, &o);
    say(j->s, "one");
}

/* ---- topics with a history ---- */

static void follow(sse_req *req, void *user) { /* /topic/{name}?late&pattern */
    sse_stream  s = sse_stream_open(req, NULL);
    const char *name = sse_param(req, "name");
    (void)user;
    if (sse_query(req, "pattern")) sse_subscribe_pattern(s, name);
    else sse_subscribe(s, name);
}

static void follow_later_now(sse_app *app, void *user) {
    (void)app;
    sse_subscribe(*(sse_stream *)user, "kept.late");
    free(user);
}

static void follow_later(sse_req *req, void *user) {
    sse_stream *s = (sse_stream *)malloc(sizeof *s);
    (void)user;
    *s = sse_stream_open(req, NULL);
    sse_after(sse_req_app(req), 30, follow_later_now, s);
}

static void publish(sse_req *req, void *user) { /* POST /topic/{name} */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_body(req).ptr;
    event.data_len = sse_body(req).len;
    sse_publish(sse_req_app(req), sse_param(req, "name"), &event);
}

static void no_room_later(sse_app *app, void *user) {
    (void)app;
    sse_come_back((sse_req *)user, 1500);
    sse_finish((sse_req *)user);
}

static void no_room(sse_req *req, void *user) { /* /no-room?deferred */
    (void)user;
    if (sse_query(req, "deferred") && sse_defer(req) == SSE_OK)
        sse_after(sse_req_app(req), 10, no_room_later, req);
    else if (sse_come_back(req, -1) != SSE_E_ARG || sse_come_back(req, 1500) ||
             sse_come_back(req, 0) != SSE_E_STATE)
        sse_stop(the_app);
}

static void plain(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "plain");
}

static void hook(sse_req *req, void *user) { /* /hooked/{how}: each way in which a hook answers */
    const char *path = sse_path(req);
    (void)user;
    if (strcmp(path, "/hooked/basic") == 0) sse_auth_basic(req, "x", "user", "password");
    if (strcmp(path, "/hooked/fail") == 0) sse_fail(req, 404, "a text of some length");
    if (strcmp(path, "/hooked/text") == 0) sse_puts(sse_out(req), "a text of some length");
    if (strcmp(path, "/hooked/file") == 0) sse_send_file(req, "/etc/passwd", NULL);
    if (strcmp(path, "/hooked/back") == 0) sse_come_back(req, 0);
    if (strcmp(path, "/hooked/stream") == 0)
        say(sse_stream_open(req, NULL), "a text of some length");
}

/* Lines of JSON: nothing of an event may get into them. */
static void raw(sse_req *req, void *user) {
    sse_event          event;
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&event, 0, sizeof event);
    memset(&o, 0, sizeof o);
    event.event = "last";
    o.type = "application/x-ndjson";
    o.label = "raw";
    s = sse_stream_open(req, &o);
    sse_stream_write(s, "{}\n", 3);
    if (sse_query(req, "end")) sse_stream_end(s, &event);
}

/* A last event that cannot be sent is left out, and so is the option's. */
static void bad_last(sse_req *req, void *user) {
    sse_event          event;
    sse_stream_options o;
    sse_stream         s;
    (void)user;
    memset(&event, 0, sizeof event);
    memset(&o, 0, sizeof o);
    event.event = "optlast";
    o.last = &event;
    s = sse_stream_open(req, &o);
    event.event = "a\nb";
    if (sse_stream_end(s, &event) != SSE_E_FIELD) sse_stop(the_app);
}

int main(int argc, char **argv) {
    sse_app_options   options;
    sse_serve_options serve;
    sse_topic_options topic;
    int               error;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    memset(&topic, 0, sizeof topic);
    options.on_init = ready;
    serve.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT);
    serve.grace_ms = (int)sse_parse_int(argc > 1 ? argv[1] : NULL, 5000);
    topic.history = 100;
    the_app = sse_app_new(&options);
    sse_topic(the_app, "kept.*", &topic);
    sse_get(the_app, "/stream/{how}", stream, NULL);
    sse_post(the_app, "/stream/{how}", stream, NULL);
    sse_post(the_app, "/close/{how}", close_all, NULL);
    sse_get(the_app, "/drain/{how}", draining, NULL);
    sse_get(the_app, "/topic/{name}", follow, NULL);
    sse_get(the_app, "/late", follow_later, NULL);
    sse_post(the_app, "/topic/{name}", publish, NULL);
    sse_before(the_app, "/hooked", hook, NULL);
    sse_get(the_app, "/cuts", show_cuts, NULL);
    sse_get(the_app, "/raw", raw, NULL);
    sse_get(the_app, "/bad-last", bad_last, NULL);
    sse_get(the_app, "/no-room", no_room, NULL);
    sse_post(the_app, "/no-room", no_room, NULL);
    sse_get(the_app, "/plain", plain, NULL);
    sse_post(the_app, "/plain", plain, NULL);
    error = sse_serve(the_app, &serve);
    sse_app_free(the_app);
    return error != 0;
}
