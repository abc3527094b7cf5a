/* topics.c: what the tests of streams and topics talk to. It listens on PORT (-1, the default: any)
   of 127.0.0.1 and prints the number. SENDERS: so many threads write.
   usage: topics [DATABASE] */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"
#include <stdio.h>

static sse_app *the_app;
static sse_db  *db;
/* on_close by reason; streams opened with a user */
static long long closed[SSE_BY_ERROR + 1], opened;
static long long ticks;

static int number(sse_req *req, const char *name, int otherwise) {
    return (int)sse_parse_int(sse_query(req, name), otherwise);
}

/* ---- topics ---- */

static void say_here(sse_app *app, const char *topic, const char *verb, const char *who) {
    sse_buf   text = {NULL, 0, 0, 0};
    sse_event event;
    memset(&event, 0, sizeof event);
    sse_printf(&text, "%s %s", verb, who);
    event.event = "presence";
    event.data = sse_buf_text(&text);
    event.ephemeral = true;
    sse_publish(app, topic, &event);
    sse_buf_free(&text);
}

static void joined(sse_app *app, const char *topic, const char *who, void *user) {
    say_here(app, topic, (const char *)user, who);
}

static void left(sse_app *app, const char *topic, const char *who, void *user) {
    (void)user;
    say_here(app, topic, "left", who);
}

static bool one_who(const char *who, sse_stream s, void *user) {
    sse_printf((sse_buf *)user, "%s%s ", who, sse_stream_is_open(s) ? "" : "(away)");
    return true;
}

static void who(sse_req *req, void *user) {
    (void)user;
    sse_topic_who(sse_req_app(req), sse_param(req, "topic"), one_who, sse_out(req));
    sse_puts(sse_out(req), ".");
}

static bool one_kept(const sse_event *event, void *user) {
    sse_json((sse_buf *)user, "{\"event\":%s,\"data\":%s,\"id\":%s}\n", event->event, event->data,
        event->id);
    return true;
}

static void history(sse_req *req, void *user) {
    (void)user;
    if (sse_topic_history(sse_req_app(req), sse_param(req, "topic"), number(req, "limit", 0),
            one_kept, sse_out(req)) < 0)
        sse_fail(req, 404, "none");
    else sse_puts(sse_out(req), ".");
}

static void on_close(sse_stream s, sse_reason reason, void *user) {
    (void)user;
    closed[reason]++;
    if (sse_stream_send(s, NULL) != SSE_E_CLOSED) closed[SSE_BY_PEER] += 1000000;
}

/* /topics/a,b?pattern=c*&who=x&queue=n&own: a stream on several topics */
static void subscribe(sse_req *req, void *user) {
    sse_stream_options o;
    sse_stream         s;
    const char        *name = sse_param(req, "topics");
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    o.label = sse_query(req, "label");
    o.max_queue_bytes = (size_t)number(req, "queue", 0);
    o.ping_ms = number(req, "ping", 0);
    o.own_history = sse_query(req, "own") != NULL;
    o.on_close = on_close;
    s = sse_stream_open(req, &o);
    opened++;
    while (*name) {
        const size_t n = strcspn(name, ",");
        if (n) sse_subscribe(s, sse_fmt(req, "%.*s", (int)n, name));
        name += n + (name[n] == ',');
    }
    if (sse_query(req, "pattern")) sse_subscribe_pattern(s, sse_query(req, "pattern"));
    if (sse_query(req, "hello")) {
        sse_event event;
        memset(&event, 0, sizeof event);
        event.event = "hello";
        event.data = sse_stream_id(s);
        event.except = sse_query(req, "quiet") ? s : event.except;
        sse_publish(sse_req_app(req), sse_query(req, "hello"), &event);
    }
}

/* POST /topics/a?count=n&id=x&key=k&ephemeral&except=stream: publishes the body n times */
static void publish(sse_req *req, void *user) {
    sse_app  *app = sse_req_app(req);
    sse_str   body = sse_body(req);
    sse_event event;
    int       i, count = number(req, "count", 1), error = 0;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = sse_query(req, "event");
    event.id = sse_query(req, "id");
    event.key = sse_query(req, "key");
    event.ephemeral = sse_query(req, "ephemeral") != NULL;
    event.except = sse_stream_find(app, sse_query(req, "except"));
    for (i = 0; i < count && !error; i++) {
        event.data = count > 1  ? sse_fmt(req, "%d %.*s", i, SSE_STR(body))
                     : body.len ? body.ptr
                                : "";
        event.data_len = count > 1 ? 0 : body.len;
        error = sse_publish(app, sse_param(req, "topics"), &event);
    }
    if (error) sse_fail(req, 400, "%s", sse_error_text(error));
}

