/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a thread keeps for its messages: what it gives back is given out again, to
 * nothing that it is too small for, and not without a bound. Where memory is too small, the
 * sanitizers tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/message.h"
#include "queue/message_cache.h"

static const uint8_t zeroes[4096];
static struct message_cache cache;

static int use(void **state)
{
    (void)state;
    message_cache_use(&cache);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    message_cache_use(NULL);
    message_cache_fini(&cache);
    assert_int_equal(cache.bytes, 0);
    return 0;
}

static struct message *make(size_t body_bytes)
{
    return message_new(bytes_of_text("x"), bytes_of_text("key"), bytes_of(NULL, 0),
                       bytes_of(zeroes, body_bytes));
}

static void memory_comes_again_for_what_fits(void **state)
{
    (void)state;
    void *former = make(16);
    message_unref(former);
    assert_true(cache.bytes > 0);
    struct message *larger = make(1000), *same = make(15);
    assert_ptr_not_equal(larger, former);
    assert_ptr_equal(same, former);
    assert_int_equal(cache.bytes, 0);
    message_unref(larger);
    message_unref(same);
}

static void a_body_elsewhere_is_no_memory_of_the_message(void **state)
{
    (void)state;
    struct message *owner = make(1000);
    void *copy =
        message_readdress(owner, bytes_of_text("y"), bytes_of_text("other"), bytes_of(NULL, 0));
    message_unref(copy);
    struct message *next = make(1000);
    assert_ptr_not_equal(next, copy);
    assert_memory_equal(message_body(next).data, zeroes, 1000);
    message_unref(next);
    message_unref(owner);
}

static void every_size_can_be_filled(void **state)
{
    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t size = 1; size <= sizeof zeroes; size++) {
            void *block = message_cache_take(size);
            memset(block, 0xff, size);
            message_cache_give(block, size);
        }
    }
}

static void what_is_kept_has_a_bound(void **state)
{
    enum { count = 20000, bound = 1 << 20 };
    struct message **messages = calloc(count, sizeof *messages);
    (void)state;
    for (size_t i = 0; i < count; i++)
        messages[i] = make(i % 1000);
    for (size_t i = 0; i < count; i++)
        message_unref(messages[i]);
    assert_in_range(cache.bytes, 1, bound);
    free(messages);
}

static void threads_without_a_cache_share_messages_with_those_that_have_one(void **state)
{
    (void)state;
    void *cached = make(16);
    message_cache_use(NULL);
    void *plain = make(16);
    message_unref(cached);
    assert_int_equal(cache.bytes, 0);
    message_cache_use(&cache);
    message_unref(plain);
    assert_true(cache.bytes > 0);
    assert_ptr_equal(message_cache_take(16 + sizeof(struct message)), plain);
    message_cache_give(plain, 16 + sizeof(struct message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_comes_again_for_what_fits, use, stop),
        cmocka_unit_test_setup_teardown(a_body_elsewhere_is_no_memory_of_the_message, use, stop),
        cmocka_unit_test_setup_teardown(every_size_can_be_filled, use, stop),
        cmocka_unit_test_setup_teardown(what_is_kept_has_a_bound, use, stop),
        cmocka_unit_test_setup_teardown(
            threads_without_a_cache_share_messages_with_those_that_have_one, use, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
