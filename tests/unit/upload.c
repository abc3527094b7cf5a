/* Tests of >>upload: bodies and files of forms that become files, whole or not at all; what is
   refused, fails, leaves in the middle or is stopped. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "scarce.h"
#define SSE__SYS(call) (fails(#call) ? -1 : (call))
static int fails(const char *call);
static int close_or_fail(int fd);
#define close close_or_fail
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef close
#include "../tap.h"
#include "dial.h"

static int fail_write, fail_sync; /* errno of the writes of a file, of fsync */
static int fail_close;            /* errno of the close of a file */
static int fail_random;           /* there is no random byte to be had */
static int fail_directory;        /* errno of the fsync of a directory */
static int directories;           /* that were synced */
static int interrupts;
static int held; /* no write of a file returns */
static int look; /* at each write: for files that a child would have as well */
static int for_children;
#ifndef SSE_NO_THREADS
static int             on_loop; /* calls to the disk that the loop itself made */
static pthread_t       loop_thread;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER; /* several are written at a time */
#endif

static int count(int *n) {
    int now;
#ifndef SSE_NO_THREADS
    pthread_mutex_lock(&counting);
#endif
    now = ++*n;
#ifndef SSE_NO_THREADS
    pthread_mutex_unlock(&counting);
#endif
    return now;
}

static int close_or_fail(int fd) {
    struct stat s;
    const int   failure = fstat(fd, &s) == 0 && S_ISREG(s.st_mode) ? fail_close : 0;
    const int   rc = close(fd);
    if (!failure) return rc;
    errno = failure;
    return -1;
}

static int inherited(void) { /* files that a child would have */
    struct stat s;
    int         fd, n = 0;
    for (fd = 3; fd < 256; fd++)
        n += fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return n;
}

static int fails(const char *call) {
#ifndef SSE_NO_THREADS
    if ((strstr(call, "u->fd") || strstr(call, "u->path")) &&
        pthread_equal(pthread_self(), loop_thread))
        on_loop++;
#endif
    while (SSE__FLAG(held) && strncmp(call, "write(u->fd", 11) == 0) poll(NULL, 0, 1);
    if (SSE__FLAG(look) && strncmp(call, "write(u->fd", 11) == 0) for_children = inherited();
    if (strncmp(call, "write(u->fd", 11) == 0)
        errno = fail_write ? fail_write : count(&interrupts) % 2 ? EINTR : 0;
    else if (strncmp(call, "fsync(u->fd", 11) == 0) errno = fail_sync;
    else if (strncmp(call, "fsync(fd", 8) == 0) count(&directories), errno = fail_directory;
    else if (strncmp(call, "getrandom", 9) == 0 || strstr(call, "/dev/urandom"))
        errno = fail_random;
    else errno = 0;
    return errno;
}

static char               dir[] = "/tmp/sse-upload-XXXXXX", path[64];
static int                dones, last_error, answers; /* answers: done writes a reply */
static unsigned long long last_bytes;
static char               last_name[64], last_type[64];
static char               words[300];  /* the latest warning or error that was logged */
static char               fields[400]; /* the others of the form, as done reads them */

static void read_fields(sse_req *req) {
    const sse_pair *p;
    size_t          n = 0;
    fields[0] = '\0';
    for (p = sse_form_all(req); p && n < sizeof fields; p = p->next)
        n += (size_t)snprintf(fields + n, sizeof fields - n, "[%s=%.60s]", p->name, p->value);
}

static void done(sse_req *req, const sse_body_file *file, void *user) {
    dones++;
    last_error = file->error;
    last_bytes = file->bytes;
    snprintf(last_name, sizeof last_name, "%s", file->filename ? file->filename : "-");
    snprintf(last_type, sizeof last_type, "%s", file->type ? file->type : "-");
    is_str(file->path, path, "done is told where");
    read_fields(req);
    if (answers == 1) sse_printf(sse_out(req), "kept %d", *(int *)user);
    if (answers == 2) sse_set_status(req, 202);
    if (answers == 3) sse_send_file(req, "tests/tap.h", NULL);
    if (answers == 4) is_int(sse_finish(req), 0, "that is done for it");
    if (answers == 4) is_int(sse_finish(req), 0, "... however often it is asked for");
}

static int number = 7;

static void put(sse_req *req, void *user) {
    static char           topic[20], field[20]; /* which are copied */
    sse_body_file_options o = *(sse_body_file_options *)user;
    o.user = &number;
    if (o.topic) snprintf(topic, sizeof topic, "%s", o.topic), o.topic = topic;
    if (o.field) snprintf(field, sizeof field, "%s", o.field), o.field = field;
    sse_body_to_file(req, path, done, &o);
    topic[0] = field[0] = '?';
    if (strcmp(sse_path(req), "/early") == 0)
        is_str(words, "sse_body_to_file: its route has no .body_later (/early)",
            "a body that is there already");
}

/* ---- misuse ---- */

static int answers_of[4];

static void twice(sse_req *req, void *user) { /* the first goes on */
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    (void)user;
    answers_of[0] = sse_body_to_file(req, path, done, &o);
    sse_body_to_file(req, "/nowhere/else", done, &o);
    is_str(words, "sse_body_to_file: the request is deferred already (/twice)", "... in the log");
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    answers_of[1] = sse_body_to_file(req, "/nowhere/else", done, &o);
    answers_of[2] = sse_finish(req);
    is_str(words, "sse_finish: sse_body_to_file does that when the file is there (/twice)",
        "... so is the end of it");
}

static void deferred(sse_req *req, void *user) {
    (void)user;
    sse_defer(req);
    answers_of[0] = sse_body_to_file(req, path, done, NULL);
    sse_finish(req);
}

static void on_log(int level, const char *text, void *user) {
    (void)user;
    if (level <= SSE_LOG_WARNING) snprintf(words, sizeof words, "%s", text);
}

static void odd_mode(sse_req *req, void *user) {
    sse_body_file_options o;
    memset(&o, 0, sizeof o);
    (void)user;
    o.mode = -1;
    answers_of[0] = sse_body_to_file(req, path, done, &o);
    o.mode = 644;
    memset(sse_req_app(req)->refused, 0, sizeof sse_req_app(req)->refused);
    answers_of[1] = sse_body_to_file(req, path, done, &o);
    is_str(words,
        "sse_body_to_file: .mode 01204: not within 0..0777, a file mode in octal such as 0660 "
        "(/mode)",
        "... which is said in octal");
}

static void look_first(sse_req *req, void *user) { /* a hook for everything, say */
    (void)user;
    answers_of[0] = sse_form(req, "csrf") == NULL && sse_signal(req, "csrf") == NULL;
    answers_of[1] = sse_body_to_file(req, path, done, NULL);
}

static void no_route(sse_req *req, void *user) { /* a hook of everything */
    (void)user;
    if (strcmp(sse_path(req), "/nowhere") == 0)
        answers_of[0] = sse_body_to_file(req, path, done, NULL);
}

static size_t max_bodies, max_body; /* in memory; 0: as many as usual */
static int    max_fields;

