/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop's turn makes thousands of messages and then frees thousands: more than the few blocks of a
 * size that malloc keeps at hand for each thread, so that nearly every message went the long ways
 * of malloc and free. A reactor therefore keeps what its last turn has freed, up to bytes_max, in
 * lists by size, which costs a few instructions either way.
 *
 * The cache belongs to a reactor, not to its vhosts, because a reactor both reads publishes and
 * drops what was delivered or acked, and one thread at a time uses it. The thread finds it in a
 * variable of its own, or a message could not be freed by whoever has the last reference to it:
 * this is the only such variable of the core, and nothing but an address depends on it.
 *
 * Where one thread makes messages and another frees them, as reactors and the threads of the store
 * do, one would always call malloc and the other free, and both want the lock of the same arena:
 * who loses its processor with it makes the other wait, a reactor for milliseconds. So a cache that
 * is full passes what it has to a pool, a chain for each size, and one that has nothing takes
 * chains from there: an atomic operation for some hundred messages. What is taken is all of a size
 * at once, so that no block can come back in between (ABA); chains that are not needed yet stay
 * with the taker. Where messages become of other sizes, those that nobody asks for have to go: the
 * pool is cleared of them when as much as it holds has found no place in it, and whoever has taken
 * some drops them when it next asks.
 *
 * Where no cache is used, as in the tests of the core, sanitizers and Valgrind see every message
 * come and go.
 */
#include "queue/message_cache.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/seldom.h"
#include "base/xmalloc.h"

enum { class_bytes = 32, pool_bytes_max = 4 << 20 };

/* A free block. The first of a chain in the pool knows the next chain, and what is in its own. */
struct message_chain {
    struct message_chain *next;
    struct message_chain *next_chain;
    size_t bytes;
};
_Static_assert(sizeof(struct message_chain) <= class_bytes, "it is in the smallest blocks");
_Static_assert(message_cache_classes <= 64, "each has a bit");

static _Thread_local struct message_cache *used;

void message_cache_use(struct message_cache *cache)
{
    used = cache;
}

static void free_blocks(struct message_chain *block)
{
    while (block != NULL) {
        struct message_chain *next = block->next;
        free(block);
        block = next;
    }
}

/* Returns how many bytes they were. */
static size_t free_chains(struct message_chain *chain)
{
    size_t bytes = 0;
    while (chain != NULL) {
        struct message_chain *next = chain->next_chain;
        bytes += chain->bytes;
        free_blocks(chain);
        chain = next;
    }
    return bytes;
}

void message_pool_fini(struct message_pool *pool)
{
    for (size_t i = 0; i < message_cache_classes; i++)
        (void)free_chains(atomic_exchange(&pool->chains[i], NULL));
    atomic_store(&pool->bytes, 0);
}

static void drop_chains(struct message_cache *cache, size_t class)
{
    size_t bytes = free_chains(cache->chains[class]);
    if (bytes > 0)
        atomic_fetch_sub(&cache->pool->bytes, bytes);
    cache->chains[class] = NULL;
}

void message_cache_fini(struct message_cache *cache)
{
    for (size_t i = 0; i < message_cache_classes; i++) {
        free_blocks(cache->blocks[i]);
        cache->blocks[i] = NULL;
        drop_chains(cache, i);
    }
    cache->bytes = 0;
}

/* --- sizes that nobody asks for any more */

static bool has(uint64_t classes, size_t class)
{
    return (classes >> class & 1) != 0;
}

static void clear_pool(struct message_pool *pool)
{
    uint64_t asked = atomic_exchange(&pool->asked, 0);
    for (size_t class = 0; class < message_cache_classes; class ++) {
        if (!has(asked, class))
            atomic_fetch_sub(&pool->bytes,
                             free_chains(atomic_exchange(&pool->chains[class], NULL)));
    }
    atomic_fetch_add(&pool->clearances, 1);
}

/* One thread is the one by which it becomes too much. */
static void refuse(struct message_pool *pool, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&pool->refused, bytes, memory_order_relaxed);
    if (before >= pool_bytes_max || before + bytes < pool_bytes_max)
        return;
    clear_pool(pool);
    atomic_store_explicit(&pool->refused, 0, memory_order_relaxed);
}

