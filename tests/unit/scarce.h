/* scarce.h: an allocation fails, as in nth.h; all are counted, as are descriptors.
   Include it before sse.h, with _DEFAULT_SOURCE. */
#ifndef SCARCE_H
#define SCARCE_H
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

static long            fail_at;                                  /* 0: none */
static long            asked;                                    /* how many there were */
static long            living;                                   /* allocated and not freed yet */
static pthread_mutex_t scarce_mutex = PTHREAD_MUTEX_INITIALIZER; /* threads allocate as well */

static void *scarce_realloc(void *p, size_t n) {
    void *made = NULL;
    pthread_mutex_lock(&scarce_mutex);
    asked++;
    if (!fail_at || --fail_at != 0) made = realloc(p, n);
    living += made && !p;
    pthread_mutex_unlock(&scarce_mutex);
    return made;
}
static void scarce_free(void *p) {
    pthread_mutex_lock(&scarce_mutex);
    living -= p != NULL;
    pthread_mutex_unlock(&scarce_mutex);
    free(p);
}
#define SSE_MALLOC(n)     scarce_realloc(NULL, n)
#define SSE_REALLOC(p, n) scarce_realloc(p, n)
#define SSE_FREE(p)       scarce_free(p)

__attribute__((unused)) static int descriptors(void) { /* open ones, but for a constant */
    DIR *dir = opendir("/proc/self/fd");
    int  n = 0;
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}
#endif
