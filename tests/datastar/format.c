/* Formats events for a test in another language. Reads cases from stdin: for each field a line
   "NAME LENGTH" and LENGTH bytes and an LF; a line "." ends the case and has it formatted. Answers
   a line "STATUS LENGTH", LENGTH bytes and an LF. */
#define SSE_IMPLEMENTATION
#include "../../sse.h"

typedef struct field {
    char   name[32], *text;
    size_t len;
} field;
typedef struct fields {
    field at[16];
    int   count;
} fields;

static bool read_field(fields *all) { /* false: a case is complete, or the input is */
    field *f = &all->at[all->count];
    long   len;
    if (all->count == 16 || scanf("%31s", f->name) != 1 || strcmp(f->name, ".") == 0) return false;
    if (scanf("%ld", &len) != 1 || getchar() != '\n') return false;
    f->len = (size_t)len;
    f->text = (char *)calloc(1, f->len + 1);
    if (!f->text || fread(f->text, 1, f->len, stdin) != f->len) return false;
    all->count++;
    return true;
}

static char *get(const fields *all, const char *name, size_t *len) {
    int i;
    for (i = 0; i < all->count; i++) {
        if (strcmp(all->at[i].name, name) != 0) continue;
        if (len) *len = all->at[i].len;
        return all->at[i].text;
    }
    return NULL;
}

static int remove_signals(sse_buf *out, char *names) { /* one name a line */
    const char *list[64];
    int         count = 0;
    while (*names && count < 64) {
        const size_t len = strcspn(names, "\n");
        const bool   more = names[len] != '\0';
        list[count++] = names;
        names[len] = '\0';
        names += len + more;
    }
    return sse_remove_signals(out, list, count);
}

static int format(sse_buf *out, const fields *all) {
    static const char *const modes[] = {"outer", "inner", "replace", "prepend", "append", "before",
        "after", "remove"};
    const char              *mode = get(all, "mode", NULL);
    char                    *unset = get(all, "unset", NULL);
    sse_patch_options        patch;
    sse_event                e;
    int                      i;
    memset(&patch, 0, sizeof patch);
    memset(&e, 0, sizeof e);
    for (i = 0; mode && i < 8; i++)
        if (strcmp(modes[i], mode) == 0) patch.mode = (sse_mode)i;
    patch.selector = get(all, "selector", NULL);
    patch.ns = get(all, "namespace", NULL);
    patch.view_transition = get(all, "useViewTransition", NULL) != NULL;
    patch.view_transition_selector = get(all, "viewTransitionSelector", NULL);
    patch.only_if_missing = get(all, "onlyIfMissing", NULL) != NULL;
    patch.attributes = get(all, "attributes", NULL);
    patch.keep_script = get(all, "keep", NULL) != NULL;
    e.patch = &patch;
    e.id = get(all, "eventId", NULL);
    e.retry_ms = (int)sse_parse_int(get(all, "retryDuration", NULL), 0);
    e.elements = get(all, "elements", &e.data_len);
    e.signals = get(all, "signals", &e.data_len);
    e.script = get(all, "script", &e.data_len);
    return unset ? remove_signals(out, unset) : sse_event_write(out, &e);
}

int main(void) {
    fields all;
    memset(&all, 0, sizeof all);
    for (;;) {
        sse_buf out = {NULL, 0, 0, SSE_OK};
        int     error;
        while (read_field(&all)) continue;
        if (feof(stdin) || ferror(stdin)) return 0;
        error = format(&out, &all);
        printf("%d %lu\n", error, (unsigned long)out.len);
        if (out.len) fwrite(out.ptr, 1, out.len, stdout);
        putchar('\n');
        sse_buf_free(&out);
        while (all.count) free(all.at[--all.count].text);
    }
}
