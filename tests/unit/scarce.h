/* scarce.h: an allocation fails, as in nth.h; all are counted, by one thread, as are descriptors.
   Include it before sse.h, with _DEFAULT_SOURCE. */
#ifndef SCARCE_H
#define SCARCE_H
#include <dirent.h>
#include <stdlib.h>

static long fail_at; /* 0: none */
static long asked;   /* how many there were */
static long living;  /* allocated and not freed yet */
/* A thread of the library's may allocate meanwhile: what it adds to the counts does not matter. */
#define SCARCE_UNSYNCED __attribute__((no_sanitize("thread")))
SCARCE_UNSYNCED static void *scarce_realloc(void *p, size_t n) {
    void *made;
    asked++;
    if (fail_at && --fail_at == 0) return NULL;
    made = realloc(p, n);
    living += made && !p;
    return made;
}
SCARCE_UNSYNCED static void scarce_free(void *p) {
    living -= p != NULL;
    free(p);
}
#define SSE_MALLOC(n)     scarce_realloc(NULL, n)
#define SSE_REALLOC(p, n) scarce_realloc(p, n)
#define SSE_FREE(p)       scarce_free(p)

static int descriptors(void) { /* how many are open, but for a constant */
    DIR *dir = opendir("/proc/self/fd");
    int  n = 0;
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}
#endif
