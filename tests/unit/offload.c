/* Tests of >>offload: work on the pool, its end on the loop, all of it accounted for when the app
   is freed. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include <errno.h>

static int no_thread; /* can be started */
static int create_of_test(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
    void *user) {
    return no_thread ? EAGAIN : pthread_create(thread, attr, fn, user);
}
#define pthread_create create_of_test
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "forks.h"

enum { MANY = 200 };

typedef struct task {
    int       worked, finished;
    pthread_t on;
} task;

static pthread_t       loop_thread;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static int             left, off_loop, refused;

static void work(sse_app *app, void *user) {
    task *t = (task *)user;
    (void)app;
    pthread_mutex_lock(&gate); /* shut while the test holds it */
    t->worked++;
    t->on = pthread_self();
    pthread_mutex_unlock(&gate);
}

static void done(sse_app *app, void *user) {
    ((task *)user)->finished++;
    off_loop += !pthread_equal(pthread_self(), loop_thread);
    if (--left == 0) sse_stop(app);
}

static void done_late(sse_app *app, void *user) { /* while the app is being freed */
    ((task *)user)->finished++;
    refused += sse_offload(app, work, done, user) == SSE_E_STATE;
    refused += sse_call(app, done, user) == SSE_E_STATE;
    refused += !sse_after(app, 0, done, user).app;
}

static void until_stop(sse_app *app, void *user) {
    struct timespec ms = {0, 1000000};
    while (!sse_stopping(app)) nanosleep(&ms, NULL);
    ((task *)user)->worked++;
}

static void offload_from_pool(sse_app *app, void *user) {
    *(int *)user = sse_offload(app, work, done, NULL);
}

static int once(const task *tasks, int n) {
    int i, count = 0;
    for (i = 0; i < n; i++) count += tasks[i].worked == 1 && tasks[i].finished == 1;
    return count;
}

static sse_app *start(void) {
    loop_thread = pthread_self();
    left = off_loop = refused = 0;
    return sse_app_new(NULL);
}

static void run(sse_app *app) {
    while (sse_poll(app, -1) > 0) {
    }
}

static void many(void) {
    task     tasks[MANY];
    sse_app *app = start();
    int      i, on_loop = 0;
    memset(tasks, 0, sizeof tasks);
    for (i = 0; i < MANY; i++) left += sse_offload(app, work, done, &tasks[i]) == SSE_OK;
    is_int(left, MANY, "all jobs are accepted");
    run(app);
    for (i = 0; i < MANY; i++) on_loop += pthread_equal(tasks[i].on, loop_thread) != 0;
    is_int(once(tasks, MANY), MANY, "each was worked on once and finished once");
    is_int(on_loop, 0, "no work ran on the loop");
    is_int(off_loop, 0, "every end did");
    sse_app_free(app);
}

static void freed_early(void) { /* with most of the work still waiting */
    task     tasks[MANY];
    sse_app *app = start();
    int      i;
    memset(tasks, 0, sizeof tasks);
    for (i = 0; i < MANY; i++) sse_offload(app, work, done_late, &tasks[i]);
    sse_app_free(app);
    is_int(once(tasks, MANY), MANY, "sse_app_free: each was worked on once and finished once");
    is_int(refused, 3 * MANY, "and nothing new was accepted meanwhile");
}

static void limits(void) {
    static task tasks[SSE__POOL_WAITING + 2 * SSE__POOL_THREADS];
    sse_app    *app = start();
    task        lasting;
    int         from_pool = 0, accepted = 0, error = SSE_OK;
    memset(&lasting, 0, sizeof lasting);
    is_int(sse_offload(NULL, work, done, NULL), SSE_E_ARG, "no app");
    is_int(sse_offload(app, NULL, done, NULL), SSE_E_ARG, "no work");
    sse_poll(app, 0); /* from here on the loop is this thread's */
    pthread_mutex_lock(&gate);
    while (accepted < (int)SSE__COUNT(tasks) &&
           !(error = sse_offload(app, work, NULL, &tasks[accepted])))
        accepted++;
    pthread_mutex_unlock(&gate);
    is_int(error, SSE_E_FULL, "a queue that is full refuses");
    ok(accepted >= SSE__POOL_WAITING && accepted <= SSE__POOL_WAITING + SSE__POOL_THREADS,
        "at 1000 jobs waiting (%d)", accepted);
    while (sse_offload(app, offload_from_pool, NULL, &from_pool) == SSE_E_FULL) {
    }
    while (sse_offload(app, until_stop, NULL, &lasting) == SSE_E_FULL) {
    }
    is_int(app->pool->count, SSE__POOL_THREADS, "no more threads than four");
    sse_app_free(app);
    is_int(from_pool, SSE_E_THREAD, "only the loop's thread may offload");
    is_int(lasting.worked, 1, "work that lasts sees the app stop in sse_app_free");
}

