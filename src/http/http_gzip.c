/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed answers. Lists and metrics say the same again and again, so that the fastest way of
 * zlib's, with little memory, already makes a tenth of them; a client far away waits for that, and
 * not for its line.
 */
#include "http/http_gzip.h"

#include <event2/http.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum {
    WINDOW_BITS = 13,
    GZIP_FORMAT = 16, /* added to it */
    MEMORY_LEVEL = 6,
    PIECE_BYTES = 32 << 10,
};

struct http_gzip {
    z_stream stream;
};

/* "gzip", or "gzip;q=0.5", but not "gzip;q=0": a word of the header's list. */
static bool takes_gzip(const char *word, size_t size)
{
    size_t name = strcspn(word, ";, \t");
    if (name != strlen("gzip") || strncasecmp(word, "gzip", name) != 0)
        return false;
    const char *weight = memchr(word, '=', size);
    return weight == NULL || strtod(weight + 1, NULL) > 0;
}

bool http_gzip_is_wanted(struct evhttp_request *request)
{
    const char *word =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Accept-Encoding");
    while (word != NULL && word[0] != '\0') {
        word += strspn(word, ", \t");
        size_t size = strcspn(word, ",");
        if (takes_gzip(word, size))
            return true;
        word += size;
    }
    return false;
}

struct http_gzip *http_gzip_new(void)
{
    struct http_gzip *gzip = xcalloc(1, sizeof *gzip);
    CHECK(deflateInit2(&gzip->stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT,
                       MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
    return gzip;
}

void http_gzip_free(struct http_gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void)deflateEnd(&gzip->stream);
    free(gzip);
}

void http_gzip_run(struct http_gzip *gzip, struct buffer *text, bool is_last)
{
    struct buffer out = {0};
    CHECK(text->size <= UINT_MAX);
    z_stream *stream = &gzip->stream;
    stream->next_in = text->data;
    stream->avail_in = (uInt)text->size;
    do {
        buffer_reserve(&out, PIECE_BYTES);
        stream->next_out = out.data + out.size;
        stream->avail_out = PIECE_BYTES;
        CHECK(deflate(stream, is_last ? Z_FINISH : Z_SYNC_FLUSH) != Z_STREAM_ERROR);
        out.size += PIECE_BYTES - stream->avail_out;
    } while (stream->avail_out == 0);
    buffer_fini(text);
    *text = out;
}
