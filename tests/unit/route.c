/* Paths to handlers. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
static size_t compared; /* names */

static int counting_memcmp(const void *a, const void *b, size_t n) {
    compared++;
    return memcmp(a, b, n);
}
static long allocs_left = -1; /* the one after these fails; -1: none */
static long blocks;           /* that are allocated */

static void *test_realloc(void *p, size_t n) {
    void *q;
    if (allocs_left >= 0 && allocs_left-- == 0) return NULL;
    q = realloc(p, n);
    blocks += q && !p;
    return q;
}

static void test_free(void *p) {
    blocks -= p != NULL;
    free(p);
}
#define SSE_MALLOC(n)     test_realloc(NULL, n)
#define SSE_REALLOC(p, n) test_realloc(p, n)
#define SSE_FREE(p)       test_free(p)
#define memcmp            counting_memcmp
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#undef memcmp
#include "../tap.h"

static sse__route_node root;

static void nothing(sse_req *req, void *user) {
    (void)req;
    (void)user;
}

static int add(const char *method, const char *path, bool mount) {
    const sse__route *taken;
    sse__route       *route;
    if (sse__route_path_error(path, mount)) return SSE_E_ARG;
    route = SSE__NEW(sse__route);
    route->path = sse__strdup(sse__text(path));
    route->method = sse__strdup(sse__text(method));
    route->fn = nothing;
    return sse__route_add(&root, route, mount, &taken);
}

static const char *look(const char *path) { /* "route a=1 b=2", "mount (rest)" or "none" */
    static char      text[512];
    sse__route_match m;
    int              i;
    size_t           n;
    if (sse__route_find(&root, sse__text(path), &m)) {
        n = (size_t)snprintf(text, sizeof text, "%s", m.at->routes->path);
        for (i = 0; i < m.nparams; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, " %s=%.*s", m.at->routes->names[i],
                SSE_STR(m.params[i]));
    } else if (m.mount)
        snprintf(text, sizeof text, "mount %s (%.*s)%s", m.mount->mounts->path, SSE_STR(m.rest),
            m.nparams ? " with params" : "");
    else snprintf(text, sizeof text, "none");
    return text;
}

static void test_adding(void) {
    static const char *const bad[] = {"", "x", "room/{id}", "/{", "/}", "/{}", "/{a", "/a}b",
        "/{a}{b}", "/{a{b}}", "/{a/b}", "/{a}/{a}", "/x?y"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(bad); i++) is_int(add("GET", bad[i], false), SSE_E_ARG, bad[i]);
    is_int(add("GET",
               "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}/{10}/{11}/{12}/{13}/{14}/{15}/{16}/{17}",
               false),
        SSE_E_ARG, "seventeen params");
    is_int(add("GET", "/room/{id}", false), SSE_OK, "a route");
    is_int(add("GET", "/room/{id}", false), SSE_E_STATE, "the same again");
    is_int(add("GET", "/room/{name}", false), SSE_E_STATE,
        "the same with another name for its param");
    is_int(add("POST", "/room/{id}", false), SSE_OK, "another method");
}

