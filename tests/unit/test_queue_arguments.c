/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the arguments of a queue mean: the settings made of them.
 */
#include "broker/queue_arguments.h"

#include "amqp/table.h"
#include "amqp_test.h"

static struct queue_settings settings_of(struct buffer *arguments)
{
    struct queue_settings settings;
    queue_settings_of_arguments(&settings, bytes_of(arguments->data, arguments->size));
    return settings;
}

static void no_arguments_mean_a_classic_queue_without_limits(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    struct queue_settings settings = settings_of(&arguments);
    assert_int_equal(settings.type, QUEUE_CLASSIC);
    assert_true(settings.message_ttl_ms == QUEUE_SETTING_ABSENT);
    assert_true(settings.expires_ms == QUEUE_SETTING_ABSENT);
    assert_true(settings.max_length == QUEUE_SETTING_ABSENT);
    assert_true(settings.max_length_bytes == QUEUE_SETTING_ABSENT);
    assert_true(settings.consumer_timeout_ms == QUEUE_SETTING_ABSENT);
    assert_int_equal(settings.overflow, OVERFLOW_DROP_HEAD);
    assert_int_equal(settings.dead_letter_strategy, DEAD_LETTER_AT_MOST_ONCE);
    assert_null(settings.dead_letter_exchange.data);
    assert_null(settings.dead_letter_routing_key.data);
    assert_int_equal(settings.max_priority, 0);
    assert_int_equal(settings.delivery_limit, -1);
    assert_false(settings.single_active_consumer);
    assert_false(settings.deduplicates);
}

static void add_common(struct buffer *arguments)
{
    amqp_table_add_int(arguments, "x-message-ttl", 0);
    amqp_table_add_int(arguments, "x-expires", 1000);
    amqp_table_add_int(arguments, "x-max-length", 0);
    amqp_table_add_int(arguments, "x-max-length-bytes", 5000000000);
    amqp_table_add_text(arguments, "x-overflow", "reject-publish-dlx");
    amqp_table_add_text(arguments, "x-dead-letter-exchange", "");
    amqp_table_add_text(arguments, "x-dead-letter-routing-key", "dead");
    amqp_table_add_text(arguments, "x-dead-letter-strategy", "at-least-once");
    amqp_table_add_int(arguments, "x-max-priority", 255);
    amqp_table_add_int(arguments, "x-delivery-limit", 3);
    amqp_table_add_int(arguments, "x-consumer-timeout", 60000);
    amqp_table_add_bool(arguments, "x-single-active-consumer", true);
    amqp_table_add_bool(arguments, "x-message-deduplication", true);
}

static void assert_common(const struct queue_settings *settings)
{
    assert_int_equal(settings->message_ttl_ms, 0);
    assert_int_equal(settings->expires_ms, 1000);
    assert_int_equal(settings->max_length, 0);
    assert_int_equal(settings->max_length_bytes, 5000000000);
    assert_int_equal(settings->consumer_timeout_ms, 60000);
    assert_non_null(settings->dead_letter_exchange.data);
    assert_int_equal(settings->dead_letter_exchange.size, 0);
    assert_bytes_equal(settings->dead_letter_routing_key, BYTES("dead"));
    assert_true(settings->single_active_consumer);
    assert_int_equal(settings->deduplicates, settings->type == QUEUE_CLASSIC);
}

static void a_classic_queue_takes_its_own(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    add_common(&arguments);
    struct queue_settings settings = settings_of(&arguments);
    assert_common(&settings);
    assert_int_equal(settings.overflow, OVERFLOW_REJECT_PUBLISH_DLX);
    assert_int_equal(settings.max_priority, 255);
    assert_int_equal(settings.delivery_limit, -1);
    assert_int_equal(settings.dead_letter_strategy, DEAD_LETTER_AT_MOST_ONCE);
    buffer_fini(&arguments);
}

static void a_quorum_queue_takes_its_own(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    amqp_table_add_text(&arguments, "x-queue-type", "quorum");
    add_common(&arguments);
    struct queue_settings settings = settings_of(&arguments);
    assert_int_equal(settings.type, QUEUE_QUORUM);
    assert_common(&settings);
    assert_int_equal(settings.overflow, OVERFLOW_DROP_HEAD); /* reject-publish-dlx acts as that */
    assert_int_equal(settings.max_priority, 0);
    assert_int_equal(settings.delivery_limit, 3);
    assert_int_equal(settings.dead_letter_strategy, DEAD_LETTER_AT_LEAST_ONCE);
    buffer_fini(&arguments);
}

static void what_is_not_checked_and_makes_no_sense_is_absent(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    amqp_table_add_text(&arguments, "x-queue-type", "quorum");
    amqp_table_add_text(&arguments, "x-delivery-limit", "3");
    amqp_table_add_text(&arguments, "x-consumer-timeout", "3");
    struct queue_settings settings = settings_of(&arguments);
    assert_int_equal(settings.delivery_limit, -1);
    assert_true(settings.consumer_timeout_ms == QUEUE_SETTING_ABSENT);
    buffer_fini(&arguments);
}

