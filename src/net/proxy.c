/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol, versions 1 and 2: a header in front of everything else, TLS included, in
 * which a load balancer tells whose connection it passes on. Where proxy_protocol is set, every
 * connection must start with one: a client that could leave it out could also make one up.
 *
 * The bytes behind the header belong to AMQP or to OpenSSL, so that not one too many is taken from
 * the socket: what is there is looked at, and as much of it is taken as surely is header.
 *
 * The format: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net_internal.h"

enum {
    V1_SIZE_MAX = 107,
    V2_HEAD_SIZE = 16,
    V2_SIZE_MAX = 4096,
    V2_ADDRESSES_V4_SIZE = 12,
    V2_ADDRESSES_V6_SIZE = 36,
};

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum header_state { HEADER_INCOMPLETE, HEADER_COMPLETE, HEADER_WRONG };

/* --- version 1: a line of text */

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned value;
    char more;
    if (sscanf(text, "%5u%c", &value, &more) != 1 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool parse_host(int family, const char *text, uint16_t port,
                       struct sockaddr_storage *address)
{
    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    if (family == AF_INET)
        v4->sin_port = htons(port);
    else
        v6->sin6_port = htons(port);
    void *at = family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr;
    return inet_pton(family, text, at) == 1;
}

/* "TCP4 SOURCE DESTINATION PORT PORT" */
static bool parse_addresses(struct connection *connection, const char *text)
{
    char family[8], from[64], to[64], from_port[8], to_port[8], more;
    struct sockaddr_storage source, destination;
    uint16_t ports[2];
    if (sscanf(text, "%7s %63s %63s %7s %7s%c", family, from, to, from_port, to_port, &more) != 5)
        return false;
    bool is_v6 = strcmp(family, "TCP6") == 0;
    if (!is_v6 && strcmp(family, "TCP4") != 0)
        return false;
    int domain = is_v6 ? AF_INET6 : AF_INET;
    if (!parse_port(from_port, &ports[0]) || !parse_port(to_port, &ports[1]) ||
        !parse_host(domain, from, ports[0], &source) ||
        !parse_host(domain, to, ports[1], &destination))
        return false;
    address_set(connection, &source, &destination);
    return true;
}

static enum header_state parse_v1(struct connection *connection, struct bytes header)
{
    static const char start[] = "PROXY ";
    char text[V1_SIZE_MAX + 1];
    size_t start_size = header.size < sizeof start - 1 ? header.size : sizeof start - 1;
    if (memcmp(header.data, start, start_size) != 0)
        return HEADER_WRONG;
    if (header.data[header.size - 1] != '\n')
        return header.size < V1_SIZE_MAX ? HEADER_INCOMPLETE : HEADER_WRONG;
    if (header.size < sizeof start + 1 || header.data[header.size - 2] != '\r' ||
        memchr(header.data, '\0', header.size) != NULL)
        return HEADER_WRONG;
    size_t size = header.size - 2 - (sizeof start - 1);
    memcpy(text, header.data + sizeof start - 1, size);
    text[size] = '\0';
    /* The proxy does not know whose it is. */
    bool is_unknown = strncmp(text, "UNKNOWN", 7) == 0 && (text[7] == '\0' || text[7] == ' ');
    return is_unknown || parse_addresses(connection, text) ? HEADER_COMPLETE : HEADER_WRONG;
}

/* --- version 2: bytes */

static size_t v2_size(struct bytes header)
{
    return V2_HEAD_SIZE + (size_t)(header.data[14] << 8 | header.data[15]);
}

static void read_v4(const uint8_t *address, const uint8_t *port, struct sockaddr_storage *to)
{
    *to = (struct sockaddr_storage){.ss_family = AF_INET};
    memcpy(&((struct sockaddr_in *)to)->sin_addr, address, 4);
    memcpy(&((struct sockaddr_in *)to)->sin_port, port, 2);
}

static void read_v6(const uint8_t *address, const uint8_t *port, struct sockaddr_storage *to)
{
    *to = (struct sockaddr_storage){.ss_family = AF_INET6};
    memcpy(&((struct sockaddr_in6 *)to)->sin6_addr, address, 16);
    memcpy(&((struct sockaddr_in6 *)to)->sin6_port, port, 2);
}

static enum header_state read_v2_addresses(struct connection *connection, struct bytes header)
{
    enum { tcp_v4 = 0x11, tcp_v6 = 0x21 };
    struct sockaddr_storage source, destination;
    const uint8_t *at = header.data + V2_HEAD_SIZE;
    size_t size = header.size - V2_HEAD_SIZE;
    if (header.data[13] == tcp_v4 && size >= V2_ADDRESSES_V4_SIZE) {
        read_v4(at, at + 8, &source);
        read_v4(at + 4, at + 10, &destination);
    } else if (header.data[13] == tcp_v6 && size >= V2_ADDRESSES_V6_SIZE) {
        read_v6(at, at + 32, &source);
        read_v6(at + 16, at + 34, &destination);
    } else {
        /* Another family is none of ours; one of ours is whole. */
        bool is_ours = header.data[13] == tcp_v4 || header.data[13] == tcp_v6;
        return is_ours ? HEADER_WRONG : HEADER_COMPLETE;
    }
    address_set(connection, &source, &destination);
    return HEADER_COMPLETE;
}

static enum header_state parse_v2(struct connection *connection, struct bytes header)
{
    enum { local = 0x20, proxied = 0x21 };
    size_t known = header.size < sizeof v2_signature ? header.size : sizeof v2_signature;
    if (memcmp(header.data, v2_signature, known) != 0)
        return HEADER_WRONG;
    if (header.size < V2_HEAD_SIZE)
        return HEADER_INCOMPLETE;
    if (v2_size(header) > V2_SIZE_MAX || (header.data[12] != local && header.data[12] != proxied))
        return HEADER_WRONG;
    if (header.size < v2_size(header))
        return HEADER_INCOMPLETE;
    return header.data[12] == local ? HEADER_COMPLETE : read_v2_addresses(connection, header);
}

/* --- reading */

/* How many of the bytes that can be seen are surely header. */
static size_t surely_header(struct bytes have, const uint8_t *seen, size_t size)
{
    uint8_t first = have.size > 0 ? have.data[0] : seen[0];
    size_t wanted = V1_SIZE_MAX - have.size;
    if (first == v2_signature[0])
        wanted = (have.size < V2_HEAD_SIZE ? V2_HEAD_SIZE : v2_size(have)) - have.size;
    else if (memchr(seen, '\n', size) != NULL)
        size = (size_t)((const uint8_t *)memchr(seen, '\n', size) - seen) + 1;
    return size < wanted ? size : wanted;
}

static enum header_state parse_header(struct connection *connection)
{
    struct bytes header = buffer_bytes(&connection->rest);
    return header.data[0] == v2_signature[0] ? parse_v2(connection, header)
                                             : parse_v1(connection, header);
}

/* The bytes taken; 0 where there is nothing to take, or the connection is over. */
static size_t take_some(struct connection *connection)
{
    uint8_t seen[V2_SIZE_MAX];
    ssize_t size = recv(connection->stream.fd, seen, sizeof seen, MSG_PEEK);
    if (size <= 0) {
        bool is_over = size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
        if (is_over)
            connection_gone(connection, CONNECTION_NOTE_WARNING,
                            connection->rest.size > 0 ? "closed inside its PROXY header" : NULL);
        return 0;
    }
    size_t taken = surely_header(buffer_bytes(&connection->rest), seen, (size_t)size);
    if (recv(connection->stream.fd, seen, taken, 0) != (ssize_t)taken) {
        connection_gone(connection, CONNECTION_NOTE_WARNING, strerror(errno));
        return 0;
    }
    buffer_append(&connection->rest, seen, taken);
    connection->read_bytes += taken;
    connection->read_count++;
    return taken;
}

void proxy_read(struct connection *connection)
{
    enum header_state state = HEADER_INCOMPLETE;
    while (state == HEADER_INCOMPLETE && take_some(connection) > 0)
        state = parse_header(connection);
    if (state == HEADER_WRONG)
        connection_gone(connection, CONNECTION_NOTE_ERROR,
                        "it does not start with a header of the PROXY protocol");
    if (state != HEADER_COMPLETE)
        return;
    buffer_fini(&connection->rest);
    connection->rest = (struct buffer){0};
    connection->state = STATE_HEADER;
}
