/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to commands and effects to text. Methods are described by a table of where their fields lie
 * in struct amqp_method, so that a test reads like a conversation and a new method costs one row.
 * After every input the vhost recounts itself.
 */
#include "core_fixture.h"

#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/xmalloc.h"

/* --- text to commands */

enum { TEXTS_MAX = 4, FLAGS_MAX = 6 };

struct flag {
    const char *name;
    size_t offset;
};

struct verb {
    const char *name;
    uint32_t id;
    size_t texts[TEXTS_MAX]; /* offsets of struct bytes; 0 ends */
    size_t number;           /* offset; 0 where there is none */
    size_t number_size;
    struct flag flags[FLAGS_MAX];
    size_t arguments;
};

#define AT(member) offsetof(struct amqp_method, member)
#define NUMBER(member) .number = AT(member), .number_size = sizeof((struct amqp_method *)0)->member

static const struct verb verbs[] = {
    {"connection.close", AMQP_CONNECTION_CLOSE, {AT(connection_close.reply_text)}, .number = 0},
    {"connection.update-secret",
     AMQP_CONNECTION_UPDATE_SECRET,
     {AT(connection_update_secret.new_secret)},
     .number = 0},
    {"connection.tune-ok", AMQP_CONNECTION_TUNE_OK, {0}, .number = 0},
    {"channel.open", AMQP_CHANNEL_OPEN, {0}, .number = 0},
    {"channel.close", AMQP_CHANNEL_CLOSE, {0}, .number = 0},
    {"channel.close-ok", AMQP_CHANNEL_CLOSE_OK, {0}, .number = 0},
    {"channel.flow", AMQP_CHANNEL_FLOW, {0}, .flags = {{"active", AT(channel_flow.active)}}},
    {"access.request", AMQP_ACCESS_REQUEST, {0}, .number = 0},
    {"exchange.declare",
     AMQP_EXCHANGE_DECLARE,
     {AT(exchange_declare.exchange), AT(exchange_declare.type)},
     .flags = {{"passive", AT(exchange_declare.passive)},
               {"durable", AT(exchange_declare.durable)},
               {"auto-delete", AT(exchange_declare.auto_delete)},
               {"internal", AT(exchange_declare.internal)},
               {"no-wait", AT(exchange_declare.no_wait)}},
     .arguments = AT(exchange_declare.arguments)},
    {"exchange.delete",
     AMQP_EXCHANGE_DELETE,
     {AT(exchange_delete.exchange)},
     .flags = {{"if-unused", AT(exchange_delete.if_unused)},
               {"no-wait", AT(exchange_delete.no_wait)}}},
    {"exchange.bind",
     AMQP_EXCHANGE_BIND,
     {AT(exchange_bind.destination), AT(exchange_bind.source), AT(exchange_bind.routing_key)},
     .flags = {{"no-wait", AT(exchange_bind.no_wait)}},
     .arguments = AT(exchange_bind.arguments)},
    {"exchange.unbind",
     AMQP_EXCHANGE_UNBIND,
     {AT(exchange_unbind.destination), AT(exchange_unbind.source), AT(exchange_unbind.routing_key)},
     .flags = {{"no-wait", AT(exchange_unbind.no_wait)}},
     .arguments = AT(exchange_unbind.arguments)},
    {"queue.declare",
     AMQP_QUEUE_DECLARE,
     {AT(queue_declare.queue)},
     .flags = {{"passive", AT(queue_declare.passive)},
               {"durable", AT(queue_declare.durable)},
               {"exclusive", AT(queue_declare.exclusive)},
               {"auto-delete", AT(queue_declare.auto_delete)},
               {"no-wait", AT(queue_declare.no_wait)}},
     .arguments = AT(queue_declare.arguments)},
    {"queue.bind",
     AMQP_QUEUE_BIND,
     {AT(queue_bind.queue), AT(queue_bind.exchange), AT(queue_bind.routing_key)},
     .flags = {{"no-wait", AT(queue_bind.no_wait)}},
     .arguments = AT(queue_bind.arguments)},
    {"queue.unbind",
     AMQP_QUEUE_UNBIND,
     {AT(queue_unbind.queue), AT(queue_unbind.exchange), AT(queue_unbind.routing_key)},
     .arguments = AT(queue_unbind.arguments)},
    {"queue.purge",
     AMQP_QUEUE_PURGE,
     {AT(queue_purge.queue)},
     .flags = {{"no-wait", AT(queue_purge.no_wait)}}},
    {"queue.delete",
     AMQP_QUEUE_DELETE,
     {AT(queue_delete.queue)},
     .flags = {{"if-unused", AT(queue_delete.if_unused)},
               {"if-empty", AT(queue_delete.if_empty)},
               {"no-wait", AT(queue_delete.no_wait)}}},
    {"basic.qos",
     AMQP_BASIC_QOS,
     {0},
     NUMBER(basic_qos.prefetch_count),
     .flags = {{"global", AT(basic_qos.global)}}},
    {"basic.qos-size", AMQP_BASIC_QOS, {0}, NUMBER(basic_qos.prefetch_size)},
    {"basic.consume",
     AMQP_BASIC_CONSUME,
     {AT(basic_consume.queue), AT(basic_consume.consumer_tag)},
     .flags = {{"no-ack", AT(basic_consume.no_ack)},
               {"exclusive", AT(basic_consume.exclusive)},
               {"no-local", AT(basic_consume.no_local)},
               {"no-wait", AT(basic_consume.no_wait)}},
     .arguments = AT(basic_consume.arguments)},
    {"basic.cancel",
     AMQP_BASIC_CANCEL,
     {AT(basic_cancel.consumer_tag)},
     .flags = {{"no-wait", AT(basic_cancel.no_wait)}}},
    {"basic.cancel-ok", AMQP_BASIC_CANCEL_OK, {AT(basic_cancel_ok.consumer_tag)}, .number = 0},
    {"basic.get",
     AMQP_BASIC_GET,
     {AT(basic_get.queue)},
     .flags = {{"no-ack", AT(basic_get.no_ack)}}},
    {"basic.reject",
     AMQP_BASIC_REJECT,
     {0},
     NUMBER(basic_reject.delivery_tag),
     .flags = {{"requeue", AT(basic_reject.requeue)}}},
    {"basic.nack",
     AMQP_BASIC_NACK,
     {0},
     NUMBER(basic_nack.delivery_tag),
     .flags = {{"multiple", AT(basic_nack.multiple)}, {"requeue", AT(basic_nack.requeue)}}},
    {"basic.recover", AMQP_BASIC_RECOVER, {0}, .flags = {{"requeue", AT(basic_recover.requeue)}}},
    {"basic.recover-async",
     AMQP_BASIC_RECOVER_ASYNC,
     {0},
     .flags = {{"requeue", AT(basic_recover_async.requeue)}}},
    {"confirm.select",
     AMQP_CONFIRM_SELECT,
     {0},
     .flags = {{"no-wait", AT(confirm_select.no_wait)}}},
    {"confirm.select-ok", AMQP_CONFIRM_SELECT_OK, {0}, .number = 0},
    {"tx.select", AMQP_TX_SELECT, {0}, .number = 0},
    {"tx.commit", AMQP_TX_COMMIT, {0}, .number = 0},
    {"tx.rollback", AMQP_TX_ROLLBACK, {0}, .number = 0},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    fail_msg("the fixture does not know '%s'", name);
    abort();
}

