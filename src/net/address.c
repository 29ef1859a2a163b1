/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end: the addresses of a connection as text, in the form in which RabbitMQ
 * names connections, and whether the peer is this machine, which decides who may log in as guest.
 * An IPv4 peer of a socket that also takes IPv6 appears as a mapped address; it is told as what it
 * is, an IPv4 address.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/xmalloc.h"
#include "net/net_internal.h"

enum { mapped_prefix_bytes = 12 };

static void describe_v4(struct address_endpoint *endpoint, const void *address, uint16_t port)
{
    inet_ntop(AF_INET, address, endpoint->host, sizeof endpoint->host);
    endpoint->port = ntohs(port);
    endpoint->is_loopback = *(const uint8_t *)address == IN_LOOPBACKNET;
}

static void describe_v6(struct address_endpoint *endpoint, const struct sockaddr_in6 *address)
{
    if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
        describe_v4(endpoint, address->sin6_addr.s6_addr + mapped_prefix_bytes, address->sin6_port);
        return;
    }
    inet_ntop(AF_INET6, &address->sin6_addr, endpoint->host, sizeof endpoint->host);
    endpoint->port = ntohs(address->sin6_port);
    endpoint->is_loopback = IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
}

struct address_endpoint address_endpoint(const struct sockaddr_storage *address)
{
    struct address_endpoint endpoint = {.host = "unknown"};
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        describe_v4(&endpoint, &v4->sin_addr, v4->sin_port);
    } else if (address->ss_family == AF_INET6) {
        describe_v6(&endpoint, (const struct sockaddr_in6 *)address);
    } else if (address->ss_family == AF_UNIX) {
        strcpy(endpoint.host, "local");
        endpoint.is_loopback = true;
    }
    return endpoint;
}

void address_set(struct connection *connection, const struct sockaddr_storage *peer,
                 const struct sockaddr_storage *own)
{
    char name[2 * INET6_ADDRSTRLEN + 32];
    struct address_endpoint from = address_endpoint(peer), to = address_endpoint(own);
    free(connection->name);
    free(connection->peer_host);
    free(connection->own_host);
    snprintf(name, sizeof name, "%s:%u -> %s:%u", from.host, from.port, to.host, to.port);
    connection->name = xstrdup(name);
    connection->peer_host = xstrdup(from.host);
    connection->peer_port = from.port;
    connection->own_host = xstrdup(to.host);
    connection->own_port = to.port;
    connection->is_loopback = connection->is_loopback && from.is_loopback;
}

void address_describe(struct connection *connection)
{
    struct sockaddr_storage peer = {0}, own = {0};
    socklen_t peer_size = sizeof peer, own_size = sizeof own;
    getpeername(connection->stream.fd, (struct sockaddr *)&peer, &peer_size);
    getsockname(connection->stream.fd, (struct sockaddr *)&own, &own_size);
    connection->is_loopback = true; /* and stays so while every address is: a proxy's, too */
    address_set(connection, &peer, &own);
}
