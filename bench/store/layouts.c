/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layouts that bench-store compares:
 *
 * - arrival: a row per message in the order of arrival; acks are head marks in the journal row of
 *   the batch; rows below the marks are garbage and go in slices.
 * - blob: the same with all fields of a message in one blob column.
 * - lane: a row per message clustered by (lane, position); an ack deletes.
 * - index: a row per message in the order of arrival with an index on (lane, position); an ack
 *   deletes.
 * - packed: a row for the messages of a batch, up to segment_bytes of them; each segment counts its
 *   live messages and is deleted when none is left.
 *
 * Layouts that keep positions out of the database (arrival, blob, packed) also pay for what
 * replaces the index: runs of (lane, position, key) in the journal row, and every PASS_BATCHES
 * batches a pass that writes the state and the new runs of each changed lane and then drops the
 * journal before it. The pass goes PASS_LANES lanes at a time, so that no batch carries all of it.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PASS_BATCHES = 256, PASS_LANES = 64, COUNT_GROUP = 1024 };

struct record {
    uint64_t checksum, position, time_ms, expiry_ms;
    uint32_t lane, body_bytes;
};

uint64_t message_checksum(const struct message *message)
{
    uint64_t identity[4] = {message->lane, message->position, message->time_ms, message->expiry_ms};
    uint64_t seed = XXH3_64bits(identity, sizeof(identity));
    return XXH3_64bits_withSeed(message->body, message->body_bytes, seed);
}

static void accept_message(struct reader *reader, const struct message *message, uint32_t lane)
{
    if (message->lane != lane)
        die("a row of lane %u where one of %u should be", message->lane, lane);
    if (message->position != reader->expected)
        die("lane %u: position %llu where %llu should be", lane,
            (unsigned long long)message->position, (unsigned long long)reader->expected);
    if (message_checksum(message) != message->checksum)
        die("wrong checksum in lane %u", lane);
    reader->expected++;
    reader->messages++;
    reader->bytes += message->body_bytes;
}

/* --- the journal and the passes that shorten it */

/* Whether one reference follows another without a gap, so that both are one run. */
static bool is_joined(const struct ref *ref, const struct ref *next)
{
    if (ref->bytes == 0)
        return next->key == ref->key + 1;
    return next->key == ref->key && next->offset == ref->offset + ref->bytes;
}

static void put_run(struct bytes *bytes, const struct ref *first, const struct ref *last,
                    uint64_t previous_key, uint64_t count)
{
    bytes_varint(bytes, first->key - previous_key);
    bytes_varint(bytes, count);
    if (first->bytes == 0)
        return;
    bytes_varint(bytes, first->offset);
    bytes_varint(bytes, last->offset + last->bytes - first->offset);
}

static void journal_flush_run(struct store *store)
{
    if (store->run_count == 0)
        return;
    bytes_varint(&store->journal, (uint64_t)store->run_lane << 2);
    bytes_varint(&store->journal, store->run_position);
    put_run(&store->journal, &store->run_first, &store->run_last, store->journal_key,
            store->run_count);
    store->journal_key = store->run_first.key;
    store->run_count = 0;
}

static void journal_message(struct store *store, uint32_t lane, uint64_t position,
                            const struct ref *ref)
{
    bool joined = store->run_count > 0 && store->run_lane == lane &&
                  store->run_position + store->run_count == position &&
                  is_joined(&store->run_last, ref);
    if (!joined) {
        journal_flush_run(store);
        store->run_lane = lane;
        store->run_position = position;
        store->run_first = *ref;
    }
    store->run_last = *ref;
    store->run_count++;
}

static void journal_head(struct store *store, uint32_t lane, uint64_t head)
{
    bytes_varint(&store->journal, (uint64_t)lane << 2 | 1);
    bytes_varint(&store->journal, head);
}

static void lane_runs(const struct lane *lane, struct bytes *runs)
{
    uint64_t first = lane->chunked > lane->head ? lane->chunked : lane->head;
    uint64_t start = first, previous = 0;
    for (uint64_t position = first; position < lane->tail; position++) {
        uint64_t next = position + 1;
        if (next < lane->tail && is_joined(&lane->refs[position], &lane->refs[next]))
            continue;
        put_run(runs, &lane->refs[start], &lane->refs[position], previous, next - start);
        previous = lane->refs[start].key;
        start = next;
    }
}

