/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as its interface describes it, in the plainest way: lists that are walked. Each batch
 * passes through its bytes, so that whatever is lost on the way is lost here too. What the core may
 * never ask (an insertion below the end of a lane, a deletion of something that is not there, a
 * lane that comes back) ends the test.
 *
 * A shelf is what an exchange keeps under its number: delays and keys of deduplication.
 *
 * What was spilled stands among the other rows of its lane, and is gone after a crash and after a
 * stop.
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
    uint16_t delivery_count;
    bool is_spilled;
    struct store_definition *value; /* owned; NULL: none */
};

struct lane {
    uint64_t id;
    uint64_t end;
    uint64_t spilled_end;
    uint64_t delivered_below;
    bool is_used;
    struct row *rows; /* owned; ascending */
    size_t count, capacity;
};

struct shelf {
    uint64_t id;
    uint64_t end;
    struct row *delays; /* owned; by (expiry_ms, position) */
    size_t count, capacity;
    struct store_operation *keys; /* owned; STORE_DEDUP_PUT, by position */
    size_t key_count, key_capacity;
};

struct model_store {
    struct store_operation *definitions; /* owned; PUTs in the order in which they came */
    size_t definition_count, definition_capacity;
    struct lane *lanes; /* owned */
    size_t lane_count, lane_capacity;
    struct shelf *shelves; /* owned */
    size_t shelf_count, shelf_capacity;
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

static void free_rows(struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        message_unref(rows[i].message);
        free(rows[i].value);
    }
    free(rows);
}

static void free_shelf(struct shelf *shelf)
{
    free_rows(shelf->delays, shelf->count);
    for (size_t i = 0; i < shelf->key_count; i++)
        free(shelf->keys[i].definition);
    free(shelf->keys);
}

void model_store_free(struct model_store *store)
{
    model_store_crash(store);
    for (size_t i = 0; i < store->definition_count; i++)
        free(store->definitions[i].definition);
    for (size_t i = 0; i < store->lane_count; i++)
        free_rows(store->lanes[i].rows, store->lanes[i].count);
    for (size_t i = 0; i < store->shelf_count; i++)
        free_shelf(&store->shelves[i]);
    free(store->definitions);
    free(store->lanes);
    free(store->shelves);
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
    if (operation->kind != STORE_BINDING_DELETE)
        CHECK(store->definitions[i].lane == operation->lane &&
              store->definitions[i].count == operation->count);
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

static void take_number(struct model_store *store, uint64_t id)
{
    CHECK(id >= store->lane_next);
    store->lane_next = id + 1;
}

static void add_lane(struct model_store *store, uint64_t id)
{
    take_number(store, id);
    store->lanes =
        xgrow(store->lanes, &store->lane_capacity, store->lane_count + 1, sizeof *store->lanes);
    store->lanes[store->lane_count++] = (struct lane){.id = id, .end = 1};
}

static void remove_lane(struct model_store *store, uint64_t id)
{
    struct lane *lane = find_lane(store, id);
    CHECK(lane != NULL);
    free_rows(lane->rows, lane->count);
    *lane = store->lanes[--store->lane_count];
}

static void add_lane_row(struct lane *lane, const struct store_operation *operation)
{
    size_t i = lane->count;
    lane->rows = xgrow(lane->rows, &lane->capacity, lane->count + 1, sizeof *lane->rows);
    for (; i > 0 && lane->rows[i - 1].position > operation->position; i--)
        lane->rows[i] = lane->rows[i - 1];
    CHECK(i == 0 || lane->rows[i - 1].position < operation->position);
    lane->count++;
    lane->rows[i] = (struct row){
        .position = operation->position,
        .expiry_ms = operation->expiry_ms,
        .message = message_ref(operation->message),
        .is_spilled = operation->kind == STORE_SPILL,
        .value = operation->definition != NULL ? store_key(operation->definition->name) : NULL,
    };
}

static void insert(struct lane *lane, const struct store_operation *operation)
{
    CHECK(operation->position >= lane->end && lane->id < STORE_SPILL_LANES);
    lane->end = operation->position + 1;
    lane->is_used = true;
    add_lane_row(lane, operation);
}

static void spill(struct lane *lane, const struct store_operation *operation)
{
    CHECK(operation->position >= lane->spilled_end);
    lane->spilled_end = operation->position + 1;
    add_lane_row(lane, operation);
}

static void remove_rows(struct lane *lane, uint64_t first, uint64_t count)
{
    size_t kept = 0;
    CHECK(count > 0 && first > 0);
    CHECK(first + count <= lane->end || first + count <= lane->spilled_end);
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->rows[i].position < first || lane->rows[i].position - first >= count) {
            lane->rows[kept++] = lane->rows[i];
            continue;
        }
        message_unref(lane->rows[i].message);
        free(lane->rows[i].value);
    }
    lane->count = kept;
}