static void *field(struct amqp_method *method, size_t offset)
{
    return (char *)method + offset;
}

static bool set_flag(struct amqp_method *method, const struct verb *verb, const char *word)
{
    for (size_t i = 0; i < FLAGS_MAX && verb->flags[i].name != NULL; i++) {
        if (strcmp(verb->flags[i].name, word) != 0)
            continue;
        *(bool *)field(method, verb->flags[i].offset) = true;
        return true;
    }
    return false;
}

static void set_number(struct amqp_method *method, const struct verb *verb, const char *word)
{
    uint64_t number = strtoull(word, NULL, 10);
    void *at = field(method, verb->number);
    if (verb->number_size == sizeof(uint16_t))
        *(uint16_t *)at = (uint16_t)number;
    else if (verb->number_size == sizeof(uint32_t))
        *(uint32_t *)at = (uint32_t)number;
    else
        *(uint64_t *)at = number;
}

static void add_argument(struct buffer *table, char *word)
{
    char *text = strchr(word, '=');
    struct amqp_value value = {.type = AMQP_TYPE_LONGSTR, .bytes = bytes_of_text(text + 1)};
    *text++ = '\0';
    if (*text != '\0' && strspn(text, "0123456789") == strlen(text))
        value = (struct amqp_value){.type = AMQP_TYPE_INT32, .integer = atoll(text)};
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        value = (struct amqp_value){.type = AMQP_TYPE_BOOL, .boolean = *text == 't'};
    amqp_table_add_value(table, word, &value);
}

