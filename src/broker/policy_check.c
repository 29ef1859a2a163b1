/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy's definition may say: a table of the keys, what their values must be, and
 * RabbitMQ's words for a value that is not. Some keys are also looked at together (mirroring,
 * federation, delayed retries). Accepted are the keys of all versions from 3.10 to 4.3, of
 * mirroring and of federation too, so that definitions of any of them can be imported, and those of
 * the community's deduplication; an operator policy may have what it may have in 4.3.
 */
#include "broker/policy.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "amqp/erlang.h"
#include "base/buffer.h"
#include "base/check.h"
#include "broker/pattern.h"

/* Which policies may have a key. */
enum { FOR_USERS = 1, FOR_OPERATORS = 2, FOR_BOTH = FOR_USERS | FOR_OPERATORS };

enum value_kind { TEXT, WORD, INTEGER, FLAG, AGE, PATTERN, ANY };

struct key_rule {
    const char *key;
    const char *complaint; /* behind the value: "-1 is not a valid message TTL" */
    const char *words;     /* of a WORD, separated by spaces */
    int64_t min, max;      /* of an INTEGER */
    enum value_kind kind;
    unsigned policies;
    const char *before; /* the value, where all the words stand there */
};

#define INTEGERS(least, most) .kind = INTEGER, .min = (least), .max = (most)
#define WORDS(list) .kind = WORD, .words = (list)

