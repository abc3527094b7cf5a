/* calls.c: an app of everything goes through one script of clients, again and again, and each time
   another system call or allocation of the server fails: the Nth of its kind, or each Nth. What it
   answers is whole and right, or a refusal, or the connection ends; it neither spins nor hangs; and
   once the fault is over all is served, what it acknowledged is there, each stream was closed once,
   and no memory and no descriptor is left.
       calls                   a short selection
       calls all               all
       calls send EINTR 5      the fifth send fails with EINTR; SHORT: it moves one byte; END: none
       calls send EINTR /5     each fifth
   SHOW=1 shows the log. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "case.h"
#include "wrap.h"
#include "client.h"
#include "app.h"
#include <dirent.h>
#include <sys/mman.h>
#include <ftw.h>
#include <sanitizer/lsan_interface.h>

/* ---- what was acknowledged ---- */

enum { MEM, KEPT, OUTBOX, BIG, KINDS, NUMBERS = 300 };
static const char *const kinds[] = {"mem", "kept", "outbox", "big"};
static bool              told[KINDS][NUMBERS], told_row[NUMBERS];
static int               next_number;

static bool sure(void) { return fails.paused || !fails.hits; }

/* Sends a request of its own connection, and waits for the reply. body NULL: none. Answers the
   client, to be hung up. */
static client *asked(const char *path, const char *fields, const char *body, size_t n) {
    client *c = dial(false);
    char    head[300];
    snprintf(head, sizeof head, "%sContent-Length: %zu\r\n", fields ? fields : "", n);
    ask(c, path, body ? head : fields);
    pass(0); /* the head alone, first */
    if (body) {
        while (c->out_len && !c->over && turn()) {
        }
        c->out = body;
        c->out_len = n;
    }
    answered(c);
    return c;
}

static bool is_refusal(int status) {
    return status == 500 || status == 503 || status == 507 || status == 404;
}

/* What came is wanted, or, after a fault, a refusal or nothing. want NULL: any text. Answers
   whether it is what was wanted. */
static bool right(const client *c, int status, const char *want, size_t n) {
    if (c->whole && c->status == status) {
        if (!want || (c->text_len == n && memcmp(c->text, want, n) == 0)) return true;
        bug("%.60s: %zu bytes instead of %zu: %.80s", c->request, c->text_len, n, c->text);
    } else if (sure() || (c->whole && !is_refusal(c->status)))
        bug("%.60s: status %d, whole %d: %.200s", c->request, c->status, c->whole,
            c->text ? c->text : "");
    return false;
}

static bool gets(const char *path, const char *fields, const char *want, size_t n) {
    client    *c = asked(path, fields, NULL, 0);
    const bool is = right(c, field(c->got ? c->got : "", "Content-Range") ? 206 : 200, want, n);
    hang_up(c);
    return is;
}

/* POST, acknowledged by 204. */
static bool does(const char *fmt, const char *what, int number) {
    char    path[100];
    client *c;
    bool    is;
    snprintf(path, sizeof path, fmt, what, number);
    c = asked(path, NULL, "", 0);
    is = right(c, 204, "", 0);
    hang_up(c);
    return is;
}

static void publishes(int kind) {
    const int n = next_number++;
    if (does("POST /publish/%s?k=%d", kinds[kind], n)) told[kind][n] = true;
}

static void writes(const char *how) {
    const int n = next_number++;
    if (!does("POST /%s?k=%d", how, n)) return;
    told_row[n] = true;
    if (strcmp(how, "write") == 0) told[OUTBOX][n] = true;
}

/* ---- pages, files, bodies ---- */

enum { SMALL = 3000, LARGE = 1100000, BODY = 150000 };
static char   small[SMALL], large[LARGE], body[BODY], rows[300000], multipart[BODY + 400];
static size_t rows_len, multipart_len;

static size_t put_rows(char *to, size_t room, int n) {
    size_t len = (size_t)snprintf(to, room, "<h1>me &amp; you</h1>\n");
    int    i;
    for (i = 0; i < n; i++) len += (size_t)snprintf(to + len, room - len, "<li>row %d\n", i);
    return len;
}

