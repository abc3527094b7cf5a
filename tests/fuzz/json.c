/* Fuzzes >>json, against a second reader. The first line of the input is the path, what follows it
   is the JSON. `make fuzz` runs it; `make test` replays its corpus. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"
#include "fuzz.h"
#include "tree.h"

/* What C callers get is UTF-8 and no longer than the JSON. */
static void check_text(sse_str value) {
    sse__arena  arena = {0};
    const char *text;
    const int   error = sse__json_to_text(&arena, value, &text);
    CHECK(error == SSE_OK || error == SSE_E_FIELD);
    CHECK(!error || !text);
    if (text) {
        CHECK(strlen(text) <= value.len);
        CHECK(sse__utf8_span(sse__text(text)) == strlen(text));
    }
    sse__arena_free(&arena);
}

/* Whether it is JSON, and where the path leads, says the second reader. */
static void check_by_tree(sse_str json, const char *path, int error, int found, sse_str value) {
    char       *text = sse__strdup(json);
    tree       *all = json.len && memchr(json.ptr, 0, json.len) ? NULL : tree_of(text);
    const tree *at = NULL;
    sse__arena  arena = {0};
    const char *decoded;
    const bool  fine = all && is_utf8(text);
    CHECK(error == (!fine                                 ? SSE_E_SYNTAX
                       : tree_depth(all) > SSE_JSON_DEPTH ? SSE_E_FULL
                                                          : SSE_OK) ||
          (!fine && error == SSE_E_FULL)); /* of what is neither, the first is told */
    if (!error && strlen(path) < 300) {
        at = tree_at(all, path);
        CHECK(found == (at ? SSE_OK : SSE_E_ABSENT));
    }
    if (at) CHECK(at->raw.ptr - text == value.ptr - json.ptr && at->raw.len == value.len);
    if (at && at->kind == '"' && sse__json_to_text(&arena, value, &decoded) == SSE_OK)
        CHECK(same(sse__text(decoded), sse__str(at->text, at->text_n)));
    sse__arena_free(&arena);
    tree_free(all);
    SSE_FREE(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data,
               *line = (const char *)(size ? memchr(data, '\n', size) : NULL);
    char   *path = line ? sse__strdup(sse__str(bytes, (size_t)(line - bytes))) : NULL;
    sse_str json = line ? sse__str(line + 1, size - (size_t)(line + 1 - bytes))
                        : sse__str(bytes, size),
            value;
    size_t    offset, again;
    const int error = sse__json_check(json, &offset),
              found = sse_json_get(json, path ? path : "", &value);
    CHECK(offset <= json.len);
    CHECK(error ? found == error : found == SSE_OK || found == SSE_E_ABSENT);
    CHECK(found ? !value.ptr
                : value.ptr >= json.ptr && value.len <= json.len - (size_t)(value.ptr - json.ptr));
    /* JS2 */
    if (error)
        CHECK(sse__json_check(sse__str(json.ptr, offset), &again) == SSE_OK || again == offset);
    else CHECK(offset == json.len);
    if (!found) {
        CHECK(sse__json_check(value, &again) == SSE_OK); /* a value found is JSON of its own */
        check_text(value);
    }
    if (size < 20000) check_by_tree(json, path ? path : "", error, found, value);
    free(path);
    return 0;
}
