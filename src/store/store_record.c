/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as records, records in segments. A segment is a row with the messages of one batch, one
 * behind the other, at most SEGMENT_BYTES unless a single message is larger. A record is
 *
 *     struct record, least significant bytes first
 *     owners: lane, position and expiry, 8 bytes each
 *     exchange, routing key, properties, body
 *
 * A message that goes to several queues is one record with several owners: the body stands once and
 * the segment counts the references. Every owner reads the whole list, so it may not be much longer
 * than what it shares; then the record is written again for the rest. The checksum covers all that
 * follows it, owners included: a record read through a wrong place does not name its reader.
 */
#include <endian.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum { owners_min = 64, keep_bytes = 1 << 20 };

static size_t content_bytes(const struct message *message)
{
    return message_footprint(message) - sizeof *message;
}

static size_t owners_max(const struct message *message)
{
    size_t fair = content_bytes(message) / sizeof(struct record_owner);
    return fair > owners_min ? fair : owners_min;
}

bool record_flush(struct store *store)
{
    if (store->packed_references == 0)
        return true;
    uint64_t segment = store->head.segment_next++;
    bool succeeded = store_put(store, SQL_SEGMENT_INSERT, segment, &store->packed);
    sqlite3_clear_bindings(store->statements[SQL_SEGMENT_INSERT]);
    segment_created(store, segment, store->packed_references, store->batch);
    journal_segment(store, JOURNAL_SEGMENT_NEW, segment, store->packed_references);
    store->packed_references = 0;
    store->written_segments++;
    buffer_clear(&store->packed);
    if (store->packed.capacity > keep_bytes) {
        buffer_fini(&store->packed);
        buffer_init(&store->packed);
    }
    return succeeded;
}

/* Makes room for a record; flushes the segment that would become too long. */
static bool begin_record(struct store *store, size_t bytes, uint32_t references, struct run *place)
{
    if (store->packed.size + bytes > SEGMENT_BYTES && !record_flush(store))
        return false;
    *place = (struct run){.segment = store->head.segment_next,
                          .count = 1,
                          .offset = (uint32_t)store->packed.size,
                          .record_bytes = (uint32_t)bytes};
    store->packed_references += references;
    store->written++;
    buffer_reserve(&store->packed, bytes);
    return true;
}

static void append_owner(struct buffer *buffer, uint64_t lane, uint64_t position, uint64_t expiry)
{
    struct record_owner owner = {htole64(lane), htole64(position), htole64(expiry)};
    buffer_append(buffer, &owner, sizeof owner);
}

static void seal_record(struct store *store, const struct run *place)
{
    uint8_t *start = store->packed.data + place->offset;
    CHECK(store->packed.size == (size_t)place->offset + place->record_bytes);
    uint64_t checksum = htole64(row_checksum(bytes_of(start + 8, place->record_bytes - 8), 0));
    memcpy(start, &checksum, sizeof checksum);
}

static void append_head(struct store *store, const struct run *place, uint64_t time_ms,
                        uint32_t owner_count, const struct message *message)
{
    struct record record = {
        .time_ms = htole64(time_ms),
        .record_bytes = htole32(place->record_bytes),
        .owner_count = htole32(owner_count),
        .properties_size = htole32(message->properties_size),
        .exchange_size = message->exchange_size,
        .routing_key_size = message->routing_key_size,
        .flags = (message->is_persistent ? RECORD_PERSISTENT : 0) |
                 (message->hides_bcc ? RECORD_HIDES_BCC : 0),
    };
    buffer_append(&store->packed, &record, sizeof record);
}

/* --- a batch */

/* The insertions of the same message that follow, with nothing but message operations between. */
static size_t next_owner(const struct store_batch *batch, size_t index)
{
    const struct message *message = batch->operations[index].message;
    for (size_t i = index + 1; i < batch->count; i++) {
        const struct store_operation *operation = &batch->operations[i];
        if (operation->kind == batch->operations[index].kind)
            return operation->message == message ? i : batch->count;
        if (operation->kind != STORE_NOTHING && operation->kind < STORE_INSERT)
            break;
    }
    return batch->count;
}

static uint32_t count_owners(const struct store_batch *batch, size_t index)
{
    size_t count = 0, max = owners_max(batch->operations[index].message);
    for (size_t i = index; i < batch->count && count < max; i = next_owner(batch, i))
        count++;
    return (uint32_t)count;
}

