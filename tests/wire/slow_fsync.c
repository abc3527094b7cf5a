/* slow_fsync.c: storage like that of an SD card. Preloaded, it makes fsync and fdatasync take 200 ms. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

int fsync(int fd);
int fdatasync(int fd);

static int slowly(void) {
    const struct timespec pause = {0, 200000000};
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
