/* K2. What a history lost is remembered, however its topic ended: who comes back for it is told,
   and nobody else is. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <unistd.h>
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "dial.h"

/* what the next stream subscribes to; NULL: nothing */
static const char *exact, *exact_too, *pattern, *pattern_too;

static void subscribe(sse_req *req, sse_stream s) {
    (void)req;
    if (exact) sse_subscribe(s, exact);
    if (exact_too) sse_subscribe(s, exact_too);
    if (pattern) sse_subscribe_pattern(s, pattern);
    if (pattern_too) sse_subscribe_pattern(s, pattern_too);
}

/* An app with room for so many topics, 0: as many as usual, whose streams subscribe to these. */
static sse_app *with_topics(int max_topics, const char *to, const char *to_all) {
    sse_app_options options;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.max_topics = max_topics;
    app = dial_app(&options);
    opening = subscribe;
    exact = to;
    pattern = to_all;
    return app;
}

static char head[200];

/* The last one it was sent, as the head of its next request. */
static void remember_id(const client *c) {
    const char *at = c->got, *last = NULL;
    while ((at = strstr(at, "id: ")) != NULL) last = at += 4;
    snprintf(head, sizeof head, "Last-Event-ID: %.*s\r\n", last ? (int)strcspn(last, "\n") : 1,
        last ? last : "?");
}

static void topic(sse_app *app, const char *name, int history, int age_ms, sse_db *db) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = history;
    o.history_age_ms = age_ms;
    o.db = db;
    ok(sse_topic(app, name, &o) == 0, "topic %s", name);
}

static void say_as(sse_app *app, const char *to, const char *data, const char *id) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    event.id = id;
    sse_publish(app, to, &event);
}

/* A client with a place comes back. Returns how many gaps it is told of; it must not be told
   "missed", which is gone. */
static int gaps_on_return(sse_app *app) {
    client *c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "data: missed"), 0, "what is gone is not sent");
    hang_up(c);
    return times(c, "event: gap");
}

static void first_visit(sse_app *app, const char *to, const char *id) {
    client *c = dial(app, "/s", NULL);
    say_as(app, to, "seen", id);
    turns(app, 3);
    remember_id(c);
    hang_up(c);
    turns(app, 5);
}

static void nobody_is_there(sse_app *app, const char *name) { /* its topic has been freed: O2 */
    int i;
    for (i = 0; i < 30000 && sse__topic_find(app->topics, sse__text(name)); i++) turns(app, 1);
    ok(i < 1000, "%s went with its last event", name);
}

static void aged_out(const char *rule, const char *sub, const char *sub_pattern, sse_db *db) {
    sse_app *app = with_topics(0, sub, sub_pattern);
    int      i;
    topic(app, rule, 0, 60, db);
    topic(app, "other.*", 100, 0, NULL);
    first_visit(app, "room.1", NULL);
    say(app, "room.1", "missed");
    turns(app, 1);
    if (strchr(rule, '*')) nobody_is_there(app, "room.1");
    else
        for (i = 0; i < 100; i++) turns(app, 1);
    ok(gaps_on_return(app) == 1, "aged out, %s%s by rule %s: the gap is told",
        sub ? sub : sub_pattern, db ? " in a database" : "", rule);
    exact = NULL;
    pattern = "other.*";
    is_int(gaps_on_return(app), 0, "but not to those who follow what lost nothing");
    dial_free(app);
}

/* It aged out while somebody was there; the topic goes with them. */
static void unsubscribed(void) {
    sse_app   *app = with_topics(0, "room.1", NULL);
    client    *watcher;
    sse_stream s;
    topic(app, "room.*", 0, 60, NULL);
    first_visit(app, "room.1", NULL);
    watcher = dial(app, "/s", NULL);
    s = newest;
    say(app, "room.1", "missed");
    while (sse__topic_find(app->topics, sse__text("room.1"))->history->count) turns(app, 1);
    is_int(sse_unsubscribe(s, "room.1"), 0, "the last one unsubscribes");
    nobody_is_there(app, "room.1");
    is_int(gaps_on_return(app), 1, "who comes back is told of the gap");
    hang_up(watcher);
    dial_free(app);
}

/* What an id says of who comes back: with the newest, with two, with one that nobody gave yet. */
static void places(void) {
    sse_app *app = with_topics(0, "room.1", NULL);
    char     first[100], path[120];
    client  *c;
    topic(app, "room.*", 10, 0, NULL);
    first_visit(app, "room.1", NULL);
    snprintf(first, sizeof first, "%.*s", (int)strcspn(head + 15, "\r"), head + 15);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "id: "), 0, "who misses nothing has its place already");
    say(app, "room.1", "second");
    turns(app, 3);
    remember_id(c);
    snprintf(path, sizeof path, "/s?lastEventId=%s", first);
    c = dial(app, path, NULL);
    turns(app, 3);
    is_int(times(c, "data: second\n"), 1, "a place in the query, as a page has it");
    c = dial(app, path, head);
    turns(app, 3);
    is_int(times(c, "data: "), 0, "... is older than the one in the head, which a browser keeps");
    snprintf(head, sizeof head, "Last-Event-ID: %s-999999\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "data: {\"reason\":\"unknown\"}\n"), 1, "a number that nobody has given");
    is_int(times(c, "data: second\n"), 1, "... and then all that is kept");
    dial_free(app);
}

/* A gap is told, and all there is does not fit into the queue at once. What was lost before that is
   no reason to cut the stream: its client would come back to the same, for ever. */
