/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_LDAP_QUERY_H
#define LEVERET_AUTH_LDAP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/backend.h"
#include "base/buffer.h"

/*
 * The queries of the LDAP back end: what they say, without the server that they are asked of. A
 * query is an Erlang term as auth_ldap.queries.* of rabbitmq.conf, and advanced.config, write it:
 * {constant, true}, {in_group, "cn=${vhost}-users,..."}, {'and', [...]} and so on.
 */
struct ldap_query;

/* Parses a query; tags: a list of {Tag, Query}. NULL with why in reason. */
struct ldap_query *ldap_query_parse(const char *text, bool is_tags, char reason[AUTH_REASON_SIZE]);
void ldap_query_free(struct ldap_query *query); /* NULL is allowed */

/* What stands for ${name} in a query. A variable that is no part of a name is written into a DN
 * quoted (RFC 4514), the user's DN itself as it is. */
struct ldap_variable {
    const char *name;
    struct bytes value;
    bool is_dn;
};

struct ldap_variables {
    struct ldap_variable *variables; /* owned; the values are borrowed */
    size_t count;
    size_t capacity;
};
void ldap_variables_add(struct ldap_variables *variables, const char *name, struct bytes value);
void ldap_variables_fini(struct ldap_variables *variables);
/* Queries compare texts that end with NUL: a value with one in it would pass for what stands
 * before. */
bool ldap_variables_have_nul(const struct ldap_variables *variables);
const struct ldap_variable *ldap_variables_find(const struct ldap_variables *variables,
                                                const char *name);

/* Appends the pattern, filled, and a NUL. */
void ldap_fill(struct buffer *text, const char *pattern, const struct ldap_variables *variables,
               bool is_dn);

struct ldap_values {
    char **texts; /* owned, with each of them */
    size_t count;
    size_t capacity;
};
void ldap_values_fini(struct ldap_values *values);
void ldap_values_add(struct ldap_values *values, struct bytes text);
void ldap_values_reverse(struct ldap_values *values);

/* The server, as queries need it. */
struct ldap_directory {
    void *context;
    const char *group_base; /* NULL: there is none */
    /* Is there an object of that DN, with that attribute of that value? attribute NULL: at all? */
    enum auth_verdict (*exists)(void *context, const char *dn, const char *attribute,
                                const char *value);
    /* The values of an attribute of the object. */
    enum auth_verdict (*attribute)(void *context, const char *dn, const char *name,
                                   struct ldap_values *values);
    /* The DNs of the objects below base with that attribute of that value. */
    enum auth_verdict (*search)(void *context, const char *base, bool is_one_level,
                                const char *attribute, const char *value, struct ldap_values *dns);
};

enum auth_verdict ldap_query_evaluate(const struct ldap_query *query,
                                      const struct ldap_variables *variables,
                                      const struct ldap_directory *directory);
/* Adds the tags whose queries say yes. */
void ldap_query_tags(const struct ldap_query *query, const struct ldap_variables *variables,
                     const struct ldap_directory *directory, struct auth_tags *tags);

#endif
