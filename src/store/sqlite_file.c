/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How every SQLite file of ours is made, recognised and opened. A new file gets its schema,
 * application_id and user_version in one transaction, with the rollback journal, before it changes
 * to WAL: the ids are in the first page of the file itself from the first table on. So the first
 * look at an existing file is at these bytes, without SQLite, which would already write beside it.
 * Only a file of one page, without ids and without room for a table, may be one of ours: choosing
 * auto_vacuum writes that page.
 *
 * A file of an older version gets what it lacks and its new version in one transaction, which is
 * committed only when the caller has read the file: one that turns out to be damaged is not
 * touched.
 */
#include "store/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum {
    header_bytes = 100,
    pages_offset = 28,
    version_offset = 60,
    application_id_offset = 68,
    busy_ms = 10000,
};

static void explain(char *reason, size_t size, const char *path, const char *what,
                    const char *detail)
{
    snprintf(reason, size, "%s: %s%s%s", path, what, detail != NULL ? ": " : "",
             detail != NULL ? detail : "");
}

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Bytes of the header that are there: header_bytes, fewer, or -1. */
static ssize_t read_header(const char *path, uint8_t *header)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? 0 : -1;
    ssize_t size = pread(file, header, header_bytes, 0);
    close(file);
    return size;
}

static bool is_there(const char *path, const char *suffix)
{
    char name[4096];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &status) == 0;
}

static bool check_ids(const char *path, const struct sqlite_format *format, uint32_t application_id,
                      uint32_t version, char *reason, size_t size)
{
    char detail[80];
    if (application_id != format->application_id) {
        explain(reason, size, path, "not a file of ours, left alone; expected a Leveret",
                format->kind);
        return false;
    }
    if (version == 0 || version > format->version) {
        snprintf(detail, sizeof detail, "format %u, this program knows up to %u", version,
                 format->version);
        explain(reason, size, path, "written by a newer version of Leveret", detail);
        return false;
    }
    return true;
}

/* One page, and nobody's: the making of the file was interrupted behind its first step. */
static bool is_empty(const uint8_t *header)
{
    return big_endian(header + pages_offset) == 1 &&
           big_endian(header + application_id_offset) == 0 &&
           big_endian(header + version_offset) == 0;
}

/* *is_new: there is nothing yet. A file whose making was interrupted has a rollback journal: then
 * only SQLite can tell. */
static bool check_header(const char *path, const struct sqlite_format *format, bool *is_new,
                         char *reason, size_t size)
{
    uint8_t header[header_bytes];
    ssize_t found = read_header(path, header);
    *is_new = found == 0;
    if (found == 0 || is_there(path, "-journal"))
        return true;
    if (found < 0) {
        explain(reason, size, path, "cannot be read", strerror(errno));
        return false;
    }
    if (found < header_bytes || memcmp(header, "SQLite format 3", 16) != 0) {
        explain(reason, size, path, "not a SQLite file or damaged, left alone", NULL);
        return false;
    }
    *is_new = is_empty(header);
    return *is_new || check_ids(path, format, big_endian(header + application_id_offset),
                                big_endian(header + version_offset), reason, size);
}

static bool execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool read_number(sqlite3 *db, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    bool found = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_ROW;
    if (found)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return found;
}

static bool make_schema(sqlite3 *db, const struct sqlite_format *format)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=%u; PRAGMA auto_vacuum=incremental; BEGIN EXCLUSIVE;",
             format->page_bytes);
    if (!execute(db, sql) || !execute(db, format->schema) ||
        (format->fill != NULL && !format->fill(db)))
        return false;
    snprintf(sql, sizeof sql, "PRAGMA application_id=%u; PRAGMA user_version=%u; COMMIT;",
             format->application_id, format->version);
    return execute(db, sql);
}

/* Is it ours, as SQLite sees it? Makes what is missing in a file without anything. */
static bool settle(sqlite3 *db, const char *path, const struct sqlite_format *format, char *reason,
                   size_t size)
{
    int64_t tables = 0, application_id = 0, version = 0;
    bool succeeded = read_number(db, "SELECT count(*) FROM sqlite_schema", &tables) &&
                     (tables > 0 || make_schema(db, format)) &&
                     read_number(db, "PRAGMA application_id", &application_id) &&
                     read_number(db, "PRAGMA user_version", &version);
    if (!succeeded) {
        explain(reason, size, path, "cannot be opened", sqlite3_errmsg(db));
        return false;
    }
    return check_ids(path, format, (uint32_t)application_id, (uint32_t)version, reason, size);
}