static void put_file(const char *name, const char *p, size_t n) {
    FILE *f = fopen(name, "w");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f)) abort();
}

static void make_files(void) {
    const char *type =
        "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\ntyped\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
    size_t i;
    for (i = 0; i < SMALL; i++) small[i] = (char)('a' + i % 26);
    for (i = 0; i < LARGE; i++)
        large[i] = (char)(i % 80 == 79 ? '\n' : 'a' + (i / 7 * 31 + i / 80) % 26);
    for (i = 0; i < BODY; i++) body[i] = (char)('a' + i * i % 23);
    multipart_len = (size_t)sprintf(multipart, "%s", type);
    memcpy(multipart + multipart_len, body, BODY);
    multipart_len += BODY;
    multipart_len += (size_t)sprintf(multipart + multipart_len, "\r\n--b--\r\n");
    if (mkdir("dir", 0700)) abort();
    put_file("dir/small.txt", small, SMALL);
    put_file("dir/kept.txt", large, 70000);
    put_file("dir/large.txt", large, LARGE);
    put_file("dir/large.bin", large, LARGE);
}

static void pages(bool large_too) {
    static const char *const codings[] = {"", "Accept-Encoding: br\r\n",
        "Accept-Encoding: gzip\r\n"};
    static const int         lengths[] = {0, 300, 20000};
    char                     path[60];
    int                      i, k;
    for (i = 0; i < 3; i++)
        for (k = 0; k < 2 + large_too; k++) {
            snprintf(path, sizeof path, "/page?q=me+%%26+you&n=%d", lengths[k]);
            rows_len = put_rows(rows, sizeof rows, lengths[k]);
            gets(path, codings[i], rows, rows_len);
        }
    gets("/later", NULL, "later", 5);
    gets("/_sse", NULL, NULL, 0);
    gets("/_sse/metrics", NULL, NULL, 0);
}

static void files(bool large_too) {
    gets("/dir/small.txt", NULL, small, SMALL);
    gets("/dir/small.txt", "Range: bytes=10-99\r\n", small + 10, 90);
    gets("/dir/small.txt", "Accept-Encoding: br\r\n", small, SMALL);
    gets("/dir/kept.txt", "Accept-Encoding: gzip\r\n", large, 70000);
    gets("/dir/large.bin", NULL, large, LARGE);
    gets("/dir/large.bin", "Range: bytes=1000-999999\r\n", large + 1000, 999000);
    if (large_too) gets("/dir/large.txt", "Accept-Encoding: gzip\r\n", large, LARGE);
}

/* The file is what was sent if that was acknowledged, and absent if not. */
static void saved(const char *name, bool acknowledged) {
    static char got[BODY + 1];
    FILE       *f = fopen(name, "r");
    size_t      n = f ? fread(got, 1, sizeof got, f) : 0;
    if (f) fclose(f);
    if (acknowledged ? !f || n != BODY || memcmp(got, body, n) != 0 : f && n != BODY)
        bug("%s: %zu bytes, acknowledged %d", name, n, acknowledged);
    unlink(name);
}

static void bodies(void) {
    const char *type = "Content-Type: multipart/form-data; boundary=b\r\n";
    client     *c;
    c = asked("POST /form", "Content-Type: application/x-www-form-urlencoded\r\n", "a=1+2", 5);
    right(c, 200, "1 2", 3);
    hang_up(c);
    c = asked("POST /sum", NULL, body, BODY);
    right(c, 200, "150000", 6);
    hang_up(c);
    c = asked("POST /parts", type, multipart, multipart_len);
    right(c, 200, "150005", 6);
    hang_up(c);
    c = asked("POST /save", NULL, body, BODY);
    saved("of-body", right(c, 204, "", 0));
    hang_up(c);
    c = asked("POST /save-form", type, multipart, multipart_len);
    saved("of-form", right(c, 204, "", 0));
    hang_up(c);
}

