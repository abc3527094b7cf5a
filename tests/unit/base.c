/* Tests of >>base: checked sizes, allocation that fails, strings with a length, the table of
   errors. */
#include <stddef.h>
static void *test_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     test_realloc(NULL, n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static bool   fails;
static size_t last_size;

static void *test_realloc(void *p, size_t n) {
    last_size = n;
    return fails || n > 1u << 30 ? NULL : realloc(p, n);
}

static void sizes(void) { /* BA1: against division, on the edges */
    static const size_t edges[] = {0, 1, 2, 3, 7, SIZE_MAX / 3, SIZE_MAX / 2, SIZE_MAX / 2 + 1,
        SIZE_MAX - 1, SIZE_MAX, (size_t)1 << (sizeof(size_t) * 4),
        ((size_t)1 << (sizeof(size_t) * 4)) - 1};
    size_t              i, k, out, wrong = 0;
    for (i = 0; i < SSE__COUNT(edges); i++)
        for (k = 0; k < SSE__COUNT(edges); k++) {
            const size_t a = edges[i], b = edges[k];
            wrong += sse__add(a, b, &out) != (a <= SIZE_MAX - b) || out != a + b;
            wrong += sse__mul(a, b, &out) != (b == 0 || a <= SIZE_MAX / b) || out != a * b;
        }
    is_int(wrong, 0, "sums and products on the edges");
}

static void growing(void) {
    void  *array = NULL, *before;
    size_t cap = 0, count, grown = 0, huge;
    for (count = 0; count < 1000; count++) {
        const size_t old = cap;
        if (!sse__grow(&array, &cap, count, sizeof(int))) break;
        grown += cap != old;
        ((int *)array)[count] = (int)count;
    }
    is_int(count, 1000, "a thousand elements");
    ok(((int *)array)[0] == 0 && ((int *)array)[999] == 999 && grown < 12,
        "kept, with %d allocations", (int)grown);
    before = array;
    fails = true;
    huge = cap;
    ok(!sse__grow(&array, &cap, cap, sizeof(int)) && array == before && cap == huge,
        "without memory nothing changes");
    fails = false;
    cap = SIZE_MAX / 2 + 1;
    last_size = 0;
    ok(!sse__grow(&array, &cap, cap, 1) && last_size == 0, "twice the elements would overflow");
    cap = SIZE_MAX / 8;
    ok(!sse__grow(&array, &cap, cap, 8) && last_size == 0, "their bytes would");
    free(array);
}

static void strings(void) {
    const sse_str none = sse__text(NULL), empty = sse__text("");
    char         *copy;
    ok(!none.ptr && none.len == 0 && empty.ptr && empty.len == 0, "absent and empty differ");
    ok(sse__eq(none, empty) && sse__eq_nocase(none, empty), "but compare equal");
    ok(sse__eq(SSE__LIT("a\0b"), SSE__LIT("a\0b")) && !sse__eq(SSE__LIT("a\0b"), SSE__LIT("a\0c")),
        "NULs are bytes");
    ok(!sse__eq(SSE__LIT("a"), SSE__LIT("ab")) && !sse__eq(SSE__LIT("a"), SSE__LIT("A")),
        "length and case count");
    ok(sse__eq_nocase(SSE__LIT("Content-TYPE"), SSE__LIT("content-type")), "unless they do not");
    ok(!sse__eq_nocase(SSE__LIT("@["), SSE__LIT("`{")) &&
            !sse__eq_nocase(SSE__LIT("\xC3\x89"), SSE__LIT("\xC3\xA9")),
        "only letters, only ASCII");
    ok(!sse__eq_nocase(SSE__LIT("ab"), SSE__LIT("a")), "not by half");
    ok(sse__starts(SSE__LIT("abc"), SSE__LIT("ab")) &&
            sse__starts(SSE__LIT("ab"), SSE__LIT("ab")) && sse__starts(none, empty),
        "starts with");
    ok(!sse__starts(SSE__LIT("a"), SSE__LIT("ab")) && !sse__starts(SSE__LIT("ba"), SSE__LIT("a")),
        "starts not with");
    copy = sse__strdup(SSE__LIT("a\0b"));
    is_mem(copy, 4, "a\0b", 4, "a copy ends in a NUL");
    free(copy);
    copy = sse__strdup(none);
    is_mem(copy, 1, "", 1, "also of nothing");
    free(copy);
    fails = true;
    ok(!sse__strdup(SSE__LIT("a")) && !sse__zalloc(8), "NULL without memory");
    fails = false;
    last_size = 1;
    ok(!sse__strdup(sse__str("a", SIZE_MAX)) && last_size == 1,
        "a length that overflows is not even tried");
}

static void zeroed(void) {
    unsigned char *p = (unsigned char *)sse__zalloc(1000);
    size_t         i, wrong = 0;
    for (i = 0; i < 1000; i++) wrong += p[i] != 0;
    is_int(wrong, 0, "sse__zalloc gives zeros");
    free(p);
}

/* Names that differ little must not meet often: 10,000 in 65,536 places leave at most 1,000
   unlucky. */
static void hashing(void) {
    static unsigned char seen[65536];
    char                 text[20];
    int                  i, met = 0;
    for (i = 0; i < 10000; i++) {
        uint32_t h;
        snprintf(text, sizeof text, "/room/%d", i);
        h = sse__hash(sse__text(text)) & 65535;
        met += seen[h];
        seen[h] = 1;
    }
    ok(met < 1000, "10,000 names, %d share a place of 65,536", met);
    ok(sse__hash(sse__text(NULL)) == sse__hash(sse__text("")), "nothing hashes as nothing");
}

static void errors(void) {
    int n, named = 0;
    for (n = 0; strcmp(sse_error_text(n), "unknown error"); n--) {
        const char *text = sse_error_text(n);
        named += !strncmp(text, n ? "SSE_E_" : "SSE_OK: ", n ? 6 : 8) && strstr(text, ": ") &&
                 strlen(text) > strcspn(text, ":") + 8;
    }
    ok(named == -n && named >= 13, "%d errors without a gap, each with its name and a message",
        named);
    is_str(sse_error_text(SSE_E_NOMEM), "SSE_E_NOMEM: out of memory", "one of them");
    is_str(sse_error_text(1), "unknown error", "a positive number");
    is_str(sse_error_text(INT32_MIN), "unknown error", "the smallest number");
}

struct outer {
    char before;
    int  member;
};

int main(void) {
    struct outer outer;
    sizes();
    growing();
    strings();
    zeroed();
    hashing();
    errors();
    ok(SSE__CONTAINER(&outer.member, struct outer, member) == &outer,
        "from a member to what contains it");
    return tap_done();
}
