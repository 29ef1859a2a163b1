/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's twin in memory: arrays that are searched from end to end. It is slow and obvious, and
 * what it holds is what every reading, reopening and recovery of the real store is compared with.
 */
#include "test_store_model.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"

uint64_t model_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct model *model_new(void)
{
    struct model *model = xcalloc(1, sizeof *model);
    model->lane_next = 1;
    return model;
}

static void free_entries(struct model_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        message_unref(entries[i].message);
        free(entries[i].value);
    }
    free(entries);
}

static void free_shelf(struct model_shelf *shelf)
{
    free_entries(shelf->delays, shelf->count);
    for (size_t i = 0; i < shelf->key_count; i++)
        free(shelf->keys[i].definition);
    free(shelf->keys);
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->lane_count; i++)
        free_entries(model->lanes[i].entries, model->lanes[i].count);
    for (size_t i = 0; i < model->shelf_count; i++)
        free_shelf(&model->shelves[i]);
    for (size_t i = 0; i < model->definition_count; i++)
        free(model->definitions[i]);
    free(model->lanes);
    free(model->shelves);
    free(model->definitions);
    free(model->definition_kinds);
    free(model);
}

static struct model_lane *find_lane(const struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->lane_count; i++) {
        if (model->lanes[i].id == id)
            return &model->lanes[i];
    }
    return NULL;
}

static struct model_lane *need_lane(const struct model *model, uint64_t id)
{
    struct model_lane *lane = find_lane(model, id);
    CHECK(lane != NULL);
    return lane;
}

static struct model_shelf *find_shelf(const struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->shelf_count; i++) {
        if (model->shelves[i].id == id)
            return &model->shelves[i];
    }
    return NULL;
}

static struct model_shelf *need_shelf(const struct model *model, uint64_t id)
{
    struct model_shelf *shelf = find_shelf(model, id);
    CHECK(shelf != NULL);
    return shelf;
}

static struct model_shelf *add_shelf(struct model *model, uint64_t id)
{
    model->shelves = xgrow(model->shelves, &model->shelf_capacity, model->shelf_count + 1,
                           sizeof *model->shelves);
    struct model_shelf *shelf = &model->shelves[model->shelf_count++];
    *shelf = (struct model_shelf){.id = id, .end = 1};
    if (id >= model->lane_next)
        model->lane_next = id + 1;
    return shelf;
}

static void delete_shelf(struct model *model, uint64_t id)
{
    struct model_shelf *shelf = need_shelf(model, id);
    free_shelf(shelf);
    *shelf = model->shelves[--model->shelf_count];
}

static struct model_lane *add_lane(struct model *model, uint64_t id)
{
    model->lanes =
        xgrow(model->lanes, &model->lane_capacity, model->lane_count + 1, sizeof *model->lanes);
    struct model_lane *lane = &model->lanes[model->lane_count++];
    *lane = (struct model_lane){.id = id, .end = 1};
    if (id >= model->lane_next && id < STORE_SPILL_LANES)
        model->lane_next = id + 1;
    return lane;
}

static void add_entry(struct model_lane *lane, struct model_entry entry)
{
    size_t i = lane->count;
    lane->entries = xgrow(lane->entries, &lane->capacity, lane->count + 1, sizeof *lane->entries);
    for (; i > 0 && lane->entries[i - 1].position > entry.position; i--)
        lane->entries[i] = lane->entries[i - 1];
    lane->entries[i] = entry;
    lane->count++;
}

static bool same_definition(const struct store_definition *a, const struct store_definition *b,
                            bool by_key, uint8_t kind)
{
    bool same = bytes_equal(a->name, b->name);
    if (by_key && kind == STORE_EXCHANGE_PUT)
        return same;
    same = same && bytes_equal(a->destination, b->destination) &&
           bytes_equal(a->routing_key, b->routing_key) && bytes_equal(a->arguments, b->arguments) &&
           a->destination_is_exchange == b->destination_is_exchange;
    return same && (by_key || (bytes_equal(a->type, b->type) && a->auto_delete == b->auto_delete &&
                               a->internal == b->internal));
}

static void delete_definition(struct model *model, uint8_t kind,
                              const struct store_definition *definition)
{
    for (size_t i = 0; i < model->definition_count; i++) {
        if (model->definition_kinds[i] != kind ||
            !same_definition(model->definitions[i], definition, true, kind))
            continue;
        free(model->definitions[i]);
        model->definition_count--;
        model->definitions[i] = model->definitions[model->definition_count];
        model->definition_kinds[i] = model->definition_kinds[model->definition_count];
        return;
    }
}

static void put_definition(struct model *model, uint8_t kind,
                           const struct store_definition *definition)
{
    delete_definition(model, kind, definition);
    size_t capacity = model->definition_capacity;
    model->definitions = xgrow(model->definitions, &model->definition_capacity,
                               model->definition_count + 1, sizeof(void *));
    if (capacity != model->definition_capacity)
        model->definition_kinds = xrealloc(model->definition_kinds, model->definition_capacity);
    model->definition_kinds[model->definition_count] = kind;
    model->definitions[model->definition_count++] = store_definition_copy(definition);
}

static void remove_range(struct model_lane *lane, uint64_t first, uint64_t count)
{
    for (size_t i = 0; i < lane->count; i++) {
        struct model_entry *entry = &lane->entries[i];
        if (entry->position < first || entry->position - first >= count)
            continue;
        message_unref(entry->message);
        free(entry->value);
        entry->message = NULL;
        entry->value = NULL;
    }
}

