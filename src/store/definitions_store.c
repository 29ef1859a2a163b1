/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.db: small, changed rarely, and what decides what exists. All kinds of things are rows
 * of one shape: up to five texts, the first one to three of them the key, and a checksum over the
 * table's number and all texts, verified on every reading. So one function writes them all and one
 * reads them all, and a table says which.
 *
 * The number of a vhost comes from a counter in the same file and is never used again, so that a
 * folder that was left behind can never become another vhost's.
 */
#include "store/definitions_store.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_check.h"

enum { texts_max = DEFINITIONS_TEXTS_MAX, cache_kib = 512 };

/* Version 2: what RabbitMQ calls parameters, and all that goes with vhosts and users. */
#define TABLES_OF_VERSION_2                                                                        \
    "CREATE TABLE vhost_metadata(vhost TEXT PRIMARY KEY NOT NULL, metadata TEXT NOT NULL,"         \
    " checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                                           \
    "CREATE TABLE user_limits(user TEXT PRIMARY KEY NOT NULL, limits TEXT NOT NULL,"               \
    " checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                                           \
    "CREATE TABLE topic_permission(user TEXT NOT NULL, vhost TEXT NOT NULL,"                       \
    " exchange TEXT NOT NULL, write TEXT NOT NULL, read TEXT NOT NULL, checksum INTEGER NOT NULL," \
    " PRIMARY KEY(user, vhost, exchange)) STRICT, WITHOUT ROWID;"                                  \
    "CREATE TABLE parameter(vhost TEXT NOT NULL, component TEXT NOT NULL, name TEXT NOT NULL,"     \
    " value TEXT NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY(vhost, component, name))"        \
    " STRICT, WITHOUT ROWID;"

static const char *const upgrades[] = {TABLES_OF_VERSION_2};

static const struct sqlite_format format = {
    .kind = " definitions file",
    .application_id = 0x4c657664, /* "Levd" */
    .version = 2,
    .page_bytes = 4096,
    .wipes_deleted = true, /* there are hashes of passwords in it */
    .schema =
        "CREATE TABLE vhost(name TEXT PRIMARY KEY NOT NULL, id INTEGER UNIQUE NOT NULL,"
        " checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE vhost_next(one INTEGER PRIMARY KEY CHECK(one=1), id INTEGER NOT NULL) STRICT;"
        "INSERT INTO vhost_next VALUES(1, 1);"
        "CREATE TABLE user(name TEXT PRIMARY KEY NOT NULL, password_hash TEXT NOT NULL,"
        " hashing_algorithm TEXT NOT NULL, tags TEXT NOT NULL, checksum INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID;"
        "CREATE TABLE permission(user TEXT NOT NULL, vhost TEXT NOT NULL, configure TEXT NOT NULL,"
        " write TEXT NOT NULL, read TEXT NOT NULL, checksum INTEGER NOT NULL,"
        " PRIMARY KEY(user, vhost)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE global_parameter(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL,"
        " checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;" TABLES_OF_VERSION_2,
    .upgrades = upgrades,
};

struct definitions_store {
    char *path; /* owned */
    sqlite3 *db;
    char error[512];
    struct definitions_check *check; /* what is damaged is told and passed over; or NULL */
};

static bool failed(struct definitions_store *store, const char *what)
{
    snprintf(store->error, sizeof store->error, "%s: %s: %s", store->path, what,
             sqlite3_errmsg(store->db));
    return false;
}

const char *definitions_store_error(const struct definitions_store *store)
{
    return store->error;
}

/* A file that was brought up to date is looked at before that counts. */
static bool look_and_accept(struct definitions_store *store, char *reason, size_t reason_size)
{
    if (sqlite3_get_autocommit(store->db))
        return true;
    struct definitions *definitions = definitions_load(store);
    if (definitions == NULL)
        snprintf(reason, reason_size, "%s", store->error);
    bool is_right = definitions != NULL;
    definitions_free(definitions);
    return is_right && sqlite_file_accept(store->db, reason, reason_size);
}

struct definitions_store *definitions_store_open(const char *folder, char *reason,
                                                 size_t reason_size)
{
    struct definitions_store *store = xcalloc(1, sizeof *store);
    size_t size = strlen(folder) + sizeof "/definitions.db";
    bool is_full;
    store->path = xmalloc(size);
    snprintf(store->path, size, "%s/definitions.db", folder);
    store->db = sqlite_file_open(store->path, &format, cache_kib, reason, reason_size, &is_full);
    if (store->db != NULL && look_and_accept(store, reason, reason_size)) {
        sqlite3_wal_autocheckpoint(store->db, 200);
        return store;
    }
    definitions_store_close(store);
    return NULL;
}

void definitions_store_close(struct definitions_store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

/* --- statements */

static sqlite3_stmt *prepare(struct definitions_store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
        failed(store, sql);
    return statement;
}

static bool finish(struct definitions_store *store, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    bool succeeded = code == SQLITE_DONE || failed(store, sqlite3_sql(statement));
    sqlite3_finalize(statement);
    return succeeded;
}

static bool execute(struct definitions_store *store, const char *sql)
{
    sqlite3_stmt *statement = prepare(store, sql);
    return statement != NULL && finish(store, statement);
}

/* Runs a statement with texts for parameters, of which there are count. */
static bool run(struct definitions_store *store, const char *sql, int count, ...)
{
    va_list texts;
    sqlite3_stmt *statement = prepare(store, sql);
    if (statement == NULL)
        return false;
    va_start(texts, count);
    for (int i = 1; i <= count; i++)
        sqlite3_bind_text(statement, i, va_arg(texts, const char *), -1, SQLITE_STATIC);
    va_end(texts);
    return finish(store, statement);
}

/* Alone, or inside of definitions_begin and definitions_end. */
static bool begin_change(struct definitions_store *store)
{
    return execute(store, "SAVEPOINT change");
}

static bool end_change(struct definitions_store *store, bool succeeded)
{
    if (succeeded && execute(store, "RELEASE change"))
        return true;
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK TO change; RELEASE change", NULL, NULL, NULL);
    return false;
}

bool definitions_begin(struct definitions_store *store)
{
    return execute(store, "BEGIN IMMEDIATE");
}

bool definitions_end(struct definitions_store *store, bool succeeded)
{
    if (succeeded && execute(store, "COMMIT"))
        return true;
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* --- checksums */

enum table {
    table_vhost = 1,
    table_user,
    table_permission,
    table_global,
    table_metadata,
    table_limits,
    table_topic_permission,
    table_parameter
};

static int64_t checksum_of(enum table table, uint64_t id, const char *const *texts, int count)
{
    uint64_t identity[] = {htole64((uint64_t)table), htole64(id)};
    uint64_t checksum = XXH3_64bits(identity, sizeof identity);
    for (int i = 0; i < count; i++)
        checksum = XXH3_64bits_withSeed(texts[i], strlen(texts[i]) + 1, checksum);
    return (int64_t)checksum;
}

/* --- writing */

static bool put(struct definitions_store *store, enum table table, const char *sql,
                const char *const *texts, int count)
{
    sqlite3_stmt *statement = prepare(store, sql);
    if (statement == NULL)
        return false;
    for (int i = 0; i < count; i++)
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, count + 1, checksum_of(table, 0, texts, count));
    return finish(store, statement);
}

bool definitions_put_user(struct definitions_store *store, const struct definitions_user *user)
{
    const char *texts[] = {user->name, user->password_hash, user->hashing_algorithm, user->tags};
    return put(store, table_user, "INSERT OR REPLACE INTO user VALUES(?,?,?,?,?)", texts, 4);
}

bool definitions_put_permission(struct definitions_store *store,
                                const struct definitions_permission *permission)
{
    const char *texts[] = {permission->user, permission->vhost, permission->configure,
                           permission->write, permission->read};
    return put(store, table_permission, "INSERT OR REPLACE INTO permission VALUES(?,?,?,?,?,?)",
               texts, 5);
}

/* --- what is texts alone */

static const struct kind {
    enum table table;
    const char *name;
    const char *columns;
    int text_count, key_count;
} kinds[DEFINITIONS_KIND_COUNT] = {
    [DEFINITIONS_VHOST_METADATA] = {table_metadata, "vhost_metadata", "vhost, metadata", 2, 1},
    [DEFINITIONS_USER_LIMITS] = {table_limits, "user_limits", "user, limits", 2, 1},
    [DEFINITIONS_TOPIC_PERMISSION] = {table_topic_permission, "topic_permission",
                                      "user, vhost, exchange, write, read", 5, 3},
    [DEFINITIONS_PARAMETER] = {table_parameter, "parameter", "vhost, component, name, value", 4, 3},
    [DEFINITIONS_GLOBAL] = {table_global, "global_parameter", "name, value", 2, 1},
};

int definitions_text_count(enum definitions_kind kind)
{
    return kinds[kind].text_count;
}

int definitions_key_count(enum definitions_kind kind)
{
    return kinds[kind].key_count;
}

bool definitions_put(struct definitions_store *store, enum definitions_kind kind,
                     const char *const *texts)
{
    static const char *const marks[] = {"", "", "?,?,?", "?,?,?,?", "?,?,?,?,?", "?,?,?,?,?,?"};
    char sql[120];
    int count = kinds[kind].text_count;
    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s VALUES(%s)", kinds[kind].name,
             marks[count]);
    return put(store, kinds[kind].table, sql, texts, count);
}

bool definitions_delete(struct definitions_store *store, enum definitions_kind kind,
                        const char *const *key)
{
    static const char *const wanted[] = {"", "(?)", "(?,?)", "(?,?,?)"};
    char sql[160];
    int count = kinds[kind].key_count;
    /* The columns of the key stand first. */
    const char *end = kinds[kind].columns;
    for (int i = 0; i < count; i++)
        end += strcspn(end, ",") + (i + 1 < count);
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE (%.*s)=%s", kinds[kind].name,
             (int)(end - kinds[kind].columns), kinds[kind].columns, wanted[count]);
    sqlite3_stmt *statement = prepare(store, sql);
    if (statement == NULL)
        return false;
    for (int i = 0; i < count; i++)
        sqlite3_bind_text(statement, i + 1, key[i], -1, SQLITE_STATIC);
    return finish(store, statement);
}

