/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A form is parts between lines of two hyphens and the boundary. A part is its headers, an empty
 * line, and its contents up to the line break in front of the next boundary. All of it is in
 * memory, so that a part is found by looking for what stands around it, and nothing is copied. No
 * octet is looked at more than a few times, however many boundaries there are.
 */
#define _GNU_SOURCE 1 /* memmem, strcasestr */
#include "http/http_form.h"

#include <string.h>
#include <strings.h>

#include "base/buffer.h"

struct bytes http_form_boundary(const char *content_type)
{
    static const char type[] = "multipart/form-data", name[] = "boundary=";
    const char *start = NULL;
    if (content_type != NULL && strncasecmp(content_type, type, strlen(type)) == 0)
        start = strcasestr(content_type, name);
    if (start == NULL)
        return bytes_of(NULL, 0);
    start += strlen(name);
    if (start[0] == '"')
        return bytes_of(start + 1, strcspn(start + 1, "\""));
    return bytes_of(start, strcspn(start, "; \t"));
}

/* Where the text begins in what is left; NULL: nowhere. */
static const uint8_t *find(struct bytes in, struct bytes text)
{
    return text.size > 0 ? memmem(in.data, in.size, text.data, text.size) : NULL;
}

static struct bytes behind(struct bytes in, const uint8_t *at)
{
    return bytes_of(at, (size_t)(in.data + in.size - at));
}

/* Do the headers of a part say that it is the field of that name? */
static bool has_name(struct bytes headers, const char *name)
{
    struct buffer wanted = {0};
    buffer_append_format(&wanted, " name=\"%s\"", name);
    bool is_it = find(headers, buffer_bytes(&wanted)) != NULL;
    buffer_fini(&wanted);
    return is_it;
}

/* Is the part, from its headers to the next delimiter, the field of that name? The line break in
 * front of that delimiter may be the one that ends the headers. */
static bool is_field(struct bytes part, const char *name, struct bytes *contents)
{
    static const char blank[] = "\r\n\r\n";
    const uint8_t *start = find(bytes_of(part.data, part.size + 2), bytes_of_text(blank));
    if (start == NULL || !has_name(bytes_of(part.data, (size_t)(start - part.data)), name))
        return false;
    size_t headers_size = (size_t)(start - part.data) + strlen(blank);
    *contents =
        bytes_of(part.data + headers_size, part.size > headers_size ? part.size - headers_size : 0);
    return true;
}

/* The line break in front belongs to the delimiter; that of the first one may be missing. */
bool http_form_find(struct bytes body, struct bytes boundary, const char *name,
                    struct bytes *contents)
{
    struct buffer delimiter = {0};
    buffer_append_format(&delimiter, "\r\n--%.*s", (int)boundary.size, (const char *)boundary.data);
    struct bytes whole = buffer_bytes(&delimiter), bare = bytes_of(whole.data + 2, whole.size - 2);
    const uint8_t *at = boundary.size > 0 ? find(body, bare) : NULL;
    bool is_there = false;
    while (at != NULL && !is_there) {
        struct bytes rest = behind(body, at + bare.size);
        const uint8_t *end = find(rest, whole);
        if (end != NULL)
            is_there = is_field(bytes_of(rest.data, (size_t)(end - rest.data)), name, contents);
        at = end != NULL ? end + 2 : NULL;
    }
    buffer_fini(&delimiter);
    return is_there;
}
