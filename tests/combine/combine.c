/* combine.c: each feature of streams and topics with each other one, and three at a time as chance
   has it, in one process and in a time that stands still: what do clients see? See plan.h for the
   features, model.h for what must hold.

   combine                     all pairs, then triples for CPU_SECONDS=20 of processor time
   combine -t SECONDS          three to six at a time for so long, and what was found (make soak)
   combine -f a,b -s SEED      one plan; -x a,c: without these; -d 3,5: without these steps
   combine -l                  the features, and the pairs that do not meet on one stream
   SEED=n: of what chance chooses. STEPS=1: tells each step. LOGS=1: what the app logs. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The clocks stand still, and the sockets of a slow client take little. */
static int test_clock(clockid_t clock, struct timespec *t);
static int test_accept(int fd, struct sockaddr *from, socklen_t *len);
#define clock_gettime       test_clock
#define accept(fd, at, len) test_accept(fd, at, len)
#define SSE__SENDERS_MIN    1
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef clock_gettime
#undef accept
#include "../tap.h"
#include "run.h"

static int test_clock(clockid_t clock, struct timespec *t) {
    const long long ms = now_ms + (clock == CLOCK_REALTIME ? 1700000000000 : 1000000);
    t->tv_sec = (time_t)(ms / 1000);
    t->tv_nsec = (long)(ms % 1000) * 1000000;
    return 0;
}

