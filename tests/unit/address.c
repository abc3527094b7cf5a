/* address.c: where an app listens and who comes in there: IPv6, names, unix sockets, sockets of a
   service manager; what the system refuses on the way. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include "scarce.h"
#include "refuse.h"
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <sys/stat.h>
static bool served_yet;  /* the file that was unlinked last had a server */
static bool open_to_all; /* ... that got its mode last */

static bool takes_calls(const char *path) {
    struct sockaddr_un to;
    const int          fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool               taken;
    memset(&to, 0, sizeof to);
    to.sun_family = AF_UNIX;
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    taken = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return taken;
}

static int unlink_seen(const char *path) {
    served_yet = takes_calls(path);
    return unlink(path);
}

static int chmod_seen(const char *path, mode_t mode) {
    open_to_all = takes_calls(path);
    return chmod(path, mode);
}
static int nameless; /* the nth that is accepted; 0: none */

/* A client without an address of its own, as at unix sockets, for which POSIX lets a system leave
   what is there for it as it was. */

static int accept_some(int fd, struct sockaddr *from, socklen_t *len) {
    if (!nameless || --nameless) return accept(fd, from, len);
    *len = 0;
    return accept(fd, NULL, NULL);
}
#define accept accept_some
#define unlink unlink_seen
#define chmod  chmod_seen
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef chmod
#undef unlink
#undef accept
#include "../tap.h"
#include "come.h"
#include "dial.h"

static char logged[4000], peer[80];
static int  warnings;

static void on_log(int level, const char *line, void *user) {
    (void)user;
    warnings += level == SSE_LOG_WARNING;
    if (strlen(logged) + strlen(line) + 2 < sizeof logged) strcat(strcat(logged, line), "\n");
}

static void who(sse_req *req, void *user) {
    (void)user;
    snprintf(peer, sizeof peer, "%s", sse_peer(req));
    sse_puts(sse_out(req), "hello");
}

static sse_app *app_new(const char *trusted, int max_per_peer) {
    sse_app_options o;
    sse_app        *app;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.trusted_proxies = trusted;
    o.max_per_peer = max_per_peer;
    logged[0] = peer[0] = '\0';
    app = sse_app_new(&o);
    sse_get(app, "/", who, NULL);
    return app;
}

static int listens(sse_app *app, const char *host, int backlog) {
    sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.host = host;
    o.port = SSE_ANY_PORT;
    o.backlog = backlog;
    return sse_listen(app, &o);
}

/* A client at that address, which has asked a host of this name for /. */
static int come_for(sse_app *app, const char *host, const char *name) {
    char ask[100];
    snprintf(ask, sizeof ask, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", name);
    return come_with(app, host, ask);
}

static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

static int come(sse_app *app, const char *host) { return come_for(app, host, "localhost"); }

static void names(void) {
    static const struct {
        const char *host, *says, *from;
    } rows[] = {
        {"localhost", "listening on http://127.0.0.1:", "127.0.0.1"},
        {"127.0.0.1", "listening on http://127.0.0.1:", "127.0.0.1"},
        {"::1", "listening on http://[::1]:", "::1"},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app  *app = app_new("10.0.0.1 ::2", 0);
        const int error = listens(app, rows[i].host, 7);
        if (error && i == 2) ok(true, "::1 # skip this machine has no IPv6");
        else {
            is_int(error, 0, rows[i].host);
            ok(sse_port(app) > 0, "it has a port");
            ok(strstr(answered(app, come(app, rows[i].from)), "hello") != NULL, "it answers");
            is_str(peer, rows[i].from, "who comes by that");
        }
        sse_app_free(app);
    }
}

/* On loopback a page elsewhere whose name leads here is refused; who listens for others has names
   of its own. */
static void foreign_names(void) {
    static const struct {
        const char *host, *at, *status;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", " 421 "},
        {"0.0.0.0", "127.0.0.1", " 200 "},
        {"127.1.2.3", "127.1.2.3", " 421 "},
        {"::1", "::1", " 421 "},
        {"::", "::1", " 200 "},
        {"::", "127.0.0.1", " 200 "},
        {"::ffff:127.0.0.1", "127.0.0.1", " 421 "},
        {"::ffff:127.1.2.3", "127.1.2.3", " 421 "},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_new(NULL, 0);
        if (listens(app, rows[i].host, 0))
            ok(i > 1, "%s # skip this machine has no IPv6", rows[i].host);
        else
            ok(strstr(answered(app, come_for(app, rows[i].at, "shop.example")), rows[i].status) !=
                    NULL,
                "another name where %s listens:%s", rows[i].host, rows[i].status);
        if (peer[0]) is_str(peer, rows[i].at, "... and who comes is known");
        sse_app_free(app);
    }
}

static const char *too_long(const char *before) { /* for the address of a unix socket */
    static char text[200];
    snprintf(text, sizeof text, "%s/tmp/%0150d", before, 0);
    return text;
}

static void no_addresses(void) {
    const char *const rows[] = {"nowhere", "1.2.3", "[::1]", "unix:", too_long("unix:")};
    size_t            i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_new(NULL, 0);
        is_int(listens(app, rows[i], 0), SSE_E_ARG, rows[i]);
        is_int(sse_port(app), 0, "... is no address, and nothing listens");
        sse_app_free(app);
    }
    is_int(sse_port(NULL), 0, "nor does no app");
}

