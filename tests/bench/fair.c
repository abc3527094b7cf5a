/* What one client, one lock, one slow disk costs all others. A process that does nothing else asks
   for a small page and publishes an event, every 5 ms each, on time whatever the last one took, and
   measures how long the page and the event take: undisturbed, then beside each load alone and all
   of them together. The bar for p99: three times the undisturbed one, or 50 ms.
   usage: fair [SECONDS [LOCK_SECONDS [ROW]]]
   default: 5 for each load, 40 for the lock on the database, all rows */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <poll.h>
#include <sys/resource.h>
#include "process.h"
#include "figures.h"

enum { EVERY_US = 5000, PIPES = 10, DEEP = 2000, TEXTS = 8, TEXT_BYTES = 1000000, MOST = 20000 };

static const long long big_bytes = 3000000000LL;
static char            dir[] = "/tmp/sse-fair-XXXXXX";
static int             port;

/* ---- the server: this program again, so that an fsync can be preloaded ---- */

static sse_db *db;

static void small(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "ok");
}

static void big(sse_req *req, void *user) {
    (void)user;
    sse_send_file(req, "big.bin", NULL);
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "live");
}

static void publish(sse_req *req, void *user) { /* POST /publish/{topic} */
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = "an event";
    sse_publish(sse_req_app(req), sse_param(req, "topic"), &event);
}

