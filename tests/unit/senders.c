/* Threads that write for the loop: what they send is what the loop would have sent. Here even one
   connection is sent by them. */
#define _DEFAULT_SOURCE
#ifndef SSE_DEBUG_CHECKS
#define SSE_DEBUG_CHECKS
#endif
#define SSE__SENDERS_MIN 1
#include <dirent.h>
#include <signal.h>
#if !defined(SSE_NO_THREADS)
#include <pthread.h>
static int threads_left = 1000; /* that the system starts */
#define pthread_create(t, a, fn, user) \
    (threads_left-- > 0 ? pthread_create(t, a, fn, user) : EAGAIN)
#endif
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "dial.h"
#include "forks.h"

#if !defined(SSE_NO_THREADS)
static char logged[300];

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(logged, sizeof logged, "%s", line);
}

/* No thread for the loop, or no address: no server, and the app can be served again. */
static void in_background(void) {
    sse_app_options   options;
    sse_serve_options serve;
    sse_server       *server;
    sse_app          *app, *other;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.on_log = on_log;
    app = dial_app(&options);
    other = sse_app_new(&options);
    serve.port = sse_port(app);
    ok(!sse_serve_background(other, &serve), "a port in use: no server");
    ok(strstr(logged, "choose another .port") != NULL, "... as the log tells");
    threads_left = 0;
    ok(!sse_serve_background(app, NULL), "the system starts no thread: no server");
    threads_left = 1000;
    is_str(logged, "sse_serve_background: no thread could be started", "... as the log tells");
    is_int(sse_poll(app, 0), 1, "the app is this thread's");
    ok(!sse_serve_background(app, NULL), "... whose loop runs here now");
    sse_app_free(app);
    serve.port = SSE_ANY_PORT;
    server = sse_serve_background(other, &serve);
    ok(server != NULL, "another port, a thread");
    is_int(sse_stop_background(server, 30000), 0, "... which ends");
    sse_app_free(other);
}

static sse_app *senders_app(int n) {
    sse_app_options   options;
    sse_app          *app;
    sse_serve_options serve;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    options.on_log = on_log;
    app = dial_app(&options);
    serve.port = SSE_ANY_PORT;
    serve.senders = n;
    is_int(sse_listen(app, &serve), 0, "a listener with senders");
    return app;
}

static void news(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "news");
}

static int in_order(const client *c, int count) { /* whether it has the events 0 to count - 1 */
    const char *at = c->got;
    char        text[32];
    int         i;
    for (i = 0; i < count && at; i++) {
        snprintf(text, sizeof text, "\r\ndata: %d\n\n\r\n", i);
        at = strstr(at, text);
    }
    return at != NULL && times(c, "data: ") == count;
}

static void everybody(void) { /* more than a batch */
    enum { CROWD = SSE__SENDERS_BATCH + 50, EVENTS = 5 };
    sse_app *app = senders_app(3);
    char     text[16];
    int      i, whole = 0;
    opening = news;
    for (i = 0; i < CROWD; i++) dial(app, "/s", NULL);
    for (i = 0; i < EVENTS; i++) {
        snprintf(text, sizeof text, "%d", i);
        say(app, "news", text);
        turns(app, i % 2); /* alone, or two at once */
    }
    turns(app, 20);
    for (i = 0; i < CROWD; i++) whole += in_order(&clients[i], EVENTS);
    is_int(whole, CROWD, "each has all events, once and in order");
    is_int(app->net->senders->started, 3, "by three threads");
    dial_free(app);
}

/* ---- what the peers do ---- */

