/* Events on the wire: what is written for each field, what is refused, and that a browser reads
   back what was put in. */
#include <stddef.h>
static void *try_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     try_realloc(NULL, n)
#define SSE_REALLOC(p, n) try_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static long  fail_at; /* the Nth allocation from now fails; 0: none does */
static void *try_realloc(void *p, size_t n) {
    return fail_at && --fail_at == 0 ? NULL : realloc(p, n);
}

static sse_event none(void) {
    sse_event e;
    memset(&e, 0, sizeof e);
    return e;
}

static void writes(const sse_event *e, const char *want, const char *name) {
    sse_buf b = {NULL, 0, 0, SSE_OK};
    int     error = sse_event_write(&b, e);
    is_str(error ? sse_error_text(error) : sse_buf_text(&b), want, name);
    sse_buf_free(&b);
}

/* ... and leaves what was in the buffer */
static void refuses(const sse_event *e, int want, const char *name) {
    sse_buf b = {NULL, 0, 0, SSE_OK};
    int     error;
    sse_puts(&b, "before");
    error = sse_event_write(&b, e);
    ok(error == want && b.error == SSE_OK && strcmp(sse_buf_text(&b), "before") == 0, "refused: %s",
        name);
    if (error != want) printf("#   %s\n#   %s\n", sse_error_text(error), sse_buf_text(&b));
    sse_buf_free(&b);
}

static void data(const char *text, const char *want, const char *name) {
    sse_event e = none();
    e.data = text;
    writes(&e, want, name);
}

static void test_data(void) {
    sse_event e = none();
    data("hello", "data: hello\n\n", "data");
    data("", "data: \n\n", "empty data is one empty line");
    data("a\nb", "data: a\ndata: b\n\n", "LF starts a line");
    data("a\rb", "data: a\ndata: b\n\n", "a lone CR starts a line");
    data("a\r\nb", "data: a\ndata: b\n\n", "CR LF starts one line");
    data("a\n\rb", "data: a\ndata: \ndata: b\n\n", "LF CR are two line breaks");
    data("\r\r\n\n", "data: \ndata: \ndata: \ndata: \n\n", "line breaks alone");
    data("a\n", "data: a\ndata: \n\n", "a line break at the end");
    data(" a", "data:  a\n\n", "a leading space is kept: the browser drops one");
    data("a\r\nid: 7\r\rretry: 1\n\ndata: x",
        "data: a\ndata: id: 7\ndata: \ndata: retry: 1\ndata: \ndata: data: x\n\n",
        "data cannot begin a field");
    data("\xE2\x82\xAC \xF0\x9F\x90\x9F \xFF", "data: \xE2\x82\xAC \xF0\x9F\x90\x9F \xFF\n\n",
        "bytes past ASCII go as they are");
    e.data = "a\0b\nc\r...";
    e.data_len = 6;
    {
        sse_buf b = {NULL, 0, 0, SSE_OK};
        is_int(sse_event_write(&b, &e), 0, "data with a length");
        is_mem(b.ptr, b.len, "data: a\0b\ndata: c\ndata: \n\n", 26,
            "... may hold NUL, and ends where it says");
        sse_buf_free(&b);
    }
}

static void test_fields(void) {
    sse_event e = none();
    e.event = "tick";
    writes(&e, "event: tick\ndata: \n\n", "a name without data gets an empty line of data");
    e.data = "1";
    writes(&e, "event: tick\ndata: 1\n\n", "name and data");
    e.event = "";
    writes(&e, "data: 1\n\n", "an empty name is none");
    e = none();
    e.id = "";
    writes(&e, "id: \n\n", "an empty id resets");
    e = none();
    e.retry_ms = 1000;
    writes(&e, "retry: 1000\n\n", "retry, also when it is 1000");
    e = none();
    e.comment = "";
    writes(&e, ": \n\n", "an empty comment");
    e.comment = "a\rb\r\ndata: c";
    writes(&e, ": a\n: b\n: data: c\n\n", "a comment of several lines");
    e.event = "e", e.data = "d\nd", e.id = "9-1", e.retry_ms = 2147483647, e.comment = "c";
    e.key = "k", e.ephemeral = true;
    writes(&e, ": c\nevent: e\nid: 9-1\nretry: 2147483647\ndata: d\ndata: d\n\n",
        "all fields, in this order");
}

