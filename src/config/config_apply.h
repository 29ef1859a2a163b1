/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_APPLY_H
#define LEVERET_CONFIG_CONFIG_APPLY_H

#include "config/config_key.h"

/* The kinds of values: each reads the value of an assignment, checks it by the row of its key and
 * puts it into struct config. A refusal has its reason in the assignment. */

enum { FRAME_MAX_MIN = 4096 };

/* Numbers, within the range of the row and of the field. */
enum config_outcome apply_count(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_limit(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_auto_count(const struct config_key *key,
                                     struct config_assignment *assignment);
enum config_outcome apply_size(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_frame_size(const struct config_key *key,
                                     struct config_assignment *assignment);
enum config_outcome apply_ratio(const struct config_key *key, struct config_assignment *assignment);

/* Words and texts. */
enum config_outcome apply_bool(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_text(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_name(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_checked(const struct config_key *key,
                                  struct config_assignment *assignment);
enum config_outcome apply_log_count(const struct config_key *key,
                                    struct config_assignment *assignment);
enum config_outcome apply_log_compress(const struct config_key *key,
                                       struct config_assignment *assignment);
enum config_outcome apply_file_or_false(const struct config_key *key,
                                        struct config_assignment *assignment);
enum config_outcome apply_choice(const struct config_key *key,
                                 struct config_assignment *assignment);
enum config_outcome apply_or_none(const struct config_key *key,
                                  struct config_assignment *assignment);

/* Lists, whose entries have the name in the key. */
enum config_outcome apply_retention(const struct config_key *key,
                                    struct config_assignment *assignment);
enum config_outcome apply_rates_mode(const struct config_key *key,
                                     struct config_assignment *assignment);
enum config_outcome apply_entry(const struct config_key *key, struct config_assignment *assignment);
enum config_outcome apply_choice_entry(const struct config_key *key,
                                       struct config_assignment *assignment);
enum config_outcome apply_member(const struct config_key *key,
                                 struct config_assignment *assignment);
enum config_outcome apply_backend(const struct config_key *key,
                                  struct config_assignment *assignment);
enum config_outcome apply_backend_entry(const struct config_key *key,
                                        struct config_assignment *assignment);
enum config_outcome apply_loopback_user(const struct config_key *key,
                                        struct config_assignment *assignment);
enum config_outcome apply_no_loopback_users(const struct config_key *key,
                                            struct config_assignment *assignment);
enum config_outcome apply_no_listeners(const struct config_key *key,
                                       struct config_assignment *assignment);
enum config_outcome apply_management_port(const struct config_key *key,
                                          struct config_assignment *assignment);
enum config_outcome apply_address(const struct config_key *key,
                                  struct config_assignment *assignment);
enum config_outcome apply_listener(const struct config_key *key,
                                   struct config_assignment *assignment);

/* What new virtual hosts begin with, kept by the whole key. */
enum config_outcome apply_vhost_default(const struct config_key *key,
                                        struct config_assignment *assignment);
enum config_outcome apply_vhost_count(const struct config_key *key,
                                      struct config_assignment *assignment);
enum config_outcome apply_vhost_size(const struct config_key *key,
                                     struct config_assignment *assignment);
enum config_outcome apply_vhost_duration(const struct config_key *key,
                                         struct config_assignment *assignment);

/* Values that change nothing here, or cannot be had. */
enum config_outcome apply_nothing(const struct config_key *key,
                                  struct config_assignment *assignment);
enum config_outcome apply_only_none(const struct config_key *key,
                                    struct config_assignment *assignment);
enum config_outcome apply_only_words(const struct config_key *key,
                                     struct config_assignment *assignment);
enum config_outcome apply_not_yet(const struct config_key *key,
                                  struct config_assignment *assignment);
enum config_outcome apply_refusal(const struct config_key *key,
                                  struct config_assignment *assignment);

#endif
