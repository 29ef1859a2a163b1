/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies are few and asked about when a queue or an exchange is declared or the policies change,
 * never per message: a sorted array is walked until the first match. The order of the array is the
 * answer to which policy wins.
 *
 * A policy with a key that its target does not know does not apply to that target at all, not even
 * with its other keys, as in RabbitMQ. Which keys those are was taken from RabbitMQ 4.3, where
 * queue-leader-locator is for all types; 3.10 and 3.13 do not apply it to classic queues.
 */
#include "broker/policy.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "broker/pattern.h"

enum {
    TO_CLASSIC = 1 << POLICY_CLASSIC_QUEUE,
    TO_QUORUM = 1 << POLICY_QUORUM_QUEUE,
    TO_STREAM = 1 << POLICY_STREAM,
    TO_EXCHANGE = 1 << POLICY_EXCHANGE,
    TO_QUEUES = TO_CLASSIC | TO_QUORUM | TO_STREAM,
    TO_ALL = TO_QUEUES | TO_EXCHANGE,
};

struct policy {
    char *name; /* owned */
    size_t name_size;
    uint8_t *definition; /* owned */
    size_t definition_size;
    struct pattern *pattern; /* owned */
    int64_t priority;
    unsigned targets;
    bool is_operator;
    _Atomic size_t references; /* of the set, and of those who show it when it may be gone */
};

struct policies {
    struct policy **rows; /* owned; by priority, highest first, then by name */
    size_t count, capacity;
    bool has_shards;
};

/* --- what applies to what */

static const struct {
    const char *word;
    unsigned targets;
} apply_to_words[] = {
    {"all", TO_ALL},
    {"queues", TO_QUEUES},
    {"exchanges", TO_EXCHANGE},
    {"classic_queues", TO_CLASSIC},
    {"quorum_queues", TO_QUORUM},
    {"streams", TO_STREAM},
};

static unsigned targets_of(struct bytes apply_to)
{
    for (size_t i = 0; i < sizeof apply_to_words / sizeof apply_to_words[0]; i++) {
        if (bytes_equal_text(apply_to, apply_to_words[i].word))
            return apply_to_words[i].targets;
    }
    return 0;
}

bool policy_apply_to_check(struct bytes apply_to, char *reason, size_t reason_size)
{
    if (targets_of(apply_to) != 0)
        return true;
    snprintf(reason, reason_size,
             "apply-to '%.*s' unrecognised; should be one of: 'queues', 'classic_queues', "
             " 'quorum_queues', 'streams', 'exchanges', or 'all'",
             (int)apply_to.size, (const char *)apply_to.data);
    return false;
}

/* The queues that know the key; keys that are not here are known to all. */
static const struct {
    const char *key;
    unsigned targets;
} key_targets[] = {
    {"delivery-limit", TO_QUORUM},
    {"dead-letter-strategy", TO_QUORUM},
    {"max-in-memory-length", TO_QUORUM},
    {"max-in-memory-bytes", TO_QUORUM},
    {"target-group-size", TO_QUORUM},
    {"max-age", TO_STREAM},
    {"stream-max-segment-size-bytes", TO_STREAM},
    {"initial-cluster-size", TO_STREAM},
    {"queue-mode", TO_CLASSIC},
    {"ha-mode", TO_CLASSIC},
    {"ha-params", TO_CLASSIC},
    {"ha-sync-mode", TO_CLASSIC},
    {"ha-promote-on-shutdown", TO_CLASSIC},
    {"ha-promote-on-failure", TO_CLASSIC},
    {"queue-master-locator", TO_CLASSIC},
    {"expires", TO_CLASSIC | TO_QUORUM},
    {"message-ttl", TO_CLASSIC | TO_QUORUM},
    {"dead-letter-exchange", TO_CLASSIC | TO_QUORUM},
    {"dead-letter-routing-key", TO_CLASSIC | TO_QUORUM},
    {"max-length", TO_CLASSIC | TO_QUORUM},
    {"overflow", TO_CLASSIC | TO_QUORUM},
};

static unsigned targets_of_definition(struct bytes definition)
{
    unsigned targets = TO_ALL;
    for (size_t i = 0; i < sizeof key_targets / sizeof key_targets[0]; i++) {
        struct amqp_value value;
        if (amqp_table_find(definition, key_targets[i].key, &value))
            targets &= key_targets[i].targets | TO_EXCHANGE;
    }
    return targets;
}

