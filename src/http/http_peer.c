/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of what a reactor tells of a connection, as those of what a vhost tells.
 */
#include "http/http_peer.h"

#include "broker/status_rows.h"

void http_peer_keep(struct status_rows *rows, const struct http_peer *peer)
{
    static const size_t texts[] = {
        offsetof(struct http_peer, name),      offsetof(struct http_peer, user),
        offsetof(struct http_peer, state),     offsetof(struct http_peer, client_name),
        offsetof(struct http_peer, mechanism), offsetof(struct http_peer, peer_host),
        offsetof(struct http_peer, host),      offsetof(struct http_peer, client_properties),
        offsetof(struct http_peer, protocol),  offsetof(struct http_peer, key_exchange),
        offsetof(struct http_peer, cipher),    offsetof(struct http_peer, hash),
        offsetof(struct http_peer, subject),   offsetof(struct http_peer, issuer),
        offsetof(struct http_peer, validity),
    };
    static const struct status_row_kind kind = {sizeof(struct http_peer),
                                                sizeof texts / sizeof texts[0], texts};
    status_rows_keep(rows, &kind, peer);
}
