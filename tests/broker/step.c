/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common steps of the socket tests.
 *
 * A step is a method and the check of its answer. Steps exist so that a test shows only what it is
 * about; they send the same bytes as raw_method and check every field of the answer, so an answer
 * that is wrong somewhere fails even a test that is about something else.
 */
#include "step.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BIT(flags, bit) (((flags) & (bit)) != 0)

void step_send_declare(struct raw_client *c, uint16_t channel, const char *queue, int flags,
                       const struct raw_table *args)
{
    raw_method(c, channel, 50, 10, "ws11111T", 0, queue, BIT(flags, 1), BIT(flags, 2),
               BIT(flags, 4), BIT(flags, 8), BIT(flags, 16), args);
}

void step_send_exchange(struct raw_client *c, uint16_t channel, const char *exchange,
                        const char *type, int flags, const struct raw_table *args)
{
    raw_method(c, channel, 40, 10, "wss11111T", 0, exchange, type, BIT(flags, 1), BIT(flags, 2),
               BIT(flags, 4), BIT(flags, 8), BIT(flags, 16), args);
}

void step_send_bind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
                    const char *key, const struct raw_table *args)
{
    raw_method(c, channel, 50, 20, "wsss1T", 0, queue, exchange, key, 0, args);
}

void step_send_unbind(struct raw_client *c, uint16_t channel, const char *queue,
                      const char *exchange, const char *key, const struct raw_table *args)
{
    raw_method(c, channel, 50, 50, "wsssT", 0, queue, exchange, key, args);
}

void step_send_consume(struct raw_client *c, uint16_t channel, const char *queue, const char *tag,
                       int flags, const struct raw_table *args)
{
    raw_method(c, channel, 60, 20, "wss1111T", 0, queue, tag, BIT(flags, 1), BIT(flags, 2),
               BIT(flags, 4), BIT(flags, 8), args);
}

void step_send_get(struct raw_client *c, uint16_t channel, const char *queue, bool no_ack)
{
    raw_method(c, channel, 60, 70, "ws1", 0, queue, no_ack);
}

void step_send_delete(struct raw_client *c, uint16_t channel, const char *queue, int flags)
{
    raw_method(c, channel, 50, 40, "ws111", 0, queue, BIT(flags, 1), BIT(flags, 2), BIT(flags, 4));
}

static uint32_t read_declare_ok(struct raw_client *c, uint16_t channel, char name[256],
                                uint32_t *consumer_count)
{
    uint32_t ready_count = 0;

    raw_expect(c, channel, 50, 11);
    raw_args(c, "sll", name, &ready_count, consumer_count);
    return ready_count;
}

uint32_t step_declare(struct raw_client *c, uint16_t channel, const char *queue, int flags,
                      const struct raw_table *args)
{
    char name[256];

    step_send_declare(c, channel, queue, flags, args);
    if (flags & QUEUE_NOWAIT)
        return 0;
    uint32_t ready_count = read_declare_ok(c, channel, name, NULL);
    assert_string_equal(name, queue);
    return ready_count;
}

void step_declare_unnamed(struct raw_client *c, uint16_t channel, char name[256])
{
    step_send_declare(c, channel, "", QUEUE_EXCLUSIVE, NULL);
    assert_int_equal(read_declare_ok(c, channel, name, NULL), 0);
}

void step_counts(struct raw_client *c, uint16_t channel, const char *queue, uint32_t *ready_count,
                 uint32_t *consumer_count)
{
    char name[256];

    step_send_declare(c, channel, queue, QUEUE_PASSIVE, NULL);
    uint32_t ready = read_declare_ok(c, channel, name, consumer_count);
    if (ready_count != NULL)
        *ready_count = ready;
}

void step_exchange_delete(struct raw_client *c, uint16_t channel, const char *exchange)
{
    raw_method(c, channel, 40, 20, "ws11", 0, exchange, 0, 0);
    raw_expect(c, channel, 40, 21);
    raw_args(c, "");
}

void step_exchange(struct raw_client *c, uint16_t channel, const char *exchange, const char *type,
                   int flags, const struct raw_table *args)
{
    step_exchange_delete(c, channel, exchange);
    step_send_exchange(c, channel, exchange, type, flags, args);
    if (flags & EXCHANGE_NOWAIT)
        return;
    raw_expect(c, channel, 40, 11);
    raw_args(c, "");
}

