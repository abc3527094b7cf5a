/* source.c: topics whose log is elsewhere. The engine is an array that several apps follow, each as
   far as the test lets it; what a source is asked waits until the test answers. */
#define _DEFAULT_SOURCE
#include "nth.h"
#include <unistd.h>
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

enum { ENTRIES = 4000, NODES = 3, ASKS = 64 };

typedef struct entry {
    char        id[24], data[24];
    const char *topic; /* NULL: it was deleted */
} entry;

typedef struct ask {
    sse_stream s;
    char       name[32], after[140];
    bool       begins; /* after was NULL */
} ask;

typedef struct node {
    sse_app *app;
    int      read; /* entries of the log that it has published */
} node;

static entry log_[ENTRIES];
static int   entries, oldest; /* those before oldest are gone */
static ask   asks[ASKS];
static int   nasks, total_asks;
static node  nodes[NODES];
static char  said[4000]; /* by the log */

/* ---- the engine ---- */

static void add_to(const char *topic, const char *data) {
    entry *e = &log_[entries++];
    snprintf(e->id, sizeof e->id, "%d-%d", 90 + entries / 7, entries % 7 + 8); /* "97-9", "97-10" */
    snprintf(e->data, sizeof e->data, "%s", data);
    e->topic = topic;
}

static void add(int n) {
    char data[24];
    while (n-- > 0) {
        snprintf(data, sizeof data, "m%d.", entries + 1);
        add_to("chat", data);
    }
}

static const char *id_of(int i) { return log_[i - 1].id; } /* 1: the first */

static const sse_event *event_of(const char *id, const char *data) { /* until the next */
    static sse_event event;
    event.id = id;
    event.data = data;
    return &event;
}

static int follow(node *n, int upto) { /* as a follower does */
    sse_event event;
    int       error = 0;
    for (; n->read < upto && n->read < entries && !error; n->read++) {
        const entry *e = &log_[n->read];
        memset(&event, 0, sizeof event);
        event.id = e->id;
        event.data = e->data;
        if (n->read >= oldest && e->topic) error = sse_publish(n->app, e->topic, &event);
    }
    return error;
}

static void missed(sse_stream s, const char *name, const char *after, void *user) {
    ask *a = &asks[nasks++];
    (void)user;
    total_asks++;
    a->s = s;
    a->begins = !after;
    snprintf(a->name, sizeof a->name, "%s", name);
    snprintf(a->after, sizeof a->after, "%s", after ? after : "NULL");
}

/* Answers the first question with at most n entries; newcomers begin with the last two. */
static int answer(int n) {
    ask       a = asks[0];
    int       i = oldest, error = 0;
    sse_event event;
    char      last[140];
    memmove(asks, asks + 1, (size_t)--nasks * sizeof *asks);
    snprintf(last, sizeof last, "%s", a.after);
    if (a.begins) i = entries > oldest + 2 ? entries - 2 : oldest;
    else {
        while (i < entries && strcmp(log_[i].id, a.after) != 0) i++;
        if (i++ == entries) return sse_replay_gap(a.s);
    }
    if (a.begins && i == entries) return sse_replay_end(a.s, NULL);
    for (; i < entries && n > 0 && !error; i++, n--) {
        memset(&event, 0, sizeof event);
        event.id = log_[i].id;
        event.data = log_[i].data;
        if (!log_[i].topic) continue;
        if (sse_subscribed(a.s, log_[i].topic)) error = sse_stream_send(a.s, &event);
        if (!error) snprintf(last, sizeof last, "%s", log_[i].id);
    }
    return error ? error : sse_replay_end(a.s, last);
}

/* ---- the nodes ---- */

static sse_app *log_of; /* that publishes its log; NULL: none does */

static void on_log(int level, const char *line, void *user) {
    const size_t n = strlen(said);
    sse_event    event;
    (void)user;
    if (level > SSE_LOG_WARNING) return;
    snprintf(said + n, sizeof said - n, "%s\n", line);
    memset(&event, 0, sizeof event);
    event.data = line;
    if (log_of) sse_publish(log_of, "line", &event);
}

static sse_reason closed_by;

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)s, (void)user;
    closed_by = reason;
}

static void feed(sse_req *req, void *user) {
    sse_stream_options o;
    const char        *topic = sse_query(req, "topic"), *like = sse_query(req, "like");
    char               names[100], *at = names, *name;
    (void)user;
    memset(&o, 0, sizeof o);
    o.drain = sse_query(req, "drain") != NULL;
    o.on_close = on_close;
    newest = sse_stream_open(req, &o);
    snprintf(names, sizeof names, "%s", topic ? topic : "chat");
    while ((name = strtok_r(at, " ", &at)) != NULL) sse_subscribe(newest, name);
    if (like) sse_subscribe_pattern(newest, like);
}

static sse_topic_options source_options(int history) {
    sse_topic_options t;
    memset(&t, 0, sizeof t);
    t.history = history;
    t.source = missed;
    return t;
}

static sse_app *new_app(const sse_topic_options *topic) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    said[0] = '\0';
    nasks = total_asks = 0;
    app = sse_app_new(&o);
    sse_topic(app, "chat", topic);
    sse_get(app, "/feed", feed, NULL);
    return app;
}

static void begin(node *n, int history) { /* an engine with n entries, a node that follows it */
    const sse_topic_options t = source_options(history);
    entries = oldest = 0;
    n->app = new_app(&t);
    n->read = 0;
}

static void come(node *n, const char *path, const char *id, sse_test_reply *r) {
    char header[300];
    snprintf(header, sizeof header, "Accept: text/event-stream\n%s%s%s",
        id ? "Last-Event-ID: " : "", id ? id : "", id ? "\n" : "");
    sse_test_request(n->app, path, header, NULL, r);
}

static void answer_all(node *n, int page) {
    int rounds;
    for (rounds = 0; rounds < 1000 && nasks; rounds++) {
        answer(page);
        sse_test_run(n->app, 0);
    }
}

/* The data that came, in one line: "m1. m2. ". */
static const char *got(const sse_test_reply *r) {
    static char text[40000];
    const char *at = r->body;
    size_t      n = 0;
    text[0] = '\0';
    while (at && (at = strstr(at, "data: ")) != NULL && n < sizeof text - 100) {
        at += 6;
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ", (int)strcspn(at, "\n"), at);
    }
    return text;
}

static const char *series(int from, int to) { /* what got says of these */
    static char text[40000];
    size_t      n = 0;
    text[0] = '\0';
    for (; from <= to; from++) n += (size_t)snprintf(text + n, sizeof text - n, "m%d. ", from);
    return text;
}

static const char *last_id(const sse_test_reply *r) { /* as a client keeps it; NULL: none */
    static char id[140];
    const char *at = r->body, *found = NULL;
    while (at && (at = strstr(at, "id: ")) != NULL) found = at += 4;
    if (!found) return NULL;
    snprintf(id, sizeof id, "%.*s", (int)strcspn(found, "\n"), found);
    return id;
}

static int ids(const sse_test_reply *r) { /* that came */
    const char *at = r->body;
    int         n = 0;
    while (at && (at = strstr(at, "id: ")) != NULL) n++, at++;
    return n;
}

/* ---- refusals ---- */

static void other(sse_stream s, const char *name, const char *after, void *user) {
    (void)s, (void)name, (void)after, (void)user;
}

