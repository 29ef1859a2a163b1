/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a thread keeps for its messages: what it gives back is given out again, to
 * nothing that it is too small for, and not without a bound. Where memory is too small, the
 * sanitizers tell.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "queue/message.h"
#include "queue/message_cache.h"

static const uint8_t zeroes[4096];
static struct message_cache cache = {.bytes_max = message_cache_bytes};

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

/* --- the pool */

enum { MADE = 200, ROUNDS = 300 };

/* One thread makes messages, the other one frees them. */
struct pair {
    struct message_pool pool;
    struct message_cache maker, freer;
    struct message *made[MADE];
};

static void free_made(struct pair *pair)
{
    message_cache_use(&pair->freer);
    for (size_t i = 0; i < MADE; i++)
        message_unref(pair->made[i]);
    message_cache_use(&pair->maker);
}

static void make_all(struct pair *pair)
{
    message_cache_use(&pair->maker);
    for (size_t i = 0; i < MADE; i++)
        pair->made[i] = make(1000);
}

static void init_pair(struct pair *pair)
{
    *pair = (struct pair){.maker = {.bytes_max = message_cache_bytes},
                          .freer = {.bytes_max = message_cache_bytes_one_way}};
    pair->maker.pool = pair->freer.pool = &pair->pool;
}

static void fini_pair(struct pair *pair)
{
    message_cache_use(NULL);
    message_cache_fini(&pair->maker);
    message_cache_fini(&pair->freer);
    message_pool_fini(&pair->pool);
    assert_int_equal(pair->pool.bytes, 0);
}

static bool was_made(const struct message *const *before, const struct message *message)
{
    for (size_t i = 0; i < MADE; i++) {
        if (before[i] == message)
            return true;
    }
    return false;
}

static void what_one_thread_frees_another_makes_messages_of(void **state)
{
    struct pair pair;
    const struct message *before[MADE];
    size_t again_count = 0;
    (void)state;
    init_pair(&pair);
    make_all(&pair);
    memcpy(before, pair.made, sizeof before);
    free_made(&pair);
    assert_true(pair.pool.bytes > 0);
    make_all(&pair);
    for (size_t i = 0; i < MADE; i++)
        again_count += was_made(before, pair.made[i]);
    assert_in_range(again_count, 100, MADE); /* the freer has kept some */
    free_made(&pair);
    fini_pair(&pair);
}

static void what_passes_between_threads_has_a_bound(void **state)
{
    enum { bound = 6 << 20, count = 20000 };
    struct pair pair;
    struct message **messages = calloc(count, sizeof *messages);
    (void)state;
    init_pair(&pair);
    for (size_t i = 0; i < count; i++)
        messages[i] = make(1000);
    message_cache_use(&pair.freer);
    for (size_t i = 0; i < count; i++)
        message_unref(messages[i]);
    assert_in_range(pair.pool.bytes, bound / 2, bound);
    fini_pair(&pair);
    free(messages);
}

enum { MANY = 20000 };

static void make_many(struct message **messages, size_t body_bytes)
{
    for (size_t i = 0; i < MANY; i++)
        messages[i] = make(body_bytes);
}

static void free_many(struct pair *pair, struct message **messages)
{
    message_cache_use(&pair->freer);
    for (size_t i = 0; i < MANY; i++)
        message_unref(messages[i]);
    message_cache_use(&pair->maker);
}

/* Messages become of another size: those of the former one are no longer in their way, neither in
 * the pool nor with who has taken them. */
static void sizes_that_nobody_wants_give_their_place_away(void **state)
{
    struct pair pair;
    struct message **messages = calloc(MANY, sizeof *messages);
    (void)state;
    for (int takes_some = 0; takes_some < 2; takes_some++) {
        init_pair(&pair);
        message_cache_use(&pair.maker);
        make_many(messages, 1000);
        free_many(&pair, messages);
        if (takes_some == 1)
            message_unref(make(1000));
        for (int i = 0; i < 3; i++) {
            make_many(messages, 300);
            free_many(&pair, messages);
        }
        message_unref(make(300));
        size_t large_ones = 0;
        for (size_t i = 20; i < message_cache_classes; i++)
            large_ones += pair.pool.chains[i] != NULL || pair.maker.chains[i] != NULL;
        assert_int_equal(large_ones, 0);
        assert_true(pair.pool.bytes > 2 << 20);
        fini_pair(&pair);
    }
    free(messages);
}

/* Each hands the other what it made, and frees what it got. */
struct exchange {
    struct message_pool *pool;
    pthread_barrier_t *barrier;
    struct message **mine, **theirs;
};

static void *exchange_messages(void *context)
{
    const struct exchange *exchange = context;
    struct message_cache own = {.pool = exchange->pool, .bytes_max = message_cache_bytes_one_way};
    message_cache_use(&own);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < MADE; i++)
            exchange->mine[i] = make((i * 37 + round) % 1200);
        pthread_barrier_wait(exchange->barrier);
        for (size_t i = 0; i < MADE; i++) {
            bool is_whole = message_body(exchange->theirs[i]).size == (i * 37 + round) % 1200;
            CHECK(is_whole && message_routing_key(exchange->theirs[i]).size == 3);
            message_unref(exchange->theirs[i]);
        }
        pthread_barrier_wait(exchange->barrier);
    }
    message_cache_use(NULL);
    message_cache_fini(&own);
    return NULL;
}

static void threads_pass_memory_at_the_same_time(void **state)
{
    struct message_pool pool = {.bytes = 0};
    struct message *made[2][MADE];
    pthread_t threads[2];
    pthread_barrier_t barrier;
    (void)state;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    struct exchange exchanges[2] = {{&pool, &barrier, made[0], made[1]},
                                    {&pool, &barrier, made[1], made[0]}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_messages, &exchanges[i]), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    message_pool_fini(&pool);
    pthread_barrier_destroy(&barrier);
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
        cmocka_unit_test(what_one_thread_frees_another_makes_messages_of),
        cmocka_unit_test(what_passes_between_threads_has_a_bound),
        cmocka_unit_test(sizes_that_nobody_wants_give_their_place_away),
        cmocka_unit_test(threads_pass_memory_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
