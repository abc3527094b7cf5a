/* come.h: a client at any address of an app, as a unix socket. Include it after sse.h. */
#ifndef COME_H
#define COME_H
#pragma GCC diagnostic ignored "-Wunused-function" /* no test needs all of it */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Its socket, by which it has sent the request. */
static int come_with(sse_app *app, const char *host, const char *request) {
    sse__address a;
    const size_t n = strlen(request);
    int          fd;
    sse__address_parse(&a, host, sse_port(app));
    fd = socket(a.to.any.sa_family, SOCK_STREAM, 0);
    if (connect(fd, &a.to.any, a.len) || send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
        perror(host);
    return fd;
}

/* What it is answered, "" if it is hung up on. It goes then. */
static const char *answered(sse_app *app, int fd) {
    static char text[2000];
    ssize_t     n = -1;
    int         i;
    for (i = 0; i < 2000 && n < 0; i++) {
        sse_poll(app, 5);
        n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
        if (n < 0 && errno == ECONNRESET) n = 0;
    }
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return text;
}
#endif
