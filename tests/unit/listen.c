/* listen.c: what the program itself hears: events of topics, rows of tables, commits. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static sse_app *app;
static char     heard[2000]; /* "who:topic=data/event#id " for each call */
static int      inside;      /* a call of the program's that must not call back */
static char     ann[] = "ann", bob[] = "bob";

static void note(const char *who, const char *topic, const sse_event *event) {
    const size_t n = strlen(heard);
    if (inside) ok(false, "%s is called inside a call", who);
    snprintf(heard + n, sizeof heard - n, "%s:%s=%s%s%s%s%s ", who, topic,
        event->data ? event->data : "-", event->event ? "/" : "", event->event ? event->event : "",
        event->id ? "#" : "", event->id ? event->id : "");
}

static void on_event(sse_app *a, const char *topic, const sse_event *event, void *user) {
    (void)a;
    note((const char *)user, topic, event);
}

static void on_once(sse_app *a, const char *topic, const sse_event *event, void *user) {
    on_event(a, topic, event, user);
    is_int(sse_topic_unlisten(a, "*", on_once, user), 0, "it may end itself");
    is_int(sse_topic_listen(a, "news", on_event, bob), 0, "and begin another");
}

static void on_echo(sse_app *a, const char *topic, const sse_event *event, void *user) {
    on_event(a, topic, event, user);
    if (event->data_len < 3) say(a, topic, event->data_len == 1 ? "22" : "333");
}

static void on_last_word(sse_app *a, void *user) {
    (void)user;
    say(a, "news", "last");
}

static void hears(const char *want, const char *name) {
    is_str(heard, want, name);
    heard[0] = '\0';
}

static void publish(const char *topic, const char *data) {
    inside = 1;
    say(app, topic, data);
    inside = 0;
}

static void topics(void) { /* O5 */
    sse_event event;
    app = dial_app(NULL);
    ok(!app->streams->hear, "publishing asks nobody while nobody listens");
    is_int(sse_topic_listen(app, "news", on_event, ann), 0, "to a topic");
    is_int(sse_topic_listen(app, "room.*", on_event, ann), 0, "to a pattern");
    is_int(sse_topic_listen(app, "news", on_event, ann), 0, "twice the same");
    publish("news", "1");
    publish("room.7", "two\nlines");
    publish("other", "3");
    publish("room.9", "");
    memset(&event, 0, sizeof event);
    event.event = "typing";
    event.ephemeral = true;
    sse_publish(app, "room.8", &event);
    memset(&event, 0, sizeof event);
    event.comment = "nothing else";
    sse_publish(app, "room.8", &event);
    hears("", "nothing at once");
    turns(app, 2);
    hears("ann:news=1 ann:room.7=two\nlines ann:room.9= ann:room.8=/typing ann:room.8=- ",
        "in their order, in the next turn, and that one has no data");
    publish("news", "4");
    is_int(sse_topic_unlisten(app, "news", on_event, ann), 0, "it ends");
    is_int(sse_topic_unlisten(app, "news", on_event, ann), SSE_E_ABSENT, "once");
    is_int(sse_topic_listen(app, "news", on_event, bob), 0, "another begins");
    publish("news", "5");
    turns(app, 2);
    hears("bob:news=5 ", "neither what waits when one ends, nor what was before one began");
    is_int(sse_topic_listen(app, "news", on_event, ann), 0, "the same function for two users");
    is_int(sse_topic_listen(app, "news", on_echo, ann), 0, "two functions for one");
    publish("news", "666");
    turns(app, 2);
    hears("bob:news=666 ann:news=666 ann:news=666 ", "each hears, in the order they began");
    is_int(sse_topic_unlisten(app, "news", on_echo, ann), 0, "one ends");
    is_int(sse_topic_unlisten(app, "news", on_event, ann), 0, "another");
    publish("news", "7");
    turns(app, 2);
    hears("bob:news=7 ", "the third goes on");
    sse_topic_unlisten(app, "news", on_event, bob);
    sse_topic_unlisten(app, "room.*", on_event, ann);
    ok(!app->streams->hear, "and nobody is asked any more");
    dial_free(app);
}

