/* sse.h, bare loops, and servers that others made, which are told as NAME=COMMAND: one measure, all
   in turns, each on the first core, their clients on the second one. A command listens to
   127.0.0.1:$PORT, answers /hello and has a stream /events; a byte to its standard input is so many
   events of 1 KB to all streams (nchan has POST /publish).
   usage: peers hello|asked|fanout|late|many SECONDS ROUNDS NAME[=COMMAND]...
   SECONDS: of each turn. Prints figures: measure, name, what is measured, median, lower and upper
   quartile, with tabs between; "-" for a median: it could not be measured, and why.
   hello   requests as fast as they are answered, one and 16 at a time
   asked   1,000 requests a second, one at a time: how late the answers are
   fanout  an event of 1 KB to 1,000 readers, as fast as they are read
   late    20 events a second to 1,000 readers: how late they come
   many    10 to 10,000 readers: what an event costs, what joining takes while 2 events a second
           flow, how much memory each takes */
#define _GNU_SOURCE
#include "sse.h"
#include "crowd.h"
#include "figures.h"
#include "bare.h"
#include "watching.h"
#include "asking.h"
#include "own.h"

enum { MOST_PEERS = 12, READERS = 1000, ROOM = 1000000 };

struct peer {
    const char *name, *command;
    bool        out; /* could not be measured */
};

static struct peer peers[MOST_PEERS];
static int         count, rounds;
static double      seconds;
static const char *measure, *serve_command;
static int         serve_port;

/* ---- starting ---- */

static int free_port(void) {
    struct sockaddr_in to;
    socklen_t          len = sizeof to;
    const int          fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to)) return 0;
    getsockname(fd, (struct sockaddr *)&to, &len);
    close(fd);
    return ntohs(to.sin_port);
}

static void serve_other(int out, int unused) { /* serve_command on serve_port */
    char port[16];
    (void)unused;
    dprintf(out, "http://127.0.0.1:%d", serve_port);
    close(out);
    snprintf(port, sizeof port, "%d", serve_port);
    setenv("PORT", port, 1);
    if (go[0] >= 0) {
        dup2(go[0], 0);
        close(go[0]);
        close(go[1]);
    }
    execl("/bin/sh", "sh", "-c", serve_command, (char *)NULL);
    _exit(127);
}

static void (*serve_of(const struct peer *p, void (*bare)(int, int)))(int, int) {
    if (!p->command) return strcmp(p->name, "sse.h") == 0 ? own : bare;
    serve_command = p->command;
    serve_port = free_port();
    return serve_other;
}

static bool watch(struct side *side, const struct peer *p) {
    return side_open(side, p->name, serve_of(p, bare_fanout), strstr(p->name, "nchan") != NULL);
}

/* ---- printing ---- */

static void figure(const struct peer *p, const char *what, double *values, int n) {
    const double middle = part(values, (size_t)n, 0.5);
    printf("%s\t%s\t%s\t%.4g\t%.4g\t%.4g\n", measure, p->name, what, middle, values[n / 4],
        values[n - 1 - n / 4]);
    fflush(stdout);
}

static void one_figure(const struct peer *p, const char *what, double value) {
    figure(p, what, &value, 1);
}

static void left_out(struct peer *p, const char *why) {
    p->out = true;
    printf("%s\t%s\t%s\t-\n", measure, p->name, why);
    fflush(stdout);
}

/* ---- turns ---- */

/* What each turn of each server came to: two figures. */
static double figures[2][MOST_PEERS][ROUNDS_MOST];

/* Each server has its turn in each round, and in the next one another comes first. */
static void in_turns(void (*turn)(int who, int round, int argument), int argument) {
    int i, k;
    for (i = 0; i < rounds; i++)
        for (k = 0; k < count; k++)
            if (!peers[(i + k) % count].out) turn((i + k) % count, i, argument);
}

/* broken: of a server, one connection at least. */
static void show(const char *first, const char *second, bool (*broken)(int who), const char *why) {
    int k;
    for (k = 0; k < count; k++) {
        if (!peers[k].out && broken(k)) left_out(&peers[k], why);
        if (peers[k].out) continue;
        figure(&peers[k], first, figures[0][k], rounds);
        figure(&peers[k], second, figures[1][k], rounds);
    }
}

static double late[ROOM];

/* How late n of them were, of which part() shows the median and the rest. */
static void note_late(int who, int round, size_t n, double unit) {
    figures[0][who][round] = unit * part(late, n, 0.5);
    figures[1][who][round] = unit * part(late, n, 0.99);
}

/* ---- requests ---- */

static struct asked asked[MOST_PEERS];

static bool asked_open(struct peer *p, struct asked *s) {
    double end = now_s() + 5;
    int    port, fd = -1;
    s->name = p->name;
    if (pipe(go)) return false; /* its input does not end */
    s->pid = server_start(serve_of(p, bare_requests), 0, &port);
    close(go[0]);
    go[0] = -1;
    while (now_s() < end && (fd = connected(port)) < 0) usleep(20000);
    if (fd >= 0) close(fd);
    if (fd >= 0 && asked_connect(s, port)) return true;
    left_out(p, "does not answer");
    return false;
}

static void start_all_asked(void) { /* ours comes first: the bare loop answers the same bytes */
    int i;
    for (i = 0; i < count; i++) {
        if (!asked_open(&peers[i], &asked[i]) || i) continue;
        memcpy(bare_reply, asked[i].reply, asked[i].reply_len);
        bare_reply_len = asked[i].reply_len;
    }
}