static void delete_lane(struct model *model, uint64_t id)
{
    struct model_lane *lane = need_lane(model, id);
    free_entries(lane->entries, lane->count);
    *lane = model->lanes[--model->lane_count];
}

static void forget_spilled(struct model_lane *lane)
{
    size_t kept = 0;
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->entries[i].is_spilled)
            message_unref(lane->entries[i].message);
        else
            lane->entries[kept++] = lane->entries[i];
    }
    lane->count = kept;
}

void model_forget_spilled(struct model *model)
{
    for (size_t i = 0; i < model->lane_count; i++) {
        forget_spilled(&model->lanes[i]);
        model->lanes[i].spilled_end = 0;
    }
}

static void put_queue(struct model *model, const struct store_operation *operation)
{
    for (uint64_t i = 0; i < operation->count; i++) {
        struct model_lane *lane = add_lane(model, operation->lane + i);
        lane->queue = operation->lane;
        lane->others = operation->count;
    }
}

static void count_attempts(struct model_lane *lane, const struct store_operation *operation)
{
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->entries[i].position == operation->position)
            lane->entries[i].attempts = (uint16_t)operation->count;
    }
}

static bool is_before(const struct model_entry *delay, uint64_t due_ms, uint64_t id)
{
    return delay->expiry_ms < due_ms || (delay->expiry_ms == due_ms && delay->position < id);
}

static void put_delay(struct model_shelf *shelf, struct model_entry delay)
{
    size_t i = 0;
    while (i < shelf->count && is_before(&shelf->delays[i], delay.expiry_ms, delay.position))
        i++;
    shelf->delays = xgrow(shelf->delays, &shelf->capacity, shelf->count + 1, sizeof *shelf->delays);
    memmove(&shelf->delays[i + 1], &shelf->delays[i], (shelf->count - i) * sizeof *shelf->delays);
    shelf->delays[i] = delay;
    shelf->count++;
    if (delay.position >= shelf->end)
        shelf->end = delay.position + 1;
}

static void remove_delay(struct model_shelf *shelf, const struct store_operation *operation)
{
    size_t i = 0;
    while (shelf->delays[i].position != operation->position)
        i++;
    message_unref(shelf->delays[i].message);
    shelf->count--;
    memmove(&shelf->delays[i], &shelf->delays[i + 1], (shelf->count - i) * sizeof *shelf->delays);
}

static void put_key(struct model_shelf *shelf, struct store_operation key)
{
    key.definition = store_definition_copy(key.definition);
    shelf->keys =
        xgrow(shelf->keys, &shelf->key_capacity, shelf->key_count + 1, sizeof *shelf->keys);
    shelf->keys[shelf->key_count++] = key;
    if (key.position >= shelf->end)
        shelf->end = key.position + 1;
}

static void remove_keys(struct model_shelf *shelf, const struct store_operation *operation)
{
    size_t kept = 0;
    for (size_t i = 0; i < shelf->key_count; i++) {
        if (shelf->keys[i].position - operation->position < operation->count)
            free(shelf->keys[i].definition);
        else
            shelf->keys[kept++] = shelf->keys[i];
    }
    shelf->key_count = kept;
}

static struct store_definition *copy_value(const struct store_definition *value)
{
    return value != NULL ? store_key(value->name) : NULL;
}

static void apply_to_lane(struct model *model, const struct store_operation *operation)
{
    struct model_lane *lane = need_lane(model, operation->lane);
    switch (operation->kind) {
    case STORE_INSERT:
        add_entry(lane, (struct model_entry){.position = operation->position,
                                             .expiry_ms = operation->expiry_ms,
                                             .message = message_ref(operation->message),
                                             .value = copy_value(operation->definition)});
        lane->end = operation->position + 1;
        lane->is_used = true;
        break;
    case STORE_REMOVE:
        remove_range(lane, operation->position, operation->count);
        break;
    case STORE_DELIVERED:
        lane->delivered_below = operation->position;
        lane->is_used = true;
        break;
    default:
        count_attempts(lane, operation);
    }
}

static void apply_to_shelf(struct model *model, const struct store_operation *operation)
{
    struct model_shelf *shelf = need_shelf(model, operation->lane);
    switch (operation->kind) {
    case STORE_DELAY_INSERT:
        put_delay(shelf, (struct model_entry){.position = operation->position,
                                              .expiry_ms = operation->expiry_ms,
                                              .message = message_ref(operation->message)});
        break;
    case STORE_DELAY_REMOVE:
        remove_delay(shelf, operation);
        break;
    case STORE_DEDUP_PUT:
        put_key(shelf, *operation);
        break;
    default:
        remove_keys(shelf, operation);
    }
}

static void apply_definition(struct model *model, const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_EXCHANGE_PUT:
    case STORE_BINDING_PUT:
        put_definition(model, operation->kind, operation->definition);
        if (operation->lane != 0)
            add_shelf(model, operation->lane);
        break;
    case STORE_EXCHANGE_DELETE:
        delete_definition(model, STORE_EXCHANGE_PUT, operation->definition);
        if (operation->lane != 0)
            delete_shelf(model, operation->lane);
        break;
    case STORE_BINDING_DELETE:
        delete_definition(model, STORE_BINDING_PUT, operation->definition);
        break;
    case STORE_QUEUE_PUT:
        put_queue(model, operation);
        break;
    case STORE_QUEUE_DELETE:
        for (uint64_t i = 0; i < operation->count; i++)
            delete_lane(model, operation->lane + i);
        break;
    default:
        break;
    }
}

