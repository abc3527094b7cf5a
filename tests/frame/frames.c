/* Reads frames back with the reference decoders: libbrotlidec and zlib. Clients join at any time,
   some behind the output of foreign encoders; watch two channels, miss events, get private bytes
   and keep-alives, byte by byte or whole. Every event must come out exactly, every stream end
   cleanly. frames [decodes]: a million by default, a minute or two. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "workload.h"
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>

enum { CLIENTS = 8 };

struct client {
    int                 encoding;
    BrotliDecoderState *br;
    z_stream            gzip;
    uint64_t            mark;
    sse__crc_state      sum;
};

static unsigned char *decoded;
static size_t         decoded_room;
static long           decodes, faults, goal = 1000000;
static long           deltas, keys, private_bytes, pings, foreign;

static void fault(const char *what) {
    if (faults++ < 5) printf("# fault: %s, after %ld decodes\n", what, decodes);
}

/* Feeds n bytes and compares what comes out. Returns whether the stream goes on. */
static bool feed(struct client *c, const void *bytes, size_t n, sse_str want, bool bytewise) {
    const uint8_t *in = (const uint8_t *)bytes;
    uint8_t       *out;
    size_t         room, part, left;
    int            state = 0;
    if (decoded_room < want.len + 1024)
        decoded = (unsigned char *)realloc(decoded, decoded_room = want.len * 2 + 1024);
    out = decoded;
    room = decoded_room;
    for (left = n; left > 0; left -= part) {
        part = bytewise ? 1 : left;
        if (c->encoding == SSE__BR) {
            size_t some = part;
            state = BrotliDecoderDecompressStream(c->br, &some, &in, &room, &out, NULL) ==
                        BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT &&
                    some == 0;
        } else {
            c->gzip.next_in = (Bytef *)(uintptr_t)in;
            c->gzip.avail_in = (uInt)part;
            c->gzip.next_out = out;
            c->gzip.avail_out = (uInt)room;
            state = inflate(&c->gzip, Z_SYNC_FLUSH);
            state = (state == Z_OK || state == Z_BUF_ERROR) && c->gzip.avail_in == 0;
            room = c->gzip.avail_out;
            out = c->gzip.next_out;
            in += part;
        }
        if (!state) break;
    }
    if (left == 0 && decoded_room - room == want.len &&
        (want.len == 0 || memcmp(decoded, want.ptr, want.len) == 0))
        return true;
    fault(left ? "the decoder refuses" : "other bytes come out");
    return false;
}

/* Feeds the end of a stream: the decoder must find it complete. */
static bool ends(struct client *c, sse_str bytes) {
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    size_t         n = bytes.len, room = 0;
    uint8_t        none[1], *out = none;
    if (c->encoding == SSE__BR)
        return BrotliDecoderDecompressStream(c->br, &n, &in, &room, &out, NULL) ==
                   BROTLI_DECODER_RESULT_SUCCESS &&
               n == 0;
    c->gzip.next_in = (Bytef *)(uintptr_t)in;
    c->gzip.avail_in = (uInt)n;
    c->gzip.next_out = none;
    c->gzip.avail_out = 1;
    return inflate(&c->gzip, Z_SYNC_FLUSH) == Z_STREAM_END && c->gzip.avail_in == 0;
}

static void leave(struct client *c, bool check) {
    sse_buf b = {NULL, 0, 0, 0};
    if (check) {
        sse__frame_end(c->encoding, &c->sum, &b);
        if (!ends(c, sse__str(b.ptr, b.len))) fault("the stream does not end");
    }
    if (c->br) BrotliDecoderDestroyInstance(c->br);
    else inflateEnd(&c->gzip);
    sse_buf_free(&b);
    memset(c, 0, sizeof *c);
}

/* Puts the decoder into a strange but legal state at a byte boundary: what another encoder wrote,
   and flushed. */