static void in_callbacks(void) {
    sse_app_options options;
    memset(&options, 0, sizeof options);
    options.on_exit = on_last_word;
    app = dial_app(&options);
    turns(app, 1);
    sse_topic_listen(app, "*", on_once, ann);
    publish("news", "1");
    publish("news", "2");
    turns(app, 2);
    hears("ann:news=1 ", "one that ended itself hears no more, one that it began nothing earlier");
    publish("news", "3");
    turns(app, 2);
    hears("bob:news=3 ", "but what comes then");
    sse_topic_unlisten(app, "news", on_event, bob);
    sse_topic_listen(app, "news", on_echo, ann);
    publish("news", "1");
    turns(app, 4);
    hears("ann:news=1 ann:news=22 ann:news=333 ", "what it publishes itself comes in later turns");
    dial_free(app);
    hears("ann:news=last ", "the last event is heard in sse_app_free");
}

static int unheard; /* lines of the log */

static void on_unheard(int level, const char *line, void *user) {
    (void)user;
    unheard += level == SSE_LOG_WARNING &&
               strcmp(line, "the program does not hear an event for news: out of memory") == 0;
}

static void without_memory(void) {
    sse_app_options options;
    sse_event       event;
    int             n, error = -1, lost = 0;
    memset(&options, 0, sizeof options);
    options.on_log = on_unheard;
    app = dial_app(&options);
    for (n = 1; n < 20 && error; n++) {
        app->config_error = 0;
        fail_at = n;
        error = sse_topic_listen(app, "news", on_event, ann);
        fail_at = 0;
        if (error) is_int(error, SSE_E_NOMEM, "without memory it does not listen");
    }
    is_int(error, 0, "with memory it does");
    app->config_error = 0;
    memset(&event, 0, sizeof event);
    event.data = "x";
    for (n = 1; n < 20; n++) {
        fail_at = n;
        error = sse_publish(app, "news", &event);
        fail_at = 0;
        turns(app, 2);
        if (!error && !heard[0]) lost++;
        else if (!error) is_str(heard, "ann:news=x ", "heard once");
        heard[0] = '\0';
    }
    is_int(lost, 1, "an event is not heard if there is no memory to keep it until then");
    is_int(unheard, lost, "as the log says");
    dial_free(app);
}

static void refused(void) {
    const char *why;
    app = sse_app_new(NULL);
    is_int(sse_topic_listen(NULL, "a", on_event, NULL), SSE_E_ARG, "no app");
    is_int(sse_topic_listen(app, "", on_event, NULL), SSE_E_ARG, "no name");
    is_int(sse_app_error(app, &why), SSE_E_ARG, "it sticks");
    is_str(why, "sse_topic_listen: a topic without a name", "in words");
    is_int(sse_topic_listen(app, "a", NULL, NULL), SSE_E_ARG, "no function");
    is_int(sse_topic_unlisten(app, "a", on_event, NULL), SSE_E_ABSENT, "nobody listens");
    is_int(sse_topic_unlisten(app, NULL, on_event, NULL), SSE_E_ARG, "to nothing");
    sse_app_free(app);
    app = sse_app_new(NULL);
    is_int(sse_topic_listen(app, "a", NULL, NULL), SSE_E_ARG, "no function, in words:");
    sse_app_error(app, &why);
    is_str(why, "sse_topic_listen: fn is NULL", "which it is");
    sse_app_free(app);
}

#ifndef SSE_NO_THREADS
static void *publish_elsewhere(void *user) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = "from a thread";
    event.id = "7";
    *(int *)user = sse_publish(app, "news", &event) + sse_topic_listen(app, "a", on_event, NULL);
    return NULL;
}

static void threads(void) {
    pthread_t thread;
    int       error = 0;
    app = dial_app(NULL);
    sse_topic_listen(app, "news", on_event, ann);
    turns(app, 1);
    pthread_create(&thread, NULL, publish_elsewhere, &error);
    pthread_join(thread, NULL);
    is_int(error, SSE_E_THREAD, "another thread publishes, but does not listen");
    turns(app, 3);
    hears("ann:news=from a thread#7 ", "it is heard");
    dial_free(app);
}
#else
static void threads(void) {}
#endif

