/* What topics keep in a database that cannot be written for a while: locked by another, or full. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#ifdef SSE_NO_SQLITE

int main(void) { return tap_done(); }
#else
#include "dial.h"
#include "sleeps.h"

static char     dir[] = "/tmp/sse-history-XXXXXX", file[64];
static int      lost, kept, opened;
static sse_app *log_of; /* that publishes its log; NULL: none does */
static void     on_log(int level, const char *text, void *user) {
        (void)user;
        lost += level <= SSE_LOG_WARNING && strstr(text, "events are sent but not kept") != NULL;
        kept += level <= SSE_LOG_WARNING && strstr(text, "kept again") != NULL;
        opened += strstr(text, "was replaced: opened the new one") != NULL;
        if (log_of && level <= SSE_LOG_WARNING) say(log_of, "log", text);
}

static void subscribe(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "t");
}

static sse_app *fresh(sse_db **db, int busy_ms) {
    sse_db_options    d;
    sse_topic_options t;
    sse_app_options   o;
    sse_app          *app;
    memset(&d, 0, sizeof d);
    memset(&t, 0, sizeof t);
    memset(&o, 0, sizeof o);
    d.busy_ms = busy_ms;
    o.on_log = on_log;
    *db = sse_db_open(file, &d);
    app = dial_app(&o);
    opening = subscribe;
    t.history = 1000;
    t.db = *db;
    sse_topic(app, "t", &t);
    lost = kept = 0;
    return app;
}

static long long rows(sse_db *db) {
    long long n = -1;
    sse_db_one(db, &n, "SELECT count(*) FROM sse_events");
    return n;
}

static void locked(void) {
    sse_db  *db, *other = sse_db_open(file, NULL);
    sse_app *app = fresh(&db, 1000);
    client  *c = dial(app, "/s", NULL);
    int      i;
    say(app, "t", "before");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    is_int(rows(db), 1, "what is published is kept");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    sse_db_exec(db, "PRAGMA busy_timeout = 20");
    ok(sse_db_exec(db, "DELETE FROM sse_events") == SSE_E_BUSY && sleeps > 0,
        "a statement on the loop would wait");
    say(app, "t", "first");
    sleeps = 0;
    sse_poll(app, 0);
    is_int(sleeps, 0, "the loop does not wait for who holds the lock");
    turns(app, 5);
    is_int(times(c, "data: first"), 0, "the event is held back meanwhile,");
    for (i = 0; i < 30000 && !times(c, "data: first"); i++) poll(NULL, 0, 10), turns(app, 1);
    is_int(times(c, "data: first"), 1, "for busy_ms");
    for (i = 0; i < 130; i++) { /* 1.3 s and more: retries are among them */
        if (i % 5 == 0) say(app, "t", "more");
        sse_poll(app, 0);
        poll(NULL, 0, 10);
    }
    is_int(sleeps, 0, "nor later, whether events come or a save is tried again");
    turns(app, 5);
    is_int(times(c, "data: more"), 26, "events go out meanwhile");
    is_int(lost, 1, "which is said once");
    is_int(rows(db), 1, "none is kept");
    sse_db_exec(other, "ROLLBACK");
    for (i = 0; i < 30000 && (rows(db) == 1 || !kept); i++) poll(NULL, 0, 10), turns(app, 1);
    is_int(rows(db), 28, "when the lock is gone all are written");
    is_int(kept, 1, "which is said as well");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    say(app, "t", "again");
    turns(app, 5);
    is_int(times(c, "data: again"), 0, "from then on a lock is waited for as before");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    is_int(rows(other), 29, "what is not written when the app ends is tried once more");
    sse_db_close(db);
    sse_db_close(other);
}

static int shown; /* by the view */

static void show(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_printf(html, "<p id=\"x\">shown %d.</p>", shown);
}

static void count_rows(sse_view *view, sse_buf *html, void *user) {
    long long n = -1;
    (void)view;
    sse_db_one((sse_db *)user, &n, "SELECT count(*) FROM r");
    sse_printf(html, "<p id=\"x\">%lld rows.</p>", n);
}

static void publishes(sse_app *app, void *user) {
    (void)user;
    say(app, "t", "kept");
}

static void touches(sse_app *app, void *user) {
    if (user) publishes(app, NULL);
    shown++;
    sse_touch(app, "/v");
}

static void inserts(sse_app *app, void *user) {
    (void)app;
    is_int(sse_db_exec((sse_db *)user, "INSERT INTO r (x) VALUES ('a row')"), 1, "a row");
}

