/* scarce_memory.c: memory that runs out. Preloaded, it makes allocations of the whole process fail,
   those of SQLite, brotli and libc too, for as long as another process wishes: the file that
   SCARCE_MEMORY names holds four 32-bit numbers, mapped here. every: each so many allocations those
   of a burst fail, 0: none do. burst: how many. calls, failed: are counted here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan {
    uint32_t every, burst, calls, failed;
};

static struct plan *plan;
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

__attribute__((constructor)) static void map_plan(void) {
    const char *path = getenv("SCARCE_MEMORY");
    const int   fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void       *at =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (at != MAP_FAILED) plan = (struct plan *)at;
}

static int fails(void) {
    const uint32_t every = plan ? __atomic_load_n(&plan->every, __ATOMIC_RELAXED) : 0;
    if (!every || __atomic_add_fetch(&plan->calls, 1, __ATOMIC_RELAXED) % every >= plan->burst)
        return 0;
    __atomic_add_fetch(&plan->failed, 1, __ATOMIC_RELAXED);
    errno = ENOMEM;
    return 1;
}

/* The ones that stand behind these: libc's, or those of a sanitizer. */
static void find(void *function, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) _exit(1);
    __atomic_store((void **)function, &found, __ATOMIC_RELAXED);
}

void *malloc(size_t n) {
    if (!next_malloc) find(&next_malloc, "malloc");
    return fails() ? NULL : next_malloc(n);
}

void *calloc(size_t count, size_t n) {
    if (!next_calloc) find(&next_calloc, "calloc");
    return fails() ? NULL : next_calloc(count, n);
}

void *realloc(void *p, size_t n) {
    if (!next_realloc) find(&next_realloc, "realloc");
    return n && fails() ? NULL : next_realloc(p, n);
}
