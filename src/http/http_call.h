/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_CALL_H
#define LEVERET_HTTP_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "http/http_route.h"

struct config;
struct control_work;
struct directory;
struct directory_error;
struct gate;
struct json_t;
struct login_counts;
struct status_rows;
struct vhost;
struct statistics;
struct vhost_counters;

/* What the node uses and may use; bytes, counts, and ms. */
struct http_node_facts {
    uint64_t mem_used, mem_limit;
    uint64_t disk_free, disk_free_limit;
    uint64_t fd_used, fd_total;
    uint64_t sockets_used; /* connections */
    uint64_t channels;
    uint64_t threads;
    uint64_t processors; /* of the machine */
    uint64_t uptime_ms;
    uint64_t context_switches;
    uint64_t io_read_count, io_read_bytes, io_write_count, io_write_bytes;
};

/* What a listener with TLS shows to its clients. Times are Unix time in seconds. */
struct http_certificate {
    const char *protocol, *address;
    uint16_t port;
    const char *certfile;
    const char *cacertfile; /* NULL: there is none */
    int64_t certificate_end_s, authority_end_s;
};

/* What the server says about itself, on the directory's thread. */
struct http_host {
    unsigned (*alarms)(void *context); /* the sum of enum vhost_alarm */
    /* protocol as RabbitMQ's listeners have it: amqp, amqp/ssl, http, https. */
    void (*each_listener)(void *context,
                          void (*visit)(void *visitor, const char *protocol, const char *address,
                                        uint16_t port),
                          void *visitor);
    void (*each_certificate)(void *context,
                             void (*visit)(void *visitor,
                                           const struct http_certificate *certificate),
                             void *visitor);
    int64_t (*unix_time_s)(void *context);
    bool (*has_vhost)(void *context, const char *vhost); /* it runs */
    bool (*has_queue)(void *context, const char *vhost, const char *queue);
    bool (*has_exchange)(void *context, const char *vhost, const char *exchange);
    const struct http_session_host *sessions;
    /* Definitions, of a vhost alone or (NULL) of all; what is made is the user's doing. done is
     * called on the directory's thread; the first one's gets a new object, the other's what is
     * wrong, or NULL. definitions, vhost and user are borrowed until then. */
    void (*export_definitions)(void *context, const char *vhost,
                               void (*done)(void *done_context, struct json_t *definitions),
                               void *done_context);
    void (*import_definitions)(
        void *context, struct json_t *definitions, const char *vhost, const char *user,
        void (*done)(void *done_context, const struct directory_error *error), void *done_context);
    /* For http_job.c. The work is run on another thread, then done on the directory's. */
    void (*submit)(void *context, struct control_work *work);
    /* A reference to a vhost that runs, or NULL. Any thread, and so are the next ones. */
    struct gate *(*take_vhost)(void *context, const char *vhost);
    void (*release_vhost)(void *context, struct gate *vhost);
    /* Not on the directory's thread: has the function run with the core in hand, and waits. */
    void (*ask)(void *context, struct gate *vhost,
                void (*function)(struct vhost *vhost, uint64_t now_ms, void *context),
                void *function_context);
    /* Likewise: copies of struct http_peer, of all connections that are in a vhost. */
    void (*list_peers)(void *context, struct status_rows *peers);
    /* Every key of the configuration that has an effect, and its value in force. */
    void (*each_setting)(void *context,
                         void (*visit)(void *visitor, const char *key, const char *value),
                         void *visitor);
    bool (*is_ending)(void *context);
    void (*node)(void *context, struct http_node_facts *facts);
    /* Of a vhost (NULL: of all there were), as of the last sampling; false: it is in none yet. */
    bool (*counters)(void *context, const char *vhost, struct vhost_counters *counters);
};

/* What handlers work with. They run on the directory's thread. */
struct http_context {
    struct directory *directory;
    const struct config *config;
    const struct http_host *host;
    void *host_context;
    struct statistics *statistics; /* any thread may read them */
    struct login_counts *logins;
};

