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
 */
#include "oracle.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"
#include "base/xmalloc.h"

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

#define REQUIRE(condition, ...) ((condition) ? (void)0 : oracle_fail(__VA_ARGS__))
#define ID(copy) (unsigned long long)(copy)->message->id
#define NUMBER(value) (unsigned long long)(value)

/* --- messages and copies */

struct sim_queue *oracle_queue(struct oracle *oracle, struct bytes name)
{
    for (size_t i = 0; i < SIM_QUEUES; i++) {
        if (oracle->queues[i].name != NULL && bytes_equal_text(name, oracle->queues[i].name))
            return &oracle->queues[i];
    }
    oracle_fail("there is a queue '%.*s'", (int)name.size, (const char *)name.data);
}

static struct sim_message *message_of(struct oracle *oracle, const struct message *message)
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

static struct sim_copy *copy_of(struct oracle *oracle, struct sim_message *message,
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

static void move(struct oracle *oracle, struct sim_copy *copy, enum sim_place place)
{
    copy->place = place;
    copy->touched = ++oracle->events;
}

static bool is_durable(const struct sim_copy *copy)
{
    return (copy->message->is_persistent || (copy->queue->flags & SIM_QUORUM) != 0) &&
           (copy->queue->flags & SIM_DURABLE) != 0;
}

/* Does the queue go only when it is told to? */
static bool stays(const struct sim_queue *queue)
{
    return (queue->flags & (SIM_AUTO_DELETE | SIM_EXCLUSIVE)) == 0;
}

/* Its queue holds it, ready, whatever else happens. */
static bool is_certainly_ready(const struct sim_copy *copy)
{
    if (!copy->is_certain || copy->is_excused)
        return false;
    return copy->place == PLACE_READY ||
           (copy->place == PLACE_SENT && copy->message->publish == PUBLISH_DONE);
}

/* --- channels, by serial */

static struct sim_channel *find_channel(struct oracle *oracle, uint64_t serial,
                                        struct sim_session **session)
{
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        for (size_t j = 0; j < SIM_CHANNELS; j++) {
            struct sim_channel *channel = oracle->sessions[i].channels[j];
            if (channel == NULL || channel->serial != serial)
                continue;
            *session = &oracle->sessions[i];
            return channel;
        }
    }
    return NULL;
}

struct sim_channel *oracle_channel_opening(struct oracle *oracle, struct sim_session *session,
                                           uint16_t number)
{
    struct sim_channel *channel = xcalloc(1, sizeof *channel);
    channel->serial = ++oracle->serials;
    channel->number = number;
    channel->global_prefetch_max = UINT_MAX;
    session->channels[number - 1] = channel;
    oracle_asked(oracle, channel, AMQP_CHANNEL_OPEN_OK, NULL, false);
    return channel;
}

void oracle_told(struct sim_channel *channel, bool may_fail)
{
    channel->commands++;
    if (may_fail)
        channel->fail_command = channel->commands;
}

struct sim_expected *oracle_asked(struct oracle *oracle, struct sim_channel *channel,
                                  uint32_t reply, struct sim_queue *queue, bool may_fail)
{
    oracle_told(channel, may_fail);
    channel->expected = xgrow(channel->expected, &channel->expected_capacity,
                              channel->expected_count + 1, sizeof *channel->expected);
    struct sim_expected *expected = &channel->expected[channel->expected_count++];
    *expected = (struct sim_expected){
        .method = reply,
        .command = channel->commands,
        .queue = queue,
        .deletions = queue != NULL ? queue->deletions : 0,
        .delivery_tag = channel->delivery_tag,
        .sent = ++oracle->events,
    };
    return expected;
}

/* Is it a dead letter, whatever comes behind on the channel? */
static bool is_dead_before(const struct sim_copy *copy, const struct sim_channel *channel)
{
    return !copy->was_acked && (copy->place == PLACE_GONE ||
                                (copy->place == PLACE_DONE && copy->channel == channel->serial));
}

void oracle_hazard(struct sim_channel *channel, bool is_deletion)
{
    struct sim_expected *expected = &channel->expected[channel->expected_count - 1];
    struct sim_queue *queue = expected->queue;
    expected->is_hazard = true;
    queue->hazards++;
    for (size_t i = 0; i < queue->count; i++) {
        struct sim_copy *copy = queue->copies[i];
        copy->is_excused = true;
        if (copy == copy->message->lossy && !is_dead_before(copy, channel))
            copy->message->is_settled = true;
    }
    if (is_deletion) {
        queue->exists = false;
        queue->deletions++;
    }
}

void oracle_moving(struct sim_channel *channel, unsigned count)
{
    struct sim_expected *expected = &channel->expected[channel->expected_count - 1];
    expected->count_max = count;
    expected->queue->has_moved = true;
}

void oracle_limiting(struct sim_channel *channel, unsigned count, bool global)
{
    /* A limit for consumers yet to come lifts that of the channel, as in RabbitMQ. */
    unsigned limit = global && count > 0 ? count : UINT_MAX;
    if (!global)
        channel->prefetch = count;
    channel->global_prefetch = limit;
    if (limit > channel->global_prefetch_max)
        channel->global_prefetch_max = limit;
    channel->global_pending++;
}

/* --- publishing */

