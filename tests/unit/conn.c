/* Connections, from inside: replies before their bodies are in, what bodies take together;
   deadlines, to the millisecond, and turns, in a time that stands still. */
#define _DEFAULT_SOURCE
#ifndef SSE_DEBUG_CHECKS
#define SSE_DEBUG_CHECKS
#endif
#include "scarce.h"
#include "refuse.h"

static unsigned long looked; /* at entries of queues */

static bool count_look(const char *check) { /* sse__queue_at has this one */
    looked += strcmp(check, "i < 1u << q->ring_bits") == 0;
    return true;
}
#define SSE_ASSERT(x) ((void)(count_look(#x) && ((x) || (abort(), 0))))
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "dial.h"
#include <sys/wait.h>

static client *send_all(sse_app *app, const char *text, size_t n) { /* on a connection of its own */
    client *c = dial(app, "/none", "Accept: */*\r\n");
    c->len = 0;
    c->got[0] = '\0';
    if (send(c->fd, text, n, MSG_NOSIGNAL) < 0) perror("send");
    turns(app, 20);
    return c;
}

/* ---- an early reply ---- */

static void forbid(sse_req *req, void *user) {
    (void)user;
    sse_fail(req, 403, "go away");
}

static void large(sse_req *req, void *user) { /* more than the socket takes at once */
    int i;
    (void)user;
    for (i = 0; i < 400000; i++) sse_puts(sse_out(req), "0123456789");
}

static void early_reply(void) { /* the reply leaves whole, whatever becomes of the body */
    static const char *const rests[][2] = {
        {"a broken chunk", "XYZ\r\n"},
        {"a broken second chunk", "5\r\nhello\r\nXYZ\r\n"},
        {"a chunk without its end", "5\r\nhelloXX"},
        {"more than is read", "20000\r\nhello"},
        {"half a chunk", "5\r\nhel"},
    };
    sse_app          *app = dial_app(NULL);
    sse_route_options o;
    client           *c;
    char              text[300];
    size_t            i, got;
    memset(&o, 0, sizeof o);
    o.method = "POST";
    o.body_later = true;
    sse_route(app, "/refuse", forbid, NULL, &o);
    sse_route(app, "/large", large, NULL, &o);
    for (i = 0; i < sizeof rests / sizeof *rests; i++) {
        snprintf(text, sizeof text,
            "POST /refuse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%s",
            rests[i][1]);
        c = send_all(app, text, strlen(text));
        is_int(times(c, "HTTP/1.1 403"), 1, rests[i][0]);
        is_int(times(c, "go away"), 1, "... and its text");
        shutdown(c->fd, SHUT_WR);
        turns(app, 20);
        ok(c->over, "... then the connection ends");
    }
    snprintf(text, sizeof text,
        "POST /large HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this");
    c = send_all(app, text, strlen(text));
    shutdown(c->fd, SHUT_WR); /* the rest never comes */
    turns(app, 20);
    for (got = 0, i = 0; i < 2000 && !c->over; i++) {
        got += c->len;
        c->len = 0;
        turns(app, 1);
    }
    ok(got + c->len > 4000000, "a large reply to half a body leaves whole (%lu bytes)",
        (unsigned long)(got + c->len));
    dial_free(app);
}

/* ---- all bodies together ---- */

static sse_req *waiting[8];
static int      nwaiting;

static void later(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    waiting[nwaiting++] = req;
}

static void taken(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%lu bytes", (unsigned long)sse_body(req).len);
}

/* content_length 0: chunked */
static client *post(sse_app *app, const char *path, int content_length, int n) {
    static char text[20000];
    int         at = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: localhost\r\n", path);
    if (content_length)
        at += snprintf(text + at, sizeof text - (size_t)at, "Content-Length: %d\r\n\r\n",
            content_length);
    else
        at += snprintf(text + at, sizeof text - (size_t)at,
            "Transfer-Encoding: chunked\r\n\r\n%x\r\n", n);
    memset(text + at, 'b', (size_t)n);
    return send_all(app, text, (size_t)(at + n));
}

static void bodies_together(void) {
    sse_app_options o;
    sse_app        *app;
    client         *half, *chunked, *c;
    char            more[1800];
    memset(&o, 0, sizeof o);
    o.max_bodies_bytes = 10000;
    app = dial_app(&o);
    sse_post(app, "/later", later, NULL);
    sse_post(app, "/taken", taken, NULL);
    half = post(app, "/taken", 6000, 5000);
    is_int((long long)app->body_bytes, 5000, "half a body counts");
    c = post(app, "/taken", 5001, 1);
    is_int(times(c, "HTTP/1.1 503"), 1,
        "one that would go over the limit is refused by its length");
    is_int(times(c, "Retry-After:"), 1, "... and told to come back");
    chunked = post(app, "/taken", 0, 4000);
    is_int((long long)app->body_bytes, 9000, "one in chunks counts as it comes");
    memset(more, 'b', sizeof more);
    memcpy(more, "\r\n7d0\r\n", 7);
    if (send(chunked->fd, more, sizeof more, MSG_NOSIGNAL) < 0) perror("send");
    /* the system holds back a small packet until the one before it is acknowledged */
    turns(app, 200);
    is_int(times(chunked, "HTTP/1.1 503"), 1, "... and is refused when it goes over");
    is_int((long long)app->body_bytes, 5000, "... and given back");
    hang_up(half);
    turns(app, 10);
    is_int((long long)app->body_bytes, 0, "as is that of a client that left");
    c = post(app, "/taken", 9000, 9000);
    is_int(times(c, "9000 bytes"), 1, "then others have room");
    is_int((long long)app->body_bytes, 0, "a request that ended gives its body back");
    c = post(app, "/later", 9000, 9000);
    hang_up(c);
    turns(app, 10);
    is_int((long long)app->body_bytes, 9000,
        "one that waits for sse_finish holds it, also when its client has left");
    c = post(app, "/taken", 2000, 2000);
    is_int(times(c, "HTTP/1.1 503"), 1, "a body that is there at once counts as well");
    sse_finish(waiting[0]);
    turns(app, 10);
    is_int((long long)app->body_bytes, 0, "until that");
    c = post(app, "/taken", 15000, 15000);
    is_int(times(c, "15000 bytes"), 1, "one alone may be larger than the limit");
    c = post(app, "/later", 9000, 9000);
    turns(app, 5);
    dial_free(app); /* with a request that nobody finished */
}

/* ---- what SSE_DEBUG_CHECKS sees ---- */

static sse__conn *conn_of(sse_app *app, sse__state state) {
    sse__link *link;
    for (link = app->net->conns.next; link != &app->net->conns; link = link->next)
        if (SSE__CONTAINER(link, sse__conn, all)->state == (uint8_t)state)
            return SSE__CONTAINER(link, sse__conn, all);
    return NULL;
}

static void break_stream(sse_app *app) { conn_of(app, SSE__STREAM)->stream = NULL; }
static void break_state(sse_app *app) { conn_of(app, SSE__STREAM)->state = SSE__IDLE; }
static void break_queue(sse_app *app) { conn_of(app, SSE__STREAM)->out.bytes++; }
static void break_request(sse_app *app) { conn_of(app, SSE__REPLY)->req->conn = NULL; }
static void break_phase(sse_app *app) { conn_of(app, SSE__REPLY)->req->phase = SSE__REQ_CONCLUDED; }
static void break_deadline(sse_app *app) { sse__alarm_cancel(&conn_of(app, SSE__BODY)->alarm); }
static void break_bodies(sse_app *app) { app->body_bytes++; }

static void checks(void) { /* each broken promise ends the program in the next turn */
    static const struct {
        const char *name;
        void (*fn)(sse_app *app);
    } broken[] = {
        {"a stream that its connection lost", break_stream},
        {"a state that is not that of its stream", break_state},
        {"a queue that is counted wrongly", break_queue},
        {"a request that lost its connection", break_request},
        {"a request that has ended", break_phase},
        {"a body without a deadline", break_deadline},
        {"bodies that are counted wrongly", break_bodies},
    };
    sse_app *app = dial_app(NULL);
    size_t   i;
    sse_post(app, "/later", later, NULL);
    (void)dial(app, "/s", NULL);
    (void)post(app, "/later", 100, 100);
    (void)post(app, "/later", 100, 10);
    turns(app, 5);
    for (i = 0; i < sizeof broken / sizeof *broken; i++) {
        int   status = 0;
        pid_t child;
        fflush(stdout);
        child = fork();
        if (child == 0) {
            if (!freopen("/dev/null", "w", stderr)) _exit(0);
            broken[i].fn(app);
            sse__check_all(app);
            _exit(0);
        }
        ok(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status), "%s is seen",
            broken[i].name);
    }
    sse__check_all(app);
    ok(conn_of(app, SSE__STREAM) && conn_of(app, SSE__REPLY) && conn_of(app, SSE__BODY),
        "and nothing is where nothing is broken");
    dial_free(app);
    nwaiting = 0;
}

/* ---- queues ---- */

/* A letter each: d may be lost, k is kept. */
static void enqueue(sse__queue *q, const char *kinds) {
    for (; *kinds; kinds++) {
        sse__block *b = sse__block_new((char *)SSE_MALLOC(10), 10);
        sse__out    out;
        memset(&out, 0, sizeof out);
        b->droppable = *kinds == 'd';
        out.block = b;
        out.to = 10;
        if (q->count == (q->ring_bits ? 1u << q->ring_bits : 1u)) sse__queue_grow(q);
        q->count++;
        *sse__queue_at(q, q->count - 1) = out;
        q->bytes += 10;
    }
}

static sse__queue queued(const char *kinds) {
    sse__queue q;
    memset(&q, 0, sizeof q);
    enqueue(&q, kinds);
    return q;
}

static void test_shed(void) {
    static const struct {
        const char *was;
        int         begun, room;
        const char *is;
    } rows[] = {{"ddd", 0, 3, "ddd"}, {"ddd", 0, 2, "dd"}, {"ddd", 0, 1, "d"}, {"ddd", 0, 0, "d"},
        {"ddd", 1, 2, "dd"}, {"ddd", 1, 0, "dd"}, {"dk", 0, 0, "k"}, {"kd", 0, 0, "kd"},
        {"kkk", 0, 0, "kkk"}, {"kdkd", 0, 0, "kkd"}, {"dkdkd", 0, 4, "kdkd"},
        {"dkdkd", 1, 4, "dkkd"}, {"dkdkd", 0, 3, "kkd"}, {"d", 0, 0, "d"}, {"d", 1, 0, "d"},
        {"dddddddd", 1, 3, "ddd"}};
    size_t   row, k;
    uint32_t i;
    for (row = 0; row < SSE__COUNT(rows); row++) {
        const size_t n = strlen(rows[row].was), entry = 10 + sizeof(sse__out);
        sse__queue   q = queued(rows[row].was);
        sse__block  *first = sse__queue_at(&q, 0)->block,
                   *last = sse__queue_at(&q, q.count - 1)->block;
        char     left[16] = "";
        uint32_t shed;
        q.begun = rows[row].begun;
        shed = sse__queue_shed(&q, entry * (size_t)rows[row].room);
        for (i = k = 0; k < q.count; i++)
            if (sse__queue_at(&q, i)->block)
                left[k++] = sse__queue_at(&q, i)->block->droppable ? 'd' : 'k';
        is_str(left, rows[row].is, rows[row].was);
        ok(shed == n - q.count && q.bytes == 10u * q.count, "... and is counted");
        ok(sse__queue_at(&q, sse__queue_places(&q) - 1)->block == last, "... the newest stays");
        if (rows[row].begun)
            ok(sse__queue_at(&q, 0)->block == first, "... and what is sent in part");
        ok(sse__queue_fits(&q, q.bytes + q.count * sizeof(sse__out)), "... it fits its size");
        ok(sse__queue_fits(&q, (q.count - 1) * entry), "... a single entry more does, too");
        ok(q.count < 2 || !sse__queue_fits(&q, (q.count - 1) * entry - 1), "... and no more");
        sse__queue_clear(&q);
        ok(!q.count && !q.bytes && !q.begun && !q.ring_bits, "... cleared");
    }
}

static void shed_anew(void) { /* C8: what comes where entries were that had to be kept */
    sse__queue q = queued("kkk");
    is_int((int)sse__queue_shed(&q, 0), 0, "nothing may be lost");
    sse__queue_remove(&q, 1);
    sse__queue_remove(&q, 2);
    enqueue(&q, "dd");
    is_int((int)sse__queue_shed(&q, 0), 1, "... but what comes in the place of those taken out");
    sse__queue_clear(&q);
}

