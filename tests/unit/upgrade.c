/* upgrade.c: what is handed to the next process, what becomes of this one, with shells that stand
   for the next. The whole of it, under load: tests/wire/upgrade.test.mjs. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
static int wait_interrupted; /* once */
#define waitpid(pid, status, options)                                           \
    (wait_interrupted && !(options) ? (wait_interrupted = 0, errno = EINTR, -1) \
                                    : waitpid(pid, status, options))
#include <sys/socket.h>
static int latest_backlog;
#define listen(fd, backlog) (latest_backlog = (backlog), listen(fd, backlog))
#include "scarce.h"
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static char logged[4096];
static int  stops, closed, by_stop;

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level > SSE_LOG_INFO || strlen(logged) + strlen(line) + 2 > sizeof logged) return;
    strcat(strcat(logged, line), "\n");
}

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "hello");
}

static void on_stop(sse_stream s, void *user) {
    (void)s;
    (void)user;
    stops++;
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)s;
    (void)user;
    closed++;
    by_stop += reason == SSE_BY_STOP;
}

static void events(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.on_stop = on_stop;
    o.on_close = on_close;
    sse_subscribe(sse_stream_open(req, &o), "news");
}

static int step(sse_stream s, void *user) { /* says the end when it is told to */
    (void)user;
    return sse_stopping(s.app) ? SSE_RECONNECT : 60000;
}

static void steps(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.step = step;
    o.on_close = on_close;
    sse_stream_open(req, &o);
}

static sse_app *app_new(void) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    app = sse_app_new(&o);
    sse_get(app, "/", hello, NULL);
    sse_get(app, "/events", events, NULL);
    sse_get(app, "/steps", steps, NULL);
    logged[0] = '\0';
    stops = closed = by_stop = 0;
    return app;
}

static int listens(sse_app *app) {
    sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    o.grace_ms = 1000;
    return sse_listen(app, &o);
}

/* An app that hands over to a shell which runs this script; 4 is the link. */
static sse_app *app_with(const char *script, int start_ms, int spread_ms) {
    char                words[3][400] = {"sh", "-c", ""};
    char               *argv[4];
    sse_upgrade_options o;
    sse_app            *app = app_new();
    int                 i;
    snprintf(words[2], sizeof words[2], "%s", script);
    for (i = 0; i < 3; i++) argv[i] = words[i];
    argv[3] = NULL;
    memset(&o, 0, sizeof o);
    o.argv = argv;
    o.start_ms = start_ms;
    o.spread_ms = spread_ms;
    is_int(sse_upgrade_on_signal(app, &o), 0, script);
    is_int(listens(app), 0, "... listens");
    return app;
}

static void poll_until(sse_app *app, const char *words) { /* the log has them; 30 s */
    const uint64_t until = sse__clock_ms() + 30000;
    while (!strstr(logged, words) && sse__clock_ms() < until && sse_poll(app, 20) > 0) {
    }
    ok(strstr(logged, words) != NULL, "it says: %s", words);
    if (!strstr(logged, words)) printf("# %s", logged);
}

static int dial(sse_app *app) {
    struct sockaddr_in to;
    const int          fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)sse_port(app));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return -1;
    sse_poll(app, 10);
    return fd;
}

static bool answers(sse_app *app) { /* over the network */
    const char ask[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char       text[512];
    const int  fd = dial(app);
    ssize_t    n;
    int        i;
    if (send(fd, ask, strlen(ask), 0) > 0)
        for (i = 0; i < 5; i++) sse_poll(app, 10);
    n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, "hello") != NULL;
}

/* ---- what is refused ---- */

static void refused(void) {
    sse_upgrade_options o;
    const char         *why;
    char               *none[] = {NULL};
    sse_app            *app = app_new(), *other;
    int                 i;
    memset(&o, 0, sizeof o);
    is_int(sse_upgrade(NULL), SSE_E_ARG, "no app");
    is_int(sse_upgrade_on_signal(NULL, NULL), SSE_E_ARG, "no app to set up");
    is_int(sse_upgrade(app), SSE_E_STATE, "it was not set up");
    is_int(listens(app), 0, "an app listens");
    is_int(sse_upgrade_on_signal(app, NULL), SSE_E_STATE, "then it is too late");
    sse_app_error(app, &why);
    is_str(why, "sse_upgrade_on_signal: call it before sse_listen", "... which is said");
    sse_app_free(app);
    app = app_new();
    o.signal = 65;
    is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "a signal out of bounds");
    sse_app_free(app);
    app = app_new();
    o.signal = SIGTERM;
    is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "the signal that stops it");
    o.signal = SIGINT;
    is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "... likewise");
    o.signal = SIGKILL;
    is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "a signal that nobody can catch");
    sse_app_error(app, &why);
    is_str(why, "sse_upgrade_on_signal: .signal: not one that can begin an upgrade",
        "... which is said");
    is_int(listens(app), SSE_E_ARG, "... which sse_listen answers, too");
    sse_app_free(app);
    app = app_new();
    o.signal = SSE_OFF;
    o.start_ms = -1;
    is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "a negative time");
    sse_app_free(app);
    for (i = 0; i < 2; i++) {
        memset(&o, 0, sizeof o);
        o.signal = i ? SSE_OFF : 0;
        o.argv = none;
        app = app_new();
        is_int(sse_upgrade_on_signal(app, &o), SSE_E_ARG, "nothing to start");
        sse_app_error(app, &why);
        is_str(why, "sse_upgrade_on_signal: .argv is needed here: main's", "... which is said");
        sse_app_free(app);
    }
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "all defaults");
    other = app_new();
    is_int(sse_upgrade_on_signal(other, NULL), SSE_E_STATE, "once in a process");
    sse_app_free(other);
    sse_app_free(app);
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "... at a time");
    sse_app_free(app);
    ok(signal(SIGUSR2, SIG_DFL) == SIG_DFL, "the signal is given back");
}

/* ---- the next process fails: this one goes on ---- */

/* Whether posix_spawn knows of a program that is not there. It may start a process that then exits
   with 127 (POSIX), as under qemu, where a new process does not share the memory of the old one. */
static int spawn_tells(void) {
    char *argv[] = {(char *)"/nowhere/at/all", NULL};
    pid_t pid;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) return 1;
    waitpid(pid, NULL, 0);
    return 0;
}

