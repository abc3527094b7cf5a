/* Tests of >>json: RFC 8259's grammar with the first wrong byte, the depth limit, values by path,
   text for C. */
#include <stddef.h>
static void *test_malloc(size_t n);
#define SSE_MALLOC(n)     test_malloc(n)
#define SSE_REALLOC(p, n) realloc(p, n)
#define SSE_FREE(p)       free(p)
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "../tap.h"

static bool alloc_fails;
static int  allocs_left = -1; /* the one after these fails; -1: none */

static void *test_malloc(size_t n) {
    if (alloc_fails || (allocs_left >= 0 && allocs_left-- == 0)) return NULL;
    return malloc(n);
}

static uint32_t seed = 20240607;

static unsigned pick(unsigned n) { /* 0 to n - 1, the same in every run */
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

/* Checks a copy that ends where its memory ends, so that the sanitizer sees a byte read too far. */
static int check(const char *text, size_t n, size_t *offset) {
    char *copy = (char *)malloc(n ? n : 1);
    int   error;
    if (n) memcpy(copy, text, n);
    error = sse__json_check(sse__str(copy, n), offset);
    free(copy);
    return error;
}

/* ---- a second opinion: an automaton that is fed byte by byte --------------------------------- */

enum state {
    VALUE,
    VALUE_OR_CLOSE,
    KEY,
    KEY_OR_CLOSE,
    COLON,
    AFTER,
    STRING,
    ESCAPE,
    HEX,
    UTF8,
    MINUS,
    ZERO,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    SIGN,
    POWER,
    WORD
};

typedef struct automaton {
    enum state    state;
    int           depth, left; /* left: digits of \u or bytes of UTF-8 to come */
    bool          key;         /* the string being read is a name */
    size_t        lead;        /* where a sequence of UTF-8 began */
    const char   *word;
    unsigned char low, high;
    char          stack[SSE_JSON_DEPTH];
} automaton;

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool close_with(automaton *a, char c) {
    if (!a->depth || a->stack[a->depth - 1] != c) return false;
    a->depth--;
    a->state = AFTER;
    return true;
}

static bool begin(automaton *a, char c) {
    switch (c) {
    case '"':
        a->key = false;
        a->state = STRING;
        return true;
    case '-': a->state = MINUS; return true;
    case '0': a->state = ZERO; return true;
    case 't':
        a->word = "rue";
        a->state = WORD;
        return true;
    case 'f':
        a->word = "alse";
        a->state = WORD;
        return true;
    case 'n':
        a->word = "ull";
        a->state = WORD;
        return true;
    case '{':
    case '[':
        if (a->depth == SSE_JSON_DEPTH) return false;
        a->stack[a->depth++] = c == '{' ? '}' : ']';
        a->state = c == '{' ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
        return true;
    default: a->state = INTEGER; return is_digit(c);
    }
}

static bool feed_utf8(automaton *a, unsigned char c) {
    a->low = 0x80;
    a->high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF) a->left = 1;
    else if (c >= 0xE0 && c <= 0xEF) a->left = 2;
    else if (c >= 0xF0 && c <= 0xF4) a->left = 3;
    else return false;
    if (c == 0xE0) a->low = 0xA0;
    if (c == 0xED) a->high = 0x9F;
    if (c == 0xF0) a->low = 0x90;
    if (c == 0xF4) a->high = 0x8F;
    a->state = UTF8;
    return true;
}

