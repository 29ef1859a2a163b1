/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SASL mechanisms are a table: a name, when it is offered, how its response is read. All of
 * them need one response only, so connection.secure is never sent.
 *
 * A mechanism that was not offered is not taken either: EXTERNAL on a connection without TLS is as
 * unknown as a name nobody has heard of. With TLS it is offered whether or not there is a
 * certificate, as RabbitMQ does: who comes without one is told that the login was refused.
 */
#include "auth/sasl.h"

#include "amqp/table.h"
#include "config/config.h"

struct sasl_mechanism {
    const char *name;
    bool needs_tls;
    bool needs_anonymous_user;
    bool (*parse)(struct bytes response, struct sasl_credentials *credentials);
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

static const struct sasl_mechanism mechanisms[] = {
    {"PLAIN", false, false, parse_plain},
    {"AMQPLAIN", false, false, parse_amqplain},
    {"EXTERNAL", true, false, parse_external},
    {"ANONYMOUS", false, true, parse_anonymous},
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
    const char *space = "";
    for (size_t i = 0; i < list->count; i++) {
        struct bytes name = bytes_of_text(list->entries[i].value);
        if (!is_offered(find(name), config, is_tls))
            continue;
        buffer_append_format(names, "%s%s", space, list->entries[i].value);
        space = " ";
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

const char *sasl_name(const struct sasl_mechanism *mechanism)
{
    return mechanism->name;
}

bool sasl_parse(const struct sasl_mechanism *mechanism, struct bytes response,
                struct sasl_credentials *credentials)
{
    *credentials = (struct sasl_credentials){0};
    return mechanism->parse(response, credentials);
}
