/* bare.h: the floors of the benchmarks, loops that do what the kernel must do and no more: no
   parsing, no queues, no timers. Each is a server for server_start. */
#include <poll.h>
#include <sys/epoll.h>

/* ---- a request: recv() and send() of a reply that is known ---- */

enum { MOST_DEEP = 16 };

static const char request[] =
    "GET /hello?name=world HTTP/1.1\r\nHost: localhost\r\nUser-Agent: requests/1.0\r\n"
    "Accept: */*\r\n\r\n";
static char   bare_reply[1024]; /* to be set before the start */
static size_t bare_reply_len;

static void bare_answer(int fd) {
    static char all[MOST_DEEP * sizeof bare_reply];
    char        got[MOST_DEEP * sizeof request];
    ssize_t     n = recv(fd, got, sizeof got, 0);
    size_t      i, count = n > 0 ? (size_t)n / (sizeof request - 1) : 0;
    for (i = 0; i < count; i++) memcpy(all + i * bare_reply_len, bare_reply, bare_reply_len);
    if (n <= 0 || send(fd, all, count * bare_reply_len, MSG_NOSIGNAL) < 0) close(fd);
}

__attribute__((unused)) static void bare_requests(int out, int unused) {
    struct epoll_event e, ready[64];
    const int          listener = bare_listen(out), poller = epoll_create1(0);
    (void)unused;
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    e.data.fd = listener;
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int i, n = epoll_wait(poller, ready, 64, -1);
        for (i = 0; i < n; i++) {
            if (ready[i].data.fd != listener) {
                bare_answer(ready[i].data.fd);
                continue;
            }
            e.data.fd = accept(listener, NULL, NULL);
            epoll_ctl(poller, EPOLL_CTL_ADD, e.data.fd, &e);
        }
    }
}

/* ---- an event to all: send() to one after another ---- */

enum { EVENT = 1024, MOST_READERS = 20000 };

static int go[2] = {-1, -1}; /* a byte: the next round, please, of so many events */

static void bare_send(int fd, const char *p, size_t n) { /* a full socket is waited for */
    while (n) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) _exit(0);
        p += sent;
        n -= (size_t)sent;
    }
}

__attribute__((unused)) static void bare_fanout(int out, int unused) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    static int    fds[MOST_READERS];
    char          event[EVENT + 64], got[1024], rounds;
    struct pollfd ready[2];
    const int     listener = bare_listen(out),
              n = snprintf(event, sizeof event, "%x\r\ndata: %0*d\n\n\r\n", EVENT, EVENT - 8, 0);
    int i, count = 0;
    (void)unused;
    ready[0].fd = listener;
    ready[1].fd = go[0];
    ready[0].events = ready[1].events = POLLIN;
    while (poll(ready, 2, -1) > 0) {
        if (ready[0].revents && count < MOST_READERS) {
            const int fd = accept(listener, NULL, NULL);
            if (fd < 0) _exit(1);
            if (recv(fd, got, sizeof got, 0) <= 0) {
                close(fd);
                continue;
            }
            fds[count++] = fd;
            bare_send(fd, head, sizeof head - 1);
            bare_send(fd, event, (size_t)n); /* joined */
        }
        if (!ready[1].revents) continue;
        if (read(go[0], &rounds, 1) != 1) _exit(0);
        while (rounds-- > 0)
            for (i = 0; i < count; i++) bare_send(fds[i], event, (size_t)n);
    }
}
