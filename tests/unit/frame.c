/* The parts of >>frame, each by itself. Whole frames are read back by the reference decoders in
   tests/frame/frames.c. */
#define _DEFAULT_SOURCE /* stdlib.h comes before sse.h here */
#include <stdlib.h>
static long  allocations_left = -1; /* the one after these fails, and all later ones; -1: none */
static long  allocations_made;
static void *test_realloc(void *p, size_t n) {
    allocations_made++;
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return realloc(p, n);
}
#define SSE_MALLOC(n)     test_realloc(NULL, n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include "../frame/workload.h"

static void test_bits(void) {
    unsigned char bytes[64];
    sse__bits     w = {bytes, 0, 0};
    unsigned      i, n, at = 0, wrong = 0;
    for (n = 1; n <= 16; n++)
        sse__bits_put(&w, UINT64_C(0xA5A5A5A5A5A5A5) & ((UINT64_C(1) << n) - 1), n);
    sse__bits_put(&w, UINT64_C(0xFEDCBA98765432), 56);
    sse__bits_align(&w);
    for (n = 1; n <= 16; n++)
        for (i = 0; i < n; i++, at++)
            wrong += (bytes[at / 8] >> at % 8 & 1) != (int)(UINT64_C(0xA5A5A5A5A5A5A5) >> i & 1);
    for (i = 0; i < 56; i++, at++)
        wrong += (bytes[at / 8] >> at % 8 & 1) != (int)(UINT64_C(0xFEDCBA98765432) >> i & 1);
    is_int(wrong, 0, "bits come out in the order they went in");
    is_int(w.p - bytes, (at + 7) / 8, "aligned after the last one");
    is_int(w.n, 0, "nothing is left over");
}

/* The fewest bits that any prefix code needs for the counts: join the two lightest, again and
   again. */
static uint64_t best_cost(const sse__prefix *x) {
    uint64_t weight[SSE__SYMBOLS], cost = 0;
    unsigned n = 0, i, k, light;
    for (i = 0; i < x->size; i++)
        if (x->count[i]) weight[n++] = x->count[i];
    for (; n > 1; n--) {
        for (k = 0; k < 2; k++) {
            for (light = k, i = k; i < n; i++)
                if (weight[i] < weight[light]) light = i;
            {
                const uint64_t swap = weight[k];
                weight[k] = weight[light];
                weight[light] = swap;
            }
        }
        cost += weight[1] += weight[0];
        weight[0] = weight[n - 1];
    }
    return cost;
}

static void test_prefix_codes(void) {
    static sse__prefix x;
    unsigned           round, i, k, incomplete = 0, clash = 0, not_best = 0, too_long = 0;
    random_seed(7);
    for (round = 0; round < 400; round++) {
        const unsigned limit = round % 3 == 0   ? 5
                               : round % 3 == 1 ? 7
                                                : 15,
                       size = limit == 15 ? 2 + random_below(SSE__SYMBOLS - 1) : 18;
        uint64_t kraft = 0;
        bool     clipped = false;
        sse__prefix_clear(&x, size);
        for (i = 0; i < size; i++)
            x.count[i] = random_below(3) ? 0 : random_below(1u << random_below(20));
        x.count[random_below(size)]++;
        if (round % 10 == 9) /* Fibonacci: the deepest tree there is */
            for (i = 0; i < size; i++)
                x.count[i] = i < 2 ? 1 : i < 28 ? x.count[i - 1] + x.count[i - 2] : 0;
        sse__prefix_build(&x, limit);
        for (i = 0; i < size; i++) {
            too_long += x.len[i] > limit || !x.len[i] != !x.count[i];
            clipped |= x.len[i] == limit;
            if (x.len[i]) kraft += UINT64_C(1) << (limit - x.len[i]);
            for (k = 0; x.len[i] && k < i; k++)
                clash += x.len[k] && x.len[k] <= x.len[i] &&
                         (x.code[i] & ((1u << x.len[k]) - 1)) == x.code[k];
        }
        incomplete += x.used > 1 && kraft != UINT64_C(1) << limit;
        not_best += !clipped && x.used > 1 && sse__prefix_cost(&x) != best_cost(&x);
    }
    is_int(too_long, 0, "codes for what occurs and nothing else, within the limit");
    is_int(incomplete, 0, "codes are complete");
    is_int(clash, 0, "no code is the beginning of another");
    is_int(not_best, 0, "codes are as short as Huffman's where the limit allows");
}

