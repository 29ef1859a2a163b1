/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder with its lock, and definitions.db in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/data_folder.h"
#include "store/definitions_store.h"
#include "test_store_model.h"

/* --- the folder */

static char *child(const char *folder, const char *name)
{
    char *path = malloc(strlen(folder) + strlen(name) + 2);
    sprintf(path, "%s/%s", folder, name);
    return path;
}

static void folder_is_made_for_its_owner_alone(void **state)
{
    (void)state;
    char reason[256];
    struct stat status;
    char *parent = model_folder_new(), *path = child(parent, "data");
    struct data_folder *folder = data_folder_open(path, reason, sizeof reason);
    assert_non_null(folder);
    assert_string_equal(data_folder_path(folder), path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    data_folder_close(folder);
    char *lock = child(path, "lock");
    unlink(lock);
    rmdir(path);
    free(lock), free(path);
    model_folder_free(parent);
}

static void second_process_is_refused(void **state)
{
    (void)state;
    char reason[512] = "", holder[32];
    char *path = model_folder_new();
    struct data_folder *folder = data_folder_open(path, reason, sizeof reason);
    assert_non_null(folder);
    snprintf(holder, sizeof holder, "process %ld", (long)getpid());
    pid_t process = fork();
    if (process == 0) {
        bool is_right = data_folder_open(path, reason, sizeof reason) == NULL &&
                        strstr(reason, path) != NULL && strstr(reason, holder) != NULL;
        _exit(is_right ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(process, &result, 0), process);
    assert_int_equal(result, 0);
    data_folder_close(folder);
    folder = data_folder_open(path, reason, sizeof reason);
    assert_non_null(folder);
    data_folder_close(folder);
    model_folder_free(path);
}

static void folder_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    char reason[256] = "";
    char *parent = model_folder_new(), *path = child(parent, "missing/data");
    assert_null(data_folder_open(path, reason, sizeof reason));
    assert_non_null(strstr(reason, path));
    free(path);
    model_folder_free(parent);
}

static bool is_even(void *context, uint64_t vhost)
{
    (void)context;
    return vhost % 2 == 0;
}

static void messages_without_definitions_are_kept(void **state)
{
    (void)state;
    char reason[256] = "";
    char *path = model_folder_new(), *definitions = child(path, "definitions.db");
    struct data_folder *folder = data_folder_open(path, reason, sizeof reason);
    assert_true(data_folder_check_definitions(folder, reason, sizeof reason));
    free(data_folder_vhost(folder, 7, reason, sizeof reason));
    assert_false(data_folder_check_definitions(folder, reason, sizeof reason));
    assert_non_null(strstr(reason, "no definitions.db"));
    close(open(definitions, O_CREAT | O_WRONLY, 0600));
    assert_true(data_folder_check_definitions(folder, reason, sizeof reason));
    free(definitions);
    data_folder_close(folder);
    model_folder_free(path);
}

static void orphans_go_and_others_stay(void **state)
{
    (void)state;
    char reason[256] = "";
    char *path = model_folder_new();
    struct data_folder *folder = data_folder_open(path, reason, sizeof reason);
    for (uint64_t vhost = 1; vhost <= 4; vhost++) {
        char *made = data_folder_vhost(folder, vhost, reason, sizeof reason);
        assert_non_null(made);
        char *file = child(made, "messages.db");
        close(open(file, O_CREAT | O_WRONLY, 0600));
        free(file), free(made);
    }
    assert_int_equal(data_folder_remove_orphans(folder, is_even, NULL), 2);
    assert_int_equal(data_folder_remove_orphans(folder, is_even, NULL), 0);
    char *kept = child(path, "vhosts/2/messages.db");
    assert_int_equal(access(kept, F_OK), 0);
    free(kept);
    assert_true(data_folder_remove_vhost(folder, 2, reason, sizeof reason));
    assert_true(data_folder_remove_vhost(folder, 4, reason, sizeof reason));
    assert_true(data_folder_remove_vhost(folder, 9, reason, sizeof reason));
    char *all = child(path, "vhosts");
    assert_int_equal(rmdir(all), 0);
    free(all);
    data_folder_close(folder);
    model_folder_free(path);
}

/* --- definitions */

struct fixture {
    char *folder;
    struct definitions_store *store;
};

static int set_up(void **state)
{
    char reason[512] = "";
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = model_folder_new();
    f->store = definitions_store_open(f->folder, reason, sizeof reason);
    *state = f;
    return f->store == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    definitions_store_close(f->store);
    model_folder_free(f->folder);
    free(f);
    return 0;
}

static struct definitions *load(struct fixture *f)
{
    struct definitions *definitions = definitions_load(f->store);
    if (definitions == NULL)
        fail_msg("%s", definitions_store_error(f->store));
    return definitions;
}

static void reopen(struct fixture *f)
{
    char reason[512] = "";
    definitions_store_close(f->store);
    f->store = definitions_store_open(f->folder, reason, sizeof reason);
    if (f->store == NULL)
        fail_msg("%s", reason);
}

static void put_user(struct fixture *f, char *name, char *tags)
{
    struct definitions_user user = {name, "aGFzaA==", "rabbit_password_hashing_sha256", tags};
    assert_true(definitions_put_user(f->store, &user));
}

static void put_permission(struct fixture *f, char *user, char *vhost)
{
    struct definitions_permission permission = {user, vhost, "^c", "w$", ""};
    assert_true(definitions_put_permission(f->store, &permission));
}

static void new_file_is_empty(void **state)
{
    struct definitions *definitions = load(*state);
    assert_int_equal(definitions->vhost_count, 0);
    assert_int_equal(definitions->user_count, 0);
    assert_int_equal(definitions->permission_count, 0);
    definitions_free(definitions);
}

static void everything_comes_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(definitions_put_vhost(f->store, "/"), 1);
    assert_int_equal(definitions_put_vhost(f->store, "b\xc3\xa4r"), 2);
    assert_int_equal(definitions_put_vhost(f->store, "/"), 1);
    put_user(f, "guest", "");
    put_user(f, "guest", "administrator,monitoring");
    put_user(f, "anna", "");
    put_permission(f, "guest", "/");
    reopen(f);
    struct definitions *definitions = load(f);
    assert_int_equal(definitions->vhost_count, 2);
    assert_int_equal(definitions->vhosts[0].id, 1);
    assert_string_equal(definitions->vhosts[1].name, "b\xc3\xa4r");
    assert_int_equal(definitions->user_count, 2);
    assert_string_equal(definitions->users[0].name, "anna");
    assert_string_equal(definitions->users[1].tags, "administrator,monitoring");
    assert_string_equal(definitions->users[1].password_hash, "aGFzaA==");
    assert_string_equal(definitions->users[1].hashing_algorithm, "rabbit_password_hashing_sha256");
    assert_int_equal(definitions->permission_count, 1);
    assert_string_equal(definitions->permissions[0].user, "guest");
    assert_string_equal(definitions->permissions[0].vhost, "/");
    assert_string_equal(definitions->permissions[0].configure, "^c");
    assert_string_equal(definitions->permissions[0].write, "w$");
    assert_string_equal(definitions->permissions[0].read, "");
    definitions_free(definitions);
}