static sse_app *app_with(sse_body_file_options *o) {
    sse_route_options r;
    sse_app_options   options;
    sse_app          *app;
    memset(&options, 0, sizeof options);
    options.on_log = on_log;
    options.max_bodies_bytes = max_bodies;
    options.max_body_bytes = max_body;
    options.max_fields = max_fields;
    app = dial_app(&options);
    memset(&r, 0, sizeof r);
    r.body_later = true;
    r.max_body_bytes = 3000000;
    r.method = "PUT";
    sse_route(app, "/file", put, o, &r);
    sse_put(app, "/early", put, o); /* whose body is there already */
    sse_route(app, "/twice", twice, NULL, &r);
    sse_route(app, "/deferred", deferred, NULL, &r);
    sse_route(app, "/mode", odd_mode, NULL, &r);
    sse_route(app, "/look", look_first, NULL, &r);
    sse_before(app, NULL, no_route, NULL);
    dones = last_error = 0;
    words[0] = '\0';
    unlink(path);
    return app;
}

static client *begin(sse_app *app, const char *head) {
    return send_from_new(app, head, strlen(head));
}

static void more(sse_app *app, client *c, const void *bytes,
    size_t n) { /* all of it, turning the loop while it does not take it */
    const char *p = (const char *)bytes;
    while (n && !c->over) {
        const ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) p += sent, n -= (size_t)sent;
        else if (errno != EAGAIN) return;
        turns(app, 1);
    }
}

static void answered(sse_app *app, client *c) {
    int i;
    for (i = 0; i < 30000 && !c->over && !strstr(c->got, "\r\n\r\n"); i++) turns(app, 1);
}

/* In the directory. By ls, as under qemu readdir fails in 32-bit programs: their off_t has no room
   for the places in a directory that the 64-bit kernel tells of (EOVERFLOW). */
static int files(void) {
    char  line[100];
    int   n = 0;
    FILE *ls;
    snprintf(line, sizeof line, "ls %s", dir);
    ls = popen(line, "r");
    while (ls && fgets(line, sizeof line, ls)) n++;
    return ls && pclose(ls) == 0 ? n : -1;
}

static char *big;
enum { BIG = 2500000 };

static size_t same(void) { /* how much of the file is as it was sent */
    FILE  *f = fopen(path, "rb");
    char  *p = (char *)malloc(BIG + 1);
    size_t n = f ? fread(p, 1, BIG + 1, f) : 0;
    if (f) fclose(f);
    n = n <= BIG && memcmp(p, big, n) == 0 ? n : 0;
    free(p);
    return n;
}

static const char *big_text(void) { /* a field of it is as long as its caller says */
    static char text[4001];
    memset(text, 't', sizeof text - 1);
    return text;
}

static client *send_all(sse_app *app, size_t n) {
    char    head[200];
    client *c;
    snprintf(head, sizeof head,
        "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lu\r\n\r\n", (unsigned long)n);
    c = begin(app, head);
    more(app, c, big, n);
    answered(app, c);
    return c;
}

static void whole(void) { /* UP1: jobs that met would mix the pieces */
    static const size_t   sizes[] = {0, 1, 65535, 65536, 65537, 262144, BIG};
    sse_body_file_options o;
    struct stat           s;
    size_t                i;
    sse_app              *app;
    memset(&o, 0, sizeof o);
    for (i = 0; i < SSE__COUNT(sizes); i++) {
        app = app_with(&o);
        ok(strncmp(send_all(app, sizes[i])->got, "HTTP/1.1 204", 12) == 0, "%lu bytes: 204",
            (unsigned long)sizes[i]);
        is_int((long long)same(), (long long)sizes[i], "... and the file is there");
        ok(dones == 1 && !last_error && last_bytes == sizes[i], "... and done heard of it, once");
        is_int(files(), 1, "... and nothing beside it");
        ok(stat(path, &s) == 0 && (s.st_mode & 0777) == 0600, "... for the owner alone");
        dial_free(app);
    }
    answers = 1;
    o.mode = 0644;
    app = app_with(&o);
    ok(strstr(send_all(app, 10)->got, "kept 7") != NULL, "done writes the reply");
    ok(stat(path, &s) == 0 && (s.st_mode & 0777) == (0644 & ~022),
        "the mode is what was asked for");
    ok(strncmp(send_all(app, 20)->got, "HTTP/1.1 200", 12) == 0 && same() == 20,
        "a second one replaces the first");
    answers = 0;
    dial_free(app);
}

static void chunked(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    more(app, c, "5\r\nhello\r\n", 10);
    turns(app, 20);
    is_int(files(), 0, "nothing to see before it is whole, nor of what is still gathered");
    more(app, c, "0\r\n\r\n", 5);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && last_bytes == 5, "a chunked body");
    dial_free(app);
}

static void forms(void) {
    static const char head[] =
        "PUT /file HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\nContent-Length: %d\r\n\r\n";
    static const char *const body[] = {
        ("--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--xx\r\n"
         "Content-Disposition: form-data; name=\"firmware\"; filename=\"../a.bin\"\r\n"
         "Content-Type: application/octet-stream\r\n\r\nBYTES\r\n--xx\r\n"
         "Content-Disposition: form-data; name=\"firmware\"; filename=\"b\"\r\n\r\nOTHER\r\n"
         "--xx--\r\n"),
        "--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--xx--\r\n",
        "--xx\r\nContent-Disposition: form-data; name=\"firmware\"\r\n\r\nno file\r\n--xx--\r\n",
        "--xx\r\nContent-Disposition: form-data; name=\"firmware\"; filename=\"a\"\r\n\r\nBYT"};
    static const char *const said[] = {"HTTP/1.1 204", "HTTP/1.1 400", "HTTP/1.1 400",
        "HTTP/1.1 400"};
    static const int         why[] = {0, SSE_E_ABSENT, SSE_E_ABSENT, SSE_E_SYNTAX};
    static const char *const body_of[] = {"", "\r\n\r\nthe form has no file named firmware\n",
        "\r\n\r\nthe form has no file named firmware\n",
        "\r\n\r\nthe multipart body is not well-formed\n"};
    sse_body_file_options    o;
    size_t                   i;
    memset(&o, 0, sizeof o);
    o.field = "firmware";
    for (i = 0; i < SSE__COUNT(body); i++) {
        sse_app *app = app_with(&o);
        char     text[300];
        client  *c;
        snprintf(text, sizeof text, head, (int)strlen(body[i]));
        c = begin(app, text);
        more(app, c, body[i], strlen(body[i]));
        answered(app, c);
        ok(strncmp(c->got, said[i], 12) == 0, "form %d: %.12s", (int)i, c->got);
        is_int(last_error, why[i], "... the reason");
        ok(strstr(c->got, body_of[i]) != NULL, "... in words");
        is_int(dones, 1, "... done once");
        is_int(files(), i == 0, "... a file only if it was there");
        if (i == 0) {
            char  got[10] = {0};
            FILE *f = fopen(path, "rb");
            is_int((long long)fread(got, 1, 9, f), 5, "the bytes of that file alone");
            fclose(f);
            is_str(got, "BYTES", "... of the first of its name");
            is_str(last_name, "../a.bin", "the stranger's name is told");
            is_str(last_type, "application/octet-stream", "... and the type");
        }
        dial_free(app);
    }
}

/* A file without bytes is one, of a form that says no type of it, too. What has neither a name nor
   a byte is none: a browser sends that for an input where no file was chosen. */