static void test_length_tables(void) {
    unsigned wrong = 0, i, bits, code;
    for (i = 0; i < 70000; i++) {
        code = sse__br_length_code(sse__br_insert_base, i);
        wrong += i - sse__br_insert_base[code] >= 1u << sse__br_insert_bits[code];
        if (i < 2) continue;
        code = sse__br_length_code(sse__br_copy_base, i);
        wrong += i - sse__br_copy_base[code] >= 1u << sse__br_copy_bits[code];
    }
    is_int(wrong, 0, "every length falls into the range of its brotli code");
    for (i = 0; i < 24; i++) { /* each range begins where the one before ends */
        wrong += i && sse__br_insert_base[i] !=
                          sse__br_insert_base[i - 1] + (1u << sse__br_insert_bits[i - 1]);
        wrong += i && sse__br_copy_base[i] !=
                          sse__br_copy_base[i - 1] + (1u << sse__br_copy_bits[i - 1]);
    }
    is_int(wrong, 0, "the ranges meet");
    is_int(sse__gzip_length_code(3, &bits), 257, "the shortest copy of deflate");
    is_int(sse__gzip_length_code(258, &bits), 285, "the longest");
    is_int(bits, 0, "which has a code of its own");
    is_int(sse__gzip_length_code(257, &bits), 284, "and one less");
    is_int(bits, 5, "which does not");
    is_int(sse__gzip_dist_code(1, &bits), 0, "the nearest distance");
    is_int(sse__gzip_dist_code(32768, &bits), 29, "the farthest");
    is_int(bits, 13, "and its bits");
    for (i = 1; i < 2000; i++) {
        uint32_t left = i;
        while (left > 0 && (i < 3 || sse__gzip_piece(left) >= 3)) left -= sse__gzip_piece(left);
        wrong += left != 0;
    }
    is_int(wrong, 0, "copies split into pieces of 3 to 258");
}

/* Follows the commands of one block; counts what they get wrong. */
static unsigned replay(const sse__encoder *p, const sse__window *s, size_t at, size_t stop) {
    unsigned i, wrong = 0;
    for (i = 0; i < p->ncommands; i++) {
        const sse__command c = p->commands[i];
        at += c.insert;
        wrong += c.dist > s->reach || c.dist > at - s->floor;
        if (c.dist && !wrong)
            wrong += memcmp(s->bytes + at, s->bytes + at - c.dist,
                         c.copy < c.dist ? c.copy : c.dist) != 0;
        at += c.copy;
    }
    return wrong + (at != stop);
}

static void test_parse(void) {
    sse__encoder   *p = sse__encoder_new(16);
    struct workload w = workload_new("chat", 3, 1);
    unsigned char   bytes[20000];
    size_t          n = 0, at, next;
    unsigned        i, wrong = 0, round;
    sse__window     s;
    memset(&s, 0, sizeof s);
    for (i = 0; i < 3; i++) {
        memcpy(bytes + n, w.event[i].ptr, w.event[i].len);
        n += w.event[i].len;
    }
    for (round = 0; round < 60; round++) {
        s.bytes = bytes;
        s.floor = random_below((uint32_t)n);
        s.start = s.floor + random_below((uint32_t)(n - s.floor));
        s.end = n;
        s.reach = 100 + random_below(20000);
        s.origin = (uint32_t)random_below(100) - 50; /* positions that wrap around */
        s.index = p->key.index;
        s.indexed = s.floor;
        p->br = round & 1;
        memset(p->ring, 0, sizeof p->ring);
        /* the index is full of earlier rounds: any of it may be stale */
        sse__index_insert(&s, s.start);
        for (at = s.start; at < s.end; at = next) {
            next = sse__lz_parse(p, &s, at, s.end);
            wrong += replay(p, &s, at, next);
        }
    }
    is_int(wrong, 0, "commands copy what is there, within floor and reach");
    workload_free(&w);
    sse__encoder_free(p);
}

static void test_ends(void) {
    sse__encoder *p = sse__encoder_new(16);
    sse__window   s;
    memset(&s, 0, sizeof s);
    s.bytes = (const unsigned char *)"one, two.</p>\n\n_.</p>\n\n";
    s.start = 16;
    s.end = 23;
    s.reach = 10000;
    s.index = p->key.index;
    sse__index_insert(&s, s.start);
    is_int(sse__lz_parse(p, &s, s.start, s.end), s.end, "all of it");
    is_int(p->ncommands, 1, "the last seven bytes of an event are a copy");
    is_int(p->commands[0].copy, 7, "and need no literals");
    sse__encoder_free(p);
}