static void *publisher(void *user) { /* another thread */
    char      text[32];
    sse_event event;
    int       i;
    (void)user;
    memset(&event, 0, sizeof event);
    for (i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        event.data = text;
        sse_publish(the_app, "kept.threads", &event);
    }
    return NULL;
}

static void threads(sse_req *req, void *user) {
    pthread_t thread[2];
    int       i;
    (void)req;
    (void)user;
    for (i = 0; i < 2; i++) pthread_create(&thread[i], NULL, publisher, NULL);
    for (i = 0; i < 2; i++) pthread_join(thread[i], NULL);
}

/* The server publishes by itself, and goes on where it was after a restart. */
static void tick(sse_app *app, void *user) {
    char      text[32];
    sse_event event;
    int       i;
    (void)user;
    memset(&event, 0, sizeof event);
    for (i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "%lld", ++ticks);
        event.data = text;
        sse_publish(app, "db.ticks", &event);
    }
}

static bool last_tick(const sse_event *event, void *user) {
    (void)user;
    ticks = sse_parse_int(event->data, 0);
    return true;
}

static void ticking(sse_req *req, void *user) {
    (void)user;
    sse_topic_history(sse_req_app(req), "db.ticks", 1, last_tick, NULL);
    sse_every(sse_req_app(req), 1, tick, NULL);
}

/* ---- streams ---- */

static int patient(int ms) { /* PATIENCE: by how much a machine is slower */
    return ms * (int)sse_parse_int(getenv("PATIENCE"), 1);
}

static void ping(sse_stream s, sse_buf *out, void *user) {
    sse_event event;
    (void)s;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = "ping";
    event.data = "here";
    sse_event_write(out, &event);
}

static int count_down(sse_stream s, void *user) { /* 3 2 1 */
    int      *left_of = (int *)user;
    char      text[16];
    sse_event event;
    memset(&event, 0, sizeof event);
    snprintf(text, sizeof text, "%d", *left_of);
    event.data = text;
    sse_stream_send(s, &event);
    return --*left_of ? 20 : SSE_END;
}

static int flood(sse_stream s, void *user) {
    static char text[4097];
    sse_event   event;
    (void)user;
    memset(text, ' ', sizeof text - 1);
    memset(&event, 0, sizeof event);
    event.data = text;
    ticks++;
    return sse_stream_send(s, &event) ? SSE_END : 0;
}

static void stopped(sse_stream s, void *user) {
    sse_event event;
    (void)user;
    memset(&event, 0, sizeof event);
    event.event = "stopping";
    sse_stream_send(s, &event);
    sse_publish(the_app, "stopping", &event);
}

static void count_closed(sse_stream s, sse_reason reason, void *user) {
    on_close(s, reason, NULL);
    free(user);
}