static bool place_message(struct store *store, const struct store_batch *batch, size_t index)
{
    const struct message *message = batch->operations[index].message;
    uint32_t owner_count = count_owners(batch, index);
    size_t bytes =
        sizeof(struct record) + owner_count * sizeof(struct record_owner) + content_bytes(message);
    struct run place;
    if (bytes > INT32_MAX)
        return store_note(store, SQLITE_TOOBIG, "a message");
    if (!begin_record(store, bytes, owner_count, &place))
        return false;
    place.body_bytes = (uint32_t)message->body_size;
    append_head(store, &place, batch->time_ms, owner_count, message);
    for (size_t i = index, n = 0; n < owner_count; i = next_owner(batch, i), n++) {
        const struct store_operation *operation = &batch->operations[i];
        append_owner(&store->packed, operation->lane, operation->position, operation->expiry_ms);
        store->places[i] = place;
        store->places[i].position = operation->position;
    }
    buffer_append_bytes(&store->packed, message_head(message));
    buffer_append_bytes(&store->packed, message_body(message));
    seal_record(store, &place);
    return true;
}

bool record_place_batch(struct store *store, const struct store_batch *batch)
{
    uint8_t insertion = store->is_spill ? STORE_SPILL : STORE_INSERT;
    store->places =
        xgrow(store->places, &store->place_capacity, batch->count, sizeof *store->places);
    for (size_t i = 0; i < batch->count; i++)
        store->places[i].count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].kind == insertion && store->places[i].count == 0 &&
            !place_message(store, batch, i))
            return false;
    }
    return record_flush(store);
}

/* --- reading */

bool record_open(struct bytes bytes, struct record *record)
{
    if (bytes.size < sizeof *record)
        return false;
    memcpy(record, bytes.data, sizeof *record);
    record->record_bytes = le32toh(record->record_bytes);
    record->owner_count = le32toh(record->owner_count);
    record->properties_size = le32toh(record->properties_size);
    record->time_ms = le64toh(record->time_ms);
    size_t size = record->record_bytes;
    size_t head = sizeof *record + record->owner_count * sizeof(struct record_owner) +
                  record->properties_size + record->exchange_size + record->routing_key_size;
    return size <= bytes.size && head <= size &&
           le64toh(record->checksum) == row_checksum(bytes_of(bytes.data + 8, size - 8), 0);
}

struct record_owner record_owner_at(const uint8_t *record, uint32_t index)
{
    struct record_owner owner;
    memcpy(&owner, record + sizeof(struct record) + index * sizeof owner, sizeof owner);
    return (struct record_owner){le64toh(owner.lane), le64toh(owner.position),
                                 le64toh(owner.expiry_ms)};
}

static bool find_owner(struct bytes bytes, const struct record *record, uint64_t lane,
                       uint64_t position, uint64_t *expiry_ms)
{
    for (uint32_t i = 0; i < record->owner_count; i++) {
        struct record_owner owner = record_owner_at(bytes.data, i);
        if (owner.lane != lane || owner.position != position)
            continue;
        *expiry_ms = owner.expiry_ms;
        return true;
    }
    return false;
}

static size_t content_offset(const struct record *record)
{
    return sizeof *record + record->owner_count * sizeof(struct record_owner);
}

struct message *record_message(struct bytes bytes, uint64_t lane, uint64_t position,
                               uint64_t *expiry_ms)
{
    struct record record;
    if (!record_open(bytes, &record) || record.record_bytes != bytes.size ||
        !find_owner(bytes, &record, lane, position, expiry_ms))
        return NULL;
    struct reader reader = reader_of(bytes);
    reader_take(&reader, content_offset(&record));
    struct bytes exchange = reader_take(&reader, record.exchange_size);
    struct bytes routing_key = reader_take(&reader, record.routing_key_size);
    struct bytes properties = reader_take(&reader, record.properties_size);
    struct bytes body = reader_take(&reader, reader_left(&reader));
    struct message *message = message_new(exchange, routing_key, properties, body);
    message->is_persistent = (record.flags & RECORD_PERSISTENT) != 0;
    message->hides_bcc = (record.flags & RECORD_HIDES_BCC) != 0;
    return message;
}

bool record_copy(struct store *store, struct bytes bytes, const struct record_owner *owners,
                 uint32_t owner_count, struct run *place)
{
    struct record record;
    memcpy(&record, bytes.data, sizeof record);
    size_t old_offset = sizeof record + le32toh(record.owner_count) * sizeof(struct record_owner);
    size_t content = bytes.size - old_offset;
    size_t size = sizeof record + owner_count * sizeof(struct record_owner) + content;
    if (!begin_record(store, size, owner_count, place))
        return false;
    place->body_bytes = (uint32_t)(content - le32toh(record.properties_size) -
                                   record.exchange_size - record.routing_key_size);
    record.owner_count = htole32(owner_count);
    record.record_bytes = htole32((uint32_t)size);
    buffer_append(&store->packed, &record, sizeof record);
    for (uint32_t i = 0; i < owner_count; i++)
        append_owner(&store->packed, owners[i].lane, owners[i].position, owners[i].expiry_ms);
    buffer_append(&store->packed, bytes.data + old_offset, content);
    seal_record(store, place);
    return true;
}
