/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration asks of new passwords. Passwords that are there already, and hashes, are
 * not looked at.
 */
#include "auth/credential.h"

#include <stdio.h>
#include <string.h>

#include "broker/access.h"
#include "config/config.h"

static bool is_long_enough(const struct config *config, const char *password, char *reason,
                           size_t reason_size)
{
    if (strlen(password) >= config->credential_min_length)
        return true;
    snprintf(reason, reason_size, "minimum required password length is %u",
             (unsigned)config->credential_min_length);
    return false;
}

/* The rules of a pattern are those of permissions, so it is asked as one. */
static bool matches(const struct config *config, const char *password, char *reason,
                    size_t reason_size)
{
    struct bytes none = {0};
    struct access *access = access_new();
    bool is_good =
        access_add_permission(access, none, none, bytes_of_text(config->credential_regexp), none,
                              none, reason, reason_size);
    if (is_good &&
        !access_allows(access, none, none, PERMISSION_CONFIGURE, bytes_of_text(password))) {
        snprintf(reason, reason_size,
                 "provided password does not match the validator regular expression");
        is_good = false;
    }
    access_free(access);
    return is_good;
}

bool credential_check(const struct config *config, const char *password, char *reason,
                      size_t reason_size)
{
    switch (config->credential_validator) {
    case CONFIG_CREDENTIALS_MIN_LENGTH:
        return is_long_enough(config, password, reason, reason_size);
    case CONFIG_CREDENTIALS_REGEXP:
        return matches(config, password, reason, reason_size);
    default:
        return true;
    }
}