/* One address has its share, but a proxy stands for many. */
static void shares(void) {
    int trusted;
    for (trusted = 0; trusted < 2; trusted++) {
        sse_app *app = app_new(trusted ? "127.0.0.1" : "127.0.0.2", 1);
        int      one, other;
        is_int(listens(app, NULL, 0), 0, "an app for one connection of each");
        one = come(app, "127.0.0.1");
        sse_poll(app, 50);
        other = come(app, "127.0.0.1");
        ok((strstr(answered(app, other), " 200 ") != NULL) == trusted, "the second one %s",
            trusted ? "is a proxy's, and answered" : "is refused");
        other = come(app, "127.0.0.1");
        sse_poll(app, 50);
        close(one);
        sse_poll(app, 50);
        ok(strstr(answered(app, come(app, "127.0.0.1")), " 200 ") != NULL,
            "where the first has left there is room, whoever waits to be refused");
        close(other);
        sse_app_free(app);
    }
}

#ifdef __linux__                  /* where all of 127 is this machine's */
static void shares_of_two(void) { /* what one address holds is no share of another */
    static const char *const froms[] = {"127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"};
    sse_app                 *app = app_new(NULL, 1);
    int                      fds[4], i;
    is_int(listens(app, "0.0.0.0", 0), 0, "an app for one connection of each");
    for (i = 0; i < 4; i++) {
        sse__address a;
        char         text[200] = "";
        int          k;
        sse__address_parse(&a, froms[i], 0);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(fds[i], &a.to.any, a.len)) perror(froms[i]);
        sse__address_parse(&a, "127.0.0.1", sse_port(app));
        if (connect(fds[i], &a.to.any, a.len) || send(fds[i], get, strlen(get), 0) < 0)
            perror("connect");
        for (k = 0; k < 2000 && recv(fds[i], text, sizeof text - 1, MSG_DONTWAIT) <= 0; k++)
            sse_poll(app, 5);
        ok(strstr(text, i < 2 ? " 200 " : " 503 ") != NULL, "the %s of %s: %.12s",
            i < 2 ? "first" : "second", froms[i], text);
    }
    for (i = 0; i < 4; i++) close(fds[i]);
    sse_app_free(app);
}
#endif

