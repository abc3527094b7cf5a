/* Datastar content: the bytes of each formatter, and what is refused. The comparison with the SDK
   is in tests/datastar. */
#include <stddef.h>
static void *try_realloc(void *p, size_t n);
#define SSE_MALLOC(n)     try_realloc(NULL, n)
#define SSE_REALLOC(p, n) try_realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static long  fail_at; /* the Nth allocation from now fails; 0: none does */
static void *try_realloc(void *p, size_t n) {
    return fail_at && --fail_at == 0 ? NULL : realloc(p, n);
}

#define SCRIPT \
    "event: datastar-patch-elements\ndata: mode append\ndata: selector body\ndata: elements <script"

static sse_buf out;

static void wrote(int error, const char *want, const char *name) { /* DS2 */
    is_str(error ? sse_error_text(error) : sse_buf_text(&out), want, name);
    sse_buf_free(&out);
}

static void refused(int error, int want, const char *name) { /* DS1 */
    ok(error == want && out.len == 0 && out.error == SSE_OK, "refused: %s", name);
    if (error != want) printf("#   %s\n", sse_error_text(error));
    sse_buf_free(&out);
}

static sse_patch_options defaults(void) {
    sse_patch_options o;
    memset(&o, 0, sizeof o);
    return o;
}

static sse_event none(void) {
    sse_event e;
    memset(&e, 0, sizeof e);
    return e;
}

static void test_elements(void) {
    sse_patch_options o = defaults();
    wrote(sse_patch_elements(&out, "<div id=\"a\">1</div>", NULL),
        "event: datastar-patch-elements\ndata: elements <div id=\"a\">1</div>\n\n", "elements");
    wrote(sse_patch_elements(&out, "<p>\r\n1\r</p>\n", NULL),
        "event: datastar-patch-elements\ndata: elements <p>\ndata: elements 1\n"
        "data: elements </p>\ndata: elements \n\n",
        "elements of several lines");
    wrote(sse_patch_elements(&out, "", NULL), "event: datastar-patch-elements\ndata: elements \n\n",
        "a view that renders nothing is an event, too");
    o.selector = "#a, b > c", o.mode = SSE_INNER, o.ns = "svg", o.view_transition = true,
    o.view_transition_selector = "#main";
    wrote(sse_patch_elements(&out, "x", &o),
        "event: datastar-patch-elements\ndata: selector #a, b > c\ndata: mode inner\n"
        "data: namespace svg\ndata: useViewTransition true\n"
        "data: viewTransitionSelector #main\ndata: elements x\n\n",
        "all options, in this order");
    o.view_transition = false;
    wrote(sse_patch_elements(&out, "x", &o),
        "event: datastar-patch-elements\ndata: selector #a, b > c\ndata: mode inner\n"
        "data: namespace svg\ndata: useViewTransition true\n"
        "data: viewTransitionSelector #main\ndata: elements x\n\n",
        "the root of a transition asks for one");
    o = defaults();
    o.selector = "", o.ns = "html", o.view_transition_selector = "", o.attributes = "no",
    o.only_if_missing = o.keep_script = true;
    wrote(sse_patch_elements(&out, "x", &o), "event: datastar-patch-elements\ndata: elements x\n\n",
        "defaults and the options of others are not written");
    o.ns = "mathml";
    wrote(sse_patch_elements(&out, "x", &o),
        "event: datastar-patch-elements\ndata: namespace mathml\ndata: elements x\n\n",
        "the third namespace");
    wrote(sse_remove_elements(&out, "#a"),
        "event: datastar-patch-elements\ndata: selector #a\ndata: mode remove\n\n",
        "remove needs no elements");
    o = defaults();
    o.selector = "#a", o.mode = SSE_REMOVE;
    wrote(sse_patch_elements(&out, "<b>", &o),
        "event: datastar-patch-elements\ndata: selector #a\ndata: mode remove\n"
        "data: elements <b>\n\n",
        "... but may have some");
}

