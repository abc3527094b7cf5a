/* kanban_page.h: how kanban.c looks. */
static const char *const lists[] = {"To do", "Doing", "Done"};

static void card(sse_buf *html, const char *board, long long id, const char *title, int list) {
    sse_html(html, "<li id=\"c%lld\"><b>%s</b>\n", id, title);
    sse_rows *f = sse_db_query(db, "SELECT id, name FROM files WHERE card = %lld", id);
    while (sse_db_next(f))
        sse_html(html, "<a href=\"/files/%s\">%s</a>\n", sse_db_text(f, 0), sse_db_text(f, 1));
    sse_html(html, "<div><form method=\"post\" action=\"/b/%s/cards/%lld\"\n"
             "  data-on:submit__prevent=\"@post(el.action, {contentType: 'form'})\">", board, id);
    if (list > 0) sse_html(html, "<button name=\"to\" value=\"%d\" aria-label=\"%s: to %s\">"
                           "&larr;</button>", list - 1, title, lists[list - 1]);
    if (list < 2) sse_html(html, "<button name=\"to\" value=\"%d\" aria-label=\"%s: to %s\">"
                           "&rarr;</button>", list + 1, title, lists[list + 1]);
    sse_html(html, "<button name=\"to\" value=\"gone\" aria-label=\"Remove %s\">&times;</button>"
             "</form>\n<details id=\"d%lld\" data-preserve-attr=\"open\">"
             "<summary>Attach</summary>\n"
             "<form method=\"post\" action=\"/b/%s/cards/%lld/files\" "
             "enctype=\"multipart/form-data\"\n", title, id, board, id);
    sse_html(html, "  data-on:submit__prevent=\"@post(el.action, {contentType: 'form'})\">\n"
             "<input type=\"file\" name=\"file\" aria-label=\"File for %s\" required>"
             "<button>Attach</button></form></details></div></li>\n", title);
}

static bool chip(const char *who, sse_stream s, void *html) {
    (void)s;
    sse_html((sse_buf *)html, "<li>%s</li>", who);
    return true;
}

static void cards(sse_app *app, const char *board, sse_buf *html) {
    char topic[100];
    snprintf(topic, sizeof topic, "/b/%s/cards", board);
    sse_puts(html, "<ul id=\"here\" aria-label=\"Who is here\">");
    sse_topic_who(app, topic, chip, html);
    sse_puts(html, "</ul>\n<main id=\"lists\">");
    for (int list = 0; list < 3; list++) {
        sse_html(html, "<section><h2>%s</h2><ul>\n", lists[list]);
        sse_rows *r = sse_db_query(db, "SELECT id, title FROM cards WHERE board = %s AND list = %d"
                                       " ORDER BY id", board, list);
        while (sse_db_next(r)) card(html, board, sse_db_int(r, 0), sse_db_text(r, 1), list);
        sse_puts(html, "</ul></section>\n");
    }
    sse_puts(html, "</main>\n<section id=\"log\"><h2>What happened</h2><ol>\n");
    sse_rows *r = sse_db_query(db, "SELECT id, time(at), body FROM outbox WHERE board = %s"
                                   " ORDER BY id DESC LIMIT 6", board);
    while (sse_db_next(r))
        sse_html(html, "<li id=\"o%lld\"><small>%s</small> %s</li>\n", sse_db_int(r, 0),
                 sse_db_text(r, 1), sse_db_text(r, 2));
    sse_puts(html, "</ol></section>\n");
}

static void found(const char *board, const char *q, sse_buf *html) {
    sse_puts(html, "<ul id=\"found\" aria-live=\"polite\">");
    sse_rows *r = !q || !*q ? NULL : sse_db_query(db, "SELECT id, title, list FROM cards"
        " WHERE board = %s AND (instr(lower(title), lower(%s)) OR id IN (SELECT card FROM files"
        " WHERE instr(lower(name), lower(%s)))) ORDER BY list, id LIMIT 20", board, q, q);
    while (sse_db_next(r))
        sse_html(html, "<li><a href=\"#c%lld\">%s</a> <small>%s</small></li>\n", sse_db_int(r, 0),
                 sse_db_text(r, 1), lists[sse_db_int(r, 2)]);
    sse_puts(html, "</ul>\n");
}

