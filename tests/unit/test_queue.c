/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue and the turns of its subscribers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/queue.h"

struct party {
    struct queue *queue;
    struct subscriber subscribers[4];
};

static void start(struct party *party, const int32_t priorities[4])
{
    party->queue = queue_new(bytes_of_text("q"), bytes_of_text("args"), 0, 7);
    for (size_t i = 0; i < 4; i++) {
        queue_subscribe(party->queue, &party->subscribers[i], priorities[i]);
        queue_activate(party->queue, &party->subscribers[i]);
    }
}

static void end(struct party *party)
{
    for (size_t i = 0; i < 4; i++)
        queue_unsubscribe(party->queue, &party->subscribers[i]);
    assert_int_equal(party->queue->subscriber_count, 0);
    assert_null(queue_next_subscriber(party->queue));
    queue_free(party->queue);
}

/* The next turns, as the subscribers' numbers. */
static void assert_turns(struct party *party, const char *expected)
{
    for (; *expected != '\0'; expected++) {
        struct subscriber *next = queue_next_subscriber(party->queue);
        assert_non_null(next);
        assert_int_equal(next - party->subscribers, *expected - '0');
        queue_rotate(party->queue, next);
    }
}

static void a_queue_keeps_copies(void **state)
{
    (void)state;
    char name[] = "name", arguments[] = "arguments";
    struct queue *queue = queue_new(bytes_of_text(name), bytes_of_text(arguments), 0, 3);
    memset(name, 'x', sizeof name - 1);
    memset(arguments, 'x', sizeof arguments - 1);
    assert_true(bytes_equal_text(queue->name, "name"));
    assert_true(bytes_equal_text(queue->arguments, "arguments"));
    assert_true(queue_is_stored(queue));
    queue_free(queue);
    queue = queue_new(bytes_of_text("t"), bytes_of(NULL, 0), 0, 0);
    assert_false(queue_is_stored(queue));
    queue_free(queue);
}

static void equals_take_turns(void **state)
{
    (void)state;
    struct party party;
    start(&party, (const int32_t[]){0, 0, 0, 0});
    assert_turns(&party, "01230123");
    queue_deactivate(&party.subscribers[1]);
    assert_turns(&party, "023023");
    queue_activate(party.queue, &party.subscribers[1]);
    assert_turns(&party, "02310231");
    end(&party);
}

static void higher_priorities_come_first(void **state)
{
    (void)state;
    struct party party;
    start(&party, (const int32_t[]){0, 5, -3, 5});
    assert_turns(&party, "131313");
    queue_deactivate(&party.subscribers[1]);
    assert_turns(&party, "333");
    queue_deactivate(&party.subscribers[3]);
    assert_turns(&party, "000");
    queue_deactivate(&party.subscribers[0]);
    assert_turns(&party, "22");
    queue_activate(party.queue, &party.subscribers[3]);
    assert_turns(&party, "33");
    queue_activate(party.queue, &party.subscribers[1]);
    assert_turns(&party, "3131");
    end(&party);
}

static void one_alone_has_every_turn(void **state)
{
    (void)state;
    struct party party;
    start(&party, (const int32_t[]){0, 0, 0, 0});
    for (size_t i = 1; i < 4; i++)
        queue_deactivate(&party.subscribers[i]);
    assert_turns(&party, "000");
    queue_deactivate(&party.subscribers[0]);
    assert_null(queue_next_subscriber(party.queue));
    end(&party);
}

static void push(struct queue *queue, unsigned priority)
{
    struct lane *lane = queue_use_lane(queue, priority);
    struct message *message = message_new(bytes_of_text(""), bytes_of_text("q"), bytes_of(NULL, 0),
                                          bytes_of_text("body"));
    lane_push(lane, &(struct entry){
                        .position = lane->next_position++, .message = message, .body_bytes = 4});
    queue_check(queue);
}

/* Takes the first message, which is of that priority. */
static void pop(struct queue *queue, unsigned priority)
{
    struct lane *lane = queue_first_lane(queue);
    assert_int_equal(lane->priority, priority);
    struct entry entry;
    lane_pop(lane, &entry);
    message_unref(entry.message);
    queue_check(queue);
}

static void the_highest_priority_comes_first(void **state)
{
    (void)state;
    static const unsigned priorities[] = {63, 0, 255, 64, 128, 127, 255, 1, 191, 192};
    static const unsigned sorted[] = {255, 255, 192, 191, 128, 127, 64, 63, 1, 0};
    struct queue *queue = queue_new(bytes_of_text("q"), bytes_of(NULL, 0), 255, 0);
    for (size_t i = 0; i < 10; i++)
        push(queue, priorities[i]);
    assert_int_equal(queue_ready_count(queue), 10);
    assert_int_equal(queue_ready_bytes(queue), 40);
    for (size_t i = 0; i < 10; i++)
        pop(queue, sorted[i]);
    assert_int_equal(queue_ready_count(queue), 0);
    assert_ptr_equal(queue_first_lane(queue), &queue->lane);
    queue_free(queue);
}

static void only_a_queue_that_asks_for_nothing_shares_its_settings(void **state)
{
    (void)state;
    struct queue *plain = queue_new(bytes_of_text("p"), bytes_of(NULL, 0), 0, 0);
    struct queue *queue = queue_new(bytes_of_text("q"), bytes_of(NULL, 0), 0, 0);
    struct queue_settings settings = QUEUE_SETTINGS_PLAIN;
    uint8_t *bytes = (uint8_t *)&settings;
    for (size_t i = 0; i < sizeof settings; i++) {
        bytes[i] ^= 1;
        queue_set_settings(queue, &settings);
        assert_ptr_not_equal(queue->settings, plain->settings);
        assert_memory_equal(queue->settings, &settings, sizeof settings);
        bytes[i] ^= 1;
        queue_set_settings(queue, &settings);
        assert_ptr_equal(queue->settings, plain->settings);
    }
    queue_free(plain);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_keeps_copies),
        cmocka_unit_test(equals_take_turns),
        cmocka_unit_test(higher_priorities_come_first),
        cmocka_unit_test(one_alone_has_every_turn),
        cmocka_unit_test(the_highest_priority_comes_first),
        cmocka_unit_test(only_a_queue_that_asks_for_nothing_shares_its_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
