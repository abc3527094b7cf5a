/* The Game of Life of examples/life.c with ever more people watching: what it costs its server,
   which has one core. Then as many subscribers as one process can hold who join and listen, and who
   join while events flow.
   usage: subscribers [COUNT [SECONDS]]   default: 1, 1,000 and 10,000 for 5 seconds each, and
   18,000 who join; with a COUNT: that many of each */
#define _GNU_SOURCE
#define main life_main
#include "../../examples/life.c"
#undef main
#include "crowd.h"
#include "bare.h"
#include "watching.h"
#include "own.h"

static void serve(int out, int unused) {
    (void)unused;
    dup2(out, STDOUT_FILENO);
    setenv("PORT", "-1", 1);
    life_main();
}

static void measure(int count, double seconds) {
    static struct crowd crowd;
    double              from, user, system, user0, system0, s, joined;
    long                empty;
    int                 port;
    pid_t               pid = server_start(serve, 0, &port);
    uint64_t            events, bytes;
    usleep(300000);
    empty = rss_kb(pid);
    from = now_s();
    crowd.coding = "br";
    crowd_join(&crowd, port, "/board", count, 30);
    joined = now_s() - from;
    cpu_s(pid, &user0, &system0);
    events = crowd.events;
    bytes = crowd.bytes;
    from = now_s();
    while ((s = now_s() - from) < seconds) crowd_read(&crowd, 20);
    cpu_s(pid, &user, &system);
    printf(
        "%6d watching (%d refused): joined in %.2f s; %.0f events/s, %.1f KB/s, %.0f bytes each; "
        "CPU %.1f %% user + %.1f %% system; %.0f bytes of "
        "memory each\n",
        crowd.joined, crowd.refused, joined, (double)(crowd.events - events) / s,
        (double)(crowd.bytes - bytes) / s / 1e3,
        (double)(crowd.bytes - bytes) / (double)(crowd.events - events), 100 * (user - user0) / s,
        100 * (system - system0) / s, (double)(rss_kb(pid) - empty) * 1024 / count);
    crowd_leave(&crowd);
    server_stop(pid);
}

int main(int argc, char **argv) {
    const double seconds = argc > 2 ? atof(argv[2]) : 5;
    const int    most = many_descriptors() - 50, count = argc > 1 ? atoi(argv[1]) : 0;
    if (count > most || count > CROWD_MOST)
        return fprintf(stderr, "at most %d\n", most < CROWD_MOST ? most : CROWD_MOST), 1;
    if (count > 0) measure(count, seconds);
    else {
        measure(1, seconds);
        measure(1000, seconds);
        measure(most < 10000 ? most : 10000, seconds);
    }
    side_many(own, count > 0 ? count : most < 18000 ? most : 18000, 0);
    side_many(own, count > 0 ? count : most < 18000 ? most : 18000, 2);
    return 0;
}