static void fails(void) {
    static const struct {
        const char *script, *words;
        int         start_ms;
    } cases[] = {
        {"exit 3", "no upgrade: the new process ended before it served (process", 0},
        {"exit 3", ", exit status 3)", 0},
        {"kill -ABRT $$", ", signal 6)", 0},
        {"exec sleep 60", "the new process does not serve in time (.start_ms)", 50},
        {"exec sleep 60 4>&-", "the new process ended before it served", 0},
    };
    size_t              i;
    sse_upgrade_options o;
    char               *argv[2];
    sse_app            *app;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        app = app_with(cases[i].script, cases[i].start_ms, 0);
        wait_interrupted = 1;
        raise(SIGUSR2);
        poll_until(app, cases[i].words);
        ok(!wait_interrupted && waitpid(-1, NULL, WNOHANG) < 0, "nothing is left of it");
        ok(answers(app), "and this one serves");
        logged[0] = '\0';
        is_int(sse_upgrade(app), 0, "once more");
        poll_until(app, cases[i].words);
        ok(answers(app) && !sse_stopping(app), "and serves still");
        sse_app_free(app);
    }
    app = app_new();
    memset(&o, 0, sizeof o);
    argv[0] = (char *)"/nowhere/at/all";
    argv[1] = NULL;
    o.argv = argv;
    sse_upgrade_on_signal(app, &o);
    listens(app);
    sse_upgrade(app);
    poll_until(app, spawn_tells() ? "no upgrade: /nowhere/at/all: No such file or directory"
                                  : ", exit status 127)");
    ok(answers(app), "and this one serves");
    sse_app_free(app);
}

/* A history in a file has one server: the next one could only wait for it. */
static void kept(void) {
#ifndef SSE_NO_SQLITE
    sse_topic_options o;
    sse_db           *db = sse_db_open(":memory:", NULL);
    sse_app          *app = app_with("exit 3", 0, 0);
    memset(&o, 0, sizeof o);
    o.history = 10;
    o.db = db;
    is_int(sse_topic(app, "kept", &o), 0, "a topic in a database");
    sse_upgrade(app);
    poll_until(app, "no upgrade: a topic keeps its history in a database");
    ok(answers(app), "and this one serves");
    sse_app_free(app);
    sse_db_close(db);
#endif
}

/* ---- the system refuses a call, or memory: this one goes on ---- */

static void begins_not(void) {
    static const struct {
        const char *call;
        int         nth;
    } rows[] =
    { {"socketpair(", 1},
        {"fcntl(fd, F_GETFL", 1},
        {"fcntl(fd, F_SETFL", 2},
        {"fcntl(fd, F_SETFD", 1},
#if SSE__EPOLL
        {"epoll_ctl(", 1},
#endif
        {"fcntl(fd, F_DUPFD", 1},
        {"fcntl(fd, F_DUPFD", 2},
    };
    size_t    i;
    long      n, without = 0;
    const int before = descriptors();
    sse_app  *app = app_with("exec sleep 60", 0, 0);
    const int open = descriptors();
    for (i = 0; i < SSE__COUNT(rows); i++) {
        logged[0] = '\0';
        refuse(rows[i].call, rows[i].nth, EMFILE);
        sse__upgrade_begin(app->upgrade);
        ok(!refuse_at && strstr(logged, "no upgrade: sh: "), "%s refused: no upgrade",
            rows[i].call);
        ok(!app->upgrade->pid && descriptors() == open, "... and nothing is left of it");
    }
    for (n = 1; !app->upgrade->pid && n < 50; n++) {
        logged[0] = '\0';
        fail_at = n;
        sse__upgrade_begin(app->upgrade);
        without += fail_at == 0 && !app->upgrade->pid && strstr(logged, "no upgrade: ") != NULL;
        fail_at = 0;
    }
    ok(without >= 3 && without == n - 2, "%ld allocations fail: no upgrade", without);
    ok(app->upgrade->pid > 0, "with memory there is one");
    logged[0] = '\0';
    sse__upgrade_begin(app->upgrade);
    is_str(logged, "", "... and no second one beside it");
    ok(answers(app), "and this one serves");
    sse_app_free(app);
    is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
    is_int(descriptors(), before, "no descriptor");
    is_int(living, 0, "no memory");
}

static void sets_up_not(void) {
    static const struct {
        const char *call;
        int         nth;
    } rows[] =
    { {"pipe(", 1},
        {"fcntl(fd, F_GETFL", 1},
        {"fcntl(fd, F_GETFL", 2},
#if SSE__EPOLL
        {"epoll_ctl(", 1},
#endif
    };
    const int           before = descriptors();
    sse_upgrade_options o;
    char               *argv[2];
    size_t              i;
    long                n;
    int                 error = -1, given;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_new();
        refuse(rows[i].call, rows[i].nth, EMFILE);
        is_int(sse_upgrade_on_signal(app, NULL), SSE_E_IO, rows[i].call);
        ok(!app->upgrade && sse__upgrade_fd < 0, "... refused: it is not set up");
        is_int(listens(app), SSE_E_IO, "... which sse_listen answers, too");
        sse_app_free(app);
    }
    memset(&o, 0, sizeof o);
    argv[0] = (char *)"./program";
    argv[1] = NULL;
    for (given = 0; given < 2; given++) { /* what it was started with; what the program says */
        o.argv = given ? argv : NULL;
        for (n = 1, error = -1; error && n < 50; n++) {
            sse_app *app = app_new();
            fail_at = n;
            error = sse_upgrade_on_signal(app, &o);
            fail_at = 0;
            if (error && (error != SSE_E_NOMEM || app->upgrade))
                ok(false, "allocation %ld: %d", n, error);
            if (!error) ok(*app->upgrade->program == '/' || !given, "%s", app->upgrade->program);
            sse_app_free(app);
        }
        ok(!error && n > 4, "%ld allocations fail: it is not set up", n - 2);
    }
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

/* A program that is named from a directory which is gone: its name stays as it is. */
static void nowhere(void) {
    char                dir[] = "/tmp/sse-upgrade-XXXXXX";
    char               *argv[] = {(char *)"./program", NULL};
    const int           back = open(".", O_RDONLY | O_CLOEXEC);
    sse_upgrade_options o;
    sse_app            *app = app_new();
    memset(&o, 0, sizeof o);
    o.argv = argv;
    ok(mkdtemp(dir) && chdir(dir) == 0 && rmdir(dir) == 0, "a directory that is gone");
    is_int(sse_upgrade_on_signal(app, &o), 0, "... is no reason not to set it up");
    is_str(app->upgrade->program, "./program", "... the name stays as it is");
    ok(fchdir(back) == 0, "(back)");
    close(back);
    sse_app_free(app);
}

