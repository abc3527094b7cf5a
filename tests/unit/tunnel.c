/* Agents that tell a public address: which words of theirs are one, how they end, and that nothing
   of them is left. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include "refuse.h"
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
static int dup2_fails; /* the nth to come; 0: none. libc's own memory */
#define posix_spawn_file_actions_adddup2(files, from, to) \
    (dup2_fails && !--dup2_fails ? ENOMEM : posix_spawn_file_actions_adddup2(files, from, to))
static int spawn_fails; /* and leaves in *pid what POSIX leaves open */
#define posix_spawn(pid, path, files, attributes, argv, env) \
    (spawn_fails ? (*(pid) = 99999999, EAGAIN)               \
                 : posix_spawn(pid, path, files, attributes, argv, env))
static int strangers_killed;
#define kill(pid, number) (strangers_killed += (pid) == -99999999, kill(pid, number))
static int wait_interrupted; /* once */
#define waitpid(pid, status, options)                                           \
    (wait_interrupted && !(options) ? (wait_interrupted = 0, errno = EINTR, -1) \
                                    : waitpid(pid, status, options))
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"
#ifdef __linux__
#include <sys/prctl.h>
#endif

static char        logged[2000];
static const char *last_words; /* a line at which the program stops the tunnel; NULL: none */
static sse_app    *serving;

static void on_log(int level, const char *line, void *user) {
    const size_t n = strlen(logged);
    (void)user;
    if (last_words && strstr(line, last_words)) {
        last_words = NULL;
        sse_tunnel_stop(serving->tunnel);
    }
    snprintf(logged + n, sizeof logged - n, "%d %s\n", level, line);
}

static sse_app *begin(bool listens) {
    sse_app_options options;
    sse_app        *app;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    app = listens ? dial_app(&options) : sse_app_new(&options);
    logged[0] = '\0';
    return app;
}

static void gone(pid_t group, const char *name) { /* what an agent started may end a moment later */
    int i;
    for (i = 0; i < 3000 && !kill(-group, 0); i++) {
        while (waitpid(-group, NULL, WNOHANG) > 0) {
        } /* what lost its parent, see main */
        poll(NULL, 0, 10);
    }
    ok(kill(-group, 0) < 0 && errno == ESRCH, "%s: nothing of it runs", name);
}

static void words(void) {
    static const struct {
        const char *says, *url;
    } rows[] = {
        {"echo https://a.example", "https://a.example"},
        {"echo https://a.example/", "https://a.example"},
        {"echo 'see http://a.example:8, now'", "http://a.example:8"},
        {"echo '<https://a.example>'", "https://a.example"},
        {"echo \"(https://a.example)\"", "https://a.example"},
        {"echo 'at=https://a.example;'", "https://a.example"},
        {"echo https://a.example/path; echo https://b.example", "https://b.example"},
        {"echo https://a.example/path https://b.example", "https://b.example"},
        {"echo http://localhost:1 http://127.0.0.1 https://c.example", "https://c.example"},
        {"echo https://; echo https://d.example", "https://d.example"},
        {"echo https://a.example https://b.example", "https://a.example"},
        {"echo '{\"a\":1,\"url\":\"https://e.example\"}'", "https://e.example"},
        {"echo '{\"url\":\"https://f.example/path\"}'; echo https://g.example",
            "https://g.example"},
        {"echo https://h.example >&2", "https://h.example"},
        {"echo '{\"url\":\"\"}'; echo https://i.example", "https://i.example"},
        {"echo '{\"url\":\"i.example\"}'; echo https://j.example/", "https://j.example"},
        {"echo '{\"url\":\"null\"}'; echo '{\"url\":null}'; echo https://k.example/",
            "https://k.example"},
        {"echo '{\"msg\":\"at https://l.example\"}'; echo https://m.example", "https://m.example"},
        {"printf 'https://n.example\\there\\n'", "https://n.example"},
        {"printf 'https://o.example\\303\\251\\n'", "https://o.example"},
        {"echo ftp://q.example; echo q.example; echo HTTPS://r.example https://q.example",
            "https://q.example"},
        {"echo 'Names of your own: go to https://admin.s.example/'; "
         "echo 's.example tunneled with tls termination, https://s.example'",
            "https://s.example"},
        {"echo 'https://admin.t.example/ has more'; printf ' \\thttps://t.example/ \\r\\n'",
            "https://t.example"},
        {"echo https://u.example/ https://v.example", "https://v.example"},
        {"cat; echo https://w.example", "https://w.example"}, /* its standard input is empty */
        {"echo https://p{port}.example", NULL},
        {"echo https://{port}.a{port}.example", NULL},
    };
    const int before = descriptors();
    size_t    i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app    *app = begin(true);
        char        command[200], want[100];
        sse_tunnel *t;
        pid_t       group;
        const char *url;
        int         port = sse_port(app);
        snprintf(command, sizeof command, "%s; sleep 100", rows[i].says);
        snprintf(want, sizeof want,
            i + 1 < SSE__COUNT(rows) ? "https://p%d.example" : "https://%d.a%d.example", port,
            port);
        if (rows[i].url) snprintf(want, sizeof want, "%s", rows[i].url);
        t = sse_tunnel_start(app, command);
        url = sse_tunnel_url(t, 30000);
        is_str(url, want, rows[i].says);
        ok(url == sse_tunnel_url(t, 0), "... which stays");
        ok(app->tunnel_host && strstr(want, app->tunnel_host), "... and is a host of the app");
        ok(!sse_tunnel_start(app, command) && strstr(logged, "there is one"), "... the only one");
        group = t->pid;
        if (i % 2) sse_tunnel_stop(t);
        if (i % 2) ok(!app->tunnel && !app->tunnel_host, "stopped: no host");
        dial_free(app);
        gone(group, rows[i].says);
    }
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

