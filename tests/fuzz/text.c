/* text.c: escapers against what their languages read back, decoders against their encoders. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#define CHECK(x) ((x) ? (void)0 : __builtin_trap())

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool holds(const sse_buf *b, const char *any_of) {
    size_t i;
    for (i = 0; i < b->len; i++)
        if (b->ptr[i] && strchr(any_of, b->ptr[i])) return true;
    return false;
}

static void check_html(sse_str s) {
    sse_buf b = {0};
    sse__escape_html(&b, s);
    CHECK(!b.error && b.len >= s.len && !holds(&b, "<>\"'"));
    sse_buf_free(&b);
}

static void check_json(sse_str s) {
    sse_buf b = {0};
    sse__escape_json(&b, s);
    CHECK(b.len >= 2 && b.ptr[0] == '"' && b.ptr[b.len - 1] == '"' && !holds(&b, "<\n\r\t"));
    CHECK(sse__utf8_span(sse__str(b.ptr, b.len)) == b.len);
    sse_buf_free(&b);
}

static void check_js(sse_str s) {
    sse_buf b = {0};
    sse__escape_js(&b, s);
    CHECK(!b.error && !holds(&b, "<>&\"'`\n\r"));
    sse_buf_free(&b);
}

static void check_url(sse_str s) { /* T1: decoding gives back what was encoded */
    sse_buf b = {0};
    size_t  n;
    sse__escape_url(&b, s);
    CHECK(!holds(&b, " &=?#+/<>\"'"));
    n = b.len ? sse__percent_decode(b.ptr, b.len, true) : 0;
    CHECK(n == s.len && (n == 0 || memcmp(b.ptr, s.ptr, n) == 0));
    sse_buf_free(&b);
}

static void check_base64(sse_str s) { /* both ways: what decodes, encodes to the same text */
    sse_buf text = {0}, back = {0}, again = {0};
    sse__base64url_put(&text, s);
    CHECK(sse__base64_get(&back, sse__str(text.ptr, text.len), true));
    CHECK(back.len == s.len && (s.len == 0 || memcmp(back.ptr, s.ptr, s.len) == 0));
    back.len = 0;
    if (sse__base64_get(&back, s, true)) {
        sse__base64url_put(&again, sse__str(back.ptr, back.len));
        CHECK(again.len == s.len && (s.len == 0 || memcmp(again.ptr, s.ptr, s.len) == 0));
    }
    sse_buf_free(&text);
    sse_buf_free(&back);
    sse_buf_free(&again);
}

static void check_numbers(sse_str s) {
    const char *p = s.ptr;
    char       *text = sse__strdup(s);
    uint64_t    v;
    CHECK(text);
    sse_parse_int(text, 0);
    sse_parse_double(text, 0);
    CHECK(!sse__take_number(&p, s.ptr + s.len, false) || p > s.ptr);
    CHECK(p >= s.ptr && p <= s.ptr + s.len);
    CHECK(!sse__parse_u64(s, 1000, &v) || v <= 1000);
    SSE_FREE(text);
}

static void check_decode(sse_str s) {
    char  *copy = sse__strdup(s);
    size_t n;
    CHECK(copy);
    n = sse__percent_decode(copy, s.len, true);
    CHECK(n == SIZE_MAX || n <= s.len);
    SSE_FREE(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    sse_str s = sse__str((const char *)bytes, n);
    check_html(s);
    check_json(s);
    check_js(s);
    check_url(s);
    check_base64(s);
    check_numbers(s);
    check_decode(s);
    return 0;
}
