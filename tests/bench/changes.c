/* How long it takes from a commit until the last of 1,000 readers has what it changed: a live view,
   by a commit on the loop and by one of another process, against a bare sse_publish of the same
   bytes.
   usage: changes [ROUNDS]   default: 300 of each */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "crowd.h"
#include "figures.h"

enum { READERS = 1000, MOST = 100000 };

static const char file[] = "/tmp/sse-bench-changes.db";
static int        go[2]; /* a byte: 'p' publish, 'c' commit */

static sse_db *db;

static void forget_files(void) {
    unlink(file);
    unlink("/tmp/sse-bench-changes.db-wal");
    unlink("/tmp/sse-bench-changes.db-shm");
}

static void view(sse_view *v, sse_buf *out, void *user) {
    long long n;
    (void)v;
    (void)user;
    sse_db_one(db, &n, "SELECT n FROM counter");
    sse_printf(out, "%0100lld", n);
}

static void events(sse_req *req, void *user) {
    static const sse_event hello = {.data = "welcome"};
    sse_stream             s = sse_stream_open(req, NULL);
    (void)user;
    sse_subscribe(s, "news");
    sse_stream_send(s, &hello);
}

static void next(sse_app *app, int fd, int what, void *user) {
    static long long n;
    char             text[128], kind;
    sse_event        event;
    (void)what;
    (void)user;
    if (read(fd, &kind, 1) != 1) {
        sse_stop(app);
        return;
    }
    if (kind == 'c') {
        sse_db_exec(db, "UPDATE counter SET n = n + 1");
        return;
    }
    memset(&event, 0, sizeof event);
    snprintf(text, sizeof text, "%0100lld", ++n);
    event.data = text;
    sse_publish(app, "news", &event);
}

static void ready(sse_app *app, void *user) {
    dprintf(*(int *)user, "http://127.0.0.1:%d", sse_port(app));
}

static void serve(int out, int argument) {
    sse_app_options   options;
    sse_serve_options at;
    sse_live_options  live;
    sse_app          *app;
    (void)argument;
    close(go[1]);
    memset(&options, 0, sizeof options);
    memset(&at, 0, sizeof at);
    memset(&live, 0, sizeof live);
    options.on_init = ready;
    options.user = &out;
    app = sse_app_new(&options);
    db = sse_db_open(file, NULL);
    live.db = db;
    live.format = SSE_AS_DATA;
    sse_live(app, "/view", view, &live);
    sse_get(app, "/events", events, NULL);
    sse_watch(app, go[0], SSE_READ, next, NULL);
    at.port = SSE_ANY_PORT;
    sse_serve(app, &at);
    sse_app_free(app);
    sse_db_close(db);
}

/* ---- measuring ---- */

static double p99(const char *name, double *ms, int rounds) {
    const double late = part(ms, (size_t)rounds, 0.99);
    printf("%-42s p50 %6.2f ms   p99 %6.2f ms\n", name, part(ms, (size_t)rounds, 0.5), late);
    fflush(stdout);
    return late;
}

static struct crowd crowd;

/* kind 'o': another connection, in this process */
static double measure(const char *name, const char *target, int port, int rounds, char kind) {
    static double ms[MOST];
    sqlite3      *other = NULL;
    int           i;
    crowd.coding = "br";
    crowd_join(&crowd, port, target, READERS, 10);
    if (crowd.joined < READERS) exit(1);
    sqlite3_open(file, &other);
    sqlite3_busy_timeout(other, 5000);
    for (i = 0; i < rounds; i++) {
        const uint64_t want = crowd.events + READERS;
        const double   from = now_s();
        if (kind == 'o') sqlite3_exec(other, "UPDATE counter SET n = n + 1", NULL, NULL, NULL);
        else if (write(go[1], &kind, 1) != 1) exit(1);
        while (crowd.events < want && now_s() < from + 5) crowd_read(&crowd, 100);
        ms[i] = (now_s() - from) * 1e3;
        usleep(3000);
    }
    sqlite3_close(other);
    crowd_leave(&crowd);
    usleep(100000);
    return p99(name, ms, rounds);
}

int main(int argc, char **argv) {
    const int rounds =
        argc > 1 && sse_parse_int(argv[1], 0) <= MOST ? (int)sse_parse_int(argv[1], 300) : 300;
    int    port;
    double bare, ours, others, user, system_s;
    pid_t  pid;
    many_descriptors();
    forget_files();
    db = sse_db_open(file, NULL);
    sse_db_migrate(db, "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)");
    sse_db_close(db);
    if (rounds < 1 || pipe(go)) return 1;
    pid = server_start(serve, 0, &port);
    bare = measure("sse_publish", "/events", port, rounds, 'p');
    ours = measure("a commit on the loop", "/view", port, rounds, 'c');
    others = measure("a commit of another process", "/view", port, rounds, 'o');
    cpu_s(pid, &user, &system_s);
    printf("to the last of %d readers, p99: on the loop %.2f times sse_publish (bar: 2), "
           "another process %.1f ms (bar: 50)\n",
        READERS, ours / bare, others);
    printf("the server took %.1f s of its core and %ld MB\n", user + system_s, rss_kb(pid) / 1024);
    server_stop(pid);
    forget_files();
    return 0;
}
