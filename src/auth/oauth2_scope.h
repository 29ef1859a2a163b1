/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_OAUTH2_SCOPE_H
#define LEVERET_AUTH_OAUTH2_SCOPE_H

#include <jansson.h>

#include "auth/backend.h"

struct config_auth_oauth2;

/* The scopes that a token's claims amount to, without the prefix that marks them as ours: those of
 * the claim "scope", of the claims that the configuration names, of a requesting party token, and
 * what aliases stand for. An array of strings; the reference is the caller's. */
json_t *oauth2_scopes(const json_t *claims, const struct config_auth_oauth2 *config);

/* The tags among them. */
void oauth2_scope_tags(const json_t *scopes, struct auth_tags *tags);

/* Does any scope let the user into the vhost, or do this? Variables in scopes ({vhost}, {sub}) are
 * filled from the claims. */
bool oauth2_scopes_enter(const json_t *scopes, const json_t *claims, bool is_regex,
                         struct bytes vhost);
bool oauth2_scopes_allow(const json_t *scopes, const json_t *claims, bool is_regex,
                         struct bytes vhost, const struct access_subject *what);

#endif
