/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference: slow and obvious. It looks at the broker from outside, as clients and the disk do,
 * and asks of every effect whether it could be so.
 *
 * A command is sent, and later it is processed: at the latest when a command that was sent behind
 * it on its channel is answered, or when the input ends while nothing on its channel waits for an
 * answer or a consumer, and nothing goes on in slices. In between both outcomes are possible, and
 * the oracle accepts both. What is certain:
 *
 *   - a copy is a message in a queue. It is certain when the queue existed and nobody was about to
 *     delete or purge it when the message was published; it is excused when it may be gone (acked,
 *     delivered without ack, purged, its queue deleted);
 *   - a copy has one owner at a time, carries redelivered when it was delivered before, and is not
 *     delivered while an older one of the same publishing channel is certainly ready;
 *   - what is confirmed is on disk or excused; after a crash the disk is compared with that;
 *   - a message in a queue that messages leave by themselves (they expire, limits drop them, they
 *     fail too often, they are moved) is there or among the dead letters, never in both, until
 *     somebody has it;
 *   - what is moved and not touched on the way comes in the order in which it was published; in
 *     some runs messages move from anywhere to anywhere, and nothing is asked of any one of them:
 *     what is looked at then is that counters and memory agree, and that all comes to an end;
 *   - what was rejected in a queue is among the dead letters, even when the queue is deleted then;
 *   - what is nacked is delivered to nobody;
 *   - a queue that deduplicates never has two messages of one value, and nacks a message only for a
 *     twin that may be there;
 *   - a tag is confirmed once, a reply answers the oldest question of its channel, a consumer is
 *     the one that was asked for first.
 *
 * This file has what a message and its copies are, and what is certain between inputs; the others
 * are what clients send (oracle_sent.c), what comes back (oracle_effect.c, and for messages
 * oracle_delivery.c), and what is left when a life ends (oracle_death.c).
 */
#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "oracle_internal.h"

void oracle_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "broken: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

/* --- messages and copies */

struct sim_queue *oracle_queue(struct oracle *oracle, struct bytes name)
{
    for (size_t i = 0; i < SIM_QUEUES; i++) {
        if (oracle->queues[i].name != NULL && bytes_equal_text(name, oracle->queues[i].name))
            return &oracle->queues[i];
    }
    oracle_fail("there is a queue '%.*s'", (int)name.size, (const char *)name.data);
}

struct sim_message *oracle_message_of(struct oracle *oracle, const struct message *message)
{
    struct bytes body = message_body(message);
    uint64_t id = 0;
    for (size_t i = 0; i < body.size && body.data[i] >= '0' && body.data[i] <= '9'; i++)
        id = id * 10 + (uint64_t)(body.data[i] - '0');
    REQUIRE(id > 0 && id <= oracle->message_count, "message %llu was never published", NUMBER(id));
    struct sim_message *found = oracle->messages[id - 1];
    REQUIRE(found->is_persistent == message->is_persistent, "message %llu changed", NUMBER(id));
    return found;
}

struct sim_copy *oracle_copy_of(struct oracle *oracle, struct sim_message *message,
                                struct sim_queue *queue)
{
    struct sim_copy **place = &message->copies[queue - oracle->queues];
    if (*place != NULL)
        return *place;
    struct sim_copy *copy = xcalloc(1, sizeof *copy);
    copy->message = message;
    copy->queue = queue;
    queue->copies =
        xgrow(queue->copies, &queue->capacity, queue->count + 1, sizeof(struct sim_copy *));
    queue->copies[queue->count++] = copy;
    *place = copy;
    return copy;
}

void oracle_move(struct oracle *oracle, struct sim_copy *copy, enum sim_place place)
{
    copy->place = place;
    copy->touched = ++oracle->events;
}

bool oracle_is_durable(const struct sim_copy *copy)
{
    return (copy->message->is_persistent || (copy->queue->flags & SIM_QUORUM) != 0) &&
           (copy->queue->flags & SIM_DURABLE) != 0;
}

/* Does the queue go only when it is told to? */
bool oracle_stays(const struct sim_queue *queue)
{
    return (queue->flags & (SIM_AUTO_DELETE | SIM_EXCLUSIVE)) == 0;
}

/* Its queue holds it, ready, whatever else happens. */
bool oracle_is_certainly_ready(const struct sim_copy *copy)
{
    if (!copy->is_certain || copy->is_excused)
        return false;
    return copy->place == PLACE_READY ||
           (copy->place == PLACE_SENT && copy->message->publish == PUBLISH_DONE);
}

/* --- messages that leave queues by themselves */

static struct sim_queue *first_with(struct oracle *oracle, unsigned flags)
{
    size_t i = 0;
    while ((oracle->queues[i].flags & flags) != flags)
        i++;
    return &oracle->queues[i];
}

struct sim_queue *oracle_dead_queue(struct oracle *oracle)
{
    return first_with(oracle, SIM_DEAD);
}

struct sim_queue *oracle_beyond(struct oracle *oracle, const struct sim_queue *queue)
{
    return first_with(oracle, (queue->flags & SIM_MOVING) != 0 ? SIM_MOVED : SIM_DEAD);
}