bool definitions_delete_user(struct definitions_store *store, const char *name)
{
    bool succeeded = begin_change(store) &&
                     run(store, "DELETE FROM permission WHERE user=?", 1, name) &&
                     run(store, "DELETE FROM topic_permission WHERE user=?", 1, name) &&
                     run(store, "DELETE FROM user_limits WHERE user=?", 1, name) &&
                     run(store, "DELETE FROM user WHERE name=?", 1, name);
    return end_change(store, succeeded);
}

bool definitions_delete_vhost(struct definitions_store *store, const char *name)
{
    bool succeeded = begin_change(store) &&
                     run(store, "DELETE FROM permission WHERE vhost=?", 1, name) &&
                     run(store, "DELETE FROM topic_permission WHERE vhost=?", 1, name) &&
                     run(store, "DELETE FROM parameter WHERE vhost=?", 1, name) &&
                     run(store, "DELETE FROM vhost_metadata WHERE vhost=?", 1, name) &&
                     run(store, "DELETE FROM vhost WHERE name=?", 1, name);
    return end_change(store, succeeded);
}

bool definitions_delete_permission(struct definitions_store *store, const char *user,
                                   const char *vhost)
{
    return run(store, "DELETE FROM permission WHERE user=? AND vhost=?", 2, user, vhost);
}

