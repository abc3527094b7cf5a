/* replay.c: runs a fuzz target over its corpus, and over a few inputs that every target should
   survive. */
#include "../tap.h"
#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int replay(const char *name) {
    char     path[512];
    FILE    *f;
    long     n;
    uint8_t *bytes;
    snprintf(path, sizeof path, "%s/%s", CORPUS, name);
    f = fopen(path, "rb");
    if (!f) return 0;
    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    /* of the exact size, so that the sanitizer sees a read past it */
    bytes = (uint8_t *)malloc((size_t)n + !n);
    if (bytes && n > 0 && fread(bytes, 1, (size_t)n, f) != (size_t)n) n = 0;
    fclose(f);
    if (bytes) LLVMFuzzerTestOneInput(bytes, (size_t)n);
    free(bytes);
    return 1;
}

int main(void) {
    DIR           *dir = opendir(CORPUS);
    struct dirent *entry;
    uint8_t       *every = (uint8_t *)malloc(256);
    size_t         i;
    for (i = 0; every && i < 256; i++) every[i] = (uint8_t)i;
    LLVMFuzzerTestOneInput(every, 0);
    ok(every && LLVMFuzzerTestOneInput(every, 256) == 0, "nothing, and every byte");
    free(every);
    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') ok(replay(entry->d_name), "%s", entry->d_name);
    ok(dir != NULL, "there is a corpus: %s", CORPUS);
    if (dir) closedir(dir);
    return tap_done();
}
