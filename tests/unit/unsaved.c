/* unsaved.c: what callbacks leave open in a database: transactions, and rows of statements that
   write. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/wait.h>

#ifdef SSE_NO_SQLITE
int main(void) {
    sse_app       *app = sse_app_new(NULL);
    sse_test_reply r;
    is_int(sse_test_request(app, "GET /", NULL, NULL, &r), 0, "without SQLite nothing is open");
    sse_app_free(app);
    return tap_done();
}
#else

static char           dir[] = "/tmp/sse-unsaved-XXXXXX";
static char           name[60], line[600];
static int            lines; /* errors in the log, of which line is the first */
static sse_app       *app, *second;
static sse_db        *db, *other;
static sse_req       *kept[2];
static int            nkept;
static sse_test_reply replies[2], inner;
static sse_db        *memory;
static const char    *alone;  /* what callbacks without a request do */
static bool           closes; /* the log, as it is told of an error */

static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level == SSE_LOG_ERROR && !lines++) snprintf(line, sizeof line, "%s", text);
    if (level != SSE_LOG_ERROR || !closes) return;
    closes = false;
    sse_db_close(db), db = NULL;
}

static void insert(void) { sse_db_exec(db, "INSERT INTO t DEFAULT VALUES"); }

static int leave_inside(sse_db *in, void *user) {
    sse_db_next(sse_db_query(in, "INSERT INTO t DEFAULT VALUES RETURNING id"));
    return user ? -1 : 0;
}

static int insert_inside(sse_db *in, void *user) {
    (void)in;
    insert();
    return user ? -1 : 0;
}

static int write_twice(sse_db *in, void *user) {
    sse_db_write(in, leave_inside, in);
    insert();
    (void)user;
    return -1;
}

static int write_inside(sse_db *in, void *user) {
    insert();
    sse_db_write(in, write_twice, user);
    return 0;
}

static void acts(const char *what, sse_req *req);

/* Statements of a connection of its own, the last of which leaves its rows. NULL: none. */
static void with_own(const char *begin, const char *write, const char *last) {
    sse_db *own = sse_db_open(name, NULL);
    if (begin) sse_db_exec(own, begin);
    if (write) sse_db_exec(own, write);
    if (last) sse_db_next(sse_db_query(own, last));
    sse_db_close(own);
}

static sse_db *its; /* of the work of sse_offload, which it outlives */

static void begins(sse_app *of, void *user) {
    (void)of, (void)user;
    its = sse_db_open(name, NULL);
    sse_db_exec(its, "BEGIN");
}

static void keeps_nothing(sse_app *of, void *user) {
    (void)of, (void)user;
    sse_db_close(its);
}

static void answer(sse_app *of, void *user);

static const char *inside; /* what another app is asked in a callback */

static int asks_inside(sse_db *in, void *user) {
    (void)in, (void)user;
    sse_test_request(second, inside, NULL, NULL, &inner);
    insert();
    return 0;
}

/* Work that uses db, which a handler does meanwhile. */
static const char *first, *then; /* what it does, before and after it may go on */
static int         told[2], may[2];
static bool        over;

static void meets(sse_app *of, void *user) {
    char c = 0;
    (void)of, (void)user;
    acts(first, NULL);
    if (write(told[1], &c, 1) == 1 && read(may[0], &c, 1) == 1) acts(then, NULL);
}

static void parts(sse_app *of, void *user) { (void)of, (void)user, over = true; }

static void lets_go(sse_app *of, void *user) { /* behind the handler */
    (void)of, (void)user;
    ok(!over && write(may[1], "", 1) == 1, "work goes on");
}

static void meet(void) {
    char c;
    over = false;
    sse_offload(app, meets, parts, NULL);
    ok(read(told[0], &c, 1) == 1, "work is at it");
    sse_call(app, lets_go, NULL);
}

static sse_server *background;

static void serves(void) { /* another app, which follows db */
    sse_serve_options o;
    memset(&o, 0, sizeof o);
    o.host = "127.0.0.1";
    o.port = SSE_ANY_PORT;
    background = sse_serve_background(second, &o);
}

