/* The timing wheel against a plain list of alarms; timers, watches and calls on a real loop. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#if !defined(SSE_NO_THREADS)
#include <pthread.h>
#endif

enum { ALARMS = 400 };

typedef struct alarm {
    sse__alarm a;
    uint64_t   due;
    bool       armed;
} alarm_t;
static alarm_t    alarms[ALARMS];
static sse__wheel wheel;
static uint64_t   now;
static int        fired_early, fired_twice;

static void fired(sse__alarm *a) {
    alarm_t *x = SSE__CONTAINER(a, alarm_t, a);
    if (!x->armed) fired_twice++;
    if (x->due > now) fired_early++;
    x->armed = false;
}

static uint32_t seed = 1;
static uint32_t any(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(seed >> 1) * below) >> 31);
}

static void test_wheel(void) {
    static const uint64_t reach[] = {5, 70, 5000, 300000, 20000000, 2000000000};
    int                   overdue = 0, next_late = 0, step, i;
    now = 123456789;
    sse__wheel_init(&wheel, now);
    is_int(sse__wheel_next_ms(&wheel, now), -1, "an empty wheel waits for nothing");
    for (i = 0; i < ALARMS; i++) alarms[i].a.fn = fired;
    for (step = 0; step < 60000; step++) {
        alarm_t *x = &alarms[any(ALARMS)];
        uint64_t first = UINT64_MAX;
        int      next;
        if (any(4) == 0) {
            sse__alarm_cancel(&x->a);
            x->armed = false;
        } else {
            x->due = now + any((uint32_t)reach[any(6)]);
            x->armed = true;
            sse__alarm_set(&wheel, &x->a, x->due);
        }
        for (i = 0; i < ALARMS; i++)
            if (alarms[i].armed && alarms[i].due < first) first = alarms[i].due;
        next = sse__wheel_next_ms(&wheel, now);
        if (first != UINT64_MAX && (next < 0 || now + (uint64_t)next > (first > now ? first : now)))
            next_late++;
        if (any(8) == 0 && next >= 0) now += any(3) ? (uint64_t)next : any(100000);
        sse__wheel_advance(&wheel, now);
        for (i = 0; i < ALARMS; i++)
            if (alarms[i].armed && alarms[i].due <= now) overdue++;
    }
    is_int(fired_early, 0, "no alarm fires before it is due");
    is_int(fired_twice, 0, "none fires twice, or after it was cancelled");
    is_int(overdue, 0, "none is left behind when its time has come");
    is_int(next_late, 0, "the time to wait is never past the first one");
}

/* W3: how much CPU time 100,000 moves take, at best, among so many armed alarms. */
static clock_t cost_among(size_t n) {
    sse__alarm *many = (sse__alarm *)calloc(n, sizeof *many);
    clock_t     best = -1;
    size_t      i;
    int         round, k;
    sse__wheel_init(&wheel, 1000);
    for (i = 0; i < n; i++) sse__alarm_set(&wheel, &many[i], 2000 + any(10000));
    for (round = 0; round < 5; round++) {
        const clock_t began = clock();
        clock_t       took;
        for (k = 0; k < 100000; k++) {
            sse__alarm *a = &many[any(50)];
            if (k & 1) sse__alarm_cancel(a);
            else sse__alarm_set(&wheel, a, 2000 + any(10000));
        }
        took = clock() - began;
        if (best < 0 || took < best) best = took;
    }
    free(many);
    return best;
}

static void test_cost(void) {
    const clock_t few = cost_among(50), many = cost_among(50000);
    ok(many < 20 * few + 20,
        "moving one of 50,000 alarms costs what moving one of 50 does "
        "(%ld, %ld)",
        (long)many, (long)few);
}

static int  rearmed;
static void rearm(sse__alarm *a) {
    if (++rearmed < 100) sse__alarm_set(&wheel, a, 0);
}

