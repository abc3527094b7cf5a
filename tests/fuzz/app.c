/* app.c: what an app makes of a request: who sent it, which live view it means, where its stream
   goes on. The first byte chooses one; each is compared with a second reader. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"

static sse_app *app, *far; /* far: whose log is elsewhere */
static int      renders;
static char     shown[8192]; /* by the last render, or the handler */

/* One line, whatever a peer sent; and nothing of a target ends the quotes of its access log. */
static void silent(int level, const char *line, void *user) {
    const char *p = strstr(line, " +0000] \"");
    (void)user;
    CHECK(strcspn(line, "\r\n") == strlen(line));
    if (level != SSE_LOG_INFO || !p) return;
    for (p += 9; *p != '"'; p++) {
        CHECK(*p >= ' ' && *p < 0x7F);
        if (*p == '\\') p++;
    }
    CHECK(p[-1] == '1' && p[1] == ' ' && strspn(p + 1, "0123456789 ") == strlen(p + 1));
}

static void show(const char *a, const char *b, const char *c) {
    const char *const texts[] = {a, b, c};
    size_t            i, n = 0;
    for (i = 0; i < 3; i++)
        n += (size_t)snprintf(shown + n, sizeof shown - n, "%s%s;", texts[i] ? "=" : "-",
            texts[i] ? texts[i] : "");
    CHECK(n < sizeof shown);
}

static void route(sse_req *req, void *user) {
    (void)user;
    show(sse_param(req, "id"), sse_query(req, "a"), sse_query(req, "bc"));
    sse_puts(sse_out(req), "shown");
}

static void render(sse_view *view, sse_buf *html, void *user) {
    (void)user;
    renders++;
    show(sse_view_param(view, "id"), sse_view_param(view, "a"), sse_view_param(view, "bc"));
    sse_printf(html, "<p id=v>%d</p>", renders);
}

static void each(sse_req *req, sse_buf *html, void *user) {
    (void)user;
    renders++;
    show(sse_param(req, "id"), sse_query(req, "a"), sse_query(req, "bc"));
    sse_printf(html, "<p id=v>%d</p>", renders);
}

static void peer(sse_req *req, void *user) {
    (void)user;
    sse_set_cookie(req, "c", "v", NULL); /* for TLS alone, where it came by that */
    sse_puts(sse_out(req), sse_peer(req));
}

static void resume(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "t");
}

static void resume_elsewhere(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, NULL), "far");
}

enum { EVENTS = 8, KEPT = 5, PAGE = 2 };
static char              epoch[16];
static const char *const logged[EVENTS] = {"1", "9-2", "9-2a", "9-010", "10-0", "10-9", "10-a",
    "b"}; /* the ids of a log elsewhere, in its order */

/* A second reader of ids: digits by their value, all else by byte. */
static int order(const char *a, const char *b) {
    for (;;) {
        const size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
        if (n && m) {
            char x[400], y[400];
            snprintf(x, sizeof x, "%0*d%.*s", 200 - (int)n, 0, (int)n,
                a); /* as long as the other */
            snprintf(y, sizeof y, "%0*d%.*s", 200 - (int)m, 0, (int)m, b);
            if (strcmp(x, y)) return strcmp(x, y);
            a += n;
            b += m;
        } else if (*a != *b || !*a) return (unsigned char)*a - (unsigned char)*b;
        else a++, b++;
    }
}

/* The log tells what follows, a page at a time; who begins, begins behind its end. */
static void missed(sse_stream s, const char *name, const char *after, void *user) {
    const char *last = after ? after : logged[EVENTS - 1];
    sse_event   event;
    char        data[16];
    int         i, n = 0;
    (void)user;
    CHECK(!strcmp(name, "far"));
    memset(&event, 0, sizeof event);
    for (i = 0; after && i < EVENTS && n < PAGE; i++) {
        if (order(logged[i], after) <= 0) continue;
        snprintf(data, sizeof data, "n%d", i + 1);
        event.id = last = logged[i];
        event.data = data;
        CHECK(sse_stream_send(s, &event) == SSE_OK);
        n++;
    }
    CHECK(sse_replay_end(s, last) == SSE_OK);
}