static void test_refused(void) {
    static const char *const breaks[] = {"a\nb", "a\rb", "a\r\nb", "\n", "a\r", "\ndata: x"};
    sse_event                e;
    size_t                   i;
    for (i = 0; i < SSE__COUNT(breaks); i++) {
        e = none(), e.event = breaks[i], e.data = "x";
        refuses(&e, SSE_E_FIELD, "a line break in event");
        e = none(), e.id = breaks[i], e.data = "x";
        refuses(&e, SSE_E_FIELD, "a line break in id");
    }
    for (i = 1; i < 256; i++) { /* EV3 */
        const bool blank = i == ' ' || i == '\t', control = (i < ' ' && !blank) || i == 0x7F;
        char       id[4], want[20];
        snprintf(id, sizeof id, "a%cb", (int)i),
            snprintf(want, sizeof want, "id: a%cb\n\n", (int)i);
        e = none(), e.id = id;
        if (control) refuses(&e, SSE_E_FIELD, "a control character inside of an id");
        else writes(&e, want, "any other byte inside of an id");
        id[1] = 'a', id[2] = (char)i;
        snprintf(want, sizeof want, "id: %s\n\n", id);
        if (control || blank) refuses(&e, SSE_E_FIELD, "a control character or blank at its end");
        else writes(&e, want, "any other byte at its end");
        id[0] = (char)i, id[2] = 'a';
        snprintf(want, sizeof want, "id: %s\n\n", id);
        if (control || blank) refuses(&e, SSE_E_FIELD, "a control character or blank in front");
        else writes(&e, want, "any other byte in front");
    }
    e = none();
    refuses(&e, SSE_E_ARG, "nothing in it");
    e.key = "k", e.event = "", e.ephemeral = true;
    refuses(&e, SSE_E_ARG, "nothing in it that goes on the wire");
    refuses(NULL, SSE_E_ARG, "NULL");
    e = none(), e.data = "x", e.retry_ms = -1;
    refuses(&e, SSE_E_ARG, "a negative retry");
}

/* A browser's side, WHATWG HTML 9.2.6, for what we write: data of the first event in out. */
static size_t browser_data(const sse_buf *wire, char *out) {
    const char *p = wire->ptr, *end = p + wire->len;
    size_t      n = 0;
    bool        any = false;
    while (p < end && *p != '\n' && *p != '\r') {
        const char *eol = p;
        while (eol < end && *eol != '\n' && *eol != '\r') eol++;
        if (eol - p >= 5 && memcmp(p, "data:", 5) == 0) {
            p += p[5] == ' ' ? 6 : 5;
            if (any) out[n++] = '\n';
            memcpy(out + n, p, (size_t)(eol - p));
            n += (size_t)(eol - p);
            any = true;
        } else if (*p != ':') return (size_t)-1;
        p = eol + 1;
    }
    return p + 1 == end ? n : (size_t)-1; /* nothing may follow the blank line */
}

static uint32_t random_state = 1;
static unsigned random_below(unsigned n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

static void test_round_trip(void) { /* EV1 */
    static const char alphabet[] = {'a', ' ', ':', '\n', '\r', '\0', '\n', 'd', '\xE2', '\x82',
        '\xAC', '\t'};
    int               round, wrong = 0;
    for (round = 0; round < 20000; round++) {
        char      in[64], want[64], got[192];
        size_t    n = 1 + random_below(sizeof in), i, want_len = 0, got_len;
        sse_event e = none();
        sse_buf   b = {NULL, 0, 0, SSE_OK};
        for (i = 0; i < n; i++) in[i] = alphabet[random_below(sizeof alphabet)];
        for (i = 0; i < n; i++) {
            if (in[i] == '\n' && i && in[i - 1] == '\r') continue;
            want[want_len++] = in[i] == '\r' ? '\n' : in[i];
        }
        e.data = in, e.data_len = n, e.comment = round % 3 ? NULL : "c\rdata: no";
        if (sse_event_write(&b, &e) != SSE_OK) wrong++;
        got_len = browser_data(&b, got);
        if (got_len != want_len || memcmp(got, want, want_len) != 0) wrong++;
        sse_buf_free(&b);
    }
    is_int(wrong, 0,
        "20,000 random texts arrive with their line breaks as LF and nothing else changed");
}

static void test_no_memory(void) {
    sse_event e = none();
    char      text[600];
    long      n;
    int       refused = 0, complete = 0;
    memset(text, 'x', sizeof text);
    for (n = 0; n < (long)sizeof text; n += 7) text[n] = '\n';
    e.event = "e", e.data = text, e.data_len = sizeof text;
    for (n = 1; !complete && n < 100; n++) {
        sse_buf b = {NULL, 0, 0, SSE_OK};
        sse_puts(&b, "before");
        fail_at = n;
        if (sse_event_write(&b, &e) == SSE_OK) complete = 1;
        else refused += b.error == SSE_E_NOMEM && b.len == 6;
        fail_at = 0;
        sse_buf_free(&b);
    }
    ok(complete && refused >= 2 && refused == n - 2,
        "each allocation that fails: SSE_E_NOMEM and the buffer as long as before");
    {
        sse_buf b = {NULL, 0, 0, SSE_OK};
        sse_buf_fail(&b, SSE_E_DB);
        is_int(sse_event_write(&b, &e), SSE_E_DB,
            "a buffer that failed before answers its own error");
        sse_buf_free(&b);
    }
}

int main(void) {
    test_data();
    test_fields();
    test_refused();
    test_round_trip();
    test_no_memory();
    return tap_done();
}
