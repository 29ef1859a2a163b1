/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_HTTP_SESSIONS_H
#define LEVERET_RUNTIME_HTTP_SESSIONS_H

#include "http/http_session.h"

struct auth_identity;
struct server;

/* The sessions in which clients of HTTP act; see http_sessions.c. Main thread. */
struct http_sessions;

struct http_sessions *http_sessions_new(struct server *server);
/* No reactor is there any more, and no worker. Whoever still has a session is told, and no vhost is
 * held any more. */
void http_sessions_end(struct http_sessions *sessions);
/* No vhost works any more. */
void http_sessions_free(struct http_sessions *sessions);

struct http_session_user {
    const char *name;
    struct auth_identity *identity; /* borrowed; NULL: the users of this server tell */
    bool can_impersonate;
    bool may_everything; /* the server's own operator: nobody is asked for a permission */
};

struct http_session *http_sessions_open(struct http_sessions *sessions,
                                        const struct http_session_user *user, const char *vhost,
                                        bool is_uncounted, const struct http_session_events *events,
                                        void *context);
void http_session_send(struct http_session *session, const struct amqp_method *method);
void http_session_publish(struct http_session *session, struct message *message);
void http_session_move(struct http_session *session, const char *source, const char *destination,
                       uint64_t count);
void http_session_close(struct http_session *session);

#endif