static void test_modes(void) {
    static const char *const names[] = {"outer", "inner", "replace", "prepend", "append", "before",
        "after", "remove"};
    int                      mode;
    for (mode = SSE_OUTER; mode <= SSE_REMOVE; mode++) {
        sse_patch_options o = defaults();
        char              want[200];
        o.mode = (sse_mode)mode, o.selector = "#a";
        if (mode == SSE_OUTER)
            snprintf(want, sizeof want,
                "event: datastar-patch-elements\ndata: selector #a\ndata: elements x\n\n");
        else
            snprintf(want, sizeof want,
                "event: datastar-patch-elements\ndata: selector #a\ndata: mode %s\n"
                "data: elements x\n\n",
                names[mode]);
        wrote(sse_patch_elements(&out, "x", &o), want, names[mode]);
        o.selector = NULL;
        if (mode == SSE_OUTER || mode == SSE_REPLACE)
            ok(sse_patch_elements(&out, "x", &o) == SSE_OK, "%s goes by ids", names[mode]),
                sse_buf_free(&out);
        else refused(sse_patch_elements(&out, "x", &o), SSE_E_ARG, "this mode without a selector");
    }
}

static void test_elements_refused(void) {
    static const char *const breaks[] = {"a\nb", "a\rb", "a\r\n", "\ndata: elements <script>"};
    sse_patch_options        o;
    size_t                   i;
    for (i = 0; i < SSE__COUNT(breaks); i++) {
        o = defaults(), o.selector = breaks[i];
        refused(sse_patch_elements(&out, "x", &o), SSE_E_FIELD, "a line break in selector");
        o = defaults(), o.ns = breaks[i];
        refused(sse_patch_elements(&out, "x", &o), SSE_E_FIELD, "a line break in ns");
        o = defaults(), o.view_transition_selector = breaks[i];
        refused(sse_patch_elements(&out, "x", &o), SSE_E_FIELD,
            "a line break in view_transition_selector");
        refused(sse_remove_elements(&out, breaks[i]), SSE_E_FIELD,
            "a line break in what is removed");
    }
    o = defaults(), o.ns = "xhtml";
    refused(sse_patch_elements(&out, "x", &o), SSE_E_ARG, "an unknown namespace");
    o = defaults(), o.mode = (sse_mode)8, o.selector = "#a";
    refused(sse_patch_elements(&out, "x", &o), SSE_E_ARG, "an unknown mode");
    refused(sse_patch_elements(&out, NULL, NULL), SSE_E_ARG, "NULL elements");
    refused(sse_remove_elements(&out, NULL), SSE_E_ARG, "remove what");
    refused(sse_remove_elements(&out, ""), SSE_E_ARG, "remove what, empty");
}

