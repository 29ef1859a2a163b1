/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: which one is in force for what, and what a definition may say. The texts are
 * RabbitMQ 3.10's where it knows the key, else 3.13's or 4.3's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/policy.h"

static struct buffer scratch;

static struct bytes text(const char *words)
{
    return bytes_of_text(words);
}

/* "key" or "key=text", "key=#number": a definition of one field. */
static struct bytes definition(const char *words)
{
    buffer_clear(&scratch);
    char name[64];
    const char *equals = strchr(words, '=');
    size_t size = equals != NULL ? (size_t)(equals - words) : strlen(words);
    snprintf(name, sizeof name, "%.*s", (int)size, words);
    if (equals == NULL)
        amqp_table_add_int(&scratch, name, 1);
    else if (equals[1] == '#')
        amqp_table_add_int(&scratch, name, strtoll(equals + 2, NULL, 10));
    else
        amqp_table_add_text(&scratch, name, equals + 1);
    return buffer_bytes(&scratch);
}

static void add(struct policies *policies, const char *name, const char *pattern,
                const char *apply_to, int64_t priority, const char *words, bool is_operator)
{
    char reason[256];
    struct policy_source source = {
        .name = text(name),
        .pattern = text(pattern),
        .apply_to = text(apply_to),
        .definition = definition(words),
        .priority = priority,
        .is_operator = is_operator,
    };
    assert_true(policies_add(policies, &source, reason, sizeof reason));
}

static const char *found(const struct policies *policies, enum policy_target target,
                         const char *name)
{
    static char result[64];
    const struct policy *policy = policies_find(policies, target, text(name), false);
    if (policy == NULL)
        return "none";
    snprintf(result, sizeof result, "%.*s", (int)policy_name(policy).size,
             (const char *)policy_name(policy).data);
    return result;
}

static void highest_priority_that_matches_is_in_force(void **state)
{
    (void)state;
    struct policies *policies = policies_new();
    add(policies, "low", "^own-", "all", 1, "max-length", false);
    add(policies, "high", "^own-q", "all", 7, "max-length", false);
    add(policies, "negative", ".*", "all", -1, "max-length", false);
    add(policies, "b", "tie", "all", 3, "max-length", false);
    add(policies, "a", "tie", "all", 3, "max-length", false);
    assert_string_equal(found(policies, POLICY_CLASSIC_QUEUE, "own-q1"), "high");
    assert_string_equal(found(policies, POLICY_CLASSIC_QUEUE, "own-x"), "low");
    assert_string_equal(found(policies, POLICY_CLASSIC_QUEUE, "other"), "negative");
    assert_string_equal(found(policies, POLICY_CLASSIC_QUEUE, "a-tie"), "a");
    policies_free(policies);
}

static void nothing_matches_nothing(void **state)
{
    (void)state;
    struct policies *policies = policies_new();
    assert_null(policies_find(NULL, POLICY_EXCHANGE, text("x"), false));
    assert_null(policies_find(policies, POLICY_EXCHANGE, text("x"), false));
    add(policies, "p", "^$", "all", 0, "max-length", false);
    assert_null(policies_find(policies, POLICY_EXCHANGE, text("x"), false));
    struct amqp_value value;
    assert_false(policy_value(NULL, "max-length", &value));
    policies_free(policies);
    policies_free(NULL);
}

static void operator_policies_are_apart(void **state)
{
    (void)state;
    struct policies *policies = policies_new();
    add(policies, "user", ".*", "queues", 0, "max-length=#10", false);
    add(policies, "operator", ".*", "queues", 0, "max-length=#5", true);
    struct amqp_value value;
    const struct policy *policy = policies_find(policies, POLICY_CLASSIC_QUEUE, text("q"), true);
    assert_true(policy_value(policy, "max-length", &value));
    assert_int_equal(value.integer, 5);
    policy = policies_find(policies, POLICY_CLASSIC_QUEUE, text("q"), false);
    assert_true(policy_value(policy, "max-length", &value));
    assert_int_equal(value.integer, 10);
    assert_false(policy_value(policy, "expires", &value));
    policies_free(policies);
}

