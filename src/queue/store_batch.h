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
    STORE_EXCHANGE_PUT,    /* definition: a durable exchange came */
    STORE_EXCHANGE_DELETE, /* name; its bindings have their own deletes before */
    STORE_QUEUE_PUT,       /* definition: a durable queue came, with its lane */
    STORE_QUEUE_DELETE,    /* name, lane: the queue, and every message of its lane */
    STORE_BINDING_PUT,     /* definition: a durable binding came */
    STORE_BINDING_DELETE,
    STORE_INSERT,    /* lane, position, message: a message at the end of a lane */
    STORE_REMOVE,    /* lane, position, count: these positions are acked, dropped or purged; those
                        of them that hold no message count as removed already */
    STORE_DELIVERED, /* lane, position: messages below this position may have been delivered */
};

/* A durable exchange, queue or binding. Views: in a batch, into memory that the batch owns. */
struct store_definition {
    struct bytes name;        /* the exchange, the queue, or the binding's source */
    struct bytes type;        /* exchange: its type's name; queue: "classic" */
    struct bytes destination; /* binding: name of the queue or exchange */
    struct bytes routing_key; /* binding */
    struct bytes arguments;   /* a field table without its length prefix */
    bool auto_delete;
    bool internal;                /* exchange */
    bool destination_is_exchange; /* binding */
};

struct store_operation {
    uint8_t kind;                        /* enum store_operation_kind */
    uint64_t lane;                       /* never 0, never reused */
    uint64_t position;                   /* positions of a lane only grow */
    uint64_t count;                      /* STORE_REMOVE: how many positions */
    struct message *message;             /* ref, owned by the batch; STORE_INSERT */
    uint64_t expiry_ms;                  /* STORE_INSERT: wall-clock ms, 0 = never */
    struct store_definition *definition; /* owned by the batch; one block with its bytes */
};

/* The number that stands for every batch before the vhost was opened. */
enum { STORE_BATCH_BEFORE = 1 };

struct store_batch {
    uint64_t number;                    /* 2, 3, ... within the life of a vhost in memory */
    uint64_t time_ms;                   /* wall clock at its first operation */
    struct store_operation *operations; /* owned */
    size_t count;
    size_t capacity;
    size_t live;  /* operations that are not STORE_NOTHING */
    size_t bytes; /* sum of the footprints of the messages to insert */
};

struct store_batch *store_batch_new(uint64_t number);
void store_batch_free(struct store_batch *batch);

/* Adds an operation (its reference and definition pass to the batch) and returns its index. */
size_t store_batch_add(struct store_batch *batch, struct store_operation operation);

/* Turns the insertion at index into STORE_NOTHING and drops its message. */
void store_batch_cancel(struct store_batch *batch, size_t index);

/* A definition in one heap block, its bytes copied behind it. */
struct store_definition *store_definition_copy(const struct store_definition *definition);

/* The batch as bytes, and back. Decoding makes messages of its own; NULL where the bytes are no
 * batch. Two operations that share one message share it again after decoding. */
void store_batch_encode(const struct store_batch *batch, struct buffer *buffer);
struct store_batch *store_batch_decode(struct bytes bytes);

/* A request for stored messages of a lane: those with first <= position < end, in order, at most
 * count_max of them and about bytes_max bytes (at least one). */
struct store_read {
    uint64_t lane;
    uint64_t first;
    uint64_t end;
    uint64_t token; /* comes back with the answer */
    size_t count_max;
    size_t bytes_max;
};

struct store_row {
    uint64_t position;
    uint64_t expiry_ms;
    struct message *message; /* ref */
};

/* The answer to a read. Complete where it holds every message of the asked range. */
struct store_read_result {
    struct store_read read;
    struct store_row *rows; /* owned; each row owns a reference unless it was taken (set to NULL) */
    size_t count;
    bool is_complete;
};

void store_read_result_free(struct store_read_result *result);

/* What the store knows of a lane when a vhost is opened. */
struct store_lane_state {
    uint64_t lane;
    uint64_t first;           /* no message below */
    uint64_t end;             /* one above the highest position ever used */
    uint64_t delivered_below; /* messages below may have been delivered */
    uint64_t count;           /* messages */
    uint64_t bytes;           /* sum of body_size */
};

#endif
