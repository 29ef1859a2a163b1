/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers exchange against a matcher that reads the rule literally: for each field of a binding
 * that counts, look for the header of its name. All patterns over a few names and values meet all
 * messages over the same, in one exchange; then seeded random bindings with more fields, in any
 * order, come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_type.h"

/* --- fields to choose from --- */

static const char *const names[] = {"a", "b", "x-a", "c", "aa", "x-", "X-a", ""};
enum { names_count = sizeof names / sizeof names[0], names_small_count = 3 };

/* Of each value there is one that is equal and differs in type, and one that looks alike. */
static const struct amqp_value values[] = {
    {.type = AMQP_TYPE_VOID},
    {.type = AMQP_TYPE_INT32, .integer = 1},
    {.type = AMQP_TYPE_INT64, .integer = 1},
    {.type = AMQP_TYPE_LONGSTR, .bytes = {(const uint8_t *)"1", 1}},
    {.type = AMQP_TYPE_BOOL, .boolean = true},
    {.type = AMQP_TYPE_BINARY, .bytes = {(const uint8_t *)"1", 1}},
    {.type = AMQP_TYPE_INT32, .integer = 2},
};
enum {
    values_count = sizeof values / sizeof values[0],
    absent = values_count,
    choices_count,
    tables_small_count = choices_count * choices_count * choices_count,
};

static const char *const kinds[] = {NULL, "all", "any", "all-with-x", "any-with-x"};
enum { kinds_count = sizeof kinds / sizeof kinds[0] };

/* What a table holds: for each name the index of its value, or absent. */
struct content {
    size_t choice[names_count];
    size_t kind; /* the index of x-match's value; 0 is no x-match */
};

/* Begins with the name at a given place, so that the order in the table is not always the same. */
static struct buffer content_encode(const struct content *content, size_t first)
{
    struct buffer table = {0};
    for (size_t i = 0; i < names_count; i++) {
        size_t name = (i + first) % names_count;
        if (content->choice[name] != absent)
            amqp_table_add_value(&table, names[name], &values[content->choice[name]]);
        if (i == names_count / 2 && kinds[content->kind] != NULL)
            amqp_table_add_text(&table, "x-match", kinds[content->kind]);
    }
    return table;
}

static void content_small(struct content *content, size_t number)
{
    for (size_t i = 0; i < names_count; i++)
        content->choice[i] = absent;
    for (size_t i = 0; i < names_small_count; i++) {
        content->choice[i] = number % choices_count;
        number /= choices_count;
    }
    content->kind = 0;
}

/* --- the literal matcher --- */

static bool naive_fits(size_t wanted, size_t found)
{
    if (found == absent)
        return false;
    return values[wanted].type == AMQP_TYPE_VOID ||
           amqp_value_equal(&values[wanted], &values[found]);
}

static bool naive_matches(const struct content *pattern, const struct content *message)
{
    bool needs_all = pattern->kind == 0 || strncmp(kinds[pattern->kind], "all", 3) == 0;
    bool sees_x = pattern->kind != 0 && strstr(kinds[pattern->kind], "with-x") != NULL;
    size_t wanted_count = 0, fitting_count = 0;
    for (size_t i = 0; i < names_count; i++) {
        if (pattern->choice[i] == absent || (!sees_x && strncmp(names[i], "x-", 2) == 0))
            continue;
        wanted_count++;
        fitting_count += naive_fits(pattern->choice[i], message->choice[i]) ? 1 : 0;
    }
    return needs_all ? fitting_count == wanted_count : fitting_count > 0;
}

/* --- an exchange and the bindings that should be in it --- */

struct binding {
    struct route route;
    struct content content;
    struct buffer arguments;
    bool is_added;
    unsigned found_count; /* by the match at hand */
};

struct model {
    void *exchange;           /* owned */
    struct binding *bindings; /* owned */
    size_t count;
    struct route_matches matches;
};