static bool feed(automaton *a, char ch) {
    const unsigned char c = (unsigned char)ch;
    switch (a->state) {
    case VALUE_OR_CLOSE:
        if (is_space(c) || close_with(a, ch)) return true;
        return begin(a, ch);
    case VALUE: return is_space(c) || begin(a, ch);
    case KEY_OR_CLOSE:
        if (close_with(a, ch)) return true; /* fall through */
    case KEY:
        if (is_space(c)) return true;
        a->key = true;
        a->state = STRING;
        return c == '"';
    case COLON:
        if (is_space(c)) return true;
        a->state = VALUE;
        return c == ':';
    case STRING:
        if (c == '"') a->state = a->key ? COLON : AFTER;
        else if (c == '\\') a->state = ESCAPE;
        else if (c >= 0x80) return feed_utf8(a, c);
        return c >= 0x20;
    case ESCAPE:
        a->state = c == 'u' ? HEX : STRING;
        a->left = 4;
        return c && strchr("\"\\/bfnrtu", c);
    case HEX:
        if (--a->left == 0) a->state = STRING;
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    case UTF8:
        if (c < a->low || c > a->high) return false;
        a->low = 0x80;
        a->high = 0xBF;
        if (--a->left == 0) a->state = STRING;
        return true;
    case WORD:
        if (c != (unsigned char)*a->word++) return false;
        if (!*a->word) a->state = AFTER;
        return true;
    case MINUS: a->state = c == '0' ? ZERO : INTEGER; return is_digit(c);
    case POINT: a->state = FRACTION; return is_digit(c);
    case SIGN: a->state = POWER; return is_digit(c);
    case EXPONENT:
        a->state = c == '+' || c == '-' ? SIGN : POWER;
        return c == '+' || c == '-' || is_digit(c);
    case ZERO:
    case INTEGER:
    case FRACTION:
    case POWER:
        if (is_digit(c) && a->state != ZERO) return true;
        if (c == '.' && (a->state == ZERO || a->state == INTEGER)) {
            a->state = POINT;
            return true;
        }
        if ((c == 'e' || c == 'E') && a->state != POWER) {
            a->state = EXPONENT;
            return true;
        }
        a->state = AFTER; /* fall through */
    case AFTER:
        if (is_space(c) || close_with(a, ch)) return true;
        if (c != ',' || !a->depth) return false;
        a->state = a->stack[a->depth - 1] == '}' ? KEY : VALUE;
        return true;
    }
    return false;
}

/* true: JSON; otherwise *offset is the first wrong byte */
static bool second_opinion(const char *text, size_t n, size_t *offset) {
    automaton a;
    memset(&a, 0, sizeof a);
    for (*offset = 0; *offset < n; ++*offset) {
        enum state before = a.state;
        if (!feed(&a, text[*offset])) {
            if (before == UTF8) *offset = a.lead;
            return false;
        }
        if (a.state == UTF8 && before != UTF8) a.lead = *offset;
    }
    if (a.state == UTF8) *offset = a.lead;
    return !a.depth && (a.state == AFTER || a.state == ZERO || a.state == INTEGER ||
                           a.state == FRACTION || a.state == POWER);
}

/* ---- a generator that knows where each value lies -------------------------------------------- */

typedef struct entry {
    char   path[200];
    size_t from, len;
} entry;
typedef struct document {
    sse_buf text;
    entry   entries[4000];
    int     count;
} document;

static void put_space(document *d) {
    while (pick(6) == 0) sse__put_char(&d->text, " \t\r\n"[pick(4)]);
}

