/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topic exchange: keys are words between dots; in a binding key the word * stands for exactly
 * one word and # for any number of them, none included. Only whole words are wildcards, and the
 * empty key is no word at all, not one empty word.
 *
 * The index is a trie of words: binding keys that begin alike share nodes, and the routes of a key
 * hang at the node of its last word. All nodes but the root lie in one hash table under (parent's
 * id, word), because a node has one child or a hundred thousand (device.ID.state) and both must be
 * one look-up. A node also points to its * and # children, which matching asks for at every word.
 * A node without routes and children does not exist: removing a route prunes upwards.
 *
 * Matching walks the key once and keeps the set of nodes that the words so far can lead to, as a
 * nondeterministic automaton is run. Going down every branch by recursion is simpler and explodes:
 * a key of 255 dots has more ways through #.#.#.# than there is time. Here a node is entered at
 * most once per word. A node that is not # is entered only from its parent, so it comes once by
 * itself; a # node is entered from its parent, after any word, and then never left, because it
 * takes any further word too. So a # node is marked with the number of the match at its first
 * entry and skipped later, its routes match right there, whatever follows, and it stays open: it
 * steps on with every word.
 *
 * It need not stay open to the end. What a # node takes when it is entered later, it also takes
 * from its first entry on; so a way that leads to entered # nodes only, past no routes, is settled
 * and not gone again, and a # node closes when all ways on from it are settled. Of #.a.#.b.#.c
 * only one # is open at a time, and no more are open than there are bindings.
 *
 * The marks and the lists of the walk are working memory of the state, under the same lock as all
 * of the core: two matches on one state never run at once.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct node {
    struct hash_node hash_node; /* unused in the root */
    uint64_t id;                /* never used again, so that no pointer is hashed */
    uint64_t entered_in;        /* a # node: the last match that entered it */
    uint64_t settled_in;        /* the match that the next one is about */
    size_t settled_count;       /* children that need not be entered again */
    struct node *parent;        /* borrowed: a parent lives as long as its children */
    struct node *star;          /* the child for the word *, or NULL */
    struct node *hash;          /* the child for the word #, or NULL */
    struct route *routes;       /* borrowed: the broker removes a route before it frees it */
    size_t children_count;      /* the two above included */
    size_t word_size;
    uint8_t word[];
};

struct node_list {
    struct node **nodes; /* owned */
    size_t count;
    size_t capacity;
};

/* One match on its way through the words of a key. */
struct walk {
    uint64_t number;
    struct node_list current;      /* entered by the last word, and not # */
    struct node_list next;         /* likewise by the word at hand */
    struct node_list open;         /* # nodes that were entered and may lead on */
    struct route_matches *matches; /* borrowed during a match */
};

struct topic {
    struct hash_table nodes; /* owned: struct node, all but the root */
    struct node *root;       /* owned */
    struct walk *walk;       /* owned; kept, so that a match allocates nothing */
    uint64_t hash_seed;
    uint64_t id_last;
};

static const char separator = '.';

/* --- words --- */

/* The words that are left; rest.data is NULL after the last one. */
struct words {
    struct bytes rest;
};

static struct words words_of(struct bytes key)
{
    return (struct words){key.size == 0 ? bytes_of(NULL, 0) : key};
}

static bool words_next(struct words *words, struct bytes *word)
{
    struct bytes rest = words->rest;
    if (rest.data == NULL)
        return false;
    const uint8_t *dot = rest.size == 0 ? NULL : memchr(rest.data, separator, rest.size);
    if (dot == NULL) {
        *word = rest;
        words->rest = bytes_of(NULL, 0);
        return true;
    }
    *word = bytes_of(rest.data, (size_t)(dot - rest.data));
    words->rest = bytes_of(dot + 1, rest.size - word->size - 1);
    return true;
}

static bool word_is(struct bytes word, char wildcard)
{
    return word.size == 1 && word.data[0] == (uint8_t)wildcard;
}

/* --- nodes --- */

struct child_key {
    const struct node *parent;
    struct bytes word;
};

static bool node_has_key(const struct hash_node *hash_node, const void *key)
{
    const struct node *node = container_of(hash_node, const struct node, hash_node);
    const struct child_key *child = key;
    return node->parent == child->parent &&
           bytes_equal(bytes_of(node->word, node->word_size), child->word);
}

