/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered arrays, searched by halving. A row is replaced by taking the old one out and putting the
 * new one in; the copy is made first, because what is handed in may point into the old one.
 *
 * Adding moves half an array on average. That is no more than what making the snapshot costs, which
 * follows every change.
 */
#include "auth/directory_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

/* --- any kind of row */

typedef int row_compare(const void *row, const void *key);

/* The first row that is not before the key. */
static size_t find_place(const void *rows, size_t count, size_t row_bytes, row_compare *compare,
                         const void *key, bool *is_there)
{
    size_t low = 0, high = count;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare((const char *)rows + middle * row_bytes, key);
        *is_there = *is_there || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void *make_room(void *rows, size_t *count, size_t *capacity, size_t row_bytes, size_t place)
{
    rows = xgrow(rows, capacity, *count + 1, row_bytes);
    char *room = (char *)rows + place * row_bytes;
    memmove(room + row_bytes, room, (*count - place) * row_bytes);
    (*count)++;
    return rows;
}

static void close_gap(void *rows, size_t *count, size_t row_bytes, size_t place)
{
    char *gap = (char *)rows + place * row_bytes;
    (*count)--;
    memmove(gap, gap + row_bytes, (*count - place) * row_bytes);
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

/* --- users */

static int compare_user(const void *row, const void *name)
{
    return strcmp(((const struct user_row *)row)->name, name);
}

static size_t user_place(const struct directory_rows *rows, const char *name, bool *is_there)
{
    return find_place(rows->users, rows->user_count, sizeof rows->users[0], compare_user, name,
                      is_there);
}

const struct user_row *directory_rows_user(const struct directory_rows *rows, const char *name)
{
    bool is_there;
    size_t place = user_place(rows, name, &is_there);
    return is_there ? &rows->users[place] : NULL;
}

static struct user_row copy_user(const struct user_row *user)
{
    const char **tags = xcalloc(user->tag_count + 1, sizeof tags[0]);
    for (size_t i = 0; i < user->tag_count; i++)
        tags[i] = xstrdup(user->tags[i]);
    return (struct user_row){
        .name = xstrdup(user->name),
        .hash = xstrdup(user->hash),
        .hashing = user->hashing,
        .tags = tags,
        .tag_count = user->tag_count,
    };
}

static void user_fini(struct user_row *user)
{
    for (size_t i = 0; i < user->tag_count; i++)
        free_text(user->tags[i]);
    free((void *)(uintptr_t)user->tags);
    free_text(user->hash);
    free_text(user->name);
}

static void take_user(struct directory_rows *rows, const char *name)
{
    bool is_there;
    size_t place = user_place(rows, name, &is_there);
    if (!is_there)
        return;
    struct user_row user = rows->users[place];
    close_gap(rows->users, &rows->user_count, sizeof rows->users[0], place);
    user_fini(&user);
}

void directory_rows_put_user(struct directory_rows *rows, const struct user_row *user)
{
    bool is_there;
    struct user_row copy = copy_user(user);
    take_user(rows, copy.name);
    size_t place = user_place(rows, copy.name, &is_there);
    rows->users = make_room(rows->users, &rows->user_count, &rows->user_capacity,
                            sizeof rows->users[0], place);
    rows->users[place] = copy;
}

/* --- vhosts */

static int compare_vhost(const void *row, const void *name)
{
    return strcmp(((const struct vhost_row *)row)->name, name);
}

static size_t vhost_place(const struct directory_rows *rows, const char *name, bool *is_there)
{
    return find_place(rows->vhosts, rows->vhost_count, sizeof rows->vhosts[0], compare_vhost, name,
                      is_there);
}

const struct vhost_row *directory_rows_vhost(const struct directory_rows *rows, const char *name)
{
    bool is_there;
    size_t place = vhost_place(rows, name, &is_there);
    return is_there ? &rows->vhosts[place] : NULL;
}

static void take_vhost(struct directory_rows *rows, const char *name)
{
    bool is_there;
    size_t place = vhost_place(rows, name, &is_there);
    if (!is_there)
        return;
    const char *gone = rows->vhosts[place].name;
    close_gap(rows->vhosts, &rows->vhost_count, sizeof rows->vhosts[0], place);
    free_text(gone);
}

void directory_rows_put_vhost(struct directory_rows *rows, const struct vhost_row *vhost)
{
    bool is_there;
    struct vhost_row copy = {.name = xstrdup(vhost->name), .id = vhost->id};
    take_vhost(rows, copy.name);
    size_t place = vhost_place(rows, copy.name, &is_there);
    rows->vhosts = make_room(rows->vhosts, &rows->vhost_count, &rows->vhost_capacity,
                             sizeof rows->vhosts[0], place);
    rows->vhosts[place] = copy;
}

/* --- permissions */

static int compare_permission(const void *row, const void *key)
{
    const struct permission_row *a = row, *b = key;
    int order = strcmp(a->vhost, b->vhost);
    return order != 0 ? order : strcmp(a->user, b->user);
}

static size_t permission_place(const struct directory_rows *rows, const char *user,
                               const char *vhost, bool *is_there)
{
    const struct permission_row key = {.user = user, .vhost = vhost};
    return find_place(rows->permissions, rows->permission_count, sizeof rows->permissions[0],
                      compare_permission, &key, is_there);
}

static void permission_fini(struct permission_row *permission)
{
    free_text(permission->user);
    free_text(permission->vhost);
    free_text(permission->configure);
    free_text(permission->write);
    free_text(permission->read);
}

static void take_permission(struct directory_rows *rows, size_t place)
{
    struct permission_row permission = rows->permissions[place];
    close_gap(rows->permissions, &rows->permission_count, sizeof rows->permissions[0], place);
    permission_fini(&permission);
}

void directory_rows_remove_permission(struct directory_rows *rows, const char *user,
                                      const char *vhost)
{
    bool is_there;
    size_t place = permission_place(rows, user, vhost, &is_there);
    if (is_there)
        take_permission(rows, place);
}

void directory_rows_put_permission(struct directory_rows *rows,
                                   const struct permission_row *permission)
{
    bool is_there;
    struct permission_row copy = {
        .user = xstrdup(permission->user),
        .vhost = xstrdup(permission->vhost),
        .configure = xstrdup(permission->configure),
        .write = xstrdup(permission->write),
        .read = xstrdup(permission->read),
    };
    directory_rows_remove_permission(rows, copy.user, copy.vhost);
    size_t place = permission_place(rows, copy.user, copy.vhost, &is_there);
    rows->permissions = make_room(rows->permissions, &rows->permission_count,
                                  &rows->permission_capacity, sizeof rows->permissions[0], place);
    rows->permissions[place] = copy;
}

/* Those of the user or of the vhost; the other is NULL. */
static void remove_permissions(struct directory_rows *rows, const char *user, const char *vhost)
{
    for (size_t i = rows->permission_count; i-- > 0;) {
        const struct permission_row *permission = &rows->permissions[i];
        if ((user != NULL && strcmp(permission->user, user) == 0) ||
            (vhost != NULL && strcmp(permission->vhost, vhost) == 0))
            take_permission(rows, i);
    }
}

/* --- texts */

struct text_key {
    const char *const *texts;
    int count;
};

static int compare_texts(const void *row, const void *key)
{
    const struct text_row *a = row;
    const struct text_key *b = key;
    int order = 0;
    for (int i = 0; i < b->count && order == 0; i++)
        order = strcmp(a->texts[i], b->texts[i]);
    return order;
}

static size_t text_place(const struct directory_rows *rows, enum definitions_kind kind,
                         const char *const *key, bool *is_there)
{
    const struct text_key wanted = {key, definitions_key_count(kind)};
    return find_place(rows->others[kind].rows, rows->others[kind].count, sizeof(struct text_row),
                      compare_texts, &wanted, is_there);
}

const struct text_row *directory_rows_text(const struct directory_rows *rows,
                                           enum definitions_kind kind, const char *const *key)
{
    bool is_there;
    size_t place = text_place(rows, kind, key, &is_there);
    return is_there ? &rows->others[kind].rows[place] : NULL;
}

static void text_row_fini(struct text_row *row)
{
    for (int i = 0; i < DEFINITIONS_TEXTS_MAX; i++)
        free_text(row->texts[i]);
}

static void take_text(struct text_rows *rows, size_t place)
{
    struct text_row row = rows->rows[place];
    close_gap(rows->rows, &rows->count, sizeof row, place);
    text_row_fini(&row);
}

void directory_rows_remove_text(struct directory_rows *rows, enum definitions_kind kind,
                                const char *const *key)
{
    bool is_there;
    size_t place = text_place(rows, kind, key, &is_there);
    if (is_there)
        take_text(&rows->others[kind], place);
}

void directory_rows_put_text(struct directory_rows *rows, enum definitions_kind kind,
                             const char *const *texts)
{
    bool is_there;
    struct text_row copy = {{NULL}};
    struct text_rows *others = &rows->others[kind];
    for (int i = 0; i < definitions_text_count(kind); i++)
        copy.texts[i] = xstrdup(texts[i]);
    directory_rows_remove_text(rows, kind, copy.texts);
    size_t place = text_place(rows, kind, copy.texts, &is_there);
    others->rows = make_room(others->rows, &others->count, &others->capacity, sizeof copy, place);
    others->rows[place] = copy;
}

/* Those whose text at this place is the name. */
static void remove_texts(struct directory_rows *rows, enum definitions_kind kind, int place,
                         const char *name)
{
    struct text_rows *others = &rows->others[kind];
    for (size_t i = others->count; i-- > 0;) {
        if (strcmp(others->rows[i].texts[place], name) == 0)
            take_text(others, i);
    }
}

/* --- what takes others along */

void directory_rows_remove_user(struct directory_rows *rows, const char *name)
{
    remove_permissions(rows, name, NULL);
    remove_texts(rows, DEFINITIONS_TOPIC_PERMISSION, 0, name);
    remove_texts(rows, DEFINITIONS_USER_LIMITS, 0, name);
    take_user(rows, name);
}

void directory_rows_remove_vhost(struct directory_rows *rows, const char *name)
{
    remove_permissions(rows, NULL, name);
    remove_texts(rows, DEFINITIONS_TOPIC_PERMISSION, 1, name);
    remove_texts(rows, DEFINITIONS_PARAMETER, 0, name);
    remove_texts(rows, DEFINITIONS_VHOST_METADATA, 0, name);
    take_vhost(rows, name);
}

void directory_rows_fini(struct directory_rows *rows)
{
    for (size_t i = 0; i < rows->user_count; i++)
        user_fini(&rows->users[i]);
    for (size_t i = 0; i < rows->vhost_count; i++)
        free_text(rows->vhosts[i].name);
    for (size_t i = 0; i < rows->permission_count; i++)
        permission_fini(&rows->permissions[i]);
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        for (size_t j = 0; j < rows->others[i].count; j++)
            text_row_fini(&rows->others[i].rows[j]);
        free(rows->others[i].rows);
    }
    free(rows->users);
    free(rows->vhosts);
    free(rows->permissions);
    *rows = (struct directory_rows){0};
}