static void told_once(const char *one, const char *other, const char *by_pattern) {
    sse_app_options options;
    sse_stats       stats;
    sse_app        *app;
    client         *c;
    char            big[1101];
    int             i;
    memset(&options, 0, sizeof options);
    options.max_queue_bytes = 4000;
    app = dial_app(&options);
    opening = subscribe;
    exact = one;
    exact_too = other;
    pattern = by_pattern;
    topic(app, "a", 6, 0, NULL);
    topic(app, "b", 3, 0, NULL);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (i = 0; i < 5; i++) say(app, "a", big);
    for (i = 0; i < 8; i++) say(app, "b", big);
    snprintf(head, sizeof head, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    for (i = 0; i < 30000 && times(c, big) < 8; i++) turns(app, 1);
    say(app, "b", "live");
    for (i = 0; i < 30000 && !times(c, "data: live\n"); i++) turns(app, 1);
    is_int(times(c, "event: gap"), 1, "a gap is told");
    is_int(times(c, big), 8, "all that is kept follows");
    is_int(times(c, "data: live\n"), 1, "and what is published then");
    is_int(nclosed, 0, "on the same stream");
    sse_stats_get(app, &stats);
    ok(stats.gaps == 1 && !stats.resumes, "a gap is counted, and not a client that resumed");
    is_int((long long)stats.events, 5 + 8 + 1 + 1, "a gap is an event");
    exact_too = NULL;
    dial_free(app);
}

/* Who began with something older than the newest event has the id of where the stream is, so that
   it misses nothing, and is told of no gap, if it comes back before there is something new. */
static void began_behind(size_t max_queue_bytes) { /* O4 */
    sse_app_options   options;
    sse_topic_options greets;
    sse_app          *app;
    client           *c;
    int               i;
    memset(&options, 0, sizeof options);
    memset(&greets, 0, sizeof greets);
    options.max_queue_bytes = max_queue_bytes;
    app = dial_app(&options);
    greets.history = greets.greet = 30;
    opening = subscribe;
    exact = "greets";
    exact_too = "busy";
    pattern = NULL;
    sse_topic(app, "greets", &greets);
    topic(app, "busy", 2, 0, NULL);
    for (i = 0; i < 20; i++) say(app, "greets", "hello");
    for (i = 0; i < 5; i++) say(app, "busy", "missed");
    c = dial(app, "/s", NULL);
    for (i = 0; i < 50; i++) turns(app, 1);
    is_int(times(c, "data: hello"), 20, "a newcomer is greeted");
    remember_id(c);
    hang_up(c);
    turns(app, 5);
    is_int(gaps_on_return(app), 0, "and had missed nothing when it comes back");
    exact_too = NULL;
    dial_free(app);
}

static void kilobyte(sse_view *view, sse_buf *out, void *user) {
    (void)view, (void)user;
    sse_printf(out, "<p id=it>%1000s</p>", "");
}

static void subscribe_and_show(sse_req *req, sse_stream s) {
    subscribe(req, s);
    ok(!sse_stream_view(s, "/one") && !sse_stream_view(s, "/two"), "two views");
}

/* Topic a keeps 20 events: rows of a table, if there is a database. */
static void keep(sse_app *app, sse_db *db, const char *data) {
    int i;
    if (!db) topic(app, "a", 100, 0, NULL);
    for (i = 0; i < 20 && !db; i++) say(app, "a", data);
#ifndef SSE_NO_SQLITE
    if (!db) return;
    sse_db_migrate(db, "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    sse_topic_from_table(app, "a", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    for (i = 0; i < 20; i++) sse_db_exec(db, "INSERT INTO outbox(body) VALUES(%s)", data);
#endif
}

/* A client that reads comes back to more than its queue takes at once: what the page shows beside
   that finds room in it. Else it would be cut, come back to the same, and so for ever. */
static void leaves_room(sse_db *db) {
    static char     body[501];
    sse_app_options options;
    sse_app        *app;
    client         *c;
    memset(&options, 0, sizeof options);
    options.max_queue_bytes = 4096;
    app = dial_app(&options);
    opening = subscribe_and_show;
    exact = "a";
    pattern = NULL;
    memset(body, 'x', sizeof body - 1);
    sse_live(app, "/one", kilobyte, NULL);
    sse_live(app, "/two", kilobyte, NULL);
    keep(app, db, body);
    turns(app, 3);
    snprintf(head, sizeof head, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    turns(app, 50);
    ok(!nclosed && !c->over, "%s: a stream that catches up is not cut", db ? "rows" : "events");
    is_int(times(c, "<p id="), 2, "... and shows its views");
    is_int(times(c, body), 20, "... and catches up");
    dial_free(app);
}

/* Events that are larger than what a queue takes at once come back one by one. */
static void larger_than_a_page(void) {
    sse_app_options options;
    sse_app        *app;
    client         *c;
    char            large[2001];
    int             i;
    memset(&options, 0, sizeof options);
    options.max_queue_bytes = 1000;
    app = dial_app(&options);
    opening = subscribe;
    exact = "a";
    pattern = NULL;
    topic(app, "a", 10, 0, NULL);
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    for (i = 0; i < 5; i++) say(app, "a", large);
    snprintf(head, sizeof head, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    for (i = 0; i < 30000 && times(c, large) < 5; i++) turns(app, 1);
    is_int(times(c, large), 5, "events larger than the queue come back");
    ok(!nclosed && !c->over, "... on one stream");
    dial_free(app);
}

static void evicted(void) {
    sse_app *app = with_topics(4, "room.1", NULL);
    char     name[24];
    int      i;
    topic(app, "room.*", 10, 0, NULL);
    topic(app, "*", 10, 0, NULL);
    topic(app, "quiet", 10, 0, NULL);
    first_visit(app, "room.1", NULL);
    say(app, "room.1", "missed");
    for (i = 2; i < 8; i++) {
        snprintf(name, sizeof name, "room.%d", i);
        say(app, name, "more");
    }
    exact = NULL;
    pattern = "*";
    is_int(gaps_on_return(app), 1, "a topic that had to make room: the gap is told");
    exact = "room.1";
    pattern = NULL;
    is_int(gaps_on_return(app), 1, "to those who follow all, and to those who follow it alone");
    exact = "quiet";
    is_int(gaps_on_return(app), 0, "but not to those who follow another one");
    dial_free(app);
}

static sse_reason closed_by;

static void note_reason(sse_stream s, sse_reason reason) {
    (void)s;
    closed_by = reason;
}

/* What a stream has yet to get is trimmed while it catches up. */
static void trimmed_meanwhile(sse_overflow overflow) {
    const bool        may_lose = overflow == SSE_DROP_OLDEST;
    sse_app_options   options;
    sse_topic_options o;
    sse_app          *app;
    client           *c;
    char              big[1101];
    int               i;
    memset(&options, 0, sizeof options);
    memset(&o, 0, sizeof o);
    options.max_queue_bytes = 4000;
    app = dial_app(&options);
    opening = subscribe;
    closing = note_reason;
    exact = "a";
    pattern = NULL;
    o.history = 50;
    o.overflow = overflow;
    sse_topic(app, "a", &o);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (i = 0; i < 50; i++) say(app, "a", big);
    snprintf(head, sizeof head, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    ok(times(c, big) < 50, "a client that catches up");
    for (i = 0; i < 50; i++) say(app, "a", "newer");
    for (i = 0; i < 100; i++) turns(app, 1);
    is_int(nclosed, !may_lose, may_lose ? "its topic may lose events: it goes on" : "it is cut");
    if (may_lose) is_int(times(c, "data: newer\n"), 50, "with those that there are");
    else is_int(closed_by, SSE_BY_QUEUE, "as one that is too slow");
    dial_free(app);
}

/* A topic makes room while a stream has yet to get what it keeps. */
static void evicted_meanwhile(void) {
    sse_app_options options;
    sse_app        *app;
    client         *c;
    char            big[1101];
    int             i;
    memset(&options, 0, sizeof options);
    options.max_queue_bytes = 4000;
    options.max_topics = 3;
    app = dial_app(&options);
    opening = subscribe;
    closing = note_reason;
    exact = NULL;
    pattern = "room.*";
    topic(app, "room.large", 100, 0, NULL);
    topic(app, "room.*", 100, 0, NULL);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    for (i = 0; i < 50; i++) say(app, "room.large", big);
    say(app, "room.1", "missed");
    snprintf(head, sizeof head, "Last-Event-ID: %s-0\r\n", app->topics->sequence.epoch);
    c = dial(app, "/s", head);
    ok(times(c, big) < 50, "a client that catches up");
    say(app, "room.2", "more");
    ok(!sse__topic_find(app->topics, SSE__LIT("room.1")), "a topic makes room");
    for (i = 0; i < 100; i++) turns(app, 1);
    ok(nclosed == 1 && closed_by == SSE_BY_QUEUE, "the client had not got to it: it is cut");
    is_int(gaps_on_return(app), 1, "and told as it comes back");
    dial_free(app);
}

#ifndef SSE_NO_SQLITE
static bool published;

static void publishes(int level, const char *line, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = line;
    if (level == SSE_LOG_WARNING && strstr(line, "bad.db: table sse_events has no column"))
        published = sse_publish(*(sse_app **)user, "log.1", &event) == SSE_OK;
}

/* What makes room is saved first; of another database that cannot be the log says so, and is
   published, for which the same topic must not make room. */
static void evicted_once(void) {
    static sse_app *app;
    sse_app_options options;
    sse_db         *good, *bad;
    char            dir[] = "/tmp/sse-lost-XXXXXX", name[2][60];
    if (!mkdtemp(dir)) return;
    snprintf(name[0], sizeof name[0], "%s/good.db", dir);
    snprintf(name[1], sizeof name[1], "%s/bad.db", dir);
    good = sse_db_open(name[0], NULL);
    bad = sse_db_open(name[1], NULL);
    memset(&options, 0, sizeof options);
    options.max_topics = 2;
    options.on_log = publishes;
    options.user = &app;
    app = dial_app(&options);
    topic(app, "good.*", 10, 0, good); /* saved before what is in the other one */
    topic(app, "bad.*", 10, 0, bad);
    topic(app, "log.*", 10, 0, NULL);
    say(app, "good.1", "one");
    say(app, "bad.1", "one");
    turns(app, 20);
    sse_db_exec(bad, "ALTER TABLE sse_events RENAME COLUMN event TO renamed");
    say_as(app, "good.1", "two", NULL);
    say_as(app, "bad.1", "two", NULL);
    say_as(app, "good.2", "one", NULL);
    ok(published && !sse__topic_find(app->topics, SSE__LIT("log.1")), "the log is not kept");
    ok(!sse__topic_find(app->topics, SSE__LIT("good.1")), "the one that was saved made room");
    ok(sse__topic_find(app->topics, SSE__LIT("good.2")) != NULL, "for the one that needed it");
    dial_free(app);
    sse_db_close(good);
    sse_db_close(bad);
    unlink(name[0]);
    unlink(name[1]);
    rmdir(dir);
}
#endif

/* Topics of one rule make room for those of another one. */
static void evicted_by_others(void) { /* K2 */
    sse_app *app = with_topics(2, "room.1", NULL);
    topic(app, "room.*", 10, 0, NULL);
    topic(app, "*", 10, 0, NULL);
    first_visit(app, "room.1", NULL);
    say(app, "room.1", "missed");
    say(app, "other.1", "more");
    say(app, "other.2", "more");
    ok(!sse__topic_find(app->topics, SSE__LIT("room.1")), "a topic made room");
    app->options.max_topics = 10; /* the clients' patterns need some, too */
    exact = NULL;
    pattern = "*";
    is_int(gaps_on_return(app), 1, "a pattern over both rules: the gap is told");
    pattern = "other.*";
    is_int(gaps_on_return(app), 0, "one over the other rule has none");
    dial_free(app);
}

/* A rule is made for topics that had another one, and lost something by it. */
static void made_later(void) { /* K2 */
    sse_app *app = with_topics(2, "room.1", NULL);
    topic(app, "room.*", 10, 0, NULL);
    first_visit(app, "room.1", NULL);
    say(app, "room.1", "missed");
    say(app, "room.2", "more");
    say(app, "room.3", "more");
    ok(!sse__topic_find(app->topics, SSE__LIT("room.1")), "a topic made room");
    topic(app, "room.1*", 10, 0, NULL);
    is_int(gaps_on_return(app), 1, "and has another rule now: the gap is told");
    dial_free(app);
}

static int not_kept;

static void note_not_kept(int level, const char *line, void *user) {
    (void)user;
    not_kept += level == SSE_LOG_WARNING && strstr(line, "not kept") != NULL;
}

/* All topics that there may be are in use: an event of one more is sent, and not kept. The next
   start knows if there is a database. */
static void never_kept(sse_db *db) { /* K2 */
    sse_app_options options;
    sse_app        *app;
    sse_event       event;
    client         *c;
    memset(&options, 0, sizeof options);
    memset(&event, 0, sizeof event);
    options.max_topics = 3;
    options.on_log = note_not_kept;
    not_kept = 0;
    app = dial_app(&options);
    opening = subscribe;
    exact = NULL;
    pattern = "room.*";
    topic(app, "room.*", 10, 0, db);
    first_visit(app, "room.1", NULL);
    c = dial(app, "/s", NULL);
    sse_subscribe(newest, "busy.1");
    sse_subscribe(newest, "busy.2");
    event.data = "missed";
    event.ephemeral = true;
    sse_publish(app, "room.2", &event);
    is_int(gaps_on_return(app), 0, "one that is not to be kept is no gap");
    event.ephemeral = false;
    is_int(sse_publish(app, "room.2", &event), 0, "an event whose topic finds no room");
    is_int(sse_publish(app, "room.3", &event), 0, "and another");
    turns(app, 3);
    is_int(times(c, "data: missed"), 3, "... are sent");
    is_int(not_kept, 1, "... with a warning");
    is_int(gaps_on_return(app), 1, "... and a gap for who comes back");
    dial_free(app);
    if (!db) return;
    app = with_topics(0, NULL, "room.*");
    topic(app, "room.*", 10, 0, db);
    is_int(gaps_on_return(app), 1, "... also to the next start");
    dial_free(app);
}

/* What is kept takes several pages of the queue, and another topic of the stream has lost newer
   events than the first page holds: told once, and then all comes. */
static void in_pages(bool evicts) {
    sse_app_options options;
    sse_app        *app;
    client         *c;
    char            text[1100], name[24];
    int             i;
    memset(&options, 0, sizeof options);
    options.max_topics = 4;
    options.max_queue_bytes = 4096;
    app = dial_app(&options);
    opening = subscribe;
    exact = "room.large";
    pattern = NULL;
    topic(app, "room.large", 100, 0, NULL);
    topic(app, "room.*", evicts ? 100 : 1, 0, NULL);
    first_visit(app, "room.large", NULL);
    for (i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "large %d.%1000s", i, "");
        say(app, "room.large", text);
        turns(app, 2);
    }
    for (i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "room.%d", evicts ? i : 1);
        say(app, name, "more");
        turns(app, 1);
    }
    exact = NULL;
    pattern = "room.*";
    c = dial(app, "/s", head);
    turns(app, 50);
    is_int(times(c, "event: gap"), 1,
        evicts ? "a topic made room: a gap" : "one was trimmed: a gap");
    ok(!c->over && times(c, "large 19.") == 1, "... and then all that is kept, page by page");
    dial_free(app);
}

#ifndef SSE_NO_SQLITE
static const char *const memory_rule = "mem.*";

/* Of a program with a stored topic, and others. */
static sse_app *start(sse_db *orders, sse_db *memory) {
    sse_app *app = dial_app(NULL);
    opening = subscribe;
    topic(app, "mem.exact", 100, 0, memory); /* before the database is known */
    if (orders) topic(app, "orders", 100, 0, orders);
    topic(app, memory_rule, 100, 0, memory);
    topic(app, "*", 100, 0, orders); /* which none of the others needs */
    return app;
}

/* A client is away while the program starts anew. Returns how many gaps it is told of. */
static int restarted(sse_db *orders_before, sse_db *orders, sse_db *memory, const char *to,
    const char *id) {
    sse_app *app = start(orders_before, memory);
    int      gaps;
    first_visit(app, to, id);
    say(app, "mem.exact", "missed");
    say(app, "mem.1", "missed");
    turns(app, 3);
    dial_free(app);
    app = start(orders, memory);
    if (memory) {
        client *c = dial(app, "/s", head);
        turns(app, 3);
        is_int(times(c, "data: missed"), pattern ? 2 : 0, "what is kept is sent");
        gaps = times(c, "event: gap");
    } else gaps = gaps_on_return(app);
    dial_free(app);
    return gaps;
}

static int restart(const char *sub, const char *sub_pattern, bool stored, bool all_stored,
    const char *to, const char *id) {
    sse_db *db = sse_db_open(":memory:", NULL);
    int     gaps;
    exact = sub;
    pattern = sub_pattern;
    gaps = restarted(stored ? db : NULL, db, all_stored ? db : NULL, to, id);
    sse_db_close(db);
    return gaps;
}

static void restarts(void) {
    is_int(restart(NULL, "mem.*", true, false, "mem.1", NULL), 1,
        "after a restart: a pattern on topics in memory");
    is_int(restart(NULL, "m*", true, false, "mem.1", NULL), 1, "a wider one");
    is_int(restart(NULL, "mem.1*", true, false, "mem.1", NULL), 1, "a narrower one");
    is_int(restart("mem.exact", NULL, true, false, "mem.exact", NULL), 1, "a topic in memory");
    is_int(restart("mem.1", NULL, true, false, "mem.1", NULL), 1, "one by a rule");
    is_int(restart("orders", "mem.*", true, false, "orders", NULL), 1,
        "a stored topic, and others in memory");
    is_int(restart("orders", "mem.*", true, false, "orders", "of-its-own"), 1,
        "also where the last event had an id of its own");
    is_int(restart("mem.exact", "orders*", true, false, "orders", "of-its-own"), 1,
        "and where the stored one matches a pattern");
    is_int(restart("orders", NULL, true, false, "orders", NULL), 0,
        "a stored topic alone has no gap");
    is_int(restart(NULL, "orders*", true, false, "orders", NULL), 0,
        "nor has a pattern that matches no other");
    is_int(restart(NULL, "mem.*", true, true, "mem.1", NULL), 0,
        "nor have topics by a rule that are all stored");
    is_int(restart("orders", NULL, false, false, "orders", NULL), 1,
        "ids of a start without a database are unknown to one with it");
}

/* A database that is named later knows of earlier starts, in which a topic of this one that is in
   memory had nothing. */
static void named_later(void) { /* K2 */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_topics(0, "room", NULL);
    client  *c;
    topic(app, "orders", 100, 0, db);
    say(app, "orders", "earlier");
    turns(app, 3);
    dial_free(app);
    app = with_topics(0, "room", NULL);
    topic(app, "room", 100, 0, NULL);
    first_visit(app, "room", NULL);
    say(app, "room", "since then");
    topic(app, "orders", 100, 0, db);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "data: since then\n"), 1, "what is in memory is there for who comes back");
    is_int(times(c, "event: gap"), 0, "... and lacks nothing");
    dial_free(app);
    sse_db_close(db);
}

/* Of several databases the one that knows most tells how far earlier starts came. */
static void two_databases(void) { /* K6 */
    sse_db  *db = sse_db_open(":memory:", NULL), *other = sse_db_open(":memory:", NULL);
    sse_app *app;
    int      start;
    for (start = 0; start < 2; start++) {
        app = with_topics(0, "orders", NULL);
        topic(app, "orders", 100, 0, db);
        if (start) topic(app, "others", 100, 0, other);
        if (!start) first_visit(app, "orders", NULL);
        else is_int(gaps_on_return(app), 0, "an id of an earlier start is known beside a new one");
        dial_free(app);
    }
    sse_db_close(db);
    sse_db_close(other);
}

/* What a program keeps is in another file now: a test's, say, or another server's. Numbers of the
   one tell nothing about what the other one has. */
static void another_database(void) {
    sse_db  *one = sse_db_open(":memory:", NULL), *other = sse_db_open(":memory:", NULL);
    sse_db  *empty = sse_db_open(":memory:", NULL);
    sse_app *app = start(other, NULL);
    client  *c;
    int      i;
    exact = "orders";
    pattern = NULL;
    for (i = 0; i < 5; i++) say(app, "orders", "theirs");
    turns(app, 3);
    dial_free(app);
    app = start(one, NULL);
    first_visit(app, "orders", NULL);
    dial_free(app);
    app = start(other, NULL);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "event: gap"), 1, "another database knows no place of this one: a gap");
    is_int(times(c, "data: theirs"), 5, "... and then all that it keeps");
    dial_free(app);
    for (i = 0; i < 3; i++) {
        app = start(one, NULL);
        exact = i < 2 ? "mem.exact" : "orders";
        c = dial(app, "/s", NULL);
        turns(app, 1);
        if (i == 2) is_int(gaps_on_return(app), 0, "its own does, however often it was started");
        dial_free(app);
    }
    app = start(empty, NULL);
    is_int(gaps_on_return(app), 1, "one that is empty has not come that far");
    for (i = 0; i < 5; i++) say(app, "orders", "new");
    turns(app, 3);
    is_int(gaps_on_return(app), 1, "... nor when it has given that number itself");
    dial_free(app);
    sse_db_close(one);
    sse_db_close(other);
    sse_db_close(empty);
}

