/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as its interface describes it, in the plainest way: lists that are walked. Each batch
 * passes through its bytes, so that whatever is lost on the way is lost here too. What the core may
 * never ask (an insertion below the end of a lane, a deletion of something that is not there, a
 * lane that comes back) ends the test.
 */
#include "model_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"

struct row {
    uint64_t position;
    uint64_t expiry_ms;
    struct message *message; /* ref */
};

struct lane {
    uint64_t id;
    uint64_t end;
    uint64_t delivered_below;
    struct row *rows; /* owned; ascending */
    size_t count, capacity;
};

struct model_store {
    struct store_operation *definitions; /* owned; PUTs in the order in which they came */
    size_t definition_count, definition_capacity;
    struct lane *lanes; /* owned */
    size_t lane_count, lane_capacity;
    uint64_t lane_next;
    struct store_batch **submitted; /* owned */
    size_t submitted_count, submitted_capacity;
    uint64_t last_number;
    model_store_visit *watch;
    void *watch_context;
};

struct model_store *model_store_new(void)
{
    struct model_store *store = xcalloc(1, sizeof *store);
    store->lane_next = 1;
    return store;
}

static void free_rows(struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        message_unref(lane->rows[i].message);
    free(lane->rows);
}

void model_store_free(struct model_store *store)
{
    model_store_crash(store);
    for (size_t i = 0; i < store->definition_count; i++)
        free(store->definitions[i].definition);
    for (size_t i = 0; i < store->lane_count; i++)
        free_rows(&store->lanes[i]);
    free(store->definitions);
    free(store->lanes);
    free(store->submitted);
    free(store);
}

void model_store_submit(struct model_store *store, struct store_batch *batch)
{
    struct buffer bytes = {0};
    CHECK(batch->live > 0);
    store_batch_encode(batch, &bytes);
    struct store_batch *decoded = store_batch_decode(buffer_bytes(&bytes));
    buffer_fini(&bytes);
    CHECK(decoded != NULL && decoded->number == batch->number && decoded->bytes == batch->bytes);
    CHECK(decoded->live == batch->live && decoded->time_ms == batch->time_ms);
    CHECK(batch->number > store->last_number);
    store->last_number = batch->number;
    store_batch_free(batch);
    store->submitted = xgrow(store->submitted, &store->submitted_capacity,
                             store->submitted_count + 1, sizeof(struct store_batch *));
    store->submitted[store->submitted_count++] = decoded;
}

/* --- definitions */

static bool is_kind_of(uint8_t put, uint8_t delete)
{
    return (put == STORE_EXCHANGE_PUT && delete == STORE_EXCHANGE_DELETE) ||
           (put == STORE_QUEUE_PUT && delete == STORE_QUEUE_DELETE) ||
           (put == STORE_BINDING_PUT && delete == STORE_BINDING_DELETE);
}

static bool is_same(const struct store_definition *a, const struct store_definition *b,
                    bool is_binding)
{
    if (!bytes_equal(a->name, b->name))
        return false;
    return !is_binding || (bytes_equal(a->destination, b->destination) &&
                           bytes_equal(a->routing_key, b->routing_key) &&
                           bytes_equal(a->arguments, b->arguments) &&
                           a->destination_is_exchange == b->destination_is_exchange);
}

static size_t find_definition(const struct model_store *store, uint8_t put,
                              const struct store_definition *definition)
{
    size_t i = 0;
    while (i < store->definition_count &&
           !(store->definitions[i].kind == put &&
             is_same(store->definitions[i].definition, definition, put == STORE_BINDING_PUT)))
        i++;
    return i;
}

static bool has_name(const struct model_store *store, uint8_t put, struct bytes name)
{
    struct store_definition definition = {.name = name};
    return find_definition(store, put, &definition) < store->definition_count;
}

bool model_store_has_queue(const struct model_store *store, struct bytes name)
{
    return has_name(store, STORE_QUEUE_PUT, name);
}

static void check_ends(const struct model_store *store, const struct store_definition *binding)
{
    uint8_t kind = binding->destination_is_exchange ? STORE_EXCHANGE_PUT : STORE_QUEUE_PUT;
    bool is_predeclared = bytes_start_with(binding->name, "amq.");
    CHECK(is_predeclared || has_name(store, STORE_EXCHANGE_PUT, binding->name));
    CHECK(bytes_start_with(binding->destination, "amq.") ||
          has_name(store, kind, binding->destination));
}

