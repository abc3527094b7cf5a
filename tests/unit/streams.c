/* streams.c: callbacks that close, subscribe, publish and stop while the library walks what they
   change; streams by person, label and topic; and how much work joining and publishing is,
   counted. */
#define _DEFAULT_SOURCE
#include <string.h>
static size_t compared; /* keys */

static int counting_memcmp(const void *a, const void *b, size_t n) {
    compared++;
    return memcmp(a, b, n);
}
#define memcmp counting_memcmp
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef memcmp

#include "../tap.h"
#include "dial.h"

static sse_app *app;

static sse_filter filter_of(const char *who, const char *label, const char *topic) {
    sse_filter f;
    memset(&f, 0, sizeof f);
    f.who = who;
    f.label = label;
    f.topic = topic;
    f.all = !who && !label && !topic;
    return f;
}

static int count(const char *who, const char *label, const char *topic) {
    const sse_filter f = filter_of(who, label, topic);
    return sse_streams_count(app, &f);
}

static int close_all(const char *who, const char *label, const char *topic) {
    const sse_filter f = filter_of(who, label, topic);
    return sse_streams_close(app, &f, NULL);
}

static void subscribe_all(sse_req *req, sse_stream s) { /* ?on=topic&like=pattern */
    if (sse_query(req, "on")) sse_subscribe(s, sse_query(req, "on"));
    if (sse_query(req, "like")) sse_subscribe_pattern(s, sse_query(req, "like"));
}

/* ---- streams by what they have in common ---- */

static void count_in_on_close(sse_stream s, sse_reason reason) {
    (void)s, (void)reason;
    is_int(count(NULL, "tab", NULL), 0, "inside on_close the others that close are not counted");
    is_int(count("ann", NULL, NULL), count("ann", NULL, NULL) ? 1 : 0,
        "nor is the one that closed");
}

static bool count_seen(sse_stream s, void *user) {
    (void)s;
    return ++*(int *)user < 2;
}

static void filters(void) {
    sse_filter f;
    int        seen = 0;
    app = dial_app(NULL);
    opening = subscribe_all;
    dial(app, "/s?who=ann&label=tab&on=a", NULL);
    dial(app, "/s?who=ann&label=api&on=b", NULL);
    dial(app, "/s?who=bob&label=tab&on=a", NULL);
    dial(app, "/s?on=a", NULL);
    is_int(count(NULL, NULL, NULL), 4, "all");
    is_int(count("ann", NULL, NULL), 2, "of a person");
    is_int(count(NULL, "tab", NULL), 2, "of a label");
    is_int(count(NULL, NULL, "a"), 3, "of a topic");
    is_int(count("ann", "tab", NULL), 1, "of a person and a label");
    is_int(count("bob", "tab", "a"), 1, "of all three");
    is_int(count("bob", "api", NULL), 0, "of two that do not meet");
    is_int(count(NULL, "api", "a"), 0, "of a label and a topic that do not");
    is_int(count(NULL, "tab", "a"), 2, "of a label and a topic that do");
    is_int(count("ann", NULL, "a"), 1, "of a person and a topic");
    is_int(count("eve", NULL, NULL) + count(NULL, "none", NULL) + count(NULL, NULL, "none"), 0,
        "of names that nobody has");
    f = filter_of(NULL, NULL, "a");
    is_int(sse_streams_each(app, &f, count_seen, &seen), 2, "until fn returns false");
    memset(&f, 0, sizeof f);
    is_int(sse_streams_count(app, &f), SSE_E_ARG, "an empty filter");
    is_int(sse_streams_close(app, NULL, NULL), SSE_E_ARG, "none");
    closing = count_in_on_close;
    is_int(close_all(NULL, "tab", NULL), 2, "two are closed");
    is_int(count(NULL, "tab", NULL) + count("bob", NULL, NULL), 0,
        "and not counted any more, before the turn ends");
    is_int(count(NULL, NULL, "a"), 1, "nor in their topic");
    is_int(count("ann", NULL, NULL), 1, "nor of their person");
    turns(app, 3);
    closing = NULL;
    is_int(nclosed, 2, "on_close of both");
    is_int(app->streams->labels.count, 1, "a label without streams is forgotten");
    is_int(app->streams->people.count, 1, "so is a person");
    dial_free(app);
}

/* ---- callbacks that change what is being walked ---- */

/* The first one called ends all, and leaves every topic. */
static bool end_everything(sse_stream s, void *user) {
    const sse_filter all = filter_of(NULL, NULL, NULL);
    ++*(int *)user;
    sse_unsubscribe(s, "a");
    say(app, "a", "from each");
    sse_streams_close(app, &all, NULL);
    return true;
}

