/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_INTERNAL_H
#define LEVERET_CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

/* What the files of this folder share. */

/* Adds one message. source may be NULL, line 0: then they are left out. */
void config_report(struct config_messages *messages, enum config_message_level level,
                   const char *source, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Remembers that key has this value, to be applied by config_apply_pending. A key that was already
 * set is overwritten. False if it is not a key at all, with a message. */
bool config_record(struct config *config, const char *key, const char *value, const char *source,
                   int line, struct config_messages *messages);

/* Applies what config_record remembered, in the order in which the keys were last set. */
bool config_apply_pending(struct config *config, struct config_messages *messages);

/* The last setting of this key; NULL if it was never set. */
const struct config_setting *config_setting_of(const struct config *config, const char *key);

/* The value of name in envp (which may be NULL); NULL if it is not set or empty. */
const char *config_environment_value(const char *const *envp, const char *name);

#endif
