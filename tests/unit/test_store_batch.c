/* SPDX-License-Identifier: Apache-2.0 */
/* A batch of store operations as bytes, and back: the same operations, and never anything from
 * bytes that are no batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <stdlib.h>

#include "base/buffer.h"
#include "test_store_model.h"

static void check_same_message(const struct message *a, const struct message *b)
{
    assert_int_equal(a->is_persistent, b->is_persistent);
    assert_int_equal(a->hides_bcc, b->hides_bcc);
    assert_true(bytes_equal(message_exchange(a), message_exchange(b)));
    assert_true(bytes_equal(message_routing_key(a), message_routing_key(b)));
    assert_true(bytes_equal(message_properties(a), message_properties(b)));
    assert_true(bytes_equal(message_body(a), message_body(b)));
}

static void check_same_definition(const struct store_definition *a,
                                  const struct store_definition *b)
{
    assert_true(bytes_equal(a->name, b->name));
    assert_true(bytes_equal(a->type, b->type));
    assert_true(bytes_equal(a->destination, b->destination));
    assert_true(bytes_equal(a->routing_key, b->routing_key));
    assert_true(bytes_equal(a->arguments, b->arguments));
    assert_int_equal(a->auto_delete, b->auto_delete);
    assert_int_equal(a->internal, b->internal);
    assert_int_equal(a->destination_is_exchange, b->destination_is_exchange);
}

static void check_same_operation(const struct store_operation *a, const struct store_operation *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->lane, b->lane);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->expiry_ms, b->expiry_ms);
    assert_int_equal(a->message == NULL, b->message == NULL);
    assert_int_equal(a->definition == NULL, b->definition == NULL);
    if (a->message != NULL)
        check_same_message(a->message, b->message);
    if (a->definition != NULL)
        check_same_definition(a->definition, b->definition);
}

/* Holes are left out; messages that were shared are shared again. */
static void check_same(const struct store_batch *batch, const struct store_batch *decoded)
{
    size_t at = 0, last = SIZE_MAX, last_decoded = SIZE_MAX;
    assert_non_null(decoded);
    assert_int_equal(decoded->number, batch->number);
    assert_int_equal(decoded->time_ms, batch->time_ms);
    assert_int_equal(decoded->live, batch->live);
    assert_int_equal(decoded->bytes, batch->bytes);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].kind == STORE_NOTHING)
            continue;
        check_same_operation(&batch->operations[i], &decoded->operations[at]);
        if (batch->operations[i].message != NULL) {
            if (last != SIZE_MAX)
                assert_int_equal(batch->operations[last].message == batch->operations[i].message,
                                 decoded->operations[last_decoded].message ==
                                     decoded->operations[at].message);
            last = i, last_decoded = at;
        }
        at++;
    }
    assert_int_equal(at, decoded->count);
}

static void cancel_some(struct store_batch *batch, uint64_t *random)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].message != NULL && model_below(random, 10) == 0)
            message_unref(store_batch_cancel(batch, i));
    }
}

static void random_batches_survive_the_round_trip(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct model *model = model_new();
    for (int i = 0; i < 60; i++) {
        struct store_batch *batch = model_random_batch(model, &random, 12);
        model_apply(model, batch);
        batch->number = model_random(&random);
        cancel_some(batch, &random);
        struct buffer bytes = {0};
        store_batch_encode(batch, &bytes);
        struct store_batch *decoded = store_batch_decode(buffer_bytes(&bytes));
        check_same(batch, decoded);
        store_batch_free(decoded);
        buffer_fini(&bytes);
        store_batch_free(batch);
    }
    model_free(model);
}

static struct store_batch *small_batch(void)
{
    uint64_t random = 8;
    struct store_batch *batch = store_batch_new(9);
    model_add_queue(batch, 1);
    struct message *message = model_message(&random, 20);
    model_add_insert(batch, 1, 1, message_ref(message));
    model_add_insert_of(batch, 1, 2, message, "value");
    model_add_attempts(batch, 1, 2, 300);
    model_add_remove(batch, 1, 1, 1);
    model_add_queue_delete(batch, 1);
    model_add_shelf(batch, 2);
    model_add_delay(batch, 2, 7, 1700000000000, message_ref(message));
    model_add_delay_remove(batch, 2, 7, 1700000000000);
    model_add_key(batch, 2, 8, "key");
    model_add_key_remove(batch, 2, 8, 1);
    model_add_shelf_delete(batch, 2);
    return batch;
}