struct sim_message *oracle_publishing(struct oracle *oracle, struct sim_channel *channel,
                                      bool persistent, bool mandatory)
{
    struct sim_message *message = xcalloc(1, sizeof *message);
    oracle->messages = xgrow(oracle->messages, &oracle->message_capacity, oracle->message_count + 1,
                             sizeof(struct sim_message *));
    oracle->messages[oracle->message_count++] = message;
    channel->commands++;
    *message = (struct sim_message){
        .id = oracle->message_count,
        .channel = channel->serial,
        .command = channel->mode == MODE_TX ? UINT64_MAX : channel->commands,
        .sent_command = channel->commands,
        .is_persistent = persistent,
        .is_mandatory = mandatory,
    };
    if (channel->mode == MODE_TX) {
        channel->tx_messages = xgrow(channel->tx_messages, &channel->tx_capacity,
                                     channel->tx_count + 1, sizeof(struct sim_message *));
        channel->tx_messages[channel->tx_count++] = message;
    }
    if (channel->mode == MODE_CONFIRM) {
        channel->confirms = xgrow(channel->confirms, &channel->confirm_capacity,
                                  channel->confirm_count + 1, sizeof *channel->confirms);
        channel->confirms[channel->confirm_count++] =
            (struct sim_confirm){++channel->publish_tag, message};
    }
    return message;
}

void oracle_routes(struct oracle *oracle, struct sim_message *message, struct sim_queue *queue)
{
    struct sim_copy *copy = copy_of(oracle, message, queue);
    bool is_certain = queue->exists && queue->hazards == 0;
    if ((queue->flags & SIM_LOSSY) == 0) {
        copy->is_certain = is_certain;
        return;
    }
    message->lossy = copy;
    message->is_settled = copy->is_excused = queue->hazards > 0; /* which may come behind it */
    /* A queue that rejects has it when it is confirmed. */
    message->is_expected = is_certain && (queue->flags & SIM_REJECTS) == 0;
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
static struct sim_copy *dead_copy(struct oracle *oracle, const struct sim_message *message)
{
    if (message->lossy == NULL)
        return NULL;
    return message->copies[oracle_beyond(oracle, message->lossy->queue) - oracle->queues];
}

/* Does it outlive a crash? A transient message of a quorum queue does not as a dead letter. */
static bool is_lasting(const struct sim_message *message)
{
    return message->is_persistent && (message->lossy->queue->flags & SIM_DURABLE) != 0;
}

/* Is it, in the lossy queue or beyond, unless it was settled? A message with a time to live of its
 * own has it again where it was moved to, and may end there. */
static bool is_kept(const struct sim_message *message)
{
    return message->is_expected && !message->is_settled && !message->is_rejected &&
           (message->expiration_ms == 0 || !message->lossy->queue->has_moved);
}

/* Must somebody still get it? */
static bool is_owed(const struct sim_message *message)
{
    return message->publish == PUBLISH_DONE && is_kept(message);
}

/* A copy is settled for good, perhaps. */
static void settle_lossy(struct sim_copy *copy, bool is_ack)
{
    unsigned flags = copy->queue->flags;
    copy->was_acked = is_ack;
    if ((flags & SIM_DEAD) != 0 ||
        ((flags & SIM_LOSSY) != 0 && (is_ack || (flags & SIM_DEAD_LETTERS) == 0)))
        copy->message->is_settled = true;
}

static void check_lossy(struct oracle *oracle, const struct sim_copy *copy)
{
    const struct sim_message *message = copy->message;
    const struct sim_copy *source = message->lossy, *dead = dead_copy(oracle, message);
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

/* --- settling */

static void remove_delivery(struct sim_channel *channel, size_t index)
{
    channel->delivery_count--;
    memmove(&channel->deliveries[index], &channel->deliveries[index + 1],
            (channel->delivery_count - index) * sizeof *channel->deliveries);
}

static void settle_now(struct oracle *oracle, struct sim_channel *channel, size_t index,
                       enum sim_settle settle)
{
    struct sim_delivery *delivery = &channel->deliveries[index];
    struct sim_copy *copy = delivery->copy;
    if (delivery->consumer != NULL)
        delivery->consumer->unacked--;
    if (delivery->is_consumers)
        channel->global_unacked--;
    move(oracle, copy, settle == SETTLE_REQUEUE ? PLACE_BACK : PLACE_DONE);
    copy->command = channel->commands;
    copy->is_excused = copy->is_excused || settle != SETTLE_REQUEUE;
    if (settle != SETTLE_REQUEUE)
        settle_lossy(copy, settle == SETTLE_ACK);
    remove_delivery(channel, index);
}

void oracle_settling(struct oracle *oracle, struct sim_channel *channel, size_t index,
                     bool multiple, enum sim_settle settle)
{
    channel->commands++;
    for (size_t i = index + 1; i-- > 0;) {
        struct sim_delivery *delivery = &channel->deliveries[i];
        if (!delivery->is_in_tx && channel->mode == MODE_TX) {
            delivery->is_in_tx = true;
            delivery->settle = (int)settle;
        } else if (!delivery->is_in_tx) {
            settle_now(oracle, channel, i, settle);
        }
        if (!multiple)
            return;
    }
}

static void give_back_above(struct oracle *oracle, struct sim_channel *channel, uint64_t tag)
{
    for (size_t i = channel->delivery_count; i-- > 0;) {
        if (!channel->deliveries[i].is_in_tx && channel->deliveries[i].tag > tag)
            settle_now(oracle, channel, i, SETTLE_REQUEUE);
    }
}

void oracle_recovering(struct oracle *oracle, struct sim_channel *channel)
{
    give_back_above(oracle, channel, 0);
}

bool oracle_is_recovering(const struct sim_channel *channel)
{
    for (size_t i = 0; i < channel->expected_count; i++) {
        if (channel->expected[i].method == AMQP_BASIC_RECOVER_OK)
            return true;
    }
    return false;
}

void oracle_committing(struct oracle *oracle, struct sim_channel *channel)
{
    for (size_t i = 0; i < channel->tx_count; i++)
        channel->tx_messages[i]->command = channel->commands;
    channel->tx_count = 0;
    for (size_t i = channel->delivery_count; i-- > 0;) {
        if (channel->deliveries[i].is_in_tx)
            settle_now(oracle, channel, i, (enum sim_settle)channel->deliveries[i].settle);
    }
}

void oracle_rolling_back(struct oracle *oracle, struct sim_channel *channel)
{
    (void)oracle;
    for (size_t i = 0; i < channel->tx_count; i++)
        channel->tx_messages[i]->publish = PUBLISH_ROLLED_BACK;
    channel->tx_count = 0;
    for (size_t i = 0; i < channel->delivery_count; i++)
        channel->deliveries[i].is_in_tx = false;
}

void oracle_consuming(struct sim_channel *channel, struct sim_consumer *consumer,
                      struct sim_queue *queue, const char *tag, bool no_ack)
{
    *consumer = (struct sim_consumer){
        .is_used = true,
        .command = channel->commands,
        .queue = queue,
        .no_ack = no_ack,
        .prefetch = channel->prefetch,
    };
    snprintf(consumer->tag, sizeof consumer->tag, "%s", tag);
}

/* --- the end of a channel */

/* Everything that was sent is processed: is_orderly; else what is behind processed may be. */
static void resolve_copies(struct oracle *oracle, const struct sim_channel *channel,
                           bool is_orderly)
{
    for (size_t i = 0; i < oracle->message_count * SIM_QUEUES; i++) {
        struct sim_copy *copy = oracle->messages[i / SIM_QUEUES]->copies[i % SIM_QUEUES];
        if (copy == NULL || copy->channel != channel->serial)
            continue;
        bool is_processed = is_orderly || copy->command <= channel->processed;
        if (copy->place == PLACE_OUT || copy->place == PLACE_BACK)
            move(oracle, copy, PLACE_READY);
        else if (copy->place == PLACE_DONE)
            move(oracle, copy, is_processed ? PLACE_GONE : PLACE_UNKNOWN);
    }
}

static void resolve_messages(struct oracle *oracle, const struct sim_channel *channel,
                             bool is_orderly)
{
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->channel != channel->serial || message->publish != PUBLISH_SENT)
            continue;
        if (message->command == UINT64_MAX)
            message->publish = PUBLISH_ROLLED_BACK;
        else if (is_orderly || message->command <= channel->processed)
            message->publish = PUBLISH_DONE;
    }
}

