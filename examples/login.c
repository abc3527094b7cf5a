/* login.c: a form, a signed cookie, and a page for who is logged in. The forms need no token: a
   POST from a page of another origin is refused before its handler runs. PASSWORD is ann's, SECRET
   keeps sessions over a restart. PORT=-1 lets the system choose a port. */
#define SSE_IMPLEMENTATION
#include "sse.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Login</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\n"
    "<style>:root { color-scheme: light dark } label { display: block; margin: 0 0 1rem }\n"
    "body { font: 1.1rem system-ui; max-width: 20rem; margin: 3rem auto; padding: 0 1rem }\n"
    "input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem;\n"
    "                border-radius: .5rem; border: 1px solid gray }\n"
    "button { background: #2563eb; color: white; border: 0 }\n"
    "[role=alert] { color: light-dark(#b91c1c, #fca5a5) }</style></head><body>\n";

static const char page_form[] =
    "<form method=\"post\" action=\"/login\">\n"
    "<label>Name <input name=\"name\" autocomplete=\"username\" required></label>\n"
    "<label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\"\n"
    "                       required></label>\n"
    "<button>Log in</button></form>\n";

static sse_buf ann;                                       // the hash of her password

static const char *hash_of(const char *name) {            // elsewhere a column of a table
    return strcmp(name, "ann") == 0 ? sse_buf_text(&ann) : NULL;
}

typedef struct attempt {
    sse_req    *req;
    const char *name, *password, *hash;
    bool        right;
} attempt;

static void check(sse_app *app, void *user) {             // on a thread: half a second
    attempt *a = (attempt *)user;
    (void)app;
    a->right = sse_password_check(a->password, a->hash, 0);
}

static void checked(sse_app *app, void *user) {           // on the loop
    attempt *a   = (attempt *)user;
    sse_req *req = a->req;
    (void)app;
    if (a->right)
        sse_set_cookie_signed(req, "session", sse_fmt(req, "session:%s", a->name), NULL);
    sse_redirect(req, a->right ? "/" : "/?wrong");
    sse_finish(req);
    free(a);
}

static void login(sse_req *req, void *user) {             // POST /login
    const char *name = sse_form(req, "name"), *password = sse_form(req, "password");
    attempt *a = (attempt *)calloc(1, sizeof *a);
    (void)user;
    if (a && name && password) {
        *a = (attempt){ req, name, password, hash_of(name), false };
        if (sse_offload(sse_req_app(req), check, checked, a) == 0) {
            sse_defer(req);
            return;
        }
        sse_fail(req, 503, "too many log in, try again");
    } else sse_redirect(req, "/?wrong");
    free(a);
}

static void logout(sse_req *req, void *user) {            // POST /logout
    (void)user;
    sse_cookie_delete(req, "session", NULL);
    sse_redirect(req, "/");
}

static const char *logged_in(sse_req *req) {              // NULL: nobody, or too long ago
    const char *session = sse_cookie_signed(req, "session", 86400);
    return session && strncmp(session, "session:", 8) == 0 ? session + 8 : NULL;
}

static void page(sse_req *req, void *user) {
    const char *name = logged_in(req);
    sse_buf    *out  = sse_out(req);
    (void)user;
    sse_puts(out, page_head);
    if (!name && sse_query(req, "wrong"))
        sse_puts(out, "<p role=\"alert\">The name or the password is wrong.</p>\n");
    if (!name) sse_puts(out, page_form);
    else sse_html(out, "<p>You are %s.</p><form method=\"post\" action=\"/logout\">\n"
                       "<button>Log out</button></form>\n", name);
    sse_puts(out, "</body></html>\n");
}

static void ready(sse_app *app, void *user) {
    (void)user;
    printf("log in at http://127.0.0.1:%d\n", sse_port(app));
    fflush(stdout);
}

int main(void) {
    sse_app *app = sse_app_new(&(sse_app_options){ .secret = getenv("SECRET"), .on_init = ready });
    sse_password_hash(&ann, getenv("PASSWORD") ? getenv("PASSWORD") : "secret", 0);
    sse_get(app, "/", page, NULL);
    sse_post(app, "/login", login, NULL);
    sse_post(app, "/logout", logout, NULL);
    return sse_serve(app, &(sse_serve_options){ .port = (int)sse_parse_int(getenv("PORT"), 8000) });
}
