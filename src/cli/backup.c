/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl backup and restore. The server makes the backup, because only the writer of a store
 * can copy it without being in its way; leveretctl asks how far it is, which also tells the server
 * that somebody still waits. A restore needs no server: it copies files, compares their hashes with
 * the manifest on the way, and checks the result. definitions.db gets its name last, and the
 * folder is locked until then, so that no server takes half a folder for an empty one.
 */
#include "cli/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xmalloc.h"
#include "cli/ask.h"
#include "cli/check.h"
#include "cli/client.h"
#include "cli/options.h"
#include "net/control.h"
#include "store/backup_manifest.h"
#include "store/data_folder.h"

enum { poll_ms = 200, reason_max = 1024, mebibyte = 1 << 20 };

static volatile sig_atomic_t is_interrupted;

static void interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

static int complain(enum control_status status, const char *text)
{
    fprintf(stderr, "Error:\n%s\n", text);
    return (int)status;
}

/* --- backup */

static void show(const json_t *status, bool is_last)
{
    json_int_t bytes = json_integer_value(json_object_get(status, "bytes"));
    json_int_t total = json_integer_value(json_object_get(status, "bytes_total"));
    bool is_verifying = json_is_true(json_object_get(status, "verifying"));
    printf("\r%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " MiB%s%s", bytes / mebibyte,
           total / mebibyte, is_verifying ? ", reading it again " : "", is_last ? "\n" : "");
    fflush(stdout);
}

/* -1: it runs; else the exit status. */
static int follow(const struct options *options, bool shows)
{
    json_t *status;
    int result = ask_server(options, "backup_status", json_object(), &status);
    if (result != CONTROL_OK)
        return result;
    const char *state = json_string_value(json_object_get(status, "state"));
    const char *reason = json_string_value(json_object_get(status, "reason"));
    bool runs = state != NULL && strcmp(state, "running") == 0;
    bool is_done = state != NULL && strcmp(state, "done") == 0;
    if (shows)
        show(status, !runs);
    if (!runs && !is_done)
        result = complain(CONTROL_SOFTWARE, reason != NULL ? reason : "the backup failed");
    json_decref(status);
    return runs ? -1 : result;
}

/* From here on an interrupt comes in pauses alone, not in the middle of a request. */
static void hold_interrupts(sigset_t *before)
{
    const struct sigaction action = {.sa_handler = interrupt};
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, before);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int wait_for_backup(const struct options *options, const sigset_t *in_pauses)
{
    const struct timespec pause = {.tv_nsec = poll_ms * 1000000};
    bool shows = !options->is_quiet && isatty(STDOUT_FILENO), has_cancelled = false;
    int status;
    while ((status = follow(options, shows)) == -1) {
        json_t *nothing = NULL;
        if (is_interrupted && !has_cancelled) {
            has_cancelled = true;
            if (ask_server(options, "backup_cancel", json_object(), &nothing) != CONTROL_OK)
                return CONTROL_UNAVAILABLE;
            json_decref(nothing);
            continue;
        }
        pselect(0, NULL, NULL, NULL, &pause, in_pauses);
    }
    return status;
}

/* As the server sees it: it has another working folder. */
static char *absolute(const char *path)
{
    char folder[PATH_MAX];
    char *trimmed = xstrdup(path), *result = NULL;
    for (size_t size = strlen(trimmed); size > 1 && trimmed[size - 1] == '/'; size--)
        trimmed[size - 1] = '\0';
    if (trimmed[0] == '/')
        return trimmed;
    if (getcwd(folder, sizeof folder) != NULL)
        result = path_join(folder, trimmed);
    free(trimmed);
    return result;
}

int backup_run(const struct options *options, const struct json_t *arguments)
{
    json_t *result;
    sigset_t before;
    char *folder = absolute(json_string_value(json_object_get(arguments, "folder")));
    if (folder == NULL)
        return complain(CONTROL_SOFTWARE, strerror(errno));
    hold_interrupts(&before);
    int status = ask_server(options, "backup", json_pack("{s:s}", "folder", folder), &result);
    free(folder);
    json_decref(result);
    return status == CONTROL_OK ? wait_for_backup(options, &before) : status;
}

/* --- restore */

struct restore {
    const char *from, *to;
    struct backup_manifest manifest;
    struct data_folder *folder; /* the lock */
    bool is_new;                /* the folder was not there */
    char reason[reason_max];
};

static bool refuse(struct restore *restore, const char *path, const char *why)
{
    snprintf(restore->reason, sizeof restore->reason, "%s: %s", path, why);
    return false;
}

/* Is nothing in it but what a server leaves in an empty one? */
static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool has_other = false;
    if (directory == NULL)
        return errno == ENOENT;
    while ((entry = readdir(directory)) != NULL)
        has_other |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                     strcmp(entry->d_name, "lock") != 0;
    closedir(directory);
    return !has_other;
}

/* --force: what is there keeps existing under another name. */
static bool move_aside(struct restore *restore)
{
    char aside[PATH_MAX];
    struct data_folder *old = data_folder_open(restore->to, restore->reason, reason_max);
    if (old == NULL)
        return false;
    snprintf(aside, sizeof aside, "%.*s.before-restore-%lld",
             (int)(strlen(restore->to) - (restore->to[strlen(restore->to) - 1] == '/')),
             restore->to, (long long)time(NULL));
    bool succeeded = rename(restore->to, aside) == 0;
    if (succeeded)
        printf("What was in %s is in %s now.\n", restore->to, aside);
    else
        refuse(restore, restore->to, strerror(errno));
    data_folder_close(old);
    return succeeded;
}

