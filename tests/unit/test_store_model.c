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

static void clear_lane(struct model_lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        message_unref(lane->entries[i].message);
    free(lane->entries);
    *lane = (struct model_lane){0};
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->lane_count; i++)
        clear_lane(&model->lanes[i]);
    for (size_t i = 0; i < model->definition_count; i++)
        free(model->definitions[i]);
    free(model->lanes);
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

static struct model_lane *add_lane(struct model *model, uint64_t id)
{
    model->lanes =
        xgrow(model->lanes, &model->lane_capacity, model->lane_count + 1, sizeof *model->lanes);
    struct model_lane *lane = &model->lanes[model->lane_count++];
    *lane = (struct model_lane){.id = id, .end = 1};
    if (id >= model->lane_next)
        model->lane_next = id + 1;
    return lane;
}

static void add_entry(struct model_lane *lane, struct model_entry entry)
{
    lane->entries = xgrow(lane->entries, &lane->capacity, lane->count + 1, sizeof *lane->entries);
    lane->entries[lane->count++] = entry;
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
        entry->message = NULL;
    }
}

static void delete_lane(struct model *model, uint64_t id)
{
    struct model_lane *lane = need_lane(model, id);
    clear_lane(lane);
    *lane = model->lanes[--model->lane_count];
}

static void apply(struct model *model, const struct store_operation *operation)
{
    struct model_lane *lane;
    switch (operation->kind) {
    case STORE_EXCHANGE_PUT:
    case STORE_BINDING_PUT:
        put_definition(model, operation->kind, operation->definition);
        break;
    case STORE_EXCHANGE_DELETE:
        delete_definition(model, STORE_EXCHANGE_PUT, operation->definition);
        break;
    case STORE_BINDING_DELETE:
        delete_definition(model, STORE_BINDING_PUT, operation->definition);
        break;
    case STORE_QUEUE_PUT:
        add_lane(model, operation->lane);
        break;
    case STORE_QUEUE_DELETE:
        delete_lane(model, operation->lane);
        break;
    case STORE_INSERT:
        lane = need_lane(model, operation->lane);
        add_entry(lane, (struct model_entry){operation->position, operation->expiry_ms,
                                             message_ref(operation->message)});
        lane->end = operation->position + 1;
        break;
    case STORE_REMOVE:
        remove_range(need_lane(model, operation->lane), operation->position, operation->count);
        break;
    case STORE_DELIVERED:
        need_lane(model, operation->lane)->delivered_below = operation->position;
        break;
    default:
        break;
    }
}

void model_apply(struct model *model, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        apply(model, &batch->operations[i]);
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = model_new();
    copy->lane_next = model->lane_next;
    for (size_t i = 0; i < model->lane_count; i++) {
        const struct model_lane *from = &model->lanes[i];
        struct model_lane *lane = add_lane(copy, from->id);
        lane->end = from->end;
        lane->delivered_below = from->delivered_below;
        for (size_t n = 0; n < from->count; n++) {
            add_entry(lane, from->entries[n]);
            if (from->entries[n].message != NULL)
                message_ref(from->entries[n].message);
        }
    }
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
    return a->is_persistent == b->is_persistent &&
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
    }
    return true;
}

