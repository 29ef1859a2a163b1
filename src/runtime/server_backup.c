/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl backup: a job copies the store of each vhost, then definitions.db, which says what
 * exists, and begins again with that where vhosts came or went meanwhile; then it reads the copies
 * for their hashes, writes the manifest and gives the folder its name. Until then it is called
 * NAME.incomplete, and there is no manifest in it.
 *
 * leveretctl asks how far it is. One who asks no more has gone, and the backup ends: so does one
 * whose process was killed. There is one backup at a time.
 */
#include "runtime/server_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/path.h"
#include "base/xmalloc.h"
#include "config.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "store/backup_manifest.h"
#include "store/data_folder.h"
#include "store/definitions_store.h"
#include "store/store.h"
#include "store/store_backup.h"
#include "store/store_check.h"

enum {
    asked_again_ms = 30000, /* who does not ask for so long has gone */
    rounds_max = 100,       /* for vhosts that come and go */
    round_pause_ns = 20000000,
    spare_bytes = 16 << 20,
    reason_max = 1024,
};

enum backup_state { BACKUP_RUNS, BACKUP_DONE, BACKUP_FAILED };

struct server_backup {
    struct control_work work;
    struct server *server;
    char *target;  /* owned; its name at the end */
    char *partial; /* owned; until then */
    bool is_made;  /* the partial folder is there, and ours */
    struct backup_manifest manifest;
    uint64_t copied_bytes; /* of files that are done */
    uint64_t hashed_ns;    /* when the last piece was begun to be read */

    _Atomic uint64_t bytes, bytes_total;
    _Atomic bool is_hashing;
    _Atomic uint64_t asked_ms; /* when somebody asked last */
    _Atomic bool is_cancelled;
    _Atomic int state;
    bool is_ended;           /* the main thread's: its job is */
    char reason[reason_max]; /* once it failed */
};

/* --- folders */

static bool refuse(struct server_backup *backup, const char *path, const char *why)
{
    snprintf(backup->reason, sizeof backup->reason, "%s: %s", path, why);
    return false;
}

static bool should_end(void *context)
{
    struct server_backup *backup = context;
    uint64_t now_ms = clock_steady_ms(), asked_ms = atomic_load(&backup->asked_ms);
    return atomic_load(&backup->is_cancelled) || server_is_ending(backup->server) ||
           (now_ms > asked_ms && now_ms - asked_ms > asked_again_ms);
}

static bool make_folder(struct server_backup *backup, const char *path)
{
    return mkdir(path, 0700) == 0 || refuse(backup, path, strerror(errno));
}

static bool sync_folder(struct server_backup *backup, const char *path)
{
    return backup_sync_folder(path, backup->reason, sizeof backup->reason);
}

