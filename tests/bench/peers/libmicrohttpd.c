/* What tests/bench/peers.c asks of a server, by libmicrohttpd: /hello, and /events with as many
   events of 1 KB for all as a byte on standard input says. Its epoll in a loop of ours, connections
   suspended while nothing is to be sent. Build with -lmicrohttpd. */
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <unistd.h>

enum { EVENT = 1024 };

struct stream {
    struct stream         *next, *before;
    struct MHD_Connection *connection;
    int                    pending, welcome, suspended;
};

static struct stream *watching;
static char           event[EVENT];

static ssize_t more(void *user, uint64_t at, char *out, size_t room) {
    struct stream *s = user;
    (void)at;
    if (s->welcome) {
        s->welcome = 0;
        memcpy(out, "data: welcome\n\n", 15);
        return 15;
    }
    if (!s->pending || room < EVENT) {
        s->suspended = 1;
        MHD_suspend_connection(s->connection);
        return 0;
    }
    s->pending--;
    memcpy(out, event, EVENT);
    return EVENT;
}

static void gone(void *user) {
    struct stream *s = user;
    if (s->next) s->next->before = s->before;
    if (s->before) s->before->next = s->next;
    else watching = s->next;
    free(s);
}

static enum MHD_Result open_stream(struct MHD_Connection *connection) {
    struct stream       *s = calloc(1, sizeof *s);
    struct MHD_Response *response;
    enum MHD_Result      result;
    if (!s) return MHD_NO;
    s->connection = connection;
    s->welcome = 1;
    s->next = watching;
    if (watching) watching->before = s;
    watching = s;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 2 * EVENT, more, s, gone);
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *body, size_t *body_len, void **seen) {
    static char          hello[] = "<h1>hello world</h1>";
    struct MHD_Response *response;
    enum MHD_Result      result;
    (void)user, (void)method, (void)version, (void)body, (void)body_len;
    if (!*seen) {
        *seen = hello;
        return MHD_YES;
    }
    if (strcmp(path, "/events") == 0) return open_stream(connection);
    response = MHD_create_response_from_buffer(sizeof hello - 1, hello, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "text/html");
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void publish(void) {
    char           count;
    struct stream *s;
    if (read(0, &count, 1) != 1) exit(0);
    for (s = watching; s; s = s->next) {
        s->pending += count;
        if (!s->suspended) continue;
        s->suspended = 0;
        MHD_resume_connection(s->connection);
    }
}

int main(void) {
    struct sockaddr_in to;
    struct MHD_Daemon *d;
    struct pollfd      ready[2];
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((unsigned short)atoi(getenv("PORT")));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(event, '0', sizeof event);
    memcpy(event, "data: ", 6);
    memcpy(event + EVENT - 2, "\n\n", 2);
    d = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&to, MHD_OPTION_CONNECTION_LIMIT, 20000u,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192,
        MHD_OPTION_END);
    if (!d) return 1;
    ready[0].fd = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    ready[1].fd = 0;
    ready[0].events = ready[1].events = POLLIN;
    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait_ms;
        const int              timed = MHD_get_timeout(d, &wait_ms) == MHD_YES;
        if (poll(ready, 2, timed ? (int)wait_ms : -1) < 0) return 1;
        if (ready[1].revents) publish();
        MHD_run(d);
    }
}