/* The channel is over, but its number may still be taken. */
static void finish_channel(struct oracle *oracle, struct sim_channel *channel, bool is_orderly)
{
    for (size_t i = 0; i < channel->expected_count; i++) {
        if (channel->expected[i].is_hazard)
            channel->expected[i].queue->hazards--;
    }
    resolve_copies(oracle, channel, is_orderly);
    resolve_messages(oracle, channel, is_orderly);
    channel->expected_count = channel->delivery_count = channel->confirm_count = 0;
    channel->tx_count = 0;
    for (size_t i = 0; i < SIM_CONSUMERS; i++)
        channel->consumers[i].is_used = false;
}

static void free_channel(struct sim_session *session, struct sim_channel *channel)
{
    session->channels[channel->number - 1] = NULL;
    free(channel->deliveries);
    free(channel->expected);
    free(channel->confirms);
    free(channel->tx_messages);
    free(channel);
}

static void end_channel(struct oracle *oracle, struct sim_session *session,
                        struct sim_channel *channel, bool is_orderly)
{
    if (!channel->is_failed)
        finish_channel(oracle, channel, is_orderly);
    free_channel(session, channel);
}

static void end_channels(struct oracle *oracle, struct sim_session *session, bool is_orderly)
{
    for (size_t i = 0; i < SIM_CHANNELS; i++) {
        if (session->channels[i] != NULL)
            end_channel(oracle, session, session->channels[i], is_orderly);
    }
}

/* --- deliveries */

/* May its owner have lost it? */
static bool is_released(struct oracle *oracle, const struct sim_copy *copy)
{
    struct sim_session *session;
    const struct sim_channel *channel = find_channel(oracle, copy->channel, &session);
    return channel == NULL || channel->is_failed || channel->is_closing ||
           channel->fail_command > channel->processed || session->is_ending;
}

static void check_owner(struct oracle *oracle, const struct sim_copy *copy)
{
    unsigned long long id = ID(copy);
    switch (copy->place) {
    case PLACE_OUT:
        REQUIRE(is_released(oracle, copy), "message %llu of %s has two owners", id,
                copy->queue->name);
        break;
    case PLACE_DONE:
        REQUIRE(is_released(oracle, copy), "message %llu of %s was settled", id, copy->queue->name);
        break;
    case PLACE_GONE:
        oracle_fail("message %llu of %s comes after it was settled", id, copy->queue->name);
    case PLACE_PURGED:
        oracle_fail("message %llu of %s comes after it was purged", id, copy->queue->name);
    case PLACE_LOST:
        oracle_fail("message %llu of %s comes after it was lost", id, copy->queue->name);
    default:
        break;
    }
}

/* In a queue with priorities up to 3. */
static unsigned lane_of(const struct sim_message *message)
{
    return message->priority < 3 ? message->priority : 3;
}

static void check_order(const struct sim_copy *copy)
{
    const struct sim_queue *queue = copy->queue;
    for (size_t i = 0; i < queue->count; i++) {
        const struct sim_copy *older = queue->copies[i];
        if (older->message->id >= copy->message->id ||
            older->message->channel != copy->message->channel ||
            ((queue->flags & SIM_PRIORITIES) != 0 &&
             lane_of(older->message) != lane_of(copy->message)))
            continue;
        bool is_sent = older->place == PLACE_SENT && older->is_certain && !older->is_excused &&
                       older->message->publish != PUBLISH_ROLLED_BACK;
        REQUIRE(!is_sent && !is_certainly_ready(older),
                "message %llu of %s is delivered before message %llu", ID(copy), queue->name,
                ID(older));
    }
}

