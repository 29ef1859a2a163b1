/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory on a real definitions.db: what the first start puts there, what each change does to
 * the snapshot and to the file, what is refused, and what the server is told and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "auth/directory.h"
#include "base/buffer.h"
#include "broker/access.h"
#include "config/config.h"
#include "store/definitions_store.h"

struct fixture {
    char folder[64];
    struct config config;
    struct directory *directory;
    struct buffer events; /* what the server was told, a word each */
    bool vhosts_do_not_start;
};

/* --- what the server is told */

static void on_users(void *context, struct users *users)
{
    struct fixture *f = context;
    /* The directory has it already. */
    assert_ptr_equal(users, directory_users(f->directory));
    buffer_append_format(&f->events, "users ");
}

static void on_user_deleted(void *context, const char *user)
{
    struct fixture *f = context;
    assert_false(users_has_user(directory_users(f->directory), bytes_of_text(user)));
    buffer_append_format(&f->events, "-user:%s ", user);
}

static bool on_vhost_added(void *context, const char *vhost, uint64_t id, char *reason,
                           size_t reason_size)
{
    struct fixture *f = context;
    assert_true(id > 0);
    buffer_append_format(&f->events, "+vhost:%s ", vhost);
    snprintf(reason, reason_size, "no room");
    return !f->vhosts_do_not_start;
}

static void on_vhost_deleted(void *context, const char *vhost, uint64_t id)
{
    struct fixture *f = context;
    assert_true(id > 0);
    assert_false(users_find_vhost(directory_users(f->directory), bytes_of_text(vhost), NULL));
    buffer_append_format(&f->events, "-vhost:%s ", vhost);
}

/* --- the fixture */

static struct directory *open_directory(struct fixture *f, char *reason, size_t reason_size)
{
    const struct directory_events events = {
        .on_users = on_users,
        .on_user_deleted = on_user_deleted,
        .on_vhost_added = on_vhost_added,
        .on_vhost_deleted = on_vhost_deleted,
        .context = f,
    };
    return directory_open(f->folder, &f->config, &events, reason, reason_size);
}

static void begin(struct fixture *f)
{
    char reason[512];
    f->directory = open_directory(f, reason, sizeof reason);
    if (f->directory == NULL)
        fail_msg("%s", reason);
}

static void end(struct fixture *f)
{
    directory_close(f->directory);
    f->directory = NULL;
}

/* What a change left must be what the file has. */
static void reopen(struct fixture *f)
{
    end(f);
    begin(f);
}

static int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "directory-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    config_init(&f->config);
    *state = f;
    return 0;
}

static int fixture_open(void **state)
{
    fixture_new(state);
    begin(*state);
    return 0;
}