static void test_finding(void) {
    is_int(add("GET", "/", false), SSE_OK, "/");
    is_int(add("GET", "/room/new", false), SSE_OK, "/room/new");
    is_int(add("GET", "/room/{id}/feed", false), SSE_OK, "/room/{id}/feed");
    is_int(add("GET", "/weather/{lat},{lng}", false), SSE_OK, "/weather/{lat},{lng}");
    is_int(add("GET", "/file/{name}.{kind}", false), SSE_OK, "/file/{name}.{kind}");
    is_int(add("GET", "/v{major}/x", false), SSE_OK, "/v{major}/x");
    is_int(add("GET", "/dir/", false), SSE_OK, "/dir/");
    is_int(add("*", "/static", true), SSE_OK, "a mount");
    is_int(add("*", "/static/deep", true), SSE_OK, "a mount inside a mount");
    is_int(add("GET", "/static/known", false), SSE_OK, "a route inside a mount");
    is_str(look("/"), "/", "the root");
    is_str(look("/room/7"), "/room/{id} id=7", "a param");
    is_str(look("/room/new"), "/room/new", "a name goes before a pattern");
    is_str(look("/room/new/feed"), "/room/{id}/feed id=new", "... unless it leads nowhere");
    is_str(look("/room/"), "none", "a param is not empty");
    is_str(look("/room"), "none", "a prefix is no route");
    is_str(look("/room/7/"), "none", "a slash at the end is a segment more");
    is_str(look("/dir/"), "/dir/", "which a route may have");
    is_str(look("/dir"), "none", "... and then needs");
    is_str(look("/weather/48.1,11.5"), "/weather/{lat},{lng} lat=48.1 lng=11.5",
        "two params in a segment");
    is_str(look("/weather/1,2,3"), "/weather/{lat},{lng} lat=1 lng=2,3",
        "the first takes the shortest run, the last the rest");
    is_str(look("/weather/,2"), "none", "neither may be empty");
    is_str(look("/weather/1,"), "none", "... nor the other");
    is_str(look("/file/a.tar.gz"), "/file/{name}.{kind} name=a kind=tar.gz", "a text between");
    is_str(look("/v2/x"), "/v{major}/x major=2", "a text before");
    is_str(look("/v/x"), "none", "a text before and nothing");
    is_str(look("/w2/x"), "none", "... and another text");
    is_str(look("/static/a/b.css"), "mount /static (a/b.css)", "a mount takes the rest");
    is_str(look("/static"), "mount /static ()", "also nothing");
    is_str(look("/static/"), "mount /static ()", "... and a slash");
    is_str(look("/static/deep/x"), "mount /static/deep (x)", "the deepest mount");
    is_str(look("/static/known"), "/static/known", "a route goes before a mount");
    is_str(look("/statics"), "none", "a mount ends at a segment");
    is_str(look("/nothing/at/all"), "none", "nothing");
    is_int(add("GET", "/{user}/{page}", false), SSE_OK, "a route of two params beside it");
    is_int(add("GET", "/{user}/{page}/{part}", false), SSE_OK, "... and of three");
    is_str(look("/static/a.css"), "mount /static (a.css)",
        "a mount goes before the patterns beside it");
    is_str(look("/static/x/a.css"), "mount /static (x/a.css)", "... however deep the path is");
    is_str(look("/static/deep"), "mount /static/deep ()", "... the deepest one");
    is_str(look("/statics/a.css"), "/{user}/{page} user=statics page=a.css",
        "... which take what is not below it");
    is_int(add("GET", "/css/{name}.css", false), SSE_OK, "a text behind a param");
    is_str(look("/css/a.css"), "/css/{name}.css name=a", "is not of it");
    is_str(look("/css/a.css.css"), "/css/{name}.css name=a.css", "... which takes all before it");
    is_str(look("/css/.css"), "/{user}/{page} user=css page=.css", "... and at least one byte");
    is_str(look("/css/a.csx"), "/{user}/{page} user=css page=a.csx",
        "... of which none may differ");
    is_int(add("GET", "/p/{a}-{b}/x", false), SSE_OK, "two params");
    is_int(add("GET", "/p/{c}.{d}-{e}/z", false), SSE_OK, "... three beside them");
    is_int(add("GET", "/p/{f}/y", false), SSE_OK, "... and one");
    is_str(look("/p/1-2/y"), "/p/{f}/y f=1-2", "nothing is left of patterns that lead nowhere");
    is_str(look("/p/1.2/y"), "/p/{f}/y f=1.2", "... or do not match to their end");
    is_int(add("GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}", false),
        SSE_OK, "sixteen params");
    is_str(look("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"),
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p} a=1 b=2 c=3 d=4 e=5 f=6 "
        "g=7 h=8 i=9 j=10 k=11 l=12 m=13 n=14 o=15 p=16",
        "... each by its name");
    is_int(add("*", "", true), SSE_OK, "a mount of the root");
    is_str(look("/bob/home"), "/{user}/{page} user=bob page=home", "... goes behind all");
    is_str(look("/nothing/at/all/here"), "mount  (nothing/at/all/here)", "takes all that is left");
}

