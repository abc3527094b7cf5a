/* topics.c: patterns, ids, rings, and what happens without memory. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static void test_patterns(void) {
    static const struct {
        const char *pattern, *name;
        bool        match;
    } cases[] = {
        {"chat.*", "chat.1", true},
        {"chat.*", "chat.", true},
        {"chat.*", "chat", false},
        {"*", "", true},
        {"*", "x", true},
        {"", "", true},
        {"", "x", false},
        {"a*b", "ab", true},
        {"a*b", "axxb", true},
        {"a*b", "axxbc", false},
        {"a*b*c", "abbbc", true},
        {"*.end", "x.end.end", true},
        {"*.end", "x.end.", false},
        {"**", "x", true},
        {"a**b", "ab", true},
        {"abc", "abc", true},
        {"abc", "abd", false},
        {"abc", "ab", false},
        {"?", "x", false},
        {"[a]", "a", false},
        {"a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++)
        ok(sse__pattern_match(cases[i].pattern, sse__text(cases[i].name)) == cases[i].match,
            "%s %s %s", cases[i].pattern, cases[i].match ? "matches" : "does not match",
            cases[i].name);
    is_int((long long)sse__pattern_key("chat.*").len, 5,
        "a pattern is kept by what stands before its star");
}

/* A star in the name of a topic is no pattern. That it was meant as one is likely. */
static int  stars;
static char star_line[600];

static void hear_star(int level, const char *line, void *user) {
    (void)user;
    stars += level == SSE_LOG_WARNING;
    snprintf(star_line, sizeof star_line, "%s", line);
}

static void open_starred(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    (void)user;
    is_int(sse_subscribe_pattern(s, "chat.*"), 0, "a pattern");
    is_int(stars, 0, "... has a star");
    is_int(sse_subscribe(s, "room.*"), 0, "a name with a star");
    is_str(star_line,
        "sse_subscribe: room.*: its * is a plain character: sse_subscribe_pattern is "
        "for all topics that match (said once)",
        "... which the log asks about");
    is_int(sse_subscribe(s, "room.2*"), 0, "another one");
}

static void open_long(sse_req *req, void *name) {
    (void)sse_subscribe(sse_stream_open(req, NULL), (const char *)name);
}

/* Nothing is kept to greet anybody with. */
static void test_greeting_of_nothing(void) {
    sse_topic_options greets;
    sse_app_options   o;
    sse_app          *app;
    sse_test_reply    reply;
    memset(&o, 0, sizeof o);
    memset(&greets, 0, sizeof greets);
    memset(&reply, 0, sizeof reply);
    o.on_log = hear_star;
    app = sse_app_new(&o);
    greets.greet = 10;
    is_int(sse_topic(app, "bare.*", &greets), 0, "a greeting, and nothing that is kept");
    greets.history = 10;
    is_int(sse_topic(app, "kept.*", &greets), 0, "one of a history");
    sse_get(app, "/bare", open_long, (void *)"bare.1");
    sse_get(app, "/kept", open_long, (void *)"kept.1");
    stars = 0;
    sse_test_request(app, "GET /kept", NULL, NULL, &reply);
    is_int(stars, 0, "... is none to speak of");
    sse_test_request(app, "GET /bare", NULL, NULL, &reply);
    ok(reply.open, "the other has a stream as well");
    is_str(star_line,
        "sse_topic: bare.*: .greet needs a .history, a .source or rows of "
        "sse_topic_from_table: nobody is greeted",
        "... and the log says so");
    sse_test_close(&reply);
    sse_app_free(app);
}

static void test_star(void) {
    sse_app_options o;
    sse_app        *app;
    sse_test_reply  reply;
    static char     starred[SSE__TOPIC_NAME_MAX + 1];
    memset(&o, 0, sizeof o);
    memset(&reply, 0, sizeof reply);
    o.on_log = hear_star;
    app = sse_app_new(&o);
    sse_get(app, "/s", open_starred, NULL);
    sse_test_request(app, "GET /s", NULL, NULL, &reply);
    is_int(stars, 1, "... once");
    say(app, "room.7", "not for it");
    say(app, "room.*", "for it");
    sse_test_run(app, 0);
    ok(strstr(reply.body, "data: for it") && !strstr(reply.body, "not for it"),
        "and it is a topic like others");
    sse_test_close(&reply);
    sse_app_free(app);
    memset(starred, '*', sizeof starred - 1);
    app = sse_app_new(&o);
    sse_get(app, "/s", open_long, starred);
    sse_test_request(app, "GET /s", NULL, NULL, &reply);
    ok(strstr(star_line, "its * is a plain character: ") != NULL, "a long name hides no words: %s",
        star_line);
    sse_test_close(&reply);
    sse_app_free(app);
}