static void spill(struct model *model, const struct store_operation *operation)
{
    struct model_lane *lane = find_lane(model, operation->lane);
    if (lane == NULL) /* of a queue that is not durable */
        lane = add_lane(model, operation->lane);
    add_entry(lane, (struct model_entry){.position = operation->position,
                                         .expiry_ms = operation->expiry_ms,
                                         .message = message_ref(operation->message),
                                         .is_spilled = true});
    lane->spilled_end = operation->position + 1;
}

static void forget_lanes(struct model *model, const struct store_operation *operation)
{
    for (uint64_t i = 0; i < operation->count; i++) {
        struct model_lane *lane = find_lane(model, operation->lane + i);
        if (lane != NULL)
            forget_spilled(lane);
    }
}

static void apply(struct model *model, const struct store_operation *operation)
{
    if (operation->kind < STORE_INSERT)
        apply_definition(model, operation);
    else if (operation->kind == STORE_SPILL)
        spill(model, operation);
    else if (operation->kind == STORE_SPILL_FORGET)
        forget_lanes(model, operation);
    else if (operation->kind < STORE_DELAY_INSERT)
        apply_to_lane(model, operation);
    else
        apply_to_shelf(model, operation);
}

void model_apply(struct model *model, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        apply(model, &batch->operations[i]);
}

static void copy_shelf(struct model_shelf *shelf, const struct model_shelf *from)
{
    for (size_t i = 0; i < from->count; i++) {
        put_delay(shelf, from->delays[i]);
        message_ref(from->delays[i].message);
    }
    for (size_t i = 0; i < from->key_count; i++)
        put_key(shelf, from->keys[i]);
    shelf->end = from->end;
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = model_new();
    copy->lane_next = model->lane_next;
    copy->has_spills = model->has_spills;
    for (size_t i = 0; i < model->lane_count; i++) {
        const struct model_lane *from = &model->lanes[i];
        struct model_lane *lane = add_lane(copy, from->id);
        struct model_entry *entries = lane->entries;
        *lane = *from;
        lane->entries = entries;
        lane->count = lane->capacity = 0;
        for (size_t n = 0; n < from->count; n++) {
            struct model_entry entry = from->entries[n];
            if (entry.message != NULL)
                message_ref(entry.message);
            entry.value = copy_value(entry.value);
            add_entry(lane, entry);
        }
    }
    for (size_t i = 0; i < model->shelf_count; i++)
        copy_shelf(add_shelf(copy, model->shelves[i].id), &model->shelves[i]);
    for (size_t i = 0; i < model->definition_count; i++)
        put_definition(copy, model->definition_kinds[i], model->definitions[i]);
    return copy;
}

/* --- comparing */

static bool is_quiet;

static bool differ(const char *what, uint64_t lane, uint64_t have, uint64_t want)
{
    if (is_quiet)
        return false;
    fprintf(stderr, "lane %llu: %s is %llu, should be %llu\n", (unsigned long long)lane, what,
            (unsigned long long)have, (unsigned long long)want);
    return false;
}

static bool same_message(const struct message *a, const struct message *b)
{
    return a->is_persistent == b->is_persistent && a->hides_bcc == b->hides_bcc &&
           bytes_equal(message_exchange(a), message_exchange(b)) &&
           bytes_equal(message_routing_key(a), message_routing_key(b)) &&
           bytes_equal(message_properties(a), message_properties(b)) &&
           bytes_equal(message_body(a), message_body(b));
}

static size_t next_entry(const struct model_lane *lane, size_t index)
{
    while (index < lane->count && lane->entries[index].message == NULL)
        index++;
    return index;
}

static bool same_rows(const struct model_lane *lane, const struct store_read_result *result,
                      size_t *index)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct store_row *row = &result->rows[i];
        *index = next_entry(lane, *index);
        if (*index == lane->count)
            return differ("a message too many at", lane->id, row->position, lane->end);
        const struct model_entry *entry = &lane->entries[(*index)++];
        if (row->position != entry->position)
            return differ("position", lane->id, row->position, entry->position);
        if (row->expiry_ms != entry->expiry_ms || !same_message(row->message, entry->message))
            return differ("content at", lane->id, row->position, entry->position);
        if (row->delivery_count != entry->attempts)
            return differ("delivery count", lane->id, row->delivery_count, entry->attempts);
    }
    return true;
}

static uint64_t end_of(const struct model_lane *lane)
{
    return lane->end > lane->spilled_end ? lane->end : lane->spilled_end;
}

/* Reads all of a lane in requests of random size. */
static bool same_messages(const struct model_lane *lane, struct store *store, uint64_t *random)
{
    size_t index = 0;
    uint64_t first = 0;
    for (;;) {
        struct store_read read = {.lane = lane->id,
                                  .first = first,
                                  .end = end_of(lane),
                                  .token = 7,
                                  .count_max = 1 + model_below(random, 700),
                                  .bytes_max = 1 + model_below(random, 300000)};
        struct store_read_result *result = store_read(store, &read);
        if (result == NULL) {
            if (!is_quiet)
                fprintf(stderr, "%s\n", store_error(store));
            return false;
        }
        bool same = result->count <= read.count_max && result->read.token == 7 &&
                    same_rows(lane, result, &index);
        bool is_complete = result->is_complete;
        if (result->count > 0)
            first = result->rows[result->count - 1].position + 1;
        if (result->count == 0 && !is_complete)
            same = differ("no answer from", lane->id, first, lane->end);
        store_read_result_free(result);
        if (!same)
            return false;
        if (is_complete)
            break;
    }
    index = next_entry(lane, index);
    return index == lane->count ||
           differ("missing from", lane->id, first, lane->entries[index].position);
}

