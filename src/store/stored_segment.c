/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every segment counts the references to its records: how many there were, how many are left. When
 * none is left its row can be deleted; when few are left it is worth moving them. The counts of
 * GROUP_SEGMENTS segments share a row, written when the journal is shortened.
 *
 * A group's row holds everything up to its batch (as_of); what the journal says of it after that is
 * applied again when the store is opened. A row that is gone by then leaves the journal with
 * releases of segments that are not known; the deletion that follows each of them sets both counts
 * to zero, so that counts are only looked at when the whole journal has been read.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/store_internal.h"

static bool is_group(const struct hash_node *node, const void *key)
{
    return container_of(node, struct segment_group, by_id)->id == *(const uint64_t *)key;
}

void segment_table_init(struct segment_table *table)
{
    *table = (struct segment_table){0};
    hash_table_init(&table->groups);
    list_init(&table->dirty);
}

static void free_group(struct segment_table *table, struct segment_group *group)
{
    if (table->last == group)
        table->last = NULL;
    list_remove(&group->node);
    hash_table_remove(&table->groups, &group->by_id);
    free(group);
}

void segment_table_fini(struct segment_table *table)
{
    struct hash_node *node = hash_table_next(&table->groups, NULL);
    while (node != NULL) {
        struct hash_node *next = hash_table_next(&table->groups, node);
        free_group(table, container_of(node, struct segment_group, by_id));
        node = next;
    }
    hash_table_fini(&table->groups);
    free(table->empty.ids);
    free(table->sparse.ids);
    segment_table_init(table);
}

static struct segment_group *find_group(struct segment_table *table, uint64_t id)
{
    if (table->last != NULL && table->last->id == id)
        return table->last;
    struct hash_node *node = hash_table_find(&table->groups, hash_u64(id), is_group, &id);
    if (node == NULL)
        return NULL;
    table->last = container_of(node, struct segment_group, by_id);
    return table->last;
}

static struct segment_group *need_group(struct segment_table *table, uint64_t id)
{
    struct segment_group *group = find_group(table, id);
    if (group != NULL)
        return group;
    group = xcalloc(1, sizeof *group);
    group->id = id;
    list_node_init(&group->node);
    hash_table_insert(&table->groups, &group->by_id, hash_u64(id));
    return group;
}

static void list_add(struct segment_list *list, uint64_t id)
{
    if (list->first > 64 && list->first * 2 > list->count) {
        memmove(list->ids, list->ids + list->first,
                (list->count - list->first) * sizeof *list->ids);
        list->count -= list->first;
        list->first = 0;
    }
    list->ids = xgrow(list->ids, &list->capacity, list->count + 1, sizeof *list->ids);
    list->ids[list->count++] = id;
}

size_t segment_list_count(const struct segment_list *list)
{
    return list->count - list->first;
}

uint64_t segment_list_pop(struct segment_list *list)
{
    return list->first < list->count ? list->ids[list->first++] : 0;
}

/* The counts to change, or NULL where the row holds the change already (replay). */
static struct segment_count *change(struct store *store, uint64_t segment, uint64_t batch,
                                    struct segment_group **group)
{
    *group = need_group(&store->segments, segment / GROUP_SEGMENTS);
    if (batch <= (*group)->as_of)
        return NULL;
    if ((*group)->dirty_since == 0) {
        (*group)->dirty_since = batch;
        list_push_back(&store->segments.dirty, &(*group)->node);
    }
    return &(*group)->counts[segment % GROUP_SEGMENTS];
}

static bool is_sparse(int64_t live, int64_t total)
{
    return live > 0 && live * 4 < total;
}

static void list_if_idle(struct segment_table *table, uint64_t segment, int64_t live_before,
                         const struct segment_count *count)
{
    if (count->live == 0)
        list_add(&table->empty, segment);
    else if (is_sparse(count->live, count->total) && !is_sparse(live_before, count->total))
        list_add(&table->sparse, segment);
}

void segment_created(struct store *store, uint64_t segment, uint32_t references, uint64_t batch)
{
    struct segment_group *group;
    struct segment_count *count = change(store, segment, batch, &group);
    if (count == NULL)
        return;
    *count = (struct segment_count){references, (int32_t)references};
    group->used++;
    store->segments.rows++;
    store->segments.live += references;
    store->segments.total += references;
}

