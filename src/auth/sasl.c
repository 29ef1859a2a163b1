/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SASL mechanisms are a table: a name, when it is offered, how its response is read. One of
 * them has a challenge, and a response to that: RABBIT-CR-DEMO, with which RabbitMQ shows that it
 * can.
 *
 * A mechanism that was not offered is not taken either: EXTERNAL on a connection without TLS is as
 * unknown as a name nobody has heard of. With TLS it is offered whether or not there is a
 * certificate, as RabbitMQ does: who comes without one is told that the login was refused.
 */
#include "auth/sasl.h"

#include <string.h>

#include "amqp/table.h"
#include "config/config.h"

struct sasl_mechanism {
    const char *name;
    bool needs_tls;
    bool needs_anonymous_user;
    bool (*parse)(struct bytes response, struct sasl_credentials *credentials);
    const char *challenge; /* NULL: none */
    bool (*parse_second)(struct bytes response, struct sasl_credentials *credentials);
};

/* NUL user NUL password. RabbitMQ takes no authorization identity, which would stand in front; what
 * follows the second NUL is the password, whatever it contains. */
static bool parse_plain(struct bytes response, struct sasl_credentials *credentials)
{
    if (response.size == 0 || response.data[0] != '\0')
        return false;
    const uint8_t *user = response.data + 1;
    size_t left = response.size - 1;
    const uint8_t *end = left > 0 ? memchr(user, '\0', left) : NULL;
    if (end == NULL)
        return false;
    size_t user_size = (size_t)(end - user);
    credentials->user = bytes_of(user, user_size);
    credentials->password = bytes_of(end + 1, left - user_size - 1);
    return true;
}

static bool find_longstr(struct bytes table, const char *name, struct bytes *bytes)
{
    struct amqp_value value;
    if (!amqp_table_find(table, name, &value) || value.type != AMQP_TYPE_LONGSTR)
        return false;
    *bytes = value.bytes;
    return true;
}

/* The fields of a table, without the length that would stand in front of one. */
static bool parse_amqplain(struct bytes response, struct sasl_credentials *credentials)
{
    return amqp_table_is_valid(response, AMQP_TABLE_DEPTH_MAX) &&
           find_longstr(response, "LOGIN", &credentials->user) &&
           find_longstr(response, "PASSWORD", &credentials->password);
}

/* Who it is says the certificate: the response counts for nothing. */
static bool parse_external(struct bytes response, struct sasl_credentials *credentials)
{
    (void)response;
    credentials->is_external = true;
    return true;
}

/* Whoever it is: the response is a trace that nobody follows. */
static bool parse_anonymous(struct bytes response, struct sasl_credentials *credentials)
{
    (void)response;
    credentials->is_anonymous = true;
    return true;
}

static bool parse_user(struct bytes response, struct sasl_credentials *credentials)
{
    credentials->user = response;
    return true;
}

static bool parse_told_password(struct bytes response, struct sasl_credentials *credentials)
{
    static const char words[] = "My password is ";
    size_t size = sizeof words - 1;
    if (response.size < size || memcmp(response.data, words, size) != 0)
        return false;
    credentials->password = bytes_of(response.data + size, response.size - size);
    return true;
}

static const struct sasl_mechanism mechanisms[] = {
    {.name = "PLAIN", .parse = parse_plain},
    {.name = "AMQPLAIN", .parse = parse_amqplain},
    {.name = "EXTERNAL", .needs_tls = true, .parse = parse_external},
    {.name = "ANONYMOUS", .needs_anonymous_user = true, .parse = parse_anonymous},
    {.name = "RABBIT-CR-DEMO",
     .parse = parse_user,
     .challenge = "Please tell me your password",
     .parse_second = parse_told_password},
};

static const struct sasl_mechanism *find(struct bytes name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (bytes_equal_text(name, mechanisms[i].name))
            return &mechanisms[i];
    }
    return NULL;
}

static bool is_offered(const struct sasl_mechanism *mechanism, const struct config *config,
                       bool is_tls)
{
    return mechanism != NULL && (is_tls || !mechanism->needs_tls) &&
           (!mechanism->needs_anonymous_user || config_has_anonymous(config));
}

void sasl_append_names(struct buffer *names, const struct config *config, bool is_tls)
{
    const struct config_list *list = &config->auth_mechanisms;
    size_t begin = names->size;
    for (size_t i = 0; i < list->count; i++) {
        struct bytes name = bytes_of_text(list->entries[i].value);
        if (!is_offered(find(name), config, is_tls))
            continue;
        if (names->size > begin)
            buffer_append_u8(names, ' ');
        buffer_append_bytes(names, name);
    }
}

const struct sasl_mechanism *sasl_find(struct bytes name, const struct config *config, bool is_tls)
{
    const struct config_list *list = &config->auth_mechanisms;
    for (size_t i = 0; i < list->count; i++) {
        if (!bytes_equal_text(name, list->entries[i].value))
            continue;
        const struct sasl_mechanism *mechanism = find(name);
        return is_offered(mechanism, config, is_tls) ? mechanism : NULL;
    }
    return NULL;
}

enum sasl_result sasl_read(const struct sasl_mechanism *mechanism,
                           const struct sasl_responses *responses,
                           struct sasl_credentials *credentials, struct bytes *challenge)
{
    *credentials = (struct sasl_credentials){0};
    if (!mechanism->parse(responses->first, credentials))
        return SASL_MALFORMED;
    if (mechanism->challenge == NULL)
        return SASL_COMPLETE;
    *challenge = bytes_of_text(mechanism->challenge);
    if (!responses->has_second)
        return SASL_CHALLENGE;
    return mechanism->parse_second(responses->second, credentials) ? SASL_COMPLETE : SASL_MALFORMED;
}
