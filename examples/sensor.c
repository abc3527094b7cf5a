/* sensor.c: a reading is taken once a second and pushed to everyone who watches, through the
   browser's own EventSource. A page is served with the last one, and says how old it is where no
   newer one comes. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static double temp;                                              // the last reading
static time_t at;                                                // and when that was

static double read_sensor(void) {                                // the processor's own, if known
    static double made_up = 21.0;
    char  text[16] = "";
    FILE *f = fopen("/sys/class/thermal/thermal_zone0/temp", "r");
    if (f) {
        bool got = fgets(text, sizeof text, f) != NULL;
        fclose(f);
        if (got) return strtod(text, NULL) / 1000.0;
    }
    return made_up += (rand() % 11 - 5) / 10.0;
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .retry_ms = 1000 }), "readings");
}

static void tick(sse_app *app, void *user) {
    sse_buf json = {0};
    (void)user;
    temp = read_sensor();
    at   = time(NULL);
    sse_json(&json, "{\"temp\":%.1f}", temp);
    sse_publish(app, "readings", &(sse_event){ .event = "reading", .data = sse_buf_text(&json) });
    sse_buf_free(&json);
}

static void ready(sse_app *app, void *user) {
    tick(app, user);                                             // a reading for the first page
    printf("the sensor is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get(app, "/", page, NULL);
    sse_get(app, "/events", events, NULL);
    sse_every(app, 1000, tick, NULL);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>sensor</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n"
    "<style>:root { color-scheme: light dark } body { height: 100dvh; margin: 0; display: grid;\n"
    "place-content: center; text-align: center; font: 1rem/1.4 system-ui, sans-serif }\n"
    "output { font-size: min(19vw, 9rem); font-weight: 300; font-variant-numeric: tabular-nums;\n"
    "line-height: 1 } .old output { color: light-dark(#6e6e6e, #8f8f8f) }\n"
    "p { min-height: 1.4em }</style>\n";

static const char page_script[] =
    "<p role=\"status\" data-sse-status data-open=\"\"\n"
    "   data-connecting=\"Not connected. Trying again...\"></p>\n"
    "<script>\n"
    "const temp = document.getElementById('temp'), age = document.getElementById('age')\n"
    "let at = Date.now() - 1000 * age.dataset.seconds\n"
    "const tell = () => {\n"
    "  const seconds = Math.round((Date.now() - at) / 1000)\n"
    "  const old = seconds > 2 || document.documentElement.dataset.sse === 'connecting'\n"
    "  age.textContent = old ? seconds + ' s ago' : 'now'\n"
    "  document.body.classList.toggle('old', old)\n"
    "}\n"
    "setInterval(tell, 1000)\n"
    "document.addEventListener('sse:status', tell)\n"
    "new EventSource('/events').addEventListener('reading', e => {\n"
    "  temp.textContent = JSON.parse(e.data).temp.toFixed(1) + ' \\u00b0C'\n"
    "  at = Date.now()\n"
    "  tell()\n"
    "})\n"
    "</script></body></html>\n";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    char     when[16];
    (void)user;
    strftime(when, sizeof when, "%H:%M:%S UTC", gmtime(&at));
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><output id=\"temp\">%.1f &deg;C</output>\n", temp);
    sse_html(out, "<div id=\"age\" data-seconds=\"%lld\">%s</div>\n",
             (long long)(time(NULL) - at), when);
    sse_puts(out, page_script);
}
