/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_USER_TOTALS_H
#define LEVERET_RUNTIME_USER_TOTALS_H

#include "broker/vhost.h"

/* What every user who is connected has, by name, for the cores of all vhosts to count in. All
 * functions but new and free may be called by any thread. */
struct user_totals_table;

struct user_totals_table *user_totals_table_new(void);
/* With all totals that are still held: no session counts in them any more. */
void user_totals_table_free(struct user_totals_table *table);

/* Those of a user, held until they are released: once for each connection. */
struct user_totals *user_totals_hold(struct user_totals_table *table, const char *user);
void user_totals_release(struct user_totals_table *table, struct user_totals *totals);

#endif
