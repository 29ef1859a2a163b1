/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SASL: what is offered to whom, and what the responses of the mechanisms say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/table.h"
#include "auth/sasl.h"
#include "config/config.h"

static struct config config;

static void set(const char *key, const char *value)
{
    struct config_messages messages;
    config_messages_init(&messages);
    assert_true(config_set(&config, key, value, "test", 0, &messages));
    config_messages_fini(&messages);
}

static int config_begin(void **state)
{
    (void)state;
    config_init(&config);
    return 0;
}

static int config_begin_all(void **state)
{
    config_begin(state);
    set("auth_mechanisms.1", "EXTERNAL");
    set("auth_mechanisms.2", "AMQPLAIN");
    set("auth_mechanisms.3", "PLAIN");
    return 0;
}

static int config_end(void **state)
{
    (void)state;
    config_fini(&config);
    return 0;
}

static void assert_offered(bool is_tls, const char *expected)
{
    struct buffer names = {0};
    sasl_append_names(&names, &config, is_tls);
    buffer_append_u8(&names, 0);
    assert_string_equal((char *)names.data, expected);
    buffer_fini(&names);
}

static const struct sasl_mechanism *find(const char *name, bool is_tls)
{
    return sasl_find(bytes_of_text(name), &config, is_tls);
}

static void the_default_is_plain_and_amqplain(void **state)
{
    (void)state;
    assert_offered(false, "PLAIN AMQPLAIN");
    assert_offered(true, "PLAIN AMQPLAIN");
    assert_non_null(find("PLAIN", false));
    assert_null(find("RABBIT-CR-DEMO", false));
    assert_null(find("EXTERNAL", true));
    assert_null(find("plain", false));
    assert_null(find("ANONYMOUS", false));
    assert_null(find("", false));
}

static void external_needs_tls(void **state)
{
    (void)state;
    assert_offered(true, "EXTERNAL AMQPLAIN PLAIN");
    assert_offered(false, "AMQPLAIN PLAIN");
    assert_non_null(find("EXTERNAL", true));
    assert_null(find("EXTERNAL", false));
}

static bool parse(const char *mechanism, struct bytes response,
                  struct sasl_credentials *credentials)
{
    /* A copy of the exact size, so that a read past the end is seen. */
    static uint8_t *copy;
    free(copy);
    copy = NULL;
    if (response.size > 0) {
        copy = malloc(response.size);
        memcpy(copy, response.data, response.size);
    }
    const struct sasl_responses responses = {.first = bytes_of(copy, response.size)};
    struct bytes challenge;
    return sasl_read(find(mechanism, true), &responses, credentials, &challenge) == SASL_COMPLETE;
}

#define RAW(text) bytes_of(text, sizeof(text) - 1)