static bool unsubscribe_other(sse_stream s, void *user) {
    (void)user;
    sse_unsubscribe(s, "a");
    sse_subscribe(s, "b");
    return true;
}

static void walked(void) {
    const sse_filter on_a = filter_of(NULL, NULL, "a");
    int              i, seen = 0;
    app = dial_app(NULL);
    opening = subscribe_all;
    for (i = 0; i < 5; i++) dial(app, "/s?on=a", NULL);
    is_int(sse_streams_each(app, &on_a, unsubscribe_other, NULL), 5,
        "each may leave the topic it is found by");
    is_int(count(NULL, NULL, "a") * 10 + count(NULL, NULL, "b"), 5, "all have moved");
    for (i = 0; i < 5; i++) dial(app, "/s?on=a", NULL);
    is_int(sse_streams_each(app, &on_a, end_everything, &seen), 1,
        "each sees none that was closed meanwhile");
    turns(app, 3);
    is_int(nclosed, 10, "on_close of all");
    is_int(times(&clients[9], "data: from each\n"), 1, "what was published inside arrives");
    dial_free(app);
}

static sse_stream others[3];

static void end_others(sse_stream s, sse_reason reason) {
    int i;
    (void)reason;
    for (i = 0; i < 3; i++) sse_stream_end(others[i], NULL);
    is_int(sse_subscribe(s, "a"), SSE_E_CLOSED, "one that is closed subscribes to nothing");
    say(app, "a", "from on_close");
}

static void closed_in_on_close(void) {
    client *watcher;
    int     i;
    app = dial_app(NULL);
    opening = subscribe_all;
    watcher = dial(app, "/s?on=a", NULL);
    for (i = 0; i < 3; i++) {
        dial(app, "/s?on=a", NULL);
        others[i] = newest;
    }
    closing = end_others;
    sse_stream_end(others[1], NULL);
    turns(app, 4);
    is_int(nclosed, 3, "on_close ends others: each runs once");
    is_int(times(watcher, "data: from on_close\n"), 3, "what it publishes arrives");
    closing = NULL;
    dial_free(app);
}

static void stop_and_close(sse_stream s, sse_reason reason) {
    (void)s, (void)reason;
    sse_stop(app);
    close_all(NULL, NULL, NULL);
    say(app, "a", "stopping");
}

static void stop_on_join(sse_app *a, const char *topic, const char *who, void *user) {
    (void)topic, (void)who, (void)user;
    sse_stop(a);
    close_all(NULL, NULL, NULL);
}

static void stopped_inside(void) { /* on_close, then on_join */
    sse_topic_options o;
    int               i, k;
    memset(&o, 0, sizeof o);
    o.on_join = stop_on_join;
    for (k = 0; k < 2; k++) {
        app = dial_app(NULL);
        opening = subscribe_all;
        if (k) sse_topic(app, "room", &o);
        for (i = 0; i < 3; i++) dial(app, "/s?on=a", NULL);
        closing = k ? NULL : stop_and_close;
        if (k) dial(app, "/s?on=room&who=ann", NULL);
        else sse_stream_end(newest, NULL);
        turns(app, 5);
        /* as they would when their streams end */
        for (i = 0; i < nclients; i++) hang_up(&clients[i]);
        for (i = 0; i < 300 && sse_poll(app, 1) > 0; i++) continue;
        is_int(nclosed, 3 + k,
            k ? "stopped inside on_join: all close" : "stopped inside on_close: all close");
        ok(i < 300, "and the loop ends");
        closing = NULL;
        dial_free(app);
    }
}

static int  step_kind;
static bool all_open;

/* Ends itself; ends another; leaves its topic; stops the app. */
static int bad_step(sse_stream s, void *user) {
    (void)user;
    if (!all_open) return 1;
    if (step_kind == 1) sse_stream_end(s, NULL);
    if (step_kind == 2) close_all(NULL, NULL, NULL);
    if (step_kind == 3) sse_unsubscribe(s, "a"), say(app, "a", "x");
    if (step_kind == 4) sse_stop(app);
    if (step_kind == 5) sse_stream_end(s, NULL), sse_stop(app);
    return step_kind == 3 ? SSE_END : 5;
}

static void bad_ping(sse_stream s, sse_buf *out, void *user) {
    (void)user;
    sse_puts(out, ":ping\n\n");
    if (!all_open) return;
    if (step_kind == 6) sse_stream_end(s, NULL);
    if (step_kind == 7) close_all(NULL, NULL, NULL);
}

