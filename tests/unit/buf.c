/* Tests of >>buf: buffers and arenas, each of their allocations failing in turn, sizes that
   overflow. */
#include <stddef.h>
static void *test_realloc(void *p, size_t n);
static void  test_free(void *p);
#define SSE_MALLOC(n)     test_realloc(NULL, n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       test_free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static int    allocs_left = -1, live, calls; /* allocs_left -1: any number */
static size_t last_size;

static void *test_realloc(void *p, size_t n) {
    void *q;
    calls++;
    last_size = n;
    if (allocs_left == 0 || n > 1u << 30) return NULL;
    if (allocs_left > 0) allocs_left--;
    q = realloc(p, n);
    if (q && !p) live++;
    return q;
}

static void test_free(void *p) {
    if (p) live--;
    free(p);
}

static void plain(void) {
    sse_buf b = {0};
    is_str(sse_buf_text(&b), "", "an empty buffer is an empty text");
    sse_raw(&b, NULL, 0);
    sse_puts(&b, NULL);
    sse_puts(&b, "");
    ok(!b.ptr && b.len == 0 && calls == 0, "nothing appended allocates nothing");
    sse_puts(&b, "text ");
    sse_raw(&b, "a\0b", 3);
    sse__put_char(&b, '!');
    sse__put_str(&b, SSE__LIT("?"));
    is_mem(b.ptr, b.len, "text a\0b!?", 10, "what was appended, NULs and all");
    is_int(sse_buf_text(&b)[10], 0, "ends in a NUL");
    is_int(b.len, 10, "that does not count");
    sse_buf_free(&b);
    ok(!b.ptr && !b.len && !b.cap && !b.error && live == 0, "freed, it is {0} again");
    sse_buf_free(&b);
    sse_buf_free(NULL);
    ok(live == 0, "freeing nothing does nothing");
}

static void growth(void) {
    sse_buf b = {0};
    size_t  i, wrong = 0;
    calls = 0;
    for (i = 0; i < 100000; i++) {
        sse__put_char(&b, (char)i);
        wrong += b.cap <= b.len; /* F1 */
    }
    ok(wrong == 0 && calls < 15, "100,000 bytes one by one: %d allocations, always room for a NUL",
        calls);
    for (i = 0; i < b.len; i++) wrong += b.ptr[i] != (char)i;
    is_int(wrong, 0, "all there");
    sse_buf_free(&b);
    /* every size around the first capacities: the NUL never lands outside */
    for (i = 0; i < 300; i++) {
        char bytes[300];
        memset(bytes, 'x', i);
        sse_raw(&b, bytes, i);
        wrong += strlen(sse_buf_text(&b)) != i;
        sse_buf_free(&b);
    }
    is_int(wrong, 0, "every size up to 300 ends in a NUL");
}

