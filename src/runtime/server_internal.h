/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_INTERNAL_H
#define LEVERET_RUNTIME_SERVER_INTERNAL_H

/* What the files server*.c share. */

#include <pthread.h>
#include <stdint.h>

#include "net/settings.h"
#include "runtime/alarm.h"
#include "runtime/server.h"

struct server_vhost {
    struct server_vhost *next;
    char *name; /* owned */
    uint64_t id;
    struct gate *gate; /* owned */
    size_t references; /* the list's, and one per reactor that uses it */
    bool is_deleted;
};

struct server_listener {
    struct listener *listener; /* owned */
    const char *address;       /* borrowed from the configuration */
    bool is_tls;
};

struct server {
    const struct config *config; /* borrowed */
    uint64_t started_ms;
    uint64_t started_wall_ms;
    uint64_t alarms_checked_ms;
    struct alarm_limits alarm_limits;
    unsigned alarms;         /* enum vhost_alarm: those in effect */
    struct event_base *base; /* of the main thread */
    struct event *signals[3], *mail_event, *tick_event;
    struct mailbox mailbox; /* of the main thread */
    struct wake *wake;      /* owned */

    struct data_folder *folder;
    struct directory *directory;
    struct users *users; /* a reference: what the vhosts check by */
    struct users_current *current_users;
    struct auth_chain *auth_chain; /* owned */
    struct worker_pool *workers;   /* owned */

    pthread_mutex_t mutex; /* guards both lists; the main thread may read them without */
    struct server_vhost *vhosts;
    struct server_vhost *deleted_vhosts;

    struct net_settings settings;
    size_t reactor_count;
    struct mailbox *mailboxes; /* of the reactors */
    struct reactor **reactors;
    struct store_pool *pool;
    struct event_bus *events; /* owned, as the next */
    struct event_bus *log_lines;
    _Atomic uint64_t connections_accepted;

    struct tls_context *tls;
    struct server_listener *listeners; /* owned */
    size_t listener_count, listener_capacity;
    struct control *control;
};

/* Main thread. */
void server_reload(struct server *server);
void server_stop(struct server *server);
/* Looks for alarms now and tells the vhosts what changed. */
void server_check_alarms(struct server *server);
/* What the directory has to say of a vhost (enum directory_change) goes to its core. context is the
 * server. */
void server_vhost_changed(void *context, const char *vhost, unsigned changes);
/* Where the queues or exchanges of all vhosts together are limited: how many are elsewhere. */
void server_count_definitions(struct server *server);
/* What load_definitions names. False with a reason where it cannot be read or imported. */
bool server_load_definitions(struct server *server, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));
void server_add_definitions_commands(struct server *server);
/* list_queues, list_exchanges, list_bindings. */
void server_add_listing_commands(struct server *server);
/* Adds the commands of leveretctl that are about the server itself. */
void server_add_commands(struct server *server);

#endif
