/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parser by descent over the text, one character ahead. Nesting is bounded, so that a mistake in
 * a configuration cannot overflow the stack.
 */
#include "auth/ldap_term.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/xmalloc.h"

enum { depth_max = 64 };

struct parser {
    const char *start;
    const char *at;
    unsigned depth;
    const char *mistake; /* NULL: none yet */
};

static bool parse_term(struct parser *parser, struct ldap_term *term);

static bool fail(struct parser *parser, const char *mistake)
{
    if (parser->mistake == NULL)
        parser->mistake = mistake;
    return false;
}

/* Blanks, and comments to the end of a line. */
static void skip_blanks(struct parser *parser)
{
    for (;;) {
        while (isspace((unsigned char)*parser->at))
            parser->at++;
        if (*parser->at != '%')
            return;
        parser->at += strcspn(parser->at, "\n");
    }
}

static bool take(struct parser *parser, char c)
{
    skip_blanks(parser);
    if (*parser->at != c)
        return false;
    parser->at++;
    return true;
}

static bool parse_quoted(struct parser *parser, char quote, struct ldap_term *term)
{
    struct buffer text = {0};
    for (; *parser->at != quote; parser->at++) {
        if (*parser->at == '\\')
            parser->at++;
        if (*parser->at == '\0') {
            buffer_fini(&text);
            return fail(parser, "a quote is not closed");
        }
        buffer_append_u8(&text, (uint8_t)*parser->at);
    }
    parser->at++;
    buffer_append_u8(&text, '\0');
    term->text = (char *)text.data;
    return true;
}

static bool parse_binary(struct parser *parser, struct ldap_term *term)
{
    term->kind = TERM_STRING;
    if (!take(parser, '"'))
        return fail(parser, "a binary holds no string");
    if (!parse_quoted(parser, '"', term))
        return false;
    if (*parser->at == '/')
        parser->at += strcspn(parser->at, ">");
    return (take(parser, '>') && take(parser, '>')) || fail(parser, "a binary is not closed");
}

static bool parse_items(struct parser *parser, char end, struct ldap_term *term)
{
    if (take(parser, end))
        return true;
    do {
        term->items = xgrow(term->items, &term->capacity, term->count + 1, sizeof *term->items);
        struct ldap_term *item = &term->items[term->count++];
        *item = (struct ldap_term){0};
        if (!parse_term(parser, item))
            return false;
    } while (take(parser, ','));
    return take(parser, end) || fail(parser, "a comma or a closing bracket is missing");
}

static bool is_of_atom(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '@';
}

static bool parse_atom(struct parser *parser, struct ldap_term *term)
{
    size_t size = 0;
    while (is_of_atom(parser->at[size]))
        size++;
    if (size == 0)
        return fail(parser, "a term is missing");
    term->kind = TERM_ATOM;
    term->text = bytes_to_text(bytes_of(parser->at, size));
    parser->at += size;
    return true;
}

static bool parse_inner(struct parser *parser, struct ldap_term *term)
{
    if (take(parser, '{')) {
        term->kind = TERM_TUPLE;
        return parse_items(parser, '}', term);
    }
    if (take(parser, '[')) {
        term->kind = TERM_LIST;
        return parse_items(parser, ']', term);
    }
    if (take(parser, '"')) {
        term->kind = TERM_STRING;
        return parse_quoted(parser, '"', term);
    }
    if (take(parser, '\'')) {
        term->kind = TERM_ATOM;
        return parse_quoted(parser, '\'', term);
    }
    if (take(parser, '<'))
        return (take(parser, '<') && parse_binary(parser, term)) || fail(parser, "no binary");
    return parse_atom(parser, term);
}

static bool parse_term(struct parser *parser, struct ldap_term *term)
{
    if (++parser->depth > depth_max)
        return fail(parser, "it is nested too deeply");
    bool is_good = parse_inner(parser, term);
    parser->depth--;
    return is_good;
}

bool ldap_term_parse(struct ldap_term *term, const char *text, char reason[AUTH_REASON_SIZE])
{
    struct parser parser = {.start = text, .at = text};
    *term = (struct ldap_term){0};
    bool is_good = parse_term(&parser, term);
    if (is_good) {
        (void)take(&parser, '.');
        skip_blanks(&parser);
        is_good = *parser.at == '\0' || fail(&parser, "something follows its end");
    }
    if (is_good)
        return true;
    snprintf(reason, AUTH_REASON_SIZE, "%s, at character %zu", parser.mistake,
             (size_t)(parser.at - parser.start) + 1);
    ldap_term_fini(term);
    return false;
}

void ldap_term_fini(struct ldap_term *term)
{
    for (size_t i = 0; i < term->count; i++)
        ldap_term_fini(&term->items[i]);
    free(term->items);
    free(term->text);
    *term = (struct ldap_term){0};
}

bool ldap_term_is_atom(const struct ldap_term *term, const char *word)
{
    return term->kind == TERM_ATOM && strcmp(term->text, word) == 0;
}

bool ldap_term_is(const struct ldap_term *term, const char *word, size_t count)
{
    return term->kind == TERM_TUPLE && term->count == count && count > 0 &&
           ldap_term_is_atom(&term->items[0], word);
}
