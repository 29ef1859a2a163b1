/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who connects, and what it may do, as a reactor finds it out.
 *
 * Where only the users of this server count, all of it is a look into their snapshot, at once.
 * Where other back ends do, each question is a piece of work for the pool's threads: it carries
 * copies of what it needs, references to the identity and the snapshot, and the connection's
 * handle; when it is done it comes back into the reactor's mailbox, and finds the connection or
 * does not. Meanwhile the connection (at its login) or the channel waits. A connection that goes
 * takes with it what has not begun.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/erlang.h"
#include "auth/identity.h"
#include "auth/sasl.h"
#include "auth/users.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/reactor_internal.h"
#include "runtime/server.h"
#include "runtime/worker_pool.h"

/* An answer about a permission is asked for again after this. */
enum { answer_valid_ms = 60000 };

struct job {
    struct work work;
    struct task task; /* to come back */
    struct job *next; /* of the same connection */
    struct reactor *reactor;
    uint64_t handle;                  /* of the connection */
    struct users *users;              /* ref; as they are when it begins */
    struct auth_identity *identity;   /* ref; who asks, or, after a login, who it is; or NULL */
    struct access_question *question; /* owned, or NULL */
    struct auth_login login;          /* its runs point into text */
    struct buffer text;               /* owned; user and password, or the vhost */
    char *peer_address;               /* owned, or NULL */
    bool is_allowed;
    char reason[AUTH_REASON_SIZE];
};

static struct job *new_job(struct reactor *reactor, const struct connection *connection,
                           struct auth_identity *identity)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->reactor = reactor;
    job->handle = connection_handle(connection);
    job->identity = identity != NULL ? auth_identity_ref(identity) : NULL;
    return job;
}

static void free_job(struct job *job)
{
    users_unref(job->users);
    auth_identity_unref(job->identity);
    if (job->text.size > 0)
        explicit_bzero(job->text.data, job->text.size);
    buffer_fini(&job->text);
    if (job->question != NULL)
        explicit_bzero(job->question->data, job->question->size);
    free(job->question);
    free(job->peer_address);
    free(job);
}

/* False where the pool does not take it; it is gone then. Who is in is only turned away when the
 * server ends, and the connection with it. */
static bool submit_job(struct job *job, enum work_rank rank, void (*run)(struct work *work))
{
    struct slot *slot = reactor_find_slot(job->reactor, job->handle);
    job->work.rank = rank;
    job->work.run = run;
    job->next = slot->jobs;
    slot->jobs = job;
    if (worker_pool_submit(server_workers(job->reactor->server), &job->work))
        return true;
    slot->jobs = job->next;
    free_job(job);
    return false;
}

/* A job has come back: its connection, or NULL where that is gone. */
static struct slot *take_job(struct job *job)
{
    struct slot *slot = reactor_find_slot(job->reactor, job->handle);
    if (slot == NULL)
        return NULL;
    struct job **place = &slot->jobs;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    return slot;
}

void reactor_drop_jobs(struct reactor *reactor, struct slot *slot)
{
    while (slot->jobs != NULL) {
        struct job *job = slot->jobs;
        slot->jobs = job->next;
        if (worker_pool_cancel(server_workers(reactor->server), &job->work))
            free_job(job);
    }
}

/* On a worker: the rest is for the reactor to do. */
static void come_back(struct job *job, void (*run)(struct task *task))
{
    job->task.run = run;
    mailbox_post_task(job->reactor->mailbox, &job->task);
}

static struct job *job_of(struct task *task)
{
    return container_of(task, struct job, task);
}

/* On a worker. */
static struct job *begin_job(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    job->users = server_users(job->reactor->server);
    return job;
}

/* --- logging in */

void reactor_mechanisms(void *context, struct connection *connection, struct buffer *names)
{
    struct reactor *reactor = context;
    sasl_append_names(names, server_config(reactor->server), connection_tls(connection) != NULL);
}

static void log_refusal(struct bytes user, const char *reason)
{
    log_write(LOG_CONNECTION, CONFIG_LOG_WARNING, "login refused for user '%.*s': %s",
              (int)user.size, user.size > 0 ? (const char *)user.data : "", reason);
}

