/* run.h: runs a plan: turns the loop, lets time pass, makes the steps. */
#ifndef RUN_H
#define RUN_H
#include "world.h"

/* ---- clients ---- */

static int dial(void) {
    struct sockaddr_un to;
    const int          fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(&to, 0, sizeof to);
    to.sun_family = AF_UNIX;
    snprintf(to.sun_path, sizeof to.sun_path, "%.90s/socket", dir);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) wrong("no connection");
    return fd;
}

static size_t piece(size_t most) { /* what a proxy that splits and joins passes on at once */
    const size_t n = has(F_PROXY) ? 1 + random_next() % 97 : most;
    return n < most ? n : most;
}

static bool session_move(session *x) { /* false: nothing moved */
    char    got[16384];
    bool    moved = false;
    ssize_t n = 0;
    if (x->fd < 0) return false;
    if (x->out.n && (n = send(x->fd, x->out.at, piece(x->out.n), MSG_NOSIGNAL)) > 0) {
        bytes_drop(&x->out, (size_t)n);
        moved = true;
    }
    if (x->paused) return moved;
    n = recv(x->fd, got, piece(sizeof got), 0);
    if (n > 0) reader_take(&x->r, got, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) x->ended = true;
    if (x->r.whole) x->ended = true;
    if (x->ended) {
        close(x->fd);
        x->fd = -1;
    }
    return moved || n > 0 || x->ended;
}

static bool sessions_move(void) {
    bool moved = false;
    int  i;
    for (i = 0; i < w.nsessions; i++)
        if (session_move(&w.sessions[i])) moved = true;
    return moved;
}

/* ---- the loop ---- */

/* Turns it until nothing moves any more, neither there nor at a client. */
static bool settle(void) { /* false: it has stopped */
    int quiet, turns = 0, running = 1;
    for (quiet = 0; quiet < 2 && running > 0 && !w.wrong[0]; turns++) {
        const uint32_t upcall = w.app->loop.upcall;
        const bool     away = sse__pools_work(w.app);
        bool           moved = sessions_move();
        running = sse_poll(w.app, away && !moved ? 1 : 0);
        if (sessions_move() || away) moved = true;
        if (running > 0 && (w.app->loop.upcall != upcall || sse__test_loop_works(w.app)))
            moved = true;
        quiet = moved ? 0 : quiet + 1;
        if (turns > 100000) wrong("the app is never at rest");
    }
    return running > 0;
}

static void check_head(session *x) {
    static const char *const encodings[] = {NULL, "br", "gzip"};
    const char              *want = encodings[encoding_of(x->client)], *got;
    char                     peer[40] = "unix";
    if (x->r.status != 200) wrong("client %d: status %d", x->client, x->r.status);
    if (has(F_PROXY)) snprintf(peer, sizeof peer, "203.0.113.%d", x->client);
#define FIELD_IS(name, expected)            \
    got = reader_field(&x->r, name, 0);     \
    if (!got || strcmp(got, expected) != 0) \
    wrong("client %d: %s: %s, not %s", x->client, name, got ? got : "(none)", expected)
    FIELD_IS("Content-Type", "text/event-stream");
    FIELD_IS("Vary", "Accept-Encoding");
    FIELD_IS("X-Accel-Buffering", "no");
    FIELD_IS("X-Peer", peer);
    FIELD_IS("X-Hook", has(F_BEFORE) ? "ran" : "none");
    FIELD_IS("X-Guard", has(F_GUARD) ? "ran" : "none");
#undef FIELD_IS
    got = reader_field(&x->r, "Content-Encoding", 0);
    if (want ? !got || strcmp(got, want) != 0 : got != NULL)
        wrong("client %d: Content-Encoding: %s", x->client, got ? got : "(none)");
    got = reader_field(&x->r, "Set-Cookie", 0);
    if (!got || !strstr(got, "c=1") || !strstr(got, "Secure") == has(F_PROXY))
        wrong("client %d: Set-Cookie: %s", x->client, got ? got : "(none)");
    if (x->r.chunked == is_http10(x)) wrong("client %d: how its body is framed", x->client);
}

