/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A selector as RabbitMQ's JMS client compiles it: an Erlang term, in which every operation is a
 * tuple that begins with its name.
 *
 *     {'and',{'=',{'ident',<<"colour">>},<<"blue">>},{'not',{'ident',<<"broken">>}}}.
 *
 * The text is read straight into the tree: a table says how the operands of each name stand. Terms
 * that no selector has (floats with a base, strings of lists, funs) are refused.
 */
#include <string.h>

#include "exchange/selector_internal.h"

/* How the operands of an operation stand in its tuple. */
enum shape { UNARY, BINARY, SIGN, IDENT, LIKE, IN, BETWEEN };

struct operation {
    const char *name;
    uint8_t shape;
    uint8_t kind;
    bool is_negated;
};

static const struct operation operations[] = {
    {"ident", IDENT, SELECTOR_IDENT, false},
    {"not", UNARY, SELECTOR_NOT, false},
    {"is_null", UNARY, SELECTOR_IS_NULL, false},
    {"not_null", UNARY, SELECTOR_IS_NULL, true},
    {"and", BINARY, SELECTOR_AND, false},
    {"or", BINARY, SELECTOR_OR, false},
    {"=", BINARY, SELECTOR_EQUAL, false},
    {"<>", BINARY, SELECTOR_NOT_EQUAL, false},
    {"<", BINARY, SELECTOR_LESS, false},
    {"<=", BINARY, SELECTOR_LESS_EQUAL, false},
    {">", BINARY, SELECTOR_GREATER, false},
    {">=", BINARY, SELECTOR_GREATER_EQUAL, false},
    {"*", BINARY, SELECTOR_MULTIPLY, false},
    {"/", BINARY, SELECTOR_DIVIDE, false},
    {"+", SIGN, SELECTOR_ADD, false},
    {"-", SIGN, SELECTOR_SUBTRACT, false},
    {"like", LIKE, SELECTOR_LIKE, false},
    {"not_like", LIKE, SELECTOR_LIKE, true},
    {"in", IN, SELECTOR_IN, false},
    {"not_in", IN, SELECTOR_IN, true},
    {"between", BETWEEN, SELECTOR_BETWEEN, false},
    {"not_between", BETWEEN, SELECTOR_BETWEEN, true},
};

static struct selector_node *parse_expression(struct selector_parser *parser);

/* Takes one octet, with the space before it; false, with the reason set, where another one stands
 * there. */
static bool take(struct selector_parser *parser, char octet)
{
    selector_skip_space(parser);
    if (selector_peek(parser) != (uint8_t)octet) {
        selector_fail(parser, "malformed term");
        return false;
    }
    selector_skip(parser, 1);
    return true;
}

static bool is_next(struct selector_parser *parser, char octet)
{
    selector_skip_space(parser);
    return selector_peek(parser) == (uint8_t)octet;
}

/* --- atoms and binaries --- */

static bool is_in_bare_atom(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '_' || octet == '@';
}

static uint8_t unescape(uint8_t octet)
{
    switch (octet) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return octet;
    }
}

/* What stands up to the closing quote, which is taken. */
static bool parse_quoted(struct selector_parser *parser, uint8_t quote, struct bytes *string)
{
    *string = selector_text_begin(parser);
    while (parser->rest.size > 0) {
        uint8_t octet = selector_peek(parser);
        selector_skip(parser, 1);
        if (octet == quote)
            return true;
        if (octet == '\\') {
            octet = unescape(selector_peek(parser));
            if (parser->rest.size == 0)
                break;
            selector_skip(parser, 1);
        }
        selector_text_add(parser, string, octet);
    }
    selector_fail(parser, "unterminated string");
    return false;
}

static bool parse_atom(struct selector_parser *parser, struct bytes *name)
{
    selector_skip_space(parser);
    if (selector_peek(parser) == '\'') {
        selector_skip(parser, 1);
        return parse_quoted(parser, '\'', name);
    }
    *name = bytes_of(parser->rest.data, 0);
    while (is_in_bare_atom(selector_peek(parser))) {
        selector_skip(parser, 1);
        name->size++;
    }
    if (name->size == 0)
        selector_fail(parser, "unexpected character");
    return name->size > 0;
}

static bool parse_binary(struct selector_parser *parser, struct bytes *string)
{
    if (!take(parser, '<') || !take(parser, '<'))
        return false;
    *string = selector_text_begin(parser);
    if (is_next(parser, '"')) {
        selector_skip(parser, 1);
        if (!parse_quoted(parser, '"', string))
            return false;
    }
    return take(parser, '>') && take(parser, '>');
}

/* --- the shapes --- */

static struct selector_node *negate_if(struct selector_parser *parser, bool is_negated,
                                       struct selector_node *node)
{
    return is_negated ? selector_unary(parser, SELECTOR_NOT, node) : node;
}

static struct selector_node *parse_sign(struct selector_parser *parser, uint8_t kind)
{
    struct selector_node *left = parse_expression(parser);
    if (left == NULL)
        return NULL;
    if (!is_next(parser, ','))
        return selector_unary(parser, kind == SELECTOR_ADD ? SELECTOR_PLUS : SELECTOR_NEGATE, left);
    selector_skip(parser, 1);
    return selector_binary(parser, kind, left, parse_expression(parser));
}

