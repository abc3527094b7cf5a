/* disk.c: a server on a disk that fails, or loses power. It keeps topics and tables in SQLite, and
   answers when they are kept.

   Power: all that is written is recorded, and for each write the files are made again as a power
   cut just then would have left them: of what no sync has followed nothing, all, or some sectors.
   The server starts on that. With synchronous FULL all that it had acknowledged is there. With
   NORMAL, and on a disk that lies about syncs, the newest may be gone: clients are told of a gap.
   No number is given twice, but by a disk that lies.

   Errors: the Nth call of a method of the VFS fails, or each Nth. Once that is over, all that was
   acknowledged is there, also after a start anew.

       disk                             a short selection
       disk all                         all
       disk cut FULL 37 some 3          synchronous FULL, 37 writes, some sectors by seed 3
       disk cut LIES 37                 syncs that were none
       disk xWrite FULL 5               the fifth write finds no room; /5: each fifth
   SHOW=1 shows the log. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "case.h"
#include "vfs.h"
#include "rows.h"
#include <sys/mman.h>
#include <sanitizer/lsan_interface.h>

enum { FULL, NORMAL, LIES, MODES };
static const char *const modes[] = {"FULL", "NORMAL", "LIES"};
static int               mode;

/* ---- the server ---- */

static sse_app *app;

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), sse_param(req, "topic"));
}

static void publish(sse_req *req, void *user) { /* POST /publish/{topic}?k=number */
    char      data[200];
    sse_event e;
    (void)user;
    memset(&e, 0, sizeof e);
    snprintf(data, sizeof data, "number %s.%150s", sse_query(req, "k"), "");
    e.data = data;
    if (sse_publish(sse_req_app(req), sse_param(req, "topic"), &e)) sse_fail(req, 503, "no");
}

static int write_both(sse_db *d, void *user) {
    const char *k = sse_query((sse_req *)user, "k");
    return sse_db_exec(d, "INSERT INTO rows(k) VALUES(%s)", k) < 0 ||
           sse_db_exec(d, "INSERT INTO outbox(body) VALUES('number ' || %s || '.')", k) < 0;
}

static void write_rows(sse_req *req, void *user) { /* POST ?k=number */
    (void)user;
    sse_db_write(db, write_both, req);
}

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "hello");
}

static void log_line(int level, const char *line, void *user) {
    (void)user;
    if (getenv("SHOW")) fprintf(stderr, "#   %d %s\n", level, line);
}

static void app_down(void) {
    sse_app_free(app);
    sse_db_close(db);
    app = NULL;
    db = NULL;
}

