/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_TEST_STORE_MODEL_H
#define LEVERET_TESTS_TEST_STORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store_batch.h"
#include "store/store.h"

/* What a store must hold, kept in the simplest way, and a source of random batches for it. */
struct model_entry {
    uint64_t position, expiry_ms;
    struct message *message; /* ref; NULL where it was removed */
    uint16_t attempts;
    bool is_spilled;
    struct store_definition *value; /* owned; NULL: none */
};

struct model_lane {
    uint64_t id;
    uint64_t queue;  /* its first lane */
    uint64_t others; /* lanes of the queue */
    uint64_t end, delivered_below;
    uint64_t spilled_end; /* one above the highest position that was ever spilled */
    bool is_used;
    struct model_entry *entries; /* by position */
    size_t count, capacity;
};

/* What an exchange keeps: messages by (expiry_ms, position), and keys by position. */
struct model_shelf {
    uint64_t id, end;
    struct model_entry *delays;
    size_t count, capacity;
    struct store_operation *keys;
    size_t key_count, key_capacity;
};

struct model {
    struct model_lane *lanes;
    size_t lane_count, lane_capacity;
    struct model_shelf *shelves;
    size_t shelf_count, shelf_capacity;
    struct store_definition **definitions; /* exchanges and bindings; queues are lanes */
    uint8_t *definition_kinds;
    size_t definition_count, definition_capacity;
    uint64_t lane_next;
    bool has_spills; /* random batches spill messages, too */
};

struct model *model_new(void);
void model_free(struct model *model);
struct model *model_copy(const struct model *model);
void model_apply(struct model *model, const struct store_batch *batch);
/* What was spilled is gone, as when a store is opened. */
void model_forget_spilled(struct model *model);

/* Do both hold the same? Everything is compared: definitions, states of lanes, every message by
 * reading it. Prints the first difference. */
bool model_equals(const struct model *model, const struct store_opened *opened, struct store *store,
                  uint64_t *random);
/* The same, and prints nothing. */
bool model_would_equal(const struct model *model, const struct store_opened *opened,
                       struct store *store, uint64_t *random);
bool model_equals_messages(const struct model *model, struct store *store, uint64_t *random);

uint64_t model_random(uint64_t *state);
static inline uint64_t model_below(uint64_t *state, uint64_t bound)
{
    return model_random(state) % bound;
}
struct message *model_message(uint64_t *random, size_t body_bytes);

/* Batches are built upon a copy of the model, so that what they do makes sense. */
struct store_batch *model_random_batch(const struct model *model, uint64_t *random,
                                       size_t operations);
/* A queue with its lane, or as many as lanes says; the name follows from the first one's number. */
void model_add_queue(struct store_batch *batch, uint64_t lane);
void model_add_queue_delete(struct store_batch *batch, uint64_t lane);
void model_add_queue_of(struct store_batch *batch, uint64_t lane, uint64_t lanes);
void model_add_queue_delete_of(struct store_batch *batch, uint64_t lane, uint64_t lanes);
/* An exchange with a number, from which its name follows, or without one (0). */
void model_add_shelf(struct store_batch *batch, uint64_t shelf);
void model_add_shelf_delete(struct store_batch *batch, uint64_t shelf);
/* Takes the reference. */
void model_add_delay(struct store_batch *batch, uint64_t shelf, uint64_t id, uint64_t due_ms,
                     struct message *message);
void model_add_delay_remove(struct store_batch *batch, uint64_t shelf, uint64_t id,
                            uint64_t due_ms);
void model_add_key(struct store_batch *batch, uint64_t shelf, uint64_t position, const char *key);
void model_add_key_remove(struct store_batch *batch, uint64_t shelf, uint64_t position,
                          uint64_t count);
void model_add_attempts(struct store_batch *batch, uint64_t lane, uint64_t position,
                        uint64_t count);
/* Takes the reference. */
void model_add_insert(struct store_batch *batch, uint64_t lane, uint64_t position,
                      struct message *message);
/* The same for a message that a queue knows by a value. */
void model_add_insert_of(struct store_batch *batch, uint64_t lane, uint64_t position,
                         struct message *message, const char *value);
void model_add_remove(struct store_batch *batch, uint64_t lane, uint64_t position, uint64_t count);
/* Takes the reference. */
void model_add_spill(struct store_batch *batch, uint64_t lane, uint64_t position,
                     struct message *message);
void model_add_spill_forget(struct store_batch *batch, uint64_t lane, uint64_t lanes);

/* Folders for tests: made under TMPDIR, removed with all files in it. */
char *model_folder_new(void);
void model_folder_free(char *folder);
void model_folder_copy(const char *from, const char *to);

#endif