static bool has_ended(void *user) { return ((const client *)user)->over; }

static void too_large(void) { /* its connection ends, but not before it has been told */
    client *c =
        asked("POST /form", "Content-Length: 99999999\r\nContent-Type: text/plain\r\n", NULL, 0);
    if (!c->whole ? sure() : c->status != 413 && !is_refusal(c->status))
        bug("a body that is too large: %d", c->status);
    hang_up(c);
}

/* A stream over HTTP/1.0, which has no other way to say that it is cut: a reset. */
static void reset(void) {
    client *c = dial(false);
    snprintf(c->request, sizeof c->request,
        "GET /steps HTTP/1.0\r\nHost: localhost\r\n"
        "Accept: text/event-stream\r\n\r\n");
    c->out = c->request;
    c->out_len = strlen(c->out);
    if (!until(has_ended, c)) bug("a stream over HTTP/1.0 does not end");
    hang_up(c);
}

/* Three requests in one packet, over TCP, and a fourth in pieces. */
static void pipelined(void) {
    static const char three[] =
        "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "POST /sum HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"
        "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "GET /dir/small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client *c = dial(true);
    int     i;
    c->out = three;
    c->out_len = sizeof three - 1;
    for (i = 0; i < 3 && answered(c); i++) {
        if (i < 2 ? !right(c, 200, i ? "3" : "later", i ? 1 : 5) : !right(c, 200, small, SMALL))
            break;
        c->from = c->next;
        c->stale = true;
    }
    if (i < 3 && sure()) bug("%d of 3 replies on one connection", i);
    if (i == 3) {
        ask(c, "/later", NULL);
        c->out_len = 20; /* in two pieces */
        pass(0);
        c->out_len = strlen(c->out);
        if (answered(c)) right(c, 200, "later", 5);
    }
    hang_up(c);
}

/* ---- streams ---- */

typedef struct watcher {
    client     *c; /* NULL: not there */
    const char *path, *coding;
    int         kind, since; /* kind KINDS: it tells no numbers */
    int         last;        /* the number that it got last, on the streams before this one */
} watcher;

static watcher watchers[] = {{NULL, "/events/mem", "", MEM, 0, -1},
    {NULL, "/events/mem", "br", MEM, 0, -1}, {NULL, "/events/kept", "gzip", KEPT, 0, -1},
    {NULL, "/events/kept", "", KEPT, 0, -1}, {NULL, "/events/outbox", "br", OUTBOX, 0, -1},
    {NULL, "/events/big", "", BIG, 0, -1}, {NULL, "/view/a", "", KINDS, 0, -1},
    {NULL, "/view/a", "gzip", KINDS, 0, -1}, {NULL, "/each?q=1", "br", KINDS, 0, -1},
    {NULL, "/_sse/live", "gzip", KINDS, 0, -1}, {NULL, "/steps", "", KINDS, 0, -1}};
enum { WATCHERS = sizeof watchers / sizeof *watchers };

static bool has_begun(void *user) {
    client *c = (client *)user;
    client_read(c);
    return c->status || c->over;
}

static void watch(watcher *w, const char *id) {
    char fields[200];
    snprintf(fields, sizeof fields, "Accept: text/event-stream\r\n%s%s%s%s%s%s",
        *w->coding ? "Accept-Encoding: " : "", w->coding, *w->coding ? "\r\n" : "",
        id ? "Last-Event-ID: " : "", id ? id : "", id ? "\r\n" : "");
    w->c = dial(false);
    ask(w->c, w->path, fields);
    if (!id) w->since = next_number;
    if (!until(has_begun, w->c)) bug("%s: no stream begins", w->path);
    if (w->c->status != 200 && (sure() || w->c->status))
        bug("%s: status %d", w->path, w->c->status);
}

