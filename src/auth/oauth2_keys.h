/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_OAUTH2_KEYS_H
#define LEVERET_AUTH_OAUTH2_KEYS_H

#include <jansson.h>
#include <stdbool.h>

#include "auth/backend.h"
#include "base/buffer.h"

/* The keys that tokens are signed with, by their id. A list belongs to one thread, or is guarded by
 * its owner. */
enum oauth2_key_kind { OAUTH2_KEY_RSA, OAUTH2_KEY_EC, OAUTH2_KEY_OCTETS };

struct oauth2_key {
    char *id; /* owned */
    enum oauth2_key_kind kind;
    struct evp_pkey_st *pkey; /* ref; the public key; NULL: it is octets */
    struct buffer octets;     /* owned */
};

/* Another reference to the key, without its id; fini frees it. */
void oauth2_key_copy(struct oauth2_key *copy, const struct oauth2_key *key);
void oauth2_key_fini(struct oauth2_key *key);

struct oauth2_keys {
    struct oauth2_key *keys; /* owned */
    size_t count;
    size_t capacity;
};

void oauth2_keys_fini(struct oauth2_keys *keys);
const struct oauth2_key *oauth2_keys_find(const struct oauth2_keys *keys, const char *id);

/* A public key or a certificate in PEM. */
bool oauth2_keys_add_file(struct oauth2_keys *keys, const char *id, const char *path,
                          char reason[AUTH_REASON_SIZE]);
/* The keys of a JSON Web Key Set (RFC 7517); those of other kinds, and those for encryption, are
 * passed over. false where it is no such set or none is left. */
bool oauth2_keys_add_set(struct oauth2_keys *keys, const char *text, size_t size,
                         char reason[AUTH_REASON_SIZE]);

#endif