static int fixture_free(void **state)
{
    struct fixture *f = *state;
    if (f->directory != NULL)
        end(f);
    DIR *folder = opendir(f->folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
    assert_int_equal(rmdir(f->folder), 0);
    config_fini(&f->config);
    buffer_fini(&f->events);
    free(f);
    return 0;
}

static void set(struct fixture *f, const char *key, const char *value)
{
    struct config_messages messages;
    config_messages_init(&messages);
    assert_true(config_set(&f->config, key, value, "test", 0, &messages));
    config_messages_fini(&messages);
}

static void assert_events(struct fixture *f, const char *expected)
{
    buffer_append_u8(&f->events, 0);
    assert_string_equal((char *)f->events.data, expected);
    buffer_clear(&f->events);
}

/* --- asking */

static bool login(const struct fixture *f, const char *user, const char *password)
{
    char reason[512];
    return users_login(directory_users(f->directory), bytes_of_text(user), bytes_of_text(password),
                       true, reason, sizeof reason);
}

static bool may_write(const struct fixture *f, const char *user, const char *vhost,
                      const char *name)
{
    return access_allows(users_access(directory_users(f->directory)), bytes_of_text(user),
                         bytes_of_text(vhost), PERMISSION_WRITE, bytes_of_text(name));
}

static bool may_enter(const struct fixture *f, const char *user, const char *vhost)
{
    return access_may_enter(users_access(directory_users(f->directory)), bytes_of_text(user),
                            bytes_of_text(vhost));
}

static bool has_vhost(const struct fixture *f, const char *vhost)
{
    return users_find_vhost(directory_users(f->directory), bytes_of_text(vhost), NULL);
}

static void append_user(void *context, const struct directory_user *user)
{
    buffer_append_format(context, "%s[", user->name);
    for (size_t i = 0; i < user->tag_count; i++)
        buffer_append_format(context, "%s%s", i > 0 ? " " : "", user->tags[i]);
    buffer_append_format(context, "] ");
}

static void assert_users(const struct fixture *f, const char *expected)
{
    struct buffer list = {0};
    directory_each_user(f->directory, append_user, &list);
    buffer_append_u8(&list, 0);
    assert_string_equal((char *)list.data, expected);
    buffer_fini(&list);
}

static void append_permission(void *context, const struct directory_permission *permission)
{
    buffer_append_format(context, "%s@%s(%s,%s,%s) ", permission->user, permission->vhost,
                         permission->configure, permission->write, permission->read);
}

static void assert_permissions(const struct fixture *f, const char *user, const char *vhost,
                               const char *expected)
{
    struct buffer list = {0};
    struct directory_error error;
    assert_true(
        directory_each_permission(f->directory, user, vhost, append_permission, &list, &error));
    buffer_append_u8(&list, 0);
    assert_string_equal((char *)list.data, expected);
    buffer_fini(&list);
}

static void must(bool is_done, const struct directory_error *error)
{
    if (!is_done)
        fail_msg("refused: %d %s", error->status, error->text);
}

static void must_not(struct fixture *f, bool is_done, const struct directory_error *error,
                     int status, const char *text)
{
    assert_false(is_done);
    assert_int_equal(error->status, status);
    assert_string_equal(error->text, text);
    assert_events(f, "");
}

/* --- the first start */

static void the_first_start_makes_guest(void **state)
{
    struct fixture *f = *state;
    assert_events(f, "");
    for (int start = 0; start < 2; start++) {
        assert_true(login(f, "guest", "guest"));
        assert_true(may_write(f, "guest", "/", "anything"));
        assert_users(f, "guest[administrator] ");
        assert_int_equal(directory_vhost_count(f->directory), 1);
        assert_string_equal(directory_vhost(f->directory, 0).name, "/");
        reopen(f);
    }
}

static void the_first_start_follows_the_configuration(void **state)
{
    struct fixture *f = *state;
    set(f, "default_user", "admin");
    set(f, "default_pass", "secret");
    set(f, "default_vhost", "main");
    set(f, "default_permissions.configure", "^c");
    set(f, "default_permissions.write", "^w");
    set(f, "default_permissions.read", "");
    set(f, "default_user_tags.monitoring", "true");
    set(f, "password_hashing_module", "rabbit_password_hashing_sha512");
    begin(f);
    assert_true(login(f, "admin", "secret"));
    assert_false(login(f, "guest", "guest"));
    assert_users(f, "admin[monitoring] ");
    assert_permissions(f, "admin", "main", "admin@main(^c,^w,) ");
    assert_true(has_vhost(f, "main"));
    assert_false(has_vhost(f, "/"));
}

static void a_protected_vhost_is_not_deleted(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    must_not(f, directory_set_vhost_protection(f->directory, "none", true, &error), &error, 65,
             "Virtual host 'none' does not exist");
    assert_false(directory_is_vhost_protected(f->directory, "/"));
    must(directory_set_vhost_protection(f->directory, "/", true, &error), &error);
    reopen(f);
    must(directory_add_vhost_with(f->directory, "/", "changed", "a", NULL, &error), &error);
    assert_true(directory_is_vhost_protected(f->directory, "/"));
    must_not(f, directory_delete_vhost(f->directory, "/", &error), &error, 65,
             "Cannot delete this virtual host: it is protected from deletion. To lift the "
             "protection, inspect and update its metadata");
    must(directory_set_vhost_protection(f->directory, "/", false, &error), &error);
    must(directory_delete_vhost(f->directory, "/", &error), &error);
}

static void later_starts_do_not_bring_the_default_back(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    must(directory_delete_user(f->directory, "guest", &error), &error);
    must(directory_delete_vhost(f->directory, "/", &error), &error);
    reopen(f);
    assert_users(f, "");
    assert_int_equal(directory_vhost_count(f->directory), 0);
}

static void a_first_start_that_was_interrupted_is_completed(void **state)
{
    struct fixture *f = *state;
    char reason[512];
    struct definitions_store *store = definitions_store_open(f->folder, reason, sizeof reason);
    assert_non_null(store);
    const struct definitions_user user = {.name = (char[]){"guest"},
                                          .password_hash = (char[]){""},
                                          .hashing_algorithm =
                                              (char[]){"rabbit_password_hashing_sha256"},
                                          .tags = (char[]){""}};
    assert_true(definitions_put_user(store, &user));
    definitions_store_close(store);
    begin(f);
    assert_true(login(f, "guest", "guest"));
    assert_true(may_enter(f, "guest", "/"));
}

static void a_default_pattern_that_does_not_compile_stops_the_start(void **state)
{
    struct fixture *f = *state;
    char reason[512] = "";
    set(f, "default_permissions.read", "(");
    assert_null(open_directory(f, reason, sizeof reason));
    assert_non_null(strstr(reason, "regular expression '(' is invalid"));
}

/* --- users */

static void users_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    must(directory_add_user(f->directory, "u", "one", &error), &error);
    assert_events(f, "users ");
    assert_true(login(f, "u", "one"));
    assert_false(login(f, "u", "two"));
    assert_users(f, "guest[administrator] u[] ");
    must_not(f, directory_add_user(f->directory, "u", "two", &error), &error, 70,
             "User \"u\" already exists");
    must_not(f, directory_add_user(f->directory, "", "two", &error), &error, 65,
             "user cannot be an empty string");
    reopen(f);
    assert_true(login(f, "u", "one"));
    must(directory_delete_user(f->directory, "u", &error), &error);
    assert_events(f, "users -user:u ");
    assert_false(login(f, "u", "one"));
    reopen(f);
    assert_users(f, "guest[administrator] ");
}

