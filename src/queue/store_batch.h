/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_STORE_BATCH_H
#define LEVERET_QUEUE_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "queue/message.h"

/*
 * What the core asks of the store. The operations of a vhost, batch after batch, are its complete
 * durable history: applying them in order to an empty store gives the vhost's durable state. All
 * identifiers, positions and times are fixed here, by the core; the store decides only how they
 * lie on disk. A batch is committed whole or not at all, and batches of a vhost in order.
 */

enum store_operation_kind {
    STORE_NOTHING,         /* an insertion that was acked before its batch left: skipped */
    STORE_EXCHANGE_PUT,    /* definition: a durable exchange came; lane: the number under which it
                              keeps delays or keys of deduplication, 0 = none */
    STORE_EXCHANGE_DELETE, /* name, lane as it was put: the exchange, and what it keeps under that
                              number; its bindings have their own deletes before */
    STORE_QUEUE_PUT,       /* definition: a durable queue came; the lanes from lane on, count of
                              them, are its own */
    STORE_QUEUE_DELETE, /* name, lane, count as they were put: the queue, and every message of its
                           lanes */
    STORE_BINDING_PUT,  /* definition: a durable binding came */
    STORE_BINDING_DELETE,
    STORE_INSERT,    /* lane, position, message: a message at the end of a lane; definition->name:
                        the value by which a queue that deduplicates knows it, see store_key; goes
                        with the message; NULL: there is none */
    STORE_REMOVE,    /* lane, position, count: these positions are acked, dropped or purged; those
                        of them that hold no message count as removed already */
    STORE_DELIVERED, /* lane, position: messages below this position may have been delivered */
    STORE_ATTEMPTS,  /* lane, position, count: the message there has now failed so many times; goes
                        with the message, and means nothing where there is none any more */
    STORE_DELAY_INSERT, /* lane: an exchange's number; position: an id that only grows there;
                           expiry_ms: when it is due; message */
    STORE_DELAY_REMOVE, /* lane, position, expiry_ms of a delay that is there: it was routed */
    STORE_DEDUP_PUT,    /* lane: an exchange's number; position: grows there; expiry_ms, 0 = never;
                           definition->name: the key, see store_key */
    STORE_DEDUP_REMOVE, /* lane, position, count: keys put at these positions are forgotten */
    STORE_SPILL,        /* lane, position, message: a transient message leaves memory, its lane's
                           spilled ones in ascending order; from then on it is read and removed as
                           any other, but it is gone when the store is opened again */
    STORE_SPILL_FORGET, /* lane, count: all that was spilled of the lanes from lane on; they are not
                           used again */
    STORE_OPERATION_LAST = STORE_SPILL_FORGET,
};

/* The lanes of queues that are not durable have numbers above this, and spilled messages alone. The
 * store's journal has 60 bits for a number. */
#define STORE_SPILL_LANES (UINT64_C(1) << 56)

/* A durable exchange, queue or binding. Views: in a batch, into memory that the batch owns. */
struct store_definition {
    struct bytes name;        /* the exchange, the queue, or the binding's source */
    struct bytes type;        /* exchange: its type's name; queue: "classic" */
    struct bytes destination; /* binding: name of the queue or exchange; exchange: who made it */
    struct bytes routing_key; /* binding */
    struct bytes arguments;   /* a field table without its length prefix */
    bool auto_delete;
    bool internal;                /* exchange */
    bool destination_is_exchange; /* binding */
};

struct store_operation {
    uint8_t kind;                        /* enum store_operation_kind */
    uint64_t lane;                       /* of a queue or an exchange: never 0, never reused */
    uint64_t position;                   /* positions of a lane only grow, from 1 on */
    uint64_t count;                      /* of positions, lanes or failures, by kind */
    struct message *message;             /* ref, owned by the batch; INSERT, DELAY_INSERT */
    uint64_t expiry_ms;                  /* wall-clock ms, 0 = never */
    struct store_definition *definition; /* owned by the batch; one block with its bytes */
};

enum {
    /* The number that stands for every batch before the vhost was opened. */
    STORE_BATCH_BEFORE = 1,
    /* A queue has one lane for each priority at most. */
    STORE_LANES_MAX = 256,
};

struct store_batch {
    uint64_t number;                    /* 2, 3, ... within the life of a vhost in memory */
    uint64_t time_ms;                   /* wall clock at its first operation */
    struct store_operation *operations; /* owned */
    size_t count;
    size_t capacity;
    size_t live;  /* operations that are not STORE_NOTHING */
    size_t bytes; /* sum of the footprints of the messages to insert or spill */
};

struct store_batch *store_batch_new(uint64_t number);
void store_batch_free(struct store_batch *batch);