/* What a queue is to be like: a plain list. */
typedef struct entry {
    sse__block *block; /* which the list holds as well */
    uint32_t    left;
} entry;

enum { ENTRIES = 4000 };
static entry    list[ENTRIES];
static uint32_t entries;
static bool     list_begun;
static int      owners[3];

static void list_remove(uint32_t i) {
    sse__block_drop(list[i].block);
    memmove(list + i, list + i + 1, (--entries - i) * sizeof *list);
}

static size_t list_size(void) {
    size_t   n = 0;
    uint32_t i;
    for (i = 0; i < entries; i++) n += list[i].left + sizeof(sse__out);
    return n;
}

static bool list_forget(const void *owner, const sse__block *newer) {
    uint32_t i;
    for (i = list_begun; i < entries; i++)
        if (newer ? sse__eq(list[i].block->key, newer->key) : list[i].block->owner == owner) {
            list_remove(i);
            return true;
        }
    return false;
}

static uint32_t list_shed(size_t max) {
    const uint32_t before = entries;
    uint32_t       i = list_begun;
    size_t         size = list_size();
    while (size > max && i + 1 < entries) {
        if (list[i].block->droppable) {
            size -= list[i].left + sizeof(sse__out);
            list_remove(i);
        } else i++;
    }
    return before - entries;
}

static void list_advance(size_t n) {
    while (n) {
        list_begun = n < list[0].left;
        if (list_begun) {
            list[0].left -= (uint32_t)n;
            return;
        }
        n -= list[0].left;
        list_remove(0);
    }
}

static bool list_fits(size_t max) {
    size_t   largest = 0;
    uint32_t i;
    for (i = 0; i < entries; i++)
        if (list[i].left + sizeof(sse__out) > largest) largest = list[i].left + sizeof(sse__out);
    return list_size() <= max || list_size() - largest <= max;
}

static uint32_t chance = 1;
static uint32_t below(uint32_t n) {
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % n;
}

/* k: has one of so many keys; o: has an owner; d: may be lost; anything else: none of that */
static sse__block *block_of(char kind, uint32_t keys, uint32_t len) {
    char       *bytes = (char *)SSE_MALLOC(len + 20);
    sse__block *b = sse__block_new(bytes, len);
    memset(bytes, kind, len);
    b->droppable = kind == 'd';
    if (kind == 'o') b->owner = &owners[below(SSE__COUNT(owners))];
    if (kind == 'k') {
        b->key = sse__str(bytes + len, (size_t)snprintf(bytes + len, 20, "%u", below(keys)));
        b->key_hash = keys % 2 ? 5 : sse__hash(b->key); /* or all fall together */
    }
    return b;
}

static bool is_list(const sse__queue *q) {
    uint32_t n = 0, i;
    size_t   bytes = 0;
    for (i = 0; n < q->count; i++) {
        const sse__out *out = sse__queue_at(q, i);
        if (!out->block) continue;
        if (n == entries || out->block != list[n].block || out->to - out->from != list[n].left)
            return false;
        bytes += list[n++].left;
    }
    sse__check_queue(q);
    return n == entries && bytes == q->bytes && q->begun == list_begun;
}

/* C7, C8: whatever is pushed, replaced, lost and sent, in any order. */
static void like_a_list(void) {
    static const struct {
        const char *kinds;
        uint32_t    keys, sent; /* sent: bytes at most after each */
        size_t      max;        /* bytes; then the queue sheds */
    } rows[] = {{"kdo.", 3, 60, 900}, {"kkkk", 300, 1, 1 << 20}, {"kkkk", 301, 40, 1 << 20},
        {"....kdo", 200, 30, 12000}, {"..dddddd", 2, 4, 20000}, {"kkkkkkk.o", 900, 3, 60000},
        {"kkkko", 1801, 20, 1 << 20}, {"kddo", 100, 30, 30000}};
    sse_app    *app = dial_app(NULL);
    sse__conn  *c;
    sse__queue *q;
    size_t      i;
    int         n;
    (void)dial(app, "/s", NULL);
    c = conn_of(app, SSE__STREAM);
    q = &c->out;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        uint32_t high = 0;
        bool     same = !q->count;
        chance = (uint32_t)i + 1;
        for (n = 0; n < 6000 && same; n++) {
            const char     kind = rows[i].kinds[below((uint32_t)strlen(rows[i].kinds))];
            const uint32_t len = 1 + below(n % 500 ? 40 : 4000);
            sse__block    *b = block_of(kind, rows[i].keys, len);
            const void    *owner = &owners[below(SSE__COUNT(owners))];
            const size_t   sent = below(rows[i].sent + 1);
            if (kind == 'o' && below(4)) /* or it has several */
                same = sse__conn_forget(c, b->owner, NULL) == list_forget(b->owner, NULL);
            if (kind == 'k') (void)list_forget(NULL, b);
            (void)sse__conn_push(c, b, 0, len);
            list[entries].block = b;
            list[entries++].left = len;
            same = same && sse__queue_fits(q, rows[i].max) == list_fits(rows[i].max) &&
                   sse__queue_shed(q, rows[i].max) == list_shed(rows[i].max) &&
                   sse__queue_fits(q, rows[i].max) == list_fits(rows[i].max);
            if (same && !below(50))
                same = sse__conn_forget(c, owner, NULL) == list_forget(owner, NULL) && is_list(q);
            if (entries > high) high = entries;
            if (sent && sent < q->bytes) {
                sse__conn_advance(c, sent);
                list_advance(sent);
            }
            if (n == 5 && q->ring_bits && !q->indexed) q->in.ring.first |= 0xFFFFF000u;
        }
        ok(same && is_list(q), "%s, up to %u wait: a queue is a list", rows[i].kinds, high);
        ok((1u << q->ring_bits) <= 4 + high * 8 / 3, "... with room for as many, not for all");
        while (q->bytes) { /* as it drains */
            const size_t some = 1 + below((uint32_t)q->bytes);
            sse__conn_advance(c, some);
            list_advance(some);
            same = same && is_list(q);
        }
        ok(same && !entries, "... to its end");
        sse__queue_clear(q);
        list_begun = false;
    }
    dial_free(app);
}

static void publish_key(sse_app *app, const char *topic, int key) {
    sse_event event;
    char      text[20];
    memset(&event, 0, sizeof event);
    snprintf(text, sizeof text, "%d", key);
    event.data = event.key = text;
    if (sse_publish(app, topic, &event)) perror("publish");
}

static void join_three(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "keys");
    sse_subscribe(s, "news");
    sse_subscribe(s, "drops");
}

/* C7, C8: what an event costs does not depend on how many wait. */
static void costs(void) {
    enum { WAIT = 10000, MORE = 2000, ONE = 14 + sizeof(sse__out) };
    static const char *const rows[] = {"its key is new", "its key waits", "older ones are dropped",
        "a large one waits", "it is a new state"};
    static const int         wait[] = {WAIT + MORE, WAIT, WAIT + 2, WAIT + 1, WAIT + 1};
    static char              large[ONE * WAIT];
    int                      owner, i;
    size_t                   row;
    memset(large, 'x', sizeof large - 1);
    for (row = 0; row < SSE__COUNT(rows); row++) {
        sse_app_options   o;
        sse_topic_options t;
        sse_app          *app;
        sse__conn        *c;
        memset(&o, 0, sizeof o);
        memset(&t, 0, sizeof t);
        o.max_queue_bytes = row == 2 ? WAIT * ONE + 100 : row == 3 ? ONE * (WAIT + MORE) : 1 << 20;
        app = dial_app(&o);
        t.overflow = SSE_KEEP_NEWEST;
        sse_topic(app, "keys", &t);
        t.overflow = SSE_DROP_OLDEST;
        sse_topic(app, "drops", &t);
        opening = join_three;
        (void)dial(app, "/s", NULL);
        c = conn_of(app, SSE__STREAM);
        for (i = 0; i < WAIT; i++) {
            if (row == 3 && i == WAIT / 2) say(app, "news", large);
            if (row < 2) publish_key(app, "keys", i);
            else say(app, "news", "x");
        }
        looked = 0;
        for (i = 0; i < MORE; i++) {
            if (row < 2) publish_key(app, "keys", row ? i * 7 % WAIT : WAIT + i);
            else if (row == 2) say(app, "drops", "x");
            else if (row == 3) {
                say(app, "news", "x");
                sse__conn_advance(c, ONE - sizeof(sse__out));
            } else {
                sse__block *b = block_of('.', 0, 100);
                b->owner = &owner;
                (void)sse__conn_forget(c, &owner, NULL);
                (void)sse__conn_push(c, b, 0, 100);
                sse__block_drop(b);
            }
        }
        ok(looked && looked / MORE < 40,
            "with 10,000 in the queue an event looks at %lu of them: %s", looked / MORE, rows[row]);
        is_int((int)c->out.count, wait[row], "... so many wait");
        is_int((int)app->net->counts.drops, row == 2 ? MORE - 2 : 0, "... so many are lost");
        ok(c->out.indexed == (row < 2 || row == 4), "... an index is there if it is of use");
        dial_free(app);
    }
    ok(sizeof(sse__ring) <= sizeof(sse__out), "a queue that is short has no room for all that");
}

static void no_index(void) { /* C7, but that it costs more: there is no memory for an index */
    sse_app   *app = dial_app(NULL);
    sse__conn *c;
    uint32_t   i;
    (void)dial(app, "/s", NULL);
    c = conn_of(app, SSE__STREAM);
    for (i = 0; i < 110; i++) {
        sse__block *b = block_of(i < 100 ? '.' : 'k', 1, 10);
        fail_at = i >= 100 && i < 109;
        (void)sse__conn_push(c, b, 0, 10);
        fail_at = 0;
        sse__block_drop(b);
        if (i == 108) ok(!c->out.indexed && c->out.count == 101, "the newest is kept without one");
    }
    ok(c->out.indexed && c->out.count == 101, "... and with one");
    dial_free(app);
}

/* A queue that is full of entries and a few holes needs no memory for one more. */
static void no_larger(void) {
    sse_app   *app = dial_app(NULL);
    sse__conn *c;
    int        i;
    (void)dial(app, "/s", NULL);
    c = conn_of(app, SSE__STREAM);
    for (i = 0; i < 9; i++) {
        sse__block *b = block_of('o', 1, 10);
        b->owner = &owners[i == 3 || i == 8];
        if (i == 8) (void)sse__conn_forget(c, b->owner, NULL);
        fail_at = i == 8;
        (void)sse__conn_push(c, b, 0, 10);
        fail_at = 0;
        sse__block_drop(b);
    }
    ok(c->state == SSE__STREAM && c->out.count == 8, "one for another takes no memory");
    for (i = 0; i < 9; i++) {
        sse__block *b = block_of('.', 1, 10);
        if (i == 8) fail_at = 1;
        (void)sse__conn_push(c, b, 0, 10);
        fail_at = 0;
        sse__block_drop(b);
    }
    ok(c->state == SSE__CLOSED, "... one more does");
    dial_free(app);
}

static uint32_t last_hash(void) { /* that the newest stream has in its queue */
    const sse__queue *q = &sse__stream_get(newest)->conn->out;
    return q->count ? sse__queue_at(q, q->count - 1)->block->key_hash : 0;
}

/* Nobody can choose keys that fall together: they would cost what an index saves. */
static void hashes(void) {
    sse_topic_options t;
    uint32_t          plain[2];
    int               i;
    memset(&t, 0, sizeof t);
    t.overflow = SSE_KEEP_NEWEST;
    for (i = 0; i < 2; i++) {
        sse_app *app = dial_app(NULL);
        sse_topic(app, "keys", &t);
        opening = join_three;
        (void)dial(app, "/s", NULL);
        publish_key(app, "keys", 1);
        plain[i] = last_hash();
        (void)dial(app, "/s", "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n");
        publish_key(app, "keys", 1);
        is_int(last_hash(), plain[i], "a key has the same hash in all encodings");
        dial_free(app);
    }
    ok(plain[0] != plain[1], "each app has hashes of its own");
}