/* Reads all of a lane in requests of random size. */
static bool same_messages(const struct model_lane *lane, struct store *store, uint64_t *random)
{
    size_t index = 0;
    uint64_t first = 0;
    for (;;) {
        struct store_read read = {.lane = lane->id,
                                  .first = first,
                                  .end = lane->end,
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

bool model_equals_messages(const struct model *model, struct store *store, uint64_t *random)
{
    for (size_t i = 0; i < model->lane_count; i++) {
        if (!same_messages(&model->lanes[i], store, random))
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

static bool same_states(const struct model *model, const struct store_opened *opened)
{
    if (opened->lane_count != model->lane_count)
        return differ("number of lanes", 0, opened->lane_count, model->lane_count);
    if (opened->lane_next != model->lane_next)
        return differ("lane_next", 0, opened->lane_next, model->lane_next);
    for (size_t i = 0; i < opened->lane_count; i++) {
        const struct model_lane *lane = find_lane(model, opened->lanes[i].lane);
        if (lane == NULL)
            return differ("an unknown lane", opened->lanes[i].lane, 1, 0);
        if (!same_state(lane, &opened->lanes[i]))
            return false;
    }
    return true;
}

static bool has_definition(const struct model *model, const struct store_operation *operation)
{
    if (operation->kind == STORE_QUEUE_PUT) {
        char name[40];
        snprintf(name, sizeof name, "queue %llu", (unsigned long long)operation->lane);
        return find_lane(model, operation->lane) != NULL &&
               bytes_equal_text(operation->definition->name, name);
    }
    for (size_t i = 0; i < model->definition_count; i++) {
        if (model->definition_kinds[i] == operation->kind &&
            same_definition(model->definitions[i], operation->definition, false, operation->kind))
            return true;
    }
    return false;
}

static bool same_definitions(const struct model *model, const struct store_batch *batch)
{
    if (batch->count != model->definition_count + model->lane_count)
        return differ("number of definitions", 0, batch->count,
                      model->definition_count + model->lane_count);
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
           model_equals_messages(model, store, random);
}

bool model_would_equal(const struct model *model, const struct store_opened *opened,
                       struct store *store, uint64_t *random)
{
    is_quiet = true;
    bool same = model_equals(model, opened, store, random);
    is_quiet = false;
    return same;
}

/* --- batches */

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
    free(body);
    return message;
}

static void add_queue_operation(struct store_batch *batch, uint64_t lane, uint8_t kind)
{
    char name[40];
    snprintf(name, sizeof name, "queue %llu", (unsigned long long)lane);
    struct store_definition definition = {.name = bytes_of_text(name),
                                          .type = bytes_of_text("classic")};
    store_batch_add(batch,
                    (struct store_operation){.kind = kind,
                                             .lane = lane,
                                             .count = 1,
                                             .definition = store_definition_copy(&definition)});
}

void model_add_queue(struct store_batch *batch, uint64_t lane)
{
    add_queue_operation(batch, lane, STORE_QUEUE_PUT);
}

void model_add_queue_delete(struct store_batch *batch, uint64_t lane)
{
    add_queue_operation(batch, lane, STORE_QUEUE_DELETE);
}

void model_add_insert(struct store_batch *batch, uint64_t lane, uint64_t position,
                      struct message *message)
{
    store_batch_add(batch, (struct store_operation){.kind = STORE_INSERT,
                                                    .lane = lane,
                                                    .position = position,
                                                    .message = message,
                                                    .expiry_ms = position % 3 * 1000});
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

static void add_inserts(struct model *model, struct store_batch *batch, uint64_t *random)
{
    size_t count = 1 + model_below(random, 30), lanes = 1;
    size_t body_bytes = random_body_bytes(random);
    if (model_below(random, 8) == 0)
        lanes = 1 + model_below(random, 100);
    for (size_t i = 0; i < count; i++) {
        struct message *message = model_message(random, body_bytes);
        for (size_t n = 0; n < lanes; n++) {
            struct model_lane *lane = random_lane(model, random);
            uint64_t gap = model_below(random, 20) == 0 ? model_below(random, 5) : 0;
            model_add_insert(batch, lane->id, lane->end + gap, message_ref(message));
            apply(model, &batch->operations[batch->count - 1]);
        }
        message_unref(message);
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

static void add_random(struct model *model, struct store_batch *batch, uint64_t *random)
{
    uint64_t choice = model_below(random, 100);
    if (model->lane_count == 0 || choice < 3) {
        model_add_queue(batch, model->lane_next);
        apply(model, &batch->operations[batch->count - 1]);
    } else if (choice < 5 && model->lane_count > 6) {
        model_add_queue_delete(batch, random_lane(model, random)->id);
        apply(model, &batch->operations[batch->count - 1]);
    } else if (choice < 8) {
        add_definition(batch, random);
    } else if (choice < 12) {
        add_delivered(model, batch, random);
    } else if (choice < 55) {
        add_inserts(model, batch, random);
    } else {
        add_removal(model, batch, random);
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
