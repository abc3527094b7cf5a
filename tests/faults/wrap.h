/* wrap.h: calls of the server that fail. The linker puts __wrap_send in the place of send, and so
   on (the Makefile reads their names here); malloc and its siblings stand in front of the
   sanitizer's for the whole process, SQLite, brotli and libc included. Only what the server does
   counts: its threads, and the loop's while it is in the library. A clock that stands still, but
   for clock_pass, is here as well. Include it after sse.h. */
#ifndef WRAP_H
#define WRAP_H
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Beside values of errno: a transfer of one byte, and one of none. */
enum { SHORT = 10001, END = 10002 };
enum { MOST_ERRORS = 9 };

/* X(call, what it may fail by) */
#define CALLS(X)                                                           \
    X(accept, EMFILE, ENFILE, ENOMEM, ECONNABORTED, EPROTO, EINTR, EAGAIN) \
    X(recv, EINTR, EAGAIN, ECONNRESET, ENOMEM, SHORT, END)                 \
    X(send, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, SHORT)      \
    X(sendmsg, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, SHORT)   \
    X(sendfile, EINTR, EAGAIN, EIO, EINVAL, ENOMEM, EPIPE, SHORT, END)     \
    X(sendto, ECONNREFUSED)                                                \
    X(read, EINTR, EIO, EAGAIN, SHORT, END)                                \
    X(write, EINTR, EIO, ENOSPC, EDQUOT, EFBIG, SHORT)                     \
    X(pread, EIO, EINTR, SHORT, END)                                       \
    X(pwrite, EIO, EINTR, ENOSPC)                                          \
    X(open, EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, EINTR, EIO, ENOSPC)    \
    X(close, EIO, EINTR)                                                   \
    X(fstat, EIO, ENOMEM)                                                  \
    X(stat, EACCES, EIO, ENOMEM, ENOENT)                                   \
    X(lstat, EACCES, EIO, ENOMEM, ENOENT)                                  \
    X(fsync, EIO, ENOSPC)                                                  \
    X(rename, EIO, ENOSPC, EACCES)                                         \
    X(unlink, EACCES, EIO)                                                 \
    X(chmod, EPERM, EIO)                                                   \
    X(pipe, EMFILE, ENFILE)                                                \
    X(socket, EMFILE, ENFILE, EACCES, ENOBUFS)                             \
    X(bind, EADDRINUSE, EACCES, ENOMEM)                                    \
    X(listen, EADDRINUSE)                                                  \
    X(getsockname, ENOBUFS)                                                \
    X(setsockopt, ENOBUFS)                                                 \
    X(shutdown, ENOTCONN)                                                  \
    X(ioctl, EINVAL)                                                       \
    X(fcntl, EINVAL)                                                       \
    X(flock, EINTR, ENOLCK)                                                \
    X(epoll_create1, EMFILE, ENFILE, ENOMEM)                               \
    X(epoll_ctl, ENOMEM, ENOSPC)                                           \
    X(epoll_wait, EINTR)                                                   \
    X(inotify_init, EMFILE, ENFILE, ENOMEM)                                \
    X(inotify_add_watch, ENOSPC, ENOMEM, EACCES)                           \
    X(pthread_create, EAGAIN)                                              \
    X(getrandom, ENOSYS, EINTR, SHORT)                                     \
    X(realpath, EACCES, EIO, ENOMEM, ENOENT)                               \
    X(getrlimit, EPERM)                                                    \
    X(malloc, ENOMEM)

enum {
#define CALL_ENUM(name, ...) CALL_##name,
    CALLS(CALL_ENUM) CALL_COUNT
#undef CALL_ENUM
};

static const struct call {
    const char *name;
    int         errors[MOST_ERRORS]; /* 0 behind the last */
} calls[] = {
#define CALL_ROW(name, ...) {#name, {__VA_ARGS__, 0}},
    CALLS(CALL_ROW)
#undef CALL_ROW
};

typedef struct fault {
    int  call, error;
    long nth, every; /* one of them; nth 0 and every 0: none */
    bool paused;
    long hits;
    long seen[CALL_COUNT];
} fault;

static fault         fails;
static __thread bool serving; /* this thread is the server now */

/* Does this call fail? */
__attribute__((no_sanitize("address", "undefined"))) static bool hit(int call) {
    long n;
    if (!serving || fails.paused) return false;
    n = __atomic_add_fetch(&fails.seen[call], 1, __ATOMIC_RELAXED);
    if (call != fails.call) return false;
    if (fails.every ? n % fails.every : n != fails.nth) return false;
    __atomic_add_fetch(&fails.hits, 1, __ATOMIC_RELAXED);
    if (fails.error != SHORT && fails.error != END) errno = fails.error;
    return true;
}

/* ---- polls: what a short transfer leaves must make its descriptor ready again, as it would if the
   rest came later */

