/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths and the patterns of routes. A path is split before it is decoded, which is what lets a
 * client name the vhost "/" as %2F. Patterns are compared segment by segment, in the order of the
 * tables: there are some dozens of them, and an administrator's call does far more than this.
 */
#include "http/http_route.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "base/xmalloc.h"

/* --- paths */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The decoded text, owned by the caller; NULL where it is none. */
static char *decode(const char *text, size_t size)
{
    char *decoded = xmalloc(size + 1);
    size_t count = 0;
    bool is_right = true;
    for (size_t i = 0; i < size && is_right; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 1 < size ? digit_of(text[i + 1]) : -1;
            int low = i + 2 < size ? digit_of(text[i + 2]) : -1;
            is_right = high >= 0 && low >= 0 && high + low > 0;
            c = (char)(high * 16 + low);
            i += 2;
        }
        decoded[count++] = c;
    }
    decoded[count] = '\0';
    if (is_right && utf8_is_valid(bytes_of(decoded, count)))
        return decoded;
    free(decoded);
    return NULL;
}

bool http_path_parse(struct http_path *path, const char *text)
{
    *path = (struct http_path){.count = 0};
    if (text[0] == '/')
        text++;
    while (text[0] != '\0') {
        size_t size = strcspn(text, "/");
        char *segment = path->count < HTTP_SEGMENTS_MAX ? decode(text, size) : NULL;
        if (segment == NULL) {
            http_path_fini(path);
            return false;
        }
        path->segments[path->count++] = segment;
        text += size + (text[size] == '/');
    }
    return true;
}

void http_path_fini(struct http_path *path)
{
    for (size_t i = 0; i < path->count; i++)
        free(path->segments[i]);
    path->count = 0;
}

/* --- patterns */

/* Takes the next segment from the pattern. False at its end. */
static bool next_segment(const char **pattern, struct bytes *segment)
{
    if ((*pattern)[0] != '/')
        return false;
    size_t size = strcspn(*pattern + 1, "/");
    *segment = bytes_of(*pattern + 1, size);
    *pattern += 1 + size;
    return true;
}

/* The default exchange has an empty name; everything else has one. */
static bool may_be_empty(struct bytes parameter)
{
    return bytes_equal_text(parameter, ":exchange") || bytes_equal_text(parameter, ":source");
}

bool http_route_matches(const struct http_route *route, const struct http_path *path)
{
    const char *pattern = route->pattern;
    struct bytes segment;
    size_t i = 0;
    while (next_segment(&pattern, &segment)) {
        if (i >= path->count)
            return false;
        bool is_parameter =
            segment.data[0] == ':' && (path->segments[i][0] != '\0' || may_be_empty(segment));
        if (!is_parameter && !bytes_equal_text(segment, path->segments[i]))
            return false;
        i++;
    }
    return i == path->count;
}

const char *http_route_parameter(const struct http_route *route, const struct http_path *path,
                                 const char *name)
{
    const char *pattern = route->pattern;
    struct bytes segment;
    for (size_t i = 0; i < path->count && next_segment(&pattern, &segment); i++) {
        if (segment.data[0] == ':' &&
            bytes_equal_text(bytes_of(segment.data + 1, segment.size - 1), name))
            return path->segments[i];
    }
    return NULL;
}

http_handler *http_route_handler(const struct http_route *route, enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return route->get;
    case HTTP_PUT:
        return route->put;
    case HTTP_DELETE:
        return route->delete;
    case HTTP_POST:
        return route->post;
    case HTTP_OPTIONS:
    case HTTP_OTHER:
        break;
    }
    return NULL;
}

void http_route_allow(const struct http_route *route, struct buffer *text)
{
    static const struct {
        enum http_method method;
        const char *names;
    } methods[] = {{HTTP_GET, "HEAD, GET, "},
                   {HTTP_POST, "POST, "},
                   {HTTP_PUT, "PUT, "},
                   {HTTP_DELETE, "DELETE, "}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (route == NULL ? i == 0 : http_route_handler(route, methods[i].method) != NULL)
            buffer_append_bytes(text, bytes_of_text(methods[i].names));
    }
    buffer_append(text, "OPTIONS", sizeof "OPTIONS");
}
