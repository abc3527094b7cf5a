/* tested.c: an egg timer that tests itself. A form sets it, a timer counts down, all pages follow.
   Run as "tested test" it opens no port: it plays a visitor, lets minutes pass in no time, and
   prints TAP, the Test Anything Protocol, for `prove` or a reader. PORT=-1 lets the system choose a
   port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Egg timer</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\n"
    "<script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<style>:root { color-scheme: light dark; background: light-dark(#fbf6e6, #1a1710) }\n"
    "body { font: 1.2rem system-ui; margin: 15vh auto; max-width: 20rem; padding: 0 1rem;\n"
    "       text-align: center }\n"
    "output { font-size: 6.5rem; font-weight: 200; font-variant-numeric: tabular-nums }\n"
    "input, button { font: inherit; padding: .6rem 1rem; border: 0; border-radius: .7rem;\n"
    "                background: light-dark(#fff, #2e2a1f) } input { width: 4rem }\n"
    "button { background: light-dark(#7a5b00, #f2cd5c); color: light-dark(#fff, #1a1710) }\n"
    "</style></head><body>\n";

static int left_s;                                        // the egg timer: 0 is off

static void clock_face(sse_view *view, sse_buf *html, void *user) {
    (void)view, (void)user;
    sse_html(html, "<output id=\"clock\">%d:%02d</output>\n", left_s / 60, left_s % 60);
}

static void tick(sse_app *app, void *user) {              // every second
    (void)user;
    if (left_s == 0) return;
    left_s--;
    sse_touch(app, "/clock");
}

static void start(sse_req *req, void *user) {             // POST /start
    long long minutes = sse_parse_int(sse_form(req, "minutes"), 0);
    (void)user;
    if (minutes < 1 || minutes > 60) {
        sse_fail(req, 400, "between 1 and 60 minutes");
        return;
    }
    left_s = (int)minutes * 60;
    sse_touch(sse_req_app(req), "/clock");
    sse_redirect(req, "/");
}

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    sse_puts(out, "<main ");
    sse_follow(out, "/clock");
    sse_puts(out, ">");
    clock_face(NULL, out, NULL);
    sse_puts(out, "</main>\n<form method=\"post\" action=\"/start\"><label>Minutes\n"
                  "<input name=\"minutes\" type=\"number\" min=\"1\" max=\"60\" value=\"5\">"
                  "</label>\n<button>Start</button></form>\n"
                  "<p role=\"status\" data-show=\"$_offline\" style=\"display: none\">"
                  "Not connected. Trying again...</p></body></html>\n");
}

static sse_app *egg_timer(const sse_app_options *options) {
    sse_app *app = sse_app_new(options);
    sse_get(app, "/", page, NULL);
    sse_post(app, "/start", start, NULL);
    sse_live(app, "/clock", clock_face, NULL);
    sse_datastar(app, "/datastar.js", NULL);
    sse_every(app, 1000, tick, NULL);
    return app;
}

static int count, failed;

static void ok(bool passed, const char *what) {
    printf("%sok %d - %s\n", passed ? "" : "not ", ++count, what);
    failed += !passed;
}

static int test(void) {
    sse_app *app = egg_timer(NULL);
    sse_test_reply r = {0}, clock = {0};

    sse_test_request(app, "GET /", NULL, NULL, &r);
    ok(r.status == 200 && strstr(r.body, "action=\"/start\""), "the page has a form");
    sse_test_request(app, "GET /clock", NULL, NULL, &clock);
    ok(clock.open && strstr(clock.body, ">0:00<"), "the clock is off");

    sse_test_request(app, "POST /start", NULL, "minutes=0", &r);
    ok(r.status == 400, "no time is an error");
    sse_test_request(app, "POST /start", "Origin: https://elsewhere.example\n", "minutes=3", &r);
    ok(r.status == 403, "other sites cannot set it");
    sse_test_request(app, "POST /start", NULL, "minutes=3", &r);
    ok(r.status == 303 && strcmp(sse_test_header(&r, "Location"), "/") == 0, "the form goes back");
    ok(strstr(clock.body, ">3:00<"), "and sets the clock on all pages");

    sse_test_run(app, 61000);                             // a minute and a second, at once
    ok(strstr(clock.body, ">1:59<") && !strstr(clock.body, ">1:58<"), "it counts seconds");
    sse_test_run(app, 3600000);
    ok(strstr(clock.body, ">0:01<") && left_s == 0, "and stops at 0:00");
    ok(clock.open, "an hour later the page still follows");
    sse_test_close(&clock);
    sse_test_close(&r);
    sse_app_free(app);
    printf("1..%d\n", count);
    return failed ? 1 : 0;
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the egg timer is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "test") == 0) return test();
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(egg_timer(&(sse_app_options){ .on_init = ready }),
                     &(sse_serve_options){ .port = port });
}
