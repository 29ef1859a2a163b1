/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of HTTP act on vhosts through sessions of the core, like those of AMQP: the main thread
 * is one more reader of effects, behind the reactors, with a mailbox of its own. It is a guest at
 * the gates: it leaves its batches there and never holds a gate while there are reactors.
 *
 * A session lasts for one request. Its owner may let go of it at any time; it is freed when the
 * core has done with it, which is told by the last effect. Until then it holds a reference to its
 * vhost.
 *
 * RabbitMQ publishes for HTTP even while an alarm is in effect. Here a publish would wait in the
 * core, and its client for as long; so a session that is told that it is blocked ends with that as
 * its error, and nothing was published.
 */
#include "runtime/http_sessions.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "auth/identity.h"
#include "auth/users.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "broker/vhost.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"
#include "runtime/user_totals.h"
#include "runtime/worker_pool.h"

enum { CHANNEL = 1, CHANNEL_MAX = 1 };

/* Deliveries are charged, but none of these sessions consumes. */
static const uint64_t output_bytes = INT64_MAX;

struct http_sessions {
    struct server *server;
    size_t guest; /* the number of its mailbox */
    struct event *mail_event;
    struct list sessions; /* of struct http_session */
    uint64_t last_number;
    bool has_ended;
};

struct http_session {
    struct list_node in_sessions;
    struct http_sessions *owner;
    uint64_t number; /* what the core calls it by */
    struct session *session;
    struct gate *gate;                        /* a reference */
    struct auth_identity *identity;           /* ref, or NULL */
    struct user_totals *totals;               /* held, or NULL */
    const struct http_session_events *events; /* NULL: nobody wants to know any more */
    void *context;
    struct list questions; /* of struct question */
    bool may_everything;
    bool is_ending; /* COMMAND_SESSION_CLOSE was sent */
};

/* A permission that a back end is asked for. */
struct question {
    struct work work;
    struct task task;
    struct list_node in_questions; /* not linked: its session is gone */
    struct http_session *session;
    struct users *users;              /* ref */
    struct auth_identity *identity;   /* ref */
    struct access_question *question; /* owned */
    struct buffer vhost;
    struct mailbox *mailbox;
    bool is_allowed;
    char reason[AUTH_REASON_SIZE];
};

static struct mailbox *mailbox_of(const struct http_sessions *sessions)
{
    return &sessions->server->mailboxes[sessions->guest];
}

/* --- what goes to the core */

static struct command *add_command(struct command_batch *batch, const struct http_session *session,
                                   enum command_kind kind, uint16_t channel)
{
    struct command *command = command_batch_add(batch);
    *command =
        (struct command){.kind = (uint8_t)kind, .channel = channel, .session = session->session};
    return command;
}

static void leave(const struct http_session *session, struct command_batch *batch)
{
    gate_leave(session->gate, batch, session->owner->guest);
}

static void add_method(struct command_batch *batch, const struct http_session *session,
                       const struct amqp_method *method)
{
    struct amqp_error error;
    struct buffer payload = {0};
    amqp_method_encode(&payload, method);
    struct command *command = add_command(batch, session, COMMAND_METHOD, CHANNEL);
    command->method = command_method_decode(buffer_bytes(&payload), AMQP_TABLE_DEPTH_MAX, &error);
    CHECK(command->method != NULL);
    buffer_fini(&payload);
}

static void end_session(struct http_session *session)
{
    if (session->is_ending)
        return;
    struct command_batch *batch = command_batch_new();
    session->is_ending = true;
    add_command(batch, session, COMMAND_SESSION_CLOSE, 0);
    leave(session, batch);
}

void http_session_send(struct http_session *session, const struct amqp_method *method)
{
    struct command_batch *batch = command_batch_new();
    add_method(batch, session, method);
    leave(session, batch);
}

void http_session_publish(struct http_session *session, struct message *message)
{
    struct command_batch *batch = command_batch_new();
    struct command *command = add_command(batch, session, COMMAND_PUBLISH, CHANNEL);
    command->message = message;
    command->mandatory = true;
    leave(session, batch);
}

void http_session_move(struct http_session *session, const char *source, const char *destination,
                       uint64_t count)
{
    struct command_batch *batch = command_batch_new();
    struct command *command = add_command(batch, session, COMMAND_MOVE, CHANNEL);
    command->move = command_move_new(bytes_of_text(source), bytes_of_text(destination), count);
    leave(session, batch);
}

void http_session_close(struct http_session *session)
{
    session->events = NULL;
    end_session(session);
}

/* --- opening and freeing */