static void test_due_again(void) {
    static sse__alarm a;
    a.fn = rearm;
    sse__wheel_init(&wheel, 1000);
    sse__alarm_set(&wheel, &a, 900);
    sse__wheel_advance(&wheel, 1000);
    is_int(rearmed, 1, "an alarm set to be due at once while it fires waits for the next time");
    is_int(sse__wheel_next_ms(&wheel, 1000), 0, "which is now");
}

/* ---- on a real loop ------------------------------------------------------------ */

static int       ticks, calls, lines, reads;
static sse_timer every;

static void tick(sse_app *app, void *user) {
    (void)user;
    if (++ticks == 3) {
        is_int(sse_timer_cancel(every), SSE_OK, "a timer ends itself"); /* TI1 */
        is_int(sse_timer_cancel(every), SSE_E_CLOSED, "only once");
    }
    (void)app;
}

static void stop(sse_app *app, void *user) { /* when all has come, or 30 s have passed */
    static int waited;
    (void)user;
    if ((ticks < 3 || lines < 15) && waited++ < 375) sse_after(app, 80, stop, NULL);
    else sse_stop(app);
}

static void called(sse_app *app, void *user) {
    (void)app;
    calls += *(int *)user;
}

static char heard[200];
static void empty(sse_app *app, const char *text, void *user) {
    (void)app;
    (void)user;
    if (!text) lines += 10;
}

static void line(sse_app *app, const char *text, void *user) {
    (void)app;
    (void)user;
    lines++;
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "[%s]", text ? text : "end");
}

static void readable(sse_app *app, int fd, int events, void *user) {
    char c;
    (void)user;
    if (read(fd, &c, 1) == 1 && (events & SSE_READ) && ++reads == 2)
        sse_watch(app, fd, 0, NULL, NULL);
}

#if !defined(SSE_NO_THREADS)
static void *from_thread(void *user) {
    static int one = 1;
    int        i;
    for (i = 0; i < 1000; i++) sse_call((sse_app *)user, called, &one);
    return NULL;
}
#endif

static void test_loop(void) {
    sse_app  *app = sse_app_new(NULL), *wrong = sse_app_new(NULL);
    int       lines_fd[2], watch_fd[2], null_fd, hundred = 100;
    sse_timer never;
#if !defined(SSE_NO_THREADS)
    pthread_t thread;
#endif
    if (pipe(lines_fd) || pipe(watch_fd)) return;
    null_fd = open("/dev/null", O_RDONLY);
    every = sse_every(app, 5, tick, NULL);
    never = sse_after(app, 10, stop, NULL);
    ok(every.app && never.app, "timers start");
    is_int(sse_timer_cancel(never), SSE_OK, "one is cancelled");
    ok(!sse_every(wrong, 0, tick, NULL).app, "every 0 ms is no timer");
    sse_app_free(wrong);
    ok(!sse_after(app, -1, tick, NULL).app, "nor is after -1 ms");
    ok(!sse_after(NULL, 1, tick, NULL).app, "nor one without an app");
    sse_after(app, 80, stop, NULL);
    is_int(sse_call(app, called, &hundred), SSE_OK, "a call before the loop runs");
    is_int(sse_call(app, NULL, NULL), SSE_E_ARG, "a call of nothing");
    is_int(sse_watch_lines(app, lines_fd[0], line, NULL), SSE_OK, "lines of a pipe");
    is_int(sse_watch(app, watch_fd[0], SSE_READ, readable, NULL), SSE_OK, "a pipe");
    is_int(sse_watch(app, watch_fd[0], 64, readable, NULL), SSE_E_ARG, "events that there are not");
    is_int(sse_watch(app, -1, SSE_READ, readable, NULL), SSE_E_ARG, "no descriptor");
    is_int(sse_watch_lines(app, null_fd, empty, NULL), SSE_OK, "a descriptor that no poller takes");
    ok(write(lines_fd[1], "one\ntwo\r\n\nlast", 14) == 14 && write(watch_fd[1], "abc", 3) == 3,
        "(written)");
    close(lines_fd[1]);
#if !defined(SSE_NO_THREADS)
    pthread_create(&thread, NULL, from_thread, app);
#endif
    while (sse_poll(app, -1) > 0) {
    }
#if !defined(SSE_NO_THREADS)
    pthread_join(thread, NULL);
    sse_poll(app, 0);
    ok(calls >= 100, "calls of another thread ran");
#endif
    is_int(ticks, 3, "the timer fired until it ended");
    is_str(strstr(heard, "[one]"), "[one][two][][last][end]",
        "lines come without their breaks, and then the end");
    is_int(lines, 15, "the empty file ended at once");
    is_int(reads, 2, "a watch that ended itself is not called again"); /* TI1 */
    sse_app_free(app);
#if !defined(SSE_NO_THREADS)
    is_int(calls, 1100, "every call ran exactly once, at the latest when the app was freed");
#endif
    close(watch_fd[0]);
    close(watch_fd[1]);
    close(lines_fd[0]);
    close(null_fd);
}

