/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_LIST_H
#define LEVERET_CONFIG_CONFIG_LIST_H

#include "config/config.h"

/* The lists that `prefix.NAME = value` lines build up. */

void config_list_fini(struct config_list *list);

/* Adds a default: the first config_list_put or config_list_remove drops all of them. */
void config_list_add_default(struct config_list *list, const char *name, const char *value);

/* Sets the value of name, in the order described in config.h. */
void config_list_put(struct config_list *list, const char *name, const char *value);

/* Removes name if it is there. */
void config_list_remove(struct config_list *list, const char *name);

void config_listeners_fini(struct config_listeners *listeners);

/* Sets where name listens; takes address over. No effect after config_listeners_set_none. */
void config_listeners_put(struct config_listeners *listeners, const char *name, char *address,
                          uint16_t port);
void config_listeners_add_default(struct config_listeners *listeners, uint16_t port);

/* Removes all, those that come later too. */
void config_listeners_set_none(struct config_listeners *listeners);

/* Removes all; those that come later count again. */
void config_listeners_clear(struct config_listeners *listeners);

#endif
