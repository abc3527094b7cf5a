/* Fuzzes request heads, chunked and multipart bodies, paths and header values. The first byte
   chooses what the rest is and how it is cut.
   `make fuzz` runs it; `make test` replays its corpus. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include <ctype.h>
#include "fuzz.h"

static void inside(sse_str s, sse_str whole) {
    CHECK(!s.ptr || (s.ptr >= whole.ptr && s.ptr + s.len <= whole.ptr + whole.len));
}

static int head_in_steps(sse__head *h, sse_str in, size_t step) {
    size_t n = 0;
    int    rc = 0;
    for (n = 0; rc == 0 && n <= in.len; n += n < in.len && in.len - n < step ? in.len - n : step) {
        char *p = copy(in.ptr, n);
        rc = sse__head_parse(h, p, n);
        free(p);
    }
    return rc;
}

/* ---- a second reader of request heads: RFC 9112 2 to 6 ---- */

static bool token(sse_str s) {
    size_t i;
    for (i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80 ||
            (!isalnum((unsigned char)s.ptr[i]) &&
                (!s.ptr[i] || !strchr("!#$%&'*+-.^_`|~", s.ptr[i]))))
            return false;
    return s.len > 0;
}

static bool word(sse_str s, const char *w) {
    return s.len == strlen(w) && !strncasecmp(s.ptr, w, s.len);
}

static sse_str before(sse_str *rest, const char *mark) { /* and takes the mark; ptr NULL: none */
    const char *at =
        rest->len ? (const char *)memmem(rest->ptr, rest->len, mark, strlen(mark)) : NULL;
    const sse_str s = sse__str(at ? rest->ptr : NULL, at ? (size_t)(at - rest->ptr) : 0);
    if (at) *rest = sse__str(at + strlen(mark), rest->len - s.len - strlen(mark));
    return s;
}

/* What a head means. Where two could read it differently it is not fine. */
typedef struct meaning {
    bool     fine, has_length, chunked, close, keep, expects, quoted;
    int      minor, fields;
    uint64_t length;
    size_t   bytes;
    sse_str  method, target;
    struct {
        sse_str name, value;
    } at[20];
} meaning;

/* Of an absolute target, which takes the place of what Host says: RFC 9112 3.2.2. */
static sse_str authority(sse_str target) {
    size_t n = 0, i;
    if (target.len > 7 && !strncasecmp(target.ptr, "http://", 7)) n = 7;
    else if (target.len > 8 && !strncasecmp(target.ptr, "https://", 8)) n = 8;
    else return sse__str(NULL, 0);
    for (i = n; i < target.len && target.ptr[i] != '/' && target.ptr[i] != '?';) i++;
    return sse__str(target.ptr + n, i - n);
}

static bool target_fine(sse_str method, sse_str target) {
    const sse_str name = authority(target);
    sse__host     host;
    size_t        i;
    for (i = 0; i < target.len; i++)
        if ((unsigned char)target.ptr[i] <= ' ' || (unsigned char)target.ptr[i] >= 0x7F ||
            target.ptr[i] == '#')
            return false;
    if (!target.len || word(method, "CONNECT"))
        return target.len && !same(method, SSE__LIT("CONNECT"));
    if (same(target, SSE__LIT("*"))) return same(method, SSE__LIT("OPTIONS"));
    if (target.ptr[0] == '/') return true;
    return name.ptr && sse__host_parse(name, &host);
}

static void read_field(meaning *m, sse_str name, sse_str value, int counts[2]) {
    sse__host host;
    size_t    i;
    if (word(name, "host")) m->fine = m->fine && !counts[0]++ && sse__host_parse(value, &host);
    if (word(name, "content-length")) {
        m->fine = m->fine && !m->has_length && value.len;
        m->has_length = true;
        for (i = 0; i < value.len; i++) {
            const unsigned digit = (unsigned)value.ptr[i] - '0';
            if (digit > 9 || m->length > (UINT64_MAX - digit) / 10) m->fine = false;
            else m->length = m->length * 10 + digit;
        }
    }
    if (word(name, "transfer-encoding")) { /* nothing but chunked, once */
        m->fine = m->fine && !counts[1]++ && word(value, "chunked");
        m->chunked = true;
    }
    if (word(name, "expect")) m->expects = true;
    if (!word(name, "connection")) return;
    if (value.len && memchr(value.ptr, '"', value.len)) m->quoted = true;
    while (value.len) {
        sse_str one = before(&value, ",");
        if (!one.ptr) one = value, value.len = 0;
        if (word(strip(one), "close")) m->close = true;
        if (word(strip(one), "keep-alive")) m->keep = true;
    }
}