static void empty_file(void) {
#define FIELD(filename, bytes) \
    "--xx\r\nContent-Disposition: form-data; name=f; filename" filename "\r\n\r\n" bytes "\r\n"
    static const struct {
        const char *form;
        int         error;
        const char *name, *kept;
    } rows[] = {{FIELD("=none", ""), 0, "none", ""},
        {FIELD("=\"\"", ""), SSE_E_ABSENT, "-", "before"},
        {FIELD("=", ""), SSE_E_ABSENT, "-", "before"},
        {FIELD("=\"\"", "") FIELD("=\"\"", ""), SSE_E_ABSENT, "-", "before"},
        {FIELD("=\"\"", "") FIELD("=b", "bytes"), 0, "b", "bytes"},
        {FIELD("=\"\"; filename*=UTF-8''none", ""), 0, "none", ""},
        {FIELD("=\"\"", "bytes"), 0, "", "bytes"},
        {FIELD("=\"\"", "bytes") FIELD("=b", "other"), 0, "", "bytes"}};
    sse_body_file_options o;
    size_t                i;
    memset(&o, 0, sizeof o);
    o.field = "f";
    for (i = 0; i < SSE__COUNT(rows); i++) {
        sse_app *app = app_with(&o);
        FILE    *f = fopen(path, "wb");
        char     text[600], got[10] = {0};
        client  *c;
        fputs("before", f);
        fclose(f);
        snprintf(text, sizeof text,
            "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d"
            "\r\nContent-Type: multipart/form-data; boundary=xx\r\n\r\n%s--xx--\r\n",
            (int)strlen(rows[i].form) + 8, rows[i].form);
        c = begin(app, text);
        answered(app, c);
        ok(strncmp(c->got, rows[i].error ? "HTTP/1.1 400" : "HTTP/1.1 204", 12) == 0,
            "empty file %d: %.12s", (int)i, c->got);
        ok(dones == 1 && last_error == rows[i].error, "... done hears it once (%d)", last_error);
        ok(rows[i].error != SSE_E_ABSENT || strstr(c->got, "the form has no file named f\n"),
            "... in words");
        is_str(last_name, rows[i].name, "... its name");
        is_str(last_type, "-", "... and no type");
        f = fopen(path, "rb");
        (void)fread(got, 1, 9, f);
        fclose(f);
        is_str(got, rows[i].kept, "... what is at the path");
        is_int(files(), 1, "... and nothing beside it");
        dial_free(app);
    }
#undef FIELD
}

#define TEXT(name, value) \
    "--xx\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_OF(name, bytes) \
    "--xx\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"x\"\r\n\r\n" bytes "\r\n"

static client *submit(sse_app *app, const char *form, size_t n, size_t piece) {
    char    head[200];
    client *c;
    size_t  at;
    snprintf(head, sizeof head,
        "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: %lu\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n\r\n",
        (unsigned long)n);
    dones = 0;
    c = begin(app, head);
    for (at = 0; at < n; at += piece) {
        more(app, c, form + at, at + piece < n ? piece : n - at);
        if (piece < n) turns(app, 1);
    }
    answered(app, c);
    return c;
}

/* What is typed beside a file is there when done runs, wherever it stands in the form. */
static void with_fields(void) {
    static const struct {
        const char *form, *fields;
        int         error;
    } rows[] = {{TEXT("dish", "soup") FILE_OF("f", "data"), "[dish=soup]", 0},
        {FILE_OF("f", "data") TEXT("dish", "soup"), "[dish=soup]", 0},
        {TEXT("dish", "soup") FILE_OF("f", "data") TEXT("note", "hot\r\nnow"),
            "[dish=soup][note=hot\r\nnow]", 0},
        {TEXT("\xc3\xbc", "\xe2\x82\xac") FILE_OF("f", "data"), "[\xc3\xbc=\xe2\x82\xac]", 0},
        {TEXT("a", "1") FILE_OF("f", "data") TEXT("a", "2") TEXT("a", ""), "[a=1][a=2][a=]", 0},
        {TEXT("f", "text") FILE_OF("f", "data") FILE_OF("f", "b"), "[f=text]", 0},
        {TEXT("a", "1") FILE_OF("other", "data") TEXT("b", "2"), "[a=1][b=2]", SSE_E_ABSENT},
        {FILE_OF("other", "more") FILE_OF("f", "data") TEXT("b", ""), "[b=]", 0},
        {TEXT("a", "1"), "[a=1]", SSE_E_ABSENT}, {FILE_OF("f", "data"), "", 0}};
    sse_body_file_options o;
    size_t                i, piece;
    memset(&o, 0, sizeof o);
    o.field = "f";
    for (i = 0; i < 2 * SSE__COUNT(rows); i++) {
        const int error = rows[i / 2].error;
        sse_app  *app = app_with(&o);
        char      form[600];
        client   *c;
        snprintf(form, sizeof form, "%s--xx--\r\n", rows[i / 2].form);
        piece = i % 2 ? 7 : strlen(form);
        c = submit(app, form, strlen(form), piece);
        ok(strncmp(c->got, error ? "HTTP/1.1 400" : "HTTP/1.1 204", 12) == 0,
            "form %d by %d bytes: %.12s", (int)i / 2, (int)piece, c->got);
        ok(dones == 1 && last_error == error && (error || last_bytes == 4), "... its file");
        is_str(fields, rows[i / 2].fields, "... and its other fields");
        dial_free(app);
    }
}

/* UP5: a form that no route of an ordinary body would take is not taken here. (M: as many bytes as
   may be in all; a name counts.) */
static void too_much_text(void) {
    enum { M = 2000 };
    static const char fine[] = TEXT("a", "1") FILE_OF("f", "data") TEXT("b", "2") "--xx--\r\n",
                      many[] = TEXT("a", "1") FILE_OF("f", "data") TEXT("b", "2")
                          TEXT("c", "3") "--xx--\r\n",
                      null[] = TEXT("a", "1?2") FILE_OF("f", "data") "--xx--\r\n",
                      cut[] = TEXT("a", "1") FILE_OF("f", "data") TEXT("b", "2");
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    char                  form[3 * M], nul[sizeof null];
    int                   i;
    memset(&o, 0, sizeof o);
    o.field = "f";
    max_body = M;
    app = app_with(&o);
    for (i = 0; i < 4; i++) { /* before the file, or behind it; one byte less, one too many */
        static const char *const orders[] = {TEXT("dish", "%.*s") FILE_OF("f", "data") "--xx--\r\n",
            FILE_OF("f", "data") TEXT("dish", "%.*s") "--xx--\r\n"};
        snprintf(form, sizeof form, orders[i / 2], M - 4 + i % 2, big_text());
        c = submit(app, form, strlen(form), 500);
        ok(strncmp(c->got, i % 2 ? "HTTP/1.1 413" : "HTTP/1.1 204", 12) == 0, "%s text: %.12s",
            i % 2 ? "too much" : "as much as may be", c->got);
        ok(dones == 1 && last_error == (i % 2 ? SSE_E_FULL : 0), "... and why");
        ok(!(i % 2) || strstr(c->got, "\r\n\r\nthe form's fields are too large\n"), "... in words");
        is_int(files(), !(i % 2), "... a file if it was not");
        unlink(path);
    }
    answers = 1;
    ok(strstr(submit(app, form, strlen(form), 500)->got, "\r\n\r\nkept 7"),
        "... or what done says");
    answers = 0;
    memcpy(nul, null, sizeof null);
    *strchr(nul, '?') = '\0';
    c = submit(app, nul, sizeof nul - 1, 1000);
    ok(strncmp(c->got, "HTTP/1.1 400", 12) == 0 && last_error == SSE_E_SYNTAX && dones == 1,
        "a field that holds a NUL: %.12s", c->got);
    ok(strstr(c->got, "\r\n\r\nthe form holds a NUL\n") != NULL, "... in words");
    c = submit(app, cut, sizeof cut - 1, 1000);
    ok(strncmp(c->got, "HTTP/1.1 400", 12) == 0 && last_error == SSE_E_SYNTAX && dones == 1,
        "a form that is cut off: %.12s", c->got);
    is_int(files(), 0, "... no file");
    dial_free(app);
    max_body = 0;
    max_fields = 2;
    app = app_with(&o);
    c = submit(app, fine, sizeof fine - 1, 1000);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0, "as many fields as may be");
    unlink(path);
    c = submit(app, many, sizeof many - 1, 1000);
    ok(strncmp(c->got, "HTTP/1.1 413", 12) == 0 && last_error == SSE_E_FULL && dones == 1,
        "one more: %.12s", c->got);
    ok(strstr(c->got, "\r\n\r\nthe form has more than 2 fields\n") != NULL, "... in words");
    is_int(files(), 0, "... no file");
    dial_free(app);
    max_fields = 0;
}

