/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selectors: the tree that both parsers make, and what it says of a message.
 *
 * Logic has three values, as in SQL: a header that is not there is NULL, what is computed from NULL
 * is NULL, and only a condition that is true lets a message through. Values of different types are
 * compared in Erlang's order of types (numbers, then truth values, then strings), because that is
 * what RabbitMQ does; arithmetic with what is no number, which ends the publisher's connection
 * there, is NULL here.
 *
 * LIKE counts characters of UTF-8, and its wildcards stand for line ends too. A match gives up
 * after a fixed amount of work, which no selector of good will needs, and is then NULL: pattern and
 * header may come from different people.
 */
#include "exchange/selector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "exchange/selector_internal.h"

struct selector {
    struct selector_node *root;
    struct selector_node *nodes; /* owned: all, by allocated */
    uint8_t *text;               /* owned: a copy of the source, then strings */
};

/* --- the tree --- */

struct selector_node *selector_fail(struct selector_parser *parser, const char *reason)
{
    if (parser->reason == NULL)
        parser->reason = reason;
    return NULL;
}

struct selector_node *selector_node(struct selector_parser *parser, enum selector_kind kind)
{
    struct selector_node *node = xcalloc(1, sizeof *node);
    node->kind = (uint8_t)kind;
    node->allocated = parser->nodes;
    parser->nodes = node;
    return node;
}

/* A number with a sign is a value too. */
static struct selector_node *negate_value(struct selector_node *node)
{
    if (node->value.type == SELECTOR_INTEGER)
        node->value.integer = -node->value.integer;
    else
        node->value.number = -node->value.number;
    return node;
}

struct selector_node *selector_unary(struct selector_parser *parser, enum selector_kind kind,
                                     struct selector_node *child)
{
    if (child == NULL)
        return NULL;
    if (kind == SELECTOR_NEGATE && child->kind == SELECTOR_VALUE &&
        child->value.type < SELECTOR_BOOL)
        return negate_value(child);
    struct selector_node *node = selector_node(parser, kind);
    node->children[0] = child;
    return node;
}

struct selector_node *selector_binary(struct selector_parser *parser, enum selector_kind kind,
                                      struct selector_node *left, struct selector_node *right)
{
    if (left == NULL || right == NULL)
        return NULL;
    struct selector_node *node = selector_node(parser, kind);
    node->children[0] = left;
    node->children[1] = right;
    return node;
}

struct selector_node *selector_between(struct selector_parser *parser, struct selector_node *value,
                                       struct selector_node *from, struct selector_node *to)
{
    struct selector_node *node = selector_binary(parser, SELECTOR_BETWEEN, value, from);
    if (node == NULL || to == NULL)
        return NULL;
    node->children[2] = to;
    return node;
}

struct selector_node *selector_like(struct selector_parser *parser, struct selector_node *value,
                                    struct bytes pattern, const struct bytes *escape)
{
    if (escape != NULL && escape->size != 1)
        return selector_fail(parser, "an escape is one character");
    if (pattern.size > SELECTOR_PATTERN_MAX)
        return selector_fail(parser, "pattern too long");
    struct selector_node *node = selector_unary(parser, SELECTOR_LIKE, value);
    if (node == NULL)
        return NULL;
    node->value = (struct selector_value){.type = SELECTOR_STRING, .string = pattern};
    node->has_escape = escape != NULL;
    node->escape = escape != NULL ? escape->data[0] : 0;
    return node;
}

struct selector_node *selector_in_add(struct selector_parser *parser, struct selector_node *in,
                                      struct selector_node *member)
{
    if (member == NULL)
        return NULL;
    if (member->kind != SELECTOR_VALUE)
        return selector_fail(parser, "a list holds values only");
    member->next = in->list;
    in->list = member;
    return in;
}

struct selector_node *selector_boolean(struct selector_parser *parser, bool boolean)
{
    struct selector_node *node = selector_node(parser, SELECTOR_VALUE);
    node->value = (struct selector_value){.type = SELECTOR_BOOL, .boolean = boolean};
    return node;
}

struct selector_node *selector_string(struct selector_parser *parser, enum selector_kind kind,
                                      struct bytes string)
{
    struct selector_node *node = selector_node(parser, kind);
    node->value = (struct selector_value){.type = SELECTOR_STRING, .string = string};
    return node;
}

