/* board_page.h: how board.c looks: gauges, a chart, and the page around them. */
#include <math.h>
#define NO_READING ((double)NAN)

static void gauge(sse_buf *html, const char *name, double value, double most, const char *unit) {
    const double part = value > most ? 1 : value > 0 ? value / most : 0;
    sse_html(html, "<div class=\"gauge%s\" style=\"--part: %.3f\">",
             part > .8 ? " hot" : "", part);
    if (value == value) sse_html(html, "<b>%.1f</b>", value);    // else not a number: no reading
    else sse_puts(html, "<b>&ndash;</b>");
    sse_html(html, "<small>%s</small><h2>%s</h2></div>\n", unit, name);
}

/* The points keep their x and the view box moves, so that compression finds all but the newest.
   Its range goes from one multiple of 5 to another and so seldom changes. */
static void chart(sse_buf *html, const double *value, long newest, int count) {
    const long base = newest - newest % 1000, from = newest < count ? 1 : newest - count + 1;
    double low = 0, high = 0;
    long   i, first = 0, bottom, top;
    for (i = from; i <= newest; i++) {
        const double v = value[i % count];
        if (v != v) continue;
        if (!first++ || v < low) low = v;
        if (first == 1 || v > high) high = v;
    }
    bottom = 5 * ((long)(low / 5 + 1000) - 1000), top = 5 * ((long)(high / 5 + 1001) - 1000);
    sse_html(html, "<figure id=\"chart\"><h2>Temperature</h2>\n<svg viewBox=\"%ld 0 %d 100\" "
                   "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"The last %d samples: "
                   "%.1f to %.1f &deg;C\"><polyline points=\"",
             newest - count + 1 - base, count - 1, count, low, high);
    for (i = from; i <= newest; i++)
        if (value[i % count] == value[i % count])
            sse_printf(html, "%ld,%.1f ", i - base, 100 - 100 * (value[i % count] - (double)bottom)
                                                        / (double)(top - bottom));
    sse_html(html, "\"/></svg><figcaption><span>%ld to %ld &deg;C</span>"
                   "<span>%.1f to %.1f</span></figcaption></figure>\n", bottom, top, low, high);
}

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Board</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript><style>\n"
    ":root { color-scheme: light dark; --ink: light-dark(#1d2b2a, #e3ecea);\n"
    "        --paper: light-dark(#eef3f1, #0f1716); --card: light-dark(#fff, #1a2524);\n"
    "        --soft: light-dark(#55656a, #96a5a8); --line: light-dark(#d8e2df, #2b3a38);\n"
    "        --accent: light-dark(#0b7a6b, #45c9b2) }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--paper);\n"
    "       color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n"
    "header { display: flex; align-items: baseline; gap: .7rem }\n"
    "h1 { margin: 0; font-size: 1.3rem } h2 { margin: 0; font-size: .9rem; font-weight: 600 }\n"
    "header span, small, figcaption, #trouble, label { color: var(--soft); font-size: .85rem }\n"
    "main { display: grid; gap: .7rem; margin: .7rem 0; transition: opacity .3s }\n"
    ".offline main { opacity: .75; filter: grayscale(1) }\n"
    "section, figure, form { margin: 0; padding: .8rem 1rem; border-radius: .9rem;\n"
    "                        background: var(--card); min-width: 0 }\n"
    "#gauges { display: grid; grid-template-columns: repeat(3, 1fr); gap: .5rem;\n"
    "          text-align: center }\n"
    ".gauge { position: relative; padding-top: 1.4rem }\n"
    ".gauge::before { content: ''; position: absolute; inset: 0 0 auto; margin: auto;\n"
    "  width: min(100%, 6.5rem); aspect-ratio: 1; border-radius: 50%;\n"
    "  background: conic-gradient(from -130deg, var(--accent) calc(var(--part) * 260deg),\n"
    "                             var(--line) 0 260deg, #0000 0);\n"
    "  mask: radial-gradient(closest-side, #0000 80%, #000 82%) }\n"
    ".hot::before { --accent: light-dark(#c2410c, #ff9c66) }\n"
    ".gauge b { display: block; font-size: 1.5rem; font-weight: 500;\n"
    "           font-variant-numeric: tabular-nums }\n"
    ".gauge small { display: block } .gauge h2 { margin-top: .9rem }\n"
    "#chart svg { display: block; width: 100%; height: 7.5rem; margin: .4rem 0;\n"
    "             border-block: 1px solid var(--line) }\n"
    "polyline { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round;\n"
    "           vector-effect: non-scaling-stroke }\n"
    "figcaption { display: flex; justify-content: space-between }\n"
    "#input { display: flex; align-items: center; gap: .6rem }\n"
    "#input::before { content: ''; width: .8rem; height: .8rem; border-radius: 50%;\n"
    "                 background: var(--line) }\n"
    "#input.on::before { background: var(--accent); box-shadow: 0 0 .6rem var(--accent) }\n"
    "ol { margin: .4rem 0 0; padding: 0; list-style: none; min-height: 6em;\n"
    "     font: .8rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere }\n"
    "img { display: block; width: 100%; border-radius: .9rem; margin-top: .7rem;\n"
    "      aspect-ratio: 16 / 9; object-fit: cover; background: var(--line) }\n"
    "form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center }\n"
    "label { flex: 1; min-width: 0 } input { font: inherit; width: 100%; margin-top: .3rem }\n"
    "::file-selector-button, button { font: inherit; border: 0; border-radius: .6rem;\n"
    "  padding: .5rem .9rem; background: var(--line); color: var(--ink) }\n"
    "button { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    "progress { width: 100%; accent-color: var(--accent) } p { margin: 0 }\n"
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }\n"
    "</style></head><body ";

static const char page_top[] =
    " data-class:offline=\"$_offline\"><header><h1>Board</h1>\n"
    "<span>up %.1f hours</span></header>\n"
    "<p id=\"trouble\" role=\"status\" data-show=\"$_offline\" style=\"display: none\">\n"
    "Not connected. Trying again...</p>\n";

/* A page that is hidden, or not connected, asks for no pictures; nor does one before it is loaded,
   which it would not be while they come. */
static const char page_camera[] =
    "<img id=\"camera\" alt=\"Camera\" data-signals=\"{_shown: false}\"\n"
    "  data-init=\"const show = () => $_shown = !document.hidden;\n"
    "    document.readyState == 'complete' ? show() : addEventListener('load', show)\"\n"
    "  data-on:visibilitychange__document=\"$_shown = !document.hidden\"\n"
    "  data-attr:src=\"$_shown && !$_offline ? '/camera' : 'data:,'\">\n";

static const char page_form[] =
    "<form method=\"post\" action=\"/firmware\" enctype=\"multipart/form-data\"\n"
    "  data-on:submit__prevent=\"@post('/firmware', {contentType: 'form', retry: 'never'})\">\n"
    "<label>New firmware <input type=\"file\" name=\"file\" required></label>\n"
    "<button>Send</button></form></body></html>\n";
