/* What header fields say: lists, types, codings, tags, ranges, dates, addresses, hosts. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <time.h>

static const char *shown(sse_str s) { /* as text; "-" if absent */
    static char texts[4][200];
    static int  turn;
    char       *p = texts[turn++ % 4];
    if (!s.ptr) return "-";
    snprintf(p, 200, "%.*s", SSE_STR(s));
    return p;
}

static void test_classes(void) {
    int c, wrong = 0;
    for (c = 0; c < 256; c++) {
        const int alnum =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const char b = (char)c;
        wrong += sse__in_class(b, SSE__TOKEN) !=
                 (alnum || (c && c < 128 && strchr("!#$%&'*+-.^_`|~", c)));
        wrong += sse__in_class(b, SSE__TARGET) != (c > 0x20 && c < 0x7F && c != '#');
        wrong += sse__in_class(b, SSE__VALUE) != (c == '\t' || (c >= 0x20 && c != 0x7F));
        wrong += sse__in_class(b, SSE__COOKIE) != (c > 0x20 && c < 0x7F && !strchr("\",;\\", c));
        wrong += sse__in_class(b, SSE__HOST) != (alnum || (c && c < 128 && strchr("-._~", c)));
        wrong += sse__in_class(b, SSE__BOUNDARY) !=
                 (alnum || (c && c < 128 && strchr("'()+_,-./:=? ", c)));
    }
    is_int(wrong, 0, "every byte is of the classes that the specifications give it");
    ok(sse__is_token(SSE__LIT("X-a")) && !sse__is_token(SSE__LIT("")) &&
            !sse__is_token(SSE__LIT("a b")),
        "tokens");
    ok(sse__all_in_class(SSE__LIT("a b\t\xff"), SSE__VALUE) &&
            !sse__all_in_class(SSE__LIT("a\nb"), SSE__VALUE) &&
            !sse__all_in_class(SSE__LIT("a\0"), SSE__VALUE) &&
            !sse__all_in_class(SSE__LIT("\r"), SSE__VALUE),
        "field values");
    ok(sse__all_in_class(SSE__LIT("a=b/c"), SSE__COOKIE) &&
            !sse__all_in_class(SSE__LIT("a b"), SSE__COOKIE) &&
            !sse__all_in_class(SSE__LIT("a;b"), SSE__COOKIE),
        "cookie values");
}

static void test_lists(void) {
    sse_str rest = SSE__LIT(" a ,, \"b,\\\"c\" ,\td;e=\"f,g\",");
    sse_str e;
    ok(sse__list_next(&rest, &e) && strcmp(shown(e), "a") == 0, "a list: first");
    ok(sse__list_next(&rest, &e) && strcmp(shown(e), "\"b,\\\"c\"") == 0,
        "a comma in quotes separates nothing");
    ok(sse__list_next(&rest, &e) && strcmp(shown(e), "d;e=\"f,g\"") == 0, "nor in a parameter");
    ok(!sse__list_next(&rest, &e) && !sse__list_next(&rest, &e), "and ends");
    rest = SSE__LIT("\"a\"\\,b");
    ok(sse__list_next(&rest, &e) && strcmp(shown(e), "\"a\"\\") == 0,
        "a backslash outside of quotes hides no comma");
    rest = SSE__LIT("\"a,\\");
    ok(sse__list_next(&rest, &e) && e.len == 4 && !rest.ptr,
        "one at the end of an unclosed string hides nothing"); /* FD1 */
    ok(sse__list_has(SSE__LIT("gzip, Chunked"), SSE__LIT("chunked")) &&
            !sse__list_has(SSE__LIT("xchunked, chunkedx"), SSE__LIT("chunked")) &&
            !sse__list_has(sse__str(NULL, 0), SSE__LIT("a")),
        "membership");
    ok(sse__media_is(SSE__LIT("Text/HTML ; charset=x"), SSE__LIT("text/html")) &&
            sse__media_is(SSE__LIT("a/b"), SSE__LIT("a/b")) &&
            !sse__media_is(SSE__LIT("a/bc"), SSE__LIT("a/b")) &&
            !sse__media_is(sse__str(NULL, 0), SSE__LIT("a/b")),
        "media types");
    is_str(shown(sse__param(SSE__LIT("a/b; x=1; Boundary=\"c;d\\\"e\" ;y="), SSE__LIT("boundary"))),
        "c;d\\\"e", "a quoted parameter");
    is_str(shown(sse__param(SSE__LIT("a/b;x = 1 ;y="), SSE__LIT("x"))), "1", "spaces around");
    is_str(shown(sse__param(SSE__LIT("a/b;y="), SSE__LIT("y"))), "", "an empty parameter");
    is_str(shown(sse__param(SSE__LIT("a/b;y=\"c"), SSE__LIT("y"))), "-",
        "an unclosed one is absent");
    is_str(shown(sse__param(SSE__LIT("a/b;y=\"c\"d"), SSE__LIT("y"))), "-",
        "so is one that something follows");
    is_str(shown(sse__param(SSE__LIT("a/b;y=\""), SSE__LIT("y"))), "-", "one quote is no string");
    is_str(shown(sse__param(SSE__LIT("a/b;y"), SSE__LIT("y"))), "-", "no value, no parameter");
}

