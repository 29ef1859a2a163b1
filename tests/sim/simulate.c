/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simulate [--seeds FROM..TO] [--trace] [SEED]: random clients against the core, over a store that
 * is as slow as it likes and dies at any moment.
 *
 * A seed decides everything: the limits of the vhost, what the clients do, when a batch is taken,
 * committed, reported, when a read is carried out and answered, when the process dies or stops.
 * There is no clock and no other source of chance, so a seed that fails fails again. A second vhost
 * with several reactors gets the same inputs and must do the same (mirror.c). A run has two
 * phases: first anything may happen; then the faults end, every question must be answered, and
 * everything that must be there must come out of the queues.
 *
 * Each seed runs in a process of its own, so that one that aborts does not end the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/exchange.h"
#include "client.h"
#include "mirror.h"
#include "oracle.h"
#include "sim_random.h"

enum { SESSIONS_DRAWN_MAX = 6, SHARDS_DRAWN_MAX = 4, QUIET_ROUNDS_MAX = 20000 };

static const char *const shard_keys[] = {"old", "new"};

struct sim {
    struct sim_random random;
    struct sim_options options;
    struct model_store *store; /* owned */
    struct access *access;     /* owned */
    struct vhost *vhost;       /* owned */
    struct oracle oracle;
    struct clients clients;
    struct mirror *mirror;    /* owned */
    struct store_read *reads; /* owned; not carried out */
    size_t read_count;
    struct store_read_result **results; /* owned; not answered */
    size_t result_count, result_capacity;
    uint64_t durable, completed;
    uint64_t now_ms;
    unsigned policy_ttl_ms, policy_max_length; /* what the policy says; 0: nothing */
    unsigned shard_count, shard_key;           /* and another one, of an exchange */
    unsigned lives;
};

static unsigned draw(struct sim *sim, unsigned low, unsigned high)
{
    return low + sim_random_below(&sim->random, high - low + 1);
}

static bool chance(struct sim *sim, unsigned percent)
{
    return sim_random_chance(&sim->random, percent);
}

static void draw_options(struct sim *sim)
{
    struct sim_options *options = &sim->options;
    vhost_config_init(&options->vhost);
    options->vhost.hash_seed = sim_random_next(&sim->random);
    options->vhost.mark_stride = draw(sim, 2, 40);
    options->vhost.lane_bytes_max = chance(sim, 70) ? draw(sim, 0, 1500) : 1u << 20;
    options->vhost.window_bytes_max = chance(sim, 70) ? draw(sim, 0, 4000) : 1u << 20;
    options->vhost.transient_bytes_max = chance(sim, 70) ? draw(sim, 0, 3000) : 1u << 20;
    options->vhost.unstored_bytes_max = chance(sim, 50) ? draw(sim, 100, 5000) : 1u << 20;
    options->vhost.deferred_bytes_max = chance(sim, 50) ? draw(sim, 100, 2000) : 1u << 20;
    options->vhost.reads_max = chance(sim, 50) ? draw(sim, 1, 3) : 16;
    options->vhost.settle_slice = chance(sim, 50) ? draw(sim, 1, 8) : 8192;
    options->session_max = draw(sim, 1, SESSIONS_DRAWN_MAX);
    options->reactor_count = draw(sim, 1, 3);
    options->body_bytes_max = chance(sim, 50) ? draw(sim, 0, 30) : draw(sim, 0, 300);
    options->output_bytes = chance(sim, 50) ? draw(sim, 1, 1500) : 1u << 20;
    options->commands_max = chance(sim, 50) ? 1 : draw(sim, 1, 30);
    options->steps = draw(sim, 100, 900);
    options->commit_percent = draw(sim, 2, 60);
    options->complete_percent = draw(sim, 2, 60);
    options->read_percent = draw(sim, 2, 60);
    options->crash_permille = chance(sim, 70) ? draw(sim, 0, 15) : 0;
    options->stop_permille = chance(sim, 50) ? draw(sim, 0, 8) : 0;
    options->alarm_percent = chance(sim, 20) ? draw(sim, 0, 3) : 0;
    options->policy_percent = chance(sim, 50) ? draw(sim, 0, 5) : 0;
    options->pause_percent = chance(sim, 50) ? draw(sim, 0, 20) : 0;
    options->pause_ms_max = draw(sim, 1, 60);
    clients_draw(&sim->random, options);
}

/* --- inputs and what follows them */

