/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of what a reactor tells of a connection, as those of what a vhost tells.
 */
#include "http/http_peer.h"

#include <stdlib.h>

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
                                                sizeof texts / sizeof texts[0], texts, NULL, NULL};
    status_rows_keep(rows, &kind, peer);
}

static int compare_sessions(const void *a, const void *b)
{
    const struct session_status *x = *(const struct session_status *const *)a;
    const struct session_status *y = *(const struct session_status *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

void http_peer_sort_sessions(struct status_rows *sessions)
{
    if (sessions->count > 1)
        qsort(sessions->rows, sessions->count, sizeof sessions->rows[0], compare_sessions);
}

const struct session_status *http_peer_session(const struct http_peer *peer,
                                               const struct status_rows *sessions)
{
    const struct session_status wanted = {.number = peer->number}, *key = &wanted;
    if (sessions->count == 0)
        return NULL;
    void **found =
        bsearch(&key, sessions->rows, sessions->count, sizeof sessions->rows[0], compare_sessions);
    return found != NULL ? *found : NULL;
}

struct bytes http_peer_state(const struct http_peer *peer, const struct session_status *session)
{
    if (session != NULL && session->is_blocked)
        return bytes_of_text("blocked");
    if (session != NULL && session->is_blocking)
        return bytes_of_text("blocking");
    return peer->state;
}