static void act(char what, sse_req *req) {
    sse_rows *r = NULL;
    switch (what) {
    case 'b': sse_db_exec(db, "BEGIN"); break;
    case 'p': sse_db_exec(db, "SAVEPOINT p"); break;
    case 'i': insert(); break;
    case 'c': sse_db_exec(db, "COMMIT"); break;
    case 'r': sse_db_next(sse_db_query(db, "INSERT INTO t DEFAULT VALUES RETURNING id")); break;
    case 'l': sse_db_next(sse_db_query(db, "INSERT INTO late VALUES(7), (8) RETURNING id")); break;
    case 'd':
        r = sse_db_query(db, "INSERT INTO t DEFAULT VALUES RETURNING id");
        sse_db_next(r);
        sse_db_done(r);
        break;
    case 'o': sse_db_next(sse_db_query(db, "SELECT 1 UNION ALL SELECT 2")); break;
    case 'w':
        sse_db_write(db, insert_inside, NULL);
        ok(!sse__dbs_held, "sse_db_write leaves nothing to settle");
        break;
    case 'm': sse_db_write(db, leave_inside, NULL); break;
    case 'M': sse_db_write(db, leave_inside, db); break;
    case 'Y': sse_db_write(db, write_inside, NULL); break;
    case 'k': with_own("BEGIN", "INSERT INTO t DEFAULT VALUES", NULL); break;
    case 'K': with_own("BEGIN", "INSERT INTO t DEFAULT VALUES", "COMMIT"); break;
    case 't': with_own(NULL, NULL, "INSERT INTO t DEFAULT VALUES RETURNING id"); break;
    case 'T': with_own(NULL, NULL, "INSERT INTO late VALUES(7), (8) RETURNING id"); break;
    case 'W': sse_db_write(db, insert_inside, db); break;
    case 'R': sqlite3_exec(sse_db_raw(db), "BEGIN", NULL, NULL, NULL); break;
    case 'C': sqlite3_exec(sse_db_raw(db), "COMMIT", NULL, NULL, NULL); break;
    case 'I': sse_test_request(second, inside, NULL, NULL, &inner); break;
    case 'N': sse_db_write(db, asks_inside, NULL); break;
    case 'E': sse_db_exec(db, "INSERT INTO nowhere VALUES(1)"); break;
    case 'P': sse_publish(app, "", NULL); break;
    case 'U':
        sse_test_run(second, 5);
        ok(!inner.status, "what it finished is not answered yet");
        break;
    case 'X':
        sse_test_run(second, 0);
        is_int(inner.status, 200, "what it finished is answered: it has nothing open");
        break;
    case '1': meet(); break;
    case 'H': serves(); break;
    case 'a': sse_test_request(second, "GET /a?do=i", NULL, NULL, &inner); break;
    case 'A':
        sse_test_request(second, "GET /later?do=s", NULL, NULL, &inner);
        sse_call(second, answer, kept[nkept - 1]);
        sse_test_run(second, 0);
        break;
    case 'Z': sse_test_request(second, "GET /a?do=bis", NULL, NULL, &inner); break;
    case 'F': sse_finish(kept[nkept - 1]); break;
    case 'y': sse_test_request(second, "GET /a?do=vs", NULL, NULL, &inner); break;
    case 'v': sse_db_one(memory, NULL, "INSERT INTO t DEFAULT VALUES RETURNING id"); break;
    case 'G': /* one that answers this one, in the last calls of another app */
        if (nkept) sse_call(second, answer, kept[0]);
        sse_app_free(second), second = NULL;
        break;
    case 'O':
        sse_offload(app, begins, keeps_nothing, NULL);
        usleep(100000);
        break;
    case 'x':
        sse_db_close(db), db = NULL;
        ok(!sse__dbs_held, "a database that is closed is not settled");
        break;
    case 'u': sse_set_status(req, 422); break;
    case 's': sse_puts(sse_out(req), "saved"); break;
    case 'n': sse_fail(req, 409, "no"); break;
    case 'e': sse_redirect(req, "/elsewhere"); break;
    case 'f': sse_send_file(req, name, NULL); break;
    default: break;
    }
}

static void acts(const char *what, sse_req *req) {
    for (; what && *what; what++) act(*what, req);
}

static void handler(sse_req *req, void *user) {
    (void)user;
    acts(sse_query(req, "do"), req);
}

static void hook(sse_req *req, void *user) {
    (void)user;
    acts(sse_query(req, "hook"), req);
}

static void guard(sse_req *req, void *user) {
    (void)user;
    acts(sse_query(req, "guard"), req);
}

static void opens(sse_req *req, void *user) {
    sse_event  event;
    sse_stream stream = sse_stream_open(req, NULL);
    memset(&event, 0, sizeof event);
    event.data = "saved";
    handler(req, user);
    if (sse_query(req, "end")) sse_stream_end(stream, &event);
    else sse_stream_send(stream, &event);
}

static void later(sse_req *req, void *user) {
    handler(req, user);
    kept[nkept++] = req;
    sse_defer(req);
}

static void own_answer(sse_req *req, void *user) { /* that is finished while it runs */
    kept[nkept++] = req;
    sse_defer(req);
    handler(req, user);
}

static void timer(sse_app *of, void *user) {
    (void)of, (void)user;
    acts(alone, NULL);
}

static void answer(sse_app *of, void *user) { /* a deferred one */
    sse_req *req = (sse_req *)user;
    (void)of;
    acts(sse_query(req, "then"), req);
    sse_finish(req);
}

static void answer_first(sse_app *of, void *user) {
    (void)user;
    answer(of, kept[0]);
}