/* ---- descriptors that no poller takes, and urgent bytes ---- */

static char said[600]; /* the latest warning */
static int  nfired, fired_events;

static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(said, sizeof said, "%s", text);
}

static void fire(sse_app *app, int fd, int events, void *user) {
    char c;
    (void)app;
    nfired++;
    fired_events = events;
    if (user && read(fd, &c, 1) < 0) nfired += 1000;
}

static int turns_until(sse_app *app, int fired) { /* how many turns of the loop */
    const uint64_t until = sse__clock_ms() + 60000;
    int            n = 0;
    while (nfired < fired && sse__clock_ms() < until && sse_poll(app, 20) > 0) n++;
    return n;
}

static void test_plain_file(sse_app *app) {
    char      name[] = "/tmp/sse-loop-XXXXXX";
    const int fd = mkstemp(name);
    int       turned;
    uint64_t  began;
    if (fd < 0 || write(fd, "0123456789", 10) != 10) return;
    unlink(name);
    nfired = 0;
    is_int(sse_watch(app, fd, SSE_READ, fire, NULL), 0, "a plain file that nobody reads");
    turned = turns_until(app, 4);
    ok(nfired == 4 && turned < 60, "... does not turn the loop (%d calls, %d turns)", nfired,
        turned);
    lseek(fd, 0, SEEK_SET);
    nfired = 0;
    is_int(sse_watch(app, fd, SSE_READ, fire, app), 0, "one that is read");
    began = sse__clock_ms();
    turned = turns_until(app, 11);
    ok(nfired >= 11 && turned < 25, "... is read at once (%d calls, %d turns)", nfired, turned);
    turns_until(app, 14);
    ok(sse__clock_ms() - began >= 2 * SSE__WATCH_AGAIN_MS, "... and then rarely");
    is_int(sse_watch(app, fd, 0, NULL, NULL), 0, "(no more)");
    said[0] = '\0';
    nfired = 0; /* poll takes it, and never tells of it */
    is_int(sse_watch(app, fd, SSE_PRI, fire, NULL), SSE__EPOLL ? SSE_E_IO : SSE_OK,
        "it has no urgent bytes");
    ok(!SSE__EPOLL || strstr(said, "cannot be waited for: "), "... in words: %s", said);
    for (turned = 0; turned < 3; turned++) sse_poll(app, 20);
    is_int(nfired, 0, "... and none is told of");
    is_int(sse_watch(app, fd, 0, NULL, NULL), 0, "(no more)");
    close(fd);
    said[0] = '\0';
    poll(NULL, 0, 1001);
    is_int(sse_watch(app, fd, SSE_READ, fire, NULL), SSE_E_IO, "a descriptor that is closed");
    ok(strstr(said, "sse_watch: descriptor ") && strstr(said, strerror(EBADF)), "... likewise: %s",
        said);
    is_int(sse_watch_lines(app, -1, line, NULL), SSE_E_ARG, "none at all");
    ok(strstr(said, "sse_watch_lines: descriptor -1 is none") != NULL, "... likewise: %s", said);
}

