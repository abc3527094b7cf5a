/* model.h: which events were published in which order to which topics, and so what every client
   must have seen. It knows the manual of sse.h, and nothing of its code: ids are compared, never
   made.

   A client is a person's page; a session is one of its streams, from a request to its end. What a
   session must see stands in lanes, each of them a list that is checked to its last entry once the
   client has read all there is: events with numbers, rows, events of each topic without numbers,
   what was sent to it alone, what its generator made. Between lanes no order is promised. */
#ifndef MODEL_H
#define MODEL_H
#include "plan.h"
#include "reader.h"

enum { /* topics; k.* is the pattern */
    T_MEMORY,
    T_AGE,
    T_DATABASE,
    T_TWO,
    T_NONE,
    T_HERE,
    T_ROWS,
    TOPICS
};

static const struct {
    const char *name;
    int         history;
} topics[] = {{"k.memory", 5}, {"k.age", 100}, {"k.database", 6}, {"k.two", 4}, {"k.none", 0},
    {"k.here", 0}, {"k.rows", 0}};

static const char *const people[CLIENTS] = {"ann", "ann", "bob", "cy"};

enum { LANE_NUMBERED, LANE_ROWS, LANE_ALONE, LANE_STEP, LANE_LOOSE, LANES = LANE_LOOSE + TOPICS };

static const char *const lane_names[] = {"events with ids", "rows", "events for it alone",
    "events of its generator", "k.memory without ids", "k.age without ids",
    "k.database without ids", "k.two without ids", "k.none", "k.here", "?"};

enum {
    AGE_MS = 5000,
    LIFETIME_MS = 3000,
    QUEUE_BYTES = 4000,
    LEAVE_MS = 3000, /* the default of .leave_ms */
    GREET = 2,
    MOST = 600, /* of anything in a plan */
    SESSIONS = 64
};

enum { KIND_MAIN, KIND_ROWS, KIND_VIEW, KIND_PLAIN };

typedef struct pub { /* an event, or a row */
    int       topic;
    long long at;                /* ms */
    uint64_t  left_out;          /* sessions */
    bool      ephemeral, gone;   /* gone: no history has it */
    int       except, receivers; /* how those are named; how many streams are to get it */
    int       incarnation;
    char      id[64]; /* as clients saw it, in that start */
    int       id_of;
    long long number, row;
} pub;

typedef struct lane {
    short want[MOST];
    bool  got[MOST];
    int   n, next;
} lane;

typedef struct session {
    int        n, client, kind, incarnation;
    sse_stream stream;
    int        fd;
    reader     r;
    bytes      out; /* of its request, unsent */
    bool ended, over, paused, was_paused, opened, greeted, said_hi, drains, farewell, heard_stop,
        heard_bye, killed, reconnect, back, head_seen; /* back: its request names an id */
    bool      follows[TOPICS], pattern, shows[2];
    int       closed, reason, allowed; /* allowed: bits of the reasons that may end it now */
    int       open_at;                 /* how many events there were */
    long long opened_ms;
    int       gap; /* 0: none is due; 1: unknown; 2: expired */
    bool      gap_said;
    lane      lanes[LANES];
    int       skipped, seen[2], alone, steps,
        least[2]; /* versions of views: the last seen, the first due */
} session;

typedef struct page {
    session  *now;     /* NULL: it is away */
    char      id[128]; /* as a browser keeps it; "": none */
    int       at;      /* the event that stands for; -1: before all */
    bool      placed;  /* it is the id of a place, behind that event */
    long long row;
    int       id_of; /* the start that gave it */
} page;

static struct world {
    const plan *plan;
    int         step; /* for the report */
    sse_app    *app;
    sse_db     *db;
    int         incarnation;
    bool        dies; /* as by SIGKILL: nothing it does counts */
    pub         pubs[MOST];
    int         npubs, base; /* base: those of earlier starts */
    session     sessions[SESSIONS];
    int         nsessions;
    page        clients[CLIENTS];
    int         version[2]; /* of the views */
    int         here[TOPICS][CLIENTS], guards, hooks, refused_closed, refused_opened;
    long long   gone_at[TOPICS][CLIENTS];
    int         listened[2], people;
    long long   rows; /* the last row's id */
    char        wrong[400];
} w;

