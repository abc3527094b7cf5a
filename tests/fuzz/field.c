/* field.c: header fields against second readers of them, written here from the specifications. The
   first byte chooses what the rest is. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"
#include "range.h"

/* ---- Range: RFC 9110 14.1.2 ---- */

static void fuzz_range(input *in) {
    static const uint64_t sizes[] = {0, 1, 10, 1000, UINT32_MAX, UINT64_MAX};
    const unsigned        k = take(in);
    const uint64_t        size = k < SSE__COUNT(sizes) ? sizes[k] : take_number(in, (int)k % 9);
    const sse_str         s = take_text(in, in->left);
    uint64_t              a[2] = {0, 0}, b[2] = {0, 0};
    const int             status = sse__range(s, size, &a[0], &a[1]);
    CHECK(status == range(s, size, &b[0], &b[1]));
    if (status == 206) CHECK(a[0] == b[0] && a[1] == b[1] && a[0] <= a[1] && a[1] < size);
}

/* ---- Accept-Encoding: RFC 9110 12.5.3 ---- */

/* In thousandths; 0 for what is no weight. */
static int weight(sse_str q) {
    char   text[6] = "0.000";
    double v;
    size_t i;
    if (q.len < 1 || q.len > 5 || (q.len > 1 && q.ptr[1] != '.')) return 0;
    for (i = 0; i < q.len; i++)
        if (i != 1 && (q.ptr[i] < '0' || q.ptr[i] > '9')) return 0;
    memcpy(text, q.ptr, q.len);
    v = strtod(text, NULL);
    return v > 1 ? 0 : (int)(v * 1000 + 0.5);
}

static unsigned accepted(sse_str value, unsigned offered) {
    static const char *const names[] = {"br", "gzip", "identity"};
    int                      of[3] = {-1, -1, -1}, star = -1, best = 0, i;
    unsigned                 choice = 0;
    while (value.ptr) {
        sse_str element = strip(before(&value, ',')), name = strip(before(&element, ';'));
        int     w = 1000;
        bool    weighed = false;
        while (element.ptr) {
            sse_str q = before(&element, ';');
            sse_str key = strip(before(&q, '='));
            if (is(key, "q") && !weighed) w = weight(strip(q)), weighed = true;
        }
        for (i = 0; i < 3; i++)
            if (is(name, names[i]) || (i == 1 && is(name, "x-gzip"))) of[i] = w;
        if (is(name, "*")) star = w;
    }
    if (of[2] < 0 && star < 0) of[2] = 1;
    for (i = 0; i < 3; i++) {
        const int w = of[i] >= 0 ? of[i] : star;
        if (offered >> i & 1 && w > best) best = w, choice = 1u << i;
    }
    return choice;
}

static void fuzz_accept(input *in) {
    const unsigned offered = take(in) & 7,
                   choice = sse__accept_encoding(sse__str((const char *)in->at, in->left), offered);
    CHECK((choice & ~offered) == 0 && (choice & (choice - 1)) == 0);
    if (!in->left || memchr(in->at, '"', in->left)) return; /* that reader knows no quotes */
    CHECK(choice == accepted(sse__str((const char *)in->at, in->left), offered));
}

/* ---- entity tags: RFC 9110 8.8.3 ---- */

/* The list is read by a machine of one byte at a time. */
static bool tags_hold(sse_str list, sse_str etag, bool weak) {
    enum { GAP, W, TAG, BEHIND } state = GAP;
    size_t     i, from = 0;
    const bool is_weak = etag.len > 1 && etag.ptr[0] == 'W';
    if (is(strip(list), "*")) return true;
    if (is_weak) etag = sse__str(etag.ptr + 2, etag.len - 2);
    if (is_weak && !weak) return false;
    for (i = 0; i < list.len; i++) {
        static bool this_weak;
        const char  c = list.ptr[i];
        switch (state) {
        case BEHIND: /* something must stand between two */
            if (c != ' ' && c != '\t' && c != ',') return false;
            state = GAP;
            break;
        case GAP:
            if (c == ' ' || c == '\t' || c == ',') break;
            this_weak = c == 'W';
            if (c != 'W' && c != '"') return false;
            state = c == 'W' ? W : TAG;
            from = i;
            break;
        case W: /* and the slash behind it */
            if (c == '/' && i + 1 < list.len && list.ptr[i + 1] == '"') {
                state = TAG;
                from = ++i;
                break;
            }
            return false;
        default:
            if (c != '"') break;
            if ((weak || !this_weak) && same(sse__str(list.ptr + from, i + 1 - from), etag))
                return true;
            state = BEHIND;
        }
    }
    return false;
}

static void fuzz_tags(input *in) {
    static const char *const tags[] = {"\"a\"", "W/\"a\"", "\"\"", "\"a,b\"", "W/\"x y\""};
    const unsigned           k = take(in);
    const sse_str etag = sse__text(tags[k % SSE__COUNT(tags)]), list = take_text(in, in->left);
    CHECK(sse__etag_match(list, etag, k >= 128) == tags_hold(list, etag, k >= 128));
}

/* ---- dates: RFC 9110 5.6.7 ---- */

static bool date_is(const char *form, const struct tm *tm, int64_t now, int64_t want) {
    char    text[60];
    int64_t got = 0;
    strftime(text, sizeof text, form, tm);
    return sse__date_parse(sse__text(text), now, &got) && got == want;
}