static void passwords_change(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    must(directory_add_user(f->directory, "u", "one", &error), &error);
    must(directory_set_user_tags(f->directory, "u", (const char *[]){"t"}, 1, &error), &error);
    assert_events(f, "users users ");
    must(directory_change_password(f->directory, "u", "two", &error), &error);
    assert_events(f, "users ");
    assert_true(login(f, "u", "two"));
    assert_false(login(f, "u", "one"));
    reopen(f);
    assert_true(login(f, "u", "two"));
    must(directory_clear_password(f->directory, "u", &error), &error);
    assert_events(f, "users ");
    assert_false(login(f, "u", "two"));
    assert_false(login(f, "u", ""));
    reopen(f);
    assert_false(login(f, "u", "two"));
    assert_users(f, "guest[administrator] u[t] ");
}

static void authentication_is_only_asked(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    must(directory_authenticate_user(f->directory, "guest", "guest", &error), &error);
    assert_events(f, "");
    must_not(f, directory_authenticate_user(f->directory, "guest", "x", &error), &error, 65,
             "Error: failed to authenticate user \"guest\"\nuser 'guest' - invalid credentials");
}

static void tags_are_kept_in_order(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    const char *tags[] = {"monitoring", "b,c", "a"};
    must(directory_set_user_tags(f->directory, "guest", tags, 3, &error), &error);
    assert_users(f, "guest[monitoring b c a] ");
    assert_true(users_has_tag(directory_users(f->directory), bytes_of_text("guest"), "monitoring"));
    assert_false(
        users_has_tag(directory_users(f->directory), bytes_of_text("guest"), "administrator"));
    reopen(f);
    assert_users(f, "guest[monitoring b c a] ");
    must(directory_set_user_tags(f->directory, "guest", NULL, 0, &error), &error);
    assert_users(f, "guest[] ");
    assert_true(login(f, "guest", "guest"));
}