static void test_methods(void) {
    sse__route_match m;
    (void)sse__route_find(&root, SSE__LIT("/room/7"), &m);
    is_str(sse__route_of(m.at->routes, SSE__LIT("POST"))->method, "POST", "a route by its method");
    ok(!sse__route_of(m.at->routes, SSE__LIT("PUT")), "no route for another");
    is_int(add("*", "/room/{id}", false), SSE_OK, "a route for all methods");
    (void)sse__route_find(&root, SSE__LIT("/room/7"), &m);
    is_str(sse__route_of(m.at->routes, SSE__LIT("PUT"))->method, "*",
        "serves those that have none of their own");
    is_str(sse__route_of(m.at->routes, SSE__LIT("GET"))->method, "GET", "and no others");
    is_int(add("*", "/hall/{id}", false) || add("GET", "/hall/{id}", false), SSE_OK,
        "a route for all methods, then one of its own for GET");
    (void)sse__route_find(&root, SSE__LIT("/hall/7"), &m);
    is_str(sse__route_of(m.at->routes, SSE__LIT("GET"))->method, "GET", "... which serves GET");
    is_str(sse__route_of(m.at->routes, SSE__LIT("PUT"))->method, "*", "... and the other the rest");
}

static void test_words(void) { /* what is refused, and what is not */
    static const struct {
        const char *path, *why;
    } rows[] = {{"/a/{A}/{Z}/{z}/{_}", NULL}, {"/a/:a", ":name"}, {"/a/:z", ":name"},
        {"/a/:A", ":name"}, {"/a/:Z", ":name"}, {"/a/:_", ":name"}, {"/a/:1", NULL},
        {"/a/x:a", NULL}, {"/a/:", NULL}, {"/a/.", "segment"}, {"/a/..", "segment"},
        {"/./a", "segment"}, {"/../a", "segment"}, {"/a/...", NULL}, {"/a/.x", NULL},
        {"/a/x.", NULL}, {"/a/..x/b", NULL}, {"/a/", NULL}, {"/%41", "decoded"}, {"/%4", NULL},
        {"/%20", "decoded"}, {"/%02", "decoded"}, {"/%g1", NULL}, {"/%1g", NULL}, {"/%", NULL},
        {"/a/*", "no pattern"}, {"/a?b", "query"}, {"/{a}{b}", "nothing between"},
        {"/{a}x{b}", NULL}, {"/{ab}/{a}", NULL}, {"/{a}/{ab}", NULL}, {"/{a}/{b}/{a}", "one name"},
        {"/a}", "without its {"}, {"/{a}}", "without its {"}, {"/{a", "without its }"},
        {"/{", "without its }"}, {"/{}", "without a name"}, {"a", "begins with /"},
        {"/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}/{10}/{11}/{12}/{13}/{14}/{15}/{16}", NULL},
        {"/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}/{10}/{11}/{12}/{13}/{14}/{15}/{16}/{17}",
            "16 params"}};
    size_t i;
    for (i = 0; i < SSE__COUNT(rows); i++) {
        const char *why = sse__route_path_error(rows[i].path, false);
        ok(rows[i].why ? why && strstr(why, rows[i].why) : !why, "%s: %s", rows[i].path,
            why ? why : "fine");
    }
    ok(!sse__route_path_error("", true), "a mount at the root");
    ok(sse__route_path_error("/{a}", true) != NULL, "a mount has no params");
}

/* L2: names below a node are spread by the key of the app. */
static void test_keys(void) {
    const uint64_t         key[2] = {3, 4};
    const sse__route      *taken;
    sse__route_node        own;
    const sse__route_node *at;
    sse__route            *route = SSE__NEW(sse__route);
    uint32_t               bucket = 0;
    memset(&own, 0, sizeof own);
    sse__map_seed(&own.literals, key);
    route->path = sse__strdup(SSE__LIT("/a/{b}/c"));
    route->method = sse__strdup(SSE__LIT("GET"));
    is_int(sse__route_add(&own, route, false, &taken), SSE_OK, "a name, a pattern and a name");
    at = SSE__CONTAINER(sse__map_any(&own.literals, &bucket), sse__route_node, node);
    ok(at->literals.key[0] == 3 && at->literals.key[1] == 4, "the key is passed on to a name");
    at = at->patterns;
    ok(at->literals.key[0] == 3 && at->literals.key[1] == 4, "... to a pattern");
    bucket = 0;
    at = SSE__CONTAINER(sse__map_any(&at->literals, &bucket), sse__route_node, node);
    ok(at->literals.key[0] == 3 && at->literals.key[1] == 4, "... and to what is below it");
    sse__route_node_clear(&own);
}