/* That of a message which is, or was, in a lossy queue, where it goes from there. */
struct sim_copy *oracle_dead_copy(struct oracle *oracle, const struct sim_message *message)
{
    if (message->lossy == NULL)
        return NULL;
    return message->copies[oracle_beyond(oracle, message->lossy->queue) - oracle->queues];
}

/* Does it outlive a crash? A transient message of a quorum queue does not as a dead letter. */
bool oracle_is_lasting(const struct sim_message *message)
{
    return message->is_persistent && (message->lossy->queue->flags & SIM_DURABLE) != 0;
}

/* Is it, in the lossy queue or beyond, unless it was settled? A message with a time to live of its
 * own has it again where it was moved to, and may end there. */
bool oracle_is_kept(const struct sim_message *message)
{
    return message->is_expected && !message->is_settled && !message->is_rejected &&
           (message->expiration_ms == 0 || !message->lossy->queue->has_moved);
}

/* Must somebody still get it? */
bool oracle_is_owed(const struct sim_message *message)
{
    return message->publish == PUBLISH_DONE && oracle_is_kept(message);
}

/* A copy is settled for good, perhaps. */
void oracle_settle_lossy(struct sim_copy *copy, bool is_ack)
{
    unsigned flags = copy->queue->flags;
    copy->was_acked = is_ack;
    if ((flags & SIM_DEAD) != 0 ||
        ((flags & SIM_LOSSY) != 0 && (is_ack || (flags & SIM_DEAD_LETTERS) == 0)))
        copy->message->is_settled = true;
}

void oracle_check_lossy(struct oracle *oracle, const struct sim_copy *copy)
{
    const struct sim_message *message = copy->message;
    const struct sim_copy *source = message->lossy, *dead = oracle_dead_copy(oracle, message);
    unsigned long long id = ID(copy);
    REQUIRE(!message->is_rejected, "message %llu of %s was nacked", id, copy->queue->name);
    if ((copy->queue->flags & SIM_DEAD) != 0) {
        REQUIRE(source != NULL && (source->queue->flags & (SIM_DEAD_LETTERS | SIM_MOVING)) != 0,
                "message %llu cannot die", id);
        REQUIRE(copy == dead, "message %llu has come to %s", id, copy->queue->name);
        REQUIRE(!(source->place == PLACE_GONE && source->was_acked),
                "message %llu died after it was acked", id);
    } else if (copy == source && dead != NULL) {
        REQUIRE(dead->place == PLACE_SENT || dead->place == PLACE_LOST,
                "message %llu of %s is dead", id, copy->queue->name);
    }
}

/* --- between inputs */

static void promote_copies(struct oracle *oracle)
{
    struct sim_session *session;
    for (size_t i = 0; i < oracle->message_count * SIM_QUEUES; i++) {
        struct sim_copy *copy = oracle->messages[i / SIM_QUEUES]->copies[i % SIM_QUEUES];
        if (copy == NULL || (copy->place != PLACE_BACK && copy->place != PLACE_DONE))
            continue;
        const struct sim_channel *channel = oracle_find_channel(oracle, copy->channel, &session);
        if (channel != NULL && !channel->is_failed && copy->command <= channel->processed)
            oracle_move(oracle, copy, copy->place == PLACE_BACK ? PLACE_READY : PLACE_GONE);
    }
}

static void promote_messages(struct oracle *oracle)
{
    struct sim_session *session;
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->publish != PUBLISH_SENT)
            continue;
        const struct sim_channel *channel = oracle_find_channel(oracle, message->channel, &session);
        if (channel != NULL && !channel->is_failed && message->command <= channel->processed)
            message->publish = PUBLISH_DONE;
    }
}

/* The index of the command that a channel does not go beyond, although no reply to it is due: its
 * first publish while an alarm is on, or a basic.consume whose queue is still about to go. */
static uint64_t first_waiting(const struct oracle *oracle, struct sim_channel *channel)
{
    const struct sim_consumer *consumer = oracle_consumer_due(channel);
    uint64_t first = consumer != NULL ? consumer->command : UINT64_MAX;
    for (size_t i = 0; oracle->has_alarm && i < oracle->message_count; i++) {
        const struct sim_message *message = oracle->messages[i];
        if (message->channel == channel->serial && message->publish != PUBLISH_DONE &&
            message->sent_command > channel->processed && message->sent_command < first)
            first = message->sent_command;
    }
    return first;
}

/* What is consumed before it is on disk is confirmed then; its delivery may leave by the effects of
 * another reactor, which are looked at later. */
static void check_confirms(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->is_just_confirmed)
            oracle_check_safe(oracle, message, "confirmed");
        message->is_just_confirmed = false;
    }
}

