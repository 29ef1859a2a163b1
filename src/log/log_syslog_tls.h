/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_SYSLOG_TLS_H
#define LEVERET_LOG_LOG_SYSLOG_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "config/config_log.h"

/* TLS towards a syslog server; blocks for as long as the socket's own timeouts say. */
struct log_syslog_tls;

/* NULL with a reason where a file cannot be read. */
struct log_syslog_tls *log_syslog_tls_new(const struct config_log_syslog *config, char *reason,
                                          size_t reason_size);
/* By the thread that used it, and has nothing more to do with OpenSSL. */
void log_syslog_tls_free(struct log_syslog_tls *tls);

/* The handshake, and whether the certificate is that of the host (a name or an address). */
bool log_syslog_tls_begin(struct log_syslog_tls *tls, int fd, const char *host)
    __attribute__((warn_unused_result));
/* As write. */
ssize_t log_syslog_tls_write(struct log_syslog_tls *tls, struct bytes bytes);
/* Has the server ended the connection? */
bool log_syslog_tls_is_closed(struct log_syslog_tls *tls);
void log_syslog_tls_end(struct log_syslog_tls *tls);

#endif
