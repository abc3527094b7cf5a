/* kept.c: what is acknowledged is kept. Every byte that leaves is watched: what it tells of, an
   event or the reply of who published it, must be committed by then, as another connection to the
   database sees it. */
#define _DEFAULT_SOURCE
#include <sys/socket.h>
#include <sys/types.h>
static ssize_t watched_send(int fd, const void *bytes, size_t n, int flags);
static ssize_t watched_sendmsg(int fd, const struct msghdr *message, int flags);
#define send    watched_send
#define sendmsg watched_sendmsg
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef send
#undef sendmsg

#include "../tap.h"
#include "come.h"
#include "dial.h"

#ifndef SSE_NO_SQLITE
#include <sqlite3.h>

static void must(bool fine, const char *what) {
    if (fine) return;
    printf("Bail out! %s\n", what);
    exit(1);
}

static sqlite3 *other;
static int      published, early, sends;

/* The highest number in it: "kept 12" in events, "Kept: 12" in heads. */
static int told_by(const char *bytes, size_t n) {
    int    most = 0;
    size_t i;
    for (i = 0; i + 8 < n; i++) {
        const bool event = memcmp(bytes + i, "kept ", 5) == 0,
                   head = memcmp(bytes + i, "Kept: ", 6) == 0;
        /* whatever is sent ends with a line break */
        int number = event || head ? atoi(bytes + i + (event ? 5 : 6)) : 0;
        if (number > most) most = number;
    }
    return most;
}

static void look(const char *bytes, size_t n) {
    const int     told = told_by(bytes, n);
    sqlite3_stmt *s;
    int           rows = -1;
    if (!other || !told) return;
    sends++;
    sqlite3_prepare_v2(other, "SELECT count(*) FROM sse_events", -1, &s, NULL);
    if (sqlite3_step(s) == SQLITE_ROW) rows = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    early += rows < told;
}

static ssize_t watched_send(int fd, const void *bytes, size_t n, int flags) {
    look((const char *)bytes, n);
    return send(fd, bytes, n, flags);
}