static long long now_ms; /* of the virtual clock */

__attribute__((format(printf, 1, 2))) static void wrong(const char *fmt, ...) {
    va_list ap;
    size_t  n;
    if (w.wrong[0]) return;
    n = (size_t)snprintf(w.wrong, sizeof w.wrong, "step %d (%s): ", w.step,
        w.step >= 0 && w.step < w.plan->nsteps ? op_names[w.plan->steps[w.step].op] : "the end");
    va_start(ap, fmt);
    vsnprintf(w.wrong + n, sizeof w.wrong - n, fmt, ap);
    va_end(ap);
}

static bool has(int feature) { return plan_has(w.plan, feature); }

/* The text of the n-th of anything: the beginning is that of all others, so that a compressed one
   refers to those before it; the rest does not compress where queues are to fill. */
static const char *filler(int n) {
    static char text[1300];
    const int   len = has(F_SLOW) ? 1000 : 60 + n * 37 % 100, same = has(F_SLOW) ? 300 : 40;
    unsigned    x = 1;
    int         i;
    for (i = 0; i < len; i++) {
        if (i == same) x = (unsigned)n * 2654435761u | 1;
        x = x * 1664525u + 1013904223u;
        text[i] = has(F_SLOW) ? (char)('!' + (x >> 24) % 90) : "abcde fg"[(x >> 28) % 8];
    }
    text[len - 1] = '.';
    text[len] = '\0';
    return text;
}

/* ---- topics ---- */

static bool topic_is_there(int t) {
    static const int features[] = {F_MEMORY, F_AGE, F_DATABASE, F_SEVERAL, -1, F_PRESENCE, F_TABLE};
    return features[t] < 0 || has(features[t]);
}

static bool topic_is_numbered(int t) { return topics[t].history > 0; }

static bool topic_is_stored(int t) {
    return has(F_DATABASE) && (t == T_DATABASE || t == T_AGE || t == T_TWO);
}

static sse_overflow topic_overflow(int t) {
    if (t == T_ROWS || t == T_HERE) return SSE_CLOSE_SLOW;
    if (has(F_NEWEST) && (!has(F_DROP) || t == T_TWO || t == T_DATABASE)) return SSE_KEEP_NEWEST;
    return has(F_DROP) ? SSE_DROP_OLDEST : SSE_CLOSE_SLOW;
}

/* Whether the main streams have ids of the app's numbers, so that rows need another stream. */
static bool numbered_kind(void) {
    return has(F_MEMORY) || has(F_AGE) || has(F_DATABASE) || has(F_SEVERAL) || has(F_PATTERN);
}

static bool session_gets(const session *x, int t) { /* by name or pattern */
    return topic_is_there(t) && (x->follows[t] || (x->pattern && t != T_ROWS));
}

static bool session_resumes(const session *x) { /* it follows anything that gives ids */
    int t;
    for (t = 0; t < TOPICS; t++)
        if (session_gets(x, t) && (topic_is_numbered(t) || t == T_ROWS)) return true;
    return false;
}

static int kind_of(int client) {
    const bool rows = has(F_TABLE) && numbered_kind(), view = has(F_VIEW) || has(F_EACH);
    if (client == 3 && has(F_PLAIN)) return KIND_PLAIN;
    if (client == 2 && view) return KIND_VIEW;
    if (rows && client == (!has(F_PLAIN) ? 3 : !view ? 2 : 1)) return KIND_ROWS;
    return KIND_MAIN;
}

static int encoding_of(int client) { /* 0: identity, 1: br, 2: gzip */
    int        offered[3], n = 0;
    const bool any = !has(F_BR) && !has(F_GZIP) && !has(F_IDENTITY);
    if (has(F_BR) || any) offered[n++] = 1;
    if (has(F_GZIP) || any) offered[n++] = 2;
    if (has(F_IDENTITY) || any) offered[n++] = 0;
    return offered[client % n];
}