/* What is sent where entries were taken out of the middle. */
static void past_holes(void) {
    enum { KEYS = 300 };
    sse_topic_options t;
    sse_app          *app = dial_app(NULL);
    client           *c;
    const char       *at;
    char              want[30];
    int               i;
    memset(&t, 0, sizeof t);
    t.overflow = SSE_KEEP_NEWEST;
    sse_topic(app, "keys", &t);
    opening = join_three;
    c = dial(app, "/s", NULL);
    for (i = 0; i < KEYS; i++) publish_key(app, "keys", i);
    for (i = 0; i < KEYS; i += 2) publish_key(app, "keys", i);
    turns(app, 50);
    for (i = 1, at = c->got; i < KEYS * 2 && at; i += 2) { /* the odd ones, then the even ones */
        snprintf(want, sizeof want, "data: %d\n", i < KEYS ? i : i - KEYS - 1);
        at = strstr(at, want);
    }
    ok(at && times(c, "data: ") == KEYS, "each comes once, in the order of the newest");
#ifndef SSE_NO_COMPRESSION
    c = dial(app, "/s", "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n");
    for (i = 0; i < KEYS; i++) publish_key(app, "keys", i % 100 + i / 200);
    is_int(sse_stream_end(newest, NULL), 0, "a compressed stream ends while they wait");
    turns(app, 50);
    ok(c->len > 5 && strcmp(c->got + c->len - 5, "0\r\n\r\n") == 0, "... with its end");
#endif
    dial_free(app);
}

/* ---- a time that stands still: a peer is a descriptor ---- */

static char heard[400000];
static bool over; /* the peer has come to the end of the connection */

static const char *hears(int fd) { /* what has come since */
    size_t  n = 0;
    ssize_t more;
    while ((more = recv(fd, heard + n, sizeof heard - 1 - n, MSG_DONTWAIT)) > 0) n += (size_t)more;
    over = more == 0 || errno == ECONNRESET;
    heard[n] = '\0';
    return heard;
}

static const char *hears_after(sse_app *app, int fd, int ms) {
    (void)sse_test_run(app, ms);
    return hears(fd);
}

static void says(int fd, const char *text, size_t n) {
    if (n && send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n) perror("a peer");
}

static const char *asks(sse_app *app, int fd, const char *text) { /* what comes at once */
    says(fd, text, strlen(text));
    return hears_after(app, fd, 0);
}

static int joins(sse_app *app) {
    sse__test_conn t;
    memset(&t, 0, sizeof t);
    t.fd = -1;
    (void)sse_test_run(app, 0);
    (void)sse__test_connect(app, &t); /* or it is refused */
    return t.fd;
}

static sse_stats stats_of(sse_app *app) {
    sse_stats stats;
    (void)sse_stats_get(app, &stats);
    return stats;
}

static void text(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "text");
}

static size_t read_in_place;
static bool   pause_each;  /* piece */
static int    read_status; /* of the last call */

static int on_piece(sse_req *req, sse_str chunk, int status, void *user) {
    (void)user;
    read_in_place += chunk.len;
    read_status = status;
    if (status == 1 && pause_each) sse_body_pause(req, true);
    if (status == 0) sse_printf(sse_out(req), "%lu read", (unsigned long)read_in_place);
    return 0;
}

static void reads(sse_req *req, void *user) {
    (void)user;
    read_in_place = 0;
    sse_body_read(req, on_piece, NULL);
}

static sse_req *paused;

static void pauses(sse_req *req, void *user) {
    reads(req, user);
    sse_body_pause(req, true);
    paused = req;
}

static char debugged[200]; /* the last line of the log for developers */

static void on_log(int level, const char *line, void *user) {
    (void)user;
    if (level == SSE_LOG_DEBUG) snprintf(debugged, sizeof debugged, "%s", line);
}

static sse_app *still_app(const sse_app_options *options) {
    sse_app_options   quiet;
    sse_route_options o;
    sse_app          *app;
    memset(&quiet, 0, sizeof quiet);
    memset(&o, 0, sizeof o);
    if (options) quiet = *options;
    quiet.on_log = on_log;
    app = sse_app_new(&quiet);
    o.method = "POST";
    o.body_later = true;
    sse_get(app, "/text", text, NULL);
    sse_get(app, "/large", large, NULL);
    sse_get(app, "/later", later, NULL);
    sse_post(app, "/later", later, NULL);
    sse_post(app, "/taken", taken, NULL);
    sse_route(app, "/forbid", forbid, NULL, &o);
    sse_route(app, "/reads", reads, NULL, &o);
    sse_route(app, "/pauses", pauses, NULL, &o);
    sse_get(app, "/s", dial_open, NULL);
    opening = NULL;
    closing = NULL;
    nwaiting = 0;
    return app;
}

#define GET(path)     "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path, n) "POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " n "\r\n\r\n"
#define CHUNKS(path) \
    "POST " path " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

static char     order[300]; /* the letters of the requests, as they were handled */
static uint64_t costs_ms;   /* the fifth of them, or all */
static bool     all_cost;
static size_t   most_input; /* bytes that were there of one connection */

static void letter(sse_req *req, void *user) {
    const size_t n = strlen(order);
    (void)user;
    snprintf(order + n, sizeof order - n, "%s", sse_param(req, "letter"));
    if (sse__conn_input(req->conn)->len > most_input) most_input = sse__conn_input(req->conn)->len;
    if (all_cost || n == 4) sse_req_app(req)->loop.still_ms += costs_ms;
    if (sse_query(req, "large")) {
        const size_t large = (size_t)sse_parse_int(sse_query(req, "large"), 0) * 16000;
        memset(sse__buf_room(sse_out(req), large), 'x', large);
        sse_out(req)->len += large;
    }
    sse_puts(sse_out(req), sse_param(req, "letter"));
}

static sse_app_options hasty(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.header_timeout_ms = 1000;
    o.body_timeout_ms = 2000;
    o.keepalive_ms = 3000;
    o.send_timeout_ms = 4000;
    return o;
}

static void deadlines(void) {
    static const struct {
        const char *name, *sent;
        int         ms;
        const char *said; /* then */
        bool        late; /* it is counted as too late */
    } rows[] = {
        {"a new connection", "", 1000, "", false},
        {"half a head", "GET / HTTP/1.1\r\n", 1000, "HTTP/1.1 408 ", true},
        {"a connection that is kept", GET("/text"), 3000, "", false},
        {"a blank line behind a request", GET("/text") "\r\n", 3000, "", false},
        {"blank lines behind a body", POST("/taken", "1") "1\r\n\r\n", 3000, "", false},
        {"a blank line first", "\r\n", 1000, "", false},
        {"a blank line and half a head", GET("/text") "\r\nG", 1000, "HTTP/1.1 408 ", true},
        {"a line of the next head", GET("/text") "\r\nGET / HTTP/1.1\r\n", 1000, "HTTP/1.1 408 ",
            true},
        {"half of the next head", GET("/text") "GE", 1000, "HTTP/1.1 408 ", true},
        {"half a body", POST("/taken", "100") "half", 2000, "HTTP/1.1 408 ", true},
        {"half a chunk", CHUNKS("/taken") "9\r\nhalf", 2000, "HTTP/1.1 408 ", true},
        {"half a body that is read in place", POST("/reads", "100") "half", 2000, "HTTP/1.1 408 ",
            true},
        {"half a body that nobody wants", POST("/forbid", "100") "half", 2000, "", true},
    };
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    size_t                i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int       fd = joins(app);
        const sse_stats before = stats_of(app);
        sse_stats       now;
        bool            answered = rows[i].said[0] != '\0';
        (void)asks(app, fd, rows[i].sent);
        ok(!hears_after(app, fd, rows[i].ms - 1)[0] && !over, "%s stays for %d ms", rows[i].name,
            rows[i].ms - 1);
        (void)hears_after(app, fd, 1);
        ok(over && strncmp(heard, rows[i].said, 13) == 0, "... and no longer: %.12s", heard);
        now = stats_of(app);
        is_int((int)(now.timeouts - before.timeouts), rows[i].late, "... counted as late, or not");
        is_int((int)(now.bad_requests - before.bad_requests), answered, "... or as refused");
        if (answered) is_str(debugged, "refused a request with 408 Request Timeout", "... so said");
        is_int((int)now.connections, answered, "... it lingers behind an answer");
        (void)sse_test_run(app, 1999);
        is_int((int)stats_of(app).connections, answered, "... for 2 s");
        (void)sse_test_run(app, 1);
        now = stats_of(app);
        is_int((int)now.connections, 0, "... at most");
        is_int((int)(now.timeouts - before.timeouts), rows[i].late, "... which is no other delay");
        close(fd);
    }
    is_int(read_status, SSE_E_CLOSED, "who reads a body is told that it does not come");
    sse_app_free(app);
}

static void no_deadlines(void) {
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    uint64_t              before;
    int                   fd = joins(app);
    (void)asks(app, fd, GET("/later") GET("/text"));
    ok(!hears_after(app, fd, 3600000)[0] && !over, "an hour without an answer is the app's");
    sse_finish(waiting[0]);
    (void)hears_after(app, fd, 0);
    ok(strstr(heard, " 204 ") && strstr(heard, "\r\n\r\ntext"), "... then it is answered, as is "
                                                                "the request behind it");
    ok(!hears_after(app, fd, 2999)[0] && !over, "... and the connection kept");
    (void)hears_after(app, fd, 1);
    ok(over, "... for its time");
    close(fd);

    fd = joins(app);
    is_str(asks(app, fd,
               "POST /pauses HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
               "Content-Length: 20\r\n\r\n"),
        "", "nobody is asked for a body that is not read for now");
    ok(!hears_after(app, fd, 3600000)[0] && !over, "an hour in which it is not read is no delay");
    is_int(sse_body_pause(paused, false), 0, "it is read");
    is_str(hears_after(app, fd, 0), "HTTP/1.1 100 Continue\r\n\r\n", "... and asked for");
    is_int(sse_body_pause(paused, true) + sse_body_pause(paused, false), 0, "it is paused again");
    is_str(hears_after(app, fd, 1000), "", "... and asked for once");
    is_int(sse_body_pause(paused, false), 0, "that it is read is said again");
    is_str(hears_after(app, fd, 999), "", "... which is no news to its peer");
    is_str(asks(app, fd, "0123456789"), "", "half of it comes");
    ok(strncmp(hears_after(app, fd, 1), "HTTP/1.1 408 ", 13) == 0, "its time began with that");
    is_int((int)read_in_place, 10, "the half was read");
    close(fd);

    fd = joins(app);
    (void)asks(app, fd, POST("/pauses", "40") "0123456789");
    before = stats_of(app).bytes_in;
    (void)asks(app, fd, "012345678901234567890123456789");
    is_int((int)(stats_of(app).bytes_in - before), 0, "who is not read for now is held back");
    is_int((int)read_in_place, 0, "... also with what came at once");
    pause_each = true;
    is_int(sse_body_pause(paused, false), 0, "a piece is read");
    (void)hears_after(app, fd, 0);
    is_int((int)read_in_place, 10, "... what there was");
    is_int(sse_body_pause(paused, false), 0, "... and another");
    is_str(hears_after(app, fd, 3600000), "", "... which is all, and not the end yet");
    is_int((int)read_in_place, 40, "... all of it");
    pause_each = false;
    is_int(sse_body_pause(paused, false), 0, "the end is read");
    ok(strstr(hears_after(app, fd, 0), "\r\n\r\n40 read") != NULL, "... and answered");
    close(fd);
    (void)sse_test_run(app, 0);
    nwaiting = 0;
    fd = joins(app);
    (void)asks(app, fd, GET("/later"));
    close(fd);
    (void)sse_test_run(app, 0);
    is_int((int)stats_of(app).connections, 0, "a client that leaves an open request is gone");
    is_int(sse_finish(waiting[0]), 0, "... which may end later");
    sse_app_free(app);
}

/* What a deferred request may have caused is kept before its reply leaves. An error tells of
   nothing. */
static void deferred_replies(void) { /* C5 */
    static const struct {
        int         status;
        const char *says, *heard;
        bool        publishes; /* what finishes it */
    } rows[] = {{503, NULL, " 503 ", false}, {0, "fine", "\r\n\r\nfine", false},
        {404, "none", " 404 ", false}, {0, NULL, " 204 ", false}, {503, NULL, " 503 ", true},
        {0, NULL, " 204 ", true}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const bool  at_once = rows[i].status && !rows[i].publishes;
        sse_app    *app = still_app(NULL);
        const int   fd = joins(app);
        sse__flight under_way;
        memset(&under_way, 0, sizeof under_way);
        (void)asks(app, fd, GET("/later"));
        app->topics->sequence.flight = &under_way; /* as if a disk took its time */
        sse__net_tell(app->net);
        (void)sse_test_run(app, 1);
        if (rows[i].says) sse_puts(sse_out(waiting[0]), rows[i].says);
        if (rows[i].status) sse_set_status(waiting[0], rows[i].status);
        app->loop.upcall++; /* in a callback of its own */
        if (rows[i].publishes) sse__net_tell(app->net);
        is_int(sse_finish(waiting[0]), 0, "a deferred reply, while an event is not kept yet");
        (void)hears_after(app, fd, 1);
        is_int(heard[0] != '\0', at_once, "... leaves at once, or not");
        app->topics->sequence.flight = NULL;
        sse__net_keep(app->net, app->net->told);
        if (!at_once) (void)hears_after(app, fd, 1);
        ok(strstr(heard, rows[i].heard) != NULL, "... it is%s", rows[i].heard);
        close(fd);
        sse_app_free(app);
    }
}