static ssize_t watched_sendmsg(int fd, const struct msghdr *message, int flags) {
    size_t i;
    for (i = 0; i < (size_t)message->msg_iovlen; i++)
        look((const char *)message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    return sendmsg(fd, message, flags);
}

static void publish(sse_app *app, const char *topic) {
    sse_event event;
    char      data[32];
    snprintf(data, sizeof data, "kept %d", ++published);
    memset(&event, 0, sizeof event);
    event.data = data;
    must(sse_publish(app, topic, &event) == SSE_OK, "not published");
}

static void acknowledge(sse_req *req) {
    char number[16];
    snprintf(number, sizeof number, "%d", published);
    must(sse_set_header(req, "Kept", number) == SSE_OK, "no header");
}

static void answer(sse_req *req, void *user) { /* /say/{how}: every way in which a reply leaves */
    const char *how = sse_param(req, "how");
    static char large[100000];
    (void)user;
    publish(sse_req_app(req), "kept.1");
    acknowledge(req);
    if (strcmp(how, "text") == 0) sse_puts(sse_out(req), "said");
    if (strcmp(how, "fail") == 0) sse_fail(req, 409, "said, but");
    if (strcmp(how, "large") == 0) sse_raw(sse_out(req), large, sizeof large);
    if (strcmp(how, "file") == 0) sse_send_file(req, "/proc/self/cmdline", NULL);
    if (strcmp(how, "stream") == 0) sse_subscribe(sse_stream_open(req, NULL), "kept.1");
    if (strcmp(how, "ended") == 0) sse_stream_end(sse_stream_open(req, NULL), NULL);
}

static void finish(sse_app *app, void *user) {
    publish(app, "kept.2");
    acknowledge((sse_req *)user);
    sse_finish((sse_req *)user);
}

static void later(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    sse_after(sse_req_app(req), 1, finish, req);
}

/* The reply leaves from another callback than the one that published, while somebody has the
   lock. */
static sse_db *locker;

static void unlock(sse_app *app, void *user) {
    (void)app;
    (void)user;
    sse_db_exec(locker, "ROLLBACK");
}

static void finish_later(sse_app *app, void *user) {
    acknowledge((sse_req *)user);
    sse_finish((sse_req *)user);
    sse_after(app, 30, unlock, NULL);
}

static void publish_first(sse_app *app, void *user) {
    sse_db_exec(locker, "BEGIN IMMEDIATE");
    publish(app, "kept.4");
    sse_after(app, 10, finish_later, user);
}

static void apart(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    sse_after(sse_req_app(req), 1, publish_first, req);
}

static void tick(sse_app *app, void *user) {
    (void)user;
    publish(app, "kept.3");
}

static void acknowledged(void) {
    static const char *const paths[] = {"/say/nothing", "/say/text", "/say/fail", "/say/large",
        "/say/file", "/say/stream", "/say/ended", "/later", "/apart"};
    sse_db                  *db = sse_db_open("kept.db", NULL);
    sse_app                 *app = dial_app(NULL);
    sse_topic_options        o;
    size_t                   i;
    int                      round;
    memset(&o, 0, sizeof o);
    o.history = 10000;
    o.db = db;
    sse_topic(app, "kept.*", &o);
    sse_get(app, "/say/{how}", answer, NULL);
    sse_get(app, "/later", later, NULL);
    sse_get(app, "/apart", apart, NULL);
    locker = sse_db_open("kept.db", NULL);
    sse_every(app, 1, tick, NULL);
    must(sqlite3_open("kept.db", &other) == SQLITE_OK, "the other connection");
    for (round = 0; round < 3; round++)
        for (i = 0; i < SSE__COUNT(paths); i++) {
            const int before = sends;
            dial(app, paths[i], NULL);
            turns(app, 5);
            ok(sends > before, "%s was answered", paths[i]);
        }
    is_int(early, 0, "no byte left before what it told of was committed");
    ok(published > 24, "of %d events", published);
    sqlite3_close(other);
    other = NULL;
    sse_db_close(locker);
    dial_free(app);
    sse_db_close(db);
}

/* Who publishes waits for the disk; who did not, does not. */
static void plain(sse_req *req, void *user) { (void)user, sse_puts(sse_out(req), "plain"); }

static void unconcerned(void) {
    static const char say_it[] = "GET /say/text HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_db_options    patience = {600000, 0, false};
    sse_db           *db = sse_db_open("kept.db", &patience);
    sse_app          *app = dial_app(NULL);
    sse_topic_options o;
    client           *says, *c;
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 10000;
    o.db = db;
    sse_topic(app, "kept.*", &o);
    sse_get(app, "/say/{how}", answer, NULL);
    sse_get(app, "/plain", plain, NULL);
    dial(app, "/say/text", NULL);
    locker = sse_db_open("kept.db", NULL);
    sse_db_exec(locker, "BEGIN IMMEDIATE");
    says = send_from_new(app, say_it, sizeof say_it - 1);
    turns(app, 20);
    c = dial(app, "/plain", NULL);
    is_int(times(c, "plain"), 1, "a request that published nothing is answered at once");
    is_int((int)says->len, 0, "... while one that did waits for the disk");
    sse_db_exec(locker, "ROLLBACK");
    for (i = 0; i < 30000 && !says->len; i++) turns(app, 1);
    is_int(times(says, "said"), 1, "... and has its answer then");
    sse_db_close(locker);
    dial_free(app);
    sse_db_close(db);
}

/* Nor does anybody find in the history what is not on the disk yet, in whatever encoding. */
static void subscribe_kept(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "kept.5");
}