static void test_ids(void) {
    static const char *const bad[] = {"", "-", "7f3a9c02", "7f3a9c02-", "7f3a9c02-x", "7f3a9c02--1",
        "7f3a9c02- 1", "7f3a9c02-1 ", "7F3A9C02-1", "7f3a9c0-1", "7f3a9c022-1",
        "7f3a9c02-18446744073709551616", "7f3a9c02-1e3", "-7f3a9c02-1"};
    char                     out[SSE__ID_ROOM + 1];
    sse_str                  epoch, line = sse__id_line(out, "7f3a9c02", UINT64_MAX);
    uint64_t                 seq;
    size_t                   i;
    is_mem(line.ptr, line.len, "id: 7f3a9c02-18446744073709551615\n", 34, "the longest id line");
    is_int((long long)line.len, SSE__ID_ROOM, "fills its room");
    ok(sse__id_parse(sse__text("7f3a9c02-18446744073709551615"), &epoch, &seq) &&
            seq == UINT64_MAX && sse__eq(epoch, SSE__LIT("7f3a9c02")),
        "and is read back");
    for (i = 0; i < SSE__COUNT(bad); i++)
        ok(!sse__id_parse(sse__text(bad[i]), &epoch, &seq), "no id: \"%s\"", bad[i]);
    ok(!sse__id_parse(sse__str("7f3a\0c02-1", 10), &epoch, &seq), "no id: one with a NUL");
}

/* user: how far before the 100th event it should be */
static bool count_one(const sse_event *event, void *user) {
    char want[16];
    snprintf(want, sizeof want, "%d", 100 - *(int *)user);
    if (!event->data || strcmp(event->data, want) != 0) return false;
    --*(int *)user;
    return true;
}

static void test_ring(void) {
    sse_app          *app = sse_app_new(NULL);
    sse_topic_options o;
    sse_event         event;
    char              text[16];
    int               i, left = 100;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    o.history = 10;
    is_int(sse_topic(app, "t*", &o), SSE_OK, "options for a pattern");
    event.data = text;
    for (i = 0; i <= 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        sse_publish(app, "t", &event);
        if (i == 0)
            is_int(sse_topic_history(app, "t", 0, count_one, &left), 1, "one event is kept");
    }
    left = 9;
    is_int(sse_topic_history(app, "t", 0, count_one, &left), 10,
        "of 101 events the last 10 are kept");
    is_int(left, -1, "in order");
    left = 2;
    is_int(sse_topic_history(app, "t", 3, count_one, &left), 3, "or the last three");
    is_int(left, -1, "which end with the newest");
    left = 5;
    is_int(sse_topic_history(app, "t", 0, count_one, &left), 1, "or one, at which fn says no");
    left = 9;
    is_int(sse_topic_history(app, "t", 10, count_one, &left), 10, "or just as many as there are");
    fail_at = 1;
    is_int(sse_topic_history(app, "t.new", 0, count_one, &left), 0,
        "one that keeps nothing takes no memory");
    fail_at = 0;
    is_int(sse_topic_history(app, "none", 0, count_one, &left), SSE_E_ABSENT,
        "a topic without a history");
    o.history = -1;
    is_int(sse_topic(app, "bad", &o), SSE_E_ARG, "a mistake is told");
    is_int(sse_serve(app, NULL), SSE_E_ARG, "and told again by sse_serve");
    sse_app_free(app);
}

static bool tally(const sse_event *event, void *user) {
    (void)event;
    ++*(int *)user;
    return true;
}

static int kept_of(sse_app *app, const char *topic) {
    int n = 0;
    sse_topic_history(app, topic, 0, tally, &n);
    return n;
}

/* Options that say nothing of a limit. */
static void test_default_limits(void) {
    sse_app          *app = sse_app_new(NULL);
    sse_topic_options o;
    char             *large = (char *)calloc(1, 1 << 20);
    int               i;
    memset(&o, 0, sizeof o);
    o.history_age_ms = 3600000;
    sse_topic(app, "aged*", &o);
    for (i = 0; i < 1500; i++) say(app, "aged", "small");
    is_int(kept_of(app, "aged"), 1500, "with an age alone any number is kept");
    memset(large, 'x', (1 << 20) - 1);
    for (i = 0; i < 6; i++) say(app, "aged.large", large);
    is_int(kept_of(app, "aged.large"), 3, "in 4 MiB");
    free(large);
    sse_app_free(app);
}

/* ---- subscriptions ---- */