static void see_effects(struct sim *sim)
{
    struct effect_chain chain = vhost_take_effects(sim->vhost, 0);
    while (chain.first != NULL) {
        struct effect_chunk *chunk = chain.first;
        chain.first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++) {
            mirror_expect(sim->mirror, &chunk->effects[i]);
            oracle_effect(&sim->oracle, &chunk->effects[i]);
        }
        effect_chunk_free(chunk);
    }
    oracle_settled_input(&sim->oracle, list_is_empty(&sim->vhost->slice_waits) &&
                                           list_is_empty(&sim->vhost->slow_waits) &&
                                           list_is_empty(&sim->vhost->departed));
}

static void take_reads(struct sim *sim)
{
    struct store_read *reads;
    size_t count = vhost_take_reads(sim->vhost, &reads);
    if (count > 0) {
        sim->reads = xrealloc(sim->reads, (sim->read_count + count) * sizeof *sim->reads);
        memcpy(sim->reads + sim->read_count, reads, count * sizeof *reads);
        sim->read_count += count;
    }
    free(reads);
}

static void finish_input(struct sim *sim)
{
    vhost_check(sim->vhost);
    see_effects(sim);
    take_reads(sim);
    mirror_take_some(sim->mirror, &sim->random);
}

static void apply(struct sim *sim)
{
    mirror_apply(sim->mirror, sim->clients.batch, ++sim->now_ms);
    vhost_apply(sim->vhost, sim->clients.batch, sim->now_ms);
    finish_input(sim);
}

static void say(const struct sim *sim, const char *what, uint64_t number)
{
    if (sim->oracle.is_traced)
        printf("  %s %llu\n", what, (unsigned long long)number);
}

static bool submit(struct sim *sim)
{
    struct store_batch *batch = vhost_take_batch(sim->vhost);
    if (batch == NULL)
        return false;
    say(sim, "batch", batch->number);
    mirror_submitted(sim->mirror, batch);
    model_store_submit(sim->store, batch);
    return true;
}

static bool commit(struct sim *sim)
{
    uint64_t number = model_store_commit(sim->store);
    if (number == 0)
        return false;
    say(sim, "commit", number);
    sim->durable = number;
    return true;
}

static bool complete(struct sim *sim)
{
    if (sim->durable == sim->completed)
        return false;
    sim->completed = sim->durable;
    say(sim, "completion", sim->completed);
    mirror_complete(sim->mirror, sim->completed, ++sim->now_ms);
    vhost_complete(sim->vhost, sim->completed, sim->now_ms);
    finish_input(sim);
    return true;
}

static bool carry_out_read(struct sim *sim)
{
    if (sim->read_count == 0)
        return false;
    size_t index = draw(sim, 0, (unsigned)sim->read_count - 1);
    size_t rows_max = chance(sim, 50) ? draw(sim, 1, 5) : 4096;
    sim->results = xgrow(sim->results, &sim->result_capacity, sim->result_count + 1,
                         sizeof(struct store_read_result *));
    sim->results[sim->result_count++] = model_store_read(sim->store, &sim->reads[index], rows_max);
    sim->reads[index] = sim->reads[--sim->read_count];
    return true;
}

static bool answer_read(struct sim *sim)
{
    if (sim->result_count == 0)
        return false;
    size_t index = draw(sim, 0, (unsigned)sim->result_count - 1);
    struct store_read_result *result = sim->results[index];
    sim->results[index] = sim->results[--sim->result_count];
    say(sim, "read", result->read.lane);
    mirror_read_done(sim->mirror, result, ++sim->now_ms);
    vhost_read_done(sim->vhost, result, sim->now_ms);
    store_read_result_free(result);
    finish_input(sim);
    return true;
}

/* The next slice of what is too much for one input; or the end of a turn that others wait for. */
static bool go_on(struct sim *sim)
{
    struct command_batch nothing = {0};
    uint64_t turn_due_ms = sim->vhost->turn_due_ms;
    if (vhost_deadline(sim->vhost) != 0 && turn_due_ms == UINT64_MAX)
        return false;
    sim->now_ms++;
    if (vhost_deadline(sim->vhost) != 0 && turn_due_ms > sim->now_ms)
        sim->now_ms = turn_due_ms;
    mirror_apply(sim->mirror, &nothing, sim->now_ms);
    vhost_apply(sim->vhost, &nothing, sim->now_ms);
    finish_input(sim);
    return true;
}

