/* chat.c: examples/chat.c with a hard life, see worn.h; for returns.test.mjs */
#include "worn.h"

#include "../../examples/chat.c"