bool selector_enter(struct selector_parser *parser)
{
    if (++parser->depth <= SELECTOR_DEPTH_MAX)
        return true;
    selector_fail(parser, "nested too deep");
    return false;
}

/* --- what both parsers read alike --- */

void selector_skip_space(struct selector_parser *parser)
{
    while (parser->rest.size > 0 && strchr(" \t\r\n\f", parser->rest.data[0]) != NULL &&
           parser->rest.data[0] != 0)
        selector_skip(parser, 1);
}

static bool is_digit(uint8_t octet)
{
    return octet >= '0' && octet <= '9';
}

static size_t count_digits(struct bytes text, size_t at)
{
    size_t count = 0;
    while (at + count < text.size && is_digit(text.data[at + count]))
        count++;
    return count;
}

/* How many octets an exponent has that stands there: 0 where none does. */
static size_t exponent_size(struct bytes text, size_t at)
{
    if (at >= text.size || (text.data[at] | 0x20) != 'e')
        return 0;
    size_t sign = at + 1 < text.size && (text.data[at + 1] == '+' || text.data[at + 1] == '-');
    size_t digits = count_digits(text, at + 1 + sign);
    return digits > 0 ? 1 + sign + digits : 0;
}

/* Of a decimal number: *is_float says that it has a fraction or an exponent. A point that no digit
 * follows ends a term in Erlang, and is part of a number in SQL; there nothing may follow it. */
static size_t number_size(struct bytes text, bool *is_float)
{
    size_t size = count_digits(text, 0);
    size_t fraction = size < text.size && text.data[size] == '.' ? count_digits(text, size + 1) : 0;
    if (fraction > 0)
        size += 1 + fraction;
    size_t exponent = exponent_size(text, size);
    *is_float = fraction > 0 || exponent > 0;
    return size + exponent;
}

/* Java's suffixes: L of integers, F and D of floats. */
static void skip_suffix(struct selector_parser *parser, struct selector_value *value)
{
    uint8_t suffix = selector_peek(parser) | 0x20;
    if (suffix == 'l' && value->type == SELECTOR_INTEGER) {
        selector_skip(parser, 1);
    } else if (suffix == 'f' || suffix == 'd') {
        selector_skip(parser, 1);
        if (value->type == SELECTOR_INTEGER)
            *value =
                (struct selector_value){.type = SELECTOR_DOUBLE, .number = (double)value->integer};
    }
}

/* What no int64 holds is the nearest double. */
static struct selector_value number_value(const char *text, int base, bool is_float)
{
    struct selector_value value = {.type = SELECTOR_INTEGER};
    errno = 0;
    if (!is_float)
        value.integer = strtoll(text, NULL, base);
    if (is_float || errno == ERANGE)
        value = (struct selector_value){.type = SELECTOR_DOUBLE, .number = strtod(text, NULL)};
    return value;
}

static size_t hexadecimal_size(struct bytes text)
{
    size_t size = 2;
    if (text.size < 3 || text.data[0] != '0' || (text.data[1] | 0x20) != 'x')
        return 0;
    while (size < text.size && strchr("0123456789abcdefABCDEF", text.data[size]) != NULL &&
           text.data[size] != 0)
        size++;
    return size > 2 ? size : 0;
}

struct selector_node *selector_number(struct selector_parser *parser)
{
    char text[64];
    bool is_float = false;
    size_t hexadecimal = hexadecimal_size(parser->rest);
    size_t size = hexadecimal > 0 ? hexadecimal : number_size(parser->rest, &is_float);
    if (size == 0 || size >= sizeof text)
        return selector_fail(parser, "malformed number");
    memcpy(text, parser->rest.data, size);
    text[size] = '\0';
    struct selector_node *node = selector_node(parser, SELECTOR_VALUE);
    node->value = number_value(text, hexadecimal > 0 ? 16 : 10, is_float);
    selector_skip(parser, size);
    if (hexadecimal == 0)
        skip_suffix(parser, &node->value);
    return node;
}

