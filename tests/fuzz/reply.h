/* reply.h: a strict reader of HTTP/1.1 replies (RFC 9110, 9112) and of their content, for the
   server fuzzer. It knows nothing of sse.h: what is not allowed aborts. Bytes come in any pieces.
   Content is decoded, and handed on by content(); a reply that is over by ended(). */
#ifndef REPLY_H
#define REPLY_H
#include <brotli/decode.h>
#include <zlib.h>

enum where { HEAD, LENGTH, SIZE_LINE, CHUNK, CHUNK_END, LAST_LINE, TO_CLOSE, NOTHING, BLIND };

typedef struct reply {
    enum where          at;
    char                line[4096]; /* the head, or a line of the framing, as far as it has come */
    size_t              n;
    uint64_t            left; /* of the body, or of its chunk */
    int                 status;
    long                number;   /* of the request, by its field X-N; -1: none */
    bool                bodiless; /* it answers a HEAD: set before its head comes */
    bool                old;      /* it answers HTTP/1.0: likewise */
    bool                close, events, chunked, coded;
    BrotliDecoderState *br;
    z_stream            gzip;
    bool                unzips, decoded; /* decoded: its end is in */
} reply;

static void content(reply *r, const char *bytes, size_t n);
static void ended(reply *r, bool complete);
static void began(reply *r); /* its head is in */

static bool token_byte(int c) { return c > ' ' && c < 0x7F && !strchr("()<>@,;:\\\"/[]?={}", c); }

/* The value of a field, which must not be there twice; NULL: it is not. */
static const char *field(const char *head, const char *name, char out[256]) {
    const size_t n = strlen(name);
    const char  *line = strstr(head, "\r\n") + 2, *found = NULL;
    for (; *line != '\r'; line = strstr(line, "\r\n") + 2) {
        const char *colon = line, *end = strstr(line, "\r\n");
        while (token_byte((unsigned char)*colon)) colon++;
        CHECK(colon > line && colon[0] == ':' && colon[1] == ' ');
        if ((size_t)(colon - line) != n || strncasecmp(line, name, n)) continue;
        CHECK(!found);
        CHECK(end - colon - 2 < 256);
        found = out;
        memcpy(out, colon + 2, (size_t)(end - colon - 2));
        out[end - colon - 2] = '\0';
    }
    return found;
}

static void free_decoders(reply *r) {
    if (r->br) BrotliDecoderDestroyInstance(r->br);
    if (r->unzips) inflateEnd(&r->gzip);
    r->br = NULL;
    r->unzips = false;
}

static void reply_over(reply *r, bool complete) {
    if (complete && r->coded) CHECK(r->decoded);
    free_decoders(r);
    r->at = r->close ? NOTHING : HEAD;
    r->n = 0;
    r->bodiless = r->old = false;
    ended(r, complete); /* which says what is next */
}

static void read_head(reply *r) { /* all of it is in r->line */
    char        v[256];
    const char *p, *value;
    CHECK(strncmp(r->line, "HTTP/1.1 ", 9) == 0 && r->line[12] == ' ');
    for (p = r->line + 9; p < r->line + 12; p++) CHECK(*p >= '0' && *p <= '9');
    for (p = r->line; strncmp(p, "\r\n\r\n", 4); p++) {
        if (p[0] == '\r') CHECK(p[1] == '\n');
        else if (p[0] == '\n') CHECK(p > r->line && p[-1] == '\r');
        else CHECK((unsigned char)*p >= ' ' && *p != 0x7F);
    }
    r->status = atoi(r->line + 9);
    r->chunked = r->events = r->coded = r->decoded = false;
    CHECK(r->status >= 100 && r->status < 600);
    value = field(r->line, "X-N", v);
    r->number = value && *value && strspn(value, "0123456789") == strlen(value) ? atol(value) : -1;
    value = field(r->line, "Transfer-Encoding", v);
    r->chunked = value != NULL;
    if (value) CHECK(!strcmp(value, "chunked") && !r->old && r->status >= 200 && r->status != 204);
    value = field(r->line, "Content-Length", v);
    r->at = value ? LENGTH : r->chunked ? SIZE_LINE : TO_CLOSE;
    if (value) {
        CHECK(!r->chunked && *value && strspn(value, "0123456789") == strlen(value) &&
              strlen(value) < 10 && r->status != 204 && r->status >= 200);
        r->left = strtoull(value, NULL, 10);
    }
    if (r->status < 200) {
        r->at = HEAD;
        r->n = 0;
        CHECK(r->status == 100);
        return;
    }
    CHECK(field(r->line, "Date", v));
    value = field(r->line, "Connection", v);
    CHECK(!value || !strcmp(value, "close") || !strcmp(value, "keep-alive"));
    r->close = value && !strcmp(value, "close");
    if (r->old) r->close = !value || r->close;
    value = field(r->line, "Content-Type", v);
    r->events = value && !strncmp(value, "text/event-stream", 17);
    value = field(r->line, "Content-Encoding", v);
    if (value && !r->bodiless) {
        r->coded = true;
        CHECK(!strcmp(value, "br") || !strcmp(value, "gzip"));
        if (*value == 'b') r->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        else {
            memset(&r->gzip, 0, sizeof r->gzip);
            CHECK(inflateInit2(&r->gzip, 15 + 16) == Z_OK);
            r->unzips = true;
        }
    }
    began(r);
    if (r->status == 204 || r->status == 304 || r->bodiless) {
        r->coded = false;
        reply_over(r, true);
    } else if (r->at == LENGTH && r->left == 0) {
        r->coded = false;
        reply_over(r, true);
    }
    r->n = 0;
}

