/* forks.h: for tests whose children begin threads of their own: clang's thread sanitizer would end
   them. */
#ifndef FORKS_H
#define FORKS_H
#include <sys/wait.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }
#endif
#endif
#endif