/* C6: fields that wait for their file, of clients that are slow, are bodies in memory. */
static void held_fields(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *first, *second;
    char                  form[2000];
    memset(&o, 0, sizeof o);
    o.field = "f";
    max_bodies = 1500;
    app = app_with(&o);
    snprintf(form, sizeof form, TEXT("dish", "%.1000s") FILE_OF("f", "data") "--xx--\r\n",
        big_text());
    first = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
                       "Content-Type: multipart/form-data; boundary=xx\r\n\r\n");
    more(app, first, form, 1100);
    turns(app, 5);
    is_int((long long)app->body_bytes, 1004, "what was typed is held while the file comes");
    second = submit(app, form, strlen(form), 5000);
    ok(strncmp(second->got, "HTTP/1.1 503", 12) == 0 && last_error == SSE_E_NOMEM && dones == 1,
        "as much again is too much: %.12s", second->got);
    ok(strstr(second->got, "\r\n\r\nthere is no room for the form's fields now, come back later\n"),
        "... in words");
    is_int((long long)app->body_bytes, 1004, "... and holds nothing");
    hang_up(first);
    turns(app, 5);
    is_int((long long)app->body_bytes, 0, "nor does one that left");
    second = submit(app, form, strlen(form), 5000);
    ok(strncmp(second->got, "HTTP/1.1 204", 12) == 0, "... then there is room");
    dial_free(app);
    max_bodies = 0;
}

/* Each allocation fails in turn, twice, as the first time some is kept for later. Where done hears
   that the file is there, so are the fields. */
static void fields_without_memory(void) {
    sse_body_file_options o;
    sse_app              *app;
    char                  form[5000], want[100];
    long                  n = 0, before = 0, kept = 0, failed = 0, round = 0;
    memset(&o, 0, sizeof o);
    o.field = "f";
    app = app_with(&o);
    snprintf(form, sizeof form, TEXT("a", "b") FILE_OF("f", "data") TEXT("note", "%s") "--xx--\r\n",
        big_text());
    snprintf(want, sizeof want, "[a=b][note=%.60s]", big_text());
    while (round < 2) {
        client *c;
        bool    whole;
        unlink(path);
        fail_at = ++n;
        c = submit(app, form, strlen(form), 1000);
        whole = fail_at > 0; /* there were not so many */
        fail_at = 0;
        turns(app, 2);
        hang_up(c);
        turns(app, 2);
        kept += dones == 1 && !last_error;
        failed += dones == 1 && last_error == SSE_E_NOMEM;
        if (dones == 1 && !last_error && strcmp(fields, want))
            is_str(fields, want, "without an allocation a field is lost");
        if (files() != (dones == 1 && !last_error)) ok(false, "without %ld: %d files", n, files());
        if (!whole) continue;
        if (round++ == 0) before = living;
        n = 0;
    }
    ok(kept > 2 && failed > 2, "allocations fail: %ld forms are kept whole, %ld not at all", kept,
        failed);
    is_int(files(), 1, "... and then all goes well");
    is_int(living, before, "... nothing is left in memory");
    dial_free(app);
}

static void refused(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    memset(&o, 0, sizeof o);
    o.max_bytes = 100000;
    app = app_with(&o);
    c = send_all(app, 100001);
    ok(strncmp(c->got, "HTTP/1.1 413", 12) == 0 && last_error == SSE_E_FULL,
        "a byte too many: 413 (%.12s)", c->got);
    ok(strstr(c->got, "\r\n\r\nthe file is too large\n") != NULL, "... in words");
    is_int(files(), 0, "... and no file");
    answers = 1;
    c = send_all(app, 100001);
    ok(strstr(c->got, "\r\n\r\nkept 7") && last_error == SSE_E_FULL,
        "... but what done has answered stays");
    answers = 2;
    ok(strncmp(send_all(app, 100001)->got, "HTTP/1.1 202", 12) == 0, "... a status");
    answers = 3;
    ok(strncmp(send_all(app, 100001)->got, "HTTP/1.1 200", 12) == 0, "... a file");
    answers = 4;
    words[0] = '\0';
    ok(strncmp(send_all(app, 100001)->got, "HTTP/1.1 413", 12) == 0, "sse_finish answers nothing");
    ok(strncmp(send_all(app, 100000)->got, "HTTP/1.1 204", 12) == 0, "... and fails nothing");
    is_str(words, "", "... nor is it a mistake");
    answers = 0;
    ok(strncmp(send_all(app, 100000)->got, "HTTP/1.1 204", 12) == 0, "as many as may be");
    dial_free(app);
    app = app_with(&o);
    c = begin(app, "PUT /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 500", 12) == 0 && !dones,
        "not in a route whose body is there already");
    is_str(words, "/early failed: sse_body_to_file: its route has no .body_later",
        "... which was silent");
    dial_free(app);
    o.field = "x";
    app = app_with(&o);
    c = send_all(app, 2);
    ok(strncmp(c->got, "HTTP/1.1 415", 12) == 0 && !dones, "a field of what is no form: 415");
    dial_free(app);
}

static client *sends(sse_app *app, const char *where, const char *type, const char *body) {
    char    head[300];
    client *c;
    snprintf(head, sizeof head,
        "PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %lu\r\n\r\n",
        where, type, (unsigned long)strlen(body));
    c = begin(app, head);
    turns(app, 3);
    more(app, c, body, strlen(body));
    answered(app, c);
    return c;
}

