/* Tests of >>sys. Of sse__random: where the bytes come from when the kernel gives few, none, or is
   interrupted; and of the keys that maps take from it. Of threads where the system gives them
   little room, or none; of a clock that is not there. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stddef.h>
#include <time.h>
#define SSE__SYS(call) (fail_next() ? ended - 1 : (call))
static int fail_next(void);
static int ended; /* 1: what fails is no failure, but at its end */

static int no_rough; /* there is no clock that costs little */
static int clock_of_test(clockid_t clock, struct timespec *t) {
#if defined(CLOCK_MONOTONIC_COARSE)
    if (no_rough && clock == CLOCK_MONOTONIC_COARSE) return -1;
#endif
    return clock_gettime(clock, t);
}
#define clock_gettime clock_of_test

#if !defined(SSE_NO_THREADS)
#include <pthread.h>
enum { INIT = 1, GET_SIZE, SET_SIZE };
static int attr_fails; /* one of these */
static int attr_small; /* as musl's: threads have 128 KiB, unless told */
static int attr_init(pthread_attr_t *attr) {
    if (attr_fails == INIT) return ENOMEM;
    return pthread_attr_init(attr) || (attr_small && pthread_attr_setstacksize(attr, 131072));
}
static int attr_getstacksize(const pthread_attr_t *attr, size_t *n) {
    return attr_fails == GET_SIZE ? EINVAL : pthread_attr_getstacksize(attr, n);
}
static int attr_setstacksize(pthread_attr_t *attr, size_t n) {
    return attr_fails == SET_SIZE ? EINVAL : pthread_attr_setstacksize(attr, n);
}
#define pthread_attr_init         attr_init
#define pthread_attr_getstacksize attr_getstacksize
#define pthread_attr_setstacksize attr_setstacksize
#endif
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/wait.h>

static int         fails, fail_errno; /* that many of the calls to come fail */
static const char *plan = "";         /* of those before: x fails, i is interrupted, . neither */

static int fail_next(void) {
    if (*plan) {
        errno = *plan == 'i' ? EINTR : fail_errno;
        return *plan++ != '.';
    }
    if (fails <= 0) return 0;
    fails--;
    errno = fail_errno;
    return 1;
}

static size_t zeros(const unsigned char *p, size_t n) {
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += p[i] == 0;
    return count;
}

static bool looks_random(int count, int error) {
    static unsigned char a[100003], b[100003];
    memset(a, 0, sizeof a);
    fails = count;
    fail_errno = error;
    return sse__random(a, sizeof a - 1) && sse__random(b, sizeof b) && a[sizeof a - 1] == 0 &&
           zeros(a, sizeof a) < 600 && memcmp(a, b, 1000) != 0;
}

static char warned[512];

static void hear_log(int level, const char *line, void *user) {
    (void)user;
    if (level == SSE_LOG_WARNING) snprintf(warned, sizeof warned, "%s", line);
}

static void page(sse_req *req, void *user) { (void)user, (void)req; }

static void gone(sse__presence *presence) { (void)presence; }

/* What an app of this process hashes a name to: in each map, and the same in all. */
static uint64_t hash_of_an_app(void) {
    const sse_str     name = SSE__LIT("a name");
    sse_topic_options options;
    sse_app_options   o;
    sse_app          *app;
    sse__presence    *presence;
    sse__node        *child;
    uint64_t          hash;
    uint32_t          bucket = 0;
    bool              same;
    memset(&options, 0, sizeof options);
    memset(&o, 0, sizeof o);
    o.on_log = hear_log;
    app = sse_app_new(&o);
    sse_get(app, "/a/b", page, NULL);
    presence = sse__presence_new(app, "a topic", &options, NULL, gone);
    child = sse__map_any(&app->router->root.literals, &bucket);
    hash = sse__sip_hash(app->topics->exact.key, name);
    same = hash == sse__sip_hash(app->topics->patterns.key, name) &&
           hash == sse__sip_hash(app->streams->labels.key, name) &&
           hash == sse__sip_hash(app->streams->people.key, name) &&
           hash == sse__sip_hash(app->views->shared.key, name) &&
           hash == sse__sip_hash(app->views->paths.key, name) &&
           hash == sse__sip_hash(app->router->root.literals.key, name) &&
           hash == sse__sip_hash(presence->people.key, name) && child &&
           hash == sse__sip_hash(SSE__CONTAINER(child, sse__route_node, node)->literals.key, name);
    sse__presence_free(presence);
    sse_app_free(app);
    return same ? hash : 0;
}

/* The same in a process whose memory looks exactly like this one's. */
static uint64_t hash_of_a_twin(void) {
    uint64_t hash = 0;
    int      to[2], status;
    pid_t    child;
    fflush(NULL);
    if (pipe(to) || (child = fork()) < 0) return 0;
    if (!child) {
        hash = hash_of_an_app();
        _exit(write(to[1], &hash, sizeof hash) != sizeof hash);
    }
    close(to[1]);
    if (read(to[0], &hash, sizeof hash) != sizeof hash) hash = 0;
    close(to[0]);
    return waitpid(child, &status, 0) == child && status == 0 ? hash : 0;
}

