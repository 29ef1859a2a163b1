/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_LANE_H
#define LEVERET_QUEUE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash_table.h"
#include "base/list.h"
#include "queue/entry_ring.h"
#include "queue/store_batch.h"

struct queue;

/* A message that is no longer ready, and in the store alone: it is read before what is to become of
 * it (purpose, the broker's) can be done. */
struct fetch {
    struct entry entry;
    uint8_t purpose;
};

/* First come, first served. */
struct fetch_list {
    struct fetch *items; /* owned */
    size_t first, count, capacity;
    uint64_t taken; /* those that were read and taken, ever */
};

/* What a read that is under way is for. */
enum lane_read { LANE_READ_NOTHING, LANE_READ_STRETCH, LANE_READ_RETURNED, LANE_READ_FETCHES };

/* Where a lane is that has messages to be read. */
enum lane_turn {
    LANE_TURN_NONE,
    LANE_TURN_WAITS, /* behind others whose turn it is */
    LANE_TURN_ASKS,  /* it is its turn, and it is read next */
    LANE_TURN_HELD,  /* it is being read, or was: it may ask again */
};

/* What the lanes of a priority queue have ready, all together. */
struct lane_levels {
    uint64_t ready_count;
    uint64_t ready_bytes;
    uint64_t occupied[4]; /* a bit for each priority: something is ready there */
};

/*
 * The ready messages of a queue, in order of position: a window in memory at the head, one at the
 * tail, and between them a stretch that exists in the store alone. See lane.c.
 */
struct lane {
    struct hash_node by_id;     /* the broker's, where id is not 0 */
    struct queue *queue;        /* borrowed: whose lane it is */
    uint8_t priority;           /* of its messages */
    uint8_t read_kind;          /* enum lane_read: what the read under way is for */
    uint8_t turn;               /* enum lane_turn */
    uint32_t turn_left;         /* bytes that may still be read of it before others */
    struct lane_levels *levels; /* borrowed: of its queue; NULL: the lane counts for itself */
    uint64_t id;                /* in the store; 0 = nothing of this lane is stored */
    uint64_t next_position;     /* of the next message */
    uint64_t delivered_below;   /* messages below were delivered once: they carry redelivered */
    uint64_t marked_below;      /* the store has been told that messages below may be delivered */
    uint64_t marked_batch;      /* by this batch; */
    uint64_t marked_before;     /* while that is under way, this is what it knows */

    struct entry_ring returned; /* given back, all below what else is ready at their return */
    struct entry_ring paged;    /* read from the store */
    struct entry_ring tail;     /* the newest */

    /* The stretch: stored messages at stretch_first <= position < stretch_end. */
    uint64_t stretch_first;
    uint64_t stretch_end;
    uint64_t stretch_count;
    uint64_t stretch_bytes; /* sum of body sizes */

    uint64_t ready_count;
    uint64_t ready_bytes;     /* sum of body sizes */
    uint64_t fleeting_count;  /* of the ready ones those that are fleeting: see struct entry, */
    uint64_t fleeting_bytes;  /* and their body sizes */
    uint64_t memory_bytes;    /* footprints of the messages that the windows hold */
    uint64_t transient_bytes; /* of that, those that are in memory alone */
    uint64_t returned_bytes;  /* of that, what returned holds of stored messages */
    uint64_t counted_bytes, counted_transient; /* what the vhost's account of both knows */
    size_t led_count;   /* so many at the front of the tail are stored or on their way, */
    uint64_t led_bytes; /* with so much memory */

    uint64_t read_token;        /* the answer that is waited for; 0 = none */
    uint32_t read_at;           /* more is read of the stretch when paged has no more than these */
    uint32_t turn_weight;       /* bytes that one read of it is about, at least */
    struct fetch_list *fetches; /* owned; NULL: it never asked for any */
    struct list_node memory_node; /* in the list of lanes that hold memory, coldest first */
    struct list_node read_node;   /* in the list for its turn to be read: see broker/reading.c */
    uint64_t turn_ms;             /* when an answer came last */
};

enum lane_head {
    LANE_EMPTY,
    LANE_READY,    /* the first message is in memory */
    LANE_IN_STORE, /* it must be read first */
};

void lane_init(struct lane *lane, uint64_t id);
void lane_fini(struct lane *lane);

