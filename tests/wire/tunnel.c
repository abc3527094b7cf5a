/* tunnel.c: serves through a tunnel. usage: tunnel [COMMAND]; prints both addresses. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "hello");
}

static void address(sse_req *req, void *user) { /* what is known by now */
    const char *url = sse_tunnel_url(*(sse_tunnel **)user, 0);
    sse_puts(sse_out(req), url ? url : "none");
}

static void stop(sse_req *req, void *user) {
    (void)req;
    sse_tunnel_stop(*(sse_tunnel **)user);
    *(sse_tunnel **)user = NULL;
}

int main(int argc, char **argv) {
    sse_app          *app = sse_app_new(NULL);
    sse_tunnel       *tunnel = NULL;
    sse_serve_options serve;
    const char       *url;
    int               error;
    memset(&serve, 0, sizeof serve);
    serve.port = SSE_ANY_PORT;
    serve.grace_ms = 300;
    sse_get(app, "/", hello, NULL);
    sse_get(app, "/address", address, &tunnel);
    sse_post(app, "/stop", stop, &tunnel);
    if (sse_tunnel_start(app, "true")) return 2; /* it does not listen yet */
    if (sse_listen(app, &serve)) return 3;
    tunnel = sse_tunnel_start(app, argc > 1 ? argv[1] : NULL);
    if (tunnel && sse_tunnel_start(app, "true")) return 4; /* one is enough */
    url = sse_tunnel_url(tunnel, argc > 2 ? atoi(argv[2]) : 5000);
    printf("listening on http://127.0.0.1:%d, tunnel %s\n", sse_port(app), url ? url : "none");
    fflush(stdout);
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