/* In the order of the keys: RabbitMQ names the first that is wrong. */
static const struct key_rule rules[] = {
    {"alternate-exchange", "is not a valid alternate exchange name", .kind = TEXT,
     .policies = FOR_USERS},
    {"consumer-disconnected-timeout", "is not a valid consumer disconnected timeout",
     INTEGERS(0, INT64_MAX), .policies = FOR_USERS},
    {"consumer-timeout", "is not a valid consumer timeout", INTEGERS(0, INT64_MAX),
     .policies = FOR_USERS},
    {"dead-letter-exchange", "is not a valid dead letter exchange name", .kind = TEXT,
     .policies = FOR_USERS},
    {"dead-letter-routing-key", "is not a valid dead letter routing key", .kind = TEXT,
     .policies = FOR_USERS},
    {"dead-letter-strategy", "is not a valid dead letter strategy",
     WORDS("at-most-once at-least-once"), .policies = FOR_USERS},
    {"delayed-retry-max", "is not a valid delayed retry maximum delay. Must be a positive integer",
     INTEGERS(1, INT64_MAX), .policies = FOR_BOTH},
    {"delayed-retry-min", "is not a valid delayed retry minimum delay. Must be a positive integer",
     INTEGERS(1, INT64_MAX), .policies = FOR_BOTH},
    {"delayed-retry-type",
     "is not a valid delayed retry type. Must be one of: all, failed, returned, disabled",
     WORDS("all failed returned disabled"), .policies = FOR_BOTH},
    {"delivery-limit", "is not a valid delivery limit", INTEGERS(INT64_MIN, INT64_MAX),
     .policies = FOR_BOTH},
    {"expires", "is not a valid queue expiry", INTEGERS(1, INT64_MAX), .policies = FOR_BOTH},
    {"federation-upstream", "is not a valid federation upstream name", .kind = TEXT,
     .policies = FOR_USERS},
    {"federation-upstream-pattern", "is not a valid federation upstream pattern name",
     .kind = PATTERN, .policies = FOR_USERS},
    {"federation-upstream-set", "is not a valid federation upstream set name", .kind = TEXT,
     .policies = FOR_USERS},
    {"ha-mode", "is not a valid ha-mode value", WORDS("all exactly nodes"), .policies = FOR_BOTH},
    {"ha-params", "", .kind = ANY, .policies = FOR_BOTH},
    {"ha-promote-on-failure", NULL, WORDS("always when-synced"), .policies = FOR_USERS},
    {"ha-promote-on-shutdown", NULL, WORDS("always when-synced"), .policies = FOR_USERS},
    {"ha-sync-batch-size", NULL, INTEGERS(1, INT64_MAX), .policies = FOR_USERS},
    {"ha-sync-mode", NULL, WORDS("manual automatic"), .policies = FOR_BOTH},
    {"initial-cluster-size", "is not a valid cluster size", INTEGERS(0, INT64_MAX),
     .policies = FOR_USERS},
    {"max-age", "is not a valid max age", .kind = AGE, .policies = FOR_USERS},
    {"max-in-memory-bytes", "is not a valid maximum memory in bytes", INTEGERS(0, INT64_MAX),
     .policies = FOR_BOTH},
    {"max-in-memory-length", "is not a valid maximum memory in bytes", INTEGERS(0, INT64_MAX),
     .policies = FOR_BOTH},
    {"max-length", "is not a valid maximum length", INTEGERS(0, INT64_MAX), .policies = FOR_BOTH},
    {"max-length-bytes", "is not a valid maximum length in bytes", INTEGERS(0, INT64_MAX),
     .policies = FOR_BOTH},
    {"message-ttl", "is not a valid message TTL", INTEGERS(0, INT64_MAX), .policies = FOR_BOTH},
    {"overflow", "is not a valid overflow value",
     WORDS("drop-head reject-publish reject-publish-dlx"), .policies = FOR_BOTH},
    {"queue-leader-locator", "is not a valid queue leader locator value",
     WORDS("client-local balanced random least-leaders"), .policies = FOR_USERS},
    {"queue-master-locator", "invalid queue-master-locator value",
     WORDS("client-local min-masters random"), .policies = FOR_BOTH},
    {"queue-mode", "is not a valid queue-mode value", WORDS("default lazy"), .policies = FOR_USERS},
    {"queue-version", "is not a valid queue-version value", INTEGERS(1, 2), .policies = FOR_BOTH},
    {"routing-key", "", .kind = ANY, .policies = FOR_USERS},
    {"shards-per-node", "", .kind = ANY, .policies = FOR_USERS},
    {"stream-filter-size-bytes", "is not a valid filter size. Valid range is 16-255",
     INTEGERS(16, 255), .policies = FOR_USERS},
    {"stream-max-segment-size-bytes", "is not a valid segment size", INTEGERS(0, 3000000000),
     .policies = FOR_USERS},
    {"target-group-size", "is not a valid qq target count value", INTEGERS(1, INT64_MAX),
     .policies = FOR_BOTH},
    {"x-cache-persistence", "", WORDS("disk memory"), .policies = FOR_USERS,
     .before = "\"x-cache-persistence\" must be either \"disk\" or \"memory\", got "},
    {"x-cache-size", "", INTEGERS(1, INT64_MAX), .policies = FOR_USERS,
     .before = "\"x-cache-size\" must be an integer greater than 0, got "},
    {"x-cache-ttl", "", INTEGERS(1, INT64_MAX), .policies = FOR_USERS,
     .before = "\"x-cache-ttl\" must be an integer greater than 0, got "},
    {"x-message-deduplication", "", .kind = FLAG, .policies = FOR_USERS,
     .before = "\"x-message-deduplication\" must be a boolean, got "},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

struct check {
    struct bytes definition;
    char *reason;
    size_t reason_size;
};

/* Sets the reason: words, the value as an Erlang term, words. */
static bool complain(const struct check *check, const char *before, const struct amqp_value *value,
                     const char *after)
{
    struct buffer text = {0};
    buffer_append_bytes(&text, bytes_of_text(before));
    if (value != NULL)
        erlang_append_term(&text, value);
    buffer_append_bytes(&text, bytes_of_text(after));
    snprintf(check->reason, check->reason_size, "%.*s", (int)text.size, (const char *)text.data);
    buffer_fini(&text);
    return false;
}

/* --- single keys */

static bool is_text(const struct amqp_value *value)
{
    return value->type == AMQP_TYPE_LONGSTR || value->type == AMQP_TYPE_BINARY;
}

static bool is_word(const struct amqp_value *value, const char *words)
{
    if (!is_text(value))
        return false;
    for (const char *word = words; *word != '\0';) {
        size_t size = strcspn(word, " ");
        if (bytes_equal(value->bytes, bytes_of(word, size)))
            return true;
        word += size + (word[size] == ' ');
    }
    return false;
}

/* A number above 0 and a unit: "7D". */
static bool is_age(const struct amqp_value *value)
{
    if (!is_text(value))
        return false;
    size_t digits = 0;
    bool is_positive = false;
    for (; digits < value->bytes.size && value->bytes.data[digits] >= '0' &&
           value->bytes.data[digits] <= '9';
         digits++)
        is_positive |= value->bytes.data[digits] != '0';
    return is_positive && value->bytes.size == digits + 1 &&
           memchr("YMDhms", value->bytes.data[digits], 6) != NULL;
}

static bool is_in_range(const struct amqp_value *value, const struct key_rule *rule)
{
    int64_t number;
    return amqp_value_get_integer(value, &number) && number >= rule->min && number <= rule->max;
}

static bool value_fits(const struct amqp_value *value, const struct key_rule *rule)
{
    switch (rule->kind) {
    case TEXT:
    case PATTERN:
        return is_text(value);
    case WORD:
        return is_word(value, rule->words);
    case INTEGER:
        return is_in_range(value, rule);
    case FLAG:
        return value->type == AMQP_TYPE_BOOL;
    case AGE:
        return is_age(value);
    case ANY:
        break;
    }
    return true;
}

static bool check_pattern(const struct check *check, const struct amqp_value *value)
{
    char why[300];
    struct pattern *pattern = pattern_new(value->bytes, why, sizeof why);
    if (pattern == NULL) {
        snprintf(check->reason, check->reason_size,
                 "could not compile pattern %.*s to a regular expression. Error: %s",
                 (int)value->bytes.size, (const char *)value->bytes.data, why);
        return false;
    }
    pattern_free(pattern);
    return true;
}

/* What stands in front of a value that is wrong, where RabbitMQ's words end with it. */
static bool complain_of_mirroring(const struct check *check, const struct key_rule *rule,
                                  const struct amqp_value *value)
{
    if (strcmp(rule->key, "ha-sync-batch-size") == 0)
        return complain(check, "ha-sync-batch-size takes an integer greater than 0, ", value,
                        " given");
    if (strcmp(rule->key, "ha-sync-mode") == 0)
        return complain(check, "ha-sync-mode must be \"manual\" or \"automatic\", got ", value, "");
    char before[100];
    snprintf(before, sizeof before, "%s must be \"always\" or \"when-synced\", got ", rule->key);
    return complain(check, before, value, "");
}

static bool has(const struct check *check, const char *key)
{
    struct amqp_value value;
    return amqp_table_find(check->definition, key, &value);
}

static bool check_rule(const struct check *check, const struct key_rule *rule)
{
    struct amqp_value value;
    bool is_of_mirroring = rule->complaint == NULL;
    if (!amqp_table_find(check->definition, rule->key, &value) ||
        (is_of_mirroring && !has(check, "ha-mode"))) /* that it is missing is said first */
        return true;
    if (!value_fits(&value, rule)) {
        char after[120];
        if (is_of_mirroring)
            return complain_of_mirroring(check, rule, &value);
        if (rule->before != NULL)
            return complain(check, rule->before, &value, "");
        snprintf(after, sizeof after, " %s", rule->complaint);
        return complain(check, "", &value, after);
    }
    return rule->kind != PATTERN || check_pattern(check, &value);
}

/* --- keys together */

static bool check_federation(const struct check *check)
{
    int count = has(check, "federation-upstream") + has(check, "federation-upstream-set") +
                has(check, "federation-upstream-pattern");
    return count < 2 || complain(check,
                                 "cannot specify federation-upstream, federation-upstream-set or "
                                 "federation-upstream-pattern together",
                                 NULL, "");
}

static bool check_sharding(const struct check *check)
{
    struct amqp_value count, key;
    if (!amqp_table_find(check->definition, "shards-per-node", &count))
        return !has(check, "routing-key") ||
               complain(check, "shards-per-node must be specified", NULL, "");
    bool is_float = count.type == AMQP_TYPE_DOUBLE;
    if (!is_float && !amqp_value_is_integer(&count))
        return complain(check, "shards-per-node should be a number, actually was ", &count, "");
    if (is_float ? count.number < 0 : count.integer < 0)
        return complain(check, "shards-per-node should be greater than 0, actually was ", &count,
                        "");
    return !amqp_table_find(check->definition, "routing-key", &key) || is_text(&key) ||
           complain(check, "routing-key should be binary, actually was ", &key, "");
}

static bool check_delayed_retry(const struct check *check)
{
    struct amqp_value type, min, max;
    bool has_min = amqp_table_find(check->definition, "delayed-retry-min", &min);
    if (!has_min && amqp_table_find(check->definition, "delayed-retry-type", &type) &&
        !bytes_equal_text(type.bytes, "disabled")) {
        snprintf(check->reason, check->reason_size,
                 "delayed-retry-min is required when delayed-retry-type is %.*s",
                 (int)type.bytes.size, (const char *)type.bytes.data);
        return false;
    }
    if (has_min && amqp_table_find(check->definition, "delayed-retry-max", &max) &&
        max.integer < min.integer) {
        snprintf(check->reason, check->reason_size,
                 "delayed-retry-max (%lld) must not be smaller than delayed-retry-min (%lld)",
                 (long long)max.integer, (long long)min.integer);
        return false;
    }
    return true;
}

static bool check_mirror_nodes(const struct check *check, const struct amqp_value *nodes)
{
    if (nodes == NULL)
        return complain(check, "ha-mode=\"nodes\" takes a list, none given", NULL, "");
    if (nodes->type != AMQP_TYPE_ARRAY)
        return complain(check, "ha-mode=\"nodes\" takes a list, ", nodes, " given");
    if (nodes->bytes.size == 0)
        return complain(check, "ha-mode=\"nodes\" list must be non-empty", NULL, "");
    struct reader reader = reader_of(nodes->bytes);
    struct amqp_value node;
    while (amqp_array_next(&reader, &node)) {
        if (!is_text(&node))
            return complain(check, "ha-mode=\"nodes\" takes a list of strings, ", nodes,
                            " was not a string");
    }
    return true;
}

static bool check_mirroring(const struct check *check)
{
    static const char *const others[] = {"ha-params", "ha-sync-mode", "ha-sync-batch-size",
                                         "ha-promote-on-shutdown", "ha-promote-on-failure"};
    struct amqp_value mode, params;
    const struct amqp_value *given =
        amqp_table_find(check->definition, "ha-params", &params) ? &params : NULL;
    if (!amqp_table_find(check->definition, "ha-mode", &mode)) {
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            if (has(check, others[i]))
                return complain(check,
                                "ha-mode must be specified to specify ha-params, ha-sync-mode or "
                                "ha-promote-on-shutdown",
                                NULL, "");
        }
        return true;
    }
    if (bytes_equal_text(mode.bytes, "nodes"))
        return check_mirror_nodes(check, given);
    if (bytes_equal_text(mode.bytes, "all"))
        return given == NULL ||
               complain(check, "ha-mode=\"all\" does not take parameters", NULL, "");
    if (given == NULL)
        return complain(check, "ha-mode=\"exactly\" takes an integer, none given", NULL, "");
    return amqp_value_is_integer(given) ||
           complain(check, "ha-mode=\"exactly\" takes an integer, ", given, " given");
}