/* Each connection costs no call to set it up: it has what its listener has. */
static void socket_options(void) {
#if defined(__linux__) && defined(TCP_USER_TIMEOUT)
    static const int wanted[][3] = {{IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 20},
        {IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 14000}};
    int              off;
    for (off = 0; off < 2; off++) {
        sse_app_options o;
        sse_app        *app;
        int             fd, value, i;
        memset(&o, 0, sizeof o);
        o.send_timeout_ms = off ? SSE_OFF : 7000;
        app = sse_app_new(&o);
        sse_get(app, "/", who, NULL);
        is_int(listens(app, "127.0.0.1", 0), 0, "an app with a time for sending, or none");
        fd = come(app, "127.0.0.1");
        for (i = 0; i < 30000 && !app->net->count; i++) sse_poll(app, 5);
        for (i = 0; i < (int)SSE__COUNT(wanted); i++) {
            const sse__conn *c = SSE__CONTAINER(app->net->conns.next, sse__conn, all);
            socklen_t        n = sizeof value;
            value = -1;
            if (getsockopt(c->source.fd, wanted[i][0], wanted[i][1], &value, &n)) perror("option");
            is_int(value, off && i == 5 ? 0 : wanted[i][2], "an option of a connection");
        }
        value = sse__socket_value(sse__listener_last(app)->source.fd, SO_REUSEADDR);
        is_int(value, 1, "a port may be taken at once by the next process");
        close(fd);
        sse_app_free(app);
    }
#endif
}

/* ---- by a unix socket, in a time that stands still ---- */

static char unix_path[100], unix_host[120];

static sse_app *unix_app(void) {
    sse_app *app = app_new(NULL, 1);
    snprintf(unix_path, sizeof unix_path, "/tmp/sse-unix-%d", (int)getpid());
    snprintf(unix_host, sizeof unix_host, "unix:%s", unix_path);
    is_int(listens(app, unix_host, 0), 0, "a unix socket");
    is_int(sse_port(app), 0, "... has no port");
    is_int(sse_test_run(app, 0), 0, "time stands still");
    return app;
}