static bool same_delay_rows(const struct model_shelf *shelf, const struct store_read_result *result,
                            size_t *index)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct store_row *row = &result->rows[i];
        if (*index == shelf->count)
            return differ("a delay too many at", shelf->id, row->position, shelf->count);
        const struct model_entry *delay = &shelf->delays[(*index)++];
        if (row->position != delay->position || row->expiry_ms != delay->expiry_ms ||
            !same_message(row->message, delay->message))
            return differ("delay", shelf->id, row->position, delay->position);
    }
    return true;
}

/* Reads all delays of an exchange in requests of random size. */
static bool same_delays(const struct model_shelf *shelf, struct store *store, uint64_t *random)
{
    size_t index = 0;
    struct store_read read = {.kind = STORE_READ_DELAYS, .lane = shelf->id, .token = 9};
    for (bool is_complete = false; !is_complete;) {
        read.count_max = 1 + model_below(random, 50);
        read.bytes_max = 1 + model_below(random, model_below(random, 2) ? 300 : 20000);
        struct store_read_result *result = store_read(store, &read);
        if (result == NULL) {
            if (!is_quiet)
                fprintf(stderr, "%s\n", store_error(store));
            return false;
        }
        is_complete = result->is_complete;
        bool same = result->count <= read.count_max && result->read.token == 9 &&
                    same_delay_rows(shelf, result, &index);
        if (result->count > 0) {
            read.due_ms = result->rows[result->count - 1].expiry_ms;
            read.first = result->rows[result->count - 1].position + 1;
        } else if (!is_complete) {
            same = differ("no answer from", shelf->id, read.due_ms, shelf->count);
        }
        store_read_result_free(result);
        if (!same)
            return false;
    }
    return index == shelf->count || differ("number of delays", shelf->id, index, shelf->count);
}

bool model_equals_messages(const struct model *model, struct store *store, uint64_t *random)
{
    for (size_t i = 0; i < model->lane_count; i++) {
        if (!same_messages(&model->lanes[i], store, random))
            return false;
    }
    for (size_t i = 0; i < model->shelf_count; i++) {
        if (!same_delays(&model->shelves[i], store, random))
            return false;
    }
    return true;
}

static bool same_state(const struct model_lane *lane, const struct store_lane_state *state)
{
    uint64_t count = 0, bytes = 0;
    for (size_t i = 0; i < lane->count; i++) {
        const struct model_entry *entry = &lane->entries[i];
        if (entry->message == NULL)
            continue;
        count++;
        bytes += entry->message->body_size;
        if (entry->position < state->first)
            return differ("first", lane->id, state->first, entry->position);
    }
    if (state->count != count)
        return differ("count", lane->id, state->count, count);
    if (state->bytes != bytes)
        return differ("bytes", lane->id, state->bytes, bytes);
    if (state->end != lane->end || state->first > state->end)
        return differ("end", lane->id, state->end, lane->end);
    return state->delivered_below == lane->delivered_below ||
           differ("delivered_below", lane->id, state->delivered_below, lane->delivered_below);
}

static bool same_shelf_states(const struct model *model, const struct store_opened *opened)
{
    if (opened->delay_count != model->shelf_count)
        return differ("number of shelves", 0, opened->delay_count, model->shelf_count);
    for (size_t i = 0; i < opened->delay_count; i++) {
        const struct store_delay_state *state = &opened->delays[i];
        const struct model_shelf *shelf = find_shelf(model, state->lane);
        if (shelf == NULL)
            return differ("an unknown shelf", state->lane, 1, 0);
        uint64_t due_ms = shelf->count > 0 ? shelf->delays[0].expiry_ms : 0;
        if (state->count != shelf->count || state->end != shelf->end)
            return differ("count of delays", shelf->id, state->count, shelf->count);
        if (state->first_due_ms != due_ms)
            return differ("first due", shelf->id, state->first_due_ms, due_ms);
    }
    return true;
}

static size_t count_used(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->lane_count; i++)
        count += model->lanes[i].is_used;
    return count;
}

static bool same_states(const struct model *model, const struct store_opened *opened)
{
    if (opened->lane_count != count_used(model))
        return differ("number of lanes", 0, opened->lane_count, count_used(model));
    if (opened->lane_next != model->lane_next)
        return differ("lane_next", 0, opened->lane_next, model->lane_next);
    for (size_t i = 0; i < opened->lane_count; i++) {
        const struct model_lane *lane = find_lane(model, opened->lanes[i].lane);
        if (lane == NULL || !lane->is_used)
            return differ("an unknown lane", opened->lanes[i].lane, 1, 0);
        if (!same_state(lane, &opened->lanes[i]))
            return false;
    }
    return same_shelf_states(model, opened);
}

static const struct model_entry *find_entry(const struct model_lane *lane, uint64_t position)
{
    for (size_t i = 0; lane != NULL && i < lane->count; i++) {
        if (lane->entries[i].position == position)
            return &lane->entries[i];
    }
    return NULL;
}