static bool is_term(struct bytes text)
{
    size_t first = 0, end = text.size;
    while (first < end && text.data[first] <= ' ')
        first++;
    while (end > first && text.data[end - 1] <= ' ')
        end--;
    return first < end && (text.data[first] == '{' || text.data[end - 1] == '.');
}

static void free_nodes(struct selector_node *nodes)
{
    while (nodes != NULL) {
        struct selector_node *node = nodes;
        nodes = node->allocated;
        free(node);
    }
}

struct selector *selector_parse(struct bytes text, const char **reason)
{
    uint8_t *copy = xmalloc(2 * text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    struct selector_parser parser = {.rest = bytes_of(copy, text.size), .text = copy + text.size};
    struct selector_node *root =
        is_term(text) ? selector_parse_term(&parser) : selector_parse_sql(&parser);
    if (root == NULL) {
        *reason = parser.reason;
        free_nodes(parser.nodes);
        free(copy);
        return NULL;
    }
    struct selector *selector = xcalloc(1, sizeof *selector);
    *selector = (struct selector){.root = root, .nodes = parser.nodes, .text = copy};
    return selector;
}

void selector_free(struct selector *selector)
{
    if (selector == NULL)
        return;
    free_nodes(selector->nodes);
    free(selector->text);
    free(selector);
}

/* --- values --- */

static const struct selector_value null_value = {.type = SELECTOR_NULL};

static struct selector_value bool_value(bool boolean)
{
    return (struct selector_value){.type = SELECTOR_BOOL, .boolean = boolean};
}

static struct selector_value double_value(double number)
{
    return (struct selector_value){.type = SELECTOR_DOUBLE, .number = number};
}

static struct selector_value integer_value(int64_t integer)
{
    return (struct selector_value){.type = SELECTOR_INTEGER, .integer = integer};
}

static bool is_bool(const struct selector_value *value, bool boolean)
{
    return value->type == SELECTOR_BOOL && value->boolean == boolean;
}

static bool is_null(const struct selector_value *value)
{
    return value->type == SELECTOR_NULL;
}

static bool is_number(const struct selector_value *value)
{
    return value->type == SELECTOR_INTEGER || value->type == SELECTOR_DOUBLE;
}

static double number_of(const struct selector_value *value)
{
    return value->type == SELECTOR_INTEGER ? (double)value->integer : value->number;
}

static struct selector_value find_header(struct bytes headers, struct bytes name)
{
    struct amqp_value value;
    int64_t integer;
    if (!amqp_table_find_bytes(headers, name, &value))
        return null_value;
    if (amqp_value_get_integer(&value, &integer))
        return integer_value(integer);
    switch (value.type) {
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        return (struct selector_value){.type = SELECTOR_STRING, .string = value.bytes};
    case AMQP_TYPE_BOOL:
        return bool_value(value.boolean);
    case AMQP_TYPE_FLOAT:
    case AMQP_TYPE_DOUBLE:
        return double_value(value.number);
    default:
        return null_value;
    }
}

/* --- comparing --- */

/* Not the number, then: only <> holds. */
enum { UNORDERED = 2 };

/* Exactly: not every integer has a double. */
static int compare_mixed(int64_t integer, double number)
{
    if (isnan(number))
        return UNORDERED;
    if (number >= 0x1p63)
        return -1;
    if (number < -0x1p63)
        return 1;
    int64_t whole = (int64_t)number;
    double fraction = number - (double)whole;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    return (fraction < 0) - (fraction > 0);
}

static int compare_numbers(const struct selector_value *a, const struct selector_value *b)
{
    if (a->type == SELECTOR_INTEGER && b->type == SELECTOR_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->type == SELECTOR_INTEGER)
        return compare_mixed(a->integer, b->number);
    if (b->type == SELECTOR_INTEGER) {
        int order = compare_mixed(b->integer, a->number);
        return order == UNORDERED ? order : -order;
    }
    if (isnan(a->number) || isnan(b->number))
        return UNORDERED;
    return (a->number > b->number) - (a->number < b->number);
}

static int compare(const struct selector_value *a, const struct selector_value *b)
{
    if (is_number(a) && is_number(b))
        return compare_numbers(a, b);
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->type == SELECTOR_BOOL)
        return (int)a->boolean - (int)b->boolean;
    int order = bytes_compare(a->string, b->string);
    return (order > 0) - (order < 0);
}