static const char *reply(sse_app *app, int fd, int ms) { /* what has come by then */
    static char text[2000];
    ssize_t     n;
    int         i;
    (void)sse_test_run(app, ms);
    for (i = 0; i < 3; i++) (void)sse_test_run(app, 0); /* it is accepted, then it is read */
    n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static uint64_t accepted(sse_app *app) {
    sse_stats stats;
    sse_stats_get(app, &stats);
    return stats.accepted;
}

static void no_shares(void) { /* who comes by a unix socket has no address */
    sse_app *app = unix_app();
    int      one = come(app, unix_host), two = come(app, unix_host);
    ok(strstr(reply(app, one, 0), "hello") && strstr(reply(app, two, 0), "hello"),
        "all of a unix socket are served");
    is_str(peer, "unix", "... and are nobody in particular");
    close(one);
    close(two);
    sse_app_free(app);
}

static void without_descriptors(void) { /* LI2 */
    static const int  errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    static const char says[] = "cannot accept connections for now: out of descriptors or memory\n";
    sse_app          *app = unix_app();
    sse_stats         stats;
    const int         open = descriptors();
    uint64_t          before = 0;
    size_t            i;
    int               fd;
    warnings = 0;
    for (i = 0; i < SSE__COUNT(errors); i++) {
        logged[0] = '\0';
        refuse("accept(source->fd", 1, errors[i]);
        fd = come(app, unix_host);
        is_str(reply(app, fd, 0), "", "nothing is left to accept with");
        is_str(logged, says, "... as the log tells");
        is_str(reply(app, fd, 99), "", "... for a tenth of a second");
        is_int((int)(accepted(app) - before), 0, "... nobody is accepted");
        ok(strstr(reply(app, fd, 1), "hello") != NULL, "... then who waits is served");
        before = accepted(app);
        close(fd);
        (void)sse_test_run(app, 100); /* the pause is long over, and the next one the first */
    }
    is_int(warnings, 1, "all of that is one warning, as peers can cause it");
    (void)sse_test_run(app, 1000);
    logged[0] = '\0';
    fd = come(app, unix_host);
    refuse("accept(source->fd", -1, EMFILE);
    is_str(reply(app, fd, 99), "", "nothing is left for longer");
    ok(strstr(reply(app, fd, 1), " 503 ") != NULL, "... and who has asked is told");
    sse_stats_get(app, &stats);
    is_int((int)stats.refused, 1, "who has waited is refused");
    is_int((int)(stats.accepted - before), 0, "... instead of accepted");
    is_str(logged, says, "... without another word");
    is_int(warnings, 2, "... which is a warning again after a second");
    close(fd);
    (void)sse_test_run(app, 99);
    refuse("accept(source->fd", 1, EMFILE);
    fd = come(app, unix_host);
    ok(strstr(reply(app, fd, 0), " 503 ") != NULL, "so is who comes within that time");
    close(fd);
    (void)sse_test_run(app, 1);
    refuse("accept(source->fd", 1, EMFILE);
    fd = come(app, unix_host);
    is_str(reply(app, fd, 0), "", "later there is a pause first");
    ok(strstr(reply(app, fd, 100), "hello") != NULL, "... and then room");
    close(fd);
    (void)sse_test_run(app, 0);
    is_int(descriptors(), open, "its spare descriptor is there again");
    sse_app_free(app);
}

static void without_spare(void) { /* whoever got the descriptor that was given up for a moment */
    sse_app *app = unix_app();
    int      fd;
    close(app->net->spare_fd);
    app->net->spare_fd = -1;
    refuse("accept(source->fd", -1, EMFILE);
    fd = come(app, unix_host);
    is_str(reply(app, fd, 99), "", "nothing is left to accept or refuse with");
    ok(strstr(reply(app, fd, 1), " 503 ") != NULL, "... until there is a spare one again");
    refuse("", 0, 0);
    close(fd);
    sse_app_free(app);
}

static void accept_again(void) { /* nobody waits for what is no lack */
    static const int errors[] = {EINTR, ECONNABORTED};
    sse_app         *app = unix_app();
    size_t           i;
    int              fd;
    for (i = 0; i < SSE__COUNT(errors); i++) {
        refuse("accept(source->fd", 1, errors[i]);
        fd = come(app, unix_host);
        sse_poll(app, 0);
        is_int((int)accepted(app), (int)i + 1, "it is accepted in the same turn");
        ok(strstr(reply(app, fd, 0), "hello") != NULL, "... and served");
        close(fd);
    }
    is_str(strstr(logged, "cannot") ? logged : "", "", "nothing is said");
    sse_app_free(app);
}

static void no_name(void) { /* nobody is taken for the one before, a proxy to be believed, say */
    sse_app *app = app_new("127.0.0.1", 0);
    int      fd, other;
    is_int(listens(app, NULL, 0), 0, "a proxy's server");
    fd = come_with(app, "127.0.0.1", "GET /");
    other = come_with(app, "127.0.0.1",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    nameless = 2;
    ok(strstr(answered(app, other), "hello") != NULL && !nameless, "one without an address comes");
    is_str(peer, "unix", "... behind one that has one");
    close(fd);
    sse_app_free(app);
}

static void portions(void) { /* a crowd leaves the others their turn */
    sse_app     *app = unix_app();
    sse__address a;
    int          fds[257], n = 0;
    sse__address_parse(&a, unix_host, 0);
    for (; n < 257; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fds[n] < 0 || connect(fds[n], &a.to.any, a.len)) break;
    }
    if (n < 257) ok(true, "a crowd # skip it has no room here");
    else {
        sse_poll(app, 0);
        is_int((int)accepted(app), 256, "of a crowd a portion is accepted in a turn");
        sse_poll(app, 0);
        is_int((int)accepted(app), 257, "the rest in the next");
    }
    for (; n >= 0; n--)
        if (n < 257) close(fds[n]);
    sse_app_free(app);
}

/* There is no memory for a connection: who has asked is told, in words, and that is the end. */
static void without_memory(void) {
    static const char want[] = "HTTP/1.1 503 Service Unavailable\r\n";
    sse_app          *app = unix_app();
    sse_stats         stats;
    char              byte;
    int               fd = come(app, unix_host), silent;
    fail_at = 1;
    ok(strncmp(reply(app, fd, 0), want, sizeof want - 1) == 0, "no memory: it is refused");
    is_int((int)recv(fd, &byte, 1, MSG_DONTWAIT), 0, "... and hung up on");
    silent = socket(AF_UNIX, SOCK_STREAM, 0);
    {
        sse__address a;
        sse__address_parse(&a, unix_host, 0);
        ok(connect(silent, &a.to.any, a.len) == 0, "one that says nothing");
    }
    fail_at = 1;
    is_str(reply(app, silent, 0), "", "... is told nothing");
    is_int((int)recv(silent, &byte, 1, MSG_DONTWAIT), 0, "... and hung up on as well");
    sse_stats_get(app, &stats);
    is_int((int)stats.no_memory, 2, "both are counted");
    is_int((int)stats.refused, 2, "... as refused");
    is_int((int)stats.accepted, 0, "... and not as accepted");
    close(fd);
    close(silent);
#if SSE__EPOLL
    fd = come(app, unix_host);
    refuse("epoll_ctl(", 1, ENOSPC);
    ok(strncmp(reply(app, fd, 0), want, sizeof want - 1) == 0, "the system refuses to watch it");
    sse_stats_get(app, &stats);
    ok(stats.refused == 3 && stats.no_memory == 2, "... which is no lack of memory");
    close(fd);
#endif
    fd = come(app, unix_host);
    ok(strstr(reply(app, fd, 0), "hello") != NULL, "the next one is served");
    close(fd);
    sse_app_free(app);
}

/* An EventSource of HTTP/1.0 must not take the end for that of its stream: it is reset. */
static void refused_old(void) {
    static const char *const asks[] = {"GET /s HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n",
        "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"};
    int                      i;
    for (i = 0; i < 2; i++) {
        sse_app     *app = app_new(NULL, 0);
        sse__address a;
        char         text[400] = "";
        ssize_t      n = -1;
        int          fd = socket(AF_INET, SOCK_STREAM, 0), k, error = EAGAIN;
        is_int(listens(app, "127.0.0.1", 0), 0, "an app");
        sse__address_parse(&a, "127.0.0.1", sse_port(app));
        if (connect(fd, &a.to.any, a.len) || send(fd, asks[i], strlen(asks[i]), 0) < 0)
            perror("connect");
        poll(NULL, 0, 20); /* what it asks has to be there */
        fail_at = 1;
        for (k = 0; k < 2000 && n < 0 && error == EAGAIN; k++) {
            sse_poll(app, 5);
            n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
            error = errno;
        }
        ok(n > 0 && strstr(text, "retry: 2000\n\n"), "an EventSource is told to come back");
        n = recv(fd, text, sizeof text, 0);
        if (i) is_int((int)n, 0, "... by a reply with an end");
        else ok(n < 0 && errno == ECONNRESET, "... and its connection breaks");
        fail_at = 0;
        close(fd);
        sse_app_free(app);
    }
}

static void longest(void) { /* the longest path that a unix socket may have */
    struct sockaddr_un un;
    char               host[200];
    sse_app           *app = app_new(NULL, 0);
    const size_t       most = sizeof un.sun_path - 1;
    const int          n = snprintf(host, sizeof host, "unix:/tmp/sse-%d-", (int)getpid());
    memset(host + n, 'x', sizeof host - (size_t)n);
    host[5 + most + 1] = '\0';
    is_int(listens(app, host, 0), SSE_E_ARG, "a path that is a byte too long");
    sse_app_free(app);
    app = app_new(NULL, 0);
    host[5 + most] = '\0';
    is_int(listens(app, host, 0), 0, "the longest one");
    ok(access(host + 5, F_OK) == 0, "... is its file");
    ok(strstr(answered(app, come(app, host)), "hello") != NULL, "... and is served");
    sse_app_free(app);
    ok(access(host + 5, F_OK) != 0, "... until its end");
}

static void inherited(void) { /* by a child of the program: nothing of an app */
    bool     was[100];
    sse_app *app;
    int      fd, n = 0, mine;
    for (fd = 0; fd < 100; fd++) was[fd] = fcntl(fd, F_GETFD) >= 0;
    app = app_new(NULL, 0);
    is_int(listens(app, "127.0.0.1", 0), 0, "an app with a connection");
    mine = come(app, "127.0.0.1");
    for (fd = 0; fd < 2000 && !app->net->count; fd++) sse_poll(app, 5);
    for (fd = 0; fd < 100; fd++)
        if (!was[fd] && fd != mine && fcntl(fd, F_GETFD) >= 0) {
            is_int(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "no child inherits a descriptor");
            n++;
        }
    ok(n >= 3, "... of %d", n);
    close(mine);
    sse_app_free(app);
}

static void two_ports(void) {
    sse_app *app = app_new(NULL, 0);
    int      first, second;
    is_int(listens(app, NULL, 0), 0, "one port");
    first = sse_port(app);
    is_int(listens(app, NULL, 0), 0, "... and another");
    second = sse__bound_port(sse__listener_last(app)->source.fd);
    ok(second > 0 && second != first, "are two");
    is_int(sse_port(app), first, "the app's is the first");
    ok(strstr(answered(app, come(app, "127.0.0.1")), "hello") != NULL, "it is served");
    app->net->port = second;
    ok(strstr(answered(app, come(app, "127.0.0.1")), "hello") != NULL, "... as is the second");
    sse_app_free(app);
}

static void refused_calls(void) {
    static const struct {
        const char *call;
        int         error;
    } rows[] =
    { {"socket(", EMFILE},
        {"fcntl(fd, F_GETFL", EIO},
        {"fcntl(fd, F_SETFL", EIO},
        {"fcntl(fd, F_SETFD", EIO},
        {"bind(", EACCES},
        {"listen(", EADDRINUSE},
#if SSE__EPOLL
        {"epoll_ctl(", 0},
#endif
    },
      accepts[] = {{"fcntl(fd, F_SETFD", EIO}, {"fcntl(fd, F_SETFL, O_NONBLOCK", EIO}};
    const int before = descriptors();
    size_t    i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app  *app = app_new(NULL, 0);
        const int open = descriptors();
        refuse(rows[i].call, 1, rows[i].error ? rows[i].error : ENOSPC);
        ok(listens(app, NULL, 0) < 0 && !refuse_at, "%s refused: it does not listen", rows[i].call);
        if (rows[i].error)
            ok(strstr(logged, strerror(rows[i].error)) != NULL, "... and says why: %s", logged);
        is_int(sse_port(app), 0, "... it has no port");
        is_int(descriptors(), open, "... no descriptor is left");
        sse_app_free(app);
    }
    for (i = 0; i < SSE__COUNT(accepts); i++) {
        sse_app *app = app_new(NULL, 0);
        listens(app, NULL, 0);
        refuse(accepts[i].call, 1, accepts[i].error);
        is_str(answered(app, come(app, "127.0.0.1")), "",
            "a connection whose descriptor cannot be set up is closed");
        ok(!refuse_at && strstr(answered(app, come(app, "127.0.0.1")), "hello"),
            "... and the next one answered");
        sse_app_free(app);
    }
    is_int(descriptors(), before, "no descriptor is left at the end");
}

