/* weather.c: what another server knows, for everyone who looks: asked once in a while, and only
   while somebody looks; rendered once; and its age is told. The argument is a command that prints
   JSON, {"current":{"temperature_2m":13.3,"wind_speed_10m":10.3,"weather_code":3}} as Open-Meteo's:
       weather "curl -sm 10 'https://api.open-meteo.com/v1/forecast?latitude=52.52&longitude=13.41&
                current=temperature_2m,wind_speed_10m,weather_code'" 600
   or cat of a file; without one the weather is made up. 600: seconds until it is asked again.
   PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of Datastar's client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

static const char *command =
    "n=$(date +%S | cut -c 2); echo '{\"current\":{\"temperature_2m\":1'$n'.5,\"wind_speed_10m\":"
    "'$n',\"weather_code\":2}}'";
static long long   every_s = 5, asked_s, had_s, looked_s;        // by a clock that is never set
static FILE       *source;                                       // it is being asked
static sse_buf     answer;
static double      temp, wind;
static int         code = -1;                                    // none was had yet

static long long now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static bool read_answer(void) {                                  // all of it, or nothing
    const char *const path[] = {"current.temperature_2m", "current.wind_speed_10m",
                                "current.weather_code"};
    double  n[3];
    sse_str json = { answer.ptr, answer.len }, value;
    for (int i = 0; i < 3; i++) {
        if (sse_json_get(json, path[i], &value)) return false;
        n[i] = strtod(value.ptr, NULL);
    }
    temp = n[0], wind = n[1], code = (int)n[2], had_s = now_s();
    return true;
}

static void heard(sse_app *app, const char *line, void *user) {
    (void)user;
    sse_puts(&answer, line);
    if (line) return;
    const int status = pclose(source);                           // it has ended
    source = NULL;
    if (status || !read_answer())
        fprintf(stderr, "no weather (status %d): %.100s\n", status, sse_buf_text(&answer));
    sse_buf_free(&answer);
    sse_touch(app, "/weather");
}

static void ask(sse_app *app, void *user) {                      // if it is time, and one looks
    if (source || looked_s < now_s() - 5 || (asked_s && now_s() - asked_s < every_s)) return;
    asked_s = now_s();
    source  = popen(command, "r");
    if (source) sse_watch_lines(app, fileno(source), heard, user); // the loop goes on meanwhile
}

static const char *sky(void) {                                   // WMO codes of weather
    return code == 0 ? "clear" : code < 3 ? "some clouds" : code == 3 ? "cloudy" : code < 50 ? "fog"
         : code < 70 || (code > 79 && code < 83) ? "rain" : code < 90 ? "snow" : "thunder";
}

static void weather(sse_view *view, sse_buf *html, void *user) { // ONCE a second while one looks
    const long long age = now_s() - had_s;
    const bool      old = age > 3 * every_s;
    (void)view, (void)user;
    looked_s = now_s();
    if (code < 0) sse_puts(html, "<main id=\"weather\"><p id=\"age\">No weather yet.</p></main>\n");
    if (code < 0) return;
    sse_html(html, "<main id=\"weather\" class=\"%s\"><h1>%.1f&deg;</h1>\n"
                   "<p>%s, wind %.0f km/h</p><p id=\"age\">%s",
             old ? "old" : "new", temp, sky(), wind, old ? "The source does not answer: " : "");
    if (age < 60) sse_puts(html, age < 20 ? "just now" : "less than a minute ago");
    else sse_html(html, "%lld min ago", age / 60);
    sse_puts(html, "</p></main>\n");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the weather is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc > 1) command = argv[1];
    every_s = sse_parse_int(argc > 2 ? argv[2] : NULL, every_s);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_get(app, "/", page, NULL);
    sse_live(app, "/weather", weather, &(sse_live_options){ .every_ms = 1000 }); // its age
    sse_every(app, 200, ask, NULL);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Weather</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#10324a, #eaf4fb);\n"
    "        --top: light-dark(#bfe0f5, #10202e); --end: light-dark(#f3f9fd, #1e3a50) }\n"
    "body { margin: 0; min-height: 100dvh; display: grid; place-content: center; gap: 1rem;\n"
    "       text-align: center; color: var(--ink); font: 1.1rem/1.5 system-ui, sans-serif;\n"
    "       background: var(--end) linear-gradient(var(--top), var(--end)) fixed }\n"
    "h1 { margin: 0; font-size: min(30vw, 10rem); font-weight: 200; line-height: 1.1;\n"
    "     font-variant-numeric: tabular-nums } p { margin: 0 }\n"
    "main.old { filter: grayscale(1) } #age, #trouble { font-size: .9rem; min-height: 1.5em }\n"
    "</style></head><body ";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_follow(out, "/weather");
    sse_puts(out, ">\n");
    weather(NULL, out, user);                                    // the state of now
    sse_puts(out, "<p id=\"trouble\" role=\"status\" data-show=\"$_offline\"\n"
                  "   style=\"display: none\">Not connected. Trying again...</p></body></html>\n");
}