void store_batch_grow(struct store_batch *batch);
/* A place for one more operation, which the caller fills at once; message: that of the operation,
 * or NULL. */
static inline struct store_operation *store_batch_place(struct store_batch *batch,
                                                        const struct message *message)
{
    if (batch->count == batch->capacity)
        store_batch_grow(batch);
    if (message != NULL)
        batch->bytes += message_footprint(message);
    batch->live++;
    return &batch->operations[batch->count++];
}

/* Adds an operation (its reference and definition pass to the batch) and returns its index. */
size_t store_batch_add(struct store_batch *batch, struct store_operation operation);

/* Turns the insertion (of a message or a delay) at index into STORE_NOTHING. Returns its message,
 * whose reference passes. */
struct message *store_batch_cancel(struct store_batch *batch, size_t index);

/* A definition in one heap block, its bytes copied behind it. */
struct store_definition *store_definition_copy(const struct store_definition *definition);

/* The definition that stands for a key or a value of deduplication: its name is that. */
struct store_definition *store_key(struct bytes key);

/* The batch as bytes, and back. Decoding makes messages of its own; NULL where the bytes are no
 * batch. Two operations that share one message share it again after decoding. */
void store_batch_encode(const struct store_batch *batch, struct buffer *buffer);
struct store_batch *store_batch_decode(struct bytes bytes);

enum store_read_kind {
    STORE_READ_LANE,   /* messages of a lane with first <= position < end, in order of position */
    STORE_READ_DELAYS, /* delays of an exchange with (due, id) >= (due_ms, first), in that order */
};

/* A request for what is stored: at most count_max messages and about bytes_max bytes (at least one
 * message). */
struct store_read {
    uint8_t kind;  /* enum store_read_kind */
    uint64_t lane; /* of a queue, or an exchange's number */
    uint64_t first;
    uint64_t end;    /* not of delays: there is no end */
    uint64_t due_ms; /* of delays */
    uint64_t token;  /* comes back with the answer */
    bool is_probe;   /* the core's own: of a lane whose turn it is not */
    size_t count_max;
    size_t bytes_max;
};

struct store_row {
    uint64_t position;       /* a delay's id */
    uint64_t expiry_ms;      /* when a delay is due */
    struct message *message; /* ref */
    uint16_t delivery_count; /* what STORE_ATTEMPTS said last; 0 = nothing */
};

/* The answer to a read. Complete where it holds every message of the asked range; delays: where
 * there are no more above its last row (or above what was asked for) that were committed before the
 * reading began. */
struct store_read_result {
    struct store_read read;
    struct store_row *rows; /* owned; each row owns a reference unless it was taken (set to NULL) */
    size_t count;
    bool is_complete;
};

void store_read_result_free(struct store_read_result *result);

/* What the store knows of a lane. */
struct store_lane_state {
    uint64_t lane;
    uint64_t first;           /* no message below */
    uint64_t end;             /* one above the highest position ever used */
    uint64_t delivered_below; /* messages below may have been delivered */
    uint64_t count;           /* messages */
    uint64_t bytes;           /* sum of body_size */
};

/* What the store knows of an exchange's number. */
struct store_delay_state {
    uint64_t lane;
    uint64_t end;          /* one above the highest id or position ever used under the number */
    uint64_t count;        /* delays */
    uint64_t first_due_ms; /* of the delay that is due first; where count > 0 */
};

/* The value by which a queue that deduplicates knows a message. */
struct store_value {
    uint64_t lane, position;
    uint64_t expiry_ms; /* of the message */
    size_t key_offset;  /* in store_opened.keys */
    size_t key_size;
};

/* What a store holds when it is opened. */
struct store_opened {
    struct store_batch *definitions; /* owned; PUT operations: exchanges, queues, bindings, then
                                        STORE_DEDUP_PUT, by lane and position */
    struct store_lane_state *lanes;  /* owned; of every lane that was ever used and whose queue is
                                        there, in the order of their numbers */
    size_t lane_count;
    struct store_delay_state *delays; /* owned; of every exchange that has a number, in the order of
                                         these */
    size_t delay_count;
    struct store_value *values; /* owned; of every message that came with one, by lane and position
                                 */
    size_t value_count, value_capacity;
    struct buffer keys; /* owned; of the values, behind one another */
    uint64_t lane_next; /* the lowest lane number that was never used */
};
/* Adds a value with its key, which is copied. */
void store_opened_add_value(struct store_opened *opened, struct store_value value,
                            struct bytes key);
static inline struct bytes store_opened_key(const struct store_opened *opened,
                                            const struct store_value *value)
{
    return bytes_of(opened->keys.data + value->key_offset, value->key_size);
}
void store_opened_fini(struct store_opened *opened);

#endif