/* SQLite reckons pages of the size that the file has at this moment, a new one none of ours yet: so
 * this comes after the schema. */
static bool bound_cache(sqlite3 *db, int cache_kib)
{
    char sql[40];
    snprintf(sql, sizeof sql, "PRAGMA cache_size=-%d", cache_kib);
    return execute(db, sql);
}

static sqlite3 *connect(const char *path, int flags, char *reason, size_t size)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_busy_timeout(db, busy_ms);
    sqlite3_extended_result_codes(db, 1);
    if (code == SQLITE_OK &&
        execute(db, "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL; PRAGMA "
                    "cell_size_check=ON;"))
        return db;
    explain(reason, size, path, "cannot be opened", sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

/* To the newest version, in a transaction that stays open where there was something to do. */
static bool upgrade(sqlite3 *db, const struct sqlite_format *format)
{
    int64_t version;
    char sql[80];
    if (!read_number(db, "PRAGMA user_version", &version))
        return false;
    if (version == format->version)
        return true;
    snprintf(sql, sizeof sql, "PRAGMA user_version=%u", format->version);
    bool succeeded = execute(db, "BEGIN IMMEDIATE");
    for (; succeeded && version < format->version; version++)
        succeeded = execute(db, format->upgrades[version - 1]);
    return succeeded && execute(db, sql);
}

bool sqlite_file_accept(sqlite3 *db, char *reason, size_t reason_size)
{
    if (sqlite3_get_autocommit(db) || execute(db, "COMMIT"))
        return true;
    explain(reason, reason_size, sqlite3_db_filename(db, "main"), "cannot be brought up to date",
            sqlite3_errmsg(db));
    return false;
}

static bool prepare(sqlite3 *db, const char *path, const struct sqlite_format *format,
                    int cache_kib, char *reason, size_t size)
{
    if (!settle(db, path, format, reason, size))
        return false;
    if (execute(db, "PRAGMA journal_mode=WAL; PRAGMA trusted_schema=OFF;") &&
        execute(db,
                format->wipes_deleted ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF") &&
        bound_cache(db, cache_kib) && upgrade(db, format))
        return true;
    explain(reason, size, path, "cannot be opened", sqlite3_errmsg(db));
    return false;
}

/* The last error of the system with the database (SQLITE_FCNTL_FILE_POINTER) or its log. */
static int last_error(sqlite3 *db, int which)
{
    sqlite3_file *file = NULL;
    int error = 0;
    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK || file->pMethods == NULL ||
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) != SQLITE_OK)
        return 0;
    return error;
}

/* For SQLite a quota that is used up is an error like any other. */
static bool is_over_quota(sqlite3 *db)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    bool has_met_quota = false;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int error = last_error(db, files[i]);
        if (error != 0 && error != EDQUOT)
            return false;
        has_met_quota = has_met_quota || error == EDQUOT;
    }
    return has_met_quota;
}

/* A sync that failed is never for want of space: another would not tell again what was lost. */
bool sqlite_file_is_full(sqlite3 *db, int code)
{
    return (code & 0xff) == SQLITE_FULL || (code == SQLITE_IOERR_WRITE && is_over_quota(db));
}

sqlite3 *sqlite_file_open(const char *path, const struct sqlite_format *format, int cache_kib,
                          char *reason, size_t reason_size, bool *is_full)
{
    bool is_new;
    *is_full = false;
    if (!check_header(path, format, &is_new, reason, reason_size))
        return NULL;
    sqlite3 *db = connect(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, reason, reason_size);
    if (db == NULL || prepare(db, path, format, cache_kib, reason, reason_size))
        return db;
    *is_full = sqlite_file_is_full(db, sqlite3_extended_errcode(db));
    sqlite3_close(db);
    return NULL;
}