/* Has it not been delivered yet, wherever it is? */
static bool is_untouched(struct oracle *oracle, const struct sim_message *message)
{
    const struct sim_copy *source = message->lossy, *moved = dead_copy(oracle, message);
    bool is_in_source = source->place == PLACE_SENT || source->place == PLACE_READY;
    bool is_moved = moved != NULL && moved->place == PLACE_READY;
    return (is_in_source || is_moved) && !source->was_delivered &&
           (moved == NULL || !moved->was_delivered);
}

static void check_order_moved(struct oracle *oracle, const struct sim_copy *copy)
{
    const struct sim_message *message = copy->message;
    for (size_t i = 0; i + 1 < message->id && (copy->queue->flags & SIM_MOVED) != 0; i++) {
        const struct sim_message *older = oracle->messages[i];
        bool is_before = older->channel == message->channel && older->lossy != NULL &&
                         older->lossy->queue == message->lossy->queue &&
                         older->publish != PUBLISH_ROLLED_BACK && is_kept(older);
        REQUIRE(!is_before || !is_untouched(oracle, older),
                "message %llu of %s is delivered before message %llu", ID(copy), copy->queue->name,
                NUMBER(older->id));
    }
}

/* Has the message with this value a twin that is certainly in the queue? One that expires holds no
 * value for certain. */
static const struct sim_copy *standing_twin(struct oracle *oracle, const struct sim_copy *copy)
{
    for (size_t i = 0; i < copy->queue->count; i++) {
        const struct sim_copy *twin = copy->queue->copies[i];
        if (twin == copy || twin->message->value != copy->message->value ||
            twin->message->expiration_ms > 0)
            continue;
        bool is_held = twin->place == PLACE_OUT && !is_released(oracle, twin);
        bool may_leave = twin->is_excused || twin->queue->has_moved;
        if (is_held || (twin->place == PLACE_READY && !may_leave))
            return twin;
    }
    return NULL;
}

/* May its body be under way from the store, for its dead letter? It holds its value until then. */
static bool may_be_fetched(struct oracle *oracle, const struct sim_copy *copy)
{
    const struct sim_copy *dead = dead_copy(oracle, copy->message);
    return (copy->queue->flags & SIM_DEAD_LETTERS) != 0 && copy->place == PLACE_GONE &&
           !copy->was_acked && (dead == NULL || dead->place == PLACE_SENT);
}

/* Could a message of the same value have been in the queue when this one came? Also one that left
 * within the same input: nacks come at its end. */
static bool may_have_twin(struct oracle *oracle, const struct sim_copy *copy)
{
    for (size_t i = 0; i < copy->queue->count; i++) {
        const struct sim_copy *twin = copy->queue->copies[i];
        if (twin != copy && twin->message->value == copy->message->value &&
            twin->message->publish != PUBLISH_ROLLED_BACK && !twin->message->is_rejected &&
            twin->place != PLACE_LOST &&
            ((twin->place != PLACE_GONE && twin->place != PLACE_PURGED) ||
             twin->touched > oracle->settled || may_be_fetched(oracle, twin)))
            return true;
    }
    return false;
}

static void check_unique(struct oracle *oracle, const struct sim_copy *copy)
{
    if ((copy->queue->flags & SIM_UNIQUE) == 0 || copy->message->value == 0)
        return;
    const struct sim_copy *twin = standing_twin(oracle, copy);
    REQUIRE(twin == NULL, "message %llu of %s is a twin of message %llu", ID(copy),
            copy->queue->name, ID(twin));
}

static void check_delivery(struct oracle *oracle, const struct sim_copy *copy, bool redelivered)
{
    REQUIRE(copy->message->publish != PUBLISH_ROLLED_BACK, "message %llu was rolled back",
            ID(copy));
    check_owner(oracle, copy);
    check_order(copy);
    check_lossy(oracle, copy);
    check_order_moved(oracle, copy);
    check_unique(oracle, copy);
    REQUIRE(redelivered || !copy->was_delivered, "message %llu of %s comes again unmarked",
            ID(copy), copy->queue->name);
    REQUIRE(!redelivered || copy->was_delivered || copy->has_survived,
            "message %llu of %s is marked at its first delivery", ID(copy), copy->queue->name);
}

static void hand_out(struct oracle *oracle, const struct sim_channel *channel,
                     struct sim_copy *copy, bool redelivered, bool no_ack)
{
    if (!oracle->is_blind)
        check_delivery(oracle, copy, redelivered);
    copy->was_delivered = true;
    copy->channel = channel->serial;
    copy->command = 0;
    /* It was there: only what is still on its way may take it away. */
    copy->is_excused = no_ack || (copy->is_excused && copy->queue->hazards > 0);
    copy->was_acked = false;
    if (no_ack)
        settle_lossy(copy, true);
    move(oracle, copy, no_ack ? PLACE_GONE : PLACE_OUT);
}

static void hold(struct sim_channel *channel, struct sim_copy *copy, struct sim_consumer *consumer)
{
    channel->deliveries = xgrow(channel->deliveries, &channel->delivery_capacity,
                                channel->delivery_count + 1, sizeof *channel->deliveries);
    channel->deliveries[channel->delivery_count++] = (struct sim_delivery){
        .tag = channel->delivery_tag,
        .copy = copy,
        .consumer = consumer,
        .is_consumers = consumer != NULL,
    };
    if (consumer == NULL)
        return;
    channel->global_unacked++;
    consumer->unacked++;
    REQUIRE(consumer->prefetch == 0 || consumer->unacked <= consumer->prefetch,
            "%u deliveries of a prefetch of %u", consumer->unacked, consumer->prefetch);
    REQUIRE(channel->global_unacked <= channel->global_prefetch_max,
            "%u deliveries of a global prefetch of %u", channel->global_unacked,
            channel->global_prefetch_max);
}

