/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot of users: who may log in from where, what a snapshot knows, and that readers keep
 * the one they took while another thread replaces it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "auth/users.h"
#include "broker/access.h"
#include "config/config.h"

enum { REPLACEMENTS = 300, READERS = 3 };

static struct config config;

static int config_begin(void **state)
{
    (void)state;
    config_init(&config);
    return 0;
}

static int config_end(void **state)
{
    (void)state;
    config_fini(&config);
    return 0;
}

static struct users *users_begin(void)
{
    return users_new(&config.loopback_users);
}

static void add_user(struct users *users, const char *name, const char *password, const char *tag)
{
    char *hash = password != NULL ? password_hash(PASSWORD_SHA256, bytes_of_text(password)) : NULL;
    users_add_user(users, name, hash != NULL ? hash : "", PASSWORD_SHA256, &tag, tag != NULL);
    free(hash);
}

static bool login(const struct users *users, const char *user, const char *password,
                  bool is_loopback, char *reason, size_t reason_size)
{
    return users_login(users, bytes_of_text(user), bytes_of_text(password), is_loopback, reason,
                       reason_size);
}

static void login_checks_the_password(void **state)
{
    char reason[256] = "";
    (void)state;
    struct users *users = users_begin();
    add_user(users, "u", "secret", NULL);
    add_user(users, "empty", "", NULL);
    add_user(users, "none", NULL, NULL);
    assert_true(login(users, "u", "secret", false, reason, sizeof reason));
    assert_false(login(users, "u", "Secret", false, reason, sizeof reason));
    assert_string_equal(reason, "user 'u' - invalid credentials");
    assert_false(login(users, "nobody", "secret", false, reason, sizeof reason));
    assert_string_equal(reason, "user 'nobody' - invalid credentials");
    assert_false(login(users, "empty", "", true, reason, sizeof reason));
    assert_non_null(strstr(reason, "blank password"));
    assert_false(login(users, "none", "secret", true, reason, sizeof reason));
    assert_false(login(users, "none", "", true, reason, sizeof reason));
    assert_false(
        users_login(users, bytes_of(NULL, 0), bytes_of(NULL, 0), true, reason, sizeof reason));
    assert_false(users_login(users, bytes_of("u\0", 2), bytes_of_text("secret"), true, reason,
                             sizeof reason));
    users_unref(users);
}

static void guest_logs_in_from_loopback_only(void **state)
{
    char reason[256] = "";
    (void)state;
    struct users *users = users_begin();
    add_user(users, "guest", "guest", NULL);
    add_user(users, "u", "u", NULL);
    assert_true(login(users, "guest", "guest", true, reason, sizeof reason));
    assert_false(login(users, "guest", "guest", false, reason, sizeof reason));
    assert_string_equal(reason, "user 'guest' can only connect via localhost");
    assert_false(users_login_external(users, bytes_of_text("guest"), false, reason, sizeof reason));
    assert_true(login(users, "u", "u", false, reason, sizeof reason));
    users_unref(users);
}

static void an_external_user_needs_no_password(void **state)
{
    char reason[256] = "";
    (void)state;
    struct users *users = users_begin();
    add_user(users, "CN=client,O=x", NULL, NULL);
    assert_true(
        users_login_external(users, bytes_of_text("CN=client,O=x"), false, reason, sizeof reason));
    assert_false(
        users_login_external(users, bytes_of_text("CN=other"), true, reason, sizeof reason));
    assert_string_equal(reason, "user 'CN=other' - invalid credentials");
    users_unref(users);
}