static struct bytes text_of(const char *word)
{
    return strcmp(word, "-") == 0 ? bytes_of(NULL, 0) : bytes_of_text(word);
}

/* The words behind the verb, separated by blanks; words are ended in place. */
static struct command_method *parse_method(const struct verb *verb, char **rest)
{
    struct amqp_method method = {.id = verb->id};
    struct amqp_error error;
    struct buffer arguments = {0}, payload = {0};
    size_t text_count = 0;
    bool has_number = false;
    for (char *word; (word = strsep(rest, " ")) != NULL;) {
        if (set_flag(&method, verb, word))
            continue;
        if (strchr(word, '=') != NULL) {
            add_argument(&arguments, word);
        } else if (verb->number != 0 && !has_number) {
            set_number(&method, verb, word);
            has_number = true;
        } else {
            if (text_count == TEXTS_MAX || verb->texts[text_count] == 0)
                fail_msg("'%s' has no field for '%s'", verb->name, word);
            *(struct bytes *)field(&method, verb->texts[text_count++]) = text_of(word);
        }
    }
    if (verb->arguments != 0)
        *(struct bytes *)field(&method, verb->arguments) = buffer_bytes(&arguments);
    amqp_method_encode(&payload, &method);
    struct command_method *decoded =
        command_method_decode(buffer_bytes(&payload), AMQP_TABLE_DEPTH_MAX, &error);
    assert_non_null(decoded);
    buffer_fini(&arguments);
    buffer_fini(&payload);
    return decoded;
}

/* The header CC with one key. */
static void add_copy(struct buffer *headers, const char *key)
{
    struct buffer keys = {0};
    amqp_array_add_longstr(&keys, bytes_of_text(key));
    struct amqp_value value = {.type = AMQP_TYPE_ARRAY, .bytes = buffer_bytes(&keys)};
    amqp_table_add_value(headers, "CC", &value);
    buffer_fini(&keys);
}

static void parse_publish(struct command *command, char **rest)
{
    struct bytes texts[3] = {{0}};
    struct amqp_properties properties = {0};
    struct buffer raw = {0}, headers = {0};
    size_t text_count = 0;
    command->kind = COMMAND_PUBLISH;
    for (char *word; (word = strsep(rest, " ")) != NULL;) {
        if (strcmp(word, "mandatory") == 0) {
            command->mandatory = true;
        } else if (strcmp(word, "immediate") == 0) {
            command->immediate = true;
        } else if (strcmp(word, "persistent") == 0) {
            properties.flags |= AMQP_PROPERTY_DELIVERY_MODE;
            properties.delivery_mode = AMQP_DELIVERY_MODE_PERSISTENT;
        } else if (strncmp(word, "user-id=", 8) == 0) {
            properties.flags |= AMQP_PROPERTY_USER_ID;
            properties.user_id = bytes_of_text(word + 8);
        } else if (strncmp(word, "expiration=", 11) == 0) {
            properties.flags |= AMQP_PROPERTY_EXPIRATION;
            properties.expiration = bytes_of_text(word + 11);
        } else if (strncmp(word, "priority=", 9) == 0) {
            properties.flags |= AMQP_PROPERTY_PRIORITY;
            properties.priority = (uint8_t)atoi(word + 9);
        } else if (strncmp(word, "CC=", 3) == 0) {
            add_copy(&headers, word + 3);
        } else if (strncmp(word, "x-", 2) == 0 && strchr(word, '=') != NULL) {
            add_argument(&headers, word);
        } else {
            assert_true(text_count < 3);
            texts[text_count++] = text_of(word);
        }
    }
    if (headers.size > 0) {
        properties.flags |= AMQP_PROPERTY_HEADERS;
        properties.headers = buffer_bytes(&headers);
    }
    if (properties.flags != 0)
        amqp_properties_encode(&raw, &properties);
    command->message = message_new(texts[0], texts[1], buffer_bytes(&raw), texts[2]);
    command->message->is_persistent = properties.delivery_mode == AMQP_DELIVERY_MODE_PERSISTENT;
    buffer_fini(&raw);
    buffer_fini(&headers);
}

