/* login.c: a form, a signed cookie, and a page for who is logged in. The forms need no token: a POST from a page of another origin is
   refused before its handler runs. PASSWORD is ann's, SECRET keeps sessions over a restart. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char *ann = "secret";                               // her password

static bool is_right(const char *name, const char *password) {   // a program that keeps people's passwords hashes them: crypt(3)
    return strcmp(name, "ann") == 0 && strcmp(password, ann) == 0;
}

static void login(sse_req *req, void *user) {                    // sse_post(app, "/login", login, NULL)
    const char *name = sse_form(req, "name"), *password = sse_form(req, "password");
    (void)user;
    if (!name || !password || !is_right(name, password)) { sse_fail(req, 403, "the name or the password is wrong"); return; }
    sse_set_cookie_signed(req, "session", sse_fmt(req, "session:%s", name), NULL);
    sse_redirect(req, "/");
}

static void logout(sse_req *req, void *user) {                   // sse_post(app, "/logout", logout, NULL)
    const sse_cookie_options gone = { .max_age_s = SSE_OFF };
    (void)user;
    sse_set_cookie(req, "session", "", &gone);
    sse_redirect(req, "/");
}

static const char *logged_in(sse_req *req) {                     // who asks; NULL: nobody, or not since yesterday
    const char *session = sse_cookie_signed(req, "session", 86400);
    return session && strncmp(session, "session:", 8) == 0 ? session + 8 : NULL;
}

static void page(sse_req *req, void *user) {
    const char *name = logged_in(req);
    sse_buf    *out  = sse_out(req);
    (void)user;
    sse_puts(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Login</title>\n"
                  "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"></head><body>\n");
    if (name) sse_html(out, "<p>You are %s.</p><form method=\"post\" action=\"/logout\"><button>Log out</button></form>\n", name);
    else sse_puts(out, "<form method=\"post\" action=\"/login\"><input name=\"name\" aria-label=\"Name\" autocomplete=\"username\" required>\n"
                       "<input name=\"password\" type=\"password\" aria-label=\"Password\" autocomplete=\"current-password\" required>\n"
                       "<button>Log in</button></form>\n");
    sse_puts(out, "</body></html>\n");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("log in at http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .secret = getenv("SECRET"), .on_init = ready });
    if (getenv("PASSWORD")) ann = getenv("PASSWORD");
    sse_get(app, "/", page, NULL);
    sse_post(app, "/login", login, NULL);
    sse_post(app, "/logout", logout, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