void oracle_settled_input(struct oracle *oracle, bool is_all)
{
    check_confirms(oracle);
    for (size_t i = 0; i < SIM_SESSIONS * SIM_CHANNELS; i++) {
        struct sim_session *session = &oracle->sessions[i / SIM_CHANNELS];
        struct sim_channel *channel = session->channels[i % SIM_CHANNELS];
        session->is_gone_in_alarm |= session->is_gone_sent && oracle->has_alarm;
        if (channel == NULL || channel->is_failed || channel->is_closing ||
            session->is_gone_in_alarm || !is_all)
            continue;
        uint64_t processed =
            channel->expected_count > 0 ? channel->expected[0].command - 1 : channel->commands;
        uint64_t first = first_waiting(oracle, channel);
        channel->processed = processed < first ? processed : first - 1;
    }
    promote_copies(oracle);
    promote_messages(oracle);
    oracle->settled = oracle->events;
}

static void on_commit(void *context, struct bytes queue, const struct message *message,
                      bool may_be_delivered)
{
    struct oracle *oracle = context;
    (void)may_be_delivered;
    oracle_copy_of(oracle, oracle_message_of(oracle, message), oracle_queue(oracle, queue))
        ->is_committed = true;
}

/* --- the start */

#define LOSSY .flags = SIM_DURABLE | SIM_LOSSY | SIM_DEAD_LETTERS

void oracle_init(struct oracle *oracle, struct model_store *store)
{
    static const struct sim_queue queues[SIM_QUEUES] = {
        {.name = "sd0", .flags = SIM_DURABLE},
        {.name = "sd1", .flags = SIM_DURABLE},
        {.name = "st0", .flags = 0},
        {.name = "vd0", .flags = SIM_DURABLE | SIM_VOLATILE},
        {.name = "vd1", .flags = SIM_DURABLE | SIM_VOLATILE},
        {.name = "vt0", .flags = SIM_VOLATILE},
        {.name = "at0", .flags = SIM_VOLATILE | SIM_AUTO_DELETE},
        {.name = "ad0", .flags = SIM_DURABLE | SIM_VOLATILE | SIM_AUTO_DELETE},
        {.name = "xt0", .flags = SIM_VOLATILE | SIM_EXCLUSIVE},
        {.name = "xt1", .flags = SIM_VOLATILE | SIM_EXCLUSIVE | SIM_AUTO_DELETE},
        {.name = "dead", .flags = SIM_DURABLE | SIM_DEAD},
        {.name = "ttl", LOSSY, .arguments = {.message_ttl_ms = 15, .is_dead_lettering = true}},
        {.name = "max", LOSSY, .arguments = {.max_length = 4, .is_dead_lettering = true}},
        {.name = "leaving",
         .flags = SIM_DURABLE | SIM_LOSSY | SIM_DEAD_LETTERS | SIM_VOLATILE,
         .arguments = {.is_dead_lettering = true}},
        {.name = "policy", LOSSY, .arguments = {.is_dead_lettering = true}},
        {.name = "rejects",
         .flags = SIM_DURABLE | SIM_LOSSY | SIM_REJECTS,
         .arguments = {.max_length = 4, .is_rejecting = true}},
        {.name = "priorities",
         .flags = SIM_DURABLE | SIM_PRIORITIES,
         .arguments = {.max_priority = 3}},
        {.name = "limited",
         .flags = SIM_DURABLE | SIM_LOSSY | SIM_DEAD_LETTERS | SIM_QUORUM,
         .arguments = {.type = "quorum", .delivery_limit = 2, .is_dead_lettering = true}},
        {.name = "quorum",
         .flags = SIM_DURABLE | SIM_LOSSY | SIM_DEAD_LETTERS | SIM_QUORUM,
         .arguments = {.type = "quorum",
                       .is_rejecting = true,
                       .is_dead_lettering = true,
                       .is_at_least_once = true}},
        {.name = "unique",
         .flags = SIM_DURABLE | SIM_LOSSY | SIM_REJECTS | SIM_UNIQUE,
         .arguments = {.is_deduplicating = true}},
        {.name = "singles",
         .flags =
             SIM_DURABLE | SIM_LOSSY | SIM_REJECTS | SIM_UNIQUE | SIM_DEAD_LETTERS | SIM_PRIORITIES,
         .arguments = {.is_deduplicating = true, .is_dead_lettering = true, .max_priority = 3}},
        {.name = "moving", .flags = SIM_DURABLE | SIM_LOSSY | SIM_MOVING},
        {.name = "moved", .flags = SIM_DURABLE | SIM_DEAD | SIM_MOVED},
    };
    *oracle = (struct oracle){.store = store};
    memcpy(oracle->queues, queues, sizeof queues);
    for (size_t i = 0; i < SIM_SESSIONS; i++)
        oracle->sessions[i].connection = i;
    model_store_watch(store, on_commit, oracle);
}

void oracle_fini(struct oracle *oracle)
{
    for (size_t i = 0; i < SIM_SESSIONS; i++)
        oracle_end_channels(oracle, &oracle->sessions[i], false);
    for (size_t i = 0; i < oracle->message_count; i++) {
        for (size_t j = 0; j < SIM_QUEUES; j++)
            free(oracle->messages[i]->copies[j]);
        free(oracle->messages[i]);
    }
    for (size_t i = 0; i < SIM_QUEUES; i++)
        free(oracle->queues[i].copies);
    free(oracle->messages);
}
