/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that do not read, do not finish, come in crowds or send noise: the broker serves the others
 * meanwhile.
 *
 * The noise is made from a valid stream by a generator with a fixed seed, so a seed that breaks the
 * broker breaks it again; the failing seed is named by the note of the failure.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t random_state;

/* xorshift64*: enough to choose places and bytes by. */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1dull;
}

static size_t random_below(size_t end)
{
    return (size_t)(random_next() % end);
}

/* --- noise */

/* What a client would send after open-ok: one of most methods, with content and tables. */
static void send_valid_stream(struct raw_client *c)
{
    struct raw_table inner = raw_table("SI", "a", "b", "n", 7);
    struct raw_table list = raw_array("SIF", "x", 1, &inner);
    struct raw_table headers =
        raw_table("SFAtT", "s", "text", "f", &inner, "l", &list, "b", 1, "t", (int64_t)1700000000);
    struct raw_table args = raw_table("SIt", "x-one", "1", "x-two", 2, "x-three", 1);
    struct raw_properties properties =
        raw_properties("chdpirm", "text/plain", &headers, 2, 5, "corr", "reply", "id");

    raw_method(c, 1, 20, 10, "s", "");
    step_send_exchange(c, 1, "noise-x", "topic", EXCHANGE_AUTO_DELETE, &args);
    step_send_declare(c, 1, "noise-q", QUEUE_EXCLUSIVE, &args);
    step_send_bind(c, 1, "noise-q", "noise-x", "a.*.#", &args);
    raw_method(c, 1, 60, 10, "lw1", 0u, 10, 0);
    raw_method(c, 1, 85, 10, "1", 0);
    step_send_consume(c, 1, "noise-q", "tag", 0, &args);
    for (int i = 0; i < 3; i++)
        step_publish_with(c, 1, "noise-x", "a.b.c", PUBLISH_MANDATORY, &properties, "noise", 5);
    step_send_get(c, 1, "noise-q", false);
    step_ack(c, 1, 1, true);
    step_nack(c, 1, 2, false, true);
    raw_method(c, 2, 20, 10, "s", "");
    raw_method(c, 2, 90, 10, "");
    step_publish(c, 2, "", "noise-q", "more noise");
    raw_method(c, 2, 90, 20, "");
    step_send_delete(c, 1, "noise-q", 0);
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
}

static void mutate(uint8_t *data, size_t bytes)
{
    size_t count = 1 + random_below(4);

    for (size_t i = 0; i < count; i++) {
        size_t at = random_below(bytes);
        switch (random_below(4)) {
        case 0:
            data[at] = (uint8_t)random_next();
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << random_below(8));
            break;
        case 2:
            memset(data + at, 0xff, bytes - at < 4 ? bytes - at : 4);
            break;
        default: {
            size_t from = random_below(bytes);
            size_t most = bytes - (at > from ? at : from);
            memmove(data + at, data + from, most < 12 ? most : 12);
            break;
        }
        }
    }
}

struct noise_row {
    const char *name;
    uint64_t seed;
    bool has_handshake; /* the noise begins after open-ok, or is in the handshake itself */
};

static const struct noise_row noises[] = {
    {"noise_after_open_1", 0x9e3779b97f4a7c15, true},
    {"noise_after_open_2", 0xbf58476d1ce4e5b9, true},
    {"noise_after_open_3", 0x94d049bb133111eb, true},
    {"noise_after_open_4", 0xd6e8feb86659fd93, true},
    {"noise_in_the_handshake_1", 0xa0761d6478bd642f, false},
    {"noise_in_the_handshake_2", 0xe7037ed1a0b428db, false},
};

static void send_handshake(struct raw_client *c)
{
    raw_send(c, "AMQP\0\0\x09\1", 8);
    raw_start_ok_plain(c, &(struct raw_login){0});
    raw_method(c, 0, 10, 31, "wlw", 2047, 131072u, 0);
    raw_method(c, 0, 10, 40, "ss1", "/", "", 0);
}

/* What comes back is read away for a moment only: a broker may well wait for the rest of a length
 * that was noise. */
static void survives_noise(const void *row)
{
    const struct noise_row *r = row;
    char note[64];

    random_state = r->seed;
    for (int round = 0; round < 60; round++) {
        struct raw_client *c = raw_connect();
        size_t bytes;
        snprintf(note, sizeof note, "round %d", round);
        raw_note(note);
        if (r->has_handshake)
            raw_log_in(c, &(struct raw_login){0});
        raw_gather(c);
        if (!r->has_handshake)
            send_handshake(c);
        send_valid_stream(c);
        uint8_t *data = raw_gathered(c, &bytes);
        mutate(data, bytes);
        raw_flush(c);
        while (raw_read_frame(c, 20) == RAW_FRAME)
            ;
        raw_drop(c, round % 2 == 0);
    }
    raw_note(NULL);
}

static void random_bytes_are_survived(const void *row)
{
    uint8_t data[2048];

    (void)row;
    random_state = 0x123456789abcdef;
    for (int round = 0; round < 50; round++) {
        struct raw_client *c = raw_connect();
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)random_next();
        raw_send(c, data, 1 + random_below(sizeof data));
        raw_drop(c, round % 2 == 0);
    }
}

/* --- crowds */

