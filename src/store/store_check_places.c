/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offline check, its large part: every lane says where its messages are, in which segment and
 * at which offset; there must be a record there that names the lane and the position as an owner,
 * and a segment must have as many of these places as its count says.
 *
 * Lanes are read one after the other, segments too, and the two orders have nothing in common. So
 * the lanes are read once to count the places of each segment, and then once for each window of
 * segments that have at most so many runs of places between them: these are sorted, and the
 * segments of the window are read beside them. A long queue that was filled in order has a run for
 * each segment and needs one window; the worst case, a run for each message, takes a window for
 * half a million messages, and memory for so many.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "store/store_check_internal.h"

typedef unsigned long long number;

enum { places_default = 512 << 10 };

/* Of GROUP_SEGMENTS segments: what the lanes say. */
struct tally {
    struct hash_node by_id;
    uint64_t id;
    uint32_t live[GROUP_SEGMENTS]; /* messages */
    uint32_t runs[GROUP_SEGMENTS];
};

struct walk {
    struct checking *checking;
    struct stored_lane *lane;
    size_t next_chunk; /* in memory */
    uint64_t rows, count, bytes, first, end;
    struct hash_table tallies;  /* the first time */
    uint64_t window_first;      /* of segments, after that */
    uint64_t window_last;       /* inclusive */
    struct check_place *places; /* owned */
    size_t place_count, place_capacity;
    bool is_counting; /* the first time */
};

/* --- the runs of the lanes */

static bool is_tally(const struct hash_node *node, const void *key)
{
    return container_of(node, struct tally, by_id)->id == *(const uint64_t *)key;
}

static struct tally *need_tally(struct hash_table *tallies, uint64_t id)
{
    struct hash_node *node = hash_table_find(tallies, hash_u64(id), is_tally, &id);
    if (node != NULL)
        return container_of(node, struct tally, by_id);
    struct tally *tally = xcalloc(1, sizeof *tally);
    tally->id = id;
    hash_table_insert(tallies, &tally->by_id, hash_u64(id));
    return tally;
}

static void count_run(struct walk *walk, const struct run *run)
{
    struct tally *tally = need_tally(&walk->tallies, run->segment / GROUP_SEGMENTS);
    tally->live[run->segment % GROUP_SEGMENTS] += run->count;
    tally->runs[run->segment % GROUP_SEGMENTS]++;
    if (run->position < walk->end)
        check_fault(walk->checking, "lane %llu: two messages have position %llu",
                    (number)walk->lane->id, (number)run->position);
    if (walk->count == 0)
        walk->first = run->position;
    walk->end = run_end(run);
    walk->count += run->count;
    walk->bytes += (uint64_t)run->count * run->body_bytes;
}

static void keep_place(struct walk *walk, const struct run *run)
{
    walk->places =
        xgrow(walk->places, &walk->place_capacity, walk->place_count + 1, sizeof *walk->places);
    walk->places[walk->place_count++] = (struct check_place){walk->lane->id, *run};
}

static bool take_run(void *context, const struct run *run)
{
    struct walk *walk = context;
    if (walk->is_counting)
        count_run(walk, run);
    else if (run->segment >= walk->window_first && run->segment <= walk->window_last)
        keep_place(walk, run);
    return true;
}

/* Those in memory whose key is below. */
static void take_memory(struct walk *walk, uint64_t key)
{
    const struct stored_lane *lane = walk->lane;
    while (walk->next_chunk < lane->chunk_count && lane->chunks[walk->next_chunk].key < key)
        chunk_visit(&lane->chunks[walk->next_chunk++], take_run, walk);
}

static void take_row(struct checking *checking, sqlite3_stmt *row, void *context)
{
    struct walk *walk = context;
    struct chunk chunk;
    uint64_t key = (uint64_t)sqlite3_column_int64(row, 0);
    (void)checking;
    walk->rows++;
    take_memory(walk, key);
    if (stored_lane_has_chunk(walk->lane, key) ||
        !chunk_decode(walk->lane->id, key, column_bytes(row, 1), &chunk))
        return; /* what cannot be decoded is a fault already */
    chunk_visit(&chunk, take_run, walk);
    free(chunk.runs);
}

