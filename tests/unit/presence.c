/* presence.c: people come and go, in every order, also from within their own callbacks. */
#define _DEFAULT_SOURCE
#include "nth.h"
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#include "../tap.h"
#include "dial.h"

static char           told[400]; /* "+ann -ann " */
static sse__presence *present;
static void (*within)(const char *who, bool joins); /* runs inside the callbacks */
static int deserted;

static void tell(char sign, const char *who) {
    const size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%c%s ", sign, who);
}

static void on_join(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app, (void)topic, (void)user;
    tell('+', who);
    if (within) within(who, true);
}

static void on_leave(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app, (void)topic, (void)user;
    tell('-', who);
    if (within) within(who, false);
}

static void gone(sse__presence *presence) {
    deserted += presence == present;
    present = NULL;
}

static void was_told(sse_app *app, int turns_of, const char *want, const char *name) {
    while (turns_of--) sse_poll(app, 1);
    ok(strcmp(told, want) == 0, "%s: \"%s\"", name, told);
    told[0] = '\0';
}

static sse_topic_options options_of(int leave_ms) {
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.on_join = on_join;
    o.on_leave = on_leave;
    o.leave_ms = leave_ms;
    return o;
}

static void test_states(void) { /* E1: the section alone */
    const sse_topic_options o = options_of(0), slow = options_of(20);
    sse_app                *app = sse_app_new(NULL);
    present = sse__presence_new(app, "t", &o, NULL, gone);
    ok(sse__presence_join(present, "ann") && sse__presence_join(present, "ann"), "two tabs");
    was_told(app, 0, "", "nobody is told inside the call");
    was_told(app, 2, "+ann ", "one person");
    sse__presence_leave(present, "ann");
    was_told(app, 2, "", "one tab of two is no leave");
    sse__presence_leave(present, "ann");
    was_told(app, 0, "", "a leave is told by the loop as well");
    was_told(app, 3, "-ann ", "the last tab");
    is_int(deserted, 1, "and the presence goes with its last person");
    present = sse__presence_new(app, "t", &slow, NULL, gone);
    sse__presence_join(present, "bob");
    sse__presence_leave(present, "bob");
    was_told(app, 3, "", "who came and went before the loop turned was never here");
    is_int(deserted, 2, "and leaves nothing behind");
    present = sse__presence_new(app, "t", &slow, NULL, gone);
    sse__presence_join(present, "bob");
    was_told(app, 2, "+bob ", "bob");
    sse__presence_leave(present, "bob");
    sse__presence_leave(present, "nobody");
    sse__presence_leave(present, NULL);
    sse__presence_join(present, "bob");
    was_told(app, 40, "", "a reload is no leave");
    sse__presence_leave(present, "bob");
    was_told(app, 60, "-bob ", "after leave_ms it is");
    present = sse__presence_new(app, "t", NULL, NULL, gone);
    sse__presence_join(present, "eve");
    sse_poll(app, 1);
    sse__presence_leave(present, "eve");
    was_told(app, 3, "", "without options nobody is told");
    is_int(deserted, 4, "and she is gone");
    present = sse__presence_new(app, "t", &slow, NULL, gone);
    sse__presence_join(present, "ann");
    sse__presence_free(present);
    sse__presence_free(NULL);
    was_told(app, 3, "", "freed with somebody in it: no alarm is left");
    sse_app_free(app);
}

/* Comes back, once, inside its own on_leave. */
static void back_at_once(const char *who, bool joins) {
    if (joins) return;
    within = NULL;
    sse__presence_join(present, who);
}

static void leaves_at_once(const char *who, bool joins) {
    if (joins) sse__presence_leave(present, who);
}

static void in_and_out(const char *who, bool joins) {
    if (joins) return;
    within = NULL;
    sse__presence_join(present, who);
    sse__presence_leave(present, who);
}

static void test_within(void) { /* E2 */
    const sse_topic_options o = options_of(0);
    sse_app                *app = sse_app_new(NULL);
    present = sse__presence_new(app, "t", &o, NULL, gone);
    within = back_at_once;
    sse__presence_join(present, "ann");
    sse_poll(app, 1);
    sse__presence_leave(present, "ann");
    was_told(app, 4, "+ann -ann +ann ", "who comes back inside on_leave has left and come");
    within = in_and_out;
    sse__presence_leave(present, "ann");
    was_told(app, 4, "-ann ", "in and out inside on_leave: gone");
    ok(!present, "and the presence with it");
    present = sse__presence_new(app, "t", &o, NULL, gone);
    within = leaves_at_once;
    sse__presence_join(present, "bob");
    was_told(app, 4, "+bob -bob ", "who leaves inside on_join is told to leave");
    ok(!present, "and is gone");
    within = NULL;
    sse_app_free(app);
}

