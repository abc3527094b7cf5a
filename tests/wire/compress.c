/* compress.c: replies and files of every kind, to be compressed or left alone. It listens on a free
   port of 127.0.0.1 and prints the number.
   usage: compress DIRECTORY */
#define SSE_IMPLEMENTATION
#include "sse.h"

#include "ready.h"

static void text(sse_req *req, void *user) { /* ?n=bytes&type=&cache=&coding=&etag=&status= */
    const char *fields[][2] = {
        {"type", "Content-Type"},
        {"cache", "Cache-Control"},
        {"coding", "Content-Encoding"},
        {"etag", "ETag"},
    };
    long long i, n = sse_parse_int(sse_query(req, "n"), 2000);
    size_t    k;
    (void)user;
    for (k = 0; k < sizeof fields / sizeof *fields; k++)
        if (sse_query(req, fields[k][0]))
            sse_set_header(req, fields[k][1], sse_query(req, fields[k][0]));
    if (sse_query(req, "status"))
        sse_set_status(req, (int)sse_parse_int(sse_query(req, "status"), 200));
    for (i = 0; i < n; i++) sse_puts(sse_out(req), i % 60 == 59 ? "\n" : i % 7 ? "a" : "b");
}

static void rows(sse_req *req, void *user) { /* ?n=rows&type=: each a little different */
    long long i, n = sse_parse_int(sse_query(req, "n"), 1000);
    (void)user;
    if (sse_query(req, "type")) sse_set_type(req, sse_query(req, "type"));
    for (i = 0; i < n; i++)
        sse_printf(sse_out(req), "<tr><td>%lld</td><td>%lld</td><td>of the large table</td></tr>\n",
            i, i * i % 9973);
}

static void noise(sse_req *req, void *user) {
    unsigned long x = 1;
    int           i;
    (void)user;
    sse_set_type(req, "text/plain");
    for (i = 0; i < 5000; i++) {
        const char c = (char)((x = x * 1103515245u + 12345u) >> 16);
        sse_raw(sse_out(req), &c, 1);
    }
}

int main(int argc, char **argv) {
    static const unsigned char page[] =
        "a page in memory, a page in memory, a page in memory, a page in memory, a page in memory, "
        "a page in memory";
    static const sse_file files[] = {{"/page.html", page, sizeof page - 1}, {NULL, NULL, 0}};
    sse_app_options       options;
    sse_static_options    in_memory;
    sse_serve_options     serve;
    sse_app              *app;
    int                   error;
    memset(&options, 0, sizeof options);
    memset(&in_memory, 0, sizeof in_memory);
    memset(&serve, 0, sizeof serve);
    options.on_init = ready;
    options.compress_min_bytes = (size_t)sse_parse_int(getenv("MIN"), 0);
    options.no_compression = getenv("OFF") != NULL;
    options.compress_quality = (int)sse_parse_int(getenv("QUALITY"), 0);
    app = sse_app_new(&options);
    in_memory.files = files;
    sse_get(app, "/text", text, NULL);
    sse_get(app, "/rows", rows, NULL);
    sse_get(app, "/noise", noise, NULL);
    if (argc > 1) sse_static(app, "/dir", argv[1], NULL);
    sse_static(app, "/memory", NULL, &in_memory);
    serve.port = SSE_ANY_PORT;
    error = sse_serve(app, &serve);
    sse_app_free(app);
    return error != 0;
}