static void pass_write_lane(struct store *store, uint32_t id)
{
    struct lane *lane = &store->lanes[id];
    struct bytes runs = {NULL, 0, 0};
    lane_runs(lane, &runs);
    sqlite3_bind_int64(store->lane_put, 1, id);
    sqlite3_bind_int64(store->lane_put, 2, (int64_t)lane->head);
    sqlite3_bind_int64(store->lane_put, 3, (int64_t)lane->tail);
    sqlite3_bind_null(store->lane_put, 4);
    step_done(store->db, store->lane_put);
    if (runs.used > 0) {
        sqlite3_bind_int64(store->chunk_insert, 1, id);
        sqlite3_bind_int64(store->chunk_insert, 2, (int64_t)lane->tail);
        sqlite3_bind_blob64(store->chunk_insert, 3, runs.data, runs.used, SQLITE_STATIC);
        step_done(store->db, store->chunk_insert);
    }
    sqlite3_bind_int64(store->chunk_delete, 1, id);
    sqlite3_bind_int64(store->chunk_delete, 2, (int64_t)lane->head);
    step_done(store->db, store->chunk_delete);
    lane->chunked = lane->tail;
    lane->dirty = false;
    free(runs.data);
}

/* The live counts of the segments that changed, so that opening reads them and not the segments. */
static void write_counts(struct store *store)
{
    for (size_t group = 0; group < store->count_groups; group++) {
        if (!store->count_dirty[group])
            continue;
        size_t bytes = COUNT_GROUP * sizeof(struct segment);
        sqlite3_bind_int64(store->count_put, 1, (int64_t)group);
        sqlite3_bind_blob64(store->count_put, 2, &store->segments[group * COUNT_GROUP], bytes,
                            SQLITE_STATIC);
        step_done(store->db, store->count_put);
        store->count_dirty[group] = 0;
    }
}

static void count_changed(struct store *store, uint64_t id)
{
    size_t group = (size_t)(id / COUNT_GROUP);
    store->count_dirty = grow(store->count_dirty, &store->count_groups, group + 1, 1);
    store->segments = grow(store->segments, &store->segment_capacity, (group + 1) * COUNT_GROUP,
                           sizeof(struct segment));
    store->count_dirty[group] = 1;
}

static void pass_step(struct store *store)
{
    if (!store->pass_running) {
        if (store->batch < store->pass_start + PASS_BATCHES)
            return;
        store->pass_running = true;
        store->pass_start = store->pass_mark = store->batch;
        store->pass_lane = 0;
    }
    uint32_t written = 0;
    for (; store->pass_lane < store->lane_count && written < PASS_LANES; store->pass_lane++) {
        if (!store->lanes[store->pass_lane].dirty)
            continue;
        pass_write_lane(store, store->pass_lane);
        written++;
    }
    if (store->pass_lane < store->lane_count)
        return;
    write_counts(store);
    sqlite3_bind_int64(store->journal_delete, 1, (int64_t)store->pass_mark);
    step_done(store->db, store->journal_delete);
    store->pass_running = false;
}

static void journal_seal(struct store *store)
{
    journal_flush_run(store);
    sqlite3_bind_int64(store->journal_insert, 1, (int64_t)store->batch++);
    sqlite3_bind_blob64(store->journal_insert, 2, store->journal.data, store->journal.used,
                        SQLITE_STATIC);
    step_done(store->db, store->journal_insert);
    store->journal.used = 0;
    store->journal_key = 0;
    pass_step(store);
}

/* --- arrival: a row per message, the key is a sequence number */

static void bind_fields(sqlite3_stmt *statement, int column, const struct message *message)
{
    sqlite3_bind_int64(statement, column + 0, (int64_t)message->time_ms);
    sqlite3_bind_int64(statement, column + 1, (int64_t)message->expiry_ms);
    sqlite3_bind_int64(statement, column + 2, (int64_t)message->checksum);
    sqlite3_bind_blob64(statement, column + 3, message->body, message->body_bytes, SQLITE_STATIC);
}

static void bind_identified(sqlite3_stmt *statement, int column, const struct message *message)
{
    sqlite3_bind_int64(statement, column, message->lane);
    sqlite3_bind_int64(statement, column + 1, (int64_t)message->position);
    bind_fields(statement, column + 2, message);
}

static void arrival_placed(struct store *store, const struct message *message, struct ref *ref)
{
    *ref = (struct ref){store->next_seq++, 0, 0};
    journal_message(store, message->lane, message->position, ref);
    store->lanes[message->lane].dirty = true;
}

