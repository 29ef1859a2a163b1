/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL reads keys in PEM. Of JSON Web Keys it knows nothing, but the numbers of a JWK are the
 * parameters that it makes a key from.
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

#include "auth/base64url.h"
#include "base/check.h"
#include "base/xmalloc.h"

void oauth2_key_copy(struct oauth2_key *copy, const struct oauth2_key *key)
{
    *copy = (struct oauth2_key){.kind = key->kind, .pkey = key->pkey};
    if (key->pkey != NULL)
        EVP_PKEY_up_ref(key->pkey);
    buffer_append_bytes(&copy->octets, buffer_bytes(&key->octets));
}

void oauth2_key_fini(struct oauth2_key *key)
{
    free(key->id);
    EVP_PKEY_free(key->pkey);
    buffer_fini(&key->octets);
}

void oauth2_keys_fini(struct oauth2_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        oauth2_key_fini(&keys->keys[i]);
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
    ERR_clear_error();
    if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC) {
        EVP_PKEY_free(pkey);
        return false;
    }
    add_key(keys, id, type == EVP_PKEY_RSA ? OAUTH2_KEY_RSA : OAUTH2_KEY_EC)->pkey = pkey;
    return true;
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

static bool decode_base64url(const json_t *value, struct buffer *decoded)
{
    const char *text = json_string_value(value);
    return text != NULL && base64url_decode(bytes_of_text(text), decoded);
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
        add_key(keys, id, OAUTH2_KEY_OCTETS)->octets = octets;
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
