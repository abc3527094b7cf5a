/* fuzz.h: what fuzz targets share. Include it after sse.h. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stdlib.h>
#pragma GCC diagnostic ignored "-Wunused-function" /* no target needs all of it */

#define CHECK(x)                                                            \
    do                                                                      \
        if (!(x)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
            abort();                                                        \
        }                                                                   \
    while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Of just this size, so that ASan sees a byte read too many. */
static char *copy(const void *bytes, size_t n) {
    char *p = (char *)malloc(n ? n : 1);
    CHECK(p);
    if (n) memcpy(p, bytes, n);
    return p;
}

/* The input is taken from the front. At its end there are zeros, and no text. */
typedef struct input {
    const uint8_t *at;
    size_t         left;
} input;

static input input_of(const char *bytes, size_t n) {
    input in;
    in.at = (const uint8_t *)bytes;
    in.left = n;
    return in;
}

static unsigned take(input *in) {
    if (!in->left) return 0;
    in->left--;
    return *in->at++;
}

static uint64_t take_number(input *in, int bytes) {
    uint64_t v = 0;
    while (bytes-- > 0) v = v << 8 | take(in);
    return v;
}

static sse_str take_text(input *in, size_t n) {
    sse_str s;
    if (n > in->left) n = in->left;
    s = sse__str((const char *)in->at, n);
    in->at += n;
    in->left -= n;
    return s;
}

/* Up to the next byte of that value, which goes as well, or all. */
static sse_str take_until(input *in, int byte) {
    const uint8_t *end = in->left ? (const uint8_t *)memchr(in->at, byte, in->left) : NULL;
    const sse_str  s = take_text(in, end ? (size_t)(end - in->at) : in->left);
    take(in);
    return s;
}

static bool same(sse_str a, sse_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Without the spaces and tabs around it. */
static sse_str strip(sse_str s) {
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s.ptr++, s.len--;
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
    return s;
}
#endif