static void answer_nothing(sse_app *of, void *user) { (void)of, (void)user; }

static void answer_second(sse_app *of, void *user) {
    (void)user;
    answer(of, kept[1]);
}

static int reader(sse_req *req, sse_str chunk, int status, void *user) {
    (void)chunk, (void)user;
    if (status != 1) acts(sse_query(req, "do"), req);
    return 0;
}

static void reads(sse_req *req, void *user) {
    (void)user;
    sse_body_read(req, reader, NULL);
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    acts(alone, NULL);
    sse_puts(html, "<p id=p></p>");
}

static void closes_within(sse_app *of, void *user) {
    begins(of, user);
    keeps_nothing(of, user);
}

static void work(sse_app *of, void *user) {
    begins(of, user);
    sse_db_exec(its, "INSERT INTO t DEFAULT VALUES");
}

static void fresh(void) {
    sse_app_options   o;
    sse_route_options guarded, late;
    memset(&o, 0, sizeof o);
    memset(&guarded, 0, sizeof guarded);
    memset(&late, 0, sizeof late);
    o.on_log = on_log;
    guarded.guard = guard;
    late.method = "POST";
    late.body_later = true;
    app = sse_app_new(&o);
    db = sse_db_open(name, NULL);
    other = sse_db_open(name, NULL);
    sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY);"
                       "CREATE TABLE IF NOT EXISTS c(id INTEGER PRIMARY KEY);"
                       "CREATE TABLE IF NOT EXISTS late(id REFERENCES c(id)"
                       " DEFERRABLE INITIALLY DEFERRED); DELETE FROM t");
    sse_before(app, NULL, hook, NULL);
    sse_route(app, "/a", handler, NULL, &guarded);
    sse_get(app, "/later", later, NULL);
    sse_route(app, "/s", opens, NULL, &guarded);
    sse_route(app, "/read", reads, NULL, &late);
    sse_live(app, "/v", render, NULL);
    memset(replies, 0, sizeof replies);
    lines = nkept = 0;
    line[0] = '\0';
    alone = NULL;
}

static void end(void) {
    ok(!sse__dbs_held && !sse__unsaved.settle, "nothing is left to settle"); /* D8 */
    sse_test_close(&replies[0]);
    sse_test_close(&replies[1]);
    sse_app_free(app);
    sse_db_close(db);
    sse_db_close(other);
}

static int saved(void) { /* rows, as others see them */
    long long n = -1;
    sse_db_one(other, &n, "SELECT count(*) FROM t");
    return (int)n;
}

typedef struct expected {
    const char *request, *name;
    int         status, saved, error; /* error: whether the log has one */
} expected;

static void asks(const expected *want, int n) {
    for (; n > 0; n--, want++) {
        fresh();
        sse_test_request(app, want->request, NULL, NULL, &replies[0]);
        if (!ok(replies[0].status == want->status, "%s: %d", want->name, want->status))
            printf("#   %d: %s\n", replies[0].status, line);
        ok(saved() == want->saved, "... %d saved", want->saved);
        if (!ok((lines > 0) == want->error, "... an error in the log: %d", want->error))
            printf("#   %s\n", line);
        lines = 0;
        sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
        is_int(replies[0].status, 200, "... the next write");
        is_int(saved(), want->saved + 1, "... is saved");
        is_int(lines, 0, "... without an error");
        end();
    }
}

/* CO3: what they say has not left yet. A stream is cut. */
static void streams(void) {
    static const char *const asked[] = {"GET /s?do=bi", "GET /s?end=1&do=bi", "GET /s?guard=bi"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(asked); i++) {
        fresh();
        sse_test_request(app, asked[i], NULL, NULL, &replies[0]);
        ok(replies[0].body_len == 0, "a stream that says what is not saved: %.*s",
            (int)replies[0].body_len, replies[0].body);
        ok(!replies[0].complete, "... is cut");
        is_int(lines, 1, "... and the log says why");
        sse_test_request(app, "GET /s?end=1&do=i", NULL, NULL, &replies[0]);
        ok(replies[0].complete && strstr(replies[0].body, "saved"), "... the next one is not");
        end();
    }
}