/* *number stays as it is where there is no row. */
static bool read_number(struct definitions_store *store, const char *sql, const char *text,
                        uint64_t *number)
{
    sqlite3_stmt *statement = prepare(store, sql);
    if (statement == NULL)
        return false;
    if (text != NULL)
        sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE || failed(store, sql);
}

static bool insert_vhost(struct definitions_store *store, const char *name, uint64_t id)
{
    sqlite3_stmt *statement = prepare(store, "INSERT INTO vhost VALUES(?,?,?)");
    if (statement == NULL)
        return false;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, (int64_t)id);
    sqlite3_bind_int64(statement, 3, checksum_of(table_vhost, id, &name, 1));
    return finish(store, statement) && execute(store, "UPDATE vhost_next SET id=id+1");
}

uint64_t definitions_put_vhost(struct definitions_store *store, const char *name)
{
    uint64_t id = 0;
    bool succeeded =
        begin_change(store) && read_number(store, "SELECT id FROM vhost WHERE name=?", name, &id);
    if (succeeded && id == 0)
        succeeded = read_number(store, "SELECT id FROM vhost_next", NULL, &id) &&
                    (id > 0 || failed(store, "the next vhost number")) &&
                    insert_vhost(store, name, id);
    return end_change(store, succeeded) ? id : 0;
}

/* --- reading */

static char *column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return xstrdup(text != NULL ? (const char *)text : "");
}

/* Where a table's rows go. */
struct loading {
    struct definitions *definitions;
    size_t capacity;
};

static void add_vhost(struct loading *loading, uint64_t id, char **texts)
{
    struct definitions *d = loading->definitions;
    d->vhosts = xgrow(d->vhosts, &loading->capacity, d->vhost_count + 1, sizeof *d->vhosts);
    d->vhosts[d->vhost_count++] = (struct definitions_vhost){id, texts[0]};
}

