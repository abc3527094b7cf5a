/* What a request costs: "hello" on 50 kept connections, one request at a time and sixteen at a
   time, against a bare loop of epoll_wait(), recv() and send() that answers the same bytes without
   reading what was asked. The two take turns, so that what else the machine does falls on both; the
   figures are medians of the rounds.
   usage: requests [SECONDS]   default: 0.5 for each round */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <sys/epoll.h>
#include "process.h"

enum { CONNECTIONS = 50, ROUNDS = 7, MOST_DEEP = 16 };

static const char request[] =
    "GET /hello?name=world HTTP/1.1\r\nHost: localhost\r\nUser-Agent: requests/1.0\r\n"
    "Accept: */*\r\n\r\n";
static char   reply[1024]; /* as it was measured, for the bare loop and for counting */
static size_t reply_len;

/* ---- the bare loop ---- */

static void bare_answer(int fd) {
    static char all[MOST_DEEP * sizeof reply];
    char        got[MOST_DEEP * sizeof request];
    ssize_t     n = recv(fd, got, sizeof got, 0);
    size_t      i, count = n > 0 ? (size_t)n / (sizeof request - 1) : 0;
    for (i = 0; i < count; i++) memcpy(all + i * reply_len, reply, reply_len);
    if (n <= 0 || send(fd, all, count * reply_len, MSG_NOSIGNAL) < 0) close(fd);
}

static void bare(int out, int unused) {
    struct epoll_event e, ready[64];
    const int          listener = bare_listen(out), poller = epoll_create1(0);
    (void)unused;
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    e.data.fd = listener;
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int i, n = epoll_wait(poller, ready, 64, -1);
        for (i = 0; i < n; i++) {
            if (ready[i].data.fd != listener) {
                bare_answer(ready[i].data.fd);
                continue;
            }
            e.data.fd = accept(listener, NULL, NULL);
            epoll_ctl(poller, EPOLL_CTL_ADD, e.data.fd, &e);
        }
    }
}

/* ---- ours ---- */

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));
}

static void ours(int out, int unused) {
    sse_serve_options serve;
    sse_app          *app = sse_app_new(NULL);
    (void)unused;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    sse_get(app, "/hello", hello, NULL);
    if (sse_listen(app, &serve)) _exit(1);
    dprintf(out, "http://127.0.0.1:%d", sse_port(app));
    while (sse_poll(app, -1) > 0) {
    }
}

/* ---- measuring ---- */

struct client {
    int    fd;
    size_t left;
};

struct side { /* one server and the connections to it */
    const char   *name;
    pid_t         pid;
    struct client client[CONNECTIONS];
    int           poller;
    /* requests; CPU for each, and the part of it that is the program's */
    double per_s[ROUNDS], us[ROUNDS], user_us[ROUNDS];
};

static void ask(struct client *c, int deep) {
    char   all[MOST_DEEP * sizeof request];
    int    i;
    size_t n = sizeof request - 1;
    for (i = 0; i < deep; i++) memcpy(all + (size_t)i * n, request, n);
    c->left = (size_t)deep * reply_len;
    if (send(c->fd, all, (size_t)deep * n, MSG_NOSIGNAL) < 0) c->left = 0;
}

/* Reads what is there, asks again; how many requests were answered whole. */
static uint64_t answers(struct side *s, int deep) {
    static char        bytes[MOST_DEEP * sizeof reply];
    struct epoll_event e[CONNECTIONS];
    uint64_t           done = 0;
    int                i, n = epoll_wait(s->poller, e, CONNECTIONS, 100);
    for (i = 0; i < n; i++) {
        struct client *c = (struct client *)e[i].data.ptr;
        const ssize_t  got = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0 || (size_t)got > c->left) {
            fprintf(stderr, "%s: a connection broke\n", s->name);
            exit(1);
        }
        c->left -= (size_t)got;
        if (c->left) continue;
        done += (uint64_t)deep;
        ask(c, deep);
    }
    return done;
}

static void start(struct side *s, const char *name, void (*serve)(int, int)) {
    struct epoll_event e;
    int                i, port;
    s->name = name;
    s->pid = server_start(serve, 0, &port);
    s->poller = epoll_create1(0);
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    for (i = 0; i < CONNECTIONS; i++) {
        e.data.ptr = &s->client[i];
        s->client[i].fd = connected(port);
        if (s->client[i].fd < 0) exit(1);
        s->client[i].left = 0;
        epoll_ctl(s->poller, EPOLL_CTL_ADD, s->client[i].fd, &e);
    }
    if (reply_len) return; /* ours comes first: one request says what a reply is */
    if (send(s->client[0].fd, request, sizeof request - 1, 0) < 0) exit(1);
    usleep(100000);
    reply_len = (size_t)recv(s->client[0].fd, reply, sizeof reply, 0);
}

static void round_of(struct side *s, int which, int deep, double seconds) {
    double   user0, system0, user, system, from, took = 0;
    uint64_t count = 0, waiting;
    int      i;
    for (i = 0; i < CONNECTIONS; i++) ask(&s->client[i], deep);
    cpu_s(s->pid, &user0, &system0);
    for (from = now_s(); took < seconds; took = now_s() - from) count += answers(s, deep);
    cpu_s(s->pid, &user, &system);
    s->per_s[which] = (double)count / took;
    s->user_us[which] = 1e6 * (user - user0) / (double)count;
    s->us[which] = 1e6 * (user - user0 + system - system0) / (double)count;
    do { /* what is on its way is read before the other one's turn */
        for (waiting = 0, i = 0; i < CONNECTIONS; i++) {
            /* thrown away */
            const ssize_t got = s->client[i].left ? recv(s->client[i].fd, NULL, s->client[i].left,
                                                        MSG_TRUNC | MSG_DONTWAIT)
                                                  : 0;
            if (got > 0) s->client[i].left -= (size_t)got;
            waiting += s->client[i].left != 0;
        }
    } while (waiting);
}

static int by_size(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(const double *values) {
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_size);
    return sorted[ROUNDS / 2];
}

static void compare(struct side *own, struct side *loop, int deep, double seconds) {
    double ratio[ROUNDS], speed[ROUNDS];
    int    i;
    for (i = 0; i < ROUNDS; i++) {
        round_of(own, i, deep, seconds);
        round_of(loop, i, deep, seconds);
        ratio[i] = own->us[i] / loop->us[i];
        speed[i] = own->per_s[i] / loop->per_s[i];
    }
    printf(
        "%2d at a time: sse.h %.0f requests/s, %.2f us of CPU each (%.2f us user); bare loop %.0f, "
        "%.2f us (%.2f)\n",
        deep, median(own->per_s), median(own->us), median(own->user_us), median(loop->per_s),
        median(loop->us), median(loop->user_us));
    printf("    sse.h / bare loop: CPU %.2f, requests a second %.2f\n", median(ratio),
        median(speed));
}

int main(int argc, char **argv) {
    const double       seconds = argc > 1 ? atof(argv[1]) : 0.5;
    static struct side own, loop;
    start(&own, "sse.h", ours);
    start(&loop, "bare loop", bare);
    compare(&own, &loop, 1, seconds);
    compare(&own, &loop, MOST_DEEP, seconds);
    printf("resident with %d connections: sse.h %ld KB, bare loop %ld KB\n", CONNECTIONS,
        rss_kb(own.pid), rss_kb(loop.pid));
    server_stop(own.pid);
    server_stop(loop.pid);
    return 0;
}