static void applies_to_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *apply_to;
        const char *key;
        const char *applies; /* C classic queue, Q quorum queue, S stream, X exchange */
    } rows[] = {
        {"all", "max-length-bytes", "CQSX"},
        {"queues", "max-length-bytes", "CQS"},
        {"exchanges", "alternate-exchange", "X"},
        {"classic_queues", "max-length", "C"},
        {"quorum_queues", "max-length", "Q"},
        {"streams", "max-age", "S"},
        /* A key that the type does not know takes the whole policy away from it. */
        {"all", "max-length", "CQX"},
        {"all", "delivery-limit", "QX"},
        {"queues", "max-age", "S"},
        {"queues", "queue-mode", "C"},
        {"queues", "ha-mode", "C"},
        {"queues", "dead-letter-strategy", "Q"},
        {"queues", "message-ttl", "CQ"},
        {"queues", "queue-leader-locator", "CQS"},
        {"streams", "expires", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policies *policies = policies_new();
        add(policies, "p", "", rows[i].apply_to, 0, rows[i].key, false);
        char applies[8] = "";
        for (int target = POLICY_CLASSIC_QUEUE; target <= POLICY_EXCHANGE; target++) {
            if (policies_find(policies, (enum policy_target)target, text("n"), false) != NULL)
                strncat(applies, &"CQSX"[target], 1);
        }
        assert_string_equal(applies, rows[i].applies);
        policies_free(policies);
    }
}

static void sources_that_are_wrong_are_refused(void **state)
{
    (void)state;
    char reason[256];
    struct policies *policies = policies_new();
    struct policy_source source = {text("p"), text("("), text("all"), definition("expires"), 0, 0};
    assert_false(policies_add(policies, &source, reason, sizeof reason));
    assert_string_equal(reason, "pattern should be regular expression but is invalid: "
                                "{\"missing closing parenthesis\",1}");
    source.pattern = text("x");
    source.apply_to = text("foo");
    assert_false(policies_add(policies, &source, reason, sizeof reason));
    assert_non_null(strstr(reason, "apply-to 'foo' unrecognised; should be one of: 'queues', "));
    assert_null(policies_find(policies, POLICY_EXCHANGE, text("x"), false));
    policies_free(policies);
}

