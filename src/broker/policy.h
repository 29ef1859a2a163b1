/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_POLICY_H
#define LEVERET_BROKER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/table.h"
#include "base/bytes.h"

/*
 * The policies and operator policies of one vhost as a compiled set. It is built once and does not
 * change any more; a change of a policy makes a new set (vhost_set_policies).
 */
struct policies;
struct policy;

/* What a policy may apply to. */
enum policy_target { POLICY_CLASSIC_QUEUE, POLICY_QUORUM_QUEUE, POLICY_STREAM, POLICY_EXCHANGE };

struct policy_source {
    struct bytes name;
    struct bytes pattern;    /* PCRE, unanchored */
    struct bytes apply_to;   /* all, queues, exchanges, classic_queues, quorum_queues, streams */
    struct bytes definition; /* a field table, such as policy_check allows */
    int64_t priority;
    bool is_operator;
};

/* Empty sets cost next to nothing. */
struct policies *policies_new(void);
void policies_free(struct policies *policies); /* NULL is allowed */

/* Everything is copied. False with RabbitMQ's reason where the pattern does not compile or apply_to
 * is none of the above. */
bool policies_add(struct policies *policies, const struct policy_source *source, char *reason,
                  size_t reason_size) __attribute__((warn_unused_result));

/* The policy in force: of those that match the name, and whose every key means something to the
 * target, the one with the highest priority (of equal ones the first by name). NULL where there is
 * none. It lives as long as the set. policies may be NULL. */
const struct policy *policies_find(const struct policies *policies, enum policy_target target,
                                   struct bytes name, bool is_operator);

/* The same; what it cost is added to *steps. However many patterns there are that are hard to
 * match, together they may cost PATTERN_STEPS_MAX; where that is spent, hard ones match nothing. */
const struct policy *policies_find_counting(const struct policies *policies,
                                            enum policy_target target, struct bytes name,
                                            bool is_operator, size_t *steps);

/* Does one of them shard exchanges (shards-per-node)? policies may be NULL. */
bool policies_have_shards(const struct policies *policies);

/* For listings, which show a policy when its set may be gone, on any thread. NULL is allowed, and
 * has no data. */
const struct policy *policy_ref(const struct policy *policy);
void policy_unref(const struct policy *policy);
struct bytes policy_name(const struct policy *policy);
/* A field table. */
struct bytes policy_definition(const struct policy *policy);

/* What the policy says of a key ("message-ttl"); false where it says nothing, or policy is NULL. */
bool policy_value(const struct policy *policy, const char *key, struct amqp_value *value);

/* RabbitMQ's validation of a definition (a valid field table): false with its reason, such as
 * "-1 is not a valid message TTL". */
bool policy_check(struct bytes definition, bool is_operator, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* Is this a word for what a policy applies to? */
bool policy_apply_to_check(struct bytes apply_to, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

#endif
