/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a backup: JSON that says which files belong to it, how long they are and what
 * their SHA-256 is, from which version of the server and of which moments they are. What it may
 * name is known, so that a manifest from elsewhere cannot make a restore write where it likes.
 */
#include "store/backup_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xmalloc.h"
#include "store/data_folder.h"

enum { format_number = 1, block_bytes = 1 << 20, vhost_digits_max = 20 };

static const char manifest_name[] = "manifest.json";

static bool refuse(char *reason, size_t size, const char *path, const char *why)
{
    snprintf(reason, size, "%s: %s", path, why);
    return false;
}

struct backup_file *backup_manifest_add(struct backup_manifest *manifest, const char *path,
                                        const char *vhost)
{
    manifest->files =
        xgrow(manifest->files, &manifest->capacity, manifest->count + 1, sizeof *manifest->files);
    struct backup_file *file = &manifest->files[manifest->count++];
    *file =
        (struct backup_file){.path = xstrdup(path), .vhost = vhost != NULL ? xstrdup(vhost) : NULL};
    return file;
}

void backup_manifest_fini(struct backup_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        free(manifest->files[i].path);
        free(manifest->files[i].vhost);
    }
    free(manifest->files);
    free(manifest->version);
    *manifest = (struct backup_manifest){0};
}

/* --- writing */

static json_t *manifest_json(const struct backup_manifest *manifest)
{
    json_t *files = json_array();
    for (size_t i = 0; i < manifest->count; i++) {
        const struct backup_file *file = &manifest->files[i];
        json_t *object =
            json_pack("{s:s, s:I, s:s, s:I}", "path", file->path, "bytes", (json_int_t)file->bytes,
                      "sha256", file->sha256, "moment_ms", (json_int_t)file->moment_ms);
        if (file->vhost != NULL)
            json_object_set_new(object, "vhost", json_string(file->vhost));
        json_array_append_new(files, object);
    }
    return json_pack("{s:i, s:s, s:I, s:I, s:o}", "format", format_number, "leveret_version",
                     manifest->version, "began_ms", (json_int_t)manifest->began_ms, "ended_ms",
                     (json_int_t)manifest->ended_ms, "files", files);
}

bool backup_manifest_write(const struct backup_manifest *manifest, const char *folder, char *reason,
                           size_t reason_size)
{
    char *path = path_join(folder, manifest_name);
    json_t *json = manifest_json(manifest);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool succeeded = file >= 0 && json_dumpfd(json, file, JSON_INDENT(2)) == 0 && fsync(file) == 0;
    if (!succeeded)
        refuse(reason, reason_size, path, strerror(errno));
    if (file >= 0)
        close(file);
    json_decref(json);
    free(path);
    return succeeded && backup_sync_folder(folder, reason, reason_size);
}

bool backup_sync_folder(const char *path, char *reason, size_t reason_size)
{
    bool succeeded = data_folder_sync(path);
    if (!succeeded)
        refuse(reason, reason_size, path, strerror(errno));
    return succeeded;
}

/* --- reading */

/* definitions.db, or vhosts/NUMBER/messages.db. */
static bool is_path(const char *path)
{
    static const char before[] = "vhosts/";
    if (strcmp(path, "definitions.db") == 0)
        return true;
    if (strncmp(path, before, sizeof before - 1) != 0)
        return false;
    size_t digits = strspn(path + sizeof before - 1, "0123456789");
    return digits > 0 && digits < vhost_digits_max &&
           strcmp(path + sizeof before - 1 + digits, "/messages.db") == 0;
}

static bool read_file(struct backup_manifest *manifest, const json_t *json)
{
    const char *path = json_string_value(json_object_get(json, "path"));
    const char *sha256 = json_string_value(json_object_get(json, "sha256"));
    const json_t *bytes = json_object_get(json, "bytes");
    if (path == NULL || !is_path(path) || sha256 == NULL ||
        strlen(sha256) != BACKUP_HASH_SIZE - 1 || !json_is_integer(bytes))
        return false;
    struct backup_file *file =
        backup_manifest_add(manifest, path, json_string_value(json_object_get(json, "vhost")));
    file->bytes = (uint64_t)json_integer_value(bytes);
    file->moment_ms = (uint64_t)json_integer_value(json_object_get(json, "moment_ms"));
    memcpy(file->sha256, sha256, BACKUP_HASH_SIZE);
    return true;
}

