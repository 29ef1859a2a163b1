/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a life: what the store holds is compared with what must be in it, and with what must
 * not; and what must have come to an end when nothing is waited for any more.
 */
#include "oracle_internal.h"

#include "amqp/method.h"

struct comparison {
    struct oracle *oracle;
    bool is_clean;
};

static void on_found(void *context, struct bytes queue, const struct message *message,
                     bool may_be_delivered)
{
    struct comparison *comparison = context;
    struct oracle *oracle = comparison->oracle;
    struct sim_copy *copy =
        oracle_copy_of(oracle, oracle_message_of(oracle, message), oracle_queue(oracle, queue));
    unsigned long long id = ID(copy);
    const char *name = copy->queue->name;
    copy->is_in_store = true;
    if (oracle->is_blind)
        return;
    REQUIRE(oracle_is_durable(copy), "message %llu of %s is stored", id, name);
    REQUIRE(copy->message->publish != PUBLISH_ROLLED_BACK, "message %llu was rolled back", id);
    REQUIRE(copy->place != PLACE_PURGED, "message %llu of %s is back after it was purged", id,
            name);
    REQUIRE(!copy->was_delivered || may_be_delivered, "message %llu of %s lost its mark", id, name);
    if (comparison->is_clean) {
        REQUIRE(copy->place != PLACE_GONE, "message %llu of %s is back after it was settled", id,
                name);
        REQUIRE(copy->has_survived || copy->was_delivered || !may_be_delivered,
                "message %llu of %s is marked and was not delivered", id, name);
    }
}

/* The message is in the lossy queue, or among the dead letters, and not in both. */
static void compare_lossy(struct oracle *oracle, struct sim_message *message, bool is_clean)
{
    const struct sim_copy *source = message->lossy, *dead = oracle_dead_copy(oracle, message);
    bool is_dead = dead != NULL && dead->is_in_store;
    if (source == NULL || oracle->is_blind)
        return;
    REQUIRE(!source->is_in_store || !is_dead, "message %llu is in %s and among the dead",
            ID(source), source->queue->name);
    bool is_there = source->is_in_store || is_dead;
    bool must_be_there = oracle_is_lasting(message) && oracle_is_kept(message) &&
                         (message->is_confirmed || (is_clean && message->publish == PUBLISH_DONE));
    REQUIRE(is_there || !must_be_there, "message %llu of %s is lost", ID(source),
            source->queue->name);
    REQUIRE(!is_there || !message->is_rejected, "message %llu of %s was nacked and is stored",
            ID(source), source->queue->name);
    message->is_expected = is_there;
    message->is_settled = false;
}

static void compare(struct oracle *oracle, struct sim_copy *copy, bool is_clean)
{
    const struct sim_message *message = copy->message;
    bool must_be_there = oracle_is_durable(copy) && copy->is_certain && !copy->is_excused &&
                         copy->place != PLACE_LOST &&
                         (message->is_confirmed || (is_clean && message->publish == PUBLISH_DONE));
    REQUIRE(copy->is_in_store || !must_be_there || oracle->is_blind, "message %llu of %s is lost",
            ID(copy), copy->queue->name);
    oracle_move(oracle, copy, copy->is_in_store ? PLACE_READY : PLACE_LOST);
    if (copy->is_in_store) {
        copy->is_certain =
            oracle_stays(copy->queue) && (copy->queue->flags & (SIM_LOSSY | SIM_DEAD)) == 0;
        copy->is_committed = true;
        copy->is_excused = false;
        copy->has_survived = copy->has_survived || !is_clean;
        copy->message->publish = PUBLISH_DONE;
    }
    /* A dead letter that is lost is alive where it came from, and may die again. */
    if (copy->place == PLACE_LOST && (copy->queue->flags & SIM_DEAD) != 0) {
        oracle_move(oracle, copy, PLACE_SENT);
        copy->was_delivered = copy->has_survived = false;
    }
    copy->is_in_store = false;
}

static void compare_queue(struct oracle *oracle, struct sim_queue *queue, bool is_clean)
{
    bool is_durable_queue = (queue->flags & SIM_DURABLE) != 0;
    bool is_there =
        queue->name != NULL && model_store_has_queue(oracle->store, bytes_of_text(queue->name));
    REQUIRE(!is_there || is_durable_queue, "queue %s is stored", queue->name);
    REQUIRE(is_there || !queue->exists || !is_durable_queue, "queue %s is lost", queue->name);
    queue->exists = is_there && oracle_stays(queue);
    queue->hazards = 0;
    for (size_t i = 0; i < queue->count; i++)
        compare(oracle, queue->copies[i], is_clean);
}

void oracle_died(struct oracle *oracle, bool is_clean)
{
    struct comparison comparison = {oracle, is_clean};
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        struct sim_session *session = &oracle->sessions[i];
        oracle_end_channels(oracle, session, false);
        *session = (struct sim_session){.connection = session->connection};
    }
    model_store_each(oracle->store, on_found, &comparison);
    for (size_t i = 0; i < oracle->message_count; i++)
        compare_lossy(oracle, oracle->messages[i], is_clean);
    for (size_t i = 0; i < SIM_QUEUES; i++)
        compare_queue(oracle, &oracle->queues[i], is_clean);
}

void oracle_check_answered(struct oracle *oracle)
{
    for (size_t i = 0; i < SIM_SESSIONS * SIM_CHANNELS; i++) {
        const struct sim_session *session = &oracle->sessions[i / SIM_CHANNELS];
        struct sim_channel *channel = session->channels[i % SIM_CHANNELS];
        REQUIRE(!session->is_paused || session->is_closed, "session %zu is paused for ever",
                i / SIM_CHANNELS);
        if (channel == NULL || channel->is_failed)
            continue;
        REQUIRE(channel->expected_count == 0, "%zu.%u: %s never comes", i / SIM_CHANNELS,
                channel->number, amqp_method_name(channel->expected[0].method));
        REQUIRE(channel->confirm_count == 0, "%zu.%u: tag %llu is never confirmed",
                i / SIM_CHANNELS, channel->number, NUMBER(channel->confirms[0].tag));
        REQUIRE(oracle_consumer_due(channel) == NULL, "%zu.%u: consumer '%s' never comes",
                i / SIM_CHANNELS, channel->number, oracle_consumer_due(channel)->tag);
    }
}

void oracle_check_drained(struct oracle *oracle)
{
    if (oracle->is_blind)
        return;
    for (size_t i = 0; i < oracle->message_count * SIM_QUEUES; i++) {
        const struct sim_copy *copy = oracle->messages[i / SIM_QUEUES]->copies[i % SIM_QUEUES];
        if (copy == NULL || !copy->is_certain || copy->is_excused ||
            copy->message->publish != PUBLISH_DONE || copy->place == PLACE_LOST)
            continue;
        oracle_fail("message %llu of %s never comes", ID(copy), copy->queue->name);
    }
    for (size_t i = 0; i < oracle->message_count; i++) {
        const struct sim_message *message = oracle->messages[i];
        if (message->lossy != NULL && oracle_is_owed(message))
            oracle_fail("message %llu of %s comes neither there nor among the dead",
                        NUMBER(message->id), message->lossy->queue->name);
    }
}