static void test_weights(void) {
    static const struct {
        const char *element;
        int         weight;
    } cases[] = {
        {"a", 1000},
        {"a;q=1", 1000},
        {"a;q=1.000", 1000},
        {"a; Q=0.5", 500},
        {"a;q=0.123", 123},
        {"a;q=0", 0},
        {"a;q=0.", 0},
        {"a;x=y;q=.5", 0},
        {"a;q=1.001", 0},
        {"a;q=2", 0},
        {"a;q=0.1234", 0},
        {"a;q=", 0},
        {"a;q", 0},
        {"a;q=-1", 0},
        {"a;q=0,5", 0},
        {"a;q=0.05", 50},
        {"a;q=0.x", 0},
        {"a;q=\"0.5\"", 500},
    };
    static const struct {
        const char *value;
        unsigned    offered, choice;
    } codings[] = {
        {"gzip, deflate, br", 7, SSE__ACCEPT_BR},
        {"gzip, deflate", 7, SSE__ACCEPT_GZIP},
        {"br;q=0.5, gzip", 7, SSE__ACCEPT_GZIP},
        {"br;q=0.5, gzip;q=0.5", 7, SSE__ACCEPT_BR},
        {"", 7, SSE__ACCEPT_IDENTITY},
        {"deflate", 7, SSE__ACCEPT_IDENTITY},
        {"*", 7, SSE__ACCEPT_BR},
        {"*;q=0", 7, 0},
        {"*;q=0, identity", 7, SSE__ACCEPT_IDENTITY},
        {"identity;q=0", 7, 0},
        {"identity;q=0, gzip;q=0.1", 7, SSE__ACCEPT_GZIP},
        {"gzip;q=0.5, identity", 7, SSE__ACCEPT_IDENTITY},
        {"gzip;q=0.5, identity;q=0.5", 7, SSE__ACCEPT_GZIP},
        {"br;q=0, *", 7, SSE__ACCEPT_GZIP},
        {"br, gzip", SSE__ACCEPT_GZIP | SSE__ACCEPT_IDENTITY, SSE__ACCEPT_GZIP},
        {"br, gzip", SSE__ACCEPT_IDENTITY, SSE__ACCEPT_IDENTITY},
        {"X-GZIP", 7, SSE__ACCEPT_GZIP},
        {"BR", 7, SSE__ACCEPT_BR},
        {"br;q=0.001", 7, SSE__ACCEPT_BR},
        {"brx, xgzip", 7, SSE__ACCEPT_IDENTITY},
        {"gzip;q=bad", 7, SSE__ACCEPT_IDENTITY},
        {",,gzip,,", 7, SSE__ACCEPT_GZIP},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++)
        is_int(sse__qvalue(sse__text(cases[i].element)), cases[i].weight, cases[i].element);
    for (i = 0; i < SSE__COUNT(codings); i++)
        is_int(sse__accept_encoding(sse__text(codings[i].value), codings[i].offered),
            codings[i].choice, codings[i].value);
    is_int(sse__accept_encoding(sse__str(NULL, 0), 7), SSE__ACCEPT_IDENTITY,
        "no Accept-Encoding: identity");
}