static void fuzz_times(input *in) { /* years 1 to 9999 */
    const int64_t t = (int64_t)(take_number(in, 8) % 315537897600u) - 62135596800;
    const int64_t ahead = (int64_t)(take_number(in, 5) % (49ull * 365 * 86400));
    const int64_t now = take(in) & 1 ? t - ahead : t + ahead;
    const time_t  seconds = (time_t)t;
    struct tm     tm;
    char          text[60], ours[30];
    CHECK(gmtime_r(&seconds, &tm));
    CHECK(strftime(text, sizeof text, "%a, %d %b ", &tm) == 12);
    sprintf(text + 12, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
        tm.tm_sec);
    sse__date_write(ours, t);
    CHECK(strcmp(text, ours) == 0);
    CHECK(sse__date_parse(sse__text(text), 0, &(int64_t){0}));
    if (tm.tm_year + 1900 < 1000) return; /* strftime writes these in fewer digits */
    CHECK(date_is("%a, %d %b %Y %H:%M:%S GMT", &tm, 0, t));
    CHECK(date_is("%a %b %e %H:%M:%S %Y", &tm, 0, t));
    if (now < -62135596800 + 86400 || now > 253402300799) return;
    CHECK(date_is("%A, %d-%b-%y %H:%M:%S GMT", &tm, now, t));
}

static void fuzz_date(input *in) {
    const sse_str            s = take_text(in, in->left);
    char                    *text = (char *)calloc(1, s.len + 1), back[40];
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y",
        "%A, %d-%b-%y %H:%M:%S GMT"};
    int64_t                  got = 0;
    struct tm                tm;
    bool                     known = false;
    size_t                   i;
    if (s.len) memcpy(text, s.ptr, s.len);
    if (sse__date_parse(s, 1700000000, &got)) { /* then strptime reads the same, whatever the day */
        for (i = 0; i < SSE__COUNT(forms) && !known; i++) {
            const char *end;
            memset(&tm, 0, sizeof tm);
            end = strptime(text, forms[i], &tm);
            if (!end || *end) continue;
            tm.tm_wday = tm.tm_yday = 0;
            if (i == 2 && tm.tm_year + 1900 > 2073) tm.tm_year -= 100;
            else if (i == 2 && tm.tm_year + 1900 <= 1973) tm.tm_year += 100;
            known = timegm(&tm) == got;
        }
        CHECK(known);
        if (got >= -62135596800 && got <= 253402300799) {
            sse__date_write(back, got);
            CHECK(sse__date_parse(sse__text(back), 0, &got));
        }
    }
    free(text);
}

/* ---- addresses and hosts: RFC 4291, RFC 9110 7.2 ---- */

static bool is_address(int family, sse_str s) {
    unsigned char out[16];
    char          text[64];
    if (s.len >= sizeof text || (s.len && memchr(s.ptr, 0, s.len))) return false;
    memcpy(text, s.ptr ? s.ptr : "", s.len);
    text[s.len] = '\0';
    return inet_pton(family, text, out) == 1;
}

static void check_forwarded(sse_str list) {
    sse_str rest = list, element, back = list;
    CHECK(!memchr(list.ptr, '"', list.len));
    for (;;) { /* what is left, and the last element, are what the last comma says */
        const char *comma =
            back.ptr && back.len ? (const char *)memrchr(back.ptr, ',', back.len) : NULL;
        const sse_str want =
            comma ? sse__str(comma + 1, back.len - (size_t)(comma + 1 - back.ptr)) : back;
        if (!sse__forwarded_last(&rest, &element)) break;
        CHECK(back.ptr && same(strip(want), element));
        back = comma ? sse__str(back.ptr, (size_t)(comma - back.ptr)) : sse__str(NULL, 0);
        CHECK(rest.ptr == back.ptr && rest.len == back.len);
    }
    CHECK(!back.ptr);
}

static void fuzz_address(input *in) {
    const sse_str s = take_text(in, in->left), address = sse__forwarded_address(s);
    sse__host     host;
    sse__origin   origin;
    CHECK(sse__is_ipv4(s) == is_address(AF_INET, s));
    CHECK(sse__is_ipv6(s) == is_address(AF_INET6, s));
    if (address.ptr) CHECK(is_address(AF_INET, address) || is_address(AF_INET6, address));
    if (address.ptr) CHECK(address.ptr >= s.ptr && address.ptr + address.len <= s.ptr + s.len);
    if (s.len && !memchr(s.ptr, '"', s.len)) check_forwarded(s);
    if (sse__host_parse(s, &host)) {
        CHECK(host.name.len && host.name.ptr == s.ptr && all_digits(host.port) &&
              saturated(host.port) <= 65535);
        if (host.name.ptr[0] == '[')
            CHECK(is_address(AF_INET6, sse__str(host.name.ptr + 1, host.name.len - 2)));
        CHECK(sse__host_parse(host.name, &host) || host.name.len == 0); /* a name is a host */
    }
    if (sse__origin_parse(s, &origin) && origin.scheme.ptr)
        CHECK(sse__host_parse(sse__str(origin.host.name.ptr,
                                  s.len - (size_t)(origin.host.name.ptr - s.ptr)),
            &host));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    switch (take(&in) % 6) {
    case 0: fuzz_range(&in); break;
    case 1: fuzz_accept(&in); break;
    case 2: fuzz_tags(&in); break;
    case 3: fuzz_times(&in); break;
    case 4: fuzz_date(&in); break;
    default: fuzz_address(&in);
    }
    free(own);
    return 0;
}
