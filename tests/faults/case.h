/* case.h: each case runs in a process of its own, so that one that crashes, leaks or hangs has its
   name: the arguments with which the program runs it alone. */
#ifndef CASE_H
#define CASE_H
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CASE_SECONDS = 300 }; /* however busy the machine is; a hang is found by turns before that */

static char case_name[200];
static int  case_bugs;

/* What went wrong, with the name that brings it back. */
__attribute__((format(printf, 1, 2))) static void bug(const char *fmt, ...) {
    char    text[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (case_bugs++ < 20) fprintf(stderr, "# %s: %s\n", case_name, text);
}

/* Runs it here; the process ends with it. */
static void case_run(void (*fn)(void)) {
    alarm(CASE_SECONDS);
    fn();
    fflush(NULL);
    exit(case_bugs != 0);
}

/* Runs it in a child. Returns whether it ended well. */
static int case_passes(void (*fn)(void)) {
    int   status = -1;
    pid_t pid;
    fflush(NULL);
    pid = fork();
    if (pid == 0) case_run(fn);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "# %s: ended by signal %d (%s)\n", case_name, WTERMSIG(status),
            WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status)));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif
