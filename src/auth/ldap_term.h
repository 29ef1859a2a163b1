/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_LDAP_TERM_H
#define LEVERET_AUTH_LDAP_TERM_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/backend.h"

/* Erlang terms, as far as queries are written in them: atoms, strings, binaries, tuples, lists. */
enum ldap_term_kind { TERM_ATOM, TERM_STRING, TERM_TUPLE, TERM_LIST };

struct ldap_term {
    enum ldap_term_kind kind;
    char *text;              /* owned; of an atom or a string */
    struct ldap_term *items; /* owned; of a tuple or a list */
    size_t count;
    size_t capacity;
};

/* One term, with or without a full stop behind it. false with why in reason. */
bool ldap_term_parse(struct ldap_term *term, const char *text, char reason[AUTH_REASON_SIZE]);
void ldap_term_fini(struct ldap_term *term);

bool ldap_term_is_atom(const struct ldap_term *term, const char *word);
/* A tuple of that many items whose first is that atom? */
bool ldap_term_is(const struct ldap_term *term, const char *word, size_t count);

#endif