static void requests(void) { /* D8, D10, CO3 */
    static const expected all[] = {
        {"GET /a?do=rs", "rows that are left", 200, 1, 1},
        {"GET /a?do=r", "rows that are left in silence", 204, 1, 1},
        {"GET /a?do=ris", "rows that are left, and a write that would wait for them", 200, 2, 1},
        {"GET /a?do=ls", "rows that are left, of what cannot be saved", 500, 0, 1},
        {"GET /a?do=lis", "... with which goes another write", 500, 0, 1},
        {"GET /a?do=bis", "a transaction that is left open", 500, 0, 1},
        {"GET /a?do=bi", "... in silence", 500, 0, 1},
        {"GET /a?do=bie", "... by a redirect", 500, 0, 1},
        {"GET /a?do=bif", "... by a file", 500, 0, 1},
        {"GET /a?do=bin", "... by an error, which stays", 409, 0, 1},
        {"GET /a?do=bius", "... likewise", 422, 0, 1},
        {"GET /a?do=brs", "... with rows", 500, 0, 1},
        {"GET /a?do=pis", "a savepoint begins one", 500, 0, 1},
        {"GET /a?guard=bi&do=s", "one that a guard begins", 500, 0, 1},
        {"GET /a?hook=bin", "one of a hook that answers", 409, 0, 1},
        {"GET /a?hook=bi&do=ics", "one that a hook begins and the handler commits", 200, 2, 0},
        {"GET /a?do=bics", "one that is committed", 200, 1, 0},
        {"GET /a?do=wdos", "what ends, and rows that only read", 200, 2, 0},
        {"GET /a?do=Ws", "what sse_db_write undid", 200, 0, 0},
        {"GET /a?do=ms", "rows that are left in sse_db_write, which ends them", 200, 1, 0},
        {"GET /a?do=M", "... and rolls them back", 204, 0, 0},
        {"GET /a?do=Y", "... and it and the one around it do", 204, 1, 0},
        {"GET /a?do=rms", "rows that are left open before it", 200, 1, 1},
        {"GET /a?do=rWm", "... in silence, which refuses it", 500, 1, 1},
        {"GET /a?do=ks", "a connection that is closed in a transaction", 500, 0, 1},
        {"GET /a?do=Ks", "... behind its COMMIT", 200, 1, 0},
        {"GET /a?do=ts", "... with rows that are left", 200, 1, 0},
        {"GET /a?do=Ts", "... of what cannot be saved", 500, 0, 1},
        {"POST /read?do=bis", "one of the reader of a body", 500, 0, 1},
        {"POST /read?do=bics", "... that is committed", 200, 1, 0},
    };
    asks(all, (int)SSE__COUNT(all));
}

static void words(void) {
    fresh();
    sse_test_request(app, "GET /a?do=rs", NULL, NULL, &replies[0]);
    ok(strstr(line, "GET /a left a statement that writes in the middle of its rows") == line,
        "the log names who left rows");
    ok(strstr(line, "sse_db_done is missing: it was ended: INSERT INTO t"),
        "... and the statement");
    lines = 0;
    sse_test_request(app, "GET /a?do=rs", NULL, NULL, &replies[0]);
    is_int(lines, 0, "... once a second");
    sse_test_request(app, "GET /a?do=ls", NULL, NULL, &replies[0]);
    ok(strstr(line, "it was ended, and failed: FOREIGN KEY constraint failed [INSERT"),
        "... and what it failed with: %s", line);
    lines = 0;
    sse_test_request(app, "GET /a?do=bis", NULL, NULL, &replies[0]);
    ok(strstr(line, "GET /a left a transaction open (/tmp/") == line &&
            strstr(line, "): COMMIT is missing, or failed: it was rolled back; sse_db_write"),
        "... and who left a transaction: %s", line);
    lines = 0;
    sse_test_request(app, "GET /nowhere?hook=bi", NULL, NULL, &replies[0]);
    ok(lines == 1 && strstr(line, "GET of no route left") == line, "... each one: %s", line);
    lines = 0;
    sse_test_request(app, "GET /a?do=ks", NULL, NULL, &replies[0]);
    ok(strstr(line, "sse_db_close: a transaction is open (/tmp/") == line,
        "... and what was closed: %s", line);
    lines = 0;
    closes = true;
    sse_test_request(app, "POST /read?do=brs", NULL, NULL, &replies[0]);
    ok(!db && lines > 1, "... and so who is told closes it, the rest is told as well");
    end();
}

static void deferred(void) { /* CO3 */
    fresh();
    sse_test_request(app, "GET /later?do=bis", NULL, NULL, &replies[0]);
    is_int(lines, 1, "a request that is deferred ends its transaction");
    sse_test_request(app, "GET /later?do=is", NULL, NULL, &replies[1]);
    sse_call(app, answer, kept[0]);
    sse_call(app, answer, kept[1]);
    sse_test_run(app, 0);
    is_int(replies[0].status, 500, "... and its success is none, later");
    is_int(replies[1].status, 200, "that of another one is");
    nkept = 0;
    sse_test_request(app, "GET /later?do=s&then=bi", NULL, NULL, &replies[0]);
    sse_test_request(app, "GET /later?do=s&then=i", NULL, NULL, &replies[1]);
    sse_call(app, answer, kept[0]);
    sse_call(app, answer, kept[1]);
    sse_test_run(app, 0);
    is_int(replies[0].status, 500, "a callback that finishes one, and leaves a transaction");
    is_int(replies[1].status, 200, "... spoils no other");
    is_int(saved(), 2, "what those wrote is saved");
    end();
}