/* The file of a socket that nobody answers at is taken; one that is no socket, or is served, is
   not. */
static void unix_files(void) {
    char              path[64], host[80];
    sse_app          *app, *other;
    sse_serve_options o;
    int               i, fd;
    memset(&o, 0, sizeof o);
    snprintf(path, sizeof path, "/tmp/sse-address-%d", (int)getpid());
    snprintf(host, sizeof host, "unix:%s", path);
    o.host = host;
    for (i = 0; i < 2; i++) { /* as a server that was killed leaves it */
        sse__address a;
        sse__address_parse(&a, host, 0);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        ok(bind(fd, &a.to.any, a.len) == 0, "a file that is left");
        close(fd);
        app = app_new(NULL, 0);
        if (i) refuse("socket(AF_UNIX", 1, EMFILE); /* nobody can look */
        ok((sse_listen(app, &o) == 0) == !i, i ? "... stays, if nobody can look" : "... is taken");
        if (i) is_int(unlink(path), 0, "it is there");
        else {
            other = app_new(NULL, 0);
            ok(sse_listen(other, &o) < 0, "one that is served is not");
            sse_app_free(other);
            ok(strstr(answered(app, come(app, host)), "hello") != NULL, "... and is served still");
        }
        sse_app_free(app);
        ok(access(path, F_OK) != 0, "nothing is left");
        /* one that starts just then would put its own there, which is not to be removed */
        if (!i) ok(served_yet, "... and nobody found it unserved before");
    }
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ok(write(fd, "mine", 4) == 4 && close(fd) == 0, "a file that is no socket");
    app = app_new(NULL, 0);
    is_int(sse_listen(app, &o), SSE_E_IO, "... is in the way");
    sse_app_free(app);
    is_int(unlink(path), 0, "... and stays there");
    o.unix_mode = 0600;
    app = app_new(NULL, 0);
    refuse("chmod(", 1, EPERM);
    ok(sse_listen(app, &o) < 0, "without its mode it does not listen");
    sse_app_free(app);
    unlink(path);
    open_to_all = true;
    app = app_new(NULL, 0);
    is_int(sse_listen(app, &o), 0, "a file with a mode");
    ok(!open_to_all, "... has that before anybody can connect");
    sse_app_free(app);
}