static void plain(reply *r, const char *bytes, size_t n) { /* of the body: without framing */
    static uint8_t out[1 << 16];
    if (!r->coded) {
        content(r, bytes, n);
        return;
    }
    CHECK(!r->decoded || n == 0);
    if (r->br) {
        const uint8_t      *in = (const uint8_t *)bytes;
        BrotliDecoderResult got = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
        while (got == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
            uint8_t *to = out;
            size_t   room = sizeof out;
            got = BrotliDecoderDecompressStream(r->br, &n, &in, &room, &to, NULL);
            CHECK(got != BROTLI_DECODER_RESULT_ERROR);
            content(r, (char *)out, sizeof out - room);
        }
        r->decoded = got == BROTLI_DECODER_RESULT_SUCCESS;
        CHECK(n == 0);
        return;
    }
    r->gzip.next_in = (Bytef *)(uintptr_t)bytes;
    r->gzip.avail_in = (uInt)n;
    do {
        int got;
        r->gzip.next_out = out;
        r->gzip.avail_out = sizeof out;
        got = inflate(&r->gzip, Z_SYNC_FLUSH);
        CHECK(got == Z_OK || got == Z_STREAM_END || got == Z_BUF_ERROR);
        content(r, (char *)out, sizeof out - r->gzip.avail_out);
        r->decoded = got == Z_STREAM_END;
    } while (r->gzip.avail_out == 0);
    CHECK(r->gzip.avail_in == 0);
}

/* Takes a line of the framing. False: it is not all in. */
static bool framing_line(reply *r, const char **at, const char *end) {
    while (*at < end) {
        CHECK(r->n < 20);
        r->line[r->n++] = *(*at)++;
        if (r->line[r->n - 1] != '\n') continue;
        CHECK(r->n >= 2 && r->line[r->n - 2] == '\r');
        r->line[r->n - 2] = '\0';
        r->n = 0;
        return true;
    }
    return false;
}

static void reply_bytes(reply *r, const char *at, size_t n) {
    const char *end = at + n;
    while (at < end && r->at != BLIND) {
        size_t take_now = (size_t)(end - at);
        CHECK(r->at != NOTHING); /* it said that it was over */
        switch (r->at) {
        case HEAD:
            CHECK(r->n + 1 < sizeof r->line);
            r->line[r->n++] = *at++;
            r->line[r->n] = '\0';
            if (r->n > 3 && !memcmp(r->line + r->n - 4, "\r\n\r\n", 4)) read_head(r);
            break;
        case LENGTH:
        case CHUNK:
            if (take_now > r->left) take_now = (size_t)r->left;
            plain(r, at, take_now);
            at += take_now;
            r->left -= take_now;
            if (r->left == 0 && r->at == LENGTH) reply_over(r, true);
            else if (r->left == 0) r->at = CHUNK_END;
            break;
        case TO_CLOSE:
            plain(r, at, take_now);
            at = end;
            break;
        case SIZE_LINE:
            if (!framing_line(r, &at, end)) break;
            CHECK(*r->line && strspn(r->line, "0123456789abcdefABCDEF") == strlen(r->line) &&
                  strlen(r->line) < 9);
            r->left = strtoull(r->line, NULL, 16);
            r->at = r->left ? CHUNK : LAST_LINE;
            break;
        case CHUNK_END:
            if (!framing_line(r, &at, end)) break;
            CHECK(!*r->line);
            r->at = SIZE_LINE;
            break;
        case LAST_LINE:
            if (!framing_line(r, &at, end)) break;
            CHECK(!*r->line);
            reply_over(r, true);
            break;
        default: abort();
        }
    }
}

/* The connection is closed. reset: not by a FIN, so that what has come is no whole body. A unix
   socket does not show that the other side meant to reset it. */
static void reply_closed(reply *r, bool reset) {
    if (r->at == TO_CLOSE) reply_over(r, !reset && (!r->coded || r->decoded));
    else if (r->at != HEAD && r->at != NOTHING && r->at != BLIND) reply_over(r, false);
    free_decoders(r);
    r->at = NOTHING;
}
#endif