static void take_tag(struct sim_channel *channel, uint64_t tag)
{
    REQUIRE(tag == channel->delivery_tag + 1, "delivery tag %llu follows %llu", NUMBER(tag),
            NUMBER(channel->delivery_tag));
    channel->delivery_tag = tag;
}

static void on_deliver(struct oracle *oracle, struct sim_session *session,
                       struct sim_channel *channel, const struct effect *effect)
{
    REQUIRE(effect->consumer < SIM_CONSUMERS * 2 && channel->numbers[effect->consumer] != NULL,
            "a delivery to a consumer that is not there");
    struct sim_consumer *consumer = channel->numbers[effect->consumer];
    REQUIRE(consumer->is_ok, "a delivery before consume-ok");
    REQUIRE(session->output_left > 0, "a delivery without output credit");
    uint64_t cost = effect_deliver_cost(effect->message);
    session->output_left -= (int64_t)cost;
    session->unreturned += cost;
    take_tag(channel, effect->tag);
    struct sim_copy *copy = copy_of(oracle, message_of(oracle, effect->message), consumer->queue);
    hand_out(oracle, channel, copy, effect->flag, consumer->no_ack);
    if (!consumer->no_ack)
        hold(channel, copy, consumer);
}

/* --- confirms and returns */

static void check_safe(struct oracle *oracle, const struct sim_message *message, const char *what)
{
    const struct sim_copy *lossy = message->lossy, *dead = dead_copy(oracle, message);
    if (oracle->is_blind)
        return;
    if (lossy != NULL && is_kept(message) && is_lasting(message))
        REQUIRE(lossy->is_committed || (dead != NULL && dead->is_committed),
                "message %llu of %s is %s before it is on disk", ID(lossy), lossy->queue->name,
                what);
    for (size_t i = 0; i < SIM_QUEUES; i++) {
        const struct sim_copy *copy = message->copies[i];
        REQUIRE(copy == NULL || !copy->is_certain || copy->is_excused || copy->is_committed ||
                    !is_durable(copy),
                "message %llu of %s is %s before it is on disk", ID(copy), copy->queue->name, what);
    }
}

static void confirm_one(struct sim_message *message)
{
    REQUIRE(!message->is_confirmed, "message %llu is confirmed twice", NUMBER(message->id));
    REQUIRE(!message->is_nowhere || !message->is_mandatory || message->is_returned,
            "message %llu is confirmed before it is returned", NUMBER(message->id));
    message->is_confirmed = message->is_just_confirmed = true;
    message->publish = PUBLISH_DONE;
    if (message->lossy != NULL && (message->lossy->queue->flags & SIM_REJECTS) != 0)
        message->is_expected = true;
}

static void on_ack(struct sim_channel *channel, uint64_t tag, bool multiple)
{
    size_t kept = 0;
    bool is_found = false;
    for (size_t i = 0; i < channel->confirm_count; i++) {
        struct sim_confirm *confirm = &channel->confirms[i];
        is_found = is_found || confirm->tag == tag;
        if (confirm->tag == tag || (multiple && confirm->tag < tag))
            confirm_one(confirm->message);
        else
            channel->confirms[kept++] = *confirm;
    }
    channel->confirm_count = kept;
    REQUIRE(is_found, "a confirm of tag %llu, which does not wait", NUMBER(tag));
}

static void check_nack(struct oracle *oracle, const struct sim_message *message)
{
    REQUIRE(message->lossy != NULL && (message->lossy->queue->flags & SIM_REJECTS) != 0,
            "message %llu is nacked", NUMBER(message->id));
    REQUIRE(message->lossy->place == PLACE_SENT, "message %llu is nacked after it was delivered",
            NUMBER(message->id));
    REQUIRE((message->lossy->queue->flags & SIM_UNIQUE) == 0 ||
                (message->value != 0 && may_have_twin(oracle, message->lossy)),
            "message %llu is nacked without a twin", NUMBER(message->id));
}

static void on_nack(struct oracle *oracle, struct sim_channel *channel, uint64_t tag)
{
    size_t i = 0;
    while (i < channel->confirm_count && channel->confirms[i].tag != tag)
        i++;
    REQUIRE(i < channel->confirm_count, "a nack of tag %llu, which does not wait", NUMBER(tag));
    struct sim_message *message = channel->confirms[i].message;
    if (!oracle->is_blind)
        check_nack(oracle, message);
    message->is_rejected = true;
    channel->confirm_count--;
    memmove(&channel->confirms[i], &channel->confirms[i + 1],
            (channel->confirm_count - i) * sizeof *channel->confirms);
}

static void on_return(struct oracle *oracle, const struct effect *effect)
{
    struct sim_message *message = message_of(oracle, effect->message);
    REQUIRE(message->is_mandatory && !message->is_returned && !message->is_confirmed,
            "message %llu is returned", NUMBER(message->id));
    for (size_t i = 0; i < SIM_QUEUES && !oracle->is_blind; i++) {
        const struct sim_copy *copy = message->copies[i];
        REQUIRE(copy == NULL || !copy->is_certain || copy->is_excused,
                "message %llu is returned, and %s is there", ID(copy), copy->queue->name);
    }
    message->is_returned = true;
}

/* --- replies */

static void on_got(struct oracle *oracle, struct sim_channel *channel,
                   const struct sim_expected *expected, const struct amqp_method *method,
                   const struct effect *effect)
{
    const struct sim_queue *queue = expected->queue;
    if (method->id == AMQP_BASIC_GET_EMPTY) {
        for (size_t i = 0; i < queue->count && !oracle->is_blind; i++)
            REQUIRE(!is_certainly_ready(queue->copies[i]),
                    "get-empty of %s, which has message %llu", queue->name, ID(queue->copies[i]));
        return;
    }
    const struct amqp_basic_get_ok *ok = &method->basic_get_ok;
    take_tag(channel, ok->delivery_tag);
    struct sim_copy *copy = copy_of(oracle, message_of(oracle, effect->message), expected->queue);
    hand_out(oracle, channel, copy, ok->redelivered, expected->no_ack);
    if (!expected->no_ack)
        hold(channel, copy, NULL);
}