#ifndef SSE_NO_SQLITE
static void rows(void) {
    sse_db *box = sse_db_open(":memory:", NULL);
    sse_db_migrate(box, "CREATE TABLE box (id INTEGER PRIMARY KEY, body, name)");
    app = dial_app(NULL);
    is_int(sse_topic_from_table(app, "orders", box,
               "SELECT id, body, name FROM box WHERE id > ? ORDER BY id"),
        0, "rows are events");
    turns(app, 1);
    sse_db_exec(box, "INSERT INTO box VALUES(1, 'early', NULL)");
    turns(app, 3);
    sse_topic_listen(app, "ord*", on_event, ann);
    sse_db_exec(box, "INSERT INTO box VALUES(2, 'tea', 'new')");
    sse_db_exec(box, "INSERT INTO box VALUES(3, 'milk', NULL)");
    turns(app, 4);
    hears("ann:orders=tea/new#2 ann:orders=milk#3 ", "rows are heard, without any subscriber");
    dial_free(app);
    sse_db_close(box);
}

static sse_db *db;
static int     commits[3], again;
static char    rendered[100];

static void on_commit(sse_app *a, sse_db *which, void *user) {
    int *n = (int *)user;
    is_int(a == app && which == db && !inside, 1, "told on the loop, of this database");
    ++*n;
    if (again && again--) sse_db_exec(db, "INSERT INTO t VALUES(9)");
}

static void on_commit_write(sse_app *a, sse_db *which, void *user) {
    on_commit(a, which, user);
    sse_db_exec(db, "INSERT INTO t VALUES(5)");
}

static void on_commit_close(sse_app *a, sse_db *which, void *user) {
    on_commit(a, which, user);
    sse_db_close(db);
    db = NULL;
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    snprintf(rendered, sizeof rendered, "%d %d", commits[0], commits[1]);
    sse_puts(html, rendered);
}

static void counts(int first, int second, int third, const char *name) {
    char got[60], want[60];
    snprintf(got, sizeof got, "%d %d %d", commits[0], commits[1], commits[2]);
    snprintf(want, sizeof want, "%d %d %d", first, second, third);
    is_str(got, want, name);
    memset(commits, 0, sizeof commits);
}

static void settle(int ms) {
    const uint64_t end = sse__clock_ms() + (uint64_t)ms;
    while (sse__clock_ms() < end) turns(app, 1);
}