/* Every kind, with the smallest and the largest numbers that it may have. */
static void every_operation_survives_the_round_trip(void **state)
{
    (void)state;
    uint64_t random = 4;
    struct message *message = model_message(&random, 5);
    for (int is_large = 0; is_large < 2; is_large++) {
        uint64_t number = is_large ? UINT64_MAX : 0;
        struct store_batch *batch = store_batch_new(3);
        for (uint8_t kind = STORE_NOTHING + 1; kind <= STORE_OPERATION_LAST; kind++) {
            bool is_queue =
                kind == STORE_QUEUE_PUT || kind == STORE_QUEUE_DELETE || kind == STORE_SPILL_FORGET;
            bool has_message =
                kind == STORE_INSERT || kind == STORE_DELAY_INSERT || kind == STORE_SPILL;
            bool has_expiry = has_message || kind == STORE_DELAY_REMOVE || kind == STORE_DEDUP_PUT;
            uint64_t largest = is_queue                 ? STORE_LANES_MAX
                               : kind == STORE_ATTEMPTS ? UINT16_MAX
                                                        : UINT64_MAX;
            store_batch_add(
                batch, (struct store_operation){
                           .kind = kind,
                           .lane = number,
                           .position = number,
                           .count = is_large ? largest : is_queue,
                           .expiry_ms = has_expiry ? number : 0,
                           .message = has_message ? message_ref(message) : NULL,
                           .definition = kind <= STORE_BINDING_DELETE || kind == STORE_DEDUP_PUT
                                             ? store_key(bytes_of_text(is_large ? "k" : ""))
                                             : NULL,
                       });
        }
        struct buffer bytes = {0};
        store_batch_encode(batch, &bytes);
        struct store_batch *decoded = store_batch_decode(buffer_bytes(&bytes));
        check_same(batch, decoded);
        store_batch_free(decoded);
        buffer_fini(&bytes);
        store_batch_free(batch);
    }
    message_unref(message);
}

static void impossible_numbers_are_no_batch(void **state)
{
    (void)state;
    static const struct store_operation impossible[] = {
        {.kind = STORE_QUEUE_PUT, .lane = 1, .count = 0},
        {.kind = STORE_QUEUE_PUT, .lane = 1, .count = STORE_LANES_MAX + 1},
        {.kind = STORE_QUEUE_DELETE, .lane = 1, .count = 0},
        {.kind = STORE_SPILL_FORGET, .lane = 1, .count = STORE_LANES_MAX + 1},
        {.kind = STORE_ATTEMPTS, .lane = 1, .position = 1, .count = UINT16_MAX + 1},
        {.kind = STORE_DEDUP_PUT, .lane = 1, .position = 1},
        {.kind = STORE_OPERATION_LAST + 1},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct store_batch *batch = store_batch_new(3);
        struct buffer bytes = {0};
        store_batch_add(batch, impossible[i]);
        store_batch_encode(batch, &bytes);
        assert_null(store_batch_decode(buffer_bytes(&bytes)));
        buffer_fini(&bytes);
        store_batch_free(batch);
    }
}

static void shortened_bytes_are_no_batch(void **state)
{
    (void)state;
    struct store_batch *batch = small_batch();
    struct buffer bytes = {0};
    store_batch_encode(batch, &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        /* A copy of just that size, so that reading past it is found out. */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, bytes.data, size);
        uint8_t *exact = realloc(copy, size > 0 ? size : 1);
        assert_null(store_batch_decode(bytes_of(exact, size)));
        free(exact);
    }
    buffer_append_u8(&bytes, 0);
    assert_null(store_batch_decode(buffer_bytes(&bytes)));
    buffer_fini(&bytes);
    store_batch_free(batch);
}

static void changed_bytes_never_crash(void **state)
{
    (void)state;
    struct store_batch *batch = small_batch();
    struct buffer bytes = {0};
    size_t decoded_count = 0, refused_count = 0;
    store_batch_encode(batch, &bytes);
    for (size_t i = 0; i < bytes.size * 256; i++) {
        uint8_t kept = bytes.data[i / 256];
        bytes.data[i / 256] = (uint8_t)i;
        struct store_batch *decoded = store_batch_decode(buffer_bytes(&bytes));
        decoded_count += decoded != NULL;
        refused_count += decoded == NULL;
        store_batch_free(decoded);
        bytes.data[i / 256] = kept;
    }
    assert_true(decoded_count > 0 && refused_count > 0);
    buffer_fini(&bytes);
    store_batch_free(batch);
}

static void cancelled_insertion_leaves_a_hole(void **state)
{
    (void)state;
    struct store_batch *batch = small_batch();
    size_t bytes = batch->bytes, live = batch->live;
    message_unref(store_batch_cancel(batch, 1));
    assert_int_equal(batch->operations[1].kind, STORE_NOTHING);
    assert_int_equal(batch->live, live - 1);
    assert_int_equal(batch->bytes, bytes / 3 * 2);
    store_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_batches_survive_the_round_trip),
        cmocka_unit_test(every_operation_survives_the_round_trip),
        cmocka_unit_test(impossible_numbers_are_no_batch),
        cmocka_unit_test(shortened_bytes_are_no_batch),
        cmocka_unit_test(changed_bytes_never_crash),
        cmocka_unit_test(cancelled_insertion_leaves_a_hole),
    };
    return cmocka_run_group_tests_name("store batch", tests, NULL, NULL);
}