static void nobody_is_not_a_user(void **state)
{
    static const char text[] = "User \"nobody\" does not exist";
    struct fixture *f = *state;
    struct directory_error error;
    struct directory *d = f->directory;
    must_not(f, directory_delete_user(d, "nobody", &error), &error, 67, text);
    must_not(f, directory_change_password(d, "nobody", "x", &error), &error, 67, text);
    must_not(f, directory_clear_password(d, "nobody", &error), &error, 67, text);
    must_not(f, directory_set_user_tags(d, "nobody", NULL, 0, &error), &error, 67, text);
    must_not(f, directory_set_permissions(d, "nobody", "/", "", "", "", &error), &error, 67,
             "User nobody does not exist");
    must_not(f, directory_clear_permissions(d, "nobody", "/", &error), &error, 67,
             "User nobody does not exist");
    must_not(f, directory_each_permission(d, "nobody", NULL, append_permission, NULL, &error),
             &error, 67, text);
}

static void weak_passwords_are_refused(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    set(f, "credential_validator.validation_backend",
        "rabbit_credential_validator_min_password_length");
    set(f, "credential_validator.min_length", "5");
    must_not(f, directory_add_user(f->directory, "u", "1234", &error), &error, 69,
             "minimum required password length is 5");
    must(directory_add_user(f->directory, "u", "12345", &error), &error);
    assert_events(f, "users ");
    must_not(f, directory_change_password(f->directory, "u", "", &error), &error, 69,
             "minimum required password length is 5");
    set(f, "credential_validator.validation_backend",
        "rabbit_credential_validator_password_regexp");
    set(f, "credential_validator.regexp", "^[a-z]+$");
    must_not(f, directory_change_password(f->directory, "u", "12345", &error), &error, 69,
             "provided password does not match the validator regular expression");
    must(directory_change_password(f->directory, "u", "abc", &error), &error);
    assert_true(login(f, "u", "abc"));
}

/* --- vhosts and permissions */

static void vhosts_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    uint64_t first = 0, second = 0;
    must(directory_add_vhost(f->directory, "v", &error), &error);
    assert_events(f, "+vhost:v users ");
    assert_true(users_find_vhost(directory_users(f->directory), bytes_of_text("v"), &first));
    must(directory_add_vhost(f->directory, "v", &error), &error);
    assert_events(f, "");
    must(directory_set_permissions(f->directory, "guest", "v", ".*", ".*", ".*", &error), &error);
    assert_events(f, "users ");
    assert_true(may_enter(f, "guest", "v"));
    reopen(f);
    assert_int_equal(directory_vhost_count(f->directory), 2);
    assert_int_equal(directory_vhost(f->directory, 1).id, first);
    must(directory_delete_vhost(f->directory, "v", &error), &error);
    assert_events(f, "users -vhost:v ");
    assert_false(has_vhost(f, "v"));
    assert_false(may_enter(f, "guest", "v"));
    must_not(f, directory_delete_vhost(f->directory, "v", &error), &error, 65,
             "Virtual host 'v' does not exist");
    must(directory_add_vhost(f->directory, "v", &error), &error);
    assert_true(users_find_vhost(directory_users(f->directory), bytes_of_text("v"), &second));
    assert_true(second > first);
    assert_false(may_enter(f, "guest", "v"));
}

static void a_vhost_that_does_not_start_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    f->vhosts_do_not_start = true;
    assert_false(directory_add_vhost(f->directory, "v", &error));
    assert_int_equal(error.status, 70);
    assert_string_equal(error.text, "vhost 'v' could not be started: no room");
    assert_events(f, "+vhost:v ");
    assert_false(has_vhost(f, "v"));
    reopen(f);
    assert_int_equal(directory_vhost_count(f->directory), 1);
}

static void vhosts_have_a_limit(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    set(f, "vhost_max", "2");
    must(directory_add_vhost(f->directory, "a", &error), &error);
    must(directory_add_vhost(f->directory, "a", &error), &error);
    buffer_clear(&f->events);
    must_not(f, directory_add_vhost(f->directory, "b", &error), &error, 70,
             "cannot create vhost 'b': vhost limit of 2 is reached");
}