static void begin_foreign(struct client *c, unsigned lgwin, const struct workload *w) {
    static const uint32_t qualities[] = {0, 1, 2, 4, 5, 6, 9, 10, 11};
    static uint8_t        out[1 << 18];
    const uint32_t        quality = qualities[random_below(9)];
    BrotliEncoderState   *s = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    unsigned              part = 1 + random_below(4);
    BrotliEncoderSetParameter(s, BROTLI_PARAM_QUALITY, quality);
    BrotliEncoderSetParameter(s, BROTLI_PARAM_LGWIN, lgwin);
    if (quality >= 4 && random_below(2))
        BrotliEncoderSetParameter(s, BROTLI_PARAM_NPOSTFIX, 1 + random_below(2));
    for (; part > 0; part--) {
        const sse_str  e = w->event[random_below((uint32_t)w->count)];
        const size_t   from = random_below((uint32_t)e.len), most = quality >= 10 ? 2000 : 60000;
        const size_t   n = e.len - from < most ? e.len - from : most;
        const uint8_t *in = (const uint8_t *)e.ptr + from;
        size_t         left = n, room = sizeof out;
        uint8_t       *to = out;
        do BrotliEncoderCompressStream(s, BROTLI_OPERATION_FLUSH, &left, &in, &room, &to, NULL);
        while (left || BrotliEncoderHasMoreOutput(s));
        feed(c, out, sizeof out - room, sse__str(e.ptr + from, n), false);
    }
    BrotliEncoderDestroyInstance(s);
    foreign++;
}

static void join(struct client *c, const sse__encoder *p, const struct workload *w) {
    sse_buf b = {NULL, 0, 0, 0};
    c->encoding = random_below(2) ? SSE__BR : SSE__GZIP;
    if (c->encoding == SSE__BR) c->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    else inflateInit2(&c->gzip, 15 + 16);
    /* at qualities 0 and 1 its windows are no smaller */
    if (c->br && p->lgwin >= 18 && random_below(3) == 0) {
        begin_foreign(c, p->lgwin, w);
        return;
    }
    sse__frame_head(p, c->encoding, &b);
    feed(c, b.ptr, b.len, sse__str("", 0), random_below(2));
    sse_buf_free(&b);
}

static void receive(struct client *c, const sse__encoder *p, const sse_buf *frame, sse_str event) {
    const sse__crc_state sum = sse__crc_of(p, event);
    feed(c, frame->ptr, frame->len, event, event.len < 3000 && random_below(4) == 0);
    sse__crc_append(&c->sum, &sum);
    decodes++;
}

/* An event made to be awkward. Returned, free with free. */
static sse_str awkward(size_t n) {
    static const char *const pieces[] = {"\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80",
        "\xc3\xa9t\xc3\xa9 ", "<td>", "data: ", "\n\n", "\xd0\x96"};
    static char              last[300000];
    static size_t            last_n;
    char                    *e = (char *)malloc(n + 1);
    const uint32_t           kind = random_below(10), period = 1 + random_below(40);
    size_t                   i, k, from;
    for (i = 0; i < n;) {
        const uint32_t r = random_below(1u << 16);
        switch (last_n ? kind : kind % 5) {
        case 0: e[i++] = (char)r; break; /* noise */
        case 1:
            e[i] = i ? e[0] : (char)r;
            i++;
            break;                                                  /* one byte */
        case 2: e[i++] = (char)(r % 3 ? 'a' + r % 2 : 0xC3); break; /* few bytes */
        case 3:
            e[i] = i < period ? (char)r : e[i - period];
            i++;
            break;                                            /* a period: copies that overlap */
        case 4: e[i++] = (char)(sse__log2(r | 1) * 7); break; /* skewed: the longest codes */
        case 5:
            e[i] = last[(i + i / 97) % last_n];
            i++;
            break; /* the last one, drifting */
        case 6:
            e[i] = r % 50 ? last[i % last_n] : (char)r;
            i++;
            break; /* the last one, with errors */
        case 7:
            for (k = 1 + r % 30, from = r; k > 0 && i < n; k--) e[i++] = last[from++ % last_n];
            break; /* the last one, shuffled */
        case 8:    /* noise with a few copies not worth a code, then more of the same distance */
            e[i] = i >= period * 25 && (i > n / 2 || i % 700 < 6) ? e[i - period * 25] : (char)r;
            i++;
            break;
        default:
            for (k = 0; pieces[r % 7][k] && i < n; k++) e[i++] = pieces[r % 7][k];
        }
    }
    last_n = n < sizeof last ? n : sizeof last;
    memcpy(last, e, last_n);
    return sse__str(e, n);
}

