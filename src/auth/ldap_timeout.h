/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_LDAP_TIMEOUT_H
#define LEVERET_AUTH_LDAP_TIMEOUT_H

#include <ldap.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Bounds how long a read from a server, or a write to it, may wait: a part of what owns the
 * handles, which it outlives. */
struct ldap_timeout {
    struct ldap_conncb callback;
    int timeout_ms;
    _Atomic bool is_stopped;
};
void ldap_timeout_init(struct ldap_timeout *timeout, int timeout_ms);

/* For the connections that the handle will make. */
void ldap_timeout_install(struct ldap_timeout *timeout, LDAP *ldap);

/* Any thread: nothing waits any more once a signal has interrupted it. libldap's own waits end by
 * the signal alone, as long as LDAP_OPT_RESTART is off. */
void ldap_timeout_stop(struct ldap_timeout *timeout);
bool ldap_timeout_is_stopped(const struct ldap_timeout *timeout);

#endif
