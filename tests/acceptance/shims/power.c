/* Remembers what a power cut would take: every write below $SHIM_BELOW that no fsync has covered yet.
 *
 * Writes go to the file as ever, so that every process sees them; before each, its old and its new bytes are noted in
 * $SHIM_LOG/<inode>. fsync and fdatasync empty that note. Names made in a folder are noted in $SHIM_LOG/names-<inode>
 * until the folder is synced. After all processes are killed, tests/acceptance/power.py takes back what was noted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct note {
    int64_t offset, old_size, new_size, old_length, new_length;
};

static const char *below, *folder;
static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    below = getenv("SHIM_BELOW");
    folder = getenv("SHIM_LOG");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

/* Shared memory and counters are nobody's promise: SQLite makes the one anew, metrics start from nought. */
static int counts(const char *path) {
    size_t length = below && folder ? strlen(below) : 0, whole = strlen(path);
    if (!length || strncmp(path, below, length) || (path[length] && path[length] != '/'))
        return 0;
    return !strstr(path, "/metrics/") && !(whole > 4 && !strcmp(path + whole - 4, "-shm"));
}

static int watched(int fd, struct stat *st) {
    char link[64], path[4096];
    if (!below)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return counts(path) && !fstat(fd, st);
}

static int open_log(const char *kind, const struct stat *st, int flags) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%lx", folder, kind, (unsigned long)st->st_ino);
    return real_open(path, flags | O_CREAT | O_CLOEXEC, 0600);
}

static void forget(const char *kind, const struct stat *st) {
    int log = open_log(kind, st, O_WRONLY | O_TRUNC);
    if (log >= 0)
        close(log);
}

static void note(int fd, const struct stat *st, int64_t offset, int64_t new_size, const void *bytes, size_t length) {
    int64_t touched = bytes ? offset + (int64_t)length : st->st_size;
    int64_t end = touched < st->st_size ? touched : st->st_size;
    struct note header = {offset, st->st_size, new_size, end > offset ? end - offset : 0, (int64_t)length};
    char *record = malloc(sizeof header + header.old_length + length);
    int log = record ? open_log("", st, O_WRONLY | O_APPEND) : -1;
    if (log < 0 || (header.old_length && pread(fd, record + sizeof header, header.old_length, offset) < 0)) {
        /* A database opened for writing alone cannot be read back: none is. */
        fprintf(stderr, "power.c cannot note a write: %s\n", strerror(errno));
        _exit(99);
    }
    memcpy(record, &header, sizeof header);
    if (length)
        memcpy(record + sizeof header + header.old_length, bytes, length);
    real_write(log, record, sizeof header + header.old_length + length);
    close(log);
    free(record);
}

static void note_write(int fd, const void *bytes, size_t length, int64_t offset) {
    struct stat st;
    if (length && watched(fd, &st) && S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR) {
        int64_t end = offset + (int64_t)length;
        note(fd, &st, offset, end > st.st_size ? end : st.st_size, bytes, length);
    }
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    note_write(fd, bytes, length, offset);
    return real_pwrite(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    off_t at = fd > 2 && below ? lseek(fd, 0, SEEK_CUR) : -1;
    if (at >= 0)
        note_write(fd, bytes, length, at);
    return real_write(fd, bytes, length);
}

int ftruncate64(int fd, off_t length) {
    struct stat st;
    if (watched(fd, &st) && S_ISREG(st.st_mode))
        note(fd, &st, length, length, NULL, 0);
    return real_ftruncate(fd, length);
}

int ftruncate(int fd, off_t length) {
    return ftruncate64(fd, length);
}

static int synced(int result, int fd) {
    struct stat st;
    if (!result && watched(fd, &st))
        forget(S_ISDIR(st.st_mode) ? "names-" : "", &st);
    return result;
}

int fsync(int fd) {
    return synced(real_fsync(fd), fd);
}

int fdatasync(int fd) {
    return synced(real_fdatasync(fd), fd);
}

static void note_name(const char *path, int fd) {
    char parent[4096];
    struct stat st;
    if (!fstat(fd, &st))
        forget("", &st); /* The number of a file that is gone may have come back. */
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return;
    *slash = 0;
    if (!stat(parent, &st)) {
        int log = open_log("names-", &st, O_WRONLY | O_APPEND);
        if (log >= 0) {
            dprintf(log, "%s\n", path);
            close(log);
        }
    }
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int fresh = below && (flags & O_CREAT) && path[0] == '/' && counts(path) && access(path, F_OK);
    int fd = real_open(path, flags, mode);
    if (fd >= 0 && fresh)
        note_name(path, fd);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return open64(path, flags, mode);
}