static void on_stop(sse_stream s, void *user) { /* each ends all others and publishes */
    (void)user;
    say(app, "a", "stopping");
    close_all(NULL, NULL, NULL);
    sse_stop(app);
    is_int(sse_stream_is_open(s), false, "ended inside on_stop");
}

static void open_with_callbacks(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_close = dial_closed;
    o.on_stop = on_stop;
    if (step_kind && step_kind < 6) o.step = bad_step;
    if (step_kind >= 6) o.ping_ms = 1, o.on_ping = bad_ping;
    newest = sse_stream_open(req, &o);
    sse_subscribe(newest, "a");
}

static void own_callbacks(void) {
    int i;
    for (step_kind = 0; step_kind < 8; step_kind++) {
        app = dial_app(NULL);
        sse_get(app, "/own", open_with_callbacks, NULL);
        all_open = false;
        for (i = 0; i < 3; i++) dial(app, "/own", NULL);
        all_open = true;
        if (!step_kind) sse_stop(app);
        for (i = 0; i < 30000 && nclosed < 3; i++) turns(app, 1);
        is_int(nclosed, 3,
            "a callback of a stream ends, leaves, publishes or stops: each closes once");
        dial_free(app);
    }
}

/* ---- live views ---- */

static sse_view *rendered;
static int       render_kind, renders;

static void bad_render(sse_view *view, sse_buf *html, void *user) {
    (void)user;
    rendered = view;
    renders++;
    sse_printf(html, "<p id=\"x\">%d</p>", renders);
    if (render_kind == 1) close_all(NULL, NULL, NULL);
    if (render_kind == 2 && renders < 5) sse_touch(app, "/live");
    if (render_kind == 3) sse_stream_view(newest, "/other");
    if (render_kind == 4) say(app, "a", "from render");
    if (render_kind == 5) sse_stop(app);
}

static void other_render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_puts(html, "<p id=\"y\"></p>");
}

static void in_renders(void) {
    sse_live_options   o;
    sse_stream_options stream;
    client            *c;
    memset(&o, 0, sizeof o);
    memset(&stream, 0, sizeof stream);
    stream.on_close = dial_closed;
    o.stream = &stream;
    for (render_kind = 1; render_kind <= 5; render_kind++) {
        renders = 0;
        app = dial_app(NULL);
        sse_live(app, "/live", bad_render, &o);
        sse_live(app, "/other", other_render, &o);
        opening = subscribe_all;
        dial(app, "/s?on=a", NULL);
        c = dial(app, "/live", NULL);
        turns(app, 8);
        if (render_kind == 1 || render_kind == 5)
            is_int(nclosed, 2, "a render that closes its watchers, or stops");
        if (render_kind == 2)
            ok(renders == 5 && times(c, "id=\"x\"") == 5,
                "a render that touches its own view is rendered in the next turn");
        if (render_kind == 3)
            is_int(times(&clients[0], "id=\"y\""), 1, "a render that shows another view");
        if (render_kind == 4)
            is_int(times(&clients[0], "data: from render\n"), 1, "a render that publishes");
        dial_free(app);
    }
}

/* ---- topics ---- */

/* A ring of 3, and no more than 4 topics. */
static bool read_and_publish(const sse_event *event, void *user) {
    char name[32];
    int  i;
    snprintf(name, sizeof name, "kept.%d", ++*(int *)user + 10);
    for (i = 0; i < 3; i++) say(app, "kept.1", event->data);
    say(app, name, "another");
    return true;
}

static void histories(void) {
    sse_app_options   options;
    sse_topic_options o;
    int               seen = 0;
    memset(&options, 0, sizeof options);
    memset(&o, 0, sizeof o);
    options.max_topics = 2;
    app = dial_app(&options);
    o.history = 3;
    sse_topic(app, "kept.*", &o);
    say(app, "kept.1", "1");
    say(app, "kept.1", "2");
    say(app, "kept.1", "3");
    is_int(sse_topic_history(app, "kept.1", 0, read_and_publish, &seen), 1,
        "what fn publishes pushes out what it has not seen, and is not seen");
    say(app, "kept.4", "x");
    say(app, "kept.5", "x");
    ok(app->topics->exact.count <= 2, "the topic may go again when it was read");
    dial_free(app);
}

static const char *subscriptions; /* what the opening handler does */