/* The id that was sent last; NULL: none. */
static const char *last_id(const client *c) {
    static char id[80];
    const char *at = c->text, *last = NULL;
    while (at && (at = strstr(at, "id: ")) != NULL)
        if (at++ == c->text || at[-2] == '\n') last = at + 3;
    snprintf(id, sizeof id, "%.*s", last ? (int)strcspn(last, "\n") : 0, last ? last : "");
    return last ? id : NULL;
}

/* What has come: numbers grow; unless it says that there is a gap, or has ended, none is
   missing. */
static void in_order(watcher *w, bool ended) {
    const char *at = w->c->text ? w->c->text : "", *gap = strstr(at, "event: gap");
    char        word[20];
    bool        got[NUMBERS] = {false};
    int         n, last = gap ? -1 : w->last;
    if (w->kind == KINDS || w->c->status != 200) return;
    snprintf(word, sizeof word, "data: %s ", kinds[w->kind]);
    while ((at = strstr(at, word)) != NULL) {
        at += strlen(word);
        n = (int)strtol(at, NULL, 10);
        if (n < 0 || n >= NUMBERS || !memchr(at, '.', 6)) break; /* not all of it is here */
        if (n <= last && !(gap && at > gap && last >= 0 && n < last))
            bug("%s (%s): %d after %d", w->path, w->coding, n, last);
        got[n] = true;
        last = n;
    }
    for (n = w->since; n < next_number && !ended && !gap; n++)
        if (told[w->kind][n] && !got[n] && n > w->last)
            bug("%s (%s): %d is missing: %.300s", w->path, w->coding, n, w->c->text);
    w->last = last;
}

static void streams_begin(void) {
    int i;
    for (i = 0; i < WATCHERS; i++) watch(&watchers[i], NULL);
}

static void commit_of_another(void) {
    sqlite3  *other;
    char      sql[100];
    const int n = next_number++;
    snprintf(sql, sizeof sql,
        "INSERT INTO rows(k) VALUES(%d);"
        "INSERT INTO outbox(body) VALUES('outbox %d.')",
        n, n);
    if (sqlite3_open("a.db", &other) || sqlite3_busy_timeout(other, 60000) ||
        sqlite3_exec(other, sql, NULL, NULL, NULL))
        bug("another connection cannot write: %s", sqlite3_errmsg(other));
    else told_row[n] = told[OUTBOX][n] = true;
    sqlite3_close(other);
}

static void *publish_elsewhere(void *user) {
    serving = true;
    (void)publish_number("mem", (const char *)user);
    (void)sse_touch(app, "/view/a");
    serving = false;
    return NULL;
}

static void publish_from_thread(void) {
    char      number[12];
    pthread_t t;
    snprintf(number, sizeof number, "%d", next_number++);
    if (__real_pthread_create(&t, NULL, publish_elsewhere, number)) abort();
    pthread_join(t, NULL);
    pass(0);
}

static void descriptors(void) {
    int       fds[2];
    sse_timer timer;
    const int before = ticked;
    bool      watched;
    *lines = '\0';
    if (pipe(fds) || fcntl(fds[0], F_SETFL, O_NONBLOCK)) abort();
    serving = true;
    timer = sse_every(app, 5, tick, NULL);
    watched = sse_watch_lines(app, fds[0], hear_line, NULL) == 0;
    serving = false;
    if (write(fds[1], "one\ntw", 6) != 6) abort();
    pass(20);
    if (write(fds[1], "o\nthree", 7) != 7) abort();
    close(fds[1]);
    pass(20);
    if (timer.app && ticked - before < 3) bug("a timer of 5 ms ran %d times", ticked - before);
    if (watched && strcmp(lines, "onetwothree|end") && (sure() || !strstr(lines, "|end")))
        bug("lines: %s", lines);
    if (sure() && (!watched || !timer.app)) bug("no watch or timer");
    serving = true;
    sse_timer_cancel(timer);
    sse_watch(app, fds[0], 0, NULL, NULL);
    serving = false;
    close(fds[0]);
}