static void misused(void) {
    static const char form[] = "--xx\r\nContent-Disposition: form-data; name=\"f\"; "
                               "filename=\"a\"\r\n\r\ndata\r\n--xx--\r\n";
    static const char nameless[] =
        "--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\ndata\r\n--xx\r\n"
        "Content-Disposition: form-data; name=\"\"; filename=\"b\"\r\n\r\nEVIL\r\n--xx--\r\n";
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    c = sends(app, "/twice", "text/plain", "hello");
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 || strncmp(c->got, "HTTP/1.1 500", 12) == 0,
        "asked for twice: there is an answer (%.12s)", c->got);
    ok(answers_of[0] == 0 && answers_of[1] == SSE_E_STATE && answers_of[2] == SSE_E_STATE,
        "... the second is refused, and to finish it");
    ok(dones == 1 && last_error == 0 && last_bytes == 5, "... and the first went on");
    unlink(path);
    dones = 0;
    c = sends(app, "/deferred", "text/plain", "hello");
    ok(answers_of[0] == SSE_E_STATE && strncmp(c->got, "HTTP/1.1 500", 12) == 0 && !dones,
        "deferred already: refused, and no success (%.12s)", c->got);
    c = sends(app, "/mode", "text/plain", "hello");
    ok(answers_of[0] == SSE_E_ARG && answers_of[1] == SSE_E_ARG &&
            strncmp(c->got, "HTTP/1.1 500", 12) == 0,
        "permissions are 0..0777");
    c = sends(app, "/look", "multipart/form-data; boundary=xx", form);
    ok(answers_of[0] && answers_of[1] == 0 && strncmp(c->got, "HTTP/1.1 204", 12) == 0,
        "a form that is still to come is not malformed (%.12s)", c->got);
    unlink(path);
    dones = 0;
    c = sends(app, "/nowhere", "text/plain", "hello");
    ok(answers_of[0] == SSE_E_STATE && strncmp(c->got, "HTTP/1.1 404", 12) == 0 && !dones,
        "where there is no route: refused (%.12s)", c->got);
    fail_random = EIO;
    c = sends(app, "/file", "text/plain", "hello");
    ok(strncmp(c->got, "HTTP/1.1 500", 12) == 0 && !dones,
        "without a name of its own for what is not whole yet: 500 (%.12s)", c->got);
    is_int(files(), 0, "... and no file");
    fail_random = 0;
    c = sends(app, "/file", "text/plain", "hello");
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && dones == 1, "... and then all is well");
    dial_free(app);
    o.field = "f";
    app = app_with(&o);
    c = sends(app, "/file", "multipart/form-data; boundary=xx", nameless);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && last_bytes == 4,
        "a part without a name is not part of the file");
    dial_free(app);
}

static void follow(sse_req *req, sse_stream s) {
    (void)req;
    sse_subscribe(s, "up");
}

static void leaves(void) { /* UP2: in the middle: gathered, or written already */
    static const size_t   sent[] = {10, 300000, 1000000};
    sse_body_file_options o;
    size_t                i;
    memset(&o, 0, sizeof o);
    o.topic = "up";
    for (i = 0; i < SSE__COUNT(sent); i++) {
        sse_app *app = app_with(&o);
        client  *watcher, *c;
        int      n;
        opening = follow;
        watcher = dial(app, "/s", NULL);
        c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
        more(app, c, big, sent[i]);
        turns(app, 5);
        hang_up(c);
        for (n = 0; n < 30000 && !dones; n++) turns(app, 1);
        ok(dones == 1 && last_error == SSE_E_CLOSED, "it left after %lu bytes",
            (unsigned long)sent[i]);
        turns(app, 3);
        is_int(files(), 0, "... nothing of it is left");
        is_int(times(watcher, ",\"failed\":true,\"reason\":\"cut off\"}\n"), 1,
            "... who follows it is told so, and why");
        dial_free(app);
    }
    for (i = 0; i < 3 * SSE__COUNT(sent); i++) {
        sse_app *app = app_with(&o);
        client  *c =
            begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
        more(app, c, big, sent[i / 3]);
        turns(app, 2 + (int)i % 3); /* a job runs, or its end waits */
        dial_free(app);
        ok(dones == 1, "the app is freed after %lu bytes: done once", (unsigned long)sent[i / 3]);
        is_int(files(), 0, "... nothing of it is left");
    }
}

static void disk(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    struct stat           st;
    char                  keep[200];
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    fail_write = ENOSPC;
    ok(strncmp(send_all(app, 300000)->got, "HTTP/1.1 507", 12) == 0 && last_error == SSE_E_IO,
        "the disk is full: 507");
    ok(strstr(clients[nclients - 1].got, "\r\n\r\nthe disk is full\n") != NULL, "... in words");
    snprintf(keep, sizeof keep, "sse_body_to_file: %s: %s (/file)", path, strerror(ENOSPC));
    is_str(words, keep, "... and in the log");
    is_int(files(), 0, "... nothing is left");
    dones = 0;
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    more(app, c, big, 100000);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 507", 12) == 0, "it is said as soon as it is known");
    is_int(dones, 1, "... and done is told once, whatever is still to come");
    fail_write = EIO;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0, "it fails: 500");
    ok(strstr(clients[nclients - 1].got, "\r\n\r\nthe file could not be kept\n") != NULL,
        "... in words");
    fail_write = 0;
    fail_sync = EIO;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0, "it cannot be synced: 500");
    is_int(files(), 0, "... nothing is left");
    fail_sync = 0;
    fail_close = EDQUOT;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0 && last_error == SSE_E_IO,
        "its last bytes do not fit, as its close tells: 500");
    is_int(files(), 0, "... nothing is left");
    fail_close = 0;
    snprintf(keep, sizeof keep, "%s", path);
    snprintf(path, sizeof path, "%s/none/file", dir);
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0 && last_error == SSE_E_IO,
        "there is no such directory: 500");
    snprintf(path, sizeof path, "%.60s", keep);
    mkdir(path, 0700);
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0,
        "a directory stands in its place: 500");
    is_int(files(), 1, "... nothing beside it is left");
    rmdir(path);
    is_int(mkfifo(path, 0600), 0, "so may a device, which a rename would replace");
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 500", 12) == 0 && last_error == SSE_E_IO,
        "... 500");
    is_int(files(), 1, "... it stays, and nothing beside it is left");
    unlink(path);
    is_int(symlink("/tmp", path), 0, "a link");
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0, "... is replaced");
    ok(lstat(path, &st) == 0 && S_ISREG(st.st_mode), "... not what it leads to");
    directories = 0;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0, "and then it is well");
    is_int(directories, 1, "... on the disk under its name");
    fail_directory = EINVAL;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0,
        "... also where no directory can be synced");
    fail_directory = 0;
    dial_free(app);
}

/* The present directory is one that a file may be in. */
static void here(void) {
    sse_body_file_options o;
    sse_app              *app;
    const int             before = open(".", O_RDONLY | O_CLOEXEC);
    char                  keep[64];
    memset(&o, 0, sizeof o);
    is_int(chdir(dir), 0, "a directory");
    snprintf(keep, sizeof keep, "%s", path);
    snprintf(path, sizeof path, "file");
    app = app_with(&o);
    directories = 0;
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0, "a file without one in its path");
    is_int(directories, 1, "... is on the disk under its name as well");
    is_int(files(), 1, "... in the present one");
    dial_free(app);
    snprintf(path, sizeof path, "%.63s", keep);
    is_int(fchdir(before), 0, "where it was");
    close(before);
}

/* What the program starts meanwhile has no file of an upload. */
static void children(void) {
    sse_body_file_options o;
    sse_app              *app;
    const int             before = inherited();
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    for_children = -1;
    SSE__FLAG_SET(look);
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0, "a file");
    SSE__FLAG_CLEAR(look);
    is_int(for_children, before, "... that no child has");
    dial_free(app);
}

