/* file.c: files that a server sends and takes: which one a path means, whether it may be sent, in
   which coding and which part of it; and bodies that become files, whole or not at all. The first
   byte chooses; the model is a list of the files. */
#define _GNU_SOURCE
#define SSE_NO_THREADS /* files are written on the loop: each run is the same */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"
#include "range.h"
#include <brotli/decode.h>
#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>
#include <zlib.h>

/* ---- the files ---- */

static char base[64];    /* holds www, the directory that is served, and what is beside it */
static char large[3000]; /* text that is worth compressing */
static char secret[] = "SECRET"; /* in all that must not be sent */

static const struct file {
    const char *path, *text; /* of www; NULL: a directory */
} files[] = {{"index.html", "<p>index"}, {"a.txt", large}, {"b.txt", "plain b"},
    {"b.txt.br", "br of b"}, {"b.txt.gz", "gz of b"}, {"c.bin", "\x01\x02\xFF"},
    {"only.js.gz", "gz of only"}, {".well-known", NULL}, {".well-known/acme", "acme"},
    {"sub", NULL}, {"sub/index.html", "<p>sub"}, {"sub/deep", NULL}, {"sub/deep/d.css", "deep"},
    {"sub.gz", "beside a directory"}, {"none", NULL}, {"none/e.txt", "no index here"},
    {"empty.txt", ""}, {"50%.txt", "percent"}, {"two words.txt", "space"}, {"x+y.txt", "plus"},
    {"\xC3\xBC.txt", "umlaut"}, {"d:q?.txt", "query"}, {".gz", secret}, {".br", secret},
    {".secret", secret}, {"sub/.hidden", NULL}, {"sub/.hidden/x", secret},
    {".well-known/.x", secret}};

/* Links, and what they mean; NULL: what is outside, or nowhere. to NULL: a pipe. */
static const struct alias {
    const char *path, *to, *means;
} aliases[] = {{"in", "a.txt", "a.txt"}, {"dir", "sub", "sub"}, {"up", "..", NULL},
    {"out.txt", "../outside.txt", NULL}, {"private", "../www-private", NULL},
    {"loop", "loop", NULL}, {"etc", "/etc", NULL}, {"pipe", NULL, NULL}};

enum { MOST = 150000 }; /* bytes of a file that is uploaded */

static sse_app *app;
static char    *got; /* the file that was uploaded, NULL: none */
static size_t   got_n;
static int      told; /* how often done was called */

static void silent(int level, const char *line, void *user) {
    (void)level, (void)user;
    CHECK(strcspn(line, "\r\n") == strlen(line)); /* one line, whatever a peer sent */
}

static const char *in_base(const char *a, const char *b) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s%s", base, a, b);
    return path;
}

