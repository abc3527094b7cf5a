/* life.c: one Game of Life for everyone who has the page open. Tap to draw. Five times a second all
   2,500 cells are rendered anew, once, however many watch; what goes over the wire is little more
   than what changed. PORT=-1 lets the system choose a port; DATASTAR_JS=file serves that copy of
   Datastar's client. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static void page(sse_req *req, void *user);                      // at the end: HTML

enum { SIDE = 50, CELLS = SIDE * SIDE, COLORS = 6 };

static unsigned char cell[CELLS]; /* 0: dead, else a color */
static unsigned long generation;

static int alive_around(const unsigned char *from, int at, int *color) {
    int dx, dy, n = 0, counts[COLORS + 1] = {0}, c;
    for (dy = -1; dy <= 1; dy++)
        for (dx = -1; dx <= 1; dx++) {
            const int row = (at / SIDE + dy + SIDE) % SIDE, column = (at % SIDE + dx + SIDE) % SIDE;
            const int there = row * SIDE + column;
            if (there == at || !from[there]) continue;
            n++;
            counts[from[there]]++;
        }
    for (*color = 1, c = 2; c <= COLORS; c++)
        if (counts[c] > counts[*color]) *color = c;
    return n;
}

static void sow(int at, int color) { /* a glider-like blot that lives for a while */
    static const int blot[] = {0, 1, SIDE, -SIDE, 1 - SIDE, -1};
    for (size_t i = 0; i < sizeof blot / sizeof *blot; i++)
        cell[(at + blot[i] + CELLS) % CELLS] = (unsigned char)color;
}

static void step(sse_app *app, void *user) {
    unsigned char before[CELLS];
    int           at, color, n, living = 0;
    (void)user;
    memcpy(before, cell, sizeof before);
    for (at = 0; at < CELLS; at++) {
        n = alive_around(before, at, &color);
        if (before[at]) color = before[at];
        cell[at] = (unsigned char)(n == 3 || (n == 2 && before[at]) ? color : 0);
        living += cell[at] != 0;
    }
    if (generation++ % 25 == 0 || living < 40) sow(rand() % CELLS, 1 + rand() % COLORS); // no end
    sse_touch(app, "/board");
}

static void put_bytes(sse_buf *html, const char *name, double bytes) {
    const char *unit = " KMGT";
    for (; bytes >= 1000 && *unit != 'T'; unit++) bytes /= 1000;
    sse_html(html, "<div><dt>%s</dt><dd>%.1f %cB</dd></div>", name, bytes, *unit);
}

static void board(sse_view *view, sse_buf *html, void *user) {   // ONCE per generation
    sse_app  *app = (sse_app *)user;
    sse_stats s;
    int       at;
    (void)view;
    sse_puts(html, "<main id=\"board\" role=\"img\" aria-label=\"Fifty by fifty cells\">");
    for (at = 0; at < CELLS; at++)
        sse_printf(html, "<i id=\"c%d\" class=\"c%d\"></i>", at, cell[at]);
    sse_puts(html, "</main><dl id=\"numbers\">");
    sse_stats_get(app, &s);
    put_bytes(html, "HTML for all", (double)s.bytes_events);
    put_bytes(html, "sent as", (double)s.bytes_frames);
    sse_html(html, "<div><dt>%llu watching</dt><dd>1 : %.0f</dd></div></dl>",
             (unsigned long long)s.streams,
             s.bytes_frames ? (double)s.bytes_events / (double)s.bytes_frames : 1.0);
}

