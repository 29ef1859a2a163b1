/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct reply-to: a requester consumes from a pseudo-queue and is answered without a queue of its
 * own.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

#define PSEUDO "amq.rabbitmq.reply-to"

/* The requester consumes and asks; the message that the responder gets says where to answer. */
static void ask(struct raw_client *requester, struct raw_client *responder, char reply_to[256])
{
    struct raw_properties properties = raw_properties("r", PSEUDO);
    char queue[256];
    struct raw_reader reader;

    step_declare_unnamed(responder, 1, queue);
    step_consume(requester, 1, PSEUDO, "replies", CONSUME_NO_ACK, NULL);
    step_publish_with(requester, 1, "", queue, 0, &properties, "question", 8);
    step_await_ready(responder, 1, queue, 1);
    step_get_no_ack(responder, 1, queue, "question");
    reader = (struct raw_reader){.data = raw_last_message(responder)->properties,
                                 .bytes = raw_last_message(responder)->properties_bytes};
    if (!raw_read(&reader, "s", reply_to))
        fail_msg("the request has no reply_to");
}

static void reply_comes_back(const void *row)
{
    struct raw_client *requester = raw_open(), *responder = raw_open();
    char reply_to[256];

    (void)row;
    ask(requester, responder, reply_to);
    assert_true(strncmp(reply_to, PSEUDO ".", strlen(PSEUDO) + 1) == 0);
    step_publish(responder, 1, "", reply_to, "answer");
    step_deliver(requester, 1, "replies", "answer");
    assert_string_equal(raw_last_message(requester)->routing_key, reply_to);
    assert_string_equal(raw_last_message(requester)->exchange, "");
    assert_false(raw_last_message(requester)->redelivered);
    step_publish(responder, 1, "", reply_to, "another");
    step_deliver(requester, 1, "replies", "another");
    assert_int_equal(raw_last_message(requester)->delivery_tag, 1); /* none is used up */
}

static void declaring_asks_whether_the_requester_is_there(const void *row)
{
    struct raw_client *requester = raw_open(), *responder = raw_open();
    char reply_to[256], text[512];

    (void)row;
    ask(requester, responder, reply_to);
    step_send_declare(responder, 1, reply_to, 0, NULL);
    raw_expect(responder, 1, 50, 11);
    step_cancel(requester, 1, "replies");
    step_send_declare(responder, 1, reply_to, QUEUE_PASSIVE, NULL);
    snprintf(text, sizeof text, "NOT_FOUND - no queue '%s' in vhost '/'", reply_to);
    raw_expect_channel_close(responder, 1, 404, text, 50, 10);
}

static void reply_to_one_that_has_gone_is_returned(const void *row)
{
    struct raw_client *requester = raw_open(), *responder = raw_open();
    char reply_to[256];

    (void)row;
    ask(requester, responder, reply_to);
    raw_close(requester);
    step_publish_with(responder, 1, "", reply_to, PUBLISH_MANDATORY, NULL, "late", 4);
    raw_expect_return(responder, 1);
    assert_int_equal(raw_last_message(responder)->reply_code, 312);
}

static void no_other_method_finds_the_name(const void *row)
{
    struct raw_client *requester = raw_open(), *responder = raw_open();
    char reply_to[256];

    (void)row;
    ask(requester, responder, reply_to);
    step_send_bind(responder, 1, reply_to, "amq.direct", "k", NULL);
    raw_expect_channel_close(responder, 1, 404, NULL, 50, 20);
}

SENDER(send_acking_consumer, step_send_consume(c, 1, PSEUDO, "t", 0, NULL))
SENDER(send_second_consumer, step_consume(c, 1, PSEUDO, "one", CONSUME_NO_ACK, NULL);
       step_send_consume(c, 1, PSEUDO, "two", CONSUME_NO_ACK, NULL))

static void send_without_consumer(struct raw_client *c)
{
    struct raw_properties properties = raw_properties("r", PSEUDO);

    step_publish_with(c, 1, "", "nowhere", 0, &properties, "m", 1);
}

static const struct error_row errors[] = {
    {"reply_consumer_cannot_acknowledge", send_acking_consumer, 406,
     "PRECONDITION_FAILED - reply consumer cannot acknowledge", 60, 20},
    {"second_reply_consumer", send_second_consumer, 406,
     "PRECONDITION_FAILED - reply consumer already set", 60, 20},
    {"request_without_reply_consumer", send_without_consumer, 406,
     "PRECONDITION_FAILED - fast reply consumer does not exist", 60, 40},
};

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    BROKER_TEST(reply_comes_back);
    BROKER_TEST(declaring_asks_whether_the_requester_is_there);
    BROKER_TEST(reply_to_one_that_has_gone_is_returned);
    BROKER_TEST(no_other_method_finds_the_name);
    return broker_test_run("reply", argc, argv);
}