static bool is_http10(const session *x) { return has(F_HTTP10) && x->client > 0; }

static bool is_post(const session *x) { /* its stream opens behind a body */
    return has(F_BODY_LATER) && x->kind == KIND_MAIN && x->client % 3 == 0;
}

/* ---- what is due ---- */

static void model_expect(session *x, int lane_of, int n) {
    lane *l = &x->lanes[lane_of];
    if (l->n == MOST) abort();
    l->want[l->n++] = (short)n;
}

static int lane_for(const pub *p) {
    if (p->topic == T_ROWS) return LANE_ROWS;
    return topic_is_numbered(p->topic) && !p->ephemeral ? LANE_NUMBERED : LANE_LOOSE + p->topic;
}

static bool session_lives(const session *x) { return x->opened && !x->closed && !x->killed; }

static void model_follows(session *x, int t) { x->follows[t] = true; }

static void topics_age(void) {
    int i;
    for (i = 0; i < w.npubs; i++)
        if (w.pubs[i].topic == T_AGE && now_ms - w.pubs[i].at >= AGE_MS) w.pubs[i].gone = true;
}

/* Notes an event before it is published. */
static int model_publish(int topic, uint64_t left_out, bool ephemeral) {
    pub *p = &w.pubs[w.npubs];
    int  i, kept = 0;
    if (w.npubs == MOST) abort();
    memset(p, 0, sizeof *p);
    p->topic = topic;
    p->at = now_ms;
    p->left_out = left_out;
    p->ephemeral = ephemeral;
    p->incarnation = w.incarnation;
    p->gone = lane_for(p) >= LANE_LOOSE;
    topics_age();
    w.npubs++;
    for (i = w.npubs - 1; i >= 0 && lane_for(p) == LANE_NUMBERED; i--)
        if (w.pubs[i].topic == topic && !w.pubs[i].gone && ++kept > topics[topic].history)
            w.pubs[i].gone = true;
    for (i = 0; i < w.nsessions; i++) {
        session *x = &w.sessions[i];
        if (session_lives(x) && session_gets(x, topic) && !(left_out >> i & 1))
            model_expect(x, lane_for(p), w.npubs - 1), p->receivers++;
    }
    return w.npubs - 1;
}

static bool missed(const session *x, int after) { /* what it gets is not all there any more */
    int i;
    for (i = after + 1; i < w.npubs; i++)
        if (lane_for(&w.pubs[i]) == LANE_NUMBERED && session_gets(x, w.pubs[i].topic) &&
            w.pubs[i].gone)
            return true;
    return false;
}

static bool all_stored(const session *x) {
    int t;
    for (t = 0; t < TOPICS; t++)
        if (session_gets(x, t) && topic_is_numbered(t) && !topic_is_stored(t)) return false;
    return true;
}

/* Whether this start may have lost what came behind the place of a client: of histories in memory
   it knows nothing that was before it. */
static bool missed_start(const session *x, const page *c) {
    return has(F_DATABASE) && !all_stored(x) && c->at + c->placed < w.base;
}

static pub *row_pub(long long row) {
    int i;
    for (i = 0; i < w.npubs; i++)
        if (w.pubs[i].topic == T_ROWS && w.pubs[i].row == row) return &w.pubs[i];
    return NULL;
}

/* The event in front of the newest n that are kept of a topic. */
static int before_newest(int topic, int n) {
    int i;
    for (i = w.npubs - 1; i >= 0; i--)
        if (w.pubs[i].topic == topic && !w.pubs[i].gone && n-- == 0) return i;
    return -1;
}

