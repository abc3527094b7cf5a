/* Tests of >>format: the printf family against the C library's on thousands of generated formats,
   what it refuses, what it makes safe, memory that is not terminated, another country's decimal
   point. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "point.h"
static void *test_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     malloc(n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <sys/mman.h>

static int allocs_left = -1; /* -1: any number */

static void *test_realloc(void *p, size_t n) {
    if (allocs_left == 0) return NULL;
    if (allocs_left > 0) allocs_left--;
    return realloc(p, n);
}

static uint32_t seed = 99;

static unsigned pick(unsigned n) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

/* ---- against the C library ------------------------------------------------------------------- */

static const char *ours(const char *fmt, ...) { /* or the name of the error */
    static sse_buf b;
    va_list        ap;
    sse_buf_free(&b);
    va_start(ap, fmt);
    sse__vformat(&b, sse__put_str, "", fmt, ap);
    va_end(ap);
    return b.error ? sse_error_text(b.error) : sse_buf_text(&b);
}

static const char *theirs(const char *fmt, ...) {
    static char out[20000];
    va_list     ap;
    va_start(ap, fmt);
    vsnprintf(out, sizeof out, fmt, ap);
    va_end(ap);
    return out;
}

static int differ;

static void compare(const char *fmt, const char *got, const char *want) {
    if (!strcmp(got, want)) return;
    if (differ++ < 5) printf("# \"%s\": got \"%.80s\", want \"%.80s\"\n", fmt, got, want);
}

#define COMPARE(value)                                                                         \
    do {                                                                                       \
        if (f.stars == 0) compare(f.text, ours(f.text, value), theirs(f.text, value));         \
        else if (f.stars == 1)                                                                 \
            compare(f.text, ours(f.text, f.star[0], value), theirs(f.text, f.star[0], value)); \
        else                                                                                   \
            compare(f.text, ours(f.text, f.star[0], f.star[1], value),                         \
                theirs(f.text, f.star[0], f.star[1], value));                                  \
    } while (0)

typedef struct format {
    char text[100];
    int  stars, star[2];
} format;

/* A width or a precision, in the format or as an argument. */
static void put_count(format *f, int max) {
    if (pick(3)) {
        snprintf(f->text + strlen(f->text), 12, "%d", (int)(1 + pick((unsigned)max)));
        return;
    }
    f->star[f->stars++] = (int)pick(2 * (unsigned)max) - max;
    strcat(f->text, "*");
}

static format make_format(const char *flags, bool precision, const char *conversion) {
    static const char *const around[] = {"", "a", "%%", "100%% ", "\xC3\xA9=", "<&\""};
    format                   f;
    unsigned                 n;
    memset(&f, 0, sizeof f);
    strcat(f.text, around[pick(SSE__COUNT(around))]);
    strcat(f.text, "%");
    for (n = *flags ? pick(10) / 2 : 0; n; n--)
        strncat(f.text, flags + pick((unsigned)strlen(flags)), 1);
    if (pick(2)) put_count(&f, pick(10) ? 30 : 300);
    if (precision && pick(2)) {
        strcat(f.text, ".");
        if (pick(4)) put_count(&f, pick(10) ? 25 : 300);
    }
    strcat(f.text, conversion);
    strcat(f.text, around[pick(SSE__COUNT(around))]);
    return f;
}

static unsigned long long make_bits(void) {
    static const unsigned long long edges[] = {0, 1, 9, 10, 127, 128, 255, 256, 32767, 32768, 65535,
        2147483647, 2147483648u, 4294967295u, 9223372036854775807u, 9223372036854775808u,
        18446744073709551615u};
    unsigned long long              v = (unsigned long long)pick(1u << 31) << 33 ^
                           (unsigned long long)pick(1u << 31) << 11 ^ pick(1u << 11);
    return pick(3) ? v >> pick(64) : edges[pick(SSE__COUNT(edges))] * (pick(2) ? 1u : ~0ull);
}

static void integers(void) {
    static const struct {
        const char *flags, *name;
    } kinds[] = {
        {"-+ 0", "d"},
        {"-+ 0", "i"},
        {"-0", "u"},
        {"-#0", "x"},
        {"-#0", "X"},
        {"-#0", "o"},
    };
    static const char *const modifiers[] = {"", "hh", "h", "l", "ll", "z", "t", "j"};
    char                     conversion[8];
    int                      i;
    differ = 0;
    for (i = 0; i < 60000; i++) {
        const unsigned           k = pick(SSE__COUNT(kinds)), m = pick(SSE__COUNT(modifiers));
        const unsigned long long v = make_bits();
        format                   f;
        snprintf(conversion, sizeof conversion, "%s%s", modifiers[m], kinds[k].name);
        f = make_format(kinds[k].flags, true, conversion);
        switch (m) {
        case 0:
        case 1:
        case 2: COMPARE((int)v); break;
        case 3: COMPARE((long)v); break;
        case 4: COMPARE((long long)v); break;
        case 5: COMPARE((size_t)v); break;
        case 6: COMPARE((ptrdiff_t)v); break;
        default: COMPARE((intmax_t)v);
        }
    }
    is_int(differ, 0, "60,000 formats of integers print as in C");
}

