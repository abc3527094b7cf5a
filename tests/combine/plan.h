/* plan.h: what a run of the combinations test is made of. A plan is a set of features and a seed;
   the seed makes the schedule of steps. Steps are data, so that a plan can be shrunk: a step whose
   feature is not there, or whose client is away, does nothing. */
#ifndef PLAN_H
#define PLAN_H
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X(name, as it is named, what it does to the app, its streams or their clients) */
#define FEATURES(X)                                                                             \
    X(PLAIN, "plain", "a stream with its first event and no more")                              \
    X(BODY_LATER, "body", "streams and publications of POSTs whose body is read as it comes")   \
    X(DEFERRED, "defer", "publications are answered later")                                     \
    X(GUARD, "guard", "routes and views have a guard, which opens the streams of views itself") \
    X(BEFORE, "before", "a before hook sets a header")                                          \
    X(VIEW, "view", "a shared view, by itself and on other streams")                            \
    X(EACH, "each", "a private view, likewise")                                                 \
    X(MEMORY, "memory", "a topic with a history of 5 events in memory")                         \
    X(AGE, "age", "a topic whose events are kept for 5 s; rows are deleted after that")         \
    X(DATABASE, "database", "topics have their histories in a database")                        \
    X(TABLE, "table", "a topic from a table")                                                   \
    X(PATTERN, "pattern", "streams subscribe by a pattern, one of them by names as well")       \
    X(RESTART, "restart", "the app stops, and starts on the same files")                        \
    X(KILL, "kill", "the process ends as by SIGKILL, and another starts on its files")          \
    X(RESUME, "resume", "clients come back with their last id")                                 \
    X(BR, "br", "clients accept br; without these three some br, some gzip, some neither")      \
    X(GZIP, "gzip", "clients accept gzip")                                                      \
    X(IDENTITY, "identity", "clients refuse all but identity")                                  \
    X(HTTP10, "http10", "clients of HTTP/1.0")                                                  \
    X(PROXY, "proxy", "bytes come split and joined, from a trusted proxy")                      \
    X(SLOW, "slow", "small queues, and clients that do not read for a while")                   \
    X(GRACE, "grace", "the stop lets streams say farewell")                                     \
    X(LIFETIME, "lifetime", "streams last 3 s")                                                 \
    X(SENDERS, "senders", "threads write to the sockets")                                       \
    X(OWN, "own", "streams with a history of their own")                                        \
    X(DROP, "drop", "events of topics may be dropped: SSE_DROP_OLDEST")                         \
    X(NEWEST, "newest", "events of topics have keys: SSE_KEEP_NEWEST")                          \
    X(SEND, "send", "events for one stream alone, between those of topics")                     \
    X(EXCEPT, "except", "the sender does not get its event; some events are ephemeral")         \
    X(SEVERAL, "several", "one more topic with a history on the same streams")                  \
    X(GREET, "greet", "newcomers get the newest two of each topic")                             \
    X(PRESENCE, "presence", "who is here is told, and asked for")                               \
    X(STEP, "step", "streams are generators as well")                                           \
    X(LISTEN, "listen", "the program hears its topics")                                         \
    X(THREAD, "thread", "another thread publishes")

enum {
#define FEATURE(name, text, what) F_##name,
    FEATURES(FEATURE)
#undef FEATURE
        NFEATURES
};

static const char *const feature_names[] = {
#define FEATURE(name, text, what) text,
    FEATURES(FEATURE)
#undef FEATURE
};

static const char *const feature_texts[] = {
#define FEATURE(name, text, what) what,
    FEATURES(FEATURE)
#undef FEATURE
};

/* What does not go together on one stream or in one call, and why. None of these pairs is left out:
   both are in the same app, and what stands behind "checked" is looked at instead. */
typedef struct apart {
    int         a, b;
    const char *why;
} apart;

