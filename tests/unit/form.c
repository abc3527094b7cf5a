/* Queries, cookies, and multipart bodies: each of these whole, cut in two at every byte, and byte
   by byte. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static const char *pairs(const char *text, int cookies) { /* "name=value|name=value" */
    static char out[300];
    sse_str     rest = sse__text(text), name, value;
    out[0] = '\0';
    while (cookies ? sse__cookie_next(&rest, &name, &value)
                   : sse__pair_next(&rest, '&', &name, &value))
        snprintf(out + strlen(out), 100, "%s%.*s=%.*s", *out ? "|" : "", SSE_STR(name),
            SSE_STR(value));
    return out;
}

static bool form_is(const char *s, size_t n, const char *word) { /* s where its memory ends */
    char *exact = (char *)memcpy(malloc(n), s, n);
    bool  is = sse__form_is(sse__str(exact, n), sse__text(word));
    free(exact);
    return is;
}

static void test_pairs(void) {
    char    out[40];
    sse_str rest, name, value;
    is_str(pairs("a=1&b=2", 0), "a=1|b=2", "pairs");
    is_str(pairs("a&b=&=c&&d=e=f&", 0), "a=|b=|=c|d=e=f",
        "without '=', value or name; the first '=' counts");
    is_str(pairs("", 0), "", "nothing");
    rest = SSE__LIT("&a");
    ok(sse__pair_next(&rest, '&', &name, &value) && value.ptr && !value.len,
        "an empty value is not an absent one");
    ok(!sse__pair_next(&rest, '&', &name, &value), "... and no pair follows it");
    is_str(pairs("a=%26%3D+&b;c=1", 0), "a=%26%3D+|b;c=1", "pieces are not decoded yet");
    ok(sse__form_decode(out, SSE__LIT("a%26%3d+%2B")) == 5 && strcmp(out, "a&= +") == 0,
        "decoding");
    ok(sse__form_decode(out, SSE__LIT("")) == 0 && out[0] == '\0' &&
            sse__form_decode(out, sse__str(NULL, 0)) == 0,
        "of nothing");
    ok(sse__form_decode(out, SSE__LIT("100%")) == SIZE_MAX &&
            sse__form_decode(out, SSE__LIT("%4x")) == SIZE_MAX &&
            sse__form_decode(out, SSE__LIT("a%00b")) == SIZE_MAX &&
            sse__form_decode(out, SSE__LIT("a\0b")) == SIZE_MAX,
        "a bare percent and a NUL are refused");
    ok(sse__form_is(SSE__LIT("page"), SSE__LIT("page")) &&
            sse__form_is(SSE__LIT("%70a%67e"), SSE__LIT("page")) &&
            sse__form_is(SSE__LIT("a+%2B"), SSE__LIT("a +")),
        "a name is compared decoded");
    ok(!sse__form_is(SSE__LIT("page"), SSE__LIT("pag")) &&
            !sse__form_is(SSE__LIT("pag"), SSE__LIT("page")) &&
            !sse__form_is(SSE__LIT("pag%6"), SSE__LIT("page")) &&
            !sse__form_is(SSE__LIT("%00"), SSE__LIT("%00")) &&
            !sse__form_is(SSE__LIT("page%"), SSE__LIT("page%")) &&
            !sse__form_is(SSE__LIT(""), SSE__LIT("page")),
        "and all of it");
    ok(form_is("a%62", 4, "ab") && !form_is("a%62", 3, "ab") && !form_is("a%62", 2, "ab") &&
            !form_is("a%62", 2, "a"),
        "a percent at its end has no digits");
    is_str(pairs("a=1; b=2;c=\"3\" ;  d = 4", 1), "a=1|b=2|c=3|d=4", "cookies");
    is_str(pairs("a; =b; c d=e; f=\"; g=a=b==; h=", 1), "a=|c d=e|f=\"|g=a=b==|h=", "odd cookies");
    is_str(pairs("user[theme]=dark; a@b=1;\"c\"=2; caf\xc3\xa9 =3; =4;\t=5", 1),
        "user[theme]=dark|a@b=1|\"c\"=2|caf\xc3\xa9=3", "names are what browsers take for one");
    is_str(pairs("a=\"\"; b=\"; c=\"\"\"; d=\"1; e=1\"; f=\"\" ", 1),
        "a=|b=\"|c=\"|d=\"1|e=1\"|f=", "quotes in pairs, around all of a value");
    is_str(pairs("", 1), "", "no cookies");
}

