/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_IDENTITY_H
#define LEVERET_AUTH_IDENTITY_H

#include "auth/backend.h"

/*
 * The chain of back ends, as auth_backends.N of the configuration has it, and what came of a login:
 * an identity, immutable and shared by reference. Any thread; calls that may have to wait for a
 * server are said to block.
 */
struct auth_chain;
struct auth_identity;

/* NULL with a reason where a back end cannot be had as it is configured. */
struct auth_chain *auth_chain_new(const struct config *config, char reason[AUTH_REASON_SIZE]);
void auth_chain_free(struct auth_chain *chain);
/* What blocks, and what will, fails soon: as soon as a system call that it waits in is interrupted
 * by a signal. */
void auth_chain_stop(struct auth_chain *chain);
/* Does nobody but the users of this server count? Then nothing blocks, and nobody asks at all. */
bool auth_chain_is_internal(const struct auth_chain *chain);

/* Tries one back end after the other (blocks). NULL where none lets the user in; reason is then for
 * the log. */
struct auth_identity *auth_chain_log_in(struct auth_chain *chain, const struct auth_login *login,
                                        const char *peer_address, char reason[AUTH_REASON_SIZE]);

struct auth_identity *auth_identity_ref(struct auth_identity *identity);
void auth_identity_unref(struct auth_identity *identity); /* NULL is allowed */

const char *auth_identity_user(const struct auth_identity *identity);
bool auth_identity_has_tag(const struct auth_identity *identity, const char *tag);
/* NULL behind the last one. */
const char *auth_identity_tag(const struct auth_identity *identity, size_t number);
/* Are its permissions those that the snapshot of users has? */
bool auth_identity_is_internal(const struct auth_identity *identity);
/* Seconds since 1970; UINT64_MAX: never. */
uint64_t auth_identity_expires_s(const struct auth_identity *identity);

/* All back ends that the login named must say yes (blocks). reason is what the reply text says at
 * its end: "", or " by backend ..." */
bool auth_identity_may_enter(const struct auth_identity *identity, const struct users *users,
                             struct bytes vhost, char reason[AUTH_REASON_SIZE]);
bool auth_identity_allows(const struct auth_identity *identity, const struct users *users,
                          struct bytes vhost, const struct access_subject *what,
                          char reason[AUTH_REASON_SIZE]);

/* The identity with a new secret (blocks); the same one where its back end knows no secrets that
 * end. It may have ended by now (auth_identity_expires_s). NULL with the whole text of the refusal
 * in reason, and why in log_reason. */
struct auth_identity *auth_identity_renew(struct auth_identity *identity, const struct users *users,
                                          struct bytes secret, char reason[AUTH_REASON_SIZE],
                                          char log_reason[AUTH_REASON_SIZE]);

#endif
