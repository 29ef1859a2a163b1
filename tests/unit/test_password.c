/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes: hashes that RabbitMQ made or documents, those made here, and those that are
 * none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/password.h"

static void known_hashes_match(void **state)
{
    static const struct {
        enum password_hashing hashing;
        const char *password;
        const char *hash;
    } rows[] = {
        {PASSWORD_SHA256, "test12", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"},
        {PASSWORD_SHA256, "guest", "9BujPMUCbkxhH31XNuzQwyoe0j+mP48nFOJhi2/BoE4PePdn"},
        {PASSWORD_SHA256, "guest", "AAAAAPEoQ8a3jY6DABRiJzkoKooQbXiBp2iGLke7d+FVKzJx"},
        {PASSWORD_SHA512, "gu\xc3\xa4st",
         "3q2+78J9xg7xgdCiWuOn9TFDI4OLxAYvJEPpdu7giTx6Qmfh6Bkmm4ZL6tJ0QBAbnC7K9PuTGjgOJOYv5kaEJoY0"
         "Uzc="},
        {PASSWORD_MD5, "guest", "AQIDBH/JkOf0oGZ5yhQgSBXkHS0="},
        {PASSWORD_SHA256, "", "//79/IwqLFdKxHHOh1kME/Dv20K9LLGbsYSTN51Fv8yQYLZX"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(
            password_matches(rows[i].hashing, rows[i].hash, bytes_of_text(rows[i].password)));
        assert_false(password_matches(rows[i].hashing, rows[i].hash, bytes_of_text("Guest")));
        enum password_hashing other =
            rows[i].hashing == PASSWORD_MD5 ? PASSWORD_SHA256 : PASSWORD_MD5;
        assert_false(password_matches(other, rows[i].hash, bytes_of_text(rows[i].password)));
    }
}

static void made_hashes_match_and_have_salt(void **state)
{
    static const size_t digest_bytes[] = {32, 64, 16};
    (void)state;
    for (int hashing = PASSWORD_SHA256; hashing <= PASSWORD_MD5; hashing++) {
        struct bytes password = bytes_of("a\0b", 3);
        char *first = password_hash((enum password_hashing)hashing, password);
        char *second = password_hash((enum password_hashing)hashing, password);
        assert_int_equal(strlen(first), (4 + digest_bytes[hashing] + 2) / 3 * 4);
        assert_string_not_equal(first, second);
        assert_true(password_matches((enum password_hashing)hashing, first, password));
        assert_true(password_matches((enum password_hashing)hashing, second, password));
        assert_false(password_matches((enum password_hashing)hashing, first, bytes_of_text("a")));
        free(first);
        free(second);
    }
}

static void what_is_no_hash_matches_nothing(void **state)
{
    static const char *const hashes[] = {
        "",
        "kI3GCg==", /* the salt alone */
        "kI3G",
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2PO",      /* a character short */
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2PO?",     /* no base64 */
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2PORAAAA", /* too long */
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV",         /* too short */
        "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2PO=",
        " kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
    };
    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        assert_false(password_matches(PASSWORD_SHA256, hashes[i], bytes_of_text("test12")));
        assert_false(password_matches(PASSWORD_SHA256, hashes[i], bytes_of(NULL, 0)));
    }
    char *long_hash = malloc(100001);
    memset(long_hash, 'A', 100000);
    long_hash[100000] = '\0';
    assert_false(password_matches(PASSWORD_SHA512, long_hash, bytes_of_text("test12")));
    free(long_hash);
}

static void names_are_rabbitmqs(void **state)
{
    enum password_hashing hashing;
    (void)state;
    assert_string_equal(password_hashing_name(PASSWORD_SHA256), "rabbit_password_hashing_sha256");
    assert_true(password_hashing_find("rabbit_password_hashing_sha512", &hashing));
    assert_int_equal(hashing, PASSWORD_SHA512);
    assert_true(password_hashing_find("rabbit_password_hashing_md5", &hashing));
    assert_int_equal(hashing, PASSWORD_MD5);
    assert_false(password_hashing_find("sha256", &hashing));
    assert_false(password_hashing_find("", &hashing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hashes_match),
        cmocka_unit_test(made_hashes_match_and_have_salt),
        cmocka_unit_test(what_is_no_hash_matches_nothing),
        cmocka_unit_test(names_are_rabbitmqs),
    };
    return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