static void stream(sse_req *req, void *user) { /* /stream/{kind}: one kind an option */
    static const sse_event first = {.event = "first", .data = "1"};
    static const sse_event last = {.event = "last", .data = "2"};
    static const sse_event bad = {.event = "a\nb", .data = "2"};
    const char            *kind = sse_param(req, "kind");
    sse_stream_options     o;
    sse_stream             s;
    int                   *left_of = (int *)malloc(sizeof *left_of);
    (void)user;
    memset(&o, 0, sizeof o);
    *left_of = 3;
    o.user = left_of;
    o.on_close = count_closed;
    o.label = kind;
    opened++;
    if (strcmp(kind, "ping") == 0) o.ping_ms = 50;
    if (strcmp(kind, "pings") == 0) o.ping_ms = 50, o.on_ping = ping;
    if (strcmp(kind, "noping") == 0) o.ping_ms = SSE_OFF;
    if (strcmp(kind, "both") == 0) o.first = &first, o.last = &last, o.lifetime_ms = 50;
    if (strcmp(kind, "retry") == 0) o.retry_ms = 1000, o.retry_spread_ms = 500;
    if (strcmp(kind, "spread") == 0) o.retry_ms = 2147483647, o.retry_spread_ms = 2147483647;
    if (strcmp(kind, "step") == 0) o.step = count_down, o.last = &last;
    if (strcmp(kind, "flood") == 0) o.step = flood, o.send_timeout_ms = 300;
    if (strcmp(kind, "badfirst") == 0) o.first = &bad;
    if (strcmp(kind, "badlast") == 0) o.last = &bad;
    if (strcmp(kind, "status") == 0) o.status = 204;
    if (strcmp(kind, "raw") == 0)
        o.type = "multipart/x-mixed-replace; boundary=frame", o.ping_ms = 10;
    if (strcmp(kind, "queue") == 0) o.max_queue_bytes = 65536;
    if (strcmp(kind, "stop") == 0) o.on_stop = stopped, o.last = &last;
    if (strcmp(kind, "cache") == 0) sse_set_header(req, "Cache-Control", "public, max-age=29");
    s = sse_stream_open(req, &o);
    if (strcmp(kind, "raw") == 0) {
        sse_event event;
        memset(&event, 0, sizeof event);
        event.data = "x";
        if (sse_stream_send(s, &event) != SSE_E_STATE || sse_subscribe(s, "x") != SSE_E_ARG)
            abort();
        sse_stream_write(s, "--frame\r\n", 9);
        sse_stream_write(s, "", 0);
        sse_stream_write(s, "jpeg\0jpeg\r\n", 11);
    }
    if (strcmp(kind, "stop") == 0) sse_subscribe(s, "stopping");
    if (strcmp(kind, "ended") == 0) {
        sse_stream_send(s, &first);
        sse_stream_end(s, &last);
        if (sse_stream_end(s, &last) != SSE_E_CLOSED || sse_stream_send(s, &last) != SSE_E_CLOSED ||
            sse_stream_is_open(s))
            abort();
    }
    if (strcmp(kind, "twice") == 0 && sse_stream_is_open(sse_stream_open(req, &o))) abort();
    if (strcmp(kind, "named") == 0) {
        sse_event event;
        memset(&event, 0, sizeof event);
        event.event = "id";
        event.data = sse_stream_id(s);
        sse_stream_send(s, &event);
    }
}

static void to(sse_req *req, void *user) { /* POST /to/{id}: to one stream */
    sse_event event;
    int       error;
    (void)user;
    memset(&event, 0, sizeof event);
    event.data = sse_body(req).ptr;
    event.data_len = sse_body(req).len;
    error = sse_stream_send(sse_stream_find(sse_req_app(req), sse_param(req, "id")), &event);
    if (error) sse_fail(req, 404, "%s", sse_error_text(error));
}

/* POST /end?who=x&label=y&topic=t&all: closes what matches */
static void end(sse_req *req, void *user) {
    sse_filter f;
    sse_event  last;
    (void)user;
    memset(&f, 0, sizeof f);
    memset(&last, 0, sizeof last);
    last.event = "bye";
    f.who = sse_query(req, "who");
    f.label = sse_query(req, "label");
    f.topic = sse_query(req, "topic");
    f.all = sse_query(req, "all") != NULL;
    sse_printf(sse_out(req), "%d ", sse_streams_count(sse_req_app(req), &f));
    sse_printf(sse_out(req), "%d", sse_streams_close(sse_req_app(req), &f, &last));
}

static void nothing(sse_req *req, void *user) { (void)req, (void)user; }
static void no_more(sse_req *req, void *user) {
    (void)user;
    sse_set_status(req, 204);
}

static void stats(sse_req *req, void *user) {
    sse_stats s;
    int       i;
    (void)user;
    memset(&s, 0, sizeof s);
    sse_stats_get(sse_req_app(req), &s);
    sse_json(sse_out_json(req),
        "{\"connections\":%llu,\"streams\":%llu,\"events\":%llu,\"topics\":%llu,\"resumes\":%llu,"
        "\"gaps\":%llu,\"drops\":%llu,\"ticks\":%lld,\"opened\":%lld,\"closed\":[",
        (unsigned long long)s.connections, (unsigned long long)s.streams,
        (unsigned long long)s.events, (unsigned long long)s.topics, (unsigned long long)s.resumes,
        (unsigned long long)s.gaps, (unsigned long long)s.drops, ticks, opened);
    for (i = 0; i <= SSE_BY_ERROR; i++)
        sse_printf(sse_out(req), "%lld%s", closed[i], i < SSE_BY_ERROR ? "," : "]}");
}

