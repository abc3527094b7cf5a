/* rooms.c: rooms to talk in. Who is here, and, after a break of any kind, exactly what was missed:
   the history is in SQLite, so a restart is only a break. Open /?room=garden&me=ann twice. PORT=-1
   lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "rooms_page.h"                                          // its HTML, and a script

static void page(sse_req *req, void *user);                      // at the end: HTML

static const char *given(const char *text, const char *otherwise) {
    return text && *text && strlen(text) < 40 ? text : otherwise;
}

static const char *room(sse_req *req) { return given(sse_query(req, "room"), "garden"); }
static const char *me(sse_req *req) { return given(sse_query(req, "me"), "guest"); } // no login
static const char *topic(sse_req *req) { return sse_fmt(req, "room.%s", room(req)); }

static bool differs(const sse_event *event, void *text) {        // forgets what was said already
    if (strcmp(event->data, *(const char **)text) == 0) *(const char **)text = NULL;
    return *(const char **)text != NULL;
}

static void say(sse_req *req, void *user) {
    const char *text = sse_form(req, "text"), *key = sse_form(req, "key");
    const char *from = sse_header(req, "Referer");
    sse_event said = { .event = "said" };
    sse_buf   html = {0};
    (void)user;
    if (!text || !*text) { sse_fail(req, 400, "text is missing"); return; }
    sse_html(&html, "<p data-key=\"%s\"><b>%s</b>%s</p>", key, me(req), text);
    said.data = sse_buf_text(&html);
    if (key) sse_topic_history(sse_req_app(req), topic(req), 0, differs, &said.data); // again?
    else sse_redirect(req, from ? from : "/");                   // without a script
    if (said.data) sse_publish(sse_req_app(req), topic(req), &said);
    sse_buf_free(&html);
}

static bool chip(const char *who, sse_stream s, void *html) {
    (void)s;
    sse_html(html, "<li>%s</li>", who);
    return true;
}

static void presence(sse_app *app, const char *room, const char *who, void *user) {
    sse_event here = { .event = "here", .ephemeral = true };     // somebody came or went: not for
    sse_buf   html = {0};                                        // the history
    (void)who; (void)user;
    sse_topic_who(app, room, chip, &html);
    here.data = sse_buf_text(&html);
    sse_publish(app, room, &here);
    sse_buf_free(&html);
}

static void feed(sse_req *req, void *user) {
    sse_stream s = sse_stream_open(req, &(sse_stream_options){
        .who = me(req), .retry_ms = 1000, .retry_spread_ms = 1000 });
    sse_buf html = {0};
    (void)user;
    sse_subscribe(s, topic(req));                                // resumes when this returns
    sse_topic_who(sse_req_app(req), topic(req), chip, &html);    // a second tab is no join
    sse_stream_send(s, &(sse_event){ .event = "here", .data = sse_buf_text(&html) });
    sse_buf_free(&html);
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("the rooms are on http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_db  *db  = sse_db_open("rooms.db", NULL);
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "room.*", &(sse_topic_options){
        .history = 1000, .greet = 50, .db = db, .on_join = presence, .on_leave = presence });
    sse_get (app, "/", page, NULL);
    sse_post(app, "/", say, NULL);
    sse_get (app, "/feed", feed, NULL);
    const int port = (int)sse_parse_int(getenv("PORT"), 8000);
    return sse_serve(app, &(sse_serve_options){ .port = port });
}

static bool line(const sse_event *event, void *html) {           // its data begins with "<p"
    sse_html(html, "<p id=\"%s\"", event->id);
    sse_puts(html, event->data + 2);
    return true;
}

static void page(sse_req *req, void *user) {
    sse_app *app = sse_req_app(req);
    sse_buf *out = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    sse_scripts(out, SSE_SCRIPT_ALL);
    sse_html(out, "</head><body><header><h1>%s</h1><ul id=\"here\">", room(req));
    sse_topic_who(app, topic(req), chip, out);
    sse_puts(out, "</ul></header>\n<main id=\"log\" aria-live=\"polite\" tabindex=\"0\">");
    sse_topic_history(app, topic(req), 50, line, out);           // the stream begins behind them
    sse_puts(out, page_script);
}
