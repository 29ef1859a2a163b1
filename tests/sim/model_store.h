/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_MODEL_STORE_H
#define LEVERET_TESTS_MODEL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store_batch.h"

/* A store in memory for tests of the core: it commits, answers and dies exactly when it is told. */
struct model_store;

struct model_store *model_store_new(void);
void model_store_free(struct model_store *store);

/* Takes a batch, through its bytes and back. It is not durable yet. */
void model_store_submit(struct model_store *store, struct store_batch *batch);
/* Makes the oldest batch that is not durable durable and returns its number; 0 where there is none.
 */
uint64_t model_store_commit(struct model_store *store);
bool model_store_has_submitted(const struct model_store *store);
/* Forgets all that is not durable, as a loss of power does. */
void model_store_crash(struct model_store *store);

/* What is durable of what is asked for now: at most rows_max rows (at least one) and what the read
 * allows. */
struct store_read_result *model_store_read(const struct model_store *store,
                                           const struct store_read *read, size_t rows_max);

/* What a vhost that opens needs; the caller's, store_opened_fini. */
struct store_opened model_store_open(const struct model_store *store);

/* Every durable message, lane by lane in order, with the name of its queue and whether the store
 * was told that it may have been delivered. */
typedef void model_store_visit(void *context, struct bytes queue, const struct message *message,
                               bool may_be_delivered);
void model_store_each(const struct model_store *store, model_store_visit *visit, void *context);

/* Calls visit for every message that becomes durable from now on. */
void model_store_watch(struct model_store *store, model_store_visit *visit, void *context);

bool model_store_has_queue(const struct model_store *store, struct bytes name);

#endif