/* Patterns are found by what stands before their star, up to 63 bytes of it. */
static void test_long_patterns(void) {
    sse_app *app = dial_app(NULL);
    client  *c = dial(app, "/s", NULL);
    char     name[67], pattern[80];
    int      n;
    memset(name, 'x', sizeof name);
    for (n = 60; n < (int)sizeof name; n++) {
        name[n] = '\0';
        snprintf(pattern, sizeof pattern, "%s*", name);
        is_int(sse_subscribe_pattern(newest, pattern), 0, "a long pattern");
        say(app, name, "whole");
        is_int(sse_unsubscribe_pattern(newest, pattern), 0, "for a moment");
        say(app, name, "late");
        name[n] = 'x';
    }
    turns(app, 3);
    is_int(times(c, "data: whole\n"), 7, "each matches the name that it begins with");
    is_int(times(c, "data: late\n"), 0, "as long as it is subscribed");
    dial_free(app);
}

/* Patterns take room as topics do. */
static void test_full(void) {
    sse_app_options options;
    sse_stats       stats;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.max_topics = 2;
    app = dial_app(&options);
    dial(app, "/s", NULL);
    is_int(sse_subscribe_pattern(newest, "a.*"), 0, "a pattern");
    is_int(sse_subscribe(newest, "b"), 0, "a topic");
    is_int(sse_subscribe(newest, "c"), SSE_E_FULL, "no more than .max_topics");
    is_int(sse_unsubscribe_pattern(newest, "a.*"), 0, "the pattern goes");
    is_int(sse_subscribe(newest, "c"), 0, "there is room for one");
    is_int(sse_subscribe_pattern(newest, "a.*"), SSE_E_FULL, "of either kind");
    sse_stats_get(app, &stats);
    is_int((long long)stats.subscriptions_refused, 2, "both refusals are counted");
    is_int(sse_subscribe(newest, "c"), 0, "one that the stream has already");
    is_int(sse_unsubscribe(newest, "c"), 0, "... is one");
    is_int(sse_unsubscribe(newest, "c"), SSE_E_ARG, "... and ends once");
    dial_free(app);
}

static void subscribe_to(sse_req *req, sse_stream s) { /* ?to=a, ?like=a* */
    if (sse_query(req, "to")) sse_subscribe(s, sse_query(req, "to"));
    if (sse_query(req, "like")) sse_subscribe_pattern(s, sse_query(req, "like"));
}

/* A stream has an id to come back with as soon as it follows what is kept, and is told of it
   once. */
static void test_later(void) { /* O4 */
    static const char *const paths[] = {"/s", "/s?to=plain", "/s?to=kept.1", "/s?like=n*"};
    sse_topic_options        o;
    sse_app                 *app = dial_app(NULL);
    client                  *c;
    int                      i;
    memset(&o, 0, sizeof o);
    o.history = o.greet = 10;
    sse_topic(app, "kept.*", &o);
    opening = subscribe_to;
    for (i = 0; i < 4; i++) {
        c = dial(app, paths[i], NULL);
        turns(app, 2);
        is_int(times(c, "id: "), i == 2, paths[i]);
        is_int(sse_subscribe(newest, "other"), 0, "a topic that keeps nothing");
        turns(app, 2);
        is_int(times(c, "id: "), i == 2, "... tells no id");
        is_int(sse_subscribe(newest, "kept.2"), 0, "one that keeps its events");
        turns(app, 2);
        is_int(times(c, "id: "), 1, "... does, if there was none");
        is_int(sse_subscribe(newest, "kept.3"), 0, "another");
        turns(app, 2);
        is_int(times(c, "id: "), 1, "... does not tell it again");
    }
    is_int(sse_subscribe_pattern(newest, "p.*"), 0, "a pattern");
    ok(sse_subscribed(newest, "p.1") && sse_subscribed(newest, "kept.2"), "it follows both");
    ok(!sse_subscribed(newest, "q.1") && !sse_subscribed(newest, "p"), "and no others");
    ok(!sse_subscribed(newest, NULL), "nor none");
    sse_stream_end(newest, NULL);
    ok(!sse_subscribed(newest, "p.1"), "until it ends");
    dial_free(app);
}

/* A topic that a stream follows while it still catches up with another: from there on, as ever. */
static void test_later_still(void) {
    static char       body[50001];
    sse_topic_options o;
    sse_app_options   options;
    sse_app          *app;
    client           *c;
    int               i, first = 0, second = 0;
    memset(&o, 0, sizeof o);
    memset(&options, 0, sizeof options);
    memset(body, 'x', sizeof body - 1);
    options.max_queue_bytes = 200000;
    app = dial_app(&options);
    o.history = o.greet = 100;
    sse_topic(app, "*", &o);
    opening = subscribe_to;
    for (i = 0; i < 100; i++) say(app, "much", body);
    say(app, "other", "first");
    c = dial(app, "/s?to=much", NULL);
    ok(sse__stream_get(newest)->replaying, "a stream that catches up");
    is_int(sse_subscribe(newest, "other"), 0, "... follows another topic");
    say(app, "other", "second");
    for (i = 0; i < 3000 && !second; i++) {
        turns(app, 1);
        first += times(c, "data: first\n");
        second += times(c, "data: second\n");
        c->len = 0;
    }
    is_int(second, 1, "... which it is sent");
    is_int(first, 0, "... but not what was before");
    dial_free(app);
}