static void a_pattern_that_takes_for_ever_does_not_match(void **state)
{
    (void)state;
    struct policies *policies = policies_new();
    add(policies, "p", "^(a+)+$", "all", 0, "expires", false);
    assert_string_equal(found(policies, POLICY_EXCHANGE, "aaaa"), "p");
    assert_string_equal(found(policies, POLICY_EXCHANGE, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
                        "none");
    policies_free(policies);
}

/* Nobody can make others wait by many of them; one that is easy counts in any case. */
static void hard_patterns_share_what_a_lookup_may_cost(void **state)
{
    static const char name[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    struct policies *policies = policies_new();
    size_t steps = 0;
    (void)state;
    add(policies, "easy", "b$", "all", 0, "expires", false);
    for (int64_t priority = 1; priority <= 100; priority++)
        add(policies, "hard", "^(a+)+$", "all", priority, "expires", false);
    const struct policy *policy =
        policies_find_counting(policies, POLICY_EXCHANGE, text(name), false, &steps);
    assert_non_null(policy);
    assert_true(bytes_equal_text(policy_name(policy), "easy"));
    assert_in_range(steps, 100000, 125000);
    policies_free(policies);
}

static void assert_check(struct bytes table, bool is_operator, const char *reason_wanted)
{
    char reason[1024] = "";
    bool is_fine = policy_check(table, is_operator, reason, sizeof reason);
    assert_string_equal(is_fine ? "" : reason, reason_wanted);
}

static void every_key_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *reason; /* "" where it is fine */
    } rows[] = {
        {"message-ttl=#0", ""},
        {"message-ttl=#-1", "-1 is not a valid message TTL"},
        {"message-ttl=x", "<<\"x\">> is not a valid message TTL"},
        {"expires=#1", ""},
        {"expires=#0", "0 is not a valid queue expiry"},
        {"max-length=#0", ""},
        {"max-length=#-1", "-1 is not a valid maximum length"},
        {"max-length-bytes=x", "<<\"x\">> is not a valid maximum length in bytes"},
        {"max-in-memory-length=x", "<<\"x\">> is not a valid maximum memory in bytes"},
        {"max-in-memory-bytes=x", "<<\"x\">> is not a valid maximum memory in bytes"},
        {"overflow=reject-publish-dlx", ""},
        {"overflow=reject", "<<\"reject\">> is not a valid overflow value"},
        {"overflow=", "<<>> is not a valid overflow value"},
        {"overflow=a\n\"b", "<<\"a\\n\\\"b\">> is not a valid overflow value"},
        {"overflow=\xe2\x82\xac", "<<226,130,172>> is not a valid overflow value"},
        {"dead-letter-exchange=", ""},
        {"dead-letter-exchange=#1", "1 is not a valid dead letter exchange name"},
        {"dead-letter-routing-key=#1", "1 is not a valid dead letter routing key"},
        {"dead-letter-strategy=at-least-once", ""},
        {"dead-letter-strategy=x", "<<\"x\">> is not a valid dead letter strategy"},
        {"delivery-limit=#-1", ""},
        {"delivery-limit=x", "<<\"x\">> is not a valid delivery limit"},
        {"alternate-exchange=#1", "1 is not a valid alternate exchange name"},
        {"queue-mode=lazy", ""},
        {"queue-mode=x", "<<\"x\">> is not a valid queue-mode value"},
        {"queue-version=#2", ""},
        {"queue-version=#3", "3 is not a valid queue-version value"},
        {"max-age=1D", ""},
        {"max-age=10h", ""},
        {"max-age=0D", "<<\"0D\">> is not a valid max age"},
        {"max-age=1x", "<<\"1x\">> is not a valid max age"},
        {"max-age=D", "<<\"D\">> is not a valid max age"},
        {"max-age=1", "<<\"1\">> is not a valid max age"},
        {"max-age=1DD", "<<\"1DD\">> is not a valid max age"},
        {"max-age=#1", "1 is not a valid max age"},
        {"stream-max-segment-size-bytes=#3000000000", ""},
        {"stream-max-segment-size-bytes=#3000000001", "3000000001 is not a valid segment size"},
        {"stream-filter-size-bytes=#15", "15 is not a valid filter size. Valid range is 16-255"},
        {"queue-leader-locator=random", ""},
        {"queue-leader-locator=x", "<<\"x\">> is not a valid queue leader locator value"},
        {"queue-master-locator=min-masters", ""},
        {"queue-master-locator=x", "<<\"x\">> invalid queue-master-locator value"},
        {"initial-cluster-size=x", "<<\"x\">> is not a valid cluster size"},
        {"target-group-size=#3", ""},
        {"target-group-size=#0", "0 is not a valid qq target count value"},
        {"consumer-timeout=#0", ""},
        {"consumer-timeout=x", "<<\"x\">> is not a valid consumer timeout"},
        {"federation-upstream-set=all", ""},
        {"federation-upstream=#1", "1 is not a valid federation upstream name"},
        {"federation-upstream-pattern=a.*", ""},
        {"federation-upstream-pattern=(", "could not compile pattern ( to a regular expression. "
                                          "Error: {\"missing closing parenthesis\",1}"},
        {"ha-mode=all", ""},
        {"ha-mode=foo", "<<\"foo\">> is not a valid ha-mode value"},
        {"ha-mode=exactly", "ha-mode=\"exactly\" takes an integer, none given"},
        {"ha-mode=nodes", "ha-mode=\"nodes\" takes a list, none given"},
        {"ha-params=#2", "ha-mode must be specified to specify ha-params, ha-sync-mode or "
                         "ha-promote-on-shutdown"},
        {"ha-sync-mode=x", "ha-mode must be specified to specify ha-params, ha-sync-mode or "
                           "ha-promote-on-shutdown"},
        {"delayed-retry-type=all", "delayed-retry-min is required when delayed-retry-type is all"},
        {"x-message-deduplication=true",
         "\"x-message-deduplication\" must be a boolean, got <<\"true\">>"},
        {"x-message-deduplication=#1", "\"x-message-deduplication\" must be a boolean, got 1"},
        {"shards-per-node=#0", ""},
        {"shards-per-node=#-1", "shards-per-node should be greater than 0, actually was -1"},
        {"shards-per-node=2", "shards-per-node should be a number, actually was <<\"2\">>"},
        {"routing-key=k", "shards-per-node must be specified"},
        {"x-cache-size=#1", ""},
        {"x-cache-size=#0", "\"x-cache-size\" must be an integer greater than 0, got 0"},
        {"x-cache-ttl=5", "\"x-cache-ttl\" must be an integer greater than 0, got <<\"5\">>"},
        {"x-cache-persistence=memory", ""},
        {"x-cache-persistence=tape", "\"x-cache-persistence\" must be either \"disk\" or "
                                     "\"memory\", got <<\"tape\">>"},
        {"max-priority=#1", "[{<<\"max-priority\">>,1}] are not recognised policy settings"},
        /* Octets are Latin-1 to Erlang. */
        {"foo=\xc3\xa4",
         "[{<<\"foo\">>,<<\"\xc3\x83\xc2\xa4\">>}] are not recognised policy settings"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_check(definition(rows[i].words), false, rows[i].reason);
    assert_check(bytes_of(NULL, 0), false, "no policy provided");
}

static void operators_may_set_less(void **state)
{
    (void)state;
    assert_check(definition("message-ttl=#1"), true, "");
    assert_check(definition("overflow=drop-head"), true, "");
    assert_check(definition("message-ttl=#-1"), true, "-1 is not a valid message TTL");
    assert_check(definition("dead-letter-exchange=x"), true,
                 "[{<<\"dead-letter-exchange\">>,<<\"x\">>}] are not recognised policy settings");
}

static void values_are_printed_as_terms(void **state)
{
    (void)state;
    struct buffer table = {0};
    amqp_table_add_double(&table, "a", 1.5);
    amqp_table_add_bool(&table, "b", true);
    amqp_table_add_void(&table, "c");
    size_t begin = amqp_table_add_array_begin(&table, "d");
    struct amqp_value one = {.type = AMQP_TYPE_INT64, .integer = 1};
    amqp_array_add_value(&table, &one);
    amqp_array_add_longstr(&table, text("x"));
    amqp_table_end(&table, begin);
    begin = amqp_table_add_table_begin(&table, "e");
    amqp_table_add_int(&table, "k", 1);
    amqp_table_end(&table, begin);
    begin = amqp_table_add_array_begin(&table, "f");
    struct amqp_value character = {.type = AMQP_TYPE_INT64, .integer = 97};
    amqp_array_add_value(&table, &character);
    amqp_table_end(&table, begin);
    begin = amqp_table_add_array_begin(&table, "g");
    amqp_table_end(&table, begin);
    assert_check(buffer_bytes(&table), false,
                 "[{<<\"a\">>,1.5},{<<\"b\">>,true},{<<\"c\">>,null},{<<\"d\">>,[1,<<\"x\">>]},"
                 "{<<\"e\">>,#{<<\"k\">> => 1}},{<<\"f\">>,\"a\"},{<<\"g\">>,[]}] "
                 "are not recognised policy settings");
    buffer_fini(&table);
}

static void add_mirroring(struct buffer *table, const char *mode)
{
    buffer_clear(table);
    amqp_table_add_text(table, "ha-mode", mode);
}

static void keys_are_checked_together(void **state)
{
    (void)state;
    struct buffer table = {0};
    add_mirroring(&table, "exactly");
    amqp_table_add_int(&table, "ha-params", 2);
    assert_check(buffer_bytes(&table), false, "");
    add_mirroring(&table, "all");
    amqp_table_add_int(&table, "ha-params", 2);
    assert_check(buffer_bytes(&table), false, "ha-mode=\"all\" does not take parameters");
    add_mirroring(&table, "nodes");
    amqp_table_add_int(&table, "ha-params", 2);
    assert_check(buffer_bytes(&table), false, "ha-mode=\"nodes\" takes a list, 2 given");
    add_mirroring(&table, "nodes");
    size_t begin = amqp_table_add_array_begin(&table, "ha-params");
    amqp_table_end(&table, begin);
    assert_check(buffer_bytes(&table), false, "ha-mode=\"nodes\" list must be non-empty");
    buffer_clear(&table);
    amqp_table_add_text(&table, "federation-upstream", "a");
    amqp_table_add_text(&table, "federation-upstream-set", "b");
    assert_check(buffer_bytes(&table), false,
                 "cannot specify federation-upstream, federation-upstream-set or "
                 "federation-upstream-pattern together");
    buffer_clear(&table);
    amqp_table_add_int(&table, "delayed-retry-min", 5);
    amqp_table_add_int(&table, "delayed-retry-max", 4);
    assert_check(buffer_bytes(&table), false,
                 "delayed-retry-max (4) must not be smaller than delayed-retry-min (5)");
    buffer_clear(&table);
    amqp_table_add_int(&table, "message-ttl", -1);
    amqp_table_add_int(&table, "expires", 0);
    assert_check(buffer_bytes(&table), false, "0 is not a valid queue expiry");
    buffer_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(highest_priority_that_matches_is_in_force),
        cmocka_unit_test(nothing_matches_nothing),
        cmocka_unit_test(operator_policies_are_apart),
        cmocka_unit_test(applies_to_what_it_says),
        cmocka_unit_test(sources_that_are_wrong_are_refused),
        cmocka_unit_test(a_pattern_that_takes_for_ever_does_not_match),
        cmocka_unit_test(hard_patterns_share_what_a_lookup_may_cost),
        cmocka_unit_test(every_key_is_checked),
        cmocka_unit_test(operators_may_set_less),
        cmocka_unit_test(values_are_printed_as_terms),
        cmocka_unit_test(keys_are_checked_together),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    buffer_fini(&scratch);
    return failures;
}