static size_t awkward_size(size_t most) {
    static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 255, 256, 257, 1000, 65534,
        65535, 65536, 65537};
    const size_t        n =
        random_below(2) ? sizes[random_below(SSE__COUNT(sizes))] : random_below((uint32_t)most);
    return n < most ? n : most - 1;
}

struct channel {
    sse__codec *codec[3];
    sse_buf     delta[3], key[3];
};

static void channel_event(struct channel *ch, sse__encoder *p, sse_str event) {
    int e;
    for (e = SSE__BR; e <= SSE__GZIP; e++) {
        ch->delta[e].len = ch->key[e].len = 0;
        if (sse__codec_add(ch->codec[e], p, event)) fault("out of memory");
    }
}

static void deliver(struct channel *ch, struct client *c, sse__encoder *p, sse_str event) {
    const int e = c->encoding;
    if (sse__codec_follow(ch->codec[e], &c->mark) == SSE__DELTA) {
        if (!ch->delta[e].len) sse__codec_delta(ch->codec[e], p, &ch->delta[e]);
        receive(c, p, &ch->delta[e], event);
        deltas++;
    } else {
        if (!ch->key[e].len) sse__frame_key(p, e, event, &ch->key[e]);
        receive(c, p, &ch->key[e], event);
        keys++;
    }
    if (ch->delta[e].len > sse__frame_bound(event.len) ||
        ch->key[e].len > event.len + 16 + event.len / 400)
        fault("a frame grew");
}

/* What else a stream is sent between events. */
static void disturb(struct client *c, sse__encoder *p) {
    static const char text[] = ": private\n\nevent: x\ndata: hello you\n\n";
    sse_buf           b = {NULL, 0, 0, 0};
    if (random_below(5) == 0) {
        sse__frame_ping(c->encoding, &b);
        feed(c, b.ptr, b.len, sse__str("", 0), false);
        pings++;
    }
    if (random_below(12) == 0) {
        const sse_str event = sse__str(text, 8 + random_below(25));
        b.len = 0;
        sse__frame_key(p, c->encoding, event, &b);
        receive(c, p, &b, event);
        c->mark = 0;
        private_bytes++;
    }
    sse_buf_free(&b);
}

/* Two channels and some clients who watch one, the other or both. */
static void scenario(unsigned lgwin, const struct workload *w, int rounds, size_t most) {
    sse__encoder  *p = sse__encoder_new(lgwin);
    struct channel channels[2];
    struct client  clients[CLIENTS];
    const uint32_t restless = 4 + random_below(60);
    int            i, k, round;
    memset(channels, 0, sizeof channels);
    memset(clients, 0, sizeof clients);
    for (i = 0; i < 2; i++)
        for (k = SSE__BR; k <= SSE__GZIP; k++)
            channels[i].codec[k] = sse__codec_new(p, k, 10 + random_below(lgwin - 9),
                random_below(2) * random_below(9));
    /* soon wraps around */
    p->key.origin = channels[0].codec[1]->last.origin = (uint32_t)0 - random_below(1 << 20);
    for (i = 0; i < CLIENTS; i++) join(&clients[i], p, w);
    for (round = 0; round < rounds && !faults; round++) {
        struct channel *ch = &channels[random_below(4) == 0];
        const bool      ours = most > 0 && random_below(3) > 0;
        const sse_str   event = ours ? awkward(awkward_size(most)) : w->event[round % w->count];
        channel_event(ch, p, event);
        for (i = 0; i < CLIENTS; i++) {
            if (i && random_below(restless) == 0) { /* the first one stays for ever */
                leave(&clients[i], true);
                join(&clients[i], p, w);
            }
            disturb(&clients[i], p);
            /* or it is left out */
            if (i < 2 || random_below(10)) deliver(ch, &clients[i], p, event);
        }
        if (ours) free((void *)(uintptr_t)event.ptr);
    }
    for (i = 0; i < CLIENTS; i++) leave(&clients[i], !faults);
    for (i = 0; i < 2; i++)
        for (k = SSE__BR; k <= SSE__GZIP; k++) {
            sse__codec_free(channels[i].codec[k]);
            sse_buf_free(&channels[i].delta[k]);
            sse_buf_free(&channels[i].key[k]);
        }
    sse__encoder_free(p);
}

