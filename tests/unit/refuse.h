/* refuse.h: the system refuses a call: the nth of those that begin with these words, as they stand
   in sse.h, or all of them. Include it before sse.h. */
#ifndef REFUSE_H
#define REFUSE_H
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char *refuse_call;
static int         refuse_at; /* 0: none; -1: all */
static int         refuse_by;

static void refuse(const char *call, int nth, int error) {
    refuse_call = call;
    refuse_at = nth;
    refuse_by = error;
}

static bool refuses(const char *call) {
    if (!refuse_at || strncmp(call, refuse_call, strlen(refuse_call)) != 0) return false;
    if (refuse_at > 0 && --refuse_at) return false;
    errno = refuse_by;
    return true;
}
#define SSE__SYS(call) (refuses(#call) ? -1 : (call))
#endif