/* A newcomer begins with the last events, as many as its topic says. */
static void test_greeting(void) {
    sse_topic_options o;
    sse_app          *app = dial_app(NULL);
    char              text[24];
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 4;
    o.greet = 3;
    sse_topic(app, "greets", &o);
    opening = subscribe_to;
    for (i = 1; i <= 6; i++) {
        const client *c;
        char          path[] = "/s?to=greets";
        snprintf(text, sizeof text, "number %d", i);
        say(app, "greets", text);
        c = dial(app, path, NULL);
        turns(app, 2);
        is_int(times(c, "data: number "), i < 3 ? i : 3, "a newcomer is greeted");
        is_int(times(c, text), 1, "... up to the newest");
    }
    dial_free(app);
}

/* An event takes the place of one that waits, if its topic and its key are the same. */
static void test_newest(void) {
    static const char *const events[][3] = {{"a", "k", "old"}, {"b", "k", "of another topic"},
        {"a", "j", "of another key"}, {"a", NULL, "of no key"}, {"a", "k", "new"}};
    sse_topic_options        o;
    sse_app                 *app = dial_app(NULL);
    client                  *c = dial(app, "/s", NULL);
    sse_event                event;
    size_t                   i;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    o.overflow = SSE_KEEP_NEWEST;
    sse_topic(app, "a", &o);
    sse_topic(app, "b", &o);
    sse_subscribe(newest, "a");
    sse_subscribe(newest, "b");
    for (i = 0; i < SSE__COUNT(events); i++) {
        event.key = events[i][1];
        event.data = events[i][2];
        sse_publish(app, events[i][0], &event);
    }
    turns(app, 3);
    is_int(times(c, "data: old\n"), 0, "the newest of a key is sent");
    for (i = 1; i < SSE__COUNT(events); i++) is_int(times(c, events[i][2]), 1, events[i][2]);
    dial_free(app);
}

/* A gap has the name that a topic gives it, also where nothing of the topic is there yet. */
static void gap_names(void) {
    static const struct {
        const char *path, *name;
    } rows[] = {
        {"/s?to=plain", "gap"},
        {"/s?to=named", "named"},
        {"/s?to=room.1", "room"},
        {"/s?like=room.*", "room"},
        {"/s?like=room.1*", "room"},
        {"/s?like=roo*", "room"},
        {"/s?like=named*", "named"},
        {"/s?like=plain*", "gap"},
        {"/s?to=plain&like=room.*", "room"},
        {"/s?to=room.1&like=plain*", "room"},
    };
    sse_topic_options o;
    sse_event         event;
    size_t            i;
    int               there;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    event.data = "of before";
    for (there = 0; there < 2; there++) {
        sse_app *app = dial_app(NULL);
        o.history = 10;
        o.gap_event = NULL;
        sse_topic(app, "plain", &o);
        o.gap_event = "named";
        sse_topic(app, "named", &o);
        o.gap_event = "room";
        sse_topic(app, "room.*", &o);
        opening = subscribe_to;
        if (there) sse_publish(app, "room.1", &event);
        if (there) sse_publish(app, "plain", &event);
        for (i = 0; i < SSE__COUNT(rows); i++) {
            char    want[40];
            client *c = dial(app, rows[i].path, "Last-Event-ID: 1700000000000-5\r\n");
            snprintf(want, sizeof want, "event: %s\n", rows[i].name);
            is_int(times(c, want), 1, rows[i].path);
            is_int(times(c, "event: "), 1, "... and no other");
            hang_up(c);
        }
        dial_free(app);
    }
}

