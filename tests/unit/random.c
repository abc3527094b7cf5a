/* Tests of sse__random: where the bytes come from when the kernel gives few, none, or is
   interrupted. */
#include <stddef.h>
#define SSE__SYS(call) (fail_next() ? -1 : (call))
static int fail_next(void);
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static int fails, fail_errno; /* that many of the calls to come fail */

static int fail_next(void) {
    if (fails <= 0) return 0;
    fails--;
    errno = fail_errno;
    return 1;
}

static size_t zeros(const unsigned char *p, size_t n) {
    size_t i, count = 0;
    for (i = 0; i < n; i++) count += p[i] == 0;
    return count;
}

static bool looks_random(int count, int error) {
    static unsigned char a[100003], b[100003];
    memset(a, 0, sizeof a);
    fails = count;
    fail_errno = error;
    return sse__random(a, sizeof a - 1) && sse__random(b, sizeof b) && a[sizeof a - 1] == 0 &&
           zeros(a, sizeof a) < 600 && memcmp(a, b, 1000) != 0;
}

int main(void) {
    unsigned char byte;
    ok(looks_random(0, 0), "100,000 bytes");
#if defined(__linux__) && defined(__has_include)
    ok(looks_random(3, EINTR), "interrupted three times");
    ok(looks_random(1, ENOSYS), "from the file where the call is missing");
#endif
    fails = 2;
    fail_errno = EACCES;
    ok(!sse__random(&byte, 1), "neither call nor file: false"); /* SY1 */
    fails = 0;
    ok(sse__random(&byte, 0), "no bytes are always to be had");
    return tap_done();
}