/* A link in the place of the file is somebody's, wherever it leads. */
static void unix_link(void) {
    char         path[64], host[80], alias[80];
    sse_app     *app = app_new(NULL, 0);
    sse__address a;
    struct stat  st;
    int          fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(path, sizeof path, "/tmp/sse-link-%d", (int)getpid());
    snprintf(alias, sizeof alias, "%s.link", path);
    snprintf(host, sizeof host, "unix:%s", alias);
    sse__address_unix(&a, sse__text(path));
    ok(bind(fd, &a.to.any, a.len) == 0, "a file that is left");
    close(fd);
    is_int(symlink(path, alias), 0, "... and a link to it");
    is_int(listens(app, host, 0), SSE_E_IO, "... which is in the way");
    ok(lstat(alias, &st) == 0 && S_ISLNK(st.st_mode), "... and stays");
    sse_app_free(app);
    unlink(alias);
    unlink(path);
}

#ifdef __linux__
/* A server that accepts nobody, and has no room for more, is one as well. */
static void unix_full(void) {
    char              path[64], host[80];
    sse_app          *app = app_new(NULL, 0);
    sse_serve_options o;
    sse__address      a;
    int               fds[10], n = 0;
    memset(&o, 0, sizeof o);
    snprintf(path, sizeof path, "/tmp/sse-full-%d", (int)getpid());
    snprintf(host, sizeof host, "unix:%s", path);
    o.host = host;
    sse__address_parse(&a, host, 0);
    fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    ok(bind(fds[0], &a.to.any, a.len) == 0 && listen(fds[0], 0) == 0, "a server that hangs");
    do {
        fds[++n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (n < 9 && connect(fds[n], &a.to.any, a.len) == 0);
    is_int(errno, EAGAIN, "... has no room");
    is_int(sse_listen(app, &o), SSE_E_IO, "another does not wait for it");
    is_int(access(path, F_OK), 0, "... and leaves it its file");
    for (; n >= 0; n--) close(fds[n]);
    sse_app_free(app);
    unlink(path);
}
#endif

/* Variables that tell of sockets of a service manager which are not there. */
static void not_passed(void) {
    static const char *const counts[] = {"0", "-1", "1025", "x", "1"};
    char                     pid[20];
    size_t                   i;
    for (i = 0; i < SSE__COUNT(counts); i++) {
        sse_app *app = app_new(NULL, 0);
        int      error;
        snprintf(pid, sizeof pid, "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", counts[i], 1);
        error = listens(app, NULL, 0);
        if (i + 1 < SSE__COUNT(counts)) is_int(error, 0, "no socket is passed: its own address");
        else is_int(error, SSE_E_IO, "descriptor 3 is no socket that listens");
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        sse_app_free(app);
    }
}

/* One that is passed is like one of its own. */
static void passed(void) {
    struct sockaddr_in at;
    char               pid[20], want[100];
    int                value = 0, kept = fcntl(3, F_DUPFD, 20), i;
    const int          fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t          n = sizeof value;
    sse_app           *app;
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 9) == 0, "a socket");
    if (fd != 3) {
        dup2(fd, 3);
        close(fd);
    }
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "http", 1);
    app = app_new(NULL, 0);
    is_int(listens(app, NULL, 0), 0, "... of a service manager");
    ok(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"),
        "no other process takes it for its own");
    snprintf(want, sizeof want, "listening on descriptor 3, port %d, of LISTEN_FDS\n",
        sse_port(app));
    is_str(logged, want, "the log tells of it");
    ok(sse__listener_last(app)->passed, "... and a process that takes over is told, too");
    ok(getsockopt(3, IPPROTO_TCP, TCP_NODELAY, &value, &n) == 0 && value, "... it is set up");
    ok(strstr(answered(app, come(app, "127.0.0.1")), "hello") != NULL, "... and served");
    for (i = 0; i < 2; i++) is_int(listens(app, NULL, 0), 0, "the next one is its own");
    sse_app_free(app);
    if (kept >= 0) dup2(kept, 3);
    if (kept >= 0) close(kept);
}