static void arrival_insert(struct store *store, const struct message *message, struct ref *ref)
{
    arrival_placed(store, message, ref);
    sqlite3_bind_int64(store->insert, 1, (int64_t)ref->key);
    bind_identified(store->insert, 2, message);
    step_done(store->db, store->insert);
}

static void pack_message(struct bytes *bytes, const struct message *message)
{
    struct record record = {message->checksum,  message->position, message->time_ms,
                            message->expiry_ms, message->lane,     message->body_bytes};
    bytes_add(bytes, &record, sizeof(record));
    bytes_add(bytes, message->body, message->body_bytes);
}

static void blob_insert(struct store *store, const struct message *message, struct ref *ref)
{
    arrival_placed(store, message, ref);
    store->packed.used = 0;
    pack_message(&store->packed, message);
    sqlite3_bind_int64(store->insert, 1, (int64_t)ref->key);
    sqlite3_bind_blob64(store->insert, 2, store->packed.data, store->packed.used, SQLITE_STATIC);
    step_done(store->db, store->insert);
}

static void arrival_ack(struct store *store, uint32_t lane, uint64_t first, uint64_t count)
{
    struct ref *refs = store->lanes[lane].refs;
    size_t words = (size_t)(store->next_seq / 64 + 1);
    store->garbage = grow(store->garbage, &store->garbage_words, words, sizeof(uint64_t));
    for (uint64_t position = first; position < first + count; position++)
        store->garbage[refs[position].key / 64] |= UINT64_C(1) << (refs[position].key % 64);
    store->debt += count;
    journal_head(store, lane, first + count);
    store->lanes[lane].dirty = true;
}

static bool is_garbage(const struct store *store, uint64_t seq)
{
    return seq / 64 < store->garbage_words && (store->garbage[seq / 64] >> (seq % 64) & 1);
}

/* The first garbage at or after the sweep, which starts again from the oldest when it meets the
 * end. */
static bool sweep_find(struct store *store, uint64_t *seq)
{
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t word = store->sweep / 64; word < store->garbage_words; word++) {
            uint64_t bits = store->garbage[word];
            if (word == store->sweep / 64)
                bits &= ~UINT64_C(0) << (store->sweep % 64);
            if (bits) {
                *seq = word * 64 + (uint64_t)__builtin_ctzll(bits);
                return true;
            }
        }
        store->sweep = 0;
    }
    return false;
}

static uint64_t arrival_reclaim(struct store *store, uint64_t rows, uint64_t floor)
{
    uint64_t freed = 0, first = 0;
    while (freed < rows && store->debt > floor && sweep_find(store, &first)) {
        uint64_t end = first;
        while (freed + (end - first) < rows && is_garbage(store, end)) {
            store->garbage[end / 64] &= ~(UINT64_C(1) << (end % 64));
            end++;
        }
        sqlite3_bind_int64(store->remove, 1, (int64_t)first);
        sqlite3_bind_int64(store->remove, 2, (int64_t)end - 1);
        step_done(store->db, store->remove);
        freed += end - first;
        store->debt -= end - first;
        store->sweep = end;
    }
    return freed;
}

static void read_fields(sqlite3_stmt *statement, struct message *message)
{
    message->lane = (uint32_t)sqlite3_column_int64(statement, 0);
    message->position = (uint64_t)sqlite3_column_int64(statement, 1);
    message->time_ms = (uint64_t)sqlite3_column_int64(statement, 2);
    message->expiry_ms = (uint64_t)sqlite3_column_int64(statement, 3);
    message->checksum = (uint64_t)sqlite3_column_int64(statement, 4);
    message->body = sqlite3_column_blob(statement, 5);
    message->body_bytes = (uint32_t)sqlite3_column_bytes(statement, 5);
}

static void unpack(const uint8_t *data, struct message *message)
{
    struct record record;
    memcpy(&record, data, sizeof(record));
    *message = (struct message){.lane = record.lane,
                                .body_bytes = record.body_bytes,
                                .position = record.position,
                                .time_ms = record.time_ms,
                                .expiry_ms = record.expiry_ms,
                                .checksum = record.checksum,
                                .body = data + sizeof(record)};
}

