/* What threads that write (.senders) bring: the time and the CPU of one turn that sends an event of
   1 KB to so many clients, by the loop alone and with one thread more, in turns. The readers stand
   still meanwhile, so that the server has both cores of a small machine. More than two cores are
   not measured here: say so where these figures are quoted.
   usage: senders [ROUNDS]   default: 200 for each length of the list */
#define _GNU_SOURCE
#define SSE__SENDERS_MIN 1 /* to see from where on they pay */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include "crowd.h"
#include "figures.h"
#include "bare.h"
#include "own.h"
#include <dirent.h>

enum { READERS = 1000, LENGTHS = 8 };
static const int lengths[LENGTHS] = {4, 8, 16, 32, 64, 128, 512, READERS};

static int  said[2]; /* what it took to send to a list whose length was written to go */
static bool published;

struct took {
    double wall, cpu; /* seconds */
};

static void topic_of(int length, char name[16]) { snprintf(name, 16, "to%d", length); }

static void events(sse_req *req, void *user) {
    static int       count;
    const sse_stream s = own_stream(req);
    char             name[16];
    int              i;
    (void)user;
    for (i = 0; i < LENGTHS; i++) {
        topic_of(lengths[i], name);
        if (count < lengths[i]) sse_subscribe(s, name);
    }
    count++;
}

static void publish(sse_app *app, int fd, int ready, void *user) {
    char name[16];
    int  length;
    (void)ready;
    if (read(fd, &length, sizeof length) != sizeof length) _exit(0);
    topic_of(length, name);
    sse_publish(app, name, (const sse_event *)user);
    published = true;
}

/* The loop has the first core; its thread gets the second, or a busy machine runs the two in turns
   on one, which says nothing. */
static void threads_apart(void) {
    DIR           *tasks = opendir("/proc/self/task");
    struct dirent *task;
    cpu_set_t      second;
    CPU_ZERO(&second);
    CPU_SET(1, &second);
    while (tasks && (task = readdir(tasks)) != NULL)
        if (atoi(task->d_name) > 0 && atoi(task->d_name) != getpid())
            (void)sched_setaffinity(atoi(task->d_name), sizeof second, &second);
    if (tasks) closedir(tasks);
}

static void serve(int out, int senders) {
    sse_app *app = own_open(out, senders, events, publish);
    bool     apart = senders == 0;
    for (;;) {
        struct pollfd wait = {sse_fd(app), POLLIN, 0};
        struct took   took;
        poll(&wait, 1, sse_next_ms(app));
        published = false;
        took.wall = clock_s(CLOCK_MONOTONIC);
        took.cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
        if (sse_poll(app, 0) <= 0) return;
        took.wall = clock_s(CLOCK_MONOTONIC) - took.wall;
        took.cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - took.cpu;
        if (published && !apart) threads_apart();
        apart = apart || published;
        if (published && write(said[1], &took, sizeof took) != sizeof took) return;
    }
}

/* ---- measuring ---- */

struct side { /* a server and its readers */
    struct crowd crowd;
    pid_t        pid;
    int          go, said;
    double       wall[1000], cpu[1000];
};

static void side_open(struct side *s, int senders) {
    int port;
    s->pid = pipe(go) || pipe(said) ? -1 : server_start(serve, senders, &port);
    s->go = go[1];
    s->said = said[0];
    close(go[0]);
    close(said[1]);
    crowd_join(&s->crowd, port, "/events", READERS, 20);
    if (s->crowd.joined < READERS) fprintf(stderr, "only %d joined\n", s->crowd.joined);
}

static void side_turn(struct side *s, int length, int round) {
    const uint64_t want = s->crowd.events + (uint64_t)length;
    struct took    took;
    if (write(s->go, &length, sizeof length) != sizeof length ||
        read(s->said, &took, sizeof took) != sizeof took)
        exit(1);
    s->wall[round] = took.wall;
    s->cpu[round] = took.cpu;
    while (s->crowd.events < want) crowd_read(&s->crowd, 20);
}

int main(int argc, char **argv) {
    static struct side alone, helped;
    int                rounds = argc > 1 ? atoi(argv[1]) : 200, i, k;
    if (rounds < 1 || rounds > 1000) rounds = 1000;
    many_descriptors();
    side_open(&alone, 0);
    side_open(&helped, 1);
    printf("%d processors; microseconds for each client of a turn's list, the quickest tenth\n",
        (int)sysconf(_SC_NPROCESSORS_ONLN));
    printf("list     loop alone        with one sender   ratio\n"
           "         wall    CPU       wall    CPU       wall    CPU\n");
    for (i = 0; i < LENGTHS; i++) {
        double a, b, c, d;
        for (k = 0; k < rounds; k++) {
            side_turn(k % 2 ? &alone : &helped, lengths[i], k);
            side_turn(k % 2 ? &helped : &alone, lengths[i], k);
        }
        /* of ten the quickest: other processes are in the way of the rest */
        a = 1e6 * part(alone.wall, (size_t)rounds, 0.1) / lengths[i];
        b = 1e6 * part(alone.cpu, (size_t)rounds, 0.1) / lengths[i];
        c = 1e6 * part(helped.wall, (size_t)rounds, 0.1) / lengths[i];
        d = 1e6 * part(helped.cpu, (size_t)rounds, 0.1) / lengths[i];
        printf("%4d   %6.2f %6.2f     %6.2f %6.2f     %5.2f  %5.2f\n", lengths[i], a, b, c, d,
            c / a, d / b);
    }
    crowd_leave(&alone.crowd);
    crowd_leave(&helped.crowd);
    server_stop(alone.pid);
    server_stop(helped.pid);
    return 0;
}