static void check_hooks(const reader *r, const char *what, bool guarded) {
    const char *got = reader_field(r, "X-Hook", 0);
    if (has(F_BEFORE) && (!got || strcmp(got, "ran") != 0)) wrong("%s: no hook ran", what);
    got = reader_field(r, "X-Guard", 0);
    if (guarded && (!got || strcmp(got, "ran") != 0)) wrong("%s: no guard ran", what);
}

/* What must hold whenever all is at rest. */
static void check(void) {
    int i;
    for (i = 0; i < w.nsessions; i++) {
        session *x = &w.sessions[i];
        if (x->r.status && !x->head_seen) check_head(x);
        x->head_seen = x->r.status != 0;
        session_check(x);
        if (x->ended && !x->over) {
            session_over(x);
            if (w.clients[x->client].now == x) w.clients[x->client].now = NULL;
        }
    }
    listened_check();
}

static void rest(void) {
    settle();
    check();
}

static void rows_age(void) { /* the program deletes what is too old */
    int i;
    for (i = 0; i < w.npubs && has(F_TABLE) && has(F_AGE); i++) {
        pub *p = &w.pubs[i];
        if (p->topic != T_ROWS || p->gone || now_ms - p->at < AGE_MS) continue;
        sse_db_exec(w.db, "DELETE FROM outbox WHERE id = %lld", p->row);
        p->gone = true;
    }
}

static bool on_edge(void) { /* an event is just about to become too old */
    int i;
    for (i = 0; i < w.npubs; i++)
        if (now_ms - w.pubs[i].at > AGE_MS - 300 && now_ms - w.pubs[i].at < AGE_MS + 300)
            return true;
    return false;
}

static void pass_some(int ms) {
    while (ms > 0 && settle()) {
        int next = sse_next_ms(w.app);
        if (next <= 0 || next > ms) next = next ? ms : 1;
        now_ms += next;
        ms -= next;
    }
}

static void pass(int ms) {
    pass_some(ms);
    while (has(F_AGE) && on_edge() && !w.wrong[0]) pass_some(200);
    rows_age();
    rest();
}

/* ---- requests ---- */

static void request(bytes *out, const char *line, int client, bool http10) {
    static const char *const accepts[] = {"identity, br;q=0", "br", "gzip"};
    char                     text[600];
    snprintf(text, sizeof text,
        "%s HTTP/1.%d\r\nHost: localhost\r\nAccept: text/event-stream\r\nAccept-Encoding: %s\r\n",
        line, !http10, accepts[encoding_of(client)]);
    bytes_add(out, text, strlen(text));
    if (!has(F_PROXY)) return;
    snprintf(text, sizeof text, "X-Forwarded-For: 203.0.113.%d\r\nX-Forwarded-Proto: https\r\n",
        client);
    bytes_add(out, text, strlen(text));
}

static void request_body(bytes *out, size_t n) {
    char   field[60];
    size_t i;
    snprintf(field, sizeof field, "Content-Length: %zu\r\n\r\n", n);
    bytes_add(out, field, strlen(field));
    for (i = 0; i < n; i++) bytes_add(out, "b", 1);
}

/* A reply that is no stream, in r. */
static void ask(session *x, const char *line, int client, bool post) {
    int waits = 0;
    memset(x, 0, sizeof *x);
    x->fd = dial();
    x->client = client;
    request(&x->out, line, client, has(F_HTTP10) && client > 0);
    if (post) request_body(&x->out, 3000);
    else bytes_add(&x->out, "\r\n", 2);
    while (!x->ended && !w.wrong[0]) {
        const bool moved = session_move(x);
        settle();
        if (!moved && !x->ended && !session_move(x)) {
            if (waits++ > 40) wrong("no reply to %s", line);
            pass_some(10);
        }
    }
    if (x->r.wrong[0]) wrong("%s: %s", line, x->r.wrong);
}

