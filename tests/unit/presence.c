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

/* ---- in a time that stands still ---- */

static char whose[] = "room";

static void on_join_of(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app;
    ok(strcmp(topic, "room") == 0 && user == whose, "%s comes to the topic, told with its user",
        who);
    tell('+', who);
}

static void on_leave_of(sse_app *app, const char *topic, const char *who, void *user) {
    (void)app;
    ok(strcmp(topic, "room") == 0 && user == whose, "%s leaves it, likewise", who);
    tell('-', who);
}

static void enter_as(sse_req *req, void *user) { /* ?who= */
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = sse_query(req, "who");
    sse_subscribe(sse_stream_open(req, &o), "room");
}

static bool first_only(const char *who, sse_stream s, void *user) {
    (void)who, (void)s, (void)user;
    return false;
}

static void is_told(sse_app *app, int ms, const char *want, const char *name) {
    is_int(sse_test_run(app, ms), 0, name);
    is_str(told, want, "... is told");
    told[0] = '\0';
}

static sse_app *still_room(int leave_ms, bool joins, bool leaves) {
    sse_app          *app = sse_app_new(NULL);
    sse_topic_options o;
    memset(&o, 0, sizeof o);
    o.on_join = joins ? on_join_of : NULL;
    o.on_leave = leaves ? on_leave_of : NULL;
    o.leave_ms = leave_ms;
    o.user = whose;
    is_int(sse_topic(app, "room", &o), 0, "a topic");
    sse_get(app, "/in", enter_as, NULL);
    return app;
}

static void test_times(void) {
    static const struct {
        int leave_ms, real_ms;
    } rows[] = {{0, 3000}, {500, 500}, {SSE_OFF, 0}};
    sse_test_reply ann, bob;
    size_t         i;
    memset(&ann, 0, sizeof ann);
    memset(&bob, 0, sizeof bob);
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const int ms = rows[i].real_ms;
        sse_app  *app = still_room(rows[i].leave_ms, true, true);
        sse_test_request(app, "GET /in?who=bob", NULL, NULL, &bob);
        sse_test_request(app, "GET /in?who=ann", NULL, NULL, &ann);
        is_told(app, 0, "+bob +ann ", "two people");
        is_int(sse_topic_who(app, "room", first_only, NULL), 1, "as many as fn wanted");
        sse_test_close(&ann);
        if (ms) {
            is_str(who_is_here(app, NULL), "bob ann(away) ", "who reloads is still here");
            is_int(sse_topic_who(app, "room", list_one, NULL), 2, "... and counts");
            is_told(app, ms - 1, "", "the time for that is not over");
            sse_test_request(app, "GET /in?who=ann", NULL, NULL, &ann);
            is_str(who_is_here(app, NULL), "bob ann ", "she is back");
            is_told(app, 100000, "", "which is no leave");
            sse_test_close(&ann);
            is_told(app, ms - 1, "", "she leaves, and has the whole time");
            is_told(app, 1, "-ann ", "... and no more");
        } else is_told(app, 0, "-ann ", "without a time for that she leaves at once");
        is_str(who_is_here(app, NULL), "bob ", "one is here");
        sse_test_close(&bob);
        is_told(app, ms, "-bob ", "nobody is");
        is_int(sse_topic_who(app, "room", list_one, NULL), 0, "... in the list either");
        sse_app_free(app);
    }
}

static void test_one_callback(void) {
    sse_test_reply ann;
    int            joins;
    memset(&ann, 0, sizeof ann);
    for (joins = 0; joins < 2; joins++) {
        sse_app *app = still_room(1000, joins != 0, joins == 0);
        sse_test_request(app, "GET /in?who=ann", NULL, NULL, &ann);
        is_told(app, 0, joins ? "+ann " : "", "who comes, where one callback is not there");
        sse_test_close(&ann);
        is_told(app, 1000, joins ? "" : "-ann ", "who leaves");
        sse_app_free(app);
    }
}

/* ---- which stream of a person ---- */

static sse_stream opened[3];
static int        nopened, here_at_once;

static void enter_or_not(sse_req *req, void *user) { /* ?in= and ?out= */
    sse_stream_options o;
    (void)user;
    memset(&o, 0, sizeof o);
    o.who = "ann";
    opened[nopened++ % 3] = newest = sse_stream_open(req, &o);
    if (sse_query(req, "in")) sse_subscribe(newest, "room");
    else sse_subscribe(newest, "elsewhere");
    if (sse_query(req, "out")) sse_unsubscribe(newest, "room");
    here_at_once = sse_topic_who(sse_req_app(req), "room", list_one, NULL);
}

static bool note_stream(const char *who, sse_stream s, void *user) {
    (void)who;
    *(sse_stream *)user = s;
    return true;
}

static bool is_found(sse_app *app, sse_stream want) {
    sse_stream s;
    memset(&s, 0, sizeof s);
    return sse_topic_who(app, "room", note_stream, &s) == 1 && s.app == want.app &&
           s.slot == want.slot && s.gen == want.gen;
}

static void test_which(void) {
    static const sse_stream none = {NULL, 0, 0};
    sse_app                *app = still_room(1000, true, true);
    sse_test_reply          tabs[3];
    memset(tabs, 0, sizeof tabs);
    nopened = 0;
    sse_get(app, "/or", enter_or_not, NULL);
    sse_test_request(app, "GET /or", NULL, NULL, &tabs[0]);
    is_int(here_at_once, 0, "a stream elsewhere is not here");
    sse_test_request(app, "GET /or?in=1&out=1", NULL, NULL, &tabs[1]);
    is_int(here_at_once, 0, "nor is one that came and went at once");
    is_told(app, 0, "", "who was never here");
    sse_test_close(&tabs[1]);
    sse_test_request(app, "GET /or?in=1", NULL, NULL, &tabs[1]);
    is_int(here_at_once, 1, "one that came is here at once");
    is_told(app, 0, "+ann ", "who is");
    ok(is_found(app, opened[2]), "by the stream that is in the room");
    sse_test_request(app, "GET /or?in=1", NULL, NULL, &tabs[2]);
    ok(is_found(app, opened[2]), "... the first one of two");
    sse_stream_end(opened[2], NULL);
    ok(is_found(app, opened[0]), "... the other, as soon as that ends");
    sse_stream_end(opened[0], NULL);
    ok(is_found(app, none), "... none, when she is leaving");
    is_told(app, 0, "", "who may come back");
    is_told(app, 1000, "-ann ", "who does not");
    sse_test_close(&tabs[0]);
    sse_test_close(&tabs[1]);
    sse_test_close(&tabs[2]);
    sse_app_free(app);
}

static bool without_memory(long n) { /* false: fewer allocations than n */
    const sse_topic_options o = options_of(0);
    sse_app                *app = sse_app_new(NULL);
    bool                    failed;
    fail_at = n;
    present = sse__presence_new(app, "t", &o, NULL, gone);
    if (present && sse__presence_join(present, "ann")) sse__presence_join(present, "bob");
    else if (present) ok(false, "without allocation %ld nobody is there, nor the presence", n);
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
    test_times();
    test_one_callback();
    test_which();
    for (n = 1; n < 100 && without_memory(n); n++) {
    }
    ok(n > 4 && n < 100, "each of %ld allocations may fail", n - 1);
    return tap_done();
}