static void found_later(void) { /* C5 */
    static const char *const heads[] = {"", "Accept-Encoding: gzip\r\n", "Accept-Encoding: br\r\n"};
    sse_db_options           patience = {600000, 0, false};
    size_t                   i, before;
    for (i = 0; i < SSE__COUNT(heads); i++) {
        sse_db           *db = sse_db_open("kept.db", &patience);
        sse_app          *app = dial_app(NULL);
        sse_topic_options o;
        client           *c;
        char              head[120];
        int               n;
        memset(&o, 0, sizeof o);
        o.history = 10000;
        o.db = db;
        sse_topic(app, "kept.*", &o);
        opening = subscribe_kept;
        publish(app, "kept.5");
        turns(app, 20);
        locker = sse_db_open("kept.db", NULL);
        sse_db_exec(locker, "BEGIN IMMEDIATE");
        snprintf(head, sizeof head, "%sLast-Event-ID: %s-%llu\r\n", heads[i],
            app->topics->sequence.epoch, (unsigned long long)app->topics->sequence.last);
        publish(app, "kept.5");
        turns(app, 20);
        c = dial(app, "/s", head);
        turns(app, 20);
        ok(strstr(c->got, "\r\n\r\n") != NULL, "who comes back has a stream: %s", heads[i]);
        before = c->len;
        sse_db_exec(locker, "ROLLBACK");
        for (n = 0; n < 30000 && app->net->told != app->net->kept; n++) turns(app, 1);
        turns(app, 5);
        ok(c->len > before, "... and what it missed when that is on the disk");
        sse_db_close(locker);
        dial_free(app);
        sse_db_close(db);
    }
}

/* Two deferred replies leave in one turn: the first waits for what was published meanwhile, the
   second, whose request came after that, does not. */
static sse_req *two[2];
static int      ntwo;

static void one_of_two(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    two[ntwo++] = req;
}

static void finish_both(sse_app *app, void *user) {
    int i;
    (void)app, (void)user;
    for (i = 0; i < 2; i++) sse_puts(sse_out(two[i]), "finished"), sse_finish(two[i]);
}

static void publish_once(sse_app *app, void *user) { (void)user, publish(app, "kept.6"); }

static void each_reply(void) {
    static const char request[] = "GET /two HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_db_options    patience = {600000, 0, false};
    sse_db           *db = sse_db_open("kept.db", &patience);
    sse_app          *app = dial_app(NULL);
    sse_topic_options o;
    client           *c[2];
    int               i, k;
    memset(&o, 0, sizeof o);
    o.history = 10000;
    o.db = db;
    sse_topic(app, "kept.*", &o);
    sse_get(app, "/two", one_of_two, NULL);
    publish(app, "kept.6");
    turns(app, 20);
    locker = sse_db_open("kept.db", NULL);
    sse_db_exec(locker, "BEGIN IMMEDIATE");
    for (i = ntwo = 0; i < 2; i++) {
        c[i] = send_from_new(app, request, sizeof request - 1);
        for (k = 0; k < 3000 && ntwo == i; k++) turns(app, 1);
        if (!i) sse_after(app, 0, publish_once, NULL);
        turns(app, 20);
    }
    sse_after(app, 0, finish_both, NULL);
    turns(app, 20);
    is_int(times(c[1], "finished"), 1, "a reply to who came after an event");
    is_int(times(c[0], "finished"), 0, "... does not wait with one to who came before");
    sse_db_exec(locker, "ROLLBACK");
    for (i = 0; i < 30000 && !times(c[0], "finished"); i++) turns(app, 1);
    is_int(times(c[0], "finished"), 1, "... which has it when that is kept");
    sse_db_close(locker);
    dial_free(app);
    sse_db_close(db);
}

static sse_stream of_functions[2];

static void first_of_commit(sse_app *app, sse_db *db, void *user) {
    (void)db, (void)user;
    publish(app, "kept.5");
    (void)sse_stream_send_json(of_functions[0], NULL, "\"called\"");
}

static void second_of_commit(sse_app *app, sse_db *db, void *user) {
    (void)app, (void)db, (void)user;
    (void)sse_stream_send_json(of_functions[1], NULL, "\"called\"");
}