static void stop_all_asked(void) {
    int i;
    for (i = 0; i < count; i++) server_stop(asked[i].pid);
}

static bool asked_broke(int who) { return asked[who].broken; }

static void ask_round(int who, int round, int deep) {
    if (!asked[who].broken) asked_round(&asked[who], round, deep, seconds);
}

static void hello(int deep) {
    char per_s[64], us[64], own_us[64];
    int  k;
    snprintf(per_s, sizeof per_s, "%d at a time, requests/s", deep);
    snprintf(us, sizeof us, "%d at a time, us of CPU", deep);
    snprintf(own_us, sizeof own_us, "%d at a time, us of its own", deep);
    in_turns(ask_round, deep);
    for (k = 0; k < count; k++) {
        memcpy(figures[0][k], asked[k].per_s, sizeof asked[k].per_s);
        memcpy(figures[1][k], asked[k].us, sizeof asked[k].us);
    }
    show(per_s, us, asked_broke, deep == 1 ? "1 at a time" : "16 at a time");
    for (k = 0; k < count; k++)
        if (!peers[k].out) figure(&peers[k], own_us, asked[k].user_us, rounds);
}

static void pace_requests(int who, int round, int per_s) {
    note_late(who, round, asked_pace(&asked[who], per_s, seconds, late, ROOM), 1e6);
}

/* ---- streams ---- */

static struct side sides[MOST_PEERS];

static void start_all_watched(void) {
    int i;
    for (i = 0; i < count; i++) {
        if (watch(&sides[i], &peers[i])) side_warm(&sides[i], READERS);
        if (sides[i].crowd.joined < READERS) left_out(&peers[i], "not all could join");
    }
}

static void stop_all_watched(void) {
    int i;
    for (i = 0; i < count; i++) side_close(&sides[i]);
}

static bool side_broke(int who) { return sides[who].crowd.refused > 0; }

static void fan_out(int who, int round, int events_a_round) {
    const struct rate rate = side_rounds(&sides[who], events_a_round, seconds);
    figures[0][who][round] = rate.wall;
    figures[1][who][round] = 1e6 / rate.cpu;
}

static void pace_events(int who, int round, int per_s) {
    note_late(who, round, side_pace(&sides[who], per_s, seconds, late, ROOM), 1e3);
}

static void many(struct peer *p) {
    static struct side side;
    static const int   sizes[] = {10, 100, 1000, 10000};
    const int          most = many_descriptors() - 50;
    double             from = 0;
    long               empty = 0;
    char               what[64];
    int                i;
    if (!watch(&side, p)) {
        left_out(p, "does not answer");
        side_close(&side);
        return;
    }
    for (i = 0; i < 4; i++) {
        double    us[ROUNDS_MOST];
        int       k;
        const int want = sizes[i] < most ? sizes[i] : most;
        from = now_s();
        side_join(&side, want, i < 3 ? 0 : 2, 25);
        from = now_s() - from;
        for (k = 0; k < 50; k++) crowd_read(&side.crowd, 10); /* what is on its way */
        if (side.crowd.joined < want) break;
        if (i == 3) {
            snprintf(what, sizeof what, "s until %d more have joined", want - sizes[2]);
            one_figure(p, what, from);
            one_figure(p, "refused", side.crowd.refused);
            one_figure(p, "bytes of memory each",
                (double)(rss_kb(side.pid) - empty) * 1024 / (want - sizes[0]));
        }
        for (k = 0; k < rounds; k++) us[k] = 1e6 / side_rounds(&side, 1, seconds / rounds).cpu;
        snprintf(what, sizeof what, "us of CPU, %d readers", want);
        figure(p, what, us, rounds);
        if (i == 0) empty = rss_kb(side.pid);
    }
    if (i < 4) {
        snprintf(what, sizeof what, "only %d of %d could join", side.crowd.joined, sizes[i]);
        left_out(p, what);
    }
    side_close(&side);
}

int main(int argc, char **argv) {
    int i;
    if (argc < 5) return fprintf(stderr, "usage: peers MEASURE SECONDS ROUNDS NAME[=COMMAND]\n"), 1;
    measure = argv[1];
    seconds = atof(argv[2]);
    rounds = atoi(argv[3]) < ROUNDS_MOST ? atoi(argv[3]) : ROUNDS_MOST;
    for (i = 4; i < argc && count < MOST_PEERS; i++) {
        char *command = strchr(argv[i], '=');
        if (command) *command++ = '\0';
        peers[count].name = argv[i];
        peers[count++].command = command;
    }
    many_descriptors();
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(measure, "many") == 0) {
        for (i = 0; i < count; i++) many(&peers[i]);
    } else if (strcmp(measure, "fanout") == 0 || strcmp(measure, "late") == 0) {
        start_all_watched();
        in_turns(*measure == 'f' ? fan_out : pace_events, *measure == 'f' ? 1 : 20);
        if (*measure == 'f') show("events/s", "us of CPU", side_broke, "a stream broke");
        else show("p50, ms", "p99, ms", side_broke, "a stream broke");
        stop_all_watched();
    } else {
        start_all_asked();
        if (*measure == 'a') {
            in_turns(pace_requests, 1000);
            show("p50, us", "p99, us", asked_broke, "a connection broke");
        } else hello(1), hello(MOST_DEEP);
        stop_all_asked();
    }
    return 0;
}