static void others(void) { /* callbacks without a request */
    int i;
    for (i = 0; i < 3; i++) {
        fresh();
        alone = "bi";
        if (i == 0) sse_after(app, 0, timer, NULL);
        else if (i == 1) sse_call(app, timer, NULL);
        else sse_test_request(app, "GET /v", NULL, NULL, &replies[0]);
        sse_test_run(app, 0);
        alone = NULL;
        ok(strstr(line, "COMMIT is missing") != NULL, "a callback that leaves one: %s", line);
        is_int(sse_db_error(db, NULL), SSE_E_STATE, "... has failed");
        insert();
        is_int(saved(), 1, "... swallows no later write");
        end();
    }
    fresh();
    alone = "bix";
    sse_after(app, 0, timer, NULL);
    sse_test_run(app, 0);
    ok(!db, "one that closes the database");
    end();
}

static void client_leaves(void) { /* in the middle of its body */
    fresh();
    sse_test_request(app, "POST /read?do=bi", "Content-Length: 10\n", "abc", &replies[0]);
    sse_test_close(&replies[0]);
    is_int(lines, 1, "a reader leaves a transaction in the call that ends it");
    insert();
    is_int(saved(), 1, "... and swallows no later write");
    end();
}

/* By the program, where no callback runs: it is the program's until one writes to it. */
static void begun_outside(void) {
    fresh();
    sse_db_exec(db, "BEGIN");
    sse_test_request(app, "GET /a?do=os", NULL, NULL, &replies[0]);
    is_int(lines, 0, "a transaction that was begun before, and a callback that reads");
    insert();
    sse_db_exec(db, "COMMIT");
    is_int(saved(), 1, "... is committed by who began it");
    sse_db_exec(db, "BEGIN");
    sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 500, "a callback that writes to it has saved nothing");
    ok(strstr(line, "GET /a found a transaction open") == line && strstr(line, "sse_db_raw"),
        "... which is logged: %s", line);
    sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "... and the next one has");
    is_int(saved(), 2, "... that is so");
    sse_db_next(sse_db_query(db, "INSERT INTO t DEFAULT VALUES RETURNING id"));
    lines = 0;
    sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "one that writes while rows are left");
    is_int(saved(), 4, "... has saved them");
    ok(strstr(line, "GET /a found a statement that writes") == line, "... and says so: %s", line);
    lines = 0;
    sse_test_request(app, "GET /a?do=Rds", NULL, NULL, &replies[0]);
    ok(!sqlite3_get_autocommit(db->raw), "one that was begun by the raw connection stays");
    sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
    ok(!sqlite3_get_autocommit(db->raw) && !lines, "... whoever writes to it: %s", line);
    sse_db_exec(db, "COMMIT");
    is_int(saved(), 6, "... until it is committed");
    end();
}

static void another(void) { /* app, which is asked in callbacks of the first */
    second = sse_app_new(NULL);
    sse_get(second, "/a", handler, NULL);
    sse_get(second, "/later", later, NULL);
}

static void nested(void) { /* only the outermost callback of a thread settles */
    fresh();
    another();
    sse_test_request(app, "GET /a?do=baics", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "a handler that asks another app inside of its transaction");
    is_int(inner.status, 500, "... which cannot write to it");
    is_int(saved(), 1, "... commits that itself");
    sse_test_request(app, "GET /a?do=As", NULL, NULL, &replies[0]);
    is_int(inner.status, 200, "one whose callback finishes a request");
    sse_test_request(second, "GET /a?do=is", NULL, NULL, &inner);
    is_int(inner.status, 200, "... which nothing remembers");
    is_int(lines, 0, "... without an error");
    sse_test_request(second, "GET /later?do=s", NULL, NULL, &inner);
    alone = "biF";
    sse_after(app, 0, timer, NULL);
    sse_test_run(app, 0);
    sse_test_run(second, 0);
    is_int(inner.status, 500, "what it answers is no success either");
    lines = 0;
    sse_test_request(app, "GET /a?do=sZ", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "a handler in which another app answers");
    is_int(inner.status, 500, "... what is not saved");
    is_int(lines, 0, "... has left nothing");
    sse_test_close(&inner);
    memory = sse_db_open(":memory:", NULL);
    sse_db_migrate(memory, "CREATE TABLE t(id INTEGER PRIMARY KEY)");
    sse_test_request(app, "GET /a?do=biycs", NULL, NULL, &replies[0]);
    is_int(inner.status, 200, "one that ends its rows inside of the transaction of another");
    is_int(replies[0].status, 200, "... leaves that to itself");
    ok(!lines, "... without an error: %s", line);
    sse_db_close(memory);
    sse_test_close(&inner);
    nkept = 0;
    sse_test_request(app, "GET /later?do=s", NULL, NULL, &replies[0]);
    alone = "Gbi";
    sse_after(app, 0, timer, NULL);
    sse_test_run(app, 0);
    sse_test_run(app, 0);
    is_int(replies[0].status, 500, "what another app answers as it is freed is told the same");
    second = sse_app_new(NULL);
    sse_offload(second, closes_within, NULL, NULL);
    nkept = 0;
    sse_test_request(app, "GET /a?do=Gs", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "who frees an app whose work left a transaction has not");
    end();
}

