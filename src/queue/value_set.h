/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_VALUE_SET_H
#define LEVERET_QUEUE_VALUE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_table.h"

/* The values by which a queue that deduplicates knows its messages, each with the place of the
 * message that holds it. See value_set.c. */
struct value_set {
    struct hash_table by_key;   /* struct value */
    struct hash_table by_place; /* the same */
    uint64_t hash_seed;
    size_t bytes;           /* of the values */
    struct value_set *next; /* the broker's: in its list of those to be freed */
    size_t cursor;          /* of freeing */
};

/* A message of the queue. */
struct value_place {
    uint64_t position;
    uint8_t priority; /* of its lane */
};

struct value_set *value_set_new(uint64_t hash_seed);
/* NULL is none. */
void value_set_free(struct value_set *set);
/* Frees about count values; true when the set is gone, too. Between the first call and that nobody
 * does anything else with it. */
bool value_set_free_some(struct value_set *set, size_t count);

static inline size_t value_set_count(const struct value_set *set)
{
    return set->by_key.count;
}

/* Of memory. */
size_t value_set_bytes(const struct value_set *set);

/* Does a message that has not expired hold the value? Expiry in wall-clock ms, 0 = never. */
bool value_set_holds(const struct value_set *set, struct bytes key, uint64_t now_ms);

/* The message holds the value (copied); where another one does, whichever expires later, or else
 * is delivered later. (A queue that did not deduplicate for a while has two.) */
void value_set_put(struct value_set *set, struct bytes key, struct value_place place,
                   uint64_t expiry_ms);

/* The message is gone, and so is what it held, if it held anything. */
void value_set_remove(struct value_set *set, struct value_place place);

/* What the message holds, if anything, goes over into another set, which does not have it. */
void value_set_move(struct value_set *from, struct value_set *to, struct value_place place);

/* Recounts and aborts where something is wrong. For tests. */
void value_set_check(const struct value_set *set);

#endif