/* Nothing of the store is left to do. */
static void settle_store(struct sim *sim)
{
    unsigned rounds = 0;
    bool any = true;
    while (any) {
        any = go_on(sim);
        any = submit(sim) || any;
        any = commit(sim) || any;
        any = complete(sim) || any;
        any = carry_out_read(sim) || any;
        any = answer_read(sim) || any;
        if (++rounds > QUIET_ROUNDS_MAX)
            oracle_fail("the store is never left alone");
    }
}

/* --- policies */

static void add_policy(struct policies *policies, const char *pattern, const char *apply_to,
                       struct buffer *definition)
{
    char reason[256];
    struct policy_source source = {
        .name = bytes_of_text(pattern),
        .pattern = bytes_of_text(pattern),
        .apply_to = bytes_of_text(apply_to),
        .definition = buffer_bytes(definition),
    };
    if (definition->size > 0)
        CHECK(policies_add(policies, &source, reason, sizeof reason));
    buffer_fini(definition);
}

static struct policies *make_policies(const struct sim *sim)
{
    struct policies *policies = policies_new();
    struct buffer definition = {0}, shards = {0};
    if (sim->policy_ttl_ms > 0)
        amqp_table_add_int(&definition, "message-ttl", sim->policy_ttl_ms);
    if (sim->policy_max_length > 0)
        amqp_table_add_int(&definition, "max-length", sim->policy_max_length);
    if (sim->shard_count > 0) {
        amqp_table_add_text(&shards, "routing-key", shard_keys[sim->shard_key]);
        amqp_table_add_int(&shards, "shards-per-node", sim->shard_count);
    }
    add_policy(policies, "^policy$", "queues", &definition);
    add_policy(policies, "^amq[.]match$", "exchanges", &shards);
    return policies;
}

static void set_policies(struct sim *sim)
{
    mirror_set_policies(sim->mirror, make_policies(sim));
    vhost_set_policies(sim->vhost, make_policies(sim));
}

/* --- shards, of an exchange that nobody publishes to */

struct shards {
    bool are_bound[SHARDS_DRAWN_MAX][2]; /* by number and key */
};

static void see_shard(void *context, const struct binding_status *binding)
{
    struct shards *shards = context;
    if (!bytes_equal_text(binding->source, "amq.match"))
        return;
    unsigned number = binding->destination.data[binding->destination.size - 1] - '0';
    CHECK(number < SHARDS_DRAWN_MAX);
    shards->are_bound[number][bytes_equal_text(binding->key, shard_keys[1])] = true;
}

static struct shards see_shards(const struct sim *sim)
{
    struct shards shards = {0};
    const struct vhost_visitor visitor = {.binding = see_shard, .context = &shards};
    struct vhost_listing listing = {0};
    while (!listing.is_done)
        vhost_list(sim->vhost, &listing, &visitor, 100);
    return shards;
}

/* Of another key those are unbound that the former policy named; what is too many stays. */
static void expect_shards(const struct sim *sim, struct shards *shards, unsigned former_count,
                          unsigned former_key)
{
    bool unbinds = sim->shard_count == 0 || sim->shard_key != former_key;
    for (unsigned number = 0; unbinds && number < former_count; number++)
        shards->are_bound[number][former_key] = false;
    for (unsigned number = 0; number < sim->shard_count; number++)
        shards->are_bound[number][sim->shard_key] = true;
}

/* A crash may have taken the last changes along; the policy of now is obeyed. */
static void check_shards_restored(const struct sim *sim)
{
    struct shards shards = see_shards(sim);
    for (unsigned number = 0; number < sim->shard_count; number++) {
        if (!shards.are_bound[number][sim->shard_key])
            oracle_fail("shard %u of %u is not bound", number, sim->shard_count);
    }
}

static void change_shards(struct sim *sim)
{
    struct shards expected = see_shards(sim);
    unsigned former_count = sim->shard_count, former_key = sim->shard_key;
    sim->shard_count = chance(sim, 50) ? draw(sim, 1, SHARDS_DRAWN_MAX) : 0;
    sim->shard_key = draw(sim, 0, 1);
    set_policies(sim);
    apply(sim);
    expect_shards(sim, &expected, former_count, former_key);
    struct shards shards = see_shards(sim);
    if (memcmp(&shards, &expected, sizeof shards) != 0)
        oracle_fail("other shards are bound than the policy says, which wants %u",
                    sim->shard_count);
}