static void idle(void) { /* a pool whose threads all wait */
    task     t;
    sse_app *app = start();
    memset(&t, 0, sizeof t);
    ok(!app->pool, "no pool before the first job");
    left = 1;
    sse_offload(app, work, done, &t);
    run(app);
    is_int(app->pool->count, 1, "one job, one thread");
    is_int(t.worked + t.finished, 2, "the job is done");
    sse_app_free(app);
}

/* J2 */
static int turns_of_disk, at_once, most_at_once;

static void disk_work(sse_app *app, void *user) {
    struct timespec pause = {0, 1000000};
    (void)app;
    pthread_mutex_lock(&gate);
    if (++at_once > most_at_once) most_at_once = at_once;
    pthread_mutex_unlock(&gate);
    pause.tv_nsec *= (long)(3 - ((task *)user)->finished % 3);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&gate);
    ((task *)user)->worked = turns_of_disk++;
    at_once--;
    pthread_mutex_unlock(&gate);
}

static void disk_done(sse_app *app, void *user) {
    (void)user;
    if (--left == 0) sse_stop(app);
}

static void disk(void) { /* while all threads of the pool are taken */
    task     tasks[20], taken[4];
    sse_app *app = start();
    int      i, wrong = 0;
    memset(tasks, 0, sizeof tasks);
    memset(taken, 0, sizeof taken);
    for (i = 0; i < 4; i++) sse_offload(app, until_stop, NULL, &taken[i]);
    for (i = 0; i < 20; i++) {
        tasks[i].finished = i;
        left += sse__disk_do(app, disk_work, disk_done, &tasks[i]) == SSE_OK;
    }
    is_int(left, 20, "the disk's jobs are accepted");
    run(app);
    for (i = 0; i < 20; i++) wrong += tasks[i].worked != i;
    is_int(wrong, 0, "done in their order");
    is_int(most_at_once, 1, "one at a time");
    is_int(app->disk ? app->disk->count : 0, 1, "by one thread");
    sse_app_free(app);
    for (i = 0; i < 4; i++) wrong += taken[i].worked != 1;
    is_int(wrong, 0, "which waited for no work of the program's");
}

static void forked(void) { /* J3: with a pool whose thread waits for work */
    task     t;
    sse_app *app = start();
    int      works, status;
    memset(&t, 0, sizeof t);
    left = 1;
    sse_offload(app, work, done, &t);
    run(app);
    for (works = 0; works < 2; works++) {
        const pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            left = 1;
            if (works && sse_offload(app, work, done, &t)) _exit(1);
            sse_app_free(app);
            _exit(t.worked == 1 + works && t.finished == 1 + works ? 0 : 2);
        }
        status = -1;
        waitpid(pid, &status, 0);
        is_int(status, 0,
            works ? "a child works with a thread of its own"
                  : "a child frees its copy of the app without a thread");
    }
    sse_app_free(app);
    is_int(t.worked + t.finished, 2, "its parent's job was done once");
}

/* Of the stack, as much as a page full of text needs, on musl too, whose threads have 128 KiB. */
static void deep_work(sse_app *app, void *user) {
    volatile char room[800000];
    size_t        i;
    (void)app;
    for (i = 0; i < sizeof room; i += 1000) room[i] = 1;
    *(int *)user += room[sizeof room - 1000];
}

static void masked_work(sse_app *app, void *user) {
    sigset_t mask;
    (void)app;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *(int *)user = sigismember(&mask, SIGTERM);
}

static void last(sse_app *app, void *user) {
    (void)user;
    sse_stop(app);
}

