/* Tests of >>text: the UTF-8 table, every escaper read back by a reader of its language, percent,
   base64, numbers in any locale. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "point.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <locale.h>
#include <math.h>

static uint32_t seed = 4711;

static unsigned pick(unsigned n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* Decodes first and judges the number: not how the section does it. */
static size_t by_value(const unsigned char *p, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t                len = p[0] < 0x80       ? 1
                                : p[0] >> 5 == 6  ? 2
                                : p[0] >> 4 == 14 ? 3
                                : p[0] >> 3 == 30 ? 4
                                                  : 0,
           i;
    uint32_t c = len == 1 ? p[0] : len ? p[0] & (0xFFu >> (len + 1)) : 0;
    if (!len || n < len) return 0;
    for (i = 1; i < len; i++) {
        if (p[i] >> 6 != 2) return 0;
        c = c << 6 | (p[i] & 63u);
    }
    return c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : len;
}

static void utf8(void) {
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
        0xFF};
    unsigned char              p[4];
    char                       out[4];
    uint32_t                   c;
    size_t                     n, k, m, wrong = 0;
    unsigned                   a, b;
    for (a = 0; a < 256; a++)
        for (b = 0; b < 256; b++)
            for (k = 0; k < sizeof edges; k++)
                for (m = 0; m < sizeof edges; m++) {
                    p[0] = (unsigned char)a;
                    p[1] = (unsigned char)b;
                    p[2] = edges[k];
                    p[3] = edges[m];
                    for (n = 1; n <= 4; n++)
                        wrong += sse__utf8_len((const char *)p, n) != by_value(p, n);
                }
    is_int(wrong, 0, "every first and second byte with the edges behind them");
    for (c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        n = sse__utf8_put(out, c);
        wrong += sse__utf8_len(out, n) != n || n != (c < 0x80         ? 1u
                                                        : c < 0x800   ? 2u
                                                        : c < 0x10000 ? 3u
                                                                      : 4u);
    }
    is_int(wrong, 0, "every character is written well-formed and as short as it can be");
    is_int(sse__utf8_span(SSE__LIT("a\xC3\xA9\xE2\x82\xAC!")), 7, "a span over it all");
    is_int(sse__utf8_span(SSE__LIT("ab\xC3")), 2, "a span ends before half a character");
    is_int(sse__utf8_span(SSE__LIT("\x80")), 0, "or at once");
    is_int(sse__utf8_span(sse__text(NULL)), 0, "nothing");
    ok(sse_is_utf8("") && sse_is_utf8("K\xC3\xA4se \xF0\x9F\xA7\x80"), "texts that are UTF-8");
    ok(!sse_is_utf8("K\xE4se") && !sse_is_utf8("K\xC3") && !sse_is_utf8("\xC0\xAF") &&
            !sse_is_utf8("\xED\xA0\x80") && !sse_is_utf8("\xF4\x90\x80\x80"),
        "texts that are not: Latin-1, cut off, too long, a surrogate, past the last");
    ok(!sse_is_utf8(NULL), "... nor is none");
}

/* ---- escapers and their readers -------------------------------------------------------------- */

/* SIZE_MAX: a character that HTML text or an attribute cannot hold */
static size_t read_html(const char *p, size_t n, char *out) {
    static const struct {
        const char *name;
        char        c;
    } names[] = {
        {"&amp;", '&'},
        {"&lt;", '<'},
        {"&gt;", '>'},
        {"&quot;", '"'},
        {"&#39;", '\''},
    };
    size_t i = 0, to = 0, k;
    while (i < n) {
        if (strchr("<>\"'", p[i]) && p[i]) return SIZE_MAX;
        for (k = 0; p[i] == '&' && k < 5 && strncmp(p + i, names[k].name, strlen(names[k].name));
             k++) {
        }
        if (p[i] == '&' && k == 5) return SIZE_MAX;
        out[to++] = p[i] == '&' ? names[k].c : p[i];
        i += p[i] == '&' ? strlen(names[k].name) : 1;
    }
    return to;
}

static uint32_t read_hex(const char *p, int digits) {
    uint32_t v = 0;
    while (digits--) v = v << 4 | (uint32_t)sse__hex_value(*p++);
    return v;
}