static void setup(void) {
    sse_app_options   o;
    sse_live_options  live;
    sse_topic_options topic;
    sse_test_reply    reply;
    sse_event         event;
    char              data[16];
    int               i;
    if (app) return;
    memset(&o, 0, sizeof o);
    memset(&live, 0, sizeof live);
    memset(&topic, 0, sizeof topic);
    memset(&reply, 0, sizeof reply);
    memset(&event, 0, sizeof event);
    o.on_log = silent;
    o.slow_ms = SSE_OFF;
    o.trusted_proxies = "127.0.0.1 10.0.0.1 2001:db8::1";
    app = sse_app_new(&o);
    CHECK(app);
    live.query = "a bc";
    CHECK(sse_log_access(app) == SSE_OK);
    sse_get(app, "/peer", peer, NULL);
    sse_get(app, "/t", resume, NULL);
    sse_get(app, "/r/{id}", route, NULL);
    sse_live(app, "/v/{id}", render, &live);
    sse_live_each(app, "/e/{id}", each, NULL);
    topic.history = KEPT;
    sse_topic(app, "t", &topic);
    event.data = data;
    for (i = 1; i <= EVENTS; i++) {
        snprintf(data, sizeof data, "n%d", i);
        event.id = i == 6 ? "mine-6" : NULL;
        CHECK(sse_publish(app, "t", &event) == SSE_OK);
    }
    far = sse_app_new(&o);
    CHECK(far);
    sse_get(far, "/far", resume_elsewhere, NULL);
    topic.source = missed;
    CHECK(sse_topic(far, "far", &topic) == SSE_OK);
    for (i = 0; i < EVENTS; i++) {
        snprintf(data, sizeof data, "n%d", i + 1);
        event.id = logged[i];
        CHECK(sse_publish(far, "far", &event) == SSE_OK);
    }
    CHECK(sse_test_request(app, "GET /t", NULL, NULL, &reply) == SSE_OK);
    CHECK(sscanf(reply.body, "id: %8[0-9a-f]-8\n\n", epoch) == 1);
    sse_test_close(&reply);
}

/* ---- who sent it ---- */

/* The address in an element, as inet_ntop writes it. False: there is none. */
static bool address_in(sse_str s, char out[INET6_ADDRSTRLEN]) {
    unsigned char bytes[16];
    char          text[80], *at = text, *end;
    if (memchr(s.ptr, '=', s.len)) { /* for=...;by=... */
        sse_str all = s;
        bool    found = false;
        while (!found && all.ptr) {
            const char *semi = (const char *)memchr(all.ptr, ';', all.len), *is;
            s = sse__str(all.ptr, semi ? (size_t)(semi - all.ptr) : all.len);
            all = semi ? sse__str(semi + 1, all.len - s.len - 1) : sse__str(NULL, 0);
            is = s.len ? (const char *)memchr(s.ptr, '=', s.len) : NULL;
            found = sse__is_word(strip(sse__str(s.ptr, is ? (size_t)(is - s.ptr) : s.len)), "for");
            if (found && !is) return false;
            if (found) s = strip(sse__str(is + 1, s.len - (size_t)(is + 1 - s.ptr)));
        }
        if (!found) return false;
    }
    if (s.len >= sizeof text || s.len == 0) return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (inet_pton(AF_INET6, text, bytes) != 1) { /* [address]:port, address:port */
        end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
        if (*text == '[' && (!end || (end[1] && end[1] != ':'))) return false;
        if (*text == '[') {
            *end++ = '\0';
            at = text + 1;
        }
        if (end && *end) {
            *end++ = '\0';
            if (strspn(end, "0123456789") != strlen(end)) return false;
            while (*end == '0' && end[1]) end++;
            if (strlen(end) > 5 || atoi(*end ? end : "0") > 65535) return false;
        }
        if (*text != '[' && at[0] && at[strlen(at) - 1] == '.') at[strlen(at) - 1] = '\0';
        if (inet_pton(*text == '[' ? AF_INET6 : AF_INET, at, bytes) != 1) return false;
        if (*text != '[') {
            snprintf(out, INET6_ADDRSTRLEN, "%s", at);
            return true;
        }
    }
    if (memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12) == 0)
        return inet_ntop(AF_INET, bytes + 12, out, INET6_ADDRSTRLEN) != NULL;
    return inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN) != NULL;
}

