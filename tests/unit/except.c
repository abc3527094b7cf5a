/* except.c: streams that a publication leaves out, at once and in what they catch up with; and how
   many got it. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static sse_app   *app;
static sse_stream streams[5];

static sse_event event_of(const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    return event;
}

static void subscribe(sse_req *req, sse_stream s) {
    sse_subscribe(s, "a");
    if (sse_query(req, "like")) sse_subscribe_pattern(s, "*");
}

static void got(const char *data, const char *want, const char *name) { /* "10010": who has it */
    char line[60], have[10] = "";
    int  i;
    turns(app, 3);
    snprintf(line, sizeof line, "data: %s\n", data);
    for (i = 0; i < nclients; i++) have[i] = (char)('0' + times(&clients[i], line));
    is_str(have, want, name);
}

static void begin(const sse_topic_options *options) {
    static const char *const paths[] = {"/s?who=ann", "/s?who=ann&like=1", "/s?who=bob",
        "/s?like=1", "/s?who=eve"};
    int                      i;
    app = dial_app(NULL);
    if (options) sse_topic(app, "a", options);
    opening = subscribe;
    for (i = 0; i < 5; i++) {
        dial(app, paths[i], NULL);
        streams[i] = newest;
    }
    turns(app, 3);
}

static void left_out(void) {
    sse_event  event;
    int        n = 77, error;
    sse_stream closed[2];
    sse_app   *second = sse_app_new(NULL);
    begin(NULL);
    event = event_of("all");
    event.receivers = &n;
    sse_publish(app, "a", &event);
    is_int(n, 5, "all of them, each once");
    got("all", "11111", "all");
    event.data = "other";
    sse_publish(app, "b", &event);
    is_int(n, 2, "those with a pattern");
    event.data = "person";
    event.except_who = "ann";
    sse_publish(app, "a", &event);
    is_int(n, 3, "everyone but ann");
    got("person", "00111", "none of her tabs");
    event.except_who = "nobody";
    event.data = "nobody";
    sse_publish(app, "a", &event);
    got("nobody", "11111", "a name that nobody has");
    event.data = "streams";
    event.except_who = NULL;
    event.except_list = streams + 2;
    event.except_count = 2;
    sse_publish(app, "a", &event);
    got("streams", "11001", "everyone but these");
    event.data = "mixed";
    event.except = streams[3];
    event.except_who = "ann";
    event.except_count = 1;
    sse_publish(app, "a", &event);
    is_int(n, 1, "one is left");
    got("mixed", "00001", "all three hold together");
    sse_stream_end(streams[2], NULL);
    memset(closed, 0, sizeof closed);
    closed[0] = streams[2];
    event = event_of("closed");
    event.receivers = &n;
    event.except_list = closed;
    event.except_count = 2;
    sse_publish(app, "a", &event);
    is_int(n, 4, "closed ones are passed over");
    event.except_list = streams;
    event.except_count = 5;
    event.except = streams[0];
    do error = sse_publish(second, "a", &event); /* they count alike: */
    while (!error && second->streams->publication <= app->streams->publication);
    is_int(error, 0, "streams of another app");
    event = event_of("later");
    sse_publish(app, "a", &event);
    got("later", "11011", "the next event is for all again");
    event.except_count = -1;
    event.receivers = &n;
    n = 77;
    is_int(sse_publish(app, "a", &event), SSE_E_ARG, "a negative number");
    event.except_count = 1;
    is_int(n, 0, "... which nobody got");
    n = 77;
    is_int(sse_publish(app, "a", &event), SSE_E_ARG, "a list that is not there");
    is_int(n, 0, "after a failure nobody got it");
    sse_app_free(second);
    dial_free(app);
}

static void subscribe_and_say(sse_req *req, sse_stream s) { /* while all of these catch up */
    sse_event event = event_of("hello");
    int       n = 77;
    subscribe(req, s);
    event.except_who = sse_query(req, "who");
    event.except_list = &s;
    event.except_count = 1;
    event.receivers = &n;
    sse_publish(app, "a", &event);
    is_int(n, 5, "those that catch up get it from the history");
}

static void say_and_subscribe(sse_req *req, sse_stream s) { /* before it follows anything */
    sse_event event = event_of("first");
    event.except = s;
    sse_publish(app, "a", &event);
    subscribe(req, s);
}

