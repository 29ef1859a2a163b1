/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_CROWD_H
#define LEVERET_HTTP_HTTP_CROWD_H

/* The clients of a server that evhttp serves: how many there are at a time, and what they may keep.
 */

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct evhttp;
struct evhttp_request;
struct http_crowd;
struct tls_context;

struct http_bounds {
    size_t clients_max;       /* later ones wait with the system */
    unsigned request_s;       /* for a whole request, from when a client came or had an answer */
    size_t waiting_bytes_max; /* of the requests of all clients that are not answered */
};

struct http_crowd *http_crowd_new(struct event_base *base, const struct http_bounds *bounds);
/* Lets an evhttp, which has no listener yet, accept on the socket, which passes. tls: borrowed,
 * outlives the crowd; NULL: without TLS. */
enum { HTTP_DOORS_MAX = 2 };
void http_crowd_open(struct http_crowd *crowd, struct evhttp *http, int listening_fd,
                     struct tls_context *tls);
/* Behind evhttp_free, and before the base goes. */
void http_crowd_free(struct http_crowd *crowd);

/* What comes next is up to us: the client is not late meanwhile. */
void http_crowd_wait_for_us(struct http_crowd *crowd, struct evhttp_request *request);
/* What comes next is up to the client. */
void http_crowd_wait_for_client(struct http_crowd *crowd, struct evhttp_request *request);
/* The request keeps nothing any more. */
void http_crowd_forget_request(struct http_crowd *crowd, struct evhttp_request *request);
/* Counts so many bytes as if they had come with the request. False where they are too many, or the
 * client has gone. */
bool http_crowd_has_room(struct http_crowd *crowd, struct evhttp_request *request, size_t bytes);

#endif
