/* Tests of sse_load_env: what a line may be, what is refused, what is left alone, and what the
   system does not give; of sse_alive. */
#define _DEFAULT_SOURCE
#include "scarce.h"
#include "refuse.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static char file[] = "/tmp/sse-env-XXXXXX";

static int load(const char *text, size_t n) {
    FILE *f = fopen(file, "wb");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f)) return -100;
    return sse_load_env(file);
}

static void is_var(const char *line, const char *want, const char *name) {
    unsetenv("T_A");
    is_int(load(line, strlen(line)), 1, name);
    is_str(getenv("T_A"), want, "... its value");
}

static void is_wrong(const char *text, const char *name) {
    unsetenv("T_A");
    unsetenv("T_B");
    is_int(load(text, strlen(text)), SSE_E_SYNTAX, name);
    ok(!getenv("T_A"), "... and nothing is set");
}

static int line_of(const char *text) {
    int line = 0;
    return sse__env_walk(sse__text(text), false, &line) == SSE_E_SYNTAX ? line : 0;
}

static void values(void) {
    is_var("T_A=plain", "plain", "no line break at the end");
    is_var("\xEF\xBB\xBFT_A=plain\r\n", "plain", "a byte order mark, CR LF");
    is_var("  export\tT_A = spaces  inside \t\n", "spaces  inside", "export and spaces");
    is_var("T_A=\n", "", "empty");
    is_var("T_A= # nothing but a comment\n", "", "empty before a comment");
    is_var("T_A=#ff0000\n", "#ff0000", "a # right behind the =");
    is_var("T_A =## a \t# c\n", "## a", "... and more, before a comment");
    is_var("T_A=#\n", "#", "... alone");
    is_var("T_A=\t#x\n", "", "... none behind a tab");
    is_var("T_A=a#b c # comment\n", "a#b c", "a # inside, a comment behind");
    is_var("T_A='as $it \\n is # '  # comment\n", "as $it \\n is # ", "single quotes");
    is_var("T_A=\"1\\n2\\r3\\t4\\\"5\\\\6\\$7\\x\"\n", "1\n2\r3\t4\"5\\6$7\\x", "double quotes");
    is_var("T_A=\"-----BEGIN\nline=2\n# no comment\n\"\n", "-----BEGIN\nline=2\n# no comment\n",
        "several lines");
    is_var("T_A=''\n", "", "quoted and empty");
    is_var("T_A=a'b\"c\n", "a'b\"c", "quotes inside");
    is_var("# c\n\n   \n\t# d\nT_A==x=\n", "=x=", "comments and empty lines before, = inside");
    is_var("T_A=first\nT_A=second\n", "first", "twice: what is set stays");
    is_var("\texport\tT_A\t=\tx\t# c\n", "x", "tabs");
    is_var("T_A='x'# c\n", "x", "a comment right behind quotes");
    is_var("T_A=\"x\"\r\n", "x", "CR LF behind quotes");
    is_var("T_A=x\r", "x", "a CR at the end");
    is_var("T_A = 'x  y' \n", "x  y", "spaces around quotes");
    is_var("T_A=a \"b\"\n", "a \"b\"", "quotes further on");
    is_var("T_A=\"a'b\"\n", "a'b", "a quote inside of the other");
    is_var("T_A=\"\\z\"\n", "\\z", "a backslash before any other letter stays");
}

static void refused(void) {
    int line = 0;
    is_wrong("T_A=1\nno equals sign\n", "a line without =");
    is_wrong("T_A=1\n=2\n", "no name");
    is_wrong("T_A=1\n0B=2\n", "a name that starts with a digit");
    is_wrong("T_A=1\n9B=2\n", "... the last of them");
    is_wrong("T_A=1\nexport\n", "a name, and no more");
    is_wrong("T_A=1\nT_B", "... at the end");
    is_wrong("T_A=1\nT B=2\n", "two names");
    is_wrong("T_A=1\nT_B=\"x\\", "a backslash at the end");
    is_wrong("T_A=1\nT-B=2\n", "a name with a dash");
    is_wrong("T_A=1\nT_B=\"open\nT_C=1\n", "double quotes left open");
    is_wrong("T_A=1\nT_B='open", "single quotes left open");
    is_wrong("T_A=1\nT_B=\"x\" y\n", "something behind the quotes");
    is_wrong("T_A=1\nT_B=\"x\" T_C=1\n", "... another variable");
    is_wrong("T_A=1\nT_B=\"x\\\"\n", "the closing quote is escaped");
    unsetenv("T_A");
    is_int(load("T_A=1\nT_B=a\0b\n", 14), SSE_E_SYNTAX, "NUL in a value");
    is_int(load("T_A\0B=1\n", 8), SSE_E_SYNTAX, "NUL in a name");
    is_int(load("T_A=1\n\0T_B=1\n", 13), SSE_E_SYNTAX, "... before it");
    ok(!getenv("T_A"), "... and nothing is set");
    is_int(line_of("A=1\n\n# c\nB='\n\n'\nbad\nC=1\n"), 7, "the line of the mistake");
    is_int(line_of("A=1\nB=\"x\" y\nC=1\n"), 2, "... behind quotes");
    is_int(line_of("A=1\nB=\"x\n\n"), 2, "... of a quote left open, where it opens");
    is_int(sse__env_walk(sse__str("A=1\n", 1), false, &line), SSE_E_SYNTAX,
        "what stands behind the text is no value");
    is_int(line, 1, "... and is not read");
    is_int(sse__env_walk(sse__str("A='x'\nB=2\n", 4), false, &line), SSE_E_SYNTAX,
        "what stands behind the text closes no quote");
    is_int(line, 1, "... and is not read");
    is_int(sse__env_walk(sse__str("A=\"x\\\"x\nB=2\n", 5), false, &line), SSE_E_SYNTAX,
        "... nor is it what a backslash at its end is for");
    is_int(line, 1, "... and is not read");
}

