/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was agreed on for a TLS connection and who the peer's certificate says it is, in the words
 * of RabbitMQ, which are those of Erlang's ssl: protocol, key exchange, cipher and hash one by one
 * instead of OpenSSL's name for the whole suite.
 */
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "net/tls.h"
#include "net/tls_internal.h"

struct word {
    int nid;
    const char *text;
};

static const char *word_of(const struct word *words, size_t count, int nid, const char *other)
{
    for (size_t i = 0; i < count; i++) {
        if (words[i].nid == nid)
            return words[i].text;
    }
    return other;
}

static const char *cipher_word(const SSL_CIPHER *cipher)
{
    static const struct word words[] = {
        {NID_aes_128_gcm, "aes_128_gcm"},
        {NID_aes_256_gcm, "aes_256_gcm"},
        {NID_aes_128_ccm, "aes_128_ccm"},
        {NID_aes_256_ccm, "aes_256_ccm"},
        {NID_aes_128_cbc, "aes_128_cbc"},
        {NID_aes_256_cbc, "aes_256_cbc"},
        {NID_chacha20_poly1305, "chacha20_poly1305"},
    };
    return word_of(words, sizeof words / sizeof words[0], SSL_CIPHER_get_cipher_nid(cipher),
                   SSL_CIPHER_get_name(cipher));
}

static const char *hash_word(const SSL_CIPHER *cipher)
{
    static const struct word words[] = {
        {NID_sha1, "sha"}, {NID_sha256, "sha256"}, {NID_sha384, "sha384"}};
    return word_of(words, sizeof words / sizeof words[0], SSL_CIPHER_get_digest_nid(cipher),
                   "aead");
}

/* TLS 1.3 agrees on keys apart from the suite. */
static const char *key_exchange_word(const SSL_CIPHER *cipher)
{
    bool is_rsa = SSL_CIPHER_get_auth_nid(cipher) == NID_auth_rsa;
    switch (SSL_CIPHER_get_kx_nid(cipher)) {
    case NID_kx_ecdhe:
        return is_rsa ? "ecdhe_rsa" : "ecdhe_ecdsa";
    case NID_kx_dhe:
        return is_rsa ? "dhe_rsa" : "dhe_dss";
    case NID_kx_rsa:
        return "rsa";
    default:
        return "any";
    }
}

static void append_name(struct buffer *text, X509_NAME *name)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *printed = NULL;
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    if (memory == NULL)
        return;
    X509_NAME_print_ex(memory, name, 0, flags);
    long size = BIO_get_mem_data(memory, &printed);
    if (size > 0)
        buffer_append(text, printed, (size_t)size);
    BIO_free(memory);
}

static void append_time(struct buffer *text, const ASN1_TIME *time)
{
    char printed[32] = "";
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) == 1)
        strftime(printed, sizeof printed, "%Y-%m-%dT%H:%M:%SZ", &parts);
    buffer_append(text, printed, strlen(printed));
}

static void describe_certificate(X509 *certificate, struct tls_status *status)
{
    append_name(&status->subject, X509_get_subject_name(certificate));
    append_name(&status->issuer, X509_get_issuer_name(certificate));
    append_time(&status->validity, X509_get0_notBefore(certificate));
    buffer_append(&status->validity, " - ", 3);
    append_time(&status->validity, X509_get0_notAfter(certificate));
}

void tls_describe(const struct tls_stream *stream, struct tls_status *status)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(stream->ssl);
    *status = (struct tls_status){.key_exchange = "", .cipher = "", .hash = ""};
    const char *version = SSL_get_version(stream->ssl);
    for (size_t i = 0; i + 1 < sizeof status->protocol && version[i] != '\0'; i++)
        status->protocol[i] = (char)tolower((unsigned char)version[i]);
    if (cipher != NULL) {
        status->key_exchange = key_exchange_word(cipher);
        status->cipher = cipher_word(cipher);
        status->hash = hash_word(cipher);
    }
    ERR_clear_error();
    X509 *certificate = SSL_get1_peer_certificate(stream->ssl);
    if (certificate != NULL)
        describe_certificate(certificate, status);
    X509_free(certificate);
}

void tls_status_fini(struct tls_status *status)
{
    buffer_fini(&status->subject);
    buffer_fini(&status->issuer);
    buffer_fini(&status->validity);
}

const char *tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static SSL *open_any(bool is_all)
{
    SSL_CTX *any = SSL_CTX_new(TLS_server_method());
    if (any == NULL)
        return NULL;
    if (is_all) {
        SSL_CTX_set_security_level(any, 0);
        SSL_CTX_set_cipher_list(any, "ALL:eNULL");
    }
    SSL *ssl = SSL_new(any);
    SSL_CTX_free(any);
    return ssl;
}

void tls_each_cipher(struct tls_context *context, bool is_all,
                     void (*visit)(void *visitor, const char *name), void *visitor)
{
    SSL *ssl = context != NULL ? tls_context_open(context) : open_any(is_all);
    STACK_OF(SSL_CIPHER) *ciphers = ssl != NULL ? SSL_get1_supported_ciphers(ssl) : NULL;
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
        visit(visitor, SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)));
    sk_SSL_CIPHER_free(ciphers);
    SSL_free(ssl);
}