/* Events went out while the disk took nothing, and their numbers with the server: a client is ahead
   of the next one, which gives those numbers again. */
static void lost_numbers(void) { /* K6 */
    static const char full[] = "CREATE TRIGGER full BEFORE INSERT ON sse_sequence"
                               " BEGIN SELECT RAISE(ABORT, 'full'); END";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = start(db, NULL);
    client           *c;
    int               i;
    exact = "orders";
    pattern = NULL;
    is_int(sse_db_exec(db, full), 0, "a table that takes nothing");
    first_visit(app, "orders", NULL);
    dial_free(app);
    sse_db_exec(db, "DROP TRIGGER full");
    app = start(db, NULL);
    is_int(gaps_on_return(app), 1, "a client that is ahead of the newest event: a gap");
    for (i = 0; i < 5; i++) say(app, "orders", "new");
    turns(app, 3);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "event: gap"), 1, "... also when its number has been given again");
    is_int(times(c, "data: new"), 5, "... and then all that is kept");
    dial_free(app);
    sse_db_close(db);
}

/* A client that was away for so many starts. Returns how many gaps it is told of. */
static int away_for(int starts, bool written) {
    static const char full[] = "CREATE TRIGGER full BEFORE INSERT ON sse_starts"
                               " BEGIN SELECT RAISE(ABORT, 'full'); END";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = start(db, NULL);
    long long         rows = 0;
    int               gaps;
    exact = "orders";
    pattern = NULL;
    if (!written) { /* as it began, the next one could not write */
        dial_free(app);
        is_int(sse_db_exec(db, full), 0, "a table that takes nothing");
        app = start(db, NULL);
        sse_db_exec(db, "DROP TRIGGER full");
    }
    first_visit(app, "orders", NULL);
    for (; starts > 0; starts--) {
        dial_free(app);
        app = start(db, NULL);
    }
    gaps = gaps_on_return(app);
    sse_db_one(db, &rows, "SELECT count(*) FROM sse_starts");
    ok(rows > 0 && rows <= SSE__STARTS, "%lld starts are known", rows);
    dial_free(app);
    sse_db_close(db);
    return gaps;
}