/* A client is held back while the disk is slower. */
static void held_back(void) {
#ifndef SSE_NO_THREADS
    sse_body_file_options o;
    sse_app              *app;
    sse_req              *req;
    sse__upload          *u;
    client               *c;
    size_t                sent = 0, most;
    int                   i;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    SSE__FLAG_SET(held);
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    for (i = 0; i < 30000 && sse__list_empty(&app->router->kept); i++) turns(app, 1);
    req = SSE__CONTAINER(app->router->kept.next, sse_req, kept);
    u = (sse__upload *)req->body_user;
    for (i = 0; i < 3000 && !req->conn->paused; i++) {
        const ssize_t n = send(c->fd, big + sent, BIG - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        turns(app, 1);
    }
    ok(u->writing && req->conn->paused, "what comes while a piece is written is held back");
    ok(u->gathered.len >= SSE__UPLOAD_MOST && u->gathered.len < 2 * SSE__UPLOAD_MOST,
        "... when there is so much of it: %lu", (unsigned long)u->gathered.len);
    most = u->gathered.len;
    turns(app, 20);
    is_int((long long)u->gathered.len, (long long)most, "... and no more");
    SSE__FLAG_CLEAR(held);
    more(app, c, big + sent, BIG - sent);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && same() == BIG, "... and then all of it comes");
    dial_free(app);
#endif
}

#ifndef SSE_NO_THREADS
static size_t in_memory(sse_app *app) { /* of all uploads */
    size_t     n = 0;
    sse__link *at;
    for (at = app->router->kept.next; at != &app->router->kept; at = at->next) {
        const sse__upload *u = (sse__upload *)SSE__CONTAINER(at, sse_req, kept)->body_user;
        n += u->gathered.cap + u->written.cap;
    }
    return n;
}

/* UP4, C6: many of them while the disk is slow hold no more than bodies may; a single one goes
   on. */
static void together(void) {
    enum { MANY = 8, MOST = 1 << 20 };
    sse_body_file_options o;
    sse_app              *app;
    client               *c[MANY];
    size_t                sent[MANY] = {0};
    int                   i, k, well = 0;
    memset(&o, 0, sizeof o);
    max_bodies = MOST;
    app = app_with(&o);
    SSE__FLAG_SET(held);
    for (k = 0; k < MANY; k++)
        c[k] =
            begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    for (i = 0; i < 200; i++) {
        for (k = 0; k < MANY; k++) {
            const ssize_t n =
                send(c[k]->fd, big + sent[k], BIG - sent[k], MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) sent[k] += (size_t)n;
        }
        turns(app, 1);
    }
    ok(in_memory(app) > MOST / 2 && in_memory(app) <= MOST, "many uploads hold %lu bytes",
        (unsigned long)in_memory(app));
    is_int((long long)app->body_bytes, (long long)in_memory(app), "... which is known");
    SSE__FLAG_CLEAR(held);
    for (k = 0; k < MANY; k++) {
        more(app, c[k], big + sent[k], BIG - sent[k]);
        answered(app, c[k]);
        well += strncmp(c[k]->got, "HTTP/1.1 204", 12) == 0;
    }
    is_int(well, MANY, "... and all of them come to their end");
    is_int((long long)same(), BIG, "... whole");
    is_int((long long)app->body_bytes, 0, "... and hold nothing then");
    dial_free(app);
    max_bodies = 1;
    app = app_with(&o);
    ok(strncmp(send_all(app, BIG)->got, "HTTP/1.1 204", 12) == 0 && same() == BIG,
        "however little bodies may hold, one comes to its end");
    dial_free(app);
    max_bodies = 0;
}

static void in_whole(sse_req *req, void *user) {
    (void)user;
    sse_printf(sse_out(req), "%lu", (unsigned long)sse_body(req).len);
}

/* UP4: what the disk was slow to take leaves memory with it: other bodies have the room, though the
   client has more to send, and waits. */
static void gives_room(void) {
    enum { MOST = 1000000 };
    sse_body_file_options o;
    sse_app              *app;
    sse__upload          *u;
    client               *c, *other;
    size_t                sent = 0;
    int                   i;
    memset(&o, 0, sizeof o);
    max_bodies = MOST;
    app = app_with(&o);
    sse_put(app, "/whole", in_whole, NULL);
    SSE__FLAG_SET(held);
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    for (i = 0; i < 30000 && sse__list_empty(&app->router->kept); i++) turns(app, 1);
    u = (sse__upload *)SSE__CONTAINER(app->router->kept.next, sse_req, kept)->body_user;
    for (i = 0; i < 3000 && !u->req->conn->paused; i++) {
        const ssize_t n = send(c->fd, big + sent, 16384, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent += (size_t)n;
        turns(app, 1);
    }
    ok(in_memory(app) > MOST / 2, "while the disk is slow an upload holds %lu bytes",
        (unsigned long)in_memory(app));
    SSE__FLAG_CLEAR(held);
    for (i = 0; i < 30000 && (u->writing || u->file.bytes < sent); i++) turns(app, 1);
    ok(in_memory(app) < MOST / 2, "... and %lu when all that came is written",
        (unsigned long)in_memory(app));
    other = begin(app, "PUT /whole HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n");
    more(app, other, big, 600000);
    answered(app, other);
    ok(strstr(other->got, "\r\n\r\n600000") != NULL, "... another body has room: %.12s",
        other->got);
    more(app, c, big + sent, BIG - sent);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0, "... and all of it comes to its end");
    dial_free(app);
    max_bodies = 0;
}

static int shut; /* no work of the program ends */

static void waits(sse_app *app, void *user) {
    (void)app, (void)user;
    while (SSE__FLAG(shut)) poll(NULL, 0, 1);
}

/* J2, UP3: they wait for no work of the program's, however much of it there is, and none begins
   while the disk is far behind. */
static void apart(void) {
    static const char     full[] = "\r\n\r\nthere is too much to write, come back later\n";
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    int                   i, jobs = 0;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    loop_thread = pthread_self();
    SSE__FLAG_SET(shut);
    for (i = 0; i < 4; i++) sse_offload(app, waits, NULL, NULL);
    ok(strncmp(send_all(app, 3000)->got, "HTTP/1.1 204", 12) == 0,
        "a body while all threads of the program work");
    while (sse_offload(app, waits, NULL, NULL) != SSE_E_FULL) jobs++;
    ok(jobs >= SSE__POOL_WAITING - 4, "... and a thousand of its jobs wait");
    ok(strncmp(send_all(app, BIG)->got, "HTTP/1.1 204", 12) == 0, "... one more, of many pieces");
    is_int((long long)same(), BIG, "... is all there");
    SSE__FLAG_CLEAR(shut);
    is_int(on_loop, 0, "... and the loop waited for no disk");
    dial_free(app);

    app = app_with(&o);
    SSE__FLAG_SET(held);
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    more(app, c, big, 100000);
    turns(app, 5);
    SSE__FLAG_SET(shut);
    for (i = 0; i < SSE__POOL_THREADS + SSE__POOL_WAITING; i++) /* as so many uploads have */
        sse__uploads_do(app, waits, NULL, NULL);
    turns(app, 2);
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 503", 12) == 0 && !dones,
        "a body when the disk is a thousand behind: 503");
    ok(strstr(clients[nclients - 1].got, full) != NULL, "... in words");
    SSE__FLAG_CLEAR(held);
    SSE__FLAG_CLEAR(shut);
    more(app, c, big + 100000, BIG - 100000);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && same() == BIG, "... one that had begun goes on");
    is_int(on_loop, 0, "... and the loop waited for no disk");
    ok(strncmp(send_all(app, 10)->got, "HTTP/1.1 204", 12) == 0, "... and then others, too");
    dial_free(app);
}

