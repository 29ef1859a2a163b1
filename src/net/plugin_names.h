/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_PLUGIN_NAMES_H
#define LEVERET_NET_PLUGIN_NAMES_H

struct json_t;

/* What RabbitMQ needs plug-ins for and the server always has: an array of their names, in order;
 * the caller's. */
struct json_t *plugin_names(void);

#endif