static size_t taken(size_t room) { /* so much of the stack */
    volatile char page[4096];
    page[0] = page[sizeof page - 1] = 1;
    return room < sizeof page ? 0 : sizeof page * (size_t)page[0] + taken(room - sizeof page);
}

static void deeper_work(sse_app *app, void *user) {
    (void)app;
    *(size_t *)user = taken(*(size_t *)user);
}

static void rest(void) { /* a moment */
    struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
}

static void deep(void) {
    sse_app       *app = start();
    pthread_attr_t attr;
    size_t         size = 0, room;
    int            worked = 0;
    is_int(sse_offload(app, deep_work, last, &worked), 0, "work with large variables");
    run(app);
    is_int(worked, 1, "has room for them");
    pthread_attr_init(&attr);
    pthread_attr_getstacksize(&attr, &size);
    pthread_attr_destroy(&attr);
    room = size / 2;
    is_int(sse_offload(app, deeper_work, NULL, &room), 0, "work that calls itself");
    while (sse__pools_work(app)) rest();
    ok(room + 4096 > size / 2, "... has what the system gives to threads: half of %lu bytes",
        (unsigned long)size);
    worked = 0;
    is_int(sse_offload(app, masked_work, NULL, &worked), 0, "work that looks at its signals");
    sse_app_free(app);
    is_int(worked, 1, "... finds them blocked");
}

/* ---- what is not there, and what is left ---- */

static void without_threads(void) {
    const long  had = living;
    sse_app    *app = start();
    const char *why = NULL;
    task        tasks[2];
    long        before;
    memset(tasks, 0, sizeof tasks);
    no_thread = 1;
    is_int(sse_offload(app, work, done, &tasks[0]), SSE_E_IO, "no thread can be started");
    before = living;
    is_int(sse_offload(app, work, done, &tasks[0]), SSE_E_IO, "... nor now");
    is_int(living, before, "... which leaves nothing");
    ok(!sse__pools_work(app), "... under way either");
    is_int(sse_app_error(app, &why), 0, "the app is none the worse");
    no_thread = 0;
    left = 2;
    pthread_mutex_lock(&gate);
    is_int(sse_offload(app, work, done, &tasks[0]), 0, "one can");
    no_thread = 1;
    is_int(sse_offload(app, work, done, &tasks[1]), 0, "no second one: the first will do it");
    is_int(app->pool->count, 1, "... as there is one");
    pthread_mutex_unlock(&gate);
    run(app);
    no_thread = 0;
    is_int(once(tasks, 2), 2, "... and does");
    sse_app_free(app);
    is_int(living, had, "no memory is left");
}

static void without_memory(void) {
    const long had = living;
    sse_app   *app = start();
    task       t;
    int        error = SSE_E_NOMEM;
    long       n;
    memset(&t, 0, sizeof t);
    for (n = 1; n < 9 && error; n++) {
        fail_at = n;
        error = sse_offload(app, work, done, &t);
        fail_at = 0;
        ok(!error || error == SSE_E_NOMEM, "a job without allocation %ld: %d", n, error);
    }
    ok(!error && n > 2, "... then with all");
    left = 1;
    run(app);
    is_int(t.worked + t.finished, 2, "one was accepted");
    sse_app_free(app);
    is_int(living, had, "no memory is left");
}

/* The signals of the thread that offloads stay as they are. */
static void signals(void) {
    sse_app *app = start();
    task     t;
    sigset_t few, were, after;
    memset(&t, 0, sizeof t);
    sigemptyset(&few);
    sigaddset(&few, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &few, &were);
    is_int(sse_offload(app, work, NULL, &t), 0, "work");
    pthread_sigmask(SIG_SETMASK, &were, &after);
    ok(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGTERM),
        "... leaves the signals of its program alone");
    sse_app_free(app);
}

/* A thread that waits takes the next job; a second one starts only if none waits. */
static void again(void) {
    sse_app *app = start();
    task     t;
    int      i;
    memset(&t, 0, sizeof t);
    for (i = 0; i < 5; i++) {
        is_int(sse_offload(app, work, NULL, &t), 0, "one job at a time");
        while (sse__pools_work(app)) rest();
    }
    is_int(t.worked, 5, "all are done");
    is_int(app->pool->count, 1, "by one thread");
    pthread_mutex_lock(&gate);
    for (i = 0; i < 3; i++) is_int(sse_offload(app, work, NULL, &t), 0, "three at once");
    is_int(app->pool->count, 3, "by three");
    pthread_mutex_unlock(&gate);
    sse_app_free(app);
    is_int(t.worked, 8, "all are done");
}

