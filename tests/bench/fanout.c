/* One event of 1 KB to 1,000 readers again and again, plain, against a bare loop of send(): by
   turns, and both at once on one core; then with eight events at a time, how late events come at a
   modest rate, and what a subscriber costs that only listens. The servers have one core, the
   readers the other; the next round begins when all have read the last one, so that the kernel has
   the same to do for both.
   usage: fanout [SECONDS]   default: 5 for each comparison */
#define _GNU_SOURCE
#include "sse.h"
#include "crowd.h"
#include "figures.h"
#include "bare.h"
#include "watching.h"
#include "own.h"

enum { READERS = 1000, TURNS = 60, PER_S = 20 };

static void show_ratio(const char *what, double *ratio) {
    const double middle = part(ratio, TURNS, 0.5);
    printf("    sse.h / bare loop, %-30s median %.2f, half of the turns %.2f to %.2f, "
           "all %.2f to %.2f\n",
        what, middle, ratio[TURNS / 4], ratio[TURNS - 1 - TURNS / 4], ratio[0], ratio[TURNS - 1]);
    fflush(stdout);
}

/* One turn of each of the two. */
static void turns(struct side *side[2], int events_a_round, double seconds, struct rate rate[2]) {
    static int first;
    int        k;
    first = !first;
    for (k = 0; k < 2; k++)
        rate[k ^ first] = side_rounds(side[k ^ first], events_a_round, seconds / 2);
}

/* A turn of both in the same seconds, each with rounds of its own: they are ready by turns. */
static void at_once(struct side *side[2], int events_a_round, double seconds, struct rate rate[2]) {
    struct epoll_event e, ready[2];
    uint64_t           from_events[2], want[2];
    double             ran[2], from, s = 0;
    int                k, poller = epoll_create1(0);
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    from = now_s();
    for (k = 0; k < 2; k++) {
        epoll_ctl(poller, EPOLL_CTL_ADD, side[k]->crowd.epoll, &e);
        want[k] = from_events[k] = side[k]->crowd.events;
        ran[k] = clock_s(side[k]->clock);
    }
    for (; s < seconds; s = now_s() - from) {
        for (k = 0; k < 2; k++) {
            if (side[k]->crowd.events >= want[k]) {
                want[k] += (uint64_t)READERS * (unsigned)events_a_round;
                side_publish(side[k], events_a_round);
            }
            crowd_read(&side[k]->crowd, 0);
        }
        epoll_wait(poller, ready, 2, 20);
    }
    for (k = 0; k < 2; k++) {
        const double events = (double)(side[k]->crowd.events - from_events[k]);
        rate[k].wall = events / s;
        rate[k].cpu = events / (clock_s(side[k]->clock) - ran[k]);
        side[k]->events += events;
    }
    for (k = 0; k < 2; k++) /* what is on its way is read before the next turn */
        while (side[k]->crowd.events < want[k] && now_s() < from + s + 5)
            crowd_read(&side[k]->crowd, 20);
    close(poller);
}

/* A machine that others use as well is not as fast from one second to the next: the two take turns,
   the first one is not always the same, and the ratio is that of neighbours. */
static void compare(const char *how,
    void (*turn)(struct side *side[2], int events_a_round, double seconds, struct rate rate[2]),
    struct side *side[2], int events_a_round, double seconds) {
    double wall[2][TURNS], wall_ratio[TURNS], cpu_ratio[TURNS], user[2][2], system[2][2];
    int    i, k;
    for (k = 0; k < 2; k++) {
        side[k]->events = 0;
        cpu_s(side[k]->pid, &user[k][0], &system[k][0]);
    }
    for (i = 0; i < TURNS; i++) {
        struct rate rate[2];
        turn(side, events_a_round, seconds < TURNS * 0.1 ? 0.1 : seconds / TURNS, rate);
        for (k = 0; k < 2; k++) wall[k][i] = rate[k].wall;
        wall_ratio[i] = rate[1].wall / rate[0].wall;
        cpu_ratio[i] = rate[1].cpu / rate[0].cpu;
    }
    printf("%s, %d a round, %d turns\n", how, events_a_round, TURNS);
    for (k = 0; k < 2; k++) {
        cpu_s(side[k]->pid, &user[k][1], &system[k][1]);
        printf("    %-9s %7.0f events/s, %5.2f us user + %5.2f us system each\n", side[k]->name,
            part(wall[k], TURNS, 0.5), 1e6 * (user[k][1] - user[k][0]) / side[k]->events,
            1e6 * (system[k][1] - system[k][0]) / side[k]->events);
    }
    show_ratio("events per second:", wall_ratio);
    show_ratio("events per second of its CPU:", cpu_ratio);
}

static void lateness(struct side *side[2], double seconds) {
    enum { PACED = 10, ROOM = 1000000 };
    static double late[ROOM];
    double        p50[2][PACED], p99[2][PACED], ratio[PACED];
    int           i, k;
    for (i = 0; i < PACED; i++) {
        for (k = 0; k < 2; k++) {
            const int    who = (i + k) % 2;
            const size_t n = side_pace(side[who], PER_S, seconds / PACED / 2, late, ROOM);
            p99[who][i] = part(late, n, 0.99);
            p50[who][i] = part(late, n, 0.5);
        }
        ratio[i] = p99[1][i] / p99[0][i];
    }
    printf("%d events a second to %d readers, how late they come, medians of %d turns\n", PER_S,
        READERS, PACED);
    for (k = 0; k < 2; k++)
        printf("    %-9s p50 %.2f ms, p99 %.2f ms\n", side[k]->name, 1e3 * part(p50[k], PACED, 0.5),
            1e3 * part(p99[k], PACED, 0.5));
    printf("    sse.h / bare loop, p99: %.2f\n", part(ratio, PACED, 0.5));
    fflush(stdout);
}

int main(int argc, char **argv) {
    static struct side floor_side, own_side;
    struct side       *side[2];
    const double       seconds = argc > 1 ? atof(argv[1]) : 5;
    const int          most = many_descriptors() - 50, count = most < 10000 ? most : 10000;
    int                k;
    side[0] = &floor_side;
    side[1] = &own_side;
    if (!side_open(side[0], "bare loop", bare_fanout, false)) return 1;
    if (!side_open(side[1], "sse.h", own, false)) return 1;
    for (k = 0; k < 2; k++) {
        side_warm(side[k], READERS);
        if (side[k]->crowd.joined < READERS) return 1;
    }
    compare("by turns", turns, side, 1, seconds);
    compare("at once on one core", at_once, side, 1, seconds);
    compare("by turns", turns, side, 8, seconds);
    lateness(side, seconds);
    side_close(side[0]);
    side_close(side[1]);
    side_many(own, count, 0);
    side_many(own, count, 10);
    return 0;
}