static const apart apart_pairs[] = {
    {F_TABLE, F_MEMORY, "a stream has ids of one kind; checked: the second is refused"},
    {F_TABLE, F_AGE, "a stream has ids of one kind; checked: the second is refused"},
    {F_TABLE, F_DATABASE, "a stream has ids of one kind; checked: the second is refused"},
    {F_TABLE, F_SEVERAL, "a stream has ids of one kind; checked: the second is refused"},
    {F_TABLE, F_PATTERN, "patterns do not match tables; checked: refused, and never sent"},
    {F_TABLE, F_DROP, "the table keeps all rows; checked: none is dropped"},
    {F_TABLE, F_NEWEST, "rows have no keys; checked: each is sent"},
    {F_TABLE, F_EXCEPT, "rows have no sender; checked: all get them"},
    {F_TABLE, F_THREAD, "rows are inserted on the loop; checked: between publications"},
    {F_PATTERN, F_GREET, "a pattern gives no greeting; checked: none is sent"},
    {F_PATTERN, F_PRESENCE, "a pattern gives no presence; checked: nobody is here by one"},
    {F_PLAIN, F_GREET, "a stream without a topic; checked: it gets its first event alone"},
    {F_DROP, F_NEWEST,
        "a topic has one overflow; checked: some topics have the one, some the other"},
    {F_BR, F_IDENTITY, "a client accepts the one or the other; checked: clients of both"},
    {F_GZIP, F_IDENTITY, "a client accepts the one or the other; checked: clients of both"},
    {F_BR, F_GZIP, "a stream has one encoding; checked: clients of both"},
    {F_IDENTITY, F_OWN, "nothing is compressed; checked: all arrives as it is"},
};

#define BIT(f) ((uint64_t)1 << (f))

/* ---- steps ---- */

#define OPS(X) \
    X(CONNECT) \
    X(BREAK)   \
    X(PUBLISH) \
    X(ROW)     \
    X(TOUCH)   \
    X(SEND)    \
    X(PAUSE)   \
    X(READ)    \
    X(PASS)    \
    X(RESTART) \
    X(KILL)    \
    X(END)     \
    X(REFUSED)

enum {
#define OP(name) OP_##name,
    OPS(OP)
#undef OP
        NOPS
};

static const char *const op_names[] = {
#define OP(name) #name,
    OPS(OP)
#undef OP
};

enum { CLIENTS = 4, EVERYBODY = CLIENTS, STEPS = 80 };
enum { CONNECT_SLOW = 1 };                       /* .arg of CONNECT: it reads nothing at first */
enum { PASS_AGES = 5400, PASS_TIMEOUT = 31000 }; /* .arg of PASS, in ms; above that: less */

typedef struct step {
    uint8_t  op, who; /* who: a client; EVERYBODY */
    uint32_t arg;     /* a random number: how many, to which topic, for how long */
    bool     dropped;
} step;

typedef struct plan {
    uint64_t features, seed;
    uint64_t without; /* features that were taken away since its steps were made */
    int      nsteps;
    step     steps[STEPS];
} plan;

static uint64_t random_state;

static uint32_t random_next(void) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 2685821657736338717u >> 32);
}

static void random_seed(uint64_t seed) {
    random_state = (seed + 1) * 0x9E3779B97F4A7C15u;
    if (!random_state) random_state = 1;
    random_next();
}

static bool plan_has(const plan *p, int feature) {
    return (p->features & ~p->without) >> feature & 1;
}

static void plan_step(plan *p, int at, int op, int who) { /* in front of that one */
    step *s = &p->steps[at];
    if (p->nsteps == STEPS) return;
    memmove(s + 1, s, (size_t)(p->nsteps - at) * sizeof *s);
    p->nsteps++;
    memset(s, 0, sizeof *s);
    s->op = (uint8_t)op;
    s->who = (uint8_t)who;
    s->arg = random_next();
}

/* The steps that a feature brings, by weight. */
static const struct weight {
    int feature, op, weight; /* feature -1: always */
} weights[] = {
    {-1, OP_CONNECT, 4},
    {-1, OP_BREAK, 1},
    {-1, OP_PUBLISH, 6},
    {-1, OP_PASS, 2},
    {-1, OP_END, 1},
    {F_TABLE, OP_ROW, 4},
    {F_VIEW, OP_TOUCH, 3},
    {F_EACH, OP_TOUCH, 3},
    {F_SEND, OP_SEND, 4},
    {F_OWN, OP_SEND, 4},
    {F_GUARD, OP_REFUSED, 1},
    {F_LIFETIME, OP_PASS, 1},
};

/* Scenes: what a feature is for comes about in them. A letter is a step; the client is the same in
   all of one scene. f: a step by chance, of those that fill a queue. */
