/* sse.h 0.1.0: a live web server in one C file: HTTP, Server-Sent Events, Datastar, SQLite.
   MIT licence, at the end.

   Do this in ONE file of your program, before its other includes:

       #define SSE_IMPLEMENTATION
       #include "sse.h"

   and in the other files just #include "sse.h". Compile with

       cc main.c -lsqlite3 -lbrotlienc -lpthread

   or, without any library, with -DSSE_NO_SQLITE -DSSE_NO_BROTLI -DSSE_NO_THREADS.

   The smallest program:

       #define SSE_IMPLEMENTATION
       #include "sse.h"

       static void hello(sse_req *req, void *user) {
           (void)user;
           sse_html(sse_out(req), "<h1>hello %s</h1>", sse_query(req, "name"));    // %s is escaped
       }

       int main(void) {
           sse_app *app = sse_app_new(NULL);
           sse_get(app, "/", hello, NULL);
           return sse_serve(app, NULL);                                            // 127.0.0.1:8000
       }

   Open http://127.0.0.1:8000/?name=you. Every other program grows from this one.

   Contents

     The manual: chapters 1 to 15, each from code to reasons. Then the API index, the configuration
     macros, the declarations with their contracts, and the implementation, bottom-up. Search for
     the tag of a section:

     >>base       compilers, allocation, checked sizes, errors
     >>buf        growing buffers, arenas
     >>table      lists, slots, maps
     >>text       characters, UTF-8, escaping, percent, base64url, numbers
     >>format     the printf family
     >>json       reader by path, validator (RFC 8259)
     >>sign       SHA-256, HMAC, signed values     [pure, but for the time of day]
     >>event      Server-Sent Events, WHATWG HTML 9.2
     >>datastar   Datastar content, and whole events
     >>htmx       elements for htmx
     >>field      header fields: lists, types, dates, hosts
     >>http       request head, chunked bodies, paths
     >>form       queries, cookies, multipart bodies
     >>route      paths to handlers
     >>frame      br and gzip: one compression for all subscribers
     >>sys        the system: includes, clock, mutexes, random bytes
     >>loop       poller (epoll | poll), timing wheel, calls from other threads
     >>core       struct sse_app, and what every section says through it
     >>timers     timers, watches and calls of the program
     >>offload    work on other threads, completion on the loop
     >>db         SQLite: formats become bound statements
     >>posts      statements that wait for the disk on its own thread
     >>conn       connections: read, queue, write, time out
     >>listen     listeners, and the connections they accept
     >>options    defaults and limits of options, texts that can never match
     >>request    what a handler reads
     >>reply      what a handler writes
     >>file       files as replies: conditions, ranges, directories
     >>message    an event, formatted once for all its receivers
     >>stream     open event streams: queue, heartbeat, slow readers, closing
     >>channel    what many streams get: compressed once for each encoding
     >>history    what topics keep: numbers, rings, tables of SQLite
     >>outbox     rows of a table as events
     >>presence   who is here: on_join, on_leave
     >>topics     names, their options, what keeps them
     >>replay     streams that are behind: catching up, resuming by Last-Event-ID
     >>publish    subscribe and publish; many streams at once
     >>live       views: render once, share
     >>changes    commits to SQLite wake views and topics
     >>app        routes, hooks, guards, one request from head to log
     >>monitor    counters, a page that shows them live, metrics
     >>server     make and free an app, listen, turn the loop, stop
     >>env        for development: probing a port, reading a .env file
     >>tunnel     a public address, through an agent such as ngrok
     >>scripts    scripts for pages with EventSource
     >>client     a client for part of Datastar's language, for pages without internet

   1. Routes and replies

       sse_get(app, "/room/{id}", room, NULL);

       static void room(sse_req *req, void *user) {
           const char *id = sse_param(req, "id");                   // decoded, never holds a NUL
           if (strlen(id) > 20) { sse_fail(req, 404, "no such room"); return; }
           sse_html(sse_out(req), "<h1>Room %s</h1>", id);          // 200 text/html
       }

     A handler reads the request and writes to sse_out(req); what is there when it returns is the
     reply. A handler that writes nothing answers 204, or 500 if a call to this library failed
     meanwhile, so that an unchecked sse_db_exec cannot pass for success (either would end an
     EventSource for good: see chapter 2). sse_out_json is the same buffer sent as JSON.
     sse_set_status, sse_set_header, sse_set_cookie and sse_redirect do what they say and refuse
     values that would break the head. GET routes answer HEAD; OPTIONS, 404 and 405 are automatic.

     sse_html, sse_json, sse_url and sse_js are printf with a %s that is safe in that language. The
     format is trusted, the values are not. For a page with a % in its CSS there is sse_puts.

     A before hook runs ahead of the routes below its prefix. It answers the request by writing, or
     lets it pass:

       sse_before(app, "/mine", members, NULL);

       static void members(sse_req *req, void *user) {
           const char *name = sse_cookie_signed(req, "session", 86400);
           if (name) sse_set_attr(req, "user", name);    // for the handler: sse_attr(req, "user")
           else sse_redirect(req, "/login");
       }

     Bodies up to max_body_bytes are there when the handler runs; together they take at most
     max_bodies_bytes, beyond which clients get a 503 and come back. Larger bodies are read as they
     arrive: give the route .body_later and call sse_body_read, or sse_body_parts for the files of a
     form.

     A reply that takes longer is deferred: sse_defer(req) in the handler, sse_finish(req) when it
     is written, on the loop. The request stays valid until then even if the client leaves. A
     deferred request cannot become a stream: open the stream at once, and send to it later. Chapter
     11 has an example.

     sse_static(app, "/static", "public", NULL) serves files with ETags and ranges, and never
     anything outside the directory.

   2. Streams

       sse_get(app, "/events", events, NULL);

       static void events(sse_req *req, void *user) {
           sse_stream s = sse_stream_open(req, NULL);               // 200 text/event-stream
           sse_stream_send(s, &(sse_event){ .event = "hello", .data = "you are in" });
           sse_subscribe(s, "news");                                // and all published from now on
       }

     A stream is a handle: copy it, keep it, use it when its peer is long gone: calls then answer
     SSE_E_CLOSED and do nothing. Sending never blocks: events wait in a queue of max_queue_bytes,
     and a peer that reads nothing for send_timeout_ms is closed. After 15 s without an event a
     comment goes out as a heartbeat, for proxies that close idle connections, and to find dead
     peers.

     A generator is a step function that returns the milliseconds until it wants to be called again:

       static int count(sse_stream s, void *user) {                 // .step = count, .user = &n
           char text[16];
           snprintf(text, sizeof text, "%d", ++*(int *)user);
           sse_stream_send(s, &(sse_event){ .data = text });
           return *(int *)user < 5 ? 1000 : SSE_END;
       }

     on_close runs exactly once per stream, even if the stream could not be opened: free user there.

     How a stream ends decides whether its client comes back.

       static void over(sse_stream s, bool all_is_said) {
           static const sse_event done = { .event = "done" };
           if (all_is_said) sse_stream_end(s, &done);    // Datastar and others that use fetch stop
           else sse_stream_reconnect(s, NULL);           // the client is to come back
       }

     A step returns SSE_END or SSE_RECONNECT for the same. A stream that the program ends is
     complete, and its connection is kept alive. Every other end leaves the body without its last
     chunk, which clients take for a broken connection: the app stops, lifetime_ms is over, the
     reader was too slow, a view could not be rendered. EventSource, Datastar, htmx and the
     libraries that use fetch reconnect after that by themselves (a browser logs a line to its
     console). An EventSource reconnects after a complete stream as well, until its script closes it
     or it is answered 204: sse_set_status(req, 204).

     Any status but 200 ends an EventSource for good, and Datastar with its defaults. So where there
     is no room, say

       sse_come_back(req, 2000);      // in a guard, hook or handler; all other clients get a 503

     which is what the library itself answers where max_connections or max_views are reached, and to
     an EventSource whose handler wrote nothing. Behind a proxy, which answers 502 while the app
     restarts, sse_follow (chapter 5) and sse_scripts (chapter 6) always bring pages back.

     Give nginx proxy_http_version 1.1: over HTTP/1.0, its default, a crash of the app looks like a
     complete stream. To browsers with HTTP/2 nginx reports the end of one stream only with the next
     bytes of another, after ping_ms at the latest. Caddy before 2.8 makes every stream look
     complete. Pages with sse_follow or sse_scripts reconnect in all these cases.

     When the app stops (a signal, or sse_stop) on_stop is called and .last is sent. A generator is
     called at once and goes on at its own pace until it returns SSE_END or SSE_RECONNECT: it checks
     sse_stopping(app), and sends what it still must. A stream with .drain stays open until the
     program ends it. Streams still open after grace_ms get their .last and are cut; a second signal
     cuts at once.

   3. Topics

       sse_publish(app, "news", &(sse_event){ .event = "headline", .data = text });

     Any thread may publish. An event goes to all subscribers, formatted and compressed once. Names
     need no registration and may be built from request text ("room.42"); patterns ("room.*") have a
     function of their own and may not. A client that sends the id of its stream (sse_stream_id)
     along can be left out of the events it causes: .except = sse_stream_find(app, id).

       sse_topic(app, "room.*", &(sse_topic_options){ .history = 1000, .greet = 50, .db = db,
                                                      .on_join = here, .on_leave = here });

     A topic with a history gives its events ids, and gives each subscriber an id at once, before
     the first event. A browser that reconnects names the last id it saw and gets exactly what it
     missed, then what is new; with .db also after a restart of the server, or a crash: an event is
     in the database before anybody sees it. Only while the database cannot be written (locked by
     another process, disk full) are events sent unsaved: a warning is logged, and they are saved as
     soon as it can be written again; a crash before that loses them. If the id is too old the
     browser gets a "gap" event first, then the whole history.

     Presence counts people, not tabs: .who in a stream's options says whose it is; on_join,
     on_leave and sse_topic_who tell the program. Backpressure is a choice, .overflow: slow readers
     lose nothing (they are closed and come back), or the oldest events, or all but the newest of
     each key.

   4. Live views

       static void feed(sse_view *view, sse_buf *html, void *user) {
           sse_puts(html, "<ul id=\"feed\">");
           sse_rows *r = sse_db_query(db, "SELECT txt FROM msgs ORDER BY id DESC LIMIT 50");
           while (sse_db_next(r)) sse_html(html, "<li>%s</li>", sse_db_text(r, 0));
           sse_puts(html, "</ul>");
       }
       sse_live(app, "/feed", feed, &(sse_live_options){ .db = db, .tables = "msgs" });

     A view is rendered once per change, however many clients watch, and output equal to the last is
     not sent. A client that joins gets the present state at once; a slow reader gets the newest
     state, not a queue of old ones. A view changes when a commit of any process touches its tables,
     when every_ms have passed, or when the program calls sse_touch(app, "/feed").

     Its guard may refuse a request, or open the stream itself with what only the request knows;
     .stream is then ignored:

       static void enter(sse_req *req, void *user) {      // the .guard of the view "/room/{id}"
           const char *me = sse_attr(req, "user");
           if (!me) { sse_fail(req, 401, "who are you?"); return; }
           sse_stream s = sse_stream_open(req, &(sse_stream_options){ .who = me });
           sse_subscribe(s, sse_fmt(req, "room.%s", sse_param(req, "id")));
       }

     A view is shared: it knows its path parameters and the query parameters listed in .query, and
     nothing else of a request. Views for one person are made with sse_live_each, whose render
     function gets a copy of the request (its head, params and attrs, usually 1 to 2 KB, for the
     life of the stream). A commit wakes every view that follows its tables; where one table serves
     a thousand rooms, leave .db out and touch the room that changed.

     A render that fails (its buffer, its database, or sse_buf_fail) leaves the last state on every
     screen and is tried again.

   5. Datastar

       <div id="feed" data-init="@get('/feed')"></div>
       <input data-bind:text><button data-on:click="@post('/say')">say</button>

     Views speak Datastar unless told otherwise: what a render writes is patched into the page by
     the ids of its elements. sse_signal(req, "text") reads a signal of the request, or any path
     into them ("user.name", "items.0.id"). An event carries .elements, .signals, .script or
     .redirect instead of data, with .patch saying where and how; sse_patch_elements and its
     siblings write the same bytes into a buffer.

       sse_post(app, "/tell", tell, NULL);

       static void tell(sse_req *req, void *user) {
           const char *said = sse_form(req, "text");
           if (!said) sse_fail(req, 400, "text is missing");
           else if (sse_db_exec(db, "INSERT INTO msgs(txt) VALUES(%s)", said) > 0
                    && !sse_header(req, "Datastar-Request"))
               sse_redirect(req, "/");                              // it came without a script
       }

     answers a form that works without a script, too: <form method="post" action="/tell"
     data-on:submit="@post('/tell', {contentType: 'form'})">. examples/chat.c has one that keeps
     what was typed until the server has it.

       sse_puts(html, "<main id=\"feed\" "); sse_follow(html, "/feed"); sse_puts(html, ">");

     follows a view for good. A plain @get stops when the stream is complete, and after ten tries.

       sse_datastar(app, "/datastar.js", NULL);

     serves Datastar's client to <script type="module" src="/datastar.js"></script>, so that pages
     need no internet: the real client, if you have its file and name it, else one that is built in,
     5 KB as sent. The built-in client knows

       - data-init, data-on, data-bind, data-text, data-show, data-class, data-attr, data-signals,
         data-indicator, data-effect, data-ignore, data-ignore-morph, data-preserve-attr
       - of signals __ifmissing, of data-init __delay, of events __prevent, __stop, __once,
         __capture, __passive, __window, __document, __outside and one of __debounce.500ms,
         __throttle.1s and __delay.1s, with .leading, .notrailing, .noleading and .trailing
       - @get, @post, @put, @patch and @delete with their options, replies that are events, HTML,
         JSON or JavaScript, patches in all modes, of svg and mathml, with a view transition, and
         the event datastar-fetch

     and behaves like Datastar 1.0.2, with these differences:

       - It lacks data-computed, data-style, data-ref, data-json-signals, data-on-intersect,
         data-on-interval, data-on-signal-patch, data-scope-children, data-ignore__self; __case,
         __viewtransition, __prop, __event; @peek, @setAll, @toggleAll; files in data-bind; patches
         of a whole <html>, <head> or <body>; viewTransitionSelector; /slashes/ around a filter that
         is text; the events datastar-ready and datastar-signal-patch; exports.
       - It retries up to a quarter later, so that not all pages come at once; not after a network
         error if retry is 'never', nor while the page is hidden; 'always' and 'error' retry after
         statuses from 400 on.
       - Code that awaits an action continues if the form is not valid, or the reply is JavaScript.
       - An expression that fails leaves the rest of the page working. Strings may hold "@get(". A
         name with a dash can only be a signal of the first level ($first-name). An effect that sets
         $a does not run again because of it. Effects run a moment after a write, not within it.
       - A script in a morphed element runs where it is put, once.
       - A number that is deselected in a <select multiple> comes back as text. Classes that
         data-class added stay when the attribute goes.
       - Mistakes, such as a mode without its selector, are not reported.
       - If several elements have the same id, all are patched. An id: without a value is sent back
         as an empty one. An expression that lists all signals does not notice new ones.

   6. HTMX

       sse_htmx_element(html, "/feed", "message", "id=\"feed\"");

     writes an element that both htmx 2 (with its sse extension) and htmx 4 understand; sse_htmx_oob
     wraps HTML for an out-of-band swap. A view sends plain events with .format = SSE_AS_DATA.

       sse_scripts(html, SSE_SCRIPT_ALL);                           // in <head>, before htmx

     replaces the browser's EventSource, which htmx 2 uses as well, by one that never dies: it is
     back within seconds of the server, whatever ended the stream, shows on the page whether it is
     connected, and shares a stream among the tabs of a browser, which allows six connections per
     server. A page that is not connected should not pass stale content for news:

       <p data-sse-status data-open="" data-connecting="not connected, trying again"
          data-closed="closed"></p>
       <style>html[data-sse=connecting] .value { opacity: .4 }</style>

     A page that was rendered with the events so far says where its stream continues: new
     EventSource("/feed?lastEventId=42"). sse_scripts_with takes waits, a number of tries and a
     nonce. SSE_SCRIPT_STATS counts streams, events and reconnects.

   7. Signed values

       sse_set_cookie_signed(req, "session", name, NULL);           // sse_cookie_signed reads it

       static void login(sse_req *req, void *user) {             // POST /login
           const char *name = sse_form(req, "name"), *password = sse_form(req, "password");
           (void)user;
           if (!name || !password || !is_right(name, password)) {
               sse_redirect(req, "/?wrong");
               return;
           }
           sse_set_cookie_signed(req, "session", sse_fmt(req, "session:%s", name), NULL);
           sse_redirect(req, "/");
       }

       static void logout(sse_req *req, void *user) {            // POST /logout
           const sse_cookie_options gone = { .max_age_s = SSE_OFF };
           (void)user;
           sse_set_cookie(req, "session", "", &gone);
           sse_redirect(req, "/");
       }

       static const char *logged_in(sse_req *req) {              // NULL: nobody, or too long ago
           const char *session = sse_cookie_signed(req, "session", 86400);
           return session && strncmp(session, "session:", 8) == 0 ? session + 8 : NULL;
       }

     That is a login (examples/login.c is the whole program). The forms need no token: a POST from a
     page of another origin is refused before its handler runs, by the Origin and Sec-Fetch-Site
     that browsers send, and SameSite=Lax withholds the cookie from it. This holds for all unsafe
     methods; any page may cause a GET, so let GET change nothing. A reply that redirects is 303, so
     that a reload does not send the form again. A session that must end at once, everywhere, needs
     a row in a database: sign its id instead of a name.

       const char *t = sse_req_sign(req, "confirm:ann@example.com");      // a link: /confirm?t=...
       const char *who = sse_req_unsign(req, sse_query(req, "t"), 86400); // the value, or NULL

     Links that are mailed, and form fields that must come back as they were sent, are signed with
     the same .secret.

     A signed value can be read by everyone and changed by nobody. It is not bound to its cookie's
     name: sign "session:ann" where text of strangers is signed as well, lest a value signed for one
     purpose serve another. Keys rotate: .secret = "new old". The format is that of py-sse, so that
     a Python and a C program can share sessions. Without a .secret a random one is used, and
     sessions end with the process.

   8. SQLite

       sse_db *db = sse_db_open("app.db", NULL);
       sse_db_migrate(db, "CREATE TABLE IF NOT EXISTS msgs (id INTEGER PRIMARY KEY, txt TEXT)");
       sse_db_exec(db, "INSERT INTO msgs(txt) VALUES(%s)", text);   // bound, never spliced

       int n = sse_db_exec(db, "INSERT INTO users(name) VALUES(%s)", name);
       if (n == SSE_E_CONFLICT) sse_fail(req, 409, "%s is taken", name);

     A constraint of the table decides what may be in it, for every program that writes; a handler
     needs no look ahead. (Other errors answer 500 by themselves.)

     sse_db_open always gives an object; a database that did not open answers its error to every
     call and makes sse_serve fail with a message, in every app of this thread, until sse_db_close.
     Rows end themselves: call sse_db_done only when leaving a loop early. sse_db_write runs a
     function in a transaction. A db belongs to one thread, and to one process: open it after fork
     or daemon, not before.

     A migration is all or nothing, keeps the rows that refer to a table it rebuilds, and keeps the
     server from starting if it failed, whatever the reason.

     While another program holds the write lock sse_db_exec waits for it, and with it the loop and
     every client, for up to .busy_ms (5 seconds); likewise while an SD card syncs. Where that can
     happen, post the statement, and answer when it is done:

       static void said(sse_app *app, const sse_db_result *result, void *user) {
           sse_req *req = (sse_req *)user;
           (void)app;
           if (result->changes < 0) sse_fail(req, 503, "%s", result->error);
           sse_finish(req);                                         // 204: it is on the disk
       }

       static void say(sse_req *req, void *user) {
           sse_db_post_options to = { sse_req_app(req), said, req };
           const char *text = sse_form(req, "text");
           (void)user;
           if (!text) sse_fail(req, 400, "text is missing");
           else if (sse_db_post(db, &to, "INSERT INTO msgs(txt) VALUES(%s)", text) == SSE_OK)
               sse_defer(req);
       }

     Posted statements run in order, on a thread that has a connection of its own. Those that wait
     together share a transaction, so that a hundred cost one wait for the disk. The thread waits
     for a lock for .busy_ms, too; after that the statements that waited fail with SSE_E_BUSY. To
     tell browsers of the row, publish in said; or, so that no crash comes between row and event,
     make the rows themselves events: sse_topic_from_table, below.

     Views hear of commits from this connection, another one, another thread or another process: the
     sqlite3 shell, a cron job, a Python script. A wake means "look again", never a promised row.
     Commits of your own take effect in the same turn of the loop, those of other processes within
     milliseconds where there is inotify, within 100 ms elsewhere.

       sse_topic_from_table(app, "orders", db,
                            "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");

     Where every change counts, its author adds a row to an outbox table in the same transaction.
     The rows become the events of a topic, with their ids: every client gets each of them once and
     in order, across disconnects, restarts and crashes.

   9. Compression

       static void feed(sse_view *view, sse_buf *html, void *user);      // renders all, every time
       sse_live(app, "/feed", feed, NULL);                               // sends about what changed

     Do not send differences: render everything and let the compression find them. Each event is
     compressed once, however many clients watch, into at most two frames. A delta copies from the
     events before it and goes to all clients that have those. A key stands alone and goes to
     clients that join, were too slow and missed an event, or were sent something of their own in
     between. A delta is the same bytes in all queues, shared, so that a subscriber costs no
     compressor and no copy.

         bytes per event                        plain   delta   libbrotli per client, quality 5
         Game of Life, 2,500 cells             209,000   1,366    3,683
         chat, the last 50 lines                 5,600      64       61
         table                                  47,000      92      100

     For 10,000 clients that is one compressor of half a megabyte instead of 10,000 of two megabytes
     each. Browsers offer br on https and localhost, gzip everywhere; both work alike. Compression
     is best where unchanged parts keep their length: <i class="c0"> and <i class="c4"> rather than
     a class that comes and goes. Events for one stream alone (sse_stream_send, sse_live_each) are
     keys; .own_history gives that stream a history. .compress_window = 16 makes all histories
     small.

     Text replies and files of 1 KB and more are compressed as well. Replies up to 256 KiB are
     compressed whole, files up to 1 MiB whole and once, from 64 KiB on by a thread; 32 of these are
     kept, 4 MiB together. If requests alternate between more files than that, or compress_quality
     takes seconds, compressing them takes a second and then a twentieth of the time: meanwhile the
     other files leave as they are. Bodies that are larger, or not compressed yet, are compressed as
     they leave, 128 KiB at a time: a download takes the memory of one such piece, and the loop
     makes one in 2 to 4 ms, then attends to everything else, however many downloads wait. Such
     replies have no Content-Length, and are compressed as by libbrotli at quality 2; x.br or x.gz
     beside x is smaller and costs nothing. A handler that sets Cache-Control: no-transform is left
     alone.

     A request with Range for a file that could be compressed gets its bytes as they are on disk,
     never compressed ones; the compressed form has an ETag of its own. So a client that got the
     file in br or gzip, and asks for the rest with that ETag in If-Range, gets the whole file as it
     is, with 200; a client that got the file as it is gets the rest. Nor is that ETag in
     If-None-Match, beside a Range, answered by 304. x.br and x.gz beside x are files like others:
     their ranges are of what is in them. For downloads that clients resume, choose a type that is
     not compressed (zip, gz, mp4), or set no-transform.

     An attacker who sees the length of compressed text and chooses part of it can guess the rest
     (BREACH): keep secrets, form tokens included, out of replies and views that also show text of
     strangers, or turn compression off there (no-transform; .no_compression).

   10. Your own loop

       sse_listen(app, NULL);
       for (;;) {
           struct pollfd p = { sse_fd(app), POLLIN, 0 };
           poll(&p, 1, sse_next_ms(app));
           if (sse_poll(app, 0) <= 0) break;
       }

     Where the system has no epoll (SSE_USE_POLL) sse_fd is negative, which poll ignores, and
     sse_next_ms is 10 at most: the same loop then looks every 10 ms. With nothing else to wait for,
     sse_poll(app, -1) or sse_serve reacts at once there, too.

     Or bring your descriptors into this loop: sse_watch(app, fd, SSE_READ, fn, NULL) for a GPIO
     line, a serial port or a Redis connection, sse_watch_lines for what comes in lines, sse_every
     and sse_after for time. An edge at a GPIO of sysfs is SSE_PRI.

   11. Threads

     Handlers, renders, timers, hooks and callbacks run on the loop's thread, one at a time: user
     code needs no locks. From other threads call sse_publish, sse_touch, sse_call, sse_stop and
     sse_stopping, and nothing else; a call that is not allowed answers SSE_E_THREAD. Long work, a
     commit on a slow SD card included, goes to sse_offload(app, work, done, user): work runs on a
     thread of a small pool, done on the loop. Functions that read or write a request (sse_query,
     sse_out, each sse_set_, sse_finish) are never for work: extract what it needs before, and write
     the reply in done. sse_serve_background runs the loop in a thread of its own. No callback runs
     inside a call of yours, except by functions that take one to run now (sse_streams_each,
     sse_db_write), the logger and the allocator.

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

     Calls of other threads wait for the loop in at most max_call_bytes: a producer that outruns the
     loop gets SSE_E_FULL.

   12. Ownership

     Strings in are copied unless the contract says otherwise. Strings out live as long as what they
     came from: the request, the render, the row, the stream. Options and events are read during the
     call and copied where kept. user pointers: routes and timers borrow, streams take (until
     on_close).

   13. Errors and logs

       const char *why;
       if (sse_serve(app, NULL) && sse_app_error(app, &why))
           fprintf(stderr, "it does not run: %s\n", why);

     Functions answer 0 or a negative SSE_E_ code; sse_error_text says what such a code means.
     Mistakes made while setting up (a bad path, a database that does not open, a table without a
     database) stick: sse_serve answers the first one, and sse_app_error has the words that were
     logged, which name the argument or option to change:

       route GET /{id}/x: one of that method and shape is there already: /{name}/x
       sse_app_new: .trusted_proxies "10.0.0.0/8": an address as inet_ntop writes it, without
           port or range, or unix
       live view /feed: .tables without a .db

     A callback that holds the loop for .slow_ms (250) or more holds every client; it is named:

       handler of GET /report held the loop for 812 ms, and with it every client: sse_offload and
           sse_db_post take what lasts (.slow_ms)

     Once the app runs, a mistake fails only its own call, and is logged in the same way, once a
     second for each call:

       sse_set_header: X-Who: the value holds a line break or another control character (/greet)

     So are a step that ends its stream by an error, and a deferred request that is not answered
     within a minute. Warnings and errors go to stderr; on_log gets all lines, information and debug
     too. Mistakes of peers are a counter and a debug line; where you may have to change an option
     (.allowed_hosts, .max_views), one warning a second. sse_monitor(app, "/_sse", guard, NULL)
     serves a live page about the server, and /_sse/metrics for Prometheus.

   14. Access

     On loopback a request for a host name that is not this server's is refused (DNS rebinding):
     behind a proxy, name yours in .allowed_hosts. Unsafe methods from pages of other origins are
     refused unless the origin is in .allowed_origins. Behind a proxy, set .trusted_proxies to its
     address: sse_peer is then the client, and cookies are Secure over TLS.

   15. Limits, and what it does not do

     Header, body, queue, connection and view limits are options of sse_app_new with their defaults
     beside them. Past a limit a peer gets the exact 4xx and a closed connection; the program gets
     SSE_E_FULL. There is no TLS, HTTP/2 or WebSocket (a proxy in front gives the first two), no
     Windows, no template language, no HTTP client.

   API index

     sse_error_text           name and message of an error
     sse_parse_int            text to number, or a fallback
     sse_parse_double         the same, with a fraction
     sse_buf_free             frees a buffer's bytes
     sse_buf_text             a buffer as C text
     sse_buf_fail             makes a buffer, render or reply fail
     sse_raw                  appends bytes
     sse_puts                 appends text as it is
     sse_printf               appends formatted text, %s as it is
     sse_html                 ... %s safe in HTML
     sse_json                 ... %s a quoted JSON string
     sse_url                  ... %s safe in a URL
     sse_js                   ... %s safe in a JavaScript string
     sse_json_get             a value of a JSON text, by its path
     sse_sign                 signs a value
     sse_unsign               checks a signed value and reads it
     sse_sha256_add           hashes a piece
     sse_sha256_end           the hash of all pieces
     sse_hmac_sha256          a keyed hash
     sse_event_write          writes an event into a buffer
     sse_patch_elements       Datastar: patch HTML into the page
     sse_remove_elements      Datastar: remove what a selector finds
     sse_patch_signals        Datastar: merge signals
     sse_remove_signals       Datastar: remove signals
     sse_execute_script       Datastar: run a script
     sse_navigate             Datastar: go to another page
     sse_follow               Datastar: attributes of an element that follows a stream for good
     sse_htmx_element         HTMX: an element that follows a stream
     sse_htmx_oob             HTMX: HTML for an out-of-band swap
     sse_scripts              scripts for pages with EventSource: come back, share, show a status
     sse_scripts_with         ... with options
     sse_app_new              makes an app
     sse_app_free             closes and frees it
     sse_app_error            which option or argument was wrong, in words
     sse_log_access           logs each reply, in common log format
     sse_log_topic            publishes a line for each reply
     sse_every                a timer, again and again
     sse_after                a timer, once
     sse_timer_cancel         stops a timer
     sse_watch                watches a descriptor of yours
     sse_watch_lines          the same, line by line
     sse_call                 runs a function on the loop, from any thread
     sse_offload              runs work on a pool thread, completion on the loop
     sse_listen               opens an address
     sse_serve                listens and runs until stopped
     sse_port                 the port that was opened
     sse_stop                 begins the stop
     sse_stopping             is it stopping?
     sse_fd                   your own loop: the descriptor to wait for
     sse_next_ms              your own loop: how long to wait at most
     sse_poll                 your own loop: one turn
     sse_serve_background     serves from a thread of its own
     sse_stop_background      stops that server
     sse_alive                does a server answer at this port?
     sse_load_env             reads a .env file into the environment
     sse_tunnel_start         shows the app to the world through ngrok, ssh -R or another agent
     sse_tunnel_url           its public address
     sse_tunnel_stop          ends it
     sse_stats_get            counters
     sse_monitor              a live page about the server, and metrics
     sse_get                  a route for GET and HEAD
     sse_post                 a route for POST
     sse_put                  a route for PUT
     sse_delete               a route for DELETE
     sse_mount                a route for everything below a prefix
     sse_route                a route with options
     sse_before               a hook ahead of the routes
     sse_req_app              the app of a request
     sse_method               its method
     sse_path                 its path
     sse_param                a path parameter
     sse_query                a query parameter
     sse_query_bytes          a query parameter as bytes
     sse_form                 a form field
     sse_header               a header
     sse_header_at            the i-th header of a name
     sse_cookie               a cookie
     sse_cookie_signed        a signed cookie
     sse_auth_basic           user and password
     sse_auth_bearer          a token
     sse_peer                 the client's address
     sse_body                 the body's bytes
     sse_body_read            the body as it comes
     sse_body_parts           a multipart form as it comes
     sse_body_pause           holds the body back
     sse_signal               a Datastar signal, or a value of a JSON body
     sse_attr                 what a hook left for the handler
     sse_set_attr             leaves it there
     sse_fmt                  text that lives as long as the request
     sse_req_sign             signs a value with the app's secret: for links and forms
     sse_req_unsign           checks such a value and reads it
     sse_out                  the reply's buffer
     sse_out_json             the same, sent as JSON
     sse_set_status           the reply's status
     sse_set_type             the reply's content type
     sse_set_header           adds a header
     sse_set_cookie           sets a cookie
     sse_set_cookie_signed    sets a signed one
     sse_redirect             sends the browser elsewhere
     sse_fail                 an error as the reply
     sse_come_back            no room: come back later
     sse_defer                keeps the request beyond its handler
     sse_finish               sends the reply of a deferred request
     sse_send_file            a file as the reply
     sse_static               a directory of files
     sse_datastar             Datastar's client, the real one or the one built in
     sse_stream_open          turns a request into a stream
     sse_stream_is_open       is it open?
     sse_stream_send          sends one event to one stream
     sse_stream_write         sends bytes as they are
     sse_stream_end           ends a stream
     sse_stream_reconnect     ends it so that its client comes back
     sse_stream_id            unguessable text that names a stream
     sse_stream_find          the stream of that text
     sse_stream_meta          a text kept with a stream
     sse_stream_set_meta      sets it
     sse_streams_count        how many streams match
     sse_streams_each         calls a function for each
     sse_streams_close        ends them
     sse_subscribe            subscribes a stream to a topic
     sse_unsubscribe          ends that
     sse_subscribe_pattern    subscribes to all topics that match
     sse_unsubscribe_pattern  ends that
     sse_topic                history, presence and slow readers of a topic
     sse_topic_who            who is subscribed
     sse_topic_history        the events a topic keeps
     sse_topic_from_table     rows of a table become events, each once
     sse_publish              sends an event to all subscribers, from any thread
     sse_live                 a live view, shared
     sse_live_each            a live view, private
     sse_touch                renders a view again, from any thread
     sse_view_param           a view's parameter
     sse_stream_view          shows a view on a stream that is open
     sse_db_open              opens an SQLite database
     sse_db_attach            uses a connection of yours
     sse_db_close             closes it
     sse_db_error             the latest error
     sse_db_exec              runs a statement with bound values
     sse_db_post              the same on a thread, answered on the loop
     sse_db_query             runs a query with bound values
     sse_db_next              the next row
     sse_db_done              leaves a query early
     sse_db_text              a column as text
     sse_db_blob              as bytes
     sse_db_int               as an integer
     sse_db_double            as a floating-point number
     sse_db_is_null           is it NULL?
     sse_db_columns           how many columns
     sse_db_column_name       a column's name
     sse_db_one               one number of one row
     sse_db_last_id           the row id of the last insert
     sse_db_write             runs a function in a transaction
     sse_db_migrate           runs a script in one transaction
     sse_db_migrate_list      runs each script once, ever
     sse_db_raw               the sqlite3 pointer

   Configuration macros

     Define them where the implementation is compiled, before including sse.h; those marked * in
     every file.

     SSE_IMPLEMENTATION         compiles the implementation here. default: only the declarations
     SSE_STATIC *               all functions are static. default: extern
     SSE_NO_SQLITE              leaves SQLite out: sse_db_ functions answer SSE_E_NOT_BUILT.
                                default: in
     SSE_NO_BROTLI              leaves libbrotli out: streams still use br, replies do not.
                                default: in
     SSE_NO_COMPRESSION         leaves all compression out. default: in
     SSE_NO_THREADS             leaves pthread out: one thread only. default: in
     SSE_NO_CLIENT              leaves the built-in Datastar client out: sse_datastar needs a file.
                                default: in
     SSE_USE_POLL               poll(2) instead of epoll. default: epoll on Linux where the
                                compiler speaks GNU C (tcc does not lay out struct epoll_event as
                                the kernel does)
     SSE_MALLOC, SSE_REALLOC, SSE_FREE   all three or none. default: malloc, realloc, free
     SSE_ASSERT                 checks of this file's own invariants. default: assert of <assert.h>
     SSE_DEBUG_CHECKS           checks by SSE_ASSERT, each turn, what the states of all
                                connections, requests and streams promise: for tests, as it
                                walks over all of them. default: off
     SSE_JSON_DEPTH             how deep JSON may nest. default: 64 */

/* -std=c99 hides clock_gettime, O_CLOEXEC, realpath and more. No other macro leaves this file. */
#if defined(SSE_IMPLEMENTATION) && !defined(_DEFAULT_SOURCE) && !defined(_GNU_SOURCE) && \
    !defined(_BSD_SOURCE) && (!defined(_POSIX_C_SOURCE) || _POSIX_C_SOURCE >= 200809L)
#define _DEFAULT_SOURCE
#endif

#ifndef SSE_H
#define SSE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSE_VERSION "0.1.0"

#if defined(__GNUC__)
#define SSE__PRINTF(fmt, first) __attribute__((__format__(__printf__, fmt, first)))
#define SSE__UNUSED             __attribute__((__unused__))
#else
#define SSE__PRINTF(fmt, first)
#define SSE__UNUSED
#endif

#if defined(SSE_STATIC)
#define SSE_API static SSE__UNUSED
#else
#define SSE_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- errors and plain types ------------------------------------------------------------------ */

/* Functions answer 0 or one of these. X(name, value, what happened and what to change) */
#define SSE_ERRORS(X)                                                                              \
    X(SSE_OK, 0, "no error")                                                                       \
    X(SSE_E_NOMEM, -1, "out of memory")                                                            \
    X(SSE_E_ARG, -2, "an argument or option is outside its range")                                 \
    X(SSE_E_STATE, -3, "not possible now: something has begun already, or ended: see the log")     \
    X(SSE_E_CLOSED, -4, "the stream or its peer is gone")                                          \
    X(SSE_E_FIELD, -5, "a field holds a line break, NUL or another character not allowed there")\
    X(SSE_E_FULL, -6, "a limit is reached: raise the max_ option, or try later")                   \
    X(SSE_E_IO, -7, "the system refused: see errno and the log")                                   \
    X(SSE_E_DB, -8, "the database reported an error: see sse_db_error")                            \
    X(SSE_E_BUSY, -9, "the database is locked by another connection: raise busy_ms, or try later") \
    X(SSE_E_NOT_BUILT, -10, "left out of this build: see the SSE_NO_ macros")                      \
    X(SSE_E_THREAD, -11, "not allowed on this thread: use sse_call")                               \
    X(SSE_E_SYNTAX, -12, "the text is not well-formed")                                            \
    X(SSE_E_ABSENT, -13, "there is nothing by that name")                                          \
    X(SSE_E_SIGNATURE, -14, "not signed with these secrets, or too old")                           \
    X(SSE_E_CONFLICT, -17, "a constraint of the database forbids it: UNIQUE, CHECK, FOREIGN KEY...")
enum {
#define SSE__ENUM(name, value, text) name = (value),
    SSE_ERRORS(SSE__ENUM)
#undef SSE__ENUM
};

/* The name and the message of an error, "SSE_E_FIELD: a field holds ...". Never NULL; static.
   Threads: any. */
SSE_API const char *sse_error_text(int error);

#define SSE_OFF       (-1)         /* for times whose 0 means the default: never */
#define SSE_UNLIMITED ((size_t)-1) /* for sizes whose 0 means the default: no limit */
#define SSE_STR(s)    (int)(s).len, (s).ptr /* prints an sse_str with %.*s */

/* Bytes, not terminated. ptr NULL: absent. */
typedef struct sse_str { const char *ptr; size_t len; } sse_str;

/* Decimal text to a number: all of text, with a - if negative, without spaces; fallback if text is
   NULL, empty, out of range or anything else. In any locale. Threads: any. */
SSE_API long long sse_parse_int(const char *text, long long fallback);
SSE_API double    sse_parse_double(const char *text, double fallback);

/* ---- buffers: everything that formats, appends to one ---------------------------------------- */

/* A growing byte buffer. {0} is an empty one; free with sse_buf_free. The first error sticks: later
   calls add nothing. */
typedef struct sse_buf { char *ptr; size_t len, cap; int error; } sse_buf;

/* Frees the bytes and makes the buffer {0} again. NULL: nothing happens. */
SSE_API void sse_buf_free(sse_buf *b);

/* NUL-terminated, never NULL, "" after an error; valid until the next call with b. */
SSE_API const char *sse_buf_text(sse_buf *b);

/* Makes the buffer fail, and the render or reply it belongs to. */
SSE_API void sse_buf_fail(sse_buf *b, int error);

/* These append. b is never NULL; text NULL appends nothing; bytes may be NULL if n is 0.
   Threads: any, one per buffer. */
SSE_API void sse_raw(sse_buf *b, const void *bytes, size_t n);
SSE_API void sse_puts(sse_buf *b, const char *text); /* as it is: for pages with a % in their CSS */

/* The printf family: %d %i %u %x %X %o %c %s %p %f %e %g %%, with h l ll z t j, flags, width and
   precision as in C, but the decimal point is always '.'. The output of %s and %c is made safe for
   the language being written:
     sse_html   HTML text and quoted attributes: & < > " '            NULL prints nothing
     sse_json   a quoted JSON string; not UTF-8 becomes U+FFFD         NULL prints null
     sse_url    a URL component: all but A-Z a-z 0-9 - . _ ~ as %XX    NULL prints nothing
     sse_js     inside a JS string, also one inside an attribute       NULL prints nothing
     sse_printf as it is                                               NULL prints nothing
   A precision counts bytes before they are made safe. %n, wide characters, a width past 9999 and
   such a precision of a number fail the buffer with SSE_E_ARG. */
SSE_API void sse_printf(sse_buf *b, const char *fmt, ...) SSE__PRINTF(2, 3);
SSE_API void sse_html(sse_buf *b, const char *fmt, ...) SSE__PRINTF(2, 3);
SSE_API void sse_json(sse_buf *b, const char *fmt, ...) SSE__PRINTF(2, 3);
SSE_API void sse_url(sse_buf *b, const char *fmt, ...) SSE__PRINTF(2, 3);
SSE_API void sse_js(sse_buf *b, const char *fmt, ...) SSE__PRINTF(2, 3);

/* ---- JSON and signed values ------------------------------------------------------------------ */

/* Finds a value by its path: "user.name", "items.0.id", "" for all of json. A backslash before a
   byte of the path takes it as it is: "a\\.b" in C names the member "a.b". Names compare with their
   escapes decoded; of equal names the last counts.
   value:   the JSON text of what was found, a string with its quotes; part of json, valid as long
            as that. ptr NULL if it fails. NULL: only the answer is wanted.
   Returns: 0; SSE_E_ABSENT; SSE_E_SYNTAX if json, anywhere, is not JSON; SSE_E_FULL if it nests
            deeper than SSE_JSON_DEPTH (default: 64); SSE_E_ARG if path is NULL. Threads: any.
            Spec: RFC 8259. */
SSE_API int sse_json_get(sse_str json, const char *path, sse_str *value);

/* Appends value with the time and a signature, all URL-safe: what a cookie or a link may carry. It
   is signed, not hidden.
   secrets: one or more, separated by spaces; the first signs, all verify, so a secret can be
   replaced: "new old".
   Returns: 0; SSE_E_ARG if out or value is NULL or there is no secret; SSE_E_NOMEM. Threads: any,
   one per buffer. */
SSE_API int sse_sign(sse_buf *out, const char *secrets, const char *value);

/* Appends the value that sse_sign wrote into text. After a failure out holds what it held before.
   max_age_s: older is refused. 0: 3600; SSE_OFF: any age. A value dated more than a minute ahead is
   refused as well.
   Returns: 0; SSE_E_ABSENT if text is NULL; SSE_E_SIGNATURE if it is forged, damaged or too old;
            SSE_E_ARG if there is no secret; SSE_E_NOMEM. Threads: any, one per buffer. */
SSE_API int sse_unsign(sse_buf *out, const char *secrets, const char *text, int max_age_s);

/* {0} is ready for use */
typedef struct sse_sha256 { uint32_t h[8]; uint64_t n; unsigned char block[64]; } sse_sha256;

/* Hashes bytes piece by piece, and with a key. bytes and key may be NULL if their length is 0.
   Threads: any, one per s.
   Spec: FIPS 180-4, RFC 2104. */
SSE_API void sse_sha256_add(sse_sha256 *s, const void *bytes, size_t n);
SSE_API void sse_sha256_end(sse_sha256 *s, unsigned char out[32]); /* makes s {0} again */
SSE_API void sse_hmac_sha256(unsigned char out[32], const void *key, size_t key_len,
    const void *bytes, size_t n);

/* ---- events ---------------------------------------------------------------------------------- */

typedef struct sse_app sse_app; /* routes, hooks, settings, streams. A process may have several (on
                                   one thread, none of them serves while a database failed to open:
                                   see sse_db_open) */

/* An open event stream: a value that never dangles. {0} is a closed one; so is any whose peer
   left. */
typedef struct sse_stream { sse_app *app; uint32_t slot, gen; } sse_stream;

/* How Datastar puts elements into the page. All but SSE_OUTER and SSE_REPLACE need a selector. */
typedef enum sse_mode {
    SSE_OUTER,   /* morph the element, keeping its state */
    SSE_INNER,   /* morph what is inside it */
    SSE_REPLACE, /* put the new element in its place, state and all */
    SSE_PREPEND, /* first inside */
    SSE_APPEND,  /* last inside */
    SSE_BEFORE,  /* in front of it */
    SSE_AFTER,   /* behind it */
    SSE_REMOVE   /* take it away */
} sse_mode;

typedef struct sse_patch_options { /* "" is as good as NULL */
    const char *selector;                 /* elements: a CSS selector of the target. default: the
                                             elements' own ids */
    const char *view_transition_selector; /* elements: root of the transition, implies
                                             view_transition. default: the document */
    sse_mode    mode;                     /* elements. default: SSE_OUTER */
    const char *ns;                       /* elements: "svg" or "mathml". default: "html" */
    const char *attributes;               /* script, redirect: of the script element, HTML as it is,
                                             "async". default: none */
    bool        view_transition;          /* elements: animate the change. default: false */
    bool        only_if_missing;          /* signals: leave those that exist. default: false */
    bool        keep_script;              /* script, redirect: leave the element in the page.
                                             default: false */
} sse_patch_options;

/* One event: event and data, or one of elements, signals, script, redirect. */
typedef struct sse_event {
    const char *event;              /* its name, one line. default, and "": none, "message" to a
                                       browser */
    const char *data;               /* any bytes; each CR LF, LF or CR starts a new line. "" is an
                                       empty line. default: none, but an empty one if there is a
                                       name: browsers drop an event without data */
    size_t      data_len;           /* bytes of data, elements, signals or script.
                                       default: strlen */
    const char *id;                 /* what can come back in a header: no control characters but
                                       tabs within, no blanks around it; clients that use fetch,
                                       such as Datastar's, send only Latin-1 characters. "" makes
                                       the browser forget the last id. default: none */
    const char *comment;            /* a heartbeat that scripts do not see; lines like data.
                                       default: none */
    int         retry_ms;           /* how long to wait before coming back. default: as before */
    const char *elements;           /* Datastar: HTML to patch into the page. default: none */
    const char *signals;            /* Datastar: a JSON object; null removes a signal.
                                       default: none */
    const char *script;             /* Datastar: JavaScript to run, without "</script" and "<!--".
                                       default: none */
    const char *redirect;           /* Datastar: URL to go to; not javascript:. default: none */
    const sse_patch_options *patch; /* how, for these four. default: all defaults */
    const char *key;                /* not on the wire: SSE_KEEP_NEWEST keeps the newest per key.
                                       default: none */
    sse_stream  except;             /* not on the wire: everyone but this one. default: everyone */
    bool        ephemeral;          /* not on the wire: not for the history, carries no id.
                                       default: false */
} sse_event;

/* Appends an event as it goes over the wire, Datastar content byte for byte as the SDK
   specification says.
   event: borrowed until return.
   Returns: 0; SSE_E_FIELD if event, selector or ns holds a line break, id what a header cannot, a
   script "</script" or "<!--", a redirect a control character or javascript:; SSE_E_ARG for NULL,
   an event with nothing in it, .patch without content, two contents at once, signals that are no
   JSON object (or nest deeper than SSE_JSON_DEPTH), a negative retry_ms, an unknown mode or ns, a
   mode without the selector it needs; else b's own error. Then nothing is appended.
   Threads: any, one per buffer. Spec: WHATWG HTML 9.2.5. */
SSE_API int sse_event_write(sse_buf *b, const sse_event *event);

/* The functions of the Datastar SDKs: each appends what sse_event_write would for that one content,
   with the same answers. options NULL: all defaults; texts are borrowed until return. For an id or
   a retry use sse_event_write. Names of signals nest: "user.name" removes {"user":{"name":null}};
   one with an empty part or more than 64 parts is SSE_E_FIELD. */
SSE_API int sse_patch_elements(sse_buf *b, const char *html, const sse_patch_options *options);
SSE_API int sse_remove_elements(sse_buf *b, const char *selector);
SSE_API int sse_patch_signals(sse_buf *b, const char *json, const sse_patch_options *options);
SSE_API int sse_remove_signals(sse_buf *b, const char *const *names, int count);
SSE_API int sse_execute_script(sse_buf *b, const char *script, const sse_patch_options *options);
SSE_API int sse_navigate(sse_buf *b, const char *url);

/* Appends the attributes of an element that follows a stream of Datastar events, a live view above
   all, for good: data-init with an @get that comes back whatever ended the stream, first within a
   second and then every two, and data-on:datastar-fetch, which keeps the signal $_offline: true
   while the stream is away. Show that: <p data-show="$_offline" style="display: none">not
   connected</p>.
       sse_puts(html, "<main id=\"feed\" "); sse_follow(html, "/feed"); sse_puts(html, ">");
   A page that is opened in the background connects when it is first looked at, so that ten such
   tabs do not take the six connections that a browser has for a server; later the client itself
   closes the stream of a page that is hidden. $_offline goes by the requests of this element:
   actions such as a @post belong on other elements. An element that a view renders anew must have
   these attributes in the rendered HTML, too: a morph removes attributes that are missing.
   url: required, made safe. b fails with SSE_E_ARG without one. Threads: any, one per buffer. */
SSE_API void sse_follow(sse_buf *b, const char *url);

/* Appends <div ...></div> that shows a stream with htmx 2 (its extension sse) and htmx 4 (hx-sse).
   url: required. swap: names of the events to swap in, "a,b"; "message" means events without a
   name, the only ones that htmx 4 swaps in, whatever swap says. NULL: for htmx 4 alone (which logs
   a warning about the attributes of htmx 2).
   attributes: more of them, HTML as it is, never from a request. NULL: none. Threads: any, one per
   buffer. */
SSE_API void sse_htmx_element(sse_buf *b, const char *url, const char *swap,
    const char *attributes);

/* Appends an element that htmx swaps in elsewhere on the page, to be sent as data; several may
   follow each other.
   target_id: where, required. swap: "beforeend", "delete", "outerHTML" (the wrapping element takes
   its place), ...; NULL: "innerHTML".
   html: HTML as it is; NULL: none. wrap: name of the wrapping element, NULL: "div"; a parser drops
   <tr> unless in "tbody". Without a target or with a wrap that names no element b fails with
   SSE_E_ARG. Threads: any, one per buffer. */
SSE_API void sse_htmx_oob(sse_buf *b, const char *target_id, const char *swap, const char *html,
    const char *wrap);

/* Scripts for pages that use EventSource, by themselves or through htmx 2; Datastar and htmx 4 read
   by fetch and come back by themselves. Put them before the scripts that open streams: a class that
   is used in the same way takes the place of EventSource. It reads by fetch (a
   Content-Security-Policy allows both by connect-src) and sends Last-Event-ID, or, to another
   origin, the query parameter lastEventId. With that parameter in the URL itself a page that was
   rendered with all up to an event goes on after it: new EventSource("/feed?lastEventId=42").

   SSE_SCRIPT_RECONNECT: a page comes back whatever ended its stream: the network, the server, or an
   answer that is no stream, such as the 502 of a proxy whose server restarts. Only 204 is the end.
   The first try comes within retry_ms, the next ones after waits that double up to max_retry_ms,
   each less a random part of up to a half, and at once when the page is looked at again or the
   network is back. Streams that break within 5 s, one after the other, count as failed tries. A
   retry: of the server (.retry_ms of a stream) makes the waits no shorter than it says, until a
   stream is open again. While nobody answers a try, as when a machine is down, another one is made
   every 2.5 s, and all are given up after 20 s. A dead line (a pulled cable) is found by its
   silence, if idle_ms says how long: more than the .ping_ms of the stream. The default pings of a
   compressed stream are nothing that a page can see; give it an .on_ping that writes a comment.

   SSE_SCRIPT_STATUS: "open", "connecting" or "closed", as <html data-sse>, as the text of each
   element [data-sse-status], or what its data-open, data-connecting, data-closed say instead, and
   as detail.status of the event sse:status of document. Connecting is told as soon as one of the
   page's streams breaks, closed when none is left. Nothing is told while a new one opens, for up to
   a second.
       <p data-sse-status data-open="" data-connecting="not connected, trying again"
          data-closed="closed"></p>
       <style>html[data-sse=connecting] .value { opacity: .4 }</style>

   SSE_SCRIPT_STATS: what the page's streams did, as detail of the event sse:stats of document, at
   most four times a second, and as the text of each element [data-sse-count=NAME]. The names: open
   and connecting (how many are), closed (for good), events, reconnects, since (the time from which
   all are open, in ms since 1970; 0: not all are) and last (the time of the last event; 0: none
   yet). As text these two are times of the day.

   SSE_SCRIPT_UNLOAD: streams end when the page is left, and come back with it.

   SSE_SCRIPT_TABS: the tabs of a browser share one stream per URL (lastEventId apart), since a
   browser has six connections to a server over plain HTTP; and they unload. Each tab begins with a
   stream of its own, so that it shows what it would show alone, and shares as soon as both are
   level: after half a second, or, if ids do not tell, three seconds without an event. When the tab
   that reads for all is closed, crashes, hangs or is frozen by the browser, another one goes on
   after the last event, within about five seconds. Events with ids that the server can resume from,
   those of a topic with a history, reach each tab once and in order, and none is lost, from the
   first id on that it had. Of the others some may be missed or come twice when streams change over,
   as with any EventSource. A URL must mean the same to all tabs: where each user has a stream, name
   the user in it. */
enum {
    SSE_SCRIPT_UNLOAD    = 1,  /* streams end with the page */
    SSE_SCRIPT_RECONNECT = 2,  /* and come back for ever */
    SSE_SCRIPT_STATUS    = 4,  /* the page shows whether they are open */
    SSE_SCRIPT_TABS      = 8,  /* one stream per URL for all tabs */
    SSE_SCRIPT_ALL       = 15, /* these four */
    SSE_SCRIPT_BARE      = 16, /* without <script>: for a file of its own */
    SSE_SCRIPT_STATS     = 32  /* the page counts streams and events */
};

typedef struct sse_script_options {
    unsigned    which;        /* SSE_SCRIPT_ bits. default: SSE_SCRIPT_ALL */
    int         retry_ms;     /* RECONNECT: the first wait at most. default: 500 */
    int         max_retry_ms; /* ... the longest wait. default: 2000, or retry_ms if that is more */
    int         max_retries;  /* ... in a row, then the stream is closed. default: for ever */
    int         idle_ms;      /* ... silence after which a stream is opened again. default: never */
    const char *nonce;        /* of <script>, for a Content-Security-Policy. default: none */
} sse_script_options;

/* Appends one <script> element with what which asks for; sse_scripts appends nothing if that is 0,
   for sse_scripts_with it is SSE_SCRIPT_ALL. sse_scripts(html, SSE_SCRIPT_ALL) is the line for
   every page with EventSource.
   options: borrowed until return; NULL: all defaults. b fails with SSE_E_ARG, and nothing is
   appended, if a value is negative or means nothing: an unknown bit, a longest wait below the
   first, a setting of RECONNECT without it, an empty nonce or one with BARE. Threads: any, one per
   buffer. */
SSE_API void sse_scripts(sse_buf *b, unsigned which);
SSE_API void sse_scripts_with(sse_buf *b, const sse_script_options *options);

/* ---- the app and its loop -------------------------------------------------------------------- */

typedef struct sse_req  sse_req;  /* one request inside its handler */
typedef struct sse_view sse_view; /* one live view inside its render function */
typedef struct sse_db   sse_db;   /* an SQLite database */

/* A handle like sse_stream: sse_every, sse_after. */
typedef struct sse_timer { sse_app *app; uint32_t slot, gen; } sse_timer;

typedef void (*sse_handler)(sse_req *req, void *user);
typedef void (*sse_app_fn)(sse_app *app, void *user);
/* events: SSE_READ, SSE_WRITE, SSE_PRI, or several of them. */
typedef void (*sse_fd_fn)(sse_app *app, int fd, int events, void *user);
/* line NULL: end of file or error, and the watch is gone. */
typedef void (*sse_line_fn)(sse_app *app, const char *line, void *user);
/* Called from any thread, several at a time. line: no newline, valid until return. */
typedef void (*sse_log_fn)(int level, const char *line, void *user);

enum { SSE_READ = 1, SSE_WRITE = 2, SSE_PRI = 4 };
enum { SSE_LOG_ERROR, SSE_LOG_WARNING, SSE_LOG_INFO, SSE_LOG_DEBUG };

typedef struct sse_app_options {
    const char *secret;             /* signs cookies; "new old": the first signs, all verify.
                                       default: random: sessions end with the process */
    sse_app_fn  on_init;            /* listening, before the first request. default: none */
    sse_app_fn  on_exit;            /* the last stream is closed. default: none */
    sse_log_fn  on_log;             /* default: warnings and errors to stderr */
    void       *user;               /* for these three. default: NULL */
    size_t      max_header_bytes;   /* request line and fields, 128 to 16777216. default: 16384 */
    size_t      max_body_bytes;     /* default: 1048576; SSE_UNLIMITED */
    size_t      max_queue_bytes;    /* unsent, per stream. default: 1048576 */
    int         max_headers;        /* fields in a request, at most 10000. default: 100 */
    int         max_connections;    /* default: 0.9 of the descriptors this process may open */
    int         max_per_peer;       /* connections from one address. default: no limit */
    int         max_views;          /* views of one live route at a time: see sse_live_options.
                                       default: 1000 */
    int         max_topics;         /* topics at a time. default: 10000 */
    int         header_timeout_ms;  /* for a whole head. default: 10000; SSE_OFF */
    int         body_timeout_ms;    /* for each further 16 KiB of a body. default: 30000; SSE_OFF */
    int         keepalive_ms;       /* between requests. default: 60000; SSE_OFF */
    int         send_timeout_ms;    /* for a peer that reads nothing. default: 30000; SSE_OFF */
    const char *trusted_proxies;    /* addresses, by spaces, whose X-Forwarded-For and -Proto, or
                                       else Forwarded, are believed: have them remove those of
                                       others. "unix": all peers of a unix socket. default: none */
    const char *allowed_hosts;      /* Host names, by spaces; "*": any. default: any; on loopback
                                       only its own names (DNS rebinding) */
    const char *allowed_origins;    /* may send POST, PUT, ... besides the page's own origin, by
                                       spaces; "*": any. default: none */
    const char *cors_origins;       /* may read replies and streams, by spaces; "*": any.
                                       default: none, no CORS */
    bool        no_compression;     /* of streams, replies and files. default: false: br or gzip,
                                       whichever the browser takes */
    int         compress_window;    /* log2 of the bytes that a stream's compression looks back: 16
                                       (small boards) to 24. default: 18 */
    size_t      compress_min_bytes; /* smaller text replies and files are sent as they are, as are
                                       those with "Cache-Control: no-transform". default: 1024;
                                       SSE_UNLIMITED: all are */
    int         compress_quality;   /* libbrotli's, for replies up to 256 KiB (the loop waits for
                                       it: 5 ms at the default) and files up to 1 MiB: 1 (5 ms for
                                       each MiB) to 11 (seconds). default: 5 (20 ms). Larger ones
                                       are compressed as they leave */
    bool        cors_credentials;   /* ... with cookies; not with "*". default: false */
    sse_handler on_reply;           /* a reply is queued; of a stream: its head (its end is
                                       on_close's). default: none */
    bool        check_utf8;         /* refuse events that are not UTF-8, with SSE_E_SYNTAX.
                                       default: false */
    size_t      max_call_bytes;     /* of calls (sse_call; sse_publish and sse_touch of other
                                       threads) that wait for the loop. default: 67108864;
                                       SSE_UNLIMITED */
    size_t      max_bodies_bytes;   /* of all bodies in memory together, as they arrive, until their
                                       requests end. A body that would exceed it is answered 503
                                       with Retry-After, unless it is the only one. Bodies that are
                                       read in place (.body_later) do not count. default: 67108864;
                                       SSE_UNLIMITED */
    int         slow_ms;            /* a callback of the program (handler, hook, guard, render,
                                       step, timer, watch, call, ...) that holds the loop for so
                                       long is a warning that names it, once a second for each kind
                                       of callback; on_init and on_exit are not measured.
                                       default: 250; SSE_OFF */
} sse_app_options;

/* Makes an app. options: borrowed until return, texts are copied; NULL: all defaults.
   Returns: an app, free with sse_app_free; NULL without memory, or with an impossible option
   (on_log, or stderr, is told which). */
SSE_API sse_app *sse_app_new(const sse_app_options *options);

/* Closes all streams and connections, runs on_exit if on_init ran, runs what sse_call and
   sse_offload still hold, and frees the app. NULL: nothing happens. Not from a callback. */
SSE_API void sse_app_free(sse_app *app);

/* The first mistake made while setting up, which sse_serve answers; once the app runs, the latest
   one in a route, view, topic or the options of a call. 0: none. Mistakes in a reply or an event
   are answered by that call only.
   text: set to the line as it was logged, with the argument or option to change and why:
   "sse_serve: .port 70000: not within -1..65535"; "" without one; valid until the next refusal or
   sse_app_free; NULL: not wanted. app NULL: SSE_E_ARG. Threads: loop. In callbacks: yes. */
SSE_API int sse_app_error(sse_app *app, const char **text);

/* From now on a line in common log format for each reply, and for each stream when it is opened: to
   on_log at SSE_LOG_INFO, else to stderr. Status 499: the client left before a deferred reply.
   Returns 0, or SSE_E_ARG for NULL, SSE_E_THREAD. */
SSE_API int sse_log_access(sse_app *app);

/* From now on "GET /path 200" is published to topic for each reply. topic: copied; NULL or empty:
   SSE_E_ARG. Returns 0, SSE_E_ARG, SSE_E_THREAD or SSE_E_NOMEM. */
SSE_API int sse_log_topic(sse_app *app, const char *topic);

/* Calls fn every ms (first after ms), or once after ms. ms >= 0, and > 0 for sse_every; user:
   borrowed until the timer ends, which it does without a call when the app is freed.
   Returns: a handle; {0} without memory, with a NULL argument, another ms, or on another thread.
   Threads: loop. In callbacks: yes. */
SSE_API sse_timer sse_every(sse_app *app, int ms, sse_app_fn fn, void *user);
SSE_API sse_timer sse_after(sse_app *app, int ms, sse_app_fn fn, void *user);
SSE_API int       sse_timer_cancel(sse_timer timer); /* SSE_E_CLOSED if it has ended. In its own
                                                        callback: yes */

/* Calls fn while fd is readable or writable (level-triggered), or, SSE_PRI, has an exceptional
   condition (POLLPRI): an edge at the value file of a GPIO in sysfs (watch it for SSE_PRI alone;
   fn goes to its start by lseek and reads it, and once before), out-of-band data. One watch per
   descriptor: a second call changes it, events 0 removes it: do that before close(fd). fd stays
   yours. user: borrowed until removed. A plain file is always ready: fn is called at once again
   where it moved the file's offset, else ten times a second; SSE_PRI it never is.
   Returns: 0; SSE_E_ARG, SSE_E_IO: it says which argument is wrong, or what the system said of fd,
   in the log; SSE_E_NOMEM; SSE_E_STATE: the app is being freed.
   Threads: loop. In callbacks: yes. */
SSE_API int sse_watch(sse_app *app, int fd, int events, sse_fd_fn fn, void *user);

/* Reads fd and calls fn for each line, without its line break (LF or CR LF); bytes of a line after
   65535 are dropped. At the end fn gets NULL once and the watch is gone; fd stays open. Returns and
   threads as sse_watch. */
SSE_API int sse_watch_lines(sse_app *app, int fd, sse_line_fn fn, void *user);

/* Runs fn on the loop, soon, after earlier calls. Once accepted it runs exactly once, at the latest
   in sse_app_free; calls made meanwhile, also by fn, run later. user: borrowed until fn returns.
   Returns: 0; SSE_E_FULL: max_call_bytes wait already, the loop is behind: try later; SSE_E_NOMEM;
   SSE_E_ARG; SSE_E_STATE: the app is being freed. Threads: any. In callbacks: yes. */
SSE_API int sse_call(sse_app *app, sse_app_fn fn, void *user);

/* Runs work, which may take long, on a thread of a small pool, then done on the loop. Once accepted
   each runs exactly once, at the latest in sse_app_free, which waits for them: work that lasts
   should look at sse_stopping. work may call what any thread may, and touches no request: it
   neither reads it nor writes (sse_out, sse_finish, ...). done may (see sse_defer).
   done: NULL: nothing. user: borrowed until done has returned.
   Returns: 0; SSE_E_FULL: 1000 wait already; SSE_E_NOMEM; SSE_E_IO: no thread can be started;
   SSE_E_ARG; SSE_E_STATE: the app is being freed; SSE_E_NOT_BUILT. Threads: loop. */
SSE_API int sse_offload(sse_app *app, sse_app_fn work, sse_app_fn done, void *user);

typedef struct sse_serve_options {
    const char *host;               /* "0.0.0.0", "::", "localhost", "unix:/path"; no other names.
                                       default: "127.0.0.1" */
    int         port;               /* default: 8000; SSE_ANY_PORT: the system chooses, sse_port
                                       tells */
    int         backlog;            /* connections waiting to be accepted. default: 4096 */
    int         grace_ms;           /* from sse_stop until connections still open are cut, also
                                       those of clients that are done but keep their side open.
                                       default: 5000; SSE_OFF: at once */
    bool        no_signal_handlers; /* default: false: SIGINT and SIGTERM stop the app, the second
                                       one at once */
    bool        access_log;         /* calls sse_log_access. default: false */
} sse_serve_options;

#define SSE_ANY_PORT (-1)

/* Opens a listening socket; several calls, several addresses. options: borrowed until return;
   NULL: all defaults. Started by systemd with sockets (LISTEN_FDS), the first call listens on those
   instead of host and port. NOTIFY_SOCKET is told READY=1 and STOPPING=1, and, with
   WatchdogSec= (WATCHDOG_USEC), WATCHDOG=1 twice in that time, by a timer of the loop: with
   Restart=on-watchdog a loop that hangs is started anew.
   Returns: 0; SSE_E_ARG: an option; SSE_E_IO: the system refused; sse_app_error has the words, and
   another try may do; or the mistake made while setting up. Threads: the one that will run the
   loop. */
SSE_API int sse_listen(sse_app *app, const sse_serve_options *options);

/* Listens, unless sse_listen did, and runs the loop until sse_stop or a signal. An app that has
   stopped may serve again.
   Returns: 0, or as sse_listen. */
SSE_API int sse_serve(sse_app *app, const sse_serve_options *options);

SSE_API int  sse_port(sse_app *app);     /* of the first TCP address; 0: none yet. Threads: loop,
                                            or any once listening */
SSE_API int  sse_stop(sse_app *app);     /* begins the stop and returns at once: no new connections,
                                            streams get on_stop and their last event, replies in
                                            flight are finished, then grace_ms. Threads: any; also
                                            signal handlers */
SSE_API bool sse_stopping(sse_app *app); /* sse_stop was called. Threads: any */

/* Whether somebody accepts connections on 127.0.0.1 at this port. Waits up to a second.
   Threads: any. */
SSE_API bool sse_alive(int port);

/* Sets environment variables from a file of lines KEY=value. Variables that are set already stay.
   Also: export KEY=value; # comments, by themselves or behind a space; 'as it is'; "with \n \r \t
   \" \\ and \$"; quoted values may go over several lines. Nothing is substituted.
   Returns: how many it set; SSE_E_ABSENT: no such file; SSE_E_SYNTAX: a line is not like that (its
   number, not its text, goes to stderr) and nothing is set; SSE_E_IO; SSE_E_FULL: over 1 MiB;
   SSE_E_NOMEM; SSE_E_ARG. Threads: before others start, as setenv. */
SSE_API int sse_load_env(const char *file);

/* Gives an app that listens on this machine a public address, through an agent: a child process
   that ends with the app, whatever becomes of the program. Requests for the host name that the
   agent was given are let in beside the local ones.
   command: the command line of the agent, for /bin/sh: never made from a request; {port} stands for
   the app's port:
       "ssh -R 80:localhost:{port} nokey@localhost.run"
   NULL: ngrok, which takes its token from NGROK_AUTHTOKEN.
   Returns: a tunnel, valid until sse_tunnel_stop or sse_app_free; NULL (logged) if the app does not
   listen yet, has a tunnel already, or nothing can be started. Threads: loop, or before it runs. */
typedef struct sse_tunnel sse_tunnel;
SSE_API sse_tunnel *sse_tunnel_start(sse_app *app, const char *command);

/* The public address, "https://x.example", as the agent printed it: in ngrok's JSON log, or the
   first URL without a path in the output of any other. Waits up to timeout_ms for it (the loop
   stands still); 0: does not wait, a running loop reads it by itself.
   Returns: NULL: not known yet, or the agent ended (its last words are in the log). Valid as long
   as the tunnel. Threads: as above. */
SSE_API const char *sse_tunnel_url(sse_tunnel *tunnel, int timeout_ms);

/* Ends the agent, and waits for that, two seconds at most. NULL: nothing happens. */
SSE_API void sse_tunnel_stop(sse_tunnel *tunnel);

/* Your own loop: after sse_listen, call sse_poll when sse_fd is readable or sse_next_ms have
   passed. sse_poll runs one turn, waiting up to timeout_ms (-1: until something happens); 1 while
   running, 0 when stopped, or an error. Not from a callback: SSE_E_STATE. */
SSE_API int sse_fd(sse_app *app);        /* SSE_E_NOT_BUILT with poll(2) */
SSE_API int sse_next_ms(sse_app *app);   /* until there is work without the descriptor; -1: none is
                                            known. With poll(2), where there is no descriptor: 10 at
                                            most, and never -1 */
SSE_API int sse_poll(sse_app *app, int timeout_ms);

/* Serves from a thread of its own; user code then runs there. options: borrowed until return.
   Returns: a server, when it listens, free with sse_stop_background; NULL on failure (logged,
   sse_app_error), also if a loop of this app runs, or the server it had was not freed.
   sse_stop_background stops, waits up to timeout_ms, then cuts what is open, and frees the server,
   not the app, which then belongs to the calling thread and may serve again. Returns: 0; SSE_E_ARG:
   NULL, or a negative time. Threads: any but the loop's. */
typedef struct sse_server sse_server;
SSE_API sse_server *sse_serve_background(sse_app *app, const sse_serve_options *options);
SSE_API int         sse_stop_background(sse_server *server, int timeout_ms);

/* Counters since the app was made, and present numbers. */
typedef struct sse_stats {
    uint64_t connections, streams, views;        /* now */
    uint64_t accepted, refused, requests, bad_requests, timeouts;
    uint64_t streams_opened, events;             /* events: each counted once, published or sent */
    uint64_t bytes_in, bytes_out, sends;         /* sends: system calls that wrote */
    uint64_t renders, renders_same, renders_failed; /* of live views; same: byte for byte the last
                                                       one, so not sent */
    uint64_t delivered;                          /* events, once for each stream that got them */
    uint64_t bytes_events, bytes_frames;         /* of those: as formatted; as queued, compressed */
    uint64_t topics;                             /* now */
    uint64_t replies_4xx, replies_5xx;           /* of handlers, and without a route; requests that
                                                    are not HTTP are bad_requests */
    uint64_t closed[8];                          /* streams, by sse_reason */
    uint64_t queue_high;                         /* the most bytes that ever waited for a stream */
    uint64_t resumes, gaps, drops;               /* streams that came back in time; too late; events
                                                    that slow readers lost */
} sse_stats;

/* Returns: 0; SSE_E_ARG: NULL. Threads: any; others than the loop's see the end of its latest
   turn. */
SSE_API int sse_stats_get(sse_app *app, sse_stats *out);

/* Adds a live page about the server at GET prefix: connections, streams (each may be closed there),
   topics, views, rates; and prefix/metrics for Prometheus. Nothing is computed while nobody looks.
   prefix: "/_sse", not "/". guard: a before hook for all of it, with user, that refuses strangers;
   the page (labels, owners of streams, addresses, topics) and the closing are for those it lets
   through. NULL: only requests that come to a loopback address by a local name; a proxy on this
   machine can look like that: give a guard then.
   Returns: 0, or an error that sse_serve answers too: SSE_E_ARG: prefix; SSE_E_STATE: a route is
   there; SSE_E_NOMEM. Threads: loop. */
SSE_API int sse_monitor(sse_app *app, const char *prefix, sse_handler guard, void *user);

/* ---- routes and hooks ------------------------------------------------------------------------ */

/* path: "/room/{id}" or "/weather/{lat},{lng}"; a param is not empty and ends at the segment; at
   most 16 of them. "/room/:id" and a * are refused: sse_mount is for all below. Names go before
   patterns, patterns in the order they were added; the prefix of a mount is a name: it goes before
   the patterns beside it, and behind the routes below it. Copied.
   GET routes answer HEAD too; OPTIONS and 405 are automatic.
   user: borrowed until the app is freed.
   Returns: 0; SSE_E_ARG: path, prefix or fn; SSE_E_STATE: a route of that method and shape is
   there; SSE_E_NOMEM: sse_app_error has the words, sse_serve answers it too; SSE_E_THREAD.
   Threads: loop. In callbacks: yes. */
SSE_API int sse_get(sse_app *app, const char *path, sse_handler fn, void *user);
SSE_API int sse_post(sse_app *app, const char *path, sse_handler fn, void *user);
SSE_API int sse_put(sse_app *app, const char *path, sse_handler fn, void *user);
SSE_API int sse_delete(sse_app *app, const char *path, sse_handler fn, void *user);

/* Any method, and all paths below prefix; the rest of the path is sse_param(req, "path"). Otherwise
   as sse_get. */
SSE_API int sse_mount(sse_app *app, const char *prefix, sse_handler fn, void *user);

/* The same with options (borrowed until return; NULL: all defaults). */
typedef struct sse_route_options {
    const char *method;                 /* any token, in capitals; "*": all. copied.
                                           default: "GET" */
    sse_handler guard;                  /* may answer; fn then does not run. default: none */
    size_t      max_body_bytes;         /* default: the app's; SSE_UNLIMITED */
    bool        body_later;             /* fn runs when the head is in, without a body, and asks for
                                           it. default: false */
    bool        binary_query;           /* a query with %00 is not refused; sse_query passes over
                                           such a value. default: false */
    void      (*free_user)(void *user); /* called when the app is freed, or the route was refused.
                                           default: none */
} sse_route_options;
SSE_API int sse_route(sse_app *app, const char *path, sse_handler fn, void *user,
    const sse_route_options *options);

/* Runs fn before all routes at prefix and below (NULL: all), in the order they were added, also
   ahead of 404 and 405. It has answered if it wrote, or set a status, redirect, failure or stream;
   headers, cookies and attrs are no answer.
   prefix: "/mine" holds /mine and /mine/x, not /mines; copied. user: borrowed until the app is
   freed.
   Returns: 0; SSE_E_ARG: fn, or a prefix without a slash first, or with a { or * (it is taken as it
   is); SSE_E_NOMEM. sse_serve answers it
   too. Threads: loop. */
SSE_API int sse_before(sse_app *app, const char *prefix, sse_handler fn, void *user);

/* ---- requests -------------------------------------------------------------------------------- */

/* For handlers to read. Texts are decoded, NUL-terminated, NULL if absent, and valid until the
   request is answered; a request that would make one with a NUL inside is refused before the
   handler runs, or, in a form or a signal, with 400 when that is read. Paths, params and signals of
   JSON are UTF-8, else the request is refused. Texts of queries, forms, headers and cookies are
   what the client sent, UTF-8 or not. A query value with a broken %XX is passed over; sse_form
   answers a form with one by 400. Threads: loop, never in the work of sse_offload. req is never
   NULL. */
SSE_API sse_app    *sse_req_app(sse_req *req);
SSE_API const char *sse_method(sse_req *req); /* "GET"; "HEAD" is handed to GET routes */
SSE_API const char *sse_path(sse_req *req);   /* "/room/7", percent-decoded, without the query */
SSE_API const char *sse_peer(sse_req *req);   /* "192.0.2.1", "2001:db8::1", "unix"; behind
                                                 trusted_proxies: the client */
SSE_API sse_str     sse_body(sse_req *req);   /* {NULL, 0} without one, and with body_later */

/* A parameter of the route, "/room/{id}". A path with %2F, %5C, "." or ".." segments, broken %XX or
   UTF-8 is refused with 400: put free text into the query. */
SSE_API const char *sse_param(sse_req *req, const char *name);

/* The first query parameter of that name, ?name=value; "" where it has no value. As bytes, with
   binary_query, it may hold a NUL. */
SSE_API const char *sse_query(sse_req *req, const char *name);
SSE_API sse_str     sse_query_bytes(sse_req *req, const char *name);

/* A field of an urlencoded or multipart body; files are read with sse_body_parts. */
SSE_API const char *sse_form(sse_req *req, const char *name);

/* The first header of that name, in any case; the i-th, from 0. */
SSE_API const char *sse_header(sse_req *req, const char *name);
SSE_API const char *sse_header_at(sse_req *req, const char *name, int i);

/* A cookie; a signed one: NULL also if it is forged or older than max_age_s (0: 3600). */
SSE_API const char *sse_cookie(sse_req *req, const char *name);
SSE_API const char *sse_cookie_signed(sse_req *req, const char *name, int max_age_s);

/* Bodies larger than memory, in routes with .body_later: the handler calls one of these, and fn
   gets the body as it arrives. The first call of fn comes after the handler has returned; the last
   one, exactly one, has a status that is not 1, unless fn itself ended the body by returning
   anything but 0: then that call was the last. A reply written by then goes out.
   status: 1: a piece of the body; 0: all of it was there; SSE_E_CLOSED: the peer left, was too
   slow, or sent too much.
   chunk:   valid until fn returns. ptr NULL with a status other than 1.
   Returns: 0, and fn will be called; else fn will not: SSE_E_STATE: not in such a route, or asked
            before; SSE_E_ARG: fn is NULL; SSE_E_NOMEM. user: borrowed until the last call, in which
            fn frees it: with a status that is not 1, and also where fn answers anything but 0.
            Threads: loop. In callbacks: in the handler. */
typedef int (*sse_body_fn)(sse_req *req, sse_str chunk, int status, void *user);
SSE_API int sse_body_read(sse_req *req, sse_body_fn fn, void *user);

/* The same for multipart/form-data: fn gets the parts one after the other, each in pieces with
   status 1 and then, empty ones too, with status 0. The last call of all has part NULL: status 0,
   or SSE_E_CLOSED, or SSE_E_SYNTAX if the body is not well-formed, which fails the request with
   400. A body of another type fails it with 415; the answer is then SSE_E_SYNTAX.
   part:    the same texts in all calls for one part, valid until the last of these returns;
            NUL-terminated, and its headers take at most 4096 bytes. filename is a stranger's
            choice, UTF-8 or not: never a path to open, never HTML as it is.
   chunk:   valid until fn returns; any bytes, not NUL-terminated, as many as have come. A part has
            no limit of its own: count them. max_body_bytes of the route (default: the app's) is for
            the whole body.
   Returns, user, threads: as sse_body_read. fn answers anything but 0 to end the body: that call
   was then the last, also for user. Spec: RFC 7578. */
/* filename, type NULL: not given. */
typedef struct sse_part { const char *name, *filename, *type; } sse_part;
typedef int (*sse_part_fn)(sse_req *req, const sse_part *part, sse_str chunk, int status,
    void *user);
SSE_API int sse_body_parts(sse_req *req, sse_part_fn fn, void *user);

/* Stops reading the body, and its clock, until called with false: the peer is held back.
   Returns: 0; SSE_E_STATE: no body is being read; SSE_E_CLOSED: the peer has left. Threads: loop.
   In callbacks: yes. */
SSE_API int sse_body_pause(sse_req *req, bool pause);

/* A Datastar signal by path ("user.name", "items.0.id"; "" is all of them), or a value of any JSON
   body: text of a string, number, true or false; JSON of an object or array; NULL for null and what
   is absent. Comes from the query parameter `datastar` of GET, HEAD and DELETE, from the body
   otherwise ({"datastar":{...}} is unwrapped; a form answers by its fields). JSON that is not
   well-formed fails the request with 400 and the offset. It is read once: a call takes about as
   long whatever there is of it, for some 32 bytes of memory a value.
   Spec: RFC 8259; Datastar SDK, ReadSignals. */
SSE_API const char *sse_signal(sse_req *req, const char *path);

/* Texts that a before hook leaves for the handler. name, value: copied; value NULL removes.
   Returns: 0; SSE_E_ARG: no name; SSE_E_NOMEM. sse_attr: NULL if absent; valid until the request is
   answered. Threads: loop. */
SSE_API const char *sse_attr(sse_req *req, const char *name);
SSE_API int         sse_set_attr(sse_req *req, const char *name, const char *value);

/* Text that lives as long as the request, formatted as by sse_printf; never NULL, "" without
   memory. Threads: loop. */
SSE_API const char *sse_fmt(sse_req *req, const char *fmt, ...) SSE__PRINTF(2, 3);

/* Signs a value with the secret of the app, for a link or a form field, and reads it back; see
   sse_sign. Both texts live as long as the request. It is not bound to a purpose: begin the value
   with one, "confirm:ann@example.com", and look for it.
   value: NULL is refused. text: the signed text, NULL is absent. max_age_s: older is refused. 0:
   3600; SSE_OFF: any age.
   Returns: sse_req_sign: NULL if value is, or without memory; sse_req_unsign: NULL if absent,
   forged or older. Threads: loop. */
SSE_API const char *sse_req_sign(sse_req *req, const char *value);
SSE_API const char *sse_req_unsign(sse_req *req, const char *text, int max_age_s);

/* Asks for a name and password, or a token (RFC 7617, RFC 6750); compared in constant time. False:
   401 is written, return.
   realm: what the browser calls the place; NULL: "private". Use them where TLS ends in front of
   you. Threads: loop. */
SSE_API bool sse_auth_basic(sse_req *req, const char *realm, const char *user,
    const char *password);
SSE_API bool sse_auth_bearer(sse_req *req, const char *token);

/* ---- replies --------------------------------------------------------------------------------- */

/* The text that a handler writes goes out when it returns. Nothing written and no status set: 204,
   but 500 if a call to this library failed meanwhile: one with the request, with a database, or
   sse_publish, sse_subscribe, sse_touch, sse_offload. Written: 200 text/html; charset=utf-8. If a
   call with the request failed for lack of memory the answer is 500 whatever was written. A reply
   and a stream exclude each other: the second answers SSE_E_STATE. An EventSource (GET, with
   text/event-stream and nothing else in Accept) would be ended for good by these 204 and 500: it is
   told to come back, as by sse_come_back. So is a GET of Datastar (Datastar-Request: true) whose
   stream could not be opened. */
typedef struct sse_cookie_options {
    const char *path;            /* default: "/" */
    const char *domain;          /* default: none, this host only */
    const char *same_site;       /* "Strict", "Lax", "None". default: "Lax" */
    int         max_age_s;       /* default: until the browser closes; SSE_OFF deletes the cookie */
    bool        script_readable; /* default: false, HttpOnly */
    bool        secure;          /* default: true if the request came over TLS (from a trusted
                                    proxy), else false */
} sse_cookie_options;

/* The functions that write to the reply: texts are copied, req is never NULL. They answer 0;
   SSE_E_STATE: a stream is open, or (of status, type and redirect) sse_fail was called;
   SSE_E_NOMEM; SSE_E_THREAD; and what stands beside them. Threads: loop, until the reply is sent;
   never in the work of sse_offload, but in its done. Another thread gets from sse_out a buffer that
   has failed with SSE_E_THREAD, and an otherwise empty reply is a 500. */
SSE_API sse_buf *sse_out(sse_req *req);       /* the body; never NULL; it belongs to the request.
                                                 Valid as long as that */
SSE_API sse_buf *sse_out_json(sse_req *req);  /* the same buffer, sent as application/json */
SSE_API int sse_set_status(sse_req *req, int status);            /* 200..599, else SSE_E_ARG */
SSE_API int sse_set_type(sse_req *req, const char *content_type); /* SSE_E_ARG: NULL or "" */
/* Adds one. SSE_E_FIELD: line break, NUL, bad name, or one of the library's own (Content-Length,
   Transfer-Encoding, Connection, Date). */
SSE_API int sse_set_header(sse_req *req, const char *name, const char *value);
/* options: NULL for the defaults. SSE_E_FIELD: a name that is no token, or a value with spaces,
   quotes, commas, semicolons, controls.
   SSE_E_ARG: a path without a slash first or with such characters, a domain that is none, another
   same_site, a negative time but SSE_OFF; cookies that browsers drop: "None" or a __Secure- name
   without secure, a __Host- name also with a domain or another path than /. */
SSE_API int sse_set_cookie(sse_req *req, const char *name, const char *value,
    const sse_cookie_options *options);
SSE_API int sse_set_cookie_signed(sse_req *req, const char *name, const char *value,
    const sse_cookie_options *options);
/* 303 See Other unless a 3xx status is set. SSE_E_ARG: url is neither relative nor http(s). */
SSE_API int sse_redirect(sse_req *req, const char *url);
/* An error as the reply: text/plain, replaces what is written; the first stays. fmt: as sse_printf.
   status: 400..599; with another the reply is a 500, and the answer SSE_E_ARG. */
SSE_API int sse_fail(sse_req *req, int status, const char *fmt, ...) SSE__PRINTF(3, 4);

/* Refuses a stream, or anything else, for lack of room. Clients that ask for events (GET of an
   EventSource, or of Datastar) come back in ms (0: 2000), which they would not do after an error;
   their connection closes. All others, POST too, get a 503 with Retry-After. In guards, before
   hooks and handlers, also of deferred requests.
   Returns: as sse_fail; SSE_E_ARG: ms is negative. */
SSE_API int sse_come_back(sse_req *req, int ms);

/* Keeps the request beyond its handler. req stays valid, whatever the client does, until
   sse_finish, called exactly once, on the loop, or sse_app_free; the text written by then is the
   reply, never a stream (see sse_stream_open). One that is not answered within a minute is named in
   the log, once.
   Returns: 0; SSE_E_STATE: sse_defer, if it is deferred already, a stream, or its handler has
   returned; sse_finish, if it is not deferred, or finished already; SSE_E_NOMEM; SSE_E_THREAD.
   Threads: loop; never in the work of sse_offload, but in its done. */
SSE_API int sse_defer(sse_req *req);
SSE_API int sse_finish(sse_req *req);

/* ---- files ----------------------------------------------------------------------------------- */

/* Sends a file: its type by its name unless sse_set_type, ETag, Last-Modified, ranges and
   conditions by themselves.
   file: a path of this machine, never made from request text as it is. download_name: NULL shows it
   in the browser, a name saves it under that name. Returns: 0; SSE_E_IO: cannot be opened, the
   reply is then 404 (503 if only a descriptor or memory is missing); SSE_E_STATE. Spec: RFC 9110
   8.8, 13, 14. */
SSE_API int sse_send_file(sse_req *req, const char *file, const char *download_name);

/* path: "/app.js", below the prefix. */
typedef struct sse_file { const char *path; const void *bytes; size_t len; } sse_file;

typedef struct sse_static_options {
    const char     *cache_control; /* default: "no-cache": kept, but asked about each time */
    const sse_file *files;         /* instead of dir: files compiled into the program; path NULL
                                      ends the list. borrowed. default: none */
    bool            dotfiles;      /* serve .names too. default: false, but for .well-known */
    bool            no_index;      /* a directory is 404. default: false, its index.html */
} sse_static_options;

/* Serves the files of a directory (or of a list) at prefix and below. Nothing outside of dir is
   ever sent, whatever the spelling of the path or a symbolic link. x.br or x.gz beside x is sent to
   clients that accept it; else text of up to 1 MiB is compressed once and the result kept, up to 4
   MiB in all; larger text is compressed as it leaves. If a file becomes shorter while it is sent,
   or cannot be read to its end, the connection closes. dir: looked up now, copied; NULL with
   .files. options: borrowed until return; NULL: all defaults. Returns: 0; SSE_E_IO: no such
   directory; SSE_E_FIELD: .cache_control; SSE_E_ARG: neither dir nor .files, or a file without a
   path that begins with / or without bytes; or as sse_mount. */
SSE_API int sse_static(sse_app *app, const char *prefix, const char *dir,
    const sse_static_options *options);

/* Serves the Datastar client at GET path, for <script type="module" src="/datastar.js"></script>,
   so that pages need no internet.
   file: the real client, served as it is whenever it is there; it is looked for at each request.
   NULL, "", or not there: the client that is built in, which knows a part of Datastar's language
   (chapter 5); with SSE_NO_CLIENT 404 and a line in the log. Copied.
   Returns: 0; SSE_E_NOT_BUILT: SSE_NO_CLIENT and no file; or as sse_get. Threads: loop. In
   callbacks: yes. */
SSE_API int sse_datastar(sse_app *app, const char *path, const char *file);

/* ---- streams --------------------------------------------------------------------------------- */

/* Why a stream closed. */
typedef enum sse_reason {
    SSE_BY_PEER,     /* the peer left */
    SSE_BY_END,      /* the program: sse_stream_end or _reconnect, sse_streams_close, or what its
                        step returned */
    SSE_BY_STOP,     /* the app stops */
    SSE_BY_TIMEOUT,  /* the peer took nothing for send_timeout_ms */
    SSE_BY_QUEUE,    /* more than max_queue_bytes waited for it */
    SSE_BY_LIFETIME, /* lifetime_ms is over */
    SSE_BY_ERROR     /* it could not be opened, or memory ran out */
} sse_reason;

/* Returned by a step: */
#define SSE_END       (-1) /* the stream is at its end: sse_stream_end */
#define SSE_RECONNECT (-2) /* it is not, but this connection is: sse_stream_reconnect */

typedef struct sse_stream_options {
    int         status;          /* default: 200, or what sse_set_status said */
    const char *type;            /* default: "text/event-stream"; any other is a raw stream: no
                                    pings, no first, last and retry_ms, sse_stream_write only */
    int         ping_ms;         /* a heartbeat when nothing was sent for so long. default: 15000;
                                    SSE_OFF */
    void      (*on_ping)(sse_stream s, sse_buf *out, void *user);
                                 /* writes another heartbeat. default: an empty comment */
    const sse_event *first;      /* sent at once. copied. default: none */
    const sse_event *last;       /* sent when this side ends the stream. copied. default: none */
    int         retry_ms;        /* tells the browser when to reconnect after a break. default: not
                                    told, its own 3 to 5 s */
    int         retry_spread_ms; /* plus a random part, so that not all come back at once.
                                    default: 0 */
    int         lifetime_ms;     /* ends the stream, and its client comes back. default: none */
    int         send_timeout_ms; /* default: the app's; SSE_OFF */
    size_t      max_queue_bytes; /* unsent; more closes the stream. default: the app's;
                                    SSE_UNLIMITED */
    int       (*step)(sse_stream s, void *user);
                                 /* a generator: sends, and returns the ms until its next call, or
                                    SSE_RECONNECT, or SSE_END (any other negative number ends the
                                    stream as an error, which is logged with what it means). First
                                    call after the handler; never while unsent bytes wait; at once
                                    when the app stops, see sse_stopping. default: none */
    void      (*on_stop)(sse_stream s, void *user);
                                 /* the app stops; the program may still send. default: none */
    void      (*on_close)(sse_stream s, sse_reason reason, void *user);
                                 /* exactly once, also if opening failed: free user here.
                                    default: none */
    void       *user;            /* for these four. taken: it lives until on_close. default: NULL */
    const char *label;           /* its kind, for filters and statistics. copied. default: none */
    const char *who;             /* whose it is, for filters and presence. copied. default: none */
    bool        no_compression;  /* default: the app's */
    bool        own_history;     /* events for this stream alone may refer to earlier ones: smaller,
                                    for up to 1.3 windows of memory. default: false: each is
                                    compressed by itself */
    bool        drain;           /* when the app stops, stays open until the program ends it or
                                    grace_ms is over, as a stream with a step does. default: false:
                                    it ends when on_stop has returned */
} sse_stream_options;

/* Turns the request into an open stream; its head and first event are queued at once. Headers and
   cookies set before count.
   options: borrowed until return; NULL: all defaults. Not after sse_defer. Where work must be done
   first, open the stream in the handler, keep the handle, and send or end when it is done; or, if
   the answer may still be a refusal, finish with sse_come_back(req, 100): the client asks again at
   once, when the handler knows. A peer that shuts down its side of the connection has left.
   Returns: the stream; {0} if the reply has begun or was deferred, a body is still to come
   (body_later) or an option is wrong, which the log says; or if memory is out (then clients that
   ask for events are told to come back, as sse_come_back does).
   Threads: loop. In callbacks: in handlers and guards. Spec: WHATWG HTML 9.2. */
SSE_API sse_stream sse_stream_open(sse_req *req, const sse_stream_options *options);

/* A closed stream, also one that was ended in this turn, answers SSE_E_CLOSED (false, NULL) to all
   of these. That a peer has left is no mistake; a program that ended the stream itself and then
   sends, subscribes or shows a view is told so in the log.
   Threads: loop; another one gets SSE_E_THREAD (false, NULL), whether the stream is open or not. In
   callbacks: yes. */
SSE_API bool sse_stream_is_open(sse_stream s);

/* Queues one event. Does not block and does not write to the socket. event: borrowed until return.
   Returns: 0; SSE_E_CLOSED; SSE_E_FIELD, SSE_E_ARG as sse_event_write; SSE_E_STATE: a raw stream;
   SSE_E_SYNTAX (check_utf8); SSE_E_NOMEM, SSE_E_FULL (over max_queue_bytes): the stream closes. */
SSE_API int sse_stream_send(sse_stream s, const sse_event *event);

/* Queues bytes as they are: events written with sse_event_write, or the content of a raw stream. */
SSE_API int sse_stream_write(sse_stream s, const void *bytes, size_t n);

/* Ends the stream after the queued events and last (borrowed until return; NULL: the option's), and
   keeps the connection. For Datastar, htmx 4 and other clients that use fetch the stream is
   finished. An EventSource comes back, unless it is then answered 204 or its script closed it.
   Returns: 0; SSE_E_CLOSED; SSE_E_FIELD, SSE_E_ARG, SSE_E_SYNTAX (check_utf8), SSE_E_STATE (a raw
   stream): last was left out, the stream ends. */
SSE_API int sse_stream_end(sse_stream s, const sse_event *last);

/* The same, but the body stays without its end, as when the app stops, lifetime_ms is over or a
   reader is too slow: all clients take it for a broken connection and come back. Browsers log that
   to the console. Over HTTP/1.0 it is a reset. */
SSE_API int sse_stream_reconnect(sse_stream s, const sse_event *last);

/* Unguessable text by which a client can name its stream; valid until that closes. And the stream
   of such a text; {0}: there is none, nor for NULL. */
SSE_API const char *sse_stream_id(sse_stream s);
SSE_API sse_stream  sse_stream_find(sse_app *app, const char *id);

/* Texts kept with a stream, also in on_close. NULL: not set. value: copied; NULL removes. */
SSE_API const char *sse_stream_meta(sse_stream s, const char *name);
SSE_API int         sse_stream_set_meta(sse_stream s, const char *name, const char *value);

/* Chooses streams: those that match every field set. An empty filter is an error unless all is set.
   NULL means any: check first that a name taken from a request is not NULL. */
typedef struct sse_filter {
    const char *label, *who; /* as in the stream's options. default: any */
    const char *topic;       /* subscribed to it by its exact name. default: any */
    bool        all;
} sse_filter;

SSE_API int sse_streams_count(sse_app *app, const sse_filter *filter); /* or SSE_E_ARG */
/* Calls fn for each stream that was open at the time of the call and still is, until fn returns
   false. fn may do anything. Returns how many fn saw; SSE_E_ARG; SSE_E_NOMEM: fn saw none. */
SSE_API int sse_streams_each(sse_app *app, const sse_filter *filter,
    bool (*fn)(sse_stream s, void *user), void *user);
/* Ends each with last (NULL: its own option). Returns how many, or SSE_E_ARG. */
SSE_API int sse_streams_close(sse_app *app, const sse_filter *filter, const sse_event *last);

/* ---- topics ---------------------------------------------------------------------------------- */

/* Backpressure: what becomes of an event of a topic when a reader is so slow that its queue exceeds
   max_queue_bytes. */
typedef enum sse_overflow {
    SSE_CLOSE_SLOW,  /* its stream is closed (SSE_BY_QUEUE). It comes back and, with a history,
                        misses nothing */
    SSE_DROP_OLDEST, /* the oldest waiting events are dropped */
    SSE_KEEP_NEWEST  /* of waiting events with the same event.key only the newest is sent, whether
                        the queue is full or not */
} sse_overflow;

/* A topic with a history numbers its events: each gets an id, and a client that comes back with the
   last one it saw gets what it missed. With .db the history is also written to that database
   (tables sse_sequence, sse_topics, sse_events), before anybody sees the event, and is there again
   after a restart or a crash. A thread writes it, on a connection of its own with db's synchronous:
   the event waits for the disk, as do the reply of the request that published it, those of deferred
   requests that were open then (any of them may have caused it) and everything else that the same
   callback sends; no other client waits. (On the loop instead: a database in memory, sse_db_attach,
   SSE_NO_THREADS.) While the database cannot be written (another process holds its lock for longer
   than busy_ms, the disk is full) events are sent all the same, with their ids, a warning is
   logged, once, and they are written when that is over, tried once a second: a crash before that
   loses them. Only the first of them waits for the lock, the retries do not.

   A database file keeps the events of one server at a time. That server holds a lock (flock) on a
   file beside it, "app.db-sse", which is removed at the end and, if the process is killed, means
   nothing without its lock. sse_topic waits for the lock for up to busy_ms of db, so that a server
   may start while the one before it ends; then it answers SSE_E_STATE, with words that name the
   file. Where that file cannot be made or locked, as on some network file systems (on which SQLite
   itself is not safe), a warning is logged and the rule is yours to keep. A database in memory has
   no other server.

   Ages go by the time of day from one start to the next, and by the machine's own clock while the
   program runs: setting the clock changes no age. An event that was written, or is read, while the
   clock is before 2020, so not yet set, is taken for new at the next start: it is kept for too long
   rather than lost. */
typedef struct sse_topic_options {
    int    history;          /* events that are kept. default: none; with one of the next two: any
                                number */
    size_t history_bytes;    /* and how many bytes of them, in memory. default: 4194304;
                                SSE_UNLIMITED */
    int    history_age_ms;   /* and for how long. default: for ever */
    int    greet;            /* events from the history for clients without an id. default: 0 */
    const char *gap_event;   /* name of the event that says that missed events are gone.
                                default: "gap" */
    sse_db *db;              /* borrowed until the app is freed. default: none, in memory only */
    sse_overflow overflow;   /* default: SSE_CLOSE_SLOW */
    void (*on_join)(sse_app *app, const char *topic, const char *who, void *user);
                             /* the first stream of this .who. default: none */
    void (*on_leave)(sse_app *app, const char *topic, const char *who, void *user);
                             /* the last one has been gone for leave_ms. default: none */
    int    leave_ms;         /* so that a reload is no leave. default: 3000; SSE_OFF: none */
    void  *user;             /* for these two. borrowed until the app is freed. default: NULL */
} sse_topic_options;

/* Sets the options of a topic, or, for a name with '*', of all topics that match it and have none
   of their own; of several such names the longest counts. options: copied; NULL: all defaults, as
   without this call.
   Returns: 0; SSE_E_ARG: a value is out of range, or .db without a history; SSE_E_STATE: the topic
   is in use already, .db is kept by another server, or was opened before a fork; an error of db.
   sse_serve answers it too. Threads: loop. In callbacks: yes. */
SSE_API int sse_topic(sse_app *app, const char *name, const sse_topic_options *options);

/* Subscribes a stream to a topic; to one it has already: nothing changes. The name is exact: '*' is
   a plain character, so a name may be built from request text. A topic begins with its first
   subscriber and ends with its last, unless sse_topic named it or it has a history; over max_topics
   the least recently used history goes.

   In the handler that opens the stream, all subscriptions resume together when it returns: the
   request's Last-Event-ID (or, where a script cannot set it, the query parameter lastEventId) tells
   where the client was, and what it missed of topics with a history follows in the order it was
   published, then the live flow, without a gap or an event twice. If that id is unknown, or events
   after it are gone, one gap event comes first, {"reason":"unknown"} or {"reason":"expired"}, and
   then the whole history of every topic of the stream: forget what you had. An id made up by a
   client reads nothing but these topics. After a restart only ids of streams whose histories are
   all in databases are known, those included that a pattern may come to match. That holds for a
   topic that has ended, by age, by max_topics or with its last subscriber, too: its lost events are
   reported. A client that is sent nothing gets an id at once, in an event without data, which
   scripts do not see: so events published while a client is away that never saw one are not lost.
   Later subscriptions begin with the next event, and give such an id as well if the stream had
   none.

   Returns: 0; SSE_E_CLOSED; SSE_E_ARG: no name, or a raw stream (its .type is not
   text/event-stream); SSE_E_FULL: over max_topics; SSE_E_STATE: see sse_topic_from_table;
   SSE_E_NOMEM. Where this leaves a stream without any subscription, view or step when its handler
   returns, that is logged and its client told to come back. Threads: loop. In callbacks: yes. */
SSE_API int sse_subscribe(sse_stream s, const char *topic);
/* SSE_E_ARG: it was not subscribed, by this name */
SSE_API int sse_unsubscribe(sse_stream s, const char *topic);

/* Subscribes to all topics that match; '*' stands for any run of characters ("chat.*"). An event of
   several matching topics or patterns arrives once; a pattern gives neither greeting nor presence.
   A client that comes back is sent what it missed of all matching topics; if they are more than
   max_topics has room for, it gets a gap event. Never build a pattern from request text. Returns
   and threads as sse_subscribe. */
SSE_API int sse_subscribe_pattern(sse_stream s, const char *pattern);
/* pattern: the same text; topics stay. SSE_E_ARG: it was not subscribed. */
SSE_API int sse_unsubscribe_pattern(sse_stream s, const char *pattern);

/* Sends an event to all subscribers, formatted once, however many they are. event: borrowed until
   return. With a history it is kept, unless .ephemeral, and gets an id; one that it brings itself
   is sent as it is, and found again (the newest of that name) when a client comes back with it.
   .except holds for the live flow: the same client, back on a new stream, is another.
   Returns: 0, also if nobody is subscribed; SSE_E_FIELD, SSE_E_ARG, SSE_E_SYNTAX (check_utf8),
   SSE_E_NOMEM; from other threads also SSE_E_FULL and SSE_E_STATE, as sse_call. Threads: any; from
   another one it takes effect in one of the loop's next turns. In callbacks: yes. */
SSE_API int sse_publish(sse_app *app, const char *topic, const sse_event *event);

/* Calls fn for each person (.who of their streams) that is subscribed to a topic by name, once, in
   the order they came, until it returns false. s: one of their streams, {0} while they are leaving.
   fn may do anything; people who join meanwhile are seen as well. Returns how many fn saw;
   SSE_E_ARG. Threads: loop. */
SSE_API int sse_topic_who(sse_app *app, const char *topic,
    bool (*fn)(const char *who, sse_stream s, void *user), void *user);

/* Calls fn for the last limit (0: all) events that a topic keeps, the oldest first, until it
   returns false. An event has its event, data (Datastar content as it goes over the wire) and id.
   fn may do anything; it does not see events that it publishes. Returns how many fn saw;
   SSE_E_ABSENT: the topic keeps none; SSE_E_ARG; SSE_E_NOMEM. Threads: loop. */
SSE_API int sse_topic_history(sse_app *app, const char *topic, int limit,
    bool (*fn)(const sse_event *event, void *user), void *user);

/* Makes the rows of a table the events of a topic, inserted by this program or another process:
       sse_topic_from_table(app, "orders", db,
                            "SELECT id, body FROM outbox WHERE id > ? ORDER BY id");
   sql selects the id, the data and, as a third column, if there is one, the event's name; its one ?
   is the id to go on after. The ids are those of the events. They are above 0 and grow from commit
   to commit: INTEGER PRIMARY KEY AUTOINCREMENT. A client that comes back with the last one it saw
   reads on in the table, so it gets each row once and in order, after a restart or a crash as well,
   and from whichever of several servers that read the table; so does one that was too slow, and it
   is not closed for that. One without an id gets the .greet (sse_topic) newest rows, then later
   ones, and at once an id to come back with. If its row is gone, the gap event comes first and then
   every row there is: delete only rows that no client comes back for. If the table gives ids again
   that were sent, because another file took its place or its sequence was set back, all connected
   clients get the gap event and every row as well; a client that was away, and comes back with an
   id that is there again, goes on after that row. A row that is no event (a line break in its name)
   is logged and left out. The id is for one place in one table: such a topic shares a stream only
   with topics that give no ids, and patterns do not match it. Events published to it have no id and
   are not kept.
   db: borrowed until the app is freed. sql: copied.
   Returns: 0; SSE_E_ARG: not one ?, or neither two columns nor three; SSE_E_STATE: the topic is in
   use, or has a history; an error of db; SSE_E_FULL: over max_topics; SSE_E_NOMEM. sse_serve
   answers it too. Threads: loop. In callbacks: yes. */
SSE_API int sse_topic_from_table(sse_app *app, const char *topic, sse_db *db, const char *sql);

/* ---- live views ------------------------------------------------------------------------------ */

/* Writes the HTML that all watchers of a view see. Runs once per change, however many there are.
   Reads its parameters from the view only: shared output cannot depend on the client. It fails (the
   last state stays on screen, and it is tried again) if html failed, a database reported an error
   meanwhile, or it called sse_buf_fail. Empty output is a state like any other. */
typedef void (*sse_render)(sse_view *view, sse_buf *html, void *user);

/* Likewise for one stream: may read cookies and attrs of req. */
typedef void (*sse_render_each)(sse_req *req, sse_buf *html, void *user);

typedef enum sse_format {
    SSE_AS_ELEMENTS, /* Datastar: patch elements */
    SSE_AS_SIGNALS,  /* Datastar: patch signals; the output is a JSON object, or the render has
                        failed */
    SSE_AS_DATA      /* a plain event: the output is its data */
} sse_format;

typedef struct sse_live_options {
    sse_db     *db;              /* rendered again when a commit of any process touches its tables.
                                    default: none, sse_touch only */
    const char *tables;          /* by spaces, not commas: "msgs users". default: all tables of
                                    db */
    const char *query;           /* query parameters that tell views apart, by spaces, "page sort".
                                    default: none */
    sse_handler guard;           /* runs per request before it joins: may refuse it (401, 404), or
                                    open its stream. default: none */
    int         every_ms;        /* rendered again so often while watched. default: never */
    int         min_interval_ms; /* between two renders. default: 0 */
    sse_format  format;          /* default: SSE_AS_ELEMENTS */
    const char *event;           /* name of the event, with SSE_AS_DATA. default: none, "message" in
                                    the browser */
    const sse_patch_options *patch;   /* copied. default: by element ids, outer */
    const sse_stream_options *stream; /* of its streams: ping, lifetime, label, on_close, ...; not
                                         of one that the guard opens. copied. default: none */
    void       *user;            /* for render and guard. borrowed until the app is freed.
                                    default: NULL */
    int         max_views;       /* views watched at a time. default: the app's */
} sse_live_options;

/* Serves a live view at GET path: an event stream of the output of fn, now and after each change.
   One view per route, path parameters and listed query parameters, shared by all its watchers; it
   goes when the last one leaves. Clients choose these values: a request for one view more than
   max_views is told to come back later (as by sse_come_back), while views that are watched, and the
   one without any parameters, can still be joined. The guard may refuse values. A guard that calls
   sse_stream_open itself gives its stream what .stream cannot: an owner (.who), a user pointer,
   metadata, topics. Nothing in .stream applies to that stream: not its ping_ms, label or on_close
   either. .first, .last, .type, .status and .step are refused in .stream.
   options: borrowed until return; NULL: all defaults. Returns: 0, or an error that sse_serve
   answers too. Threads: loop. */
SSE_API int sse_live(sse_app *app, const char *path, sse_render fn,
    const sse_live_options *options);

/* The same for content that depends on the client: fn runs per stream, from a copy of its request.
   .query is not used. */
SSE_API int sse_live_each(sse_app *app, const char *path, sse_render_each fn,
    const sse_live_options *options);

/* Renders again: the view of a path ("/room/7/feed", "/list?page=2"), or all views of a route
   ("/room/{id}/feed"). Several touches in one turn are one render. Returns: 0, also if nobody
   watches; SSE_E_ABSENT: no live view has such a path (from other threads that is only logged);
   SSE_E_ARG: path is NULL, or without a slash first; SSE_E_NOMEM; from other threads also as
   sse_call.
   Threads: any. In callbacks: yes. */
SSE_API int sse_touch(sse_app *app, const char *path);

/* A path parameter or listed query parameter; NULL if absent. Valid until the render returns. */
SSE_API const char *sse_view_param(sse_view *view, const char *name);

/* Shows a live view on a stream that is open already: several views on one connection (a browser
   has six). In the stream's opening handler the before hooks of that path and the route's guard run
   first, with its path and parameters, and its query ahead of that of the request. A reply of
   theirs refuses the view, and goes nowhere else, as do the attrs they set; one that would reply
   later (sse_defer) refuses it; a stream that a guard opens is this one. In later calls they are
   not asked.
   Returns: 0; SSE_E_CLOSED; SSE_E_ARG: no such live route, one of sse_live_each, or a raw stream;
   SSE_E_STATE: refused, or called by a hook or guard that is being asked; SSE_E_FULL: max_views. */
SSE_API int sse_stream_view(sse_stream s, const char *live_path);

/* ---- db: SQLite ------------------------------------------------------------------------------ */

struct sqlite3; /* of sqlite3.h, which only the implementation includes */

typedef struct sse_rows sse_rows; /* the rows of one query, read forward once */

typedef struct sse_db_options {
    int    busy_ms;   /* how long to wait for another writer; the whole loop waits. default: 5000;
                         SSE_OFF: not at all */
    size_t max_rows;  /* a query that yields more ends with SSE_E_FULL. default: no limit */
    bool   read_only; /* the file must exist. default: read and write, created where missing */
} sse_db_options;

/* A database belongs to one thread at a time, after sse_serve to the loop. A NULL or failed
   database is accepted by every function here and answers an error, so opening need not be checked:
   sse_serve reports it. All functions that take a db set what sse_db_error tells. Threads: one per
   database, whatever threading mode SQLite was built with. What a loop uses, no other thread may
   while that loop runs: such a call answers SSE_E_THREAD (those without an error NULL, false or 0),
   changes nothing and is logged; sse_db_close then does nothing.

   A database belongs to the process that opened it. In a child, after fork() or daemon(), every
   function answers SSE_E_STATE (those without an error NULL, false or 0), sse_db_close only frees
   memory, and sse_listen, sse_serve and sse_poll answer SSE_E_STATE with a topic or a live view of
   such a database: open it after the fork.

   A call on the loop that finds the database locked stops every stream and request for up to
   busy_ms. Where another program holds the lock for long (a bulk import, a VACUUM), give the loop's
   database a busy_ms of 100 or so and answer SSE_E_BUSY with 503; or write in sse_offload, through
   a second sse_db that work opens, uses and closes on its own thread: the views hear of its
   commits. */

/* Opens file in WAL mode with synchronous NORMAL and foreign keys enforced. If the file is replaced
   while a live view or sse_topic_from_table follows it, the new one is opened. If it is deleted,
   that is logged as an error, once, and every call goes on as before: the contents of the database
   then end with the process (VACUUM INTO saves them). Neither is noticed of a database that nothing
   follows.
   file: a path, ":memory:", or a file: URI; borrows until return. options: NULL is all defaults.
   Returned, free with sse_db_close; NULL only without memory. A file that cannot be opened gives a
   database that answers its error everywhere, and until sse_db_close of it no app listens on this
   thread (sse_listen and sse_serve answer SSE_E_DB): which app would use it, nobody knows. So does
   a migration that failed. */
SSE_API sse_db *sse_db_open(const char *file, const sse_db_options *options);

/* Uses a connection that the program opened, as it is set up, and does not close it: borrows raw
   until sse_db_close. No hook, authorizer or busy handler of raw is touched, so each of its commits
   wakes all views of db, whatever their tables. Otherwise as sse_db_open. */
SSE_API sse_db *sse_db_attach(struct sqlite3 *raw);

/* Ends the rows still open; runs and answers posted statements. NULL: nothing happens. */
SSE_API void sse_db_close(sse_db *db);

/* The error of the latest call with db, 0 if it went well; of a failed database always why. text:
   gets SQLite's own words and the statement, "" without an error; valid until the next call with
   db; NULL: not wanted. NULL db: SSE_E_NOMEM. */
SSE_API int sse_db_error(sse_db *db, const char **text);

/* SQL is a format, and its values are BOUND, never pasted into the text: %s text (%.*s with
   SSE_STR), %c, %d %i %u with their h l ll z t j, %f %e %g, and %p with a pointer to an sse_str for
   a blob. NULL, or an sse_str whose ptr is NULL, binds NULL. A percent sign is written %%. Do not
   quote a %s; a ? of your own, other conversions, flags and widths are SSE_E_ARG. One statement per
   call. Statements are kept prepared, so the same SQL again costs no parsing.
       sse_db_exec(db, "UPDATE todo SET done = %d WHERE id = %lld AND title LIKE %s || '%%'",
                   done, id, prefix); */

/* Runs a statement to its end. Returns the number of rows inserted, updated or deleted (without
   those of triggers), or an error; SSE_E_BUSY if another connection held the lock for busy_ms;
   SSE_E_CONFLICT if a constraint forbids it (UNIQUE, CHECK, FOREIGN KEY, NOT NULL, a type of a
   STRICT table, RAISE of a trigger): sse_db_error says which; SSE_E_STATE if a query that is still
   open, or this transaction, began to read before another connection committed, so that it cannot
   write: end it and try again. If a call fails in a handler whose reply is no error, SQLite's words
   and the name of the file are logged as a warning, once a second for each statement. */
SSE_API int sse_db_exec(sse_db *db, const char *sql, ...) SSE__PRINTF(2, 3);

/* The outcome of a posted statement. Borrowed, for the call. */
typedef struct sse_db_result {
    int         changes; /* as sse_db_exec returns it: rows, or an error below 0 */
    long long   last_id; /* the rowid of the row that it inserted last; 0: none */
    const char *error;   /* in words; "" if there is none */
} sse_db_result;

typedef struct sse_db_post_options {
    sse_app *app;        /* whose thread runs it, and whose loop is told */
    void   (*done)(sse_app *app, const sse_db_result *result, void *user);
                         /* NULL: only a failure is told, to the log */
    void    *user;       /* for done */
} sse_db_post_options;

/* Like sse_db_exec, but the loop waits neither for the disk nor for a lock: the values are copied,
   the statement runs on a thread of the app, then done on the loop, where a deferred request is
   answered.
       if (sse_db_post(db, &(sse_db_post_options){ .app = app, .done = said, .user = req },
                       "INSERT INTO msgs(txt) VALUES(%s)", text) == SSE_OK) sse_defer(req);
   Statements run in the order in which they were posted, and those that come together share a
   transaction; one that fails undoes itself alone. Each that was accepted runs once and is answered
   once: sse_app_free and sse_db_close wait for that. The thread has a connection of its own to the
   file, with the synchronous and foreign_keys of db: functions registered with sse_db_raw, ATTACH
   and temporary tables are not there. Where it cannot have one (a database in memory,
   sse_db_attach), and under SSE_NO_THREADS, the statement runs on the loop, in a later turn. It
   takes effect when done is called: a query meanwhile may not see it, and statements that
   sse_db_exec runs meanwhile take effect before it. It is no part of a transaction that is open
   now. Returns 0; SSE_E_FULL while 1000 wait; SSE_E_ARG (no app, a format that cannot be bound);
   SSE_E_STATE (another app posts to it, or it, or the app, is about to go); SSE_E_THREAD (not the
   loop's thread); SSE_E_NOMEM; or the error of a database that is not open: sse_db_error has the
   words. What SQLite says comes in result: SSE_E_BUSY where somebody held the lock for busy_ms, all
   that wait together then get it. So does SSE_E_ARG: more or fewer ? than values, two statements, a
   BEGIN, COMMIT, SAVEPOINT, PRAGMA or ATTACH, as others share the connection. */
SSE_API int sse_db_post(sse_db *db, const sse_db_post_options *options, const char *sql,
    ...) SSE__PRINTF(3, 4);

/* Starts a query; copies its values. Returned, freed by the sse_db_next that answers false, else by
   sse_db_done; NULL after an error, and sse_db_next(NULL) is false, so this is all:
       sse_rows *r = sse_db_query(db, "SELECT txt FROM msgs");
       while (sse_db_next(r)) puts(sse_db_text(r, 0));
   sse_db_error tells an error from an end. The same SQL may be open more than once. */
SSE_API sse_rows *sse_db_query(sse_db *db, const char *sql, ...) SSE__PRINTF(2, 3);
SSE_API bool      sse_db_next(sse_rows *rows); /* the first or next row. false: end or error, and
                                                  rows is freed. NULL: false */
SSE_API void      sse_db_done(sse_rows *rows); /* when a loop is left early: else a read transaction
                                                  stays open. NULL, or just ended: fine */

/* Columns of the present row, from 0, converted as SQLite does. A column that does not exist is an
   error: NULL or 0 now, and the next sse_db_next ends with SSE_E_ARG. NULL rows: NULL, 0, true. */
/* NULL if NULL; valid until the next sse_db_next or sse_db_done */
SSE_API const char *sse_db_text(sse_rows *rows, int column);
SSE_API sse_str     sse_db_blob(sse_rows *rows, int column); /* bytes of a blob or text; likewise */
SSE_API long long   sse_db_int(sse_rows *rows, int column);
SSE_API double      sse_db_double(sse_rows *rows, int column);
SSE_API bool        sse_db_is_null(sse_rows *rows, int column);
SSE_API int         sse_db_columns(sse_rows *rows);
SSE_API const char *sse_db_column_name(sse_rows *rows, int column);

/* The first column of the first row as a number. Returns 0; 1 where there is no row or it holds
   NULL; or an error. value: is set to 0 unless 0 is returned; NULL: not wanted.
       if (sse_db_one(db, &id, "SELECT id FROM users WHERE name = %s", name) == 0) ...   found */
SSE_API int sse_db_one(sse_db *db, long long *value, const char *sql, ...) SSE__PRINTF(3, 4);
SSE_API long long sse_db_last_id(sse_db *db); /* the rowid of the latest INSERT; 0: none */

/* Calls fn in a transaction that holds the write lock from its start (BEGIN IMMEDIATE), or, inside
   another transaction, in a savepoint. fn returns 0: commits. Anything else: rolls back. fn runs at
   most once.
   Returns: what fn returned; SSE_E_BUSY without the lock after busy_ms (fn did not run) or where
   the commit could not get it; SSE_E_CONFLICT if a constraint forbids the commit (DEFERRABLE
   INITIALLY DEFERRED); SSE_E_STATE if fn ended the transaction itself; else the error of BEGIN or
   COMMIT (rolled back). */
SSE_API int sse_db_write(sse_db *db, int (*fn)(sse_db *db, void *user), void *user);

/* Runs a script of any number of statements in one transaction: all of it or nothing. It runs at
   every start, so write it to be repeatable (CREATE TABLE IF NOT EXISTS). Not a format: % is
   itself. Returns 0 or an error. Foreign keys are not enforced while it runs, so that a table can
   be rebuilt as SQLite's documentation says (create a new one, copy, drop the old one, rename) and
   the rows that refer to it stay; nor do ON DELETE and ON UPDATE act. Before the commit PRAGMA
   foreign_key_check runs, if the script changed anything: a row that refers to none, also one that
   did before, is SSE_E_DB, with words that name it, and nothing is changed. Called inside a
   transaction it leaves foreign keys as they are. After a failure sse_listen and sse_serve answer
   SSE_E_DB on this thread, until the same script succeeds or db is closed. */
SSE_API int sse_db_migrate(sse_db *db, const char *script);

/* Brings the database to version count: runs scripts[v] ... scripts[count - 1], each once in the
   life of the file, each in a transaction of its own, v being PRAGMA user_version. Only ever append
   to the list. Returns: 0; SSE_E_STATE if the database is newer than count (nothing is changed);
   else the error of the script that failed (those before it stay). Foreign keys, and sse_serve
   after a failure: as sse_db_migrate. */
SSE_API int sse_db_migrate_list(sse_db *db, const char *const *scripts, int count);

/* The connection itself, for what is not here. Valid until sse_db_close; NULL if failed. Hooks of
   your own are left alone; with an authorizer of your own each commit wakes all views of db. After
   this call the connection is not opened anew if its file is replaced. */
SSE_API struct sqlite3 *sse_db_raw(sse_db *db);

#ifdef __cplusplus
}
#endif
#endif /* SSE_H */

#if defined(SSE_IMPLEMENTATION) && !defined(SSE_IMPLEMENTED)
#define SSE_IMPLEMENTED

/*==========================================================================
  The implementation stands bottom-up: a section uses what is above it. What
  goes the other way goes by a pointer: "~" in the walks, [pointer] behind.

     server   a turn: wait, read, handle, look, render, let go, save, write
     app      from a head to its handler and to the log
     live, changes       topics, replay, publish, outbox, presence, history
     message, stream, channel       file       request, reply
     conn, listen, options       posts, db        offload, timers
     core     struct sse_app, which all of these share
     ------------------------------- below, nobody knows an app -----------
     loop   sys
     ------------------------------- pure: no I/O, no clock, no state -----
     frame   route   form   http   field
     event   datastar   htmx   sign   json   format   text   table   buf   base

  Three walks through it. Names that stand to the right are called by the one
  that they stand under. tests/header/walks.t holds them to it.

  One request:
  sse__turn                        [server] one round of the loop
    sse__loop_wait                 until something is ready, or due
      sse__poller_dispatch         what is ready: a connection only notes it
    sse__net_run                  all connections with something to do, in turn
      sse__conn_read               recv, into a buffer that all share
        sse__conn_process          as many requests as a turn allows
          sse__conn_parse          a whole head? else what there is is kept [conn_keep]
            ~sse__on_head [head]   the request is made
              sse__req_begin
              sse__req_route       to its handler, by its path
            sse__conn_head         with a body to come: within the limits?
            sse__conn_request      without: it belongs to the app from here on
              sse__on_request
                sse__req_dispatch  host, CORS, origin, hooks, guard, handler
                sse__req_after     the handler has returned: is it deferred, or reads its body?
                  sse__req_conclude
                    sse__reply_answer
                      sse__reply_compress
                      sse__reply_send     head and body, into net.out or the queue
                    sse__conn_reply_end
          sse__conn_send_gathered  one send for all replies to what was read
      sse__conn_flush              what did not leave at once

  One event:
  sse_publish
    sse__publish_event             its text, once
      sse__post                    from another thread: the loop publishes it later
      sse__publish
        sse__publication_message   its number, its id: the message is made
        sse__history_add           into the history
        sse__history_mark_dirty    a database must have it before it leaves: C5
        sse__channel_send          all streams of the topic
          sse__channel_broadcast   its codecs are told of it
          sse__broadcast_to
            sse__broadcast_frame   compressed once, in the form that this stream can decode
            sse__stream_deliver
              sse__stream_queue    a pointer to the block
                sse__conn_push     net.work will write it, or net.held waits
        sse__publish_to_patterns   likewise for patterns that match
  sse__turn
    sse__stages_run
      ~sse__topics_save [stages]
        sse__sequence_save
          sse__flight_start        to the thread of the disk
            sse__disk_do
    sse__net_run
      sse__conn_flush
        sse__conn_send_some        sendmsg: all that waits, in one call
  sse__flight_landed               the thread is done
    sse__flight_land
      sse__net_keep                who waited for it may be written now

  One commit:
  sse__turn
    sse__stages_run
      ~sse__changes_look [stages]
        sse__changes_check         did somebody commit, and who?
          sse__dbfile_who_committed       two counters of SQLite
          sse__changes_tell_ours
            sse__changes_tell_names
              ~sse__changes_to_all [fn]
                sse__views_changed
                  sse__live_mark
                    sse__view_mark        it is to be rendered
                sse__outboxes_changed     outboxes look for new rows
      ~sse__outboxes_run [stages]
        sse__outbox_run            rows become events
      ~sse__views_render [stages]
        sse__view_render           once, however many commits; the same bytes: nothing
          sse__channel_send_state  in place of an older state that still waits
==========================================================================*/

/*==========================================================================
  >>base   compilers, allocation, checked sizes, errors              [pure]
  Uses: libc                            Tests: tests/unit/base.c
  BA1  Sizes that come from outside are added and multiplied only here.
==========================================================================*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(SSE_MALLOC) && defined(SSE_REALLOC) && defined(SSE_FREE)
#elif !defined(SSE_MALLOC) && !defined(SSE_REALLOC) && !defined(SSE_FREE)
#define SSE_MALLOC(n)     malloc(n)
#define SSE_REALLOC(p, n) realloc(p, n)
#define SSE_FREE(p)       free(p)
#else
#error "sse.h: define SSE_MALLOC, SSE_REALLOC and SSE_FREE, all three or none"
#endif

#ifndef SSE_ASSERT
#include <assert.h>
#define SSE_ASSERT(x) assert(x)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(SSE_NO_THREADS) || !defined(__GNUC__) || defined(__TINYC__)
#define SSE__THREAD
#else
#define SSE__THREAD __thread
#endif

/* Flags that other threads and signal handlers set. */
#if defined(__GNUC__) && !defined(__TINYC__)
#define SSE__FLAG_SET(flag) __atomic_store_n(&(flag), 1, __ATOMIC_RELEASE)
#define SSE__FLAG_CLEAR(flag) __atomic_store_n(&(flag), 0, __ATOMIC_RELEASE)
#define SSE__FLAG(flag)     (__atomic_load_n(&(flag), __ATOMIC_ACQUIRE) != 0)
#else
#define SSE__FLAG_SET(flag) ((flag) = 1)
#define SSE__FLAG_CLEAR(flag) ((flag) = 0)
#define SSE__FLAG(flag)     ((flag) != 0)
#endif

#define SSE__COUNT(a)       (sizeof(a) / sizeof *(a))
#define SSE__NEW(type)      ((type *)sse__zalloc(sizeof(type)))
#define SSE__LIT(s)         sse__str("" s, sizeof(s) - 1) /* an sse_str of a string literal */
#define SSE__CONTAINER(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

SSE_API const char *sse_error_text(int error) {
    switch (error) {
#define SSE__CASE(name, value, text) case name: return #name ": " text;
        SSE_ERRORS(SSE__CASE)
#undef SSE__CASE
    }
    return "unknown error";
}

static bool sse__add(size_t a, size_t b, size_t *sum) { /* BA1 */
    *sum = a + b;
    return *sum >= a;
}

static bool sse__mul(size_t a, size_t b, size_t *product) { /* BA1 */
    *product = a * b;
    return a == 0 || *product / a == b;
}

static void *sse__zalloc(size_t n) {
    void *p = SSE_MALLOC(n);
    if (p) memset(p, 0, n);
    return p;
}

/* Makes room for one more element in an array that doubles. False: out of memory, and nothing
   changed. */
static bool sse__grow(void **array, size_t *cap, size_t count, size_t size) {
    size_t more, bytes;
    void  *p;
    if (count < *cap) return true;
    if (!sse__mul(*cap ? *cap : 4, 2, &more) || !sse__mul(more, size, &bytes)) return false;
    p = SSE_REALLOC(*array, bytes);
    if (!p) return false;
    *array = p;
    *cap   = more;
    return true;
}

static sse_str sse__str(const char *ptr, size_t len) {
    sse_str s;
    s.ptr = ptr;
    s.len = len;
    return s;
}

static sse_str sse__text(const char *text) { /* NULL: an absent string */
    return sse__str(text, text ? strlen(text) : 0);
}

static bool sse__eq(sse_str a, sse_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char sse__lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* ASCII only, as RFC 9110 5.1 wants field names compared */
static bool sse__eq_nocase(sse_str a, sse_str b) {
    size_t i;
    if (a.len != b.len) return false;
    for (i = 0; i < a.len; i++)
        if (sse__lower(a.ptr[i]) != sse__lower(b.ptr[i])) return false;
    return true;
}

static bool sse__is_word(sse_str s, const char *word) { return sse__eq_nocase(s, sse__text(word)); }

static bool sse__starts_nocase(sse_str s, const char *prefix) {
    const size_t n = strlen(prefix);
    return s.len >= n && sse__is_word(sse__str(s.ptr, n), prefix);
}

static bool sse__starts(sse_str s, sse_str prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* s without its first n bytes. NULL + 0 is not C */
static sse_str sse__str_skip(sse_str s, size_t n) {
    return sse__str(n ? s.ptr + n : s.ptr, s.len - n);
}

/* Takes the text before the separator off *rest, and the separator with it; the last piece
   leaves *rest absent. With quotes, a separator inside a quoted string (RFC 9110 5.6.4) is none;
   an unclosed one reaches to the end. */
static sse_str sse__cut(sse_str *rest, char separator, bool quotes) {
    const sse_str s = *rest;
    bool          quoted = false;
    size_t        i;
    for (i = 0; i < s.len && (quoted || s.ptr[i] != separator); i++) {
        if (quotes && s.ptr[i] == '"') quoted = !quoted;
        if (quoted && s.ptr[i] == '\\' && i + 1 < s.len) i++;
    }
    *rest = i < s.len ? sse__str_skip(s, i + 1) : sse__text(NULL);
    return sse__str(s.ptr, i);
}

/* A copy of s and a NUL, in p, which has room for that. NULL p: NULL. */
static char *sse__copy_text(char *p, sse_str s) {
    if (!p) return NULL;
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

static char *sse__strdup(sse_str s) { /* returned, free with SSE_FREE; NULL without memory */
    size_t n;
    return sse__add(s.len, 1, &n) ? sse__copy_text((char *)SSE_MALLOC(n), s) : NULL;
}

/* The lowest byte that is not 0, counted from 0; v > 0 */
static unsigned sse__first_byte(uint64_t v) {
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(v) >> 3;
#else
    unsigned n = 0;
    for (; !(v & 255); v >>= 8) n++;
    return n;
#endif
}

/* Little-endian numbers at any address. Where that is the machine's order compilers make one
   instruction of a memcpy. */
#if defined(__BYTE_ORDER__) && defined(__ORDER_LITTLE_ENDIAN__)
#define SSE__LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#else
#define SSE__LITTLE_ENDIAN 0
#endif

static uint64_t sse__load64(const void *p) {
    uint64_t v = 0;
    unsigned i;
    if (SSE__LITTLE_ENDIAN) memcpy(&v, p, 8);
    else for (i = 0; i < 8; i++) v |= (uint64_t)((const unsigned char *)p)[i] << 8 * i;
    return v;
}

/* FNV-1a folded once more: good enough to spread names we or the program chose over a table.
   Never for secrets. */
static uint32_t sse__hash(sse_str s) {
    uint32_t h = 2166136261u;
    size_t   i;
    for (i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
    return h ^ (h >> 15);
}

/*==========================================================================
  >>buf   growing buffers, arenas                                    [pure]
  Uses: >>base                          Tests: tests/unit/buf.c
  F1  cap > len whenever ptr is set: there is always room for a NUL.
  F2  After an error ptr, len and cap stay as they were; nothing is added.
==========================================================================*/

SSE_API void sse_buf_free(sse_buf *b) {
    if (!b) return;
    SSE_FREE(b->ptr);
    memset(b, 0, sizeof *b);
}

SSE_API void sse_buf_fail(sse_buf *b, int error) {
    if (b->error == SSE_OK) b->error = error;
}

/* Room for n more bytes and a NUL at the end of b; NULL after an error. The caller adds the
   bytes it uses to b->len. */
static char *sse__buf_room(sse_buf *b, size_t n) {
    size_t need, cap = b->cap ? b->cap : 64;
    char  *p = NULL;
    if (b->error) return NULL; /* F2 */
    if (b->ptr && n < b->cap - b->len) return b->ptr + b->len;
    if (sse__add(b->len, n, &need) && sse__add(need, 1, &need)) {
        while (cap < need) cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
        p = (char *)SSE_REALLOC(b->ptr, cap);
    }
    if (!p) {
        b->error = SSE_E_NOMEM;
        return NULL;
    }
    b->ptr = p;
    b->cap = cap;
    SSE_ASSERT(b->cap > b->len); /* F1 */
    return p + b->len;
}

SSE_API const char *sse_buf_text(sse_buf *b) {
    if (b->error || !b->ptr) return "";
    b->ptr[b->len] = '\0'; /* F1 */
    return b->ptr;
}

SSE_API void sse_raw(sse_buf *b, const void *bytes, size_t n) {
    char *p = n ? sse__buf_room(b, n) : NULL;
    if (!p) return;
    memcpy(p, bytes, n);
    b->len += n;
}

SSE_API void sse_puts(sse_buf *b, const char *text) {
    if (text) sse_raw(b, text, strlen(text));
}

static void sse__put_str(sse_buf *b, sse_str s) { sse_raw(b, s.ptr, s.len); }

static void sse__put_char(sse_buf *b, char c) { sse_raw(b, &c, 1); }

/* Memory that is given back all at once: the texts of one request. Blocks grow, so a request of
   any size takes few. */
typedef struct sse__arena_block { struct sse__arena_block *next; size_t size; } sse__arena_block;
/* used: in the newest block, blocks */
typedef struct sse__arena { sse__arena_block *blocks; size_t used; } sse__arena;

/* Aligned for pointers, long long, double; NULL without memory */
static void *sse__arena_get(sse__arena *a, size_t n) {
    const size_t      align = 8;
    size_t            size = 1024 - sizeof(sse__arena_block), total;
    sse__arena_block *block;
    if (n > SIZE_MAX - align) return NULL;
    n = (n + align - 1) & ~(align - 1);
    if (!a->blocks || a->blocks->size - a->used < n) {
        if (a->blocks) size = a->blocks->size <= SIZE_MAX / 2 ? a->blocks->size * 2 : n;
        if (size < n) size = n;
        if (!sse__add(size, sizeof *block, &total)) return NULL;
        block = (sse__arena_block *)SSE_MALLOC(total);
        if (!block) return NULL;
        block->next = a->blocks;
        block->size = size;
        a->blocks   = block;
        a->used     = 0;
    }
    a->used += n;
    return (char *)(a->blocks + 1) + a->used - n;
}

/* A NUL-terminated copy; NULL without memory */
static char *sse__arena_text(sse__arena *a, sse_str s) {
    size_t n;
    return sse__add(s.len, 1, &n) ? sse__copy_text((char *)sse__arena_get(a, n), s) : NULL;
}

static void sse__arena_free(sse__arena *a) {
    while (a->blocks) {
        sse__arena_block *next = a->blocks->next;
        SSE_FREE(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

/* Empties it; keeps the newest block for next time unless it is large */
static void sse__arena_reset(sse__arena *a) {
    sse__arena_block *keep = a->blocks && a->blocks->size <= 16384 ? a->blocks : NULL;
    if (keep) a->blocks = keep->next;
    sse__arena_free(a);
    if (keep) keep->next = NULL;
    a->blocks = keep;
}

/*==========================================================================
  >>table   lists, slots, maps                                       [pure]
  Uses: >>base                          Tests: tests/unit/table.c
  L1  A list or map neither copies nor owns its items: links and nodes live
      inside them.
  L2  Names chosen by clients spread over a map like any others: the hash
      has a key that no client can know.
==========================================================================*/

/* ---- intrusive lists --------------------------------------------------- */

typedef struct sse__link { struct sse__link *next, *prev; } sse__link; /* L1 */

static void sse__list_init(sse__link *list) { list->next = list->prev = list; }

static bool sse__list_empty(const sse__link *list) { return list->next == list; }

static void sse__list_add(sse__link *list, sse__link *link) { /* at the end */
    link->prev       = list->prev;
    link->next       = list;
    list->prev->next = link;
    list->prev       = link;
}

static void sse__list_remove(sse__link *link) { /* a link that is in no list (NULL) stays so */
    if (!link->next) return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

static void sse__list_move(sse__link *to, sse__link *from) { /* to: empty; from becomes empty */
    sse__list_init(to);
    if (sse__list_empty(from)) return;
    *to            = *from;
    to->next->prev = to->prev->next = to;
    sse__list_init(from);
}

/* ---- slots: handles that may outlive their items --------------------------- */

/* A table of pointers by small numbers. A slot's generation changes when it is emptied, so an
   old (slot, gen) finds nothing. */
typedef struct sse__slot { void *item; uint32_t gen, next_free; } sse__slot;
typedef struct sse__slots {
    sse__slot *at;
    size_t     cap;
    uint32_t   used, free_list, count; /* free_list: slot + 1; 0: none */
} sse__slots;

static bool sse__slots_add(sse__slots *t, void *item, uint32_t *slot, uint32_t *gen) {
    void *array = t->at;
    if (t->free_list) {
        *slot        = t->free_list - 1;
        t->free_list = t->at[*slot].next_free;
    } else {
        if (t->used == UINT32_MAX - 1 || !sse__grow(&array, &t->cap, t->used, sizeof *t->at))
            return false;
        t->at           = (sse__slot *)array;
        *slot           = t->used++;
        t->at[*slot].gen = 1; /* 0 is never valid, so that a zeroed handle is closed */
    }
    t->at[*slot].item = item;
    *gen              = t->at[*slot].gen;
    t->count++;
    return true;
}

static void *sse__slots_get(const sse__slots *t, uint32_t slot, uint32_t gen) {
    return slot < t->used && t->at[slot].gen == gen ? t->at[slot].item : NULL;
}

static void sse__slots_remove(sse__slots *t, uint32_t slot) {
    t->at[slot].item = NULL;
    if (++t->at[slot].gen == 0) t->at[slot].gen = 1;
    t->at[slot].next_free = t->free_list;
    t->free_list          = slot + 1;
    t->count--;
}

/* ---- maps: items by name -------------------------------------------- */

static uint64_t sse__rotl64(uint64_t x, int n) { return x << n | x >> (64 - n); }

static void sse__sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = sse__rotl64(v[1], 13), v[1] ^= v[0], v[0] = sse__rotl64(v[0], 32);
    v[2] += v[3], v[3] = sse__rotl64(v[3], 16), v[3] ^= v[2];
    v[0] += v[3], v[3] = sse__rotl64(v[3], 21), v[3] ^= v[0];
    v[2] += v[1], v[1] = sse__rotl64(v[1], 17), v[1] ^= v[2], v[2] = sse__rotl64(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"): fast for names, and
   without the key nobody can choose names that collide. */
static uint64_t sse__sip_hash(const uint64_t key[2], sse_str s) {
    uint64_t v[4], word = 0;
    size_t   i;
    v[0] = key[0] ^ 0x736F6D6570736575u, v[1] = key[1] ^ 0x646F72616E646F6Du;
    v[2] = key[0] ^ 0x6C7967656E657261u, v[3] = key[1] ^ 0x7465646279746573u;
    for (i = 0; i < s.len; i++) {
        word |= (uint64_t)(unsigned char)s.ptr[i] << 8 * (i % 8);
        if (i % 8 != 7) continue;
        v[3] ^= word;
        sse__sip_round(v);
        v[0] ^= word;
        word = 0;
    }
    word |= (uint64_t)s.len << 56;
    v[3] ^= word;
    sse__sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xFF;
    for (i = 0; i < 3; i++) sse__sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* A hash table of nodes that live inside the items; the item owns its key. */
typedef struct sse__node { struct sse__node *next; sse_str key; uint32_t hash; } sse__node;
typedef struct sse__map {
    sse__node **buckets;
    uint64_t    key[2];     /* L2 */
    uint32_t    cap, count; /* cap: a power of two, or 0 */
} sse__map;

static sse__node *sse__map_find(const sse__map *m, sse_str key) {
    sse__node *node;
    uint32_t   hash;
    if (!m->cap) return NULL;
    hash = (uint32_t)sse__sip_hash(m->key, key);
    node = m->buckets[hash & (m->cap - 1)];
    while (node && (node->hash != hash || !sse__eq(node->key, key))) node = node->next;
    return node;
}

static bool sse__map_grow(sse__map *m) {
    const uint32_t cap = m->cap ? m->cap * 2 : 8;
    sse__node    **buckets = (sse__node **)sse__zalloc(cap * sizeof *buckets), *node;
    uint32_t       i;
    if (!buckets) return false;
    /* L2: where things lie in memory is different in each process, and no peer is told */
    if (!m->cap) {
        m->key[0] = (uintptr_t)buckets;
        m->key[1] = (uintptr_t)m;
    }
    for (i = 0; i < m->cap; i++)
        while ((node = m->buckets[i]) != NULL) {
            m->buckets[i] = node->next;
            node->next    = buckets[node->hash & (cap - 1)];
            buckets[node->hash & (cap - 1)] = node;
        }
    SSE_FREE(m->buckets);
    m->buckets = buckets;
    m->cap     = cap;
    return true;
}

/* key: borrowed until removed. False: no memory */
static bool sse__map_add(sse__map *m, sse__node *node, sse_str key) {
    if (m->count >= m->cap && !sse__map_grow(m) && !m->cap) return false;
    node->key  = key;
    node->hash = (uint32_t)sse__sip_hash(m->key, key);
    node->next = m->buckets[node->hash & (m->cap - 1)];
    m->buckets[node->hash & (m->cap - 1)] = node;
    m->count++;
    return true;
}

static void sse__map_remove(sse__map *m, sse__node *node) {
    sse__node **at = &m->buckets[node->hash & (m->cap - 1)];
    while (*at != node) at = &(*at)->next;
    *at = node->next;
    m->count--;
}

/* Any one of the nodes, for taking a map apart; NULL: it is empty. */
static sse__node *sse__map_any(const sse__map *m) {
    uint32_t i;
    for (i = 0; i < m->cap && m->count; i++)
        if (m->buckets[i]) return m->buckets[i];
    return NULL;
}

static void sse__map_free(sse__map *m) {
    SSE_FREE(m->buckets);
    memset(m, 0, sizeof *m);
}

/*==========================================================================
  >>text   characters, UTF-8, escaping, percent, base64url, numbers  [pure]
  Uses: >>buf >>base                    Tests: tests/unit/text.c
  T1  Every escaper copies runs of plain bytes at once; its language reads
      back exactly the bytes put in (JSON, which has only characters, reads
      U+FFFD for a byte that is not UTF-8). Proved by tests/fuzz/text.c.
==========================================================================*/

enum { /* classes of characters */
    SSE__TOKEN    = 1,   /* tchar, RFC 9110 5.6.2 */
    SSE__TARGET   = 2,   /* printable ASCII but '#': browsers send some that RFC 3986 encodes */
    SSE__VALUE    = 4,   /* of a field value, RFC 9110 5.5: tab, space, printable, 0x80 and up */
    SSE__COOKIE   = 8,   /* cookie-octet, RFC 6265 4.1.1 */
    SSE__HOST     = 16,  /* unreserved, RFC 3986 2.3: no host name that resolves has any other */
    SSE__BOUNDARY = 32,  /* bchars, RFC 2046 5.1.1 */
    SSE__DIGIT    = 64,
    SSE__BLANK    = 128  /* OWS, RFC 9110 5.6.3 */
};

static const unsigned char sse__classes[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,132,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
   /* ! " # $ % & ' ( ) * + , - . / */
   164, 15,  6, 13, 15, 15, 15, 47, 46, 46, 15, 47, 38, 63, 63, 46,
    127,127,127,127,127,127,127,127,127,127, 46, 6, 14, 46, 14, 46, /* 0 to 9 : ; < = > ? */
    14, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, /* @ A to O */
    63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 14,  6, 14, 15, 63, /* P to Z [ \ ] ^ _ */
    15, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, /* ` a to o */
    63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 14, 15, 14, 31,  0, /* p to z { | } ~ DEL */
#define SSE__HIGH 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4
    SSE__HIGH, SSE__HIGH, SSE__HIGH, SSE__HIGH, SSE__HIGH, SSE__HIGH, SSE__HIGH, SSE__HIGH
#undef SSE__HIGH
};

static bool sse__in_class(char c, unsigned set) {
    return (sse__classes[(unsigned char)c] & set) != 0;
}

/* How many bytes at the start of s are of the class. */
static size_t sse__class_span(sse_str s, unsigned set) {
    size_t n = 0;
    while (n < s.len && sse__in_class(s.ptr[n], set)) n++;
    return n;
}

/* The length of the well-formed UTF-8 sequence at text, 0 if there is none: no overlong ones, no
   surrogates, none past U+10FFFF. n > 0. */
static size_t sse__utf8_len(const char *text, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char  *p = (const unsigned char *)text;
    const size_t          len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t              c = p[0] & (0x7Fu >> len);
    size_t                i;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xC0 || p[0] > 0xF7 || n < len) return 0;
    for (i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    return c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : len;
}

/* How many bytes at the start of s are well-formed UTF-8: s.len if all of it is. */
static size_t sse__utf8_span(sse_str s) {
    size_t i = 0, len;
    while (i < s.len) {
        if ((unsigned char)s.ptr[i] < 0x80) {
            i++;
            continue;
        }
        len = sse__utf8_len(s.ptr + i, s.len - i);
        if (!len) break;
        i += len;
    }
    return i;
}

/* c: a Unicode scalar value. Returns the bytes written */
static size_t sse__utf8_put(char out[4], uint32_t c) {
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    const size_t               last = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    size_t                     i;
    for (i = last; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[last] | c);
    return last + 1;
}

static const char sse__hex[] = "0123456789abcdef";

static int sse__hex_value(char c) { /* -1: not a hexadecimal digit */
    if (c >= '0' && c <= '9') return c - '0';
    c = sse__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends s so that the language reads it back unchanged: T1 */
typedef void (*sse__escaper)(sse_buf *b, sse_str s);

static void sse__put_hex(sse_buf *b, const char *prefix, char c, const char *digits) {
    sse_puts(b, prefix);
    sse__put_char(b, digits[(unsigned char)c >> 4]);
    sse__put_char(b, digits[c & 15]);
}

static void sse__escape_html(sse_buf *b, sse_str s) {
    size_t from = 0, i;
    for (i = 0; i < s.len; i++) {
        const char *with;
        switch (s.ptr[i]) {
        case '&': with = "&amp;"; break;
        case '<': with = "&lt;"; break;
        case '>': with = "&gt;"; break;
        case '"': with = "&quot;"; break;
        case '\'': with = "&#39;"; break;
        default: continue;
        }
        sse_raw(b, s.ptr + from, i - from);
        sse_puts(b, with);
        from = i + 1;
    }
    sse__put_str(b, sse__str_skip(s, from));
}

/* With its quotes; '<' as \u003c, so that JSON may stand in a <script> */
static void sse__escape_json(sse_buf *b, sse_str s) {
    size_t from = 0, i = 0, len;
    sse__put_char(b, '"');
    while (i < s.len) {
        const unsigned char c = (unsigned char)s.ptr[i];
        const char         *short_form;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<') {
            i++;
            continue;
        }
        len = sse__utf8_len(s.ptr + i, s.len - i);
        if (len > 1) {
            i += len;
            continue;
        }
        sse_raw(b, s.ptr + from, i - from);
        if (len == 0) sse_puts(b, "\xEF\xBF\xBD"); /* not UTF-8: U+FFFD */
        else if (c && (short_form = strchr("\bb\ff\nn\rr\tt\"\"\\\\", c)) != NULL) {
            sse__put_char(b, '\\');
            sse__put_char(b, short_form[1]);
        } else sse__put_hex(b, "\\u00", (char)c, sse__hex);
        from = ++i;
    }
    sse__put_str(b, sse__str_skip(s, from));
    sse__put_char(b, '"');
}

static void sse__escape_url(sse_buf *b, sse_str s) {
    size_t plain;
    for (; s.len; s = sse__str_skip(s, plain + 1)) {
        plain = sse__class_span(s, SSE__HOST);
        sse_raw(b, s.ptr, plain);
        if (plain == s.len) break;
        sse__put_hex(b, "%", s.ptr[plain], "0123456789ABCDEF");
    }
}

/* \xHH for all ASCII but letters, digits, space and a few marks: nothing of it means anything to
   a JS string, template literal, <script> or attribute. U+2028 and U+2029 end a line in older
   JS. */
static void sse__escape_js(sse_buf *b, sse_str s) {
    size_t from = 0, i;
    for (i = 0; i < s.len; i++) {
        const char c     = s.ptr[i];
        const char *with = NULL;
        if (c == '\xE2' && sse__starts(sse__str_skip(s, i), SSE__LIT("\xE2\x80\xA8")))
            with = "\\u2028";
        if (c == '\xE2' && sse__starts(sse__str_skip(s, i), SSE__LIT("\xE2\x80\xA9")))
            with = "\\u2029";
        if (!with && ((unsigned char)c >= 0x80 || sse__in_class(c, SSE__HOST) || c == ' ' ||
                      c == ',' || c == ':'))
            continue;
        sse_raw(b, s.ptr + from, i - from);
        sse_puts(b, with);
        if (with) i += 2;
        else sse__put_hex(b, "\\x", c, sse__hex);
        from = i + 1;
    }
    sse__put_str(b, sse__str_skip(s, from));
}

/* Decodes %XX (and '+' as a space if plus) in place; returns the new length, SIZE_MAX where a %
   is not followed by two digits. A decoded NUL stays in: callers who promise text refuse it. */
static size_t sse__percent_decode(char *p, size_t n, bool plus) {
    size_t from, to = 0;
    for (from = 0; from < n; from++, to++) {
        int high, low;
        p[to] = plus && p[from] == '+' ? ' ' : p[from];
        if (p[from] != '%') continue;
        if (n - from < 3) return SIZE_MAX;
        high = sse__hex_value(p[from + 1]);
        low  = sse__hex_value(p[from + 2]);
        if (high < 0 || low < 0) return SIZE_MAX;
        p[to] = (char)(high << 4 | low);
        from += 2;
    }
    return to;
}

static const char sse__base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void sse__base64url_put(sse_buf *b, sse_str s) { /* RFC 4648 5, without padding */
    size_t i;
    for (i = 0; i < s.len; i += 3) {
        const size_t left = s.len - i;
        uint32_t     v = 0;
        char         out[4];
        unsigned     k;
        for (k = 0; k < 3; k++) v = v << 8 | (k < left ? (unsigned char)s.ptr[i + k] : 0u);
        for (k = 0; k < 4; k++) out[k] = sse__base64url[v >> (18 - 6 * k) & 63];
        sse_raw(b, out, left > 2 ? 4 : left + 1);
    }
}

/* Decodes s in alphabet 62 = '-' or '+', 63 = '_' or '/' as url says; padding only where it is
   not url. Refuses text that no encoder writes (bits left over, a single last character): two texts
   never decode to the same bytes. */
static bool sse__base64_get(sse_buf *b, sse_str s, bool url) {
    const char *const last = url ? "-_" : "+/";
    uint32_t          v = 0;
    size_t            i;
    if (!url && s.len % 4) return false;
    for (i = 0; !url && i < 2 && s.len && s.ptr[s.len - 1] == '='; i++) s.len--;
    for (i = 0; i < s.len; i++) {
        const char  c  = s.ptr[i];
        const char *at = c ? strchr(sse__base64url, c) : NULL;
        uint32_t    digit = at ? (uint32_t)(at - sse__base64url) : 64;
        if (digit >= 62) digit = c == last[0] ? 62 : c == last[1] ? 63 : 64;
        if (digit == 64) return false;
        v = v << 6 | digit;
        if (i % 4) sse__put_char(b, (char)(v >> (6 - 2 * (i % 4))));
    }
    if (s.len % 4 == 1 || (s.len % 4 == 2 && (v & 15)) || (s.len % 4 == 3 && (v & 3))) return false;
    return b->error == SSE_OK;
}

/* Digits only, all of s, at most max. The one reader for sizes, ports and counts that come from
   outside. */
static bool sse__parse_u64(sse_str s, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    size_t   i;
    for (i = 0; i < s.len; i++) {
        const unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (digit > 9 || v > (max - digit) / 10 || digit > max) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return s.len > 0;
}

/* The decimal digits of v, in room. */
static sse_str sse__digits(char room[20], uint64_t v) {
    size_t at = 20;
    do {
        room[--at] = (char)('0' + v % 10);
    } while (v /= 10);
    return sse__str(room + at, 20 - at);
}

static void sse__put_u64(sse_buf *b, uint64_t v) {
    char room[20];
    sse__put_str(b, sse__digits(room, v));
}

SSE_API long long sse_parse_int(const char *text, long long fallback) {
    const bool    negative = text && text[0] == '-';
    const sse_str digits   = sse__text(negative ? text + 1 : text);
    uint64_t      v;
    if (!sse__parse_u64(digits, (uint64_t)INT64_MAX + negative, &v)) return fallback;
    return negative ? (long long)(0 - v) : (long long)v;
}

static bool sse__take_char(const char **p, const char *end, char c) {
    if (*p == end || **p != c) return false;
    ++*p;
    return true;
}

static bool sse__take_digits(const char **p, const char *end) { /* one or more */
    const char *from = *p;
    while (*p < end && **p >= '0' && **p <= '9') ++*p;
    return *p > from;
}

/* Moves *p behind [-] digits [. digits] [e [+-] digits]; in JSON (RFC 8259 6) a 0 is never the
   first of several digits. False: *p is at the first byte that fits no number. */
static bool sse__take_number(const char **p, const char *end, bool json) {
    sse__take_char(p, end, '-');
    if (!(json && sse__take_char(p, end, '0')) && !sse__take_digits(p, end)) return false;
    if (sse__take_char(p, end, '.') && !sse__take_digits(p, end)) return false;
    if (!sse__take_char(p, end, 'e') && !sse__take_char(p, end, 'E')) return true;
    if (!sse__take_char(p, end, '-')) sse__take_char(p, end, '+');
    return sse__take_digits(p, end);
}

SSE_API double sse_parse_double(const char *text, double fallback) {
    char        local[64], point[8], *end, *dot;
    const char *p = text;
    size_t      n = text ? strlen(text) : 0, extra;
    double      v;
    if (n == 0 || n > sizeof local - sizeof point) return fallback;
    if (!sse__take_number(&p, text + n, false) || *p) return fallback;
    memcpy(local, text, n + 1);
    dot = strchr(local, '.');
    if (dot) { /* strtod wants the point of the program's locale: write one and look */
        snprintf(point, sizeof point, "%.1f", 0.5);
        extra = strlen(point) - 2;
        memmove(dot + extra, dot + 1, strlen(dot + 1) + 1);
        memcpy(dot, point + 1, extra);
    }
    v = strtod(local, &end);
    return *end || v - v != 0 ? fallback : v; /* v - v: not a number for infinities */
}

/*==========================================================================
  >>format   the printf family                                       [pure]
  Uses: >>text >>buf >>base             Tests: tests/unit/format.c
  P1  A value reaches the output through the escaper of its language;
      only the format itself, which the program wrote, goes in as it is.
==========================================================================*/

/* A va_list that can be handed on by pointer (it may be an array type) */
typedef struct sse__args { va_list ap; } sse__args;

/* One step through a format: literal text, then perhaps one conversion with its value. */
typedef struct sse__fmt_spec {
    sse_str     literal;          /* up to the conversion; "%%" ends one with a single % */
    char        conv;             /* d u x X o c s p f F e E g G a A; 0: none, only literal */
    char        flags[8];         /* each that was given, once */
    bool        plain;            /* no flags, width or precision */
    int         width, precision; /* precision -1: not given */
    bool        left;
    long long   i;                /* d c */
    unsigned long long u;         /* u x X o */
    double      f;
    const void *p;                /* s p */
} sse__fmt_spec;

/* A width or precision: digits or '*' */
static int sse__fmt_number(const char **fmt, sse__args *args) {
    int n = 0;
    if (**fmt == '*') {
        ++*fmt;
        return va_arg(args->ap, int);
    }
    for (; **fmt >= '0' && **fmt <= '9'; ++*fmt) n = n < 10000 ? n * 10 + (**fmt - '0') : n;
    return n;
}

/* Fetches the value: an integer of the width that the modifier names (L is ll, H is hh), where
   short and char come as an int and are narrowed. */
static void sse__fmt_value(sse__fmt_spec *piece, char modifier, sse__args *args) {
    const bool minus = piece->conv == 'd' || piece->conv == 'c'; /* signed */
    long long  v;
#define SSE__FETCH(type, positive) \
    (minus ? (long long)va_arg(args->ap, type) : (long long)va_arg(args->ap, positive))
    if (piece->conv == 's' || piece->conv == 'p') {
        piece->p = va_arg(args->ap, const void *);
        return;
    }
    if (!strchr("duxXoc", piece->conv)) {
        piece->f = va_arg(args->ap, double);
        return;
    }
    switch (modifier) {
    case 'l': v = SSE__FETCH(long, unsigned long); break;
    case 'L': v = SSE__FETCH(long long, unsigned long long); break;
    case 'j': v = SSE__FETCH(intmax_t, uintmax_t); break;
    case 'z': case 't': v = SSE__FETCH(ptrdiff_t, size_t); break;
    default: v = SSE__FETCH(int, unsigned);
    }
#undef SSE__FETCH
    if (modifier == 'h') v = minus ? (short)v : (unsigned short)v;
    if (modifier == 'H') v = minus ? (signed char)v : (unsigned char)v;
    piece->i = v;
    piece->u = (unsigned long long)v;
}

/* Reads the next piece of *fmt. False: the format is at its end, or holds a conversion that is
   not supported (then *error is set). */
static bool sse__fmt_next(sse__fmt_spec *piece, const char **fmt, sse__args *args, int *error) {
    const char *p = *fmt + strcspn(*fmt, "%");
    char        modifier;
    size_t      nflags = 0;
    memset(piece, 0, sizeof *piece);
    piece->literal = sse__str(*fmt, (size_t)(p - *fmt));
    *fmt           = p;
    if (!*p) return piece->literal.len > 0;
    if (*++p == '%') {
        piece->literal.len++;
        *fmt = p + 1;
        return true;
    }
    for (; *p && strchr("-+ #0", *p); p++)
        if (!strchr(piece->flags, *p)) piece->flags[nflags++] = *p;
    piece->left      = strchr(piece->flags, '-') != NULL;
    piece->width     = sse__fmt_number(&p, args);
    piece->precision = -1;
    if (*p == '.') {
        p++;
        piece->precision = sse__fmt_number(&p, args);
    }
    if (piece->width < 0) { /* as in C; a width past the limit stays past it */
        piece->left  = true;
        piece->width = piece->width < -9999 ? 10000 : -piece->width;
    }
    modifier = *p && strchr("hlzjt", *p) ? *p++ : '\0';
    if ((modifier == 'h' || modifier == 'l') && *p == modifier) modifier = *p++ == 'h' ? 'H' : 'L';
    piece->conv = *p == 'i' ? 'd' : *p;
    if (!*p || !strchr("duxXocspfFeEgGaA", piece->conv) ||
        (modifier && strchr("csp", piece->conv)) || piece->width > 9999 ||
        (piece->conv != 's' && piece->precision > 9999)) {
        *error = SSE_E_ARG;
        return false;
    }
    *fmt         = p + 1;
    piece->plain = nflags == 0 && piece->width == 0 && piece->precision < 0;
    sse__fmt_value(piece, modifier, args);
    return true;
}

static void sse__put_number(sse_buf *b, const sse__fmt_spec *piece) {
    /* a double has up to 309 digits before its point */
    const size_t room =
        400 + (size_t)piece->width + (size_t)(piece->precision > 0 ? piece->precision : 0);
    const int    width = piece->left ? -piece->width : piece->width;
    char         spec[20], *p, *to;
    int          len, n;
    if (piece->plain && (piece->conv == 'd' || piece->conv == 'u')) {
        const bool minus = piece->conv == 'd' && piece->i < 0;
        if (minus) sse__put_char(b, '-');
        sse__put_u64(b, minus ? 0 - piece->u : piece->u);
        return;
    }
    p = to = sse__buf_room(b, room);
    if (!p) return;
    snprintf(spec, sizeof spec, "%%%s*.*%s%c", piece->flags,
             strchr("duxXo", piece->conv) ? "ll" : "", piece->conv);
    if (piece->conv == 'd') len = snprintf(p, room, spec, width, piece->precision, piece->i);
    else if (strchr("uxXo", piece->conv))
        len = snprintf(p, room, spec, width, piece->precision, piece->u);
    else len = snprintf(p, room, spec, width, piece->precision, piece->f);
    SSE_ASSERT(len < (int)room);
    if (len < 0) sse_buf_fail(b, SSE_E_ARG);
    /* The decimal point of the locale is one byte or several that occur in no number. */
    for (n = 0; n < len; n++) {
        if (strchr("0123456789abcdefABCDEFxXpPinIN+- ty", p[n])) *to++ = p[n];
        else if (to == p || to[-1] != '.') *to++ = '.';
    }
    b->len += (size_t)(to - p);
}

/* strlen, but never looks past precision bytes */
static size_t sse__bounded_len(const char *text, int precision) {
    return precision < 0 ? strlen(text) : strnlen(text, (size_t)precision);
}

static void sse__vformat(sse_buf *b, sse__escaper escape, const char *null_text, const char *fmt,
                         va_list ap) {
    sse__args     args;
    sse__fmt_spec piece;
    char          local[64];
    va_copy(args.ap, ap);
    while (!b->error && sse__fmt_next(&piece, &fmt, &args, &b->error)) {
        const char  *text = local;
        sse__escaper put  = escape; /* P1 */
        size_t       len  = 1, pad;
        sse__put_str(b, piece.literal);
        switch (piece.conv) {
        case 0: continue;
        case 's':
            text = (const char *)piece.p;
            len  = text ? sse__bounded_len(text, piece.precision) : 0;
            break;
        case 'c': local[0] = (char)piece.i; break;
        case 'p':
            len = (size_t)snprintf(local, sizeof local, "%p", piece.p);
            put = sse__put_str;
            break;
        default: sse__put_number(b, &piece); continue;
        }
        if (!text) {
            sse_puts(b, null_text);
            continue;
        }
        pad = (size_t)piece.width > len ? (size_t)piece.width - len : 0;
        for (; !piece.left && pad; pad--) sse__put_char(b, ' ');
        put(b, sse__str(text, len));
        for (; pad; pad--) sse__put_char(b, ' ');
    }
    va_end(args.ap);
}

#define SSE__FORMAT(b, escape, null_text, fmt)       \
    do {                                             \
        va_list ap;                                  \
        va_start(ap, fmt);                           \
        sse__vformat(b, escape, null_text, fmt, ap); \
        va_end(ap);                                  \
    } while (0)

SSE_API void sse_printf(sse_buf *b, const char *fmt, ...) { SSE__FORMAT(b, sse__put_str, "", fmt); }
SSE_API void sse_html(sse_buf *b, const char *fmt, ...) {
    SSE__FORMAT(b, sse__escape_html, "", fmt);
}
SSE_API void sse_json(sse_buf *b, const char *fmt, ...) {
    SSE__FORMAT(b, sse__escape_json, "null", fmt);
}
SSE_API void sse_url(sse_buf *b, const char *fmt, ...) { SSE__FORMAT(b, sse__escape_url, "", fmt); }
SSE_API void sse_js(sse_buf *b, const char *fmt, ...) { SSE__FORMAT(b, sse__escape_js, "", fmt); }

/*==========================================================================
  >>json   reader by path, validator (RFC 8259)                      [pure]
  Uses: >>text >>buf >>base             Tests: tests/unit/json.c
  JS1  A single scan: no recursion, no allocation, and a value is handed out
       only when the last byte has proved well-formed.
  JS2  Up to the first wrong byte the text could still have become JSON
       (tests/fuzz/json.c).
  JS3  Text for C callers is UTF-8 without NUL.
  JS4  An index answers each path as a scan would (tests/unit/json.c).
==========================================================================*/

#ifndef SSE_JSON_DEPTH
/* Open objects and arrays at a time; each costs four words of stack during a scan. */
#define SSE_JSON_DEPTH 64
#endif

/* An object or array that is open during a scan. */
typedef struct sse__json_level {
    /* its member on the way to the value; NULL: the way does not lead through here */
    const char *want;
    const char *start; /* where it begins if it is the value itself, otherwise NULL */
    size_t      index; /* of the next element */
    uint32_t    node;  /* of an index that is filled */
    char        close; /* '}' or ']' */
} sse__json_level;

/* A value, in the index of a text that is asked for many paths. */
typedef struct sse__json_node {
    uint32_t from, to; /* its bytes */
    uint32_t parent;
    uint32_t name;     /* where its name begins, behind the quote; in an array: its index */
    uint32_t next;     /* of the same hash, and older */
} sse__json_node;

/* Finds values by their parent and name. Node 0 is none, 1 the whole. */
typedef struct sse__json_index {
    sse_str         text;
    uint64_t        key;   /* of the hash, below 2^31, unknown to the client that chose the names */
    sse__json_node *nodes;
    uint32_t       *heads; /* the newest node of each hash: the last of equal names counts */
    uint32_t        count, mask;
} sse__json_index;

static void sse__json_space(const char **p, const char *end) {
    while (*p < end && (**p == ' ' || **p == '\n' || **p == '\r' || **p == '\t')) ++*p;
}

static bool sse__json_string(const char **p, const char *end) {
    size_t len;
    int    i;
    if (!sse__take_char(p, end, '"')) return false;
    while (*p < end) {
        const unsigned char c = (unsigned char)**p;
        if (c < 0x20) return false;
        if (c != '"' && c != '\\') {
            len = c < 0x80 ? 1 : sse__utf8_len(*p, (size_t)(end - *p));
            if (!len) return false;
            *p += len;
            continue;
        }
        ++*p;
        if (c == '"') return true;
        if (*p == end || !**p || !strchr("\"\\/bfnrtu", **p)) return false;
        if (*(*p)++ != 'u') continue;
        for (i = 0; i < 4; i++, ++*p)
            if (*p == end || sse__hex_value(**p) < 0) return false;
    }
    return false;
}

static bool sse__json_scalar(const char **p, const char *end) {
    const char *word;
    switch (*p < end ? **p : 0) {
    case '"': return sse__json_string(p, end);
    case 't': word = "true"; break;
    case 'f': word = "false"; break;
    case 'n': word = "null"; break;
    default: return sse__take_number(p, end, true);
    }
    while (*word && sse__take_char(p, end, *word)) word++;
    return !*word;
}

/* Decodes the character or escape at *at, in a string that has been checked, to UTF-8; returns
   its bytes. A surrogate without its other half is in RFC 8259's grammar but no character (its
   section 8.2): it reads as U+FFFD. */
static size_t sse__json_char(const char **at, char out[4]) {
    static const char named[] = "b\bf\fn\nr\rt\t";
    const char       *p = *at, *name;
    uint32_t          code[2] = {0, 0};
    int               i, k;
    out[0] = p[0];
    *at    = p + 1;
    if (p[0] != '\\') return 1;
    name   = strchr(named, p[1]);
    out[0] = name ? name[1] : p[1];
    *at    = p + 2;
    if (p[1] != 'u') return 1;
    /* a closing quote stops it, if nothing else does */
    for (k = 0; k < 2 && p[0] == '\\' && p[1] == 'u'; k++, p += 6)
        for (i = 2; i < 6; i++) code[k] = code[k] << 4 | (uint32_t)sse__hex_value(p[i]);
    *at += 4;
    if (code[0] < 0xD800 || code[0] > 0xDFFF) return sse__utf8_put(out, code[0]);
    if (code[0] > 0xDBFF || code[1] < 0xDC00 || code[1] > 0xDFFF) return sse__utf8_put(out, 0xFFFD);
    *at += 6;
    return sse__utf8_put(out, 0x10000 + ((code[0] - 0xD800) << 10) + (code[1] - 0xDC00));
}

/* Whether a member's name, behind its quote in a string that has been checked, is the first step of
   path; *rest is then the '.' or the end behind it. */
static bool sse__json_name_is(const char *name, const char *path, const char **rest) {
    char   bytes[4];
    size_t n, i;
    while (*name != '"') {
        n = sse__json_char(&name, bytes);
        for (i = 0; i < n; i++, path++) {
            if (!*path || *path == '.') return false;
            if (*path == '\\' && path[1]) path++;
            if (*path != bytes[i]) return false;
        }
    }
    *rest = path;
    return !*path || *path == '.';
}

/* As an array writes it: no 01 */
static bool sse__json_index_is(size_t index, const char *path, const char **rest) {
    const size_t n = strspn(path, "0123456789");
    uint64_t     v;
    *rest = path + n;
    return (!**rest || **rest == '.') && (n == 1 || *path != '0') &&
           sse__parse_u64(sse__str(path, n), SIZE_MAX, &v) && v == index;
}

/* Adds a character to the hash of a name, which begins as the number of its parent: a polynomial
   modulo the prime 2^31 - 1, at a point that clients do not know. Names are hashed decoded, as both
   they and the steps of a path may be written with escapes. */
static uint64_t sse__json_hash(const sse__json_index *x, uint64_t hash, char c) {
    return (hash * x->key + (unsigned char)c + 1) % 0x7FFFFFFF;
}

/* Adds the value that begins at start, a member of level if that is not NULL. */
static uint32_t sse__json_index_add(sse__json_index *x, const sse__json_level *level,
                                    const char *name, const char *start) {
    const uint32_t  at   = ++x->count;
    sse__json_node *node = &x->nodes[at];
    uint64_t        hash = level ? level->node : 0;
    char            bytes[20];
    sse_str         digits;
    size_t          n, i;
    memset(node, 0, sizeof *node);
    node->from   = (uint32_t)(start - x->text.ptr);
    node->parent = (uint32_t)hash;
    if (level && level->close == ']') {
        node->name = (uint32_t)level->index - 1;
        digits     = sse__digits(bytes, node->name);
        for (i = 0; i < digits.len; i++) hash = sse__json_hash(x, hash, digits.ptr[i]);
    } else if (level) {
        node->name = (uint32_t)(name - x->text.ptr);
        while (*name != '"')
            for (n = sse__json_char(&name, bytes), i = 0; i < n; i++)
                hash = sse__json_hash(x, hash, bytes[i]);
    }
    node->next               = x->heads[hash & x->mask];
    x->heads[hash & x->mask] = at;
    return at;
}

/* The value that sse_json_get finds. ptr NULL: it is absent. */
static sse_str sse__json_find(const sse__json_index *x, const char *path) { /* JS4 */
    const sse__json_node *node = &x->nodes[1];
    const char           *rest = path, *p;
    for (; *rest; path = rest + 1) { /* "a.": the member of no name */
        const bool     array  = x->text.ptr[node->from] == '[';
        const uint32_t parent = (uint32_t)(node - x->nodes);
        uint64_t       hash   = parent;
        for (p = path; *p && *p != '.'; p++) {
            if (*p == '\\' && p[1]) p++;
            hash = sse__json_hash(x, hash, *p);
        }
        for (node = &x->nodes[x->heads[hash & x->mask]]; node != x->nodes;
             node = &x->nodes[node->next])
            if (node->parent == parent &&
                (array ? sse__json_index_is(node->name, path, &rest)
                       : sse__json_name_is(x->text.ptr + node->name, path, &rest)))
                break;
        if (node == x->nodes) return sse__text(NULL);
    }
    return sse__str(x->text.ptr + node->from, node->to - node->from);
}

/* Scans all of json; *offset is then the first wrong byte, or json.len. path as in sse_json_get.
   index: to be filled, or NULL. */
static int sse__json_scan(sse_str json, const char *path, sse__json_index *index, sse_str *value,
                          size_t *offset) {
    const char *from = json.ptr ? json.ptr : "", *p = from, *const end = p + json.len, *start,
               *rest = NULL, *name = NULL; /* name: of the value that comes next */
    /* inside the value that comes next; NULL: nothing */
    const char      *want = *path ? path : NULL;
    /* target: the value that comes next is the one */
    bool             target = !*path, opened, hit;
    sse_str          found = sse__text(NULL);
    sse__json_level  levels[SSE_JSON_DEPTH], *level = NULL;
    size_t           depth = 0;
    uint32_t         node = 0;
    int              error = SSE_E_SYNTAX;
    for (;;) {
        sse__json_space(&p, end);
        start = p;
        if (index) node = sse__json_index_add(index, level, name, start);
        opened = p < end && (*p == '{' || *p == '[');
        if (opened) {
            if (depth == SSE_JSON_DEPTH) {
                error = SSE_E_FULL;
                break;
            }
            level        = &levels[depth++];
            level->want  = want;
            level->start = target ? start : NULL;
            level->index = 0;
            level->node  = node;
            level->close = *p++ == '{' ? '}' : ']';
        } else {
            if (!sse__json_scalar(&p, end)) break;
            if (node) index->nodes[node].to = (uint32_t)(p - from);
            if (target) found = sse__str(start, (size_t)(p - start));
        }
        for (; depth; depth--, opened = false) { /* close the objects and arrays that end here */
            level = &levels[depth - 1];
            sse__json_space(&p, end);
            if (!sse__take_char(&p, end, level->close)) break;
            if (level->start) found = sse__str(level->start, (size_t)(p - level->start));
            if (level->node) index->nodes[level->node].to = (uint32_t)(p - from);
        }
        if (!depth) {
            sse__json_space(&p, end);
            if (p == end) error = SSE_OK;
            break;
        }
        if (!opened && !sse__take_char(&p, end, ',')) break;
        if (level->close == ']') {
            hit = level->want && sse__json_index_is(level->index, level->want, &rest);
            level->index++;
        } else {
            sse__json_space(&p, end);
            name = p + 1;
            if (!sse__json_string(&p, end)) break;
            hit = level->want && sse__json_name_is(name, level->want, &rest);
            sse__json_space(&p, end);
            if (!sse__take_char(&p, end, ':')) break;
        }
        target = hit && !*rest;
        want   = hit && *rest ? rest + 1 : NULL;
        if (hit) found = sse__text(NULL); /* the last of equal names counts */
    }
    SSE_ASSERT(p <= end && (error || (depth == 0 && p == end))); /* JS1 */
    *offset = (size_t)(p - from);
    if (error == SSE_OK) *value = found;
    return error;
}

/* SSE_OK, SSE_E_SYNTAX, SSE_E_FULL; *offset: JS2 */
static int sse__json_check(sse_str json, size_t *offset) {
    sse_str all;
    return sse__json_scan(json, "", NULL, &all, offset);
}

/* Makes an index of a text that was checked, in an arena. NULL: no memory, or longer than its
   numbers reach. */
static sse__json_index *sse__json_index_make(sse__arena *a, sse_str json, const uint64_t key[2]) {
    sse__json_index *x      = (sse__json_index *)sse__arena_get(a, sizeof *x);
    size_t           values = 2, slots = 1, i, bytes; /* a value is the first, or behind [ { or , */
    sse_str          all;
    if (!x || json.len >= UINT32_MAX / 2) return NULL;
    for (i = 0; i < json.len; i++)
        values += json.ptr[i] == ',' || json.ptr[i] == '[' || json.ptr[i] == '{';
    while (slots < values) slots *= 2;
    if (!sse__mul(values, sizeof *x->nodes, &bytes)) return NULL;
    x->text  = json;
    x->key   = (key[0] & 0x3FFFFFFF) | 0x40000000; /* small ones spread nothing */
    x->count = 0;
    x->mask  = (uint32_t)slots - 1;
    x->nodes = (sse__json_node *)sse__arena_get(a, bytes);
    x->heads = (uint32_t *)sse__arena_get(a, slots * sizeof *x->heads);
    if (!x->nodes || !x->heads) return NULL;
    memset(x->heads, 0, slots * sizeof *x->heads);
    return sse__json_scan(json, "", x, &all, &bytes) == SSE_OK ? x : NULL;
}

/* Why sse__json_check refused a text, in words. */
static const char *sse__json_error_text(int error, size_t offset, char text[80]) {
    if (error == SSE_E_FULL)
        snprintf(text, 80, "the JSON is deeper than %d levels at byte %zu", SSE_JSON_DEPTH, offset);
    else snprintf(text, 80, "the JSON is not well-formed at byte %zu", offset);
    return text;
}

SSE_API int sse_json_get(sse_str json, const char *path, sse_str *value) {
    size_t  offset;
    sse_str found = sse__text(NULL);
    int     error = path ? sse__json_scan(json, path, NULL, &found, &offset) : SSE_E_ARG;
    if (!error && !found.ptr) error = SSE_E_ABSENT;
    if (value) *value = found;
    return error;
}

/* The text of a value that sse_json_get found: strings decoded, NULL for null and for an absent
   value, the JSON of all else. Returns: 0; SSE_E_FIELD if it holds a NUL (JS3); SSE_E_NOMEM. */
static int sse__json_to_text(sse__arena *a, sse_str value, const char **text) {
    const char *p;
    char       *to, bytes[4];
    size_t      n;
    *text = NULL;
    if (!value.ptr || sse__eq(value, SSE__LIT("null"))) return SSE_OK;
    *text = to = sse__arena_text(a, value); /* long enough: decoding never makes it longer */
    if (!to) return SSE_E_NOMEM;
    if (value.ptr[0] != '"') return SSE_OK;
    for (p = value.ptr + 1; *p != '"'; to += n) {
        n = sse__json_char(&p, bytes);
        if (!bytes[0]) {
            *text = NULL;
            return SSE_E_FIELD;
        }
        memcpy(to, bytes, n);
    }
    *to = '\0';
    return SSE_OK;
}

/*==========================================================================
  >>sign   SHA-256, HMAC, signed values     [pure, but for the time of day]
  Uses: >>format >>text >>buf >>base    Tests: tests/unit/sign.c

      base64url(value) "." hex(unix seconds) "." base64url(HMAC-SHA256)
      `------------- signed --------------'  as py-sse writes it

  SG1  The signature covers the text itself: value and time are decoded only
       when it matches, and have one spelling each.
  SG2  Comparing secrets and signatures takes the same time wherever they
       differ.
  Only sse_sign and sse_unsign, at the end, look at the clock.
==========================================================================*/

#include <time.h>

static uint32_t sse__rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sse__sha256_block(uint32_t h[8], const unsigned char *p) { /* FIPS 180-4, 6.2.2 */
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    };
    uint32_t w[64], s[8], t;
    int      i;
    for (i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (; i < 64; i++) {
        w[i] = w[i - 16] + w[i - 7] +
               (sse__rotr(w[i - 15], 7) ^ sse__rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (sse__rotr(w[i - 2], 17) ^ sse__rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
    }
    memcpy(s, h, sizeof s);
    for (i = 0; i < 64; i++) { /* rotates the indices instead of the eight variables a to h */
        const uint32_t a = s[-i & 7], b = s[(1 - i) & 7], c = s[(2 - i) & 7], e = s[(4 - i) & 7],
                       f = s[(5 - i) & 7], g = s[(6 - i) & 7];
        t = s[(7 - i) & 7] + (sse__rotr(e, 6) ^ sse__rotr(e, 11) ^ sse__rotr(e, 25)) +
            ((e & f) ^ (~e & g)) + k[i] + w[i];
        s[(3 - i) & 7] += t;
        s[(7 - i) & 7] = t + (sse__rotr(a, 2) ^ sse__rotr(a, 13) ^ sse__rotr(a, 22)) +
                         ((a & b) ^ (a & c) ^ (b & c));
    }
    for (i = 0; i < 8; i++) h[i] += s[i];
}

SSE_API void sse_sha256_add(sse_sha256 *s, const void *bytes, size_t n) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const unsigned char  *p = (const unsigned char *)bytes;
    if (s->n == 0) memcpy(s->h, start, sizeof start);
    while (n > 0) {
        const size_t used = (size_t)(s->n % sizeof s->block), room = sizeof s->block - used,
                     take = n < room ? n : room;
        memcpy(s->block + used, p, take);
        s->n += take;
        p += take;
        n -= take;
        if (take == room) sse__sha256_block(s->h, s->block);
    }
}

SSE_API void sse_sha256_end(sse_sha256 *s, unsigned char out[32]) {
    static const unsigned char pad[64] = {0x80};
    const uint64_t bits = s->n * 8;
    unsigned char  length[8];
    int            i;
    for (i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    sse_sha256_add(s, pad, 64 - (size_t)((s->n + 8) % 64));
    sse_sha256_add(s, length, sizeof length);
    SSE_ASSERT(s->n % 64 == 0);
    for (i = 0; i < 32; i++) out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
    memset(s, 0, sizeof *s);
}

/* RFC 2104: the hash of the text behind the key, then that of the first hash behind another key */
SSE_API void sse_hmac_sha256(unsigned char out[32], const void *key, size_t key_len,
                             const void *bytes, size_t n) {
    unsigned char block[64] = {0};
    sse_sha256    s;
    int           i;
    memset(&s, 0, sizeof s);
    if (key_len > sizeof block) {
        sse_sha256_add(&s, key, key_len);
        sse_sha256_end(&s, block);
    } else if (key_len) memcpy(block, key, key_len);
    for (i = 0; i < 64; i++) block[i] ^= 0x36;
    sse_sha256_add(&s, block, sizeof block);
    sse_sha256_add(&s, bytes, n);
    sse_sha256_end(&s, out);
    for (i = 0; i < 64; i++) block[i] ^= 0x36 ^ 0x5C;
    sse_sha256_add(&s, block, sizeof block);
    sse_sha256_add(&s, out, 32);
    sse_sha256_end(&s, out);
}

static bool sse__equal_secret(sse_str a, sse_str b) { /* SG2; that the lengths differ may be seen */
    volatile unsigned char differ = 0; /* volatile: no early end for the compiler to find */
    size_t                 i;
    if (a.len != b.len) return false;
    for (i = 0; i < a.len; i++) differ = (unsigned char)(differ | (a.ptr[i] ^ b.ptr[i]));
    return differ == 0;
}

/* Takes the first word off secrets; false: there is none */
static bool sse__secret_next(sse_str *secrets, sse_str *secret) {
    while (secrets->ptr) {
        *secret = sse__cut(secrets, ' ', false);
        if (secret->len) return true;
    }
    return false;
}

/* With its dot; text may lie in out */
static void sse__put_signature(sse_buf *out, sse_str secret, sse_str text) {
    unsigned char mac[32];
    sse_hmac_sha256(mac, secret.ptr, secret.len, text.ptr, text.len);
    sse__put_char(out, '.');
    sse__base64url_put(out, sse__str((const char *)mac, sizeof mac));
}

static int sse__sign_at(sse_buf *out, const char *secrets, const char *value, uint64_t now) {
    const size_t from = out ? out->len : 0;
    sse_str      rest = sse__text(secrets), secret;
    if (!out || !value || !sse__secret_next(&rest, &secret)) return SSE_E_ARG;
    sse__base64url_put(out, sse__text(value));
    sse_printf(out, ".%llx", (unsigned long long)now);
    if (!out->error) sse__put_signature(out, secret, sse__str(out->ptr + from, out->len - from));
    return out->error;
}

static bool sse__hex_time(sse_str s, uint64_t *v) { /* in the one spelling that %x has: SG1 */
    char   spelling[17];
    size_t i;
    *v = 0;
    for (i = 0; i < s.len; i++) *v = *v << 4 | (uint64_t)sse__hex_value(s.ptr[i]);
    snprintf(spelling, sizeof spelling, "%llx", (unsigned long long)*v);
    return sse__eq(s, sse__text(spelling));
}

/* ahead: two servers' clocks differ, and NTP turns them back */
enum { SSE__SIGN_AGE_S = 3600, SSE__SIGN_AHEAD_S = 60 };

static int sse__unsign_at(sse_buf *out, const char *secrets, const char *text, int max_age_s,
                          uint64_t now) {
    const size_t from = out ? out->len : 0;
    sse_str      rest = sse__text(secrets), secret, value, time, is_signed, tail = sse__text(text);
    uint64_t     when;
    bool         mine = false;
    if (!out || !sse__secret_next(&rest, &secret)) return SSE_E_ARG;
    if (!text) return SSE_E_ABSENT;
    value = sse__cut(&tail, '.', false);
    time  = sse__cut(&tail, '.', false);
    if (!tail.ptr) return SSE_E_SIGNATURE;
    is_signed = sse__str(text, value.len + 1 + time.len);
    do {
        sse__put_signature(out, secret, is_signed);
        mine = !out->error && sse__equal_secret(sse__str_skip(sse__text(text), is_signed.len),
                                                sse__str(out->ptr + from, out->len - from));
        out->len = from;
    } while (!mine && sse__secret_next(&rest, &secret));
    if (out->error) return out->error;
    if (!mine || !sse__hex_time(time, &when)) return SSE_E_SIGNATURE;
    if (max_age_s == 0) max_age_s = SSE__SIGN_AGE_S;
    if (when > now ? when - now > SSE__SIGN_AHEAD_S
                   : max_age_s > 0 && now - when > (uint64_t)max_age_s)
        return SSE_E_SIGNATURE;
    if (sse__base64_get(out, value, true)) return SSE_OK;
    out->len = from;
    return out->error ? out->error : SSE_E_SIGNATURE;
}

SSE_API int sse_sign(sse_buf *out, const char *secrets, const char *value) {
    return sse__sign_at(out, secrets, value, (uint64_t)time(NULL));
}

SSE_API int sse_unsign(sse_buf *out, const char *secrets, const char *text, int max_age_s) {
    return sse__unsign_at(out, secrets, text, max_age_s, (uint64_t)time(NULL));
}

/*==========================================================================
  >>event   Server-Sent Events, WHATWG HTML 9.2                      [pure]
  Uses: >>buf >>base                    Tests: tests/unit/event.c
  EV1  Text of any length reaches the wire through sse__put_text alone: each
      line break in it is followed by a prefix of ours, so that no text can
      begin a field or end an event.
  EV2  Fields of one line are checked before anything is written.
  EV3  An id can come back as the value of a Last-Event-ID header: with any
       other the request is not HTTP, and a 400 ends an EventSource.
==========================================================================*/

static const char *sse__find_char(const char *p, const char *end, char c) { /* end: not found */
    const char *at = p < end ? (const char *)memchr(p, c, (size_t)(end - p)) : NULL;
    return at ? at : end;
}

/* Appends text with newline (an LF and the prefix of the next line) for each CR LF, LF or CR.
   This is the hot path of a render: one memchr looks for LF line by line; CR, which is rare, is
   looked for again only where one was found. */
static void sse__put_text(sse_buf *b, sse_str newline, sse_str text) { /* EV1 */
    const char *p = text.ptr, *end, *cr, *eol;
    if (text.len == 0 || !sse__buf_room(b, text.len)) return;
    end = p + text.len;
    cr  = sse__find_char(p, end, '\r');
    for (eol = sse__find_char(p, cr, '\n'); eol < end; eol = sse__find_char(p, cr, '\n')) {
        sse_raw(b, p, (size_t)(eol - p));
        sse__put_str(b, newline);
        p = eol + 1;
        if (eol != cr) continue;
        if (p < end && *p == '\n') p++;
        cr = sse__find_char(p, end, '\r');
    }
    sse_raw(b, p, (size_t)(end - p));
}

/* Whole lines; one, if text is empty */
static void sse__put_lines(sse_buf *b, sse_str newline, sse_str text) {
    sse_raw(b, newline.ptr + 1, newline.len - 1);
    sse__put_text(b, newline, text);
    sse__put_char(b, '\n');
}

/* EV2. NULL: yes */
static bool sse__has_no_newline(const char *text) { return !text || !text[strcspn(text, "\r\n")]; }

/* EV3. NULL: yes. Spec: RFC 9110 5.5, where a field's value has no control characters and blanks
   around it are none of it. */
static bool sse__is_id(const char *text) {
    const size_t n = text ? strlen(text) : 0;
    size_t       i;
    for (i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7F) return false;
    return n == 0 || (!strchr(" \t", text[0]) && !strchr(" \t", text[n - 1]));
}

static bool sse__nonempty(const char *text) { return text && *text; }

/* text: the data or content of e */
static sse_str sse__event_text(const sse_event *e, const char *text) {
    return e->data_len ? sse__str(text, e->data_len) : sse__text(text);
}

/*==========================================================================
  >>datastar   Datastar content, and events whole                    [pure]
  Uses: >>event >>json >>format >>text >>buf >>base    Tests: tests/unit/datastar.c
  DS1  An event is refused before its first byte is written.
  DS2  Bytes and their order are those of the SDKs: event, id, retry unless
      it is 1000; selector, mode, namespace, view transition; content.
==========================================================================*/

static sse_patch_options sse__patch_options(const sse_event *e) {
    sse_patch_options none;
    memset(&none, 0, sizeof none);
    return e->patch ? *e->patch : none;
}

/* What is wrong with an event, and the field to change; *error stays as it is for NULL, nothing. */
static const char *sse__fault(int *error, int to, const char *text) {
    *error = to;
    return text;
}

static const char *sse__elements_fault(const sse_patch_options *p, int *error) {
    const char *ns = sse__nonempty(p->ns) ? p->ns : "html";
    if (!sse__has_no_newline(p->selector))
        return sse__fault(error, SSE_E_FIELD, ".patch: .selector holds a line break");
    if (!sse__has_no_newline(p->view_transition_selector))
        return sse__fault(error, SSE_E_FIELD,
                          ".patch: .view_transition_selector holds a line break");
    if (!sse__has_no_newline(ns))
        return sse__fault(error, SSE_E_FIELD, ".patch: .ns holds a line break");
    if (strcmp(ns, "html") != 0 && strcmp(ns, "svg") != 0 && strcmp(ns, "mathml") != 0)
        return sse__fault(error, SSE_E_ARG, ".patch: .ns is none of html, svg, mathml");
    if ((int)p->mode < SSE_OUTER || (int)p->mode > SSE_REMOVE)
        return sse__fault(error, SSE_E_ARG, ".patch: .mode is none of sse_mode");
    if (p->mode == SSE_OUTER || p->mode == SSE_REPLACE || sse__nonempty(p->selector)) return NULL;
    return sse__fault(error, SSE_E_ARG, ".patch: this .mode needs a .selector");
}

/* HTML 4.12.1.3: "</script" ends the element; after "<!--" its end tag may be overlooked. */
static int sse__script_check(sse_str script) {
    while (script.ptr) { /* each piece between '<' */
        sse__cut(&script, '<', false);
        if (sse__starts(script, SSE__LIT("!--")) || sse__starts_nocase(script, "/script"))
            return SSE_E_FIELD;
    }
    return SSE_OK;
}

/* Browsers skip spaces in front and control characters anywhere */
static int sse__redirect_check(const char *url) {
    const char *p;
    for (p = url; *p; p++)
        if ((unsigned char)*p < ' ') return SSE_E_FIELD;
    url += strspn(url, " ");
    if (!*url) return SSE_E_ARG;
    return sse__starts_nocase(sse__text(url), "javascript:") ? SSE_E_FIELD : SSE_OK;
}

/* A browser that cannot read them logs only to the console */
static int sse__signals_check(sse_str json) {
    sse_str all;
    return sse_json_get(json, "", &all) || all.ptr[0] != '{' ? SSE_E_ARG : SSE_OK;
}

static const char *sse__content_fault(const sse_event *e, int *error) {
    const sse_patch_options patch = sse__patch_options(e);
    if (e->elements) return sse__elements_fault(&patch, error);
    if (e->signals) *error = sse__signals_check(sse__event_text(e, e->signals));
    else if (e->script) *error = sse__script_check(sse__event_text(e, e->script));
    else if (e->redirect) *error = sse__redirect_check(e->redirect);
    if (!*error) return NULL;
    return e->signals  ? ".signals are no JSON object, or nest too deep"
           : e->script ? ".script holds </script or <!--"
                       : ".redirect is empty, javascript: or holds a control character";
}

/* NULL: e can be written. */
static const char *sse__event_fault(const sse_event *e, int *error) {
    int contents, plain;
    *error = SSE_OK;
    if (!e) return sse__fault(error, SSE_E_ARG, "the event is NULL");
    contents =
        (e->elements != NULL) + (e->signals != NULL) + (e->script != NULL) + (e->redirect != NULL);
    plain = e->data || sse__nonempty(e->event);
    if (!sse__has_no_newline(e->event))
        return sse__fault(error, SSE_E_FIELD, ".event holds a line break");
    if (!sse__is_id(e->id))
        return sse__fault(error, SSE_E_FIELD,
                          ".id holds a control character, or a blank at an end");
    if (e->retry_ms < 0) return sse__fault(error, SSE_E_ARG, ".retry_ms is negative");
    if (contents + plain > 1)
        return sse__fault(error, SSE_E_ARG, "two of .data or .event, .elements, .signals, .script, "
                                            ".redirect: send two events");
    if (contents + plain > 0) return sse__content_fault(e, error);
    if (e->patch)
        return sse__fault(error, SSE_E_ARG, ".patch without .elements, .signals, .script or "
                                            ".redirect: to remove, .elements is \"\"");
    if (!e->id && !e->comment && !e->retry_ms)
        return sse__fault(error, SSE_E_ARG, "there is nothing in it");
    return NULL;
}

/* Whether e can be written; publishing asks before it does any work. DS1 */
static int sse__event_check(const sse_event *e) {
    int error;
    (void)sse__event_fault(e, &error);
    return error;
}

/* NULL or "": nothing */
static void sse__put_option(sse_buf *b, const char *name, const char *value) {
    if (sse__nonempty(value)) sse_printf(b, "data: %s %s\n", name, value);
}

/* Appends an event that sse__event_check has passed. */
static void sse__event_put(sse_buf *b, const sse_event *e) { /* DS2 */
    static const char modes[][8] = {"",       "inner",  "replace", "prepend", /* "": outer */
                                    "append", "before", "after",   "remove"};
    const sse_patch_options p        = sse__patch_options(e);
    const sse_str           elements = SSE__LIT("\ndata: elements ");
    const bool script = e->script || e->redirect, datastar = script || e->elements || e->signals;
    SSE_ASSERT(sse__has_no_newline(e->event) && sse__is_id(e->id)); /* EV2, EV3 */
    if (e->comment) sse__put_lines(b, SSE__LIT("\n: "), sse__text(e->comment));
    if (datastar) sse_printf(b, "event: datastar-patch-%s\n", e->signals ? "signals" : "elements");
    else if (sse__nonempty(e->event)) sse_printf(b, "event: %s\n", e->event);
    if (e->id) sse_printf(b, "id: %s\n", e->id);
    if (e->retry_ms && !(datastar && e->retry_ms == 1000))
        sse_printf(b, "retry: %d\n", e->retry_ms);
    if (e->data) sse__put_lines(b, SSE__LIT("\ndata: "), sse__event_text(e, e->data));
    else if (!datastar && sse__nonempty(e->event)) sse_puts(b, "data: \n");
    if (e->elements) {
        const sse_str html = sse__event_text(e, e->elements);
        const char   *root = p.view_transition_selector;
        sse__put_option(b, "selector", p.selector);
        sse__put_option(b, "mode", modes[p.mode]);
        if (p.ns && strcmp(p.ns, "html") != 0) sse__put_option(b, "namespace", p.ns);
        if (p.view_transition || sse__nonempty(root)) sse_puts(b, "data: useViewTransition true\n");
        sse__put_option(b, "viewTransitionSelector", root);
        if (html.len || p.mode != SSE_REMOVE) sse__put_lines(b, elements, html);
    }
    if (e->signals) {
        if (p.only_if_missing) sse_puts(b, "data: onlyIfMissing true\n");
        sse__put_lines(b, SSE__LIT("\ndata: signals "), sse__event_text(e, e->signals));
    }
    if (script) {
        sse_puts(b, "data: mode append\ndata: selector body\ndata: elements <script");
        if (sse__nonempty(p.attributes)) {
            sse__put_char(b, ' ');
            sse__put_text(b, elements, sse__text(p.attributes));
        }
        sse_puts(b, p.keep_script ? ">" : " data-effect=\"el.remove()\">");
        if (e->script) sse__put_text(b, elements, sse__event_text(e, e->script));
        else /* later, so that this patch completes */
            sse_json(b, "setTimeout(() => window.location.href = %s)", e->redirect);
        sse_puts(b, "</script>\n");
    }
    sse__put_char(b, '\n');
}

SSE_API int sse_event_write(sse_buf *b, const sse_event *event) {
    const size_t len   = b->len;
    const int    error = sse__event_check(event);
    if (b->error || error) return b->error ? b->error : error;
    sse__event_put(b, event);
    if (b->error) b->len = len;
    return b->error;
}

static sse_event sse__event_new(const sse_patch_options *patch) {
    sse_event e;
    memset(&e, 0, sizeof e);
    e.patch = patch;
    return e;
}

SSE_API int sse_patch_elements(sse_buf *b, const char *html, const sse_patch_options *options) {
    sse_event e = sse__event_new(options);
    e.elements = html;
    return sse_event_write(b, &e);
}

SSE_API int sse_remove_elements(sse_buf *b, const char *selector) {
    sse_patch_options options;
    memset(&options, 0, sizeof options);
    options.selector = selector;
    options.mode     = SSE_REMOVE;
    return sse_patch_elements(b, "", &options);
}

SSE_API int sse_patch_signals(sse_buf *b, const char *json, const sse_patch_options *options) {
    sse_event e = sse__event_new(options);
    e.signals = json;
    return sse_event_write(b, &e);
}

/* Whether name is path or lies below it: "user.name" is and lies below "user". */
static bool sse__signal_below(const char *name, sse_str path) {
    return strncmp(name, path.ptr, path.len) == 0 && (!name[path.len] || name[path.len] == '.');
}

/* Appends {"a":null,"b":{"c":null}} for the names that begin with prefix ("" or "user."), in the
   order they came. A name removes what is below it, too. The specification nests names; two members
   of one name would be one. */
static void sse__put_signal_nulls(sse_buf *b, const char *const *names, int count, sse_str prefix) {
    char before = '{';
    int  i, j;
    for (i = 0; i < count; i++) {
        sse_str path;
        bool    whole = false;
        if (strncmp(names[i], prefix.ptr, prefix.len) != 0) continue;
        path = sse__str(names[i], prefix.len + strcspn(names[i] + prefix.len, "."));
        for (j = 0; j < i && !sse__signal_below(names[j], path); j++) continue;
        if (j < i) continue; /* written with an earlier name */
        for (j = i; j < count; j++) whole = whole || sse__eq(sse__text(names[j]), path);
        sse__put_char(b, before);
        sse__escape_json(b, sse__str_skip(path, prefix.len));
        sse__put_char(b, ':');
        if (whole) sse_puts(b, "null");
        else sse__put_signal_nulls(b, names, count, sse__str(path.ptr, path.len + 1));
        before = ',';
    }
    SSE_ASSERT(before == ',');
    sse__put_char(b, '}');
}

enum { SSE__SIGNAL_DEPTH = 64 }; /* of a name; bounds the recursion above */

/* Parts of one or more characters, separated by dots */
static bool sse__is_signal_name(const char *name) {
    int depth;
    for (depth = 0; name && depth < SSE__SIGNAL_DEPTH; depth++) {
        const size_t n = strcspn(name, ".");
        if (!n || !name[n]) return n > 0;
        name += n + 1;
    }
    return false;
}

SSE_API int sse_remove_signals(sse_buf *b, const char *const *names, int count) {
    sse_buf json = {NULL, 0, 0, SSE_OK};
    int     i, error;
    if (!names || count <= 0) return SSE_E_ARG;
    for (i = 0; i < count; i++)
        if (!sse__is_signal_name(names[i])) return SSE_E_FIELD;
    sse__put_signal_nulls(&json, names, count, sse__text(""));
    error = json.error ? json.error : sse_patch_signals(b, sse_buf_text(&json), NULL);
    sse_buf_free(&json);
    return error;
}

SSE_API int sse_execute_script(sse_buf *b, const char *script, const sse_patch_options *options) {
    sse_event e = sse__event_new(options);
    e.script = script;
    return sse_event_write(b, &e);
}

SSE_API int sse_navigate(sse_buf *b, const char *url) {
    sse_event e = sse__event_new(NULL);
    e.redirect = url;
    return sse_event_write(b, &e);
}

SSE_API void sse_follow(sse_buf *b, const char *url) {
    if (!sse__nonempty(url)) {
        sse_buf_fail(b, SSE_E_ARG);
        return;
    }
    sse_js(b, "data-init=\"const follow = () => @get('%s', {retry: 'always', ", url);
    sse_puts(b, "retryInterval: 300 + 500 * Math.random(), retryMaxWait: 2000, "
                "retryMaxCount: Infinity}); document.hidden ? "
                "document.addEventListener('visibilitychange', follow, {once: true}) : follow()\" "
                "data-on:datastar-fetch=\"evt.detail.el == el &amp;&amp; "
                "($_offline = !/^(started|datastar)/.test(evt.detail.type))\"");
}

/*==========================================================================
  >>htmx   elements of htmx                                          [pure]
  Uses: >>event >>format >>buf >>base   Tests: tests/unit/htmx.c
==========================================================================*/

SSE_API void sse_htmx_element(sse_buf *b, const char *url, const char *swap,
                              const char *attributes) {
    sse_puts(b, "<div");
    if (swap) sse_html(b, " hx-ext=\"sse\" sse-connect=\"%s\" sse-swap=\"%s\"", url, swap);
    sse_html(b, " hx-sse:connect=\"%s\"", url);
    if (sse__nonempty(attributes)) sse_printf(b, " %s", attributes);
    sse_puts(b, "></div>");
}

static bool sse__is_tag_name(const char *name) { /* a letter, then letters, digits and '-' */
    const size_t n =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    return n && !name[n] && sse__lower(name[0]) >= 'a' && sse__lower(name[0]) <= 'z';
}

SSE_API void sse_htmx_oob(sse_buf *b, const char *target_id, const char *swap, const char *html,
                          const char *wrap) {
    if (!wrap) wrap = "div";
    if (!sse__nonempty(target_id) || !sse__is_tag_name(wrap)) {
        sse_buf_fail(b, SSE_E_ARG);
        return;
    }
    sse_html(b, "<%s id=\"%s\" hx-swap-oob=\"%s\">", wrap, target_id,
             sse__nonempty(swap) ? swap : "innerHTML");
    sse_puts(b, html);
    sse_printf(b, "</%s>", wrap);
}

/*==========================================================================
  >>field   header fields: lists, types, dates, hosts                [pure]
  Uses: >>text >>base                   Tests: tests/unit/field.c
  FD1  Every sse_str that is returned lies inside the bytes given.
  FD2  A malformed value reads as absent, so that nothing is ever guessed
       from half of one.
==========================================================================*/

static bool sse__all_in_class(sse_str s, unsigned set) { /* of nothing: true */
    return sse__class_span(s, set) == s.len;
}

/* Field names, methods, cookie names */
static bool sse__is_token(sse_str s) { return s.len > 0 && sse__all_in_class(s, SSE__TOKEN); }

static bool sse__is_space(char c) { return sse__in_class(c, SSE__BLANK); }

static sse_str sse__trim(sse_str s) { /* FD1 */
    while (s.len && sse__is_space(s.ptr[0])) s.ptr++, s.len--;
    while (s.len && sse__is_space(s.ptr[s.len - 1])) s.len--;
    return s;
}

/* The next element of a comma-separated list, trimmed; empty ones are skipped (RFC 9110
   5.6.1.2). */
static bool sse__list_next(sse_str *rest, sse_str *element) {
    while (rest->ptr) {
        *element = sse__trim(sse__cut(rest, ',', true));
        if (element->len) return true;
    }
    return false;
}

static bool sse__list_has(sse_str list, sse_str token) {
    sse_str element;
    while (sse__list_next(&list, &element))
        if (sse__eq_nocase(element, token)) return true;
    return false;
}

/* The next piece of "a/b; name=value; name=\"value\"": name is all of it and value absent where
   there is no '='. The value of a quoted string is the text between the quotes, escapes left in;
   without a closing quote at its end it is absent: FD2. */
static bool sse__param_next(sse_str *rest, sse_str *name, sse_str *value) {
    sse_str v;
    size_t  i;
    if (!rest->ptr) return false;
    v     = sse__cut(rest, ';', true);
    *name = sse__trim(sse__cut(&v, '=', true));
    if (v.ptr) v = sse__trim(v);
    *value = v;
    if (!v.len || v.ptr[0] != '"') return true;
    for (i = 1; i < v.len && v.ptr[i] != '"'; i++)
        if (v.ptr[i] == '\\') i++;
    *value = i + 1 == v.len ? sse__str(v.ptr + 1, v.len - 2) : sse__text(NULL);
    return true;
}

static sse_str sse__param(sse_str s, sse_str name) { /* the first of that name; ptr NULL: absent */
    sse_str n, value;
    while (sse__param_next(&s, &n, &value))
        if (sse__eq_nocase(n, name)) return value;
    return sse__text(NULL);
}

/* "text/html; charset=utf-8" is text/html */
static bool sse__media_is(sse_str value, sse_str type) {
    return sse__eq_nocase(sse__trim(sse__cut(&value, ';', true)), type);
}

/* The weight of a list element in thousandths, RFC 9110 12.4.2: 1000 without a q, 0 where it is
   malformed. */
static int sse__qvalue(sse_str element) {
    int     weight = 0;
    size_t  i;
    sse_str name, q;
    do {
        if (!sse__param_next(&element, &name, &q)) return 1000;
    } while (!sse__is_word(name, "q"));
    for (i = 0; i < 5; i++) { /* what is left out of 1.000 is written so */
        const char c = i < q.len ? q.ptr[i] : "0.000"[i];
        if (i == 1 ? c != '.' : !sse__in_class(c, SSE__DIGIT)) return 0;
        if (i != 1) weight = weight * 10 + (c - '0');
    }
    return q.len > 5 || weight > 1000 ? 0 : weight;
}

static bool sse__wordlist_has(const char *words, sse_str word) { /* "a b c" holds it, or is "*" */
    sse_str rest = sse__text(words), next;
    while (rest.ptr) {
        next = sse__cut(&rest, ' ', false);
        if (next.len && (sse__eq_nocase(next, word) || sse__eq(next, SSE__LIT("*")))) return true;
    }
    return false;
}

/* Types whose bytes are mostly text, although their names may not say so. */
static bool sse__media_compresses(sse_str type) {
    static const char words[] =
        "application/json application/javascript application/xml application/wasm "
        "application/x-ndjson application/yaml application/toml application/rtf "
        "application/vnd.sqlite3 application/vnd.apple.mpegurl image/bmp "
        "image/vnd.microsoft.icon font/ttf font/otf";
    sse_str suffix, last;
    type = suffix = sse__trim(sse__cut(&type, ';', true));
    last          = sse__cut(&suffix, '+', false);
    while (suffix.ptr) last = sse__cut(&suffix, '+', false);
    return sse__starts_nocase(type, "text/") || sse__wordlist_has(words, type) ||
           (last.len < type.len && sse__wordlist_has("json xml", last));
}

enum { SSE__ACCEPT_BR = 1, SSE__ACCEPT_GZIP = 2, SSE__ACCEPT_IDENTITY = 4 };

/* The coding among those offered (bits) that an Accept-Encoding value likes best (RFC 9110
   12.5.3), br before gzip before identity among equals. Identity needs no mention but comes last
   then. 0: none is acceptable. */
static unsigned sse__accept_encoding(sse_str value, unsigned offered) {
    static const char *const names[] = {"br", "gzip", "identity"}; /* of the bits 1, 2 and 4 */
    int                      weights[3] = {-1, -1, -1}, others = -1, best = 0, weight, i;
    unsigned                 choice = 0;
    sse_str                  element, name;
    while (sse__list_next(&value, &element)) {
        weight = sse__qvalue(element);
        name   = sse__trim(sse__cut(&element, ';', true));
        if (sse__is_word(name, "x-gzip")) name = sse__text("gzip");
        for (i = 0; i < 3; i++)
            if (sse__is_word(name, names[i])) weights[i] = weight;
        if (sse__eq(name, SSE__LIT("*"))) others = weight;
    }
    if (weights[2] < 0 && others < 0) weights[2] = 1; /* identity */
    for (i = 0; i < 3; i++) {
        weight = weights[i] >= 0 ? weights[i] : others;
        if (!(offered >> i & 1) || weight <= best) continue;
        best   = weight;
        choice = 1u << i;
    }
    return choice;
}

/* True if a list of entity tags (If-Match, If-None-Match) names etag or is '*'. weak: W/ is of
   no matter on either side (RFC 9110 8.8.3.2); else a weak tag matches nothing. Not through
   sse__list_next: in a tag a backslash is a plain character. */
static bool sse__etag_match(sse_str list, sse_str etag, bool weak) {
    sse_str tag;
    bool    is_weak = sse__starts(etag, SSE__LIT("W/"));
    if (sse__eq(sse__trim(list), SSE__LIT("*"))) return true;
    if (is_weak && !weak) return false;
    if (is_weak) etag = sse__str_skip(etag, 2);
    do {
        while (list.len && (sse__is_space(list.ptr[0]) || list.ptr[0] == ','))
            list = sse__str_skip(list, 1);
        is_weak = sse__starts(list, SSE__LIT("W/"));
        if (is_weak) list = sse__str_skip(list, 2);
        if (!sse__starts(list, SSE__LIT("\""))) return false; /* the end, or no tag: FD2 */
        list = sse__str_skip(list, 1);
        tag  = sse__cut(&list, '"', false);
        if (!list.ptr) return false;
        if ((weak || !is_weak) && sse__eq(sse__str(tag.ptr - 1, tag.len + 2), etag)) return true;
    } while (!list.len || sse__is_space(list.ptr[0]) || list.ptr[0] == ',');
    return false;
}

/* Reads a Range value for a representation of size bytes, RFC 9110 14.2. Returns 206 with the
   first and last byte to send, 416, or 200: ignore it, being malformed, several ranges, or of
   another unit. */
static int sse__range(sse_str value, uint64_t size, uint64_t *first, uint64_t *last) {
    sse_str from, to = sse__trim(value);
    from = sse__cut(&to, '=', false);
    if (!to.ptr || !sse__is_word(from, "bytes")) return 200;
    from = sse__cut(&to, '-', false);
    if (!to.ptr || !sse__all_in_class(from, SSE__DIGIT) || !sse__all_in_class(to, SSE__DIGIT) ||
        from.len + to.len == 0)
        return 200;
    /* past all others if it does not fit */
    if (!sse__parse_u64(from, UINT64_MAX, first)) *first = UINT64_MAX;
    if (!sse__parse_u64(to, UINT64_MAX, last)) *last = UINT64_MAX;
    if (!from.len) { /* the last n bytes */
        if (*last == 0) return 416;
        if (size == 0) return 200;
        *first = *last < size ? size - *last : 0;
        *last  = size - 1;
        return 206;
    }
    if (*last < *first) return 200;
    if (*first >= size) return 416;
    if (*last >= size) *last = size - 1;
    return 206;
}

/* Month and day from 1; UTC */
typedef struct sse__date { int year, month, day, hour, minute, second; } sse__date;

/* Days from 1970-01-01. Years begin in March here: the leap day is then the last of its year,
   and (153 m + 2) / 5 counts the days before month m. gmtime and timegm are not used: one is not
   safe with threads, the other not POSIX. */
static int64_t sse__date_days(const sse__date *d) {
    const int64_t y = d->month > 2 ? d->year : d->year - 1,
                  m = d->month > 2 ? d->month - 3 : d->month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d->day - 1 - 719468;
}

/* time: seconds since 1970, years 1 to 9999 */
static void sse__date_of(int64_t time, sse__date *d) {
    const int64_t days = (time + 719468 * (int64_t)86400) / 86400; /* since 0000-03-01 */
    const int     seconds = (int)((time + 719468 * (int64_t)86400) % 86400);
    /* 400 years repeat */
    const int     era = (int)(days / 146097), of_era = (int)(days % 146097);
    const int     year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    d->day    = of_year - (153 * m + 2) / 5 + 1;
    d->month  = m < 10 ? m + 3 : m - 9;
    d->year   = era * 400 + year + (m >= 10);
    d->hour   = seconds / 3600;
    d->minute = seconds / 60 % 60;
    d->second = seconds % 60;
}

static const char sse__day_names[7][10] = { /* from 1970-01-01 */
    "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"};
static const char sse__month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* Writes an IMF-fixdate (RFC 9110 5.6.7) and a NUL. A time outside the years 1 to 9999 becomes
   the nearest inside. */
static void sse__date_write(char out[30], int64_t time) {
    const int64_t earliest = -62135596800, latest = 253402300799;
    sse__date     d;
    char          text[80];
    sse__date_of(time < earliest ? earliest : time > latest ? latest : time, &d);
    snprintf(text, sizeof text, "%.3s, %02d %s %04d %02d:%02d:%02d GMT",
             sse__day_names[(sse__date_days(&d) % 7 + 7) % 7], d.day, sse__month_names[d.month - 1],
             d.year, d.hour, d.minute, d.second);
    memcpy(out, text, 30);
}

/* Matches all of s against a form: each of d y h m s is a digit of that number, e one that may be
   a blank, b the name of a month; all else stands for itself. */
static bool sse__date_match(sse_str s, const char *form, sse__date *d) {
    int        *const numbers[] = {&d->year, &d->day, &d->day, &d->hour, &d->minute, &d->second};
    static const char letters[] = "ydehms";
    memset(d, 0, sizeof *d);
    for (; *form && s.len; form++, s = sse__str_skip(s, 1)) {
        const char *letter = strchr(letters, *form);
        const char  c      = *form == 'e' && s.ptr[0] == ' ' ? '0' : s.ptr[0];
        if (*form == 'b') {
            while (d->month < 12 && !sse__starts(s, sse__text(sse__month_names[d->month])))
                d->month++;
            if (d->month++ == 12) return false;
            s = sse__str_skip(s, 2);
            continue;
        }
        if (letter ? !sse__in_class(c, SSE__DIGIT) : c != *form) return false;
        if (letter) *numbers[letter - letters] = *numbers[letter - letters] * 10 + (c - '0');
    }
    return !*form && !s.len;
}

/* Reads an HTTP date in the three forms of RFC 9110 5.6.7. now (seconds since 1970) decides the
   century of a year of two digits: the latest one that is not more than 50 years ahead. The name
   of the day is not compared with the date. */
static bool sse__date_parse(sse_str s, int64_t now, int64_t *time) {
    sse__date d, today;
    bool      leap;
    int       last, day = 0;
    while (day < 7 && !sse__starts(s, sse__str(sse__day_names[day], 3))) day++;
    if (day == 7) return false;
    if (!sse__date_match(sse__str_skip(s, 3), ", dd b yyyy hh:mm:ss GMT", &d) &&
        !sse__date_match(sse__str_skip(s, 3), " b ed hh:mm:ss yyyy", &d)) {
        const sse_str name = sse__text(sse__day_names[day]);
        if (!sse__starts(s, name) ||
            !sse__date_match(sse__str_skip(s, name.len), ", dd-b-yy hh:mm:ss GMT", &d))
            return false;
        sse__date_of(now, &today);
        d.year += (today.year + 50) / 100 * 100;
        if (d.year > today.year + 50) d.year -= 100;
    }
    leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    last = d.month == 2 ? 28 + leap : 30 + (d.month + d.month / 8) % 2;
    if (d.year == 0 || d.day == 0 || d.day > last || d.hour > 23 || d.minute > 59) return false;
    if (d.second > 60) return false; /* 60: leap seconds are written, and mean the next second */
    *time = sse__date_days(&d) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    return true;
}

/* Four numbers without leading zeros, which some read as octal */
static bool sse__is_ipv4(sse_str s) {
    int parts = 0;
    while (s.ptr) {
        const sse_str part = sse__cut(&s, '.', false);
        uint64_t      v;
        if (part.len > 3 || !sse__parse_u64(part, 255, &v) || (part.len > 1 && part.ptr[0] == '0'))
            return false;
        parts++;
    }
    return parts == 4;
}

/* RFC 4291 2.2, without brackets. Zones are refused: they mean something only to the machine
   they are written on. */
static bool sse__is_ipv6(sse_str s) {
    bool   gap = sse__starts(s, SSE__LIT("::"));
    int    groups = 0;
    size_t i = gap ? 2 : 0, n;
    while (i < s.len) {
        for (n = 0; n < 5 && i + n < s.len && sse__hex_value(s.ptr[i + n]) >= 0;) n++;
        if (n == 0 || n > 4) return false;
        if (i + n < s.len && s.ptr[i + n] == '.')
            return sse__is_ipv4(sse__str_skip(s, i)) && (gap ? groups <= 5 : groups == 6);
        i += n;
        groups++;
        if (i == s.len) break;
        if (s.ptr[i++] != ':' || i == s.len || groups > 7) return false;
        if (s.ptr[i] != ':') continue;
        if (gap) return false;
        gap = true;
        i++;
    }
    return gap ? groups <= 7 : groups == 8;
}

/* name: an IPv6 address in its brackets; port: digits, empty if none */
typedef struct sse__host { sse_str name, port; } sse__host;

/* Reads host[:port] as in Host and in URLs (RFC 9110 7.2). No user information, no empty name.
   "example.com." is the same name, in full: the dot of the root is left off. */
static bool sse__host_parse(sse_str s, sse__host *host) {
    uint64_t port;
    sse_str  rest = s;
    if (sse__starts(s, SSE__LIT("["))) {
        host->name = sse__cut(&rest, ']', false);
        if (!rest.ptr || !sse__is_ipv6(sse__str_skip(host->name, 1))) return false;
        host->name.len++;
        if (sse__cut(&rest, ':', false).len) return false;
    } else {
        host->name = sse__cut(&rest, ':', false);
        if (!host->name.len || !sse__all_in_class(host->name, SSE__HOST)) return false;
        if (host->name.len > 1 && host->name.ptr[host->name.len - 1] == '.') host->name.len--;
    }
    host->port = rest;
    return rest.len == 0 || sse__parse_u64(rest, 65535, &port);
}

/* Scheme absent: the opaque origin "null" */
typedef struct sse__origin { sse_str scheme; sse__host host; } sse__origin;

static bool sse__origin_parse(sse_str s, sse__origin *origin) { /* RFC 6454 7.1, one origin */
    memset(origin, 0, sizeof *origin);
    if (sse__eq(s, SSE__LIT("null"))) return true;
    origin->scheme = sse__cut(&s, ':', false);
    return sse__starts(s, SSE__LIT("//")) && sse__all_in_class(origin->scheme, SSE__HOST) &&
           sse__lower(origin->scheme.ptr[0]) >= 'a' && sse__lower(origin->scheme.ptr[0]) <= 'z' &&
           sse__host_parse(sse__str_skip(s, 2), &origin->host);
}

/* True if the page of that origin came from this Host. A port left out is the one of the
   origin's scheme on both sides: behind a proxy that ends TLS the page is https and this server
   does not know. */
static bool sse__origin_is_host(const sse__origin *origin, const sse__host *host) {
    const sse_str usual = sse__text(sse__is_word(origin->scheme, "https") ? "443" : "80");
    return origin->scheme.ptr && sse__eq_nocase(origin->host.name, host->name) &&
           sse__eq(origin->host.port.len ? origin->host.port : usual,
                   host->port.len ? host->port : usual);
}

/* Takes the last element off a Forwarded or X-Forwarded-For value: the one that the nearest
   proxy wrote. It looks from the right because everything to the left of it came from outside,
   unbalanced quotes included. */
static bool sse__forwarded_last(sse_str *rest, sse_str *element) {
    bool   quoted = false;
    size_t i = rest->len;
    if (!rest->ptr) return false;
    while (i > 0 && (quoted || rest->ptr[i - 1] != ',')) {
        i--;
        if (rest->ptr[i] == '"') quoted = !quoted;
    }
    *element = sse__trim(sse__str_skip(*rest, i));
    SSE_ASSERT(element->len <= rest->len - i); /* FD1 */
    *rest    = i > 0 ? sse__str(rest->ptr, i - 1) : sse__text(NULL);
    return true;
}

/* The address in such an element, of the form "for=..." (RFC 7239) or bare, without brackets and
   port. ptr NULL: there is none; names like "unknown" and "_hidden" are none. */
static sse_str sse__forwarded_address(sse_str element) {
    sse_str s =
        memchr(element.ptr, '=', element.len) ? sse__param(element, SSE__LIT("for")) : element;
    sse__host host;
    if (sse__is_ipv6(s)) return s;
    if (!s.ptr || !sse__host_parse(s, &host)) return sse__text(NULL);
    if (host.name.ptr[0] == '[') return sse__str(host.name.ptr + 1, host.name.len - 2);
    return sse__is_ipv4(host.name) ? host.name : sse__text(NULL);
}

/* From the IANA registry; "Unknown" for any other. */
static const char *sse__status_text(int status) {
    static const char texts[] = /* one string: a switch would take twice the room */
        "100 Continue\0" "101 Switching Protocols\0" "102 Processing\0" "103 Early Hints\0"
        "200 OK\0" "201 Created\0" "202 Accepted\0" "203 Non-Authoritative Information\0"
        "204 No Content\0" "205 Reset Content\0" "206 Partial Content\0" "207 Multi-Status\0"
        "208 Already Reported\0" "226 IM Used\0" "300 Multiple Choices\0" "301 Moved Permanently\0"
        "302 Found\0" "303 See Other\0" "304 Not Modified\0" "305 Use Proxy\0"
        "307 Temporary Redirect\0" "308 Permanent Redirect\0" "400 Bad Request\0"
        "401 Unauthorized\0" "402 Payment Required\0" "403 Forbidden\0" "404 Not Found\0"
        "405 Method Not Allowed\0" "406 Not Acceptable\0" "407 Proxy Authentication Required\0"
        "408 Request Timeout\0" "409 Conflict\0" "410 Gone\0" "411 Length Required\0"
        "412 Precondition Failed\0" "413 Content Too Large\0" "414 URI Too Long\0"
        "415 Unsupported Media Type\0" "416 Range Not Satisfiable\0" "417 Expectation Failed\0"
        "421 Misdirected Request\0" "422 Unprocessable Content\0" "423 Locked\0"
        "424 Failed Dependency\0" "425 Too Early\0" "426 Upgrade Required\0"
        "428 Precondition Required\0" "429 Too Many Requests\0"
        "431 Request Header Fields Too Large\0" "451 Unavailable For Legal Reasons\0"
        "500 Internal Server Error\0" "501 Not Implemented\0" "502 Bad Gateway\0"
        "503 Service Unavailable\0" "504 Gateway Timeout\0" "505 HTTP Version Not Supported\0"
        "506 Variant Also Negotiates\0" "507 Insufficient Storage\0" "508 Loop Detected\0"
        "511 Network Authentication Required\0";
    const char   *p = texts;
    char          room[20];
    const sse_str number = sse__digits(room, (unsigned)status);
    while (*p && !sse__eq(sse__str(p, 3), number)) p += strlen(p) + 1;
    return *p ? p + 4 : "Unknown";
}

/* The media type of a file by the end of its name; "application/octet-stream" where that says
   nothing. */
static const char *sse__mime(sse_str path) {
    static const char types[][2][48] = { /* no pointers: unused ones go from a program */
        {"html htm", "text/html; charset=utf-8"}, {"css", "text/css; charset=utf-8"},
        {"js mjs", "text/javascript; charset=utf-8"}, {"json map", "application/json"},
        {"webmanifest", "application/manifest+json"}, {"jsonld", "application/ld+json"},
        {"geojson", "application/geo+json"}, {"ndjson", "application/x-ndjson"},
        {"txt log conf c h", "text/plain; charset=utf-8"}, {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"}, {"tsv", "text/tab-separated-values; charset=utf-8"},
        {"ics", "text/calendar; charset=utf-8"}, {"vcf", "text/vcard; charset=utf-8"},
        {"vtt", "text/vtt; charset=utf-8"}, {"xml", "text/xml; charset=utf-8"},
        {"rss", "application/rss+xml"}, {"atom", "application/atom+xml"},
        {"xhtml", "application/xhtml+xml"}, {"yaml yml", "application/yaml"},
        {"toml", "application/toml"}, {"svg", "image/svg+xml"}, {"png", "image/png"},
        {"apng", "image/apng"}, {"jpg jpeg", "image/jpeg"}, {"gif", "image/gif"},
        {"webp", "image/webp"}, {"avif", "image/avif"}, {"ico", "image/vnd.microsoft.icon"},
        {"bmp", "image/bmp"}, {"tif tiff", "image/tiff"}, {"woff", "font/woff"},
        {"woff2", "font/woff2"}, {"ttf", "font/ttf"}, {"otf", "font/otf"}, {"mp3", "audio/mpeg"},
        {"m4a", "audio/mp4"}, {"ogg opus", "audio/ogg"}, {"flac", "audio/flac"},
        {"wav", "audio/wav"}, {"mp4", "video/mp4"}, {"webm", "video/webm"},
        {"mov", "video/quicktime"}, {"m3u8", "application/vnd.apple.mpegurl"}, {"ts", "video/mp2t"},
        {"pdf", "application/pdf"}, {"wasm", "application/wasm"}, {"zip", "application/zip"},
        {"gz", "application/gzip"}, {"tar", "application/x-tar"},
        {"7z", "application/x-7z-compressed"}, {"zst", "application/zstd"},
        {"epub", "application/epub+zip"}, {"rtf", "application/rtf"},
        {"sqlite", "application/vnd.sqlite3"}};
    size_t from = path.len, i;
    while (from > 0 && path.ptr[from - 1] != '.' && path.ptr[from - 1] != '/') from--;
    for (i = 0; from > 0 && path.ptr[from - 1] == '.' && i < SSE__COUNT(types); i++)
        if (sse__wordlist_has(types[i][0], sse__str_skip(path, from))) return types[i][1];
    return "application/octet-stream";
}

/*==========================================================================
  >>http   request head, chunked bodies, paths                       [pure]
  Uses: >>field >>text >>base           Tests: tests/unit/http.c
  H1  Every slice lies inside the bytes scanned so far, and its bytes are
      of the class that its place allows.
  H2  However the bytes are cut into feeds, result, slices and status are
      the same. A line is read when its end is there, and looked for once.
  H3  A head is taken or refused as a whole. Request smuggling: a head that
      another parser might read differently (RFC 9112 11.2) is refused.
==========================================================================*/

/* A place in the request's bytes: no pointer, since they may move while a head is incomplete. */
typedef struct sse__slice { uint32_t at, len; } sse__slice;

static sse_str sse__slice_str(const char *bytes, sse__slice s) {
    return sse__str(bytes + s.at, s.len);
}

static sse__slice sse__slice_of(const char *bytes, sse_str s) {
    sse__slice slice;
    slice.at  = (uint32_t)(s.ptr - bytes);
    slice.len = (uint32_t)s.len;
    return slice;
}

/* The fields that this file looks at: X(NAME, its first letter, name). The letter and the length
   tell them apart. */
#define SSE__FIELDS(X)                                \
    X(ACCEPT, 'a', "accept")                          \
    X(ACCEPT_ENCODING, 'a', "accept-encoding")        \
    X(AUTHORIZATION, 'a', "authorization")            \
    X(CONNECTION, 'c', "connection")                  \
    X(CONTENT_LENGTH, 'c', "content-length")          \
    X(CONTENT_TYPE, 'c', "content-type")              \
    X(EXPECT, 'e', "expect")                          \
    X(FORWARDED, 'f', "forwarded")                    \
    X(HOST, 'h', "host")                              \
    X(IF_MODIFIED_SINCE, 'i', "if-modified-since")    \
    X(IF_NONE_MATCH, 'i', "if-none-match")            \
    X(IF_RANGE, 'i', "if-range")                      \
    X(ORIGIN, 'o', "origin")                          \
    X(RANGE, 'r', "range")                            \
    X(SEC_FETCH_SITE, 's', "sec-fetch-site")          \
    X(TRANSFER_ENCODING, 't', "transfer-encoding")    \
    X(X_FORWARDED_FOR, 'x', "x-forwarded-for")        \
    X(X_FORWARDED_PROTO, 'x', "x-forwarded-proto")

enum {
    SSE__FIELD_OTHER,
#define SSE__ENUM(field, letter, text) SSE__FIELD_##field,
    SSE__FIELDS(SSE__ENUM)
#undef SSE__ENUM
};

/* Value trimmed; id: SSE__FIELD_ */
typedef struct sse__field { sse__slice name, value; unsigned id; } sse__field;

typedef struct sse__head {
    uint32_t    pos, line;           /* scanned up to here; the line being scanned begins here */
    uint32_t    max_bytes, max_fields, nfields;
    sse__field *fields;              /* the caller's array */
    int         result;              /* of sse__head_parse; not 0: it stays */
    sse__slice  method, target;      /* as sent; empty before the request line */
    /* of the target, still encoded; path empty in http://host; query.at 0: there is none */
    sse__slice  path, query;
    /* of the target if that has one, else of the Host field; empty only in HTTP/1.0 */
    sse__slice  host;
    int         minor;               /* HTTP/1.minor: 0 or 1 */
    uint64_t    content_length;
    bool        has_length, chunked; /* never both; neither: no body */
    bool        keep_alive, expect_continue;
} sse__head;

/* fields: the caller keeps them as long as h. max_bytes counts the whole head; past 2^31 - 1,
   which a length can be, it is that. */
static void sse__head_init(sse__head *h, sse__field *fields, uint32_t max_fields,
                           uint32_t max_bytes) {
    memset(h, 0, sizeof *h);
    h->fields     = fields;
    h->max_fields = max_fields;
    h->max_bytes  = max_bytes < 0x7FFFFFFF ? max_bytes : 0x7FFFFFFF;
}

static unsigned sse__field_id(sse_str name) { /* name: a token, not empty */
    const char *text;
    unsigned    id;
    size_t      i;
    switch (name.len << 8 | (unsigned char)(name.ptr[0] | 32)) {
#define SSE__CASE(field, letter, known)                                                            \
    case (sizeof(known) - 1) << 8 | letter:                                                        \
        text = known;                                                                              \
        id   = SSE__FIELD_##field;                                                                 \
        break;
        SSE__FIELDS(SSE__CASE)
#undef SSE__CASE
    default: return SSE__FIELD_OTHER;
    }
    /* exact: besides capitals, no byte of a token becomes a letter, digit or '-' by its bit 32 */
    for (i = 1; i < name.len; i++)
        if ((name.ptr[i] | 32) != text[i]) return SSE__FIELD_OTHER;
    return id;
}

/* The i-th value of a field that has an id, of one by its name. ptr NULL: there are fewer. */
static sse_str sse__head_value(const sse__head *h, const char *bytes, unsigned id, uint32_t i) {
    uint32_t n;
    for (n = 0; n < h->nfields; n++)
        if (h->fields[n].id == id && i-- == 0) return sse__slice_str(bytes, h->fields[n].value);
    return sse__str(NULL, 0);
}

static sse_str sse__head_find(const sse__head *h, const char *bytes, sse_str name, uint32_t i) {
    uint32_t n;
    for (n = 0; n < h->nfields; n++) {
        const sse__field *field = &h->fields[n];
        if (sse__eq_nocase(sse__slice_str(bytes, field->name), name) && i-- == 0)
            return sse__slice_str(bytes, field->value);
    }
    return sse__str(NULL, 0);
}

/* Clients that must be answered with an event stream even on errors, as an error status would
   end them for good. */
typedef enum sse__asker {
    /* all others, also those that list the type among others: they get plain statuses */
    SSE__ASKER_PLAIN,
    SSE__ASKER_EVENTSOURCE, /* Accept names this one type (WHATWG HTML 9.2.3) */
    /* says so itself; whether this @get is a stream or an action only its handler knows */
    SSE__ASKER_DATASTAR
} sse__asker;

static sse__asker sse__head_asker(const sse__head *h, const char *bytes) {
    sse_str accept = sse__head_value(h, bytes, SSE__FIELD_ACCEPT, 0), type, other;
    if (!sse__eq(sse__slice_str(bytes, h->method), SSE__LIT("GET"))) return SSE__ASKER_PLAIN;
    if (sse__list_next(&accept, &type) && !sse__list_next(&accept, &other) &&
        !sse__head_value(h, bytes, SSE__FIELD_ACCEPT, 1).ptr &&
        sse__media_is(type, SSE__LIT("text/event-stream")) && sse__qvalue(type) > 0)
        return SSE__ASKER_EVENTSOURCE;
    type = sse__head_find(h, bytes, SSE__LIT("datastar-request"), 0);
    return sse__is_word(type, "true") ? SSE__ASKER_DATASTAR : SSE__ASKER_PLAIN;
}

/* The request line, RFC 9112 3: a method, a target and a version with one space between them.
   Returns 0, or a status to answer as a negative number. */
static int sse__head_request_line(sse__head *h, const char *bytes, sse_str line) {
    const sse_str method = sse__str(line.ptr, sse__class_span(line, SSE__TOKEN));
    sse_str       target, path;
    sse__host     host;
    size_t        n = 0;
    if (method.len > 32) return -501; /* longer than any method there is */
    line = sse__str_skip(line, method.len);
    if (!method.len || !sse__starts(line, SSE__LIT(" "))) return -400;
    line   = sse__str_skip(line, 1);
    target = sse__str(line.ptr, sse__class_span(line, SSE__TARGET));
    line   = sse__str_skip(line, target.len);
    if (!target.len || !sse__starts(line, SSE__LIT(" "))) return -400;
    line = sse__str_skip(line, 1);
    h->method = sse__slice_of(bytes, method);
    h->target = sse__slice_of(bytes, target);

    /* A later minor version is served as 1.1 (RFC 9110 2.5), another major one not at all. */
    if (line.len != 8 || !sse__starts(line, SSE__LIT("HTTP/")) || line.ptr[6] != '.' ||
        !sse__in_class(line.ptr[5], SSE__DIGIT) || !sse__in_class(line.ptr[7], SSE__DIGIT))
        return -400;
    if (line.ptr[5] != '1') return -505;
    h->minor = line.ptr[7] != '0';

    /* The target has one of the forms of RFC 9112 3.2. CONNECT is a request to a proxy; '*' is for
       OPTIONS alone. */
    if (sse__eq(method, SSE__LIT("CONNECT"))) return -400;
    if (sse__eq(target, SSE__LIT("*"))) {
        h->path = h->target;
        return sse__eq(method, SSE__LIT("OPTIONS")) ? 0 : -400;
    }
    path = target;
    if (path.ptr[0] != '/') { /* absolute-form, RFC 9112 3.2.2 */
        if (sse__starts_nocase(path, "http://")) path = sse__str_skip(path, 7);
        else if (sse__starts_nocase(path, "https://")) path = sse__str_skip(path, 8);
        else return -400;
        while (n < path.len && path.ptr[n] != '/' && path.ptr[n] != '?') n++;
        if (!sse__host_parse(sse__str(path.ptr, n), &host)) return -400;
        h->host = sse__slice_of(bytes, sse__str(path.ptr, n));
        path    = sse__str_skip(path, n);
    }
    for (n = 0; n < path.len && path.ptr[n] != '?';) n++;
    h->path = sse__slice_of(bytes, sse__str(path.ptr, n));
    if (n < path.len) h->query = sse__slice_of(bytes, sse__str_skip(path, n + 1));
    return 0;
}

/* A field line, RFC 9112 5. Returns 0, or a status to answer as a negative number. */
static int sse__head_field(sse__head *h, const char *bytes, sse_str line) {
    sse__field   *field = h->fields + h->nfields;
    const sse_str name  = sse__str(line.ptr, sse__class_span(line, SSE__TOKEN));
    /* a space before the colon and folded lines are refused here too */
    if (!name.len || name.len == line.len || line.ptr[name.len] != ':') return -400;
    if (h->nfields == h->max_fields) return -431;
    field->name  = sse__slice_of(bytes, name);
    field->value = sse__slice_of(bytes, sse__trim(sse__str_skip(line, name.len + 1)));
    field->id    = sse__field_id(name);
    h->nfields++;
    return 0;
}

/* The blank line: what the fields say about the message and the connection. Against request
   smuggling, anything that a proxy might read differently is refused (H3). Returns the head's
   length, or a status to answer as a negative number. */
static int sse__head_finish(sse__head *h, const char *bytes) {
    sse_str   value = sse__head_value(h, bytes, SSE__FIELD_HOST, 0), item, name;
    sse__host host;
    bool      close = false, keep = false, other = false;
    uint32_t  i;

    /* Host decides which site is meant: not two of them, and none that is read in two ways, RFC
       9112 3.2. An absolute target has precedence, 3.2.2. */
    if (value.ptr ? !sse__host_parse(value, &host) : h->minor == 1) return -400;
    if (sse__head_value(h, bytes, SSE__FIELD_HOST, 1).ptr) return -400;
    if (value.ptr && !h->host.len) h->host = sse__slice_of(bytes, value);

    /* The same length twice is refused as well: some proxy joins them, some takes one. */
    value         = sse__head_value(h, bytes, SSE__FIELD_CONTENT_LENGTH, 0);
    h->has_length = value.ptr != NULL;
    if (h->has_length && !sse__parse_u64(value, UINT64_MAX, &h->content_length)) return -400;
    if (sse__head_value(h, bytes, SSE__FIELD_CONTENT_LENGTH, 1).ptr) return -400;

    /* Nothing may follow chunked, or come with it, RFC 9112 6.1. */
    for (i = 0; (value = sse__head_value(h, bytes, SSE__FIELD_TRANSFER_ENCODING, i)).ptr; i++) {
        if (!value.len || h->minor == 0 || h->has_length) return -400;
        while (value.ptr) {
            item = sse__trim(sse__cut(&value, ',', true));
            name = sse__cut(&item, ';', true);
            if (h->chunked || !sse__is_token(sse__trim(name))) return -400;
            if (!sse__is_word(name, "chunked")) other = true;
            else if (item.ptr) return -400;
            else h->chunked = true;
        }
    }
    if (other) return -501;

    for (i = 0; (value = sse__head_value(h, bytes, SSE__FIELD_EXPECT, i)).ptr; i++)
        if (!sse__is_word(value, "100-continue")) return -417;
    /* RFC 9110 10.1.1 */
    h->expect_continue = i > 0 && h->minor == 1 && (h->chunked || h->content_length > 0);

    /* All other options of a connection mean nothing here, malformed ones too: none changes where
       the message ends. */
    for (i = 0; (value = sse__head_value(h, bytes, SSE__FIELD_CONNECTION, i)).ptr; i++)
        while (sse__list_next(&value, &item)) {
            if (sse__is_word(item, "close")) close = true;
            if (sse__is_word(item, "keep-alive")) keep = true;
        }
    h->keep_alive = !close && (h->minor == 1 || keep);
    return (int)h->pos;
}

/* The first control character (below 0x20, or 0x7F) of [p, end), end if there is none. This is
   where the time of a head goes: eight bytes at a time. */
static const char *sse__printable_end(const char *p, const char *end) {
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    for (; end - p >= 8; p += 8) {
        const uint64_t v = sse__load64(p), del = v ^ 0x7F * ones;
        /* Of the bytes below 0x80, those below 0x20 borrow their high bit in the one difference,
           and 0x7F in the other. The lowest is found rightly: nothing was borrowed from it. */
        const uint64_t hits = ((v - 0x20 * ones) | (del - ones)) & ~v & high;
        if (hits) return p + sse__first_byte(hits);
    }
    while (p < end && (unsigned char)*p >= 0x20 && *p != 0x7F) p++;
    return p;
}

/* Reads a request head (RFC 9112 2 to 6) at bytes, of which len are there by now: all those of
   the earlier calls, wherever they are now, and perhaps more. Returns the head's length with its
   blank line, 0 if more is needed, or a status to answer as a negative number, after which the
   connection must be closed. Then, and when done, further calls return the same.
   H2: all it knows is in h. This is where the time goes: the end of a line is looked for eight
   bytes at a time; tabs are allowed but rare, and just restart that. */
static int sse__head_parse(sse__head *h, const char *bytes, size_t len) {
    const char *const end = bytes + (len < h->max_bytes ? len : h->max_bytes);
    while (!h->result) {
        const char *p = sse__printable_end(bytes + h->pos, end);
        sse_str     line;
        while (p < end && *p == '\t') p = sse__printable_end(p + 1, end);
        line   = sse__str(bytes + h->line, (size_t)(p - bytes) - h->line);
        h->pos = (uint32_t)(p - bytes);
        SSE_ASSERT(h->line <= h->pos && p <= end); /* H1 */
        if (p == end || (*p == '\r' && p + 1 == end)) {
            /* no longer head can end inside the limit */
            if (len >= h->max_bytes) h->result = h->target.len ? -431 : -414;
            break;
        }
        if (p[0] != '\r' || p[1] != '\n') {
            h->result = -400;
            break;
        }
        h->line = h->pos += 2;
        if (line.len && h->target.len) h->result = sse__head_field(h, bytes, line);
        else if (line.len) h->result = sse__head_request_line(h, bytes, line);
        else if (h->target.len) h->result = sse__head_finish(h, bytes);
        /* blank lines before the request, which some clients send after a body (RFC 9112 2.2):
           four are forgiven */
        else if (h->pos > 8) h->result = -400;
    }
    return h->result;
}

/* A chunked body (RFC 9112 7.1) is decoded where it lies. All but the data is lines that end with
   CR LF:

     SIZE --size 0--> TRAILER --empty--> END
      ^ \             ^      \
      |  v            |       |
      | DATA          +-------+ name: value
      |   \
      |    v
      +-- DATA_END (an empty line)                                                            */
enum {
    SSE__CHUNK_SIZE,
    SSE__CHUNK_DATA,
    SSE__CHUNK_DATA_END,
    SSE__CHUNK_TRAILER,
    SSE__CHUNK_END
};

/* The parts of a line */
enum {
    SSE__CHUNK_FIRST,  /* the digits of the size; the name of a trailer */
    SSE__CHUNK_BLANKS, /* behind a size, before its ';' */
    SSE__CHUNK_REST    /* an extension, the value of a trailer */
};

typedef struct sse__chunked {
    uint64_t left;    /* of the chunk's data; while its size is read, that size */
    uint64_t total;   /* decoded so far, and in the chunk at hand */
    uint64_t limit;   /* of total */
    /* bytes of extensions and trailers, which are dropped: 16 KiB for the whole body */
    uint32_t extra;
    uint8_t  stage, part;
    uint8_t  digits;  /* of the size; 1: a trailer's name has begun */
    bool     cr;      /* of the line's end */
    int      result;  /* not 0: the end, or a refusal that stays */
} sse__chunked;

static void sse__chunked_init(sse__chunked *d, uint64_t limit) {
    memset(d, 0, sizeof *d);
    d->limit = limit;
}

/* One byte that is no data. 1: the end; negative: a status to answer. */
static int sse__chunked_byte(sse__chunked *d, char c) {
    const bool size = d->stage == SSE__CHUNK_SIZE, trailer = d->stage == SSE__CHUNK_TRAILER;
    const int  digit = sse__hex_value(c);
    if (d->cr) {
        if (c != '\n') return -400;
        if (trailer && !d->digits) d->stage = SSE__CHUNK_END;
        else if (size) d->stage = d->left ? SSE__CHUNK_DATA : SSE__CHUNK_TRAILER;
        else if (!trailer) d->stage = SSE__CHUNK_SIZE;
        d->cr     = false;
        d->digits = 0;
        d->part   = SSE__CHUNK_FIRST;
        return d->stage == SSE__CHUNK_END;
    }
    if ((trailer || d->part != SSE__CHUNK_FIRST) && ++d->extra > 16384)
        return trailer ? -431 : -400;
    if (c == '\r') {
        if (d->part == SSE__CHUNK_BLANKS || (size && !d->digits)) return -400;
        if (trailer && d->digits && d->part == SSE__CHUNK_FIRST) return -400;
        if (size && d->left > d->limit - d->total) return -413;
        if (size) d->total += d->left;
        d->cr = true;
        return 0;
    }
    if (d->part == SSE__CHUNK_REST) return sse__in_class(c, SSE__VALUE) ? 0 : -400;
    if (trailer && sse__in_class(c, SSE__TOKEN)) {
        d->digits = 1;
        return 0;
    }
    /* Sizes are where decoders have disagreed: hexadecimal digits and nothing else, no sign, no
       prefix, and never past 64 bits. */
    if (size && digit >= 0 && d->part == SSE__CHUNK_FIRST) {
        d->left = d->left << 4 | (unsigned)digit;
        return ++d->digits > 16 ? -400 : 0;
    }
    if (!d->digits) return -400;
    if (c == (trailer ? ':' : ';')) d->part = SSE__CHUNK_REST;
    else if (size && sse__is_space(c)) d->part = SSE__CHUNK_BLANKS;
    else return -400;
    return 0;
}

/* Decodes bytes in place: afterwards the first *made of them are body, and *used of them were
   read (all, unless it ended). Returns 1 at the end of the body, 0 if more is needed, or a
   status to answer as a negative number; further calls return the same. Trailers are checked and
   dropped. */
static int sse__chunked_decode(sse__chunked *d, char *bytes, size_t len, size_t *used,
                               size_t *made) {
    size_t i = 0, n;
    *made = 0;
    while (i < len && d->result == 0) {
        if (d->stage != SSE__CHUNK_DATA) {
            d->result = sse__chunked_byte(d, bytes[i++]);
            continue;
        }
        n = d->left < len - i ? (size_t)d->left : len - i;
        memmove(bytes + *made, bytes + i, n);
        i += n;
        *made += n;
        d->left -= n;
        if (d->left == 0) d->stage = SSE__CHUNK_DATA_END;
    }
    SSE_ASSERT(*made <= i && i <= len); /* H1 */
    *used = i;
    return d->result;
}

/* Decodes %XX in place. Returns the new length; SIZE_MAX unless the result is well-formed UTF-8
   without controls. */
static size_t sse__decode_text(char *p, size_t n) {
    n = sse__percent_decode(p, n, false);
    if (n == SIZE_MAX || sse__utf8_span(sse__str(p, n)) != n) return SIZE_MAX;
    return sse__printable_end(p, p + n) == p + n ? n : SIZE_MAX;
}

/* Decodes the path of a target, once, into out (raw.len + 2 bytes), with a NUL; an empty one
   becomes "/". Returns the length, or -400 unless the result is well-formed UTF-8 without
   controls, backslashes, "." and ".." segments, and slashes that were encoded: programs differ
   on whether %2F separates segments (H3). */
static int sse__path_decode(char *out, sse_str raw) {
    sse_str path, rest;
    if (raw.len == 0) raw = SSE__LIT("/");
    memcpy(out, raw.ptr, raw.len);
    path = rest = sse__str(out, sse__decode_text(out, raw.len));
    if (path.len == SIZE_MAX || memchr(out, '\\', path.len)) return -400;
    while (rest.ptr) { /* as many segments as there were before */
        const sse_str segment = sse__cut(&rest, '/', false);
        if (sse__eq(segment, SSE__LIT(".")) || sse__eq(segment, SSE__LIT(".."))) return -400;
        sse__cut(&raw, '/', false);
        if (!rest.ptr != !raw.ptr) return -400;
    }
    out[path.len] = '\0';
    return (int)path.len;
}

/*==========================================================================
  >>form   queries, cookies, multipart bodies                        [pure]
  Uses: >>http >>field >>text >>base    Tests: tests/unit/form.c
  M1  However a multipart body is cut into feeds, the events and the data
      of each part, joined, are the same.
  M2  A part's texts stand in the memory that sse__multipart_init was given.
==========================================================================*/

/* The next name=value of a query or an urlencoded form ('&'), as it is: see sse__form_decode.
   Empty pieces are skipped; without a '=' the value is empty. */
static bool sse__pair_next(sse_str *rest, char separator, sse_str *name, sse_str *value) {
    while (rest->ptr) {
        *value = sse__cut(rest, separator, false);
        if (!value->len) continue;
        *name = sse__cut(value, '=', false);
        if (!value->ptr) *value = sse__str_skip(*name, name->len);
        return true;
    }
    return false;
}

/* Decodes a name or value of such a pair into out (s.len + 1 bytes), with a NUL. Returns the
   length, or SIZE_MAX where a % is not followed by two digits or the result holds a NUL. */
static size_t sse__form_decode(char *out, sse_str s) {
    size_t n;
    if (s.len) memcpy(out, s.ptr, s.len);
    n = sse__percent_decode(out, s.len, true);
    if (n == SIZE_MAX || memchr(out, '\0', n)) return SIZE_MAX;
    out[n] = '\0';
    return n;
}

/* The next cookie of a Cookie value (RFC 6265 5.4), without the quotes it may stand in. Cookies
   without a name are skipped. */
static bool sse__cookie_next(sse_str *rest, sse_str *name, sse_str *value) {
    while (sse__pair_next(rest, ';', name, value)) {
        sse_str v = sse__trim(*value);
        if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"')
            v = sse__str(v.ptr + 1, v.len - 2);
        *value = v;
        *name  = sse__trim(*name);
        if (sse__is_token(*name)) return true;
    }
    return false;
}

/* A multipart/form-data body (RFC 7578, RFC 2046 5.1), read by pulling events out of it.
   "\r\n--boundary" separates parts; only its first byte is a CR, so that after a partial match
   nothing but the byte at hand can begin another. Text before the first delimiter and after the
   last one is dropped.

     TEXT --delimiter--> MARK --line of blanks--> HEADER --blank line--> TEXT
                          \------ "--" ------> END                             */
enum { SSE__MULTI_TEXT, SSE__MULTI_MARK, SSE__MULTI_HEADER, SSE__MULTI_END };

enum { SSE__PART_MORE, SSE__PART_BEGIN, SSE__PART_DATA, SSE__PART_END, SSE__PART_DONE };

typedef struct sse__multipart {
    char        delimiter[4 + 70]; /* CR LF - - boundary, at most 70 bytes */
    uint32_t    delimiter_len;
    uint32_t    matched;           /* bytes of the delimiter that the input seen so far ends with */
    uint8_t     stage;
    bool        in_part, cr;       /* cr: the line's end has begun */
    int         refused;           /* a status that stays */
    char       *memory;            /* the texts of the part, then the line being read: M2 */
    size_t      size, texts, line;
    size_t      header_bytes;      /* of the part; texts + line <= header_bytes <= size */
    /* of the part begun; NULL: not given. A filename is a stranger's choice: no path to open */
    const char *name, *filename, *type;
    /* of SSE__PART_DATA: valid until the next call, or until the input moves */
    sse_str     data;
} sse__multipart;

/* memory bounds the headers of one part. False: content_type is not multipart/form-data with a
   proper boundary. */
static bool sse__multipart_init(sse__multipart *m, sse_str content_type, char *memory,
                                size_t size) {
    const sse_str boundary = sse__param(content_type, SSE__LIT("boundary"));
    memset(m, 0, sizeof *m);
    if (!sse__media_is(content_type, SSE__LIT("multipart/form-data"))) return false;
    if (boundary.len < 1 || boundary.len > 70 || !sse__all_in_class(boundary, SSE__BOUNDARY))
        return false;
    /* RFC 2046 5.1.1: could not be told from padding */
    if (boundary.ptr[boundary.len - 1] == ' ') return false;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
    m->delimiter_len = (uint32_t)boundary.len + 4;
    m->matched       = 2; /* the first delimiter needs no line end before it */
    m->memory        = memory;
    m->size          = size;
    return true;
}

/* Keeps a text of the header line: over the line's beginning, where everything has been read. It
   fits, NUL included, because at least its name and a separator stood before it. */
static char *sse__multipart_keep(sse__multipart *m, sse_str s) {
    char *p = m->memory + m->texts;
    SSE_ASSERT(p < s.ptr && m->texts + s.len < m->size); /* M2 */
    memmove(p, s.ptr, s.len);
    p[s.len] = '\0';
    m->texts += s.len + 1;
    return p;
}

/* The same without its escapes. Browsers escape nothing by a backslash: before all but '"' and
   itself it is a plain one. */
static char *sse__multipart_quoted(sse__multipart *m, sse_str s) {
    char  *p = sse__multipart_keep(m, s);
    size_t from, to = 0;
    for (from = 0; from <= s.len; from++) {
        if (p[from] == '\\' && (p[from + 1] == '"' || p[from + 1] == '\\')) from++;
        p[to++] = p[from];
    }
    return p;
}

/* UTF-8''percent-encoded (RFC 8187 3.2). NULL: another charset, or not well-formed, or it holds
   controls. */
static char *sse__multipart_extended(sse__multipart *m, sse_str s) {
    const sse_str charset = sse__cut(&s, '\'', false);
    char         *p;
    size_t        n;
    sse__cut(&s, '\'', false); /* the language */
    if (!s.ptr || !sse__is_word(charset, "UTF-8")) return NULL;
    p = sse__multipart_keep(m, s);
    n = sse__decode_text(p, s.len);
    if (n == SIZE_MAX) return NULL;
    p[n] = '\0';
    return p;
}

static int sse__multipart_disposition(sse__multipart *m, sse_str value) {
    const char *extended = NULL;
    sse_str     name, text;
    if (m->name || !sse__param_next(&value, &name, &text) ||
        !sse__is_word(name, "form-data"))
        return -400;
    while (sse__param_next(&value, &name, &text)) {
        const char **to = NULL;
        if (sse__is_word(name, "name")) to = &m->name;
        if (sse__is_word(name, "filename")) to = &m->filename;
        if (to && (*to || !text.ptr)) return -400;
        if (to) *to = sse__multipart_quoted(m, text);
        else if (sse__is_word(name, "filename*") && text.ptr)
            extended = sse__multipart_extended(m, text);
    }
    if (extended) m->filename = extended; /* RFC 6266 4.3 prefers it */
    return m->name ? 0 : -400;
}

/* A line is complete: what follows the boundary, or one of the part's header. */
static int sse__multipart_line(sse__multipart *m) {
    sse_str value = sse__str(m->memory + m->texts, m->line), name;
    m->line = 0;
    if (m->stage == SSE__MULTI_MARK) { /* spaces may follow the boundary, RFC 2046 5.1.1 */
        m->stage        = SSE__MULTI_HEADER;
        m->header_bytes = 0;
        m->name = m->filename = m->type = NULL;
        return sse__trim(value).len ? -400 : 0;
    }
    if (!value.len) {
        m->stage   = SSE__MULTI_TEXT;
        m->in_part = true;
        return m->name ? SSE__PART_BEGIN : -400;
    }
    name = sse__cut(&value, ':', false);
    if (!sse__is_token(name) || !value.ptr) return -400;
    value = sse__trim(value);
    if (sse__is_word(name, "content-disposition")) return sse__multipart_disposition(m, value);
    if (!sse__is_word(name, "content-type")) return 0;
    if (m->type) return -400;
    m->type = sse__multipart_keep(m, value);
    return 0;
}

static int sse__multipart_byte(sse__multipart *m, char c) { /* M1 */
    if (m->cr != (c == '\n')) return -400;
    if (++m->header_bytes > m->size) return -431;
    m->cr = c == '\r';
    if (c == '\n') return sse__multipart_line(m);
    if (m->cr) return 0;
    if (!sse__in_class(c, SSE__VALUE)) return -400;
    m->memory[m->texts + m->line++] = c;
    if (m->stage == SSE__MULTI_HEADER || m->line != 2 || memcmp(m->memory, "--", 2)) return 0;
    m->stage = SSE__MULTI_END;
    return SSE__PART_DONE;
}

/* Looks for the delimiter in text; bytes that cannot be part of it are data. */
static int sse__multipart_text(sse__multipart *m, sse_str *in) {
    const sse_str text = *in;
    size_t        i = 0, n = m->matched;
    if (n) { /* the text before ended with the first n bytes of it */
        while (n < m->delimiter_len && i < text.len && text.ptr[i] == m->delimiter[n]) i++, n++;
        *in        = sse__str_skip(text, i);
        m->matched = (uint32_t)n;
        if (n == m->delimiter_len) {
            m->matched = 0;
            m->stage   = SSE__MULTI_MARK;
            m->texts = m->header_bytes = 0;
            return SSE__PART_END;
        }
        if (i == text.len) return SSE__PART_MORE;
        m->data    = sse__str(m->delimiter, n);
        m->matched = 0;
        return SSE__PART_DATA;
    }
    while (i + n < text.len && n < m->delimiter_len) {
        const char *cr;
        i += n;
        cr = (const char *)memchr(text.ptr + i, '\r', text.len - i);
        i  = cr ? (size_t)(cr - text.ptr) : text.len;
        for (n = 0; n < m->delimiter_len && i + n < text.len && text.ptr[i + n] == m->delimiter[n];)
            n++;
    }
    m->matched = (uint32_t)n; /* all of it, or as much as there was */
    m->data    = sse__str(text.ptr, i);
    *in        = sse__str_skip(text, i + n);
    return i ? SSE__PART_DATA : SSE__PART_MORE;
}

/* The next event of the body, of which *in is the next piece; the bytes used are taken off it.
   SSE__PART_MORE: it is used up; SSE__PART_DONE: the last delimiter came, and the rest means
   nothing; negative: a status to answer. Both stay. */
static int sse__multipart_next(sse__multipart *m, sse_str *in) {
    for (;;) {
        const bool text = m->stage == SSE__MULTI_TEXT, was_in_part = m->in_part;
        int        event;
        if (m->refused || m->stage == SSE__MULTI_END) {
            *in = sse__str_skip(*in, in->len);
            return m->refused ? m->refused : SSE__PART_DONE;
        }
        if (in->len == 0 && m->matched != m->delimiter_len) return SSE__PART_MORE;
        event = text ? sse__multipart_text(m, in) : sse__multipart_byte(m, in->ptr[0]);
        if (!text) *in = sse__str_skip(*in, 1);
        if (event < 0) m->refused = event;
        if (event == SSE__PART_END) m->in_part = false;
        if (event && (was_in_part || !text)) return event;
    }
}

/*==========================================================================
  >>route   paths to handlers                                        [pure]
  Uses: >>text >>table >>buf >>base     Tests: tests/unit/route.c

  A tree with one level per segment. A segment is looked up by name first;
  then the patterns of the level are tried in the order they were added,
  last a mount that ends there.

      /            (node) --"room"--> (node) --{}--> (node GET: /room/{id})
                     \----"weather"-> (node) --{},{}--> (node GET: ...)

  RT1  The cost of a lookup depends on the path, not on the number of routes.
==========================================================================*/

enum { SSE__MAX_PARAMS = 16 };

typedef struct sse__route {
    struct sse__route *next;         /* of the same node */
    char        *path, *method;      /* method "*": all */
    /* of the params, in order; NULL behind the last. One block, with their texts */
    char       **names;
    sse_handler  fn, guard;
    void        *user;
    void       (*free_user)(void *user);
    size_t       max_body_bytes;     /* 0: the app's */
    bool         body_later, binary_query;
} sse__route;

typedef struct sse__route_node {
    sse__node    node;               /* in the parent's map, if it is a literal */
    struct sse__route_node *next;       /* pattern: the next one of this level */
    const char  *text;               /* behind the node: literal, or pattern with {} as params */
    sse__map     literals;
    struct sse__route_node *patterns;
    sse__route  *routes, *mounts;    /* mounts take any path below */
} sse__route_node;

typedef struct sse__route_match {
    sse__route_node *at, *mount;
    sse_str       params[SSE__MAX_PARAMS], rest; /* rest: below the mount */
    int           nparams;
} sse__route_match;

static void sse__route_free(sse__route *route) {
    if (route->free_user) route->free_user(route->user);
    SSE_FREE(route->names);
    SSE_FREE(route->path);
    SSE_FREE(route->method);
    SSE_FREE(route);
}

static void sse__routes_free(sse__route *list) {
    while (list) {
        sse__route *route = list;
        list = route->next;
        sse__route_free(route);
    }
}

static void sse__route_node_clear(sse__route_node *s) { /* everything below and in it */
    sse__node       *node;
    sse__route_node *child;
    while ((node = sse__map_any(&s->literals)) != NULL || s->patterns) {
        child = node ? SSE__CONTAINER(node, sse__route_node, node) : s->patterns;
        if (node) sse__map_remove(&s->literals, node);
        else s->patterns = child->next;
        sse__route_node_clear(child);
        SSE_FREE(child);
    }
    sse__map_free(&s->literals);
    sse__routes_free(s->routes);
    sse__routes_free(s->mounts);
}

/* Why a path that the program wrote is refused; NULL: it is fine. A mount has no params. */
static bool sse__is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *sse__route_path_error(const char *path, bool mount) {
    const char *p, *open = NULL, *other; /* open: the { of the param that p is in */
    int         count = 0;
    size_t      n;
    if (path[0] != '/' && !(mount && !path[0])) return "a path begins with /";
    for (p = path; *p; p++) {
        if (open && (*p == '/' || *p == '{')) break;
        switch (*p) {
        case '/': /* requests have none left when routes are looked up */
            n = strcspn(p + 1, "/");
            if (n && n <= 2 && strspn(p + 1, ".") == n)
                return "no request matches a . or .. segment";
            break;
        case '%':
            if (sse__hex_value(p[1]) >= 0 && sse__hex_value(p[2]) >= 0)
                return "paths are matched decoded: write the character, not its %XX";
            break;
        case '*': return "a * is no pattern: {name} is a segment, sse_mount all that is below";
        case ':':
            if (p > path && p[-1] == '/' && sse__is_name_char(p[1]))
                return "a segment that varies is {name}, not :name";
            break;
        case '?': return "a path has no query: what follows the ? is read with sse_query";
        case '{':
            if (mount)
                return "what is below a prefix is sse_param(req, \"path\"): "
                       "it has no params of its own";
            open = p;
            break;
        case '}':
            if (!open) return "a } without its {";
            if (p == open + 1) return "a param without a name";
            if (p[1] == '{') return "two params with nothing between them";
            for (other = path; other < open; other++)
                if (strncmp(other, open, (size_t)(p + 1 - open)) == 0)
                    return "two params of one name: the second could not be read";
            if (++count > SSE__MAX_PARAMS) return "more than 16 params";
            open = NULL;
        }
    }
    return open ? "a { without its }" : NULL;
}

/* Finds or makes; NULL: no memory */
static sse__route_node *sse__route_node_child(sse__route_node *parent, sse_buf *shape) {
    const bool    pattern = shape->len && memchr(shape->ptr, '{', shape->len);
    const sse_str text    = sse__str(shape->ptr, shape->len);
    sse__node    *node    = pattern ? NULL : sse__map_find(&parent->literals, text);
    sse__route_node *child, **at = &parent->patterns;
    if (node) return SSE__CONTAINER(node, sse__route_node, node);
    for (; pattern && *at; at = &(*at)->next)
        if (sse__eq(sse__text((*at)->text), text)) return *at;
    child = (sse__route_node *)sse__zalloc(sizeof *child + text.len + 1);
    if (!child) return NULL;
    child->text = sse__copy_text((char *)(child + 1), text);
    if (pattern) *at = child;
    else if (!sse__map_add(&parent->literals, &child->node, sse__text(child->text))) {
        SSE_FREE(child);
        return NULL;
    }
    return child;
}

/* Adds a route at its path, which has no fault. Takes it (frees on failure too). *taken: with
   SSE_E_STATE the one that is there. */
static int sse__route_add(sse__route_node *root, sse__route *route, bool mount,
                          const sse__route **taken) {
    const size_t     n = strlen(route->path) + 1;
    int              count = 0, error = SSE_OK;
    char            *text = NULL;
    sse_str          rest = sse__text(NULL);
    sse_buf          shape = {NULL, 0, 0, SSE_OK};
    sse__route_node *at = root;
    sse__route     **list = NULL;
    *taken = NULL;
    /* the names, and behind them the path: they lie in it, each with a NUL in place of its } */
    route->names = (char **)sse__zalloc((SSE__MAX_PARAMS + 1) * sizeof *route->names + n);
    if (!route->names) error = SSE_E_NOMEM;
    else {
        text = (char *)memcpy(route->names + SSE__MAX_PARAMS + 1, route->path, n);
        if (*text) rest = sse__text(text + 1); /* a mount at "" is one of the root */
    }
    while (!error && rest.ptr) {
        sse_str segment = sse__cut(&rest, '/', false);
        shape.len = 0;
        for (;;) { /* "{lat},{lng}" leaves the shape "{},{}", and lat and lng */
            sse__put_str(&shape, sse__cut(&segment, '{', false));
            if (!segment.ptr) break;
            sse_raw(&shape, "{}", 2);
            route->names[count++] = text + (segment.ptr - text);
            sse__cut(&segment, '}', false);
            text[segment.ptr - text - 1] = '\0';
        }
        at    = shape.error ? NULL : sse__route_node_child(at, &shape);
        error = at ? SSE_OK : SSE_E_NOMEM;
    }
    sse_buf_free(&shape);
    if (!error)
        for (list = mount ? &at->mounts : &at->routes; *list; list = &(*list)->next)
            if (strcmp((*list)->method, route->method) == 0) *taken = *list;
    if (*taken) error = SSE_E_STATE;
    if (error) sse__route_free(route);
    else *list = route;
    return error;
}

/* Takes the params of a pattern out of a segment: each is the shortest run before the next
   literal of the shape, the last one all the rest. On failure m->nparams may have grown. */
static bool sse__route_node_match(const char *shape, sse_str text, sse__route_match *m) {
    for (;;) {
        size_t n = strcspn(shape, "{"), len;
        if (!sse__starts(text, sse__str(shape, n))) return false;
        text = sse__str_skip(text, n);
        shape += n;
        if (!*shape) return text.len == 0;
        shape += 2;
        n = strcspn(shape, "{");
        if (m->nparams == SSE__MAX_PARAMS || text.len <= n) return false;
        len = shape[n] ? 1 : text.len - n;
        while (len + n <= text.len && memcmp(text.ptr + len, shape, n) != 0) len++;
        if (len + n > text.len) return false;
        m->params[m->nparams++] = sse__str(text.ptr, len);
        text = sse__str_skip(text, len);
    }
}

/* A mount takes what nothing below it does, and goes before the patterns beside it: its prefix is a
   name. True: m->at has routes, or m->mount is set. */
static bool sse__route_walk(sse__route_node *at, sse_str rest, sse__route_match *m) {
    const sse_str whole = rest.ptr ? rest : sse__str("", 0);
    sse_str       segment;
    sse__node    *node;
    sse__route_node *child;
    const int     before = m->nparams;
    if (!rest.ptr && at->routes) {
        m->at = at;
        return true;
    }
    if (rest.ptr) {
        segment = sse__cut(&rest, '/', false);
        node    = sse__map_find(&at->literals, segment);
        if (node && sse__route_walk(SSE__CONTAINER(node, sse__route_node, node), rest, m))
            return true;
        for (child = at->patterns; child; child = child->next) {
            m->nparams = before;
            if (sse__route_node_match(child->text, segment, m) && sse__route_walk(child, rest, m))
                return true;
        }
    }
    m->nparams = before;
    if (!at->mounts) return false;
    m->mount = at;
    m->rest  = whole;
    return true;
}

/* Finds the routes of a decoded path. True: m->at has routes, m->params their values; else
   m->mount, if set, takes m->rest. RT1 */
static bool sse__route_find(sse__route_node *root, sse_str path, sse__route_match *m) {
    memset(m, 0, sizeof *m);
    (void)sse__route_walk(root, path.len ? sse__str_skip(path, 1) : sse__str("", 0), m);
    return m->at != NULL;
}

/* The route for this method, else the one for all methods. */
static sse__route *sse__route_of(sse__route *list, sse_str method) {
    sse__route *any = NULL;
    for (; list; list = list->next) {
        if (sse__eq(sse__text(list->method), method)) return list;
        if (strcmp(list->method, "*") == 0) any = list;
    }
    return any;
}

/*==========================================================================
  >>frame   br and gzip: one compression for all subscribers         [pure]
  Uses: >>buf >>base              Tests: tests/unit/frame.c tests/frame/
  Z1  Ring: a frame uses a short distance code only for an entry of the
      distance ring that every decoder has: one that it has filled itself,
      or, in a delta, that the delta before it left, if nobody in sync had
      the key instead.
  Z2  Sync: a delta copies from nothing before the channel's sync point, a
      key from nothing before its own first byte.
  Z3  Window: no copy reaches past 2^lgwin - 16 (br) or 32768 (gzip), so no
      distance can mean the static dictionary.
  Z4  Alignment: every frame begins and ends at a byte boundary.
  Z5  One literal tree and one distance tree, and no context: the bytes
      before a frame do not change how it is read.
  Z6  Size: a frame is never longer than sse__frame_bound of its event. Room
      is asked for once per frame; the bit writer checks nothing.
  Z7  A mark names one state of one channel's history and is never given out
      again: a stream is in sync if and only if it holds the codec's mark.
  Z8  Only two things allocate: the history (failing forgets it, and all are
      out of sync) and the output (failing leaves the event unsent). A key
      needs no history, so a codec without memory still serves everyone.
==========================================================================*/

/* Every event of a channel (a view or a topic) is compressed once for all its subscribers, into at
   most two frames that both decode to the event. As in video there are deltas, which copy from
   earlier events of the channel, and keys, which stand alone and may be put behind anything that
   ends at a byte boundary. A subscriber that has had every frame since some key is in sync and gets
   deltas; one that joins, misses an event or is sent bytes of its own gets the next key.

       sse__codec_add(codec, encoder, event);
       for each subscriber s of this encoding:
           if (sse__codec_follow(codec, &s->mark) == SSE__DELTA)
               queue(s, delta);         made once per event, by sse__codec_delta
           else
               queue(s, key);           made once per event, by sse__frame_key

   A stream's whole state is its mark. Anything else that is sent to it (a private event, another
   channel's frame) overwrites the mark or sets it to 0; heartbeats do not touch it. A frame may be
   left out, together with all that are queued behind it, if the mark is then set to 0; half a frame
   never. */

enum { SSE__IDENTITY, SSE__BR, SSE__GZIP };
enum { SSE__KEY, SSE__DELTA };

/* Of raw bytes; shift: x^(8 len) mod the CRC's polynomial */
typedef struct sse__crc_state { uint32_t crc, len, shift; } sse__crc_state;

#if defined(SSE_NO_COMPRESSION)
enum { SSE__HAS_COMPRESSION = 0 }; /* no encoder is made, and compilers drop what writes frames */
#else
enum { SSE__HAS_COMPRESSION = 1 };
#endif

/* ---- numbers and their bits ---- */

static unsigned sse__log2(uint32_t v) { /* of the highest bit set; v > 0 */
#if defined(__GNUC__)
    return 31u - (unsigned)__builtin_clz(v);
#else
    unsigned n = 0;
    while (v >>= 1) n++;
    return n;
#endif
}

static void sse__store64(unsigned char *p, uint64_t v) {
    unsigned i;
    if (SSE__LITTLE_ENDIAN) memcpy(p, &v, 8);
    else for (i = 0; i < 8; i++) p[i] = (unsigned char)(v >> 8 * i);
}

/* ---- bits: least significant first, as both formats want them ---- */

/* n < 8 bits in acc wait for more */
typedef struct sse__bits { unsigned char *p; uint64_t acc; unsigned n; } sse__bits;

/* n <= 56, v < 2^n. Writes 8 bytes, the last ones again later */
static void sse__bits_put(sse__bits *w, uint64_t v, unsigned n) {
    w->acc |= v << w->n;
    sse__store64(w->p, w->acc);
    w->n += n;
    w->p += w->n >> 3;
    w->acc >>= w->n & ~7u;
    w->n &= 7;
}

static void sse__bits_align(sse__bits *w) {
    if (w->n) sse__bits_put(w, 0, 8 - w->n);
}

static void sse__bits_raw(sse__bits *w, const unsigned char *bytes, size_t n) {
    SSE_ASSERT(w->n == 0); /* Z4 */
    if (n) memcpy(w->p, bytes, n);
    w->p += n;
}

/* ---- prefix codes ---- */

/* The largest alphabet, and the longest code, of both formats */
enum { SSE__SYMBOLS = 704, SSE__CODE_BITS = 15 };

typedef struct sse__prefix {
    uint32_t count[SSE__SYMBOLS];
    uint16_t code[SSE__SYMBOLS]; /* bits reversed: ready for sse__bits_put */
    uint8_t  len[SSE__SYMBOLS];
    unsigned size;               /* of the alphabet */
    unsigned used;               /* symbols that occur */
} sse__prefix;

static void sse__prefix_clear(sse__prefix *x, unsigned size) {
    memset(x->count, 0, size * sizeof *x->count);
    x->size = size;
}

/* Shell sort: at most a few hundred, mostly a few dozen */
static void sse__sort(uint32_t *a, unsigned n) {
    unsigned gap, i, k;
    for (gap = 301; gap; gap = gap * 4 / 9)
        for (i = gap; i < n; i++) {
            const uint32_t v = a[i];
            for (k = i; k >= gap && a[k - gap] > v; k -= gap) a[k] = a[k - gap];
            a[k] = v;
        }
}

/* How many of the n leaves of Huffman's tree lie at each depth, at most limit. leaf: ascending,
   weight << 10 | symbol; n >= 2. Two queues, of leaves and of joined nodes, are both ascending. */
static void sse__tree_depths(const uint32_t *leaf, unsigned n, unsigned limit,
                             unsigned at_depth[]) {
    uint32_t weight[SSE__SYMBOLS];
    uint16_t parent[SSE__SYMBOLS], inner[SSE__SYMBOLS + 1];
    unsigned next_leaf = 0, next_node = 0, node, pick, d, places = 0;
    for (node = 0; node < n - 1; node++) {
        weight[node] = 0;
        for (pick = 0; pick < 2; pick++) {
            if (next_node == node ||
                (next_leaf < n && leaf[next_leaf] >> 10 <= weight[next_node])) {
                weight[node] += leaf[next_leaf++] >> 10;
            } else {
                weight[node] += weight[next_node];
                parent[next_node++] = (uint16_t)node;
            }
        }
    }
    memset(inner, 0, sizeof inner);
    weight[n - 2] = 0; /* weights turn into depths, from the root down */
    inner[0]      = 1;
    for (node = n - 2; node-- > 0;) {
        weight[node] = weight[parent[node]] + 1;
        inner[weight[node]]++;
    }
    memset(at_depth, 0, (limit + 1) * sizeof *at_depth);
    for (d = 1; d < n; d++) at_depth[d < limit ? d : limit] += 2u * inner[d - 1] - inner[d];
    /* Those that were deeper lie at limit now, where there is no place for all (Kraft's
       inequality): a shorter code is split for each place that they lack. */
    for (d = 1; d <= limit; d++) places += at_depth[d] << (limit - d);
    for (; places > 1u << limit; places--) {
        for (d = limit - 1; !at_depth[d]; d--) {}
        at_depth[limit]--;
        at_depth[d]--;
        at_depth[d + 1] += 2;
    }
}

/* Canonical codes for the lengths; both formats number them alike */
static void sse__prefix_codes(sse__prefix *x) {
    unsigned next[SSE__CODE_BITS + 1], i, k, code, reversed;
    memset(next, 0, sizeof next);
    for (i = 0; i < x->size; i++)
        if (x->len[i] && x->len[i] < SSE__CODE_BITS) next[x->len[i] + 1]++;
    for (i = 1; i <= SSE__CODE_BITS; i++) next[i] = (next[i] + next[i - 1]) << 1;
    for (i = 0; i < x->size; i++) {
        if (!x->len[i]) continue;
        code = next[x->len[i]]++;
        for (reversed = 0, k = x->len[i]; k > 0; k--, code >>= 1)
            reversed = reversed << 1 | (code & 1);
        x->code[i] = (uint16_t)reversed;
    }
}

/* Lengths and codes for the counts. A single symbol gets length 1; its meaning is up to the
   format. */
static void sse__prefix_build(sse__prefix *x, unsigned limit) {
    uint32_t leaf[SSE__SYMBOLS];
    unsigned at_depth[SSE__CODE_BITS + 1], i, d, k;
    x->used = 0;
    memset(x->len, 0, x->size);
    for (i = 0; i < x->size; i++)
        if (x->count[i]) leaf[x->used++] = x->count[i] << 10 | i;
    memset(at_depth, 0, sizeof at_depth);
    at_depth[1] = x->used;
    if (x->used > 1) {
        sse__sort(leaf, x->used);
        sse__tree_depths(leaf, x->used, limit, at_depth);
    }
    for (d = limit, i = 0; d > 0; d--) /* the rarest symbols get the longest codes */
        for (k = at_depth[d]; k > 0; k--) x->len[leaf[i++] & 1023] = (uint8_t)d;
    sse__prefix_codes(x);
}

static uint64_t sse__prefix_cost(const sse__prefix *x) { /* bits of all counted symbols */
    uint64_t bits = 0;
    unsigned i;
    for (i = 0; i < x->size; i++) bits += (uint64_t)x->count[i] * x->len[i];
    return bits;
}

/* ---- matches: copies of earlier bytes ---- */

/* Where the bytes at a position were seen before: for each hash of 4 bytes (2^bits of them) and
   of 8 (2^(bits + 1)) the newest position in the lower half of a slot, the one before in the
   upper half. */
typedef struct sse__index { uint64_t *slots; unsigned bits; } sse__index;

/* The bytes a frame is made of, [start, end), and may copy from. Positions count from bytes. */
typedef struct sse__window {
    const unsigned char *bytes;
    size_t               floor;   /* no copy begins before it (Z2) */
    size_t               start, end;
    size_t               indexed; /* positions before this are in the index */
    uint32_t             origin;  /* position 0 in the index's count, modulo 2^32 */
    uint32_t             reach;   /* no copy goes further back (Z3) */
    sse__index           index;
} sse__window;

/* Scores count the bits that a copy saves, in eighths. The constants came out of a search for
   the fewest bytes on the workloads of tests/bench/frame.c; they are not the cost of a single
   copy, but make good neighbours: near sources are worth more than their distance saves, because
   the next distance is then likely to be near this one. */
enum {
    SSE__LITERAL   = 45,
    SSE__COPY      = 24,
    /* a distance written out: so much, and so much per bit of it */
    SSE__FAR       = -16, SSE__FAR_LOG2 = 15,
    SSE__NICE      = 1024,    /* a copy of this length is taken without looking further */
    SSE__LAZY      = 5,       /* how many bytes a copy may be put off for a better one */
    SSE__COMMANDS  = 4096,    /* a block ends when there are so many: working memory is fixed */
    SSE__BLOCK     = 1 << 20, /* or at so many bytes */
    SSE__FAR_DIST  = 254, SSE__NO_DIST = 255
};

/* The short distance codes of RFC 7932 4: an entry of the ring, a difference, and our cost. */
static const uint8_t  sse__ring_entry[16] = {0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
static const uint32_t sse__ring_delta[16] = {0,      0, 0,      0, 0u - 1, 1, 0u - 2, 2,
                                             0u - 3, 3, 0u - 1, 1, 0u - 2, 2, 0u - 3, 3};
static const uint8_t  sse__ring_cost[16]  = {0,  24, 25, 28, 25, 30, 24, 32,
                                             34, 34, 28, 28, 36, 36, 38, 38};

typedef struct sse__match { uint32_t len, dist; int score; } sse__match; /* score 0: none */

/* Literals, then a copy. dist 0: only literals, the end of a block. */
typedef struct sse__command {
    uint32_t insert, copy, dist;
    uint16_t symbol;         /* br: of the insert and copy lengths */
    uint8_t  insert_code, copy_code;
    uint8_t  dist_code;      /* br: 0..63, SSE__FAR_DIST (not yet known) or SSE__NO_DIST */
} sse__command;

typedef struct sse__run { uint8_t symbol, extra; } sse__run; /* a code length, or a run of them */

/* The working memory of the compressor; one per loop serves all its channels. Only its counters
   matter from one call to the next, so it costs memory once, not per channel or client. */
typedef struct sse__encoder {
    sse__bits    out;
    bool         counting;       /* symbols are only counted, to make the codes */
    uint64_t     extra;          /* bits counted that are no symbol's code */
    bool         br;             /* or gzip */
    /* of every br stream of this loop: the head says it before the channels are known */
    unsigned     lgwin;
    uint32_t     ring[4];        /* the last distances, newest first; 0: not to be used (Z1) */
    unsigned     ncommands;
    sse__command commands[SSE__COMMANDS];
    sse__prefix  literals, lengths, distances, code_lengths;
    sse__run     runs[SSE__SYMBOLS];
    uint32_t     crc[8][256];
    /* its origin moves on with every key: the index is empty again without clearing it */
    sse__window  key;
    uint64_t     mark;           /* the newest one given out (Z7) */
} sse__encoder;

static void sse__put_bits(sse__encoder *p, uint64_t v, unsigned n) {
    if (p->counting) p->extra += n;
    else sse__bits_put(&p->out, v, n);
}

static void sse__put_symbol(sse__encoder *p, sse__prefix *x, unsigned symbol) {
    if (p->counting) x->count[symbol]++;
    else sse__bits_put(&p->out, x->code[symbol], x->len[symbol]);
}

static void sse__put_literals(sse__encoder *p, sse__prefix *x, const unsigned char *bytes,
                              uint32_t n) {
    for (; n > 0; n--) sse__put_symbol(p, x, *bytes++);
}

/* 2^64 divided by the golden ratio: the high bits of a product are well mixed. */
#define SSE__SPREAD UINT64_C(0x9E3779B185EBCA87)

static uint64_t *sse__slot4(const sse__index *x, uint64_t v) {
    return x->slots + (size_t)(((v << 32) * SSE__SPREAD) >> (64 - x->bits));
}

static uint64_t *sse__slot8(const sse__index *x, uint64_t v) {
    return x->slots + ((size_t)1 << x->bits) + (size_t)((v * SSE__SPREAD) >> (63 - x->bits));
}

static size_t sse__index_size(unsigned bits) { return ((size_t)3 << bits) * sizeof(uint64_t); }

/* Puts the positions before to into the index */
static void sse__index_insert(sse__window *s, size_t to) {
    const size_t last = s->end < 8 ? 0 : s->end - 7;
    uint64_t    *slot, v;
    if (to > last) to = last;
    for (; s->indexed < to; s->indexed++) {
        const uint32_t at = s->origin + (uint32_t)s->indexed;
        v     = sse__load64(s->bytes + s->indexed);
        slot  = sse__slot4(&s->index, v);
        *slot = *slot << 32 | at;
        slot  = sse__slot8(&s->index, v);
        *slot = *slot << 32 | at;
    }
}

static uint32_t sse__match_len(const unsigned char *a, const unsigned char *b, size_t max) {
    uint32_t n = 0;
    for (; n + 8 <= max; n += 8) {
        const uint64_t differ = sse__load64(a + n) ^ sse__load64(b + n);
        if (differ) return n + sse__first_byte(differ);
    }
    while (n < max && a[n] == b[n]) n++;
    return n;
}

/* How far back a copy at pos may go. */
static uint32_t sse__window_reach(const sse__window *s, size_t pos) {
    SSE_ASSERT(pos >= s->floor);
    return pos - s->floor < s->reach ? (uint32_t)(pos - s->floor) : s->reach;
}

typedef struct sse__search {
    const unsigned char *p;
    size_t               max;
    uint32_t             reach;
    sse__match           best;
} sse__search;

/* Takes the copy from dist back if it scores better. dist may come from a stale index entry: the
   match is verified. */
static void sse__match_try(sse__search *x, uint32_t dist, int cost) {
    const unsigned char *from = x->p - (size_t)dist;
    uint32_t             n;
    int                  score;
    if (x->best.len < x->max && x->p[x->best.len] != from[x->best.len]) return;
    n     = sse__match_len(x->p, from, x->max);
    score = (int)n * SSE__LITERAL - SSE__COPY - cost;
    if (score <= x->best.score || n < 3) return;
    x->best.len   = n;
    x->best.dist  = dist;
    x->best.score = score;
}

static int sse__far_cost(uint32_t dist) { return SSE__FAR + SSE__FAR_LOG2 * (int)sse__log2(dist); }

static void sse__match_try_at(sse__search *x, uint32_t dist) {
    if (dist - 1 < x->reach) sse__match_try(x, dist, sse__far_cost(dist)); /* Z2, Z3 */
}

/* The best copy for pos: from one of the last distances, or from where the index saw these
   bytes. None begins in the last seven bytes of a block. */
static sse__match sse__match_find(const sse__encoder *p, const sse__window *s, size_t pos,
                                  size_t end) {
    const uint32_t at = s->origin + (uint32_t)pos;
    sse__search    x;
    uint64_t       v, four, eight;
    uint32_t       entry, dist;
    unsigned       i;
    memset(&x, 0, sizeof x);
    x.p   = s->bytes + pos;
    x.max = end - pos;
    if (x.max < 8) return x.best;
    v       = sse__load64(x.p);
    x.reach = sse__window_reach(s, pos);
    for (i = 0; i < (p->br ? 16u : 4u); i++) {
        entry = p->ring[sse__ring_entry[i]];
        dist  = entry + sse__ring_delta[i];
        /* Z1 */
        if (!entry || dist - 1 >= x.reach || ((sse__load64(x.p - (size_t)dist) ^ v) & 0xFFFFFF))
            continue;
        sse__match_try(&x, dist, p->br ? sse__ring_cost[i] : sse__far_cost(dist));
    }
    if (x.best.len >= SSE__NICE) return x.best;
    four  = *sse__slot4(&s->index, v);
    eight = *sse__slot8(&s->index, v);
    sse__match_try_at(&x, at - (uint32_t)eight);
    sse__match_try_at(&x, at - (uint32_t)(eight >> 32));
    sse__match_try_at(&x, at - (uint32_t)four);
    sse__match_try_at(&x, at - (uint32_t)(four >> 32));
    return x.best;
}

static uint8_t sse__ring_code(const uint32_t ring[4], uint32_t dist) {
    unsigned i;
    for (i = 0; i < 16; i++) {
        const uint32_t entry = ring[sse__ring_entry[i]];
        if (entry && entry + sse__ring_delta[i] == dist) return (uint8_t)i; /* Z1 */
    }
    return SSE__FAR_DIST;
}

static void sse__command_add(sse__encoder *p, size_t insert, uint32_t copy, uint32_t dist) {
    sse__command *c = &p->commands[p->ncommands++];
    SSE_ASSERT(p->ncommands <= SSE__COMMANDS);
    c->insert    = (uint32_t)insert;
    c->copy      = copy;
    c->dist      = dist;
    c->dist_code = dist ? sse__ring_code(p->ring, dist) : (uint8_t)SSE__NO_DIST;
    if (!dist || dist == p->ring[0]) return;
    memmove(p->ring + 1, p->ring, 3 * sizeof *p->ring);
    p->ring[0] = dist;
}

/* Splits bytes from pos on into commands. Returns where it stopped: at end, or sooner if the
   commands are used up. */
static size_t sse__lz_parse(sse__encoder *p, sse__window *s, size_t pos, size_t end) {
    size_t     literals = pos;
    sse__match m, next;
    int        tries;
    p->ncommands = 0;
    while (pos < end && p->ncommands < SSE__COMMANDS - 1) {
        m = sse__match_find(p, s, pos, end);
        if (m.score <= 0) {
            const size_t skip = 1 + ((pos - literals) >> 8); /* noise: look at ever fewer places */
            pos = end - pos > skip ? pos + (skip < 16 ? skip : 16) : end;
            sse__index_insert(s, pos);
            continue;
        }
        for (tries = 0; tries < SSE__LAZY && pos + 1 < end && m.len < SSE__NICE; tries++, pos++) {
            sse__index_insert(s, pos + 1); /* is the next byte a better place to start? */
            next = sse__match_find(p, s, pos + 1, end);
            if (next.score < m.score) break;
            m = next;
        }
        while (pos > literals && m.dist <= sse__window_reach(s, pos - 1) &&
               s->bytes[pos - 1] == s->bytes[pos - 1 - m.dist]) {
            pos--;
            m.len++;
        }
        SSE_ASSERT(m.dist > 0 && m.dist <= sse__window_reach(s, pos)); /* Z2, Z3 */
        sse__command_add(p, pos - literals, m.len, m.dist);
        pos += m.len;
        literals = pos;
        sse__index_insert(s, pos);
    }
    if (literals < pos) sse__command_add(p, pos - literals, 0, 0);
    return pos;
}

/* Both formats give runs so many bits */
static void sse__put_runs(sse__encoder *p, unsigned nruns) {
    unsigned i;
    for (i = 0; i < nruns; i++) {
        const unsigned symbol = p->runs[i].symbol;
        const unsigned bits = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
        sse__put_symbol(p, &p->code_lengths, symbol);
        sse__put_bits(p, p->runs[i].extra, bits);
    }
}

/* The code for them */
static void sse__runs_build(sse__encoder *p, unsigned nruns, unsigned size, unsigned limit) {
    sse__prefix_clear(&p->code_lengths, size);
    p->counting = true;
    sse__put_runs(p, nruns);
    p->counting = false;
    sse__prefix_build(&p->code_lengths, limit);
}

/* ---- brotli, RFC 7932 ---- */

static const uint8_t  sse__br_insert_bits[24] = {0, 0, 0, 0, 0, 0, 1, 1, 2,  2,  3,  3,
                                                 4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 24};
static const uint32_t sse__br_insert_base[24] = {0,   1,   2,   3,   4,    5,    6,    8,
                                                 10,  14,  18,  26,  34,   50,   66,   98,
                                                 130, 194, 322, 578, 1090, 2114, 6210, 22594};
static const uint8_t  sse__br_copy_bits[24]   = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2,  2,
                                                 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 24};
static const uint32_t sse__br_copy_base[24]   = {2,  3,   4,   5,   6,   7,   8,    9,
                                                 10, 12,  14,  18,  22,  30,  38,   54,
                                                 70, 102, 134, 198, 326, 582, 1094, 2118};

/* Writes the runs with the code for code lengths before them (3.5). */
static void sse__br_put_runs(sse__encoder *p, unsigned nruns) {
    static const uint8_t order[18] = {1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    /* of the lengths 0..5 */
    static const uint8_t code[6] = {0, 7, 3, 2, 1, 15}, bits[6] = {2, 4, 3, 2, 2, 4};
    sse__prefix         *x = &p->code_lengths;
    unsigned             i, skip = 0, last = 18;
    sse__runs_build(p, nruns, 18, 5);
    /* the decoder stops when the code is complete */
    while (x->used > 1 && !x->len[order[last - 1]]) last--;
    if (!x->len[1] && !x->len[2]) skip = x->len[3] ? 2 : 3;
    sse__put_bits(p, skip, 2);
    for (i = skip; i < last; i++) sse__put_bits(p, code[x->len[order[i]]], bits[x->len[order[i]]]);
    if (x->used == 1) memset(x->len, 0, x->size); /* one symbol alone takes no bits */
    sse__put_runs(p, nruns);
}

/* Codes 16 and 17 that follow each other are the digits of one number, the most significant
   first. */
static unsigned sse__br_run(sse__run *runs, unsigned n, unsigned symbol, unsigned count) {
    const unsigned shift = symbol - 14;
    unsigned       at;
    int            rest;
    for (rest = (int)count - 3; rest >= 0; rest = (rest >> shift) - 1) n++;
    for (rest = (int)count - 3, at = n; rest >= 0; rest = (rest >> shift) - 1) {
        runs[--at].symbol = (uint8_t)symbol;
        runs[at].extra    = (uint8_t)(rest & ((1 << shift) - 1));
    }
    return n;
}

/* The code lengths of x, up to the last used symbol */
static unsigned sse__br_runs(const sse__prefix *x, sse__run *runs) {
    unsigned i, n = 0, size = x->size, previous = 8;
    while (!x->len[size - 1]) size--;
    for (i = 0; i < size;) {
        const unsigned value = x->len[i], most = value ? 7 : 11;
        unsigned       count = 1, single;
        while (i + count < size && x->len[i + count] == value) count++;
        i += count;
        /* one by itself: needed, or a digit less */
        single = (value && value != previous) || count == most;
        if (count - single < 3) single = count;
        if (value) previous = value;
        for (count -= single; single > 0; single--, n++) {
            runs[n].symbol = (uint8_t)value;
            runs[n].extra  = 0;
        }
        if (count) n = sse__br_run(runs, n, value ? 16 : 17, count);
    }
    return n;
}

/* Up to four symbols are listed (3.4), the shortest code first. One alone gets the length 0: it
   takes no bits. */
static void sse__br_put_simple(sse__encoder *p, sse__prefix *x, unsigned symbol_bits) {
    unsigned symbols[4] = {0, 0, 0, 0}, n = 0, i, d;
    for (d = 1; d <= 3; d++)
        for (i = 0; i < x->size; i++)
            if (x->len[i] == d) symbols[n++] = i;
    if (n == 1) x->len[symbols[0]] = 0;
    if (n == 0) n = 1; /* an alphabet that is not used still needs a code */
    sse__put_bits(p, 1 | (uint64_t)(n - 1) << 2, 4);
    for (i = 0; i < n; i++) sse__put_bits(p, symbols[i], symbol_bits);
    if (n == 4) sse__put_bits(p, x->len[symbols[0]] == 1, 1);
}

static void sse__br_put_code(sse__encoder *p, sse__prefix *x, unsigned symbol_bits) {
    sse__prefix_build(x, SSE__CODE_BITS);
    if (x->used <= 4) sse__br_put_simple(p, x, symbol_bits);
    else sse__br_put_runs(p, sse__br_runs(x, p->runs));
}

static unsigned sse__br_length_code(const uint32_t base[24], uint32_t length) {
    const unsigned log = sse__log2(length | 1);
    /* a lower bound in both tables */
    unsigned       code = log < 2 ? 0 : log < 11 ? 2 * log - 2 : 20;
    while (code < 23 && base[code + 1] <= length) code++;
    return code;
}

/* Finds the command's symbols (5, 4). Literals that end a block go with any copy length: the
   block is over before it. */
static void sse__br_command_codes(sse__command *c) {
    static const uint8_t cell[3][3] = {{2, 3, 6}, {4, 5, 8}, {7, 9, 10}};
    const unsigned       insert = sse__br_length_code(sse__br_insert_base, c->insert);
    const unsigned       copy = sse__br_length_code(sse__br_copy_base, c->dist ? c->copy : 4);
    /* the last distance: not sent */
    const bool           implied = c->dist_code == 0 && insert < 8 && copy < 16;
    const unsigned       row = implied ? copy >> 3 : cell[insert >> 3][copy >> 3];
    c->insert_code = (uint8_t)insert;
    c->copy_code   = (uint8_t)copy;
    c->symbol      = (uint16_t)(row << 6 | (insert & 7) << 3 | (copy & 7));
    if (implied) c->dist_code = SSE__NO_DIST;
    if (c->dist_code == SSE__FAR_DIST) {
        const uint32_t d = c->dist + 3, bits = sse__log2(d) - 1;
        c->dist_code = (uint8_t)(14 + 2 * bits + (d >> bits & 1));
    }
}

static void sse__br_put_commands(sse__encoder *p, const unsigned char *bytes) {
    const sse__command *c, *end = p->commands + p->ncommands;
    for (c = p->commands; c < end; c++) {
        sse__put_symbol(p, &p->lengths, c->symbol);
        sse__put_bits(p, c->insert - sse__br_insert_base[c->insert_code],
                      sse__br_insert_bits[c->insert_code]);
        if (c->dist)
            sse__put_bits(p, c->copy - sse__br_copy_base[c->copy_code],
                          sse__br_copy_bits[c->copy_code]);
        sse__put_literals(p, &p->literals, bytes, c->insert);
        bytes += c->insert + c->copy;
        if (c->dist_code == SSE__NO_DIST) continue;
        sse__put_symbol(p, &p->distances, c->dist_code);
        if (c->dist_code >= 16) {
            const unsigned bits = (c->dist_code - 14u) >> 1;
            sse__put_bits(p, (c->dist + 3) & ((1u << bits) - 1), bits);
        }
    }
}

static void sse__br_put_head(sse__bits *w, size_t n, bool raw) { /* of a meta-block (9.2) */
    const unsigned nibbles = n > 1u << 16 ? 5 : 4;
    SSE_ASSERT(n > 0 && n <= SSE__BLOCK);
    sse__bits_put(w, 0, 1); /* ISLAST */
    sse__bits_put(w, nibbles - 4, 2);
    sse__bits_put(w, n - 1, nibbles * 4);
    sse__bits_put(w, raw, 1);
}

/* Writes the head of a block; returns the bits of all the block. */
static uint64_t sse__br_put_codes(sse__encoder *p, size_t n) {
    const unsigned char *from = p->out.p;
    uint64_t             bits = p->extra;
    sse__br_put_head(&p->out, n, false);
    /* one block type each, NPOSTFIX = NDIRECT = 0, one context mode, one tree each: Z5 */
    sse__put_bits(p, 0, 13);
    sse__br_put_code(p, &p->literals, 8);
    sse__br_put_code(p, &p->lengths, 10);
    sse__br_put_code(p, &p->distances, 6);
    return bits + sse__prefix_cost(&p->literals) + sse__prefix_cost(&p->lengths) +
           sse__prefix_cost(&p->distances) + 8 * (uint64_t)(p->out.p - from);
}

/* ---- deflate, RFC 1951 ---- */

static unsigned sse__gzip_length_code(uint32_t length, unsigned *bits) { /* 3..258 */
    const uint32_t v = length - 3;
    *bits = v < 8 || v == 255 ? 0 : sse__log2(v) - 2;
    return v == 255 ? 285 : v < 8 ? 257 + v : 261 + 4 * *bits + (v >> *bits & 3);
}

static unsigned sse__gzip_dist_code(uint32_t dist, unsigned *bits) {
    const uint32_t v = dist - 1;
    *bits = v < 4 ? 0 : sse__log2(v) - 1;
    return v < 4 ? v : 2 * *bits + 2 + (v >> *bits & 1);
}

static uint32_t sse__gzip_piece(uint32_t copy) { /* a copy goes out in pieces of 3..258 */
    return copy <= 258 ? copy : copy - 258 < 3 ? 255 : 258;
}

static void sse__gzip_put_commands(sse__encoder *p, const unsigned char *bytes) {
    const sse__command *c, *end = p->commands + p->ncommands;
    uint32_t            copy, piece;
    unsigned            bits;
    for (c = p->commands; c < end; c++) {
        sse__put_literals(p, &p->lengths, bytes, c->insert);
        bytes += c->insert + c->copy;
        for (copy = c->copy; copy > 0; copy -= piece) {
            piece = sse__gzip_piece(copy);
            sse__put_symbol(p, &p->lengths, sse__gzip_length_code(piece, &bits));
            sse__put_bits(p, (piece - 3) & ((1u << bits) - 1), bits);
            sse__put_symbol(p, &p->distances, sse__gzip_dist_code(c->dist, &bits));
            sse__put_bits(p, (c->dist - 1) & ((1u << bits) - 1), bits);
        }
    }
    sse__put_symbol(p, &p->lengths, 256);
}

static unsigned sse__gzip_runs(const uint8_t *len, unsigned size, sse__run *runs) { /* 3.2.7 */
    unsigned i, n = 0, count;
    for (i = 0; i < size; i += count, n++) {
        const uint8_t  value = len[i];
        const bool     repeat = value && i > 0 && len[i - 1] == value;
        const unsigned most = value ? repeat ? 6 : 1 : 138;
        for (count = 1; count < most && i + count < size && len[i + count] == value; count++) {}
        if (count < 3) count = 1;
        runs[n].symbol = (uint8_t)(count == 1 ? value : value ? 16 : count < 11 ? 17 : 18);
        runs[n].extra  = (uint8_t)(count == 1 ? 0 : count - (count < 11 ? 3 : 11));
    }
    return n;
}

/* Writes the head of a block with codes of its own (3.2.7); returns the bits of all the block. */
static uint64_t sse__gzip_put_own_codes(sse__encoder *p) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t              len[286 + 30];
    unsigned             nlengths = 286, ndistances = 30, ncodes = 19, nruns, i;
    uint64_t             bits;
    sse__prefix_build(&p->lengths, SSE__CODE_BITS);
    sse__prefix_build(&p->distances, SSE__CODE_BITS);
    while (!p->lengths.len[nlengths - 1]) nlengths--;
    while (ndistances > 1 && !p->distances.len[ndistances - 1]) ndistances--;
    memcpy(len, p->lengths.len, nlengths);
    memcpy(len + nlengths, p->distances.len, ndistances);
    nruns = sse__gzip_runs(len, nlengths + ndistances, p->runs);
    sse__runs_build(p, nruns, 19, 7);
    /* decoders refuse an incomplete code here */
    SSE_ASSERT(p->lengths.used > 1 && p->code_lengths.used > 1);
    while (ncodes > 4 && !p->code_lengths.len[order[ncodes - 1]]) ncodes--;
    bits = 17 + 3 * ncodes + p->extra + sse__prefix_cost(&p->code_lengths) +
           sse__prefix_cost(&p->lengths) + sse__prefix_cost(&p->distances);
    if ((p->out.n + bits) % 2 && ncodes < 19) { /* to end on an even bit: see sse__gzip_align */
        ncodes++;
        bits += 3;
    }
    sse__put_bits(p, 4, 3); /* BFINAL 0, BTYPE 2 */
    sse__put_bits(p, (nlengths - 257) | (ndistances - 1) << 5 | (ncodes - 4) << 10, 14);
    for (i = 0; i < ncodes; i++) sse__put_bits(p, p->code_lengths.len[order[i]], 3);
    sse__put_runs(p, nruns);
    return bits;
}

/* Of the codes of 3.2.6; returns the bits of the counted symbols */
static uint64_t sse__gzip_fixed_lengths(sse__encoder *p) {
    unsigned i;
    for (i = 0; i < 288; i++)
        p->lengths.len[i] = (uint8_t)(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
    memset(p->distances.len, 5, 30);
    return sse__prefix_cost(&p->lengths) + sse__prefix_cost(&p->distances);
}

/* n 0: an empty block, to align */
static void sse__gzip_put_stored(sse__bits *w, const unsigned char *bytes, size_t n) {
    size_t piece;
    do {
        piece = n < 65535 ? n : 65535;
        sse__bits_put(w, 0, 3); /* BFINAL 0, BTYPE 0 */
        sse__bits_align(w);
        sse__bits_put(w, piece | (uint64_t)(piece ^ 65535) << 16, 32);
        sse__bits_raw(w, bytes, piece);
        bytes += piece;
        n -= piece;
    } while (n);
}

/* The same with the shorter codes, its own or the fixed ones. */
static uint64_t sse__gzip_put_codes(sse__encoder *p) {
    const sse__bits before = p->out;
    const uint64_t  fixed  = 3 + p->extra + sse__gzip_fixed_lengths(p);
    const uint64_t  own    = sse__gzip_put_own_codes(p);
    if (own < fixed) return own;
    p->out = before;
    sse__put_bits(p, 2, 3); /* BFINAL 0, BTYPE 1 */
    sse__gzip_fixed_lengths(p);
    sse__prefix_codes(&p->lengths);
    sse__prefix_codes(&p->distances);
    return fixed;
}

/* An empty block with fixed codes is 10 bits, an empty stored one up to 42: from an even bit a
   few of the former reach the byte boundary sooner. */
static void sse__gzip_align(sse__bits *w) {
    if (w->n % 2) sse__gzip_put_stored(w, (const unsigned char *)"", 0);
    while (w->n) sse__bits_put(w, 2, 10);
}

/* ---- the CRC of gzip, RFC 1952 8 ---- */

#define SSE__CRC_POLY 0xEDB88320u /* bits reversed: the highest is x^0 */

static uint32_t sse__crc(const sse__encoder *p, sse_str bytes) {
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    uint32_t             crc = 0xFFFFFFFFu;
    size_t               n = bytes.len;
    /* eight bytes at a time, with a table for each distance from the end */
    for (; n >= 8; n -= 8, b += 8) {
        uint64_t v = sse__load64(b) ^ crc;
        unsigned k = 8;
        for (crc = 0; k > 0; v >>= 8) crc ^= p->crc[--k][v & 255];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ p->crc[0][(crc ^ *b++) & 255];
    return ~crc;
}

static void sse__crc_tables(sse__encoder *p) {
    unsigned i, k;
    uint32_t v;
    for (i = 0; i < 256; i++) {
        for (v = i, k = 0; k < 8; k++) v = v & 1 ? v >> 1 ^ SSE__CRC_POLY : v >> 1;
        p->crc[0][i] = v;
    }
    for (k = 1; k < 8; k++)
        for (i = 0; i < 256; i++)
            p->crc[k][i] = p->crc[k - 1][i] >> 8 ^ p->crc[0][p->crc[k - 1][i] & 255];
}

/* a times b modulo the CRC's polynomial. By masks: gcc 12 for ARM makes wrong code of the
   branches, at -O1. */
static uint32_t sse__crc_multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= b & (0 - (a >> 31));
        b = b >> 1 ^ (SSE__CRC_POLY & (0 - (b & 1)));
    }
    return product;
}

static sse__crc_state sse__crc_of(const sse__encoder *p, sse_str bytes) {
    sse__crc_state sum = {0, 0, 0};
    uint32_t       power = 0x00800000; /* x^8: one byte */
    size_t         n;
    if (!SSE__HAS_COMPRESSION) return sum;
    sum.crc   = sse__crc(p, bytes);
    sum.len   = (uint32_t)bytes.len; /* modulo 2^32, as the trailer wants it */
    sum.shift = 0x80000000u;
    for (n = bytes.len; n; n >>= 1, power = sse__crc_multiply(power, power))
        if (n & 1) sum.shift = sse__crc_multiply(sum.shift, power);
    return sum;
}

/* Appends a frame to the state of a stream, which begins as {0}. */
static void sse__crc_append(sse__crc_state *stream, const sse__crc_state *frame) {
    stream->crc = sse__crc_multiply(stream->crc, frame->shift) ^ frame->crc;
    stream->len += frame->len;
}

/* ---- frames ---- */

/* Z6: incompressible blocks of 8 KB or more, and a head that was tried in vain */
static size_t sse__frame_bound(size_t n) {
    return n <= SIZE_MAX / 2 ? n + n / 512 + 2048 : SIZE_MAX;
}

static void sse__put_commands(sse__encoder *p, const unsigned char *bytes) {
    if (p->br) sse__br_put_commands(p, bytes);
    else sse__gzip_put_commands(p, bytes);
}

/* Writes a block for the commands that its bytes were split into. */
static void sse__block_write(sse__encoder *p, const unsigned char *bytes, size_t n,
                             const uint32_t ring_before[4]) {
    const sse__bits before = p->out;
    uint64_t        bits;
    unsigned        i;
    for (i = 0; p->br && i < p->ncommands; i++) sse__br_command_codes(&p->commands[i]);
    sse__prefix_clear(&p->literals, 256);
    sse__prefix_clear(&p->lengths, p->br ? 704 : 288);
    sse__prefix_clear(&p->distances, p->br ? 64 : 30);
    p->extra    = 0;
    p->counting = true;
    sse__put_commands(p, bytes);
    p->counting = false;
    bits        = p->br ? sse__br_put_codes(p, n) : sse__gzip_put_codes(p);
    if (bits / 8 < n + 4) {
        sse__put_commands(p, bytes);
        return;
    }
    p->out = before; /* uncompressed is smaller */
    if (!p->br) {
        sse__gzip_put_stored(&p->out, bytes, n);
        return;
    }
    sse__br_put_head(&p->out, n, true);
    sse__bits_align(&p->out);
    sse__bits_raw(&p->out, bytes, n);
    memcpy(p->ring, ring_before, sizeof p->ring); /* as the decoder's: Z1 */
}

/* p->ring: as the frame finds it */
static void sse__frame_write(sse__encoder *p, sse__window *s, sse_buf *out) {
    unsigned char *room = (unsigned char *)sse__buf_room(out, sse__frame_bound(s->end - s->start));
    size_t         at, next, block_end;
    uint32_t       ring[4];
    if (!room || !SSE__HAS_COMPRESSION) return; /* Z8 */
    p->out.p   = room;
    p->out.acc = p->out.n = 0;
    for (at = s->start; at < s->end; at = next) {
        block_end = s->end - at < SSE__BLOCK ? s->end : at + SSE__BLOCK;
        memcpy(ring, p->ring, sizeof ring);
        next = sse__lz_parse(p, s, at, block_end);
        sse__block_write(p, s->bytes + at, next - at, ring);
    }
    if (!p->br) sse__gzip_align(&p->out);
    else if (p->out.n)
        sse__put_bits(p, 6, 6); /* an empty metadata block reaches to the byte boundary (9.2) */
    sse__bits_align(&p->out);
    SSE_ASSERT((size_t)(p->out.p - room) <= sse__frame_bound(s->end - s->start)); /* Z6 */
    out->len += (size_t)(p->out.p - room);
}

static uint32_t sse__frame_reach(int encoding, unsigned lgwin) { /* Z3 */
    if (encoding == SSE__BR) return ((uint32_t)1 << lgwin) - 16;
    return (uint32_t)1 << (lgwin < 15 ? lgwin : 15);
}

/* Appends the event as a key frame. Needs no history: also for events that only one stream gets. */
static void sse__frame_key(sse__encoder *p, int encoding, sse_str event, sse_buf *out) {
    sse__window *s = &p->key;
    s->bytes   = (const unsigned char *)event.ptr;
    s->end     = event.len;
    s->indexed = 0;
    s->reach   = sse__frame_reach(encoding, p->lgwin);
    p->br      = encoding == SSE__BR;
    memset(p->ring, 0, sizeof p->ring); /* Z1 */
    sse__frame_write(p, s, out);
    s->origin += (uint32_t)event.len; /* everything in the index is now out of reach */
}

/* The first bytes of every compressed stream. */
static void sse__frame_head(const sse__encoder *p, int encoding, sse_buf *out) {
    const unsigned n = p->lgwin == 16 ? 1 : p->lgwin == 17 ? 7 : 4;
    unsigned       bits = p->lgwin == 16 ? 0 : (p->lgwin - 17) << 1 | 1;
    if (encoding == SSE__GZIP) sse_raw(out, "\x1F\x8B\x08\0\0\0\0\0\0\xFF", 10);
    if (encoding != SSE__BR) return;
    /* n bits of WBITS (RFC 7932 9.1), then an empty metadata block for alignment (Z4) */
    bits |= 6u << n;
    sse__put_char(out, (char)bits);
    if (n > 1) sse__put_char(out, (char)(bits >> 8));
}

/* A heartbeat: bytes that decode to nothing and put nothing into the window. */
static void sse__frame_ping(int encoding, sse_buf *out) {
    if (encoding == SSE__BR) sse__put_char(out, 6);
    if (encoding == SSE__GZIP) sse_raw(out, "\0\0\0\xFF\xFF", 5);
}

/* sum: of all the stream got; only gzip looks */
static void sse__frame_end(int encoding, const sse__crc_state *sum, sse_buf *out) {
    unsigned char tail[10] = {3, 0};
    if (encoding == SSE__BR) sse__put_char(out, 3);
    if (encoding != SSE__GZIP) return;
    sse__store64(tail + 2, sum->crc | (uint64_t)sum->len << 32);
    sse_raw(out, tail, sizeof tail);
}

/* A file. Larger ones: a codec, fed in parts */
static void sse__frame_whole(sse__encoder *p, int encoding, sse_buf *out, sse_str bytes) {
    sse__crc_state sum = sse__crc_of(p, bytes);
    sse__frame_head(p, encoding, out);
    sse__frame_key(p, encoding, bytes, out);
    sse__frame_end(encoding, &sum, out);
}

/* measured: fewer cost bytes, more gain nothing */
static unsigned sse__index_bits(unsigned lgwin) {
    return lgwin > 16 ? lgwin - 7 : lgwin > 13 ? 10 : lgwin - 4;
}

/* 16..24; returned, free with sse__encoder_free; NULL without memory */
static sse__encoder *sse__encoder_new(unsigned lgwin) {
    const unsigned bits = sse__index_bits(lgwin < 18 ? lgwin : 18);
    sse__encoder    *p = NULL;
    if (SSE__HAS_COMPRESSION) p = (sse__encoder *)sse__zalloc(sizeof *p + sse__index_size(bits));
    if (!p) return NULL;
    p->lgwin           = lgwin;
    p->key.index.slots = (uint64_t *)(void *)(p + 1);
    p->key.index.bits  = bits;
    sse__crc_tables(p);
    return p;
}

static void sse__encoder_free(sse__encoder *p) { SSE_FREE(p); }

/* ---- channels ---- */

typedef struct sse__codec {
    unsigned char *bytes;    /* the history, of which cap bytes can be had */
    size_t         cap;
    /* the last event, at the end of the history; floor: the sync point of its delta (Z2) */
    sse__window    last;
    size_t         next_floor;
    int            encoding;
    bool           keys_only; /* the last event has no delta */
    bool           syncs;     /* subscribers that get the last event's key are in sync after it */
    unsigned       patience;
    uint64_t       before, mark; /* Z7: names of the state before and after the last event */
    uint64_t       nkeys, ndeltas, waited;
    /* of all in sync before the last event, and after its delta (Z1) */
    uint32_t       ring[4], left[4];
} sse__codec;

/* When a key is sent, its channel may begin a new history with it (sync): its receivers get
   deltas from then on, but for all others the older events are gone. Measured on the workloads
   of tests/bench/frame.c: a view loses 0.3 % even if it syncs on every event, as its events
   resemble the last one most: patience 0, always sync. A topic of chat lines needs 450 bytes per
   client in sync to get over one sync, and a client kept waiting costs 86 bytes per event more
   than a delta: so a topic syncs when its clients together have waited for 4 events per client
   in sync (SSE__PATIENCE). */
enum { SSE__PATIENCE = 4 };

/* lgwin: how much is remembered, 10 to the encoder's; the memory of a channel is 17/16 of
   2^lgwin, an event, and an index of 24 KB at 16, 48 KB at 18, 192 KB at 20. gzip never needs
   more than 15. patience: 0 for views, SSE__PATIENCE for topics. Returned, free with
   sse__codec_free; NULL without memory. */
static sse__codec *sse__codec_new(sse__encoder *p, int encoding, unsigned lgwin,
                                  unsigned patience) {
    const unsigned win  = encoding == SSE__GZIP && lgwin > 15 ? 15 : lgwin;
    const unsigned bits = sse__index_bits(win);
    sse__codec    *c = (sse__codec *)sse__zalloc(sizeof *c + sse__index_size(bits));
    SSE_ASSERT(lgwin >= 10 && lgwin <= p->lgwin); /* Z3 */
    if (!c) return NULL;
    c->encoding    = encoding;
    c->patience    = patience;
    c->mark        = ++p->mark;
    c->last.reach  = sse__frame_reach(encoding, win);
    c->last.index.slots = (uint64_t *)(void *)(c + 1);
    c->last.index.bits  = bits;
    return c;
}

static void sse__codec_free(sse__codec *c) {
    if (!c) return;
    SSE_FREE(c->bytes);
    SSE_FREE(c);
}

static void sse__codec_drop(sse__codec *c, size_t n) { /* the oldest n bytes of the history */
    sse__window *s = &c->last;
    s->end -= n;
    if (s->end) memmove(c->bytes, c->bytes + n, s->end);
    s->origin += (uint32_t)n;
    s->start      = s->start > n ? s->start - n : 0;
    s->indexed    = s->indexed > n ? s->indexed - n : 0;
    c->next_floor = c->next_floor > n ? c->next_floor - n : 0;
}

/* Room for n <= reach more bytes behind as much history as can be referred to. A sixteenth more,
   so that bytes rarely move. */
static bool sse__codec_room(sse__codec *c, size_t n) {
    const size_t reach = c->last.reach, useful = c->last.end - c->next_floor;
    const size_t keep = useful < reach ? useful : reach, need = keep + n;
    const size_t spare = need < reach / 16 ? need : reach / 16;
    void        *bytes;
    if (n <= c->cap - c->last.end) return true;
    sse__codec_drop(c, c->last.end - keep);
    if (need + spare / 2 <= c->cap) return true;
    bytes = SSE_REALLOC(c->bytes, need + spare);
    if (!bytes) return n <= c->cap - c->last.end;
    c->last.bytes = c->bytes = (unsigned char *)bytes;
    c->cap        = need + spare;
    return true;
}

/* The channel's next event, borrowed until return. SSE_E_NOMEM: the history is gone and everyone
   gets a key. */
static int sse__codec_add(sse__codec *c, sse__encoder *p, sse_str event) {
    const uint64_t in_sync = c->ndeltas + (c->syncs ? c->nkeys : 0);
    const bool     synced  = c->syncs && c->nkeys; /* by a key of the event before */
    sse__window   *s       = &c->last;
    if (!SSE__HAS_COMPRESSION) return SSE_E_NOT_BUILT;
    c->before = c->mark;
    c->mark   = ++p->mark;
    SSE_ASSERT(c->mark > c->before); /* Z7 */
    memcpy(c->ring, c->left, sizeof c->ring);
    if (synced) memset(c->ring, 0, sizeof c->ring); /* Z1: a key leaves another one than a delta */
    c->waited = synced ? 0 : c->waited + c->nkeys;
    c->syncs  = c->waited >= c->patience * in_sync;
    c->nkeys  = c->ndeltas = 0;
    /* longer than a copy can reach: only later events can use it */
    c->keys_only = event.len > s->reach;
    if (c->keys_only) {
        sse__codec_drop(c, s->end);
        c->syncs = true;
        event = sse__str(event.ptr + event.len - s->reach, s->reach);
    }
    if (!sse__codec_room(c, event.len)) { /* Z8 */
        sse__codec_drop(c, s->end);
        c->keys_only = true;
        c->syncs     = false;
        return SSE_E_NOMEM;
    }
    s->floor = c->next_floor;
    s->start = s->end;
    if (event.len) memcpy(c->bytes + s->end, event.ptr, event.len);
    s->end += event.len;
    return SSE_OK;
}

/* Which frame of the last event a stream gets, SSE__KEY or SSE__DELTA; moves its mark on. */
static int sse__codec_follow(sse__codec *c, uint64_t *mark) {
    if (*mark == c->before && !c->keys_only) {
        *mark = c->mark;
        c->ndeltas++;
        return SSE__DELTA;
    }
    if (c->syncs) c->next_floor = c->last.start;
    *mark = c->syncs ? c->mark : 0;
    c->nkeys++;
    return SSE__KEY;
}

/* Appends the last event as a delta frame. Once per event, or again where memory failed for the
   first one. */
static void sse__codec_delta(sse__codec *c, sse__encoder *p, sse_buf *out) {
    sse__window *s = &c->last;
    if (!SSE__HAS_COMPRESSION) return;
    SSE_ASSERT(!c->keys_only && s->floor <= s->start); /* Z2 */
    if (s->indexed < s->floor) s->indexed = s->floor;
    p->br = c->encoding == SSE__BR;
    sse__index_insert(s, s->start);
    memcpy(p->ring, c->ring, sizeof p->ring);
    sse__frame_write(p, s, out);
    memcpy(c->left, p->ring, sizeof c->left);
}

/*==========================================================================
  >>sys   the system: includes, clock, mutexes, random bytes
  Uses: >>base                          Tests: tests/unit/random.c
  SY1  Bytes that must not be guessed come from the kernel, or there are
       none: nothing else is ever taken in their place.
==========================================================================*/

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#if !defined(SSE_NO_THREADS)
#include <pthread.h>
#endif
#if defined(__linux__) && defined(__has_include)
#if __has_include(<sys/random.h>)
#define SSE__GETRANDOM(p, n) SSE__SYS(getrandom(p, n, 0)) /* waits, just after boot */
#include <sys/random.h>
#endif
#endif
#if !defined(SSE__GETRANDOM)
#define SSE__GETRANDOM(p, n) (errno = ENOSYS, (ssize_t)-1)
#endif

#if !defined(CLOCK_MONOTONIC) || !defined(O_CLOEXEC)
#error "sse.h: POSIX is hidden. Include sse.h before all other headers, or compile with \
-D_DEFAULT_SOURCE (or -std=gnu99)"
#endif

/* System calls by names of our own, so that a test can make them fail. */
#ifndef SSE__SYS
#define SSE__SYS(call) call
#endif

static uint64_t sse__clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int sse__set_flags(int fd) { /* close-on-exec and non-blocking */
    const int status = fcntl(fd, F_GETFL);
    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK)) return SSE_E_IO;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) ? SSE_E_IO : SSE_OK;
}

/* ---- threads ---- */

#if defined(SSE_NO_THREADS)
typedef int sse__mutex, sse__thread_id;
#define SSE__IF_THREADS(with, without) without
#else
typedef pthread_mutex_t sse__mutex;
typedef pthread_t       sse__thread_id;
#define SSE__IF_THREADS(with, without) with
#endif

static void sse__mutex_init(sse__mutex *m) { SSE__IF_THREADS(pthread_mutex_init(m, NULL), *m = 0); }
static void sse__mutex_free(sse__mutex *m) { SSE__IF_THREADS(pthread_mutex_destroy(m), (void)m); }
static void sse__lock(sse__mutex *m) { SSE__IF_THREADS(pthread_mutex_lock(m), (void)m); }
static void sse__unlock(sse__mutex *m) { SSE__IF_THREADS(pthread_mutex_unlock(m), (void)m); }
static sse__thread_id sse__thread_self(void) { return SSE__IF_THREADS(pthread_self(), 0); }
static bool sse__thread_equal(sse__thread_id a, sse__thread_id b) {
    return SSE__IF_THREADS(pthread_equal(a, b) != 0, a == b);
}

/* ---- random bytes ---- */

/* n unguessable bytes. False: there are none to be had, use nothing of out (SY1). */
static bool sse__random(void *out, size_t n) {
    unsigned char *p  = (unsigned char *)out;
    int            fd = -1;
    while (n > 0) {
        const ssize_t got = fd < 0 ? SSE__GETRANDOM(p, n) : SSE__SYS(read(fd, p, n));
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            if (fd >= 0) break;
            fd = SSE__SYS(open("/dev/urandom", O_RDONLY | O_CLOEXEC)); /* old kernel, sandbox */
            if (fd < 0) return false;
        }
    }
    if (fd >= 0) close(fd);
    return n == 0;
}

/*==========================================================================
  >>loop   poller (epoll | poll), timing wheel, calls from other threads
  Uses: >>sys >>table >>base            Tests: tests/unit/loop.c

  It knows no app. A section that waits for something embeds one of these in
  a struct of its own, gets that struct back by SSE__CONTAINER when its
  function is called, and keeps it in memory until it is removed again:

      sse__source    a descriptor is ready
      sse__alarm     a time has come; a timing wheel holds them
      sse__call      work for the loop, posted by any thread

  W1  A source is freed only by an alarm, by a call or behind sse__loop_wait,
      when no events are in hand that may still name it.
  W2  Every alarm in the wheel is due after wheel.at; what is due already
      waits in wheel.due.
  W3  Arming, moving and cancelling an alarm costs the same however many
      there are.
  W4  A turn runs a limited number of calls, and calls that wait take a
      limited number of bytes: other threads can neither keep the loop from
      the rest of its work, and from stopping, nor fill the memory.
==========================================================================*/

/* glibc packs struct epoll_event by an attribute that it hides from other compilers, tcc among
   them. */
#if defined(__linux__) && defined(__GNUC__) && !defined(SSE_USE_POLL)
#define SSE__EPOLL 1
#include <sys/epoll.h>
#else
#define SSE__EPOLL 0
#include <poll.h>
#endif

/* ---- the timing wheel ---- */

/* Seven levels of 64 slots. Level 0 holds what is due within this run of 64 ms, one slot a
   millisecond; level 1 the rest of these 4096 ms, one slot 64 ms; and so on. When time reaches a
   slot of level n, its alarms move to the levels below.

       level 2   |........................|  64 x 4096 ms
       level 1         |......|              64 x   64 ms
       level 0           |||                 64 x    1 ms
                         ^now                                        */
enum { SSE__WHEEL_LEVELS = 7, SSE__WHEEL_BITS = 6, SSE__WHEEL_SLOTS = 1 << SSE__WHEEL_BITS };

typedef struct sse__alarm sse__alarm;
struct sse__alarm { /* {0}, but for fn, is one that is not armed */
    sse__link link;
    uint64_t  due;
    void    (*fn)(sse__alarm *alarm);
};

typedef struct sse__wheel {
    uint64_t  now;  /* milliseconds of the monotonic clock, when the loop last woke */
    uint64_t  at;   /* how far the wheel has turned: alarms up to here have moved to due. <= now */
    uint64_t  occupied[SSE__WHEEL_LEVELS]; /* a bit for each slot that may hold alarms */
    sse__link slots[SSE__WHEEL_LEVELS][SSE__WHEEL_SLOTS];
    sse__link due;  /* to be fired next: W2 */
} sse__wheel;

static void sse__wheel_init(sse__wheel *w, uint64_t now) {
    int level, slot;
    memset(w, 0, sizeof *w);
    w->now = w->at = now;
    sse__list_init(&w->due);
    for (level = 0; level < SSE__WHEEL_LEVELS; level++)
        for (slot = 0; slot < SSE__WHEEL_SLOTS; slot++) sse__list_init(&w->slots[level][slot]);
}

static void sse__alarm_cancel(sse__alarm *alarm) { sse__list_remove(&alarm->link); }

static void sse__alarm_set(sse__wheel *w, sse__alarm *alarm, uint64_t due) { /* W3 */
    int      level = 0;
    unsigned slot;
    sse__alarm_cancel(alarm);
    alarm->due = due;
    if (due <= w->at) {
        sse__list_add(&w->due, &alarm->link); /* W2 */
        return;
    }
    /* the highest digit in which they differ */
    while ((due ^ w->at) >> (SSE__WHEEL_BITS * (level + 1))) level++;
    SSE_ASSERT(level < SSE__WHEEL_LEVELS);
    slot = (unsigned)(due >> (SSE__WHEEL_BITS * level)) % SSE__WHEEL_SLOTS;
    w->occupied[level] |= (uint64_t)1 << slot;
    sse__list_add(&w->slots[level][slot], &alarm->link);
}

/* The slot that time reaches next and the moment it does; NULL if the wheel holds no alarm. */
static sse__link *sse__wheel_next_slot(sse__wheel *w, uint64_t *when) {
    int level, slot;
    for (level = 0; level < SSE__WHEEL_LEVELS; level++)
        while (w->occupied[level]) {
            const int bits = SSE__WHEEL_BITS * level;
            for (slot = 0; !(w->occupied[level] >> slot & 1); slot++) {}
            if (!sse__list_empty(&w->slots[level][slot])) {
                *when = w->at >> bits >> SSE__WHEEL_BITS << SSE__WHEEL_BITS << bits;
                *when += (uint64_t)slot << bits;
                return &w->slots[level][slot];
            }
            w->occupied[level] &= ~((uint64_t)1 << slot); /* all of them were cancelled, or moved */
        }
    return NULL;
}

/* Milliseconds until there is work (0: now), -1: no alarm is armed. May be early by a cascade,
   never late. */
static int sse__wheel_next_ms(sse__wheel *w, uint64_t now) {
    uint64_t when;
    if (!sse__list_empty(&w->due)) return 0;
    if (!sse__wheel_next_slot(w, &when)) return -1;
    if (when <= now) return 0;
    return when - now < INT32_MAX ? (int)(when - now) : INT32_MAX;
}

/* Moves time to now and fires what is due. Alarms set meanwhile, even if due at once, wait for the
   next call. */
static void sse__wheel_advance(sse__wheel *w, uint64_t now) {
    sse__link  moved, *slot;
    uint64_t   when;
    while ((slot = sse__wheel_next_slot(w, &when)) != NULL && when <= now) {
        w->at = when;
        sse__list_move(&moved, slot);
        while (!sse__list_empty(&moved)) {
            sse__alarm *alarm = SSE__CONTAINER(moved.next, sse__alarm, link);
            SSE_ASSERT(alarm->due >= when); /* W2 */
            sse__alarm_set(w, alarm, alarm->due);
        }
    }
    if (now > w->at) w->now = w->at = now;
    sse__list_move(&moved, &w->due);
    while (!sse__list_empty(&moved)) {
        sse__alarm *alarm = SSE__CONTAINER(moved.next, sse__alarm, link);
        sse__alarm_cancel(alarm);
        alarm->fn(alarm);
    }
}

/* ---- the poller ---- */

typedef struct sse__source sse__source;
struct sse__source {
    int      fd;    /* -1: not registered, or closed within this turn */
    uint32_t index; /* poll: place in the arrays */
    void   (*fn)(sse__source *source, int events);
};

/* Beside SSE_READ, SSE_WRITE and SSE_PRI. Events: the peer shut its sending side; the connection is
   broken. Wish: edge-triggered where the system can be (epoll): the source remembers that it is
   ready. */
enum { SSE__HANGUP = 8, SSE__BROKEN = 16, SSE__EDGE = 32 };

#if SSE__EPOLL
typedef struct sse__poller { int fd; struct epoll_event ready[256]; } sse__poller;

static int sse__poller_open(sse__poller *p) {
    p->fd = SSE__SYS(epoll_create1(EPOLL_CLOEXEC));
    return p->fd < 0 ? SSE_E_IO : SSE_OK;
}

static void sse__poller_close(sse__poller *p) {
    if (p->fd >= 0) close(p->fd);
}

static int sse__poller_control(sse__poller *p, int op, sse__source *source, int wish) {
    struct epoll_event e;
    memset(&e, 0, sizeof e);
    e.data.ptr = source;
    if (wish & SSE_READ) e.events |= EPOLLIN;
    if (wish & SSE_WRITE) e.events |= EPOLLOUT;
    if (wish & SSE_PRI) e.events |= EPOLLPRI;
    if (wish & SSE__EDGE) e.events |= (unsigned)EPOLLET | EPOLLRDHUP;
    return SSE__SYS(epoll_ctl(p->fd, op, source->fd, &e)) ? SSE_E_IO : SSE_OK;
}

static int sse__poller_add(sse__poller *p, sse__source *source, int wish) {
    return sse__poller_control(p, EPOLL_CTL_ADD, source, wish);
}

static void sse__poller_remove(sse__poller *p, sse__source *source) {
    (void)sse__poller_control(p, EPOLL_CTL_DEL, source, 0);
}

/* What a source waits for now. An edge-triggered one was registered for everything once and needs
   no call. */
static void sse__poller_interest(sse__poller *p, sse__source *source, int wish) {
    if (!(wish & SSE__EDGE)) (void)sse__poller_control(p, EPOLL_CTL_MOD, source, wish);
}

/* How many are to be dispatched; none if that is not positive. */
static int sse__poller_wait(sse__poller *p, int timeout_ms) {
    return SSE__SYS(epoll_wait(p->fd, p->ready, (int)SSE__COUNT(p->ready), timeout_ms));
}

static void sse__poller_dispatch(sse__poller *p, int n) {
    int i;
    for (i = 0; i < n; i++) {
        sse__source   *source = (sse__source *)p->ready[i].data.ptr;
        const uint32_t got    = p->ready[i].events;
        int            events = 0;
        if (got & EPOLLIN) events |= SSE_READ;
        if (got & EPOLLOUT) events |= SSE_WRITE;
        if (got & EPOLLPRI) events |= SSE_PRI;
        if (got & EPOLLRDHUP) events |= SSE__HANGUP;
        if (got & (EPOLLHUP | EPOLLERR)) events |= SSE__BROKEN;
        if (source->fd >= 0) source->fn(source, events); /* W1 */
    }
}

static int sse__poller_fd(const sse__poller *p) { return p->fd; }
#else
typedef struct sse__poller {
    struct pollfd *fds;
    sse__source  **sources;
    size_t         fds_cap, sources_cap;
    uint32_t       count; /* with the holes that removed sources left: NULL */
} sse__poller;

static int sse__poller_open(sse__poller *p) { return (void)p, SSE_OK; }

static void sse__poller_close(sse__poller *p) {
    SSE_FREE(p->fds);
    SSE_FREE(p->sources);
}

static void sse__poller_interest(sse__poller *p, sse__source *source, int wish) {
    p->fds[source->index].events =
        (short)((wish & SSE_READ ? POLLIN : 0) | (wish & SSE_WRITE ? POLLOUT : 0) |
                (wish & SSE_PRI ? POLLPRI : 0));
}

static int sse__poller_add(sse__poller *p, sse__source *source, int wish) {
    void *fds = p->fds, *sources = p->sources;
    if (!sse__grow(&fds, &p->fds_cap, p->count, sizeof *p->fds)) return SSE_E_NOMEM;
    p->fds = (struct pollfd *)fds;
    if (!sse__grow(&sources, &p->sources_cap, p->count, sizeof *p->sources)) return SSE_E_NOMEM;
    p->sources                    = (sse__source **)sources;
    source->index                 = p->count++;
    p->sources[source->index]     = source;
    p->fds[source->index].fd      = source->fd;
    p->fds[source->index].revents = 0;
    sse__poller_interest(p, source, wish & SSE__EDGE ? SSE_READ : wish);
    return SSE_OK;
}

/* Leaves a hole, so that a walk over the arrays stays valid. */
static void sse__poller_remove(sse__poller *p, sse__source *source) {
    p->fds[source->index].fd  = -1;
    p->sources[source->index] = NULL;
}

/* How many are to be dispatched: all that were asked about, or 0. */
static int sse__poller_wait(sse__poller *p, int timeout_ms) {
    uint32_t from, to = 0;
    for (from = 0; from < p->count; from++) { /* closes the holes */
        if (!p->sources[from]) continue;
        p->sources[to]        = p->sources[from];
        p->fds[to]            = p->fds[from];
        p->sources[to]->index = to;
        to++;
    }
    p->count = to;
    return SSE__SYS(poll(p->fds, (nfds_t)to, timeout_ms)) > 0 ? (int)to : 0;
}

static void sse__poller_dispatch(sse__poller *p, int n) {
    int i;
    for (i = 0; i < n; i++) {
        const short got    = p->fds[i].revents;
        int         events = 0;
        if (!got || !p->sources[i]) continue;
        if (got & POLLIN) events |= SSE_READ;
        if (got & POLLOUT) events |= SSE_WRITE;
        if (got & POLLPRI) events |= SSE_PRI;
        if (got & (POLLHUP | POLLERR | POLLNVAL)) events |= SSE__BROKEN;
        p->sources[i]->fn(p->sources[i], events);
    }
}

static int sse__poller_fd(const sse__poller *p) { return (void)p, SSE_E_NOT_BUILT; }
#endif

/* ---- the loop ---- */

enum { SSE__CALLS_A_TURN = 1000 };

typedef struct sse__call sse__call;
struct sse__call {
    sse__call *next;
    size_t     bytes;              /* counted against max_call_bytes (W4); 0: never refused */
    void     (*fn)(sse__call *call); /* on the loop, once; frees it */
};

typedef struct sse__loop {
    sse__poller    poller;
    sse__wheel     wheel;
    sse__source    wake;           /* the reading end of a pipe */
    int            wake_fd;        /* its writing end: also safe to write from a signal handler */
    sse__mutex     mutex;          /* guards calls, call_bytes, woken, owned, owner, closing */
    sse__call     *calls, **calls_end;
    sse__call     *taken;          /* the oldest of them: the loop's own */
    size_t         call_bytes, max_call_bytes; /* of both: W4 */
    bool           closing;        /* no more calls: none would run */
    bool           woken;          /* a byte is in the pipe: no need for another */
    volatile int   stop;           /* asked to end, by sse_stop */
    bool           owned;          /* the loop runs, on thread owner */
    sse__thread_id owner;          /* while it does not: the last that made, ran or stopped it */
    uint32_t       upcall;         /* counts callbacks of the program: equal means the same one */
} sse__loop;

static void sse__loop_drain_wake(sse__source *source, int events) {
    sse__loop *loop = SSE__CONTAINER(source, sse__loop, wake);
    char       bytes[64];
    (void)events;
    while (read(source->fd, bytes, sizeof bytes) > 0) {}
    sse__lock(&loop->mutex);
    loop->woken = false;
    sse__unlock(&loop->mutex);
}

static int sse__loop_open(sse__loop *loop) {
    int fds[2], error;
    memset(loop, 0, sizeof *loop);
    loop->owner          = sse__thread_self();
    loop->calls_end      = &loop->calls;
    loop->wake.fd = loop->wake_fd = -1;
    loop->wake.fn = sse__loop_drain_wake;
    sse__mutex_init(&loop->mutex);
    sse__wheel_init(&loop->wheel, sse__clock_ms());
    error = sse__poller_open(&loop->poller);
    if (error) return error;
    if (SSE__SYS(pipe(fds))) return SSE_E_IO;
    loop->wake.fd = fds[0];
    loop->wake_fd = fds[1];
    if (sse__set_flags(fds[0]) || sse__set_flags(fds[1])) return SSE_E_IO;
    return sse__poller_add(&loop->poller, &loop->wake, SSE_READ);
}

static void sse__loop_close(sse__loop *loop) { /* also after a failed open */
    if (loop->wake.fd >= 0) {
        close(loop->wake.fd);
        close(loop->wake_fd);
    }
    sse__poller_close(&loop->poller);
    sse__mutex_free(&loop->mutex);
}

static void sse__loop_wake(sse__loop *loop) { /* mutex held */
    if (loop->woken) return;
    loop->woken = true; /* a failure cannot be: the pipe holds at most one byte of ours */
    if (write(loop->wake_fd, "", 1) < 0) loop->woken = false;
}

static int sse__loop_post(sse__loop *loop, sse__call *call) { /* from any thread; takes call if 0 */
    int error = SSE_OK;
    sse__lock(&loop->mutex);
    if (loop->closing) error = SSE_E_STATE;
    else if (call->bytes && loop->call_bytes >= loop->max_call_bytes) error = SSE_E_FULL; /* W4 */
    if (!error) {
        *loop->calls_end  = call;
        loop->calls_end   = &call->next;
        loop->call_bytes += call->bytes;
        sse__loop_wake(loop);
    }
    sse__unlock(&loop->mutex);
    return error;
}

/* Runs up to n of the calls that waited when it began. Those left wake the loop again. W4 */
static void sse__loop_run_calls(sse__loop *loop, int n) {
    size_t bytes = 0;
    if (!loop->taken) { /* those taken before have run */
        sse__lock(&loop->mutex);
        loop->taken     = loop->calls;
        loop->calls     = NULL;
        loop->calls_end = &loop->calls;
        sse__unlock(&loop->mutex);
        if (!loop->taken) return;
    }
    for (; n > 0 && loop->taken; n--) {
        sse__call *call = loop->taken;
        loop->taken = call->next;
        bytes += call->bytes;
        loop->upcall++;
        call->fn(call);
    }
    sse__lock(&loop->mutex);
    SSE_ASSERT(loop->call_bytes >= bytes); /* W4 */
    loop->call_bytes -= bytes;
    if (loop->taken || loop->calls) sse__loop_wake(loop); /* their byte may be read already */
    sse__unlock(&loop->mutex);
}

static void sse__loop_wait(sse__loop *loop, int timeout_ms) { /* -1: until something happens */
    const int next = sse__wheel_next_ms(&loop->wheel, sse__clock_ms());
    int       n;
    if (next >= 0 && (timeout_ms < 0 || next < timeout_ms)) timeout_ms = next;
    n               = sse__poller_wait(&loop->poller, timeout_ms);
    loop->wheel.now = sse__clock_ms(); /* before alarms are set by it: the wait may be long */
    sse__poller_dispatch(&loop->poller, n);
    sse__loop_run_calls(loop, SSE__CALLS_A_TURN);
    sse__wheel_advance(&loop->wheel, loop->wheel.now);
}

/*==========================================================================
  >>core   struct sse_app, and what every section says through it
  Uses: >>loop >>sys >>base             Tests: tests/unit/refusals.c words.c
  CO1  No line break of a peer's making gets into the log: control
       characters become '?'.
  CO2  The first mistake of setting up stays: sse_serve answers it. Once the
       app runs, a mistake ends only its own call.
==========================================================================*/

/* Work of the sections in a turn, at a stop and at the end, in this order. A section that a program
   may not use registers itself by the first call that needs it, so that a linker which drops
   unreferenced functions (--gc-sections) drops the whole section. */
typedef void (*sse__stage)(sse_app *app);
enum {
    SSE__TURN_CHANGES, SSE__TURN_OUTBOXES, SSE__TURN_VIEWS, SSE__TURN_CLOSED, SSE__TURN_SAVE,
    SSE__STOP_STREAMS, SSE__STOP_OVER,                 /* over: the grace period is */
    SSE__END_TUNNEL, SSE__END_POOLS, SSE__END_CHANGES, /* while the loop still takes calls */
    SSE__FREE_SAVE,                                    /* before connections go */
    SSE__FREE_STREAMS, SSE__FREE_TOPICS, SSE__FREE_VIEWS, SSE__FREE_FILES,
    SSE__STAGES
};

/* Callbacks of the program, by kind, as a log names them. */
#define SSE__CALLBACK_KINDS(X)                                                                     \
    X(HANDLER, "handler") X(HOOK, "before hook") X(GUARD, "guard") X(BODY, "reader of the body")   \
    X(RENDER, "render") X(STEP, "step") X(PING, "on_ping") X(STOP, "on_stop")                      \
    X(CLOSE, "on_close") X(REPLY, "on_reply") X(PRESENCE, "on_join or on_leave")                   \
    X(TIMER, "timer") X(WATCH, "watch") X(CALL, "sse_call") X(DONE, "done of sse_offload")         \
    X(POSTED, "done of sse_db_post")
enum {
#define SSE__KIND(kind, name) SSE__IN_##kind,
    SSE__CALLBACK_KINDS(SSE__KIND)
#undef SSE__KIND
    SSE__CALLBACKS
};

/* By this the sections of an app find each other. Each owns the part that its name says; >>server
   makes and frees them all. */
struct sse__stream;
struct sse_app {
    sse__loop            loop;
    sse_app             *next;                /* of all apps, see app_of_loop */
    sse__slots           timers;              /* >>timers */
    sse__link            watches;
    sse__stage           stages[SSE__STAGES]; /* NULL: not in use */
    void               (*stream_begun)(struct sse__stream *stream); /* its handler has returned */
    void               (*file_answer)(struct sse_req *req); /* a file is its reply */
    sse_app_options      options; /* with the defaults filled in; its texts belong to the app */
    int                  config_error; /* the first mistake of setting up: CO2 */
    int                  refusal;      /* that one, or the latest since it runs; why: in words */
    char                 why[400];
    struct sse__pool    *pool, *disk, *packer; /* the last two of one thread each: for databases, */
    struct sse__net     *net;                  /* for files to compress */
    struct sse__encoder *encoder; /* NULL: nothing is compressed */
    struct sse__file_cache   *files;   /* compressed ones, kept */
    struct sse__streams *streams;
    struct sse__topics  *topics;
    struct sse__views   *views;
    struct sse__changes *changes;
    struct sse__router  *router;
    struct sse__monitor *monitor;
    struct sse_server  *server;
    struct sse_tunnel   *tunnel;
    char                *tunnel_host;          /* requests may name it */
    char                 date[30];             /* of the second date_at, for replies */
    int64_t              date_at;
    void               (*log_access)(struct sse_req *req), (*log_topic)(struct sse_req *req);
    char                *topic_of_log;         /* of log_topic. NULL, all three: off */
    size_t               body_bytes;           /* of all bodies in memory: see max_bodies_bytes */
    uint64_t             host_warned_ms, phase_warned_ms, stream_warned_ms; /* the last warnings */
    uint64_t             db_logged_at[16];          /* likewise: sse__db_log_due */
    uint64_t             slow_warned_ms[SSE__CALLBACKS]; /* likewise */
    struct { uint32_t call; uint64_t told_ms; } refused[32]; /* guarded by loop.mutex */
    int                  call_error;           /* see sse__call_failed */
};

static int sse__app_open(sse_app *app) {
    sse__list_init(&app->watches);
    return sse__loop_open(&app->loop);
}

static void sse__stages_run(sse_app *app, int first, int last) {
    for (; first <= last; first++)
        if (app->stages[first]) app->stages[first](app);
}

/* ---- the log, and errors for the program ---- */

SSE__PRINTF(3, 4)
static void sse__log(sse_app *app, int level, const char *fmt, ...) { /* one line: CO1 */
    static const char names[][8] = {"error", "warning", "info", "debug"};
    char    line[512], *p;
    va_list ap;
    if (!app->options.on_log && level > SSE_LOG_WARNING) return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = '?';
    if (app->options.on_log) app->options.on_log(level, line, app->options.user);
    else fprintf(stderr, "sse.h: %s: %s\n", names[level], line);
}

/* The level for a message that any peer can cause: one warning a second of each kind, the rest are
   debug lines, or peers could fill the disk. told: when it was a warning last. */
static int sse__log_level_limited(sse_app *app, uint64_t *told) {
    const uint64_t now = app->loop.wheel.now;
    if (*told && now - *told < 1000) return SSE_LOG_DEBUG;
    *told = now;
    return SSE_LOG_WARNING;
}

/* A callback of the program that runs. app NULL: it is not measured. */
typedef struct sse__upcall { sse_app *app; int kind; uint64_t began; } sse__upcall;

static sse__upcall sse__upcall_begin(sse_app *app, int kind) {
    sse__upcall u;
    u.app   = app && app->options.slow_ms > 0 ? app : NULL;
    u.kind  = kind;
    u.began = u.app ? sse__clock_ms() : 0;
    return u;
}

/* It has returned. While it ran the loop stood still, and with it every client. fmt: which one of
   its kind it was. */
SSE__PRINTF(2, 3)
static void sse__upcall_end(const sse__upcall *u, const char *fmt, ...) {
    static const char *const kinds[] = {
#define SSE__KIND(kind, name) name,
        SSE__CALLBACK_KINDS(SSE__KIND)
#undef SSE__KIND
    };
    const uint64_t now = u->app ? sse__clock_ms() : 0;
    uint64_t      *told;
    char           which[200];
    va_list        ap;
    if (!u->app || now - u->began < (uint64_t)u->app->options.slow_ms) return;
    told = &u->app->slow_warned_ms[u->kind];
    if (*told && now - *told < 1000) return;
    *told = now;
    va_start(ap, fmt);
    vsnprintf(which, sizeof which, fmt, ap);
    va_end(ap);
    sse__log(u->app, SSE_LOG_WARNING, "%s%s held the loop for %llu ms, and with it every client: "
             "sse_offload and sse_db_post take what lasts (.slow_ms)", kinds[u->kind], which,
             (unsigned long long)(now - u->began));
}

/* Refuses a call of the program, in words that name the argument or option to change: CO2. */
SSE__PRINTF(3, 4)
static int sse__refuse(sse_app *app, int error, const char *fmt, ...) {
    char    text[sizeof app->why];
    va_list ap;
    if (!app) return error;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sse__log(app, SSE_LOG_ERROR, "%s", text);
    sse__lock(&app->loop.mutex); /* sse_serve_background may refuse while the loop runs elsewhere */
    if (!app->config_error) {
        memcpy(app->why, text, sizeof text);
        app->refusal = error;
        if (!app->loop.owned) app->config_error = error;
    }
    sse__unlock(&app->loop.mutex);
    return error;
}

/* A call at run time is refused, in words that begin with its name and a colon, and name the field
   and the reason. A warning once a second for each call, as a peer may be why. Returns error.
   Threads: any. */
SSE__PRINTF(3, 4)
static int sse__refused(sse_app *app, int error, const char *fmt, ...) {
    const uint64_t now = sse__clock_ms();
    char           text[400];
    uint32_t       call;
    bool           due;
    size_t         i = 0;
    va_list        ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call = sse__hash(sse__str(text, strcspn(text, ":"))) | 1; /* 0: a place that is free */
    sse__lock(&app->loop.mutex);
    while (i + 1 < SSE__COUNT(app->refused) && app->refused[i].call &&
           app->refused[i].call != call)
        i++;
    due = !app->refused[i].call || now - app->refused[i].told_ms >= 1000;
    if (due) app->refused[i].told_ms = now;
    app->refused[i].call = call;
    sse__unlock(&app->loop.mutex);
    sse__log(app, due ? SSE_LOG_WARNING : SSE_LOG_DEBUG, "%s", text);
    return error;
}

/* With no more words than those of the error. */
static int sse__config_fail(sse_app *app, int error, const char *what, const char *which) {
    return sse__refuse(app, error, "%s %s: %s", what, which, sse_error_text(error));
}

SSE_API int sse_app_error(sse_app *app, const char **text) {
    int error = SSE_E_ARG;
    if (text) *text = app ? app->why : "there is no app: sse_app_new has logged why";
    if (!app) return error;
    sse__lock(&app->loop.mutex);
    error = app->refusal;
    sse__unlock(&app->loop.mutex);
    return error;
}

/* An option and the values it may have. A lower bound of SSE_OFF: a time that can be turned off. */
typedef struct sse__bounds { const char *name; long long value, min, max; } sse__bounds;

/* Refuses the first of n that is out of its bounds. what: the options, by name. */
static int sse__check_bounds(sse_app *app, const char *what, const sse__bounds *r, size_t n) {
    for (; n > 0; r++, n--) {
        if (r->value >= r->min && r->value <= r->max) continue;
        if (r->max < INT32_MAX)
            return sse__refuse(app, SSE_E_ARG, "%s: .%s %lld: not within %lld..%lld", what, r->name,
                               r->value, r->min, r->max);
        return sse__refuse(app, SSE_E_ARG, "%s: .%s %lld: less than %lld%s", what, r->name,
                           r->value, r->min, r->min == SSE_OFF ? ", SSE_OFF" : "");
    }
    return SSE_OK;
}

/* ---- the thread of the loop ---- */

/* For functions that any thread may call: whether this one may do the work now, or has to post it
   to the loop. While no loop runs, the owner is the thread that ran it last, or made the app. */
static bool sse__is_owner(sse_app *app) {
    bool mine;
    sse__lock(&app->loop.mutex);
    mine = sse__thread_equal(app->loop.owner, sse__thread_self());
    sse__unlock(&app->loop.mutex);
    return mine;
}

/* Whether the calling thread may use the loop's objects: while no loop runs, any thread may. */
static bool sse__on_loop(sse_app *app) {
    bool mine;
    sse__lock(&app->loop.mutex);
    mine = !app->loop.owned || sse__thread_equal(app->loop.owner, sse__thread_self());
    sse__unlock(&app->loop.mutex);
    return mine;
}

#if defined(SSE_NO_THREADS)
static void sse__apps_add(sse_app *app) { (void)app; }
static void sse__apps_remove(sse_app *app) { (void)app; }
#else
/* All apps of the process: only by them is it known whether another thread runs a loop. */
static struct { pthread_mutex_t mutex; sse_app *first; } sse__apps = {
    PTHREAD_MUTEX_INITIALIZER, NULL};

static void sse__apps_add(sse_app *app) {
    pthread_mutex_lock(&sse__apps.mutex);
    app->next       = sse__apps.first;
    sse__apps.first = app;
    pthread_mutex_unlock(&sse__apps.mutex);
}

static void sse__apps_remove(sse_app *app) {
    sse_app **at = &sse__apps.first;
    pthread_mutex_lock(&sse__apps.mutex);
    while (*at && *at != app) at = &(*at)->next;
    if (*at) *at = app->next;
    pthread_mutex_unlock(&sse__apps.mutex);
}

/* The app whose loop runs on a thread, or NULL. sse__apps.mutex is held. */
SSE__UNUSED static sse_app *sse__app_of_loop(sse__thread_id thread) { /* without SQLite */
    sse_app *app   = sse__apps.first;
    bool     found = false;
    for (; app; app = app->next) {
        sse__lock(&app->loop.mutex);
        found = app->loop.owned && sse__thread_equal(app->loop.owner, thread);
        sse__unlock(&app->loop.mutex);
        if (found) break;
    }
    return app;
}
#endif

/* Remembers that a call on the loop failed, for the handler that runs: its silence is then no
   success. */
static int sse__call_failed(sse_app *app, int error) {
    if (app && error < 0 && error != SSE_E_CLOSED && sse__is_owner(app)) app->call_error = error;
    return error;
}

/*==========================================================================
  >>timers   timers, watches and calls of the program
  Uses: >>core >>loop >>sys >>table >>buf    Tests: tests/unit/loop.c
  TI1  A timer or watch ends in whatever callback the program likes, its own
       too, and is not called again.
==========================================================================*/

/* ---- calls ---- */

typedef struct sse__app_call {
    sse__call  call;
    sse_app   *app;
    sse_app_fn fn;
    void      *user;
    bool       asked; /* by sse_call */
} sse__app_call;

static void sse__app_call_run(sse__call *call) {
    sse__app_call *c     = SSE__CONTAINER(call, sse__app_call, call);
    const sse__upcall upcall = sse__upcall_begin(c->asked ? c->app : NULL, SSE__IN_CALL);
    c->fn(c->app, c->user);
    sse__upcall_end(&upcall, "%s", "");
    SSE_FREE(c);
}

/* Calls fn on the loop, from any thread. bytes: the size of what user points to, for W4; 0: the
   program asked, and nobody knows. */
static int sse__app_post(sse_app *app, sse_app_fn fn, void *user, size_t bytes) {
    sse__app_call *c = SSE__NEW(sse__app_call);
    int            error;
    if (!c) return SSE_E_NOMEM;
    c->call.fn    = sse__app_call_run;
    c->call.bytes = sizeof *c + bytes;
    c->app        = app;
    c->fn         = fn;
    c->user       = user;
    c->asked      = !bytes;
    error         = sse__loop_post(&app->loop, &c->call);
    if (error) SSE_FREE(c);
    return error;
}

SSE_API int sse_call(sse_app *app, sse_app_fn fn, void *user) {
    return app && fn ? sse__app_post(app, fn, user, 0) : SSE_E_ARG;
}

/* ---- timers ---- */

typedef struct sse__timer {
    sse__alarm alarm;
    sse_app   *app;
    sse_app_fn fn;
    void      *user;
    uint32_t   slot;           /* in app->timers, until it has ended */
    int        ms, every_ms;   /* as it was asked for; every_ms 0: once */
    bool       running, ended; /* TI1: one that ends while it runs is freed afterwards */
} sse__timer;

static void sse__timer_end(sse__timer *t) {
    sse__slots_remove(&t->app->timers, t->slot);
    t->ended = true;
    if (t->running) return;
    sse__alarm_cancel(&t->alarm);
    SSE_FREE(t);
}

static void sse__timer_fire(sse__alarm *alarm) {
    sse__timer    *t     = SSE__CONTAINER(alarm, sse__timer, alarm);
    sse__wheel    *w     = &t->app->loop.wheel;
    uint64_t       due   = alarm->due + (uint64_t)t->every_ms;
    const sse__upcall upcall = sse__upcall_begin(t->app, SSE__IN_TIMER);
    t->running = true;
    t->app->loop.upcall++;
    if (!t->every_ms) sse__timer_end(t); /* before fn: in there it has already ended */
    t->fn(t->app, t->user);
    sse__upcall_end(&upcall, " of sse_%s, %d ms,", t->every_ms ? "every" : "after", t->ms);
    t->running = false;
    if (t->ended) {
        SSE_FREE(t);
        return;
    }
    if (due <= w->now) due = w->now + (uint64_t)t->every_ms; /* after a stall: no catching up */
    sse__alarm_set(w, alarm, due);
}

static sse_timer sse__timer_start(sse_app *app, int ms, int every_ms, sse_app_fn fn, void *user) {
    sse_timer   handle = {NULL, 0, 0};
    sse__timer *t;
    if (!app || !fn || ms < 0 || !sse__on_loop(app) || app->loop.closing) return handle;
    t = SSE__NEW(sse__timer);
    if (!t) return handle;
    if (!sse__slots_add(&app->timers, t, &handle.slot, &handle.gen)) {
        SSE_FREE(t);
        return handle;
    }
    t->app      = app;
    t->fn       = fn;
    t->user     = user;
    t->slot     = handle.slot;
    t->ms       = ms;
    t->every_ms = every_ms;
    t->alarm.fn = sse__timer_fire;
    sse__alarm_set(&app->loop.wheel, &t->alarm, sse__clock_ms() + (uint64_t)ms);
    handle.app = app;
    return handle;
}

SSE_API sse_timer sse_every(sse_app *app, int ms, sse_app_fn fn, void *user) {
    if (app && ms <= 0 && sse__on_loop(app))
        (void)sse__refuse(app, SSE_E_ARG, "sse_every: %d ms: not within 1..%d", ms, INT32_MAX);
    return sse__timer_start(app, ms > 0 ? ms : -1, ms, fn, user);
}

SSE_API sse_timer sse_after(sse_app *app, int ms, sse_app_fn fn, void *user) {
    if (app && (ms < 0 || !fn))
        sse__refused(app, SSE_E_ARG, "sse_after: %s", fn ? "ms is negative" : "fn is NULL");
    return sse__timer_start(app, ms, 0, fn, user);
}

SSE_API int sse_timer_cancel(sse_timer timer) {
    sse__timer *t = NULL;
    if (timer.app && !sse__on_loop(timer.app)) return SSE_E_THREAD;
    if (timer.app) t = (sse__timer *)sse__slots_get(&timer.app->timers, timer.slot, timer.gen);
    if (!t) return SSE_E_CLOSED;
    sse__timer_end(t);
    return SSE_OK;
}

/* ---- watches ---- */

typedef struct sse__watch {
    sse__source source;
    sse__alarm  alarm;   /* of a plain file, which is always ready; of any: it is to be freed */
    sse__link   link;    /* in app->watches */
    sse_app    *app;
    sse_fd_fn   fn;      /* NULL: of sse_watch_lines */
    sse_line_fn line_fn;
    void       *user;
    sse_buf     line;    /* the beginning of one */
    int         events;
    bool        always;  /* a plain file */
} sse__watch;

enum { SSE__LINE_MAX = 65535, SSE__WATCH_AGAIN_MS = 100 };

static void sse__watch_free(sse__alarm *alarm) {
    sse__watch *w = SSE__CONTAINER(alarm, sse__watch, alarm);
    SSE_ASSERT(w->source.fd < 0); /* W1 */
    sse_buf_free(&w->line);
    SSE_FREE(w);
}

static void sse__watch_end(sse__watch *w) {
    sse__loop *loop = &w->app->loop;
    if (!w->always) sse__poller_remove(&loop->poller, &w->source);
    w->source.fd = -1; /* TI1 */
    sse__list_remove(&w->link);
    w->alarm.fn = sse__watch_free; /* W1 */
    sse__alarm_set(&loop->wheel, &w->alarm, 0);
}

static void sse__lines_emit(sse__watch *w) {
    if (w->line.len && w->line.ptr[w->line.len - 1] == '\r') w->line.len--;
    w->line_fn(w->app, sse_buf_text(&w->line), w->user);
    w->line.len   = 0;
    w->line.error = SSE_OK;
}

static void sse__lines_fire(sse__watch *w) {
    char          bytes[4096];
    const ssize_t n = SSE__SYS(read(w->source.fd, bytes, sizeof bytes));
    ssize_t       i;
    for (i = 0; i < n && w->source.fd >= 0; i++) {
        if (bytes[i] == '\n') sse__lines_emit(w);
        else if (w->line.len < SSE__LINE_MAX) sse__put_char(&w->line, bytes[i]);
    }
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)) || w->source.fd < 0) return;
    if (w->line.len) sse__lines_emit(w); /* a last line without its line break */
    if (w->source.fd < 0) return;
    sse__watch_end(w);
    w->line_fn(w->app, NULL, w->user);
}

static void sse__watch_fire(sse__source *source, int events) {
    sse__watch *w  = SSE__CONTAINER(source, sse__watch, source);
    const int   fd = source->fd;
    sse__upcall upcall;
    if (events & (SSE__HANGUP | SSE__BROKEN)) events |= w->events; /* reading, writing shows it */
    events &= w->events;
    w->app->loop.upcall++;
    upcall = sse__upcall_begin(w->app, SSE__IN_WATCH);
    if (events && w->fn) w->fn(w->app, fd, events, w->user);
    else if (events) sse__lines_fire(w);
    sse__upcall_end(&upcall, " of descriptor %d", fd);
}

/* Once a turn; where that moves nothing, a while later: a watch that does not end at the end of its
   file must not turn the loop for ever. */
static void sse__watch_fire_always(sse__alarm *alarm) {
    sse__watch *w  = SSE__CONTAINER(alarm, sse__watch, alarm);
    const off_t at = lseek(w->source.fd, 0, SEEK_CUR);
    sse__watch_fire(&w->source, w->events);
    if (w->source.fd < 0) return;
    sse__alarm_set(&w->app->loop.wheel, alarm, lseek(w->source.fd, 0, SEEK_CUR) != at
                   ? 0 : w->app->loop.wheel.now + SSE__WATCH_AGAIN_MS);
}

static sse__watch *sse__watch_find(sse_app *app, int fd) { /* a program watches a handful of them */
    sse__link *link;
    for (link = app->watches.next; link != &app->watches; link = link->next) {
        sse__watch *w = SSE__CONTAINER(link, sse__watch, link);
        if (w->source.fd == fd) return w;
    }
    return NULL;
}

/* init: the functions and events that the program gave; no events: the watch of fd ends. */
static int sse__watch_start(sse_app *app, int fd, const sse__watch *init) {
    const char *call = init->fn || !init->events ? "sse_watch" : "sse_watch_lines";
    struct stat st;
    sse__watch *w;
    int         error;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    w = sse__watch_find(app, fd);
    if (w) sse__watch_end(w); /* anew: the number may name another file by now */
    if (!init->events) return SSE_OK;
    if (app->loop.closing) return SSE_E_STATE;
    if (fstat(fd, &st))
        return sse__refused(app, SSE_E_IO, "%s: descriptor %d: %s", call, fd, strerror(errno));
    w = SSE__NEW(sse__watch);
    if (!w) return SSE_E_NOMEM;
    *w           = *init;
    w->app       = app;
    w->source.fd = fd;
    w->source.fn = sse__watch_fire;
    w->alarm.fn  = sse__watch_fire_always;
    errno        = EPERM;
    error        = SSE_E_IO;
    if (!S_ISREG(st.st_mode)) /* epoll does not take it, to poll it is always ready */
        error = sse__poller_add(&app->loop.poller, &w->source, w->events);
    w->always = error == SSE_E_IO && errno == EPERM; /* of others /dev/null */
    if (w->always) w->events &= SSE_READ | SSE_WRITE;
    if (w->always && w->events) {
        error = SSE_OK;
        sse__alarm_set(&app->loop.wheel, &w->alarm, 0);
    }
    if (error) {
        if (error == SSE_E_IO)
            sse__refused(app, error, "%s: descriptor %d cannot be waited for: %s", call, fd,
                         strerror(errno));
        SSE_FREE(w);
        return error;
    }
    sse__list_add(&app->watches, &w->link);
    return SSE_OK;
}

static int sse__watch_no_fd(sse_app *app, const char *call, int fd) {
    return sse__refused(app, SSE_E_ARG, "%s: descriptor %d is none: did opening it fail?", call,
                        fd);
}

SSE_API int sse_watch(sse_app *app, int fd, int events, sse_fd_fn fn, void *user) {
    sse__watch init;
    if (!app) return SSE_E_ARG;
    if (fd < 0) return sse__watch_no_fd(app, "sse_watch", fd);
    if (events & ~(SSE_READ | SSE_WRITE | SSE_PRI))
        return sse__refused(app, SSE_E_ARG,
                            "sse_watch: events %d: of SSE_READ, SSE_WRITE, SSE_PRI, or 0", events);
    if (events && !fn) return sse__refused(app, SSE_E_ARG, "sse_watch: fn is NULL");
    memset(&init, 0, sizeof init);
    init.fn     = fn;
    init.user   = user;
    init.events = events;
    return sse__watch_start(app, fd, &init);
}

SSE_API int sse_watch_lines(sse_app *app, int fd, sse_line_fn fn, void *user) {
    sse__watch init;
    if (!app) return SSE_E_ARG;
    if (fd < 0) return sse__watch_no_fd(app, "sse_watch_lines", fd);
    if (!fn) return sse__refused(app, SSE_E_ARG, "sse_watch_lines: fn is NULL");
    memset(&init, 0, sizeof init);
    init.line_fn = fn;
    init.user    = user;
    init.events  = SSE_READ;
    return sse__watch_start(app, fd, &init);
}

/* ---- the end ---- */

/* The last callbacks of timers, calls and watches. The loop itself stays until all its users are
   freed: see sse_app_free. */
static void sse__app_drain(sse_app *app) {
    sse__loop *loop = &app->loop;
    uint32_t   i;
    sse__lock(&loop->mutex);
    loop->closing = true; /* no more come */
    sse__unlock(&loop->mutex);
    for (i = 0; i < app->timers.used; i++)
        if (app->timers.at[i].item) sse__timer_end((sse__timer *)app->timers.at[i].item);
    SSE_FREE(app->timers.at);
    memset(&app->timers, 0, sizeof app->timers);
    while (loop->taken || loop->calls) sse__loop_run_calls(loop, INT32_MAX);
    while (!sse__list_empty(&app->watches))
        sse__watch_end(SSE__CONTAINER(app->watches.next, sse__watch, link));
    sse__wheel_advance(&loop->wheel, sse__clock_ms()); /* these, and requests that calls finished */
}

/*==========================================================================
  >>offload   work on other threads, its end on the loop
  Uses: >>core >>loop >>sys >>base      Tests: tests/unit/offload.c
  J1  A job that was accepted is done exactly once: it is a call of the loop
      from the start, so that nothing can be missing when its work is over.
  J2  app.disk has one thread: its jobs are done in the order in which they
      were handed over, and wait for no work of the program's.
==========================================================================*/

/* For work that waits (a disk, a name server, a password's hash), so a few threads whatever the
   processors. A longer queue would only hide that the work cannot be done in time. */
enum { SSE__POOL_THREADS = 4, SSE__POOL_WAITING = 1000 };

#if defined(SSE_NO_THREADS)
static int sse__pool_do(sse_app *app, struct sse__pool **at, sse_app_fn work, sse_app_fn done,
                        void *user) {
    (void)app, (void)at, (void)work, (void)done, (void)user;
    return SSE_E_NOT_BUILT;
}

static void sse__disk_wait(sse_app *app) { (void)app; }
#else
typedef struct sse__job {
    sse__call  call; /* J1 */
    sse_app   *app;
    sse_app_fn work, done;
    void      *user;
    bool       asked; /* by sse_offload */
} sse__job;

typedef struct sse__pool {
    int             limit; /* of threads */
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t  changed;
    sse__call      *jobs, **jobs_end;
    int             waiting, idle, count;
    bool            closing;
    pthread_t       threads[SSE__POOL_THREADS];
} sse__pool;

static void sse__job_landed(sse__call *call) { /* on the loop */
    sse__job      *job   = SSE__CONTAINER(call, sse__job, call);
    const sse__upcall upcall = sse__upcall_begin(job->asked ? job->app : NULL, SSE__IN_DONE);
    if (job->done) job->done(job->app, job->user);
    sse__upcall_end(&upcall, "%s", "");
    SSE_FREE(job);
}

/* mutex held. NULL: it closes, and no job is left. */
static sse__job *sse__pool_take(sse__pool *pool) {
    sse__call *call;
    pool->idle++;
    pthread_cond_broadcast(&pool->changed);
    while (!pool->jobs && !pool->closing) pthread_cond_wait(&pool->changed, &pool->mutex);
    pool->idle--;
    call = pool->jobs;
    if (!call) return NULL; /* not before: accepted jobs are done, closing or not (J1) */
    pool->jobs = call->next;
    if (!pool->jobs) pool->jobs_end = &pool->jobs;
    pool->waiting--;
    call->next = NULL;
    return SSE__CONTAINER(call, sse__job, call);
}

static void *sse__pool_thread(void *user) {
    sse__pool *pool = (sse__pool *)user;
    sse__job  *job;
    pthread_mutex_lock(&pool->mutex);
    while ((job = sse__pool_take(pool)) != NULL) {
        int error;
        pthread_mutex_unlock(&pool->mutex);
        job->work(job->app, job->user);
        error = sse__loop_post(&job->app->loop, &job->call);
        SSE_ASSERT(!error); /* J1: the loop closes after the pool, and the call has no bytes */
        (void)error;
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* One thread more. Signals are for the threads of the program. */
static bool sse__pool_start(sse__pool *pool) {
    sigset_t all, before;
    int      error;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&pool->threads[pool->count], NULL, sse__pool_thread, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error) pool->count++;
    return !error;
}

/* Waits until all accepted work is over; its done functions are among the calls of the loop
   then. */
static void sse__pool_close(sse__pool **at) {
    sse__pool *pool = *at;
    int        i;
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (i = 0; i < pool->count; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->changed);
    SSE_FREE(pool);
    *at = NULL;
}

static void sse__pools_close(sse_app *app) {
    sse__pool_close(&app->pool);
    sse__pool_close(&app->disk);
    sse__pool_close(&app->packer);
}

/* at: one of the pools of app, made by its first job. done NULL: nothing is. */
static int sse__pool_do(sse_app *app, sse__pool **at, sse_app_fn work, sse_app_fn done,
                        void *user) {
    sse__pool *pool = *at;
    sse__job  *job;
    bool       start;
    int        error = SSE_OK;
    if (app->loop.closing) return SSE_E_STATE;
    if (!pool) {
        pool = SSE__NEW(sse__pool);
        if (!pool) return SSE_E_NOMEM;
        app->stages[SSE__END_POOLS] = sse__pools_close;
        pool->limit    = at == &app->pool ? SSE__POOL_THREADS : 1; /* J2 */
        pool->jobs_end = &pool->jobs;
        pthread_mutex_init(&pool->mutex, NULL);
        pthread_cond_init(&pool->changed, NULL);
        *at = pool;
    }
    job = SSE__NEW(sse__job);
    if (!job) return SSE_E_NOMEM;
    job->call.fn = sse__job_landed;
    job->app     = app;
    job->work    = work;
    job->done    = done;
    job->user    = user;
    job->asked   = at == &app->pool;
    pthread_mutex_lock(&pool->mutex);
    /* A thread starts when none is idle for the job, and stays. That it cannot is an error only if
       there is no other, which would come to the job in the end. */
    start = pool->idle <= pool->waiting && pool->count < pool->limit;
    if (pool->waiting >= SSE__POOL_WAITING) error = SSE_E_FULL;
    else if (start && !sse__pool_start(pool) && !pool->count) error = SSE_E_IO;
    else {
        *pool->jobs_end = &job->call;
        pool->jobs_end  = &job->call.next;
        pool->waiting++;
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (error) SSE_FREE(job);
    return error;
}

/* Waits until all jobs of the disk's thread are over; their done functions are among the calls of
   the loop then. */
static void sse__disk_wait(sse_app *app) {
    sse__pool *pool = app->disk;
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    while (pool->jobs || pool->idle < pool->count) pthread_cond_wait(&pool->changed, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}
#endif

SSE_API int sse_offload(sse_app *app, sse_app_fn work, sse_app_fn done, void *user) {
    if (!app || !work) return sse__call_failed(app, SSE_E_ARG);
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    return sse__call_failed(app, sse__pool_do(app, &app->pool, work, done, user));
}

static int sse__disk_do(sse_app *app, sse_app_fn work, sse_app_fn done, void *user) { /* J2 */
    return sse__pool_do(app, &app->disk, work, done, user);
}

/* One at a time: others need the cores, too. */
static int sse__packer_do(sse_app *app, sse_app_fn work, sse_app_fn done, void *user) {
    return sse__pool_do(app, &app->packer, work, done, user);
}

/*==========================================================================
  >>db   SQLite: formats become bound statements
  Uses: >>timers >>core >>sys >>format >>text >>buf >>base    Tests: tests/unit/db.c

  A sse_db owns a connection and the statements prepared on it, which are
  kept for the next time. Each is a sse_rows:

      empty  --[sse__stmt_prepare]-->  idle  --[sse__sql_bind]-->   busy
        ^                              |  ^                          |
        +------[sse__stmt_clear]-------+  +-----[sse__rows_end]------+

  busy: its values are bound, and at_row tells whether there is a row to be
  read; idle: it is in the cache, by its SQL.

  D1  No value ever becomes part of the SQL text.
  D2  A statement that is busy belongs to one sse_rows and to nobody else;
      idle ones are reset, hold no lock and no value.
  D3  Every failure goes through sse__db_count, for the handler that runs.
  D4  db->pending names all tables that statements run here may have
      changed since >>changes last took it; too many names, never too few.
      What was rolled back stays named: it costs one render.
  D6  What sse_db_write has to undo is undone before anything else runs, or
      nothing does: a transaction left open would swallow later statements.
  D7  What a thread that runs a loop uses, no other thread does, until the
      loop has ended; from a thread without one a db goes to any other.
==========================================================================*/

/* Failures of this thread's databases. They know no app and no handler, and are the thread's
   because work on another thread opens a sse_db of its own, whose failures are no concern of the
   handler that runs meanwhile. A handler that stays silent after a failure has not succeeded. */
static SSE__THREAD struct {
    unsigned long failed;          /* calls, so far: D3 */
    char          words[300];      /* of the latest of them, for a log */
    const sse_db *broken;          /* did not open, or was not migrated: no app listens */
    uint32_t      broken_by;
    char          broken_why[300];
} sse__db_faults;

/* broken_by. All lists are one: a list that went well is the one that failed before. */
enum { SSE__BROKEN_OPEN = 0, SSE__BROKEN_LIST = 1, SSE__BROKEN_SCRIPT = 2 /* and a hash of it */ };

static unsigned long sse__db_error_count(void) { return sse__db_faults.failed; }

/* Whether to log the words of the latest failure: each text once a second, and by the size of the
   table at most 16 of them, so that a peer that makes calls fail cannot fill the disk. */
static bool sse__db_log_due(sse_app *app) {
    uint64_t      *told   = &app->db_logged_at[sse__hash(sse__text(sse__db_faults.words)) % 16];
    const uint64_t second = app->loop.wheel.now / 1000 + 1; /* + 1: 0 is never */
    if (*told == second) return false;
    *told = second;
    return true;
}

#ifndef SSE_NO_SQLITE

#include <sqlite3.h>

/* D3. file: its name, for a log; NULL: the words have it, or there is none. */
static void sse__db_count(const char *file, const char *words) {
    sse__db_faults.failed++;
    snprintf(sse__db_faults.words, sizeof sse__db_faults.words, "%s%s%s", file ? file : "",
             file ? ": " : "", words);
}

enum { SSE__DB_STATEMENTS = 64 }; /* kept prepared; more only while more are open at once */

/* Tables that are written, "main.msgs" each with its NUL; or all, where the names cannot be
   known. */
typedef struct sse__table_set {
    sse_buf list;
    bool    all;
    bool    transaction; /* not only tables: it begins or ends a transaction or savepoint */
} sse__table_set;

/* A value on its way from the format to the statement. */
typedef struct sse__value {
    char        conv;
    long long   i;
    double      f;
    const char *p; /* %s %p: n bytes; NULL: NULL */
    size_t      n;
} sse__value;

/* A format that was read: its text has a ? for each value. */
typedef struct sse__sql {
    const char *format;
    sse_str     text;
    sse__value *values;
    size_t      count;
} sse__sql;

struct sse_rows {
    sse_rows      *next; /* in db->statements, the latest used first */
    sse_db        *db;
    sqlite3_stmt  *stmt; /* NULL: empty */
    sse_buf        sql;
    bool           busy, at_row;
    int            error;   /* of a column; ends the rows at the next step */
    size_t         count;   /* rows so far */
    sse__table_set written; /* when it runs, triggers and cascades included */
};

struct sse_db {
    sqlite3       *raw;
    pid_t          process;      /* that opened it */
    sse__thread_id thread;       /* that opened it, or used it last: D7 */
    char          *file;         /* NULL: attached */
    int            busy_ms;
    bool           read_only;
    bool           raw_given;    /* the program may hold the connection itself */
    int            open_error, error;
    sse_buf        message;
    size_t         max_rows;
    sse_rows      *statements;
    int            statement_count;
    sse_buf        text;         /* scratch of one call: of its sse__sql */
    sse__value    *values;
    size_t         values_cap;
    sse__table_set pending;      /* D4 */
    sse__table_set raw_writes;   /* of statements prepared through sse_db_raw: may run any time */
    sse__table_set *recording;   /* where the authorizer puts names; NULL: raw_writes */
    bool           authorized;   /* our authorizer was called */
    bool           schemas_changed; /* ATTACH or DETACH was seen */
    int            undo_due;     /* D6: so many savepoints; -1: the whole transaction */
    void         (*on_close)(void *user); /* >>changes lets go of the connection */
    void          *on_close_user;
    sse_db        *writer;       /* the rest is of >>posts */
    int            writer_jobs;
    uint64_t       writer_since;
    bool           is_writer, closing, posting, setting;
    volatile int   stale;
    struct sse__dbposts *posts;
    struct sse__dbpost  *waiting, **waiting_end;
    int            waiting_count;
};

/* upcalls, defined in >>posts */
static void sse__dbposts_end(sse_db *db);

/* ---- tables ---- */

static void sse__table_set_add(sse__table_set *set, const char *schema, const char *table) {
    sse_buf     *list = &set->list; /* table NULL: schema is the whole name */
    const size_t from = list->len;
    size_t       at;
    sse_puts(list, schema);
    if (table) sse_puts(list, ".");
    sse_puts(list, table);
    sse__put_char(list, '\0');
    if (list->error) { /* D4: no memory for a name, so it is all of them */
        list->error = SSE_OK;
        list->len   = from;
        set->all    = true;
        return;
    }
    for (at = 0; strcmp(list->ptr + at, list->ptr + from) != 0;) at += strlen(list->ptr + at) + 1;
    if (at < from) list->len = from; /* known already */
}

static void sse__table_set_merge(sse__table_set *to, const sse__table_set *from) {
    size_t at;
    if (from->all) to->all = true;
    for (at = 0; at < from->list.len; at += strlen(from->list.ptr + at) + 1)
        sse__table_set_add(to, from->list.ptr + at, NULL);
}

static void sse__table_set_clear(sse__table_set *set) {
    set->list.len = 0;
    set->all = set->transaction = false;
}

/* "main.sse_events": >>history keeps its events there. */
static bool sse__table_is_ours(sse_str name) {
    const char   *dot   = (const char *)memchr(name.ptr, '.', name.len);
    const sse_str table = dot ? sse__str_skip(name, (size_t)(dot - name.ptr) + 1) : name;
    return sse__eq(table, SSE__LIT("sse_sequence")) || sse__eq(table, SSE__LIT("sse_topics")) ||
           sse__eq(table, SSE__LIT("sse_events"));
}

/* Do the words of tables, "msgs aux.users", name changed, "main.msgs"? Without tables all do that
   are not ours: an event that is kept changes nothing that the program shows. If changed is
   absent they do. A name without a schema means that table in any: which one SQLite takes it for
   may change with the next ATTACH. */
static bool sse__tables_include(sse_str tables, sse_str changed) {
    if (!changed.ptr) return true;
    if (tables.len == 0) return !sse__table_is_ours(changed);
    while (tables.ptr) {
        const sse_str word = sse__cut(&tables, ' ', false);
        const size_t  skip = changed.len - word.len;
        if (sse__eq(word, SSE__LIT("*"))) return true;
        if (word.len == 0 || word.len > changed.len) continue;
        if (!sse__eq_nocase(word, sse__str_skip(changed, skip))) continue;
        if (skip == 0 || changed.ptr[skip - 1] == '.') return true;
    }
    return false;
}

/* ---- errors ---- */

/* Records an error as the latest: D3. text: what SQLite or we say; sql: the statement it is about,
   or db->file; both may be NULL. */
static int sse__db_fail(sse_db *db, int error, const char *text, const char *sql) {
    const char *file = db->file;
    if (!file && db->raw) file = sqlite3_db_filename(db->raw, "main");
    if (file && (!*file || sql == db->file || strcmp(file, ":memory:") == 0)) file = NULL;
    db->error         = error;
    db->message.len   = 0;
    db->message.error = SSE_OK;
    sse_puts(&db->message, text ? text : sse_error_text(error));
    if (sql && sql[0]) sse_printf(&db->message, " [%s]", sql);
    sse__db_count(file, sse_buf_text(&db->message));
    return error;
}

/* Translates a result code of SQLite. sql: the statement it is about, for the message. */
static int sse__db_check(sse_db *db, int rc, const char *sql) {
    switch (rc & 0xFF) {
    case SQLITE_OK: case SQLITE_ROW: case SQLITE_DONE: return SSE_OK;
    case SQLITE_NOMEM: return sse__db_fail(db, SSE_E_NOMEM, NULL, sql);
    case SQLITE_CONSTRAINT: return sse__db_fail(db, SSE_E_CONFLICT, sqlite3_errmsg(db->raw), sql);
    case SQLITE_BUSY: case SQLITE_LOCKED: break;
    default: return sse__db_fail(db, SSE_E_DB, sqlite3_errmsg(db->raw), sql);
    }
    if (sqlite3_extended_errcode(db->raw) != SQLITE_BUSY_SNAPSHOT)
        return sse__db_fail(db, SSE_E_BUSY, sqlite3_errmsg(db->raw), sql);
    return sse__db_fail(db, SSE_E_STATE, sqlite3_get_autocommit(db->raw)
        ? "a query that is still open reads what was there before another's commit: end it "
          "(sse_db_done) before writing, or do both in sse_db_write"
        : "the transaction began by reading, and another connection has committed since: roll it "
          "back and begin again, with sse_db_write, which takes the lock first", sql);
}

/* Notes that db is broken, for the reason in its message, or no longer is, as a later try
   succeeded. Success of another script does not make up for the one that failed. */
static int sse__db_broke(sse_db *db, uint32_t by, int error) {
    const bool same = sse__db_faults.broken == db && sse__db_faults.broken_by == by;
    if (!error && same) sse__db_faults.broken = NULL;
    if (!error || sse__db_faults.broken) return error;
    sse__db_faults.broken    = db;
    sse__db_faults.broken_by = by;
    snprintf(sse__db_faults.broken_why, sizeof sse__db_faults.broken_why, "%s",
             sse__db_faults.words);
    return error;
}

/* SQLite's locks belong to the process that took them: a child that goes on with its parent's
   connection loses commits, or damages the file. Spec: sqlite.org/howtocorrupt.html 2.6. */
static bool sse__db_is_elsewhere(const sse_db *db) {
    return db && !db->open_error && db->process != getpid();
}

static int sse__db_fail_elsewhere(sse_db *db) {
    char text[200];
    snprintf(text, sizeof text, "the database was opened by process %ld, this is %ld: open it "
             "after fork() or daemon()", (long)db->process, (long)getpid());
    return sse__db_fail(db, SSE_E_STATE, text, db->file);
}

static const char sse__db_astray[] =
    "a database is used on one thread, and the loop of another uses this one: open one for this "
    "thread, with sse_db_open";

#if defined(SSE_NO_THREADS)
static bool sse__db_is_astray(const sse_db *db) { return (void)db, false; }
static bool sse__db_adopt(sse_db *db) { return (void)db, true; }
#else
static bool sse__db_is_astray(const sse_db *db) { /* D7. It may be NULL */
    bool astray;
    if (!db || db->is_writer || sse__thread_equal(db->thread, sse__thread_self())) return false;
    pthread_mutex_lock(&sse__apps.mutex);
    astray = sse__app_of_loop(db->thread) != NULL;
    pthread_mutex_unlock(&sse__apps.mutex);
    return astray;
}

static void sse__db_say_astray(sse_app *app, void *user) { /* a call of the loop: frees user */
    (void)sse__refused(app, SSE_E_THREAD, "sse_db: %s: %s", (char *)user, sse__db_astray);
    SSE_FREE(user);
}

/* False: a loop on another thread has it, and its app is told; nothing of db is touched then. */
static bool sse__db_adopt(sse_db *db) { /* D7 */
    sse_app *app;
    char    *file;
    if (!db || db->is_writer || sse__thread_equal(db->thread, sse__thread_self())) return true;
    pthread_mutex_lock(&sse__apps.mutex);
    app = sse__app_of_loop(db->thread);
    if (app) {
        file = sse__strdup(sse__text(db->file ? db->file : "attached"));
        if (file && sse__app_post(app, sse__db_say_astray, file, strlen(file) + 1)) SSE_FREE(file);
    } else db->thread = sse__thread_self();
    pthread_mutex_unlock(&sse__apps.mutex);
    if (app) sse__db_count(db->file, sse__db_astray);
    return !app;
}
#endif

/* D6. Undoing needs memory, too. A savepoint that the program has ended is none of ours. False: not
   yet. */
static bool sse__db_undo_due(sse_db *db) {
    while (db->undo_due && !sqlite3_get_autocommit(db->raw)) {
        const bool  nested = db->undo_due > 0;
        const char *undo   = nested ? "ROLLBACK TO sse_write; RELEASE sse_write" : "ROLLBACK";
        const int   rc     = sqlite3_exec(db->raw, undo, NULL, NULL, NULL);
        if (rc == SQLITE_NOMEM || (rc != SQLITE_OK && !nested)) return false;
        db->undo_due = nested ? db->undo_due - 1 : 0;
    }
    db->undo_due = 0;
    return true;
}

/* False if the database did not open; else the latest error is forgotten. */
static bool sse__db_ready(sse_db *db) {
    if (!db || db->open_error) {
        sse__db_count(NULL, db && db->message.len ? sse_buf_text(&db->message)
                                                  : "the database is NULL");
        return false;
    }
    if (!sse__db_undo_due(db)) {
        sse__db_fail(db, SSE_E_NOMEM, "a transaction is still to be rolled back: out of memory",
                     NULL);
        return false;
    }
    db->error = SSE_OK;
    return true;
}

/* Every public function begins with it, but the rows of a query, which ask once: it costs a system
   call. */
static bool sse__db_enter(sse_db *db) {
    if (!sse__db_is_elsewhere(db)) return sse__db_adopt(db) && sse__db_ready(db);
    sse__db_fail_elsewhere(db);
    return false;
}

static int sse__db_open_error(const sse_db *db) { return db ? db->open_error : SSE_E_NOMEM; }

static int sse__db_status(const sse_db *db) {
    const int error = sse__db_open_error(db);
    if (sse__db_is_astray(db)) return SSE_E_THREAD;
    return error ? error : db->error;
}

SSE_API int sse_db_error(sse_db *db, const char **text) {
    const int error = sse__db_is_elsewhere(db) ? sse__db_fail_elsewhere(db) : sse__db_status(db);
    bool      told  = false; /* memory may have lacked */
    if (error == SSE_E_THREAD && sse__db_is_astray(db)) {
        sse__db_count(db->file, sse__db_astray);
        if (text) *text = sse__db_faults.words;
        return error;
    }
    if (db) told = db->message.len && !db->message.error;
    if (text) *text = !error ? "" : told ? sse_buf_text(&db->message) : sse_error_text(error);
    return error;
}

/* ---- which tables a statement writes ---- */

#ifndef SQLITE_OMIT_AUTHORIZATION
/* The authorizer: SQLite calls it for each table while the statement is prepared. */
static int sse__db_authorize(void *user, int action, const char *a, const char *b,
                             const char *schema, const char *trigger) { /* SQLite wants all six */
    sse_db         *db = (sse_db *)user;
    sse__table_set *to = db->recording ? db->recording : &db->raw_writes;
    (void)trigger;
    db->authorized = true;
    switch (action) {
    case SQLITE_INSERT: case SQLITE_UPDATE: case SQLITE_DELETE: /* also of triggers and cascades */
        sse__table_set_add(to, schema ? schema : "main", a ? a : "");
        break;
    case SQLITE_CREATE_TABLE: case SQLITE_DROP_TABLE: case SQLITE_ALTER_TABLE:
    case SQLITE_CREATE_VIEW: case SQLITE_DROP_VIEW:
    case SQLITE_CREATE_VTABLE: case SQLITE_DROP_VTABLE: /* a name may come to mean something else */
        to->all = true;
        break;
    case SQLITE_ATTACH: case SQLITE_DETACH:
        db->schemas_changed = db->setting = true;
        break;
    case SQLITE_PRAGMA: /* b: its value. Many act while they are prepared */
        if (b) db->setting = true;
        break;
    case SQLITE_CREATE_TEMP_TABLE: db->schemas_changed = true; break;
    case SQLITE_TRANSACTION: case SQLITE_SAVEPOINT: to->transaction = true; break;
    default: break;
    }
    return db->posting && db->setting ? SQLITE_DENY : SQLITE_OK;
}
#endif

/* False: the authorizer is not, or no longer, ours, and nothing is known of D4. */
static bool sse__db_sees_tables(sse_db *db) {
    sqlite3_stmt *stmt = NULL;
    db->authorized = false;
    sqlite3_prepare_v2(db->raw, "SELECT 1", -1, &stmt, NULL);
    sqlite3_finalize(stmt);
    return db->authorized;
}

/* A virtual table, "main.docs", keeps its rows in other tables, through statements of its own
   that we do not see run. It has no pages of its own. */
static bool sse__db_is_virtual(sse_db *db, const char *name) {
    const char   *table = strchr(name, '.') + 1;
    char         *sql   = sqlite3_mprintf("SELECT 1 FROM \"%.*w\".sqlite_master WHERE rootpage = 0"
                                          " AND type = 'table' AND name = %Q COLLATE NOCASE",
                                          (int)(table - name) - 1, name, table);
    sqlite3_stmt *stmt  = NULL;
    bool          found = true; /* D4: if it cannot be found out */
    if (sql && sqlite3_prepare_v2(db->raw, sql, -1, &stmt, NULL) == SQLITE_OK)
        found = sqlite3_step(stmt) != SQLITE_DONE;
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return found;
}

/* D4: tables that the authorizer alone misses. */
static void sse__db_complete_tables(sse_db *db, sse_rows *r) {
    sse__table_set *set = &r->written;
    size_t          at;
    if (sqlite3_stmt_readonly(r->stmt)) return;
    if (!db->authorized) set->all = true; /* the connection or its authorizer is the program's */
    for (at = 0; at < set->list.len && !set->all; at += strlen(set->list.ptr + at) + 1)
        set->all = sse__db_is_virtual(db, set->list.ptr + at);
}

/* "msgs" or "aux.msgs": a table, not a view. */
static bool sse__db_has_table(sse_db *db, sse_str name) {
    const char *dot   = (const char *)memchr(name.ptr, '.', name.len);
    char       *text  = sse__strdup(name);
    bool        found = true; /* without memory */
    if (!text) return found;
    if (dot) text[dot - name.ptr] = '\0';
    /* asked for no column, SQLite tells whether it is there */
    found = sqlite3_table_column_metadata(db->raw, dot ? text : NULL,
                                          dot ? text + (dot - name.ptr) + 1 : text, NULL, NULL,
                                          NULL, NULL, NULL, NULL) == SQLITE_OK;
    SSE_FREE(text);
    return found;
}

/* ---- statements ---- */

static bool sse__value_take(sse__value *v, const sse__fmt_spec *spec) { /* false: not to be bound */
    const sse_str *blob = (const sse_str *)spec->p;
    memset(v, 0, sizeof *v);
    v->conv = spec->conv;
    v->i    = spec->i;
    v->f    = spec->f;
    switch (spec->conv) {
    case 's':
        v->p = (const char *)spec->p;
        v->n = v->p ? sse__bounded_len(v->p, spec->precision) : 0;
        return spec->width == 0 && !*spec->flags;
    case 'p':
        v->p = blob ? blob->ptr : NULL;
        v->n = blob ? blob->len : 0;
        return spec->plain;
    case 'u':
        v->i = (long long)spec->u;
        return spec->plain && spec->u <= (unsigned long long)INT64_MAX;
    case 'x': case 'X': case 'o': return false;
    default: return spec->plain;
    }
}

/* Reads a format into *sql, which is valid until the next call with db: D1. */
static int sse__sql_read(sse_db *db, sse__sql *sql, const char *fmt, va_list ap) {
    void         *values = db->values;
    sse__args     args;
    sse__fmt_spec spec;
    int           error = SSE_OK;
    sql->format  = fmt;
    sql->count   = 0;
    db->text.len = 0;
    va_copy(args.ap, ap);
    while (!error && sse__fmt_next(&spec, &fmt, &args, &error)) {
        sse__put_str(&db->text, spec.literal);
        if (!spec.conv) continue;
        sse__put_char(&db->text, '?'); /* D1 */
        if (!sse__grow(&values, &db->values_cap, sql->count, sizeof *db->values)) {
            error = SSE_E_NOMEM;
            break;
        }
        db->values = (sse__value *)values;
        if (!sse__value_take(&db->values[sql->count++], &spec)) error = SSE_E_ARG; /* D1 */
    }
    va_end(args.ap);
    if (db->text.error) error = db->text.error;
    db->text.error = SSE_OK;
    sql->text      = sse__str(db->text.ptr, db->text.len);
    sql->values    = db->values;
    if (!error) return SSE_OK;
    return sse__db_fail(db, error, error != SSE_E_ARG ? NULL : "only %s %d %lld %u %f %p and their "
                        "kind are bound, without flags or width, and up to INT64_MAX", sql->format);
}

static void sse__stmt_clear(sse_rows *r) {
    sqlite3_finalize(r->stmt);
    r->stmt    = NULL;
    r->sql.len = 0;
    sse__table_set_clear(&r->written);
}

/* A statement to prepare, at the front of db->statements: an empty one, a new one, or the least
   recently used of those that are idle. NULL without memory. */
static sse_rows *sse__stmt_slot(sse_db *db) {
    sse_rows **link, **idle = NULL, *r;
    for (link = &db->statements; *link; link = &(*link)->next)
        if (!(*link)->busy && (!idle || (*idle)->stmt)) idle = link;
    if (idle && (!(*idle)->stmt || db->statement_count >= SSE__DB_STATEMENTS)) {
        r     = *idle;
        *idle = r->next;
        sse__stmt_clear(r);
    } else {
        r = SSE__NEW(sse_rows);
        if (!r) return NULL;
        r->db = db;
        db->statement_count++;
    }
    r->next        = db->statements;
    db->statements = r;
    return r;
}

static int sse__stmt_prepare(sse_db *db, sse_rows *r) {
    sse__table_set *recording = db->recording;
    const char     *sql = sse_buf_text(&r->sql), *tail = "";
    sqlite3_stmt   *more = NULL;
    int             rc;
    db->authorized = false;
    db->recording  = &r->written;
    rc             = sqlite3_prepare_v2(db->raw, sql, -1, &r->stmt, &tail);
    if (rc == SQLITE_OK && r->stmt && *tail)
        rc = sqlite3_prepare_v2(db->raw, tail, -1, &more, NULL); /* NULL for blanks and comments */
    db->recording = recording;
    sqlite3_finalize(more);
    if (rc != SQLITE_OK) return sse__db_check(db, rc, sql);
    if (!r->stmt) return sse__db_fail(db, SSE_E_ARG, "there is no statement", sql);
    if (more)
        return sse__db_fail(db, SSE_E_ARG, "more than one statement (sse_db_migrate runs scripts)",
                            sql);
    sse__db_complete_tables(db, r);
    return SSE_OK;
}

/* An idle statement for sql; prepared if it is not at hand. NULL after an error. */
static sse_rows *sse__stmt_get(sse_db *db, const sse__sql *sql) {
    sse_rows **link, *r;
    for (link = &db->statements; (r = *link) != NULL; link = &r->next) /* D2 */
        if (!r->busy && r->stmt && sse__eq(sse__str(r->sql.ptr, r->sql.len), sql->text)) break;
    if (r) {
        *link          = r->next;
        r->next        = db->statements;
        db->statements = r;
        return r;
    }
    r = sse__stmt_slot(db);
    if (r) sse__put_str(&r->sql, sql->text);
    if (!r || r->sql.error) {
        if (r) r->sql.error = SSE_OK;
        sse__db_fail(db, SSE_E_NOMEM, NULL, sql->format);
        return NULL;
    }
    if (sse__stmt_prepare(db, r) == SSE_OK) return r;
    sse__stmt_clear(r);
    return NULL;
}

static int sse__value_bind(sqlite3_stmt *stmt, int i, const sse__value *v,
                           sqlite3_destructor_type lifetime) {
    const char c = (char)v->i;
    switch (v->conv) {
    case 's': return sqlite3_bind_text64(stmt, i, v->p, v->n, lifetime, SQLITE_UTF8);
    case 'p': return sqlite3_bind_blob64(stmt, i, v->p, v->n, lifetime);
    case 'd': case 'u': return sqlite3_bind_int64(stmt, i, v->i);
    case 'c': return sqlite3_bind_text(stmt, i, &c, 1, SQLITE_TRANSIENT);
    default: return sqlite3_bind_double(stmt, i, v->f);
    }
}

static void sse__rows_end(sse_rows *r) { /* D2. The error of the last step is known already */
    sqlite3_reset(r->stmt);
    sqlite3_clear_bindings(r->stmt);
    r->busy = r->at_row = false;
}

/* The statement of sql, with its values bound. lifetime: SQLITE_STATIC where the values outlive it.
   NULL after an error. */
static sse_rows *sse__sql_bind(sse_db *db, const sse__sql *sql, sqlite3_destructor_type lifetime) {
    sse_rows *r  = sse__stmt_get(db, sql);
    int       rc = SQLITE_OK;
    size_t    i;
    if (!r) return NULL;
    SSE_ASSERT(!r->busy); /* D2 */
    if ((size_t)sqlite3_bind_parameter_count(r->stmt) != sql->count) {
        sse__db_fail(db, SSE_E_ARG, "as many ? as conversions are wanted: a %s in quotes or in a "
                     "comment is text, and a ? of your own has no value", sql->format);
        return NULL;
    }
    for (i = 0; i < sql->count && rc == SQLITE_OK; i++)
        rc = sse__value_bind(r->stmt, (int)i + 1, &sql->values[i], lifetime);
    if (sse__db_check(db, rc, sse_buf_text(&r->sql)) != SSE_OK) {
        sse__rows_end(r);
        return NULL;
    }
    r->busy  = true;
    r->error = SSE_OK;
    r->count = 0;
    return r;
}

/* The statement of a format, with its values bound. NULL after an error. */
static sse_rows *sse__db_start(sse_db *db, sqlite3_destructor_type lifetime, const char *fmt,
                               va_list ap) {
    sse__sql sql;
    if (!sse__db_enter(db)) return NULL;
    if (!fmt) sse__db_fail(db, SSE_E_ARG, "the SQL is NULL", NULL);
    if (!fmt || sse__sql_read(db, &sql, fmt, ap) != SSE_OK) return NULL;
    return sse__sql_bind(db, &sql, lifetime);
}

/* sqlite3_step. A statement whose tables changed under it is prepared again in there, and may
   write to others now; any other statement prepared meanwhile comes from SQL functions of the
   program, which may run it again whenever they like. D4 */
static int sse__rows_step(sse_rows *r) {
    sse_db         *db        = r->db;
    sse__table_set *recording = db->recording, seen;
    int             rc;
    memset(&seen, 0, sizeof seen);
    sse__table_set_merge(&db->pending, &r->written);
    db->recording = &seen;
    rc            = sqlite3_step(r->stmt);
    db->recording = recording;
    if (!r->written.all && (seen.all || seen.list.len)) {
        const bool again = sqlite3_stmt_status(r->stmt, SQLITE_STMTSTATUS_REPREPARE, 1) != 0;
        sse__table_set_merge(&db->pending, &seen);
        sse__table_set_merge(again ? &r->written : &db->raw_writes, &seen);
    }
    sse_buf_free(&seen.list);
    return rc;
}

/* Runs a bound statement to its end. Returns how many rows it changed, or an error. */
static int sse__rows_exec(sse_rows *r) {
    sqlite3  *raw    = r->db->raw;
    const int before = sqlite3_total_changes(raw);
    int       rc;
    do {
        rc = sse__rows_step(r);
    } while (rc == SQLITE_ROW);
    rc = sse__db_check(r->db, rc, sse_buf_text(&r->sql));
    sse__rows_end(r);
    if (rc != SSE_OK) return rc;
    /* sqlite3_changes may still hold the number of an earlier statement */
    return sqlite3_total_changes(raw) == before ? 0 : sqlite3_changes(raw);
}

SSE_API int sse_db_exec(sse_db *db, const char *sql, ...) {
    va_list   ap;
    sse_rows *r;
    va_start(ap, sql);
    r = sse__db_start(db, SQLITE_STATIC, sql, ap);
    va_end(ap);
    return r ? sse__rows_exec(r) : sse__db_status(db);
}

SSE_API int sse_db_one(sse_db *db, long long *value, const char *sql, ...) {
    va_list   ap;
    sse_rows *r;
    int       rc, result;
    long long found = 0;
    if (value) *value = 0;
    va_start(ap, sql);
    r = sse__db_start(db, SQLITE_STATIC, sql, ap);
    va_end(ap);
    if (!r) return sse__db_status(db);
    rc     = sse__rows_step(r);
    result = rc != SQLITE_ROW || sqlite3_column_type(r->stmt, 0) == SQLITE_NULL;
    if (!result) found = sqlite3_column_int64(r->stmt, 0);
    if (rc == SQLITE_ROW) rc = sse__rows_step(r); /* INSERT ... RETURNING takes effect at its end */
    if (sse__db_check(db, rc, sse_buf_text(&r->sql)) != SSE_OK) result = db->error;
    if (value && !result) *value = found;
    sse__rows_end(r);
    return result;
}

SSE_API sse_rows *sse_db_query(sse_db *db, const char *sql, ...) {
    va_list   ap;
    sse_rows *r;
    va_start(ap, sql);
    r = sse__db_start(db, SQLITE_TRANSIENT, sql, ap);
    va_end(ap);
    return r;
}

/* ---- rows ---- */

static int sse__rows_fail(sse_rows *r, int error, const char *text) {
    return sse__db_fail(r->db, error, text, sse_buf_text(&r->sql));
}

SSE_API bool sse_db_next(sse_rows *rows) {
    int rc;
    if (!rows || !rows->busy) return false;
    if (!(rows->count ? sse__db_ready(rows->db) : sse__db_enter(rows->db))) return false;
    rows->at_row = false;
    if (rows->error) sse__rows_fail(rows, rows->error, "there is no such column");
    else {
        rc           = sse__rows_step(rows);
        rows->at_row = rc == SQLITE_ROW && rows->count++ < rows->db->max_rows;
        if (rc != SQLITE_ROW) sse__db_check(rows->db, rc, sse_buf_text(&rows->sql));
        else if (!rows->at_row) sse__rows_fail(rows, SSE_E_FULL, "more rows than max_rows");
    }
    if (!rows->at_row) sse__rows_end(rows);
    return rows->at_row;
}

SSE_API void sse_db_done(sse_rows *rows) {
    if (rows && rows->busy && !sse__db_is_elsewhere(rows->db)) sse__rows_end(rows);
}

static bool sse__rows_at(sse_rows *r, int column) {
    if (!r || !r->at_row) return false;
    if (column >= 0 && column < sqlite3_column_count(r->stmt)) return true;
    r->error = sse__rows_fail(r, SSE_E_ARG, "there is no such column");
    return false;
}

SSE_API bool sse_db_is_null(sse_rows *rows, int column) {
    return !sse__rows_at(rows, column) || sqlite3_column_type(rows->stmt, column) == SQLITE_NULL;
}

SSE_API const char *sse_db_text(sse_rows *rows, int column) {
    const char *text; /* asked first whether it is NULL: a conversion may change that */
    if (sse_db_is_null(rows, column)) return NULL;
    text = (const char *)sqlite3_column_text(rows->stmt, column);
    if (!text) rows->error = sse__rows_fail(rows, SSE_E_NOMEM, NULL);
    return text;
}

SSE_API sse_str sse_db_blob(sse_rows *rows, int column) {
    const char *bytes;
    if (sse_db_is_null(rows, column)) return sse__str(NULL, 0);
    bytes = (const char *)sqlite3_column_blob(rows->stmt, column);
    if (!bytes && sqlite3_errcode(rows->db->raw) == SQLITE_NOMEM) {
        rows->error = sse__rows_fail(rows, SSE_E_NOMEM, NULL);
        return sse__str(NULL, 0);
    }
    /* empty is not NULL */
    return sse__str(bytes ? bytes : "", (size_t)sqlite3_column_bytes(rows->stmt, column));
}

SSE_API long long sse_db_int(sse_rows *rows, int column) {
    return sse__rows_at(rows, column) ? sqlite3_column_int64(rows->stmt, column) : 0;
}

SSE_API double sse_db_double(sse_rows *rows, int column) {
    return sse__rows_at(rows, column) ? sqlite3_column_double(rows->stmt, column) : 0;
}

SSE_API int sse_db_columns(sse_rows *rows) {
    return rows && rows->busy ? sqlite3_column_count(rows->stmt) : 0;
}

SSE_API const char *sse_db_column_name(sse_rows *rows, int column) {
    return sse__rows_at(rows, column) ? sqlite3_column_name(rows->stmt, column) : NULL;
}

SSE_API long long sse_db_last_id(sse_db *db) {
    return sse__db_enter(db) ? sqlite3_last_insert_rowid(db->raw) : 0;
}

/* ---- transactions ---- */

static int sse__db_begin(sse_db *db, bool *nested) { /* nested: inside one that is open already */
    int rc;
    SSE_ASSERT(!db->undo_due); /* D6 */
    *nested = !sqlite3_get_autocommit(db->raw);
    rc      = sse_db_exec(db, *nested ? "SAVEPOINT sse_write" : "BEGIN IMMEDIATE");
    return rc < 0 ? rc : SSE_OK;
}

/* Undoes a transaction, unless SQLite or the program ended it. The error that led here stays the
   latest one. */
static void sse__db_undo(sse_db *db, bool nested) {
    if (!nested) db->undo_due = -1;
    else if (db->undo_due >= 0) db->undo_due++;
    (void)sse__db_undo_due(db);
}

/* Commits if rc, the result so far, is 0, else undoes the transaction. Returns rc, or the error of
   the commit. */
static int sse__db_end(sse_db *db, bool nested, int rc) {
    if (rc == SSE_OK && sqlite3_get_autocommit(db->raw))
        return sse__db_fail(db, SSE_E_STATE, "the transaction ended too early: by an error, or by "
                            "a COMMIT or ROLLBACK inside", NULL);
    if (rc == SSE_OK) {
        rc = sse_db_exec(db, nested ? "RELEASE sse_write" : "COMMIT");
        if (rc >= 0) return SSE_OK;
    }
    sse__db_undo(db, nested);
    return rc;
}

SSE_API int sse_db_write(sse_db *db, int (*fn)(sse_db *db, void *user), void *user) {
    bool nested;
    int  rc;
    if (!sse__db_enter(db)) return sse__db_status(db);
    if (!fn) return sse__db_fail(db, SSE_E_ARG, "sse_db_write without a function", NULL);
    rc = sse__db_begin(db, &nested);
    return rc != SSE_OK ? rc : sse__db_end(db, nested, fn(db, user));
}

/* ---- migrations ---- */

/* A row that refers to one that is not there makes the migration fail. */
static int sse__db_check_keys(sse_db *db) {
    char        text[300];
    const char *id;
    sse_rows   *rows = sse_db_query(db, "PRAGMA foreign_key_check");
    if (!sse_db_next(rows)) return sse__db_status(db);
    id = sse_db_text(rows, 1); /* NULL: WITHOUT ROWID */
    snprintf(text, sizeof text, "%s%s of table %s refers to a row of %s that is not there "
             "(PRAGMA foreign_key_check lists all)",
             id ? "row " : "a row", id ? id : "", sse_db_text(rows, 0), sse_db_text(rows, 2));
    sse_db_done(rows);
    return sse__db_fail(db, SSE_E_DB, text, NULL);
}

/* The part of a migration inside its transaction. version: 0, or the version that the step leads
   to; it is skipped if another process took it meanwhile: the version is read under the write
   lock. */
static int sse__db_migrate_inside(sse_db *db, const char *script, long long version) {
    sse__table_set *recording = db->recording;
    char            set[64];
    long long       present = -1;
    int             rc = version ? sse_db_one(db, &present, "PRAGMA user_version") : SSE_OK;
    if (rc != SSE_OK || present >= version) return rc;
    if (!script) return sse__db_fail(db, SSE_E_ARG, "the script is NULL", NULL);
    if (!db->file) db->pending.all = true; /* D4: not our authorizer */
    db->recording = &db->pending;
    rc            = sqlite3_exec(db->raw, script, NULL, NULL, NULL);
    db->recording = recording;
    snprintf(set, sizeof set, "PRAGMA user_version = %lld", version); /* it takes no bound value */
    if (rc == SQLITE_OK && version) rc = sqlite3_exec(db->raw, set, NULL, NULL, NULL);
    return sse__db_check(db, rc, NULL);
}

/* A table is rebuilt by dropping it, and DROP deletes its rows, which would take the rows that
   refer to them along. So foreign keys are off meanwhile, and if anything changed what they would
   have said is asked at the end. SQLite switches them outside transactions only. */
static int sse__db_migrate(sse_db *db, const char *script, long long version) {
    const int before = sqlite3_total_changes(db->raw);
    int       keys = 0, rc;
    bool      nested;
    long long schema = 0, schema_now = 0;
    if (sqlite3_get_autocommit(db->raw))
        sqlite3_db_config(db->raw, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &keys);
    if (keys) sqlite3_db_config(db->raw, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    rc = sse__db_begin(db, &nested);
    if (rc == SSE_OK) {
        if (keys) rc = sse_db_one(db, &schema, "PRAGMA schema_version");
        if (rc >= 0) rc = sse__db_migrate_inside(db, script, version);
        if (rc == SSE_OK && keys && !sqlite3_get_autocommit(db->raw)) {
            rc = sse_db_one(db, &schema_now, "PRAGMA schema_version");
            if (rc >= 0 && (schema_now != schema || sqlite3_total_changes(db->raw) != before))
                rc = sse__db_check_keys(db);
        }
        rc = sse__db_end(db, nested, rc);
    }
    if (keys) sqlite3_db_config(db->raw, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    return rc;
}

SSE_API int sse_db_migrate(sse_db *db, const char *script) {
    const uint32_t by = sse__hash(sse__text(script)) | SSE__BROKEN_SCRIPT;
    if (!sse__db_enter(db)) return sse__db_status(db);
    return sse__db_broke(db, by, sse__db_migrate(db, script, 0));
}

static int sse__db_migrate_all(sse_db *db, const char *const *scripts, int count) {
    long long version;
    char      text[96];
    int       rc = sse_db_one(db, &version, "PRAGMA user_version");
    if (rc != SSE_OK) return rc;
    if (version < 0)
        return sse__db_fail(db, SSE_E_ARG, "the database is at a negative version", NULL);
    if (count < 0 || (!scripts && version < count))
        return sse__db_fail(db, SSE_E_ARG, "no scripts, or fewer than none", NULL);
    if (version > count) {
        snprintf(text, sizeof text, "the database is at version %lld, newer than this program, "
                 "which knows %d", version, count);
        return sse__db_fail(db, SSE_E_STATE, text, NULL);
    }
    for (; rc == SSE_OK && version < count; version++)
        rc = sse__db_migrate(db, scripts[version], version + 1);
    return rc;
}

SSE_API int sse_db_migrate_list(sse_db *db, const char *const *scripts, int count) {
    if (!sse__db_enter(db)) return sse__db_status(db);
    return sse__db_broke(db, SSE__BROKEN_LIST, sse__db_migrate_all(db, scripts, count));
}

/* ---- opening and closing ---- */

static int sse__db_setup(const sse_db *db, sqlite3 *raw) {
    int rc, waited;
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, db->busy_ms);
    /* The limit, on what is left of the -wal file when it is begun anew, is what SQLite lets it
       grow to as a rule (1000 pages of 4 KiB): without one it keeps the size that it had while
       somebody read for long. */
    rc = sqlite3_exec(raw,
                      "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL;"
                      "PRAGMA journal_size_limit = 4194304",
                      NULL, NULL, NULL);
    if (rc != SQLITE_OK) return rc;
    if (db->read_only || db->is_writer) /* is it a database at all? */
        return sqlite3_exec(raw, "PRAGMA schema_version", NULL, NULL, NULL);
    /* A change to WAL needs the file for itself, and SQLite does not always wait for that, as when
       several programs start at once. */
    for (waited = 0;; waited += 10) {
        rc = sqlite3_exec(raw, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if ((rc & 0xFF) != SQLITE_BUSY || waited >= db->busy_ms) return rc;
        sqlite3_sleep(10);
    }
}

static int sse__db_connect(sse_db *db, sqlite3 **raw) { /* *raw is to be closed in any case */
    int flags = db->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc    = sqlite3_open_v2(db->file, raw, flags | SQLITE_OPEN_URI, NULL);
    if (rc == SQLITE_OK) rc = sse__db_setup(db, *raw);
#ifndef SQLITE_OMIT_AUTHORIZATION
    if (rc == SQLITE_OK) sqlite3_set_authorizer(*raw, sse__db_authorize, db);
#endif
    return rc;
}

static sse_db *sse__db_new(sqlite3 *raw) {
    sse_db *db = SSE__NEW(sse_db);
    if (!db) return NULL;
    db->raw      = raw;
    db->process  = getpid();
    db->thread   = sse__thread_self();
    db->max_rows = SSE_UNLIMITED;
    return db;
}

SSE_API sse_db *sse_db_open(const char *file, const sse_db_options *options) {
    sse_db     *db  = sse__db_new(NULL);
    const char *why = NULL;
    if (!db) return NULL;
    db->busy_ms = 5000;
    if (options) {
        if (options->max_rows) db->max_rows = options->max_rows;
        if (options->busy_ms) db->busy_ms = options->busy_ms == SSE_OFF ? 0 : options->busy_ms;
        db->read_only = options->read_only;
    }
    if (!file) why = "the name of the database is NULL";
    else if (db->busy_ms < 0) why = "busy_ms is out of range";
    db->file = sse__strdup(sse__text(file));
    if (why || !db->file) {
        db->open_error = sse__db_fail(db, why ? SSE_E_ARG : SSE_E_NOMEM, why, NULL);
        return db;
    }
    db->open_error = sse__db_check(db, sse__db_connect(db, &db->raw), db->file); /* for good */
    (void)sse__db_broke(db, SSE__BROKEN_OPEN, db->open_error);
    return db;
}

SSE_API sse_db *sse_db_attach(struct sqlite3 *raw) {
    sse_db *db = sse__db_new(raw);
    if (db && !raw) db->open_error = sse__db_fail(db, SSE_E_ARG, "the connection is NULL", NULL);
    return db;
}

/* Statements of the program's own may keep the connection open a while. */
static void sse__db_disconnect(sse_db *db) {
    sse_rows *r;
    for (r = db->statements; r; r = r->next) sse__stmt_clear(r);
    sqlite3_close_v2(db->raw);
    db->raw      = NULL;
    db->undo_due = 0;
}

/* For a file that was replaced. db is idle. SSE_E_STATE: the connection is not ours, or the program
   may hold it. */
static int sse__db_reopen(sse_db *db) {
    sqlite3 *raw = NULL;
    if (!db->file || db->raw_given) return SSE_E_STATE;
    if (sse__db_connect(db, &raw) != SQLITE_OK) {
        sqlite3_close(raw);
        return SSE_E_DB;
    }
    sse__db_disconnect(db);
    db->raw = raw;
    if (db->writer) SSE__FLAG_SET(db->writer->stale);
    sse__table_set_clear(&db->raw_writes);
    return SSE_OK;
}

SSE_API void sse_db_close(sse_db *db) {
    const bool ours = !sse__db_is_elsewhere(db); /* closing, too, would take the parent's locks */
    if (!db || (ours && !sse__db_adopt(db))) return;
    if (ours) sse__dbposts_end(db);
    if (db->on_close) db->on_close(db->on_close_user);
    sse_db_close(db->writer);
    if (sse__db_faults.broken == db) sse__db_faults.broken = NULL; /* the program does without */
    while (db->statements) {
        sse_rows *r = db->statements;
        db->statements = r->next;
        if (ours) sqlite3_finalize(r->stmt);
        sse_buf_free(&r->sql);
        sse_buf_free(&r->written.list);
        SSE_FREE(r);
    }
    if (db->file && ours) sqlite3_close_v2(db->raw); /* v2: the program may hold statements */
    sse_buf_free(&db->message);
    sse_buf_free(&db->text);
    sse_buf_free(&db->pending.list);
    sse_buf_free(&db->raw_writes.list);
    SSE_FREE(db->values);
    SSE_FREE(db->file);
    SSE_FREE(db);
}

SSE_API struct sqlite3 *sse_db_raw(sse_db *db) {
    if (!db || db->open_error || sse__db_is_elsewhere(db)) return NULL;
    db->raw_given = true;
    return db->raw;
}

/* ---- for the sections above ---- */

/* Whether its next calls wait for another writer. A connection that the program may hold keeps the
   busy handler that it has. */
static void sse__db_wait(sse_db *db, bool waits) {
    if (db->file && !db->raw_given && db->raw)
        sqlite3_busy_timeout(db->raw, waits ? db->busy_ms : 0);
}

/* A statement that is in the middle of its rows, ours or the program's. NULL: there is none. */
static sqlite3_stmt *sse__db_busy_statement(const sse_db *db) {
    sqlite3_stmt *stmt = sqlite3_next_stmt(db->raw, NULL);
    while (stmt && !sqlite3_stmt_busy(stmt)) stmt = sqlite3_next_stmt(db->raw, stmt);
    return stmt;
}

/* Whether no transaction is open, so that a query sees the latest commit. */
static bool sse__db_is_idle(sse_db *db) {
    (void)sse__db_undo_due(db);
    return !sse__db_busy_statement(db) && sqlite3_get_autocommit(db->raw);
}

/* The file of the main database, absolute; NULL: it is in memory. Valid until the database is
   closed or opened anew. */
static const char *sse__db_path(const sse_db *db) {
    const char *path = sqlite3_db_filename(db->raw, "main");
    return path && *path ? path : NULL;
}

static int sse__db_busy_ms(const sse_db *db) { return db->busy_ms; }

/* In words for a log, with the name of the file: an error that a call with db just gave, on this
   thread. */
static const char *sse__db_why(sse_db *db, int error) {
    if (db && db->open_error) (void)sse__db_ready(db); /* says it once more */
    else if (!db || error != db->error) return sse_error_text(error); /* no call with db did */
    return sse__db_faults.words;
}

#else

/* Everything answers SSE_E_NOT_BUILT, and sse_db_open gives one database, which failed for that
   reason. */
struct sse_db { int open_error; };

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

static int sse__db_open_error(const sse_db *db) { return db ? SSE_E_NOT_BUILT : SSE_E_NOMEM; }
static void sse__db_wait(sse_db *db, bool waits) {}
static bool sse__db_is_idle(sse_db *db) { return true; }
static bool sse__db_is_elsewhere(const sse_db *db) { return false; }
static const char *sse__db_path(const sse_db *db) { return NULL; }
static int sse__db_busy_ms(const sse_db *db) { return 0; }
static const char *sse__db_why(sse_db *db, int error) { return sse_error_text(error); }

SSE_API sse_db *sse_db_open(const char *file, const sse_db_options *options) {
    static sse_db failed = {SSE_E_NOT_BUILT};
    return &failed;
}
SSE_API sse_db *sse_db_attach(struct sqlite3 *raw) { return sse_db_open(NULL, NULL); }
SSE_API void sse_db_close(sse_db *db) {}
SSE_API int sse_db_error(sse_db *db, const char **text) {
    if (text) *text = sse_error_text(sse__db_open_error(db));
    return sse__db_open_error(db);
}
SSE_API int sse_db_exec(sse_db *db, const char *sql, ...) { return sse__db_open_error(db); }
SSE_API int sse_db_one(sse_db *db, long long *value, const char *sql, ...) {
    if (value) *value = 0;
    return sse__db_open_error(db);
}
SSE_API sse_rows *sse_db_query(sse_db *db, const char *sql, ...) { return NULL; }
SSE_API bool sse_db_next(sse_rows *rows) { return false; }
SSE_API void sse_db_done(sse_rows *rows) {}
SSE_API const char *sse_db_text(sse_rows *rows, int column) { return NULL; }
SSE_API sse_str sse_db_blob(sse_rows *rows, int column) { return sse__str(NULL, 0); }
SSE_API long long sse_db_int(sse_rows *rows, int column) { return 0; }
SSE_API double sse_db_double(sse_rows *rows, int column) { return 0; }
SSE_API bool sse_db_is_null(sse_rows *rows, int column) { return true; }
SSE_API int sse_db_columns(sse_rows *rows) { return 0; }
SSE_API const char *sse_db_column_name(sse_rows *rows, int column) { return NULL; }
SSE_API long long sse_db_last_id(sse_db *db) { return 0; }
SSE_API int sse_db_write(sse_db *db, int (*fn)(sse_db *db, void *user), void *user) {
    return sse__db_open_error(db);
}
SSE_API int sse_db_migrate(sse_db *db, const char *script) { return sse__db_open_error(db); }
SSE_API int sse_db_migrate_list(sse_db *db, const char *const *scripts, int count) {
    return sse__db_open_error(db);
}
SSE_API struct sqlite3 *sse_db_raw(sse_db *db) { return NULL; }

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif /* SSE_NO_SQLITE */

/*==========================================================================
  >>posts   statements that wait for the disk on its own thread
  Uses: >>db >>offload >>timers >>core >>buf >>base    Tests: tests/unit/posts.c

  sse_db_post copies its statement into db->waiting. The statements there go
  to the thread as one job, sse__dbposts, which runs them through a second
  connection, db->writer; back on the loop each is answered, and those that
  came meanwhile are the next job:

      db->waiting --[take]--> in hand --[work]--> worked --[answer]--> answered
                      ^                                                   |
                      +---------------- while some wait ------------------+

  The job of >>history that saves events uses the same connection.

  D5  db->writer is another connection to the same file. While jobs of it
      are with the disk's thread, no other thread touches it.
  PO1  Each statement that was accepted runs once and is answered once.
==========================================================================*/

/* What a thread did with the writer, for the loop to know. */
typedef struct sse__db_job {
    sse_db *db;          /* NULL: closed since */
    sse_db *on;          /* its writer, or db itself: then the loop does it */
#ifndef SSE_NO_SQLITE
    int            synchronous, foreign_keys; /* as db has them */
    sse__table_set wrote;                     /* D4 */
#endif
} sse__db_job;

#ifndef SSE_NO_SQLITE

/* Whether SQLite may be used on several threads. In its single-thread mode, which the program may
   have chosen when it started, all mutexes are one that does nothing. */
static bool sse__db_has_threads(void) {
    const bool     safe = sqlite3_threadsafe() != 0;
    sqlite3_mutex *a    = safe ? sqlite3_mutex_alloc(SQLITE_MUTEX_FAST) : NULL;
    sqlite3_mutex *b    = a ? sqlite3_mutex_alloc(SQLITE_MUTEX_FAST) : NULL;
    const bool     differ = a != b;
    sqlite3_mutex_free(a);
    sqlite3_mutex_free(b);
    return b && differ;
}

/* The connection that the thread writes by; the thread opens it. NULL: there can be none, as for a
   database in memory, or that sse_db_attach gave. */
static sse_db *sse__db_writer(sse_db *db) {
    sse_db *w;
    if (db->writer || !db->file || db->read_only || !sse__db_path(db) || !sse__db_has_threads())
        return db->writer;
    w = sse__db_new(NULL);
    if (!w) return NULL;
    w->file      = sse__strdup(sse__text(db->file));
    w->busy_ms   = db->busy_ms;
    w->is_writer = true;
    if (w->file) return db->writer = w;
    SSE_FREE(w);
    return NULL;
}

/* On the loop, before it goes to the thread. */
static void sse__db_job_begin(sse__db_job *job, sse_db *db) {
    sse_db   *w = sse__db_writer(db);
    long long synchronous = 1, keys = 1;
    job->db = db;
    job->on = w ? w : db;
    if (!w) return;
    (void)sse_db_one(db, &synchronous, "PRAGMA synchronous");
    (void)sse_db_one(db, &keys, "PRAGMA foreign_keys");
    job->synchronous  = (int)synchronous;
    job->foreign_keys = keys != 0;
    if (!db->writer_jobs++) db->writer_since = sse__clock_ms();
}

static bool sse__db_job_is_away(const sse__db_job *job) { return job->on->is_writer; }

/* On the thread: opens the writer if need be, and gives it the settings of the other one. An error
   is in job->on. */
static int sse__db_job_enter(const sse__db_job *job) {
    sse_db *w = job->on;
    char    set[100];
    int     rc = SQLITE_OK;
    if (SSE__FLAG(w->stale)) {
        SSE__FLAG_CLEAR(w->stale);
        sse__db_disconnect(w);
    }
    if (!sse__db_ready(w)) return sse__db_status(w); /* D6 */
    if (!w->is_writer) return SSE_OK;
    if (!w->raw) rc = sse__db_connect(w, &w->raw);
    if (sse__db_check(w, rc, w->file) != SSE_OK) {
        sse__db_disconnect(w);
        return w->error;
    }
    snprintf(set, sizeof set, "PRAGMA synchronous = %d; PRAGMA foreign_keys = %d", job->synchronous,
             job->foreign_keys);
    return sse__db_check(w, sqlite3_exec(w->raw, set, NULL, NULL, NULL), w->file);
}

static void sse__db_job_leave(sse__db_job *job) { /* on the thread */
    sse_db *w = job->on;
    if (!w->is_writer) return;
    sse__table_set_merge(&job->wrote, &w->pending);
    sse__table_set_merge(&job->wrote, &w->raw_writes);
    sse__table_set_clear(&w->pending);
}

static void sse__db_job_end(sse__db_job *job) { /* on the loop again */
    if (job->db && job->on->is_writer) {
        SSE_ASSERT(job->on == job->db->writer && job->db->writer_jobs > 0); /* D5 */
        sse__table_set_merge(&job->db->pending, &job->wrote);
        job->db->writer_jobs--;
    }
    sse_buf_free(&job->wrote.list);
    sse__table_set_clear(&job->wrote);
}

/* ---- statements ---- */

enum { SSE__POSTS_WAITING = 1000 };

typedef struct sse__dbpost {
    struct sse__dbpost *next;
    sse_db_post_options to;
    sse__sql            sql;
    sse_db_result       result;
    sse__arena          texts; /* holds what these two point to */
} sse__dbpost;

/* Those that are with the thread: one job, and one transaction as far as it goes. */
typedef struct sse__dbposts {
    sse__db_job  job;
    sse_app     *app;
    sse__dbpost *first;            /* not answered yet */
    bool         worked, answered; /* answered: as far as possible, see sse__dbposts_end */
} sse__dbposts;

static void sse__dbpost_free(sse__dbpost *p) {
    sse__arena_free(&p->texts);
    SSE_FREE(p);
}

static sse__dbpost *sse__dbpost_new(const sse__sql *sql, const sse_db_post_options *to) {
    sse__dbpost *p = SSE__NEW(sse__dbpost); /* NULL: no memory */
    bool         fine;
    size_t       i;
    if (!p) return NULL;
    p->to         = *to;
    p->sql        = *sql;
    p->sql.format = sse__arena_text(&p->texts, sse__text(sql->format));
    p->sql.text.ptr = sse__arena_text(&p->texts, sql->text);
    p->sql.values = (sse__value *)sse__arena_get(&p->texts, (sql->count + 1) * sizeof *sql->values);
    fine          = p->sql.format && p->sql.text.ptr && p->sql.values;
    for (i = 0; i < sql->count && fine; i++) {
        sse__value *v = &p->sql.values[i];
        *v = sql->values[i];
        if (v->p) fine = (v->p = sse__arena_text(&p->texts, sse__str(v->p, v->n))) != NULL;
    }
    if (fine) return p;
    sse__dbpost_free(p);
    return NULL;
}

static void sse__dbpost_result(sse__dbpost *p, sse_db *on, int changes) {
    p->result.changes = changes;
    p->result.last_id = changes < 0 ? 0 : sqlite3_last_insert_rowid(on->raw);
    p->result.error   = "";
    if (changes < 0) /* without done it is for the log */
        p->result.error = sse__arena_text(&p->texts, sse__text(p->to.done
            ? sse_buf_text(&on->message) : sse__db_faults.words));
    if (!p->result.error) p->result.error = sse_error_text(changes);
}

static sse_rows *sse__dbpost_start(const sse__dbpost *p, sse_db *on) { /* NULL after an error */
    const char *why = NULL;
    sse_rows   *r;
    on->posting = true;
    on->setting = false;
    r           = sse__sql_bind(on, &p->sql, SQLITE_STATIC);
    on->posting = false;
    if (!r && on->setting)
        why = "PRAGMA, ATTACH and DETACH cannot be posted: others share the connection";
    if (r && r->written.transaction)
        why = "a transaction cannot be posted in pieces: sse_db_write is for that";
    if (!why) return r;
    if (r) sse__rows_end(r);
    sse__db_fail(on, SSE_E_ARG, why, p->sql.format);
    return NULL;
}

static void sse__dbpost_run(sse__dbpost *p, sse_db *on, sse_rows *r) { /* r: of sse__dbpost_start */
    const sqlite3_int64 before = sqlite3_last_insert_rowid(on->raw);
    sqlite3_set_last_insert_rowid(on->raw, 0); /* SQLite's is that of any earlier INSERT */
    sse__dbpost_result(p, on, r ? sse__rows_exec(r) : on->error);
    if (!sqlite3_last_insert_rowid(on->raw)) sqlite3_set_last_insert_rowid(on->raw, before);
}

/* ---- jobs ---- */

/* Gives all of them an error, with the words in on. */
static void sse__dbposts_fail(sse__dbposts *posts, sse_db *on, int error) {
    sse__dbpost *p;
    for (p = posts->first; p; p = p->next) sse__dbpost_result(p, on, error);
}

/* All in one transaction, so that many cost one wait for the disk; a statement that fails undoes
   itself alone. False: they cannot share one, and nothing has happened. */
static bool sse__dbposts_together(sse__dbposts *posts, sse_db *on) {
    bool         fine = true, nested;
    sse__dbpost *p;
    int          error = sse__db_begin(on, &nested);
    for (p = error ? NULL : posts->first; p && fine; p = p->next) {
        sse_rows *r = sse__dbpost_start(p, on);
        /* What writes no table, as far as is known, may have to run alone, as VACUUM has to. */
        fine = !r || (!sqlite3_stmt_readonly(r->stmt) && (r->written.all || r->written.list.len));
        if (fine) sse__dbpost_run(p, on, r);
        else sse__rows_end(r);
        fine = fine && !sqlite3_get_autocommit(on->raw); /* ON CONFLICT ROLLBACK undoes them all */
    }
    if (!fine) {
        sse__db_undo(on, nested);
        return false;
    }
    if (!error) error = sse__db_end(on, nested, SSE_OK);
    /* A deferred constraint, say. Run alone they show which of them broke it. */
    if (error == SSE_E_CONFLICT && on->is_writer) return false;
    if (error) sse__dbposts_fail(posts, on, error);
    return true;
}

/* On the thread, or, without one, on the loop. */
static void sse__dbposts_work(sse_app *app, void *user) {
    sse__dbposts *posts = (sse__dbposts *)user;
    sse_db       *on    = posts->job.on;
    sse__dbpost  *p;
    const int     error = sse__db_job_enter(&posts->job);
    (void)app;
    SSE_ASSERT(!posts->worked); /* PO1 */
    if (error) sse__dbposts_fail(posts, on, error);
    else if (!posts->first->next || !sse__dbposts_together(posts, on))
        for (p = posts->first; p; p = p->next) sse__dbpost_run(p, on, sse__dbpost_start(p, on));
    sse__db_job_leave(&posts->job);
    posts->worked = true;
}

/* Answers each once. The program may do anything meanwhile, also close db: then the rest is
   answered there. */
static void sse__dbposts_answer(sse__dbposts *posts) {
    if (!posts->answered) sse__db_job_end(&posts->job);
    posts->answered = true;
    while (posts->first) {
        sse__dbpost   *p     = posts->first;
        const sse__upcall upcall = sse__upcall_begin(posts->app, SSE__IN_POSTED);
        posts->first = p->next; /* PO1 */
        if (p->to.done) p->to.done(posts->app, &p->result, p->to.user);
        else if (p->result.changes < 0)
            sse__log(posts->app, SSE_LOG_WARNING, "sse_db_post: %s", p->result.error);
        sse__upcall_end(&upcall, " of %s", p->sql.format);
        sse__dbpost_free(p);
    }
}

static bool sse__dbposts_take(sse__dbposts *posts, sse_db *db) { /* false: none waits */
    posts->first  = db->waiting;
    posts->worked = posts->answered = false;
    db->waiting       = NULL;
    db->waiting_count = 0;
    db->posts         = posts->first ? posts : NULL;
    if (posts->first) sse__db_job_begin(&posts->job, db);
    return posts->first != NULL;
}

/* A call of the loop: answers, and hands the statements that came meanwhile to the thread, or to a
   later turn. While the loop ends neither takes them, so they run here. */
static void sse__dbposts_landed(sse_app *app, void *user) {
    sse__dbposts *posts = (sse__dbposts *)user;
    int           error;
    do {
        if (!posts->worked && posts->job.on->is_writer) sse__disk_wait(app); /* D5 */
        if (!posts->worked) sse__dbposts_work(app, posts);
        if (!posts->answered) sse__dbposts_answer(posts);
        if (!posts->job.db || !sse__dbposts_take(posts, posts->job.db)) {
            SSE_FREE(posts);
            return;
        }
        error = SSE_E_NOT_BUILT;
        if (posts->job.on->is_writer)
            error = sse__disk_do(app, sse__dbposts_work, sse__dbposts_landed, posts);
        if (error) error = sse__app_post(app, sse__dbposts_landed, posts, sizeof *posts);
    } while (error);
}

/* Before db is freed: all are run and answered. */
static void sse__dbposts_end(sse_db *db) {
    sse__dbposts *posts = db->posts;
    db->closing = true;
    if (!posts) return;
    sse__disk_wait(posts->app);
    do {
        if (!posts->worked) sse__dbposts_work(posts->app, posts);
        sse__dbposts_answer(posts);
    } while (sse__dbposts_take(posts, db));
    posts->worked = posts->answered = true; /* the call of the loop is still to come */
    posts->job.db = NULL;
}

static int sse__dbpost_refused(sse_db *db, const sse_db_post_options *options, const char *sql) {
    sse_app *app = options ? options->app : NULL;
    if (app && !sse__on_loop(app)) return SSE_E_THREAD; /* db is the loop's */
    if (!sse__db_enter(db)) return sse__db_status(db);
    if (!app) return sse__db_fail(db, SSE_E_ARG, "sse_db_post without .app", NULL);
    if (!sql) return sse__db_fail(db, SSE_E_ARG, "the SQL is NULL", NULL);
    if (db->closing || app->loop.closing)
        return sse__db_fail(db, SSE_E_STATE, "the app or the database is about to go", NULL);
    if (db->posts && db->posts->app != app)
        return sse__db_fail(db, SSE_E_STATE, "another app posts to this database", NULL);
    if (db->waiting_count >= SSE__POSTS_WAITING)
        return sse__db_fail(db, SSE_E_FULL, "the disk is behind: 1000 statements wait", NULL);
    return SSE_OK;
}

SSE_API int sse_db_post(sse_db *db, const sse_db_post_options *options, const char *sql, ...) {
    sse__dbposts *posts;
    sse__dbpost  *p;
    sse__sql      read;
    va_list       ap;
    int           error = sse__dbpost_refused(db, options, sql);
    if (error) return error;
    va_start(ap, sql);
    error = sse__sql_read(db, &read, sql, ap);
    va_end(ap);
    if (error) return error;
    posts = db->posts ? db->posts : SSE__NEW(sse__dbposts);
    p     = posts ? sse__dbpost_new(&read, options) : NULL;
    if (!p) {
        if (posts != db->posts) SSE_FREE(posts);
        return sse__db_fail(db, SSE_E_NOMEM, NULL, sql);
    }
    if (!db->waiting) db->waiting_end = &db->waiting;
    *db->waiting_end = p;
    db->waiting_end  = &p->next;
    db->waiting_count++;
    if (db->posts) return SSE_OK;
    posts->app    = options->app;
    posts->job.db = db;
    posts->worked = posts->answered = true; /* there was none before: on with this one */
    sse__dbposts_landed(posts->app, posts);
    return SSE_OK;
}

#else

static void sse__db_job_begin(sse__db_job *job, sse_db *db) { job->db = job->on = db; }
static bool sse__db_job_is_away(const sse__db_job *job) { return (void)job, false; }
static int  sse__db_job_enter(const sse__db_job *job) { return sse__db_open_error(job->db); }
static void sse__db_job_leave(sse__db_job *job) { (void)job; }
static void sse__db_job_end(sse__db_job *job) { (void)job; }

SSE_API int sse_db_post(sse_db *db, const sse_db_post_options *options, const char *sql, ...) {
    (void)options, (void)sql;
    return sse__db_open_error(db);
}

#endif /* SSE_NO_SQLITE */

/*==========================================================================
  >>conn   connections: read, queue, write, time out
  Uses: >>loop >>frame >>http >>buf     Tests: tests/wire/conn.test.mjs tests/unit/conn.c

  It owns the sockets of clients, what is queued for them, and half requests. It finds where a
  request begins and ends; what to answer is decided by >>app, see the upcalls.

  The life of a connection; [f] is the function that makes the change:

      [conn_new]
          |            first byte           head in, body to come
          +--> IDLE ---------------> HEAD ------------------------> BODY
                ^  [conn_parse]       | request complete  [conn_head]  |
                |                     v  [conn_request]                |
                |                   REPLY <----------------------------+
                |    all queued       |  \    a stream is opened
                |  [conn_reply_end]   v   +---------------------> STREAM
                +------------------ SEND <----- [stream_open] -------+
          all sent, keep-alive        | all sent, no keep-alive   [stream_finish]
               [conn_next]            v [conn_linger]
                                   LINGER
                                      | peer closed, or 2 s
          [conn_close] from all --> CLOSED --> freed by [net_reap]

  From IDLE, HEAD and BODY an error leads to SEND as well [conn_refuse].

  IDLE    no byte of a request is in; deadline: keep-alive
  HEAD    half a head is in the inbox; deadline: header timeout from its first byte
  BODY    the head is complete; deadline: body timeout, again after each 16 KiB. The request may
          be answered early (SEND); a short rest of the body is then read and dropped, in BODY
          again, before IDLE [conn_skip_body, conn_next]
  REPLY   the request belongs to the app; no deadline; nothing is read
  SEND    the reply is queued whole; deadline: send timeout, again after each 16 KiB
  STREAM  an open event stream; >>stream keeps the deadline; a pipelined request
          waits, in the kernel or the inbox, for the end of the stream
  LINGER  our side is shut; input is thrown away, so that no reset overtakes our last bytes. Where
          the end must not pass for a complete body [conn_break] the socket is not shut but
          reset, a little later
  CLOSED  the descriptor is closed; memory stays until the end of the turn (W1)

  C1  A connection is freed only by net_reap.
  C2  Bytes leave in the order they were queued: what is in net.out comes
      after the queue of its connection.
  C3  Between two turns a connection owns input only in an inbox, and has
      an inbox only while half a request is in it, or one behind a stream.
  C4  The rest of a body that is compressed as it leaves is last in the
      queue, and alone there when its next piece is made.
  C5  What reports a change that a database is to keep leaves only when the
      change is kept: net.told counts such changes, up to net.kept they are
      kept, and an entry of a queue says after how many of them it leaves.
      Connections that wait for that are in net.held [conn_after, net_keep].
  C6  app.body_bytes is the sum of held, of all connections and requests: a
      body that is not read in place counts from its first byte on until
      its request is freed.
  Tests: C2 tests/wire/conn.test.mjs, C3 and C6 sse__check_all each turn
==========================================================================*/

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#if defined(__linux__)
#include <sys/ioctl.h>
#endif
#ifndef MSG_NOSIGNAL
#define SSE__NOSIGNAL 0 /* the BSDs and macOS: SO_NOSIGPIPE instead */
#else
#define SSE__NOSIGNAL MSG_NOSIGNAL
#endif

/* ---- blocks: bytes shared by every connection that sends them ------------- */

/* Bytes in memory, immutable once queued; or an open file; or the rest of a body, which is sent
   from another block or compressed while it leaves: one of those is queued as the bytes 0 to 1. */
typedef struct sse__block {
    uint32_t    refs, len;
    char       *bytes;           /* of memory only */
    int         fd;              /* of a file only; else -1 */
    struct sse__block *from;     /* of a rest only: the body, bytes offset to end of it */
    uint64_t    offset, end;
    bool        borrowed;        /* bytes belong to the program, which keeps them */
    uint64_t    after;           /* C5: it reports a change that is to be kept */
    const void *owner;           /* whose state this is, for sse__conn_forget; or NULL */
    sse_str     key;             /* part of bytes; a queue keeps only the newest of a key */
    uint32_t    key_hash;
    bool        droppable;       /* a queue over its limit may lose it */
    uint8_t     encoding;        /* of a rest: SSE__BR or SSE__GZIP; 0: it leaves as it is */
    sse__crc_state sum;          /* for gzip: of its event, or of the part that was compressed */
} sse__block;

static sse__block *sse__block_hold(sse__block *b) {
    b->refs++;
    return b;
}

static void sse__block_drop(sse__block *b) {
    if (!b || --b->refs) return;
    if (b->from) sse__block_drop(b->from);
    if (b->fd >= 0) close(b->fd);
    if (!b->borrowed) SSE_FREE(b->bytes);
    SSE_FREE(b);
}

/* Every block is made here. Takes bytes if there is memory for the block. */
static sse__block *sse__block_new(char *bytes, size_t len) {
    sse__block *b = len <= UINT32_MAX ? SSE__NEW(sse__block) : NULL;
    if (!b) return NULL;
    b->refs  = 1;
    b->len   = (uint32_t)len;
    b->bytes = bytes;
    b->fd    = -1;
    return b;
}

/* Makes a block of what is in buf, without copying; buf is {0} afterwards, on failure too. NULL: no
   memory, or buf had failed. */
static sse__block *sse__block_from_buf(sse_buf *buf) {
    sse__block *b = buf->error ? NULL : sse__block_new(buf->ptr, buf->len);
    char       *less;
    if (!b) {
        sse_buf_free(buf);
        return NULL;
    }
    if (buf->cap - buf->len > 1024) { /* blocks may wait long in a queue or a history */
        less = (char *)SSE_REALLOC(buf->ptr, buf->len + 1);
        if (less) b->bytes = less;
    }
    memset(buf, 0, sizeof *buf);
    return b;
}

/* Appends n bytes of a block. False: the file became shorter or cannot be read, or no memory. */
static bool sse__block_read(const sse__block *b, uint64_t offset, size_t n, sse_buf *to) {
    char *p = sse__buf_room(to, n);
    if (!p) return false;
    if (b->fd >= 0 && SSE__SYS(pread(b->fd, p, n, (off_t)offset)) != (ssize_t)n) return false;
    if (b->fd < 0 && n) memcpy(p, b->bytes + offset, n);
    to->len += n;
    return true;
}

/* ---- what a connection is made of ------------------------------------------- */

/* The queue of a connection. Two places inside it, so that one event a turn allocates nothing. */
typedef struct sse__out { /* after: C5 */
    sse__block *block;
    uint32_t    from, to;
    uint64_t    after;
} sse__out;
typedef struct sse__queue {
    sse__out *at;                /* a ring */
    uint32_t  first, count, cap;
    bool      begun;             /* the first entry is sent in part */
    size_t    bytes;             /* unsent */
    sse__crc_state sum;          /* of all entries that were sent whole */
    sse__out  inside[2];
} sse__queue;

/* Half a request: its bytes so far and how far the parser is. The fields of the head are right
   behind this struct. Of a body the decoded part stands right behind the head. */
typedef struct sse__inbox {
    sse_buf      bytes;
    sse__head    head;
    sse__chunked chunks;
    size_t       body_len, max_body; /* decoded so far; allowed */
} sse__inbox;

/* An IPv4 address is mapped to IPv6, ::ffff:1.2.3.4. All 0: a unix socket. */
typedef struct sse__peer {
    unsigned char address[16];
    uint16_t      port;
} sse__peer;

typedef enum sse__state {
    SSE__IDLE, SSE__HEAD, SSE__BODY, SSE__REPLY, SSE__SEND, SSE__STREAM, SSE__LINGER, SSE__CLOSED
} sse__state;

typedef struct sse__conn {
    sse__source        source;
    sse__alarm         alarm;
    sse__link          work;       /* in net.work, net.to_compress, net.held or net.closed */
    sse__link          all;        /* in net.conns */
    struct sse__net   *net;
    sse__inbox        *inbox;
    struct sse_req    *req;        /* its body is to come, or it is deferred: no handler runs */
    struct sse__stream *stream;
    sse__queue         out;
    uint64_t           deadline;   /* 0: none. The alarm is armed for it, or earlier */
    uint64_t           body_left;  /* of a body with a length: bytes still to come */
    uint64_t           after;      /* of what is queued from now on: C5 */
    size_t             held;       /* bytes of its body in app.body_bytes; then the request's */
    uint32_t           progress;   /* bytes since the deadline was last put off */
    uint8_t            state;
    bool readable, writable;       /* by the last event, or call that would have waited */
    bool ended, hangup;            /* all of the peer's input is in; it shut its side */
    bool keep_alive;               /* of the request in hand */
    bool in_place;                 /* the body is handed on as it comes (body_later) */
    bool paused;                   /* the program wants no more of the body for now */
    bool expects;                  /* the peer waits for 100 (Continue) before it sends the body */
    bool skip;                     /* the request is answered; its body is dropped */
    bool progressed;               /* the peer took some bytes since its stream last looked */
    bool pipelined;                /* behind a stream: a request waits for its end */
    bool crowded;                  /* requests are left from its last turn */
    bool resets;                   /* closing it resets it: see conn_break */
    uint8_t looks;                 /* before that: see conn_may_reset */
    bool waits;                    /* it is in net.held */
    bool excused;                  /* past its deadline, with input or room to look at */
    bool loopback;                 /* it came to an address that only this machine reaches */
    bool surplus;                  /* over a limit: here only to be refused */
    sse__peer          peer;
} sse__conn;

/* upcalls, defined in >>app */
static int  sse__on_head(sse__conn *c, char *bytes, const sse__head *head);
static void sse__on_request(sse__conn *c, char *bytes, const sse__head *head, sse_str body);
static void sse__on_body(sse__conn *c, sse_str chunk, int status);
static void sse__on_gone(sse__conn *c);

/* Each may close the connection; none frees it (C1).
   on_head     the head is in: makes c->req, sets c->in_place (a body is handed on as it comes) and
               net->max_body. Returns 0, or the status to refuse it with.
   on_request  the request made for this head goes on; bytes may have moved. in_place: the body is
               still to come
   on_body     in_place; status 1: more of the body; 0: that was all
   on_gone     the connection was closed, or refused, while it had a request */

/* What >>stream is told of the connections of its streams; NULL while there was no stream. */
typedef struct sse__stream_calls {
    void (*tick)(sse__conn *c); /* the deadline passed */
    void (*sent)(sse__conn *c); /* the queue ran empty */
    void (*gone)(sse__conn *c); /* it closed */
    void (*cut)(sse__conn *c);  /* the app stops: it is to close */
} sse__stream_calls;

typedef struct sse__net {
    sse_app       *app;
    sse__loop     *loop;
    const sse__stream_calls *stream_calls;
    ssize_t      (*send_file)(int fd, const sse__block *rest, size_t n); /* set by the first file */
    sse__link      listeners;
    sse__link      work;        /* connections with something to read or write */
    sse__link      to_compress; /* whose body needs its next piece: first come, first served */
    sse__link      held;        /* connections whose first entry may not leave yet: C5 */
    sse__link      closed;      /* to be freed at the end of the turn: C1 */
    sse__link      conns;       /* all that are not closed */
    int            port;        /* of the first listener; 0: none yet, or a unix socket */
    uint32_t       count, surplus; /* all, and those of them that are here only to be refused */
    uint64_t       told, kept;  /* C5 */
    uint32_t       told_in;     /* loop.upcall when told last moved: see conn_after */
    sse_buf        in;          /* shared by all: a read goes here first */
    sse_buf        out;         /* of the connection in hand: pipelined replies leave together */
    sse__conn     *current;     /* the connection in hand */
    size_t         used;        /* bytes at the start of its input that are done with */
    size_t         max_body;    /* of the request in hand, from on_head */
    sse__head      head;        /* of the request in hand, unless that is in an inbox */
    sse__alarm     retry;       /* accept again after running out of descriptors or memory */
    uint64_t       paused_at;   /* end of the last pause: what is pending then has waited */
    int            spare_fd;    /* given up for a moment to refuse a connection when none is left */
    sse_stats      counts;      /* of all sections; what is a number of now: see stats_read */
} sse__net;

enum {
    SSE__READ_SIZE     = 65535,    /* and the byte behind: a buffer of 64 KiB */
    SSE__READS_A_TURN  = 4,        /* then the others have their turn */
    SSE__WRITES_A_TURN = 262144,   /* bytes, likewise: large files take turns, too */
    SSE__REQUESTS_A_TURN = 32,     /* that came in one piece, likewise: see conn_process */
    SSE__PROGRESS      = 16384,    /* bytes that put off a deadline: no drip does */
    SSE__SKIP          = 65536,    /* of an unread body: reconnecting costs more */
    SSE__LINGER_MS     = 2000,
    SSE__RESET_MS      = 100,      /* between looks whether the peer has all */
    SSE__RESET_LOOKS   = 50,       /* that find nothing new, until it is reset all the same */
    SSE__SURPLUS_MS    = 1000      /* for connections that are read only to be refused */
};

/* ---- states and their deadlines ---------------------------------------------- */

/* Puts the deadline ms from now; SSE_OFF (or any negative): none. Moving one further away costs no
   work on the wheel. */
static void sse__conn_deadline(sse__conn *c, int ms) {
    sse__wheel *w = &c->net->loop->wheel;
    c->progress   = 0;
    c->excused    = false;
    c->deadline   = ms < 0 ? 0 : w->now + (uint64_t)ms;
    if (c->deadline && (!c->alarm.link.next || c->alarm.due > c->deadline))
        sse__alarm_set(w, &c->alarm, c->deadline);
}

static void sse__conn_restart_deadline(sse__conn *c) { /* the one of its state */
    const sse_app_options *o = &c->net->app->options;
    int ms = SSE_OFF;
    switch (c->state) {
    case SSE__IDLE: ms = o->keepalive_ms; break;
    case SSE__HEAD: ms = c->surplus ? SSE__SURPLUS_MS : o->header_timeout_ms; break;
    case SSE__BODY: ms = c->paused ? SSE_OFF : o->body_timeout_ms; break;
    case SSE__SEND: ms = o->send_timeout_ms; break;
    case SSE__LINGER: ms = c->resets ? SSE__RESET_MS : SSE__LINGER_MS; break;
    default: break;
    }
    sse__conn_deadline(c, ms);
}

/* The one place where a state is set. Row: from; bit: to. */
static void sse__conn_set_state(sse__conn *c, sse__state to) {
    static const unsigned char allowed[] = {
        1 << SSE__HEAD | 1 << SSE__BODY | 1 << SSE__REPLY | 1 << SSE__SEND, /* IDLE */
        1 << SSE__BODY | 1 << SSE__REPLY | 1 << SSE__SEND,                  /* HEAD */
        1 << SSE__IDLE | 1 << SSE__REPLY | 1 << SSE__SEND,                  /* BODY */
        1 << SSE__SEND | 1 << SSE__STREAM,                                  /* REPLY */
        1 << SSE__IDLE | 1 << SSE__BODY | 1 << SSE__LINGER,                 /* SEND */
        1 << SSE__SEND,                                                     /* STREAM */
        0,                                                                  /* LINGER */
        0                                                                   /* CLOSED */
    };
    SSE_ASSERT(to == SSE__CLOSED ? c->state != SSE__CLOSED : (allowed[c->state] >> to & 1));
    (void)allowed;
    c->state = (uint8_t)to;
    sse__conn_restart_deadline(c);
}

/* A deadline moves only with real progress. */
static void sse__conn_progress(sse__conn *c, size_t n) {
    c->progress = n < UINT32_MAX - c->progress ? c->progress + (uint32_t)n : UINT32_MAX;
    if (c->progress >= SSE__PROGRESS) sse__conn_restart_deadline(c);
}

static void sse__conn_schedule(sse__conn *c) { /* look at it before the loop sleeps again */
    if (c->waits) sse__list_remove(&c->work);
    c->waits = false;
    if (!c->work.next) sse__list_add(&c->net->work, &c->work);
}

/* ---- what is sent only when it is kept: C5 ---- */

static void sse__net_tell(sse__net *net) { /* a change is to be kept before anybody hears of it */
    net->told++;
    net->told_in = net->loop->upcall;
}

/* All changes up to told are kept, or cannot be. */
static void sse__net_keep(sse__net *net, uint64_t told) {
    SSE_ASSERT(net->kept <= told && told <= net->told); /* C5 */
    net->kept = told;
    while (!sse__list_empty(&net->held))
        sse__conn_schedule(SSE__CONTAINER(net->held.next, sse__conn, work));
}

/* After how many changes what is queued now may leave: a callback that published sends nothing
   before that is kept, on any connection, and no reply leaves whose request published. */
static uint64_t sse__conn_after(const sse__conn *c) {
    const sse__net *net = c->net;
    return net->told_in == net->loop->upcall && c->after < net->told ? net->told : c->after;
}

/* ---- bodies in memory: C6 ---- */

/* Whether there is room for a body of n bytes. A single body always fits, whatever the limit, or a
   larger one could never be sent. */
static bool sse__conn_has_room(const sse__conn *c, uint64_t n) {
    const size_t max    = c->net->app->options.max_bodies_bytes;
    const size_t others = c->net->app->body_bytes - c->held;
    return n <= c->held || !others || (others <= max && n <= max - others);
}

static bool sse__conn_hold(sse__conn *c, size_t n) { /* of its body; false: no room */
    if (!sse__conn_has_room(c, n)) return false;
    c->net->app->body_bytes += n - c->held;
    c->held = n;
    return true;
}

/* ---- the queue of a connection ------------------------------------------------ */

static sse__out *sse__queue_at(const sse__queue *q, uint32_t i) {
    return &q->at[(q->first + i) % q->cap];
}

static size_t sse__queue_size(const sse__queue *q) {
    return q->bytes + q->count * sizeof(sse__out);
}

/* Whether it is within max. A single entry may be of any size: else a client would be cut at a
   large event, come back, and be cut at it again. */
static bool sse__queue_fits(const sse__queue *q, size_t max) {
    size_t   largest = 0;
    uint32_t i;
    if (sse__queue_size(q) <= max) return true;
    for (i = 0; i < q->count; i++) {
        const sse__out *out = sse__queue_at(q, i);
        if (out->to - out->from > largest) largest = out->to - out->from;
    }
    return sse__queue_size(q) - largest - sizeof(sse__out) <= max;
}

static void sse__queue_remove(sse__queue *q, uint32_t i) { /* mostly near the front */
    const sse__out gone = *sse__queue_at(q, i);
    for (; i; i--) *sse__queue_at(q, i) = *sse__queue_at(q, i - 1);
    q->first = (q->first + 1) % q->cap;
    q->count--;
    q->bytes -= gone.to - gone.from;
    sse__block_drop(gone.block);
}

static void sse__queue_clear(sse__queue *q) {
    while (q->count) sse__queue_remove(q, 0);
    if (q->at != q->inside) SSE_FREE(q->at);
    q->at    = q->inside;
    q->cap   = SSE__COUNT(q->inside);
    q->first = 0;
    q->begun = false;
}

static bool sse__queue_grow(sse__queue *q) {
    const uint32_t cap = q->cap * 2;
    sse__out      *at  = cap > q->cap ? (sse__out *)SSE_MALLOC(cap * sizeof *at) : NULL;
    uint32_t       i;
    if (!at) return false;
    for (i = 0; i < q->count; i++) at[i] = *sse__queue_at(q, i);
    if (q->at != q->inside) SSE_FREE(q->at);
    q->at    = at;
    q->cap   = cap;
    q->first = 0;
    return true;
}

/* Drops the oldest entries that may be lost until the rest fits; never the newest. Returns how
   many. */
static uint32_t sse__queue_shed(sse__queue *q, size_t max) {
    const uint32_t before = q->count;
    /* sent in part: the rest must follow, or the peer misreads what comes */
    uint32_t       i = q->begun;
    while (sse__queue_size(q) > max && i + 1 < q->count) {
        if (sse__queue_at(q, i)->block->droppable) sse__queue_remove(q, i);
        else i++;
    }
    return before - q->count;
}

/* Counts n bytes as sent. */
static void sse__queue_advance(sse__queue *q, size_t n) {
    while (n) {
        sse__out      *out  = sse__queue_at(q, 0);
        sse__block    *b    = out->block;
        const uint64_t left = b->from ? b->end - b->offset : out->to - out->from;
        q->begun = n < left;
        if (q->begun && b->from) b->offset += n;
        else if (q->begun) {
            out->from += (uint32_t)n;
            q->bytes -= n;
        }
        if (q->begun) return;
        n -= (size_t)left;
        if (b->sum.len) sse__crc_append(&q->sum, &b->sum);
        sse__queue_remove(q, 0);
    }
}

/* Nothing in its queue can leave now, which is not its peer's fault. */
static bool sse__conn_is_held(const sse__conn *c) {
    return c->out.count && sse__queue_at(&c->out, 0)->after > c->net->kept; /* C5 */
}

/* ---- the end of a connection ---------------------------------------------------- */

static void sse__socket_close(int fd, bool resets) {
    static const struct linger at_once = {1, 0};
    if (resets) (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void sse__inbox_free(sse__inbox *inbox) {
    if (!inbox) return;
    sse_buf_free(&inbox->bytes);
    SSE_FREE(inbox);
}

/* Closes the descriptor now, so that others can have it; the memory may still be pointed to until
   the reaper comes (C1). */
static void sse__conn_close(sse__conn *c) {
    sse__net *net = c->net;
    if (c->state == SSE__CLOSED) return;
    sse__poller_remove(&net->loop->poller, &c->source);
    sse__socket_close(c->source.fd, c->resets);
    c->source.fd = -1;
    sse__alarm_cancel(&c->alarm);
    sse__list_remove(&c->all);
    net->count--;
    net->surplus -= c->surplus;
    (void)sse__conn_hold(c, 0);
    sse__list_remove(&c->work);
    sse__list_add(&net->closed, &c->work);
    sse__queue_clear(&c->out);
    sse__conn_set_state(c, SSE__CLOSED);
    if (net->current == c) net->out.len = 0;
    if (c->stream) net->stream_calls->gone(c);
    else if (c->req) sse__on_gone(c);
}

static void sse__net_reap(sse__net *net) { /* C1 */
    while (!sse__list_empty(&net->closed)) {
        sse__conn *c = SSE__CONTAINER(net->closed.next, sse__conn, work);
        SSE_ASSERT(c->state == SSE__CLOSED); /* C1 */
        sse__list_remove(&c->work);
        /* until now: the log of this turn may have read a request in it */
        sse__inbox_free(c->inbox);
        SSE_FREE(c);
    }
}

/* What is queued stays without its end: to the peer the connection has broken. A body in chunks
   lacks the last one; for HTTP/1.0, where the end of the connection is the end of the body, only a
   reset is no end (RFC 9112 8). */
static void sse__conn_break(sse__conn *c, bool framed) {
    c->keep_alive = false;
    c->resets     = !framed;
}

/* Ends our side and reads on for a while: to close with input unread would send a reset, which can
   make the peer throw away what it has of the reply (RFC 9112 9.6). */
static void sse__conn_linger(sse__conn *c) {
    if (!c->resets) (void)shutdown(c->source.fd, SHUT_WR);
    sse__conn_set_state(c, SSE__LINGER);
    sse__inbox_free(c->inbox); /* half a request that was too late, or one behind the last: C3 */
    c->inbox = NULL;
    if (c->ended) sse__conn_close(c);
}

/* Whether the peer has acknowledged all that was sent, or takes no more of it. Where the system
   does not tell, 100 ms must do. */
static bool sse__conn_may_reset(sse__conn *c) {
#if defined(__linux__) && defined(TIOCOUTQ)
    int unsent = 0;
    if (ioctl(c->source.fd, TIOCOUTQ, &unsent) || unsent <= 0 || ++c->looks > SSE__RESET_LOOKS)
        return true;
    if ((uint32_t)unsent != c->progress) c->looks = 0;
    sse__conn_restart_deadline(c);
    c->progress = (uint32_t)unsent;
    return false;
#else
    (void)c;
    return true;
#endif
}

/* ---- queueing ------------------------------------------------------------------- */

/* Takes an older entry back out of the queue, if no byte of it has left: that of this owner, or of
   the key of newer (else NULL). */
static bool sse__conn_forget(sse__conn *c, const void *owner, const sse__block *newer) {
    uint32_t i;
    for (i = c->out.begun; i < c->out.count; i++) {
        const sse__block *b = sse__queue_at(&c->out, i)->block;
        if (newer ? b->key_hash != newer->key_hash || !sse__eq(b->key, newer->key)
                  : b->owner != owner)
            continue;
        sse__queue_remove(&c->out, i);
        return true;
    }
    return false;
}

/* Queues bytes [from, to) of block; holds a reference. Without memory the connection is closed: a
   gap would be worse. */
static int sse__conn_push(sse__conn *c, sse__block *block, uint32_t from, uint32_t to) {
    sse__queue *q = &c->out;
    sse__out   *out;
    if (c->state == SSE__CLOSED) return SSE_E_CLOSED;
    if (from == to) return SSE_OK;
    if (block->key.ptr) (void)sse__conn_forget(c, NULL, block);
    if (q->count == q->cap && !sse__queue_grow(q)) {
        sse__conn_close(c);
        return SSE_E_NOMEM;
    }
    out        = sse__queue_at(q, q->count);
    q->count++;
    out->block = sse__block_hold(block);
    out->from  = from;
    out->to    = to;
    out->after = sse__conn_after(c);
    if (out->after < block->after) out->after = block->after;
    q->bytes += to - from;
    sse__conn_schedule(c);
    return SSE_OK;
}

/* Takes the bytes of buf; closes the connection if it had failed, or without memory. */
static void sse__conn_push_buf(sse__conn *c, sse_buf *buf) {
    sse__block *block = sse__block_from_buf(buf);
    if (block) (void)sse__conn_push(c, block, 0, block->len);
    else sse__conn_close(c);
    sse__block_drop(block);
}

/* Queues bytes first to end of body, which are read when they can be sent; with an encoding they
   are compressed then (conn_compress_next). Takes body; NULL: there was no memory for it. */
static void sse__conn_push_rest(sse__conn *c, sse__block *body, uint64_t first, uint64_t end,
                                int encoding) {
    sse__block *rest = body ? sse__block_new(NULL, 0) : NULL;
    if (!rest) {
        sse__block_drop(body);
        sse__conn_close(c);
        return;
    }
    rest->from     = body;
    rest->offset   = first;
    rest->end      = end;
    rest->encoding = (uint8_t)encoding;
    (void)sse__conn_push(c, rest, 0, first < end);
    sse__block_drop(rest);
}

/* Queues a reply's bytes. Those of the connection in hand gather in net.out: C2. */
static void sse__conn_write(sse__conn *c, const void *bytes, size_t n) {
    sse_buf own = {NULL, 0, 0, SSE_OK}, *b = c->net->current == c ? &c->net->out : &own;
    if (c->state == SSE__CLOSED) return;
    sse_raw(b, bytes, n);
    if (b == &own) sse__conn_push_buf(c, b);
}

/* Moves what gathered in net.out into the queue, before anything else is queued there: C2. */
static void sse__conn_queue_gathered(sse__conn *c) {
    sse_buf *out = &c->net->out;
    if (c->net->current == c && (out->len || out->error)) sse__conn_push_buf(c, out);
}

/* A reply begins. If the request's body is still on the way, it is either short and known to come,
   or the connection ends: its bytes must not be read as a request. */
static void sse__conn_skip_body(sse__conn *c) {
    if (c->state != SSE__BODY || !c->keep_alive) return;
    c->keep_alive = c->skip = !c->expects && c->body_left <= SSE__SKIP;
    c->paused          = false;
    c->inbox->max_body = SSE__SKIP;
}

/* The reply is queued whole. */
static void sse__conn_reply_end(sse__conn *c) {
    if (c->state == SSE__CLOSED) return;
    if (c->state == SSE__SEND) sse__conn_restart_deadline(c);
    else sse__conn_set_state(c, SSE__SEND);
    sse__conn_schedule(c);
}

/* The rest of a body is broken, too long, or will not come. Its request is answered: the reply
   leaves first, then the connection ends. */
static void sse__conn_give_up_body(sse__conn *c) {
    c->skip = c->keep_alive = false;
    sse__conn_reply_end(c);
}

/* ---- writing ---------------------------------------------------------------- */

/* Hands the system as much of the queue as one call takes; of a file at most max bytes. 32 entries
   fit the stack; a connection with more in its queue is slow anyway. */
static ssize_t sse__conn_send_some(sse__conn *c, size_t max) {
    const sse__block *rest = sse__queue_at(&c->out, 0)->block;
    struct iovec      iov[32];
    struct msghdr     message;
    uint32_t          i;
    if (rest->from) {
        if (rest->end - rest->offset < max) max = (size_t)(rest->end - rest->offset);
        return c->net->send_file(c->source.fd, rest, max);
    }
    memset(&message, 0, sizeof message);
    message.msg_iov = iov;
    for (i = 0; i < c->out.count && i < SSE__COUNT(iov); i++) {
        const sse__out *out = sse__queue_at(&c->out, i);
        if (out->block->from || out->after > c->net->kept) break; /* C5 */
        iov[i].iov_base = out->block->bytes + out->from;
        iov[i].iov_len  = out->to - out->from;
        message.msg_iovlen++; /* size_t here, int there: counted, so that nothing converts */
    }
    return SSE__SYS(sendmsg(c->source.fd, &message, MSG_DONTWAIT | SSE__NOSIGNAL));
}

/* Behind a reply: the next request, or the rest of a body that nobody wants. */
static void sse__conn_next(sse__conn *c) {
    sse__conn_set_state(c, c->skip ? SSE__BODY : SSE__IDLE);
}

static void sse__conn_sent(sse__conn *c) { /* the queue ran empty */
    if (c->out.at != c->out.inside) sse__queue_clear(&c->out);
    if (c->state == SSE__STREAM) c->net->stream_calls->sent(c);
    if (c->state != SSE__SEND) return;
    if (!c->keep_alive) {
        sse__conn_linger(c);
        return;
    }
    sse__conn_next(c);
    if (c->inbox || c->readable) sse__conn_schedule(c); /* pipelined requests wait */
}

static void sse__net_count_sent(sse__net *net, ssize_t n) {
    net->counts.sends++;
    net->counts.bytes_out += (uint64_t)n;
}

static void sse__conn_flush(sse__conn *c) {
    sse__net *net  = c->net;
    size_t    left = SSE__WRITES_A_TURN;
    ssize_t   n;
    if (c->state == SSE__SEND && !c->out.count) sse__conn_sent(c);
    if (c->state == SSE__CLOSED || !c->out.count) return;
    while (c->out.count && c->writable) {
        if (sse__conn_is_held(c)) {
            if (c->work.next) return; /* it is looked at again */
            sse__list_add(&net->held, &c->work);
            c->waits = true;
            return;
        }
        if (sse__queue_at(&c->out, 0)->block->encoding) {
            if (!c->work.next) sse__list_add(&net->to_compress, &c->work);
            return;
        }
        if (!left) { /* the others first */
            sse__conn_schedule(c);
            return;
        }
        n = sse__conn_send_some(c, left);
        if (n > 0) {
            left -= (size_t)n < left ? (size_t)n : left;
            sse__net_count_sent(net, n);
            sse__queue_advance(&c->out, (size_t)n);
            c->progressed = true;
            if (c->state == SSE__SEND) sse__conn_progress(c, (size_t)n);
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            c->writable = false;
        } else if (n == 0 || errno != EINTR) {
            /* broken; n == 0: a file became shorter: the peer would misread the next reply */
            sse__conn_close(c);
            return;
        }
    }
    if (!c->out.count) sse__conn_sent(c);
}

/* Sends what gathered in net.out, at best without queueing any of it: the usual reply costs one
   system call and no allocation. */
static void sse__conn_send_gathered(sse__conn *c) {
    sse__net *net = c->net;
    sse_buf  *out = &net->out;
    ssize_t   n;
    if (c->state != SSE__CLOSED && !out->error && out->len && !c->out.count && c->writable &&
        sse__conn_after(c) <= net->kept) { /* C5 */
        n = SSE__SYS(send(c->source.fd, out->ptr, out->len, MSG_DONTWAIT | SSE__NOSIGNAL));
        if (n > 0) {
            sse__net_count_sent(net, n);
            out->len -= (size_t)n;
            memmove(out->ptr, out->ptr + n, out->len);
        }
        if (!out->len) {
            if (out->cap > SSE__READ_SIZE) sse_buf_free(out);
            sse__conn_sent(c);
            return;
        }
    }
    sse__conn_queue_gathered(c);
    if (c->state == SSE__IDLE && c->out.count) sse__conn_reply_end(c);
    sse__conn_flush(c);
}

/* ---- bodies that are compressed while they leave ---- */

enum { SSE__PIECE = 131072 }; /* takes 2 to 4 ms; larger ones come out hardly shorter */

/* Compresses the next piece of the body that is first in the queue and puts it there as a chunk
   (RFC 9112 7.1). A piece is made when the one before it has left (C4), and one a pass, however
   many connections wait: so no reply takes more memory than a piece, nor holds the loop up for
   longer. It is a key frame of >>frame, which needs nothing of the ones before: a compressor of
   libbrotli for each connection would take megabytes, for as long as the peer likes. Measured
   against its quality 2 at the same window: JavaScript is a third longer, C as long, HTML and JSON
   a tenth shorter. If the piece cannot be had the connection closes: the peer must not take what it
   got for all. */
static void sse__conn_compress_next(sse__conn *c) {
    sse__block    *rest    = sse__block_hold(sse__queue_at(&c->out, 0)->block);
    sse__encoder  *encoder = c->net->app->encoder;
    const uint64_t left    = rest->end - rest->offset;
    const size_t   n       = left < SSE__PIECE ? (size_t)left : (size_t)SSE__PIECE;
    sse_buf        plain = {NULL, 0, 0, SSE_OK}, piece = plain, chunk = plain;
    sse__crc_state sum;
    char           size[16];
    SSE_ASSERT(rest->encoding && c->out.count == 1); /* C4 */
    if (sse__block_read(rest->from, rest->offset, n, &plain)) {
        if (rest->offset == 0) sse__frame_head(encoder, rest->encoding, &piece);
        sum = sse__crc_of(encoder, sse__str(plain.ptr, n));
        sse__crc_append(&rest->sum, &sum);
        sse__frame_key(encoder, rest->encoding, sse__str(plain.ptr, n), &piece);
        if (n == left) sse__frame_end(rest->encoding, &rest->sum, &piece);
    }
    rest->offset += n;
    snprintf(size, sizeof size, "%08lx\r\n", (unsigned long)piece.len);
    sse_puts(&chunk, size);
    sse_raw(&chunk, piece.ptr, piece.len);
    sse_puts(&chunk, n == left ? "\r\n0\r\n\r\n" : "\r\n");
    if (!piece.len || piece.error) sse_buf_fail(&chunk, SSE_E_IO);
    sse_buf_free(&plain);
    sse_buf_free(&piece);
    sse__queue_remove(&c->out, 0);
    sse__conn_push_buf(c, &chunk);
    if (n < left) (void)sse__conn_push(c, rest, 0, 1);
    sse__block_drop(rest);
    if (c->state == SSE__SEND) sse__conn_restart_deadline(c); /* it took all there was */
}

/* ---- refusing ------------------------------------------------------------------ */

static const char *sse__date_now(sse_app *app) { /* the Date value, made once a second */
    const int64_t now = (int64_t)time(NULL);
    if (now != app->date_at) {
        sse__date_write(app->date, now);
        app->date_at = now;
    }
    return app->date;
}

/* Clients that an error would end for good are sent this body instead: without its end it is a
   broken connection to them, after which they come back, in as many ms (WHATWG HTML 9.2.3; Datastar
   after network errors only). framed: in chunks. */
#define SSE__COME_BACK "retry: 2000\n\n"
enum { SSE__COME_BACK_MS = 2000 };

static void sse__put_retry_event(sse_buf *b, int ms, bool framed) {
    char      text[32];
    const int n = snprintf(text, sizeof text, "retry: %d\n\n", ms);
    if (framed) sse_printf(b, "%x\r\n%s\r\n", (unsigned)n, text);
    else sse_puts(b, text);
}

/* The reply to a request that is refused; head NULL: none is in. True: the connection must be reset
   behind it, see conn_break. */
static bool sse__put_refusal(sse_buf *b, sse_app *app, int status, const char *bytes,
                             const sse__head *head) {
    const char *text = sse__status_text(status), *date = sse__date_now(app);
    if (status == 503 && head && sse__head_asker(head, bytes) != SSE__ASKER_PLAIN) {
        sse_printf(b, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n", date);
        sse_printf(b, "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
                   head->minor ? "Transfer-Encoding: chunked\r\n" : "");
        sse__put_retry_event(b, SSE__COME_BACK_MS, head->minor > 0);
        return head->minor == 0;
    }
    sse_printf(b, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\n",
               status, text, date);
    if (status == 503) sse_puts(b, "Retry-After: 5\r\n");
    sse_printf(b, "Content-Length: %zu\r\nConnection: close\r\n\r\n", strlen(text) + 1);
    if (!head || !sse__eq(sse__slice_str(bytes, head->method), SSE__LIT("HEAD")))
        sse_printf(b, "%s\n", text);
    return false;
}

/* Answers with an error and ends the connection. head NULL: none is in. False, for callers that
   stop reading then. */
static bool sse__conn_refuse(sse__conn *c, int status, const char *bytes, const sse__head *head) {
    sse_app *app = c->net->app;
    sse_buf  b   = {NULL, 0, 0, SSE_OK};
    c->net->counts.bad_requests++;
    c->keep_alive = false;
    if (c->req) sse__on_gone(c); /* it reads its body */
    (void)sse__conn_hold(c, 0);
    sse__log(app, SSE_LOG_DEBUG, "refused a request with %d %s", status, sse__status_text(status));
    c->resets = sse__put_refusal(&b, app, status, bytes, head);
    sse__conn_queue_gathered(c);
    sse__conn_push_buf(c, &b);
    sse__conn_reply_end(c);
    return false;
}

/* ---- reading ---------------------------------------------------------------- */

static sse_buf *sse__conn_input(sse__conn *c) { return c->inbox ? &c->inbox->bytes : &c->net->in; }

static void sse__net_head_init(const sse__net *net, sse__head *head) { /* for the next one */
    const sse_app_options *o = &net->app->options;
    sse__head_init(head, head->fields, (uint32_t)o->max_headers, (uint32_t)o->max_header_bytes);
}

/* Gives the request in hand the memory that its texts lie in, because it outlives the handler. The
   input that is not used up goes on in memory of its own. */
static void sse__conn_take_input(sse__conn *c, sse_buf *to) {
    sse_buf *in = sse__conn_input(c);
    *to = *in;
    memset(in, 0, sizeof *in);
    sse_raw(in, to->ptr + c->net->used, to->len - c->net->used);
    c->net->used = 0;
}

/* Drops the input that is done with and puts the rest into the inbox: C3. A new inbox takes over
   the state of the parser. */
static void sse__conn_stash_input(sse__conn *c) {
    sse__net    *net  = c->net;
    sse_buf     *in   = sse__conn_input(c);
    const size_t left = in->len - net->used, fields = net->head.max_fields * sizeof(sse__field);
    sse__inbox  *inbox;
    if (in->error) sse__conn_close(c);
    if (c->state >= SSE__LINGER || (c->state == SSE__SEND && !c->keep_alive)) {
        if (c->inbox) c->inbox->bytes.len = 0; /* nothing further will be read as a request */
    } else if (c->inbox) {
        if (net->used) memmove(in->ptr, in->ptr + net->used, left);
        in->len = left;
    } else if (left) {
        c->inbox = inbox = (sse__inbox *)sse__zalloc(sizeof *inbox + fields);
        if (inbox) {
            inbox->head        = net->head;
            inbox->head.fields = (sse__field *)(void *)(inbox + 1);
            memcpy(inbox->head.fields, net->head.fields, fields);
            sse_raw(&inbox->bytes, in->ptr + net->used, left);
        }
        if (!inbox || inbox->bytes.error) sse__conn_close(c);
    }
    net->in.len = 0;
    net->used   = 0;
    if (c->inbox && !c->inbox->bytes.len && c->state != SSE__CLOSED) { /* C1 */
        sse__inbox_free(c->inbox);
        c->inbox = NULL;
    }
}

static void sse__conn_request(sse__conn *c, char *bytes, const sse__head *head, sse_str body) {
    c->net->counts.requests++;
    sse__conn_set_state(c, SSE__REPLY);
    sse__on_request(c, bytes, head, body);
}

/* The body is wanted: tells a peer that waits to hear it, RFC 9110 10.1.1. */
static void sse__conn_continue(sse__conn *c) {
    if (c->expects) sse__conn_write(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    c->expects = false;
    sse__conn_schedule(c);
}

/* While the program does not read, the peer is not late. */
static void sse__conn_pause(sse__conn *c, bool pause) {
    if (c->paused == pause) return;
    c->paused = pause;
    sse__conn_restart_deadline(c);
    if (!pause) sse__conn_continue(c);
}

/* A body follows the head: is it within the limits, and who takes it? True: go on. */
static bool sse__conn_head(sse__conn *c, char *bytes, const sse__head *head) {
    sse__net      *net    = c->net;
    const size_t   max    = net->max_body, at = (size_t)head->result;
    const uint64_t length = head->content_length;
    const bool     known  = !c->in_place && !head->chunked; /* how much memory it will take */
    const int      status = !head->chunked && length > max            ? 413
                            : known && !sse__conn_has_room(c, length) ? 503
                                                                      : 0;
    if (status) return sse__conn_refuse(c, status, bytes, head);
    c->body_left = length;
    c->expects   = head->expect_continue;
    c->skip = c->paused = false;
    if (known && !c->inbox && net->in.len - net->used - at >= length) { /* it is here already */
        net->used += at + (size_t)length;
        (void)sse__conn_hold(c, (size_t)length);
        sse__conn_request(c, bytes, head, sse__str(bytes + at, (size_t)length));
        return true;
    }
    sse__conn_stash_input(c);
    if (c->state == SSE__CLOSED) return false;
    c->inbox->body_len = 0;
    c->inbox->max_body = max;
    sse__chunked_init(&c->inbox->chunks, max);
    sse__conn_set_state(c, SSE__BODY);
    if (c->in_place) { /* the handler runs first, and asks for the body */
        net->counts.requests++;
        sse__on_request(c, c->inbox->bytes.ptr, &c->inbox->head, sse__str(NULL, 0));
    } else sse__conn_continue(c);
    return true;
}

/* Reads on in a head. True: a step was made, look again. */
static bool sse__conn_parse(sse__conn *c) {
    sse__net    *net  = c->net;
    sse_buf     *in   = sse__conn_input(c);
    char        *p    = in->ptr + net->used;
    const size_t len  = in->len - net->used;
    sse__head   *head = c->inbox ? &c->inbox->head : &net->head;
    int          got;
    if (!len) return false;
    if (c->state == SSE__IDLE) sse__net_head_init(net, head);
    got = sse__head_parse(head, p, len);
    if (got == 0) {
        if (c->state == SSE__IDLE) sse__conn_set_state(c, SSE__HEAD);
        return false;
    }
    /* the reply can still say so */
    c->keep_alive = got > 0 && head->keep_alive && !SSE__FLAG(net->loop->stop);
    if (got < 0 || c->surplus) {
        net->used = in->len;
        return got < 0 ? sse__conn_refuse(c, -got, p, NULL) : sse__conn_refuse(c, 503, p, head);
    }
    got = sse__on_head(c, p, head);
    if (got) return sse__conn_refuse(c, got, p, head);
    if (head->chunked || head->content_length) return sse__conn_head(c, p, head);
    net->used += (size_t)head->result;
    sse__conn_request(c, p, head, sse__str(NULL, 0));
    return true;
}

/* Turns raw input behind the decoded part of the body into more of it, in place: decoding never
   makes it longer. Returns 1: the body is complete; 0: more to come; or -status. */
static int sse__conn_decode(sse__conn *c) {
    sse__inbox  *inbox = c->inbox;
    const size_t at    = (size_t)inbox->head.result + inbox->body_len, len = inbox->bytes.len - at;
    char        *raw   = inbox->bytes.ptr + at;
    size_t       used, made;
    int          status;
    if (inbox->head.chunked) {
        status = sse__chunked_decode(&inbox->chunks, raw, len, &used, &made);
        if (status < 0) return status;
    } else {
        used = made = c->body_left < len ? (size_t)c->body_left : len;
        c->body_left -= used;
        status = c->body_left == 0;
    }
    memmove(raw + made, raw + used, len - used);
    inbox->bytes.len -= used - made;
    inbox->body_len += made;
    return inbox->body_len > inbox->max_body ? -413 : status;
}

/* Hands on what was decoded of a body that is read in place, or drops it if the request is
   answered. */
static bool sse__conn_hand_on(sse__conn *c, int status) {
    sse__inbox  *inbox = c->inbox;
    const size_t head  = (size_t)inbox->head.result, n = inbox->body_len;
    char        *body  = inbox->bytes.ptr + head;
    if (n) {
        if (!c->skip) sse__on_body(c, sse__str(body, n), 1);
        if (c->state == SSE__CLOSED) return false;
        inbox->bytes.len -= n;
        memmove(body, body + n, inbox->bytes.len - head);
        if (inbox->max_body != SSE_UNLIMITED)
            /* the limit is for all of the body, not for a piece */
            inbox->max_body -= n < inbox->max_body ? n : inbox->max_body;
        inbox->body_len = 0;
        if (c->state != SSE__BODY) return true; /* answered */
    }
    if (status == 0 || c->paused) return false;
    c->net->used = head;
    if (c->skip) {
        c->skip = false;
        sse__conn_next(c);
        return true;
    }
    sse__conn_set_state(c, SSE__REPLY);
    sse__on_body(c, sse__str(NULL, 0), 0);
    return true;
}

/* Reads on in a body. True: a step was made, look again. */
static bool sse__conn_body(sse__conn *c) {
    sse__inbox *inbox;
    char       *bytes;
    int         status;
    sse__conn_stash_input(c);
    if (c->state != SSE__BODY || c->paused) return false;
    inbox  = c->inbox;
    bytes  = inbox->bytes.ptr;
    status = sse__conn_decode(c);
    if (status < 0 && c->skip) {
        sse__conn_give_up_body(c);
        return false;
    }
    if (status >= 0 && !c->in_place && !sse__conn_hold(c, inbox->body_len)) status = -503;
    if (status < 0) return sse__conn_refuse(c, -status, bytes, &inbox->head);
    if (c->in_place) return sse__conn_hand_on(c, status);
    if (status == 0) return false;
    c->net->used = (size_t)inbox->head.result + inbox->body_len;
    sse__conn_request(c, bytes, &inbox->head,
                      sse__str(bytes + inbox->head.result, inbox->body_len));
    return true;
}

/* Works through the input that is there: as many requests as are complete, up to a turn's worth of
   them, or 2 ms. The clock is asked behind the second request and then every eighth: where a system
   call is slow it costs half a request. */
static void sse__conn_process(sse__conn *c) {
    sse__net      *net   = c->net;
    const uint64_t first = net->counts.requests;
    bool           more  = true;
    net->current = c;
    while (more) {
        const bool     answered = c->state == SSE__SEND && c->keep_alive;
        const uint64_t done     = net->counts.requests - first;
        if (answered && done >= SSE__REQUESTS_A_TURN) break;
        if (answered && done % 8 == 2 && sse__conn_input(c)->len > net->used &&
            sse__clock_ms() - net->loop->wheel.now >= 2)
            break;
        if (c->state == SSE__IDLE || c->state == SSE__HEAD) more = sse__conn_parse(c);
        else if (c->state == SSE__BODY) more = sse__conn_body(c);
        else if (answered && !c->out.count && net->out.len < SSE__READ_SIZE) sse__conn_next(c);
        else more = false;
    }
    sse__conn_stash_input(c);
    sse__conn_send_gathered(c);
    c->crowded   = more && c->inbox;
    net->current = NULL;
    if (more && c->state != SSE__CLOSED) sse__conn_schedule(c);
}

static bool sse__conn_wants_input(const sse__conn *c) {
    switch (c->state) {
    case SSE__IDLE: case SSE__HEAD: return !c->crowded;
    case SSE__LINGER: return true;
    case SSE__STREAM: return !c->pipelined;
    case SSE__BODY: return !c->paused;
    default: return false; /* pipelined requests wait in the kernel: backpressure */
    }
}

static void sse__conn_read(sse__conn *c) {
    sse__net *net = c->net;
    int       reads;
    for (reads = 0; c->readable && sse__conn_wants_input(c); reads++) {
        sse_buf *in   = sse__conn_input(c);
        size_t   room = c->inbox ? SSE__READ_SIZE / 4 : SSE__READ_SIZE;
        char    *p    = reads < SSE__READS_A_TURN ? sse__buf_room(in, room) : NULL;
        int      peek = c->state == SSE__STREAM ? MSG_PEEK : 0;
        ssize_t  n;
        if (!p && in->error) sse__conn_close(c);
        if (!p) break;
        n = SSE__SYS(recv(c->source.fd, p, room, MSG_DONTWAIT | peek));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            c->readable = false;
        } else if (n <= 0) { /* it may wait for its last reply; in any other state it has left */
            c->readable = false;
            c->ended    = true;
            if (n == 0 && c->state == SSE__BODY && c->skip && c->out.count)
                sse__conn_give_up_body(c);
            else if (n < 0 || c->state != SSE__SEND) sse__conn_close(c);
        } else if (peek) {
            c->pipelined = true; /* the next request: it stays where it is */
        } else {
            if ((size_t)n < room && !c->hangup)
                c->readable = false; /* drained; more comes with an event */
            net->counts.bytes_in += (uint64_t)n;
            if (c->state == SSE__LINGER) continue; /* thrown away */
            in->len += (size_t)n;
            if (c->state == SSE__BODY) sse__conn_progress(c, (size_t)n);
            sse__conn_process(c);
        }
    }
    if (net->in.cap > 2 * SSE__READ_SIZE || net->in.error) sse_buf_free(&net->in);
}

/* ---- turns ---------------------------------------------------------------------- */

/* Notes what the system reports, which it does once (edge-triggered). The work is done by net_work,
   where each connection has its turn. */
static void sse__conn_event(sse__source *source, int events) {
    sse__conn *c = SSE__CONTAINER(source, sse__conn, source);
    if (events & ((int)SSE_READ | (int)SSE__HANGUP)) c->readable = true;
    if (events & SSE_WRITE) c->writable = true;
    if (events & SSE__HANGUP) c->hangup = true;
    if (events & SSE__BROKEN || (c->hangup && c->state == SSE__STREAM)) sse__conn_close(c);
    else sse__conn_schedule(c);
}

static bool sse__net_has_work(const sse__net *net) {
    return !sse__list_empty(&net->work) || !sse__list_empty(&net->to_compress);
}

/* One pass over the connections with something to do. What they give each other to do waits for the
   next pass. */
static void sse__net_run(sse__net *net) {
    sse__link  now;
    sse__conn *c;
    if (!sse__list_empty(&net->to_compress)) {
        c = SSE__CONTAINER(net->to_compress.next, sse__conn, work);
        sse__list_remove(&c->work);
        sse__conn_compress_next(c);
        if (c->state != SSE__CLOSED) sse__conn_schedule(c);
    }
    sse__list_move(&now, &net->work);
    while (!sse__list_empty(&now)) {
        c = SSE__CONTAINER(now.next, sse__conn, work);
        sse__list_remove(&c->work);
        net->loop->upcall++;
        sse__conn_flush(c);
        if (c->inbox && (c->state == SSE__IDLE || c->state == SSE__BODY)) sse__conn_process(c);
        if (c->state != SSE__CLOSED) sse__conn_read(c);
        if (c->state == SSE__CLOSED) continue;
        if (c->readable && sse__conn_wants_input(c)) sse__conn_schedule(c);
        sse__poller_interest(&net->loop->poller, &c->source,
                         SSE__EDGE | (sse__conn_wants_input(c) ? SSE_READ : 0) |
                             (c->out.count && !sse__conn_is_held(c) ? SSE_WRITE : 0));
    }
}

/* The alarm of a deadline. One that only moves away leaves its alarm where it is; it is set again
   here, once, however often it was put off. */
static void sse__conn_alarm(sse__alarm *alarm) {
    sse__conn *c    = SSE__CONTAINER(alarm, sse__conn, alarm);
    sse__net  *net  = c->net;
    sse__loop *loop = net->loop;
    /* or it has no reply yet */
    const bool cut  = c->state != SSE__HEAD && (c->state != SSE__BODY || c->skip);
    if (!c->deadline) return;
    loop->upcall++;
    if (c->deadline > loop->wheel.now) { /* it was put off since */
        sse__alarm_set(&loop->wheel, alarm, c->deadline);
        return;
    }
    if (c->state == SSE__SEND && sse__conn_is_held(c)) { /* its peer's time begins later */
        sse__conn_restart_deadline(c);
        return;
    }
    if (!c->excused &&
        ((c->readable && sse__conn_wants_input(c)) || (c->writable && c->out.count))) {
        /* perhaps the loop was late, not the peer; once, or a drip had no deadline */
        c->excused = true;
        sse__conn_schedule(c);
        sse__alarm_set(&loop->wheel, alarm, loop->wheel.now + 1);
        return;
    }
    c->deadline = 0;
    if (c->state == SSE__STREAM) net->stream_calls->tick(c);
    else if (c->state == SSE__LINGER && c->resets) {
        if (sse__conn_may_reset(c)) sse__conn_close(c);
    } else {
        net->counts.timeouts++;
        if (cut) sse__conn_close(c);
        else (void)sse__conn_refuse(c, 408, NULL, NULL);
    }
}

/*==========================================================================
  >>listen   sockets that listen, and what comes in by them
  Uses: >>conn >>http >>loop >>base     Tests: tests/unit/server.c tests/wire/limits.test.mjs

  It owns the listeners, and makes connections of what they accept.

  LI1  A connection over max_connections or max_per_peer is read far enough
       to be refused in words; without room for that it is closed.
  LI2  Without a descriptor left the loop neither spins nor leaves a client
       waiting for good: it pauses, then gives up its spare one to refuse.
  Tests: LI1 tests/wire/limits.test.mjs, LI2 tests/wire/faults.test.mjs
==========================================================================*/

/* ---- accepting ---------------------------------------------------------------- */

typedef struct sse__listener {
    sse__source source;
    sse__link   link;
    sse__net   *net;
    char       *unix_path; /* removed in the end; NULL: none */
    bool        loopback;
} sse__listener;

static const unsigned char sse__ipv4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static const char *sse__peer_write(const sse__peer *peer, char text[INET6_ADDRSTRLEN]) {
    const unsigned char *at = peer->address;
    const int family = memcmp(at, sse__ipv4_mapped, 12) == 0 ? AF_INET : AF_INET6;
    if (!peer->port) return "unix";
    if (family == AF_INET) at += 12;
    return inet_ntop(family, at, text, INET6_ADDRSTRLEN) ? text : "";
}

/* A proxy to be believed. */
static bool sse__peer_trusted(const sse_app *app, const sse__peer *peer) {
    const char *trusted = app->options.trusted_proxies;
    char        text[INET6_ADDRSTRLEN];
    return trusted && sse__wordlist_has(trusted, sse__text(sse__peer_write(peer, text)));
}

static sse__peer sse__peer_of(const struct sockaddr_storage *from) {
    sse__peer peer;
    memset(&peer, 0, sizeof peer);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        peer.port = ntohs(in->sin_port);
        memcpy(peer.address, sse__ipv4_mapped, 12);
        memcpy(peer.address + 12, &in->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;
        peer.port = ntohs(in->sin6_port);
        memcpy(peer.address, &in->sin6_addr, 16);
    }
    return peer;
}

/* Whether this address holds all the connections it may. Unix sockets have no address, and proxies
   stand for many. Counted by a walk, as only this option needs the count, and only when a
   connection comes. */
static bool sse__net_peer_full(const sse__net *net, const sse__peer *peer) {
    const int        most = net->app->options.max_per_peer;
    const sse__link *link;
    int              n = 0;
    if (most == 0 || !peer->port || sse__peer_trusted(net->app, peer)) return false;
    for (link = net->conns.next; link != &net->conns; link = link->next)
        n += !memcmp(SSE__CONTAINER(link, sse__conn, all)->peer.address, peer->address, 16);
    return n >= most;
}

static int sse__conn_new(const sse__listener *l, int fd, const sse__peer *peer, bool surplus) {
    sse__net  *net = l->net;
    sse__conn *c   = SSE__NEW(sse__conn);
    if (!c) return SSE_E_NOMEM;
    c->net       = net;
    c->peer      = *peer;
    c->source.fd = fd;
    c->source.fn = sse__conn_event;
    c->alarm.fn  = sse__conn_alarm;
    c->writable  = true;
    c->loopback  = l->loopback;
    c->surplus   = surplus;
    c->out.at    = c->out.inside;
    c->out.cap   = SSE__COUNT(c->out.inside);
    if (sse__poller_add(&net->loop->poller, &c->source, SSE_READ | SSE_WRITE | SSE__EDGE)) {
        SSE_FREE(c);
        return SSE_E_IO;
    }
    sse__list_add(&net->conns, &c->all);
    net->count++;
    net->surplus += surplus;
    net->counts.accepted++;
    sse__conn_deadline(c, surplus ? SSE__SURPLUS_MS : net->app->options.header_timeout_ms);
    return SSE_OK;
}

/* Refuses at once, by what has come of the request. Where no head is in yet, silence says the same.
   */
static void sse__net_refuse(sse__net *net, int fd) {
    sse__head *head = &net->head; /* no request is in hand */
    sse_buf    b    = {NULL, 0, 0, SSE_OK};
    char       bytes[2048];
    bool       resets = false;
    ssize_t    n      = SSE__SYS(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT));
    sse__net_head_init(net, head);
    if (n > 0 && sse__head_parse(head, bytes, (size_t)n) > 0)
        resets = sse__put_refusal(&b, net->app, 503, bytes, head);
    if (b.len && !b.error) n = SSE__SYS(send(fd, b.ptr, b.len, MSG_DONTWAIT | SSE__NOSIGNAL));
    (void)n; /* best effort */
    if (!resets) (void)shutdown(fd, SHUT_WR);
    sse__socket_close(fd, resets);
    sse_buf_free(&b);
    net->counts.refused++;
}

/* ---- out of descriptors or memory: LI2 ------------------------------------------- */

enum { SSE__PAUSE_MS = 100 }; /* without accepting: requests of waiting clients come meanwhile */

static void sse__net_spare_open(sse__net *net) {
    if (net->spare_fd < 0) net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void sse__net_listen_for(sse__net *net, int events) { /* SSE_READ, or 0: nothing */
    sse__link *link;
    for (link = net->listeners.next; link != &net->listeners; link = link->next) {
        sse__listener *l = SSE__CONTAINER(link, sse__listener, link);
        sse__poller_interest(&net->loop->poller, &l->source, events);
    }
}

static void sse__net_listen_again(sse__alarm *alarm) {
    sse__net *net = SSE__CONTAINER(alarm, sse__net, retry);
    net->paused_at = net->loop->wheel.now;
    sse__net_spare_open(net);
    sse__net_listen_for(net, SSE_READ);
}

/* Nothing is left to accept with. Connections wait in the backlog first: another may close, and
   meanwhile their requests come. If we have already paused, the spare descriptor is closed, and one
   connection accepted with it and refused. */
static void sse__net_exhausted(sse__net *net, int listener_fd) {
    const uint64_t now = net->loop->wheel.now;
    int            fd  = -1;
    if (net->paused_at && now - net->paused_at < SSE__PAUSE_MS && net->spare_fd >= 0) {
        close(net->spare_fd);
        net->spare_fd = -1;
        fd = SSE__SYS(accept(listener_fd, NULL, NULL));
        if (fd >= 0) sse__net_refuse(net, fd);
        sse__net_spare_open(net);
    }
    if (fd >= 0) return;
    sse__log(net->app, SSE_LOG_WARNING,
             "cannot accept connections for now: out of descriptors or memory");
    sse__net_listen_for(net, 0); /* a readable socket that nobody reads would spin the loop */
    sse__alarm_set(&net->loop->wheel, &net->retry, now + SSE__PAUSE_MS);
}

static void sse__listener_event(sse__source *source, int events) {
    sse__listener *l   = SSE__CONTAINER(source, sse__listener, source);
    sse__net      *net = l->net;
    const uint32_t max = (uint32_t)net->app->options.max_connections;
    const uint32_t surplus_max = max / 16 > 64 ? max / 16 : 64; /* read only to be refused: LI1 */
    int            i;
    (void)events;
    for (i = 0; i < 256; i++) { /* a crowd comes in portions: the others have their turn, too */
        struct sockaddr_storage from;
        socklen_t               len = sizeof from;
        sse__peer               peer;
        bool                    surplus;
        int                     fd;
        memset(&from, 0, sizeof from);
        fd = SSE__SYS(accept(source->fd, (struct sockaddr *)&from, &len));
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
            sse__net_exhausted(net, source->fd);
        if (fd < 0) return;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        peer    = sse__peer_of(&from);
        surplus = net->count - net->surplus >= max || sse__net_peer_full(net, &peer);
        if ((surplus && net->surplus >= surplus_max) || sse__conn_new(l, fd, &peer, surplus))
            sse__net_refuse(net, fd);
    }
}

/* ---- all connections of a loop ---------------------------------------------------- */

static sse__net *sse__net_open(sse_app *app) { /* returned, free with sse__net_close */
    const size_t fields = (size_t)app->options.max_headers * sizeof(sse__field);
    sse__net    *net    = SSE__NEW(sse__net);
    if (!net) return NULL;
    net->head.fields = (sse__field *)sse__zalloc(fields);
    if (!net->head.fields) {
        SSE_FREE(net);
        return NULL;
    }
    net->app  = app;
    net->loop = &app->loop;
    sse__list_init(&net->listeners);
    sse__list_init(&net->work);
    sse__list_init(&net->to_compress);
    sse__list_init(&net->held);
    sse__list_init(&net->closed);
    sse__list_init(&net->conns);
    sse__net_head_init(net, &net->head);
    net->retry.fn = sse__net_listen_again;
    net->spare_fd = -1;
    sse__net_spare_open(net);
    return net;
}

static void sse__net_stop_listening(sse__net *net) {
    while (!sse__list_empty(&net->listeners)) {
        sse__listener *l = SSE__CONTAINER(net->listeners.next, sse__listener, link);
        sse__poller_remove(&net->loop->poller, &l->source);
        close(l->source.fd);
        if (l->unix_path) unlink(l->unix_path);
        SSE_FREE(l->unix_path);
        sse__list_remove(&l->link);
        SSE_FREE(l);
    }
    sse__alarm_cancel(&net->retry);
}

static void sse__net_close(sse__net *net) {
    if (!net) return;
    sse__net_stop_listening(net);
    while (!sse__list_empty(&net->conns))
        sse__conn_close(SSE__CONTAINER(net->conns.next, sse__conn, all));
    sse__net_reap(net);
    if (net->spare_fd >= 0) close(net->spare_fd);
    sse_buf_free(&net->in);
    sse_buf_free(&net->out);
    SSE_FREE(net->head.fields);
    SSE_FREE(net);
}

/* ---- listening ---------------------------------------------------------------- */

typedef struct sse__address {
    union {
        struct sockaddr     any;
        struct sockaddr_in  in;
        struct sockaddr_in6 in6;
        struct sockaddr_un  un;
    } to;
    socklen_t len;
} sse__address;

static bool sse__address_is_loopback(const sse__address *a) {
    const int family = a->to.any.sa_family;
    if (family == AF_INET) return ntohl(a->to.in.sin_addr.s_addr) >> 24 == 127;
    return family == AF_INET6 &&
           memcmp(&a->to.in6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

static bool sse__address_unix(sse__address *a, sse_str path) { /* false: it is empty or too long */
    if (!path.len || path.len >= sizeof a->to.un.sun_path) return false;
    memset(a, 0, sizeof *a);
    a->to.un.sun_family = AF_UNIX;
    memcpy(a->to.un.sun_path, path.ptr, path.len);
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    return true;
}

static int sse__address_parse(sse__address *a, const char *host, int port) {
    if (strncmp(host, "unix:", 5) == 0)
        return sse__address_unix(a, sse__text(host + 5)) ? SSE_OK : SSE_E_ARG;
    memset(a, 0, sizeof *a);
    if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &a->to.in.sin_addr) == 1) {
        a->to.in.sin_family = AF_INET;
        a->to.in.sin_port   = htons((uint16_t)port);
        a->len              = sizeof a->to.in;
    } else {
        if (inet_pton(AF_INET6, host, &a->to.in6.sin6_addr) != 1) return SSE_E_ARG;
        a->to.in6.sin6_family = AF_INET6;
        a->to.in6.sin6_port   = htons((uint16_t)port);
        a->len                = sizeof a->to.in6;
    }
    return SSE_OK;
}

static void sse__socket_option(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* What accepted connections inherit (on Linux): no call per connection. A peer that vanished
   silently is noticed. */
static void sse__socket_tune(int fd, int send_timeout_ms) {
    static const int options[][3] = {
        {SOL_SOCKET, SO_REUSEADDR, 1}, {IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1},
#if defined(TCP_KEEPIDLE)
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 20},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
#endif
#if defined(SO_NOSIGPIPE)
        {SOL_SOCKET, SO_NOSIGPIPE, 1},
#endif
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(options); i++)
        sse__socket_option(fd, options[i][0], options[i][1], options[i][2]);
#if defined(TCP_USER_TIMEOUT)
    if (send_timeout_ms > 0) sse__socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, send_timeout_ms);
#else
    (void)send_timeout_ms;
#endif
}

/* A unix socket's file outlives its server. It is in the way only if nobody answers there any more.
   */
static void sse__unix_clear(const sse__address *a) {
    struct stat st;
    int         fd;
    if (lstat(a->to.un.sun_path, &st) || !S_ISSOCK(st.st_mode)) return;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return;
    if (connect(fd, &a->to.any, a->len) && errno == ECONNREFUSED) unlink(a->to.un.sun_path);
    close(fd);
}

/* Or -1 with errno. */
static int sse__socket_listen(sse_app *app, const sse__address *a, int backlog) {
    const int family = a->to.any.sa_family, fd = SSE__SYS(socket(family, SOCK_STREAM, 0));
    int       saved;
    if (fd < 0) return -1;
    if (family == AF_UNIX) sse__unix_clear(a);
    else sse__socket_tune(fd, app->options.send_timeout_ms);
    if (family == AF_INET6)
        sse__socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* "::" takes IPv4 as well */
    if (sse__set_flags(fd) == SSE_OK && SSE__SYS(bind(fd, &a->to.any, a->len)) == 0 &&
        SSE__SYS(listen(fd, backlog)) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool sse__address_of(sse__address *a, int fd) {
    memset(a, 0, sizeof *a);
    a->len = sizeof a->to;
    return getsockname(fd, &a->to.any, &a->len) == 0;
}

static int sse__bound_port(int fd) { /* 0: a unix socket */
    sse__address a;
    if (!sse__address_of(&a, fd)) return 0;
    if (a.to.any.sa_family == AF_INET6) return ntohs(a.to.in6.sin6_port);
    return a.to.any.sa_family == AF_INET ? ntohs(a.to.in.sin_port) : 0;
}

/* Takes fd. The file of unix_path is removed in the end. */
static int sse__listener_add(sse_app *app, int fd, const char *unix_path) {
    sse__listener *l = SSE__NEW(sse__listener);
    int            error = SSE_E_NOMEM;
    sse__address   a;
    if (l) {
        l->net       = app->net;
        l->loopback  = sse__address_of(&a, fd) && sse__address_is_loopback(&a);
        l->source.fd = fd;
        l->source.fn = sse__listener_event;
        error = sse__poller_add(&app->loop.poller, &l->source, SSE_READ);
    }
    if (error) {
        SSE_FREE(l);
        close(fd);
        return error;
    }
    if (unix_path) l->unix_path = sse__strdup(sse__text(unix_path));
    sse__list_add(&app->net->listeners, &l->link);
    if (!app->net->port) app->net->port = sse__bound_port(fd);
    return SSE_OK;
}

/* ---- systemd: sockets it opened, and messages to it ------------------------------- */

static int sse__socket_value(int fd, int name) { /* -1: it has none */
    int       value;
    socklen_t n = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &n) ? -1 : value;
}

/* Takes the sockets passed to this process, once: later calls find the variables gone.
   SSE_E_ABSENT: there are none. Spec: sd_listen_fds(3). */
static int sse__listen_passed(sse_app *app) {
    const long long count = sse_parse_int(getenv("LISTEN_FDS"), 0);
    const bool      ours  = sse_parse_int(getenv("LISTEN_PID"), 0) == (long long)getpid();
    int             fd, error = SSE_OK;
    if (!ours || count <= 0 || count > 1024) return SSE_E_ABSENT;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (fd = 3; fd < 3 + (int)count && !error; fd++) {
        if (sse__socket_value(fd, SO_TYPE) != SOCK_STREAM ||
            sse__socket_value(fd, SO_ACCEPTCONN) <= 0 || sse__set_flags(fd))
            return sse__refuse(app, SSE_E_IO,
                               "descriptor %d of LISTEN_FDS is no listening stream socket: "
                               "ListenStream= and Accept=no are needed", fd);
        sse__socket_tune(fd, app->options.send_timeout_ms); /* without effect on a unix socket */
        sse__log(app, SSE_LOG_INFO, "listening on descriptor %d, port %d, of LISTEN_FDS", fd,
                 sse__bound_port(fd));
        error = sse__listener_add(app, fd, NULL);
    }
    return error;
}

/* Sends a line to the service manager, if one listens. Spec: sd_notify(3). */
static void sse__notify(const char *state) {
    const sse_str path = sse__text(getenv("NOTIFY_SOCKET"));
    sse__address  a;
    int           fd;
    if (path.len < 2 || (path.ptr[0] != '/' && path.ptr[0] != '@') || !sse__address_unix(&a, path))
        return;
    if (path.ptr[0] == '@') a.to.un.sun_path[0] = '\0'; /* abstract: no file */
    fd = SSE__SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
    if (fd < 0) return;
    if (sse__set_flags(fd) == SSE_OK) /* a message that is lost is nobody's error */
        (void)(SSE__SYS(sendto(fd, state, strlen(state), SSE__NOSIGNAL, &a.to.any, a.len)) < 0);
    close(fd);
}

/*==========================================================================
  >>options   defaults and limits of options, texts that can never match
  Uses: >>listen >>loop >>field >>text >>base    Tests: tests/unit/refusals.c

  OP1  What app.options says is valid and complete: numbers are within their
       limits, texts are the app's own copies.
==========================================================================*/

/* Numbers. max 0: any value. */
typedef struct sse__option {
    char     name[20];
    uint16_t at, is_size;
    int32_t  otherwise, min, max;
} sse__option;

#define SSE__INT(name, otherwise, min, max)                                                        \
    {#name, offsetof(sse_app_options, name), 0, otherwise, min, max}
#define SSE__SIZE(name, otherwise, min, max)                                                       \
    {#name, offsetof(sse_app_options, name), 1, otherwise, min, max}
static const sse__option sse__option_numbers[] = {
    SSE__SIZE(max_header_bytes, 16384, 128, 1 << 24),
    SSE__SIZE(max_body_bytes, 1 << 20, 0, 0),
    SSE__SIZE(max_queue_bytes, 1 << 20, 0, 0),
    SSE__SIZE(max_call_bytes, 64 << 20, 0, 0),
    SSE__SIZE(max_bodies_bytes, 64 << 20, 0, 0),
    SSE__SIZE(compress_min_bytes, 1024, 0, 0),
    SSE__INT(max_headers, 100, 1, 10000),
    SSE__INT(max_connections, 0, 1, INT32_MAX), /* its default is not a constant */
    SSE__INT(max_per_peer, 0, 0, INT32_MAX),
    SSE__INT(max_views, 1000, 1, INT32_MAX),
    SSE__INT(max_topics, 10000, 1, INT32_MAX),
    SSE__INT(header_timeout_ms, 10000, SSE_OFF, INT32_MAX),
    SSE__INT(body_timeout_ms, 30000, SSE_OFF, INT32_MAX),
    SSE__INT(keepalive_ms, 60000, SSE_OFF, INT32_MAX),
    SSE__INT(send_timeout_ms, 30000, SSE_OFF, INT32_MAX),
    SSE__INT(slow_ms, 250, SSE_OFF, INT32_MAX),
    SSE__INT(compress_window, 18, 16, 24),
    SSE__INT(compress_quality, 5, 1, 11)};
#undef SSE__INT
#undef SSE__SIZE

/* The tenth that is left is for files, databases and the program's own. */
static int sse__default_connections(void) {
    struct rlimit limit;
    const bool    known = !getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur <= 10000000;
    return known ? (int)(limit.rlim_cur / 10 * 9) : 9000000;
}

/* Sets what is 0 to its default, and checks the rest. */
static int sse__options_numbers(sse_app *app) {
    const sse__option *o;
    sse__bounds        b;
    int                error = SSE_OK;
    if (!app->options.max_connections) app->options.max_connections = sse__default_connections();
    for (o = sse__option_numbers; !error && o < (&sse__option_numbers)[1]; o++) {
        void *at = (char *)&app->options + o->at;
        if (o->is_size && !*(size_t *)at) *(size_t *)at = (size_t)o->otherwise;
        if (!o->is_size && !*(int *)at) *(int *)at = o->otherwise;
        b.name  = o->name;
        b.value = o->is_size ? (long long)*(size_t *)at : *(int *)at;
        b.min   = o->min;
        b.max   = o->max;
        if (o->max) error = sse__check_bounds(app, "sse_app_new", &b, 1);
    }
    return error;
}

/* Proxies are looked up by the text of their address: one that is spelled in another way would
   never be found. */
static bool sse__is_proxy(sse_str word) {
    char            text[INET6_ADDRSTRLEN], usual[INET6_ADDRSTRLEN];
    struct in6_addr address; /* an IPv4 address fits as well */
    const int       family = memchr(word.ptr, ':', word.len) ? AF_INET6 : AF_INET;
    if (sse__is_word(word, "unix")) return true;
    if (word.len >= sizeof text) return false;
    sse__copy_text(text, word);
    if (inet_pton(family, text, &address) != 1) return false;
    if (!inet_ntop(family, &address, usual, sizeof usual)) return false;
    return sse__is_word(word, usual) && strncmp(usual, "::ffff:", 7) != 0; /* those come as IPv4 */
}

static bool sse__is_host_name(sse_str word) {
    sse__host host;
    if (sse__is_word(word, "*")) return true;
    if (memchr(word.ptr, '*', word.len)) return false;
    return sse__host_parse(word, &host) && host.name.len == word.len;
}

/* As browsers write the Origin field: it is compared as text. "null": of pages that have none,
   files for example. */
static bool sse__is_origin(sse_str word) {
    sse__origin origin;
    if (sse__is_word(word, "*") || sse__eq(word, SSE__LIT("null"))) return true;
    if (!sse__origin_parse(word, &origin) || !origin.scheme.ptr) return false;
    if (memchr(word.ptr, '*', word.len) || word.ptr[word.len - 1] == ':') return false;
    return !sse__is_word(origin.host.port, sse__is_word(origin.scheme, "https") ? "443" : "80");
}

/* Lists of words by spaces, each of which must be one that can match. fine NULL: any is. */
static const struct {
    const char *name, *wanted;
    size_t      at;
    bool      (*fine)(sse_str word);
} sse__option_texts[] = {
#define SSE__TEXT(name, fine, wanted) {#name, wanted, offsetof(sse_app_options, name), fine}
#define SSE__ORIGIN "as browsers say it: https://example.com, without path and usual port, or *"
    SSE__TEXT(secret, NULL, "words by spaces, the first one signs"),
    SSE__TEXT(trusted_proxies, sse__is_proxy,
              "an address as inet_ntop writes it, without port or range, or unix"),
    SSE__TEXT(allowed_hosts, sse__is_host_name,
              "a host name without scheme and port, IPv6 in brackets, or *"),
    SSE__TEXT(allowed_origins, sse__is_origin, SSE__ORIGIN),
    SSE__TEXT(cors_origins, sse__is_origin, SSE__ORIGIN)};
#undef SSE__TEXT
#undef SSE__ORIGIN

static const char **sse__option_text(sse_app *app, size_t i) {
    return (const char **)(void *)((char *)&app->options + sse__option_texts[i].at);
}

static int sse__options_texts(sse_app *app) {
    size_t i;
    for (i = 0; i < SSE__COUNT(sse__option_texts); i++) {
        const char *name = sse__option_texts[i].name, *wanted = sse__option_texts[i].wanted;
        const char *text = *sse__option_text(app, i);
        sse_str     rest = sse__text(text), word;
        bool        empty = text != NULL;
        while (rest.ptr) {
            word = sse__cut(&rest, ' ', false);
            if (!word.len) continue;
            empty = false;
            if (sse__option_texts[i].fine && !sse__option_texts[i].fine(word))
                return sse__refuse(app, SSE_E_ARG, "sse_app_new: .%s \"%.*s\": %s", name,
                                   SSE_STR(word), wanted);
        }
        if (empty)
            return sse__refuse(app, SSE_E_ARG, "sse_app_new: .%s \"%s\": empty: %s, or NULL", name,
                               text, wanted);
    }
    if (!app->options.cors_credentials) return SSE_OK;
    if (!sse__wordlist_has(app->options.cors_origins, SSE__LIT("*"))) return SSE_OK;
    return sse__refuse(app, SSE_E_ARG, "sse_app_new: .cors_credentials: not with .cors_origins *, "
                                       "every page could act as its visitor: name them");
}

/* Takes a copy of options and of its texts. Returns 0 or SSE_E_NOMEM; free with options_free, on
   failure too. */
static int sse__options_copy(sse_app *app, const sse_app_options *options) {
    size_t i;
    int    error = SSE_OK;
    if (options) app->options = *options;
    for (i = 0; i < SSE__COUNT(sse__option_texts); i++) {
        const char **text = sse__option_text(app, i);
        if (*text && !(*text = sse__strdup(sse__text(*text)))) error = SSE_E_NOMEM;
    }
    return error;
}

static int sse__options_check(sse_app *app) { /* OP1 */
    const int error = sse__options_numbers(app);
    return error ? error : sse__options_texts(app);
}

static void sse__options_free(sse_app *app) {
    size_t i;
    for (i = 0; i < SSE__COUNT(sse__option_texts); i++) SSE_FREE((void *)*sse__option_text(app, i));
}

/* What the app signs with: without a secret of the program's, one for as long as the process lives,
   made with the first signature. NULL: no memory, or nothing random. */
static const char *sse__app_secret(sse_app *app) {
    char    random[32];
    sse_buf b = {NULL, 0, 0, SSE_OK};
    if (app->options.secret || !sse__random(random, sizeof random)) return app->options.secret;
    sse__base64url_put(&b, sse__str(random, sizeof random));
    if (!b.error) app->options.secret = sse__strdup(sse__str(b.ptr, b.len));
    sse_buf_free(&b);
    return app->options.secret;
}

/* Options of sse_serve and sse_listen (what), all of them before a socket is opened. */
static int sse__serve_check(sse_app *app, const char *what, const sse_serve_options *o) {
    const sse__bounds bounds[] = {{"port", o->port, SSE_ANY_PORT, 65535},
                                  {"backlog", o->backlog, 0, INT32_MAX},
                                  {"grace_ms", o->grace_ms, SSE_OFF, INT32_MAX}};
    sse__address a;
    if (!o->host || sse__address_parse(&a, o->host, 0) == SSE_OK)
        return sse__check_bounds(app, what, bounds, SSE__COUNT(bounds));
    if (o->host[0] == '[')
        return sse__refuse(app, SSE_E_ARG, "%s: .host \"%s\": without brackets", what, o->host);
    return sse__refuse(app, SSE_E_ARG,
                       "%s: .host \"%s\": a numeric address, localhost or unix:/path, of at most "
                       "%d bytes", what, o->host, (int)sizeof a.to.un.sun_path - 1);
}

/*==========================================================================
  >>request   what a handler reads
  Uses: >>options >>conn >>http >>json >>sign >>text   Tests: tests/wire/requests.test.mjs

  It owns struct sse_req: the request and the reply that its handler writes.
  A handler's view of the two; >>app makes, routes and frees them.

  The life of a request; [f] is the function that makes the change:

                                      its body comes [on_body]
                                  +--------------------------------+
      [on_head]      [on_request] v                                |
                HEAD --------> HANDLED --- returns [req_after] --> WAITING
                                  |  |                             |  ^ |
     [stream_open] |  +---- sse_finish ------+------+  | | client gone, nothing deferred
                   v                         v         | v [on_gone]
     GUARDED <-> STREAMING                FINISHED     | freed
          [stream_view]  |                   |         |
                         +-> CONCLUDED <-----+---------+ from HANDLED as well [req_conclude]

  HEAD       its head is in, its route found; its body may be to come
  HANDLED    the program's code runs with it: hooks, a guard, the handler, the reader of its body
  GUARDED    so does the guard of a view that is to be shown on the stream: it can only refuse
  STREAMING  its head has left, as that of a stream
  WAITING    that code has returned: sse_finish is to be called, or the body is still to come
  FINISHED   sse_finish was called
  CONCLUDED  the reply is on its way; on_reply and the log still read the request

  R1  Texts handed out live in the request's input or its arena: both stay
      until the request is freed.
  R2  Only what the program asks for is decoded.
  Tests: R1, R2 tests/wire/requests.test.mjs
==========================================================================*/

typedef struct sse__pair { const char *name, *value; struct sse__pair *next; } sse__pair;
typedef struct sse__pairs { sse__pair *first, **end; } sse__pairs; /* end NULL: not read yet */

enum { SSE__ETAG = 72 };

/* What sse_send_file or a directory found. block: of the file, or of bytes in memory. */
typedef struct sse__file {
    sse__block *block;
    uint64_t    size, id[2]; /* id: device and inode, or address and length */
    int64_t     modified;
    char        etag[SSE__ETAG]; /* 61 at most, and 5 for a coding */
    bool        varies;      /* another client may get another file */
} sse__file;

typedef enum sse__req_phase { /* drawn above */
    SSE__REQ_HEAD, SSE__REQ_HANDLED, SSE__REQ_GUARDED, SSE__REQ_STREAMING, SSE__REQ_WAITING,
    SSE__REQ_FINISHED, SSE__REQ_CONCLUDED
} sse__req_phase;

/* What may be called in which phase: see req_may. */
enum {
    SSE__MAY_WRITE = 1, SSE__MAY_DEFER = 2, SSE__MAY_FINISH = 4, SSE__MAY_STREAM = 8,
    SSE__MAY_ASK_BODY = 16, SSE__MAY_SHOW = 32 /* views on its stream */
};

struct sse_req {
    sse_app     *app;
    uint8_t      phase;      /* sse__req_phase */
    sse__thread_id thread;   /* that read it: the loop's. A copy for a render has none */
    sse_buf      astray;     /* what other threads than the loop's write to: never holds anything */
    sse__conn   *conn;       /* NULL once the client has left */
    sse__peer    peer;
    sse__alarm   finish;     /* armed by sse_finish; before that, for when it does not come */
    sse__link    kept;       /* in router.kept, once it has outlived its handler */
    sse_buf      input;      /* owned, if it outlives its handler; else {0}: the connection's */
    char        *bytes;
    sse__head    head;
    sse_str      body;
    size_t       held;       /* bytes of it that count in app.body_bytes */
    uint64_t     told;       /* net.told when it began: see conn_after */
    sse__arena   arena;
    const char  *path, *params[SSE__MAX_PARAMS];
    sse_str      query_text;
    sse__route  *route;
    sse__route  *others;    /* route NULL: those of its path for other methods */
    int          denied;    /* 421 or 403, by its Host or Origin; else 0 */
    sse__pairs   query, form, cookies;
    sse__pair   *attrs;
    const char *const *param_names; /* of the route; NULL behind the last */
    sse_str      signals;    /* the JSON; ptr NULL: none */
    bool         signals_read;
    sse__json_index *signals_index; /* NULL: none, or no memory: they are scanned */
    const char  *peer_text;
    /* the reply, written by >>reply */
    sse_buf      out, headers;
    const char  *type;
    int          status;     /* 0: not set */
    int          error;      /* of the first call with it that failed, or NOMEM */
    int          call_error; /* of a call that its handler made, but not with it */
    bool         unfed;      /* a subscription of its stream failed */
    bool         head_only;  /* HEAD: a reply as to GET, without its body */
    bool         failed;     /* sse_fail was called */
    const char  *failure;    /* with this text */
    bool         deferred;   /* it outlives its handler, until sse_finish */
    bool         watched;    /* and is named if that does not come */
    bool         head_stream; /* HEAD of what would be a stream: no length */
    int          come_back_ms; /* sse_come_back: when; 0: it was not called */
    bool         stream_asked; /* its handler tried to open a stream */
    struct sse__stream *stream; /* that its handler opened; NULL when that has returned */
    sse__file   *file;       /* sse_send_file: what to send instead of out */
    sse_body_fn  body_fn;    /* of sse_body_read, until its last call */
    void        *body_user;
    bool         body_asked; /* once is all */
    int          encoding;   /* SSE__BR, SSE__GZIP: it is compressed while it leaves; else 0 */
    uint64_t     sent;       /* bytes of the body, for the access log; before they are compressed */
};

/* The one place where a phase is set. Row: from; bit: to. */
static void sse__req_set_phase(sse_req *req, sse__req_phase to) {
    static const unsigned char allowed[] = {
        1 << SSE__REQ_HANDLED,                                                    /* HEAD */
        1 << SSE__REQ_STREAMING | 1 << SSE__REQ_WAITING | 1 << SSE__REQ_FINISHED |
            1 << SSE__REQ_CONCLUDED,                                              /* HANDLED */
        1 << SSE__REQ_STREAMING,                                                  /* GUARDED */
        1 << SSE__REQ_GUARDED | 1 << SSE__REQ_CONCLUDED,                          /* STREAMING */
        1 << SSE__REQ_HANDLED | 1 << SSE__REQ_FINISHED | 1 << SSE__REQ_CONCLUDED, /* WAITING */
        1 << SSE__REQ_CONCLUDED,                                                  /* FINISHED */
        0                                                                         /* CONCLUDED */
    };
    SSE_ASSERT(allowed[req->phase] >> to & 1);
    (void)allowed;
    req->phase = (uint8_t)to;
}

/* Remembers that a call failed: silence is then no success. */
static int sse__req_error(sse_req *req, int error) {
    if (error && (!req->error || error == SSE_E_NOMEM)) req->error = error;
    return error;
}

/* A call with it is refused, for the reason why. */
static int sse__req_refused(sse_req *req, int error, const char *call, const char *why) {
    return sse__req_error(req, sse__refused(req->app, error, "%s: %s (%s)", call, why, req->path));
}

/* Whether the calling thread may write to it. The loop's own, that of every handler, is known
   without a lock: req->thread does not change while work on another thread could hold the request.
   The lock is for a loop that another thread runs by now. */
static int sse__req_thread(sse_req *req) {
    if (sse__thread_equal(req->thread, sse__thread_self()) || sse__on_loop(req->app)) return SSE_OK;
    return sse__req_error(req, SSE_E_THREAD);
}

/* Whether call may be made now, by the phase: else SSE_E_STATE, or SSE_E_THREAD. call: for the log;
   NULL: no line in it. */
static int sse__req_may(sse_req *req, unsigned what, const char *call) {
    static const struct { unsigned may; const char *when; } phases[] = {
        {0, "before its handler"},
        {SSE__MAY_WRITE | SSE__MAY_DEFER | SSE__MAY_FINISH | SSE__MAY_STREAM | SSE__MAY_ASK_BODY,
         "while its handler runs"},
        {SSE__MAY_WRITE, "in the guard of a view on an open stream"},
        {SSE__MAY_SHOW, "once a stream is open"},
        {SSE__MAY_WRITE | SSE__MAY_FINISH, "when its handler has returned"},
        {0, "after sse_finish"},
        {0, "when the reply is on its way"}};
    int error;
    if (!req->app) return SSE_E_STATE; /* it was answered, and is kept for the next */
    error = sse__req_thread(req);
    if (error || (phases[req->phase].may & what)) return error;
    if (call)
        sse__log(req->app, sse__log_level_limited(req->app, &req->app->phase_warned_ms),
                 "%s: not possible %s (%s)", call, phases[req->phase].when, req->path);
    return SSE_E_STATE;
}

/* A guard that would answer later has not admitted anybody: where it cannot, it has refused. */
static void sse__req_answers_later(sse_req *req) {
    if (req->app && req->phase == SSE__REQ_GUARDED) sse_buf_fail(&req->out, SSE_E_STATE);
}

static char *sse__req_text(sse_req *req, sse_str s) { /* R1: a copy in the arena */
    char *text = sse__arena_text(&req->arena, s);
    if (!text) sse__req_error(req, SSE_E_NOMEM);
    return text;
}

/* The text of b, in the arena; frees b. NULL: error, or no memory. */
static char *sse__req_take_text(sse_req *req, sse_buf *b, int error) {
    char *text = error ? NULL : sse__req_text(req, sse__str(b->ptr, b->len));
    sse_buf_free(b);
    return text;
}

/* For a request that will outlive its handler: the fields become its own. False: no memory. */
static bool sse__req_own_fields(sse_req *req) {
    const size_t n = req->head.nfields * sizeof(sse__field);
    sse__field  *fields;
    if (req->input.ptr) return true;
    fields = (sse__field *)sse__arena_get(&req->arena, n ? n : 1);
    if (!fields) return false;
    memcpy(fields, req->head.fields, n);
    req->head.fields = fields;
    return true;
}

static void sse__req_forget_output(sse_req *req) {
    req->out.len   = 0;
    req->out.error = SSE_OK;
    req->type      = NULL;
}

/* Text NULL: the status, in words. */
static void sse__req_fail(sse_req *req, int status, const char *text) {
    sse__req_forget_output(req);
    req->failed    = true;
    req->status    = status;
    req->type      = "text/plain; charset=utf-8";
    req->failure   = text ? text : sse__status_text(status);
    req->out.error = SSE_E_STATE; /* what is written from now on goes nowhere */
}

SSE_API int sse_fail(sse_req *req, int status, const char *fmt, ...) {
    const int error = sse__req_may(req, SSE__MAY_WRITE, NULL); /* what a client sent may be why */
    const int known = status >= 400 && status <= 599 ? status : 500;
    sse_buf   text  = {NULL, 0, 0, SSE_OK};
    if (error) return error;
    if (req->failed) return SSE_E_STATE; /* the first one stays */
    SSE__FORMAT(&text, sse__put_str, "", fmt);
    sse__req_fail(req, known, sse__req_take_text(req, &text, text.error));
    if (status == known) return SSE_OK;
    return sse__refused(req->app, SSE_E_ARG, "sse_fail: %d is not within 400..599 (%s)", status,
                        req->path);
}

SSE_API sse_app *sse_req_app(sse_req *req) { return req->app; }
SSE_API const char *sse_path(sse_req *req) { return req->path; }
SSE_API sse_str sse_body(sse_req *req) { return req->body; }

SSE_API const char *sse_method(sse_req *req) {
    char *p = req->bytes + req->head.method.at;
    p[req->head.method.len] = '\0'; /* the space before the target */
    return p;
}

static bool sse__req_is(const sse_req *req, const char *method) {
    return sse__eq(sse__slice_str(req->bytes, req->head.method), sse__text(method));
}

SSE_API const char *sse_header_at(sse_req *req, const char *name, int i) {
    sse_str value = {NULL, 0};
    char   *text;
    if (name && i >= 0)
        value = sse__head_find(&req->head, req->bytes, sse__text(name), (uint32_t)i);
    if (!value.ptr) return NULL;
    text = req->bytes + (value.ptr - req->bytes);
    text[value.len] = '\0'; /* over the CR or space behind the value */
    return text;
}

SSE_API const char *sse_header(sse_req *req, const char *name) {
    return sse_header_at(req, name, 0);
}

static sse_str sse__req_field(const sse_req *req, unsigned id) {
    return sse__head_value(&req->head, req->bytes, id, 0);
}

/* ---- lists of names and values ------------------------------------------- */

static void sse__pairs_add(sse_req *req, sse__pairs *pairs, const char *name, const char *value) {
    sse__pair *pair = name && value ? (sse__pair *)sse__arena_get(&req->arena, sizeof *pair) : NULL;
    if (!pair) {
        sse__req_error(req, SSE_E_NOMEM);
        return;
    }
    pair->name  = name;
    pair->value = value;
    pair->next  = NULL;
    *pairs->end = pair;
    pairs->end  = &pair->next;
}

static const char *sse__pairs_find(const sse__pair *pair, const char *name) {
    for (; pair && name; pair = pair->next)
        if (strcmp(pair->name, name) == 0) return pair->value;
    return NULL;
}

/* False: some were passed over, for a broken %XX or one that means NUL. */
static bool sse__pairs_parse(sse_req *req, sse__pairs *pairs, sse_str text) {
    sse_str name, value;
    bool    fine = true;
    pairs->end = &pairs->first;
    while (sse__pair_next(&text, '&', &name, &value)) {
        char *n = (char *)sse__arena_get(&req->arena, name.len + 1);
        char *v = (char *)sse__arena_get(&req->arena, value.len + 1);
        if (n && v &&
            (sse__form_decode(n, name) == SIZE_MAX || sse__form_decode(v, value) == SIZE_MAX))
            fine = false;
        else sse__pairs_add(req, pairs, n, v);
    }
    return fine;
}

SSE_API const char *sse_query(sse_req *req, const char *name) {
    if (!req->query.end) /* R2; a NUL was refused with the head */
        (void)sse__pairs_parse(req, &req->query, req->query_text);
    return sse__pairs_find(req->query.first, name);
}

static sse_str sse__req_decode(sse_req *req, sse_str s) { /* ptr NULL: broken, or no memory */
    char        *bytes = sse__req_text(req, s);
    const size_t n     = bytes ? sse__percent_decode(bytes, s.len, true) : SIZE_MAX;
    return sse__str(n == SIZE_MAX ? NULL : bytes, n == SIZE_MAX ? 0 : n);
}

/* Looks through the text each time: the list of sse_query cannot hold values with a NUL, and few
   routes ask for such. */
SSE_API sse_str sse_query_bytes(sse_req *req, const char *name) {
    sse_str rest = req->query_text, key, value;
    while (sse__pair_next(&rest, '&', &key, &value)) {
        key = sse__req_decode(req, key);
        if (key.ptr && sse__eq(key, sse__text(name))) return sse__req_decode(req, value);
    }
    return sse__str(NULL, 0);
}

SSE_API const char *sse_cookie(sse_req *req, const char *name) {
    sse_str  text, key, value;
    uint32_t i;
    if (!req->cookies.end) {
        req->cookies.end = &req->cookies.first;
        for (i = 0; (text = sse__head_find(&req->head, req->bytes, SSE__LIT("cookie"), i)).ptr; i++)
            while (sse__cookie_next(&text, &key, &value))
                sse__pairs_add(req, &req->cookies, sse__req_text(req, key),
                               sse__req_text(req, value));
    }
    return sse__pairs_find(req->cookies.first, name);
}

SSE_API const char *sse_req_sign(sse_req *req, const char *value) {
    sse_buf   b     = {NULL, 0, 0, SSE_OK};
    const int error = sse_sign(&b, sse__app_secret(req->app), value);
    return sse__req_take_text(req, &b, sse__req_error(req, error));
}

SSE_API const char *sse_req_unsign(sse_req *req, const char *text, int max_age_s) {
    sse_buf   b     = {NULL, 0, 0, SSE_OK};
    const int error = sse_unsign(&b, sse__app_secret(req->app), text, max_age_s);
    if (error == SSE_E_NOMEM)
        sse__req_error(req, error); /* a forged text is no failure of the program */
    return sse__req_take_text(req, &b, error);
}

SSE_API const char *sse_cookie_signed(sse_req *req, const char *name, int max_age_s) {
    return sse_req_unsign(req, sse_cookie(req, name), max_age_s);
}

SSE_API const char *sse_attr(sse_req *req, const char *name) {
    return sse__pairs_find(req->attrs, name);
}

/* Sets a name in a list that lives in an arena; value NULL removes it. What was there stays until
   the arena goes: texts that were handed out are not taken back (R1). */
static int sse__pair_set(sse__arena *arena, sse__pair **list, const char *name, const char *value) {
    sse__pair  *pair = *list;
    const char *copy = value ? sse__arena_text(arena, sse__text(value)) : NULL;
    if (value && !copy) return SSE_E_NOMEM;
    while (pair && strcmp(pair->name, name) != 0) pair = pair->next;
    if (!pair) {
        pair = (sse__pair *)sse__arena_get(arena, sizeof *pair);
        name = pair ? sse__arena_text(arena, sse__text(name)) : NULL;
        if (!name) return SSE_E_NOMEM;
        pair->name = name;
        pair->next = *list;
        *list      = pair;
    }
    pair->value = copy;
    return SSE_OK;
}

SSE_API int sse_set_attr(sse_req *req, const char *name, const char *value) {
    if (sse__req_thread(req)) return SSE_E_THREAD;
    if (!name) return sse__req_refused(req, SSE_E_ARG, "sse_set_attr", "name is NULL");
    return sse__req_error(req, sse__pair_set(&req->arena, &req->attrs, name, value));
}

/* Gives the request a copy of its attrs, so that setting some changes none of those before. False:
   no memory. */
static bool sse__req_own_attrs(sse_req *req) {
    const sse__pair *from = req->attrs;
    sse__pair      **to   = &req->attrs;
    for (; from; from = from->next) {
        *to = (sse__pair *)sse__arena_get(&req->arena, sizeof **to);
        if (!*to) return false;
        **to = *from;
        to   = &(*to)->next;
    }
    return true;
}

SSE_API const char *sse_fmt(sse_req *req, const char *fmt, ...) {
    sse_buf     b = {NULL, 0, 0, SSE_OK};
    const char *text;
    SSE__FORMAT(&b, sse__put_str, "", fmt);
    text = sse__req_take_text(req, &b, sse__req_error(req, b.error));
    return text ? text : "";
}

SSE_API const char *sse_param(sse_req *req, const char *name) {
    int i;
    for (i = 0; name && req->param_names && req->param_names[i]; i++)
        if (strcmp(req->param_names[i], name) == 0) return req->params[i];
    return NULL;
}

/* ---- bodies ------------------------------------------------------------------ */

static sse_str sse__req_type(const sse_req *req) {
    return sse__req_field(req, SSE__FIELD_CONTENT_TYPE);
}

static bool sse__req_is_multipart(const sse_req *req) {
    return sse__media_is(sse__req_type(req), SSE__LIT("multipart/form-data"));
}

static bool sse__req_is_form(const sse_req *req) {
    return sse__req_is_multipart(req) ||
           sse__media_is(sse__req_type(req), SSE__LIT("application/x-www-form-urlencoded"));
}

enum { SSE__PART_HEADERS = 4096 }; /* bytes of the headers of one part */

/* The text fields of a multipart body; files are passed over. False: it is not well-formed, or a
   text holds a NUL. */
static bool sse__form_parts(sse_req *req) {
    char           memory[SSE__PART_HEADERS];
    sse__multipart m;
    sse_str        rest  = req->body;
    sse_buf        value = {NULL, 0, 0, SSE_OK};
    int            event;
    if (!sse__multipart_init(&m, sse__req_type(req), memory, sizeof memory)) return false;
    while ((event = sse__multipart_next(&m, &rest)) > SSE__PART_MORE && event != SSE__PART_DONE) {
        if (event == SSE__PART_BEGIN) value.len = 0;
        if (event == SSE__PART_DATA && !m.filename) sse__put_str(&value, m.data);
        if (event != SSE__PART_END || m.filename) continue;
        if (value.error || (value.len && memchr(value.ptr, '\0', value.len))) break;
        sse__pairs_add(req, &req->form, sse__req_text(req, sse__text(m.name)),
                       sse__req_text(req, sse__str(value.ptr, value.len)));
    }
    sse__req_error(req, value.error);
    sse_buf_free(&value);
    return event == SSE__PART_DONE;
}

SSE_API const char *sse_form(sse_req *req, const char *name) {
    bool fine = true;
    if (!req->form.end) {
        req->form.end = &req->form.first;
        if (sse__req_is_multipart(req)) fine = sse__form_parts(req);
        else if (sse__req_is_form(req)) fine = sse__pairs_parse(req, &req->form, req->body);
        if (!fine) sse_fail(req, 400, "the form is not well-formed, or holds a NUL");
    }
    return sse__pairs_find(req->form.first, name);
}

/* ---- bodies as they come ----------------------------------------------------- */

SSE_API int sse_body_read(sse_req *req, sse_body_fn fn, void *user) {
    int error = sse__req_may(req, SSE__MAY_ASK_BODY, "sse_body_read");
    if (error == SSE_E_STATE) sse__req_answers_later(req);
    if (!fn) error = SSE_E_ARG;
    else if (!error && (!req->route || !req->route->body_later || req->body_asked))
        error = SSE_E_STATE;
    if (!error && !sse__req_own_fields(req)) error = SSE_E_NOMEM;
    if (error) return sse__req_error(req, error);
    req->body_asked = true;
    req->body_fn    = fn;
    req->body_user  = user;
    return SSE_OK;
}

SSE_API int sse_body_pause(sse_req *req, bool pause) {
    if (!req->body_fn) return SSE_E_STATE;
    if (!req->conn) return SSE_E_CLOSED;
    if (req->conn->state == SSE__BODY) sse__conn_pause(req->conn, pause); /* else all of it is in */
    return SSE_OK;
}

/* Between the body and the parts of it that the program gets. */
typedef struct sse__parts {
    sse__multipart m;
    sse_part       part;
    sse_part_fn    fn;
    void          *user;
    char           memory[SSE__PART_HEADERS];
} sse__parts;

static int sse__parts_end(sse_req *req, sse__parts *p, int status) { /* the last call */
    const int refused = p->m.refused ? -p->m.refused : 400;
    if (status == SSE_OK && p->m.stage != SSE__MULTI_END)
        status = SSE_E_SYNTAX; /* it was cut off */
    if (status == SSE_E_SYNTAX) sse_fail(req, refused, "the multipart body is not well-formed");
    (void)p->fn(req, NULL, sse__str(NULL, 0), status, p->user);
    return 1;
}

static int sse__parts_chunk(sse_req *req, sse_str chunk, int status, void *user) {
    sse__parts *p = (sse__parts *)user;
    int         event, rc = 0;
    if (status != 1) return sse__parts_end(req, p, status);
    while (rc == 0 && (event = sse__multipart_next(&p->m, &chunk)) != SSE__PART_MORE &&
           event != SSE__PART_DONE) {
        if (event < 0) return sse__parts_end(req, p, SSE_E_SYNTAX);
        if (event == SSE__PART_BEGIN) {
            p->part.name     = p->m.name;
            p->part.filename = p->m.filename;
            p->part.type     = p->m.type;
        } else if (event == SSE__PART_DATA) rc = p->fn(req, &p->part, p->m.data, 1, p->user);
        else rc = p->fn(req, &p->part, sse__str(NULL, 0), 0, p->user);
    }
    return rc;
}

SSE_API int sse_body_parts(sse_req *req, sse_part_fn fn, void *user) {
    sse__parts *p = fn ? (sse__parts *)sse__arena_get(&req->arena, sizeof *p) : NULL;
    if (!p) return sse__req_error(req, fn ? SSE_E_NOMEM : SSE_E_ARG);
    if (!sse__multipart_init(&p->m, sse__req_type(req), p->memory, sizeof p->memory)) {
        sse_fail(req, 415, "only multipart/form-data is taken here");
        return SSE_E_SYNTAX;
    }
    p->fn   = fn;
    p->user = user;
    return sse_body_read(req, sse__parts_chunk, p);
}

/* ---- signals ------------------------------------------------------------------- */

/* Finds and checks the JSON of the request, once. */
static void sse__req_read_signals(sse_req *req) {
    sse_str  json = req->body, wrapped;
    size_t   offset = 0;
    char     fault[80];
    uint64_t key[2];
    int      error;
    req->signals_read = true;
    if (sse__req_is(req, "GET") || sse__req_is(req, "HEAD") || sse__req_is(req, "DELETE"))
        json = sse__text(sse_query(req, "datastar"));
    if (!json.len) return;
    error = sse__json_check(json, &offset);
    if (error) {
        sse_fail(req, 400, "%s", sse__json_error_text(error, offset, fault));
        return;
    }
    if (sse_json_get(json, "datastar", &wrapped) == SSE_OK && wrapped.len && wrapped.ptr[0] == '{')
        json = wrapped;
    req->signals = json;
    if (sse__random(key, sizeof key))
        req->signals_index = sse__json_index_make(&req->arena, json, key);
}

SSE_API const char *sse_signal(sse_req *req, const char *path) {
    const char *text  = NULL;
    sse_str     value = {NULL, 0};
    int         error;
    if (!path) return NULL;
    if (sse__req_is_form(req)) return sse_form(req, path);
    if (!req->signals_read) sse__req_read_signals(req);
    if (req->signals_index) value = sse__json_find(req->signals_index, path);
    else if (req->signals.ptr) (void)sse_json_get(req->signals, path, &value);
    if (!value.ptr) return NULL;
    error = sse__json_to_text(&req->arena, value, &text);
    if (error == SSE_E_FIELD) sse_fail(req, 400, "the signal %s holds a NUL", path);
    else sse__req_error(req, error);
    return text;
}

/* ---- the client ------------------------------------------------------------------ */

/* The elements of what proxies say, from the last one, which the nearest proxy wrote, to the first.
   */
typedef struct sse__hops { unsigned field; uint32_t line; sse_str rest; } sse__hops;

/* Only one of the fields is read, or a client could add the one that its proxy leaves alone: x,
   that of the older form, where it is there. */
static sse__hops sse__hops_of(const sse_req *req, unsigned x) {
    sse__hops h;
    memset(&h, 0, sizeof h);
    h.field = sse__req_field(req, x).ptr ? x : (unsigned)SSE__FIELD_FORWARDED;
    while (sse__head_value(&req->head, req->bytes, h.field, h.line).ptr) h.line++;
    return h;
}

/* And takes it off. */
static bool sse__hops_last(const sse_req *req, sse__hops *h, sse_str *element) {
    while (!h->rest.ptr) {
        if (h->line == 0) return false;
        h->rest = sse__head_value(&req->head, req->bytes, h->field, --h->line);
    }
    return sse__forwarded_last(&h->rest, element);
}

/* The nearest address that is not one of our proxies: each proxy appends the peer that it heard, so
   the list is believed from its end. */
SSE_API const char *sse_peer(sse_req *req) {
    const char *trusted = req->app->options.trusted_proxies, *text;
    char        own[INET6_ADDRSTRLEN];
    sse__hops   hops;
    sse_str     element, address;
    if (req->peer_text) return req->peer_text;
    hops = sse__hops_of(req, SSE__FIELD_X_FORWARDED_FOR);
    text = sse__req_text(req, sse__text(sse__peer_write(&req->peer, own)));
    while (text && trusted && sse__wordlist_has(trusted, sse__text(text)) &&
           sse__hops_last(req, &hops, &element)) {
        address = sse__forwarded_address(element);
        if (!address.ptr) break;
        text = sse__req_text(req, address);
    }
    req->peer_text = text ? text : "";
    return req->peer_text;
}

static bool sse__req_over_tls(sse_req *req) { /* as the nearest proxy says */
    sse__hops hops = sse__hops_of(req, SSE__FIELD_X_FORWARDED_PROTO);
    sse_str   element;
    if (!sse__peer_trusted(req->app, &req->peer) || !sse__hops_last(req, &hops, &element))
        return false;
    if (hops.field == SSE__FIELD_FORWARDED) element = sse__param(element, SSE__LIT("proto"));
    return sse__is_word(element, "https");
}

/* ---- life and copies ---------------------------------------------------------------- */

/* For the next one, which so allocates nothing: keeps the memory of its buffers, unless it is much.
   */
static void sse__req_reset(sse_req *req) {
    sse_buf    out = req->out, headers = req->headers;
    sse__arena arena = req->arena;
    sse_buf_free(&req->input);
    sse__alarm_cancel(&req->finish);
    sse__list_remove(&req->kept);
    if (req->held) req->app->body_bytes -= req->held;
    if (req->file) sse__block_drop(req->file->block);
    sse__arena_reset(&arena);
    if (out.cap > 65536 || out.error) sse_buf_free(&out);
    if (headers.error) sse_buf_free(&headers);
    memset(req, 0, sizeof *req);
    out.len = headers.len = 0;
    req->out     = out;
    req->headers = headers;
    req->arena   = arena;
}

static void sse__req_free(sse_req *req) {
    if (!req) return;
    sse__req_reset(req);
    sse_buf_free(&req->out);
    sse_buf_free(&req->headers);
    sse__arena_free(&req->arena);
    SSE_FREE(req);
}

/* A copy without a connection, for renders that need to know the client: head, params and attrs.
   NULL: no memory. */
static sse_req *sse__req_copy(const sse_req *from) {
    sse_req         *req = SSE__NEW(sse_req);
    const sse__pair *pair;
    int              i, error;
    if (!req) return NULL;
    req->app         = from->app;
    req->phase       = SSE__REQ_HANDLED; /* by the render */
    req->peer        = from->peer;
    req->head        = from->head;
    req->param_names = from->param_names;
    req->path        = sse__req_text(req, sse__text(from->path));
    if (!sse__req_own_fields(req)) sse__req_error(req, SSE_E_NOMEM);
    sse_raw(&req->input, from->bytes, (size_t)from->head.result);
    error      = sse__req_error(req, req->input.error);
    req->bytes = req->input.ptr;
    if (!error && from->query_text.ptr)
        req->query_text = sse__slice_str(req->bytes, req->head.query);
    for (i = 0; i < SSE__MAX_PARAMS; i++)
        if (from->params[i]) req->params[i] = sse__req_text(req, sse__text(from->params[i]));
    for (pair = from->attrs; pair; pair = pair->next)
        if (pair->value)
            sse__req_error(req, sse__pair_set(&req->arena, &req->attrs, pair->name, pair->value));
    if (!req->error) return req;
    sse__req_free(req);
    return NULL;
}

/*==========================================================================
  >>reply   what a handler writes
  Uses: >>request >>conn >>http >>sign  Tests: tests/wire/replies.test.mjs

  What calls of the program leave in struct sse_req becomes a reply here: its
  status, head and body, compressed for clients that accept it.

  A1  What the program hands over for the head is checked before it is kept:
      no line break, no NUL, no field that is ours to write.
  A2  A reply has a Content-Length and leaves in one write if it fits, except
      one that is compressed while it leaves: that has chunks.
  Tests: A1, A2 tests/wire/replies.test.mjs
==========================================================================*/

/* Whether sse_fail has not settled what the reply is. */
static int sse__reply_unsettled(sse_req *req, const char *call) {
    const int error = sse__req_may(req, SSE__MAY_WRITE, call);
    return error ? error : req->failed ? SSE_E_STATE : SSE_OK;
}

SSE_API sse_buf *sse_out(sse_req *req) {
    sse_buf  *out   = sse__req_thread(req) ? &req->astray : &req->out;
    const int error = sse__req_may(req, SSE__MAY_WRITE, "sse_out");
    if (error) sse_buf_fail(out, error);
    return out;
}

SSE_API sse_buf *sse_out_json(sse_req *req) {
    sse_buf *out = sse_out(req);
    if (out == &req->out && !req->failed && !req->type) req->type = "application/json";
    return out;
}

SSE_API int sse_set_status(sse_req *req, int status) {
    const int error = sse__reply_unsettled(req, "sse_set_status");
    if (error) return error;
    if (status < 200 || status > 599)
        return sse__req_refused(req, SSE_E_ARG, "sse_set_status",
                                sse_fmt(req, "%d is not within 200..599", status));
    req->status = status;
    return SSE_OK;
}

static bool sse__field_value_ok(sse_str s) { /* A1 */
    return s.ptr && sse__all_in_class(s, SSE__VALUE);
}

SSE_API int sse_set_type(sse_req *req, const char *content_type) {
    const sse_str type  = sse__text(content_type);
    const int     error = sse__reply_unsettled(req, "sse_set_type");
    if (error) return error;
    if (!type.len) /* a browser would guess */
        return sse__req_refused(req, SSE_E_ARG, "sse_set_type", "content_type is NULL or empty");
    if (!sse__field_value_ok(type))
        return sse__req_refused(req, SSE_E_FIELD, "sse_set_type",
                                "content_type holds a line break or another control character");
    req->type = sse__req_text(req, type);
    return req->type ? SSE_OK : SSE_E_NOMEM;
}

static void sse__put_field(sse_buf *b, const char *name, const char *value) {
    sse_puts(b, name);
    sse_raw(b, ": ", 2);
    sse_puts(b, value);
    sse_raw(b, "\r\n", 2);
}

/* The fields that say where a message ends are ours alone: a second answer to that question is how
   requests are smuggled past proxies. */
SSE_API int sse_set_header(sse_req *req, const char *name, const char *value) {
    static const char ours[] =
        "content-length transfer-encoding connection keep-alive date upgrade";
    const sse_str field = sse__text(name);
    const char   *why   = NULL;
    const int     error = sse__req_may(req, SSE__MAY_WRITE, "sse_set_header");
    if (error) return error;
    if (!sse__is_token(field)) why = "the name is not that of a header";
    else if (sse__wordlist_has(ours, field)) why = "that is the library's own to write";
    else if (!value) why = "the value is NULL";
    else if (!sse__field_value_ok(sse__text(value)))
        why = "the value holds a line break or another control character";
    if (why)
        return sse__req_refused(req, SSE_E_FIELD, "sse_set_header",
                                sse_fmt(req, "%.80s: %s", name ? name : "NULL", why));
    if (sse__is_word(field, "content-type")) return sse_set_type(req, value);
    sse__put_field(&req->headers, name, value);
    return sse__req_error(req, req->headers.error);
}

/* What browsers take as it is meant: they ignore other values silently, and the cookie is then
   wider than it should be. */
static const char *sse__cookie_fault(const sse_cookie_options *o, const char *name, bool secure) {
    const char   *p    = o->path ? o->path : "/";
    const sse_str site = sse__text(o->same_site);
    const bool    host = strncmp(name, "__Host-", 7) == 0; /* draft-ietf-httpbis-rfc6265bis 4.1.3 */
    if (host && (!secure || o->domain || strcmp(p, "/") != 0))
        return "a __Host- cookie needs .secure, no .domain, and / as .path";
    if (!secure && strncmp(name, "__Secure-", 9) == 0) return "a __Secure- cookie needs .secure";
    if (!secure && sse__is_word(site, "None")) return ".same_site None needs .secure";
    if (o->max_age_s < SSE_OFF) return ".max_age_s is negative";
    if (*p != '/') return ".path does not begin with /";
    if (o->domain && (!o->domain[0] || !sse__all_in_class(sse__text(o->domain), SSE__HOST)))
        return ".domain is no host name";
    if (site.ptr && !sse__wordlist_has("Strict Lax None", site))
        return ".same_site is none of Strict, Lax, None";
    for (; *p; p++) /* RFC 6265 4.1.1, path-value */
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7F || *p == ';')
            return ".path holds a semicolon, a control character or one that is not ASCII";
    return NULL;
}

SSE_API int sse_set_cookie(sse_req *req, const char *name, const char *value,
                           const sse_cookie_options *options) {
    static const sse_cookie_options defaults = {NULL, NULL, NULL, 0, false, false};
    const sse_cookie_options *o = options ? options : &defaults;
    sse_buf  *b     = &req->headers;
    const int error = sse__req_may(req, SSE__MAY_WRITE, "sse_set_cookie");
    const char *why = NULL;
    bool        secure, broken;
    if (error) return error;
    if (!sse__is_token(sse__text(name))) why = "the name is no token";
    else if (!value) why = "the value is NULL";
    else if (!sse__all_in_class(sse__text(value), SSE__COOKIE))
        why = "the value holds a space, quote, comma, semicolon or control character";
    secure = o->secure || sse__req_over_tls(req);
    broken = why != NULL;
    if (!why) why = sse__cookie_fault(o, name, secure);
    if (why)
        return sse__req_refused(req, broken ? SSE_E_FIELD : SSE_E_ARG, "sse_set_cookie",
                                sse_fmt(req, "%.80s: %s", name ? name : "NULL", why));
    sse_printf(b, "Set-Cookie: %s=%s; Path=%s; SameSite=%s", name, value, o->path ? o->path : "/",
               o->same_site ? o->same_site : "Lax");
    if (o->domain) sse_printf(b, "; Domain=%s", o->domain);
    if (o->max_age_s) sse_printf(b, "; Max-Age=%d", o->max_age_s < 0 ? 0 : o->max_age_s);
    if (!o->script_readable) sse_puts(b, "; HttpOnly");
    if (secure) sse_puts(b, "; Secure");
    sse_puts(b, "\r\n");
    return sse__req_error(req, b->error);
}

SSE_API int sse_set_cookie_signed(sse_req *req, const char *name, const char *value,
                                  const sse_cookie_options *options) {
    sse_buf text  = {NULL, 0, 0, SSE_OK};
    int     error = sse__req_may(req, SSE__MAY_WRITE, "sse_set_cookie_signed");
    if (error) return error;
    if (!value)
        return sse__req_refused(req, SSE_E_ARG, "sse_set_cookie_signed",
                                sse_fmt(req, "%.80s: the value is NULL", name ? name : "NULL"));
    error = sse_sign(&text, sse__app_secret(req->app), value);
    if (!error) error = sse_set_cookie(req, name, sse_buf_text(&text), options);
    sse_buf_free(&text);
    return sse__req_error(req, error);
}

/* A relative reference shows no scheme: no colon before the first slash, '?' or '#' (RFC 3986 4.2).
   Of the schemes only the web's own are taken: others ("javascript:") may be a stranger's doing. */
static bool sse__redirect_ok(sse_str url) {
    const size_t  n      = url.len ? strcspn(url.ptr, ":/?#") : 0;
    const sse_str scheme = sse__str(url.ptr, n);
    if (n == url.len || url.ptr[n] != ':') return url.len > 0;
    return sse__is_word(scheme, "http") || sse__is_word(scheme, "https");
}

SSE_API int sse_redirect(sse_req *req, const char *url) {
    const sse_str target = sse__text(url);
    const int     error  = sse__reply_unsettled(req, "sse_redirect");
    size_t        i;
    if (error) return error;
    for (i = 0; i < target.len; i++)
        if ((unsigned char)target.ptr[i] <= 0x20 || target.ptr[i] == 0x7F)
            return sse__req_refused(req, SSE_E_FIELD, "sse_redirect",
                                    "url holds a space or a control character");
    if (!sse__redirect_ok(target))
        return sse__req_refused(req, SSE_E_ARG, "sse_redirect",
                                sse_fmt(req, "\"%.100s\" is no relative reference, http or https",
                                        url ? url : ""));
    if (req->status < 300 || req->status > 399) req->status = 303;
    return sse_set_header(req, "Location", url);
}

/* ---- authorization --------------------------------------------------------------- */

/* What follows the scheme; ptr NULL: nothing, or two answers. */
static sse_str sse__auth_given(const sse_req *req, const char *scheme) {
    const bool one  = !sse__head_value(&req->head, req->bytes, SSE__FIELD_AUTHORIZATION, 1).ptr;
    sse_str    rest = sse__req_field(req, SSE__FIELD_AUTHORIZATION);
    sse_str    name = sse__cut(&rest, ' ', false);
    return one && rest.ptr && sse__is_word(name, scheme) ? sse__trim(rest) : sse__str(NULL, 0);
}

SSE_API bool sse_auth_basic(sse_req *req, const char *realm, const char *user,
                            const char *password) {
    const sse_str given = sse__auth_given(req, "Basic");
    const char   *p = realm ? realm : "private";
    sse_buf       wanted = {NULL, 0, 0, SSE_OK}, got = {NULL, 0, 0, SSE_OK};
    bool          same;
    sse_printf(&wanted, "%s:%s", user, password);
    same = user && password && given.ptr && sse__base64_get(&got, given, false) && !wanted.error &&
           sse__equal_secret(sse__str(got.ptr, got.len), sse__str(wanted.ptr, wanted.len));
    wanted.len = 0;
    sse_puts(&wanted, "Basic realm=\"");
    for (; *p; p++) {
        if (*p == '"' || *p == '\\') sse__put_char(&wanted, '\\');
        sse__put_char(&wanted, *p);
    }
    sse_puts(&wanted, "\", charset=\"UTF-8\"");
    if (!same && !sse_set_header(req, "WWW-Authenticate", sse_buf_text(&wanted)))
        sse_fail(req, 401, "a name and a password are needed here");
    else if (!same)
        sse__req_fail(req, 500, NULL); /* no memory, or a realm that no header can hold */
    sse_buf_free(&wanted);
    sse_buf_free(&got);
    return same;
}

SSE_API bool sse_auth_bearer(sse_req *req, const char *token) {
    const sse_str given = sse__auth_given(req, "Bearer"), wanted = sse__text(token);
    if (given.ptr && wanted.len && sse__equal_secret(given, wanted))
        return true; /* "" opens nothing */
    sse_set_header(req, "WWW-Authenticate",
                   given.ptr ? "Bearer error=\"invalid_token\"" : "Bearer");
    sse_fail(req, 401, "a token is needed here");
    return false;
}

/* ---- replies that come later ------------------------------------------------------ */

SSE_API int sse_defer(sse_req *req) {
    const int error = sse__req_may(req, SSE__MAY_DEFER, "sse_defer");
    if (error == SSE_E_STATE) sse__req_answers_later(req);
    if (error) return error;
    if (req->deferred)
        return sse__refused(req->app, SSE_E_STATE, "sse_defer: a second time (%s)", req->path);
    req->deferred = sse__req_own_fields(req);
    return sse__req_error(req, req->deferred ? SSE_OK : SSE_E_NOMEM);
}

SSE_API int sse_finish(sse_req *req) {
    const int error = sse__req_may(req, SSE__MAY_FINISH, "sse_finish");
    bool      here;
    if (error) return error;
    here = req->phase == SSE__REQ_HANDLED;
    if (!req->deferred)
        return sse__refused(req->app, SSE_E_STATE, "sse_finish: without sse_defer: the reply "
                            "leaves when the handler returns (%s)", req->path);
    sse__req_set_phase(req, SSE__REQ_FINISHED);
    /* By an alarm, this turn or the next: the caller is not to find itself in a hook, nor the
       request freed. */
    if (!here) sse__alarm_set(&req->app->loop.wheel, &req->finish, 0);
    return SSE_OK;
}

/* ---- the head -------------------------------------------------------------------- */

static bool sse__status_is_bare(int status) { /* RFC 9110 15.3.5 */
    return status == 204 || status == 205 || status == 304;
}

/* length: of the body; UINT64_MAX: not known, chunked for HTTP/1.1 and up to the end of the
   connection for 1.0. There is no Server field: it would help only attackers. */
static void sse__put_reply_head(sse_buf *b, sse_req *req, int status, const char *type,
                                uint64_t length) {
    sse_raw(b, "HTTP/1.1 ", 9);
    sse__put_u64(b, (unsigned)status);
    sse__put_char(b, ' ');
    sse_puts(b, sse__status_text(status));
    sse_raw(b, "\r\nDate: ", 8);
    sse_raw(b, sse__date_now(req->app), 29);
    sse_raw(b, "\r\n", 2);
    if (type) sse__put_field(b, "Content-Type", type);
    if (length == UINT64_MAX && req->head.minor > 0) sse_puts(b, "Transfer-Encoding: chunked\r\n");
    else if (length != UINT64_MAX && status != 204 && status != 304) {
        sse_raw(b, "Content-Length: ", 16);
        sse__put_u64(b, length);
        sse_raw(b, "\r\n", 2);
    }
    if (!req->conn->keep_alive) sse_puts(b, "Connection: close\r\n");
    else if (req->head.minor == 0) sse_puts(b, "Connection: keep-alive\r\n");
    if (req->headers.error) sse_buf_fail(b, req->headers.error); /* or the body would be misread */
    sse_raw(b, req->headers.ptr, req->headers.len);
    sse_raw(b, "\r\n", 2);
}

/* The value of the first field of that name which the program set; absent: none. */
static sse_str sse__headers_value(const sse_buf *headers, sse_str name) {
    sse_str rest = sse__str(headers->ptr, headers->len), line;
    while (rest.len) {
        line = sse__cut(&rest, '\r', false);
        if (line.len && line.ptr[0] == '\n') line = sse__str_skip(line, 1);
        if (sse__eq_nocase(sse__cut(&line, ':', false), name)) return sse__trim(line);
    }
    return sse__str(NULL, 0);
}

/* ---- compression ----------------------------------------------------------------- */

#if !defined(SSE_NO_BROTLI) && !defined(SSE_NO_COMPRESSION)
#include <brotli/encode.h>
#include <setjmp.h>
enum { SSE__CODINGS = SSE__ACCEPT_BR | SSE__ACCEPT_GZIP | SSE__ACCEPT_IDENTITY };

/* Without memory libbrotlienc ends the program (exit, in the builds of most systems). So its memory
   is ours: what it asks for is kept in a list, and where there is none it is left by a jump, and
   the list freed. */
typedef struct sse__brotli_block {
    struct sse__brotli_block *next;
    union { void *p; double d; uint64_t u; } bytes[1];
} sse__brotli_block;
typedef struct sse__brotli_memory {
    sse__brotli_block *blocks;
    jmp_buf            none_left;
} sse__brotli_memory;

static void *sse__brotli_get(void *user, size_t n) {
    sse__brotli_memory *memory = (sse__brotli_memory *)user;
    const size_t        head   = offsetof(sse__brotli_block, bytes);
    sse__brotli_block  *block  = NULL;
    if (n <= SIZE_MAX - head) block = (sse__brotli_block *)SSE_MALLOC(head + n);
    if (!block) longjmp(memory->none_left, 1);
    block->next    = memory->blocks;
    memory->blocks = block;
    return block->bytes;
}

static void sse__brotli_put(void *user, void *bytes) { /* its latest blocks go first, mostly */
    sse__brotli_block **at = &((sse__brotli_memory *)user)->blocks, *gone;
    while (*at && (void *)(*at)->bytes != bytes) at = &(*at)->next;
    gone = *at;
    if (!gone) return;
    *at = gone->next;
    SSE_FREE(gone);
}

/* Appends bytes as a whole file if that is shorter. False: no memory for it. The window is as large
   as the bytes: more would be memory for nothing. */
static bool sse__brotli(sse_buf *out, sse_str bytes, int quality) {
    sse__brotli_memory  memory;
    BrotliEncoderState *state;
    const uint8_t      *in   = (const uint8_t *)bytes.ptr;
    uint8_t            *room = (uint8_t *)sse__buf_room(out, bytes.len);
    size_t              left = bytes.len, n = bytes.len;
    uint32_t            window = 16;
    volatile bool       there  = false; /* read behind the jump */
    memory.blocks = NULL;
    if (!room) return false;
    while (window < 22 && n > ((size_t)1 << window) - 16) window++;
    if (!setjmp(memory.none_left)) {
        state = BrotliEncoderCreateInstance(sse__brotli_get, sse__brotli_put, &memory);
        BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, (uint32_t)quality);
        BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, window);
        BrotliEncoderSetParameter(state, BROTLI_PARAM_SIZE_HINT, (uint32_t)bytes.len);
        (void)BrotliEncoderCompressStream(state, BROTLI_OPERATION_FINISH, &left, &in, &n, &room,
                                          NULL);
        /* else it is no shorter */
        out->len += BrotliEncoderIsFinished(state) ? bytes.len - n : bytes.len;
        there = true;
    }
    while (memory.blocks) sse__brotli_put(&memory, memory.blocks->bytes);
    return there;
}
#else
enum { SSE__CODINGS = SSE__ACCEPT_GZIP | SSE__ACCEPT_IDENTITY };
static bool sse__brotli(sse_buf *out, sse_str bytes, int quality) {
    (void)out, (void)bytes, (void)quality;
    return false;
}
#endif

/* Appends bytes in that encoding, if they come out shorter. Our own frames need no more memory than
   they fill: they take the place of libbrotlienc where there is none for it. */
static bool sse__encode(sse__encoder *encoder, int quality, int encoding, sse_str bytes,
                        sse_buf *out) {
    if (encoding != SSE__BR || !sse__brotli(out, bytes, quality))
        sse__frame_whole(encoder, encoding, out, bytes);
    return !out->error && out->len < bytes.len;
}

/* Made when something is compressed for the first time. NULL: nothing is, or there is no memory. */
static sse__encoder *sse__app_encoder(sse_app *app) {
    const sse_app_options *o = &app->options;
    if (!SSE__HAS_COMPRESSION) return NULL;
    if (!app->encoder && !o->no_compression)
        app->encoder = sse__encoder_new((unsigned)o->compress_window);
    return app->encoder;
}

/* Whether it depends on the client how a body is sent. The program has a say: it may have set
   Content-Encoding or no-transform. */
static bool sse__reply_varies(const sse_req *req, uint64_t length) {
    const sse_str cache = sse__headers_value(&req->headers, SSE__LIT("cache-control"));
    if (length < req->app->options.compress_min_bytes || !sse__app_encoder(req->app)) return false;
    return sse__media_compresses(sse__text(req->type)) &&
           !sse__list_has(cache, SSE__LIT("no-transform")) &&
           !sse__headers_value(&req->headers, SSE__LIT("content-encoding")).ptr;
}

/* SSE__BR or SSE__GZIP (the bits of SSE__ACCEPT_ have the same numbers), or 0: as it is. What is
   compressed while it leaves has no length, so it needs chunks to show its end. */
static int sse__reply_encoding(const sse_req *req, bool whole) {
    const sse_str  accepted = sse__req_field(req, SSE__FIELD_ACCEPT_ENCODING);
    const unsigned coding   = sse__accept_encoding(accepted, SSE__CODINGS);
    return coding == SSE__ACCEPT_IDENTITY || (!whole && req->head.minor == 0) ? 0 : (int)coding;
}

static void sse__put_encoding(sse_req *req, int encoding) {
    sse__put_field(&req->headers, "Content-Encoding", encoding == SSE__BR ? "br" : "gzip");
}

/* The program's ETag names the bytes as they were. */
static void sse__headers_weaken(sse_buf *headers) {
    const sse_str etag = sse__headers_value(headers, SSE__LIT("etag"));
    const size_t  at   = etag.len ? (size_t)(etag.ptr - headers->ptr) : 0;
    if (!etag.len || etag.ptr[0] != '"' || !sse__buf_room(headers, 2)) return;
    memmove(headers->ptr + at + 2, headers->ptr + at, headers->len - at);
    memcpy(headers->ptr + at, "W/", 2);
    headers->len += 2;
}

enum { SSE__WHOLE_MOST = 256 << 10 }; /* takes 5 ms, in which the loop waits */

/* Where the encoding depends on the client Vary says so also if this client gets the body as it is:
   a cache must not hand that to all (RFC 9110 12.5.5). */
static void sse__reply_compress(sse_req *req) {
    const sse_str plain   = sse__str(req->out.ptr, req->out.len);
    const bool    whole   = plain.len <= SSE__WHOLE_MOST;
    const int     quality = req->app->options.compress_quality;
    sse_buf       out     = {NULL, 0, 0, SSE_OK};
    int           encoding;
    if (req->status == 206 || sse__status_is_bare(req->status)) return;
    if (!sse__reply_varies(req, plain.len)) return;
    sse_puts(&req->headers, "Vary: Accept-Encoding\r\n");
    encoding = sse__reply_encoding(req, whole);
    if (!encoding) return;
    if (!whole) req->encoding = encoding;
    else if (sse__encode(req->app->encoder, quality, encoding, plain, &out)) {
        sse_buf_free(&req->out);
        req->out = out;
    } else {
        sse_buf_free(&out);
        return;
    }
    sse__put_encoding(req, encoding);
    sse__headers_weaken(&req->headers);
}

/* ---- answering --------------------------------------------------------------------- */

/* Bodies up to this are copied behind their head; larger ones are sent from where they are. */
enum { SSE__COPY_BELOW = 16384 };

/* Queues the head and a body of n bytes: those of req->out, or of block from first on (A2). */
static void sse__reply_send(sse_req *req, sse__block *block, uint64_t first, uint64_t n) {
    sse__conn *c    = req->conn;
    const bool bare = sse__status_is_bare(req->status), open = req->head_stream || req->encoding;
    const bool copy = !block && n < SSE__COPY_BELOW;
    sse_buf    own  = {NULL, 0, 0, SSE_OK}, *b = c->net->current == c ? &c->net->out : &own;
    sse__put_reply_head(b, req, req->status, bare ? NULL : req->type,
                        open ? UINT64_MAX : bare ? 0 : n);
    req->sent = req->head_only || bare ? 0 : n;
    if (req->sent && copy) sse_raw(b, req->out.ptr, req->out.len);
    if (b == &own) sse__conn_push_buf(c, b);
    if (!req->sent || copy) return;
    sse__conn_queue_gathered(c);
    if (c->state == SSE__CLOSED) return;
    block = block ? sse__block_hold(block) : sse__block_from_buf(&req->out);
    if (!block || req->encoding || block->fd >= 0) {
        sse__conn_push_rest(c, block, first, first + n, req->encoding);
        return;
    }
    (void)sse__conn_push(c, block, (uint32_t)first, (uint32_t)(first + n));
    sse__block_drop(block);
}

SSE_API int sse_come_back(sse_req *req, int ms) {
    int error;
    if (ms < 0) return sse__req_refused(req, SSE_E_ARG, "sse_come_back", "ms is negative");
    error = sse_fail(req, 503, "there is no room at the moment: come back later");
    if (error) return error;
    req->come_back_ms = ms ? ms : SSE__COME_BACK_MS;
    sse_printf(&req->headers, "Retry-After: %d\r\n", (req->come_back_ms - 1) / 1000 + 1);
    return sse__req_error(req, req->headers.error);
}

/* In how many ms a client is to be told to come back, instead of an error that would end it or of
   an empty reply; 0: it is not. An action of Datastar must not run again; where its handler has
   tried to open a stream it was none. */
static int sse__reply_retry_ms(const sse_req *req, bool empty) {
    const sse__asker asker = sse__head_asker(&req->head, req->bytes);
    if (asker == SSE__ASKER_PLAIN) return 0;
    if (req->come_back_ms) return req->come_back_ms;
    return empty && (asker == SSE__ASKER_EVENTSOURCE || req->stream_asked) ? SSE__COME_BACK_MS : 0;
}

/* A hook or guard has answered: the handler does not run. Headers, cookies and attrs are no answer.
   */
static bool sse__req_answered(const sse_req *req) {
    return req->phase == SSE__REQ_STREAMING || req->out.len || req->out.error || req->status ||
           req->deferred || req->file;
}

/* Sends what the handler left, or says why that cannot be sent. If memory was short, a call that
   read the request may have answered NULL: nothing that the program made of that is right, nor what
   it failed with. */
static void sse__reply_answer(sse_req *req) {
    const bool silent = !req->out.len && !req->out.error && !req->status && !req->type;
    const bool framed = req->head.minor > 0;
    int        error  = req->out.error ? req->out.error : req->headers.error, retry_ms;
    sse_buf    b = {NULL, 0, 0, SSE_OK};
    if (silent && !error) error = req->error ? req->error : req->call_error;
    if (req->failed) error = SSE_OK;
    if (req->error == SSE_E_NOMEM) error = SSE_E_NOMEM;
    if (error) {
        sse__log(req->app, SSE_LOG_ERROR, "%s failed: %s", req->path, sse_error_text(error));
        sse_buf_free(&req->headers);
    }
    retry_ms = sse__reply_retry_ms(req, silent || error == SSE_E_NOMEM);
    if (retry_ms) {
        sse__conn_break(req->conn, framed);
        sse__put_field(&req->headers, "Cache-Control", "no-store");
        sse__put_reply_head(&b, req, req->status = 200, "text/event-stream", UINT64_MAX);
        sse__put_retry_event(&b, retry_ms, framed);
        sse__conn_queue_gathered(req->conn);
        sse__conn_push_buf(req->conn, &b);
        return;
    }
    if (error) sse__req_fail(req, 500, NULL);
    if (req->failed) {
        req->out.error = SSE_OK;
        sse_puts(&req->out, req->failure);
        sse__put_char(&req->out, '\n');
    }
    if (!req->status) req->status = silent ? 204 : 200;
    if (!req->type) req->type = "text/html; charset=utf-8";
    sse__reply_compress(req);
    sse__reply_send(req, NULL, 0, req->out.len);
}

/*==========================================================================
  >>file   files as replies: conditions, ranges, directories
  Uses: >>reply >>conn >>http           Tests: tests/wire/replies.test.mjs tests/unit/file.c

  A file, or bytes in memory, is the reply: whole, in part, or compressed. It
  owns the cache of compressed files.

  FL1  A path of a request becomes a path of the system only in file_find,
       and what that finds lies inside the directory served.
  Tests: FL1 tests/wire/replies.test.mjs
==========================================================================*/

/* A plain file's descriptor, or -1. */
static int sse__file_open(const char *path, struct stat *st) {
    /* a FIFO must not hold us up */
    const int fd = SSE__SYS(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode)) return fd;
    if (fd >= 0) {
        close(fd);
        errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
    }
    return -1;
}

/* The system ran out of what may be there again soon: that says nothing about the file. */
static bool sse__file_was_short(int why) { return why == EMFILE || why == ENFILE || why == ENOMEM; }

/* Makes the block the reply, as far as the block says what it is. Takes block. NULL: no memory. */
static sse__file *sse__file_make(sse_req *req, sse__block *block) {
    sse__file *file = block ? (sse__file *)sse__arena_get(&req->arena, sizeof *file) : NULL;
    if (!file) {
        sse__block_drop(block);
        sse__req_error(req, SSE_E_NOMEM);
        return NULL;
    }
    memset(file, 0, sizeof *file);
    file->block = block;
    file->size  = block->len;
    req->file   = file;
    return file;
}

#if defined(st_mtime) /* a name for st_mtim.tv_sec where the system counts finer */
#define SSE__MTIME_NS(st) ((unsigned long long)(st)->st_mtim.tv_nsec)
#else
#define SSE__MTIME_NS(st) 0ull
#endif

/* Takes fd. The ETag says which file it is, when it was written and how long it is, which costs no
   reading. A file that is written twice within a tick of the file system's clock (some
   milliseconds) and keeps its length keeps its ETag. */
static bool sse__file_from_fd(sse_req *req, int fd, const struct stat *st) {
    sse__block *block = sse__block_new(NULL, 0);
    sse__file  *file;
    if (block) block->fd = fd;
    else close(fd);
    file = sse__file_make(req, block);
    if (!file) return false;
    file->size     = (uint64_t)st->st_size;
    file->id[0]    = (uint64_t)st->st_dev;
    file->id[1]    = (uint64_t)st->st_ino;
    file->modified = (int64_t)st->st_mtime;
    snprintf(file->etag, sizeof file->etag, "\"%llx-%llx.%llx-%llx\"", st->st_ino + 0ULL,
             (unsigned long long)st->st_mtime, SSE__MTIME_NS(st), (unsigned long long)st->st_size);
    return true;
}

static bool sse__file_from_memory(sse_req *req, const sse_file *from) {
    char       *bytes = (char *)from->bytes;
    sse__block *block = sse__block_new(bytes, from->len);
    sse__file  *file;
    if (block) block->borrowed = true;
    file = sse__file_make(req, block);
    if (!file) return false;
    file->id[0] = (uintptr_t)bytes;
    file->id[1] = from->len;
    snprintf(file->etag, sizeof file->etag, "\"%lx-%lx\"",
             (unsigned long)sse__hash(sse__str(bytes, from->len)), (unsigned long)from->len);
    return true;
}

/* RFC 6266: a plain name for old readers, the real one for all others. */
static void sse__put_download_name(sse_buf *b, const char *name) {
    const char *p;
    sse_puts(b, "Content-Disposition: attachment; filename=\"");
    for (p = name; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        sse__put_char(b, c < 0x20 || c >= 0x7F || strchr("\"\\%;", c) ? '_' : *p);
    }
    sse_url(b, "\"; filename*=UTF-8''%s\r\n", name);
}

/* ---- conditions and ranges --------------------------------------------------------- */

/* Compares a date of the client with the file's: whether there are both; how: < 0: the file is
   older. */
static bool sse__file_dated(const sse__file *file, sse_str date, int *how) {
    int64_t when;
    if (!date.ptr || !file->modified || !sse__date_parse(date, (int64_t)time(NULL), &when))
        return false;
    *how = file->modified < when ? -1 : file->modified > when;
    return true;
}

/* The status, in the order of RFC 9110 13.2.2: 412 and 304, for conditions that fail; 200, 206 or
   416 and the part to send. Only GET has ranges (14.2). An If-Range that does not hold makes it all
   of the file, not an error: the client would ask for that next (13.1.5). */
static int sse__file_status(sse_req *req, uint64_t *first, uint64_t *last) {
    const sse__file *file = req->file;
    const sse_str etag  = sse__text(file->etag);
    const sse_str match = sse__text(sse_header(req, "if-match"));
    const sse_str none_match = sse__req_field(req, SSE__FIELD_IF_NONE_MATCH);
    const sse_str range      = sse__req_field(req, SSE__FIELD_RANGE);
    const sse_str if_range   = sse__req_field(req, SSE__FIELD_IF_RANGE);
    const sse_str unmodified = sse__text(sse_header(req, "if-unmodified-since"));
    const sse_str modified   = sse__req_field(req, SSE__FIELD_IF_MODIFIED_SINCE);
    int           how;
    if (match.ptr ? !sse__etag_match(match, etag, false)
                  : sse__file_dated(file, unmodified, &how) && how > 0)
        return 412;
    if (none_match.ptr ? sse__etag_match(none_match, etag, true)
                       : sse__file_dated(file, modified, &how) && how <= 0)
        return 304;
    if (!range.ptr || req->head_only || !sse__req_is(req, "GET")) return 200;
    if (if_range.ptr && !sse__etag_match(if_range, etag, false)) {
        if (file->varies || sse__reply_varies(req, file->size))
            return 200; /* a date names no encoding */
        if (!sse__file_dated(file, if_range, &how) || how != 0) return 200;
    }
    *last = file->size ? file->size - 1 : 0;
    return sse__range(range, file->size, first, last);
}

/* ---- the cache of compressed files ---- */

/* So many, so many bytes together, of files up to MAX_FILE. Up to NOW the loop waits for them;
   larger ones are compressed on a thread, and leave, as the largest always do, in pieces until that
   is done. Clients that ask for more files in turns than fit have them compressed over and over,
   for 81 bytes each: all of that may take a second, and then a twentieth of the time. Without
   credit a file that is not in the cache leaves as it is. */
enum {
    SSE__CACHE_FILES = 32, SSE__CACHE_BYTES = 4 << 20, SSE__CACHE_MAX_FILE = 1 << 20,
    SSE__CACHE_NOW = 65536, SSE__CACHE_CREDIT_US = 1000000, SSE__CACHE_SHARE = 20
};

/* What became of a file in one encoding. block NULL: it did not get shorter. busy: a thread has it.
   */
typedef struct sse__cached {
    sse__block *block;
    uint64_t    id[2], used;
    int         encoding;
    char        etag[SSE__ETAG];
    bool        busy;
} sse__cached;
typedef struct sse__file_cache {
    sse__cached at[SSE__CACHE_FILES];
    uint64_t    uses, earned_us; /* earned_us: when credit_us was last counted up */
    int64_t     credit_us;       /* < 0: so much too much was taken */
    size_t      bytes;
} sse__file_cache;

static uint64_t sse__files_clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool sse__file_cache_may_compress(sse__file_cache *files) {
    const uint64_t now  = sse__files_clock_us();
    const int64_t  more = (int64_t)((now - files->earned_us) / SSE__CACHE_SHARE);
    files->earned_us = now;
    if (more < SSE__CACHE_CREDIT_US - files->credit_us) files->credit_us += more;
    else files->credit_us = SSE__CACHE_CREDIT_US;
    return files->credit_us > 0;
}

static void sse__cached_drop(sse__file_cache *files, sse__cached *cached) {
    if (cached->block) files->bytes -= cached->block->len;
    sse__block_drop(cached->block);
    memset(cached, 0, sizeof *cached);
}

static void sse__file_cache_free(sse_app *app) {
    size_t i;
    for (i = 0; app->files && i < SSE__CACHE_FILES; i++)
        sse__cached_drop(app->files, &app->files->at[i]);
    SSE_FREE(app->files);
}

/* Unused for longest; full: of those that hold bytes. NULL: there is none. */
static sse__cached *sse__cached_oldest(sse__file_cache *files, bool full) {
    sse__cached *oldest = NULL, *at;
    for (at = files->at; at < files->at + SSE__CACHE_FILES; at++)
        if (!at->busy && (!full || at->block) && (!oldest || at->used < oldest->used)) oldest = at;
    return oldest;
}

static sse__cached *sse__cached_find(sse__file_cache *files, const sse__file *file, int encoding) {
    sse__cached *at;
    for (at = files->at; at < files->at + SSE__CACHE_FILES; at++)
        if (at->encoding == encoding && at->id[0] == file->id[0] && at->id[1] == file->id[1] &&
            strcmp(at->etag, file->etag) == 0)
            return at;
    return NULL;
}

/* Compresses a file, here or on a thread. */
typedef struct sse__compress_job {
    sse__cached *cached;
    sse__block  *from;
    size_t       size;
    uint64_t     took_us;
    bool         known; /* false: no memory, or it cannot be read: the next request tries again */
    sse_buf      out;   /* empty: it did not get shorter */
} sse__compress_job;

static void sse__compress_do(sse_app *app, sse__compress_job *job, sse__encoder *encoder) {
    const int      quality = app->options.compress_quality, encoding = job->cached->encoding;
    const uint64_t began   = sse__files_clock_us();
    sse_buf        plain   = {NULL, 0, 0, SSE_OK};
    if (encoder && sse__block_read(job->from, 0, job->size, &plain)) {
        if (!sse__encode(encoder, quality, encoding, sse__str(plain.ptr, plain.len), &job->out))
            job->out.len = 0;
        job->known = !job->out.error;
    }
    job->took_us = sse__files_clock_us() - began;
    sse_buf_free(&plain);
}

/* On a thread: with an encoder of its own. */
static void sse__compress_work(sse_app *app, void *user) {
    sse__encoder *encoder = sse__encoder_new((unsigned)app->options.compress_window);
    sse__compress_do(app, (sse__compress_job *)user, encoder);
    sse__encoder_free(encoder);
}

static void sse__compress_done(sse_app *app, void *user) { /* on the loop */
    sse__compress_job *job    = (sse__compress_job *)user;
    sse__cached       *cached = job->cached;
    sse__file_cache        *files  = app->files;
    /* at the highest quality a file takes seconds */
    const uint64_t     most   = 2 * SSE__CACHE_CREDIT_US;
    const bool         shorter = job->known && job->out.len;
    files->credit_us -= (int64_t)(job->took_us < most ? job->took_us : most);
    cached->busy = false;
    if (shorter) cached->block = sse__block_from_buf(&job->out);
    if (cached->block) files->bytes += cached->block->len;
    if (!job->known || shorter != (cached->block != NULL)) sse__cached_drop(files, cached);
    while (files->bytes > SSE__CACHE_BYTES)
        sse__cached_drop(files, sse__cached_oldest(files, true));
    sse_buf_free(&job->out);
    sse__block_drop(job->from);
    SSE_FREE(job);
}

/* The place of the file in that encoding; if it was not there the oldest place is filled. NULL: the
   file is not to be compressed now, or no memory. */
static sse__cached *sse__cached_get(sse_app *app, const sse__file *file, int encoding) {
    sse__file_cache   *files = app->files ? app->files : SSE__NEW(sse__file_cache);
    sse__cached       *cached;
    sse__compress_job *job = NULL;
    app->files = files;
    if (!files) return NULL;
    cached = sse__cached_find(files, file, encoding);
    if (cached) {
        cached->used = ++files->uses;
        return cached;
    }
    if (sse__file_cache_may_compress(files)) cached = sse__cached_oldest(files, false);
    if (cached) job = SSE__NEW(sse__compress_job);
    if (!job) return NULL;
    sse__cached_drop(files, cached);
    cached->encoding = encoding;
    cached->busy     = true;
    cached->used     = ++files->uses;
    memcpy(cached->id, file->id, sizeof cached->id);
    memcpy(cached->etag, file->etag, sizeof cached->etag);
    job->cached = cached;
    job->from   = sse__block_hold(file->block);
    job->size   = (size_t)file->size;
    if (file->size > SSE__CACHE_NOW &&
        sse__packer_do(app, sse__compress_work, sse__compress_done, job) == SSE_OK)
        return cached;
    sse__compress_do(app, job, app->encoder);
    sse__compress_done(app, job);
    return cached;
}

/* Decides in which encoding the file is sent: from the cache, as it leaves, or as it is. An encoded
   one has an ETag of its own. A range is one of the file as it is. */
static void sse__file_compress(sse_req *req) {
    sse__file  *file   = req->file;
    const bool  varies = sse__reply_varies(req, file->size);
    const bool  whole  = file->size <= SSE__CACHE_MAX_FILE;
    const int   length = (int)strlen(file->etag) - 1;
    int         encoding = 0;
    sse__cached *cached  = NULL;
    char        plain[SSE__ETAG];
    if (varies || file->varies) sse_puts(&req->headers, "Vary: Accept-Encoding\r\n");
    if (varies && !req->status && !sse__req_field(req, SSE__FIELD_RANGE).ptr)
        encoding = sse__reply_encoding(req, whole);
    if (!encoding) return;
    if (whole) cached = sse__cached_get(req->app, file, encoding);
    if (cached && cached->block) {
        sse__block_drop(file->block);
        file->block = sse__block_hold(cached->block);
        file->size  = cached->block->len;
    /* 1.0 has no chunks */
    } else if ((whole && (!cached || !cached->busy)) || req->head.minor == 0) return;
    else req->encoding = encoding;
    memcpy(plain, file->etag, sizeof plain);
    snprintf(file->etag, sizeof file->etag, "%s%.*s-%s\"",
             whole && req->encoding ? "W/" : "", /* other bytes than those to come */
             length, plain, encoding == SSE__BR ? "br" : "gz");
    sse__put_encoding(req, encoding);
}

/* ---- answering ------------------------------------------------------------------ */

static void sse__file_answer(sse_req *req) {
    sse__file  *file = req->file;
    sse_buf    *set  = &req->headers;
    sse__block *block;
    char        when[30];
    uint64_t    first = 0, last = 0, n;
    int         status = req->status;
    bool        bare;
    sse__file_compress(req);
    block = file->block;
    if (!status) status = sse__file_status(req, &first, &last);
    bare = sse__status_is_bare(status) || (!req->status && (status == 412 || status == 416));
    if (bare) req->encoding = 0;
    if (status != 206) first = 0;
    n = status == 206 ? last - first + 1 : bare ? 0 : file->size;
    req->status = status;
    sse__put_field(set, "ETag", file->etag);
    if (file->modified) {
        sse__date_write(when, file->modified);
        sse__put_field(set, "Last-Modified", when);
    }
    sse_puts(set, "Accept-Ranges: bytes\r\n");
    if (status == 206)
        sse_printf(set, "Content-Range: bytes %llu-%llu/%llu\r\n", first + 0ULL, last + 0ULL,
                   file->size + 0ULL);
    if (status == 416) sse_printf(set, "Content-Range: bytes */%llu\r\n", file->size + 0ULL);
    req->out.len = 0;
    if (bare || (n < SSE__COPY_BELOW && !req->head_only &&
                 sse__block_read(block, first, (size_t)n, &req->out)))
        block = NULL; /* a short file travels behind its head, in one write: A2 */
    sse__reply_send(req, block, first, n);
}

/* ---- sending -------------------------------------------------------------------- */

#if defined(__linux__)
#include <sys/sendfile.h>
#if defined(SSE_NO_THREADS)
#define SSE__SIGMASK sigprocmask
#else
#define SSE__SIGMASK pthread_sigmask
#endif

/* sendfile has no MSG_NOSIGNAL, and whether SIGPIPE ends the program is the program's to say: the
   signal is held back meanwhile, and taken if it came. Where the program blocks it already it is
   left to it. */
static ssize_t sse__file_send(int fd, const sse__block *rest, size_t n) {
    static const struct timespec at_once = {0, 0};
    off_t    at = (off_t)rest->offset;
    sigset_t pipe, before;
    ssize_t  sent;
    int      error;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    (void)SSE__SIGMASK(SIG_BLOCK, &pipe, &before);
    sent  = SSE__SYS(sendfile(fd, rest->from->fd, &at, n));
    error = errno;
    if (sent < (ssize_t)n && !sigismember(&before, SIGPIPE)) /* some may have left before it came */
        (void)SSE__SYS(sigtimedwait(&pipe, NULL, &at_once));
    (void)SSE__SIGMASK(SIG_SETMASK, &before, NULL);
    errno = error;
    return sent;
}
#else
static ssize_t sse__file_send(int fd, const sse__block *rest, size_t n) {
    char    bytes[16384];
    ssize_t got;
    if (n > sizeof bytes) n = sizeof bytes;
    got = pread(rest->from->fd, bytes, n, (off_t)rest->offset);
    return got > 0 ? SSE__SYS(send(fd, bytes, (size_t)got, MSG_DONTWAIT | SSE__NOSIGNAL)) : got;
}
#endif

/* The first file brings the section in. */
static void sse__files_use(sse_app *app) {
    app->net->send_file          = sse__file_send;
    app->file_answer             = sse__file_answer;
    app->stages[SSE__FREE_FILES] = sse__file_cache_free;
}

SSE_API int sse_send_file(sse_req *req, const char *file, const char *download_name) {
    const int   error = sse__reply_unsettled(req, "sse_send_file");
    struct stat st;
    int         fd;
    if (error || req->file) return error ? error : SSE_E_STATE;
    if (!file) return sse__req_error(req, SSE_E_ARG);
    fd = sse__file_open(file, &st);
    if (fd < 0) {
        const int why = errno;
        sse__log(req->app, SSE_LOG_WARNING, "cannot send %s: %s", file, strerror(why));
        if (sse__file_was_short(why)) sse_fail(req, 503, "%s", sse__status_text(503));
        else sse_fail(req, 404, "there is nothing at %s", req->path);
        return SSE_E_IO;
    }
    sse__files_use(req->app);
    if (!sse__file_from_fd(req, fd, &st)) return SSE_E_NOMEM;
    if (!req->type) req->type = sse__mime(sse__text(download_name ? download_name : file));
    if (download_name) sse__put_download_name(&req->headers, download_name);
    return sse__req_error(req, req->headers.error);
}

/* ---- directories ------------------------------------------------------------------ */

typedef struct sse__dir {
    char           *root;  /* as realpath writes it */
    char           *cache_control;
    const sse_file *files; /* instead of a directory; else NULL */
    bool            dotfiles, no_index;
} sse__dir;

static void sse__dir_free(void *user) {
    sse__dir *dir = (sse__dir *)user;
    if (!dir) return;
    free(dir->root); /* from realpath */
    SSE_FREE(dir->cache_control);
    SSE_FREE(dir);
}

/* Dotfiles, and names that hide something. */
static bool sse__dir_hides(const sse__dir *dir, sse_str path) {
    sse_str segment;
    while (path.ptr) {
        segment = sse__cut(&path, '/', false);
        if (!segment.len && path.ptr) return true; /* "a//b" */
        if (segment.len && segment.ptr[0] == '.' && !dir->dotfiles &&
            !sse__eq(segment, SSE__LIT(".well-known")))
            return true;
    }
    return false;
}

/* Opens root/path+suffix: FL1. -1: not there, not plain, or outside; is_dir: a directory. */
static int sse__file_find(const sse__dir *dir, sse_str path, const char *suffix, struct stat *st,
                          bool *is_dir) {
    sse_buf      name = {NULL, 0, 0, SSE_OK};
    const size_t root = strlen(dir->root);
    char        *real;
    int          fd = -1;
    sse_printf(&name, "%s/%.*s%s", dir->root, SSE_STR(path), suffix);
    errno = ENOMEM;
    real  = name.error ? NULL : realpath(sse_buf_text(&name), NULL);
    sse_buf_free(&name);
    if (real && strncmp(real, dir->root, root) == 0 &&
        (real[root] == '/' || real[root] == '\0' || root == 1)) {
        fd = sse__file_open(real, st);
        *is_dir = fd < 0 && stat(real, st) == 0 && S_ISDIR(st->st_mode);
    }
    free(real);
    return fd;
}

/* path: without its first slash. */
static const sse_file *sse__file_listed(const sse_file *list, sse_str path, const char *suffix) {
    for (; list->path; list++) {
        const char *name = list->path + (list->path[0] == '/');
        if (strncmp(name, path.ptr, path.len) == 0 && strcmp(name + path.len, suffix) == 0)
            return list;
    }
    return NULL;
}

/* Takes the file for the reply, if there is one. */
static bool sse__dir_take(sse_req *req, const sse__dir *dir, sse_str path, const char *suffix,
                          bool *is_dir) {
    const sse_file *listed;
    struct stat     st;
    int             fd;
    *is_dir = false;
    if (dir->files) {
        listed = sse__file_listed(dir->files, path, suffix);
        return listed && sse__file_from_memory(req, listed);
    }
    fd = sse__file_find(dir, path, suffix, &st, is_dir);
    if (fd < 0 && sse__file_was_short(errno)) sse__req_error(req, SSE_E_IO);
    return fd >= 0 && sse__file_from_fd(req, fd, &st);
}

/* The file itself or, for clients that accept it, a compressed one beside it. */
static bool sse__dir_take_best(sse_req *req, const sse__dir *dir, sse_str path, bool *is_dir) {
    const sse_str accepted = sse__req_field(req, SSE__FIELD_ACCEPT_ENCODING);
    unsigned      offered  = SSE__ACCEPT_BR | SSE__ACCEPT_GZIP | SSE__ACCEPT_IDENTITY, coding;
    bool          ignored;
    while (!req->file) {
        coding = sse__accept_encoding(accepted, offered);
        if (coding != SSE__ACCEPT_BR && coding != SSE__ACCEPT_GZIP) break;
        if (sse__dir_take(req, dir, path, coding == SSE__ACCEPT_BR ? ".br" : ".gz", &ignored))
            sse__put_encoding(req, (int)coding);
        offered &= ~coding;
    }
    if (!req->file && !sse__dir_take(req, dir, path, "", is_dir)) return false;
    req->file->varies = true;
    return true;
}

static void sse__dir_handler(sse_req *req, void *user) {
    const sse__dir *dir    = (const sse__dir *)user;
    sse_str         path   = sse__text(sse_param(req, "path")), query;
    const bool      slash  = req->path[strlen(req->path) - 1] == '/';
    bool            is_dir = false;
    sse__files_use(req->app);
    if (!sse__req_is(req, "GET") && !req->head_only) {
        sse_set_header(req, "Allow", "GET, HEAD, OPTIONS");
        if (sse__req_is(req, "OPTIONS")) sse_set_status(req, 204);
        else sse_fail(req, 405, "files can only be read");
        return;
    }
    if (slash && dir->no_index) path = sse__str(NULL, 0);
    else if (slash) path = sse__text(sse_fmt(req, "%.*sindex.html", SSE_STR(path)));
    if (path.ptr && !sse__dir_hides(dir, path) && sse__dir_take_best(req, dir, path, &is_dir)) {
        if (!req->type) req->type = sse__mime(path);
        sse__put_field(&req->headers, "Cache-Control", dir->cache_control);
        sse_puts(&req->headers, "X-Content-Type-Options: nosniff\r\n");
    } else if ((is_dir || !path.len) && !slash && !dir->no_index) {
        /* the same path with a slash, or the links of its index would go astray; as it came */
        path  = sse__slice_str(req->bytes, req->head.path);
        query = req->query_text.ptr ? req->query_text : sse__str("", 0);
        sse_set_status(req, 301);
        sse_redirect(req, sse_fmt(req, "%.*s/%s%.*s", SSE_STR(path), req->query_text.ptr ? "?" : "",
                                  SSE_STR(query)));
    } else if (req->error == SSE_E_IO) {
        sse_fail(req, 503, "%s", sse__status_text(503));
    } else {
        sse_fail(req, 404, "there is nothing at %s", req->path);
    }
}

/*==========================================================================
  >>message   an event, made once for all streams that get it
  Uses: >>conn >>event >>frame          Tests: tests/unit/topics.c tests/wire/frames.test.mjs

  The bytes of a message, the HTTP chunk frame around them included, are made
  once, and the queues of all streams that get it point to them:

      padding | "1a4\r\n" | "id: 7f3a9c02-14\n" | event | "\r\n" | key
              ^ framed (HTTP/1.1)           ^ SSE__ROOM ^ bare_to
                          ^ bare (1.0)

  The id is the one that a history or a table gives; there is room for it.

  MS1  A message never changes, but for its key frames, which are added.
       Held by tests/wire/frames.test.mjs.
==========================================================================*/

/* framed_from: where the chunk's frame begins, which ends 2 bytes behind bare_to. seq: its number
   in a history or a table, or 0. keys: the same event as a key frame of >>frame, for all streams
   of that encoding that are not in sync; made when the first one needs it. */
typedef struct sse__message {
    uint32_t    refs, framed_from, bare_from, bare_to;
    sse__block *block;
    uint64_t    seq;
    struct sse__message *keys[SSE__GZIP + 1]; /* MS1 */
} sse__message;

/* What a message has besides its text. key: a queue keeps the newest of each, for SSE_KEEP_NEWEST.
   droppable: a queue over its limit may lose it. */
typedef struct sse__message_meta {
    uint64_t seq;
    sse_str  id_line, key;
    bool     droppable;
} sse__message_meta;

enum {
    SSE__FRAME_ROOM = 10,                 /* "ffffffff\r\n" */
    SSE__ID_ROOM    = 4 + 8 + 1 + 20 + 1, /* "id: epoch-18446744073709551615\n" */
    SSE__ROOM       = SSE__FRAME_ROOM + SSE__ID_ROOM
};

static sse__message_meta sse__message_meta_of(uint64_t seq) {
    sse__message_meta meta;
    memset(&meta, 0, sizeof meta);
    meta.seq = seq;
    return meta;
}

/* Makes room for what stands before the text and is known last: the length of a chunk counts the
   id, and the id is given when all else has succeeded. So nothing is moved, and a failure uses up
   no number. */
static void sse__message_begin(sse_buf *b) {
    static const char room[SSE__ROOM] = {0};
    sse_raw(b, room, sizeof room);
}

/* Makes a message of b, which was begun with sse__message_begin. meta: NULL: none.
   b is {0} afterwards, on failure too. NULL: no memory. */
static sse__message *sse__message_new(sse_buf *b, const sse__message_meta *meta) {
    const sse__message_meta none = sse__message_meta_of(0);
    const size_t  to = b->len, from = SSE__ROOM - (meta ? meta->id_line.len : 0);
    sse__message *m  = SSE__NEW(sse__message);
    size_t        n = to - from, at = from - 2;
    if (!meta) meta = &none;
    SSE_ASSERT(meta->id_line.len <= SSE__ID_ROOM);
    sse_raw(b, "\r\n", 2);
    sse__put_str(b, meta->key);
    if (m && !b->error) {
        if (meta->id_line.len) memcpy(b->ptr + from, meta->id_line.ptr, meta->id_line.len);
        memcpy(b->ptr + at, "\r\n", 2);
        do b->ptr[--at] = sse__hex[n & 15];
        while (n >>= 4);
        m->refs        = 1;
        m->seq         = meta->seq;
        m->framed_from = (uint32_t)at;
        m->bare_from   = (uint32_t)from;
        m->bare_to     = (uint32_t)to;
        m->block       = sse__block_from_buf(b); /* NULL also for what is past 4 GiB */
    }
    if (!m || !m->block) {
        sse_buf_free(b);
        SSE_FREE(m);
        return NULL;
    }
    m->block->droppable = meta->droppable;
    if (meta->key.len) m->block->key = sse__str(m->block->bytes + to + 2, meta->key.len);
    m->block->key_hash = sse__hash(m->block->key);
    return m;
}

static void sse__message_drop(sse__message *m) { /* NULL: does nothing */
    if (!m || --m->refs) return;
    sse__message_drop(m->keys[SSE__BR]);
    sse__message_drop(m->keys[SSE__GZIP]);
    sse__block_drop(m->block);
    SSE_FREE(m);
}

static sse__message *sse__message_hold(sse__message *m) {
    m->refs++;
    return m;
}

/* A queue may lose it, so that no later frame may refer to it. */
static bool sse__message_droppable(const sse__message *m) {
    return m->block->droppable || m->block->key.ptr;
}

static sse_str sse__message_bytes(const sse__message *m) { /* with its id */
    return sse__str(m->block->bytes + m->bare_from, m->bare_to - m->bare_from);
}

static sse_str sse__message_text(const sse__message *m) { /* without */
    return sse__str(m->block->bytes + SSE__ROOM, m->bare_to - SSE__ROOM);
}

/* Begins a message with an event. b is {0} after a failure. */
static int sse__message_begin_event(const sse_app *app, sse_buf *b, const sse_event *event) {
    int error;
    sse__message_begin(b);
    error = sse_event_write(b, event);
    if (!error && app->options.check_utf8 && sse__utf8_span(sse__str(b->ptr, b->len)) < b->len)
        error = SSE_E_SYNTAX;
    if (error) sse_buf_free(b);
    return error;
}

/* *out: NULL after an error. */
static int sse__message_of_event(const sse_app *app, const sse_event *event, sse__message **out) {
    sse_buf   b = {NULL, 0, 0, SSE_OK};
    const int error = sse__message_begin_event(app, &b, event);
    *out = error ? NULL : sse__message_new(&b, NULL);
    return error || *out ? error : SSE_E_NOMEM;
}

/* Says why an event was refused by call, if it was. Returns error. */
static int sse__event_refused(sse_app *app, const char *call, const sse_event *event, int error) {
    int         what;
    const char *fault = sse__event_fault(event, &what);
    if (!app || (error != SSE_E_ARG && error != SSE_E_FIELD && error != SSE_E_SYNTAX)) return error;
    if (!fault && error != SSE_E_SYNTAX) return error;
    return sse__refused(app, error, "%s: %s", call,
                        fault ? fault : "it is not UTF-8, which .check_utf8 wants");
}

static sse__message *sse__message_of_bytes(sse_str bytes) { /* NULL: no memory */
    sse_buf b = {NULL, 0, 0, SSE_OK};
    sse__message_begin(&b);
    sse__put_str(&b, bytes);
    return sse__message_new(&b, NULL);
}

/* The event that a client gets in place of those it missed. name: NULL: "gap". expired: they were
   kept once; else nobody knows its id. NULL: no memory. */
static sse__message *sse__message_gap(const sse_app *app, const char *name, bool expired) {
    sse_event     event = sse__event_new(NULL);
    sse__message *m;
    event.event = name ? name : "gap";
    event.data  = expired ? "{\"reason\":\"expired\"}" : "{\"reason\":\"unknown\"}";
    (void)sse__message_of_event(app, &event, &m);
    return m;
}

/*==========================================================================
  >>stream   open event streams: queue, ping, slow clients, closing
  Uses: >>message >>reply >>conn >>db >>loop
  Tests: tests/wire/stream.test.mjs tests/unit/stream.c

  The life of a stream; [f] is the function that makes the change:

      [stream_make]
          |              its handler returns       the app stops
         NEW -----> OPENING -------------> OPEN -------------> STOPPING
          | [stream_open] | [stream_begun]   | [stream_stop]       |
          |               +------------------+---------------------+
          |               | its end is said  | cut short: its peer left or was
          |               | [stream_finish]  | too slow, no memory [stream_mark_cut]
          |               v                  v
          |             ENDING -----------> CUT
          |               |  last event too  ^ |
          |               |  much for queue  | |
          +---------------|------------------+ |  not opened after all
                          v                    v
                        CLOSED <---------------+  [streams_run_closed], then freed

  NEW       its options are looked at; no code of the program's has its handle
  OPENING   its head is queued, and what it is sent; the handler that opened it still
            runs. Histories wait until that has subscribed to all it wants
  OPEN      that handler has returned: all it subscribed to flows, its step is called
  STOPPING  on_stop was called; all goes on until its step ends it, or the program
            (.drain), or grace_ms is over. Without either it ends at once
  ENDING    last event and end are queued or about to be; then the connection is no
            longer its own, and sends them by itself (SEND)
  CUT       nothing of it leaves any more
  CLOSED    on_close runs, which may still read what was noted (sse_stream_meta)

  S1  A handle finds its stream until on_close has returned; a stream that
      is closing takes nothing more.
  S2  on_close runs exactly once, at the end of the turn, never inside a
      call of the program's. Held by tests/unit/stream.c.
  S3  Sending touches one stream and its connection: no timer moves
      [stream_tick looks at what was sent].
  S4  The streams of a person, of a label or of a topic are found without
      looking at any other. Held by tests/unit/streams.c.
  S5  A body is complete only where the program ended it. To clients that
      read by fetch, Datastar above all, a complete one is finished: after
      any other end, which to them is a broken connection, they reconnect.
      Held by tests/wire/stream.test.mjs.
  S6  Between two turns a stream has a connection, or is in the list of
      those that close: never both. No handler of one still runs then.
  S7  Nothing that has a number, and no step, comes before OPEN.
==========================================================================*/

/* ---- what a stream is made of -------------------------------------------------------- */

typedef struct sse__meta { struct sse__meta *next; const char *value; char name[1]; } sse__meta;

/* A stream in a list of streams; what it is there for is around it. */
typedef struct sse__member { sse__link link; struct sse__stream *stream; } sse__member;

/* Streams with a name in common: a label, or their person. It exists while it has any: S4. */
typedef struct sse__group {
    sse__node node;
    sse__map *map;
    sse__link members;
    uint32_t  count;
} sse__group;

typedef enum sse__stream_phase { /* in the order of its life; drawn above */
    SSE__STREAM_NEW,
    SSE__STREAM_OPENING, SSE__STREAM_OPEN, SSE__STREAM_STOPPING, /* open: sse__stream_lives */
    SSE__STREAM_ENDING, SSE__STREAM_CUT, SSE__STREAM_CLOSED
} sse__stream_phase;

/* What few streams have: thousands wait with none of it. */
typedef struct sse__stream_extra {
    void         (*on_ping)(sse_stream s, sse_buf *out, void *user);
    int          (*step)(sse_stream s, void *user);
    void         (*on_stop)(sse_stream s, void *user);
    uint64_t       ends_at, step_at;     /* 0: never */
    sse__message  *last;
    sse__group    *label, *who;          /* NULL: none */
    sse__member    with_label, with_who;
    const char    *path;  /* of the route that opened it, for the log. NULL: not known */
    char          *id;
    sse__meta     *meta;
    sse__codec    *codec; /* own_history, from the first event for this stream alone */
} sse__stream_extra;

typedef struct sse__stream {
    sse_app    *app;
    sse__conn  *conn;        /* NULL: not opened yet, or closing */
    uint64_t    publication; /* the last one that it was sent */
    uint64_t    mark;        /* which events its decoder holds: see >>frame. 0: none that count */
    uint64_t    last_sent;   /* when something was last queued */
    uint32_t    max_queue;
    uint8_t     phase;       /* sse__stream_phase */
    uint8_t     reason, encoding;
    bool        framed;      /* HTTP/1.1: in chunks */
    bool        replaying;   /* events with numbers reach it from >>replay, not from >>channel */
    bool        raw;         /* bytes of another type than events */
    bool        own_history, drain;
    uint32_t    slot, gen;
    uint32_t    opened_s;    /* when, in seconds of the loop's clock */
    int         ping_ms, send_timeout_ms;
    sse__link   closing;     /* in streams.closing: S2 */
    struct sse__sub *subs;   /* what it is subscribed to */
    sse_req    *req;         /* until the handler that opened it has returned; else NULL */
    uint64_t    stuck_since; /* 0: the peer takes what it is sent */
    void      (*on_close)(sse_stream s, sse_reason reason, void *user);
    void       *user;
    sse__stream_extra *extra; /* to be written to: stream_own_extra */
} sse__stream;

static sse__stream_extra sse__no_extra; /* of all streams that need none: zero, never written to */

typedef struct sse__streams {
    sse_app   *app;
    sse__slots all;
    sse__map   labels, people; /* groups by name */
    sse__link  closing;
    sse__message *pings[SSE__GZIP + 1]; /* by encoding, shared: ":\n\n", or its like */
    sse__message *farewell;    /* the latest last event: many have the same. NULL: there was none */
    struct sse__outbox *outboxes; /* of >>outbox: tables whose rows are events */
    uint64_t   publication;    /* counts them */
    /* Upcall to >>replay, for a stream that is replaying: req: its handler has returned, which
       says where its client left it; NULL: its queue is empty. */
    void     (*replay)(sse__stream *stream, sse_req *req);
} sse__streams;

static sse__stream_extra *sse__stream_own_extra(sse__stream *stream) { /* NULL: no memory */
    sse__stream_extra *own = stream->extra;
    if (own == &sse__no_extra) own = SSE__NEW(sse__stream_extra);
    if (own) stream->extra = own;
    return own;
}

static sse__stream *sse__stream_get(sse_stream s) { /* also one that is closing: S1 */
    return s.app && s.app->streams
        ? (sse__stream *)sse__slots_get(&s.app->streams->all, s.slot, s.gen) : NULL;
}

static bool sse__stream_lives(const sse__stream *stream) {
    return stream->phase >= SSE__STREAM_OPENING && stream->phase <= SSE__STREAM_STOPPING;
}

static bool sse__stream_flows(const sse__stream *stream) { /* S7 */
    return stream->phase == SSE__STREAM_OPEN || stream->phase == SSE__STREAM_STOPPING;
}

/* The one place where a phase is set. Row: from; bit: to. */
static void sse__stream_set_phase(sse__stream *stream, sse__stream_phase to) {
    static const unsigned char allowed[] = {
        1 << SSE__STREAM_OPENING | 1 << SSE__STREAM_CUT,                            /* NEW */
        1 << SSE__STREAM_OPEN | 1 << SSE__STREAM_ENDING | 1 << SSE__STREAM_CUT,     /* OPENING */
        1 << SSE__STREAM_STOPPING | 1 << SSE__STREAM_ENDING | 1 << SSE__STREAM_CUT, /* OPEN */
        1 << SSE__STREAM_ENDING | 1 << SSE__STREAM_CUT,                             /* STOPPING */
        1 << SSE__STREAM_CUT | 1 << SSE__STREAM_CLOSED,                             /* ENDING */
        1 << SSE__STREAM_CLOSED,                                                    /* CUT */
        0                                                                           /* CLOSED */
    };
    SSE_ASSERT(allowed[stream->phase] >> to & 1);
    (void)allowed;
    stream->phase = (uint8_t)to;
}

/* A callback of the stream's has returned. */
static void sse__stream_upcall_end(const sse__stream *stream, const sse__upcall *upcall) {
    const char *path = stream->extra->path;
    sse__upcall_end(upcall, " of %s (stream %lu-%lu)", path ? path : "a stream",
                    (unsigned long)stream->slot, (unsigned long)stream->gen);
}

static int sse__stream_misused(const sse__stream *stream, const char *call, const char *when) {
    sse__log(stream->app, sse__log_level_limited(stream->app, &stream->app->stream_warned_ms),
             "%s: not possible %s (stream %lu-%lu)", call, when, (unsigned long)stream->slot,
             (unsigned long)stream->gen);
    return SSE_E_STATE;
}

static int sse__stream_is_raw(const sse__stream *stream, const char *call) {
    return sse__stream_misused(stream, call,
                               "on a raw stream, whose .type is not text/event-stream");
}

/* What a call does with a stream. READ is possible until on_close has returned, all else while the
   stream is open; EVENT and JOIN (topics, patterns, views) not on a raw one. */
typedef enum sse__use { SSE__USE_READ, SSE__USE_IT, SSE__USE_EVENT, SSE__USE_JOIN } sse__use;

/* Finds the stream of a call that may be made now; else *out is NULL, and the answer an error. A
   peer may leave at any time, so that a call comes too late is no mistake; what the program still
   wants to send where it has said the end itself is one: call is for the log then (NULL: none). */
static int sse__stream_may(sse_stream s, sse__use use, const char *call, sse__stream **out) {
    sse__stream *stream;
    *out = NULL;
    if (!s.app) return SSE_E_CLOSED;
    if (!sse__on_loop(s.app)) return SSE_E_THREAD;
    stream = sse__stream_get(s);
    if (!stream) return SSE_E_CLOSED;
    if (use != SSE__USE_READ && !sse__stream_lives(stream)) { /* S1 */
        if (call && stream->phase == SSE__STREAM_ENDING && stream->reason == SSE_BY_END)
            (void)sse__stream_misused(stream, call, "after its end was said");
        return SSE_E_CLOSED;
    }
    if (use >= SSE__USE_EVENT && stream->raw) {
        if (call) (void)sse__stream_is_raw(stream, call);
        return use == SSE__USE_EVENT ? SSE_E_STATE : SSE_E_ARG;
    }
    *out = stream;
    return SSE_OK;
}

static sse__stream *sse__stream_open_one(sse_stream s) { /* NULL: closed, or another thread's */
    sse__stream *stream;
    (void)sse__stream_may(s, SSE__USE_IT, NULL, &stream);
    return stream;
}

static sse_stream sse__stream_handle(const sse__stream *stream) {
    sse_stream s;
    s.app  = stream->app;
    s.slot = stream->slot;
    s.gen  = stream->gen;
    return s;
}

SSE_API bool sse_stream_is_open(sse_stream s) { return sse__stream_open_one(s) != NULL; }

/* Whether an event fits within max bytes of queue. One may be of any size; 64: what frames it. */
static bool sse__stream_has_room(const sse__stream *stream, const sse__message *m, size_t max) {
    const sse__queue *q = &stream->conn->out;
    return !q->count || sse__queue_size(q) + sse__message_bytes(m).len + 64 <= max;
}

/* ---- groups ------------------------------------------------------------------------ */

static sse__group *sse__group_find(const sse__map *map, const char *name) { /* NULL: it has none */
    sse__node *node = sse__map_find(map, sse__text(name));
    return node ? SSE__CONTAINER(node, sse__group, node) : NULL;
}

static void sse__group_leave(sse__group *group, sse__member *member) { /* NULL: it is in none */
    if (!group) return;
    sse__list_remove(&member->link);
    if (--group->count) return;
    sse__map_remove(group->map, &group->node);
    SSE_FREE((char *)group->node.key.ptr);
    SSE_FREE(group);
}

/* name: NULL: joins none. False: no memory. */
static bool sse__group_join(sse__map *map, const char *name, sse__member *member,
                            sse__stream *stream, sse__group **out) {
    sse__group *group = name ? sse__group_find(map, name) : NULL;
    char       *key;
    if (!name) return true;
    if (!group) {
        group = SSE__NEW(sse__group);
        key   = sse__strdup(sse__text(name));
        if (!group || !key || !sse__map_add(map, &group->node, sse__text(key))) {
            SSE_FREE(key);
            SSE_FREE(group);
            return false;
        }
        group->map = map;
        sse__list_init(&group->members);
    }
    member->stream = stream;
    sse__list_add(&group->members, &member->link);
    group->count++;
    *out = group;
    return true;
}

static const char *sse__group_name(const sse__group *group) {
    return group ? group->node.key.ptr : NULL;
}

static const char *sse__stream_who(const sse__stream *stream) { /* NULL: nobody's */
    return sse__group_name(stream->extra->who);
}

/* ---- channels: streams that are sent the same, see >>channel ----------------------- */

/* A topic or a view has one. A stream is in it through a sub, at most once. */
typedef struct sse__channel sse__channel;
struct sse__channel {
    sse__link   subs;
    uint32_t    count;
    uint32_t    users[SSE__GZIP + 1];   /* by encoding */
    sse__codec *codecs[SSE__GZIP + 1];  /* made when there are users, freed with the last of them */
    unsigned    patience;               /* of its codecs */
    bool        single;                 /* its one stream does not share: it has no codecs */
    struct sse__topic  *topic;          /* NULL: it is a view's */
    struct sse__outbox *outbox;         /* of the topic; NULL: none */
    /* Upcall: a sub is about to go; may free the channel if count is 0. */
    void      (*left)(sse__channel *channel, struct sse__sub *sub);
};

typedef struct sse__sub {
    sse__member      in;        /* in channel.subs */
    struct sse__sub *next;      /* of the same stream */
    sse__channel    *channel;
    uint64_t         after;     /* while replaying: the number up to which it has had everything */
    bool             awaits_state; /* of a view: it has not been sent the state yet */
} sse__sub;

static void sse__channel_init(sse__channel *channel, unsigned patience,
                              void (*left)(sse__channel *, sse__sub *)) {
    memset(channel, 0, sizeof *channel);
    sse__list_init(&channel->subs);
    channel->patience = patience;
    channel->left     = left;
}

/* NULL: the stream is not in it. Goes down both lists at once: the shorter one tells. */
static sse__sub *sse__channel_find(const sse__channel *channel, const sse__stream *stream) {
    sse__sub        *sub  = stream->subs;
    const sse__link *link = channel->subs.next;
    for (; sub && link != &channel->subs; sub = sub->next, link = link->next) {
        sse__sub *other = SSE__CONTAINER(link, sse__sub, in.link);
        if (sub->channel == channel) return sub;
        if (other->in.stream == stream) return other;
    }
    return NULL;
}

static sse__sub *sse__channel_join(sse__channel *channel, sse__stream *stream) {
    sse__sub *sub = SSE__NEW(sse__sub); /* NULL: no memory */
    if (!sub) return NULL;
    sub->channel   = channel;
    sub->in.stream = stream;
    sub->next      = stream->subs;
    stream->subs   = sub;
    sse__list_add(&channel->subs, &sub->in.link);
    channel->count++;
    channel->users[stream->encoding]++;
    return sub;
}

static void sse__channel_leave(sse__sub *sub) {
    sse__channel *channel  = sub->channel;
    const int     encoding = sub->in.stream->encoding;
    sse__sub    **at       = &sub->in.stream->subs;
    while (*at != sub) at = &(*at)->next;
    *at = sub->next;
    sse__list_remove(&sub->in.link);
    channel->count--;
    if (--channel->users[encoding] == 0) {
        sse__codec_free(channel->codecs[encoding]);
        channel->codecs[encoding] = NULL;
    }
    channel->left(channel, sub);
    SSE_FREE(sub);
}

/* ---- closing -------------------------------------------------------------------- */

static void sse__stream_detach(sse__stream *stream) { /* the end of the turn closes it: S2, S6 */
    if (stream->conn) stream->conn->stream = NULL;
    stream->conn = NULL;
    sse__list_add(&stream->app->streams->closing, &stream->closing);
}

static void sse__stream_mark_cut(sse__stream *stream, sse_reason reason) {
    if (stream->closing.next) return; /* it had come to its end before */
    sse__stream_set_phase(stream, SSE__STREAM_CUT);
    stream->reason = (uint8_t)reason;
    sse__stream_detach(stream);
}

/* Closes the connection as well, whatever is queued: S5. */
static void sse__stream_cut(sse__stream *stream, sse_reason reason) {
    sse__conn *c = stream->conn;
    sse__stream_mark_cut(stream, reason);
    if (!c) return;
    sse__conn_break(c, stream->framed);
    sse__conn_close(c);
}

static void sse__stream_free(sse__stream *stream) {
    sse__stream_extra *extra = stream->extra;
    sse__message_drop(extra->last);
    sse__codec_free(extra->codec);
    sse__group_leave(extra->label, &extra->with_label);
    sse__group_leave(extra->who, &extra->with_who);
    SSE_FREE(extra->id);
    while (extra->meta) {
        sse__meta *meta = extra->meta;
        extra->meta    = meta->next;
        SSE_FREE(meta);
    }
    if (extra != &sse__no_extra) SSE_FREE(extra);
    SSE_FREE(stream);
}

/* ---- sending ---------------------------------------------------------------------- */

/* Queues a message as it is; holds a reference to its bytes. The stream closes if its queue is
   over its limit and nothing in it may be lost: S3. */
static int sse__stream_queue(sse__stream *stream, const sse__message *m) {
    sse__conn *c = stream->conn;
    sse_stats *counts;
    int        error;
    if (!c) return SSE_E_CLOSED;
    counts = &c->net->counts;
    error  = stream->framed ? sse__conn_push(c, m->block, m->framed_from, m->bare_to + 2)
                            : sse__conn_push(c, m->block, m->bare_from, m->bare_to);
    if (error) {
        if (stream->phase == SSE__STREAM_CUT) stream->reason = SSE_BY_ERROR; /* not by its peer */
        return error;
    }
    stream->last_sent = stream->app->loop.wheel.now;
    if (c->out.bytes > counts->queue_high) counts->queue_high = c->out.bytes;
    if (sse__conn_is_held(c) && c->out.count * sizeof(sse__out) <= stream->max_queue)
        return SSE_OK; /* not its peer's fault, and the bytes are shared */
    if (sse__queue_size(&c->out) > stream->max_queue)
        counts->drops += sse__queue_shed(&c->out, stream->max_queue);
    if (sse__queue_fits(&c->out, stream->max_queue)) return SSE_OK;
    sse__stream_cut(stream, SSE_BY_QUEUE);
    return SSE_E_FULL;
}

/* Queues the event of plain in the form that this stream gets: m. NULL: there was no memory for
   it: the stream is cut, for a gap would be worse. */
static int sse__stream_deliver(sse__stream *stream, const sse__message *plain,
                               const sse__message *m) {
    sse_stats *counts = &stream->app->net->counts;
    if (!m) {
        sse__stream_cut(stream, SSE_BY_ERROR);
        return SSE_E_NOMEM;
    }
    counts->delivered++;
    counts->bytes_events += plain->bare_to - plain->bare_from;
    counts->bytes_frames += m->bare_to - m->bare_from;
    return sse__stream_queue(stream, m);
}

/* The event of plain as a frame: a delta of codec, or with NULL a key. NULL: no memory. */
static sse__message *sse__message_compress(const sse__streams *streams, const sse__message *plain,
                                           int encoding, sse__codec *codec) {
    sse__encoder     *encoder = streams->app->encoder;
    const sse_str     bytes   = sse__message_bytes(plain);
    sse__message_meta meta    = sse__message_meta_of(0);
    sse_buf           b = {NULL, 0, 0, SSE_OK};
    sse__message     *m;
    sse__message_begin(&b);
    if (codec) sse__codec_delta(codec, encoder, &b);
    else sse__frame_key(encoder, encoding, bytes, &b);
    meta.key       = plain->block->key;
    meta.droppable = plain->block->droppable;
    m = sse__message_new(&b, &meta);
    if (!m) return NULL;
    m->block->after = plain->block->after;
    m->block->owner = plain->block->owner;
    if (encoding == SSE__GZIP) m->block->sum = sse__crc_of(encoder, bytes);
    return m;
}

/* The event of plain as a key frame. Owned by plain; NULL: no memory. */
static sse__message *sse__message_key(const sse__streams *streams, sse__message *plain,
                                      int encoding) { /* MS1 */
    if (!plain->keys[encoding])
        plain->keys[encoding] = sse__message_compress(streams, plain, encoding, NULL);
    return plain->keys[encoding];
}

/* An event on its way to one stream or many. codecs: by encoding, told of it; NULL: its streams
   get keys. deltas: made when the first stream needs one. */
typedef struct sse__broadcast {
    const sse__streams *streams;
    sse__message *plain, *deltas[SSE__GZIP + 1];
    sse__codec   *codecs[SSE__GZIP + 1];
} sse__broadcast;

static sse__broadcast sse__broadcast_begin(const sse__streams *streams, sse__message *plain) {
    sse__broadcast b;
    memset(&b, 0, sizeof b);
    b.streams = streams;
    b.plain   = plain;
    return b;
}

/* The frame that a stream can decode; moves its mark on. NULL: no memory. */
static sse__message *sse__broadcast_frame(sse__broadcast *b, sse__stream *stream) { /* CH1 */
    const int   encoding = stream->encoding;
    sse__codec *codec    = b->codecs[encoding];
    if (encoding == SSE__IDENTITY) return b->plain;
    if (!codec) stream->mark = 0;
    if (!codec || sse__codec_follow(codec, &stream->mark) == SSE__KEY)
        return sse__message_key(b->streams, b->plain, encoding);
    if (!b->deltas[encoding])
        b->deltas[encoding] = sse__message_compress(b->streams, b->plain, encoding, codec);
    return b->deltas[encoding];
}

static int sse__broadcast_to(sse__broadcast *b, sse__stream *stream) {
    return sse__stream_deliver(stream, b->plain, sse__broadcast_frame(b, stream));
}

static void sse__broadcast_end(sse__broadcast *b) {
    sse__message_drop(b->deltas[SSE__BR]);
    sse__message_drop(b->deltas[SSE__GZIP]);
}

/* The codec of what this stream alone is sent, told of the event of plain. NULL: it has none, or
   there is no memory for one. What a queue may lose stays outside: no later frame may refer to
   bytes that never came. */
static sse__codec *sse__stream_codec(sse__stream *stream, const sse__message *plain) {
    const sse_app     *app = stream->app;
    sse__stream_extra *extra;
    if (!stream->own_history || stream->encoding == SSE__IDENTITY || sse__message_droppable(plain))
        return NULL;
    extra = sse__stream_own_extra(stream);
    if (extra && !extra->codec)
        extra->codec = sse__codec_new(app->encoder, stream->encoding,
                                      (unsigned)app->options.compress_window, 0);
    if (!extra || !extra->codec) return NULL;
    (void)sse__codec_add(extra->codec, app->encoder, sse__message_bytes(plain));
    return extra->codec;
}

/* Queues a message for this stream alone. */
static int sse__stream_push(sse__stream *stream, sse__message *plain) {
    sse__broadcast b = sse__broadcast_begin(stream->app->streams, plain);
    int            error;
    b.codecs[stream->encoding] = sse__stream_codec(stream, plain);
    error = sse__broadcast_to(&b, stream);
    sse__broadcast_end(&b);
    return error;
}

/* The same; takes m. NULL: there was no memory for it: the stream is cut. */
static int sse__stream_push_new(sse__stream *stream, sse__message *m) {
    const int error = m ? sse__stream_push(stream, m) : sse__stream_deliver(stream, NULL, NULL);
    sse__message_drop(m);
    return error;
}

SSE_API int sse_stream_send(sse_stream s, const sse_event *event) {
    sse__stream  *stream;
    sse__message *m;
    int           error = sse__stream_may(s, SSE__USE_EVENT, "sse_stream_send", &stream);
    if (error) return error;
    error = sse__message_of_event(stream->app, event, &m);
    if (error) return sse__event_refused(stream->app, "sse_stream_send", event, error);
    stream->app->net->counts.events++;
    return sse__stream_push_new(stream, m);
}

SSE_API int sse_stream_write(sse_stream s, const void *bytes, size_t n) {
    sse__stream  *stream;
    sse__message *m;
    const int     error = sse__stream_may(s, SSE__USE_IT, "sse_stream_write", &stream);
    if (error || !n) return error; /* an empty chunk would end the body */
    if (!bytes) return sse__refused(s.app, SSE_E_ARG, "sse_stream_write: bytes is NULL");
    m = sse__message_of_bytes(sse__str((const char *)bytes, n));
    return m ? sse__stream_push_new(stream, m) : SSE_E_NOMEM;
}

/* Queues what b holds, which is compressed already or need not be; else the stream is cut. */
static void sse__stream_queue_buf(sse__stream *stream, sse_buf *b) {
    sse__message *m = sse__message_new(b, NULL);
    if (!m || sse__stream_queue(stream, m)) sse__stream_cut(stream, SSE_BY_ERROR);
    sse__message_drop(m);
}

/* The end of a compressed body. The trailer of gzip covers what was sent and what is queued. */
static void sse__stream_finish_frames(sse__stream *stream) {
    const sse__queue *q   = &stream->conn->out;
    sse__crc_state    sum = q->sum;
    sse_buf           b   = {NULL, 0, 0, SSE_OK};
    uint32_t          i;
    for (i = 0; i < q->count; i++) {
        const sse__block *block = sse__queue_at(q, i)->block;
        if (block->sum.len) sse__crc_append(&sum, &block->sum);
    }
    sse__message_begin(&b);
    sse__frame_end(stream->encoding, &sum, &b);
    sse__stream_queue_buf(stream, &b);
}

/* Ends the body. whole: the program has said all it had to say, and the connection is kept; else
   the body stays without its end: S5. */
static void sse__stream_finish(sse__stream *stream, sse_reason reason, bool whole) {
    sse__conn *c = stream->conn;
    if (!sse__stream_lives(stream)) return;
    sse__stream_set_phase(stream, SSE__STREAM_ENDING);
    stream->reason = (uint8_t)reason;
    if (stream->extra->last) (void)sse__stream_push(stream, stream->extra->last);
    if (stream->conn && whole && stream->encoding != SSE__IDENTITY)
        sse__stream_finish_frames(stream);
    if (stream->phase == SSE__STREAM_CUT) return; /* too much for its queue, or for the memory */
    if (!whole) sse__conn_break(c, stream->framed);
    else if (stream->framed) sse__conn_write(c, "0\r\n\r\n", 5);
    sse__stream_detach(stream);
    sse__conn_queue_gathered(c);
    sse__conn_reply_end(c);
}

/* A last event, the same message as before if it is the same. *m: drop it; NULL without one, or
   after an error. */
static int sse__farewell(sse_app *app, const sse_event *last, sse__message **m) {
    sse__message **known = &app->streams->farewell;
    int            error;
    *m = NULL;
    if (!last) return SSE_OK;
    error = sse__message_of_event(app, last, m);
    if (error) return error;
    if (*known && sse__eq(sse__message_bytes(*known), sse__message_bytes(*m))) {
        sse__message_drop(*m);
        *m = *known;
    } else {
        sse__message_drop(*known);
        *known = *m;
    }
    sse__message_hold(*m);
    return SSE_OK;
}

/* given: in place of the last event of the options; last: NULL: it cannot be sent. */
static void sse__stream_end_with(sse__stream *stream, bool given, sse__message *last, bool whole) {
    if (given && stream->extra->last) {
        sse__message_drop(stream->extra->last);
        stream->extra->last = NULL;
    }
    if (last && !stream->raw) (void)sse__stream_push(stream, last);
    sse__stream_finish(stream, SSE_BY_END, whole);
}

/* Ending a stream that has ended is no mistake: no call is named. */
static int sse__stream_end(sse_stream s, const sse_event *last, bool whole) {
    sse__message *m = NULL;
    sse__stream  *stream;
    int           error = sse__stream_may(s, SSE__USE_IT, NULL, &stream);
    if (error) return error;
    if (!last || !stream->raw)
        error = sse__event_refused(stream->app, whole ? "sse_stream_end" : "sse_stream_reconnect",
                                   last, sse__farewell(stream->app, last, &m));
    else error = sse__stream_is_raw(stream, whole ? "sse_stream_end: a last event"
                                                  : "sse_stream_reconnect: a last event");
    sse__stream_end_with(stream, last != NULL, m, whole);
    sse__message_drop(m);
    return error;
}

SSE_API int sse_stream_end(sse_stream s, const sse_event *last) {
    return sse__stream_end(s, last, true);
}
SSE_API int sse_stream_reconnect(sse_stream s, const sse_event *last) {
    return sse__stream_end(s, last, false);
}

/* ---- time --------------------------------------------------------------------------- */

static void sse__stream_ping(sse__stream *stream) { /* the heartbeat */
    sse__streams  *streams = stream->app->streams;
    sse__upcall    upcall;
    sse_buf        b = {NULL, 0, 0, SSE_OK};
    sse__message  *m = NULL;
    if (!stream->extra->on_ping) {
        (void)sse__stream_queue(stream, streams->pings[stream->encoding]);
        return;
    }
    sse__message_begin(&b);
    upcall = sse__upcall_begin(stream->app, SSE__IN_PING);
    stream->extra->on_ping(sse__stream_handle(stream), &b, stream->user);
    sse__stream_upcall_end(stream, &upcall);
    stream->last_sent = stream->app->loop.wheel.now;
    if (b.len > SSE__ROOM && sse__stream_lives(stream)) m = sse__message_new(&b, NULL);
    sse_buf_free(&b);
    if (m) (void)sse__stream_push_new(stream, m);
}

/* The step has said the end. Where that looks like an error, it says why. SSE_END and SSE_RECONNECT
   are also errors by their numbers: those count by what the library saw. */
static void sse__stream_step_failed(const sse__stream *stream, int ms, bool db_failed) {
    const char *path = stream->extra->path, *why = NULL;
    if (ms < SSE_RECONNECT) why = sse_error_text(ms);
    else if (stream->app->call_error) why = sse_error_text(stream->app->call_error);
    if (db_failed) why = sse__db_faults.words;
    if (!why) return;
    sse__refused(stream->app, SSE_OK, "step: it ended the stream (%s) by %d: %s",
                 path ? path : "of no route", ms, why);
}

static void sse__stream_step(sse__stream *stream, uint64_t now) {
    const sse__upcall   upcall   = sse__upcall_begin(stream->app, SSE__IN_STEP);
    const unsigned long failures = sse__db_error_count();
    int                 ms;
    SSE_ASSERT(sse__stream_flows(stream)); /* S7 */
    stream->app->call_error = SSE_OK;
    ms = stream->extra->step(sse__stream_handle(stream), stream->user);
    sse__stream_upcall_end(stream, &upcall);
    if (ms < 0) sse__stream_step_failed(stream, ms, sse__db_error_count() != failures);
    if (!sse__stream_lives(stream)) return;
    if (ms < 0) sse__stream_finish(stream, SSE_BY_END, ms != SSE_RECONNECT);
    else stream->extra->step_at = now + (uint64_t)ms;
}

static uint64_t sse__earlier(uint64_t a, uint64_t b) { return a && (!b || a < b) ? a : b; }

/* Sets the connection's deadline for whatever comes next for this stream. */
static void sse__stream_schedule(sse__stream *stream) {
    const uint64_t now     = stream->app->loop.wheel.now;
    const bool     waiting = stream->conn->out.count > 0;
    uint64_t       next    = 0; /* never */
    if (stream->ping_ms > 0)
        next = (waiting ? now : stream->last_sent) + (uint64_t)stream->ping_ms;
    if (stream->send_timeout_ms > 0)
        next = sse__earlier(next, (stream->stuck_since ? stream->stuck_since : now) +
                                      (uint64_t)stream->send_timeout_ms);
    next = sse__earlier(next, stream->extra->ends_at);
    if (!waiting) next = sse__earlier(next, stream->extra->step_at);
    sse__conn_deadline(stream->conn, next == 0 ? SSE_OFF : next <= now ? 0 : (int)(next - now));
}

static bool sse__stream_due(uint64_t since, int ms, uint64_t now) { /* ms 0: never */
    return ms > 0 && now - since >= (uint64_t)ms;
}

/* Upcall of >>conn: the deadline passed. */
static void sse__stream_tick(sse__conn *c) {
    sse__stream   *stream  = c->stream;
    const uint64_t now     = c->net->loop->wheel.now;
    const bool     waiting = c->out.count > 0;
    if (!waiting || c->progressed || sse__conn_is_held(c))
        stream->stuck_since = 0; /* slow, not stuck */
    if (waiting && !stream->stuck_since) stream->stuck_since = now;
    c->progressed = false;
    if (waiting && sse__stream_due(stream->stuck_since, stream->send_timeout_ms, now)) {
        sse__stream_cut(stream, SSE_BY_TIMEOUT);
        return;
    }
    if (stream->extra->ends_at && now >= stream->extra->ends_at)
        sse__stream_finish(stream, SSE_BY_LIFETIME, false);
    else if (!waiting && stream->extra->step_at && now >= stream->extra->step_at)
        sse__stream_step(stream, now);
    if (!waiting && sse__stream_lives(stream) &&
        sse__stream_due(stream->last_sent, stream->ping_ms, now))
        sse__stream_ping(stream);
    if (sse__stream_lives(stream)) sse__stream_schedule(stream);
}

/* Upcall of >>conn: the queue ran empty. A step may have waited for that. */
static void sse__stream_sent(sse__conn *c) {
    sse__stream *stream = c->stream;
    stream->stuck_since = 0;
    if (stream->replaying && sse__stream_flows(stream))
        stream->app->streams->replay(stream, NULL); /* S7 */
    if (sse__stream_lives(stream) && stream->extra->step_at)
        sse__stream_schedule(stream);
}

/* Upcalls of >>conn: the connection closed, or is to close because the app stops. */
static void sse__stream_conn_gone(sse__conn *c) { sse__stream_mark_cut(c->stream, SSE_BY_PEER); }
static void sse__stream_cut_conn(sse__conn *c) { sse__stream_cut(c->stream, SSE_BY_STOP); }

/* ---- the end of all ------------------------------------------------------------------ */

/* The app stops, and this stream: at once, or when it has sent what it still must. */
static void sse__stream_stop(sse__stream *stream) {
    sse__upcall upcall;
    if (stream->phase != SSE__STREAM_OPEN) return;
    sse__stream_set_phase(stream, SSE__STREAM_STOPPING);
    if (stream->extra->on_stop) {
        upcall = sse__upcall_begin(stream->app, SSE__IN_STOP);
        stream->extra->on_stop(sse__stream_handle(stream), stream->user);
        sse__stream_upcall_end(stream, &upcall);
    }
    if (!sse__stream_lives(stream)) return;
    if (!stream->extra->step && !stream->drain) {
        sse__stream_finish(stream, SSE_BY_STOP, false);
        return;
    }
    if (stream->extra->step) /* if it sleeps: now */
        stream->extra->step_at = stream->app->loop.wheel.now;
    sse__stream_schedule(stream);
}

/* over: the grace period is. What on_stop does may close any other stream, so this goes by
   slots. */
static void sse__streams_stop_all(sse_app *app, bool over) {
    sse__streams *streams = app->streams;
    uint32_t      i;
    for (i = 0; i < streams->all.used; i++) {
        sse__stream *stream = (sse__stream *)streams->all.at[i].item;
        if (stream && over) sse__stream_finish(stream, SSE_BY_STOP, false);
        else if (stream) sse__stream_stop(stream);
    }
}

static void sse__streams_stop(sse_app *app) { sse__streams_stop_all(app, false); }
static void sse__streams_over(sse_app *app) { sse__streams_stop_all(app, true); }

/* The end of a turn: lets go of the streams that closed: S1, S2. */
static void sse__streams_run_closed(sse_app *app) {
    sse__streams *streams = app->streams;
    while (!sse__list_empty(&streams->closing)) {
        sse__stream *stream = SSE__CONTAINER(streams->closing.next, sse__stream, closing);
        while (stream->subs) sse__channel_leave(stream->subs); /* on_close does not count it */
        streams->app->net->counts.closed[stream->reason]++;
        sse__stream_set_phase(stream, SSE__STREAM_CLOSED);
        if (stream->on_close) {
            const sse__upcall upcall = sse__upcall_begin(app, SSE__IN_CLOSE);
            stream->on_close(sse__stream_handle(stream), (sse_reason)stream->reason, stream->user);
            sse__stream_upcall_end(stream, &upcall);
        }
        sse__list_remove(&stream->closing);
        sse__slots_remove(&streams->all, stream->slot); /* S1 */
        sse__stream_free(stream);
    }
}

static void sse__streams_free(sse_app *app) { /* all are closed and their callbacks have run */
    sse__streams *streams = app->streams;
    int           encoding;
    for (encoding = SSE__IDENTITY; encoding <= SSE__GZIP; encoding++)
        sse__message_drop(streams->pings[encoding]);
    sse__message_drop(streams->farewell);
    sse__map_free(&streams->labels);
    sse__map_free(&streams->people);
    SSE_FREE(streams->all.at);
}

/* Nothing can be shown: its client is told to retry later. */
static void sse__stream_turn_away(sse__stream *stream) {
    sse_buf b = {NULL, 0, 0, SSE_OK};
    sse__message_begin(&b);
    sse__put_retry_event(&b, SSE__COME_BACK_MS, false);
    (void)sse__stream_push_new(stream, sse__message_new(&b, NULL));
    sse__stream_finish(stream, SSE_BY_ERROR, false);
}

/* The handler that opened it has returned. Where a subscription failed in it, and nothing else
   feeds the stream, it would stay open and silent for as long as its client waits: that is told to
   retry. */
static void sse__stream_begun(sse__stream *stream) {
    sse_req *req = stream->req;
    if (req->unfed && sse__stream_lives(stream) && !stream->raw && !stream->subs &&
        !stream->extra->step) {
        sse__log(req->app, SSE_LOG_WARNING, "%s: its stream follows nothing, so it ends: %s",
                 req->path, sse_error_text(req->call_error));
        sse__stream_turn_away(stream);
    }
    stream->req = NULL;
    if (sse__stream_lives(stream)) {
        sse__stream_set_phase(stream, SSE__STREAM_OPEN);
        if (stream->replaying) stream->app->streams->replay(stream, req);
    }
    if (SSE__FLAG(stream->app->loop.stop)) sse__stream_stop(stream);
}

static bool sse__streams_pings(sse_app *app) { /* false: no memory */
    sse__message **pings = app->streams->pings;
    sse_buf        b = {NULL, 0, 0, SSE_OK};
    int            encoding, last = sse__app_encoder(app) ? SSE__GZIP : SSE__IDENTITY;
    for (encoding = SSE__IDENTITY; encoding <= last; encoding++) {
        if (pings[encoding]) continue;
        sse__message_begin(&b);
        if (encoding == SSE__IDENTITY) sse_puts(&b, ":\n\n");
        else sse__frame_ping(encoding, &b);
        pings[encoding] = sse__message_new(&b, NULL);
        if (!pings[encoding]) return false;
    }
    return true;
}

/* The first stream brings the section in. False: no memory. */
static bool sse__streams_use(sse_app *app) {
    static const sse__stream_calls calls = {sse__stream_tick, sse__stream_sent,
                                            sse__stream_conn_gone, sse__stream_cut_conn};
    app->stages[SSE__FREE_STREAMS] = sse__streams_free;
    if (!sse__streams_pings(app)) return false;
    app->stages[SSE__TURN_CLOSED]  = sse__streams_run_closed;
    app->stages[SSE__STOP_STREAMS] = sse__streams_stop;
    app->stages[SSE__STOP_OVER]    = sse__streams_over;
    app->net->stream_calls         = &calls;
    app->stream_begun              = sse__stream_begun;
    return true;
}

/* ---- opening ------------------------------------------------------------------------- */

/* Whether the handler left this field of the head to us. */
static bool sse__stream_may_set(const sse_req *req, sse_str name) {
    return !sse__headers_value(&req->headers, name).ptr;
}

/* The fields that make proxies and caches let events pass, and how the stream is compressed. */
static void sse__stream_fields(sse__stream *stream, sse_req *req, const sse_stream_options *o) {
    const unsigned offered = SSE__ACCEPT_BR | SSE__ACCEPT_GZIP | SSE__ACCEPT_IDENTITY;
    unsigned       chosen;
    if (stream->raw) return;
    if (!o->no_compression && sse__app_encoder(stream->app) &&
        sse__stream_may_set(req, SSE__LIT("content-encoding"))) {
        sse_puts(&req->headers, "Vary: Accept-Encoding\r\n");
        chosen = sse__accept_encoding(sse__req_field(req, SSE__FIELD_ACCEPT_ENCODING), offered);
        if (chosen == SSE__ACCEPT_BR) stream->encoding = SSE__BR;
        if (chosen == SSE__ACCEPT_GZIP) stream->encoding = SSE__GZIP;
        if (stream->encoding) sse__put_encoding(req, stream->encoding);
    }
    if (sse__stream_may_set(req, SSE__LIT("cache-control"))) /* a proxy that recodes buffers */
        sse__put_field(&req->headers, "Cache-Control",
                       stream->encoding ? "no-cache, no-transform" : "no-cache");
    if (sse__stream_may_set(req, SSE__LIT("x-accel-buffering"))) /* nginx buffers, unless told */
        sse__put_field(&req->headers, "X-Accel-Buffering", "no");
}

/* What a stream begins with: the first event and retry. *m: NULL, if there is neither. */
static int sse__stream_first(sse_app *app, const sse_stream_options *o, sse__message **m) {
    sse_buf  b = {NULL, 0, 0, SSE_OK};
    int64_t  retry_ms = o->retry_ms;
    uint32_t spread = 0;
    int      error = SSE_OK;
    *m = NULL;
    if (retry_ms <= 0 && !o->first) return SSE_OK;
    if (o->first) error = sse__message_begin_event(app, &b, o->first);
    else sse__message_begin(&b);
    if (error) return sse__config_fail(app, error, "sse_stream_open:", ".first");
    if (o->retry_spread_ms > 0 && sse__random(&spread, sizeof spread))
        retry_ms += spread % (uint32_t)o->retry_spread_ms;
    if (retry_ms > INT32_MAX) retry_ms = INT32_MAX;
    if (o->retry_ms > 0) sse__put_retry_event(&b, (int)retry_ms, false);
    *m = sse__message_new(&b, NULL);
    return *m ? SSE_OK : SSE_E_NOMEM;
}

/* The head and the first event. */
static void sse__stream_begin(sse__stream *stream, sse_req *req, const sse_stream_options *o,
                              sse__message *first) {
    sse__conn *c = req->conn;
    sse_buf    b = {NULL, 0, 0, SSE_OK};
    if (req->head.minor == 0) c->keep_alive = false; /* its end is the end of the connection */
    memset(&c->out.sum, 0, sizeof c->out.sum);       /* of a gzip stream before it */
    c->pipelined = false;
    sse__put_reply_head(&b, req, req->status, o->type ? o->type : "text/event-stream", UINT64_MAX);
    sse__conn_queue_gathered(c);
    sse__conn_push_buf(c, &b);
    if (stream->encoding != SSE__IDENTITY) {
        sse__message_begin(&b);
        sse__frame_head(stream->app->encoder, stream->encoding, &b);
        sse__stream_queue_buf(stream, &b);
    }
    if (first && sse__stream_lives(stream)) (void)sse__stream_push(stream, first);
}

static int sse__ms_option(int value, int otherwise) { /* 0: never */
    return value == 0 ? otherwise : value < 0 ? 0 : value;
}

static bool sse__type_is_raw(const char *type) { /* NULL: it is not */
    return type && !sse__media_is(sse__text(type), SSE__LIT("text/event-stream"));
}

static int sse__stream_check_options(sse_app *app, const char *what, const sse_stream_options *o) {
    const sse__bounds bounds[] = {
        {"ping_ms", o->ping_ms, SSE_OFF, INT32_MAX},
        {"send_timeout_ms", o->send_timeout_ms, SSE_OFF, INT32_MAX},
        {"retry_ms", o->retry_ms, 0, INT32_MAX},
        {"retry_spread_ms", o->retry_spread_ms, 0, INT32_MAX},
        {"lifetime_ms", o->lifetime_ms, 0, INT32_MAX}};
    if (o->status && (o->status < 200 || o->status > 599 || sse__status_is_bare(o->status)))
        return sse__refuse(app, SSE_E_ARG, "%s: .status %d: not within 200..599, or one without "
                                           "a body", what, o->status);
    if (o->type && !sse__field_value_ok(sse__text(o->type)))
        return sse__refuse(app, SSE_E_FIELD, "%s: .type cannot be a header", what);
    if (sse__type_is_raw(o->type) && (o->first || o->last || o->retry_ms))
        return sse__refuse(app, SSE_E_ARG, "%s: .first, .last and .retry_ms are events: a stream "
                                           "of type %s has none", what, o->type);
    return sse__check_bounds(app, what, bounds, SSE__COUNT(bounds));
}

static int sse__stream_check(sse_req *req, const sse_stream_options *o) {
    sse_app    *app = req->app;
    const char *why = req->out.len ? "when something is written" : NULL;
    int         error;
    if (sse__req_may(req, SSE__MAY_STREAM, "sse_stream_open")) return SSE_E_STATE;
    if (!req->conn) return SSE_E_STATE; /* its client has left, which is no mistake */
    if (req->failed) why = "after sse_fail";
    if (req->deferred) why = "after sse_defer";
    if (req->conn->state != SSE__REPLY) why = "while its body is still to come";
    if (why) {
        sse__log(app, sse__log_level_limited(app, &app->stream_warned_ms),
                 "sse_stream_open: not possible %s (%s)", why, req->path);
        return SSE_E_STATE;
    }
    error = sse__stream_check_options(app, "sse_stream_open", o);
    return error ? error : req->headers.error;
}

static sse__stream *sse__stream_make(sse_app *app, const sse_stream_options *o) {
    const size_t   queue   = o->max_queue_bytes ? o->max_queue_bytes : app->options.max_queue_bytes;
    const int      timeout = o->send_timeout_ms ? o->send_timeout_ms : app->options.send_timeout_ms;
    const uint64_t now     = app->loop.wheel.now;
    sse__stream   *stream  = SSE__NEW(sse__stream); /* NULL: no memory */
    if (!stream || !sse__streams_use(app) ||
        !sse__slots_add(&app->streams->all, stream, &stream->slot, &stream->gen)) {
        SSE_FREE(stream);
        return NULL;
    }
    stream->app             = app;
    stream->on_close        = o->on_close;
    stream->user            = o->user;
    stream->own_history     = o->own_history;
    stream->drain           = o->drain;
    stream->raw             = sse__type_is_raw(o->type);
    stream->ping_ms         = stream->raw ? 0 : sse__ms_option(o->ping_ms, 15000);
    stream->send_timeout_ms = sse__ms_option(timeout, 0);
    stream->max_queue       = queue > UINT32_MAX ? UINT32_MAX : (uint32_t)queue;
    stream->last_sent       = now;
    stream->opened_s        = (uint32_t)(now / 1000);
    stream->extra           = &sse__no_extra;
    return stream;
}

/* What of its options can fail. */
static int sse__stream_set_options(sse__stream *stream, const sse_stream_options *o) {
    const bool plain = !o->on_ping && !o->step && !o->on_stop && !o->last && !o->label && !o->who &&
                       o->lifetime_ms <= 0;
    const uint64_t     now     = stream->app->loop.wheel.now;
    sse__streams      *streams = stream->app->streams;
    sse__stream_extra *extra   = plain ? NULL : sse__stream_own_extra(stream);
    int                error;
    if (plain) return SSE_OK;
    if (!extra) return SSE_E_NOMEM;
    extra->on_ping = o->on_ping;
    extra->step    = o->step;
    extra->on_stop = o->on_stop;
    if (o->step) extra->step_at = now;
    if (o->lifetime_ms > 0) extra->ends_at = now + (uint64_t)o->lifetime_ms;
    if (!sse__group_join(&streams->labels, o->label, &extra->with_label, stream, &extra->label) ||
        !sse__group_join(&streams->people, o->who, &extra->with_who, stream, &extra->who))
        return SSE_E_NOMEM;
    error = sse__farewell(stream->app, o->last, &extra->last);
    return error ? sse__config_fail(stream->app, error, "sse_stream_open:", ".last") : SSE_OK;
}

SSE_API sse_stream sse_stream_open(sse_req *req, const sse_stream_options *options) {
    const sse_stream   closed = {NULL, 0, 0};
    const bool         here   = !sse__req_thread(req);
    int                error  = SSE_E_THREAD;
    sse__stream       *stream = NULL;
    sse__message      *first  = NULL;
    sse_stream_options o;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    if (here) {
        req->stream_asked = true;
        error  = sse__stream_check(req, &o);
        stream = sse__stream_make(req->app, &o);
        if (!stream) sse__req_error(req, SSE_E_NOMEM);
    }
    if (!stream) {
        if (o.on_close) o.on_close(closed, SSE_BY_ERROR, o.user); /* S2, as far as possible */
        return closed;
    }
    if (!error) error = sse__stream_set_options(stream, &o);
    if (!error) error = sse__stream_first(req->app, &o, &first);
    if (!error && (o.status || !req->status)) req->status = o.status ? o.status : 200;
    if (!error) sse__stream_fields(stream, req, &o);
    if (stream->extra != &sse__no_extra && req->route) stream->extra->path = req->route->path;
    if (error || req->head_only) { /* a head may be all it asked for */
        if (error) sse__req_error(req, error);
        else (void)sse_set_type(req, o.type ? o.type : "text/event-stream");
        req->head_stream = !error;
        sse__message_drop(first);
        sse__stream_mark_cut(stream, SSE_BY_ERROR);
        return closed;
    }
    sse__req_set_phase(req, SSE__REQ_STREAMING);
    sse__stream_set_phase(stream, SSE__STREAM_OPENING);
    req->stream       = stream;
    stream->req       = req;
    stream->conn      = req->conn;
    stream->framed    = req->head.minor > 0;
    req->conn->stream = stream;
    sse__conn_set_state(req->conn, SSE__STREAM);
    sse__stream_begin(stream, req, &o, first);
    sse__message_drop(first);
    req->app->net->counts.streams_opened++;
    if (!sse__stream_lives(stream)) return closed;
    sse__stream_schedule(stream);
    return sse__stream_handle(stream);
}

/* ---- what is known about a stream ------------------------------------------------------ */

SSE_API const char *sse_stream_id(sse_stream s) {
    sse__stream  *stream = sse__stream_open_one(s);
    unsigned char secret[16];
    sse_buf       b = {NULL, 0, 0, SSE_OK};
    if (!stream || stream->extra->id) return stream ? stream->extra->id : NULL;
    if (!sse__stream_own_extra(stream) || !sse__random(secret, sizeof secret)) return NULL;
    sse_printf(&b, "%lu-%lu-", (unsigned long)s.slot, (unsigned long)s.gen);
    sse__base64url_put(&b, sse__str((const char *)secret, sizeof secret));
    if (!b.error) stream->extra->id = sse__strdup(sse__text(sse_buf_text(&b)));
    sse_buf_free(&b);
    return stream->extra->id;
}

static bool sse__id_number(sse_str *rest, uint32_t *out) {
    uint64_t n = 0;
    if (!sse__parse_u64(sse__cut(rest, '-', false), UINT32_MAX, &n)) return false;
    *out = (uint32_t)n;
    return true;
}

SSE_API sse_stream sse_stream_find(sse_app *app, const char *id) {
    const sse_stream none = {NULL, 0, 0};
    sse_stream       s    = {app, 0, 0};
    sse_str          rest = sse__text(id);
    sse__stream     *stream;
    if (!app || !id || !sse__id_number(&rest, &s.slot) || !sse__id_number(&rest, &s.gen))
        return none;
    stream = sse__stream_open_one(s);
    if (!stream || !stream->extra->id) return none;
    return sse__equal_secret(sse__text(stream->extra->id), sse__text(id)) ? s : none;
}

static sse__meta **sse__meta_find(sse__stream *stream, const char *name) { /* or where it goes */
    sse__meta **at = &stream->extra->meta;
    while (*at && strcmp((*at)->name, name) != 0) at = &(*at)->next;
    return at;
}

SSE_API const char *sse_stream_meta(sse_stream s, const char *name) {
    sse__stream *stream;
    const int    error = sse__stream_may(s, SSE__USE_READ, NULL, &stream);
    sse__meta   *meta  = error || !name ? NULL : *sse__meta_find(stream, name);
    return meta ? meta->value : NULL;
}

SSE_API int sse_stream_set_meta(sse_stream s, const char *name, const char *value) {
    const size_t n = name ? strlen(name) + 1 : 0, m = value ? strlen(value) + 1 : 0;
    sse__stream *stream;
    const int    error = sse__stream_may(s, SSE__USE_IT, NULL, &stream);
    sse__meta  **at, *old, *meta;
    if (error || !name) return error ? error : SSE_E_ARG;
    if (value && !sse__stream_own_extra(stream)) return SSE_E_NOMEM;
    meta = value ? (sse__meta *)sse__zalloc(sizeof *meta + n + m) : NULL;
    if (value && !meta) return SSE_E_NOMEM;
    at  = sse__meta_find(stream, name);
    old = *at;
    if (old) *at = old->next;
    if (meta) { /* value may be the old one */
        memcpy(meta->name, name, n);
        meta->value  = (char *)memcpy(meta->name + n, value, m);
        meta->next   = stream->extra->meta;
        stream->extra->meta = meta;
    }
    SSE_FREE(old);
    return SSE_OK;
}

/*==========================================================================
  >>channel   what many streams are sent: once compressed, for each encoding
  Uses: >>stream >>message >>frame      Tests: tests/wire/frames.test.mjs tests/unit/topics.c

  A topic or a view has a channel; a stream is in it through a sub.

      send: event --> message --+--> delta, for streams in sync         --> queues
                                +--> key, for those that joined, missed an event,
                                     or were sent something of their own

  CH1  Each event is compressed at most twice for an encoding, however many
       streams there are: once as a delta and once as a key, if one needs it.
       Held by tests/wire/frames.test.mjs.
==========================================================================*/

/* The codec of an encoding, told of the next event. NULL: there is none; then its streams get
   keys, as they do of an event that a queue may lose. */
static sse__codec *sse__channel_codec(sse__channel *channel, int encoding, const sse__message *m,
                                      const sse__streams *streams) { /* CH1 */
    sse__encoder *encoder = streams->app->encoder;
    sse__codec  **codec   = &channel->codecs[encoding];
    if (sse__message_droppable(m)) return NULL;
    if (!*codec)
        *codec = sse__codec_new(encoder, encoding, (unsigned)streams->app->options.compress_window,
                                channel->patience);
    if (*codec) (void)sse__codec_add(*codec, encoder, sse__message_bytes(m));
    return *codec;
}

static sse__broadcast sse__channel_broadcast(sse__channel *channel, sse__message *m,
                                             sse__streams *streams) {
    sse__broadcast b = sse__broadcast_begin(streams, m);
    int            encoding;
    for (encoding = SSE__BR; encoding <= SSE__GZIP; encoding++) {
        if (!channel->users[encoding]) continue;
        b.codecs[encoding] = channel->single
            ? sse__stream_codec(SSE__CONTAINER(channel->subs.next, sse__member, link)->stream, m)
            : sse__channel_codec(channel, encoding, m, streams);
    }
    return b;
}

/* Queues a message for all but one: the one loop that grows with the number of subscribers.
   Streams that overflow are only marked, so the list stays as it is. Passes over streams that have
   had this publication (0: none has), and over those that are replaying, if it has a number. */
static void sse__channel_send(sse__channel *channel, sse__message *m, const sse__stream *except,
                              uint64_t publication, sse__streams *streams) {
    sse__broadcast b = sse__channel_broadcast(channel, m, streams);
    sse__link     *link;
    for (link = channel->subs.next; link != &channel->subs; link = link->next) {
        sse__stream *stream = SSE__CONTAINER(link, sse__member, link)->stream;
        if (stream == except || !sse__stream_lives(stream) ||
            (publication && stream->publication == publication) || (m->seq && stream->replaying))
            continue;
        stream->publication = publication;
        (void)sse__broadcast_to(&b, stream);
    }
    sse__broadcast_end(&b);
}

/* Sends a new state. An older one that still waits in a queue is taken out: a slow reader gets the
   newest only. */
static void sse__channel_send_state(sse__channel *channel, sse__message *m, sse__streams *streams) {
    sse__broadcast b;
    sse__link     *link;
    m->block->owner = channel;
    b = sse__channel_broadcast(channel, m, streams);
    for (link = channel->subs.next; link != &channel->subs; link = link->next) {
        sse__sub    *sub    = SSE__CONTAINER(link, sse__sub, in.link);
        sse__stream *stream = sub->in.stream;
        if (!sse__stream_lives(stream)) continue;
        sub->awaits_state = false;
        if (sse__conn_forget(stream->conn, channel, NULL))
            stream->mark = 0; /* it refers to that frame */
        (void)sse__broadcast_to(&b, stream);
    }
    sse__broadcast_end(&b);
}

/* Sends the present state to a stream that joins: as a key, after which it is in sync like the
   others. For the first stream of an encoding the state becomes its codec's first event. */
static int sse__channel_send_snapshot(sse__channel *channel, sse__stream *stream,
                                      sse__message *state, sse__streams *streams) {
    const int   encoding = stream->encoding;
    sse__codec *codec    = channel->codecs[encoding];
    if (encoding == SSE__IDENTITY || channel->single) return sse__stream_push(stream, state);
    if (!codec) codec = sse__channel_codec(channel, encoding, state, streams);
    stream->mark = 0;
    if (codec) (void)sse__codec_follow(codec, &stream->mark);
    return sse__stream_deliver(stream, state, sse__message_key(streams, state, encoding));
}

/* The state for streams that joined before there was one. */
static void sse__channel_send_snapshots(sse__channel *channel, sse__message *state,
                                        sse__streams *streams) {
    sse__link *link;
    for (link = channel->subs.next; link != &channel->subs; link = link->next) {
        sse__sub *sub = SSE__CONTAINER(link, sse__sub, in.link);
        if (!sub->awaits_state || !sse__stream_lives(sub->in.stream)) continue;
        sub->awaits_state = false;
        (void)sse__channel_send_snapshot(channel, sub->in.stream, state, streams);
    }
}

/*==========================================================================
  >>history   what topics keep: numbers, rings, tables of SQLite
  Uses: >>stream >>db >>loop            Tests: tests/unit/history.c topics.c lost.c

  Every event that is kept gets the next number of the app's one sequence,
  and carries it as its id:

      id: 7f3a9c02-1418       epoch "-" number; each start has a new epoch

  A history is a ring in memory. One with a database is written there as
  well, read back when its topic is next used, and numbered across starts.

  K1  Numbers grow, in every history and on every stream. None is given
      twice, not after kill -9 either: before a byte with a number leaves,
      every store that can be written has reserved it and its own has the
      event; one that cannot is logged, and tried again [sequence_save, C5].
  K2  After .lost and .missing a history lacks nothing: a client that has had
      all up to there can be sent the rest. What one lost is remembered when
      it goes: by its store, or by the rule that made it [topic_forget].
      Held by tests/unit/lost.c.
  K3  A list of histories is in the order of .newest: what is new is found at
      its end, however long it is.
  K4  A file keeps the events of one server at a time: that one holds a lock
      on a file beside it, which ends with the process [store_own].
      Held by tests/unit/store.c.
  K5  Stores are written by the disk's thread, one flight at a time; what is
      published meanwhile goes with the next. A flight has copies of all it
      needs, and the histories in it stay until it has landed.
==========================================================================*/

struct sse__history;

/* upcalls, defined in >>topics */
static void sse__history_emptied(struct sse__history *h); /* by age; may free h */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

/* RESERVE: numbers that a store promises in one write, so that events which it does not keep cost
   it one write in 10,000; a crash skips those that were left, and ids need only grow. */
enum { SSE__EPOCH_LEN = 8, SSE__RESERVE = 10000, SSE__SAVE_AGAIN_MS = 1000 };

/* A database that keeps events. */
typedef struct sse__store {
    struct sse__store *next;
    sse_db  *db;
    uint64_t reserved;    /* numbers up to there may be given: it knows that they may have been */
    uint64_t began;       /* numbers above are of this start */
    int64_t  clock;       /* by how much the time of day is ahead of the loop's; 0: unknown */
    char    *owner;       /* the file that is locked: K4. NULL: none */
    int      owner_fd;
    bool     failing;     /* since the last save: only retries write to it */
} sse__store;

typedef struct sse__sequence {
    sse_app    *app;
    uint64_t    last;     /* number given */
    char        epoch[SSE__EPOCH_LEN + 1];
    sse__store *stores;
    sse__link   histories; /* all that are in memory: K3 */
    sse__link   dirty;    /* histories that have something for the next flight */
    struct sse__flight *flight; /* NULL: none. K5 */
    uint64_t    on_disk_upto;   /* numbers up to there may be in histories that only a store has */
    uint64_t    earlier;  /* numbers up to there may be of earlier starts */
    sse__alarm  again;    /* a save failed */
    bool        retries;  /* and is tried once more by the next */
} sse__sequence;

/* What is kept of a topic, by its options. max_age 0: of any age. store NULL: in memory only.
   gap_event: NULL: the default. */
typedef struct sse__limits {
    uint32_t    max_count;
    size_t      max_bytes;
    uint64_t    max_age;
    sse__store *store;
    char       *gap_event;
} sse__limits;

/* at: the loop's time; below 0: before this machine started. */
typedef struct sse__entry { sse__message *message; int64_t at; sse_stream except; } sse__entry;

typedef struct sse__history {
    sse__sequence *sequence;
    sse__limits    limits;
    const char    *topic;
    sse__link      all, dirty;       /* in sequence.histories; in sequence.dirty */
    sse__alarm     age;              /* when the oldest is too old */
    sse__entry    *at;
    size_t         cap, bytes;
    uint32_t       first, count;     /* at[first] is the oldest */
    uint64_t       lost;             /* numbers up to there were trimmed, or an earlier start's */
    uint64_t       saved, saved_lost; /* the last number, and .lost, that its store has */
    bool           flying;           /* it is in the flight: K5 */
    uint64_t       missing;          /* numbers up to there may be missing: no store took them */
    uint64_t       newest;           /* no number in it is above, nor .lost: K3 */
} sse__history;

/* ---- ids ----------------------------------------------------------------------- */

static sse_str sse__id_line(char out[SSE__ID_ROOM + 1], const char *epoch, uint64_t seq) {
    const int n =
        snprintf(out, SSE__ID_ROOM + 1, "id: %s-%llu\n", epoch, (unsigned long long)seq);
    return sse__str(out, (size_t)n);
}

/* Reads "epoch-number"; false for any other text, however long. */
static bool sse__id_parse(sse_str text, sse_str *epoch, uint64_t *seq) {
    size_t i;
    if (text.len < SSE__EPOCH_LEN + 2 || text.ptr[SSE__EPOCH_LEN] != '-') return false;
    for (i = 0; i < SSE__EPOCH_LEN; i++)
        if (!strchr(sse__hex, text.ptr[i]) || !text.ptr[i]) return false;
    *epoch = sse__str(text.ptr, SSE__EPOCH_LEN);
    return sse__parse_u64(sse__str_skip(text, SSE__EPOCH_LEN + 1), UINT64_MAX, seq);
}

/* The value of a line of ours, "data: x"; absent if it is no such line. */
static sse_str sse__line_value(sse_str line, const char *name) {
    const size_t n = strlen(name) + 2;
    if (!sse__starts(line, sse__text(name)) || line.len < n) return sse__str(NULL, 0);
    return sse__str_skip(line, n);
}

/* The id that the program gave an event, which stands before its data; absent: none. */
static sse_str sse__message_id(const sse__message *m) {
    sse_str text = sse__message_text(m), id = {NULL, 0};
    if (m->bare_from == SSE__ROOM)
        while (text.len && !id.ptr) id = sse__line_value(sse__cut(&text, '\n', false), "id");
    return id.len ? id : sse__str(NULL, 0);
}

/* Takes an event apart that sse__event_put wrote: its data (lines joined by LF), name and id. */
static void sse__event_read(sse_str text, sse_buf parts[3]) {
    static const char names[][6] = {"data", "event", "id"};
    while (text.len) {
        const sse_str line = sse__cut(&text, '\n', false);
        int           i;
        for (i = 0; i < 3; i++) {
            const sse_str value = sse__line_value(line, names[i]);
            if (!value.ptr) continue;
            if (i == 0 && parts[i].ptr) sse__put_char(&parts[i], '\n');
            (void)sse__buf_room(&parts[i], value.len); /* so that an empty one has its ptr */
            sse__put_str(&parts[i], value);
        }
    }
}

/* ---- the ring -------------------------------------------------------------------- */

static sse__entry *sse__history_entry(const sse__history *h, uint32_t i) { /* 0: the oldest */
    return &h->at[h->first + i];
}

static uint64_t sse__history_seq(const sse__history *h, uint32_t i) {
    return sse__history_entry(h, i)->message->seq;
}

/* How many entries have a number up to seq: the index of the first one after it. */
static uint32_t sse__history_after(const sse__history *h, uint64_t seq) {
    uint32_t low = 0, high = h->count;
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (sse__history_seq(h, mid) <= seq) low = mid + 1;
        else high = mid;
    }
    return low;
}

static void sse__history_mark_dirty(sse__history *h) { /* its store has to be written: C5 */
    if (!h->limits.store) return;
    if (!h->dirty.next) sse__list_add(&h->sequence->dirty, &h->dirty);
    sse__net_tell(h->sequence->app->net);
}

static bool sse__history_is_saved(const sse__history *h) { return !h->dirty.next && !h->flying; }

static void sse__history_drop_oldest(sse__history *h) {
    sse__message *m = h->at[h->first++].message;
    h->lost = m->seq;
    h->bytes -= sse__message_bytes(m).len;
    sse__message_drop(m);
    if (!--h->count) h->first = 0;
}

static int64_t sse__history_due(const sse__history *h) { /* when the oldest is too old, or never */
    return h->limits.max_age && h->count
        ? sse__history_entry(h, 0)->at + (int64_t)h->limits.max_age : INT64_MAX;
}

static void sse__history_trim(sse__history *h) { /* one event may be of any size */
    sse__wheel    *wheel = &h->sequence->app->loop.wheel;
    const uint64_t lost  = h->lost;
    while (h->count > h->limits.max_count || (h->bytes > h->limits.max_bytes && h->count > 1) ||
           sse__history_due(h) <= (int64_t)wheel->now)
        sse__history_drop_oldest(h);
    if (h->lost != lost) sse__history_mark_dirty(h);
    if (sse__history_due(h) < INT64_MAX && !h->age.link.next)
        sse__alarm_set(wheel, &h->age, (uint64_t)sse__history_due(h));
}

static void sse__history_aged(sse__alarm *alarm) {
    sse__history *h = SSE__CONTAINER(alarm, sse__history, age);
    sse__history_trim(h);
    if (!h->count) sse__history_emptied(h);
}

/* Room for one more at the end. Entries move to the front only when half of the array has been
   dropped, so that each is moved once on average. False: no memory. */
static bool sse__history_room(sse__history *h) {
    void *array = h->at;
    if (h->first && h->first + h->count == h->cap && h->first >= h->cap / 2) {
        memmove(h->at, h->at + h->first, h->count * sizeof *h->at);
        h->first = 0;
    }
    if (!sse__grow(&array, &h->cap, h->first + h->count, sizeof *h->at)) return false;
    h->at = (sse__entry *)array;
    return true;
}

static void sse__history_renew(sse__history *h, uint64_t newest) { /* K3 */
    h->newest = newest;
    sse__list_remove(&h->all);
    sse__list_add(&h->sequence->histories, &h->all);
}

/* Keeps an event, for which history_room made room; holds a reference to its message. */
static void sse__history_add(sse__history *h, sse__message *m, int64_t at, sse_stream except) {
    sse__entry *e;
    SSE_ASSERT(!h->count || sse__history_seq(h, h->count - 1) < m->seq); /* K1 */
    SSE_ASSERT(h->first + h->count < h->cap);
    sse__history_renew(h, m->seq);
    e          = sse__history_entry(h, h->count++);
    e->message = sse__message_hold(m);
    e->at      = at;
    e->except  = except;
    h->bytes += sse__message_bytes(m).len;
    sse__history_trim(h);
}

static void sse__history_free(sse__history *h) { /* NULL: does nothing */
    if (!h) return;
    SSE_ASSERT(!h->flying); /* K5 */
    while (h->count) sse__history_drop_oldest(h);
    sse__alarm_cancel(&h->age);
    sse__list_remove(&h->all);
    sse__list_remove(&h->dirty);
    SSE_FREE(h->at);
    SSE_FREE(h);
}

/* ---- the tables ------------------------------------------------------------------- */

/* Times of day before 2020 are of a clock that nobody has set yet, on a board without a battery. */
#define SSE__CLOCK_IS_SET(ms) ((ms) >= (int64_t)1577836800 * 1000)
enum { SSE__CLOCK_JUMP_MS = 10000 };

/* By how much the time of day is ahead of the loop's. */
static int64_t sse__wall_ahead(const sse_app *app) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + (int64_t)t.tv_nsec / 1000000 - (int64_t)app->loop.wheel.now;
}

/* A store tells of earlier starts. What those had in memory only is lost, except to a history that
   is in use already and has begun with this start: K2. */
static void sse__sequence_began(sse__sequence *sequence, uint64_t earlier) {
    sse__link all;
    if (sequence->earlier < earlier) sequence->earlier = earlier;
    sse__list_move(&all, &sequence->histories);
    while (!sse__list_empty(&all)) {
        sse__history *h = SSE__CONTAINER(all.next, sse__history, all);
        if (!h->limits.store && !h->count && h->lost < sequence->earlier)
            h->lost = sequence->earlier;
        sse__history_renew(h, sequence->last);
    }
}

/* Opens the file that is locked, and locks it. -1, errno EWOULDBLOCK: another process has it; -1
   with any other errno: it cannot be done here. */
static int sse__store_lock(const char *path) {
    struct stat ours, present;
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), why;
        if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* another user's */
        if (fd < 0) return -1;
        why = flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
        if (!why && fstat(fd, &ours) == 0 && stat(path, &present) == 0 &&
            ours.st_ino == present.st_ino && ours.st_dev == present.st_dev)
            return fd;
        close(fd);
        errno = why;
        if (why) return -1; /* else its last owner has deleted it meanwhile: once more */
    }
}

/* K4. flock, and a file of its own: to close any descriptor of the database would let go of
   SQLite's locks. Waits for an owner that is about to end as long as for another lock of the
   database. */
static int sse__store_own(const sse__sequence *sequence, sse__store *store) {
    const char       *path = sse__db_path(store->db);
    const sse__store *other;
    const struct timespec pause = {0, 10000000};
    struct stat       s;
    sse_buf           name = {NULL, 0, 0, SSE_OK};
    int               waited = 0, error;
    if (!path || stat(path, &s) || !S_ISREG(s.st_mode)) return SSE_OK; /* nobody else can have it */
    sse_printf(&name, "%s-sse", path);
    sse__put_char(&name, '\0');
    error = name.error;
    for (other = sequence->stores; other && !error; other = other->next) /* opened twice here */
        if (other->owner && strcmp(other->owner, name.ptr) == 0) goto done;
    while (!error && (store->owner_fd = sse__store_lock(name.ptr)) < 0 && errno == EWOULDBLOCK) {
        if (waited < sse__db_busy_ms(store->db) && nanosleep(&pause, NULL) == 0) waited += 10;
        else
            error = sse__refuse(
                sequence->app, SSE_E_STATE,
                "%s keeps the events of another server that runs, which has locked %s: "
                "stop that one, or give this one another database", path, name.ptr);
    }
    if (!error && store->owner_fd >= 0) {
        store->owner = name.ptr;
        return SSE_OK;
    }
    if (!error)
        sse__log(sequence->app, SSE_LOG_WARNING,
                 "%s cannot be locked (%s): see that no other server keeps its events in %s",
                 name.ptr, strerror(errno), path);
done:
    sse_buf_free(&name);
    return error;
}

static void sse__store_free(sse__store *store) {
    if (store->owner) {
        /* before it is unlocked: a process that waits for the lock looks again */
        if (!sse__db_is_elsewhere(store->db)) (void)unlink(store->owner);
        close(store->owner_fd);
        SSE_FREE(store->owner);
    }
    SSE_FREE(store);
}

static int sse__store_tables(sse_db *db, void *user) {
    int n = sse_db_exec(db, "CREATE TABLE IF NOT EXISTS sse_sequence"
                            " (id INTEGER PRIMARY KEY, reserved INTEGER NOT NULL)");
    (void)user;
    if (n >= 0)
        n = sse_db_exec(db, "CREATE TABLE IF NOT EXISTS sse_topics"
                            " (topic TEXT PRIMARY KEY, lost INTEGER NOT NULL) WITHOUT ROWID");
    if (n >= 0)
        n = sse_db_exec(db, "CREATE TABLE IF NOT EXISTS sse_events"
                            " (seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, at INTEGER NOT NULL,"
                            " id TEXT, event BLOB NOT NULL)");
    if (n >= 0)
        n = sse_db_exec(db, "CREATE INDEX IF NOT EXISTS sse_events_topic ON sse_events (topic)");
    return n < 0 ? n : SSE_OK;
}

static int sse__store_reserve(sse_db *db, uint64_t upto) { /* < 0: an error */
    return sse_db_exec(db, "INSERT OR REPLACE INTO sse_sequence (id, reserved) VALUES (1, %lld)",
                       (long long)upto);
}

/* Finds the number to go on after. A file of which a part was restored may know less than its
   events show: K1. */
static int sse__store_read(const sse__sequence *sequence, sse__store *store) {
    const char *path = sse__db_path(store->db);
    long long   reserved, highest;
    int error = sse_db_one(store->db, &reserved, "SELECT reserved FROM sse_sequence WHERE id = 1");
    if (error >= 0)
        error = sse_db_one(store->db, &highest,
                           "SELECT max(ifnull((SELECT max(seq) FROM sse_events), 0),"
                           " ifnull((SELECT max(lost) FROM sse_topics), 0))");
    if (error < 0) return error;
    if (reserved < 0) reserved = 0;
    store->reserved = (uint64_t)(highest > reserved ? highest : reserved);
    if (highest <= reserved) return SSE_OK;
    sse__log(sequence->app, SSE_LOG_WARNING,
             "%s: sse_sequence is behind sse_events, as if a part of it had been restored: numbers "
             "go on after %lld. Restore sse_sequence, sse_topics and sse_events together",
             path ? path : "a database", highest);
    error = sse__store_reserve(store->db, store->reserved);
    return error < 0 ? error : SSE_OK;
}

static int sse__store_open(sse__sequence *sequence, sse_db *db, sse__store **out) {
    sse__store *store = sequence->stores; /* finds or makes */
    int         error;
    while (store && store->db != db) store = store->next;
    *out = store;
    if (store) return SSE_OK;
    if (sse__db_is_elsewhere(db))
        return sse__refuse(sequence->app, SSE_E_STATE,
                           "a topic's .db was opened before this process was forked: "
                           "call sse_db_open after fork() or daemon()");
    error = sse__db_open_error(db);
    if (error) return error;
    store = SSE__NEW(sse__store);
    if (!store) return SSE_E_NOMEM;
    store->db = db;
    error     = sse__store_own(sequence, store);
    if (!error) {
        error = sse_db_write(db, sse__store_tables, NULL);
        if (error == SSE_E_STATE)
            sse__refuse(sequence->app, error, "a topic's .db: %s", sse__db_why(db, error));
    }
    if (!error) error = sse__store_read(sequence, store);
    if (error) {
        sse__store_free(store);
        return error;
    }
    store->next      = sequence->stores;
    sequence->stores = store;
    if (sequence->last < store->reserved) sequence->last = store->reserved; /* K1 */
    store->began = sequence->on_disk_upto = sequence->last;
    sse__sequence_began(sequence, store->reserved);
    *out = store;
    return SSE_OK;
}

/* ---- saving: K5 ------------------------------------------------------------------- */

/* What a flight writes of one history: entries that its store does not have, and what was lost. */
typedef struct sse__save_topic {
    struct sse__save_topic *next;
    sse__history *history;
    uint64_t      lost;
    bool          first, cut;
    uint32_t      count;
    sse__entry    entries[1];
} sse__save_topic;

/* What a flight writes to one store, and how that went. */
typedef struct sse__save {
    struct sse__save *next;
    sse__db_job       job;
    sse__store       *store;
    sse__save_topic  *topics;
    uint64_t          reserved, began;
    int64_t           clock, shift; /* shift: by how much the times in the store are wrong */
    bool              waits;        /* for a lock */
    int               error;
    char              why[300];
} sse__save;

typedef struct sse__flight {
    sse__sequence *sequence;
    sse__save     *saves;
    uint64_t       told; /* C5 */
    bool           landed;
} sse__flight;

static int sse__save_write_topic(sse_db *db, const sse__save_topic *t, int64_t clock) {
    const char     *topic = t->history->topic;
    const long long lost  = (long long)t->lost;
    uint32_t        i;
    int             n = 0;
    for (i = 0; i < t->count && n >= 0; i++) {
        const sse__entry *e    = &t->entries[i];
        const sse_str     text = sse__message_text(e->message), id = sse__message_id(e->message);
        n = sse_db_exec(db, "INSERT OR REPLACE INTO sse_events (seq, topic, at, id, event)"
                            " VALUES (%lld, %s, %lld, %.*s, %p)",
                        (long long)e->message->seq, topic, (long long)(e->at + clock), SSE_STR(id),
                        (const void *)&text);
    }
    if (n >= 0 && (t->cut || t->first))
        n = sse_db_exec(db, "INSERT OR REPLACE INTO sse_topics (topic, lost) VALUES (%s, %lld)",
                        topic, lost);
    if (n >= 0 && t->cut)
        n = sse_db_exec(db, "DELETE FROM sse_events WHERE topic = %s AND seq <= %lld", topic, lost);
    return n;
}

static int sse__save_write(sse_db *db, void *user) { /* in a transaction */
    const sse__save       *save = (const sse__save *)user;
    const sse__save_topic *t;
    int n = save->waits ? 0 : sse__store_tables(db, NULL); /* its file may have been replaced */
    if (n >= 0 && save->shift) /* the clock was set, or the machine slept */
        n = sse_db_exec(db, "UPDATE sse_events SET at = at + %lld WHERE seq > %lld",
                        (long long)save->shift, (long long)save->began);
    if (n >= 0 && save->reserved) n = sse__store_reserve(db, save->reserved);
    for (t = save->topics; t && n >= 0; t = t->next) n = sse__save_write_topic(db, t, save->clock);
    return n < 0 ? n : SSE_OK;
}

/* In one transaction. A holder of its lock is waited for once: then the events go out unkept, and
   the store is tried again once a second without waiting. */
static void sse__save_run(sse__save *save) {
    sse_db *db = save->job.on;
    save->error = sse__db_job_enter(&save->job);
    if (!save->error) {
        sse__db_wait(db, save->waits);
        save->error = sse_db_write(db, sse__save_write, save);
        sse__db_wait(db, true);
    }
    if (save->error)
        snprintf(save->why, sizeof save->why, "%s", sse__db_why(db, save->error));
    sse__db_job_leave(&save->job);
}

static void sse__flight_work(sse_app *app, void *user) { /* on the thread */
    sse__save *save = ((const sse__flight *)user)->saves;
    (void)app;
    for (; save; save = save->next)
        if (sse__db_job_is_away(&save->job)) sse__save_run(save);
}

static void sse__save_free(sse__save *save) {
    while (save->topics) {
        sse__save_topic *t = save->topics;
        save->topics = t->next;
        while (t->count) sse__message_drop(t->entries[--t->count].message);
        SSE_FREE(t);
    }
    SSE_FREE(save);
}

static bool sse__save_add(sse__save *save, sse__history *h) { /* false: no memory */
    const uint32_t   from = sse__history_after(h, h->saved), n = h->count - from;
    sse__save_topic *t = (sse__save_topic *)sse__zalloc(sizeof *t + n * sizeof *t->entries);
    if (!t) return false;
    t->next      = save->topics;
    save->topics = t;
    t->history   = h;
    t->lost      = h->lost;
    t->first     = !h->saved;
    t->cut       = h->lost != h->saved_lost;
    for (; t->count < n; t->count++) {
        t->entries[t->count] = *sse__history_entry(h, from + t->count);
        sse__message_hold(t->entries[t->count].message);
    }
    return true;
}

/* All that a store lacks. NULL: no memory. */
static sse__save *sse__save_new(sse__sequence *sequence, sse__store *store) {
    sse__save *save = SSE__NEW(sse__save);
    sse__link *link;
    if (!save) return NULL;
    save->store = store;
    save->began = store->began;
    save->waits = !store->failing;
    save->clock = sse__wall_ahead(sequence->app);
    save->shift = store->clock ? save->clock - store->clock : 0;
    if (save->shift < SSE__CLOCK_JUMP_MS && save->shift > -SSE__CLOCK_JUMP_MS) save->shift = 0;
    if (sequence->last > store->reserved) save->reserved = sequence->last + SSE__RESERVE;
    for (link = sequence->dirty.next; link != &sequence->dirty; link = link->next) {
        sse__history *h = SSE__CONTAINER(link, sse__history, dirty);
        if (h->limits.store != store || sse__save_add(save, h)) continue;
        sse__save_free(save);
        return NULL;
    }
    return save;
}

static void sse__sequence_retry(sse__alarm *alarm) {
    SSE__CONTAINER(alarm, sse__sequence, again)->retries = true;
}

static void sse__sequence_retry_later(sse__sequence *sequence) { /* the turn's time is old */
    sse__alarm_set(&sequence->app->loop.wheel, &sequence->again,
                   sse__clock_ms() + SSE__SAVE_AGAIN_MS);
}

static void sse__store_failed(sse__sequence *sequence, sse__store *store, const char *why) {
    sse__log(sequence->app, store->failing ? SSE_LOG_DEBUG : SSE_LOG_WARNING,
             "events are sent but not kept: %s", why);
    store->failing = true;
    sse__sequence_retry_later(sequence);
}

static void sse__save_landed(sse__sequence *sequence, sse__save *save) {
    sse__store      *store = save->store;
    sse__save_topic *t;
    for (t = save->topics; t; t = t->next) {
        t->history->flying = false;
        if (save->error) {
            sse__history_mark_dirty(t->history);
            continue;
        }
        t->history->saved_lost = t->lost;
        if (t->count) t->history->saved = t->entries[t->count - 1].message->seq;
    }
    if (save->error) {
        sse__store_failed(sequence, store, save->why);
        return;
    }
    if (store->failing) sse__log(sequence->app, SSE_LOG_WARNING, "events are kept again");
    store->failing = false;
    if (save->reserved) store->reserved = save->reserved;
    if (!store->clock || save->shift) store->clock = save->clock;
}

static void sse__flight_land(sse__flight *flight) { /* on the loop */
    sse__sequence *sequence = flight->sequence;
    flight->landed   = true;
    sequence->flight = NULL;
    while (flight->saves) {
        sse__save *save = flight->saves;
        flight->saves   = save->next;
        sse__db_job_end(&save->job);
        sse__save_landed(sequence, save);
        sse__save_free(save);
    }
    sse__net_keep(sequence->app->net, flight->told);
}

static void sse__flight_landed(sse_app *app, void *user) { /* a call of the loop */
    sse__flight *flight = (sse__flight *)user;
    (void)app;
    if (!flight->landed) sse__flight_land(flight);
    SSE_FREE(flight);
}

/* What the stores lack leaves the histories. A store that fails is tried by retries only. */
static void sse__flight_load(sse__flight *flight, bool retries) {
    sse__sequence *sequence = flight->sequence;
    sse__store    *store;
    for (store = sequence->stores; store; store = store->next) {
        sse__save       *save;
        sse__save_topic *t;
        if (store->failing && !retries) continue;
        save = sse__save_new(sequence, store);
        if (!save) {
            sse__store_failed(sequence, store, sse_error_text(SSE_E_NOMEM));
            continue;
        }
        if (!save->topics && !save->reserved) { /* it lacks nothing */
            sse__save_free(save);
            continue;
        }
        for (t = save->topics; t; t = t->next) {
            sse__list_remove(&t->history->dirty);
            t->history->flying = true;
        }
        sse__db_job_begin(&save->job, store->db);
        save->next    = flight->saves;
        flight->saves = save;
    }
}

/* Sends it off; it has landed already where no thread takes it. */
static void sse__flight_start(sse__flight *flight) {
    sse_app   *app  = flight->sequence->app;
    bool       away = false;
    sse__save *save;
    for (save = flight->saves; save; save = save->next) {
        if (sse__db_job_is_away(&save->job)) away = true;
        else sse__save_run(save);
    }
    if (away && sse__disk_do(app, sse__flight_work, sse__flight_landed, flight) == SSE_OK) return;
    if (away) {
        sse__disk_wait(app); /* D5 */
        sse__flight_work(app, flight);
    }
    sse__flight_landed(app, flight);
}

/* Brings all stores up to date, unless a flight is under way: then when that has landed. K1. A
   store that fails is tried again later; the events go out meanwhile: a full disk must not silence
   all streams. */
static void sse__sequence_save(sse__sequence *sequence) {
    const sse__net *net     = sequence->app->net;
    const bool      retries = sequence->retries;
    sse__flight    *flight;
    if (sequence->flight || (net->told == net->kept && !retries)) return;
    sequence->retries = false;
    flight            = SSE__NEW(sse__flight);
    if (!flight) { /* what is held waits for the next try, and nothing else may bring that about */
        sse__sequence_retry_later(sequence);
        return;
    }
    flight->sequence = sequence;
    flight->told     = net->told;
    sequence->flight = flight;
    sse__flight_load(flight, retries);
    sse__flight_start(flight);
}

/* Waits until all is kept that can be. */
static void sse__sequence_sync(sse__sequence *sequence) {
    int i;
    for (i = 0; i < 2; i++) {
        if (sequence->flight) {
            sse__disk_wait(sequence->app);
            sse__flight_land(sequence->flight);
        }
        if (!i) sse__sequence_save(sequence);
    }
}

static bool sse__sequence_is_reserved(const sse__sequence *sequence) { /* by all stores: K1 */
    const sse__store *store = sequence->stores;
    while (store && store->reserved >= sequence->last) store = store->next;
    return !store;
}

static uint64_t sse__sequence_next(sse__sequence *sequence) {
    sequence->last++;
    if (!sse__sequence_is_reserved(sequence)) sse__net_tell(sequence->app->net);
    return sequence->last;
}

/* What an earlier start kept. SSE_E_NOMEM: it can be read another time; after any other error it
   is lost: K2. */
static int sse__history_load(sse__history *h) {
    const sse_stream nobody = {NULL, 0, 0};
    sse__sequence   *sequence = h->sequence;
    const int64_t    now  = (int64_t)sequence->app->loop.wheel.now;
    const int64_t    wall = now + sse__wall_ahead(sequence->app);
    sse_db     *db     = h->limits.store->db;
    long long   lost   = 0;
    sse_rows   *rows   = NULL;
    bool        no_memory = false;
    int error = sse_db_one(db, &lost, "SELECT lost FROM sse_topics WHERE topic = %s", h->topic);
    if (error == SSE_E_NOMEM) return error;
    h->lost = h->saved_lost = lost > 0 ? (uint64_t)lost : 0;
    if (error >= 0)
        rows = sse_db_query(db, "SELECT seq, at, id, event FROM sse_events"
                                " WHERE topic = %s AND seq > %lld ORDER BY seq", h->topic, lost);
    while (!no_memory && sse_db_next(rows)) {
        const int64_t     at   = sse_db_int(rows, 1); /* of an unknown age: its time begins now */
        const int64_t     age  = SSE__CLOCK_IS_SET(at) && at < wall ? wall - at : 0;
        sse__message_meta meta = sse__message_meta_of((uint64_t)sse_db_int(rows, 0));
        char              id[SSE__ID_ROOM + 1];
        sse_buf           b = {NULL, 0, 0, SSE_OK};
        sse__message     *m;
        if (!sse_db_text(rows, 2)) meta.id_line = sse__id_line(id, sequence->epoch, meta.seq);
        sse__message_begin(&b);
        sse__put_str(&b, sse_db_blob(rows, 3));
        m         = sse__message_new(&b, &meta);
        no_memory = !m || !sse__history_room(h);
        if (!no_memory) sse__history_add(h, m, now - age, nobody);
        if (!no_memory) h->saved = meta.seq;
        sse__message_drop(m);
    }
    if (no_memory) {
        sse_db_done(rows);
        return SSE_E_NOMEM;
    }
    error = sse_db_error(db, NULL);
    if (!error || error == SSE_E_NOMEM) return error;
    h->lost = sequence->last; /* K2 */
    sse__log(sequence->app, SSE_LOG_WARNING, "the history of %s could not be read: %s", h->topic,
             sse__db_why(db, error));
    return SSE_OK;
}

/* topic: borrowed as long as the history is there. gone: what was kept up to there may be missing.
   NULL: no memory. */
static sse__history *sse__history_new(sse__sequence *sequence, const char *topic,
                                      const sse__limits *limits, uint64_t gone) {
    sse__history *h = SSE__NEW(sse__history);
    if (!h) return NULL;
    h->sequence = sequence;
    h->topic    = topic;
    h->limits   = *limits;
    h->missing  = gone;
    h->age.fn   = sse__history_aged;
    if (!limits->store) h->lost = gone > sequence->earlier ? gone : sequence->earlier;
    else if (sse__history_load(h)) {
        sse__history_free(h);
        return NULL;
    }
    sse__history_renew(h, sequence->last);
    return h;
}

static bool sse__sequence_open(sse__sequence *sequence, sse_app *app) {
    uint32_t random;
    if (!sse__random(&random, sizeof random)) return false;
    snprintf(sequence->epoch, sizeof sequence->epoch, "%08x", (unsigned)random);
    sequence->app      = app;
    sequence->again.fn = sse__sequence_retry;
    sse__list_init(&sequence->histories);
    sse__list_init(&sequence->dirty);
    return true;
}

static void sse__sequence_close(sse__sequence *sequence) {
    sse__alarm_cancel(&sequence->again);
    while (sequence->stores) {
        sse__store *next = sequence->stores->next;
        sse__store_free(sequence->stores);
        sequence->stores = next;
    }
}

/*==========================================================================
  >>outbox   rows of a table as events
  Uses: >>channel >>stream >>db         Tests: tests/unit/outbox.c lost.c tests/wire/sqlite.test.mjs

  The table is the history: nothing of it is kept here but one number.

      rows up to .last: [outbox_refill] --> a stream that is replaying, page by page
      rows behind it:   [outbox_read, at the end of a turn] --> all others; .last moves on

  B1  Rows up to .last went to every stream that is not replaying, rows behind
      it to none. A stream that is replaying reads up to .last; then it is not.
  B2  Only committed rows become events, so that an id that was sent stays
      that row's. Where the table gives it to another one, its file was
      replaced or its sequence set back, and all begin anew [outbox_restart].
      Held by tests/wire/sqlite.test.mjs.
  B3  A client that comes from another server may have had rows that this one
      has not read yet. Its stream counts as replaying until they are
      [outbox_catch_up]. Held by tests/unit/lost.c.
==========================================================================*/

enum {
    SSE__OUTBOX_ROWS     = 256,    /* sent to all in one turn of the loop */
    SSE__OUTBOX_BYTES    = 262144, /* sent at once to a stream that is replaying */
    SSE__OUTBOX_AGAIN_MS = 1000    /* after a read that failed */
};

typedef struct sse__outbox {
    struct sse__outbox *next;      /* in streams.outboxes */
    sse__channel *channel;         /* of its topic */
    const char   *topic, *gap_event;
    sse_app      *app;
    sse_db       *db;
    char         *sql, *newest;    /* formats: the rows after an id; the row before the n newest */
    uint64_t      last;            /* B1 */
    uint64_t      remains;         /* the newest row, if those up to .last were deleted; or MAX */
    int           sent;            /* rows, in this turn */
    bool          changed;         /* there may be rows behind .last: read them when no transaction
                                      of ours is open (B2) */
    bool          ahead;           /* some client may have had rows behind it: B3 */
    sse__alarm    retry;           /* reading failed */
} sse__outbox;

/* Called for each row, until it returns false. m: NULL if the row is no event. */
typedef bool (*sse__row_fn)(uint64_t id, sse__message *m, void *user);

/* Makes the row that rows are at an event. after: the row before it; *m: NULL: it is none. */
static int sse__outbox_row(const sse__outbox *o, sse_rows *rows, uint64_t after, sse__message **m) {
    const sse_str     data   = sse_db_blob(rows, 1);
    const long long   number = sse_db_int(rows, 0);
    sse__message_meta meta   = sse__message_meta_of((uint64_t)number);
    char              id[SSE__ID_ROOM + 1];
    sse_buf           b = {NULL, 0, 0, SSE_OK};
    sse_event         event = sse__event_new(NULL);
    const char       *why;
    int               error;
    *m = NULL;
    if (number <= 0 || meta.seq <= after) {
        sse__log(o->app, SSE_LOG_ERROR,
                 "the rows of an outbox do not come in the order of their ids: %lld after %llu",
                 number, (unsigned long long)after);
        return SSE_E_ARG;
    }
    event.data     = data.len ? data.ptr : "";
    event.data_len = data.len;
    event.event    = sse_db_columns(rows) > 2 ? sse_db_text(rows, 2) : NULL;
    meta.id_line   = sse__str(id, (size_t)snprintf(id, sizeof id, "id: %lld\n", number));
    error = sse__message_begin_event(o->app, &b, &event);
    if (!error) {
        *m = sse__message_new(&b, &meta);
        return *m ? SSE_OK : SSE_E_NOMEM;
    }
    if (error == SSE_E_NOMEM) return error;
    why = sse__event_fault(&event, &error);
    sse__log(o->app, SSE_LOG_WARNING, "row %lld of topic %s is no event: %s", number, o->topic,
             why ? why : "it is not UTF-8, which .check_utf8 wants");
    return SSE_OK;
}

/* Reads the rows after an id, as far as fn wants them: up to .last, or with a connection that is
   idle (B2). Returns 0, or the error that kept it from reading on. */
static int sse__outbox_read(const sse__outbox *o, uint64_t after, sse__row_fn fn, void *user) {
    sse_rows     *rows = sse_db_query(o->db, o->sql, (long long)after);
    sse__message *m;
    int           error = SSE_OK;
    bool          more = true;
    while (more && sse_db_next(rows)) {
        error = sse__outbox_row(o, rows, after, &m);
        if (error) break;
        after = (uint64_t)sse_db_int(rows, 0);
        more  = fn(after, m, user);
        sse__message_drop(m);
    }
    if (more && !error) return sse_db_error(o->db, NULL);
    sse_db_done(rows);
    return error;
}

/* The id before the n newest rows; 0: there are no more than n. */
static int sse__outbox_before(const sse__outbox *o, int n, uint64_t *id) {
    long long value;
    const int error = sse_db_one(o->db, &value, o->newest, 0LL, n);
    *id = error == SSE_OK && value > 0 ? (uint64_t)value : 0;
    return error < 0 ? error : SSE_OK;
}

/* The row behind which the n newest begin, of those that were sent. */
static uint64_t sse__outbox_greet(const sse__outbox *o, int n) {
    uint64_t id;
    return n > 0 && sse__outbox_before(o, n, &id) == SSE_OK && id < o->last ? id : o->last;
}

static bool sse__outbox_has(const sse__outbox *o, uint64_t id) {
    long long value;
    return id == 0 || (sse_db_one(o->db, &value, o->sql, (long long)id - 1) == 0 &&
                       (uint64_t)value == id);
}

/* SQL with a ? as a format of >>db, and what stands around it. NULL: no memory. */
static char *sse__outbox_format(const char *before, const char *sql, const char *after) {
    sse_buf b = {NULL, 0, 0, SSE_OK};
    sse_puts(&b, before);
    for (; *sql; sql++) {
        if (*sql == '?') sse_puts(&b, "%lld");
        else if (*sql == '%') sse_puts(&b, "%%");
        else sse__put_char(&b, *sql);
    }
    sse_puts(&b, after);
    sse__put_char(&b, '\0');
    if (b.error) sse_buf_free(&b);
    return b.ptr;
}

static void sse__outbox_retry(sse__alarm *alarm) {
    SSE__CONTAINER(alarm, sse__outbox, retry)->changed = true;
}

static void sse__outbox_free(sse__outbox *o) {
    if (!o) return;
    sse__alarm_cancel(&o->retry);
    SSE_FREE(o->sql);
    SSE_FREE(o->newest);
    SSE_FREE(o);
}

/* Tries the query, and finds the newest row. *out: NULL after an error. */
static int sse__outbox_open(sse_app *app, sse_db *db, const char *sql, sse__outbox **out) {
    const char  *mark = strchr(sql, '?');
    sse__outbox *o    = SSE__NEW(sse__outbox);
    sse_rows    *rows;
    int          columns = 0, error = SSE_E_NOMEM;
    *out = NULL;
    if (!o) return error;
    o->app      = app;
    o->db       = db;
    o->retry.fn = sse__outbox_retry;
    o->remains  = UINT64_MAX;
    o->sql      = sse__outbox_format("", sql, "");
    o->newest   = sse__outbox_format("SELECT * FROM (", sql,
                                     "\n) ORDER BY 1 DESC LIMIT 1 OFFSET %d");
    if (o->sql && o->newest) error = mark && !strchr(mark + 1, '?') ? SSE_OK : SSE_E_ARG;
    if (!error) {
        rows    = sse_db_query(db, o->sql, 0LL);
        columns = sse_db_columns(rows);
        error   = sse_db_error(db, NULL);
        sse_db_done(rows);
    }
    if (!error && columns != 2 && columns != 3) error = SSE_E_ARG;
    if (!error) error = sse__outbox_before(o, 0, &o->last);
    if (error) sse__outbox_free(o);
    else *out = o;
    return error;
}

/* ---- to a stream that is replaying ---------------------------------------------------- */

/* What the stream reads rows by; NULL: it does not. */
static sse__sub *sse__stream_row_sub(const sse__stream *stream) {
    sse__sub *sub = stream->subs;
    while (sub && !sub->channel->outbox) sub = sub->next;
    return sub;
}

static bool sse__outbox_refill_row(uint64_t id, sse__message *m, void *user) {
    sse__sub    *sub    = (sse__sub *)user;
    sse__stream *stream = sub->in.stream;
    size_t       max    = stream->max_queue;
    if (max > SSE__OUTBOX_BYTES) max = SSE__OUTBOX_BYTES;
    if (id > sub->channel->outbox->last) return false; /* B1 */
    if (m && !sse__stream_has_room(stream, m, max)) {
        stream->replaying = true;
        return false;
    }
    if (m) (void)sse__stream_push(stream, m);
    sub->after = id;
    return sse__stream_lives(stream);
}

static void sse__outbox_refill(sse__sub *sub) {
    const sse__outbox *o      = sub->channel->outbox;
    sse__stream       *stream = sub->in.stream;
    stream->replaying = sub->after > o->last; /* B3 */
    if (sub->after < o->last && sse__outbox_read(o, sub->after, sse__outbox_refill_row, sub))
        sse__stream_cut(stream, SSE_BY_ERROR); /* its client reconnects */
}

/* Whether a client that comes back with an id lacks nothing that it cannot be sent. *known: the
   id may be a row's, *seq. Other servers read the table too: B3. */
static bool sse__outbox_resume(sse__outbox *o, sse_str id, uint64_t *seq, bool *known) {
    const bool number = sse__parse_u64(id, INT64_MAX, seq);
    const bool there  = number && sse__outbox_has(o, *seq);
    *known = there || (number && *seq <= o->last);
    if (there && *seq > o->last) o->ahead = true;
    return there;
}

/* ---- to all ----------------------------------------------------------------------------- */

/* Streams without room for a row are replaying from now on: no reader is closed for what the table
   keeps anyway. */
static void sse__outbox_hold_back(const sse__outbox *o, const sse__message *m) {
    sse__link *link;
    for (link = o->channel->subs.next; link != &o->channel->subs; link = link->next) {
        sse__sub    *sub    = SSE__CONTAINER(link, sse__sub, in.link);
        sse__stream *stream = sub->in.stream;
        if (stream->replaying || !sse__stream_lives(stream) ||
            sse__stream_has_room(stream, m, stream->max_queue))
            continue;
        sub->after        = o->last;
        stream->replaying = true;
    }
}

static bool sse__outbox_send_row(uint64_t id, sse__message *m, void *user) {
    sse__outbox  *o       = (sse__outbox *)user;
    sse__streams *streams = o->app->streams;
    SSE_ASSERT(id > o->last); /* B1 */
    if (m) {
        o->app->net->counts.events++;
        sse__outbox_hold_back(o, m);
        sse__channel_send(o->channel, m, NULL, ++streams->publication, streams);
    }
    o->last = id;
    return ++o->sent < SSE__OUTBOX_ROWS;
}

/* There is no row behind .last. Does the table give ids up to there again? That its newest rows
   are gone says nothing, they may have been deleted. What tells is a row that comes after that, or
   the sequence of an AUTOINCREMENT table that the SQL names, which stays when rows are deleted. */
static bool sse__outbox_was_reset(sse__outbox *o) {
    const uint64_t before = o->remains;
    uint64_t       newest;
    long long      sequence;
    o->remains = UINT64_MAX;
    if (sse__outbox_has(o, o->last) || sse__outbox_before(o, 0, &newest) || newest >= o->last)
        return false;
    o->remains = newest;
    if (!newest || newest > before) return newest > 0;
    return sse_db_one(o->db, &sequence, "SELECT max(seq) FROM sqlite_sequence"
                                        " WHERE instr(lower(%s), lower(name))", o->sql) == 0 &&
           (uint64_t)sequence < o->last;
}

/* B2: all subscribers are told, and get all rows of the table as it is now. */
static void sse__outbox_restart(sse__outbox *o) {
    sse__streams *streams = o->app->streams;
    sse__message *m = sse__message_gap(o->app, o->gap_event, false);
    sse__link    *link;
    sse__log(o->app, SSE_LOG_WARNING,
             "the table of topic %s gives ids again that were sent, up to %llu: all begin anew",
             o->topic, (unsigned long long)o->last);
    if (m) sse__channel_send(o->channel, m, NULL, 0, streams);
    sse__message_drop(m);
    for (link = o->channel->subs.next; link != &o->channel->subs; link = link->next)
        SSE__CONTAINER(link, sse__sub, in.link)->after = 0;
    o->app->net->counts.events++;
    o->app->net->counts.gaps += o->channel->count;
    o->last    = 0; /* B1 */
    o->changed = true;
}

static void sse__outbox_catch_up(sse__outbox *o) { /* B3 */
    sse__link *link;
    const bool ahead = o->ahead;
    o->ahead = false;
    for (link = o->channel->subs.next; ahead && link != &o->channel->subs; link = link->next) {
        sse__sub    *sub    = SSE__CONTAINER(link, sse__sub, in.link);
        sse__stream *stream = sub->in.stream;
        if (!stream->replaying || !sse__stream_lives(stream)) continue;
        if (sub->after > o->last || !sse__stream_flows(stream)) o->ahead = true;
        else sse__outbox_refill(sub);
    }
}

static void sse__outbox_run(sse__outbox *o) {
    int error;
    o->sent = 0;
    error   = o->channel->count ? sse__outbox_read(o, o->last, sse__outbox_send_row, o)
                                : sse__outbox_before(o, 0, &o->last);
    o->changed = !error && o->sent == SSE__OUTBOX_ROWS;
    if (o->sent) o->remains = UINT64_MAX;
    else if (!error && sse__outbox_was_reset(o)) sse__outbox_restart(o);
    if (error) {
        sse__log(o->app, SSE_LOG_WARNING, "the rows of topic %s cannot be read: %s", o->topic,
                 sse__db_why(o->db, error));
        sse__alarm_set(&o->app->loop.wheel, &o->retry,
                       o->app->loop.wheel.now + SSE__OUTBOX_AGAIN_MS);
    }
    sse__outbox_catch_up(o);
}

static sse__outbox *sse__outbox_pending(sse__outbox *o) { /* from o on, the first to be read: B2 */
    while (o && !(o->changed && sse__db_is_idle(o->db))) o = o->next;
    return o;
}

static void sse__outboxes_run(sse_app *app) { /* at the end of a turn */
    sse__outbox *o = sse__outbox_pending(app->streams->outboxes);
    for (; o; o = sse__outbox_pending(o->next)) sse__outbox_run(o);
}

#ifndef SSE_NO_SQLITE
/* Called by >>changes: tables of db were written. */
static void sse__outboxes_changed(sse_app *app, const sse_db *db, sse_str table) {
    sse__outbox *o;
    for (o = app->streams->outboxes; o; o = o->next)
        if (o->db == db && sse__tables_include(sse__str(NULL, 0), table)) o->changed = true;
}
#endif

/*==========================================================================
  >>presence   who is here: on_join, on_leave
  Uses: >>stream >>table >>loop         Tests: tests/unit/presence.c tests/wire/topics.test.mjs

  A person is here while a stream with that .who is subscribed, and leave_ms
  longer, because a reload is no leave:

      first stream ---> at once:  on_join
      last stream  ---> leave_ms: on_leave, unless one came back meanwhile

  E1  Callbacks run from a person's alarm, and nothing else frees a person:
      neither happens inside a call of the program's.
  E2  on_join and on_leave of a person alternate. Who came and went before
      the loop turned was never here. Both held by tests/unit/presence.c.
==========================================================================*/

/* The people of one topic; there while it has any. options: their callbacks; NULL: none. */
typedef struct sse__presence {
    sse__map    people;
    sse__link   here;     /* the same people in the order they came */
    void       *owner;    /* the topic */
    sse_app    *app;
    const char *topic;
    const sse_topic_options *options;
    void      (*on_empty)(struct sse__presence *presence); /* upcall: it goes next */
} sse__presence;

typedef struct sse__person {
    sse__node      node;
    sse__link      link;    /* in presence.here */
    sse__presence *presence;
    sse__alarm     alarm;
    uint32_t       streams;
    bool           told;    /* on_join was called, on_leave not yet */
} sse__person;

static void sse__person_free(sse__person *p) {
    sse__map_remove(&p->presence->people, &p->node);
    sse__list_remove(&p->link);
    sse__alarm_cancel(&p->alarm);
    SSE_FREE((char *)p->node.key.ptr);
    SSE_FREE(p);
}

static void sse__presence_free(sse__presence *presence) { /* no callbacks. NULL: does nothing */
    if (!presence) return;
    while (!sse__list_empty(&presence->here))
        sse__person_free(SSE__CONTAINER(presence->here.next, sse__person, link));
    sse__map_free(&presence->people);
    SSE_FREE(presence);
}

static void sse__presence_release(sse__presence *presence) { /* a person went, or could not come */
    if (!sse__list_empty(&presence->here)) return;
    presence->on_empty(presence);
    sse__presence_free(presence);
}

static void sse__person_alarm_in(sse__person *p, int ms) {
    sse__wheel *wheel = &p->presence->app->loop.wheel;
    sse__alarm_set(wheel, &p->alarm, wheel->now + (uint64_t)ms);
}

static void sse__person_alarm(sse__alarm *alarm) { /* E1 */
    sse__person   *p        = SSE__CONTAINER(alarm, sse__person, alarm);
    sse__presence *presence = p->presence;
    const sse_topic_options *o = presence->options;
    void (*fn)(sse_app *app, const char *topic, const char *who, void *user);
    sse__upcall upcall;
    if (o && (p->streams > 0) != p->told) {
        fn      = p->told ? o->on_leave : o->on_join;
        p->told = !p->told; /* before the callback: what it does counts for what comes next: E2 */
        upcall  = sse__upcall_begin(presence->app, SSE__IN_PRESENCE);
        if (fn) fn(presence->app, presence->topic, p->node.key.ptr, o->user);
        sse__upcall_end(&upcall, " of topic %s", presence->topic);
    }
    if (p->streams || p->told) return; /* a callback that changed that has set the alarm again */
    sse__person_free(p);
    sse__presence_release(presence);
}

/* topic, options: borrowed as long as it is there. NULL: no memory. */
static sse__presence *sse__presence_new(sse_app *app, const char *topic,
                                        const sse_topic_options *options, void *owner,
                                        void (*on_empty)(sse__presence *presence)) {
    sse__presence *presence = SSE__NEW(sse__presence);
    if (!presence) return NULL;
    sse__list_init(&presence->here);
    presence->app      = app;
    presence->topic    = topic;
    presence->options  = options;
    presence->owner    = owner;
    presence->on_empty = on_empty;
    return presence;
}

static sse__person *sse__person_new(sse__presence *presence, const char *who) {
    sse__person *p   = SSE__NEW(sse__person); /* NULL: no memory */
    char        *key = sse__strdup(sse__text(who));
    if (!p || !key || !sse__map_add(&presence->people, &p->node, sse__text(key))) {
        SSE_FREE(key);
        SSE_FREE(p);
        return NULL;
    }
    sse__list_add(&presence->here, &p->link);
    p->presence = presence;
    p->alarm.fn = sse__person_alarm;
    return p;
}

static sse__person *sse__person_find(const sse__presence *presence, const char *who) {
    sse__node *node = sse__map_find(&presence->people, sse__text(who));
    return node ? SSE__CONTAINER(node, sse__person, node) : NULL;
}

/* One more stream of theirs. False: no memory. */
static bool sse__presence_join(sse__presence *presence, const char *who) {
    sse__person *p = sse__person_find(presence, who);
    if (!p) p = sse__person_new(presence, who);
    if (!p) {
        sse__presence_release(presence);
        return false;
    }
    if (p->streams++) return true;
    if (p->told) sse__alarm_cancel(&p->alarm); /* back in time */
    else sse__person_alarm_in(p, 0);
    return true;
}

static void sse__presence_leave(sse__presence *presence, const char *who) { /* NULL: nobody */
    sse__person *p = who ? sse__person_find(presence, who) : NULL;
    if (!p || --p->streams) return;
    sse__person_alarm_in(p, p->told ? presence->options->leave_ms : 0);
}

/* A stream of theirs in a channel; {0}: they are leaving. */
static sse_stream sse__person_stream(const sse__person *p, const sse__channel *channel) {
    const sse__map   *people = &p->presence->app->streams->people;
    const sse_stream  none   = {NULL, 0, 0};
    const sse__group *group  = p->streams ? sse__group_find(people, p->node.key.ptr) : NULL;
    const sse__link  *link;
    for (link = group ? group->members.next : NULL; link && link != &group->members;
         link = link->next) {
        const sse__stream *stream = SSE__CONTAINER(link, sse__member, link)->stream;
        if (sse__stream_lives(stream) && sse__channel_find(channel, stream))
            return sse__stream_handle(stream);
    }
    return none;
}

/* Calls fn for each, in the order they came. It may subscribe and unsubscribe: a newcomer is added
   at the end, and a person that goes stays until the loop turns (E1). */
static int sse__presence_each(const sse__presence *presence, const sse__channel *channel,
                              bool (*fn)(const char *who, sse_stream s, void *user), void *user) {
    sse__link *link;
    int        n = 0;
    for (link = presence->here.next; link != &presence->here; link = link->next) {
        const sse__person *p = SSE__CONTAINER(link, sse__person, link);
        if (!p->streams && !p->told) continue; /* E2 */
        n++;
        if (!fn(p->node.key.ptr, sse__person_stream(p, channel), user)) break;
    }
    return n;
}

/*==========================================================================
  >>topics   names, their options, what keeps them
  Uses: >>presence >>outbox >>history >>channel    Tests: tests/unit/topics.c streams.c

      [topic_get] --> in use: somebody is subscribed or present, or sse_topic named it
                        |  ^
        the last one left  |  somebody joins
          [topic_release]  |
                        v  |
                      idle: only its history keeps it --> freed: that is empty, or makes
                                                          room for another [topics_evict]

  O2  A topic is kept while somebody is subscribed or present, while it has
      a history, or because sse_topic named it. Held by tests/unit/streams.c.
==========================================================================*/

/* The options of sse_topic, for one name or for all that match. */
typedef struct sse__rule {
    struct sse__rule *next;
    char             *name;
    sse_topic_options options;
    sse__limits       limits;
    uint64_t          gone; /* numbers up to there may be lacking: of histories that went. K2 */
} sse__rule;

typedef struct sse__topic {
    sse__channel   channel;
    sse__node      node;
    struct sse__topics *owner;
    sse__rule     *rule;      /* NULL: none */
    sse__history  *history;   /* NULL: none */
    sse__presence *presence;  /* NULL: nobody is here */
    sse__link      idle;      /* in topics.idle */
    bool           pattern, named; /* named: by sse_topic */
} sse__topic;

enum { SSE__PREFIX_MAX = 63 };

typedef struct sse__topics {
    sse_app      *app;
    sse__map      exact, patterns; /* patterns: by what stands before their first '*', at most
                                      SSE__PREFIX_MAX bytes of it */
    uint32_t      prefixes[SSE__PREFIX_MAX + 1]; /* how many patterns have so long a key */
    sse__rule    *rules, *named;   /* for names with '*', the longest first; for single topics */
    sse__link     idle;            /* the one that was used last at the end */
    sse__sequence sequence;
    const char   *loading;         /* the pattern whose histories are read back; NULL: none */
    bool          load_overflow;   /* one of them had to go again for another */
    uint64_t      load_lost;       /* numbers up to there were trimmed from one of them */
} sse__topics;

static bool sse__pattern_match(const char *pattern, sse_str text) { /* '*': any run, also none */
    const char *star = NULL;
    size_t      i = 0, retry = 0;
    while (i < text.len) {
        if (*pattern == '*') {
            star  = ++pattern;
            retry = i;
        } else if (*pattern == text.ptr[i] && *pattern) {
            pattern++;
            i++;
        } else if (star) { /* let the last star take one more */
            pattern = star;
            i       = ++retry;
        } else return false;
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static sse_str sse__pattern_key(const char *pattern) {
    const size_t n = strcspn(pattern, "*"), max = SSE__PREFIX_MAX;
    return sse__str(pattern, n < max ? n : max);
}

/* The next pattern that is kept by the same key; NULL: none. node: NULL, or of the right hash. */
static sse__topic *sse__pattern_of(sse__node *node, sse_str key) {
    while (node && !sse__eq(node->key, key)) node = node->next;
    return node ? SSE__CONTAINER(node, sse__topic, node) : NULL;
}

/* ---- topics go ---------------------------------------------------------------------- */

static void sse__topic_free(sse__topic *topic) {
    sse__topics *topics = topic->owner;
    if (topic->pattern) topics->prefixes[topic->node.key.len]--;
    sse__map_remove(topic->pattern ? &topics->patterns : &topics->exact, &topic->node);
    sse__list_remove(&topic->idle);
    sse__history_free(topic->history);
    sse__outbox_free(topic->channel.outbox);
    sse__presence_free(topic->presence);
    SSE_FREE((char *)topic->node.key.ptr);
    SSE_FREE(topic);
}

/* Frees a topic whose history may not be all there, or that is to make room: what it lost stays
   known, K2. */
static void sse__topic_forget(sse__topic *topic) {
    const sse__history *h    = topic->history;
    uint64_t            upto = 0, *known = NULL;
    if (h) {
        upto  = h->count ? sse__history_seq(h, h->count - 1) : h->lost;
        known = h->limits.store && sse__history_is_saved(h) ? &topic->owner->sequence.on_disk_upto
                                                            : &topic->rule->gone;
    }
    if (known && *known < upto) *known = upto;
    sse__topic_free(topic);
}

/* Called when a reason to keep it has gone; frees it if none is left: O2. */
static void sse__topic_release(sse__topic *topic) {
    const sse__history *h = topic->history;
    if (topic->channel.count || topic->presence || topic->named) return;
    if (!h || (!h->count && sse__history_is_saved(h))) {
        sse__topic_forget(topic);
        return;
    }
    sse__list_remove(&topic->idle);
    sse__list_add(&topic->owner->idle, &topic->idle);
}

static void sse__history_emptied(sse__history *h) { /* upcall of >>history */
    sse__topics *topics = SSE__CONTAINER(h->sequence, sse__topics, sequence);
    sse__node   *node   = sse__map_find(&topics->exact, sse__text(h->topic));
    SSE_ASSERT(node);
    sse__topic_release(SSE__CONTAINER(node, sse__topic, node));
}

/* Makes room for a topic by forgetting the history that was not used for longest. What a database
   holds stays there. */
static bool sse__topics_evict(sse__topics *topics) {
    sse__topic *topic = SSE__CONTAINER(topics->idle.next, sse__topic, idle);
    if (sse__list_empty(&topics->idle)) return false;
    if (!sse__history_is_saved(topic->history)) sse__sequence_sync(&topics->sequence);
    if (topics->loading && sse__pattern_match(topics->loading, topic->node.key))
        topics->load_overflow = true;
    sse__topic_forget(topic);
    return true;
}

static void sse__topic_left(sse__channel *channel, sse__sub *sub) {
    sse__topic *topic = channel->topic;
    if (topic->presence)
        sse__presence_leave(topic->presence, sse__stream_who(sub->in.stream));
    sse__topic_release(topic);
}

static void sse__topic_presence_empty(sse__presence *presence) {
    sse__topic *topic = (sse__topic *)presence->owner;
    topic->presence   = NULL;
    sse__topic_release(topic);
}

/* ---- finding and making topics -------------------------------------------------------- */

static sse__rule *sse__rule_for(const sse__topics *topics, sse_str name) { /* NULL: none */
    sse__rule *rule = topics->rules;
    while (rule && !sse__pattern_match(rule->name, name)) rule = rule->next;
    return rule;
}

static bool sse__rule_keeps(const sse__rule *rule) { return rule && rule->limits.max_count; }

/* rule: NULL: none. NULL: no memory, or too many. */
static sse__topic *sse__topic_new(sse__topics *topics, sse_str name, bool pattern, sse__rule *rule,
                                  int *error) {
    const uint32_t count = topics->exact.count + topics->patterns.count;
    sse__map      *map   = pattern ? &topics->patterns : &topics->exact;
    sse__topic    *topic;
    char          *key;
    *error = SSE_E_FULL;
    if (count >= (uint32_t)topics->app->options.max_topics && !sse__topics_evict(topics))
        return NULL;
    *error = SSE_E_NOMEM;
    key    = sse__strdup(name);
    topic  = SSE__NEW(sse__topic);
    if (!key || !topic ||
        !sse__map_add(map, &topic->node, pattern ? sse__pattern_key(key) : sse__text(key))) {
        SSE_FREE(key);
        SSE_FREE(topic);
        return NULL;
    }
    sse__channel_init(&topic->channel, SSE__PATIENCE, sse__topic_left);
    topic->channel.topic = topic;
    topic->owner         = topics;
    topic->rule          = rule;
    topic->pattern       = pattern;
    if (pattern) topics->prefixes[topic->node.key.len]++;
    if (sse__rule_keeps(rule)) {
        topic->history = sse__history_new(&topics->sequence, key, &rule->limits, rule->gone);
        if (!topic->history) {
            sse__topic_free(topic);
            return NULL;
        }
    }
    *error = SSE_OK;
    return topic;
}

static sse__topic *sse__topic_find(const sse__topics *topics, sse_str name) {
    sse__node *node = sse__map_find(&topics->exact, name);
    return node ? SSE__CONTAINER(node, sse__topic, node) : NULL;
}

static sse__topic *sse__pattern_find(const sse__topics *topics, const char *pattern) {
    const sse_str key   = sse__pattern_key(pattern);
    sse__topic   *topic = sse__pattern_of(sse__map_find(&topics->patterns, key), key);
    while (topic && strcmp(topic->node.key.ptr, pattern) != 0)
        topic = sse__pattern_of(topic->node.next, key);
    return topic;
}

static sse__topic *sse__topic_of(const sse__topics *topics, const char *name, bool pattern) {
    return pattern ? sse__pattern_find(topics, name) : sse__topic_find(topics, sse__text(name));
}

/* Finds or makes. NULL: no memory, or too many. */
static sse__topic *sse__topic_get(sse__topics *topics, const char *name, bool pattern, int *error) {
    const sse_str key   = sse__text(name);
    sse__topic   *topic = sse__topic_of(topics, name, pattern);
    sse__rule    *rule  = topic || pattern ? NULL : sse__rule_for(topics, key);
    *error = SSE_OK;
    return topic ? topic : sse__topic_new(topics, key, pattern, rule, error);
}

/* The topic of a name if it has a history, or will have one; NULL: it has none, or there is no
   room (error). */
static sse__topic *sse__topic_with_history(sse__topics *topics, const char *name, int *error) {
    sse__topic *topic = sse__topic_find(topics, sse__text(name));
    *error = SSE_OK;
    if (!topic && sse__rule_keeps(sse__rule_for(topics, sse__text(name))))
        topic = sse__topic_get(topics, name, false, error);
    return topic && topic->history ? topic : NULL;
}

/* ---- options of topics ------------------------------------------------------------------ */

static void sse__rule_free(sse__rule *rule) {
    SSE_FREE(rule->name);
    SSE_FREE(rule->limits.gap_event);
    SSE_FREE(rule);
}

static bool sse__topic_keeps(const sse_topic_options *o) {
    return o->history || o->history_bytes || o->history_age_ms;
}

static int sse__topic_check(sse_app *app, const char *name, const sse_topic_options *o) {
    const sse__bounds bounds[] = {
        {"history", o->history, 0, INT32_MAX},
        {"history_age_ms", o->history_age_ms, 0, INT32_MAX},
        {"greet", o->greet, 0, INT32_MAX},
        {"leave_ms", o->leave_ms, SSE_OFF, INT32_MAX},
        {"overflow", o->overflow, SSE_CLOSE_SLOW, SSE_KEEP_NEWEST}};
    char what[200];
    if (!sse__nonempty(name))
        return sse__refuse(app, SSE_E_ARG, "sse_topic: a topic without a name");
    if (!sse__has_no_newline(o->gap_event))
        return sse__refuse(app, SSE_E_ARG, "topic %s: .gap_event holds a line break", name);
    if (o->db && !sse__topic_keeps(o))
        return sse__refuse(app, SSE_E_ARG, "topic %s: .db without a history: set .history, "
                                           ".history_bytes or .history_age_ms", name);
    snprintf(what, sizeof what, "topic %s", name);
    return sse__check_bounds(app, what, bounds, SSE__COUNT(bounds));
}

static sse__rule *sse__rule_new(const char *name, const sse_topic_options *o) {
    const bool named_gap = sse__nonempty(o->gap_event);
    sse__rule *rule      = SSE__NEW(sse__rule); /* NULL: no memory */
    if (!rule) return NULL;
    rule->name = sse__strdup(sse__text(name));
    if (named_gap) rule->limits.gap_event = sse__strdup(sse__text(o->gap_event));
    rule->options          = *o;
    rule->options.leave_ms = sse__ms_option(o->leave_ms, 3000);
    if (sse__topic_keeps(o)) {
        rule->limits.max_count = o->history ? (uint32_t)o->history : UINT32_MAX;
        rule->limits.max_bytes = o->history_bytes ? o->history_bytes : 4194304;
        rule->limits.max_age   = (uint64_t)o->history_age_ms;
    }
    if (rule->name && (rule->limits.gap_event || !named_gap)) return rule;
    sse__rule_free(rule);
    return NULL;
}

static int sse__rule_add(sse__topics *topics, sse__rule *rule) { /* takes rule */
    sse__rule **at = &topics->rules, *other;
    sse__topic *topic;
    int         error;
    for (other = topics->rules; other; other = other->next) /* its topics were theirs: K2 */
        if (rule->gone < other->gone) rule->gone = other->gone;
    if (strchr(rule->name, '*')) {
        while (*at && strlen((*at)->name) > strlen(rule->name)) at = &(*at)->next;
        rule->next = *at;
        *at        = rule;
        return SSE_OK;
    }
    rule->next    = topics->named;
    topics->named = rule;
    if (sse__topic_find(topics, sse__text(rule->name)))
        return sse__refuse(topics->app, SSE_E_STATE,
                           "topic %s: in use already: call sse_topic once, "
                           "before sse_subscribe and sse_publish", rule->name);
    topic = sse__topic_new(topics, sse__text(rule->name), false, rule, &error);
    if (topic) topic->named = true;
    return error;
}

static void sse__rules_free(sse__rule *rules) {
    while (rules) {
        sse__rule *next = rules->next;
        sse__rule_free(rules);
        rules = next;
    }
}

static void sse__topics_free(sse_app *app) { /* no stream is left; on_leave is not called */
    sse__topics *topics = app->topics;
    sse__node   *node;
    while ((node = sse__map_any(&topics->exact)) != NULL)
        sse__topic_free(SSE__CONTAINER(node, sse__topic, node));
    sse__map_free(&topics->exact);
    sse__map_free(&topics->patterns);
    sse__rules_free(topics->rules);
    sse__rules_free(topics->named);
    sse__sequence_close(&topics->sequence);
}

static void sse__topics_save(sse_app *app) { sse__sequence_save(&app->topics->sequence); }

static void sse__topics_save_last(sse_app *app) { /* no flight is under way; no later try will be */
    sse__sequence *sequence = &app->topics->sequence;
    if (!sse__list_empty(&sequence->dirty)) sequence->retries = true;
    sse__sequence_save(sequence);
}

/* The first topic brings the section in. False: no memory. */
static bool sse__topics_use(sse_app *app) {
    if (app->topics->sequence.app) return true;
    sse__list_init(&app->topics->idle);
    if (!sse__sequence_open(&app->topics->sequence, app)) return false;
    app->stages[SSE__TURN_SAVE]   = sse__topics_save;
    app->stages[SSE__FREE_SAVE]   = sse__topics_save_last;
    app->stages[SSE__FREE_TOPICS] = sse__topics_free;
    return true;
}

SSE_API int sse_topic(sse_app *app, const char *name, const sse_topic_options *options) {
    sse_topic_options o;
    sse__rule        *rule;
    int               error = SSE_OK;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    error = sse__topic_check(app, name, &o);
    if (error) return error;
    rule = sse__topics_use(app) ? sse__rule_new(name, &o) : NULL;
    if (!rule) return sse__config_fail(app, SSE_E_NOMEM, "topic", name);
    if (o.db) error = sse__store_open(&app->topics->sequence, o.db, &rule->limits.store);
    if (error) sse__rule_free(rule);
    else error = sse__rule_add(app->topics, rule);
    if (!error || error == SSE_E_STATE) return error; /* that was told with its reason */
    return sse__refuse(app, error, "topic %s: %s", name, sse__db_why(o.db, error));
}

/* Makes the rows that sql selects the events of a topic. */
static int sse__topic_add_outbox(sse_app *app, const char *name, sse_db *db, const char *sql) {
    int          error = SSE_E_NOMEM;
    sse__topic  *topic = NULL;
    sse__outbox *o;
    if (sse__topics_use(app)) topic = sse__topic_get(app->topics, name, false, &error);
    if (!topic) return error;
    if (topic->history || topic->channel.outbox || topic->channel.count) error = SSE_E_STATE;
    else error = sse__outbox_open(app, db, sql, &topic->channel.outbox);
    if (error) {
        sse__topic_release(topic);
        return error;
    }
    topic->named = true;
    o            = topic->channel.outbox;
    o->channel   = &topic->channel;
    o->topic     = topic->node.key.ptr;
    o->gap_event = topic->rule ? topic->rule->limits.gap_event : NULL;
    o->next      = app->streams->outboxes;
    app->streams->outboxes          = o;
    app->stages[SSE__TURN_OUTBOXES] = sse__outboxes_run;
    return SSE_OK;
}

/*==========================================================================
  >>replay   streams that are behind: they catch up, and resume by Last-Event-ID
  Uses: >>topics >>history >>outbox     Tests: tests/unit/topics.c lost.c tests/wire/topics.test.mjs

  A stream that subscribes in its opening handler to a topic with a history
  is replaying: it gets what has a number from the histories, in order, as
  fast as its queue empties, until nothing is left there.

      its handler has returned --> [stream_resume] --> gap event, if one is due --+
      its queue is empty --------> [stream_refill] <------------------------------+
                                         |
                   more is left <--------+--------> up to date: from >>channel again

  When a client that comes back with an id is sent a gap event, and why:

      its id                                         reason   [found by]
      is not of this start, and what it may have     unknown  [resume_find]
        missed is not all in databases
      is followed by what was trimmed: by count,     expired  [history.lost,
        bytes or age                                           topics.load_lost]
      is followed by what no store took, and that    expired  [history.missing]
        is no more
      is followed by what went with a history that   expired  [sub_keepers: rule.gone,
        had to make room, or with its topic                    sequence.on_disk_upto]
      belongs to a pattern whose histories did not   expired  [stream_load]
        all find room to be read again
      is a row that its table no longer has          expired  [outbox_resume]
      is above all rows, and is none                 unknown  [outbox_resume]

  While it is connected there is one reason more: its table gives ids again
  (unknown) [outbox_restart]. A stream that replays more slowly than what it
  has yet to get is trimmed is closed [merge_one]: its client comes back, and
  is told. Without anything kept there is nothing to miss, and no gap.
  Each line is held by tests/unit/lost.c or tests/wire/topics.test.mjs.

  O3  Being up to date and replaying meet at one number: a stream gets what
      has one either from the histories or from the live flow.
  O4  A client that may miss what a history keeps has an id to come back
      with, also before its first event: what is published meanwhile is not
      lost. Both held by tests/wire/topics.test.mjs.
==========================================================================*/

typedef void (*sse__history_fn)(sse__history *h, sse__sub *sub, void *user);

/* The histories of all that a stream is subscribed to, as far as they may hold, or have lost, a
   number above after: what is older costs nothing, however many topics a pattern matches (K3). */
static void sse__stream_histories(sse__stream *stream, uint64_t after, sse__history_fn fn,
                                  void *user) {
    const sse__link *all = &stream->app->topics->sequence.histories, *link;
    sse__sub        *sub;
    for (sub = stream->subs; sub; sub = sub->next) {
        const sse__topic *topic = sub->channel->topic;
        if (topic && topic->history) fn(topic->history, sub, user);
        if (!topic || !topic->pattern) continue;
        for (link = all->prev; link != all; link = link->prev) {
            sse__history *h = SSE__CONTAINER(link, sse__history, all);
            SSE_ASSERT(link->next == all ||
                       h->newest <= SSE__CONTAINER(link->next, sse__history, all)->newest); /* K3 */
            if (h->newest <= after) break;
            if (sse__pattern_match(topic->node.key.ptr, sse__text(h->topic))) fn(h, sub, user);
        }
    }
}

/* What keeps the topics of a subscription, also those that a pattern matches and that are not
   there yet, or no more. gone: numbers up to there may be missing from what a pattern matches,
   although no history that is there tells. */
typedef struct sse__keepers { bool memory, stores; uint64_t gone; } sse__keepers;

static void sse__keepers_add(sse__keepers *k, const sse__rule *rule) {
    *(rule->limits.store ? &k->stores : &k->memory) = true;
}

static void sse__keepers_add_rule(sse__keepers *k, const sse__rule *rule, uint64_t earlier) {
    if (!sse__rule_keeps(rule)) return;
    sse__keepers_add(k, rule);
    if (k->gone < rule->gone) k->gone = rule->gone;
    if (!rule->limits.store && k->gone < earlier) k->gone = earlier;
}

/* Two patterns may have a topic in common if what stands before their stars agrees. The rules come
   longest first, as topics look for theirs: behind one that matches all that the pattern does,
   none counts. Asked after stream_load. */
static void sse__sub_keepers(const sse__sub *sub, sse__keepers *k) {
    const sse__topic *topic = sub->channel->topic;
    const char       *pattern;
    const sse__rule  *rule;
    uint64_t          earlier;
    sse_str           key;
    if (topic && topic->history) sse__keepers_add(k, topic->rule);
    if (!topic || !topic->pattern) return;
    pattern = topic->node.key.ptr;
    key     = sse__pattern_key(pattern);
    earlier = topic->owner->sequence.earlier;
    if (k->gone < topic->owner->load_lost) k->gone = topic->owner->load_lost;
    for (rule = topic->owner->named; rule; rule = rule->next)
        if (sse__pattern_match(pattern, sse__text(rule->name)))
            sse__keepers_add_rule(k, rule, earlier);
    for (rule = topic->owner->rules; rule; rule = rule->next) {
        const sse_str other = sse__pattern_key(rule->name);
        if (!sse__starts(key, other) && !sse__starts(other, key)) continue;
        sse__keepers_add_rule(k, rule, earlier);
        if (sse__pattern_match(rule->name, sse__text(pattern))) break;
    }
}

static sse__keepers sse__stream_keepers(const sse__stream *stream) {
    sse__keepers    k = {false, false, 0};
    const sse__sub *sub;
    for (sub = stream->subs; sub; sub = sub->next) sse__sub_keepers(sub, &k);
    return k;
}

static bool sse__stream_has_history(const sse__stream *stream) { /* of what it follows */
    const sse__keepers k = sse__stream_keepers(stream);
    return k.memory || k.stores || sse__stream_row_sub(stream);
}

/* Reads back histories that only a database remembers, for a pattern that asks for what is above
   after. */
static void sse__topics_load(sse__topics *topics, const char *pattern, uint64_t after) {
    const sse_str     prefix = sse__pattern_key(pattern);
    const sse__store *store  = topics->sequence.stores;
    int               error;
    if (after >= topics->sequence.on_disk_upto) return;
    for (topics->loading = pattern; store; store = store->next) {
        sse_rows *rows = sse_db_query(store->db, "SELECT topic, lost FROM sse_topics"
                                                 " WHERE topic >= %.*s ORDER BY topic",
                                      SSE_STR(prefix));
        while (sse_db_next(rows)) {
            const char    *name = sse_db_text(rows, 0);
            const uint64_t lost = (uint64_t)sse_db_int(rows, 1);
            sse__topic    *topic;
            if (!sse__starts(sse__text(name), prefix)) {
                sse_db_done(rows);
                break;
            }
            if (!sse__pattern_match(pattern, sse__text(name))) continue;
            if (topics->load_lost < lost) topics->load_lost = lost;
            topic = sse__topic_with_history(topics, name, &error);
            if (topic) sse__topic_release(topic);
            if (error == SSE_E_NOMEM) topics->load_overflow = true; /* what it keeps is not there */
        }
    }
    topics->loading = NULL;
}

/* Brings what its patterns want back to memory. False: not all of it finds room at once. */
static bool sse__stream_load(sse__stream *stream, uint64_t after) {
    sse__topics    *topics = stream->app->topics;
    const sse__sub *sub;
    topics->load_overflow = false;
    topics->load_lost     = 0;
    for (sub = stream->subs; sub; sub = sub->next) {
        const sse__topic *topic = sub->channel->topic;
        if (topic && topic->pattern) sse__topics_load(topics, topic->node.key.ptr, after);
    }
    return !topics->load_overflow;
}

/* ---- catching up ---------------------------------------------------------------------- */

/* Histories merged in the order of their numbers: a heap of cursors, the one with the lowest
   number at the top. A refill costs what it sends, and not what is kept. */
typedef struct sse__cursor { const sse__history *history; uint32_t i; } sse__cursor;
typedef struct sse__merge {
    sse__cursor *at;
    size_t       cap, count;
    bool         lost, failed; /* lost: not all is there */
} sse__merge;

static uint64_t sse__merge_seq(const sse__merge *m, size_t i) {
    return sse__history_seq(m->at[i].history, m->at[i].i);
}

static void sse__merge_sink(sse__merge *m, size_t i) { /* to where both below it are higher */
    for (;;) {
        const sse__cursor c = m->at[i];
        size_t            least = i, k;
        for (k = 2 * i + 1; k <= 2 * i + 2 && k < m->count; k++)
            if (sse__merge_seq(m, k) < sse__merge_seq(m, least)) least = k;
        if (least == i) return;
        m->at[i]     = m->at[least];
        m->at[least] = c;
        i            = least;
    }
}

static void sse__merge_one(sse__history *h, sse__sub *sub, void *user) {
    const sse__rule *rule  = sub->channel->topic->rule;
    sse__merge      *m     = (sse__merge *)user;
    const uint32_t   from  = sse__history_after(h, sub->after);
    void            *array = m->at;
    if (sub->after && h->lost > sub->after && (!rule || rule->options.overflow == SSE_CLOSE_SLOW))
        m->lost = true;
    if (m->failed || from == h->count) return;
    m->failed = !sse__grow(&array, &m->cap, m->count, sizeof *m->at);
    m->at     = (sse__cursor *)array;
    if (m->failed) return;
    m->at[m->count].history = h;
    m->at[m->count++].i     = from;
}

/* Queues as much as the queue takes; m keeps the rest. Returns the number of the last event that
   was dealt with, or 0. */
static uint64_t sse__merge_send(sse__merge *m, sse__stream *stream) {
    uint64_t seq = 0;
    size_t   i;
    for (i = m->count / 2; i--;) sse__merge_sink(m, i);
    while (m->count && sse__stream_lives(stream)) {
        sse__cursor      *top = &m->at[0];
        const sse__entry *e   = sse__history_entry(top->history, top->i);
        if (e->message->seq != seq) { /* O1 */
            if (!sse__stream_has_room(stream, e->message, stream->max_queue)) break;
            if (e->except.slot != stream->slot || e->except.gen != stream->gen)
                (void)sse__stream_push(stream, e->message);
            seq = e->message->seq;
        }
        if (++top->i == top->history->count) *top = m->at[--m->count];
        if (m->count) sse__merge_sink(m, 0);
    }
    return seq;
}

static void sse__stream_refill(sse__stream *stream) {
    sse__sub  *sub = sse__stream_row_sub(stream);
    sse__merge m;
    uint64_t   seq = 0, after = UINT64_MAX;
    SSE_ASSERT(sse__stream_flows(stream)); /* S7 */
    if (sub) {
        sse__outbox_refill(sub);
        return;
    }
    memset(&m, 0, sizeof m);
    for (sub = stream->subs; sub; sub = sub->next)
        if (sub->channel->topic && sub->after < after) after = sub->after;
    (void)sse__stream_load(stream, after); /* a client that resumes has been told if that fails */
    for (sub = stream->subs; sub; sub = sub->next) {
        sse__keepers k = {false, false, 0};
        sse__sub_keepers(sub, &k);
        if (sub->after && k.gone > sub->after) m.lost = true;
    }
    sse__stream_histories(stream, after, sse__merge_one, &m);
    if (!m.lost && !m.failed) seq = sse__merge_send(&m, stream);
    for (sub = stream->subs; sub; sub = sub->next)
        if (sub->after < seq) sub->after = seq;
    if (m.lost || m.failed) /* its client comes back, and is told of the gap */
        sse__stream_cut(stream, m.lost ? SSE_BY_QUEUE : SSE_BY_ERROR);
    stream->replaying = m.count > 0; /* O3 */
    SSE_FREE(m.at);
}

/* ---- coming back ------------------------------------------------------------------------ */

/* Where a client wants to go on. ours: its id looks like one given here; old: it is of an earlier
   start. */
typedef struct sse__resume { sse_str id; uint64_t seq; bool found, lost, old, ours; } sse__resume;

static void sse__resume_by_program_id(sse__history *h, sse__sub *sub, void *user) {
    sse__resume *r = (sse__resume *)user;
    uint32_t     i;
    (void)sub;
    for (i = h->count; i && !r->found; i--) {
        const sse__message *m = sse__history_entry(h, i - 1)->message;
        r->found = sse__eq(sse__message_id(m), r->id);
        if (r->found) r->seq = m->seq;
    }
}

static void sse__resume_lost(sse__history *h, sse__sub *sub, void *user) {
    sse__resume *r = (sse__resume *)user;
    (void)sub;
    if (h->lost > r->seq || h->missing > r->seq) r->lost = true;
}

/* Finds the number that an id stands for: one of this start; one that the program gave; one of an
   earlier start, if all histories are in databases. A made-up id chooses a place in what the
   handler subscribed to, no more; it scans every history. */
static void sse__resume_find(sse__resume *r, sse__stream *stream) {
    const sse__sequence *sequence = &stream->app->topics->sequence;
    sse__keepers         k;
    sse_str              epoch;
    uint64_t             seq = 0;
    bool                 all;
    r->ours  = sse__id_parse(r->id, &epoch, &seq) && seq <= sequence->last;
    r->found = r->ours && sse__eq(epoch, sse__text(sequence->epoch));
    if (r->found) r->seq = seq;
    all = sse__stream_load(stream, r->seq);
    k   = sse__stream_keepers(stream);
    if (!r->found) sse__stream_histories(stream, 0, sse__resume_by_program_id, r);
    if (!r->found && r->ours && seq <= sequence->earlier && k.stores && !k.memory) {
        r->found = r->old = true;
        r->seq   = seq;
    }
    if (!r->found) return;
    r->lost = !all || k.gone > r->seq;
    sse__stream_histories(stream, r->seq, sse__resume_lost, r);
}

/* The id of where the stream is, so that its client can come back before its first event: O4.
   WHATWG HTML 9.2.6: an id without data is kept, and no event. */
static void sse__stream_send_position(sse__stream *stream) {
    const sse__sequence *sequence = &stream->app->topics->sequence;
    const sse__sub      *rows     = sse__stream_row_sub(stream);
    char          id[SSE__ID_ROOM + 1];
    sse_buf       b = {NULL, 0, 0, SSE_OK};
    sse__message *m;
    sse__message_begin(&b);
    if (rows) sse_printf(&b, "id: %llu\n", (unsigned long long)rows->after);
    else sse__put_str(&b, sse__id_line(id, sequence->epoch, sequence->last));
    sse__put_char(&b, '\n');
    m = sse__message_new(&b, NULL);
    if (m && !rows && !sse__sequence_is_reserved(sequence))
        m->block->after = stream->app->net->told; /* K1 */
    (void)sse__stream_push_new(stream, m);
}

static void sse__gap_name(sse__history *h, sse__sub *sub, void *user) {
    (void)sub;
    *(const char **)user = h->limits.gap_event;
}

static void sse__stream_gap(sse__stream *stream, bool expired) {
    const sse__sub *rows = sse__stream_row_sub(stream);
    const char     *name = rows ? rows->channel->outbox->gap_event : NULL;
    sse__stream_histories(stream, 0, sse__gap_name, (void *)&name);
    stream->app->net->counts.events++;
    stream->app->net->counts.gaps++;
    (void)sse__stream_push_new(stream, sse__message_gap(stream->app, name, expired));
}

/* The opening handler has returned: what it subscribed to begins to flow, from where the client
   left it. */
static void sse__stream_resume(sse__stream *stream, sse_req *req) {
    sse_stats  *counts = &stream->app->net->counts;
    sse__sub   *sub, *rows = sse__stream_row_sub(stream);
    const char *id = sse_header(req, "last-event-id");
    bool        resumed, placed = false; /* placed: its client has an id of this start */
    uint64_t    delivered;
    sse__resume r;
    memset(&r, 0, sizeof r);
    if (!sse__nonempty(id)) id = sse_query(req, "lastEventId");
    if (sse__nonempty(id)) {
        r.id = sse__text(id);
        if (rows) r.lost = !sse__outbox_resume(rows->channel->outbox, r.id, &r.seq, &r.found);
        else sse__resume_find(&r, stream);
        resumed = r.found && !r.lost;
        placed  = resumed && !r.old;
        if (resumed) counts->resumes++;
        else if (r.ours || sse__stream_has_history(stream)) sse__stream_gap(stream, r.found);
        for (sub = stream->subs; sub; sub = sub->next) sub->after = resumed ? r.seq : 0;
    }
    delivered = counts->delivered;
    if (sse__stream_lives(stream)) sse__stream_refill(stream);
    if (sse__stream_lives(stream) && !placed && counts->delivered == delivered &&
        sse__stream_has_history(stream))
        sse__stream_send_position(stream); /* O4 */
}

/* Upcall of >>stream. */
static void sse__stream_replay(sse__stream *stream, sse_req *req) {
    if (req) sse__stream_resume(stream, req);
    else sse__stream_refill(stream);
}

/*==========================================================================
  >>publish   subscribe and publish; many streams at once
  Uses: >>replay >>topics >>channel     Tests: tests/unit/topics.c tests/wire/topics.test.mjs

  publish --> number, history --> [channel_send] --> all streams that are not replaying
                     |
                     +--> [stream_refill] --> a stream that is

  O1  An event reaches a stream once, however many of its subscriptions match.
      Held by tests/wire/topics.test.mjs.
==========================================================================*/

/* ---- subscribing ------------------------------------------------------------------------ */

/* The number after which a stream that subscribes is sent events. In its opening handler that is
   the one before the events that greet a newcomer. */
static uint64_t sse__topic_greet_after(const sse__topic *topic, bool opening) {
    const sse__outbox  *o = topic->channel.outbox;
    const sse__history *h = topic->history;
    const int           n = opening && topic->rule ? topic->rule->options.greet : 0;
    if (o) return sse__outbox_greet(o, n);
    if (!h || !h->count || n <= 0) return topic->owner->sequence.last;
    return (uint32_t)n < h->count ? sse__history_seq(h, h->count - (uint32_t)n - 1) : h->lost;
}

static bool sse__topic_gives_ids(const sse__topic *topic) {
    return topic && (topic->pattern || topic->history || topic->channel.outbox);
}

/* A stream has one Last-Event-ID: it is for the app's numbers, or for the rows of one table. */
static bool sse__topic_compatible(const sse__topic *topic, const sse__stream *stream) {
    const sse__sub *sub = stream->subs;
    if (!topic->channel.outbox)
        return !sse__topic_gives_ids(topic) || !sse__stream_row_sub(stream);
    while (sub && !sse__topic_gives_ids(sub->channel->topic)) sub = sub->next;
    return !sub;
}

/* who: NULL: nobody. False: no memory. */
static bool sse__topic_add_person(sse__topic *topic, const char *who) {
    if (!who || topic->pattern) return true;
    if (!topic->presence)
        topic->presence = sse__presence_new(topic->owner->app, topic->node.key.ptr,
                                            topic->rule ? &topic->rule->options : NULL, topic,
                                            sse__topic_presence_empty);
    return topic->presence && sse__presence_join(topic->presence, who);
}

static int sse__topic_join(sse__topic *topic, sse__stream *stream) {
    const bool opening = stream->phase == SSE__STREAM_OPENING;
    const bool placed  = opening || sse__stream_has_history(stream);
    const bool fits    = sse__topic_compatible(topic, stream);
    sse__sub  *sub;
    if (sse__channel_find(&topic->channel, stream)) return SSE_OK;
    sub = fits ? sse__channel_join(&topic->channel, stream) : NULL;
    if (!sub) sse__topic_release(topic);
    else if (!sse__topic_add_person(topic, sse__stream_who(stream))) {
        sse__channel_leave(sub); /* the topic may be gone with it */
        sub = NULL;
    }
    if (!sub) return fits ? SSE_E_NOMEM : SSE_E_STATE;
    sse__list_remove(&topic->idle);
    sub->after = sse__topic_greet_after(topic, opening);
    if (opening && sse__topic_gives_ids(topic)) stream->replaying = true;            /* S7 */
    if (!placed && sse__stream_has_history(stream)) sse__stream_send_position(stream); /* O4 */
    return SSE_OK;
}

static int sse__subscribe(sse_stream s, const char *name, bool pattern) {
    const char  *call = pattern ? "sse_subscribe_pattern" : "sse_subscribe";
    sse__topic  *topic;
    sse__stream *stream;
    int          error = sse__stream_may(s, SSE__USE_JOIN, call, &stream);
    if (!error && !sse__nonempty(name))
        error = sse__refused(s.app, SSE_E_ARG, "%s: a topic without a name", call);
    if (!error && !sse__topics_use(s.app)) error = SSE_E_NOMEM;
    if (!error) {
        s.app->streams->replay = sse__stream_replay;
        topic = sse__topic_get(s.app->topics, name, pattern, &error);
        if (topic) error = sse__topic_join(topic, stream);
    }
    if (error && (stream = sse__stream_open_one(s)) != NULL && stream->req)
        stream->req->unfed = true;
    return sse__call_failed(s.app, error);
}

SSE_API int sse_subscribe(sse_stream s, const char *topic) {
    return sse__subscribe(s, topic, false);
}
SSE_API int sse_subscribe_pattern(sse_stream s, const char *pattern) {
    return sse__subscribe(s, pattern, true);
}

static int sse__unsubscribe(sse_stream s, const char *name, bool pattern) {
    sse__stream *stream;
    const int    error = sse__stream_may(s, SSE__USE_JOIN, NULL, &stream);
    sse__topic  *topic;
    sse__sub    *sub;
    if (error) return error; /* a stream that has closed has left all: no mistake */
    topic = name ? sse__topic_of(s.app->topics, name, pattern) : NULL;
    sub   = topic ? sse__channel_find(&topic->channel, stream) : NULL;
    if (!sub) return SSE_E_ARG;
    sse__channel_leave(sub);
    return SSE_OK;
}

SSE_API int sse_unsubscribe(sse_stream s, const char *topic) {
    return sse__unsubscribe(s, topic, false);
}
SSE_API int sse_unsubscribe_pattern(sse_stream s, const char *pattern) {
    return sse__unsubscribe(s, pattern, true);
}

/* ---- publishing ------------------------------------------------------------------------- */

/* An event on its way: its text stands behind the room for a message. */
typedef struct sse__publication {
    sse_buf     text;
    const char *topic, *key;
    sse_stream  except;
    bool        has_id, ephemeral;
} sse__publication;

/* One look-up for each length that the keys of patterns have. Those with the same key, "*.a" and
   "*.b", are tried one by one. */
static void sse__publish_to_patterns(sse__topics *topics, sse_str name, sse__message *m,
                                     const sse__stream *except) {
    sse__streams *streams = topics->app->streams;
    size_t        n;
    for (n = 0; n <= name.len && n <= SSE__PREFIX_MAX; n++) {
        const sse_str key = sse__str(name.ptr, n);
        sse__topic   *topic;
        if (!topics->prefixes[n]) continue;
        topic = sse__pattern_of(sse__map_find(&topics->patterns, key), key);
        for (; topic; topic = sse__pattern_of(topic->node.next, key))
            if (sse__pattern_match(topic->node.key.ptr, name))
                sse__channel_send(&topic->channel, m, except, streams->publication, streams);
    }
}

/* Numbers it if it is to be kept, makes the message. NULL: no memory. */
static sse__message *sse__publication_message(sse__publication *p, sse__topics *topics,
                                              const sse__rule *rule, bool kept) {
    const uint64_t     seq      = kept ? sse__sequence_next(&topics->sequence) : 0;
    sse__message_meta  meta     = sse__message_meta_of(seq);
    const sse_overflow overflow = rule ? rule->options.overflow : SSE_CLOSE_SLOW;
    char               id[SSE__ID_ROOM + 1];
    sse_buf            key = {NULL, 0, 0, SSE_OK};
    sse__message      *m;
    if (kept && !p->has_id) meta.id_line = sse__id_line(id, topics->sequence.epoch, seq);
    meta.droppable = overflow == SSE_DROP_OLDEST;
    if (overflow == SSE_KEEP_NEWEST) {
        sse_printf(&key, "%s\n%s", p->topic, p->key ? p->key : "");
        meta.key = sse__str(key.ptr, key.len);
    }
    if (key.error) sse_buf_fail(&p->text, key.error);
    m = sse__message_new(&p->text, &meta);
    sse_buf_free(&key);
    return m;
}

/* On the loop. p->text is {0} afterwards. What is to be kept has a place before it has a number:
   one that there is no memory for went to nobody, and costs nothing that is kept already. */
static int sse__publish(sse_app *app, sse__publication *p) {
    sse__topics       *topics = app->topics;
    const sse_str      name   = sse__text(p->topic);
    const sse__stream *except = sse__stream_open_one(p->except);
    const uint64_t     told   = app->net->told;
    const sse__rule   *rule;
    int                error  = SSE_OK;
    sse__message      *m      = NULL;
    sse__topic        *topic, *exact; /* topic NULL: it is not to be kept */
    topic = p->ephemeral ? NULL : sse__topic_with_history(topics, p->topic, &error);
    exact = topic ? topic : sse__topic_find(topics, name);
    rule  = exact ? exact->rule : sse__rule_for(topics, name);
    if (topic && !sse__history_room(topic->history)) error = SSE_E_NOMEM;
    if (error != SSE_E_NOMEM) m = sse__publication_message(p, topics, rule, topic != NULL);
    if (m) {
        if (topic) {
            sse__history_add(topic->history, m, (int64_t)app->loop.wheel.now, p->except);
            sse__history_mark_dirty(topic->history);
        }
        if (app->net->told != told) m->block->after = app->net->told; /* C5: whenever it is sent */
        app->streams->publication++; /* O1 */
        app->net->counts.events++;
        if (exact)
            sse__channel_send(&exact->channel, m, except, app->streams->publication, app->streams);
        sse__publish_to_patterns(topics, name, m, except);
    } else sse_buf_free(&p->text);
    if (topic) sse__topic_release(topic);
    sse__message_drop(m);
    return m ? SSE_OK : SSE_E_NOMEM;
}

/* A publication of another thread on its way to the loop: its topic and key stand behind it. */
static void sse__posted_run(sse_app *app, void *user) {
    sse__publication *p = (sse__publication *)user;
    if (sse__publish(app, p))
        sse__log(app, SSE_LOG_WARNING, "an event for %s is lost: out of memory", p->topic);
    SSE_FREE(p);
}

static int sse__post(sse_app *app, sse__publication *p) { /* takes p->text, on failure too */
    const size_t      topic = strlen(p->topic) + 1, key = p->key ? strlen(p->key) + 1 : 0;
    sse__publication *copy  = (sse__publication *)sse__zalloc(sizeof *copy + topic + key);
    int               error = SSE_E_NOMEM;
    if (copy) {
        *copy       = *p;
        copy->topic = (char *)memcpy(copy + 1, p->topic, topic);
        if (key) copy->key = (char *)memcpy((char *)(copy + 1) + topic, p->key, key);
        error = sse__app_post(app, sse__posted_run, copy, sizeof *copy + p->text.cap);
    }
    if (error) {
        sse_buf_free(&p->text);
        SSE_FREE(copy);
    }
    return error;
}

static int sse__publish_event(sse_app *app, const char *topic, const sse_event *event) {
    sse__publication p;
    int              error;
    if (!app || !topic || !event) return SSE_E_ARG;
    memset(&p, 0, sizeof p);
    error = sse__message_begin_event(app, &p.text, event);
    if (error) return error;
    p.topic     = topic;
    p.has_id    = event->id != NULL;
    p.key       = event->key;
    p.except    = event->except;
    p.ephemeral = event->ephemeral;
    return sse__is_owner(app) ? sse__publish(app, &p) : sse__post(app, &p);
}

SSE_API int sse_publish(sse_app *app, const char *topic, const sse_event *event) {
    const int error = sse__publish_event(app, topic, event);
    if (app && !topic) sse__refused(app, error, "sse_publish: topic is NULL");
    else if (error) sse__event_refused(app, "sse_publish", event, error);
    return sse__call_failed(app, error);
}

/* ---- looking in ------------------------------------------------------------------------- */

SSE_API int sse_topic_who(sse_app *app, const char *topic,
                          bool (*fn)(const char *who, sse_stream s, void *user), void *user) {
    const sse__topic *t;
    if (!app || !topic || !fn) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    t = sse__topic_find(app->topics, sse__text(topic));
    return t && t->presence ? sse__presence_each(t->presence, &t->channel, fn, user) : 0;
}

/* What fn does may move what is kept, so an entry is found by its number. */
static int sse__history_each(const sse__history *h, uint32_t i,
                             bool (*fn)(const sse_event *event, void *user), void *user) {
    const uint64_t last = h->newest;
    sse_buf        parts[3]; /* data, event, id */
    int            n = 0;
    bool           more = true;
    memset(parts, 0, sizeof parts);
    while (more && i < h->count && sse__history_seq(h, i) <= last) {
        const sse__message *m   = sse__history_entry(h, i)->message;
        const uint64_t      seq = m->seq;
        sse_event           event = sse__event_new(NULL);
        sse_buf_free(&parts[0]); /* its being there tells lines from none */
        parts[1].len = parts[2].len = 0;
        sse__event_read(sse__message_bytes(m), parts);
        if (parts[0].error || parts[1].error || parts[2].error) {
            n = SSE_E_NOMEM;
            break;
        }
        event.data     = parts[0].ptr ? sse_buf_text(&parts[0]) : NULL;
        event.data_len = parts[0].len;
        event.event    = parts[1].len ? sse_buf_text(&parts[1]) : NULL;
        event.id       = sse_buf_text(&parts[2]);
        n++;
        more = fn(&event, user);
        i    = sse__history_after(h, seq);
    }
    for (i = 0; i < 3; i++) sse_buf_free(&parts[i]);
    return n;
}

SSE_API int sse_topic_history(sse_app *app, const char *topic, int limit,
                              bool (*fn)(const sse_event *event, void *user), void *user) {
    sse__topic *t;
    uint32_t    skip = 0;
    int         n, error;
    bool        named;
    if (!app || !topic || !fn || limit < 0) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    t = sse__topic_with_history(app->topics, topic, &error);
    if (!t) return error == SSE_E_NOMEM ? error : SSE_E_ABSENT;
    named    = t->named;
    t->named = true; /* what fn does must not take it away: O2 */
    sse__list_remove(&t->idle);
    if (limit && (uint32_t)limit < t->history->count) skip = t->history->count - (uint32_t)limit;
    n        = sse__history_each(t->history, skip, fn, user);
    t->named = named;
    sse__topic_release(t);
    return n;
}

/* ---- many streams at once --------------------------------------------------------------- */

/* Goes through the streams of a filter by the shortest list that holds them all: S4. Nobody joins
   or leaves a list meanwhile. */
typedef struct sse__walk {
    const sse__slots   *all;
    const sse__group   *label, *who;
    const sse__channel *topic;
    const sse__link    *list, *at; /* list NULL: slots */
    uint32_t            count, slot; /* count: of the list, or of all */
} sse__walk;

static void sse__walk_offer(sse__walk *w, const sse__link *list, uint32_t count) {
    if (w->list && w->count <= count) return;
    w->list  = w->at = list;
    w->count = count;
}

/* False: no stream matches. */
static bool sse__walk_begin(sse__walk *w, sse_app *app, const sse_filter *f) {
    sse__topic *topic = f->topic ? sse__topic_find(app->topics, sse__text(f->topic)) : NULL;
    memset(w, 0, sizeof *w);
    w->all   = &app->streams->all;
    w->count = w->all->count;
    if (f->label) w->label = sse__group_find(&app->streams->labels, f->label);
    if (f->who) w->who = sse__group_find(&app->streams->people, f->who);
    if (topic) w->topic = &topic->channel;
    if (w->label) sse__walk_offer(w, &w->label->members, w->label->count);
    if (w->who) sse__walk_offer(w, &w->who->members, w->who->count);
    if (w->topic) sse__walk_offer(w, &w->topic->subs, w->topic->count);
    return !f->label == !w->label && !f->who == !w->who && !f->topic == !w->topic;
}

static bool sse__walk_matches(const sse__walk *w, const sse__stream *stream) { /* or is closing */
    return (!w->label || stream->extra->label == w->label) &&
           (!w->who || stream->extra->who == w->who) &&
           (!w->topic || sse__channel_find(w->topic, stream));
}

static sse__stream *sse__walk_any(sse__walk *w) { /* the next of the list; NULL: no more */
    while (!w->list && w->slot < w->all->used) {
        sse__stream *stream = (sse__stream *)w->all->at[w->slot++].item;
        if (stream) return stream;
    }
    if (!w->list) return NULL;
    w->at = w->at->next;
    return w->at == w->list ? NULL : SSE__CONTAINER(w->at, sse__member, link)->stream;
}

static sse__stream *sse__walk_next(sse__walk *w) { /* NULL: no more */
    sse__stream *stream = sse__walk_any(w);
    while (stream && (!sse__stream_lives(stream) || !sse__walk_matches(w, stream)))
        stream = sse__walk_any(w);
    return stream;
}

static int sse__filter_check(sse_app *app, const sse_filter *f) {
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    if (f && (f->all || f->label || f->who || f->topic)) return SSE_OK;
    return sse__refused(app, SSE_E_ARG, "sse_streams_...: the filter is empty: a name in it is "
                                        "NULL, or .all is meant");
}

/* The common question asks for one thing and is answered without a walk: by the length of the
   list, less the streams in it that are closing. */
SSE_API int sse_streams_count(sse_app *app, const sse_filter *filter) {
    const int  error = sse__filter_check(app, filter);
    sse__link *link;
    int        n = 0;
    sse__walk  w;
    if (error) return error;
    if (!sse__walk_begin(&w, app, filter)) return 0;
    if ((w.label != NULL) + (w.who != NULL) + (w.topic != NULL) > 1) {
        while (sse__walk_next(&w)) n++;
        return n;
    }
    n = (int)w.count;
    for (link = app->streams->closing.next; link != &app->streams->closing; link = link->next)
        if (sse__walk_matches(&w, SSE__CONTAINER(link, sse__stream, closing))) n--;
    return n;
}

/* Handles are gathered first, so that fn may do anything to the lists. */
SSE_API int sse_streams_each(sse_app *app, const sse_filter *filter,
                             bool (*fn)(sse_stream s, void *user), void *user) {
    const int    error = fn ? sse__filter_check(app, filter) : SSE_E_ARG;
    sse_buf      found = {NULL, 0, 0, SSE_OK};
    sse__stream *stream;
    sse_stream   s;
    sse__walk    w;
    size_t       at;
    int          n = 0;
    if (error) return error;
    if (sse__walk_begin(&w, app, filter))
        while ((stream = sse__walk_next(&w)) != NULL) {
            s = sse__stream_handle(stream);
            sse_raw(&found, &s, sizeof s);
        }
    for (at = 0; at < found.len && !found.error; at += sizeof s) {
        memcpy(&s, found.ptr + at, sizeof s);
        if (!sse_stream_is_open(s)) continue;
        n++;
        if (!fn(s, user)) break;
    }
    if (found.error) n = found.error;
    sse_buf_free(&found);
    return n;
}

SSE_API int sse_streams_close(sse_app *app, const sse_filter *filter, const sse_event *last) {
    const int     error = sse__filter_check(app, filter);
    sse__stream  *stream;
    sse__message *m;
    sse__walk     w;
    int           n = 0;
    if (error) return error;
    (void)sse__farewell(app, last, &m); /* one that cannot be sent is left out */
    if (sse__walk_begin(&w, app, filter))
        while ((stream = sse__walk_next(&w)) != NULL) { /* which only marks them: S2 */
            sse__stream_end_with(stream, last != NULL, m, true);
            n++;
        }
    sse__message_drop(m);
    return n;
}

/*==========================================================================
  >>live   views: render once, share
  Uses: >>channel >>stream >>route >>datastar >>db
  Tests: tests/unit/live.c tests/wire/live.test.mjs

  touch, commit, timer --> [view_mark] --> dirty --> end of turn: [view_render]
                              |  ^                        |
           min_interval_ms is |  | the alarm              +--> the same bytes: nothing is sent
              not over yet    v  |                        +--> others: one message to all
                            waiting <-- it failed: -------+
                                        retried later

  V1  A dirty view is rendered at most once a turn, and not before
      min_interval_ms since the last time.
  V2  A watcher that joins is sent the state; if there is none yet it awaits
      the first render.
  V3  A render that fails changes nothing that watchers see.
  V4  What clients choose makes no more than max_views views of a route, and
      touching or joining one of them looks at no other.
  All held by tests/unit/live.c and tests/wire/live.test.mjs.
==========================================================================*/

typedef struct sse__live {           /* one sse_live or sse_live_each */
    sse_app        *app;
    sse__link       link;            /* in views.lives */
    const char     *path, *tables, *query, *event;
    sse_db         *db;
    sse_render      render;          /* one of these two */
    sse_render_each render_each;
    sse_handler     guard;
    void           *user;
    int             every_ms, min_interval_ms;
    uint32_t        count, max_views; /* of those that parameters tell apart: V4 */
    uint64_t        told_full;       /* when that was last a warning: see sse__log_level_limited */
    sse__link       views;
    sse_format      format;
    sse_patch_options  patch;
    sse_stream_options stream;
    sse__arena      texts;           /* what patch and stream point to */
} sse__live;

struct sse_view {
    sse__channel  channel;
    sse__node     node;              /* in views.shared, by its key; not of sse_live_each */
    sse__link     link, dirty_link;  /* in live.views; in views.dirty */
    sse__group   *fellows;           /* of sse_live_each: those of the same path */
    sse__member   in;                /* in fellows */
    sse__alarm    alarm;             /* the next render that is known of */
    sse__live    *live;
    sse__arena    texts;
    sse__pair    *params;
    sse_req      *req;               /* of sse_live_each: a copy, for the stream's life */
    sse__message *state;             /* the last render that succeeded */
    uint64_t      rendered_at;
    int           failures;          /* in a row: backs off */
    bool          dirty;
};

typedef struct sse__views {
    sse_app  *app;
    sse__map  shared, each;          /* views by key; groups by path */
    sse__link lives, dirty;
    sse_buf   html;                  /* of the render in hand */
    sse__route_node *routes;         /* borrowed from >>app, to find the live route of a path */
    void        (*ask_hooks)(sse_req *req); /* upcall to >>app: the before hooks of its path */
} sse__views;

/* ---- marking ------------------------------------------------------------------------- */

static void sse__view_render_at(sse_view *view, uint64_t when) {
    sse__alarm_set(&view->live->app->loop.wheel, &view->alarm, when);
}

static void sse__view_mark(sse_view *view) { /* V1 */
    const sse_app *app  = view->live->app;
    const uint64_t from = view->rendered_at + (uint64_t)view->live->min_interval_ms;
    if (view->dirty) return;
    if (view->rendered_at && from > app->loop.wheel.now) {
        if (!view->alarm.link.next || view->alarm.due > from) sse__view_render_at(view, from);
        return;
    }
    view->dirty = true;
    sse__list_add(&app->views->dirty, &view->dirty_link);
}

static void sse__live_mark(sse__live *live) { /* all of its views */
    sse__link *link;
    for (link = live->views.next; link != &live->views; link = link->next)
        sse__view_mark(SSE__CONTAINER(link, sse_view, link));
}

static void sse__view_alarm(sse__alarm *alarm) {
    sse__view_mark(SSE__CONTAINER(alarm, sse_view, alarm));
}

#ifndef SSE_NO_SQLITE
/* Called by >>changes: tables of db were written. table absent: nobody knows which. */
static void sse__views_changed(sse_app *app, const sse_db *db, sse_str table) {
    sse__link *link;
    for (link = app->views->lives.next; link != &app->views->lives; link = link->next) {
        sse__live *live = SSE__CONTAINER(link, sse__live, link);
        if (live->db == db && sse__tables_include(sse__text(live->tables), table))
            sse__live_mark(live);
    }
}
#endif

/* ---- rendering ----------------------------------------------------------------------- */

/* Turns what was rendered into a message. The output is its data, so that it may hold anything. */
static int sse__view_message(const sse__live *live, sse_buf *html, sse__message **m) {
    const char *text  = sse_buf_text(html);
    sse_event   event = sse__event_new(live->format == SSE_AS_DATA ? NULL : &live->patch);
    sse_buf     b = {NULL, 0, 0, SSE_OK};
    int         error;
    if (live->format == SSE_AS_ELEMENTS) event.elements = text;
    else if (live->format == SSE_AS_SIGNALS) event.signals = text;
    else event.data = text;
    event.event    = live->event;
    event.data_len = html->len;
    sse__message_begin(&b);
    error = sse_event_write(&b, &event);
    if (error) sse_buf_free(&b);
    *m = error ? NULL : sse__message_new(&b, NULL);
    return error || *m ? error : SSE_E_NOMEM;
}

static void sse__view_log(const sse__live *live, sse_buf *html, int error) { /* why it failed */
    const char *why = error == SSE_E_DB ? sse__db_faults.words : sse_error_text(error);
    size_t      offset;
    char        fault[80];
    if (error == SSE_E_ARG && live->format == SSE_AS_SIGNALS) { /* sse_live has checked the rest */
        error = sse__json_check(sse__text(sse_buf_text(html)), &offset);
        why   = error ? sse__json_error_text(error, offset, fault) : "the JSON is no object";
    }
    sse__log(live->app, SSE_LOG_ERROR, "live view %s was not rendered: %s", live->path, why);
}

/* Retried after half a second, then one, ... up to 32, whether or not anything changed: a database
   that was locked comes back without a commit to tell of it. V3 */
static void sse__view_failed(sse_view *view, int error) {
    sse_app   *app   = view->live->app;
    const int  shift = view->failures < 6 ? view->failures++ : 6;
    sse__link *link;
    app->net->counts.renders_failed++;
    sse__view_log(view->live, &app->views->html, error);
    sse__view_render_at(view, app->loop.wheel.now + (500u << shift));
    if (view->state) return;
    for (link = view->channel.subs.next; link != &view->channel.subs; link = link->next)
        sse__stream_turn_away(SSE__CONTAINER(link, sse__member, link)->stream);
}

static void sse__view_render(sse_view *view) {
    sse__live     *live     = view->live;
    sse__streams  *streams  = live->app->streams;
    sse__views    *views    = live->app->views;
    const uint64_t failures = sse__db_error_count();
    sse__message  *m = NULL;
    sse__upcall    upcall;
    int            error;
    views->html.len   = 0;
    views->html.error = SSE_OK;
    view->rendered_at = live->app->loop.wheel.now;
    if (live->every_ms > 0)
        sse__view_render_at(view, view->rendered_at + (uint64_t)live->every_ms);
    upcall = sse__upcall_begin(live->app, SSE__IN_RENDER);
    if (live->render) live->render(view, &views->html, live->user);
    else live->render_each(view->req, &views->html, live->user);
    sse__upcall_end(&upcall, " of live view %s", live->path);
    live->app->net->counts.renders++;
    error = views->html.error;
    if (!error && sse__db_error_count() != failures) error = SSE_E_DB;
    if (!error) error = sse__view_message(live, &views->html, &m);
    if (error) {
        sse__view_failed(view, error);
        return;
    }
    view->failures = 0;
    if (view->state && sse__eq(sse__message_bytes(view->state), sse__message_bytes(m))) {
        live->app->net->counts.renders_same++;
        sse__channel_send_snapshots(&view->channel, view->state, streams);
        sse__message_drop(m);
        return;
    }
    sse__channel_send_state(&view->channel, m, streams);
    sse__message_drop(view->state);
    view->state = m;
}

/* The end of a turn: renders what is dirty. What renders make dirty again waits for the next. */
static void sse__views_render(sse_app *app) {
    sse__views *views = app->views;
    sse__link   now;
    sse__list_move(&now, &views->dirty);
    while (!sse__list_empty(&now)) {
        sse_view *view = SSE__CONTAINER(now.next, sse_view, dirty_link);
        sse__list_remove(&view->dirty_link);
        view->dirty = false;
        sse__view_render(view);
    }
    if (views->html.cap > 1 << 20) sse_buf_free(&views->html);
}

/* ---- watching ------------------------------------------------------------------------ */

SSE_API const char *sse_view_param(sse_view *view, const char *name) {
    const sse__pair *pair;
    for (pair = view->params; pair && name; pair = pair->next)
        if (strcmp(pair->name, name) == 0) return pair->value;
    return NULL;
}

static void sse__view_free(sse_view *view) {
    sse__live *live = view->live;
    sse__alarm_cancel(&view->alarm);
    sse__list_remove(&view->link);
    sse__list_remove(&view->dirty_link);
    if (view->node.key.ptr) {
        sse__map_remove(&live->app->views->shared, &view->node);
        if (view->params) live->count--;
    }
    sse__group_leave(view->fellows, &view->in);
    sse__message_drop(view->state);
    sse__req_free(view->req);
    sse__arena_free(&view->texts);
    SSE_FREE(view);
}

static void sse__view_left(sse__channel *channel, sse__sub *sub) {
    (void)sub;
    if (!channel->count) sse__view_free(SSE__CONTAINER(channel, sse_view, channel));
}

static sse_view *sse__view_new(sse__live *live) { /* NULL: no memory */
    sse_view *view = SSE__NEW(sse_view);
    if (!view) return NULL;
    sse__channel_init(&view->channel, 0, sse__view_left);
    view->channel.single = live->render_each != NULL;
    view->live     = live;
    view->alarm.fn = sse__view_alarm;
    sse__list_add(&live->views, &view->link);
    return view;
}

/* Where a path leads. live NULL: to no live view. */
typedef struct sse__target {
    char             *path;      /* decoded */
    sse_str           query;
    sse__route_match  found;
    const sse__route *route;
    sse__live        *live;
} sse__target;

/* What tells a shared view from others: its parameters, and the key that is made of them. */
typedef struct sse__view_key { sse__arena texts; sse__pair *params; sse_buf text; } sse__view_key;

static int sse__view_key_add(sse__view_key *k, const char *name, const char *value) {
    return name && value ? sse__pair_set(&k->texts, &k->params, name, value) : SSE_E_NOMEM;
}

static bool sse__view_key_set(sse__view_key *k, const sse__target *t) { /* false: no memory */
    sse_str words = sse__text(t->live->query), word, rest, name, value;
    int     i, error = SSE_OK;
    char   *text;
    sse_printf(&k->text, "%s ", t->live->path);
    for (i = 0; i < t->found.nparams && !error; i++) {
        text  = sse__arena_text(&k->texts, t->found.params[i]);
        error = sse__view_key_add(k, t->route->names[i], text);
        sse_url(&k->text, "/%s", text);
    }
    while (words.ptr && !error) { /* in the order of the option: ?a&b and ?b&a are one view */
        word = sse__cut(&words, ' ', false);
        for (rest = t->query; word.len && sse__pair_next(&rest, '&', &name, &value);) {
            if (!sse__eq(name, word)) continue;
            text = (char *)sse__arena_get(&k->texts, value.len + 1);
            if (text && sse__form_decode(text, value) == SIZE_MAX) continue; /* as sse_query */
            error = sse__view_key_add(k, sse__arena_text(&k->texts, word), text);
            sse_printf(&k->text, "&%.*s", SSE_STR(word));
            sse_url(&k->text, "=%s", text);
            break;
        }
    }
    return !error && !k->text.error;
}

static bool sse__live_has_room(sse__live *live) { /* V4 */
    if (live->count < live->max_views) return true;
    sse__log(live->app, sse__log_level_limited(live->app, &live->told_full),
             "live view %s: all of its %lu max_views are watched", live->path,
             (unsigned long)live->count);
    return false;
}

/* Finds the shared view of a path, or makes it. NULL: no memory, or max_views. */
static sse_view *sse__view_get(const sse__target *t, bool make) {
    sse__map     *shared = &t->live->app->views->shared;
    sse_view     *view   = NULL;
    sse__node    *node;
    sse__view_key k;
    sse_str       key;
    memset(&k, 0, sizeof k);
    if (sse__view_key_set(&k, t)) {
        key  = sse__str(k.text.ptr, k.text.len);
        node = sse__map_find(shared, key);
        if (node) view = SSE__CONTAINER(node, sse_view, node);
        else if (make && (!k.params || sse__live_has_room(t->live))) view = sse__view_new(t->live);
        if (view && !node) {
            key.ptr = sse__arena_text(&k.texts, key);
            if (key.ptr && sse__map_add(shared, &view->node, key)) {
                view->texts  = k.texts;
                view->params = k.params;
                t->live->count += view->params != NULL;
                memset(&k.texts, 0, sizeof k.texts);
            } else {
                sse__view_free(view);
                view = NULL;
            }
        }
    }
    sse_buf_free(&k.text);
    sse__arena_free(&k.texts);
    return view;
}

/* Adds a stream to a view: V2. A view that nobody could join is freed. */
static int sse__view_join(sse_view *view, sse__stream *stream) {
    const bool raw = !stream || stream->raw;
    sse__sub  *sub;
    if (!raw && sse__channel_find(&view->channel, stream)) return SSE_OK;
    sub = raw ? NULL : sse__channel_join(&view->channel, stream);
    if (!sub) {
        if (!view->channel.count) sse__view_free(view);
        return raw ? SSE_E_ARG : SSE_E_NOMEM;
    }
    if (view->state)
        return sse__channel_send_snapshot(&view->channel, stream, view->state,
                                          stream->app->streams);
    sub->awaits_state = true;
    if (!view->failures) sse__view_mark(view);
    return SSE_OK;
}

static sse_view *sse__view_each(sse__live *live, sse_req *req) { /* NULL: no memory */
    sse_view *view = sse__view_new(live);
    if (view) view->req = sse__req_copy(req);
    if (!view || view->req) return view;
    sse__view_free(view);
    return NULL;
}

/* ---- routes --------------------------------------------------------------------------- */

/* The handler of every live route. Its guard may have opened the stream. */
static void sse__live_ask_guard(const sse__live *live, sse_req *req) {
    const sse__upcall upcall = sse__upcall_begin(live->app, SSE__IN_GUARD);
    if (!live->guard) return;
    live->guard(req, live->user);
    sse__upcall_end(&upcall, " of live view %s", live->path);
}

static void sse__live_handler(sse_req *req, void *user) {
    sse__live   *live  = (sse__live *)user;
    sse__views  *views = live->app->views;
    sse_view    *view;
    sse__stream *stream;
    sse__target  t;
    sse__live_ask_guard(live, req);
    if (sse__req_answered(req) && !(req->stream && sse__stream_lives(req->stream))) return;
    memset(&t, 0, sizeof t);
    t.live  = live;
    t.route = req->route;
    t.query = req->query_text;
    (void)sse__route_find(views->routes, sse__text(req->path), &t.found);
    view = live->render ? sse__view_get(&t, true) : sse__view_each(live, req);
    if (!view) { /* no memory, or max_views */
        if (req->stream) sse__stream_turn_away(req->stream);
        else (void)sse_come_back(req, 0);
        return;
    }
    stream = req->stream;
    if (!stream) stream = sse__stream_get(sse_stream_open(req, &live->stream));
    if (stream && live->render_each &&
        !sse__group_join(&views->each, req->path, &view->in, stream, &view->fellows))
        stream = NULL; /* no memory */
    if (sse__view_join(view, stream) && req->stream) sse__stream_turn_away(req->stream);
}

/* Takes "/path?query" apart. t->path: free it. */
static void sse__target_find(sse__target *t, sse_app *app, const char *target) {
    sse_str path, rest = sse__text(target);
    memset(t, 0, sizeof *t);
    path     = sse__cut(&rest, '?', false);
    t->query = rest;
    t->path  = (char *)SSE_MALLOC(path.len + 2);
    if (!t->path || sse__path_decode(t->path, path) <= 0 || !app->views->routes ||
        !sse__route_find(app->views->routes, sse__text(t->path), &t->found))
        return;
    t->route = sse__route_of(t->found.at->routes, SSE__LIT("GET"));
    if (t->route && t->route->fn == sse__live_handler) t->live = (sse__live *)t->route->user;
}

/* Asks the hooks and the guard of a view that is to be shown on a stream whose handler still runs,
   as for a request of its own: with its path and parameters, and its query ahead of that of the
   request. They can only refuse: the reply itself has begun. */
static bool sse__live_guard_allows(const sse__target *t, sse_req *req) {
    const sse_req saved = *req;
    const bool    own   = sse__req_own_attrs(req);
    bool          allowed;
    int           i;
    sse__req_set_phase(req, SSE__REQ_GUARDED);
    sse__req_forget_output(req);
    req->status = 0;
    req->path   = t->path;
    if (t->query.len)
        req->query_text = sse__text(sse_fmt(req, "%.*s&%.*s", SSE_STR(t->query),
                                            SSE_STR(req->query_text)));
    req->param_names = (const char *const *)t->route->names;
    memset(&req->query, 0, sizeof req->query);
    memset(req->params, 0, sizeof req->params);
    for (i = 0; i < t->found.nparams; i++) req->params[i] = sse__req_text(req, t->found.params[i]);
    if (own) req->app->views->ask_hooks(req);
    if (own && !sse__req_answered(req)) sse__live_ask_guard(t->live, req);
    allowed = own && !sse__req_answered(req) && req->error != SSE_E_NOMEM;
    if (req->file) sse__block_drop(req->file->block);
    sse__req_forget_output(req);
    req->file        = NULL;
    req->failed      = false;
    req->status      = saved.status;
    req->path        = saved.path;
    req->query_text  = saved.query_text;
    req->query       = saved.query;
    req->attrs       = saved.attrs; /* what a guard sets is for the handler of its own route */
    req->param_names = saved.param_names;
    memcpy(req->params, saved.params, sizeof req->params);
    sse__req_set_phase(req, SSE__REQ_STREAMING);
    return allowed;
}

SSE_API int sse_stream_view(sse_stream s, const char *live_path) {
    static const char call[] = "sse_stream_view";
    sse__stream *stream;
    sse__target  t;
    sse_view    *view;
    int          error = sse__stream_may(s, SSE__USE_JOIN, call, &stream);
    if (error) return error;
    error = SSE_E_ARG;
    sse__target_find(&t, s.app, live_path ? live_path : "");
    if (t.live && stream->req &&
        (sse__req_may(stream->req, SSE__MAY_SHOW, call) ||
         !sse__live_guard_allows(&t, stream->req)))
        error = SSE_E_STATE; /* refused; or it is asked for by a guard that is being asked */
    else if (!sse__stream_lives(stream)) error = SSE_E_CLOSED; /* by what a guard did */
    else if (t.live && t.live->render) {
        view  = sse__view_get(&t, true);
        error = view ? sse__view_join(view, stream) : SSE_E_FULL;
    } else
        sse__refused(s.app, error, "%s: %s has the path %s", call,
                     t.live ? "a view of sse_live_each" : "no live view",
                     live_path ? live_path : "NULL");
    SSE_FREE(t.path);
    return error;
}

/* ---- touching -------------------------------------------------------------------------- */

/* All views of "/room/{id}", as it was given to sse_live; else the one of "/room/7": V4. On the
   loop. */
static int sse__touch_path(sse_app *app, const char *path) {
    sse__views  *views = app->views;
    sse_view    *view  = NULL;
    sse__group  *group = NULL;
    sse__live   *live  = NULL;
    sse__link   *link;
    sse__target  t;
    int          error = SSE_OK;
    for (link = views->lives.next; link != &views->lives && !live; link = link->next) {
        live = SSE__CONTAINER(link, sse__live, link);
        if (!sse__eq(sse__text(live->path), sse__text(path))) live = NULL;
    }
    if (live) {
        sse__live_mark(live);
        return SSE_OK;
    }
    sse__target_find(&t, app, path);
    if (t.live && t.live->render) view = sse__view_get(&t, false);
    else if (t.live) group = sse__group_find(&views->each, t.path);
    if (!t.path) error = SSE_E_NOMEM;
    else if (!t.live)
        error = sse__refused(app, SSE_E_ABSENT, "sse_touch: no live view has the path %s", path);
    if (view) sse__view_mark(view);
    for (link = group ? group->members.next : NULL; group && link != &group->members;
         link = link->next)
        sse__view_mark(SSE__CONTAINER(link, sse_view, in.link));
    SSE_FREE(t.path);
    return error;
}

static void sse__touch_posted(sse_app *app, void *user) {
    (void)sse__touch_path(app, (const char *)user);
    SSE_FREE(user);
}

SSE_API int sse_touch(sse_app *app, const char *path) {
    char *copy;
    int   error;
    if (!app) return SSE_E_ARG;
    if (!path || path[0] != '/')
        error = sse__refused(app, SSE_E_ARG, "sse_touch: %s: a path begins with /",
                             path ? path : "NULL");
    else if (sse__is_owner(app)) error = sse__touch_path(app, path);
    else {
        copy  = sse__strdup(sse__text(path));
        error = copy ? sse__app_post(app, sse__touch_posted, copy, strlen(copy)) : SSE_E_NOMEM;
        if (error) SSE_FREE(copy);
    }
    return sse__call_failed(app, error);
}

static void sse__views_free(sse_app *app) { /* no stream is left, so no view is */
    sse__views *views = app->views;
    while (!sse__list_empty(&views->lives)) {
        sse__live *live = SSE__CONTAINER(views->lives.next, sse__live, link);
        sse__list_remove(&live->link);
        sse__arena_free(&live->texts);
        SSE_FREE(live);
    }
    sse__map_free(&views->shared);
    sse__map_free(&views->each);
    sse_buf_free(&views->html);
}

/* The first live view brings the section in. routes: where views are found by path. ask_hooks:
   what a request must pass. */
static void sse__views_use(sse_app *app, sse__route_node *routes, void (*ask_hooks)(sse_req *req)) {
    app->views->routes           = routes;
    app->views->ask_hooks        = ask_hooks;
    app->stages[SSE__TURN_VIEWS] = sse__views_render;
    app->stages[SSE__FREE_VIEWS] = sse__views_free;
}

/*==========================================================================
  >>changes   commits to SQLite wake views and topics
  Uses: >>live >>topics >>posts >>db >>timers >>core >>loop >>sys
  Tests: tests/unit/changes.c

  Two counters of SQLite, each of which moves when ANOTHER connection commits
  (PRAGMA data_version), show whether there was a commit and whose it was; a
  third does where the disk's thread writes to the file (>>posts, D5):

      watcher's   ours        writer's    committed
      same        -           -           nothing: it was rolled back
      moved       same        -           we: the tables that >>db noted
      moved       moved       same        the writer: likewise
      moved       moved       moved       others, perhaps we too: any table

  When to look: after a turn in which our connection ran something, when
  inotify saw the files written, and now and then.

  G1  Views are told after the commit, when our connection can see it, and
      never from inside a callback of SQLite.
  G2  A commit is told at least once. Only names narrow it down, and only
      those of D4; where in doubt it is any table of the database.
  G3  At rest the loop wakes for the slow look and for nothing else.
==========================================================================*/

#ifndef SSE_NO_SQLITE

#include <sys/stat.h>

enum {
    SSE__LOOK_SOON_MS = 1, SSE__LOOK_SLOW_MS = 1000,
    SSE__LOOK_BLIND_MS = 100, /* blind: without inotify */
    SSE__WRITER_MS = 20
};

typedef struct sse__dbfile { /* main, temp or an attached database of our connection */
    struct sse__dbfile *next;
    char               *schema, *path, *dir; /* path "": in memory, ours alone */
    sse_buf             wal;     /* path of the WAL */
    sqlite3            *watcher; /* NULL: none; all that we ran is taken as committed */
    sqlite3_stmt       *watcher_version, *our_version;
    int                 watcher_saw, we_saw, writer_saw;
    dev_t               dev;
    ino_t               ino, wal_ino;
    bool                listed, deleted; /* deleted: no file has its name, and that was logged */
} sse__dbfile;

/* A database that is followed. */
typedef struct sse__changes sse__changes;
struct sse__changes {
    sse__changes *next; /* in app->changes */
    sse_app      *app;
    sse_db       *db;
    /* table: "main.msgs"; ptr NULL: any of db. It may mark what is to be rendered, no more. */
    void        (*fn)(sse_app *app, sse_db *db, sse_str table);
    sse__dbfile  *files;
    sse__alarm    alarm;     /* the next look; each is twice as far away as the last, until slow */
    int           delay_ms, slow_ms; /* delay_ms 0: starting */
    int           notify_fd; /* of inotify; -1: blind */
    int           total_changes;
    bool          waiting;   /* our connection is in a transaction, and shows an old state */
    bool          warned;
    bool          unverified; /* .tables of a live route were not compared with the database yet */
};

static void sse__changes_tell_all(sse__changes *ch) { ch->fn(ch->app, ch->db, sse__str(NULL, 0)); }

/* ---- inotify: the descriptor is readable after a change to what was added ---- */

#if defined(__linux__)
#include <sys/inotify.h>
static int sse__notify_open(void) { /* -1: not to be had */
    const int fd = SSE__SYS(inotify_init());
    if (fd < 0 || sse__set_flags(fd) == SSE_OK) return fd;
    close(fd);
    return -1;
}

static void sse__notify_add(int fd, const char *path, bool is_dir) { /* of a directory its names */
    const uint32_t names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
    (void)inotify_add_watch(fd, path, is_dir ? names : IN_MODIFY);
}
#else
static int  sse__notify_open(void) { return -1; }
static void sse__notify_add(int fd, const char *path, bool is_dir) {
    (void)fd, (void)path, (void)is_dir;
}
#endif

/* ---- files ---- */

static sqlite3_stmt *sse__version_prepare(sqlite3 *raw, const char *schema) { /* NULL: an error */
    char         *sql  = sqlite3_mprintf("PRAGMA \"%w\".data_version", schema);
    sqlite3_stmt *stmt = NULL;
    if (sql) sqlite3_prepare_v2(raw, sql, -1, &stmt, NULL);
    sqlite3_free(sql);
    return stmt;
}

static bool sse__version_read(sqlite3_stmt *stmt, int *version) { /* false: locked, or in trouble */
    const bool got = stmt && sqlite3_step(stmt) == SQLITE_ROW;
    if (got) *version = sqlite3_column_int(stmt, 0);
    sqlite3_reset(stmt);
    return got;
}

static void sse__dbfile_end_watcher(sse__dbfile *f) {
    sqlite3_finalize(f->watcher_version);
    sqlite3_close(f->watcher);
    f->watcher         = NULL;
    f->watcher_version = NULL;
}

static void sse__dbfile_close(sse__dbfile *f) {
    sse__dbfile_end_watcher(f);
    sqlite3_finalize(f->our_version);
    f->our_version = NULL;
}

static ino_t sse__dbfile_wal_ino(sse__dbfile *f) { /* 0: there is none, or nothing is in it */
    struct stat s;
    return stat(sse_buf_text(&f->wal), &s) == 0 && s.st_size > 0 ? s.st_ino : 0;
}

/* Opens the watcher, anew if there is one. It never waits for a lock: the loop would. Without it
   (in memory, encrypted) f still works, see sse__dbfile_who_committed. */
static void sse__dbfile_open(sse_db *db, sse__dbfile *f) {
    struct stat s;
    sse__dbfile_close(f);
    f->our_version = sse__version_prepare(db->raw, f->schema);
    (void)sse__version_read(f->our_version, &f->we_saw);
    if (!f->path[0] || stat(f->path, &s)) return;
    f->dev     = s.st_dev;
    f->ino     = s.st_ino;
    f->wal_ino = sse__dbfile_wal_ino(f);
    if (sqlite3_open_v2(f->path, &f->watcher, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
        f->watcher_version = sse__version_prepare(f->watcher, "main");
    if (!sse__version_read(f->watcher_version, &f->watcher_saw)) sse__dbfile_end_watcher(f);
}

static void sse__dbfile_free(sse__dbfile *f) {
    sse__dbfile_close(f);
    sse_buf_free(&f->wal);
    SSE_FREE(f->schema);
    SSE_FREE(f->path);
    SSE_FREE(f->dir);
    SSE_FREE(f);
}

static bool sse__dbfile_replaced(const sse__dbfile *f) { /* another file has taken its name */
    struct stat s;
    return f->path[0] && stat(f->path, &s) == 0 && (s.st_ino != f->ino || s.st_dev != f->dev);
}

/* ---- who committed ---- */

typedef enum sse__committer {
    SSE__BY_NOBODY, SSE__BY_US, SSE__BY_OTHERS, SSE__BY_UNKNOWN
} sse__committer;

/* The writer's counter, if ours has moved. While the thread has the writer, the loop cannot ask it,
   and it may have committed already: unknown, but not for long. */
static sse__committer sse__dbfile_ask_writer(sse__dbfile *f, const sse_db *db) {
    const sse_db  *w   = db->writer;
    const int      saw = f->writer_saw;
    sqlite3_stmt  *version;
    bool           got;
    if (!w || strcmp(f->schema, "main") != 0) return SSE__BY_OTHERS;
    if (db->writer_jobs)
        return sse__clock_ms() - db->writer_since < SSE__WRITER_MS ? SSE__BY_UNKNOWN
                                                                   : SSE__BY_OTHERS;
    version = w->raw ? sse__version_prepare(w->raw, "main") : NULL;
    got     = sse__version_read(version, &f->writer_saw);
    sqlite3_finalize(version);
    return got && f->writer_saw == saw ? SSE__BY_US : SSE__BY_OTHERS;
}

/* The table above. The watcher is asked first: a commit between the questions then counts as
   another's. */
static sse__committer sse__dbfile_who_committed(sse__dbfile *f, const sse_db *db) {
    int            watcher_sees = 0, we_see;
    sse__committer by;
    if (f->watcher && !sse__version_read(f->watcher_version, &watcher_sees)) return SSE__BY_UNKNOWN;
    if (f->watcher && watcher_sees == f->watcher_saw) return SSE__BY_NOBODY;
    if (!sse__version_read(f->our_version, &we_see)) return SSE__BY_UNKNOWN;
    by = sse__dbfile_ask_writer(f, db); /* in any case: it notes what the writer sees now */
    if (we_see == f->we_saw) by = SSE__BY_US;
    if (by == SSE__BY_UNKNOWN) return by;
    f->watcher_saw = watcher_sees;
    f->we_saw      = we_see;
    return by;
}

static void sse__changes_tell_names(sse__changes *ch, sse_str schema, const sse__table_set *set) {
    size_t at;
    for (at = 0; at < set->list.len; at += strlen(set->list.ptr + at) + 1) {
        const sse_str name = sse__text(set->list.ptr + at);
        if (name.len > schema.len && name.ptr[schema.len] == '.' &&
            sse__eq_nocase(sse__str(name.ptr, schema.len), schema))
            ch->fn(ch->app, ch->db, name);
    }
}

static void sse__changes_tell_ours(sse__changes *ch, const sse__dbfile *f, bool wrote) {
    const sse_db *db = ch->db;
    if (!f->watcher && !wrote) return;
    if (db->pending.all || db->raw_writes.all || !sse__db_sees_tables(ch->db)) { /* G2 */
        sse__changes_tell_all(ch);
        return;
    }
    sse__changes_tell_names(ch, sse__text(f->schema), &db->pending);
    sse__changes_tell_names(ch, sse__text(f->schema), &db->raw_writes);
}

/* Whether our connection may have written. */
static bool sse__changes_wrote(const sse__changes *ch) {
    const sse_db *db = ch->db;
    return db->pending.all || db->pending.list.len ||
           sqlite3_total_changes(db->raw) != ch->total_changes;
}

static void sse__changes_schedule(sse__changes *ch, int delay_ms) {
    ch->delay_ms = delay_ms < ch->slow_ms ? delay_ms : ch->slow_ms;
    sse__alarm_set(&ch->app->loop.wheel, &ch->alarm, sse__clock_ms() + (uint64_t)ch->delay_ms);
}

/* False: something is not known yet, look again. */
static bool sse__changes_check(sse__changes *ch) {
    sse_db      *db      = ch->db;
    const bool   wrote   = sse__changes_wrote(ch);
    const int    total   = sqlite3_total_changes(db->raw);
    bool         settled = true;
    sse__dbfile *f;
    ch->waiting = !sse__db_is_idle(db);
    if (ch->waiting) return false; /* G1 */
    for (f = ch->files; f; f = f->next)
        switch (sse__dbfile_who_committed(f, db)) {
        case SSE__BY_US: sse__changes_tell_ours(ch, f, wrote); break;
        case SSE__BY_OTHERS: sse__changes_tell_all(ch); break;
        case SSE__BY_UNKNOWN: settled = false; break;
        case SSE__BY_NOBODY: break;
        }
    if (!settled) return false;
    sse__table_set_clear(&db->pending);
    ch->total_changes = total;
    return true;
}

/* ---- keeping the list of files ---- */

static void sse__changes_close_files(sse__changes *ch) {
    while (ch->files) {
        sse__dbfile *f = ch->files;
        ch->files = f->next;
        sse__dbfile_free(f);
    }
}

static void sse__changes_list(sse__changes *ch, const char *schema, const char *path) {
    const char  *slash = strrchr(path, '/');
    sse__dbfile *f     = ch->files;
    bool         known;
    while (f && (strcmp(f->schema, schema) != 0 || strcmp(f->path, path) != 0)) f = f->next;
    known = f != NULL;
    if (!known) {
        f = SSE__NEW(sse__dbfile);
        if (!f) return; /* the next look tries again */
        f->schema = sse__strdup(sse__text(schema));
        f->path   = sse__strdup(sse__text(path));
        f->dir    = sse__strdup(sse__str(path, slash ? (size_t)(slash - path) + 1 : 0));
        sse_printf(&f->wal, "%s-wal", path);
        if (!f->schema || !f->path || !f->dir || f->wal.error) {
            sse__dbfile_free(f);
            return;
        }
        f->next   = ch->files;
        ch->files = f;
    }
    if (!known || (f->path[0] && !f->watcher && ch->delay_ms >= ch->slow_ms)) {
        sse__dbfile_open(ch->db, f);
        if (known ? f->watcher != NULL : ch->delay_ms != 0) sse__changes_tell_all(ch);
    }
    f->listed = true;
    if (ch->notify_fd < 0 || !slash) return;
    /* Writes, and files that come and go, as journals do. Each look asks again, as a WAL may be a
       new file; for a file that is watched already that changes nothing. */
    sse__notify_add(ch->notify_fd, f->path, false);
    sse__notify_add(ch->notify_fd, sse_buf_text(&f->wal), false);
    sse__notify_add(ch->notify_fd, f->dir, true);
}

/* Brings the list in line with the databases that our connection has attached now. */
static void sse__changes_refresh(sse__changes *ch) {
    sqlite3_stmt *stmt = NULL;
    sse__dbfile **link = &ch->files, *f;
    int           rc = SQLITE_ERROR;
    for (f = ch->files; f; f = f->next) f->listed = false;
    sqlite3_prepare_v2(ch->db->raw, "PRAGMA database_list", -1, &stmt, NULL);
    while (stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *schema = (const char *)sqlite3_column_text(stmt, 1);
        const char *path   = (const char *)sqlite3_column_text(stmt, 2);
        if (schema) sse__changes_list(ch, schema, path ? path : "");
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_DONE) return;
    ch->db->schemas_changed = false;
    while ((f = *link) != NULL) {
        if (f->listed) {
            link = &f->next;
            continue;
        }
        *link = f->next;
        sse__dbfile_free(f);
    }
}

/* Another file has taken the name of ours, a backup say. Our connection still shows the old one and
   refuses to write: it is opened anew. A WAL that still belongs to the old file would be taken for
   part of the new one: that is for a human. */
static void sse__changes_reopen_replaced(sse__changes *ch) {
    sse__dbfile *f = ch->files;
    bool         old_wal;
    while (f && !sse__dbfile_replaced(f)) f = f->next;
    if (!f || !sse__db_is_idle(ch->db)) return;
    old_wal = f->wal_ino && f->wal_ino == sse__dbfile_wal_ino(f);
    if (old_wal || sse__db_reopen(ch->db) != SSE_OK) {
        if (!ch->warned)
            sse__log(ch->app, SSE_LOG_ERROR, "%s was replaced and cannot be opened anew%s: restart",
                     f->path, old_wal ? ", the old -wal is still there" : "");
        ch->warned = true;
        return;
    }
    ch->warned = false;
    sse__log(ch->app, SSE_LOG_WARNING, "%s was replaced: opened the new one", f->path);
    sse__changes_close_files(ch);
    sse__changes_refresh(ch);
    sse__changes_tell_all(ch);
}

/* A file that was deleted lives on for our connection alone, and SQLite goes on as if nothing had
   happened. */
static void sse__changes_report_deleted(sse__changes *ch) {
    sse__dbfile *f;
    struct stat  s;
    for (f = ch->files; f; f = f->next) {
        const bool deleted = f->ino && stat(f->path, &s) && errno == ENOENT;
        if (deleted && !f->deleted)
            sse__log(ch->app, SSE_LOG_ERROR, "%s was deleted: what is in it ends with this process "
                     "(VACUUM INTO saves it)", f->path);
        f->deleted = deleted;
    }
}

/* ---- when to look ---- */

static void sse__changes_noticed(sse_app *app, int fd, int events, void *user) { /* inotify */
    sse__changes *ch = (sse__changes *)user;
    char          bytes[4096];
    (void)app, (void)events;
    while (SSE__SYS(read(fd, bytes, sizeof bytes)) > 0) {}
    (void)sse__changes_check(ch);
    /* It comes before the commit can be seen, so look again shortly, backing off. */
    sse__changes_schedule(ch, SSE__LOOK_SOON_MS);
}

static void sse__changes_tick(sse__alarm *alarm) {
    sse__changes *ch = SSE__CONTAINER(alarm, sse__changes, alarm);
    sse__changes_reopen_replaced(ch);
    sse__changes_report_deleted(ch);
    sse__changes_refresh(ch);
    (void)sse__changes_check(ch);
    if (ch->waiting && !ch->warned && ch->delay_ms >= ch->slow_ms / 2) {
        sqlite3_stmt *stmt = sse__db_busy_statement(ch->db);
        sse__log(ch->app, SSE_LOG_WARNING, "views wait for the end of %s%s",
                 stmt ? "a query that is still open (sse_db_done): " : "a transaction",
                 stmt ? sqlite3_sql(stmt) : "");
        ch->warned = true;
    }
    sse__changes_schedule(ch, ch->delay_ms * 2); /* G3 */
}

/* The first word of tables that is no table of db, such as a view or a misspelling, which nothing
   would ever wake; else absent. */
static sse_str sse__changes_unknown(sse_db *db, sse_str tables) {
    while (tables.ptr) {
        const sse_str word = sse__cut(&tables, ' ', false);
        if (word.len && !sse__db_has_table(db, word)) return word;
    }
    return sse__str(NULL, 0);
}

/* Late, so that tables may be created after the routes. */
static void sse__changes_verify(sse__changes *ch) {
    sse__link *link, *lives = &ch->app->views->lives;
    ch->unverified = false;
    for (link = lives->next; link != lives; link = link->next) {
        sse__live *live = SSE__CONTAINER(link, sse__live, link);
        sse_str    word = sse__str(NULL, 0);
        if (live->db == ch->db) word = sse__changes_unknown(ch->db, sse__text(live->tables));
        if (!word.ptr) continue;
        sse__log(ch->app, SSE_LOG_WARNING,
                 "live view %s: .tables: %.*s is no table of %s: it follows all tables", live->path,
                 SSE_STR(word), ch->db->file ? ch->db->file : "its database");
        live->tables = NULL; /* G2 */
    }
}

/* After a turn of the loop, before views render. Costs next to nothing if no connection of ours ran
   anything. */
static void sse__changes_look(sse_app *app) {
    sse__changes *ch;
    for (ch = app->changes; ch; ch = ch->next) {
        if (ch->unverified) sse__changes_verify(ch);
        if (ch->db->schemas_changed) sse__changes_refresh(ch);
        if (!ch->waiting && !sse__changes_wrote(ch)) continue;
        if (!sse__changes_check(ch) && ch->delay_ms >= ch->slow_ms)
            sse__changes_schedule(ch, SSE__LOOK_SOON_MS);
    }
}

/* ---- beginning and end ---- */

static void sse__changes_end(void *user) { /* also when the program closes the database */
    sse__changes  *ch   = (sse__changes *)user;
    sse__changes **link = &ch->app->changes;
    while (*link != ch) link = &(*link)->next;
    *link = ch->next;
    sse__alarm_cancel(&ch->alarm);
    if (ch->notify_fd >= 0) {
        sse_watch(ch->app, ch->notify_fd, 0, NULL, NULL);
        close(ch->notify_fd);
    }
    sse__changes_close_files(ch);
    ch->db->on_close = NULL;
    SSE_FREE(ch);
}

static void sse__changes_stop(sse_app *app) {
    while (app->changes) sse__changes_end(app->changes);
}

static void sse__changes_to_all(sse_app *app, sse_db *db, sse_str table) {
    sse__views_changed(app, db, table);
    sse__outboxes_changed(app, db, table);
}

/* Follows db from now on, until sse__changes_stop or sse_db_close: a live route or a topic names
   it. Returns 0; the error of a failed database; SSE_E_STATE if another app follows it. */
static int sse__changes_watch(sse_app *app, sse_db *db) {
    sse__changes *ch = app->changes;
    app->stages[SSE__TURN_CHANGES] = sse__changes_look;
    app->stages[SSE__END_CHANGES]  = sse__changes_stop;
    while (ch && ch->db != db) ch = ch->next;
    if (ch) {
        ch->unverified = true;
        return SSE_OK;
    }
    if (sse__db_open_error(db)) return sse__db_open_error(db);
    if (db->on_close) return SSE_E_STATE;
    ch = SSE__NEW(sse__changes);
    if (!ch) return SSE_E_NOMEM;
    ch->app           = app;
    ch->db            = db;
    ch->fn            = sse__changes_to_all;
    ch->unverified    = true;
    ch->alarm.fn      = sse__changes_tick;
    ch->total_changes = sqlite3_total_changes(db->raw);
    ch->slow_ms       = SSE__LOOK_SLOW_MS;
    ch->notify_fd     = sse__notify_open();
    if (ch->notify_fd >= 0 && sse_watch(app, ch->notify_fd, SSE_READ, sse__changes_noticed, ch)) {
        close(ch->notify_fd);
        ch->notify_fd = -1;
    }
    if (ch->notify_fd < 0) ch->slow_ms = SSE__LOOK_BLIND_MS;
    ch->next          = app->changes;
    app->changes      = ch;
    db->on_close      = sse__changes_end;
    db->on_close_user = ch;
    sse__changes_refresh(ch);
    sse__changes_schedule(ch, SSE__LOOK_SOON_MS);
    return SSE_OK;
}

#else

static int sse__changes_watch(sse_app *app, sse_db *db) {
    (void)app;
    return sse__db_open_error(db);
}

#endif /* SSE_NO_SQLITE */

/* The words for sse_topic_from_table's errors. */
static const char *sse__feed_fault(sse_db *db, int error) {
    if (error == SSE_E_ARG)
        return "the SELECT needs one ? for the id to go on after, and gives id, data and, if "
               "wanted, the event's name";
    if (error == SSE_E_STATE)
        return "in use already, or it has a history, or db belongs to another app";
    return sse__db_why(db, error);
}

SSE_API int sse_topic_from_table(sse_app *app, const char *topic, sse_db *db, const char *sql) {
    int error;
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    if (!topic || !*topic || !sql)
        return sse__refuse(app, SSE_E_ARG, "sse_topic_from_table: %s",
                           sql ? "a topic without a name" : "sql is NULL");
    if (!db) return sse__refuse(app, SSE_E_ARG, "topic %s from a table: db is NULL", topic);
    error = sse__changes_watch(app, db);
    if (!error) error = sse__topic_add_outbox(app, topic, db, sql);
    if (!error) return SSE_OK;
    return sse__refuse(app, error, "topic %s from a table: %s", topic, sse__feed_fault(db, error));
}

/*==========================================================================
  >>app   routes, hooks, guards, one request from head to log
  Uses: >>live >>topics >>stream >>reply >>route   Tests: tests/wire/replies.test.mjs

  head [on_head] --> its request, its route --> body, if any [on_request]
      --> Host, CORS, Origin --> hooks --> 404, 405, OPTIONS
      --> guard --> handler --> [req_conclude] --> on_reply, logs
==========================================================================*/

/* upcalls, defined in >>client */
static void sse__client_write(sse_buf *b);

#ifndef SSE_NO_CLIENT
#define SSE__HAS_CLIENT 1
#else
#define SSE__HAS_CLIENT 0
#endif

typedef struct sse__hook { /* of sse_before */
    struct sse__hook *next;
    char             *prefix; /* right behind this struct; "": all paths */
    sse_handler       fn;
    void             *user;
} sse__hook;

typedef struct sse__router {
    sse__route_node root;
    sse__hook      *before;
    sse__link       kept;  /* requests that outlive their handlers; freed with the app */
    sse_req        *spare; /* kept for the next: most are answered before another comes */
} sse__router;

/* ---- guards against other pages ------------------------------------------- */

static bool sse__host_is_local(sse_str name) {
    const sse_str suffix = SSE__LIT(".localhost");
    if (sse__is_word(name, "localhost") || sse__is_word(name, "[::1]")) return true;
    if (sse__is_ipv4(name)) return sse__starts(name, SSE__LIT("127."));
    return name.len > suffix.len &&
           sse__eq_nocase(sse__str_skip(name, name.len - suffix.len), suffix);
}

/* DNS rebinding: a page whose name resolves to this machine is known by the Host it sends. */
static bool sse__req_host_ok(const sse_req *req) {
    const char *allowed = req->app->options.allowed_hosts, *tunnel = req->app->tunnel_host;
    sse__host   host;
    if (!req->head.host.len) return true; /* HTTP/1.0 */
    if (!sse__host_parse(sse__slice_str(req->bytes, req->head.host), &host)) return false;
    if (tunnel && sse__is_word(host.name, tunnel)) return true;
    if (allowed) return sse__wordlist_has(allowed, host.name);
    return !req->conn->loopback || sse__host_is_local(host.name);
}

/* Browsers say on every unsafe request (RFC 9110 9.2.1) which page it comes from; programs that
   are no browser say nothing. */
static bool sse__req_origin_ok(const sse_req *req) {
    const sse_app_options *o = &req->app->options;
    const sse_str text = sse__req_field(req, SSE__FIELD_ORIGIN);
    sse__origin   origin;
    sse__host     host;
    if (sse__req_is(req, "GET") || sse__req_is(req, "HEAD") || sse__req_is(req, "OPTIONS"))
        return true;
    if (!text.ptr)
        return !sse__is_word(sse__req_field(req, SSE__FIELD_SEC_FETCH_SITE), "cross-site");
    if (sse__wordlist_has(o->allowed_origins, text) || sse__wordlist_has(o->cors_origins, text))
        return true;
    return sse__origin_parse(text, &origin) && origin.scheme.ptr &&
           sse__host_parse(sse__slice_str(req->bytes, req->head.host), &host) &&
           sse__origin_is_host(&origin, &host);
}

/* Fetch standard 3.2. True: it was a preflight, and is answered. */
static bool sse__req_cors(sse_req *req) {
    const sse_app_options *o = &req->app->options;
    const char *origin, *method, *headers;
    if (!o->cors_origins) return false;
    sse_set_header(req, "Vary", "Origin"); /* of a refusal too: each page has its own */
    origin = sse_header(req, "origin");
    if (!origin || !sse__wordlist_has(o->cors_origins, sse__text(origin))) return false;
    sse_set_header(req, "Access-Control-Allow-Origin", origin);
    if (o->cors_credentials) sse_set_header(req, "Access-Control-Allow-Credentials", "true");
    method = sse_header(req, "access-control-request-method");
    if (!method || !sse__req_is(req, "OPTIONS")) return false;
    sse_set_header(req, "Access-Control-Allow-Methods", method);
    headers = sse_header(req, "access-control-request-headers");
    if (headers) sse_set_header(req, "Access-Control-Allow-Headers", headers);
    sse_set_header(req, "Access-Control-Max-Age", "600");
    sse_set_status(req, 204);
    return true;
}

/* ---- finding its handler ---------------------------------------------------- */

/* Sets req->route and its params; without a route, req->others. */
static void sse__req_route(sse_req *req) {
    static const char *const rest_name[] = {"path", NULL};
    sse__route_match m;
    const bool  found = sse__route_find(&req->app->router->root, sse__text(req->path), &m);
    sse__route *list  = found ? m.at->routes : m.mount ? m.mount->mounts : NULL;
    int         i;
    req->others = list;
    req->route  = sse__route_of(list, sse__slice_str(req->bytes, req->head.method));
    if (!req->route && req->head_only) /* its body is dropped when it is sent */
        req->route = sse__route_of(list, SSE__LIT("GET"));
    if (!req->route) return;
    req->param_names = found ? (const char *const *)req->route->names : rest_name;
    for (i = 0; found && i < m.nparams; i++) req->params[i] = sse__req_text(req, m.params[i]);
    if (!found) req->params[0] = sse__req_text(req, m.rest);
}

/* There is no route for it: 404, 405, or what OPTIONS asks for. */
static void sse__req_not_found(sse_req *req) {
    const sse__route *other = req->others;
    sse_buf           allow = {NULL, 0, 0, SSE_OK};
    if (!other) {
        sse_fail(req, 404, "there is nothing at %s", req->path);
        return;
    }
    for (; other; other = other->next)
        sse_printf(&allow, strcmp(other->method, "GET") ? "%s, " : "%s, HEAD, ", other->method);
    sse_puts(&allow, "OPTIONS");
    if (sse__req_is(req, "OPTIONS")) sse_set_status(req, 204);
    else
        sse_fail(req, 405, "%s is not allowed here, but %s", sse_method(req), sse_buf_text(&allow));
    sse_set_header(req, "Allow", sse_buf_text(&allow));
    sse_buf_free(&allow);
}

/* "/a" holds /a and /a/b, not /ab. */
static bool sse__path_below(const char *path, const char *prefix) {
    const size_t n = strlen(prefix);
    if (!n || strncmp(path, prefix, n) != 0) return !n;
    return !path[n] || path[n] == '/' || path[n - 1] == '/';
}

/* The first hook for its path, from there on. */
static sse__hook *sse__req_hook(const sse_req *req, sse__hook *from) {
    while (from && !sse__path_below(req->path, from->prefix)) from = from->next;
    return from;
}

static void sse__req_ask_hooks(sse_req *req) { /* until one has answered */
    sse__hook *hook = sse__req_hook(req, req->app->router->before);
    sse__upcall upcall;
    for (; hook && !sse__req_answered(req); hook = sse__req_hook(req, hook->next)) {
        upcall = sse__upcall_begin(req->app, SSE__IN_HOOK);
        hook->fn(req, hook->user);
        sse__upcall_end(&upcall, " of %s", *hook->prefix ? hook->prefix : "all paths");
    }
}

/* fn: of its route; NULL: there is none. */
static void sse__req_call(sse_req *req, int kind, sse_handler fn) {
    const sse__route *route  = req->route;
    const sse__upcall upcall = sse__upcall_begin(fn ? req->app : NULL, kind);
    if (fn) fn(req, route->user);
    sse__upcall_end(&upcall, " of %s %s", route->method, route->path);
}

static void sse__req_dispatch(sse_req *req) {
    if (req->path[0] == '*') { /* OPTIONS *, RFC 9110 9.3.7 */
        sse_set_status(req, 204);
        return;
    }
    if (req->denied == 421) {
        sse__log(req->app, sse__log_level_limited(req->app, &req->app->host_warned_ms),
                 "refused a request for the host \"%.*s\": if it is yours, add it to allowed_hosts",
                 SSE_STR(sse__slice_str(req->bytes, req->head.host)));
        sse_fail(req, 421, "this server does not answer for that host; "
                           "if it is yours, add it to allowed_hosts");
        return;
    }
    if (sse__req_cors(req)) return; /* before logins: a browser sends no cookie with a preflight */
    if (req->denied) {
        sse_fail(req, 403, "a page of another origin may not do this; "
                           "if it is yours, add it to allowed_origins");
        return;
    }
    sse__req_ask_hooks(req);
    if (sse__req_answered(req)) return;
    if (req->error == SSE_E_NOMEM) return; /* what a hook should have set may be missing */
    if (!req->route) {
        sse__req_not_found(req);
        return;
    }
    sse__req_call(req, SSE__IN_GUARD, req->route->guard);
    if (!sse__req_answered(req)) sse__req_call(req, SSE__IN_HANDLER, req->route->fn);
}

/* ---- logs of requests ------------------------------------------------------------ */

/* Common log format: peer, two fields that nobody fills, time, request line, status, bytes of the
   body. Nothing in the target can end its quotes or the line. */
static void sse__req_log_access(sse_req *req) {
    const sse_str target = sse__slice_str(req->bytes, req->head.target);
    sse_app      *app    = req->app;
    sse_buf       b      = {NULL, 0, 0, SSE_OK};
    char          when[30];
    size_t        i;
    sse__date_write(when, (int64_t)time(NULL)); /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    when[7] = when[11] = '/';
    sse_printf(&b, "%s - - [%.11s:%.8s +0000] \"%s ", sse_peer(req), when + 5, when + 17,
               sse_method(req));
    for (i = 0; i < target.len; i++) {
        const unsigned char c = (unsigned char)target.ptr[i];
        if (c == '"' || c == '\\') sse__put_char(&b, '\\');
        if (c < 0x20 || c >= 0x7F) sse_printf(&b, "\\x%02x", c);
        else sse__put_char(&b, (char)c);
    }
    sse_printf(&b, " HTTP/1.%d\" %d %llu", req->head.minor, req->status,
               (unsigned long long)req->sent);
    if (app->options.on_log) app->options.on_log(SSE_LOG_INFO, sse_buf_text(&b), app->options.user);
    else fprintf(stderr, "%s\n", sse_buf_text(&b));
    sse_buf_free(&b);
}

static void sse__req_log_topic(sse_req *req) {
    sse_event event;
    memset(&event, 0, sizeof event);
    event.data = sse_fmt(req, "%s %s %d", sse_method(req), req->path, req->status);
    (void)sse_publish(req->app, req->app->topic_of_log, &event);
}

SSE_API int sse_log_access(sse_app *app) {
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    app->log_access = sse__req_log_access;
    return SSE_OK;
}

SSE_API int sse_log_topic(sse_app *app, const char *topic) {
    char *copy;
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    if (!sse__nonempty(topic))
        return sse__refuse(app, SSE_E_ARG, "sse_log_topic: a topic without a name");
    copy = sse__strdup(sse__text(topic));
    if (!copy) return SSE_E_NOMEM;
    SSE_FREE(app->topic_of_log);
    app->topic_of_log = copy;
    app->log_topic    = sse__req_log_topic;
    return SSE_OK;
}

/* ---- the end of a request ------------------------------------------------------- */

/* The last call of its body's reader, if more was to come: the client left, or the program did not
   wait for it. */
static void sse__req_end_body(sse_req *req) {
    const sse_body_fn fn = req->body_fn;
    req->body_fn = NULL;
    if (fn) (void)fn(req, sse__str(NULL, 0), SSE_E_CLOSED, req->body_user);
}

/* Sends what the handler left, tells on_reply and the logs; frees it, or keeps it for the next. */
static void sse__req_conclude(sse_req *req) {
    const bool streaming = req->phase == SSE__REQ_STREAMING;
    sse_app   *app = req->app;
    sse__conn *c;
    sse__upcall upcall;
    sse__req_end_body(req);
    sse__req_set_phase(req, SSE__REQ_CONCLUDED);
    c = req->conn;
    if (c) c->req = NULL;
    if (c && c->net->told != req->told) c->after = c->net->told;
    if (req->stream) app->stream_begun(req->stream);
    if (c && !streaming) {
        sse__conn_skip_body(c);
        if (req->file && !req->failed && !req->headers.error) app->file_answer(req);
        else sse__reply_answer(req);
        sse__conn_reply_end(c);
    }
    if (req->status >= 500) app->net->counts.replies_5xx++;
    else if (req->status >= 400) app->net->counts.replies_4xx++;
    if (!c && !req->status) req->status = 499; /* for the log: the client left before its reply */
    if (app->options.on_reply) {
        upcall = sse__upcall_begin(app, SSE__IN_REPLY);
        app->options.on_reply(req, app->options.user);
        sse__upcall_end(&upcall, " to %s", req->path);
    }
    if (app->log_topic) app->log_topic(req);
    if (app->log_access) app->log_access(req);
    if (app->router->spare) {
        sse__req_free(req);
        return;
    }
    sse__req_reset(req);
    app->router->spare = req;
}

enum { SSE__UNANSWERED_MS = 60000 };

/* sse_finish was called; or nobody has for a minute, which is said once: a request that is lost is
   memory that is lost, and a client that waits. */
static void sse__req_finish_alarm(sse__alarm *alarm) {
    sse_req *req = SSE__CONTAINER(alarm, sse_req, finish);
    if (req->phase == SSE__REQ_FINISHED) sse__req_conclude(req);
    else
        sse__log(req->app, SSE_LOG_WARNING, "%s %s was deferred a minute ago and is not answered "
                 "yet%s: sse_finish does that", sse_method(req), req->path,
                 req->conn ? "" : " (its client has left)");
}

static void sse__req_after(sse_req *req) { /* its handler, or its body's reader, has returned */
    if (req->phase != SSE__REQ_HANDLED || !(req->deferred || req->body_fn)) {
        sse__req_conclude(req);
        return;
    }
    sse__req_set_phase(req, SSE__REQ_WAITING);
    if (req->deferred && !req->watched)
        sse__alarm_set(&req->app->loop.wheel, &req->finish,
                       req->app->loop.wheel.now + SSE__UNANSWERED_MS);
    req->watched = req->deferred;
    if (!req->kept.next) sse__list_add(&req->app->router->kept, &req->kept);
    if (!req->input.ptr) sse__conn_take_input(req->conn, &req->input); /* R1 */
    req->conn->req = req;
    if (req->body_fn && !req->conn->paused) sse__conn_continue(req->conn);
}

/* A call with a database has failed while its handler, or its body's reader, ran. A reply that says
   nothing of it may be one that nobody meant. */
static void sse__req_db_failed(sse_req *req) {
    (void)sse__req_error(req, SSE_E_DB);
    if (req->failed || req->status >= 400 || !sse__db_log_due(req->app)) return;
    sse__log(req->app, SSE_LOG_WARNING, "%s %s: a database call failed: %s", sse_method(req),
             req->path, sse__db_faults.words);
}

/* ---- upcalls of >>conn ------------------------------------------------------------- */

/* A request without a length has no body (RFC 9112 6.3), but one that shows it meant to have one is
   told so: what follows it would be read as the next request. HTTP/1.0 must give a length with POST
   (RFC 1945 8.3). */
static bool sse__req_lacks_length(const sse_req *req) {
    if (req->head.has_length || req->head.chunked) return false;
    if (!sse__req_is(req, "POST") && !sse__req_is(req, "PUT") && !sse__req_is(req, "PATCH"))
        return false;
    return req->head.minor == 0 || sse__req_field(req, SSE__FIELD_CONTENT_TYPE).ptr;
}

static bool sse__has_nul(sse_str query) { /* "%00" */
    size_t i;
    for (i = 0; i + 2 < query.len; i++)
        if (memcmp(query.ptr + i, "%00", 3) == 0) return true;
    return false;
}

/* Points it into the connection's input, which may have moved. */
static void sse__req_bind(sse_req *req, char *bytes, const sse__head *head) {
    req->bytes = bytes;
    req->head  = *head;
    if (head->query.at) req->query_text = sse__slice_str(bytes, head->query);
}

/* NULL: no memory. */
static sse_req *sse__req_begin(sse__conn *c, char *bytes, const sse__head *head) {
    sse_app *app = c->net->app;
    sse_req *req = app->router->spare ? app->router->spare : SSE__NEW(sse_req);
    if (!req) return NULL;
    app->router->spare = NULL;
    req->app       = app;
    req->conn      = c;
    req->peer      = c->peer;
    req->finish.fn = sse__req_finish_alarm;
    sse__req_bind(req, bytes, head);
    req->head_only = sse__req_is(req, "HEAD");
    return req;
}

/* Makes the request, finds its route, and says what is known before a byte of its body is taken. */
static int sse__on_head(sse__conn *c, char *bytes, const sse__head *head) {
    const sse_str path = sse__slice_str(bytes, head->path);
    sse_app      *app  = c->net->app;
    sse_req      *req  = sse__req_begin(c, bytes, head);
    char         *decoded;
    c->req = req;
    if (!req) return 503;
    req->path = decoded = (char *)sse__arena_get(&req->arena, path.len + 2);
    if (!decoded) return 503;
    if (sse__path_decode(decoded, path) < 0) return 400;
    sse__req_route(req);
    if (req->error == SSE_E_NOMEM) return 503;
    if (sse__has_nul(req->query_text) && !(req->route && req->route->binary_query)) return 400;
    if (sse__req_lacks_length(req)) return 411;
    if (!sse__req_host_ok(req)) req->denied = 421;
    else if (!sse__req_origin_ok(req)) req->denied = 403;
    c->in_place      = req->route && req->route->body_later;
    c->net->max_body = app->options.max_body_bytes;
    if (req->route && req->route->max_body_bytes) c->net->max_body = req->route->max_body_bytes;
    if (req->denied || (!req->route && !sse__req_hook(req, app->router->before))) {
        c->in_place      = true; /* the answer is no, whatever the body is: it need not be sent */
        c->net->max_body = SSE_UNLIMITED;
    }
    return 0;
}

/* Hands the program a piece of its body. The call that ends it, by status or by its own answer, is
   the last. */
static void sse__on_body(sse__conn *c, sse_str chunk, int status) {
    const unsigned long failures = sse__db_error_count();
    sse_req            *req = c->req;
    sse__upcall         upcall;
    int                 rc;
    if (!req || !req->body_fn || req->phase == SSE__REQ_FINISHED) return;
    if (req->phase == SSE__REQ_WAITING) sse__req_set_phase(req, SSE__REQ_HANDLED);
    req->app->call_error = SSE_OK;
    upcall = sse__upcall_begin(req->app, SSE__IN_BODY);
    rc     = req->body_fn(req, chunk, status, req->body_user);
    sse__upcall_end(&upcall, " of %s", req->path);
    if (sse__db_error_count() != failures) sse__req_db_failed(req);
    if (req->app->call_error) req->call_error = req->app->call_error;
    if (status != 1 || rc) req->body_fn = NULL;
    sse__req_after(req);
}

static void sse__on_request(sse__conn *c, char *bytes, const sse__head *head, sse_str body) {
    const unsigned long failures = sse__db_error_count();
    sse_req            *req = c->req;
    c->req = NULL; /* its handler may close the connection */
    sse__req_bind(req, bytes, head);
    sse__req_set_phase(req, SSE__REQ_HANDLED);
    req->thread = sse__thread_self();
    req->told   = c->net->told;
    req->body   = body;
    req->held   = c->held; /* C6: it may outlive the connection */
    c->held     = 0;
    req->app->call_error = SSE_OK;
    sse__req_dispatch(req);
    req->call_error = req->app->call_error;
    if (sse__db_error_count() != failures) sse__req_db_failed(req);
    if (!req->body_fn || c->state == SSE__BODY) {
        sse__req_after(req);
        return;
    }
    c->req = req; /* it asked for a body of no bytes */
    sse__on_body(c, sse__str(NULL, 0), 0);
}

/* A deferred request lives on until sse_finish. */
static void sse__on_gone(sse__conn *c) {
    sse_req *req = c->req;
    c->req    = NULL;
    req->conn = NULL;
    sse__req_end_body(req);
    if (!req->deferred) sse__req_free(req);
}

/* ---- setting up: routes ----------------------------------------------------------------- */

static const char *sse__method_fault(sse_str method) { /* NULL: none */
    const char *const known = "GET HEAD POST PUT PATCH DELETE OPTIONS";
    size_t i;
    if (!sse__is_token(method)) return ".method is no token: \"GET\", \"POST\", ...; \"*\": all";
    for (i = 0; i < method.len && sse__wordlist_has(known, method); i++)
        if (method.ptr[i] >= 'a') return ".method is case-sensitive: write it in capitals";
    return NULL;
}

/* Adds a route, or a mount, like r, whose texts are copied. Takes r->user if there is r->free_user,
   on failure too. */
static int sse__route_make(sse_app *app, const sse__route *r, bool mount) {
    const char *what  = mount ? "mount" : "route", *path = r->path ? r->path : "";
    const char *fault = sse__method_fault(sse__text(r->method));
    const bool  here  = !app || sse__on_loop(app);
    const sse__route *taken = NULL;
    sse__route       *route = NULL;
    size_t            n     = strlen(path);
    int               error = SSE_E_NOMEM;
    if (!r->fn) fault = "the handler is NULL";
    if (mount && !n) fault = "for the root write /";
    if (!r->path) fault = mount ? "prefix is NULL" : "path is NULL";
    if (app && here && !fault) route = SSE__NEW(sse__route);
    if (!route && r->free_user) r->free_user(r->user);
    if (!here) return SSE_E_THREAD;
    if (!app || fault)
        return sse__refuse(app, SSE_E_ARG, "%s %s%s%s: %s", what, mount ? "" : r->method,
                           mount ? "" : " ", path, fault ? fault : "");
    if (mount && path[n - 1] == '/') n--; /* "/files/" is "/files", "/" is "": the root itself */
    if (route) {
        *route        = *r;
        route->method = sse__strdup(sse__text(r->method));
        route->path   = sse__strdup(sse__str(path, n));
        if (route->method && route->path) fault = sse__route_path_error(route->path, mount);
        if (fault) error = SSE_E_ARG;
        if (fault || !route->method || !route->path) sse__route_free(route);
        else error = sse__route_add(&app->router->root, route, mount, &taken);
    }
    if (!error) return SSE_OK;
    if (taken) fault = "one of that method and shape is there already: ";
    return sse__refuse(app, error, "%s %s %.*s: %s%s", what, r->method, (int)n, path,
                       fault ? fault : sse_error_text(error), taken ? taken->path : "");
}

SSE_API int sse_route(sse_app *app, const char *path, sse_handler fn, void *user,
                      const sse_route_options *options) {
    sse__route r;
    memset(&r, 0, sizeof r);
    r.method = (char *)(options && options->method ? options->method : "GET");
    r.path   = (char *)path;
    r.fn     = fn;
    r.user   = user;
    if (options) {
        r.guard          = options->guard;
        r.max_body_bytes = options->max_body_bytes;
        r.body_later     = options->body_later;
        r.binary_query   = options->binary_query;
        r.free_user      = options->free_user;
    }
    return sse__route_make(app, &r, false);
}

static int sse__method_route(sse_app *app, const char *method, const char *path, sse_handler fn,
                             void *user) {
    sse_route_options o = {NULL, NULL, 0, false, false, NULL};
    o.method = method;
    return sse_route(app, path, fn, user, &o);
}

SSE_API int sse_get(sse_app *app, const char *path, sse_handler fn, void *user) {
    return sse__method_route(app, "GET", path, fn, user);
}
SSE_API int sse_post(sse_app *app, const char *path, sse_handler fn, void *user) {
    return sse__method_route(app, "POST", path, fn, user);
}
SSE_API int sse_put(sse_app *app, const char *path, sse_handler fn, void *user) {
    return sse__method_route(app, "PUT", path, fn, user);
}
SSE_API int sse_delete(sse_app *app, const char *path, sse_handler fn, void *user) {
    return sse__method_route(app, "DELETE", path, fn, user);
}

/* Takes user if there is free_user, on failure too. */
static int sse__mount(sse_app *app, const char *prefix, sse_handler fn, void *user,
                      void (*free_user)(void *user)) {
    sse__route r;
    memset(&r, 0, sizeof r);
    r.method     = (char *)"*";
    r.path       = (char *)prefix;
    r.fn         = fn;
    r.user       = user;
    r.free_user  = free_user;
    r.body_later = fn == sse__dir_handler; /* files want none: no client is asked to send it */
    return sse__route_make(app, &r, true);
}

SSE_API int sse_mount(sse_app *app, const char *prefix, sse_handler fn, void *user) {
    return sse__mount(app, prefix, fn, user, NULL);
}

SSE_API int sse_before(sse_app *app, const char *prefix, sse_handler fn, void *user) {
    const char *at = prefix ? prefix : "", *fault;
    sse__hook  *hook, **end;
    if (app && !sse__on_loop(app)) return SSE_E_THREAD;
    if (!app || !fn)
        return sse__refuse(app, SSE_E_ARG, "before hook %s: the handler is NULL", at);
    if (prefix && *at != '/')
        return sse__refuse(app, SSE_E_ARG, "before hook %s: a prefix begins with /; NULL: all", at);
    if (strchr(at, '{')) fault = "a prefix is taken as it is: it has no params";
    else fault = sse__route_path_error(at, true);
    if (fault) return sse__refuse(app, SSE_E_ARG, "before hook %s: %s", at, fault);
    hook = (sse__hook *)sse__zalloc(sizeof *hook + strlen(at) + 1);
    if (!hook) return sse__config_fail(app, SSE_E_NOMEM, "before hook", at);
    hook->prefix = sse__copy_text((char *)(hook + 1), sse__text(at));
    hook->fn     = fn;
    hook->user   = user;
    for (end = &app->router->before; *end;) end = &(*end)->next;
    *end = hook;
    return SSE_OK;
}

static void sse__router_close(sse__router *router) {
    sse__hook *hook;
    sse__route_node_clear(&router->root);
    while ((hook = router->before) != NULL) {
        router->before = hook->next;
        SSE_FREE(hook);
    }
    while (!sse__list_empty(&router->kept))
        sse__req_free(SSE__CONTAINER(router->kept.next, sse_req, kept));
    sse__req_free(router->spare);
}

/* ---- setting up: files and Datastar's client -------------------------------------------- */

/* The directory's own path, without links. NULL: why is in errno. */
static char *sse__dir_real(const char *dir) {
    struct stat st;
    if (stat(dir, &st)) return NULL;
    if (S_ISDIR(st.st_mode)) return realpath(dir, NULL);
    errno = ENOTDIR;
    return NULL;
}

SSE_API int sse_static(sse_app *app, const char *prefix, const char *dir,
                       const sse_static_options *options) {
    static const sse_static_options defaults = {NULL, NULL, false, false};
    const sse_static_options *o = options ? options : &defaults;
    const char     *cache = o->cache_control ? o->cache_control : "no-cache";
    const char     *at    = prefix ? prefix : "";
    const sse_file *file;
    sse__dir       *d;
    int             error;
    if (app && !sse__on_loop(app)) return SSE_E_THREAD;
    if (!dir && !o->files)
        return sse__refuse(app, SSE_E_ARG, "static files at %s: neither a directory nor .files",
                           at);
    for (file = o->files; file && file->path; file++)
        if (file->path[0] != '/' || (file->len && !file->bytes))
            return sse__refuse(app, SSE_E_ARG, "static files at %s: .files \"%s\": "
                                               "a path begins with /, and has .bytes",
                               at, file->path);
    if (!sse__field_value_ok(sse__text(cache)))
        return sse__refuse(app, SSE_E_FIELD,
                           "static files at %s: .cache_control cannot be a header", at);
    d = SSE__NEW(sse__dir);
    if (!d) return sse__config_fail(app, SSE_E_NOMEM, "static files at", at);
    d->files         = o->files;
    d->dotfiles      = o->dotfiles;
    d->no_index      = o->no_index;
    d->cache_control = sse__strdup(sse__text(cache));
    d->root          = o->files ? NULL : sse__dir_real(dir);
    if (d->cache_control && (d->root || d->files))
        return sse__mount(app, prefix, sse__dir_handler, d, sse__dir_free);
    error = d->cache_control ? SSE_E_IO : SSE_E_NOMEM;
    sse__refuse(app, error, "static files at %s: directory %s: %s", at, dir ? dir : "",
                error == SSE_E_IO ? strerror(errno) : sse_error_text(error));
    sse__dir_free(d);
    return error;
}

/* What sse_datastar serves: a file, where there is one, else the client that is built in, joined
   when it is first asked for. */
typedef struct sse__client {
    char   *file; /* right behind this struct */
    sse_buf built_in;
} sse__client;

static void sse__client_free(void *user) {
    sse__client *client = (sse__client *)user;
    sse_buf_free(&client->built_in);
    SSE_FREE(client);
}

static void sse__client_handler(sse_req *req, void *user) {
    sse__client *client = (sse__client *)user;
    sse_buf     *b      = &client->built_in;
    sse_file     file   = {"/datastar.js", NULL, 0};
    struct stat  st;
    const int    fd = client->file ? sse__file_open(client->file, &st) : -1;
    sse__files_use(req->app);
    if (fd >= 0) (void)sse__file_from_fd(req, fd, &st);
    else if (client->file && (!SSE__HAS_CLIENT || sse__file_was_short(errno)))
        (void)sse_send_file(req, client->file, NULL); /* 404 or 503 */
    else {
        if (!b->len) sse__client_write(b);
        file.bytes = b->ptr;
        file.len   = b->len;
        if (!b->error) (void)sse__file_from_memory(req, &file);
        else sse__req_error(req, b->error);
        if (b->error) sse_buf_free(b); /* the next request tries again */
    }
    if (!req->file) return;
    req->type = "text/javascript; charset=utf-8";
    sse__put_field(&req->headers, "Cache-Control", "no-cache");
}

SSE_API int sse_datastar(sse_app *app, const char *path, const char *file) {
    sse_route_options options;
    sse__client      *client;
    const char       *at = path ? path : "";
    if (!sse__nonempty(file)) file = NULL; /* an environment variable may be set to nothing */
    if (!SSE__HAS_CLIENT && !file)
        return sse__refuse(app, SSE_E_NOT_BUILT,
                           "the Datastar client at %s: SSE_NO_CLIENT: name a file", at);
    client = (sse__client *)sse__zalloc(sizeof *client + (file ? strlen(file) + 1 : 0));
    if (!client) return sse__config_fail(app, SSE_E_NOMEM, "the Datastar client at", at);
    if (file) client->file = sse__copy_text((char *)(client + 1), sse__text(file));
    memset(&options, 0, sizeof options);
    options.free_user = sse__client_free;
    return sse_route(app, path, sse__client_handler, client, &options);
}

/* ---- setting up: live views ------------------------------------------------------------ */

/* Copies options and their texts. */
static int sse__live_copy_options(sse__live *live, const char *path, const sse_live_options *o) {
    const char **const texts[] = {
        &live->path, &live->tables, &live->query, &live->event, &live->patch.selector,
        &live->patch.ns, &live->patch.attributes, &live->patch.view_transition_selector,
        &live->stream.label, &live->stream.who};
    int    error = SSE_OK;
    size_t i;
    live->path   = path;
    live->tables = o->tables;
    live->query  = o->query;
    live->event  = o->event;
    live->db     = o->db;
    live->guard  = o->guard;
    live->user   = o->user;
    live->every_ms        = o->every_ms;
    live->min_interval_ms = o->min_interval_ms;
    live->max_views       = (uint32_t)(o->max_views ? o->max_views : live->app->options.max_views);
    live->format          = o->format;
    if (o->patch) live->patch = *o->patch;
    if (o->stream) live->stream = *o->stream;
    for (i = 0; i < SSE__COUNT(texts); i++) {
        if (!*texts[i]) continue;
        *texts[i] = sse__arena_text(&live->texts, sse__text(*texts[i]));
        if (!*texts[i]) error = SSE_E_NOMEM;
    }
    return error;
}

/* What would make each render fail, or mean nothing. NULL: fine. */
static const char *sse__live_fault(const sse_live_options *o) {
    const sse_stream_options *stream = o->stream;
    sse_patch_options         patch;
    const char               *fault;
    int                       error;
    memset(&patch, 0, sizeof patch);
    if (o->patch) patch = *o->patch;
    if (o->format < SSE_AS_ELEMENTS || o->format > SSE_AS_DATA) return ".format is none of SSE_AS_";
    if (o->tables && !o->db) return ".tables without a .db";
    if (o->tables && strchr(o->tables, ',')) return ".tables are separated by spaces";
    if (sse__nonempty(o->event) && o->format != SSE_AS_DATA)
        return ".event is for .format = SSE_AS_DATA: Datastar's events have names of their own";
    if (!sse__has_no_newline(o->event)) return ".event holds a line break";
    fault = o->format == SSE_AS_ELEMENTS ? sse__elements_fault(&patch, &error) : NULL;
    if (fault) return fault;
    if (!stream) return NULL;
    if (stream->first || stream->last) return ".stream: .first and .last are the view's own";
    if (!stream->type && !stream->status && !stream->step) return NULL;
    return ".stream: .type, .status and .step are the view's own";
}

static int sse__live_check(sse_app *app, const char *path, const sse_live_options *o) {
    const sse__bounds bounds[] = {{"every_ms", o->every_ms, 0, INT32_MAX},
                                  {"min_interval_ms", o->min_interval_ms, 0, INT32_MAX},
                                  {"max_views", o->max_views, 0, INT32_MAX}};
    const char *const fault = sse__live_fault(o);
    char              what[200];
    int               error;
    if (fault) return sse__refuse(app, SSE_E_ARG, "live view %s: %s", path, fault);
    snprintf(what, sizeof what, "live view %s", path);
    error = sse__check_bounds(app, what, bounds, SSE__COUNT(bounds));
    if (error || !o->stream) return error;
    snprintf(what, sizeof what, "live view %s: .stream", path);
    return sse__stream_check_options(app, what, o->stream);
}

static int sse__live_add(sse_app *app, const char *path, sse_render fn, sse_render_each each,
                         const sse_live_options *options) {
    sse_live_options o;
    sse__live       *live;
    int              error;
    memset(&o, 0, sizeof o);
    if (options) o = *options;
    if (app && !sse__on_loop(app)) return SSE_E_THREAD;
    if (!app || !path || (!fn && !each))
        return sse__refuse(app, SSE_E_ARG, "live view %s: %s is NULL", path ? path : "",
                           path ? "the render" : "path");
    if (each && o.query)
        return sse__refuse(app, SSE_E_ARG, "live view %s: .query tells shared views apart: "
                                           "this one has a request to ask", path);
    error = sse__live_check(app, path, &o);
    if (error) return error;
    live = SSE__NEW(sse__live);
    if (!live) return sse__config_fail(app, SSE_E_NOMEM, "live view", path);
    live->app         = app;
    live->render      = fn;
    live->render_each = each;
    sse__list_init(&live->views);
    sse__views_use(app, &app->router->root, sse__req_ask_hooks);
    sse__list_add(&app->views->lives, &live->link);
    error = sse__live_copy_options(live, path, &o);
    if (!error && o.db) error = sse__changes_watch(app, o.db);
    if (!error) return sse_get(app, path, sse__live_handler, live);
    return sse__refuse(app, error, "live view %s: %s", path, sse__db_why(o.db, error));
}

SSE_API int sse_live(sse_app *app, const char *path, sse_render fn,
                     const sse_live_options *options) {
    return sse__live_add(app, path, fn, NULL, options);
}

SSE_API int sse_live_each(sse_app *app, const char *path, sse_render_each fn,
                          const sse_live_options *options) {
    return sse__live_add(app, path, NULL, fn, options);
}

/*==========================================================================
  >>monitor   counters, a page that shows them live, metrics
  Uses: >>app >>live >>topics >>stream >>conn >>loop >>format
  Tests: tests/wire/monitor.test.mjs

  PREFIX                the page; monitor.css and monitor.js below it
  PREFIX/live           a live view: one JSON text a second, of all there is to see
  PREFIX/close          POST id: ends a stream
  PREFIX/metrics        Prometheus text format 0.0.4

  N1  Samples are taken by the render of the live view: nothing is computed
      while nobody watches.
  N2  What one render writes is bounded, however many streams, topics and
      views there are.
==========================================================================*/

/* upcalls, defined in >>scripts */
SSE_API void sse_scripts(sse_buf *b, unsigned which);

static sse_stats sse__stats_read(const sse_app *app) { /* as of now; on the loop */
    sse_stats s = app->net->counts;
    s.connections = app->net->count;
    s.streams     = app->streams->all.count;
    s.views       = app->views->shared.count;
    s.topics      = app->topics->exact.count + app->topics->patterns.count;
    return s;
}

/* What there is to know of each counter. It is a gauge unless its name ends in _total; _bytes in it
   is its unit. help "": as above. label: what the page calls it; "": it is not in its list. Arrays:
   texts that a table points to stay in programs that have no use for it. */
typedef struct sse__metric {
    size_t at;
    char   name[28], labels[20], help[60], label[20];
} sse__metric;

#define SSE__AT(field) offsetof(sse_stats, field)
static const sse__metric sse__metrics[] = {
    {SSE__AT(connections), "sse_connections", "", "Open connections.", ""},
    {SSE__AT(streams), "sse_streams", "", "Open event streams.", ""},
    {SSE__AT(topics), "sse_topics", "", "Topics, with subscribers or a history.", ""},
    {SSE__AT(views), "sse_views", "", "Live views that are watched.", ""},
    {SSE__AT(queue_high), "sse_queue_high_bytes", "",
     "The most bytes that ever waited for one stream.", "longest queue"},
    {SSE__AT(accepted), "sse_accepted_total", "", "Connections accepted.", "connections"},
    {SSE__AT(refused), "sse_refused_total", "", "Connections refused for lack of room.", "refused"},
    {SSE__AT(requests), "sse_requests_total", "", "Requests.", "requests"},
    {SSE__AT(bad_requests), "sse_bad_requests_total", "",
     "Requests that were no HTTP, or too large.", "bad requests"},
    {SSE__AT(replies_4xx), "sse_error_replies_total", "{class=\"4xx\"}",
     "Replies with an error.", "replies 4xx"},
    {SSE__AT(replies_5xx), "sse_error_replies_total", "{class=\"5xx\"}", "", "replies 5xx"},
    {SSE__AT(timeouts), "sse_timeouts_total", "", "Connections that took too long.", "timeouts"},
    {SSE__AT(streams_opened), "sse_streams_opened_total", "",
     "Event streams opened.", "streams opened"},
    {SSE__AT(closed[SSE_BY_PEER]), "sse_streams_closed_total", "{reason=\"peer\"}",
     "Event streams closed.", "left by peer"},
    {SSE__AT(closed[SSE_BY_END]), "sse_streams_closed_total", "{reason=\"end\"}", "", "ended"},
    {SSE__AT(closed[SSE_BY_STOP]), "sse_streams_closed_total", "{reason=\"stop\"}", "", ""},
    {SSE__AT(closed[SSE_BY_TIMEOUT]), "sse_streams_closed_total", "{reason=\"timeout\"}",
     "", "cut: stuck"},
    {SSE__AT(closed[SSE_BY_QUEUE]), "sse_streams_closed_total", "{reason=\"queue\"}",
     "", "cut: queue full"},
    {SSE__AT(closed[SSE_BY_LIFETIME]), "sse_streams_closed_total", "{reason=\"lifetime\"}",
     "", "lifetime over"},
    {SSE__AT(closed[SSE_BY_ERROR]), "sse_streams_closed_total", "{reason=\"error\"}",
     "", "not opened"},
    {SSE__AT(events), "sse_events_total", "",
     "Events published or sent, however many got them.", "events"},
    {SSE__AT(delivered), "sse_events_delivered_total", "",
     "Events, once for each stream that got them.", "delivered"},
    {SSE__AT(drops), "sse_events_dropped_total", "", "Events that slow readers lost.", "dropped"},
    {SSE__AT(resumes), "sse_resumes_total", "",
     "Streams that came back and missed nothing.", "resumed"},
    {SSE__AT(gaps), "sse_gaps_total", "", "Streams that came back too late.", "gaps"},
    {SSE__AT(bytes_events), "sse_event_bytes_total", "",
     "Bytes of delivered events as they were formatted.", "before compression"},
    {SSE__AT(bytes_frames), "sse_frame_bytes_total", "",
     "Bytes of delivered events as they were queued, compressed.", "compressed"},
    {SSE__AT(renders), "sse_renders_total", "", "Renders of live views.", "renders"},
    {SSE__AT(renders_same), "sse_renders_same_total", "",
     "Renders that changed nothing and were not sent.", "unchanged"},
    {SSE__AT(renders_failed), "sse_renders_failed_total", "", "Renders that failed.", "failed"},
    {SSE__AT(bytes_in), "sse_received_bytes_total", "", "Bytes received.", "received"},
    {SSE__AT(bytes_out), "sse_sent_bytes_total", "", "Bytes sent.", "sent"},
    {SSE__AT(sends), "sse_sends_total", "", "System calls that sent.", "send calls"},
};

static uint64_t sse__stat(const sse_stats *stats, size_t at) {
    uint64_t v;
    memcpy(&v, (const char *)stats + at, sizeof v);
    return v;
}

/* ---- what the page consists of ------------------------------------------------------ */

static const char sse__monitor_page[] = /* behind its head */
    "<header><h1>sse.h</h1><span id=\"host\"></span><span id=\"status\" "
        "class=\"off\">connecting</span></header>\n"
    "<main>\n"
    "<section id=\"charts\"></section>\n"
    "<section><h2>Streams <span id=\"shown\"></span></h2>\n"
    "<table><thead><tr><th>kind, "
        "whose</th><th>open</th><th>queue</th><th></th></tr></thead><tbody "
        "id=\"streams\"></tbody></table></section>\n"
    "<section hidden><h2>Topics <span id=\"topics_shown\"></span></h2><table><tbody "
        "id=\"topics\"></tbody></table></section>\n"
    "<section hidden><h2>Live views <span id=\"views_shown\"></span></h2><table><tbody "
        "id=\"views\"></tbody></table></section>\n"
    "<section><h2>Since the start</h2><dl id=\"totals\"></dl></section>\n"
    "</main>\n";

static const char sse__monitor_css[] =
    ":root { color-scheme: light dark; --bg: #f4f5f7; --card: #fff; --ink: #16202c; --dim: "
        "#627082; --line: #dfe4ea;\n"
    "  --one: #1f6feb; --two: #d2701a; --good: #1a8f4c; --bad: #c93434 }\n"
    "@media (prefers-color-scheme: dark) { :root { --bg: #0e1319; --card: #171e27; --ink: "
        "#e4eaf1; --dim: #8d9bac;\n"
    "  --line: #283342; --one: #58a6ff; --two: #f0a35e; --good: #43c47a; --bad: #ff7b72 } }\n"
    "* { box-sizing: border-box }\n"
    "body { margin: 0 auto; max-width: 68rem; padding: .9rem .9rem 2rem; background: var(--bg); "
        "color: var(--ink);\n"
    "  font: 15px/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums }\n"
    "header { display: flex; align-items: baseline; gap: .6rem; margin: 0 .1rem .8rem }\n"
    "h1 { font-size: 1.15rem; margin: 0 }\n"
    "#host { color: var(--dim); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; "
        "flex: 1 }\n"
    "#status { font-size: .82rem; font-weight: 600; color: var(--good) }\n"
    "#status::before { content: \"\\25CF\"; margin-right: .35em }\n"
    "#status.off { color: var(--bad) }\n"
    "h2 { font-size: .95rem; margin: 1.3rem .1rem .5rem; display: flex; justify-content: "
        "space-between;\n"
    "  align-items: baseline }\n"
    "h2 span { color: var(--dim); font-weight: 400; font-size: .82rem }\n"
    "#charts { display: grid; gap: .6rem }\n"
    "@media (min-width: 40rem) { #charts { grid-template-columns: 1fr 1fr } }\n"
    ".card, table, #totals { background: var(--card); border: 1px solid var(--line); "
        "border-radius: .6rem }\n"
    ".card { padding: .6rem .75rem .5rem }\n"
    ".card p { margin: 0; display: flex; gap: .5rem 1rem; flex-wrap: wrap; font-size: .82rem; "
        "color: var(--dim) }\n"
    ".card b { color: var(--ink); font-size: 1.15rem; font-weight: 650; margin-right: .3rem }\n"
    ".card p span::before { content: \"\"; display: inline-block; width: .55rem; height: .55rem; "
        "border-radius: .15rem;\n"
    "  margin-right: .35rem; background: var(--one) }\n"
    ".card p span + span::before { background: var(--two) }\n"
    "svg { display: block; width: 100%; height: 3.6rem; margin-top: .35rem; overflow: visible }\n"
    "svg path { fill: none; stroke: var(--one); stroke-width: 1.6; stroke-linejoin: round;\n"
    "  vector-effect: non-scaling-stroke }\n"
    "svg path.two { stroke: var(--two) }\n"
    "svg path.area { fill: var(--one); fill-opacity: .13; stroke: none }\n"
    "svg line { stroke: var(--line); vector-effect: non-scaling-stroke }\n"
    ".card small { display: flex; justify-content: space-between; color: var(--dim); font-size: "
        ".7rem; margin-top: .15rem }\n"
    "table { width: 100%; border-spacing: 0; table-layout: fixed }\n"
    "th { text-align: right; font-size: .74rem; font-weight: 500; color: var(--dim); padding: "
        ".45rem .3rem .25rem }\n"
    "th:first-child, td:first-child { text-align: left; padding-left: .75rem }\n"
    "th:not(:first-child) { width: 5.2rem }\n"
    "th:last-child { width: 3rem }\n"
    "td { text-align: right; padding: .3rem; border-top: 1px solid var(--line); white-space: "
        "nowrap; overflow: hidden;\n"
    "  text-overflow: ellipsis }\n"
    "td small { display: block; color: var(--dim); font-size: .76rem; overflow: hidden; "
        "text-overflow: ellipsis }\n"
    "td.full { color: var(--bad); font-weight: 600 }\n"
    "td button { font: inherit; line-height: 1; width: 2rem; height: 2rem; border: 1px solid "
        "var(--line);\n"
    "  border-radius: .45rem; background: none; color: var(--dim); cursor: pointer }\n"
    "td button:hover, td button:focus-visible { color: var(--bad); border-color: var(--bad) }\n"
    "td button:disabled { opacity: .4 }\n"
    "tbody:only-child td + td { width: 5rem }\n"
    "#totals { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: "
        ".1rem 1rem;\n"
    "  padding: .6rem .75rem; margin: 0 }\n"
    "#totals div { min-width: 0 }\n"
    "#totals dt { color: var(--dim); font-size: .74rem }\n"
    "#totals .zero { opacity: .45 }\n"
    "#totals dd { margin: 0 0 .35rem; font-weight: 600 }\n";

/* In two parts: a string of C99 has at most 4095 characters. */
static const char sse__monitor_js_draw[] =
    "'use strict';\n"
    "const base = new URL('.', document.currentScript.src).href;\n"
    "const $ = id => document.getElementById(id);\n"
    "const make = (name, text) => { const e = document.createElement(name); if (text !== "
        "undefined) e.textContent = text; return e; };\n"
    "const svg = (name, attributes) => {\n"
    "  const e = document.createElementNS('http://www.w3.org/2000/svg', name);\n"
    "  for (const key in attributes) e.setAttribute(key, attributes[key]);\n"
    "  return e;\n"
    "};\n"
    "\n"
    "const scale = (n, step, units) => {\n"
    "  let i = 0;\n"
    "  while (n >= step * 0.9995 && i < units.length - 1) { n /= step; i++; }\n"
    "  return (i === 0 || n >= 100 ? Math.round(n) : n.toFixed(n >= 10 ? 1 : "
        "2).replace(/\\.?0+$/, '')) + units[i];\n"
    "};\n"
    "const count = n => scale(n, 1000, ['', ' k', ' M', ' G', ' T']);\n"
    "const bytes = n => scale(n, 1024, [' B', ' KB', ' MB', ' GB', ' TB']);\n"
    "const time = s => s < 100 ? s + ' s' : s < 6000 ? Math.floor(s / 60) + ' min' : s < 172800 ? "
        "Math.floor(s / 3600) + ' h' : Math.floor(s / 86400) + ' d';\n"
    "\n"
    "// Each chart: a title, one or two series, how to print a value.\n"
    "const charts = [\n"
    "  ['Streams and connections', [['streams', 'streams'], ['connections', 'connections']], "
        "count],\n"
    "  ['Events a second', [['delivered', 'delivered'], ['events', 'sent or published']], count],\n"
    "  ['Bytes a second', [['bytes_out', 'out'], ['bytes_in', 'in']], bytes],\n"
    "  ['Work a second', [['renders', 'renders'], ['requests', 'requests']], count],\n"
    "].map(([title, series, print]) => {\n"
    "  const card = make('div'), legend = make('p'), foot = make('small'), top = make('span'), "
        "area = svg('path', { class: 'area' });\n"
    "  const drawing = svg('svg', { viewBox: '0 0 100 40', preserveAspectRatio: 'none', role: "
        "'img', 'aria-label': title });\n"
    "  card.className = 'card';\n"
    "  drawing.append(svg('line', { x1: 0, y1: 40, x2: 100, y2: 40 }), svg('line', { x1: 0, y1: "
        "0, x2: 100, y2: 0 }), area);\n"
    "  const lines = series.map(([key, name], i) => {\n"
    "    const item = make('span'), value = make('b'), path = svg('path', i ? { class: 'two' } : "
        "{});\n"
    "    item.append(value, name);\n"
    "    legend.append(item);\n"
    "    return { key, value, path };\n"
    "  });\n"
    "  lines.slice().reverse().forEach(line => drawing.append(line.path));\n"
    "  foot.append(make('span', title), top);\n"
    "  card.append(legend, drawing, foot);\n"
    "  $('charts').append(card);\n"
    "  return { lines, area, top, print };\n"
    "});\n"
    "\n"
    "function draw({ lines, area, top, print }, state) {\n"
    "  const most = Math.max(1, ...lines.flatMap(line => state.samples[line.key]));\n"
    "  top.textContent = 'max ' + print(most);\n"
    "  lines.forEach((line, i) => {\n"
    "    const values = state.samples[line.key], step = 100 / (state.room - 1), start = 100 - "
        "step * (values.length - 1);\n"
    "    const points = values.map((v, k) => (start + k * step).toFixed(2) + ' ' + (40 - 40 * v / "
        "most).toFixed(2));\n"
    "    line.value.textContent = print(values.length ? values[values.length - 1] : 0);\n"
    "    line.path.setAttribute('d', points.length ? 'M' + points.join('L') : '');\n"
    "    if (!i) area.setAttribute('d', points.length ? 'M' + start.toFixed(2) + ' 40L' + "
        "points.join('L') + 'L100 40Z' : '');\n"
    "  });\n"
    "}\n";

static const char sse__monitor_js_live[] =
    "// Rows are kept, so that a button stays under the finger.\n"
    "const rows = new Map();\n"
    "\n"
    "function row(id) {\n"
    "  const tr = make('tr'), cells = [0, 1, 2, 3].map(() => make('td')), button = make('button', "
        "'\\u2715');\n"
    "  const lines = cells.slice(0, 3).map(cell => { const line = [make('span'), make('small')]; "
        "cell.append(...line); return line; });\n"
    "  cells[3].append(button);\n"
    "  tr.append(...cells);\n"
    "  button.title = 'close this stream';\n"
    "  button.onclick = async () => {\n"
    "    button.disabled = true;\n"
    "    const reply = await fetch(base + 'close', { method: 'POST', body: new URLSearchParams({ "
        "id }) }).catch(() => null);\n"
    "    if (!reply || !reply.ok) button.disabled = false;\n"
    "  };\n"
    "  return { tr, lines, queue: cells[2] };\n"
    "}\n"
    "\n"
    "function table(state) {\n"
    "  const seen = new Set();\n"
    "  for (const [id, label, who, peer, age, idle, queue, full] of state.rows) {\n"
    "    if (!rows.has(id)) rows.set(id, row(id));\n"
    "    const { tr, lines, queue: cell } = rows.get(id);\n"
    "    const texts = [label || 'stream', who ? who + ' \\u00b7 ' + peer : peer, time(age), "
        "'sent ' + time(idle), bytes(queue), queue ? 'waiting' : ''];\n"
    "    seen.add(id);\n"
    "    texts.forEach((text, i) => { lines[i >> 1][i & 1].textContent = text; });\n"
    "    cell.className = full ? 'full' : '';\n"
    "    if (!tr.parentNode) $('streams').append(tr);\n"
    "  }\n"
    "  for (const [id, { tr }] of rows) if (!seen.has(id)) { tr.remove(); rows.delete(id); }\n"
    "  $('shown').textContent = state.rows.length < state.streams ? state.rows.length + ' of ' + "
        "count(state.streams) : count(state.streams);\n"
    "}\n"
    "\n"
    "function names(body, list, total, shown) {\n"
    "  body.replaceChildren(...list.map(([name, watchers]) => {\n"
    "    const tr = make('tr');\n"
    "    tr.append(make('td', name), make('td', count(watchers)));\n"
    "    return tr;\n"
    "  }));\n"
    "  shown.textContent = list.length < total ? list.length + ' of ' + count(total) : "
        "count(total);\n"
    "  body.closest('section').hidden = !total;\n"
    "}\n"
    "\n"
    "function totals(list) {\n"
    "  $('totals').replaceChildren(...list.map(([name, value, kind]) => {\n"
    "    const div = make('div');\n"
    "    div.className = value ? '' : 'zero';\n"
    "    div.append(make('dt', name), make('dd', (kind ? bytes : count)(value)));\n"
    "    return div;\n"
    "  }));\n"
    "}\n"
    "\n"
    "function status(text, fine) {\n"
    "  $('status').textContent = text;\n"
    "  $('status').className = fine ? '' : 'off';\n"
    "}\n"
    "\n"
    "$('host').textContent = location.host;\n"
    "const source = new EventSource(base + 'live');\n"
    "source.onopen = () => status('live', true);\n"
    "source.onerror = () => status(source.readyState === 2 ? 'closed' : 'connecting', false);\n"
    "source.onmessage = event => {\n"
    "  const state = JSON.parse(event.data);\n"
    "  charts.forEach(chart => draw(chart, state));\n"
    "  table(state);\n"
    "  names($('topics'), state.topics, state.topics_all, $('topics_shown'));\n"
    "  names($('views'), state.views, state.views_all, $('views_shown'));\n"
    "  totals(state.totals);\n"
    "};\n";

/* ---- samples ---------------------------------------------------------------------------- */

enum {
    SSE__SAMPLES       = 90,
    SSE__SERIES        = 8,
    SSE__GAUGES        = 2, /* of them */
    SSE__MONITOR_MS    = 1000,
    SSE__MONITOR_ROWS  = 200,
    SSE__MONITOR_NAMES = 50
};

/* The gauges first. */
static const struct { size_t at; char name[12]; } sse__all_series[SSE__SERIES] = {
#define SSE__SERIES_OF(field) {SSE__AT(field), #field}
    SSE__SERIES_OF(streams), SSE__SERIES_OF(connections), SSE__SERIES_OF(delivered),
    SSE__SERIES_OF(events), SSE__SERIES_OF(bytes_out), SSE__SERIES_OF(bytes_in),
    SSE__SERIES_OF(renders), SSE__SERIES_OF(requests)};
#undef SSE__SERIES_OF
#undef SSE__AT

struct sse__monitor { /* one for all pages of an app; samples is a ring */
    sse_stats before;
    uint64_t  sampled_at, samples[SSE__SAMPLES][SSE__SERIES];
    uint32_t  first, count;
};

/* Adds what happened since the sample before. After a pause, in which nobody watched, they begin
   anew: N1. */
static void sse__monitor_sample(struct sse__monitor *m, const sse_stats *now, uint64_t at) {
    const uint64_t ms = at - m->sampled_at;
    uint64_t      *sample;
    int            i;
    if (m->sampled_at && ms < SSE__MONITOR_MS / 2) return;
    if (ms > 3 * SSE__MONITOR_MS) m->count = 0; /* also the first time */
    else {
        if (m->count == SSE__SAMPLES) m->first = (m->first + 1) % SSE__SAMPLES;
        else m->count++;
        sample = m->samples[(m->first + m->count - 1) % SSE__SAMPLES];
        for (i = 0; i < SSE__SERIES; i++) {
            sample[i] = sse__stat(now, sse__all_series[i].at);
            if (i < SSE__GAUGES) continue;
            sample[i] -= sse__stat(&m->before, sse__all_series[i].at);
            sample[i] = (sample[i] * 1000 + ms / 2) / ms; /* a second, rounded */
        }
    }
    m->before     = *now;
    m->sampled_at = at;
}

static void sse__monitor_put_samples(const struct sse__monitor *m, sse_buf *out) {
    uint32_t k;
    int      i;
    for (i = 0; i < SSE__SERIES; i++) {
        sse_json(out, i ? ",%s:[" : "%s:[", sse__all_series[i].name);
        for (k = 0; k < m->count; k++)
            sse_printf(out, k ? ",%llu" : "%llu",
                       (unsigned long long)m->samples[(m->first + k) % SSE__SAMPLES][i]);
        sse_puts(out, "]");
    }
}

/* ---- streams, topics, views --------------------------------------------------------------- */

static void sse__monitor_put_row(sse_buf *out, const sse__stream *stream) {
    const uint64_t now = stream->app->loop.wheel.now;
    const size_t   queue = stream->conn->out.bytes;
    char           peer[INET6_ADDRSTRLEN];
    sse_json(out, "[\"%lu-%lu\",%s,%s,%s,%llu,%llu,%llu,%d]", (unsigned long)stream->slot,
             (unsigned long)stream->gen, sse__group_name(stream->extra->label),
             sse__stream_who(stream), sse__peer_write(&stream->conn->peer, peer),
             (unsigned long long)(now / 1000 - stream->opened_s),
             (unsigned long long)(now - stream->last_sent) / 1000, (unsigned long long)queue,
             queue > stream->max_queue / 2);
}

/* Those with something waiting come first; the others as long as there is room: N2. */
static void sse__monitor_put_rows(const sse_app *app, sse_buf *out) {
    const sse__slots *all = &app->streams->all;
    int               rows = 0, waiting;
    uint32_t          i;
    for (waiting = 1; waiting >= 0; waiting--)
        for (i = 0; i < all->used && rows < SSE__MONITOR_ROWS; i++) {
            const sse__stream *stream = (const sse__stream *)all->at[i].item;
            if (!stream || !sse__stream_lives(stream)) continue;
            if ((stream->conn->out.bytes > 0) != waiting) continue;
            if (rows++) sse_puts(out, ",");
            sse__monitor_put_row(out, stream);
        }
    SSE_ASSERT(rows <= SSE__MONITOR_ROWS); /* N2 */
}

/* The names of topics or views, with how many watch each. back: from node to channel. */
static int sse__monitor_put_names(sse_buf *out, const sse__map *map, size_t back, int rows) {
    const sse__node *node;
    uint32_t         i;
    for (i = 0; i < map->cap; i++)
        for (node = map->buckets[i]; node && rows < SSE__MONITOR_NAMES; node = node->next, rows++) {
            const void *channel = (const char *)node - back;
            sse_json(out, rows ? ",[%s,%lu]" : "[%s,%lu]", node->key.ptr,
                     (unsigned long)((const sse__channel *)channel)->count);
        }
    return rows;
}

static void sse__monitor_put_totals(const sse_stats *now, sse_buf *out) {
    const sse__metric *m;
    int                rows = 0;
    for (m = sse__metrics; m < (&sse__metrics)[1]; m++)
        if (m->label[0])
            sse_json(out, rows++ ? ",[%s,%llu,%d]" : "[%s,%llu,%d]", m->label,
                     (unsigned long long)sse__stat(now, m->at), strstr(m->name, "_bytes") != NULL);
}

static void sse__monitor_render(sse_view *view, sse_buf *out, void *user) {
    const size_t    topic = offsetof(sse__topic, node) - offsetof(sse__topic, channel);
    const size_t    shown = offsetof(sse_view, node) - offsetof(sse_view, channel);
    const sse_app  *app = view->live->app;
    const sse_stats now = sse__stats_read(app);
    int             rows;
    sse__monitor_sample((struct sse__monitor *)user, &now, app->loop.wheel.now);
    sse_printf(out, "{\"room\":%d,\"samples\":{", SSE__SAMPLES);
    sse__monitor_put_samples((const struct sse__monitor *)user, out);
    sse_printf(out, "},\"streams\":%llu,\"rows\":[", (unsigned long long)now.streams);
    sse__monitor_put_rows(app, out);
    sse_printf(out, "],\"topics_all\":%llu,\"topics\":[", (unsigned long long)now.topics);
    rows = sse__monitor_put_names(out, &app->topics->exact, topic, 0);
    (void)sse__monitor_put_names(out, &app->topics->patterns, topic, rows);
    sse_printf(out, "],\"views_all\":%llu,\"views\":[", (unsigned long long)now.views);
    (void)sse__monitor_put_names(out, &app->views->shared, shown, 0);
    sse_puts(out, "],\"totals\":[");
    sse__monitor_put_totals(&now, out);
    sse_puts(out, "]}");
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* Its addresses are relative: a proxy may show it elsewhere. */
static void sse__monitor_page_handler(sse_req *req, void *user) {
    const char *name = strrchr(sse_path(req), '/') + 1;
    sse_buf    *out  = sse_out(req);
    (void)user;
    sse_set_header(req, "Content-Security-Policy",
                   "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                   "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    sse_set_header(req, "Cache-Control", "no-store");
    sse_html(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<title>sse.h</title>\n<link rel=\"icon\" href=\"data:,\">\n"
                  "<link rel=\"stylesheet\" href=\"%s/monitor.css\">\n"
                  "<script src=\"%s/monitor.js\" defer></script>\n", name, name);
    sse_puts(out, sse__monitor_page);
}

static void sse__monitor_css_handler(sse_req *req, void *user) {
    (void)user;
    sse_set_type(req, "text/css; charset=utf-8");
    sse_puts(sse_out(req), sse__monitor_css);
}

static void sse__monitor_js_handler(sse_req *req, void *user) {
    sse_buf *out = sse_out(req);
    (void)user;
    sse_set_type(req, "text/javascript; charset=utf-8");
    sse_scripts(out, SSE_SCRIPT_UNLOAD | SSE_SCRIPT_RECONNECT | SSE_SCRIPT_BARE);
    sse_puts(out, sse__monitor_js_draw);
    sse_puts(out, sse__monitor_js_live);
}

static void sse__monitor_close_handler(sse_req *req, void *user) {
    sse_str    rest = sse__text(sse_form(req, "id"));
    uint64_t   slot, gen;
    sse_stream s;
    (void)user;
    if (!sse__parse_u64(sse__cut(&rest, '-', false), UINT32_MAX, &slot) ||
        !sse__parse_u64(rest, UINT32_MAX, &gen)) {
        sse_fail(req, 400, "id is missing");
        return;
    }
    s.app  = req->app;
    s.slot = (uint32_t)slot;
    s.gen  = (uint32_t)gen;
    if (sse_stream_end(s, NULL) != SSE_OK) sse_fail(req, 404, "that stream is closed");
}

static void sse__monitor_metrics_handler(sse_req *req, void *user) {
    const sse_stats    now = sse__stats_read(req->app);
    sse_buf           *out = sse_out(req);
    const sse__metric *m;
    (void)user;
    sse_set_type(req, "text/plain; version=0.0.4; charset=utf-8");
    sse_puts(out, "# HELP sse_build_info The version of sse.h.\n# TYPE sse_build_info gauge\n"
                  "sse_build_info{version=\"" SSE_VERSION "\"} 1\n");
    for (m = sse__metrics; m < (&sse__metrics)[1]; m++) {
        if (m->help[0])
            sse_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                       strstr(m->name, "_total") ? "counter" : "gauge");
        sse_printf(out, "%s%s %llu\n", m->name, m->labels,
                   (unsigned long long)sse__stat(&now, m->at));
    }
}

/* Without a guard of the program's: clients on this machine only, by one of its own names. */
static void sse__monitor_guard(sse_req *req, void *user) {
    const sse_str name = sse__slice_str(req->bytes, req->head.host);
    sse__host     host;
    (void)user;
    if (req->conn->loopback &&
        (!name.len || (sse__host_parse(name, &host) && sse__host_is_local(host.name))))
        return;
    sse_fail(req, 403, "the monitor is for this machine alone, "
                       "unless sse_monitor is given a guard");
}

SSE_API int sse_monitor(sse_app *app, const char *prefix, sse_handler guard, void *user) {
    static const struct { const char *method, *path; sse_handler fn; } pages[] = {
        {"GET", "", sse__monitor_page_handler},
        {"GET", "/monitor.css", sse__monitor_css_handler},
        {"GET", "/monitor.js", sse__monitor_js_handler},
        {"POST", "/close", sse__monitor_close_handler},
        {"GET", "/metrics", sse__monitor_metrics_handler}};
    sse_stream_options stream;
    sse_live_options   live;
    char               path[256];
    size_t             i, n = prefix ? strlen(prefix) : 0;
    int                error;
    if (app && !sse__on_loop(app)) return SSE_E_THREAD;
    if (!app || n < 2 || n > 200 || prefix[0] != '/' || prefix[n - 1] == '/' || strchr(prefix, '{'))
        return sse__refuse(app, SSE_E_ARG, "monitor %s: a prefix is like /_sse: no / at its end, "
                                           "no param, at most 200 bytes", prefix ? prefix : "");
    if (!app->monitor) app->monitor = SSE__NEW(struct sse__monitor);
    if (!app->monitor) return sse__config_fail(app, SSE_E_NOMEM, "monitor", prefix);
    error = sse_before(app, prefix, guard ? guard : sse__monitor_guard, user);
    for (i = 0; i < SSE__COUNT(pages) && !error; i++) {
        snprintf(path, sizeof path, "%s%s", prefix, pages[i].path);
        error = sse__method_route(app, pages[i].method, path, pages[i].fn, NULL);
    }
    if (error) return error;
    memset(&stream, 0, sizeof stream);
    memset(&live, 0, sizeof live);
    stream.label  = "monitor";
    live.stream   = &stream;
    live.every_ms = SSE__MONITOR_MS;
    live.format   = SSE_AS_DATA;
    live.user     = app->monitor;
    snprintf(path, sizeof path, "%s/live", prefix);
    return sse_live(app, path, sse__monitor_render, &live);
}

/*==========================================================================
  >>server   make and free an app, listen, turn the loop, stop
  Uses: everything above                Tests: tests/unit/server.c

  made ----> inited --------> stopping ------> over --+ on_exit ran
        [sse_poll] on_init  [server_begin_stop]  [server_end]
   ^                                                  |
   +----------------- sse_listen ---------------------+

  A turn:  wait --> read, handle --> changes --> render --> on_close
                --> write --> free what closed
  Y1  Nothing is left to do when the loop waits without a time limit.
  Y2  on_exit runs once for each on_init, after the last on_close.
==========================================================================*/

#include <poll.h>

struct sse_server {
    sse_app     *app;
    sse__alarm   grace;      /* armed when the app stops */
    sse__alarm   watchdog;   /* of systemd, while it runs */
    int          watchdog_ms;
    int          grace_ms;   /* guarded by loop.mutex: sse_stop_background sets it */
    int          armed_ms;   /* what grace is armed with; -1: not yet */
    bool         inited;     /* on_init has run, on_exit has not: Y2 */
    bool         turning;    /* within a turn: callbacks run */
    bool         background; /* guarded by loop.mutex: its thread is not joined yet */
    bool         stopping;
    bool         over;       /* stopped for good, unless sse_listen begins anew */
    volatile int stopped;    /* the grace period is over, or a second signal came */
    sse_stats    shown;      /* guarded by loop.mutex: as of the end of the latest turn */
    sse__thread_id thread;   /* of sse_serve_background */
};

/* ---- listening and ports ----------------------------------------------------------- */

static int sse__listen_at(sse_app *app, const sse_serve_options *o) {
    const char  *host = o->host ? o->host : "127.0.0.1", *remedy = "";
    const int    port = o->port == 0 ? 8000 : o->port == SSE_ANY_PORT ? 0 : o->port;
    sse__address a;
    bool         local; /* a unix socket */
    int          fd, error = sse__address_parse(&a, host, port);
    if (error) return error;
    local = a.to.any.sa_family == AF_UNIX;
    fd    = sse__socket_listen(app, &a, o->backlog ? o->backlog : 4096);
    if (fd < 0) {
        if (errno == EADDRINUSE)
            remedy = local ? "; choose another path" : "; choose another .port, or SSE_ANY_PORT";
        return sse__refuse(app, SSE_E_IO, "cannot listen on %s port %d: %s%s", host, port,
                           strerror(errno), remedy);
    }
    error = sse__listener_add(app, fd, local ? a.to.un.sun_path : NULL);
    if (error) return sse__config_fail(app, error, "cannot listen on", host);
    sse__log(app, SSE_LOG_INFO, local               ? "listening on %s"
                                : strchr(host, ':') ? "listening on http://[%s]:%d"
                                                    : "listening on http://%s:%d",
             host, sse__bound_port(fd));
    return SSE_OK;
}

/* Databases that the app uses by itself must be this process's own; a call of a handler's with
   another fails by itself. */
static int sse__server_check_databases(sse_app *app) {
    const sse__store *store = app->topics->sequence.stores;
    const sse__outbox *rows = app->streams->outboxes;
    const sse__link  *link  = app->views->lives.next;
    const char       *whose = NULL;
    for (; link != &app->views->lives; link = link->next)
        if (sse__db_is_elsewhere(SSE__CONTAINER(link, sse__live, link)->db)) whose = "live view";
    for (; rows; rows = rows->next)
        if (sse__db_is_elsewhere(rows->db)) whose = "topic";
    for (; store; store = store->next)
        if (sse__db_is_elsewhere(store->db)) whose = "topic";
    if (!whose) return SSE_OK;
    return sse__refuse(app, SSE_E_STATE, "a %s uses a database that was opened before this process "
                                         "was forked: call sse_db_open after fork() or daemon()",
                       whose);
}

static int sse__server_listen(sse_app *app, const char *what, const sse_serve_options *options) {
    static const sse_serve_options defaults = {NULL, 0, 0, 0, false, false};
    const sse_serve_options *o = options ? options : &defaults;
    struct sse_server      *server;
    int                      error;
    if (!app) return SSE_E_ARG;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    if (app->config_error) return app->config_error;
    if (sse__db_faults.broken)
        error = sse__refuse(app, SSE_E_DB, "a database did not open, or was not migrated "
                                           "(sse_db_close forgets it): %s",
                            sse__db_faults.broken_why);
    else error = sse__serve_check(app, what, o);
    if (!error) error = sse__server_check_databases(app);
    if (!error) {
        server = app->server;
        if (server->over) { /* it has stopped, and shall serve again */
            SSE__FLAG_CLEAR(app->loop.stop);
            SSE__FLAG_CLEAR(server->stopped);
            server->stopping = server->over = false;
            app->net->port   = 0;
        }
        server->grace_ms = o->grace_ms == 0 ? 5000 : o->grace_ms < 0 ? 0 : o->grace_ms;
        if (o->access_log) (void)sse_log_access(app);
        error = sse__listen_passed(app);
        if (error == SSE_E_ABSENT) error = sse__listen_at(app, o);
    }
    app->config_error = SSE_OK; /* the next address, or another try, may do */
    return error;
}

SSE_API int sse_listen(sse_app *app, const sse_serve_options *options) {
    return sse__server_listen(app, "sse_listen", options);
}

SSE_API int sse_port(sse_app *app) { return app ? app->net->port : 0; }

/* ---- stopping -------------------------------------------------------------------- */

SSE_API int sse_stop(sse_app *app) { /* async-signal-safe: a store and a write */
    if (!app) return SSE_E_ARG;
    SSE__FLAG_SET(app->loop.stop);
    if (write(app->loop.wake_fd, "", 1) < 0) return SSE_OK; /* full: it is awake already */
    return SSE_OK;
}

SSE_API bool sse_stopping(sse_app *app) { return app && SSE__FLAG(app->loop.stop); }

static void sse__server_own(sse_app *app, bool owned) {
    sse__lock(&app->loop.mutex);
    app->loop.owned = owned;
    app->loop.owner = sse__thread_self();
    sse__unlock(&app->loop.mutex);
}

/* ---- the watchdog of systemd (WatchdogSec=) ---- */

/* By a timer of the loop, so that a loop that hangs is seen. Spec: sd_watchdog_enabled(3). */
static void sse__server_alive(sse__alarm *alarm) {
    struct sse_server *server = SSE__CONTAINER(alarm, struct sse_server, watchdog);
    const sse__wheel  *wheel  = &server->app->loop.wheel;
    sse__notify("WATCHDOG=1");
    sse__alarm_set(&server->app->loop.wheel, alarm, wheel->now + (uint64_t)server->watchdog_ms);
}

static void sse__server_watch(sse_app *app) {
    const long long usec = sse_parse_int(getenv("WATCHDOG_USEC"), 0);
    const char     *pid  = getenv("WATCHDOG_PID");
    if (usec <= 0 || !getenv("NOTIFY_SOCKET")) return;
    if (pid && sse_parse_int(pid, 0) != (long long)getpid()) return;
    app->server->watchdog_ms = usec / 2000 > INT32_MAX ? INT32_MAX
                               : usec < 2000           ? 1
                                                       : (int)(usec / 2000);
    app->server->watchdog.fn = sse__server_alive;
    sse__server_alive(&app->server->watchdog);
}

static void sse__server_end(sse_app *app) { /* Y2 */
    struct sse_server *server = app->server;
    sse__link          *link;
    SSE_ASSERT(server->inited); /* Y2 */
    server->inited = false;
    while ((link = app->net->conns.next) != &app->net->conns) { /* whatever is still open */
        sse__conn *c = SSE__CONTAINER(link, sse__conn, all);
        if (c->stream) app->net->stream_calls->cut(c);
        else sse__conn_close(c);
    }
    sse__stages_run(app, SSE__TURN_CLOSED, SSE__TURN_CLOSED);
    sse__net_reap(app->net);
    server->turning = true; /* on_exit is a callback like others: no loop is turned in it */
    if (app->options.on_exit) app->options.on_exit(app, app->options.user);
    server->turning = false;
    sse__alarm_cancel(&server->grace);
    sse__alarm_cancel(&server->watchdog);
    server->over = true;
}

static void sse__server_grace_over(sse__alarm *alarm) {
    struct sse_server *server = SSE__CONTAINER(alarm, struct sse_server, grace);
    sse__stages_run(server->app, SSE__STOP_OVER, SSE__STOP_OVER); /* streams: a last event */
    server->stopped = 1;
}

/* The grace period begins, or another was set since. It is looked at each turn: a call might wait
   behind many others. */
static void sse__server_arm(sse_app *app) {
    struct sse_server *server = app->server;
    int                 ms;
    sse__lock(&app->loop.mutex);
    ms = server->grace_ms;
    sse__unlock(&app->loop.mutex);
    if (ms == server->armed_ms) return;
    server->armed_ms = ms;
    server->grace.fn = sse__server_grace_over;
    sse__alarm_set(&app->loop.wheel, &server->grace, app->loop.wheel.now + (uint64_t)ms);
}

/* No new connections; streams say farewell; idle connections close; replies in flight are
   finished. */
static void sse__server_begin_stop(sse_app *app) {
    sse__link *link, *next;
    app->server->stopping = true;
    app->server->armed_ms = -1;
    sse__notify("STOPPING=1");
    sse__net_stop_listening(app->net);
    sse__stages_run(app, SSE__STOP_STREAMS, SSE__STOP_STREAMS);
    for (link = app->net->conns.next; link != &app->net->conns; link = next) {
        sse__conn *c = SSE__CONTAINER(link, sse__conn, all);
        next = link->next;
        c->keep_alive = false;
        if (c->state == SSE__IDLE) sse__conn_close(c);
    }
}

/* ---- counters ---------------------------------------------------------------------- */

/* The end of a turn: what other threads may see. One copy a turn, so that no event pays for it. */
#if defined(SSE_NO_THREADS)
static void sse__stats_show(sse_app *app) { (void)app; }
#else
static void sse__stats_show(sse_app *app) {
    const sse_stats now = sse__stats_read(app);
    sse__lock(&app->loop.mutex);
    app->server->shown = now;
    sse__unlock(&app->loop.mutex);
}
#endif

SSE_API int sse_stats_get(sse_app *app, sse_stats *out) {
    if (!app || !out) return SSE_E_ARG;
    if (sse__is_owner(app)) {
        *out = sse__stats_read(app);
        return SSE_OK;
    }
    sse__lock(&app->loop.mutex);
    *out = app->server->shown;
    sse__unlock(&app->loop.mutex);
    return SSE_OK;
}

/* ---- turns ------------------------------------------------------------------------- */

static bool sse__turn_has_work(const sse_app *app) { /* Y1 */
    return sse__net_has_work(app->net) || !sse__list_empty(&app->views->dirty) ||
           !sse__list_empty(&app->streams->closing) || sse__outbox_pending(app->streams->outboxes);
}

#if defined(SSE_DEBUG_CHECKS)
static void sse__check_queue(const sse__queue *q) {
    size_t   bytes = 0;
    uint32_t i;
    for (i = 0; i < q->count; i++) {
        const sse__out *out = sse__queue_at(q, i);
        SSE_ASSERT(out->from < out->to && out->block->refs);
        SSE_ASSERT(!out->block->from || (out->to == 1 && out->block->offset < out->block->end));
        SSE_ASSERT(!out->block->encoding || i + 1 == q->count); /* C4 */
        bytes += out->to - out->from;
    }
    SSE_ASSERT(bytes == q->bytes);
    (void)bytes; /* where SSE_ASSERT is nothing; so below */
}

/* What the drawings of >>conn and >>request promise of a connection between two turns, and of its
   request. */
static void sse__check_conn(const sse__conn *c) {
    const sse_app_options *o = &c->net->app->options;
    const bool     reads = c->state == SSE__HEAD || c->state == SSE__BODY;
    const sse_req *req   = c->req;
    SSE_ASSERT(c->state != SSE__CLOSED && c->source.fd >= 0);
    SSE_ASSERT(!c->deadline || c->alarm.link.next);
    SSE_ASSERT(!c->deadline || c->excused || c->alarm.due <= c->deadline);
    SSE_ASSERT(!c->inbox || c->inbox->bytes.len); /* C3 */
    SSE_ASSERT(!c->inbox || reads || c->stream || c->work.next || c->out.count || req); /* C3 */
    SSE_ASSERT((c->state == SSE__STREAM) == (c->stream != NULL));
    SSE_ASSERT(!c->stream || (c->stream->conn == c && !req));
    SSE_ASSERT(c->state != SSE__REPLY || (req && !c->deadline));
    SSE_ASSERT(c->state != SSE__HEAD || (c->inbox && (c->deadline || o->header_timeout_ms < 0)));
    SSE_ASSERT(c->state != SSE__BODY || c->inbox);
    SSE_ASSERT(c->state != SSE__BODY || !c->deadline == (c->paused || o->body_timeout_ms < 0));
    SSE_ASSERT(c->state != SSE__SEND || c->out.count || c->work.next);
    SSE_ASSERT(c->state != SSE__LINGER || (c->deadline && !c->inbox && !c->out.count));
    SSE_ASSERT(c->state != SSE__IDLE || !c->out.count);
    SSE_ASSERT(!c->skip || c->state == SSE__BODY || c->state == SSE__SEND);
    SSE_ASSERT(!c->waits || (c->work.next && c->out.count)); /* C5 */
    SSE_ASSERT(!c->held || (c->state == SSE__BODY && !c->in_place)); /* C6 */
    sse__check_queue(&c->out);
    if (req) {
        const bool waits = c->state == SSE__BODY && !c->in_place; /* for its body, to be handled */
        SSE_ASSERT(c->state == SSE__REPLY || c->state == SSE__BODY);
        SSE_ASSERT(req->conn == c && req->phase != SSE__REQ_CONCLUDED);
        SSE_ASSERT((req->phase == SSE__REQ_HEAD) == waits && !req->kept.next == waits);
        (void)waits;
    }
    (void)o, (void)reads, (void)req;
}

/* What the drawing of >>stream promises between two turns: S6, S7. */
static void sse__check_stream(const sse__stream *stream) {
    const sse__stream_extra *x = stream->extra;
    const bool      lives = sse__stream_lives(stream);
    const sse__sub *sub;
    SSE_ASSERT(stream->phase >= SSE__STREAM_OPEN && stream->phase <= SSE__STREAM_CUT);
    SSE_ASSERT(lives == (stream->conn != NULL) && lives == !stream->closing.next && !stream->req);
    SSE_ASSERT(!lives || (stream->conn->stream == stream && stream->conn->state == SSE__STREAM));
    SSE_ASSERT(stream->phase != SSE__STREAM_OPEN || !stream->app->server->stopping);
    SSE_ASSERT(stream->phase != SSE__STREAM_STOPPING || stream->drain ||
               (x->step && x->step_at));
    SSE_ASSERT(!lives || !x->ends_at || stream->conn->deadline);
    SSE_ASSERT(!stream->raw || (!stream->subs && !stream->replaying && !stream->ping_ms));
    if (x->label) /* S4 */
        SSE_ASSERT(x->with_label.stream == stream && x->with_label.link.next);
    if (x->who) /* S4 */
        SSE_ASSERT(x->with_who.stream == stream && x->with_who.link.next);
    for (sub = stream->subs; sub; sub = sub->next) {
        SSE_ASSERT(sub->in.stream == stream && sub->in.link.next && sub->channel->count);
    }
    (void)lives;
}

static void sse__check_all(sse_app *app) {
    const sse__slots *streams = &app->streams->all;
    size_t     held = 0;
    uint32_t   i, count = 0;
    sse__link *link;
    for (link = app->net->conns.next; link != &app->net->conns; link = link->next, count++) {
        sse__check_conn(SSE__CONTAINER(link, sse__conn, all));
        held += SSE__CONTAINER(link, sse__conn, all)->held;
    }
    for (link = app->router->kept.next; link != &app->router->kept; link = link->next) {
        const sse_req *req = SSE__CONTAINER(link, sse_req, kept);
        SSE_ASSERT(req->phase == SSE__REQ_WAITING || req->phase == SSE__REQ_FINISHED);
        SSE_ASSERT(!req->conn || req->conn->req == req);
        held += req->held;
    }
    SSE_ASSERT(held == app->body_bytes && count == app->net->count); /* C6 */
    for (count = i = 0; i < streams->used; i++) {
        const sse__stream *stream = (const sse__stream *)streams->at[i].item;
        if (!stream) continue;
        SSE_ASSERT(stream->app == app && stream->slot == i); /* S1 */
        SSE_ASSERT(stream->gen == streams->at[i].gen);       /* S1 */
        sse__check_stream(stream);
        count += !stream->closing.next;
    }
    for (link = app->streams->closing.next; link != &app->streams->closing; link = link->next)
        count++;
    SSE_ASSERT(count == streams->count); /* S6 */
    (void)held;
}
#else
static void sse__check_all(sse_app *app) { (void)app; }
#endif

/* Changes are looked at once all requests of the turn have been handled, and views rendered once
   all changes are known: however many commits there were, a view is rendered once. What renders
   and callbacks queued is written before anything is freed. */
static void sse__turn(sse_app *app, int timeout_ms) {
    sse__loop_wait(&app->loop, sse__turn_has_work(app) ? 0 : timeout_ms);
    sse__net_run(app->net);
    sse__stages_run(app, SSE__TURN_CHANGES, SSE__TURN_SAVE);
    sse__net_run(app->net);
    sse__check_all(app);
    sse__net_reap(app->net);
    sse__stats_show(app);
}

SSE_API int sse_poll(sse_app *app, int timeout_ms) {
    struct sse_server *server;
    if (!app) return SSE_E_ARG;
    if (app->config_error) return app->config_error;
    server = app->server;
    if (!sse__on_loop(app)) return SSE_E_THREAD;
    if (server->turning) return SSE_E_STATE; /* called from a callback */
    if (server->over) return 0;
    if (!server->inited && sse__server_check_databases(app)) return SSE_E_STATE;
    if (!app->loop.owned) sse__server_own(app, true);
    if (!server->inited) {
        server->inited = true;
        if (app->options.on_init) app->options.on_init(app, app->options.user);
        sse__notify("READY=1");
        sse__server_watch(app);
    }
    if (SSE__FLAG(app->loop.stop) && !server->stopping) sse__server_begin_stop(app);
    if (server->stopping) sse__server_arm(app);
    server->turning = true; /* with no connection left to wait for, the last turn does not wait */
    sse__turn(app, server->stopping && !app->net->count ? 0 : timeout_ms);
    server->turning = false;
    if (!server->stopping || (app->net->count && !SSE__FLAG(server->stopped))) return 1;
    sse__server_end(app);
    sse__server_own(app, false);
    return 0;
}

enum { SSE__UNTOLD_MS = 10 }; /* between looks of a loop that has no descriptor to wait for */

SSE_API int sse_fd(sse_app *app) {
    return app ? sse__poller_fd(&app->loop.poller) : SSE_E_ARG;
}

SSE_API int sse_next_ms(sse_app *app) {
    int ms;
    if (!app) return SSE_E_ARG;
    if (sse__turn_has_work(app)) return 0;
    ms = sse__wheel_next_ms(&app->loop.wheel, sse__clock_ms());
    if (sse__poller_fd(&app->loop.poller) >= 0) return ms;
    return ms < 0 || ms > SSE__UNTOLD_MS ? SSE__UNTOLD_MS : ms; /* no descriptor tells of more */
}

/* ---- serving -------------------------------------------------------------------------- */

/* Signal handlers know no app: the one that serves with handlers on. */
static sse_app *volatile sse__signal_app;
static volatile sig_atomic_t sse__signals;
static bool sse__signal_serving;

static void sse__on_signal(int number) {
    const int saved = errno;
    (void)number;
    sse__signals = sse__signals + 1;
    if (sse__signal_app) {
        if (sse__signals > 1) SSE__FLAG_SET(sse__signal_app->server->stopped);
        (void)sse_stop(sse__signal_app);
    }
    errno = saved;
}

SSE_API int sse_serve(sse_app *app, const sse_serve_options *options) {
    const bool       handlers = !(options && options->no_signal_handlers) && !sse__signal_serving;
    struct sigaction action, old_int, old_term;
    int              error;
    if (!app) return SSE_E_ARG;
    error = sse__on_loop(app) ? app->config_error : SSE_E_THREAD;
    if (!error && sse__list_empty(&app->net->listeners))
        error = sse__server_listen(app, "sse_serve", options);
    if (error) return error;
    memset(&action, 0, sizeof action);
    action.sa_handler = sse__on_signal;
    if (handlers) {
        sse__signals        = 0;
        sse__signal_app     = app;
        sse__signal_serving = true;
        sigaction(SIGINT, &action, &old_int);
        sigaction(SIGTERM, &action, &old_term);
    }
    while ((error = sse_poll(app, -1)) > 0) {}
    if (handlers) {
        sigaction(SIGINT, &old_int, NULL);
        sigaction(SIGTERM, &old_term, NULL);
        sse__signal_serving = false; /* sse__signal_app stays: a program that ends here need not
                                        free it, leak checkers agree */
    }
    return error;
}

#if defined(SSE_NO_THREADS)
SSE_API sse_server *sse_serve_background(sse_app *app, const sse_serve_options *options) {
    (void)options;
    if (app)
        sse__log(app, SSE_LOG_ERROR, "sse_serve_background: %s", sse_error_text(SSE_E_NOT_BUILT));
    return NULL;
}
SSE_API int sse_stop_background(sse_server *server, int timeout_ms) {
    (void)server;
    (void)timeout_ms;
    return SSE_E_NOT_BUILT;
}
#else
static void *sse__background(void *user) {
    while (sse_poll((sse_app *)user, -1) > 0) {}
    return NULL;
}

SSE_API sse_server *sse_serve_background(sse_app *app, const sse_serve_options *options) {
    sse_server *server;
    bool        runs, started;
    if (!app) return NULL;
    sse__lock(&app->loop.mutex);
    runs = app->loop.owned || app->server->background; /* or its thread is not joined yet */
    sse__unlock(&app->loop.mutex);
    if (runs) { /* two threads in one loop */
        sse__refuse(app, SSE_E_STATE,
                    "sse_serve_background: the app has a loop already: stop that first");
        app->config_error = SSE_OK; /* it may serve again when that has stopped */
        return NULL;
    }
    if (sse__list_empty(&app->net->listeners) &&
        sse__server_listen(app, "sse_serve_background", options))
        return NULL;
    server = app->server;
    sse__lock(&app->loop.mutex); /* others wait until it is known whose the loop is */
    started = pthread_create(&server->thread, NULL, sse__background, app) == 0;
    if (started) {
        app->loop.owned = server->background = true;
        app->loop.owner = server->thread;
    }
    sse__unlock(&app->loop.mutex);
    if (started) return server;
    sse__log(app, SSE_LOG_ERROR, "sse_serve_background: no thread could be started");
    return NULL;
}

SSE_API int sse_stop_background(sse_server *server, int timeout_ms) {
    if (!server || timeout_ms < 0) return SSE_E_ARG;
    sse__lock(&server->app->loop.mutex);
    server->grace_ms = timeout_ms;
    sse__unlock(&server->app->loop.mutex);
    (void)sse_stop(server->app); /* wakes the loop also if it stops already, with more time */
    pthread_join(server->thread, NULL);
    sse__server_own(server->app, false);
    server->background = false;
    return SSE_OK;
}
#endif

/* ---- making and freeing ------------------------------------------------------------ */

static void sse__app_drop(sse_app *app) { /* what sse_app_new made, but for connections */
    sse__apps_remove(app);
    sse__options_free(app);
    sse__loop_close(&app->loop);
    SSE_FREE(app);
}

/* First all that still tells the program something, with the whole app there; then what owns
   connections; then what they use; the loop's timers, poller and mutex last, as all of these let go
   of some. */
SSE_API void sse_app_free(sse_app *app) {
    if (!app) return;
    if (sse__signal_app == app) sse__signal_app = NULL;
    SSE__FLAG_SET(app->loop.stop); /* work that lasts looks at it */
    sse__server_own(app, true); /* work that still runs is not on this thread */
    if (app->server->inited) sse__server_end(app);
    sse__stages_run(app, SSE__END_TUNNEL, SSE__END_CHANGES); /* now no thread of ours posts */
    sse__app_drain(app);
    sse__stages_run(app, SSE__FREE_SAVE, SSE__FREE_SAVE);
    sse__net_close(app->net);
    sse__stages_run(app, SSE__FREE_STREAMS, SSE__FREE_FILES);
    sse__encoder_free(app->encoder);
    sse__router_close(app->router);
    SSE_FREE(app->monitor);
    SSE_FREE(app->topic_of_log);
    sse__app_drop(app);
}

/* An app and the parts that are there from its first moment, in use or not. */
typedef struct sse__whole {
    sse_app            app;
    sse__router        router;
    sse__streams       streams;
    sse__topics        topics;
    sse__views         views;
    struct sse_server server;
} sse__whole;

SSE_API sse_app *sse_app_new(const sse_app_options *options) {
    sse__whole *whole = SSE__NEW(sse__whole);
    sse_app    *app   = (sse_app *)whole;
    int         error, loop_error;
    if (!whole) return NULL;
    app->router  = &whole->router;
    app->streams = &whole->streams;
    app->topics  = &whole->topics;
    app->views   = &whole->views;
    app->server  = &whole->server;
    app->streams->app = app->topics->app = app->views->app = app->server->app = app;
    sse__list_init(&app->router->kept);
    sse__list_init(&app->streams->closing);
    sse__list_init(&app->views->lives);
    sse__list_init(&app->views->dirty);
    error      = sse__options_copy(app, options);
    loop_error = sse__app_open(app);
    if (!error) error = loop_error;
    if (!error) error = sse__options_check(app);
    app->loop.max_call_bytes = app->options.max_call_bytes;
    if (!error && !(app->net = sse__net_open(app))) error = SSE_E_NOMEM;
    sse__apps_add(app);
    if (!error) return app;
    if (!app->why[0]) sse__log(app, SSE_LOG_ERROR, "sse_app_new: %s", sse_error_text(error));
    sse__app_drop(app);
    return NULL;
}

/*==========================================================================
  >>env   while developing: is it up, what is in .env
  Uses: >>listen >>field >>text >>buf >>base    Tests: tests/unit/env.c
==========================================================================*/

SSE_API bool sse_alive(int port) {
    const struct timeval second = {1, 0};
    sse__address a;
    int          fd;
    bool         alive;
    if (port < 1 || port > 65535 || sse__address_parse(&a, "127.0.0.1", port)) return false;
    fd = SSE__SYS(socket(AF_INET, SOCK_STREAM, 0));
    if (fd < 0) return false;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    /* connect heeds it on Linux; a listener answers at once everywhere */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    alive = SSE__SYS(connect(fd, &a.to.any, a.len)) == 0;
    close(fd);
    return alive;
}

/* Takes a quoted value, which may go over line breaks. False: its quote is not closed. */
static bool sse__env_quoted(sse_str *rest, sse_buf *value) {
    const char quote = rest->ptr[0];
    size_t     i;
    for (i = 1; i < rest->len && rest->ptr[i] != quote; i++) {
        char c = rest->ptr[i];
        if (quote == '"' && c == '\\' && i + 1 < rest->len) {
            c = rest->ptr[++i];
            if (c == 'n') c = '\n';
            else if (c == 'r') c = '\r';
            else if (c == 't') c = '\t';
            else if (c != '"' && c != '\\' && c != '$') sse__put_char(value, '\\');
        }
        sse__put_char(value, c);
    }
    if (i == rest->len) return false;
    *rest = sse__str_skip(*rest, i + 1);
    return true;
}

/* Takes the rest of a line, up to its comment. */
static sse_str sse__env_bare(sse_str *rest) {
    sse_str line = sse__cut(rest, '\n', false);
    size_t  i;
    if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
    for (i = 0; i < line.len; i++)
        if (line.ptr[i] == '#' && (i == 0 || sse__is_space(line.ptr[i - 1]))) line.len = i;
    return sse__trim(line);
}

static void sse__env_skip(sse_str *rest) {
    while (rest->len && sse__is_space(rest->ptr[0])) *rest = sse__str_skip(*rest, 1);
}

/* Takes "KEY =", with or without "export". Absent: there is none. */
static sse_str sse__env_key(sse_str *rest) {
    static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t  i = 0;
    sse_str key;
    sse__env_skip(rest);
    if (sse__starts(*rest, SSE__LIT("export ")) || sse__starts(*rest, SSE__LIT("export\t")))
        *rest = sse__str_skip(*rest, 7);
    sse__env_skip(rest);
    while (i < rest->len && rest->ptr[i] && strchr(letters, rest->ptr[i])) i++;
    key   = sse__str(rest->ptr, i);
    *rest = sse__str_skip(*rest, i);
    sse__env_skip(rest);
    if (!i || (key.ptr[0] >= '0' && key.ptr[0] <= '9')) return sse__text(NULL);
    if (!rest->len || rest->ptr[0] != '=') return sse__text(NULL);
    *rest = sse__str_skip(*rest, 1);
    sse__env_skip(rest);
    return key;
}

/* Takes the next variable off rest; value is appended to. 1: one; 0: there are no more; or
   SSE_E_SYNTAX, and rest begins with it. */
static int sse__env_next(sse_str *rest, sse_str *key, sse_buf *value) {
    sse_str start;
    bool    fine;
    do { /* past empty lines and comments */
        start = *rest;
        if (!start.len) return 0;
    } while (!sse__env_bare(rest).len);
    *rest = start;
    *key  = sse__env_key(rest);
    fine  = key->ptr != NULL;
    if (fine && rest->len && (rest->ptr[0] == '\'' || rest->ptr[0] == '"'))
        fine = sse__env_quoted(rest, value) && !sse__env_bare(rest).len;
    else if (fine) sse__put_str(value, sse__env_bare(rest));
    if (fine && (value->error || !value->len || !memchr(value->ptr, 0, value->len))) return 1;
    *rest = start;
    return SSE_E_SYNTAX;
}

static int sse__read_file(const char *file, size_t max, sse_buf *out) {
    const int fd = SSE__SYS(open(file, O_RDONLY | O_CLOEXEC));
    ssize_t   n  = 1;
    if (fd < 0) return errno == ENOENT ? SSE_E_ABSENT : SSE_E_IO;
    while (n && !out->error && out->len <= max) {
        char bytes[4096];
        n = SSE__SYS(read(fd, bytes, sizeof bytes));
        if (n > 0) sse_raw(out, bytes, (size_t)n);
        else if (n < 0 && errno != EINTR) sse_buf_fail(out, SSE_E_IO);
    }
    close(fd);
    return out->error ? out->error : out->len > max ? SSE_E_FULL : SSE_OK;
}

/* set: false only looks. Returns how many variables it set; or an error, with the line it is on. */
static int sse__env_walk(sse_str text, bool set, int *line) {
    sse_buf value = {NULL, 0, 0, SSE_OK};
    sse_str rest = text, key;
    char   *name;
    int     got, count = 0;
    size_t  i;
    while ((got = sse__env_next(&rest, &key, &value)) > 0) {
        name = sse__strdup(key);
        if (!name || value.error) got = SSE_E_NOMEM;
        else if (set && !getenv(name))
            got = setenv(name, sse_buf_text(&value), 0) ? SSE_E_NOMEM : ++count;
        SSE_FREE(name);
        if (got < 0) break;
        value.len = 0;
    }
    for (*line = 1, i = 0; i < text.len - rest.len; i++) *line += text.ptr[i] == '\n';
    sse_buf_free(&value);
    return got < 0 ? got : count;
}

SSE_API int sse_load_env(const char *file) {
    sse_buf b = {NULL, 0, 0, SSE_OK};
    sse_str text;
    int     error = file ? sse__read_file(file, 1 << 20, &b) : SSE_E_ARG, line = 0;
    text = sse__str(sse_buf_text(&b), b.len);
    if (sse__starts(text, SSE__LIT("\xEF\xBB\xBF"))) text = sse__str_skip(text, 3);
    if (!error) error = sse__env_walk(text, false, &line);
    if (error == SSE_E_SYNTAX)
        fprintf(stderr, "sse.h: error: %s, line %d: not KEY=value, or a quote is left open\n", file,
                line);
    if (error >= 0) error = sse__env_walk(text, true, &line);
    sse_buf_free(&b);
    return error;
}

/*==========================================================================
  >>tunnel   a public address, by a program of somebody else's
  Uses: >>server >>loop >>base          Tests: tests/wire/tunnel.test.mjs

  Owns the agent: a process group of a shell, the agent's program and a
  watcher, the pipe that they live by, and the pipe that tells the address.
==========================================================================*/

#include <spawn.h>
#include <sys/wait.h>
extern char **environ; /* as POSIX wants it: by the program that uses it */

struct sse_tunnel {
    sse_app *app;
    pid_t    pid;   /* of the shell; 0: it has been waited for */
    int      out;   /* what the agent prints; -1: it ended */
    int      life;  /* the agent ends when this descriptor is closed, by us or by our death */
    sse_buf  line;  /* the latest that it printed */
    char    *url;   /* NULL: not known yet */
};

/* The agent runs in a process group of its own beside a watcher that reads descriptor 0, a pipe
   whose other end only this program holds: when the program ends, by whatever signal, the watcher
   reads the end of the file and ends the group. */
static const char sse__tunnel_head[] =
    "exec 3<&0 </dev/null\n"
    "{ read -r x <&3; trap '' TERM; kill -TERM 0; sleep 2; kill -KILL 0; } >/dev/null 2>&1 &\n"
    "exec 3<&-\n"
    "trap : TERM\n"; /* the shell outlives the agent and buries it */
static const char sse__tunnel_ngrok[] = "ngrok http {port} --log stdout --log-format json";

static void sse__tunnel_script(sse_buf *b, const char *command, int port) {
    const char *next;
    sse_puts(b, sse__tunnel_head);
    sse_puts(b, "{ ");
    for (; (next = strstr(command, "{port}")) != NULL; command = next + 6) {
        sse_raw(b, command, (size_t)(next - command));
        sse_printf(b, "%d", port);
    }
    sse_puts(b, command);
    sse_puts(b, "\n} 2>&1\nkill $!\nwait\n");
}

/* Starts script with in and out as its descriptors 0, and 1 and 2. No fork: that would run a copy
   of a program with threads. */
static int sse__tunnel_spawn(pid_t *pid, const char *script, int in, int out) {
    char                      *argv[4];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t          attributes;
    sigset_t                   signals;
    int                        error;
    argv[0] = (char *)"/bin/sh"; /* exec writes to none of them */
    argv[1] = (char *)"-c";
    argv[2] = (char *)script;
    argv[3] = NULL;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, out, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn(pid, argv[0], &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Takes url as the public address if it is one: http or https, no path, not of this machine. */
static bool sse__tunnel_take_url(sse_tunnel *t, sse_str url) {
    sse__origin origin;
    if (url.len && url.ptr[url.len - 1] == '/') url.len--;
    if (!sse__origin_parse(url, &origin) || !origin.scheme.ptr) return false;
    if (sse__host_is_local(origin.host.name)) return false;
    t->url              = sse__strdup(url);
    t->app->tunnel_host = t->url ? sse__strdup(origin.host.name) : NULL;
    if (t->url) sse__log(t->app, SSE_LOG_INFO, "tunnel at %s", t->url);
    return true;
}

static void sse__tunnel_find_url(sse_tunnel *t, sse_str line) {
    sse_str value;
    size_t  n;
    if (sse_json_get(line, "url", &value) == SSE_OK) { /* ngrok: {"msg":"...","url":"https:..."} */
        if (value.len > 2) (void)sse__tunnel_take_url(t, sse__str(value.ptr + 1, value.len - 2));
        return;
    }
    if (line.len && line.ptr[0] == '{') return;
    for (; line.len; line = sse__str_skip(line, 1)) {
        if (!sse__starts(line, SSE__LIT("http://")) && !sse__starts(line, SSE__LIT("https://")))
            continue;
        for (n = 0; n < line.len && line.ptr[n] > ' ' && line.ptr[n] < 0x7F; n++)
            if (strchr("\"'<>|,;()[]{}\\", line.ptr[n])) break;
        if (sse__tunnel_take_url(t, sse__str(line.ptr, n))) return;
    }
}

static void sse__tunnel_close(sse_tunnel *t) { /* the shell is about to end, if it has not */
    if (t->out < 0) return;
    (void)sse_watch(t->app, t->out, 0, NULL, NULL);
    close(t->out);
    t->out = -1;
}

static void sse__tunnel_bury(sse_tunnel *t) {
    while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR) {}
    t->pid = 0;
}

/* A line that the agent printed; NULL: it ended. */
static void sse__tunnel_line(sse_app *app, const char *line, void *user) {
    sse_tunnel *t = (sse_tunnel *)user;
    if (!line) {
        sse__log(app, SSE_LOG_WARNING, "the tunnel's agent ended: %.300s", sse_buf_text(&t->line));
        sse__tunnel_close(t);
        sse__tunnel_bury(t);
        return;
    }
    t->line.len = 0;
    sse_puts(&t->line, line);
    sse__log(app, SSE_LOG_DEBUG, "tunnel: %.400s", line);
    if (!t->url) sse__tunnel_find_url(t, sse__text(line));
}

/* The pipes, the agent, the watch. False: the reason is in errno. */
static bool sse__tunnel_open(sse_tunnel *t, const char *script) {
    int fds[4] = {-1, -1, -1, -1}, error = 0, i;
    /* to its watcher; from the agent */
    if (SSE__SYS(pipe(fds)) || SSE__SYS(pipe(fds + 2))) error = errno;
    for (i = 0; i < 4 && !error; i++)
        if (fcntl(fds[i], F_SETFD, FD_CLOEXEC)) error = errno;
    if (!error && sse__set_flags(fds[2])) error = errno;
    if (!error) error = sse__tunnel_spawn(&t->pid, script, fds[0], fds[3]);
    t->life = fds[1];
    t->out  = fds[2];
    if (fds[0] >= 0) close(fds[0]);
    if (fds[3] >= 0) close(fds[3]);
    if (!error && sse_watch_lines(t->app, t->out, sse__tunnel_line, t)) error = ENOMEM;
    errno = error;
    return !error;
}

/* Asks the group to end, then ends it. Its number is nobody else's as long as the shell has not
   been waited for. */
static void sse__tunnel_end_agent(sse_tunnel *t) {
    const struct timespec moment = {0, 5000000};
    siginfo_t             info;
    int                   tries;
    kill(-t->pid, SIGTERM);
    for (tries = 0; tries < 400; tries++) {
        memset(&info, 0, sizeof info);
        if (waitid(P_PID, (id_t)t->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid) break;
        nanosleep(&moment, NULL);
    }
    kill(-t->pid, SIGKILL);
    sse__tunnel_bury(t);
}

SSE_API void sse_tunnel_stop(sse_tunnel *t) {
    if (!t) return;
    sse__tunnel_close(t);
    if (t->pid > 0) sse__tunnel_end_agent(t);
    if (t->life >= 0) close(t->life);
    t->app->tunnel = NULL;
    SSE_FREE(t->app->tunnel_host);
    t->app->tunnel_host = NULL;
    sse_buf_free(&t->line);
    SSE_FREE(t->url);
    SSE_FREE(t);
}

static void sse__tunnel_end(sse_app *app) { sse_tunnel_stop(app->tunnel); }

SSE_API sse_tunnel *sse_tunnel_start(sse_app *app, const char *command) {
    const char *fault = NULL;
    sse_buf     script = {NULL, 0, 0, SSE_OK};
    sse_tunnel *t;
    if (!app || !sse__on_loop(app)) return NULL;
    if (!sse_port(app)) fault = "call sse_listen first, with a port";
    if (app->tunnel) fault = "there is one";
    t = fault ? NULL : SSE__NEW(sse_tunnel);
    if (fault) sse__log(app, SSE_LOG_ERROR, "no tunnel was started: %s", fault);
    if (!t) return NULL;
    t->app      = app;
    app->tunnel = t;
    app->stages[SSE__END_TUNNEL] = sse__tunnel_end;
    sse__tunnel_script(&script, command ? command : sse__tunnel_ngrok, sse_port(app));
    if (script.error || !sse__tunnel_open(t, sse_buf_text(&script))) {
        sse__log(app, SSE_LOG_ERROR, "no tunnel was started: %s", strerror(errno));
        sse_tunnel_stop(t);
        t = NULL;
    }
    sse_buf_free(&script);
    return t;
}

SSE_API const char *sse_tunnel_url(sse_tunnel *t, int timeout_ms) {
    const uint64_t end = sse__clock_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    struct pollfd  p;
    uint64_t       now;
    if (!t || !sse__on_loop(t->app)) return NULL;
    for (now = sse__clock_ms(); !t->url && t->out >= 0 && now < end; now = sse__clock_ms()) {
        p.fd      = t->out;
        p.events  = POLLIN;
        p.revents = 0;
        if (poll(&p, 1, (int)(end - now)) > 0) sse__lines_fire(sse__watch_find(t->app, t->out));
    }
    return t->url;
}

/*==========================================================================
  >>scripts   scripts for pages with EventSource                     [pure]
  Uses: >>event >>format >>buf >>base   Tests: tests/unit/htmx.c
  X1  Each script is one literal, short enough for every C compiler
      (4095 characters); all of those asked for share one function scope.
==========================================================================*/

/* The scripts are JavaScript of 2022, to be read here and in the browser. The core and the reader
   stand alone; the others put their own in the place of connect (what feeds a source), ask (one
   try), again (ms to wait after a break; -1: never), patience (ms of silence that are borne; 0:
   any), changed (hears of each change of state) and counted (hears of each event). X1 */
static const char sse__script_begin[] =
    "(() => {\n"
    "'use strict';\n"
    "if (window.EventSource.sources) return;\n";

static const char sse__script_core[] =
    "\n"
    "const sources = new Set(), counts = { events: 0, reconnects: 0, closed: 0, last: 0 };\n"
    "let changed = () => {}, counted = () => {}, patience = () => 0;\n"
    "let connect = source => new Reader(source, source);\n"
    "let ask = (reader, stop) => reader.ask(stop.signal);\n"
    "let again = (reader, status, refused) => refused ? -1 : reader.retry || 3000;\n"
    "\n"
    "// Stands in for EventSource: the same to its users, but what feeds it may change.\n"
    "class Source extends EventTarget {\n"
    "  constructor(url, init) {\n"
    "    super();\n"
    "    this.url = new URL(url, document.baseURI).href;\n"
    "    this.withCredentials = Boolean(init && init.withCredentials);\n"
    "    this.readyState = 0;\n"
    "    this._id = new URL(this.url).searchParams.get('lastEventId') || '';\n"
    "    this._opens = 0;\n"
    "    this._young = Date.now() + 1000; // until then, or the first news: no need for alarm\n"
    "    for (const type of ['open', 'message', 'error']) {\n"
    "      this['on' + type] = null;\n"
    "      this.addEventListener(type, event => {\n"
    "        if (typeof this['on' + type] === 'function') this['on' + type](event);\n"
    "      });\n"
    "    }\n"
    "    sources.add(this);\n"
    "    this._start();\n"
    "    changed();\n"
    "  }\n"
    "  close() {\n"
    "    this._stop();\n"
    "    this.readyState = 2;\n"
    "    if (sources.delete(this)) counts.closed++;\n"
    "    changed();\n"
    "  }\n"
    "  _start() { this._feed = connect(this); }\n"
    "  _stop() {\n"
    "    if (this._feed) this._feed.close();\n"
    "    this._feed = null;\n"
    "    this.readyState = 0;\n"
    "  }\n"
    "  _opened() {\n"
    "    if (this.readyState !== 0) return;\n"
    "    this.readyState = 1;\n"
    "    this._young = 0;\n"
    "    if (this._opens++) counts.reconnects++;\n"
    "    changed();\n"
    "    this.dispatchEvent(new Event('open'));\n"
    "  }\n"
    "  _received({ type, data, id }) {\n"
    "    if (this.readyState === 2) return;\n"
    "    this._id = id;\n"
    "    if (data === undefined) return; // an id alone\n"
    "    counts.events++;\n"
    "    counts.last = Date.now();\n"
    "    counted();\n"
    "    const { origin } = new URL(this.url);\n"
    "    this.dispatchEvent(new MessageEvent(type, { data, lastEventId: id, origin }));\n"
    "  }\n"
    "  _failed(fatal) {\n"
    "    if (this.readyState === 2) return;\n"
    "    this.readyState = 0;\n"
    "    this._young = 0;\n"
    "    if (fatal) this.close();\n"
    "    else changed();\n"
    "    this.dispatchEvent(new Event('error'));\n"
    "  }\n"
    "}\n"
    "['CONNECTING', 'OPEN', 'CLOSED'].forEach((name, value) => {\n"
    "  Source[name] = Source.prototype[name] = value;\n"
    "});\n";

static const char sse__script_reader[] =
    "\n"
    "// Reads a stream, again and again, by fetch: it sees statuses, retry and ids without data.\n"
    "// It calls to._opened(), to._failed(fatal) and to._received({ type, data, id, own });\n"
    "// own: the event brought that id itself; data is undefined if it brought nothing else.\n"
    "class Reader {\n"
    "  constructor(source, to) {\n"
    "    Object.assign(this, { source, to, id: source._id, open: false, retry: 0, due: 0 });\n"
    "    Object.assign(this, { tries: 0, flaps: 0 });\n"
    "    this.read();\n"
    "  }\n"
    "  close() {\n"
    "    this.stop.abort();\n"
    "    this.stop = null;\n"
    "    clearTimeout(this.timer);\n"
    "    clearTimeout(this.watchdog);\n"
    "  }\n"
    "  kick() {\n"
    "    if (this.due) this.read();\n"
    "    else this.watch();\n"
    "  }\n"
    "  nudge() { // timers of hidden pages are late\n"
    "    if (this.due && Date.now() >= this.due) this.read();\n"
    "  }\n"
    "  async read() {\n"
    "    const stop = this.stop = new AbortController();\n"
    "    let status = 0, refused = false;\n"
    "    clearTimeout(this.timer);\n"
    "    this.due = 0;\n"
    "    this.heard = Date.now();\n"
    "    this.watch();\n"
    "    try {\n"
    "      const reply = await ask(this, stop), type = reply.headers.get('content-type');\n"
    "      status = reply.status;\n"
    "      refused = status !== 200 || !/^text\\/event-stream(;|$)/i.test(type);\n"
    "      if (!refused && stop === this.stop) await this.listen(reply.body, stop);\n"
    "    } catch { /* the network, or stop */ }\n"
    "    if (stop === this.stop) this.broken(status, refused);\n"
    "  }\n"
    "  ask(signal) {\n"
    "    const url = new URL(this.source.url), began = url.searchParams.get('lastEventId') || '';\n"
    "    const headers = { Accept: 'text/event-stream' };\n"
    "    const credentials = this.source.withCredentials ? 'include' : 'same-origin';\n"
    "    const plain = url.origin === location.origin && !began && /^[!-~]+$/.test(this.id);\n"
    "    if (plain) headers['Last-Event-ID'] = this.id;\n"
    "    else if (this.id !== began) url.searchParams.set('lastEventId', this.id);\n"
    "    return fetch(url, { headers, credentials, signal, cache: 'no-store' });\n"
    "  }\n"
    "  async listen(body, stop) {\n"
    "    const now = Date.now(), text = body.pipeThrough(new TextDecoderStream()).getReader();\n"
    "    Object.assign(this, { open: true, since: now, heard: now, retry: 0, tries: 0 });\n"
    "    Object.assign(this, { rest: '', cr: false, data: [], type: '', own: undefined });\n"
    "    this.watch();\n"
    "    this.to._opened();\n"
    "    while (stop === this.stop) {\n"
    "      const { done, value } = await text.read();\n"
    "      if (done || stop !== this.stop) return;\n"
    "      this.heard = Date.now();\n"
    "      this.take(value);\n"
    "    }\n"
    "  }\n"
    "  broken(status, refused) {\n"
    "    const lived = this.open && Date.now() - this.since > 5000;\n"
    "    if (lived) this.flaps = 0;\n"
    "    const wait = again(this, status, refused);\n"
    "    if (this.open && !lived) this.flaps++;\n"
    "    this.stop.abort();\n"
    "    this.open = false;\n"
    "    this.tries++;\n"
    "    clearTimeout(this.watchdog);\n"
    "    if (wait >= 0) {\n"
    "      this.due = Date.now() + wait;\n"
    "      this.timer = setTimeout(() => this.read(), wait);\n"
    "    }\n"
    "    this.to._failed(wait < 0);\n"
    "  }\n"
    "  watch() { // gives up what has been silent for too long; broken() follows\n"
    "    clearTimeout(this.watchdog);\n"
    "    const limit = patience(this), left = this.heard + limit - Date.now();\n"
    "    if (!limit || !this.stop) return;\n"
    "    if (left > 0) this.watchdog = setTimeout(() => this.watch(), left);\n"
    "    else this.stop.abort();\n"
    "  }\n";

static const char sse__script_parser[] =
    "  take(text) { // WHATWG HTML 9.2.6; a line, and a CR LF, may come in pieces\n"
    "    const stop = this.stop, whole = this.cr && text[0] === '\\n' ? text.slice(1) : text;\n"
    "    const lines = whole.split(/\\r\\n|\\n|\\r/);\n"
    "    this.cr = text.endsWith('\\r');\n"
    "    lines[0] = this.rest + lines[0];\n"
    "    this.rest = lines.pop();\n"
    "    for (const line of lines) if (stop === this.stop) this.line(line);\n"
    "  }\n"
    "  line(line) {\n"
    "    const colon = line.indexOf(':'), name = colon < 0 ? line : line.slice(0, colon);\n"
    "    const from = colon + (line[colon + 1] === ' ' ? 2 : 1);\n"
    "    const value = colon < 0 ? '' : line.slice(from);\n"
    "    if (!line) this.dispatch();\n"
    "    else if (name === 'data') this.data.push(value);\n"
    "    else if (name === 'event') this.type = value;\n"
    "    else if (name === 'id' && !value.includes('\\0')) this.own = value;\n"
    "    else if (name === 'retry' && /^\\d+$/.test(value)) this.retry = Number(value);\n"
    "  }\n"
    "  dispatch() {\n"
    "    const data = this.data.length ? this.data.join('\\n') : undefined;\n"
    "    const type = this.type || 'message', own = this.own !== undefined;\n"
    "    if (own) this.id = this.own;\n"
    "    this.data = [];\n"
    "    this.type = '';\n"
    "    this.own = undefined;\n"
    "    if (own || data !== undefined) this.to._received({ type, data, id: this.id, own });\n"
    "  }\n"
    "}\n";

static const char sse__script_unload[] =
    "\n"
    "// Streams end with the page, not when the server next writes, and come back if it does.\n"
    "addEventListener('pagehide', () => sources.forEach(source => source._stop()));\n"
    "addEventListener('pageshow', event => {\n"
    "  if (event.persisted) sources.forEach(source => source._start());\n"
    "});\n";

static const char sse__script_reconnect[] =
    "\n"
    "// EventSource gives up for good on any status but 200, and is slow to come back after other\n"
    "// breaks. Here only 204 is the end. What the server said in retry: is never cut short.\n"
    "again = (reader, status) => {\n"
    "  const { retry, maxRetry, maxRetries } = settings, { tries, flaps } = reader;\n"
    "  if (status === 204 || (maxRetries && tries >= maxRetries)) return -1;\n"
    "  const wait = Math.min(maxRetry, retry * 2 ** (tries + flaps)) * (0.5 + Math.random() / 2);\n"
    "  return reader.retry && !tries && !flaps ? reader.retry : Math.max(reader.retry, wait);\n"
    "};\n"
    "patience = reader => reader.open ? settings.idle : 20000;\n"
    "\n"
    "// A host that is away drops packets, which are sent again ever later: while a try\n"
    "// has no answer, another one is made every 2.5 s. The first and the newest stay under way.\n"
    "ask = (reader, stop) => new Promise((done, failed) => {\n"
    "  const tries = new Set(), timer = setInterval(start, 2500);\n"
    "  const settle = (own, how, what) => {\n"
    "    if (!tries.delete(own)) return;\n"
    "    clearInterval(timer);\n"
    "    tries.forEach(other => other.abort());\n"
    "    tries.clear();\n"
    "    how(what);\n"
    "  };\n"
    "  function start() {\n"
    "    const own = new AbortController(), [, older] = tries;\n"
    "    if (older) older.abort();\n"
    "    tries.delete(older);\n"
    "    tries.add(own);\n"
    "    stop.signal.addEventListener('abort', () => own.abort());\n"
    "    reader.ask(own.signal).then(\n"
    "      reply => settle(own, done, reply),\n"
    "      error => settle(own, failed, error),\n"
    "    );\n"
    "  }\n"
    "  start();\n"
    "});\n"
    "const kick = () => sources.forEach(source => source._feed && source._feed.kick());\n"
    "['online', 'pageshow'].forEach(type => addEventListener(type, kick));\n"
    "['visibilitychange', 'resume'].forEach(type => document.addEventListener(type, kick));\n";

static const char sse__script_watchers[] =
    "\n"
    "// For what shows states and counts. The streams of htmx 4 count, too.\n"
    "const watchers = [], others = new Map();\n"
    "changed = () => watchers.forEach(watcher => watcher());\n"
    "if (document.readyState !== 'loading') setTimeout(() => changed());\n"
    "else document.addEventListener('DOMContentLoaded', () => changed());\n"
    "for (const [type, state] of [['after:connection', 1], ['error', 0], ['close', 2]]) {\n"
    "  document.addEventListener('htmx:sse:' + type, event => {\n"
    "    if (state === 2) others.delete(event.target);\n"
    "    else others.set(event.target, state);\n"
    "    changed();\n"
    "  }, true);\n"
    "}\n";

static const char sse__script_status[] =
    "\n"
    "// Open, connecting, closed: in <html data-sse>, as text of each [data-sse-status] (or what\n"
    "// its data-open, ... says) and as the event sse:status of document.\n"
    "let growing = 0;\n"
    "const show = () => {\n"
    "  const known = [...sources].filter(source => source._young < Date.now());\n"
    "  const states = [...known.map(source => source.readyState), ...others.values()];\n"
    "  clearTimeout(growing);\n"
    "  if (known.length < sources.size) growing = setTimeout(show, 1000);\n"
    "  if (!states.length && sources.size) return;\n"
    "  const open = states.every(state => state === 1);\n"
    "  const status = !states.length ? 'closed' : open ? 'open' : 'connecting';\n"
    "  for (const place of document.querySelectorAll('[data-sse-status]')) {\n"
    "    const text = place.dataset[status] ?? status;\n"
    "    if (place.textContent !== text) place.textContent = text;\n"
    "  }\n"
    "  if (document.documentElement.dataset.sse === status) return;\n"
    "  document.documentElement.dataset.sse = status;\n"
    "  document.dispatchEvent(new CustomEvent('sse:status', { detail: { status } }));\n"
    "};\n"
    "watchers.push(show);\n";

static const char sse__script_stats[] =
    "\n"
    "// Counts of this page: as text of each [data-sse-count=\"open\"], ... and in detail of the\n"
    "// event sse:stats of document.\n"
    "let counting = 0, since = 0, told = '';\n"
    "const text = (name, value) => {\n"
    "  if (name !== 'since' && name !== 'last') return String(value);\n"
    "  return value ? new Date(value).toLocaleTimeString() : '';\n"
    "};\n"
    "const count = () => {\n"
    "  counting = 0;\n"
    "  const states = [...[...sources].map(source => source.readyState), ...others.values()];\n"
    "  const open = states.filter(state => state === 1).length;\n"
    "  since = open && open === states.length ? since || Date.now() : 0;\n"
    "  const detail = { open, connecting: states.length - open, ...counts, since };\n"
    "  for (const place of document.querySelectorAll('[data-sse-count]')) {\n"
    "    const name = place.dataset.sseCount;\n"
    "    if (name in detail) place.textContent = text(name, detail[name]);\n"
    "  }\n"
    "  if (told === (told = JSON.stringify(detail))) return;\n"
    "  document.dispatchEvent(new CustomEvent('sse:stats', { detail }));\n"
    "};\n"
    "counted = () => { if (!counting) counting = setTimeout(count, 250); };\n"
    "watchers.push(counted);\n";

static const char sse__script_tabs_peer[] =
    "\n"
    "// One tab reads for all: a browser opens six connections to a server, not six per tab. Each\n"
    "// source begins with a reader of its own, so that it gets what a newcomer is sent. If a tab\n"
    "// leads, that is, reads for all, its events take over as soon as both are level: the last\n"
    "// id of the own reader is one that the leader has passed. If none does, this one leads.\n"
    "class Peer {\n"
    "  constructor(source, channel) {\n"
    "    this.source = source;\n"
    "    this.name = Math.random().toString(36).slice(2);\n"
    "    Object.assign(this, { term: 0, leads: false, heir: '', alone: Date.now() });\n"
    "    this.gather('', null);\n"
    "    this.channel = new BroadcastChannel(channel);\n"
    "    this.channel.onmessage = event => this.hear(event.data);\n"
    "    this.timer = setInterval(() => this.check(), 500);\n"
    "    this.reader = new Reader(source, this); // null: this tab follows the leader\n"
    "    this.say({ ask: 'later' });\n"
    "  }\n"
    "  close() {\n"
    "    if (this.leads) this.say({ bye: this.heir });\n"
    "    if (this.reader) this.reader.close();\n"
    "    this.source = null;\n"
    "    clearInterval(this.timer);\n"
    "    this.channel.close();\n"
    "  }\n"
    "  kick() { // the page is looked at again, or the network is back\n"
    "    if (this.reader) this.reader.kick();\n"
    "    if (!this.leads) this.say({ ask: 'now' });\n"
    "    this.check();\n"
    "  }\n"
    "  say(words) { this.channel.postMessage({ ...words, from: this.name, term: this.term }); }\n"
    "  tell() {\n"
    "    const { id, open } = this.reader;\n"
    "    this.say({ id, live: open, open: this.source.readyState === 1 });\n"
    "  }\n"
    "\n"
    "  // What the own reader says.\n"
    "  _opened() {\n"
    "    this.source._opened();\n"
    "    if (this.source && this.leads) this.tell();\n"
    "  }\n"
    "  _received(event) {\n"
    "    if (this.leads) this.say({ event });\n"
    "    else if (!event.own) this.had = [...this.had.slice(-99), event.type + event.data];\n"
    "    this.source._received(event);\n"
    "    this.join();\n"
    "  }\n"
    "  _failed(fatal) {\n"
    "    if (this.leads && fatal) {\n"
    "      this.say({ ended: true });\n"
    "      this.leads = false;\n"
    "    }\n"
    "    this.source._failed(fatal);\n"
    "    if (this.source && this.leads) this.tell();\n"
    "  }\n"
    "\n"
    "  gather(leader, base) { // what the leader says from here on waits until this tab is level\n"
    "    const now = Date.now();\n"
    "    Object.assign(this, { leader, base, passed: base, since: [], had: [] });\n"
    "    Object.assign(this, { live: false, lived: now, heard: now, asked: 0 });\n"
    "  }\n"
    "  join() {\n"
    "    const { reader, since, leader, live } = this, now = Date.now();\n"
    "    if (!this.source || this.leads || !leader || !live) return;\n"
    "    if (!reader || !reader.open || now - reader.since < 500) return;\n"
    "    const { id } = reader, at = since.map(event => event.own && event.id).lastIndexOf(id);\n"
    "    const found = id && (at >= 0 || this.base === id);\n"
    "    // A server that was started anew may name the same place otherwise: then silence tells.\n"
    "    const ahead = since.some(event => event.own && event.fresh);\n"
    "    const calm = now - reader.heard > 3000 && !ahead;\n"
    "    if (!found && (id || this.passed) && !calm) return;\n"
    "    // Of events without ids: those that the own reader, while it was open, did not have.\n"
    "    const rest = since.slice(at + 1).filter(event => event.fresh || (found && event.own));\n"
    "    reader.close();\n"
    "    this.reader = null;\n"
    "    this.since = [];\n"
    "    this.source._id = this.passed || id;\n"
    "    setTimeout(() => { this.had = []; }, 2000);\n"
    "    rest.forEach(event => this.deliver(event));\n"
    "  }\n"
    "  deliver(event) {\n"
    "    const at = event.own ? -1 : this.had.indexOf(event.type + event.data);\n"
    "    if (!event.own) this.had = at < 0 ? [] : this.had.slice(at + 1);\n"
    "    if (at < 0 && this.source) this.source._received(event);\n"
    "  }\n";

static const char sse__script_tabs_lead[] =
    "\n"
    "  // What others say. A tab that took the lead later has a higher term; of two that did so\n"
    "  // at once, the one with the greater name leads.\n"
    "  hear(said) {\n"
    "    const { event, from, term } = said;\n"
    "    if (said.ask) return this.answer(said);\n"
    "    if (term < this.term || (term === this.term && from < this.leader)) {\n"
    "      if (this.leads) this.tell();\n"
    "      return;\n"
    "    }\n"
    "    const other = term > this.term || from !== this.leader;\n"
    "    this.term = term;\n"
    "    this.heard = Date.now();\n"
    "    this.asked = 0;\n"
    "    if ('bye' in said || (said.ended && this.reader)) return this.orphan(said.bye);\n"
    "    if (said.ended) return this.source._failed(true);\n"
    "    if (other || (!event && said.id !== this.passed)) this.follow(said);\n"
    "    this.passed = event ? event.id : said.id;\n"
    "    this.live = event ? true : said.live;\n"
    "    if (this.live) this.lived = Date.now();\n"
    "    if (event && !this.reader) return this.deliver(event);\n"
    "    if (event) this.keep({ ...event, fresh: this.reader.open });\n"
    "    else if (!this.reader && said.open) this.source._opened();\n"
    "    else if (!this.reader && this.source.readyState === 1) this.source._failed(false);\n"
    "    this.join();\n"
    "  }\n"
    "  keep(event) {\n"
    "    this.since.push(event);\n"
    "    if (this.since.length <= 1000) return;\n"
    "    this.since.shift();\n"
    "    this.base = null;\n"
    "  }\n"
    "  answer({ ask, from }) {\n"
    "    if (!this.leads) return;\n"
    "    this.heir = from;\n"
    "    if (ask === 'now') this.reader.kick();\n"
    "    else this.reader.nudge();\n"
    "    this.tell();\n"
    "  }\n"
    "  follow({ from, id, event }) {\n"
    "    const level = !this.reader && !event && id === this.source._id;\n"
    "    if (this.leads) this.timer = setInterval(() => this.check(), 500);\n"
    "    this.leads = false;\n"
    "    this.gather(from, !event ? id : event.own ? null : event.id);\n"
    "    if (!this.reader && !level) this.reader = new Reader(this.source, this);\n"
    "  }\n"
    "  orphan(heir) {\n"
    "    this.gather('', null);\n"
    "    this.alone = Date.now();\n"
    "    if (!this.reader && heir === this.name) this.lead();\n"
    "  }\n"
    "  lead() { // from where this tab is; unless it takes long, nobody need notice\n"
    "    this.gather(this.name, null);\n"
    "    this.term++;\n"
    "    this.leads = true;\n"
    "    clearInterval(this.timer);\n"
    "    if (!this.reader) this.reader = new Reader(this.source, this);\n"
    "    this.tell();\n"
    "    setTimeout(() => {\n"
    "      const shows = this.source && this.source.readyState === 1;\n"
    "      if (shows && this.leads && !this.reader.open) this._failed(false);\n"
    "    }, 1000);\n"
    "  }\n"
    "  check() { // a leader that does not answer is gone, or frozen\n"
    "    if (!this.source || this.leads) return;\n"
    "    const now = Date.now(), { reader } = this;\n"
    "    const ready = reader && reader.open && now - reader.since >= 500;\n"
    "    if (this.leader && this.asked && now - this.asked > 1000) {\n"
    "      this.orphan('');\n"
    "      this.alone = 0;\n"
    "    } else if (this.leader && !this.asked && now - this.heard > (this.live ? 2000 : 700)) {\n"
    "      this.asked = now;\n"
    "      this.say({ ask: 'later' });\n"
    "    }\n"
    "    // A tab that has a stream leads if the leader has none: connections may have run out.\n"
    "    const may = this.leader ? ready && !this.live && now - this.lived > 1500\n"
    "      : (ready || !reader) && now - this.alone > 1000;\n"
    "    if (may) this.lead();\n"
    "    else this.join();\n"
    "  }\n"
    "}\n"
    "\n"
    "if (self.origin !== 'null' && window.BroadcastChannel) connect = source => {\n"
    "  const url = new URL(source.url), who = source.withCredentials ? '+ ' : '- ';\n"
    "  url.searchParams.delete('lastEventId');\n"
    "  return new Peer(source, 'sse.h 2 ' + who + url);\n"
    "};\n";

static const char sse__script_end[] =
    "\n"
    "Source.sources = sources;\n"
    "window.EventSource = Source;\n"
    "})();\n";

enum { SSE__SCRIPTS = SSE_SCRIPT_ALL | SSE_SCRIPT_STATS };

/* The pieces, and the scripts that need them. */
static const struct { unsigned which; const char *text; } sse__scripts[] = {
    {SSE__SCRIPTS, sse__script_begin},
    {SSE__SCRIPTS, sse__script_core},
    {SSE__SCRIPTS, sse__script_reader},
    {SSE__SCRIPTS, sse__script_parser},
    {SSE_SCRIPT_UNLOAD | SSE_SCRIPT_TABS, sse__script_unload},
    {SSE_SCRIPT_RECONNECT, sse__script_reconnect},
    {SSE_SCRIPT_STATUS | SSE_SCRIPT_STATS, sse__script_watchers},
    {SSE_SCRIPT_STATUS, sse__script_status},
    {SSE_SCRIPT_STATS, sse__script_stats},
    {SSE_SCRIPT_TABS, sse__script_tabs_peer},
    {SSE_SCRIPT_TABS, sse__script_tabs_lead},
    {SSE__SCRIPTS, sse__script_end},
};

static bool sse__is_script_options(const sse_script_options *o) {
    const bool retries = o->retry_ms || o->max_retry_ms || o->max_retries || o->idle_ms;
    if (o->which & ~((unsigned)SSE__SCRIPTS | (unsigned)SSE_SCRIPT_BARE)) return false;
    if (retries && o->which && !(o->which & SSE_SCRIPT_RECONNECT)) return false;
    if (o->nonce && (!*o->nonce || !sse__has_no_newline(o->nonce) || (o->which & SSE_SCRIPT_BARE)))
        return false;
    if (o->retry_ms < 0 || o->max_retry_ms < 0) return false;
    if (o->max_retries < 0 || o->idle_ms < 0) return false;
    return !o->max_retry_ms || o->max_retry_ms >= (o->retry_ms ? o->retry_ms : 500);
}

static void sse__put_script_settings(sse_buf *b, const sse_script_options *o) {
    const int retry_ms = o->retry_ms ? o->retry_ms : 500;
    const int most_ms  = o->max_retry_ms ? o->max_retry_ms : retry_ms > 2000 ? retry_ms : 2000;
    sse_printf(b, "\nconst settings = { retry: %d, maxRetry: %d, ", retry_ms, most_ms);
    sse_printf(b, "maxRetries: %d, idle: %d };\n", o->max_retries, o->idle_ms);
}

SSE_API void sse_scripts_with(sse_buf *b, const sse_script_options *options) {
    static const sse_script_options defaults = {0, 0, 0, 0, 0, NULL};
    const sse_script_options *o = options ? options : &defaults;
    const unsigned which = o->which ? o->which : (unsigned)SSE_SCRIPT_ALL;
    size_t i;
    if (!sse__is_script_options(o)) {
        sse_buf_fail(b, SSE_E_ARG);
        return;
    }
    if (which == SSE_SCRIPT_BARE) return;
    if (o->nonce) sse_html(b, "<script nonce=\"%s\">\n", o->nonce);
    else if (!(which & SSE_SCRIPT_BARE)) sse_puts(b, "<script>\n");
    for (i = 0; i < SSE__COUNT(sse__scripts); i++) {
        if (!(which & sse__scripts[i].which)) continue;
        if (sse__scripts[i].text == sse__script_reconnect) sse__put_script_settings(b, o);
        sse_puts(b, sse__scripts[i].text);
    }
    if (!(which & SSE_SCRIPT_BARE)) sse_puts(b, "</script>\n");
}

SSE_API void sse_scripts(sse_buf *b, unsigned which) {
    sse_script_options o;
    memset(&o, 0, sizeof o);
    o.which = which;
    if (which) sse_scripts_with(b, &o);
}

/*==========================================================================
  >>client   Datastar's language, a part of it, for pages without internet   [pure]
  Uses: >>buf >>base                    Tests: tests/browser/client.test.mjs
  JC1  Each piece is a literal of at most 4095 characters; in the order of
       sse__client_write they are one JavaScript module.
  JC2  As sent, in gzip and in br, it has at most 5 KB (5120 bytes).
==========================================================================*/

#ifndef SSE_NO_CLIENT

/* JavaScript of 2022. Each byte counts (JC2): indentation stands outside of the literals, comments
   are those of C, and short names mean the same everywhere: d document, el element, e event or
   error, k key or path, v value, o object, a array, s string, n number, fn function; to is what is
   in the page, from and by what is new. */

/* Signals are plain objects; an expression sees them through $, a proxy that notes which paths are
   read while an effect runs (seen) and makes those that are missing "". An effect is in live with
   what it saw; flush runs those whose paths have another value now: soon after a write, at once
   after a patch. A path that is gone counts as unchanged. What an effect itself writes does not run
   it again: what it saw is looked up at its end. */
static const char sse__client_signals[] =
    "let d = document, data = {}, live = new Map\n"
    "let seen, due\n"
    "let isObj = v => v?.constructor == Object\n"
    "let tree = v => isObj(v) || v?.map\n"
    "let look = k => k.split('.').reduce((v, k) => v?.[k], data)\n"
    "let see = (k, v = look(k)) => tree(v) ? Object.keys(v) + '' : v\n"
    "let flush = () => {\n"
      "due = 0\n"
      "for (let [run, a] of live) if (a.some(([k, v]) => !Object.is(see(k) ?? v, v))) run(soon())\n"
    "}\n"
    "let soon = () => due ||= setTimeout(flush)\n"
    "let wrap = (o, at) => new Proxy(o, {\n"
      "get(_, k) {\n"
        "if (k.at && k != 'toJSON') {\n"
          "seen?.push(at + k)\n"
          "o[k] ?\?= ''\n"
        "}\n"
        "return tree(o[k]) ? wrap(o[k], at + k + '.') : o[k]\n"
      "},\n"
      "set(_, k, v) {\n"
        "v == null ? delete o[k] : o[k] = v\n"
        "return soon()\n"
      "}\n"
    "})\n"
    "let $ = wrap(data, '')\n"
    "let merge = (o, by, keep) => {\n"
      "for (let k in by) {\n"
        "let v = by[k]\n"
        "if (v == null) keep || delete o[k]\n"
        "else if (isObj(v)) merge(tree(o[k]) ? o[k] : o[k] = {}, v, keep)\n"
        "else if (!keep || o[k] == null) o[k] = v\n"
      "}\n"
      "soon()\n"
    "}\n"
    "let put = (k, v, keep, o = data) => merge(o, k.split('.').reduceRight((v, k) => ({[k]: v}), "
      "v), keep)\n";

/* An expression becomes a function: $a-b is $['a-b'] and @get( a call of act, outside of strings.
   Its value is that of all of it or, where that does not compile, of its last statement, else none.
   */
static const char sse__client_expressions[] =
    "let camel = s => s.replace(/-[a-z]/g, s => s[1].toUpperCase())\n"
    "let parse = s => {\n"
      "s = s.replace(/(['\"`])(\\\\.|(?!\\${).)*?\\1|\\$(\\w+(-\\w+)*)|@(get|post|put|patch|"
        "delete)\\(|;\\s*$/gs,\n"
      "(s, q, a, k, b, act) => k ? `$['${k}']` : act ? `act('${act.toUpperCase()}',` : q ? s : "
        "'')\n"
      "for (let code of [`return (${s}\\n)`, s.replace(/[^;]+$/, 'return ($&\\n)'), s]) try {\n"
        "return Function('el,$,act,evt', code)\n"
      "} catch (e) {\n"
        "if (s == code) throw e\n"
      "}\n"
    "}\n";

/* An action. What it sends is made once, and again when a hidden page is shown; a retry sends the
   same. end ends it for good (another one of its method and URL, its element, the caller), cut only
   an attempt. */
static const char sse__client_request[] =
    "let then = (end, fn) => end.signal.addEventListener('abort', fn)\n"
    "let set = (el, k, v) => {\n"
      "if (v === false || v == null) return el.removeAttribute(k)\n"
      "v = v === true ? '' : v.at ? v : JSON.stringify(v)\n"
      "if (v != el.getAttribute(k)) el.setAttribute(k, v)\n"
    "}\n"
    "let ask = async (el, evt, by, method, url, {\n"
      "selector, headers, contentType, payload, filterSignals: {include = '', exclude = /(^|\\."
        ")_/} = {}, openWhenHidden = method != 'GET',\n"
      "requestCancellation: cancel = 'auto', retry, retryInterval = 1000, retryScaler = 2, "
        "retryMaxWait = 30000, retryMaxCount = 10\n"
    "} = {}) => {\n"
      "let end = new AbortController, inUrl = /GET|DEL/.test(method)\n"
      "let to, body, head, cut = end, wake, away, ms, wait = retryInterval, n = 0\n"
      "let tell = (type, argsRaw = {}) => d.dispatchEvent(new CustomEvent('datastar-fetch', "
        "{detail: {type, el, argsRaw}}))\n"
      "let kill = () => {\n"
        "end.abort()\n"
        "cut.abort()\n"
        "wake?.()\n"
      "}\n"
      "let prepare = () => {\n"
        "let a, s, o = {}\n"
        "to = new URL(url, d.baseURI)\n"
        "head = {Accept: 'text/event-stream, text/html, application/json', "
          "'Datastar-Request': true, ...headers}\n"
        "if (contentType == 'form') {\n"
          "let form = selector ? d.querySelector(selector) : el.closest('form'), by = evt?."
            "submitter ?? el\n"
          "if (!form.noValidate && !form.reportValidity()) return\n"
          "form.addEventListener('submit', e => e.preventDefault(), end)\n"
          "a = new FormData(form)\n"
          "if (by.name && /submit|button/.test(by.type)) a.append(by.name, by.value)\n"
          "s = /multi/.test(form.enctype) ? a : new URLSearchParams(a)\n"
        "} else {\n"
          "let pick = (by, at) => {\n"
            "for (let k in by) {\n"
              "let v = by[k], s = at + k\n"
              "if (isObj(v)) pick(v, s + '.')\n"
              "else if (RegExp(include).test(s) && !RegExp(exclude).test(s)) put(s, v, 0, o)\n"
            "}\n"
          "}\n"
          "pick(data, '')\n"
          "s = JSON.stringify(payload ?? o)\n"
          "a = [['datastar', s]]\n"
          "if (!inUrl) head['Content-Type'] ||= 'application/json'\n"
        "}\n"
        "if (inUrl) for (let [k, v] of a) to.searchParams.append(k, v)\n"
        "else body = s\n"
        "return head\n"
      "}\n";

/* read tells what is in a reply as events of the document, and answers whether to ask again. Then
   the attempts. The wait between them grows and is up to a quarter longer than said, so that the
   pages of a server that was away do not come back all at once. */
static const char sse__client_stream[] =
      "let read = async r => {\n"
        "let type = r.headers.get('Content-Type')?.match(/html|json|javascript/), as = "
          "{html: 'elements', json: 'signals'}[type]\n"
        "let event, o = {}, rest = '', p\n"
        "for (let [k, v] of r.headers) if (/^datastar/.test(k)) o[camel(k.slice(9))] = v\n"
        "if (as) {\n"
          "o[as] = await r.text()\n"
          "tell('datastar-patch-' + as, o)\n"
        "} else if (type) {\n"
          "let el = d.createElement('script'), by = JSON.parse(o.scriptAttributes ?? null)\n"
          "for (let k in by) set(el, k, by[k])\n"
          "el.text = await r.text()\n"
          "d.head.append(el)\n"
        "} else {\n"
          "let from = r.body.pipeThrough(new TextDecoderStream).getReader()\n"
          "while (!(p = await from.read()).done) {\n"
            "let a = (rest + p.value).split(/\\r\\n|\\n|\\r(?!$)/)\n"
            "rest = a.pop()\n"
            "for (let s of a) {\n"
              "let [, name, v, k, more] = /^(\\w+): ?((\\w*) ?(.*))/s.exec(s) ?? []\n"
              "if (name == 'event') event = v\n"
              "if (name == 'data') o[k] = k in o ? o[k] + '\\n' + more : more\n"
              "if (name == 'id') head['last-event-id'] = v\n"
              "if (name == 'retry' && v >= 0) retryInterval = wait = +v\n"
              "if (s) continue\n"
              "if (/^datastar/.test(event)) tell(event, o)\n"
              "event = o = {}\n"
            "}\n"
          "}\n"
          "return retry == 'always'\n"
        "}\n"
      "}\n"
      "let one = (o, k) => {\n"
        "o[k]?.()\n"
        "o[k] = kill\n"
      "}\n"
      "if (cancel == 'cleanup') then(by, kill, one(by, method))\n"
      "if (cancel.signal) then(cancel, kill)\n"
      "else if (cancel != 'disabled') one(ask, method + url)\n"
      "if (!openWhenHidden) d.addEventListener('visibilitychange', () => {\n"
        "cut.abort()\n"
        "if (away = d.hidden) return\n"
        "prepare()\n"
        "wake?.()\n"
      "}, end)\n"
      "tell('started')\n"
      "try {\n"
        "if (prepare()) while (!end.signal.aborted) {\n"
          "cut = new AbortController\n"
          "ms = 0\n"
          "try {\n"
            "let r = await fetch(to, {method, headers: head, body, signal: cut.signal}), "
              "{status} = r\n"
            "if (status >= 400) tell('error', {status: status + ''})\n"
            "if (status == 200) {\n"
              "n = 0\n"
              "wait = retryInterval\n"
              "if (!await read(r)) return\n"
            "} else if (status < 400 || !/always|error/.test(retry)) return\n"
          "} catch {}\n"
          "if (!cut.signal.aborted) {\n"
            "if (retry == 'never' || n++ >= retryMaxCount) {\n"
              "tell('retries-failed')\n"
              "throw Error('no reply from ' + url)\n"
            "}\n"
            "tell('retrying')\n"
            "ms = wait * (1 + Math.random() / 4)\n"
            "wait = Math.min(wait * retryScaler, retryMaxWait)\n"
          "}\n"
          "await new Promise(fn => {\n"
            "wake = fn\n"
            "setTimeout(() => away || fn(), ms)\n"
          "})\n"
        "}\n"
      "} finally {\n"
        "tell('finished')\n"
        "kill()\n"
      "}\n"
    "}\n";

/* Makes elements like new ones, keeping what they are. kept has the ids that stay, on elements of
   one kind: such an element is found wherever it is, and moved with its state. Of the others the
   next one matches that has the same name and holds one of the same ids, or both hold none; what is
   passed over is taken out at the end. What a user changed stays as long as the server's attribute
   does not change. A fragment that a range makes runs its scripts where it is put; made as content
   of a template it may begin with <tr>. */
static const char sse__client_morph[] =
    "let kept, out\n"
    "let all = el => el.querySelectorAll ? [el, ...el.querySelectorAll('*')] : []\n"
    "let ids = el => all(el).map(el => el.id).filter(k => kept.has(k))\n"
    "let find = (el, to, end) => {\n"
      "let a = ids(el)\n"
      "for (; to != end; to = to.nextSibling) {\n"
        "let b = ids(to)\n"
        "if (to.nodeName == el.nodeName && (!to.id || to.id == el.id) && (!(a + b) || b.some("
          "k => a.includes(k)))) return to\n"
        "if (b[0]) return\n"
      "}\n"
    "}\n"
    "let fill = (top, from, to = top.firstChild, end = null) => {\n"
      "for (let el of [...from.childNodes]) {\n"
        "let hit = find(el, to, end)\n"
        "if (hit) for (; to != hit; to = to.nextSibling) out.add(to)\n"
        "else if (kept.has(el.id)) (top.moveBefore ?? top.insertBefore).call(top, hit = d."
          "getElementById(el.id), to)\n"
        "else top.insertBefore(ids(el)[0] ? hit = el.cloneNode() : el, to)\n"
        "if (hit) {\n"
          "out.delete(hit)\n"
          "morph(hit, el)\n"
          "to = hit.nextSibling\n"
        "}\n"
      "}\n"
      "for (; to != end; to = to.nextSibling) out.add(to)\n"
    "}\n"
    "let morph = (to, el) => {\n"
      "if (!to.tagName) return to.data != el.data && (to.data = el.data)\n"
      "if (to.matches('[data-ignore-morph]') && el.matches('[data-ignore-morph]')) return\n"
      "let a = el.getAttribute('data-preserve-attr')?.split(' ') ?? [], v\n"
      "kept.delete(to.id)\n"
      "if (to.defaultValue != el.defaultValue && !a.includes('value')) v = to.value = el."
        "defaultValue\n"
      "for (let {name: k} of [...to.attributes, ...el.attributes]) {\n"
        "let s = el.getAttribute(k)\n"
        "if (s == to.getAttribute(k) || a.includes(k)) continue\n"
        "if (k == 'checked' || k == 'selected') v = to[k] = s != null\n"
        "set(to, k, s)\n"
      "}\n"
      "if (v != null) (to.closest('select') ?? to).dispatchEvent(new Event('prop'))\n"
      "if (to.content) to.innerHTML = el.innerHTML\n"
      "else if (!to.isEqualNode(el)) fill(to, el)\n"
    "}\n"
    "let patch = ({elements = '', selector, mode = 'outer', namespace}) => {\n"
      "let tag = namespace?.match(/svg|math/), r = new Range\n"
      "r.selectNodeContents(d.createElement('template'))\n"
      "let o = r.createContextualFragment(tag ? `<${tag}>${elements}</${tag}>` : elements)\n"
      "tag && o.replaceChildren(...o.firstChild.childNodes)\n"
      "for (let el of selector ? [o] : [...o.children]) {\n"
        "selector ?? o.replaceChildren(el)\n"
        "let a = d.querySelectorAll(selector ?? `[id=\"${el.id}\"]`)\n"
        "if (!a[0]) console.warn('no element for', selector ?? el)\n"
        "for (let to of a) {\n"
          "let from = o.cloneNode(true)\n"
          "if (/outer|inner/.test(mode)) {\n"
            "if (to.parentElement?.closest('[data-ignore-morph]')) continue\n"
            "kept = new Set\n"
            "out = new Set\n"
            "for (let {nodeName, id} of all(from)) {\n"
              "let hit = d.getElementById(id)\n"
              "if (to.contains(hit) && hit.nodeName == nodeName) kept.add(id)\n"
            "}\n"
            "mode == 'inner' ? fill(to, from) : fill(to.parentNode, from, to, to.nextSibling)\n"
            "for (let el of out) el.remove()\n"
          "} else to[mode == 'replace' ? 'replaceWith' : mode](from)\n"
        "}\n"
      "}\n"
    "}\n"
    "d.addEventListener('datastar-fetch', ({detail: {type, argsRaw: o}}) => {\n"
      "if (/signals$/.test(type)) {\n"
        "merge(data, Function(`return (${o.signals})`)(), o.onlyIfMissing == 'true')\n"
        "flush()\n"
      "}\n"
      "if (/elements$/.test(type)) o.useViewTransition == 'true' && d.startViewTransition?.(("
        ") => patch(o)) || patch(o)\n"
    "})\n";

/* Applies an attribute, which lasts as long as its AbortController; that is also the options of its
   listeners, so that its modifiers become capture, once and passive. What an effect wrote to the
   page is written again (redo) whenever the page changed; that changes nothing where it is still
   right. */
static const char sse__client_attributes[] =
    "let apply = (el, name) => {\n"
      "el.$?.[name]?.abort()\n"
      "let s = el.getAttribute(name), [, is, key] = /^data-([^:_]+):?(.*?)(__|$)/.exec("
        "name) ?? []\n"
      "if (!is || s == null || el.closest('[data-ignore]')) return\n"
      "let end = (el.$ ||= {})[name] = new AbortController, {type} = el\n"
      "for (let k of name.split('__')) end[k] = 1\n"
      "let code, timer, last, val, count = 0, k = camel(key || s)\n"
      "let react = fn => {\n"
        "let run = () => {\n"
          "seen = []\n"
          "fn()\n"
          "live.set(run, seen.map(k => [k, see(k)]))\n"
          "seen = null\n"
        "}\n"
        "run()\n"
        "then(end, () => live.delete(run))\n"
        "return run\n"
      "}\n"
      "let go = evt => {\n"
        "try {\n"
          "return (code ||= parse(s))(el, $, ask.bind(0, el, evt, end), evt)\n"
        "} catch (e) {\n"
          "console.error(e)\n"
        "}\n"
      "}\n"
      "let [, how, n, ms, more] = /__([a-z]+)\\.(\\d+)(m?)s([^_]*)/.exec(name) ?? [], rare = "
        "how == 'throttle', time = n * 1000 ** !ms\n"
      "let fire = how ? e => {\n"
        "if (how == 'delay') return setTimeout(go, time, e)\n"
        "last = rare == /trailing/.test(more) && e\n"
        "if (!timer && rare != /leading/.test(more)) last = go(e) && 0\n"
        "if (timer && rare) return\n"
        "clearTimeout(timer)\n"
        "timer = setTimeout(() => {\n"
          "timer = 0\n"
          "if (last) go(last)\n"
        "}, time)\n"
      "} : go\n";

/* What each attribute does. At the end all that are there are applied, and what comes, changes and
   goes is watched. */
static const char sse__client_plugins[] =
      "let show = {\n"
        "text(v) {\n"
          "if (el.textContent != (v += '')) el.textContent = v\n"
        "},\n"
        "show(v) {\n"
          "if (!v != (el.style.display == 'none')) el.style.display = v ? '' : 'none'\n"
        "},\n"
        "class(o) {\n"
          "for (let k in o) for (let s of k.split(' ')) s && el.classList.toggle(s, !!o[k])\n"
        "},\n"
        "attr(o) {\n"
          "for (let k in o) set(el, k, o[k])\n"
        "}\n"
      "}[is]\n"
      "if (show) react(() => show(val = key ? {[key]: go()} : go())).redo = () => show(val)\n"
      "if (is == 'init') fire()\n"
      "if (is == 'effect') react(go)\n"
      "if (is == 'signals') key ? put(k, go(), end.ifmissing) : merge(data, go(), end.ifmissing)\n"
      "if (is == 'on') (end.window ? window : end.document || end.outside || "
        "key == 'datastar-fetch' ? d : el).addEventListener(key, e => {\n"
        "if (end.prevent || key == 'submit' && el.elements) e.preventDefault()\n"
        "if (end.stop) e.stopPropagation()\n"
        "if (!end.outside || !el.contains(e.target)) fire(e)\n"
      "}, end)\n"
      "if (is == 'indicator') {\n"
        "let set = v => put(k, (count += v) > 0)\n"
        "d.addEventListener('datastar-fetch', ({detail: {el: by, type}}) => {\n"
          "if (by == el) set((type == 'started') - (type == 'finished'))\n"
        "}, end)\n"
        "then(end, () => set(-count))\n"
        "set(0)\n"
      "}\n"
      "if (is == 'bind' && type != 'file') {\n"
        "let many = type == 'select-multiple'\n"
        "if (type == 'radio') el.name ||= k\n"
        "if (look(k)?.map && !many) k += '.' + all(d.body).filter(x => x.getAttribute(name) == s)."
          "indexOf(el)\n"
        "let save = e => {\n"
          "let v = el.value, was = typeof look(k)\n"
          "if (type == 'checkbox') v = (v == 'on' ? was == 'string' : was != 'boolean') ? el."
            "checked ? v : '' : el.checked\n"
          "else if (many) v = [...el.selectedOptions].map(o => look(k)?.find?.(v => v == o."
            "value) ?? o.value)\n"
          "else if (was == 'number' || was != 'string' && /number|range/.test(type)) v = +v\n"
          "if (type != 'radio' || el.checked) put(k, v, !e)\n"
          "e && run()\n"
        "}\n"
        "save()\n"
        "let run = react(() => {\n"
          "seen.push(k)\n"
          "let v = look(k) ?? ''\n"
          "if (/checkbox|radio/.test(type)) el.checked = v === true || el.value == v + ''\n"
          "else if (many) for (let o of el.options) o.selected = v.some?.(v => v == o.value)\n"
          "else el.value = v\n"
        "})\n"
        "for (let s of ['change', 'input', 'prop']) el.addEventListener(s, save, end)\n"
      "}\n"
    "}\n"
    "let applyAll = el => {\n"
      "for (let {name} of [...el.attributes]) apply(el, name)\n"
    "}\n"
    "new MutationObserver(a => {\n"
      "for (let {target, attributeName, addedNodes, removedNodes} of a) {\n"
        "for (let top of removedNodes) for (let el of all(top)) for (let k in el.$) el.$[k].abort("
          ")\n"
        "for (let top of addedNodes) all(top).forEach(applyAll)\n"
        "if (attributeName) apply(target, attributeName)\n"
      "}\n"
      "for (let [run] of live) run.redo?.()\n"
    "}).observe(d, {subtree: 1, childList: 1, attributes: 1, characterData: 1})\n"
    "d.querySelectorAll('*').forEach(applyAll)\n";

/* Appends the whole client. */
static void sse__client_write(sse_buf *b) {
    static const char *const pieces[] = {/* JC1 */
        sse__client_signals, sse__client_expressions, sse__client_request,
        sse__client_stream, sse__client_morph, sse__client_attributes,
        sse__client_plugins};
    size_t i;
    for (i = 0; i < SSE__COUNT(pieces); i++) sse_puts(b, pieces[i]);
}

#else
static void sse__client_write(sse_buf *b) { (void)b; }
#endif /* SSE_NO_CLIENT */

#ifdef __cplusplus
}
#endif
#endif /* SSE_IMPLEMENTATION */

/* Rules of this file, for those who change it
   - A section uses only what stands above it. Upcalls go through function pointers, or are declared
     in a block that names the section that defines them. `make layers` proves it. Sections marked
     [pure] do no I/O, read no clock and keep no state outside their arguments.
   - Numbered invariants stand in the banner of their section, each tag once in the file; asserts
     and comments cite them.
   - C99 that is also C++11. Sizes that come from outside are added and multiplied in >>base.
     Nothing here exits, aborts or prints but the default logger.
   - A fault that was mended has a test. `make check` takes seconds, `make test` runs everything.

   MIT License

   Copyright (c) 2026 the sse.h authors

   Permission is hereby granted, free of charge, to any person obtaining a copy
   of this software and associated documentation files (the "Software"), to deal
   in the Software without restriction, including without limitation the rights
   to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
   copies of the Software, and to permit persons to whom the Software is
   furnished to do so, subject to the following conditions:

   The above copyright notice and this permission notice shall be included in all
   copies or substantial portions of the Software.

   THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
   IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
   FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
   AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
   LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
   OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
   SOFTWARE. */