/* False: it is not all there, or longer than is allowed. */
static bool read_head(sse_str in, meaning *m) {
    const char *start = in.ptr;
    int         counts[2] = {0, 0}; /* Host, Transfer-Encoding */
    size_t      i;
    sse_str     line;
    memset(m, 0, sizeof *m);
    m->fine = true;
    if (in.len > 4096) in.len = 4096;
    do line = before(&in, "\r\n");
    while (line.ptr && !line.len); /* empty lines in front */
    if (!line.ptr) return false;
    for (i = 0; i < line.len; i++)
        if (line.ptr[i] == '\r' || line.ptr[i] == '\n') m->fine = false;
    m->method = before(&line, " ");
    m->target = before(&line, " ");
    if (!token(m->method) || !m->target.ptr || !target_fine(m->method, m->target)) m->fine = false;
    if (line.len != 8 || memcmp(line.ptr, "HTTP/1.", 7) || !isdigit((unsigned char)line.ptr[7]))
        m->fine = false;
    else m->minor = line.ptr[7] != '0';
    while ((line = before(&in, "\r\n")).ptr && line.len) {
        sse_str name = before(&line, ":");
        line = strip(line);
        if (!name.ptr || !token(name) || m->fields == 20) {
            m->fine = false;
            continue;
        }
        for (i = 0; i < line.len; i++)
            if (((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t') || line.ptr[i] == 0x7F)
                m->fine = false;
        m->at[m->fields].name = name;
        m->at[m->fields++].value = line;
        read_field(m, name, line, counts);
        if (word(name, "host") && authority(m->target).ptr)
            m->at[m->fields - 1].value = authority(m->target);
    }
    m->bytes = (size_t)(in.ptr - start);
    if (m->minor && !counts[0]) m->fine = false;
    if (m->chunked && (m->has_length || !m->minor)) m->fine = false;
    return line.ptr != NULL;
}

static void check_head(sse_str in, const sse__head *h, int rc) {
    static meaning m;
    const bool     all = read_head(in, &m);
    int            i;
    if (all && !m.fine) CHECK(rc < 0); /* H3 */
    if (all && m.fine) CHECK(rc > 0 || rc == -501 || rc == -417 || rc == -431);
    if (rc <= 0) return;
    CHECK(all && m.bytes == (size_t)rc && m.minor == h->minor && (uint32_t)m.fields == h->nfields);
    CHECK(same(m.method, sse__slice_str(in.ptr, h->method)) &&
          same(m.target, sse__slice_str(in.ptr, h->target)));
    for (i = 0; i < m.fields; i++)
        CHECK(same(m.at[i].name, sse__slice_str(in.ptr, h->fields[i].name)) &&
              same(m.at[i].value, sse__slice_str(in.ptr, h->fields[i].value)));
    CHECK(m.has_length == h->has_length && m.chunked == h->chunked);
    CHECK(m.length == h->content_length);
    CHECK(h->expect_continue == (m.expects && m.minor && (m.chunked || m.length)));
    if (!m.quoted) CHECK(h->keep_alive == (!m.close && (m.minor || m.keep)));
}

static void fuzz_head(sse_str in, size_t step) {
    sse__field whole_fields[20], fields[20];
    sse__head  whole, h;
    uint32_t   i;
    int        rc;
    sse__head_init(&whole, whole_fields, 20, 4096);
    sse__head_init(&h, fields, 20, 4096);
    rc = sse__head_parse(&whole, in.ptr, in.len);
    check_head(in, &whole, rc);
    CHECK(head_in_steps(&h, in, step) == rc);
    if (rc <= 0) return;
    CHECK((size_t)rc <= in.len && in.ptr[rc - 1] == '\n' && h.nfields == whole.nfields &&
          whole.path.at + whole.path.len <= (uint32_t)rc);
    CHECK(memcmp(&h.method, &whole.method, 5 * sizeof(sse__slice)) == 0 &&
          h.content_length == whole.content_length && h.chunked == whole.chunked &&
          h.keep_alive == whole.keep_alive);
    CHECK(!(h.chunked && h.has_length) && (h.minor == 0 || h.host.len > 0));
    for (i = 0; i < h.nfields; i++) {
        CHECK(memcmp(&fields[i], &whole_fields[i], sizeof *fields) == 0);
        CHECK(fields[i].value.at + fields[i].value.len <= (uint32_t)rc - 4 &&
              sse__is_token(sse__slice_str(in.ptr, fields[i].name)) &&
              sse__all_in_class(sse__slice_str(in.ptr, fields[i].value), SSE__VALUE));
    }
}

/* ---- a second reader of chunked bodies: RFC 9112 7.1 ---- */

enum { LIMIT = 10000 };

static bool value_fine(sse_str s) { /* of a field, or an extension */
    size_t i;
    for (i = 0; i < s.len; i++)
        if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7F) return false;
    return true;
}

/* 1: all is there, and what it says is in out; 0: it is not all there; -1: it is not fine. */
static int read_chunks(sse_str in, char *out, size_t *made, size_t *used) {
    const char *start = in.ptr;
    sse_str     line, name;
    uint64_t    size;
    size_t      n;
    for (*made = 0;; *made += (size_t)size) {
        line = before(&in, "\r\n");
        if (!line.ptr) return 0;
        for (n = 0, size = 0; n < line.len && isxdigit((unsigned char)line.ptr[n]); n++) {
            const int c = tolower((unsigned char)line.ptr[n]);
            size = size * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        if (n < 1 || n > 16 || !value_fine(line)) return -1;
        line = sse__str(line.ptr + n, line.len - n);
        if (line.len && strip(line).ptr[0] != ';') return -1;
        if (line.len && strip(line).len == 0) return -1;
        if (size > LIMIT - *made) return -1;
        if (size == 0) break;
        if (in.len < size) return 0;
        memcpy(out + *made, in.ptr, (size_t)size);
        in = sse__str(in.ptr + size, in.len - (size_t)size);
        if (in.len >= 1 && in.ptr[0] != '\r') return -1;
        if (in.len >= 2 && in.ptr[1] != '\n') return -1;
        if (in.len < 2) return 0;
        in = sse__str(in.ptr + 2, in.len - 2);
    }
    while ((line = before(&in, "\r\n")).ptr && line.len) { /* trailers */
        name = before(&line, ":");
        if (!name.ptr || !token(name) || !value_fine(line)) return -1;
    }
    *used = (size_t)(in.ptr - start);
    return line.ptr != NULL;
}

static void check_chunked(sse_str in, int rc, sse_str body, size_t used) {
    char     *out = copy(in.ptr, in.len);
    size_t    made, at;
    const int want = read_chunks(in, out, &made, &at);
    if (in.len < 16000) { /* of extensions and trailers that is much */
        CHECK(want > 0 ? rc == 1 : want < 0 ? rc < 0 : rc <= 0);
        if (want > 0) CHECK(used == at && same(body, sse__str(out, made)));
    }
    free(out);
}

static void fuzz_chunked(sse_str in, size_t step) {
    sse__chunked whole, d;
    char        *all = copy(in.ptr, in.len), *joined = copy(in.ptr, in.len);
    size_t       used, made, at = 0, n, piece_used, piece_made, total = 0;
    int          rc, piece_rc = 0;
    sse__chunked_init(&whole, LIMIT);
    sse__chunked_init(&d, LIMIT);
    rc = sse__chunked_decode(&whole, all, in.len, &used, &made);
    check_chunked(in, rc, sse__str(all, made), used);
    while (piece_rc == 0 && at < in.len) {
        char *p;
        n = step < in.len - at ? step : in.len - at;
        p = copy(in.ptr + at, n);
        piece_rc = sse__chunked_decode(&d, p, n, &piece_used, &piece_made);
        if (piece_made) memcpy(joined + total, p, piece_made);
        total += piece_made;
        at += piece_used;
        free(p);
    }
    CHECK(piece_rc == rc && at == used && total == made &&
          (made == 0 || memcmp(all, joined, made) == 0));
    free(all);
    free(joined);
}

/* A number made of all events and data. */
static uint64_t parts_in_steps(sse_str in, size_t step, int *event) {
    char           memory[100];
    sse__multipart m;
    uint64_t       sum = 17;
    size_t         at = 0, n, i;
    CHECK(sse__multipart_init(&m, SSE__LIT("multipart/form-data; boundary=XX"), memory,
        sizeof memory));
    for (*event = 0; at < in.len && *event >= 0 && *event != SSE__PART_DONE; at += n) {
        char   *p;
        sse_str piece;
        n = step < in.len - at ? step : in.len - at;
        p = copy(in.ptr + at, n);
        piece = sse__str(p, n);
        while ((*event = sse__multipart_next(&m, &piece)) > 0 && *event != SSE__PART_DONE) {
            if (*event == SSE__PART_DATA)
                for (i = 0; i < m.data.len; i++) sum = sum * 31 + (unsigned char)m.data.ptr[i];
            else
                sum = sum * 31 + 256 + (unsigned)*event +
                      (*event == SSE__PART_BEGIN
                              ? strlen(m.name) + (m.filename ? strlen(m.filename) : 0) +
                                    (m.type ? strlen(m.type) : 0)
                              : 0);
        }
        free(p);
    }
    return sum;
}

static void fuzz_path(sse_str in) {
    char *out = (char *)malloc(in.len + 2);
    int   n = sse__path_decode(out, in);
    if (n >= 0)
        CHECK((size_t)n == strlen(out) && sse__utf8_span(sse__str(out, (size_t)n)) == (size_t)n &&
              !strchr(out, '\\') && !strstr(out, "/../") && !strstr(out, "/./"));
    (void)sse__form_decode(out, in);
    free(out);
}

static void fuzz_values(sse_str in) {
    sse_str     rest, a, b;
    sse__host   host;
    sse__origin origin;
    uint64_t    first = 0, last = 0;
    int64_t     time;
    char        date[30];
    for (rest = in; sse__list_next(&rest, &a); sse__qvalue(a)) inside(a, in);
    for (rest = in; sse__param_next(&rest, &a, &b); inside(b, in)) inside(a, in);
    for (rest = in; sse__pair_next(&rest, '&', &a, &b); inside(b, in)) inside(a, in);
    for (rest = in; sse__cookie_next(&rest, &a, &b); inside(b, in)) inside(a, in);
    for (rest = in; sse__forwarded_last(&rest, &a); inside(sse__forwarded_address(a), in))
        inside(a, in);
    if (sse__host_parse(in, &host)) inside(host.port, in);
    if (sse__origin_parse(in, &origin)) inside(origin.host.name, in);
    if (sse__range(in, 1000, &first, &last) == 206) CHECK(first <= last && last < 1000);
    sse__accept_encoding(in, 7);
    sse__etag_match(in, SSE__LIT("\"a\""), true);
    CHECK(*sse__mime(in));
    if (!sse__date_parse(in, 1700000000, &time)) return;
    sse__date_write(date, time);
    CHECK(sse__date_parse(sse__text(date), 0, &time));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const size_t step = size ? 1 + data[0] / 8 : 1;
    char        *bytes;
    sse_str      in;
    int          event, other;
    if (size < 1) return 0;
    bytes = copy(data + 1, size - 1);
    in = sse__str(bytes, size - 1);
    switch (data[0] % 5) {
    case 0: fuzz_head(in, step); break;
    case 1: fuzz_chunked(in, step); break;
    case 2:
        CHECK(parts_in_steps(in, step, &event) == parts_in_steps(in, in.len + 1, &other) &&
              event == other);
        break;
    case 3: fuzz_path(in); break;
    default: fuzz_values(in);
    }
    free(bytes);
    return 0;
}