enum { DESCRIPTORS = 4096 };
static struct epoll_event registered[DESCRIPTORS];
static int                registered_at[DESCRIPTORS]; /* the poller; 0: none */
static int                events_seen;                /* by the latest wait */
static long               waits;

int __real_epoll_ctl(int at, int op, int fd, struct epoll_event *e);

static void becomes_ready(int fd) {
    const int was = errno;
    if (fd >= 0 && fd < DESCRIPTORS && registered_at[fd])
        __real_epoll_ctl(registered_at[fd], EPOLL_CTL_MOD, fd, &registered[fd]);
    errno = was;
}

int __wrap_epoll_ctl(int at, int op, int fd, struct epoll_event *e) {
    int error;
    if (op == EPOLL_CTL_ADD && hit(CALL_epoll_ctl)) return -1;
    error = __real_epoll_ctl(at, op, fd, e);
    if (error || fd >= DESCRIPTORS) return error;
    registered_at[fd] = op == EPOLL_CTL_DEL ? 0 : at;
    registered[fd] = *e;
    return 0;
}

int __real_epoll_wait(int at, struct epoll_event *e, int n, int ms);
int __wrap_epoll_wait(int at, struct epoll_event *e, int n, int ms) {
    struct pollfd look = {at, POLLIN, 0};
    waits++;
    events_seen = poll(&look, 1, 0); /* if it fails; that takes no edge away */
    if (hit(CALL_epoll_wait)) return -1;
    return events_seen = __real_epoll_wait(at, e, n, ms);
}

/* ---- transfers */

/* How many bytes of n move: all, or, in a call that is to fail, one or none. -1: errno says why. */
static ssize_t allowed(int call, int fd, size_t n) {
    if (!hit(call)) return (ssize_t)n;
    becomes_ready(fd);
    if (fails.error == SHORT) return n > 0;
    return fails.error == END ? 0 : -1;
}

static int kind_of(int fd) { /* as in st_mode */
    struct stat st;
    const int   was = errno;
    const int   kind = fstat(fd, &st) ? 0 : (int)(st.st_mode & S_IFMT);
    errno = was;
    return kind;
}

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags) {
    const ssize_t most = allowed(CALL_recv, fd, n);
    ssize_t       got = most;
    if (most > 0) got = __real_recv(fd, p, (size_t)most, flags);
    if ((size_t)most != n) becomes_ready(fd);
    return got;
}

ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags) {
    const ssize_t most = allowed(CALL_send, fd, n);
    return most > 0 ? __real_send(fd, p, (size_t)most, flags) : most;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags) {
    const ssize_t most = allowed(CALL_sendmsg, fd, 2);
    if (most == 2) return __real_sendmsg(fd, m, flags);
    return most > 0 ? __real_send(fd, m->msg_iov[0].iov_base, 1, flags) : most;
}

ssize_t __real_sendfile(int fd, int from, off_t *at, size_t n);
ssize_t __wrap_sendfile(int fd, int from, off_t *at, size_t n) {
    const ssize_t most = allowed(CALL_sendfile, fd, n);
    return most > 0 ? __real_sendfile(fd, from, at, (size_t)most) : most;
}

ssize_t __real_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to,
    socklen_t len);
ssize_t __wrap_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to,
    socklen_t len) {
    return hit(CALL_sendto) ? -1 : __real_sendto(fd, p, n, flags, to, len);
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n) {
    const ssize_t most = allowed(CALL_read, fd, n);
    return most > 0 ? __real_read(fd, p, (size_t)most) : most;
}

/* Only of files: the pipes that wake a loop have room. */
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n) {
    const ssize_t most =
        serving && kind_of(fd) == S_IFREG ? allowed(CALL_write, fd, n) : (ssize_t)n;
    return most > 0 ? __real_write(fd, p, (size_t)most) : most;
}

ssize_t __real_pread(int fd, void *p, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *p, size_t n, off_t at) {
    const ssize_t most = allowed(CALL_pread, fd, n);
    return most > 0 ? __real_pread(fd, p, (size_t)most, at) : most;
}

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at) {
    return hit(CALL_pwrite) ? -1 : __real_pwrite(fd, p, n, at);
}

ssize_t __real_getrandom(void *p, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags) {
    const ssize_t most = allowed(CALL_getrandom, -1, n);
    return most > 0 ? __real_getrandom(p, (size_t)most, flags) : most;
}

/* ---- calls that answer 0, or a descriptor */

#define WRAP(name, parameters, values) \
    int __real_##name parameters;      \
    int __wrap_##name parameters { return hit(CALL_##name) ? -1 : __real_##name values; }

