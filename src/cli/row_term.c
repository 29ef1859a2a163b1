/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a text in a reply of the server is an atom, a binary or an address to RabbitMQ, which
 * `--formatter erlang` and `inspect` show. Which it is is known by the column.
 */
#include "cli/row_term.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/term.h"

/* Texts that are names of things to RabbitMQ itself; in the others an empty text is an atom, where
 * there is nothing to tell. */
static const char *const atom_columns[] = {
    "activity_status", "destination_kind", "leader", "members", "online", "provided_by",
    "source_kind",     "stability",        "state",  "tags",    "type",   "node",
};
static const char *const never_text_columns[] = {
    "consumer_utilisation",
    "consumer_capacity",
    "default_queue_type",
    "exclusive_consumer_tag",
    "exclusive_consumer_pid",
    "head_message_timestamp",
    "operator_policy",
    "owner_pid",
    "peer_cert_issuer",
    "peer_cert_subject",
    "peer_cert_validity",
    "policy",
    "single_active_consumer_tag",
    "slave_pids",
    "ssl_cipher",
    "ssl_hash",
    "ssl_key_exchange",
    "ssl_protocol",
    "synchronised_slave_pids",
};

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* {127,0,0,1} */
static struct term *address(const char *text)
{
    unsigned char bytes[4];
    char number[4];
    if (inet_pton(AF_INET, text, bytes) != 1)
        return term_binary(text);
    struct term *tuple = term_tuple();
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(number, sizeof number, "%u", bytes[i]);
        term_add(tuple, term_plain(number));
    }
    return tuple;
}

/* "{0,9,1}" */
static struct term *version(const char *text)
{
    int parts[3];
    char number[12];
    if (sscanf(text, "{%d,%d,%d}", &parts[0], &parts[1], &parts[2]) != 3)
        return term_binary(text);
    struct term *tuple = term_tuple();
    for (size_t i = 0; i < 3; i++) {
        snprintf(number, sizeof number, "%d", parts[i]);
        term_add(tuple, term_plain(number));
    }
    return tuple;
}

static struct term *table(const json_t *arguments);

static struct term *typed(const char *type, const json_t *value)
{
    if (type != NULL && strcmp(type, "table") == 0)
        return table(value);
    return term_of_json(value);
}

/* [["x-max-length", "long", 5]] */
static struct term *table(const json_t *arguments)
{
    struct term *list = term_list();
    for (size_t i = 0; i < json_array_size(arguments); i++) {
        const json_t *argument = json_array_get(arguments, i);
        const char *type = json_string_value(json_array_get(argument, 1));
        struct term *tuple = term_tuple();
        term_add(tuple, term_of_json(json_array_get(argument, 0)));
        term_add(tuple, term_atom(type != NULL ? type : "undefined"));
        term_add(tuple, typed(type, json_array_get(argument, 2)));
        term_add(list, tuple);
    }
    return list;
}

static struct term *text_term(const char *column, const char *text)
{
    size_t atoms = sizeof atom_columns / sizeof atom_columns[0];
    size_t size = strlen(column);
    bool is_pid = size >= 3 && strcmp(column + size - 3, "pid") == 0;
    if (strcmp(column, "connection") == 0 || (is_pid && text[0] != '\0'))
        return term_plain(text);
    if (is_pid || is_among(atom_columns, atoms, column))
        return term_atom(text);
    if (text[0] == '\0' &&
        is_among(never_text_columns, sizeof never_text_columns / sizeof never_text_columns[0],
                 column))
        return term_atom("");
    if (strcmp(column, "host") == 0 || strcmp(column, "peer_host") == 0)
        return address(text);
    if (strcmp(column, "protocol") == 0)
        return version(text);
    return term_binary(text);
}

static struct term *cell_term(const char *column, const json_t *value)
{
    if (strcmp(column, "arguments") == 0 || strcmp(column, "client_properties") == 0)
        return table(value);
    if (json_is_string(value))
        return text_term(column, json_string_value(value));
    if (value == NULL)
        return term_atom("");
    if (!json_is_array(value))
        return term_of_json(value);
    struct term *list = term_list();
    for (size_t i = 0; i < json_array_size(value); i++)
        term_add(list, cell_term(column, json_array_get(value, i)));
    return list;
}

struct term *row_term(const json_t *row, char *const *columns, size_t count)
{
    struct term *list = term_list();
    for (size_t i = 0; i < count; i++)
        term_add(list,
                 term_pair(columns[i], cell_term(columns[i], json_object_get(row, columns[i]))));
    return list;
}
