/* Files past 2 GiB: their end is served by range; where off_t has 32 bits (tests/arch) the log says
   what to compile with, and the reply is no 404. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static char dir[] = "/tmp/sse-large-XXXXXX", path[64], said[600];

static void hear_log(int level, const char *line, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(said, sizeof said, "%s", line);
}

static void send_file(sse_req *req, void *user) {
    (void)user;
    sse_send_file(req, path, NULL);
}

static void asks(sse_app *app, const char *request) {
    sse_test_reply r;
    memset(&r, 0, sizeof r);
    said[0] = '\0';
    sse_test_request(app, request, "Range: bytes=3221225462-\n", NULL, &r);
    if (sizeof(off_t) < 8) {
        is_int(r.status, 500, request);
        ok(strstr(said, "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64") != NULL, "... and why: %s", said);
    } else {
        ok(r.status == 206 && strcmp(r.body, "0123456789") == 0, "%s: %d %s", request, r.status,
            r.body);
        is_str(sse_test_header(&r, "Content-Range"), "bytes 3221225462-3221225471/3221225472",
            "... by range");
        is_str(said, "", "... without a word");
    }
    sse_test_close(&r);
}

int main(void) {
    sse_app_options o;
    sse_app        *app;
    char            command[300];
    memset(&o, 0, sizeof o);
    o.on_log = hear_log;
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/large.bin", dir);
    snprintf(command, sizeof command,
        "printf 0123456789 | dd of=%s bs=1 seek=3221225462 conv=notrunc 2>/dev/null", path);
    ok(system(command) == 0, "a file of 3 GiB, most of it a hole");
    app = sse_app_new(&o);
    sse_get(app, "/sent", send_file, NULL);
    is_int(sse_static(app, "/files", dir, NULL), 0, "in a directory");
    asks(app, "GET /sent");
    asks(app, "GET /files/large.bin");
    said[0] = '\0';
    if (sse_static(app, "/one", path, NULL) == 0) asks(app, "GET /one");
    else
        ok(sizeof(off_t) < 8 && strstr(said, "-D_FILE_OFFSET_BITS=64") != NULL,
            "as the one file: %s", said);
    sse_app_free(app);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) ? 1 : tap_done();
}
