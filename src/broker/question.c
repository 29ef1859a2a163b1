/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions that somebody outside has to tell: an HTTP or LDAP server, a token.
 *
 * A session that asks outside keeps the answers it got for as long as each is good. Where a check
 * finds none, it fails without an error, and the question stays open in the session; whoever runs
 * the command sees that, hands the question out as an effect, and puts the command back in front of
 * the channel's others. The answer comes in as a command, by the question's number: what became of
 * the channel meanwhile does not matter. Then the command is run again, from its start. So checks
 * come before anything that changes, in every handler, and a command with several questions asks
 * one after the other.
 *
 * A refusal is good until the clock moves on, and the command runs before that. What is allowed is
 * so for a moment at least: a command with several questions would otherwise never end.
 *
 * Answers go when they are too old, and the oldest go first where there are very many; never one
 * that a command which still asks on may need again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/reader.h"
#include "base/xmalloc.h"
#include "broker/channel.h"
#include "broker/exchange.h"

enum { answers_max = 1024, answer_keep_ms = 10000, answer_good_ms_min = 1000 };

/* An answer that the session has got, by its question. */
struct kept_answer {
    struct hash_node by_question;
    struct list_node by_age;
    uint64_t answered_ms;
    uint64_t expires_ms; /* good up to here, and at this very time */
    bool is_allowed;
    char *reason; /* owned */
    size_t size;
    uint8_t question[];
};

static const char *const permission_words[] = {"configure", "write", "read"};

/* --- the answers of a session */

static bool is_question(const struct hash_node *node, const void *key)
{
    const struct kept_answer *answer = container_of(node, struct kept_answer, by_question);
    return bytes_equal(bytes_of(answer->question, answer->size), *(const struct bytes *)key);
}

static struct kept_answer *find_answer(const struct session *session, struct bytes question)
{
    struct hash_node *node =
        hash_table_find(&session->answers, bytes_hash(question, 0), is_question, &question);
    return node != NULL ? container_of(node, struct kept_answer, by_question) : NULL;
}

static size_t footprint(const struct kept_answer *answer)
{
    return sizeof *answer + answer->size + strlen(answer->reason);
}

static void drop_answer(struct session *session, struct kept_answer *answer)
{
    session->memory_bytes -= footprint(answer);
    hash_table_remove(&session->answers, &answer->by_question);
    list_remove(&answer->by_age);
    free(answer->reason);
    free(answer);
}

static void drop_old_answers(struct session *session, uint64_t now_ms)
{
    struct list_node *node;
    while ((node = list_front(&session->answers_by_age)) != NULL) {
        struct kept_answer *answer = list_entry(node, struct kept_answer, by_age);
        bool is_one_too_many =
            session->answers.count > answers_max && now_ms >= answer->answered_ms + answer_keep_ms;
        if (answer->expires_ms >= now_ms && !is_one_too_many)
            return;
        drop_answer(session, answer);
    }
}

static void keep_answer(struct session *session, struct bytes question,
                        const struct access_answer *given)
{
    uint64_t now_ms = session->vhost->now_ms;
    uint64_t good_ms = given->valid_ms > answer_good_ms_min ? given->valid_ms : answer_good_ms_min;
    if (!given->is_allowed)
        good_ms = 0;
    struct kept_answer *former = find_answer(session, question);
    if (former != NULL)
        drop_answer(session, former);
    drop_old_answers(session, now_ms);
    struct kept_answer *answer = xmalloc(sizeof *answer + question.size);
    *answer = (struct kept_answer){.answered_ms = now_ms,
                                   .is_allowed = given->is_allowed,
                                   .reason = xstrdup(given->reason),
                                   .size = question.size};
    answer->expires_ms = good_ms < UINT64_MAX - now_ms ? now_ms + good_ms : UINT64_MAX;
    memcpy(answer->question, question.data, question.size);
    hash_table_insert(&session->answers, &answer->by_question, bytes_hash(question, 0));
    list_push_back(&session->answers_by_age, &answer->by_age);
    session->memory_bytes += footprint(answer);
}