static enum login_result check_user(struct reactor *reactor, const struct connection *connection,
                                    const struct auth_login *login, struct login_answer *answer)
{
    char reason[AUTH_REASON_SIZE];
    struct users *users = server_users(reactor->server);
    bool is_right =
        login->has_password
            ? users_login(users, login->user, login->password, login->is_loopback, reason,
                          sizeof reason)
            : users_login_external(users, login->user, login->is_loopback, reason, sizeof reason);
    if (is_right) {
        buffer_append_bytes(&answer->user, login->user);
        answer->can_impersonate = users_has_tag(users, login->user, "impersonator");
        reactor_tell_login(reactor, connection, login->user, NULL);
    } else {
        log_refusal(login->user, reason);
        reactor_tell_login(reactor, connection, login->user, reason);
    }
    users_unref(users);
    return is_right ? LOGIN_OK : LOGIN_REFUSED;
}

static void finish_login(struct task *task)
{
    struct job *job = job_of(task);
    struct slot *slot = take_job(job);
    struct login_answer answer = {0};
    if (job->identity == NULL)
        log_refusal(job->login.user, job->reason);
    if (slot != NULL && job->identity != NULL) {
        const char *user = auth_identity_user(job->identity);
        buffer_append(&answer.user, user, strlen(user));
        answer.can_impersonate = auth_identity_has_tag(job->identity, "impersonator");
        answer.asks_access = !auth_identity_is_internal(job->identity);
        if (answer.asks_access)
            slot->identity = auth_identity_ref(job->identity);
        reactor_tell_login(job->reactor, slot->connection, bytes_of_text(user), NULL);
        connection_login_done(slot->connection, LOGIN_OK, &answer);
    } else if (slot != NULL) {
        reactor_tell_login(job->reactor, slot->connection, job->login.user, job->reason);
        connection_login_done(slot->connection, LOGIN_REFUSED, &answer);
    }
    free_job(job);
}

static void work_on_login(struct work *work)
{
    struct job *job = begin_job(work);
    job->login.users = job->users;
    job->identity = auth_chain_log_in(server_auth_chain(job->reactor->server), &job->login,
                                      job->peer_address, job->reason);
    come_back(job, finish_login);
}

static enum login_result refuse(struct reactor *reactor, const struct connection *connection,
                                struct bytes user, const char *reason)
{
    log_refusal(user, reason);
    reactor_tell_login(reactor, connection, user, reason);
    return LOGIN_REFUSED;
}

static enum login_result ask_chain(struct reactor *reactor, const struct login_request *request,
                                   const struct auth_login *login)
{
    struct connection_status status;
    struct job *job = new_job(reactor, request->connection, NULL);
    connection_describe(request->connection, &status);
    job->peer_address = xstrdup(status.peer_host);
    job->login = *login;
    buffer_append_bytes(&job->text, login->user);
    buffer_append_bytes(&job->text, login->password);
    job->login.user = bytes_of(job->text.data, login->user.size);
    job->login.password = bytes_of(job->text.data + login->user.size, login->password.size);
    if (submit_job(job, WORK_FOR_STRANGERS, work_on_login))
        return LOGIN_PENDING;
    return refuse(reactor, request->connection, login->user,
                  "too many logins wait for the back ends");
}

static void tell_malformed(struct reactor *reactor, const struct login_request *request)
{
    struct buffer reason = {0};
    if (request->has_second_response) {
        buffer_append_format(&reason, "Invalid response '%.*s'", (int)request->second_response.size,
                             (const char *)request->second_response.data);
        buffer_append_u8(&reason, '\0');
    } else {
        buffer_append_bytes(&reason, bytes_of_text("response "));
        erlang_append_binary(&reason, request->response);
        buffer_append(&reason, " invalid", sizeof " invalid");
    }
    reactor_tell_login(reactor, request->connection, bytes_of(NULL, 0), (const char *)reason.data);
    buffer_fini(&reason);
}

/* Who says to be whom; LOGIN_OK where that is known. */
static enum login_result read_credentials(struct reactor *reactor,
                                          const struct login_request *request,
                                          struct sasl_credentials *credentials,
                                          struct login_answer *answer)
{
    const struct sasl_responses responses = {request->response, request->second_response,
                                             request->has_second_response};
    struct bytes challenge;
    const struct sasl_mechanism *mechanism =
        sasl_find(request->mechanism, server_config(reactor->server),
                  connection_tls(request->connection) != NULL);
    if (mechanism == NULL)
        return LOGIN_MALFORMED;
    switch (sasl_read(mechanism, &responses, credentials, &challenge)) {
    case SASL_COMPLETE:
        return LOGIN_OK;
    case SASL_CHALLENGE:
        buffer_append_bytes(&answer->challenge, challenge);
        return LOGIN_MORE;
    case SASL_MALFORMED:
        break;
    }
    tell_malformed(reactor, request);
    return LOGIN_MALFORMED;
}

