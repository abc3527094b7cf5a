/* dial.h: an app and its clients in one process and one thread, for tests that look inside. Include
   it after sse.h and tap.h. GET /s?who=ann&label=tab opens a stream and hands it to opening; what a
   client received is text(). */
#ifndef DIAL_H
#define DIAL_H
#pragma GCC diagnostic ignored "-Wunused-function" /* no test needs all of it */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { CLIENTS = 2100, RECEIVED = 32768 };

typedef struct client {
    int    fd;
    char  *got;
    size_t len;
    bool   over;
} client;

static client     clients[CLIENTS];
static int        nclients, nclosed;
static sse_stream newest; /* the stream that was opened last */
static void (*opening)(sse_req *req, sse_stream s);
static void (*closing)(sse_stream s, sse_reason reason);

static void dial_closed(sse_stream s, sse_reason reason, void *user) {
    (void)user;
    nclosed++;
    if (closing) closing(s, reason);
}

static void dial_open(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    o.label = sse_query(req, "label");
    o.on_close = dial_closed;
    newest = sse_stream_open(req, &o);
    if (opening) opening(req, newest);
}

static void hear(void) { /* what has arrived for anybody */
    int i;
    for (i = 0; i < nclients; i++) {
        client *c = &clients[i];
        ssize_t n = 1;
        while (c->fd >= 0 && c->len < RECEIVED - 1 &&
               (n = recv(c->fd, c->got + c->len, RECEIVED - 1 - c->len, MSG_DONTWAIT)) > 0)
            c->len += (size_t)n;
        c->got[c->len] = '\0';
        if (n == 0) c->over = true;
    }
}

static void turns(sse_app *app, int n) {
    while (n-- > 0 && sse_poll(app, 1) > 0) hear();
    hear();
}

static sse_app *dial_app(const sse_app_options *options) {
    sse_app          *app = sse_app_new(options);
    sse_serve_options serve;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    sse_get(app, "/s", dial_open, NULL);
    is_int(sse_listen(app, &serve), 0, "listening");
    opening = NULL;
    closing = NULL;
    nclosed = 0;
    return app;
}

/* A client that has sent these bytes, if it could. */
static client *send_from_new(sse_app *app, const void *bytes, size_t n) {
    struct sockaddr_in to;
    client            *c = &clients[nclients++];
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)sse_port(app));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    c->got = (char *)calloc(1, RECEIVED);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) ||
        send(c->fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
        perror("a client");
    return c;
}

/* Asks for a path, with these head lines or as an EventSource, and turns the loop until it is
   answered or hung up on. Returns the client. */
static client *dial(sse_app *app, const char *path, const char *head) {
    char    request[1024];
    client *c;
    int     i;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
        head ? head : "Accept: text/event-stream\r\n");
    c = send_from_new(app, request, strlen(request));
    for (i = 0; i < 3000 && !c->len && !c->over; i++) turns(app, 1);
    return c;
}

static void hang_up(client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static void dial_free(sse_app *app) {
    sse_app_free(app);
    while (nclients) {
        hang_up(&clients[--nclients]);
        free(clients[nclients].got);
        memset(&clients[nclients], 0, sizeof clients[0]);
    }
}

static int times(const client *c, const char *what) { /* how often it received this */
    const char *at = c->got;
    int         n = 0;
    while ((at = strstr(at, what)) != NULL) n++, at += strlen(what);
    return n;
}

static void say(sse_app *app, const char *topic, const char *data) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = data;
    sse_publish(app, topic, &event);
}
#endif