static void asked(session *x) {
    if (x->fd >= 0) close(x->fd);
    free(x->out.at);
    reader_free(&x->r);
}

static void pause_session(session *x) {
    x->paused = x->was_paused = true;
    x->allowed |= 1 << SSE_BY_QUEUE | 1 << SSE_BY_TIMEOUT;
}

static bool find_direct(sse_stream s, void *user) {
    session *x = (session *)user;
    int      i;
    for (i = 0; i < w.nsessions; i++)
        if (w.sessions[i].stream.gen == s.gen && w.sessions[i].stream.slot == s.slot &&
            w.sessions[i].incarnation == w.incarnation)
            return true;
    x->stream = s;
    return false;
}

static void connect_client(int client, bool slow) {
    page      *c = &w.clients[client];
    session   *x = &w.sessions[w.nsessions];
    char       text[300];
    sse_filter f;
    if (c->now || w.nsessions == SESSIONS) return;
    memset(x, 0, sizeof *x);
    x->n = w.nsessions;
    x->client = client;
    x->kind = kind_of(client);
    x->fd = dial();
    if (slow && has(F_SLOW)) pause_session(x);
    x->r.on_event = model_hears;
    x->r.user = x;
    c->now = x;
    w.nsessions++;
    if (!has(F_RESUME)) c->id[0] = '\0';
    x->back = c->id[0] && (x->kind != KIND_VIEW || has(F_GUARD));
    if (x->kind == KIND_VIEW) {
        snprintf(text, sizeof text, "GET %s?direct=1&n=%d", has(F_VIEW) ? "/v" : "/e", x->n);
        x->shows[!has(F_VIEW)] = true;
    } else
        snprintf(text, sizeof text, "%s /s?n=%d&len=%d", is_post(x) ? "POST" : "GET", x->n, 5000);
    request(&x->out, text, client, is_http10(x));
    if (x->back) {
        snprintf(text, sizeof text, "Last-Event-ID: %s\r\n", c->id);
        bytes_add(&x->out, text, strlen(text));
    }
    if (is_post(x)) request_body(&x->out, 5000);
    else bytes_add(&x->out, "\r\n", 2);
    settle();
    if (!x->opened) wrong("client %d, session %d: no stream was opened", client, x->n);
    memset(&f, 0, sizeof f);
    f.label = "direct";
    if (!x->greeted) sse_streams_each(w.app, &f, find_direct, x);
    check();
}

/* ---- steps ---- */

static void step_publish(const step *s) {
    char      line[100], text[60];
    session   answer;
    uint64_t  left_out = 0;
    int       there[TOPICS], n = 0, t, i, except = EXCEPT_NOBODY, from = w.npubs;
    const int count = 1 + (int)(s->arg % 3);
    for (t = 0; t < TOPICS; t++)
        if (topic_is_there(t) && t != T_ROWS) there[n++] = t;
    t = there[(s->arg >> 4) % (uint32_t)n];
    if (has(F_EXCEPT) && (s->arg >> 16) % 4) except = (int)(s->arg >> 16) % 4;
    for (i = 0; i < w.nsessions && except; i++) {
        const session *x = &w.sessions[i];
        if (!session_lives(x) || !x->greeted) continue;
        if (except == EXCEPT_PERSON ? strcmp(people[x->client], people[s->who]) == 0
                                    : x->client == s->who || (except == EXCEPT_LIST && i % 2))
            left_out |= (uint64_t)1 << i;
    }
    if (!left_out) except = EXCEPT_NOBODY;
    for (i = 0; i < count; i++) {
        const int at = model_publish(t, left_out, has(F_EXCEPT) && (s->arg >> 18) % 4 == 0);
        w.pubs[at].except = except;
    }
    if ((s->arg >> 8) % 3) {
        publish_noted(from, count, has(F_THREAD));
        rest();
        return;
    }
    snprintf(line, sizeof line, "POST /pub?from=%d&count=%d&len=3000", from, count);
    ask(&answer, line, s->who, true);
    snprintf(text, sizeof text, "published %d", from);
    if (!w.wrong[0] &&
        (answer.r.status != 200 || !answer.r.text.at || strcmp(answer.r.text.at, text)))
        wrong("%s: %d %.60s", line, answer.r.status, answer.r.text.at ? answer.r.text.at : "");
    check_hooks(&answer.r, line, has(F_GUARD));
    asked(&answer);
    rest();
}