static void ends(void) {
    const int   before = descriptors();
    sse_app    *app = begin(false);
    sse_tunnel *t = sse_tunnel_start(app, "echo https://a.example");
    pid_t       agent;
    int         i;
    ok(!t && strstr(logged, "0 no tunnel was started: call sse_listen first, with a port\n"),
        "nothing listens: no tunnel");
    sse_app_free(app);
    app = begin(true);
    t = sse_tunnel_start(app, "sleep 100");
    ok(!sse_tunnel_url(t, 0) && !sse_tunnel_url(t, -1) && !sse_tunnel_url(t, 50), "not known yet");
    sse_tunnel_stop(t);
    t = sse_tunnel_start(app, "echo one; echo two; exit 3");
    agent = t ? t->pid : 0;
    wait_interrupted = 1;
    ok(t && !sse_tunnel_url(t, 30000), "an agent that ends without an address");
    ok(strstr(logged, "1 the tunnel's agent ended: two\n") != NULL, "the log has its last words");
    ok(strstr(logged, "3 tunnel: one\n3 tunnel: two\n") != NULL, "... and all, for who debugs");
    ok(t->out < 0 && !t->pid, "it is buried");
    ok(!wait_interrupted && waitpid(agent, NULL, WNOHANG) < 0,
        "... though a signal came meanwhile");
    sse_tunnel_stop(t);
    logged[0] = '\0';
    t = sse_tunnel_start(app, "echo https://a.example; echo bye");
    for (i = 0; i < 30000 && t->out >= 0; i++) turns(app, 1), poll(NULL, 0, 10);
    is_str(sse_tunnel_url(t, 0), "https://a.example", "the loop reads what it says, too");
    ok(t->out < 0, "... and it stays when the agent has ended");
    ok(strstr(logged, "2 tunnel at https://a.example\n") && strstr(logged, "agent ended: bye\n"),
        "as the log tells");
    sse_tunnel_stop(t);
    sse_tunnel_stop(NULL);
    ok(!sse_tunnel_url(NULL, 10), "no tunnel, no address");
    dial_free(app);
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

/* An agent starts with no signal blocked, and heeds those that the program does not. */
static void signals(void) {
#ifdef __linux__
    static const char *const fields[] = {"SigBlk:", "SigIgn:"};
    const unsigned long long bits =
        1ull << (SIGTERM - 1) | 1ull << (SIGPIPE - 1) | 1ull << (SIGUSR1 - 1);
    sse_app *app = begin(true);
    sigset_t mask, was;
    void (*pipe_was)(int) = signal(SIGPIPE, SIG_IGN), (*term_was)(int) = signal(SIGTERM, SIG_IGN);
    sse_tunnel *t;
    size_t      i;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &mask, &was);
    t = sse_tunnel_start(app, "grep -a ^Sig /proc/self/status; echo https://a.example; sleep 100");
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    signal(SIGPIPE, pipe_was);
    signal(SIGTERM, term_was);
    is_str(sse_tunnel_url(t, 30000), "https://a.example", "an agent that shows its signals");
    for (i = 0; i < SSE__COUNT(fields); i++) {
        const char *at = strstr(logged, fields[i]); /* behind it a tab, which is a ? in the log */
        ok(at && (strtoull(at + 8, NULL, 16) & bits) == 0, "... has none in %s", fields[i]);
    }
    dial_free(app);
#endif
}