static bool has_bytes(const char *path, const char *text)
{
    static char data[1 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(data, 1, sizeof data, file), length = strlen(text);
    fclose(file);
    assert_true(size > 0 && size < sizeof data);
    for (size_t i = 0; i + length <= size; i++) {
        if (memcmp(data + i, text, length) == 0)
            return true;
    }
    return false;
}

/* Whoever gets the file, or a copy of it, finds no hash of a password that is not in use. */
static void deleted_users_leave_nothing(void **state)
{
    struct fixture *f = *state;
    char *path = child(f->folder, "definitions.db");
    put_user(f, "anna", "");
    put_user(f, "somebody-else", "");
    reopen(f);
    assert_true(has_bytes(path, "somebody-else"));
    assert_true(definitions_delete_user(f->store, "somebody-else"));
    definitions_store_close(f->store);
    f->store = NULL;
    assert_true(has_bytes(path, "anna"));
    assert_false(has_bytes(path, "somebody-else"));
    free(path);
}

static void deleting_takes_permissions_along(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(definitions_put_vhost(f->store, "one"), 1);
    assert_int_equal(definitions_put_vhost(f->store, "two"), 2);
    put_user(f, "anna", "");
    put_user(f, "bert", "");
    put_permission(f, "anna", "one");
    put_permission(f, "anna", "two");
    put_permission(f, "bert", "one");
    put_permission(f, "bert", "two");
    assert_true(definitions_delete_user(f->store, "anna"));
    assert_true(definitions_delete_vhost(f->store, "two"));
    assert_true(definitions_delete_vhost(f->store, "none"));
    struct definitions *definitions = load(f);
    assert_int_equal(definitions->permission_count, 1);
    assert_string_equal(definitions->permissions[0].user, "bert");
    assert_string_equal(definitions->permissions[0].vhost, "one");
    definitions_free(definitions);
    assert_true(definitions_delete_permission(f->store, "bert", "one"));
    definitions = load(f);
    assert_int_equal(definitions->permission_count, 0);
    assert_int_equal(definitions->user_count, 1);
    definitions_free(definitions);
}

static void vhost_numbers_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(definitions_put_vhost(f->store, "a"), 1);
    assert_int_equal(definitions_put_vhost(f->store, "b"), 2);
    assert_true(definitions_delete_vhost(f->store, "b"));
    reopen(f);
    assert_int_equal(definitions_put_vhost(f->store, "b"), 3);
}

