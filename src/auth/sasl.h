/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_SASL_H
#define LEVERET_AUTH_SASL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct config;

/* The SASL mechanisms of connection.start and start-ok: PLAIN, AMQPLAIN, EXTERNAL,
 * ANONYMOUS and RABBIT-CR-DEMO. Safe on any thread. */
struct sasl_mechanism;

/* Who says to be whom. The runs are views into the responses. */
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

/* What the client has said: in start-ok, and then, if it was asked, in secure-ok. */
struct sasl_responses {
    struct bytes first;
    struct bytes second;
    bool has_second;
};

enum sasl_result {
    SASL_COMPLETE,  /* credentials */
    SASL_CHALLENGE, /* challenge: to be answered by the second response */
    SASL_MALFORMED,
};

enum sasl_result sasl_read(const struct sasl_mechanism *mechanism,
                           const struct sasl_responses *responses,
                           struct sasl_credentials *credentials, struct bytes *challenge);

#endif
