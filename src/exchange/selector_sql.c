/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A selector as the JMS specification writes it (section 3.8.1 of JMS 2.0), a part of SQL-92:
 *
 *     colour = 'blue' AND (weight BETWEEN 2500 AND 3000 OR model NOT LIKE 'T!_%' ESCAPE '!')
 *
 * One function per level of precedence, from OR down to what needs no operator. Keywords are read
 * in any case, names as they are.
 */
#include <string.h>
#include <strings.h>

#include "exchange/selector_internal.h"

static struct selector_node *parse_or(struct selector_parser *parser);
static struct selector_node *parse_arithmetic(struct selector_parser *parser);

/* --- tokens --- */

static bool is_name_start(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') || octet == '_' ||
           octet == '$' || octet >= 0x80;
}

static bool is_in_name(uint8_t octet)
{
    return is_name_start(octet) || (octet >= '0' && octet <= '9') || octet == '.';
}

/* The name or keyword that stands next, without taking it. */
static struct bytes peek_word(struct selector_parser *parser)
{
    size_t size = 0;
    selector_skip_space(parser);
    if (!is_name_start(selector_peek(parser)))
        return bytes_of(parser->rest.data, 0);
    while (size < parser->rest.size && is_in_name(parser->rest.data[size]))
        size++;
    return bytes_of(parser->rest.data, size);
}

static bool is_keyword(struct bytes word, const char *keyword)
{
    return word.size == strlen(keyword) &&
           strncasecmp((const char *)word.data, keyword, word.size) == 0;
}

static bool take_keyword(struct selector_parser *parser, const char *keyword)
{
    struct bytes word = peek_word(parser);
    if (!is_keyword(word, keyword))
        return false;
    selector_skip(parser, word.size);
    return true;
}

static bool take_symbol(struct selector_parser *parser, const char *symbol)
{
    selector_skip_space(parser);
    if (!bytes_start_with(parser->rest, symbol))
        return false;
    selector_skip(parser, strlen(symbol));
    return true;
}

/* 'text', in which '' stands for one quote. */
static bool take_string(struct selector_parser *parser, struct bytes *string)
{
    if (!take_symbol(parser, "'")) {
        selector_fail(parser, "a string is expected");
        return false;
    }
    *string = selector_text_begin(parser);
    while (parser->rest.size > 0) {
        uint8_t octet = selector_peek(parser);
        selector_skip(parser, 1);
        if (octet == '\'') {
            if (selector_peek(parser) != '\'')
                return true;
            selector_skip(parser, 1);
        }
        selector_text_add(parser, string, octet);
    }
    selector_fail(parser, "unterminated string");
    return false;
}

/* --- what needs no operator --- */

static struct selector_node *parse_parentheses(struct selector_parser *parser)
{
    struct selector_node *node = parse_or(parser);
    if (node != NULL && !take_symbol(parser, ")"))
        return selector_fail(parser, "a closing parenthesis is expected");
    return node;
}

static bool is_reserved(struct bytes word)
{
    static const char *const words[] = {"NULL", "NOT", "AND", "OR",    "BETWEEN",
                                        "LIKE", "IN",  "IS",  "ESCAPE"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_keyword(word, words[i]))
            return true;
    }
    return false;
}

static struct selector_node *parse_name(struct selector_parser *parser)
{
    struct bytes word = peek_word(parser);
    if (word.size == 0)
        return selector_fail(parser,
                             parser->rest.size == 0 ? "unexpected end" : "unexpected character");
    if (is_reserved(word))
        return selector_fail(parser, "unexpected keyword");
    selector_skip(parser, word.size);
    if (is_keyword(word, "TRUE") || is_keyword(word, "FALSE"))
        return selector_boolean(parser, word.size == 4);
    return selector_string(parser, SELECTOR_IDENT, word);
}

static struct selector_node *parse_primary(struct selector_parser *parser)
{
    struct bytes string;
    selector_skip_space(parser);
    uint8_t octet = selector_peek(parser);
    if (take_symbol(parser, "("))
        return parse_parentheses(parser);
    if (octet == '\'')
        return take_string(parser, &string) ? selector_string(parser, SELECTOR_VALUE, string)
                                            : NULL;
    if ((octet >= '0' && octet <= '9') || octet == '.')
        return selector_number(parser);
    return parse_name(parser);
}

/* --- arithmetic --- */

static struct selector_node *parse_sign(struct selector_parser *parser)
{
    struct selector_node *node;
    if (!selector_enter(parser))
        return NULL;
    if (take_symbol(parser, "-"))
        node = selector_unary(parser, SELECTOR_NEGATE, parse_sign(parser));
    else if (take_symbol(parser, "+"))
        node = selector_unary(parser, SELECTOR_PLUS, parse_sign(parser));
    else
        node = parse_primary(parser);
    parser->depth--;
    return node;
}

/* Operators of one level lean to the left; the tree grows by one level for each. */
static struct selector_node *parse_product(struct selector_parser *parser)
{
    struct selector_node *left = parse_sign(parser);
    unsigned depth = parser->depth;
    while (left != NULL && selector_enter(parser)) {
        if (take_symbol(parser, "*"))
            left = selector_binary(parser, SELECTOR_MULTIPLY, left, parse_sign(parser));
        else if (take_symbol(parser, "/"))
            left = selector_binary(parser, SELECTOR_DIVIDE, left, parse_sign(parser));
        else
            break;
    }
    parser->depth = depth;
    return parser->reason == NULL ? left : NULL;
}

