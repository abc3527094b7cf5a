/* store.c: files that keep events: whose they are, how old what is in them is, and numbers where a
   part was restored. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <time.h>
static long long wall_ahead_ms, machine_ahead_ms; /* of the real clocks */

static int test_clock(clockid_t clock, struct timespec *t) {
    const long long ahead = clock == CLOCK_REALTIME ? wall_ahead_ms : machine_ahead_ms;
    const int       rc = clock_gettime(clock, t);
    long long       ms = (long long)t->tv_sec * 1000 + t->tv_nsec / 1000000 + ahead;
    t->tv_sec = (time_t)(ms / 1000);
    t->tv_nsec = (long)(ms % 1000) * 1000000;
    return rc;
}
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nth.h"
static const char *ends;     /* this file goes with its last owner, just when it is locked */
static bool        next_one; /* ... and another makes the next */

static int test_flock(int fd, int how) {
    if (ends) (void)unlink(ends);
    if (ends && next_one) close(open(ends, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    ends = NULL;
    return flock(fd, how);
}

static int locked_yet; /* the file that was unlinked last */

static int test_unlink(const char *name) {
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    locked_yet = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0) close(fd);
    return unlink(name);
}
#define clock_gettime  test_clock
#define flock(fd, how) test_flock(fd, how)
#define unlink(name)   test_unlink(name)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef unlink
#undef flock
#undef clock_gettime
#include "../tap.h"

#ifdef SSE_NO_SQLITE
int main(void) {
    ok(1, "without SQLite there are no files");
    return tap_done();
}
#else

static char        dir[] = "/tmp/sse-store-XXXXXX";
static char        path[100], owner[120];
static int         told; /* warnings and errors with the words */
static const char *words;

static void logged(int level, const char *line, void *user) {
    (void)level;
    (void)user;
    if (words && strstr(line, words)) told++;
}

static sse_app *new_app(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = logged;
    return sse_app_new(&o);
}

static int keep(sse_app *app, sse_db *db, int age_ms) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.history_age_ms = age_ms;
    o.db = db;
    return sse_topic(app, "t", &o);
}

static void say(sse_app *app, const char *data) {
    sse_event e;
    memset(&e, 0, sizeof e);
    e.data = data;
    is_int(sse_publish(app, "t", &e), 0, data);
    sse_poll(app, 0);
}

static bool one(const sse_event *e, void *user) {
    (void)e;
    (void)user;
    return true;
}

static int kept(sse_app *app) { return sse_topic_history(app, "t", 0, one, NULL); }

static sse_db *impatient(void) {
    sse_db_options o;
    memset(&o, 0, sizeof o);
    o.busy_ms = 50;
    return sse_db_open(path, &o);
}

static long long size_of(const char *name) { /* -1: it is not there */
    struct stat s;
    return stat(name, &s) ? -1 : (long long)s.st_size;
}

/* ---- whose a file is ---- */

static void one_server(void) { /* K4 */
    sse_db     *a = impatient(), *b = impatient(), *c = impatient();
    sse_app    *first = new_app(), *second = new_app();
    const char *why;
    is_int(keep(first, a, 0), 0, "a server keeps events in a file");
    is_int(keep(second, b, 0), SSE_E_STATE, "a second one may not");
    sse_app_error(second, &why);
    ok(strstr(why, path) && strstr(why, owner) && strstr(why, "stop that one"), "and is told: %s",
        why);
    is_int(sse_serve(second, NULL), SSE_E_STATE, "nor does it start");
    sse_app_free(second);
    second = new_app();
    ok(access(owner, F_OK) == 0, "its end takes nothing away");
    is_int(keep(second, c, 0), SSE_E_STATE, "still not");
    say(first, "kept");
    locked_yet = 0;
    sse_app_free(first);
    sse_app_free(second);
    ok(access(owner, F_OK) != 0, "when the first one ends its lock goes");
    ok(locked_yet, "... first its file: what somebody else gets hold of then is not removed");
    second = new_app();
    is_int(keep(second, b, 0), 0, "and another server may");
    is_int(kept(second), 1, "and finds what was kept");
    sse_app_free(second);
    sse_db_close(a);
    sse_db_close(b);
    sse_db_close(c);
}

static void same_server(void) { /* one app, one file, opened twice */
    sse_db           *a = impatient(), *b = impatient();
    sse_app          *app = new_app();
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = 10;
    o.db = b;
    is_int(keep(app, a, 0), 0, "one topic");
    is_int(sse_topic(app, "u", &o), 0, "another topic of the same app, through another connection");
    sse_app_free(app);
    sse_db_close(a);
    sse_db_close(b);
}

/* What was locked is gone when it is: another server could make, and lock, the next. */
static void taken_as_it_goes(bool anew) { /* K4 */
    sse_db  *a = impatient(), *b = impatient();
    sse_app *first = new_app(), *second = new_app();
    next_one = anew;
    ends = owner;
    is_int(keep(first, a, 0), 0, "a server begins as another one ends");
    ok(!ends && access(owner, F_OK) == 0, "... with a lock of its own");
    is_int(keep(second, b, 0), SSE_E_STATE, "... so that a second one may not");
    sse_app_free(second);
    sse_app_free(first);
    sse_db_close(a);
    sse_db_close(b);
}

