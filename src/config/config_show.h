/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_SHOW_H
#define LEVERET_CONFIG_CONFIG_SHOW_H

struct buffer;
struct config;

/* What stands in place of a password, and of the login in an address. */
#define CONFIG_SHOWN_SECRET "********"

/* Appends the value of a key, or of a variable, of this name as it may be told. */
void config_append_shown(struct buffer *text, const char *name, const char *value);

/* Calls visit with every key that has an effect, and its value in force, defaults included, in the
 * order of the table of keys; texts that are empty are left out. Both texts are borrowed for the
 * call. */
void config_show(const struct config *config,
                 void (*visit)(void *context, const char *key, const char *value), void *context);

#endif