/* --- unknown keys */

static bool is_known(struct bytes key, unsigned policies)
{
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (bytes_equal_text(key, rules[i].key))
            return (rules[i].policies & policies) != 0;
    }
    return false;
}

static bool check_names(const struct check *check, unsigned policies)
{
    struct buffer unknown = {0};
    struct reader reader = reader_of(check->definition);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field)) {
        if (is_known(field.name, policies))
            continue;
        struct amqp_value name = {.type = AMQP_TYPE_LONGSTR, .bytes = field.name};
        buffer_append_bytes(&unknown, bytes_of_text(unknown.size > 0 ? ",{" : "[{"));
        erlang_append_term(&unknown, &name);
        buffer_append_u8(&unknown, ',');
        erlang_append_term(&unknown, &field.value);
        buffer_append_u8(&unknown, '}');
    }
    bool is_fine = unknown.size == 0;
    if (!is_fine)
        snprintf(check->reason, check->reason_size, "%.*s] are not recognised policy settings",
                 (int)unknown.size, (const char *)unknown.data);
    buffer_fini(&unknown);
    return is_fine;
}

bool policy_check(struct bytes definition, bool is_operator, char *reason, size_t reason_size)
{
    struct check check = {definition, reason, reason_size};
    if (definition.size == 0)
        return complain(&check, "no policy provided", NULL, "");
    unsigned policies = is_operator ? FOR_OPERATORS : FOR_USERS;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if ((rules[i].policies & policies) != 0 && !check_rule(&check, &rules[i]))
            return false;
    }
    return check_delayed_retry(&check) &&
           (is_operator || (check_federation(&check) && check_sharding(&check))) &&
           check_mirroring(&check) && check_names(&check, policies);
}
