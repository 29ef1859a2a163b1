/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client says from its first byte to its first channel, and its last word. peer.c says it
 * with blocking calls, dialog.c for many connections at once.
 *
 * Heartbeats are switched off: a run is watched by its own patience, and a generator that spends
 * time on timers measures them. One channel is asked for, because one is used.
 */
#include "perf/handshake.h"

#include "perf/peer.h"

#include <string.h>

void handshake_put_protocol(struct frames *request)
{
    static const uint8_t protocol_header[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    frames_put_bytes(request, protocol_header, sizeof protocol_header);
}

static void put_capability(struct frames *table, const char *name)
{
    frames_put_short_string(table, name);
    frames_put_u8(table, 't');
    frames_put_u8(table, 1);
}

static void put_client_properties(struct frames *request)
{
    struct frames capabilities = {0}, table = {0};
    put_capability(&capabilities, "basic.nack");
    put_capability(&capabilities, "publisher_confirms");
    put_capability(&capabilities, "connection.blocked");
    put_capability(&capabilities, "consumer_cancel_notify");
    put_capability(&capabilities, "authentication_failure_close");
    frames_put_text_field(&table, "product", "leveret-perf");
    frames_put_short_string(&table, "capabilities");
    frames_put_u8(&table, 'F');
    frames_put_long_string(&table, capabilities.data, capabilities.bytes);
    frames_put_long_string(request, table.data, table.bytes);
    frames_fini(&capabilities);
    frames_fini(&table);
}

void handshake_put_start_ok(struct frames *request, const struct options *options)
{
    struct frames response = {0};
    frames_put_u8(&response, 0);
    frames_put_bytes(&response, options->user, strlen(options->user));
    frames_put_u8(&response, 0);
    frames_put_bytes(&response, options->password, strlen(options->password));
    frames_begin_method(request, 0, CONNECTION_START_OK);
    put_client_properties(request);
    frames_put_short_string(request, "PLAIN");
    frames_put_long_string(request, response.data, response.bytes);
    frames_put_short_string(request, "en_US");
    frames_end(request);
    frames_fini(&response);
}

void handshake_put_open(struct frames *request, const struct options *options, uint32_t frame_max)
{
    frames_begin_method(request, 0, CONNECTION_TUNE_OK);
    frames_put_u16(request, PEER_CHANNEL);
    frames_put_u32(request, frame_max);
    frames_put_u16(request, 0);
    frames_end(request);
    frames_begin_method(request, 0, CONNECTION_OPEN);
    frames_put_short_string(request, options->vhost);
    frames_put_u8(request, 0);
    frames_put_u8(request, 0);
    frames_end(request);
}

void handshake_put_channel(struct frames *request)
{
    frames_begin_method(request, PEER_CHANNEL, CHANNEL_OPEN);
    frames_put_short_string(request, "");
    frames_end(request);
}

/* The arguments of connection.close and channel.close are the same. */
static void put_close(struct frames *request, uint16_t channel, uint32_t method)
{
    frames_begin_method(request, channel, method);
    frames_put_u16(request, 200);
    frames_put_short_string(request, "done");
    frames_put_u32(request, 0);
    frames_end(request);
}

void handshake_put_channel_close(struct frames *request)
{
    put_close(request, PEER_CHANNEL, CHANNEL_CLOSE);
}

void handshake_put_close(struct frames *request)
{
    put_close(request, 0, CONNECTION_CLOSE);
}
