/* form.c: queries, cookies, signed values and multipart bodies, written and read back, and against
   second readers. The first byte chooses what the rest is. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"

/* ---- queries and urlencoded forms ---- */

static int hex(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decoded by a second reader; SIZE_MAX as sse__form_decode says. */
static size_t decoded(char *out, sse_str s) {
    size_t i = 0, n = 0;
    while (i < s.len) {
        int c = (unsigned char)s.ptr[i++];
        if (c == '+') c = ' ';
        else if (c == '%') {
            if (i + 2 > s.len || hex(s.ptr[i]) < 0 || hex(s.ptr[i + 1]) < 0) return SIZE_MAX;
            c = hex(s.ptr[i]) * 16 + hex(s.ptr[i + 1]);
            i += 2;
        }
        if (!c) return SIZE_MAX;
        out[n++] = (char)c;
    }
    return n;
}

static void check_decode(sse_str s) {
    char        *a = (char *)malloc(s.len + 1), *b = (char *)malloc(s.len + 1);
    const size_t n = sse__form_decode(a, s);
    CHECK(n == decoded(b, s) && (n == SIZE_MAX || (memcmp(a, b, n) == 0 && a[n] == '\0')));
    free(a);
    free(b);
}

static void fuzz_query(input *in) {
    const sse_str s = take_text(in, in->left);
    sse_str       rest = s, name, value;
    size_t        at = 0;
    while (sse__pair_next(&rest, '&', &name, &value)) {
        while (at < s.len && s.ptr[at] == '&') at++; /* nothing stands between two of them */
        CHECK(name.ptr == s.ptr + at && !memchr(name.ptr, '&', name.len) &&
              !memchr(name.ptr, '=', name.len));
        at += name.len;
        CHECK(at == s.len || s.ptr[at] == (value.ptr == s.ptr + at ? '&' : '='));
        CHECK(value.ptr == s.ptr + at + (at < s.len && s.ptr[at] == '=') &&
              !memchr(value.ptr, '&', value.len));
        at = (size_t)(value.ptr - s.ptr) + value.len;
        CHECK(at == s.len || s.ptr[at] == '&');
        check_decode(name);
        check_decode(value);
    }
    while (at < s.len && s.ptr[at] == '&') at++;
    CHECK(at == s.len);
}

/* Names and values of the input, written as a query by sse_url, are read back. */
static void fuzz_written_query(input *in) {
    sse_buf query = {NULL, 0, 0, 0};
    sse_str names[8], values[8], rest, a, b;
    char    room[2048];
    int     n = 0, i;
    while (n < 8 && in->left) {
        names[n] = take_until(in, 0);
        values[n] = take_until(in, 0);
        if (names[n].len + values[n].len > 600) break;
        sse_printf(&query, n ? "&" : "");
        sse__escape_url(&query, names[n]);
        sse_puts(&query, "=");
        sse__escape_url(&query, values[n++]);
    }
    rest = sse__str(query.ptr, query.len);
    for (i = 0; i < n; i++) {
        size_t len;
        CHECK(sse__pair_next(&rest, '&', &a, &b));
        len = sse__form_decode(room, a);
        CHECK(same(sse__str(room, len), names[i]));
        len = sse__form_decode(room, b);
        CHECK(same(sse__str(room, len), values[i]));
    }
    CHECK(!sse__pair_next(&rest, '&', &a, &b));
    sse_buf_free(&query);
}

/* ---- cookies: RFC 6265 ---- */

static void fuzz_cookies(input *in) {
    const sse_str s = take_text(in, in->left);
    sse_str       rest = s, name, value;
    size_t        from = 0, to, eq;
    for (; from <= s.len; from = to + 1) {
        sse_str n, v;
        for (to = from; to < s.len && s.ptr[to] != ';';) to++;
        for (eq = from; eq < to && s.ptr[eq] != '=';) eq++;
        n = strip(sse__str(s.ptr + from, eq - from));
        v = eq < to ? strip(sse__str(s.ptr + eq + 1, to - eq - 1)) : sse__str("", 0);
        if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"')
            v = sse__str(v.ptr + 1, v.len - 2);
        if (!n.len) continue;
        CHECK(sse__cookie_next(&rest, &name, &value) && same(n, name) && same(v, value));
    }
    CHECK(!sse__cookie_next(&rest, &name, &value));
}

/* ---- signed values ---- */

static void check_unsign(const char *secrets, const char *text, uint64_t now, sse_str want) {
    sse_buf out = {NULL, 0, 0, 0};
    CHECK(sse__unsign_at(&out, secrets, text, 100, now) == (want.ptr ? SSE_OK : SSE_E_SIGNATURE));
    CHECK(same(sse__str(out.ptr, out.len), want));
    sse_buf_free(&out);
}

/* What was signed is read back, with the same secret as an old one too, and within its age. Nothing
   else is: not with a byte changed, left out or added. */
static void fuzz_signed(input *in) {
    static const char *const secrets[] = {"a b", "key", "base64:AAECAw==", "base64:_-8 x", "  x "};
    static const char *const olds[] = {"new a", "  key", "z base64:AAECAw==", "base64:_-8", "y x"};
    const unsigned k = take(in) % SSE__COUNT(secrets), place = (unsigned)take_number(in, 2);
    const unsigned byte = take(in), how = take(in) % 4;
    const uint64_t now = take_number(in, 5), age = take(in);
    const sse_str  value = take_until(in, 0);
    sse_buf        text = {NULL, 0, 0, 0};
    char          *own = sse__strdup(value), *at;
    CHECK(sse__sign_at(&text, secrets[k], own, now) == SSE_OK);
    (void)sse_buf_text(&text);
    check_unsign(secrets[k], text.ptr, now, sse__text(own));
    check_unsign(olds[k], text.ptr, now, sse__text(own));
    check_unsign("other", text.ptr, now, sse__str(NULL, 0));
    check_unsign(secrets[k], text.ptr, now + age, age <= 100 ? sse__text(own) : sse__str(NULL, 0));
    if (now >= age)
        check_unsign(secrets[k], text.ptr, now - age,
            age <= 60 ? sse__text(own) : sse__str(NULL, 0));
    at = text.ptr + place % text.len;
    if (how == 0 && (char)byte != *at) *at = (char)byte;
    else if (how == 1) memmove(at, at + 1, strlen(at));
    else if (how == 2 && byte) {
        char rest[3000];
        snprintf(rest, sizeof rest, "%s", at);
        sse_printf(&text, "%s", " ");
        (void)sse_buf_text(&text);
        at = text.ptr + place % (text.len - 1);
        snprintf(at, text.cap - (size_t)(at - text.ptr), "%c%s", (char)byte, rest);
    } else text.len = 0;
    if (text.len) check_unsign(secrets[k], text.ptr, now, sse__str(NULL, 0));
    sse_buf_free(&text);
    SSE_FREE(own);
}

static void fuzz_unsigned(input *in) { /* nobody can sign without the secret */
    char *text = sse__strdup(take_text(in, in->left));
    check_unsign("secret", text, 1700000000, sse__str(NULL, 0));
    SSE_FREE(text);
}

/* ---- multipart: RFC 7578 ---- */

enum { PARTS = 6 };
struct part {
    char   *name, *filename, *type;
    sse_buf data;
};

static const char *or_none(const char *s) { return s ? s : "(none)"; }

/* Reads a body in pieces. Returns how many parts were whole, or an error. */
static int read_parts(sse_str body, size_t step, struct part parts[PARTS]) {
    char           memory[512];
    sse__multipart m;
    size_t         at, take_now;
    int            n = -1, event = 0;
    CHECK(sse__multipart_init(&m, SSE__LIT("multipart/form-data; boundary=\"b c\""), memory,
        sizeof memory));
    for (at = 0; at < body.len && event >= 0 && event != SSE__PART_DONE; at += take_now) {
        char   *own;
        sse_str piece;
        take_now = step < body.len - at ? step : body.len - at;
        own = copy(body.ptr + at, take_now);
        piece = sse__str(own, take_now);
        while ((event = sse__multipart_next(&m, &piece)) > 0 && event != SSE__PART_DONE) {
            if (event == SSE__PART_BEGIN && n + 1 < PARTS) {
                n++;
                parts[n].name = strdup(m.name);
                parts[n].filename = strdup(or_none(m.filename));
                parts[n].type = strdup(or_none(m.type));
            } else if (event == SSE__PART_DATA && n >= 0)
                sse_raw(&parts[n].data, m.data.ptr, m.data.len);
        }
        free(own);
    }
    return event == SSE__PART_DONE ? n + 1 : event < 0 ? event : -1;
}

static void free_parts(struct part parts[PARTS]) {
    int i;
    for (i = 0; i < PARTS; i++) {
        free(parts[i].name);
        free(parts[i].filename);
        free(parts[i].type);
        sse_buf_free(&parts[i].data);
    }
}

/* As a browser does, which writes no quotes, or as a client that escapes these. */
static void put_quoted(sse_buf *b, const char *s) {
    const bool escaped = strchr(s, '"') != NULL;
    for (; *s; s++) {
        if (escaped && (*s == '"' || *s == '\\')) sse_puts(b, "\\");
        sse_raw(b, s, 1);
    }
}

static char *take_word(input *in) { /* without controls */
    char  *s = sse__strdup(take_until(in, 0)), *p;
    size_t n = strlen(s);
    if (n > 60) s[60] = '\0';
    for (p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = '_';
    return s;
}

/* What a browser would write is read as it was meant, however it is cut. */
static void fuzz_written_parts(input *in) {
    static const char delimiter[] = "\r\n--b c";
    struct part       want[PARTS], got[PARTS];
    const size_t      step = 1 + take(in);
    sse_buf           body = {NULL, 0, 0, 0};
    int               n = 0, i;
    memset(want, 0, sizeof want);
    memset(got, 0, sizeof got);
    if (step & 1) sse_puts(&body, "preamble\r\n");
    sse_puts(&body, delimiter + 2);
    while (n < PARTS && in->left) {
        struct part   *p = &want[n];
        const unsigned k = take(in);
        p->name = take_word(in);
        p->filename = k & 1 ? take_word(in) : strdup("(none)");
        /* behind a name that ends in a backslash it could be read in two ways */
        if (p->filename[strspn(p->filename, " ")] == ';') p->filename[0] = '_';
        p->type = strdup(k & 2 ? "text/x; a=b" : "(none)");
        sse__put_str(&p->data, take_text(in, k & 4 ? take(in) * 10 : take(in) % 32));
        (void)sse_buf_text(&p->data);
        sse_puts(&body, k & 8 ? " \t\r\n" : "\r\n");
        if (k & 2 && k & 16) sse_puts(&body, "Content-Type: text/x; a=b\r\n");
        sse_puts(&body, "content-disposition:form-data; name=\"");
        put_quoted(&body, p->name);
        if (k & 1) sse_puts(&body, "\"; filename=\"");
        if (k & 1) put_quoted(&body, p->filename);
        sse_puts(&body, "\"\r\n");
        if (k & 2 && !(k & 16)) sse_puts(&body, "Content-Type:  text/x; a=b \r\n");
        sse_puts(&body, "\r\n");
        sse__put_str(&body, sse__str(p->data.ptr, p->data.len));
        sse_puts(&body, delimiter + (k & 32 && !p->data.len ? 2 : 0)); /* the blank line ends it */
        n++;
        if (p->data.len && (memmem(p->data.ptr, p->data.len, delimiter, 7) ||
                               (p->data.len > 4 && !memcmp(p->data.ptr, delimiter + 2, 5))))
            goto done; /* it holds what no browser lets it */
    }
    if (n == 0) goto done;
    sse_puts(&body, "--\r\nepilogue");
    CHECK(read_parts(sse__str(body.ptr, body.len), step, got) == n);
    for (i = 0; i < n; i++) {
        CHECK(!strcmp(want[i].name, got[i].name) && !strcmp(want[i].type, got[i].type));
        CHECK(!strcmp(want[i].filename, got[i].filename));
        CHECK(same(sse__str(want[i].data.ptr, want[i].data.len),
            sse__str(got[i].data.ptr, got[i].data.len)));
    }
done:
    free_parts(want);
    free_parts(got);
    sse_buf_free(&body);
}

/* Any bytes give the same parts however they are cut. */
static void fuzz_parts(input *in) {
    struct part   a[PARTS], b[PARTS];
    const size_t  step = 1 + take(in);
    const sse_str body = take_text(in, in->left);
    int           n, i;
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    n = read_parts(body, step, a);
    CHECK(n == read_parts(body, body.len + 1, b));
    for (i = 0; i < PARTS; i++) {
        CHECK(!a[i].name == !b[i].name);
        CHECK(same(sse__str(a[i].data.ptr, a[i].data.len), sse__str(b[i].data.ptr, b[i].data.len)));
        if (a[i].name)
            CHECK(!strcmp(a[i].name, b[i].name) && !strcmp(a[i].filename, b[i].filename) &&
                  !strcmp(a[i].type, b[i].type));
    }
    free_parts(a);
    free_parts(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    switch (take(&in) % 7) {
    case 0: fuzz_query(&in); break;
    case 1: fuzz_written_query(&in); break;
    case 2: fuzz_cookies(&in); break;
    case 3: fuzz_signed(&in); break;
    case 4: fuzz_unsigned(&in); break;
    case 5: fuzz_written_parts(&in); break;
    default: fuzz_parts(&in);
    }
    free(own);
    return 0;
}
