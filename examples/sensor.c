/* sensor.c: a reading is taken once a second and pushed to everyone who watches, through the browser's own EventSource.
   PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static double read_sensor(void) {                                           // the processor's own, where the kernel tells
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

static void page(sse_req *req, void *user) {
    (void)user;
    sse_puts(sse_out(req),
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>sensor</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\n"
        "<style>:root { color-scheme: light dark } body { height: 100dvh; margin: 0; display: grid; place-content: center;\n"
        "font: 300 min(24vw, 9rem)/1 system-ui, sans-serif; font-variant-numeric: tabular-nums }</style></head>\n"
        "<body><output id=\"temp\">...</output><script>\n"
        "new EventSource('/events').addEventListener('reading', e => {\n"
        "  document.getElementById('temp').textContent = JSON.parse(e.data).temp.toFixed(1) + ' \\u00b0C'\n"
        "})</script></body></html>\n");
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "readings");
}

static void tick(sse_app *app, void *user) {
    sse_buf json = {0};
    (void)user;
    sse_json(&json, "{\"temp\":%.1f}", read_sensor());
    sse_publish(app, "readings", &(sse_event){ .event = "reading", .data = sse_buf_text(&json) });
    sse_buf_free(&json);
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the sensor is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get(app, "/", page, NULL);
    sse_get(app, "/events", events, NULL);
    sse_every(app, 1000, tick, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
