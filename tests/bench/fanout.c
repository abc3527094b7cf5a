/* One event of 1 KB to 1,000 readers again and again, plain, against a bare loop of send(); then
   the same with eight events at a time, and what a subscriber costs that only listens. The servers
   have one core, the readers the other; the next round begins when all have read the last one, so
   that the kernel has the same to do for both.
   usage: fanout [SECONDS]   default: 5 for each comparison */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "crowd.h"

enum { READERS = 1000, EVENT = 1024, TURNS = 60 };

static const char frame_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

static int go[2]; /* a byte: the next round, please, of so many events */

/* ---- the bare loop: no parsing, no queues, no timers ---- */

static void bare_send(int fd, const char *p, size_t n) { /* a full socket is waited for */
    while (n) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) _exit(0);
        p += sent;
        n -= (size_t)sent;
    }
}

static void bare(int out, int unused) {
    static int fds[READERS];
    char       event[EVENT + 64], request[1024];
    const int  listener = bare_listen(out),
              n = snprintf(event, sizeof event, "%x\r\ndata: %0*d\n\n\r\n", EVENT, EVENT - 8, 0);
    int i;
    (void)unused;
    for (i = 0; i < READERS; i++) {
        fds[i] = accept(listener, NULL, NULL);
        if (recv(fds[i], request, sizeof request, 0) <= 0) _exit(0);
        bare_send(fds[i], frame_head, sizeof frame_head - 1);
        bare_send(fds[i], event, (size_t)n); /* joined */
    }
    while (read(go[0], request, 1) == 1)
        while (request[0]-- > 0)
            for (i = 0; i < READERS; i++) bare_send(fds[i], event, (size_t)n);
}

/* ---- ours ---- */

static void events(sse_req *req, void *user) {
    static const sse_event hello = {.data = "welcome"};
    sse_stream             s = sse_stream_open(req, NULL);
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

static void publish(sse_app *app, int fd, int ready, void *user) {
    char count;
    (void)ready;
    if (read(fd, &count, 1) != 1) _exit(0);
    while (count-- > 0) sse_publish(app, "news", (const sse_event *)user);
}

static void ours(int out, int unused) {
    char      data[EVENT];
    sse_app  *app = app_open(out);
    sse_event event;
    (void)unused;
    memset(&event, 0, sizeof event);
    memset(data, '0', sizeof data);
    data[EVENT - 8] = '\0';
    event.data = data;
    sse_watch(app, go[0], SSE_READ, publish, &event);
    while (sse_poll(app, -1) > 0) {
    }
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

struct rate {
    double wall, cpu;
}; /* events per second, and per second that the server ran */

struct side { /* a server and its readers */
    const char  *name;
    struct crowd crowd;
    int          port, go;
    pid_t        pid;
    /* of the time that the server ran; other processes do not count, the kernel's work for it
       does */
    clockid_t clock;
    double    events; /* that all readers got */
};

static double clock_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct rate side_rounds(struct side *side, int events_a_round, double seconds) {
    const char   count = (char)events_a_round;
    const double from = now_s(), ran = clock_s(side->clock);
    double       s = 0, events = 0;
    struct rate  rate;
    do {
        const uint64_t round = side->crowd.events + (uint64_t)READERS * (unsigned)events_a_round;
        if (write(side->go, &count, 1) != 1) break;
        while (side->crowd.events < round && s < seconds + 5) {
            crowd_read(&side->crowd, 20);
            s = now_s() - from;
        }
        events += READERS * events_a_round;
    } while (s < seconds);
    side->events += events;
    rate.wall = events / s;
    rate.cpu = events / (clock_s(side->clock) - ran);
    return rate;
}

static void side_open(struct side *side, const char *name, void (*serve)(int, int)) {
    int warm;
    side->name = name;
    side->pid = pipe(go) ? -1 : server_start(serve, 0, &side->port);
    side->go = go[1];
    clock_getcpuclockid(side->pid, &side->clock);
    close(go[0]);
    crowd_join(&side->crowd, side->port, "/", READERS, 10);
    for (warm = 0; warm < 20; warm++) side_rounds(side, 1, 0);
    printf("%-9s %d readers, %d refused\n", name, side->crowd.joined, side->crowd.refused);
}

static void side_close(struct side *side) {
    close(side->go);
    crowd_leave(&side->crowd);
    server_stop(side->pid);
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *p) { /* sorts */
    qsort(p, TURNS, sizeof *p, by_size);
    return (p[TURNS / 2 - 1] + p[TURNS / 2]) / 2;
}

static void show_ratio(const char *what, double *ratio) {
    const double middle = median(ratio);
    printf("    sse.h / bare loop, %-30s median %.2f, half of the turns %.2f to %.2f, "
           "all %.2f to %.2f\n",
        what, middle, ratio[TURNS / 4], ratio[TURNS - 1 - TURNS / 4], ratio[0], ratio[TURNS - 1]);
}

/* A machine that others use as well is not as fast from one second to the next: the two take turns,
   the first one is not always the same, and the ratio is that of neighbours. */
static void compare(struct side *bare_side, struct side *own, int events_a_round, double seconds) {
    double wall[2][TURNS], cpu[2][TURNS], wall_ratio[TURNS], cpu_ratio[TURNS], user[2][2],
        system[2][2];
    int i, k;
    for (k = 0; k < 2; k++) {
        struct side *side = k ? own : bare_side;
        side->events = 0;
        cpu_s(side->pid, &user[k][0], &system[k][0]);
    }
    for (i = 0; i < TURNS; i++) {
        for (k = 0; k < 2; k++) {
            const int         who = (i + k) % 2;
            const struct rate rate =
                side_rounds(who ? own : bare_side, events_a_round, seconds / TURNS / 2);
            wall[who][i] = rate.wall;
            cpu[who][i] = rate.cpu;
        }
        wall_ratio[i] = wall[1][i] / wall[0][i];
        cpu_ratio[i] = cpu[1][i] / cpu[0][i];
    }
    for (k = 0; k < 2; k++) {
        struct side *side = k ? own : bare_side;
        cpu_s(side->pid, &user[k][1], &system[k][1]);
        printf("%-9s %d a round: %7.0f events/s, %5.2f us user + %5.2f us system each\n",
            side->name, events_a_round, median(wall[k]),
            1e6 * (user[k][1] - user[k][0]) / side->events,
            1e6 * (system[k][1] - system[k][0]) / side->events);
    }
    show_ratio("events per second:", wall_ratio);
    show_ratio("events per second of its CPU:", cpu_ratio);
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
    from = now_s();
    crowd_join(&crowd, port, "/", count, 30);
    from = now_s() - from;
    usleep(300000);
    printf("%d join %s: %.2f s, %d refused; %.0f bytes of memory each\n", crowd.joined,
        ms ? "while ten events a second flow" : "and listen", from, crowd.refused,
        (double)(rss_kb(pid) - empty) * 1024 / (count - 10));
    crowd_leave(&crowd);
    server_stop(pid);
}

int main(int argc, char **argv) {
    static struct side bare_side, own;
    const double       seconds = argc > 1 ? atof(argv[1]) : 5;
    const int          most = many_descriptors() - 50, count = most < 10000 ? most : 10000;
    side_open(&bare_side, "bare loop", bare);
    side_open(&own, "sse.h", ours);
    compare(&bare_side, &own, 1, seconds);
    compare(&bare_side, &own, 8, seconds);
    side_close(&bare_side);
    side_close(&own);
    memory(count, 0);
    memory(count, 100);
    return 0;
}
