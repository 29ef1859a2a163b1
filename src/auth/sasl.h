/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_SASL_H
#define LEVERET_AUTH_SASL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct config;

/* The SASL mechanisms of connection.start and start-ok: PLAIN, AMQPLAIN, EXTERNAL and ANONYMOUS.
 * Safe on any thread. */
struct sasl_mechanism;

/* Who says to be whom. The runs are views into the response. */
struct sasl_credentials {
    bool is_external;  /* the user is the name in the verified certificate; there is no password */
    bool is_anonymous; /* user and password are those of the configuration */
    struct bytes user;
    struct bytes password;
};

/* Appends the names that connection.start offers, in the order of the configuration, with a space
 * between. */
void sasl_append_names(struct buffer *names, const struct config *config, bool is_tls);

/* The mechanism of that name, NULL where it is not offered. */
const struct sasl_mechanism *sasl_find(struct bytes name, const struct config *config, bool is_tls);
const char *sasl_name(const struct sasl_mechanism *mechanism);

/* Reads the response of start-ok. False where it is malformed. */
bool sasl_parse(const struct sasl_mechanism *mechanism, struct bytes response,
                struct sasl_credentials *credentials) __attribute__((warn_unused_result));

#endif