static void add_user(struct loading *loading, uint64_t id, char **texts)
{
    struct definitions *d = loading->definitions;
    (void)id;
    d->users = xgrow(d->users, &loading->capacity, d->user_count + 1, sizeof *d->users);
    d->users[d->user_count++] = (struct definitions_user){texts[0], texts[1], texts[2], texts[3]};
}

static void add_permission(struct loading *loading, uint64_t id, char **texts)
{
    struct definitions *d = loading->definitions;
    (void)id;
    d->permissions =
        xgrow(d->permissions, &loading->capacity, d->permission_count + 1, sizeof *d->permissions);
    d->permissions[d->permission_count++] =
        (struct definitions_permission){texts[0], texts[1], texts[2], texts[3], texts[4]};
}

static const struct source {
    enum table table;
    const char *sql; /* checksum, number, texts */
    int text_count;
    void (*add)(struct loading *loading, uint64_t id, char **texts); /* takes the texts */
} sources[] = {
    {table_vhost, "SELECT checksum, id, name FROM vhost ORDER BY name", 1, add_vhost},
    {table_user,
     "SELECT checksum, 0, name, password_hash, hashing_algorithm, tags FROM user ORDER BY name", 4,
     add_user},
    {table_permission,
     "SELECT checksum, 0, user, vhost, configure, write, read FROM permission ORDER BY user, vhost",
     5, add_permission},
};

/* Copies a row's texts; false (and nothing to free) where they are not what was written. */
static bool take_texts(struct definitions_store *store, sqlite3_stmt *select, enum table table,
                       int count, char **texts)
{
    for (int i = 0; i < count; i++)
        texts[i] = column_text(select, i + 2);
    uint64_t id = (uint64_t)sqlite3_column_int64(select, 1);
    if (checksum_of(table, id, (const char *const *)texts, count) ==
        sqlite3_column_int64(select, 0))
        return true;
    snprintf(store->error, sizeof store->error, "%s is damaged: a row that begins with '%.60s'",
             store->path, texts[0]);
    for (int i = 0; i < count; i++)
        free(texts[i]);
    return false;
}

/* true where a row that is damaged is not the end of reading. */
static bool pass_over(struct definitions_store *store)
{
    if (store->check == NULL)
        return false;
    store->check->faults++;
    store->check->on_fault(store->check->context, store->error);
    return true;
}

static bool load_table(struct definitions_store *store, const struct source *source,
                       struct definitions *definitions)
{
    struct loading loading = {.definitions = definitions};
    char *texts[texts_max];
    sqlite3_stmt *select = prepare(store, source->sql);
    bool succeeded = select != NULL;
    int code = SQLITE_DONE;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW) {
        if (take_texts(store, select, source->table, source->text_count, texts))
            source->add(&loading, (uint64_t)sqlite3_column_int64(select, 1), texts);
        else
            succeeded = pass_over(store);
    }
    if (succeeded && code != SQLITE_DONE)
        succeeded = failed(store, source->sql);
    sqlite3_finalize(select);
    return succeeded;
}

static bool load_kind(struct definitions_store *store, enum definitions_kind kind,
                      struct definitions *definitions)
{
    char sql[160];
    size_t capacity = 0;
    int count = kinds[kind].text_count, code = SQLITE_DONE;
    snprintf(sql, sizeof sql, "SELECT checksum, 0, %s FROM %s ORDER BY %s", kinds[kind].columns,
             kinds[kind].name, kinds[kind].columns);
    sqlite3_stmt *select = prepare(store, sql);
    bool succeeded = select != NULL;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct definitions_row row = {{NULL}};
        if (!take_texts(store, select, kinds[kind].table, count, row.texts)) {
            succeeded = pass_over(store);
            continue;
        }
        definitions->others[kind].rows = xgrow(definitions->others[kind].rows, &capacity,
                                               definitions->others[kind].count + 1, sizeof row);
        definitions->others[kind].rows[definitions->others[kind].count++] = row;
    }
    if (succeeded && code != SQLITE_DONE)
        succeeded = failed(store, sql);
    sqlite3_finalize(select);
    return succeeded;
}

struct definitions *definitions_load(struct definitions_store *store)
{
    struct definitions *definitions = xcalloc(1, sizeof *definitions);
    bool succeeded = true;
    for (size_t i = 0; succeeded && i < sizeof sources / sizeof sources[0]; i++)
        succeeded = load_table(store, &sources[i], definitions);
    for (int i = 0; succeeded && i < DEFINITIONS_KIND_COUNT; i++)
        succeeded = load_kind(store, (enum definitions_kind)i, definitions);
    if (succeeded)
        return definitions;
    definitions_free(definitions);
    return NULL;
}