/* A purge or deletion is done: what was ready when it was sent and not touched since is gone. */
static void on_hazard(struct oracle *oracle, const struct sim_expected *expected)
{
    struct sim_queue *queue = expected->queue;
    queue->hazards--;
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->copies[i]->place == PLACE_READY && queue->copies[i]->touched < expected->sent)
            move(oracle, queue->copies[i], PLACE_PURGED);
    }
}

static void on_committed(struct oracle *oracle, const struct sim_channel *channel,
                         const struct sim_expected *expected)
{
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->channel != channel->serial || message->command != expected->command)
            continue;
        check_safe(oracle, message, "in a committed transaction");
        message->is_confirmed = true;
        message->publish = PUBLISH_DONE;
    }
}

static void on_reply(struct oracle *oracle, struct sim_channel *channel,
                     const struct amqp_method *method, const struct effect *effect)
{
    REQUIRE(channel->expected_count > 0, "%s answers nothing", amqp_method_name(method->id));
    struct sim_expected expected = channel->expected[0];
    uint32_t id = method->id == AMQP_BASIC_GET_EMPTY ? (uint32_t)AMQP_BASIC_GET_OK : method->id;
    REQUIRE(expected.method == id, "%s where %s is due", amqp_method_name(method->id),
            amqp_method_name(expected.method));
    channel->expected_count--;
    memmove(channel->expected, channel->expected + 1,
            channel->expected_count * sizeof *channel->expected);
    channel->processed = expected.command;
    if (expected.is_hazard)
        on_hazard(oracle, &expected);
    switch (method->id) {
    case AMQP_CHANNEL_OPEN_OK:
        channel->is_open = true;
        break;
    case AMQP_QUEUE_DECLARE_OK:
        if (expected.deletions == expected.queue->deletions && expected.queue->hazards == 0)
            expected.queue->exists = stays(expected.queue);
        break;
    case AMQP_BASIC_QOS_OK:
        if (--channel->global_pending == 0)
            channel->global_prefetch_max = channel->global_prefetch;
        break;
    case AMQP_BASIC_GET_OK:
    case AMQP_BASIC_GET_EMPTY:
        on_got(oracle, channel, &expected, method, effect);
        break;
    case AMQP_QUEUE_PURGE_OK:
        REQUIRE(expected.is_hazard || method->queue_purge_ok.message_count <= expected.count_max,
                "%u messages of %s move", method->queue_purge_ok.message_count,
                expected.queue->name);
        break;
    case AMQP_BASIC_RECOVER_OK: /* deliveries that came while it was on its way go back too */
        give_back_above(oracle, channel, expected.delivery_tag);
        break;
    case AMQP_TX_COMMIT_OK:
        on_committed(oracle, channel, &expected);
        break;
    default:
        break;
    }
}

/* --- consumers */

/* The one that was asked for first: what comes into being does so in the order of its commands. */
static struct sim_consumer *consumer_due(struct sim_channel *channel)
{
    struct sim_consumer *due = NULL;
    for (size_t i = 0; i < SIM_CONSUMERS; i++) {
        struct sim_consumer *consumer = &channel->consumers[i];
        if (consumer->is_used && !consumer->is_known &&
            (due == NULL || consumer->command < due->command))
            due = consumer;
    }
    return due;
}

static void on_consumer_add(struct sim_channel *channel, const struct effect *effect)
{
    struct bytes tag = bytes_of(effect->method->data, effect->method->size);
    struct sim_consumer *found = consumer_due(channel);
    bool is_made = found != NULL && found->tag[0] == '\0';
    REQUIRE(found != NULL &&
                (is_made ? bytes_start_with(tag, "amq.ctag-") : bytes_equal_text(tag, found->tag)),
            "a consumer '%.*s'", (int)tag.size, (const char *)tag.data);
    REQUIRE(effect->consumer < SIM_CONSUMERS * 2 && channel->numbers[effect->consumer] == NULL,
            "a consumer's number is taken");
    channel->numbers[effect->consumer] = found;
    snprintf(found->tag, sizeof found->tag, "%.*s", (int)tag.size, (const char *)tag.data);
    found->is_known = true;
    found->is_ok = true; /* consume-ok is the next reply, and checked as that */
}

static void on_consumer_remove(struct sim_channel *channel, const struct effect *effect)
{
    REQUIRE(effect->consumer < SIM_CONSUMERS * 2 && channel->numbers[effect->consumer] != NULL,
            "a consumer that is not there is removed");
    struct sim_consumer *consumer = channel->numbers[effect->consumer];
    channel->numbers[effect->consumer] = NULL;
    consumer->is_used = false;
    for (size_t i = 0; i < channel->delivery_count; i++) {
        if (channel->deliveries[i].consumer == consumer)
            channel->deliveries[i].consumer = NULL;
    }
}

/* --- effects */

static void on_channel_method(struct oracle *oracle, struct sim_session *session,
                              struct sim_channel *channel, const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    struct bytes payload = bytes_of(effect->method->data, effect->method->size);
    REQUIRE(amqp_method_decode(&method, payload, &error), "a method that is none");
    if (method.id == AMQP_BASIC_RETURN)
        on_return(oracle, effect);
    else if (method.id == AMQP_CHANNEL_CLOSE_OK)
        REQUIRE(channel->is_closing, "close-ok to nothing");
    else if (method.id != AMQP_BASIC_CANCEL)
        on_reply(oracle, channel, &method, effect);
    (void)session;
}

