/* worn.h: an example as it is, but for its life: LIFETIME_MS of its views' streams, room for
   ROOM connections, and POST /full?ms=... For chat.c and life.c. */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "crowd.h"

static int room;

static void full(sse_req *req, void *user) {
    (void)user;
    crowd_comes(sse_req_app(req), room, (int)sse_parse_int(sse_query(req, "ms"), 1000));
}

static void stats(sse_req *req, void *user) {
    sse_stats st;
    (void)user;
    sse_stats_get(sse_req_app(req), &st);
    sse_json(sse_out_json(req), "{\"streams\":%llu,\"refused\":%llu,\"by_lifetime\":%llu}",
        (unsigned long long)st.streams, (unsigned long long)st.refused,
        (unsigned long long)st.closed[SSE_BY_LIFETIME]);
}

static sse_app *worn_app(const sse_app_options *options) {
    sse_app_options mine = *options;
    sse_app        *app;
    mine.max_connections = room = (int)sse_parse_int(getenv("ROOM"), 200);
    app = sse_app_new(&mine);
    sse_post(app, "/full", full, NULL);
    sse_get(app, "/stats", stats, NULL);
    return app;
}

static int worn_live(sse_app *app, const char *path, sse_render fn,
    const sse_live_options *options) {
    const sse_stream_options stream = {.lifetime_ms = (int)sse_parse_int(getenv("LIFETIME_MS"), 0)};
    sse_live_options         mine = *options;
    mine.stream = &stream;
    return sse_live(app, path, fn, &mine);
}

#define sse_app_new worn_app
#define sse_live    worn_live