static void streams(void) {
    int i;
    streams_begin();
    for (i = 0; i < 3; i++) {
        publishes(MEM);
        publishes(KEPT);
        writes("write");
        writes("post");
    }
    commit_of_another();
    publish_from_thread();
    watchers[5].c->deaf = true; /* a slow reader */
    for (i = 0; i < 30; i++) publishes(BIG);
    watchers[5].c->deaf = false;
    pass(100);
}

/* ---- once the fault is over ---- */

/* An open stream gets what is told now. One that ended is back with its last id. */
static void goes_on(watcher *w, const char *newest) {
    char id[80];
    if (w->kind == KINDS) return;
    if (!hears(w->c, newest) && !w->c->over)
        bug("%s (%s) does not hear of %s: %.300s", w->path, w->coding, newest, w->c->text);
    in_order(w, w->c->over);
    if (!w->c->over) return;
    snprintf(id, sizeof id, "%s", last_id(w->c) ? last_id(w->c) : "");
    hang_up(w->c);
    watch(w, id);
    if (!*id || w->kind == BIG) return;
    if (!hears(w->c, newest))
        bug("%s (%s), back after %s: no %s: %.300s", w->path, w->coding, id, newest, w->c->text);
    in_order(w, false);
}

static int told_rows(void) {
    int n, count = 0;
    for (n = 0; n < next_number; n++) count += told_row[n];
    return count;
}

static bool nobody_is_left(void *user) {
    sse_stats now;
    (void)user;
    sse_stats_get(app, &now);
    return now.connections == 0 && now.streams == 0 && now.views == 0;
}

static void recovers(void) {
    char newest[KINDS][40];
    int  i;
    fails.paused = true;
    pass(2500); /* listening again, events are kept again */
    pages(false);
    files(false);
    bodies();
    too_large();
    pipelined();
    descriptors();
    for (i = 0; i < KINDS; i++) {
        if (i == OUTBOX) writes("write");
        else publishes(i);
        snprintf(newest[i], sizeof newest[i], "data: %s %d.", kinds[i], next_number - 1);
    }
    for (i = 0; i < WATCHERS; i++)
        goes_on(&watchers[i], watchers[i].kind < KINDS ? newest[watchers[i].kind] : "");
    for (i = 6; i < 8; i++) {
        char text[40];
        snprintf(text, sizeof text, ": %d rows", told_rows());
        if (watchers[i].c->over) {
            hang_up(watchers[i].c);
            watch(&watchers[i], NULL);
        }
        if (!hears(watchers[i].c, text) && told_rows() == next_number)
            bug("the view does not show %s: %.200s", text, watchers[i].c->text);
    }
    for (i = 0; i < WATCHERS; i++) hang_up(watchers[i].c);
    if (!until(nobody_is_left, NULL)) bug("connections, streams or views are left");
    fails.paused = false;
}

/* ---- the end ---- */

static bool has_stopped(void *user) {
    (void)user;
    return app_runs <= 0;
}

static void stops(void) {
    int i;
    watch(&watchers[2], NULL);
    watch(&watchers[4], NULL);
    publishes(KEPT);
    writes("write");
    writes("post");
    serving = true;
    sse_stop(app);
    serving = false;
    if (!until(has_stopped, NULL)) bug("it does not stop");
    app_down();
    fails.paused = true;
    for (i = nclients; i > 0; i--) hang_up(clients[0]);
}