static void commits_are_heard(void) {
    char             path[] = "/tmp/sse-listen-XXXXXX", name[100];
    sse_live_options live;
    sqlite3         *other;
    int              i;
    memset(&live, 0, sizeof live);
    if (!mkdtemp(path)) return;
    snprintf(name, sizeof name, "%s/app.db", path);
    db = sse_db_open(name, NULL);
    sse_db_migrate(db, "CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE w (a)");
    app = dial_app(NULL);
    is_int(sse_on_commit(app, db, "t u", on_commit, &commits[0]), 0, "two tables");
    is_int(sse_on_commit(app, db, "w", on_commit, &commits[1]), 0, "another");
    is_int(sse_on_commit(app, db, NULL, on_commit, &commits[2]), 0, "any");
    live.db = db;
    live.tables = "t";
    sse_live(app, "/view", render, &live);
    dial(app, "/view", NULL);
    settle(20);
    memset(commits, 0, sizeof commits);
    inside = 1;
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    inside = 0;
    turns(app, 1);
    is_str(rendered, "1 0", "before views render");
    settle(30);
    counts(1, 0, 1,
        "one call for the commits of a turn, for those whose tables they touched"); /* G4 */
    sse_db_exec(db, "BEGIN");
    sse_db_exec(db, "INSERT INTO w VALUES(1)");
    sse_db_exec(db, "ROLLBACK");
    settle(30);
    counts(0, 0, 0, "none for what was rolled back");
    again = 1;
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    settle(60);
    counts(2, 0, 2, "what one commits itself is told again, and that is the end of it");
    sqlite3_open(name, &other);
    is_int(sqlite3_exec(other, "INSERT INTO w VALUES(2)", NULL, NULL, NULL), SQLITE_OK,
        "another connection commits");
    for (i = 0; i < 30000 && !commits[2]; i++) turns(app, 1);
    settle(60);
    ok(commits[0] == 1 && commits[1] == 1 && commits[2] == 1, "all are told of another's commit");
    memset(commits, 0, sizeof commits);
    is_int(sse_on_commit(app, db, "u", on_commit_write, &commits[1]), 0, "one that writes itself");
    turns(app, 2);
    for (i = 0; i < 30000 && app->changes->delay_ms < app->changes->slow_ms; i++) turns(app, 1);
    rendered[0] = '\0';
    sse_db_exec(db, "INSERT INTO u VALUES(3)");
    sse_poll(app, 1);
    is_str(rendered, "1 1", "what it commits shows in the views of the same turn");
    is_int(app->changes->delay_ms, SSE__LOOK_SOON_MS, "... and wakes those that hear of it soon");
    turns(app, 5);
    counts(2, 1, 2, "which are told in the next one");
    is_int(sse_on_commit(app, db, "w", on_commit_close, &commits[2]), 0, "one more");
    sse_db_exec(db, "INSERT INTO w VALUES(3)");
    turns(app, 3);
    counts(0, 1, 2, "one may close the database");
    memset(commits, 0, sizeof commits);
    rendered[0] = '\0';
    is_int(sqlite3_exec(other, "INSERT INTO t VALUES(4)", NULL, NULL, NULL), SQLITE_OK,
        "another commit");
    for (i = 0; i < 30000 && !rendered[0]; i++) turns(app, 1);
    is_str(rendered, "0 0", "which ends these calls; its view keeps it open");
    settle(10);
    counts(0, 0, 0, "... and nobody calls");
    sqlite3_close(other);
    dial_free(app);
    unlink(name);
    rmdir(path);
}

/* No file tells of what a function writes to memory: it is looked at soon all the same. */
static void committed_in_memory(void) {
    db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE t (a); CREATE TABLE u (a)");
    app = dial_app(NULL);
    is_int(sse_on_commit(app, db, "u", on_commit_write, &commits[0]), 0, "one that writes itself");
    is_int(sse_on_commit(app, db, "t", on_commit, &commits[1]), 0, "one that hears of it");
    settle(20);
    memset(commits, 0, sizeof commits);
    sse__changes_schedule(app->changes, SSE__LOOK_SLOW_MS); /* as if nothing happened for long */
    sse_db_exec(db, "INSERT INTO u VALUES(1)");
    sse_poll(app, 0);
    is_int(commits[0], 1, "a commit");
    is_int(app->changes->delay_ms, SSE__LOOK_SOON_MS, "... the next turn does not wait");
    turns(app, 5);
    counts(1, 1, 0, "... in which the other hears of it");
    dial_free(app);
    sse_db_close(db);
}

static char logged[200];

static void on_log(int level, const char *line, void *user) {
    (void)level, (void)user;
    snprintf(logged, sizeof logged, "%s", line);
}

static int renders[2];

static void render_one(sse_view *view, sse_buf *html, void *user) {
    (void)view;
    sse_printf(html, "<p id=\"p\">%d</p>", ++*(int *)user);
}

static int  warnings;
static char all_warnings[600];

static void on_warning(int level, const char *line, void *user) {
    (void)user;
    if (level > SSE_LOG_WARNING) return;
    warnings++;
    if (strlen(all_warnings) + strlen(line) < sizeof all_warnings) strcat(all_warnings, line);
}