static void test_signals(void) {
    static const char *const deep[] = {"user.name", "count", "user.mail.work", "a",
        "user.mail.home", "a.b", "user.name"};
    static const char *const odd[] = {"a\"b\\", "\xC3\xA9t\xC3\xA9", "userx", "user"};
    static const char *const wrong[] = {"", ".", ".a", "a.", "a..b"};
    sse_patch_options        o = defaults();
    const char              *missing = NULL;
    char                     name[200];
    const char              *long_name = name;
    size_t                   i;
    wrote(sse_patch_signals(&out, "{\"a\":1}", NULL),
        "event: datastar-patch-signals\ndata: signals {\"a\":1}\n\n", "signals");
    o.only_if_missing = true, o.selector = "#no\n";
    wrote(sse_patch_signals(&out, "{\r\n}", &o),
        "event: datastar-patch-signals\ndata: onlyIfMissing true\ndata: signals {\n"
        "data: signals }\n\n",
        "only if missing, two lines");
    refused(sse_patch_signals(&out, "", NULL), SSE_E_ARG, "empty signals");
    refused(sse_patch_signals(&out, " \r\n", NULL), SSE_E_ARG, "blank signals");
    refused(sse_patch_signals(&out, NULL, NULL), SSE_E_ARG, "NULL signals");
    refused(sse_patch_signals(&out, "{a:1}", NULL), SSE_E_ARG, "JavaScript");
    refused(sse_patch_signals(&out, "{\"a\":1} x", NULL), SSE_E_ARG, "something behind the JSON");
    refused(sse_patch_signals(&out, "[1]", NULL), SSE_E_ARG, "JSON that is no object");
    refused(sse_patch_signals(&out, "null", NULL), SSE_E_ARG, "null");
    wrote(sse_remove_signals(&out, deep, 7),
        "event: datastar-patch-signals\n"
        "data: signals {\"user\":{\"name\":null,\"mail\":{\"work\":null,\"home\":null}},"
        "\"count\":null,\"a\":null}\n\n",
        "names nest, meet, and take what is below them along");
    wrote(sse_remove_signals(&out, odd, 4),
        "event: datastar-patch-signals\n"
        "data: signals {\"a\\\"b\\\\\":null,\"\xC3\xA9t\xC3\xA9\":null,\"userx\":null,"
        "\"user\":null}\n\n",
        "names that need escaping, names that begin alike");
    for (i = 0; i < SSE__COUNT(wrong); i++)
        refused(sse_remove_signals(&out, &wrong[i], 1), SSE_E_FIELD, "a name with an empty part");
    refused(sse_remove_signals(&out, &missing, 1), SSE_E_FIELD, "a NULL name");
    refused(sse_remove_signals(&out, deep, 0), SSE_E_ARG, "no names");
    refused(sse_remove_signals(&out, deep, -1), SSE_E_ARG, "fewer than none");
    refused(sse_remove_signals(&out, NULL, 1), SSE_E_ARG, "no list of them");
    for (i = 0; i < sizeof name - 1; i++) name[i] = i % 2 ? '.' : 'a';
    name[127] = '\0'; /* 64 parts */
    ok(sse_remove_signals(&out, &long_name, 1) == SSE_OK, "64 levels"), sse_buf_free(&out);
    name[127] = '.', name[129] = '\0';
    refused(sse_remove_signals(&out, &long_name, 1), SSE_E_FIELD, "65 levels");
}

static void test_scripts(void) {
    static const char *const wrong[] = {"</script>", "'</ScRiPt'", "a</script", "<!--", "x <!-- y",
        "</scrip</script"};
    static const char *const fine[] = {"</scrip", "<script>", "a<b", "<", "<!-", "<\\/script>",
        "</ script>"};
    sse_patch_options        o = defaults();
    sse_event                e = none();
    size_t                   i;
    wrote(sse_execute_script(&out, "f()", NULL),
        SCRIPT " data-effect=\"el.remove()\">f()</script>\n\n", "script");
    o.attributes = "type=\"module\"\nasync", o.keep_script = true;
    wrote(sse_execute_script(&out, "f()\rg()", &o),
        SCRIPT " type=\"module\"\ndata: elements async>f()\ndata: elements g()</script>\n\n",
        "attributes, kept, two lines");
    o.keep_script = false, o.attributes = "a";
    wrote(sse_execute_script(&out, "", &o), SCRIPT " a data-effect=\"el.remove()\"></script>\n\n",
        "an empty script");
    for (i = 0; i < SSE__COUNT(wrong); i++)
        refused(sse_execute_script(&out, wrong[i], NULL), SSE_E_FIELD, wrong[i]);
    for (i = 0; i < SSE__COUNT(fine); i++)
        ok(sse_execute_script(&out, fine[i], NULL) == SSE_OK, "script %s", fine[i]),
            sse_buf_free(&out);
    e.script = "f()</script>", e.data_len = 3;
    wrote(sse_event_write(&out, &e), SCRIPT " data-effect=\"el.remove()\">f()</script>\n\n",
        "a script ends where its length says");
    refused(sse_execute_script(&out, NULL, NULL), SSE_E_ARG, "NULL script");
}

static void test_redirect(void) {
    static const char *const wrong[] = {"a\nb", "java\tscript:x", "\x01javascript:x",
        "javascript:x", "  JavaScript:x"};
    size_t                   i;
    wrote(sse_navigate(&out, "/login?a=1&b=2#c"),
        SCRIPT " data-effect=\"el.remove()\">setTimeout(() => window.location.href = \"/login?a=1&"
               "b=2#c\")</script>\n\n",
        "redirect");
    wrote(sse_navigate(&out, "/\"</script>'\\"),
        SCRIPT " data-effect=\"el.remove()\">setTimeout(() => window.location.href = "
               "\"/\\\"\\u003c/script>'\\\\\")</script>\n\n",
        "a URL cannot leave its string");
    ok(sse_navigate(&out, "/javascript:") == SSE_OK, "javascript: is a scheme only in front"),
        sse_buf_free(&out);
    for (i = 0; i < SSE__COUNT(wrong); i++)
        refused(sse_navigate(&out, wrong[i]), SSE_E_FIELD,
            "redirect to a script or past a control character");
    refused(sse_navigate(&out, ""), SSE_E_ARG, "redirect to nowhere");
    refused(sse_navigate(&out, NULL), SSE_E_ARG, "redirect to NULL");
}