static void a_snapshot_knows_vhosts_tags_and_permissions(void **state)
{
    char reason[256];
    uint64_t id = 0;
    (void)state;
    struct users *users = users_begin();
    add_user(users, "u", "u", "monitoring");
    users_add_vhost(users, "/", 7);
    users_add_vhost(users, "other", 8);
    assert_true(users_add_permission(users, "u", "/", "^c", "^w", "^r", reason, sizeof reason));
    assert_false(users_add_permission(users, "u", "other", "(", "", "", reason, sizeof reason));
    assert_true(users_find_vhost(users, bytes_of_text("other"), &id));
    assert_int_equal(id, 8);
    assert_true(users_find_vhost(users, bytes_of_text("/"), NULL));
    assert_false(users_find_vhost(users, bytes_of_text("//"), &id));
    assert_true(users_has_tag(users, bytes_of_text("u"), "monitoring"));
    assert_false(users_has_tag(users, bytes_of_text("u"), "administrator"));
    assert_false(users_has_tag(users, bytes_of_text("v"), "monitoring"));
    assert_true(users_has_user(users, bytes_of_text("u")));
    assert_false(users_has_user(users, bytes_of_text("v")));
    const struct access *access = users_access(users);
    assert_true(access_may_enter(access, bytes_of_text("u"), bytes_of_text("/")));
    assert_false(access_may_enter(access, bytes_of_text("u"), bytes_of_text("other")));
    assert_true(access_allows(access, bytes_of_text("u"), bytes_of_text("/"), PERMISSION_WRITE,
                              bytes_of_text("wq")));
    users_unref(users);
}

/* Of every size, because a table that is just growing is freed in another way. */
static void snapshots_of_any_size_are_found_and_freed(void **state)
{
    char name[32], reason[256];
    (void)state;
    for (uint64_t size = 0; size < 300; size++) {
        struct users *users = users_begin();
        for (uint64_t i = 0; i < size; i++) {
            snprintf(name, sizeof name, "n%u", (unsigned)i);
            add_user(users, name, NULL, NULL);
            users_add_vhost(users, name, i);
            assert_true(
                users_add_permission(users, name, name, "", "", ".*", reason, sizeof reason));
        }
        for (uint64_t i = 0; i < size; i++) {
            uint64_t id = size;
            snprintf(name, sizeof name, "n%u", (unsigned)i);
            assert_true(users_has_user(users, bytes_of_text(name)));
            assert_true(users_find_vhost(users, bytes_of_text(name), &id));
            assert_int_equal(id, i);
        }
        users_unref(users);
    }
}

/* Snapshot n has the vhosts "a" and "b", both with the id n: a reader that sees two of them at once
 * sees it. */
static struct users *numbered(uint64_t number)
{
    struct users *users = users_begin();
    users_add_vhost(users, "a", number);
    users_add_vhost(users, "b", number);
    return users;
}

static void *read_snapshots(void *argument)
{
    struct users_current *current = argument;
    uint64_t last = 0;
    uintptr_t mistakes = 0;
    while (last < REPLACEMENTS) {
        uint64_t a = 0, b = 1;
        struct users *users = users_current_get(current);
        users_find_vhost(users, bytes_of_text("a"), &a);
        users_find_vhost(users, bytes_of_text("b"), &b);
        users_unref(users);
        mistakes += a != b || a < last;
        last = a;
    }
    return (void *)mistakes;
}

static void readers_keep_the_snapshot_they_took(void **state)
{
    pthread_t readers[READERS];
    (void)state;
    struct users *first = numbered(1);
    struct users_current *current = users_current_new(first);
    users_unref(first);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_snapshots, current), 0);
    struct users *kept = users_current_get(current);
    for (uint64_t number = 2; number <= REPLACEMENTS; number++) {
        struct users *users = numbered(number);
        users_current_set(current, users);
        users_unref(users);
    }
    for (int i = 0; i < READERS; i++) {
        void *mistakes;
        pthread_join(readers[i], &mistakes);
        assert_null(mistakes);
    }
    uint64_t id = 0;
    assert_true(users_find_vhost(kept, bytes_of_text("a"), &id));
    assert_int_equal(id, 1);
    users_unref(kept);
    users_current_free(current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_checks_the_password),
        cmocka_unit_test(guest_logs_in_from_loopback_only),
        cmocka_unit_test(an_external_user_needs_no_password),
        cmocka_unit_test(a_snapshot_knows_vhosts_tags_and_permissions),
        cmocka_unit_test(snapshots_of_any_size_are_found_and_freed),
        cmocka_unit_test(readers_keep_the_snapshot_they_took),
    };
    return cmocka_run_group_tests_name("users", tests, config_begin, config_end);
}