static const char *const samples[DEFINITIONS_KIND_COUNT][DEFINITIONS_TEXTS_MAX] = {
    [DEFINITIONS_VHOST_METADATA] = {"/", "{\"tags\":[]}"},
    [DEFINITIONS_USER_LIMITS] = {"guest", "{\"max-channels\":5}"},
    [DEFINITIONS_TOPIC_PERMISSION] = {"guest", "/", "amq.topic", "^w", "^r"},
    [DEFINITIONS_PARAMETER] = {"/", "policy", "p", "{}"},
    [DEFINITIONS_GLOBAL] = {"cluster_name", "\"x\""},
};

static void put_samples(struct fixture *f)
{
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++)
        assert_true(definitions_put(f->store, (enum definitions_kind)i, samples[i]));
}

static void assert_samples(struct fixture *f, size_t count)
{
    struct definitions *definitions = load(f);
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++) {
        assert_int_equal(definitions->others[i].count, count);
        for (int j = 0; count > 0 && j < definitions_text_count((enum definitions_kind)i); j++)
            assert_string_equal(definitions->others[i].rows[0].texts[j], samples[i][j]);
    }
    definitions_free(definitions);
}

static void every_kind_is_kept(void **state)
{
    struct fixture *f = *state;
    put_samples(f);
    put_samples(f);
    reopen(f);
    assert_samples(f, 1);
    for (int i = 0; i < DEFINITIONS_KIND_COUNT; i++)
        assert_true(definitions_delete(f->store, (enum definitions_kind)i, samples[i]));
    reopen(f);
    assert_samples(f, 0);
}

static void users_and_vhosts_take_everything_along(void **state)
{
    struct fixture *f = *state;
    put_samples(f);
    assert_true(definitions_delete_user(f->store, "guest"));
    struct definitions *definitions = load(f);
    assert_int_equal(definitions->others[DEFINITIONS_TOPIC_PERMISSION].count, 0);
    assert_int_equal(definitions->others[DEFINITIONS_USER_LIMITS].count, 0);
    assert_int_equal(definitions->others[DEFINITIONS_PARAMETER].count, 1);
    definitions_free(definitions);
    put_samples(f);
    assert_true(definitions_delete_vhost(f->store, "/"));
    definitions = load(f);
    assert_int_equal(definitions->others[DEFINITIONS_TOPIC_PERMISSION].count, 0);
    assert_int_equal(definitions->others[DEFINITIONS_PARAMETER].count, 0);
    assert_int_equal(definitions->others[DEFINITIONS_VHOST_METADATA].count, 0);
    assert_int_equal(definitions->others[DEFINITIONS_USER_LIMITS].count, 1);
    assert_int_equal(definitions->others[DEFINITIONS_GLOBAL].count, 1);
    definitions_free(definitions);
}

static void many_changes_are_one_or_none(void **state)
{
    struct fixture *f = *state;
    assert_true(definitions_begin(f->store));
    put_samples(f);
    assert_int_equal(definitions_put_vhost(f->store, "a"), 1);
    assert_false(definitions_end(f->store, false));
    assert_samples(f, 0);
    assert_true(definitions_begin(f->store));
    put_samples(f);
    assert_int_equal(definitions_put_vhost(f->store, "a"), 1);
    assert_true(definitions_end(f->store, true));
    reopen(f);
    assert_samples(f, 1);
}