static void read_columns(struct reader *reader, uint32_t lane)
{
    struct message message;
    while (sqlite3_step(reader->read) == SQLITE_ROW) {
        read_fields(reader->read, &message);
        accept_message(reader, &message, lane);
    }
    check_sqlite(reader->db, sqlite3_reset(reader->read), "page-in");
}

static void read_blobs(struct reader *reader, uint32_t lane)
{
    struct message message;
    while (sqlite3_step(reader->read) == SQLITE_ROW) {
        unpack(sqlite3_column_blob(reader->read, 0), &message);
        accept_message(reader, &message, lane);
    }
    check_sqlite(reader->db, sqlite3_reset(reader->read), "page-in");
}

/* One statement per run of consecutive sequence numbers. */
static void read_runs(struct reader *reader, uint32_t lane, const struct ref *refs, size_t count,
                      void (*rows)(struct reader *reader, uint32_t lane))
{
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && refs[end].key == refs[end - 1].key + 1; end++)
            ;
        sqlite3_bind_int64(reader->read, 1, (int64_t)refs[i].key);
        sqlite3_bind_int64(reader->read, 2, (int64_t)refs[end - 1].key);
        rows(reader, lane);
    }
}

static void arrival_read(struct reader *reader, uint32_t lane, uint64_t first,
                         const struct ref *refs, size_t count)
{
    (void)first;
    read_runs(reader, lane, refs, count, read_columns);
}

static void blob_read(struct reader *reader, uint32_t lane, uint64_t first, const struct ref *refs,
                      size_t count)
{
    (void)first;
    read_runs(reader, lane, refs, count, read_blobs);
}

/* --- lane and index: the database finds rows by lane and position, an ack deletes */

static void lane_insert(struct store *store, const struct message *message, struct ref *ref)
{
    (void)ref;
    bind_identified(store->insert, 1, message);
    step_done(store->db, store->insert);
}

static void index_insert(struct store *store, const struct message *message, struct ref *ref)
{
    ref->key = store->next_seq++;
    sqlite3_bind_int64(store->insert, 1, (int64_t)ref->key);
    bind_identified(store->insert, 2, message);
    step_done(store->db, store->insert);
}

static void delete_ack(struct store *store, uint32_t lane, uint64_t first, uint64_t count)
{
    sqlite3_bind_int64(store->remove, 1, lane);
    sqlite3_bind_int64(store->remove, 2, (int64_t)first);
    sqlite3_bind_int64(store->remove, 3, (int64_t)(first + count) - 1);
    step_done(store->db, store->remove);
}

static void position_read(struct reader *reader, uint32_t lane, uint64_t first,
                          const struct ref *refs, size_t count)
{
    (void)refs;
    sqlite3_bind_int64(reader->read, 1, lane);
    sqlite3_bind_int64(reader->read, 2, (int64_t)first);
    sqlite3_bind_int64(reader->read, 3, (int64_t)(first + count) - 1);
    read_columns(reader, lane);
}

/* --- packed: a row holds many messages */

static void packed_flush(struct store *store)
{
    if (store->packed_messages == 0)
        return;
    uint64_t id = store->next_segment++;
    count_changed(store, id);
    store->segments[id].total = store->segments[id].live = store->packed_messages;
    sqlite3_bind_int64(store->insert, 1, (int64_t)id);
    sqlite3_bind_blob64(store->insert, 2, store->packed.data, store->packed.used, SQLITE_STATIC);
    step_done(store->db, store->insert);
    store->packed.used = 0;
    store->packed_messages = 0;
}

static void packed_insert(struct store *store, const struct message *message, struct ref *ref)
{
    size_t length = sizeof(struct record) + message->body_bytes;
    if (store->packed.used + length > store->options->segment_bytes)
        packed_flush(store);
    store->segments = grow(store->segments, &store->segment_capacity,
                           (size_t)store->next_segment + 1, sizeof(struct segment));
    *ref = (struct ref){store->next_segment, (uint32_t)store->packed.used, (uint32_t)length};
    journal_message(store, message->lane, message->position, ref);
    store->lanes[message->lane].dirty = true;
    pack_message(&store->packed, message);
    store->packed_messages++;
}

static bool is_sparse(const struct segment *segment)
{
    return segment->live > 0 && segment->live * 4 < segment->total;
}

static void packed_release(struct store *store, uint64_t id)
{
    struct segment *segment = &store->segments[id];
    count_changed(store, id);
    if (--segment->live == 0) {
        samples_add(&store->empty, id);
    } else if (!segment->sparse && is_sparse(segment)) {
        segment->sparse = true;
        samples_add(&store->sparse, id);
    }
}