static void without_memory(void) {
    const int before = descriptors();
    long      n, refused = 0, wrong = 0;
    sse_app  *app;
    for (n = 1; n < 100; n++) {
        sse_tunnel *t;
        app = begin(true);
        fail_at = n;
        t = sse_tunnel_start(app, "echo https://a.example");
        wrong += t != app->tunnel;
        if (t && fail_at) n = 100; /* it has all that it needs */
        else refused += !t;
        fail_at = 0;
        dial_free(app);
    }
    ok(refused >= 3 && !wrong, "%ld allocations fail: no tunnel", refused);
    for (n = 1; n <= 3; n++) {
        app = begin(true);
        dup2_fails = (int)n;
        ok(!sse_tunnel_start(app, "sleep 100") && strstr(logged, "no tunnel was started"),
            "no memory to give the agent descriptor %ld: no tunnel", n - 1);
        dup2_fails = 0;
        dial_free(app);
    }
    spawn_fails = 1;
    app = begin(true);
    ok(!sse_tunnel_start(app, "sleep 100") && strstr(logged, "no tunnel was started"),
        "no process: no tunnel");
    dial_free(app);
    is_int(strangers_killed, 0, "... and none to kill");
    spawn_fails = 0;
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

/* An address that is known is a host of the app: without memory for both there is none yet. */
static void address_without_memory(void) {
    const int before = descriptors();
    long      n, refused = 0;
    for (n = 1; n < 20; n++) {
        sse_app    *app = begin(true);
        sse_tunnel *t = sse_tunnel_start(app, "sleep 100");
        const char *url;
        fail_at = n;
        sse__tunnel_line(app, "https://a.example", t);
        url = sse_tunnel_url(t, 0);
        if (fail_at) n = 20; /* it has all that it needs */
        else refused += !url;
        fail_at = 0;
        if (!url) sse__tunnel_line(app, "https://a.example", t);
        is_str(sse_tunnel_url(t, 0), "https://a.example", "the address, or the next time");
        is_str(app->tunnel_host, "a.example", "... is a host of the app");
        ok(strstr(logged, "tunnel at https://a.example\n") != NULL, "... as the log tells");
        dial_free(app);
    }
    ok(refused >= 2, "%ld allocations fail: no address", refused);
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

static void refused(void) {
    static const struct {
        const char *call;
        int         nth;
    } rows[] =
    { {"pipe(fds)", 1},
        {"pipe(fds + 2)", 1},
        {"fcntl(fds[i]", 1},
        {"fcntl(fds[i]", 4},
        {"fcntl(fd, F_GETFL", 1},
#if SSE__EPOLL
        {"epoll_ctl(", 1},
#endif
    };
    const int before = descriptors();
    sse_app  *app = begin(true);
    const int open = descriptors();
    size_t    i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        logged[0] = '\0';
        refuse(rows[i].call, rows[i].nth, EMFILE);
        ok(!sse_tunnel_start(app, "echo https://a.example; sleep 100") && !refuse_at,
            "%s refused: no tunnel", rows[i].call);
        ok(strstr(logged, "no tunnel was started: ") && !app->tunnel, "... as the log says");
        is_int(descriptors(), open, "... and no descriptor is left");
    }
    dial_free(app);
    is_int(descriptors(), before, "nor at the end");
    is_int(living, 0, "no memory is");
}

/* Without a command: ngrok, which is not on this path. */
static void not_there(void) {
    char       *path = getenv("PATH") ? strdup(getenv("PATH")) : NULL;
    sse_app    *app = begin(true);
    sse_tunnel *t;
    setenv("PATH", "/nowhere", 1);
    t = sse_tunnel_start(app, NULL);
    if (path) setenv("PATH", path, 1);
    ok(t && !sse_tunnel_url(t, 30000), "an agent that is not there has no address");
    ok(strstr(logged, "agent ended: ") && strstr(logged, "ngrok"), "the log names it: %s", logged);
    free(path);
    dial_free(app);
}

static void stopped_by_log(void) {
    static const char *const lines[] = {"agent ended", "tunnel: words", "tunnel at"};
    size_t                   i;
    int                      turned;
    for (i = 0; i < SSE__COUNT(lines); i++) {
        serving = begin(true);
        ok(sse_tunnel_start(serving, "echo words https://a.example") != NULL, "an agent starts");
        last_words = lines[i];
        for (turned = 0; turned < 30000 && last_words; turned++) sse_poll(serving, 10);
        turns(serving, 3);
        ok(!serving->tunnel, "a line of the log makes the program stop it: %s", lines[i]);
        dial_free(serving);
    }
    for (i = 1; i < SSE__COUNT(lines); i++) { /* while it waits for the address */
        sse_tunnel *t;
        serving = begin(true);
        last_words = lines[i];
        t = sse_tunnel_start(serving, "echo words https://a.example; sleep 100");
        ok(t && !sse_tunnel_url(t, 30000), "the address of a tunnel that the program stops: none");
        ok(!serving->tunnel && !last_words, "... at a line of the log: %s", lines[i]);
        dial_free(serving);
    }
    is_int(living, 0, "no memory is left");
}

int main(void) {
#ifdef __linux__ /* init may take its time to bury what lost its parent */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
    words();
    ends();
    signals();
    without_memory();
    address_without_memory();
    refused();
    not_there();
    stopped_by_log();
    return tap_done();
}
