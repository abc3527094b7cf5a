/* Fuzzes >>json. The first line of the input is the path, what follows it is the JSON.
   `make fuzz` runs it; `make test` replays its corpus. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    free(path);
    return 0;
}