static void packed_ack(struct store *store, uint32_t lane, uint64_t first, uint64_t count)
{
    struct ref *refs = store->lanes[lane].refs;
    for (uint64_t position = first; position < first + count; position++)
        packed_release(store, refs[position].key);
    store->debt += count;
    journal_head(store, lane, first + count);
    store->lanes[lane].dirty = true;
}

static void packed_seal(struct store *store)
{
    packed_flush(store);
    journal_seal(store);
}

static uint64_t delete_empty(struct store *store, uint64_t rows)
{
    uint64_t freed = 0;
    while (freed < rows && store->empty.used > 0) {
        uint64_t id = store->empty.values[--store->empty.used];
        sqlite3_bind_int64(store->remove, 1, (int64_t)id);
        step_done(store->db, store->remove);
        freed += store->segments[id].total;
    }
    store->debt -= freed;
    return freed;
}

/* --- compaction of sparse segments
 *
 * A segment with one live message keeps all its bytes. When more than half of the file is such
 * garbage, the oldest sparse segments are read and what lives in them is written again with the
 * batch. References change after the commit, under the gate, so that no page-in holds an old one;
 * the old segment is then empty and is deleted with a later batch. */

static void move_message(struct store *store, const struct message *message)
{
    struct lane *lane = &store->lanes[message->lane];
    if (message->position < lane->head)
        return;
    store->moves =
        grow(store->moves, &store->move_capacity, store->move_count + 1, sizeof(struct move));
    struct move *move = &store->moves[store->move_count++];
    move->lane = message->lane;
    move->position = message->position;
    packed_insert(store, message, &move->ref);
    if (lane->chunked > message->position)
        lane->chunked = message->position;
}

static uint64_t compact_segment(struct store *store, uint64_t id)
{
    struct message message;
    if (!store->segment_read)
        store->segment_read = prepare(store->db, store->layout->read_sql);
    sqlite3_bind_int64(store->segment_read, 1, (int64_t)id);
    if (sqlite3_step(store->segment_read) != SQLITE_ROW)
        die("segment %llu is missing", (unsigned long long)id);
    const uint8_t *data = sqlite3_column_blob(store->segment_read, 0);
    size_t length = (size_t)sqlite3_column_bytes(store->segment_read, 0);
    for (size_t at = 0; at < length; at += sizeof(struct record) + message.body_bytes) {
        unpack(data + at, &message);
        move_message(store, &message);
    }
    sqlite3_reset(store->segment_read);
    return store->segments[id].total;
}

static void compact(struct store *store, uint64_t rows)
{
    uint64_t seen = 0;
    while (seen < rows && store->sparse_head < store->sparse.used) {
        uint64_t id = store->sparse.values[store->sparse_head++];
        if (is_sparse(&store->segments[id]))
            seen += compact_segment(store, id);
    }
}

static void packed_committed(struct store *store)
{
    if (store->move_count == 0)
        return;
    pthread_mutex_lock(&store->gate);
    for (size_t i = 0; i < store->move_count; i++) {
        const struct move *move = &store->moves[i];
        struct ref *ref = &store->lanes[move->lane].refs[move->position];
        packed_release(store, ref->key);
        *ref = move->ref;
    }
    pthread_mutex_unlock(&store->gate);
    store->debt += store->move_count;
    store->moved += store->move_count;
    store->move_count = 0;
}

static uint64_t packed_reclaim(struct store *store, uint64_t rows, uint64_t floor)
{
    uint64_t freed = delete_empty(store, rows);
    if (store->options->compact && store->debt > store->stored + floor)
        compact(store, 4 * rows);
    return freed;
}

static void open_segment(struct reader *reader, uint64_t id)
{
    int code = reader->blob ? sqlite3_blob_reopen(reader->blob, (int64_t)id)
                            : sqlite3_blob_open(reader->db, "main", "segment", "data", (int64_t)id,
                                                0, &reader->blob);
    check_sqlite(reader->db, code, "open a segment");
}

