/* told.h: what the monitor of an app at /m tells in metrics.json. Include it after sse.h and tap.h,
   behind static sse_app *app. */
#ifndef TOLD_H
#define TOLD_H

static sse_test_reply page;

/* What metrics.json?query has at that path. */
static sse_str told(const char *query, const char *path) {
    char    request[100];
    sse_str value = SSE__LIT("");
    snprintf(request, sizeof request, "GET /m/metrics.json%s", query);
    if (sse_test_request(app, request, NULL, NULL, &page) || page.status != 200 ||
        sse_json_get(sse__str(page.body, page.body_len), path, &value))
        ok(false, "%s: %s", request, path);
    return value;
}

static int number(const char *query, const char *path) {
    const sse_str value = told(query, path);
    return value.len ? (int)strtol(value.ptr, NULL, 10) : -1;
}

/* The members of that name of the objects in a list, a blank between them; "": all of it. */
static int         nlisted; /* how many they were */
static const char *each(sse_str list, const char *name) {
    static char all[2000];
    char        path[40];
    sse_str     value;
    size_t      n = 0;
    for (nlisted = 0, all[0] = '\0'; n < sizeof all; nlisted++) {
        snprintf(path, sizeof path, *name ? "%d.%s" : "%d", nlisted, name);
        if (sse_json_get(list, path, &value)) break;
        n +=
            (size_t)snprintf(all + n, sizeof all - n, "%s%.*s", nlisted ? " " : "", SSE_STR(value));
    }
    return all;
}
#endif