static void model_init(struct model *model, size_t count)
{
    *model = (struct model){.count = count};
    model->exchange = exchange_headers.new(1, bytes_of(NULL, 0));
    model->bindings = xcalloc(count, sizeof *model->bindings);
}

static void model_add(struct model *model, size_t index, const struct content *content,
                      size_t first)
{
    struct binding *binding = &model->bindings[index];
    binding->content = *content;
    binding->arguments = content_encode(content, first);
    binding->route = (struct route){.arguments = buffer_bytes(&binding->arguments)};
    binding->is_added = true;
    exchange_headers.add(model->exchange, &binding->route);
}

static void model_remove(struct model *model, size_t index)
{
    struct binding *binding = &model->bindings[index];
    exchange_headers.remove(model->exchange, &binding->route);
    buffer_fini(&binding->arguments);
    binding->is_added = false;
}

static void model_fini(struct model *model)
{
    exchange_headers.free(model->exchange);
    for (size_t i = 0; i < model->count; i++)
        buffer_fini(&model->bindings[i].arguments);
    free(model->bindings);
    route_matches_fini(&model->matches);
}

static void model_compare(struct model *model, const struct content *message, size_t first,
                          uint64_t seed)
{
    struct buffer headers = content_encode(message, first);
    struct route_subject subject = {.headers = buffer_bytes(&headers)};
    model->matches.count = 0;
    exchange_headers.match(model->exchange, &subject, &model->matches);
    for (size_t i = 0; i < model->matches.count; i++)
        ((struct binding *)model->matches.routes[i])->found_count++;
    for (size_t i = 0; i < model->count; i++) {
        struct binding *binding = &model->bindings[i];
        bool expected = binding->is_added && naive_matches(&binding->content, message);
        if (binding->found_count != (expected ? 1 : 0))
            fail_msg("seed %llu: binding %zu found %u times, expected %d", (unsigned long long)seed,
                     i, binding->found_count, expected);
        binding->found_count = 0;
    }
    buffer_fini(&headers);
}

/* --- the tests --- */

static void all_small_tables_match_as_the_rule_reads(void **state)
{
    (void)state;
    struct model model;
    struct content content;
    model_init(&model, tables_small_count * kinds_count);
    for (size_t i = 0; i < model.count; i++) {
        content_small(&content, i / kinds_count);
        content.kind = i % kinds_count;
        model_add(&model, i, &content, i);
    }
    for (size_t i = 0; i < tables_small_count; i++) {
        content_small(&content, i);
        model_compare(&model, &content, i / names_count, 0);
    }
    model_fini(&model);
}

/* SplitMix64: any seed is good, and a sequence is the same on every machine. */
static size_t random_below(uint64_t *random, size_t limit)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((z ^ (z >> 31)) % limit);
}

/* A few different values only, so that a match of many fields is not rare. */
static void random_content(uint64_t *random, struct content *content)
{
    for (size_t i = 0; i < names_count; i++)
        content->choice[i] = random_below(random, 3) == 0 ? absent : random_below(random, 3);
    content->kind = random_below(random, kinds_count);
}

static void run_sequence(uint64_t seed)
{
    enum { bindings_count = 40, steps_count = 100 };
    uint64_t random = seed;
    struct model model;
    struct content content;
    model_init(&model, bindings_count);
    for (size_t step = 0; step < steps_count; step++) {
        size_t index = random_below(&random, bindings_count);
        random_content(&random, &content);
        if (model.bindings[index].is_added)
            model_remove(&model, index);
        else
            model_add(&model, index, &content, random_below(&random, names_count));
        random_content(&random, &content);
        model_compare(&model, &content, random_below(&random, names_count), seed);
    }
    model_fini(&model);
}

static void random_sequences_match_as_the_rule_reads(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        run_sequence(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_small_tables_match_as_the_rule_reads),
        cmocka_unit_test(random_sequences_match_as_the_rule_reads),
    };
    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