/* How many may wait to be accepted. */
static void backlogs(void) {
#if defined(__linux__) && defined(TCP_INFO)
    static const int wanted[] = {7, 0};
    FILE            *f = fopen("/proc/sys/net/core/somaxconn", "r");
    int              most = 0, i;
    if (f && fscanf(f, "%d", &most) != 1) most = 0;
    if (f) fclose(f);
    for (i = 0; i < 2 && most; i++) {
        uint32_t  info[8]; /* the beginning of struct tcp_info, which musl has only for GNU */
        socklen_t n = sizeof info;
        sse_app  *app = app_new(NULL, 0);
        is_int(listens(app, NULL, wanted[i]), 0, "an app with a backlog");
        if (getsockopt(sse__listener_last(app)->source.fd, IPPROTO_TCP, TCP_INFO, info, &n) ||
            n < sizeof info) /* qemu: 4 bytes */
            ok(true, "of so many # skip the system does not tell");
        else
            is_int((int)info[7], i ? (most < 4096 ? most : 4096) : 7,
                "of so many"); /* tcpi_sacked */
        sse_app_free(app);
    }
#endif
}

/* Without options: port 8000 of this machine. */
static void no_options(void) {
    sse_app *app = app_new(NULL, 0);
    refuse("bind(", 1, EADDRINUSE);
    is_int(sse_listen(app, NULL), SSE_E_IO, "all defaults");
    ok(!refuse_at && strstr(logged, "cannot listen on 127.0.0.1 port 8000: "), "... %s", logged);
    is_int(listens(app, NULL, 0), 0, "another port may do");
    sse_app_free(app);
}