static void subscribe_rows(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "rows");
}

/* A view waits for the disk if who touched it has published, and for nobody else. */
static void views(void) { /* C5 */
    sse_db          *db, *other = sse_db_open(file, NULL), *table = sse_db_open(":memory:", NULL);
    sse_app         *app = fresh(&db, 60000);
    client          *c, *late, *follower, *counter;
    sse_live_options of_table;
    char             before[] = "published before";
    int              i;
    sse_live(app, "/v", show, NULL);
    sse_db_exec(table, "CREATE TABLE r (id INTEGER PRIMARY KEY, x)");
    sse_topic_from_table(app, "rows", table, "SELECT id, x FROM r WHERE id > ? ORDER BY id");
    opening = subscribe_rows;
    follower = dial(app, "/s", NULL);
    shown = 0;
    c = dial(app, "/v", NULL);
    memset(&of_table, 0, sizeof of_table);
    of_table.db = table;
    of_table.user = table;
    sse_live(app, "/rows", count_rows, &of_table);
    counter = dial(app, "/rows", NULL);
    turns(app, 5);
    say(app, "t", "reserved");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    is_int(times(c, "shown 0."), 1, "a view");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    sse_call(app, touches, NULL);
    sse_call(app, inserts, table);
    sse_call(app, publishes, NULL);
    turns(app, 20);
    is_int(times(c, "shown 1."), 1, "what another publishes in the same turn does not hold it up");
    is_int(times(follower, "a row"), 1, "... nor a row of a table");
    is_int(times(counter, "1 rows."), 1, "... nor a commit");
    ok(app->net->kept < app->net->told, "... which still waits for the disk");
    sse_call(app, touches, before);
    turns(app, 20);
    is_int(times(c, "shown 2."), 0, "who has published holds up what they touch");
    late = dial(app, "/v", NULL);
    turns(app, 20);
    is_int(times(late, "shown 2."), 0, "... for those that come meanwhile, too");
    sse_call(app, touches, NULL);
    turns(app, 20);
    is_int(times(c, "shown 3."), 0, "... and later states, which show it as well");
    sse_db_exec(other, "ROLLBACK");
    for (i = 0; i < 30000 && !(times(c, "shown 3.") && times(late, "shown 3.")); i++) turns(app, 1);
    ok(times(c, "shown 3.") == 1 && times(late, "shown 3.") == 1, "... until it is kept");
    sse_call(app, touches, NULL);
    turns(app, 20);
    is_int(times(c, "shown 4."), 1, "then nothing holds it up");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
    sse_db_close(table);
}