static void parse_ack(struct command *command, char **rest)
{
    const char *tag = strsep(rest, " ");
    const char *word = strsep(rest, " ");
    command->kind = COMMAND_ACK;
    command->tag = strtoull(tag, NULL, 10);
    command->multiple = word != NULL && strcmp(word, "multiple") == 0;
}

static void parse_move(struct command *command, char **rest)
{
    struct bytes source = text_of(strsep(rest, " "));
    struct bytes destination = text_of(strsep(rest, " "));
    command->kind = COMMAND_MOVE;
    command->move = command_move_new(source, destination, strtoull(*rest, NULL, 10));
}

/* "error 501 text": what the connection says about bad frames. */
static void parse_error(struct command *command, char **rest)
{
    unsigned long code = strtoul(strsep(rest, " "), NULL, 10);
    command->kind = command->channel == 0 ? COMMAND_CONNECTION_ERROR : COMMAND_CHANNEL_ERROR;
    command->error = xcalloc(1, sizeof *command->error);
    amqp_error_set(command->error, (enum amqp_code)code, "%s", *rest);
    *rest = NULL;
}

static void connect_session(struct core *core, unsigned number, struct command *command)
{
    assert_null(core->sessions[number]);
    core->session_config.connection = number;
    core->sessions[number] = session_new(&core->session_config);
    command->kind = COMMAND_SESSION_OPEN;
    command->session = core->sessions[number];
}

/* The number of a question, and "allow MS", "allow MS impersonator" or "deny" and a reason. */
static void parse_answer(struct command *command, char **rest)
{
    uint64_t number = strtoull(strsep(rest, " "), NULL, 10);
    bool is_allowed = strcmp(strsep(rest, " "), "allow") == 0;
    command->kind = COMMAND_ACCESS_ANSWER;
    command->answer = access_answer_new(number, is_allowed, is_allowed || !*rest ? "" : *rest);
    if (is_allowed) {
        command->answer->valid_ms = strtoull(*rest, NULL, 10);
        command->answer->can_impersonate = strstr(*rest, "impersonator") != NULL;
    }
}

static void parse_line(struct core *core, char *line, struct command_batch *batch)
{
    unsigned session, channel;
    int used;
    if (sscanf(line, "%u.%u %n", &session, &channel, &used) != 2)
        fail_msg("'%s' does not start with SESSION.CHANNEL", line);
    assert_true(session < CORE_SESSIONS && channel <= UINT16_MAX);
    char *rest = line + used;
    const char *verb = strsep(&rest, " ");
    struct command *command = command_batch_add(batch);
    *command = (struct command){.channel = (uint16_t)channel, .session = core->sessions[session]};
    if (strcmp(verb, "connect") == 0) {
        connect_session(core, session, command);
    } else if (strcmp(verb, "gone") == 0) {
        command->kind = COMMAND_SESSION_CLOSE;
    } else if (strcmp(verb, "credit") == 0) {
        command->kind = COMMAND_CREDIT;
        command->tag = strtoull(strsep(&rest, " "), NULL, 10);
    } else if (strcmp(verb, "answer") == 0) {
        parse_answer(command, &rest);
        return;
    } else if (strcmp(verb, "error") == 0) {
        parse_error(command, &rest);
    } else if (strcmp(verb, "basic.publish") == 0) {
        parse_publish(command, &rest);
    } else if (strcmp(verb, "basic.ack") == 0) {
        parse_ack(command, &rest);
    } else if (strcmp(verb, "move") == 0) {
        parse_move(command, &rest);
    } else {
        command->kind = COMMAND_METHOD;
        command->method = parse_method(find_verb(verb), &rest);
    }
    assert_non_null(command->session);
}

