/* client.h: clients of an app in the same process, over its unix socket or TCP. A turn lets the
   loop and all clients move; time passes only when nobody can. Replies are read whole: unframed and
   decompressed, by the decoders of others. Include it after wrap.h and case.h. */
#ifndef CLIENT_H
#define CLIENT_H
#include <arpa/inet.h>
#include <brotli/decode.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <zlib.h>

enum {
    CLIENTS = 200,
    SPIN = 20000,       /* turns without rest */
    PATIENCE_MS = 90000 /* of the app's time, in which nothing else happens */
};

typedef struct client {
    int         fd;
    char       *got, *text; /* text: the body, decoded, as far as it has come */
    size_t      len, cap, text_len;
    const char *out; /* still to be sent */
    size_t      out_len;
    char        request[600];
    bool        over, deaf, stale; /* stale: text is */
    bool        whole;             /* the reply in text */
    int         status;
    size_t      from, next; /* the reply in text begins and ends there */
    bool        tcp;
} client;

static sse_app *app;
static client  *clients[CLIENTS];
static int      nclients;

/* ---- moving ---- */

static bool client_moves(client *c) {
    bool    moved = false;
    ssize_t n;
    if (c->fd < 0) return false;
    while (c->out_len && (n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
        c->out += n;
        c->out_len -= (size_t)n;
        moved = true;
    }
    while (!c->deaf && !c->over) {
        if (c->cap - c->len < 65536) {
            c->cap = c->cap * 2 + 131072;
            c->got = (char *)realloc(c->got, c->cap + 1);
            if (!c->got) abort();
        }
        n = recv(c->fd, c->got + c->len, c->cap - c->len, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
        moved = true;
        c->stale = true;
        if (n <= 0) c->over = true;
        else c->len += (size_t)n;
        c->got[c->len] = '\0';
    }
    return moved;
}

static int app_runs; /* what sse_poll answered last */

/* Lets everybody move once. False: nobody could. */
static bool turn(void) {
    const uint32_t before = app->loop.upcall;
    bool           moved;
    int            i;
    serving = true;
    app_runs = sse_poll(app, sse__pools_work(app) ? 10 : 0);
    serving = false;
    moved = events_seen > 0 || app->loop.upcall != before || sse__pools_work(app) ||
            (app_runs > 0 && sse__test_loop_works(app));
    for (i = 0; i < nclients; i++)
        if (client_moves(clients[i])) moved = true;
    return moved;
}

/* Bytes under way over TCP, which takes real time. */
static bool is_in_flight(int fd) {
    int left = 0;
    return __real_ioctl(fd, TIOCOUTQ, &left) == 0 && left > 0;
}

static bool flies(void) {
    static int waits_ms; /* a connection that was reset may have some for ever */
    bool       tcp = false, any = false;
    int        i;
    for (i = 0; i < nclients; i++)
        if (clients[i]->tcp && !clients[i]->over)
            tcp = true, any = any || is_in_flight(clients[i]->fd);
    for (i = 0; i < DESCRIPTORS && tcp && !any; i++) any = registered_at[i] && is_in_flight(i);
    if (!tcp) return false;
    usleep(2000);
    if (turn()) waits_ms = 0;
    else if (!any || (waits_ms += 2) > 200) return waits_ms = 0, false;
    return true;
}

/* Turns until it is done, for at most so long. False: it is not. */
static bool until_ms(bool (*done)(void *user), void *user, long long ms) {
    long turns = 0;
    for (;;) {
        int next;
        if (done(user)) return true;
        if (turn() || flies()) {
            if (++turns < SPIN) continue;
            bug("spins: %d turns without rest", SPIN);
            return false;
        }
        turns = 0;
        if (ms <= 0 || app_runs <= 0) return done(user);
        next = sse_next_ms(app);
        if (next < 1 || next > 1000) next = next < 1 && next >= 0 ? 1 : 1000;
        clock_pass(next);
        ms -= next;
    }
}

static bool until(bool (*done)(void *user), void *user) {
    return until_ms(done, user, PATIENCE_MS);
}

static bool never(void *user) {
    (void)user;
    return false;
}

static void pass(long long ms) { until_ms(never, NULL, ms); }

/* ---- coming and going ---- */

static const char *const unix_path = "s";

static client *dial(bool tcp) {
    struct sockaddr_un to_unix = {.sun_family = AF_UNIX};
    struct sockaddr_in to_tcp = {.sin_family = AF_INET};
    client            *c = (client *)calloc(1, sizeof *c);
    int                error;
    if (!c || nclients == CLIENTS) abort();
    snprintf(to_unix.sun_path, sizeof to_unix.sun_path, "%s", unix_path);
    to_tcp.sin_port = htons((uint16_t)sse_port(app));
    to_tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    error = tcp ? connect(c->fd, (struct sockaddr *)&to_tcp, sizeof to_tcp)
                : connect(c->fd, (struct sockaddr *)&to_unix, sizeof to_unix);
    if (error) bug("nobody listens at the %s socket: %s", tcp ? "TCP" : "unix", strerror(errno));
    c->over = error != 0;
    c->tcp = tcp;
    clients[nclients++] = c;
    return c;
}

static void hang_up(client *c) {
    int i = 0;
    while (clients[i] != c) i++;
    clients[i] = clients[--nclients];
    close(c->fd);
    free(c->got);
    free(c->text);
    free(c);
}

/* GET, or another method if the path begins with it. fields: NULL: none. */
static void ask(client *c, const char *path, const char *fields) {
    snprintf(c->request, sizeof c->request, "%s%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
        *path == '/' ? "GET " : "", path, fields ? fields : "");
    c->out = c->request;
    c->out_len = strlen(c->request);
}

/* ---- reading ---- */

typedef struct bytes {
    char  *p;
    size_t len, cap;
} bytes;

static void bytes_add(bytes *b, const void *p, size_t n) {
    if (b->cap - b->len <= n) {
        b->cap = (b->cap + n) * 2 + 100;
        b->p = (char *)realloc(b->p, b->cap);
        if (!b->p) abort();
    }
    memcpy(b->p + b->len, p, n);
    b->len += n;
    b->p[b->len] = '\0';
}

/* Takes chunks off p. Returns how many bytes they were, and whether the last was among them. */
static size_t unchunk(const char *p, size_t n, bytes *to, bool *last) {
    size_t at = 0;
    while (!*last) {
        const char *line = (const char *)memchr(p + at, '\n', n - at);
        size_t      size;
        char       *end;
        if (!line) break;
        size = strtoul(p + at, &end, 16);
        if (end == p + at || *end != '\r' || end + 1 != line) bug("a chunk without a size");
        if ((size_t)(line + 1 - p) + size + 2 > n) { /* of a stream: what has come of it */
            if (size) bytes_add(to, line + 1, n - (size_t)(line + 1 - p));
            break;
        }
        bytes_add(to, line + 1, size);
        at = (size_t)(line + 1 - p) + size + 2;
        if (memcmp(p + at - 2, "\r\n", 2) != 0) bug("a chunk without its end");
        *last = size == 0;
    }
    return at;
}

static void unzip(const bytes *from, bytes *to, bool whole) {
    static char room[65536];
    z_stream    z;
    int         rc = Z_OK;
    memset(&z, 0, sizeof z);
    if (inflateInit2(&z, 31) != Z_OK) abort();
    z.next_in = (Bytef *)from->p;
    z.avail_in = (uInt)from->len;
    do {
        z.next_out = (Bytef *)room;
        z.avail_out = sizeof room;
        rc = inflate(&z, Z_SYNC_FLUSH);
        bytes_add(to, room, sizeof room - z.avail_out);
    } while (rc == Z_OK && !z.avail_out);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) bug("gzip that is none: %d", rc);
    if (whole && from->len && rc != Z_STREAM_END) bug("gzip without its end");
    inflateEnd(&z);
}

static void unbrotli(const bytes *from, bytes *to, bool whole) {
    static uint8_t      room[65536];
    BrotliDecoderState *d = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t      *in = (const uint8_t *)from->p;
    size_t              left = from->len;
    BrotliDecoderResult rc;
    do {
        uint8_t *out = room;
        size_t   free_out = sizeof room;
        rc = BrotliDecoderDecompressStream(d, &left, &in, &free_out, &out, NULL);
        bytes_add(to, room, sizeof room - free_out);
    } while (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
    if (rc == BROTLI_DECODER_RESULT_ERROR) bug("brotli that is none");
    if (whole && from->len && rc != BROTLI_DECODER_RESULT_SUCCESS) bug("brotli without its end");
    BrotliDecoderDestroyInstance(d);
}

/* The value of a field, or NULL. head ends with an empty line. */
static const char *field(const char *head, const char *name) {
    const char *line = head;
    while ((line = strstr(line, "\r\n")) != NULL && strncmp(line, "\r\n\r\n", 4) != 0) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return line + strlen(name) + 2;
    }
    return NULL;
}

/* What lies between the head and the next reply, unframed: in raw. */
static void client_unframe(client *c, const char *head, const char *body, bytes *raw) {
    const char  *length = field(head, "Content-Length"), *te = field(head, "Transfer-Encoding");
    const size_t have = c->len - (size_t)(body - c->got);
    c->next = (size_t)(body - c->got);
    if (strncmp(c->request, "HEAD", 4) == 0 || c->status == 204 || c->status == 304)
        c->whole = true;
    else if (te && strncmp(te, "chunked", 7) == 0) c->next += unchunk(body, have, raw, &c->whole);
    else if (length) {
        const size_t n = strtoul(length, NULL, 10);
        c->whole = have >= n;
        bytes_add(raw, body, c->whole ? n : have);
        c->next += raw->len;
    } else {
        bytes_add(raw, body, have);
        c->whole = c->over;
        c->next = c->len;
    }
}

/* Reads the reply at c->from as far as it has come. */
static void client_read(client *c) {
    const char *head = c->got ? c->got + c->from : "", *end = strstr(head, "\r\n\r\n"), *coding;
    bytes       raw = {NULL, 0, 0}, text = {NULL, 0, 0};
    if (!c->stale) return;
    c->stale = false;
    c->whole = false;
    c->status = 0;
    free(c->text);
    bytes_add(&raw, "", 0);
    bytes_add(&text, "", 0);
    if (end) {
        c->status = (int)strtol(head + 9, NULL, 10);
        client_unframe(c, head, end + 4, &raw);
        coding = field(head, "Content-Encoding");
        if (coding && *coding == 'b') unbrotli(&raw, &text, c->whole);
        else if (coding && *coding == 'g') unzip(&raw, &text, c->whole);
        else bytes_add(&text, raw.p, raw.len);
    }
    free(raw.p);
    c->text = text.p;
    c->text_len = text.len;
}

static bool is_answered(void *user) {
    client *c = (client *)user;
    client_read(c);
    return c->whole || c->over;
}

/* Waits for a whole reply. False: the connection ended first, or nothing comes. */
static bool answered(client *c) {
    if (!until(is_answered, c))
        bug("no reply in %d s to %.60s (%zu bytes came: %.60s)", PATIENCE_MS / 1000, c->request,
            c->len - c->from, c->got ? c->got + c->from : "");
    return c->whole;
}

typedef struct wanted {
    client     *c;
    const char *text;
} wanted;

static bool has_text(void *user) {
    const wanted *w = (const wanted *)user;
    client_read(w->c);
    return w->c->over || (w->c->text && strstr(w->c->text, w->text));
}

/* Waits until a text has come. False: the connection ended, or it does not come. */
static bool hears(client *c, const char *text) {
    wanted w = {c, text};
    return until(has_text, &w) && c->text && strstr(c->text, text);
}
#endif
