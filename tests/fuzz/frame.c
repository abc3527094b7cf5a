/* Fuzzes >>frame: the input says which events come and who gets them; the reference decoders must
   read every one back. First byte: window and encoding. Then operations, each a byte and what it
   needs; see run(). */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include <brotli/decode.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { CLIENTS = 3, MOST = 1 << 17 };

struct client {
    BrotliDecoderState *br;
    z_stream            gzip;
    uint64_t            mark;
    sse__crc_state      sum;
};

static void expect(bool x) {
    if (!x) abort();
}

static void feed(struct client *c, sse_buf *b, sse_str want, bool end) {
    static unsigned char out[MOST + 1];
    const uint8_t       *in = (const uint8_t *)b->ptr;
    uint8_t             *to = out;
    size_t               left = b->len, room = sizeof out;
    if (b->len == 0) return; /* b stays: others are fed the same frame */
    if (c->br) {
        expect(BrotliDecoderDecompressStream(c->br, &left, &in, &room, &to, NULL) ==
               (end ? BROTLI_DECODER_RESULT_SUCCESS : BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT));
    } else {
        c->gzip.next_in = (Bytef *)(uintptr_t)in;
        c->gzip.avail_in = (uInt)left;
        c->gzip.next_out = out;
        c->gzip.avail_out = sizeof out;
        expect(inflate(&c->gzip, Z_SYNC_FLUSH) == (end ? Z_STREAM_END : Z_OK));
        left = c->gzip.avail_in;
        room = c->gzip.avail_out;
    }
    expect(left == 0 && sizeof out - room == want.len &&
           (want.len == 0 || memcmp(out, want.ptr, want.len) == 0));
}

/* The next event: part of the input, repeated, of the last event, or both. Returns how much of the
   input it took. */
static size_t make_event(sse_buf *event, const uint8_t *bytes, size_t n) {
    const size_t take = n > 2 ? (bytes[0] < n - 2 ? bytes[0] : n - 2) : 0,
                 times = n > 2 ? bytes[1] % 64u * (bytes[1] % 64u) : 0;
    size_t i;
    if (n <= 2) return n;
    if (bytes[1] & 64) event->len = 0;
    for (i = 0; i <= times && event->len + take < MOST; i++) sse_raw(event, bytes + 2, take);
    if (bytes[1] & 128 && event->len > 10) event->ptr[event->len / 2] ^= (char)take;
    return 2 + take;
}

/* An event on its way: its two frames, each made when the first client needs it and then shared, as
   a channel does. */
struct event {
    sse_str text;
    sse_buf delta, key;
};

static void deliver(sse__encoder *p, sse__codec *codec, struct client *c, struct event *event) {
    const sse__crc_state sum = sse__crc_of(p, event->text);
    const bool           delta = sse__codec_follow(codec, &c->mark) == SSE__DELTA;
    sse_buf             *frame = delta ? &event->delta : &event->key;
    if (!frame->len && delta) sse__codec_delta(codec, p, frame);
    else if (!frame->len) sse__frame_key(p, codec->encoding, event->text, frame);
    expect(frame->len <= sse__frame_bound(event->text.len));
    sse__crc_append(&c->sum, &sum);
    feed(c, frame, event->text, false);
}

static void run(sse__encoder *p, sse__codec *codec, struct client *clients, const uint8_t *bytes,
    size_t n) {
    sse_buf text = {NULL, 0, 0, 0}, b = {NULL, 0, 0, 0};
    size_t  at = 0;
    int     i;
    while (at < n) {
        const unsigned op = bytes[at++];
        struct event   event;
        at += make_event(&text, bytes + at, n - at);
        memset(&event, 0, sizeof event);
        event.text = sse__str(text.ptr, text.len);
        sse__codec_add(codec, p, event.text);
        for (i = 0; i < CLIENTS; i++) {
            if (op >> i & 1) deliver(p, codec, &clients[i], &event); /* else it misses this one */
            if (!(op >> (3 + i) & 1)) continue;
            b.len = 0;
            sse__frame_ping(codec->encoding, &b);
            feed(&clients[i], &b, sse__str("", 0), false);
        }
        sse_buf_free(&event.delta);
        sse_buf_free(&event.key);
        if (op & 64) clients[op % CLIENTS].mark = 0;
    }
    for (i = 0; i < CLIENTS; i++) {
        b.len = 0;
        sse__frame_end(codec->encoding, &clients[i].sum, &b);
        feed(&clients[i], &b, sse__str("", 0), true);
    }
    sse_buf_free(&text);
    sse_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const unsigned setup = n ? bytes[0] : 0, lgwin = 16 + setup % 9;
    const int      encoding = setup & 16 ? SSE__GZIP : SSE__BR;
    sse__encoder  *p = sse__encoder_new(lgwin);
    sse__codec    *codec = sse__codec_new(p, encoding, 10 + setup % (lgwin - 9), setup >> 5);
    struct client  clients[CLIENTS];
    sse_buf        head = {NULL, 0, 0, 0};
    int            i;
    memset(clients, 0, sizeof clients);
    for (i = 0; i < CLIENTS; i++) {
        if (encoding == SSE__BR) clients[i].br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        else inflateInit2(&clients[i].gzip, 15 + 16);
        head.len = 0;
        sse__frame_head(p, encoding, &head);
        feed(&clients[i], &head, sse__str("", 0), false);
    }
    if (n) run(p, codec, clients, bytes + 1, n - 1);
    for (i = 0; i < CLIENTS; i++) {
        if (clients[i].br) BrotliDecoderDestroyInstance(clients[i].br);
        else inflateEnd(&clients[i].gzip);
    }
    sse_buf_free(&head);
    sse__codec_free(codec);
    sse__encoder_free(p);
    return 0;
}