/* The number that changed was seen elsewhere too; behind it, the last event goes on. */
static void test_resume(void) {
    static const char row[] = "<td>one</td><td>two</td><td>three</td><td>four</td></tr>\n";
    sse__encoder     *p = sse__encoder_new(16);
    sse_buf           b = {NULL, 0, 0, 0};
    sse__window       s;
    size_t            first, start;
    unsigned          i;
    memset(&s, 0, sizeof s);
    sse_puts(&b, "<td>48</td><td>o");
    for (i = 0; i < 400; i++) sse_printf(&b, "%u;", random_below(1000));
    first = b.len;
    sse_printf(&b, "<tr class=\"first\"><td>12</td>%s%s", row, row);
    start = b.len;
    sse_printf(&b, "<tr class=\"first\"><td>48</td>%s%s", row, row);
    s.bytes = (const unsigned char *)b.ptr;
    s.start = start;
    s.end = b.len;
    s.reach = 10000;
    s.index = p->key.index;
    p->br = true;
    sse__index_insert(&s, s.start);
    is_int(sse__lz_parse(p, &s, s.start, s.end), s.end, "all of it");
    is_int(p->ncommands, 2, "two digits stay literals between two copies of the last event");
    is_int(p->commands[1].dist, start - first, "from the same distance");
    sse_buf_free(&b);
    sse__encoder_free(p);
}

/* What compression is for: no event takes more bytes than it did when the encoder was tuned, by
   tests/bench/frame.c. Who finds a better constant writes the smaller numbers here. */
static void test_sizes(void) {
    static const struct {
        const char *name;
        int         count;
        size_t      keys[2], deltas[2]; /* of br and gzip */
    } most[] = {
        {"life", 3, {27907, 38612}, {5324, 0}},
        {"chat", 20, {32128, 32163}, {1191, 1914}},
        {"table", 6, {33282, 38206}, {406, 0}},
        {"lines", 60, {8360, 8318}, {3273, 2574}},
        {"signals", 60, {4571, 4800}, {1124, 931}},
    };
    unsigned row, e;
    for (row = 0; row < SSE__COUNT(most); row++) {
        struct workload w = workload_new(most[row].name, most[row].count, 1);
        for (e = 0; e < 2; e++) {
            const int     encoding = e ? SSE__GZIP : SSE__BR;
            sse__encoder *p = sse__encoder_new(18);
            sse__codec   *c = sse__codec_new(p, encoding, 18, 0);
            sse_buf       keys = {NULL, 0, 0, 0}, deltas = {NULL, 0, 0, 0};
            uint64_t      mark = 0;
            int           i;
            for (i = 0; i < w.count; i++) {
                sse__frame_key(p, encoding, w.event[i], &keys);
                (void)sse__codec_add(c, p, w.event[i]);
                if (sse__codec_follow(c, &mark) == SSE__DELTA) sse__codec_delta(c, p, &deltas);
            }
            ok(keys.len <= most[row].keys[e] && deltas.len <= most[row].deltas[e],
                "%d events of %s are %lu bytes of keys and %lu of deltas, %s", w.count, w.name,
                (unsigned long)keys.len, (unsigned long)deltas.len, e ? "gzip" : "br");
            sse_buf_free(&keys);
            sse_buf_free(&deltas);
            sse__codec_free(c);
            sse__encoder_free(p);
        }
        workload_free(&w);
    }
}

static void test_crc(void) {
    sse__encoder  *p = sse__encoder_new(16);
    char           bytes[3000];
    sse__crc_state all, parts = {0, 0, 0}, part;
    unsigned       i, wrong = 0;
    is_int(sse__crc(p, sse__text("123456789")), 0xCBF43926, "the CRC's check value");
    is_int(sse__crc(p, sse__text("")), 0, "of nothing");
    for (i = 0; i < sizeof bytes; i++) bytes[i] = (char)random_below(256);
    for (i = 0; i < sizeof bytes; i += 7) {
        all = sse__crc_of(p, sse__str(bytes, i));
        parts = sse__crc_of(p, sse__str(bytes, i / 3));
        part = sse__crc_of(p, sse__str(bytes + i / 3, i - i / 3));
        sse__crc_append(&parts, &part);
        wrong += parts.crc != all.crc || parts.len != all.len;
    }
    is_int(wrong, 0, "sums of parts make the sum of the whole");
    memset(&parts, 0, sizeof parts);
    all = sse__crc_of(p, sse__str(bytes, 100));
    sse__crc_append(&parts, &all);
    ok(parts.crc == all.crc && parts.len == 100, "a stream's sum begins as {0}");
    sse__encoder_free(p);
}