static struct bytes queue_name(const struct model_store *store, uint64_t lane)
{
    size_t i = 0;
    while (store->definitions[i].kind != STORE_QUEUE_PUT || lane < store->definitions[i].lane ||
           lane - store->definitions[i].lane >= store->definitions[i].count)
        i++;
    return store->definitions[i].definition->name;
}

static void count_attempts(struct lane *lane, const struct store_operation *operation)
{
    size_t i = 0;
    while (i < lane->count && lane->rows[i].position != operation->position)
        i++;
    CHECK(operation->count <= UINT16_MAX);
    if (i == lane->count) /* its insertion was cancelled since */
        return;
    lane->rows[i].delivery_count = (uint16_t)operation->count;
}

/* Lanes that hold spilled messages alone come with the first of these. */
static struct lane *need_lane(struct model_store *store, uint64_t id)
{
    struct lane *lane = find_lane(store, id);
    if (lane != NULL || id < STORE_SPILL_LANES)
        return lane;
    store->lanes =
        xgrow(store->lanes, &store->lane_capacity, store->lane_count + 1, sizeof *store->lanes);
    store->lanes[store->lane_count] = (struct lane){.id = id, .end = 1};
    return &store->lanes[store->lane_count++];
}

static void forget_spilled(struct model_store *store, struct lane *lane)
{
    size_t kept = 0;
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->rows[i].is_spilled)
            message_unref(lane->rows[i].message);
        else
            lane->rows[kept++] = lane->rows[i];
    }
    lane->count = kept;
    lane->spilled_end = 0;
    if (lane->id >= STORE_SPILL_LANES)
        remove_lane(store, lane->id);
}

static void forget_lanes(struct model_store *store, const struct store_operation *operation)
{
    for (uint64_t i = 0; i < operation->count; i++) {
        struct lane *lane = find_lane(store, operation->lane + i);
        if (lane != NULL)
            forget_spilled(store, lane);
    }
}

static void apply_to_lane(struct model_store *store, const struct store_operation *operation)
{
    struct lane *lane = need_lane(store, operation->lane);
    CHECK(lane != NULL);
    if (operation->kind == STORE_SPILL) {
        spill(lane, operation);
    } else if (operation->kind == STORE_INSERT) {
        insert(lane, operation);
        if (store->watch != NULL)
            store->watch(store->watch_context, queue_name(store, lane->id), operation->message,
                         operation->position < lane->delivered_below);
    } else if (operation->kind == STORE_REMOVE) {
        remove_rows(lane, operation->position, operation->count);
    } else if (operation->kind == STORE_DELIVERED) {
        lane->delivered_below = operation->position;
        lane->is_used = true;
    } else {
        count_attempts(lane, operation);
    }
}

/* --- shelves */

static struct shelf *find_shelf(const struct model_store *store, uint64_t id)
{
    for (size_t i = 0; i < store->shelf_count; i++) {
        if (store->shelves[i].id == id)
            return &store->shelves[i];
    }
    return NULL;
}

static void add_shelf(struct model_store *store, uint64_t id)
{
    take_number(store, id);
    store->shelves = xgrow(store->shelves, &store->shelf_capacity, store->shelf_count + 1,
                           sizeof *store->shelves);
    store->shelves[store->shelf_count++] = (struct shelf){.id = id, .end = 1};
}

static void remove_shelf(struct model_store *store, uint64_t id)
{
    struct shelf *shelf = find_shelf(store, id);
    CHECK(shelf != NULL);
    free_shelf(shelf);
    store->shelf_count--;
    memmove(shelf, shelf + 1,
            (size_t)(&store->shelves[store->shelf_count] - shelf) * sizeof *shelf);
}

/* The first delay that is not before (due, id). */
static size_t find_delay(const struct shelf *shelf, uint64_t due_ms, uint64_t id)
{
    size_t i = 0;
    while (i < shelf->count &&
           (shelf->delays[i].expiry_ms < due_ms ||
            (shelf->delays[i].expiry_ms == due_ms && shelf->delays[i].position < id)))
        i++;
    return i;
}

static void take_position(struct shelf *shelf, uint64_t position)
{
    CHECK(position >= shelf->end);
    shelf->end = position + 1;
}