static void test_events(void) {
    sse_event         e = none();
    sse_patch_options o = defaults();
    o.attributes = "nonce=\"1\"";
    e.elements = "<p>", e.id = "7", e.retry_ms = 1000, e.comment = "c";
    wrote(sse_event_write(&out, &e),
        ": c\nevent: datastar-patch-elements\nid: 7\ndata: elements <p>\n\n",
        "id; a retry of 1000 is Datastar's default");
    e.retry_ms = 999;
    wrote(sse_event_write(&out, &e),
        ": c\nevent: datastar-patch-elements\nid: 7\nretry: 999\ndata: elements <p>\n\n",
        "another retry is written");
    e.data_len = 2;
    wrote(sse_event_write(&out, &e),
        ": c\nevent: datastar-patch-elements\nid: 7\nretry: 999\ndata: elements <p\n\n",
        "a length of elements");
    e = none(), e.redirect = "/a", e.id = "", e.retry_ms = 5, e.patch = &o;
    wrote(sse_event_write(&out, &e),
        "event: datastar-patch-elements\nid: \nretry: 5\ndata: mode append\ndata: selector body\n"
        "data: elements <script nonce=\"1\" data-effect=\"el.remove()\">"
        "setTimeout(() => window.location.href = \"/a\")</script>\n\n",
        "a redirect with id, retry and attributes");
    e = none(), e.elements = "a", e.signals = "{}";
    refused(sse_event_write(&out, &e), SSE_E_ARG, "two contents");
    e = none(), e.script = "a", e.data = "b";
    refused(sse_event_write(&out, &e), SSE_E_ARG, "content and data");
    e = none(), e.redirect = "/", e.event = "b";
    refused(sse_event_write(&out, &e), SSE_E_ARG, "content and a name");
    e = none(), e.elements = "a", e.id = "b\n";
    refused(sse_event_write(&out, &e), SSE_E_FIELD, "a line break in the id of elements");
    e = none(), e.signals = "{\"a\":1}, {\"b\":2}", e.data_len = 7;
    wrote(sse_event_write(&out, &e), "event: datastar-patch-signals\ndata: signals {\"a\":1}\n\n",
        "a length of signals");
    e.data_len = 6;
    refused(sse_event_write(&out, &e), SSE_E_ARG, "signals cut before their end");
    e = none(), e.redirect = "/a", e.patch = &o, o = defaults(), o.keep_script = true;
    wrote(sse_event_write(&out, &e),
        SCRIPT ">setTimeout(() => window.location.href = \"/a\")</script>\n\n",
        "the script of a redirect may stay, too");
}

