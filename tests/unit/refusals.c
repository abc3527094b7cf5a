/* What a program that sets an app up wrongly is told: the argument or option, and why. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static char line[600]; /* the latest warning or error that was logged */
static void on_log(int level, const char *text, void *user) { (void)user; if (level <= SSE_LOG_WARNING) snprintf(line, sizeof line, "%s", text); }

static const char *logged(void) { return line; }

static void handler(sse_req *req, void *user) { (void)req; (void)user; }

static sse_app *fresh(void) {
    sse_app_options o;
    memset(&o, 0, sizeof o);
    o.on_log = on_log;
    line[0]  = '\0';
    return sse_app_new(&o);
}

/* The call answered code; the log and sse_app_error say text, and serving answers the same code. */
static void refused(sse_app *app, int got, int code, const char *text) {
    sse_serve_options o;
    const char *why;
    memset(&o, 0, sizeof o);
    o.port = SSE_ANY_PORT;
    is_int(got, code, text);
    is_str(logged(), text, "... is logged");
    is_int(sse_app_error(app, &why), code, "... and kept");
    is_str(why, text, "... with its words");
    is_int(sse_serve(app, &o), code, "... for who serves");
    sse_app_free(app);
}

static void test_app_error(void) {
    sse_app    *app = fresh();
    const char *why;
    is_int(sse_app_error(app, &why), SSE_OK, "a new app has no error");
    is_str(why, "", "... and no words");
    (void)sse_get(app, "one", handler, NULL);
    (void)sse_get(app, "two", handler, NULL);
    is_int(sse_app_error(app, &why), SSE_E_ARG, "the first mistake stays");
    is_str(why, "route GET one: a path begins with /", "... with its words");
    is_int(sse_app_error(app, NULL), SSE_E_ARG, "which need not be asked for");
    is_int(sse_app_error(NULL, &why), SSE_E_ARG, "no app");
    ok(*why, "... has a reason too");
    sse_app_free(app);
}

static void test_routes(void) {
    static const struct { const char *path, *text; } bad[] = {
        {"a", "route GET a: a path begins with /"},
        {"/a?b", "route GET /a?b: a path has no query: what follows the ? is read with sse_query"},
        {"/}", "route GET /}: a } without its {"},
        {"/{a", "route GET /{a: a { without its }"},
        {"/{a/b}", "route GET /{a/b}: a { without its }"},
        {"/{}", "route GET /{}: a param without a name"},
        {"/{a}{b}", "route GET /{a}{b}: two params with nothing between them"},
        {"/{a}/{b}/{a}", "route GET /{a}/{b}/{a}: two params of one name: the second could not be read"},
        {NULL, "route GET : path is NULL"}};
    sse_route_options o;
    sse_app *app;
    size_t   i;
    for (i = 0; i < SSE__COUNT(bad); i++) {
        app = fresh();
        refused(app, sse_get(app, bad[i].path, handler, NULL), SSE_E_ARG, bad[i].text);
    }
    app = fresh();
    (void)sse_get(app, "/a/{name}", handler, NULL);
    refused(app, sse_get(app, "/a/{id}", handler, NULL), SSE_E_STATE, "route GET /a/{id}: one of that method and shape is there already: /a/{name}");
    app = fresh();
    refused(app, sse_post(app, "/", NULL, NULL), SSE_E_ARG, "route POST /: the handler is NULL");
    memset(&o, 0, sizeof o);
    o.method = "get";
    app = fresh();
    refused(app, sse_route(app, "/", handler, NULL, &o), SSE_E_ARG, "route get /: .method is case-sensitive: write it in capitals");
    o.method = "G T";
    app = fresh();
    refused(app, sse_route(app, "/", handler, NULL, &o), SSE_E_ARG, "route G T /: .method is no token: \"GET\", \"POST\", ...; \"*\": all");
    app = fresh();
    refused(app, sse_mount(app, "", handler, NULL), SSE_E_ARG, "mount : for the root write /");
    app = fresh();
    refused(app, sse_mount(app, "/a/{b}", handler, NULL), SSE_E_ARG,
            "mount * /a/{b}: what is below a prefix is sse_param(req, \"path\"): it has no params of its own");
    app = fresh();
    (void)sse_mount(app, "/a/", handler, NULL);
    refused(app, sse_mount(app, "/a", handler, NULL), SSE_E_STATE, "mount * /a: one of that method and shape is there already: /a");
}

int main(void) {
    test_app_error();
    test_routes();
    return tap_done();
}