static void test_etags(void) {
    static const struct {
        const char *list, *etag;
        int         weak, strong;
    } cases[] = {
        {"\"a\"", "\"a\"", 1, 1},
        {"W/\"a\"", "\"a\"", 1, 0},
        {"\"a\"", "W/\"a\"", 1, 0},
        {"W/\"a\"", "W/\"a\"", 1, 0},
        {"\"b\"", "\"a\"", 0, 0},
        {"*", "\"a\"", 1, 1},
        {" * ", "W/\"a\"", 1, 1},
        {"\"b\", \"a\"", "\"a\"", 1, 1},
        {"\"b\",W/\"c\" ,, \"a\"", "\"a\"", 1, 1},
        {"\"a,b\"", "\"a,b\"", 1, 1},
        {"\"x, \"a\"", "\"a\"", 0, 0},
        {"\"\\\", \"a\"", "\"a\"", 1, 1},
        {"a", "\"a\"", 0, 0},
        {"\"a", "\"a\"", 0, 0},
        {"", "\"a\"", 0, 0},
        {"\"\"", "\"\"", 1, 1},
        {"w/\"a\"", "\"a\"", 0, 0},
        {"\"b\"\"a\"", "\"a\"", 0, 0},
        {"*, \"a\"", "\"a\"", 0, 0},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        ok(sse__etag_match(sse__text(cases[i].list), sse__text(cases[i].etag), true) ==
                !!cases[i].weak,
            "weak: %s in %s", cases[i].etag, cases[i].list);
        ok(sse__etag_match(sse__text(cases[i].list), sse__text(cases[i].etag), false) ==
                !!cases[i].strong,
            "strong: %s in %s", cases[i].etag, cases[i].list);
    }
    ok(!sse__etag_match(sse__str(NULL, 0), SSE__LIT("\"a\""), true), "no list, no match");
    ok(!sse__etag_match(sse__str("\"a\"", 2), SSE__LIT("\"a\""), true),
        "half a tag is none"); /* FD2 */
}

static void test_ranges(void) {
    static const struct {
        const char *value;
        unsigned    size;
        int         status;
        unsigned    first, last;
    } cases[] = {
        {"bytes=0-0", 10, 206, 0, 0},
        {"bytes=2-5", 10, 206, 2, 5},
        {" Bytes=2-5 ", 10, 206, 2, 5},
        {"bytes=5-", 10, 206, 5, 9},
        {"bytes=5-99999999999999999999999", 10, 206, 5, 9},
        {"bytes=-3", 10, 206, 7, 9},
        {"bytes=-99999999999999999999999", 10, 206, 0, 9},
        {"bytes=9-9", 10, 206, 9, 9},
        {"bytes=0-", 1, 206, 0, 0},
        {"bytes=10-", 10, 416, 0, 0},
        {"bytes=10-12", 10, 416, 0, 0},
        {"bytes=-0", 10, 416, 0, 0},
        {"bytes=0-", 0, 416, 0, 0},
        {"bytes=99999999999999999999999-", 10, 416, 0, 0},
        {"bytes=-5", 0, 200, 0, 0},
        {"bytes=5-2", 10, 200, 0, 0},
        {"bytes=-", 10, 200, 0, 0},
        {"bytes=", 10, 200, 0, 0},
        {"bytes", 10, 200, 0, 0},
        {"", 10, 200, 0, 0},
        {"bytes=0-1,3-4", 10, 200, 0, 0},
        {"lines=0-1", 10, 200, 0, 0},
        {"bytes=a-b", 10, 200, 0, 0},
        {"bytes=0x1-2", 10, 200, 0, 0},
        {"bytes=--1", 10, 200, 0, 0},
        {"bytes=1-2-3", 10, 200, 0, 0},
        {"bytes=1 - 2", 10, 200, 0, 0},
        {"bytes=+1-2", 10, 200, 0, 0},
        {"bytes = 1-2", 10, 200, 0, 0},
        {"bytes= 1-2", 10, 200, 0, 0},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        uint64_t  first = 0, last = 0;
        const int status = sse__range(sse__text(cases[i].value), cases[i].size, &first, &last);
        if (!ok(status == cases[i].status &&
                    (status != 206 || (first == cases[i].first && last == cases[i].last)),
                "%s of %u", cases[i].value, cases[i].size))
            printf("#   got %d, %llu to %llu\n", status, (unsigned long long)first,
                (unsigned long long)last);
    }
}