/* The session's handler has subscribed to everything: what is due from the past. */
static void model_begins(session *x) {
    page      *c = &w.clients[x->client];
    const bool back = x->back;
    int        i, t, from[TOPICS];
    topics_age();
    x->open_at = w.npubs;
    x->opened_ms = now_ms;
    for (i = 0; i < 2; i++) x->least[i] = w.version[i];
    if (!session_resumes(x)) return;
    for (t = 0; t < TOPICS; t++) {
        from[t] = w.npubs - 1;
        if (has(F_GREET) && x->follows[t] && t != T_HERE) from[t] = before_newest(t, GREET);
        if (back) from[t] = c->at;
    }
    if (back && x->follows[T_ROWS]) {
        pub *at = row_pub(c->row);
        if (c->row && (!at || at->gone)) x->gap = 2;
    } else if (back) {
        if (c->id_of != w.incarnation && !all_stored(x)) x->gap = 1;
        else if (missed(x, c->at) || missed_start(x, c)) x->gap = 2;
    }
    for (t = 0; t < TOPICS; t++)
        if (x->gap) from[t] = -1;
    for (i = 0; i < w.npubs; i++) {
        const pub *p = &w.pubs[i];
        if (lane_for(p) >= LANE_LOOSE || p->gone || !session_gets(x, p->topic)) continue;
        if (p->topic == T_ROWS && back && !x->gap ? p->row > c->row : i > from[p->topic])
            model_expect(x, lane_for(p), i);
    }
}

/* ---- what comes ---- */

static bool topic_loses(int topic) { /* its events may be taken out of a queue */
    return topic_overflow(topic) != SSE_CLOSE_SLOW;
}

/* An entry of a lane has come. Those before it must have, unless they could be dropped. */
static void lane_take(session *x, int of, int n) {
    lane *l = &x->lanes[of];
    while (l->next < l->n && l->want[l->next] != n) {
        const int  missing = l->want[l->next];
        const bool event = of == LANE_NUMBERED || of >= LANE_LOOSE;
        if (!event || !topic_loses(w.pubs[missing].topic) ||
            (!has(F_SLOW) && topic_overflow(w.pubs[missing].topic) == SSE_DROP_OLDEST))
            break;
        l->next++;
    }
    if (l->next == l->n)
        wrong("client %d, session %d: %s: %d came, and nothing more was due", x->client, x->n,
            lane_names[of], n);
    else if (l->want[l->next] != n)
        wrong("client %d, session %d: %s: %d came in place of %d", x->client, x->n, lane_names[of],
            n, l->want[l->next]);
    else l->got[l->next++] = true;
}

static void pub_id(pub *p, const session *x, const char *id) {
    const char *dash = strrchr(id, '-');
    long long   number = dash ? atoll(dash + 1) : 0;
    int         i;
    if (p->topic == T_ROWS) {
        if (atoll(id) != p->row) wrong("row %lld came with the id %s", p->row, id);
        return;
    }
    if (!number) wrong("an id \"%s\"", id);
    if (p->id_of == x->incarnation && strcmp(p->id, id) != 0)
        wrong("an event has two ids, %s and %s", p->id, id);
    if (p->number && has(F_DATABASE) && p->number != number)
        wrong("an event has another number behind a start: %lld, %lld", p->number, number);
    snprintf(p->id, sizeof p->id, "%s", id);
    p->id_of = x->incarnation;
    p->number = number;
    for (i = 0; i < w.npubs; i++)
        if (&w.pubs[i] != p && w.pubs[i].number == number &&
            (has(F_DATABASE) || w.pubs[i].id_of == p->id_of))
            wrong("two events, %d and %d, have the number %lld", i, (int)(p - w.pubs), number);
}

static void take_pub(session *x, const heard *e) {
    const int n = atoi(e->data + 1);
    page     *c = &w.clients[x->client];
    char      want[1400];
    pub      *p = &w.pubs[n];
    if (n < 0 || n >= w.npubs) {
        wrong("an event that nobody published: %.60s", e->data);
        return;
    }
    snprintf(want, sizeof want, "E%d %s", n, filler(n));
    if (strcmp(want, e->data) != 0) wrong("event %d is damaged: %.100s", n, e->data);
    if (lane_for(p) >= LANE_LOOSE ? e->id != NULL : !e->id)
        wrong("event %d %s an id", n, e->id ? "has" : "lacks");
    else if (e->id) pub_id(p, x, e->id);
    if (x->gap && !x->gap_said && lane_for(p) < LANE_LOOSE)
        wrong("no gap event before event %d", n);
    lane_take(x, lane_for(p), n);
    if (!e->id) return;
    c->placed = false;
    c->at = n;
    c->row = p->row;
}