static void on_channel_error(struct oracle *oracle, struct sim_channel *channel)
{
    REQUIRE(!channel->is_failed, "a channel fails twice");
    REQUIRE(channel->fail_command > channel->processed, "a channel fails without reason");
    finish_channel(oracle, channel, false);
    channel->is_failed = true;
}

static void on_channel_effect(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    REQUIRE(effect->channel <= SIM_CHANNELS, "channel %u", effect->channel);
    struct sim_channel *channel = session->channels[effect->channel - 1];
    REQUIRE(channel != NULL, "an effect of kind %u for a channel that is not there", effect->kind);
    switch (effect->kind) {
    case EFFECT_DELIVER:
        on_deliver(oracle, session, channel, effect);
        break;
    case EFFECT_ACK:
        on_ack(channel, effect->tag, effect->flag);
        break;
    case EFFECT_NACK:
        REQUIRE(!effect->flag, "a nack of several");
        on_nack(oracle, channel, effect->tag);
        break;
    case EFFECT_METHOD:
        on_channel_method(oracle, session, channel, effect);
        break;
    case EFFECT_CONSUMER_ADD:
        on_consumer_add(channel, effect);
        break;
    case EFFECT_CONSUMER_REMOVE:
        on_consumer_remove(channel, effect);
        break;
    case EFFECT_CHANNEL_OPENED:
        break;
    case EFFECT_CHANNEL_ERROR:
        on_channel_error(oracle, channel);
        break;
    case EFFECT_CHANNEL_CLOSED:
        REQUIRE(channel->is_failed || channel->is_closing, "a channel closes by itself");
        end_channel(oracle, session, channel, true);
        break;
    default:
        oracle_fail("an effect of kind %u", effect->kind);
    }
}

/* Was all that was sent processed before the session ended? */
static bool ends_orderly(const struct oracle *oracle, const struct sim_session *session)
{
    return !session->is_gone_in_alarm && !(session->is_gone_sent && oracle->has_alarm);
}

static void on_session_method(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    struct bytes payload = bytes_of(effect->method->data, effect->method->size);
    REQUIRE(amqp_method_decode(&method, payload, &error), "a method that is none");
    if (method.id == AMQP_CONNECTION_OPEN_OK)
        session->is_open = true;
    if (method.id != AMQP_CONNECTION_CLOSE_OK)
        return;
    REQUIRE(session->is_close_sent, "close-ok to nothing");
    end_channels(oracle, session, ends_orderly(oracle, session));
    session->is_closed = true;
}

static void on_session_effect(struct oracle *oracle, struct sim_session *session,
                              const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_METHOD:
        on_session_method(oracle, session, effect);
        break;
    case EFFECT_CONNECTION_CLOSE:
        end_channels(oracle, session, false);
        session->is_closed = session->is_ending = true;
        break;
    case EFFECT_SESSION_OPENED:
        break;
    case EFFECT_SESSION_CLOSED:
        end_channels(oracle, session, ends_orderly(oracle, session));
        *session = (struct sim_session){.connection = session->connection};
        break;
    case EFFECT_READ_PAUSE:
        REQUIRE(!session->is_paused, "a session is paused twice");
        session->is_paused = true;
        break;
    case EFFECT_READ_RESUME:
        REQUIRE(session->is_paused, "a session goes on twice");
        session->is_paused = false;
        break;
    default:
        oracle_fail("an effect of kind %u for a connection", effect->kind);
    }
}

uint64_t oracle_digest(uint64_t digest, const struct effect *effect)
{
    uint64_t numbers[] = {effect->kind, effect->flag, effect->channel, effect->consumer,
                          effect->connection};
    digest = bytes_hash(bytes_of(numbers, sizeof numbers), digest);
    if (effect->message != NULL)
        digest = bytes_hash(message_body(effect->message), digest);
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_ACK || effect->kind == EFFECT_NACK)
        digest = bytes_hash(bytes_of(&effect->tag, sizeof effect->tag), digest);
    else if (effect->method != NULL)
        digest = bytes_hash(bytes_of(effect->method->data, effect->method->size), digest);
    return digest;
}

static void trace(const struct effect *effect)
{
    static const char *const names[] = {"deliver",        "ack",
                                        "nack",           "method",
                                        "consumer-add",   "consumer-remove",
                                        "opened",         "channel-error",
                                        "channel-closed", "connection-close",
                                        "session-open",   "session-closed",
                                        "pause",          "resume"};
    struct amqp_method method = {0};
    struct amqp_error error;
    bool has_method =
        (effect->kind == EFFECT_METHOD || effect->kind == EFFECT_CHANNEL_ERROR ||
         effect->kind == EFFECT_CONNECTION_CLOSE) &&
        amqp_method_decode(&method, bytes_of(effect->method->data, effect->method->size), &error);
    struct bytes body = bytes_of_text("");
    if (effect->message != NULL)
        body = message_body(effect->message);
    printf("    %llu.%u %s", NUMBER(effect->connection), effect->channel, names[effect->kind]);
    if (has_method)
        printf(" %s", amqp_method_name(method.id));
    if (has_method && method.id == AMQP_CHANNEL_CLOSE)
        printf(" %.*s", (int)method.channel_close.reply_text.size,
               (const char *)method.channel_close.reply_text.data);
    if (has_method && method.id == AMQP_CONNECTION_CLOSE)
        printf(" %.*s", (int)method.connection_close.reply_text.size,
               (const char *)method.connection_close.reply_text.data);
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_ACK || effect->kind == EFFECT_NACK)
        printf(" %llu%s", NUMBER(effect->tag), effect->flag ? " flag" : "");
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_CONSUMER_ADD ||
        effect->kind == EFFECT_CONSUMER_REMOVE)
        printf(" consumer %u", effect->consumer);
    printf(" %.*s\n", (int)(body.size < 8 ? body.size : 8), (const char *)body.data);
}

