/* The timing wheel against a plain list of alarms; timers, watches and calls on a real loop. */
#define _DEFAULT_SOURCE
#include <unistd.h>
static void (*meanwhile)(void); /* NULL: nothing. What happens before a read, and behind it */
static ssize_t read_of_test(int fd, void *to, size_t n) {
    ssize_t got;
    if (meanwhile) meanwhile();
    got = read(fd, to, n);
    if (meanwhile) meanwhile();
    return got;
}
#define read(fd, to, n) read_of_test(fd, to, n)
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

/* One that is due already, and put off before it fires. */
static int  nput_off;
static void count_put_off(sse__alarm *a) { (void)a, nput_off++; }

static void test_put_off(void) {
    static const uint64_t due[] = {999, 1000};
    static sse__alarm     a;
    size_t                i;
    a.fn = count_put_off;
    for (i = 0; i < SSE__COUNT(due); i++) {
        nput_off = 0;
        sse__wheel_init(&wheel, 1000);
        memset(&a.link, 0, sizeof a.link);
        sse__alarm_set(&wheel, &a, due[i]);
        sse__alarm_set(&wheel, &a, 1500);
        is_int(sse__wheel_next_ms(&wheel, 1000) > 0, 1, "an alarm that was due is put off");
        sse__wheel_advance(&wheel, 1499);
        is_int(nput_off, 0, "... and does not fire before");
        sse__wheel_advance(&wheel, 1500);
        is_int(nput_off, 1, "... but then");
    }
    sse__alarm_set(&wheel, &a, 1500 + (uint64_t)UINT32_MAX * 4);
    is_int(sse__wheel_next_ms(&wheel, 1500), INT32_MAX, "one that is further than an int is far");
    sse__alarm_cancel(&a);
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

static void fire_too(sse_app *app, int fd, int events, void *user) {
    (void)app, (void)fd, (void)events;
    ++*(int *)user;
}

static void test_anew(sse_app *app) {
    int fds[2], turned, second = 0;
    if (pipe(fds) || write(fds[1], "a", 1) != 1) return;
    nfired = 0;
    is_int(sse_watch(app, fds[0], SSE_READ, fire, NULL), 0, "a watch");
    is_int(sse_watch(app, fds[0], SSE_READ, fire_too, &second), 0, "... anew, for another");
    for (turned = 0; turned < 3; turned++) sse_poll(app, 20);
    ok(nfired == 0 && second > 0, "which alone is told: %d, %d", nfired, second);
    close(fds[1]);
    is_int(sse_watch(app, fds[0], SSE_READ, fire, NULL), 0, "a pipe whose writer has gone");
    turns_until(app, 1);
    is_int(fired_events, SSE_READ, "... is told of as what was asked for");
    sse_watch(app, fds[0], 0, NULL, NULL);
    close(fds[0]);
}

static void test_always(sse_app *app) { /* descriptors that are always ready */
    const int null_fd = open("/dev/null", O_RDWR);
    int       turned;
    nfired = 0;
    is_int(sse_watch(app, null_fd, SSE_READ | SSE_PRI, fire, NULL), 0, "reading from /dev/null");
    turns_until(app, 1);
    is_int(fired_events, SSE_READ, "... is told of");
    nfired = 0;
    is_int(sse_watch(app, null_fd, SSE_WRITE, fire, NULL), 0, "writing to it");
    turns_until(app, 1);
    is_int(fired_events, SSE_WRITE, "... likewise");
    sse_watch(app, null_fd, 0, NULL, NULL);
    nfired = 0;
    for (turned = 0; turned < 3; turned++) sse_poll(app, 20);
    is_int(nfired, 0, "until nobody watches it");
    close(null_fd);
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
    test_anew(app);
    test_always(app);
    test_edge(app);
    sse_app_free(app);
}

/* ---- timers, in a time that stands still ---- */

static int  nticks, cancelled;
static void count_tick(sse_app *app, void *user) { (void)app, (void)user, nticks++; }
static void cancels_itself(sse_app *app, void *user) {
    (void)app;
    cancelled = sse_timer_cancel(*(sse_timer *)user);
}

static void held(sse_app *app, int ms, int want, const char *name) { /* for so long, at once */
    nticks = 0;
    app->loop.still_ms += (uint64_t)ms;
    sse_test_run(app, 0);
    is_int(nticks, want, name);
}

static void test_time_of_day(void) {
    sse_app      *app = sse_app_new(NULL);
    const int64_t before = time(NULL);
    int64_t       runs = sse__loop_wall_ms(&app->loop), stands;
    sse_test_run(app, 0);
    stands = sse__loop_wall_ms(&app->loop);
    ok(runs >= before * 1000 && stands >= runs && stands < (int64_t)(time(NULL) + 2) * 1000,
        "the time of day, while the clock runs, and where it stands still");
    runs = sse__loop_wall_ms(&app->loop);
    is_int(runs, stands, "... does so, too");
    sse_test_run(app, 1234);
    is_int(sse__loop_wall_ms(&app->loop) - stands, 1234, "... and goes on with it");
    sse_app_free(app);
}

static void test_timers(void) {
    sse_app  *app = sse_app_new(NULL);
    sse_timer once, again_and_again;
    sse_test_run(app, 0);
    sse_every(app, 100, count_tick, NULL);
    held(app, 99, 0, "a timer of 100 ms");
    held(app, 1, 1, "... fires");
    held(app, 250, 1, "the loop was held: it fires once");
    held(app, 99, 0, "... and does not catch up");
    held(app, 1, 1, "... but goes on from then");
    held(app, 200, 1, "held until it would fire again: once");
    held(app, 99, 0, "... likewise");
    held(app, 1, 1, "... it goes on");
    held(app, 130, 1, "a little late");
    held(app, 69, 0, "... is made up for");
    held(app, 1, 1, "... by the next one");
    sse_app_free(app);
    app = sse_app_new(NULL);
    sse_test_run(app, 0);
    app->loop.still_ms += 1000; /* since the loop turned */
    sse_after(app, 500, count_tick, NULL);
    held(app, 499, 0, "a time begins when it is asked for, not at the turn of the loop");
    held(app, 1, 1, "... and is over then");
    once = sse_after(app, 0, cancels_itself, &once);
    sse_test_run(app, 0);
    is_int(cancelled, SSE_E_CLOSED, "a timer that fires once has ended when it does");
    again_and_again = sse_every(app, 1, count_tick, NULL);
    ok(again_and_again.app != NULL, "one of 1 ms");
    nticks = 0;
    sse_test_run(app, 10);
    is_int(nticks, 10, "... fires ten times in ten");
    is_int(sse_timer_cancel(again_and_again), SSE_OK, "... until it is cancelled");
    sse_test_run(app, 10);
    is_int(nticks, 10, "... then no more");
    is_int(sse_timer_cancel(again_and_again), SSE_E_CLOSED, "... and is over");
    sse_app_free(app);
}

/* What each of them finds the count of callbacks at: it is another one. */
static uint32_t upcalls[6];
static int      nupcalls;
static void     note_upcall(sse_app *app, void *user) {
        (void)user;
        upcalls[nupcalls++ % 6] = app->loop.upcall;
}
static void note_watch(sse_app *app, int fd, int events, void *user) {
    (void)events;
    sse_watch(app, fd, 0, NULL, NULL);
    note_upcall(app, user);
}

static void test_upcalls(void) {
    sse_app *app = sse_app_new(NULL);
    int      fds[2], i, k, same = 0, other;
    if (pipe(fds) || write(fds[1], "a", 1) != 1) return;
    other = dup(fds[0]);
    nupcalls = 0;
    sse_call(app, note_upcall, NULL);
    sse_call(app, note_upcall, NULL);
    sse_after(app, 0, note_upcall, NULL);
    sse_after(app, 0, note_upcall, NULL);
    sse_watch(app, fds[0], SSE_READ, note_watch, NULL);
    sse_watch(app, other, SSE_READ, note_watch, NULL);
    for (i = 0; i < 30000 && nupcalls < 6; i++) sse_poll(app, 20);
    is_int(nupcalls, 6, "two calls, two timers, two watches");
    for (i = 0; i < 6; i++)
        for (k = 0; k < i; k++) same += upcalls[i] == upcalls[k];
    is_int(same, 0, "... are six callbacks");
    sse_app_free(app);
    close(fds[0]), close(fds[1]), close(other);
}

/* ---- what is said of them ---- */

static void test_said(void) {
    sse_app_options o;
    sse_app        *app;
    char            want[200];
    int             fds[2];
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    app = sse_app_new(&o);
    if (pipe(fds)) return;
    said[0] = '\0';
    ok(sse_after(app, 0, called, NULL).app && sse_every(app, 1, called, NULL).app, "(timers)");
    sse_app_free(app);
    is_str(said, "", "of timers that are fine nothing is said");
    app = sse_app_new(&o);
    ok(!sse_after(app, -1, called, NULL).app, "a time that is past");
    is_str(said, "sse_after: ms is negative", "... in words");
    sse_app_free(app);
    app = sse_app_new(&o);
    ok(!sse_after(app, 1, NULL, NULL).app, "a timer of nothing");
    is_str(said, "sse_after: fn is NULL", "... in words");
    is_int(sse_watch(app, fds[0], 64, fire, NULL), SSE_E_ARG, "events that there are not");
    is_str(said, "sse_watch: events 64: of SSE_READ, SSE_WRITE, SSE_PRI, or 0", "... in words");
    is_int(sse_watch(app, fds[0], 0, NULL, NULL), SSE_OK, "no more of what was not watched");
    is_int(sse_watch_lines(app, fds[0], NULL, NULL), SSE_E_ARG, "lines for nobody");
    is_str(said, "sse_watch_lines: fn is NULL", "... in words");
    sse_app_free(app);
    app = sse_app_new(&o);
    is_int(sse_watch(app, fds[0], SSE_READ, NULL, NULL), SSE_E_ARG, "a watch for nobody");
    is_str(said, "sse_watch: fn is NULL", "... in words");
    close(fds[0]), close(fds[1]);
    is_int(sse_watch_lines(app, fds[0], line, NULL), SSE_E_IO, "lines of what is closed");
    snprintf(want, sizeof want, "sse_watch_lines: descriptor %d: %s", fds[0], strerror(EBADF));
    is_str(said, want, "... in words");
    sse_app_free(app);
}

/* ---- lines ---- */

static char   some_heard[200];
static size_t longest;
static int    file_fd;
static void   hear_some(sse_app *app, const char *text, void *user) { /* until one says stop */
    const size_t n = strlen(some_heard);
    (void)user;
    if (text && strlen(text) > longest) longest = strlen(text);
    snprintf(some_heard + n, sizeof some_heard - n, "[%.9s]", text ? text : "end");
    if (text && strcmp(text, "stop") == 0) sse_watch(app, file_fd, 0, NULL, NULL);
    if (text && strcmp(text, "again") == 0) sse_watch_lines(app, file_fd, hear_some, NULL);
}

/* What a file of n times x and of text is heard as. */
static void hear_all(size_t n, const char *text, const char *want, const char *name) {
    static char xs[SSE__LINE_MAX + 5000];
    char        file[] = "/tmp/sse-loop-XXXXXX";
    sse_app    *app;
    int         turned;
    memset(xs, 'x', sizeof xs);
    some_heard[0] = '\0';
    file_fd = mkstemp(file);
    unlink(file);
    app = sse_app_new(NULL);
    ok(write(file_fd, xs, n) == (ssize_t)n &&
            write(file_fd, text, strlen(text)) == (ssize_t)strlen(text) &&
            lseek(file_fd, 0, SEEK_SET) == 0,
        "(a file)");
    is_int(sse_watch_lines(app, file_fd, hear_some, NULL), SSE_OK, "its lines");
    for (turned = 0; turned < 30000 && strcmp(some_heard, want) != 0; turned++) sse_poll(app, 20);
    for (turned = 0; turned < 3; turned++) sse_poll(app, 0);
    is_str(some_heard, want, name);
    sse_app_free(app);
    close(file_fd);
}

static void hear_more(sse_app *app, const char *text, void *user) {
    strcat(some_heard, text ? text : "(end)");
    strcat(some_heard, user ? "2 " : "1 ");
    if (text && strcmp(text, "head") == 0) sse_watch_lines(app, file_fd, hear_more, some_heard);
}

/* A watch of lines that is changed, by itself too, misses nothing of what it has read. */
static void change_lines(void) {
    sse_app *app = sse_app_new(NULL);
    int      fds[2], turned;
    if (pipe(fds)) return;
    some_heard[0] = '\0';
    file_fd = fds[0];
    is_int(sse_watch_lines(app, file_fd, hear_more, NULL), SSE_OK, "lines");
    ok(write(fds[1], "one\nhead\nb\nha", 13) == 13, "(some)");
    for (turned = 0; turned < 30000 && !strstr(some_heard, "b2"); turned++) sse_poll(app, 20);
    for (turned = 0; turned < 3; turned++) sse_poll(app, 0);
    is_str(some_heard, "one1 head1 b2 ", "who took over in a line has the next");
    is_int(sse_watch_lines(app, file_fd, hear_more, NULL), SSE_OK, "another one");
    ok(write(fds[1], "lf\nlast", 7) == 7, "(more)");
    close(fds[1]);
    for (turned = 0; turned < 30000 && !strstr(some_heard, "(end)"); turned++) sse_poll(app, 20);
    is_str(some_heard, "one1 head1 b2 half1 last1 (end)1 ", "... has half a line, and the end");
    sse_app_free(app);
    close(fds[0]);
}

/* The number of a watch that was not ended names another pipe by now: of what had it before, a pipe
   or a plain file, no half line is left, nor that it can always be read. */
static void lines_of_another(void) {
    sse_app *app = sse_app_new(NULL);
    int      fds[2], next[2], turned, round;
    for (round = 0; round < 2; round++) {
        FILE *plain = tmpfile();
        if (!plain || pipe(fds) || pipe(next)) return;
        some_heard[0] = '\0';
        ok(write(fds[1], "half", 4) == 4 && fputs("half", plain) >= 0, "(half a line)");
        rewind(plain);
        if (round) dup2(fileno(plain), fds[0]);
        (void)sse_watch_lines(app, fds[0], hear_more, NULL);
        if (!round) sse_poll(app, 20);
        ok(dup2(next[0], fds[0]) == fds[0], "(another)");
        is_int(sse_watch_lines(app, fds[0], hear_more, some_heard), SSE_OK, "its lines");
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
        for (turned = 0; turned < 3; turned++) sse_poll(app, 0);
        ok(!SSE__CONTAINER(app->watches.next, sse__watch, link)->always, "... are waited for");
        ok(write(next[1], "another\n", 8) == 8, "(a line)");
        for (turned = 0; turned < 30000 && !some_heard[0]; turned++) sse_poll(app, 20);
        is_str(some_heard, "another2 ", "... come");
        close(fds[0]);
        is_int(sse_watch_lines(app, fds[0], hear_more, NULL), SSE_E_IO, "of none there are none");
        fclose(plain);
        close(fds[1]), close(next[0]), close(next[1]);
    }
    sse_app_free(app);
}

static void standard_input(void) { /* is a descriptor like others */
    const int kept = dup(0);
    close(0);
    hear_all(0, "one\ntwo", "[one][two][end]", "a last line without its break, and the end");
    is_int(file_fd, 0, "... of descriptor 0");
    if (kept >= 0) dup2(kept, 0), close(kept);
}

static void test_lines(void) {
    standard_input();
    change_lines();
    hear_all(0, "one\nagain\nthree\n", "[one][again][three][end]", "... of a plain file");
    lines_of_another();
    hear_all(1, "\r\ntwo\n\r\nthree\rfour\r", "[x][two][][three\rfou][end]", "breaks of lines");
    hear_all(0, "one\nstop\nthree\n", "[one][stop]", "a watch that ends has no more lines");
    hear_all(0, "one\nstop", "[one][stop]", "... nor an end, at its last line");
    longest = 0;
    hear_all(SSE__LINE_MAX, "\nnext\n", "[xxxxxxxxx][next][end]", "a long line");
    is_int((long long)longest, 65535, "... is whole");
    longest = 0;
    hear_all(SSE__LINE_MAX + 5000, "\nnext\n", "[xxxxxxxxx][next][end]", "one that is longer");
    is_int((long long)longest, 65535, "... is cut there");
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

#if !defined(SSE_NO_THREADS)
enum { LARGE = 10000 };

static void *publish_many(void *app) { /* until they are too many; how many were taken */
    static char data[LARGE + 1];
    sse_event   event;
    intptr_t    n = 0;
    memset(&event, 0, sizeof event);
    memset(data, 'x', LARGE);
    event.data = data;
    while (n < 1000 && sse_publish((sse_app *)app, "t", &event) == SSE_OK) n++;
    return (void *)n;
}

/* What is in the events that another thread publishes is memory, too. */
static void test_many_events(void) {
    sse_app_options o;
    sse_app        *app;
    pthread_t       thread;
    void           *taken = NULL;
    int             i;
    memset(&o, 0, sizeof o);
    o.max_call_bytes = 10 * LARGE;
    app = sse_app_new(&o);
    for (i = 0; i < 2; i++) {
        pthread_create(&thread, NULL, publish_many, app);
        pthread_join(thread, &taken);
        ok((intptr_t)taken > 1 && (intptr_t)taken < 10, "max_call_bytes are %d large events",
            (int)(intptr_t)taken);
        sse_poll(app, 0); /* then there is room again */
    }
    sse_app_free(app);
}
#endif

/* W4 */
static int numbers[3000], ran;

static void number(sse_app *app, void *user) {
    (void)app;
    if (ran < 3000) numbers[ran] = *(int *)user;
    ran++;
}

static sse_app *calls_come_to;
static int      zero, made;
static void     make_call(void) { made += sse_call(calls_come_to, number, &zero) == SSE_OK; }

/* As another thread may, while the loop reads the byte that woke it. */
static void test_call_meanwhile(void) {
    sse_app *app = sse_app_new(NULL);
    sse_poll(app, 0);
    calls_come_to = app;
    make_call();
    meanwhile = make_call;
    sse_poll(app, 0);
    meanwhile = NULL;
    ok(made > 2, "calls are made while the loop wakes");
    sse_poll(app, 0);
    is_int(ran, made, "... and run");
    make_call();
    sse_poll(app, 0);
    is_int(ran, made, "... and the next one wakes it again");
    sse_app_free(app);
    ran = 0;
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
    app->loop.still_ms = 5000000; /* they take no time */
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
    app->loop.still_ms = 5000000;
    accepted = ran = 0;
    for (i = 0; i < 200; i++) accepted += sse_call(app, number, &values[i]) == SSE_OK;
    is_int(accepted, 100, "max_call_bytes of them may wait");
    is_int(sse_call(app, number, &values[0]), SSE_E_FULL, "then the caller is told");
    sse_poll(app, -1);
    is_int(ran, 100, "what was accepted runs");
    is_int(sse_call(app, number, &values[0]), SSE_OK, "... and there is room again");
    sse_app_free(app);
    is_int(ran, 101, "for one that runs as well");
    o.max_call_bytes = 0;
    app = sse_app_new(&o);
    ran = 0;
    for (i = 0; i < 1500; i++) sse_call(app, number, &values[i]);
    sse_poll(app, -1);
    for (i = 1500; i < 2500; i++) sse_call(app, number, &values[i]);
    sse_app_free(app);
    is_int(ran, 2500, "when the app is freed all run that were made");
    for (i = wrong = 0; i < 2500; i++) wrong += numbers[i] != i;
    is_int(wrong, 0, "... in their order");
}

/* Of calls that last a turn runs those of a short time. */
static void lasts(sse_app *app, void *user) {
    app->loop.still_ms += *(const uint64_t *)user;
    ran++;
}

static void test_long_calls(void) {
    static const struct {
        uint64_t ms, others_ms; /* of a call; of the rest of a turn */
        int      run[3];        /* in one turn after the other */
    } rows[] = {
        {0, 0, {1000, 200, 0}},
        {1, 0, {16, 16, 16}},
        {5, 0, {16, 16, 16}},
        {1, 40, {16, 40, 40}},
        {1, 9, {16, 16, 16}},
        {1, 1000, {16, 100, 100}},
    };
    size_t i, k, n;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = sse_app_new(NULL);
        uint64_t ms = rows[i].ms;
        app->loop.still_ms = 5000000;
        for (n = 0; n < 1200; n++) sse_call(app, lasts, &ms);
        for (k = 0; k < SSE__COUNT(rows[i].run); k++) {
            ran = 0;
            sse__loop_wait(&app->loop, 0);
            ok(ran == rows[i].run[k], "calls of %d ms, %d ms besides: turn %d runs %d", (int)ms,
                (int)rows[i].others_ms, (int)k, ran);
            app->loop.still_ms += rows[i].others_ms;
        }
        sse_app_free(app);
    }
}

int main(void) {
    test_wheel();
    test_cost();
    test_due_again();
    test_put_off();
    test_loop();
    test_time_of_day();
    test_timers();
    test_upcalls();
    test_said();
    test_lines();
    test_descriptors();
    test_late();
    test_call_meanwhile();
    test_many_calls();
    test_long_calls();
#if !defined(SSE_NO_THREADS)
    test_many_events();
#endif
    return tap_done();
}
