/* cluster.c: a chat on any number of machines. A Redis stream is the log that all nodes follow, and
   a page may come back to any of them. Compile with -lhiredis, start Redis (REDIS=/its.sock for a
   unix socket), then NODE=1 PORT=8001, NODE=2 PORT=8002, up to 9, and open two of them. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "redis.h"                                               // hiredis in the loop
#include "cluster_page.h"                                        // page_head, page_script

static redis   tail, asks;                                       // the first waits for entries
static char    seen[64] = "0-0";                                 // its last entry
static int     node;
#include "cluster_here.h"                                        // who is there, on all nodes

static int put(sse_stream *s, const redisReply *entry) {         // to a stream, or to all
    redisReply **field = entry->element[1]->element;             // who, ann, text, hello
    sse_buf html = {0};
    if (entry->element[1]->elements < 4) return 0;               // somebody else's
    sse_html(&html, "<p><b>%s</b>%s</p>", field[1]->str, field[3]->str);
    sse_event said = { .event = "said", .id = entry->element[0]->str, .data = sse_buf_text(&html) };
    int error = s ? sse_stream_send(*s, &said) : sse_publish(tail.app, "chat", &said);
    sse_buf_free(&html);
    return error;
}

static void follow(redisAsyncContext *to, void *reply, void *user) {
    redisReply *r = redis_good(to, reply);
    redisReply *list = r && r->elements ? r->element[0]->element[1] : NULL;
    for (size_t i = 0; list && i < list->elements; i++) {        // of all nodes, ours as well
        if (put(NULL, list->element[i])) break;                  // no memory: read again
        snprintf(seen, sizeof seen, "%s", list->element[i]->element[0]->str);
    }
    if (r) redisAsyncCommand(to, follow, user, "XREAD COUNT 500 BLOCK 5000 STREAMS chat %s", seen);
    else if (reply) redisAsyncFree(to);                          // it still loads: dialled again
}

static void placed(redisAsyncContext *to, void *reply, void *user) {
    redisReply *r = redis_good(to, reply);
    if (r && !r->elements && strcmp(seen, "0-0") != 0) {         // our place is gone from the log
        sse_source_restart(tail.app, "chat");
        snprintf(seen, sizeof seen, "0-0");
    }
    if (r) redisAsyncCommand(to, follow, user, "XREAD COUNT 500 STREAMS chat %s", seen);
    else if (reply) redisAsyncFree(to);
}

static void begin(redis *r) {                                    // when it is dialled
    redisAsyncCommand(r->to, placed, NULL, "XRANGE chat %s %s", seen, seen);
}

typedef struct asked { sse_stream s; char after[128]; } asked;    // what a page missed

static void answered(redisAsyncContext *to, void *reply, void *user) {
    asked      *a = user;
    redisReply *r = redis_good(to, reply), *bad = reply;
    const char *last = a->after, *first = r && r->elements ? r->element[0]->element[0]->str : "";
    size_t      i = strcmp(first, a->after) == 0;
    if (!r && (!bad || strncmp(bad->str, "ERR", 3) != 0)) sse_stream_reconnect(a->s, NULL);
    else if (i == 0 && strcmp(a->after, "0-0") != 0) sse_replay_gap(a->s);   // trimmed, or no id
    else {
        for (; i < r->elements && sse_stream_pending(a->s) < 100000; i++) {
            if (put(&a->s, r->element[i])) break;
            last = r->element[i]->element[0]->str;
        }
        sse_replay_end(a->s, last);                              // asked again, if that was not all
    }
    free(a);
}

static void missed(sse_stream s, const char *name, const char *after, void *user) {
    asked *a = after ? calloc(1, sizeof *a) : NULL;
    (void)user;
    if (!after) sse_replay_end(s, seen);                         // it begins with what is new
    if (a) {
        *a = (asked){ .s = s };
        snprintf(a->after, sizeof a->after, "%s", after);
    }
    if (a && asks.to && !redisAsyncCommand(asks.to, answered, a, "XRANGE %s %s + COUNT 100",
                                           name, after)) return;
    free(a);
    if (after) sse_stream_reconnect(s, NULL);                    // Redis is down
}

static const char *me(sse_req *req) {                            // no login
    const char *name = sse_query(req, "me");
    return name && *name && strlen(name) < 40 ? name : "guest";
}

static void said(redisAsyncContext *to, void *reply, void *req) {
    if (!redis_good(to, reply)) sse_fail(req, 503, "Redis cannot be reached.");
    sse_finish(req);
}

static void say(sse_req *req, void *user) {
    const char *text = sse_form(req, "text");
    (void)user;
    if (!text || !*text) sse_fail(req, 400, "text is missing");
    else if (asks.to && !redisAsyncCommand(asks.to, said, req,
        "XADD chat MAXLEN ~ 100000 * who %s text %s", me(req), text)) sse_defer(req);
    else sse_fail(req, 503, "Redis cannot be reached.");
}

static bool line(const sse_event *event, void *html) {
    sse_puts(html, event->data);
    return true;
}

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><header><h1>chat <small>from node %d</small></h1><ul>", node);
    sse_puts(out, sse_buf_text(&here));
    sse_html(out, "</ul></header><main aria-live=\"polite\" tabindex=\"0\" data-id=\"%s\">", seen);
    sse_topic_history(sse_req_app(req), "chat", 50, line, out);  // the stream goes on behind them
    sse_puts(out, page_script);
}

static void feed(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, &(sse_stream_options){
        .who = me(req), .retry_ms = 500, .retry_spread_ms = 1000 });
    (void)user;
    sse_subscribe(s, "chat");                                    // goes on when this returns
    sse_stream_send_json(s, "node", "%d", node);
    sse_stream_send(s, &(sse_event){ .event = "here", .data = sse_buf_text(&here) });
}

static void ready(sse_app *app, void *user) {
    (void)user;
    tail.dialled = begin;
    redis_dial(app, &tail);
    redis_dial(app, &asks);
    sse_every(app, 1000, tell, NULL);
    printf("node %d is on http://127.0.0.1:%d\n", node, sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "chat", &(sse_topic_options){ .history = 1000, .source = missed });
    sse_get (app, "/", page, NULL);
    sse_post(app, "/", say, NULL);
    sse_get (app, "/feed", feed, NULL);
    node = (int)sse_parse_int(getenv("NODE"), 1);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}