/* tests/data/definitions-v1.db was written by format 1: a server with one more user, one more vhost
 * and permissions. */
static void file_of_version_1_is_read(void **state)
{
    struct fixture *f = *state;
    static char data[65536];
    const char *source = getenv("srcdir");
    char path[4096];
    definitions_store_close(f->store);
    snprintf(path, sizeof path, "%s/tests/data/definitions-v1.db", source != NULL ? source : ".");
    FILE *kept = fopen(path, "rb");
    assert_non_null(kept);
    size_t size = fread(data, 1, sizeof data, kept);
    fclose(kept);
    snprintf(path, sizeof path, "%s/definitions.db", f->folder);
    FILE *copy = fopen(path, "wb");
    assert_int_equal(fwrite(data, 1, size, copy), size);
    fclose(copy);
    char reason[256];
    f->store = definitions_store_open(f->folder, reason, sizeof reason);
    assert_non_null(f->store);
    put_samples(f);
    reopen(f);
    struct definitions *definitions = load(f);
    assert_int_equal(definitions->user_count, 2);
    assert_string_equal(definitions->users[1].name, "kept");
    assert_string_equal(definitions->users[1].tags, "one,two");
    assert_int_equal(definitions->vhost_count, 2);
    assert_string_equal(definitions->vhosts[1].name, "orders");
    assert_int_equal(definitions->vhosts[1].id, 2);
    assert_int_equal(definitions->permission_count, 2);
    assert_int_equal(definitions->others[DEFINITIONS_GLOBAL].count, 2);
    assert_int_equal(definitions->others[DEFINITIONS_PARAMETER].count, 1);
    definitions_free(definitions);
}

static void change_behind_our_back(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    char *path = child(f->folder, "definitions.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
    free(path);
}

static void check_damage_is_told(struct fixture *f, const char *sql)
{
    change_behind_our_back(f, sql);
    assert_null(definitions_load(f->store));
    assert_non_null(strstr(definitions_store_error(f->store), "damaged"));
}

static void changed_user_is_found_out(void **state)
{
    put_user(*state, "guest", "");
    check_damage_is_told(*state, "UPDATE user SET tags='administrator'");
}

static void changed_permission_is_found_out(void **state)
{
    put_permission(*state, "guest", "/");
    check_damage_is_told(*state, "UPDATE permission SET read='.*'");
}

static void changed_vhost_is_found_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(definitions_put_vhost(f->store, "/"), 1);
    check_damage_is_told(*state, "UPDATE vhost SET id=7");
}

static void message_store_is_not_taken_for_definitions(void **state)
{
    struct fixture *f = *state;
    char reason[512] = "";
    struct store_opened opened;
    struct store *store = store_open(f->folder, &opened, reason, sizeof reason);
    store_close(store);
    store_opened_fini(&opened);
    definitions_store_close(f->store);
    f->store = NULL;
    char *from = child(f->folder, "messages.db"), *to = child(f->folder, "definitions.db");
    assert_int_equal(rename(from, to), 0);
    assert_null(definitions_store_open(f->folder, reason, sizeof reason));
    assert_non_null(strstr(reason, "not a file of ours"));
    free(from), free(to);
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_is_made_for_its_owner_alone),
        cmocka_unit_test(second_process_is_refused),
        cmocka_unit_test(folder_that_cannot_be_made_is_told),
        cmocka_unit_test(messages_without_definitions_are_kept),
        cmocka_unit_test(orphans_go_and_others_stay),
        fixture_test(new_file_is_empty),
        fixture_test(everything_comes_back),
        fixture_test(deleting_takes_permissions_along),
        fixture_test(deleted_users_leave_nothing),
        fixture_test(vhost_numbers_are_never_used_again),
        fixture_test(every_kind_is_kept),
        fixture_test(users_and_vhosts_take_everything_along),
        fixture_test(many_changes_are_one_or_none),
        fixture_test(file_of_version_1_is_read),
        fixture_test(changed_user_is_found_out),
        fixture_test(changed_permission_is_found_out),
        fixture_test(changed_vhost_is_found_out),
        fixture_test(message_store_is_not_taken_for_definitions),
    };
    return cmocka_run_group_tests_name("store definitions", tests, NULL, NULL);
}
