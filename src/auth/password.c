/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Password hashes as RabbitMQ keeps them, so that users move in and out with their hashes. The salt
 * stands in front of what is hashed and of what is kept; the whole is base64.
 *
 * The hashes are fast ones, not made for passwords; that is the price of exchangeable definitions.
 * It also means that a login needs no thread of its own.
 */
#include "auth/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

enum {
    SALT_BYTES = 4,
    SALTED_BYTES_MAX = SALT_BYTES + EVP_MAX_MD_SIZE,
    BASE64_BYTES_MAX = (SALTED_BYTES_MAX + 2) / 3 * 4,
};

struct salted {
    uint8_t bytes[SALTED_BYTES_MAX]; /* the salt, then the digest */
    size_t size;
};

static const struct {
    const char *name;
    const char *digest; /* OpenSSL's name */
} algorithms[] = {
    [PASSWORD_SHA256] = {"rabbit_password_hashing_sha256", "SHA256"},
    [PASSWORD_SHA512] = {"rabbit_password_hashing_sha512", "SHA512"},
    [PASSWORD_MD5] = {"rabbit_password_hashing_md5", "MD5"},
};

const char *password_hashing_name(enum password_hashing hashing)
{
    return algorithms[hashing].name;
}

bool password_hashing_find(const char *name, enum password_hashing *hashing)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (strcmp(algorithms[i].name, name) == 0) {
            *hashing = (enum password_hashing)i;
            return true;
        }
    }
    return false;
}

/* Puts the digest behind the salt that salted already has. */
static bool add_digest(enum password_hashing hashing, struct bytes password, struct salted *salted)
{
    unsigned size = 0;
    EVP_MD *digest = EVP_MD_fetch(NULL, algorithms[hashing].digest, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = digest != NULL && context != NULL &&
                EVP_DigestInit_ex2(context, digest, NULL) == 1 &&
                EVP_DigestUpdate(context, salted->bytes, SALT_BYTES) == 1 &&
                EVP_DigestUpdate(context, password.data, password.size) == 1 &&
                EVP_DigestFinal_ex(context, salted->bytes + SALT_BYTES, &size) == 1;
    salted->size = SALT_BYTES + size;
    EVP_MD_CTX_free(context);
    EVP_MD_free(digest);
    return done;
}

char *password_hash(enum password_hashing hashing, struct bytes password)
{
    struct salted salted;
    if (RAND_bytes(salted.bytes, SALT_BYTES) != 1 || !add_digest(hashing, password, &salted))
        return NULL;
    char *text = xmalloc(BASE64_BYTES_MAX + 1);
    EVP_EncodeBlock((unsigned char *)text, salted.bytes, (int)salted.size);
    return text;
}

/* EVP_DecodeBlock counts the padding as bytes and takes blanks around the text: so the size is
 * reckoned here. */
static bool read_hash(const char *hash, struct salted *salted)
{
    unsigned char decoded[BASE64_BYTES_MAX];
    size_t size = strlen(hash);
    if (size == 0 || size > BASE64_BYTES_MAX || size % 4 != 0)
        return false;
    int decoded_size = EVP_DecodeBlock(decoded, (const unsigned char *)hash, (int)size);
    if (decoded_size < 0 || (size_t)decoded_size != size / 4 * 3)
        return false;
    size_t padding = hash[size - 1] != '=' ? 0 : hash[size - 2] != '=' ? 1 : 2;
    salted->size = (size_t)decoded_size - padding;
    if (salted->size <= SALT_BYTES || salted->size > sizeof salted->bytes)
        return false;
    memcpy(salted->bytes, decoded, salted->size);
    return true;
}

bool password_matches(enum password_hashing hashing, const char *hash, struct bytes password)
{
    struct salted kept;
    if (!read_hash(hash, &kept))
        return false;
    struct salted given = kept;
    return add_digest(hashing, password, &given) && given.size == kept.size &&
           CRYPTO_memcmp(given.bytes, kept.bytes, kept.size) == 0;
}