#ifndef SSE_NO_SQLITE
/* Rows are the events of a topic that has no others, nor subscribers yet. */
static void test_rows_alone(void) {
    static const char sql[] = "SELECT id, body FROM box WHERE id > ? ORDER BY id";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = dial_app(NULL);
    sse_topic_options o;
    client           *c;
    memset(&o, 0, sizeof o);
    sse_db_migrate(db, "CREATE TABLE box (id INTEGER PRIMARY KEY, body)");
    opening = subscribe_to;
    dial(app, "/s?to=busy", NULL);
    o.history = 10;
    sse_topic(app, "kept", &o);
    o.history = 0;
    o.gap_event = "begin-again";
    sse_topic(app, "rows", &o);
    is_int(sse_topic_from_table(app, "kept", db, sql), SSE_E_STATE, "not of one with a history");
    is_int(sse_topic_from_table(app, "busy", db, sql), SSE_E_STATE, "not where somebody is");
    is_int(sse_topic_from_table(app, "none", db, "SELECT 1"), SSE_E_ARG, "not without a ?");
    ok(!sse__topic_find(app->topics, SSE__LIT("none")), "... which leaves no topic behind");
    is_int(sse_topic_from_table(app, "rows", db, sql), 0, "of any other");
    is_int(sse_db_exec(db, "INSERT INTO box VALUES(1, 'first')"), 1, "a row");
    turns(app, 3);
    c = dial(app, "/s?to=rows", "Last-Event-ID: 9\r\n");
    turns(app, 3);
    is_int(times(c, "event: begin-again\n"), 1, "its gap event has the name that the topic gives");
    is_int(times(c, "data: first\n"), 1, "and all rows follow");
    is_int(sse_subscribe(newest, "kept"), SSE_E_STATE, "one with a history has other ids");
    is_int(sse_subscribe(newest, "plain"), 0, "one without has none");
    is_int(sse_topic_from_table(app, "bare", db, sql), 0, "a topic that has no options");
    hang_up(dial(app, "/s?to=bare", "Last-Event-ID: 1\r\n"));
    turns(app, 5);
    is_int(sse_db_exec(db, "INSERT INTO box VALUES(2, 'second')"), 1, "a row while nobody is here");
    turns(app, 3);
    c = dial(app, "/s?to=bare", "Last-Event-ID: 1\r\n");
    turns(app, 3);
    is_int(times(c, "data: second\n") * 10 + times(c, "event: begin-again\n"), 10,
        "is there for those who come back");
    dial_free(app);
    sse_db_close(db);
}

static void on_pattern(sse_req *req, sse_stream s) {
    (void)req;
    is_int(sse_subscribe_pattern(s, "d.*"), SSE_OK, "subscribed");
}

/* A client comes back to ten topics of a database, of which only some are in memory. Returns how
   many of their events it got. */
static int resume_from_database(int max_topics, int *gaps) {
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app_options   options;
    sse_topic_options o;
    sse_app          *app;
    client           *c;
    char              text[64];
    int               i, n;
    memset(&options, 0, sizeof options);
    memset(&o, 0, sizeof o);
    options.max_topics = max_topics;
    app = dial_app(&options);
    opening = on_pattern;
    o.history = 10;
    o.db = db;
    sse_topic(app, "*.*", &o);
    for (i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "d.%d", i);
        say(app, text, "mine");
    }
    for (i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "e.%d", i);
        say(app, text, "other");
    }
    snprintf(text, sizeof text, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", text);
    turns(app, 3);
    *gaps = times(c, "event: gap\n");
    n = times(c, "data: mine\n");
    c = dial(app, "/s", NULL);
    say(app, "d.3", "live");
    turns(app, 3);
    is_int(times(c, "data: mine\n") * 10 + times(c, "data: live\n"), 1,
        "one that comes anew gets what is new");
    dial_free(app);
    sse_db_close(db);
    return n;
}

static void test_recall(void) {
    int gaps;
    is_int(resume_from_database(20, &gaps), 10, "what only the database remembers is brought back");
    is_int(gaps, 0, "without a gap");
    ok(resume_from_database(6, &gaps) < 10, "where there is no room for all of it at once");
    is_int(gaps, 1, "the client is told");
}
#endif

/* Everything a topic does, the n-th allocation failing. */
static int without_memory(long n, bool with_db) {
    sse_app          *app;
    sse_db           *db;
    sse_topic_options o;
    sse_event         event;
    int               i, left = 0;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    app = sse_app_new(NULL);
    db = with_db ? sse_db_open(":memory:", NULL) : NULL;
    fail_at = n;
    o.history = 3;
    o.db = db;
    o.overflow = SSE_KEEP_NEWEST;
    event.data = "x";
    event.id = "alias";
    sse_topic(app, "a", &o);
    sse_topic(app, "b*", &o);
    for (i = 0; i < 6; i++) {
        sse_publish(app, "a", &event);
        sse_publish(app, "b1", &event);
        sse_publish(app, "c", &event);
    }
    sse_poll(app, 0);
    sse_topic_history(app, "b1", 0, count_one, &left);
    i = fail_at > 0;
    fail_at = 0;
    sse_app_free(app);
    sse_db_close(db);
    return i;
}

