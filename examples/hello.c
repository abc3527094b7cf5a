#define SSE_IMPLEMENTATION
#include "sse.h"

static void hello(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req), "<!doctype html><link rel=\"icon\" href=\"data:,\">"
                           "<meta name=\"color-scheme\" content=\"light dark\">");
    sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));    // %s is escaped
}

int main(void) {
    sse_app *app = sse_app_new(NULL);
    sse_get(app, "/", hello, NULL);
    return sse_serve(app, NULL);                                            // 127.0.0.1:8000
}
