/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 by OpenSSL, on our own nonblocking sockets. The context made from the files is an
 * SSL_CTX, which OpenSSL counts references of: a reload makes a new one and swaps it under a lock
 * that is held for a few instructions, streams that exist keep the old one alive, and where the new
 * files do not work nothing was touched.
 *
 * Renegotiation is off (TLS 1.3 has none, and in 1.2 it only serves attackers), and so is the
 * compression of old. A peer that does not speak TLS at all fails in the handshake like any other
 * and is closed; the reason goes to the log.
 *
 * OpenSSL keeps errors in a queue per thread: it is emptied before every call, so that what is
 * found there afterwards belongs to this one.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "net/stream.h"
#include "net/tls_internal.h"

struct tls_context {
    const struct config *config;  /* borrowed: outlives the context */
    const struct config_tls *tls; /* its options */
    pthread_mutex_t lock;         /* guards the next two */
    SSL_CTX *ssl_context;         /* ref */
    struct tls_ends ends;
};

/* --- making a context */

/* What OpenSSL says about the last failure, behind what was tried. */
static bool failed(char reason[TLS_REASON_SIZE], const char *what, const char *name)
{
    char text[256] = "unknown error";
    unsigned long code = ERR_peek_error();
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    snprintf(reason, TLS_REASON_SIZE, "%s%s%s: %s", what, name != NULL ? " " : "",
             name != NULL ? name : "", text);
    return false;
}

/* The same of one of the options. */
static bool option_failed(char reason[TLS_REASON_SIZE], const struct config_tls *tls,
                          const char *option, const char *value)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", tls->prefix, option);
    return failed(reason, key, value);
}

static int on_password(char *password, int size, int for_writing, void *context)
{
    const struct config_tls *tls = context;
    (void)for_writing;
    if (tls->password == NULL || strlen(tls->password) > (size_t)size)
        return -1;
    memcpy(password, tls->password, strlen(tls->password));
    return (int)strlen(tls->password);
}

static bool load_key(SSL_CTX *context, const struct config_tls *tls, char *reason)
{
    const char *key = tls->keyfile != NULL ? tls->keyfile : tls->certfile;
    if (tls->certfile == NULL) {
        snprintf(reason, TLS_REASON_SIZE, "%s.certfile is not set", tls->prefix);
        return false;
    }
    SSL_CTX_set_default_passwd_cb(context, on_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, (void *)(uintptr_t)tls);
    if (SSL_CTX_use_certificate_chain_file(context, tls->certfile) != 1)
        return option_failed(reason, tls, "certfile", tls->certfile);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return option_failed(reason, tls, "keyfile", key);
    if (SSL_CTX_check_private_key(context) != 1)
        return failed(reason, "the key does not belong to the certificate:", key);
    return true;
}

/* The names of our authorities tell a client which of its certificates to send. */
static bool load_authorities(SSL_CTX *context, const struct config_tls *tls, char *reason)
{
    if (tls->cacertfile == NULL)
        return true;
    if (SSL_CTX_load_verify_file(context, tls->cacertfile) != 1)
        return option_failed(reason, tls, "cacertfile", tls->cacertfile);
    if (tls->verify_peer)
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(tls->cacertfile));
    return true;
}

