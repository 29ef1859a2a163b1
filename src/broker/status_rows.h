/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_STATUS_ROWS_H
#define LEVERET_BROKER_STATUS_ROWS_H

#include <stddef.h>

#include "broker/vhost.h"

/*
 * Copies of what a vhost_visitor is shown, to be looked at when nobody waits for it any more. A row
 * and its texts are one piece of memory; policies are shared.
 */
struct status_rows {
    void **rows; /* owned, each owned */
    size_t count, capacity;
    size_t bytes;                       /* of all that were kept since the last clear */
    const struct status_row_kind *kind; /* of all rows; borrowed */
};

/* Visitors that keep what they are shown; rows is to outlive the visit. */
struct vhost_visitor status_rows_of_queues(struct status_rows *rows);
struct vhost_visitor status_rows_of_exchanges(struct status_rows *rows);
struct vhost_visitor status_rows_of_bindings(struct status_rows *rows);
struct vhost_visitor status_rows_of_sessions(struct status_rows *rows);
struct vhost_visitor status_rows_of_channels(struct status_rows *rows);
struct vhost_visitor status_rows_of_consumers(struct status_rows *rows);

/* The same for rows that others make: what they are made of. */
struct status_row_kind {
    size_t size;
    size_t text_count;
    const size_t *texts;       /* where in the row each struct bytes is */
    void (*share)(void *row);  /* takes references to what is not copied, or NULL; */
    void (*let_go)(void *row); /* lets go of them */
};
void status_rows_keep(struct status_rows *rows, const struct status_row_kind *kind,
                      const void *row);

/* Frees all rows, and the array with fini. */
void status_rows_clear(struct status_rows *rows);
void status_rows_fini(struct status_rows *rows);

#endif
