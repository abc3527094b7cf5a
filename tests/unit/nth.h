/* nth.h: the Nth allocation to come fails. Include it before sse.h, with _DEFAULT_SOURCE. */
#ifndef NTH_H
#define NTH_H
#include <stdlib.h>

static long  fail_at; /* 0: none */
static void *failing_realloc(void *p, size_t n) {
    return fail_at && --fail_at == 0 ? NULL : realloc(p, n);
}
#define SSE_MALLOC(n)     failing_realloc(NULL, n)
#define SSE_REALLOC(p, n) failing_realloc(p, n)
#define SSE_FREE(p)       free(p)
#endif