/* ---- setting up ---- */

static void set_up_topics(sse_app *app) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.history = 100;
    o.greet = 3;
    sse_topic(app, "kept.*", &o);
    o.greet = 0;
    o.gap_event = "begin-again";
    o.history = 10;
    sse_topic(app, "kept.short*", &o);
    memset(&o, 0, sizeof o);
    o.history_bytes = 100000000;
    sse_topic(app, "large*", &o);
    o.history_bytes = 1000;
    sse_topic(app, "bytes", &o);
    memset(&o, 0, sizeof o);
    o.history_age_ms = patient(300);
    sse_topic(app, "aged*", &o);
    memset(&o, 0, sizeof o);
    o.overflow = SSE_DROP_OLDEST;
    sse_topic(app, "drop", &o);
    o.overflow = SSE_KEEP_NEWEST;
    sse_topic(app, "newest", &o);
    memset(&o, 0, sizeof o);
    o.history = 100000;
    o.db = db;
    if (db) sse_topic(app, "db.*", &o);
    o.history = 20;
    if (db) sse_topic(app, "db.few", &o);
    memset(&o, 0, sizeof o);
    o.on_join = joined;
    o.on_leave = left;
    o.leave_ms = patient(150);
    o.user = (void *)"joined";
    o.history = 5;
    sse_topic(app, "room.*", &o);
}

/* A farewell that its queue has no room for. */
static void long_farewell(sse_req *req, void *user) {
    static char        text[4001];
    sse_stream_options o;
    sse_event          last;
    sse_stream         s;
    size_t             i;
    (void)user;
    for (i = 0; i + 1 < sizeof text; i++) text[i] = (char)('!' + (i * i * 31 + i / 7) % 90);
    memset(&o, 0, sizeof o);
    memset(&last, 0, sizeof last);
    last.data = text;
    o.last = &last;
    o.max_queue_bytes = 2000;
    s = sse_stream_open(req, &o);
    last.data = "hello";
    sse_stream_send(s, &last);
    sse_stream_end(s, NULL);
}

int main(int argc, char **argv) {
    sse_app_options   options;
    sse_serve_options serve;
    const char       *port = getenv("PORT"), *max_topics = getenv("MAX_TOPICS");
    int               error;
    memset(&options, 0, sizeof options);
    memset(&serve, 0, sizeof serve);
    if (argc > 1) db = sse_db_open(argv[1], NULL);
    options.on_init = ready;
    options.max_topics = (int)sse_parse_int(max_topics, 0);
    options.check_utf8 = getenv("UTF8") != NULL;
    the_app = sse_app_new(&options);
    set_up_topics(the_app);
    sse_get(the_app, "/topics/{topics}", subscribe, NULL);
    sse_post(the_app, "/topics/{topics}", publish, NULL);
    sse_post(the_app, "/threads", threads, NULL);
    sse_post(the_app, "/ticking", ticking, NULL);
    sse_get(the_app, "/who/{topic}", who, NULL);
    sse_get(the_app, "/history/{topic}", history, NULL);
    sse_get(the_app, "/stream/{kind}", stream, NULL);
    sse_post(the_app, "/to/{id}", to, NULL);
    sse_post(the_app, "/end", end, NULL);
    sse_get(the_app, "/long-farewell", long_farewell, NULL);
    sse_get(the_app, "/nothing", nothing, NULL);
    sse_get(the_app, "/no-more", no_more, NULL);
    sse_get(the_app, "/stats", stats, NULL);
    serve.port = (int)sse_parse_int(port, SSE_ANY_PORT);
    serve.grace_ms = patient(1000);
    serve.senders = (int)sse_parse_int(getenv("SENDERS"), 0);
    error = sse_serve(the_app, &serve);
    sse_app_free(the_app);
    sse_db_close(db);
    if (error) fprintf(stderr, "%s\n", sse_error_text(error));
    return error != 0;
}
