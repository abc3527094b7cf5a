/* Connections, from inside: replies before their bodies are in, what bodies take together. */
#ifndef SSE_DEBUG_CHECKS
#define SSE_DEBUG_CHECKS
#endif
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

static void refuse(sse_req *req, void *user) {
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
    sse_route(app, "/refuse", refuse, NULL, &o);
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

static sse__queue queued(const char *kinds) { /* a letter each: d may be lost, k is kept */
    sse__queue q;
    memset(&q, 0, sizeof q);
    for (; *kinds; kinds++) {
        sse__block *b = sse__block_new((char *)SSE_MALLOC(10), 10);
        sse__out    out;
        memset(&out, 0, sizeof out);
        b->droppable = *kinds == 'd';
        out.block = b;
        out.to = 10;
        if (q.count == (q.ring_bits ? 1u << q.ring_bits : 1u)) sse__queue_grow(&q);
        q.count++;
        *sse__queue_at(&q, q.count - 1) = out;
        q.bytes += 10;
    }
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
    size_t i, k;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const size_t n = strlen(rows[i].was), entry = 10 + sizeof(sse__out);
        sse__queue   q = queued(rows[i].was);
        sse__block  *first = sse__queue_at(&q, 0)->block,
                   *last = sse__queue_at(&q, q.count - 1)->block;
        char     left[16] = "";
        uint32_t shed;
        q.begun = rows[i].begun;
        shed = sse__queue_shed(&q, entry * (size_t)rows[i].room);
        for (k = 0; k < q.count; k++)
            left[k] = sse__queue_at(&q, (uint32_t)k)->block->droppable ? 'd' : 'k';
        is_str(left, rows[i].is, rows[i].was);
        ok(shed == n - q.count && q.bytes == 10u * q.count, "... and is counted");
        ok(sse__queue_at(&q, q.count - 1)->block == last, "... the newest stays");
        if (rows[i].begun) ok(sse__queue_at(&q, 0)->block == first, "... and what is sent in part");
        ok(sse__queue_fits(&q, q.bytes + q.count * sizeof(sse__out)), "... it fits its size");
        ok(sse__queue_fits(&q, (q.count - 1) * entry), "... a single entry more does, too");
        ok(q.count < 2 || !sse__queue_fits(&q, (q.count - 1) * entry - 1), "... and no more");
        sse__queue_clear(&q);
        ok(!q.count && !q.bytes && !q.begun && !q.ring_bits, "... cleared");
    }
}

int main(void) {
    test_shed();
    checks();
    early_reply();
    bodies_together();
    return tap_done();
}
