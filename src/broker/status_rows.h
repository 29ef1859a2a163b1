/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_STATUS_ROWS_H
#define LEVERET_BROKER_STATUS_ROWS_H

#include <stddef.h>

#include "broker/vhost.h"

/*
 * Copies of what a vhost_visitor is shown, to be looked at when nobody waits for it any more. Texts
 * are copied, policies are shared.
 */
struct status_rows {
    struct status_block *blocks; /* owned: where the rows are */
    void **rows;                 /* owned */
    size_t count, capacity;
    size_t bytes;                       /* of all that were kept since the last clear */
    const struct status_row_kind *kind; /* of all rows; borrowed */
};

/* Makes room for so many more, about, which who keeps them then needs no memory for: to be called
 * before somebody else is asked. */
void status_rows_reserve(struct status_rows *rows, size_t count);

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
/* One alone: a piece of memory, for free(). The kind has nothing to share. */
void *status_row_copy(const struct status_row_kind *kind, const void *row);

/* Frees all rows; with fini also the room for others. */
void status_rows_clear(struct status_rows *rows);
void status_rows_fini(struct status_rows *rows);

#endif
