/* live.c: live views of every kind, for live.test.mjs. All state is set by POST
   /set?name=...&value=... */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static struct {
    char name[32], value[200];
} state[32];
static long long renders;
static bool      failing;

static char *value_of(const char *name) {
    size_t i;
    for (i = 0; i < 32; i++) {
        if (!state[i].name[0]) snprintf(state[i].name, sizeof state[i].name, "%s", name);
        if (strcmp(state[i].name, name) == 0) return state[i].value;
    }
    return state[31].value;
}

static void set(sse_req *req, void *user) { /* ?touch=/path as well */
    const char *touch = sse_query(req, "touch"), *value = sse_query(req, "value");
    (void)user;
    snprintf(value_of(sse_query(req, "name")), 200, "%s", value ? value : "");
    if (touch && sse_touch(sse_req_app(req), touch)) sse_fail(req, 400, "cannot touch %s", touch);
}

static void fail(sse_req *req, void *user) {
    (void)user;
    failing = sse_parse_int(sse_query(req, "on"), 0) != 0;
}

static void room(sse_view *view, sse_buf *html, void *user) {
    const char *id = sse_view_param(view, "id") ? sse_view_param(view, "id") : "none",
               *page = sse_view_param(view, "page"), *other = sse_view_param(view, "other");
    (void)user;
    renders++;
    if (failing) sse_buf_fail(html, SSE_E_STATE);
    sse_html(html, "<p id=\"room\">%s page %s other %s: %s</p>", id, page ? page : "-",
        other ? other : "-", value_of(id));
}

static void plain(sse_view *view, sse_buf *text, void *user) {
    (void)view;
    (void)user;
    renders++;
    sse_puts(text, value_of("plain"));
}

static void clock_ticks(sse_view *view, sse_buf *text, void *user) {
    static int n;
    (void)view;
    (void)user;
    renders++;
    sse_printf(text, "%d", ++n);
}

static void who(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    renders++;
    sse_html(html, "<p id=\"who\">%s %s %s %s: %s</p>", sse_attr(req, "user"), sse_param(req, "id"),
        sse_query(req, "q"), sse_header(req, "x-test"), value_of("who"));
}

static void signals(sse_view *view, sse_buf *json, void *user) {
    (void)view;
    (void)user;
    if (strncmp(value_of("signals"), "raw ", 4) == 0) sse_puts(json, value_of("signals") + 4);
    else sse_json(json, "{\"text\":%s}", value_of("signals"));
}

static void members(sse_req *req, void *user) {
    const char *name = sse_cookie(req, "user");
    (void)user;
    if (!name) sse_fail(req, 401, "who are you?");
    else sse_set_attr(req, "user", name);
}

/* Two views on one stream, and one that its guard refuses. */
static void both(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, NULL);
    sse_buf    text = {0};
    (void)user;
    sse_printf(&text, "%d %d %d %d", sse_stream_view(s, "/room/a?page=1"),
        sse_stream_view(s, "/plain"), sse_stream_view(s, "/closed"),
        sse_stream_view(s, "/nowhere"));
    sse_stream_send(s, &(sse_event){.event = "answers", .data = sse_buf_text(&text)});
    sse_buf_free(&text);
}

static void stats(sse_req *req, void *user) {
    sse_stats st;
    (void)user;
    sse_stats_get(sse_req_app(req), &st);
    sse_json(sse_out_json(req),
        "{\"renders\":%lld,\"views\":%llu,\"streams\":%llu,\"failed\":%llu}", renders,
        (unsigned long long)st.views, (unsigned long long)st.streams,
        (unsigned long long)st.renders_failed);
}

int main(void) {
    static const sse_patch_options  into = {.selector = "#here", .mode = SSE_INNER};
    static const sse_stream_options quick = {.ping_ms = 100};
    sse_app *app = sse_app_new(&(sse_app_options){.on_init = ready, .max_views = 50});
    sse_post(app, "/set", set, NULL);
    sse_post(app, "/fail", fail, NULL);
    sse_get(app, "/stats", stats, NULL);
    sse_get(app, "/both", both, NULL);
    sse_live(app, "/room/{id}", room, &(sse_live_options){.query = "page other"});
    sse_live(app, "/closed", room, &(sse_live_options){.guard = members});
    sse_live(app, "/plain", plain,
        &(sse_live_options){.format = SSE_AS_DATA, .event = "state", .stream = &quick});
    sse_live(app, "/signals", signals, &(sse_live_options){.format = SSE_AS_SIGNALS});
    sse_live(app, "/slow", plain,
        &(sse_live_options){.format = SSE_AS_DATA, .min_interval_ms = 300});
    sse_live(app, "/clock", clock_ticks,
        &(sse_live_options){.format = SSE_AS_DATA, .every_ms = 100});
    sse_live(app, "/into", room, &(sse_live_options){.patch = &into});
    sse_live_each(app, "/who/{id}", who, &(sse_live_options){.guard = members});
    return sse_serve(app, &(sse_serve_options){.port = SSE_ANY_PORT});
}