static void row_done(sse_app *app, const sse_db_result *result, void *user) {
    (void)app, (void)user;
    if (result->changes != 1) wrong("a posted row: %s", result->error);
}

static void step_row(const step *s) {
    sse_db_post_options to;
    int                 i, n;
    if (!has(F_TABLE)) return;
    memset(&to, 0, sizeof to);
    to.app = w.app;
    to.done = row_done;
    for (i = 0; i < 1 + (int)(s->arg % 3); i++) {
        char text[1400];
        n = model_publish(T_ROWS, 0, false);
        w.pubs[n].row = ++w.rows;
        w.pubs[n].gone = false;
        snprintf(text, sizeof text, "E%d %s", n, filler(n));
        if (s->arg >> 8 & 1) sse_db_post(w.db, &to, "INSERT INTO outbox(body) VALUES(%s)", text);
        else sse_db_exec(w.db, "INSERT INTO outbox(body) VALUES(%s)", text);
    }
    rest();
}

static void step_touch(const step *s) {
    const int view = has(F_VIEW) && has(F_EACH) ? (int)(s->arg & 1) : has(F_EACH);
    if (!has(F_VIEW) && !has(F_EACH)) return;
    w.version[view]++;
    if (sse_touch(w.app, view ? "/e" : "/v")) wrong("sse_touch");
    rest();
}

static void step_send(const step *s) {
    session  *x = w.clients[s->who].now;
    char      text[1400];
    sse_event e = event_of(text);
    int       i;
    for (i = 0; i < 1 + (int)(s->arg % 2); i++) {
        if (!x || !session_lives(x) || !x->greeted) return;
        snprintf(text, sizeof text, "P%d %s", x->alone, filler(x->alone + 500));
        model_expect(x, LANE_ALONE, x->alone++);
        if (sse_stream_send(x->stream, &e) && !x->paused) wrong("sse_stream_send");
    }
    rest();
}

static void step_pause(const step *s) {
    session *x = w.clients[s->who].now;
    if (has(F_SLOW) && x) pause_session(x);
}

static void step_read(void) {
    int i;
    for (i = 0; i < w.nsessions; i++) w.sessions[i].paused = false;
    rest();
    for (i = 0; i < w.nsessions; i++)
        w.sessions[i].allowed &= ~(1 << SSE_BY_QUEUE | 1 << SSE_BY_TIMEOUT);
}

static void step_break(const step *s) {
    page    *c = &w.clients[s->who];
    session *x = c->now;
    if (!x) return;
    x->allowed |= 1 << SSE_BY_PEER;
    if (x->fd >= 0) close(x->fd);
    x->fd = -1;
    x->over = x->ended = true;
    c->now = NULL;
    rest();
    if (x->closed != 1) wrong("session %d: its client left, and on_close did not run", x->n);
}

static void step_end(const step *s) {
    session *x = w.clients[s->who].now;
    if (!x || !session_lives(x) || !x->stream.app) return;
    x->allowed |= 1 << SSE_BY_END;
    x->reconnect = s->arg & 1;
    if (x->reconnect ? sse_stream_reconnect(x->stream, NULL) : sse_stream_end(x->stream, NULL))
        wrong("ending a stream");
    rest();
    if (x->closed != 1) wrong("session %d was ended, and on_close did not run", x->n);
    if (x->paused) return;
    if (!is_http10(x) && !x->over)
        wrong("session %d was ended, and its client does not know", x->n);
}