enum login_result reactor_login(void *context, const struct login_request *request,
                                struct login_answer *answer)
{
    struct reactor *reactor = context;
    const struct config *config = server_config(reactor->server);
    struct sasl_credentials credentials;
    enum login_result result = read_credentials(reactor, request, &credentials, answer);
    if (result != LOGIN_OK)
        return result;
    if (credentials.is_external && request->peer_name.size == 0)
        return refuse(reactor, request->connection, bytes_of(NULL, 0), "no peer certificate");
    struct auth_login login = {
        .user = credentials.is_external    ? request->peer_name
                : credentials.is_anonymous ? bytes_of_text(config->anonymous_login_user)
                                           : credentials.user,
        .password = credentials.is_anonymous ? bytes_of_text(config->anonymous_login_pass)
                                             : credentials.password,
        .has_password = !credentials.is_external,
        .is_loopback = request->is_loopback,
    };
    /* To some it would end there, and be somebody else's. */
    if (login.user.size > 0 && memchr(login.user.data, '\0', login.user.size) != NULL)
        return refuse(reactor, request->connection, login.user, "the name has a NUL in it");
    if (auth_chain_is_internal(server_auth_chain(reactor->server)))
        return check_user(reactor, request->connection, &login, answer);
    return ask_chain(reactor, request, &login);
}

/* --- opening a vhost */

static void refuse_vhost(const char *user, struct bytes vhost, const char *reason,
                         struct amqp_error *error)
{
    amqp_error_set(error, AMQP_NOT_ALLOWED, "access to vhost '%.*s' refused for user '%s'%s",
                   (int)vhost.size, (const char *)vhost.data, user, reason);
}

static struct vhost_gate *enter(struct reactor *reactor, const char *user, struct bytes vhost,
                                struct amqp_error *error)
{
    struct vhost_gate *gate = reactor_find_gate(reactor, vhost);
    if (gate == NULL)
        amqp_error_set(error, AMQP_INTERNAL_ERROR,
                       "access to vhost '%.*s' refused for user '%s': vhost '%.*s' is down",
                       (int)vhost.size, (const char *)vhost.data, user, (int)vhost.size,
                       (const char *)vhost.data);
    else
        gate->connection_count++;
    return gate;
}

static void finish_entering(struct task *task)
{
    struct job *job = job_of(task);
    struct bytes vhost = buffer_bytes(&job->text);
    struct slot *slot = take_job(job);
    struct vhost_gate *gate = NULL;
    struct amqp_error error = {0};
    if (slot != NULL) {
        const char *user = auth_identity_user(job->identity);
        if (job->is_allowed)
            gate = enter(job->reactor, user, vhost, &error);
        else
            refuse_vhost(user, vhost, job->reason, &error);
        connection_vhost_done(slot->connection, gate, &error);
    }
    free_job(job);
}

static void work_on_entering(struct work *work)
{
    struct job *job = begin_job(work);
    job->is_allowed =
        auth_identity_may_enter(job->identity, job->users, buffer_bytes(&job->text), job->reason);
    come_back(job, finish_entering);
}

static void ask_to_enter(struct reactor *reactor, const struct connection *connection,
                         struct auth_identity *identity, struct bytes vhost)
{
    struct job *job = new_job(reactor, connection, identity);
    buffer_append_bytes(&job->text, vhost);
    (void)submit_job(job, WORK_FOR_USERS, work_on_entering);
}

static bool check_vhost(struct reactor *reactor, const struct users *users, struct bytes vhost,
                        struct amqp_error *error)
{
    uint64_t connection_max = server_config(reactor->server)->connection_max;
    if (server_connection_count(reactor->server) > connection_max)
        return amqp_error_set(error, AMQP_NOT_ALLOWED,
                              "connection refused: node connection limit (%llu) is reached",
                              (unsigned long long)connection_max);
    return users_find_vhost(users, vhost, NULL) ||
           amqp_error_set(error, AMQP_NOT_ALLOWED, "vhost %.*s not found", (int)vhost.size,
                          (const char *)vhost.data);
}

struct vhost_gate *reactor_open_vhost(void *context, struct connection *connection,
                                      const char *user, struct bytes vhost,
                                      struct amqp_error *error)
{
    struct reactor *reactor = context;
    struct slot *slot = reactor_find_slot(reactor, connection_handle(connection));
    struct users *users = server_users(reactor->server);
    struct vhost_gate *gate = NULL;
    if (!check_vhost(reactor, users, vhost, error))
        gate = NULL;
    else if (slot->identity != NULL)
        ask_to_enter(reactor, connection, slot->identity, vhost);
    else if (access_may_enter(users_access(users), bytes_of_text(user), vhost))
        gate = enter(reactor, user, vhost, error);
    else
        refuse_vhost(user, vhost, "", error);
    users_unref(users);
    return gate;
}