static void test_dates(void) {
    static const struct {
        const char *text;
        long long   time;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sun Nov 16 08:49:37 1994", 784975777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
        {"Monday, 01-Jan-74 00:00:00 GMT", 3281990400},
        {"Wednesday, 01-Jan-75 00:00:00 GMT", 157766400},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"sun, 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 31 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
        {"Thu, 29 Feb 1900 00:00:00 GMT", -1},
        {"Sun, 06 Nov 0000 08:49:37 GMT", -1},
        {"Sun, +6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06-Nov-94 08:49:37 GMT", -1},
        {"Sundae, 06-Nov-94 08:49:37 GMT", -1},
        {"", -1},
        {"0", -1},
        {"Sun", -1},
        {"Sun Nov  0 08:49:37 1994", -1},
        {"Sun Nov 6 08:49:37 1994", -1},
        {"Sun,  6 Nov 1994 08:49:37 GMT", -1},
    };
    static const struct { /* years of two digits, by what year it is */
        const char *text;
        int         now, year;
    } centuries[] = {
        {"Monday, 01-Jan-00 00:00:00 GMT", 2050, 2100},
        {"Monday, 01-Jan-01 00:00:00 GMT", 2050, 2001},
        {"Monday, 01-Jan-99 00:00:00 GMT", 2050, 2099},
        {"Monday, 01-Jan-99 00:00:00 GMT", 2049, 2099},
        {"Monday, 01-Jan-00 00:00:00 GMT", 2049, 2000},
        {"Monday, 01-Jan-49 00:00:00 GMT", 1999, 2049},
        {"Monday, 01-Jan-50 00:00:00 GMT", 1999, 1950},
    };
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char      got[64], want[64];
    long long t;
    int64_t   back;
    size_t    i;
    unsigned  wrong = 0, count = 0;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        back = -1;
        sse__date_parse(sse__text(cases[i].text), 1732000000, &back);
        is_int(back, cases[i].time, cases[i].text);
    }
    for (i = 0; i < SSE__COUNT(centuries); i++) {
        const sse__date now = {centuries[i].now, 7, 1, 0, 0, 0, 0},
                        then = {centuries[i].year, 1, 1, 0, 0, 0, 0};
        ok(sse__date_parse(sse__text(centuries[i].text), sse__date_days(&now) * 86400, &back) &&
                back == sse__date_days(&then) * 86400,
            "%.14s in %d is of %d", centuries[i].text, centuries[i].now, centuries[i].year);
    }
    /* years 1 to 9999 */
    for (t = -62135596800; t <= 253402300799; t += 86400 * 7 + 12347, count++) {
        const time_t c = (time_t)t;
        struct tm    tm;
        if ((long long)c != t) continue;
        gmtime_r(&c, &tm);
        snprintf(want, sizeof want, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
            days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900,
            tm.tm_hour, tm.tm_min, tm.tm_sec);
        sse__date_write(got, t);
        wrong += strcmp(got, want) != 0 || !sse__date_parse(sse__text(got), 0, &back) || back != t;
        snprintf(want, sizeof want, "%.3s %.3s %2d %02d:%02d:%02d %04d", days + tm.tm_wday * 3,
            months + tm.tm_mon * 3, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
            tm.tm_year + 1900);
        wrong += !sse__date_parse(sse__text(want), 0, &back) || back != t;
    }
    ok(wrong == 0 && count > 500000,
        "%u dates from year 1 to 9999 agree with gmtime_r and come back (%u wrong)", count, wrong);
    sse__date_write(got, INT64_MAX);
    is_str(shown(sse__text(got)), "Fri, 31 Dec 9999 23:59:59 GMT", "a time past year 9999");
    sse__date_write(got, INT64_MIN);
    is_str(shown(sse__text(got)), "Mon, 01 Jan 0001 00:00:00 GMT", "a time before year 1");
}