/* Those of the messages that are there, by lane and position. */
static bool same_values(const struct model *model, const struct store_opened *opened)
{
    size_t count = 0;
    for (size_t i = 0; i < model->lane_count; i++) {
        for (size_t n = 0; n < model->lanes[i].count; n++)
            count += model->lanes[i].entries[n].value != NULL;
    }
    if (opened->value_count != count)
        return differ("number of values", 0, opened->value_count, count);
    for (size_t i = 0; i < opened->value_count; i++) {
        const struct store_value *value = &opened->values[i], *before = value - 1;
        const struct model_entry *entry =
            find_entry(find_lane(model, value->lane), value->position);
        if (entry == NULL || entry->value == NULL || entry->expiry_ms != value->expiry_ms ||
            !bytes_equal(entry->value->name, store_opened_key(opened, value)))
            return differ("an unknown value", value->lane, value->position, 0);
        if (i > 0 && (before->lane > value->lane ||
                      (before->lane == value->lane && before->position >= value->position)))
            return differ("the order of values", value->lane, value->position, 0);
    }
    return true;
}

static bool has_key(const struct model_shelf *shelf, const struct store_operation *key)
{
    for (size_t i = 0; shelf != NULL && i < shelf->key_count; i++) {
        if (shelf->keys[i].position == key->position)
            return shelf->keys[i].expiry_ms == key->expiry_ms &&
                   bytes_equal(shelf->keys[i].definition->name, key->definition->name);
    }
    return false;
}

static bool has_definition(const struct model *model, const struct store_operation *operation)
{
    if (operation->kind == STORE_QUEUE_PUT) {
        char name[40];
        const struct model_lane *lane = find_lane(model, operation->lane);
        snprintf(name, sizeof name, "queue %llu", (unsigned long long)operation->lane);
        return lane != NULL && lane->others == operation->count &&
               bytes_equal_text(operation->definition->name, name);
    }
    if (operation->kind == STORE_DEDUP_PUT)
        return has_key(find_shelf(model, operation->lane), operation);
    for (size_t i = 0; i < model->definition_count; i++) {
        if (model->definition_kinds[i] == operation->kind &&
            same_definition(model->definitions[i], operation->definition, false, operation->kind))
            return true;
    }
    return false;
}

static bool same_definitions(const struct model *model, const struct store_batch *batch)
{
    size_t count = model->definition_count;
    for (size_t i = 0; i < model->lane_count; i++)
        count += model->lanes[i].id == model->lanes[i].queue;
    for (size_t i = 0; i < model->shelf_count; i++)
        count += model->shelves[i].key_count;
    if (batch->count != count)
        return differ("number of definitions", 0, batch->count, count);
    for (size_t i = 0; i < batch->count; i++) {
        if (!has_definition(model, &batch->operations[i]))
            return differ("unknown definition of kind", 0, batch->operations[i].kind, 0);
    }
    return true;
}

bool model_equals(const struct model *model, const struct store_opened *opened, struct store *store,
                  uint64_t *random)
{
    return same_definitions(model, opened->definitions) && same_states(model, opened) &&
           same_values(model, opened) && model_equals_messages(model, store, random);
}

/* All that the store would give to anybody: what is wrong may be found out when it is read. */
static void read_all_of(struct store *store, struct store_read read)
{
    struct store_read_result *result;
    read.count_max = 100;
    read.bytes_max = 1 << 20;
    for (bool has_more = true; has_more && (result = store_read(store, &read)) != NULL;) {
        has_more = result->count > 0 && !result->is_complete;
        if (has_more) {
            read.due_ms = result->rows[result->count - 1].expiry_ms;
            read.first = result->rows[result->count - 1].position + 1;
        }
        store_read_result_free(result);
    }
}

static void read_everything(const struct model *model, struct store *store)
{
    for (size_t i = 0; i < model->lane_count; i++)
        read_all_of(store, (struct store_read){.lane = model->lanes[i].id,
                                               .end = end_of(&model->lanes[i])});
    for (size_t i = 0; i < model->shelf_count; i++)
        read_all_of(store,
                    (struct store_read){.kind = STORE_READ_DELAYS, .lane = model->shelves[i].id});
}

bool model_would_equal(const struct model *model, const struct store_opened *opened,
                       struct store *store, uint64_t *random)
{
    is_quiet = true;
    bool same = model_equals(model, opened, store, random);
    if (!same)
        read_everything(model, store);
    is_quiet = false;
    return same;
}

/* --- batches */

/* The same as a dead letter would be: its body is another message's. */
static struct message *with_shared_body(struct message *message)
{
    struct message *copy =
        message_readdress(message, message_exchange(message), message_routing_key(message),
                          message_properties(message));
    message_unref(message);
    return copy;
}

struct message *model_message(uint64_t *random, size_t body_bytes)
{
    uint8_t names[64];
    uint8_t *body = xmalloc(body_bytes + 1);
    for (size_t i = 0; i < sizeof names; i++)
        names[i] = (uint8_t)model_random(random);
    uint64_t word = model_random(random);
    for (size_t i = 0; i < body_bytes; i++)
        body[i] = (uint8_t)(word >> (i % 8 * 8)) ^ (uint8_t)(i / 8);
    struct message *message = message_new(
        bytes_of(names, model_below(random, 8)), bytes_of(names + 8, model_below(random, 12)),
        bytes_of(names + 20, model_below(random, 40)), bytes_of(body, body_bytes));
    message->is_persistent = model_below(random, 2) == 1;
    message->hides_bcc = word % 4 == 0;
    free(body);
    return word % 4 == 0 ? with_shared_body(message) : message;
}