/* "+a -a *a* /a*": subscribe, unsubscribe; by pattern */
static void subscribe_as_told(sse_req *req, sse_stream s) {
    const char *at;
    char        name[16];
    for (at = subscriptions; *at; at += strcspn(at, " "), at += *at == ' ') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, " "), at + 1);
        if (*at == '+') is_int(sse_subscribe(s, name), 0, "subscribed");
        if (*at == '-') is_int(sse_unsubscribe(s, name), 0, "unsubscribed");
        if (*at == '*') is_int(sse_subscribe_pattern(s, name), 0, "subscribed to a pattern");
        if (*at == '/') is_int(sse_unsubscribe_pattern(s, name), 0, "unsubscribed from it");
    }
    (void)req;
}

static void subscriptions_of(void) {
    static const struct {
        const char *does;
        int         live, kept;
    } cases[] = {
        {"+a +k", 1, 1},
        {"+a +a +k +k", 1, 1},
        {"*a* *k* *a* *k*", 1, 1},
        {"+a *a* ** +k", 1, 1},
        {"+a *a* -a", 1, 0},
        {"+a *a* /a*", 1, 0},
        {"+k *k* ** -k /k*", 1, 1},
        {"+k +a -k -a", 0, 0},
        {"** /*", 0, 0},
        {"*a* /a* +a", 1, 0},
        {"+a -a +a", 1, 0},
    };
    sse_topic_options o;
    client           *c;
    size_t            i;
    memset(&o, 0, sizeof o);
    o.history = 10;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        app = dial_app(NULL);
        opening = subscribe_as_told;
        sse_topic(app, "k", &o);
        say(app, "k", "missed");
        subscriptions = cases[i].does;
        c = dial(app, "/s", "Last-Event-ID: x\r\n");
        say(app, "a", "live");
        say(app, "k", "kept");
        turns(app, 3);
        is_int(times(c, "data: live\n"), cases[i].live, cases[i].does);
        is_int(times(c, "data: kept\n"), cases[i].kept, "live, of a topic that is kept, once");
        is_int(times(c, "data: missed\n"), cases[i].kept, "replayed, once");
        is_int(sse_unsubscribe(newest, "none"), SSE_E_ARG, "not subscribed");
        is_int(sse_unsubscribe_pattern(newest, "a"), SSE_E_ARG, "an exact name is no pattern");
        is_int(sse_unsubscribe_pattern(newest, NULL), SSE_E_ARG, "no name");
        sse_stream_end(newest, NULL);
        is_int(sse_unsubscribe_pattern(newest, "**"), SSE_E_CLOSED, "closed");
        turns(app, 3);
        is_int(app->topics->patterns.count, 0, "no pattern is left");
        dial_free(app);
    }
}

/* ---- how much work it is ---- */

static void count_history(sse__history *h, sse__sub *sub, void *user) {
    (void)h, (void)sub;
    ++*(int *)user;
}

static int histories_seen(const sse__stream *stream, uint64_t after) {
    int n = 0;
    sse__stream_histories((sse__stream *)(size_t)stream, after, count_history, &n);
    return n;
}

static void cost_of_patterns(void) {
    sse_topic_options o;
    char              name[32];
    uint64_t          before;
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 10;
    app = dial_app(NULL);
    opening = subscribe_all;
    sse_topic(app, "k.*", &o);
    for (i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "k.%d", i);
        say(app, name, "x");
    }
    before = app->topics->sequence.last;
    dial(app, "/s?like=k.*", NULL);
    is_int(histories_seen(sse__stream_get(newest), before), 0,
        "one that joins by a pattern looks at none of 1,000 histories");
    say(app, "k.7", "y");
    say(app, "k.900", "y");
    say(app, "k.new", "y");
    is_int(histories_seen(sse__stream_get(newest), before), 3,
        "one that comes back looks at those with something new");
    is_int(histories_seen(sse__stream_get(newest), 0), 1001,
        "one that knows nothing at all of them");
    turns(app, 2);
    is_int(times(&clients[0], "data: y\n"), 3, "and has got the three");
    dial_free(app);
}

static size_t compared_by_publishing(int patterns) { /* each with a prefix of its own */
    char   pattern[32];
    size_t n;
    int    i;
    app = dial_app(NULL);
    dial(app, "/s", NULL);
    for (i = 0; i < patterns; i++) {
        snprintf(pattern, sizeof pattern, "user.%d.*", 100000 + i);
        sse_subscribe_pattern(newest, pattern);
    }
    compared = 0;
    say(app, "user.100003.x", "hello");
    n = compared;
    turns(app, 2);
    is_int(times(&clients[0], "data: hello\n"), 1, "the one that matches gets it");
    dial_free(app);
    return n;
}

