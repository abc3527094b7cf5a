/* reader.h: what a client makes of the bytes of a reply: head, chunks, br or gzip by the reference
   decoders, events. Written from the specifications (RFC 9112, WHATWG HTML 9.2), and sharing no
   code with sse.h. */
#ifndef READER_H
#define READER_H
#include <brotli/decode.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

typedef struct bytes {
    char  *at;
    size_t n, cap;
} bytes;

static void bytes_add(bytes *b, const void *from, size_t n) {
    if (b->n + n + 1 > b->cap) {
        b->cap = (b->n + n + 1) * 2;
        b->at = (char *)realloc(b->at, b->cap);
        if (!b->at) abort();
    }
    if (n) memcpy(b->at + b->n, from, n);
    b->n += n;
    b->at[b->n] = '\0';
}

static void bytes_drop(bytes *b, size_t n) {
    b->n -= n;
    if (n) memmove(b->at, b->at + n, b->n + 1);
}

typedef struct heard {            /* one event, or the id that is told without one */
    const char *name, *data, *id; /* NULL: absent */
} heard;

typedef struct reader {
    bytes  raw, text, head;                /* raw: as it came; text: decoded, no whole event yet */
    int    status;                         /* 0: no head yet */
    bool   chunked, bounded, coded, whole; /* whole: the body has come to its end */
    size_t left;                           /* of the chunk, or of a bounded body */
    int    framing; /* of chunks: 0: its length is next, 1: bytes, 2: the line break behind */
    BrotliDecoderState *br;
    z_stream            gzip;
    bool                gzips, decoded; /* decoded: the compressed body has come to its end */
    char                wrong[200];     /* what broke the rules; "": nothing */
    void (*on_event)(void *user, const heard *event); /* NULL: the body is kept in text */
    void *user;
} reader;

static void reader_wrong(reader *r, const char *fmt, ...) {
    va_list ap;
    if (r->wrong[0]) return;
    va_start(ap, fmt);
    vsnprintf(r->wrong, sizeof r->wrong, fmt, ap);
    va_end(ap);
}

static void reader_free(reader *r) {
    free(r->raw.at);
    free(r->text.at);
    free(r->head.at);
    if (r->br) BrotliDecoderDestroyInstance(r->br);
    if (r->gzips) inflateEnd(&r->gzip);
    memset(r, 0, sizeof *r);
}

/* The value of the i-th field of that name, in a buffer of this function's; NULL: absent. */
static const char *reader_field(const reader *r, const char *name, int i) {
    static char  value[600];
    const size_t n = strlen(name);
    const char  *line = r->head.at ? strchr(r->head.at, '\n') : NULL;
    for (; line; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':' || i--) continue;
        line += n + 1 + strspn(line + n + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
        return value;
    }
    return NULL;
}

static void reader_head(reader *r) {
    const char *end = r->raw.at ? strstr(r->raw.at, "\r\n\r\n") : NULL, *value;
    size_t      n;
    if (!end) return;
    n = (size_t)(end - r->raw.at) + 4;
    bytes_add(&r->head, r->raw.at, n - 2);
    bytes_drop(&r->raw, n);
    if (strncmp(r->head.at, "HTTP/1.1 ", 9) != 0) reader_wrong(r, "no status line");
    r->status = atoi(r->head.at + 9);
    value = reader_field(r, "Transfer-Encoding", 0);
    r->chunked = value && strcasecmp(value, "chunked") == 0;
    value = reader_field(r, "Content-Length", 0);
    r->bounded = value != NULL;
    r->left = value ? (size_t)atoi(value) : 0;
    if (r->status == 204 || (value && !r->left)) r->whole = true;
    value = reader_field(r, "Content-Encoding", 0);
    r->coded = value != NULL;
    if (value && strcmp(value, "br") == 0) r->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    else if (value) r->gzips = inflateInit2(&r->gzip, 15 + 16) == Z_OK;
}

/* ---- events ---- */

static void reader_block(reader *r, char *at) { /* the lines of an event, ended by a NUL */
    heard event = {NULL, NULL, NULL};
    bytes data = {NULL, 0, 0};
    char *end;
    for (; *at; at = end) {
        char *value;
        end = strchr(at, '\n');
        *end++ = '\0';
        if (*at == ':') continue;
        value = strchr(at, ':');
        if (value) *value++ = '\0';
        else value = end - 1;
        if (*value == ' ') value++;
        if (strcmp(at, "event") == 0) event.name = value;
        else if (strcmp(at, "id") == 0) event.id = value;
        else if (strcmp(at, "data") == 0) {
            if (data.at) bytes_add(&data, "\n", 1);
            bytes_add(&data, value, strlen(value));
        } else if (strcmp(at, "retry") != 0) reader_wrong(r, "a field \"%.40s\"", at);
    }
    event.data = data.at;
    if (event.data || event.id) r->on_event(r->user, &event);
    free(data.at);
}