static int kept(sse_app *app) { return kept_of(app, "t"); }

/* Publishes 70 events, each once for each allocation that can fail, until none does. Returns how
   often that was refused. */
static int publish_without_memory(sse_app *app) {
    sse_event event;
    int       i, error, refused = 0;
    long      n;
    memset(&event, 0, sizeof event);
    event.data = "x";
    for (i = 0; i < 70; i++) {
        for (n = 1, error = SSE_E_NOMEM; error == SSE_E_NOMEM; n++) {
            fail_at = n;
            error = sse_publish(app, "t", &event);
            fail_at = 0;
            refused += error == SSE_E_NOMEM;
        }
    }
    return refused;
}

static void test_kept_without_memory(sse_db *db) {
    sse_topic_options o;
    sse_app          *app = sse_app_new(NULL);
    int               refused;
    uint64_t          number;
    memset(&o, 0, sizeof o);
    o.history = 1000;
    o.db = db;
    sse_topic(app, "t", &o);
    (void)kept(app);
    number = app->topics->sequence.last;
    refused = publish_without_memory(app);
    ok(refused > 70, "%d publications are refused for lack of memory", refused);
    is_int((long long)app->net->counts.no_memory, refused, "... and counted");
    fail_at = 1;
    is_int(sse_publish_json(app, "t", NULL, "%d", 1), SSE_E_NOMEM, "... as is one in JSON");
    fail_at = 0;
    is_int((long long)app->net->counts.no_memory, refused + 1, "... whose text finds none");
    is_int((long long)(app->topics->sequence.last - number), 70, "... and use up no number");
    is_int(kept(app), 70, "... and all others are kept, each once");
    sse_poll(app, 0);
    sse_app_free(app);
}

#ifndef SSE_NO_SQLITE
static void test_read_without_memory(sse_db *db) { /* at a restart */
    sse_topic_options o;
    sse_app          *app;
    long              n;
    int               good = 0;
    memset(&o, 0, sizeof o);
    o.history = 1000;
    o.db = db;
    for (n = 1; n < 400; n++) {
        app = sse_app_new(NULL);
        sse_topic(app, "t*", &o);
        fail_at = n;
        (void)kept(app);
        fail_at = 0;
        good += kept(app) == 70;
        sse_poll(app, 0);
        sse_app_free(app);
    }
    is_int(good, 399,
        "what could not be read for lack of memory is read later, and stays in the database");
}
#endif

/* ---- one frame for all ---- */

static void join_all(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "all");
}

/* How many blocks the streams of an encoding have last in their queues. */
static int last_blocks(sse_app *app, int encoding) {
    const sse__channel *channel = &sse__topic_find(app->topics, SSE__LIT("all"))->channel;
    const sse__block   *seen[8];
    sse__link          *link;
    int                 n = 0, i;
    for (link = channel->subs.next; link != &channel->subs; link = link->next) {
        const sse__stream *stream = SSE__CONTAINER(link, sse__member, link)->stream;
        const sse__block  *block;
        if (stream->encoding != encoding) continue;
        block = sse__queue_at(&stream->conn->out, stream->conn->out.count - 1)->block;
        for (i = 0; i < n && seen[i] != block; i++) {
        }
        if (i == n && n < 8) seen[n++] = block;
    }
    return n;
}

static void test_one_frame(void) { /* CH1 */
    static const char *const heads[] = {"Accept: text/event-stream\r\n",
        "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n",
        "Accept: text/event-stream\r\nAccept-Encoding: br\r\n"};
    static const int         encodings[] = {SSE__IDENTITY, SSE__GZIP, SSE__BR};
    sse_app                 *app = dial_app(NULL);
    sse_event                event;
    const int                kinds = SSE__HAS_COMPRESSION ? 3 : 1;
    int                      i;
    memset(&event, 0, sizeof event);
    event.data = "to all that are here";
    opening = join_all;
    for (i = 0; i < 15; i++) dial(app, "/s", heads[i % 3]);
    sse_publish(app, "all", &event);
    for (i = 0; i < kinds; i++)
        is_int(last_blocks(app, encodings[i]), 1, "the first event is one block for an encoding");
    turns(app, 2);
    for (i = 0; i < 15; i++) dial(app, "/s", heads[i % 3]);
    sse_publish(app, "all", &event);
    for (i = 0; i < kinds; i++)
        is_int(last_blocks(app, encodings[i]), i ? 2 : 1,
            "with newcomers it is two, if it is compressed: a delta and a key");
    dial_free(app);
}