void oracle_effect(struct oracle *oracle, struct effect *effect)
{
    oracle->events++;
    oracle->digest = oracle_digest(oracle->digest, effect);
    if (oracle->is_traced)
        trace(effect);
    REQUIRE(effect->connection < SIM_SESSIONS, "connection %llu", NUMBER(effect->connection));
    struct sim_session *session = &oracle->sessions[effect->connection];
    REQUIRE(session->session != NULL, "an effect of kind %u for a connection that is gone",
            effect->kind);
    if (effect->channel == 0)
        on_session_effect(oracle, session, effect);
    else
        on_channel_effect(oracle, session, effect);
    effect_release(effect);
}

/* --- between inputs */

static void promote_copies(struct oracle *oracle)
{
    struct sim_session *session;
    for (size_t i = 0; i < oracle->message_count * SIM_QUEUES; i++) {
        struct sim_copy *copy = oracle->messages[i / SIM_QUEUES]->copies[i % SIM_QUEUES];
        if (copy == NULL || (copy->place != PLACE_BACK && copy->place != PLACE_DONE))
            continue;
        const struct sim_channel *channel = find_channel(oracle, copy->channel, &session);
        if (channel != NULL && !channel->is_failed && copy->command <= channel->processed)
            move(oracle, copy, copy->place == PLACE_BACK ? PLACE_READY : PLACE_GONE);
    }
}

static void promote_messages(struct oracle *oracle)
{
    struct sim_session *session;
    for (size_t i = 0; i < oracle->message_count; i++) {
        struct sim_message *message = oracle->messages[i];
        if (message->publish != PUBLISH_SENT)
            continue;
        const struct sim_channel *channel = find_channel(oracle, message->channel, &session);
        if (channel != NULL && !channel->is_failed && message->command <= channel->processed)
            message->publish = PUBLISH_DONE;
    }
}

/* The index of the command that a channel does not go beyond, although no reply to it is due: its
 * first publish while an alarm is on, or a basic.consume whose queue is still about to go. */
static uint64_t first_waiting(const struct oracle *oracle, struct sim_channel *channel)
{
    const struct sim_consumer *consumer = consumer_due(channel);
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
            check_safe(oracle, message, "confirmed");
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

/* --- the end of a life */

static void on_commit(void *context, struct bytes queue, const struct message *message,
                      bool may_be_delivered)
{
    struct oracle *oracle = context;
    (void)may_be_delivered;
    copy_of(oracle, message_of(oracle, message), oracle_queue(oracle, queue))->is_committed = true;
}

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
        copy_of(oracle, message_of(oracle, message), oracle_queue(oracle, queue));
    unsigned long long id = ID(copy);
    const char *name = copy->queue->name;
    copy->is_in_store = true;
    if (oracle->is_blind)
        return;
    REQUIRE(is_durable(copy), "message %llu of %s is stored", id, name);
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
    const struct sim_copy *source = message->lossy, *dead = dead_copy(oracle, message);
    bool is_dead = dead != NULL && dead->is_in_store;
    if (source == NULL || oracle->is_blind)
        return;
    REQUIRE(!source->is_in_store || !is_dead, "message %llu is in %s and among the dead",
            ID(source), source->queue->name);
    bool is_there = source->is_in_store || is_dead;
    bool must_be_there = is_lasting(message) && is_kept(message) &&
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
    bool must_be_there = is_durable(copy) && copy->is_certain && !copy->is_excused &&
                         copy->place != PLACE_LOST &&
                         (message->is_confirmed || (is_clean && message->publish == PUBLISH_DONE));
    REQUIRE(copy->is_in_store || !must_be_there || oracle->is_blind, "message %llu of %s is lost",
            ID(copy), copy->queue->name);
    move(oracle, copy, copy->is_in_store ? PLACE_READY : PLACE_LOST);
    if (copy->is_in_store) {
        copy->is_certain = stays(copy->queue) && (copy->queue->flags & (SIM_LOSSY | SIM_DEAD)) == 0;
        copy->is_committed = true;
        copy->is_excused = false;
        copy->has_survived = copy->has_survived || !is_clean;
        copy->message->publish = PUBLISH_DONE;
    }
    /* A dead letter that is lost is alive where it came from, and may die again. */
    if (copy->place == PLACE_LOST && (copy->queue->flags & SIM_DEAD) != 0) {
        move(oracle, copy, PLACE_SENT);
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
    queue->exists = is_there && stays(queue);
    queue->hazards = 0;
    for (size_t i = 0; i < queue->count; i++)
        compare(oracle, queue->copies[i], is_clean);
}

void oracle_died(struct oracle *oracle, bool is_clean)
{
    struct comparison comparison = {oracle, is_clean};
    for (size_t i = 0; i < SIM_SESSIONS; i++) {
        struct sim_session *session = &oracle->sessions[i];
        end_channels(oracle, session, false);
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
        REQUIRE(consumer_due(channel) == NULL, "%zu.%u: consumer '%s' never comes",
                i / SIM_CHANNELS, channel->number, consumer_due(channel)->tag);
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
        if (message->lossy != NULL && is_owed(message))
            oracle_fail("message %llu of %s comes neither there nor among the dead",
                        NUMBER(message->id), message->lossy->queue->name);
    }
}

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
        end_channels(oracle, &oracle->sessions[i], false);
    for (size_t i = 0; i < oracle->message_count; i++) {
        for (size_t j = 0; j < SIM_QUEUES; j++)
            free(oracle->messages[i]->copies[j]);
        free(oracle->messages[i]);
    }
    for (size_t i = 0; i < SIM_QUEUES; i++)
        free(oracle->queues[i].copies);
    free(oracle->messages);
}
