/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_EXCHANGE_SELECTOR_INTERNAL_H
#define LEVERET_EXCHANGE_SELECTOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* What the two parsers and the evaluation of selectors share: the tree. */

enum selector_kind {
    SELECTOR_VALUE, /* value */
    SELECTOR_IDENT, /* value: a string, the name of a header */
    SELECTOR_NOT,
    SELECTOR_AND,
    SELECTOR_OR,
    SELECTOR_IS_NULL,
    SELECTOR_EQUAL,
    SELECTOR_NOT_EQUAL,
    SELECTOR_LESS,
    SELECTOR_LESS_EQUAL,
    SELECTOR_GREATER,
    SELECTOR_GREATER_EQUAL,
    SELECTOR_ADD,
    SELECTOR_SUBTRACT,
    SELECTOR_MULTIPLY,
    SELECTOR_DIVIDE,
    SELECTOR_PLUS,
    SELECTOR_NEGATE,
    SELECTOR_LIKE,    /* value: the pattern; escape */
    SELECTOR_IN,      /* list, by next */
    SELECTOR_BETWEEN, /* children: the value, from, to */
};

/* The order is Erlang's between terms of different types, in which RabbitMQ compares. */
enum selector_type {
    SELECTOR_NULL,
    SELECTOR_INTEGER,
    SELECTOR_DOUBLE,
    SELECTOR_BOOL,
    SELECTOR_STRING
};

struct selector_value {
    uint8_t type; /* enum selector_type */
    union {
        int64_t integer;
        double number;
        bool boolean;
        struct bytes string;
    };
};

struct selector_node {
    uint8_t kind; /* enum selector_kind */
    bool has_escape;
    uint8_t escape; /* LIKE: the octet that makes the next one literal */
    struct selector_value value;
    struct selector_node *children[3]; /* borrowed: the selector owns all nodes */
    struct selector_node *list;        /* IN: values, chained by next */
    struct selector_node *next;
    struct selector_node *allocated; /* the node made before this one */
};

/* A selector while it is read. A parser that fails has set reason and returns NULL everywhere. */
struct selector_parser {
    struct bytes rest;
    const char *reason;
    struct selector_node *nodes; /* the last one made */
    uint8_t *text;    /* for strings without their escapes, which are never longer than */
    size_t text_size; /* the source */
    unsigned depth;
};

enum { SELECTOR_DEPTH_MAX = 256, SELECTOR_PATTERN_MAX = 1024 };

/* The tree of the whole text, or NULL. */
struct selector_node *selector_parse_term(struct selector_parser *parser);
struct selector_node *selector_parse_sql(struct selector_parser *parser);

/* Sets the reason, where none is set yet, and returns NULL. */
struct selector_node *selector_fail(struct selector_parser *parser, const char *reason);

struct selector_node *selector_node(struct selector_parser *parser, enum selector_kind kind);
/* NULL where a child is. */
struct selector_node *selector_unary(struct selector_parser *parser, enum selector_kind kind,
                                     struct selector_node *child);
struct selector_node *selector_binary(struct selector_parser *parser, enum selector_kind kind,
                                      struct selector_node *left, struct selector_node *right);
struct selector_node *selector_between(struct selector_parser *parser, struct selector_node *value,
                                       struct selector_node *from, struct selector_node *to);
struct selector_node *selector_like(struct selector_parser *parser, struct selector_node *value,
                                    struct bytes pattern, const struct bytes *escape);
/* One more value that `in`, of SELECTOR_IN, knows; returns it. */
struct selector_node *selector_in_add(struct selector_parser *parser, struct selector_node *in,
                                      struct selector_node *member);
struct selector_node *selector_boolean(struct selector_parser *parser, bool boolean);
struct selector_node *selector_string(struct selector_parser *parser, enum selector_kind kind,
                                      struct bytes string);

/* One level deeper: false, with the reason set, where that is too deep. Leaves by depth--. */
bool selector_enter(struct selector_parser *parser);

/* The next octet without taking it, 0 at the end. */
static inline uint8_t selector_peek(const struct selector_parser *parser)
{
    return parser->rest.size > 0 ? parser->rest.data[0] : 0;
}

static inline void selector_skip(struct selector_parser *parser, size_t size)
{
    parser->rest.data += size;
    parser->rest.size -= size;
}

void selector_skip_space(struct selector_parser *parser);

/* An unsigned number at the front: digits, which may have a fraction and an exponent; hexadecimal
 * after 0x. */
struct selector_node *selector_number(struct selector_parser *parser);

/* Keeps an octet of a string that is being read, from selector_text_begin on. */
static inline struct bytes selector_text_begin(const struct selector_parser *parser)
{
    return bytes_of(parser->text + parser->text_size, 0);
}

static inline void selector_text_add(struct selector_parser *parser, struct bytes *string,
                                     uint8_t octet)
{
    parser->text[parser->text_size++] = octet;
    string->size++;
}

#endif