/* Whether the nearest proxy was asked over TLS: the last element of the last line says so. */
static bool says_https(sse_str line) {
    const char *comma = line.len ? (const char *)memrchr(line.ptr, ',', line.len) : NULL;
    sse_str     rest = line, one, name;
    if (comma) rest = sse__str(comma + 1, line.len - (size_t)(comma + 1 - line.ptr));
    while (rest.len) {
        const char *semi = (const char *)memchr(rest.ptr, ';', rest.len), *is;
        one = sse__str(rest.ptr, semi ? (size_t)(semi - rest.ptr) : rest.len);
        rest = semi ? sse__str(semi + 1, rest.len - one.len - 1) : sse__str("", 0);
        is = one.len ? (const char *)memchr(one.ptr, '=', one.len) : NULL;
        name = strip(sse__str(one.ptr, is ? (size_t)(is - one.ptr) : one.len));
        if (!sse__is_word(name, "proto")) continue;
        if (!is) return false;
        one = strip(sse__str(is + 1, one.len - (size_t)(is + 1 - one.ptr)));
        return sse__is_word(one, "https");
    }
    return false;
}

enum { MOST_FIELDS = 100 }; /* the default of max_headers */

static void fuzz_peer(input *in) {
    const sse_str  text = take_text(in, in->left);
    sse_str        lines[MOST_FIELDS + 10];
    char           last[INET6_ADDRSTRLEN] = "127.0.0.1", mine[INET6_ADDRSTRLEN];
    sse_buf        headers = {NULL, 0, 0, 0};
    sse_test_reply reply;
    int            n = 0, x = 0, i, sent = 1; /* Host */
    sse_str        rest = text;
    bool           https = false;
    const char    *cookie;
    memset(&reply, 0, sizeof reply);
    for (; rest.len && sent < MOST_FIELDS + 10;
         sent++) { /* the first byte of a line: which field it is */
        const bool  forwarded = *rest.ptr & 1;
        const char *end = (const char *)memchr(rest.ptr, '\n', rest.len);
        sse_str     line = sse__str(rest.ptr + 1, end ? (size_t)(end - rest.ptr) : rest.len);
        size_t      k;
        if (end == rest.ptr) line.len = 1;
        line.len--;
        rest = end ? sse__str(end + 1, rest.len - (size_t)(end + 1 - rest.ptr)) : sse__str("", 0);
        for (k = 0; k < line.len; k++)
            if (((unsigned char)line.ptr[k] < 0x20 && line.ptr[k] != '\t') || line.ptr[k] == 0x7F ||
                line.ptr[k] == '"')
                goto done;
        sse_printf(&headers, "%s: %.*s\n", forwarded ? "Forwarded" : "x-forwarded-For",
            SSE_STR(line));
        if (forwarded) https = says_https(line);
        if (!forwarded && !x++) n = 0; /* the older form counts alone, where it is there */
        if (!forwarded || !x) lines[n++] = strip(line);
    }
    if (headers.len > 4000) goto done;
    while (n > 0 && strstr(" 127.0.0.1 10.0.0.1 2001:db8::1 ", last)) {
        sse_str *line = &lines[n - 1];
        size_t   from = line->len;
        while (from && line->ptr[from - 1] != ',') from--;
        if (!address_in(strip(sse__str(line->ptr + from, line->len - from)), mine)) break;
        strcpy(last, mine);
        if (strcmp(last, "127.0.0.1") && strcmp(last, "10.0.0.1") && strcmp(last, "2001:db8::1"))
            break;
        if (from) line->len = from - 1;
        else n--;
    }
    i = sse_test_request(app, "GET /peer", sse_buf_text(&headers), NULL, &reply);
    CHECK(i == SSE_OK && reply.status == (sent > MOST_FIELDS ? 431 : 200));
    if (reply.status != 200) goto done;
    cookie = sse_test_header(&reply, "Set-Cookie");
    CHECK(strcmp(reply.body, last) == 0 && cookie && !!strstr(cookie, "; Secure") == https);
done:
    sse_test_close(&reply);
    sse_buf_free(&headers);
}