static void reader_events(reader *r) {
    char *end;
    while (r->text.n &&
           (end = r->text.at[0] == '\n' ? r->text.at : strstr(r->text.at, "\n\n")) != NULL) {
        const size_t n = (size_t)(end - r->text.at) + (r->text.at[0] == '\n' ? 1 : 2);
        char        *block = (char *)malloc(n + 1);
        if (!block) abort();
        memcpy(block, r->text.at, n);
        block[n > 1 ? n - 1 : 0] = '\0';
        bytes_drop(&r->text, n); /* before: the listener may free nothing, but look */
        reader_block(r, block);
        free(block);
    }
}

/* ---- bodies ---- */

static void reader_brotli(reader *r, const char *from, size_t n) {
    uint8_t        out[4096];
    const uint8_t *in = (const uint8_t *)from;
    for (;;) {
        uint8_t            *to = out;
        size_t              room = sizeof out;
        BrotliDecoderResult did = BrotliDecoderDecompressStream(r->br, &n, &in, &room, &to, NULL);
        bytes_add(&r->text, out, sizeof out - room);
        if (did == BROTLI_DECODER_RESULT_ERROR)
            reader_wrong(r, "br: %s", BrotliDecoderErrorString(BrotliDecoderGetErrorCode(r->br)));
        if (did == BROTLI_DECODER_RESULT_SUCCESS) r->decoded = true;
        if (!BrotliDecoderHasMoreOutput(r->br)) break; /* it may have, whatever it answers */
    }
    if (n) reader_wrong(r, "bytes behind the end of br");
}

static void reader_gzip(reader *r, const char *from, size_t n) {
    unsigned char out[4096];
    int           did = Z_OK;
    r->gzip.next_in = (Bytef *)(uintptr_t)from;
    r->gzip.avail_in = (uInt)n;
    do {
        r->gzip.next_out = out;
        r->gzip.avail_out = sizeof out;
        did = inflate(&r->gzip, Z_SYNC_FLUSH);
        bytes_add(&r->text, out, sizeof out - r->gzip.avail_out);
    } while (did == Z_OK && (r->gzip.avail_in || !r->gzip.avail_out));
    if (did == Z_STREAM_END) r->decoded = true;
    else if (did != Z_OK && did != Z_BUF_ERROR) reader_wrong(r, "gzip: error %d", did);
    if (r->gzip.avail_in) reader_wrong(r, "bytes behind the end of gzip");
}

static void reader_body(reader *r, const char *from, size_t n) {
    if (!n) return;
    if (r->decoded) reader_wrong(r, "bytes behind the end of a compressed body");
    else if (r->br) reader_brotli(r, from, n);
    else if (r->gzips) reader_gzip(r, from, n);
    else bytes_add(&r->text, from, n);
    if (r->on_event && r->status == 200) reader_events(r);
}

/* Takes a piece of a chunked body. False: more is to come first. */
static bool reader_chunk(reader *r) {
    char  *end = strstr(r->raw.at, "\r\n"), *digits;
    size_t n;
    if (r->framing == 1) {
        n = r->left < r->raw.n ? r->left : r->raw.n;
        r->left -= n;
        if (!r->left) r->framing = 2;
        reader_body(r, r->raw.at, n);
        bytes_drop(&r->raw, n);
        return n > 0;
    }
    if (!end) return false;
    if (r->framing == 2) {
        if (end != r->raw.at) reader_wrong(r, "no line break behind a chunk");
        r->framing = 0;
        bytes_drop(&r->raw, 2);
        return true;
    }
    r->left = strtoul(r->raw.at, &digits, 16);
    if (digits != end || digits == r->raw.at) reader_wrong(r, "no length of a chunk");
    r->framing = 1;
    if (!r->left) r->whole = true; /* no trailers are sent: the line break behind is left */
    bytes_drop(&r->raw, (size_t)(end - r->raw.at) + 2);
    if (r->whole && r->raw.n >= 2) bytes_drop(&r->raw, 2);
    return !r->whole;
}

/* What has come. */
static void reader_take(reader *r, const char *from, size_t n) {
    bytes_add(&r->raw, from, n);
    if (!r->status) reader_head(r);
    if (!r->status) return;
    if (r->status < 200) { /* interim */
        r->status = 0;
        r->head.n = 0;
        reader_take(r, "", 0);
        return;
    }
    if (r->chunked)
        while (!r->whole && !r->wrong[0] && r->raw.n && reader_chunk(r)) {
        }
    else {
        n = r->bounded && r->left < r->raw.n ? r->left : r->raw.n;
        reader_body(r, r->raw.at, n);
        bytes_drop(&r->raw, n);
        if (r->bounded && (r->left -= n) == 0) r->whole = true;
    }
    if (r->whole && r->raw.n > 2) reader_wrong(r, "bytes behind the end of a reply");
}

/* The connection is at its end, or the reply whole. */
static void reader_end(reader *r) {
    if (r->whole && r->coded && !r->decoded)
        reader_wrong(r, "a complete body whose compression is not at its end");
    if (r->decoded && r->chunked && !r->whole)
        reader_wrong(r, "a compressed body at its end, in a body that is not");
}
#endif