/* What is moved aside must not take the backup with it. */
static bool is_inside(const char *path, const char *folder)
{
    char inner[PATH_MAX], outer[PATH_MAX];
    if (realpath(path, inner) == NULL || realpath(folder, outer) == NULL)
        return false;
    size_t size = strlen(outer);
    return strncmp(inner, outer, size) == 0 && (inner[size] == '\0' || inner[size] == '/');
}

static bool take_folder(struct restore *restore, bool is_forced)
{
    if (!is_empty(restore->to) && !is_forced)
        return refuse(restore, restore->to, "is not empty; --force moves what is in it aside");
    if (is_inside(restore->from, restore->to))
        return refuse(restore, restore->from, "is inside the folder that is to be restored");
    if (!is_empty(restore->to) && !move_aside(restore))
        return false;
    restore->is_new = access(restore->to, F_OK) != 0;
    restore->folder = data_folder_open(restore->to, restore->reason, reason_max);
    return restore->folder != NULL;
}

static bool make_folders(struct restore *restore, const char *file)
{
    char *path = path_join(restore->to, file);
    bool succeeded = true;
    for (char *slash = strchr(path + strlen(restore->to) + 1, '/'); succeeded && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        succeeded =
            mkdir(path, 0700) == 0 || errno == EEXIST || refuse(restore, path, strerror(errno));
        *slash = '/';
    }
    free(path);
    return succeeded;
}

static bool is_as_written(struct restore *restore, const struct backup_file *expected,
                          const struct backup_file *found)
{
    if (found->bytes == expected->bytes && strcmp(found->sha256, expected->sha256) == 0)
        return true;
    snprintf(restore->reason, reason_max,
             "%s/%s is not what the manifest says: %" PRIu64 " bytes with SHA-256 %s",
             restore->from, expected->path, found->bytes, found->sha256);
    return false;
}

/* The manifest is right about every file; to -1: nothing is copied. */
static bool read_file(struct restore *restore, const struct backup_file *file, int to)
{
    struct backup_file found = *file;
    return backup_file_hash(restore->from, &found, to, NULL, NULL, restore->reason, reason_max) &&
           is_as_written(restore, file, &found);
}

static bool copy_file(struct restore *restore, const struct backup_file *file)
{
    bool is_last = strchr(file->path, '/') == NULL;
    char *path = path_join(restore->to, is_last ? "definitions.db.restoring" : file->path);
    int to = make_folders(restore, file->path)
                 ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                 : -1;
    bool succeeded = to >= 0 || refuse(restore, path, strerror(errno));
    succeeded = succeeded && read_file(restore, file, to);
    if (succeeded && fsync(to) != 0)
        succeeded = refuse(restore, path, strerror(errno));
    if (to >= 0)
        close(to);
    free(path);
    return succeeded;
}

static bool sync_folders(struct restore *restore)
{
    for (size_t i = 0; i < restore->manifest.count; i++) {
        char *path = path_join(restore->to, restore->manifest.files[i].path);
        *strrchr(path, '/') = '\0';
        bool succeeded = backup_sync_folder(path, restore->reason, reason_max);
        free(path);
        if (!succeeded)
            return false;
    }
    if (restore->manifest.count < 2)
        return true;
    char *vhosts = path_join(restore->to, "vhosts");
    bool succeeded = backup_sync_folder(vhosts, restore->reason, reason_max);
    free(vhosts);
    return succeeded;
}

/* Its own name, too, where that is new. */
static bool sync_itself(struct restore *restore)
{
    char *parent = path_join(restore->to, "..");
    bool succeeded = backup_sync_folder(restore->to, restore->reason, reason_max) &&
                     (!restore->is_new || backup_sync_folder(parent, restore->reason, reason_max));
    free(parent);
    return succeeded;
}

static bool name_definitions(struct restore *restore)
{
    char *from = path_join(restore->to, "definitions.db.restoring");
    char *to = path_join(restore->to, "definitions.db");
    bool succeeded = sync_folders(restore) &&
                     (rename(from, to) == 0 || refuse(restore, to, strerror(errno))) &&
                     sync_itself(restore);
    free(from);
    free(to);
    return succeeded;
}

/* The backup is looked at before anything is touched. */
static bool restore_all(struct restore *restore, bool is_forced)
{
    const struct backup_manifest *manifest = &restore->manifest;
    bool succeeded =
        backup_manifest_read(&restore->manifest, restore->from, restore->reason, reason_max);
    for (size_t i = 0; succeeded && i < manifest->count; i++)
        succeeded = read_file(restore, &manifest->files[i], -1);
    succeeded = succeeded && take_folder(restore, is_forced);
    for (size_t i = 0; succeeded && i < manifest->count; i++)
        succeeded = copy_file(restore, &manifest->files[i]);
    return succeeded && name_definitions(restore);
}

int restore_run(const struct options *options, const struct json_t *arguments)
{
    bool is_forced = json_is_true(json_object_get(arguments, "force"));
    struct restore restore = {.from = json_string_value(json_object_get(arguments, "backup")),
                              .to = options->data_dir};
    bool succeeded = restore_all(&restore, is_forced);
    data_folder_close(restore.folder);
    backup_manifest_fini(&restore.manifest);
    if (!succeeded)
        return complain(CONTROL_DATA, restore.reason);
    return check_folder(options, options->data_dir, true);
}
