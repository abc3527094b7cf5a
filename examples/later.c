/* later.c: a reply that takes long is worked out on another thread, while the server goes on.
   PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

typedef struct job { sse_req *req; long long below, found; } job;

// Runs on a thread of the pool: it touches no request.
static void count_primes(sse_app *app, void *user) {
    job *j = (job *)user;
    long long n, d;
    for (n = 2; n < j->below && !sse_stopping(app); n++) {
        for (d = 2; d * d <= n && n % d != 0; d++) {}
        j->found += d * d > n;
    }
}

// Runs on the loop: req is still there, even if the client left.
static void reply(sse_app *app, void *user) {
    job *j = (job *)user;
    (void)app;
    sse_html(sse_out(j->req), "<!doctype html><html lang=en><title>primes</title>"
        "<meta name=viewport content=width=device-width>"
        "<meta name=color-scheme content=\"light dark\"><p>%lld primes are below %lld</p>"
        "<p><a href=\"/\">Another number</a></p>", j->found, j->below);
    sse_finish(j->req);
    free(j);
}

static void primes(sse_req *req, void *user) {            // GET /primes
    job *j = (job *)calloc(1, sizeof *j);
    (void)user;
    if (!j) { sse_fail(req, 503, "no memory"); return; }
    j->req   = req;
    j->below = sse_parse_int(sse_query(req, "below"), 1000);
    if (sse_offload(sse_req_app(req), count_primes, reply, j) == 0) sse_defer(req);
    else {
        free(j);
        sse_fail(req, 503, "there is too much to do, come back later");
    }
}

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req),
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>primes</title>\n"
        "<link rel=\"icon\" href=\"data:,\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<style>:root { color-scheme: light dark; background: light-dark(#f4f2ee, #171614) }\n"
        "body { font: 1.1rem system-ui; max-width: 22rem; margin: 20vh auto; padding: 0 1rem }\n"
        "input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .8rem;\n"
        "  border: 0; border-radius: .7rem; background: light-dark(#fff, #2a2824) }\n"
        "input { margin: .6rem 0; font-size: 1.6rem } button { font-weight: 600;\n"
        "  background: light-dark(#8a4b12, #f0b070); color: light-dark(#fff, #171614) }\n"
        "</style></head><body>\n"
        "<form action=\"/primes\"><label>How many primes are below\n"
        "<input name=\"below\" type=\"number\" value=\"1000000\" required></label>\n"
        "<button>Count</button></form></body></html>\n");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("primes are counted at http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get(app, "/", page, NULL);
    sse_get(app, "/primes", primes, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