static void put_string(document *d) {
    static const char *const some[] = {"a", "Z", " ", "\\\"", "\\\\", "\\/", "\\b\\f\\n\\r\\t",
        "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\ud800", "\xC3\xA9", "\xE2\x82\xAC",
        "\xF0\x9F\x98\x80", "\x7F", "{", "]", ",", ":", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"};
    unsigned                 n = pick(6);
    sse__put_char(&d->text, '"');
    while (n--) sse_puts(&d->text, some[pick(SSE__COUNT(some))]);
    sse__put_char(&d->text, '"');
}

static void put_scalar(document *d) {
    static const char *const some[] = {"0", "-0", "7", "-12", "0.5", "1e5", "1E-5", "-3.25e+10",
        "0e0", "123456789012345678901234567890", "true", "false", "null"};
    if (pick(3) == 0) put_string(d);
    else sse_puts(&d->text, some[pick(SSE__COUNT(some))]);
}

/* The entries of an earlier member of the same name. */
static void forget(document *d, const char *path) {
    size_t n = strlen(path);
    int    i, to = 0;
    for (i = 0; i < d->count; i++) {
        const char *p = d->entries[i].path;
        if (strncmp(p, path, n) || (p[n] && p[n] != '.')) d->entries[to++] = d->entries[i];
    }
    d->count = to;
}

static void put_value(document *d, const char *path, int depth) {
    static const struct {
        const char *name, *step;
    } keys[] = {
        {"a", "a"},
        {"b", "b"},
        {"0", "0"},
        {"\\u0061", "a"},
        {"a.b", "a\\.b"},
        {"\\\\", "\\\\"},
        {"\\u00E9", "\xC3\xA9"},
        {"\xC3\xA9", "\xC3\xA9"},
        {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
        {"\\udc00", "\xEF\xBF\xBD"},
    };
    size_t   from, n, i;
    unsigned kind = depth > 6 || strlen(path) > 150 ? 2 : pick(4);
    char     step[200];
    put_space(d);
    from = d->text.len;
    if (kind >= 2 && depth) put_scalar(d);
    else {
        sse__put_char(&d->text, kind == 0 ? '[' : '{');
        for (n = pick(5), i = 0; i < n; i++) {
            const size_t k = pick(SSE__COUNT(keys));
            if (i) sse__put_char(&d->text, ',');
            if (kind == 0) snprintf(step, sizeof step, "%s%s%d", path, *path ? "." : "", (int)i);
            else {
                snprintf(step, sizeof step, "%s%s%s", path, *path ? "." : "", keys[k].step);
                put_space(d);
                sse_printf(&d->text, "\"%s\"", keys[k].name);
                put_space(d);
                sse__put_char(&d->text, ':');
            }
            forget(d, step);
            put_value(d, step, depth + 1);
        }
        put_space(d);
        sse__put_char(&d->text, kind == 0 ? ']' : '}');
    }
    if (d->count < (int)SSE__COUNT(d->entries)) {
        entry *e = &d->entries[d->count++];
        snprintf(e->path, sizeof e->path, "%s", path);
        e->from = from;
        e->len = d->text.len - from;
    }
    put_space(d);
}

static document doc;

static void make_document(void) {
    doc.text.len = 0;
    doc.count = 0;
    put_value(&doc, "", 0);
}

/* Whether an index and a scan find the same for a path. */
static bool as_scanned(const sse__json_index *x, const char *path) {
    sse_str       value;
    const sse_str found = sse__json_find(x, path);
    (void)sse_json_get(x->text, path, &value);
    return found.ptr == value.ptr && (!found.ptr || found.len == value.len);
}

static void indexed(void) { /* JS4 */
    static const char *const texts[] = {"7", " [] ", "{}", "[[0,1],[2,[3]]]",
        "{\"a\":{\"b\":1},\"a\":2}", "{\"a\":2,\"a\":{\"b\":1,\"b\":{}}}", "{\"\":{\"\":1}}",
        "{\"a.b\":1,\"a\":{\"b\":2}}", "{\"\\u0061\":1,\"\\\\\":[2],\"\\ud83d\\ude00\":3}",
        "{\"0\":1,\"00\":2}", "{\"\\u0000\":1}"};
    static const char *const paths[] = {"", ".", "..", "a", "a.", "a.b", "a\\.b", "0", "1", "00",
        "01", "1.1.0", "1.1.", "1.x", "\\", "\\.", "\\\\.0", "\xF0\x9F\x98\x80", "4294967296", "-1",
        "99999999999999999999", "\\0", "1.\\1.\\0", "\\01", "0\\"};
    static const char        extra[] = "..a01\\";
    const uint64_t           key[2] = {1, 2};
    sse__arena               arena = {NULL, 0};
    sse__json_index         *x;
    sse_buf                  many = {NULL, 0, 0, SSE_OK};
    size_t                   i, k, differ = 0, len;
    char                     path[300];
    uint32_t                 node, chain, longest = 0;
    for (i = 0; i < SSE__COUNT(texts); i++) {
        x = sse__json_index_make(&arena, sse__text(texts[i]), key);
        for (k = 0; x && k < SSE__COUNT(paths); k++) {
            const bool same = as_scanned(x, paths[k]);
            differ += !same;
            if (!same) printf("# %s in %s\n", paths[k], texts[i]);
        }
    }
    is_int((long long)differ, 0, "an index answers as a scan does");
    for (differ = 0, i = 0; i < 1500; i++) {
        make_document();
        x = sse__json_index_make(&arena, sse__str(doc.text.ptr, doc.text.len), key);
        for (k = 0; x && k < (size_t)doc.count; k++) {
            differ += !as_scanned(x, doc.entries[k].path);
            len = strlen(doc.entries[k].path); /* and one beside it */
            memcpy(path, doc.entries[k].path, len + 1);
            path[pick((unsigned)len + 1)] = extra[pick(sizeof extra)];
            path[len + 1] = '\0';
            differ += !as_scanned(x, path);
        }
        differ += !x;
        sse__arena_reset(&arena);
    }
    is_int((long long)differ, 0, "... for paths into generated documents, and beside them");
    sse_puts(&many, "{\"items\":[0");
    for (i = 1; i < 100000; i++) sse_puts(&many, ",1");
    sse_puts(&many, "]}");
    x = sse__json_index_make(&arena, sse__str(many.ptr, many.len), key);
    for (i = 0, k = 0; x && i < 100001; i++) {
        snprintf(path, sizeof path, "items.%lu", (unsigned long)i);
        k += sse__json_find(x, path).ptr != NULL;
    }
    is_int((long long)k, 100000, "each of 100,000 elements is found");
    for (i = 0; x && i <= x->mask; i++) {
        for (chain = 0, node = x->heads[i]; node; node = x->nodes[node].next) chain++;
        if (chain > longest) longest = chain;
    }
    ok(longest > 0 && longest < 20, "... after a few looks, %u at most", (unsigned)longest);
    sse__arena_free(&arena);
    for (i = 0; i <= 3; i++) { /* of the index, its nodes and its heads */
        allocs_left = (int)i;
        x = sse__json_index_make(&arena, sse__str(many.ptr, many.len), key);
        allocs_left = -1;
        ok(!x == (i < 3), "%s allocation fails: %s", i < 3 ? "an" : "no",
            i < 3 ? "there is no index" : "there is one");
        sse__arena_free(&arena);
    }
    sse_buf_free(&many);
}

static void generated(void) {
    int    i, k, refused = 0, misplaced = 0, missed = 0, found = 0;
    size_t n, offset;
    for (i = 0; i < 1500; i++) {
        make_document();
        if (check(doc.text.ptr, doc.text.len, &offset) || offset != doc.text.len) refused++;
        for (k = 0; k < doc.count; k++) {
            sse_str value;
            int     error =
                sse_json_get(sse__str(doc.text.ptr, doc.text.len), doc.entries[k].path, &value);
            if (error || value.ptr != doc.text.ptr + doc.entries[k].from ||
                value.len != doc.entries[k].len)
                missed++;
            else found++;
        }
        for (n = 0; n < doc.entries[doc.count - 1].from + doc.entries[doc.count - 1].len; n++)
            if (check(doc.text.ptr, n, &offset) != SSE_E_SYNTAX || offset > n) misplaced++;
    }
    is_int(refused, 0, "generated documents are accepted");
    is_int(misplaced, 0, "every truncation of them is refused");
    is_int(missed, 0, "every value in them is found by its path, the last of equal names");
    ok(found > 10000, "%d values were looked up", found);
}

static void near_misses(void) { /* JS2 */
    static const char alphabet[] =
        "{}[]\",:.eE+-019truefalsn\\/u \t\n\r\x01\x7F\x80\xBF\xC3\xE0\xED\xF0\xF4\xFF";
    int    i, good = 0, bad = 0, differ = 0;
    size_t edits, at, got, want;
    char   text[8192];
    for (i = 0; i < 60000; i++) {
        size_t n;
        bool   valid;
        if (i % 20 == 0) make_document();
        n = doc.text.len < sizeof text - 8 ? doc.text.len : sizeof text - 8;
        memcpy(text, doc.text.ptr, n);
        for (edits = 1 + pick(2); edits && n; edits--) {
            at = pick((unsigned)n);
            switch (pick(4)) {
            case 0: text[at] = alphabet[pick(sizeof alphabet)]; break; /* the NUL is one of them */
            case 1: memmove(text + at, text + at + 1, --n - at); break;
            case 2:
                memmove(text + at + 1, text + at, n++ - at);
                text[at] = alphabet[pick(sizeof alphabet)];
                break;
            default: text[at] = text[pick((unsigned)n)];
            }
        }
        valid = second_opinion(text, n, &want);
        if ((check(text, n, &got) == SSE_OK) != valid || got != want) {
            if (!differ++) tap_show("first difference", text, n);
        }
        good += valid;
        bad += !valid;
    }
    is_int(differ, 0,
        "60,000 near-misses: the same verdict and the same first wrong byte as the automaton");
    ok(good > 5000 && bad > 5000, "of them %d are JSON, %d are not", good, bad);
}

static void shortest_texts(void) { /* all texts of up to four bytes of a telling alphabet */
    static const char alphabet[] = "[]{}\",:0-1.e+\\u t\x80\xC3";
    const size_t      base = sizeof alphabet;
    size_t            n, i, k, total, got, want, differ = 0;
    char              text[4];
    for (n = 0, total = 1; n <= 4; n++, total *= base)
        for (i = 0; i < total; i++) {
            size_t code = i;
            for (k = 0; k < n; k++, code /= base) text[k] = alphabet[code % base];
            if ((sse__json_check(sse__str(text, n), &got) == SSE_OK) !=
                    second_opinion(text, n, &want) ||
                got != want)
                differ++;
        }
    is_int(differ, 0, "all texts of up to four bytes");
}

static void by_hand(void) {
    /* offset -1: JSON */
    static const struct {
        const char *text;
        int         offset;
        const char *why;
    } cases[] = {
        {"null", -1, "a word"},
        {" \t\r\n 1 \n", -1, "space around"},
        {"\"\\ud800\"", -1, "a lone surrogate escape is in the grammar"},
        {"\"\\u0000\"", -1, "so is an escaped NUL"},
        {"[]", -1, "an empty array"},
        {"{\"\":{}}", -1, "an empty name"},
        {"-0.0E-0", -1, "a zero"},
        {"", 0, "nothing"},
        {"  ", 2, "only space"},
        {"\xEF\xBB\xBF"
         "1",
            0, "a byte order mark"},
        {"01", 1, "a leading zero"},
        {"-", 1, "a lone minus"},
        {"+1", 0, "a plus"},
        {".5", 0, "no digit before the point"},
        {"5.", 2, "no digit behind the point"},
        {"1e", 2, "no exponent"},
        {"1e+", 3, "a bare sign"},
        {"0x10", 1, "hexadecimal"},
        {"NaN", 0, "not a number"},
        {"Infinity", 0, "infinity"},
        {"nul", 3, "a word cut off"},
        {"nulL", 3, "a word misspelt"},
        {"True", 0, "a capital"},
        {"[1,]", 3, "a trailing comma in an array"},
        {"{\"a\":1,}", 7, "a trailing comma in an object"},
        {"[,1]", 1, "a leading comma"},
        {"[1 2]", 3, "no comma"},
        {"{\"a\" 1}", 5, "no colon"},
        {"{a:1}", 1, "a bare name"},
        {"{'a':1}", 1, "single quotes"},
        {"{1:1}", 1, "a number as name"},
        {"[1}", 2, "the wrong bracket"},
        {"{]", 1, "the wrong brace"},
        {"]", 0, "only a bracket"},
        {"1 2", 2, "two values"},
        {"[]]", 2, "one bracket too many"},
        {"\"a", 2, "an open string"},
        {"\"\n\"", 1, "a raw line break"},
        {"\"\\x\"", 2, "an unknown escape"},
        {"\"\\u12G4\"", 5, "not a hexadecimal digit"},
        {"\"\\u12\"", 5, "a short \\u"},
        {"\"\xC0\x80\"", 1, "an overlong NUL"},
        {"\"\xED\xA0\x80\"", 1, "a surrogate in UTF-8"},
        {"\"a\xF5\x80\x80\x80\"", 2, "past U+10FFFF"},
        {"\"\xE2\x82", 1, "UTF-8 cut off"},
        {"/**/1", 0, "a comment"},
        {"[1]\f", 3, "a form feed is no space"},
        {"[\xC2\xA0"
         "1]",
            1, "nor is U+00A0"},
    };
    size_t i, offset;
    for (i = 0; i < SSE__COUNT(cases); i++) {
        const size_t n = strlen(cases[i].text);
        const int    error = check(cases[i].text, n, &offset);
        if (cases[i].offset < 0) ok(error == SSE_OK, "accepted: %s", cases[i].why);
        else
            ok(error == SSE_E_SYNTAX && offset == (size_t)cases[i].offset, "refused at byte %d: %s",
                cases[i].offset, cases[i].why);
    }
    ok(check("[1,\0]", 5, &offset) == SSE_E_SYNTAX && offset == 3, "refused at byte 3: a NUL");
    ok(check("\"\\\0\"", 4, &offset) == SSE_E_SYNTAX && offset == 2,
        "refused at byte 2: an escaped NUL byte");
    ok(sse__json_check(sse__text(NULL), &offset) == SSE_E_SYNTAX && offset == 0,
        "an absent text is refused");
}

static void words(void) {
    char text[80];
    is_str(sse__json_error_text(SSE_E_SYNTAX, 12, text), "the JSON is not well-formed at byte 12",
        "a wrong byte in words");
    is_str(sse__json_error_text(SSE_E_FULL, 7, text), "the JSON is deeper than 64 levels at byte 7",
        "too deep in words");
}

static void depth(void) {
    static char  text[200001];
    const size_t max = SSE_JSON_DEPTH;
    size_t       offset, i;
    memset(text, '[', max);
    memset(text + max, ']', max);
    is_int(check(text, 2 * max, &offset), SSE_OK, "64 arrays in one another");
    memset(text, '[', max + 1);
    memset(text + max + 1, ']', max + 1);
    is_int(check(text, 2 * max + 2, &offset), SSE_E_FULL, "one more is too deep");
    is_int(offset, max, "and the offset is its bracket");
    memset(text, '[', sizeof text - 1);
    is_int(sse_json_get(sse__str(text, sizeof text - 1), "0.0", NULL), SSE_E_FULL,
        "200,000 of them as well");
    for (i = 0; i + 4 < sizeof text; i += 4) memcpy(text + i, "[],\n", 4);
    text[0] = '[';
    text[1] = ' ';
    text[2] = ' ';
    text[i - 2] = ' ';
    text[i - 1] = ']';
    is_int(check(text, i, &offset), SSE_OK, "50,000 side by side are fine");
}

/* The raw text, or the name of the error. */
static const char *get(const char *json, const char *path) {
    static char out[256];
    sse_str     value;
    int         error = sse_json_get(sse__text(json), path, &value);
    snprintf(out, sizeof out, "%.*s", SSE_STR(value));
    if (error && value.ptr) return "an error with a value";
    return error == SSE_E_ABSENT   ? "absent"
           : error == SSE_E_SYNTAX ? "syntax"
           : error                 ? sse_error_text(error)
                                   : out;
}

static void paths(void) {
    static const char user[] =
        " {\"user\":{\"name\":\"Ann\",\"tags\":[\"x\",{\"id\":7}],\"none\":null}, \"a.b\":1, "
        "\"\":{\"\":2}} ";
    is_str(get(user, "user.name"), "\"Ann\"", "a member of a member");
    is_str(get(user, "user.tags.1.id"), "7", "through an array");
    is_str(get(user, "user.tags"), "[\"x\",{\"id\":7}]", "a whole array");
    is_str(get(user, "user.none"), "null", "null is there");
    is_str(get(user, "a\\.b"), "1", "a dot in a name");
    is_str(get(user, "."), "2", "empty names");
    is_str(get("{\"a\":{\"\":3}}", "a."), "3", "an empty name at the end");
    is_str(get("{\"\\\\\":4}", "\\"), "4", "a backslash at the end of a path is itself");
    is_str(get("{\"\\\\.\":4}", "\\\\\\."), "4", "a backslash and a dot in a name");
    is_str(get(" [ 1 , 2 ] ", ""), "[ 1 , 2 ]", "all of it, without the space around");
    is_str(get("\"x\"", ""), "\"x\"", "all of it is a scalar");
    is_str(get("5", "a"), "absent", "a path into a scalar");
    is_str(get("[10,11,12,13,14,15,16,17,18,19,20]", "10"), "20", "an index of two digits");
    is_str(get("[10,11,12,13,14,15,16,17,18,19,20]", "\\1\\0"), "20",
        "its digits behind backslashes");
    is_str(get("[[1,2]]", "\\0.\\1"), "2", "... in two steps");
    is_str(get("[1,2]", "\\\\1"), "absent", "a backslash itself is no digit");
    is_str(get("[1,2]", "1\\"), "absent", "... nor is it at the end");
    is_str(get("[1,2]", "\\1\\."), "absent", "... nor is a dot that is meant as such");
    is_str(get("[1,2]", "2"), "absent", "past the end of an array");
    is_str(get("[1,2]", "01"), "absent", "an index is written as it counts");
    is_str(get("[1,2]", "-1"), "absent", "there is no counting from the end");
    is_str(get("[1,2]", "18446744073709551616"), "absent", "an index past 64 bits is not 0");
    is_str(get("[[1],[2]]", "1."), "absent", "an empty step into an array");
    is_str(get("{\"1\":5}", "1"), "5", "a digit names a member of an object");
    is_str(get("{\"ab\":1,\"a\":2}", "a"), "2", "a name that begins like another");
    is_str(get("{\"a\":1,\"ab\":2}", "ab"), "2", "and the other way round");
    is_str(get("{\"a\":{\"b\":1},\"a\":{\"b\":2}}", "a.b"), "2", "of equal names the last counts");
    is_str(get("{\"a\":{\"b\":1},\"a\":{}}", "a.b"), "absent", "even if the value is not in it");
    is_str(get("{\"a\":{\"b\":1},\"\\u0061\":5}", "a.b"), "absent", "and if it is spelt otherwise");
    is_str(get("{\"a\":1,\"a\":{\"b\":2}}", "a"), "{\"b\":2}", "a scalar and an object");
    is_str(get("{\"x\":{\"a\":1}}", "a"), "absent", "a name is not sought deeper");
    is_str(get("{\"a\\u0000b\":1,\"a\":2}", "a"), "2", "a name with a NUL is not its first half");
    is_str(get("{\"a\":1}x", "a"), "syntax", "found, but the text goes wrong later");
    is_str(get("{\"a\":1", "a"), "syntax", "found, but the text ends early");
    is_str(get("", ""), "syntax", "nothing is not JSON");
    is_int(sse_json_get(sse__text("{\"a\":1}"), "a", NULL), SSE_OK, "presence alone");
    is_int(sse_json_get(sse__text("{}"), "a", NULL), SSE_E_ABSENT, "absence alone");
    is_int(sse_json_get(sse__text("{}"), NULL, NULL), SSE_E_ARG, "no path");
}

static const char *text_of(const char *json) {
    static char out[256];
    sse__arena  arena = {0};
    sse_str     value;
    const char *text = NULL;
    int         error = sse_json_get(sse__text(json), "", &value);
    if (!error) error = sse__json_to_text(&arena, value, &text);
    snprintf(out, sizeof out, "%s", error ? sse_error_text(error) : text ? text : "(null)");
    if (error && text) snprintf(out, sizeof out, "an error with a text");
    sse__arena_free(&arena);
    return out;
}

static void texts(void) {
    sse__arena  arena = {0};
    const char *text;
    unsigned    c, wrong = 0;
    is_str(text_of("\"plain\""), "plain", "a string");
    is_str(text_of("\"\""), "", "an empty string");
    is_str(text_of("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\""), "\"\\/\b\f\n\r\tA", "every escape");
    is_str(text_of("\"\\uD83D\\uDE00\\u20ac\\u00e9\""), "\xF0\x9F\x98\x80\xE2\x82\xAC\xC3\xA9",
        "four, three and two bytes");
    is_str(text_of("\"\\ud83dx\""), "\xEF\xBF\xBDx", "a high surrogate alone");
    is_str(text_of("\"\\ud83d\""), "\xEF\xBF\xBD", "the same at the end");
    is_str(text_of("\"\\ud83d\\n\""), "\xEF\xBF\xBD\n", "before another escape");
    is_str(text_of("\"\\ud83d\\u0041\""),
        "\xEF\xBF\xBD"
        "A",
        "before another \\u");
    is_str(text_of("\"\\ud83d\\ud83d\\ude00\""), "\xEF\xBF\xBD\xF0\x9F\x98\x80", "before a pair");
    is_str(text_of("\"\\ude00\\ud83d\""), "\xEF\xBF\xBD\xEF\xBF\xBD", "a pair the wrong way round");
    is_str(text_of("-1.50e3"), "-1.50e3", "a number as it is written");
    is_str(text_of("true"), "true", "a bool");
    is_str(text_of("{\"a\" : \"\\u0000\"}"), "{\"a\" : \"\\u0000\"}", "an object as it is written");
    is_str(text_of("null"), "(null)", "null is absent");
    is_str(text_of("\"null\""), "null", "but not the string");
    is_str(text_of("\"a\\u0000b\""), sse_error_text(SSE_E_FIELD), "a NUL is refused"); /* JS3 */
    is_int(sse__json_to_text(&arena, sse__text(NULL), &text), SSE_OK, "an absent value");
    ok(!text, "has no text");
    alloc_fails = true;
    is_int(sse__json_to_text(&arena, sse__text("\"x\""), &text), SSE_E_NOMEM, "without memory");
    alloc_fails = false;
    /* both ends of every high half */
    for (c = 0x10000; c <= 0x10FFFF; c += (c & 0x3FF) ? 1 : 0x3FF) {
        char json[20], want[5];
        want[sse__utf8_put(want, c)] = '\0';
        snprintf(json, sizeof json, "\"\\u%04x\\u%04X\"", 0xD800 + ((c - 0x10000) >> 10),
            0xDC00 + (c & 0x3FF));
        if (strcmp(text_of(json), want)) wrong++;
    }
    is_int(wrong, 0, "surrogate pairs");
    for (c = 1; c <= 0xFFFF; c++) { /* every \u against the encoder of >>text */
        char   json[16], want[5];
        size_t n = sse__utf8_put(want, c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c);
        want[n] = '\0';
        snprintf(json, sizeof json, c & 1 ? "\"\\u%04x\"" : "\"\\u%04X\"", c);
        if (strcmp(text_of(json), want)) wrong++;
    }
    is_int(wrong, 0, "every \\u from 1 to FFFF");
}

static void round_trip(void) { /* sse_json writes what this section reads */
    int i, wrong = 0;
    for (i = 0; i < 5000; i++) {
        char        raw[40], *to = raw;
        sse_buf     json = {0};
        sse__arena  arena = {0};
        sse_str     value;
        const char *text = NULL;
        unsigned    n = pick(9);
        while (n--) {
            uint32_t c = pick(4)   ? 1 + pick(0x7F)
                         : pick(2) ? 0x80 + pick(0xD780)
                                   : 0x10000 + pick(0x100000);
            to += sse__utf8_put(to, c);
        }
        *to = '\0';
        sse_json(&json, "{\"n\":%d,\"t\":%s}", i, raw);
        if (sse_json_get(sse__str(json.ptr, json.len), "t", &value) ||
            sse__json_to_text(&arena, value, &text) || strcmp(text, raw))
            wrong++;
        sse_buf_free(&json);
        sse__arena_free(&arena);
    }
    is_int(wrong, 0, "5,000 strings written by sse_json read back unchanged");
}

int main(void) {
    by_hand();
    depth();
    words();
    paths();
    texts();
    round_trip();
    shortest_texts();
    generated();
    indexed();
    near_misses();
    sse_buf_free(&doc.text);
    return tap_done();
}
