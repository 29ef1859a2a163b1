/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: first the files of its corpus as they are, then a number of
 * seeded mutations of them. That is no search, but it runs everywhere and in the quick tier, and
 * what a search once found stays found because its input joins the corpus.
 *
 *     fuzz_NAME [-n MUTATIONS] [-s SEED] [FILE]...
 *
 * Without files the corpus is tests/fuzz/corpus/NAME below $srcdir. Every input is an allocation of
 * its own, so that the sanitizers see a read behind it. When the target fails its input is written
 * to fuzz_NAME.failed in the current folder, to be replayed, and added to the corpus once mended.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"
#include "fuzz.h"

enum { inputs_max = 256, size_max = 1 << 16 };

struct corpus {
    struct buffer inputs[inputs_max];
    size_t count;
};

static uint64_t random_state;
static struct bytes running; /* what the target is given now */

/* The sanitizers abort, too, so that on_abort sees their findings. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1";
}

static uint64_t random_below(uint64_t limit)
{
    random_state += 0x9e3779b97f4a7c15u;
    return hash_u64(random_state) % limit;
}

static void load(struct corpus *corpus, const char *path)
{
    uint8_t chunk[4096];
    size_t size;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    CHECK(corpus->count < inputs_max);
    struct buffer *input = &corpus->inputs[corpus->count++];
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(input, chunk, size);
    fclose(file);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of their names, so that a seed means the same on every machine. */
static void load_folder(struct corpus *corpus)
{
    struct dirent **entries;
    char folder[1024], path[2048];
    const char *top = getenv("srcdir");
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".", fuzz_name);
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0) {
        perror(folder);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        load(corpus, path);
        free(entries[i]);
    }
    free(entries);
}

static void run(struct bytes input)
{
    uint8_t *copy = xmemdup(input.data, input.size);
    running = input;
    LLVMFuzzerTestOneInput(copy, input.size);
    free(copy);
}

/* --- mutations: each changes the input in one place */

static void flip_bit(struct buffer *input)
{
    input->data[random_below(input->size)] ^= (uint8_t)(1u << random_below(8));
}

static void set_octet(struct buffer *input)
{
    static const uint8_t edges[] = {0, 1, 4, 0x7f, 0x80, 0xfe, 0xff, 0xce, 'F', 'A', 'S', 'l'};
    input->data[random_below(input->size)] = edges[random_below(sizeof edges)];
}

static void cut_off(struct buffer *input)
{
    input->size = random_below(input->size);
}

static void remove_range(struct buffer *input)
{
    size_t from = random_below(input->size);
    size_t size = 1 + random_below(input->size - from);
    memmove(input->data + from, input->data + from + size, input->size - from - size);
    input->size -= size;
}

/* Puts a part of the input in once more, somewhere else. */
static void repeat_range(struct buffer *input)
{
    size_t from = random_below(input->size), to = random_below(input->size);
    size_t size = 1 + random_below(input->size - from);
    if (input->size + size > size_max)
        return;
    uint8_t *part = xmemdup(input->data + from, size);
    buffer_reserve(input, size);
    memmove(input->data + to + size, input->data + to, input->size - to);
    memcpy(input->data + to, part, size);
    input->size += size;
    free(part);
}

static void mutate(struct buffer *input)
{
    static void (*const mutations[])(struct buffer *) = {
        flip_bit, set_octet, set_octet, cut_off, remove_range, repeat_range, flip_bit};
    for (uint64_t i = 1 + random_below(4); i > 0 && input->size > 0; i--)
        mutations[random_below(sizeof mutations / sizeof *mutations)](input);
}

static void run_mutations(const struct corpus *corpus, uint64_t seed, unsigned long count)
{
    struct buffer input = {0};
    random_state = hash_u64(seed);
    for (unsigned long i = 0; i < count; i++) {
        buffer_clear(&input);
        buffer_append_bytes(&input, buffer_bytes(&corpus->inputs[random_below(corpus->count)]));
        mutate(&input);
        run(buffer_bytes(&input));
    }
    buffer_fini(&input);
}

static void on_abort(int signal_number)
{
    char path[64];
    (void)signal_number;
    snprintf(path, sizeof path, "fuzz_%s.failed", fuzz_name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, running.data, running.size) != (ssize_t)running.size)
        perror(path);
    else
        fprintf(stderr, "%s: the input is in %s\n", fuzz_name, path);
}

/* Leaves the files in argv at optind. */
static bool read_options(int argc, char **argv, unsigned long *mutations, uint64_t *seed)
{
    int option;
    while ((option = getopt(argc, argv, "n:s:")) != -1) {
        if (option == '?')
            return false;
        if (option == 'n')
            *mutations = strtoul(optarg, NULL, 10);
        else
            *seed = strtoull(optarg, NULL, 10);
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct corpus corpus;
    unsigned long mutations = 20000;
    uint64_t seed = 1;
    if (!read_options(argc, argv, &mutations, &seed))
        return 2;
    for (int i = optind; i < argc; i++)
        load(&corpus, argv[i]);
    if (optind == argc)
        load_folder(&corpus);
    CHECK(corpus.count > 0);
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < corpus.count; i++)
        run(buffer_bytes(&corpus.inputs[i]));
    run_mutations(&corpus, seed, mutations);
    printf("%s: %zu inputs, %lu mutations of seed %llu\n", fuzz_name, corpus.count, mutations,
           (unsigned long long)seed);
    for (size_t i = 0; i < corpus.count; i++)
        buffer_fini(&corpus.inputs[i]);
    return 0;
}