/* --- permissions and new secrets */

static void answer_question(struct slot *slot, struct reactor *reactor,
                            struct access_answer *answer)
{
    struct command *command =
        command_batch_add(reactor_gather(reactor, connection_gate(slot->connection)));
    *command = (struct command){.kind = COMMAND_ACCESS_ANSWER, .answer = answer};
}

/* No longer than the credentials themselves, which end the connection anyway. */
static void finish_asking(struct task *task)
{
    struct job *job = job_of(task);
    struct slot *slot = take_job(job);
    if (slot != NULL) {
        struct access_answer *answer =
            access_answer_new(job->question->number, job->is_allowed, job->reason);
        answer->valid_ms = answer_valid_ms;
        answer_question(slot, job->reactor, answer);
    }
    if (job->reason[0] != '\0')
        log_write(LOG_CONNECTION, CONFIG_LOG_WARNING, "access of user '%s' was refused%s",
                  auth_identity_user(job->identity), job->reason);
    free_job(job);
}

static void work_on_asking(struct work *work)
{
    struct job *job = begin_job(work);
    struct access_subject what = access_question_subject(job->question);
    job->is_allowed = auth_identity_allows(job->identity, job->users, buffer_bytes(&job->text),
                                           &what, job->reason);
    come_back(job, finish_asking);
}

static void finish_renewing(struct task *task)
{
    struct job *job = job_of(task);
    struct slot *slot = take_job(job);
    if (slot != NULL) {
        struct access_answer *answer =
            access_answer_new(job->question->number, job->is_allowed, job->reason);
        if (job->is_allowed) {
            answer->can_impersonate = auth_identity_has_tag(job->identity, "impersonator");
            auth_identity_unref(slot->identity);
            slot->identity = auth_identity_ref(job->identity);
        }
        answer_question(slot, job->reactor, answer);
    }
    free_job(job);
}

static bool has_ended(const struct auth_identity *identity)
{
    return auth_identity_expires_s(identity) <= clock_wall_ms() / 1000;
}

/* RabbitMQ looks at the vhost again with the new secret before it takes it, if somebody takes it at
 * all. One that has ended ends the connection, but is none that was refused. */
static void work_on_renewing(struct work *work)
{
    struct job *job = begin_job(work);
    struct bytes secret = bytes_of(job->question->data, job->question->size);
    char log_reason[AUTH_REASON_SIZE] = "";
    struct auth_identity *former = job->identity;
    job->identity = auth_identity_renew(former, job->users, secret, job->reason, log_reason);
    if (job->identity == NULL)
        log_write(LOG_CONNECTION, CONFIG_LOG_WARNING, "a new secret was refused for user '%s': %s",
                  auth_identity_user(former), log_reason);
    job->is_allowed = job->identity != NULL;
    bool is_new = job->identity != former;
    auth_identity_unref(former);
    if (job->is_allowed && is_new && !has_ended(job->identity) &&
        !auth_identity_may_enter(job->identity, job->users, buffer_bytes(&job->text), log_reason)) {
        job->is_allowed = false;
        snprintf(job->reason, sizeof job->reason,
                 "access to vhost '%.*s' refused for user '%.100s'%.300s", (int)job->text.size,
                 (const char *)job->text.data, auth_identity_user(job->identity), log_reason);
    }
    come_back(job, finish_renewing);
}

void reactor_ask(struct reactor *reactor, struct slot *slot, struct effect *effect)
{
    CHECK(slot->identity != NULL);
    struct job *job = new_job(reactor, slot->connection, slot->identity);
    const char *vhost = gate_name(connection_gate(slot->connection)->gate);
    job->question = effect->question;
    buffer_append(&job->text, vhost, strlen(vhost));
    bool is_secret = effect->kind == EFFECT_SECRET_QUESTION;
    (void)submit_job(job, WORK_FOR_USERS, is_secret ? work_on_renewing : work_on_asking);
}

/* --- expiry */

void reactor_end_expired(struct reactor *reactor)
{
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_CONNECTION_FORCED, "credential expired");
    for (size_t i = 0; i < reactor->slot_count; i++) {
        const struct slot *slot = &reactor->slots[i];
        if (slot->identity != NULL && has_ended(slot->identity))
            connection_shut(slot->connection, &error);
    }
}