/* A newcomer's place has a number that another database has given: its own reserves it first. */
static void place_by_another(void) { /* K1, K6 */
    sse_db  *own = sse_db_open(":memory:", NULL), *other = sse_db_open(":memory:", NULL);
    sse_app *app = dial_app(NULL);
    client  *c;
    int      i;
    topic(app, "busy", 100, 0, other);
    say(app, "busy", "more");
    turns(app, 3);
    dial_free(app);
    exact = "orders";
    pattern = NULL;
    for (i = 0; i < 2; i++) {
        app = dial_app(NULL);
        opening = subscribe;
        topic(app, "orders", 100, 0, own);
        topic(app, "busy", 100, 0, other);
        if (i) is_int(gaps_on_return(app), 0, "a place before its first event is known later on");
        else {
            c = dial(app, "/s", NULL);
            while (!times(c, "id: ")) turns(app, 1);
            remember_id(c);
        }
        dial_free(app);
    }
    sse_db_close(own);
    sse_db_close(other);
}

static void many_starts(void) { /* K6 */
    is_int(away_for(1, false), 0, "a start is known by its first reservation at the latest");
    is_int(away_for(SSE__STARTS, true), 0, "a place of many starts ago is known");
    is_int(away_for(SSE__STARTS + 1, true), 1, "one of too many ago is not: a gap");
}