/* The word's hash is an argument of its own: a match computes it once for all parents. */
static uint64_t child_hash(const struct node *parent, uint64_t word_hash)
{
    return hash_u64(word_hash ^ hash_u64(parent->id));
}

static struct node *child_find(const struct topic *topic, const struct node *parent,
                               struct bytes word, uint64_t word_hash)
{
    struct child_key key = {parent, word};
    struct hash_node *found =
        hash_table_find(&topic->nodes, child_hash(parent, word_hash), node_has_key, &key);
    return found == NULL ? NULL : container_of(found, struct node, hash_node);
}

static struct node *node_new(struct topic *topic, struct node *parent, struct bytes word)
{
    struct node *node = xcalloc(1, sizeof *node + word.size);
    node->id = ++topic->id_last;
    node->parent = parent;
    node->word_size = word.size;
    if (word.size > 0)
        memcpy(node->word, word.data, word.size);
    return node;
}

/* Where a parent keeps its child for a wildcard; NULL for any other word. */
static struct node **wildcard_place(struct node *parent, struct bytes word)
{
    if (word_is(word, '*'))
        return &parent->star;
    return word_is(word, '#') ? &parent->hash : NULL;
}

static struct node *child_add(struct topic *topic, struct node *parent, struct bytes word,
                              uint64_t word_hash)
{
    struct node *node = node_new(topic, parent, word);
    struct node **place = wildcard_place(parent, word);
    if (place != NULL)
        *place = node;
    parent->children_count++;
    hash_table_insert(&topic->nodes, &node->hash_node, child_hash(parent, word_hash));
    return node;
}

static void node_remove(struct topic *topic, struct node *node)
{
    struct node **place = wildcard_place(node->parent, bytes_of(node->word, node->word_size));
    if (place != NULL)
        *place = NULL;
    node->parent->children_count--;
    hash_table_remove(&topic->nodes, &node->hash_node);
    free(node);
}

static void prune_from(struct topic *topic, struct node *node)
{
    while (node != topic->root && node->routes == NULL && node->children_count == 0) {
        struct node *parent = node->parent;
        node_remove(topic, node);
        node = parent;
    }
}

/* --- the walk --- */

static void node_list_push(struct node_list *list, struct node *node)
{
    if (list->count == list->capacity)
        list->nodes = xgrow(list->nodes, &list->capacity, list->count + 1, sizeof list->nodes[0]);
    list->nodes[list->count++] = node;
}

static bool children_are_settled(const struct walk *walk, const struct node *node)
{
    size_t settled_count = node->settled_in == walk->number ? node->settled_count : 0;
    return settled_count == node->children_count;
}

/* Of a node that is not #. */
static bool node_is_settled(const struct walk *walk, const struct node *node)
{
    return node->routes == NULL && children_are_settled(walk, node);
}

static void count_settled_child(const struct walk *walk, struct node *node)
{
    if (node->settled_in != walk->number) {
        node->settled_in = walk->number;
        node->settled_count = 0;
    }
    node->settled_count++;
}

/* A # node was entered: that settles it, and maybe nodes on the way to it. The way ends at the
 * # node before, which was settled when it was entered. */
static void walk_settle(const struct walk *walk, struct node *node)
{
    bool goes_on;
    do {
        struct node *parent = node->parent;
        count_settled_child(walk, parent);
        goes_on = parent->parent != NULL && parent->parent->hash != parent &&
                  node_is_settled(walk, parent);
        node = parent;
    } while (goes_on);
}

/* Enters the # nodes that follow a node that was entered, since # needs no word. */
static void walk_enter_hashes(struct walk *walk, const struct node *node)
{
    for (struct node *hash = node->hash; hash != NULL; hash = hash->hash) {
        if (hash->entered_in == walk->number)
            return;
        hash->entered_in = walk->number;
        route_chain_push(hash->routes, walk->matches);
        walk_settle(walk, hash);
        node_list_push(&walk->open, hash);
    }
}

static void walk_enter(struct walk *walk, struct node *node)
{
    if (node_is_settled(walk, node))
        return;
    node_list_push(&walk->next, node);
    walk_enter_hashes(walk, node);
}

static void walk_close_settled(struct walk *walk)
{
    struct node_list *open = &walk->open;
    size_t kept_count = 0;
    for (size_t i = 0; i < open->count; i++) {
        if (!children_are_settled(walk, open->nodes[i]))
            open->nodes[kept_count++] = open->nodes[i];
    }
    open->count = kept_count;
}