static void put_definition(struct model_store *store, const struct store_operation *operation)
{
    CHECK(find_definition(store, operation->kind, operation->definition) ==
          store->definition_count);
    if (operation->kind == STORE_BINDING_PUT)
        check_ends(store, operation->definition);
    store->definitions = xgrow(store->definitions, &store->definition_capacity,
                               store->definition_count + 1, sizeof *store->definitions);
    store->definitions[store->definition_count] = *operation;
    store->definitions[store->definition_count].definition =
        store_definition_copy(operation->definition);
    store->definition_count++;
}

static void check_no_bindings(const struct model_store *store, bool is_exchange, struct bytes name)
{
    for (size_t i = 0; i < store->definition_count; i++) {
        const struct store_definition *binding = store->definitions[i].definition;
        if (store->definitions[i].kind != STORE_BINDING_PUT)
            continue;
        CHECK(!is_exchange || !bytes_equal(binding->name, name));
        CHECK(binding->destination_is_exchange != is_exchange ||
              !bytes_equal(binding->destination, name));
    }
}

static void delete_definition(struct model_store *store, const struct store_operation *operation)
{
    size_t i = 0;
    for (uint8_t put = STORE_EXCHANGE_PUT; put <= STORE_BINDING_PUT; put++) {
        if (is_kind_of(put, operation->kind))
            i = find_definition(store, put, operation->definition);
    }
    CHECK(i < store->definition_count);
    if (operation->kind == STORE_QUEUE_DELETE)
        CHECK(store->definitions[i].lane == operation->lane);
    if (operation->kind != STORE_BINDING_DELETE)
        check_no_bindings(store, operation->kind == STORE_EXCHANGE_DELETE,
                          operation->definition->name);
    free(store->definitions[i].definition);
    store->definition_count--;
    memmove(&store->definitions[i], &store->definitions[i + 1],
            (store->definition_count - i) * sizeof *store->definitions);
}

/* --- lanes */

static struct lane *find_lane(const struct model_store *store, uint64_t id)
{
    for (size_t i = 0; i < store->lane_count; i++) {
        if (store->lanes[i].id == id)
            return &store->lanes[i];
    }
    return NULL;
}

static void add_lane(struct model_store *store, uint64_t id)
{
    CHECK(id >= store->lane_next);
    store->lane_next = id + 1;
    store->lanes =
        xgrow(store->lanes, &store->lane_capacity, store->lane_count + 1, sizeof *store->lanes);
    store->lanes[store->lane_count++] = (struct lane){.id = id, .end = 1};
}

static void remove_lane(struct model_store *store, uint64_t id)
{
    struct lane *lane = find_lane(store, id);
    CHECK(lane != NULL);
    free_rows(lane);
    *lane = store->lanes[--store->lane_count];
}

static void insert(struct lane *lane, const struct store_operation *operation)
{
    CHECK(operation->position >= lane->end && operation->message->is_persistent);
    lane->end = operation->position + 1;
    lane->rows = xgrow(lane->rows, &lane->capacity, lane->count + 1, sizeof *lane->rows);
    lane->rows[lane->count++] =
        (struct row){operation->position, operation->expiry_ms, message_ref(operation->message)};
}

static void remove_rows(struct lane *lane, uint64_t first, uint64_t count)
{
    size_t kept = 0;
    CHECK(count > 0 && first > 0 && first + count <= lane->end);
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->rows[i].position >= first && lane->rows[i].position - first < count)
            message_unref(lane->rows[i].message);
        else
            lane->rows[kept++] = lane->rows[i];
    }
    lane->count = kept;
}

static struct bytes queue_name(const struct model_store *store, uint64_t lane)
{
    size_t i = 0;
    while (store->definitions[i].kind != STORE_QUEUE_PUT || store->definitions[i].lane != lane)
        i++;
    return store->definitions[i].definition->name;
}

static void apply_to_lane(struct model_store *store, const struct store_operation *operation)
{
    struct lane *lane = find_lane(store, operation->lane);
    CHECK(lane != NULL);
    if (operation->kind == STORE_INSERT) {
        insert(lane, operation);
        if (store->watch != NULL)
            store->watch(store->watch_context, queue_name(store, lane->id), operation->message,
                         operation->position < lane->delivered_below);
    } else if (operation->kind == STORE_REMOVE) {
        remove_rows(lane, operation->position, operation->count);
    } else {
        lane->delivered_below = operation->position;
    }
}