/* The rows that the lane counts, and those in memory that it does not hold yet. */
static void compare_lane(struct walk *walk)
{
    const struct stored_lane *lane = walk->lane;
    struct checking *checking = walk->checking;
    number id = lane->id;
    if (walk->rows != lane->disk_chunks)
        check_fault(checking, "lane %llu has %llu rows of places, its row says %llu", id,
                    (number)walk->rows, (number)lane->disk_chunks);
    if (walk->count != lane->state.count)
        check_fault(checking, "lane %llu has %llu messages, its row says %llu", id,
                    (number)walk->count, (number)lane->state.count);
    if (walk->bytes != lane->state.bytes)
        check_fault(checking, "lane %llu has %llu bytes, its row says %llu", id,
                    (number)walk->bytes, (number)lane->state.bytes);
    if (lane->state.first > lane->state.end || walk->end > lane->state.end ||
        (walk->count > 0 && walk->first < lane->state.first))
        check_fault(checking,
                    "lane %llu has positions from %llu to below %llu, its row says %llu and %llu",
                    id, (number)walk->first, (number)walk->end, (number)lane->state.first,
                    (number)lane->state.end);
    if (lane->as_of > checking->store->batch)
        check_fault(checking, "lane %llu knows of batch %llu, the last one is %llu", id,
                    (number)lane->as_of, (number)checking->store->batch);
    checking->check->messages += walk->count;
    checking->check->message_bytes += walk->bytes;
}

static void walk_lane(struct walk *walk, sqlite3_stmt *select)
{
    walk->next_chunk = 0;
    walk->rows = walk->count = walk->bytes = walk->first = walk->end = 0;
    sqlite3_bind_int64(select, 1, (int64_t)walk->lane->id);
    check_step_all(walk->checking, "places", select, take_row, walk);
    take_memory(walk, UINT64_MAX);
    if (walk->is_counting)
        compare_lane(walk);
}

static void walk_lanes(struct walk *walk)
{
    struct store *store = walk->checking->store;
    struct hash_node *node = NULL;
    sqlite3_stmt *select = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT key, data FROM lane_chunk WHERE lane=? ORDER BY key",
                           -1, &select, NULL) != SQLITE_OK)
        check_fault(walk->checking, "places: %s", sqlite3_errmsg(store->db));
    while (select != NULL && (node = hash_table_next(&store->lanes, node)) != NULL) {
        walk->lane = container_of(node, struct stored_lane, by_id);
        walk_lane(walk, select);
    }
    sqlite3_finalize(select);
}

/* --- the counts of the segments */

static void look_for_stray(struct checking *checking, sqlite3_stmt *row)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    check_fault(checking, "places of lane %llu, which is not there", (number)id);
}

static void compare_count(struct checking *checking, uint64_t segment, uint32_t places)
{
    struct segment_count count = segment_count_of(checking->store, segment);
    if (count.total == 0 && places > 0)
        check_fault(checking, "segment %llu is not there, and %lu messages are in it",
                    (number)segment, (unsigned long)places);
    else if (count.live < 0 || (uint32_t)count.live != places)
        check_fault(checking, "segment %llu holds %lu messages, its count says %ld",
                    (number)segment, (unsigned long)places, (long)count.live);
}

static void compare_counts(struct walk *walk)
{
    struct checking *checking = walk->checking;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&checking->store->segments.groups, node)) != NULL)
        need_tally(&walk->tallies, container_of(node, struct segment_group, by_id)->id);
    while ((node = hash_table_next(&walk->tallies, node)) != NULL) {
        const struct tally *tally = container_of(node, struct tally, by_id);
        for (uint64_t i = 0; i < GROUP_SEGMENTS; i++)
            compare_count(checking, tally->id * GROUP_SEGMENTS + i, tally->live[i]);
    }
}

/* --- a segment and what is in it */

struct found_record {
    uint32_t offset;
    struct record record;
};

struct opened_segment {
    uint64_t id;
    struct bytes data;
    struct found_record *records; /* owned */
    size_t count, capacity;
    uint64_t owners;
};