static void test_urgent(sse_app *app) { /* the byte is out of band, as an edge of a GPIO is */
    const int          listener = socket(AF_INET, SOCK_STREAM, 0);
    const int          sender = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to;
    socklen_t          n = sizeof to;
    int                fd, turned;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&to, n) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&to, &n) ||
        connect(sender, (struct sockaddr *)&to, n))
        return;
    fd = accept(listener, NULL, NULL);
    nfired = 0;
    is_int(sse_watch(app, fd, SSE_PRI, fire, NULL), 0, "a watch for urgent bytes");
    ok(send(sender, "a", 1, 0) == 1, "(an ordinary one)");
    for (turned = 0; turned < 3; turned++) sse_poll(app, 20);
    is_int(nfired, 0, "... is not told of others");
    ok(send(sender, "!", 1, MSG_OOB) == 1, "(an urgent one)");
    turns_until(app, 1);
    ok(nfired > 0, "... but of these");
    is_int(fired_events, SSE_PRI, "... as such");
    sse_watch(app, fd, 0, NULL, NULL);
    close(fd);
    close(sender);
    close(listener);
}

static void test_room(sse_app *app) { /* to write */
    static char some[4096];
    int         fds[2], turned;
    if (pipe(fds) || fcntl(fds[1], F_SETFL, O_NONBLOCK)) return;
    while (write(fds[1], some, sizeof some) > 0) {
    }
    nfired = 0;
    is_int(sse_watch(app, fds[1], SSE_WRITE, fire, NULL), 0, "a watch for room in a pipe");
    for (turned = 0; turned < 3; turned++) sse_poll(app, 20);
    is_int(nfired, 0, "... is not told while it is full");
    while (nfired == 0 && read(fds[0], some, sizeof some) == sizeof some) sse_poll(app, 0);
    turns_until(app, 1);
    ok(nfired > 0, "... but when a reader has made room");
    is_int(fired_events, SSE_WRITE, "... as such");
    sse_watch(app, fds[1], 0, NULL, NULL);
    close(fds[0]);
    close(fds[1]);
}

/* A value of sysfs is a regular file to fstat, and yet it can be waited for. Its edge is told as
   that of the list of mounts is, here that of a child in namespaces of its own. */
static void edge(sse_app *app, int fd, int events, void *user) {
    char some[4096];
    (void)app, (void)user;
    nfired++;
    fired_events = events;
    lseek(fd, 0, SEEK_SET);
    while (read(fd, some, sizeof some) > 0) {
    }
}

static void child_that_mounts(int told, int ready) {
    char c = syscall(SYS_unshare, 0x10000000 | 0x00020000) ? 'x' : 'u'; /* NEWUSER, NEWNS */
    if (write(ready, &c, 1) == 1 && read(told, &c, 1) == 1 && c == 'm') {
        c = mount("none", "/proc", "tmpfs", 0, NULL) ? 'x' : 'm';
        if (write(ready, &c, 1) != 1) _exit(1);
    }
    while (read(told, &c, 1) > 0) {
    }
    _exit(0);
}