static struct selector_value compare_as(enum selector_kind kind, const struct selector_value *a,
                                        const struct selector_value *b)
{
    if (is_null(a) || is_null(b))
        return null_value;
    int order = compare(a, b);
    switch (kind) {
    case SELECTOR_EQUAL:
        return bool_value(order == 0);
    case SELECTOR_NOT_EQUAL:
        return bool_value(order != 0);
    case SELECTOR_LESS:
        return bool_value(order < 0);
    case SELECTOR_LESS_EQUAL:
        return bool_value(order <= 0);
    case SELECTOR_GREATER:
        return bool_value(order == 1);
    default:
        return bool_value(order == 0 || order == 1);
    }
}

/* --- arithmetic --- */

/* false where the result does not fit. */
static bool compute_integer(enum selector_kind kind, int64_t a, int64_t b, int64_t *result)
{
    switch (kind) {
    case SELECTOR_ADD:
        return !__builtin_add_overflow(a, b, result);
    case SELECTOR_SUBTRACT:
        return !__builtin_sub_overflow(a, b, result);
    case SELECTOR_MULTIPLY:
        return !__builtin_mul_overflow(a, b, result);
    default: /* a quotient is never an integer, as in Erlang */
        return false;
    }
}

static double compute_double(enum selector_kind kind, double a, double b)
{
    switch (kind) {
    case SELECTOR_ADD:
        return a + b;
    case SELECTOR_SUBTRACT:
        return a - b;
    case SELECTOR_MULTIPLY:
        return a * b;
    default:
        return b < 0 || b > 0 ? a / b : a > 0 ? INFINITY : a < 0 ? -INFINITY : NAN;
    }
}

static struct selector_value compute(enum selector_kind kind, const struct selector_value *a,
                                     const struct selector_value *b)
{
    int64_t integer;
    if (!is_number(a) || !is_number(b))
        return null_value;
    if (a->type == SELECTOR_INTEGER && b->type == SELECTOR_INTEGER &&
        compute_integer(kind, a->integer, b->integer, &integer))
        return integer_value(integer);
    return double_value(compute_double(kind, number_of(a), number_of(b)));
}

static struct selector_value compute_sign(enum selector_kind kind, struct selector_value value)
{
    struct selector_value zero = integer_value(0);
    if (!is_number(&value) || kind == SELECTOR_PLUS)
        return is_number(&value) ? value : null_value;
    if (value.type == SELECTOR_DOUBLE)
        return double_value(-value.number);
    return compute(SELECTOR_SUBTRACT, &zero, &value);
}

/* --- LIKE --- */

enum { like_steps_max = 1000000 };