/* What is refused is told in words that name the field, also where there is no app to log them. */
static void test_words(void) {
    sse_patch_options line = defaults(), transition = defaults(), space = defaults(),
                      strange = defaults(), mode = defaults(), inner = defaults();
    sse_event   e[24];
    const char *why;
    size_t      i;
    static const struct {
        int         error;
        const char *words;
    } want[SSE__COUNT(e)] = {
        {SSE_OK, ""},
        {SSE_E_ARG, "there is nothing in it"},
        {SSE_E_FIELD, ".event holds a line break"},
        {SSE_E_FIELD, ".id holds a control character, or a blank at an end"},
        {SSE_E_FIELD, ".id holds a control character, or a blank at an end"},
        {SSE_E_ARG, ".retry_ms is negative"},
        {SSE_E_ARG,
            "two of .data or .event, .elements, .signals, .script, .redirect: send two events"},
        {SSE_E_ARG, ".patch without .elements, .signals, .script or .redirect: to remove, "
                    ".elements is \"\""},
        {SSE_E_FIELD, ".patch: .selector holds a line break"},
        {SSE_E_FIELD, ".patch: .view_transition_selector holds a line break"},
        {SSE_E_FIELD, ".patch: .ns holds a line break"},
        {SSE_E_ARG, ".patch: .ns is none of html, svg, mathml"},
        {SSE_E_ARG, ".patch: .mode is none of sse_mode"},
        {SSE_E_ARG, ".patch: this .mode needs a .selector"},
        {SSE_E_ARG, ".signals are no JSON object, or nest too deep"},
        {SSE_E_ARG, ".signals are no JSON object, or nest too deep"},
        {SSE_E_FIELD, ".script holds </script or <!--"},
        {SSE_E_ARG, ".redirect is empty, javascript: or holds a control character"},
        {SSE_E_FIELD, ".redirect is empty, javascript: or holds a control character"},
        {SSE_E_FIELD, ".redirect is empty, javascript: or holds a control character"},
        {SSE_OK, ""},
        {SSE_OK, ""},
        {SSE_E_ARG, ".patch without .elements, .signals, .script or .redirect: to remove, "
                    ".elements is \"\""},
        {SSE_E_ARG, ".patch without .elements, .signals, .script or .redirect: to remove, "
                    ".elements is \"\""},
    };
    for (i = 0; i < SSE__COUNT(e); i++) e[i] = none();
    line.selector = "a\nb", transition.view_transition_selector = "a\rb", space.ns = "svg\n";
    strange.ns = "xml", mode.mode = (sse_mode)99, inner.mode = SSE_INNER;
    e[0].data = "x";
    e[2].data = "x", e[2].event = "a\nb";
    e[3].data = "x", e[3].id = "a\nb";
    e[4].data = "x", e[4].id = " a";
    e[5].data = "x", e[5].retry_ms = -1;
    e[6].data = "x", e[6].elements = "y";
    e[7].patch = &line;
    e[8].elements = "x", e[8].patch = &line;
    e[9].elements = "x", e[9].patch = &transition;
    e[10].elements = "x", e[10].patch = &space;
    e[11].elements = "x", e[11].patch = &strange;
    e[12].elements = "x", e[12].patch = &mode;
    e[13].elements = "x", e[13].patch = &inner;
    e[14].signals = "[]";
    e[15].signals = "{";
    e[16].script = "</script>";
    e[17].redirect = "";
    e[18].redirect = "javascript:x";
    e[19].redirect = "a\nb";
    e[20].comment = "x";
    e[21].redirect = "/a";
    e[22].data = "x", e[22].patch = &inner;
    e[23].event = "x", e[23].patch = &inner;
    for (i = 0; i < SSE__COUNT(e); i++) {
        why = NULL;
        is_int(sse_event_check(&e[i], &why), want[i].error, want[i].words);
        is_str(why, want[i].words, "... in words");
        is_int(sse_event_check(&e[i], NULL), want[i].error, "... which need not be asked for");
        is_int(sse_event_write(&out, &e[i]), want[i].error, "... as the one who writes it says");
        ok(out.error == SSE_OK && (out.len == 0) == (want[i].error != SSE_OK),
            "... and a refusal leaves the buffer as it was");
        sse_buf_free(&out);
    }
    is_int(sse_event_check(NULL, &why), SSE_E_ARG, "no event");
    is_str(why, "the event is NULL", "... in words");
}

static void test_follow(void) {
    static const char *const nowhere[] = {NULL, ""};
    size_t                   i;
    sse_follow(&out, "/room?name=it's \"&<b>");
    ok(!out.error && strncmp(sse_buf_text(&out), "data-init=\"", 11) == 0,
        "attributes, without an element");
    ok(strstr(sse_buf_text(&out),
           "@get('\\x2froom\\x3fname\\x3dit\\x27s \\x22\\x26\\x3cb\\x3e', {"),
        "that get the stream, its URL made safe");
    ok(strstr(sse_buf_text(&out), "retry: 'always'") &&
            strstr(sse_buf_text(&out), "retryMaxCount: Infinity"),
        "for good");
    ok(strstr(sse_buf_text(&out), "data-on:datastar-fetch=\"") &&
            strstr(sse_buf_text(&out), "$_offline"),
        "and tell when it is away");
    sse_buf_free(&out);
    for (i = 0; i < 2; i++) {
        sse_follow(&out, nowhere[i]);
        ok(out.error == SSE_E_ARG, "no URL is refused");
        sse_buf_free(&out);
    }
}