void step_bind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
               const char *key, const struct raw_table *args)
{
    step_send_bind(c, channel, queue, exchange, key, args);
    raw_expect(c, channel, 50, 21);
    raw_args(c, "");
}

void step_unbind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
                 const char *key, const struct raw_table *args)
{
    step_send_unbind(c, channel, queue, exchange, key, args);
    raw_expect(c, channel, 50, 51);
    raw_args(c, "");
}

void step_exchange_bind(struct raw_client *c, uint16_t channel, const char *destination,
                        const char *source, const char *key)
{
    raw_method(c, channel, 40, 30, "wsss1T", 0, destination, source, key, 0, NULL);
    raw_expect(c, channel, 40, 31);
    raw_args(c, "");
}

uint32_t step_delete(struct raw_client *c, uint16_t channel, const char *queue)
{
    uint32_t count = 0;

    step_send_delete(c, channel, queue, 0);
    raw_expect(c, channel, 50, 41);
    raw_args(c, "l", &count);
    return count;
}

uint32_t step_purge(struct raw_client *c, uint16_t channel, const char *queue)
{
    uint32_t count = 0;

    raw_method(c, channel, 50, 30, "ws1", 0, queue, 0);
    raw_expect(c, channel, 50, 31);
    raw_args(c, "l", &count);
    return count;
}

void step_qos(struct raw_client *c, uint16_t channel, uint16_t prefetch_count, bool global)
{
    raw_method(c, channel, 60, 10, "lw1", 0, prefetch_count, global);
    raw_expect(c, channel, 60, 11);
    raw_args(c, "");
}

void step_consume(struct raw_client *c, uint16_t channel, const char *queue, const char *tag,
                  int flags, const struct raw_table *args)
{
    char got_tag[256];

    step_send_consume(c, channel, queue, tag, flags, args);
    if (flags & CONSUME_NOWAIT)
        return;
    raw_expect(c, channel, 60, 21);
    raw_args(c, "s", got_tag);
    assert_string_equal(got_tag, tag);
}

void step_cancel(struct raw_client *c, uint16_t channel, const char *tag)
{
    char got_tag[256];

    raw_method(c, channel, 60, 30, "s1", tag, 0);
    raw_expect(c, channel, 60, 31);
    raw_args(c, "s", got_tag);
    assert_string_equal(got_tag, tag);
}

void step_confirm_select(struct raw_client *c, uint16_t channel)
{
    raw_method(c, channel, 85, 10, "1", 0);
    raw_expect(c, channel, 85, 11);
    raw_args(c, "");
}

void step_tx(struct raw_client *c, uint16_t channel, uint16_t method_id)
{
    raw_method(c, channel, 90, method_id, "");
    raw_expect(c, channel, 90, (uint16_t)(method_id + 1));
    raw_args(c, "");
}

void step_publish_with(struct raw_client *c, uint16_t channel, const char *exchange,
                       const char *key, int flags, const struct raw_properties *properties,
                       const void *body, size_t body_bytes)
{
    raw_method(c, channel, 60, 40, "wss11", 0, exchange, key, BIT(flags, 1), BIT(flags, 2));
    raw_header(c, channel, body_bytes, properties);
    raw_body(c, channel, body, body_bytes);
}

void step_publish(struct raw_client *c, uint16_t channel, const char *exchange, const char *key,
                  const char *body)
{
    step_publish_with(c, channel, exchange, key, 0, NULL, body, strlen(body));
}

void step_fill(struct raw_client *c, const char *queue, int count)
{
    step_declare(c, 1, queue, QUEUE_EXCLUSIVE, NULL);
    for (int i = 1; i <= count; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_publish(c, 1, "", queue, body);
    }
}

void step_ack(struct raw_client *c, uint16_t channel, uint64_t tag, bool multiple)
{
    raw_method(c, channel, 60, 80, "L1", tag, multiple);
}

void step_nack(struct raw_client *c, uint16_t channel, uint64_t tag, bool multiple, bool requeue)
{
    raw_method(c, channel, 60, 120, "L11", tag, multiple, requeue);
}

void step_reject(struct raw_client *c, uint16_t channel, uint64_t tag, bool requeue)
{
    raw_method(c, channel, 60, 90, "L1", tag, requeue);
}

void step_recover(struct raw_client *c, uint16_t channel)
{
    raw_method(c, channel, 60, 110, "1", 1);
    raw_expect(c, channel, 60, 111);
    raw_args(c, "");
}

void step_assert_body(struct raw_client *c, const char *body)
{
    const struct raw_message *message = raw_last_message(c);

    if (body != NULL)
        assert_string_equal((const char *)message->body, body);
}