static int serve(const char *busy_ms) {
    struct sched_param plain;
    sse_db_options     options;
    sse_topic_options  topic;
    sse_serve_options  at;
    sse_app           *app = sse_app_new(NULL);
    memset(&plain, 0, sizeof plain);
    (void)sched_setscheduler(0, SCHED_OTHER, &plain);
    on_core(0);
    before_others();
    memset(&options, 0, sizeof options);
    memset(&topic, 0, sizeof topic);
    memset(&at, 0, sizeof at);
    options.busy_ms = atoi(busy_ms);
    db = sse_db_open("a.db", &options);
    sse_db_exec(db, "PRAGMA synchronous = FULL"); /* each commit waits for the disk */
    topic.history = 1000;
    topic.db = db;
    sse_topic(app, "stored", &topic);
    sse_get(app, "/small", small, NULL);
    sse_get(app, "/big", big, NULL);
    sse_get(app, "/events", events, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_static(app, "/texts", ".", NULL);
    at.port = SSE_ANY_PORT;
    if (sse_listen(app, &at)) return 1;
    dprintf(1, "http://127.0.0.1:%d", sse_port(app));
    while (sse_poll(app, -1) > 0) {
    }
    return 0;
}

static pid_t serve_apart(const char *program, const char *preload, const char *busy_ms) {
    char    text[100];
    int     ends[2];
    ssize_t n;
    pid_t   pid;
    if (pipe(ends)) return -1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        if (preload) setenv("LD_PRELOAD", preload, 1);
        setenv("FSYNC_MS", "1000", 1);
        execl(program, program, "serve", busy_ms, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    port = n > 0 ? atoi(strrchr(text, ':') + 1) : 0;
    close(ends[0]);
    return pid;
}

/* ---- loads, each a process that runs until it is ended ---- */

static void send_all(int fd, const char *p, size_t n) {
    ssize_t k;
    for (; n > 0; p += k, n -= (size_t)k)
        if ((k = send(fd, p, n, MSG_NOSIGNAL)) <= 0) _exit(1);
}

static void load_download(void) {
    static char room[1 << 20];
    for (;;) {
        const int fd = connected(port);
        ssize_t   n;
        send_all(fd, "GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 59);
        do n = recv(fd, room, sizeof room, 0);
        while (n > 0);
        close(fd);
    }
}

static void load_pipelined(void) {
    static const char ask[] = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static char       all[DEEP * (sizeof ask - 1)], room[1 << 16];
    struct pollfd     fds[PIPES];
    size_t            sent[PIPES], i;
    for (i = 0; i < DEEP; i++) memcpy(all + i * (sizeof ask - 1), ask, sizeof ask - 1);
    for (i = 0; i < PIPES; i++) {
        fds[i].fd = connected(port);
        fds[i].events = POLLIN | POLLOUT;
        sent[i] = 0;
    }
    while (poll(fds, PIPES, -1) > 0) {
        for (i = 0; i < PIPES; i++) {
            ssize_t n;
            if (fds[i].revents & POLLIN && recv(fds[i].fd, room, sizeof room, MSG_DONTWAIT) == 0)
                _exit(1);
            if (!(fds[i].revents & POLLOUT)) continue;
            n = send(fds[i].fd, all + sent[i], sizeof all - sent[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n > 0) sent[i] = (sent[i] + (size_t)n) % sizeof all;
        }
    }
}

static void post_stored(void) {
    char      room[1000];
    const int fd = connected(port);
    send_all(fd,
        "POST /publish/stored HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n",
        88);
    while (recv(fd, room, sizeof room, 0) > 0) {
    }
    close(fd);
}

/* Somebody has the database; an event that is to be kept in it is pending. */
static void load_lock(void) {
    sqlite3 *other;
    sqlite3_open("a.db", &other);
    sqlite3_busy_timeout(other, 10000);
    if (sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL)) _exit(1);
    post_stored();
    for (;;) pause();
}

static void load_stored(void) { /* two commits a second */
    for (;;) {
        post_stored();
        usleep(500000);
    }
}

/* 8 texts in br and gzip in turns, more than are kept; who asks does not wait for the rest */
static void load_compressed(void) {
    char     ask[200], room[1000];
    unsigned i;
    for (i = 0;; i++) {
        const int fd = connected(port);
        const int n = snprintf(ask, sizeof ask,
            "GET /texts/%u.txt HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: %s\r\n\r\n",
            i / 2 % TEXTS, i % 2 ? "gzip" : "br");
        send_all(fd, ask, (size_t)n);
        (void)!recv(fd, room, sizeof room, 0);
        close(fd);
    }
}

enum { DOWNLOAD = 1, PIPELINED = 2, LOCK = 4, COMPRESSED = 8, STORED = 16, ALL = 31 };
static void (*const loads[])(void) = {
    load_download,
    load_pipelined,
    load_lock,
    load_compressed,
    load_stored,
};

static int start_loads(int which, pid_t *pids) {
    int i, n = 0;
    for (i = 0; i < 5; i++) {
        if (!(which >> i & 1)) continue;
        pids[n] = fork();
        if (pids[n] == 0) {
            struct sched_param plain;
            memset(&plain, 0, sizeof plain);
            (void)sched_setscheduler(0, SCHED_OTHER, &plain);
            loads[i]();
            _exit(1);
        }
        n++;
    }
    return n;
}

/* ---- measuring ---- */

static double page_ms[MOST], event_ms[MOST];

static int await(int fd, const char *what) { /* in what comes next. 0: the connection has ended */
    char    room[4096];
    size_t  len = 0;
    ssize_t n;
    do {
        if (len == sizeof room - 1) len = 0;
        n = recv(fd, room + len, sizeof room - 1 - len, 0);
        if (n <= 0) return 0;
        len += (size_t)n;
        room[len] = '\0';
    } while (!strstr(room, what));
    return 1;
}

static int measure(double seconds) { /* how often; -1: a connection has ended */
    static const char get[] = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char post[] =
        "POST /publish/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    const int            page = connected(port), poster = connected(port), stream = connected(port);
    const struct timeval late = {60, 0};
    const double         from = now_s();
    double               due = from;
    int                  n = 0;
    setsockopt(page, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
    setsockopt(poster, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
    setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
    send_all(stream, "GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
        71);
    if (!await(stream, "\r\n\r\n")) return -1;
    for (; n < MOST && due - from < seconds; due += EVERY_US * 1e-6) {
        const double early = due - now_s();
        if (early > 0) usleep((useconds_t)(early * 1e6));
        send_all(page, get, sizeof get - 1);
        if (!await(page, "ok")) return -1;
        page_ms[n] = (now_s() - due) * 1e3;
        due += EVERY_US * 1e-6;
        if (due > now_s()) usleep((useconds_t)((due - now_s()) * 1e6));
        send_all(poster, post, sizeof post - 1);
        if (!await(stream, "data: an event")) return -1;
        event_ms[n++] = (now_s() - due) * 1e3;
        if (!await(poster, "\r\n\r\n")) return -1;
    }
    close(page);
    close(poster);
    close(stream);
    return n;
}

struct load {
    const char *name;
    int         which;
    const char *busy_ms;
};

static double bar_page, bar_event; /* 0: the first row sets them */

static int row(const char *program, const char *preload, const struct load *load, double seconds) {
    pid_t       pids[5];
    int         n, i, count;
    double      p[4];
    const pid_t server = serve_apart(program, load->which & STORED ? preload : NULL, load->busy_ms);
    if (server < 0 || !port) return 1;
    count = start_loads(load->which, pids);
    usleep(300000);
    n = measure(seconds);
    for (i = 0; i < count; i++) server_stop(pids[i]);
    server_stop(server);
    unlink("a.db");
    unlink("a.db-wal");
    unlink("a.db-shm");
    unlink("a.db-sse");
    if (n < 0) return 1;
    p[0] = part(page_ms, (size_t)n, 0.5);
    p[1] = part(page_ms, (size_t)n, 0.99);
    p[2] = part(event_ms, (size_t)n, 0.5);
    p[3] = part(event_ms, (size_t)n, 0.99);
    if (!load->which) {
        bar_page = p[1] * 3 > 50 ? p[1] * 3 : 50;
        bar_event = p[3] * 3 > 50 ? p[3] * 3 : 50;
    }
    printf("%-34s %6d %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f  %s\n", load->name, n, p[0], p[1],
        page_ms[n - 1], p[2], p[3], event_ms[n - 1],
        p[1] <= bar_page && p[3] <= bar_event ? "" : "over the bar");
    fflush(stdout);
    return 0;
}

static int make_files(void) {
    FILE *f = fopen("big.bin", "w");
    char  name[20];
    int   i;
    long  k;
    if (!f || ftruncate(fileno(f), (off_t)big_bytes)) return 1;
    fclose(f);
    for (i = 0; i < TEXTS; i++) {
        snprintf(name, sizeof name, "%d.txt", i);
        f = fopen(name, "w");
        for (k = 0; f && ftell(f) < TEXT_BYTES; k++)
            fprintf(f, "row %ld of the table %d, %lx\n", k, i,
                (unsigned long)k * 2654435761UL % 1000003UL);
        if (!f) return 1;
        fclose(f);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct load all[] = {
        {"undisturbed", 0, "0"},
        {"a download of 3 GB", DOWNLOAD, "0"},
        {"10 connections, 2,000 requests deep", PIPELINED, "0"},
        {"16 compressed variants in turns", COMPRESSED, "0"},
        {"a lock on the database, busy_ms 100", LOCK, "100"},
        {"a lock on the database", LOCK, "0"},
        {"an fsync of 1 s", STORED, "0"},
        {"all together", ALL, "0"},
    };
    const double seconds = argc > 1 ? atof(argv[1]) : 5,
                 lock_seconds = argc > 2 ? atof(argv[2]) : 40;
    struct sched_param first;
    char               program[4096], preload[4200];
    const ssize_t      len = readlink("/proc/self/exe", program, sizeof program - 1);
    unsigned           i;
    int                failed = 0;
    if (argc > 2 && strcmp(argv[1], "serve") == 0) return serve(argv[2]);
    program[len > 0 ? len : 0] = '\0';
    snprintf(preload, sizeof preload, "%s", program);
    *strrchr(preload, '/') = '\0';
    *strrchr(preload, '/') = '\0';
    strcat(preload, "/slow_fsync.so");
    if (!mkdtemp(dir) || chdir(dir) || make_files()) return 1;
    on_core(1);
    memset(&first, 0, sizeof first);
    first.sched_priority = 1;
    if (sched_setscheduler(0, SCHED_FIFO, &first))
        puts("(without the right to run first: figures are those of the loads' processes, too)");
    printf("%-34s %6s %26s %26s\n%-34s %6s %8s %8s %8s %8s %8s %8s\n", "ms", "", "page", "event",
        "", "times", "p50", "p99", "most", "p50", "p99", "most");
    for (i = 0; i < sizeof all / sizeof *all && !failed; i++) {
        if (i && argc > 3 && i != (unsigned)atoi(argv[3])) continue;
        failed = row(program, preload, &all[i],
            strcmp(all[i].busy_ms, "0") == 0 && all[i].which & LOCK ? lock_seconds : seconds);
    }
    printf("the bar: p99 of %.0f ms for a page, %.0f ms for an event\n", bar_page, bar_event);
    for (i = 0; i < TEXTS; i++) {
        snprintf(program, sizeof program, "%u.txt", i);
        unlink(program);
    }
    unlink("big.bin");
    return rmdir(dir) || failed;
}
