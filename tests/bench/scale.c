/* What an event, a join, a request and a publication cost with 10 of everything around, and with
   18,000 clients, 10,000 routes, topics and events of history: the price must not grow with what is
   not concerned. It grows a little, because caches do not; a row shows what that alone does.
   Measured in one thread, without the time that is spent in system calls, the best of several
   batches; the clients are another process. Bounded to about a minute.
   usage: scale [quick|clients|routes|topics|history]   quick: sizes up to 1,000; or one part */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t in_kernel;
static void (*cool)(void); /* if set, called after each call of the system */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void) { /* where nothing waits and no system is called */
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#define SSE__SYS(call)                              \
    __extension__({                                 \
        const uint64_t         sys_from = now_ns(); \
        const __typeof__(call) sys_result = (call); \
        if (cool) cool();                           \
        in_kernel += now_ns() - sys_from;           \
        sys_result;                                 \
    })
#define close(fd)       SSE__SYS(close(fd))
#define fcntl(...)      SSE__SYS(fcntl(__VA_ARGS__))
#define setsockopt(...) SSE__SYS(setsockopt(__VA_ARGS__))
#define SSE_IMPLEMENTATION
#include "sse.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "local.h"

enum { BATCHES = 7, STEPS = 5 };

static sse_app   *app;
static sse_stream held; /* the stream that was opened last */
static int        requests;

/* ---- the clients' process ---- */

struct order {
    int  count, leave;
    char path[120];
}; /* connect so many; or let the last ones go */

enum { MOST = 19000 };

static int crowd_pipe;

static int crowd_add(int epoll, int port, const char *path) {
    struct epoll_event e;
    char               text[256];
    const int          fd = connected(port),
              n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (fd < 0) _exit(1);
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    e.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    if (send(fd, text, (size_t)n, 0) != n) _exit(1);
    return fd;
}

static void crowd_run(int orders, int port) { /* obeys, and reads what comes */
    static char        bytes[1 << 16];
    static int         fds[MOST];
    struct epoll_event ready[256];
    struct order       o;
    const int          epoll = epoll_create1(0);
    int                i, count = 0;
    on_core(1);
    fcntl(orders, F_SETFL, O_NONBLOCK);
    for (;;) {
        const ssize_t n = read(orders, &o, sizeof o);
        if (n == 0) _exit(0);
        while (n == (ssize_t)sizeof o && o.count-- > 0 && count < MOST)
            fds[count++] = crowd_add(epoll, port, o.path);
        while (n == (ssize_t)sizeof o && o.leave-- > 0 && count) close(fds[--count]);
        for (i = epoll_wait(epoll, ready, 256, 1); i > 0; i--)
            (void)!recv(ready[i - 1].data.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    }
}

static pid_t crowd_start(void) {
    const int port = sse_port(app);
    int       ends[2];
    pid_t     pid;
    if (pipe(ends)) _exit(1);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        crowd_run(ends[0], port);
    }
    close(ends[0]);
    crowd_pipe = ends[1];
    return pid;
}

static void crowd_stop(pid_t pid) {
    close(crowd_pipe);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int streams(void) {
    const sse_filter all = {NULL, NULL, NULL, true};
    return sse_streams_count(app, &all);
}

/* Has so many clients come or go, and turns the loop until they have. Returns the ns of the loop's
   own. */
static uint64_t crowd_order(int count, int leave, const char *path) {
    const int      want = streams() + count - leave;
    const uint64_t from = now_ns(), end = from + 20000000000u;
    struct order   o;
    memset(&o, 0, sizeof o);
    o.count = count;
    o.leave = leave;
    snprintf(o.path, sizeof o.path, "%s", path);
    in_kernel = 0;
    if (write(crowd_pipe, &o, sizeof o) != (ssize_t)sizeof o) _exit(1);
    while (streams() != want && now_ns() < end) sse_poll(app, 100);
    sse_poll(app, 0);
    return now_ns() - from - in_kernel;
}

/* ---- the server ---- */

static int next_person;

static void open_stream(sse_req *req, void *user) { /* /on/topic, /like?pattern= */
    char               who[16];
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    snprintf(who, sizeof who, "u%d", next_person++);
    o.who = who;
    o.ping_ms = SSE_OFF;
    held = sse_stream_open(req, &o);
    if (user) sse_subscribe_pattern(held, (const char *)user);
    else sse_subscribe(held, "room"), sse_subscribe(held, "news");
}

static void hello(sse_req *req, void *user) {
    (void)user;
    requests++;
    sse_puts(sse_out(req), sse_param(req, "id"));
}

static void came_or_went(sse_app *a, const char *topic, const char *who, void *user) {
    (void)a, (void)topic, (void)who, (void)user;
}

static void app_open(void) {
    sse_app_options   options;
    sse_topic_options room, kept;
    sse_serve_options serve;
    memset(&options, 0, sizeof options);
    memset(&room, 0, sizeof room);
    memset(&kept, 0, sizeof kept);
    memset(&serve, 0, sizeof serve);
    options.max_topics = 250000;
    options.max_connections = MOST;
    options.no_compression = true;
    serve.port = SSE_ANY_PORT;
    room.on_join = came_or_went;
    room.on_leave = came_or_went;
    room.leave_ms = SSE_OFF;
    kept.history = 10;
    app = sse_app_new(&options);
    sse_topic(app, "room", &room);
    sse_topic(app, "kept.*", &kept);
    sse_get(app, "/", open_stream, NULL);
    sse_get(app, "/kept", open_stream, (void *)"kept.*");
    if (sse_listen(app, &serve)) _exit(1);
    next_person = 0;
}

static void publish(const char *topic) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data =
        "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789";
    sse_publish(app, topic, &event);
}

/* ---- measuring ---- */

static const int sizes[STEPS - 1] = {10, 100, 1000, 10000};
static const int client_sizes[STEPS] = {10, 100, 1000, 10000, 18000};

struct row {
    const char *name;
    double      us[STEPS];
};

static void keep_best(double *best, uint64_t ns, double count) {
    const double us = (double)ns / 1e3 / count;
    if (*best == 0 || us < *best) *best = us;
}

static void print(const char *of, const int *size, const struct row *rows, int count, int steps) {
    int i, k;
    printf("\nuser CPU in microseconds, with so many %-10s", of);
    for (k = 0; k < steps; k++) printf("%9d", size[k]);
    printf("   last / first\n");
    for (i = 0; i < count; i++) {
        printf("  %-47s", rows[i].name);
        for (k = 0; k < steps; k++) printf("%9.3f", rows[i].us[k]);
        printf("   %8.2f\n", rows[i].us[steps - 1] / rows[i].us[0]);
    }
    fflush(stdout);
}

static void pipelined(int fd, int routes, int seed) { /* 16 requests to 16 routes */
    char      text[4096];
    size_t    n = 0;
    int       i;
    const int want = requests + 16;
    for (i = 0; i < 16; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
            "GET /route%d/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", (seed * 16 + i) * 7 % routes, i);
    if (send(fd, text, n, 0) != (ssize_t)n) _exit(1);
    while (requests < want) sse_poll(app, 100);
    sse_poll(app, 0);
    while (recv(fd, text, sizeof text, MSG_DONTWAIT) > 0) {
    }
}

/* One place after another, 16 for each of n: what has not been used lately comes from memory, in
   any program. */
static uint64_t touch_places(int n) {
    enum { LINE = 64, PER = 16, VISITS = 20000 };
    const size_t    places = (size_t)n * PER;
    unsigned char  *memory = (unsigned char *)calloc(places, LINE);
    uint64_t        from, best = 0, ns, next = 1;
    volatile size_t end; /* so that the walk is taken */
    size_t          at = 0;
    int             b, i;
    if (!memory) return 0;
    for (i = 0; (size_t)i < places; i++) memory[(size_t)i * LINE] = 1;
    for (b = 0; b < BATCHES; b++) {
        from = cpu_ns();
        for (i = 0; i < VISITS; i++) {
            next = next * 6364136223846793005u + memory[at * LINE];
            at = (size_t)(next >> 16) % places;
        }
        end = at;
        ns = cpu_ns() - from;
        if (!best || ns < best) best = ns;
    }
    (void)end;
    free(memory);
    return best * PER / VISITS;
}

/* What the kernel does for another socket with the near caches, done in full. */
static void cool_caches(void) {
    enum { NEAR = 2 << 20, LINE = 64 };
    static volatile unsigned char memory[NEAR];
    size_t                        i;
    for (i = 0; i < NEAR; i += LINE) memory[i]++;
}

static void deliver(double *best, int clients, int times) {
    const uint64_t from = now_ns();
    int            i;
    in_kernel = 0;
    for (i = 0; i < times; i++) {
        publish("news");
        sse_poll(app, 0);
    }
    keep_best(best, now_ns() - from - in_kernel, (double)clients * times);
    usleep(20000);
}

static void ask(double *best, int fd, int routes, int seed) {
    const uint64_t from = now_ns();
    int            i;
    in_kernel = 0;
    for (i = 0; i < 20; i++) pipelined(fd, routes, seed * 20 + i);
    keep_best(best, now_ns() - from - in_kernel, 20 * 16);
}

static void with_clients(int steps) {
    static struct row rows[] = {
        {"an event, each time it is delivered", {0}},
        {"(the same out of a cold cache)", {0}},
        {"a request", {0}},
        {"a client joins, with presence", {0}},
        {"and leaves", {0}},
        {"finding the streams of a person", {0}},
        {"counting those of a topic", {0}},
    };
    int k, b, i;
    for (k = 0; k < steps; k++) {
        const int n = client_sizes[k], rounds = n < 1000 ? 2000 / n : 2;
        pid_t     pid;
        int       fd;
        app_open();
        sse_get(app, "/route0/{id}", hello, NULL);
        pid = crowd_start();
        for (i = 0; i < n; i += 500) crowd_order(n - i < 500 ? n - i : 500, 0, "/");
        fd = connected(sse_port(app));
        if (fd < 0) _exit(1);
        for (b = 0; b < BATCHES; b++) {
            uint64_t   from;
            char       who[16];
            sse_filter f;
            deliver(&rows[0].us[k], n, rounds);
            cool = cool_caches;
            if (b < 3) deliver(&rows[1].us[k], n, n < 1000 ? 200 / n + 1 : 1);
            cool = NULL;
            ask(&rows[2].us[k], fd, 1, b);
            keep_best(&rows[3].us[k], crowd_order(100, 0, "/"), 100);
            keep_best(&rows[4].us[k], crowd_order(0, 100, "/"), 100);
            memset(&f, 0, sizeof f);
            f.who = who;
            from = cpu_ns();
            for (i = 0; i < 1000; i++) {
                snprintf(who, sizeof who, "u%d", (i * 37) % n);
                if (sse_streams_count(app, &f) != 1) _exit(1);
            }
            keep_best(&rows[5].us[k], cpu_ns() - from, 1000);
            memset(&f, 0, sizeof f);
            f.topic = "news";
            from = cpu_ns();
            for (i = 0; i < 1000; i++)
                if (sse_streams_count(app, &f) != n) _exit(1);
            keep_best(&rows[6].us[k], cpu_ns() - from, 1000);
        }
        close(fd);
        crowd_stop(pid);
        sse_app_free(app);
    }
    print("clients", client_sizes, rows, 7, steps);
}

static void with_routes(int steps) {
    static struct row rows[] = {
        {"a request", {0}},
        {"(touching 16 places in memory for one of them)", {0}},
    };
    int k, b, i, fd;
    for (k = 0; k < steps; k++) {
        char path[64];
        app_open();
        for (i = 0; i < sizes[k]; i++) {
            snprintf(path, sizeof path, "/route%d/{id}", i);
            sse_get(app, path, hello, NULL);
        }
        fd = connected(sse_port(app));
        if (fd < 0) _exit(1);
        for (b = 0; b < BATCHES * 3; b++) ask(&rows[0].us[k], fd, sizes[k], b);
        keep_best(&rows[1].us[k], touch_places(sizes[k]), 1);
        close(fd);
        sse_app_free(app);
    }
    print("routes", sizes, rows, 2, steps);
}

static void fill_topics(sse_stream reader, int n) {
    char name[64];
    int  i;
    for (i = 0; i < n; i++) {
        snprintf(name, sizeof name, "user.%d.*", i);
        if (sse_subscribe_pattern(reader, name)) _exit(1);
        snprintf(name, sizeof name, "kept.%d", i);
        publish(name);
    }
}

static void with_topics(int steps) {
    static struct row rows[] = {
        {"an event for one of them, which keeps it", {0}},
        {"an event that one of as many patterns matches", {0}},
        {"joining one and leaving it", {0}},
        {"a stream that follows them follows one more", {0}},
        {"a client joins all by a pattern", {0}},
        {"and comes back after 5 events", {0}},
        {"(touching 16 places in memory for one of them)", {0}},
    };
    int k, b, i;
    for (k = 0; k < steps; k++) {
        const int  n = sizes[k];
        char       name[120];
        sse_stream reader; /* who follows them all; others come and go */
        pid_t      pid;
        app_open();
        pid = crowd_start();
        crowd_order(1, 0, "/");
        reader = held;
        fill_topics(reader, n);
        for (b = 0; b < BATCHES; b++) {
            uint64_t from = cpu_ns();
            for (i = 0; i < 20000; i++) {
                snprintf(name, sizeof name, "kept.%d", (b * 20000 + i) * 37 % n);
                publish(name);
            }
            keep_best(&rows[0].us[k], cpu_ns() - from, 20000);
            in_kernel = 0;
            from = now_ns();
            for (i = 0; i < 100; i++) {
                snprintf(name, sizeof name, "user.%d.x", (b * 100 + i) * 37 % n);
                publish(name);
                sse_poll(app, 0);
            }
            keep_best(&rows[1].us[k], now_ns() - from - in_kernel, 100);
            from = cpu_ns();
            for (i = 0; i < 1000; i++) {
                snprintf(name, sizeof name, "kept.%d", (b * 1000 + i) * 37 % n);
                if (sse_subscribe(reader, name) || sse_unsubscribe(reader, name)) _exit(1);
            }
            keep_best(&rows[2].us[k], cpu_ns() - from, 1000);
            from = cpu_ns();
            for (i = 0; i < 20; i++) {
                snprintf(name, sizeof name, "more.%d.*", b * 20 + i);
                if (sse_subscribe_pattern(reader, name)) _exit(1);
            }
            keep_best(&rows[3].us[k], cpu_ns() - from, 20);
            keep_best(&rows[4].us[k], crowd_order(100, 0, "/kept"), 100);
            crowd_order(0, 100, "/");
            snprintf(name, sizeof name, "/kept?lastEventId=%s-%llu", app->topics->sequence.epoch,
                (unsigned long long)app->topics->sequence.last - 5);
            keep_best(&rows[5].us[k], crowd_order(100, 0, name), 100);
            crowd_order(0, 100, "/");
        }
        keep_best(&rows[6].us[k], touch_places(n), 1);
        crowd_stop(pid);
        sse_app_free(app);
    }
    print("topics", sizes, rows, 7, steps);
}

static void with_history(int steps) {
    static struct row rows[] = {
        {"an event for a topic whose history is full", {0}},
        {"a client joins", {0}},
        {"and comes back after 5 events", {0}},
    };
    int k, b, i;
    for (k = 0; k < steps; k++) {
        sse_topic_options o;
        char              path[120];
        pid_t             pid;
        memset(&o, 0, sizeof o);
        o.history = sizes[k];
        app_open();
        sse_topic(app, "long", &o);
        sse_get(app, "/long", open_stream, (void *)"long");
        pid = crowd_start();
        for (i = 0; i < sizes[k]; i++) publish("long");
        for (b = 0; b < BATCHES; b++) {
            const uint64_t from = cpu_ns();
            for (i = 0; i < 20000; i++) publish("long");
            keep_best(&rows[0].us[k], cpu_ns() - from, 20000);
            keep_best(&rows[1].us[k], crowd_order(100, 0, "/"), 100);
            crowd_order(0, 100, "/");
            snprintf(path, sizeof path, "/long?lastEventId=%s-%llu", app->topics->sequence.epoch,
                (unsigned long long)app->topics->sequence.last - 5);
            keep_best(&rows[2].us[k], crowd_order(100, 0, path), 100);
            crowd_order(0, 100, "/");
        }
        crowd_stop(pid);
        sse_app_free(app);
    }
    print("of history", sizes, rows, 3, steps);
}

int main(int argc, char **argv) {
    const char   *part = argc > 1 ? argv[1] : "";
    const int     less = strcmp(part, "quick") == 0, all = less || !*part;
    struct rlimit most;
    int           steps;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    steps = less || most.rlim_cur < 10500 ? STEPS - 2 : most.rlim_cur < 19500 ? STEPS - 1 : STEPS;
    on_core(0);
    if (all || strcmp(part, "clients") == 0) with_clients(steps);
    if (all || strcmp(part, "routes") == 0) with_routes(STEPS - 1 - less);
    if (all || strcmp(part, "topics") == 0) with_topics(STEPS - 1 - less);
    if (all || strcmp(part, "history") == 0) with_history(STEPS - 1 - less);
    return 0;
}