static void set_vhost_defaults(struct fixture *f)
{
    set(f, "default_limits.vhosts.dev.pattern", "^dev-");
    set(f, "default_limits.vhosts.dev.max_queues", "5");
    set(f, "default_limits.vhosts.rest.max_connections", "-1");
    set(f, "default_policies.operator.short.vhost_pattern", "^dev-");
    set(f, "default_policies.operator.short.queue_pattern", "^q");
    set(f, "default_policies.operator.short.apply_to", "queues");
    set(f, "default_policies.operator.short.message_ttl", "1m");
    set(f, "default_policies.operator.short.max_length", "10");
    set(f, "default_users.watch.vhost_pattern", "^dev-");
    set(f, "default_users.watch.tags", "monitoring, other");
    set(f, "default_users.watch.configure", "^$");
    set(f, "default_users.watch.password", "secret");
    set(f, "default_users.cert.vhost_pattern", "nowhere");
}

static void add_policy(void *context, const struct directory_policy *policy)
{
    assert_true(policy->is_operator);
    buffer_append_format(context, "%s %s %s %s; ", policy->name, policy->pattern, policy->apply_to,
                         policy->definition);
}

static void assert_operator_policies(struct fixture *f, const char *vhost, const char *expected)
{
    struct buffer text = {0};
    struct directory_error error;
    must(directory_each_policy(f->directory, vhost, true, add_policy, &text, &error), &error);
    buffer_append_u8(&text, 0);
    assert_string_equal((char *)text.data, expected);
    buffer_fini(&text);
}

static void new_vhosts_begin_with_what_is_configured(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    struct directory *d = f->directory;
    set_vhost_defaults(f);
    must(directory_add_vhost_with(d, "prod", NULL, NULL, NULL, &error), &error);
    assert_string_equal(directory_vhost_limits(d, "prod"), "{\"max-connections\":-1}");
    assert_operator_policies(f, "prod", "");
    assert_users(f, "guest[administrator] ");
    must(directory_add_vhost_with(d, "dev-1", NULL, NULL, NULL, &error), &error);
    assert_string_equal(directory_vhost_limits(d, "dev-1"), "{\"max-queues\":5}");
    assert_operator_policies(f, "dev-1",
                             "short ^q queues {\"max-length\":10,\"message-ttl\":60000}; ");
    assert_users(f, "guest[administrator] watch[monitoring other] ");
    assert_true(login(f, "watch", "secret"));
    assert_permissions(f, "watch", "dev-1", "watch@dev-1(^$,.*,.*) ");
    /* Once: what was changed by hand stays, and a user who is there keeps the password. */
    must(directory_change_password(d, "watch", "new", &error), &error);
    must(directory_set_vhost_limits(d, "dev-1", "{}", &error), &error);
    must(directory_add_vhost_with(d, "dev-1", NULL, NULL, NULL, &error), &error);
    assert_string_equal(directory_vhost_limits(d, "dev-1"), "{}");
    must(directory_add_vhost_with(d, "dev-2", NULL, NULL, NULL, &error), &error);
    assert_true(login(f, "watch", "new"));
    assert_permissions(f, "watch", "dev-2", "watch@dev-2(^$,.*,.*) ");
    set(f, "default_users.cert.vhost_pattern", "(");
    assert_false(directory_add_vhost_with(d, "dev-3", NULL, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "pattern '(' of new virtual hosts"));
}

static void the_default_vhost_begins_with_what_is_configured(void **state)
{
    struct fixture *f = *state;
    set_vhost_defaults(f);
    set(f, "default_vhost", "dev-0");
    set(f, "default_users.cert.vhost_pattern", "0");
    begin(f);
    assert_string_equal(directory_vhost_limits(f->directory, "dev-0"), "{\"max-queues\":5}");
    assert_users(f, "cert[] guest[administrator] watch[monitoring other] ");
    assert_true(login(f, "watch", "secret"));
    assert_false(login(f, "cert", ""));
}