/* R comes, but recv is interrupted first. */
static void told_late(void) {
    static const int errors[] = {EINTR, EAGAIN};
    size_t           i;
    for (i = 0; i < SSE__COUNT(errors); i++) {
        sse_app *app = app_with("printf R >&4; exec sleep 0.2", 0, SSE_OFF);
        is_int(app->upgrade->spread_ms, 0, "all at once");
        refuse("recv(source->fd, &what", 1, errors[i]);
        sse_upgrade(app);
        poll_until(app, "serves, this one ends");
        ok(!refuse_at, "... although it was not told at first");
        sse__upgrade_begin(app->upgrade);
        ok(!strstr(logged, "no upgrade"), "it hands over once");
        while (sse_poll(app, 100) > 0) {
        }
        sse_app_free(app);
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
}

/* A connection that was kept ends with the streams; without a signal. */
static void idle(void) {
    const char          ask[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_upgrade_options o;
    sse_app            *app = app_new();
    char *argv[4] = {(char *)"sh", (char *)"-c", (char *)"printf R >&4; exec sleep 0.2", NULL};
    char  text[512];
    int   fd, i;
    memset(&o, 0, sizeof o);
    o.signal = SSE_OFF;
    o.argv = argv;
    o.spread_ms = SSE_OFF;
    is_int(sse_upgrade_on_signal(app, &o), 0, "without a signal");
    ok(signal(SIGUSR2, SIG_DFL) == SIG_DFL, "... none is taken");
    is_int(listens(app), 0, "it listens");
    fd = dial(app);
    ok(send(fd, ask, strlen(ask), 0) > 0, "a request");
    for (i = 0; i < 1000 && recv(fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) <= 0; i++)
        sse_poll(app, 10);
    ok(recv(fd, text, sizeof text, MSG_DONTWAIT) > 0, "... is answered, and its connection kept");
    sse_upgrade(app);
    while (sse_poll(app, 100) > 0) {
    }
    ok(strstr(logged, "serves, this one ends") != NULL, "it hands over");
    is_int((int)recv(fd, text, sizeof text, MSG_DONTWAIT), 0, "a connection that is idle ends");
    close(fd);
    sse_app_free(app);
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

/* ---- it is told to stop meanwhile ---- */

static void stopped(void) {
    sse_app *app = app_with("exec sleep 60", 0, 0);
    sse_upgrade(app);
    poll_until(app, "starts");
    sse_stop(app);
    while (sse_poll(app, 100) > 0) {
    }
    ok(strstr(logged, "this process was told to stop") != NULL, "a stop ends the new one, too");
    is_int(waitpid(-1, NULL, WNOHANG), -1, "... which is gone");
    sse_app_free(app);
    app = app_with("exec sleep 60", 0, 0);
    sse_upgrade(app);
    poll_until(app, "starts");
    sse_app_free(app);
    is_int(waitpid(-1, NULL, WNOHANG), -1, "so does the end of the app");
}

/* ---- what the next process has ---- */

static int notify_socket(const char *path) {
    sse__address a;
    const int    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sse__address_unix(&a, sse__text(path));
    unlink(path);
    return bind(fd, &a.to.any, a.len) ? -1 : fd;
}

static const char *notified(int fd) { /* "": nothing */
    static char   text[200];
    const ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void handed(void) {
    char     dir[] = "/tmp/sse-upgrade-XXXXXX", path[64], file[64], script[300], got[2000] = "";
    char     want[200];
    int      fd, open_fd, i;
    FILE    *f;
    sse_app *app;
    if (!mkdtemp(dir)) return;
    snprintf(path, sizeof path, "%s/notify", dir);
    snprintf(file, sizeof file, "%s/got", dir);
    snprintf(script, sizeof script,
        "exec >%s; ls /proc/$$/fd; echo; env; printf R >&4; exec sleep 0.2", file);
    fd = notify_socket(path);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("LISTEN_PID", "1", 1); /* of another process: neither ours nor the next one's */
    setenv("LISTEN_FDS", "1", 1);
    setenv("WATCHDOG_PID", "1", 1);
    app = app_with(script, 0, 200);
    sse_poll(app, 0);
    is_str(notified(fd), "READY=1", "the manager is told when it serves");
    ok(answers(app), "it has had a connection");
    open_fd = dial(app);
    raise(SIGUSR2);
    poll_until(app, "serves, this one ends");
    ok(strncmp(notified(fd), "RELOADING=1\nMONOTONIC_USEC=", 27) == 0, "... and of the upgrade");
    snprintf(want, sizeof want, "MAINPID=%ld\nREADY=1",
        strtol(strstr(logged, "process ") + 8, NULL, 10));
    is_str(notified(fd), want, "... and who serves");
    ok(!sse_stopping(app) && app->net->leaving, "it leaves");
    while (sse_poll(app, 100) > 0) {
    }
    ok(sse_stopping(app), "... and stops");
    is_str(notified(fd), "", "... of which the manager is told nothing: another one serves");
    sse_app_free(app);
    f = fopen(file, "r");
    i = f ? (int)fread(got, 1, sizeof got - 1, f) : 0;
    got[i > 0 ? i : 0] = '\0';
    if (f) fclose(f);
    ok(strncmp(got, "0\n1\n2\n3\n4\n\n", 11) == 0,
        "the next process has 0 to 2, the listener and the link");
    snprintf(want, sizeof want, "\nSSE_LISTENERS=%ld l\n", (long)getpid());
    ok(strstr(got, want) != NULL, "it is told which is what");
    ok(!strstr(got, "\nLISTEN_") && !strstr(got, "\nWATCHDOG_PID"),
        "and nothing that is about this process");
    ok(strstr(got, "\nNOTIFY_SOCKET=") != NULL, "all else stays");
    close(fd);
    close(open_fd);
    unlink(path);
    unlink(file);
    rmdir(dir);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("WATCHDOG_PID");
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

/* Of what is about this process alone nothing is left, also where it stands before what is for the
   next one. */
static void environment(void) {
    static const char *const ours[] = {"SSE_LISTENERS", "LISTEN_PID", "LISTEN_FDS",
        "LISTEN_FDNAMES", "WATCHDOG_PID"};
    static const char *const others[] = {"SSE_LISTENERS_", "LISTEN_FD", "WATCHDOG_USEC"};
    char                     text[] = "SSE_LISTENERS=1 l";
    char                   **env;
    size_t                   i, stale = 0, stays = 0;
    for (i = 0; i < SSE__COUNT(ours); i++) setenv(ours[i], "stale", 1);
    for (i = 0; i < SSE__COUNT(others); i++) setenv(others[i], "stays", 1);
    env = sse__upgrade_env(text);
    for (i = 0; env && env[i]; i++) {
        stale += strstr(env[i], "=stale") != NULL;
        stays += strstr(env[i], "=stays") != NULL;
    }
    ok(i > 0 && env[i - 1] == text, "the next one is told of its listeners");
    is_int((long long)stale, 0, "... and of nothing that was this one's");
    is_int((long long)stays, SSE__COUNT(others), "... all else stays");
    SSE_FREE(env);
    for (i = 0; i < SSE__COUNT(ours); i++) unsetenv(ours[i]);
    for (i = 0; i < SSE__COUNT(others); i++) unsetenv(others[i]);
}

/* ---- what it does with that ---- */

/* These descriptors become 3 and those behind it, then comes a link, as an upgrade leaves them;
   so says the process before. Returns its end of the link. */
static int hand_over(const char *letters, const int *fds) {
    const int n = (int)strlen(letters) + 1;
    char      text[64];
    int       moved[16], link[2], i;
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, link) == 0, "%s", letters);
    for (i = 0; i < n; i++) moved[i] = fcntl(i + 1 < n ? fds[i] : link[1], F_DUPFD, 40);
    link[0] = fcntl(link[0], F_DUPFD, 40);
    for (i = 3; i < 40; i++) close(i);
    for (i = 0; i < n; i++) dup2(moved[i], 3 + i);
    for (i = 0; i < n; i++) close(moved[i]);
    snprintf(text, sizeof text, "%ld %s", (long)getppid(), letters);
    setenv("SSE_LISTENERS", text, 1);
    return link[0];
}

static int tcp_socket(bool listening) {
    struct sockaddr_in at;
    const int          fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || (listening && listen(fd, 9))) perror("bind");
    return fd;
}

/* The sockets of a service manager are taken all at once; what is none is refused. */
static void passed_on(void) {
    int                  fds[3], port[3], i, link;
    sse_serve_options    o;
    sse_app             *app;
    const sse__listener *l;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    for (i = 0; i < 3; i++) port[i] = sse__bound_port(fds[i] = tcp_socket(true));
    link = hand_over("sls", fds);
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "a process that takes over from a service");
    o.backlog = 77;
    latest_backlog = 0;
    is_int(sse_listen(app, &o), 0, "it listens");
    is_int(latest_backlog, 0, "... with as many in line as the manager says");
    l = SSE__CONTAINER(app->net->listeners.next, sse__listener, link);
    is_int(sse__bound_port(l->source.fd), port[0], "... at the first socket of the manager");
    l = sse__listener_last(app);
    is_int(sse__bound_port(l->source.fd), port[2], "... and at the second");
    ok(l->passed, "... which stay the manager's");
    is_str(app->upgrade->handed, "SlS", "the program's own is left");
    is_int(sse_listen(app, &o), 0, "... for the next call");
    is_int(sse__bound_port(sse__listener_last(app)->source.fd), port[1], "... which takes it");
    sse_app_free(app);
    close(link);

    fds[0] = tcp_socket(true);
    fds[1] = tcp_socket(false);
    fds[2] = tcp_socket(true);
    link = hand_over("sss", fds);
    app = app_new();
    sse_upgrade_on_signal(app, NULL);
    is_int(sse_listen(app, &o), SSE_E_IO, "a socket that does not listen");
    ok(strstr(logged, "descriptor 4 of SSE_LISTENERS is no listening stream socket") != NULL,
        "... as the log tells");
    is_str(app->upgrade->handed, "Sss", "... nothing behind it is taken");
    sse_app_free(app);
    close(link);
}

/* What should be a unix socket and has no address: it is closed, and all goes on. */
static void no_socket(void) {
    int               fds[2], link, i;
    char              byte;
    sse_app          *app;
    sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    ok(pipe(fds) == 0, "a pipe");
    link = hand_over("uu", fds);
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "it is handed over as two unix sockets");
    is_int(sse_listen(app, &o), 0, "another one is made");
    for (i = 0; i < 2; i++) ok(sse__listener_last(app)->source.fd != 3 + i, "... none of them");
    sse_poll(app, 0);
    ok(recv(link, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'R', "it serves");
    ok(answers(app), "... indeed");
    sse_app_free(app);
    close(link);
}

/* The process before has died, and another one is the parent: what it handed over is for this. */
static void orphan(void) {
    int      fd = tcp_socket(true), link = hand_over("l", &fd);
    char     text[40];
    sse_app *app;
    snprintf(text, sizeof text, "%ld l", (long)getpid());
    setenv("SSE_LISTENERS", text, 1);
    close(link);
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "a process whose parent has died");
    is_str(app->upgrade->handed, "l", "... takes over");
    is_int(listens(app), 0, "... listens");
    is_int(sse__listener_last(app)->source.fd, 3, "... at what it was handed");
    ok(answers(app), "... and serves");
    sse_app_free(app);
}

