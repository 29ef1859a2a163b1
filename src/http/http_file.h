/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_FILE_H
#define LEVERET_HTTP_HTTP_FILE_H

#include <stdbool.h>

struct config_http_headers;
struct evhttp_request;

/* Answers a request for a file of the web interface, which anybody may have: 200, 304 where the
 * client has it already, 405. False, and nothing is sent, where there is no such file. */
bool http_file_serve(struct evhttp_request *request, const struct config_http_headers *config)
    __attribute__((warn_unused_result));

#endif