/* The folder in which the last name of a path is. */
static char *parent_of(const char *path)
{
    char *parent = xstrdup(path);
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    return parent;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is the path, which is resolved, the folder or below it? It may be mounted elsewhere, too. */
static bool is_inside(const char *path, const char *folder)
{
    struct stat wanted, above;
    char *at = xstrdup(path);
    bool is_found = false, has_more = stat(folder, &wanted) == 0;
    while (has_more && !is_found && stat(at, &above) == 0) {
        is_found = is_same(&above, &wanted);
        char *slash = strrchr(at, '/');
        has_more = slash != at;
        *slash = '\0';
    }
    free(at);
    return is_found;
}

/* No link to one: what is behind it is not ours. */
static bool is_folder(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The vhost folders of a partial backup, with what we put there and nothing else. */
static void remove_vhost(const char *vhosts, const char *name)
{
    static const char *const files[] = {"messages.db", "messages.db-journal", "messages.db-wal"};
    char *folder = path_join(vhosts, name);
    bool is_ours = is_folder(folder);
    for (size_t i = 0; is_ours && i < sizeof files / sizeof files[0]; i++) {
        char *file = path_join(folder, files[i]);
        unlink(file);
        free(file);
    }
    rmdir(folder);
    free(folder);
}

static void remove_partial(const char *partial)
{
    static const char *const files[] = {"manifest.json", "definitions.db",
                                        "definitions.db-journal"};
    char *vhosts = path_join(partial, "vhosts");
    DIR *directory = is_folder(vhosts) ? opendir(vhosts) : NULL;
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.')
            remove_vhost(vhosts, entry->d_name);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(vhosts);
    free(vhosts);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *file = path_join(partial, files[i]);
        unlink(file);
        free(file);
    }
    rmdir(partial);
}

/* --- before it begins */

static uint64_t store_bytes(struct gate *gate)
{
    struct store_figures figures;
    store_figures(gate_store(gate), &figures);
    return figures.file_bytes + figures.wal_bytes;
}

static bool has_space(struct server_backup *backup)
{
    struct statvfs status;
    struct gate **gates;
    uint64_t bytes = spare_bytes;
    size_t count = server_take_gates(backup->server, &gates);
    for (size_t i = 0; i < count; i++) {
        bytes += store_bytes(gates[i]);
        server_release_gate(backup->server, gates[i]);
    }
    free(gates);
    atomic_store(&backup->bytes_total, bytes - spare_bytes);
    if (statvfs(backup->partial, &status) != 0)
        return refuse(backup, backup->partial, strerror(errno));
    uint64_t free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    if (free_bytes >= bytes)
        return true;
    snprintf(backup->reason, sizeof backup->reason,
             "%s: a backup may need %" PRIu64 " bytes, and %" PRIu64 " are free", backup->target,
             bytes, free_bytes);
    return false;
}

static bool has_file(const char *folder, const char *name)
{
    struct stat status;
    char *path = path_join(folder, name);
    bool is_there = lstat(path, &status) == 0;
    free(path);
    return is_there;
}

/* Of a backup whose server was killed. Not so a link, nor a folder that is a data folder or a whole
 * backup. */
static bool remove_broken_off(struct server_backup *backup)
{
    struct stat status;
    const char *partial = backup->partial;
    if (lstat(partial, &status) != 0)
        return true;
    if (!S_ISDIR(status.st_mode) || has_file(partial, "lock") || has_file(partial, "manifest.json"))
        return refuse(backup, partial,
                      "is in the way, and not what is left of a backup that was broken off");
    remove_partial(partial);
    return true;
}

static bool begin(struct server_backup *backup)
{
    struct stat status;
    if (lstat(backup->target, &status) == 0)
        return refuse(backup, backup->target, "is there already");
    if (!remove_broken_off(backup) || !make_folder(backup, backup->partial))
        return false;
    backup->is_made = true;
    char *vhosts = path_join(backup->partial, "vhosts");
    bool succeeded = has_space(backup) && make_folder(backup, vhosts);
    free(vhosts);
    return succeeded;
}

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                                   .tv_nsec = (long)(ns % 1000000000)};
    if (ns > 0)
        nanosleep(&pause, NULL);
}

/* --- stores */

static bool copy_pages(struct server_backup *backup, struct store *store, const char *path)
{
    struct store_backup_progress progress = {0, 0};
    enum store_backup_state state = STORE_BACKUP_MORE;
    struct store_backup *copy =
        store_backup_begin(store, path, backup->reason, sizeof backup->reason);
    if (copy == NULL)
        return false;
    while (state == STORE_BACKUP_MORE && !should_end(backup)) {
        pause_ns(store_backup_pause_ns(copy));
        state = store_backup_step(copy, &progress, backup->reason, sizeof backup->reason);
        atomic_store(&backup->bytes, backup->copied_bytes + progress.bytes);
        if (atomic_load(&backup->bytes_total) < backup->copied_bytes + progress.bytes_total)
            atomic_store(&backup->bytes_total, backup->copied_bytes + progress.bytes_total);
    }
    store_backup_end(copy);
    backup->copied_bytes += progress.bytes;
    return state == STORE_BACKUP_DONE ||
           (state == STORE_BACKUP_MORE && refuse(backup, path, "ended"));
}

static bool copy_store(struct server_backup *backup, const struct server_vhost *vhost)
{
    char name[40];
    snprintf(name, sizeof name, "vhosts/%" PRIu64, vhost->id);
    char *folder = path_join(backup->partial, name);
    char *path = path_join(folder, "messages.db");
    bool succeeded = make_folder(backup, folder) &&
                     copy_pages(backup, gate_store(vhost->gate), path) &&
                     sync_folder(backup, folder);
    if (succeeded) {
        snprintf(name, sizeof name, "vhosts/%" PRIu64 "/messages.db", vhost->id);
        backup_manifest_add(&backup->manifest, name, vhost->name)->moment_ms = clock_wall_ms();
    }
    free(path);
    free(folder);
    return succeeded;
}

static bool is_copied(const struct server_backup *backup, uint64_t id)
{
    char name[40];
    snprintf(name, sizeof name, "vhosts/%" PRIu64 "/messages.db", id);
    for (size_t i = 0; i < backup->manifest.count; i++) {
        if (strcmp(backup->manifest.files[i].path, name) == 0)
            return true;
    }
    return false;
}

