/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_TLS_INTERNAL_H
#define LEVERET_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct config;

struct tls_stream {
    SSL *ssl;                    /* owned */
    const struct config *config; /* borrowed: outlives the stream */
    bool is_broken;              /* a call failed: OpenSSL allows none after it */
    char failure[160];
};

#endif