static int init(sse__multipart *m, const char *type, char *memory, size_t size) {
    return sse__multipart_init(m, sse__text(type), memory, size);
}

/* Runs a body in pieces: the first one of `first` bytes, the others of `step`. Writes what came as
   text. */
static const char *run(const char *body, size_t len, size_t first, size_t step, size_t size) {
    static char    out[2][2000];
    static int     turn;
    char          *o = out[turn++ & 1], *memory = (char *)malloc(size), *end = o;
    sse__multipart m;
    sse_str        another = sse__text("x");
    size_t         at = 0;
    int            event = 0;
    init(&m, "multipart/form-data; boundary=XX", memory, size);
    *o = '\0';
    while (at < len && event != SSE__PART_DONE && event >= 0) {
        const size_t n = (at ? step : first) < len - at ? (at ? step : first) : len - at;
        char        *piece = (char *)memcpy(malloc(n ? n : 1), body + at, n);
        sse_str      in = sse__str(piece, n);
        at += n;
        if (n == 0) first = step;
        while ((event = sse__multipart_next(&m, &in)) > 0 && event != SSE__PART_DONE) {
            if (event == SSE__PART_BEGIN)
                end += sprintf(end, "{%s,%s,%s:", m.name, m.filename ? m.filename : "-",
                    m.type ? m.type : "-");
            if (event == SSE__PART_DATA) {
                memcpy(end, m.data.ptr, m.data.len);
                end += m.data.len;
            }
            if (event == SSE__PART_END) *end++ = '}';
        }
        if (event != SSE__PART_DONE && event >= 0 && in.len) end += sprintf(end, "(left over)");
        free(piece);
    }
    if (event == SSE__PART_DONE) end += sprintf(end, ".");
    if (event < 0) end += sprintf(end, "%d", event);
    another = sse__text("x");
    if (event && (sse__multipart_next(&m, &another) != event || another.len))
        end += sprintf(end, "(did not stay)");
    *end = '\0';
    free(memory);
    return o;
}

#define PART(headers, data) \
    "--XX\r\nContent-Disposition: form-data; " headers "\r\n\r\n" data "\r\n"
#define BARE(headers) "--XX\r\nContent-Disposition: form-data; " headers "\r\n\r\n"