/* A pattern, then its escape: <<"x!%%">>,<<"!">> or <<"x%">>,no_escape; in a tuple, or not. */
static struct selector_node *parse_like(struct selector_parser *parser)
{
    struct bytes pattern, escape;
    struct selector_node *value = parse_expression(parser);
    if (value == NULL || !take(parser, ','))
        return NULL;
    bool is_tuple = is_next(parser, '{');
    if (is_tuple)
        selector_skip(parser, 1);
    if (!parse_binary(parser, &pattern) || !take(parser, ','))
        return NULL;
    bool has_escape = is_next(parser, '<');
    if (has_escape ? !parse_binary(parser, &escape) : !parse_atom(parser, &escape))
        return NULL;
    if (!has_escape && !bytes_equal_text(escape, "no_escape"))
        return selector_fail(parser, "invalid escape");
    if (is_tuple && !take(parser, '}'))
        return NULL;
    return selector_like(parser, value, pattern, has_escape ? &escape : NULL);
}

static struct selector_node *parse_in(struct selector_parser *parser)
{
    struct selector_node *in = selector_unary(parser, SELECTOR_IN, parse_expression(parser));
    if (in == NULL || !take(parser, ',') || !take(parser, '['))
        return NULL;
    for (bool is_first = true; !is_next(parser, ']'); is_first = false) {
        if (!is_first && !take(parser, ','))
            return NULL;
        struct selector_node *member = parse_expression(parser);
        if (selector_in_add(parser, in, member) == NULL)
            return NULL;
    }
    selector_skip(parser, 1);
    return in;
}

/* Both limits, or {range,From,To}. */
static struct selector_node *parse_between(struct selector_parser *parser)
{
    struct bytes name;
    struct selector_node *value = parse_expression(parser);
    if (value == NULL || !take(parser, ','))
        return NULL;
    struct selector_parser before = *parser;
    bool is_range = is_next(parser, '{');
    if (is_range) {
        selector_skip(parser, 1);
        is_range = parse_atom(parser, &name) && bytes_equal_text(name, "range");
        if (!is_range)
            *parser = before;
        else if (!take(parser, ','))
            return NULL;
    }
    struct selector_node *from = parse_expression(parser);
    if (from == NULL || !take(parser, ','))
        return NULL;
    struct selector_node *to = parse_expression(parser);
    if (is_range && !take(parser, '}'))
        return NULL;
    return selector_between(parser, value, from, to);
}

static struct selector_node *parse_ident(struct selector_parser *parser)
{
    struct bytes name;
    return parse_binary(parser, &name) ? selector_string(parser, SELECTOR_IDENT, name) : NULL;
}

static struct selector_node *parse_two(struct selector_parser *parser, uint8_t kind)
{
    struct selector_node *left = parse_expression(parser);
    if (left == NULL || !take(parser, ','))
        return NULL;
    return selector_binary(parser, kind, left, parse_expression(parser));
}

static struct selector_node *parse_operands(struct selector_parser *parser,
                                            const struct operation *operation)
{
    switch ((enum shape)operation->shape) {
    case IDENT:
        return parse_ident(parser);
    case UNARY:
        return selector_unary(parser, operation->kind, parse_expression(parser));
    case BINARY:
        return parse_two(parser, operation->kind);
    case SIGN:
        return parse_sign(parser, operation->kind);
    case LIKE:
        return parse_like(parser);
    case IN:
        return parse_in(parser);
    default:
        return parse_between(parser);
    }
}

/* --- expressions --- */

static const struct operation *operation_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (bytes_equal_text(name, operations[i].name))
            return &operations[i];
    }
    return NULL;
}

static struct selector_node *parse_tuple(struct selector_parser *parser)
{
    struct bytes name;
    if (!take(parser, '{') || !parse_atom(parser, &name))
        return NULL;
    const struct operation *operation = operation_find(name);
    if (operation == NULL)
        return selector_fail(parser, "unknown operation");
    if (!take(parser, ','))
        return NULL;
    struct selector_node *node = parse_operands(parser, operation);
    if (node == NULL || !take(parser, '}'))
        return NULL;
    return negate_if(parser, operation->is_negated, node);
}

static struct selector_node *parse_constant(struct selector_parser *parser)
{
    struct bytes name;
    if (!parse_atom(parser, &name))
        return NULL;
    if (bytes_equal_text(name, "true") || bytes_equal_text(name, "false"))
        return selector_boolean(parser, name.size == 4);
    return selector_fail(parser, "unknown atom");
}

static struct selector_node *parse_number(struct selector_parser *parser)
{
    uint8_t sign = selector_peek(parser);
    if (sign == '-' || sign == '+')
        selector_skip(parser, 1);
    selector_skip_space(parser);
    struct selector_node *number = selector_number(parser);
    return sign == '-' && number != NULL ? selector_unary(parser, SELECTOR_NEGATE, number) : number;
}

static struct selector_node *parse_any(struct selector_parser *parser)
{
    struct bytes string;
    selector_skip_space(parser);
    uint8_t octet = selector_peek(parser);
    if (octet == '{')
        return parse_tuple(parser);
    if (octet == '<')
        return parse_binary(parser, &string) ? selector_string(parser, SELECTOR_VALUE, string)
                                             : NULL;
    if (octet == '-' || octet == '+' || (octet >= '0' && octet <= '9'))
        return parse_number(parser);
    return parse_constant(parser);
}

static struct selector_node *parse_expression(struct selector_parser *parser)
{
    if (!selector_enter(parser))
        return NULL;
    struct selector_node *node = parse_any(parser);
    parser->depth--;
    return node;
}

struct selector_node *selector_parse_term(struct selector_parser *parser)
{
    struct selector_node *node = parse_expression(parser);
    if (node != NULL && is_next(parser, '.'))
        selector_skip(parser, 1);
    selector_skip_space(parser);
    if (node != NULL && parser->rest.size > 0)
        return selector_fail(parser, "trailing characters");
    return node;
}