/* --- the offline check */

static void tell(struct definitions_check *check, const char *format_text, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct definitions_check *check, const char *format_text, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format_text);
    vsnprintf(text, sizeof text, format_text, arguments);
    va_end(arguments);
    check->faults++;
    check->on_fault(check->context, text);
}

static bool has_vhost(const struct definitions *definitions, const char *name)
{
    for (size_t i = 0; i < definitions->vhost_count; i++) {
        if (strcmp(definitions->vhosts[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool has_user(const struct definitions *definitions, const char *name)
{
    for (size_t i = 0; i < definitions->user_count; i++) {
        if (strcmp(definitions->users[i].name, name) == 0)
            return true;
    }
    return false;
}

/* What goes with a vhost or a user, and is deleted with it. */
static void check_owners(const struct definitions *d, struct definitions_check *check)
{
    for (size_t i = 0; i < d->permission_count; i++) {
        const struct definitions_permission *permission = &d->permissions[i];
        if (!has_user(d, permission->user) || !has_vhost(d, permission->vhost))
            tell(check, "a permission of user '%s' in vhost '%s', one of which is not there",
                 permission->user, permission->vhost);
    }
    for (int kind = 0; kind < DEFINITIONS_KIND_COUNT; kind++) {
        bool is_of_user = kind == DEFINITIONS_USER_LIMITS || kind == DEFINITIONS_TOPIC_PERMISSION;
        bool is_of_vhost = kind == DEFINITIONS_VHOST_METADATA || kind == DEFINITIONS_PARAMETER;
        for (size_t i = 0; i < d->others[kind].count; i++) {
            const char *owner = d->others[kind].rows[i].texts[0];
            if ((is_of_user && !has_user(d, owner)) || (is_of_vhost && !has_vhost(d, owner)))
                tell(check, "a row of %s for '%s', which is not there", kinds[kind].name, owner);
        }
    }
}

static void check_numbers(struct definitions_store *store, const struct definitions *d,
                          struct definitions_check *check)
{
    uint64_t next = 0;
    if (!read_number(store, "SELECT id FROM vhost_next", NULL, &next))
        tell(check, "%s", store->error);
    for (size_t i = 0; i < d->vhost_count; i++) {
        if (d->vhosts[i].id == 0 || d->vhosts[i].id >= next)
            tell(check, "vhost '%s' has number %llu, the next one is %llu", d->vhosts[i].name,
                 (unsigned long long)d->vhosts[i].id, (unsigned long long)next);
    }
}

struct definitions *definitions_check(const char *folder, struct definitions_check *check)
{
    char reason[512];
    struct definitions_store *store = xcalloc(1, sizeof *store);
    size_t size = strlen(folder) + sizeof "/definitions.db";
    struct definitions *definitions = NULL;
    store->path = xmalloc(size);
    store->check = check;
    snprintf(store->path, size, "%s/definitions.db", folder);
    store->db = sqlite_file_look(store->path, &format, reason, sizeof reason);
    if (store->db == NULL) {
        tell(check, "%s", reason);
    } else {
        check->pages =
            sqlite_file_check(store->db, check->on_fault, check->context, &check->faults);
        definitions = definitions_load(store);
        if (definitions == NULL)
            tell(check, "%s", store->error);
    }
    if (definitions != NULL) {
        check_owners(definitions, check);
        check_numbers(store, definitions, check);
    }
    definitions_store_close(store);
    return definitions;
}

/* --- */

void definitions_free(struct definitions *definitions)
{
    if (definitions == NULL)
        return;
    for (size_t i = 0; i < definitions->vhost_count; i++)
        free(definitions->vhosts[i].name);
    for (size_t i = 0; i < definitions->user_count; i++) {
        struct definitions_user *user = &definitions->users[i];
        free(user->name), free(user->password_hash), free(user->hashing_algorithm);
        free(user->tags);
    }
    for (size_t i = 0; i < definitions->permission_count; i++) {
        struct definitions_permission *permission = &definitions->permissions[i];
        free(permission->user), free(permission->vhost), free(permission->configure);
        free(permission->write), free(permission->read);
    }
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        for (size_t j = 0; j < definitions->others[i].count; j++) {
            for (int k = 0; k < DEFINITIONS_TEXTS_MAX; k++)
                free(definitions->others[i].rows[j].texts[k]);
        }
        free(definitions->others[i].rows);
    }
    free(definitions->vhosts);
    free(definitions->users);
    free(definitions->permissions);
    free(definitions);
}
