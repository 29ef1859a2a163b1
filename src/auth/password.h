/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_PASSWORD_H
#define LEVERET_AUTH_PASSWORD_H

#include <stdbool.h>

#include "base/bytes.h"

/* Password hashes as RabbitMQ keeps them: base64(salt . H(salt . password)) with 4 bytes of salt.
 * Safe on any thread. */

enum password_hashing { PASSWORD_SHA256, PASSWORD_SHA512, PASSWORD_MD5 };

/* "rabbit_password_hashing_sha256" and so on, as definitions and exports have it. */
const char *password_hashing_name(enum password_hashing hashing);
bool password_hashing_find(const char *name, enum password_hashing *hashing)
    __attribute__((warn_unused_result));

/* The hash under a new random salt; the caller frees it. NULL where the system has no randomness or
 * the algorithm is not available. */
char *password_hash(enum password_hashing hashing, struct bytes password);

/* Does the password give this hash? Takes the same time whichever byte differs. False for a hash
 * that is malformed or "", which no password gives. */
bool password_matches(enum password_hashing hashing, const char *hash, struct bytes password);

#endif