static void put_file(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_all(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", base);
    if (*base && system(command)) fprintf(stderr, "%s is left\n", base);
}

static void done(sse_req *req, const sse_body_file *file, void *user) {
    FILE *f;
    (void)user;
    told++;
    if (file->error) return;
    f = fopen(file->path, "rb");
    CHECK(f);
    got = (char *)malloc(MOST);
    CHECK(got);
    got_n = fread(got, 1, MOST, f);
    fclose(f);
    CHECK(unlink(file->path) == 0);
    sse_puts(sse_out(req), "kept");
}

static void upload(sse_req *req, void *user) {
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    o.max_bytes = MOST;
    o.field = (const char *)user;
    CHECK(sse_body_to_file(req, in_base("up/", "file"), done, &o) == SSE_OK || o.field);
}

static void setup(void) {
    sse_app_options    o;
    sse_static_options s;
    sse_route_options  r;
    size_t             i;
    if (app) return;
    memset(&o, 0, sizeof o);
    memset(&s, 0, sizeof s);
    memset(&r, 0, sizeof r);
    memset(large, 'x', sizeof large - 1);
    snprintf(base, sizeof base, "%s/sse-fuzz-XXXXXX",
        access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    CHECK(mkdtemp(base) && atexit(remove_all) == 0);
    CHECK(!mkdir(in_base("www", ""), 0700) && !mkdir(in_base("up", ""), 0700));
    CHECK(!mkdir(in_base("www-private", ""), 0700));
    put_file(in_base("www-private/p.txt", ""), secret);
    put_file(in_base("outside.txt", ""), secret);
    for (i = 0; i < SSE__COUNT(files); i++)
        if (!files[i].text) CHECK(!mkdir(in_base("www/", files[i].path), 0700));
        else put_file(in_base("www/", files[i].path), files[i].text);
    for (i = 0; i < SSE__COUNT(aliases); i++)
        CHECK(!(aliases[i].to ? symlink(aliases[i].to, in_base("www/", aliases[i].path))
                              : mkfifo(in_base("www/", aliases[i].path), 0600)));
    o.on_log = silent;
    o.slow_ms = SSE_OFF;
    o.compress_quality = 1;
    o.compress_window = 16;
    o.max_body_bytes = 400000;
    app = sse_app_new(&o);
    CHECK(app);
    CHECK(!sse_static(app, "/f", in_base("www", ""), NULL));
    s.no_index = true;
    CHECK(!sse_static(app, "/n", in_base("www", ""), &s));
    r.method = "POST";
    r.body_later = true;
    CHECK(!sse_route(app, "/up", upload, NULL, &r));
    CHECK(!sse_route(app, "/part", upload, (void *)(uintptr_t) "f", &r));
    CHECK(!sse_test_run(app, 0)); /* time stands still */
}

/* ---- which file a path means ---- */

static const struct file *file_at(const char *path, size_t n) {
    size_t i;
    for (i = 0; i < SSE__COUNT(files); i++)
        if (strlen(files[i].path) == n && !memcmp(files[i].path, path, n)) return &files[i];
    return NULL;
}

/* With links followed: the path below www, in out; false: it is outside, or nowhere. */
static bool real_path(const char *path, char *out, size_t room) {
    size_t i, n;
    while (!strncmp(path, "up/www", 6) && (!path[6] || path[6] == '/'))
        path += path[6] ? 7 : 6; /* out, and back in */
    for (i = 0; i < SSE__COUNT(aliases); i++) {
        n = strlen(aliases[i].path);
        if (strncmp(path, aliases[i].path, n) || (path[n] && path[n] != '/')) continue;
        if (!aliases[i].means) return false;
        snprintf(out, room, "%s%s", aliases[i].means, path + n);
        return true;
    }
    snprintf(out, room, "%s", path);
    return true;
}

static const struct file *found(const char *path, const char *suffix) {
    static const struct file www = {"", NULL};
    char                     whole[700], real[800];
    snprintf(whole, sizeof whole, "%s%s", path, suffix);
    if (!real_path(whole, real, sizeof real)) return NULL;
    return *real ? file_at(real, strlen(real)) : &www;
}

static bool hidden(const char *path) {
    const char *at = path, *end;
    for (;; at = end + 1) {
        end = strchrnul(at, '/');
        if (end == at && *end) return true;
        if (*at == '.' && !(end - at == 11 && !memcmp(at, ".well-known", 11))) return true;
        if (!*end) return false;
    }
}

typedef struct answer {
    int         status;
    const char *text, *coding; /* coding: of a file beside it */
} answer;

/* path: decoded, behind the prefix. codings: "bg" is br before gzip. */
static answer expected(const char *path, bool no_index, const char *codings) {
    answer             a = {404, NULL, NULL};
    char               name[600];
    const struct file *file;
    bool               slash;
    snprintf(name, sizeof name, "%s", *path ? path + 1 : path);
    slash = *path && path[strlen(path) - 1] == '/';
    if (slash && no_index) return a;
    if (slash) strcat(name, "index.html");
    if (hidden(name)) return a;
    file = found(name, "");
    if (file && !file->text) {
        a.status = slash || no_index ? 404 : 301;
        return a;
    }
    for (; *codings; codings++) {
        const struct file *beside = found(name, *codings == 'b' ? ".br" : ".gz");
        if (!beside || !beside->text) continue;
        a.text = beside->text;
        a.coding = *codings == 'b' ? "br" : "gzip";
        a.status = 200;
        return a;
    }
    if (!file) return a;
    a.status = 200;
    a.text = file->text;
    return a;
}

static const struct {
    const char *field, *order;
} codings[] = {{NULL, ""}, {"br", "b"}, {"gzip", "g"}, {"gzip, br", "bg"}, {"br;q=0.5, gzip", "gb"},
    {"br;q=0, gzip;q=0.1", "g"}, {"x, identity", ""}};

/* Compressed as it was asked for; own: a file beside it was not. */
static void check_content(const sse_test_reply *reply, const answer *want, unsigned k) {
    const char *coding = sse_test_header(reply, "Content-Encoding");
    uint8_t     out[sizeof large + 100];
    size_t      n = sizeof out, len = strlen(want->text);
    if (want->coding || !coding) {
        CHECK(want->coding ? coding && !strcmp(coding, want->coding) : !coding);
        CHECK(reply->body_len == len && !memcmp(reply->body, want->text, len));
        return;
    }
    CHECK(want->text == large && strchr(codings[k].order, *coding));
    if (*coding == 'b')
        CHECK(BrotliDecoderDecompress(reply->body_len, (const uint8_t *)reply->body, &n, out) ==
              BROTLI_DECODER_RESULT_SUCCESS);
    else {
        z_stream z;
        memset(&z, 0, sizeof z);
        z.next_in = (Bytef *)(uintptr_t)reply->body;
        z.avail_in = (uInt)reply->body_len;
        z.next_out = out;
        z.avail_out = (uInt)n;
        CHECK(inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END);
        n = z.total_out;
        inflateEnd(&z);
    }
    CHECK(n == len && !memcmp(out, want->text, n));
}

/* The target of a path, with some of it encoded that need not be; -1: it cannot be sent. */
static int put_target(char *out, size_t room, sse_str path, unsigned how) {
    int    n = 0;
    size_t i;
    for (i = 0; i < path.len && (size_t)n + 4 < room; i++) {
        const unsigned char c = (unsigned char)path.ptr[i];
        const bool          must = !((c < 0x80 && isalnum(c)) || strchr("/.-_~:+", c));
        if (!c) return -1;
        if (must || (c != '/' && how >> i % 8 & 1 && i % 3)) n += snprintf(out + n, 4, "%%%02X", c);
        else out[n++] = (char)c;
    }
    out[n] = '\0';
    return n;
}

/* A path of words: names that are there, or bytes of the input. */
static void take_path(input *in, sse_buf *path) {
    static const char *const outside[] = {"private/p.txt", "up/outside.txt", "up/www-private/p.txt",
        "etc/passwd"};
    unsigned                 k, words = 1 + take(in) % 4;
    while (words-- && path->len < 300) {
        k = take(in);
        if (k < 100) sse_puts(path, files[k / 2 % SSE__COUNT(files)].path);
        else if (k < 140) sse_puts(path, aliases[k / 2 % SSE__COUNT(aliases)].path);
        else if (k < 150) sse_puts(path, "up/www");
        else if (k < 160) sse_puts(path, outside[k / 2 % SSE__COUNT(outside)]);
        else if (k < 220) sse__put_str(path, take_text(in, k / 2 % 8));
        if (k & 1) sse_puts(path, "/");
    }
}

/* What no path holds: controls, a backslash, bytes that are no UTF-8, and segments that climb. */
static bool refused_path(const char *path) {
    const char *at = path, *end;
    size_t      n = strlen(path), i;
    if (sse__utf8_span(sse__str(path, n)) != n || strchr(path, '\\')) return true;
    for (i = 0; i < n; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7F) return true;
    for (;; at = end + 1) {
        end = strchrnul(at, '/');
        if ((end - at == 1 && *at == '.') || (end - at == 2 && !memcmp(at, "..", 2))) return true;
        if (!*end) return false;
    }
}

static int ask(const char *method, const char *target, const char *headers, sse_test_reply *reply) {
    char line[2048];
    int  error;
    snprintf(line, sizeof line, "%s %s", method, target);
    memset(reply, 0, sizeof *reply);
    error = sse_test_request(app, line, headers, NULL, reply);
    CHECK(error == SSE_OK && reply->complete);
    if (reply->status < 400) CHECK(!strstr(reply->body, secret));
    else /* that says the path again, and is no file */
        CHECK(!sse_test_header(reply, "ETag") || reply->status == 412 || reply->status == 416);
    return reply->status;
}

/* ---- conditions: RFC 9110 13.2.2 ---- */

/* One of the tags, or of the dates, that a client may name. same: it is that of the file. */
static void put_tag(sse_buf *b, unsigned k, const char *etag, bool *strong, bool *weak) {
    *strong = *weak = k % 6 == 1 || k % 6 == 2 || k % 6 == 5;
    switch (k % 6) {
    case 0: sse_puts(b, "\"other\""); break;
    case 1: sse_printf(b, "%s", etag); break;
    case 2: sse_puts(b, "*"); break;
    case 3:
        sse_printf(b, "W/%s", etag + 2 * (*etag == 'W'));
        *weak = true;
        break;
    case 4:
        sse_printf(b, "W/\"x\", \"%s", etag + 1 + 2 * (*etag == 'W'));
        *weak = *strong = true;
        break;
    default: sse_printf(b, "\"a,b\" , %s ,,", etag);
    }
    if (*etag == 'W') *strong = k % 6 == 2;
}

static int put_date(sse_buf *b, unsigned k, int64_t modified) { /* how it compares */
    char      text[30];
    const int by = (int)(k % 3) - 1;
    sse__date_write(text, modified + by);
    sse_puts(b, text);
    return -by; /* of the file with it */
}

static void check_conditions(input *in, const char *target, unsigned coding, const answer *plain,
    const sse_test_reply *first) {
    const unsigned fields = take(in), k = take(in), more = take(in);
    const char    *etag = sse_test_header(first, "ETag"),
               *date = sse_test_header(first, "Last-Modified"), *text;
    const bool     head = fields & 64;
    sse_buf        b = {NULL, 0, 0, 0};
    sse_test_reply reply;
    int64_t        modified = 0;
    uint64_t       from = 0, to = 0;
    int            want = 200, how;
    bool           strong, weak, ranged = true;
    CHECK(etag && date && sse__date_parse(sse__text(date), 0, &modified));
    if (codings[coding].field) sse_printf(&b, "Accept-Encoding: %s\n", codings[coding].field);
    if (fields & 1) {
        sse_puts(&b, "If-Match: ");
        put_tag(&b, k, etag, &strong, &weak);
        sse_puts(&b, "\n");
        if (!strong) want = 412;
    }
    if (fields & 2) {
        sse_puts(&b, "If-Unmodified-Since: ");
        how = put_date(&b, k >> 4, modified);
        sse_puts(&b, "\n");
        if (!(fields & 1) && how > 0) want = 412;
    }
    if (fields & 4) {
        sse_puts(&b, "If-None-Match: ");
        put_tag(&b, more, etag, &strong, &weak);
        sse_puts(&b, "\n");
        if (want == 200 && weak) want = 304;
    }
    if (fields & 8) {
        sse_puts(&b, "if-modified-since: ");
        how = put_date(&b, more >> 4, modified);
        sse_puts(&b, "\n");
        if (want == 200 && !(fields & 4) && how <= 0) want = 304;
    }
    if ((fields & 16) && *codings[coding].order == '\0') {
        const sse_str value = take_until(in, '\n');
        size_t        i;
        for (i = 0; i < value.len; i++)
            if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7F) goto done;
        if (value.len > 100) goto done;
        if (fields & 32) {
            sse_puts(&b, "If-Range: ");
            if (k & 8) {
                how = put_date(&b, k, modified);
                ranged = how == 0 && !sse_test_header(first, "Vary"); /* it names no coding */
            } else if (k & 128) sse_puts(&b, "\"other\""), ranged = false;
            else sse_puts(&b, etag);
            sse_puts(&b, "\n");
        }
        sse_printf(&b, "Range: %s%.*s\n", fields & 128 ? "bytes=" : "", SSE_STR(value));
        if (want == 200 && ranged && !head) {
            sse_buf all = {NULL, 0, 0, 0};
            sse_printf(&all, "%s%.*s", fields & 128 ? "bytes=" : "", SSE_STR(value));
            want = range(sse__str(all.ptr, all.len), strlen(plain->text), &from, &to);
            sse_buf_free(&all);
        }
    }
    how = ask(head ? "HEAD" : "GET", target, sse_buf_text(&b), &reply);
    if (how != want) fprintf(stderr, "%s\n%s%d, not %d\n", target, b.ptr, how, want);
    CHECK(how == want);
    if (how == 200 && !head) check_content(&reply, plain, coding);
    else if (how != 206) CHECK(head || reply.body_len == 0);
    else {
        char content_range[80];
        snprintf(content_range, sizeof content_range, "bytes %llu-%llu/%zu",
            (unsigned long long)from, (unsigned long long)to, strlen(plain->text));
        text = sse_test_header(&reply, "Content-Range");
        CHECK(text && !strcmp(text, content_range));
        CHECK(reply.body_len == to - from + 1 &&
              !memcmp(reply.body, plain->text + from, reply.body_len));
    }
    sse_test_close(&reply);
done:
    sse_buf_free(&b);
}

static void fuzz_static(input *in) {
    const unsigned how = take(in), bits = take(in), coding = take(in) % SSE__COUNT(codings);
    const bool     no_index = how & 1;
    char           target[1000], headers[80];
    const char    *place;
    sse_buf        path = {NULL, 0, 0, 0};
    sse_test_reply reply;
    answer         want = {400, NULL, NULL};
    int            n;
    sse_puts(&path, no_index ? "/n" : "/f");
    if (how & 10) sse_puts(&path, "/"); /* else it is the prefix itself */
    if (how & 8) take_path(in, &path);
    n = put_target(target, sizeof target - 300, sse__str(path.ptr, path.len), bits);
    if (n < 0 || path.len > 400) goto done;
    (void)sse_buf_text(&path);
    snprintf(target + n, sizeof target - (size_t)n, "%s", how & 4 ? "?q=/../.secret" : "");
    snprintf(headers, sizeof headers, "%s%s%s", codings[coding].field ? "Accept-Encoding: " : "",
        codings[coding].field ? codings[coding].field : "", codings[coding].field ? "\n" : "");
    if (!refused_path(path.ptr)) want = expected(path.ptr + 2, no_index, codings[coding].order);
    n = ask("GET", target, headers, &reply);
    if (n != want.status) fprintf(stderr, "%s\n%s%d, not %d\n", target, headers, n, want.status);
    CHECK(n == want.status);
    if (n == 200) {
        CHECK(strcmp(sse_test_header(&reply, "X-Content-Type-Options"), "nosniff") == 0);
        check_content(&reply, &want, coding);
        if (take(in) & 1) check_conditions(in, target, coding, &want, &reply);
    } else if (n == 301) { /* to itself with a slash, on this host */
        place = sse_test_header(&reply, "Location");
        CHECK(place && !strncmp(place, "./", 2));
        n = (int)strcspn(place, "?");
        CHECK(place[n - 1] == '/' && !memchr(place + 2, '/', (size_t)n - 3));
        CHECK(!strcmp(place + n, how & 4 ? "?q=/../.secret" : ""));
    }
    sse_test_close(&reply);
done:
    sse_buf_free(&path);
}

/* ---- bodies that become files ---- */

static int entries(const char *path) {
    DIR *dir = opendir(path);
    int  n = 0;
    CHECK(dir);
    while (readdir(dir)) n++;
    closedir(dir);
    return n - 2;
}

static int status_of(const char *reply) { /* 0: none came */
    return !strncmp(reply, "HTTP/1.1 ", 9) ? atoi(reply + 9) : 0;
}

/* Sends a request in pieces of so many bytes, and leaves, or stays until it is answered. */
static int send_pieces(sse_str request, size_t step, bool leaves) {
    sse__listener l;
    sse__peer     peer;
    int           fds[2], turns;
    size_t        at = 0;
    ssize_t       n = 0;
    char          reply[2000] = "";
    memset(&l, 0, sizeof l);
    memset(&peer, 0, sizeof peer);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    l.net = app->net;
    l.loopback = true;
    memcpy(peer.address, sse__ipv4_mapped, sizeof sse__ipv4_mapped);
    peer.address[12] = 127;
    peer.address[15] = 1;
    CHECK(sse__listener_take(&l, fds[1], &peer));
    for (turns = 0; at < request.len && n >= 0; turns++) {
        const size_t most = step < request.len - at ? step : request.len - at;
        CHECK(turns < 500000); /* it is read, or closed */
        n = send(fds[0], request.ptr + at, most, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) n = 0;
        if (n > 0) at += (size_t)n;
        CHECK(sse_poll(app, 0) == 1);
    }
    for (turns = 0; turns < 20 && !leaves && !status_of(reply); turns++) {
        CHECK(sse_poll(app, 0) == 1);
        n = recv(fds[0], reply, sizeof reply - 1, MSG_DONTWAIT);
        if (n > 0) reply[n] = '\0';
    }
    close(fds[0]);
    for (turns = 0; turns < 10; turns++) CHECK(sse_poll(app, 0) == 1);
    return status_of(reply);
}

static void put_more(sse_buf *b, unsigned times) { /* so that it is written in pieces */
    while (times--) sse_printf(b, "%0999u\n", times);
}

/* All of a body, or the first part of it that is a file named f, is kept; or nothing is, as of a
   form in which a text holds a NUL. */
static void fuzz_upload(input *in) {
    const unsigned how = take(in);
    const bool     form = how & 1, chunked = how & 2, cut = how & 4;
    const size_t   step = (1 + take(in)) * (size_t)(how & 16 ? 300 : how & 8 ? 40 : 1);
    sse_buf        body = {NULL, 0, 0, 0}, request = {NULL, 0, 0, 0}, want = {NULL, 0, 0, 0};
    int            status, expect = 200, parts = 0;
    bool           has = false;
    while (form && in->left && parts++ < 5) {
        const unsigned k = take(in);
        const sse_str  data = take_text(in, take(in) * (size_t)(k & 8 ? 9 : 1));
        const unsigned more = how & 16 ? take(in) : 0;
        if (data.len >= 3 && memcmp(data.ptr, "--B", 3) == 0) break; /* it ends there */
        if (data.len && memmem(data.ptr, data.len, "\r\n--B", 5)) break;
        sse_printf(&body, "--B\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n",
            k & 1 ? "f" : "g", k & 2 ? "; filename=\"../../x\"" : "");
        sse__put_str(&body, data);
        put_more(&body, more);
        sse_puts(&body, "\r\n");
        if (!(k & 2) && data.len && memchr(data.ptr, '\0', data.len) && expect == 200)
            expect = 400; /* a text holds no NUL */
        if (k % 4 != 3 || has) continue;
        has = true;
        sse__put_str(&want, data);
        put_more(&want, more);
        if (want.len > MOST && expect == 200) expect = 413;
    }
    if (form) sse_puts(&body, "--B--");
    else put_more(&body, how & 16 ? take(in) : 0), sse__put_str(&body, take_text(in, 6000));
    if (!form) sse__put_str(&want, sse__str(body.ptr, body.len)), has = true;
    if (form && !has) expect = 400;
    else if (!form && want.len > MOST) expect = 413;
    sse_printf(&request, "POST /%s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", form ? "part" : "up",
        form ? "Content-Type: multipart/form-data; boundary=B\r\n" : "",
        chunked ? "Transfer-Encoding: chunked\r\n" : "");
    if (chunked) {
        size_t at = 0, n;
        for (; at < body.len; at += n) {
            n = at + 10000 < body.len ? 10000 : body.len - at;
            sse_printf(&request, "%zx\r\n", n);
            sse_raw(&request, body.ptr + at, n);
            sse_puts(&request, "\r\n");
        }
        sse_puts(&request, "0\r\n\r\n");
    } else {
        request.len -= 2;
        sse_printf(&request, "Content-Length: %zu\r\n\r\n", body.len);
        sse__put_str(&request, sse__str(body.ptr, body.len));
    }
    if (body.len > 390000) goto done;
    if (cut && body.len) { /* and leaves */
        const size_t less = 1 + take(in);
        request.len -= how & 32 || less > request.len ? request.len * less / 257 + 1 : less;
    }
    told = 0;
    status = send_pieces(sse__str(request.ptr, request.len), step, cut && body.len);
    if (!cut || !body.len) {
        CHECK(status == expect && told == 1);
        CHECK(
            expect == 200 ? got && same(sse__str(got, got_n), sse__str(want.ptr, want.len)) : !got);
    } else
        CHECK(told <= 1 &&
              (!got || (form && same(sse__str(got, got_n), sse__str(want.ptr, want.len)))));
    CHECK(entries(in_base("up", "")) == 0); /* nothing half */
    free(got);
    got = NULL;
done:
    sse_buf_free(&body);
    sse_buf_free(&request);
    sse_buf_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *own = copy(bytes, n);
    input in = input_of(own, n);
    setup();
    if (take(&in) % 2) fuzz_upload(&in);
    else fuzz_static(&in);
    free(own);
    return 0;
}