/* Who is told: nobody, where the variable is none. */
static void not_notified(void) {
    const char *const paths[] = {"", "/", "relative", "@", too_long("")};
    size_t            i;
    int               n;
    for (i = 0; i < SSE__COUNT(paths); i++) {
        const int open = descriptors();
        setenv("NOTIFY_SOCKET", paths[i], 1);
        refuse("sendto(", 1, ECONNREFUSED);
        sse__notify("READY=1");
        ok(refuse_at == 1, "nothing is sent to \"%.20s\"", paths[i]);
        is_int(descriptors(), open, "... and no descriptor left");
    }
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    refuse("fcntl(fd, F_GETFL", 1, EIO);
    sse__notify("READY=1");
    ok(!refuse_at, "nor by a socket that cannot be set up");
    n = descriptors();
    sse__notify("READY=1");
    is_int(descriptors(), n, "nobody is there: nothing is left of the call");
    unsetenv("NOTIFY_SOCKET");
    refuse("", 0, 0);
}

int main(void) {
    names();
    foreign_names();
    no_addresses();
    shares();
#ifdef __linux__
    shares_of_two();
#endif
    socket_options();
    no_shares();
    without_descriptors();
    without_spare();
    accept_again();
    no_name();
    portions();
    without_memory();
    refused_old();
    longest();
    inherited();
    two_ports();
    refused_calls();
    unix_files();
    unix_link();
#ifdef __linux__
    unix_full();
#endif
    not_passed();
    passed();
    backlogs();
    no_options();
    not_notified();
    is_int(living, 0, "no memory is left");
    return tap_done();
}