/* Consecutive messages of a segment are one read. */
static void packed_read(struct reader *reader, uint32_t lane, uint64_t first,
                        const struct ref *refs, size_t count)
{
    struct bytes stretch = {NULL, 0, 0};
    struct message message;
    (void)first;
    for (size_t i = 0, end; i < count; i = end) {
        size_t length = refs[i].bytes;
        for (end = i + 1; end < count && refs[end].key == refs[i].key &&
                          refs[end].offset == refs[i].offset + length;
             end++)
            length += refs[end].bytes;
        if (i == 0 || refs[i].key != refs[i - 1].key)
            open_segment(reader, refs[i].key);
        stretch.data = grow(stretch.data, &stretch.capacity, length, 1);
        check_sqlite(
            reader->db,
            sqlite3_blob_read(reader->blob, stretch.data, (int)length, (int)refs[i].offset),
            "read a segment");
        for (size_t at = 0; at < length; at += sizeof(struct record) + message.body_bytes) {
            unpack(stretch.data + at, &message);
            accept_message(reader, &message, lane);
        }
    }
    free(stretch.data);
}

#define FIELDS                                                                                     \
    "lane INTEGER, position INTEGER, time INTEGER, expiry INTEGER, checksum INTEGER, body BLOB"
#define SELECT_FIELDS "SELECT lane, position, time, expiry, checksum, body FROM message "

const struct layout layouts[] = {
    {.name = "arrival",
     .about = "row per message in order of arrival, journal, reclaim in slices",
     .schema = "CREATE TABLE message(seq INTEGER PRIMARY KEY, " FIELDS ") STRICT;",
     .insert_sql = "INSERT INTO message VALUES(?,?,?,?,?,?,?)",
     .delete_sql = "DELETE FROM message WHERE seq BETWEEN ? AND ?",
     .read_sql = SELECT_FIELDS "WHERE seq BETWEEN ? AND ?",
     .journal = true,
     .insert = arrival_insert,
     .ack = arrival_ack,
     .seal = journal_seal,
     .reclaim = arrival_reclaim,
     .read = arrival_read},
    {.name = "blob",
     .about = "arrival with all fields in one blob column",
     .schema = "CREATE TABLE message(seq INTEGER PRIMARY KEY, data BLOB) STRICT;",
     .insert_sql = "INSERT INTO message VALUES(?,?)",
     .delete_sql = "DELETE FROM message WHERE seq BETWEEN ? AND ?",
     .read_sql = "SELECT data FROM message WHERE seq BETWEEN ? AND ?",
     .journal = true,
     .insert = blob_insert,
     .ack = arrival_ack,
     .seal = journal_seal,
     .reclaim = arrival_reclaim,
     .read = blob_read},
    {.name = "lane",
     .about = "row per message clustered by lane and position, an ack deletes",
     .schema =
         "CREATE TABLE message(" FIELDS ", PRIMARY KEY(lane, position)) STRICT, WITHOUT ROWID;",
     .insert_sql = "INSERT INTO message VALUES(?,?,?,?,?,?)",
     .delete_sql = "DELETE FROM message WHERE lane=? AND position BETWEEN ? AND ?",
     .read_sql = SELECT_FIELDS "WHERE lane=? AND position BETWEEN ? AND ?",
     .insert = lane_insert,
     .ack = delete_ack,
     .read = position_read},
    {.name = "index",
     .about = "row per message in order of arrival, index on lane and position, an ack deletes",
     .schema = "CREATE TABLE message(seq INTEGER PRIMARY KEY, " FIELDS ") STRICT;"
               "CREATE UNIQUE INDEX message_position ON message(lane, position);",
     .insert_sql = "INSERT INTO message VALUES(?,?,?,?,?,?,?)",
     .delete_sql = "DELETE FROM message WHERE lane=? AND position BETWEEN ? AND ?",
     .read_sql = SELECT_FIELDS "WHERE lane=? AND position BETWEEN ? AND ?",
     .insert = index_insert,
     .ack = delete_ack,
     .read = position_read},
    {.name = "packed",
     .about = "many messages per row, deleted when the last is acked",
     .schema = "CREATE TABLE segment(id INTEGER PRIMARY KEY, data BLOB) STRICT;",
     .insert_sql = "INSERT INTO segment VALUES(?,?)",
     .delete_sql = "DELETE FROM segment WHERE id=?",
     .read_sql = "SELECT data FROM segment WHERE id=?",
     .journal = true,
     .insert = packed_insert,
     .ack = packed_ack,
     .committed = packed_committed,
     .seal = packed_seal,
     .reclaim = packed_reclaim,
     .read = packed_read},
};

const size_t layout_count = sizeof(layouts) / sizeof(layouts[0]);