/* The same bytes again, from around the farthest that a copy may reach. */
static void test_far(unsigned lgwin, const struct workload *w) {
    char *bytes = (char *)malloc((size_t)1 << (lgwin + 1));
    int   i, k, edge;
    for (edge = -40; edge < 24 && !faults; edge += 3) {
        sse__encoder  *p = sse__encoder_new(lgwin);
        struct channel ch;
        struct client  c;
        const size_t   far = ((size_t)1 << lgwin) + (size_t)edge, part = (far - 600) / 2;
        const sse_str  events[4] = {
             {bytes, 600},
             {bytes + 600, part},
             {bytes + 600 + part, far - 600 - part},
             {bytes, 600},
        };
        memset(&ch, 0, sizeof ch);
        memset(&c, 0, sizeof c);
        /* which leaves the first 600 bytes in the index */
        memset(bytes, 'x', (size_t)1 << (lgwin + 1));
        for (k = 0; k < 600; k++) bytes[k] = (char)random_below(256);
        ch.codec[1] = sse__codec_new(p, SSE__BR, lgwin, 0);
        ch.codec[2] = sse__codec_new(p, SSE__GZIP, 15, 0);
        while (c.encoding != SSE__BR) {
            if (c.encoding) leave(&c, true);
            join(&c, p, w);
        }
        for (i = 0; i < 4; i++) {
            channel_event(&ch, p, events[i]);
            deliver(&ch, &c, p, events[i]);
        }
        if (edge < -16 && ch.delta[1].len > 100)
            fault("a copy from within the window is not found");
        leave(&c, !faults);
        for (k = SSE__BR; k <= SSE__GZIP; k++) {
            sse__codec_free(ch.codec[k]);
            sse_buf_free(&ch.delta[k]);
            sse_buf_free(&ch.key[k]);
        }
        sse__encoder_free(p);
    }
    free(bytes);
}

/* Larger than the window, than a block, than brotli's largest block. */
static void test_large(unsigned lgwin, const struct workload *w) {
    sse__encoder  *p = sse__encoder_new(lgwin);
    const size_t   sizes[] = {3u << 20, 40u << 20, 17u << 20};
    struct channel ch;
    struct client  c[2];
    int            i, k;
    size_t         n;
    memset(&ch, 0, sizeof ch);
    memset(c, 0, sizeof c);
    for (k = 0; k < 2; k++) {
        ch.codec[k + 1] = sse__codec_new(p, k + 1, lgwin, 0);
        while (c[k].encoding != k + 1) {
            if (c[k].encoding) leave(&c[k], true);
            join(&c[k], p, w);
        }
    }
    for (i = 0; i < 3; i++) {
        char *e = (char *)malloc(sizes[i]);
        for (n = 0; n < sizes[i]; n++)
            e[n] = (char)(i == 2                           ? random_below(256)
                          : random_below(3000) && n > 5000 ? (unsigned char)e[n - 4567]
                                                           : random_below(64));
        channel_event(&ch, p, sse__str(e, sizes[i]));
        for (k = 0; k < 2; k++) deliver(&ch, &c[k], p, sse__str(e, sizes[i]));
        channel_event(&ch, p, sse__str(e + sizes[i] - 9000, 9000)); /* the tail of it is history */
        for (k = 0; k < 2; k++) deliver(&ch, &c[k], p, sse__str(e + sizes[i] - 9000, 9000));
        if (i < 2 && ch.delta[1].len > 100) fault("the tail of a large event is not remembered");
        free(e);
    }
    for (k = 0; k < 2; k++) {
        leave(&c[k], true);
        sse__codec_free(ch.codec[k + 1]);
        sse_buf_free(&ch.delta[k + 1]);
        sse_buf_free(&ch.key[k + 1]);
    }
    sse__encoder_free(p);
}