/* Of two functions that are called for a commit each waits for what it has published itself. */
static void each_function(void) {
    sse_db_options    patience = {600000, 0, false};
    sse_db           *db = sse_db_open("kept.db", &patience), *told = sse_db_open(":memory:", NULL);
    sse_app          *app = dial_app(NULL);
    sse_topic_options o;
    client           *c[2];
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 10000;
    o.db = db;
    sse_topic(app, "kept.*", &o);
    must(sse_db_migrate(told, "CREATE TABLE t(a)") == 0, "a table");
    is_int(sse_on_commit(app, told, "t", first_of_commit, NULL), 0, "a function that publishes");
    is_int(sse_on_commit(app, told, "t", second_of_commit, NULL), 0, "... one that does not");
    turns(app, 20);
    for (i = 0; i < 2; i++) {
        c[i] = dial(app, "/s", NULL);
        of_functions[i] = newest;
    }
    locker = sse_db_open("kept.db", NULL);
    sse_db_exec(locker, "BEGIN IMMEDIATE");
    must(sse_db_exec(told, "INSERT INTO t VALUES(1)") == 1, "a commit");
    turns(app, 20);
    is_int(times(c[1], "called"), 1, "what the second sends is there");
    is_int(times(c[0], "called"), 0, "... while the first waits for the disk");
    sse_db_exec(locker, "ROLLBACK");
    for (i = 0; i < 30000 && !times(c[0], "called"); i++) turns(app, 1);
    is_int(times(c[0], "called"), 1, "... and is there then");
    sse_db_close(locker);
    dial_free(app);
    sse_db_close(db);
    sse_db_close(told);
}

/* ---- a peer that reads again ---- */

static int nopened;

static void subscribe_newest(sse_req *req, sse_stream s) {
    (void)req;
    nopened++;
    sse_subscribe(s, "newest");
}

static sse__conn *only_conn(sse_app *app) {
    return SSE__CONTAINER(app->net->conns.next, sse__conn, all);
}

static void say_newest(sse_app *app, const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    sse_publish(app, "newest", &event);
    do sse_poll(app, 1);
    while (app->net->told != app->net->kept);
}

static bool receives(sse_app *app, int fd, const char *what) { /* whatever else comes */
    static char got[100000];
    size_t      n = 0;
    int         i;
    for (i = 0; i < 3000 && n < sizeof got - 1; i++) {
        const ssize_t more = recv(fd, got + n, sizeof got - 1 - n, MSG_DONTWAIT);
        if (more > 0) n += (size_t)more;
        got[n] = '\0';
        if (strstr(got, what)) return true;
        sse_poll(app, 10);
    }
    return false;
}

/* The socket is full, and what stood first in the queue makes room for an event that has to be on
   the disk first. When it is, and the peer reads, nothing else need happen. */
static void reads_again(void) { /* C5 */
    static const char request[] = "GET /s HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_db           *db = sse_db_open("newest.db", NULL);
    sse_app          *app = dial_app(NULL);
    sse_serve_options serve;
    sse_topic_options keep;
    char              big[901];
    int               small = 1, i, fd;
    memset(&keep, 0, sizeof keep);
    memset(&serve, 0, sizeof serve);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    opening = subscribe_newest;
    keep.history = 10;
    keep.overflow = SSE_KEEP_NEWEST;
    keep.db = db;
    is_int(sse_topic(app, "newest", &keep), 0, "a topic that is kept");
    serve.host = "unix:newest.socket";
    is_int(sse_listen(app, &serve), 0, "a unix socket");
    fd = come_with(app, serve.host, request);
    for (i = 0; i < 30000 && !nopened; i++) sse_poll(app, 10);
    setsockopt(only_conn(app)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (i = 0; i < 1000 && only_conn(app)->writable; i++) say_newest(app, big);
    ok(!only_conn(app)->writable && !only_conn(app)->out.begun, "that does not read");
    say_newest(app, "the newest");
    ok(receives(app, fd, "the newest"), "gets the newest event when it reads");
    close(fd);
    dial_free(app);
    sse_db_close(db);
    unlink("newest.db");
}

int main(void) {
    char dir[] = "/tmp/sse-kept-XXXXXX";
    must(mkdtemp(dir) && chdir(dir) == 0, "a directory");
    acknowledged();
    unconcerned();
    found_later();
    each_reply();
    each_function();
    reads_again();
    must(unlink("kept.db") == 0 && chdir("/") == 0 && rmdir(dir) == 0,
        "the directory is empty again");
    return tap_done();
}
#else
static ssize_t watched_send(int fd, const void *bytes, size_t n, int flags) {
    return send(fd, bytes, n, flags);
}

static ssize_t watched_sendmsg(int fd, const struct msghdr *message, int flags) {
    return sendmsg(fd, message, flags);
}

int main(void) { return tap_done(); }
#endif