static void add_definition_of(struct store_batch *batch, struct store_operation operation,
                              const char *what, const char *type)
{
    char name[40];
    snprintf(name, sizeof name, "%s %llu", what, (unsigned long long)operation.lane);
    struct store_definition definition = {.name = bytes_of_text(name), .type = bytes_of_text(type)};
    operation.definition = store_definition_copy(&definition);
    store_batch_add(batch, operation);
}

void model_add_queue_of(struct store_batch *batch, uint64_t lane, uint64_t lanes)
{
    struct store_operation put = {.kind = STORE_QUEUE_PUT, .lane = lane, .count = lanes};
    add_definition_of(batch, put, "queue", "classic");
}

void model_add_queue_delete_of(struct store_batch *batch, uint64_t lane, uint64_t lanes)
{
    struct store_operation delete = {.kind = STORE_QUEUE_DELETE, .lane = lane, .count = lanes};
    add_definition_of(batch, delete, "queue", "");
}

void model_add_queue(struct store_batch *batch, uint64_t lane)
{
    model_add_queue_of(batch, lane, 1);
}

void model_add_queue_delete(struct store_batch *batch, uint64_t lane)
{
    model_add_queue_delete_of(batch, lane, 1);
}

void model_add_shelf(struct store_batch *batch, uint64_t shelf)
{
    struct store_operation put = {.kind = STORE_EXCHANGE_PUT, .lane = shelf};
    add_definition_of(batch, put, "delayed", "x-delayed-message");
}

void model_add_shelf_delete(struct store_batch *batch, uint64_t shelf)
{
    struct store_operation delete = {.kind = STORE_EXCHANGE_DELETE, .lane = shelf};
    add_definition_of(batch, delete, "delayed", "");
}

void model_add_delay(struct store_batch *batch, uint64_t shelf, uint64_t id, uint64_t due_ms,
                     struct message *message)
{
    store_batch_add(batch, (struct store_operation){.kind = STORE_DELAY_INSERT,
                                                    .lane = shelf,
                                                    .position = id,
                                                    .expiry_ms = due_ms,
                                                    .message = message});
}

void model_add_delay_remove(struct store_batch *batch, uint64_t shelf, uint64_t id, uint64_t due_ms)
{
    store_batch_add(
        batch, (struct store_operation){
                   .kind = STORE_DELAY_REMOVE, .lane = shelf, .position = id, .expiry_ms = due_ms});
}

void model_add_key(struct store_batch *batch, uint64_t shelf, uint64_t position, const char *key)
{
    store_batch_add(batch, (struct store_operation){.kind = STORE_DEDUP_PUT,
                                                    .lane = shelf,
                                                    .position = position,
                                                    .expiry_ms = position % 3 * 5000,
                                                    .definition = store_key(bytes_of_text(key))});
}

void model_add_key_remove(struct store_batch *batch, uint64_t shelf, uint64_t position,
                          uint64_t count)
{
    store_batch_add(batch, (struct store_operation){.kind = STORE_DEDUP_REMOVE,
                                                    .lane = shelf,
                                                    .position = position,
                                                    .count = count});
}

void model_add_attempts(struct store_batch *batch, uint64_t lane, uint64_t position, uint64_t count)
{
    store_batch_add(
        batch, (struct store_operation){
                   .kind = STORE_ATTEMPTS, .lane = lane, .position = position, .count = count});
}

static void add_message(struct store_batch *batch, enum store_operation_kind kind, uint64_t lane,
                        uint64_t position, struct message *message)
{
    store_batch_add(batch, (struct store_operation){.kind = (uint8_t)kind,
                                                    .lane = lane,
                                                    .position = position,
                                                    .message = message,
                                                    .expiry_ms = position % 3 * 1000});
}

void model_add_insert(struct store_batch *batch, uint64_t lane, uint64_t position,
                      struct message *message)
{
    add_message(batch, STORE_INSERT, lane, position, message);
}

void model_add_insert_of(struct store_batch *batch, uint64_t lane, uint64_t position,
                         struct message *message, const char *value)
{
    model_add_insert(batch, lane, position, message);
    batch->operations[batch->count - 1].definition = store_key(bytes_of_text(value));
}

void model_add_spill(struct store_batch *batch, uint64_t lane, uint64_t position,
                     struct message *message)
{
    add_message(batch, STORE_SPILL, lane, position, message);
}

void model_add_spill_forget(struct store_batch *batch, uint64_t lane, uint64_t lanes)
{
    store_batch_add(
        batch, (struct store_operation){.kind = STORE_SPILL_FORGET, .lane = lane, .count = lanes});
}

void model_add_remove(struct store_batch *batch, uint64_t lane, uint64_t position, uint64_t count)
{
    store_batch_add(batch,
                    (struct store_operation){
                        .kind = STORE_REMOVE, .lane = lane, .position = position, .count = count});
}

static size_t random_body_bytes(uint64_t *random)
{
    switch (model_below(random, 12)) {
    case 0:
        return 0;
    case 1:
        return model_below(random, 3000);
    case 2:
        return model_below(random, 40) == 0 ? model_below(random, 200000) : 100;
    default:
        return 16;
    }
}

static struct model_lane *random_lane(struct model *model, uint64_t *random)
{
    if (model->lane_count == 0)
        return NULL;
    /* Few lanes get most, so that chunks fill and are left behind. */
    size_t index = model_below(random, model->lane_count);
    return &model->lanes[model_below(random, 3) > 0 ? index / 4 : index];
}