static void test_fixed_bytes(void) {
    static const struct {
        unsigned    lgwin;
        const char *bytes;
        size_t      n;
    } heads[] = {
        {16, "\x0C", 1},
        {17, "\x01\x03", 2},
        {18, "\x63\x00", 2},
        {20, "\x67\x00", 2},
        {22, "\x6B\x00", 2},
        {24, "\x6F\x00", 2},
    };
    sse_buf        b = {NULL, 0, 0, 0};
    sse__crc_state sum = {0x11223344, 0x55667788, 0};
    unsigned       i;
    for (i = 0; i < SSE__COUNT(heads); i++) {
        sse__encoder *p = sse__encoder_new(heads[i].lgwin);
        b.len = 0;
        sse__frame_head(p, SSE__BR, &b);
        is_mem(b.ptr, b.len, heads[i].bytes, heads[i].n, "head of a brotli stream");
        b.len = 0;
        sse__frame_key(p, SSE__BR, sse__text(""), &b);
        sse__frame_key(p, SSE__GZIP, sse__text(""), &b);
        sse__frame_head(p, SSE__IDENTITY, &b);
        is_int(b.len, 0, "nothing makes no frame");
        sse__encoder_free(p);
    }
    sse__frame_ping(SSE__BR, &b);
    sse__frame_end(SSE__BR, &sum, &b);
    is_mem(b.ptr, b.len, "\x06\x03", 2, "brotli: keep-alive and end");
    b.len = 0;
    sse__frame_ping(SSE__GZIP, &b);
    sse__frame_end(SSE__GZIP, &sum, &b);
    is_mem(b.ptr, b.len, "\0\0\0\xFF\xFF\x03\0\x44\x33\x22\x11\x88\x77\x66\x55", 15,
        "gzip: keep-alive and end");
    sse_buf_free(&b);
}

/* Z5: behind the head of each compressed block there is one type of block each, no postfix, no
   context mode but the first, one tree. */
static void test_one_tree(void) {
    static const char *const names[] = {"chat", "signals"};
    unsigned                 e, seen = 0, wrong = 0;
    int                      i, k;
    for (e = 0; e < SSE__COUNT(names); e++) {
        sse__encoder   *p = sse__encoder_new(16);
        struct workload w = workload_new(names[e], 20, 5);
        sse_buf         b = {NULL, 0, 0, 0};
        for (i = 0; i < w.count; i++) {
            uint64_t bits = 0;
            b.len = 0;
            sse__frame_key(p, SSE__BR, w.event[i], &b);
            if (b.len < 8) continue;
            for (k = 0; k < 5; k++) bits |= (uint64_t)(unsigned char)b.ptr[k] << (8 * k);
            /* ISLAST 0, MNIBBLES 4, MLEN, ISUNCOMPRESSED 0 */
            if ((bits & 7) || (bits >> 19 & 1)) continue;
            seen++;
            wrong += (bits >> 20 & 0x1FFF) != 0;
        }
        sse_buf_free(&b);
        workload_free(&w);
        sse__encoder_free(p);
    }
    ok(seen > 20 && !wrong, "one tree of each kind in %u frames", seen);
}