static bool open_records(struct checking *checking, struct opened_segment *segment)
{
    size_t offset = 0;
    while (offset < segment->data.size) {
        struct bytes rest = bytes_of(segment->data.data + offset, segment->data.size - offset);
        segment->records = xgrow(segment->records, &segment->capacity, segment->count + 1,
                                 sizeof *segment->records);
        struct found_record *found = &segment->records[segment->count];
        found->offset = (uint32_t)offset;
        if (!record_open(rest, &found->record)) {
            check_fault(checking, "segment %llu: the message at offset %zu: its checksum is wrong",
                        (number)segment->id, offset);
            return false;
        }
        segment->count++;
        segment->owners += found->record.owner_count;
        offset += found->record.record_bytes;
    }
    checking->check->records += segment->count;
    checking->check->record_bytes += segment->data.size;
    return true;
}

static bool owns(const struct opened_segment *segment, const struct found_record *found,
                 uint64_t lane, uint64_t position)
{
    for (uint32_t i = 0; i < found->record.owner_count; i++) {
        struct record_owner owner = record_owner_at(segment->data.data + found->offset, i);
        if (owner.lane == lane && owner.position == position)
            return true;
    }
    return false;
}

static uint32_t body_bytes(const struct record *record)
{
    return record->record_bytes - (uint32_t)sizeof *record -
           record->owner_count * (uint32_t)sizeof(struct record_owner) - record->properties_size -
           record->exchange_size - record->routing_key_size;
}

/* The record at the offset; count where there is none. */
static size_t find_record(const struct opened_segment *segment, uint32_t offset)
{
    size_t low = 0, high = segment->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->records[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < segment->count && segment->records[low].offset == offset ? low : segment->count;
}

static void look_at_place(struct checking *checking, const struct opened_segment *segment,
                          const struct check_place *place)
{
    const struct run *run = &place->run;
    size_t index = find_record(segment, run->offset);
    for (uint32_t i = 0; i < run->count; i++, index++) {
        uint64_t offset = run->offset + (uint64_t)i * run->record_bytes;
        const struct found_record *found = &segment->records[index];
        if (index < segment->count && found->offset == offset &&
            found->record.record_bytes == run->record_bytes &&
            body_bytes(&found->record) == run->body_bytes &&
            owns(segment, found, place->lane, run->position + i))
            continue;
        check_fault(checking,
                    "lane %llu: the message at position %llu is not in segment %llu "
                    "at offset %llu",
                    (number)place->lane, (number)(run->position + i), (number)segment->id,
                    (number)offset);
        return; /* one for a run */
    }
}

void check_segment(struct checking *checking, uint64_t id, struct bytes data,
                   const struct check_place *places, size_t place_count)
{
    struct opened_segment segment = {.id = id, .data = data};
    checking->check->segments++;
    if (open_records(checking, &segment)) {
        uint32_t total = segment_count_of(checking->store, id).total;
        if (checking->check->is_compared && total != segment.owners)
            check_fault(checking, "segment %llu has %llu owners of messages, its count says %lu",
                        (number)id, (number)segment.owners, (unsigned long)total);
        for (size_t i = 0; i < place_count; i++)
            look_at_place(checking, &segment, &places[i]);
    }
    free(segment.records);
}

/* --- a window of segments beside the places in them */

struct meeting {
    struct walk *walk;
    size_t next; /* place */
};

static int compare_places(const void *a, const void *b)
{
    const struct run *left = &((const struct check_place *)a)->run,
                     *right = &((const struct check_place *)b)->run;
    return (left->segment > right->segment) - (left->segment < right->segment);
}

/* Places in segments below one that was read. */
static void tell_missing(struct meeting *meeting, uint64_t segment)
{
    struct walk *walk = meeting->walk;
    uint64_t told = 0;
    for (; meeting->next < walk->place_count && walk->places[meeting->next].run.segment < segment;
         meeting->next++) {
        const struct check_place *place = &walk->places[meeting->next];
        if (place->run.segment == told)
            continue;
        told = place->run.segment;
        check_fault(walk->checking, "segment %llu is missing, with position %llu of lane %llu",
                    (number)told, (number)place->run.position, (number)place->lane);
    }
}

static void meet_segment(struct checking *checking, sqlite3_stmt *row, void *context)
{
    struct meeting *meeting = context;
    const struct walk *walk = meeting->walk;
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    tell_missing(meeting, id);
    size_t first = meeting->next;
    while (meeting->next < walk->place_count && walk->places[meeting->next].run.segment == id)
        meeting->next++;
    const struct check_place *places = walk->place_count > 0 ? walk->places + first : NULL;
    check_segment(checking, id, column_bytes(row, 1), places, meeting->next - first);
}

static void check_window(struct walk *walk)
{
    sqlite3 *db = walk->checking->store->db;
    struct meeting meeting = {.walk = walk};
    sqlite3_stmt *select = NULL;
    walk->place_count = 0;
    walk_lanes(walk);
    if (walk->place_count > 0)
        qsort(walk->places, walk->place_count, sizeof *walk->places, compare_places);
    if (sqlite3_prepare_v2(db, "SELECT id, data FROM segment WHERE id>=? AND id<=? ORDER BY id", -1,
                           &select, NULL) != SQLITE_OK) {
        check_fault(walk->checking, "segments: %s", sqlite3_errmsg(db));
        return;
    }
    sqlite3_bind_int64(select, 1, (int64_t)walk->window_first);
    sqlite3_bind_int64(select, 2, (int64_t)walk->window_last);
    check_step_all(walk->checking, "segments", select, meet_segment, &meeting);
    tell_missing(&meeting, UINT64_MAX);
    sqlite3_finalize(select);
}

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *left = *(struct tally *const *)a, *right = *(struct tally *const *)b;
    return (left->id > right->id) - (left->id < right->id);
}