static void test_addresses(void) {
    static const char *const v4[] = {"0.0.0.0", "1.2.3.4", "255.255.255.255", "10.0.100.1"};
    static const char *const not_v4[] = {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
        "1.2.3.04", "1..3.4", "1.2.3.", ".1.2.3", "1.2.3.4 ", "0x1.2.3.4", "-1.2.3.4", "1.2.3.4:5",
        "1.2.3.0000", "a.b.c.d"};
    static const char *const v6[] = {"::", "::1", "1::", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "fe80::1", "ABCD:ef01::", "1::8", "::ffff:1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4", "0001::", "1:2:3::7:8", "1:2:3:4:5::1.2.3.4"};
    static const char *const not_v6[] = {"", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3",
        "12345::", "g::", "::1%lo", "1.2.3.4", "::1.2.3", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6::1.2.3.4", "::1:", "[::1]", "::1/64", "1:::2"};
    static const char *const forwarded[][3] = {
        /* value, elements from the right, addresses */
        {"1.2.3.4, 5.6.7.8", "5.6.7.8|1.2.3.4", "5.6.7.8|1.2.3.4"},
        {"::1", "::1", "::1"},
        {"[::1]:80,1.2.3.4:5", "1.2.3.4:5|[::1]:80", "1.2.3.4|::1"},
        {"unknown, , 1.2.3.4", "1.2.3.4||unknown", "1.2.3.4|-|-"},
        {"for=1.2.3.4;proto=https, FOR=\"[2001:db8::1]:47\" ; by=x",
            "FOR=\"[2001:db8::1]:47\" ; by=x|for=1.2.3.4;proto=https", "2001:db8::1|1.2.3.4"},
        {"for=\"_a,b\", for=_hidden", "for=_hidden|for=\"_a,b\"", "-|-"},
        {"for=\"x, for=1.2.3.4", "for=1.2.3.4|for=\"x", "1.2.3.4|-"},
        {"proto=http;by=1.2.3.4", "proto=http;by=1.2.3.4", "-"},
        {"1.2.3.4:99999", "1.2.3.4:99999", "-"},
        {"localhost", "localhost", "-"},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(v4); i++) ok(sse__is_ipv4(sse__text(v4[i])), "IPv4 %s", v4[i]);
    for (i = 0; i < SSE__COUNT(not_v4); i++)
        ok(!sse__is_ipv4(sse__text(not_v4[i])), "not IPv4 \"%s\"", not_v4[i]);
    for (i = 0; i < SSE__COUNT(v6); i++) ok(sse__is_ipv6(sse__text(v6[i])), "IPv6 %s", v6[i]);
    for (i = 0; i < SSE__COUNT(not_v6); i++)
        ok(!sse__is_ipv6(sse__text(not_v6[i])), "not IPv6 \"%s\"", not_v6[i]);
    for (i = 0; i < SSE__COUNT(forwarded); i++) {
        sse_str rest = sse__text(forwarded[i][0]), element;
        char    elements[200] = "", addresses[200] = "";
        while (sse__forwarded_last(&rest, &element)) {
            snprintf(elements + strlen(elements), 100, "%s%s", *elements ? "|" : "",
                shown(element));
            snprintf(addresses + strlen(addresses), 100, "%s%s", *addresses ? "|" : "",
                shown(sse__forwarded_address(element)));
        }
        is_str(shown(sse__text(elements)), forwarded[i][1], forwarded[i][0]);
        is_str(shown(sse__text(addresses)), forwarded[i][2], forwarded[i][0]);
    }
}

static void test_origins(void) {
    static const struct {
        const char *origin, *host;
        int         parsed, same;
    } cases[] = {
        {"http://a", "a", 1, 1},
        {"http://A:80", "a", 1, 1},
        {"http://a", "a:80", 1, 1},
        {"https://a", "a", 1, 1},
        {"https://a", "a:443", 1, 1},
        {"https://a", "a:80", 1, 0},
        {"http://a:8000", "a:8000", 1, 1},
        {"http://a:8000", "a", 1, 0},
        {"http://a", "b", 1, 0},
        {"http://a.b", "a", 1, 0},
        {"null", "null", 1, 0},
        {"http://a", "a.:80", 1, 1},
        {"http://a.b.:8", "a.b:8", 1, 1},
        {"http://a", "a..", 1, 0},
        {"http://[::1]:8", "[::1]:8", 1, 1},
        {"app://x", "x", 1, 1},
        {"", "a", 0, 0},
        {"a", "a", 0, 0},
        {"http:/a", "a", 0, 0},
        {"http://", "a", 0, 0},
        {"http://a/", "a", 0, 0},
        {"http://u@a", "a", 0, 0},
        {"://a", "a", 0, 0},
        {"1http://a", "a", 0, 0},
        {"http://a http://b", "a", 0, 0},
        {"NULL", "a", 0, 0},
        {"z1.-://a:80", "a", 1, 1},
        {"Z://a", "a", 1, 1},
        {"A://a", "a", 1, 1},
        {"~a://a", "a", 0, 0},
        {"_a://a", "a", 0, 0},
        {"-a://a", "a", 0, 0},
        {"http:", "a", 0, 0},
    };
    size_t i;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        sse__origin origin;
        sse__host   host;
        const bool  parsed = sse__origin_parse(sse__text(cases[i].origin), &origin);
        ok(sse__host_parse(sse__text(cases[i].host), &host) && parsed == !!cases[i].parsed,
            "origin \"%s\"", cases[i].origin);
        if (parsed)
            ok(sse__origin_is_host(&origin, &host) == !!cases[i].same, "%s and %s", cases[i].origin,
                cases[i].host);
    }
}