/* --- commits */

static void apply(struct model_store *store, const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_QUEUE_PUT:
        add_lane(store, operation->lane);
        put_definition(store, operation);
        break;
    case STORE_EXCHANGE_PUT:
    case STORE_BINDING_PUT:
        put_definition(store, operation);
        break;
    case STORE_QUEUE_DELETE:
        remove_lane(store, operation->lane);
        delete_definition(store, operation);
        break;
    case STORE_EXCHANGE_DELETE:
    case STORE_BINDING_DELETE:
        delete_definition(store, operation);
        break;
    default:
        CHECK(operation->kind > STORE_BINDING_DELETE && operation->kind <= STORE_DELIVERED);
        apply_to_lane(store, operation);
    }
}

void model_store_watch(struct model_store *store, model_store_visit *visit, void *context)
{
    store->watch = visit;
    store->watch_context = context;
}

bool model_store_has_submitted(const struct model_store *store)
{
    return store->submitted_count > 0;
}

uint64_t model_store_commit(struct model_store *store)
{
    if (store->submitted_count == 0)
        return 0;
    struct store_batch *batch = store->submitted[0];
    uint64_t number = batch->number;
    for (size_t i = 0; i < batch->count; i++)
        apply(store, &batch->operations[i]);
    store_batch_free(batch);
    store->submitted_count--;
    memmove(store->submitted, store->submitted + 1,
            store->submitted_count * sizeof(struct store_batch *));
    return number;
}

void model_store_crash(struct model_store *store)
{
    for (size_t i = 0; i < store->submitted_count; i++)
        store_batch_free(store->submitted[i]);
    store->submitted_count = 0;
    store->last_number = 0;
}

/* --- reading */

struct store_read_result *model_store_read(const struct model_store *store,
                                           const struct store_read *read, size_t rows_max)
{
    struct store_read_result *result = xcalloc(1, sizeof *result);
    const struct lane *lane = find_lane(store, read->lane);
    size_t capacity = 0, bytes = 0;
    *result = (struct store_read_result){.read = *read, .is_complete = true};
    for (size_t i = 0; lane != NULL && i < lane->count; i++) {
        const struct row *row = &lane->rows[i];
        if (row->position < read->first || row->position >= read->end)
            continue;
        if (result->count > 0 && (result->count >= rows_max || result->count >= read->count_max ||
                                  bytes >= read->bytes_max)) {
            result->is_complete = false;
            break;
        }
        bytes += message_footprint(row->message);
        result->rows = xgrow(result->rows, &capacity, result->count + 1, sizeof *result->rows);
        result->rows[result->count++] =
            (struct store_row){row->position, row->expiry_ms, message_ref(row->message)};
    }
    return result;
}

static struct store_lane_state state_of(const struct lane *lane)
{
    struct store_lane_state state = {
        .lane = lane->id,
        .first = lane->count > 0 ? lane->rows[0].position : lane->end,
        .end = lane->end,
        .delivered_below = lane->delivered_below,
        .count = lane->count,
    };
    for (size_t i = 0; i < lane->count; i++)
        state.bytes += lane->rows[i].message->body_size;
    return state;
}

struct model_opened model_store_open(const struct model_store *store)
{
    struct model_opened opened = {
        .definitions = store_batch_new(0),
        .lanes = xcalloc(store->lane_count, sizeof *opened.lanes),
        .lane_count = store->lane_count,
        .lane_next = store->lane_next,
    };
    for (size_t i = 0; i < store->definition_count; i++) {
        struct store_operation operation = store->definitions[i];
        operation.definition = store_definition_copy(operation.definition);
        store_batch_add(opened.definitions, operation);
    }
    for (size_t i = 0; i < store->lane_count; i++)
        opened.lanes[i] = state_of(&store->lanes[i]);
    return opened;
}

void model_store_each(const struct model_store *store, model_store_visit *visit, void *context)
{
    for (size_t i = 0; i < store->lane_count; i++) {
        const struct lane *lane = &store->lanes[i];
        struct bytes queue = queue_name(store, lane->id);
        for (size_t j = 0; j < lane->count; j++)
            visit(context, queue, lane->rows[j].message,
                  lane->rows[j].position < lane->delivered_below);
    }
}
