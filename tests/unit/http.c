/* Request heads, chunked bodies, paths: every case whole, cut in two at every byte, and byte by
   byte, always on the last bytes before a protected page. Whole heads are looked through eight
   bytes at a time, byte by byte one by one: the results must be the same. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"
#include <sys/mman.h>
#include <unistd.h>

#define MAX_FIELDS 8
#define MAX_BYTES  512

static char  *wall; /* the first byte that must not be touched */
static size_t page;

static void build_wall(void) {
    char *p;
    page = (size_t)sysconf(_SC_PAGESIZE);
    p = (char *)mmap(NULL, 17 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    wall = p + 16 * page;
    mprotect(wall, page, PROT_NONE);
}

static char *at_wall(const char *bytes, size_t len) {
    return (char *)memcpy(wall - len, bytes, len);
}

typedef struct {
    sse__head  h;
    sse__field fields[MAX_FIELDS];
    int        rc;
} parsed;

static void start(parsed *p) {
    memset(p, 0, sizeof *p);
    sse__head_init(&p->h, p->fields, MAX_FIELDS, MAX_BYTES);
}

static void feed(parsed *p, const char *bytes, size_t len) {
    p->rc = sse__head_parse(&p->h, at_wall(bytes, len), len);
}

static int same_slice(sse__slice a, sse__slice b) { return a.at == b.at && a.len == b.len; }

static int same(const parsed *a, const parsed *b) {
    uint32_t i;
    if (a->rc != b->rc) return 0;
    if (a->rc <= 0) return 1;
    if (!same_slice(a->h.method, b->h.method) || !same_slice(a->h.target, b->h.target) ||
        !same_slice(a->h.path, b->h.path) || !same_slice(a->h.query, b->h.query) ||
        !same_slice(a->h.host, b->h.host) || a->h.nfields != b->h.nfields)
        return 0;
    for (i = 0; i < a->h.nfields; i++)
        if (!same_slice(a->fields[i].name, b->fields[i].name) ||
            !same_slice(a->fields[i].value, b->fields[i].value) ||
            a->fields[i].id != b->fields[i].id)
            return 0;
    return a->h.minor == b->h.minor && a->h.content_length == b->h.content_length &&
           a->h.has_length == b->h.has_length && a->h.chunked == b->h.chunked &&
           a->h.keep_alive == b->h.keep_alive && a->h.expect_continue == b->h.expect_continue;
}

/* H2: parses whole, then in all other ways; 0 and a diagnostic if any differs. */
static int parse_every_way(parsed *whole, const char *bytes, size_t len) {
    parsed bytewise, cut;
    size_t i;
    int    last = -1;
    start(whole);
    feed(whole, bytes, len);
    start(&bytewise);
    for (i = 0; i <= len && bytewise.rc == 0; i++) feed(&bytewise, bytes, i);
    if (!same(whole, &bytewise))
        return printf("# byte by byte: %d, whole: %d\n", bytewise.rc, whole->rc), 0;
    if (bytewise.rc > 0 && (size_t)bytewise.rc != i - 1)
        return printf("# done before its last byte\n"), 0;
    for (i = 0; i <= len; i++) {
        start(&cut);
        feed(&cut, bytes, i);
        if (last == 0 && cut.rc != 0 && cut.rc != whole->rc)
            return printf("# the first %u bytes: %d\n", (unsigned)i, cut.rc), 0;
        last = cut.rc;
        feed(&cut, bytes, len);
        if (!same(whole, &cut))
            return printf("# cut after %u: %d, whole: %d\n", (unsigned)i, cut.rc, whole->rc), 0;
    }
    return 1;
}

#define H       "Host: a\r\n"
#define GET(x)  "GET / HTTP/1.1\r\n" H x "\r\n"
#define POST(x) "POST / HTTP/1.1\r\n" H x "\r\n"
#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define CASE(status, text) \
    { status, text, sizeof(text) - 1 }

/* status 200: taken, all bytes used; 0: more needed */
static const struct {
    int         status;
    const char *text;
    size_t      len;
} heads[] = {
    CASE(200, GET("")),
    CASE(200, "GET / HTTP/1.0\r\n\r\n"),
    CASE(200, "\r\nGET / HTTP/1.0\r\n\r\n"),
    CASE(200, "\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
    CASE(400, "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
    CASE(400, "\nGET / HTTP/1.0\r\n\r\n"),
    CASE(400, "\r\rGET / HTTP/1.0\r\n\r\n"),
    CASE(400, " GET / HTTP/1.0\r\n\r\n"),
    CASE(400, " / HTTP/1.0\r\n\r\n"),
    CASE(400, "GET  HTTP/1.0\r\n\r\n"),
    CASE(0, ""),
    CASE(0, "\r"),
    CASE(0, "\r\n"),
    CASE(0, "G"),
    CASE(0, "GET"),
    CASE(0, "GET "),
    CASE(0, "GET / HTTP/1.1\r\nHost: a\r\n\r"),
    /* the request line */
    CASE(200, "BREW /pot HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "get / HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "M!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "G(T / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "G\tT / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "G\x80T / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "G\0T / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
    CASE(200, TEN TEN TEN "AB / HTTP/1.1\r\n" H "\r\n"),
    CASE(501, TEN TEN TEN "ABC / HTTP/1.1\r\n" H "\r\n"),
    CASE(501, TEN TEN TEN "ABCD(\r\n"),
    CASE(400, "GET  / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /  HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/1.1 \r\n" H "\r\n"),
    CASE(400, "GET /\tHTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET / x HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\r\n\r\n"),
    CASE(400, "GET\r\n\r\n"),
    CASE(400, "GET \r\n\r\n"),
    CASE(400, "GET / \r\n\r\n"),
    CASE(400, "GET / HTTP/1.1\n" H "\r\n"),
    CASE(400, "GET / HTTP/1.1\r" H "\r\n"),
    CASE(400, "GET / HTTP/1.1\r\r\n" H "\r\n"),
    CASE(200, "GET / HTTP/1.2\r\n" H "\r\n"),
    CASE(200, "GET / HTTP/1.9\r\n" H "\r\n"),
    CASE(505, "GET / HTTP/2.0\r\n" H "\r\n"),
    CASE(505, "GET / HTTP/0.9\r\n" H "\r\n"),
    CASE(505, "GET / HTTP/3.1\r\n" H "\r\n"),
    CASE(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    CASE(400, "GET / HTTP/1.10\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/11.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/2\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/1.\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/1,1\r\n" H "\r\n"),
    CASE(400, "GET / http/1.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/x.y\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/-1.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTPS/1.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP /1.1\r\n" H "\r\n"),
    CASE(400, "GET / ICY/1.1\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/1.1x\r\n" H "\r\n"),
    CASE(400, "GET / HTTP/\0.1\r\n" H "\r\n"),
    /* targets */
    CASE(200, "GET /a/b?c=d&e HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET //a HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET /%zz?{\"a\":[1|2]}\\^`<> HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET ../a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET ?a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET \\a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET %2F HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /#a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\x01 HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\x7f HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET /\xff HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET * HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "OPTIONS *a HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "options * HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET http://b/c HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET https://b:8443/c HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET HTTP://[::1]:8/ HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET http://b HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET http://b?q=/ HTTP/1.1\r\n" H "\r\n"),
    CASE(200, "GET http://b/ HTTP/1.0\r\n\r\n"),
    CASE(400, "GET http:///c HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http:// HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http:/b HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http://u@b/ HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http://b:99999/ HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http://b\\c/ HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET ftp://b/ HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET http://b/ HTTP/1.1\r\n\r\n"),
    CASE(400, "GET http://b/ HTTP/1.1\r\nHost: b c\r\n\r\n"),
    CASE(400, "CONNECT a:443 HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "CONNECT / HTTP/1.1\r\n" H "\r\n"),
    CASE(400, "GET a:443 HTTP/1.1\r\n" H "\r\n"),
    /* fields */
    CASE(200, GET("A:b\r\n")),
    CASE(200, GET("A:\r\n")),
    CASE(200, GET("A: \t \r\n")),
    CASE(200, GET("A: \t b\tc  \t\r\n")),
    CASE(200, GET("A: caf\xc3\xa9 \xff\x80\r\n")),
    CASE(200, GET("!#$%&'*+-.^_`|~09Az: ~\r\n")),
    CASE(200, GET("A: b: c, \"d\"\r\n")),
    CASE(400, GET(" A: b\r\n")),
    CASE(400, GET("\tA: b\r\n")),
    CASE(400, GET("A : b\r\n")),
    CASE(400, GET("A\t: b\r\n")),
    CASE(400, GET("A B: b\r\n")),
    CASE(400, GET(": b\r\n")),
    CASE(400, GET("A\r\n")),
    CASE(400, GET("A b\r\n")),
    CASE(400, GET("(A): b\r\n")),
    CASE(400, GET("A\x80: b\r\n")),
    CASE(400, GET("A\0: b\r\n")),
    CASE(400, GET("A\x7f: b\r\n")),
    CASE(400, GET("\"A\": b\r\n")),
    CASE(400, GET("A@: b\r\n")),
    CASE(400, GET("A: b\r\n c\r\n")),
    CASE(400, GET("A: b\r\n\tc\r\n")),
    CASE(400, GET("A: b\r\n \r\n")),
    CASE(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    CASE(400, "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
    CASE(400, GET("A: b\n")),
    CASE(400, GET("A: b\nC: d\r\n")),
    CASE(400, GET("A: b\rC: d\r\n")),
    CASE(400, GET("A: b\rxC: d\r\n")),
    CASE(400, GET("A: b\r\r\n")),
    CASE(400, GET("A: \n\r\n")),
    CASE(400, GET("A: b\0c\r\n")),
    CASE(400, GET("A: \x01\r\n")),
    CASE(400, GET("A: \x1f\r\n")),
    CASE(400, GET("A: \x7f\r\n")),
    CASE(400, GET("A: " TEN TEN "\x08" TEN TEN "\r\n")),
    CASE(400, "GET / HTTP/1.1\r\n" H "\n"),
    CASE(400, "GET / HTTP/1.1\r\n" H "\rx"),
    CASE(400, "GET / HTTP/1.1\r\n" H "A: b\r\n\n"),
    /* limits */
    CASE(200, GET("1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n")),
    CASE(431, GET("1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n")),
    CASE(414, "GET /" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY TEN
              " HTTP/1.1\r\n" H "\r\n"),
    CASE(431,
        GET("A: " FIFTY TEN TEN FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY TEN TEN "\r\n")),
    CASE(431, GET(FIFTY TEN TEN FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY TEN TEN ": a\r\n")),
    /* Host */
    CASE(400, "GET / HTTP/1.1\r\n\r\n"),
    CASE(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    CASE(400, "GET / HTTP/1.1\r\nHost: \r\n\r\n"),
    CASE(400, GET("Host: a\r\n")),
    CASE(400, GET("hOST: b\r\n")),
    CASE(400, "GET / HTTP/1.0\r\n" H H "\r\n"),
    CASE(400, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
#define HOST(status, host) CASE(status, "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n")
    HOST(200, "example.com"),
    HOST(200, "EXAMPLE.com:8000"),
    HOST(200, "a:"),
    HOST(200, "a_b-c.~d."),
    HOST(200, "127.0.0.1:0"),
    HOST(200, "[::1]"),
    HOST(200, "[::ffff:1.2.3.4]:65535"),
    HOST(400, "a b"),
    HOST(400, "a,b"),
    HOST(400, "a, b"),
    HOST(400, "a/b"),
    HOST(400, "a?b"),
    HOST(400, "a#b"),
    HOST(400, "u@a"),
    HOST(400, "http://a"),
    HOST(400, "a:b"),
    HOST(400, "a:65536"),
    HOST(400, "a:-1"),
    HOST(400, "a:80:80"),
    HOST(400, ":80"),
    HOST(400, "::1"),
    HOST(400, "[::1"),
    HOST(400, "[::1]x"),
    HOST(400, "[::1]:x"),
    HOST(400, "[]"),
    HOST(400, "[1]"),
    HOST(400, "[fe80::1%25lo]"),
    HOST(400, "a\\b"),
    HOST(400, "a%00b"),
    HOST(400, "caf\xc3\xa9"),
    HOST(400, "\"a\""),
    HOST(400, "a\tb"),
    HOST(400, "a:80 0"),
/* H3: Content-Length */
#define LENGTH(status, n) CASE(status, POST("Content-Length: " n "\r\n"))
    LENGTH(200, "0"),
    LENGTH(200, "5"),
    LENGTH(200, "0005"),
    LENGTH(200, " 5\t "),
    LENGTH(200, "18446744073709551615"),
    LENGTH(400, ""),
    LENGTH(400, "+5"),
    LENGTH(400, "-5"),
    LENGTH(400, "5 5"),
    LENGTH(400, "5,5"),
    LENGTH(400, "5, 6"),
    LENGTH(400, "0x5"),
    LENGTH(400, "5.0"),
    LENGTH(400, "5e1"),
    LENGTH(400, "five"),
    LENGTH(400, "18446744073709551616"),
    LENGTH(400, "99999999999999999999"),
    LENGTH(400, "1" FIFTY),
    LENGTH(400, "\"5\""),
    LENGTH(400, "5;a"),
    LENGTH(400, "\xd9\xa5"),
    LENGTH(400, ","),
    LENGTH(400, "5\x0b"),
    LENGTH(400, "5\r\nContent-Length: 5"),
    LENGTH(400, "5\r\ncontent-length: 6"),
    LENGTH(400, "5\r\nX: y\r\nCONTENT-LENGTH: 5"),
/* H3: Transfer-Encoding */
#define CODING(status, n) CASE(status, POST("Transfer-Encoding: " n "\r\n"))
    CODING(200, "chunked"),
    CODING(200, "CHUNKED"),
    CODING(200, "\tchunked "),
    CODING(501, "gzip"),
    CODING(501, "gzip, chunked"),
    CODING(501, "gzip\r\nTransfer-Encoding: chunked"),
    CODING(501, "identity"),
    CODING(501, "xchunked"),
    CODING(501, "chunke"),
    CODING(501, "gzip;a=b, chunked"),
    CODING(400, ""),
    CODING(400, "chunked, chunked"),
    CODING(400, "chunked\r\nTransfer-Encoding: chunked"),
    CODING(400, "chunked, gzip"),
    CODING(400, "chunked, identity"),
    CODING(400, "chunked;a=b"),
    CODING(400, "chunked,"),
    CODING(400, ",chunked"),
    CODING(400, "chunked chunked"),
    CODING(400, "\"chunked\""),
    CODING(400, "\x0b"
                "chunked"),
    CODING(400, "chunked\0"),
    CODING(400, "chun\tked"),
    CODING(400, "chunked\r\nContent-Length: 5"),
    CODING(400, "gzip\r\nContent-Length: 5"),
    CASE(400, POST("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")),
    CASE(400, POST("Transfer-Encoding : chunked\r\n")),
    CASE(400, POST("Transfer-Encoding\r\n: chunked\r\n")),
    CASE(400, POST("Transfer-Encoding:\r\n chunked\r\n")),
    CASE(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    CASE(400, "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"),
    /* Expect */
    CASE(200, POST("Expect: 100-continue\r\nContent-Length: 1\r\n")),
    CASE(200, POST("expect: 100-Continue\r\n")),
    CASE(417, POST("Expect: 200-ok\r\n")),
    CASE(417, POST("Expect: \r\n")),
    CASE(417, POST("Expect: 100-continue, x\r\n")),
    CASE(417, POST("Expect: x\r\nExpect: 100-continue\r\n")),
    CASE(417, POST("Expect: 100-continue\r\nExpect: x\r\n")),
    CASE(400, POST("Expect: x\r\nHost: b\r\n")),
};

static void test_heads(void) {
    parsed p;
    char   name[160];
    size_t i, k, n;
    for (i = 0; i < sizeof heads / sizeof *heads; i++) {
        const int every = parse_every_way(&p, heads[i].text, heads[i].len);
        const int want = heads[i].status == 200 ? (int)heads[i].len : -heads[i].status;
        n = (size_t)snprintf(name, sizeof name, "head %d ", heads[i].status);
        for (k = 0; k < heads[i].len && n < sizeof name - 8; k++) {
            const unsigned char c = (unsigned char)heads[i].text[k];
            if (c >= 0x20 && c < 0x7F && c != '#') name[n++] = (char)c;
            else
                n += (size_t)snprintf(name + n, sizeof name - n,
                    c == '\r'   ? "\\r"
                    : c == '\n' ? "\\n"
                                : "\\x%02x",
                    c);
        }
        name[n] = '\0';
        if (!ok(every && p.rc == want, "%s", name)) printf("#   got %d, want %d\n", p.rc, want);
    }
}

static int is_slice(const char *bytes, sse__slice s, const char *want) {
    return sse__eq(sse__slice_str(bytes, s), sse__text(want));
}

static void test_meaning(void) {
    static const struct {
        const char *text;
        bool        two;
    } hosts[] = {{"GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n", false},
        {"GET http://b/ HTTP/1.1\r\nHost: B\r\n\r\n", false},
        {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET http://b:81/ HTTP/1.1\r\nHost: b\r\n\r\n", true},
        {"GET http://b/ HTTP/1.0\r\n\r\n", false}, {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false}};
    const char *text =
        "\r\nPATCH /a%20b/?q=1&r?s HTTP/1.1\r\nhOsT: Example.com:80 \r\nX-Thing: \t one\ttwo \r\n"
        "X-THING: three\r\nOrigin: c\r\nEmpty:\r\n\r\nnext";
    parsed  p;
    sse_str v;
    size_t  i;
    ok(parse_every_way(&p, text, strlen(text)) && p.rc == (int)strlen(text) - 4,
        "a head ends before what follows it");
    ok(is_slice(text, p.h.method, "PATCH") && is_slice(text, p.h.target, "/a%20b/?q=1&r?s"),
        "method and target");
    ok(is_slice(text, p.h.path, "/a%20b/") && is_slice(text, p.h.query, "q=1&r?s"),
        "path and query, which begins at the first question mark");
    ok(is_slice(text, p.h.host, "Example.com:80") && p.h.minor == 1 && p.h.keep_alive,
        "host, version, persistence");
    ok(is_slice(text, p.h.host_name, "Example.com"), "the host's name, without the port");
    ok(!p.h.has_length && !p.h.chunked && !p.h.expect_continue, "no body");
    ok(sse__eq(sse__head_find(&p.h, text, SSE__LIT("x-thing"), 0), SSE__LIT("one\ttwo")) &&
            sse__eq(sse__head_find(&p.h, text, SSE__LIT("X-Thing"), 1), SSE__LIT("three")) &&
            !sse__head_find(&p.h, text, SSE__LIT("x-thing"), 2).ptr,
        "every value of a repeated field, trimmed");
    v = sse__head_find(&p.h, text, SSE__LIT("empty"), 0);
    ok(v.ptr && v.len == 0, "an empty value is not an absent one");
    ok(sse__eq(sse__head_value(&p.h, text, SSE__FIELD_ORIGIN, 0), SSE__LIT("c")) &&
            !sse__head_value(&p.h, text, SSE__FIELD_ORIGIN, 1).ptr &&
            !sse__head_value(&p.h, text, SSE__FIELD_RANGE, 0).ptr,
        "fields by id");
    p.fields[p.h.nfields] = p.fields[3]; /* of an earlier request */
    ok(!sse__head_find(&p.h, text, SSE__LIT("origin"), 1).ptr &&
            !sse__head_value(&p.h, text, SSE__FIELD_ORIGIN, 1).ptr,
        "and none but those of this head");
    ok(sse__head_parse(&p.h, text, 3) == p.rc, "a head that is done stays so");
    text = "GET http://b.org:81?x HTTP/1.1\r\nHost: a\r\n\r\n";
    parse_every_way(&p, text, strlen(text));
    ok(is_slice(text, p.h.host, "b.org:81") && p.h.path.len == 0 && is_slice(text, p.h.query, "x"),
        "the authority of an absolute target wins over Host");
    ok(is_slice(text, p.h.host_name, "b.org") &&
            sse__eq(sse__head_value(&p.h, text, SSE__FIELD_HOST, 0), SSE__LIT("b.org:81")),
        "... also by its name, and where the field is asked for");
    for (i = 0; i < SSE__COUNT(hosts); i++) {
        parse_every_way(&p, hosts[i].text, strlen(hosts[i].text));
        ok(p.rc > 0 && p.h.two_hosts == hosts[i].two, "%s host: %.*s", hosts[i].two ? "two" : "one",
            (int)strcspn(hosts[i].text, "\r"), hosts[i].text);
    }
    text = "GET http://b.org/ HTTP/1.1\r\nA: c\r\nHost: a\r\n\r\n";
    parse_every_way(&p, text, strlen(text));
    ok(sse__eq(sse__head_value(&p.h, text, SSE__FIELD_HOST, 0), SSE__LIT("b.org")) &&
            sse__eq(sse__head_find(&p.h, text, SSE__LIT("a"), 0), SSE__LIT("c")),
        "... which need not be the first one");
    text = "GET /? HTTP/1.0\r\n\r\n";
    parse_every_way(&p, text, strlen(text));
    ok(p.h.query.at > 0 && p.h.query.len == 0 && p.h.minor == 0 && !p.h.keep_alive &&
            p.h.host.len == 0,
        "an empty query; HTTP/1.0 closes and needs no Host");
}

static void test_flags(void) {
    /* k: keep alive, c: chunked, e: expect, digits: length */
    static const struct {
        const char *text, *want;
    } cases[] = {
        {GET(""), "k"},
        {GET("Connection: close\r\n"), ""},
        {GET("Connection: keep-alive, Close\r\n"), ""},
        {GET("Connection: x\r\nConnection: ,,close ,\r\n"), ""},
        {GET("Connection: closed\r\n"), "k"},
        {GET("Connection: \"close\"\r\n"), "k"},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "k"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", ""},
        {POST("Content-Length: 12\r\n"), "k12"},
        {POST("Content-Length: 0\r\n"), "k0"},
        {POST("Transfer-Encoding: chunked\r\n"), "kc"},
        {POST("Expect: 100-continue\r\nContent-Length: 1\r\n"), "ke1"},
        {POST("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), "kce"},
        {POST("Expect: 100-continue\r\n"), "k"},
        {POST("Expect: 100-continue\r\nContent-Length: 0\r\n"), "k0"},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "1"},
        {GET("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "k"},
        {GET("Upgrade: h2c\r\n"), "k"},
        {GET("Connection: upgrade\r\n"), "k"},
        {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", ""},
        {"GET / HTTP/1.7\r\n" H "\r\n", "k"},
    };
    parsed p;
    char   got[40];
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        int every = parse_every_way(&p, cases[i].text, strlen(cases[i].text));
        snprintf(got, sizeof got, "%s%s%s", p.h.keep_alive ? "k" : "", p.h.chunked ? "c" : "",
            p.h.expect_continue ? "e" : "");
        if (p.h.has_length)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%llu",
                (unsigned long long)p.h.content_length);
        if (!ok(every && strcmp(got, cases[i].want) == 0, "flags \"%s\"", cases[i].want))
            printf("#   got \"%s\"\n", got);
    }
}

static void test_ids(void) {
    static const struct {
        const char *name;
        unsigned    id;
    } known[] = {
#define KNOWN(field, letter, text) {text, SSE__FIELD_##field},
        SSE__FIELDS(KNOWN)};
    char   other[40];
    size_t i, k, good = 0, tries = 0;
    for (i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].name);
        /* in capitals up to k; with one byte changed, to the neighbour and by the bit of case */
        for (k = 0; k < n; k++) {
            memcpy(other, known[i].name, n);
            for (size_t j = 0; j <= k; j++)
                if (other[j] >= 'a') other[j] = (char)(other[j] - 32);
            good += sse__field_id(sse__str(other, n)) == known[i].id;
            other[k] = (char)(known[i].name[k] ^ 1);
            good += sse__field_id(sse__str(other, n)) == SSE__FIELD_OTHER;
            if (known[i].name[k] == '-') {
                other[k] = '_';
                good += sse__field_id(sse__str(other, n)) == SSE__FIELD_OTHER;
                tries++;
            }
            tries += 2;
        }
    }
    is_int(good, tries, "known field names are told from their neighbours, in any case");
}

static void test_limits(void) {
    const char  *text = GET("A: b\r\n");
    const size_t n = strlen(text), line = strlen("GET / HTTP/1.1\r\n");
    sse__head    h;
    sse__field   fields[2];
    size_t       max, wrong = 0;
    for (max = 0; max <= n + 1; max++) {
        const int want = max >= n ? (int)n : max < line ? -414 : -431;
        sse__head_init(&h, fields, 2, (uint32_t)max);
        wrong += sse__head_parse(&h, text, n) != want;
    }
    is_int(wrong, 0,
        "414 while the line, 431 while the fields do not fit; a head of exactly the limit is "
        "taken");
    sse__head_init(&h, fields, 1, 1000);
    is_int(sse__head_parse(&h, text, n), -431, "one field too many");
    sse__head_init(&h, fields, 2, UINT32_MAX);
    is_int(h.max_bytes, INT32_MAX, "no head is longer than what an int can say");
}

static uint32_t seed = 12345;
static uint32_t rnd(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 4) * n >> 28);
}

/* What fuzzers do, from a fixed seed: cut anywhere, the outcome is the same. */
static void test_mutations(void) {
    static const char pool[] = "\r\n\r\n :,;=\t\0\x7f\x80\xff/?#*%\"5aGHTP[]\\";
    parsed            whole, cut;
    char              text[400];
    int               i, wrong = 0, taken = 0;
    for (i = 0; i < 60000; i++) {
        const size_t which = rnd(sizeof heads / sizeof *heads);
        size_t       n = heads[which].len < 300 ? heads[which].len : 300, at = 0, k;
        memcpy(text, heads[which].text, n);
        for (k = rnd(4); k > 0 && n > 0; k--) {
            const size_t where = rnd((uint32_t)n);
            if (rnd(3) == 0 && n < sizeof text)
                memmove(text + where + 1, text + where, n++ - where);
            else if (rnd(3) == 0) memmove(text + where, text + where + 1, n-- - where - 1);
            if (where < n) text[where] = pool[rnd(sizeof pool - 1)];
        }
        start(&whole);
        feed(&whole, text, n);
        start(&cut);
        for (at = 0; at < n && cut.rc == 0; at += 1 + rnd(rnd(2) ? 3 : 40))
            feed(&cut, text, at < n ? at : n);
        if (cut.rc == 0) feed(&cut, text, n);
        wrong += !same(&whole, &cut);
        taken += whole.rc > 0;
    }
    is_int(wrong, 0, "60,000 mutated heads cut at random: the same outcome");
    ok(taken > 1000, "and many of them were taken (%d)", taken);
}

static void test_skip(void) { /* the 16-byte path against the plainest loop there is */
    char   text[80];
    size_t wrong = 0, len, at, i;
    int    c;
    for (len = 0; len <= 40; len++)
        for (at = 0; at <= len; at++)
            for (c = 0; c < 256; c++) {
                const char *p;
                memset(text, c & 1 ? 'x' : 0xE9, len);
                if (at < len) text[at] = (char)c;
                p = at_wall(text, len);
                for (i = 0; i < len && (unsigned char)p[i] >= 0x20 && p[i] != 0x7F;) i++;
                wrong += sse__printable_end(p, p + len) != p + i;
            }
    for (i = 0; i < 50000; i++) {
        const char *p;
        for (at = 0; at < 40; at++) text[at] = (char)(rnd(30) ? 0x20 + rnd(224) : rnd(256));
        p = at_wall(text, 40);
        for (at = 0; at < 40 && (unsigned char)p[at] >= 0x20 && p[at] != 0x7F;) at++;
        wrong += sse__printable_end(p, p + 40) != p + at;
    }
    is_int(wrong, 0,
        "controls are found at every place, of every value, and nothing is read past the end");
}

/* Decodes a body cut into pieces of at most `step`; one piece if 0. Returns the result, the data in
   out, and what was used. */
static int decode(const char *bytes, size_t len, size_t step, char *out, size_t *out_len,
    size_t *all_used) {
    sse__chunked d;
    size_t       at = 0, n, used, made;
    int          rc = 0;
    sse__chunked_init(&d, 100);
    *out_len = 0;
    do {
        char *p;
        n = step && step < len - at ? step : len - at;
        p = at_wall(bytes + at, n);
        rc = sse__chunked_decode(&d, p, n, &used, &made);
        memcpy(out + *out_len, p, made);
        *out_len += made;
        at += used;
    } while (rc == 0 && at < len);
    *all_used = at;
    return rc;
}

static void test_chunked(void) {
    static const struct {
        int         want;
        const char *text, *body;
        size_t      len;
    } cases[] = {
#define CHUNK(want, text, body) {want, text, body, sizeof(text) - 1}
        CHUNK(1, "0\r\n\r\n", ""), CHUNK(1, "5\r\nhello\r\n0\r\n\r\n", "hello"),
        CHUNK(1, "1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET", "abc"),
        CHUNK(1, "A\r\n0123456789\r\n00\r\n\r\n", "0123456789"),
        CHUNK(1, "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a"),
        CHUNK(1, "a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n0\r\n"),
        CHUNK(1, "1;x\r\na\r\n0;y=\"z\";\tw\r\n\r\n", "a"),
        CHUNK(1, "1 \t;x\r\na\r\n0\r\n\r\n", "a"),
        CHUNK(1, "0\r\nA: b\r\nC:\r\nContent-Length: 5\r\n\r\n", ""),
        CHUNK(1, "64\r\n" FIFTY FIFTY "\r\n0\r\n\r\n", FIFTY FIFTY), CHUNK(0, "", ""),
        CHUNK(0, "5", ""), CHUNK(0, "5\r\nhel", "hel"), CHUNK(0, "0\r\n\r", ""),
        CHUNK(0, "1\r\na\r\n0\r\nA: b\r\n", "a"), CHUNK(-400, "\r\n", ""),
        CHUNK(-400, " 5\r\n", ""), CHUNK(-400, "g\r\n", ""), CHUNK(-400, "0x5\r\n", ""),
        CHUNK(-400, "-1\r\n", ""), CHUNK(-400, "+1\r\n", ""), CHUNK(-400, ";x\r\n", ""),
        CHUNK(-400, "5\n", ""), CHUNK(-400, "5\rx", ""), CHUNK(-400, "5 \r\n", ""),
        CHUNK(-400, "5 5\r\n", ""), CHUNK(-400, "5,\r\n", ""), CHUNK(-400, "5\0\r\n", ""),
        CHUNK(-400, "1;\n", ""), CHUNK(-400, "1;a\nb\r\n", ""), CHUNK(-400, "1;\x01\r\n", ""),
        CHUNK(-400, "1;\x7f\r\n", ""), CHUNK(-400, "1;a\rb", ""), CHUNK(-400, "1\r\nab", "a"),
        CHUNK(-400, "1\r\na\n", "a"), CHUNK(-400, "1\r\na\rx", "a"),
        CHUNK(-400, "1\r\na\r\n\r\n", "a"), CHUNK(-400, "10000000000000000\r\n", ""),
        CHUNK(-400, "00000000000000001\r\n", ""), CHUNK(-413, "65\r\n", ""),
        CHUNK(-413, "ffffffffffffffff\r\n", ""),
        CHUNK(-413, "64\r\n" FIFTY FIFTY "\r\n1\r\n", FIFTY FIFTY),
        CHUNK(-413, "1\r\na\r\nffffffffffffffff\r\n", "a"), CHUNK(-400, "0\r\n\n", ""),
        CHUNK(-400, "0\r\nA b\r\n", ""), CHUNK(-400, "0\r\nAb\r\n", ""),
        CHUNK(-400, "0\r\n: b\r\n", ""), CHUNK(-400, "0\r\n A: b\r\n", ""),
        CHUNK(-400, "0\r\nA : b\r\n", ""), CHUNK(-400, "0\r\nA: b\n", ""),
        CHUNK(-400, "0\r\nA: \0\r\n", ""), CHUNK(-400, "0\r\nA: b\r\n c\r\n", ""),
        CHUNK(-400, "0\r\n\rx", "")};
    char   out[300], again[300];
    size_t i, step, n, m, used, used_again;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int rc = decode(cases[i].text, cases[i].len, 0, out, &n, &used);
        int       every = 1;
        for (step = 1; step < cases[i].len; step++)
            every &= decode(cases[i].text, cases[i].len, step, again, &m, &used_again) == rc &&
                     m == n && used == used_again && memcmp(out, again, n) == 0;
        if (!ok(every && rc == cases[i].want && n == strlen(cases[i].body) &&
                    memcmp(out, cases[i].body, n) == 0,
                "chunked %d, case %u, \"%.12s\"", cases[i].want, (unsigned)i, cases[i].body))
            printf("#   got %d, %u bytes, %s\n", rc, (unsigned)n,
                every ? "in every cut" : "not in every cut");
    }
    decode("1\r\na\r\n0\r\n\r\nGET /", 16, 0, out, &n, &used);
    is_int(used, 11, "what follows the body is not used");
}

/* What a body with n bytes of x between two texts comes to. */
static int extra(sse__chunked *d, char *room, const char *before, size_t n, const char *after) {
    size_t used, made;
    int    rc;
    sse__chunked_init(d, UINT64_MAX);
    rc = sse__chunked_decode(d, strcpy(room, before), strlen(before), &used, &made);
    while (rc == 0 && n--) rc = sse__chunked_decode(d, strcpy(room, "x"), 1, &used, &made);
    return rc ? rc : sse__chunked_decode(d, strcpy(room, after), strlen(after), &used, &made);
}

static void test_chunked_bounds(void) {
    sse__chunked d;
    char         text[64];
    size_t       used, made, i;
    int          rc = 0;
    sse__chunked_init(&d, UINT64_MAX);
    for (i = 0; rc == 0 && i < 20000; i++)
        rc = sse__chunked_decode(&d, (char *)memcpy(text, "1;12345678\r\na\r\n", 15), 15, &used,
            &made);
    ok(rc == -400 && i > 1000, "extensions are bounded over all chunks");
    is_int(sse__chunked_decode(&d, text, 1, &used, &made), -400, "a refusal stays");
    sse__chunked_init(&d, 0);
    rc = sse__chunked_decode(&d, (char *)memcpy(text, "0\r\n", 3), 3, &used, &made);
    for (i = 0; rc == 0 && i < 20000; i++)
        rc = sse__chunked_decode(&d, (char *)memcpy(text, "a: b\r\n", 6), 6, &used, &made);
    is_int(rc, -431, "trailers are bounded");
    for (i = 0; i < 2; i++) {
        is_int(extra(&d, text, "1;", 16383 + i, "\r\na"), i ? -400 : 0,
            "extensions of 16 KiB with the line's end, and one more");
        is_int(extra(&d, text, "0\r\nabc:", 16378 + i, "\r\n\r\n"), i ? -431 : 1,
            "trailers of 16 KiB, names and the ends of lines included, and one more");
    }
    sse__chunked_init(&d, UINT64_MAX);
    memcpy(text, "ffffffffffffffff\r\na", 19);
    rc = sse__chunked_decode(&d, text, 19, &used, &made);
    ok(rc == 0 && made == 1 && text[0] == 'a',
        "a size of 64 bits is read as it is when there is no limit");
}

static void test_paths(void) {
    static const char *const cases[][2] = {
        {"/", "/"},
        {"", "/"},
        {"/a/b", "/a/b"},
        {"/a//b/", "/a//b/"},
        {"/a%20b+c", "/a b+c"},
        {"/caf%C3%A9", "/caf\xc3\xa9"},
        {"/%E2%82%AC%F0%9F%98%80", "/\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"/%41%7e", "/A~"},
        {"/...", "/..."},
        {"/a..b/..c/d..", "/a..b/..c/d.."},
        {"/.hidden", "/.hidden"},
        {"/%2525", "/%25"},
        {"/%252e%252e/", "/%2e%2e/"},
        {"*", "*"},
        {"/%3F%23", "/?#"},
        {"/a;..;/b", "/a;..;/b"},
        {"/..", NULL},
        {"/../a", NULL},
        {"/a/../b", NULL},
        {"/a/..", NULL},
        {"/.", NULL},
        {"/./a", NULL},
        {"/a/.", NULL},
        {"/%2e%2e/a", NULL},
        {"/.%2E/a", NULL},
        {"/%2e", NULL},
        {"/a/%2E%2e", NULL},
        {"/a%2fb", NULL},
        {"/a%2Fb", NULL},
        {"/..%2f..%2fetc", NULL},
        {"/a\\b", NULL},
        {"/a%5cb", NULL},
        {"/..%5C", NULL},
        {"/%00", NULL},
        {"/a%00.html", NULL},
        {"/%0d%0a", NULL},
        {"/%1f", NULL},
        {"/%7F", NULL},
        {"/%09", NULL},
        {"/%", NULL},
        {"/%4", NULL},
        {"/%4g", NULL},
        {"/%u0041", NULL},
        {"/%-1", NULL},
        {"/%c0%ae%c0%ae/", NULL},
        {"/%c0%af", NULL},
        {"/%e0%80%af", NULL},
        {"/%f0%80%80%af", NULL},
        {"/%ff", NULL},
        {"/%c3", NULL},
        {"/%a9", NULL},
        {"/%ed%a0%80", NULL},
        {"/%f4%90%80%80", NULL},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = strlen(cases[i][0]);
        char        *out = (char *)malloc(n + 2);
        const int    len = sse__path_decode(out, sse__str(at_wall(cases[i][0], n), n));
        ok(cases[i][1] ? len == (int)strlen(cases[i][1]) && strcmp(out, cases[i][1]) == 0
                       : len == -400,
            "path %s", cases[i][0]);
        free(out);
    }
}

/* Who asks for events, by what browsers, Datastar and others send. */
static void test_askers(void) {
    static const struct {
        const char *method, *fields;
        sse__asker  asker;
    } cases[] = {
        {"GET", "Accept: text/event-stream\r\n", SSE__ASKER_EVENTSOURCE},
        {"GET", "accept:Text/Event-Stream ;charset=utf-8\r\n", SSE__ASKER_EVENTSOURCE},
        {"GET", "Accept: text/event-stream\r\nDatastar-Request: true\r\n", SSE__ASKER_EVENTSOURCE},
        {"GET",
            "Accept: text/event-stream, text/html, application/json\r\nDatastar-Request: true\r\n",
            SSE__ASKER_DATASTAR},
        {"GET", "Datastar-Request: true\r\n", SSE__ASKER_DATASTAR},
        {"GET", "Datastar-Request: false\r\n", SSE__ASKER_PLAIN},
        {"POST",
            "Accept: text/event-stream, text/html, application/json\r\nDatastar-Request: true\r\n",
            SSE__ASKER_PLAIN},
        {"POST", "Accept: text/event-stream\r\n", SSE__ASKER_PLAIN},
        {"HEAD", "Accept: text/event-stream\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/html, text/event-stream\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/event-stream, text/html\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/event-stream\r\nAccept: text/html\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/event-stream;q=0.5, text/html\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/event-stream;q=0\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: text/event-stream;q=0.001\r\n", SSE__ASKER_EVENTSOURCE},
        {"GET", "Accept: text/event-streams\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: */*\r\n", SSE__ASKER_PLAIN},
        {"GET", "Accept: \r\n", SSE__ASKER_PLAIN},
        {"GET", "X-Accept: text/event-stream\r\n", SSE__ASKER_PLAIN},
        {"GET", "", SSE__ASKER_PLAIN},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        char   text[400];
        parsed p;
        snprintf(text, sizeof text, "%s /x HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].method,
            cases[i].fields);
        start(&p);
        feed(&p, text, strlen(text));
        ok(p.rc > 0 && sse__head_asker(&p.h, wall - strlen(text)) == cases[i].asker, "%s %.*s",
            cases[i].method, (int)strcspn(cases[i].fields, "\r"), cases[i].fields);
    }
}

int main(void) {
    build_wall();
    test_skip();
    test_heads();
    test_meaning();
    test_flags();
    test_ids();
    test_limits();
    test_mutations();
    test_chunked();
    test_chunked_bounds();
    test_paths();
    test_askers();
    return tap_done();
}