/* --- building */

struct policies *policies_new(void)
{
    return xcalloc(1, sizeof(struct policies));
}

/* All but the count is constant. */
static struct policy *counted(const struct policy *policy)
{
    return (struct policy *)(uintptr_t)policy;
}

const struct policy *policy_ref(const struct policy *policy)
{
    if (policy != NULL)
        atomic_fetch_add_explicit(&counted(policy)->references, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(const struct policy *shared)
{
    struct policy *policy = counted(shared);
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return;
    pattern_free(policy->pattern);
    free(policy->definition);
    free(policy->name);
    free(policy);
}

void policies_free(struct policies *policies)
{
    if (policies == NULL)
        return;
    for (size_t i = 0; i < policies->count; i++)
        policy_unref(policies->rows[i]);
    free(policies->rows);
    free(policies);
}

static bool comes_before(const struct policy *a, const struct policy *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return bytes_compare(policy_name(a), policy_name(b)) < 0;
}

static void insert(struct policies *policies, struct policy *policy)
{
    policies->rows =
        xgrow(policies->rows, &policies->capacity, policies->count + 1, sizeof(struct policy *));
    size_t place = policies->count++;
    for (; place > 0 && comes_before(policy, policies->rows[place - 1]); place--)
        policies->rows[place] = policies->rows[place - 1];
    policies->rows[place] = policy;
}

bool policies_add(struct policies *policies, const struct policy_source *source, char *reason,
                  size_t reason_size)
{
    char why[300];
    if (!policy_apply_to_check(source->apply_to, reason, reason_size))
        return false;
    struct pattern *pattern = pattern_new(source->pattern, why, sizeof why);
    if (pattern == NULL) {
        snprintf(reason, reason_size, "pattern should be regular expression but is invalid: %s",
                 why);
        return false;
    }
    struct policy *policy = xmalloc(sizeof *policy);
    *policy = (struct policy){
        .name = bytes_to_text(source->name),
        .name_size = source->name.size,
        .definition = xmemdup(source->definition.data, source->definition.size),
        .definition_size = source->definition.size,
        .pattern = pattern,
        .priority = source->priority,
        .targets = targets_of(source->apply_to) & targets_of_definition(source->definition),
        .is_operator = source->is_operator,
    };
    atomic_init(&policy->references, 1);
    struct amqp_value shards;
    policies->has_shards |= policy_value(policy, "shards-per-node", &shards);
    insert(policies, policy);
    return true;
}

/* --- asking */

static const struct policy *find(const struct policies *policies, enum policy_target target,
                                 struct bytes name, bool is_operator, size_t *steps_left)
{
    size_t count = policies != NULL ? policies->count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct policy *policy = policies->rows[i];
        if (policy->is_operator == is_operator && (policy->targets & 1u << target) != 0 &&
            pattern_matches(policy->pattern, name, steps_left))
            return policy;
    }
    return NULL;
}

const struct policy *policies_find_counting(const struct policies *policies,
                                            enum policy_target target, struct bytes name,
                                            bool is_operator, size_t *steps)
{
    size_t steps_left = PATTERN_STEPS_MAX;
    const struct policy *policy = find(policies, target, name, is_operator, &steps_left);
    *steps += PATTERN_STEPS_MAX - steps_left;
    return policy;
}

const struct policy *policies_find(const struct policies *policies, enum policy_target target,
                                   struct bytes name, bool is_operator)
{
    size_t steps = 0;
    return policies_find_counting(policies, target, name, is_operator, &steps);
}

bool policies_have_shards(const struct policies *policies)
{
    return policies != NULL && policies->has_shards;
}

struct bytes policy_name(const struct policy *policy)
{
    return policy != NULL ? bytes_of(policy->name, policy->name_size) : bytes_of(NULL, 0);
}

struct bytes policy_definition(const struct policy *policy)
{
    return policy != NULL ? bytes_of(policy->definition, policy->definition_size)
                          : bytes_of(NULL, 0);
}

bool policy_value(const struct policy *policy, const char *key, struct amqp_value *value)
{
    return policy != NULL && amqp_table_find(policy_definition(policy), key, value);
}