/* Enters the children of the nodes [0, count) of a list that take the word. */
static void walk_step_from(const struct topic *topic, const struct node_list *list, size_t count,
                           struct bytes word)
{
    uint64_t word_hash = bytes_hash(word, topic->hash_seed);
    /* As a word of a message * and # mean nothing; the children of those names are wildcards. */
    bool has_name = !word_is(word, '*') && !word_is(word, '#');
    for (size_t i = 0; i < count; i++) {
        struct node *node = list->nodes[i];
        if (node->star != NULL)
            walk_enter(topic->walk, node->star);
        if (!has_name || node->children_count == 0)
            continue;
        struct node *child = child_find(topic, node, word, word_hash);
        if (child != NULL)
            walk_enter(topic->walk, child);
    }
}

/* # nodes that this very word enters have not taken it yet: they step from the next word on. */
static void walk_step(const struct topic *topic, struct bytes word)
{
    struct walk *walk = topic->walk;
    walk_close_settled(walk);
    size_t open_count = walk->open.count;
    walk->next.count = 0;
    walk_step_from(topic, &walk->current, walk->current.count, word);
    walk_step_from(topic, &walk->open, open_count, word);
    struct node_list entered = walk->next;
    walk->next = walk->current;
    walk->current = entered;
}

static void walk_start(struct walk *walk, struct node *root, struct route_matches *matches)
{
    walk->number++;
    walk->matches = matches;
    walk->open.count = 0;
    walk->current.count = 0;
    node_list_push(&walk->current, root);
    walk_enter_hashes(walk, root);
}

static void walk_finish(struct walk *walk)
{
    for (size_t i = 0; i < walk->current.count; i++)
        route_chain_push(walk->current.nodes[i]->routes, walk->matches);
    walk->matches = NULL;
}

static void match_key(const struct topic *topic, struct bytes key, struct route_matches *matches)
{
    struct words words = words_of(key);
    struct bytes word;
    walk_start(topic->walk, topic->root, matches);
    while (words_next(&words, &word))
        walk_step(topic, word);
    walk_finish(topic->walk);
}

static void topic_match(void *state, const struct route_subject *subject,
                        struct route_matches *matches)
{
    for (size_t i = 0; i < subject->key_count; i++)
        match_key(state, subject->keys[i], matches);
}

/* --- the rest of the type --- */

static void *topic_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)arguments;
    struct topic *topic = xcalloc(1, sizeof *topic);
    topic->hash_seed = hash_seed;
    topic->root = node_new(topic, NULL, bytes_of(NULL, 0));
    topic->walk = xcalloc(1, sizeof *topic->walk);
    hash_table_init(&topic->nodes);
    return topic;
}

static void topic_free(void *state)
{
    struct topic *topic = state;
    struct hash_node *next;
    for (struct hash_node *i = hash_table_next(&topic->nodes, NULL); i != NULL; i = next) {
        next = hash_table_next(&topic->nodes, i);
        hash_table_remove(&topic->nodes, i);
        free(container_of(i, struct node, hash_node));
    }
    hash_table_fini(&topic->nodes);
    free(topic->walk->current.nodes);
    free(topic->walk->next.nodes);
    free(topic->walk->open.nodes);
    free(topic->walk);
    free(topic->root);
    free(topic);
}

static void topic_add(void *state, struct route *route)
{
    struct topic *topic = state;
    struct node *node = topic->root;
    struct words words = words_of(route->key);
    struct bytes word;
    while (words_next(&words, &word)) {
        uint64_t word_hash = bytes_hash(word, topic->hash_seed);
        struct node *child = child_find(topic, node, word, word_hash);
        node = child != NULL ? child : child_add(topic, node, word, word_hash);
    }
    route->index_entry = node;
    route_chain_add(&node->routes, route);
}

static void topic_remove(void *state, struct route *route)
{
    struct node *node = route->index_entry;
    CHECK(node != NULL);
    route->index_entry = NULL;
    route_chain_remove(route);
    prune_from(state, node);
}

const struct exchange_type exchange_topic = {
    .name = "topic",
    .routes_by_key = true,
    .check_arguments = exchange_takes_any_arguments,
    .new = topic_new,
    .free = topic_free,
    .check = exchange_takes_any_binding,
    .add = topic_add,
    .remove = topic_remove,
    .match = topic_match,
};
