/* writers.c: streams that are written later, from timers, descriptors and other threads, and are
   closed meanwhile. */
#define _DEFAULT_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static sse_app *app;

static int send_to(sse_stream s, const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    return sse_stream_send(s, &event);
}

/* ---- timers ---- */

static int left, stale;

static void tick(sse_app *a, void *user) {
    const sse_stream *s = (const sse_stream *)user;
    (void)a;
    if (send_to(*s, "tick") == SSE_E_CLOSED) stale++;
    if (--left == 0) sse_stream_end(*s, NULL);
}

static void timers(void) {
    sse_stream s;
    client    *c;
    int        i;
    app = dial_app(NULL);
    c = dial(app, "/s", NULL);
    s = newest;
    left = 5;
    sse_every(app, 1, tick, &s);
    for (i = 0; i < 30000 && stale < 3; i++) turns(app, 1);
    is_int(times(c, "data: tick\n"), 5, "a timer writes, and ends the stream");
    ok(times(c, "\r\n0\r\n\r\n") == 1 && stale >= 3,
        "then its handle is stale, each time it is tried");
    is_int(nclosed, 1, "closed once");
    dial_free(app);
}

/* ---- descriptors ---- */

/* Relays lines; "end" ends the stream. */
static void readable(sse_app *a, int fd, int ready, void *user) {
    char          text[100];
    const ssize_t n = read(fd, text, sizeof text - 1);
    (void)a, (void)ready;
    text[n > 0 ? n : 0] = '\0';
    if (strcmp(text, "end") == 0) sse_stream_end(*(sse_stream *)user, NULL);
    else send_to(*(sse_stream *)user, text);
}

static void descriptors(void) {
    sse_stream s;
    client    *c;
    int        fds[2];
    app = dial_app(NULL);
    c = dial(app, "/s", NULL);
    s = newest;
    if (pipe(fds)) return;
    sse_watch(app, fds[0], SSE_READ, readable, &s);
    ok(write(fds[1], "one", 3) == 3, "something to read");
    turns(app, 3);
    ok(write(fds[1], "two", 3) == 3, "and again");
    turns(app, 3);
    is_int(times(c, "data: one\n") * 10 + times(c, "data: two\n"), 11,
        "a watch writes what it reads");
    hang_up(c);
    ok(write(fds[1], "three", 5) == 5, "the peer is gone");
    turns(app, 5);
    is_int(nclosed, 1, "which is noticed");
    ok(write(fds[1], "end", 3) == 3, "and the watch goes on");
    turns(app, 3);
    is_int(send_to(s, "x"), SSE_E_CLOSED, "with a stale handle");
    dial_free(app);
    close(fds[0]);
    close(fds[1]);
}

/* ---- other threads ---- */

enum { THREADS = 4, CALLS = 200 };

typedef struct letter {
    char id[80], text[20];
} letter;

static int        lost, wrong_thread;
static sse_stream shared;
static char       shared_id[80];

static void deliver(sse_app *a, void *user) { /* on the loop */
    letter *l = (letter *)user;
    if (send_to(sse_stream_find(a, l->id), l->text)) lost++;
    free(l);
}

static void *writer(void *user) {
    const int k = *(const int *)user;
    int       i;
    for (i = 0; i < CALLS; i++) {
        letter *l = (letter *)malloc(sizeof *l);
        if (!l) return NULL;
        snprintf(l->id, sizeof l->id, "%s", shared_id);
        snprintf(l->text, sizeof l->text, "%d-%d.", k, i);
        if (sse_call(app, deliver, l)) free(l);
    }
    return NULL;
}

static void *trespasser(void *user) { /* what only the loop's thread may do */
    const sse_filter all = {NULL, NULL, NULL, true};
    (void)user;
    wrong_thread += sse_stream_is_open(shared);
    wrong_thread += send_to(shared, "x") == SSE_OK;
    wrong_thread += sse_subscribe(shared, "x") == SSE_OK;
    wrong_thread += sse_streams_close(app, &all, NULL) != SSE_E_THREAD;
    wrong_thread += sse_streams_count(app, &all) != SSE_E_THREAD;
    return NULL;
}

static void threads(void) {
    pthread_t thread[THREADS + 1];
    int       number[THREADS], k, i, last[THREADS];
    char      want[64];
    client   *c;
    app = dial_app(NULL);
    c = dial(app, "/s", NULL);
    shared = newest;
    snprintf(shared_id, sizeof shared_id, "%s", sse_stream_id(newest));
    for (k = 0; k < THREADS; k++) {
        number[k] = k;
        pthread_create(&thread[k], NULL, writer, &number[k]);
    }
    pthread_create(&thread[THREADS], NULL, trespasser, NULL);
    for (k = 0; k <= THREADS; k++) pthread_join(thread[k], NULL);
    snprintf(want, sizeof want, "data: ");
    for (i = 0; i < 30000 && times(c, want) < THREADS * CALLS; i++) turns(app, 1);
    is_int(times(c, want), THREADS * CALLS,
        "each letter of each thread, posted with sse_call and the stream's text");
    for (k = 0; k < THREADS; k++) {
        const char *at = c->got;
        last[k] = 0;
        for (i = 0; i < CALLS && at; i++) {
            snprintf(want, sizeof want, "data: %d-%d.\n", k, i);
            at = strstr(at, want);
            last[k] += at != NULL;
        }
        is_int(last[k], CALLS, "those of one thread in order");
    }
    is_int(wrong_thread, 0, "another thread has no other way");
    sse_stream_end(shared, NULL);
    turns(app, 2);
    dial(app, "/s", NULL); /* in the same slot */
    writer(&number[0]);
    turns(app, 20);
    is_int(lost, CALLS, "a text that outlived its stream finds nothing, not even in the same slot");
    is_int(times(&clients[1], "data: "), 0, "and nobody else gets its letters");
    dial_free(app);
}

/* ---- a burst ---- */

enum { BURST = 2000, LONG = 2000 };

static void follow(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "burst");
}

static void *burst(void *user) { /* much more than a stream's queue takes */
    static char data[LONG + 1];
    sse_event   event;
    int         i;
    memset(&event, 0, sizeof event);
    memset(data, 'x', LONG);
    event.data = data;
    for (i = 0; i < BURST; i++) *(int *)user += sse_publish(app, "burst", &event) == SSE_OK;
    return NULL;
}

/* Who reads as fast as the loop sends is none that is slow. */
static void bursts(void) {
    pthread_t thread;
    client   *c;
    size_t    got = 0;
    int       published = 0, i;
    app = dial_app(NULL);
    opening = follow;
    c = dial(app, "/s", NULL);
    if (!pthread_create(&thread, NULL, burst, &published)) pthread_join(thread, NULL);
    is_int(published, BURST, "another thread publishes 4 MB at once");
    for (i = 0; i < 30000 && !c->over && got < (size_t)BURST * LONG; i++) {
        c->len = 0;
        do turns(app, 0), got += c->len;
        while (c->len == RECEIVED - 1 && (c->len = 0, true));
        sse_poll(app, 1);
    }
    ok(got >= (size_t)BURST * LONG, "its reader has all of it: %zu bytes", got);
    is_int(nclosed, 0, "... and keeps its stream");
    dial_free(app);
}

int main(void) {
    timers();
    descriptors();
#ifndef SSE_NO_THREADS
    threads();
    bursts();
#endif
    return tap_done();
}