static void crowd_that_never_logs_in_keeps_nobody_out(const void *row)
{
    struct raw_client *crowd[300];
    struct raw_client *c;

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(crowd); i++) {
        crowd[i] = raw_connect();
        raw_send(crowd[i], "AMQP\0\0\x09\1", i % 9);
    }
    c = raw_open();
    raw_expect_nothing(c, 1);
    for (size_t i = 0; i < ARRAY_COUNT(crowd); i++)
        raw_drop(crowd[i], i % 2 == 0);
    raw_expect_nothing(c, 1);
}

/* --- the peer that does not read */

static void consumer_that_does_not_read_gets_all_later(const void *row)
{
    enum { COUNT = 300, BYTES = 200000 };
    struct raw_client *lazy = raw_open();
    struct raw_client *c = raw_open();
    uint8_t *body = calloc(1, BYTES);

    (void)row;
    step_declare(c, 1, "lazy", QUEUE_AUTO_DELETE, NULL);
    step_consume(lazy, 1, "lazy", "t", CONSUME_NO_ACK, NULL);
    step_confirm_select(c, 1);
    for (uint64_t i = 0; i < COUNT; i++) {
        memcpy(body, &i, sizeof i);
        step_publish_with(c, 1, "", "lazy", 0, NULL, body, BYTES);
    }
    free(body);
    step_confirms(c, 1, 1, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        step_deliver(lazy, 1, "t", NULL);
        assert_int_equal(raw_last_message(lazy)->body_bytes, BYTES);
        assert_memory_equal(raw_last_message(lazy)->body, &i, sizeof i);
    }
}

static void consumer_that_does_not_read_holds_up_nobody(const void *row)
{
    enum { COUNT = 100, BYTES = 200000 };
    struct raw_client *lazy = raw_open();
    struct raw_client *eager = raw_open();
    struct raw_client *c = raw_open();
    uint8_t *body = calloc(1, BYTES);
    static const char *const queues[] = {"lazy-1", "eager-1"};

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++) {
        step_declare(c, 1, queues[i], QUEUE_AUTO_DELETE, NULL);
        step_bind(c, 1, queues[i], "amq.fanout", "", NULL);
    }
    step_consume(lazy, 1, "lazy-1", "t", CONSUME_NO_ACK, NULL);
    step_consume(eager, 1, "eager-1", "t", CONSUME_NO_ACK, NULL);
    for (int i = 0; i < COUNT; i++) {
        step_publish_with(c, 1, "amq.fanout", "", 0, NULL, body, BYTES);
        step_deliver(eager, 1, "t", NULL);
    }
    free(body);
    raw_drop(lazy, true);
}

/* Thousands of answers that nobody fetches: the broker may stop reading, but not grow without end
 * or die. */
static void pipelining_without_reading_is_survived(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_gather(c);
    for (int i = 0; i < 20000; i++)
        step_send_declare(c, 1, queue, QUEUE_PASSIVE, NULL);
    raw_flush(c);
    for (int i = 0; i < 20000; i++)
        raw_expect(c, 1, 50, 11);
}

/* --- many of everything on one connection */

static void many_queues_and_bindings_come_and_go(const void *row)
{
    struct raw_client *c = raw_open();
    char name[32];

    (void)row;
    step_exchange(c, 1, "crowded-x", "topic", 0, NULL);
    raw_gather(c);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "crowded-%d", i);
        step_send_declare(c, 1, name, QUEUE_EXCLUSIVE, NULL);
        step_send_bind(c, 1, name, "crowded-x", i % 2 == 0 ? "even.#" : "odd.*", NULL);
    }
    raw_flush(c);
    for (int i = 0; i < 1000; i++) {
        raw_expect(c, 1, 50, 11);
        raw_expect(c, 1, 50, 21);
    }
    step_publish(c, 1, "crowded-x", "even.a.b", "m");
    for (int i = 0; i < 1000; i += 111) {
        snprintf(name, sizeof name, "crowded-%d", i);
        if (i % 2 == 0)
            step_get_no_ack(c, 1, name, "m");
        step_get_empty(c, 1, name);
    }
    step_exchange_delete(c, 1, "crowded-x");
    raw_close(c);
}

static void many_consumers_share_a_queue(const void *row)
{
    struct raw_client *c = raw_open();
    bool is_served[200] = {false};
    char tag[16];
    uint32_t consumers = 0;

    (void)row;
    step_declare(c, 1, "shared", QUEUE_EXCLUSIVE, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(tag, sizeof tag, "%d", i);
        step_consume(c, 1, "shared", tag, CONSUME_NO_ACK, NULL);
    }
    step_counts(c, 1, "shared", NULL, &consumers);
    assert_int_equal(consumers, 200);
    for (int i = 0; i < 200; i++)
        step_publish(c, 1, "", "shared", "m");
    for (int i = 0; i < 200; i++) {
        int index = atoi(raw_expect_deliver(c, 1)->consumer_tag);
        assert_false(is_served[index]);
        is_served[index] = true;
    }
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_COUNT(noises); i++)
        broker_test_add(noises[i].name, survives_noise, &noises[i]);
    BROKER_TEST(random_bytes_are_survived);
    BROKER_TEST(crowd_that_never_logs_in_keeps_nobody_out);
    BROKER_TEST(consumer_that_does_not_read_gets_all_later);
    BROKER_TEST(consumer_that_does_not_read_holds_up_nobody);
    BROKER_TEST(pipelining_without_reading_is_survived);
    BROKER_TEST(many_queues_and_bindings_come_and_go);
    BROKER_TEST(many_consumers_share_a_queue);
    return broker_test_run("hostile", argc, argv);
}
