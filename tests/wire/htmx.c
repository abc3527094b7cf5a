/* htmx.c: pages with htmx and the scripts for the browser, for htmx.test.mjs. Its argument is the
   directory of the npm packages. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static long long refusals, status, asked, opened;

static void page(sse_req *req, void *user) { /* ?scripts=15&htmx=2&swap=message&url=/stream/a */
    sse_buf        *html = sse_out(req);
    const long long version = sse_parse_int(sse_query(req, "htmx"), 0);
    (void)user;
    sse_puts(html, "<!doctype html><link rel=\"icon\" href=\"data:,\"><title>htmx</title>");
    sse_scripts(html, (unsigned)sse_parse_int(sse_query(req, "scripts"), 0));
    if (version == 2)
        sse_puts(html, "<script src=\"/node/htmx2/dist/htmx.js\"></script>"
                       "<script src=\"/node/htmx-ext-sse/sse.js\"></script>");
    if (version == 4)
        sse_puts(html, "<script src=\"/node/htmx4/dist/htmx.js\"></script>"
                       "<script src=\"/node/htmx4/dist/ext/hx-sse.js\"></script>");
    sse_puts(html,
        "<p id=\"aside\"></p><p id=\"spare\"></p><table><tbody id=\"rows\"></tbody></table>"
        "<b data-sse-status data-open=\"live\"></b>");
    if (version)
        sse_htmx_element(html, sse_query(req, "url"), sse_query(req, "swap"), "id=\"feed\"");
}

static void stream(sse_req *req, void *user) {
    static const sse_stream_options quick = {.retry_ms = 100};
    (void)user;
    asked++;
    if (refusals > 0) {
        refusals--;
        sse_set_status(req, (int)status);
        return;
    }
    opened++;
    sse_subscribe(sse_stream_open(req, &quick), sse_param(req, "topic"));
}

/* POST /publish/a?event=tick; the body is the data */
static void publish(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    (void)user;
    sse_publish(sse_req_app(req), sse_param(req, "topic"),
        &(sse_event){.event = sse_query(req, "event"), .data = body.ptr, .data_len = body.len});
}

/* POST /oob/a?target=aside&swap=delete&wrap=p&html=...; the body is for the element itself */
static void oob(sse_req *req, void *user) {
    const sse_str body = sse_body(req);
    sse_buf       html = {0};
    (void)user;
    sse_htmx_oob(&html, sse_query(req, "target"), sse_query(req, "swap"), sse_query(req, "html"),
        sse_query(req, "wrap"));
    sse_printf(&html, "%.*s", (int)body.len, body.ptr);
    sse_publish(sse_req_app(req), sse_param(req, "topic"),
        &(sse_event){.data = sse_buf_text(&html)});
    sse_buf_free(&html);
}

static void refuse(sse_req *req, void *user) { /* POST /refuse?status=503&times=3 */
    (void)user;
    status = sse_parse_int(sse_query(req, "status"), 503);
    refusals = sse_parse_int(sse_query(req, "times"), 1);
}

static void end(sse_req *req, void *user) { /* POST /end: all streams, which come back */
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

int main(int argc, char **argv) {
    sse_app *app = sse_app_new(&(sse_app_options){.on_init = ready, .allowed_hosts = "*"});
    int      error;
    sse_topic(app, "*", &(sse_topic_options){.history = 100});
    sse_get(app, "/", page, NULL);
    sse_get(app, "/stream/{topic}", stream, NULL);
    sse_post(app, "/publish/{topic}", publish, NULL);
    sse_post(app, "/oob/{topic}", oob, NULL);
    sse_post(app, "/refuse", refuse, NULL);
    sse_post(app, "/end", end, NULL);
    sse_get(app, "/stats", stats, NULL);
    if (argc > 1) sse_static(app, "/node", argv[1], NULL);
    error = sse_serve(app, &(sse_serve_options){.port = SSE_ANY_PORT});
    sse_app_free(app);
    return error != 0;
}