/* A pattern whose topics all have a rule of their own: what others keep, or where, is nothing to
   it. */
static void behind_another(void) {
    sse_db *db = sse_db_open(":memory:", NULL);
    int     i;
    for (i = 0; i < 2; i++) {
        sse_app *app = with_topics(0, NULL, "room.*");
        topic(app, "room.*", 100, 0, db);
        topic(app, "*", 100, 0, NULL);
        if (i) is_int(gaps_on_return(app), 0, "... which is known after a restart");
        else first_visit(app, "room.1", NULL);
        dial_free(app);
    }
    sse_db_close(db);
}

/* Of the numbers that a start has reserved it has given the last one, too. */
static void last_reserved(void) { /* K6 */
    sse_db        *db = sse_db_open(":memory:", NULL);
    sse_app       *app = start(db, NULL);
    sse__sequence *sequence = &app->topics->sequence;
    exact = "orders";
    pattern = NULL;
    say(app, "orders", "first");
    turns(app, 3);
    sequence->last = sequence->stores->reserved - 1;
    first_visit(app, "orders", NULL);
    ok(sequence->last == sequence->stores->reserved, "a client has the last that is reserved");
    dial_free(app);
    app = start(db, NULL);
    is_int(gaps_on_return(app), 0, "... which the next start knows");
    dial_free(app);
    sse_db_close(db);
}

/* The client of a stored topic and of others comes back once, and once more. */
static void restarted_twice(void) { /* O4 */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = start(db, NULL);
    client  *c;
    exact = "orders";
    pattern = "mem.*";
    first_visit(app, "orders", NULL);
    dial_free(app);
    app = start(db, NULL);
    c = dial(app, "/s", head);
    turns(app, 3);
    is_int(times(c, "event: gap"), 1, "after a restart there may have been a gap");
    is_int(times(c, "data: {\"reason\":\"unknown\"}\n"), 1, "... of which nobody knows");
    is_int(times(c, "data: seen"), 1, "what is kept follows");
    remember_id(c);
    hang_up(c);
    turns(app, 5);
    is_int(gaps_on_return(app), 0, "it is told of once");
    dial_free(app);
    sse_db_close(db);
}