/*
 * A request that waits for its answer, as a handler sees it: the user is known and has the right
 * that the route wants, and the body is a JSON object (an empty one where there was no body).
 */
struct http_call;

/* The path's parameter of that name, which the route's pattern has. */
const char *http_call_parameter(const struct http_call *call, const char *name);
const struct json_t *http_call_body(const struct http_call *call);
/* What the query says of that name; NULL where it does not. */
const char *http_call_query(const struct http_call *call, const char *name);
/* Does the query say that? */
bool http_call_says(const struct http_call *call, const char *name, const char *value);
/* Why the client does it, by its header X-Reason; NULL where it does not say. */
const char *http_call_excuse(const struct http_call *call);
const char *http_call_user(const struct http_call *call);
/* The name and the password with which it has logged in, a colon between; borrowed. */
struct bytes http_call_credentials(const struct http_call *call);
/* The user's tags; NULL behind the last one. */
const char *http_call_tag(const struct http_call *call, size_t number);
bool http_call_has_tag(const struct http_call *call, const char *tag);
/* May the user have this vhost to do with? For routes that go by that (lists_vhosts). */
bool http_call_may_enter(const struct http_call *call, const char *vhost);
/* May the user see it? Who monitors sees all. */
bool http_call_sees_vhost(const struct http_call *call, const char *vhost);

/* May the user see what this one does? Its own, and who monitors sees all. */
bool http_call_sees_user(const struct http_call *call, struct bytes user);

/* --- answers: each is the call's one; json is taken over */

/* 200 with an object, of which the client may want some columns only. */
void http_reply(struct http_call *call, struct json_t *json);
/* 200 with an array of objects, which is sorted by the client's or, where it names none, by
 * the given key (NULL: stays as it is), and may be reduced to columns. */
void http_reply_list(struct http_call *call, struct json_t *json, const char *sort);
/* The same for what may be asked for in pages. */
void http_reply_pages(struct http_call *call, struct json_t *json, const char *sort);
/* 200 with a plain text, which is taken over. */
void http_reply_text(struct http_call *call, struct buffer *text);
/* 202: it will be done. */
void http_reply_accepted(struct http_call *call);
/* 201 or 204. */
void http_reply_put(struct http_call *call, bool is_new);
void http_reply_done(struct http_call *call);
/* 204, or 303 where the client wants to see a page next (takes_file). */
void http_reply_taken(struct http_call *call);
/* The answer, whichever it will be, is a file of that name. */
void http_call_attach(struct http_call *call, const char *name);
/* 201 with the header Location. */
void http_reply_created(struct http_call *call, const char *location);

/* 503, "service_unavailable" with a reason. */
void http_unavailable(struct http_call *call, const char *reason);
/* 503 with an object. */
void http_reply_failed(struct http_call *call, struct json_t *json);

void http_not_found(struct http_call *call);
/* 404, "not_found" with a reason. */
void http_not_there(struct http_call *call, const char *reason);
/* 400, "bad_request" with a text or any value as the reason. */
void http_bad_request(struct http_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void http_bad_request_json(struct http_call *call, struct json_t *reason);
/* 401, which the right login would not be. */
void http_not_authorised(struct http_call *call, const char *reason);
/* 412: something would have to be changed first. */
void http_precondition_failed(struct http_call *call, const char *reason);
/* 405, by the configuration. */
void http_not_allowed(struct http_call *call, const char *reason);
/* 500: something of the server's own failed. */
void http_broken(struct http_call *call, const char *reason);

/* Is the path's parameter "vhost" one? False, answered in the two ways that RabbitMQ has for
 * reading and for changing, where it is not; the first one also where the user must not see it. */
bool http_need_visible_vhost(const struct http_context *context, struct http_call *call);
bool http_need_vhost(const struct http_context *context, struct http_call *call);
/* Are these keys in the body? False where one is missing, which was answered. */
bool http_need_keys(struct http_call *call, const char *const *keys, size_t count);
/* The texts under these keys; false, answered, where a key is missing or is no text. */
bool http_need_texts(struct http_call *call, const char *const *keys, const char **texts,
                     size_t count);

#endif
