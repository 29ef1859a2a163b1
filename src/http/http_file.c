/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the web interface. They are part of the program and the same for everybody, so they
 * are sent at once, from where they are, without a login and without the hooks that a call goes
 * through. The page may load nothing but these files, run no script that stands in a document, be
 * in no frame, and speak only to the server that it came from.
 */
#include "http/http_file.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "http/http_browser.h"
#include "ui/ui.h"

static const char *const headers_of_page[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
     "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    /* Kept, but asked for each time: an upgrade is seen at once. */
    {"Cache-Control", "no-cache"},
};

static const struct ui_file *file_of(const struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    return path != NULL && path[0] == '/' ? ui_find(path + 1) : NULL;
}

/* Does the client have it? It may name several tags, and weak ones. */
static bool is_known(struct evhttp_request *request, const char *tag)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *known = evhttp_find_header(headers, "If-None-Match");
    return known != NULL && (strstr(known, tag) != NULL || strcmp(known, "*") == 0);
}

static void add_headers(struct evhttp_request *request, const char *tag)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    for (size_t i = 0; i < sizeof headers_of_page / sizeof headers_of_page[0]; i++)
        evhttp_add_header(headers, headers_of_page[i][0], headers_of_page[i][1]);
    evhttp_add_header(headers, "ETag", tag);
}

static void send_file(struct evhttp_request *request, const struct ui_file *file)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    CHECK(body != NULL);
    evhttp_add_header(headers, "Content-Type", ui_type(file));
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char size[32];
        evutil_snprintf(size, sizeof size, "%zu", file->size);
        evhttp_add_header(headers, "Content-Length", size);
    } else {
        CHECK(evbuffer_add_reference(body, file->bytes, file->size, NULL, NULL) == 0);
    }
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

bool http_file_serve(struct evhttp_request *request, const struct config_http_headers *config)
{
    const struct ui_file *file = file_of(request);
    if (file == NULL)
        return false;
    enum evhttp_cmd_type command = evhttp_request_get_command(request);
    char tag[UI_TAG_SIZE];
    ui_tag(file, tag);
    add_headers(request, tag);
    http_browser_add(request, config, "");
    if (command != EVHTTP_REQ_GET && command != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        evhttp_send_reply(request, 405, "Method Not Allowed", NULL);
    } else if (is_known(request, tag)) {
        evhttp_send_reply(request, 304, "Not Modified", NULL);
    } else {
        send_file(request, file);
    }
    return true;
}