/* 16 KiB put the deadline off, in how many pieces ever; a drip does not. */
static void progress(void) {
    static const struct {
        int bytes[3], until_ms; /* at 500, 1000 and 1900 ms */
    } rows[] = {
        {{0, 16383, 0}, 2000},
        {{0, 16384, 0}, 3000},
        {{8192, 8192, 0}, 3000},
        {{8192, 8191, 0}, 2000},
        {{1, 16383, 0}, 3000},
        {{6000, 6000, 4383}, 2000},
        {{6000, 6000, 4384}, 3900},
        {{0, 16384, 16383}, 3000},
        {{0, 16384, 16384}, 3900},
    };
    static const int         at_ms[] = {500, 1000, 1900};
    static const char *const heads[] = {POST("/taken", "90000"), POST("/reads", "90000"),
        CHUNKS("/taken") "15f90\r\n"};
    static char              bytes[16384];
    const sse_app_options    o = hasty();
    sse_app                 *app = still_app(&o);
    size_t                   i, k;
    memset(bytes, 'b', sizeof bytes);
    for (k = 0; k < SSE__COUNT(heads); k++)
        for (i = 0; i < SSE__COUNT(rows); i++) {
            const int fd = joins(app);
            int       now = 0, n;
            (void)asks(app, fd, heads[k]);
            for (n = 0; n < 3; now = at_ms[n++]) {
                (void)sse_test_run(app, at_ms[n] - now);
                says(fd, bytes, (size_t)rows[i].bytes[n]);
            }
            ok(!hears_after(app, fd, rows[i].until_ms - now - 1)[0], "%d, %d and %d bytes",
                rows[i].bytes[0], rows[i].bytes[1], rows[i].bytes[2]);
            ok(strncmp(hears_after(app, fd, 1), "HTTP/1.1 408 ", 13) == 0,
                "... of a body give it %d ms", rows[i].until_ms);
            close(fd);
        }
    sse_app_free(app);
}

static void sending(void) { /* of a reply that does not fit */
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    sse_stats             before;
    int                   reads_some, system, fd;
    for (reads_some = 0; reads_some < 2; reads_some++) {
        fd = joins(app);
        before = stats_of(app);
        says(fd, GET("/large"), strlen(GET("/large")));
        (void)sse_test_run(app, 3000);
        if (reads_some) (void)hears(fd);
        (void)sse_test_run(app, reads_some ? 3999 : 999);
        is_int((int)stats_of(app).connections, 1, "a peer that does not read has its time");
        (void)sse_test_run(app, 1);
        is_int((int)stats_of(app).connections, 0, reads_some ? "... from its last read on" : "...");
        is_int((int)(stats_of(app).timeouts - before.timeouts), 1, "... and is counted");
        close(fd);
    }
    for (system = 0; system < 2; system++) {
        fd = joins(app);
        before = stats_of(app);
        says(fd, GET("/large"), strlen(GET("/large")));
        (void)sse_test_run(app, 0);
        sse__conn_lost(conn_of(app, SSE__SEND), system ? ETIMEDOUT : ECONNRESET);
        is_int((int)(stats_of(app).timeouts - before.timeouts), system,
            system ? "its time may be over for the system first"
                   : "a peer that leaves is not late");
        close(fd);
    }
    sse_app_free(app);
}

/* A small reply that does not fit either: its time is that of sending, and begins with it. What
   comes behind it waits. */