/* --- effects to text */

#define TEXT(bytes) (int)(bytes).size, (const char *)((bytes).size > 0 ? (bytes).data : (void *)"")

static void print_close(struct buffer *text, uint16_t code, struct bytes reply, uint16_t class_id,
                        uint16_t method_id)
{
    buffer_append_format(text, " %u %.*s (%u.%u)", code, TEXT(reply), class_id, method_id);
}

static void print_fields(struct buffer *text, const struct amqp_method *method)
{
    switch (method->id) {
    case AMQP_CONNECTION_CLOSE:
        print_close(text, method->connection_close.reply_code, method->connection_close.reply_text,
                    method->connection_close.class_id, method->connection_close.method_id);
        break;
    case AMQP_CHANNEL_CLOSE:
        print_close(text, method->channel_close.reply_code, method->channel_close.reply_text,
                    method->channel_close.class_id, method->channel_close.method_id);
        break;
    case AMQP_CONNECTION_BLOCKED:
        buffer_append_format(text, " %.*s", TEXT(method->connection_blocked.reason));
        break;
    case AMQP_QUEUE_DECLARE_OK:
        buffer_append_format(text, " %.*s %u %u", TEXT(method->queue_declare_ok.queue),
                             method->queue_declare_ok.message_count,
                             method->queue_declare_ok.consumer_count);
        break;
    case AMQP_QUEUE_PURGE_OK:
        buffer_append_format(text, " %u", method->queue_purge_ok.message_count);
        break;
    case AMQP_QUEUE_DELETE_OK:
        buffer_append_format(text, " %u", method->queue_delete_ok.message_count);
        break;
    case AMQP_BASIC_CONSUME_OK:
        buffer_append_format(text, " %.*s", TEXT(method->basic_consume_ok.consumer_tag));
        break;
    case AMQP_BASIC_CANCEL_OK:
        buffer_append_format(text, " %.*s", TEXT(method->basic_cancel_ok.consumer_tag));
        break;
    case AMQP_BASIC_CANCEL:
        buffer_append_format(text, " %.*s%s", TEXT(method->basic_cancel.consumer_tag),
                             method->basic_cancel.no_wait ? "" : " with wait");
        break;
    case AMQP_BASIC_RETURN:
        buffer_append_format(text, " %u %.*s", method->basic_return.reply_code,
                             TEXT(method->basic_return.reply_text));
        break;
    case AMQP_BASIC_GET_OK:
        buffer_append_format(text, " %llu%s left=%u",
                             (unsigned long long)method->basic_get_ok.delivery_tag,
                             method->basic_get_ok.redelivered ? " redelivered" : "",
                             method->basic_get_ok.message_count);
        break;
    default:
        break;
    }
}

static void print_method(struct buffer *text, const struct effect *effect)
{
    struct amqp_method method;
    struct amqp_error error;
    struct bytes payload = bytes_of(effect->method->data, effect->method->size);
    assert_true(amqp_method_decode(&method, payload, &error));
    assert_int_equal(amqp_method_has_content(method.id), effect->message != NULL);
    buffer_append_format(text, " %s", amqp_method_name(method.id));
    print_fields(text, &method);
}

static char **tag_of(struct core *core, const struct effect *effect)
{
    assert_true(effect->consumer < CORE_CONSUMERS && effect->channel < CORE_CHANNELS);
    return &core->tags[effect->connection][effect->channel][effect->consumer];
}

static void add_consumer(struct core *core, const struct effect *effect)
{
    assert_null(*tag_of(core, effect));
    *tag_of(core, effect) = bytes_to_text(bytes_of(effect->method->data, effect->method->size));
}

static void remove_consumer(struct core *core, const struct effect *effect)
{
    assert_non_null(*tag_of(core, effect));
    free(*tag_of(core, effect));
    *tag_of(core, effect) = NULL;
}