static void test_options(void) {
    sse_topic_options t;
    node              n;
    begin(&n, 10);
    memset(&t, 0, sizeof t);
    t.source_name = "log";
    is_int(sse_topic(n.app, "a", &t), SSE_E_ARG, "a .source_name without a .source");
    ok(strstr(said, "topic a: .source_name, .source_ms and .compare are for a .source") != NULL,
        "is named");
    t.source = missed;
    t.source_ms = -2;
    is_int(sse_topic(n.app, "a", &t), SSE_E_ARG, "a time below SSE_OFF");
    t.source_ms = 0;
    is_int(sse_topic(n.app, "a", &t), 0, "a source with a name");
    is_int(sse_topic(n.app, "b", &t), 0, "is shared");
    t.source = other;
    is_int(sse_topic(n.app, "c", &t), SSE_E_STATE, "by topics of the same function only");
    ok(strstr(said, "topic c: the .source of .source_name log, or its .user, is another") != NULL,
        "as the log says");
    t.source = missed;
    t.user = &n;
    is_int(sse_topic(n.app, "c", &t), SSE_E_STATE, "and of the same user");
    t.user = NULL;
    t.source_name = "other";
#ifndef SSE_NO_SQLITE
    t.history = 10;
    t.db = sse_db_open(":memory:", NULL);
    is_int(sse_topic(n.app, "d", &t), SSE_E_ARG, "a source and a database");
    sse_db_close(t.db);
#endif
    ok(!sse_subscribed((sse_stream){0}, "a"), "no stream is subscribed to nothing");
    is_int(sse_replay_end((sse_stream){0}, "1"), SSE_E_CLOSED, "no stream is asked for");
    is_int(sse_source_restart(n.app, "nowhere"), SSE_E_ABSENT, "no such source");
    is_int(sse_source_restart(NULL, "chat"), SSE_E_ARG, "no app");
    sse_app_free(n.app);
}

static void test_order(void) {
    static const struct {
        const char *a, *b;
        int         order;
    } cases[] = {{"1-1", "1-1", 0}, {"9-2", "9-10", -1}, {"9-10", "10-0", -1}, {"9", "10", -1},
        {"1-1", "1", 1}, {"", "0", -1}, {"007", "7", 0}, {"0", "00", 0}, {"a9", "a10", -1},
        {"a", "b", -1}, {"10", "a", -1}, {"0-1", "0-0", 1}, {"z", "\xc3\xa4", -1},
        {"18446744073709551616-0", "18446744073709551615-9", 1}};
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        const int order = sse__place_compare(cases[i].a, cases[i].b);
        const int back = sse__place_compare(cases[i].b, cases[i].a);
        ok((order > 0) - (order < 0) == cases[i].order &&
                (back > 0) - (back < 0) == -cases[i].order,
            "the order of %s and %s", cases[i].a, cases[i].b);
    }
}