static size_t read_json(const char *p, size_t n, char *out) {
    static const char named[] = "b\bf\fn\nr\rt\t\"\"\\\\";
    size_t            i, to = 0;
    if (n < 2 || p[0] != '"' || p[n - 1] != '"') return SIZE_MAX;
    for (i = 1; i < n - 1; i++) {
        if ((unsigned char)p[i] < 0x20 || p[i] == '"' || p[i] == '<') return SIZE_MAX;
        if (p[i] != '\\') out[to++] = p[i];
        else if (p[++i] == 'u') {
            to += sse__utf8_put(out + to, read_hex(p + i + 1, 4));
            i += 4;
        } else if (strchr(named, p[i])) out[to++] = strchr(named, p[i])[1];
        else return SIZE_MAX;
    }
    return to;
}

static size_t read_url(const char *p, size_t n, char *out) {
    size_t i, to = 0;
    for (i = 0; i < n; i++) {
        const bool plain = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z') ||
                           (p[i] >= 'a' && p[i] <= 'z') || (p[i] && strchr("-._~", p[i]));
        if (!plain && p[i] != '%') return SIZE_MAX;
        out[to++] = plain ? p[i] : (char)read_hex(p + i + 1, 2);
        if (!plain) i += 2;
    }
    return to;
}

static size_t read_js(const char *p, size_t n, char *out) {
    size_t i, to = 0;
    for (i = 0; i < n; i++) {
        if ((unsigned char)p[i] < 0x20 || (p[i] && strchr("<>&\"'`${}/()=;", p[i])))
            return SIZE_MAX;
        if (n - i > 2 && !memcmp(p + i, "\xE2\x80", 2) && ((unsigned char)p[i + 2] | 1) == 0xA9)
            return SIZE_MAX;
        if (p[i] != '\\') out[to++] = p[i];
        else if (p[++i] == 'x') {
            out[to++] = (char)read_hex(p + i + 1, 2);
            i += 2;
        } else if (p[i] == 'u') {
            to += sse__utf8_put(out + to, read_hex(p + i + 1, 4));
            i += 4;
        } else return SIZE_MAX;
    }
    return to;
}

/* Each byte that is not UTF-8 is one U+FFFD. */
static size_t as_json_sees(const char *p, size_t n, char *out) {
    size_t i = 0, to = 0, len;
    while (i < n) {
        len = by_value((const unsigned char *)p + i, n - i);
        memcpy(out + to, len ? p + i : "\xEF\xBF\xBD", len ? len : 3);
        to += len ? len : 3;
        i += len ? len : 1;
    }
    return to;
}

static size_t make_text(char *p, size_t room) {
    static const char *const special[] = {"&", "<", ">", "\"", "'", "\\", "\n", "\r", "\t", "/",
        "`", "${", "%", "+", " ", "\x7F", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAA",
        "\xC3\xA9", "\xF0\x9F\x98\x80", "\xE2\x80", "\xFF", "\x80", "</script>", "<!--", "-->",
        "&lt;", "\\u0041"};
    size_t                   n = 0, k;
    while (n + 16 < room && pick(12)) {
        const char *s = special[pick(SSE__COUNT(special))];
        switch (pick(3)) {
        case 0: p[n++] = (char)pick(256); break;
        case 1:
            for (k = pick(6); k; k--) p[n++] = (char)('a' + pick(26));
            break;
        default: memcpy(p + n, s, strlen(s)); n += strlen(s);
        }
    }
    return n;
}

/* T1 */
static void round_trips(const char *name, sse__escaper escape,
    size_t (*read)(const char *, size_t, char *), bool utf8_only) {
    char   text[400], want[1200], got[1200], label[80];
    size_t n, want_len, got_len;
    int    i, wrong = 0;
    for (i = 0; i < 20256; i++) {
        sse_buf b = {0};
        char   *exact;
        n = i < 256 ? 1 : make_text(text, sizeof text);
        if (i < 256) text[0] = (char)i;
        exact = (char *)malloc(n ? n : 1); /* a byte read past its end is the sanitizer's */
        memcpy(exact, text, n);
        escape(&b, sse__str(exact, n));
        free(exact);
        got_len = read(b.ptr, b.len, got);
        want_len = n;
        memcpy(want, text, n);
        if (utf8_only) want_len = as_json_sees(text, n, want);
        if (got_len != want_len || memcmp(got, want, want_len)) {
            if (!wrong++) {
                tap_show("text", text, n);
                tap_show("made", b.ptr, b.len);
            }
        }
        sse_buf_free(&b);
    }
    snprintf(label, sizeof label, "%s: every byte and 20,000 texts read back", name);
    is_int(wrong, 0, label);
}