uint64_t step_get(struct raw_client *c, uint16_t channel, const char *queue, const char *body)
{
    step_send_get(c, channel, queue, false);
    uint64_t tag = raw_expect_get_ok(c, channel)->delivery_tag;
    step_assert_body(c, body);
    return tag;
}

void step_get_no_ack(struct raw_client *c, uint16_t channel, const char *queue, const char *body)
{
    step_send_get(c, channel, queue, true);
    raw_expect_get_ok(c, channel);
    step_assert_body(c, body);
}

void step_get_empty(struct raw_client *c, uint16_t channel, const char *queue)
{
    step_send_get(c, channel, queue, true);
    raw_expect(c, channel, 60, 72);
    raw_args(c, "s", NULL);
}

uint64_t step_deliver(struct raw_client *c, uint16_t channel, const char *tag, const char *body)
{
    const struct raw_message *message = raw_expect_deliver(c, channel);

    if (tag != NULL)
        assert_string_equal(message->consumer_tag, tag);
    step_assert_body(c, body);
    return message->delivery_tag;
}

/* Settled one by one or by multiple; nothing twice, and nothing that was not published. */
void step_confirms(struct raw_client *c, uint16_t channel, uint64_t first_tag, uint64_t last_tag)
{
    uint64_t count = last_tag - first_tag + 1;
    bool *is_settled = calloc(count, sizeof *is_settled);
    uint64_t settled_count = 0;

    assert_non_null(is_settled);
    while (settled_count < count) {
        uint64_t tag = 0;
        bool multiple = false;
        raw_expect(c, channel, 60, 80);
        raw_args(c, "L1", &tag, &multiple);
        assert_in_range(tag, first_tag, last_tag);
        if (is_settled[tag - first_tag])
            fail_msg("delivery tag %llu was confirmed twice", (unsigned long long)tag);
        for (uint64_t i = multiple ? first_tag : tag; i <= tag; i++) {
            settled_count += !is_settled[i - first_tag];
            is_settled[i - first_tag] = true;
        }
    }
    free(is_settled);
}

static void pause_briefly(void)
{
    static const struct timespec pause = {.tv_nsec = 10000000};

    nanosleep(&pause, NULL);
}

void step_await_ready(struct raw_client *c, uint16_t channel, const char *queue,
                      uint32_t ready_count)
{
    int64_t deadline_ms = raw_now_ms() + RAW_DEADLINE_MS;
    uint32_t ready = 0;

    step_counts(c, channel, queue, &ready, NULL);
    while (ready != ready_count) {
        if (raw_now_ms() > deadline_ms)
            fail_msg("'%s' has %u ready messages, not %u", queue, ready, ready_count);
        pause_briefly();
        step_counts(c, channel, queue, &ready, NULL);
    }
}

void step_no_delivery(struct raw_client *c, uint16_t channel, const char *queue)
{
    step_counts(c, channel, queue, NULL, NULL);
}

/* A passive declare on a channel of its own, which its failure closes. */
static bool exists(struct raw_client *c, const char *queue, const char *exchange)
{
    static const uint16_t channel = 199;

    raw_open_channel(c, channel);
    if (queue != NULL)
        step_send_declare(c, channel, queue, QUEUE_PASSIVE, NULL);
    else
        step_send_exchange(c, channel, exchange, "", EXCHANGE_PASSIVE, NULL);
    uint32_t method = raw_expect_any(c);
    if (method == (20u << 16 | 40)) {
        uint16_t code = 0;
        raw_args(c, "wsww", &code, NULL, NULL, NULL);
        raw_method(c, channel, 20, 41, "");
        assert_true(code == 404 || code == 405);
        return code == 405;
    }
    raw_method(c, channel, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, channel, 20, 41);
    return true;
}

static void vanishes(struct raw_client *c, const char *queue, const char *exchange)
{
    int64_t deadline_ms = raw_now_ms() + RAW_DEADLINE_MS;

    while (exists(c, queue, exchange)) {
        if (raw_now_ms() > deadline_ms)
            fail_msg("'%s' is still there", queue != NULL ? queue : exchange);
        pause_briefly();
    }
}

void step_queue_vanishes(struct raw_client *c, const char *queue)
{
    vanishes(c, queue, NULL);
}

void step_exchange_vanishes(struct raw_client *c, const char *exchange)
{
    vanishes(c, NULL, exchange);
}