struct http_session *http_sessions_open(struct http_sessions *sessions,
                                        const struct http_session_user *user, const char *vhost,
                                        bool is_uncounted, const struct http_session_events *events,
                                        void *context)
{
    static const struct amqp_method open = {.id = AMQP_CHANNEL_OPEN};
    struct server *server = sessions->server;
    struct gate *gate = sessions->has_ended ? NULL : server_find_gate(server, bytes_of_text(vhost));
    if (gate == NULL)
        return NULL;
    struct http_session *session = xcalloc(1, sizeof *session);
    list_push_back(&sessions->sessions, &session->in_sessions);
    list_init(&session->questions);
    session->owner = sessions;
    session->number = ++sessions->last_number;
    session->gate = gate;
    session->events = events;
    session->context = context;
    bool asks = user->identity != NULL && !auth_identity_is_internal(user->identity);
    session->may_everything = user->may_everything;
    session->identity = asks ? auth_identity_ref(user->identity) : NULL;
    session->totals = user_totals_hold(server->user_totals, user->name);
    const struct session_config config = {
        .reactor = sessions->guest,
        .connection = session->number,
        .user = user->name,
        .name = "HTTP",
        .number = server_number_connection(server),
        .channel_max = CHANNEL_MAX,
        .output_bytes = output_bytes,
        .has_blocked_notify = true,
        .can_impersonate = user->can_impersonate,
        .is_uncounted = is_uncounted,
        .user_totals = session->totals,
        .asks_access = asks || user->may_everything,
        .ignores_drain = true,
        .ignores_owners = user->may_everything,
    };
    session->session = session_new(&config);
    struct command_batch *batch = command_batch_new();
    add_command(batch, session, COMMAND_SESSION_OPEN, 0);
    add_method(batch, session, &open);
    leave(session, batch);
    return session;
}

static void free_question(struct question *question)
{
    list_remove(&question->in_questions);
    users_unref(question->users);
    auth_identity_unref(question->identity);
    buffer_fini(&question->vhost);
    free(question->question);
    free(question);
}

static void free_session(struct http_session *session)
{
    struct server *server = session->owner->server;
    list_for_each(&session->questions, node)
    {
        struct question *question = list_entry(node, struct question, in_questions);
        list_remove(&question->in_questions);
        if (worker_pool_cancel(server->workers, &question->work))
            free_question(question);
    }
    list_remove(&session->in_sessions);
    auth_identity_unref(session->identity);
    user_totals_release(server->user_totals, session->totals);
    server_release_gate(server, session->gate);
    free(session);
}

/* --- permissions that are asked for outside */

static void answer(const struct http_session *session, const struct access_question *question,
                   bool is_allowed, const char *reason)
{
    struct command_batch *batch = command_batch_new();
    struct command *command = command_batch_add(batch);
    *command = (struct command){.kind = COMMAND_ACCESS_ANSWER,
                                .answer = access_answer_new(question->number, is_allowed, reason)};
    command->answer->valid_ms = UINT64_MAX; /* it ends with the request */
    leave(session, batch);
}

static void finish_asking(struct task *task)
{
    struct question *question = container_of(task, struct question, task);
    if (list_node_is_linked(&question->in_questions))
        answer(question->session, question->question, question->is_allowed, question->reason);
    free_question(question);
}

/* On a worker. */
static void work_on_asking(struct work *work)
{
    struct question *question = container_of(work, struct question, work);
    struct access_subject what = access_question_subject(question->question);
    question->is_allowed =
        auth_identity_allows(question->identity, question->users, buffer_bytes(&question->vhost),
                             &what, question->reason);
    question->task.run = finish_asking;
    mailbox_post_task(question->mailbox, &question->task);
}

/* The pool refuses only when the server ends. */
static void ask(struct http_session *session, struct effect *effect)
{
    struct server *server = session->owner->server;
    struct question *question = xcalloc(1, sizeof *question);
    const char *vhost = gate_name(session->gate);
    CHECK(session->identity != NULL);
    question->session = session;
    question->users = server_users(server);
    question->identity = auth_identity_ref(session->identity);
    question->question = effect->question;
    question->mailbox = mailbox_of(session->owner);
    effect->question = NULL;
    buffer_append(&question->vhost, vhost, strlen(vhost));
    list_push_back(&session->questions, &question->in_questions);
    question->work = (struct work){.rank = WORK_FOR_USERS, .run = work_on_asking};
    if (!worker_pool_submit(server->workers, &question->work))
        free_question(question);
}

/* --- what comes from the core */

static void tell_error(struct http_session *session, const struct amqp_error *error)
{
    const struct http_session_events *events = session->events;
    session->events = NULL;
    if (events != NULL)
        events->on_error(session->context, error);
}