static void take_view(session *x, const heard *e, int view) {
    const int version = atoi(e->data + 1);
    char      want[1400];
    if (view)
        snprintf(want, sizeof want, "W%d c%d %s", version, x->client, filler(version * 7 + 2));
    else snprintf(want, sizeof want, "V%d %s", version, filler(version * 7 + 1));
    if (strcmp(want, e->data) != 0) wrong("a view is damaged: %.100s", e->data);
    if (!x->shows[view]) wrong("a view that the stream does not show");
    if (version <= x->seen[view])
        wrong("client %d, session %d: version %d of a view behind %d", x->client, x->n, version,
            x->seen[view]);
    if (version < x->least[view] || version > w.version[view])
        wrong("client %d, session %d: version %d of a view, where %d was there as it came and %d is"
              " now",
            x->client, x->n, version, x->least[view], w.version[view]);
    if (x->seen[view]) x->skipped += version - x->seen[view] - 1;
    x->seen[view] = version;
}

/* An id without data: where the stream was when it opened, or, if that took its time, when it had
   caught up. */
static void take_position(session *x, const heard *e) {
    const char *dash = strrchr(e->id, '-');
    page       *c = &w.clients[x->client];
    int         i;
    if (!session_resumes(x)) wrong("an id on a stream that follows nothing with ids");
    if (c->at < x->open_at - 1) c->at = x->open_at - 1;
    for (i = x->open_at; i < w.npubs && x->was_paused; i++)
        if (dash && w.pubs[i].number == atoll(dash + 1)) c->at = i;
    c->placed = true;
    if (x->follows[T_ROWS]) c->row = atoll(e->id);
    if (x->follows[T_ROWS] && c->row > w.rows) wrong("row %s is told of, and is none", e->id);
}

static void take_gap(session *x, const heard *e) {
    static const char *const reasons[] = {"", "{\"reason\":\"unknown\"}",
        "{\"reason\":\"expired\"}"};
    if (!x->gap || x->gap_said)
        wrong("client %d, session %d: a gap event (%s) that is not due", x->client, x->n, e->data);
    else if (strcmp(e->data, reasons[x->gap]) != 0 && !x->follows[T_ROWS])
        wrong("client %d, session %d: a gap event says %s, not %s", x->client, x->n, e->data,
            reasons[x->gap]);
    x->gap_said = true;
}

static void model_hears(void *user, const heard *e) {
    session *x = (session *)user;
    page    *c = &w.clients[x->client];
    char     hi[24];
    snprintf(hi, sizeof hi, "hi %d", x->n);
    if (e->id) {
        snprintf(c->id, sizeof c->id, "%s", e->id);
        c->id_of = x->incarnation;
    }
    if (x->heard_bye) wrong("something comes behind the last event");
    if (e->data && x->greeted && !x->said_hi) {
        if (strcmp(e->data, hi) != 0) wrong("the first event is not \"%s\" but %.60s", hi, e->data);
        x->said_hi = true;
    } else if (!e->data) take_position(x, e);
    else if (e->name && strcmp(e->name, "gap") == 0) take_gap(x, e);
    else if (e->name && strcmp(e->name, "view") == 0) take_view(x, e, 0);
    else if (e->name && strcmp(e->name, "each") == 0) take_view(x, e, 1);
    else if (e->data[0] == 'E') take_pub(x, e);
    else if (e->data[0] == 'P') lane_take(x, LANE_ALONE, atoi(e->data + 1));
    else if (e->data[0] == 'G') lane_take(x, LANE_STEP, atoi(e->data + 1));
    else if (strcmp(e->data, "stopping") == 0) x->heard_stop = true;
    else if (strcmp(e->data, "bye") == 0) x->heard_bye = true;
    else wrong("an event of nobody's: %.60s", e->data);
}

/* ---- at rest ---- */

