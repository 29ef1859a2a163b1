/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_PEER_H
#define LEVERET_HTTP_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct gate;
struct session_status;
struct status_rows;

/* A connection that is in a vhost, as its reactor knows it. */
struct http_peer {
    const struct gate *gate; /* of its vhost: to be compared only */
    uint64_t number;         /* over all of the server's */
    uint64_t connected_ms;   /* wall-clock */
    struct bytes name, user, state, client_name, mechanism;
    struct bytes peer_host, host;
    struct bytes client_properties; /* a field table */
    uint16_t peer_port, port, channel_max, heartbeat_s;
    uint32_t frame_max;
    bool is_tls;
    struct bytes protocol, key_exchange, cipher, hash; /* of TLS; no data: it is plain */
    struct bytes subject, issuer, validity;            /* of a certificate */
    uint64_t read_bytes, written_bytes, unwritten_bytes, reads, writes;
};

/* Keeps a copy. */
void http_peer_keep(struct status_rows *rows, const struct http_peer *peer);

/* What a vhost knows of it: one of these sessions, which have been sorted; NULL where it has just
 * ended. */
void http_peer_sort_sessions(struct status_rows *sessions);
const struct session_status *http_peer_session(const struct http_peer *peer,
                                               const struct status_rows *sessions);
/* Both together; session may be NULL. */
struct bytes http_peer_state(const struct http_peer *peer, const struct session_status *session);

#endif
