/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-delays: what messages that are not due yet cost the store that the broker uses.
 *
 * An exchange gets so many delays in batches (fill), the store is closed and opened again (open),
 * all of them are read in the order in which they are due, put into a queue and removed (drain),
 * and then a second exchange is filled and deleted, while somebody else publishes (delete). A delay
 * of constant length comes in the order in which it is due, one of random length at any place.
 * Beside the writer a thread checkpoints, as in the broker. Prints a row of a Markdown table for
 * each phase; docs/store-layout.md has the results.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "store/store.h"

struct options {
    const char *dir;
    uint64_t count;
    size_t body_bytes;
    size_t batch;
    const char *spread; /* constant, levels or random */
};

struct bench {
    struct options options;
    struct store *store;
    struct store_opened opened;
    pthread_t checkpointer;
    _Atomic bool is_done;
    uint64_t random;
    uint64_t now_ms; /* of the clock that the delays see */
    uint64_t *commits_ns;
    size_t commit_count, commit_capacity;
    uint64_t start_ns, start_cpu_ns;
};

enum { queue = 1, first_exchange = 2, second_exchange = 3, drain_rows = 256 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench-delays: %s: %s\n", what, why);
    exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* --- the store */

static void *checkpoint(void *argument)
{
    struct bench *bench = argument;
    while (!atomic_load(&bench->is_done)) {
        if (store_wants_checkpoint(bench->store) && store_checkpoint(bench->store) != STORE_OK)
            die("checkpoint", store_error(bench->store));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static void open_store(struct bench *bench)
{
    char reason[512] = "";
    bench->store = store_open(bench->options.dir, &bench->opened, reason, sizeof reason);
    if (bench->store == NULL)
        die("opening", reason);
    atomic_store(&bench->is_done, false);
    if (pthread_create(&bench->checkpointer, NULL, checkpoint, bench) != 0)
        die("thread", "cannot be started");
}

static void close_store(struct bench *bench)
{
    atomic_store(&bench->is_done, true);
    pthread_join(bench->checkpointer, NULL);
    store_close(bench->store);
    store_opened_fini(&bench->opened);
}

static void commit(struct bench *bench, struct store_batch *batch)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    if (store_commit(bench->store, batch) != STORE_OK)
        die("commit", store_error(bench->store));
    store_batch_free(batch);
    bench->commits_ns = xgrow(bench->commits_ns, &bench->commit_capacity, bench->commit_count + 1,
                              sizeof *bench->commits_ns);
    bench->commits_ns[bench->commit_count++] = clock_ns(CLOCK_MONOTONIC) - start_ns;
}

/* --- phases */

static void start(struct bench *bench)
{
    bench->commit_count = 0;
    bench->start_ns = clock_ns(CLOCK_MONOTONIC);
    bench->start_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static double quantile_ms(struct bench *bench, double fraction)
{
    if (bench->commit_count == 0)
        return 0;
    qsort(bench->commits_ns, bench->commit_count, sizeof *bench->commits_ns, compare);
    return (double)bench->commits_ns[(size_t)((double)(bench->commit_count - 1) * fraction)] / 1e6;
}

static void report(struct bench *bench, const char *phase, uint64_t count)
{
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - bench->start_ns) / 1e9;
    double cpu_us =
        (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - bench->start_cpu_ns) / 1e3 / (double)count;
    struct rusage usage;
    struct store_figures figures;
    getrusage(RUSAGE_SELF, &usage);
    store_figures(bench->store, &figures);
    printf(
        "| %s | %s | %llu | %.2f s | %.0f k | %.2f | %.2f / %.1f / %.0f | %.0f | %.0f | %.0f |\n",
        phase, bench->options.spread, (unsigned long long)count, seconds,
        (double)count / seconds / 1e3, cpu_us, quantile_ms(bench, 0.5), quantile_ms(bench, 0.99),
        quantile_ms(bench, 1), (double)figures.wal_bytes / (1 << 20),
        (double)figures.file_bytes / (1 << 20), (double)usage.ru_maxrss / 1024);
    fflush(stdout);
}

static void declare(struct bench *bench, uint8_t kind, uint64_t number, const char *name)
{
    struct store_definition definition = {.name = bytes_of_text(name),
                                          .type = bytes_of_text("x-delayed-message")};
    struct store_batch *batch = store_batch_new(2);
    store_batch_add(batch,
                    (struct store_operation){.kind = kind,
                                             .lane = number,
                                             .count = kind == STORE_QUEUE_PUT,
                                             .definition = store_definition_copy(&definition)});
    commit(bench, batch);
}

static struct message *new_message(struct bench *bench)
{
    struct message *message =
        message_new(bytes_of_text("delayed"), bytes_of_text("key"), bytes_of_text("12345678"),
                    bytes_of(NULL, bench->options.body_bytes));
    uint8_t *body = message_body_for_writing(message);
    uint64_t word = next_random(&bench->random);
    memset(body, (int)(word & 0xff), bench->options.body_bytes);
    message->is_persistent = true;
    return message;
}

static uint64_t delay_ms(struct bench *bench)
{
    static const uint64_t levels_ms[] = {5000, 30000, 120000, 600000, 3600000};
    if (strcmp(bench->options.spread, "random") == 0)
        return next_random(&bench->random) % 86400000;
    if (strcmp(bench->options.spread, "levels") == 0)
        return levels_ms[next_random(&bench->random) % 5];
    return 60000;
}

static void fill(struct bench *bench, uint64_t exchange, uint64_t count)
{
    for (uint64_t id = 1; id <= count;) {
        struct store_batch *batch = store_batch_new(2);
        for (size_t i = 0; i < bench->options.batch && id <= count; i++, id++) {
            bench->now_ms += id % 10 == 0;
            store_batch_add(batch,
                            (struct store_operation){.kind = STORE_DELAY_INSERT,
                                                     .lane = exchange,
                                                     .position = id,
                                                     .expiry_ms = bench->now_ms + delay_ms(bench),
                                                     .message = new_message(bench)});
        }
        commit(bench, batch);
    }
}

/* The next delays, as the broker takes them: into a queue, and away. */
static uint64_t drain_some(struct bench *bench, struct store_read *read, uint64_t *position)
{
    struct store_read_result *result = store_read(bench->store, read);
    if (result == NULL)
        die("reading", store_error(bench->store));
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < result->count; i++) {
        struct store_row *row = &result->rows[i];
        store_batch_add(batch, (struct store_operation){.kind = STORE_INSERT,
                                                        .lane = queue,
                                                        .position = (*position)++,
                                                        .message = row->message});
        row->message = NULL;
        store_batch_add(batch, (struct store_operation){.kind = STORE_DELAY_REMOVE,
                                                        .lane = read->lane,
                                                        .position = row->position,
                                                        .expiry_ms = row->expiry_ms});
        read->due_ms = row->expiry_ms;
        read->first = row->position + 1;
    }
    uint64_t count = result->count;
    store_read_result_free(result);
    if (count > 0)
        commit(bench, batch);
    else
        store_batch_free(batch);
    return count;
}

static void drain(struct bench *bench)
{
    struct store_read read = {.kind = STORE_READ_DELAYS,
                              .lane = first_exchange,
                              .count_max = drain_rows,
                              .bytes_max = 4 << 20};
    uint64_t position = 1, drained = 0, some;
    while ((some = drain_some(bench, &read, &position)) > 0)
        drained += some;
    if (drained != bench->options.count)
        die("drain", "delays are missing");
}

/* Somebody publishes while the rows go; their commits are what is measured. */
static void wait_for_space(struct bench *bench, uint64_t position)
{
    struct store_figures figures;
    do {
        struct store_batch *batch = store_batch_new(2);
        store_batch_add(batch, (struct store_operation){.kind = STORE_INSERT,
                                                        .lane = queue,
                                                        .position = position++,
                                                        .message = new_message(bench)});
        commit(bench, batch);
        store_figures(bench->store, &figures);
    } while (figures.rows_debt > 0);
}

static void run(struct bench *bench)
{
    uint64_t count = bench->options.count;
    open_store(bench);
    declare(bench, STORE_QUEUE_PUT, queue, "queue");
    declare(bench, STORE_EXCHANGE_PUT, first_exchange, "first");
    start(bench);
    fill(bench, first_exchange, count);
    report(bench, "fill", count);
    close_store(bench);

    start(bench);
    open_store(bench);
    report(bench, "open", count);
    if (bench->opened.delay_count != 1 || bench->opened.delays[0].count != count)
        die("opening", "delays are missing");
    start(bench);
    drain(bench);
    report(bench, "drain", count);

    declare(bench, STORE_EXCHANGE_PUT, second_exchange, "second");
    fill(bench, second_exchange, count);
    declare(bench, STORE_EXCHANGE_DELETE, second_exchange, "second");
    start(bench);
    wait_for_space(bench, count + 1);
    report(bench, "delete", count);
    close_store(bench);
    free(bench->commits_ns);
}

static void usage(void)
{
    fputs("usage: bench-delays --dir DIR [--count N] [--bytes N] [--batch N]\n"
          "                    [--spread constant|levels|random]\n"
          "DIR is an empty folder; what is made in it stays.\n",
          stderr);
    exit(2);
}

int main(int count, char **arguments)
{
    static const struct option known[] = {
        {"dir", required_argument, NULL, 'd'},    {"count", required_argument, NULL, 'n'},
        {"bytes", required_argument, NULL, 'b'},  {"batch", required_argument, NULL, 'a'},
        {"spread", required_argument, NULL, 's'}, {NULL, 0, NULL, 0},
    };
    struct bench bench = {.options = {NULL, 1000000, 1024, 1000, "constant"},
                          .now_ms = 1700000000000};
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (option) {
        case 'd':
            bench.options.dir = optarg;
            break;
        case 'n':
            bench.options.count = strtoull(optarg, NULL, 10);
            break;
        case 'b':
            bench.options.body_bytes = strtoull(optarg, NULL, 10);
            break;
        case 'a':
            bench.options.batch = strtoull(optarg, NULL, 10);
            break;
        case 's':
            bench.options.spread = optarg;
            break;
        default:
            usage();
        }
    }
    if (bench.options.dir == NULL || bench.options.count == 0 || bench.options.batch == 0)
        usage();
    printf("| phase | delays | count | time | messages/s | cpu us | commit ms p50 / p99 / worst "
           "| WAL MiB | file MiB | memory MiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    run(&bench);
    return 0;
}