static void insert_delay(struct shelf *shelf, const struct store_operation *operation)
{
    size_t i = find_delay(shelf, operation->expiry_ms, operation->position);
    take_position(shelf, operation->position);
    shelf->delays = xgrow(shelf->delays, &shelf->capacity, shelf->count + 1, sizeof *shelf->delays);
    memmove(&shelf->delays[i + 1], &shelf->delays[i], (shelf->count - i) * sizeof *shelf->delays);
    shelf->delays[i] = (struct row){.position = operation->position,
                                    .expiry_ms = operation->expiry_ms,
                                    .message = message_ref(operation->message)};
    shelf->count++;
}

static void remove_delay(struct shelf *shelf, const struct store_operation *operation)
{
    size_t i = find_delay(shelf, operation->expiry_ms, operation->position);
    CHECK(i < shelf->count && shelf->delays[i].position == operation->position &&
          shelf->delays[i].expiry_ms == operation->expiry_ms);
    message_unref(shelf->delays[i].message);
    shelf->count--;
    memmove(&shelf->delays[i], &shelf->delays[i + 1], (shelf->count - i) * sizeof *shelf->delays);
}

static void put_key(struct shelf *shelf, const struct store_operation *operation)
{
    take_position(shelf, operation->position);
    shelf->keys =
        xgrow(shelf->keys, &shelf->key_capacity, shelf->key_count + 1, sizeof *shelf->keys);
    shelf->keys[shelf->key_count] = *operation;
    shelf->keys[shelf->key_count++].definition = store_key(operation->definition->name);
}

static void remove_keys(struct shelf *shelf, uint64_t first, uint64_t count)
{
    size_t kept = 0;
    CHECK(count > 0);
    for (size_t i = 0; i < shelf->key_count; i++) {
        if (shelf->keys[i].position >= first && shelf->keys[i].position - first < count)
            free(shelf->keys[i].definition);
        else
            shelf->keys[kept++] = shelf->keys[i];
    }
    shelf->key_count = kept;
}

static void apply_to_shelf(struct model_store *store, const struct store_operation *operation)
{
    struct shelf *shelf = find_shelf(store, operation->lane);
    CHECK(shelf != NULL);
    if (operation->kind == STORE_DELAY_INSERT)
        insert_delay(shelf, operation);
    else if (operation->kind == STORE_DELAY_REMOVE)
        remove_delay(shelf, operation);
    else if (operation->kind == STORE_DEDUP_PUT)
        put_key(shelf, operation);
    else
        remove_keys(shelf, operation->position, operation->count);
}

/* --- commits */

static void apply_definition(struct model_store *store, const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_QUEUE_PUT:
        CHECK(operation->count >= 1 && operation->count <= STORE_LANES_MAX);
        for (uint64_t i = 0; i < operation->count; i++)
            add_lane(store, operation->lane + i);
        put_definition(store, operation);
        break;
    case STORE_EXCHANGE_PUT:
        if (operation->lane != 0)
            add_shelf(store, operation->lane);
        put_definition(store, operation);
        break;
    case STORE_BINDING_PUT:
        put_definition(store, operation);
        break;
    case STORE_QUEUE_DELETE:
        delete_definition(store, operation);
        for (uint64_t i = 0; i < operation->count; i++)
            remove_lane(store, operation->lane + i);
        break;
    case STORE_EXCHANGE_DELETE:
        delete_definition(store, operation);
        if (operation->lane != 0)
            remove_shelf(store, operation->lane);
        break;
    default:
        delete_definition(store, operation);
    }
}

static void apply(struct model_store *store, const struct store_operation *operation)
{
    CHECK(operation->kind > STORE_NOTHING && operation->kind <= STORE_OPERATION_LAST);
    if (operation->kind <= STORE_BINDING_DELETE)
        apply_definition(store, operation);
    else if (operation->kind == STORE_SPILL_FORGET)
        forget_lanes(store, operation);
    else if (operation->kind <= STORE_ATTEMPTS || operation->kind == STORE_SPILL)
        apply_to_lane(store, operation);
    else
        apply_to_shelf(store, operation);
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
    for (size_t i = store->lane_count; i-- > 0;)
        forget_spilled(store, &store->lanes[i]);
    for (size_t i = 0; i < store->submitted_count; i++)
        store_batch_free(store->submitted[i]);
    store->submitted_count = 0;
    store->last_number = 0;
}

/* --- reading */