static void change_policies(struct sim *sim)
{
    sim->policy_ttl_ms = chance(sim, 50) ? draw(sim, 1, 40) : 0;
    sim->policy_max_length = chance(sim, 50) ? draw(sim, 1, 6) : 0;
    say(sim, "policies, ttl", sim->policy_ttl_ms);
    change_shards(sim);
}

/* --- lives */

static void set_alarms(struct sim *sim, unsigned alarms)
{
    mirror_set_alarms(sim->mirror, alarms, ++sim->now_ms);
    vhost_set_alarms(sim->vhost, alarms, sim->now_ms);
    sim->oracle.has_alarm = alarms != 0;
    finish_input(sim);
}

static void open_vhost(struct sim *sim)
{
    struct store_opened opened = model_store_open(sim->store);
    sim->options.vhost.name_seed = ++sim->lives;
    sim->vhost = vhost_new(&sim->options.vhost, sim->access);
    vhost_restore(sim->vhost, &opened);
    mirror_open(sim->mirror, &sim->options.vhost, sim->access, &opened);
    store_opened_fini(&opened);
    sim->durable = sim->completed = STORE_BATCH_BEFORE;
    vhost_check(sim->vhost);
    set_policies(sim);
    clients_set_up(&sim->clients);
    apply(sim);
    check_shards_restored(sim);
    settle_store(sim);
}

static void close_vhost(struct sim *sim)
{
    for (size_t i = 0; i < sim->result_count; i++)
        store_read_result_free(sim->results[i]);
    sim->result_count = sim->read_count = 0;
    mirror_close(sim->mirror);
    vhost_free(sim->vhost);
}

static void crash(struct sim *sim)
{
    say(sim, "crash after", sim->durable);
    model_store_crash(sim->store);
    oracle_died(&sim->oracle, false);
    close_vhost(sim);
    open_vhost(sim);
}

static void stop(struct sim *sim)
{
    struct amqp_error reason;
    say(sim, "stop after", sim->durable);
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED, "simulated");
    mirror_stop(sim->mirror, &reason, ++sim->now_ms);
    vhost_stop(sim->vhost, &reason, sim->now_ms);
    finish_input(sim);
    settle_store(sim);
    model_store_crash(sim->store);
    oracle_died(&sim->oracle, true);
    close_vhost(sim);
    open_vhost(sim);
}

/* --- the two phases */

static void step(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    sim->clients.reactor = draw(sim, 0, options->reactor_count - 1);
    for (unsigned i = draw(sim, 1, options->commands_max) * options->reactor_count; i > 0; i--)
        clients_act(&sim->clients);
    if (chance(sim, 50))
        clients_answer(&sim->clients);
    apply(sim);
    if (chance(sim, options->commit_percent))
        submit(sim);
    if (chance(sim, options->commit_percent))
        commit(sim);
    if (chance(sim, options->complete_percent))
        complete(sim);
    if (chance(sim, options->read_percent))
        carry_out_read(sim);
    if (chance(sim, options->read_percent))
        answer_read(sim);
    if (chance(sim, options->pause_percent))
        sim->now_ms += draw(sim, 1, options->pause_ms_max);
    if (chance(sim, options->policy_percent))
        change_policies(sim);
    if (chance(sim, options->alarm_percent)) {
        set_alarms(sim, draw(sim, 0, sim->oracle.is_blind ? 7 : 3)); /* also a drain */
    }
    if (draw(sim, 1, 1000) <= options->crash_permille)
        crash(sim);
    else if (draw(sim, 1, 1000) <= options->stop_permille)
        stop(sim);
}

/* Everybody waits; everything that is waited for must come. */
static void wait_for_answers(struct sim *sim)
{
    set_alarms(sim, 0);
    for (unsigned rounds = 0;; rounds++) {
        clients_return_credit(&sim->clients);
        bool any = clients_answer(&sim->clients) || sim->clients.batch->count > 0;
        apply(sim);
        settle_store(sim);
        if (!any)
            break;
        if (rounds > QUIET_ROUNDS_MAX)
            oracle_fail("the clients are never left alone");
    }
    oracle_check_answered(&sim->oracle);
}

static void add_drain(void *context, const struct queue_status *status)
{
    struct sim *sim = context;
    if (status->is_exclusive)
        oracle_fail("an exclusive queue outlives its owner");
    if (status->unacked > 0)
        oracle_fail("unacked messages outlive their channels");
    if (!bytes_start_with(status->name, "sharding: ")) /* has none */
        clients_drain(&sim->clients, status->name);
}

