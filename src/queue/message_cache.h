/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_MESSAGE_CACHE_H
#define LEVERET_QUEUE_MESSAGE_CACHE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of messages that one thread keeps for the next ones it makes. Zero-initialised is empty.
 * A thread without one makes and frees messages with malloc and free; what one thread allocated any
 * other may free, with a cache or without. */
enum { message_cache_classes = 40 };

/* Memory that passes between the caches of threads: some make messages, others free them.
 * Zero-initialised is empty. */
struct message_pool {
    _Atomic(struct message_chain *) chains[message_cache_classes]; /* owned; by size */
    _Atomic size_t bytes;                                          /* of them */
    _Atomic uint64_t asked; /* sizes that were asked for since the last clearance, a bit each; */
    _Atomic size_t refused; /* and bytes that found no place */
    _Atomic unsigned clearances; /* of sizes that nobody asks for any more */
};

/* Frees what it holds; no cache uses it. */
void message_pool_fini(struct message_pool *pool);

struct message_cache {
    struct message_pool *pool;                           /* borrowed, or NULL: it stands alone */
    size_t bytes_max;                                    /* that it keeps */
    struct message_chain *blocks[message_cache_classes]; /* owned; free ones, by size, */
    size_t bytes;                                        /* and their bytes */
    struct message_chain *chains[message_cache_classes]; /* owned; taken from the pool, whose bytes
                                                            they still are */
    uint64_t asked;                                      /* as of the pool, by this thread */
    unsigned clearances;                                 /* of the pool that it knows of */
};

/* What a thread keeps that makes messages and frees them, and one that only does one of the two. */
enum { message_cache_bytes = 512 * 1024, message_cache_bytes_one_way = 64 * 1024 };

/* From now on this thread uses the cache (borrowed); NULL: none. */
void message_cache_use(struct message_cache *cache);
/* Frees what it holds; no thread uses it. */
void message_cache_fini(struct message_cache *cache);

/* A block of at least size bytes, from this thread's cache where it has one of that size. */
void *message_cache_take(size_t size) __attribute__((malloc, returns_nonnull));
/* The end of a block that was taken with this size or a larger one. */
void message_cache_give(void *block, size_t size);

#endif
