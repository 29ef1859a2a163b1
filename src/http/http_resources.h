/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_RESOURCES_H
#define LEVERET_HTTP_HTTP_RESOURCES_H

#include <jansson.h>

#include "base/bytes.h"
#include "http/http_route.h"

struct binding_status;
struct buffer;
struct consumer_status;
struct directory_error;
struct http_job;
struct http_context;

/* The routes of each resource, ended by one without a pattern: a file per resource. */
extern const struct http_route http_binding_routes[];
extern const struct http_route http_channel_routes[];
extern const struct http_route http_connection_routes[];
extern const struct http_route http_consumer_routes[];
extern const struct http_route http_definition_routes[];
extern const struct http_route http_exchange_routes[];
extern const struct http_route http_feature_flag_routes[];
extern const struct http_route http_health_routes[];
extern const struct http_route http_limit_routes[];
extern const struct http_route http_login_routes[];
extern const struct http_route http_node_routes[];
extern const struct http_route http_overview_routes[];
extern const struct http_route http_parameter_routes[];
extern const struct http_route http_permission_routes[];
extern const struct http_route http_policy_routes[];
extern const struct http_route http_queue_list_routes[];
extern const struct http_route http_quorum_routes[];
extern const struct http_route http_queue_routes[];
extern const struct http_route http_user_routes[];
extern const struct http_route http_vhost_routes[];
extern const struct http_route http_whoami_routes[];

/* What changes the objects of a vhost, for the rows of the tables. */
http_handler http_put_queue, http_delete_queue, http_purge_queue, http_act_on_queue,
    http_get_messages, http_move_messages;
http_handler http_put_exchange, http_delete_exchange, http_publish;
http_handler http_test_aliveness;
http_handler http_close_connection, http_close_connections_of;
http_handler http_bind_queue, http_bind_exchange, http_unbind_queue, http_unbind_exchange;

/* The types of exchanges, and the listeners for HTTP, as overview and nodes have them. */
json_t *http_exchange_types(void);
json_t *http_contexts(const struct http_context *context);

/* The name that was set over HTTP, or the configuration's; a new text. */
json_t *http_cluster_name(const struct http_context *context);
/* Answers with what the directory said. */
void http_refuse(struct http_call *call, const struct directory_error *error);

/* The same in the form that RabbitMQ has for policies and parameters, text for a web page. */
void http_refuse_escaped(struct http_call *call, const struct directory_error *error);
/* Is the user an administrator, or a policymaker who may enter the path's vhost? False, answered,
 * where not. */
bool http_need_policymaker(const struct http_context *context, struct http_call *call);

/* Does the user monitor? False, answered, where not. */
bool http_need_monitor(struct http_call *call);
/* Is the path's node this one? */
bool http_need_node_in_path(const struct http_context *context, struct http_call *call);
/* Both. */
bool http_need_monitored_node(const struct http_context *context, struct http_call *call);

/* The one of these objects whose "name" that is, the caller's, or NULL; the list is given up. */
json_t *http_find_named(json_t *rows, const char *name);

/* An object of a consumer, for lists of several kinds. */
json_t *http_consumer_json(const struct http_job *job, const char *vhost,
                           const struct consumer_status *status);
/* {name, peer_host, peer_port} of a connection's name, "peer:port -> own:port". */
json_t *http_connection_details(struct bytes name);
void http_append_channel_name(struct buffer *text, struct bytes connection, uint16_t number);

/* For the path of one queue. */
http_handler http_get_queue;
/* An exchange's name in a path: amq.default, or an empty one, is the default one. The text ends
 * with a NUL. */
struct bytes http_exchange_name(const char *segment);
/* What names a binding among those between the same two, in RabbitMQ's form. */
void http_binding_append_properties_key(struct buffer *text, const struct binding_status *status);
bool http_binding_has_properties_key(const struct binding_status *status, const char *key);
/* In a job: the path's binding, by its "source", "destination" and "props". Its routing key and its
 * arguments are appended; false where there is none. */
bool http_binding_find(const struct http_job *job, bool to_queue, struct buffer *key,
                       struct buffer *arguments);

#endif
