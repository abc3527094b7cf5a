/* crowd.h: many subscribers in one process, for the benchmarks. They count the events of what they
   read: the blank lines of plain streams, the chunks of compressed ones. Bounded in number and
   time; Linux only. */
#include <sys/epoll.h>
#include <sys/resource.h>
#include "process.h"

enum { CROWD_MOST = 20000 };

struct reader {
    int      fd;
    unsigned left, size; /* bytes to come of the chunk; what its size line said so far */
    /* of "\r\n\r\n" in the head; then 4: size, 5: LF after it, 6: bytes */
    unsigned char at;
    bool          joined; /* an event has come */
};

struct crowd {
    struct reader reader[CROWD_MOST];
    const char   *coding; /* that they accept; NULL: none */
    int           epoll, count, joined, refused;
    uint64_t      events, bytes;
    double       *late, since; /* if late is set: when each event came, in seconds after since */
    size_t        late_count, late_room;
};

static int many_descriptors(void) { /* how many there may be */
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max < CROWD_MOST + 100 ? r.rlim_max : CROWD_MOST + 100;
    setrlimit(RLIMIT_NOFILE, &r);
    return (int)r.rlim_cur;
}

static bool crowd_add(struct crowd *c, int port, const char *target) {
    struct reader     *r = &c->reader[c->count];
    struct epoll_event e;
    char               head[256];
    int                n;
    memset(r, 0, sizeof *r);
    memset(&e, 0, sizeof e);
    r->fd = connected(port);
    n = snprintf(head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n%s%s%s\r\n", target,
        c->coding ? "Accept-Encoding: " : "", c->coding ? c->coding : "", c->coding ? "\r\n" : "");
    if (r->fd < 0 || send(r->fd, head, (size_t)n, 0) != n) return false;
    e.events = EPOLLIN;
    e.data.ptr = r;
    epoll_ctl(c->epoll, EPOLL_CTL_ADD, r->fd, &e);
    c->count++;
    return true;
}

static void crowd_event(struct crowd *c, struct reader *r) {
    c->events++;
    c->joined += !r->joined;
    r->joined = true;
    if (c->late && c->late_count < c->late_room) c->late[c->late_count++] = now_s() - c->since;
}

static void crowd_chunk(struct crowd *c, struct reader *r) {
    r->at = r->size > 8 ? 6 : 7; /* heads of compressed streams and pings are shorter */
    r->left = r->size + 2;
    r->size = 0;
    if (r->at == 6) crowd_event(c, r);
}

/* What follows a head that names no coding; left: the last byte was a line end. */
static void crowd_lines(struct crowd *c, struct reader *r, const char *p, const char *end) {
    if (r->left && p < end && *p == '\n') crowd_event(c, r), p++;
    r->left = 0;
    while (p < end && (p = (const char *)memchr(p, '\n', (size_t)(end - p)))) {
        if (++p == end) r->left = 1;
        else if (*p == '\n') crowd_event(c, r), p++;
    }
}

static void crowd_take(struct crowd *c, struct reader *r, const char *p, size_t n) {
    const char *const end = p + n;
    while (p < end) {
        if (r->at == 4 && !c->coding) {
            crowd_lines(c, r, p, end);
            return;
        }
        if (r->at >= 6) { /* in a chunk, or in a short one */
            const size_t skip = (size_t)(end - p) < r->left ? (size_t)(end - p) : r->left;
            p += skip;
            r->left -= (unsigned)skip;
            if (!r->left) r->at = 4;
        } else if (r->at < 4) r->at = (unsigned char)(*p++ == "\r\n\r\n"[r->at] ? r->at + 1 : 0);
        else if (r->at == 5) {
            p++;
            crowd_chunk(c, r);
        } else if (*p == '\r') r->at = 5, p++;
        else {
            r->size = r->size * 16 + (unsigned)(*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
            p++;
        }
    }
}

static void crowd_read(struct crowd *c, int wait_ms) { /* one look at who has something */
    static char        bytes[1 << 18];
    struct epoll_event e[512];
    int                i, n = epoll_wait(c->epoll, e, 512, wait_ms);
    for (i = 0; i < n; i++) {
        struct reader *r = (struct reader *)e[i].data.ptr;
        const ssize_t  got = recv(r->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0) {
            close(r->fd);
            r->fd = -1;
            c->refused++;
            continue;
        }
        c->bytes += (uint64_t)got;
        crowd_take(c, r, bytes, (size_t)got);
    }
}

static void crowd_join_some(struct crowd *c, int port, const char *target, int count) {
    int i;
    if (!c->epoll) c->epoll = epoll_create1(0);
    for (i = 0; i < 64 && c->count < count; i++)
        if (!crowd_add(c, port, target)) c->refused++, i = 64;
    crowd_read(c, c->count < count ? 0 : 10);
}

/* Until each has its first event. */
__attribute__((unused)) static void crowd_join(struct crowd *c, int port, const char *target,
    int count, double most_s) {
    const double end = now_s() + most_s;
    while (c->joined < count && now_s() < end) crowd_join_some(c, port, target, count);
}

static void crowd_leave(struct crowd *c) {
    int i;
    for (i = 0; i < c->count; i++)
        if (c->reader[i].fd >= 0) close(c->reader[i].fd);
    close(c->epoll);
    memset(c, 0, sizeof *c);
}