/* So it is with the plug-in: whatever it is, "false" too, but false. */
static void whatever_is_not_false_deduplicates(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    assert_false(settings_of(&arguments).deduplicates);
    amqp_table_add_text(&arguments, "x-message-deduplication", "false");
    assert_true(settings_of(&arguments).deduplicates);
    buffer_clear(&arguments);
    amqp_table_add_int(&arguments, "x-message-deduplication", 0);
    assert_true(settings_of(&arguments).deduplicates);
    buffer_clear(&arguments);
    amqp_table_add_bool(&arguments, "x-message-deduplication", false);
    assert_false(settings_of(&arguments).deduplicates);
    buffer_fini(&arguments);
}

static void a_negative_delivery_limit_is_none(void **state)
{
    (void)state;
    struct buffer arguments = {0};
    amqp_table_add_text(&arguments, "x-queue-type", "quorum");
    amqp_table_add_int(&arguments, "x-delivery-limit", -7);
    assert_int_equal(settings_of(&arguments).delivery_limit, -1);
    buffer_fini(&arguments);
}

/* --- policies */

struct fields {
    struct buffer arguments, user, operator;
};

static const struct policy *policy_of(struct policies *policies, const struct buffer *definition,
                                      enum policy_target target, bool is_operator)
{
    char reason[80];
    struct policy_source source = {
        .name = BYTES("p"),
        .pattern = BYTES(".*"),
        .apply_to = BYTES("queues"),
        .definition = buffer_bytes(definition),
        .is_operator = is_operator,
    };
    if (definition->size == 0)
        return NULL;
    assert_true(policies_add(policies, &source, reason, sizeof reason));
    const struct policy *policy = policies_find(policies, target, BYTES("q"), is_operator);
    assert_non_null(policy);
    return policy;
}

/* The settings live as long as the policies, which the caller frees. */
static struct policies *apply(struct fields *fields, struct queue_settings *settings)
{
    struct policies *policies = policies_new();
    *settings = settings_of(&fields->arguments);
    enum policy_target target =
        settings->type == QUEUE_QUORUM ? POLICY_QUORUM_QUEUE : POLICY_CLASSIC_QUEUE;
    queue_settings_apply_policy(settings, policy_of(policies, &fields->user, target, false),
                                policy_of(policies, &fields->operator, target, true));
    return policies;
}

static void end(struct fields *fields, struct policies *policies)
{
    policies_free(policies);
    buffer_fini(&fields->arguments);
    buffer_fini(&fields->user);
    buffer_fini(&fields->operator);
}

static void no_policy_changes_nothing(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    add_common(&fields.arguments);
    struct policies *policies = apply(&fields, &settings);
    assert_common(&settings);
    end(&fields, policies);
}

static void a_policy_gives_what_the_arguments_do_not(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_int(&fields.user, "message-ttl", 5);
    amqp_table_add_int(&fields.user, "expires", 6);
    amqp_table_add_int(&fields.user, "max-length", 7);
    amqp_table_add_int(&fields.user, "max-length-bytes", 0);
    amqp_table_add_text(&fields.user, "overflow", "reject-publish-dlx");
    amqp_table_add_text(&fields.user, "dead-letter-exchange", "");
    amqp_table_add_text(&fields.user, "dead-letter-routing-key", "k");
    amqp_table_add_int(&fields.user, "consumer-timeout", 8);
    amqp_table_add_int(&fields.operator, "expires", 60);
    struct policies *policies = apply(&fields, &settings);
    assert_int_equal(settings.consumer_timeout_ms, 8);
    assert_int_equal(settings.message_ttl_ms, 5);
    assert_int_equal(settings.expires_ms, 6);
    assert_int_equal(settings.max_length, 7);
    assert_int_equal(settings.max_length_bytes, 0);
    assert_int_equal(settings.overflow, OVERFLOW_REJECT_PUBLISH_DLX);
    assert_non_null(settings.dead_letter_exchange.data);
    assert_bytes_equal(settings.dead_letter_routing_key, BYTES("k"));
    end(&fields, policies);
}

static void of_numbers_the_lowest_counts(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_int(&fields.arguments, "x-message-ttl", 3);
    amqp_table_add_int(&fields.arguments, "x-max-length", 9);
    amqp_table_add_int(&fields.arguments, "x-max-length-bytes", 9);
    amqp_table_add_int(&fields.arguments, "x-expires", 9);
    amqp_table_add_int(&fields.user, "message-ttl", 5);
    amqp_table_add_int(&fields.user, "max-length", 6);
    amqp_table_add_int(&fields.user, "max-length-bytes", 6);
    amqp_table_add_int(&fields.user, "expires", 6);
    amqp_table_add_int(&fields.operator, "message-ttl", 4);
    amqp_table_add_int(&fields.operator, "max-length", 7);
    amqp_table_add_int(&fields.operator, "max-length-bytes", 5);
    struct policies *policies = apply(&fields, &settings);
    assert_int_equal(settings.message_ttl_ms, 3);
    assert_int_equal(settings.max_length, 6);
    assert_int_equal(settings.max_length_bytes, 5);
    assert_int_equal(settings.expires_ms, 6);
    end(&fields, policies);
}