static bool copy_new_stores(struct server_backup *backup)
{
    struct gate **gates;
    size_t count = server_take_gates(backup->server, &gates);
    bool succeeded = true;
    for (size_t i = 0; i < count; i++) {
        const struct server_vhost *vhost = gate_owner(gates[i]);
        if (succeeded && !is_copied(backup, vhost->id))
            succeeded = copy_store(backup, vhost);
        server_release_gate(backup->server, gates[i]);
    }
    free(gates);
    return succeeded;
}

/* --- definitions */

static bool is_defined(const struct definitions *definitions, const struct backup_file *file)
{
    char name[40];
    for (size_t i = 0; i < definitions->vhost_count; i++) {
        snprintf(name, sizeof name, "vhosts/%" PRIu64 "/messages.db", definitions->vhosts[i].id);
        if (strcmp(name, file->path) == 0)
            return true;
    }
    return false;
}

/* Those of vhosts that were deleted meanwhile. */
static void drop_strangers(struct server_backup *backup, const struct definitions *definitions)
{
    char *vhosts = path_join(backup->partial, "vhosts");
    for (size_t i = backup->manifest.count; i-- > 0;) {
        struct backup_file *file = &backup->manifest.files[i];
        char name[40];
        if (is_defined(definitions, file))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(file->path + 7, "/"), file->path + 7);
        remove_vhost(vhosts, name);
        free(file->path);
        free(file->vhost);
        *file = backup->manifest.files[--backup->manifest.count];
    }
    free(vhosts);
}

static bool has_all(const struct server_backup *backup, const struct definitions *definitions)
{
    for (size_t i = 0; i < definitions->vhost_count; i++) {
        if (!is_copied(backup, definitions->vhosts[i].id))
            return false;
    }
    return true;
}

static void on_fault(void *context, const char *text)
{
    struct server_backup *backup = context;
    snprintf(backup->reason, sizeof backup->reason, "%s", text);
}

static struct definitions *read_copy(struct server_backup *backup)
{
    struct definitions_check check = {.on_fault = on_fault, .context = backup};
    struct definitions *definitions = definitions_check(backup->partial, &check);
    if (check.faults == 0)
        return definitions;
    definitions_free(definitions);
    return NULL;
}

/* *is_whole: every vhost that it names has been copied. */
static bool copy_definitions(struct server_backup *backup, bool *is_whole)
{
    char *path = path_join(backup->partial, "definitions.db");
    unlink(path);
    bool succeeded = definitions_backup(data_folder_path(backup->server->folder), path,
                                        backup->reason, sizeof backup->reason);
    free(path);
    struct definitions *definitions = succeeded ? read_copy(backup) : NULL;
    if (definitions == NULL)
        return false;
    drop_strangers(backup, definitions);
    *is_whole = has_all(backup, definitions);
    definitions_free(definitions);
    return true;
}

static bool copy_all(struct server_backup *backup)
{
    bool is_whole = false;
    for (int round = 0; round < rounds_max; round++) {
        pause_ns(round > 0 ? round_pause_ns : 0);
        if (!copy_new_stores(backup) || !copy_definitions(backup, &is_whole))
            return false;
        if (is_whole)
            return true;
    }
    return refuse(backup, backup->target, "virtual hosts come and go too fast");
}

/* --- the end */

/* For each piece that is read a pause as long as that took: a thread that reads and reckons without
 * end would have a core to itself. */
static bool should_end_hashing(void *context)
{
    struct server_backup *backup = context;
    uint64_t now_ns = clock_steady_ns();
    if (backup->hashed_ns != 0)
        pause_ns(now_ns - backup->hashed_ns);
    bool is_ending = should_end(backup);
    backup->hashed_ns = clock_steady_ns();
    return is_ending;
}

static bool hash_all(struct server_backup *backup)
{
    atomic_store(&backup->is_hashing, true);
    backup_manifest_add(&backup->manifest, "definitions.db", NULL)->moment_ms = clock_wall_ms();
    for (size_t i = 0; i < backup->manifest.count; i++) {
        if (!backup_file_hash(backup->partial, &backup->manifest.files[i], -1, should_end_hashing,
                              backup, backup->reason, sizeof backup->reason))
            return false;
    }
    return true;
}

static bool finish(struct server_backup *backup)
{
    char *vhosts = path_join(backup->partial, "vhosts"), *parent = parent_of(backup->target);
    backup->manifest.version = xstrdup(PACKAGE_VERSION);
    backup->manifest.ended_ms = clock_wall_ms();
    bool succeeded = sync_folder(backup, vhosts) &&
                     backup_manifest_write(&backup->manifest, backup->partial, backup->reason,
                                           sizeof backup->reason) &&
                     (rename(backup->partial, backup->target) == 0 ||
                      refuse(backup, backup->target, strerror(errno))) &&
                     sync_folder(backup, parent);
    free(vhosts);
    free(parent);
    return succeeded;
}