static void sending_little(void) {
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    const int             small = 1;
    sse_stats             before;
    int                   fd = joins(app), i;
    sse_get(app, "/letter/{letter}", letter, NULL);
    setsockopt(conn_of(app, SSE__IDLE)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    (void)sse_test_run(app, 500);
    before = stats_of(app);
    says(fd, GET("/letter/c?large=1"), strlen(GET("/letter/c?large=1")));
    (void)sse_test_run(app, 0);
    ok(stats_of(app).bytes_out - before.bytes_out < 16000, "a reply that does not fit");
    says(fd, GET("/text"), strlen(GET("/text")));
    (void)sse_test_run(app, 3999);
    is_int((int)stats_of(app).requests, 1, "the request behind it waits");
    is_int((int)stats_of(app).connections, 1, "its peer has the time for sending");
    (void)sse_test_run(app, 1);
    is_int((int)stats_of(app).connections, 0, "... and no longer");
    is_int((int)stats_of(app).timeouts, 1, "... which is counted");
    close(fd);
    fd = joins(app);
    setsockopt(conn_of(app, SSE__IDLE)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    says(fd, GET("/letter/c?large=1") GET("/text"), strlen(GET("/letter/c?large=1") GET("/text")));
    for (i = 0; i < 1000; i++)
        if (strstr(hears_after(app, fd, 0), "\r\n\r\ntext")) break;
    ok(i < 1000, "one that reads gets both");
    (void)hears_after(app, fd, 2999);
    ok(!over, "... and is kept");
    (void)hears_after(app, fd, 1);
    ok(over, "... for its time");
    close(fd);
    sse_app_free(app);
}

/* Replies that do not fit leave whole before a peer that says no more, in the middle of a request
   behind them, is left. */
static void ends_early(void) {
    static const char *const rows[] = {"", "GE", POST("/taken", "10") "half",
        CHUNKS("/taken") "9\r\nhalf", POST("/reads", "10") "half", POST("/forbid", "10") "half"};
    sse_app                 *app = still_app(NULL);
    const int                small = 1;
    size_t                   i;
    int                      turn;
    sse_get(app, "/letter/{letter}", letter, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *at = heard;
        size_t      n = 0;
        const int   fd = joins(app);
        setsockopt(conn_of(app, SSE__IDLE)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        order[0] = '\0';
        says(fd, GET("/letter/a?large=1"), strlen(GET("/letter/a?large=1")));
        says(fd, GET("/letter/b?large=1"), strlen(GET("/letter/b?large=1")));
        says(fd, rows[i], strlen(rows[i]));
        (void)sse_test_run(app, 0);
        shutdown(fd, SHUT_WR);
        for (over = false, turn = 0; turn < 1000 && !over; turn++)
            for (at = hears_after(app, fd, 0); *at; at++) n += *at == 'x';
        ok(n > 32000 && n < 32010, "the replies leave before this is left: %s", rows[i]);
        ok(over, "... then the connection ends");
        is_int((int)stats_of(app).connections, 0, "... for us as well");
        is_int((int)app->body_bytes, 0, "... and no body is counted any more");
        close(fd);
    }
    sse_app_free(app);
}

/* Of a stream: who takes some now and then is slow, and stays. */
static void slow_stream(void) {
    static char     data[100001];
    sse_app_options o = hasty();
    sse_app        *app;
    int             fd, i;
    o.max_queue_bytes = 4 << 20;
    app = still_app(&o);
    memset(data, 'x', sizeof data - 1);
    fd = joins(app);
    (void)asks(app, fd, "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    sse_subscribe(newest, "news");
    for (i = 0; i < 20; i++) say(app, "news", data);
    for (i = 0; i < 6; i++) {
        (void)hears_after(app, fd, 3000);
        ok(heard[0] && !over, "a stream whose client takes some in 3 s lives");
    }
    (void)sse_test_run(app, 3000);
    is_int((int)stats_of(app).streams, 1, "it has its time");
    (void)sse_test_run(app, 5001);
    is_int((int)stats_of(app).streams, 0, "... and is cut when it takes no more");
    is_int((int)stats_of(app).closed[SSE_BY_TIMEOUT], 1, "... for that reason");
    close(fd);
    sse_app_free(app);
}

/* The loop was late, not the peer: what has come by then is looked at, once. */
static void late_loop(void) {
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    int                   fd = joins(app);
    (void)asks(app, fd, "GET /text HTTP/1.1\r\n");
    says(fd, "Host: localhost\r\n\r\n", 19);
    app->loop.still_ms += 5000;
    ok(strstr(hears_after(app, fd, 0), "\r\n\r\ntext"), "a request that was there in time is "
                                                        "answered");
    says(fd, GET("/text"), strlen(GET("/text")));
    app->loop.still_ms += 5000;
    ok(strstr(hears_after(app, fd, 0), "\r\n\r\ntext"), "... as is the next one");
    (void)asks(app, fd, "GET /text HTTP/1.1\r\n");
    says(fd, "X", 1);
    app->loop.still_ms += 5000;
    is_str(hears_after(app, fd, 0), "", "a byte more");
    says(fd, "X", 1);
    app->loop.still_ms++;
    ok(strncmp(hears_after(app, fd, 0), "HTTP/1.1 408 ", 13) == 0, "... is not a request, nor two");
    close(fd);
    sse_app_free(app);
}

/* Nor is it the fault of one that comes when the loop has slept for long: it has all its time. */
static void after_a_rest(void) {
    const sse_app_options o = hasty();
    sse_app              *app = dial_app(&o);
    (void)sse_test_run(app, 0);
    app->loop.still_ms += 5000;
    (void)send_from_new(app, "", 0);
    turns(app, 5);
    is_int((int)stats_of(app).connections, 1, "a connection that wakes the loop");
    (void)sse_test_run(app, 999);
    is_int((int)stats_of(app).connections, 1, "... may wait for as long as others");
    (void)sse_test_run(app, 1);
    is_int((int)stats_of(app).connections, 0, "... and no longer");
    dial_free(app);
}

/* ---- what it counts ---- */

static void counted(void) {
    sse_app        *app = still_app(NULL);
    const sse_stats before = (stats_of(app));
    const int       fd = joins(app);
    sse_stats       now = stats_of(app);
    size_t          out;
    is_int((int)(now.accepted - before.accepted), 1, "a connection is counted");
    out = strlen(asks(app, fd, GET("/text")));
    now = stats_of(app);
    is_int((int)now.requests, 1, "a request");
    is_int((int)now.bytes_in, (int)strlen(GET("/text")), "its bytes");
    is_int((int)now.bytes_out, (int)out, "those of its reply");
    is_int((int)now.sends, 1, "... which left in one call");
    (void)asks(app, fd, POST("/reads", "4"));
    out += strlen(heard) + strlen(asks(app, fd, "body"));
    now = stats_of(app);
    is_int((int)now.requests, 2, "one whose body is read in place");
    is_int((int)now.bytes_in, (int)strlen(GET("/text") POST("/reads", "4") "body"), "its bytes");
    is_int((int)now.bytes_out, (int)out, "those of its reply");
    ok(strstr(asks(app, fd, "nonsense\r\n\r\n"), " 400 ") && over, "no request");
    out += strlen(heard);
    now = stats_of(app);
    is_int((int)now.requests, 2, "... is none");
    is_int((int)now.bad_requests, 1, "... but bad");
    is_int((int)now.bytes_out, (int)out, "... which is answered");
    is_int((int)now.connections, 1, "... and its connection lingers");
    says(fd, "more", 4);
    (void)sse_test_run(app, 0);
    is_int((int)(stats_of(app).bytes_in - now.bytes_in), 4, "what comes then is counted");
    close(fd);
    (void)sse_test_run(app, 0);
    now = stats_of(app);
    ok(!now.connections && !now.timeouts && !now.refused, "... until its peer has closed as well");
    sse_app_free(app);
}

/* ---- what is refused, byte by byte ---- */

static void refusals(void) {
    static const char plain[] = "HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"
                                "Content-Length: 20\r\nConnection: close\r\n\r\n%s",
                      events[] =
                          "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n"
                          "Cache-Control: no-store\r\nConnection: close\r\n%s",
                      late[] = "HTTP/1.1 408 Request Timeout\r\nDate: %s\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 16\r\nConnection: close\r\n\r\n%s";
    static const struct {
        const char *sent, *said, *end;
    } rows[] = {
        {GET("/text"), plain, "Service Unavailable\n"},
        {"HEAD /text HTTP/1.1\r\nHost: localhost\r\n\r\n", plain, ""},
        {"GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", events,
            "Transfer-Encoding: chunked\r\n\r\nd\r\nretry: 2000\n\n\r\n"},
        {"GET /s HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n", events, "\r\nretry: 2000\n\n"},
        {"GET /s HT", late, "Request Timeout\n"},
        {"", "", ""},
    };
    sse_app_options o = hasty();
    char            want[600], date[40];
    sse_app        *app;
    int             first;
    size_t          i;
    o.header_timeout_ms = 60000;
    o.keepalive_ms = SSE_OFF;
    o.max_connections = 1;
    app = still_app(&o);
    first = joins(app);
    ok(strstr(asks(app, first, GET("/text")), "text"), "one connection is all there may be");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int fd = joins(app);
        bool      resets = strstr(rows[i].sent, "HTTP/1.0") != NULL;
        ok(!hears_after(app, fd, 999)[0] && !over, "another one has a second");
        (void)asks(app, fd, rows[i].sent);
        if (rows[i].said == late) (void)hears_after(app, fd, 1000); /* once more */
        if (!rows[i].sent[0]) (void)hears_after(app, fd, 1);
        strcpy(date, sse__date_now(app));
        snprintf(want, sizeof want, rows[i].said, date, rows[i].end);
        is_str(heard, want, "... to say what it wants, and is refused");
        is_int(over, !resets, "... which is all");
        if (resets) ok(!hears_after(app, fd, 99)[0] && !over, "its end would be the reply's");
        if (resets) ok(!hears_after(app, fd, 1)[0] && over, "... so it is broken off, a bit later");
        close(fd);
        (void)sse_test_run(app, 0);
    }
    ok(strstr(asks(app, first, GET("/text")), "\r\n\r\ntext") && !over, "the first is served on");
    ok(strstr(heard, date) != NULL, "... at %s", date);
    (void)sse_test_run(app, 1000);
    ok(strstr(asks(app, first, GET("/text")), "\r\n\r\ntext") && !strstr(heard, date),
        "... a second later at another time");
    close(first);
    sse_app_free(app);
}

static void reasons(void) { /* each is told of its own request */
    static const char *const rows[][2] = {
        {"GET /text%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\n\r\nthe path is not "},
        {"nonsense\r\n\r\n", "\r\n\r\nBad Request\n"},
        {"GET /text?a=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\n\r\nthe query holds "},
        {"GET /text HTTP/3.0\r\n\r\n", "\r\n\r\nHTTP Version Not Supported\n"},
    };
    sse_app *app = still_app(NULL);
    size_t   i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int fd = joins(app);
        ok(strstr(asks(app, fd, rows[i][0]), rows[i][1]) != NULL, "why it is refused: %.20s",
            rows[i][0]);
        close(fd);
    }
    sse_app_free(app);
}

/* ---- limits of bodies ---- */

static void exact_limits(void) {
    static const struct {
        const char *first, *then;
        int         status;
    } rows[] = {
        {POST("/taken", "10") "0123456789", "", 200},
        {POST("/taken", "11"), "", 413},
        {POST("/taken", "10") "01234", "56789", 200},
        {CHUNKS("/taken") "a\r\n0123456789\r\n0\r\n\r\n", "", 200},
        {CHUNKS("/taken") "b\r\n", "", 413},
        {CHUNKS("/taken") "5\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n", 200},
        {CHUNKS("/taken") "5\r\n01234\r\n", "6\r\n567890\r\n", 413},
        {POST("/reads", "10") "0123456789", "", 200},
        {POST("/reads", "11"), "", 413},
        {POST("/reads", "10") "01234", "56789", 200},
        {CHUNKS("/reads") "a\r\n0123456789\r\n0\r\n\r\n", "", 200},
        {CHUNKS("/reads") "b\r\n", "", 413},
        {"GET /text%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "", 400},
        {"POST /taken HTTP/1.1\r\nHost: localhost\r\n"
         "Content-Type: text/plain\r\n\r\n",
            "", 411},
        {CHUNKS("/reads") "5\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n", 200},
        {CHUNKS("/reads") "5\r\n01234\r\n", "6\r\n567890\r\n", 413},
    };
    sse_app_options o = hasty();
    sse_app        *app;
    size_t          i;
    o.max_body_bytes = 10;
    app = still_app(&o);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int fd = joins(app);
        (void)asks(app, fd, rows[i].first);
        if (rows[i].then[0]) (void)asks(app, fd, rows[i].then);
        is_int(atoi(heard + (heard[0] ? 9 : 0)), rows[i].status, rows[i].first);
        is_int(over, rows[i].status != 200, "... kept, or not");
        if (rows[i].status == 200) ok(strstr(heard, "\r\n\r\n10 ") != NULL, "... with all of it");
        close(fd);
    }
    sse_app_free(app);
}

/* Sends n bytes of a body of that length; 0: of n bytes, in a chunk. Returns what comes at once. */
static const char *sends(sse_app *app, int fd, const char *path, int length, int n) {
    char      text[400];
    const int at = snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: localhost\r\n", path);
    if (length) snprintf(text + at, sizeof text - (size_t)at, "Content-Length: %d\r\n\r\n", length);
    else
        snprintf(text + at, sizeof text - (size_t)at, "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
            (unsigned)n);
    while (n--) strcat(text, "b");
    if (!length) strcat(text, "\r\n0\r\n\r\n");
    return asks(app, fd, text);
}

static void exact_room(void) { /* for all bodies together */
    static const char thirty[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    sse_app_options   o = hasty();
    sse_app          *app;
    int               one, other;
    o.max_bodies_bytes = 100;
    app = still_app(&o);
    one = joins(app);
    is_str(sends(app, one, "/later", 60, 30), "", "half of 60");
    other = joins(app);
    ok(strstr(sends(app, other, "/taken", 71, 0), " 503 ") && over, "one byte too many");
    close(other);
    other = joins(app);
    is_str(sends(app, other, "/taken", 70, 1), "", "70 have room");
    (void)asks(app, one, thirty);
    is_int(nwaiting, 1, "the first is in hand");
    is_int((int)app->body_bytes, 61, "... all of it, and a byte of the other");
    says(other, thirty, 30);
    ok(strstr(asks(app, other, thirty), " 503 "), "which has no room any more");
    close(other);
    sse_finish(waiting[0]);
    ok(strstr(hears_after(app, one, 0), " 204 ") != NULL, "the first is answered");
    is_int((int)app->body_bytes, 0, "nothing is held");
    (void)sends(app, one, "/later", 40, 40);
    other = joins(app);
    ok(strstr(sends(app, other, "/taken", 0, 60), "60 bytes"), "40 and 60 are just within it");
    ok(strstr(sends(app, other, "/taken", 0, 61), " 503 "), "40 and 61 are not");
    close(other);
    sse_finish(waiting[1]);
    (void)hears_after(app, one, 0);
    (void)sends(app, one, "/later", 110, 110);
    is_int((int)app->body_bytes, 110, "a single one may be larger");
    other = joins(app);
    ok(strstr(sends(app, other, "/taken", 1, 1), " 503 ") && over, "... beside it is none");
    close(other);
    other = joins(app);
    ok(strstr(asks(app, other, CHUNKS("/taken") "0\r\n\r\n"), "0 bytes"), "... but of no bytes");
    ok(strstr(sends(app, other, "/reads", 3, 3), "3 read"), "... or read in place");
    close(other);
    sse_finish(waiting[2]);
    close(one);
    sse_app_free(app);
}

static void signal_a(sse_req *req, void *user) {
    const char *a = sse_signal(req, "a");
    (void)user;
    sse_puts(sse_out(req), a ? a : "none");
}

static void exact_index(void) { /* what finds signals counts as if it were of their body */
    static const char json[] = "{\"a\":5}";
    sse_app          *app = still_app(NULL);
    int               one = joins(app), other = joins(app);
    sse_post(app, "/signal", signal_a, NULL);
    app->options.max_bodies_bytes = 40 + 7 + sse__json_index_bytes(sse__text(json));
    (void)sends(app, one, "/later", 40, 40);
    ok(strstr(asks(app, other, POST("/signal", "7") "{\"a\":5}"), "\r\n\r\n5"), "just within it");
    app->options.max_bodies_bytes--;
    ok(strstr(asks(app, other, POST("/signal", "7") "{\"a\":5}"), " 503 "), "a byte too many");
    sse_finish(waiting[0]);
    ok(strstr(asks(app, other, POST("/signal", "7") "{\"a\":5}"), "\r\n\r\n5"), "... until then");
    is_int((int)app->body_bytes, 0, "nothing is held");
    close(one);
    close(other);
    sse_app_free(app);
}

/* What comes behind a large body may wait long, and does not keep the memory of that. */
static void behind_a_large_one(void) {
    enum { BODY = 1000000 };
    static const char *const rows[][2] = {
        {"/taken", GET("/s") "G"},
        {"/taken", GET("/later") "G"},
        {"/taken", GET("/large") "G"},
        {"/s", "G"},
    };
    sse_app *app = still_app(NULL);
    char    *bytes = (char *)malloc(BODY + 500);
    size_t   i, at, n;
    sse_post(app, "/s", dial_open, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int  fd = joins(app);
        sse__conn *c = SSE__CONTAINER(app->net->conns.next, sse__conn, all);
        n = (size_t)snprintf(bytes, BODY, POST("%s", "%d"), rows[i][0], BODY);
        memset(bytes + n, 'b', BODY);
        strcpy(bytes + n + BODY, rows[i][1]);
        n += BODY + strlen(rows[i][1]);
        for (at = 0; at < n; (void)sse_test_run(app, 0)) {
            const ssize_t sent = send(fd, bytes + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) at += (size_t)sent;
        }
        ok(c->state > SSE__BODY && c->inbox && c->inbox->bytes.cap < SSE__READ_SIZE,
            "a byte behind a body of %s is all there is: %lu", rows[i][0],
            (unsigned long)c->inbox->bytes.cap);
        if (c->req)
            ok(c->req->input.cap < SSE__READ_SIZE, "... and %lu of the request before it",
                (unsigned long)c->req->input.cap);
        if (c->req) sse_finish(waiting[0]);
        close(fd);
        (void)sse_test_run(app, 0);
    }
    is_int(nwaiting, 1, "one was deferred");
    free(bytes);
    sse_app_free(app);
}

/* The rest of a body that nobody wants is read if it is short, and the connection kept. */
static void decides(sse_req *req, void *user) { /* while it reads no more of the body */
    pauses(req, user);
    sse_defer(req);
}

static void skipped(void) {
    static const struct {
        const char *head;
        bool        kept;
    } rows[] = {
        {POST("/forbid", "65536"), true},
        {POST("/forbid", "65537"), false},
        {"POST /forbid HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
         "Content-Length: 5\r\n\r\n",
            false},
        {CHUNKS("/forbid") "10000\r\n", true},
    };
    static char       bytes[65537];
    sse_app          *app = still_app(NULL);
    sse_route_options o;
    size_t            i;
    int               fd;
    memset(&o, 0, sizeof o);
    memset(bytes, 'b', sizeof bytes);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        fd = joins(app);
        ok(strncmp(asks(app, fd, rows[i].head), "HTTP/1.1 403 ", 13) == 0, "refused at once: %.60s",
            rows[i].head);
        is_int(strstr(heard, "Connection: close") == NULL, rows[i].kept, "... kept, or not");
        is_int(!over, rows[i].kept, "... as it says");
        if (rows[i].kept) {
            says(fd, bytes, 65536);
            (void)sse_test_run(app, 0);
            if (strstr(rows[i].head, "chunked")) says(fd, "\r\n0\r\n\r\n", 7);
            ok(strstr(asks(app, fd, GET("/text")), "\r\n\r\ntext"), "... a request behind it");
        }
        close(fd);
    }
    fd = joins(app);
    (void)asks(app, fd, CHUNKS("/forbid") "10001\r\n");
    says(fd, bytes, 65537);
    (void)hears_after(app, fd, 0);
    ok(over, "a byte more in chunks than is read: the connection ends");
    close(fd);
    o.method = "POST";
    o.body_later = true;
    sse_route(app, "/much", large, NULL, &o);
    fd = joins(app);
    (void)asks(app, fd, POST("/much", "65537") "half");
    ok(conn_of(app, SSE__SEND)->out.count && !conn_of(app, SSE__SEND)->inbox,
        "where nothing more is read the half that has come is not kept");
    close(fd);
    sse_route(app, "/decides", decides, NULL, &o);
    fd = joins(app);
    is_str(asks(app, fd, POST("/decides", "10") "01234"), "", "a body is not read for now");
    sse_set_status(paused, 201);
    is_int(sse_finish(paused), 0, "... nor for good, as it is answered");
    ok(strstr(hears_after(app, fd, 0), " 201 ") != NULL, "... at once");
    ok(strstr(asks(app, fd, "56789" GET("/text")), "\r\n\r\ntext"), "... a request behind it");
    close(fd);
    sse_app_free(app);
}

static void expects(void) { /* 100 (Continue) */
    static const char head[] = "POST /%s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                               "Content-Length: 5\r\n\r\n%s";
    static const char *const paths[] = {"taken", "reads"};
    sse_app                 *app = still_app(NULL);
    char                     request[200];
    size_t                   i;
    for (i = 0; i < SSE__COUNT(paths); i++) {
        const int fd = joins(app);
        snprintf(request, sizeof request, head, paths[i], "");
        is_str(asks(app, fd, request), "HTTP/1.1 100 Continue\r\n\r\n", "a body is asked for");
        ok(strncmp(asks(app, fd, "hello"), "HTTP/1.1 200 ", 13) == 0, "... it comes");
        ok(strncmp(asks(app, fd, POST("/taken", "5") "hello"), "HTTP/1.1 200 ", 13) == 0,
            "... the next one comes unasked");
        snprintf(request, sizeof request, head, "taken", "hello");
        ok(strncmp(asks(app, fd, request), "HTTP/1.1 200 ", 13) == 0,
            "... one that is here is not asked for");
        close(fd);
    }
    sse_app_free(app);
}

/* ---- turns: many requests at once ---- */

static const char *at_once(sse_app *app, int one, int n, int other) { /* returns the order */
    static char requests[20000];
    int         i;
    order[0] = requests[0] = '\0';
    for (i = 0; i < n; i++) strcat(requests, GET("/letter/a"));
    says(one, requests, strlen(requests));
    says(other, GET("/letter/b"), strlen(GET("/letter/b")));
    (void)hears_after(app, one, 0);
    return order;
}

static void turns_of_many(void) {
    sse_app     *app = still_app(NULL);
    const int    one = joins(app), other = joins(app);
    const size_t n = strlen(GET("/letter/a"));
    static char  many[120000];
    char         want[102];
    sse_stats    before;
    int          i;
    sse_get(app, "/letter/{letter}", letter, NULL);
    costs_ms = 0;
    (void)at_once(app, one, 1, other); /* from now on the loop hears of them in this order */
    (void)hears(other);
    before = stats_of(app);
    memset(want, 'a', 101);
    want[32] = 'b';
    want[101] = '\0';
    is_str(at_once(app, one, 100, other), want, "32 requests, then it is another's turn");
    is_int((int)(stats_of(app).sends - before.sends), 5, "the replies of a turn leave together");
    (void)hears(other);
    costs_ms = 1;
    all_cost = true;
    is_str(at_once(app, one, 12, other), "aabaaaaaaaaaa", "after 2 ms likewise");
    costs_ms = 2;
    all_cost = false;
    is_str(at_once(app, one, 12, other), "aaaaaaaaaabaa", "... which are looked for now and then");
    costs_ms = 1;
    is_str(at_once(app, one, 12, other), "aaaaaaaaaaaab", "... and not after 1 ms");
    costs_ms = 0;
    most_input = 0;
    for (i = 0; i < 2500; i++) memcpy(many + (size_t)i * n, GET("/letter/a"), n);
    says(one, many, 2500 * n);
    for (i = 0; i < 100; i++) (void)hears_after(app, one, 0);
    is_int((int)(stats_of(app).requests - before.requests), 2500 + 101 + 3 * 13, "all are handled");
    ok(most_input > 60000 && most_input <= SSE__READ_SIZE, "others wait outside: %lu bytes are in",
        (unsigned long)most_input);
    close(one);
    close(other);
    sse_app_free(app);
}

/* A turn ends behind a request whose body is yet to be skipped, and its peer says nothing more:
   what it has said is answered, the requests behind the body as well. */
static void turn_ends_in_a_body(void) {
    static const char requests[] =
        GET("/letter/a") POST("/letter/a", "4") "body" GET("/letter/a") GET("/letter/a");
    sse_app          *app = still_app(NULL);
    const int         fd = joins(app);
    sse_route_options o;
    memset(&o, 0, sizeof o);
    o.method = "POST";
    o.body_later = true;
    sse_get(app, "/letter/{letter}", letter, NULL);
    sse_route(app, "/letter/{letter}", letter, NULL, &o);
    order[0] = '\0';
    costs_ms = 2;
    all_cost = true;
    says(fd, requests, strlen(requests));
    (void)shutdown(fd, SHUT_WR);
    (void)hears_after(app, fd, 0);
    costs_ms = 0;
    all_cost = false;
    is_str(order, "aaaa", "what is left of a turn in a body is answered");
    ok(over, "... then the connection ends");
    close(fd);
    sse_app_free(app);
}

static uint64_t in_by_then; /* bytes that had come when the other one's turn came */

static void note_in(sse_req *req, void *user) {
    (void)user;
    in_by_then = sse_req_app(req)->net->counts.bytes_in;
}

static void turns_of_readers(void) { /* four reads, then it is another's turn */
    enum { BODY = 150000 };
    static char body[BODY];
    sse_app    *app = still_app(NULL);
    const int   one = joins(app), other = joins(app), size = 4 << 20;
    uint64_t    before;
    memset(body, 'b', sizeof body);
    sse_get(app, "/note", note_in, NULL);
    setsockopt(one, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)asks(app, one, GET("/text"));
    (void)asks(app, other, GET("/text"));
    before = stats_of(app).bytes_in;
    says(one, POST("/reads", "150000"), strlen(POST("/reads", "150000")));
    says(one, body, BODY);
    says(other, GET("/note"), strlen(GET("/note")));
    ok(strstr(hears_after(app, one, 0), "\r\n\r\n150000 read") != NULL, "a body is read");
    ok(in_by_then - before < 2 * SSE__READ_SIZE, "%lu bytes of it before it is another's turn",
        (unsigned long)(in_by_then - before));
    close(one);
    close(other);
    sse_app_free(app);
}

static void large_ones(void) { /* replies that gather up to 64 KiB */
    enum { N = 12 };
    sse_app  *app = still_app(NULL);
    const int fd = joins(app);
    char      requests[N * 64 + 1] = "";
    sse_stats before;
    int       i;
    sse_get(app, "/letter/{letter}", letter, NULL);
    order[0] = '\0';
    before = stats_of(app);
    for (i = 0; i < N; i++) strcat(requests, GET("/letter/c?large=1"));
    (void)asks(app, fd, requests);
    for (i = 0; i < 20; i++) (void)sse_test_run(app, 0);
    is_int((int)strlen(order), N, "all are handled");
    is_int((int)(stats_of(app).sends - before.sends), 3, "five replies of 16 KB leave at a time");
    ok(app->net->out.cap <= SSE__READ_SIZE, "their memory is given back (%lu bytes)",
        (unsigned long)app->net->out.cap);
    close(fd);
    sse_app_free(app);
}

/* However what was sent is cut, it is answered the same. */
static void cuts(void) {
    static const char all[] =
        POST("/taken", "5") "first" CHUNKS("/taken") "3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n" GET(
            "/text") CHUNKS("/reads") "5\r\nthird\r\n0\r\n\r\n" POST("/forbid",
            "6") "unread" POST("/reads", "7") "read in" GET("/text");
    sse_app *app = still_app(NULL);
    char    *whole;
    size_t   at, wrong = 0;
    int      fd = joins(app);
    (void)asks(app, fd, all);
    whole = sse__strdup(sse__text(heard));
    close(fd);
    ok(strstr(whole, "5 bytes") && strstr(whole, "6 bytes") && strstr(whole, "5 read") &&
            strstr(whole, "go away") && strstr(whole, "7 read"),
        "seven requests in one piece");
    for (at = 1; at < sizeof all - 1; at++) {
        static char first[20000];
        fd = joins(app);
        says(fd, all, at);
        (void)hears_after(app, fd, 0);
        strcpy(first, heard);
        says(fd, all + at, sizeof all - 1 - at);
        (void)hears_after(app, fd, 0);
        if (strcmp(strcat(first, heard), whole) != 0 && !wrong++)
            printf("# cut at %lu: %s\n", (unsigned long)at, first);
        close(fd);
    }
    is_int((int)wrong, 0, "in two, however they are cut");
    SSE_FREE(whole);
    sse_app_free(app);
}

/* ---- more than there may be: LI1 ---- */

static void surplus(void) {
    static const int maxima[][2] = {{1, 64}, {1024, 64}, {1600, 100}};
    sse_app_options  o = hasty();
    size_t           i;
    int              fds[110], n, fd;
    o.max_per_peer = 1;
    for (i = 0; i < SSE__COUNT(maxima); i++) {
        sse_app *app = still_app(&o);
        app->options.max_connections = maxima[i][0];
        for (n = 0; n < 1 + maxima[i][1]; n++) fds[n] = joins(app);
        is_int((int)stats_of(app).refused, n - 1, "so many more are there, to be refused in words");
        is_int((int)stats_of(app).connections, n, "... each for itself");
        fds[n] = joins(app);
        is_int((int)stats_of(app).refused, n, "... and one more is refused at once");
        is_str(hears(fds[n]), "", "... without a word");
        ok(over, "... as it has said nothing");
        close(fds[n]);
        ok(strstr(asks(app, fds[n - 1], GET("/text")), " 503 ") && over, "the others in words");
        close(fds[n - 1]);
        (void)sse_test_run(app, 0);
        fds[n - 1] = joins(app);
        is_int((int)stats_of(app).connections, n, "where one has left there is room");
        is_int((int)stats_of(app).refused, n + 1, "... each counts once, whether it asks or not");
        is_int((int)stats_of(app).bad_requests, 0, "... and as nothing else");
        while (n--) close(fds[n]);
        sse_app_free(app);
    }
    o.max_per_peer = 0;
    o.max_connections = 2;
    {
        sse_app *app = still_app(&o);
        for (n = 0; n < 3; n++) fds[n] = joins(app);
        close(fds[0]);
        (void)sse_test_run(app, 0);
        fd = joins(app);
        ok(strstr(asks(app, fd, GET("/text")), "\r\n\r\ntext") != NULL,
            "where a connection has left there is one, whoever waits to be refused");
        ok(strstr(asks(app, fds[2], GET("/text")), " 503 ") != NULL, "... who is");
        close(fd);
        close(fds[1]);
        close(fds[2]);
        sse_app_free(app);
    }
}

/* Where there is no room for these either: by what has come, before anything is read of it. */
static void refused_at_once(void) {
    static const char *const rows[][2] = {{"", ""}, {"GET /text HTTP/1.1\r\nHost: a\r\n", ""},
        {"nonsense\r\n\r\n", ""}, {GET("/text"), "HTTP/1.1 503 "},
        {POST("/taken", "4") "half", "HTTP/1.1 503 "}};
    sse_app_options          o = hasty();
    sse_app                 *app;
    size_t                   i;
    o.max_connections = 1;
    app = dial_app(&o);
    for (i = 0; i < 65; i++) (void)send_from_new(app, "", 0);
    turns(app, 10);
    is_int((int)app->net->surplus, 64, "as many as may wait for words");
    for (i = 0; i < SSE__COUNT(rows); i++) {
        client *c = send_from_new(app, rows[i][0], strlen(rows[i][0]));
        turns(app, 10);
        ok(c->over && strncmp(c->got, rows[i][1], 13) == 0, "one more is told '%s' and refused: %s",
            c->len ? rows[i][1] : "", rows[i][0]);
        is_int(c->len > 0, rows[i][1][0] != '\0', "... or not told");
    }
    dial_free(app);
}

/* ---- those that shut their side, and wait: LI3 ---- */

static int waits_shut(sse_app *app) { /* it has said all, as do clients that leave */
    const int fd = joins(app);
    (void)asks(app, fd, GET("/later"));
    (void)shutdown(fd, SHUT_WR);
    (void)sse_test_run(app, 0);
    return fd;
}

static void gives_way(int max_connections, int max_per_peer) {
    sse_app_options o = hasty();
    sse_app        *app;
    int             shut, open, fd;
    o.max_connections = max_connections;
    o.max_per_peer = max_per_peer;
    app = still_app(&o);
    open = joins(app);
    (void)asks(app, open, GET("/later"));
    shut = waits_shut(app);
    (void)hears(shut);
    ok(!over, "one that shut its side keeps its place while nobody needs it");
    fd = joins(app);
    ok(strstr(asks(app, fd, GET("/text")), "\r\n\r\ntext") != NULL, "it gives way to a newcomer");
    (void)hears(shut);
    ok(over, "... by its end");
    close(shut);
    is_int(sse_finish(waiting[1]), 0, "... its request lives on");
    shut = joins(app);
    ok(strstr(asks(app, shut, GET("/text")), " 503 ") != NULL, "none that may still ask does");
    close(shut);
    is_int(sse_finish(waiting[0]), 0, "one of these is answered");
    ok(strstr(hears_after(app, open, 0), " 204 ") != NULL, "... as ever");
    close(fd);
    (void)sse_test_run(app, 0);
    shut = waits_shut(app);
    is_int(sse_finish(waiting[2]), 0, "so is one that shut its side");
    ok(strstr(hears_after(app, shut, 0), " 204 ") && over, "... where there is room");
    close(shut);
    close(open);
    sse_app_free(app);
}

static void give_way(void) {
    enum { MANY = 8 };
    sse_app_options o = hasty();
    sse_app        *app;
    int             fds[MANY], n, fd, gone = 0;
    gives_way(2, 0);
    gives_way(0, 2);
    o.max_connections = MANY;
    app = still_app(&o);
    for (n = 0; n < MANY; n++) fds[n] = waits_shut(app);
    fd = joins(app);
    (void)hears(fds[0]);
    ok(over, "those that came first give way first");
    (void)hears(fds[MANY - 1]);
    ok(!over, "... and no more of them than a few");
    while (n--) {
        (void)hears(fds[n]);
        gone += over;
        close(fds[n]);
    }
    is_int(gone, SSE__GIVE_WAY, "... which are four");
    close(fd);
    sse_app_free(app);
}

/* What the last crowd was told is nothing to the next one: who left between them gives way. */
static void gives_way_again(void) {
    static const char wanted[] = "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n";
    sse_app_options   o = hasty();
    sse_app          *app;
    o.max_connections = 1;
    o.on_log = NULL;
    app = dial_app(&o);
    sse_get(app, "/later", later, NULL);
    nwaiting = 0;
    (void)send_from_new(app, wanted, strlen(wanted));
    turns(app, 5);
    (void)send_from_new(app, "", 0);
    turns(app, 5);
    is_int((int)app->net->surplus, 1, "one for whom nobody gives way");
    (void)shutdown(clients[0].fd, SHUT_WR);
    (void)send_from_new(app, "", 0);
    turns(app, 1);
    is_int((int)app->net->surplus, 1, "... and then one who came as another left");
    sse_finish(waiting[0]);
    dial_free(app);
}

#ifdef __linux__ /* elsewhere the system does not tell what the peer has taken */
/* What ends without an end is reset, but not before the peer has all that was sent; for one that
   takes nothing, after 5 s. */
static void resets(void) {
    static char     data[1001], some[2500];
    sse_app_options o = hasty();
    sse_app        *app;
    int             fd, i, takes;
    memset(data, 'x', sizeof data - 1);
    for (takes = 0; takes < 4; takes++) { /* 3: nothing, of a stream in gzip */
        app = still_app(&o);
        fd = joins(app);
        says(fd, "GET /s HTTP/1.0\r\nAccept: text/event-stream\r\n", 44);
        if (takes == 3) says(fd, "Accept-Encoding: gzip\r\n", 23);
        says(fd, "\r\n", 2);
        (void)sse_test_run(app, 0);
        sse_subscribe(newest, "news");
        for (i = 0; i < 5; i++) {
            say(app, "news", data);
            (void)sse_test_run(app, 0);
        }
        is_int(sse_stream_reconnect(newest, NULL), 0, "a stream of HTTP/1.0 that is cut");
        (void)sse_test_run(app, 3050);
        if (takes == 1) ok(recv(fd, some, sizeof some, 0) == sizeof some, "the peer takes some");
        if (takes == 2) {
            ok(strlen(hears(fd)) > 5000 && !over, "the peer takes all");
            (void)sse_test_run(app, 49);
            is_int((int)stats_of(app).connections, 1, "it is looked for now and then");
        } else {
            (void)sse_test_run(app, takes == 1 ? 5149 : 2149);
            is_int((int)stats_of(app).connections, 1, "it has 5 s for what it does not take");
        }
        (void)sse_test_run(app, 1);
        is_int((int)stats_of(app).connections, 0, "... and is reset then");
        is_int((int)stats_of(app).timeouts, 0, "... which is no delay of its own");
        close(fd);
        sse_app_free(app);
    }
}
#else
static void resets(void) {}
#endif

/* ---- order, and ends ---- */

static void behind(void) { /* what comes behind a stream, a mistake, an end */
    sse_app    *app = still_app(NULL);
    sse_stats   before;
    const char *at;
    int         fd = joins(app);
    at = strstr(asks(app, fd, GET("/text") GET("/text") "nonsense\r\n\r\n" GET("/text")), " 400 ");
    ok(at && at > strstr(heard, "\r\n\r\ntext") && over, "a mistake is answered in its place");
    ok(at && !strstr(at, "text\n") && !strstr(at, " 200 "), "... and nothing behind it");
    close(fd);

    fd = joins(app);
    (void)asks(app, fd, "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    is_str(asks(app, fd, GET("/text")), "", "a request behind a stream waits");
    is_int((int)stats_of(app).requests, 4 - 1, "... unread");
    is_int(sse_stream_end(newest, NULL), 0, "for its end");
    (void)hears_after(app, fd, 0);
    ok(strncmp(heard, "0\r\n\r\nHTTP/1.1 200 ", 18) == 0 && strstr(heard, "\r\n\r\ntext"),
        "... and is answered");
    close(fd);

    fd = joins(app);
    (void)asks(app, fd, "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    is_int(sse_stream_reconnect(newest, NULL), 0, "a stream is cut");
    ok(!hears_after(app, fd, 0)[0] && over, "... with its connection, as nothing else says so");
    close(fd);

    fd = joins(app);
    says(fd, "GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 58);
    (void)hears_after(app, fd, 0);
    ok(over && stats_of(app).connections == 1, "who says that it is the last is waited for");
    shutdown(fd, SHUT_WR);
    (void)sse_test_run(app, 0);
    is_int((int)stats_of(app).connections, 0, "... until it says that it was");
    close(fd);
    fd = joins(app);
    says(fd, "GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 58);
    shutdown(fd, SHUT_WR);
    ok(strstr(hears_after(app, fd, 0), "\r\n\r\ntext") && over, "... who has said it is answered");
    is_int((int)stats_of(app).connections, 0, "... and not waited for");
    close(fd);
    fd = joins(app);
    says(fd, "GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 58);
    (void)hears_after(app, fd, 1000);
    says(fd, "more", 4);
    (void)sse_test_run(app, 999);
    is_int((int)stats_of(app).connections, 1, "... who says more all the same");
    (void)sse_test_run(app, 1);
    is_int((int)stats_of(app).connections, 0, "... has no more time than 2 s");
    close(fd);

    fd = joins(app);
    (void)asks(app, fd, POST("/reads", "10") "01234");
    read_status = 7;
    close(fd);
    (void)sse_test_run(app, 0);
    is_int(read_status, SSE_E_CLOSED, "who reads a body is told that its peer has left");
    is_int((int)stats_of(app).connections, 0, "... as it has");

    fd = joins(app);
    before = stats_of(app);
    (void)asks(app, fd, GET("/s"));
    (void)asks(app, fd, GET("/s"));
    is_int(sse_stream_end(newest, NULL), 0, "a stream ends, behind which another was asked for");
    (void)hears_after(app, fd, 0);
    is_int((int)(stats_of(app).streams_opened - before.streams_opened), 2, "... which begins");
    shutdown(fd, SHUT_WR);
    (void)sse_test_run(app, 0);
    is_int((int)(stats_of(app).closed[SSE_BY_PEER] - before.closed[SSE_BY_PEER]), 1,
        "... and whose peer is seen to leave");
    close(fd);

    fd = joins(app);
    (void)asks(app, fd, GET("/text") "\r\n");
    (void)asks(app, fd, "\r\n");
    ok(strstr(asks(app, fd, "\r\n" GET("/text")), "\r\n\r\ntext") != NULL,
        "blank lines, each for itself, are of no matter");
    close(fd);
    sse_app_free(app);
}

/* ---- what the system says to a call ---- */

static void calls_fail(void) {
    static const struct {
        const char *call, *ask;
        int         error;
        bool        fine;
    } rows[] = {
        {"recv(c->source.fd, p", GET("/letter/d"), EINTR, true},
        {"recv(c->source.fd, p", GET("/letter/d"), ECONNRESET, false},
        {"send(c->source.fd, out->ptr", GET("/letter/d"), EINTR, true},
        {"send(c->source.fd, out->ptr", GET("/letter/d"), EAGAIN, true},
        {"send(c->source.fd, out->ptr", GET("/letter/d"), EPIPE,
            true}, /* the next call will tell */
        {"send(c->source.fd, rest->bytes", GET("/later"), EINTR, true},
        {"send(c->source.fd, rest->bytes", GET("/later"), EPIPE, false},
        {"sendmsg(", GET("/letter/d?large=2"), EINTR, true},
        {"sendmsg(", GET("/letter/d?large=2"), ECONNRESET, false},
    };
    sse_app *app = still_app(NULL);
    size_t   i;
    sse_get(app, "/letter/{letter}", letter, NULL);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int       fd = joins(app);
        const sse_stats before = stats_of(app);
        size_t          n;
        order[0] = '\0';
        nwaiting = 0;
        refuse(rows[i].call, 1, rows[i].error);
        n = strlen(asks(app, fd, rows[i].ask));
        if (nwaiting) {
            sse_finish(waiting[0]);
            n = strlen(hears_after(app, fd, 0));
        }
        ok(!refuse_at, "%s fails with %d", rows[i].call, rows[i].error);
        refuse("", 0, 0);
        is_int(n > 50, rows[i].fine, "... the reply leaves, or not");
        if (rows[i].fine)
            ok(nwaiting ? strstr(heard, " 204 ") != NULL : heard[n - 1] == 'd', "... whole");
        is_int((int)stats_of(app).connections, rows[i].fine, "... its connection stays, or not");
        is_int((int)(stats_of(app).bytes_out - before.bytes_out), (int)n, "... what left counts");
        close(fd);
    }
    sse_app_free(app);
}

/* ---- large bodies ---- */

static uint64_t out_by_then; /* bytes that had left when the other one's turn came */

static void note_out(sse_req *req, void *user) {
    (void)user;
    out_by_then = sse_req_app(req)->net->counts.bytes_out;
}

static void send_file(sse_req *req, void *user) { sse_send_file(req, (const char *)user, NULL); }

static void large_file(void) { /* others have their turn between pieces of 256 KiB */
    char        path[] = "/tmp/sse-conn-XXXXXX";
    static char piece[100000];
    const int   out = mkstemp(path), size = 4 << 20;
    sse_app    *app = still_app(NULL);
    uint64_t    before;
    int         one, other, i;
    size_t      got = 0;
    memset(piece, 'f', sizeof piece);
    for (i = 0; i < 12; i++)
        if (write(out, piece, sizeof piece) < 0) perror(path);
    close(out);
    sse_get(app, "/file", send_file, path);
    sse_get(app, "/note", note_out, NULL);
    one = joins(app);
    setsockopt(conn_of(app, SSE__IDLE)->source.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    other = joins(app);
    (void)asks(app, one, GET("/text"));
    (void)asks(app, other, GET("/text"));
    before = stats_of(app).bytes_out;
    says(one, GET("/file"), strlen(GET("/file")));
    says(other, GET("/note"), strlen(GET("/note")));
    (void)sse_test_run(app, 0);
    ok(out_by_then - before <= SSE__WRITES_A_TURN, "%lu bytes of a file, then it is another's turn",
        (unsigned long)(out_by_then - before));
    for (i = 0; i < 100; i++) got += strlen(hears_after(app, one, 0));
    ok(got > 1200000 && got < 1201000, "it leaves whole (%lu bytes)", (unsigned long)got);
    close(one);
    close(other);
    sse_app_free(app);
    unlink(path);
}

/* ---- few descriptors are left: LI4 ---- */

static int taken_fds[256], ntaken;

static void take_up_to(int next) { /* so that the next descriptor is that */
    int fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd < next) taken_fds[ntaken++] = fd;
    close(fd);
}

static void give_back(int n) {
    while (n-- && ntaken) close(taken_fds[--ntaken]);
}

static void shorter_file(void) { /* than it was: nothing is made up */
    char        path[] = "/tmp/sse-conn-XXXXXX";
    const int   out = mkstemp(path);
    sse_buf     to;
    sse__block *b = sse__block_new(NULL, 0);
    memset(&to, 0, sizeof to);
    b->fd = out;
    is_int((int)write(out, "0123456789", 10), 10, "a file");
    ok(sse__block_read(b, 2, 8, &to) && to.len == 8, "is read up to its end");
    ok(!sse__block_read(b, 3, 8, &to) && !sse__block_read(b, 10, 1, &to), "not past it");
    is_str(sse_buf_text(&to), "23456789", "... there is what was read");
    sse_buf_free(&to);
    sse__block_drop(b);
    unlink(path);
}

static void few_left(void) {
    char            name[2][32] = {"/tmp/sse-few-XXXXXX", "/tmp/sse-few-XXXXXX"};
    sse_app_options o = hasty();
    struct rlimit   before, few;
    sse_app        *app;
    int             here, fd, shut, i;
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 256;
    for (i = 0; i < 2; i++) {
        fd = mkstemp(name[i]);
        is_int(ftruncate(fd, i ? SSE__COPY_BELOW : SSE__COPY_BELOW - 1), 0, "a file");
        close(fd);
    }
    app = still_app(&o);
    sse_get(app, "/short", send_file, name[0]);
    sse_get(app, "/long", send_file, name[1]);
    here = joins(app);
    ok(strstr(asks(app, here, GET("/long")), " 200 ") != NULL, "it is there");
    is_int(setrlimit(RLIMIT_NOFILE, &few), 0, "no more than 256 descriptors");
    take_up_to(248);
    ok(strstr(asks(app, here, GET("/long")), " 503 ") != NULL,
        "with 8 of 256 left none is for a file that takes long");
    ok(strstr(asks(app, here, GET("/short")), " 200 ") != NULL, "... but for a short one");
    fd = joins(app);
    ok(strstr(asks(app, fd, GET("/text")), " 503 ") != NULL, "... none for who comes, in words");
    close(fd);
    (void)sse_test_run(app, 0);
    take_up_to(252);
    fd = joins(app);
    (void)hears(fd);
    ok(over && !*heard, "... with 4 at once");
    close(fd);
    give_back(14);
    shut = waits_shut(app);
    take_up_to(248);
    fd = joins(app);
    ok(strstr(asks(app, fd, GET("/text")), " 200 ") != NULL, "one that has left gives way");
    close(fd);
    close(shut);
    (void)sse_test_run(app, 0);
    give_back(10);
    ok(strstr(asks(app, here, GET("/long")), " 200 ") != NULL, "when there are more it is there");
    fd = joins(app);
    ok(strstr(asks(app, fd, GET("/text")), " 200 ") != NULL, "... so are those that come");
    close(fd);
    close(here);
    give_back(256);
    setrlimit(RLIMIT_NOFILE, &before);
    unlink(name[0]);
    unlink(name[1]);
    sse_app_free(app);
}

#ifndef SSE_NO_COMPRESSION
static size_t long_text; /* bytes of it */

static void text_of(sse_req *req, void *user) {
    size_t i;
    (void)user;
    for (i = 0; i < long_text; i++) sse_raw(sse_out(req), &"to be or not to be "[i % 19], 1);
}

static uint32_t crc_of_text(void) {
    uint32_t crc = ~0u;
    size_t   i;
    int      k;
    for (i = 0; i < long_text; i++) {
        crc ^= (unsigned char)"to be or not to be "[i % 19];
        for (k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static uint32_t number_at(const char *p) { /* of four bytes, the least one first */
    const unsigned char *b = (const unsigned char *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* A large reply is compressed while it leaves: in pieces of 128 KiB, one a pass, a chunk each. */
static void pieces(void) { /* C4 */
    static const size_t lengths[] = {300000, 3 * 131072, 3 * 131072 + 1};
    sse_app            *app = still_app(NULL);
    size_t              i;
    sse_get(app, "/text_of", text_of, NULL);
    for (i = 0; i < SSE__COUNT(lengths); i++) {
        const int     fd = joins(app);
        sse_buf       all;
        unsigned long size = 1;
        size_t        n, at, chunks = 0, passes = 0, begun = 0;
        const char   *head;
        memset(&all, 0, sizeof all);
        long_text = lengths[i];
        says(fd, "GET /text_of HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n", 65);
        for (; passes < 100 && !(all.len > 5 && !memcmp(all.ptr + all.len - 5, "0\r\n\r\n", 5));
             passes++) {
            char some[20000];
            (void)sse_test_run(app, 0);
            while ((n = (size_t)recv(fd, some, sizeof some, MSG_DONTWAIT)) <= sizeof some)
                sse_raw(&all, some, n);
        }
        head = strstr(sse_buf_text(&all), "\r\n\r\n");
        ok(head && strstr(all.ptr, "Content-Encoding: gzip\r\n") < head, "a compressed reply");
        at = n = head ? (size_t)(head + 4 - all.ptr) : all.len;
        while (size && at < all.len) { /* a chunk's size has eight digits */
            size = strtoul(all.ptr + at, NULL, 16);
            at += size ? 10 : 3;
            begun += size > 4 && !memcmp(all.ptr + at, "\x1F\x8B\x08\0", 4);
            memmove(all.ptr + n, all.ptr + at, size);
            n += size;
            at += size + 2;
            chunks += size > 0;
        }
        is_int((int)chunks, (int)((long_text + 131071) / 131072), "... in chunks of 128 KiB");
        is_int((int)begun, 1, "... of one file");
        ok(at == all.len && size == 0, "... and the one that is the end");
        head = all.ptr + n - 8;
        is_int((int)number_at(head + 4), (int)long_text, "... its length");
        ok(number_at(head) == crc_of_text(), "... and its sum");
        ok(strstr(asks(app, fd, GET("/text")), "\r\n\r\ntext"), "... and the next one");
        close(fd);
        sse_buf_free(&all);
    }
    sse_app_free(app);
}

/* Small as they come out: a peer that takes what there is has its time for each. */
static void slow_pieces(void) {
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    const int             fd = joins(app), small = 1;
    int                   waits = 0;
    size_t                out = 0;
    bool                  ended = false;
    sse_get(app, "/text_of", text_of, NULL);
    setsockopt(conn_of(app, SSE__IDLE)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    long_text = 60 * 131072;
    says(fd, "GET /text_of HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n", 65);
    for (over = false; waits < 100 && !ended && !over; waits++) {
        char    some[20000];
        ssize_t n;
        (void)sse_test_run(app, 3000);
        n = recv(fd, some, sizeof some, MSG_DONTWAIT);
        over = n <= 0;
        out += over ? 0 : (size_t)n;
        ended = n > 5 && memcmp(some + n - 5, "0\r\n\r\n", 5) == 0;
    }
    ok(ended && waits > 2, "who takes some every 3 s gets all of it, %d times", waits);
    ok(out < 2 * SSE__PROGRESS, "... however small it is: %lu bytes", (unsigned long)out);
    close(fd);
    sse_app_free(app);
}
#else
static void pieces(void) {}
static void slow_pieces(void) {}
#endif

/* ---- what waits until something is kept: C5 ---- */

static void tells(sse_req *req, void *user) { /* as if it had published what is to be kept */
    sse__net_tell(sse_req_app(req)->net);
    text(req, user);
}

static void tell_stream(const char *data) { /* the newest */
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    is_int(sse_stream_send(newest, &event), 0, "an event for a stream");
}

static void held(void) {
    const sse_app_options o = hasty();
    sse_app              *app = still_app(&o);
    int                   one = joins(app), other = joins(app), stream, i;
    char                  want[40];
    const char           *at;
    uint64_t              sends;
    sse_get(app, "/tells", tells, NULL);
    is_str(asks(app, one, GET("/tells") GET("/text")), "", "a reply waits for what is to be kept");
    ok(strstr(asks(app, other, GET("/text")), "\r\n\r\ntext"), "... another's does not");
    close(other);
    ok(!hears_after(app, one, 3600000)[0] && !over, "... for an hour, if need be");
    sse__net_keep(app->net, app->net->told);
    at = strstr(hears_after(app, one, 0), "\r\n\r\ntext");
    ok(at && strstr(at + 4, "\r\n\r\ntext"), "it is kept, and answered, with the one behind it");
    ok(!hears_after(app, one, 2999)[0] && !over, "... and its connection is kept");
    (void)hears_after(app, one, 1);
    ok(over, "... for its time");
    close(one);

    stream = joins(app);
    (void)asks(app, stream,
        "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        "\r\n");
    app->loop.upcall++;
    tell_stream("one");
    sse__net_tell(app->net);
    tell_stream("two");
    app->loop.upcall++;
    tell_stream("three");
    (void)hears_after(app, stream, 0);
    ok(strstr(heard, "data: one\n") && !strstr(heard, "data: t"),
        "an event waits, those before it do not");
    ok(!hears_after(app, stream, 10)[0], "... and those behind it wait as well");
    sse__net_keep(app->net, app->net->told);
    (void)hears_after(app, stream, 0);
    ok(strstr(heard, "data: two\n") && strstr(heard, "data: three\n"), "... until it is kept");
    sends = stats_of(app).sends;
    for (i = 0; i < 100; i++) {
        snprintf(want, sizeof want, "%d", i);
        tell_stream(want);
    }
    (void)hears_after(app, stream, 0);
    for (i = 0, at = heard; i < 100 && at; i++) {
        snprintf(want, sizeof want, "data: %d\n", i);
        at = strstr(at, want);
    }
    is_int((int)(stats_of(app).sends - sends), 4, "32 events leave with a call");
    ok(at != NULL, "a hundred events at once come in their order");
    close(stream);
    sse_app_free(app);
}

/* An event that has left in part is not replaced by a newer one. */
static void in_part(void) {
    static char       data[60001];
    const int         small = 1;
    sse_topic_options t;
    sse_app          *app = still_app(NULL);
    int               fd = joins(app), i;
    size_t            n = 0;
    memset(&t, 0, sizeof t);
    memset(data, 'x', sizeof data - 1);
    t.overflow = SSE_KEEP_NEWEST;
    is_int(sse_topic(app, "state", &t), 0, "a topic of which the newest is enough");
    (void)asks(app, fd, "GET /s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    setsockopt(conn_of(app, SSE__STREAM)->source.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    sse_subscribe(newest, "state");
    say(app, "state", data);
    (void)sse_test_run(app, 0);
    ok(conn_of(app, SSE__STREAM)->out.begun, "an event has left in part");
    say(app, "state", "second");
    say(app, "state", "third");
    is_int((int)conn_of(app, SSE__STREAM)->out.count, 2, "one behind it is replaced");
    for (i = 0; i < 1000; i++) {
        (void)hears_after(app, fd, 0);
        for (; strchr(heard, 'x') && n < 60000; n++) *strchr(heard, 'x') = '.';
        if (strstr(heard, "data: third")) break;
    }
    ok(i < 1000 && n == 60000, "the first comes whole, then the newest");
    close(fd);
    sse_app_free(app);
}

int main(void) {
    const int open = descriptors();
    test_shed();
    shed_anew();
    like_a_list();
    costs();
    no_index();
    no_larger();
    hashes();
    past_holes();
    checks();
    early_reply();
    bodies_together();
    deadlines();
    no_deadlines();
    deferred_replies();
    progress();
    sending();
    sending_little();
    ends_early();
    slow_stream();
    late_loop();
    after_a_rest();
    counted();
    refusals();
    reasons();
    exact_limits();
    exact_room();
    exact_index();
    behind_a_large_one();
    skipped();
    expects();
    turns_of_many();
    turn_ends_in_a_body();
    turns_of_readers();
    large_ones();
    cuts();
    surplus();
    refused_at_once();
    give_way();
    gives_way_again();
    resets();
    behind();
    calls_fail();
    large_file();
    shorter_file();
    few_left();
    pieces();
    slow_pieces();
    held();
    in_part();
    is_int(living, 0, "no memory is left");
    is_int(descriptors(), open, "no descriptor");
    return tap_done();
}
