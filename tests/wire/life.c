/* life.c: examples/life.c with a hard life, see worn.h, and slow, so that a busy machine keeps up
   with several boards of 2,500 elements; for returns.test.mjs */
#include "worn.h"

static sse_timer slowly(sse_app *app, int ms, sse_app_fn fn, void *user) {
    return sse_every(app, 4 * ms, fn, user);
}

#define sse_every slowly
#include "../../examples/life.c"
