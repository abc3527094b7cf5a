/* files.c: serves a directory, and reloads its pages when a file changes (Linux: inotify). A style
   sheet that changed is put into the page without a reload. The files stay as they are: HTML gets
   its script as it leaves. "files public" serves public. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"
#include <dirent.h>
#include <sys/inotify.h>

static char root[4096];
static int  inotify;
static bool waits, sheets;                                       // something is told soon; only CSS

/* A hidden page closes its stream, as a browser has six connections, and asks for what it missed
   when it is looked at. A gap: the server was started anew. The title says when it is away. */
static const char script[] =
    "  const mark = 'Not connected: ', change = e => {\n"
    "    last = e.lastEventId\n    if (e.data !== 'css') return location.reload()\n"
    "    for (const old of document.querySelectorAll('[rel=stylesheet]:not([href*=\"//\"])')) {\n"
    "      const url = new URL(old.href), link = old.cloneNode()\n"
    "      url.searchParams.set('changed', last)\n"
    "      link.href = url\n"
    "      link.onload = link.onerror = () => old.remove()\n"
    "      old.after(link)\n"
    "    }\n"
    "  }\n"
    "  const follow = () => {\n"
    "    stream?.close()\n"
    "    if (document.hidden) return\n"
    "    stream = new EventSource('/_changes?lastEventId=' + last)\n"
    "    stream.onmessage = change\n    stream.addEventListener('gap', () => location.reload())\n"
    "    stream.onopen = stream.onerror = ({ type }) => {\n"
    "      document.title = (type === 'open' ? '' : mark) + document.title.replace(mark, '')\n"
    "      if (stream.readyState === 2) setTimeout(follow, 1000)\n"
    "    }\n"
    "  }\n"
    "  document.addEventListener('visibilitychange', follow)\n  follow()\n"
    "}</script>\n";

static void tell(sse_app *app, void *user) {
    (void)user;
    waits = false;
    sse_publish(app, "changes", &(sse_event){ .data = sheets ? "css" : "page" });
}

static void watch(const char *dir) {                             // and all below, but for .names
    char path[4096];
    if (inotify_add_watch(inotify, dir, IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE
                                        | IN_ONLYDIR | IN_DONT_FOLLOW) < 0) {
        if (errno == ENOSPC) fprintf(stderr, "%s: fs.inotify.max_user_watches is too low\n", dir);
        return;                                                  // of most: it is a file
    }
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (*e->d_name != '.' && snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < 4096)
            watch(path);
    if (d) closedir(d);
}

static void changed(sse_app *app, int fd, int events, void *user) {
    char    bytes[8192];
    ssize_t n = read(fd, bytes, sizeof bytes), at = 0;
    (void)events, (void)user;
    while (at < n) {
        struct inotify_event e;
        memcpy(&e, bytes + at, sizeof e);
        const char  *name = e.len ? bytes + at + sizeof e : "";  // editors rename, and leave "~"
        const size_t len  = strlen(name);
        at += (ssize_t)(sizeof e + e.len);
        if (e.mask & IN_IGNORED || *name == '.' || (len && name[len - 1] == '~')) continue;
        if (e.mask & (IN_ISDIR | IN_Q_OVERFLOW)) watch(root);    // it may be a new one
        if (!waits) sse_after(app, 50, tell, NULL);              // once for many files
        sheets = (sheets || !waits) && len > 4 && strcmp(name + len - 4, ".css") == 0;
        waits  = true;
    }
}

static bool newest(const sse_event *event, void *req) {
    return sse_set_attr(req, "newest", event->id) == SSE_OK;
}

static bool list(sse_buf *out, const char *dir, const char *path) {
    struct dirent **all;
    const int       n = scandir(dir, &all, NULL, alphasort);
    sse_html(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>%s</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width\"><link rel=icon href=\"data:,\">\n"
        "<style>:root { color-scheme: light dark; font: 1rem/1.5 system-ui; padding: .5rem }"
        "a { display: block; padding: .4rem; overflow-wrap: anywhere }</style><h1>%s</h1>",
        path, path);
    sse_puts(out, n < 0 ? "There is nothing here yet." : path[1] ? "<a href=\"../\">..</a>\n" : "");
    for (int i = 0; i < n; free(all[i++])) {
        const char *slash = all[i]->d_type == DT_DIR ? "/" : "";
        if (*all[i]->d_name == '.') continue;
        sse_url(out, "<a href=\"./%s", all[i]->d_name);
        sse_html(out, "%s\">%s%s</a>\n", slash, all[i]->d_name, slash);
    }
    if (n >= 0) free(all);
    return n < 0;
}

static bool leads_out(const char *path) {                        // by a symbolic link
    char         real[4096];
    const size_t n = strlen(root);
    return realpath(path, real) && (strncmp(real, root, n) || (real[n] && real[n] != '/'));
}

static void html(sse_req *req, void *user) {                     // before sse_static: pages
    const char *path = sse_path(req), *end = strrchr(path, '.'), *method = sse_method(req);
    const char *name = sse_fmt(req, "%s%s", root, path), *file = name;
    const bool  dir  = path[strlen(path) - 1] == '/';
    char        bytes[4096];
    (void)user;
    if (dir) file = sse_fmt(req, "%sindex.html", name);
    else if (!end || strcmp(end, ".html")) return;
    if ((strcmp(method, "GET") && strcmp(method, "HEAD")) || strstr(path, "/.")
        || leads_out(name) || leads_out(file)) return;           // sse_static refuses it
    sse_topic_history(sse_req_app(req), "changes", 1, newest, req); // before the file is read
    sse_set_header(req, "Cache-Control", "no-store");
    sse_buf *out = sse_out(req);
    FILE    *f   = fopen(file, "r");
    for (size_t n; f && (n = fread(bytes, 1, sizeof bytes, f)) > 0;) sse_raw(out, bytes, n);
    if (f) fclose(f);
    else if (list(out, name, path)) sse_set_status(req, 404);
    const char *last = sse_attr(req, "newest");
    sse_js(out, "\n<script>{\n  let last = '%s', stream\n", last ? last : "");
    sse_puts(out, script);
}

static void events(sse_req *req, void *user) {
    (void)user;
    sse_subscribe(sse_stream_open(req, &(sse_stream_options){ .retry_ms = 500 }), "changes");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("%s is on http://127.0.0.1:%d\n", root, sse_port(app));
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (!realpath(argc > 1 ? argv[1] : ".", root)) { perror(argv[1]); return 1; }
    sse_app *app = sse_app_new(&(sse_app_options){ .on_init = ready });
    sse_topic(app, "changes", &(sse_topic_options){ .history = 1, .greet = 1 });
    sse_before(app, NULL, html, NULL);
    sse_get(app, "/_changes", events, NULL);
    sse_static(app, "/", root, NULL);
    inotify = inotify_init1(IN_CLOEXEC);
    watch(root);
    sse_watch(app, inotify, SSE_READ, changed, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
