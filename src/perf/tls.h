/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_TLS_H
#define LEVERET_PERF_TLS_H

#include "perf/options.h"

#include <sys/types.h>

struct ssl_st;

/* The client's side of TLS on the socket, which stays the caller's. The handshake is part of the
 * first writes and reads; it ends the process when the broker's certificate is not good. The first
 * call is made before there are threads. */
struct ssl_st *tls_new(const struct options *options, int fd);
void tls_free(struct ssl_st *tls);

/* As send() and recv() answer: -1 with EAGAIN in errno where the socket has to be waited for. A
 * write that was not whole met a full socket; a read brings one record at most. */
ssize_t tls_write(struct ssl_st *tls, const void *data, size_t bytes);
ssize_t tls_read(struct ssl_st *tls, void *data, size_t bytes);

/* The protocol's version of the last connection that was freed, "TLSv1.3", or NULL. */
const char *tls_version(void);

#endif