static const char *escaped(sse__escaper escape, const char *text) {
    static sse_buf b;
    b.len = 0;
    escape(&b, sse__text(text));
    return sse_buf_text(&b);
}

static void escapers(void) {
    round_trips("HTML", sse__escape_html, read_html, false);
    round_trips("JSON", sse__escape_json, read_json, true);
    round_trips("URL", sse__escape_url, read_url, false);
    round_trips("JS", sse__escape_js, read_js, false);
    is_str(escaped(sse__escape_html, "a<b>&\"c\"'d'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;",
        "HTML");
    is_str(escaped(sse__escape_json, "a\"\\/<\x01\b\f\n\r\t\x7F"),
        "\"a\\\"\\\\/\\u003c\\u0001\\b\\f\\n\\r\\t\x7F\"", "JSON");
    is_str(escaped(sse__escape_json, ""), "\"\"", "JSON, nothing");
    is_str(escaped(sse__escape_url, "a b+c/\xC3\xA9?~"), "a%20b%2Bc%2F%C3%A9%3F~", "URL");
    is_str(escaped(sse__escape_js, "it's </script>\n"), "it\\x27s \\x3c\\x2fscript\\x3e\\x0a",
        "JS");
    is_str(escaped(sse__escape_js, "a, b: c-._~"), "a, b: c-._~", "JS, what means nothing there");
    is_str(escaped(sse__escape_js, "\xE2\x80\xA8\xE2\x80\xA9\xE2\x80"), "\\u2028\\u2029\xE2\x80",
        "JS line ends");
}

/* ---- percent --------------------------------------------------------------------------------- */

static const char *decoded(const char *text, bool plus) {
    static char out[100];
    size_t      n = strlen(text);
    char       *exact = (char *)malloc(n ? n : 1);
    memcpy(exact, text, n);
    n = sse__percent_decode(exact, n, plus);
    if (n == SIZE_MAX) snprintf(out, sizeof out, "refused");
    else snprintf(out, sizeof out, "%.*s", (int)n, exact);
    free(exact);
    return out;
}

static void percent(void) {
    char text[400], copy[400];
    int  i, wrong = 0;
    is_str(decoded("a%20b%2bc", false), "a b+c", "either case of digit");
    is_str(decoded("a+b", false), "a+b", "a plus in a path");
    is_str(decoded("a+b%2B", true), "a b+", "a plus in a query");
    is_str(decoded("%2525", false), "%25", "decoded once");
    is_str(decoded("", false), "", "nothing");
    is_str(decoded("%", false), "refused", "a bare percent");
    is_str(decoded("a%4", false), "refused", "one digit");
    is_str(decoded("%4g", false), "refused", "no digit");
    is_str(decoded("%g4", false), "refused", "nor here");
    is_str(decoded("%%41", false), "refused", "two percents");
    is_str(decoded("% 1", false), "refused", "a space");
    memcpy(text, "a%00b", 5);
    is_int(sse__percent_decode(text, 5, false), 3, "a NUL stays in");
    is_mem(text, 3, "a\0b", 3, "as a byte");
    for (i = 0; i < 5000; i++) {
        sse_buf b = {0};
        size_t  n = make_text(text, sizeof text);
        memcpy(copy, text, n);
        sse__escape_url(&b, sse__str(text, n));
        wrong += b.len && (sse__percent_decode(b.ptr, b.len, true) != n || memcmp(b.ptr, copy, n));
        sse_buf_free(&b);
    }
    is_int(wrong, 0, "5,000 texts written by sse_url");
}

/* ---- base64 ---------------------------------------------------------------------------------- */

static const char *base64(const char *text, bool url) {
    static sse_buf b;
    b.len = 0;
    return sse__base64_get(&b, sse__text(text), url) ? sse_buf_text(&b) : "refused";
}

static void base64_both(void) {
    static const struct {
        const char *plain, *url;
    } known[] = {
        {"", ""},
        {"f", "Zg"},
        {"fo", "Zm8"},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg"},
        {"fooba", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy"},
        {"\xFB\xFF\xBF", "-_-_"},
    };
    static const char *const bad_url[] = {"Z", "Zg==", "Zh", "Zm9", "Zm-", "Zm9vY", "Z g", "Zm9v\n",
        "Zm+v", "Zm/v", "Zg=", "=", "Zm9v\xFF", "Z\x80"};
    static const char *const bad_std[] = {"Zg", "Zg=", "Zm8",
        "Zh==", "Zm9=", "=Zg=", "Z===", "====", "Zg==Zg==", "Zm-v", "Zm_v",
        "Zm9v=", "Zm9vYg=", "Zm9v===="};
    size_t                   i, n, wrong = 0;
    unsigned                 a, b, decodes = 0;
    char                     text[400];
    for (i = 0; i < SSE__COUNT(known); i++) {
        sse_buf out = {0};
        sse__base64url_put(&out, sse__text(known[i].plain));
        is_str(sse_buf_text(&out), known[i].url, "written");
        is_str(base64(known[i].url, true), known[i].plain, "read");
        sse_buf_free(&out);
    }
    is_str(base64("Zg==", false), "f", "with padding");
    is_str(base64("Zm8=", false), "fo", "with less");
    is_str(base64("+/+/", false), "\xFB\xFF\xBF", "the other alphabet");
    for (i = 0; i < SSE__COUNT(bad_url); i++)
        is_str(base64(bad_url[i], true), "refused", "refused (URL alphabet)");
    for (i = 0; i < SSE__COUNT(bad_std); i++)
        is_str(base64(bad_std[i], false), "refused", "refused (with padding)");
    ok(!strcmp(base64("Zg", true), "f"), "a refusal is not sticky");
    for (a = 0; a < 256; a++)
        for (b = 0; b < 256; b++) {
            sse_buf out = {0};
            char    two[2];
            two[0] = (char)a;
            two[1] = (char)b;
            decodes += sse__base64_get(&out, sse__str(two, 2), true);
            sse_buf_free(&out);
        }
    is_int(decodes, 256, "of all pairs of bytes just 256 decode: one for each byte");
    for (i = 0; i < 5000; i++) {
        sse_buf out = {0}, back = {0};
        n = make_text(text, sizeof text);
        sse__base64url_put(&out, sse__str(text, n));
        wrong += !sse__base64_get(&back, sse__str(out.ptr, out.len), true) || back.len != n ||
                 (n && memcmp(back.ptr, text, n));
        sse_buf_free(&out);
        sse_buf_free(&back);
    }
    is_int(wrong, 0, "5,000 texts there and back");
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void integers(void) {
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "1e3",
        "9223372036854775808", "-9223372036854775809", "18446744073709551617",
        "99999999999999999999", "1\n", "\xC2\xB2"};
    uint64_t                 v;
    size_t                   i;
    int                      wrong = 0;
    is_int(sse_parse_int("12", -7), 12, "digits");
    is_int(sse_parse_int("-12", -7), -12, "negative");
    is_int(sse_parse_int("-0", -7), 0, "minus nothing");
    is_int(sse_parse_int("0000000000000000000000012", -7), 12, "leading zeros");
    is_int(sse_parse_int("9223372036854775807", -7), INT64_MAX, "the largest");
    is_int(sse_parse_int("-9223372036854775808", -7), INT64_MIN, "the smallest");
    is_int(sse_parse_int(NULL, -7), -7, "NULL");
    for (i = 0; i < SSE__COUNT(bad); i++) is_int(sse_parse_int(bad[i], -7), -7, bad[i]);
    ok(sse__parse_u64(SSE__LIT("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX,
        "the largest of 64 bits");
    ok(!sse__parse_u64(SSE__LIT("18446744073709551616"), UINT64_MAX, &v), "one more");
    ok(sse__parse_u64(SSE__LIT("65535"), 65535, &v) && v == 65535, "max itself");
    ok(!sse__parse_u64(SSE__LIT("65536"), 65535, &v), "past max");
    ok(!sse__parse_u64(SSE__LIT("7"), 5, &v) && !sse__parse_u64(SSE__LIT("1"), 0, &v),
        "a max of one digit");
    ok(sse__parse_u64(SSE__LIT("0"), 0, &v) && v == 0, "a max of none");
    for (i = 0; i < 3000; i++) { /* every number against every max */
        char text[12];
        snprintf(text, sizeof text, "%u", (unsigned)(i % 50));
        wrong += sse__parse_u64(sse__text(text), i / 50, &v) != (i % 50 <= i / 50);
    }
    is_int(wrong, 0, "0 to 49 against max 0 to 59");
}

static void doubles(const char *where) {
    static const struct {
        const char *text;
        double      value;
    } good[] = {
        {"0", 0},
        {"-1.5", -1.5},
        {"1e3", 1000},
        {"2.5E-1", 0.25},
        {"1e+2", 100},
        {"007.50", 7.5},
        {"0.1", 0.1},
        {"1e-400", 0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"3.14159265358979323846264338327950288419716939937510", 3.14159265358979323846},
        {"0.1000000000000000055511151231257827021181583404541015625", 0.1},
    };
    static const char *const bad[] = {"", " 1", "1 ", "+1", ".5", "5.", "1,5", "1e", "1e+", "e5",
        "-", "-.5", "nan", "inf", "infinity", "0x10", "1e999", "-1e999", "1.5.2", "1.5x",
        ("1\xD9\xAB"
         "5")};
    char                     text[802]; /* one more than it takes */
    size_t                   i;
    int                      wrong = 0;
    for (i = 0; i < SSE__COUNT(good); i++)
        ok(fabs(sse_parse_double(good[i].text, -7) - good[i].value) <= 0, "%s %s", good[i].text,
            where);
    for (i = 0; i < SSE__COUNT(bad); i++)
        ok(fabs(sse_parse_double(bad[i], -7) + 7) <= 0, "not '%s' %s", bad[i], where);
    ok(fabs(sse_parse_double(NULL, -7) + 7) <= 0, "not NULL %s", where);
    memset(text, '0', 801);
    text[0] = '1', text[1] = '.', text[800] = '\0';
    ok(fabs(sse_parse_double(text, -7) - 1) <= 0, "800 characters %s", where);
    text[800] = '0', text[801] = '\0';
    ok(fabs(sse_parse_double(text, -7) + 7) <= 0, "but not 801 %s", where);
    for (i = 0; i < 5000; i++) {
        sse_buf b = {0};
        double  v = ldexp((double)pick(1u << 30) + (double)pick(1u << 20) / (1 << 20),
             (int)pick(200) - 100);
        sse_printf(&b, "%.17g", pick(2) ? v : -v);
        snprintf(text, sizeof text, "%s", sse_buf_text(&b));
        wrong += fabs(fabs(sse_parse_double(text, 0)) - v) > 0;
        sse_buf_free(&b);
    }
    is_int(wrong, 0, "5,000 numbers written by sse_printf");
}

static void digits(void) {
    static const struct {
        uint64_t    v;
        const char *text;
    } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {1234567890, "1234567890"},
        {UINT64_MAX, "18446744073709551615"}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        char          room[20];
        const sse_str got = sse__digits(room, rows[i].v);
        is_mem(got.ptr, got.len, rows[i].text, strlen(rows[i].text), rows[i].text);
    }
}

static size_t number_span(sse_str s) { /* 0: there is no number at its start */
    const char *p = s.ptr;
    return s.len && sse__take_number(&p, s.ptr + s.len, false) ? (size_t)(p - s.ptr) : 0;
}

static void spans(void) {
    is_int(number_span(SSE__LIT("12.5e-3,")), 7, "a number ends where it ends");
    is_int(number_span(SSE__LIT("-")), 0, "a sign alone");
    is_int(number_span(SSE__LIT("1.")), 0, "no digit behind the point");
    is_int(number_span(SSE__LIT("1e")), 0, "no digit in the exponent");
    is_int(number_span(sse__text(NULL)), 0, "nothing");
}

int main(void) {
    size_t i;
    utf8();
    escapers();
    percent();
    base64_both();
    integers();
    digits();
    spans();
    doubles("in C");
    for (i = 0; i < SSE__COUNT(other_points); i++) {
        decimal_point = other_points[i];
        doubles("with another decimal point");
    }
    decimal_point = ".";
    for (i = 0; i < SSE__COUNT(comma_locales); i++) /* what is installed of these */
        if (setlocale(LC_ALL, comma_locales[i])) doubles(comma_locales[i]);
    return tap_done();
}
