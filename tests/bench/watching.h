/* watching.h: servers and their subscribers, for the benchmarks: rounds of events as fast as they
   are read, and events at a pace. The servers share one core, the subscribers have the other. */

struct side {
    const char  *name;
    struct crowd crowd;
    int          port, go; /* go: takes bytes, or if it posts, POST /publish */
    bool         posts;
    pid_t        pid;
    clockid_t    clock;
    double       events; /* that all readers got */
};

struct rate { /* events per second, and per second that the server ran */
    double wall, cpu;
};

static void side_publish(struct side *side, int events) {
    static char post[EVENT + 200], ignored[1 << 16];
    const char  count = (char)events;
    int         n;
    if (!side->posts) {
        (void)!write(side->go, &count, 1);
        return;
    }
    while (recv(side->go, ignored, sizeof ignored, MSG_DONTWAIT) > 0) {
    }
    n = snprintf(post, sizeof post,
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%0*d", EVENT - 8,
        EVENT - 8, 0);
    while (events-- > 0) (void)!send(side->go, post, (size_t)n, MSG_NOSIGNAL);
}

/* Starts it; NULL to serve: a program, whose port serve_command has chosen. */
static bool side_open(struct side *side, const char *name, void (*serve)(int, int), bool posts) {
    const double end = now_s() + 5;
    int          fd;
    memset(side, 0, sizeof *side);
    side->name = name;
    side->posts = posts;
    if (pipe(go)) return false;
    side->pid = server_start(serve, 0, &side->port);
    side->go = go[1];
    close(go[0]);
    go[0] = -1;
    side->clock = clock_of(side->pid);
    while ((fd = connected(side->port)) < 0 && now_s() < end) usleep(20000);
    if (fd >= 0 && posts) {
        close(side->go);
        side->go = fd;
    } else close(fd);
    return fd >= 0;
}

static void side_close(struct side *side) {
    close(side->go);
    crowd_leave(&side->crowd);
    server_stop(side->pid);
}

/* Until so many have their first event, while so many events a second flow. */
static void side_join(struct side *side, int count, int per_s, double most_s) {
    const double end = now_s() + most_s;
    double       due = now_s();
    while (side->crowd.joined < count && now_s() < end) {
        crowd_join_some(&side->crowd, side->port, "/events", count);
        if (!per_s || now_s() < due) continue;
        side_publish(side, 1);
        due += 1.0 / per_s;
    }
}

/* Each round begins when all have read the last one. */
static struct rate side_rounds(struct side *side, int events_a_round, double seconds) {
    const unsigned a_round = (unsigned)(side->crowd.joined * events_a_round);
    const double   from = now_s(), ran = clock_s(side->clock);
    double         s = 0, events = 0;
    struct rate    rate;
    do {
        const uint64_t want = side->crowd.events + a_round;
        side_publish(side, events_a_round);
        while (side->crowd.events < want && s < seconds + 5) {
            crowd_read(&side->crowd, 20);
            s = now_s() - from;
        }
        events += a_round;
    } while (s < seconds);
    side->events += events;
    rate.wall = events / s;
    rate.cpu = events / (clock_s(side->clock) - ran);
    return rate;
}

__attribute__((unused)) static void side_warm(struct side *side, int readers) {
    const double end = now_s() + 0.2;
    int          i;
    side_join(side, readers, 0, 20);
    while (now_s() < end) crowd_read(&side->crowd, 20); /* what else is said to the new ones */
    for (i = 0; i < 20; i++) side_rounds(side, 1, 0);
}

/* So many events a second, one at a time: how many deliveries there were; late: how late each was,
   in seconds, from when its event was due. */
__attribute__((unused)) static size_t side_pace(struct side *side, int per_s, double seconds,
    double *late, size_t room) {
    const double from = now_s() + 0.01;
    double       due, early;
    side->crowd.late = late;
    side->crowd.late_room = room;
    side->crowd.late_count = 0;
    for (due = from; due < from + seconds; due += 1.0 / per_s) {
        const uint64_t want = side->crowd.events + (unsigned)side->crowd.joined;
        while ((early = due - now_s()) > 0) crowd_read(&side->crowd, (int)(early * 1e3));
        side->crowd.since = due;
        side_publish(side, 1);
        while (side->crowd.events < want && now_s() < due + 5) crowd_read(&side->crowd, 20);
    }
    side->crowd.late = NULL;
    return side->crowd.late_count;
}

/* What it takes, of time, of the server's CPU and of its memory, that so many join while so many
   events a second flow. */
__attribute__((unused)) static void side_many(void (*serve)(int, int), int count, int per_s) {
    static struct side side;
    double             from, ran;
    long               empty;
    side_open(&side, "sse.h", serve, false);
    side_join(&side, 10, 0, 10); /* what the first ones cost is not theirs */
    usleep(100000);
    empty = rss_kb(side.pid);
    from = now_s();
    ran = clock_s(side.clock);
    side_join(&side, count, per_s, 30);
    from = now_s() - from;
    ran = clock_s(side.clock) - ran;
    usleep(300000);
    printf("%d join while %d events a second flow: %.2f s, %.2f s of the server's CPU, %d refused; "
           "%.0f bytes of memory each\n",
        side.crowd.joined, per_s, from, ran, side.crowd.refused,
        (double)(rss_kb(side.pid) - empty) * 1024 / (side.crowd.joined - 10));
    fflush(stdout);
    side_close(&side);
}