/* In a loop that a callback turns what another app answers is saved, or refused. */
static void between(void) { /* D8 */
    static const struct {
        const char *inside, *request, *name;
        int         status, outer, saved;
    } all[] = {
        {"GET /a?do=bis", "GET /a?do=bicIs", "one behind a transaction, which leaves one", 500, 200,
            1},
        {"GET /a?do=i", "GET /a?do=biIics", "one that writes inside of one", 500, 200, 2},
        {"GET /a?do=M", "GET /a?do=biIics", "... by sse_db_write", 500, 200, 2},
        {"GET /a?do=c", "GET /a?do=biIics", "... or ends it", 500, 200, 2},
        {"GET /a?do=p", "GET /a?do=biIics", "... or begins a savepoint", 500, 200, 2},
        {"GET /a?do=i", "GET /a?do=biIs", "... and the one around it leaves it", 500, 500, 0},
        {"GET /a?do=os", "GET /a?do=biIcs", "one that reads there", 200, 200, 1},
        {"GET /a?do=i", "GET /a?do=rIs", "one that writes while rows are left", 500, 200, 1},
        {"GET /a?do=i", "GET /a?do=Ns", "one that writes inside of sse_db_write", 500, 200, 1},
        {"GET /a?do=is", "GET /a?do=RIds", "... of what the raw connection began", 200, 200, 2},
        {"GET /a?do=i", "GET /a?do=RNs", "... and sse_db_write is in that", 500, 200, 1},
        {"GET /a?do=xs", "GET /a?do=biIs", "one that closes the database", 200, 500, 0},
        {"GET /a?do=E", "GET /a?do=iI", "one in which a call fails, and that is silent", 500, 204,
            1},
        {"GET /a?do=P", "GET /a?do=iI", "... or a call with the app around it", 204, 204, 1},
        {"GET /a?do=E", "GET /a?do=iEI", "... as is the one around it", 500, 500, 1},
        {"GET /a?do=i", "GET /a?do=EI", "... but not it", 204, 500, 1},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(all); i++) {
        fresh();
        another();
        inside = all[i].inside;
        sse_test_request(app, all[i].request, NULL, NULL, &replies[0]);
        ok(inner.status == all[i].status, "%s: %d", all[i].name, inner.status);
        ok(replies[0].status == all[i].outer, "... the one around it: %d", replies[0].status);
        if (strchr(all[i].request, 'R')) sqlite3_exec(db->raw, "COMMIT", NULL, NULL, NULL);
        is_int(saved(), all[i].saved, "... saved");
        sse_test_close(&inner);
        sse_app_free(second), second = NULL;
        end();
    }
}

/* A request of another app that a callback finishes: its reply leaves behind that, though its loop
   turns before. */
static void finishes_another(void) { /* CO3 */
    static const struct {
        const char *request, *name;
        int         status;
    } all[] = {
        {"GET /a?do=biFUs", "what a callback finishes that leaves a transaction", 500},
        {"GET /a?do=biFUcs", "... or commits it", 200},
        {"GET /a?do=bicFXs", "... or has committed it", 200},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(all); i++) {
        fresh();
        another();
        sse_test_request(second, "GET /later?do=s", NULL, NULL, &inner);
        sse_test_request(app, all[i].request, NULL, NULL, &replies[0]);
        is_int(replies[0].status, all[i].status, "a callback that turns what it finished");
        sse_test_run(second, 5);
        ok(inner.status == all[i].status, "%s: %d", all[i].name, inner.status);
        sse_test_close(&inner);
        sse_app_free(second), second = NULL;
        end();
    }
}

/* The reverse: a request whose own handler turns the loop in which it is finished. */
static void finished_within(void) { /* CO3 */
    static const struct {
        const char *request, *inside;
        int         status;
    } all[] = {
        {"GET /own?do=I", "GET /a?do=biF", 500},
        {"GET /own?do=I", "GET /a?do=biFc", 204},
        {"GET /own?do=I", "GET /a?do=EF", 500},
        {"GET /own?do=Ibi", "GET /a?do=iF", 500},
        {"GET /own?do=biIc", "GET /a?do=F", 204},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(all); i++) {
        fresh();
        another();
        sse_get(app, "/own", own_answer, NULL);
        inside = all[i].inside;
        sse_test_request(app, all[i].request, NULL, NULL, &replies[0]);
        ok(replies[0].status == all[i].status, "%s, in which it is finished by %s: %d",
            all[i].request, inside, replies[0].status);
        sse_test_close(&inner);
        sse_app_free(second), second = NULL;
        end();
    }
}