#define HEAD \
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Board</title>\n" \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" \
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n" \
    "<style>:root { color-scheme: light dark; --ink: light-dark(#23273a, #e6e8f2);\n" \
    "  --paper: light-dark(#eef0f6, #12141c); --card: light-dark(#fff, #232734);\n" \
    "  --list: light-dark(#e0e4ee, #1a1d28); --soft: light-dark(#565d75, #9aa1b8);\n" \
    "  --accent: light-dark(#3150c4, #93abff) }\n" \
    "* { box-sizing: border-box } [hidden] { display: none }\n" \
    "body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--paper);\n" \
    "       color: var(--ink); font: 1rem/1.45 system-ui, sans-serif }\n" \
    "header { display: flex; align-items: baseline; gap: .6rem }\n" \
    "h1 { margin: 0; font-size: 1.3rem } h2 { margin: 0 0 .4rem; font-size: .9rem }\n" \
    "ul, ol { margin: 0; padding: 0; list-style: none }\n" \
    "h2, header span, small, summary, #trouble { color: var(--soft) }\n" \
    "small, summary, #log li, #here { font-size: .85rem }\n" \
    "#here { display: flex; flex-wrap: wrap; gap: .4rem; margin: .5rem 0 .8rem }\n" \
    "#here li { padding: .1rem .6rem; border-radius: 1rem; background: var(--card) }\n" \
    "#here li::before { content: '\\25CF' / ''; color: var(--accent); margin-right: .35rem }\n" \
    "#lists { display: grid; gap: .7rem;\n" \
    "         grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)) }\n" \
    "section { padding: .7rem; border-radius: .9rem; background: var(--list); min-width: 0 }\n" \
    "#lists li { margin-top: .4rem; padding: .6rem .7rem; border-radius: .6rem;\n" \
    "            background: var(--card); overflow-wrap: anywhere; scroll-margin: 1rem }\n" \
    "li:target { outline: 2px solid var(--accent) } b { font-weight: 600 }\n" \
    "#lists a { display: block; font-size: .9rem } a { color: var(--accent) }\n" \
    "#lists div { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center }\n" \
    "#lists div > form { display: flex; gap: .3rem } details[open] { width: 100% }\n" \
    "#lists div { margin-top: .4rem } summary { padding: .3rem 0 }\n" \
    "form.line { display: flex; gap: .5rem; margin: .6rem 0 } #log { margin-top: .7rem }\n" \
    "input, button { font: inherit; color: inherit; border: 0; border-radius: .6rem;\n" \
    "                padding: .55rem .8rem; background: var(--card) } input { width: 100% }\n" \
    "#lists button { background: var(--list); padding: .25rem .8rem }\n" \
    "input[type=file] { padding: .3rem 0 } ::placeholder { color: var(--soft); opacity: 1 }\n" \
    "button.main { background: var(--accent); color: var(--paper); font-weight: 600 }\n" \
    "#found li { padding: .3rem 0 } #trouble { margin: 0 }\n" \
    ":focus-visible { outline: 2px solid var(--accent); outline-offset: 1px }</style></head><body "

static const char page_head[] = HEAD;
static const char page_name[] = HEAD
    "><h1>Board</h1><form class=\"line\" method=\"post\" action=\"/name\"><input name=\"name\"\n"
    "  aria-label=\"Your name\" placeholder=\"Your name\" maxlength=\"40\" required autofocus>\n"
    "<button class=\"main\">Go</button></form></body></html>\n";

/* The board, who one is, and the board for two forms. The search is a view of one's own. */
static const char page_top[] =
    "><header><h1>%s</h1><span>you are %s</span></header>\n"
    "<p id=\"trouble\" role=\"status\" data-show=\"$_offline\" style=\"display: none\">\n"
    "Not connected. Trying again...</p>\n"
    "<form class=\"line\" method=\"post\" action=\"/b/%s/cards\"\n"
    "  data-signals=\"{title: '', q: ''}\"\n"
    "  data-on:submit__prevent=\"$_offline || @post(el.action, {retry: 'never'})\">\n"
    "<input name=\"title\" data-bind:title aria-label=\"New card\" placeholder=\"New card\"\n"
    "  maxlength=\"200\" autocomplete=\"off\" required><button class=\"main\">Add</button></form>\n"
    "<form class=\"line\" action=\"/b/%s\" data-on:submit__prevent=\"1\"\n"
    "  data-on:input__debounce.200ms=\"@get('/b/%s/find',\n"
    "    {retry: 'always', retryMaxCount: Infinity, retryMaxWait: 2000})\">\n"
    "<input name=\"q\" type=\"search\" data-bind:q aria-label=\"Search\"\n"
    "  placeholder=\"Search\" autocomplete=\"off\"></form>\n";

static const char page_end[] = "</body></html>\n";