static void test_edge(sse_app *app) {
    int   tell[2], ready[2], fd, i;
    char  name[64], c = 0;
    pid_t pid;
    if (pipe(tell) || pipe(ready)) return;
    pid = fork();
    if (pid == 0) {
        close(tell[1]);
        child_that_mounts(tell[0], ready[1]);
    }
    ok(read(ready[0], &c, 1) == 1, "(a child)");
    snprintf(name, sizeof name, "/proc/%d/mountinfo", (int)pid);
    fd = open(name, O_RDONLY);
    nfired = 0;
    is_int(sse_watch(app, fd, SSE_PRI, edge, NULL), 0, "a watch for the edges of a regular file");
    edge(app, fd, 0, NULL);
    nfired = 0;
    for (i = 0; i < 3; i++) sse_poll(app, 20);
    is_int(nfired, 0, "... is not told without one");
    if (c == 'u' && write(tell[1], "m", 1) == 1 && read(ready[0], &c, 1) == 1 && c == 'm') {
        turns_until(app, 1);
        for (i = 0; i < 3; i++) sse_poll(app, 20);
        is_int(nfired, 1, "... but of each");
        is_int(fired_events, SSE_PRI, "... as such");
    } else ok(1, "... # SKIP namespaces of its own are not for this user");
    sse_watch(app, fd, 0, NULL, NULL);
    close(fd);
    close(tell[0]), close(tell[1]);
    waitpid(pid, NULL, 0);
    close(ready[0]), close(ready[1]);
}

static void test_descriptors(void) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    app = sse_app_new(&o);
    test_plain_file(app);
    test_urgent(app);
    test_room(app);
    test_edge(app);
    sse_app_free(app);
}

static int  late;
static void watch_late(sse_app *app, void *user) {
    late = sse_watch(app, *(int *)user, SSE_READ, readable, NULL);
}

static void test_late(void) {
    sse_app *app = sse_app_new(NULL);
    int      fds[2];
    if (pipe(fds)) return;
    sse_call(app, watch_late, &fds[0]);
    is_int(sse_watch(app, fds[0], SSE_READ, readable, NULL), SSE_OK, "a watch");
    sse_app_free(app);
    is_int(late, SSE_E_STATE, "none begins while the app is being freed");
    close(fds[0]);
    close(fds[1]);
}

/* W4 */
static int numbers[3000], ran;

static void number(sse_app *app, void *user) {
    (void)app;
    if (ran < 3000) numbers[ran] = *(int *)user;
    ran++;
}

static void again(sse_app *app, void *user) {
    ++*(int *)user;
    sse_call(app, again, user);
}

static void test_many_calls(void) {
    static int      values[2500];
    int             i, accepted = 0, rounds = 0, wrong = 0;
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    app = sse_app_new(&o);
    for (i = 0; i < 2500; i++) {
        values[i] = i;
        accepted += sse_call(app, number, &values[i]) == SSE_OK;
    }
    is_int(accepted, 2500, "many calls are accepted");
    sse_poll(app, -1);
    is_int(ran, 1000, "a turn runs some of them");
    sse_call(app, number, &values[0]);
    while (ran < 2501 && rounds++ < 10) sse_poll(app, -1);
    is_int(ran, 2501, "later ones the rest, without waiting");
    for (i = 0; i < 2500; i++) wrong += numbers[i] != i;
    is_int(wrong, 0, "in the order they were made");
    ran = 0;
    sse_call(app, again, &ran);
    for (i = 0; i < 5; i++) sse_poll(app, -1);
    is_int(ran, 5, "a call made by a call has its turn later");
    sse_app_free(app);
    is_int(ran, 6, "... and when the app is freed it ends");

    o.max_call_bytes = 100 * sizeof(sse__app_call);
    app = sse_app_new(&o);
    accepted = ran = 0;
    for (i = 0; i < 200; i++) accepted += sse_call(app, number, &values[i]) == SSE_OK;
    is_int(accepted, 100, "max_call_bytes of them may wait");
    is_int(sse_call(app, number, &values[0]), SSE_E_FULL, "then the caller is told");
    sse_poll(app, -1);
    is_int(ran, 100, "what was accepted runs");
    is_int(sse_call(app, number, &values[0]), SSE_OK, "... and there is room again");
    sse_app_free(app);
    is_int(ran, 101, "for one that runs as well");
}

int main(void) {
    test_wheel();
    test_cost();
    test_due_again();
    test_loop();
    test_descriptors();
    test_late();
    test_many_calls();
    return tap_done();
}