/* ... nor for a timer that publishes just before it is rendered by the clock. */
static void by_the_clock(void) { /* C5 */
    sse_db          *db, *other = sse_db_open(file, NULL);
    sse_app         *app = fresh(&db, 60000);
    client          *c;
    sse_live_options o;
    memset(&o, 0, sizeof o);
    o.every_ms = 100;
    sse_live(app, "/v", show, &o);
    shown = 0;
    c = dial(app, "/v", NULL);
    say(app, "t", "reserved");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    sse_db_exec(other, "BEGIN IMMEDIATE");
    shown++;
    sse_after(app, 1, publishes, NULL);
    poll(NULL, 0, 300); /* both are due */
    turns(app, 5);
    ok(app->net->kept < app->net->told, "a timer publishes, which waits for the disk");
    is_int(times(c, "shown 1."), 1, "... a view that is rendered by the clock does not");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

static sse_stream stays;

static void comes_and_goes(sse_req *req, sse_stream s) {
    sse_subscribe(s, "who");
    if (strcmp(sse_query(req, "who"), "ann") == 0) stays = s;
}

static void has_left(sse_app *app, const char *topic, const char *who, void *user) {
    sse_event event;
    (void)app, (void)topic, (void)user;
    memset(&event, 0, sizeof event);
    event.data = who;
    sse_stream_send(stays, &event);
}

/* ... nor who is told that somebody has left. */
static void leaves_by_the_clock(void) { /* C5 */
    sse_db           *db, *other = sse_db_open(file, NULL);
    sse_app          *app = fresh(&db, 60000);
    client           *ann, *bob;
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.on_leave = has_left;
    o.leave_ms = 100;
    sse_topic(app, "who", &o);
    opening = comes_and_goes;
    ann = dial(app, "/s?who=ann", NULL);
    bob = dial(app, "/s?who=bob", NULL);
    say(app, "t", "reserved");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    sse_db_exec(other, "BEGIN IMMEDIATE");
    hang_up(bob);
    turns(app, 5);
    sse_after(app, 1, publishes, NULL);
    poll(NULL, 0, 300); /* both are due */
    turns(app, 5);
    ok(app->net->kept < app->net->told, "a timer publishes, which waits for the disk");
    is_int(times(ann, "data: bob"), 1, "... what is told of who has left does not");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

/* ... nor what a source answers. */
static void publishes_first(sse__alarm *alarm) {
    sse_app *app = newest.app;
    (void)alarm;
    app->loop.upcall++; /* as a timer's */
    publishes(app, NULL);
}

static sse__alarm just_before;

static void follows(sse_req *req, sse_stream s) {
    (void)req;
    just_before.fn = publishes_first;
    sse__alarm_set(&s.app->loop.wheel, &just_before, 0);
    sse_subscribe(s, "sourced"); /* which is asked in the same pass */
}

static void is_asked(sse_stream s, const char *topic, const char *after, void *user) {
    sse_event event;
    (void)topic, (void)user;
    memset(&event, 0, sizeof event);
    event.id = "2-1";
    event.data = after;
    sse_stream_send(s, &event);
    sse_replay_end(s, event.id);
}

static void answers_by_the_clock(void) { /* C5 */
    sse_db           *db, *other = sse_db_open(file, NULL);
    sse_app          *app = fresh(&db, 60000);
    client           *ann;
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.source = is_asked;
    sse_topic(app, "sourced", &o);
    say(app, "t", "reserved");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    sse_db_exec(other, "BEGIN IMMEDIATE");
    opening = follows;
    ann = dial(app, "/s", "Accept: text/event-stream\r\nLast-Event-ID: 1-1\r\n");
    turns(app, 5);
    ok(app->net->kept < app->net->told, "an alarm publishes, which waits for the disk");
    is_int(times(ann, "data: 1-1"), 1, "... what a source answers behind it does not");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

static void full(void) {
    sse_db  *db;
    sse_app *app = fresh(&db, 100);
    char     text[5000];
    int      i;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)dial(app, "/s", NULL);
    turns(app, 5);
    say(app, "t", text);
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    sqlite3_exec(db->writer->raw, "PRAGMA max_page_count = 20", NULL, NULL, NULL);
    for (i = 0; i < 100; i++) {
        say(app, "t", text);
        turns(app, 1);
    }
    for (i = 0; i < 120; i++) poll(NULL, 0, 10), turns(app, 1);
    is_int(lost, 1, "a full disk is told of once, not for each event and each try");
    sse__sequence_sync(&app->topics->sequence);
    sqlite3_exec(db->writer->raw, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
    for (i = 0; i < 30000 && !kept; i++) poll(NULL, 0, 10), turns(app, 1);
    is_int(kept, 1, "... and once when there is room again");
    dial_free(app);
    sse_db_close(db);
}

static void begin_empty(void) {
    char command[80];
    snprintf(command, sizeof command, "rm -f %s/*", dir);
    if (system(command) != 0) ok(0, "nothing is there");
}

/* The file has become one without our tables, or another program has dropped them: they are made
   before the next event leaves. */
static void replaced(bool moved) { /* C5 */
    sse_live_options of_db;
    char             from[80];
    sse_db          *db, *other;
    sse_app         *app;
    client          *c;
    int              i;
    begin_empty();
    snprintf(from, sizeof from, "%s/new.db", dir);
    app = fresh(&db, 100);
    memset(&of_db, 0, sizeof of_db);
    of_db.db = db;
    sse_live(app, "/v", show, &of_db);
    dial(app, "/v", NULL);
    c = dial(app, "/s", NULL);
    say(app, "t", "before");
    turns(app, 5);
    sse__sequence_sync(&app->topics->sequence);
    other = sse_db_open(moved ? from : file, NULL);
    sse_db_migrate(other, moved ? "CREATE TABLE mine (x)"
                                : "DROP TABLE sse_events; DROP TABLE sse_topics;"
                                  " DROP TABLE sse_sequence; DROP TABLE sse_starts");
    sse_db_close(other);
    opened = 0;
    if (moved) {
        sse_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
        is_int(rename(from, file), 0, "another file has its name");
    }
    for (i = 0; i < 30000 && moved && !opened; i++) turns(app, 1);
    say(app, "t", "after");
    for (i = 0; i < 30000 && !times(c, "data: after"); i++) turns(app, 1);
    is_int(rows(db), 1, "what comes is kept, in tables made anew");
    is_int(lost, 0, "... and was before it left");
    dial_free(app);
    sse_db_close(db);
}

/* A line about a store is published, where only a history that is to be saved can make room. */
static void no_room(void) {
    sse_app_options   o;
    sse_topic_options t;
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    o.max_topics = 2;
    o.on_log = on_log;
    app = sse_app_new(&o);
    t.history = 10;
    sse_topic(app, "log*", &t);
    t.db = db;
    sse_topic(app, "kept.*", &t);
    lost = kept = 0;
    say(app, "kept.0", "x");
    say(app, "kept.00", "x");
    sse_db_exec(db, "ALTER TABLE sse_events RENAME TO away");
    sse_db_exec(db, "CREATE VIEW sse_events AS SELECT * FROM away");
    log_of = app;
    say(app, "kept.1", "x");
    is_int(lost, 1, "that events are not kept is told");
    sse_db_exec(db, "DROP VIEW sse_events");
    sse_db_exec(db, "ALTER TABLE away RENAME TO sse_events");
    say(app, "kept.2", "x");
    app->topics->sequence.retries = true;
    say(app, "kept.3", "x");
    is_int(kept, 1, "as is that they are again");
    is_int(rows(db), 2, "... and those that made room then are kept");
    log_of = NULL;
    sse_app_free(app);
    sse_db_close(db);
}

/* ---- events that went out and were never kept: K2 ---- */

static char place[60]; /* the id that a client has */

static void take_place(sse_app *app, const client *c) {
    const char *at, *last = "";
    int         i;
    for (i = 0; i < 30000 && (!times(c, "id: ") || app->net->kept < app->net->told); i++)
        turns(app, 1);
    turns(app, 5);
    for (at = c->got; (at = strstr(at, "id: ")) != NULL;) last = at += 4;
    snprintf(place, sizeof place, "%.*s", (int)strcspn(last, "\n"), last);
}

/* A client has a place, of the first event if there is one, and is away when an event goes out that
   nobody keeps: another connection holds the lock. */
static sse_app *sends_unkept(sse_db **db, sse_db *other, bool first) {
    sse_app *app = fresh(db, 100);
    client  *c = dial(app, "/s", NULL), *stayed = dial(app, "/s", NULL);
    int      i;
    if (first) say(app, "t", "seen");
    for (i = 0; i < 30000 && first && !times(c, "data: seen"); i++) turns(app, 1);
    take_place(app, c);
    hang_up(c);
    turns(app, 5);
    sse_db_exec(other, "BEGIN IMMEDIATE");
    say(app, "t", "lost");
    for (i = 0; i < 30000 && !times(stayed, "data: lost"); i++) turns(app, 1);
    ok(lost == 1 && times(stayed, "data: lost") == 1, "an event is sent, and not kept");
    return app;
}

static int gaps_at(sse_app *app, const char *id, int rows_too) {
    char    head[100];
    client *c;
    int     gaps;
    snprintf(head, sizeof head, "Last-Event-ID: %s\r\n", id);
    c = dial(app, "/s", head);
    turns(app, 10);
    gaps = times(c, "event: gap");
    is_int(times(c, "data: "), gaps + rows_too, "... and all that is kept");
    if (gaps) take_place(app, c);
    hang_up(c);
    turns(app, 5);
    return gaps;
}

/* The start after it: who had a place in the one before is told once, and nobody else is. */
static void starts_after(bool first) {
    sse_db *db;
    char    before[60];
    int     i;
    snprintf(before, sizeof before, "%s", place);
    for (i = 0; i < 2; i++) {
        sse_app *app = fresh(&db, 5000);
        client  *c;
        is_int(gaps_at(app, before, first), 1, "who comes back from before is told of a gap");
        is_int(gaps_at(app, place, 0), 0, "... once");
        c = dial(app, "/s", NULL);
        take_place(app, c);
        is_int(gaps_at(app, place, 0), 0, "... and newcomers are not");
        dial_free(app);
        sse_db_close(db);
    }
}

/* kill -9, before the store has the event. */
static void killed(bool first) {
    sse_db *db, *other;
    int     id[2], status = 0;
    pid_t   child;
    begin_empty();
    fflush(stdout);
    if (pipe(id)) return;
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(1);
        other = sse_db_open(file, NULL);
        (void)sends_unkept(&db, other, first);
        if (lost == 1 && write(id[1], place, sizeof place) > 0) kill(getpid(), SIGKILL);
        _exit(1);
    }
    ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "a server is killed");
    ok(read(id[0], place, sizeof place) > 0 && place[0], "... a client had %s", place);
    close(id[0]);
    close(id[1]);
    starts_after(first);
}

/* It ends, and the lock is still held. */
static void ends_unkept(bool first) {
    sse_db  *db, *other;
    sse_app *app;
    begin_empty();
    other = sse_db_open(file, NULL);
    app = sends_unkept(&db, other, first);
    dial_free(app);
    sse_db_close(db);
    sse_db_exec(other, "ROLLBACK");
    sse_db_close(other);
    starts_after(first);
}

static int warned, debugged; /* lines that events are not kept */

static void on_level(int level, const char *text, void *user) {
    (void)user;
    warned +=
        level == SSE_LOG_WARNING && strstr(text, "events are sent but not kept: full") != NULL;
    debugged += level == SSE_LOG_DEBUG && strstr(text, "events are sent but not kept: ") != NULL;
    kept += level == SSE_LOG_WARNING && strstr(text, "events are kept again") != NULL;
}

/* A database that takes nothing is tried once a second; what was published meanwhile is written
   then, whatever else comes. */
static void tried_again(void) { /* K5 */
    sse_app_options   o;
    sse_topic_options t;
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app;
    int               i;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    o.on_log = on_level;
    app = sse_app_new(&o);
    t.history = 10;
    t.db = db;
    sse_topic(app, "t", &t);
    warned = debugged = kept = 0;
    sse_test_run(app, 0);
    sse_db_exec(db, "CREATE TRIGGER full BEFORE INSERT ON sse_events"
                    " BEGIN SELECT RAISE(ABORT, 'full'); END");
    say(app, "t", "first");
    sse_test_run(app, 0);
    is_int(warned, 1, "that events are not kept is told");
    for (i = 1; i < 4; i++) {
        sse_test_run(app, 999);
        is_int(debugged, i - 1, "it is not tried again yet");
        sse_test_run(app, 1);
        is_int(debugged, i, "... but a second later");
    }
    sse_db_exec(db, "DROP TRIGGER full");
    sse_test_run(app, 500);
    say(app, "t", "second");
    sse_test_run(app, 499);
    is_int(rows(db) + kept, 0, "an event does not bring that forward");
    sse_test_run(app, 1);
    is_int(rows(db), 2, "then all are written");
    is_int(kept, 1, "... which is told");
    is_int(warned, 1, "... as the other was, once");
    say(app, "t", "third");
    sse_test_run(app, 0);
    is_int(rows(db), 3, "from then on it is written at once");
    sse_app_free(app);
    sse_db_close(db);
}

#ifndef SSE_NO_THREADS
/* A store that takes nothing is tried again behind a statement that waits for the lock: what is
   published meanwhile waits for neither. What that try did not have the next one has, and till then
   a kill would lose it. */
static void behind_a_post(void) { /* C5, K2 */
    sse_db             *db, *other;
    sse_app            *app;
    sse__sequence      *sequence;
    client             *c;
    sse_db_post_options to;
    struct stat         lock;
    char                name[80];
    int                 i;
    begin_empty();
    snprintf(name, sizeof name, "%s-sse", file);
    other = sse_db_open(file, NULL);
    app = fresh(&db, 60000);
    sequence = &app->topics->sequence;
    c = dial(app, "/s", NULL);
    memset(&to, 0, sizeof to);
    to.app = app;
    sse_db_exec(other, "CREATE TABLE mine (x)");
    sse_db_exec(other, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                       " SELECT RAISE(ABORT, 'no'); END");
    say(app, "t", "first");
    for (i = 0; i < 30000 && !times(c, "data: first"); i++) turns(app, 1);
    is_int(lost, 1, "an event is sent, and not kept");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    is_int(sse_db_post(db, &to, "INSERT INTO mine VALUES (1)"), 0, "a statement waits");
    sequence->retries = true;
    turns(app, 1);
    ok(sequence->flight != NULL, "... and behind it what is tried again");
    say(app, "t", "second");
    turns(app, 20);
    is_int(times(c, "data: second"), 1, "the next event does not");
    ok(sequence->flight != NULL, "... which is still under way");
    sse_db_exec(other, "DROP TRIGGER no");
    sse_db_exec(other, "COMMIT");
    sse__disk_wait(app);
    sse__flight_land(sequence->flight);
    is_int(rows(db), 1, "it is kept what was tried again");
    is_int(stat(name, &lock) ? -1 : (int)lock.st_size, 0, "... and the lock says that more is not");
    for (i = 0; i < 30000 && app->net->kept < app->net->told; i++) turns(app, 1);
    is_int(rows(db), 2, "... until that is, at once");
    is_int(kept, 1, "... which is told");
    is_int(stat(name, &lock) ? -1 : (int)lock.st_size, 1, "then it does not");
    sse_db_exec(other, "BEGIN IMMEDIATE");
    say(app, "t", "third");
    turns(app, 20);
    is_int(times(c, "data: third"), 0, "from then on an event waits as before");
    sse_db_exec(other, "ROLLBACK");
    dial_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

/* Topics whose events are on their way to the disk make room for others when they are there. */
static void under_way(void) { /* K5 */
    sse_app_options   o;
    sse_topic_options t;
    sse_db           *db = sse_db_open(file, NULL);
    sse_app          *app;
    char              name[24];
    int               i;
    long long         before;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    o.max_topics = 2;
    app = dial_app(&o);
    t.history = 10;
    t.db = db;
    is_int(sse_topic(app, "kept.*", &t), 0, "few topics");
    before = rows(db);
    for (i = 0; i < 9; i++) {
        snprintf(name, sizeof name, "kept.%d", i);
        say(app, name, "x");
        if (i % 3 == 1) sse_poll(app, 0);
    }
    ok(app->topics->exact.count <= 3, "they make room for one another");
    sse__sequence_sync(&app->topics->sequence);
    is_int(rows(db) - before, 9, "... and all that was published is written");
    dial_free(app);
    sse_db_close(db);
}
#endif

/* What a history loses goes from its store as well, which knows how far. */
static void trims(void) { /* K2 */
    sse_topic_options t;
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = sse_app_new(NULL);
    long long         n = 0;
    int               i;
    memset(&t, 0, sizeof t);
    t.history = 3;
    t.db = db;
    sse_topic(app, "t", &t);
    for (i = 1; i < 11; i++) {
        say(app, "t", "x");
        sse_test_run(app, 0);
        is_int(rows(db), i < 3 ? i : 3, "no more rows than the history has events");
        sse_db_one(db, &n, "SELECT lost FROM sse_topics WHERE topic = 't'");
        is_int(n, i < 4 ? 0 : i - 3, "... and the number up to which it lost them");
    }
    sse_db_one(db, &n, "SELECT min(seq) FROM sse_events");
    is_int(n, 8, "the newest are there");
    sse_app_free(app);
    sse_db_close(db);
}

/* Numbers are reserved 10,000 at a time; a start begins above them, whatever was used. */
static void reserves(void) { /* K1 */
    sse_topic_options t;
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app;
    long long         reserved = 0, starts = 0, first = 0;
    int               start;
    memset(&t, 0, sizeof t);
    t.history = 10;
    t.db = db;
    for (start = 0; start < 3; start++) {
        app = sse_app_new(NULL);
        sse_topic(app, "t", &t);
        say(app, "t", "first");
        sse_test_run(app, 0);
        sse_db_one(db, &first, "SELECT max(seq) FROM sse_events");
        is_int(first, start * 10001 + 1, "the first number of a start");
        sse_db_one(db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 1");
        is_int(reserved, first + 10000, "... reserves what follows it");
        say(app, "t", "second");
        sse_test_run(app, 0);
        sse_db_one(db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 1");
        is_int(reserved, first + 10000, "... once");
        is_int(sse_db_one(db, &reserved, "SELECT reserved FROM sse_starts WHERE epoch = %s",
                   app->topics->sequence.epoch),
            0, "... and by the start's own name");
        is_int(reserved, first + 10000, "... which are its numbers");
        sse_app_free(app);
    }
    sse_db_one(db, &starts, "SELECT count(*) FROM sse_starts");
    is_int(starts, 3, "each start has one row");
    sse_db_close(db);
}

int main(void) {
    char command[64];
    if (!mkdtemp(dir)) return 1;
    snprintf(file, sizeof file, "%s/a.db", dir);
    sleeps_begin();
#ifndef SSE_NO_THREADS /* without, the loop waits for the lock */
    locked();
    under_way();
    views();
    by_the_clock();
    leaves_by_the_clock();
    answers_by_the_clock();
#endif
    full();
    killed(true);
    killed(false);
    ends_unkept(true);
    ends_unkept(false);
#ifndef SSE_NO_THREADS
    behind_a_post();
#endif
    replaced(false);
    replaced(true);
    no_room();
    tried_again();
    reserves();
    trims();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 1;
    return tap_done();
}
#endif
