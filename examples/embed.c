/* embed.c: a web server as a guest of a program that has a main loop of its own: of poll(), of
   libuv (-DUSE_LIBUV -luv) or of GLib, as GTK's is (-DUSE_GLIB `pkg-config --cflags --libs
   glib-2.0`). The program reads lines from its input and beats once a second; the page shows both.
   The guest takes three calls: sse_fd to wait for, sse_next_ms for how long, sse_poll when it is
   time. PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of its client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static sse_app *app;
static long     beats, lines;
static char     line[200];                                       // the last one
static size_t   at;

static void beat(void) {                                         // the program's own timer
    beats++;
    sse_touch(app, "/state");
}

static bool read_input(void) {                                   // its own descriptor
    char          bytes[512];
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') lines++, at = 0;
        else if (at < sizeof line - 1) line[at++] = bytes[i], line[at] = '\0';
    }
    sse_touch(app, "/state");
    return n > 0;                                                // false: that was the end
}

#if defined(USE_LIBUV)
#include <uv.h>
static const char   loop_name[] = "libuv";
static uv_poll_t    server, input;
static uv_timer_t   beats_timer, due;
static uv_prepare_t before_waiting;
static void turn(void) { if (sse_poll(app, 0) <= 0) uv_stop(uv_default_loop()); }
static void on_due(uv_timer_t *t) { (void)t, turn(); }
static void on_beat(uv_timer_t *t) { (void)t, beat(); }
static void on_fd(uv_poll_t *p, int status, int events) {
    (void)events;
    if (p == &server) turn();
    else if (status || !read_input()) uv_poll_stop(p);
}
static void on_waiting(uv_prepare_t *p) {
    const int ms = sse_next_ms(app);
    (void)p;
    if (ms < 0) uv_timer_stop(&due);
    else uv_timer_start(&due, on_due, (uint64_t)ms, 0);
}
static void run(void) {
    uv_loop_t *loop = uv_default_loop();
    uv_timer_init(loop, &due), uv_timer_init(loop, &beats_timer);
    uv_timer_start(&beats_timer, on_beat, 1000, 1000);
    uv_prepare_init(loop, &before_waiting), uv_prepare_start(&before_waiting, on_waiting);
    uv_poll_init(loop, &server, sse_fd(app)), uv_poll_start(&server, UV_READABLE, on_fd);
    if (uv_poll_init(loop, &input, STDIN_FILENO) == 0) uv_poll_start(&input, UV_READABLE, on_fd);
    uv_run(loop, UV_RUN_DEFAULT);
}
#elif defined(USE_GLIB)
#include <glib-unix.h>
static const char loop_name[] = "GLib";
static GMainLoop *loop;
static gpointer   server;                                        // sse_fd, as a source knows it
static gboolean prepare(GSource *s, gint *ms) { return (void)s, (*ms = sse_next_ms(app)) == 0; }
static gboolean check(GSource *s) {
    return g_source_query_unix_fd(s, server) != 0 || sse_next_ms(app) == 0;
}
static gboolean turn(GSource *s, GSourceFunc fn, gpointer user) {
    (void)s, (void)fn, (void)user;
    if (sse_poll(app, 0) <= 0) g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}
static gboolean on_beat(gpointer user) { return (void)user, beat(), G_SOURCE_CONTINUE; }
static gboolean on_input(gint fd, GIOCondition c, gpointer user) {
    (void)fd, (void)c, (void)user;
    return read_input() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}
static void run(void) {
    static GSourceFuncs guest = { .prepare = prepare, .check = check, .dispatch = turn };
    GSource *source = g_source_new(&guest, sizeof *source);
    server = g_source_add_unix_fd(source, sse_fd(app), G_IO_IN);
    g_source_attach(source, NULL);
    g_timeout_add(1000, on_beat, NULL);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, NULL);
    loop = g_main_loop_new(NULL, FALSE);
    g_main_loop_run(loop);
}
#else
#include <poll.h>
static const char loop_name[] = "poll()";
static long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void run(void) {
    struct pollfd fds[2] = {{ sse_fd(app), POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 }};
    long long     next   = now_ms() + 1000;
    do {
        const int own = (int)(next - now_ms()), guest = sse_next_ms(app);
        poll(fds, 2, own < 0 ? 0 : guest < 0 || guest > own ? own : guest);
        if (fds[1].revents && !read_input()) fds[1].fd = -1;
        if (now_ms() >= next) next += 1000, beat();
    } while (sse_poll(app, 0) > 0);
}
#endif

static void state(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_html(html, "<main id=\"state\"><p><b>%ld</b> beats</p>\n<p><b>%ld</b> lines of its input; "
                   "the last one:</p><pre>%s</pre></main>\n", beats, lines, line);
}

int main(void) {
    app = sse_app_new(NULL);
    sse_get(app, "/", page, NULL);
    sse_live(app, "/state", state, NULL);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    if (sse_listen(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) }))
        return 1;
    sse_stop_on_signals(app);
    printf("a guest of %s is on http://127.0.0.1:%d\n", loop_name, sse_port(app));
    fflush(stdout);
    run();
    sse_app_free(app);
    return 0;
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Guest</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\n"
    "<script type=\"module\" src=\"/datastar.js\"></script><style>\n"
    ":root { color-scheme: light dark; background: light-dark(#f6f3ee, #181613) }\n"
    "body { max-width: 26rem; margin: 3rem auto; padding: 0 1rem; font: 1.1rem/1.5 system-ui }\n"
    "h1 { font-size: 1.3rem } p { margin: .5rem 0 } b { font-size: 2.6rem; font-weight: 300 }\n"
    "pre { background: light-dark(#fff, #25221e); padding: 1rem; border-radius: .8rem;\n"
    "      min-height: 1.5em; white-space: pre-wrap; overflow-wrap: anywhere }\n"
    "</style></head><body ";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_follow(out, "/state");
    sse_html(out, "><h1>A guest in a loop of %s</h1>\n", loop_name);
    state(NULL, out, user);                                      // the state of now
    sse_puts(out, "<p role=\"status\" data-show=\"$_offline\" style=\"display: none\">"
                  "Not connected. Trying again...</p></body></html>\n");
}