/* What the store found: everything is in the stretch. */
void lane_restore(struct lane *lane, const struct store_lane_state *state);

/* Appends a message at position lane->next_position - 1, which the caller has just taken; the
 * entry's reference passes to the lane. */
void lane_push(struct lane *lane, const struct entry *entry);

/* Looks at the first ready message; *entry is set when it is LANE_READY, valid until the lane
 * changes. */
enum lane_head lane_peek(const struct lane *lane, struct entry **entry);

/* Takes the first ready message, which is in memory; its reference passes to the caller. */
void lane_pop(struct lane *lane, struct entry *entry);

/* Gives entries back to their places; ascending positions. References pass to the lane. */
void lane_return(struct lane *lane, const struct entry *entries, size_t count);

/* Asks for the first message alone, to see when it expires; false where something is being read. */
bool lane_wants_probe(struct lane *lane, uint64_t token, struct store_read *read);

/* Should something be read now? */
bool lane_lacks_messages(const struct lane *lane);

/* The same, and begins with it. Fills read (all but token's uniqueness: token is the caller's, > 0)
 * and marks it as under way. bytes_max bounds what the answer may hold. */
bool lane_wants_read(struct lane *lane, uint64_t token, size_t bytes_max, struct store_read *read);

/* The answer: takes the rows' messages. Stale answers (another token) are ignored. false where the
 * store does not hold what it must. */
bool lane_read_done(struct lane *lane, struct store_read_result *result);

/* Gives an entry, which is transient, to the store, and sets its batch and operation. */
typedef void lane_spill(void *context, struct lane *lane, struct entry *entry);

/* What a lane is to give back. */
struct lane_eviction {
    uint64_t committed; /* batches up to this are in the store */
    size_t keep_bytes;  /* may stay in memory */
    uint64_t excess;    /* of transient messages there is so much too much, in all lanes; bytes */
    uint64_t room;      /* bytes that may be spilled now */
    lane_spill *spill;
    void *context;
};

/* Drops messages that are safely in the store until at most keep_bytes are in memory or nothing
 * more can go; the first messages stay longest. A lane that goes on in the store spills what is
 * transient and in the way; others do where there is too much of it. */
void lane_evict(struct lane *lane, const struct lane_eviction *eviction);

/* Asks for a message that is stored and not ready; its reference, if it has one, passes. */
void lane_fetch(struct lane *lane, struct entry entry, uint8_t purpose);
/* All of these, which are not ready and in none of the counters. */
const struct fetch_list *lane_fetches(const struct lane *lane);
static inline bool lane_has_fetches(const struct lane *lane)
{
    return lane->fetches != NULL && lane->fetches->first < lane->fetches->count;
}
/* How many were asked for, ever: so many are taken when all of them are read. */
static inline uint64_t lane_fetches_asked(const struct lane *lane)
{
    const struct fetch_list *list = lane_fetches(lane);
    return list->taken + (list->count - list->first);
}
/* The first of those asked for, when it was read: its reference passes. */
bool lane_take_fetched(struct lane *lane, struct fetch *fetch);

/* What is left of the windows of a lane that was purged: to be freed in slices. */
struct lane_remains {
    struct lane_remains *next;
    struct entry_ring rings[3];
};

size_t lane_remains_count(const struct lane_remains *remains);
/* Frees at most count messages of the remains; true when nothing is left in them. */
bool lane_remains_free_some(struct lane_remains *remains, size_t count);

/* Removes all ready messages; their memory is the caller's to free (NULL: there is none). Calls
 * on_range(context, first, count) for runs of stored positions that the store must remove, and
 * on_cancel(context, entry) for each entry whose batch is above submitted (its insertion has not
 * left yet). */
typedef void lane_range(void *context, uint64_t first, uint64_t count);
typedef void lane_cancel(void *context, const struct entry *entry);
struct lane_remains *lane_purge(struct lane *lane, uint64_t submitted, lane_range *on_range,
                                lane_cancel *on_cancel, void *context);

static inline bool lane_is_redelivered(const struct lane *lane, const struct entry *entry)
{
    return entry->position < lane->delivered_below;
}

/* Recounts the lane and aborts where its counters are wrong. For tests. */
void lane_check(const struct lane *lane);

#endif
