/* no_threads.c: SSE_NO_THREADS and poll(2): what needs threads is refused and said; the rest runs
   on the loop. */
#define _DEFAULT_SOURCE
#ifndef SSE_NO_THREADS
#define SSE_NO_THREADS
#endif
#ifndef SSE_USE_POLL
#define SSE_USE_POLL
#endif
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "dial.h"

static char logged[2000];

static void on_log(int level, const char *line, void *user) {
    (void)level, (void)user;
    if (strlen(logged) + strlen(line) + 2 < sizeof logged) strcat(strcat(logged, line), "\n");
}

static void nothing(sse_app *app, void *user) { (void)app, (void)user; }

#ifndef SSE_NO_SQLITE
static int changes = -1000;

static void posted(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)user;
    changes = result->changes;
}
#endif

int main(void) {
    sse_app_options   options;
    sse_serve_options serve;
    sse_app          *app;
    client           *c;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.on_log = on_log;
    app = sse_app_new(&options);
    serve.port = SSE_ANY_PORT;
    serve.senders = 2;
    is_int(sse_listen(app, &serve), SSE_E_NOT_BUILT, "no threads that send");
    sse_app_free(app);
    app = sse_app_new(&options);
    ok(!sse_serve_background(app, NULL), "no thread that serves");
    ok(strstr(logged, "sse_serve_background: ") != NULL, "... as the log says: %s", logged);
    ok(!sse_serve_background(NULL, NULL), "nor one without an app");
    is_int(sse_stop_background(NULL, 0), SSE_E_NOT_BUILT, "... and none to stop");
    is_int(sse_offload(app, nothing, nothing, NULL), SSE_E_NOT_BUILT, "none that works");
    sse_app_free(app);
    app = dial_app(&options);
    ok(sse_fd(app) < 0, "poll(2) has no descriptor that tells of all");
    turns(app, 1);
    ok(sse_next_ms(app) > 0 && sse_next_ms(app) <= SSE__UNTOLD_MS, "... so a guest looks often");
    sse_after(app, 60000, nothing, NULL);
    is_int(sse_next_ms(app), SSE__UNTOLD_MS, "... also where a timer is far");
    c = dial(app, "/s", NULL);
    ok(strstr(c->got, "HTTP/1.1 200 OK") == c->got, "streams are served");
#ifndef SSE_NO_SQLITE
    {
        sse_db             *db = sse_db_open(":memory:", NULL);
        sse_db_post_options to;
        sse_topic_options   topic;
        int                 i;
        memset(&to, 0, sizeof to);
        memset(&topic, 0, sizeof topic);
        to.app = app;
        to.done = posted;
        topic.history = 10;
        topic.db = db;
        sse_db_migrate(db, "CREATE TABLE t(a)");
        is_int(sse_db_post(db, &to, "INSERT INTO t VALUES(1)"), 0, "a statement is posted");
        is_int(changes, -1000, "... and does not run at once");
        for (i = 0; i < 30000 && changes == -1000; i++) turns(app, 1);
        is_int(changes, 1, "... but on the loop");
        is_int(sse_topic(app, "kept", &topic), 0, "a history in a database");
        say(app, "kept", "x");
        turns(app, 2);
        i = 0;
        is_int(sse_db_exec(db, "DELETE FROM sse_events"), 1, "... is written on the loop");
        dial_free(app);
        sse_db_close(db);
    }
#else
    dial_free(app);
#endif
    return tap_done();
}