/* A store whose machine went down: what a client had up to there may be all there is, or not. */
static void went_down(void) { /* K2 */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = start(db, NULL);
    char     before[sizeof head];
    int      i;
    exact = "orders";
    pattern = NULL;
    first_visit(app, "orders", NULL);
    snprintf(before, sizeof before, "%s", head);
    dial_free(app);
    sse_db_exec(db, "INSERT OR REPLACE INTO sse_sequence (id, reserved) VALUES (2, %lld)",
        (long long)sse__boot());
    app = start(db, NULL);
    is_int(gaps_on_return(app), 0, "a server that was killed: no gap");
    dial_free(app);
    sse_db_exec(db, "INSERT OR REPLACE INTO sse_sequence (id, reserved) VALUES (2, 7)");
    for (i = 0; i < 2; i++) {
        app = start(db, NULL);
        snprintf(head, sizeof head, "%s", before);
        is_int(gaps_on_return(app), 1,
            i ? "... also after another start" : "a machine that went down: a gap");
        first_visit(app, "orders", NULL);
        is_int(gaps_on_return(app), 0, "... for those that were there before, and no others");
        dial_free(app);
    }
    sse_db_close(db);
}

/* A stream of topics that keep nothing, in a program that stores others. */
static void unknown(void) {
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_topics(0, NULL, "plain.*");
    topic(app, "orders", 100, 0, db);
    say(app, "orders", "seen");
    turns(app, 1);
    snprintf(head, sizeof head, "Last-Event-ID: %s-1\r\n", "0123abcd");
    is_int(gaps_on_return(app), 1, "an id of who knows when is unknown where nothing is kept");
    dial_free(app);
    sse_db_close(db);
}

