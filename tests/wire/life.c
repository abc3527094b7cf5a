/* life.c: examples/life.c with a hard life, see worn.h; for returns.test.mjs */
#include "worn.h"

#include "../../examples/life.c"