WRAP(accept, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n)) /* __wrap_accept() */
WRAP(epoll_create1, (int flags), (flags))                            /* __wrap_epoll_create1() */
WRAP(fstat, (int fd, struct stat *st), (fd, st))                     /* __wrap_fstat() */
WRAP(stat, (const char *path, struct stat *st), (path, st))          /* __wrap_stat() */
WRAP(lstat, (const char *path, struct stat *st), (path, st))         /* __wrap_lstat() */
WRAP(fsync, (int fd), (fd))                                          /* __wrap_fsync() */
WRAP(rename, (const char *from, const char *to), (from, to))         /* __wrap_rename() */
WRAP(unlink, (const char *path), (path))                             /* __wrap_unlink() */
WRAP(chmod, (const char *path, mode_t mode), (path, mode))           /* __wrap_chmod() */
WRAP(pipe, (int *fds), (fds))                                        /* __wrap_pipe() */
WRAP(socket, (int family, int type, int protocol), (family, type, protocol)) /* __wrap_socket() */
WRAP(bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))      /* __wrap_bind() */
WRAP(listen, (int fd, int backlog), (fd, backlog))                           /* __wrap_listen() */
WRAP(getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n)) /* __wrap_getsockname() */
WRAP(setsockopt, (int fd, int level, int name, const void *p, socklen_t n),
    (fd, level, name, p, n))                 /* __wrap_setsockopt() */
WRAP(shutdown, (int fd, int how), (fd, how)) /* __wrap_shutdown() */
WRAP(flock, (int fd, int how), (fd, how))    /* __wrap_flock() */
WRAP(inotify_init, (void), ())               /* __wrap_inotify_init() */
WRAP(inotify_add_watch, (int fd, const char *path, uint32_t mask),
    (fd, path, mask)) /* __wrap_inotify_add_watch() */
WRAP(getrlimit, (__rlimit_resource_t what, struct rlimit *limit),
    (what, limit)) /* __wrap_getrlimit() */

int __real_close(int fd);
int __wrap_close(int fd) { /* whatever it answers, the descriptor is gone */
    const bool fault = hit(CALL_close);
    const int  was = errno;
    if (fd >= 0 && fd < DESCRIPTORS) registered_at[fd] = 0;
    if (!fault) return __real_close(fd);
    __real_close(fd);
    errno = was;
    return -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list  ap;
    unsigned mode = 0;
    va_start(ap, flags);
    if (flags & O_CREAT) mode = va_arg(ap, unsigned);
    va_end(ap);
    return hit(CALL_open) ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...) {
    va_list ap;
    long    value;
    va_start(ap, op);
    value = va_arg(ap, long);
    va_end(ap);
    return hit(CALL_fcntl) ? -1 : __real_fcntl(fd, op, value);
}

int __real_ioctl(int fd, unsigned long op, ...);
int __wrap_ioctl(int fd, unsigned long op, ...) {
    va_list ap;
    void   *value;
    va_start(ap, op);
    value = va_arg(ap, void *);
    va_end(ap);
    return hit(CALL_ioctl) ? -1 : __real_ioctl(fd, op, value);
}

char *__real_realpath(const char *path, char *to);
char *__wrap_realpath(const char *path, char *to) {
    return hit(CALL_realpath) ? NULL : __real_realpath(path, to);
}

/* ---- threads: those that the server starts are the server */

typedef struct start {
    void *(*fn)(void *user);
    void *user;
} start;

static void *serve_on_thread(void *user) {
    const start s = *(start *)user;
    free(user);
    serving = true;
    return s.fn(s.user);
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *user);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *user) {
    const bool was = serving;
    start     *s;
    int        error;
    if (!was) return __real_pthread_create(t, a, fn, user);
    if (hit(CALL_pthread_create)) return fails.error;
    serving = false;
    s = (start *)malloc(sizeof *s);
    if (!s) abort();
    s->fn = fn;
    s->user = user;
    error = __real_pthread_create(t, a, serve_on_thread, s);
    if (error) free(s);
    serving = was;
    return error;
}

/* ---- allocations */

#define UNCHECKED __attribute__((no_sanitize("address", "undefined")))
void *__interceptor_malloc(size_t n);
void *__interceptor_calloc(size_t count, size_t n);
void *__interceptor_realloc(void *p, size_t n);

UNCHECKED void *malloc(size_t n) { return hit(CALL_malloc) ? NULL : __interceptor_malloc(n); }

UNCHECKED void *calloc(size_t count, size_t n) {
    return hit(CALL_malloc) ? NULL : __interceptor_calloc(count, n);
}

UNCHECKED void *realloc(void *p, size_t n) {
    return n && hit(CALL_malloc) ? NULL : __interceptor_realloc(p, n);
}

/* ---- the clock */

static struct timespec clock_began[2]; /* of the day, of the machine */
static long long       clock_ms;

static void clock_pass(long long ms) { clock_ms += ms; }

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t) {
    struct timespec *began = &clock_began[clock != CLOCK_REALTIME];
    if (!began->tv_sec) __real_clock_gettime(clock, began);
    *t = *began;
    t->tv_sec += (time_t)(clock_ms / 1000);
    t->tv_nsec += (long)(clock_ms % 1000) * 1000000;
    if (t->tv_nsec < 1000000000) return 0;
    t->tv_nsec -= 1000000000;
    t->tv_sec++;
    return 0;
}
#endif