static void freed_by_child(void) { /* K4 */
    int      status = -1;
    sse_db  *a = impatient(), *b = impatient();
    sse_app *first = new_app(), *second = new_app();
    pid_t    child;
    is_int(keep(first, a, 0), 0, "a server whose child");
    sse_db_exec(a, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                   " SELECT RAISE(ABORT, 'no'); END");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        sse_event e;
        memset(&e, 0, sizeof e);
        e.data = "one";
        sse_publish(first, "t", &e);
        sse__sequence_sync(&first->topics->sequence);
        if (!first->topics->sequence.stores->failing) _exit(1);
        sse_app_free(first);
        _exit(0);
    }
    ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
        "... publishes, in vain, and frees its app");
    is_int(size_of(owner), 1, "... lacks nothing by that");
    sse_db_exec(a, "DROP TRIGGER no");
    is_int(keep(second, b, 0), SSE_E_STATE, "keeps its file");
    ok(access(owner, F_OK) == 0, "... and its lock");
    sse_app_free(second);
    sse_app_free(first);
    ok(access(owner, F_OK) != 0, "... until its own end");
    sse_db_close(a);
    sse_db_close(b);
}

static void killed(void) {
    int      ready[2], status;
    char     byte;
    pid_t    child;
    sse_db  *db;
    sse_app *app;
    if (pipe(ready)) return;
    child = fork();
    if (child == 0) {
        app = new_app();
        byte = (char)keep(app, impatient(), 0);
        if (write(ready[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    ok(read(ready[0], &byte, 1) == 1 && byte == 0, "another process has the file");
    db = impatient();
    app = new_app();
    is_int(keep(app, db, 0), SSE_E_STATE, "which is refused to this one");
    sse_app_free(app);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ok(access(owner, F_OK) == 0, "it is killed, and its file stays");
    told = 0;
    words = "clients are told of a gap";
    app = new_app();
    is_int(keep(app, db, 0), 0, "but not its lock");
    is_int(told, 0, "and nothing is lost");
    sse_app_free(app);
    sse_db_close(db);
    close(ready[0]);
    close(ready[1]);
}

/* One that has published nothing yet has lost nothing. */
static void killed_as_it_starts(int number) { /* K2 */
    sse_db  *other = impatient(), *db;
    sse_app *app;
    pid_t    child;
    int      status, i;
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another program has the lock");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        sse_db_options patient = {600000, 0, false};
        signal(SIGINT, SIG_DFL); /* what runs in the background may have it ignored */
        app = new_app();
        _exit(keep(app, sse_db_open(path, &patient), 0) ? 1 : 2);
    }
    for (i = 0; i < 3000 && size_of(owner) < 1; i++) usleep(10000);
    is_int(size_of(owner), 1, "a server that waits for it says already that it lost nothing");
    kill(child, number);
    ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "it is killed");
    is_int(sse_db_exec(other, "ROLLBACK"), 0, "then there is the lock");
    sse_db_close(other);
    told = 0;
    words = "clients are told of a gap";
    app = new_app();
    db = impatient();
    is_int(keep(app, db, 0), 0, "the next one starts");
    is_int(told, 0, "... and knows of no gap");
    sse_app_free(app);
    is_int(size_of(owner), -1, "... and leaves nothing");
    sse_db_close(db);
}

static void on_alarm(int number) { (void)number; }

static void waits(bool interrupted) { /* for one that is about to end; signals come meanwhile */
    const struct itimerval often = {{0, 15000}, {0, 15000}}, never = {{0, 0}, {0, 0}};
    int                    ready[2], status;
    char                   byte = 0;
    pid_t                  child;
    sse_db                *db;
    sse_app               *app;
    if (pipe(ready)) return;
    child = fork();
    if (child == 0) {
        app = new_app();
        if (keep(app, impatient(), 0) || write(ready[1], &byte, 1) != 1) _exit(1);
        usleep(200000);
        sse_app_free(app);
        _exit(0);
    }
    ok(read(ready[0], &byte, 1) == 1, "another process has the file, and ends soon");
    db = sse_db_open(path, NULL);
    app = new_app();
    signal(SIGALRM, on_alarm);
    if (interrupted) setitimer(ITIMER_REAL, &often, NULL);
    is_int(keep(app, db, 0), 0, "this one waits for it, as for any lock");
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
    ok(access(owner, F_OK) == 0, "and has the lock");
    sse_app_free(app);
    sse_db_close(db);
    waitpid(child, &status, 0);
    is_int(status, 0, "it went well");
}

static void in_memory(void) {
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *app = new_app();
    is_int(keep(app, db, 0), 0, "a history in memory");
    say(app, "one");
    sse_app_free(app);
    sse_db_exec(db, "UPDATE sse_events SET seq = seq + 500000");
    told = 0;
    words = "a database: sse_sequence is behind sse_events";
    app = new_app();
    is_int(keep(app, db, 0), 0, "... of which a part was restored");
    is_int(told, 1, "... is told of as well");
    sse_app_free(app);
    sse_db_close(db);
}

static void nobodys(void) {
    sse_db  *db = sse_db_open(":memory:", NULL);
    sse_app *first = new_app(), *second = new_app();
    is_int(keep(first, db, 0), 0, "what is in memory");
    is_int(keep(second, db, 0), 0, "is nobody's");
    sse_app_free(first);
    sse_app_free(second);
    sse_db_close(db);
}

/* ---- numbers ---- */

static void partly_restored(const char *damage) {
    sse_db   *db = impatient();
    sse_app  *app = new_app();
    long long n = 0, highest = 0;
    keep(app, db, 0);
    say(app, "one");
    say(app, "two");
    sse_app_free(app);
    sse_db_exec(db, "UPDATE sse_events SET seq = seq + 500000");
    is_int(sse_db_migrate(db, damage), 0, damage);
    sse_db_one(db, &highest,
        "SELECT max((SELECT ifnull(max(seq), 0) FROM sse_events), (SELECT max(lost) FROM "
        "sse_topics))");
    app = new_app();
    told = 0;
    words = "Restore sse_sequence, sse_topics and sse_events together";
    is_int(keep(app, db, 0), 0, "a file of which a part was restored");
    is_int(told, 1, "is told of when it is opened");
    is_int(sse_db_one(db, &n, "SELECT reserved FROM sse_sequence"), 0, "and mended:");
    ok(n == highest, "its numbers go on after %lld", highest);
    say(app, "three");
    ok(app->topics->sequence.last == (uint64_t)highest + 1, "above all there are");
    sse__sequence_sync(&app->topics->sequence);
    is_int(sse_db_one(db, &n, "SELECT count(*) FROM sse_events WHERE seq > %lld", highest), 0,
        "the next event");
    is_int(n, 1, "is kept");
    sse_app_free(app);
    app = new_app();
    told = 0;
    keep(app, db, 0);
    is_int(told, 0, "the next start has nothing to tell");
    sse_app_free(app);
    sse_db_close(db);
}

/* ---- ages ---- */

static const long long day = 86400000;

/* The machine was off for so long. */
static sse_app *boot(sse_db *db, long long away_ms, int age_ms) {
    sse_app *app;
    wall_ahead_ms += away_ms;
    machine_ahead_ms -= 100 * day; /* how long it was on says nothing */
    app = new_app();
    is_int(keep(app, db, age_ms), 0, "a start");
    return app;
}

static void aged_while_off(void) {
    sse_db  *db = impatient();
    sse_app *app;
    int      i;
    machine_ahead_ms = 1000 * day;
    app = boot(db, 0, INT32_MAX);
    say(app, "one");
    sse_app_free(app);
    app = boot(db, INT32_MAX - 600000, INT32_MAX);
    is_int(kept(app), 1, "what is not too old yet is kept");
    wall_ahead_ms += 600000;
    machine_ahead_ms += 600000;
    for (i = 0; i < 30000 && kept(app) == 1; i++) sse_poll(app, 10);
    is_int(kept(app), 0, "for the rest of its time");
    say(app, "two");
    sse_app_free(app);
    machine_ahead_ms = 0; /* it runs for a shorter time than the age, perhaps */
    app = boot(db, INT32_MAX, INT32_MAX);
    is_int(kept(app), 0, "what became too old while the machine was off is gone");
    sse_app_free(app);
    sse_db_close(db);
}

static void clock_not_set(void) { /* 1970 until somebody tells the time */
    sse_db         *db = impatient();
    sse_app        *app;
    const long long set = wall_ahead_ms;
    machine_ahead_ms = 1000 * day;
    wall_ahead_ms = -(long long)time(NULL) * 1000 + 5000;
    app = boot(db, 0, 60000);
    say(app, "one");
    sse_app_free(app);
    app = boot(db, 1000, 60000);
    is_int(kept(app), 1, "written and read by a clock that nobody set");
    sse_app_free(app);
    wall_ahead_ms = set;
    app = boot(db, 0, 60000);
    is_int(kept(app), 1, "read by one that was set since");
    say(app, "two");
    sse_app_free(app);
    wall_ahead_ms = -(long long)time(NULL) * 1000 + 5000;
    app = boot(db, 0, 60000);
    is_int(kept(app), 2, "written by one that was, read by one that nobody set");
    sse_app_free(app);
    wall_ahead_ms = set;
    sse_db_close(db);
}

static void clock_jumps(long long by) { /* an hour wrong, say, until it is set */
    sse_db  *db = impatient();
    sse_app *app;
    machine_ahead_ms = 1000 * day;
    app = boot(db, 0, 60000);
    say(app, "one");
    wall_ahead_ms += by;
    is_int(kept(app), 1, "a clock that is set changes nothing for what is in memory");
    say(app, "two");
    sse_app_free(app);
    app = boot(db, 1000, 60000);
    is_int(kept(app), 2, "nor for what was written before");
    sse_app_free(app);
    app = boot(db, 61000, 60000);
    is_int(kept(app), 0, "which goes when its time has come");
    sse_app_free(app);
    sse_db_close(db);
}

static long long at(sse_db *db, bool newest) { /* the time of the newest event, or the oldest */
    long long ms = 0;
    sse_db_one(db, &ms,
        newest ? "SELECT at FROM sse_events ORDER BY seq DESC"
               : "SELECT at FROM sse_events ORDER BY seq");
    return ms;
}

/* What earlier starts wrote they wrote by a clock of which this one knows nothing. */
static void clock_of_earlier_starts(void) {
    sse_db   *db = impatient();
    sse_app  *app;
    long long before;
    app = boot(db, 0, 60000);
    say(app, "one");
    sse_app_free(app);
    before = at(db, false);
    app = boot(db, 1000, 60000);
    say(app, "two");
    sse__sequence_sync(&app->topics->sequence);
    wall_ahead_ms += 3600000;
    say(app, "three");
    sse_app_free(app);
    ok(at(db, false) == before, "a clock that is set moves no event of an earlier start");
    sse_db_close(db);
}

/* ntpd does so: each step is small. */
static void clock_steps(void) {
    sse_db  *db = impatient();
    sse_app *app = boot(db, 0, 60000);
    int      i;
    for (i = 0; i < 50; i++) {
        say(app, "event");
        sse__sequence_sync(&app->topics->sequence);
        wall_ahead_ms += SSE__CLOCK_JUMP_MS - 1000;
    }
    ok(at(db, true) - at(db, false) < 60000, "small steps of a clock are one large: %lld ms",
        at(db, true) - at(db, false));
    sse_app_free(app);
    sse_db_close(db);
}

static int interrupts(void *user) { return ++*(int *)user > 0; }

/* A history that cannot be read just now: who comes back is told, and nothing is deleted. */
static void unread(void) { /* K2 */
    sse_db           *db = impatient();
    sse_app          *app = new_app();
    sse_topic_options o;
    sse_event         e;
    int               n = 0;
    memset(&o, 0, sizeof o);
    memset(&e, 0, sizeof e);
    keep(app, db, 0);
    say(app, "one");
    say(app, "two");
    sse_app_free(app);
    app = new_app();
    o.history = 100;
    o.db = db;
    e.data = "three";
    is_int(sse_topic(app, "t*", &o), 0, "a rule: its topics are read at their first use");
    sqlite3_progress_handler(sse_db_raw(db), 1, interrupts, &n);
    is_int(sse_publish(app, "t", &e), 0, "which an event is for");
    ok(n > 0, "that read fails");
    sqlite3_progress_handler(sse_db_raw(db), 0, NULL, NULL);
    sse_poll(app, 0);
    is_int(kept(app), 1, "it is kept");
    sse_app_free(app);
    app = new_app();
    keep(app, db, 0);
    is_int(kept(app), 3, "the next start reads all of it");
    sse_app_free(app);
    sse_db_close(db);
}

/* Which allocation it is that fails makes no difference to what is said. */
static void opened_without_memory(bool unkept) {
    sse_db  *db = impatient();
    sse_app *app = new_app();
    int      n, error, refused = 0, others = 0;
    keep(app, db, 0);
    sse_app_free(app);
    for (n = 1; n < 300; n++) {
        app = new_app();
        if (unkept) close(open(owner, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        fail_at = n;
        error = keep(app, db, 0);
        if (fail_at) n = 300; /* it had all that it needs */
        fail_at = 0;
        refused += error == SSE_E_NOMEM;
        others += error && error != SSE_E_NOMEM;
        sse_app_free(app);
    }
    ok(refused > 10 && !others, "%d allocations fail: SSE_E_NOMEM, and %d other errors", refused,
        others);
    sse_db_close(db);
}

/* Events that could not be kept are, at the latest, when the server ends. */
static void kept_at_the_end(void) {
    sse_db_options quick = {SSE_OFF, 0, false};
    sse_db        *db = sse_db_open(path, &quick), *other = impatient();
    sse_app       *app = new_app();
    int            i;
    keep(app, db, 0);
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another program has the lock");
    words = "sent but not kept";
    told = 0;
    say(app, "one");
    for (i = 0; i < 30000 && !told; i++) sse_poll(app, 1);
    ok(told, "an event is sent all the same");
    is_int(sse_db_exec(other, "COMMIT"), 0, "it lets go of it");
    sse_app_free(app);
    app = new_app();
    keep(app, db, 0);
    is_int(kept(app), 1, "the end of the server tries once more");
    sse_app_free(app);
    words = NULL;
    sse_db_close(db);
    sse_db_close(other);
}

/* How long the next statement waits for a lock, by the connection that the thread has. */
static long long patience(sse_db *db) {
    long long ms = -1;
    sse_db_one(db, &ms, "PRAGMA busy_timeout");
    return ms;
}

static long long synchronous(sse_db *db) { /* as the latest save had it */
    long long n = -1;
    sse_db_one(db->writer ? db->writer : db, &n, "PRAGMA synchronous");
    return n;
}

/* On a thread a reservation is synced also where commits are not: its numbers may be in ids. */
static void synced(void) { /* K1 */
    sse_db        *db = impatient();
    sse_app       *app = new_app();
    sse__sequence *sequence;
    keep(app, db, 0);
    sequence = &app->topics->sequence;
    sse_db_exec(db, "PRAGMA synchronous = NORMAL");
    say(app, "one");
    sse__sequence_sync(sequence);
    is_int(synchronous(db), db->writer ? SSE__SYNC_FULL : SSE__SYNC_NORMAL, "numbers are reserved");
    say(app, "two");
    sse__sequence_sync(sequence);
    is_int(synchronous(db), SSE__SYNC_NORMAL, "what has one is kept as the program wants it");
    sse_app_free(app);
    sse_db_close(db);
}

/* What fails is tried a second later: as the clock is then, not as the turn began. */
static void a_second_later(void) {
    sse_db        *db = impatient();
    sse_app       *app = new_app();
    sse__sequence *sequence;
    sse_event      e;
    uint64_t       now;
    keep(app, db, 0);
    sequence = &app->topics->sequence;
    sse_db_exec(db, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                    " SELECT RAISE(ABORT, 'no'); END");
    now = app->loop.wheel.now;
    memset(&e, 0, sizeof e);
    e.data = "one";
    is_int(sse_publish(app, "t", &e), 0, "an event, in a turn that takes five seconds");
    machine_ahead_ms += 5000;
    sse__sequence_sync(sequence);
    ok(sequence->again.link.next && sequence->again.due >= now + 6000, "a save that fails, late");
    sse__alarm_cancel(&sequence->again);
    now = sse__loop_clock_ms(&app->loop);
    fail_at = 1;
    sequence->retries = true;
    sse__sequence_save(sequence);
    ok(!fail_at && sequence->again.link.next && sequence->again.due >= now + 1000,
        "one that there is no memory for is tried again as well");
    fail_at = 0;
    sse_app_free(app);
    sse_db_close(db);
}

static void keep_another(sse_app *app, sse_db *other) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.db = other;
    is_int(sse_topic(app, "u", &o), 0, "a topic in another database");
}

/* A store that lacks nothing, and for which there was no memory when another one was saved, is as
   good as ever when it is tried again. */
static void fails_for_nothing(void) {
    sse_db        *db = impatient(), *other = sse_db_open(":memory:", NULL);
    sse_app       *app = new_app();
    sse__sequence *sequence;
    sse_event      e;
    memset(&e, 0, sizeof e);
    e.data = "one";
    keep_another(app, other);
    keep(app, db, 0);
    sequence = &app->topics->sequence;
    say(app, "one");
    sse__sequence_sync(sequence);
    is_int(sse_publish(app, "u", &e), 0, "an event of the other one");
    fail_at = 2;
    sse__sequence_save(sequence);
    ok(!fail_at && sequence->stores->failing, "which there is no memory to look at the first for");
    sse__sequence_sync(sequence);
    sequence->retries = true;
    sse__sequence_sync(sequence);
    ok(!sequence->stores->failing, "... but a second later");
    say(app, "two");
    sse__sequence_sync(sequence);
    ok(sse__sequence_is_saved(sequence), "what comes then is kept");
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

/* Nor is there a second once the server ends: it tries at once, so that no allocation that fails
   costs an event. */
static void ends_without_memory(void) {
    sse_db  *db = impatient();
    sse_app *app;
    int      n, failed = 1;
    for (n = 1; n < 100 && failed; n++) {
        sse_event e;
        app = new_app();
        keep(app, db, 0);
        memset(&e, 0, sizeof e);
        e.data = "last";
        if (sse_publish(app, "t", &e)) break;
        fail_at = n;
        sse_app_free(app);
        failed = !fail_at;
        fail_at = 0;
        app = new_app();
        keep(app, db, 0);
        if (kept(app) != n) break;
        sse_app_free(app);
    }
    ok(!failed && n > 3, "%d allocations fail at the end, and all events are kept", n - 2);
    sse_db_close(db);
}

/* A save that is tried again waits for nobody; what comes then, for the program, does again. */
static void patient_again(void) {
    sse_db  *db = impatient(), *w;
    sse_app *app = new_app();
    keep(app, db, 0);
    sse_db_exec(db, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                    " SELECT RAISE(ABORT, 'no'); END");
    say(app, "one");
    sse__sequence_sync(&app->topics->sequence);
    ok(app->topics->sequence.stores->failing, "an event cannot be kept");
    sse_db_exec(db, "DROP TRIGGER no");
    app->topics->sequence.retries = true;
    sse__sequence_sync(&app->topics->sequence);
    is_int(kept(app), 1, "then it can");
    ok(!app->topics->sequence.stores->failing, "... and is, at the next try");
    w = db->writer ? db->writer : db;
    is_int(patience(w), 50, "... and the next statement waits for a lock, as ever");
    sse_app_free(app);
    is_int(patience(db), 50, "... also when the server has ended");
    sse_db_close(db);
}

#ifndef SSE_NO_THREADS
/* Events that have become too old before they are on the disk. */
static void aged_on_their_way(void) {
    sse_db_options    patient = {600000, 0, false};
    sse_db           *db = sse_db_open(path, &patient), *other = impatient();
    sse_app          *app = new_app();
    sse_topic_options o;
    sse__topic       *t;
    int               i;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.history_age_ms = 20;
    o.db = db;
    is_int(sse_topic(app, "t*", &o), 0, "topics whose events are kept for a moment");
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another program has the lock");
    say(app, "one");
    t = sse__topic_find(app->topics, SSE__LIT("t"));
    for (i = 0; i < 30000 && t->history->count; i++) sse_poll(app, 1);
    ok(!t->history->count && app->topics->sequence.flight, "an event is over before it is kept");
    is_int(sse_db_exec(other, "COMMIT"), 0, "it lets go of it");
    for (i = 0; i < 30000 && sse__topic_find(app->topics, SSE__LIT("t")); i++) sse_poll(app, 1);
    ok(!sse__topic_find(app->topics, SSE__LIT("t")), "then nothing keeps its topic");
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

/* What is lost while a save is under way is in the next one. */
static void lost_meanwhile(void) { /* K2 */
    sse_db_options patient = {600000, 0, false};
    sse_db        *db = sse_db_open(path, &patient), *other = impatient();
    sse_app       *app = new_app();
    sse__sequence *sequence;
    long long      cut = 0;
    int            i;
    keep(app, db, 0);
    sequence = &app->topics->sequence;
    is_int(sse_db_exec(other, "BEGIN IMMEDIATE"), 0, "another program has the lock");
    say(app, "one");
    ok(sequence->flight != NULL, "a save waits for it");
    sse__rule_lost(app->topics, app->topics->named, sequence->last);
    is_int(sse_db_exec(other, "COMMIT"), 0, "it lets go of it");
    for (i = 0; i < 30000 && app->net->kept != app->net->told; i++) sse_poll(app, 1);
    is_int(sse_db_one(db, &cut, "SELECT reserved FROM sse_sequence WHERE id = 3"), 0,
        "what was lost meanwhile is known to the next start");
    is_int(cut, (long long)sequence->last, "... up to there");
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
}
#endif

/* By the program's connection, where there can be no other: an event is no part of a transaction
   that is open there. */
static void in_a_transaction(void) {
    sqlite3 *raw = NULL;
    sse_db  *db;
    sse_app *app = new_app();
    int      i;
    is_int(sqlite3_open(path, &raw), SQLITE_OK, "a connection of the program");
    db = sse_db_attach(raw);
    keep(app, db, 0);
    say(app, "one");
    is_int(size_of(owner), 1, "all is saved");
    told = 0;
    words = "a transaction of the program is open";
    sqlite3_exec(raw, "BEGIN", NULL, NULL, NULL);
    say(app, "two");
    is_int(told, 1, "an event that goes out in a transaction is not kept, which is logged");
    is_int(size_of(owner), 0, "... and the next start would tell a gap");
    sqlite3_exec(raw, "ROLLBACK", NULL, NULL, NULL);
    for (i = 0; i < 30000 && size_of(owner) != 1; i++) sse_poll(app, 1);
    is_int(size_of(owner), 1, "it is kept behind that");
    sse_app_free(app);
    sse_db_close(db);
    sqlite3_close(raw);
    db = impatient();
    app = new_app();
    keep(app, db, 0);
    i = kept(app);
    ok(i >= 2, "... all of them: %d", i);
    sse_app_free(app);
    sse_db_close(db);
}

/* A topic that makes room for others while they are read back, and is read back itself then. */
static void read_again(void) { /* K2 */
    static const char *const names[] = {"room/a", "room/b", "room/z", "room/z"};
    sse_db                  *db = impatient();
    sse_app_options          few;
    sse_app                 *app;
    sse_topic_options        o;
    sse_event                e;
    sse_rows                *rows;
    uint64_t                 seq;
    size_t                   i;
    int                      n;
    memset(&few, 0, sizeof few);
    few.on_log = logged;
    few.max_topics = 2;
    app = sse_app_new(&few);
    memset(&o, 0, sizeof o);
    memset(&e, 0, sizeof e);
    o.history = 100;
    o.db = db;
    e.data = "event";
    is_int(sse_topic(app, "room/*", &o), 0, "more topics than there is room for");
    for (i = 0; i < SSE__COUNT(names); i++) {
        if (i == 3) sse__sequence_sync(&app->topics->sequence);
        is_int(sse_publish(app, names[i], &e), 0, names[i]);
    }
    sse__topics_load(app->topics, "room/*", 0);
    is_int(sse_topic_history(app, "room/z", 0, one, NULL), 2, "its newest event is there as well");
    rows = sse_db_query(db, "SELECT topic FROM sse_topics");
    ok(sse_db_next(rows), "a query is open, which sees nothing of what comes now");
    is_int(sse_publish(app, "room/z", &e), 0, "another event");
    seq = app->topics->sequence.last;
    sse_publish(app, "room/a", &e);
    sse_publish(app, "room/b", &e);
    ok(!sse__topic_find(app->topics, sse__text("room/z")), "its topic makes room");
    n = sse_topic_history(app, "room/z", 0, one, NULL);
    ok(n == 3 || sse__topic_find(app->topics, sse__text("room/z"))->history->missing >= seq,
        "of what is read back then, %d events, something is known to be missing", n);
    sse_db_done(rows);
    sse_app_free(app);
    sse_db_close(db);
}

/* What a queue may lose it may lose after a restart, too. */
static void still_droppable(void) {
    sse_db             *db = impatient();
    sse_app            *app;
    sse_topic_options   o;
    const sse__history *h;
    int                 i;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.overflow = SSE_DROP_OLDEST;
    o.db = db;
    for (i = 0; i < 2; i++) {
        app = new_app();
        is_int(sse_topic(app, "t", &o), 0, "a topic whose events may be dropped");
        if (!i) say(app, "kept");
        h = sse__topic_find(app->topics, SSE__LIT("t"))->history;
        is_int(h->count, 1, i ? "... is read back" : "... has one");
        ok(sse__message_droppable(sse__history_entry(h, 0)->message), "... that may be");
        sse_app_free(app);
    }
    sse_db_close(db);
}

/* A file beside the database that cannot be locked: a link to somewhere. */
static void unlockable(void) { /* K4 */
    sse_db     *db = impatient();
    sse_app    *app = new_app();
    struct stat s;
    is_int(symlink("nowhere", owner), 0, "a link where the lock should be");
    told = 0;
    words = "cannot be locked (";
    is_int(keep(app, db, 0), 0, "events are kept all the same");
    is_int(told, 1, "... which is told");
    say(app, "kept");
    sse_app_free(app);
    ok(lstat(owner, &s) == 0 && S_ISLNK(s.st_mode), "what is not ours stays");
    words = NULL;
    sse_db_close(db);
}

/* A file that can only be read is enough to lock it: another user's. */
static void locked_read_only(void) { /* K4 */
    sse_db  *a = impatient(), *b = impatient();
    sse_app *first = new_app(), *second = new_app();
    is_int(mkdir(owner, 0755), 0, "what cannot be written");
    told = 0;
    words = "cannot be locked";
    is_int(keep(first, a, 0), 0, "... is locked");
    is_int(told, 0, "... without complaint");
    sse_db_exec(a, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                   " SELECT RAISE(ABORT, 'no'); END");
    say(first, "unkept");
    sse__sequence_sync(&first->topics->sequence);
    sse_db_exec(a, "DROP TRIGGER no");
    is_int(keep(second, b, 0), SSE_E_STATE, "... so that a second server may not");
    sse_app_free(second);
    sse_app_free(first);
    is_int(rmdir(owner), 0, "... and not taken away");
    words = NULL;
    sse_db_close(a);
    sse_db_close(b);
}

/* ---- a machine that went down ---- */

static long long marked(sse_db *db) { /* the boot that a running server is in; 0: no mark */
    long long boot = 0;
    sse_db_one(db, &boot, "SELECT reserved FROM sse_sequence WHERE id = 2");
    return boot;
}

/* A server whose last commits need not be on the disk yet leaves a mark while it runs. */
static void marks(const char *synchronous, bool mark) { /* K2 */
    sse_db  *db = impatient(), *other = impatient();
    sse_app *app = new_app();
    char     sql[60];
    keep(app, db, 0);
    snprintf(sql, sizeof sql, "PRAGMA synchronous = %s", synchronous);
    ok(sse_db_exec(db, sql) >= 0, "%s", sql);
    say(app, "one");
    sse__sequence_sync(&app->topics->sequence);
    ok(marked(other) == (mark ? (long long)sse__boot() : 0), "%s: a mark while it runs: %lld", sql,
        marked(other));
    sse_app_free(app);
    is_int(marked(other), 0, "... and none when it has ended");
    sse_db_close(db);
    sse_db_close(other);
}

/* What could not be kept may be more than a client knows of: the mark says so. */
static void ends_unkept(void) { /* K2 */
    sse_db  *db = impatient();
    sse_app *app = new_app();
    keep(app, db, 0);
    say(app, "one");
    sse__sequence_sync(&app->topics->sequence);
    ok(marked(db) != 0, "a mark");
    sse_db_exec(db, "CREATE TRIGGER no BEFORE INSERT ON sse_events BEGIN"
                    " SELECT RAISE(ABORT, 'no'); END");
    say(app, "two");
    sse_app_free(app);
    ok(marked(db) != 0, "... stays where not all could be kept");
    sse_db_exec(db, "DROP TRIGGER no");
    sse_db_close(db);
}

static void went_down(void) { /* K2 */
    sse_db   *db = impatient();
    sse_app  *app = new_app();
    long long cut = 0, reserved = 0;
    keep(app, db, 0);
    say(app, "one");
    sse_app_free(app);
    words = "the machine went down under the server before this one";
    sse_db_exec(db, "INSERT OR REPLACE INTO sse_sequence (id, reserved) VALUES (2, %lld)",
        (long long)sse__boot());
    app = new_app();
    told = 0;
    keep(app, db, 0);
    is_int(told, 0, "a server that was killed on a machine that runs lost nothing");
    sse_app_free(app);
    sse_db_exec(db, "INSERT OR REPLACE INTO sse_sequence (id, reserved) VALUES (2, 7)");
    app = new_app();
    keep(app, db, 0);
    is_int(told, 1, "one that ran when it went down may have");
    sse_db_one(db, &cut, "SELECT reserved FROM sse_sequence WHERE id = 3");
    sse_db_one(db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 1");
    ok(cut > 0 && cut == reserved, "... up to all that it may have given: %lld", cut);
    is_int(marked(db), 0, "... its mark is gone");
    is_int(kept(app), 1, "... what is there is kept");
    sse_app_free(app);
    app = new_app();
    keep(app, db, 0);
    is_int(told, 1, "the next start has nothing to tell");
    sse_db_one(db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 3");
    is_int(reserved, cut, "... and knows how far that was");
    sse_app_free(app);
    words = NULL;
    sse_db_close(db);
}

/* ---- events that went out and were not kept: the lock says so ---- */

static const char not_of_u[] = "CREATE TRIGGER no BEFORE INSERT ON sse_events WHEN NEW.topic = 'u'"
                               " BEGIN SELECT RAISE(ABORT, 'no'); END";

/* Two connections to one file, of which one cannot write: its lock is of both. */
static void says_unkept(void) { /* K2 */
    sse_db           *a = impatient(), *b = impatient();
    sse_app          *app = new_app();
    sse__sequence    *sequence;
    sse_topic_options o;
    sse_event         e;
    int               i;
    memset(&o, 0, sizeof o);
    memset(&e, 0, sizeof e);
    o.history = 100;
    e.data = "one";
    for (i = 0; i < 2; i++) {
        if (i) app = new_app();
        o.db = i ? b : a;
        is_int(sse_topic(app, i ? "u" : "t", &o), 0, "a connection");
        o.db = i ? a : b;
        is_int(sse_topic(app, i ? "t" : "u", &o), 0, "... and another one to the same file");
        sequence = &app->topics->sequence;
        is_int(size_of(owner), 1, "all is kept that was sent");
        is_int(sse_db_exec(a, not_of_u), 0, "a topic cannot be written");
        is_int(sse_publish(app, "u", &e), 0, "an event of it");
        sse__sequence_sync(sequence);
        is_int(size_of(owner), 0, "the lock says that it is not kept");
        say(app, "one");
        sse__sequence_sync(sequence);
        is_int(size_of(owner), 0, "... also when another one is");
        sequence->retries = true;
        sse__sequence_sync(sequence);
        is_int(size_of(owner), 0, "... and when it is tried again, in vain");
        is_int(sse_db_exec(a, "DROP TRIGGER no"), 0, "then it can be written");
        sequence->retries = true;
        sse__sequence_sync(sequence);
        is_int(size_of(owner), 1, "... and is: so the lock says");
        is_int(sse_db_exec(a, not_of_u), 0, "... until it cannot");
        is_int(sse_publish(app, "u", &e), 0, "an event of it");
        sse__sequence_sync(sequence);
        sse_app_free(app);
        is_int(size_of(owner), 0, "what says so at the end stays");
        is_int(sse_db_exec(a, "DROP TRIGGER no"), 0, "and tells the next start");
    }
    sse_db_close(a);
    sse_db_close(b);
}

/* What a store may lack, beside others. */
static void lacks(void) { /* K2 */
    sse_db        *db = impatient(), *other = sse_db_open(":memory:", NULL);
    sse_app       *app = new_app();
    sse__sequence *sequence;
    sse__store    *store;
    sse_event      e;
    memset(&e, 0, sizeof e);
    e.data = "one";
    keep_another(app, other);
    keep(app, db, 0);
    say(app, "one");
    sequence = &app->topics->sequence;
    store = sequence->stores;
    sse__sequence_sync(sequence);
    ok(!sse__store_lacks(sequence, store), "a store lacks nothing");
    is_int(sse_publish(app, "u", &e), 0, "an event of the other one");
    ok(!sse__store_lacks(sequence, store), "... which that lacks");
    ok(sse__store_lacks(sequence, store->next), "... alone");
    is_int(sse_publish(app, "t", &e), 0, "an event of its own");
    ok(sse__store_lacks(sequence, store), "... which it lacks");
    sse__sequence_sync(sequence);
    ok(!sse__store_lacks(sequence, store), "... until it is kept");
    sse__rule_lost(app->topics, app->topics->named, sequence->last);
    ok(sse__store_lacks(sequence, store), "what was lost");
    sse__sequence_sync(sequence);
    sequence->last = store->reserved;
    ok(!sse__store_lacks(sequence, store), "numbers that it has reserved");
    sequence->last++;
    ok(sse__store_lacks(sequence, store), "... and one more");
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

/* A start that finds such a lock, and cannot write what it says either, or can. */
static void finds_unkept(bool writes) { /* K2 */
    sse_db           *db = impatient(), *too = impatient();
    sse_app          *app = new_app();
    sse_topic_options o;
    long long         cut = 0, reserved = 0;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.db = too;
    keep(app, db, 0);
    say(app, "one");
    sse_app_free(app);
    sse_db_one(db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 1");
    close(open(owner, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!writes)
        sse_db_exec(db, "CREATE TRIGGER no BEFORE INSERT ON sse_sequence BEGIN"
                        " SELECT RAISE(ABORT, 'no'); END");
    told = 0;
    words = "ended while it could not keep events";
    app = new_app();
    is_int(keep(app, db, 0), 0, "it starts");
    is_int(told, 1, "... and says what was lost");
    is_int(size_of(owner), writes, "its lock says so until it is written");
    is_int(sse_topic(app, "u", &o), 0, "another connection to the same file");
    is_int((long long)app->topics->sequence.stores->cut, reserved + 1, "... knows of that as well");
    is_int(size_of(owner), writes, "... and changes nothing");
    sse_db_one(db, &cut, "SELECT reserved FROM sse_sequence WHERE id = 3");
    is_int(cut, writes ? reserved + 1 : 0, "... in the database");
    if (!writes) sse_db_exec(db, "DROP TRIGGER no");
    sse_poll(app, 0);
    sse__sequence_sync(&app->topics->sequence);
    sse_db_one(db, &cut, "SELECT reserved FROM sse_sequence WHERE id = 3");
    is_int(cut, reserved + 1, "a number of which no client has one above");
    is_int(size_of(owner), 1, "then the lock says no more of it");
    say(app, "two");
    ok(app->topics->sequence.last == (uint64_t)reserved + 2, "numbers go on behind it");
    sse_app_free(app);
    is_int(size_of(owner), -1, "and goes at the end");
    told = 0;
    app = new_app();
    keep(app, db, 0);
    is_int(told, 0, "the next start has nothing to say");
    is_int(kept(app), 2, "all that was kept is there");
    sse_app_free(app);
    words = NULL;
    sse_db_close(db);
    sse_db_close(too);
}

/* A lock that another user left behind can be locked, and not written: one of ours replaces it. */
static void of_another_user(void) { /* K2 */
    const bool root = !getuid();
    int        status = -1;
    pid_t      child;
    sse_db    *db = impatient();
    sse_app   *app = new_app();
    keep(app, db, 0);
    sse_app_free(app);
    sse_db_close(db);
    close(open(owner, O_RDWR | O_CREAT | O_CLOEXEC, 0444));
    ok(!chmod(dir, 0777) && !chmod(path, 0666), "a user who may write there");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        if (root && setuid(65534)) _exit(1);
        words = "ended while it could not keep events";
        told = 0;
        app = new_app();
        db = impatient();
        if (keep(app, db, 0) || told != 1) _exit(2);
        _exit(size_of(owner) == 1 ? 0 : 3);
    }
    waitpid(child, &status, 0);
    is_int(WEXITSTATUS(status), 0, "finds what it says, and has one of its own");
    ok(!chmod(dir, 0700), "as before");
}

static void anew(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -f %s/*", dir);
    if (system(command) != 0) ok(0, "the directory is empty");
}

int main(void) {
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/kept.db", dir);
    snprintf(owner, sizeof owner, "%s-sse", path);
    one_server();
    same_server();
    taken_as_it_goes(false);
    taken_as_it_goes(true);
    freed_by_child();
    killed();
    killed_as_it_starts(SIGKILL);
    killed_as_it_starts(SIGINT);
    waits(false);
    waits(true);
    nobodys();
    in_memory();
    anew();
    partly_restored("DELETE FROM sse_sequence");
    anew();
    partly_restored("UPDATE sse_sequence SET reserved = 7");
    anew();
    partly_restored("UPDATE sse_topics SET lost = 900000; DELETE FROM sse_events");
    anew();
    aged_while_off();
    anew();
    clock_not_set();
    anew();
    clock_jumps(3600000);
    anew();
    clock_jumps(-3600000);
    anew();
    clock_of_earlier_starts();
    anew();
    clock_steps();
    anew();
    unread();
    opened_without_memory(false);
    opened_without_memory(true);
    anew();
    kept_at_the_end();
    anew();
    synced();
    anew();
    a_second_later();
    anew();
    fails_for_nothing();
    anew();
    ends_without_memory();
    anew();
    patient_again();
    anew();
#ifndef SSE_NO_THREADS
    aged_on_their_way();
    anew();
    lost_meanwhile();
    anew();
#endif
    in_a_transaction();
    read_again();
    anew();
    still_droppable();
    anew();
    unlockable();
    anew();
    locked_read_only();
    anew();
    marks("OFF", true);
    anew();
    marks("NORMAL", true);
    anew();
    marks("FULL", false);
    anew();
    ends_unkept();
    anew();
    went_down();
    anew();
    says_unkept();
    anew();
    lacks();
    anew();
    finds_unkept(true);
    anew();
    finds_unkept(false);
    anew();
    of_another_user();
    anew();
    is_int(rmdir(dir), 0, "nothing stays");
    return tap_done();
}
#endif