/* on_init and on_exit are callbacks. */
static void at_ends(void) { /* D8 */
    sse_app_options o;
    fresh();
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    o.on_init = timer;
    second = sse_app_new(&o);
    alone = "bi";
    sse_test_run(second, 0);
    ok(strstr(line, "on_init left a transaction open") == line, "on_init leaves one: %s", line);
    insert();
    is_int(saved(), 1, "... which swallows nothing");
    sse_app_free(second);
    o.on_init = NULL;
    o.on_exit = timer;
    second = sse_app_new(&o);
    sse_test_run(second, 0);
    lines = 0;
    sse_app_free(second), second = NULL;
    ok(strstr(line, "on_exit left a transaction open") == line, "on_exit does: %s", line);
    insert();
    is_int(saved(), 2, "... likewise");
    end();
}

/* In a loop that a function of sse_db_write turns, where no callback runs. */
static void around(void) { /* D8 */
    fresh();
    second = app;
    inside = "GET /a?do=i";
    sse_db_write(db, asks_inside, NULL);
    is_int(inner.status, 500, "one that writes inside of sse_db_write of the program");
    is_int(saved(), 1, "... which saves what it wrote itself");
    sse_db_exec(db, "BEGIN");
    sse_db_write(db, asks_inside, NULL);
    is_int(inner.status, 500, "... also where it is in a transaction of the program");
    sse_db_exec(db, "COMMIT");
    is_int(saved(), 2, "... that goes on");
    sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "... and behind it all is as before");
    sse_test_close(&inner);
    second = NULL;
    end();
}

/* What was is over: it says nothing of what comes. */
static void earlier(void) {
    fresh();
    sse_db_exec(db, "BEGIN");
    insert();
    sse_db_exec(db, "COMMIT");
    sse_test_request(app, "GET /a?do=bi", NULL, NULL, &replies[0]);
    ok(strstr(line, "GET /a left a transaction") == line, "one left behind one that was not: %s",
        line);
    sse_test_request(app, "GET /a?do=Rd", NULL, NULL, &replies[0]);
    ok(!sqlite3_get_autocommit(db->raw), "one of the raw connection behind one that was left");
    sse_db_exec(db, "COMMIT");
    is_int(saved(), 2, "... is the program's");
    sse_test_request(app, "GET /a?do=biCs", NULL, NULL, &replies[0]);
    is_int(replies[0].status, 200, "one that the raw connection has ended is saved");
    sqlite3_exec(db->raw, "BEGIN", NULL, NULL, NULL);
    lines = 0;
    sse_test_request(app, "GET /a?do=rs", NULL, NULL, &replies[0]);
    ok(!sqlite3_get_autocommit(db->raw), "... and what it begins later is the program's");
    sqlite3_exec(db->raw, "COMMIT", NULL, NULL, NULL);
    is_int(saved(), 4, "... who commits it");
    end();
}

static void offloaded(void) {
    fresh();
    sse_offload(app, work, timer, NULL);
    sse_test_run(app, 0);
    ok(strstr(line, "work of sse_offload left a transaction open") == line, "work that leaves one");
    insert();
    is_int(saved(), 1, "... lets others write");
    sse_db_exec(its, "INSERT INTO t DEFAULT VALUES");
    is_int(saved(), 2, "... and is over");
    sse_db_close(its);
    end();
    fresh();
    sse_test_request(app, "GET /later?do=s", NULL, NULL, &replies[0]);
    sse_test_request(app, "GET /later?do=s", NULL, NULL, &replies[1]);
    sse_offload(app, work, answer_first, NULL);
    sse_offload(app, answer_nothing, answer_second, NULL);
    sse_test_run(app, 0);
    is_int(replies[0].status, 500, "what is answered behind such work is no success");
    is_int(replies[1].status, 200, "... and what is behind other work is");
    sse_db_close(its);
    end();
    fresh();
    sse_test_request(app, "GET /a?do=biOcs", NULL, NULL, &replies[0]);
    is_int(lines, 1, "work that leaves one while a handler has one open");
    is_int(saved(), 1, "... ends its own");
    end();
}

