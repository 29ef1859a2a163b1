/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_JOURNAL_H
#define LEVERET_LOG_LOG_JOURNAL_H

#include "log/log_outlet.h"

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Messages for systemd's journal at this socket. NULL with errno where there is none. */
struct log_outlet *log_journal_new(const struct config_log_journald *journald, const char *socket,
                                   unsigned categories);

#endif