static bool read_manifest(struct backup_manifest *manifest, const json_t *json)
{
    const json_t *files = json_object_get(json, "files");
    const char *version = json_string_value(json_object_get(json, "leveret_version"));
    if (json_integer_value(json_object_get(json, "format")) != format_number || version == NULL ||
        json_array_size(files) == 0)
        return false;
    manifest->version = xstrdup(version);
    manifest->began_ms = (uint64_t)json_integer_value(json_object_get(json, "began_ms"));
    manifest->ended_ms = (uint64_t)json_integer_value(json_object_get(json, "ended_ms"));
    bool has_definitions = false;
    for (size_t i = 0; i < json_array_size(files); i++) {
        if (!read_file(manifest, json_array_get(files, i)))
            return false;
        has_definitions |= strcmp(manifest->files[i].path, "definitions.db") == 0;
    }
    return has_definitions;
}

bool backup_manifest_read(struct backup_manifest *manifest, const char *folder, char *reason,
                          size_t reason_size)
{
    json_error_t error;
    char *path = path_join(folder, manifest_name);
    *manifest = (struct backup_manifest){0};
    bool is_there = access(path, F_OK) == 0;
    json_t *json = is_there ? json_load_file(path, 0, &error) : NULL;
    bool is_right = json != NULL && read_manifest(manifest, json);
    if (!is_there)
        snprintf(reason, reason_size, "%s is no backup: there is no %s in it", folder,
                 manifest_name);
    else if (json == NULL)
        refuse(reason, reason_size, path, error.text);
    else if (!is_right)
        refuse(reason, reason_size, path, "not the manifest of a backup that this program knows");
    json_decref(json);
    free(path);
    if (!is_right)
        backup_manifest_fini(manifest);
    return is_right;
}

/* --- hashes */

static bool write_all(int to, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(to, data, size);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            data += written;
            size -= (size_t)written;
        }
    }
    return true;
}

struct hashing {
    int from, to;
    EVP_MD_CTX *context;
    uint8_t *block;
    uint64_t bytes;
};

/* 1: there is more, 0: that was all, -1: no. */
static int hash_block(struct hashing *hashing)
{
    ssize_t size = read(hashing->from, hashing->block, block_bytes);
    if (size <= 0)
        return (int)size;
    hashing->bytes += (uint64_t)size;
    if (EVP_DigestUpdate(hashing->context, hashing->block, (size_t)size) != 1)
        return -1;
    return hashing->to < 0 || write_all(hashing->to, hashing->block, (size_t)size) ? 1 : -1;
}

static void take_hash(struct hashing *hashing, struct backup_file *file)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(hashing->context, digest, &size);
    for (unsigned i = 0; i < size && 2 * i + 2 < BACKUP_HASH_SIZE; i++)
        snprintf(file->sha256 + (size_t)2 * i, 3, "%02x", digest[i]);
    file->bytes = hashing->bytes;
}

bool backup_file_hash(const char *folder, struct backup_file *file, int to,
                      bool (*should_end)(void *context), void *context, char *reason,
                      size_t reason_size)
{
    char *path = path_join(folder, file->path);
    struct hashing hashing = {.to = to, .from = open(path, O_RDONLY | O_CLOEXEC)};
    int left = hashing.from < 0 ? -1 : 1;
    hashing.context = EVP_MD_CTX_new();
    hashing.block = xmalloc(block_bytes);
    errno = hashing.from < 0 ? errno : 0;
    if (left > 0 && EVP_DigestInit_ex(hashing.context, EVP_sha256(), NULL) != 1)
        left = -1;
    while (left > 0 && (should_end == NULL || !should_end(context)))
        left = hash_block(&hashing);
    if (left == 0)
        take_hash(&hashing, file);
    else
        refuse(reason, reason_size, path, left > 0 ? "ended" : strerror(errno));
    if (hashing.from >= 0)
        close(hashing.from);
    EVP_MD_CTX_free(hashing.context);
    free(hashing.block);
    free(path);
    return left == 0;
}
