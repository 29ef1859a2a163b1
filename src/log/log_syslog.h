/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_SYSLOG_H
#define LEVERET_LOG_LOG_SYSLOG_H

#include "base/buffer.h"
#include "log/log_format.h"
#include "log/log_outlet.h"

/* Messages for a syslog server over UDP, TCP or TLS, or for the one of this machine. A server that
 * cannot be reached does not matter now: it is tried again. NULL with a reason where what TLS needs
 * cannot be read. node_name is where the identity comes from if none is configured. */
struct log_outlet *log_syslog_new(const struct config_log_syslog *syslog, const char *node_name,
                                  unsigned categories, char *reason, size_t reason_size);

/* Who a message says that it is from. */
struct log_syslog_header {
    enum config_syslog_protocol protocol;
    int facility;
    const char *host; /* "": left out, as the machine's own syslog expects it */
    const char *identity;
    long pid;
};

/* Appends a message as RFC 3164 or RFC 5424 has it. */
void log_syslog_append(const struct log_syslog_header *header, struct log_format *format,
                       const struct log_entry *entry, struct buffer *message);

#endif
