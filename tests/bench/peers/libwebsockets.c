/* What tests/bench/peers.c asks of a server, by libwebsockets: /hello, and /events with as many
   events of 1 KB for all as a byte on standard input says. On its default loop, which is poll().
   Build with -lwebsockets. */
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENT = 1024 };

struct session {
    struct session *next;
    struct lws     *wsi;
    int             pending, hello, welcome;
};

static struct session *watching;
static char            event[LWS_PRE + EVENT + 1];

static int say_hello(struct lws *wsi) {
    unsigned char  text[LWS_PRE + 1024], *start = text + LWS_PRE, *p = start;
    const char     name[] = "<h1>hello world</h1>";
    const size_t   len = sizeof name - 1;
    unsigned char *end = text + sizeof text - 1;
    if (lws_add_http_common_headers(wsi, HTTP_STATUS_OK, "text/html", len, &p, end)) return 1;
    if (lws_finalize_write_http_header(wsi, start, &p, end)) return 1;
    memcpy(start, name, len);
    if (lws_write(wsi, start, len, LWS_WRITE_HTTP_FINAL) != (int)len) return 1;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int begin(struct lws *wsi, struct session *s, const char *path) {
    unsigned char text[LWS_PRE + 1024], *start = text + LWS_PRE, *p = start,
                                        *end = text + sizeof text - 1;
    if (strncmp(path, "/events", 7) != 0) {
        s->hello = 1;
        lws_callback_on_writable(wsi);
        return 0;
    }
    if (lws_add_http_common_headers(wsi, HTTP_STATUS_OK, "text/event-stream",
            LWS_ILLEGAL_HTTP_CONTENT_LEN, &p, end) ||
        lws_finalize_write_http_header(wsi, start, &p, end))
        return 1;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    s->wsi = wsi;
    s->welcome = 1;
    s->next = watching;
    watching = s;
    lws_callback_on_writable(wsi);
    return 0;
}

static int write_one(struct lws *wsi, struct session *s) {
    if (s->welcome) {
        unsigned char text[LWS_PRE + 32];
        memcpy(text + LWS_PRE, "data: welcome\n\n", 15);
        s->welcome = 0;
        if (lws_write(wsi, text + LWS_PRE, 15, LWS_WRITE_HTTP) != 15) return -1;
    } else if (s->pending) {
        s->pending--;
        if (lws_write(wsi, (unsigned char *)event + LWS_PRE, EVENT, LWS_WRITE_HTTP) != EVENT)
            return -1;
    }
    if (s->pending) lws_callback_on_writable(wsi);
    return 0;
}

static int http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len) {
    struct session *s = user, **at;
    switch (reason) {
    case LWS_CALLBACK_HTTP: memset(s, 0, sizeof *s); return begin(wsi, s, in);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        if (s && s->hello) return say_hello(wsi);
        return s && s->wsi ? write_one(wsi, s) : 0;
    case LWS_CALLBACK_CLOSED_HTTP:
        for (at = &watching; *at && *at != s;) at = &(*at)->next;
        if (*at) *at = s->next;
        return 0;
    default: return lws_callback_http_dummy(wsi, reason, user, in, len);
    }
}

static int publish(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
    size_t len) {
    char            count;
    struct session *s;
    (void)wsi, (void)user, (void)in, (void)len;
    if (reason != LWS_CALLBACK_RAW_RX_FILE) return 0;
    if (read(0, &count, 1) != 1) exit(0);
    for (s = watching; s; s = s->next) {
        s->pending += count;
        lws_callback_on_writable(s->wsi);
    }
    return 0;
}

int main(void) {
    static const struct lws_protocols protocols[] = {
        {"http", http, sizeof(struct session), 0, 0, NULL, 0},
        {"publish", publish, 0, 0, 0, NULL, 0},
        {NULL, NULL, 0, 0, 0, NULL, 0},
    };
    struct lws_context_creation_info info;
    struct lws_context              *context;
    struct lws_vhost                *host;
    lws_sock_file_fd_type            in;
    memset(&info, 0, sizeof info);
    memset(event, '0', sizeof event);
    memcpy(event + LWS_PRE, "data: ", 6);
    memcpy(event + LWS_PRE + EVENT - 2, "\n\n", 2);
    lws_set_log_level(LLL_ERR, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    context = lws_create_context(&info);
    if (!context) return 1;
    info.port = atoi(getenv("PORT"));
    info.iface = "127.0.0.1";
    info.protocols = protocols;
    info.keepalive_timeout = 600;
    host = lws_create_vhost(context, &info);
    if (!host) return 1;
    in.filefd = 0;
    if (!lws_adopt_descriptor_vhost(host, LWS_ADOPT_RAW_FILE_DESC, in, "publish", NULL)) return 1;
    while (lws_service(context, 0) >= 0) {
    }
    return 0;
}
