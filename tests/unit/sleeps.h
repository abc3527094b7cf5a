/* sleeps.h: how often this thread slept to wait for a lock of SQLite, on a machine of any speed.
   Include it after sse.h. */
#ifndef SLEEPS_H
#define SLEEPS_H
#include <sqlite3.h>

static sse__thread_id sleeps_thread;
static int            sleeps;           /* of that thread */
static int            sleeps_elsewhere; /* of another one, which has answered since */
static int (*sleeps_real)(sqlite3_vfs *vfs, int us);

static int sleeps_count(sqlite3_vfs *vfs, int us) {
    if (sse__thread_equal(sleeps_thread, sse__thread_self())) sleeps++;
    else sleeps_elsewhere++;
    return sleeps_real(vfs, us);
}

static void sleeps_begin(void) { /* before there are other threads, once */
    sqlite3_vfs *vfs = (sqlite3_initialize(), sqlite3_vfs_find(NULL));
    sleeps_thread = sse__thread_self();
    sleeps_real = vfs->xSleep;
    vfs->xSleep = sleeps_count;
}
#endif