#ifndef SSE_NO_COMPRESSION
/* What compresses a topic is there while somebody takes it so. */
static void test_codecs(void) {
    sse_app            *app = dial_app(NULL);
    sse_topic_options   o;
    client             *c;
    const sse__channel *channel;
    int                 i;
    memset(&o, 0, sizeof o);
    opening = join_all;
    sse_topic(app, "all", &o);
    c = dial(app, "/s", "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n");
    dial(app, "/s", "Accept: text/event-stream\r\nAccept-Encoding: br\r\n");
    say(app, "all", "x");
    channel = &sse__topic_find(app->topics, SSE__LIT("all"))->channel;
    ok(channel->codecs[SSE__GZIP] && channel->codecs[SSE__BR], "a topic in two encodings");
    hang_up(c);
    for (i = 0; i < 30000 && channel->count > 1; i++) turns(app, 1);
    ok(!channel->codecs[SSE__GZIP] && channel->codecs[SSE__BR], "one has left: it has the other");
    say(app, "all", "y");
    ok(!channel->codecs[SSE__GZIP], "... nothing is compressed for nobody");
    dial_free(app);
    app = dial_app(NULL);
    opening = join_all;
    o.overflow = SSE_DROP_OLDEST;
    sse_topic(app, "all", &o);
    dial(app, "/s", "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n");
    say(app, "all", "x");
    channel = &sse__topic_find(app->topics, SSE__LIT("all"))->channel;
    ok(!channel->codecs[SSE__GZIP], "what a queue may lose is nothing that others refer to");
    dial_free(app);
}
#else
static void test_codecs(void) {}
#endif

/* ---- what is kept, to the event, the byte and the millisecond ---- */

static int kept_in(sse_app *app, const char *topic) {
    int n = 0;
    return sse_topic_history(app, topic, 0, tally, &n);
}

static sse_app *keeps(int history, size_t bytes, int age_ms) {
    sse_app          *app = sse_app_new(NULL);
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = history;
    o.history_bytes = bytes;
    o.history_age_ms = age_ms;
    is_int(sse_topic(app, "t", &o), 0, "a topic");
    sse_test_run(app, 0); /* the time stands still */
    return app;
}

static void test_limits(void) {
    sse_app *app = keeps(0, 1000000, 0);
    size_t   one;
    int      i, more;
    say(app, "t", "12345");
    one = sse__topic_find(app->topics, SSE__LIT("t"))->history->bytes;
    ok(one > strlen("id: 7f3a9c02-1\ndata: 12345\n"), "an event has %lu bytes", (unsigned long)one);
    sse_app_free(app);
    for (more = -1; more < 2; more++) {
        app = keeps(0, 3 * one + (size_t)more, 0);
        for (i = 0; i < 5; i++) say(app, "t", "12345");
        is_int(kept_in(app, "t"), more < 0 ? 2 : 3, "as many bytes as there may be");
        sse_app_free(app);
    }
    app = keeps(0, 1, 0);
    for (i = 0; i < 3; i++) say(app, "t", "12345");
    is_int(kept_in(app, "t"), 1, "one event may be of any size");
    sse_app_free(app);
    app = keeps(3, 0, 0);
    for (i = 0; i < 3; i++) say(app, "t", "12345");
    is_int(kept_in(app, "t"), 3, "as many events as there may be");
    say(app, "t", "12345");
    is_int(kept_in(app, "t"), 3, "... and no more");
    for (i = 0; i < 10000; i++) say(app, "t", "12345");
    one = sse__topic_find(app->topics, SSE__LIT("t"))->history->cap;
    ok(one <= 32, "... in room for %lu, however many there were", (unsigned long)one);
    sse_app_free(app);
    app = keeps(0, 0, 1000);
    say(app, "t", "first");
    sse_test_run(app, 400);
    say(app, "t", "second");
    sse_test_run(app, 599);
    is_int(kept_in(app, "t"), 2, "for as long as it may be");
    sse_test_run(app, 1);
    is_int(kept_in(app, "t"), 1, "... and no longer");
    sse_test_run(app, 399);
    is_int(kept_in(app, "t"), 1, "each for its own time");
    sse_test_run(app, 1);
    is_int(kept_in(app, "t"), 0, "... which ends by itself");
    say(app, "t", "third");
    sse_test_run(app, 999);
    is_int(kept_in(app, "t"), 1, "what comes later has all of its time");
    sse_test_run(app, 1);
    is_int(kept_in(app, "t"), 0, "... as well");
    sse_app_free(app);
}

/* ---- what a program reads back ---- */

static const struct {
    const char *event, *id, *data, *back; /* back: its data, as it is read */
} written[] = {{NULL, NULL, "plain", "plain"}, {"name", NULL, "one", "one"},
    {NULL, "own-7", "two", "two"}, {"name", "own-8", "a\nb\r\n\rc", "a\nb\n\nc"},
    {NULL, NULL, "", ""}, {"only-a-name", NULL, NULL, ""}, {NULL, "own-9", NULL, NULL},
    {NULL, NULL, "\n", "\n"}, {NULL, NULL, "id: x\ndata: y\nevent: z", "id: x\ndata: y\nevent: z"}};

