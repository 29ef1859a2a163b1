/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of the configuration, against a broker that was given low ones: AMQP_CONNECTION_MAX
 * connections, AMQP_CHANNEL_MAX_PER_NODE channels of all together and AMQP_CONSUMER_MAX consumers
 * on a channel.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int limit_of(const char *variable)
{
    broker_test_need(variable);
    return atoi(getenv(variable));
}

static struct raw_client *ask_for_vhost(void)
{
    struct raw_client *c = raw_connect();
    struct raw_login login = {0};
    uint16_t channel_max, heartbeat_s;
    uint32_t frame_max;

    raw_start(c);
    raw_start_ok_plain(c, &login);
    raw_read_tune(c, &channel_max, &frame_max, &heartbeat_s);
    raw_tune_ok(c, channel_max, frame_max, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
    return c;
}

static void one_connection_too_many_is_refused(const void *row)
{
    int limit = limit_of("AMQP_CONNECTION_MAX");
    char text[128];
    struct raw_client *last = NULL, *refused;

    (void)row;
    for (int i = 0; i < limit; i++)
        last = raw_open();
    refused = ask_for_vhost();
    snprintf(text, sizeof text,
             "NOT_ALLOWED - connection refused: node connection limit (%d) is reached", limit);
    raw_expect_connection_close(refused, 530, text, 10, 40);
    raw_method(refused, 0, 10, 51, "");
    raw_expect_eof(refused, 5000);
    step_publish(last, 1, "", "nowhere", "the others go on");
    raw_close(last);
}

static void one_consumer_too_many_closes_the_connection(const void *row)
{
    int limit = limit_of("AMQP_CONSUMER_MAX");
    struct raw_client *c = raw_open();
    char queue[256], tag[32], text[128];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    for (int i = 0; i < limit; i++) {
        snprintf(tag, sizeof tag, "tag-%d", i);
        step_consume(c, 1, queue, tag, 0, NULL);
    }
    step_send_consume(c, 1, queue, "one-more", 0, NULL);
    snprintf(text, sizeof text, "NOT_ALLOWED - reached maximum (%d) of consumers per channel",
             limit);
    raw_expect_connection_close(c, 530, text, 60, 20);
}

/* The text names the node, which is the machine's name. */
static void one_channel_too_many_closes_the_connection(const void *row)
{
    int limit = limit_of("AMQP_CHANNEL_MAX_PER_NODE");
    struct raw_client *c = raw_open(), *other;
    uint16_t code = 0, class_id = 0, method_id = 0;
    char text[256], end[64];

    (void)row;
    for (int i = 2; i <= limit; i++)
        raw_open_channel(c, (uint16_t)i);
    raw_method(c, (uint16_t)(limit + 1), 20, 10, "s", "");
    raw_expect(c, 0, 10, 50);
    raw_args(c, "wsww", &code, text, &class_id, &method_id);
    assert_int_equal(code, 530);
    assert_int_equal(class_id << 16 | method_id, 20 << 16 | 10);
    assert_non_null(strstr(text, "NOT_ALLOWED - number of channels opened on node '"));
    snprintf(end, sizeof end, "' has reached the maximum allowed limit of (%d)", limit);
    assert_string_equal(text + strlen(text) - strlen(end), end);
    raw_method(c, 0, 10, 51, "");
    raw_expect_eof(c, 5000);
    other = raw_open(); /* those of the connection that was closed count no more */
    for (int i = 2; i <= limit; i++)
        raw_open_channel(other, (uint16_t)i);
    raw_close(other);
}

int main(int argc, char **argv)
{
    BROKER_TEST(one_channel_too_many_closes_the_connection);
    BROKER_TEST(one_connection_too_many_is_refused);
    BROKER_TEST(one_consumer_too_many_closes_the_connection);
    return broker_test_run("limits", argc, argv);
}
