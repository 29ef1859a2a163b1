/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small helpers of bench-store: growing arrays, samples and quantiles, clocks, a seeded generator.
 * The random numbers are splitmix64 from a fixed seed, so that two layouts see the same messages in
 * the same order. Every failure ends the program: a benchmark that goes on after an error measures
 * something else.
 */
#include "store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench-store: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *grow(void *data, size_t *capacity, size_t wanted, size_t item_bytes)
{
    if (wanted <= *capacity)
        return data;
    size_t next = *capacity ? *capacity : 16;
    while (next < wanted)
        next *= 2;
    uint8_t *grown = realloc(data, next * item_bytes);
    if (!grown)
        die("out of memory");
    memset(grown + *capacity * item_bytes, 0, (next - *capacity) * item_bytes);
    *capacity = next;
    return grown;
}

void bytes_add(struct bytes *bytes, const void *data, size_t length)
{
    bytes->data = grow(bytes->data, &bytes->capacity, bytes->used + length, 1);
    memcpy(bytes->data + bytes->used, data, length);
    bytes->used += length;
}

void bytes_varint(struct bytes *bytes, uint64_t value)
{
    uint8_t encoded[10];
    size_t length = 0;
    while (value >= 0x80) {
        encoded[length++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    encoded[length++] = (uint8_t)value;
    bytes_add(bytes, encoded, length);
}

void samples_add(struct samples *samples, uint64_t value)
{
    samples->values =
        grow(samples->values, &samples->capacity, samples->used + 1, sizeof(uint64_t));
    samples->values[samples->used++] = value;
}

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

uint64_t samples_quantile(struct samples *samples, double fraction)
{
    if (samples->used == 0)
        return 0;
    qsort(samples->values, samples->used, sizeof(uint64_t), compare_values);
    return samples->values[(size_t)((double)(samples->used - 1) * fraction)];
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
