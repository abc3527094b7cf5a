/* slow_fsync.c: storage like that of an SD card. Preloaded, it makes fsync and fdatasync take
   FSYNC_MS; default: 200. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <time.h>

int fsync(int fd);
int fdatasync(int fd);

static int slowly(void) {
    const char     *ms = getenv("FSYNC_MS");
    const long      n = ms ? atol(ms) : 200;
    struct timespec pause = {n / 1000, n % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return 0;
}

int fsync(int fd) {
    (void)fd;
    return slowly();
}

int fdatasync(int fd) {
    (void)fd;
    return slowly();
}