static int test_accept(int fd, struct sockaddr *from, socklen_t *len) {
    const int got = accept(fd, from, len), small = 1;
    if (got >= 0 && (has(F_SLOW) || has(F_PROXY)))
        setsockopt(got, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return got;
}

/* ---- plans in processes of their own, so that one that crashes can be shrunk ---- */

typedef void (*plan_source)(plan *p, long i); /* the i-th plan */

static struct shared { /* by a child and its parent */
    volatile long at;
    char          said[400];
    met           sum;
} * shared;

static void child_run(plan_source source, long i, long end, double until) {
    static plan p;
    const char *said;
    for (; i < end && (double)clock() < until * CLOCKS_PER_SEC; i++) {
        shared->at = i;
        source(&p, i);
        alarm(60);
        said = run_plan(&p);
        met_add(&shared->sum);
        if (!said) continue;
        snprintf(shared->said, sizeof shared->said, "%s", said);
        _exit(1);
    }
    shared->at = i;
    exit(0); /* looks for leaks */
}

/* Runs plans from i on, for seconds of processor time at most. Returns the one that failed, or the
   one behind the last; *failed says which. */
static long run_plans(plan_source source, long i, long end, double seconds, bool *failed) {
    int   status = 0;
    pid_t child;
    fflush(stdout);
    shared->at = i;
    snprintf(shared->said, sizeof shared->said, "the process died");
    child = fork();
    if (child == 0) child_run(source, i, end, seconds);
    if (child < 0 || waitpid(child, &status, 0) != child) status = -1;
    if (status) clean();
    *failed = status != 0;
    if (*failed && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(shared->said, sizeof shared->said, "it hangs");
    if (!*failed || shared->at < end) return shared->at;
    snprintf(shared->said, sizeof shared->said, "memory is left behind");
    return shared->at;
}

static plan tried;

static void source_tried(plan *p, long i) {
    (void)i;
    *p = tried;
}

static bool fails(const plan *p) {
    bool failed;
    int  err = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, 2);
    tried = *p;
    run_plans(source_tried, 0, 1, 1e9, &failed);
    dup2(err, 2);
    close(err);
    close(null);
    return failed;
}

/* Takes away features and steps while it still fails. */
static void shrink(plan *p) {
    char said[400];
    bool smaller = true;
    int  i, round;
    for (round = 0; smaller && round < 4; round++) {
        smaller = false;
        for (i = 0; i < NFEATURES; i++) {
            if (!plan_has(p, i)) continue;
            p->without |= BIT(i);
            if (fails(p)) smaller = true;
            else p->without &= ~BIT(i);
        }
        for (i = p->nsteps - 1; i >= 0; i--) {
            if (p->steps[i].dropped) continue;
            p->steps[i].dropped = true;
            if (fails(p)) smaller = true;
            else p->steps[i].dropped = false;
        }
    }
    fails(p);
    snprintf(said, sizeof said, "%s", shared->said);
    snprintf(shared->said, sizeof shared->said, "%s", said);
}

static const char *program;

static void report(plan *p) {
    char line[1000], names[400];
    int  i;
    fprintf(stderr, "# %s\n", shared->said);
    plan_print(p, program, line, sizeof line);
    fprintf(stderr, "#   %s\n", line);
    if (!fails(p)) {
        fprintf(stderr, "#   by itself it does not fail\n");
        return;
    }
    shrink(p);
    features_print(names, sizeof names, p->features & ~p->without);
    fprintf(stderr, "# at its smallest (%s): %s\n", names, shared->said);
    plan_print(p, program, line, sizeof line);
    fprintf(stderr, "#   %s\n#  ", line);
    for (i = 0; i < p->nsteps; i++)
        if (!p->steps[i].dropped)
            fprintf(stderr, " %s(%d)", op_names[p->steps[i].op], p->steps[i].who);
    fprintf(stderr, "\n");
}

/* Runs them all, and reports each that fails; how many did. *i: behind the last. */
static int run_all(plan_source source, long *i, long end, double seconds) {
    struct rusage before, after;
    int           failures = 0;
    double        used = 0;
    bool          failed = true;
    getrusage(RUSAGE_CHILDREN, &before);
    while (failed && *i < end && used < seconds && failures < 5) {
        static plan p;
        *i = run_plans(source, *i, end, seconds - used, &failed);
        getrusage(RUSAGE_CHILDREN, &after);
        used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
               (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec);
        if (!failed) break;
        failures++;
        source(&p, *i < end ? *i : end - 1);
        report(&p);
        ++*i;
    }
    return failures;
}

/* ---- which plans ---- */

/* Each pair on each of these grounds, where it has something to act on. */
static const uint64_t grounds[] = {0, BIT(F_MEMORY) | BIT(F_RESUME),
    BIT(F_DATABASE) | BIT(F_RESUME), BIT(F_TABLE) | BIT(F_RESUME) | BIT(F_VIEW)};

enum { GROUNDS = sizeof grounds / sizeof *grounds };

static int first_of_pairs;

static void source_pairs(plan *p, long i) { /* of one feature with those behind it, and itself */
    const int other = first_of_pairs + (int)(i / GROUNDS);
    plan_make(p, BIT(first_of_pairs) | BIT(other) | grounds[i % GROUNDS], 0);
}

static uint64_t chance;
static int      most_features = 3;

static void source_chance(plan *p, long i) {
    uint64_t features = 0;
    int      n = 0, want;
    random_seed(chance + (uint64_t)i);
    want = 3 + (int)(random_next() % (uint32_t)(most_features - 2));
    while (n < want) {
        const int f = (int)(random_next() % NFEATURES);
        if (features >> f & 1) continue;
        features |= BIT(f);
        n++;
    }
    features |= grounds[random_next() % GROUNDS];
    plan_make(p, features, (chance + (uint64_t)i) % 1000000);
}

static void list(void) {
    size_t i;
    for (i = 0; i < NFEATURES; i++) printf("%-9s %s\n", feature_names[i], feature_texts[i]);
    for (i = 0; i < sizeof apart_pairs / sizeof *apart_pairs; i++)
        printf("%s with %s: %s\n", feature_names[apart_pairs[i].a], feature_names[apart_pairs[i].b],
            apart_pairs[i].why);
}

static int run_one(const char *features, const char *seed, const char *without,
    const char *dropped) {
    static plan p;
    const char *said;
    plan_make(&p, features_parse(features), strtoull(seed ? seed : "0", NULL, 10));
    if (!p.features) {
        fprintf(stderr, "%s: no such features: -l lists them\n", features);
        return 2;
    }
    p.without = features_parse(without);
    while (dropped && *dropped) {
        const int n = atoi(dropped);
        if (n >= 0 && n < STEPS) p.steps[n].dropped = true;
        dropped += strcspn(dropped, ",");
        dropped += *dropped == ',';
    }
    said = run_plan(&p);
    printf("%s\n", said ? said : "nothing is wrong");
    return said != NULL;
}

static int soak(double seconds) {
    const time_t began = time(NULL);
    long         i = 0;
    int          failures = 0;
    most_features = 6;
    printf("SEED=%llu\n", (unsigned long long)chance);
    while (failures < 5 && difftime(time(NULL), began) < seconds) {
        const double left = seconds - difftime(time(NULL), began);
        failures += run_all(source_chance, &i, i + 1000000, left < 60 ? left : 60);
        printf("%.0f s: %ld plans, %d failed\n", difftime(time(NULL), began), i, failures);
        fflush(stdout);
    }
    return failures != 0;
}

/* Whether what the plans are for did happen. */
static void happened(void) {
    const met *m = &shared->sum;
    int        i;
#define MET(name, text) ok(m->name > 0, "%ld %s", m->name, text);
    METS(MET)
#undef MET
    for (i = 0; i < 7; i++)
        ok(m->closed[i] > 0 || i == SSE_BY_ERROR, "%ld streams closed for the reason %d",
            m->closed[i], i);
}

static void pairs_and_triples(void) {
    const char *seconds = getenv("CPU_SECONDS");
    long        i = 0;
    size_t      k;
    int         failures;
    for (first_of_pairs = 0; first_of_pairs < NFEATURES; first_of_pairs++) {
        long n = 0;
        failures = run_all(source_pairs, &n, (NFEATURES - first_of_pairs) * GROUNDS, 1e9);
        ok(!failures, "%s: with each feature behind it", feature_names[first_of_pairs]);
        for (k = 0; k < sizeof apart_pairs / sizeof *apart_pairs; k++)
            if (apart_pairs[k].a == first_of_pairs || apart_pairs[k].b == first_of_pairs)
                printf("#   %s with %s: %s\n", feature_names[apart_pairs[k].a],
                    feature_names[apart_pairs[k].b], apart_pairs[k].why);
    }
    failures = run_all(source_chance, &i, 1000000, seconds ? atof(seconds) : 20);
    happened();
    ok(!failures, "%ld triples, SEED=%llu", i, (unsigned long long)chance);
}

int main(int argc, char **argv) {
    const char *features = NULL, *seed = NULL, *without = NULL, *dropped = NULL, *at = "/tmp";
    double      seconds = 0;
    int         option, answer = 0;
    program = argv[0];
    chance = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : (uint64_t)time(NULL);
    while ((option = getopt(argc, argv, "f:s:x:d:t:l")) != -1) {
        if (option == 'f') features = optarg;
        else if (option == 's') seed = optarg;
        else if (option == 'x') without = optarg;
        else if (option == 'd') dropped = optarg;
        else if (option == 't') seconds = atof(optarg);
        else if (option == 'l') return list(), 0;
        else return 2;
    }
    if (access("/dev/shm", W_OK) == 0) at = "/dev/shm"; /* no disk is waited for */
    snprintf(dir, sizeof dir, "%s/sse-combine-%ld", at, (long)getpid());
    shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || mkdir(dir, 0700)) {
        perror(dir);
        return 2;
    }
    if (features) answer = run_one(features, seed, without, dropped);
    else if (seconds > 0) answer = soak(seconds);
    else pairs_and_triples();
    rmdir(dir);
    return features || seconds > 0 ? answer : tap_done();
}