static void run_backup(struct control_work *work)
{
    struct server_backup *backup = container_of(work, struct server_backup, work);
    backup->manifest.began_ms = clock_wall_ms();
    log_info("backup to %s begins", backup->target);
    bool succeeded = begin(backup) && copy_all(backup) && hash_all(backup) && finish(backup);
    if (succeeded)
        log_info("backup to %s is done", backup->target);
    else
        log_warning("backup to %s: %s", backup->target, backup->reason);
    if (!succeeded && backup->is_made)
        remove_partial(backup->partial);
    atomic_store(&backup->state, succeeded ? BACKUP_DONE : BACKUP_FAILED);
}

/* It is asked for once more: the next one frees it, or the end of the server. */
static void end_backup(struct control_work *work)
{
    struct server_backup *backup = container_of(work, struct server_backup, work);
    backup->is_ended = true;
    if (backup->server->backup != backup)
        server_free_backup(backup);
}

void server_free_backup(struct server_backup *backup)
{
    if (backup == NULL)
        return;
    backup_manifest_fini(&backup->manifest);
    free(backup->target);
    free(backup->partial);
    free(backup);
}

/* --- commands */

/* The path with its folder resolved, or NULL with an answer. */
static char *resolve(struct server *server, struct control_call *call, const char *path)
{
    char folder[PATH_MAX], data[PATH_MAX];
    if (path == NULL || path[0] != '/' || path[strlen(path) - 1] == '/') {
        control_fail(call, CONTROL_USAGE, "a folder is needed, as an absolute path");
        return NULL;
    }
    char *parent = parent_of(path), *resolved = NULL;
    if (realpath(parent, folder) == NULL)
        control_fail(call, CONTROL_DATA, "%s: %s", parent, strerror(errno));
    else if (realpath(data_folder_path(server->folder), data) != NULL && is_inside(folder, data))
        control_fail(call, CONTROL_DATA, "%s is inside the data folder %s", path, data);
    else
        resolved = path_join(strcmp(folder, "/") == 0 ? "" : folder, strrchr(path, '/') + 1);
    free(parent);
    return resolved;
}

static bool is_running(const struct server_backup *backup)
{
    return backup != NULL && atomic_load(&backup->state) == BACKUP_RUNS;
}

static void handle_backup(void *context, struct control_call *call)
{
    struct server *server = context;
    if (is_running(server->backup)) {
        control_fail(call, CONTROL_SOFTWARE, "a backup to %s is under way", server->backup->target);
        return;
    }
    char *target = resolve(server, call, control_text(call, "folder"));
    if (target == NULL)
        return;
    struct server_backup *backup = xcalloc(1, sizeof *backup);
    size_t size = strlen(target) + sizeof ".incomplete";
    backup->work = (struct control_work){run_backup, end_backup};
    backup->server = server;
    backup->target = target;
    backup->partial = xmalloc(size);
    snprintf(backup->partial, size, "%s.incomplete", target);
    atomic_store(&backup->asked_ms, clock_steady_ms());
    struct server_backup *former = server->backup;
    server->backup = backup;
    if (former != NULL && former->is_ended)
        server_free_backup(former);
    control_reply(call, json_pack("{s:s}", "folder", target));
    server_submit_job(server, &backup->work);
}

static void handle_status(void *context, struct control_call *call)
{
    static const char *const names[] = {"running", "done", "failed"};
    struct server *server = context;
    struct server_backup *backup = server->backup;
    if (backup == NULL) {
        control_fail(call, CONTROL_DATA, "there was no backup");
        return;
    }
    atomic_store(&backup->asked_ms, clock_steady_ms());
    int state = atomic_load(&backup->state);
    control_reply(call,
                  json_pack("{s:s, s:s, s:b, s:I, s:I, s:s}", "folder", backup->target, "state",
                            names[state], "verifying", (int)atomic_load(&backup->is_hashing),
                            "bytes", (json_int_t)atomic_load(&backup->bytes), "bytes_total",
                            (json_int_t)atomic_load(&backup->bytes_total), "reason",
                            state == BACKUP_FAILED ? backup->reason : ""));
}

static void handle_cancel(void *context, struct control_call *call)
{
    struct server *server = context;
    if (server->backup != NULL)
        atomic_store(&server->backup->is_cancelled, true);
    control_reply(call, NULL);
}

void server_add_backup_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"backup", handle_backup},
        {"backup_status", handle_status},
        {"backup_cancel", handle_cancel},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