/* A stream that is left out does not find the event in the history either. */
static void in_histories(void) {
    sse_topic_options options;
    sse_event         event = event_of("kept");
    sse_stream        left;
    int               n;
    memset(&options, 0, sizeof options);
    options.history = 100;
    options.greet = 100;
    begin(&options);
    opening = subscribe_and_say;
    dial(app, "/s?who=zoe", NULL);
    got("hello", "111110", "not those who are about to look into it");
    opening = subscribe;
    dial(app, "/s?who=zoe", NULL);
    got("hello", "1111101", "a stream that comes later is another");
    opening = say_and_subscribe;
    dial(app, "/s?who=zoe", NULL);
    got("first", "11111110", "nor those who follow it only then");
    left = newest;
    hang_up(&clients[7]);
    turns(app, 3);
    opening = subscribe;
    dial(app, "/s", NULL);
    is_int(newest.slot, left.slot, "one that takes the place of a stream that was left out");
    got("first", "111111101", "... finds it");
    event.except_who = "ann";
    for (n = 1; n < 30; n++) { /* a stream that catches up: its place in the list needs memory */
        sse__stream *stream = sse__stream_get(streams[0]);
        int          error;
        stream->replaying = true;
        fail_at = n;
        error = sse_publish(app, "a", &event);
        fail_at = 0;
        stream->replaying = false;
        if (!error) break;
        is_int(error, SSE_E_NOMEM, "without memory it fails, and is sent to nobody");
    }
    ok(n > 3 && n < 30, "with memory it is sent");
    got("kept", "001111101", "once, and not to her");
    dial_free(app);
}

#ifndef SSE_NO_THREADS
static int receivers = 77;

static void *publish_elsewhere(void *user) {
    char       who[] = "ann";
    sse_stream list[2];
    sse_event  event = event_of("thread");
    list[0] = streams[2];
    list[1] = streams[3];
    event.except_who = who;
    event.except_list = list;
    event.except_count = 2;
    event.receivers = &receivers;
    event.key = "key";
    *(int *)user = sse_publish(app, "a", &event);
    memset(who, 'x', 3);
    memset(list, 0, sizeof list);
    return NULL;
}

static void *publish_by_key(void *user) {
    char      key[2] = "a";
    sse_event event = event_of("a1");
    event.key = key;
    event.except_who = "ann";
    *(int *)user = sse_publish(app, "newest", &event);
    key[0] = 'b';
    event.data = "b1";
    *(int *)user += sse_publish(app, "newest", &event);
    key[0] = 'a';
    event.data = "a2";
    *(int *)user += sse_publish(app, "newest", &event);
    key[0] = 'x';
    return NULL;
}

static void keys_from_threads(void) {
    sse_topic_options options;
    pthread_t         thread;
    int               error = -1;
    memset(&options, 0, sizeof options);
    options.overflow = SSE_KEEP_NEWEST;
    app = dial_app(NULL);
    sse_topic(app, "newest", &options);
    dial(app, "/s", NULL);
    sse_subscribe(newest, "newest");
    pthread_create(&thread, NULL, publish_by_key, &error);
    pthread_join(thread, NULL);
    is_int(error, 0, "events with keys, from another thread");
    got("a1", "0", "the newest of a key takes the place of the one before,");
    got("b1", "1", "and of no other,");
    got("a2", "1", "each with its own");
    dial_free(app);
}

static int lost_lines; /* of the log */

static void on_lost(int level, const char *line, void *user) {
    (void)user;
    lost_lines +=
        level == SSE_LOG_WARNING && strcmp(line, "an event for a is lost: out of memory") == 0;
}

static void *publish_one(void *user) {
    const sse_event event = event_of("one");
    *(int *)user = sse_publish(app, "a", &event);
    return NULL;
}

/* It was taken, and then there is no memory to send it. */
static void lost_from_threads(void) {
    sse_app_options options;
    pthread_t       thread;
    int             n, error = -1, came = 0;
    memset(&options, 0, sizeof options);
    options.on_log = on_lost;
    app = dial_app(&options);
    dial(app, "/s", NULL);
    sse_subscribe(newest, "a");
    turns(app, 2);
    for (n = 1; n < 30 && came + lost_lines < n + 1; n++) {
        pthread_create(&thread, NULL, publish_one, &error);
        pthread_join(thread, NULL);
        fail_at = n;
        (void)sse_poll(app, 0);
        fail_at = 0;
        turns(app, 2);
        came = times(&clients[0], "data: one\n");
        if (error || came + lost_lines != n) break;
    }
    is_int(error, 0, "an event from another thread is taken");
    ok(lost_lines > 0 && came + lost_lines == n - 1, "%d that find no memory are told of, %d come",
        lost_lines, came);
    dial_free(app);
}

static void from_threads(void) {
    pthread_t thread;
    int       error = -1;
    begin(NULL);
    pthread_create(&thread, NULL, publish_elsewhere, &error);
    pthread_join(thread, NULL);
    is_int(error, 0, "from another thread");
    is_int(receivers, -1, "it is not known yet how many get it");
    got("thread", "00001", "names and lists are copied");
    dial_free(app);
    keys_from_threads();
    lost_from_threads();
}
#else
static void from_threads(void) {}
#endif

int main(void) {
    left_out();
    in_histories();
    from_threads();
    return tap_done();
}