static void test_gzip_files(void) { /* what replies use: whole, and in parts through a codec */
    struct workload w = workload_new("table", 3, 5);
    sse__encoder   *p = sse__encoder_new(18);
    unsigned        i, n, wrong = 0;
    for (i = 0; i < 60 && !faults; i++) {
        const sse_str text =
            sse__str(w.event[i % 3].ptr, random_below((uint32_t)w.event[i % 3].len));
        sse_buf        b = {NULL, 0, 0, 0};
        sse__crc_state sum = {0, 0, 0};
        unsigned char *out = (unsigned char *)malloc(text.len + 1);
        z_stream       z;
        memset(&z, 0, sizeof z);
        if (i % 2) sse__frame_whole(p, SSE__GZIP, &b, text);
        else {
            sse__codec *c = sse__codec_new(p, SSE__GZIP, 15, 0);
            uint64_t    mark = c->mark;
            size_t      at;
            sse__frame_head(p, SSE__GZIP, &b);
            for (at = 0; at < text.len; at += n) {
                sse__crc_state part;
                n = text.len - at < 8192 ? (unsigned)(text.len - at) : 8192;
                part = sse__crc_of(p, sse__str(text.ptr + at, n));
                sse__crc_append(&sum, &part);
                sse__codec_add(c, p, sse__str(text.ptr + at, n));
                wrong += sse__codec_follow(c, &mark) != SSE__DELTA;
                sse__codec_delta(c, p, &b);
            }
            sse__frame_end(SSE__GZIP, &sum, &b);
            sse__codec_free(c);
        }
        inflateInit2(&z, 15 + 16);
        z.next_in = (Bytef *)b.ptr;
        z.avail_in = (uInt)b.len;
        z.next_out = out;
        z.avail_out = (uInt)text.len + 1;
        wrong += inflate(&z, Z_FINISH) != Z_STREAM_END || z.avail_out != 1 ||
                 memcmp(out, text.ptr, text.len) != 0;
        inflateEnd(&z);
        sse_buf_free(&b);
        free(out);
    }
    ok(!wrong, "gzip files, whole and in parts");
    sse__encoder_free(p);
    workload_free(&w);
}

int main(int argc, char **argv) {
    static const char *const names[] = {"life", "chat", "table", "lines", "signals"};
    struct workload          w[5];
    unsigned                 lgwin, k;
    if (argc > 1) goal = atol(argv[1]);
    for (k = 0; k < 5; k++) w[k] = workload_new(names[k], 24, k + 1);
    for (lgwin = 16; lgwin <= 24 && !faults; lgwin++) {
        for (k = 0; k < 5 && !faults; k++) {
            scenario(lgwin, &w[k], k ? 60 : 8, 0);
            scenario(lgwin, &w[k], 60, k ? 20000 : 100000);
        }
        ok(!faults, "the workloads, and awkward events between them, with a window of 2^%u", lgwin);
    }
    for (lgwin = 16; lgwin <= 18 && !faults; lgwin++) test_far(lgwin, &w[1]);
    ok(!faults, "copies from the edge of the window");
    while (decodes < goal && !faults)
        scenario(16 + random_below(9), &w[3 + random_below(2)], 200, random_below(3) ? 300 : 3000);
    ok(!faults,
        "%ld decodes: %ld deltas, %ld keys, %ld private, %ld keep-alives, %ld foreign beginnings",
        decodes, deltas, keys, private_bytes, pings, foreign);
    ok(deltas > keys / 10 && private_bytes > 0 && pings > 0 && foreign > 0, "all of it happened");
    if (!faults) test_gzip_files();
    for (lgwin = 16; lgwin <= 24 && !faults && goal >= 1000000; lgwin += 4) {
        test_large(lgwin, &w[1]);
        ok(!faults, "events of 40 MB with a window of 2^%u", lgwin);
    }
    for (k = 0; k < 5; k++) workload_free(&w[k]);
    free(decoded);
    return tap_done();
}
