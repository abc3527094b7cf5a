/* env.c: files of KEY=value, and what the agent of a tunnel prints, against second readers. The
   first byte chooses which. */
#define _GNU_SOURCE
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"

/* ---- KEY=value ---- */

static bool blank(int c) { return c == ' ' || c == '\t'; }

static bool letter(int c) {
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A second reader, of a text that ends with a NUL, which none of it holds: the next variable. 1;
   0: there are no more; -1: it is none. */
static int next_variable(const char **at, char *key, char *value) {
    const char *p = *at, *end;
    for (;;) { /* past lines of blanks, a CR and a comment */
        const char *line = p;
        while (blank(*p)) p++;
        if (*p == '\r' && (p[1] == '\n' || !p[1])) p++;
        if (*p == '#') p += strcspn(p, "\n");
        if (*p && *p != '\n') {
            p = line;
            break;
        }
        if (!*p) return 0;
        p++;
    }
    while (blank(*p)) p++;
    if (!strncmp(p, "export", 6) && blank(p[6])) p += 7;
    while (blank(*p)) p++;
    if (*p >= '0' && *p <= '9') return -1;
    while (letter((unsigned char)*p)) *key++ = *p++;
    *key = '\0';
    if (key[-1] == '\0') return -1; /* a NUL stands before it: the key is empty */
    while (blank(*p)) p++;
    if (*p++ != '=') return -1;
    while (blank(*p)) p++;
    end = strchrnul(p, '\n');
    if (*p == '\'' || *p == '"') {
        const char quote = *p++;
        while (*p != quote) {
            static const char from[] = "nrt\"\\$", to[] = "\n\r\t\"\\$";
            const char       *escape = *p ? strchr(from, p[1]) : NULL;
            if (!*p) return -1;
            if (quote == '"' && *p == '\\' && p[1] && escape) {
                *value++ = to[escape - from];
                p += 2;
            } else if (quote == '"' && *p == '\\' && p[1]) {
                *value++ = *p++;
                *value++ = *p++;
            } else *value++ = *p++;
        }
        *value = '\0';
        p++;
        end = strchrnul(p, '\n');
        *at = *end ? end + 1 : end;
        /* a # begins a comment here as well, whatever stands before it */
        while (p < end && blank(*p)) p++;
        if (p + 1 == end && *p == '\r') p++;
        return p == end || *p == '#' ? 1 : -1;
    }
    *at = *end ? end + 1 : end;
    if (end > p && end[-1] == '\r') end--;
    {
        const char *q = p;
        while (q < end && !(*q == '#' && blank(q[-1]))) q++; /* q[-1]: the = perhaps */
        end = q;
    }
    while (end > p && blank(end[-1])) end--;
    memcpy(value, p, (size_t)(end - p));
    value[end - p] = '\0';
    return 1;
}

static void fuzz_lines(input *in) {
    const sse_str s = take_text(in, in->left);
    char         *text = sse__strdup(s), *key = (char *)malloc(s.len + 2),
         *value = (char *)malloc(s.len + 2);
    const char *at = text;
    sse_str     rest = sse__text(text), name;
    sse_buf     b = {NULL, 0, 0, 0};
    int         got, want, line;
    *key++ = '\0';
    do {
        want = next_variable(&at, key, value);
        got = sse__env_next(&rest, &name, &b);
        CHECK(got == (want < 0 ? (int)SSE_E_SYNTAX : want));
        if (got == 1)
            CHECK(same(name, sse__text(key)) && same(sse__str(b.ptr, b.len), sse__text(value)));
        b.len = 0;
    } while (got > 0);
    got = sse__env_walk(s, false, &line); /* as it came, with NULs */
    CHECK((got == 0 || got == SSE_E_SYNTAX) && line >= 1 && (size_t)line <= s.len + 1);
    if (strlen(text) == s.len) CHECK((got < 0) == (want < 0));
    sse_buf_free(&b);
    SSE_FREE(text);
    free(key - 1);
    free(value);
}

/* Any values, written in double quotes, are read back. */
static void fuzz_written_lines(input *in) {
    sse_buf file = {NULL, 0, 0, 0}, value = {NULL, 0, 0, 0};
    sse_str values[8], rest, key;
    char    name[16];
    int     n = 0, i;
    for (; n < 8 && in->left; n++) {
        const unsigned k = take(in);
        values[n] = take_until(in, 0);
        sse_printf(&file, "%s%sK%d%s=%s\"", k & 1 ? "# a=b\n" : "", k & 2 ? " export\t" : "", n,
            k & 4 ? "\t" : "", k & 8 ? " " : "");
        for (i = 0; i < (int)values[n].len; i++) {
            const char c = values[n].ptr[i];
            if (c == '"' || c == '\\') sse_puts(&file, "\\");
            if (c == '\n' && k & 16) sse_puts(&file, "\\n");
            else sse_raw(&file, &c, 1);
        }
        sse_puts(&file, k & 32 ? "\" # end\r\n" : "\"\n");
    }
    rest = sse__str(sse_buf_text(&file), file.len);
    for (i = 0; i < n; i++, value.len = 0) {
        snprintf(name, sizeof name, "K%d", i);
        CHECK(sse__env_next(&rest, &key, &value) == 1 && same(key, sse__text(name)));
        CHECK(same(sse__str(value.ptr, value.len), values[i]));
    }
    CHECK(sse__env_next(&rest, &key, &value) == 0);
    sse_buf_free(&file);
    sse_buf_free(&value);
}

/* ---- what an agent prints ---- */

static sse_app *app;

static void silent(int level, const char *line, void *user) {
    (void)level, (void)user;
    CHECK(strcspn(line, "\r\n") == strlen(line)); /* one line, whatever a peer sent */
}

/* What the tunnel makes of a text that comes in pieces through a pipe. */
static char *url_of(sse_str text, size_t step) {
    sse_tunnel *t = SSE__NEW(sse_tunnel);
    char       *url;
    size_t      at, n;
    int         fds[2], turns = 0;
    CHECK(t && pipe(fds) == 0);
    t->app = app;
    t->life = fds[1];
    t->out = fds[0];
    app->tunnel = t;
    fcntl(t->out, F_SETFL, O_NONBLOCK);
    CHECK(sse_watch_lines(app, t->out, sse__tunnel_line, t) == SSE_OK);
    for (at = 0; at < text.len; at += n) {
        n = step < text.len - at ? step : text.len - at;
        CHECK(write(t->life, text.ptr + at, n) == (ssize_t)n);
        CHECK(sse_poll(app, 0) == 1);
    }
    CHECK(write(t->life, "\n", 1) == 1);
    while (ioctl(t->out, FIONREAD, &turns) == 0 && turns) CHECK(sse_poll(app, 0) == 1);
    url = t->url ? sse__strdup(sse__text(t->url)) : NULL;
    CHECK(!t->url == !app->tunnel_host);
    sse_tunnel_stop(t);
    CHECK(sse_poll(app, 0) == 1); /* the watch is freed */
    return url;
}

/* Whether nothing but blanks is around it on its line. */
static bool alone(sse_str text, size_t at, size_t n) {
    size_t after = at + n;
    while (at && (text.ptr[at - 1] == ' ' || text.ptr[at - 1] == '\t')) at--;
    while (after < text.len && (text.ptr[after] == ' ' || text.ptr[after] == '\t')) after++;
    if (after < text.len && text.ptr[after] == '\r') after++;
    return (!at || text.ptr[at - 1] == '\n') && (after == text.len || text.ptr[after] == '\n');
}

/* A second reader: the first URL without a path, of another machine. braces: there is JSON, which
   it does not read. */
static sse_str first_url(sse_str text, bool *braces) {
    size_t i, n, from = 0;
    *braces = false;
    for (i = 0; i < text.len; i++) {
        sse__host host;
        size_t    skip;
        if (text.ptr[i] == '\n') from = i + 1;
        if (i == from && text.ptr[i] == '{') *braces = true;
        skip = text.len - i > 7 && !memcmp(text.ptr + i, "http://", 7)    ? 7
               : text.len - i > 8 && !memcmp(text.ptr + i, "https://", 8) ? 8
                                                                          : 0;
        if (!skip) continue;
        for (n = i + skip; n < text.len && text.ptr[n] > ' ' && text.ptr[n] < 0x7F;) {
            if (strchr("\"'<>|,;()[]{}\\", text.ptr[n])) break;
            n++;
        }
        if (text.ptr[n - 1] == '/' && !alone(text, i, n - i)) continue;
        if (text.ptr[n - 1] == '/') n--;
        if (n <= i + skip || !sse__host_parse(sse__str(text.ptr + i + skip, n - i - skip), &host))
            continue;
        if (host.name.ptr + host.name.len + !!host.port.len + host.port.len > text.ptr + n)
            continue;
        if (!sse__host_is_local(host.name)) return sse__str(text.ptr + i, n - i);
    }
    return sse__str(NULL, 0);
}

static void fuzz_agent(input *in) {
    const size_t  step = 1 + take(in);
    const sse_str text = take_text(in, in->left < 4000 ? in->left : 4000);
    char         *pieces, *whole;
    bool          braces;
    sse_str       want = first_url(text, &braces);
    sse__origin   origin;
    if (!app) {
        sse_app_options o;
        memset(&o, 0, sizeof o);
        o.on_log = silent;
        app = sse_app_new(&o);
        CHECK(app);
    }
    pieces = url_of(text, text.len / 100 > step ? text.len / 100 : step);
    whole = url_of(text, text.len + 1);
    CHECK(!pieces == !whole && (!whole || strcmp(pieces, whole) == 0));
    if (whole) {
        CHECK(sse__origin_parse(sse__text(whole), &origin) && origin.scheme.ptr &&
              !sse__host_is_local(origin.host.name));
        CHECK(!strchr(strstr(whole, "//") + 2, '/'));
    }
    /* a NUL ends a line for the one that looks for URLs */
    if (!braces && !(text.len && memchr(text.ptr, 0, text.len)))
        CHECK(want.ptr ? whole && same(want, sse__text(whole)) : !whole);
    SSE_FREE(pieces);
    SSE_FREE(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    switch (take(&in) % 3) {
    case 0: fuzz_lines(&in); break;
    case 1: fuzz_written_lines(&in); break;
    default: fuzz_agent(&in);
    }
    free(own);
    return 0;
}
