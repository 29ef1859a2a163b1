/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of rows by user and vhost, each with three compiled patterns. Nothing changes after
 * the building, so that any number of threads read it; what a match needs in addition is made for
 * the call and freed after it.
 *
 * Whoever sets permissions is trusted with them, not with the server's time: a pattern such as
 * (a+)+$ may take exponential time on a name that somebody else chooses. A match therefore gives up
 * after a fixed amount of work, and a match that gave up allows nothing, as in RabbitMQ.
 *
 * ".*" is what most users have and is known without a match; it is asked on the way of messages.
 * Topic permissions are a second table of the same kind. Who they are about is known when they are
 * added, so that the variables in their patterns are replaced then, and not for every message.
 *
 * Patterns are matched byte by byte, not as UTF-8, as RabbitMQ does. They are not turned into
 * machine code: that takes longer than a thousand matches, every change of a user compiles all
 * patterns anew, and publishing asks once per route.
 */
#include "broker/access.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"

enum { PERMISSION_COUNT = PERMISSION_READ + 1 };

enum {
    MATCH_WORK_MAX = 100000, /* steps of the matcher: some milliseconds */
    MATCH_HEAP_KIB_MAX = 1024,
};

struct row {
    struct hash_node by_key;
    char *user;  /* owned */
    char *vhost; /* owned */
    size_t user_size;
    size_t vhost_size;
    pcre2_code *patterns[PERMISSION_COUNT]; /* owned; NULL: matches everything */
};

/* A topic permission. It restricts what a row of the other kind allows. */
struct topic_row {
    struct hash_node by_key;
    char *user;     /* owned */
    char *vhost;    /* owned */
    char *exchange; /* owned */
    size_t user_size;
    size_t vhost_size;
    size_t exchange_size;
    pcre2_code *patterns[PERMISSION_COUNT]; /* as above; that of configure is never asked */
};

struct access {
    bool is_open; /* everybody may do everything */
    struct hash_table rows;
    struct hash_table topic_rows;
    struct hash_table limited_users;
    pcre2_match_context *limits; /* owned */
};

struct row_key {
    struct bytes user;
    struct bytes vhost;
};

static uint64_t key_hash(const struct row_key *key)
{
    return bytes_hash(key->user, bytes_hash(key->vhost, 0));
}

static bool row_matches(const struct hash_node *node, const void *key)
{
    const struct row *row = container_of(node, struct row, by_key);
    const struct row_key *wanted = key;
    return bytes_equal(bytes_of(row->user, row->user_size), wanted->user) &&
           bytes_equal(bytes_of(row->vhost, row->vhost_size), wanted->vhost);
}

struct topic_key {
    struct bytes user;
    struct bytes vhost;
    struct bytes exchange;
};

static uint64_t topic_key_hash(const struct topic_key *key)
{
    return bytes_hash(key->user, bytes_hash(key->vhost, bytes_hash(key->exchange, 0)));
}

static bool topic_row_matches(const struct hash_node *node, const void *key)
{
    const struct topic_row *row = container_of(node, struct topic_row, by_key);
    const struct topic_key *wanted = key;
    return bytes_equal(bytes_of(row->user, row->user_size), wanted->user) &&
           bytes_equal(bytes_of(row->vhost, row->vhost_size), wanted->vhost) &&
           bytes_equal(bytes_of(row->exchange, row->exchange_size), wanted->exchange);
}

static struct topic_row *find_topic_row(const struct access *access, const struct topic_key *key)
{
    struct hash_node *node =
        hash_table_find(&access->topic_rows, topic_key_hash(key), topic_row_matches, key);
    return node != NULL ? container_of(node, struct topic_row, by_key) : NULL;
}

static struct row *find_row(const struct access *access, struct bytes user, struct bytes vhost)
{
    struct row_key key = {user, vhost};
    struct hash_node *node = hash_table_find(&access->rows, key_hash(&key), row_matches, &key);
    return node != NULL ? container_of(node, struct row, by_key) : NULL;
}

/* --- asking */

bool access_may_enter(const struct access *access, struct bytes user, struct bytes vhost)
{
    return access->is_open || find_row(access, user, vhost) != NULL;
}

