/* ready.h: on_init of a server that a test runs: says where it listens. Include it after sse.h. */
static void ready(sse_app *app, void *user) {
    (void)user;
    printf("listening on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}
