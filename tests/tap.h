/* tap.h: the Test Anything Protocol for one C program per suite; `prove` reads it, and what went
   wrong is said on stderr. Names read like sentences:
       ok(sse_parse_int("12", 0) == 12, "a whole number");
       is_int(got, want, "what");
       is_str(got, want, "what");
       is_mem(got, got_len, want, want_len, "what");
       return tap_done(); */
#ifndef TAP_H
#define TAP_H
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

static int tap_report(int passed, const char *file, int line, const char *fmt, va_list ap) {
    char name[400];
    vsnprintf(name, sizeof name, fmt, ap);
    printf("%sok %d - %s\n", passed ? "" : "not ", ++tap_count, name);
    fflush(stdout);
    if (passed) return passed;
    tap_failed++;
    fprintf(stderr, "#   not ok: %s\n#   at %s:%d\n", name, file, line);
    return passed;
}

__attribute__((format(printf, 4, 5), unused)) static int tap_ok(int passed, const char *file,
    int line, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    tap_report(passed, file, line, fmt, ap);
    va_end(ap);
    return passed;
}

__attribute__((unused)) static void tap_show(const char *label, const char *p, size_t n) {
    size_t i;
    fprintf(stderr, "#   %s (%lu bytes): ", label, (unsigned long)n);
    for (i = 0; i < n && i < 400; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c >= 0x20 && c < 0x7F && c != '\\') fputc(c, stderr);
        else fprintf(stderr, "\\x%02x", c);
    }
    fputs(n > 400 ? "...\n" : "\n", stderr);
}

__attribute__((unused)) static int tap_mem(const char *file, int line, const void *got,
    size_t got_len, const void *want, size_t want_len, const char *name) {
    int passed = got_len == want_len && (want_len == 0 || memcmp(got, want, want_len) == 0);
    if (!tap_ok(passed, file, line, "%s", name)) {
        tap_show("got ", (const char *)got, got_len);
        tap_show("want", (const char *)want, want_len);
    }
    return passed;
}

__attribute__((unused)) static int tap_str(const char *file, int line, const char *got,
    const char *want, const char *name) {
    return tap_mem(file, line, got ? got : "(null)", strlen(got ? got : "(null)"), want,
        strlen(want), name);
}

__attribute__((unused)) static int tap_int(const char *file, int line, long long got,
    long long want, const char *name) {
    if (!tap_ok(got == want, file, line, "%s", name))
        fprintf(stderr, "#   got %lld, want %lld\n", got, want);
    return got == want;
}

__attribute__((unused)) static int tap_done(void) {
    printf("1..%d\n", tap_count);
    if (tap_failed) fprintf(stderr, "# %d of %d failed\n", tap_failed, tap_count);
    return tap_failed || !tap_count;
}

#define ok(passed, ...) tap_ok(!!(passed), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, name) \
    tap_int(__FILE__, __LINE__, (long long)(got), (long long)(want), name)
#define is_mem(got, got_len, want, want_len, name) \
    tap_mem(__FILE__, __LINE__, got, got_len, want, want_len, name)
#define is_str(got, want, name) tap_str(__FILE__, __LINE__, got, want, name)
#endif