static void set_verify(SSL_CTX *context, const struct config_tls *tls)
{
    int mode = SSL_VERIFY_NONE;
    if (tls->verify_peer)
        mode = SSL_VERIFY_PEER | (tls->fail_if_no_peer_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(context, mode, NULL);
    SSL_CTX_set_verify_depth(context, tls->depth);
}

static bool set_versions(SSL_CTX *context, const struct config_tls *tls, char *reason)
{
    unsigned mask = tls->version_mask != 0 ? tls->version_mask
                                           : (unsigned)CONFIG_TLS_1_2 | (unsigned)CONFIG_TLS_1_3;
    int lowest = (mask & CONFIG_TLS_1_2) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    int highest = (mask & CONFIG_TLS_1_3) != 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (SSL_CTX_set_min_proto_version(context, lowest) != 1 ||
        SSL_CTX_set_max_proto_version(context, highest) != 1)
        return option_failed(reason, tls, "versions", NULL);
    return true;
}

/* The names of TLS 1.3 suites and those of earlier ciphers go different ways in OpenSSL. */
static bool set_ciphers(SSL_CTX *context, const struct config_tls *tls, char *reason)
{
    struct buffer suites = {0}, ciphers = {0};
    for (size_t i = 0; i < tls->ciphers.count; i++) {
        const char *name = tls->ciphers.entries[i].value;
        struct buffer *list = strncmp(name, "TLS_", 4) == 0 ? &suites : &ciphers;
        buffer_append_format(list, "%s%s", list->size > 0 ? ":" : "", name);
    }
    buffer_append_u8(&suites, 0);
    buffer_append_u8(&ciphers, 0);
    bool is_set = true;
    if (suites.size > 1 && SSL_CTX_set_ciphersuites(context, (const char *)suites.data) != 1)
        is_set = option_failed(reason, tls, "ciphers", (const char *)suites.data);
    else if (ciphers.size > 1 && SSL_CTX_set_cipher_list(context, (const char *)ciphers.data) != 1)
        is_set = option_failed(reason, tls, "ciphers", (const char *)ciphers.data);
    buffer_fini(&suites);
    buffer_fini(&ciphers);
    return is_set;
}

/* The group of ephemeral Diffie-Hellman: that of the file, or one as strong as the key. */
static bool set_diffie_hellman(SSL_CTX *context, const struct config_tls *tls, char *reason)
{
    if (tls->dhfile == NULL)
        return SSL_CTX_set_dh_auto(context, 1) == 1;
    BIO *file = BIO_new_file(tls->dhfile, "r");
    EVP_PKEY *parameters = file != NULL ? PEM_read_bio_Parameters(file, NULL) : NULL;
    BIO_free(file);
    if (parameters != NULL && SSL_CTX_set0_tmp_dh_pkey(context, parameters) == 1)
        return true;
    EVP_PKEY_free(parameters);
    return option_failed(reason, tls, "dhfile", tls->dhfile);
}

static void set_modes(SSL_CTX *context, const struct config_tls *tls)
{
    static const unsigned char id[] = "leveret";
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* One option for both: OpenSSL has no other for curves. */
    if (tls->honor_cipher_order || tls->honor_ecc_order)
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Resumed sessions of clients with certificates are refused without one. */
    SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
}

static SSL_CTX *make_context(const struct config_tls *tls, char *reason)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        failed(reason, "OpenSSL", NULL);
        return NULL;
    }
    set_verify(context, tls);
    set_modes(context, tls);
    if (load_key(context, tls, reason) && load_authorities(context, tls, reason) &&
        set_versions(context, tls, reason) && set_ciphers(context, tls, reason) &&
        set_diffie_hellman(context, tls, reason))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static int64_t end_of(const X509 *certificate)
{
    struct tm end;
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return INT64_MAX;
    return timegm(&end);
}

static int64_t end_of_first(const char *path)
{
    BIO *file = path != NULL ? BIO_new_file(path, "r") : NULL;
    X509 *certificate = file != NULL ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
    int64_t end_s = end_of(certificate);
    X509_free(certificate);
    BIO_free(file);
    return end_s;
}

static struct tls_ends ends_of(SSL_CTX *context, const struct config_tls *tls)
{
    int64_t own_s = end_of(SSL_CTX_get0_certificate(context));
    struct tls_ends ends = {own_s, own_s, end_of_first(tls->cacertfile)};
    STACK_OF(X509) *others = NULL;
    (void)SSL_CTX_get0_chain_certs(context, &others);
    for (int i = 0; i < sk_X509_num(others); i++) {
        int64_t end_s = end_of(sk_X509_value(others, i));
        ends.chain_s = end_s < ends.chain_s ? end_s : ends.chain_s;
    }
    return ends;
}

struct tls_context *tls_context_new(const struct config *config, const struct config_tls *tls,
                                    char reason[TLS_REASON_SIZE])
{
    SSL_CTX *ssl_context = make_context(tls, reason);
    if (ssl_context == NULL)
        return NULL;
    struct tls_context *context = xcalloc(1, sizeof *context);
    context->config = config;
    context->tls = tls;
    context->ssl_context = ssl_context;
    context->ends = ends_of(ssl_context, tls);
    CHECK(pthread_mutex_init(&context->lock, NULL) == 0);
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl_context);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

bool tls_context_reload(struct tls_context *context, char reason[TLS_REASON_SIZE])
{
    return tls_context_reload_from(context, context->tls, reason);
}

