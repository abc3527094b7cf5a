/* range.h: a second reader of Range, RFC 9110 14.1.2. Include it after fuzz.h. */
#ifndef RANGE_H
#define RANGE_H

/* What stands before the next c, of which there is none within quotes here. */
static sse_str before(sse_str *rest, char c) {
    const char   *at = rest->len ? (const char *)memchr(rest->ptr, c, rest->len) : NULL;
    const sse_str s = sse__str(rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len);
    *rest = at ? sse__str(at + 1, rest->len - s.len - 1) : sse__str(NULL, 0);
    return s;
}

static bool is(sse_str s, const char *word) {
    return s.len == strlen(word) && strncasecmp(s.ptr ? s.ptr : "", word, s.len) == 0;
}

static bool all_digits(sse_str s) {
    size_t i;
    for (i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    return true;
}

static uint64_t saturated(sse_str s) {
    uint64_t v = 0;
    size_t   i;
    for (i = 0; i < s.len; i++) {
        const uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit) return UINT64_MAX;
        v = v * 10 + digit;
    }
    return v;
}

static int range(sse_str value, uint64_t size, uint64_t *first, uint64_t *last) {
    sse_str from, to = strip(value);
    if (!memchr(to.ptr ? to.ptr : "", '=', to.len)) return 200;
    if (!is(before(&to, '='), "bytes")) return 200;
    if (!to.ptr || !memchr(to.ptr, '-', to.len)) return 200;
    from = before(&to, '-');
    if (!all_digits(from) || !all_digits(to) || from.len + to.len == 0) return 200;
    *first = saturated(from);
    *last = to.len ? saturated(to) : UINT64_MAX;
    if (from.len && *last < *first) return 200;
    if (!from.len && *last == 0) return 416;
    if (!from.len && size == 0) return 200; /* all of nothing */
    if (!from.len) *first = size - (*last < size ? *last : size), *last = size - 1;
    if (*first >= size) return 416;
    if (*last >= size) *last = size - 1;
    return 206;
}
#endif
