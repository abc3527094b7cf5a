/* Tests of sse_load_env: what a line may be, what is refused, what is left alone. */
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

static void refuses(const char *text, const char *name) {
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
    is_var("T_A=a#b c # comment\n", "a#b c", "a # inside, a comment behind");
    is_var("T_A='as $it \\n is # '  # comment\n", "as $it \\n is # ", "single quotes");
    is_var("T_A=\"1\\n2\\r3\\t4\\\"5\\\\6\\$7\\x\"\n", "1\n2\r3\t4\"5\\6$7\\x", "double quotes");
    is_var("T_A=\"-----BEGIN\nline=2\n# no comment\n\"\n", "-----BEGIN\nline=2\n# no comment\n",
        "several lines");
    is_var("T_A=''\n", "", "quoted and empty");
    is_var("T_A=a'b\"c\n", "a'b\"c", "quotes inside");
    is_var("# c\n\n   \n\t# d\nT_A==x=\n", "=x=", "comments and empty lines before, = inside");
    is_var("T_A=first\nT_A=second\n", "first", "twice: what is set stays");
}

static void refused(void) {
    refuses("T_A=1\nno equals sign\n", "a line without =");
    refuses("T_A=1\n=2\n", "no name");
    refuses("T_A=1\n2B=2\n", "a name that starts with a digit");
    refuses("T_A=1\nT-B=2\n", "a name with a dash");
    refuses("T_A=1\nT_B=\"open\nT_C=1\n", "double quotes left open");
    refuses("T_A=1\nT_B='open", "single quotes left open");
    refuses("T_A=1\nT_B=\"x\" y\n", "something behind the quotes");
    refuses("T_A=1\nT_B=\"x\\\"\n", "the closing quote is escaped");
    unsetenv("T_A");
    is_int(load("T_A=1\nT_B=a\0b\n", 14), SSE_E_SYNTAX, "NUL in a value");
    is_int(line_of("A=1\n\n# c\nB='\n\n'\nbad\nC=1\n"), 7, "the line of the mistake");
    is_int(line_of("A=1\nB=\"x\" y\nC=1\n"), 2, "... behind quotes");
    is_int(line_of("A=1\nB=\"x\n\n"), 2, "... of a quote left open, where it opens");
}

static void files(void) {
    char *big = (char *)malloc(3 << 19);
    unsetenv("T_A");
    unsetenv("T_B");
    setenv("T_C", "mine", 1);
    is_int(load("T_A=1\nT_B=2\nT_C=3\n", 18), 2, "two are set");
    is_str(getenv("T_C"), "mine", "what is set already stays");
    is_int(load("", 0), 0, "an empty file");
    is_int(sse_load_env("/nowhere/.env"), SSE_E_ABSENT, "no file");
    is_int(sse_load_env("/"), SSE_E_IO, "a directory");
    is_int(sse_load_env(NULL), SSE_E_ARG, "NULL");
    memset(big, '#', 3 << 19);
    is_int(load(big, 3 << 19), SSE_E_FULL, "a file too large");
    free(big);
}

static void alive(void) {
    sse_serve_options any;
    sse_app          *app = sse_app_new(NULL);
    int               port;
    memset(&any, 0, sizeof any);
    any.port = SSE_ANY_PORT;
    sse_listen(app, &any);
    port = sse_port(app);
    ok(sse_alive(port), "somebody listens");
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
    files();
    alive();
    unlink(file);
    return tap_done();
}