static double make_double(void) {
    static const double edges[] = {0, 1, 0.5, 0.1, 1e15, 123456789, 1e100, DBL_MAX, DBL_MIN,
        DBL_MIN / 1e10, 2.5, 3.5, 9.995, 1e-5, 99999.95};
    double              v = pick(8) == 0 ? (pick(2) ? HUGE_VAL : HUGE_VAL - HUGE_VAL)
                            : pick(2)    ? edges[pick(SSE__COUNT(edges))]
                                         : ldexp((double)pick(1u << 30), (int)pick(120) - 90);
    return pick(2) ? v : -v;
}

static void doubles(const char *where, bool width) { /* the reference is always the C locale's */
    static const char *const kinds[] = {"f", "F", "e", "E", "g", "G", "a", "A", "lf"};
    int                      i;
    char                     label[100];
    differ = 0;
    for (i = 0; i < 15000; i++) {
        const double v = make_double();
        format       f = make_format("-+ #0", true, kinds[pick(SSE__COUNT(kinds))]);
        const char  *got;
        if (!width && (f.stars || strpbrk(strchr(f.text, '%'), "123456789"))) continue;
        setlocale(LC_ALL, where);
        got = f.stars == 0   ? ours(f.text, v)
              : f.stars == 1 ? ours(f.text, f.star[0], v)
                             : ours(f.text, f.star[0], f.star[1], v);
        setlocale(LC_ALL, "C");
        compare(f.text, got,
            f.stars == 0   ? theirs(f.text, v)
            : f.stars == 1 ? theirs(f.text, f.star[0], v)
                           : theirs(f.text, f.star[0], f.star[1], v));
    }
    snprintf(label, sizeof label, "formats of floating point, locale %s, decimal point %s", where,
        decimal_point);
    is_int(differ, 0, label);
}

static void texts(void) {
    static const char *const some[] = {"", "a", "hello", "a longer text, of more than thirty bytes",
        "\xC3\xA9"};
    static int               target;
    int                      i;
    differ = 0;
    for (i = 0; i < 5000; i++) {
        const char *s = some[pick(SSE__COUNT(some))];
        const int   c = (int)('!' + pick(90));
        void       *p = pick(3) ? &target : NULL;
        format      f = make_format("-", true, "s");
        COMPARE(s);
        f = make_format("-", false, "c");
        COMPARE(c);
        f = make_format("-", false, "p");
        COMPARE(p);
    }
    is_int(differ, 0, "15,000 formats of %s, %c and %p print as in C");
}

/* ---- by hand --------------------------------------------------------------------------------- */

static void literals(void) {
    is_str(ours(""), "", "nothing");
    is_str(ours("plain"), "plain", "plain text");
    is_str(ours("%%"), "%", "a percent");
    is_str(ours("%%%%d%%"), "%%d%", "three");
    is_str(ours("%d%s%c|%5.1f%%", 7, "x", 'y', 2.25), "7xy|  2.2%", "one after the other");
    is_str(ours("%s", (char *)NULL), "", "a NULL text");
    is_str(ours("[%*d]", -5, 42), "[42   ]", "a negative width is left");
    is_str(ours("[%.*s]", -1, "all"), "[all]", "a negative precision is none");
    is_str(ours("[%.s]", "all"), "[]", "an empty precision is 0");
    is_str(ours("%lld %lld", LLONG_MIN, LLONG_MAX), "-9223372036854775808 9223372036854775807",
        "the ends of long long");
    is_str(ours("%hhx %hd", -1, 65537), "ff 1", "h and hh narrow their argument");
    is_str(ours("[%-+-+-+-+-+ -0#-+5d]", 42), "[+42  ]", "a flag may be given many times");
    is_str(ours("[%20p]", NULL), theirs("[%20p]", NULL), "a NULL pointer in a column");
}