static struct selector_node *parse_arithmetic(struct selector_parser *parser)
{
    struct selector_node *left = parse_product(parser);
    unsigned depth = parser->depth;
    while (left != NULL && selector_enter(parser)) {
        if (take_symbol(parser, "+"))
            left = selector_binary(parser, SELECTOR_ADD, left, parse_product(parser));
        else if (take_symbol(parser, "-"))
            left = selector_binary(parser, SELECTOR_SUBTRACT, left, parse_product(parser));
        else
            break;
    }
    parser->depth = depth;
    return parser->reason == NULL ? left : NULL;
}

/* --- comparisons --- */

static struct selector_node *parse_between(struct selector_parser *parser,
                                           struct selector_node *value)
{
    struct selector_node *from = parse_arithmetic(parser);
    if (from != NULL && !take_keyword(parser, "AND"))
        return selector_fail(parser, "AND is expected");
    return selector_between(parser, value, from, from != NULL ? parse_arithmetic(parser) : NULL);
}

static struct selector_node *parse_like(struct selector_parser *parser, struct selector_node *value)
{
    struct bytes pattern, escape;
    if (!take_string(parser, &pattern))
        return NULL;
    if (!take_keyword(parser, "ESCAPE"))
        return selector_like(parser, value, pattern, NULL);
    return take_string(parser, &escape) ? selector_like(parser, value, pattern, &escape) : NULL;
}

static struct selector_node *parse_in(struct selector_parser *parser, struct selector_node *value)
{
    struct selector_node *in = selector_unary(parser, SELECTOR_IN, value);
    if (!take_symbol(parser, "("))
        return selector_fail(parser, "a list is expected");
    do {
        struct selector_node *member = parse_sign(parser);
        if (selector_in_add(parser, in, member) == NULL)
            return NULL;
    } while (take_symbol(parser, ","));
    return take_symbol(parser, ")") ? in
                                    : selector_fail(parser, "a closing parenthesis is expected");
}

static struct selector_node *parse_is(struct selector_parser *parser, struct selector_node *value)
{
    bool is_negated = take_keyword(parser, "NOT");
    if (!take_keyword(parser, "NULL"))
        return selector_fail(parser, "NULL is expected");
    struct selector_node *node = selector_unary(parser, SELECTOR_IS_NULL, value);
    return is_negated ? selector_unary(parser, SELECTOR_NOT, node) : node;
}

/* LIKE, IN, BETWEEN, and NOT in front of them. */
static struct selector_node *parse_test(struct selector_parser *parser, struct selector_node *value)
{
    bool is_negated = take_keyword(parser, "NOT");
    struct selector_node *node;
    if (take_keyword(parser, "BETWEEN"))
        node = parse_between(parser, value);
    else if (take_keyword(parser, "LIKE"))
        node = parse_like(parser, value);
    else if (take_keyword(parser, "IN"))
        node = parse_in(parser, value);
    else
        return is_negated ? selector_fail(parser, "BETWEEN, LIKE or IN is expected") : value;
    return is_negated ? selector_unary(parser, SELECTOR_NOT, node) : node;
}

static struct selector_node *parse_comparison(struct selector_parser *parser)
{
    /* A symbol stands before those that it begins with. */
    static const struct {
        const char *symbol;
        uint8_t kind;
    } comparisons[] = {
        {"=", SELECTOR_EQUAL}, {"<>", SELECTOR_NOT_EQUAL},     {"<=", SELECTOR_LESS_EQUAL},
        {"<", SELECTOR_LESS},  {">=", SELECTOR_GREATER_EQUAL}, {">", SELECTOR_GREATER},
    };
    struct selector_node *left = parse_arithmetic(parser);
    if (left == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof comparisons / sizeof comparisons[0]; i++) {
        if (take_symbol(parser, comparisons[i].symbol))
            return selector_binary(parser, comparisons[i].kind, left, parse_arithmetic(parser));
    }
    return take_keyword(parser, "IS") ? parse_is(parser, left) : parse_test(parser, left);
}

/* --- logic --- */

static struct selector_node *parse_not(struct selector_parser *parser)
{
    struct selector_node *node;
    if (!selector_enter(parser))
        return NULL;
    if (take_keyword(parser, "NOT"))
        node = selector_unary(parser, SELECTOR_NOT, parse_not(parser));
    else
        node = parse_comparison(parser);
    parser->depth--;
    return node;
}

static struct selector_node *parse_and(struct selector_parser *parser)
{
    struct selector_node *left = parse_not(parser);
    unsigned depth = parser->depth;
    while (left != NULL && take_keyword(parser, "AND") && selector_enter(parser))
        left = selector_binary(parser, SELECTOR_AND, left, parse_not(parser));
    parser->depth = depth;
    return parser->reason == NULL ? left : NULL;
}

static struct selector_node *parse_or(struct selector_parser *parser)
{
    struct selector_node *left = parse_and(parser);
    unsigned depth = parser->depth;
    while (left != NULL && take_keyword(parser, "OR") && selector_enter(parser))
        left = selector_binary(parser, SELECTOR_OR, left, parse_and(parser));
    parser->depth = depth;
    return parser->reason == NULL ? left : NULL;
}

struct selector_node *selector_parse_sql(struct selector_parser *parser)
{
    struct selector_node *node = parse_or(parser);
    selector_skip_space(parser);
    if (node != NULL && parser->rest.size > 0)
        return selector_fail(parser, "unexpected character");
    return node;
}
