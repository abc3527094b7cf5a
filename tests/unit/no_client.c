/* no_client.c: SSE_NO_CLIENT. A file is needed then, and what is not there is not served. */
#define _DEFAULT_SOURCE
#define SSE_NO_CLIENT
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static char line[300]; /* the latest warning or error that was logged */
static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(line, sizeof line, "%s", text);
}

int main(void) {
    static const char *const none[] = {NULL, ""};
    sse_app_options          options;
    sse_app                 *app;
    client                  *c;
    size_t                   i;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    for (i = 0; i < 2; i++) {
        app = sse_app_new(&options);
        is_int(sse_datastar(app, "/datastar.js", none[i]), SSE_E_NOT_BUILT,
            "without a file: SSE_E_NOT_BUILT");
        is_str(line, "the Datastar client at /datastar.js: SSE_NO_CLIENT: name a file",
            "... and the log says what to do");
        is_int(sse_app_error(app, NULL), SSE_E_NOT_BUILT, "... and serving says it too");
        sse_app_free(app);
    }
    app = dial_app(&options);
    is_int(sse_datastar(app, "/datastar.js", "/nowhere/datastar.js"), 0,
        "a file that is not there yet");
    c = dial(app, "/datastar.js", "");
    ok(strncmp(c->got, "HTTP/1.1 404", 12) == 0, "it is 404 while it is not there");
    is_str(line, "cannot send /nowhere/datastar.js: No such file or directory",
        "... which is logged");
    is_int(sse_datastar(app, "/self.js", "/proc/self/status"), 0, "a file that is there");
    c = dial(app, "/self.js", "");
    ok(strncmp(c->got, "HTTP/1.1 200", 12) == 0 && strstr(c->got, "Content-Type: text/javascript"),
        "it is served");
    dial_free(app);
    return tap_done();
}