bool tls_context_reload_from(struct tls_context *context, const struct config_tls *tls,
                             char reason[TLS_REASON_SIZE])
{
    SSL_CTX *fresh = make_context(tls, reason);
    if (fresh == NULL)
        return false;
    struct tls_ends ends = ends_of(fresh, tls);
    pthread_mutex_lock(&context->lock);
    SSL_CTX *old = context->ssl_context;
    context->ssl_context = fresh;
    context->ends = ends;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(old);
    return true;
}

struct tls_ends tls_context_ends(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    struct tls_ends ends = context->ends;
    pthread_mutex_unlock(&context->lock);
    return ends;
}

/* --- streams */

SSL *tls_context_open(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL *ssl = SSL_new(context->ssl_context);
    pthread_mutex_unlock(&context->lock);
    return ssl;
}

struct tls_stream *tls_stream_new(struct tls_context *context, int fd)
{
    SSL *ssl = tls_context_open(context);
    if (ssl == NULL)
        return NULL;
    struct tls_stream *stream = xcalloc(1, sizeof *stream);
    stream->ssl = ssl;
    stream->config = context->config;
    SSL_set_accept_state(ssl);
    CHECK(SSL_set_fd(ssl, fd) == 1);
    return stream;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    ERR_clear_error();
    SSL_free(stream->ssl);
    free(stream);
}

static void keep_failure(struct tls_stream *stream, int error, int system_error)
{
    unsigned long code = ERR_peek_error();
    const char *detail = code != 0 ? ERR_reason_error_string(code) : NULL;
    const char *phase = SSL_is_init_finished(stream->ssl) ? "TLS" : "TLS handshake";
    if (code != 0)
        snprintf(stream->failure, sizeof stream->failure, "%s: %s", phase,
                 detail != NULL ? detail : "unknown error");
    else
        snprintf(stream->failure, sizeof stream->failure, "%s: %s", phase,
                 error == SSL_ERROR_SYSCALL && system_error != 0 ? strerror(system_error)
                                                                 : "the peer closed it");
    stream->is_broken = true;
}

/* What a call that moved nothing means. wanted is the direction that it naturally waits for. */
static ssize_t outcome_of(struct tls_stream *stream, int result, int wanted, bool *wants_other)
{
    int system_error = errno;
    int error = SSL_get_error(stream->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *wants_other = error != wanted;
        return STREAM_AGAIN;
    }
    if (error == SSL_ERROR_ZERO_RETURN)
        return STREAM_END;
    keep_failure(stream, error, system_error);
    return STREAM_FAILED;
}

ssize_t tls_read(struct tls_stream *stream, void *data, size_t size, bool *wants_other)
{
    size_t moved = 0;
    *wants_other = false;
    if (stream->is_broken)
        return STREAM_FAILED;
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(stream->ssl, data, size, &moved);
    return result == 1 ? (ssize_t)moved
                       : outcome_of(stream, result, SSL_ERROR_WANT_READ, wants_other);
}

ssize_t tls_write(struct tls_stream *stream, const void *data, size_t size, bool *wants_other)
{
    size_t moved = 0;
    *wants_other = false;
    if (stream->is_broken)
        return STREAM_FAILED;
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(stream->ssl, data, size, &moved);
    if (result == 1)
        return (ssize_t)moved;
    ssize_t outcome = outcome_of(stream, result, SSL_ERROR_WANT_WRITE, wants_other);
    return outcome == STREAM_END ? STREAM_FAILED : outcome;
}

bool tls_has_input(const struct tls_stream *stream)
{
    return SSL_pending(stream->ssl) > 0;
}

void tls_say_end(struct ssl_st *ssl)
{
    ERR_clear_error();
    if (SSL_is_init_finished(ssl))
        SSL_shutdown(ssl);
    ERR_clear_error();
}

void tls_end(struct tls_stream *stream)
{
    if (!stream->is_broken)
        tls_say_end(stream->ssl);
}

bool tls_is_handshaken(const struct tls_stream *stream)
{
    return SSL_is_init_finished(stream->ssl);
}

const char *tls_failure(const struct tls_stream *stream)
{
    return stream->failure;
}

const char *tls_version(const struct tls_stream *stream)
{
    return SSL_get_version(stream->ssl);
}

const char *tls_cipher(const struct tls_stream *stream)
{
    const char *name = SSL_get_cipher_name(stream->ssl);
    return name != NULL ? name : "";
}