/* Size of value: 24. */
static const char *random_value(uint64_t *random, char *value)
{
    snprintf(value, 24, "%llx", (unsigned long long)model_random(random));
    return value + model_below(random, 17) % strlen(value);
}

static void add_inserts(struct model *model, struct store_batch *batch, uint64_t *random)
{
    char value[24];
    size_t count = 1 + model_below(random, 30), lanes = 1;
    size_t body_bytes = random_body_bytes(random);
    if (model_below(random, 8) == 0)
        lanes = 1 + model_below(random, 100);
    for (size_t i = 0; i < count; i++) {
        struct message *message = model_message(random, body_bytes);
        for (size_t n = 0; n < lanes; n++) {
            struct model_lane *lane = random_lane(model, random);
            uint64_t gap = model_below(random, 20) == 0 ? model_below(random, 5) : 0;
            if (lane->spilled_end > lane->end)
                gap += lane->spilled_end - lane->end;
            if (lane->id % 3 == 0 && model_below(random, 8) > 0)
                model_add_insert_of(batch, lane->id, lane->end + gap, message_ref(message),
                                    random_value(random, value));
            else
                model_add_insert(batch, lane->id, lane->end + gap, message_ref(message));
            apply(model, &batch->operations[batch->count - 1]);
        }
        message_unref(message);
    }
}

static bool is_taken(const struct model_lane *lane, uint64_t position)
{
    for (size_t i = 0; i < lane->count; i++) {
        if (lane->entries[i].position == position)
            return true;
    }
    return false;
}

/* In ascending order, also into gaps between messages that were inserted before. */
static void add_spills(struct model *model, struct store_batch *batch, uint64_t *random)
{
    struct model_lane *lane = random_lane(model, random);
    if (model_below(random, 8) == 0) {
        model_add_spill_forget(batch, lane->queue, lane->others);
        apply(model, &batch->operations[batch->count - 1]);
        return;
    }
    uint64_t position = lane->spilled_end > 0 ? lane->spilled_end : 1;
    if (model_below(random, 3) > 0)
        position = end_of(lane);
    for (size_t i = 1 + model_below(random, 30); i > 0; i--, position++) {
        while (is_taken(lane, position))
            position++;
        model_add_spill(batch, lane->id, position,
                        model_message(random, random_body_bytes(random)));
        apply(model, &batch->operations[batch->count - 1]);
    }
}

static void add_removal(struct model *model, struct store_batch *batch, uint64_t *random)
{
    struct model_lane *lane = random_lane(model, random);
    size_t index = next_entry(lane, 0);
    uint64_t first = index < lane->count ? lane->entries[index].position : lane->end;
    uint64_t count = 1 + model_below(random, 40);
    if (model_below(random, 3) == 0 && lane->end > first)
        first += model_below(random, lane->end - first);
    if (model_below(random, 60) == 0)
        count = lane->end;
    if (model_below(random, 30) == 0)
        first = model_below(random, first + 1);
    model_add_remove(batch, lane->id, first, count);
    apply(model, &batch->operations[batch->count - 1]);
}

static void add_delivered(struct model *model, struct store_batch *batch, uint64_t *random)
{
    struct model_lane *lane = random_lane(model, random);
    store_batch_add(batch,
                    (struct store_operation){.kind = STORE_DELIVERED,
                                             .lane = lane->id,
                                             .position = model_below(random, lane->end + 9)});
}

static void add_definition(struct store_batch *batch, uint64_t *random)
{
    static const uint8_t kinds[] = {STORE_EXCHANGE_PUT, STORE_EXCHANGE_DELETE, STORE_BINDING_PUT,
                                    STORE_BINDING_DELETE};
    char name[24];
    uint8_t kind = kinds[model_below(random, 4)];
    bool is_binding = kind == STORE_BINDING_PUT || kind == STORE_BINDING_DELETE;
    snprintf(name, sizeof name, "exchange %u", (unsigned)model_below(random, 6));
    struct store_definition definition = {
        .name = bytes_of_text(name),
        .type = bytes_of_text(is_binding               ? ""
                              : model_below(random, 2) ? "topic"
                                                       : "direct"),
        .destination = bytes_of_text(is_binding ? "queue 3" : ""),
        .routing_key = bytes_of_text(is_binding && model_below(random, 2) ? "a.b" : ""),
        .destination_is_exchange = is_binding && model_below(random, 2),
        .internal = !is_binding && model_below(random, 2),
    };
    store_batch_add(batch, (struct store_operation){
                               .kind = kind, .definition = store_definition_copy(&definition)});
}

static void add_attempts(struct model *model, struct store_batch *batch, uint64_t *random)
{
    struct model_lane *lane = random_lane(model, random);
    size_t index = lane->count > 0 ? model_below(random, lane->count) : 0;
    for (size_t i = model_below(random, 6); i > 0; i--) {
        index = next_entry(lane, index);
        if (index == lane->count)
            return;
        uint64_t count = 1 + model_below(random, model_below(random, 9) == 0 ? UINT16_MAX : 20);
        if (!lane->entries[index].is_spilled) { /* quorum queues spill nothing */
            model_add_attempts(batch, lane->id, lane->entries[index].position, count);
            apply(model, &batch->operations[batch->count - 1]);
        }
        index++;
    }
}

static void apply_last(struct model *model, const struct store_batch *batch)
{
    apply(model, &batch->operations[batch->count - 1]);
}

