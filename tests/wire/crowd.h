/* crowd.h: for some time an app has no room: it connects to itself, first in its own queue. For
   alive.c and worn.h; below sse.h. */
enum { CROWD_MOST = 1600 };

static int       crowd[CROWD_MOST], crowd_count, crowd_room;
static sse_timer crowd_refill;

static void crowd_in(sse_app *app, int count) {
    struct sockaddr_in to;
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)sse_port(app));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (; count > 0 && crowd_count < CROWD_MOST; count--) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) abort();
        crowd[crowd_count++] = fd;
    }
}

static void crowd_stays(sse_app *app, void *user) { /* somebody left meanwhile */
    sse_stats st;
    (void)user;
    sse_stats_get(app, &st);
    crowd_in(app, crowd_room - (int)st.connections);
}

static void crowd_leaves(sse_app *app, void *user) {
    (void)app;
    (void)user;
    sse_timer_cancel(crowd_refill);
    while (crowd_count > 0) close(crowd[--crowd_count]);
}

/* room: the app's max_connections. Those of its streams are taken as well, as they end. */
static void crowd_comes(sse_app *app, int room, int ms) {
    sse_stats st;
    sse_stats_get(app, &st);
    crowd_room = room;
    crowd_in(app, room - (int)(st.connections - st.streams));
    crowd_refill = sse_every(app, 20, crowd_stays, NULL);
    sse_after(app, ms, crowd_leaves, NULL);
}