/* The system refuses, or memory: nothing is taken over in silence. */
static void inherits_not(void) {
    int      fd, link, error = -1;
    long     n, refused = 0;
    sse_app *app;
    fd = tcp_socket(true);
    link = hand_over("l", &fd);
    app = app_new();
    refuse("fcntl(fd, F_GETFL", 1, EIO);
    is_int(sse_upgrade_on_signal(app, NULL), 0, "the link cannot be used");
    ok(!refuse_at && !app->upgrade->handed && app->upgrade->from < 0, "... nothing is taken over");
    sse_app_free(app);
    for (n = 1; error && n < 50; n++) {
        fd = tcp_socket(true);
        close(link);
        link = hand_over("l", &fd);
        app = app_new();
        fail_at = n;
        error = sse_upgrade_on_signal(app, NULL);
        fail_at = 0;
        if (error) refused += error == SSE_E_NOMEM && !app->upgrade;
        else is_str(app->upgrade->handed, "l", "with memory it is handed over");
        sse_app_free(app);
    }
    is_int(refused, n - 2, "allocations that fail are told");
    ok(refused > 4, "%ld of them", refused);
    close(link);
    unsetenv("SSE_LISTENERS");
}

static void inherits(void) {
    char              text[64], path[64], was[2][64];
    int               fds[8], n = 0, link[2], i, port[2];
    sse_serve_options o;
    sse__address      a;
    sse_app          *app = app_new();
    sse__listener    *last;
    memset(&o, 0, sizeof o);
    snprintf(path, sizeof path, "unix:/tmp/sse-handed-%d", (int)getpid());
    snprintf(was[0], sizeof was[0], "/tmp/sse-handed-%d", (int)getpid());
    snprintf(was[1], sizeof was[1], "/tmp/sse-left-%d", (int)getpid());
    sse__address_parse(&a, "127.0.0.1", 0);
    for (i = 0; i < 2; i++) {
        fds[n++] = sse__socket_listen(app, &a, false, &o);
        port[i] = sse__bound_port(fds[n - 1]);
    }
    for (i = 0; i < 2; i++) {
        sse__address_unix(&a, sse__text(was[i]));
        fds[n++] = sse__socket_listen(app, &a, true, &o);
    }
    sse_app_free(app);
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, link) == 0, "a link");
    fds[n++] = link[1];
    for (i = 0; i < n; i++) fds[i] = fcntl(fds[i], F_DUPFD, 40);
    link[0] = fcntl(link[0], F_DUPFD, 40);
    for (i = 3; i < 40; i++) close(i);
    for (i = 0; i < n; i++) dup2(fds[i], 3 + i);
    for (i = 0; i < n; i++) close(fds[i]);

    snprintf(text, sizeof text, "%ld lluu", (long)getpid()); /* of another process */
    setenv("SSE_LISTENERS", text, 1);
    app = app_new();
    sse_upgrade_on_signal(app, NULL);
    ok(!app->upgrade->handed && getenv("SSE_LISTENERS"), "what is for another process stays");
    sse_app_free(app);

    snprintf(text, sizeof text, "%ld lluu", (long)getppid());
    setenv("SSE_LISTENERS", text, 1);
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "a process that takes over");
    ok(!getenv("SSE_LISTENERS"), "... once");
    for (i = 3; i < 8; i++) /* U3 */
        is_int(fcntl(i, F_GETFD), FD_CLOEXEC, "no child that it starts before it listens has them");
    o.port = port[1];
    o.backlog = 77;
    is_int(sse_listen(app, &o), 0, "it listens");
    is_int(latest_backlog, 77, "... with as many in line as it says");
    is_int(sse_port(app), port[1], "... on the second socket, which has this port");
    is_int(sse__listener_last(app)->source.fd, 4, "... as it was handed over");
    o.host = path;
    o.port = 0;
    is_int(sse_listen(app, &o), 0, "and on a path");
    last = sse__listener_last(app);
    ok(last->source.fd == 5 && !last->unix_path, "... whose file is not ours yet");
    o.host = NULL;
    o.port = SSE_ANY_PORT;
    is_int(sse_listen(app, &o), 0, "and on any port");
    is_int(sse__bound_port(sse__listener_last(app)->source.fd), port[0], "... that is left");
    is_int(sse_listen(app, &o), 0, "and on one more");
    ok(sse__bound_port(sse__listener_last(app)->source.fd) != port[0], "... which is new");
    ok(recv(link[0], text, 1, MSG_DONTWAIT) < 0, "it does not serve yet");
    sse_poll(app, 0);
    ok(recv(link[0], text, 1, MSG_DONTWAIT) == 1 && text[0] == 'R', "its first turn: it says so");
    ok(recv(link[0], text, 1, MSG_DONTWAIT) == 0, "and no more");
    o.port = SSE_ANY_PORT;
    is_int(sse_listen(app, &o), 0, "it may listen at more later");
    is_str(last->unix_path, was[0], "the file is its own from now on");
    ok(access(was[1], F_OK) != 0, "the one that nobody listens at is removed");
    ok(answers(app), "it serves");
    for (i = 3; i < 8; i++) /* U3 */
        ok(fcntl(i, F_GETFD) < 0 || fcntl(i, F_GETFD) == FD_CLOEXEC, "%d: no child inherits it", i);
    sse_app_free(app);
    ok(access(was[0], F_OK) != 0, "and its end removes the file");
    close(link[0]);
}

