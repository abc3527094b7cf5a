/* One compression for all against one compressor per client: bytes per event, CPU per event,
   memory; br against libbrotli at quality 5 with the same window, gzip against zlib at level 6, on
   the same events in one run. Build with -lbrotlienc -lz. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../frame/workload.h"
#include <brotli/encode.h>
#include <time.h>
#include <zlib.h>

enum { LGWIN = 18, WARM = 3 };

struct result {
    double bytes, ms, key_bytes, key_ms, memory;
};

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static size_t allocated; /* by a peer, now */

static void *count_alloc(void *unused, size_t n) { /* with its size before it */
    size_t *p = (size_t *)malloc(n + 16);
    (void)unused;
    if (!p) return NULL;
    allocated += n;
    *p = n;
    return (char *)p + 16;
}

static void count_free(void *unused, void *p) {
    (void)unused;
    if (!p) return;
    p = (char *)p - 16;
    allocated -= *(size_t *)p;
    free(p);
}

static voidpf count_zalloc(voidpf unused, uInt n, uInt size) {
    return count_alloc(unused, (size_t)n * size);
}

static struct result ours(const struct workload *w, int encoding) {
    sse__encoder *p = sse__encoder_new(LGWIN);
    sse__codec   *c = sse__codec_new(p, encoding, LGWIN, 0);
    sse_buf       out = {NULL, 0, 0, 0};
    struct result r = {0, 0, 0, 0, 0};
    uint64_t      mark = 0;
    double        from = 0, key_from;
    int           i;
    for (i = 0; i < w->count; i++) {
        if (i == WARM) from = cpu_ms(), r.bytes = 0;
        out.len = 0;
        sse__codec_add(c, p, w->event[i]);
        if (sse__codec_follow(c, &mark) == SSE__DELTA) sse__codec_delta(c, p, &out);
        else sse__frame_key(p, encoding, w->event[i], &out);
        r.bytes += (double)out.len;
    }
    key_from = cpu_ms();
    r.ms = key_from - from;
    for (i = 0; i < w->count; i++) {
        out.len = 0;
        sse__frame_key(p, encoding, w->event[i], &out);
        r.key_bytes += (double)out.len / w->count;
    }
    r.key_ms = (cpu_ms() - key_from) / w->count;
    r.memory = (double)(sizeof *c + sse__index_size(c->last.index.bits) + c->cap);
    sse__codec_free(c);
    sse__encoder_free(p);
    sse_buf_free(&out);
    r.bytes /= w->count - WARM;
    r.ms /= w->count - WARM;
    return r;
}

static size_t libbrotli(void *encoder, sse_str event, uint8_t *out, size_t room) {
    size_t         n = event.len, left = room;
    const uint8_t *in = (const uint8_t *)event.ptr;
    do
        BrotliEncoderCompressStream((BrotliEncoderState *)encoder, BROTLI_OPERATION_FLUSH, &n, &in,
            &left, &out, NULL);
    while (n || BrotliEncoderHasMoreOutput((BrotliEncoderState *)encoder));
    return room - left;
}

static size_t zlib(void *encoder, sse_str event, uint8_t *out, size_t room) {
    z_stream *z = (z_stream *)encoder;
    z->next_in = (Bytef *)(uintptr_t)event.ptr;
    z->avail_in = (uInt)event.len;
    z->next_out = out;
    z->avail_out = (uInt)room;
    deflate(z, Z_SYNC_FLUSH);
    return room - z->avail_out;
}