static void forget_tags(struct core *core, uint64_t connection)
{
    for (size_t i = 0; i < CORE_CHANNELS * CORE_CONSUMERS; i++) {
        free(core->tags[connection][i / CORE_CONSUMERS][i % CORE_CONSUMERS]);
        core->tags[connection][i / CORE_CONSUMERS][i % CORE_CONSUMERS] = NULL;
    }
}

static const char *name_of(const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_DELIVER:
        return " deliver";
    case EFFECT_ACK:
        return " ack";
    case EFFECT_NACK:
        return " nack";
    case EFFECT_SESSION_CLOSED:
        return " gone";
    case EFFECT_READ_PAUSE:
        return " pause";
    case EFFECT_READ_RESUME:
        return " resume";
    default:
        return "";
    }
}

static void print_tagged(struct core *core, const struct effect *effect)
{
    struct buffer *text = &core->transcript;
    if (effect->kind == EFFECT_DELIVER) {
        assert_non_null(*tag_of(core, effect));
        buffer_append_format(text, " %s", *tag_of(core, effect));
    }
    buffer_append_format(text, " %llu", (unsigned long long)effect->tag);
    if (effect->flag)
        buffer_append_format(text, effect->kind == EFFECT_DELIVER ? " redelivered" : " multiple");
}

static void print_question(struct buffer *text, const struct effect *effect)
{
    static const char *const kinds[] = {"queue", "exchange", "topic"};
    static const char *const permissions[] = {"configure", "write", "read"};
    const struct access_question *question = effect->question;
    buffer_append_format(text, " ask %llu", (unsigned long long)question->number);
    if (effect->kind == EFFECT_SECRET_QUESTION) {
        buffer_append_format(text, " secret %.*s", (int)question->size,
                             (const char *)question->data);
        return;
    }
    struct access_subject subject = access_question_subject(question);
    buffer_append_format(text, " %s %s %.*s", permissions[subject.permission], kinds[subject.kind],
                         TEXT(subject.name));
    if (subject.kind == ACCESS_TOPIC)
        buffer_append_format(text, " %.*s", TEXT(subject.key));
}

/* The deaths of a message, the latest first, how often it failed, how long it was delayed. */
static void print_history(struct buffer *text, const struct message *message)
{
    struct amqp_value value, reason, queue, count;
    struct bytes headers;
    if (!amqp_properties_headers(message_properties(message), &headers))
        return;
    if (amqp_table_find(headers, "x-delay", &value))
        buffer_append_format(text, " x-delay=%lld", (long long)value.integer);
    if (amqp_table_find(headers, "x-delivery-count", &value))
        buffer_append_format(text, " failures=%lld", (long long)value.integer);
    if (!amqp_table_find(headers, "x-death", &value))
        return;
    struct reader reader = reader_of(value.bytes);
    while (amqp_array_next(&reader, &value)) {
        assert_true(amqp_table_find(value.bytes, "reason", &reason));
        assert_true(amqp_table_find(value.bytes, "queue", &queue));
        assert_true(amqp_table_find(value.bytes, "count", &count));
        buffer_append_format(text, " %.*s:%.*s:%lld", TEXT(reason.bytes), TEXT(queue.bytes),
                             (long long)count.integer);
    }
}

static void print_effect(struct core *core, const struct effect *effect)
{
    struct buffer *text = &core->transcript;
    if (effect->kind == EFFECT_SESSION_OPENED || effect->kind == EFFECT_CHANNEL_OPENED ||
        effect->kind == EFFECT_CHANNEL_CLOSED)
        return;
    buffer_append_format(text, "%llu.%u%s", (unsigned long long)effect->connection, effect->channel,
                         name_of(effect));
    if (effect->kind == EFFECT_DELIVER || effect->kind == EFFECT_ACK || effect->kind == EFFECT_NACK)
        print_tagged(core, effect);
    else if (effect->kind == EFFECT_ACCESS_QUESTION || effect->kind == EFFECT_SECRET_QUESTION)
        print_question(text, effect);
    else if (effect->method != NULL)
        print_method(text, effect);
    if (effect->message != NULL) {
        buffer_append_format(text, " %.*s", TEXT(message_body(effect->message)));
        print_history(text, effect->message);
    }
    buffer_append_format(text, "\n");
}