static bool pattern_matches(const struct access *access, const pcre2_code *pattern,
                            struct bytes subject)
{
    /* One pair of offsets: whether it matches is all that is asked. */
    pcre2_match_data *scratch = pcre2_match_data_create(1, NULL);
    CHECK(scratch != NULL);
    PCRE2_SPTR text = subject.size > 0 ? subject.data : (PCRE2_SPTR) "";
    int result = pcre2_match(pattern, text, subject.size, 0, 0, scratch, access->limits);
    pcre2_match_data_free(scratch);
    return result >= 0;
}

bool access_allows(const struct access *access, struct bytes user, struct bytes vhost,
                   enum permission permission, struct bytes resource)
{
    if (access->is_open)
        return true;
    const struct row *row = find_row(access, user, vhost);
    if (row == NULL)
        return false;
    const pcre2_code *pattern = row->patterns[permission];
    return pattern == NULL || pattern_matches(access, pattern, resource);
}

bool access_allows_topic(const struct access *access, struct bytes user, struct bytes vhost,
                         struct bytes exchange, enum permission permission, struct bytes key)
{
    /* Nearly nobody has any, and this is asked on the way of messages. */
    if (access->topic_rows.count == 0)
        return true;
    struct topic_key topic = {user, vhost, exchange};
    const struct topic_row *row = find_topic_row(access, &topic);
    if (row == NULL)
        return true;
    const pcre2_code *pattern = row->patterns[permission];
    return pattern == NULL || pattern_matches(access, pattern, key);
}

/* --- building */

struct access *access_new(void)
{
    struct access *access = xcalloc(1, sizeof *access);
    hash_table_init(&access->rows);
    hash_table_init(&access->topic_rows);
    access->limits = pcre2_match_context_create(NULL);
    CHECK(access->limits != NULL);
    pcre2_set_match_limit(access->limits, MATCH_WORK_MAX);
    pcre2_set_heap_limit(access->limits, MATCH_HEAP_KIB_MAX);
    return access;
}

struct access *access_new_open(void)
{
    struct access *access = access_new();
    access->is_open = true;
    return access;
}

static void row_free(struct row *row)
{
    for (size_t i = 0; i < PERMISSION_COUNT; i++)
        pcre2_code_free(row->patterns[i]);
    free(row->user);
    free(row->vhost);
    free(row);
}

/* NULL in *pattern for what matches everything. */
static bool compile(struct bytes text, pcre2_code **pattern, char *reason, size_t reason_size)
{
    if (bytes_equal_text(text, ".*"))
        return true;
    struct bytes source = text.size > 0 ? text : bytes_of_text("^$");
    int code;
    size_t offset;
    *pattern = pcre2_compile(source.data, source.size, 0, &code, &offset, NULL);
    if (*pattern == NULL) {
        PCRE2_UCHAR message[256];
        pcre2_get_error_message(code, message, sizeof message);
        snprintf(reason, reason_size, "regular expression '%.*s' is invalid: %s at offset %zu",
                 (int)source.size, (const char *)source.data, (const char *)message, offset);
        return false;
    }
    return true;
}

static void drop_row(struct access *access, struct row *row)
{
    hash_table_remove(&access->rows, &row->by_key);
    row_free(row);
}

bool access_add_permission(struct access *access, struct bytes user, struct bytes vhost,
                           struct bytes configure, struct bytes write, struct bytes read,
                           char *reason, size_t reason_size)
{
    const struct bytes texts[PERMISSION_COUNT] = {
        [PERMISSION_CONFIGURE] = configure,
        [PERMISSION_WRITE] = write,
        [PERMISSION_READ] = read,
    };
    struct row *row = xcalloc(1, sizeof *row);
    for (size_t i = 0; i < PERMISSION_COUNT; i++) {
        if (!compile(texts[i], &row->patterns[i], reason, reason_size)) {
            row_free(row);
            return false;
        }
    }
    row->user = bytes_to_text(user);
    row->user_size = user.size;
    row->vhost = bytes_to_text(vhost);
    row->vhost_size = vhost.size;
    struct row *former = find_row(access, user, vhost);
    if (former != NULL)
        drop_row(access, former);
    struct row_key key = {user, vhost};
    hash_table_insert(&access->rows, &row->by_key, key_hash(&key));
    return true;
}

static void topic_row_free(struct topic_row *row)
{
    for (size_t i = 0; i < PERMISSION_COUNT; i++)
        pcre2_code_free(row->patterns[i]);
    free(row->user);
    free(row->vhost);
    free(row->exchange);
    free(row);
}

static void drop_topic_row(struct access *access, struct topic_row *row)
{
    hash_table_remove(&access->topic_rows, &row->by_key);
    topic_row_free(row);
}