static uint64_t run_count(const struct tally *tally)
{
    uint64_t runs = 0;
    for (size_t i = 0; i < GROUP_SEGMENTS; i++)
        runs += tally->runs[i];
    return runs;
}

static void check_windows(struct walk *walk)
{
    size_t count = 0;
    struct tally **tallies = xcalloc(walk->tallies.count + 1, sizeof(struct tally *));
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&walk->tallies, node)) != NULL)
        tallies[count++] = container_of(node, struct tally, by_id);
    qsort(tallies, count, sizeof(struct tally *), compare_tallies);
    walk->is_counting = false;
    walk->window_first = 0;
    uint64_t runs = 0, max = walk->checking->check->places_max;
    if (max == 0)
        max = places_default;
    for (size_t i = 0; i < count; i++) {
        uint64_t more = run_count(tallies[i]);
        if (runs > 0 && runs + more > max) {
            walk->window_last = tallies[i]->id * GROUP_SEGMENTS - 1;
            check_window(walk);
            walk->window_first = walk->window_last + 1;
            runs = 0;
        }
        runs += more;
    }
    walk->window_last = INT64_MAX;
    check_window(walk);
    free(tallies);
}

/* A segment that is counted and has neither places nor a row. */
static void look_for_missing(struct checking *checking)
{
    sqlite3_stmt *select = checking->store->statements[SQL_SEGMENT_READ];
    struct hash_node *node = NULL;
    if (checking->check->segments == checking->store->segments.rows)
        return;
    while ((node = hash_table_next(&checking->store->segments.groups, node)) != NULL) {
        const struct segment_group *group = container_of(node, struct segment_group, by_id);
        for (uint64_t i = 0; i < GROUP_SEGMENTS; i++) {
            uint64_t id = group->id * GROUP_SEGMENTS + i;
            if (group->counts[i].total == 0 || group->counts[i].live > 0)
                continue;
            sqlite3_bind_int64(select, 1, (int64_t)id);
            if (sqlite3_step(select) != SQLITE_ROW)
                check_fault(checking, "segment %llu is missing", (number)id);
            sqlite3_reset(select);
        }
    }
}

void check_places(struct checking *checking)
{
    struct walk walk = {.checking = checking, .is_counting = true};
    struct hash_node *node;
    size_t cursor = 0;
    hash_table_init(&walk.tallies);
    check_rows(checking, "places",
               "SELECT DISTINCT lane FROM lane_chunk WHERE lane NOT IN (SELECT id FROM lane)",
               look_for_stray);
    walk_lanes(&walk);
    compare_counts(&walk);
    check_windows(&walk);
    look_for_missing(checking);
    while ((node = hash_table_remaining(&walk.tallies, &cursor)) != NULL) {
        struct tally *tally = container_of(node, struct tally, by_id);
        hash_table_remove(&walk.tallies, &tally->by_id);
        free(tally);
    }
    hash_table_fini(&walk.tallies);
    free(walk.places);
}