static int at_back, wrong_back;

static bool read_back(const sse_event *event, void *user) { /* user: the app's epoch */
    const char *want = written[at_back].back;
    const char *name = written[at_back].event, *id = written[at_back].id;
    at_back++;
    if (!event->event != !name || (name && strcmp(event->event, name))) wrong_back++;
    if (!event->data != !want || (want && strcmp(event->data, want))) wrong_back++;
    if (want && event->data_len != strlen(want)) wrong_back++;
    if (!event->id || (id ? strcmp(event->id, id) : strncmp(event->id, (const char *)user, 8)))
        wrong_back++;
    return true;
}

static void is_read_back(sse_app *app, const char *how) {
    at_back = wrong_back = 0;
    is_int(sse_topic_history(app, "t", 0, read_back, app->topics->sequence.epoch),
        (int)SSE__COUNT(written), how);
    is_int(wrong_back, 0, "... each as it was published");
}

static void test_read_back(void) {
    sse_topic_options o;
    sse_event         event;
    sse_app          *app = sse_app_new(NULL);
    sse_db           *db = sse_db_open(":memory:", NULL);
    size_t            i;
    memset(&o, 0, sizeof o);
    memset(&event, 0, sizeof event);
    o.history = 100;
#ifndef SSE_NO_SQLITE
    o.db = db;
#endif
    sse_topic(app, "t", &o);
    for (i = 0; i < SSE__COUNT(written); i++) {
        event.event = written[i].event;
        event.id = written[i].id;
        event.data = written[i].data;
        is_int(sse_publish(app, "t", &event), 0, written[i].data ? written[i].data : "no data");
    }
    is_read_back(app, "all that was published");
    sse_poll(app, 0);
    sse_app_free(app);
#ifndef SSE_NO_SQLITE
    app = sse_app_new(NULL);
    sse_topic(app, "t", &o);
    is_read_back(app, "all of it, after a restart");
    sse_app_free(app);
#endif
    sse_db_close(db);
}

/* ---- heartbeats ---- */

static void open_it(sse_req *req, void *user) {
    (void)user;
    sse_stream_open(req, NULL);
}

/* Each allocation of the app's first stream fails once. One that is open all the same has its
   heartbeats, whatever became of its compression. */
static void test_pings_without_memory(void) {
    sse_test_reply reply;
    long           n, left = 0;
    int            opened = 0, beats = 0;
    for (n = 1; left == 0 && n < 400; n++) {
        sse_app *app = sse_app_new(NULL);
        size_t   before;
        memset(&reply, 0, sizeof reply);
        sse_get(app, "/s", open_it, NULL);
        sse_test_run(app, 0);
        fail_at = n;
        (void)sse_test_request(app, "GET /s", "Accept-Encoding: br\n", NULL, &reply);
        left = fail_at;
        fail_at = 0;
        before = reply.body_len;
        if (reply.open && reply.status == 200) {
            sse_test_run(app, 16000);
            opened++;
            beats += reply.body_len > before;
        }
        sse_test_close(&reply);
        sse_app_free(app);
    }
    ok(n > 10 && n < 400 && opened > 2 && beats == opened,
        "%d streams that were opened short of memory, and %d of them have heartbeats", opened,
        beats);
}

int main(void) {
    test_one_frame();
    test_codecs();
    long    n, m;
    sse_db *db;
    test_patterns();
    test_star();
    test_greeting_of_nothing();
    test_ids();
    test_ring();
    test_limits();
    test_read_back();
    test_default_limits();
    test_long_patterns();
    test_full();
    test_later();
    gap_names();
    test_later_still();
    test_greeting();
    test_newest();
#ifndef SSE_NO_SQLITE
    test_rows_alone();
    test_recall();
#endif
    (void)(db = NULL);
    test_kept_without_memory(db);
#ifndef SSE_NO_SQLITE
    db = sse_db_open(":memory:", NULL);
    test_kept_without_memory(db);
    test_read_without_memory(db);
    sse_db_close(db);
#endif
    fclose(stderr);
    test_pings_without_memory();
    for (n = 1; n < 2000 && !without_memory(n, false); n++) {
    }
    for (m = 1; m < 2000 && !without_memory(m, true); m++) {
    }
    ok(n > 20 && n < 2000 && m > 20 && m < 2000, "each of %ld and %ld allocations may fail", n - 1,
        m - 1);
    return tap_done();
}
