/* asking.h: clients that ask for a page on kept connections, for the benchmarks: so many requests
   at a time, as fast as they are answered, and one by one at a pace. */

enum { CONNECTIONS = 50, ROUNDS_MOST = 31 };

struct client {
    int    fd;
    size_t left;
};

struct asked { /* one server and the connections to it */
    const char   *name;
    pid_t         pid;
    struct client client[CONNECTIONS];
    int           poller;
    char          reply[1024]; /* as it was measured, for counting */
    size_t        reply_len;
    bool          broken;
    /* requests; CPU for each, and the part of it that is the program's */
    double per_s[ROUNDS_MOST], us[ROUNDS_MOST], user_us[ROUNDS_MOST];
};

static bool ask(struct client *c, int deep, size_t reply_len) {
    char   all[MOST_DEEP * sizeof request];
    int    i;
    size_t n = sizeof request - 1;
    for (i = 0; i < deep; i++) memcpy(all + (size_t)i * n, request, n);
    c->left = (size_t)deep * reply_len;
    return send(c->fd, all, (size_t)deep * n, MSG_NOSIGNAL) == (ssize_t)((size_t)deep * n);
}

/* Reads what is there, asks again; how many requests were answered whole. */
static uint64_t answers(struct asked *s, int deep, bool again) {
    static char        bytes[MOST_DEEP * sizeof s->reply];
    struct epoll_event e[CONNECTIONS];
    uint64_t           done = 0;
    int                i, n = epoll_wait(s->poller, e, CONNECTIONS, 100);
    for (i = 0; i < n && !s->broken; i++) {
        struct client *c = (struct client *)e[i].data.ptr;
        const ssize_t  got = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0 || (size_t)got > c->left) s->broken = true;
        else if ((c->left -= (size_t)got) == 0) {
            done += (uint64_t)deep;
            if (again && !ask(c, deep, s->reply_len)) s->broken = true;
        }
    }
    return done;
}

static int waiting(const struct asked *s) { /* connections with a reply to come */
    int i, n = 0;
    for (i = 0; i < CONNECTIONS; i++) n += s->client[i].left != 0;
    return n;
}

/* Each connection asks once; the first one sees the reply. */
static bool asked_connect(struct asked *s, int port) {
    const struct timeval late = {5, 0};
    struct epoll_event   e;
    ssize_t              n;
    int                  i;
    s->poller = epoll_create1(EPOLL_CLOEXEC);
    memset(&e, 0, sizeof e);
    e.events = EPOLLIN;
    for (i = 0; i < CONNECTIONS; i++) {
        e.data.ptr = &s->client[i];
        s->client[i].left = 0;
        s->client[i].fd = connected(port);
        if (s->client[i].fd < 0) return false;
        epoll_ctl(s->poller, EPOLL_CTL_ADD, s->client[i].fd, &e);
    }
    ask(&s->client[0], 1, 0);
    setsockopt(s->client[0].fd, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof late);
    (void)!recv(s->client[0].fd, s->reply, 1, MSG_PEEK);
    usleep(50000); /* its body may be sent apart */
    n = recv(s->client[0].fd, s->reply, sizeof s->reply, MSG_DONTWAIT);
    s->reply_len = n > 0 ? (size_t)n : 0;
    if (n <= 0 || memcmp(s->reply, "HTTP/1.1 200", 12) != 0) return false;
    for (i = 1; i < CONNECTIONS; i++) ask(&s->client[i], 1, s->reply_len);
    for (i = 0; i < 1000 && !s->broken && waiting(s); i++) answers(s, 1, false);
    return !s->broken && !waiting(s);
}

/* As fast as they are answered. What is on its way at the end is read before the next turn. */
static void asked_round(struct asked *s, int which, int deep, double seconds) {
    const clockid_t clock = clock_of(s->pid);
    double          user0, user, ignored, ran, from, took = 0;
    uint64_t        count = 0;
    int             i;
    for (i = 0; i < CONNECTIONS && !s->broken; i++)
        if (!ask(&s->client[i], deep, s->reply_len)) s->broken = true;
    cpu_s(s->pid, &user0, &ignored);
    ran = clock_s(clock);
    for (from = now_s(); (took < seconds || (!count && took < 5)) && !s->broken;
         took = now_s() - from)
        count += answers(s, deep, true);
    ran = clock_s(clock) - ran;
    cpu_s(s->pid, &user, &ignored);
    s->per_s[which] = (double)count / took;
    s->user_us[which] = 1e6 * (user - user0) / (double)count;
    s->us[which] = 1e6 * ran / (double)count;
    while (waiting(s) && !s->broken && now_s() < from + took + 5) answers(s, deep, false);
    if (waiting(s) || count == 0) s->broken = true;
}

/* So many requests a second, one at a time: how many there were; late: when each was answered, in
   seconds from when it was due. */
__attribute__((unused)) static size_t asked_pace(struct asked *s, int per_s, double seconds,
    double *late, size_t room) {
    const double from = now_s() + 0.01;
    double       due, early;
    size_t       n = 0;
    for (due = from; due < from + seconds && n < room && !s->broken; due += 1.0 / per_s) {
        struct client *c = &s->client[n % CONNECTIONS];
        if ((early = due - now_s()) > 0) usleep((useconds_t)(early * 1e6));
        if (!ask(c, 1, s->reply_len)) s->broken = true;
        while (c->left && !s->broken && now_s() < due + 5) answers(s, 1, false);
        if (c->left) s->broken = true;
        late[n++] = now_s() - due;
    }
    return n;
}
