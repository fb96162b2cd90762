/* What generator and receiver share: the counters of tests/harness/counters.py, moments, and percentiles. */
#ifndef WIRE_H
#define WIRE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 5 /* of one call */

enum { SENT, ACCEPTED, ARRIVED };

static int64_t *counters;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_us(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static void share_counters(const char *path)
{
    int file = open(path, O_RDWR);
    if (file < 0)
        die(path);
    counters = mmap(NULL, 3 * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counters == MAP_FAILED)
        die("mmap");
    close(file);
}

typedef struct {
    uint32_t *values;
    size_t count, room;
} Sample;

static void sample_add(Sample *sample, int64_t value)
{
    if (sample->count == sample->room) {
        sample->room = sample->room ? 2 * sample->room : 1 << 16;
        sample->values = realloc(sample->values, sample->room * sizeof *sample->values);
        if (!sample->values)
            die("realloc");
    }
    sample->values[sample->count++] = value < 0 ? 0 : (uint32_t)value;
}

static int ascending(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

/* Sorts the sample; the smallest value that at least `share` percent of it do not exceed. */
static uint32_t at_share(const Sample *sample, int share)
{
    size_t place = (sample->count * share + 99) / 100;
    return sample->count ? sample->values[place ? place - 1 : 0] : 0;
}

static void print_sample(Sample *sample)
{
    qsort(sample->values, sample->count, sizeof *sample->values, ascending);
    printf("{\"count\": %zu, \"p50\": %u, \"p99\": %u, \"max\": %u}", sample->count, at_share(sample, 50),
           at_share(sample, 99), at_share(sample, 100));
}

#endif