/* ---- which view it means ---- */

/* Two targets open the same view if their parameters are the same, and see what an ordinary handler
   sees; touching one renders that one. */
static void fuzz_view(input *in) {
    const bool     both = take(in) & 1;
    char           tails[2][600], request[640], want[2][sizeof shown];
    sse_test_reply reply, open[2];
    sse_stats      stats;
    int            i, k, status[2];
    memset(open, 0, sizeof open);
    for (i = 0; i < 2; i++) {
        sse_str s = take_until(in, '\n');
        if (s.len > 500) s.len = 500;
        for (k = 0; k < (int)s.len; k++)
            if ((unsigned char)s.ptr[k] <= 0x20 || s.ptr[k] == 0x7F) return;
        snprintf(tails[i], sizeof tails[i], "/%.*s", SSE_STR(s));
        if (!s.len) strcpy(tails[i], "/x");
    }
    for (i = 0; i < 2; i++) {
        memset(&reply, 0, sizeof reply);
        snprintf(request, sizeof request, "GET /r%s", tails[i]);
        strcpy(shown, "nothing");
        CHECK(sse_test_request(app, request, NULL, NULL, &reply) == SSE_OK);
        status[i] = reply.status;
        strcpy(want[i], shown);
        sse_test_close(&reply);
        snprintf(request, sizeof request, "GET /%c%s", both ? 'v' : 'e', tails[i]);
        strcpy(shown, "nothing");
        k = renders;
        CHECK(sse_test_request(app, request, NULL, NULL, &open[i]) == SSE_OK);
        CHECK(open[i].status == status[i]);
        if (status[i] != 200) continue;
        if (both && i == 1 && status[0] == 200 && strcmp(want[0], want[1]) == 0)
            CHECK(renders == k); /* shared: it is there already */
        else CHECK(renders == k + 1 && strcmp(shown, want[i]) == 0);
        CHECK(open[i].open && strstr(open[i].body, "id=v"));
    }
    CHECK(sse_stats_get(app, &stats) == SSE_OK);
    k = (status[0] == 200) + (status[1] == 200);
    if (both && k == 2 && !strcmp(want[0], want[1])) k = 1;
    CHECK((int)stats.views == (both ? k : 0)); /* private ones are not counted */
    if (status[0] == 200) {
        k = renders;
        snprintf(request, sizeof request, "/%c%s", both ? 'v' : 'e', tails[0]);
        CHECK(sse_touch(app, request) == SSE_OK && sse_test_run(app, 0) == SSE_OK);
        if (strcmp(tails[0], "/{id}") == 0) CHECK(renders > k); /* that names them all */
        else if (both) CHECK(renders == k + 1 && strcmp(shown, want[0]) == 0);
        else CHECK(renders > k);
    }
    for (i = 0; i < 2; i++) sse_test_close(&open[i]);
    CHECK(sse_stats_get(app, &stats) == SSE_OK && stats.views == 0 && stats.streams == 0);
}

/* ---- where its stream goes on ---- */