static void test_tables(void) {
    is_str(sse__status_text(200), "OK", "200");
    is_str(sse__status_text(431), "Request Header Fields Too Large", "431");
    is_str(sse__status_text(999), "Unknown", "999");
    is_str(sse__mime(SSE__LIT("/a.b/index.HTML")), "text/html; charset=utf-8", "html");
    is_str(sse__mime(SSE__LIT("app.min.js")), "text/javascript; charset=utf-8", "js");
    is_str(sse__mime(SSE__LIT("a.mjs")), "text/javascript; charset=utf-8", "a module");
    is_str(sse__mime(SSE__LIT("a.woff2")), "font/woff2", "woff2");
    is_str(sse__mime(SSE__LIT("/a.html/file")), "application/octet-stream",
        "a directory's ending is none");
    is_str(sse__mime(SSE__LIT("html")), "application/octet-stream", "nor is a name without one");
    is_str(sse__mime(SSE__LIT("a.")), "application/octet-stream", "nor an empty one");
    is_str(sse__mime(SSE__LIT("")), "application/octet-stream", "nor nothing");
}

static void test_compresses(void) { /* by the name of their type */
    static const char *const yes[] = {"text/html", "TEXT/x", "text/html; charset=utf-8", " text/a ",
        "application/json", "APPLICATION/JSON;a=b", "application/javascript", "font/otf",
        "application/x-ndjson", "application/ld+json", "image/svg+xml", "a/b+c+xml", "a/b+XML",
        "a/b+xml;charset=x"};
    static const char *const no[] = {"", "text", "image/png", "application/jso",
        "application/jsonx", "application/octet-stream", "font/woff2", "a/json", "json", "xml",
        "a/b+xml+c", "a/b+", "a/b+zip", "a/b;c=d+xml", "json xml", "a/b+json xml"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(yes); i++)
        ok(sse__media_compresses(sse__text(yes[i])), "it compresses: %s", yes[i]);
    for (i = 0; i < SSE__COUNT(no); i++)
        ok(!sse__media_compresses(sse__text(no[i])), "it does not: %s", no[i]);
}

int main(void) {
    test_classes();
    test_compresses();
    test_lists();
    test_weights();
    test_etags();
    test_ranges();
    test_dates();
    test_addresses();
    test_origins();
    test_tables();
    return tap_done();
}