static void test_no_memory(void) {
    static const char *const names[] = {"user.name",
        "a.rather.long.name.that.makes.the.buffer.grow.more.than.once", "user.mail"};
    long                     n;
    int                      refusals = 0, error = -1;
    for (n = 1; error && n < 100; n++) {
        fail_at = n;
        error = sse_remove_signals(&out, names, 3);
        fail_at = 0;
        refusals += error == SSE_E_NOMEM && out.len == 0;
        if (error) sse_buf_free(&out);
    }
    ok(refusals >= 3 && refusals == n - 2,
        "each allocation that fails: SSE_E_NOMEM and nothing appended");
    sse_buf_free(&out);
}

static void test_lacks_id(void) { /* the first element, as far as it is well-formed */
    static const char *const lacking[] = {"<p>", "<p>x</p>", " <p>", "x", "<!-->--", "<p id>",
        "<p id=>", "<p id=\"\">", "<p id=''>", "<p class=id>", "<p class=\"id=a\">",
        "<p class='id=\"a\"'>", "<p id\t>", "<p/>", "<p / >", "<p data-id=a>", "<p idx=a>",
        "<p i=a>", "<p title='>' class=a>", "<!-- <p id=a> --><p>", "<!doctype html><p>",
        "<!-- a > b --><p>", "<!-- a --- b -> c --><p>", "<P CLASS=A>", "<z>", "<a>", "<Z>", "<A>",
        "<p a=b id>", "<p ==a>", "<p = id=''>", "<1 id=a>", "< p id=a>", "<heads>", "<p a = b>",
        "<p\nid\n=\n''\n>"};
    static const char *const fine[] = {"<p id=a>", "<p id=\"a\">", "<p id='a'>", "<P ID=a>",
        "<p class=b id=a>", "<p class=\"b\" id=a>", "<p class='b'id=a>", "<p a id=b>",
        "<p id = \"a\">", "<p\nid\n=\na>", "<p/id=a>", "<p title='>' id=a>", "<p title=\">\" id=a>",
        "<!-- x --><p id=a>", "<!-- a > b --><p id=a>", "<!-----><p id=a>",
        "<!-- -> <p> --><p id=a>", "<!-- - > <p> --><p id=a>", "<!-- --<p> --><p id=a>",
        "<!x><p id=a>", "<html>", "<head>", "<body>", "<body class=a>", "<HTML>", "", " ",
        "\t\r\n\f", "<!-- x -->", "<!---->", "<p", "<p ", "<p id", "<p id=", "<p class=\"a>",
        "<p class=a", "<!-- x", "<!x", "<!-", "<!", "<!-->", "x<p id=a>", "<p class='a",
        "<p class =", "<p a=b\"c id=d>"};
    size_t                   i;
    for (i = 0; i < SSE__COUNT(lacking); i++) {
        char *exact = (char *)malloc(strlen(lacking[i]) + 1); /* of its size, for the sanitizer */
        memcpy(exact, lacking[i], strlen(lacking[i]));
        ok(sse__html_lacks_id(sse__str(exact, strlen(lacking[i]))), "no id: %s", lacking[i]);
        free(exact);
    }
    for (i = 0; i < SSE__COUNT(fine); i++) {
        char *exact = (char *)malloc(strlen(fine[i]) + 1);
        memcpy(exact, fine[i], strlen(fine[i]));
        ok(!sse__html_lacks_id(sse__str(exact, strlen(fine[i]))), "fine: %s", fine[i]);
        free(exact);
    }
    ok(!sse__html_lacks_id(sse__text(NULL)), "fine: nothing at all");
}

int main(void) {
    test_elements();
    test_lacks_id();
    test_modes();
    test_elements_refused();
    test_signals();
    test_scripts();
    test_redirect();
    test_events();
    test_words();
    test_follow();
    test_no_memory();
    return tap_done();
}