static void test_marks(void) {
    sse__encoder *p = sse__encoder_new(18);
    sse__codec   *c = sse__codec_new(p, SSE__BR, 18, 0), *other = sse__codec_new(p, SSE__BR, 18, 0);
    sse_buf       b = {NULL, 0, 0, 0};
    uint64_t      here = 0, missed = 0, elsewhere = 0;
    char         *big = (char *)calloc(1, 1 << 19);
    sse__codec_add(c, p, sse__text("data: one two three four\n\n"));
    is_int(sse__codec_follow(c, &here), SSE__KEY, "a newcomer gets a key");
    is_int(sse__codec_follow(c, &missed), SSE__KEY, "and so does the next");
    sse__codec_add(c, p, sse__text("data: one two three five\n\n"));
    is_int(sse__codec_follow(c, &here), SSE__DELTA, "after it, deltas");
    sse__codec_add(c, p, sse__text("data: one two three six\n\n"));
    is_int(sse__codec_follow(c, &here), SSE__DELTA, "as long as it misses nothing");
    is_int(sse__codec_follow(c, &missed), SSE__KEY, "who missed one gets a key");
    sse__codec_add(other, p, sse__text("data: of another channel\n\n"));
    sse__codec_follow(other, &elsewhere);
    sse__codec_add(c, p, sse__text("data: one two three seven\n\n"));
    is_int(sse__codec_follow(c, &elsewhere), SSE__KEY,
        "in sync with one channel is not in sync with another");
    is_int(sse__codec_follow(c, &here), SSE__DELTA,
        "and a key for others changes nothing for who is in sync");
    sse__codec_add(c, p, sse__str(big, 1 << 19));
    is_int(sse__codec_follow(c, &here), SSE__KEY,
        "an event beyond the window is the same key for all");
    sse__codec_add(c, p, sse__text("data: one two three\n\n"));
    is_int(sse__codec_follow(c, &here), SSE__DELTA, "who are in sync after it");
    sse__codec_free(c);
    sse__codec_free(other);
    c = sse__codec_new(p, SSE__BR, 18, 4);
    here = missed = elsewhere = 0;
    sse__codec_add(c, p, sse__text("data: one\n\n"));
    sse__codec_follow(c, &here);
    sse__codec_follow(c, &elsewhere);
    for (p->ncommands = 0; p->ncommands < 100 && missed == 0; p->ncommands++) {
        sse__codec_add(c, p, sse__text("data: two\n\n"));
        sse__codec_follow(c, &here);
        sse__codec_follow(c, &elsewhere);
        sse__codec_follow(c, &missed);
    }
    is_int(p->ncommands, 9,
        "a patient channel syncs when one has waited four times for each of two");
    free(big);
    sse_buf_free(&b);
    sse__codec_free(c);
    sse__encoder_free(p);
}

/* Events at the limit of what a copy can reach, and of what is there. */
static void test_history_limits(void) {
    static char   big[1 << 17];
    sse__encoder *p = sse__encoder_new(16);
    sse__codec   *c = sse__codec_new(p, SSE__BR, 16, 4);
    uint64_t      here = 0, late = 0;
    const size_t  reach = (1 << 16) - 16;
    memset(big, 'x', sizeof big);
    (void)sse__codec_add(c, p, sse__text("data: one\n\n"));
    (void)sse__codec_follow(c, &here);
    (void)sse__codec_add(c, p, sse__str(big, reach));
    is_int(sse__codec_follow(c, &here), SSE__DELTA,
        "an event as long as a copy can reach has a delta");
    (void)sse__codec_add(c, p, sse__str(big, reach + 1));
    is_int(sse__codec_follow(c, &here), SSE__KEY, "a longer one has not");
    (void)sse__codec_add(c, p, sse__text("data: two\n\n"));
    is_int(sse__codec_follow(c, &here), SSE__DELTA,
        "after it all are in sync, of a patient channel, too");
    is_int(sse__codec_follow(c, &late), SSE__KEY, "who comes later waits");
    is_int(late, 0, "... for a sync that is worth it");
    sse__codec_free(c);
    c = sse__codec_new(p, SSE__BR, 16, 0);
    here = late = 0;
    (void)sse__codec_add(c, p, sse__str(big, 1000));
    (void)sse__codec_follow(c, &here);
    (void)sse__codec_add(c, p, sse__str(big, 900));
    (void)sse__codec_follow(c, &here);
    (void)sse__codec_follow(c, &late);
    allocations_left = 0;
    is_int(sse__codec_add(c, p, sse__str(big, 900)), SSE_OK,
        "without memory what nobody needs any more makes room");
    is_int(sse__codec_follow(c, &here), SSE__DELTA, "and nothing is forgotten");
    allocations_left = -1;
    sse__codec_free(c);
    sse__encoder_free(p);
}

/* The message of a delta found no memory, and the next subscriber asks for it again. */
static void test_again(void) {
    static const int encodings[] = {SSE__BR, SSE__GZIP};
    struct workload  w = workload_new("signals", 40, 3);
    unsigned         e;
    for (e = 0; e < 2; e++) {
        sse__encoder *p = sse__encoder_new(18);
        sse__codec   *c = sse__codec_new(p, encodings[e], 18, 0);
        sse_buf       out = {NULL, 0, 0, 0};
        uint64_t      mark = 0;
        uint32_t      ring[4];
        int           i, same = 0;
        for (i = 0; i < w.count; i++) {
            sse__codec_add(c, p, w.event[i]);
            if (sse__codec_follow(c, &mark) != SSE__DELTA) continue;
            memcpy(ring, c->ring, sizeof ring);
            sse__codec_delta(c, p, &out);
            same += memcmp(ring, c->ring, sizeof ring) == 0;
        }
        is_int(same, 39, "and begins with the distances that the decoder has");
        sse_buf_free(&out);
        sse__codec_free(c);
        sse__encoder_free(p);
    }
    workload_free(&w);
}

static void test_memory(void) {
    struct workload w = workload_new("chat", 200, 3);
    unsigned        lgwin;
    for (lgwin = 16; lgwin <= 18; lgwin += 2) {
        sse__encoder *p = sse__encoder_new(lgwin);
        sse__codec   *c = sse__codec_new(p, SSE__BR, lgwin, 0);
        sse_buf       b = {NULL, 0, 0, 0};
        uint64_t      mark = 0;
        long          before = 0;
        int           i;
        for (i = 0; i < w.count; i++) {
            if (i == 100) before = allocations_made;
            b.len = 0;
            sse__codec_add(c, p, w.event[i]);
            if (sse__codec_follow(c, &mark) == SSE__DELTA) sse__codec_delta(c, p, &b);
            sse__frame_key(p, SSE__BR, w.event[i], &b);
        }
        is_int(allocations_made, before, "the steady state allocates nothing");
        ok(c->cap <= ((size_t)17 << lgwin) / 16 + 8192,
            "the history stays within the window, a sixteenth and an event");
        if (lgwin == 16)
            ok(c->cap + sizeof *c + sse__index_size(c->last.index.bits) < 100000,
                "a small channel takes less than 100 KB");
        sse__codec_free(c);
        sse__encoder_free(p);
        sse_buf_free(&b);
    }
    workload_free(&w);
}

static void test_failing_allocations(void) { /* Z8 */
    sse_str       event = sse__text("data: the quick brown fox jumps over the lazy dog\n\n");
    sse__encoder *p = sse__encoder_new(18);
    sse__codec   *c;
    sse_buf       b = {NULL, 0, 0, 0};
    uint64_t      mark = 0;
    allocations_left = 0;
    ok(!sse__encoder_new(18), "no encoder without memory");
    ok(!sse__codec_new(p, SSE__BR, 18, 0), "no codec without memory");
    allocations_left = -1;
    c = sse__codec_new(p, SSE__BR, 18, 0);
    sse__codec_add(c, p, event);
    sse__codec_follow(c, &mark);
    is_int(sse__codec_add(c, p, event), SSE_OK, "in sync");
    is_int(sse__codec_follow(c, &mark), SSE__DELTA, "so far");
    allocations_left = 0;
    while (sse__codec_add(c, p, event) == SSE_OK) sse__codec_follow(c, &mark);
    is_int(sse__codec_follow(c, &mark), SSE__KEY, "the history cannot grow: everyone gets a key");
    is_int(mark, 0, "and is out of sync");
    is_int(c->last.end, 0, "the history is forgotten");
    sse__frame_key(p, SSE__BR, event, &b);
    is_int(b.error, SSE_E_NOMEM, "without an output buffer there is no frame");
    allocations_left = -1;
    b.error = SSE_OK;
    sse__frame_key(p, SSE__BR, event, &b);
    ok(b.len > 0, "with one there is");
    sse__codec_add(c, p, event);
    is_int(sse__codec_follow(c, &mark), SSE__KEY, "after the famine a key again");
    sse__codec_add(c, p, event);
    is_int(sse__codec_follow(c, &mark), SSE__DELTA, "and then deltas");
    sse_buf_free(&b);
    sse__codec_free(c);
    sse__encoder_free(p);
}

int main(void) {
    test_bits();
    test_prefix_codes();
    test_length_tables();
    test_parse();
    test_ends();
    test_resume();
    test_sizes();
    test_crc();
    test_fixed_bytes();
    test_one_tree();
    test_marks();
    test_history_limits();
    test_again();
    test_memory();
    test_failing_allocations();
    return tap_done();
}