static void *peer_new(int encoding) {
    if (encoding == SSE__BR) {
        BrotliEncoderState *s = BrotliEncoderCreateInstance(count_alloc, count_free, NULL);
        BrotliEncoderSetParameter(s, BROTLI_PARAM_QUALITY, 5);
        BrotliEncoderSetParameter(s, BROTLI_PARAM_LGWIN, LGWIN);
        return s;
    } else {
        z_stream *z = (z_stream *)calloc(1, sizeof *z);
        z->zalloc = count_zalloc;
        z->zfree = count_free;
        deflateInit2(z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        return z;
    }
}

static void peer_free(void *encoder, int encoding) {
    if (encoding == SSE__BR) {
        BrotliEncoderDestroyInstance((BrotliEncoderState *)encoder);
        return;
    }
    deflateEnd((z_stream *)encoder);
    free(encoder);
}

/* Of all the clients together. */
static struct result peer(const struct workload *w, int encoding, int clients) {
    static uint8_t out[1 << 20];
    struct result  r = {0, 0, 0, 0, 0};
    void         **encoder = (void **)calloc((size_t)clients, sizeof *encoder);
    const int      count = clients > 1 ? 8 : w->count;
    double         from = 0;
    int            i, k;
    allocated = 0;
    for (k = 0; k < clients; k++) encoder[k] = peer_new(encoding);
    for (i = 0; i < count; i++) {
        if (i == WARM) from = cpu_ms(), r.bytes = 0;
        for (k = 0; k < clients; k++) {
            const size_t n =
                (encoding == SSE__BR ? libbrotli : zlib)(encoder[k], w->event[i], out, sizeof out);
            if (k == 0) r.bytes += (double)n / (count - WARM);
        }
    }
    r.ms = (cpu_ms() - from) / (count - WARM);
    r.memory = (double)allocated;
    for (k = 0; k < clients; k++) peer_free(encoder[k], encoding);
    free(encoder);
    return r;
}

static double follow_ms(int clients) { /* what choosing the frame costs for all of them */
    sse__encoder *p = sse__encoder_new(LGWIN);
    sse__codec   *c = sse__codec_new(p, SSE__BR, LGWIN, 0);
    uint64_t     *marks = (uint64_t *)calloc((size_t)clients, sizeof *marks);
    double        from = cpu_ms();
    int           i, k;
    for (i = 0; i < 100; i++) {
        sse__codec_add(c, p, sse__text("data: hello\n\n"));
        for (k = 0; k < clients; k++) sse__codec_follow(c, &marks[k]);
    }
    from = (cpu_ms() - from) / 100;
    free(marks);
    sse__codec_free(c);
    sse__encoder_free(p);
    return from;
}

static void compare(const struct workload *w, int encoding) {
    static const int    clients[] = {1, 100, 10000};
    const struct result own = ours(w, encoding), one = peer(w, encoding, 1),
                        hundred = peer(w, encoding, 100);
    unsigned i;
    printf("%s, events of %lu bytes, %s\n", w->name, (unsigned long)w->event[w->count - 1].len,
        encoding == SSE__BR ? "br" : "gzip");
    printf("  %-28s %9.1f bytes  %8.3f ms  (a key: %.0f bytes, %.3f ms)\n", "ours, a delta",
        own.bytes, own.ms, own.key_bytes, own.key_ms);
    printf("  %-28s %9.1f bytes  %8.3f ms\n",
        encoding == SSE__BR ? "libbrotli, quality 5" : "zlib, level 6", one.bytes, one.ms);
    printf("  %-28s %8.1f %%        %6.1f %%\n", "ours / one of theirs",
        100 * own.bytes / one.bytes, 100 * own.ms / one.ms);
    for (i = 0; i < 3; i++) {
        const int n = clients[i];
        printf("  %5d clients, per event: ours %9.3f ms, with a key %9.3f ms, %7.2f MB; "
               " theirs %10.2f ms, %9.1f MB%s\n",
            n, own.ms + follow_ms(n), own.ms + own.key_ms + follow_ms(n), own.memory / 1e6,
            n == 1     ? one.ms
            : n == 100 ? hundred.ms
                       : hundred.ms * 100,
            (n == 1        ? one.memory
                : n == 100 ? hundred.memory
                           : hundred.memory * 100) /
                1e6,
            n == 10000 ? " (100 times the 100)" : "");
    }
}

int main(void) {
    static const char *const names[] = {"life", "chat", "table", "lines", "signals"};
    unsigned                 i;
    printf("Window 2^%d. The encoder that all channels of a loop share: %.2f MB.\n", LGWIN,
        (double)(sizeof(sse__encoder) + sse__index_size(sse__index_bits(LGWIN))) / 1e6);
    for (i = 0; i < SSE__COUNT(names); i++) {
        struct workload w = workload_new(names[i], i == 0 ? 80 : 400, 11);
        compare(&w, SSE__BR);
        compare(&w, SSE__GZIP);
        workload_free(&w);
    }
    return 0;
}
