/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that come back: whether each may be delivered now, here, in this order and with this
 * flag; and what is confirmed, nacked or returned.
 */
#include "oracle_internal.h"

#include <string.h>

#include "base/xmalloc.h"

/* --- deliveries */

/* May its owner have lost it? */
static bool is_released(struct oracle *oracle, const struct sim_copy *copy)
{
    struct sim_session *session;
    const struct sim_channel *channel = oracle_find_channel(oracle, copy->channel, &session);
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
        REQUIRE(!is_sent && !oracle_is_certainly_ready(older),
                "message %llu of %s is delivered before message %llu", ID(copy), queue->name,
                ID(older));
    }
}

/* Has it not been delivered yet, wherever it is? */
static bool is_untouched(struct oracle *oracle, const struct sim_message *message)
{
    const struct sim_copy *source = message->lossy, *moved = oracle_dead_copy(oracle, message);
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
                         older->publish != PUBLISH_ROLLED_BACK && oracle_is_kept(older);
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
    const struct sim_copy *dead = oracle_dead_copy(oracle, copy->message);
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
    oracle_check_lossy(oracle, copy);
    check_order_moved(oracle, copy);
    check_unique(oracle, copy);
    REQUIRE(redelivered || !copy->was_delivered, "message %llu of %s comes again unmarked",
            ID(copy), copy->queue->name);
    REQUIRE(!redelivered || copy->was_delivered || copy->has_survived,
            "message %llu of %s is marked at its first delivery", ID(copy), copy->queue->name);
}

void oracle_hand_out(struct oracle *oracle, const struct sim_channel *channel,
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
        oracle_settle_lossy(copy, true);
    oracle_move(oracle, copy, no_ack ? PLACE_GONE : PLACE_OUT);
}

void oracle_hold(struct sim_channel *channel, struct sim_copy *copy, struct sim_consumer *consumer)
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

void oracle_take_tag(struct sim_channel *channel, uint64_t tag)
{
    REQUIRE(tag == channel->delivery_tag + 1, "delivery tag %llu follows %llu", NUMBER(tag),
            NUMBER(channel->delivery_tag));
    channel->delivery_tag = tag;
}

void oracle_on_deliver(struct oracle *oracle, struct sim_session *session,
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
    oracle_take_tag(channel, effect->tag);
    struct sim_copy *copy =
        oracle_copy_of(oracle, oracle_message_of(oracle, effect->message), consumer->queue);
    oracle_hand_out(oracle, channel, copy, effect->flag, consumer->no_ack);
    if (!consumer->no_ack)
        oracle_hold(channel, copy, consumer);
}

/* --- confirms and returns */

void oracle_check_safe(struct oracle *oracle, const struct sim_message *message, const char *what)
{
    const struct sim_copy *lossy = message->lossy, *dead = oracle_dead_copy(oracle, message);
    if (oracle->is_blind)
        return;
    if (lossy != NULL && oracle_is_kept(message) && oracle_is_lasting(message))
        REQUIRE(lossy->is_committed || (dead != NULL && dead->is_committed),
                "message %llu of %s is %s before it is on disk", ID(lossy), lossy->queue->name,
                what);
    for (size_t i = 0; i < SIM_QUEUES; i++) {
        const struct sim_copy *copy = message->copies[i];
        REQUIRE(copy == NULL || !copy->is_certain || copy->is_excused || copy->is_committed ||
                    !oracle_is_durable(copy),
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

void oracle_on_ack(struct sim_channel *channel, uint64_t tag, bool multiple)
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

void oracle_on_nack(struct oracle *oracle, struct sim_channel *channel, uint64_t tag)
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

void oracle_on_return(struct oracle *oracle, const struct effect *effect)
{
    struct sim_message *message = oracle_message_of(oracle, effect->message);
    REQUIRE(message->is_mandatory && !message->is_returned && !message->is_confirmed,
            "message %llu is returned", NUMBER(message->id));
    for (size_t i = 0; i < SIM_QUEUES && !oracle->is_blind; i++) {
        const struct sim_copy *copy = message->copies[i];
        REQUIRE(copy == NULL || !copy->is_certain || copy->is_excused,
                "message %llu is returned, and %s is there", ID(copy), copy->queue->name);
    }
    message->is_returned = true;
}
