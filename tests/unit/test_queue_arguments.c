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
    assert_true(settings->deduplicates);
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
    amqp_table_add_text(&arguments, "x-message-deduplication", "true");
    struct queue_settings settings = settings_of(&arguments);
    assert_int_equal(settings.delivery_limit, -1);
    assert_true(settings.consumer_timeout_ms == QUEUE_SETTING_ABSENT);
    assert_false(settings.deduplicates);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_arguments_mean_a_classic_queue_without_limits),
        cmocka_unit_test(a_classic_queue_takes_its_own),
        cmocka_unit_test(a_quorum_queue_takes_its_own),
        cmocka_unit_test(what_is_not_checked_and_makes_no_sense_is_absent),
        cmocka_unit_test(a_negative_delivery_limit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