/* false where the answer is full. */
static bool add_row(struct store_read_result *result, size_t *capacity, const struct row *row,
                    size_t rows_max, size_t *bytes)
{
    const struct store_read *read = &result->read;
    if (result->count > 0 && (result->count >= rows_max || result->count >= read->count_max ||
                              *bytes >= read->bytes_max)) {
        result->is_complete = false;
        return false;
    }
    *bytes += message_footprint(row->message);
    result->rows = xgrow(result->rows, capacity, result->count + 1, sizeof *result->rows);
    result->rows[result->count++] = (struct store_row){.position = row->position,
                                                       .expiry_ms = row->expiry_ms,
                                                       .message = message_ref(row->message),
                                                       .delivery_count = row->delivery_count};
    return true;
}

static void read_delays(const struct shelf *shelf, struct store_read_result *result,
                        size_t rows_max)
{
    size_t capacity = 0, bytes = 0;
    size_t i = find_delay(shelf, result->read.due_ms, result->read.first);
    while (i < shelf->count && add_row(result, &capacity, &shelf->delays[i], rows_max, &bytes))
        i++;
}

static void read_lane(const struct lane *lane, struct store_read_result *result, size_t rows_max)
{
    size_t capacity = 0, bytes = 0;
    for (size_t i = 0; i < lane->count; i++) {
        const struct row *row = &lane->rows[i];
        if (row->position < result->read.first || row->position >= result->read.end)
            continue;
        if (!add_row(result, &capacity, row, rows_max, &bytes))
            break;
    }
}

struct store_read_result *model_store_read(const struct model_store *store,
                                           const struct store_read *read, size_t rows_max)
{
    struct store_read_result *result = xcalloc(1, sizeof *result);
    const struct lane *lane = find_lane(store, read->lane);
    const struct shelf *shelf = find_shelf(store, read->lane);
    *result = (struct store_read_result){.read = *read, .is_complete = true};
    if (read->kind == STORE_READ_DELAYS && shelf != NULL)
        read_delays(shelf, result, rows_max);
    else if (read->kind == STORE_READ_LANE && lane != NULL)
        read_lane(lane, result, rows_max);
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

static void copy_definition(struct store_batch *batch, struct store_operation operation)
{
    operation.definition = store_definition_copy(operation.definition);
    store_batch_add(batch, operation);
}

static void list_shelves(const struct model_store *store, struct store_opened *opened)
{
    for (size_t i = 0; i < store->shelf_count; i++) {
        const struct shelf *shelf = &store->shelves[i];
        opened->delays[opened->delay_count++] = (struct store_delay_state){
            .lane = shelf->id,
            .end = shelf->end,
            .count = shelf->count,
            .first_due_ms = shelf->count > 0 ? shelf->delays[0].expiry_ms : 0,
        };
        for (size_t n = 0; n < shelf->key_count; n++)
            copy_definition(opened->definitions, shelf->keys[n]);
    }
}

static void list_values(const struct lane *lane, struct store_opened *opened)
{
    for (size_t i = 0; i < lane->count; i++) {
        const struct row *row = &lane->rows[i];
        struct store_value value = {
            .lane = lane->id, .position = row->position, .expiry_ms = row->expiry_ms};
        if (row->value != NULL)
            store_opened_add_value(opened, value, row->value->name);
    }
}

struct store_opened model_store_open(const struct model_store *store)
{
    struct store_opened opened = {
        .definitions = store_batch_new(STORE_BATCH_BEFORE),
        .lanes = xcalloc(store->lane_count, sizeof *opened.lanes),
        .delays = xcalloc(store->shelf_count, sizeof *opened.delays),
        .lane_next = store->lane_next,
    };
    for (size_t i = 0; i < store->definition_count; i++)
        copy_definition(opened.definitions, store->definitions[i]);
    for (size_t i = 0; i < store->lane_count; i++) {
        if (store->lanes[i].is_used)
            opened.lanes[opened.lane_count++] = state_of(&store->lanes[i]);
        list_values(&store->lanes[i], &opened);
    }
    list_shelves(store, &opened);
    return opened;
}

void model_store_each(const struct model_store *store, model_store_visit *visit, void *context)
{
    for (size_t i = 0; i < store->lane_count; i++) {
        const struct lane *lane = &store->lanes[i];
        struct bytes queue =
            lane->id < STORE_SPILL_LANES ? queue_name(store, lane->id) : bytes_of_text("");
        for (size_t j = 0; j < lane->count; j++)
            visit(context, queue, lane->rows[j].message,
                  lane->rows[j].position < lane->delivered_below ||
                      lane->rows[j].delivery_count > 0);
    }
}