/* One whose client leaves before a byte is on the disk needs nothing of the disk. */
static void leaves_early(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *c;
    int                   i;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    SSE__FLAG_SET(shut);
    for (i = 0; i < SSE__POOL_THREADS; i++) sse__uploads_do(app, waits, NULL, NULL);
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    more(app, c, big, 1000);
    turns(app, 5);
    hang_up(c);
    for (i = 0; i < 30000 && !dones; i++) turns(app, 1);
    ok(dones == 1 && last_error == SSE_E_CLOSED, "it left while the disk has much to do");
    ok(SSE__FLAG(shut), "... which it does not wait for");
    SSE__FLAG_CLEAR(shut);
    dial_free(app);
}

/* One whose client leaves when the disk has failed: that stays the cause, and is told. */
static void leaves_late(void) {
    sse_body_file_options o;
    sse_app              *app;
    sse__upload          *u;
    client               *c;
    char                  keep[200];
    int                   i;
    memset(&o, 0, sizeof o);
    app = app_with(&o);
    SSE__FLAG_SET(held);
    fail_write = ENOSPC;
    c = begin(app, "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2500000\r\n\r\n");
    more(app, c, big, 100000);
    turns(app, 5);
    SSE__FLAG_SET(shut);
    for (i = 0; i < SSE__POOL_THREADS; i++) sse__uploads_do(app, waits, NULL, NULL);
    SSE__FLAG_CLEAR(held);
    u = (sse__upload *)SSE__CONTAINER(app->net->conns.next, sse__conn, all)->req->body_user;
    for (i = 0; i < 30000 && !u->file.error; i++) turns(app, 1); /* what removes it waits */
    hang_up(c);
    turns(app, 5);
    is_int(dones, 0, "it leaves while what the disk refused is not yet removed");
    SSE__FLAG_CLEAR(shut);
    for (i = 0; i < 30000 && !dones; i++) turns(app, 1);
    ok(dones == 1 && last_error == SSE_E_IO, "... the disk is the cause (%d)", last_error);
    snprintf(keep, sizeof keep, "sse_body_to_file: %s: %s (/file)", path, strerror(ENOSPC));
    is_str(words, keep, "... in the log as well");
    is_int(files(), 0, "... nothing is left");
    fail_write = 0;
    dial_free(app);
}
#endif

/* The last descriptors are for databases, and the program's own. */
static void few_left(void) {
    sse_body_file_options o;
    struct rlimit         before, few;
    sse_app              *app;
    client               *c, *late, *watcher;
    char                  head[100], keep[200];
    int                   fds[256], n = 0;
    memset(&o, 0, sizeof o);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 256;
    o.topic = "up";
    app = app_with(&o);
    opening = follow;
    watcher = dial(app, "/s", NULL);
    snprintf(head, sizeof head,
        "PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n");
    c = begin(app, head);
    late = begin(app, head);
    turns(app, 20);
    setrlimit(RLIMIT_NOFILE, &few);
    while ((fds[n] = open("/dev/null", O_RDONLY)) < 252) n++;
    close(fds[n]);
    more(app, c, big, 10);
    answered(app, c);
    ok(strncmp(c->got, "HTTP/1.1 503", 12) == 0 && last_error == SSE_E_IO,
        "few descriptors are left: 503 (%.12s)", c->got);
    ok(strstr(c->got, "\r\n\r\nthere is no room now, come back later\n") != NULL, "... in words");
    snprintf(keep, sizeof keep, "sse_body_to_file: %s: %s (/file)", path, strerror(EMFILE));
    is_str(words, keep, "... and in the log");
    turns(app, 5);
    ok(strstr(watcher->got, ",\"failed\":true,\"reason\":\"no room\"}\n") != NULL,
        "... and in the topic");
    close(fds[--n]);
    more(app, late, big, 10);
    answered(app, late);
    ok(strncmp(late->got, "HTTP/1.1 204", 12) == 0, "with one more it is well");
    while (n) close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &before);
    is_int(files(), 1, "... and nothing is left beside it");
    dial_free(app);
}

static void tells(sse_app *app, sse__upload *u, uint64_t now, client *watcher, int want) {
    int i;
    sse__upload_tell(u, now);
    for (i = 0; i < 30000 && times(watcher, "event: progress\n") < want; i++) turns(app, 1);
    turns(app, 2);
    is_int(times(watcher, "event: progress\n"), want, "... so often in all");
}

static bool seen(const sse_event *event, void *user) { return (void)event, (void)user, true; }

static void told_of(void) { /* at most ten times a second, and of the end */
    static const struct {
        int         error;
        const char *word;
    } reasons[] = {{SSE_E_FULL, "too large"}, {SSE_E_CLOSED, "cut off"}, {SSE_E_ABSENT, "no file"},
        {SSE_E_SYNTAX, "bad form"}, {SSE_E_IO, "disk full"}, {SSE_E_NOMEM, "no memory"}};
    size_t                i;
    sse_body_file_options o;
    sse_app              *app;
    client               *watcher;
    sse_topic_options     topic;
    sse_req               req;
    sse__upload           u;
    memset(&o, 0, sizeof o);
    memset(&req, 0, sizeof req);
    memset(&u, 0, sizeof u);
    memset(&topic, 0, sizeof topic);
    app = app_with(&o);
    opening = follow;
    topic.history = 10;
    topic.overflow = SSE_KEEP_NEWEST;
    is_int(sse_topic(app, "up", &topic), 0, "a topic that keeps what it is told");
    watcher = dial(app, "/s", NULL);
    req.app = app;
    u.req = &req;
    u.topic = "up";
    u.told_ms = 1000;
    u.total = 500;
    u.file.bytes = 100;
    tells(app, &u, 1099, watcher, 0);
    tells(app, &u, 1100, watcher, 1);
    ok(strstr(watcher->got, "data: {\"bytes\":100,\"total\":500}\n") != NULL, "a piece has come");
    tells(app, &u, 1199, watcher, 1);
    u.file.bytes = 600; /* more than was said: a form has other fields behind it */
    tells(app, &u, 1200, watcher, 2);
    ok(strstr(watcher->got, "data: {\"bytes\":600,\"total\":600}\n") != NULL,
        "the total is no less than what has come");
    u.last = true;
    u.file.error = SSE_E_IO;
    u.total = 700;
    tells(app, &u, 1201, watcher, 3);
    ok(strstr(watcher->got, "data: {\"bytes\":600,\"total\":700,\"failed\":true,"
                            "\"reason\":\"disk\"}\n") != NULL,
        "it has failed");
    u.error_number = ENOSPC;
    for (i = 0; i < SSE__COUNT(reasons); i++) {
        char want[60];
        u.file.error = reasons[i].error;
        sse__upload_tell(&u, 1201);
        turns(app, 2);
        snprintf(want, sizeof want, ",\"failed\":true,\"reason\":\"%s\"}\n", reasons[i].word);
        is_int(times(watcher, want), 1, want);
    }
    u.file.error = SSE_OK;
    tells(app, &u, 1201, watcher, 4 + (int)SSE__COUNT(reasons));
    ok(strstr(watcher->got, "data: {\"bytes\":600,\"total\":600,\"done\":true}\n") != NULL,
        "it is there");
    say(app, "up", "of somebody else");
    tells(app, &u, 1201, watcher, 5 + (int)SSE__COUNT(reasons));
    is_int(times(watcher, "data: of somebody else\n"), 1, "... in the place of nothing else");
    u.topic = NULL;
    tells(app, &u, 2000, watcher, 5 + (int)SSE__COUNT(reasons));
    is_int(sse_topic_history(app, "up", 0, seen, NULL), 1, "... but how far a file was");
    dial_free(app);
}