/* What is said of one is not of the other. */
static void two_databases(void) {
    sse_app_options  options;
    sse_live_options live[2];
    sse_db          *two[2];
    int              i, k;
    memset(&options, 0, sizeof options);
    memset(live, 0, sizeof live);
    memset(commits, 0, sizeof commits);
    options.on_log = on_warning;
    app = dial_app(&options);
    for (i = 0; i < 2; i++) {
        two[i] = sse_db_open(":memory:", NULL);
        sse_db_migrate(two[i], i ? "CREATE TABLE b (a); CREATE TABLE w (a)"
                                 : "CREATE TABLE a (a); CREATE TABLE w (a)");
        live[i].db = two[i];
        live[i].tables = i ? "b" : "a x";
        live[i].user = &renders[i];
        is_int(sse_live(app, i ? "/b" : "/a", render_one, &live[i]), 0, "a view of each");
        dial(app, i ? "/b" : "/a", NULL);
        db = two[i];
        is_int(sse_on_commit(app, db, i ? "b" : "a", on_commit, &commits[i]), 0, "and a call");
    }
    turns(app, 5);
    is_int(warnings, 1, all_warnings);
    ok(strstr(all_warnings, "x is no table") != NULL, "only what is no table of its own is told");
    for (i = 0; i < 2; i++) {
        memset(renders, 0, sizeof renders);
        memset(commits, 0, sizeof commits);
        db = two[i];
        sse_db_exec(db, "INSERT INTO w VALUES(1)");
        for (k = 0; k < 3; k++) turns(app, 1);
        is_int(renders[i], !i, "a view with a misspelt table follows all, another does not");
        sse_db_exec(db, i ? "INSERT INTO b VALUES(1)" : "INSERT INTO a VALUES(1)");
        turns(app, 1);
        is_int(renders[i], !i + 1, "each follows its own, at once");
        is_int(renders[!i], 0, "... and no other");
        is_int(commits[i], 1, "as calls do");
        is_int(commits[!i], 0, "... likewise");
    }
    for (i = 0; i < 2; i++) {
        db = two[i];
        memset(commits, 0, sizeof commits);
        is_int(sse_on_commit(app, db, "y", on_commit, &commits[2]), 0, "a call for no table");
        is_int(sse_live(app, i ? "/d" : "/c", render_one, &live[i]), 0, "a view that comes later");
        turns(app, 2);
        counts(0, 0, 1, "may have missed something");
        sse_db_exec(db, "INSERT INTO w VALUES(2)");
        turns(app, 2);
        counts(0, 0, 1, "and follows all");
    }
    is_int(warnings, 4, all_warnings);
    sse_db_exec(db, "DROP TABLE b");
    turns(app, 2);
    is_int(warnings, 4, "a table that goes later is not told");
    dial_free(app);
    for (i = 0; i < 2; i++) sse_db_close(two[i]);
}

/* What others have made or dropped since a connection has read the schema counts. */
static void schemas_of_others(void) {
    static const struct {
        const char *theirs, *tables;
        bool        known;
    } rows[] = {{"CREATE TABLE t (a)", "t", true}, {"CREATE TABLE t (a)", "T u", true},
        {"CREATE TABLE t (a)", "main.t", true}, {"CREATE TABLE t (a)", "MAIN.u", true},
        {"CREATE TABLE t (a)", "aux.t", false}, {"CREATE TABLE t (a)", "none.t", false},
        {"CREATE VIEW t AS SELECT 1", "t", false}, {"CREATE INDEX t ON u (a)", "t", false},
        {"CREATE TABLE x.t (a)", "t", true}, {"CREATE TABLE x.t (a)", "aux.t", true},
        {"CREATE TABLE x.t (a)", "main.t", false}, {"DROP TABLE u", "u", false},
        {"ALTER TABLE u RENAME TO t", "t", true}, {"ALTER TABLE u RENAME TO t", "t u", false},
        {"SELECT 1", "temp.own own", true}, {"SELECT 1", "sqlite_master", true},
        {"SELECT 1", "AUX.SQLITE_MASTER", true}, {"SELECT 1", "none.sqlite_master", false}};
    char   path[] = "/tmp/sse-listen-XXXXXX", name[100], aside[100];
    size_t i;
    if (!mkdtemp(path)) return;
    snprintf(name, sizeof name, "%s/app.db", path);
    snprintf(aside, sizeof aside, "%s/aside.db", path);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app_options  options;
        sse_live_options live;
        sse_db          *other = sse_db_open(name, NULL);
        long long        n;
        memset(&options, 0, sizeof options);
        memset(&live, 0, sizeof live);
        options.on_log = on_warning;
        warnings = 0;
        all_warnings[0] = '\0';
        sse_db_migrate(other, "CREATE TABLE u (a)");
        app = dial_app(&options);
        db = sse_db_open(name, NULL);
        sse_db_exec(db, "ATTACH %s AS aux", aside);
        sse_db_exec(db, "CREATE TEMP TABLE own (a)");
        sse_db_one(db, &n, "SELECT count(*) FROM main.sqlite_master, aux.sqlite_master");
        sse_db_exec(other, "ATTACH %s AS x", aside);
        is_int(sse_db_exec(other, rows[i].theirs) < 0, 0, rows[i].theirs);
        live.db = db;
        live.tables = rows[i].tables;
        sse_live(app, "/view", render, &live);
        sse_on_commit(app, db, rows[i].tables, on_commit, &commits[0]);
        turns(app, 2);
        is_int(warnings, rows[i].known ? 0 : 2, rows[i].tables);
        ok(rows[i].known || strstr(all_warnings, " is no table"), "... %s", all_warnings);
        dial_free(app);
        sse_db_close(db);
        sse_db_close(other);
        unlink(name);
        unlink(aside);
    }
    rmdir(path);
}