static void drain(struct sim *sim)
{
    clients_leave(&sim->clients);
    apply(sim);
    settle_store(sim);
    vhost_list_queues(sim->vhost, add_drain, sim);
    for (unsigned rounds = 0;; rounds++) {
        apply(sim);
        settle_store(sim);
        bool any = clients_ack_all(&sim->clients);
        clients_return_credit(&sim->clients);
        if (!any)
            break;
        if (rounds > QUIET_ROUNDS_MAX)
            oracle_fail("the queues are never empty");
    }
    oracle_check_drained(&sim->oracle);
}

static void no_row(void *context, struct bytes queue, const struct message *message,
                   bool may_be_delivered)
{
    (void)context, (void)message, (void)may_be_delivered;
    oracle_fail("queue %.*s has messages left in the store", (int)queue.size,
                (const char *)queue.data);
}

static void check_empty(struct sim *sim)
{
    struct vhost_counters counters;
    vhost_count(sim->vhost, &counters);
    if (counters.ready + counters.ready_bytes + counters.unacked > 0)
        oracle_fail("messages are left: %llu ready, %llu unacked",
                    (unsigned long long)counters.ready, (unsigned long long)counters.unacked);
    if (counters.window_bytes + counters.transient_bytes + counters.unstored_bytes > 0)
        oracle_fail("memory is left: %llu in windows, %llu on the way to the store",
                    (unsigned long long)counters.window_bytes,
                    (unsigned long long)counters.unstored_bytes);
    model_store_each(sim->store, no_row, NULL);
    clients_leave(&sim->clients);
    apply(sim);
    settle_store(sim);
    vhost_count(sim->vhost, &counters);
    if (counters.session_bytes + counters.sessions + counters.channels + counters.consumers > 0)
        oracle_fail("sessions are left");
}

static uint64_t run(uint64_t seed, bool is_traced)
{
    struct sim *sim = xcalloc(1, sizeof *sim);
    sim->random.state = seed;
    sim->store = model_store_new();
    sim->access = access_new_open();
    draw_options(sim);
    oracle_init(&sim->oracle, sim->store);
    sim->oracle.is_traced = is_traced;
    sim->oracle.is_blind = chance(sim, 12);
    sim->clients =
        (struct clients){&sim->oracle, &sim->random, &sim->options, command_batch_new(), 0, 0};
    sim->mirror = mirror_new(&sim->oracle, sim->options.reactor_count);
    open_vhost(sim);
    for (unsigned i = 0; i < sim->options.steps; i++) {
        if (is_traced)
            printf("step %u\n", i);
        step(sim);
    }
    say(sim, "all waits; steps", sim->options.steps);
    wait_for_answers(sim);
    drain(sim);
    check_empty(sim);
    uint64_t digest = sim->oracle.digest;
    close_vhost(sim);
    mirror_free(sim->mirror);
    oracle_fini(&sim->oracle);
    command_batch_free(sim->clients.batch);
    model_store_free(sim->store);
    access_free(sim->access);
    free(sim->reads);
    free(sim->results);
    free(sim);
    return digest;
}

/* --- many */

static bool run_in_child(uint64_t seed)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run(seed, false);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    bool is_passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!is_passed)
        printf("seed %llu failed: replay it with scripts/simulate %llu\n", (unsigned long long)seed,
               (unsigned long long)seed);
    return is_passed;
}

static int run_many(uint64_t first, uint64_t last)
{
    unsigned long long passed = 0, failed = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (run_in_child(seed))
            passed++;
        else
            failed++;
    }
    printf("%llu passed, %llu failed, 0 skipped\n", passed, failed);
    return failed > 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: simulate [--seeds FROM..TO] [--trace] [SEED]\n");
    return 64;
}

int main(int count, char **arguments)
{
    unsigned long long first = 1, last = 200;
    bool is_traced = false, is_single = false;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--trace") == 0)
            is_traced = true;
        else if (strcmp(arguments[i], "--seeds") == 0 && i + 1 < count) {
            if (sscanf(arguments[++i], "%llu..%llu", &first, &last) != 2)
                return usage();
        } else if (sscanf(arguments[i], "%llu", &first) == 1) {
            is_single = true;
        } else {
            return usage();
        }
    }
    if (!is_single)
        return run_many(first, last);
    uint64_t digest = run(first, is_traced);
    printf("seed %llu passed, digest %016llx\n", first, (unsigned long long)digest);
    return 0;
}