static void put_quietly(sse_req *req, void *user) {
    (void)user;
    is_int(sse_body_to_file(req, path, NULL, NULL), 0, "a file, and nothing runs when it is there");
}

static void nothing_runs(void) {
    sse_body_file_options o;
    sse_route_options     later;
    sse_app              *app;
    client               *c;
    memset(&o, 0, sizeof o);
    memset(&later, 0, sizeof later);
    later.method = "PUT";
    later.body_later = true;
    app = app_with(&o);
    sse_route(app, "/quietly", put_quietly, NULL, &later);
    c = sends(app, "/quietly", "text/plain", "hello");
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && !dones && files() == 1, "... it is there");
    dial_free(app);
}

/* A body that takes longer than a minute is nobody's mistake. */
static void for_minutes(void) {
    sse_body_file_options o;
    sse_route_options     r;
    sse_app_options       options;
    sse_app              *app;
    sse_test_reply        reply;
    memset(&o, 0, sizeof o);
    memset(&r, 0, sizeof r);
    memset(&options, 0, sizeof options);
    memset(&reply, 0, sizeof reply);
    options.on_log = on_log;
    options.body_timeout_ms = SSE_OFF;
    app = sse_app_new(&options);
    r.body_later = true;
    r.method = "PUT";
    sse_route(app, "/file", put, &o, &r);
    words[0] = '\0';
    dones = 0;
    is_int(sse_test_request(app, "PUT /file", "Content-Length: 9\n", "slow", &reply), 0, "a body");
    is_int(sse_test_run(app, 200000), 0, "... that comes slowly");
    is_str(words, "", "... of which there is nothing to say");
    is_int(dones, 0, "... as it is not there yet");
    sse_test_close(&reply);
    sse_app_free(app);
    is_int(dones, 1, "... and does not come");
    is_int(files(), 0, "... nothing of it is left");
}

static void progress(void) {
    sse_body_file_options o;
    sse_app              *app;
    client               *watcher;
    memset(&o, 0, sizeof o);
    o.topic = "up";
    app = app_with(&o);
    opening = follow;
    watcher = dial(app, "/s", NULL);
    send_all(app, BIG);
    turns(app, 5);
    ok(strstr(watcher->got, "data: {\"bytes\":2500000,\"total\":2500000,\"done\":true}\n") != NULL,
        "a topic hears of the end");
    ok(times(watcher, "event: progress") >= 1 && times(watcher, "event: progress") < 50,
        "... and on the way, not of each piece (%d)", times(watcher, "event: progress"));
    dial_free(app);
}

/* The total of a file in a form: of it alone, as far as that can be known. */
static void progress_of_form(const char *before, const char *behind, bool chunks) {
    static const char end[] = "\r\n--xx--\r\n";
    enum { SIZE = 1500000, FIRST = 600000 };
    sse_body_file_options o;
    sse_app              *app;
    client               *watcher, *c;
    char                  head[300], chunk[32], want[100];
    unsigned long         body;
    int                   i;
    memset(&o, 0, sizeof o);
    o.topic = "up";
    o.field = "f";
    app = app_with(&o);
    opening = follow;
    watcher = dial(app, "/s", NULL);
    body = (unsigned long)(strlen(before) + SIZE + strlen(behind) + sizeof end - 1);
    snprintf(chunk, sizeof chunk, chunks ? "Transfer-Encoding: chunked" : "Content-Length: %lu",
        body);
    snprintf(head, sizeof head,
        "PUT /file HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n\r\n",
        chunk);
    c = begin(app, head);
    snprintf(chunk, sizeof chunk, "%lx\r\n", body);
    if (chunks) more(app, c, chunk, strlen(chunk));
    more(app, c, before, strlen(before));
    more(app, c, big, FIRST);
    for (i = 0; i < 30000 && !times(watcher, "event: progress"); i++) turns(app, 1);
    ok(strstr(watcher->got, "\"bytes\":") != NULL, "a topic hears of a file in a form");
    if (chunks) ok(!strstr(watcher->got, "total"), "... of no total, where the client says none");
    else {
        snprintf(want, sizeof want, "\"total\":%lu}\n", SIZE + (unsigned long)strlen(behind));
        is_int(times(watcher, "\"total\":"), times(watcher, want), want);
    }
    more(app, c, big + FIRST, SIZE - FIRST);
    more(app, c, behind, strlen(behind));
    more(app, c, end, sizeof end - 1);
    if (chunks) more(app, c, "\r\n0\r\n\r\n", 7);
    answered(app, c);
    turns(app, 5);
    ok(strncmp(c->got, "HTTP/1.1 204", 12) == 0 && last_bytes == SIZE, "... which is kept");
    ok(strstr(watcher->got, chunks
                                ? "{\"bytes\":1500000,\"done\":true}\n"
                                : "{\"bytes\":1500000,\"total\":1500000,\"done\":true}\n") != NULL,
        "... and is all of it at the end");
    dial_free(app);
}

static void progress_of_forms(void) {
    static const char first[] = "--xx\r\nContent-Disposition: form-data; name=f; filename=a\r\n"
                                "\r\n";
    static const char field[] =
        "--xx\r\nContent-Disposition: form-data; name=t\r\n\r\ntext\r\n"
        "--xx\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\n";
    static const char later[] = "\r\n--xx\r\nContent-Disposition: form-data; name=t\r\n\r\ntext";
    progress_of_form(first, "", false);
    progress_of_form(field, "", false);
    progress_of_form(field, later, false);
    progress_of_form(field, "", true);
}

int main(void) {
    size_t i;
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/file", dir);
    big = (char *)malloc(BIG);
    for (i = 0; i < BIG; i++) big[i] = (char)(i * 2654435761u >> 13);
    whole();
    chunked();
    forms();
    empty_file();
    with_fields();
    too_much_text();
    held_fields();
    fields_without_memory();
    refused();
    misused();
    leaves();
    disk();
    here();
    children();
    held_back();
    few_left();
#ifndef SSE_NO_THREADS
    together();
    gives_room();
    apart();
    leaves_early();
    leaves_late();
#endif
    nothing_runs();
    told_of();
    for_minutes();
    progress();
    progress_of_forms();
    unlink(path);
    ok(rmdir(dir) == 0, "nothing is left behind");
    free(big);
    return tap_done();
}
