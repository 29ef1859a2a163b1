/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_ADDRESS_H
#define LEVERET_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sockaddr_storage;

enum { ADDRESS_HOST_SIZE = 46 }; /* INET6_ADDRSTRLEN */

/* One end of a connection: an address as text, an IPv4 address that was mapped to IPv6 as what it
 * is. */
struct address_endpoint {
    char host[ADDRESS_HOST_SIZE];
    uint16_t port;
    bool is_loopback; /* it is this machine */
};

struct address_endpoint address_endpoint(const struct sockaddr_storage *address);

#endif