static void take_effect(struct core *core, struct effect *effect)
{
    if (effect->kind == EFFECT_CONSUMER_ADD) {
        add_consumer(core, effect);
    } else if (effect->kind == EFFECT_CONSUMER_REMOVE) {
        remove_consumer(core, effect);
    } else {
        print_effect(core, effect);
    }
    if (effect->kind == EFFECT_SESSION_CLOSED) {
        core->sessions[effect->connection] = NULL;
        forget_tags(core, effect->connection);
    }
    effect_release(effect);
}

static void take_effects(struct core *core)
{
    vhost_check(core->vhost);
    struct effect_chain chain = vhost_take_effects(core->vhost, 0);
    while (chain.first != NULL) {
        struct effect_chunk *chunk = chain.first;
        chain.first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            take_effect(core, &chunk->effects[i]);
        effect_chunk_free(chunk);
    }
}

/* --- running */

static void collect_reads(struct core *core)
{
    struct store_read *reads;
    size_t count = vhost_take_reads(core->vhost, &reads);
    if (count > 0) {
        core->reads = xrealloc(core->reads, (core->read_count + count) * sizeof *core->reads);
        memcpy(core->reads + core->read_count, reads, count * sizeof *reads);
        core->read_count += count;
    }
    free(reads);
}

static void finish(struct core *core)
{
    take_effects(core);
    collect_reads(core);
}

void core_expect(struct core *core, const char *expected, const char *file, int line)
{
    buffer_append_u8(&core->transcript, '\0');
    bool is_equal = strcmp((char *)core->transcript.data, expected) == 0;
    if (!is_equal)
        print_error("--- expected\n%s--- is\n%s", expected, (char *)core->transcript.data);
    buffer_clear(&core->transcript);
    if (!is_equal)
        _fail(file, line);
}

static void apply(struct core *core, const char *commands)
{
    struct command_batch *batch = command_batch_new();
    char *copy = xstrdup(commands), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line != '\0')
            parse_line(core, line, batch);
    }
    vhost_apply(core->vhost, batch, ++core->now_ms);
    assert_int_equal(batch->count, 0);
    command_batch_free(batch);
    free(copy);
    finish(core);
}

void core_run(struct core *core, const char *commands, const char *expected, const char *file,
              int line)
{
    apply(core, commands);
    if (expected == NULL)
        buffer_append_u8(&core->transcript, '\0');
    else
        core_expect(core, expected, file, line);
}

void core_pass(struct core *core, uint64_t ms, const char *expected, const char *file, int line)
{
    struct command_batch nothing = {0};
    core->now_ms += ms;
    vhost_apply(core->vhost, &nothing, core->now_ms);
    finish(core);
    core_expect(core, expected, file, line);
}

bool core_submit(struct core *core)
{
    struct store_batch *batch = vhost_take_batch(core->vhost);
    if (batch != NULL)
        model_store_submit(core->store, batch);
    return batch != NULL;
}

static bool complete_one(struct core *core)
{
    uint64_t number = model_store_commit(core->store);
    if (number == 0)
        return false;
    vhost_complete(core->vhost, number, ++core->now_ms);
    finish(core);
    return true;
}

void core_complete(struct core *core, const char *expected, const char *file, int line)
{
    assert_true(complete_one(core));
    core_expect(core, expected, file, line);
}

void core_commit(struct core *core, const char *expected, const char *file, int line)
{
    while (core_submit(core) || model_store_has_submitted(core->store))
        complete_one(core);
    core_expect(core, expected, file, line);
}

bool core_has_reads(struct core *core)
{
    return core->read_count > 0;
}

static void answer_once(struct core *core, size_t rows_max)
{
    size_t count = core->read_count;
    struct store_read *reads = core->reads;
    core->reads = NULL;
    core->read_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_read_result *result = model_store_read(core->store, &reads[i], rows_max);
        vhost_read_done(core->vhost, result, ++core->now_ms);
        store_read_result_free(result);
        finish(core);
    }
    free(reads);
}