static int nfreed;

static void count_freed(void *user) { nfreed += user == &nfreed; }

static void test_freeing(void) { /* each route, also one that is refused, once */
    const sse__route *taken;
    sse__route_node   own;
    int               i;
    memset(&own, 0, sizeof own);
    for (i = 0; i < 6; i++) {
        static const char *const paths[] = {"/", "/a/b", "/a/{b}", "/a/{c}", "/m", "/m/n"};
        sse__route              *route = SSE__NEW(sse__route);
        route->path = sse__strdup(sse__text(paths[i]));
        route->method = sse__strdup(SSE__LIT("GET"));
        route->fn = nothing;
        route->user = &nfreed;
        route->free_user = count_freed;
        is_int(sse__route_add(&own, route, i >= 4, &taken), i == 3 ? SSE_E_STATE : SSE_OK,
            paths[i]);
        is_int(nfreed, i >= 3, "what was refused is freed");
    }
    sse__route_node_clear(&own);
    is_int(nfreed, 6, "and then all of them");
}

/* Each allocation of an addition fails in turn. */
static void test_without_memory(void) {
    static const char path[] =
        "/a/{b}x{c}/a-segment-of-more-than-sixty-four-bytes-so-that-its-shape-has-to-grow";
    const long before = blocks;
    int        n, error = SSE_E_NOMEM, wrong = 0;
    for (n = 0; error && n < 50; n++) {
        const sse__route *taken;
        sse__route_node   own;
        sse__route_match  m;
        sse__route       *route = SSE__NEW(sse__route);
        memset(&own, 0, sizeof own);
        route->path = sse__strdup(sse__text(path));
        route->method = sse__strdup(SSE__LIT("GET"));
        route->user = &nfreed;
        route->free_user = count_freed;
        nfreed = 0;
        allocs_left = n;
        error = sse__route_add(&own, route, false, &taken);
        allocs_left = -1;
        wrong += error ? error != SSE_E_NOMEM || nfreed != 1 || taken : nfreed != 0;
        wrong += sse__route_find(&own,
                     SSE__LIT("/a/1x2/a-segment-of-more-than-sixty-four-bytes-so-that-its-shape-"
                              "has-to-grow"),
                     &m) != !error;
        sse__route_node_clear(&own);
        wrong += blocks != before;
    }
    ok(n > 8 && !error && !wrong,
        "%d allocations can fail: the route is freed, and nothing is lost", n - 1);
}

static void test_many(void) { /* RT1 */
    char   path[64];
    int    i, good = 0;
    size_t few;
    compared = 0;
    (void)look("/room/7");
    few = compared;
    for (i = 0; i < 5000; i++) {
        snprintf(path, sizeof path, "/many/%d/{x}", i);
        good += add("GET", path, false) == SSE_OK;
    }
    is_int(good, 5000, "five thousand routes");
    for (i = 0, good = 0; i < 5000; i++) {
        char want[80];
        snprintf(path, sizeof path, "/many/%d/y", i);
        snprintf(want, sizeof want, "/many/%d/{x} x=y", i);
        good += strcmp(look(path), want) == 0;
    }
    is_int(good, 5000, "each is found");
    compared = 0;
    (void)look("/many/4999/y");
    ok(compared <= few + 5, "a lookup compares %lu names, with 5,000 routes more %lu",
        (unsigned long)few, (unsigned long)compared);
}

int main(void) {
    test_adding();
    test_finding();
    test_methods();
    test_words();
    test_keys();
    test_freeing();
    test_without_memory();
    test_many();
    sse__route_node_clear(&root);
    is_int(blocks, 0, "and all is freed");
    return tap_done();
}
