/* Elements of htmx and scripts for the browser: what is written, escaped and refused. What the
   scripts do, a browser tells. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static sse_buf out;

static void wrote(const char *want, const char *name) {
    is_str(out.error ? sse_error_text(out.error) : sse_buf_text(&out), want, name);
    sse_buf_free(&out);
}

static void failed(const char *name) {
    ok(out.error == SSE_E_ARG, "refused: %s", name);
    sse_buf_free(&out);
}

static void test_element(void) {
    sse_htmx_element(&out, "/feed", "message", NULL);
    wrote("<div hx-ext=\"sse\" sse-connect=\"/feed\" sse-swap=\"message\" hx-sse:connect=\"/feed\">"
          "</div>",
        "an element for htmx 2 and 4");
    sse_htmx_element(&out, "/feed?a=1&b=\"", "a,b'", "id=\"x\" hidden");
    wrote("<div hx-ext=\"sse\" sse-connect=\"/feed?a=1&amp;b=&quot;\" sse-swap=\"a,b&#39;\" "
          "hx-sse:connect=\"/feed?a=1&amp;b=&quot;\" id=\"x\" hidden></div>",
        "URL and names are escaped, attributes are not");
    sse_htmx_element(&out, "/feed", NULL, "");
    wrote("<div hx-sse:connect=\"/feed\"></div>", "an element for htmx 4 alone");
}

static void test_oob(void) {
    static const char *const wrong[] = {"", "a b", "1a", "-a", "a>", "a\"", "\xC3\xA9", "a/"};
    static const char *const right[] = {"a", "z", "A", "Z", "h1", "x-", "TR"};
    size_t                   i;
    sse_htmx_oob(&out, "status", "beforeend", "<b>&</b>", NULL);
    wrote("<div id=\"status\" hx-swap-oob=\"beforeend\"><b>&</b></div>", "an element out of band");
    sse_htmx_oob(&out, "a\"<", "x\">", NULL, "tbody");
    wrote("<tbody id=\"a&quot;&lt;\" hx-swap-oob=\"x&quot;&gt;\"></tbody>",
        "id and swap are escaped; another wrapper, nothing in it");
    sse_htmx_oob(&out, "a", NULL, "1", "my-box2");
    sse_htmx_oob(&out, "b", "", "2", NULL);
    wrote("<my-box2 id=\"a\" hx-swap-oob=\"innerHTML\">1</my-box2>"
          "<div id=\"b\" hx-swap-oob=\"innerHTML\">2</div>",
        "innerHTML unless said; several in a row");
    for (i = 0; i < SSE__COUNT(right); i++) {
        char want[100];
        snprintf(want, sizeof want, "<%s id=\"x\" hx-swap-oob=\"innerHTML\">1</%s>", right[i],
            right[i]);
        sse_htmx_oob(&out, "x", NULL, "1", right[i]);
        wrote(want, "a wrapper by the name of any element");
    }
    for (i = 0; i < SSE__COUNT(wrong); i++)
        sse_htmx_oob(&out, "a", NULL, "1", wrong[i]),
            failed("a wrapper that is no name of an element");
    sse_htmx_oob(&out, NULL, NULL, "1", NULL), failed("no target");
    sse_htmx_oob(&out, "", NULL, "1", NULL), failed("an empty target");
}

static void test_scripts(void) {
    static const struct {
        unsigned    bits;
        const char *part, *name;
    } parts[] = {
        {SSE_SCRIPT_UNLOAD | SSE_SCRIPT_TABS, "'pagehide'", "unload"},
        {SSE_SCRIPT_RECONNECT, "again = (reader, status) =>", "reconnect"},
        {SSE_SCRIPT_RECONNECT,
            "const settings = { retry: 500, maxRetry: 2000, maxRetries: 0, idle: 0 };\n",
            "its settings"},
        {SSE_SCRIPT_STATUS, "sse:status", "status"},
        {SSE_SCRIPT_STATS, "sse:stats", "stats"},
        {SSE_SCRIPT_TABS, "BroadcastChannel", "tabs"},
    };
    unsigned which, i;
    sse_scripts(&out, 0);
    wrote("", "no scripts");
    sse_scripts(&out, SSE_SCRIPT_BARE);
    wrote("", "no scripts, bare");
    for (which = 1; which < 64; which++) {
        const char *text;
        bool        right = true;
        if (which == SSE_SCRIPT_BARE) continue;
        sse_scripts(&out, which);
        text = sse_buf_text(&out);
        for (i = 0; i < SSE__COUNT(parts); i++)
            right =
                right && (strstr(text, parts[i].part) != NULL) == ((which & parts[i].bits) != 0);
        right =
            right && (strstr(text, "<script>\n(() => {\n") == text) == !(which & SSE_SCRIPT_BARE);
        right = right && (strstr(text, "</script>\n") != NULL) == !(which & SSE_SCRIPT_BARE);
        ok(right && strstr(text, "window.EventSource = Source;\n})();\n"),
            "scripts %u: what is asked for and no more", which);
        sse_buf_free(&out);
    }
    sse_scripts(&out, 64), failed("an unknown script");
}

static void has(const sse_script_options *options, const char *part, const char *name) {
    sse_scripts_with(&out, options);
    ok(!out.error && strstr(sse_buf_text(&out), part), "%s", name);
    sse_buf_free(&out);
}

static void test_script_options(void) {
    static const sse_script_options wrong[] = {
        {.which = 64},
        {.retry_ms = -1},
        {.max_retry_ms = -1},
        {.max_retries = -1},
        {.idle_ms = -1},
        {.max_retry_ms = 499},
        {.retry_ms = 2001, .max_retry_ms = 2000},
        {.nonce = ""},
        {.nonce = "a\nb"},
        {.nonce = "a\r"},
        {.retry_ms = 501, .max_retry_ms = 500},
        {.which = SSE_SCRIPT_STATUS | SSE_SCRIPT_BARE, .nonce = "a"},
        {.which = SSE_SCRIPT_STATUS, .retry_ms = 1},
        {.which = SSE_SCRIPT_STATUS, .max_retry_ms = 500},
        {.which = SSE_SCRIPT_STATUS, .max_retries = 1},
        {.which = SSE_SCRIPT_TABS, .idle_ms = 1},
    };
    static const sse_script_options right[] = {
        {.which = 0},
        {.retry_ms = 3000},
        {.retry_ms = 100, .max_retry_ms = 100, .max_retries = 7, .idle_ms = 60000},
        {.nonce = "a\"b"},
        {.max_retry_ms = 500},
        {.retry_ms = 2001},
        {.retry_ms = 1999},
        {.which = SSE_SCRIPT_RECONNECT | SSE_SCRIPT_STATUS, .retry_ms = 700},
    };
    sse_buf all = {0};
    size_t  i;
    sse_scripts(&all, SSE_SCRIPT_ALL);
    sse_scripts_with(&out, NULL);
    wrote(sse_buf_text(&all), "no options: all scripts");
    sse_scripts_with(&out, &right[0]);
    wrote(sse_buf_text(&all), "all defaults: the same");
    sse_buf_free(&all);
    has(&right[1], "{ retry: 3000, maxRetry: 3000, maxRetries: 0, idle: 0 }",
        "a long first wait is the longest, too");
    has(&right[2], "{ retry: 100, maxRetry: 100, maxRetries: 7, idle: 60000 }", "all settings");
    has(&right[3], "<script nonce=\"a&quot;b\">\n(() => {\n", "a nonce, made safe");
    has(&right[4], "{ retry: 500, maxRetry: 500, ", "the longest wait is the first one");
    has(&right[5], "{ retry: 2001, maxRetry: 2001, ", "a first wait of more than two seconds");
    has(&right[7], "{ retry: 700, ", "settings of scripts that are named");
    has(&right[6], "{ retry: 1999, maxRetry: 2000, ", "... and of less");
    for (i = 0; i < SSE__COUNT(wrong); i++)
        sse_scripts_with(&out, &wrong[i]), failed("options that mean nothing");
}

static void test_portable(void) {
    const size_t longest = 4095; /* C99 5.2.4.1 */
    size_t       i;
    for (i = 0; i < SSE__COUNT(sse__scripts) && strlen(sse__scripts[i].text) <= longest; i++) {
    }
    ok(i == SSE__COUNT(sse__scripts), "no script is longer than a literal may be"); /* X1 */
}

int main(void) {
    test_element();
    test_oob();
    test_scripts();
    test_script_options();
    test_portable();
    return tap_done();
}