static void test_keys_of_maps(void) {
    const uint64_t one = hash_of_a_twin(), other = hash_of_a_twin();
    ok(one && other, "all maps of an app have one key");
    ok(one != other, "which is another in a process that has all its memory at the same addresses");
    is_str(warned, "", "nothing is said of it");
    fail_errno = EACCES;
    fails = 100;
    ok(!sse__random(warned, 1), "where the kernel gives none");
    fails = 100 - fails; /* as many calls as an app tries */
    ok(hash_of_an_app() != 0, "an app is made without random bytes, too");
    ok(strstr(warned, "no random bytes"), "... with a warning: %s", warned);
    fails = 0;
}

static void test_clock(void) {
    int      i;
    uint64_t before, rough;
    for (i = 0; i < 2; i++) {
        no_rough = i;
        before = sse__clock_ms();
        rough = sse__clock_rough_ms();
        ok(rough + (i ? 0 : 1000) >= before && rough <= sse__clock_ms(), "the time%s",
            i ? ", exactly, where there is no rough one" : " or so");
    }
    before = sse__clock_ms();
    rough = sse__clock_us();
    ok(before <= rough / 1000 && rough / 1000 <= sse__clock_ms(), "microseconds of the same");
}

#if !defined(SSE_NO_THREADS)
static void *deep(void *user) { /* as code that was written for the stack of main */
    volatile char text[700000];
    size_t        i;
    for (i = 0; i < sizeof text; i += 1000) text[i] = *(char *)user;
    return text[sizeof text - 1000] == *(char *)user ? user : NULL;
}

static void *shallow(void *user) { return user; }

static void test_threads(void) {
    static const struct {
        int small, fails, error;
        void *(*fn)(void *);
        const char *name;
    } rows[] = {{0, 0, 0, deep, "a thread has room"},
        {1, 0, 0, deep, "... also where the system gives it little"},
        {1, GET_SIZE, 0, shallow, "one of which nobody knows what it has"},
        {1, SET_SIZE, EINVAL, deep, "one that cannot be given more does not start"},
        {0, INIT, ENOMEM, deep, "nor one that cannot be described"}};
    pthread_t thread;
    size_t    i;
    char      c = 'x';
    void     *back;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        attr_small = rows[i].small;
        attr_fails = rows[i].fails;
        back = NULL;
        is_int(sse__thread_start(&thread, rows[i].fn, &c), rows[i].error, rows[i].name);
        if (rows[i].error) continue;
        ok(pthread_join(thread, &back) == 0 && back == &c, "... and runs");
    }
    attr_small = attr_fails = 0;
}
#endif

static int next_fd(void) { /* the lowest that is free */
    const int fd = open("/", O_RDONLY);
    close(fd);
    return fd;
}

/* The digits of the file: 15 of them, as numbers of SQLite have a sign. */
static uint64_t boot_of_file(void) {
    char  text[64] = "", digits[16] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    int   i, n = 0;
    if (!f || !fgets(text, sizeof text, f)) return 0;
    fclose(f);
    for (i = 0; text[i] && n < 15; i++)
        if (text[i] != '-') digits[n++] = text[i];
    return strtoull(digits, NULL, 16);
}

#if defined(__linux__) && defined(__has_include)
static void test_without_input(void) { /* in a program that closed it a file is number 0 */
    const int in = dup(0);
    close(0);
    plan = "x";
    ok(looks_random(0, ENOSYS), "from a file whose descriptor is 0");
    ok(sse__boot() == boot_of_file(), "the start, likewise");
    is_int(next_fd(), 0, "... which is closed again");
    dup2(in, 0);
    close(in);
}
#endif

int main(void) {
    unsigned char byte;
    const int     free_fd = next_fd();
    ok(looks_random(0, 0), "100,000 bytes");
#if defined(__linux__) && defined(__has_include)
    ok(looks_random(3, EINTR), "interrupted three times");
    ok(looks_random(1, ENOSYS), "from the file where the call is missing");
#endif
    fails = 2;
    fail_errno = EACCES;
    ok(!sse__random(&byte, 1), "neither call nor file: false"); /* SY1 */
    fails = 0;
    ok(sse__random(&byte, 0), "no bytes are always to be had");
#if defined(__linux__) && defined(__has_include)
    plan = "x.x";
    ok(!sse__random(&byte, 1) && !*plan, "a file that cannot be read: false");
    plan = "x.x";
    ended = 1;
    ok(!sse__random(&byte, 1) && !*plan, "... or is at its end: likewise");
    ended = 0;
    plan = "x.i";
    ok(looks_random(0, ENOSYS) && !*plan, "... unless that was interrupted");
    plan = "x";
    ok(sse__boot() == 0 && !*plan, "the start of a machine that cannot be asked is unknown");
    plan = ".x";
    ok(sse__boot() == 0 && !*plan, "... or read");
    ok(sse__boot() != 0 && sse__boot() == sse__boot(), "else it is one number");
    ok(sse__boot() == boot_of_file(), "... that of the file");
    plan = ".x";
    ended = 1;
    ok(sse__boot() == 0 && !*plan, "half of it is none");
    ended = 0;
    test_without_input();
#endif
    is_int(next_fd(), free_fd, "no descriptor is left of any of this");
    test_keys_of_maps();
    test_clock();
#if !defined(SSE_NO_THREADS)
    test_threads();
#endif
    return tap_done();
}