/* Where the file cannot be asked, nobody says of a table that it is not there. */
static void schema_is_locked(void) {
    char             path[] = "/tmp/sse-listen-XXXXXX", name[100];
    sse_app_options  options;
    sse_live_options live;
    sse_db_options   soon;
    sqlite3         *other;
    long long        n;
    if (!mkdtemp(path)) return;
    snprintf(name, sizeof name, "%s/app.db", path);
    memset(&options, 0, sizeof options);
    memset(&live, 0, sizeof live);
    memset(&soon, 0, sizeof soon);
    options.on_log = on_warning;
    soon.busy_ms = SSE_OFF;
    warnings = 0;
    app = dial_app(&options);
    db = sse_db_open(name, &soon);
    /* with WAL one that writes locks out no reader */
    sse_db_exec(db, "PRAGMA journal_mode = DELETE");
    sse_db_one(db, &n, "SELECT count(*) FROM sqlite_master");
    live.db = db;
    live.tables = "t";
    sse_live(app, "/view", render, &live);
    sqlite3_open(name, &other);
    is_int(sqlite3_exec(other, "BEGIN EXCLUSIVE; CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK,
        "another has the file for itself");
    turns(app, 2);
    is_int(warnings, 0, all_warnings);
    dial_free(app);
    sse_db_close(db);
    sqlite3_close(other);
    unlink(name);
    rmdir(path);
}

/* Each allocation of what follows a database is the one that fails. */
static void followed_without_memory(void) {
    int  n, error, last, next, wrong = 0;
    bool enough = false;
    for (n = 1; n < 30 && !enough; n++) {
        app = sse_app_new(NULL);
        db = sse_db_open(":memory:", NULL);
        sse_db_migrate(db, "CREATE TABLE t (a)");
        memset(commits, 0, sizeof commits);
        last = dup(0);
        close(last);
        fail_at = n;
        error = sse_on_commit(app, db, "t", on_commit, &commits[0]);
        enough = fail_at > 0;
        fail_at = 0;
        sse_db_exec(db, "INSERT INTO t VALUES(1)");
        turns(app, 3);
        wrong += commits[0] != !error;
        sse_db_close(db);
        next = dup(0);
        close(next);
        wrong += last != next;
        sse_app_free(app);
    }
    ok(n > 3 && enough, "%d allocations are enough to follow a database", n - 2);
    is_int(wrong, 0, "what is committed at once is heard, or nothing is, and nothing stays open");
    memset(commits, 0, sizeof commits);
}

static void commits_are_refused(void) {
    sse_app_options options;
    sse_app        *second = sse_app_new(NULL);
    const char     *why;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE t (a)");
    app = dial_app(&options);
    is_int(sse_on_commit(app, db, "t tt", on_commit, &commits[0]), 0, "a misspelt table");
    turns(app, 1);
    is_str(logged, "sse_on_commit: tt is no table: it follows all tables", "is told");
    is_int(commits[0], 1, "and what may have been missed");
    is_int(sse_on_commit(second, db, "t", on_commit, NULL), SSE_E_STATE, "one app follows it");
    sse_app_error(second, &why);
    is_str(why, "sse_on_commit: db belongs to another app", "in words");
    is_int(sse_on_commit(app, NULL, "t", on_commit, NULL), SSE_E_ARG, "no database");
    is_str(logged, "sse_on_commit: db is NULL", "in words");
    is_int(sse_on_commit(app, db, "t", NULL, NULL), SSE_E_ARG, "no function");
    is_str(logged, "sse_on_commit: fn is NULL", "in words");
    is_int(sse_on_commit(NULL, db, "t", on_commit, NULL), SSE_E_ARG, "no app");
    fail_at = 1;
    is_int(sse_on_commit(app, db, "t", on_commit, &commits[1]), SSE_E_NOMEM, "without memory");
    fail_at = 0;
    commits[0] = 0;
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    turns(app, 2);
    counts(1, 0, 0, "it follows nothing, the others do");
    sse_app_free(second);
    dial_free(app);
    sse_db_close(db);
    memset(commits, 0, sizeof commits);
}
/* What our own connection commits is known at once: nobody looks for more. */
static void own_pace(void) {
    sse_live_options live;
    int              i;
    memset(&live, 0, sizeof live);
    app = dial_app(NULL);
    db = sse_db_open(":memory:", NULL); /* of which inotify says nothing */
    sse_db_migrate(db, "CREATE TABLE t (a); CREATE TABLE u (a)");
    live.db = db;
    live.tables = "t";
    sse_live(app, "/view", render, &live);
    dial(app, "/view", NULL);
    for (i = 0; i < 30000 && app->changes->delay_ms < app->changes->slow_ms; i++) turns(app, 1);
    rendered[0] = '\0';
    sse_db_exec(db, "INSERT INTO t VALUES(1)");
    sse_poll(app, 0);
    ok(rendered[0] != 0, "a commit shows in its turn");
    is_int(app->changes->delay_ms, app->changes->slow_ms, "... and the pace stays slow");
    dial_free(app);
    sse_db_close(db);
}

#else
static void rows(void) {}
static void own_pace(void) {}
static void commits_are_heard(void) {
    app = sse_app_new(NULL);
    is_int(sse_on_commit(app, sse_db_open("x", NULL), NULL, NULL, NULL), SSE_E_ARG, "no function");
    sse_app_free(app);
}
static void committed_in_memory(void) {}
static void commits_are_refused(void) {}
static void two_databases(void) {}
static void schemas_of_others(void) {}
static void schema_is_locked(void) {}
static void followed_without_memory(void) {}
#endif

/* A line of the log that is published makes room for itself, and an event that is not kept leaves
   its topic idle. */
static void on_line(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING && app && !inside) publish("line", line);
}

