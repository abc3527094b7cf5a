/* process.h: a server in a child process on a core of its own, its CPU time and memory, for the
   benchmarks. Linux only. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "local.h"

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

__attribute__((unused)) static long rss_kb(pid_t pid) {
    char  path[64], line[128];
    long  kb = 0;
    FILE *f;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

__attribute__((unused)) static void cpu_s(pid_t pid, double *user, double *system) {
    char          path[64];
    unsigned long u = 0, s = 0;
    FILE         *f;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (f &&
        fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) != 2)
        u = s = 0;
    if (f) fclose(f);
    *user = (double)u / (double)sysconf(_SC_CLK_TCK);
    *system = (double)s / (double)sysconf(_SC_CLK_TCK);
}

/* Of the time that a process ran, the kernel's work for it included. */
__attribute__((unused)) static clockid_t clock_of(pid_t pid) {
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock)) exit(1);
    return clock;
}

__attribute__((unused)) static double clock_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* If it may: what else the machine does is not what is measured. */
__attribute__((unused)) static void before_others(void) { (void)setpriority(PRIO_PROCESS, 0, -10); }

/* Runs serve(out, argument) in a child on the first core, the readers on the second. serve writes
   its port to out as text. */
__attribute__((unused)) static pid_t server_start(void (*serve)(int out, int argument),
    int argument, int *port) {
    char    text[200];
    int     ends[2];
    ssize_t n;
    pid_t   pid;
    *port = 0;
    if (pipe(ends)) return -1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        on_core(0);
        before_others();
        serve(ends[1], argument);
        _exit(0);
    }
    close(ends[1]);
    on_core(1);
    before_others();
    n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    *port = strrchr(text, ':') ? atoi(strrchr(text, ':') + 1) : 0;
    close(ends[0]);
    return pid;
}

static void server_stop(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