static void errors(void) {
    sse_buf b = {0};
    char   *ptr;
    size_t  cap;
    sse_puts(&b, "before");
    ptr = b.ptr;
    cap = b.cap;
    allocs_left = 0;
    sse_raw(&b, "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
    allocs_left = -1;
    is_int(b.error, SSE_E_NOMEM, "an allocation that fails");
    ok(b.ptr == ptr && b.len == 6 && b.cap == cap, "leaves the buffer as it was"); /* F2 */
    sse_puts(&b, "x");
    sse__put_char(&b, 'x');
    sse_printf(&b, "%d", 1);
    is_int(b.len, 6, "it sticks, even for what would fit");
    is_str(sse_buf_text(&b), "", "and the text is empty");
    sse_buf_fail(&b, SSE_E_ARG);
    is_int(b.error, SSE_E_NOMEM, "the first error stays");
    sse_buf_free(&b);
    sse_puts(&b, "again");
    is_str(sse_buf_text(&b), "again", "freed, it works again");
    last_size = 1;
    ok(!sse__buf_room(&b, SIZE_MAX) && b.error == SSE_E_NOMEM && last_size != SIZE_MAX,
        "a size that overflows is not even tried");
    sse_buf_free(&b);
    sse_puts(&b, "again");
    ok(!sse__buf_room(&b, SIZE_MAX - 5) && b.error == SSE_E_NOMEM,
        "nor is one where only the NUL overflows");
    sse_buf_free(&b);
    ok(!sse__buf_room(&b, SIZE_MAX / 2 + 1) && b.error == SSE_E_NOMEM,
        "doubling does not overflow");
    sse_buf_free(&b);
    sse_buf_fail(&b, SSE_E_FIELD);
    sse_puts(&b, "x");
    ok(b.error == SSE_E_FIELD && !b.ptr, "a buffer made to fail takes nothing");
    sse_buf_free(&b);
    is_int(live, 0, "nothing leaked");
}

static void arenas(void) {
    sse__arena a = {0}, before;
    char      *p[500], *text;
    size_t     i, k, wrong = 0;
    calls = 0;
    for (i = 0; i < 500; i++) {
        p[i] = (char *)sse__arena_get(&a, i);
        wrong += !p[i] || (size_t)p[i] % 8;
        memset(p[i], (int)i, i);
    }
    for (i = 0; i < 500; i++)
        for (k = 0; k < i; k++) wrong += p[i][k] != (char)i;
    ok(wrong == 0 && calls < 10, "500 pieces, aligned, apart from one another, in %d blocks",
        calls);
    text = sse__arena_text(&a, SSE__LIT("a\0b"));
    is_mem(text, 4, "a\0b", 4, "a text ends in a NUL");
    is_str(sse__arena_text(&a, sse__text(NULL)), "", "also the text of nothing");
    text = (char *)sse__arena_get(&a, 3000000);
    memset(text, 1, 3000000);
    sse__arena_reset(&a);
    is_int(live, 0, "a reset gives large blocks back");
    ok(sse__arena_get(&a, 100) && live == 1, "and the arena works again");
    sse__arena_reset(&a);
    calls = 0;
    ok(live == 1 && sse__arena_get(&a, 500) && calls == 0, "a small block is kept for next time");
    for (i = 0; i < 20; i++) sse__arena_get(&a, 500);
    sse__arena_reset(&a);
    is_int(live, 1, "just one of them");
    sse__arena_free(&a);
    ok(live == 0 && !a.blocks && !a.used, "freed, it is {0} again");
    text = sse__arena_text(&a, SSE__LIT("kept"));
    before = a;
    for (i = 0; i < 20; i++) sse__arena_get(&a, 500);
    sse__arena_rewind(&a, before);
    ok(live == 1 && sse__arena_get(&a, 8) == text + 8 && !strcmp(text, "kept"),
        "rewound, it gives what it had given again, and what is older stays");
    before = a;
    (void)sse__arena_get(&a, 100);
    sse__arena_rewind(&a, before);
    ok(live == 1 && a.used == before.used, "... also inside of a block");
    sse__arena_free(&a);
    for (i = 0; i < 2; i++) {
        (void)sse__arena_get(&a, 16384 + i);
        sse__arena_reset(&a);
        is_int(live, i ? 0 : 1, i ? "one byte more is given back" : "a block of 16 KiB is kept");
        sse__arena_free(&a);
    }
    sse__arena_reset(&a);
    sse__arena_free(&a);
    is_int(live, 0, "resetting and freeing nothing does nothing");
}

static void arenas_without_memory(void) {
    sse__arena a = {0};
    char      *first;
    allocs_left = 0;
    ok(!sse__arena_get(&a, 1) && !sse__arena_text(&a, SSE__LIT("x")), "NULL without memory");
    allocs_left = 1;
    first = sse__arena_text(&a, SSE__LIT("first"));
    ok(first && !sse__arena_get(&a, 5000), "NULL where the second block fails");
    is_str(first, "first", "what was given stays");
    ok(sse__arena_get(&a, 100), "and the first block still gives");
    allocs_left = -1;
    last_size = 1;
    ok(!sse__arena_get(&a, SIZE_MAX) && !sse__arena_get(&a, SIZE_MAX - 7) &&
            !sse__arena_get(&a, SIZE_MAX - sizeof(sse__arena_block)),
        "sizes that overflow");
    ok(!sse__arena_text(&a, sse__str("x", SIZE_MAX)) && last_size == 1, "are not even tried");
    sse__arena_free(&a);
    is_int(live, 0, "nothing leaked");
}

int main(void) {
    plain();
    growth();
    errors();
    arenas();
    arenas_without_memory();
    return tap_done();
}