static void step_refused(const step *s) {
    session answer;
    if (!has(F_GUARD)) return;
    ask(&answer, "GET /s?refuse=1", s->who, false);
    if (!w.wrong[0] && answer.r.status != 403) wrong("a guard refuses: %d", answer.r.status);
    if (!w.wrong[0]) check_hooks(&answer.r, "a refusal", false);
    asked(&answer);
}

/* ---- stops and starts ---- */

/* What clients still find in the kernel. */
static void drain(void) {
    int i;
    for (i = 0; i < w.nsessions; i++) {
        w.sessions[i].paused = false;
        while (session_move(&w.sessions[i])) {
        }
        if (w.sessions[i].fd >= 0) close(w.sessions[i].fd);
        w.sessions[i].fd = -1;
        w.sessions[i].ended = true;
    }
}

/* What came about, over all plans: a test in which it does not tests nothing. */
#define METS(X)                                                             \
    X(plans, "plans")                                                       \
    X(sessions, "streams")                                                  \
    X(events, "events")                                                     \
    X(received, "times that a client got one")                              \
    X(resumes, "clients that resumed")                                      \
    X(unknown, "gap events: unknown")                                       \
    X(expired, "gap events: expired")                                       \
    X(drops, "events that slow readers lost")                               \
    X(same, "versions of views passed over for slow readers")               \
    X(kept, "events that a crash left on the disk before anybody saw them") \
    X(lost, "events that a crash took before anybody saw them")             \
    X(people, "joins and leaves")

typedef struct met {
#define MET(name, text) long name;
    METS(MET)
#undef MET
    long closed[8];
} met;

static met here_met; /* in this plan */

static void met_add(met *sum) {
    int i;
#define MET(name, text) sum->name += here_met.name;
    METS(MET)
#undef MET
    for (i = 0; i < 8; i++) sum->closed[i] += here_met.closed[i];
}

static void met_app(void) {
    sse_stats s;
    int       i;
    sse_stats_get(w.app, &s);
    here_met.resumes += (long)s.resumes;
    here_met.drops += (long)s.drops;
    for (i = 0; i < 8; i++) here_met.closed[i] += (long)s.closed[i];
}

static void met_plan(void) {
    int i, k;
    here_met.plans = 1;
    here_met.sessions = w.nsessions;
    here_met.events = w.npubs;
    here_met.people = w.people;
    for (i = 0; i < w.nsessions; i++) {
        const session *x = &w.sessions[i];
        for (k = 0; k < LANES; k++) here_met.received += x->lanes[k].next;
        here_met.unknown += x->gap_said && x->gap == 1;
        here_met.expired += x->gap_said && x->gap == 2;
        here_met.same += x->skipped;
    }
}

static void let_go(void) { /* of the app, and look at what it leaves */
    int i;
    met_app();
    sse_app_free(w.app);
    sse_db_close(w.db);
    w.app = NULL;
    w.db = NULL;
    drain();
    for (i = 0; i < w.nsessions; i++) {
        session *x = &w.sessions[i];
        if (x->opened && x->closed != 1)
            wrong("client %d, session %d: on_close ran %d times", x->client, x->n, x->closed);
        if (!x->over) session_over(x);
        w.clients[x->client].now = NULL;
    }
    if (w.refused_opened != w.refused_closed)
        wrong("%d streams did not open, and %d were closed", w.refused_opened, w.refused_closed);
}

static void stop(void) {
    int i, turns;
    rest();
    for (i = 0; i < w.nsessions; i++)
        w.sessions[i].allowed |= 1 << SSE_BY_STOP | (has(F_STEP) ? 1 << SSE_BY_END : 0);
    sse_stop(w.app);
    for (turns = 0; settle() && turns < 10000 && !w.wrong[0]; turns++) {
        const int next = sse_next_ms(w.app);
        for (i = 0; i < w.nsessions && turns == 1; i++) {
            session *x = &w.sessions[i];
            if (!x->drains || !session_lives(x)) continue;
            x->allowed |= 1 << SSE_BY_END;
            sse_stream_end(x->stream, NULL);
        }
        now_ms += next > 0 ? next : 1;
    }
    if (turns == 10000) wrong("the app does not stop");
}

