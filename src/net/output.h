/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_OUTPUT_H
#define LEVERET_NET_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "net/stream.h"
#include "queue/message.h"

/* The unwritten output of one connection: frames behind each other in a buffer, large bodies by
 * reference between them, and what of the deliveries' cost the socket has taken. */

struct output_part {
    size_t at; /* stands in front of this offset of data */
    struct bytes bytes;
    struct message *message; /* ref, or NULL: a later part holds it */
};

struct output_mark {
    uint64_t position; /* when so many bytes were written, ... */
    uint64_t cost;     /* ... this much of the deliveries is */
};

struct output {
    struct buffer data;        /* owned; frame bytes */
    size_t data_written;       /* of them */
    struct output_part *parts; /* owned */
    size_t part_count;
    size_t part_capacity;
    size_t part_first;     /* parts before it are written */
    size_t part_written;   /* bytes of parts[part_first] */
    uint64_t queued_bytes; /* ever */
    uint64_t written_bytes;
    uint64_t write_count;      /* system calls that it took */
    struct output_mark *marks; /* owned; rising positions, the last one still grows */
    size_t mark_count;
    size_t mark_capacity;
    size_t mark_first;
    uint64_t cost_written; /* of deliveries whose bytes were written, not yet taken */
};

enum { OUTPUT_IDLE_BYTES = 4 * 1024 };

enum output_result { OUTPUT_DONE, OUTPUT_FULL, OUTPUT_BROKEN };

void output_fini(struct output *output);

/* Whoever appends to data calls it afterwards with the size that data had before. */
static inline void output_appended(struct output *output, size_t size_before)
{
    output->queued_bytes += output->data.size - size_before;
}

/* A message's header and body frames. */
void output_add_content(struct output *output, uint16_t channel, struct message *message,
                        size_t frame_max);
/* What was appended last is a delivery of that cost. */
void output_charge(struct output *output, uint64_t cost);

static inline uint64_t output_unwritten(const struct output *output)
{
    return output->queued_bytes - output->written_bytes;
}

/* Writes until all is written, or the socket is full. */
enum output_result output_write(struct output *output, struct stream *stream);

/* Has it memory that an idle connection does not need? */
static inline bool output_is_large(const struct output *output)
{
    return output->data.capacity > OUTPUT_IDLE_BYTES;
}
/* Gives that up where nothing is unwritten. */
void output_trim(struct output *output);
size_t output_memory_bytes(const struct output *output);

#endif
