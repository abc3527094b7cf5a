/* scripts.c: pages with sse_scripts, for scripts.test.mjs. It listens on PORT (-1, the default:
   any) of 127.0.0.1 and prints its address. Topics: kept.* have a history in a database, short.*
   one in memory, others none. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static long long asked, opened, refusals, status;

static int number(sse_req *req, const char *name, int otherwise) {
    return (int)sse_parse_int(sse_query(req, name), otherwise);
}

static void page(sse_req *req, void *user) { /* /?which=15&max_retries=3&... */
    sse_buf           *html = sse_out(req);
    sse_script_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.which = (unsigned)number(req, "which", 0);
    o.retry_ms = number(req, "retry_ms", 0);
    o.max_retry_ms = number(req, "max_retry_ms", 0);
    o.max_retries = number(req, "max_retries", 0);
    o.idle_ms = number(req, "idle_ms", 0);
    o.nonce = sse_query(req, "nonce");
    if (o.nonce)
        sse_set_header(req, "Content-Security-Policy",
            sse_fmt(req, "script-src 'nonce-%s'; connect-src 'self'", o.nonce));
    sse_puts(html, "<!doctype html><link rel=\"icon\" href=\"data:,\"><title>scripts</title>");
    sse_scripts_with(html, &o);
    sse_puts(html,
        "<p data-sse-status data-open=\"\" data-connecting=\"not connected, trying again\" "
        "data-closed=\"closed\"></p>"
        "<b data-sse-count=\"open\"></b><b data-sse-count=\"events\"></b>"
        "<b data-sse-count=\"last\"></b><b data-sse-count=\"x\">x</b>");
}

/* One that a page sees in a compressed stream, too. */
static void ping(sse_stream s, sse_buf *out, void *user) {
    (void)s;
    (void)user;
    sse_puts(out, ":\n\n");
}

static void stream(sse_req *req, void *user) { /* /stream/kept.a?ping_ms=200&hello=1 */
    sse_stream_options o;
    sse_event          first;
    (void)user;
    asked++;
    if (refusals > 0) {
        refusals--;
        sse_set_status(req, (int)status);
        return;
    }
    opened++;
    memset(&o, 0, sizeof o);
    memset(&first, 0, sizeof first);
    first.event = "hello";
    first.data = "you are in";
    o.ping_ms = number(req, "ping_ms", 0);
    o.on_ping = ping;
    o.retry_ms = number(req, "retry_ms", 0);
    o.lifetime_ms = number(req, "lifetime_ms", 0);
    if (sse_query(req, "hello")) o.first = &first;
    sse_subscribe(sse_stream_open(req, &o), sse_param(req, "topic"));
}

/* POST /publish/kept.a?event=tick&loose=1; the body is the data */
static void publish(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    sse_event     event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = sse_query(req, "event");
    event.data = body.ptr;
    event.data_len = body.len;
    event.ephemeral = sse_query(req, "loose") != NULL;
    sse_publish(sse_req_app(req), sse_param(req, "topic"), &event);
}

static bool one_kept(const sse_event *event, void *user) {
    sse_printf((sse_buf *)user, "%s %s\n", event->id, event->data);
    return true;
}

/* GET /history/kept.a?limit=1: lines of an id and the data */
static void history(sse_req *req, void *user) {
    (void)user;
    sse_topic_history(sse_req_app(req), sse_param(req, "topic"), number(req, "limit", 0), one_kept,
        sse_out(req));
}

static void refuse(sse_req *req, void *user) { /* POST /refuse?status=503&times=3 */
    (void)user;
    status = number(req, "status", 503);
    refusals = number(req, "times", 1);
}

static void end(sse_req *req, void *user) { /* POST /end: all streams */
    (void)user;
    sse_streams_close(sse_req_app(req), &(sse_filter){.all = true}, NULL);
}

static void stats(sse_req *req, void *user) {
    sse_stats st;
    (void)user;
    sse_stats_get(sse_req_app(req), &st);
    sse_json(sse_out_json(req), "{\"streams\":%llu,\"opened\":%lld,\"asked\":%lld}",
        (unsigned long long)st.streams, opened, asked);
}

int main(void) {
    sse_db  *db = sse_db_open("scripts.db", NULL);
    sse_app *app = sse_app_new(&(sse_app_options){.on_init = ready, .allowed_hosts = "*"});
    int      error;
    sse_topic(app, "kept.*", &(sse_topic_options){.history = 100000, .db = db});
    sse_topic(app, "greeted.*", &(sse_topic_options){.history = 1000, .greet = 3, .db = db});
    sse_topic(app, "short.*", &(sse_topic_options){.history = 100});
    sse_get(app, "/", page, NULL);
    sse_get(app, "/stream/{topic}", stream, NULL);
    sse_get(app, "/history/{topic}", history, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_post(app, "/refuse", refuse, NULL);
    sse_post(app, "/end", end, NULL);
    sse_get(app, "/stats", stats, NULL);
    error = sse_serve(app,
        &(sse_serve_options){.port = (int)sse_parse_int(getenv("PORT"), SSE_ANY_PORT)});
    sse_app_free(app);
    sse_db_close(db);
    return error != 0;
}
