/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_LISTING_H
#define LEVERET_RUNTIME_SERVER_LISTING_H

#include "broker/vhost.h"

struct gate;

/* Visits all of one kind in slices: see vhost_list. Not from a reactor. */
void server_list(struct gate *gate, const struct vhost_visitor *visitor);

#endif