/* What stands in SSE_LISTENERS is no such text, or nothing is there where it says. */
static void not_handed(void) {
    char   text[1200], parent[32];
    size_t i;
    char   many[1100];
    memset(many, 'l', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    snprintf(parent, sizeof parent, "%ld", (long)getppid());
    for (i = 0; i < 5; i++) {
        sse_app *app = app_new();
        snprintf(text, sizeof text, "%s%s%s", i == 0 ? "x" : parent, i == 1 ? "" : " ",
            i == 2   ? ""
            : i == 3 ? many
                     : "l");
        setenv("SSE_LISTENERS", text, 1);
        sse_upgrade_on_signal(app, NULL);
        ok(!app->upgrade->handed && app->upgrade->from < 0, "nothing is handed over by %.20s",
            text);
        sse_app_free(app);
    }
    unsetenv("SSE_LISTENERS");
}

/* Which of the sockets that are handed over is the one that the program asks for. */
static void fits(void) {
    static const struct {
        const char *host;
        int         port; /* 1: that of the socket; 2: another one */
        bool        fits;
    } rows[] = {{"127.0.0.1", 1, true}, {"127.0.0.1", 0, true}, {"127.0.0.1", 2, false},
        {"127.0.0.2", 1, false}, {"::1", 1, false}, {"unix:/tmp/x", 0, false}},
      six[] = {{"::1", 1, true}, {"::1", 0, true}, {"::1", 2, false}, {"::", 1, false},
          {"127.0.0.1", 1, false}};
    sse_serve_options o;
    sse__address      a;
    sse_app          *app = app_new();
    size_t            i;
    int               fd, port, v6;
    memset(&o, 0, sizeof o);
    for (v6 = 0; v6 < 2; v6++) {
        sse__address_parse(&a, v6 ? "::1" : "127.0.0.1", 0);
        fd = sse__socket_listen(app, &a, false, &o);
        if (fd < 0 && v6 && errno == EADDRNOTAVAIL) {
            ok(true, "no address ::1 # skip this machine has no IPv6");
            continue;
        }
        port = sse__bound_port(fd);
        for (i = 0; i < (v6 ? SSE__COUNT(six) : SSE__COUNT(rows)); i++) {
            const char *host = v6 ? six[i].host : rows[i].host;
            const int   want = v6 ? six[i].port : rows[i].port;
            sse__address_parse(&a, host, want ? port + want - 1 : 0);
            is_int(sse__upgrade_fits(fd, &a), v6 ? six[i].fits : rows[i].fits, host);
        }
        close(fd);
        ok(!sse__upgrade_fits(fd, &a), "nothing that is closed does");
    }
    sse_app_free(app);
    app = app_new();
    sse_upgrade_on_signal(app, NULL);
    app->upgrade->handed = sse__strdup(SSE__LIT("l"));
    o.host = "nowhere";
    is_int(sse__upgrade_take(app, &o), SSE_E_ARG, "what is no address is none here either");
    sse_stop(app);
    sse__upgrade_ready(&app->upgrade->first);
    is_str(app->upgrade->handed, "l",
        "a process that stops before its first turn takes nothing over");
    sse_app_free(app);
}

/* ---- how it leaves: exactly, in a time that stands still ---- */

static void spread(void) {
    enum { N = 100, STEPS = 20 };
    static sse_test_reply r[N + STEPS];
    sse_upgrade_options   o;
    sse_app              *app = app_new();
    int                   i, most = 0, was = 0, slices = 0;
    memset(&o, 0, sizeof o);
    o.spread_ms = 1000;
    sse_upgrade_on_signal(app, &o);
    for (i = 0; i < N + STEPS; i++)
        sse_test_request(app, i < N ? "GET /events" : "GET /steps", NULL, NULL, &r[i]);
    app->upgrade->pid = getpid();
    sse__upgrade_slice(&app->upgrade->slice);
    sse_test_run(app, 1);
    for (i = 0; i < 21; i++) {
        if (closed - was > most) most = closed - was;
        slices += closed > was;
        was = closed;
        ok(closed >= 5 * i && closed <= 6 * (i + 1), "after %d ms %d are gone", i * 50, closed);
        sse_test_run(app, 50);
    }
    ok(most == 6 && slices == 21, "never more than %d at once, in %d slices", most, slices);
    is_int(closed, N + STEPS, "in the end all");
    ok(stops == N && by_stop == N, "each was told, those with a step by sse_stopping");
    for (i = 0; i < N + STEPS; i++) {
        if (r[i].complete) ok(false, "stream %d looks complete", i);
        sse_test_close(&r[i]);
    }
    sse_app_free(app);
}

/* ---- what is on its way meanwhile, in a time that stands still ---- */

static sse_req *waits;

static void later(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    waits = req;
}

static int joins(sse_app *app) { /* a client */
    sse__test_conn t;
    memset(&t, 0, sizeof t);
    t.fd = -1;
    (void)sse_test_run(app, 0);
    is_int(sse__test_connect(app, &t), 0, "a client");
    (void)sse_test_run(app, 0);
    return t.fd;
}

static const char *hears(sse_app *app, int fd, int ms) { /* what comes by then; "end": the end */
    static char text[2000];
    ssize_t     n;
    (void)sse_test_run(app, ms);
    n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (n == 0) return "end";
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static const char *asks(sse_app *app, int fd, const char *path) {
    char ask[100];
    snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (send(fd, ask, strlen(ask), 0) < 0) perror("send");
    return app ? hears(app, fd, 0) : "";
}

/* By default it leaves in 5 s. */
static void in_flight(void) { /* U2 */
    const char          close_it[] = "\r\nConnection: close\r\n";
    char                dir[] = "/tmp/sse-upgrade-XXXXXX", host[80], notify[64], text[200];
    sse_upgrade_options o;
    sse_serve_options   serve;
    sse_app            *app = app_new();
    int                 kept, idle_fd, half, slow, late, fresh, fd;
    const char         *got;
    memset(&o, 0, sizeof o);
    memset(&serve, 0, sizeof serve);
    if (!mkdtemp(dir)) return;
    snprintf(host, sizeof host, "unix:%s/socket", dir);
    snprintf(notify, sizeof notify, "%s/notify", dir);
    fd = notify_socket(notify);
    setenv("NOTIFY_SOCKET", notify, 1);
    setenv("WATCHDOG_USEC", "2000000", 1);
    sse_get(app, "/later", later, NULL);
    o.signal = SSE_OFF;
    is_int(sse_upgrade_on_signal(app, &o), 0, "all defaults but the signal");
    serve.host = host;
    is_int(sse_listen(app, &serve), 0, "an app with a file");
    kept = joins(app);
    idle_fd = joins(app);
    half = joins(app);
    slow = joins(app);
    late = joins(app);
    got = asks(app, kept, "/");
    ok(strstr(got, "hello") && !strstr(got, close_it), "a connection is kept");
    ok(strstr(asks(app, idle_fd, "/"), "hello") && strstr(asks(app, late, "/"), "hello"),
        "... others as well");
    if (send(half, "GET / HT", 8, 0) < 0) perror("send");
    is_str(hears(app, half, 0), "", "half a request");
    is_str(asks(app, slow, "/later"), "", "one that is in hand");
    is_str(notified(fd), "READY=1", "the manager knows of this process");
    is_str(notified(fd), "WATCHDOG=1", "... that it is alive");
    (void)sse_test_run(app, 1000);
    is_str(notified(fd), "WATCHDOG=1", "... every second");
    app->upgrade->pid = getpid();
    sse__upgrade_slice(&app->upgrade->slice);
    snprintf(text, sizeof text, "MAINPID=%ld\nREADY=1", (long)getpid());
    is_str(notified(fd), text, "... and who is next");
    ok(app->net->leaving && !app->upgrade->pid, "it leaves");
    if (send(half, "TP/1.1\r\nHost: localhost\r\n\r\n", 27, 0) < 0) perror("send");
    got = hears(app, half, 0);
    ok(strstr(got, "hello") && strstr(got, close_it), "the other half is answered, the last time");
    is_str(hears(app, half, 0), "end", "... indeed");
    got = asks(app, kept, "/");
    ok(strstr(got, "hello") && strstr(got, close_it), "as is a request on a kept connection");
    is_str(hears(app, kept, 0), "end", "... which ends");
    sse_finish(waits);
    got = hears(app, slow, 0);
    ok(strstr(got, " 204 ") && strstr(got, close_it), "... and the one that was in hand");
    is_str(hears(app, slow, 0), "end", "... likewise");
    logged[0] = '\0';
    is_int(sse_upgrade(app), 0, "another upgrade");
    (void)sse_test_run(app, 0);
    is_str(logged, "", "... is the next one's");
    is_str(hears(app, idle_fd, 4999), "", "an idle one stays until the streams have ended");
    ok(!sse_stopping(app), "... for which they have 5 s");
    fresh = joins(app);
    (void)asks(NULL, late, "/");
    app->loop.still_ms++;
    is_str(hears(app, idle_fd, 0), "end", "then it ends");
    ok(sse_stopping(app), "... as does the process");
    got = hears(app, late, 0);
    ok(strstr(got, "hello") && strstr(got, close_it), "a request that came just then is answered");
    is_str(hears(app, fresh, 0), "", "a connection whose first request is to come is not closed");
    got = asks(app, fresh, "/");
    ok(strstr(got, "hello") && strstr(got, close_it), "... but with its answer");
    is_str(notified(fd), "", "of all that the manager hears no more");
    sse_app_free(app);
    ok(access(host + 5, F_OK) == 0, "the file of the socket is the next one's");
    unlink(host + 5);
    unlink(notify);
    rmdir(dir);
    close(fd);
    close(kept);
    close(idle_fd);
    close(half);
    close(slow);
    close(late);
    close(fresh);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
}

static void nobody_there(void) { /* nobody has to be given time */
    sse_upgrade_options o;
    sse_app            *app = app_new();
    memset(&o, 0, sizeof o);
    o.signal = SSE_OFF;
    is_int(sse_upgrade_on_signal(app, &o), 0, "all defaults but the signal");
    is_int(sse_test_run(app, 0), 0, "nobody is there");
    app->upgrade->pid = getpid();
    sse__upgrade_slice(&app->upgrade->slice);
    ok(sse_stopping(app), "it stops at once");
    sse_app_free(app);
}

/* The next process has half a minute; the manager hears that this one serves on. */
static void start_time(void) {
    char     path[64], want[100];
    int      fd, twice, i;
    sse_app *app;
    snprintf(path, sizeof path, "/tmp/sse-upgrade-%d", (int)getpid());
    fd = notify_socket(path);
    setenv("NOTIFY_SOCKET", path, 1);
    app = app_with("exec sleep 60", 0, 0);
    (void)sse_test_run(app, 0);
    is_str(notified(fd), "READY=1", "it serves");
    for (twice = 0; twice < 2; twice++) {
        logged[0] = '\0';
        for (i = 0; i < 70000; i++) /* more than its pipe takes */
            if (sse_upgrade(app)) ok(false, "an upgrade is asked for once more");
        (void)sse_test_run(app, 0);
        ok(strncmp(logged, "upgrade: process ", 17) == 0 && strstr(logged, " starts\n"), "%s",
            logged);
        ok(strchr(logged, '\n')[1] == '\0', "... one of them");
        snprintf(want, sizeof want, "RELOADING=1\nMONOTONIC_USEC=%llu",
            (unsigned long long)app->loop.still_ms * 1000);
        is_str(notified(fd), want, "the manager is told, and when");
        (void)sse_test_run(app, 29999);
        ok(app->upgrade->pid && !strstr(logged, "no upgrade"), "the next one has its time");
        (void)sse_test_run(app, 1);
        ok(strstr(logged, "no upgrade: the new process does not serve in time (.start_ms) "
                          "(process ") &&
                strstr(logged, ", signal 9)"),
            "... and no longer: %s", logged);
        is_str(notified(fd), "READY=1", "... and this one is ready");
        is_str(notified(fd), "", "... which is all");
    }
    (void)sse_upgrade(app);
    (void)sse_test_run(app, 0);
    (void)notified(fd);
    logged[0] = '\0';
    kill(app->upgrade->pid, SIGTERM);
    for (i = 0; i < 3000 && !strstr(logged, "ended before"); i++) {
        poll(NULL, 0, 10);
        (void)sse_test_run(app, 0);
    }
    ok(strstr(logged, "no upgrade: the new process ended before it served") != NULL, "it ends");
    is_str(notified(fd), "READY=1", "... of which the manager hears");
    logged[0] = '\0';
    (void)sse_test_run(app, 60000);
    is_str(logged, "", "... and is not missed later");
    (void)sse_upgrade(app);
    (void)sse_test_run(app, 0);
    (void)notified(fd);
    sse_stop(app);
    (void)sse_test_run(app, 0);
    is_str(notified(fd), "STOPPING=1", "one that is told to stop is not ready");
    is_str(notified(fd), "", "... whatever it had begun");
    sse_app_free(app);
    close(fd);
    unlink(path);
    unsetenv("NOTIFY_SOCKET");
}

/* The next process is told which descriptor is what; whoever stops begins nothing. */
static void letters(void) {
    char              file[64], script[200], host[80], got[2000] = "", want[200];
    sse_serve_options serve;
    sse_app          *app;
    FILE             *f;
    int               fd, n;
    sse__link        *l;
    memset(&serve, 0, sizeof serve);
    snprintf(file, sizeof file, "/tmp/sse-letters-%d", (int)getpid());
    snprintf(script, sizeof script,
        "exec >%s; env | grep SSE_; for i in 3 4 5; do readlink /proc/$$/fd/$i; done; exit 7",
        file);
    snprintf(host, sizeof host, "unix:/tmp/sse-letter-%d", (int)getpid());
    app = app_with(script, 0, 0);
    serve.host = host;
    is_int(sse_listen(app, &serve), 0, "... by a file as well");
    is_int(listens(app), 0, "... and a third time");
    sse__listener_last(app)->passed = true; /* as by LISTEN_FDS */
    (void)sse_upgrade(app);
    poll_until(app, ", exit status 7)");
    f = fopen(file, "r");
    if (f) got[fread(got, 1, sizeof got - 1, f)] = '\0';
    if (f) fclose(f);
    unlink(file);
    snprintf(want, sizeof want, "SSE_LISTENERS=%ld lus\n", (long)getpid());
    ok(strstr(got, want) != NULL, "the next one is told of each: %s", want);
    n = 0;
    for (l = app->net->listeners.next; l != &app->net->listeners; l = l->next) {
        struct stat st;
        is_int(fstat(SSE__CONTAINER(l, sse__listener, link)->source.fd, &st), 0, "a listener");
        n +=
            snprintf(want + n, sizeof want - (size_t)n, "socket:[%lu]\n", (unsigned long)st.st_ino);
    }
    ok(strstr(got, want) != NULL, "... and has each, in this order: %s", want);
    sse_get(app, "/later", later, NULL);
    fd = joins(app);
    is_str(asks(app, fd, "/later"), "", "a request is in hand");
    sse_stop(app);
    (void)sse_test_run(app, 0);
    logged[0] = '\0';
    is_int(sse_upgrade(app), 0, "an upgrade is asked for");
    (void)sse_test_run(app, 0);
    is_str(logged, "", "... too late");
    ok(!app->upgrade->pid && sse_poll(app, 0) == 1, "... while it stops");
    sse_app_free(app);
    close(fd);
}

/* Signals in the next process: none of the two that stop it waits, and the one for an upgrade does
   until it is set up. */
static void signal_masks(void) {
    char                file[64], line[200];
    char               *argv[] = {(char *)"cp", (char *)"/proc/self/status", NULL, NULL};
    sse_upgrade_options o;
    FILE               *f;
    sigset_t            some, before, now;
    struct sigaction    set;
    unsigned long       mask;
    sse_app            *app = app_new();
    int                 i;
    /* numbers that are the same on all machines: under qemu the file has those of its own one */
    const unsigned hup = 1u << (SIGHUP - 1), term = 1u << (SIGTERM - 1), end = 1u << (SIGINT - 1),
                   upgrade = 1u << (SIGQUIT - 1);
    memset(&o, 0, sizeof o);
    argv[2] = file;
    o.argv = argv;
    o.signal = SIGQUIT;
    sigemptyset(&some);
    sigaddset(&some, SIGHUP);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGINT);
    sigaddset(&some, SIGQUIT);
    sigprocmask(SIG_BLOCK, &some, &before);
    snprintf(file, sizeof file, "/tmp/sse-masks-%d", (int)getpid());
    is_int(sse_upgrade_on_signal(app, &o), 0, "a program that notes how it is started");
    is_int(listens(app), 0, "... listens");
    sigprocmask(SIG_SETMASK, NULL, &now);
    sigaction(SIGQUIT, NULL, &set);
    ok(set.sa_flags & SA_RESTART, "calls of the program go on behind the signal");
    ok(!sigismember(&now, SIGQUIT) && sigismember(&now, SIGTERM),
        "the signal reaches this process, and no other one anew");
    for (i = 0; i < 2; i++) {
        raise(SIGQUIT);
        poll_until(app, ", exit status 0)");
        logged[0] = '\0';
        mask = 0;
        f = fopen(file, "r");
        while (f && fgets(line, sizeof line, f)) sscanf(line, "SigBlk: %lx", &mask);
        if (f) fclose(f);
        is_int((int)(mask & (hup | term | end | upgrade)), (int)(hup | upgrade),
            "the next one has the mask of this one, but for those that stop or end it");
        unlink(file);
    }
    sse_app_free(app);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void on_own_signal(int number) { (void)number; }

/* The program's own handler stays where no upgrade is set up. */
static void no_signal(void) {
    static const struct {
        const char *what, *call;
        int         number, error;
    } rows[] = {{"no argv", NULL, 0, SSE_E_ARG}, {"no pipe", "pipe(", 0, SSE_E_IO},
        {"a signal that nobody can have", NULL, SIGKILL, SSE_E_ARG}};
    char               *argv[] = {NULL, NULL};
    sse_upgrade_options o;
    struct sigaction    own, now;
    size_t              i;
    memset(&own, 0, sizeof own);
    own.sa_handler = on_own_signal;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_new();
        memset(&o, 0, sizeof o);
        o.argv = argv;
        argv[0] = i ? (char *)"sh" : NULL;
        sigaction(SIGUSR2, &own, NULL);
        o.signal = rows[i].number;
        if (rows[i].call) refuse(rows[i].call, 1, EMFILE);
        is_int(sse_upgrade_on_signal(app, &o), rows[i].error, rows[i].what);
        sigaction(SIGUSR2, NULL, &now);
        ok(now.sa_handler == on_own_signal, "... the program's own handler stays");
        sse_app_free(app);
    }
    signal(SIGUSR2, SIG_DFL);
}

/* What the next process is started with. */
static void program(void) {
    static const char *const names[] = {"prog", "/bin/prog", "./prog", "a/prog"};
    char                     dir[4096], want[4200], line[4096];
    FILE                    *f = fopen("/proc/self/cmdline", "r");
    size_t                   i, n = f ? fread(line, 1, sizeof line - 1, f) : 0;
    sse_app                 *app;
    if (f) fclose(f);
    line[n] = '\0';
    app = app_new();
    is_int(sse_upgrade_on_signal(app, NULL), 0, "without .argv");
    is_str(app->upgrade->argv[0], line, "... it is what this process was started with");
    for (i = n = 0; app->upgrade->argv[i]; i++) {
        is_str(app->upgrade->argv[i], line + n, "... each word");
        n += strlen(line + n) + 1;
    }
    sse_app_free(app);
    if (!getcwd(dir, sizeof dir)) return;
    for (i = 0; i < SSE__COUNT(names); i++) {
        char                name[20], more[] = "more of it";
        char               *argv[3];
        sse_upgrade_options o;
        memset(&o, 0, sizeof o);
        snprintf(name, sizeof name, "%s", names[i]);
        argv[0] = name;
        argv[1] = more;
        argv[2] = NULL;
        o.argv = argv;
        app = app_new();
        is_int(sse_upgrade_on_signal(app, &o), 0, names[i]);
        memset(name, 'x', sizeof name - 1);
        snprintf(want, sizeof want, i < 2 ? "%s%s" : "%s/%s", i < 2 ? "" : dir, names[i]);
        is_str(app->upgrade->program, want, "... is found from anywhere, or by PATH");
        is_str(app->upgrade->argv[0], names[i], "... and called as it was");
        is_str(app->upgrade->argv[1], more, "... with its words");
        ok(!app->upgrade->argv[2], "... and no more");
        sse_app_free(app);
    }
}

int main(void) {
    int fd;
    for (fd = 3; fd < 1024; fd++) close(fd); /* whatever it was started with */
    refused();
    fails();
    kept();
    begins_not();
    sets_up_not();
    told_late();
    idle();
    stopped();
    in_flight();
    nobody_there();
    start_time();
    letters();
    signal_masks();
    no_signal();
    program();
    handed();
    environment();
    spread();
    not_handed();
    fits();
    nowhere();
    passed_on();
    no_socket();
    orphan();
    inherits_not();
    inherits();
    is_int(living, 0, "no memory is left");
    return tap_done();
}