void questions_forget(struct session *session)
{
    struct list_node *node;
    while ((node = list_front(&session->answers_by_age)) != NULL)
        drop_answer(session, list_entry(node, struct kept_answer, by_age));
}

void questions_fini(struct session *session)
{
    questions_forget(session);
    hash_table_fini(&session->answers);
    buffer_fini(&session->question);
}

/* --- checks */

/* The question without its number: what answers are found by. */
static struct bytes write_question(struct session *session, const struct access_subject *subject)
{
    struct buffer *text = &session->question;
    buffer_clear(text);
    buffer_append_u8(text, (uint8_t)subject->kind);
    buffer_append_u8(text, (uint8_t)subject->permission);
    buffer_append_u32(text, (uint32_t)subject->name.size);
    buffer_append_bytes(text, subject->name);
    buffer_append_bytes(text, subject->key);
    return buffer_bytes(text);
}

static bool refuse(const struct session *session, const struct access_subject *subject,
                   const char *reason, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const char *permission = permission_words[subject->permission];
    const char *kind = subject->kind == ACCESS_QUEUE ? "queue" : "exchange";
    const char *resource = resource_text(session->vhost, kind, subject->name, text);
    if (subject->kind != ACCESS_TOPIC)
        return amqp_error_set(error, AMQP_ACCESS_REFUSED, "%s access to %s refused for user '%s'%s",
                              permission, resource, session->user, reason);
    return amqp_error_set(error, AMQP_ACCESS_REFUSED,
                          "%s access to topic '%.*s' in %s refused for user '%s'%s", permission,
                          (int)subject->key.size,
                          subject->key.size > 0 ? (const char *)subject->key.data : "", resource,
                          session->user, reason);
}

static bool check_answer(struct session *session, const struct access_subject *subject,
                         struct amqp_error *error)
{
    const struct kept_answer *answer = find_answer(session, write_question(session, subject));
    if (answer == NULL || answer->expires_ms < session->vhost->now_ms)
        return false; /* the question stays open */
    buffer_clear(&session->question);
    if (!answer->is_allowed)
        return refuse(session, subject, answer->reason, error);
    if (answer->expires_ms < session->answers_until_ms)
        session->answers_until_ms = answer->expires_ms;
    return true;
}

static bool allows(const struct session *session, const struct access_subject *subject)
{
    const struct vhost *vhost = session->vhost;
    struct bytes user = bytes_of_text(session->user), name = vhost_name_bytes(vhost);
    if (subject->kind == ACCESS_TOPIC)
        return access_allows_topic(vhost->access, user, name, subject->name, subject->permission,
                                   subject->key);
    return access_allows(vhost->access, user, name, subject->permission, subject->name);
}

static bool check(struct session *session, const struct access_subject *subject,
                  struct amqp_error *error)
{
    if (session->config.asks_access)
        return check_answer(session, subject, error);
    return allows(session, subject) || refuse(session, subject, "", error);
}

bool vhost_check_access(struct session *session, enum permission permission, const char *kind,
                        struct bytes name, struct amqp_error *error)
{
    bool is_queue = strcmp(kind, "queue") == 0;
    struct access_subject subject = {
        .kind = is_queue ? ACCESS_QUEUE : ACCESS_EXCHANGE,
        .permission = permission,
        .name = is_queue || name.size > 0 ? name : bytes_of_text("amq.default"),
    };
    return check(session, &subject, error);
}

bool vhost_check_topic_access(struct session *session, enum permission permission,
                              const struct exchange *exchange, struct bytes key,
                              struct amqp_error *error)
{
    struct access_subject subject = {
        .kind = ACCESS_TOPIC, .permission = permission, .name = exchange->name, .key = key};
    return exchange->type != &exchange_topic || check(session, &subject, error);
}

/* --- asking */

static bool is_numbered(const struct hash_node *node, const void *key)
{
    return container_of(node, struct open_question, by_number)->number == *(const uint64_t *)key;
}