/* Appends text with every placeholder replaced by value. */
static void append_expanded(struct buffer *expanded, struct bytes text, const char *placeholder,
                            struct bytes value)
{
    size_t size = strlen(placeholder);
    for (size_t i = 0; i < text.size;) {
        if (text.size - i >= size && memcmp(text.data + i, placeholder, size) == 0) {
            buffer_append_bytes(expanded, value);
            i += size;
        } else {
            buffer_append_u8(expanded, text.data[i++]);
        }
    }
}

/* The values stand in the pattern as they are, unquoted, in this order: RabbitMQ does the same. */
static bool compile_expanded(const struct topic_key *key, struct bytes text, pcre2_code **pattern,
                             char *reason, size_t reason_size)
{
    struct buffer halfway = {0}, expanded = {0};
    append_expanded(&halfway, text, "{username}", key->user);
    append_expanded(&expanded, buffer_bytes(&halfway), "{vhost}", key->vhost);
    bool is_good = compile(buffer_bytes(&expanded), pattern, reason, reason_size);
    buffer_fini(&halfway);
    buffer_fini(&expanded);
    return is_good;
}

bool access_add_topic_permission(struct access *access, struct bytes user, struct bytes vhost,
                                 struct bytes exchange, struct bytes write, struct bytes read,
                                 char *reason, size_t reason_size)
{
    struct topic_key key = {user, vhost, exchange};
    struct topic_row *row = xcalloc(1, sizeof *row);
    if (!compile_expanded(&key, write, &row->patterns[PERMISSION_WRITE], reason, reason_size) ||
        !compile_expanded(&key, read, &row->patterns[PERMISSION_READ], reason, reason_size)) {
        topic_row_free(row);
        return false;
    }
    row->user = bytes_to_text(user);
    row->user_size = user.size;
    row->vhost = bytes_to_text(vhost);
    row->vhost_size = vhost.size;
    row->exchange = bytes_to_text(exchange);
    row->exchange_size = exchange.size;
    struct topic_row *former = find_topic_row(access, &key);
    if (former != NULL)
        drop_topic_row(access, former);
    hash_table_insert(&access->topic_rows, &row->by_key, topic_key_hash(&key));
    return true;
}

static void free_topic_rows(struct access *access)
{
    struct hash_node *node = hash_table_next(&access->topic_rows, NULL);
    while (node != NULL) {
        struct topic_row *row = container_of(node, struct topic_row, by_key);
        node = hash_table_next(&access->topic_rows, node);
        drop_topic_row(access, row);
    }
    hash_table_fini(&access->topic_rows);
}

/* --- limits of users */

struct limited_user {
    struct hash_node by_name;
    char *name; /* owned */
    struct access_limits limits;
};

static bool is_user(const struct hash_node *node, const void *key)
{
    return bytes_equal_text(*(const struct bytes *)key,
                            container_of(node, struct limited_user, by_name)->name);
}

void access_add_limits(struct access *access, struct bytes user, const struct access_limits *limits)
{
    struct limited_user *limited = xmalloc(sizeof *limited);
    *limited = (struct limited_user){.name = bytes_to_text(user), .limits = *limits};
    hash_table_insert(&access->limited_users, &limited->by_name, bytes_hash(user, 0));
}

struct access_limits access_limits_of(const struct access *access, struct bytes user)
{
    struct hash_node *node =
        hash_table_find(&access->limited_users, bytes_hash(user, 0), is_user, &user);
    return node != NULL ? container_of(node, struct limited_user, by_name)->limits
                        : (struct access_limits){UINT64_MAX, UINT64_MAX};
}

static void free_limited_users(struct access *access)
{
    struct hash_node *node = hash_table_next(&access->limited_users, NULL);
    while (node != NULL) {
        struct limited_user *limited = container_of(node, struct limited_user, by_name);
        node = hash_table_next(&access->limited_users, node);
        hash_table_remove(&access->limited_users, &limited->by_name);
        free(limited->name);
        free(limited);
    }
    hash_table_fini(&access->limited_users);
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    struct hash_node *node = hash_table_next(&access->rows, NULL);
    while (node != NULL) {
        struct row *row = container_of(node, struct row, by_key);
        node = hash_table_next(&access->rows, node);
        drop_row(access, row);
    }
    hash_table_fini(&access->rows);
    free_topic_rows(access);
    free_limited_users(access);
    pcre2_match_context_free(access->limits);
    free(access);
}
