/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_SHARDING_H
#define LEVERET_BROKER_SHARDING_H

#include "broker/channel.h"

/* So many queues an exchange may have by a policy; a policy may ask for more. */
enum { SHARDS_MAX = 4096 };

/* Makes and binds the queues that the policies in force ask of the exchange, and unbinds those that
 * they ask for no more. That may delete the exchange, where it is auto-delete and was sharded
 * before. */
void sharding_obey(struct vhost *vhost, struct exchange *exchange);
/* The exchange goes; its queues stay. */
void sharding_forget(struct vhost *vhost, struct exchange *exchange);

/* The policies are others now, than which those before sharded nothing or something. */
void sharding_expect(struct vhost *vhost);
/* A slice of what follows from that, of as many policy steps as are left; true where all is done.
 */
bool sharding_follow(struct vhost *vhost);

/* Runs the handler, with another queue where the method names a sharded exchange as one. */
enum outcome sharding_handle(struct channel *channel, channel_handler *handler,
                             const struct amqp_method *method, struct amqp_error *error);

#endif