static void some_leave(void) {
    enum { CROWD = 100 };
    sse_app *app = senders_app(2);
    int      i, whole = 0;
    opening = news;
    for (i = 0; i < CROWD; i++) dial(app, "/s", NULL);
    for (i = 0; i < CROWD; i += 2) {
        const struct linger at_once = {1, 0};
        setsockopt(clients[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        hang_up(&clients[i]);
    }
    say(app, "news", "0"); /* the loop has not heard of it */
    turns(app, 20);
    is_int(nclosed, CROWD / 2, "streams whose peers are gone close");
    for (i = 1; i < CROWD; i += 2) whole += in_order(&clients[i], 1);
    is_int(whole, CROWD / 2, "the others have the event");
    dial_free(app);
}

static void one_is_slow(void) {
    enum { EVENTS = 60, LONG = 100000 };
    static char data[LONG + 1];
    sse_app    *app = senders_app(1);
    client     *slow, *quick;
    size_t      got = 0, i;
    int         n;
    memset(data, 'x', LONG);
    app->options.max_queue_bytes = 16 << 20;
    opening = news;
    slow = dial(app, "/s", NULL);
    quick = dial(app, "/s", NULL);
    slow->len = quick->len = 0;
    for (n = 0; n < EVENTS; n++) {
        say(app, "news", data);
        sse_poll(app, 0); /* nobody reads */
    }
    for (i = 0; i < 5000 && got < (size_t)EVENTS * LONG; i++) {
        turns(app, 1);
        for (n = 0; n < (int)slow->len; n++) got += slow->got[n] == 'x';
        slow->len = quick->len = 0;
    }
    is_int((int)got, EVENTS * LONG, "a peer that did not read gets the rest as it reads");
    dial_free(app);
}

/* ---- a handler takes out of queues what has left already ---- */

static void tell_newer(sse_req *req, void *user) {
    (void)user;
    say(sse_req_app(req), "state", "newer");
}

static void tell_older(sse_app *app, void *user) {
    (void)user;
    say(app, "state", "older");
}

static void state(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "state");
}

static void newer_in_the_same_pass(void) { /* SN2 */
    static const char request[] = "GET /newer HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_app          *app = senders_app(1);
    sse_topic_options o;
    client           *stream, *asks;
    memset(&o, 0, sizeof o);
    o.overflow = SSE_KEEP_NEWEST;
    is_int(sse_topic(app, "state", &o), 0, "a topic that keeps the newest");
    sse_get(app, "/newer", tell_newer, NULL);
    opening = state;
    stream = dial(app, "/s", NULL);
    asks = dial(app, "/none", "Accept: */*\r\n");
    if (send(asks->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) perror("send");
    sse_call(app, tell_older, NULL); /* it runs between the request's coming and its handler */
    turns(app, 5);
    is_int(times(stream, "\r\ndata: older\n\n\r\n"), 1, "the older state has left whole");
    is_int(times(stream, "\r\ndata: newer\n\n\r\n"), 1, "and the newer one behind it");
    dial_free(app);
}

/* ---- processes and threads ---- */

static int threads_of_process(void) {
    char  line[128];
    int   n = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "Threads: %d", &n);
    if (f) fclose(f);
    return n;
}

static void threads_come_and_go(void) {
    const int before = threads_of_process();
    sse_app  *app = senders_app(2);
    int       i;
    opening = news;
    is_int(threads_of_process(), before, "no thread before the first need");
    dial(app, "/s", NULL);
    say(app, "news", "0");
    turns(app, 5);
    is_int(threads_of_process(), before + 2, "then as many as were asked for");
    dial_free(app);
    /* one that was joined may be on its way out of the table still */
    for (i = 0; i < 3000 && threads_of_process() != before; i++) poll(NULL, 0, 10);
    is_int(threads_of_process(), before, "the app takes them along");
}

/* The system starts fewer threads than were asked for: those, or the loop alone, send all. */
static void few_threads(void) {
    int few, i;
    for (few = 0; few < 3; few++) {
        sse_app *app = senders_app(4);
        client  *c;
        char     text[16], want[80];
        opening = news;
        c = dial(app, "/s", NULL);
        logged[0] = '\0';
        threads_left = few;
        for (i = 0; i < 5; i++) {
            snprintf(text, sizeof text, "%d", i);
            say(app, "news", text);
            turns(app, 5);
        }
        threads_left = 1000;
        is_int(app->net->senders->started, few, "threads of four that were asked for");
        is_int(app->net->senders->wanted, few, "... no more are tried");
        snprintf(want, sizeof want, ".senders: the system starts %d threads of 4", few);
        is_str(logged, want, "... as the log tells");
        ok(in_order(c, 5), "... all is sent, once and in order");
        dial_free(app);
    }
}

static void forked(void) { /* SN4 */
    sse_app *app = senders_app(2);
    client  *c;
    int      status = -1;
    pid_t    pid;
    opening = news;
    c = dial(app, "/s", NULL);
    say(app, "news", "0");
    turns(app, 5);
    pid = fork();
    if (pid == 0) {
        alarm(20);
        say(app, "news", "1");
        turns(app, 5);
        status = app->net->senders->process == getpid() && app->net->senders->started == 2 &&
                         in_order(c, 2)
                     ? 0
                     : 1;
        _exit(status);
    }
    waitpid(pid, &status, 0);
    is_int(status, 0, "a child goes on with threads of its own");
    pid = fork();
    if (pid == 0) {
        alarm(20);
        sse_app_free(app);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    is_int(status, 0, "or ends without those of its parent");
    dial_free(app);
}

static int deaf_threads(void) { /* those that take no SIGTERM */
    DIR           *dir = opendir("/proc/self/task");
    struct dirent *at;
    int            n = 0;
    while (dir && (at = readdir(dir)) != NULL) {
        char          name[300], line[200];
        unsigned long mask = 0;
        FILE         *f;
        snprintf(name, sizeof name, "/proc/self/task/%s/status", at->d_name);
        f = fopen(name, "r");
        while (f && fgets(line, sizeof line, f)) sscanf(line, "SigBlk: %lx", &mask);
        if (f) fclose(f);
        n += (mask & 1ul << (SIGUSR2 - 1)) && (mask & 1ul << (SIGTERM - 1));
    }
    if (dir) closedir(dir);
    return n;
}

/* Signals are for the threads of the program. */
static void signals_are_others(void) {
    sse_app *app;
    sigset_t before, now;
    int      same = 1, i, deaf;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    app = senders_app(2);
    opening = news;
    dial(app, "/s", NULL);
    say(app, "news", "0");
    turns(app, 5);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (i = 1; i < 32; i++) same = same && sigismember(&now, i) == sigismember(&before, i);
    ok(same, "the loop's thread has the signals that it had");
    deaf = deaf_threads(); /* with a sanitizer's, and those that end just now */
    sigemptyset(&now);
    sigaddset(&now, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &now, NULL);
    dial_free(app);
    for (i = 0; i < 10000 && deaf - deaf_threads() < 2; i++) poll(NULL, 0, 1);
    ok(i < 10000, "... those that write get none");
}

/* As many as the call that asks for most; what they send is counted. */
static void counted(void) {
    sse_serve_options serve;
    sse_app          *app = senders_app(1);
    client           *one, *other;
    sse_stats         before, now;
    size_t            got;
    int               i;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    serve.senders = 2;
    is_int(sse_listen(app, &serve), 0, "more are asked for");
    serve.senders = 1;
    is_int(sse_listen(app, &serve), 0, "... and fewer");
    opening = news;
    one = dial(app, "/s", NULL);
    other = dial(app, "/s", NULL);
    turns(app, 2);
    got = one->len + other->len;
    sse_stats_get(app, &before);
    say(app, "news", "0");
    for (i = 0; i < 30000 && !(times(one, "data: 0") && times(other, "data: 0")); i++)
        turns(app, 1);
    turns(app, 1);
    sse_stats_get(app, &now);
    is_int(app->net->senders->started, 2, "the most that were");
    is_int((int)(now.sends - before.sends), 2, "a call for each stream is counted");
    is_int((int)(now.bytes_out - before.bytes_out), (int)(one->len + other->len - got),
        "... and the bytes that it sent");
    dial_free(app);
}

static void held(void) { /* of what waits for the disk */
    sse_app  *app = senders_app(1);
    client   *c;
    sse_event event;
    int       i;
    opening = NULL;
    c = dial(app, "/s", NULL);
    memset(&event, 0, sizeof event);
    event.data = "0";
    sse__net_tell(app->net); /* as if there were something to be kept */
    is_int(sse_stream_send(newest, &event), 0, "an event for a stream");
    turns(app, 20);
    is_int(times(c, "data: 0"), 0, "... does not leave before what is to be kept");
    sse__net_keep(app->net, app->net->told);
    for (i = 0; i < 30000 && !times(c, "data: 0"); i++) turns(app, 1);
    is_int(times(c, "data: 0"), 1, "... is");
    dial_free(app);
}

static void large(sse_req *req, void *user) { sse_send_file(req, (const char *)user, NULL); }

static void file_beside(void) { /* a file is for the loop: its socket gets no call of theirs */
    char        path[] = "/tmp/sse-senders-XXXXXX";
    static char piece[100000];
    sse_app    *app = senders_app(1);
    const int   fd = mkstemp(path);
    client     *c;
    size_t      got = 0;
    int         i;
    memset(piece, 'f', sizeof piece);
    for (i = 0; i < 20; i++)
        if (write(fd, piece, sizeof piece) < 0) perror(path);
    close(fd);
    sse_get(app, "/file", large, path);
    opening = news;
    dial(app, "/s", NULL);
    c = dial(app, "/file", "Accept: */*\r\n");
    for (i = 0; i < 5000 && got + c->len < 2000000 && !c->over; i++) {
        got += c->len;
        c->len = 0;
        say(app, "news", "beside");
        turns(app, 1);
    }
    ok(got + c->len >= 2000000 && !c->over, "a file comes whole beside a stream");
    dial_free(app);
    unlink(path);
}
#endif

static void options_are_checked(void) {
    static const int  wrong[] = {-1, SSE__SENDERS_MOST + 1};
    sse_app          *app = sse_app_new(NULL);
    sse_serve_options serve;
    const char       *why;
    size_t            i;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    for (i = 0; i < sizeof wrong / sizeof *wrong && SSE__IF_THREADS(1, 0); i++) {
        serve.senders = wrong[i];
        is_int(sse_listen(app, &serve), SSE_E_ARG, "senders out of bounds");
        sse_app_error(app, &why);
        ok(strstr(why, ".senders") != NULL, "%s", why);
    }
    serve.senders = 1;
    is_int(sse_listen(app, &serve), SSE__IF_THREADS(SSE_OK, SSE_E_NOT_BUILT), "one sender");
    sse_app_free(app);
}

int main(void) {
    struct rlimit limit = {4200, 4200};
    setrlimit(RLIMIT_NOFILE, &limit);
#if !defined(SSE_NO_THREADS)
    everybody();
    some_leave();
    one_is_slow();
    newer_in_the_same_pass();
    threads_come_and_go();
    few_threads();
    forked();
    in_background();
    signals_are_others();
    counted();
    held();
    file_beside();
#endif
    options_are_checked();
    return tap_done();
}