static size_t character_size(struct bytes text, size_t at)
{
    size_t size = 1;
    while (at + size < text.size && (text.data[at + size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* Does what stands at `at` of the pattern fit the start of the text there? Both move on. */
static bool like_step(const struct selector_node *like, size_t *at, struct bytes text,
                      size_t *text_at)
{
    struct bytes pattern = like->value.string;
    uint8_t octet = pattern.data[*at];
    if (*text_at == text.size)
        return false;
    if (like->has_escape && octet == like->escape && *at + 1 < pattern.size) {
        octet = pattern.data[++*at];
    } else if (octet == '_') {
        *text_at += character_size(text, *text_at);
        ++*at;
        return true;
    }
    if (text.data[*text_at] != octet)
        return false;
    ++*text_at;
    ++*at;
    return true;
}

static bool is_any(const struct selector_node *like, size_t at)
{
    return at < like->value.string.size && like->value.string.data[at] == '%' &&
           !(like->has_escape && like->escape == '%');
}

/* Whenever the pattern does not fit on, the last % takes one octet more; what stood before it has
 * fitted for good. */
static struct selector_value match_like(const struct selector_node *like, struct bytes text)
{
    size_t at = 0, text_at = 0, any_at = SIZE_MAX, any_text_at = 0;
    for (size_t steps = 0; text_at < text.size || at < like->value.string.size; steps++) {
        if (steps == like_steps_max)
            return null_value;
        if (is_any(like, at)) {
            any_at = ++at;
            any_text_at = text_at;
        } else if (at == like->value.string.size || !like_step(like, &at, text, &text_at)) {
            if (any_at == SIZE_MAX || any_text_at == text.size)
                return bool_value(false);
            any_text_at += character_size(text, any_text_at);
            at = any_at;
            text_at = any_text_at;
        }
    }
    return bool_value(true);
}

/* --- evaluating --- */

static struct selector_value evaluate(const struct selector_node *node, struct bytes headers);

static struct selector_value evaluate_not(struct selector_value value)
{
    return value.type == SELECTOR_BOOL ? bool_value(!value.boolean) : null_value;
}

/* AND, of which false decides, and OR, of which true does. */
static struct selector_value evaluate_logic(const struct selector_node *node, struct bytes headers)
{
    bool deciding = node->kind == SELECTOR_OR;
    struct selector_value left = evaluate(node->children[0], headers);
    if (is_bool(&left, deciding))
        return left;
    struct selector_value right = evaluate(node->children[1], headers);
    if (is_bool(&right, deciding))
        return right;
    return left.type == SELECTOR_BOOL && right.type == SELECTOR_BOOL ? bool_value(!deciding)
                                                                     : null_value;
}

static struct selector_value evaluate_two(const struct selector_node *node, struct bytes headers)
{
    struct selector_value left = evaluate(node->children[0], headers);
    struct selector_value right = evaluate(node->children[1], headers);
    if (node->kind >= SELECTOR_ADD && node->kind <= SELECTOR_DIVIDE)
        return compute(node->kind, &left, &right);
    return compare_as(node->kind, &left, &right);
}

static struct selector_value evaluate_like(const struct selector_node *node, struct bytes headers)
{
    struct selector_value value = evaluate(node->children[0], headers);
    return value.type == SELECTOR_STRING ? match_like(node, value.string) : null_value;
}

/* An integer is in no list for a float that equals it, as in RabbitMQ. */
static struct selector_value evaluate_in(const struct selector_node *node, struct bytes headers)
{
    struct selector_value value = evaluate(node->children[0], headers);
    if (is_null(&value))
        return null_value;
    for (const struct selector_node *member = node->list; member != NULL; member = member->next) {
        if (member->value.type == value.type && compare(&member->value, &value) == 0)
            return bool_value(true);
    }
    return bool_value(false);
}

static struct selector_value evaluate_between(const struct selector_node *node,
                                              struct bytes headers)
{
    struct selector_value value = evaluate(node->children[0], headers);
    struct selector_value from = evaluate(node->children[1], headers);
    struct selector_value to = evaluate(node->children[2], headers);
    if (is_null(&value) || is_null(&from) || is_null(&to))
        return null_value;
    struct selector_value is_above = compare_as(SELECTOR_LESS_EQUAL, &from, &value);
    struct selector_value is_below = compare_as(SELECTOR_LESS_EQUAL, &value, &to);
    return bool_value(is_above.boolean && is_below.boolean);
}

static struct selector_value evaluate(const struct selector_node *node, struct bytes headers)
{
    struct selector_value value;
    switch ((enum selector_kind)node->kind) {
    case SELECTOR_VALUE:
        return node->value;
    case SELECTOR_IDENT:
        return find_header(headers, node->value.string);
    case SELECTOR_NOT:
        return evaluate_not(evaluate(node->children[0], headers));
    case SELECTOR_AND:
    case SELECTOR_OR:
        return evaluate_logic(node, headers);
    case SELECTOR_IS_NULL:
        value = evaluate(node->children[0], headers);
        return bool_value(is_null(&value));
    case SELECTOR_PLUS:
    case SELECTOR_NEGATE:
        return compute_sign(node->kind, evaluate(node->children[0], headers));
    case SELECTOR_LIKE:
        return evaluate_like(node, headers);
    case SELECTOR_IN:
        return evaluate_in(node, headers);
    case SELECTOR_BETWEEN:
        return evaluate_between(node, headers);
    default:
        return evaluate_two(node, headers);
    }
}

bool selector_matches(const struct selector *selector, struct bytes headers)
{
    struct selector_value value = evaluate(selector->root, headers);
    return is_bool(&value, true);
}