static void plain_is_nul_user_nul_password(void **state)
{
    static const struct {
        const char *response;
        size_t size;
        bool is_valid;
        const char *user;
        const char *password;
        size_t password_size;
    } rows[] = {
        {"\0guest\0guest", 12, true, "guest", "guest", 5},
        {"\0u\0", 3, true, "u", "", 0},
        {"\0\0p", 3, true, "", "p", 1},
        {"\0\0", 2, true, "", "", 0},
        {"\0u\0p\0q", 6, true, "u", "p\0q", 3},
        {"admin\0guest\0guest", 17, false, NULL, NULL, 0},
        {"\0guest", 6, false, NULL, NULL, 0},
        {"\0", 1, false, NULL, NULL, 0},
        {"", 0, false, NULL, NULL, 0},
        {"guest", 5, false, NULL, NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sasl_credentials credentials;
        bool is_valid = parse("PLAIN", bytes_of(rows[i].response, rows[i].size), &credentials);
        assert_int_equal(is_valid, rows[i].is_valid);
        if (!is_valid)
            continue;
        assert_false(credentials.is_external);
        assert_true(bytes_equal_text(credentials.user, rows[i].user));
        assert_true(
            bytes_equal(credentials.password, bytes_of(rows[i].password, rows[i].password_size)));
    }
}

static void amqplain_is_a_table_without_its_length(void **state)
{
    struct buffer table = {0};
    struct sasl_credentials credentials;
    (void)state;
    amqp_table_add_text(&table, "OTHER", "x");
    amqp_table_add_text(&table, "PASSWORD", "secret");
    amqp_table_add_text(&table, "LOGIN", "me");
    assert_true(parse("AMQPLAIN", buffer_bytes(&table), &credentials));
    assert_false(credentials.is_external);
    assert_true(bytes_equal_text(credentials.user, "me"));
    assert_true(bytes_equal_text(credentials.password, "secret"));
    for (size_t size = 0; size < table.size; size++)
        assert_false(parse("AMQPLAIN", bytes_of(table.data, size), &credentials));
    buffer_fini(&table);
}

static void amqplain_wants_two_long_strings(void **state)
{
    struct sasl_credentials credentials;
    (void)state;
    assert_true(parse("AMQPLAIN", RAW("\5LOGINS\0\0\0\1u\10PASSWORDS\0\0\0\1p"), &credentials));
    assert_false(parse("AMQPLAIN", RAW("\5LOGINS\0\0\0\1u"), &credentials));
    assert_false(parse("AMQPLAIN", RAW("\10PASSWORDS\0\0\0\1p"), &credentials));
    assert_false(parse("AMQPLAIN", RAW("\5LOGINt\1\10PASSWORDS\0\0\0\1p"), &credentials));
    assert_false(parse("AMQPLAIN", RAW("\5LOGINS\0\0\0\1u\10PASSWORDI\0\0\0\1"), &credentials));
    assert_false(parse("AMQPLAIN", RAW("\0guest\0guest"), &credentials));
}

static void external_ignores_the_response(void **state)
{
    struct sasl_credentials credentials;
    (void)state;
    assert_true(parse("EXTERNAL", RAW("\0guest\0guest"), &credentials));
    assert_true(credentials.is_external);
    assert_int_equal(credentials.user.size, 0);
    assert_int_equal(credentials.password.size, 0);
    assert_true(parse("EXTERNAL", RAW(""), &credentials));
}

static enum sasl_result answer(const char *text, struct sasl_credentials *credentials)
{
    const struct sasl_responses responses = {
        .first = bytes_of_text("guest"), .second = bytes_of_text(text), .has_second = true};
    struct bytes challenge;
    return sasl_read(find("RABBIT-CR-DEMO", false), &responses, credentials, &challenge);
}

static void the_demonstration_asks_for_the_password(void **state)
{
    struct sasl_credentials credentials;
    const struct sasl_responses responses = {.first = bytes_of_text("guest")};
    struct bytes challenge;
    (void)state;
    set("auth_mechanisms.4", "RABBIT-CR-DEMO");
    assert_int_equal(sasl_read(find("RABBIT-CR-DEMO", false), &responses, &credentials, &challenge),
                     SASL_CHALLENGE);
    assert_true(bytes_equal_text(challenge, "Please tell me your password"));
    assert_int_equal(answer("My password is x y", &credentials), SASL_COMPLETE);
    assert_true(bytes_equal_text(credentials.user, "guest"));
    assert_true(bytes_equal_text(credentials.password, "x y"));
    assert_int_equal(answer("My password is ", &credentials), SASL_COMPLETE);
    assert_int_equal(answer("My password", &credentials), SASL_MALFORMED);
    assert_int_equal(answer("", &credentials), SASL_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_default_is_plain_and_amqplain, config_begin,
                                        config_end),
        cmocka_unit_test_setup_teardown(external_needs_tls, config_begin_all, config_end),
        cmocka_unit_test_setup_teardown(plain_is_nul_user_nul_password, config_begin_all,
                                        config_end),
        cmocka_unit_test_setup_teardown(amqplain_is_a_table_without_its_length, config_begin_all,
                                        config_end),
        cmocka_unit_test_setup_teardown(amqplain_wants_two_long_strings, config_begin_all,
                                        config_end),
        cmocka_unit_test_setup_teardown(external_ignores_the_response, config_begin_all,
                                        config_end),
        cmocka_unit_test_setup_teardown(the_demonstration_asks_for_the_password, config_begin_all,
                                        config_end),
    };
    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