/* The place of a mistake, and not its text, is on stderr. */
static void told(void) {
    char      want[200], heard[200] = "", name[] = "/tmp/sse-env-XXXXXX";
    const int before = dup(2), fd = mkstemp(name);
    ssize_t   n;
    ok(before >= 0 && fd >= 0 && dup2(fd, 2) == 2, "(stderr is a file)");
    unlink(name);
    is_int(load("T_A=1\n\nsecret\n", 14), SSE_E_SYNTAX, "a mistake");
    is_int(sse_load_env("/nowhere/.env"), SSE_E_ABSENT, "a file that is not there");
    is_int(load("T_B=2\n", 6), 1, "a file without a mistake");
    dup2(before, 2);
    close(before);
    n = pread(fd, heard, sizeof heard - 1, 0);
    heard[n > 0 ? n : 0] = '\0';
    close(fd);
    snprintf(want, sizeof want,
        "sse.h: error: %s, line 3: not KEY=value, or a quote is left open\n", file);
    is_str(heard, want, "its line is told, and nothing else");
}

/* Each allocation fails once. */
static void without_memory(void) {
    static const char text[] = "T_A=\"one\"\nT_B=two\n";
    const int         before = descriptors();
    int               error = SSE_E_NOMEM;
    long              n;
    (void)load(text, sizeof text - 1);
    for (n = 1; n < 30 && error == SSE_E_NOMEM; n++) {
        long left;
        unsetenv("T_A");
        unsetenv("T_B");
        fail_at = n;
        error = sse_load_env(file);
        left = fail_at;
        fail_at = 0;
        ok(left ? error == 2 : error == SSE_E_NOMEM, "without allocation %ld: %d", n, error);
        is_int(living, 0, "... no memory is left");
    }
    ok(error == 2 && n > 5, "%ld failed", n - 2);
    is_str(getenv("T_A"), "one", "then both are set");
    is_str(getenv("T_B"), "two", "... each to its own");
    is_int(descriptors(), before, "no descriptor is left");
}

static void refused_calls(void) {
    const int before = descriptors();
    unsetenv("T_A");
    is_int(load("T_A=1\n", 6), 1, "a file");
    unsetenv("T_A");
    refuse("open(file", 1, EACCES);
    is_int(sse_load_env(file), SSE_E_IO, "one that may not be read");
    refuse("open(file", 1, ENOENT);
    is_int(sse_load_env(file), SSE_E_ABSENT, "one that is not there");
    refuse("read(fd", 1, EIO);
    is_int(sse_load_env(file), SSE_E_IO, "one that cannot be read");
    ok(!getenv("T_A"), "... sets nothing");
    refuse("read(fd", 2, EIO);
    is_int(sse_load_env(file), SSE_E_IO, "... nor one that cannot be read to its end");
    ok(!getenv("T_A"), "... sets nothing");
    refuse("read(fd", 1, EINTR);
    is_int(sse_load_env(file), 1, "a read that is interrupted goes on");
    is_str(getenv("T_A"), "1", "... and sets it");
    is_int(descriptors(), before, "no descriptor is left");
    is_int(living, 0, "no memory is");
}

static void files(void) {
    char *big = (char *)malloc(3 << 19);
    unsetenv("T_A");
    unsetenv("T_B");
    setenv("T_C", "mine", 1);
    is_int(load("T_A=1\nT_B=2\nT_C=3\n", 18), 2, "two are set");
    is_str(getenv("T_A"), "1", "the first");
    is_str(getenv("T_B"), "2", "the second");
    is_str(getenv("T_C"), "mine", "what is set already stays");
    is_int(load("", 0), 0, "an empty file");
    is_int(sse_load_env("/nowhere/.env"), SSE_E_ABSENT, "no file");
    is_int(sse_load_env("/"), SSE_E_IO, "a directory");
    is_int(sse_load_env(NULL), SSE_E_ARG, "NULL");
    memset(big, '#', 3 << 19);
    is_int(load(big, 3 << 19), SSE_E_FULL, "a file too large");
    is_int(load(big, (1 << 20) + 1), SSE_E_FULL, "... by a byte");
    is_int(load(big, 1 << 20), 0, "1 MiB is not");
    is_int(living, 0, "no memory is left");
    free(big);
}

static void alive(void) {
    sse_serve_options any;
    sse_app          *app = sse_app_new(NULL);
    int               port, open;
    memset(&any, 0, sizeof any);
    any.port = SSE_ANY_PORT;
    sse_listen(app, &any);
    port = sse_port(app);
    open = descriptors();
    ok(sse_alive(port), "somebody listens");
    refuse("connect(", 1, ECONNREFUSED);
    ok(!sse_alive(port), "... and is not reached");
    refuse("socket(", 1, EMFILE);
    ok(!sse_alive(port), "... nor without a descriptor");
    is_int(descriptors(), open, "no descriptor is left");
    any.port = 65535;
    ok(sse_listen(app, &any) < 0 || sse_alive(65535), "the last port is one, if it is free");
    sse_app_free(app);
    ok(!sse_alive(port), "nobody listens any more");
    ok(!sse_alive(0) && !sse_alive(-1) && !sse_alive(65536), "no such ports");
}

int main(void) {
    const int fd = mkstemp(file);
    if (fd < 0) return 1;
    close(fd);
    values();
    refused();
    told();
    files();
    without_memory();
    refused_calls();
    alive();
    unlink(file);
    return tap_done();
}
