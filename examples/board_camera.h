/* board_camera.h: a camera for many browsers. A command that prints JPEGs, one behind the other,
   runs while somebody looks; each picture goes to all, and one who is slow misses some. In a page:
   <img src="/camera">. The body of the reply never ends: a raw stream. */
#include <signal.h>
#include <sys/prctl.h>

static const sse_filter camera_lookers = { .label = "camera" };
static struct { const char *command; int fd; pid_t pid; sse_buf come, part; } camera = { .fd = -1 };

static void camera_start(sse_app *app, void *user);

static void camera_stop(sse_app *app) {
    if (camera.fd < 0) return;
    sse_watch(app, camera.fd, 0, NULL, NULL);
    close(camera.fd);
    kill(-camera.pid, SIGTERM);                                  // all of a pipeline
    sse_buf_free(&camera.come);
    camera.fd = -1;
}

static bool camera_show(sse_stream s, void *user) {
    (void)user;
    if (sse_stream_pending(s) == 0) sse_stream_write(s, camera.part.ptr, camera.part.len);
    return true;
}

static void camera_picture(sse_app *app, size_t len) {           // the first len bytes are one
    camera.part.len = 0;
    sse_printf(&camera.part, "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", len);
    sse_raw(&camera.part, camera.come.ptr, len);
    sse_puts(&camera.part, "\r\n--part\r\n");                    // at once: it is what shows it
    sse_streams_each(app, &camera_lookers, camera_show, NULL);
    memmove(camera.come.ptr, camera.come.ptr + len, camera.come.len -= len);
}

static void camera_read(sse_app *app, int fd, int events, void *user) {
    char    piece[16384];
    ssize_t n  = read(fd, piece, sizeof piece);
    size_t  at = camera.come.len ? camera.come.len - 1 : 0;      // an end may come in two pieces
    (void)events;
    if (n > 0) sse_raw(&camera.come, piece, (size_t)n);
    if (n <= 0 || camera.come.error || camera.come.len > 900000) { // it is over, or no picture
        camera_stop(app);
        sse_after(app, 1000, camera_start, user);
    }
    for (; at + 1 < camera.come.len; at++)
        if (memcmp(camera.come.ptr + at, "\xFF\xD9", 2) == 0) camera_picture(app, at + 2), at = 0;
}

static void camera_start(sse_app *app, void *user) {
    int p[2];
    if (camera.fd >= 0 || sse_streams_count(app, &camera_lookers) == 0 || pipe(p)) return;
    signal(SIGCHLD, SIG_IGN);                                    // nobody waits for it
    camera.pid = fork();
    if (camera.pid == 0) {
        signal(SIGCHLD, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);                        // if the server is killed
        setpgid(0, 0), dup2(p[1], 1), close(p[0]), close(p[1]);
        execl("/bin/sh", "sh", "-c", camera.command, (char *)NULL);
        _exit(127);
    }
    close(p[1]);
    if (camera.pid < 0) { close(p[0]); return; }
    setpgid(camera.pid, camera.pid);                             // whoever of the two is first
    camera.fd = p[0];
    sse_watch(app, camera.fd, SSE_READ, camera_read, user);
}

static void camera_left(sse_stream s, sse_reason reason, void *app) {
    (void)s, (void)reason;
    if (sse_streams_count((sse_app *)app, &camera_lookers) == 0) camera_stop((sse_app *)app);
}

static void camera_look(sse_req *req, void *user) {              // GET /camera
    sse_stream s = sse_stream_open(req, &(sse_stream_options){
        .type = "multipart/x-mixed-replace; boundary=part", .label = "camera",
        .on_close = camera_left, .user = sse_req_app(req) });
    sse_stream_write(s, "--part\r\n", 8);
    camera_start(sse_req_app(req), user);
}
