/* What a request costs: "hello" on 50 kept connections, one request at a time and sixteen at a
   time, against a bare loop of epoll_wait(), recv() and send() that answers the same bytes without
   reading what was asked. The two take turns, so that what else the machine does falls on both; the
   figures are medians of the rounds.
   usage: requests [SECONDS]   default: 0.5 for each round */
#define _GNU_SOURCE
#include "sse.h"
#include "process.h"
#include "figures.h"
#include "bare.h"
#include "asking.h"
#include "own.h"

enum { ROUNDS = 11 };

static bool start(struct asked *s, const char *name, void (*serve)(int, int)) {
    int port;
    s->name = name;
    s->pid = server_start(serve, 0, &port);
    if (asked_connect(s, port)) return true;
    fprintf(stderr, "%s does not answer\n", name);
    return false;
}

static void compare(struct asked *ours, struct asked *loop, int deep, double seconds) {
    double ratio[ROUNDS], speed[ROUNDS];
    int    i, k;
    for (i = 0; i < ROUNDS; i++) {
        for (k = 0; k < 2; k++) asked_round((i + k) % 2 ? ours : loop, i, deep, seconds);
        ratio[i] = ours->us[i] / loop->us[i];
        speed[i] = ours->per_s[i] / loop->per_s[i];
    }
    if (ours->broken || loop->broken) {
        fprintf(stderr, "a connection broke\n");
        exit(1);
    }
    printf("%2d at a time, %d rounds: sse.h %.0f requests/s, %.2f us of CPU each (%.2f us user); "
           "bare loop %.0f, %.2f us (%.2f)\n",
        deep, ROUNDS, part(ours->per_s, ROUNDS, 0.5), part(ours->us, ROUNDS, 0.5),
        part(ours->user_us, ROUNDS, 0.5), part(loop->per_s, ROUNDS, 0.5),
        part(loop->us, ROUNDS, 0.5), part(loop->user_us, ROUNDS, 0.5));
    printf("    sse.h / bare loop: CPU %.2f, requests a second %.2f\n", part(ratio, ROUNDS, 0.5),
        part(speed, ROUNDS, 0.5));
    fflush(stdout);
}

int main(int argc, char **argv) {
    const double        seconds = argc > 1 ? atof(argv[1]) : 0.5;
    static struct asked ours, loop;
    if (!start(&ours, "sse.h", own)) return 1;
    memcpy(bare_reply, ours.reply, bare_reply_len = ours.reply_len);
    if (!start(&loop, "bare loop", bare_requests)) return 1;
    compare(&ours, &loop, 1, seconds);
    compare(&ours, &loop, MOST_DEEP, seconds);
    printf("resident with %d connections: sse.h %ld KB, bare loop %ld KB\n", CONNECTIONS,
        rss_kb(ours.pid), rss_kb(loop.pid));
    server_stop(ours.pid);
    server_stop(loop.pid);
    return 0;
}