static void fuzz_resume(input *in) {
    const unsigned     k = take(in);
    char               id[300], headers[400], request[1200], want[600], gap[200] = "";
    sse_str            s = take_until(in, '\n');
    sse_test_reply     reply;
    sse_buf            url = {NULL, 0, 0, 0};
    unsigned long long number = 0;
    int                i, from = EVENTS, at = 0, digits = 0;
    char               tail[8];
    if (s.len > 200) s.len = 200;
    if (k & 1) snprintf(id, sizeof id, "%s-%.*s", epoch, SSE_STR(s));
    else snprintf(id, sizeof id, "%.*s", SSE_STR(s));
    for (i = 0; id[i]; i++)
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7F) return;
    for (i = (int)strlen(id); i > 0 && (id[i - 1] == ' ' || id[i - 1] == '\t');) id[--i] = '\0';
    if (*id == ' ' || *id == '\t') return;
    memset(&reply, 0, sizeof reply);
    snprintf(headers, sizeof headers, "Last-Event-ID: %s\n", id);
    sse_url(&url, "GET /t?lastEventId=%s", id);
    snprintf(request, sizeof request, "%s", sse_buf_text(&url));
    CHECK(sse_test_request(app, k & 2 ? request : "GET /t", k & 2 ? NULL : headers, NULL, &reply) ==
          SSE_OK);
    CHECK(reply.status == 200 && reply.open);
    /* what it is, by another reader */
    if (!strcmp(id, "mine-6")) from = 6;
    else if (!strncmp(id, epoch, 8) && id[8] == '-' && strspn(id + 9, "0123456789") &&
             !id[9 + strspn(id + 9, "0123456789")]) {
        const char *p = id + 9;
        while (*p == '0' && p[1]) p++;
        digits = (int)strlen(p);
        number = digits < 3 ? strtoull(p, NULL, 10) : 100;
        from = number <= EVENTS ? (int)number : -1;
    } else if (*id) from = -1;
    if (from < EVENTS - KEPT) {
        snprintf(gap, sizeof gap, "event: gap\ndata: {\"reason\":\"%s\"}\n\n",
            from < 0 ? "unknown" : "expired");
        from = EVENTS - KEPT;
    }
    at = snprintf(want, sizeof want, "%s", gap);
    for (i = from + 1; i <= EVENTS; i++) {
        snprintf(tail, sizeof tail, "%d", i);
        at += i == 6 ? snprintf(want + at, sizeof want - (size_t)at, "id: mine-6\ndata: n6\n\n")
                     : snprintf(want + at, sizeof want - (size_t)at, "id: %s-%s\ndata: n%s\n\n",
                           epoch, tail, tail);
    }
    if (!*id) snprintf(want, sizeof want, "id: %s-%d\n\n", epoch, EVENTS); /* it has one now */
    if (strcmp(reply.body, want)) fprintf(stderr, "for %s:\n%s--\n%s", id, reply.body, want);
    CHECK(strcmp(reply.body, want) == 0);
    sse_test_close(&reply);
    sse_buf_free(&url);
}

/* From memory or from the log, each comes once and in order, whatever the id is. */
static void fuzz_resume_elsewhere(input *in) {
    const unsigned k = take(in);
    char           id[160], headers[200], want[600] = "";
    sse_str        s = take_until(in, '\n');
    sse_test_reply reply;
    sse_stats      stats;
    int            i, at = 0;
    if (s.len > 140) s.len = 140;
    snprintf(id, sizeof id, "%s%.*s", k < EVENTS ? logged[k] : "", SSE_STR(s));
    for (i = 0; id[i]; i++)
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7F) return;
    if (!i || *id == ' ' || id[i - 1] == ' ') return;
    memset(&reply, 0, sizeof reply);
    snprintf(headers, sizeof headers, "Last-Event-ID: %s\n", id);
    CHECK(sse_test_request(far, "GET /far", headers, NULL, &reply) == SSE_OK);
    CHECK(reply.status == 200 && reply.open);
    if (i > 127)
        snprintf(want, sizeof want, "event: gap\ndata: {\"reason\":\"unknown\"}\n\nid: %s\n\n",
            logged[EVENTS - 1]);
    else
        for (i = 0; i < EVENTS; i++)
            if (order(logged[i], id) > 0)
                at += snprintf(want + at, sizeof want - (size_t)at, "id: %s\ndata: n%d\n\n",
                    logged[i], i + 1);
    if (strcmp(reply.body, want)) fprintf(stderr, "for %s:\n%s--\n%s", id, reply.body, want);
    CHECK(strcmp(reply.body, want) == 0);
    sse_test_close(&reply);
    CHECK(sse_stats_get(far, &stats) == SSE_OK && stats.streams == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    setup();
    switch (take(&in) % 4) {
    case 0: fuzz_peer(&in); break;
    case 1: fuzz_view(&in); break;
    case 2: fuzz_resume(&in); break;
    default: fuzz_resume_elsewhere(&in);
    }
    free(own);
    return 0;
}
