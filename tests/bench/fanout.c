/* One event of 1 KB to 1,000 readers again and again, plain, against a bare loop of send(); then the same with eight events at a
   time, and what a subscriber costs who only listens. The server has one core, the readers the other; the next round begins when
   all have read the last one, so that the kernel has the same to do for both.
   usage: fanout [SECONDS]   default: 3 for each */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "crowd.h"

enum { READERS = 1000, EVENT = 1024, HEAD = 4096 };

static const char frame_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

static int go[2]; /* a byte: the next round, please */

/* ---- the bare loop: no parsing, no queues, no timers ---- */

static int bare_listen(int out) {
    struct sockaddr_in to;
    socklen_t          len = sizeof to;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family      = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) || listen(fd, 4096)) _exit(1);
    getsockname(fd, (struct sockaddr *)&to, &len);
    dprintf(out, "http://127.0.0.1:%d", ntohs(to.sin_port));
    return fd;
}

static void bare_send(int fd, const char *p, size_t n) { /* a full socket is waited for */
    while (n) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) _exit(0);
        p += sent;
        n -= (size_t)sent;
    }
}

static void bare(int out, int events_a_round) {
    static int fds[READERS];
    char       event[EVENT + 64], request[1024];
    const int  listener = bare_listen(out), n = snprintf(event, sizeof event, "%x\r\ndata: %0*d\n\n\r\n", EVENT, EVENT - 8, 0);
    int        i, k;
    for (i = 0; i < READERS; i++) {
        fds[i] = accept(listener, NULL, NULL);
        if (recv(fds[i], request, sizeof request, 0) <= 0) _exit(0);
        bare_send(fds[i], frame_head, sizeof frame_head - 1);
        bare_send(fds[i], event, (size_t)n); /* joined */
    }
    while (read(go[0], request, 1) == 1)
        for (k = 0; k < events_a_round; k++)
            for (i = 0; i < READERS; i++) bare_send(fds[i], event, (size_t)n);
}

/* ---- ours ---- */

static void events(sse_req *req, void *user) {
    static const sse_event hello = {NULL, "welcome", 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, {NULL, 0, 0}, false};
    sse_stream             s     = sse_stream_open(req, NULL);
    (void)user;
    sse_stream_send(s, &hello);
    sse_subscribe(s, "news");
}

static sse_app *app_open(int out) {
    sse_serve_options serve;
    sse_app          *app = sse_app_new(NULL);
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    sse_get(app, "/", events, NULL);
    if (sse_listen(app, &serve)) _exit(1);
    dprintf(out, "http://127.0.0.1:%d", sse_port(app));
    return app;
}

static int a_round;

static void publish(sse_app *app, int fd, int ready, void *user) {
    char byte;
    int  i;
    (void)ready;
    if (read(fd, &byte, 1) != 1) _exit(0);
    for (i = 0; i < a_round; i++) sse_publish(app, "news", (const sse_event *)user);
}

static void ours(int out, int events_a_round) {
    char      data[EVENT];
    sse_app  *app = app_open(out);
    sse_event event;
    memset(&event, 0, sizeof event);
    memset(data, '0', sizeof data);
    data[EVENT - 8] = '\0';
    event.data      = data;
    a_round         = events_a_round;
    sse_watch(app, go[0], SSE_READ, publish, &event);
    while (sse_poll(app, -1) > 0) {}
}

static void idle(int out, int ms) { /* an event every ms, if any */
    sse_app  *app = app_open(out);
    sse_event event;
    uint64_t  last = 0;
    memset(&event, 0, sizeof event);
    event.data = "tick";
    for (;;) {
        sse_poll(app, ms ? 1 : -1);
        if (!ms || app->loop.wheel.now - last < (uint64_t)ms) continue;
        last = app->loop.wheel.now;
        sse_publish(app, "news", &event);
    }
}

/* ---- measuring ---- */

struct result { double events, user_us, system_us; };

static struct result measure(const char *name, void (*serve)(int, int), int events_a_round, double seconds) {
    static struct crowd crowd;
    const uint64_t      a_round_all = (uint64_t)READERS * (unsigned)events_a_round;
    int                 port, warm = 20;
    pid_t               pid = pipe(go) ? -1 : server_start(serve, events_a_round, &port);
    double              user, system, user0 = 0, system0 = 0, from = now_s(), s = 0;
    uint64_t            round;
    struct result       r;
    crowd_join(&crowd, port, "/", READERS, 10);
    for (r.events = 0; s < seconds; r.events += (double)a_round_all) {
        if (write(go[1], "", 1) != 1) break;
        for (round = crowd.events + a_round_all; crowd.events < round && s < seconds + 5; s = now_s() - from) crowd_read(&crowd, 20);
        if (--warm != 0) continue;
        cpu_s(pid, &user0, &system0);
        r.events = s = 0;
        from         = now_s();
    }
    cpu_s(pid, &user, &system);
    close(go[0]);
    close(go[1]);
    r.user_us   = 1e6 * (user - user0) / r.events;
    r.system_us = 1e6 * (system - system0) / r.events;
    r.events /= s;
    printf("%-34s %9.0f events/s  %6.2f us user + %5.2f us system each  (%d readers, %d refused)\n", name, r.events, r.user_us, r.system_us, crowd.joined, crowd.refused);
    crowd_leave(&crowd);
    server_stop(pid);
    return r;
}

static void memory(int count, int ms) {
    static struct crowd crowd;
    int                 port;
    pid_t               pid = server_start(idle, ms, &port);
    double              from;
    long                empty;
    usleep(100000);
    crowd_join(&crowd, port, "/", 10, 10); /* what the first ones cost is not theirs */
    empty = rss_kb(pid);
    from  = now_s();
    crowd_join(&crowd, port, "/", count, 30);
    from = now_s() - from;
    usleep(300000);
    printf("%d join %s: %.2f s, %d refused; %.0f bytes of memory each\n", crowd.joined, ms ? "while ten events a second flow" : "and listen", from, crowd.refused,
        (double)(rss_kb(pid) - empty) * 1024 / (count - 10));
    crowd_leave(&crowd);
    server_stop(pid);
}

int main(int argc, char **argv) {
    const double        seconds = argc > 1 ? atof(argv[1]) : 3;
    const int           most = many_descriptors() - 50, count = most < 10000 ? most : 10000;
    const struct result loop = measure("bare loop", bare, 1, seconds), own = measure("sse.h", ours, 1, seconds);
    const struct result loop8 = measure("bare loop, eight events a round", bare, 8, seconds), own8 = measure("sse.h, eight events a round", ours, 8, seconds);
    printf("events per second, sse.h / bare loop: %.2f, with eight a round %.2f; per second of its CPU: %.2f and %.2f\n", own.events / loop.events,
        own8.events / loop8.events, (loop.user_us + loop.system_us) / (own.user_us + own.system_us),
        (loop8.user_us + loop8.system_us) / (own8.user_us + own8.system_us));
    memory(count, 0);
    memory(count, 100);
    return 0;
}
