/* redis.h: hiredis in the loop of sse.h, for cluster.c: a connection that is dialled again, ever
   more slowly, as long as Redis is away. Commands are those of hiredis/async.h; one that finds no
   connection answers REDIS_ERR, one whose connection breaks gets NULL for its reply. */
#include <hiredis/async.h>

typedef struct redis {
    redisAsyncContext *to;                                       // NULL: not now
    sse_app           *app;
    void             (*dialled)(struct redis *r);                // its first commands. or NULL
    int                wait_ms;
} redis;

static void redis_on_fd(sse_app *app, int fd, int events, void *user) {
    redis *r = user;
    (void)app; (void)fd;
    if (events & SSE_READ) redisAsyncHandleRead(r->to);          // which may close it
    if (r->to && events & SSE_WRITE) redisAsyncHandleWrite(r->to);
}

static void redis_watch(redis *r, int events) {
    sse_watch(r->app, r->to->c.fd, events, redis_on_fd, r);
}
static void redis_add_write(void *r) { redis_watch(r, SSE_READ | SSE_WRITE); }
static void redis_del_write(void *r) { redis_watch(r, SSE_READ); }

static void redis_dial(sse_app *app, void *user);

static void redis_closed(void *user) {
    redis *r = user;
    if (!r->to) return;
    if (r->to->c.fd >= 0) redis_watch(r, 0);
    r->to      = NULL;
    r->wait_ms = r->wait_ms > 1000 ? 2000 : 2 * r->wait_ms + 50;
    sse_after(r->app, r->wait_ms, redis_dial, r);
}

static void redis_dial(sse_app *app, void *user) {               // a unix socket, or the usual port
    redis      *r    = user;
    const char *path = getenv("REDIS");
    r->app = app;
    r->to  = path ? redisAsyncConnectUnix(path) : redisAsyncConnect("127.0.0.1", 6379);
    if (!r->to) abort();                                         // no memory
    r->to->ev.data     = r;
    r->to->ev.addWrite = redis_add_write;
    r->to->ev.delWrite = redis_del_write;
    r->to->ev.cleanup  = redis_closed;
    if (r->to->err) redisAsyncFree(r->to);
    else if (r->dialled) r->dialled(r);
}

static redisReply *redis_good(redisAsyncContext *to, void *reply) { // NULL: none, or an error
    redisReply *r = reply;
    if (!r || r->type == REDIS_REPLY_ERROR) return NULL;
    ((redis *)to->ev.data)->wait_ms = 0;
    return r;
}
