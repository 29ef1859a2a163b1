/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_SETTINGS_H
#define LEVERET_NET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct config;

/* What all connections offer, demand and allow. Only read once it is filled. */
struct net_settings {
    uint64_t handshake_timeout_ms; /* from accept to connection.open; UINT64_MAX: none */
    uint64_t tls_handshake_timeout_ms;
    uint64_t refusal_delay_ms; /* a refused login is closed after this */
    uint64_t closing_timeout_ms_max;
    bool proxy_protocol;        /* every connection starts with a header of it */
    uint32_t initial_frame_max; /* until tune-ok */
    uint32_t frame_max;         /* offered; 0: no limit */
    uint16_t channel_max;       /* offered; 0: no limit */
    uint16_t heartbeat_s;       /* offered; 0: none */
    uint32_t table_depth_max;
    uint32_t header_bytes_max;  /* property bytes of one message */
    uint64_t message_bytes_max; /* body */
    uint64_t output_bytes;      /* deliveries on their way to one socket */
};

/* Fills in what the configuration says. */
void net_settings_init(struct net_settings *settings, const struct config *config);

/* The table of connection.start, without its length. */
void net_append_server_properties(struct buffer *table, const struct config *config,
                                  const char *cluster_name);

#endif