/* The newest in the queue of a stream is not dropped, whichever topic it is of. */
static bool is_newest(const session *x, int n) {
    int i;
    if (has(F_SEND) || has(F_OWN) || has(F_VIEW) || has(F_EACH) || has(F_STEP)) return false;
    for (i = 0; i < LANES; i++)
        if (i != LANE_ALONE && i != LANE_STEP && x->lanes[i].n &&
            x->lanes[i].want[x->lanes[i].n - 1] > n)
            return false;
    return true;
}

/* A client that reads has got all that is due: the end of a lane. */
static void lane_check(const session *x, int of) {
    const lane *l = &x->lanes[of];
    int         i, k;
    for (i = l->next; i < l->n; i++) {
        const int  n = l->want[i];
        const bool event = of == LANE_NUMBERED || of >= LANE_LOOSE;
        if (!event || !topic_loses(w.pubs[n].topic)) break;
        if (topic_overflow(w.pubs[n].topic) == SSE_DROP_OLDEST) {
            if (!has(F_SLOW) || is_newest(x, n)) break;
            continue;
        }
        for (k = i + 1; k < l->n; k++) /* of a key and topic a newer one is due as well */
            if (w.pubs[l->want[k]].topic == w.pubs[n].topic && (l->want[k] ^ n) % 2 == 0) break;
        if (k == l->n) break;
    }
    if (i < l->n)
        wrong("client %d, session %d: %s: %d did not come", x->client, x->n, lane_names[of],
            l->want[i]);
}

static void session_check(session *x) {
    int i;
    if (x->r.wrong[0]) wrong("client %d, session %d: %s", x->client, x->n, x->r.wrong);
    if (!session_lives(x) || x->paused || x->over) return;
    for (i = 0; i < LANES; i++) lane_check(x, i);
    for (i = 0; i < 2; i++)
        if (x->shows[i] && x->seen[i] != w.version[i])
            wrong("client %d, session %d: version %d of a view is shown, not %d", x->client, x->n,
                x->seen[i], w.version[i]);
    if (x->gap && !x->gap_said) wrong("client %d, session %d: no gap event", x->client, x->n);
    if (x->greeted && !x->said_hi) wrong("client %d, session %d: no first event", x->client, x->n);
    if (session_resumes(x) && w.clients[x->client].id_of != w.incarnation && !x->back)
        wrong("client %d, session %d: no id to come back with", x->client, x->n);
    if (has(F_LIFETIME) && now_ms - x->opened_ms >= LIFETIME_MS + 100)
        wrong("client %d, session %d: its lifetime is over", x->client, x->n);
}

/* ---- ends ---- */

/* Nothing but rows waits for it, and none of those was deleted. */
static bool rows_only(const session *x) {
    int i;
    if (!x->follows[T_ROWS] || has(F_AGE) || x->shows[0] || x->shows[1]) return false;
    for (i = 0; i < LANES; i++)
        if (i != LANE_ROWS && x->lanes[i].next < x->lanes[i].n) return false;
    return true;
}

static void model_closed(session *x, int reason) {
    int t;
    x->closed++;
    x->reason = reason;
    if (x->closed > 1) wrong("session %d: on_close ran twice", x->n);
    for (t = 0; t < TOPICS; t++)
        if (x->follows[t]) w.gone_at[t][x->client] = now_ms;
    if (x->killed) return;
    if (has(F_LIFETIME) && now_ms - x->opened_ms >= LIFETIME_MS) x->allowed |= 1 << SSE_BY_LIFETIME;
    if (reason == SSE_BY_QUEUE && rows_only(x))
        wrong("client %d, session %d: closed for rows, which wait in their table", x->client, x->n);
    if (!(x->allowed >> reason & 1))
        wrong("client %d, session %d: closed for the reason %d", x->client, x->n, reason);
}