static int  began;
static void lasts(sse_app *app, void *user) { /* a while */
    struct timespec ms = {0, 30000000};
    (void)app;
    pthread_mutex_lock(&gate);
    began = 1;
    pthread_mutex_unlock(&gate);
    nanosleep(&ms, NULL);
    pthread_mutex_lock(&gate);
    ++*(int *)user;
    pthread_mutex_unlock(&gate);
}

static int has_begun(void) {
    int has;
    pthread_mutex_lock(&gate);
    has = began;
    pthread_mutex_unlock(&gate);
    return has;
}

static void meet(sse_app *app, void *user) { /* until four are there, or 10 s have passed */
    int i, here;
    (void)app;
    pthread_mutex_lock(&gate);
    ++*(int *)user;
    pthread_mutex_unlock(&gate);
    for (i = here = 0; i < 10000 && here >= 0 && here < 4; i++) {
        rest();
        pthread_mutex_lock(&gate);
        here = *(int *)user;
        if (i == 9999) *(int *)user = -100;
        pthread_mutex_unlock(&gate);
    }
}

static void uploads(void) { /* one whose disk hangs holds up no other */
    sse_app *app = start();
    int      here = 0, i;
    for (i = 0; i < 4; i++) is_int(sse__uploads_do(app, meet, NULL, &here), 0, "an upload");
    while (sse__pools_work(app)) rest();
    is_int(here, 4, "four are written at a time");
    sse_app_free(app);
}

/* What is under way on any pool is known, and can be waited for on the disk's. */
static void under_way(void) {
    static int (*const pools[])(sse_app *, sse_app_fn, sse_app_fn, void *) = {sse_offload,
        sse__disk_do, sse__packer_do, sse__uploads_do};
    const long had = living;
    size_t     i, k;
    int        worked, lasted;
    for (i = 0; i < SSE__COUNT(pools); i++) {
        sse_app *app = start();
        task     tasks[20];
        memset(tasks, 0, sizeof tasks);
        ok(!sse__pools_work(app), "nothing is under way");
        pthread_mutex_lock(&gate);
        is_int(pools[i](app, work, NULL, &tasks[0]), 0, "a job of one of the pools");
        ok(sse__pools_work(app), "... is");
        pthread_mutex_unlock(&gate);
        while (sse__pools_work(app)) rest();
        is_int(tasks[0].worked, 1, "until it is done");
        began = lasted = 0;
        is_int(pools[i](app, lasts, NULL, &lasted), 0, "one that lasts");
        while (!has_begun()) rest();
        ok(sse__pools_work(app), "... and none behind it");
        while (i != 1 && sse__pools_work(app)) rest();
        sse__disk_wait(app);
        is_int(lasted, 1, "... is waited for");
        pthread_mutex_lock(&gate);
        for (k = 1; k < 20; k++) pools[i](app, work, NULL, &tasks[k]);
        ok(sse__pools_work(app), "many of them");
        pthread_mutex_unlock(&gate);
        sse__disk_wait(app);
        for (k = 0, worked = 0; i == 1 && k < 20; k++) worked += tasks[k].worked;
        is_int(worked, i == 1 ? 20 : 0, "the disk's are over when it was waited for");
        is_int(i == 0 ? app->pool->count : 1, i == 0 ? SSE__POOL_THREADS : 1, "by so many");
        if (i == 2) is_int(app->packer->count, 1, "files are compressed one at a time");
        while (sse__pools_work(app)) rest();
        is_int(pools[i](app, lasts, NULL, &lasted), 0, "one that lasts");
        sse_app_free(app);
        is_int(lasted, 2, "... longer than the app, which waits for it");
        is_int(living, had, "no memory is left");
    }
}

int main(void) {
    many();
    deep();
    forked();
    freed_early();
    limits();
    idle();
    disk();
    without_threads();
    without_memory();
    signals();
    again();
    uploads();
    under_way();
    return tap_done();
}
