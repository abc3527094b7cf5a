/* listen.c: what the program itself hears: events of topics, rows of tables, commits. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
static long  fail_at; /* the allocation that fails; 0: none */
static void *failing_realloc(void *p, size_t n) {
    return fail_at && --fail_at == 0 ? NULL : realloc(p, n);
}
#define SSE_MALLOC(n)     failing_realloc(NULL, n)
#define SSE_REALLOC(p, n) failing_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static sse_app *app;
static char     heard[2000]; /* "who:topic=data " for each call */
static int      inside;      /* a call of the program's that must not call back */
static char     ann[] = "ann", bob[] = "bob";

static void note(const char *who, const char *topic, const sse_event *event) {
    const size_t n = strlen(heard);
    if (inside) ok(false, "%s is called inside a call", who);
    snprintf(heard + n, sizeof heard - n, "%s:%s=%s%s%s ", who, topic,
        event->data ? event->data : "-", event->event ? "/" : "", event->event ? event->event : "");
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

static void topics(void) {
    sse_event event;
    app = dial_app(NULL);
    ok(!app->streams->hear, "publishing asks nobody while nobody listens");
    is_int(sse_topic_listen(app, "news", on_event, ann), 0, "to a topic");
    is_int(sse_topic_listen(app, "room.*", on_event, ann), 0, "to a pattern");
    is_int(sse_topic_listen(app, "news", on_event, ann), 0, "twice the same");
    publish("news", "1");
    publish("room.7", "two\nlines");
    publish("other", "3");
    memset(&event, 0, sizeof event);
    event.event = "typing";
    event.ephemeral = true;
    sse_publish(app, "room.8", &event);
    hears("", "nothing at once");
    turns(app, 2);
    hears("ann:news=1 ann:room.7=two\nlines ann:room.8=/typing ", "in their order, in the next turn");
    publish("news", "4");
    is_int(sse_topic_unlisten(app, "news", on_event, ann), 0, "it ends");
    is_int(sse_topic_unlisten(app, "news", on_event, ann), SSE_E_ABSENT, "once");
    is_int(sse_topic_listen(app, "news", on_event, bob), 0, "another begins");
    publish("news", "5");
    turns(app, 2);
    hears("bob:news=5 ", "neither what waits when one ends, nor what was before one began");
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

static void without_memory(void) {
    sse_event event;
    int       n, error = -1, lost = 0;
    app = dial_app(NULL);
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
    hears("ann:news=from a thread ", "it is heard");
    dial_free(app);
}
#else
static void threads(void) {}
#endif

#ifndef SSE_NO_SQLITE
static void rows(void) {
    sse_db *db = sse_db_open(":memory:", NULL);
    sse_db_migrate(db, "CREATE TABLE box (id INTEGER PRIMARY KEY, body, name)");
    app = dial_app(NULL);
    is_int(sse_topic_from_table(app, "orders", db,
        "SELECT id, body, name FROM box WHERE id > ? ORDER BY id"), 0, "rows are events");
    turns(app, 1);
    sse_db_exec(db, "INSERT INTO box VALUES(1, 'early', NULL)");
    turns(app, 3);
    sse_topic_listen(app, "ord*", on_event, ann);
    sse_db_exec(db, "INSERT INTO box VALUES(2, 'tea', 'new')");
    sse_db_exec(db, "INSERT INTO box VALUES(3, 'milk', NULL)");
    turns(app, 4);
    hears("ann:orders=tea/new ann:orders=milk ", "rows are heard, without any subscriber");
    dial_free(app);
    sse_db_close(db);
}
#else
static void rows(void) {}
#endif

int main(void) {
    topics();
    in_callbacks();
    without_memory();
    refused();
    threads();
    rows();
    return tap_done();
}
