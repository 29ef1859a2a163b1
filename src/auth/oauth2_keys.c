/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libjwt takes keys in PEM and knows nothing of JSON Web Keys; OpenSSL makes the one from the
 * other: the numbers of a JWK are its parameters, and what comes out is written as PEM.
 */
#include "auth/oauth2_keys.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"

void oauth2_keys_fini(struct oauth2_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->keys[i].id);
        buffer_fini(&keys->keys[i].material);
    }
    free(keys->keys);
    *keys = (struct oauth2_keys){0};
}

const struct oauth2_key *oauth2_keys_find(const struct oauth2_keys *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].id, id) == 0)
            return &keys->keys[i];
    }
    return NULL;
}

static struct oauth2_key *add_key(struct oauth2_keys *keys, const char *id,
                                  enum oauth2_key_kind kind)
{
    keys->keys = xgrow(keys->keys, &keys->capacity, keys->count + 1, sizeof *keys->keys);
    struct oauth2_key *key = &keys->keys[keys->count++];
    *key = (struct oauth2_key){.id = xstrdup(id), .kind = kind};
    return key;
}

/* The key passes; NULL and other kinds than RSA and EC are refused. */
static bool add_pkey(struct oauth2_keys *keys, const char *id, EVP_PKEY *pkey)
{
    int type = pkey != NULL ? EVP_PKEY_get_base_id(pkey) : EVP_PKEY_NONE;
    bool is_added = false;
    BIO *memory = BIO_new(BIO_s_mem());
    CHECK(memory != NULL);
    if ((type == EVP_PKEY_RSA || type == EVP_PKEY_EC) && PEM_write_bio_PUBKEY(memory, pkey) == 1) {
        char *text = NULL;
        long size = BIO_get_mem_data(memory, &text);
        struct oauth2_key *key =
            add_key(keys, id, type == EVP_PKEY_RSA ? OAUTH2_KEY_RSA : OAUTH2_KEY_EC);
        buffer_append(&key->material, text, (size_t)size);
        buffer_append_u8(&key->material, '\0');
        is_added = true;
    }
    BIO_free(memory);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return is_added;
}

bool oauth2_keys_add_file(struct oauth2_keys *keys, const char *id, const char *path,
                          char reason[AUTH_REASON_SIZE])
{
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *pkey = file != NULL ? PEM_read_bio_PUBKEY(file, NULL, NULL, NULL) : NULL;
    if (file != NULL && pkey == NULL && BIO_reset(file) == 0) {
        X509 *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
        pkey = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    BIO_free(file);
    if (add_pkey(keys, id, pkey))
        return true;
    snprintf(reason, AUTH_REASON_SIZE, "%.300s holds no RSA or EC key that can be read", path);
    return false;
}

/* --- JSON Web Keys */

/* Base64 as RFC 4648, section 5, has it, without padding. false where it is none. */
static bool decode_base64url(const json_t *value, struct buffer *decoded)
{
    const char *text = json_string_value(value);
    struct buffer plain = {0};
    buffer_clear(decoded);
    if (text == NULL)
        return false;
    for (; *text != '\0' && *text != '='; text++)
        buffer_append_u8(&plain, (uint8_t)(*text == '-' ? '+' : *text == '_' ? '/' : *text));
    size_t padding = (4 - plain.size % 4) % 4;
    buffer_append(&plain, "===", padding);
    buffer_reserve(decoded, plain.size);
    int size = padding < 3 && plain.size > 0 && plain.size < 1 << 20
                   ? EVP_DecodeBlock(decoded->data, plain.data, (int)plain.size)
                   : -1;
    buffer_fini(&plain);
    if (size < (int)padding)
        return false;
    decoded->size = (size_t)size - padding;
    return true;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    CHECK(parameters != NULL && context != NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pkey;
}

static BIGNUM *number_of(const json_t *value)
{
    struct buffer octets = {0};
    BIGNUM *number = NULL;
    if (decode_base64url(value, &octets))
        number = BN_bin2bn(octets.data, (int)octets.size, NULL);
    buffer_fini(&octets);
    return number;
}

static EVP_PKEY *rsa_key(const json_t *jwk)
{
    BIGNUM *modulus = number_of(json_object_get(jwk, "n"));
    BIGNUM *exponent = number_of(json_object_get(jwk, "e"));
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    CHECK(builder != NULL);
    if (modulus != NULL && exponent != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        pkey = make_key("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return pkey;
}

/* The point is written as 04 X Y, each coordinate as long as the curve's field. */
static bool write_point(const json_t *jwk, size_t field_bytes, struct buffer *point)
{
    struct buffer x = {0}, y = {0};
    bool is_good = decode_base64url(json_object_get(jwk, "x"), &x) &&
                   decode_base64url(json_object_get(jwk, "y"), &y) && x.size == field_bytes &&
                   y.size == field_bytes;
    buffer_append_u8(point, 4);
    buffer_append_bytes(point, buffer_bytes(&x));
    buffer_append_bytes(point, buffer_bytes(&y));
    buffer_fini(&x);
    buffer_fini(&y);
    return is_good;
}

static EVP_PKEY *ec_key(const json_t *jwk)
{
    static const struct {
        const char *name;
        const char *group;
        size_t field_bytes;
    } curves[] = {
        {"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};
    const char *curve = json_string_value(json_object_get(jwk, "crv"));
    size_t i = 0;
    while (i < sizeof curves / sizeof curves[0] &&
           (curve == NULL || strcmp(curve, curves[i].name) != 0))
        i++;
    if (i == sizeof curves / sizeof curves[0])
        return NULL;
    struct buffer point = {0};
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    CHECK(builder != NULL);
    if (write_point(jwk, curves[i].field_bytes, &point) &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group, 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data,
                                         point.size) == 1)
        pkey = make_key("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    buffer_fini(&point);
    return pkey;
}

static void add_octets(struct oauth2_keys *keys, const char *id, const json_t *jwk)
{
    struct buffer octets = {0};
    if (decode_base64url(json_object_get(jwk, "k"), &octets) && octets.size > 0)
        add_key(keys, id, OAUTH2_KEY_OCTETS)->material = octets;
    else
        buffer_fini(&octets);
}

static void add_jwk(struct oauth2_keys *keys, const json_t *jwk)
{
    const char *type = json_string_value(json_object_get(jwk, "kty"));
    const char *id = json_string_value(json_object_get(jwk, "kid"));
    const char *use = json_string_value(json_object_get(jwk, "use"));
    if (type == NULL || (use != NULL && strcmp(use, "sig") != 0))
        return;
    if (id == NULL)
        id = "";
    if (strcmp(type, "RSA") == 0)
        (void)add_pkey(keys, id, rsa_key(jwk));
    else if (strcmp(type, "EC") == 0)
        (void)add_pkey(keys, id, ec_key(jwk));
    else if (strcmp(type, "oct") == 0)
        add_octets(keys, id, jwk);
}

bool oauth2_keys_add_set(struct oauth2_keys *keys, const char *text, size_t size,
                         char reason[AUTH_REASON_SIZE])
{
    json_error_t error;
    size_t before = keys->count;
    json_t *set = json_loadb(text, size, 0, &error);
    const json_t *list = json_object_get(set, "keys");
    for (size_t i = 0; i < json_array_size(list); i++)
        add_jwk(keys, json_array_get(list, i));
    json_decref(set);
    if (keys->count > before)
        return true;
    snprintf(reason, AUTH_REASON_SIZE, "the key set holds no key that can be used");
    return false;
}
