/* stands.h: a machine's clock that stands where it is put, and waits for a lock of SQLite that end
   when they are told to. Include it before sse.h. */
#ifndef STANDS_H
#define STANDS_H
#pragma GCC diagnostic ignored "-Wunused-function" /* not each build needs all of it */
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <time.h>

enum { STANDS_MOST = 32, STANDS_FROM_MS = 1000000 };

static struct {
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t  goes_on;
    long long       ms;    /* what the clock says; 0: the time */
    pthread_t       loop;  /* whose waits are nobody's business */
    int             next;  /* how long the next wait may be, in ms */
    bool            begun; /* it is under way, or over */
    int             asked[STANDS_MOST], n, may_end;
    int (*sleep)(sqlite3_vfs *vfs, int us);
} stands = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, false, {0}, 0, 0, NULL};

static int stands_clock(clockid_t clock, struct timespec *t) {
    const int rc = clock_gettime(clock, t);
    pthread_mutex_lock(&stands.mutex);
    if (stands.ms && clock == CLOCK_MONOTONIC) {
        t->tv_sec = (time_t)(stands.ms / 1000);
        t->tv_nsec = (long)(stands.ms % 1000) * 1000000;
    }
    pthread_mutex_unlock(&stands.mutex);
    return rc;
}

static int stands_timeout(sqlite3 *raw, int ms) {
    pthread_mutex_lock(&stands.mutex);
    if (!pthread_equal(stands.loop, pthread_self())) {
        stands.next = ms;
        stands.begun = false;
    }
    pthread_mutex_unlock(&stands.mutex);
    return sqlite3_busy_timeout(raw, ms);
}

static int stands_sleep(sqlite3_vfs *vfs, int us) { /* takes no time */
    struct timespec at_last; /* what is not told to end does so in a minute, and a test fails */
    int             late = 0;
    (void)vfs;
    clock_gettime(CLOCK_REALTIME, &at_last);
    at_last.tv_sec += 60;
    pthread_mutex_lock(&stands.mutex);
    if (!pthread_equal(stands.loop, pthread_self()) && !stands.begun) {
        stands.begun = true;
        if (stands.n < STANDS_MOST) stands.asked[stands.n++] = stands.next;
        while (!stands.may_end && !late)
            late = pthread_cond_timedwait(&stands.goes_on, &stands.mutex, &at_last);
        if (!late) stands.may_end--;
    }
    pthread_mutex_unlock(&stands.mutex);
    return us;
}

static void stands_at(int ms) { /* since stands_begin */
    pthread_mutex_lock(&stands.mutex);
    stands.ms = STANDS_FROM_MS + ms;
    pthread_mutex_unlock(&stands.mutex);
}

/* On the loop's thread, while there is no other. */
static void stands_begin(void) {
    sqlite3_vfs *vfs = (sqlite3_initialize(), sqlite3_vfs_find(NULL));
    stands.loop = pthread_self();
    stands.n = stands.may_end = 0;
    stands.sleep = vfs->xSleep;
    vfs->xSleep = stands_sleep;
    stands_at(0);
}

static void stands_end(void) {
    sqlite3_vfs_find(NULL)->xSleep = stands.sleep;
    stands.ms = 0;
}

static void stands_go_on(void) { /* one wait may end */
    pthread_mutex_lock(&stands.mutex);
    stands.may_end++;
    pthread_cond_signal(&stands.goes_on);
    pthread_mutex_unlock(&stands.mutex);
}

static int stands_waits(void) { /* how many have begun */
    int n;
    pthread_mutex_lock(&stands.mutex);
    n = stands.n;
    pthread_mutex_unlock(&stands.mutex);
    return n;
}

static int stands_asked(int nth) { /* how long the nth may be, in ms */
    int ms;
    pthread_mutex_lock(&stands.mutex);
    ms = stands.asked[nth - 1];
    pthread_mutex_unlock(&stands.mutex);
    return ms;
}
#endif
