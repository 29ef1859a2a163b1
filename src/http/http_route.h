/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_ROUTE_H
#define LEVERET_HTTP_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct http_call;
struct http_context;
struct buffer;

/* The methods that a resource may have; HEAD is a GET of which only the headers are sent. */
enum http_method {
    HTTP_GET = 1,
    HTTP_PUT = 2,
    HTTP_DELETE = 4,
    HTTP_POST = 8,
    HTTP_OPTIONS = 16,
    HTTP_OTHER = 32, /* which no resource has */
};

/* Who may use a resource; each but the first needs a login. */
enum http_right {
    HTTP_FOR_ALL,
    HTTP_FOR_MANAGEMENT, /* any tag that lets a user in at all */
    HTTP_FOR_ADMINISTRATORS,
};

/* Answers the call, once, at once or later on the same thread; it is the handler's until it has
 * both answered and returned. */
typedef void http_handler(const struct http_context *context, struct http_call *call);

/* A row of a resource's table. A segment of the pattern that begins with a colon stands for any
 * one segment, whose text is the parameter of that name. */
struct http_route {
    const char *pattern; /* below /api */
    enum http_right to_read, to_write;
    bool lists_vhosts; /* goes by which vhosts the user may enter */
    /* The error where ages of the query make no sense; NULL: nobody looks at them. */
    const char *age_error;
    bool takes_file;  /* the body may be a form with the JSON as the part "file" */
    bool takes_login; /* the body of a POST is a form with the login, and nothing else needs one */
    bool takes_any_accept; /* RabbitMQ has no JSON for it, so what a client accepts does not matter
                            */
    http_handler *get, *put, *delete, *post;
};

enum { HTTP_PARAMETERS_MAX = 4, HTTP_SEGMENTS_MAX = 8 };

/* The decoded segments of a path. */
struct http_path {
    char *segments[HTTP_SEGMENTS_MAX]; /* owned */
    size_t count;
};

/* Splits at each "/", then decodes %XX, so that %2F is part of a name. One "/" at the end does not
 * count. False, and nothing to free, where it has too many segments or one has no meaning: it is
 * no UTF-8 or has a NUL. */
bool http_path_parse(struct http_path *path, const char *text) __attribute__((warn_unused_result));
void http_path_fini(struct http_path *path);

/* Is it a path of this route? What is written in the pattern wins over a parameter where the tables
 * have both, as the order of the routes says. */
bool http_route_matches(const struct http_route *route, const struct http_path *path);
/* The parameter of that name in a path that matches; borrowed from the path, NULL where the pattern
 * has none. */
const char *http_route_parameter(const struct http_route *route, const struct http_path *path,
                                 const char *name);
/* NULL where the route has not got this method. */
http_handler *http_route_handler(const struct http_route *route, enum http_method method);
/* What a header "allow" says of the route; NULL: of a file that may only be read. */
void http_route_allow(const struct http_route *route, struct buffer *text);

#endif
