/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers are atomic and counted by the cores; the table only finds them, when a session is
 * made and when it is over, under a mutex of its own.
 */
#include "runtime/user_totals.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/list.h"
#include "base/xmalloc.h"

struct held_totals {
    struct hash_node by_user;
    struct user_totals totals;
    size_t holders;
    char *user; /* owned */
};

struct user_totals_table {
    pthread_mutex_t mutex;
    struct hash_table users;
};

static struct held_totals *held_of(const struct hash_node *node)
{
    return container_of(node, struct held_totals, by_user);
}

static bool is_user(const struct hash_node *node, const void *key)
{
    return bytes_equal_text(*(const struct bytes *)key, held_of(node)->user);
}

static void held_free(struct held_totals *held)
{
    free(held->user);
    free(held);
}

struct user_totals_table *user_totals_table_new(void)
{
    struct user_totals_table *table = xcalloc(1, sizeof *table);
    CHECK(pthread_mutex_init(&table->mutex, NULL) == 0);
    hash_table_init(&table->users);
    return table;
}

void user_totals_table_free(struct user_totals_table *table)
{
    struct hash_node *node;
    size_t cursor = 0;
    while ((node = hash_table_remaining(&table->users, &cursor)) != NULL) {
        hash_table_remove(&table->users, node);
        held_free(held_of(node));
    }
    hash_table_fini(&table->users);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static struct held_totals *find_or_add(struct user_totals_table *table, const char *user)
{
    struct bytes name = bytes_of_text(user);
    uint64_t hash = bytes_hash(name, 0);
    struct hash_node *node = hash_table_find(&table->users, hash, is_user, &name);
    if (node != NULL)
        return held_of(node);
    struct held_totals *held = xcalloc(1, sizeof *held);
    held->user = xstrdup(user);
    hash_table_insert(&table->users, &held->by_user, hash);
    return held;
}

struct user_totals *user_totals_hold(struct user_totals_table *table, const char *user)
{
    pthread_mutex_lock(&table->mutex);
    struct held_totals *held = find_or_add(table, user);
    held->holders++;
    pthread_mutex_unlock(&table->mutex);
    return &held->totals;
}

void user_totals_release(struct user_totals_table *table, struct user_totals *totals)
{
    struct held_totals *held = container_of(totals, struct held_totals, totals);
    pthread_mutex_lock(&table->mutex);
    bool is_last = --held->holders == 0;
    if (is_last)
        hash_table_remove(&table->users, &held->by_user);
    pthread_mutex_unlock(&table->mutex);
    if (is_last)
        held_free(held);
}