/* ---- with streams ---- */

static char        listed[400];
static const char *heard(void) { return listed; }

static bool list_one(const char *who, sse_stream s, void *user) {
    const size_t n = strlen(listed);
    snprintf(listed + n, sizeof listed - n, "%s%s ", who, sse_stream_is_open(s) ? "" : "(away)");
    if (user) {
        sse_unsubscribe(s, "room");
        sse_stream_end(s, NULL);
    }
    return true;
}

static bool list_and_subscribe(const char *who, sse_stream s, void *user) {
    (void)s;
    list_one(who, s, NULL);
    sse_subscribe(*(sse_stream *)user, "room");
    return strcmp(who, "new") != 0;
}

static const char *who_is_here(sse_app *app, void *user) {
    listed[0] = '\0';
    sse_topic_who(app, "room", list_one, user);
    return heard();
}

static void enter(sse_req *req, sse_stream s) {
    if (!sse_query(req, "out")) sse_subscribe(s, "room");
    sse_subscribe_pattern(s, "r*");
}

static void end_by_join(sse_app *app, const char *topic, const char *who, void *user) {
    sse_filter f;
    (void)user;
    memset(&f, 0, sizeof f);
    f.who = who;
    tell('+', who);
    say(app, topic, "hello");
    if (strcmp(who, "cut") == 0) sse_streams_close(app, &f, NULL);
}

static void test_streams(void) {
    sse_topic_options o = options_of(SSE_OFF);
    sse_app          *app = dial_app(NULL);
    sse_stream        out;
    client           *ann;
    o.on_join = end_by_join;
    sse_topic(app, "room", &o);
    opening = enter;
    ann = dial(app, "/s?who=ann", NULL);
    dial(app, "/s?who=ann", NULL);
    dial(app, "/s?who=bob", NULL);
    dial(app, "/s", NULL);
    was_told(app, 2, "+ann +bob ", "people, not streams; nobody by a pattern");
    turns(app, 2);
    is_int(times(ann, "data: hello\n"), 2, "an event published inside on_join arrives");
    is_str(who_is_here(app, NULL), "ann bob ", "who is here, in the order they came");
    dial(app, "/s?who=cut", NULL);
    was_told(app, 8, "+cut -cut ", "closed inside on_join: leaves");
    dial(app, "/s?who=new&out=1", NULL);
    out = newest;
    listed[0] = '\0';
    sse_topic_who(app, "room", list_and_subscribe, &out);
    is_str(heard(), "ann bob new ", "who is subscribed meanwhile is seen as well");
    turns(app, 4);
    told[0] = '\0';
    who_is_here(app, app);
    is_str(heard(), "ann bob new ", "all may be unsubscribed and closed meanwhile");
    was_told(app, 8, "-bob -new ", "ann has another tab");
    is_str(who_is_here(app, NULL), "ann ", "which is still there");
    dial_free(app);
    told[0] = '\0';
}

static void enter_as_ann(sse_req *req, void *user) {
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = "ann";
    sse_subscribe(sse_stream_open(req, &o), "room");
}

static void test_time_to_return(void) {
    const sse_topic_options o = options_of(0), longer = options_of(5000);
    sse_test_reply          r;
    int                     i;
    memset(&r, 0, sizeof r);
    for (i = 0; i < 2; i++) {
        sse_app *app = sse_app_new(NULL);
        sse_topic(app, "room", i ? &longer : &o);
        sse_get(app, "/s", enter_as_ann, NULL);
        sse_test_request(app, "GET /s", NULL, NULL, &r);
        sse_test_close(&r);
        sse_test_run(app, i ? 4999 : 2999);
        is_str(told, "+ann ", i ? "for .leave_ms she may come back" : "for 3 seconds, by default");
        sse_test_run(app, 1);
        is_str(told, "+ann -ann ", "then she has left");
        told[0] = '\0';
        sse_app_free(app);
    }
}

static bool without_memory(long n) { /* false: fewer allocations than n */
    const sse_topic_options o = options_of(0);
    sse_app                *app = sse_app_new(NULL);
    bool                    failed;
    fail_at = n;
    present = sse__presence_new(app, "t", &o, NULL, gone);
    if (present && sse__presence_join(present, "ann")) sse__presence_join(present, "bob");
    failed = fail_at == 0;
    fail_at = 0;
    if (present) sse__presence_leave(present, "ann");
    sse_poll(app, 1);
    sse_poll(app, 1);
    sse__presence_free(present);
    sse_app_free(app);
    return failed;
}

int main(void) {
    long n;
    test_states();
    test_within();
    test_streams();
    test_time_to_return();
    for (n = 1; n < 100 && without_memory(n); n++) {
    }
    ok(n > 4 && n < 100, "each of %ld allocations may fail", n - 1);
    return tap_done();
}