/* What was acknowledged is in the file. */
static void on_disk(void) {
    sqlite3      *d;
    sqlite3_stmt *s;
    char          sql[600];
    int           n;
    if (sqlite3_open("a.db", &d)) abort();
    for (n = -1; n < next_number; n++) {
        int rc;
        if (n < 0) snprintf(sql, sizeof sql, "PRAGMA integrity_check");
        else
            snprintf(sql, sizeof sql,
                "SELECT (SELECT count(*) FROM rows WHERE k = %d),"
                "(SELECT count(*) FROM outbox WHERE body = 'outbox %d.'),"
                "(SELECT count(*) FROM sse_events WHERE instr(event, 'data: kept %d.'))",
                n, n, n);
        rc = sqlite3_prepare_v2(d, sql, -1, &s, NULL);
        if (rc == SQLITE_OK) rc = sqlite3_step(s);
        if (rc != SQLITE_ROW) bug("%s: %s", sql, sqlite3_errmsg(d));
        else if (n < 0) {
            if (strcmp((const char *)sqlite3_column_text(s, 0), "ok")) bug("the file is damaged");
        } else if (sqlite3_column_int(s, 0) < told_row[n] || sqlite3_column_int(s, 0) > 1 ||
                   sqlite3_column_int(s, 1) < told[OUTBOX][n] || sqlite3_column_int(s, 1) > 1 ||
                   sqlite3_column_int(s, 2) < (told[KEPT][n] && !unkept) ||
                   sqlite3_column_int(s, 2) > 1)
            bug("%d is %d times in rows, %d in outbox, %d in sse_events; told %d, %d, %d", n,
                sqlite3_column_int(s, 0), sqlite3_column_int(s, 1), sqlite3_column_int(s, 2),
                told_row[n], told[OUTBOX][n], told[KEPT][n]);
        sqlite3_finalize(s);
    }
    sqlite3_close(d);
}

static int count_files(const char *path, const char *part) {
    DIR           *d = opendir(path);
    struct dirent *e;
    int            n = 0;
    while ((e = readdir(d)) != NULL) n += strstr(e->d_name, part) != NULL;
    closedir(d);
    return n;
}

static int removed(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type;
    return at->level ? remove(path) : 0;
}

static void empty_directory(void) { nftw(".", removed, 20, FTW_DEPTH | FTW_PHYS); }

static char notify[PATH_MAX];

static void script(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "notify"};
    const int          manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    int                before;
    if (bind(manager, (struct sockaddr *)&to, sizeof to) || !realpath("notify", notify)) abort();
    setenv("NOTIFY_SOCKET", notify, 1); /* as of systemd */
    make_files();
    before = count_files("/proc/self/fd", "");
    if (!app_up()) {
        fails.paused = true;
        if (!app_up()) {
            bug("it cannot be set up afterwards");
            return;
        }
        fails.paused = false;
    }
    pages(true);
    files(true);
    bodies();
    too_large();
    reset();
    pipelined();
    descriptors();
    streams();
    recovers();
    stops();
    on_disk();
    if (count_files("/proc/self/fd", "") != before)
        bug("%d descriptors, %d before", count_files("/proc/self/fd", ""), before);
    close(manager);
    if (fails.call != CALL_unlink && count_files(".", ".part-")) bug("a part of an upload is left");
    while (openings) {
        opened *o = openings;
        openings = o->next;
        if (o->closes != 1) bug("on_close of a stream ran %d times", o->closes);
        free(o);
    }
    if (__lsan_do_recoverable_leak_check()) bug("memory is lost");
    if (getenv("SHOW")) fprintf(stderr, "#   %ld failed\n", fails.hits);
}

/* ---- which ---- */

const char *__asan_default_options(void);
const char *__asan_default_options(void) { /* less work for each of many processes */
    return "quarantine_size_mb=8:malloc_context_size=6:intercept_strstr=0:intercept_strlen=0";
}

static long *counts; /* of each call, in a run without a fault; shared with that */
static long *hits;   /* calls that failed; shared likewise */

static void count(void) {
    script();
    memcpy(counts, fails.seen, sizeof fails.seen);
}

static void fail(void) {
    script();
    *hits += fails.hits;
}

static const char *error_name(int error) {
    return error == SHORT ? "SHORT" : error == END ? "END" : strerrorname_np(error);
}

/* Answers whether that case passes. */
static bool passes(int call, int error, long nth, long every) {
    memset(&fails, 0, sizeof fails);
    fails.call = call;
    fails.error = error;
    fails.nth = nth;
    fails.every = every;
    snprintf(case_name, sizeof case_name, "build/faults/calls %s %s %s%ld", calls[call].name,
        error_name(error), every ? "/" : "", every ? every : nth);
    return case_passes(fail) & (empty_directory(), true);
}