static void refusals(void) {
    static const char *const bad[] = {"%", "%5", "%.", "%l", "%-", "a%", "%n", "%hn", "%lln", "%ls",
        "%lc", "%S", "%C", "%Lf", "%m", "%k", "%1$d", "%'d", "%v", "% ", "%hhs", "%zc", "%tp",
        "%99999999999d", "%.99999999999d", "%10000d", "%.10000f"};
    sse_buf                  b = {0};
    size_t                   i;
    int                      written = 12345;
    for (i = 0; i < SSE__COUNT(bad); i++)
        is_str(ours(bad[i], &written, &written, &written), sse_error_text(SSE_E_FORMAT), bad[i]);
    is_int(written, 12345, "nothing was written through an argument");
    is_str(ours("%*d", INT_MIN, 1), sse_error_text(SSE_E_FORMAT), "the smallest int is no width");
    is_str(ours("%*d", INT_MAX, 1), sse_error_text(SSE_E_FORMAT), "nor is the largest");
    is_str(ours("%.*d", INT_MAX, 1), sse_error_text(SSE_E_FORMAT), "nor a precision");
    is_str(ours("%.*d", INT_MIN, 1), "1", "a negative precision of any size is none");
    is_str(ours("%.*s", INT_MAX, "x"), "x", "of a text it may be as large as it likes");
    is_int(strlen(ours("%9999d", 1)), 9999, "a width of 9999");
    is_int(strlen(ours("%*d", 9999, 1)), 9999, "... as an argument");
    is_int(strlen(ours("%*d", -9999, 1)), 9999, "... to the left");
    is_str(ours("%*d", -10000, 1), sse_error_text(SSE_E_FORMAT),
        "10,000 are none to the left either");
    is_int(strlen(ours("%.9999f", 1.0)), 10001, "a precision of 9999");
    is_int(strlen(ours("%9999s", "x")), 9999, "a text in 9999 columns");
    is_int(strlen(ours("%-9999c", 'x')), 9999, "a character as well");
    sse_printf(&b, "kept");
    sse_printf(&b, "%99999d", 1);
    sse_printf(&b, "%s", "lost");
    is_mem(b.ptr, b.len, "kept", 4, "after an error nothing is added");
    is_int(b.error, SSE_E_FORMAT, "and the error stays");
    sse_buf_free(&b);
}

static const char *family(void (*fn)(sse_buf *, const char *, ...), const char *fmt,
    const char *text) {
    static sse_buf b;
    sse_buf_free(&b);
    fn(&b, fmt, text);
    return sse_buf_text(&b);
}

static void languages(void) { /* P1 */
    static const char mixed[] = "<a href='x?y=1&z'>\"\\\n";
    sse_buf           b = {0};
    is_str(family(sse_html, "<b>%s</b>&", mixed),
        "<b>&lt;a href=&#39;x?y=1&amp;z&#39;&gt;&quot;\\\n</b>&",
        "HTML: the value, not the format");
    is_str(family(sse_json, "{\"a\":%s}", mixed), "{\"a\":\"\\u003ca href='x?y=1&z'>\\\"\\\\\\n\"}",
        "JSON: with its quotes");
    is_str(family(sse_url, "/x?q=%s&r", "a b&c"), "/x?q=a%20b%26c&r", "URL");
    is_str(family(sse_js, "f('%s')", "it's"), "f('it\\x27s')", "JS");
    is_str(family(sse_printf, "<%s>", mixed), "<<a href='x?y=1&z'>\"\\\n>", "as it is");
    is_str(family(sse_html, "[%s]", NULL), "[]", "NULL in HTML");
    is_str(family(sse_json, "[%s]", NULL), "[null]", "NULL in JSON");
    is_str(family(sse_url, "[%s]", NULL), "[]", "NULL in a URL");
    is_str(family(sse_js, "[%s]", NULL), "[]", "NULL in JS");
    is_str(family(sse_html, "%.3s", "a<b>c"), "a&lt;b",
        "a precision counts bytes before they are made safe");
    is_str(family(sse_html, "[%4s]", "<"), "[   &lt;]", "so does a width");
    is_str(family(sse_json, "%.2s", "a\xC3\xA9"), "\"a\xEF\xBF\xBD\"",
        "half a character is not UTF-8");
    sse_html(&b, "%c%c", '<', 'x');
    sse_json(&b, "%c,%d,%.1f", '"', 5, 0.5);
    is_str(sse_buf_text(&b), "&lt;x\"\\\"\",5,0.5", "%c is made safe, numbers are safe");
    sse_buf_free(&b);
    is_str(family(sse_json, "[\"%p\"]", mixed), theirs("[\"%p\"]", (const void *)mixed),
        "a pointer is written as it is, in JSON as well");
    sse_buf_free(&b);
    sse_json(&b, "[%f,%g,%e,%.2f,%8.1f]", (double)INFINITY, (double)-INFINITY, (double)NAN, 0.0,
        1e10);
    is_str(sse_buf_text(&b), "[null,null,null,0.00,10000000000.0]", "JSON has no infinity");
    sse_buf_free(&b);
    sse_html(&b, "%f", (double)INFINITY);
    is_str(sse_buf_text(&b), "inf", "... but other languages do");
    sse_buf_free(&b);
}