static void follow_clearances(struct message_cache *cache)
{
    unsigned clearances = atomic_load_explicit(&cache->pool->clearances, memory_order_relaxed);
    if (cache->clearances == clearances)
        return;
    for (size_t class = 0; class < message_cache_classes; class ++) {
        if (!has(cache->asked, class))
            drop_chains(cache, class);
    }
    cache->asked = 0;
    cache->clearances = clearances;
}

static void ask_for(struct message_cache *cache, size_t class)
{
    uint64_t bit = UINT64_C(1) << class;
    follow_clearances(cache);
    cache->asked |= bit;
    if (!has(atomic_load_explicit(&cache->pool->asked, memory_order_relaxed), class))
        atomic_fetch_or_explicit(&cache->pool->asked, bit, memory_order_relaxed);
}

/* --- to the pool, and from it */

static void push_chain(struct message_pool *pool, size_t class, struct message_chain *chain)
{
    chain->next_chain = atomic_load_explicit(&pool->chains[class], memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&pool->chains[class], &chain->next_chain, chain,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

static void pass_on(struct message_cache *cache)
{
    for (size_t class = 0; class < message_cache_classes; class ++) {
        struct message_chain *chain = cache->blocks[class];
        if (chain == NULL)
            continue;
        chain->bytes = 0;
        for (const struct message_chain *block = chain; block != NULL; block = block->next)
            chain->bytes += (class + 1) * class_bytes;
        atomic_fetch_add_explicit(&cache->pool->bytes, chain->bytes, memory_order_relaxed);
        push_chain(cache->pool, class, chain);
        cache->blocks[class] = NULL;
    }
    cache->bytes = 0;
}

/* False where there is none. */
SELDOM static bool take_chain(struct message_cache *cache, size_t class)
{
    if (cache->pool == NULL)
        return false;
    ask_for(cache, class);
    if (cache->chains[class] == NULL &&
        atomic_load_explicit(&cache->pool->chains[class], memory_order_relaxed) != NULL)
        cache->chains[class] =
            atomic_exchange_explicit(&cache->pool->chains[class], NULL, memory_order_acquire);
    struct message_chain *chain = cache->chains[class];
    if (chain == NULL)
        return false;
    cache->chains[class] = chain->next_chain;
    cache->blocks[class] = chain;
    cache->bytes += chain->bytes;
    atomic_fetch_sub_explicit(&cache->pool->bytes, chain->bytes, memory_order_relaxed);
    return true;
}

/* --- blocks */

static size_t class_of(size_t size)
{
    return (size - 1) / class_bytes;
}

void *message_cache_take(size_t size)
{
    struct message_cache *cache = used;
    size_t class = class_of(size);
    if (class >= message_cache_classes)
        return xmalloc(size);
    size_t rounded = (class + 1) * class_bytes;
    if (cache == NULL || (cache->blocks[class] == NULL && !take_chain(cache, class)))
        return xmalloc(rounded);
    struct message_chain *block = cache->blocks[class];
    cache->blocks[class] = block->next;
    cache->bytes -= rounded;
    return block;
}

static void keep(struct message_cache *cache, struct message_chain *block, size_t class)
{
    block->next = cache->blocks[class];
    cache->blocks[class] = block;
    cache->bytes += (class + 1) * class_bytes;
}

/* The cache is full. */
SELDOM static void give_to_pool(struct message_cache *cache, struct message_chain *block,
                                size_t class)
{
    struct message_pool *pool = cache->pool;
    if (pool == NULL) {
        free(block);
    } else if (atomic_load_explicit(&pool->bytes, memory_order_relaxed) > pool_bytes_max) {
        free(block);
        refuse(pool, (class + 1) * class_bytes);
    } else {
        pass_on(cache);
        keep(cache, block, class);
    }
}

void message_cache_give(void *block, size_t size)
{
    struct message_cache *cache = used;
    size_t class = class_of(size);
    if (cache == NULL || class >= message_cache_classes)
        free(block);
    else if (cache->bytes + (class + 1) * class_bytes > cache->bytes_max)
        give_to_pool(cache, block, class);
    else
        keep(cache, block, class);
}