/* Starts it on a file. Answers an error. */
static int app_up(const char *path) {
    sse_app_options   o;
    sse_topic_options t;
    int               error;
    memset(&o, 0, sizeof o);
    memset(&t, 0, sizeof t);
    o.on_log = log_line;
    app = sse_app_new(&o);
    db = sse_db_open(path, NULL);
    sse_db_exec(db, "PRAGMA wal_autocheckpoint = 12");
    if (mode == FULL) sse_db_exec(db, "PRAGMA synchronous = FULL");
    sse_db_migrate(db,
        "CREATE TABLE IF NOT EXISTS rows(k INTEGER);"
        "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)");
    t.db = db;
    t.history = 1000;
    sse_topic(app, "all", &t);
    t.history = 6;
    sse_topic(app, "few", &t);
    sse_topic_from_table(app, "outbox", db, "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
    sse_get(app, "/", hello, NULL);
    sse_get(app, "/events/{topic}", events, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_post(app, "/post", post, NULL);
    sse_post(app, "/write", write_rows, NULL);
    error = sse_test_run(app, 0);
    if (error) app_down();
    return error;
}

/* ---- what it said, and when ---- */

enum { ALL_TOPIC, FEW_TOPIC, OUTBOX_TOPIC, TOPICS, NUMBERS = 400 };
static const char *const topics[] = {"all", "few", "outbox"};

typedef struct said {
    int  at; /* as many records had been made; -1: not said */
    char id[40];
} said;

/* Of each number: acknowledged; as a row; seen as an event of a topic. */
static int  acknowledged[TOPICS][NUMBERS], acknowledged_row[NUMBERS];
static said seen[TOPICS][NUMBERS];
static int  next_number;

static void forget(void) {
    memset(acknowledged, -1, sizeof acknowledged);
    memset(acknowledged_row, -1, sizeof acknowledged_row);
    memset(seen, -1, sizeof seen);
    next_number = 0;
}

/* Reads the events of a stream. Answers how many numbers it holds; each once, and growing. */
static int read_events(const char *body, int topic, said got[NUMBERS]) {
    const char *at = body, *id;
    int         n, last = -1, count = 0;
    (void)topic;
    while ((at = strstr(at, "data: number ")) != NULL) {
        for (id = at; id > body && strncmp(id, "id: ", 4) != 0; id--) {
        }
        at += 13;
        n = (int)strtol(at, NULL, 10);
        if (n < 0 || n >= NUMBERS) {
            bug("number %d", n);
            break;
        }
        if (n <= last) bug("%d after %d in %s", n, last, topics[topic]);
        if (got[n].at >= 0) continue;
        got[n].at = records_now();
        snprintf(got[n].id, sizeof got[n].id, "%.*s", (int)strcspn(id + 4, "\n"), id + 4);
        last = n;
        count++;
    }
    return count;
}

static bool does(const char *fmt, const char *what, int number) {
    sse_test_reply r;
    char           request[100];
    bool           fine;
    int            status;
    memset(&r, 0, sizeof r);
    snprintf(request, sizeof request, fmt, what, number);
    fine = sse_test_request(app, request, NULL, "", &r) == 0 && r.status == 204;
    status = r.status;
    if (!fine && (!disk.hits || disk.paused))
        bug("%s: status %d, open %d", request, status, r.open);
    if (!fine && status != 500 && status != 503) bug("%s: status %d", request, status);
    sse_test_close(&r);
    return fine;
}

static void publishes(int topic) {
    const int n = next_number++;
    if (does("POST /publish/%s?k=%d", topics[topic], n)) acknowledged[topic][n] = records_now();
}

static void writes(const char *how) {
    const int n = next_number++;
    if (!does("POST /%s?k=%d", how, n)) return;
    acknowledged_row[n] = records_now();
    if (strcmp(how, "write") == 0) acknowledged[OUTBOX_TOPIC][n] = records_now();
}

/* A stream, for a client with an id or without. */
static void listens(int topic, const char *id, sse_test_reply *r) {
    char request[60], headers[120];
    memset(r, 0, sizeof *r);
    snprintf(request, sizeof request, "GET /events/%s", topics[topic]);
    snprintf(headers, sizeof headers, "Accept: text/event-stream\n%s%s%s",
        id ? "Last-Event-ID: " : "", id ? id : "", id ? "\n" : "");
    if (sse_test_request(app, request, headers, NULL, r) || r->status != 200) {
        if (!disk.hits || disk.paused) bug("GET /events/%s: status %d", topics[topic], r->status);
    }
}

/* A life of the server: `rounds` of everything, with a client that sees each topic. */
static void lives(const char *path, int rounds) {
    sse_test_reply r[TOPICS];
    int            i, t;
    if (app_up(path)) {
        if (!disk.hits) bug("it does not start");
        return;
    }
    for (t = 0; t < TOPICS; t++) listens(t, NULL, &r[t]);
    for (i = 0; i < rounds; i++) {
        publishes(ALL_TOPIC);
        publishes(FEW_TOPIC);
        writes("post");
        writes("write");
        sse_test_run(app, 50);
        for (t = 0; t < TOPICS; t++) read_events(r[t].body, t, seen[t]);
    }
    for (t = 0; t < TOPICS; t++) sse_test_close(&r[t]);
    app_down();
}

/* ---- what is there ---- */

/* One number from SQL, by a connection of its own. */
static long long from_file(const char *path, const char *sql, int n) {
    sqlite3      *d;
    sqlite3_stmt *s = NULL;
    char          text[300];
    long long     value = -1;
    snprintf(text, sizeof text, sql, n);
    if (sqlite3_open(path, &d) == SQLITE_OK &&
        sqlite3_prepare_v2(d, text, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        value = strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0
                    ? 1
                    : sqlite3_column_int64(s, 0);
    else bug("%s: %s", text, sqlite3_errmsg(d));
    sqlite3_finalize(s);
    sqlite3_close(d);
    return value;
}

static bool was_seen(int topic, int n, int records_then) {
    return seen[topic][n].at >= 0 && seen[topic][n].at <= records_then;
}

static bool was_acknowledged(int topic, int n, int records_then) {
    return (acknowledged[topic][n] >= 0 && acknowledged[topic][n] <= records_then) ||
           was_seen(topic, n, records_then);
}

/* All that was acknowledged by then is in the tables, once; the sequence of the ids as well. */
static void tables_have(const char *path, int then) {
    int n;
    if (from_file(path, "PRAGMA integrity_check", 0) != 1) bug("the file is damaged");
    for (n = 0; n < next_number; n++) {
        if (acknowledged_row[n] >= 0 && acknowledged_row[n] <= then &&
            from_file(path, "SELECT count(*) FROM rows WHERE k = %d", n) != 1)
            bug("row %d is not there once", n);
        if (was_acknowledged(OUTBOX_TOPIC, n, then) &&
            from_file(path, "SELECT count(*) FROM outbox WHERE body = 'number %d.'", n) != 1)
            bug("row %d of the outbox is not there once", n);
        if (was_acknowledged(ALL_TOPIC, n, then) &&
            from_file(path,
                "SELECT count(*) FROM sse_events"
                " WHERE topic = 'all' AND instr(event, 'number %d.')",
                n) != 1)
            bug("event %d is not there once", n);
    }
}

/* A client that has seen event `last` comes back: it gets all later ones that were acknowledged, as
   they were, or is told of a gap. gap_fine: it may be. */
static void comes_back(int topic, int last, int then, bool gap_fine) {
    static said    got[NUMBERS];
    sse_test_reply r;
    const char    *there = "SELECT count(*) FROM sse_events WHERE instr(event, 'number %d.')";
    bool           gap, had_last;
    int            n;
    if (topic == OUTBOX_TOPIC) there = "SELECT count(*) FROM outbox WHERE body = 'number %d.'";
    had_last = from_file("cut.db", there, last) == 1;
    memset(got, -1, sizeof got);
    listens(topic, seen[topic][last].id, &r);
    sse_test_run(app, 50);
    gap = strstr(r.body, "event: gap") != NULL;
    read_events(r.body, topic, got);
    if (gap && !gap_fine) bug("%s after %d: a gap", topics[topic], last);
    for (n = 0; n < next_number; n++) {
        if (!gap && got[n].at >= 0 && n <= last)
            bug("%s after %d: %d again", topics[topic], last, n);
        /* Rows that a table lost are no events, and what a disk that lies lost behind a clean end
           cannot be known: but a client that has had some of it is told. */
        if (had_last && (mode == LIES || (topic == OUTBOX_TOPIC && mode != FULL))) continue;
        if (!gap && n > last && was_acknowledged(topic, n, then) && got[n].at < 0)
            bug("%s after %d: %d is missing, in silence: %.200s", topics[topic], last, n, r.body);
        if (mode == FULL && got[n].at >= 0 && was_seen(topic, n, then) &&
            strcmp(strchr(got[n].id, '-') ? strchr(got[n].id, '-') : got[n].id,
                strchr(seen[topic][n].id, '-') ? strchr(seen[topic][n].id, '-')
                                               : seen[topic][n].id))
            bug("%s: event %d was %s, and is %s", topics[topic], n, seen[topic][n].id, got[n].id);
    }
    sse_test_close(&r);
}

/* Clients of all ages come back. */
static void all_come_back(int then) {
    int topic, n, first, last;
    for (topic = 0; topic < TOPICS; topic++) {
        first = last = -1;
        for (n = 0; n < next_number; n++)
            if (was_seen(topic, n, then)) last = n, first = first < 0 ? n : first;
        if (last < 0) continue;
        comes_back(topic, last, then, mode != FULL);
        comes_back(topic, first, then, mode != FULL || topic == FEW_TOPIC);
        comes_back(topic, first + (last - first) / 8 * 4, then, true);
    }
}

static long long number_of(const char *id) { /* "epoch-number", or a row's */
    return strtoll(strchr(id, '-') ? strchr(id, '-') + 1 : id, NULL, 10);
}

/* What is published now has numbers that nothing had. Answers the number that it has here. */
static int goes_on(int topic, int then) {
    sse_test_reply r;
    said           got[NUMBERS];
    int            n, mine;
    memset(got, -1, sizeof got);
    listens(topic, NULL, &r);
    mine = next_number;
    if (topic == OUTBOX_TOPIC) writes("write");
    else publishes(topic);
    sse_test_run(app, 50);
    read_events(r.body, topic, got);
    if (got[mine].at < 0) bug("%s: a new event is not sent: %.200s", topics[topic], r.body);
    for (n = 0; n < mine && got[mine].at >= 0; n++)
        if (was_seen(topic, n, then) && number_of(seen[topic][n].id) >= number_of(got[mine].id))
            bug("%s: a number is given again: %s, and there was %s", topics[topic], got[mine].id,
                seen[topic][n].id);
    seen[topic][mine] = got[mine];
    sse_test_close(&r);
    return mine;
}

/* ---- a power cut ---- */

static int cut_at, cut_left;

/* The machine is started anew: the file names another boot than this one, if any. */
static void boots(const char *path) {
    sqlite3 *d;
    if (sqlite3_open(path, &d)) abort();
    sqlite3_exec(d, "UPDATE sse_sequence SET reserved = reserved + 1 WHERE id = 2", NULL, NULL,
        NULL);
    sqlite3_close(d);
}

static void cut(void) {
    static const char *const path = "cut.db";
    /* a disk that lies has lost what was written since; its clients have not */
    const int then = mode == LIES ? cut_at + 60 : cut_at;
    int       t, error, count;
    power_cut(path, cut_at, cut_left, mode == LIES);
    recording = false;
    boots(path);
    disk.paused = true;
    error = app_up(path);
    if (error) {
        bug("it does not start: %s", sse_error_text(error));
        return;
    }
    if (mode == FULL) tables_have(path, then);
    all_come_back(then);
    count = next_number;
    for (t = 0; t < TOPICS; t++)
        if (mode == FULL || (mode == NORMAL && t != OUTBOX_TOPIC)) goes_on(t, then);
    app_down();
    if (mode == LIES) return;
    error = app_up(path); /* and once more, for those who come later */
    if (error) bug("it does not start again: %s", sse_error_text(error));
    else {
        all_come_back(then);
        app_down();
    }
    next_number = count;
    if (__lsan_do_recoverable_leak_check()) bug("memory is lost");
}

static void cut_judged(int *bad, int n, int left, int seed) {
    cut_at = n;
    cut_left = left;
    dice = (uint32_t)(seed + 1) * 2654435761u;
    if (mode == LIES) snprintf(case_name, sizeof case_name, "build/faults/disk cut LIES %d", n);
    else
        snprintf(case_name, sizeof case_name, "build/faults/disk cut %s %d %s %d", modes[mode], n,
            lefts[left], seed);
    if (case_passes(cut)) return;
    ++*bad;
    ok(false, "%s", case_name);
}

static void drop_records(void) {
    while (nrecords) free(records[--nrecords].bytes);
}

static void remove_files(void) {
    static const char *const paths[] = {"a.db", "cut.db"};
    char                     name[60];
    int                      i, k;
    for (i = 0; i < 2; i++)
        for (k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "%s%s", paths[i], k == 3 ? "-shm" : suffixes[k]);
            unlink(name);
        }
}

/* Two lives of a server, recorded. */
static void record_lives(void) {
    forget();
    drop_records();
    remove_files();
    snprintf(case_name, sizeof case_name, "two lives, synchronous %s", modes[mode]);
    recording = true;
    lives("a.db", 8);
    lives("a.db", 8);
    recording = false;
}

static void cuts(int step) { /* at each so many writes */
    int n, bad = 0, runs = 0;
    record_lives();
    for (n = 1; n <= nrecords; n += step) {
        if (mode == LIES) cut_judged(&bad, n, ALL, 0), runs++;
        else if (step > 1) cut_judged(&bad, n, runs % LEFTS, runs), runs++;
        else {
            cut_judged(&bad, n, NONE, 0);
            cut_judged(&bad, n, ALL, 0);
            cut_judged(&bad, n, SOME, n);
            cut_judged(&bad, n, SOME, n + 1000);
            runs += 4;
        }
    }
    ok(!bad && !case_bugs, "synchronous %s: %d writes and syncs, %d power cuts, %d bad",
        modes[mode], nrecords, runs, bad);
    case_bugs = 0;
}

/* ---- errors ---- */

static long *counts; /* of each method, in a run without a fault; shared with that */
static long *hits;   /* calls that failed; shared likewise */

static void errs(void) {
    int t;
    forget();
    lives("a.db", 8);
    lives("a.db", 8);
    disk.paused = true;
    if (app_up("a.db")) {
        bug("it does not start afterwards");
        return;
    }
    tables_have("a.db", RECORDS);
    for (t = 0; t < TOPICS; t++) goes_on(t, RECORDS);
    app_down();
    tables_have("a.db", RECORDS);
    *hits += disk.hits;
    if (!disk.nth && !disk.every) memcpy(counts, disk.seen, sizeof disk.seen);
    if (__lsan_do_recoverable_leak_check()) bug("memory is lost");
}

static const char *error_name(int error) {
    static char text[40];
    if (error == HALF) return "HALF";
    snprintf(text, sizeof text, "%d", error);
    return error == SQLITE_FULL ? "FULL" : error == SQLITE_BUSY ? "BUSY" : text;
}

static bool passes(int method, int error, long nth, long every) {
    bool passed;
    memset(&disk, 0, sizeof disk);
    disk.method = method;
    disk.error = error;
    disk.nth = nth;
    disk.every = every;
    mode = FULL;
    snprintf(case_name, sizeof case_name, "build/faults/disk %s %s %s%ld", methods[method].name,
        error_name(error), every ? "/" : "", every ? every : nth);
    remove_files();
    passed = case_passes(errs);
    return passed;
}

static void judged(int *bad, bool passed) {
    if (passed) return;
    ++*bad;
    ok(false, "%s", case_name);
}

static void errors_of(int method, int error, bool all) {
    static const long everies[] = {2, 3, 7};
    long              nth = 1, next = 2, of;
    int               runs = 0, bad = 0, i;
    if (!counts[method]) judged(&bad, passes(method, error, 0, 0)); /* how many there are */
    of = counts[method] ? counts[method] : 1;
    *hits = 0;
    if (!all) judged(&bad, passes(method, error, 1 + (method * 37 + error * 11) % of, 0)), runs++;
    for (; all && nth <= of; next += nth, nth = next - nth, runs++)
        judged(&bad, passes(method, error, nth, 0));
    for (i = 0; i < (all ? 3 : 1); i++, runs++)
        judged(&bad, passes(method, error, 0, everies[2 - i]));
    ok(!bad && *hits, "%s %s, of %ld: %d runs, %d bad", methods[method].name, error_name(error), of,
        runs, bad);
}

static void each_error(bool all, const char *only) {
    int m, i;
    for (m = 0; m < METHOD_COUNT; m++)
        for (i = 0; methods[m].errors[i] && (!only || strcmp(only, methods[m].name) == 0); i++)
            errors_of(m, methods[m].errors[i], all);
}

static void one(int argc, char **argv) {
    int m = 0, i = 0, bad = 0, left = 0;
    if (strcmp(argv[1], "cut") == 0) {
        for (mode = 0; mode < MODES - 1 && strcmp(argv[2], modes[mode]) != 0;) mode++;
        for (; argc > 4 && left < LEFTS - 1 && strcmp(argv[4], lefts[left]) != 0;) left++;
        record_lives();
        cut_judged(&bad, atoi(argv[3]), mode == LIES ? ALL : left, argc > 5 ? atoi(argv[5]) : 0);
        ok(!bad, "%s", case_name);
        return;
    }
    while (m < METHOD_COUNT && strcmp(argv[1], methods[m].name) != 0) m++;
    while (m < METHOD_COUNT && methods[m].errors[i] &&
           strcmp(error_name(methods[m].errors[i]), argv[2]) != 0)
        i++;
    if (m == METHOD_COUNT || !methods[m].errors[i]) {
        fprintf(stderr, "# no such fault\n");
        exit(2);
    }
    ok(passes(m, methods[m].errors[i], *argv[3] == '/' ? 0 : atol(argv[3]),
           *argv[3] == '/' ? atol(argv[3] + 1) : 0),
        "%s", case_name);
}

int main(int argc, char **argv) {
    static char dir[] = "/tmp/sse-faults-XXXXXX";
    const bool  all = argc > 1 && strcmp(argv[1], "all") == 0;
    counts = (long *)mmap(NULL, sizeof disk.seen + sizeof *hits, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    hits = counts + METHOD_COUNT;
    if (counts == MAP_FAILED || !mkdtemp(dir) || chdir(dir)) abort();
    disk.method = -1;
    vfs_begin();
    if (argc > 3) one(argc, argv);
    else {
        if (argc < 3 || strcmp(argv[2], "cut") == 0)
            for (mode = 0; mode < MODES; mode++) cuts(all ? 1 : 41);
        if (argc < 3 || strcmp(argv[2], "cut") != 0) each_error(all, argc > 2 ? argv[2] : NULL);
    }
    drop_records();
    remove_files();
    free(records);
    if (chdir("/") || rmdir(dir)) abort();
    return tap_done();
}
