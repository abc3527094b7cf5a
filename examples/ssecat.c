/* ssecat.c: shows standard input to browsers, line by line, as it comes:
       dmesg -w | ssecat 8000
   The page, and `curl -N http://127.0.0.1:8000/events`, begin with the last 1000 lines ("ssecat
   8000 50" keeps 50). Any bytes may come. At the end of the input it goes on serving what it has;
   stopped, it answers 0, or 1 after an error. PORT=-1, without arguments: the system chooses. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

enum { LONGEST = 16384 };                                        // longer lines are several

static int     lines, failed;                                    // how many are kept; by reading
static sse_buf line;                                             // that is not at its end

static void tell(sse_app *app, const char *name, const char *data) {
    sse_publish(app, "lines", &(sse_event){ .event = name, .data = data });
}

static void tell_line(sse_app *app) {
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    tell(app, NULL, sse_buf_text(&line));
    line.len = 0;
}

static void input(sse_app *app, int fd, int events, void *user) {
    char          bytes[8192];
    const ssize_t n = read(fd, bytes, sizeof bytes);
    (void)events, (void)user;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') { tell_line(app); continue; }
        if (bytes[i]) sse_raw(&line, bytes + i, 1);
        else sse_puts(&line, "\xEF\xBF\xBD");                    // no text holds a NUL
        if (line.len >= LONGEST && (i + 1 == n || (bytes[i + 1] & 0xC0) != 0x80)) tell_line(app);
    }
    if (n > 0) return;
    if (line.len) tell_line(app);
    sse_watch(app, fd, 0, NULL, NULL);
    failed = n < 0;
    if (failed) perror("ssecat: standard input");
    tell(app, "end", failed ? "The input broke off." : "End of the input.");
}

static void events(sse_req *req, void *user) {                   // resumes by itself
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .retry_ms = 1000 }), "lines");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("standard input is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
    sse_watch(app, STDIN_FILENO, SSE_READ, input, NULL);
}

int main(int argc, char **argv) {
    const int port = (int)sse_parse_int(argc > 1 ? argv[1] : getenv("PORT"), argc > 1 ? -2 : 8000);
    lines = (int)sse_parse_int(argc > 2 ? argv[2] : NULL, argc > 2 ? 0 : 1000);
    if (port < -1 || port > 65535 || lines < 1 || lines > 100000 || argc > 3) {
        fprintf(stderr, "usage: command | ssecat [PORT [LINES]]\n");
        return 2;
    }
    if (fcntl(STDIN_FILENO, F_GETFD) < 0) { perror("ssecat: standard input"); return 1; }
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "lines", &(sse_topic_options){ .history = lines + 1, .greet = lines + 1 });
    sse_get(app, "/", page, NULL);
    sse_get(app, "/events", events, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = port }) || failed;
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>ssecat</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#24292e, #dfe3e8);\n"
    "        --paper: light-dark(#fbfbf9, #101316); --soft: light-dark(#606870, #959da6);\n"
    "        --accent: light-dark(#0b6b5d, #5fd0bd) }\n"
    "body { margin: 0; height: 100dvh; display: flex; flex-direction: column;\n"
    "       background: var(--paper); color: var(--ink) }\n"
    "#log { flex: 1; overflow-y: auto; margin: 0; padding: .6rem .8rem; overflow-wrap: anywhere;\n"
    "       font: .85rem/1.5 ui-monospace, monospace; white-space: pre-wrap }\n"
    "#log div { min-height: 1.5em; padding-left: 1em; text-indent: -1em }\n"
    "footer { display: flex; gap: 1rem; padding: .4rem .8rem; min-height: 1.5rem;\n"
    "         border-top: 1px solid color-mix(in srgb, var(--soft) 35%, transparent) }\n"
    "footer, p { font: .85rem/1.5 system-ui, sans-serif; color: var(--soft); margin: 0 }\n"
    "#end, #more { color: var(--accent); font-weight: 600 }\n"
    "#more { margin-left: auto; border: 0; background: none; font: inherit; padding: 0 .5rem;\n"
    "        min-height: 1.5rem }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: -2px }</style>\n";

/* Lines are shown ten times a second, however many come, and no more than the server keeps. Who
   reads further up stays there. */
static const char page_script[] =
    "<p role=\"status\" data-sse-status data-open=\"\" data-closed=\"\"\n"
    "   data-connecting=\"Not connected. Trying again...\"></p>\n"
    "<button id=\"more\" hidden>To the end</button></footer><script>\n"
    "const [log, end, more] = document.querySelectorAll('#log, #end, #more')\n"
    "const { last, most } = end.dataset\n"
    "let waiting = [], timer, stays = true\n"
    "const show = () => {\n"
    "  const rows = waiting.slice(-most).map(text => {\n"
    "    const row = document.createElement('div')\n"
    "    row.textContent = text\n"
    "    return row\n"
    "  })\n"
    "  waiting = []\n"
    "  timer = undefined\n"
    "  log.append(...rows)\n"
    "  while (log.childElementCount > most) log.firstElementChild.remove()\n"
    "  if (stays) log.scrollTop = log.scrollHeight\n"
    "}\n"
    "const feed = new EventSource('/events?lastEventId=' + last)\n"
    "feed.onmessage = e => {\n"
    "  waiting.push(e.data)\n"
    "  if (waiting.length > 2 * most) waiting = waiting.slice(-most)\n"
    "  timer = timer ?? setTimeout(show, 100)\n"
    "}\n"
    "feed.addEventListener('end', e => { end.textContent = e.data })\n"
    "feed.addEventListener('gap', () => { log.textContent = end.textContent = ''; waiting = [] })\n"
    "log.onscroll = () => {\n"
    "  more.hidden = stays = log.scrollHeight - log.scrollTop - log.clientHeight < 40\n"
    "}\n"
    "more.onclick = () => { stays = true; show(); log.focus() }\n"
    "new ResizeObserver(() => stays && show()).observe(log)\n"
    "</script></body></html>\n";

static sse_buf last_id, end_text;                                // of the history, for a page

static bool kept(const sse_event *event, void *html) {
    last_id.len = 0;
    sse_puts(&last_id, event->id);
    if (event->event) sse_puts(&end_text, event->data);
    else sse_html(html, "<div>%s</div>", event->data);
    return true;
}

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    (void)user;
    last_id.len = end_text.len = 0;
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_puts(out, "</head><body><div id=\"log\" role=\"log\" aria-label=\"Lines\" tabindex=\"0\">");
    sse_topic_history(sse_req_app(req), "lines", 0, kept, out);  // the stream begins behind them
    sse_html(out, "</div>\n<footer><p id=\"end\" role=\"status\" data-last=\"%s\" data-most=\"%d\">"
                  "%s</p>\n", sse_buf_text(&last_id), lines, sse_buf_text(&end_text));
    sse_puts(out, page_script);
}
