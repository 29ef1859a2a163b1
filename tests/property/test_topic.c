/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topic trie against a matcher that is too simple to be wrong: recursion over the words of one
 * binding key and one routing key. All keys over a small alphabet are tried against all others, in
 * one trie, so that every pair of branches meets; then seeded random sequences add and remove
 * bindings and compare after every change. The alphabet holds the empty word and the wildcards on
 * both sides. A failure prints the seed and both keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/xmalloc.h"
#include "exchange/exchange_type.h"

enum { key_size_max = 256, words_max = 256, deadline_s = 120 };

/* --- the simple matcher --- */

struct word_list {
    struct bytes words[words_max];
    size_t count;
};

static void split(const char *key, struct word_list *list)
{
    list->count = 0;
    if (*key == '\0')
        return;
    for (;;) {
        size_t size = strcspn(key, ".");
        list->words[list->count++] = bytes_of(key, size);
        if (key[size] == '\0')
            return;
        key += size + 1;
    }
}

static bool naive_matches_from(const struct word_list *binding, size_t b,
                               const struct word_list *key, size_t k)
{
    if (b == binding->count)
        return k == key->count;
    if (bytes_equal_text(binding->words[b], "#")) {
        for (size_t end = k; end <= key->count; end++) {
            if (naive_matches_from(binding, b + 1, key, end))
                return true;
        }
        return false;
    }
    if (k == key->count)
        return false;
    bool takes =
        bytes_equal_text(binding->words[b], "*") || bytes_equal(binding->words[b], key->words[k]);
    return takes && naive_matches_from(binding, b + 1, key, k + 1);
}

static bool naive_matches(const char *binding, const char *key)
{
    static struct word_list binding_words, key_words;
    split(binding, &binding_words);
    split(key, &key_words);
    return naive_matches_from(&binding_words, 0, &key_words, 0);
}

/* --- a trie and the bindings that should be in it --- */

struct binding {
    struct route route;
    char key[key_size_max];
    bool is_added;
    unsigned found_count; /* by the match at hand */
};

struct model {
    void *topic; /* owned */
    struct binding *bindings;
    size_t count;
    struct route_matches matches;
};

static void model_init(struct model *model, size_t count)
{
    *model = (struct model){.count = count};
    model->topic = exchange_topic.new(1, bytes_of(NULL, 0));
    model->bindings = xcalloc(count, sizeof *model->bindings);
}

static void model_fini(struct model *model)
{
    exchange_topic.free(model->topic);
    route_matches_fini(&model->matches);
    free(model->bindings);
}

static void model_add(struct model *model, size_t index, const char *key)
{
    struct binding *binding = &model->bindings[index];
    snprintf(binding->key, sizeof binding->key, "%s", key);
    binding->route = (struct route){.key = bytes_of_text(binding->key)};
    binding->is_added = true;
    exchange_topic.add(model->topic, &binding->route);
}

static void model_remove(struct model *model, size_t index)
{
    struct binding *binding = &model->bindings[index];
    exchange_topic.remove(model->topic, &binding->route);
    binding->is_added = false;
    /* What the trie still knows of the key from here on shows as a wrong answer. */
    memset(binding->key, '?', sizeof binding->key);
}

static void model_match(struct model *model, const char *key)
{
    struct bytes keys[] = {bytes_of_text(key)};
    struct route_subject subject = {.keys = keys, .key_count = 1};
    model->matches.count = 0;
    exchange_topic.match(model->topic, &subject, &model->matches);
}

/* The trie finds each matching binding exactly once, and nothing else. */
static void model_compare(struct model *model, const char *key, uint64_t seed)
{
    model_match(model, key);
    for (size_t i = 0; i < model->matches.count; i++)
        ((struct binding *)model->matches.routes[i])->found_count++;
    for (size_t i = 0; i < model->count; i++) {
        struct binding *binding = &model->bindings[i];
        unsigned expected = binding->is_added && naive_matches(binding->key, key) ? 1 : 0;
        if (binding->found_count != expected)
            fail_msg("seed %llu: binding '%s' and key '%s': found %u times, expected %u",
                     (unsigned long long)seed, binding->key, key, binding->found_count, expected);
        binding->found_count = 0;
    }
}

/* --- every key over a small alphabet --- */

static const char *const alphabet[] = {"", "a", "b", "*", "#"};
enum { alphabet_count = sizeof alphabet / sizeof alphabet[0] };

static size_t keys_of_length(size_t length)
{
    return length == 0 ? 1 : alphabet_count * keys_of_length(length - 1);
}

static void write_key(char *out, size_t length, size_t number)
{
    *out = '\0';
    for (size_t i = 0; i < length; i++) {
        strcat(out, i == 0 ? "" : ".");
        strcat(out, alphabet[number % alphabet_count]);
        number /= alphabet_count;
    }
}