static const struct scene {
    int         feature; /* -1: always */
    const char *steps;
} scenes[] = {
    {-1, "BffC"},
    {F_RESUME, "BffffC"},
    {F_AGE, "BfLfC"},
    {F_SLOW, "KfffffffR"},
    {F_SLOW, "KffffffBC"},
    {F_SLOW, "KffffTfRC"},
    {F_SLOW, "KffTC"},
    {F_SLOW, "KfffXfC"},
    {F_SLOW, "BfffSfffR"},
    {F_RESTART, "fXfCf"},
    {F_RESTART, "BfXC"},
    {F_GRACE, "fXC"},
    {F_KILL, "fZC"},
    {F_KILL, "BfZfC"},
    {F_LIFETIME, "fLCf"},
    {F_GUARD, "U"},
};

static int op_of_letter(char letter) {
    static const char letters[] = "CBLKRTXZUS";
    static const int ops[] = {OP_CONNECT, OP_BREAK, OP_PASS, OP_PAUSE, OP_READ, OP_PASS, OP_RESTART,
        OP_KILL, OP_REFUSED, OP_CONNECT};
    return ops[strchr(letters, letter) - letters];
}

static int op_by_chance(const plan *p, bool fills) {
    uint32_t total = 0, at;
    size_t   k;
    int      round;
    for (round = 0;; round++) {
        at = round ? random_next() % total : 0;
        for (k = 0; k < sizeof weights / sizeof *weights; k++) {
            const struct weight *one = &weights[k];
            if (one->feature >= 0 && !plan_has(p, one->feature)) continue;
            if (fills && one->op != OP_PUBLISH && one->op != OP_ROW && one->op != OP_TOUCH &&
                one->op != OP_SEND)
                continue;
            if (!round) total += (uint32_t)one->weight;
            else if (at < (uint32_t)one->weight) return one->op;
            else at -= (uint32_t)one->weight;
        }
    }
}

static void plan_scene(plan *p, const char *steps) {
    const int who = (int)(random_next() % CLIENTS);
    int       at = 2 + (int)(random_next() % (uint32_t)(p->nsteps - 1));
    for (; *steps && p->nsteps < STEPS; steps++, at++) {
        plan_step(p, at, *steps == 'f' ? op_by_chance(p, true) : op_of_letter(*steps), who);
        if (*steps == 'L') p->steps[at].arg = PASS_AGES;
        if (*steps == 'T') p->steps[at].arg = PASS_TIMEOUT;
        if (*steps == 'S') p->steps[at].arg = CONNECT_SLOW;
    }
}

static void plan_make(plan *p, uint64_t features, uint64_t seed) {
    size_t k;
    int    i;
    memset(p, 0, sizeof *p);
    p->features = features;
    p->seed = seed;
    random_seed(seed ^ features << 20);
    plan_step(p, 0, OP_CONNECT, EVERYBODY);
    plan_step(p, 1, OP_PUBLISH, 0);
    for (i = 2; i < 12; i++) {
        const int op = op_by_chance(p, false);
        plan_step(p, i, op,
            op == OP_CONNECT && random_next() % 2 ? EVERYBODY : (int)(random_next() % CLIENTS));
    }
    for (k = 0; k < sizeof scenes / sizeof *scenes; k++)
        if (scenes[k].feature < 0 || plan_has(p, scenes[k].feature)) plan_scene(p, scenes[k].steps);
}

/* ---- plans as text ---- */

static void features_print(char *out, size_t size, uint64_t features) {
    size_t n = 0;
    int    i;
    out[0] = '\0';
    for (i = 0; i < NFEATURES; i++)
        if (features >> i & 1 && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "," : "", feature_names[i]);
}

static uint64_t features_parse(const char *text) { /* 0: a name is none */
    uint64_t features = 0;
    while (text && *text) {
        const size_t n = strcspn(text, ",");
        int          i = 0;
        while (i < NFEATURES &&
               (strlen(feature_names[i]) != n || strncmp(feature_names[i], text, n) != 0))
            i++;
        if (i == NFEATURES) return 0;
        features |= BIT(i);
        text += n + (text[n] == ',');
    }
    return features;
}

/* The one command that runs this plan again. */
static void plan_print(const plan *p, const char *program, char *out, size_t size) {
    char   names[400];
    size_t n;
    int    i, dropped = 0;
    features_print(names, sizeof names, p->features);
    n = (size_t)snprintf(out, size, "%s -f %s -s %llu", program, names,
        (unsigned long long)p->seed);
    features_print(names, sizeof names, p->features & p->without);
    if (names[0]) n += (size_t)snprintf(out + n, size - n, " -x %s", names);
    for (i = 0; i < p->nsteps && n < size; i++)
        if (p->steps[i].dropped)
            n += (size_t)snprintf(out + n, size - n, "%s%d", dropped++ ? "," : " -d ", i);
}
#endif
