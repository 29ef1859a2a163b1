/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_ACCEPT_H
#define LEVERET_HTTP_HTTP_ACCEPT_H

#include <stdbool.h>

/* Does the value of a header "accept" let an answer be JSON? NULL: the client did not say. As
 * RabbitMQ, neither asks which of several the client likes best. */
bool http_accepts_json(const char *accept) __attribute__((warn_unused_result));

#endif
