/* local.h: sockets of this machine and its cores, for the benchmarks. Linux only. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((unused)) static void on_core(size_t n) { /* if there is one */
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(n, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* on a free port, whose address it writes to out */
__attribute__((unused)) static int bare_listen(int out) {
    struct sockaddr_in to;
    socklen_t          len = sizeof to;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) || listen(fd, 4096)) _exit(1);
    getsockname(fd, (struct sockaddr *)&to, &len);
    dprintf(out, "http://127.0.0.1:%d", ntohs(to.sin_port));
    return fd;
}

/* From another address after every 8,000 connections: the kernel looks long for a free port where
   half of them are taken. Returns -1 if nobody listens, or without a descriptor. */
__attribute__((unused)) static int connected(int port) {
    static unsigned    made;
    const int          yes = 1;
    struct sockaddr_in to;
    const int          fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + made++ / 8000 % 200);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    (void)bind(fd, (struct sockaddr *)&to, sizeof to);
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}