void segment_released(struct store *store, uint64_t segment, uint32_t references, uint64_t batch)
{
    struct segment_group *group;
    struct segment_count *count = change(store, segment, batch, &group);
    if (count == NULL)
        return;
    int64_t live_before = count->live;
    count->live -= (int32_t)references;
    store->segments.live -= references;
    if (store->is_replaying)
        return;
    if (count->live < 0 || count->total == 0)
        store_note_damage(store, "impossible count of segment %llu", (unsigned long long)segment);
    else
        list_if_idle(&store->segments, segment, live_before, count);
}

void segment_deleted(struct store *store, uint64_t segment, uint64_t batch)
{
    struct segment_group *group;
    struct segment_count *count = change(store, segment, batch, &group);
    if (count == NULL)
        return;
    store->segments.live -= (uint64_t)(int64_t)count->live;
    store->segments.total -= count->total;
    if (count->total > 0) {
        group->used--;
        store->segments.rows--;
    }
    *count = (struct segment_count){0, 0};
}

struct segment_count segment_count_of(struct store *store, uint64_t segment)
{
    struct segment_group *group = find_group(&store->segments, segment / GROUP_SEGMENTS);
    return group != NULL ? group->counts[segment % GROUP_SEGMENTS] : (struct segment_count){0, 0};
}

/* --- rows */

static void encode(struct buffer *row, const struct segment_group *group)
{
    row_begin(row);
    buffer_append_varint(row, group->as_of);
    for (size_t i = 0; i < GROUP_SEGMENTS; i++) {
        buffer_append_varint(row, group->counts[i].total);
        if (group->counts[i].total > 0)
            buffer_append_varint(row, (uint64_t)group->counts[i].live);
    }
    row_seal(row, ROW_GROUP, group->id, 0);
}

bool segment_group_write(struct store *store, struct segment_group *group)
{
    bool succeeded = true;
    if (group->used > 0) {
        group->as_of = store->batch;
        encode(&store->row, group);
        succeeded = store_put(store, SQL_GROUP_PUT, group->id, &store->row);
    } else if (group->is_on_disk) {
        succeeded = store_delete(store, SQL_GROUP_DELETE, group->id);
    }
    group->is_on_disk = group->used > 0;
    group->dirty_since = 0;
    list_remove(&group->node);
    if (!group->is_on_disk)
        free_group(&store->segments, group);
    return succeeded;
}

bool segment_group_read(struct store *store, uint64_t id, struct bytes row)
{
    struct reader reader;
    if (!row_open(row, ROW_GROUP, id, 0, &reader))
        return false;
    struct segment_group *group = need_group(&store->segments, id);
    group->is_on_disk = true;
    group->as_of = reader_varint(&reader);
    for (size_t i = 0; i < GROUP_SEGMENTS; i++) {
        struct segment_count *count = &group->counts[i];
        count->total = (uint32_t)reader_varint(&reader);
        if (count->total == 0)
            continue;
        count->live = (int32_t)reader_varint(&reader);
        group->used++;
        store->segments.rows++;
        store->segments.live += (uint64_t)(int64_t)count->live;
        store->segments.total += count->total;
    }
    return !reader.failed;
}

static bool check_group(struct store *store, const struct segment_group *group)
{
    for (size_t i = 0; i < GROUP_SEGMENTS; i++) {
        const struct segment_count *count = &group->counts[i];
        uint64_t segment = group->id * GROUP_SEGMENTS + i;
        if (count->live < 0 || (uint32_t)count->live > count->total ||
            (count->total > 0 && segment >= store->head.segment_next))
            return store_note_damage(store, "impossible count of segment %llu",
                                     (unsigned long long)segment);
        if (count->total > 0)
            list_if_idle(&store->segments, segment, count->total, count);
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

bool segment_table_check(struct store *store)
{
    struct segment_table *table = &store->segments;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&table->groups, node)) != NULL) {
        if (!check_group(store, container_of(node, struct segment_group, by_id)))
            return false;
    }
    if (table->empty.count > 0)
        qsort(table->empty.ids, table->empty.count, sizeof *table->empty.ids, compare_ids);
    if (table->sparse.count > 0)
        qsort(table->sparse.ids, table->sparse.count, sizeof *table->sparse.ids, compare_ids);
    return true;
}