static size_t compared_by_joining(int topics) {
    char   name[32];
    size_t n;
    int    i;
    app = dial_app(NULL);
    opening = subscribe_all;
    dial(app, "/s", NULL);
    for (i = 0; i < topics; i++) {
        snprintf(name, sizeof name, "t%d", i);
        sse_subscribe(newest, name);
    }
    dial(app, "/s", NULL); /* the subscriptions of the other one are not its own */
    compared = 0;
    sse_subscribe(newest, "t7");
    sse_unsubscribe(newest, "t7");
    n = compared;
    dial_free(app);
    return n;
}

static void cost_of_names(void) {
    const size_t few = compared_by_publishing(10), many = compared_by_publishing(5000);
    const size_t small = compared_by_joining(10), large = compared_by_joining(5000);
    ok(many <= few + 10,
        "an event is compared with %lu keys among 10 patterns, with %lu among 5,000",
        (unsigned long)few, (unsigned long)many);
    ok(large <= small + 10,
        "joining and leaving compares %lu keys among 10 topics, %lu among 5,000",
        (unsigned long)small, (unsigned long)large);
}

static void cost_of_filters(void) { /* S4: steps through lists, not matches */
    sse_filter f;
    sse__walk  w;
    char       path[64];
    int        i, steps = 0;
    app = dial_app(NULL);
    opening = subscribe_all;
    for (i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/s?who=%d&label=%s&on=%s", i % 150, i % 3 ? "tab" : "api",
            i % 2 ? "odd" : "even");
        dial(app, path, NULL);
    }
    f = filter_of("7", "tab", "odd");
    ok(sse__walk_begin(&w, app, &f), "somebody may match");
    while (sse__walk_any(&w)) steps++;
    is_int(steps, 2, "of 300 streams only the two of the person are looked at");
    f = filter_of("7", "none", NULL);
    ok(!sse__walk_begin(&w, app, &f), "without a look at any if a name is nobody's");
    dial_free(app);
}

static void open_with_last(sse_req *req, void *user) {
    sse_stream_options o;
    sse_event          last;
    (void)user;
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.data = sse_query(req, "last");
    o.last = &last;
    newest = sse_stream_open(req, &o);
}

static const sse__message *last_of_newest(void) { return sse__stream_get(newest)->extra->last; }

/* Whoever is told the same at the end is sent the same bytes, compressed once. */
static void farewells(void) {
    static const char *const gzip = "Accept-Encoding: gzip\r\n", *const br =
                                                                     "Accept-Encoding: br\r\n";
    const sse__message *first, *m;
    sse_filter          all;
    sse_event           last;
    int                 i;
    memset(&all, 0, sizeof all);
    memset(&last, 0, sizeof last);
    all.all = true;
    last.data = "we close";
    app = dial_app(NULL);
    sse_get(app, "/last", open_with_last, NULL);
    dial(app, "/last?last=bye", gzip);
    first = last_of_newest();
    for (i = 1; i < 20; i++) dial(app, "/last?last=bye", i % 2 ? br : gzip);
    ok(last_of_newest() == first, "streams opened with the same last event share it");
    dial(app, "/last?last=adieu", gzip);
    ok(last_of_newest() != first, "with another one they do not");
    is_int(sse_streams_close(app, &all, &last), 21, "all are closed with one event instead");
    m = app->streams->farewell;
#ifndef SSE_NO_COMPRESSION
    is_int(m->keys[SSE__GZIP]->block->refs, 1 + 11, "one gzip frame is in all queues");
    is_int(m->keys[SSE__BR]->block->refs, 1 + 10, "and one in br");
#endif
    turns(app, 3);
    dial(app, "/s", gzip);
    sse_stream_end(newest, &last);
    ok(app->streams->farewell == m, "one by one it is the same as well");
    dial(app, "/last?last=bye", NULL);
    is_int(sse_streams_close(app, &all, NULL), 1, "closed without one");
    turns(app, 3);
    is_int(times(&clients[nclients - 1], "data: bye\n"), 1, "it ends with its own");
    last.id = "a\nb";
    dial(app, "/last?last=bye", NULL);
    is_int(sse_streams_close(app, &all, &last), 1, "one that cannot be sent");
    turns(app, 3);
    is_int(sse_streams_count(app, &all), 0, "keeps no stream open");
    is_int(times(&clients[nclients - 1], "data: "), 0, "nor is its own sent instead");
    dial_free(app);
}

int main(void) {
    farewells();
    filters();
    walked();
    closed_in_on_close();
    stopped_inside();
    own_callbacks();
    in_renders();
    histories();
    subscriptions_of();
    cost_of_patterns();
    cost_of_names();
    cost_of_filters();
    return tap_done();
}