static void permissions_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    struct directory *d = f->directory;
    must(directory_add_user(d, "u", "u", &error), &error);
    must(directory_add_vhost(d, "v", &error), &error);
    assert_false(may_enter(f, "u", "v"));
    must(directory_set_permissions(d, "u", "v", "", "^a", "", &error), &error);
    must(directory_set_permissions(d, "u", "/", "x", "y", "z", &error), &error);
    assert_true(may_write(f, "u", "v", "ab"));
    assert_false(may_write(f, "u", "v", "b"));
    must(directory_set_permissions(d, "u", "v", "", "^b", "", &error), &error);
    assert_false(may_write(f, "u", "v", "ab"));
    assert_true(may_write(f, "u", "v", "b"));
    reopen(f);
    d = f->directory;
    assert_permissions(f, "u", NULL, "u@/(x,y,z) u@v(,^b,) ");
    assert_permissions(f, NULL, "/", "guest@/(.*,.*,.*) u@/(x,y,z) ");
    must(directory_clear_permissions(d, "u", "v", &error), &error);
    must(directory_clear_permissions(d, "u", "v", &error), &error);
    assert_false(may_enter(f, "u", "v"));
    assert_true(may_enter(f, "u", "/"));
    reopen(f);
    assert_permissions(f, "u", NULL, "u@/(x,y,z) ");
    must(directory_delete_user(f->directory, "u", &error), &error);
    assert_permissions(f, NULL, NULL, "guest@/(.*,.*,.*) ");
    reopen(f);
    must(directory_add_user(f->directory, "u", "u", &error), &error);
    assert_false(may_enter(f, "u", "/"));
}

static void bad_permissions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    struct directory *d = f->directory;
    must_not(f, directory_set_permissions(d, "guest", "/", ".*", "[", ".*", &error), &error, 69,
             "regular expression '[' is invalid: missing terminating ] for character class at "
             "offset 1");
    must_not(f, directory_set_permissions(d, "guest", "v", "", "", "", &error), &error, 69,
             "Virtual host v does not exist");
    must_not(f, directory_clear_permissions(d, "guest", "v", &error), &error, 69,
             "Virtual host v does not exist");
    must_not(f, directory_each_permission(d, NULL, "v", append_permission, NULL, &error), &error,
             65, "Virtual host 'v' does not exist");
    assert_permissions(f, "guest", "/", "guest@/(.*,.*,.*) ");
}

/* The names stand in the pattern as they are. */
static void topic_patterns_compile_with_the_names_in_them(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    struct directory *d = f->directory;
    must(directory_add_user(d, "+49170", "x", &error), &error);
    buffer_clear(&f->events);
    must_not(f, directory_set_topic_permissions(d, "+49170", "/", "t", "^{username}", ".*", &error),
             &error, 69,
             "regular expression '^+49170' is invalid: quantifier does not follow a repeatable "
             "item at offset 1");
    must(directory_set_topic_permissions(d, "+49170", "/", "t", "^a", ".*", &error), &error);
}

static void a_taken_snapshot_outlives_changes(void **state)
{
    struct fixture *f = *state;
    struct directory_error error;
    struct users *users = users_ref(directory_users(f->directory));
    must(directory_delete_user(f->directory, "guest", &error), &error);
    assert_true(users_has_user(users, bytes_of_text("guest")));
    assert_false(users_has_user(directory_users(f->directory), bytes_of_text("guest")));
    users_unref(users);
}

#define NEW(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(the_first_start_makes_guest),
        NEW(the_first_start_follows_the_configuration),
        OPEN(a_protected_vhost_is_not_deleted),
        OPEN(later_starts_do_not_bring_the_default_back),
        NEW(a_first_start_that_was_interrupted_is_completed),
        NEW(a_default_pattern_that_does_not_compile_stops_the_start),
        OPEN(users_come_and_go),
        OPEN(passwords_change),
        OPEN(authentication_is_only_asked),
        OPEN(tags_are_kept_in_order),
        OPEN(nobody_is_not_a_user),
        OPEN(weak_passwords_are_refused),
        OPEN(vhosts_come_and_go),
        OPEN(a_vhost_that_does_not_start_is_not_there),
        OPEN(vhosts_have_a_limit),
        OPEN(new_vhosts_begin_with_what_is_configured),
        NEW(the_default_vhost_begins_with_what_is_configured),
        OPEN(permissions_come_and_go),
        OPEN(bad_permissions_are_refused),
        OPEN(topic_patterns_compile_with_the_names_in_them),
        OPEN(a_taken_snapshot_outlives_changes),
    };
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
