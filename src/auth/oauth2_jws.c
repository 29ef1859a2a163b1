/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three runs of Base64 with dots between: header, claims, signature of the two. OpenSSL verifies;
 * what is left to do here is to choose the algorithm (RFC 7518, section 3), and to write the two
 * numbers of an ECDSA signature as OpenSSL wants them.
 *
 * The header's typ is not looked at: RFC 9068 has at+jwt, others have what they like.
 */
#include "auth/oauth2_jws.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

#include "auth/base64url.h"
#include "base/check.h"

struct algorithm {
    const char *name;
    enum oauth2_key_kind kind;
    const char *digest;
    bool is_pss;             /* RSA */
    int curve_bits;          /* ECDSA */
    size_t coordinate_bytes; /* ECDSA */
};

static const struct algorithm algorithms[] = {
    {"RS256", OAUTH2_KEY_RSA, "SHA256", .is_pss = false},
    {"RS384", OAUTH2_KEY_RSA, "SHA384", .is_pss = false},
    {"RS512", OAUTH2_KEY_RSA, "SHA512", .is_pss = false},
    {"PS256", OAUTH2_KEY_RSA, "SHA256", .is_pss = true},
    {"PS384", OAUTH2_KEY_RSA, "SHA384", .is_pss = true},
    {"PS512", OAUTH2_KEY_RSA, "SHA512", .is_pss = true},
    {"ES256", OAUTH2_KEY_EC, "SHA256", .curve_bits = 256, .coordinate_bytes = 32},
    {"ES384", OAUTH2_KEY_EC, "SHA384", .curve_bits = 384, .coordinate_bytes = 48},
    {"ES512", OAUTH2_KEY_EC, "SHA512", .curve_bits = 521, .coordinate_bytes = 66},
    {"HS256", OAUTH2_KEY_OCTETS, "SHA256", .is_pss = false},
    {"HS384", OAUTH2_KEY_OCTETS, "SHA384", .is_pss = false},
    {"HS512", OAUTH2_KEY_OCTETS, "SHA512", .is_pss = false},
};

/* --- reading */

/* What stands before the first dot, or all of it. */
static struct bytes next_part(struct bytes *text)
{
    const uint8_t *dot = text->size > 0 ? memchr(text->data, '.', text->size) : NULL;
    struct bytes part = bytes_of(text->data, dot != NULL ? (size_t)(dot - text->data) : text->size);
    size_t taken = part.size + (dot != NULL);
    *text = bytes_of(text->data + taken, text->size - taken);
    return part;
}

static json_t *read_object(struct bytes part)
{
    struct buffer decoded = {0};
    json_t *object = NULL;
    if (base64url_decode(part, &decoded))
        object = json_loadb((const char *)decoded.data, decoded.size, 0, NULL);
    buffer_fini(&decoded);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

bool jws_read(struct jws *jws, struct bytes text)
{
    struct bytes rest = text;
    *jws = (struct jws){0};
    if (text.size == 0)
        return false;
    struct bytes header = next_part(&rest), claims = next_part(&rest);
    *jws = (struct jws){.input = bytes_of(text.data, header.size + 1 + claims.size),
                        .header = read_object(header),
                        .claims = read_object(claims)};
    bool is_read =
        jws->header != NULL && jws->claims != NULL && base64url_decode(rest, &jws->signature);
    if (!is_read)
        jws_fini(jws);
    return is_read;
}

void jws_fini(struct jws *jws)
{
    json_decref(jws->header);
    json_decref(jws->claims);
    buffer_fini(&jws->signature);
    *jws = (struct jws){0};
}

const char *jws_header(const struct jws *jws, const char *name)
{
    return json_string_value(json_object_get(jws->header, name));
}

/* --- verifying */

static const struct algorithm *find_algorithm(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    }
    return NULL;
}

static bool is_hmac_right(const struct jws *jws, const struct algorithm *algorithm,
                          struct bytes secret)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CHECK(HMAC(EVP_get_digestbyname(algorithm->digest), secret.data, (int)secret.size,
               jws->input.data, jws->input.size, digest, &size) != NULL);
    return size == jws->signature.size && CRYPTO_memcmp(digest, jws->signature.data, size) == 0;
}

/* The two numbers, each as long as the field of its curve, as DER; the caller frees it. 0: they are
 * none. */
static int write_der(const struct jws *jws, const struct algorithm *algorithm, uint8_t **der)
{
    size_t half = algorithm->coordinate_bytes;
    if (jws->signature.size != 2 * half)
        return 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    CHECK(pair != NULL);
    CHECK(ECDSA_SIG_set0(pair, BN_bin2bn(jws->signature.data, (int)half, NULL),
                         BN_bin2bn(jws->signature.data + half, (int)half, NULL)) == 1);
    int size = i2d_ECDSA_SIG(pair, der);
    ECDSA_SIG_free(pair);
    return size;
}

static bool verify(const struct jws *jws, const struct algorithm *algorithm, EVP_PKEY *pkey,
                   struct bytes signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL; /* context's */
    CHECK(context != NULL);
    bool is_right =
        EVP_DigestVerifyInit_ex(context, &options, algorithm->digest, NULL, NULL, pkey, NULL) == 1;
    if (is_right && algorithm->is_pss)
        is_right = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    is_right = is_right && EVP_DigestVerify(context, signature.data, signature.size,
                                            jws->input.data, jws->input.size) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_right;
}

static bool is_ecdsa_right(const struct jws *jws, const struct algorithm *algorithm, EVP_PKEY *pkey)
{
    uint8_t *der = NULL;
    if (EVP_PKEY_get_bits(pkey) != algorithm->curve_bits)
        return false;
    int size = write_der(jws, algorithm, &der);
    bool is_right = size > 0 && verify(jws, algorithm, pkey, bytes_of(der, (size_t)size));
    OPENSSL_free(der);
    return is_right;
}

bool jws_is_signed_with(const struct jws *jws, const struct oauth2_key *key)
{
    const struct algorithm *algorithm = find_algorithm(jws_header(jws, "alg"));
    if (algorithm == NULL || algorithm->kind != key->kind)
        return false;
    switch (key->kind) {
    case OAUTH2_KEY_RSA:
        return verify(jws, algorithm, key->pkey, buffer_bytes(&jws->signature));
    case OAUTH2_KEY_EC:
        return is_ecdsa_right(jws, algorithm, key->pkey);
    case OAUTH2_KEY_OCTETS:
        return is_hmac_right(jws, algorithm, buffer_bytes(&key->octets));
    }
    return false;
}