sqlite3 *sqlite_file_connect(const char *path, bool is_readonly, int cache_kib, char *reason,
                             size_t reason_size)
{
    sqlite3 *db = connect(path, SQLITE_OPEN_READWRITE, reason, reason_size);
    if (db == NULL ||
        (bound_cache(db, cache_kib) && (!is_readonly || execute(db, "PRAGMA query_only=1"))))
        return db;
    explain(reason, reason_size, path, "cannot be opened", sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

/* --- looking */

bool sqlite_file_is_unmade(const char *path)
{
    uint8_t header[header_bytes];
    ssize_t found = read_header(path, header);
    return found == 0 || is_there(path, "-journal") || (found == header_bytes && is_empty(header));
}

/* A file without a log is taken as one that does not change: then SQLite makes no files beside it.
 * The caller frees the name. */
static void append_uri(struct buffer *uri, const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    struct stat status;
    char log[4096];
    snprintf(log, sizeof log, "%s-wal", path);
    bool has_log = stat(log, &status) == 0 && status.st_size > 0;
    buffer_append_bytes(uri, bytes_of_text(path[0] == '/' ? "file://" : "file:"));
    for (; *path != '\0'; path++) {
        uint8_t byte = (uint8_t)*path;
        if (strchr("%?#", byte) == NULL) {
            buffer_append_u8(uri, byte);
            continue;
        }
        buffer_append_u8(uri, '%');
        buffer_append_u8(uri, (uint8_t)hex[byte >> 4]);
        buffer_append_u8(uri, (uint8_t)hex[byte & 15]);
    }
    buffer_append_bytes(uri, bytes_of_text(has_log ? "" : "?immutable=1"));
    buffer_append_u8(uri, 0);
}

/* What a file of an older version lacks is there, empty, as temporary tables. */
static bool imagine_upgrades(sqlite3 *db, const struct sqlite_format *format)
{
    static const char make[] = "CREATE TABLE ", imagine[] = "CREATE TEMP TABLE ";
    int64_t version;
    bool succeeded = read_number(db, "PRAGMA user_version", &version);
    for (; succeeded && version < format->version; version++) {
        struct buffer sql = {0};
        const char *rest = format->upgrades[version - 1], *next;
        while ((next = strstr(rest, make)) != NULL) {
            buffer_append(&sql, rest, (size_t)(next - rest));
            buffer_append(&sql, imagine, sizeof imagine - 1);
            rest = next + sizeof make - 1;
        }
        buffer_append(&sql, rest, strlen(rest) + 1);
        succeeded = execute(db, (const char *)sql.data);
        buffer_fini(&sql);
    }
    return succeeded;
}

sqlite3 *sqlite_file_look(const char *path, const struct sqlite_format *format, char *reason,
                          size_t reason_size)
{
    bool is_new;
    struct buffer uri = {0};
    sqlite3 *db = NULL;
    if (!check_header(path, format, &is_new, reason, reason_size))
        return NULL;
    if (is_new || is_there(path, "-journal")) {
        explain(reason, reason_size, path, is_new ? "is not there" : "was not made to the end",
                NULL);
        return NULL;
    }
    append_uri(&uri, path);
    int code = sqlite3_open_v2((const char *)uri.data, &db,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    buffer_fini(&uri);
    sqlite3_extended_result_codes(db, 1);
    if (code == SQLITE_OK &&
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK &&
        execute(db, "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; "
                    "PRAGMA trusted_schema=OFF;") &&
        imagine_upgrades(db, format))
        return db;
    explain(reason, reason_size, path, "cannot be read", sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

uint64_t sqlite_file_check(sqlite3 *db, void (*on_fault)(void *context, const char *text),
                           void *context, uint64_t *faults)
{
    char text[512];
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1000)", -1, &select, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(select)) == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(select, 0);
        code = SQLITE_OK;
        if (said != NULL && strcmp(said, "ok") == 0)
            continue;
        snprintf(text, sizeof text, "SQLite: %s", said != NULL ? said : "?");
        (*faults)++;
        on_fault(context, text);
    }
    if (code != SQLITE_DONE) {
        snprintf(text, sizeof text, "SQLite: the check of the file: %s", sqlite3_errmsg(db));
        (*faults)++;
        on_fault(context, text);
    }
    sqlite3_finalize(select);
    uint64_t pages = 0;
    if (sqlite3_prepare_v2(db, "PRAGMA page_count", -1, &select, NULL) == SQLITE_OK &&
        sqlite3_step(select) == SQLITE_ROW)
        pages = (uint64_t)sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return pages;
}