void core_answer(struct core *core, size_t rows_max, const char *expected, const char *file,
                 int line)
{
    assert_true(core->read_count > 0);
    answer_once(core, rows_max);
    core_expect(core, expected, file, line);
}

void core_answer_all(struct core *core, const char *expected, const char *file, int line)
{
    while (core->read_count > 0)
        answer_once(core, SIZE_MAX);
    core_expect(core, expected, file, line);
}

void core_settle(struct core *core, size_t rows_max)
{
    while (core->read_count > 0 || core_submit(core) || model_store_has_submitted(core->store)) {
        if (core->read_count > 0)
            answer_once(core, rows_max);
        complete_one(core);
    }
}

void core_open(struct core *core, unsigned session, unsigned channels)
{
    struct buffer text = {0};
    buffer_append_format(&text, "%u.0 connect\n", session);
    for (unsigned i = 1; i <= channels; i++)
        buffer_append_format(&text, "%u.%u channel.open\n", session, i);
    buffer_append_u8(&text, '\0');
    apply(core, (char *)text.data);
    buffer_fini(&text);
    buffer_clear(&core->transcript);
}

/* --- life */

static void open_vhost(struct core *core)
{
    struct store_opened opened = model_store_open(core->store);
    core->config.name_seed++;
    core->vhost = vhost_new(&core->config, core->access);
    vhost_restore(core->vhost, &opened);
    store_opened_fini(&opened);
    vhost_check(core->vhost);
    assert_false(vhost_has_batch(core->vhost));
}

static void close_vhost(struct core *core)
{
    vhost_free(core->vhost);
    core->vhost = NULL;
    for (size_t i = 0; i < CORE_SESSIONS; i++) {
        core->sessions[i] = NULL;
        forget_tags(core, i);
    }
    free(core->reads);
    core->reads = NULL;
    core->read_count = 0;
    buffer_clear(&core->transcript);
}

void core_init_with(struct core *core, const struct vhost_config *config)
{
    *core = (struct core){.config = *config, .now_ms = 1000};
    core->session_config = (struct session_config){
        .user = "guest",
        .channel_max = 2047,
        .output_bytes = 1u << 30,
        .has_cancel_notify = true,
        .has_blocked_notify = true,
    };
    core->access = access_new_open();
    core->store = model_store_new();
    open_vhost(core);
}

void core_init(struct core *core)
{
    struct vhost_config config;
    vhost_config_init(&config);
    core_init_with(core, &config);
}

void core_fini(struct core *core)
{
    close_vhost(core);
    model_store_free(core->store);
    access_free(core->access);
    buffer_fini(&core->transcript);
}

void core_crash(struct core *core)
{
    close_vhost(core);
    model_store_crash(core->store);
    open_vhost(core);
}

void core_restart(struct core *core)
{
    struct amqp_error reason;
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED,
                   "broker forced connection closure with reason 'shutdown'");
    vhost_stop(core->vhost, &reason, ++core->now_ms);
    finish(core);
    while (core_submit(core) || model_store_has_submitted(core->store))
        complete_one(core);
    core_crash(core);
}

int core_setup(void **state)
{
    struct core *core = xcalloc(1, sizeof *core);
    core_init(core);
    *state = core;
    return 0;
}

int core_teardown(void **state)
{
    core_fini(*state);
    free(*state);
    return 0;
}

void core_assert_queue(struct core *core, const char *name, const char *expected, const char *file,
                       int line)
{
    struct queue_status status;
    char text[96] = "none";
    if (vhost_queue_status(core->vhost, bytes_of_text(name), &status))
        snprintf(text, sizeof text, "%llu %llu %llu", (unsigned long long)status.ready,
                 (unsigned long long)status.unacked, (unsigned long long)status.consumers);
    if (strcmp(text, expected) == 0)
        return;
    print_error("%s is '%s', expected '%s'\n", name, text, expected);
    _fail(file, line);
}

struct vhost_counters core_counters(const struct core *core)
{
    struct vhost_counters counters;
    vhost_count(core->vhost, &counters);
    return counters;
}
