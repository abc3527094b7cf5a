/* vfs.h: a disk for SQLite that fails and that loses power. It stands in front of the default VFS:
   the Nth call of a method fails; and what is written and synced is recorded, so that the files can
   be made again as a power cut at any moment would have left them. Include it after sse.h. */
#ifndef VFS_H
#define VFS_H
#include <pthread.h>
#include <sqlite3.h>

/* X(method, what it may fail by); HALF: a write of half the bytes, and then no room */
enum { HALF = 100000, METHOD_ERRORS = 4 };
#define METHODS(X)                                      \
    X(xOpen, SQLITE_CANTOPEN, SQLITE_IOERR)             \
    X(xRead, SQLITE_IOERR_READ, SQLITE_IOERR_CORRUPTFS) \
    X(xWrite, SQLITE_IOERR_WRITE, SQLITE_FULL, HALF)    \
    X(xTruncate, SQLITE_IOERR_TRUNCATE)                 \
    X(xSync, SQLITE_IOERR_FSYNC, SQLITE_FULL)           \
    X(xFileSize, SQLITE_IOERR_FSTAT)                    \
    X(xLock, SQLITE_IOERR_LOCK, SQLITE_BUSY)            \
    X(xShmMap, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_NOMEM) \
    X(xDelete, SQLITE_IOERR_DELETE)                     \
    X(xAccess, SQLITE_IOERR_ACCESS)

enum {
#define METHOD_ENUM(name, ...) METHOD_##name,
    METHODS(METHOD_ENUM) METHOD_COUNT
#undef METHOD_ENUM
};

static const struct method {
    const char *name;
    int         errors[METHOD_ERRORS];
} methods[] = {
#define METHOD_ROW(name, ...) {#name, {__VA_ARGS__, 0}},
    METHODS(METHOD_ROW)
#undef METHOD_ROW
};

static struct {
    int  method, error;
    long nth, every, hits;
    long seen[METHOD_COUNT];
    bool paused;
} disk;

static int disk_fails(int method) { /* 0: it does not; else its answer */
    long n;
    if (disk.paused) return 0;
    n = __atomic_add_fetch(&disk.seen[method], 1, __ATOMIC_RELAXED);
    if (method != disk.method || (disk.every ? n % disk.every : n != disk.nth)) return 0;
    __atomic_add_fetch(&disk.hits, 1, __ATOMIC_RELAXED);
    return disk.error;
}

/* ---- the record ---- */

enum { MAIN, WAL, JOURNAL, FILES, RECORDS = 40000 };
static const char *const suffixes[] = {"", "-wal", "-journal"};

enum { WROTE, TRUNCATED, SYNCED, DELETED };

typedef struct record {
    int           what, file; /* WROTE ...; MAIN ... */
    sqlite3_int64 at;         /* TRUNCATED: the size */
    int           len;
    char         *bytes;
} record;

static record         *records;
static int             nrecords;
static bool            recording;
static pthread_mutex_t records_mutex = PTHREAD_MUTEX_INITIALIZER;

static int file_of(const char *name) { /* FILES: it is not one of them */
    int i;
    for (i = FILES; name && i-- > 0;) {
        const size_t n = strlen(name), end = strlen(suffixes[i]);
        if (n >= end && strcmp(name + n - end, suffixes[i]) == 0) return i;
    }
    return FILES;
}

static void note(int what, int file, sqlite3_int64 at, const void *bytes, int n) {
    record r;
    if (!recording || file == FILES) return;
    r.what = what;
    r.file = file;
    r.at = at;
    r.len = n;
    r.bytes = NULL;
    if (bytes) {
        r.bytes = (char *)malloc((size_t)n + 1);
        if (!r.bytes) abort();
        memcpy(r.bytes, bytes, (size_t)n);
    }
    pthread_mutex_lock(&records_mutex);
    if (nrecords == RECORDS) abort();
    records[nrecords++] = r;
    pthread_mutex_unlock(&records_mutex);
}

static int records_now(void) {
    int n;
    pthread_mutex_lock(&records_mutex);
    n = nrecords;
    pthread_mutex_unlock(&records_mutex);
    return n;
}

/* ---- the methods ---- */

typedef struct shim_file {
    sqlite3_file  base;
    int           file;
    sqlite3_file *real; /* behind this */
} shim_file;

static sqlite3_vfs *below;
static sqlite3_vfs  shim;

static sqlite3_file *real_of(sqlite3_file *f) { return ((shim_file *)f)->real; }

static int shim_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
    const int error = disk_fails(METHOD_xRead);
    return error ? error : real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    const int error = disk_fails(METHOD_xWrite), some = error == HALF ? n / 2 : n;
    int       rc;
    if (error && error != HALF) return error;
    rc = real_of(f)->pMethods->xWrite(real_of(f), p, some, at);
    note(WROTE, ((shim_file *)f)->file, at, p, some);
    return error ? SQLITE_FULL : rc;
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size) {
    const int error = disk_fails(METHOD_xTruncate);
    if (error) return error;
    note(TRUNCATED, ((shim_file *)f)->file, size, NULL, 0);
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int shim_sync(sqlite3_file *f, int flags) { /* the real one only takes time */
    const int error = disk_fails(METHOD_xSync);
    (void)flags;
    if (!error) note(SYNCED, ((shim_file *)f)->file, 0, NULL, 0);
    return error;
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size) {
    const int error = disk_fails(METHOD_xFileSize);
    return error ? error : real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int how) {
    const int error = disk_fails(METHOD_xLock);
    return error ? error : real_of(f)->pMethods->xLock(real_of(f), how);
}

static int shim_unlock(sqlite3_file *f, int how) {
    return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int shim_reserved(sqlite3_file *f, int *is) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is);
}