/* The error of a channel.close or connection.close, whose fields are the same. */
static void fail(struct http_session *session, uint16_t code, struct bytes text)
{
    struct amqp_error error = {.code = code};
    size_t size = text.size < sizeof error.text - 1 ? text.size : sizeof error.text - 1;
    memcpy(error.text, text.data, size);
    end_session(session);
    tell_error(session, &error);
}

static void on_blocked(struct http_session *session, struct bytes reason)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_RESOURCE_ERROR, "publishers are blocked: %.*s", (int)reason.size,
                   (const char *)reason.data);
    fail(session, error.code, bytes_of_text(error.text));
}

static void on_method(struct http_session *session, const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    CHECK(
        amqp_method_decode(&method, bytes_of(effect->method->data, effect->method->size), &error));
    if (method.id == AMQP_CHANNEL_CLOSE)
        fail(session, method.channel_close.reply_code, method.channel_close.reply_text);
    else if (method.id == AMQP_CONNECTION_CLOSE)
        fail(session, method.connection_close.reply_code, method.connection_close.reply_text);
    else if (method.id == AMQP_CONNECTION_BLOCKED)
        on_blocked(session, method.connection_blocked.reason);
    else if (effect->channel == CHANNEL && method.id != AMQP_CHANNEL_OPEN_OK &&
             session->events != NULL)
        session->events->on_method(session->context, &method, effect->message);
}

static void on_settled(const struct http_session *session, bool is_confirmed)
{
    if (session->events != NULL)
        session->events->on_settled(session->context, is_confirmed);
}

static void on_effect(struct http_session *session, struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_METHOD:
    case EFFECT_CHANNEL_ERROR:
    case EFFECT_CONNECTION_CLOSE:
        on_method(session, effect);
        break;
    case EFFECT_ACK:
    case EFFECT_NACK:
        on_settled(session, effect->kind == EFFECT_ACK);
        break;
    case EFFECT_ACCESS_QUESTION:
        if (session->may_everything)
            answer(session, effect->question, true, "");
        else
            ask(session, effect);
        break;
    case EFFECT_SESSION_CLOSED:
        free_session(session);
        break;
    default:
        break;
    }
}

static struct http_session *find_session(const struct http_sessions *sessions, uint64_t number)
{
    list_for_each(&sessions->sessions, node)
    {
        struct http_session *session = list_entry(node, struct http_session, in_sessions);
        if (session->number == number)
            return session;
    }
    return NULL;
}

static void carry_out(struct http_sessions *sessions, struct effect *effect)
{
    struct http_session *session = find_session(sessions, effect->connection);
    if (session != NULL)
        on_effect(session, effect);
    effect_release(effect);
}

static void take_mail(struct http_sessions *sessions)
{
    struct mail mail = mailbox_take(mailbox_of(sessions));
    while (mail.effects.first != NULL) {
        struct effect_chunk *chunk = mail.effects.first;
        mail.effects.first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            carry_out(sessions, &chunk->effects[i]);
        effect_chunk_free(chunk);
    }
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
    }
}

static void on_mail(evutil_socket_t fd, short what, void *context)
{
    struct http_sessions *sessions = context;
    (void)fd, (void)what;
    mailbox_clear_event(mailbox_of(sessions));
    do {
        take_mail(sessions);
    } while (!mailbox_fall_asleep(mailbox_of(sessions)));
}

/* --- all of them */

struct http_sessions *http_sessions_new(struct server *server)
{
    struct http_sessions *sessions = xcalloc(1, sizeof *sessions);
    sessions->server = server;
    sessions->guest = server->reactor_count;
    list_init(&sessions->sessions);
    mailbox_init(mailbox_of(sessions));
    sessions->mail_event = event_new(server->base, mailbox_of(sessions)->event_fd,
                                     EV_READ | EV_PERSIST, on_mail, sessions);
    CHECK(sessions->mail_event != NULL && event_add(sessions->mail_event, NULL) == 0);
    CHECK(mailbox_fall_asleep(mailbox_of(sessions)));
    return sessions;
}

/* The core frees its own half with the vhost. */
void http_sessions_end(struct http_sessions *sessions)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_CONNECTION_FORCED,
                   "broker forced connection closure with reason 'shutdown'");
    take_mail(sessions);
    sessions->has_ended = true;
    list_for_each(&sessions->sessions, node)
    {
        struct http_session *session = list_entry(node, struct http_session, in_sessions);
        session->is_ending = true;
        tell_error(session, &error);
        free_session(session);
    }
}

void http_sessions_free(struct http_sessions *sessions)
{
    event_free(sessions->mail_event);
    mailbox_fini(mailbox_of(sessions));
    free(sessions);
}
