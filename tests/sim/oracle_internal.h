/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_SIM_ORACLE_INTERNAL_H
#define LEVERET_TESTS_SIM_ORACLE_INTERNAL_H

/* What the files of the oracle share. */

#include "oracle.h"

#define REQUIRE(condition, ...) ((condition) ? (void)0 : oracle_fail(__VA_ARGS__))
#define ID(copy) (unsigned long long)(copy)->message->id
#define NUMBER(value) (unsigned long long)(value)

/* --- oracle.c */

/* What the message is by its body, as it was published. */
struct sim_message *oracle_message_of(struct oracle *oracle, const struct message *message);
/* Its copy in a queue, made where there is none yet. */
struct sim_copy *oracle_copy_of(struct oracle *oracle, struct sim_message *message,
                                struct sim_queue *queue);
void oracle_move(struct oracle *oracle, struct sim_copy *copy, enum sim_place place);
bool oracle_is_durable(const struct sim_copy *copy);
/* Does the queue go only when it is told to? */
bool oracle_stays(const struct sim_queue *queue);
/* Its queue holds it, ready, whatever else happens. */
bool oracle_is_certainly_ready(const struct sim_copy *copy);

/* Of a message which is, or was, in a lossy queue: its copy where it goes from there, or NULL. */
struct sim_copy *oracle_dead_copy(struct oracle *oracle, const struct sim_message *message);
/* Does it outlive a crash? A transient message of a quorum queue does not as a dead letter. */
bool oracle_is_lasting(const struct sim_message *message);
/* Is it, in the lossy queue or beyond, unless it was settled? */
bool oracle_is_kept(const struct sim_message *message);
/* Must somebody still get it? */
bool oracle_is_owed(const struct sim_message *message);
/* A copy is settled for good, perhaps. */
void oracle_settle_lossy(struct sim_copy *copy, bool is_ack);
/* May a copy of a message that is, or was, in a lossy queue be delivered? */
void oracle_check_lossy(struct oracle *oracle, const struct sim_copy *copy);

/* --- oracle_sent.c */

/* By serial; NULL: it is no more. */
struct sim_channel *oracle_find_channel(struct oracle *oracle, uint64_t serial,
                                        struct sim_session **session);
/* What is held by tags above this one goes back to its queues. */
void oracle_give_back_above(struct oracle *oracle, struct sim_channel *channel, uint64_t tag);

/* --- oracle_delivery.c */

/* The next delivery tag. */
void oracle_take_tag(struct sim_channel *channel, uint64_t tag);
/* A copy is delivered on the channel, which holds it then, unless no_ack. */
void oracle_hand_out(struct oracle *oracle, const struct sim_channel *channel,
                     struct sim_copy *copy, bool redelivered, bool no_ack);
/* consumer NULL: of basic.get. */
void oracle_hold(struct sim_channel *channel, struct sim_copy *copy, struct sim_consumer *consumer);
void oracle_on_deliver(struct oracle *oracle, struct sim_session *session,
                       struct sim_channel *channel, const struct effect *effect);
void oracle_on_ack(struct sim_channel *channel, uint64_t tag, bool multiple);
void oracle_on_nack(struct oracle *oracle, struct sim_channel *channel, uint64_t tag);
void oracle_on_return(struct oracle *oracle, const struct effect *effect);
/* What was confirmed, or committed, is on disk or excused. */
void oracle_check_safe(struct oracle *oracle, const struct sim_message *message, const char *what);

/* --- oracle_effect.c */

/* The consumer that was asked for first and is not there yet; NULL: none. */
struct sim_consumer *oracle_consumer_due(struct sim_channel *channel);
/* is_orderly: all that was sent is processed. */
void oracle_end_channels(struct oracle *oracle, struct sim_session *session, bool is_orderly);

#endif