static uint64_t open_question(struct vhost *vhost, struct open_question *question)
{
    CHECK(question->number == 0);
    question->number = ++vhost->questions_asked;
    hash_table_insert(&vhost->questions, &question->by_number, hash_u64(question->number));
    return question->number;
}

void question_close(struct vhost *vhost, struct open_question *question)
{
    if (question->number == 0)
        return;
    hash_table_remove(&vhost->questions, &question->by_number);
    question->number = 0;
    free(question->text);
    question->text = NULL;
}

bool question_is_open(const struct session *session)
{
    return session->question.size > 0;
}

void question_ask(struct channel *channel)
{
    struct session *session = channel->session;
    struct bytes text = buffer_bytes(&session->question);
    channel->question.channel = channel;
    channel->question.secrets_taken = session->secrets_taken;
    channel->question.size = text.size;
    channel->question.text = xmemdup(text.data, text.size);
    uint64_t number = open_question(session->vhost, &channel->question);
    struct access_question *question = xmalloc(sizeof *question + text.size);
    question->number = number;
    question->size = (uint32_t)text.size;
    memcpy(question->data, text.data, text.size);
    session_emit(session, EFFECT_ACCESS_QUESTION, channel->number)->question = question;
    buffer_clear(&session->question);
}

struct access_subject access_question_subject(const struct access_question *question)
{
    struct reader reader = reader_of(bytes_of(question->data, question->size));
    struct access_subject subject;
    subject.kind = (enum access_kind)reader_u8(&reader);
    subject.permission = (enum permission)reader_u8(&reader);
    subject.name = reader_take(&reader, reader_u32(&reader));
    subject.key = reader_take(&reader, reader_left(&reader));
    return subject;
}

/* A secret that is asked about keeps what comes behind it on channel 0 waiting. */
void question_ask_secret(struct session *session, struct bytes secret)
{
    struct access_question *question = xmalloc(sizeof *question + secret.size);
    session->secret.session = session;
    question->number = open_question(session->vhost, &session->secret);
    question->size = (uint32_t)secret.size;
    if (secret.size > 0)
        memcpy(question->data, secret.data, secret.size);
    session->waiting_channels++;
    session_emit(session, EFFECT_SECRET_QUESTION, 0)->question = question;
}

/* What was allowed by the old secret is asked anew. */
static void take_secret_answer(struct session *session, const struct access_answer *answer)
{
    question_close(session->vhost, &session->secret);
    session->waiting_channels--;
    if (answer->is_allowed) {
        questions_forget(session);
        session->secrets_taken++;
        session->config.can_impersonate = answer->can_impersonate;
        struct hash_node *node = NULL;
        while ((node = hash_table_next(&session->channels, node)) != NULL)
            container_of(node, struct channel, by_number)->route.topology = 0;
        session_send(session, &(struct amqp_method){.id = AMQP_CONNECTION_UPDATE_SECRET_OK});
        session_schedule_resume(session);
        return;
    }
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_NOT_ALLOWED, "%s", answer->reason);
    error.class_id = amqp_method_class(AMQP_CONNECTION_UPDATE_SECRET);
    error.method_id = amqp_method_number(AMQP_CONNECTION_UPDATE_SECRET);
    session_fail(session, &error);
}

void questions_answer(struct vhost *vhost, const struct access_answer *answer)
{
    struct hash_node *node =
        hash_table_find(&vhost->questions, hash_u64(answer->number), is_numbered, &answer->number);
    if (node == NULL) /* whoever has asked is gone */
        return;
    struct open_question *question = container_of(node, struct open_question, by_number);
    struct channel *channel = question->channel;
    if (question->session != NULL) {
        take_secret_answer(question->session, answer);
        return;
    }
    /* What was asked with the former secret is asked once more. */
    if (question->secrets_taken == channel->session->secrets_taken)
        keep_answer(channel->session, bytes_of(question->text, question->size), answer);
    channel_resume(channel);
}