static int shim_control(sqlite3_file *f, int op, void *arg) {
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }

/* Nothing is promised of what a power cut leaves. */
static int shim_traits(sqlite3_file *f) { return (void)f, 0; }

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **at) {
    const int error = disk_fails(METHOD_xShmMap);
    return error ? error : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, at);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags) {
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }

static int shim_shm_unmap(sqlite3_file *f, int gone) {
    return real_of(f)->pMethods->xShmUnmap(real_of(f), gone);
}

static const sqlite3_io_methods shim_methods = {2, shim_close, shim_read, shim_write, shim_truncate,
    shim_sync, shim_size, shim_lock, shim_unlock, shim_reserved, shim_control, shim_sector,
    shim_traits, shim_shm_map, shim_shm_lock, shim_shm_barrier, shim_shm_unmap, NULL, NULL};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out) {
    shim_file *s = (shim_file *)f;
    const int  error = disk_fails(METHOD_xOpen);
    int        rc;
    (void)vfs;
    s->base.pMethods = NULL;
    if (error) return error;
    s->real = (sqlite3_file *)(void *)(s + 1);
    s->file = file_of(name);
    rc = below->xOpen(below, name, s->real, flags, out);
    if (s->real->pMethods) s->base.pMethods = &shim_methods;
    return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int synced) {
    const int error = disk_fails(METHOD_xDelete);
    (void)vfs;
    if (error) return error;
    note(DELETED, file_of(name), 0, NULL, 0);
    return below->xDelete(below, name, synced);
}

static int shim_access(sqlite3_vfs *vfs, const char *name, int flags, int *is) {
    const int error = disk_fails(METHOD_xAccess);
    (void)vfs;
    return error ? error : below->xAccess(below, name, flags, is);
}

static void vfs_begin(void) { /* all databases that are opened from now on are on this disk */
    records = (record *)calloc(RECORDS, sizeof *records);
    below = sqlite3_vfs_find(NULL);
    shim = *below;
    shim.zName = "faults";
    shim.szOsFile = below->szOsFile + (int)sizeof(shim_file);
    shim.xOpen = shim_open;
    shim.xDelete = shim_delete;
    shim.xAccess = shim_access;
    shim.pNext = NULL;
    if (!records || sqlite3_vfs_register(&shim, 1) != SQLITE_OK) abort();
}

/* ---- a power cut ---- */

enum { SECTOR = 512 };

/* What a power cut leaves of bytes that no sync has followed. */
enum { NONE, ALL, SOME, LEFTS };
static const char *const lefts[] = {"none", "all", "some"};

static uint32_t dice; /* xorshift */

static uint32_t throw_dice(void) {
    dice ^= dice << 13;
    dice ^= dice >> 17;
    return dice ^= dice << 5;
}

typedef struct image {
    char         *bytes;
    sqlite3_int64 len, cap;
    bool          exists;
} image;

static void image_put(image *m, sqlite3_int64 at, const char *p, sqlite3_int64 n) {
    if (at + n > m->cap) {
        m->bytes = (char *)realloc(m->bytes, (size_t)(at + n) * 2);
        if (!m->bytes) abort();
        memset(m->bytes + m->cap, 0, (size_t)((at + n) * 2 - m->cap));
        m->cap = (at + n) * 2;
    }
    memcpy(m->bytes + at, p, (size_t)n);
    if (at + n > m->len) m->len = at + n;
    m->exists = true;
}

static void image_cut(image *m, sqlite3_int64 len) {
    if (m->len <= len) return;
    memset(m->bytes + len, 0, (size_t)(m->len - len));
    m->len = len;
}

/* A write without a sync: sector by sector it is there, or is not. */
static void image_tear(image *m, const record *r, int left) {
    int at = 0;
    while (at < r->len) {
        const int end = (int)(((r->at + at) / SECTOR + 1) * SECTOR - r->at);
        const int n = (end < r->len ? end : r->len) - at;
        if (left == ALL || (left == SOME && throw_dice() & 1))
            image_put(m, r->at + at, r->bytes + at, n);
        at += n;
    }
}

/* The files as they are if the power goes when n records had been made. lies: syncs were not. That
   a file was deleted is safe behind any sync, as it is in file systems with a journal. */
static void power_cut(const char *path, int n, int left, bool lies) {
    image images[FILES];
    int   i, synced[FILES] = {0, 0, 0}, any = 0;
    char  name[300];
    FILE *f;
    memset(images, 0, sizeof images);
    for (i = 0; i < n; i++)
        if (records[i].what == SYNCED && !lies) any = synced[records[i].file] = i;
    for (i = 0; i < n; i++) {
        const record *r = &records[i];
        image        *m = &images[r->file];
        const bool    safe = i < synced[r->file];
        if (r->what == WROTE && safe) image_put(m, r->at, r->bytes, r->len);
        else if (r->what == WROTE) image_tear(m, r, left);
        else if (r->what == TRUNCATED &&
                 (safe || left == ALL || (left == SOME && throw_dice() & 1)))
            image_cut(m, r->at);
        else if (r->what == DELETED && (i < any || left != NONE))
            image_cut(m, 0), m->exists = false;
    }
    for (i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
        if (images[i].exists) {
            f = fopen(name, "w");
            if (!f ||
                (images[i].len && fwrite(images[i].bytes, (size_t)images[i].len, 1, f) != 1) ||
                fclose(f))
                abort();
        }
        free(images[i].bytes);
    }
    snprintf(name, sizeof name, "%s-shm", path);
    unlink(name);
}
#endif