static void the_arguments_of_a_classic_queue_beat_the_texts_of_a_policy(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_text(&fields.arguments, "x-overflow", "drop-head");
    amqp_table_add_text(&fields.arguments, "x-dead-letter-exchange", "mine");
    amqp_table_add_text(&fields.user, "overflow", "reject-publish");
    amqp_table_add_text(&fields.user, "dead-letter-exchange", "theirs");
    amqp_table_add_text(&fields.user, "dead-letter-routing-key", "k");
    struct policies *policies = apply(&fields, &settings);
    assert_int_equal(settings.overflow, OVERFLOW_DROP_HEAD);
    assert_bytes_equal(settings.dead_letter_exchange, BYTES("mine"));
    assert_bytes_equal(settings.dead_letter_routing_key, BYTES("k"));
    end(&fields, policies);
}

static void an_operators_text_beats_a_users(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_text(&fields.user, "overflow", "drop-head");
    amqp_table_add_text(&fields.operator, "overflow", "reject-publish");
    struct policies *policies = apply(&fields, &settings);
    assert_int_equal(settings.overflow, OVERFLOW_REJECT_PUBLISH);
    end(&fields, policies);
}

static void a_quorum_queue_lets_the_policy_decide_overflow_and_expiry(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_text(&fields.arguments, "x-queue-type", "quorum");
    amqp_table_add_text(&fields.arguments, "x-overflow", "drop-head");
    amqp_table_add_int(&fields.arguments, "x-expires", 5);
    amqp_table_add_int(&fields.arguments, "x-delivery-limit", 5);
    amqp_table_add_text(&fields.arguments, "x-dead-letter-exchange", "x");
    amqp_table_add_text(&fields.user, "overflow", "reject-publish");
    amqp_table_add_int(&fields.user, "expires", 9);
    amqp_table_add_int(&fields.user, "delivery-limit", 9);
    amqp_table_add_text(&fields.user, "dead-letter-strategy", "at-least-once");
    struct policies *policies = apply(&fields, &settings);
    assert_int_equal(settings.overflow, OVERFLOW_REJECT_PUBLISH);
    assert_int_equal(settings.expires_ms, 9);
    assert_int_equal(settings.delivery_limit, 5);
    assert_true(queue_settings_dead_letter_at_least_once(&settings));
    end(&fields, policies);
}

static void a_strategy_of_the_arguments_beats_that_of_a_policy(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_text(&fields.arguments, "x-queue-type", "quorum");
    amqp_table_add_text(&fields.arguments, "x-dead-letter-strategy", "at-most-once");
    amqp_table_add_text(&fields.arguments, "x-overflow", "reject-publish");
    amqp_table_add_text(&fields.arguments, "x-dead-letter-exchange", "x");
    amqp_table_add_text(&fields.user, "dead-letter-strategy", "at-least-once");
    amqp_table_add_int(&fields.operator, "delivery-limit", 0);
    struct policies *policies = apply(&fields, &settings);
    assert_false(queue_settings_dead_letter_at_least_once(&settings));
    assert_int_equal(settings.delivery_limit, 0);
    end(&fields, policies);
}

static void at_least_once_needs_a_queue_that_drops_nothing(void **state)
{
    (void)state;
    struct fields fields = {0};
    struct queue_settings settings;
    amqp_table_add_text(&fields.arguments, "x-queue-type", "quorum");
    amqp_table_add_text(&fields.arguments, "x-dead-letter-strategy", "at-least-once");
    amqp_table_add_text(&fields.arguments, "x-dead-letter-exchange", "x");
    struct policies *policies = apply(&fields, &settings);
    assert_false(queue_settings_dead_letter_at_least_once(&settings));
    end(&fields, policies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_arguments_mean_a_classic_queue_without_limits),
        cmocka_unit_test(a_classic_queue_takes_its_own),
        cmocka_unit_test(a_quorum_queue_takes_its_own),
        cmocka_unit_test(what_is_not_checked_and_makes_no_sense_is_absent),
        cmocka_unit_test(whatever_is_not_false_deduplicates),
        cmocka_unit_test(a_negative_delivery_limit_is_none),
        cmocka_unit_test(no_policy_changes_nothing),
        cmocka_unit_test(a_policy_gives_what_the_arguments_do_not),
        cmocka_unit_test(of_numbers_the_lowest_counts),
        cmocka_unit_test(the_arguments_of_a_classic_queue_beat_the_texts_of_a_policy),
        cmocka_unit_test(an_operators_text_beats_a_users),
        cmocka_unit_test(a_quorum_queue_lets_the_policy_decide_overflow_and_expiry),
        cmocka_unit_test(a_strategy_of_the_arguments_beats_that_of_a_policy),
        cmocka_unit_test(at_least_once_needs_a_queue_that_drops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