/* On one table: who changes servers may be ahead of the one it comes to. */
static void two_servers(void) { /* B3 */
    static const char sql[] = "SELECT id, body FROM outbox WHERE id > ? ORDER BY id",
                      rq[] = "GET /s HTTP/1.1\r\nHost: localhost\r\n";
    char      file[] = "/tmp/sse-lost-XXXXXX", name[64], request[200];
    const int fd = mkstemp(file);
    sse_db   *one = sse_db_open(file, NULL), *two = sse_db_open(file, NULL);
    sse_app  *a = dial_app(NULL), *b = dial_app(NULL);
    client   *c, *made_up;
    uint64_t  events;
    int       i;
    opening = subscribe;
    exact = "orders";
    pattern = NULL;
    sse_db_migrate(one, "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    is_int(sse_topic_from_table(a, "orders", one, sql), 0, "a server");
    is_int(sse_topic_from_table(b, "orders", two, sql), 0, "and another one on the same table");
    for (i = 0; i < 9; i++) sse_db_exec(one, "INSERT INTO outbox(body) VALUES('row')");
    for (i = 0; i < 50; i++) turns(a, 1), turns(b, 1);
    c = dial(b, "/nothing", "Accept: */*\r\n"); /* it is connected already */
    made_up = dial(b, "/nothing", "Accept: */*\r\n");
    sse_db_exec(one, "INSERT INTO outbox(body) VALUES('ten')");
    sse_db_exec(one, "INSERT INTO outbox(body) VALUES('eleven')");
    snprintf(request, sizeof request, "%sLast-Event-ID: 10\r\n\r\n", rq);
    send(c->fd, request, strlen(request), 0);
    snprintf(request, sizeof request, "%sLast-Event-ID: 12\r\n\r\n", rq);
    send(made_up->fd, request, strlen(request), 0);
    usleep(3000);
    for (i = 0; i < 100; i++) turns(b, 1), turns(a, 1);
    events = b->net->counts.events;
    sse_db_exec(one, "INSERT INTO outbox(body) VALUES('twelve')");
    for (i = 0; i < 100; i++) turns(b, 1), turns(a, 1);
    is_int((long long)(b->net->counts.events - events), 1, "a row is an event");
    is_int(times(c, "event: gap"), 0, "its row is there: no gap");
    is_int(times(c, "data: row") + times(c, "data: ten\n"), 0, "what it had is not sent again");
    is_int(times(c, "data: eleven") * 10 + times(c, "data: twelve"), 11,
        "what comes later is, once");
    is_int(times(made_up, "event: gap"), 1, "a row that is not there is a gap");
    is_int(times(made_up, "data: "), 13, "and then come all");
    sse_app_free(a);
    dial_free(b);
    sse_db_close(one);
    sse_db_close(two);
    close(fd);
    unlink(file);
    snprintf(name, sizeof name, "%s-wal", file);
    unlink(name);
    snprintf(name, sizeof name, "%s-shm", file);
    unlink(name);
}

/* Rows that are deleted before a slow reader has got to them: it is cut, comes back, is told. */
static void deleted_meanwhile(void) { /* B4 */
    static const char sql[] = "SELECT id, body FROM outbox WHERE id > ? ORDER BY id";
    static char       body[50001];
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = dial_app(NULL);
    client           *c;
    int               i;
    opening = subscribe;
    closing = note_reason;
    exact = "orders";
    pattern = NULL;
    closed_by = SSE_BY_PEER;
    memset(body, 'x', sizeof body - 1);
    sse_db_migrate(db, "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    is_int(sse_topic_from_table(app, "orders", db, sql), 0, "a table");
    for (i = 0; i < 400; i++) sse_db_exec(db, "INSERT INTO outbox(body) VALUES(%s)", body);
    c = dial(app, "/s", "Last-Event-ID: 1\r\n");
    for (i = 0; i < 50; i++) turns(app, 1); /* it reads no more than it has room for */
    sse_db_exec(db, "DELETE FROM outbox WHERE id <= 390");
    for (i = 0; i < 5000 && !nclosed; i++) {
        c->len = 0;
        turns(app, 1);
    }
    ok(nclosed == 1 && closed_by == SSE_BY_QUEUE, "rows that went before it got to them: cut");
    hang_up(c);
    c = dial(app, "/s", "Last-Event-ID: 100\r\n");
    turns(app, 3);
    is_int(times(c, "event: gap"), 1, "... and told when it comes back");
    dial_free(app);
    sse_db_close(db);
}

static int interrupts(void *user) { return ++*(int *)user > 0; }

static void unread(void) { /* the topics that a pattern may match cannot be read just now */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_topics(0, NULL, "room.*");
    client  *c;
    int      n = 0;
    topic(app, "room.*", 100, 0, db);
    first_visit(app, "room.1", NULL);
    say(app, "room.1", "missed");
    turns(app, 3);
    dial_free(app);
    app = dial_app(NULL);
    opening = subscribe;
    topic(app, "room.*", 100, 0, db);
    sqlite3_progress_handler(sse_db_raw(db), 1, interrupts, &n);
    c = dial(app, "/s", head);
    sqlite3_progress_handler(sse_db_raw(db), 0, NULL, NULL);
    ok(n > 0, "topics that cannot be read");
    ok(times(c, "event: gap") == 1 || !strstr(c->got, "200 OK"), "... are a gap: %s", c->got);
    dial_free(app);
    sse_db_close(db);
}

static bool none_seen(const sse_event *event, void *user) {
    (void)event, (void)user;
    return false;
}

/* All topics that there may be are in use when a client comes back to what only a database has. */
static void no_room(void) {
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_topics(0, NULL, "room.*");
    topic(app, "room.*", 100, 0, db);
    first_visit(app, "room.1", NULL);
    say(app, "room.2", "missed");
    turns(app, 3);
    dial_free(app);
    app = with_topics(3, "busy.1", NULL);
    exact_too = "busy.2";
    topic(app, "room.*", 100, 0, db);
    dial(app, "/s", NULL);
    exact = exact_too = NULL;
    pattern = "room.*";
    is_int(gaps_on_return(app), 1, "stored topics find no room: the gap is told");
    turns(app, 5);
    exact = "busy.3";
    pattern = NULL;
    dial(app, "/s", NULL);
    is_int(sse_topic_history(app, "room.2", 0, none_seen, NULL), SSE_E_FULL,
        "what one of them keeps cannot be told");
    dial_free(app);
    sse_db_close(db);
}

/* To look for what no topic keeps takes nothing away from the others. */
static void nothing_kept(void) {
    sse_app *app = with_topics(2, NULL, NULL);
    topic(app, "room.*", 100, 0, NULL);
    say(app, "room.1", "kept");
    say(app, "room.2", "kept");
    is_int(sse_topic_history(app, "room.3", 0, none_seen, NULL), 0, "a topic that keeps nothing");
    is_int(sse_topic_history(app, "room.1", 0, none_seen, NULL), 1, "... makes room for none");
    pattern = NULL;
    exact = "busy.1";
    exact_too = "busy.2";
    dial(app, "/s", NULL);
    exact = exact_too = NULL;
    is_int(sse_topic_history(app, "room.3", 0, none_seen, NULL), 0, "... nor needs any");
    dial_free(app);
}

/* An app with room for so many topics, of which a database keeps room.*; rooms are so many events
   that they are read back page by page. */
static sse_app *with_rooms(sse_db *db, int max_topics) {
    sse_app_options options;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.max_topics = max_topics;
    options.max_queue_bytes = 4000;
    app = dial_app(&options);
    opening = subscribe;
    closing = note_reason;
    topic(app, "room.mem", 100, 0, NULL);
    topic(app, "room.*", 100, 0, db);
    exact = exact_too = NULL;
    pattern = "room.*";
    return app;
}

static void say_large(sse_app *app, const char *to, int n) {
    char big[1101];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    while (n-- > 0) say(app, to, big);
}

/* Stored topics make room for good while a stream has yet to get what they keep. */
static void no_room_meanwhile(void) {
    sse_db    *db = sse_db_open(":memory:", NULL);
    sse_app   *app = with_rooms(db, 5);
    sse_stream other;
    client    *c;
    char       before[sizeof head];
    first_visit(app, "room.1", NULL);
    snprintf(before, sizeof before, "%s", head);
    dial(app, "/s", NULL);
    other = newest;
    sse_subscribe(other, "busy.1");
    say_large(app, "room.1", 30);
    say(app, "room.2", "missed");
    turns(app, 3);
    c = dial(app, "/s", head);
    ok(times(c, "xxx\n") < 30, "a client that catches up");
    is_int(sse_subscribe(other, "busy.2"), 0, "a topic makes room");
    is_int(sse_subscribe(other, "busy.3"), 0, "and another");
    turns(app, 100);
    ok(nclosed == 2 && closed_by == SSE_BY_QUEUE, "the client had not got to it: it is cut");
    is_int(gaps_on_return(app), 1, "and told as it comes back");
    dial_free(app);
    sse_db_close(db);
}

/* Who was told that stored topics find no room gets what there is, page by page. */
static void no_room_told(void) {
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_rooms(db, 0);
    client  *c;
    first_visit(app, "room.1", NULL);
    say(app, "room.2", "missed");
    turns(app, 3);
    dial_free(app);
    app = with_rooms(db, 2); /* the pattern is the other one */
    say_large(app, "room.mem", 20);
    c = dial(app, "/s", head);
    turns(app, 100);
    is_int(times(c, "event: gap"), 1, "stored topics find no room: the gap is told");
    ok(!c->over && !nclosed && times(c, "xxx\n") == 20, "... and then all that there is");
    dial_free(app);
    sse_db_close(db);
}

static int queries;

static int note_query(unsigned type, void *user, void *statement, void *sql) {
    (void)type, (void)user, (void)statement;
    queries += strstr((const char *)sql, "FROM outbox") != NULL;
    return 0;
}

/* One query for the row that its client had, one for each page of what follows that. */
static void asks_once(void) {
    static const char sql[] = "SELECT id, body FROM outbox WHERE id > ? ORDER BY id";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = with_topics(0, "orders", NULL);
    client           *c;
    int               i;
    sse_db_migrate(db, "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    is_int(sse_topic_from_table(app, "orders", db, sql), 0, "a table");
    for (i = 0; i < 5; i++) sse_db_exec(db, "INSERT INTO outbox(body) VALUES('row')");
    turns(app, 3);
    sqlite3_trace_v2(sse_db_raw(db), SQLITE_TRACE_STMT, note_query, NULL);
    c = dial(app, "/s", "Last-Event-ID: 2\r\n");
    turns(app, 3);
    is_int(times(c, "data: row"), 3, "the rows behind its own");
    is_int(queries, 2, "... take two queries");
    dial_free(app);
    sse_db_close(db);
}

/* Rows that are no events are passed over by who catches up as by who listens. */
static void no_events(void) {
    static const char sql[] = "SELECT id, body, name FROM outbox WHERE id > ? ORDER BY id";
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = with_topics(0, "orders", NULL);
    client           *c;
    int               i;
    sse_db_migrate(db, "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body, name)");
    is_int(sse_topic_from_table(app, "orders", db, sql), 0, "a table");
    for (i = 1; i < 6; i++)
        sse_db_exec(db, "INSERT INTO outbox(body, name) VALUES('row', %s)", i % 2 ? "a\nb" : "ab");
    turns(app, 3);
    for (i = 1; i < 6; i++) {
        char from[40];
        snprintf(from, sizeof from, "Last-Event-ID: %d\r\n", i);
        c = dial(app, "/s", from);
        turns(app, 3);
        is_int(times(c, "event: ab\ndata: row"), 2 - i / 2, from);
        is_int(times(c, "event: gap"), 0, "... without a gap");
    }
    sse_db_exec(db, "INSERT INTO outbox(body) VALUES('live')");
    turns(app, 3);
    is_int(times(&clients[nclients - 1], "data: live"), 1, "... and what follows is live");
    dial_free(app);
    sse_db_close(db);
}

/* A stored history had to make room while the disk took nothing. The next start knows as well, once
   the disk takes something: after a while, or as late as the app goes. */
static void unsaved(bool late) { /* K2 */
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = with_topics(2, "room.1", NULL);
    char     before[sizeof head];
    int      i;
    topic(app, "room.*", 10, 0, db);
    first_visit(app, "room.1", NULL);
    snprintf(before, sizeof before, "%s", head);
    sse_db_exec(db,
        "CREATE TRIGGER full BEFORE INSERT ON sse_events BEGIN SELECT RAISE(ABORT, 'full'); END");
    say(app, "room.1", "missed");
    turns(app, 1);
    say(app, "room.2", "more");
    say(app, "room.3", "more");
    say(app, "room.4", "more");
    sse_db_exec(db, "DROP TRIGGER full");
    if (!late) is_int(gaps_on_return(app), 1, "what no disk took is told of");
    for (i = 0; i < 30000 && !late && app->topics->sequence.stores->failing; i++) turns(app, 1);
    ok(late || i < 2000, "the disk takes something again");
    dial_free(app);
    for (i = 0; i < 2; i++) {
        app = with_topics(2, "room.1", NULL);
        topic(app, "room.*", 10, 0, db);
        snprintf(head, sizeof head, "%s", before);
        is_int(gaps_on_return(app), 1,
            i      ? "... and by the one after that"
            : late ? "what no disk took is told of by the next start"
                   : "... by the next start, too");
        first_visit(app, "room.1", NULL);
        is_int(gaps_on_return(app), 0, "... to those that were there before, and no others");
        dial_free(app);
    }
    sse_db_close(db);
}
#endif

/* An id that the program gave in two topics of a stream stands for the newest event of that name,
   whichever topic the stream subscribed to first. */
static void same_id(const char *first, const char *then) {
    sse_app *app = with_topics(0, first, NULL);
    client  *c;
    exact_too = then;
    topic(app, "a", 10, 0, NULL);
    topic(app, "b", 10, 0, NULL);
    say_as(app, "a", "one", "x");
    say_as(app, "a", "two", "y");
    say_as(app, "b", "three", "x");
    say_as(app, "a", "four", "z");
    c = dial(app, "/s", "Last-Event-ID: x\r\n");
    turns(app, 3);
    is_int(times(c, "data: "), 1, "who had the newest of that name is sent what follows it");
    is_int(times(c, "data: four"), 1, "... alone");
    exact_too = NULL;
    dial_free(app);
}

/* Everywhere, and nothing is left of it. */
static bool is_refused(const sse_buf *b, sse_app *app, const sse_event *event) {
    return !b->len && sse_publish(app, "t", event) == SSE_E_FIELD &&
           sse_stream_send(newest, event) != SSE_OK;
}

static const char *came_back; /* the id that the latest request brought */

static void take_id(sse_req *req, sse_stream s) {
    static char copy[16];
    const char *id = sse_header(req, "last-event-id");
    (void)s;
    snprintf(copy, sizeof copy, "%s", id ? id : "");
    came_back = copy;
}

static void ids(void) { /* what may be an id is what can come back as one */
    sse_app  *app = dial_app(NULL);
    sse_event event;
    char      id[8];
    int       c, form, refused = 0, lost = 0;
    opening = take_id;
    memset(&event, 0, sizeof event);
    event.data = "x";
    event.id = id;
    for (c = 1; c < 256; c++)
        for (form = 0; form < 3; form++) {
            sse_buf b = {NULL, 0, 0, SSE_OK};
            client *k;
            snprintf(id, sizeof id, form == 0 ? "a%cb" : form == 1 ? "%cb" : "a%c", c);
            if (sse_event_write(&b, &event) == 0) {
                came_back = "";
                snprintf(head, sizeof head, "Last-Event-ID: %s\r\n", id);
                k = dial(app, "/s", head);
                lost += strcmp(came_back, id) != 0;
                hang_up(k);
                turns(app, 1);
            } else refused += is_refused(&b, app, &event);
            sse_buf_free(&b);
        }
    is_int(lost, 0, "each id that may be sent can come back");
    is_int(refused, 3 * 32 + 2 - 1, "control characters, and blanks around, may not");
    dial_free(app);
}

int main(void) {
    ids();
#ifndef SSE_NO_SQLITE
    sse_db *db = sse_db_open(":memory:", NULL);
    aged_out("room.*", "room.1", NULL, db);
    aged_out("room.*", NULL, "room.*", db);
    sse_db_close(db);
    restarts();
    restarted_twice();
    went_down();
    named_later();
    two_databases();
    another_database();
    lost_numbers();
    place_by_another();
    many_starts();
    behind_another();
    last_reserved();
    evicted_once();
    unknown();
    unsaved(false);
    unsaved(true);
    unread();
    no_room();
    nothing_kept();
    no_room_meanwhile();
    no_room_told();
    two_servers();
    deleted_meanwhile();
    asks_once();
    no_events();
    db = sse_db_open(":memory:", NULL);
    leaves_room(db);
    sse_db_close(db);
    db = sse_db_open(":memory:", NULL);
    never_kept(db);
    sse_db_close(db);
#endif
    aged_out("room.1", "room.1", NULL, NULL);
    aged_out("room.*", "room.1", NULL, NULL);
    aged_out("room.*", NULL, "room.*", NULL);
    began_behind(0);
    began_behind(400);
    told_once("a", "b", NULL);
    told_once(NULL, NULL, "*");
    same_id("a", "b");
    same_id("b", "a");
    unsubscribed();
    places();
    evicted();
    larger_than_a_page();
    evicted_meanwhile();
    evicted_by_others();
    made_later();
    never_kept(NULL);
    trimmed_meanwhile(SSE_CLOSE_SLOW);
    trimmed_meanwhile(SSE_DROP_OLDEST);
    trimmed_meanwhile(SSE_KEEP_NEWEST);
    leaves_room(NULL);
    in_pages(true);
    in_pages(false);
    return tap_done();
}