static void test_multipart(void) { /* M1 */
    static const struct {
        const char *body, *want;
    } cases[] = {
        {PART("name=a", "1") "--XX--\r\n", "{a,-,-:1}."},
        {PART("name=\"a\"", "") "--XX--", "{a,-,-:}."},
        {PART("name=a", "1") PART("name=b", "2") "--XX--\r\nepilogue", "{a,-,-:1}{b,-,-:2}."},
        {"preamble\r\nmore\r\n" PART("name=a", "1") "--XX--", "{a,-,-:1}."},
        {"\r\n" PART("name=a", "1") "--XX--", "{a,-,-:1}."},
        {"--X\r\n" PART("name=a", "1") "--XX--", "{a,-,-:1}."},
        {"--XX--\r\n", "."},
        {PART("name=a", "\r\n\r\n-\r\r\n--X\r\n--\r\n\r\n--Y--XX") "--XX--",
            "{a,-,-:\r\n\r\n-\r\r\n--X\r\n--\r\n\r\n--Y--XX}."},
        {PART("name=a", "\r\n") "--XX--", "{a,-,-:\r\n}."},
        {PART("name=\"f\"; filename=\"a \\\"b\\\".txt\"\r\nContent-Type: text/plain; x=\"y\" ",
             "hi") "--XX--",
            "{f,a \"b\".txt,text/plain; x=\"y\":hi}."},
        {PART("filename=\"C:\\dir\\x;y=1\"; NAME=f", "") "--XX--", "{f,C:\\dir\\x;y=1,-:}."},
        {PART("name=f; filename=\"\\\\srv\\x\"", "") "--XX--", "{f,\\\\srv\\x,-:}."},
        {PART("name=f; filename=\"notes\\\"", "hi") "--XX--", "{f,notes\\,-:hi}."},
        {PART("name=f; filename=\"notes\\\\\"", "hi") "--XX--", "{f,notes\\\\,-:hi}."},
        {PART("name=f; filename=\"\\\" ", "") "--XX--", "{f,\\,-:}."},
        {PART("name=\"f\\\"; filename=\"a\"", "") "--XX--", "{f\\,a,-:}."},
        {PART("name = \"f\\\" ; filename=\"a\\\"", "") "--XX--", "{f\\,a\\,-:}."},
        {PART("name=\"f\\\"; filename=\"\"", "") "--XX--", "{f\\,,-:}."},
        {PART("name=\"f\\\"; filename=a", "") "--XX--", "{f\\,a,-:}."},
        {PART("name=\"f\\\"; filename=\"a \\\"b\\\"\"", "") "--XX--", "{f\\,a \"b\",-:}."},
        {PART("name=f; filename=\"a\\\"; name=\\\"b\"", "") "--XX--", "{f,a\"; name=\"b,-:}."},
        {PART("name=f; filename=\"a\\\\\\\"b\\\\\"", "") "--XX--", "{f,a\\\"b\\,-:}."},
        {PART("name=f; filename=\"a%22b\"", "") "--XX--", "{f,a%22b,-:}."},
        {PART("name=f; filename=\"\"", "") "--XX--", "{f,,-:}."},
        {PART("name=f; filename=\"x\"; filename*=UTF-8''caf%C3%A9.txt", "") "--XX--",
            "{f,caf\xc3\xa9.txt,-:}."},
        {PART("name=f; filename*=utf-8'en'a%20b", "") "--XX--", "{f,a b,-:}."},
        {PART("name=f; filename=x; filename*=ISO-8859-1''caf%E9", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8''%E9", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8''a%00b", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8''a%0Ab", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8''%4", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8'a", "") "--XX--", "{f,x,-:}."},
        {PART("name=f; filename=x; filename*=UTF-8", "") "--XX--", "{f,x,-:}."},
        {PART("name=\"caf\xc3\xa9\"\r\nX-Other: y", "z") "--XX--", "{caf\xc3\xa9,-,-:z}."},
        {"--XX \t\r\nX: y\r\ncontent-disposition:form-data;name=a\r\n\r\n1\r\n--XX \r\n"
         "Content-Disposition: form-data; name=b\r\n\r\n\r\n--XX--",
            "{a,-,-:1}{b,-,-:}."},
        {BARE("name=a") "--XX--", "{a,-,-:}."},
        {BARE("name=a") PART("name=b", "2") "--XX--", "{a,-,-:}{b,-,-:2}."},
        {PART("name=a", "1") BARE("name=b") BARE("name=c") "--XX--", "{a,-,-:1}{b,-,-:}{c,-,-:}."},
        {BARE("name=a") "--XX", "{a,-,-:}"},
        {BARE("name=a") "--X", "{a,-,-:"},
        {PART("name=a", "--X") "--XX--", "{a,-,-:--X}."},
        {PART("name=a", "-\r\n-\r\n--X") "--XX--", "{a,-,-:-\r\n-\r\n--X}."},
        {PART("name=a", "--X\r\n--X") "--XX--", "{a,-,-:--X\r\n--X}."},
        {PART("name=a", "\n--XX") "--XX--", "{a,-,-:\n--XX}."},
        {PART("name=a", "1"), "{a,-,-:1"},
        {PART("name=a", "1") "--XX", "{a,-,-:1}"},
        {PART("name=a", "1") "--XX-", "{a,-,-:1}"},
        {"--XX\r\nContent-Dis", ""},
        {"preamble", ""},
        {PART("name=a", "1") "--XXY\r\n", "{a,-,-:1}-400"},
        {PART("name=a", "1") "--XX-\r\n", "{a,-,-:1}-400"},
        {PART("name=a", "1") "--XX\n", "{a,-,-:1}-400"},
        {PART("name=a", "1") "--XX\rX", "{a,-,-:1}-400"},
        {"--XX\r\n\r\nhi\r\n--XX--", "-400"},
        {"--XX\r\nContent-Type: a/b\r\n\r\nhi", "-400"},
        {PART("filename=a", ""), "-400"},
        {PART("name", ""), "-400"},
        {PART("name=\"a", ""), "-400"},
        {PART("name=a; name=b", ""), "-400"},
        {PART("name=f; filename=x; filename=y", ""), "-400"},
        {PART("name=\"a\"b", ""), "-400"},
        {PART("name; filename=\"a\"", ""), "-400"},
        {PART("name=\"a\\\"b", ""), "-400"},
        {PART("name=f; filename=\"a\\", ""), "-400"},
        {PART("name=f; filename=\"a\\\"b\"c\"", ""), "-400"},
        {"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n", "-400"},
        {"--XX\r\nContent-Disposition:\r\n\r\n", "-400"},
        {PART("name=a\r\nContent-Disposition: form-data; name=b", ""), "-400"},
        {PART("name=a\r\nContent-Disposition: form-data; filename=b", ""), "-400"},
        {PART("name=a\r\nContent-Type: a/b\r\nContent-Type: a/b", ""), "-400"},
        {PART("name=a\r\n folded", ""), "-400"},
        {PART("name=a\r\nnocolon", ""), "-400"},
        {PART("name=a\r\nX : y", ""), "-400"},
        {PART("name=a\r\n: y", ""), "-400"},
        {"--XX\r\nContent-Disposition: form-data; name=a\n\n", "-400"},
        {"--XX\r\nContent-Disposition: form-data; name=a\r\r\n", "-400"},
        {"--XX\r\nX: \x01\r\n", "-400"},
        {PART(
             "name=a\r\n"
             "X: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
             "234567890123456789012345678901234567890",
             ""),
            "-431"},
    };
    size_t i, k;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        const size_t len = strlen(cases[i].body);
        int          every = strcmp(run(cases[i].body, len, 1, 1, 160), cases[i].want) == 0;
        for (k = 0; k <= len; k++)
            every &= strcmp(run(cases[i].body, len, k, len, 160), cases[i].want) == 0;
        for (k = 2; k < 20; k++)
            every &= strcmp(run(cases[i].body, len, k, k, 160), cases[i].want) == 0;
        if (!ok(every, "multipart, case %u", (unsigned)i)) {
            tap_show("body", cases[i].body, len);
            tap_show("want", cases[i].want, strlen(cases[i].want));
            tap_show("got whole", run(cases[i].body, len, len, len, 160),
                strlen(run(cases[i].body, len, len, len, 160)));
        }
    }
}

static void test_multipart_memory(void) { /* ASan watches the memory, of any size */
    static const char body[] =
        PART("name=\"abc\"; filename=\"def\"; filename*=UTF-8''ghi\r\nContent-Type: a/b",
            "1") "--XX--";
    static const char least[] = PART("name=a", "1") "--XX--";
    size_t            size, refused = 0, taken = 0;
    for (size = 0; size < 200; size++) {
        const char *got = run(body, sizeof body - 1, 7, 7, size);
        refused += strcmp(got, "-431") == 0;
        taken += strcmp(got, "{abc,ghi,a/b:1}.") == 0;
    }
    ok(refused + taken == 200 && refused > 50 && taken > 50,
        "headers fit the memory given or are refused");
    for (size = 0; strcmp(run(least, sizeof least - 1, 7, 7, size), "-431") == 0;) size++;
    is_int(size, strlen("Content-Disposition: form-data; name=a\r\n\r\n"),
        "headers as long as the memory fit");
    is_str(run(least, sizeof least - 1, 7, 7, size), "{a,-,-:1}.", "and are read");
}

static void test_boundaries(void) {
    sse__multipart m;
    char           memory[10], type[200];
    ok(init(&m, "Multipart/Form-Data; charset=x; Boundary=\"a b'()+_,-./:=?\"", memory, 10),
        "a quoted boundary of all characters");
    ok(init(&m, "multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", memory, 10),
        "a browser's");
    snprintf(type, sizeof type, "multipart/form-data; boundary=%070d", 0);
    ok(init(&m, type, memory, 10), "one of 70 bytes");
    snprintf(type, sizeof type, "multipart/form-data; boundary=%071d", 0);
    ok(!init(&m, type, memory, 10), "71 are too many");
    ok(!init(&m, "multipart/form-data", memory, 10) &&
            !init(&m, "multipart/form-data; boundary=", memory, 10) &&
            !init(&m, "multipart/form-data; boundary=\"a ", memory, 10) &&
            !init(&m, "multipart/form-data; boundary=\"a \"", memory, 10) &&
            !init(&m, "multipart/form-data; boundary=a@b", memory, 10) &&
            !init(&m, "multipart/form-data; boundary=\"a\\\"b\"", memory, 10),
        "missing and malformed boundaries");
    ok(!init(&m, "multipart/mixed; boundary=a", memory, 10) &&
            !init(&m, "text/plain; boundary=a", memory, 10) &&
            !sse__multipart_init(&m, sse__str(NULL, 0), memory, 10),
        "other types");
}

int main(void) {
    test_pairs();
    test_multipart();
    test_multipart_memory();
    test_boundaries();
    return tap_done();
}