static void file_copy(const char *from, const char *to) { /* or none, where there is none */
    char    a[160], b[160], text[8192];
    ssize_t n = 0;
    int     in, out;
    snprintf(a, sizeof a, "%s/%s", dir, from);
    snprintf(b, sizeof b, "%s/%s", dir, to);
    unlink(b);
    in = open(a, O_RDONLY | O_CLOEXEC);
    out = in < 0 ? -1 : open(b, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (out >= 0 && (n = read(in, text, sizeof text)) > 0)
        if (write(out, text, (size_t)n) != n) wrong("copying %s", from);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
}

static bool found(const sse_event *e, void *user) {
    const int n = atoi(e->data + 1);
    bool     *there = (bool *)user;
    if (n >= 0 && n < MOST) there[n] = true;
    return true;
}

/* Events that were on their way as the process died are there up to one of them, or not: never one
   without those before it. */
static void unsure_settle(int topic, int from, int count, bool all) {
    static bool there[MOST];
    int         i, lost = 0;
    memset(there, 0, sizeof there);
    if (count && sse_topic_history(w.app, topics[topic].name, 0, found, there) < 0)
        wrong("no history behind a crash");
    for (i = from; i < from + count; i++) {
        if (there[i] && lost) wrong("event %d was kept, and one before it was not", i);
        if (!there[i]) lost++;
        here_met.kept += there[i];
        here_met.lost += !there[i];
        (void)model_publish(there[i] ? topic : T_NONE, 0, false);
    }
    if (all && lost) wrong("%d events were on the disk, and are not there", lost);
    w.base = w.npubs;
    w.listened[0] = w.listened[1] = w.npubs;
}

static void step_kill(const step *s) {
    static const int stored[] = {T_DATABASE, T_AGE, T_TWO};
    int              topic = stored[s->arg % 3], count = 0, i, from = w.npubs;
    bool             all = false;
    rest();
    if (!topic_is_there(topic)) topic = T_DATABASE;
    if (has(F_DATABASE)) count = (int)(s->arg >> 4) % 4;
    for (i = 0; i < w.nsessions; i++) w.sessions[i].killed = true;
    w.dies = true;
    for (i = 0; i < count; i++) {
        char      text[1400];
        sse_event e = event_of(text);
        snprintf(text, sizeof text, "E%d %s", from + i, filler(from + i));
        sse_publish(w.app, topics[topic].name, &e);
    }
    if (s->arg >> 8 & 1) { /* on the disk, and nobody has been told */
        sse_poll(w.app, 0);
        while (sse__pools_work(w.app)) sched_yield();
        all = true;
    }
    file_copy("app.db", "copy.db");
    file_copy("app.db-wal", "copy.db-wal");
    if (!all && s->arg >> 9 & 1) { /* the disk is slow, and nobody may be told: see take_pub */
        sse_poll(w.app, 0);
        drain();
    }
    {
        sse__link *link;
        for (link = w.app->net->conns.next; link != &w.app->net->conns; link = link->next)
            shutdown(SSE__CONTAINER(link, sse__conn, all)->source.fd, SHUT_RDWR);
    }
    let_go();
    file_copy("copy.db", "app.db");
    file_copy("copy.db-wal", "app.db-wal");
    file_copy("none", "app.db-shm");
    file_copy("none", "copy.db");
    file_copy("none", "copy.db-wal");
    file_copy("app.db", "app.db-sse"); /* it is left behind, and means nothing without its lock */
    now_ms += 300;
    w.dies = false;
    start();
    unsure_settle(topic, from, count, all);
}

static void step_restart(void) {
    stop();
    let_go();
    now_ms += 300;
    start();
}

static void check_presence(void) {
    bool listed[CLIENTS];
    int  t, i;
    for (t = 0; t < TOPICS && has(F_PRESENCE); t++) {
        if (!topic_is_there(t) || t == T_NONE) continue;
        memset(listed, 0, sizeof listed);
        sse_topic_who(w.app, topics[t].name, here, listed);
        for (i = 0; i < CLIENTS; i++)
            if (person(people[i]) == i) presence_check(t, i, listed[i]);
    }
}

static void run_step(const step *s) {
    int i;
    switch (s->op) {
    case OP_CONNECT:
        for (i = 0; i < CLIENTS; i++)
            if (s->who == EVERYBODY || s->who == i) connect_client(i, s->arg == CONNECT_SLOW);
        break;
    case OP_BREAK: step_break(s); break;
    case OP_PUBLISH: step_publish(s); break;
    case OP_ROW: step_row(s); break;
    case OP_TOUCH: step_touch(s); break;
    case OP_SEND: step_send(s); break;
    case OP_PAUSE: step_pause(s); break;
    case OP_READ: step_read(); break;
    case OP_PASS: pass(s->arg <= PASS_TIMEOUT ? (int)s->arg : 200 + (int)(s->arg % 1700)); break;
    case OP_RESTART:
        if (has(F_RESTART) || has(F_GRACE)) step_restart();
        break;
    case OP_KILL:
        if (has(F_KILL)) step_kill(s);
        break;
    case OP_END: step_end(s); break;
    case OP_REFUSED: step_refused(s); break;
    default: break;
    }
}

/* The end: everybody reads, comes back, and gets one of each more. */
static void run_end(void) {
    step s;
    int  i;
    memset(&s, 0, sizeof s);
    step_read();
    for (i = 0; i < CLIENTS; i++) connect_client(i, false);
    for (i = 0; i < 12; i++) {
        s.arg = (uint32_t)i << 4 | 1u << 8;
        if (i < 6) step_publish(&s);
        s.arg = (uint32_t)i;
        s.who = (uint8_t)(i % CLIENTS);
        if (i < 4) step_send(&s);
        if (i < 2) step_touch(&s), step_row(&s);
    }
    check_presence();
    pass(LEAVE_MS + 300);
    check_presence();
    stop();
    let_go();
}

static void clean(void) {
    static const char *const files[] = {"app.db", "app.db-wal", "app.db-shm", "app.db-sse",
        "socket", "copy.db", "copy.db-wal"};
    size_t                   i;
    for (i = 0; i < sizeof files / sizeof *files; i++) file_copy("none", files[i]);
}

/* Runs a plan in dir, which is there and empty. NULL, or what was wrong. */
static const char *run_plan(const plan *p) {
    static char said[400];
    int         i;
    memset(&w, 0, sizeof w);
    memset(&here_met, 0, sizeof here_met);
    w.plan = p;
    w.step = -1;
    now_ms = 0;
    random_seed(p->seed + 77);
    for (i = 0; i < CLIENTS; i++) w.clients[i].at = -1;
    w.version[0] = w.version[1] = 1;
    start();
    for (w.step = 0; w.step < p->nsteps && !w.wrong[0]; w.step++) {
        if (p->steps[w.step].dropped) continue;
        if (getenv("STEPS"))
            fprintf(stderr, "step %d: %s %d %u\n", w.step, op_names[p->steps[w.step].op],
                p->steps[w.step].who, p->steps[w.step].arg);
        run_step(&p->steps[w.step]);
        if (!w.wrong[0]) check_presence();
    }
    if (!w.wrong[0]) run_end();
    met_plan();
    snprintf(said, sizeof said, "%s", w.wrong);
    sse_app_free(w.app); /* where it stopped at a fault */
    sse_db_close(w.db);
    for (i = 0; i < w.nsessions; i++) {
        if (w.sessions[i].fd >= 0) close(w.sessions[i].fd);
        free(w.sessions[i].out.at);
        reader_free(&w.sessions[i].r);
    }
    clean();
    return said[0] ? said : NULL;
}
#endif