static void judged(int *bad, bool passed) {
    if (passed) return;
    ++*bad;
    ok(false, "%s", case_name);
}

/* That one case; or an earlier one, where this run calls it less often than the first one did: how
   many threads it takes depends on how fast they are. Returns the count of runs. */
static int judge_reached(int *bad, int call, int error, long nth) {
    const long before = *hits;
    int        runs = 1;
    judged(bad, passes(call, error, nth, 0));
    for (; *hits == before && nth > 1; runs++) judged(bad, passes(call, error, nth /= 2, 0));
    if (*hits == before) judged(bad, false);
    return runs;
}

/* All the places where a call can fail: each of the first, then ever fewer, and the last. */
static void all_of(int call, int error) {
    static const long everies[] = {2, 3, 7};
    int               runs = 0, bad = 0, i;
    long              nth = 1, next = 2;
    *hits = 0;
    for (; nth <= counts[call]; next += nth, nth = next - nth, runs++)
        judged(&bad, passes(call, error, nth, 0));
    if (counts[call] > 3) judged(&bad, passes(call, error, counts[call], 0)), runs++;
    for (i = 0; i < 3 && counts[call]; i++, runs++)
        judged(&bad, passes(call, error, 0, everies[i]));
    ok(!bad && *hits, "%s %s, of %ld: %d runs, %d bad", calls[call].name, error_name(error),
        counts[call], runs, bad);
}

/* One place each, another one for each error; and now and then all the time. */
static void some_of(int call) {
    int i, bad = 0, runs = 0;
    *hits = 0;
    for (i = 0; calls[call].errors[i] && counts[call]; i++)
        runs += judge_reached(&bad, call, calls[call].errors[i],
            1 + (i * 7919 + call * 31) % counts[call]);
    if (counts[call] > 20) judged(&bad, passes(call, calls[call].errors[0], 0, 3)), runs++;
    ok(!bad && *hits, "%s, of %ld: %d runs, %d bad", calls[call].name, counts[call], runs, bad);
}

static void each_call(bool all, const char *only) {
    int call, i;
    for (call = 0; call < CALL_COUNT; call++) {
        if (only && strcmp(only, calls[call].name) != 0) continue;
        if (!all) some_of(call);
        else
            for (i = 0; calls[call].errors[i]; i++) all_of(call, calls[call].errors[i]);
    }
}

static void one(char **argv) {
    int call = 0, i = 0;
    while (call < CALL_COUNT && strcmp(argv[1], calls[call].name) != 0) call++;
    while (call < CALL_COUNT && calls[call].errors[i] &&
           strcmp(error_name(calls[call].errors[i]), argv[2]) != 0)
        i++;
    if (call == CALL_COUNT || !calls[call].errors[i]) {
        fprintf(stderr, "# no such fault\n");
        exit(2);
    }
    ok(passes(call, calls[call].errors[i], *argv[3] == '/' ? 0 : atol(argv[3]),
           *argv[3] == '/' ? atol(argv[3] + 1) : 0),
        "%s", case_name);
}

int main(int argc, char **argv) {
    static char dir[] = "/tmp/sse-faults-XXXXXX";
    bool        fine;
    counts = (long *)mmap(NULL, sizeof fails.seen + sizeof *hits, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    hits = counts + CALL_COUNT;
    if (counts == MAP_FAILED || !mkdtemp(dir) || chdir(dir)) abort();
    signal(SIGPIPE, SIG_IGN);
    snprintf(case_name, sizeof case_name, "without a fault");
    if (argc < 4) {
        fine = case_passes(count) & (empty_directory(), true);
        ok(fine, "the script, without a fault");
        if (fine) each_call(argc > 1, argc > 2 ? argv[2] : NULL);
    } else one(argv);
    if (chdir("/") || rmdir(dir)) abort();
    return tap_done();
}