/* What writes its own quotes would be no JSON between others. */
static void quoted_twice(void) {
    static const char *const wrong[] = {"{\"a\":\"%s\"}", "\"%s\"", "\"by %s\"", "\"%s said\"",
        "\"%8.3s\"", "{\"a\":1,\"b\":\"%s\"}", "50%%\"%s", "{\"%s\":1}"};
    static const char *const right[] = {"{\"a\":%s}", "{%s:1}", "\"a\" %s \"b\"", "\"50%%\",%s",
        "%s"};
    sse_buf                  b = {0};
    int                      i;
    for (i = 0; i < (int)(sizeof wrong / sizeof *wrong); i++) {
        sse_buf_free(&b);
        sse_json(&b, wrong[i], "x");
        is_int(b.error, SSE_E_FORMAT, wrong[i]);
        is_int((int)strlen(family(sse_json, wrong[i], NULL)), 0, "... nor NULL");
    }
    for (i = 0; i < (int)(sizeof right / sizeof *right); i++) {
        sse_buf_free(&b);
        sse_json(&b, right[i], "x");
        is_int(b.error, SSE_OK, right[i]);
    }
    sse_buf_free(&b);
    sse_json(&b, "\"%c\"", 'x');
    is_int(b.error, SSE_E_FORMAT, "%c has quotes of its own as well");
    sse_buf_free(&b);
    sse_json(&b, "\"%d %.1f %%\"", 5, 0.5);
    is_str(sse_buf_text(&b), "\"5 0.5 %\"", "numbers have none");
    sse_buf_free(&b);
    is_str(family(sse_html, "<a id=\"%s\">", "x"), "<a id=\"x\">", "nor has HTML");
    is_str(family(sse_js, "f(\"%s\")", "x"), "f(\"x\")", "nor JS");
    is_str(family(sse_printf, "\"%s\"", "x"), "\"x\"", "nor plain text");
}

static void unterminated(void) { /* bytes that end where the readable memory ends */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = (char *)mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0),
         *s = map + page - 5;
    if (!ok(map != MAP_FAILED && !mprotect(map + page, page, PROT_NONE),
            "a page that cannot be read"))
        return;
    memcpy(s, "a<\xC3\xA9&", 5);
    is_str(ours("[%.5s]", s), "[a<\xC3\xA9&]", "a precision keeps within them");
    is_str(ours("[%-8.*s]", 5, s), "[a<\xC3\xA9&   ]", "with a width");
    is_str(family(sse_html, "%.5s", s), "a&lt;\xC3\xA9&amp;", "HTML");
    is_str(family(sse_json, "%.5s", s), "\"a\\u003c\xC3\xA9&\"", "JSON");
    is_str(family(sse_js, "%.4s", s), "a\\x3c\xC3\xA9", "JS");
    s[3] = '\xE2';
    s[4] = '\x80';
    is_str(family(sse_json, "%.5s", s), "\"a\\u003c\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"",
        "half a character at the end, JSON");
    is_str(family(sse_js, "%.5s", s), "a\\x3c\xC3\xE2\x80", "half a character at the end, JS");
    s[2] = '\0';
    is_str(ours("[%.100s]", s), "[a<]", "a NUL ends them before the precision does");
    munmap(map, 2 * page);
}

static void memory(void) {
    int n, failed = 0, wrong = 0;
    for (n = 0; n < 8; n++) {
        sse_buf b = {0};
        allocs_left = n;
        sse_html(&b, "%s%300d%-300s%.200f", "<one>", 1, "two", 3.0);
        allocs_left = -1;
        if (b.error == SSE_E_NOMEM) failed++;
        wrong +=
            b.error ? b.error != SSE_E_NOMEM || *sse_buf_text(&b) : b.len != 11 + 300 + 300 + 202;
        sse_buf_free(&b);
    }
    ok(failed >= 3 && failed < 8 && !wrong, "with n allocations it prints all or fails (%d times)",
        failed);
}

int main(void) {
    size_t i;
    literals();
    refusals();
    languages();
    quoted_twice();
    unterminated();
    memory();
    integers();
    texts();
    doubles("C", true);
    for (i = 0; i < SSE__COUNT(other_points); i++) {
        decimal_point = other_points[i];
        doubles("C", strlen(decimal_point) == 1);
    }
    decimal_point = ".";
    for (i = 0; i < SSE__COUNT(comma_locales); i++) /* what is installed of these */
        if (setlocale(LC_ALL, comma_locales[i]))
            doubles(comma_locales[i], strlen(localeconv()->decimal_point) == 1);
    return tap_done();
}
