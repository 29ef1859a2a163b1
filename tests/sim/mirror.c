/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first vhost has one reactor, and its effects are looked at in the order in which it made
 * them. The second one has several: an effect for a connection is made while the commands of
 * another reactor's connections are applied, and lies there until its own reactor comes. If the
 * order on every connection is the core's, a digest over all that a connection got is the same for
 * both, whenever it was taken. That the batches for the store are the same, byte for byte, shows
 * that the core depends on its inputs alone.
 */
#include "mirror.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/xmalloc.h"

struct log {
    uint64_t digest;
    uint64_t count;
};

struct mirror {
    struct oracle *oracle; /* borrowed */
    size_t reactor_count;
    struct vhost *vhost; /* owned */
    struct session *sessions[SIM_SESSIONS];
    struct log expected[SIM_SESSIONS];
    struct log seen[SIM_SESSIONS];
};

struct mirror *mirror_new(struct oracle *oracle, size_t reactor_count)
{
    struct mirror *mirror = xcalloc(1, sizeof *mirror);
    mirror->oracle = oracle;
    mirror->reactor_count = reactor_count;
    return mirror;
}

void mirror_free(struct mirror *mirror)
{
    free(mirror);
}

void mirror_open(struct mirror *mirror, const struct vhost_config *config,
                 const struct access *access, const struct store_opened *opened)
{
    struct vhost_config mine = *config;
    mine.reactor_count = mirror->reactor_count;
    mirror->vhost = vhost_new(&mine, access);
    vhost_restore(mirror->vhost, opened);
}

void mirror_close(struct mirror *mirror)
{
    mirror_compare(mirror);
    vhost_free(mirror->vhost);
}

/* --- inputs */

static size_t connection_of(const struct mirror *mirror, const struct session *session)
{
    size_t i = 0;
    while (i < SIM_SESSIONS && mirror->oracle->sessions[i].session != session)
        i++;
    if (i == SIM_SESSIONS)
        oracle_fail("a command of a session that is gone");
    return i;
}

static void open_session(struct mirror *mirror, size_t connection)
{
    struct session_config config = mirror->oracle->sessions[connection].config;
    config.reactor = connection % mirror->reactor_count;
    mirror->sessions[connection] = session_new(&config);
}

static void copy_command(struct mirror *mirror, const struct command *command, struct command *copy)
{
    size_t connection = connection_of(mirror, command->session);
    struct amqp_error error;
    *copy = *command;
    if (command->kind == COMMAND_SESSION_OPEN)
        open_session(mirror, connection);
    copy->session = mirror->sessions[connection];
    if (command->kind == COMMAND_PUBLISH)
        message_ref(copy->message);
    else if (command->kind == COMMAND_METHOD)
        copy->method =
            command_method_decode(bytes_of(command->method->payload, command->method->size),
                                  AMQP_TABLE_DEPTH_MAX, &error);
    else if (command->kind == COMMAND_MOVE)
        copy->move = command_move_new(command->move->source, command->move->destination,
                                      command->move->count);
    else if (command->kind == COMMAND_CONNECTION_ERROR || command->kind == COMMAND_CHANNEL_ERROR)
        copy->error = xmemdup(command->error, sizeof *command->error);
}

void mirror_apply(struct mirror *mirror, const struct command_batch *batch, uint64_t now_ms)
{
    struct command_batch *copy = command_batch_new();
    for (size_t i = 0; i < batch->count; i++)
        copy_command(mirror, &batch->commands[i], command_batch_add(copy));
    vhost_apply(mirror->vhost, copy, now_ms);
    command_batch_free(copy);
}

void mirror_complete(struct mirror *mirror, uint64_t number, uint64_t now_ms)
{
    vhost_complete(mirror->vhost, number, now_ms);
}

void mirror_read_done(struct mirror *mirror, const struct store_read_result *result,
                      uint64_t now_ms)
{
    struct store_read_result *copy = xmemdup(result, sizeof *result);
    copy->rows = xmemdup(result->rows, result->count * sizeof *result->rows);
    for (size_t i = 0; i < copy->count; i++)
        message_ref(copy->rows[i].message);
    vhost_read_done(mirror->vhost, copy, now_ms);
    store_read_result_free(copy);
}

void mirror_set_policies(struct mirror *mirror, struct policies *policies)
{
    vhost_set_policies(mirror->vhost, policies);
}

void mirror_set_alarms(struct mirror *mirror, unsigned alarms, uint64_t now_ms)
{
    vhost_set_alarms(mirror->vhost, alarms, now_ms);
}

void mirror_stop(struct mirror *mirror, struct amqp_error *reason, uint64_t now_ms)
{
    vhost_stop(mirror->vhost, reason, now_ms);
}

/* --- what comes out */

void mirror_submitted(struct mirror *mirror, const struct store_batch *batch)
{
    struct buffer bytes = {0}, mine = {0};
    struct store_batch *copy = vhost_take_batch(mirror->vhost);
    if (copy == NULL)
        oracle_fail("with several reactors there is no batch %llu",
                    (unsigned long long)batch->number);
    store_batch_encode(batch, &bytes);
    store_batch_encode(copy, &mine);
    if (!bytes_equal(buffer_bytes(&bytes), buffer_bytes(&mine)))
        oracle_fail("with several reactors batch %llu is another one",
                    (unsigned long long)batch->number);
    store_batch_free(copy);
    buffer_fini(&bytes);
    buffer_fini(&mine);
}

static void add(struct log *log, const struct effect *effect)
{
    log->digest = oracle_digest(log->digest, effect);
    log->count++;
}

void mirror_expect(struct mirror *mirror, const struct effect *effect)
{
    add(&mirror->expected[effect->connection], effect);
}

static void take(struct mirror *mirror, size_t reactor)
{
    struct effect_chain chain = vhost_take_effects(mirror->vhost, reactor);
    for (struct effect_chunk *chunk = chain.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < chunk->count; i++) {
            struct effect *effect = &chunk->effects[i];
            if (effect->connection % mirror->reactor_count != reactor)
                oracle_fail("reactor %zu got an effect for connection %llu", reactor,
                            (unsigned long long)effect->connection);
            add(&mirror->seen[effect->connection], effect);
        }
    }
    effect_chain_clear(&chain);
}

void mirror_take_some(struct mirror *mirror, struct sim_random *random)
{
    struct store_read *reads;
    vhost_check(mirror->vhost);
    vhost_take_reads(mirror->vhost, &reads);
    free(reads);
    while (sim_random_chance(random, 40))
        take(mirror, sim_random_below(random, (unsigned)mirror->reactor_count));
}

void mirror_compare(struct mirror *mirror)
{
    for (size_t i = 0; i < mirror->reactor_count; i++)
        take(mirror, i);
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        if (mirror->seen[i].count != mirror->expected[i].count ||
            mirror->seen[i].digest != mirror->expected[i].digest)
            oracle_fail("connection %zu got %llu effects of %zu reactors, which are not the %llu "
                        "of the core",
                        i, (unsigned long long)mirror->seen[i].count, mirror->reactor_count,
                        (unsigned long long)mirror->expected[i].count);
    }
}