static void let_all(sse_req *req, void *user) { (void)req, (void)user; }

static void room_for_the_log(void) {
    sse_app_options   o;
    sse_topic_options t;
    sse_event         event;
    int               n;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    memset(&event, 0, sizeof event);
    o.max_topics = 1;
    o.on_log = on_line;
    t.history = 10;
    event.data = "passing";
    event.ephemeral = true;
    for (n = 1, app = NULL; n < 20; n++) {
        sse__topic *topic;
        app = sse_app_new(&o);
        sse_monitor(app, "/monitor", let_all, NULL);
        sse_topic(app, "*", &t);
        sse_topic_listen(app, "news", on_event, ann);
        say(app, "news", "kept");
        fail_at = n;
        sse_publish(app, "news", &event);
        fail_at = 0;
        topic = sse__topic_find(app->topics, sse__text("news"));
        sse_app_free(app);
        app = NULL;
        if (!topic) break;
    }
    ok(n < 20, "an event that is not heard is said so, in a line that takes its topic's place");
    heard[0] = '\0';
}

int main(void) {
    topics();
    in_callbacks();
    without_memory();
    room_for_the_log();
    refused();
    threads();
    rows();
    own_pace();
    commits_are_heard();
    committed_in_memory();
    two_databases();
    schemas_of_others();
    schema_is_locked();
    followed_without_memory();
    commits_are_refused();
    return tap_done();
}