/* A stream whose client has seen its end. */
static void session_over(session *x) {
    reader_end(&x->r);
    x->over = true;
    if (x->r.wrong[0]) wrong("client %d, session %d: %s", x->client, x->n, x->r.wrong);
    if (x->killed || x->r.status != 200 || !x->closed || x->was_paused) return;
    if (x->r.chunked && x->r.whole != (x->reason == SSE_BY_END && !x->reconnect))
        wrong("client %d, session %d: reason %d, and its body is %s", x->client, x->n, x->reason,
            x->r.whole ? "complete" : "not complete");
    if (x->greeted && has(F_GRACE) && x->kind != KIND_PLAIN && !x->heard_bye)
        wrong("client %d, session %d: ended without its last event", x->client, x->n);
    if (x->farewell && !x->heard_stop)
        wrong("client %d, session %d: what on_stop sent did not come", x->client, x->n);
}

/* ---- presence, listening ---- */

static int topic_named(const char *name) {
    int t = 0;
    while (t < TOPICS && strcmp(topics[t].name, name) != 0) t++;
    return t;
}

static int person(const char *who) { /* the first client of that person */
    int i = 0;
    while (i < CLIENTS && strcmp(people[i], who) != 0) i++;
    return i;
}

static void model_presence(const char *topic, const char *who, int change) {
    const int t = topic_named(topic), i = person(who);
    if (t == TOPICS || i == CLIENTS) {
        wrong("%s on %s: who is that?", who, topic);
        return;
    }
    w.people++;
    w.here[t][i] += change;
    if (w.here[t][i] < 0 || w.here[t][i] > 1) wrong("%s joined or left %s twice", who, topic);
}

static void presence_check(int t, int i, bool listed) {
    long long gone = 0;
    bool      lives = false;
    int       k;
    for (k = 0; k < w.nsessions; k++)
        if (session_lives(&w.sessions[k]) && w.sessions[k].greeted && w.sessions[k].follows[t] &&
            person(people[w.sessions[k].client]) == i)
            lives = true;
    for (k = 0; k < CLIENTS; k++)
        if (person(people[k]) == i && w.gone_at[t][k] > gone) gone = w.gone_at[t][k];
    if (listed != (w.here[t][i] == 1))
        wrong("%s is %s on %s, but not told so", people[i], listed ? "here" : "away",
            topics[t].name);
    if (lives && !listed) wrong("%s is not here on %s", people[i], topics[t].name);
    if (!lives && listed && now_ms - gone > LEAVE_MS + 200)
        wrong("%s has not left %s", people[i], topics[t].name);
    if (!lives && !listed && gone && now_ms - gone < LEAVE_MS - 200)
        wrong("%s has left %s too soon", people[i], topics[t].name);
}

static void model_listened(const char *topic, const char *data) {
    const int n = data && data[0] == 'E' ? atoi(data + 1) : -1, t = topic_named(topic);
    int      *at = &w.listened[t == T_ROWS];
    if (w.dies) return;
    if (n < 0 || n >= w.npubs || w.pubs[n].topic != t) {
        wrong("the program hears %.40s on %s", data, topic);
        return;
    }
    while (*at < n && (w.pubs[*at].topic == T_ROWS) != (t == T_ROWS)) ++*at;
    if (*at != n) wrong("the program hears event %d in place of %d", n, *at);
    *at = n + 1;
}

static void listened_check(void) {
    int k, i;
    for (k = 0; k < 2 && has(F_LISTEN); k++)
        for (i = w.listened[k]; i < w.npubs; i++)
            if ((w.pubs[i].topic == T_ROWS) == (k == 1)) {
                wrong("the program has not heard event %d", i);
                return;
            }
}

static void model_opens(session *x, const char *last_id) {
    const char *want = w.clients[x->client].id;
    if (x->back ? !last_id || strcmp(last_id, want) != 0 : last_id != NULL)
        wrong("the request's last id is %s", last_id ? last_id : "none");
    x->incarnation = w.incarnation;
}

/* A start: what was in memory is gone. */
static void model_starts(void) {
    int i;
    memset(w.here, 0, sizeof w.here);
    memset(w.gone_at, 0, sizeof w.gone_at);
    w.base = w.npubs;
    w.listened[0] = w.listened[1] = w.npubs;
    for (i = 0; i < w.npubs; i++)
        if (w.pubs[i].topic != T_ROWS && !topic_is_stored(w.pubs[i].topic)) w.pubs[i].gone = true;
}
#endif