static void add_all_keys(struct model *model, size_t length_max)
{
    char key[key_size_max];
    size_t index = 0;
    for (size_t length = 0; length <= length_max; length++) {
        for (size_t i = 0; i < keys_of_length(length); i++) {
            write_key(key, length, i);
            model_add(model, index++, key);
        }
    }
    assert_int_equal(index, model->count);
}

static void compare_all_keys(struct model *model, size_t length_max)
{
    char key[key_size_max];
    for (size_t length = 0; length <= length_max; length++) {
        for (size_t i = 0; i < keys_of_length(length); i++) {
            write_key(key, length, i);
            model_compare(model, key, 0);
        }
    }
}

static void all_small_keys_match_as_by_recursion(void **state)
{
    (void)state;
    struct model model;
    model_init(&model, 1 + 5 + 25 + 125 + 625);
    add_all_keys(&model, 4);
    compare_all_keys(&model, 5);
    model_fini(&model);
}

static void removing_every_other_key_leaves_the_rest(void **state)
{
    (void)state;
    struct model model;
    model_init(&model, 1 + 5 + 25 + 125);
    add_all_keys(&model, 3);
    for (size_t i = 0; i < model.count; i += 2)
        model_remove(&model, i);
    compare_all_keys(&model, 4);
    for (size_t i = 1; i < model.count; i += 2)
        model_remove(&model, i);
    compare_all_keys(&model, 3);
    model_fini(&model);
}

/* --- random sequences --- */

struct random {
    uint64_t state;
};

/* SplitMix64: any seed is good, and a sequence is the same on every machine. */
static uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t random_below(struct random *random, size_t limit)
{
    return (size_t)(random_next(random) % limit);
}

static void random_key(struct random *random, char *out)
{
    static const char *const pool[] = {"", "a", "b", "c", "ab", "a*", "##", "*", "#", "#"};
    size_t length = random_below(random, 8);
    *out = '\0';
    for (size_t i = 0; i < length; i++) {
        strcat(out, i == 0 ? "" : ".");
        strcat(out, pool[random_below(random, sizeof pool / sizeof pool[0])]);
    }
}

static void run_sequence(uint64_t seed)
{
    enum { bindings_count = 40, steps_count = 120, keys_per_step = 4 };
    struct random random = {seed};
    struct model model;
    char key[key_size_max];
    model_init(&model, bindings_count);
    for (size_t step = 0; step < steps_count; step++) {
        size_t index = random_below(&random, bindings_count);
        random_key(&random, key);
        if (model.bindings[index].is_added)
            model_remove(&model, index);
        else
            model_add(&model, index, key);
        for (size_t i = 0; i < keys_per_step; i++) {
            random_key(&random, key);
            model_compare(&model, key, seed);
        }
    }
    model_fini(&model);
}

static void random_sequences_match_as_by_recursion(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        run_sequence(seed);
}

/* --- hostile keys: the recursion above would not end, so the answers are given --- */

static void repeat(char *out, const char *unit, size_t count)
{
    *out = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(out, unit);
}

static void key_of_dots_meets_keys_of_hashes(void **state)
{
    (void)state;
    struct model model;
    char key[key_size_max], dots[key_size_max];
    model_init(&model, 64);
    for (size_t i = 0; i < model.count; i++) {
        repeat(key, "#.", i);
        model_add(&model, i, strcat(key, i % 2 == 0 ? "#" : "#.*.#"));
    }
    repeat(dots, ".", 255);
    model_match(&model, dots);
    assert_int_equal(model.matches.count, model.count);
    model_match(&model, "");
    assert_int_equal(model.matches.count, model.count / 2);
    model_fini(&model);
}

static void hashes_between_equal_words_stay_cheap(void **state)
{
    (void)state;
    enum { words_in_key = 80 };
    struct model model;
    char key[key_size_max];
    /* Binding i asks for i + 1 words a, and every other one for a word b at the end. */
    model_init(&model, 62);
    for (size_t i = 0; i < model.count; i++) {
        repeat(key, "#.a.", i + 1);
        model_add(&model, i, strcat(key, i % 2 == 0 ? "#" : "#.b"));
    }
    repeat(key, "a.", words_in_key);
    key[strlen(key) - 1] = '\0';
    model_match(&model, key);
    assert_int_equal(model.matches.count, model.count / 2);
    repeat(key, "a.", 10);
    model_match(&model, strcat(key, "b"));
    assert_int_equal(model.matches.count, 10);
    model_fini(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_small_keys_match_as_by_recursion),
        cmocka_unit_test(removing_every_other_key_leaves_the_rest),
        cmocka_unit_test(random_sequences_match_as_by_recursion),
        cmocka_unit_test(key_of_dots_meets_keys_of_hashes),
        cmocka_unit_test(hashes_between_equal_words_stay_cheap),
    };
    /* Matching that explodes ends here instead of never. */
    alarm(deadline_s);
    return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
