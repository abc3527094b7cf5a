/* board.c: the page of an embedded board: its temperature, load and memory, the lines of its serial
   port, an input, a camera, and a file that becomes its firmware. It needs no library:
       arm-linux-gnueabihf-gcc -Os -static board.c -o board
       ./board -l 0.0.0.0 -s /dev/ttyUSB0 -g /sys/class/gpio/gpio17/value
               -c 'rpicam-vid -n -t 0 --codec mjpeg -o -'
   -t FILE holds thousandths of a degree; -i MS are between samples; PASSWORD is that of admin.
   PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of Datastar's client. */
#define SSE_NO_SQLITE
#define SSE_NO_BROTLI
#define SSE_NO_THREADS
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <termios.h>
#include "board_camera.h"                                        // camera_look
#include "board_page.h"                                          // gauge, chart, page_head, ...

enum { SAMPLES = 120, LINES = 8, LENGTH = 160 };

static const char *given[128];                                   // by the letters of the options
static double      temp[SAMPLES], load, memory;                  // temp: at sample % SAMPLES
static long        sample, lines;
static char        line[LINES][LENGTH], told[120] = "None was sent yet.";
static int         serial = -1, input = -1, on, percent;

static double number(const char *file, const char *name) {       // what stands behind name there
    char   text[2048];
    FILE  *f = fopen(file, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = '\0';
    const char *at = n ? strstr(text, name) : NULL;
    return at ? strtod(at + strlen(name), NULL) : NO_READING;
}

static void edge(sse_app *app, int fd, int events, void *user) { // at the input, or a timer
    char c = '0';
    (void)events, (void)user;
    if (lseek(fd, 0, SEEK_SET) == 0 && read(fd, &c, 1) == 1) on = c == '1';
    sse_touch(app, "/board");
}

static void take_sample(sse_app *app, void *user) {
    const char *thermal = given['t'] ? given['t'] : "/sys/class/thermal/thermal_zone0/temp";
    temp[++sample % SAMPLES] = number(thermal, "") / 1000;
    load   = number("/proc/loadavg", "");
    memory = 100 - 100 * number("/proc/meminfo", "MemAvailable:")
                 / number("/proc/meminfo", "MemTotal:");
    if (input < 0 && given['g']) {
        input = open(given['g'], O_RDONLY | O_CLOEXEC);
        if (input >= 0) sse_watch(app, input, SSE_PRI, edge, user); // refused for a plain file
    }
    if (input >= 0) edge(app, input, 0, user);
    sse_touch(app, "/board");
}

static void serial_open(sse_app *app, void *user);

static void serial_line(sse_app *app, const char *text, void *user) {
    if (text) snprintf(line[lines++ % LINES], LENGTH, "%s", text);
    else close(serial), serial = -1, sse_after(app, 1000, serial_open, user); // unplugged, perhaps
    sse_touch(app, "/board");
}

static void serial_open(sse_app *app, void *user) {
    struct termios t;
    serial = open(given['s'], O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (serial >= 0 && tcgetattr(serial, &t) == 0) {
        cfmakeraw(&t), cfsetspeed(&t, B115200);
        tcsetattr(serial, TCSANOW, &t);
    }
    if (serial >= 0) sse_watch_lines(app, serial, serial_line, user);
    else sse_after(app, 1000, serial_open, user);
}

static void board(sse_view *view, sse_buf *html, void *user) {   // ONCE for all who look
    (void)view, (void)user;
    sse_puts(html, "<main id=\"board\"><section id=\"gauges\">");
    gauge(html, "Temperature", temp[sample % SAMPLES], 100, "\302\260C");
    gauge(html, "Load", load, (double)sysconf(_SC_NPROCESSORS_ONLN), "1 minute");
    gauge(html, "Memory", memory, 100, "% in use");
    sse_puts(html, "</section>\n");
    chart(html, temp, sample, SAMPLES);
    if (input >= 0) sse_html(html, "<section id=\"input\" class=\"%s\"><h2>Input</h2>%s</section>",
                             on ? "on" : "off", on ? "on" : "off");
    sse_html(html, "<section><h2>Serial port</h2><small>%s</small><ol role=\"log\">",
             serial < 0 ? "None is there." : given['s']);
    for (long i = lines < LINES ? 0 : lines - LINES; i < lines; i++)
        sse_html(html, "<li id=\"l%ld\">%s</li>", i, line[i % LINES]);
    sse_html(html, "</ol></section>\n<section><h2>Firmware</h2><progress max=\"100\" value=\"%d\" "
             "aria-label=\"Sent\"></progress><p id=\"firmware\">%s</p></section></main>\n",
             percent, told);
}

static void progress(sse_app *app, const char *topic, const sse_event *event, void *user) {
    sse_str json = { event->data, strlen(event->data) }, bytes, total;
    (void)topic, (void)user;
    if (sse_json_get(json, "bytes", &bytes) || sse_json_get(json, "total", &total)) return;
    percent = (int)(100 * strtod(bytes.ptr, NULL) / strtod(total.ptr, NULL));
    sse_touch(app, "/board");
}

static void stored(sse_req *req, const sse_body_file *file, void *user) {
    if (file->error) snprintf(told, sizeof told, "Not stored: %s", sse_error_text(file->error));
    else snprintf(told, sizeof told, "%s has %llu bytes.", file->path, file->bytes);
    if (!file->error && !sse_header(req, "Datastar-Request")) sse_redirect(req, "/");
    sse_touch((sse_app *)user, "/board");
}

static void upload(sse_req *req, void *user) {
    sse_body_to_file(req, "firmware.bin", stored, &(sse_body_file_options){
        .field = "file", .topic = "firmware", .user = user });
}

static void admin(sse_req *req, void *password) {                // before all handlers
    if (password) sse_auth_basic(req, "board", "admin", (const char *)password);
}

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_follow(out, "/board");
    sse_html(out, page_top, number("/proc/uptime", "") / 3600);
    if (camera.command) sse_puts(out, page_camera);
    board(NULL, out, user);                                      // the state of now
    sse_puts(out, page_form);
}

static void ready(sse_app *app, void *user) {
    if (given['s']) serial_open(app, user);
    take_sample(app, user);
    printf("the board is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(int argc, char **argv) {
    for (int c; (c = getopt(argc, argv, "c:g:i:l:s:t:")) > 0; given[c] = optarg)
        if (c == '?') return 2;
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready, .compress_window = 16 });
    sse_before(app, NULL, admin, getenv("PASSWORD"));
    sse_get(app, "/", page, NULL);
    if ((camera.command = given['c']) != NULL) sse_get(app, "/camera", camera_look, NULL);
    sse_route(app, "/firmware", upload, app, &(sse_route_options){
        .method = "POST", .body_later = true, .max_body_bytes = 64 << 20 });
    sse_topic_listen(app, "firmware", progress, NULL);
    sse_live(app, "/board", board, &(sse_live_options){ .min_interval_ms = 100 });
    sse_every(app, (int)sse_parse_int(given['i'], 1000), take_sample, NULL);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    return sse_serve(app, &(sse_serve_options){
        .host = given['l'], .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