static void test_compatible(void) {
    sse_topic_options plain, shared;
    sse_test_reply    r = {0};
    node              n;
    memset(&plain, 0, sizeof plain);
    plain.history = 10;
    shared = source_options(10);
    shared.source_name = "log";
    begin(&n, 10);
    sse_topic(n.app, "kept", &plain);
    sse_topic(n.app, "a", &shared);
    sse_topic(n.app, "b.*", &shared);
    come(&n, "GET /feed?topic=chat", NULL, &r);
    is_int(sse_subscribe(newest, "kept"), SSE_E_STATE, "not with a history of its own");
    is_int(sse_subscribe(newest, "a"), SSE_E_STATE, "not with another log");
    is_int(sse_subscribe_pattern(newest, "*"), SSE_E_STATE, "not with a pattern");
    is_int(sse_subscribe(newest, "free"), 0, "with a topic that gives no ids");
    ok(sse_subscribed(newest, "free") && !sse_subscribed(newest, "a"), "which is known");
    come(&n, "GET /feed?topic=a", NULL, &r);
    is_int(sse_subscribe(newest, "b.1"), 0, "with another topic of the same log");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* A pattern sees nothing of a log: not live, not in memory, and misses nothing of it. */
static void test_no_pattern(void) {
    sse_test_reply live = {0}, back = {0};
    node           n;
    begin(&n, 10);
    add(3);
    follow(&n, 2);
    come(&n, "GET /feed?topic=free&like=*", NULL, &live);
    come(&n, "GET /feed?topic=free&like=ch*", id_of(1), &back);
    is_str(got(&back), "", "a pattern: what memory has is not sent, and no gap is told");
    come(&n, "GET /feed?topic=free&like=ch*", "x", &back);
    is_str(got(&back), "", "... nor for an id that nobody gave");
    follow(&n, 3);
    sse_publish(n.app, "chair", event_of(NULL, "other"));
    sse_test_run(n.app, 0);
    is_str(got(&live), "other ", "what is published to it is not sent");
    is_str(got(&back), "other ", "... all else is");
    sse_app_free(n.app);
    sse_test_close(&live);
    sse_test_close(&back);
}

/* ---- what the program chooses ---- */

static int down(const char *a, const char *b) { return strcmp(b, a); } /* "z" comes before "y" */

static void missed_by(sse_stream s, const char *name, const char *after, void *user) {
    ++*(int *)user;
    missed(s, name, after, NULL);
}

static void test_chosen(void) {
    sse_topic_options t = source_options(0);
    sse_test_reply    r = {0};
    node              n;
    int               called = 0;
    t.source = missed_by;
    t.user = &called;
    t.source_ms = 500;
    t.compare = down;
    n.app = new_app(&t);
    is_int(sse_publish(n.app, "chat", event_of("z", "m1.")), 0, "the first, by .compare");
    is_int(sse_publish(n.app, "chat", event_of("y", "m2.")), 0, "the second");
    is_int(sse_publish(n.app, "chat", event_of("yy", "m3.")), SSE_E_ARG, "one between them");
    come(&n, "GET /feed", "z", &r);
    is_str(got(&r), "m2. ", "memory goes on in that order");
    is_int(called, 0, "and nobody is asked");
    come(&n, "GET /feed", "zz", &r);
    is_int(called, 1, "from before the first the source is asked, with its user");
    sse_test_run(n.app, 499);
    ok(r.open, "it has the time of .source_ms");
    sse_test_run(n.app, 1);
    ok(!r.open && closed_by == SSE_BY_TIMEOUT, "no longer");
    ok(strstr(said, "the source of chat has not answered for 500 ms") != NULL, "as the log says");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_longest(void) {
    sse_test_reply r = {0};
    sse_stats      stats;
    char           id[129];
    node           n;
    begin(&n, 10);
    memset(id, '1', 128);
    id[128] = '\0';
    is_int(sse_publish(n.app, "chat", event_of(id, "m1.")), SSE_E_ARG, "an id of 128 bytes");
    ok(strstr(said, "sse_publish: .id has 128 bytes, where a .source (chat) gives 1 to 127\n"),
        "is too long, as the log says");
    id[127] = '\0';
    is_int(sse_publish(n.app, "chat", event_of(id, "m1.")), 0, "one of 127 is not");
    come(&n, "GET /feed", id, &r);
    sse_stats_get(n.app, &stats);
    ok(!nasks && stats.resumes == 1 && !stats.gaps, "... also when it comes back");
    id[0] = '0';
    come(&n, "GET /feed", id, &r);
    ok(nasks == 1 && strcmp(asks[0].after, id) == 0, "the source is asked for one of 127 bytes");
    memset(id, '1', 128);
    is_int(sse_replay_end(asks[0].s, id), SSE_E_ARG, "which does not answer with 128");
    ok(strstr(said, "sse_replay_end: last_id is no id of 1 to 127 bytes\n") != NULL,
        "as the log says");
    id[127] = '\0';
    is_int(sse_replay_end(asks[0].s, id), 0, "with 127 it does");
    sse_test_run(n.app, 0);
    is_str(last_id(&r), id, "which is the place to come back to");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* ---- coming back ---- */

static void test_memory(void) { /* SO2 */
    sse_test_reply r = {0}, live = {0};
    sse_stats      stats;
    node           n;
    begin(&n, 10);
    add(15);
    follow(&n, 15);
    come(&n, "GET /feed", id_of(12), &live);
    is_str(got(&live), series(13, 15), "what follows an id in memory comes from there");
    come(&n, "GET /feed", id_of(15), &r);
    is_str(got(&r), "", "nothing follows the newest");
    ok(!last_id(&r), "whose client has its place already");
    come(&n, "GET /feed", "91-11.5", &r);
    is_str(got(&r), series(11, 15), "an id that is not in memory, but within it");
    is_int(total_asks, 0, "no source is asked for that");
    add(5);
    follow(&n, 20);
    sse_test_run(n.app, 0);
    is_str(got(&live), series(13, 20), "then what is new");
    come(&n, "GET /feed", NULL, &r);
    is_str(got(&r), "", "a newcomer gets nothing,");
    is_str(last_id(&r), id_of(20), "but an id to come back with");
    is_int(total_asks, 0, "also from memory");
    sse_stats_get(n.app, &stats);
    is_int((long long)stats.resumes, 3, "those that came back with an id are counted");
    sse_app_free(n.app);
    sse_test_close(&r);
    sse_test_close(&live);
}

/* Memory that has forgotten all, by age, lacks what it had. */
static void test_forgotten(void) { /* SO2 */
    sse_topic_options t = source_options(0);
    sse_test_reply    r = {0};
    node              n;
    t.history_age_ms = 1000;
    entries = oldest = 0;
    n.app = new_app(&t);
    n.read = 0;
    add(5);
    follow(&n, 5);
    sse_test_run(n.app, 2000);
    is_int(sse__topic_find(n.app->topics, SSE__LIT("chat"))->history->count, 0, "all is too old");
    come(&n, "GET /feed", id_of(5), &r);
    is_int(nasks, 0, "who has the newest misses nothing");
    come(&n, "GET /feed", id_of(3), &r);
    is_int(nasks, 1, "for who has not the source is asked");
    answer_all(&n, 10);
    is_str(got(&r), "m4. m5. ", "... which knows what follows");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_asked(void) {
    sse_test_reply r = {0};
    sse_stats      stats;
    node           n;
    begin(&n, 10);
    add(40);
    n.read = 25; /* it started there */
    follow(&n, 40);
    come(&n, "GET /feed", id_of(3), &r);
    ok(nasks == 1 && strcmp(asks[0].after, id_of(3)) == 0 && strcmp(asks[0].name, "chat") == 0,
        "an older id: the source is asked");
    add(3);
    follow(&n, 43);
    sse_publish(n.app, "chat", event_of(NULL, "passing"));
    sse_test_run(n.app, 0);
    is_str(got(&r), "passing ", "held: what has no id comes at once, the rest waits");
    answer(10);
    sse_test_run(n.app, 0);
    is_int(ids(&r), 10, "each event of a page brings its id, and that is all");
    ok(nasks == 1 && strcmp(asks[0].after, id_of(13)) == 0, "it is asked for the next page");
    answer_all(&n, 10);
    is_int(total_asks, 4, "until what is in memory follows");
    ok(strcmp(got(&r) + 8, series(4, 43)) == 0, "each event came once, in order");
    add(2);
    follow(&n, 45);
    sse_test_run(n.app, 0);
    ok(strcmp(got(&r) + 8, series(4, 45)) == 0, "and what is new");
    sse_stats_get(n.app, &stats);
    ok(stats.resumes == 1 && !stats.gaps, "a stream has resumed");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_behind(void) { /* SO3 */
    sse_test_reply r = {0};
    node           n;
    begin(&n, 10);
    add(20);
    follow(&n, 8);
    come(&n, "GET /feed", id_of(20), &r);
    is_int(nasks, 1, "a client that is ahead of its node: the log knows its id");
    answer(10);
    follow(&n, 19);
    sse_test_run(n.app, 3600000);
    is_str(got(&r), "", "what it has had does not come again");
    ok(r.open, "it is held for as long as that takes");
    log_[19].topic = NULL; /* its entry is deleted: the node never sees it */
    add(2);
    follow(&n, 22);
    sse_test_run(n.app, 0);
    is_str(got(&r), "m21. m22. ", "and goes on where the node has come to its id, or past it");
    add(30);
    come(&n, "GET /feed", id_of(40), &r);
    answer(5); /* up to 45 */
    sse_test_run(n.app, 0);
    answer(100);
    sse_test_run(n.app, 0);
    is_int(nasks, 1, "the source may be ahead of the node as well");
    answer(100);
    sse_test_run(n.app, 0);
    add(10);
    follow(&n, 62); /* in one turn, and more than memory holds */
    sse_test_run(n.app, 0);
    answer_all(&n, 100);
    is_str(got(&r), series(41, 62), "memory goes on behind what it has sent");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_newcomers(void) {
    sse_topic_options t = source_options(10);
    sse_test_reply    r = {0}, second = {0};
    node              n;
    begin(&n, 10);
    come(&n, "GET /feed", NULL, &r);
    ok(nasks == 1 && asks[0].begins, "nothing was published yet: the source says how to begin");
    is_int(answer(10), 0, "the log is empty");
    add(3);
    follow(&n, 3);
    sse_test_run(n.app, 0);
    is_str(got(&r), series(1, 3), "all of it comes");
    come(&n, "GET /feed", NULL, &second);
    is_int(nasks, 0, "the node knows where it is");
    sse_app_free(n.app);

    begin(&n, 10);
    add(9);
    come(&n, "GET /feed", NULL, &r);
    answer_all(&n, 10);
    is_str(got(&r), series(8, 9), "a node that starts: what the source begins with");
    come(&n, "GET /feed?topic=chat%20none", NULL, &second);
    is_int(sse_replay_end(asks[0].s, id_of(9)), 0, "which may be nothing");
    nasks = 0;
    is_int(sse_test_run(n.app, 0), 0, "which may be nothing:");
    is_str(last_id(&second), id_of(9), "an id comes all the same");
    answer_all(&n, 10);
    n.read = 2;
    follow(&n, 9); /* it fills its memory only now */
    sse_test_run(n.app, 0);
    is_str(got(&r), series(8, 9), "what the node reads of the past is nothing new to it,");
    is_str(got(&second), "", "nor to the other");
    add(2);
    follow(&n, 11);
    sse_test_run(n.app, 0);
    is_str(got(&r), series(8, 11), "what is new is,");
    is_str(got(&second), series(10, 11), "to both");
    sse_app_free(n.app);

    t.greet = 3;
    entries = oldest = 0;
    n.app = new_app(&t);
    n.read = 0;
    add(5);
    n.read = 3;
    follow(&n, 5);
    come(&n, "GET /feed", NULL, &r);
    ok(nasks == 1 && asks[0].begins, "less in memory than .greet: the source is asked");
    answer_all(&n, 10);
    is_str(got(&r), series(4, 5), "it sends what it likes");
    add(1);
    follow(&n, 6);
    come(&n, "GET /feed", NULL, &r);
    is_str(got(&r), series(4, 6), "as much: memory greets");
    is_int(nasks, 0, "and nobody is asked");
    sse_app_free(n.app);
    sse_test_close(&r);
    sse_test_close(&second);
}

/* Its first event finds no room beside the head of the reply. The id of the newest one would make a
   client that is cut off just then miss them all. */
static void test_begins_late(void) {
    sse_app_options   o;
    sse_topic_options t = source_options(10);
    sse_test_reply    r = {0};
    const char       *first;
    node              n;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.max_queue_bytes = 100;
    t.greet = 3;
    nasks = entries = oldest = n.read = 0;
    n.app = sse_app_new(&o);
    sse_topic(n.app, "chat", &t);
    sse_get(n.app, "/feed", feed, NULL);
    add(5);
    follow(&n, 5);
    come(&n, "GET /feed", NULL, &r);
    sse_test_run(n.app, 0);
    is_str(got(&r), series(3, 5), "a small queue: memory greets");
    first = strstr(r.body, "id: ");
    ok(first && strncmp(first + 4, id_of(3), strlen(id_of(3))) == 0, "each with its id: %s",
        r.body);
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_gap(void) {
    sse_test_reply r = {0};
    sse_stats      stats;
    char           id[300];
    node           n;
    begin(&n, 5);
    add(30);
    n.read = 20;
    follow(&n, 30);
    oldest = 10; /* the log was trimmed */
    come(&n, "GET /feed", id_of(5), &r);
    is_int(answer(10), 0, "the id is gone");
    is_int(sse_test_run(n.app, 0), 0, "then");
    ok(nasks == 1 && asks[0].begins, "the source says how its client is to begin");
    answer_all(&n, 10);
    add(1);
    follow(&n, 31);
    sse_test_run(n.app, 0);
    is_str(got(&r), "{\"reason\":\"expired\"} m29. m30. m31. ", "behind the gap event");
    ok(strstr(r.body, "event: gap\n") != NULL, "which has its name");
    sse_stats_get(n.app, &stats);
    ok(stats.gaps == 1 && !stats.resumes, "it is counted as a gap");
    memset(id, '1', 200);
    id[200] = '\0';
    come(&n, "GET /feed", id, &r);
    ok(strncmp(got(&r), "{\"reason\":\"unknown\"}", 20) == 0 && nasks == 1 && asks[0].begins,
        "an id that is too long never reaches the source");
    come(&n, "GET /feed?lastEventId=1%0A2", NULL, &r);
    ok(strncmp(got(&r), "{\"reason\":\"unknown\"}", 20) == 0, "nor does one with a line break");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* ---- what may happen meanwhile ---- */

static void test_ends(void) {
    sse_topic_options t = source_options(10);
    sse_test_reply    r = {0}, other_stream = {0};
    sse_stream        s;
    node              n;
    begin(&n, 10);
    add(30);
    n.read = 20;
    follow(&n, 30);

    come(&n, "GET /feed", id_of(2), &r);
    sse_test_run(n.app, 9999);
    ok(r.open, "the source has ten seconds");
    sse_test_run(n.app, 2);
    ok(!r.open && !r.complete, "then its client is to come back");
    ok(strstr(said, "the source of chat has not answered for 10000 ms (.source_ms)") != NULL,
        "and the log says why");
    is_int(answer(5), SSE_E_CLOSED, "an answer that is late");

    come(&n, "GET /feed", id_of(2), &r);
    is_int(answer(3), 0, "a page, and then");
    sse_test_run(n.app, 5000);
    is_int(sse_stream_reconnect(asks[0].s, NULL), 0, "the log cannot be read");
    nasks = 0;
    sse_test_run(n.app, 0);
    ok(!r.open && !r.complete, "its client comes back");
    is_str(last_id(&r), id_of(5), "with what it has");

    come(&n, "GET /feed", id_of(2), &r);
    s = asks[0].s;
    sse_test_close(&r);
    is_int(sse_replay_gap(s), SSE_E_CLOSED, "its client has left");
    is_int(answer(5), SSE_E_CLOSED, "whatever the source then says");

    come(&n, "GET /feed?topic=chat%20free", id_of(2), &r);
    is_int(sse_unsubscribe(newest, "chat"), 0, "unsubscribed meanwhile");
    is_int(answer(5), SSE_E_STATE, "nobody waits for an answer");
    is_int(sse_subscribe(newest, "chat"), 0, "subscribed again");
    add(1);
    follow(&n, 31);
    sse_test_run(n.app, 0);
    is_str(got(&r), "m31. ", "it is live");

    come(&n, "GET /feed", id_of(2), &r);
    s = asks[0].s;
    is_int(sse_replay_end(s, id_of(1)), SSE_E_ARG, "one before the one that was asked for");
    ok(strstr(said, "sse_replay_end: last_id 90-9 comes before 90-10") != NULL, "which is named");
    is_int(sse_replay_end(s, NULL), SSE_E_ARG, "no id");
    is_int(sse_replay_end(s, ""), SSE_E_ARG, "an empty one");
    answer(100);
    sse_test_run(n.app, 0);
    is_int(sse_replay_end(s, id_of(31)), SSE_E_STATE, "a second answer");
    is_str(got(&r), series(3, 31), "the first one holds");
    come(&n, "GET /feed", NULL, &r);
    is_int(sse_replay_gap(newest), SSE_E_STATE, "no question");
    sse_app_free(n.app);

    t.source_ms = SSE_OFF;
    entries = oldest = 0;
    n.app = new_app(&t);
    add(2);
    come(&n, "GET /feed", id_of(1), &r);
    sse_test_run(n.app, 3600000);
    ok(r.open, ".source_ms off: it may take any time");
    come(&n, "GET /feed?topic=chat%20free", id_of(1), &other_stream);
    sse_unsubscribe(newest, "chat");
    sse_subscribe(newest, "chat");
    sse_publish(n.app, "chat", event_of("1-1", "first"));
    sse_test_run(n.app, 0);
    is_str(got(&other_stream), "first ", "unsubscribed and subscribed again before any event");
    is_int(sse_source_restart(n.app, "chat"), 0, "all begins anew");
    come(&n, "GET /feed", id_of(1), &r);
    asks[0] = asks[--nasks];
    come(&n, "GET /feed", NULL, &other_stream);
    nasks = 1;
    is_int(answer(5), 0, "an answer");
    sse_test_run(n.app, 0);
    is_str(got(&r), "m2. ", "an hour later");
    is_int(sse_replay_gap(newest), SSE_E_STATE, "a newcomer misses nothing");
    sse_app_free(n.app);
    sse_test_close(&r);
    sse_test_close(&other_stream);
}

/* A stream ends where the loop would turn to it next. */
static sse_stream both[2];
static int        asked_of_both;

static void ends_other(sse_stream s, const char *name, const char *after, void *user) {
    (void)name, (void)after, (void)user;
    if (asked_of_both++ < 2) both[asked_of_both - 1] = s;
    else sse_stream_end(both[s.slot == both[0].slot], NULL);
}

/* A stream that ends in the turn in which its source would be asked: it is not. */
static void test_ends_just_then(void) {
    sse_topic_options t = source_options(5);
    sse_test_reply    r[2] = {{0}, {0}};
    node              n;
    int               i;
    t.source = ends_other;
    asked_of_both = 0;
    entries = oldest = 0;
    n.app = new_app(&t);
    n.read = 0;
    add(9);
    for (i = 0; i < 2; i++) come(&n, "GET /feed", id_of(1), &r[i]);
    is_int(asked_of_both, 2, "a source is asked for two streams");
    for (i = 0; i < 2; i++) is_int(sse_replay_end(both[i], id_of(5)), 0, "it has more for each");
    sse_test_run(n.app, 0);
    is_int(asked_of_both, 3, "asked for one it ends the other, and is not asked for that");
    ok(r[0].open + r[1].open == 1, "... which is over");
    sse_test_close(&r[0]);
    sse_test_close(&r[1]);
    sse_app_free(n.app);
}

static void test_ends_first(void) {
    sse_test_reply r = {0};
    node           n;
    begin(&n, 10);
    add(30);
    n.read = 20;
    follow(&n, 29);
    come(&n, "GET /feed", id_of(2), &r);
    is_int(answer(5), 0, "it would be asked for the next page");
    is_int(sse_stream_end(newest, NULL), 0, "but the stream ends");
    sse_test_run(n.app, 0);
    ok(r.complete && !nasks, "and nobody is asked");
    come(&n, "GET /feed", id_of(30), &r);
    answer(5);
    follow(&n, 30);
    add(1);
    follow(&n, 31); /* for which it waits */
    is_int(sse_stream_end(newest, NULL), 0, "it ends as the server has come to its id");
    sse_test_run(n.app, 0);
    ok(r.complete && !*got(&r), "and is sent nothing more");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* What is kept nowhere reaches a newcomer before its source has answered. */
static void test_placed(void) { /* O4 */
    sse_test_reply r = {0};
    sse_event      event;
    node           n;
    begin(&n, 10);
    add(5);
    come(&n, "GET /feed", NULL, &r);
    memset(&event, 0, sizeof event);
    event.data = "typing";
    event.ephemeral = true;
    is_int(sse_publish(n.app, "chat", &event), 0, "an event without an id");
    is_int(sse_replay_end(asks[0].s, id_of(5)), 0, "a newcomer begins with nothing");
    sse_test_run(n.app, 0);
    ok(last_id(&r) && strcmp(last_id(&r), id_of(5)) == 0, "it has an id to come back with: %s",
        r.body);
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_misplaced(void) { /* answers, in words */
    sse_test_reply r = {0};
    node           n;
    begin(&n, 10);
    come(&n, "GET /feed", NULL, &r);
    is_int(sse_replay_gap(asks[0].s), SSE_E_STATE, "a newcomer misses nothing");
    ok(strstr(said, "sse_replay_gap: not possible where after was NULL (") != NULL,
        "as the log says");
    is_int(sse_replay_end(asks[0].s, NULL), 0, "there is nothing yet");
    sse_test_run(n.app, 1001);
    is_int(sse_replay_end(asks[0].s, NULL), SSE_E_STATE, "a second answer");
    ok(strstr(said, "sse_replay_end: not possible where no source was asked, or it has answered"),
        "is none");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_overflow(void) {
    sse_test_reply r = {0};
    node           n;
    begin(&n, 10);
    add(30);
    n.read = 20;
    follow(&n, 30);
    come(&n, "GET /feed", id_of(25), &r);
    is_int(nasks, 0, "in memory");
    come(&n, "GET /feed", id_of(10), &r);
    answer(20); /* up to 30 */
    add(1);
    come(&n, "GET /feed", id_of(10), &r);
    add(25);
    follow(&n, 56);
    sse_test_run(n.app, 0);
    log_[56] = log_[55];
    entries = 30; /* what the engine answers was true when it was asked */
    answer(100);
    entries = 56;
    is_int(sse_test_run(n.app, 0), 0, "more came meanwhile than memory holds:");
    ok(nasks == 1 && strcmp(asks[0].after, id_of(30)) == 0, "the source is asked again");
    answer_all(&n, 100);
    is_str(got(&r), series(11, 56), "nothing is lost");
    come(&n, "GET /feed", id_of(10), &r);
    entries = 10;
    answer(100); /* that there is nothing: the log was set back */
    entries = 56;
    sse_test_run(n.app, 0);
    is_int(nasks, 0, "a log that denies what is published");
    is_str(got(&r), series(47, 56), "is believed: what memory has comes");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_stop(void) {
    const sse_topic_options t = source_options(10);
    sse_app_options         o;
    client                 *c, *drained;
    node                    n;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    nasks = entries = oldest = 0;
    n.app = dial_app(&o);
    n.read = 20;
    sse_topic(n.app, "chat", &t);
    sse_get(n.app, "/feed", feed, NULL);
    add(30);
    follow(&n, 30);
    c = dial(n.app, "/feed", "Last-Event-ID: 90-10\r\n");
    drained = dial(n.app, "/feed?drain=1", "Last-Event-ID: 90-10\r\n");
    turns(n.app, 5);
    is_int(nasks, 2, "two streams are held");
    sse_stop(n.app);
    turns(n.app, 5);
    ok(c->over && !strstr(c->got, "\r\n0\r\n"), "the server stops: one ends, and comes back");
    ok(!drained->over, "one that drains stays");
    is_int(answer(5), SSE_E_CLOSED, "the source hears by its answer");
    is_int(answer(100), 0, "the other");
    turns(n.app, 5);
    ok(times(drained, "data: m") == 28 && strstr(drained->got, "data: m30."), "gets all it misses");
    sse_stream_end(newest, NULL);
    turns(n.app, 20);
    ok(strstr(drained->got, "\r\n0\r\n") != NULL, "and ends");
    dial_free(n.app);
}

static void test_restart(void) {
    sse_test_reply r = {0}, held = {0}, beside = {0};
    node           n;
    begin(&n, 10);
    add(30);
    n.read = 20;
    follow(&n, 30);
    come(&n, "GET /feed", id_of(28), &r);
    come(&n, "GET /feed", id_of(3), &held);
    come(&n, "GET /feed?topic=free", NULL, &beside);
    add(20);
    oldest = 40; /* the node was away for longer than the log keeps */
    n.read = 40;
    is_int(sse_source_restart(n.app, "chat"), 0, "the node has missed entries");
    sse_test_run(n.app, 0);
    ok(!r.open && !r.complete && !held.open, "its streams come back");
    is_int(closed_by, SSE_BY_ERROR, "which on_close is told");
    ok(beside.open, "no others do");
    follow(&n, 50);
    come(&n, "GET /feed", id_of(30), &r);
    nasks = 1;
    asks[0] = asks[1];
    answer_all(&n, 100);
    is_str(got(&r), "{\"reason\":\"expired\"} m49. m50. ", "and are told");
    come(&n, "GET /feed", id_of(45), &r);
    is_str(got(&r), series(46, 50), "memory goes on from there");
    sse_app_free(n.app);
    sse_test_close(&r);
    sse_test_close(&held);
    sse_test_close(&beside);
}

/* What was published since is all there is, for a client that has had all before it. */
static void test_restart_at_end(void) { /* SO3 */
    sse_test_reply r = {0};
    node           n;
    begin(&n, 10);
    add(3);
    follow(&n, 3);
    sse_source_restart(n.app, "chat");
    come(&n, "GET /feed", id_of(3), &r);
    is_int(answer(5), 0, "the log has nothing more for it");
    add(1);
    follow(&n, 4);
    sse_test_run(n.app, 0);
    is_str(got(&r), "m4. ", "what comes then is what follows");
    is_int(total_asks, 1, "and the source is not asked again");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_restart_shared(void) {
    sse_topic_options t = source_options(2);
    sse_test_reply    r = {0};
    node              n;
    int               i;
    t.source_name = "log";
    begin(&n, 10);
    sse_topic(n.app, "room.1", &t);
    sse_topic(n.app, "room.2", &t);
    for (i = 0; i < 8; i++) add_to(i % 2 ? "room.2" : "room.1", "old");
    follow(&n, 8); /* each has lost some */
    come(&n, "GET /feed?topic=room.1", id_of(8), &r);
    is_int(sse_source_restart(n.app, "room.2"), 0, "by the name of a topic: all of its log");
    sse_test_run(n.app, 0);
    ok(!r.open, "also streams of the others come back");
    is_int(sse_source_restart(n.app, "log"), 0, "by the name of the log");
    add_to("room.1", "m9.");
    add_to("room.2", "m10.");
    follow(&n, 10);
    come(&n, "GET /feed?topic=room.2", id_of(9), &r);
    is_str(got(&r), "m10. ", "memory goes on from what came since");
    is_int(nasks, 0, "what was lost before does not count");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_restart_unused(void) {
    const sse_topic_options t = source_options(5);
    node                    n;
    begin(&n, 5);
    sse_topic(n.app, "room.*", &t);
    add_to("room.1", "m1.");
    add_to("room.2", "m2.");
    follow(&n, 2);
    is_int(sse_source_restart(n.app, "room.1"), 0, "a topic that nobody follows");
    is_int(sse_source_restart(n.app, "room.1"), SSE_E_ABSENT, "is gone then");
    ok(sse__topic_find(n.app->topics, sse__text("room.2")) != NULL, "others stay");
    sse_app_free(n.app);
}

/* ---- publishing ---- */

static void test_publish(void) { /* SO1 */
    sse_test_reply r = {0};
    sse_event      event;
    char           id[200];
    node           n;
    begin(&n, 10);
    add(5);
    follow(&n, 5);
    come(&n, "GET /feed", id_of(5), &r);
    n.read = 2;
    is_int(follow(&n, 5), 0, "a follower reads again");
    add(1);
    follow(&n, 6);
    sse_test_run(n.app, 0);
    is_str(got(&r), "m6. ", "nobody notices");
    memset(&event, 0, sizeof event);
    event.data = "late";
    event.id = "90-11.5";
    is_int(sse_publish(n.app, "chat", &event), SSE_E_ARG, "an entry out of order");
    ok(strstr(said, "sse_publish: .id 90-11.5 comes after a later one of chat, as .compare") !=
            NULL,
        "is told with its id");
    event.id = "90-8";
    is_int(sse_publish(n.app, "chat", &event), 0, "one from before the first is not known");
    memset(id, '9', 128);
    id[128] = '\0';
    event.id = id;
    is_int(sse_publish(n.app, "chat", &event), SSE_E_ARG, "an id of 128 bytes");
    event.id = "";
    is_int(sse_publish(n.app, "chat", &event), SSE_E_ARG, "an empty one");
    event.id = NULL;
    event.data = "passing";
    is_int(sse_publish(n.app, "chat", &event), 0, "none");
    sse_test_run(n.app, 0);
    is_str(got(&r), "m6. passing ", "is not kept");
    is_str(last_id(&r), id_of(6), "and is no place to come back to");
    come(&n, "GET /feed", id_of(5), &r);
    is_str(got(&r), "m6. ", "nor in memory");
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_read_again(void) { /* SO1 */
    sse_topic_options t = source_options(5);
    sse_app_options   o;
    node              n;
    begin(&n, 10);
    add(25);
    follow(&n, 25);
    n.read = 0;
    is_int(follow(&n, 25), 0, "a follower begins again, far behind what is kept");
    is_str(said, "", "which is no mistake");
    sse_app_free(n.app);

    memset(&o, 0, sizeof o);
    o.max_topics = 1;
    o.on_log = on_log;
    said[0] = '\0';
    n.app = sse_app_new(&o);
    t.source_name = "log";
    sse_topic(n.app, "room.*", &t);
    sse_publish(n.app, "room.1", event_of("1-1", "m1."));
    sse_publish(n.app, "room.2", event_of("1-2", "m2.")); /* room.1 goes */
    is_int(sse_publish(n.app, "room.1", event_of("1-1", "m1.")), 0, "of topics that made room");
    is_int(sse_publish(n.app, "room.2", event_of("1-2", "m2.")), 0, "the newest as well");
    is_str(said, "", "neither is a mistake");
    sse_app_free(n.app);
}

/* ---- several topics in one log ---- */

static void test_shared(void) {
    static const char *const topics[] = {"room.1", "room.2", "room.3"};
    sse_topic_options        t = source_options(5);
    sse_test_reply           r = {0};
    node                     n;
    int                      i;
    t.source_name = "log";
    entries = oldest = 0;
    n.app = new_app(&t);
    n.read = 0;
    sse_topic(n.app, "room.*", &t);
    for (i = 0; i < 60; i++) {
        char data[24];
        snprintf(data, sizeof data, "m%d.", i + 1);
        add_to(topics[i < 50 ? i % 3 : 2], data);
    }
    n.read = 30;
    follow(&n, 40);
    come(&n, "GET /feed?topic=room.1%20room.2", id_of(20), &r);
    ok(nasks == 1 && strcmp(asks[0].name, "log") == 0, "two topics of a log: one question");
    follow(&n, 50);
    answer_all(&n, 100);
    is_str(got(&r),
        "m22. m23. m25. m26. m28. m29. m31. m32. m34. m35. m37. m38. m40. m41. m43. "
        "m44. m46. m47. m49. m50. ",
        "the events of both, once and in order");
    come(&n, "GET /feed?topic=room.1%20room.2", id_of(48), &r);
    is_str(got(&r), "m49. m50. ", "an id of another topic is a place, too");
    is_int(nasks, 0, "in memory");
    follow(&n, 60);
    come(&n, "GET /feed?topic=room.1%20room.2", id_of(44), &r);
    is_str(got(&r), "m46. m47. m49. m50. ", "each topic keeps its own, however busy others are");
    is_int(nasks, 0, "in memory");
    come(&n, "GET /feed?topic=room.1%20room.3", id_of(52), &r);
    is_int(nasks, 1, "what one of them has trimmed is asked for");
    nasks = 0;
    come(&n, "GET /feed?topic=room.4", id_of(35), &r);
    is_str(got(&r), "", "a topic without events");
    is_int(nasks, 0, "has missed none");
    come(&n, "GET /feed?topic=room.4", id_of(2), &r);
    answer(40);
    sse_test_run(n.app, 0);
    is_str(last_id(&r), id_of(42), "a page without events for it moves its place");
    nasks = 0;
    come(&n, "GET /feed?topic=room.1%20room.2", id_of(2), &r);
    is_int(sse_unsubscribe(newest, "room.1"), 0, "one of two is unsubscribed meanwhile");
    is_int(answer(4), 0, "the answer is due for the other");
    sse_test_run(n.app, 0);
    is_str(got(&r), "m5. ", "and sends it");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* A topic joins a log late: nobody kept what was published to it before. */
static void test_joins_late(void) { /* SO2 */
    sse_topic_options t = source_options(5);
    sse_test_reply    r = {0};
    node              n;
    t.source_name = "log";
    begin(&n, 10);
    sse_topic(n.app, "room.1", &t);
    add_to("room.1", "m1.");
    add_to("room.2", "m2.");
    add_to("room.1", "m3.");
    follow(&n, 3);
    t.greet = 1;
    is_int(sse_topic(n.app, "room.2", &t), 0, "a second topic of a log that is followed");
    come(&n, "GET /feed?topic=room.2", id_of(1), &r);
    is_int(nasks, 1, "what its clients missed before that is asked for");
    answer_all(&n, 10);
    is_str(got(&r), "m2. ", "and comes");
    come(&n, "GET /feed?topic=room.2", NULL, &r);
    ok(nasks == 1 && asks[0].begins, "so is the one event to greet newcomers with");
    sse_app_free(n.app);
    sse_test_close(&r);
}

/* A topic that is not there: its log goes on, and so does what memory claims to have. */
static char told[200]; /* by sse_topic_listen */

static void on_told(sse_app *app, const char *topic, const sse_event *event, void *user) {
    const size_t n = strlen(told);
    (void)app, (void)user;
    snprintf(told + n, sizeof told - n, "%s=%s ", topic, event->data);
}

static void test_evicted(void) { /* SO2 */
    sse_topic_options t = source_options(5), single = source_options(5);
    sse_app_options   o;
    sse_test_reply    r = {0}, second = {0};
    node              n;
    memset(&o, 0, sizeof o);
    o.max_topics = 2;
    o.on_log = on_log;
    t.source_name = "log";
    nasks = entries = oldest = 0;
    n.app = sse_app_new(&o);
    n.read = 0;
    sse_topic(n.app, "room.*", &t);
    sse_topic(n.app, "solo.*", &single); /* each a log of its own */
    sse_topic_listen(n.app, "*.9", on_told, NULL);
    sse_test_run(n.app, 0);
    told[0] = '\0';
    sse_get(n.app, "/feed", feed, NULL);
    add_to("room.1", "m1.");
    add_to("room.2", "m2.");
    add_to("room.1", "m3.");
    follow(&n, 3);
    add_to("room.3", "m4."); /* room.2 goes */
    add_to("room.1", "m5.");
    follow(&n, 5);
    come(&n, "GET /feed?topic=room.2", id_of(1), &r);
    is_int(nasks, 1, "what went with a topic is asked for");
    answer_all(&n, 100);
    is_str(got(&r), "m2. ", "and comes");
    sse_subscribe(newest, "room.1");
    is_int(sse_publish(n.app, "room.9", event_of("200-1", "nowhere")), 0, "no room for a topic");
    is_int(sse_publish(n.app, "room.9", event_of("200-1", "again")), 0, "it comes again");
    is_int(sse_publish(n.app, "room.9", event_of("", "nameless")), SSE_E_ARG, "one without an id");
    is_int(sse_publish(n.app, "solo.9", event_of("1-8", "alone")), 0,
        "one of no log that is known");
    sse_test_run(n.app, 0);
    is_str(told, "room.9=nowhere solo.9=alone ", "each is told of, once");
    come(&n, "GET /feed?topic=room.2", id_of(5), &second);
    is_int(nasks, 1, "also what found no room");
    sse_test_close(&second);
    sse_app_free(n.app);
    sse_test_close(&r);
}

static void test_held(void) { /* a line of the log makes room for itself */
    sse_topic_options t = source_options(5);
    sse_app_options   o;
    sse_app          *app;
    memset(&o, 0, sizeof o);
    o.max_topics = 1;
    o.on_log = on_log;
    said[0] = '\0';
    app = sse_app_new(&o);
    sse_topic(app, "room.*", &t);
    t.source = NULL;
    sse_topic(app, "line*", &t);
    sse_publish(app, "room.1", event_of("1-1", "m1."));
    sse_publish(app, "room.1", event_of("3-1", "m3."));
    log_of = app;
    is_int(sse_publish(app, "room.1", event_of("2-1", "m2.")), SSE_E_ARG,
        "an event that comes too late is refused, in a line that is published");
    log_of = NULL;
    ok(strstr(said, "comes after a later one"), "... and says why");
    ok(sse__topic_find(app->topics, sse__text("room.1")), "... its topic does not go for that");
    sse_publish(app, "room.2", event_of("4-1", "m4."));
    ok(sse__topic_find(app->topics, sse__text("room.2")), "... but makes room as before");
    sse_app_free(app);
}

/* ---- slow readers ---- */

static void test_slow(void) {
    static char       data[20001];
    sse_app_options   o;
    sse_app          *app;
    client           *c;
    long long         most = 0;
    int               i, next = 3, pages = 0, seen = 0;
    sse_topic_options t = source_options(10);
    memset(data, 'x', sizeof data - 1);
    memset(&o, 0, sizeof o);
    nasks = entries = oldest = 0;
    o.on_log = on_log;
    o.max_queue_bytes = 200000;
    o.send_timeout_ms = 600000;
    app = dial_app(&o);
    sse_topic(app, "chat", &t);
    sse_get(app, "/feed", feed, NULL);
    for (i = 0; i < 400; i++) add(1);
    c = dial(app, "/feed", "Last-Event-ID: 90-10\r\n");
    for (i = 0; i < 20000 && next < 400; i++) {
        char id[24];
        sse_poll(app, 1);
        if (i % 4 == 0) hear(), c->len = 0;
        if (!nasks) continue;
        pages++;
        is_int(sse_stream_pending(asks[0].s), 0, "nothing waits when the source is asked");
        ok(strcmp(asks[0].after, id_of(next - 1)) == 0, "for what follows");
        while (next < 400 && sse_stream_pending(asks[0].s) < 100000) {
            sse_stream_send(asks[0].s, event_of(id_of(next++), data));
            seen++;
        }
        if (most < sse_stream_pending(asks[0].s)) most = sse_stream_pending(asks[0].s);
        snprintf(id, sizeof id, "%s", id_of(next - 1));
        nasks = 0;
        sse_replay_end(newest, id);
    }
    ok(sse_stream_is_open(newest) && seen == 397 && pages > 50,
        "a reader that is slow gets page after page");
    ok(most < 130000, "%lld bytes wait for it at most", most);
    dial_free(app);
}

static int asked_again; /* for a beginning */
static int waited;      /* bytes that still waited for the reader then */

static void denies(sse_stream s, const char *name, const char *after, void *user) {
    static char data[100001];
    int         i;
    (void)name, (void)user;
    if (after) {
        memset(data, 'x', sizeof data - 1);
        for (i = 0; i < 100; i++) sse_stream_send(s, event_of(NULL, data));
        is_int(sse_replay_gap(s), 0, "an id that is denied, behind much");
    } else if (!asked_again++) waited = (int)sse_stream_pending(s);
}

/* An answer is an answer: that .source_ms are over then says nothing. */
static void test_slow_gap(void) {
    sse_topic_options t = source_options(10);
    sse_app_options   o;
    sse_app          *app;
    client           *c;
    int               i;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.max_queue_bytes = 20000000;
    t.source = denies;
    t.source_ms = 20;
    app = dial_app(&o);
    sse_topic(app, "chat", &t);
    sse_get(app, "/feed", feed, NULL);
    asked_again = 0;
    c = dial(app, "/feed", "Last-Event-ID: 90-10\r\n");
    for (i = 0; i < 100; i++) sse_poll(app, 1);
    is_int(asked_again, 0, "a reader that is slow is not asked for meanwhile");
    for (i = 0; i < 30000 && !asked_again; i++) turns(app, 1), c->len = 0;
    is_int(asked_again, 1, "but when it has read all");
    is_int(waited, 0, "... that waited for it");
    dial_free(app);
}

/* ---- anything at all ---- */

/* Nodes that follow at random, clients that roam, a source that answers at random: each client
   gets each event once and in order, or a gap event where the log was trimmed. */
static unsigned seed;
static int      pick(int n) {
         seed = seed * 1103515245u + 12345u;
         return (int)((seed >> 16) % (unsigned)n);
}

typedef struct roamer {
    sse_test_reply r;
    char           id[140];
    int            at, next; /* its node; the next event it is to get */
    size_t         read;
} roamer;

static bool roamer_read(roamer *c) {
    const char *at;
    if (!c->r.body || c->r.body_len < c->read) return true;
    at = c->r.body + c->read;
    while (strstr(at, "\n\n")) {
        const char *end = strstr(at, "\n\n"), *id = strstr(at, "id: "), *d = strstr(at, "data: m");
        if (id && id < end)
            snprintf(c->id, sizeof c->id, "%.*s", (int)strcspn(id + 4, "\n"), id + 4);
        if (d && d < end && atoi(d + 7) != c->next++) return false;
        at = end + 2;
    }
    c->read = (size_t)(at - c->r.body);
    return true;
}

static bool roam(unsigned from) {
    static roamer           clients_[8];
    const sse_topic_options t = source_options(8);
    int                     i, step, k;
    bool                    fine = true;
    seed = from;
    entries = oldest = nasks = 0;
    memset(clients_, 0, sizeof clients_);
    add(3);
    for (i = 0; i < NODES; i++) {
        nodes[i].app = new_app(&t);
        nodes[i].read = pick(4);
    }
    for (k = 0; k < 8; k++) {
        clients_[k].next = 2;
        snprintf(clients_[k].id, sizeof clients_[k].id, "%.99s", id_of(1));
    }
    for (step = 0; step < 600 && fine; step++) {
        node *n = &nodes[pick(NODES)];
        switch (pick(7)) {
        case 0:
            if (entries < ENTRIES - 20) add(pick(12));
            break;
        case 1: follow(n, n->read + pick(14)); break;
        case 2:
            if (pick(4) == 0 && n->read > 3) n->read -= pick(3); /* its follower begins again */
            break;
        case 3:
            k = pick(8);
            roamer_read(&clients_[k]);
            sse_test_close(&clients_[k].r);
            clients_[k].at = pick(NODES);
            clients_[k].read = 0;
            come(&nodes[clients_[k].at], "GET /feed", clients_[k].id, &clients_[k].r);
            break;
        case 4:
            if (pick(20) == 0) sse_source_restart(n->app, "chat"), n->read = pick(entries + 1);
            break;
        default:
            if (nasks > 40) nasks = 0, sse_test_run(n->app, 20000); /* the source was away */
            for (k = pick(4); k > 0 && nasks; k--) answer(1 + pick(9));
        }
        for (i = 0; i < NODES; i++) sse_test_run(nodes[i].app, 0);
        for (k = 0; k < 8 && fine; k++) fine = roamer_read(&clients_[k]);
    }
    for (i = 0; i < NODES; i++) follow(&nodes[i], entries);
    nasks = 0;
    for (k = 0; k < 8 && fine; k++) { /* at the end each has all */
        roamer *c = &clients_[k];
        if (!c->r.open || c->r.body_len == 0) c->at = pick(NODES);
        roamer_read(c);
        sse_test_close(&c->r);
        c->read = 0;
        come(&nodes[c->at], "GET /feed", c->id, &c->r);
        answer_all(&nodes[c->at], 5);
        fine = roamer_read(c) && c->next == entries + 1;
    }
    for (k = 0; k < 8; k++) sse_test_close(&clients_[k].r);
    for (i = 0; i < NODES; i++) sse_app_free(nodes[i].app);
    if (!fine) fprintf(stderr, "# roam: seed %u, step %d\n", from, step);
    return fine;
}

static void test_roaming(void) { /* SO1 SO2 SO3 */
    unsigned i, n = 0;
    for (i = 1; i <= 24; i++) n += roam(i);
    is_int(n, 24, "24 random runs: each event once and in order");
}

/* ---- without memory ---- */

static bool without_memory(long n) { /* false: fewer allocations than n */
    static roamer c;
    sse_stats     stats;
    node          a;
    bool          failed;
    int           i;
    memset(&c, 0, sizeof c);
    begin(&a, 10);
    add(40);
    a.read = 25;
    follow(&a, 40);
    c.next = 4;
    snprintf(c.id, sizeof c.id, "%.99s", id_of(3));
    fail_at = n;
    for (i = 0; i < 2; i++) {
        come(&a, "GET /feed", c.id, &c.r);
        answer_all(&a, 7);
        roamer_read(&c);
        if (c.r.open && c.next == 41) break;
        c.read = 0;
    }
    failed = fail_at == 0;
    fail_at = 0;
    c.read = 0;
    nasks = 0;
    come(&a, "GET /feed", c.id, &c.r);
    answer_all(&a, 7);
    sse_stats_get(a.app, &stats);
    if (!roamer_read(&c) || c.next != 41 || stats.gaps)
        ok(false, "allocation %ld lost an event", n);
    sse_test_close(&c.r);
    sse_app_free(a.app);
    return failed;
}

static void test_memory_fails(void) {
    long n;
    for (n = 1; n < 1000 && without_memory(n); n++) {
    }
    ok(n > 30 && n < 1000, "each of %ld allocations may fail", n - 1);
}

int main(void) {
    test_options();
    test_order();
    test_compatible();
    test_no_pattern();
    test_chosen();
    test_longest();
    test_memory();
    test_forgotten();
    test_asked();
    test_behind();
    test_newcomers();
    test_begins_late();
    test_gap();
    test_ends();
    test_ends_first();
    test_ends_just_then();
    test_misplaced();
    test_placed();
    test_overflow();
    test_stop();
    test_restart();
    test_restart_at_end();
    test_restart_shared();
    test_restart_unused();
    test_publish();
    test_read_again();
    test_shared();
    test_joins_late();
    test_evicted();
    test_held();
    test_slow();
    test_slow_gap();
    test_roaming();
    test_memory_fails();
    return tap_done();
}
