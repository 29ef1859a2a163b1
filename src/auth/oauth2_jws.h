/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_OAUTH2_JWS_H
#define LEVERET_AUTH_OAUTH2_JWS_H

#include <jansson.h>
#include <stdbool.h>

#include "auth/oauth2_keys.h"

/* A signed JSON Web Token in its compact form (RFC 7515, RFC 7519). */
struct jws {
    struct bytes input;      /* what is signed: a view of the text */
    json_t *header;          /* owned; an object */
    json_t *claims;          /* owned; an object */
    struct buffer signature; /* owned */
};

/* Takes it apart; nothing of it is proven by that. text must outlive it. False where it is none. */
bool jws_read(struct jws *jws, struct bytes text);
void jws_fini(struct jws *jws);

/* NULL where the header has no such text. */
const char *jws_header(const struct jws *jws, const char *name);

/* Is its signature that of this key, by the algorithm of its header, which must be one for keys of
 * this kind? Without that a public key could be taken for the secret of an HMAC, which anybody can
 * then make. */
bool jws_is_signed_with(const struct jws *jws, const struct oauth2_key *key);

#endif
