/* Makes a disk fail: the n-th call to sync or to write below $SHIM_BELOW returns an error, told by a page in $SHIM_PAGE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What fails is a bit: 1 to sync, 2 to write. `left` counts down the failures; `until` the calls before the first. */
struct page {
    int64_t what, error, until, left, hits;
    char part[64];
};

static struct page *page;
/* A checkpoint flushes the write-ahead log again, with nothing new in it: the commits in it are safe, and such a call
 * counts for nothing. */
static int new_in_log;
static const char *below;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SHIM_PAGE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    below = getenv("SHIM_BELOW");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    if (fd >= 0 && below) {
        void *made = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        page = made == MAP_FAILED ? NULL : made;
        close(fd);
    }
}

static int fails(int what, int fd) {
    char link[64], path[4096];
    if (!page || !page->what)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, below, strlen(below)) || !strstr(path, page->part))
        return 0;
    if (length > 4 && !strcmp(path + length - 4, "-wal")) {
        if (what == 1 && !new_in_log)
            return 0;
        new_in_log = what == 2;
    }
    if (!(page->what & what))
        return 0;
    if (__atomic_fetch_sub(&page->until, 1, __ATOMIC_SEQ_CST) > 1)
        return 0;
    if (__atomic_fetch_sub(&page->left, 1, __ATOMIC_SEQ_CST) < 1) {
        page->what = 0;
        return 0;
    }
    __atomic_fetch_add(&page->hits, 1, __ATOMIC_SEQ_CST);
    errno = (int)page->error;
    return 1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    return fails(2, fd) ? -1 : real_pwrite(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return fails(2, fd) ? -1 : real_write(fd, bytes, length);
}

int fsync(int fd) {
    return fails(1, fd) ? -1 : real_fsync(fd);
}

int fdatasync(int fd) {
    return fails(1, fd) ? -1 : real_fdatasync(fd);
}