#if !defined(SSE_NO_THREADS)
/* What work and a handler do with one database, by turns. */
static void shared(void) { /* D7, D8 */
    static const struct {
        const char *first, *then, *request, *name;
        int         status, saved;
    } all[] = {
        {"d", "", "GET /a?do=1os", "rows that work has ended, and a handler that reads", 200, 1},
        {"bic", "", "GET /a?do=1bis", "a transaction that it has ended, and one that is left", 500,
            1},
        {"bic", "", "GET /a?do=1bics", "... and one that is not", 200, 2},
        {"bi", "c", "GET /a?do=1o", "a transaction that goes on, and a handler that reads", 500, 1},
        {"bi", "c", "GET /a?do=1is", "... or writes, and says that it has", 200, 1},
        {"bi", "", "GET /a?do=1i", "one that work leaves, and a handler that writes", 500, 0},
        {"r", "", "GET /a?do=1i", "rows that it leaves", 500, 1},
    };
    size_t i;
    if (pipe(told) || pipe(may)) exit(1);
    for (i = 0; i < SSE__COUNT(all); i++) {
        fresh();
        first = all[i].first;
        then = all[i].then;
        sse_test_request(app, all[i].request, NULL, NULL, &replies[0]);
        ok(replies[0].status == all[i].status, "%s: %d", all[i].name, replies[0].status);
        ok(over, "... and is over");
        is_int(saved(), all[i].saved, "... saved");
        sse_test_request(app, "GET /a?do=bis", NULL, NULL, &replies[0]);
        is_int(replies[0].status, 500, "... a transaction that is left open later");
        sse_test_request(app, "GET /a?do=is", NULL, NULL, &replies[0]);
        is_int(replies[0].status, 200, "... and what comes behind it");
        is_int(saved(), all[i].saved + 1, "... is saved");
        end();
    }
}

static void commits(sse_app *of, sse_db *in, void *user) { (void)of, (void)in, (void)user; }

static void *turns_second(void *user) {
    *(int *)user = sse_poll(second, 0);
    return NULL;
}

static void polls(sse_req *req, void *user) { /* another app, on a thread of its own */
    pthread_t thread;
    acts("bi", req);
    if (pthread_create(&thread, NULL, turns_second, user) == 0) pthread_join(thread, NULL);
    acts(sse_query(req, "do"), req);
}

/* A loop that begins takes no database out of a transaction of another thread. */
static void followed(void) { /* D7, D8 */
    const char *why;
    int         turned = 1;
    fresh();
    another();
    sse_on_commit(second, db, "t", commits, NULL);
    sse_test_request(app, "GET /a?do=biHs", NULL, NULL, &replies[0]);
    ok(!background, "a loop that follows a database does not begin while a transaction is open");
    is_int(sse_app_error(second, &why), SSE_E_STATE, "... which is told");
    ok(strstr(why, "sse_serve_background: a database") == why, "... in words: %s", why);
    is_int(replies[0].status, 500, "... and is left");
    sse_get(app, "/polls", polls, &turned);
    sse_test_request(app, "GET /polls?do=cs", NULL, NULL, &replies[0]);
    is_int(turned, SSE_E_STATE, "... nor by sse_poll");
    is_int(replies[0].status, 200, "... which leaves it to its thread");
    is_int(saved(), 1, "... to be saved");
    sse_test_request(app, "GET /a?do=bicHs", NULL, NULL, &replies[0]);
    ok(background != NULL, "behind it the loop begins");
    is_int(replies[0].status, 200, "... and what was written is saved");
    is_int(saved(), 2, "... that is so");
    sse_stop_background(background, 0);
    sse_app_free(second), second = NULL;
    end();
}

static int child_status = -1;

/* A child that never returns from the callback that it was made in. */
static int lives_in_child(void) {
    sse_app_options o;
    sse_app        *of;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    lines = 0;
    db = sse_db_open(name, NULL);
    of = sse_app_new(&o);
    sse_get(of, "/a", handler, NULL);
    sse_test_request(of, "GET /a?do=bis", NULL, NULL, &inner);
    return (inner.status != 500) + 2 * !sqlite3_get_autocommit(db->raw) +
           4 * !strstr(line, "left a transaction open");
}

static void forks(sse_req *req, void *user) {
    const pid_t pid = fork();
    (void)user;
    if (!pid) _exit(lives_in_child());
    waitpid(pid, &child_status, 0);
    acts(sse_query(req, "do"), req);
}

static void forked(void) { /* CO4, D8 */
    fresh();
    sse_get(app, "/forks", forks, NULL);
    sse_test_request(app, "GET /forks?do=bis", NULL, NULL, &replies[0]);
    is_int(child_status, 0, "an app that a child runs in a callback has callbacks of its own");
    is_int(replies[0].status, 500, "... and its parent's goes on as one");
    is_int(saved(), 0, "... and is settled");
    end();
}
#endif

int main(void) {
    char command[64];
    if (!mkdtemp(dir)) return 1;
    snprintf(name, sizeof name, "%s/u.db", dir);
    requests();
    streams();
    words();
    deferred();
    others();
    client_leaves();
    begun_outside();
    earlier();
    nested();
    between();
    around();
    finishes_another();
    finished_within();
    at_ends();
#if !defined(SSE_NO_THREADS)
    shared();
    followed();
    forked();
#endif
    if (SSE__IF_THREADS(1, 0)) offloaded();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) return 1;
    return tap_done();
}
#endif