static void add_random_delays(struct model *model, struct store_batch *batch,
                              struct model_shelf *shelf, uint64_t *random)
{
    size_t count = 1 + model_below(random, 12);
    for (size_t i = 0; i < count; i++) {
        uint64_t due_ms = 1000 + model_below(random, model_below(random, 2) ? 5 : 1000000);
        model_add_delay(batch, shelf->id, shelf->end + model_below(random, 3), due_ms,
                        model_message(random, random_body_bytes(random)));
        apply_last(model, batch);
    }
}

static void remove_random_delays(struct model *model, struct store_batch *batch,
                                 struct model_shelf *shelf, uint64_t *random)
{
    for (size_t i = model_below(random, 14); i > 0 && shelf->count > 0; i--) {
        size_t index = model_below(random, 4) == 0 ? model_below(random, shelf->count) : 0;
        model_add_delay_remove(batch, shelf->id, shelf->delays[index].position,
                               shelf->delays[index].expiry_ms);
        apply_last(model, batch);
    }
}

static void add_random_keys(struct model *model, struct store_batch *batch,
                            struct model_shelf *shelf, uint64_t *random)
{
    char key[24];
    for (size_t i = model_below(random, 8); i > 0; i--) {
        model_add_key(batch, shelf->id, shelf->end, random_value(random, key));
        apply_last(model, batch);
    }
    if (shelf->key_count > 5) {
        uint64_t first = shelf->keys[model_below(random, 3)].position;
        model_add_key_remove(batch, shelf->id, first, 1 + model_below(random, 9));
        apply_last(model, batch);
    }
}

/* What exchanges keep. */
static void add_random_kept(struct model *model, struct store_batch *batch, uint64_t *random)
{
    uint64_t choice = model_below(random, 40);
    if (model->shelf_count == 0 || choice == 0) {
        model_add_shelf(batch, model->lane_next);
        apply_last(model, batch);
        return;
    }
    struct model_shelf *shelf = &model->shelves[model_below(random, model->shelf_count)];
    if (choice == 1 && model->shelf_count > 2) {
        model_add_shelf_delete(batch, shelf->id);
        apply_last(model, batch);
    } else if (choice < 18) {
        add_random_delays(model, batch, shelf, random);
    } else if (choice < 32) {
        remove_random_delays(model, batch, shelf, random);
    } else {
        add_random_keys(model, batch, shelf, random);
    }
}

static void add_random_queue(struct model *model, struct store_batch *batch, uint64_t *random)
{
    uint64_t lanes = model_below(random, 3) > 0 ? 1 : 1 + model_below(random, 10);
    model_add_queue_of(batch, model->lane_next, lanes);
    apply_last(model, batch);
}

static void add_random(struct model *model, struct store_batch *batch, uint64_t *random)
{
    uint64_t choice = model_below(random, 110);
    if (model->has_spills && model->lane_count > 0 && model_below(random, 4) == 0) {
        add_spills(model, batch, random);
    } else if (model->lane_count == 0 || choice < 3) {
        add_random_queue(model, batch, random);
    } else if (choice < 5 && model->lane_count > 6) {
        const struct model_lane *lane = random_lane(model, random);
        model_add_queue_delete_of(batch, lane->queue, lane->others);
        apply_last(model, batch);
    } else if (choice < 8) {
        add_definition(batch, random);
    } else if (choice < 12) {
        add_delivered(model, batch, random);
    } else if (choice < 15) {
        add_attempts(model, batch, random);
    } else if (choice < 55) {
        add_inserts(model, batch, random);
    } else if (choice < 98) {
        add_removal(model, batch, random);
    } else {
        add_random_kept(model, batch, random);
    }
}

struct store_batch *model_random_batch(const struct model *model, uint64_t *random,
                                       size_t operations)
{
    struct model *copy = model_copy(model);
    struct store_batch *batch = store_batch_new(2);
    batch->time_ms = 1700000000000 + model_below(random, 1000000);
    for (size_t i = 0; i < operations; i++)
        add_random(copy, batch, random);
    model_free(copy);
    return batch;
}

/* --- folders */

char *model_folder_new(void)
{
    const char *parent = getenv("TMPDIR");
    struct buffer path = {0};
    buffer_append_format(&path, "%s/leveret-store-XXXXXX", parent != NULL ? parent : "/tmp");
    buffer_append_u8(&path, 0);
    CHECK(mkdtemp((char *)path.data) != NULL);
    return (char *)path.data;
}

static void for_each_file(const char *folder,
                          void (*visit)(const char *path, const char *name, const char *context),
                          const char *context)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;
    char path[4200];
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        visit(path, entry->d_name, context);
    }
    closedir(directory);
}

static void remove_file(const char *path, const char *name, const char *context)
{
    (void)name, (void)context;
    unlink(path);
}

void model_folder_free(char *folder)
{
    for_each_file(folder, remove_file, NULL);
    rmdir(folder);
    free(folder);
}

static void copy_file(const char *path, const char *name, const char *folder)
{
    char target[4200], block[65536];
    size_t size;
    snprintf(target, sizeof target, "%s/%s", folder, name);
    FILE *from = fopen(path, "rb"), *to = fopen(target, "wb");
    CHECK(from != NULL && to != NULL);
    while ((size = fread(block, 1, sizeof block, from)) > 0)
        CHECK(fwrite(block, 1, size, to) == size);
    fclose(from);
    CHECK(fclose(to) == 0);
}

void model_folder_copy(const char *from, const char *to)
{
    for_each_file(from, copy_file, to);
}