static void tap(sse_req *req, void *user) {
    const char *where = sse_query(req, "cell"), *peer = sse_peer(req);
    const long  at = where ? (long)sse_parse_int(where, -1) : rand() % CELLS;
    unsigned    color = 0;
    (void)user;
    if (at < 0 || at >= CELLS) { sse_fail(req, 400, "there is no such cell"); return; }
    while (*peer) color = color * 31 + (unsigned char)*peer++;   // everybody has a color
    sow((int)at, 1 + (int)(color % COLORS));
    sse_touch(sse_req_app(req), "/board");
    if (!sse_header(req, "Datastar-Request")) sse_redirect(req, "/"); // without a script
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("life is on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    for (int i = 0; i < 60; i++) sow(rand() % CELLS, 1 + rand() % COLORS);
    sse_get (app, "/",      page,  app);
    sse_post(app, "/tap",   tap,   NULL);
    sse_live(app, "/board", board, &(sse_live_options){ .user = app });
    sse_every(app, 200, step, NULL);
    sse_datastar(app, "/datastar.js", getenv("DATASTAR_JS"));
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>life</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<style>:root { color-scheme: light dark; --paper: light-dark(#f4f5f8, #101218);\n"
    "               --card: light-dark(#fff, #181b23); --ink: light-dark(#23262e, #e9e6df);\n"
    "               --soft: light-dark(#5f626c, #9a9ca6) }\n"
    "* { box-sizing: border-box; margin: 0 }\n"
    "body { margin: 0 auto; max-width: min(44rem, 100dvh - 13rem); min-width: min(100%, 20rem);\n"
    "       min-height: 100dvh; padding: 1rem; display: flex; flex-direction: column; gap: .8rem;\n"
    "       justify-content: center; background: var(--paper); color: var(--ink) }\n"
    "body, button { font: 1rem/1.4 system-ui, sans-serif } h1 { font-size: 1.25rem }\n"
    "header { display: flex; align-items: baseline; gap: .6rem } form { margin-left: auto }\n"
    "header span, #trouble, button, dt { color: var(--soft); font-size: .85rem }\n"
    "#board { aspect-ratio: 1; display: grid; grid-template: repeat(50, 1fr) / repeat(50, 1fr);\n"
    "         border-radius: .6rem; overflow: hidden; background: var(--card); cursor: crosshair;\n"
    "         touch-action: manipulation; -webkit-tap-highlight-color: #0000 }\n"
    ".offline #board { filter: grayscale(1) }\n"
    "#board i { border-radius: 30%; transform: scale(.86); transition: background-color .35s }\n"
    ".c1 { background: #f4a261 } .c2 { background: #5cc9b0 } .c3 { background: #e76f7a }\n"
    ".c4 { background: #7aa2f7 } .c5 { background: #e9d16c } .c6 { background: #c792ea }\n"
    "dl { margin-top: .8rem; display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem }\n"
    "dl div, button { background: var(--card); border: 0; border-radius: .6rem; padding: .5rem }\n"
    "dd { font-size: 1.1rem; font-variant-numeric: tabular-nums; white-space: nowrap }\n"
    "@media (prefers-reduced-motion: reduce) { #board i { transition: none } }</style></head>\n";

/* What listens to taps is not what the view renders, where a morph would take the listener away,
   nor the body, whose requests tell whether it is connected. */
static const char page_top[] =
    " data-class:offline=\"$_offline\">\n"
    "<header><h1>life</h1><span>tap to draw, for all who watch</span>\n"
    "<form method=\"post\" action=\"/tap\" data-on:submit__prevent=\"@post('/tap')\">\n"
    "<button>Sow</button></form></header>\n"
    "<p id=\"trouble\" role=\"status\" data-show=\"$_offline\" style=\"display: none\">\n"
    "Not connected. Trying again...</p>\n"
    "<div data-on:pointerdown=\"evt.target.matches('#board i') && @post('/tap?cell='\n"
    "  + evt.target.id.slice(1), {requestCancellation: 'disabled'})\">\n";

static void page(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    sse_puts(out, page_head);
    sse_puts(out, "<body ");
    sse_follow(out, "/board");
    sse_puts(out, page_top);
    board(NULL, out, user);                                      // the state of now
    sse_puts(out, "</div></body></html>\n");
}
