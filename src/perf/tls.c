/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS by OpenSSL, made to look like a socket.
 *
 * The certificate is checked as a client should: by the system's authorities or those of --ca, and
 * for the name or address that was connected to; --insecure leaves both out. A failure of TLS ends
 * the process with OpenSSL's reason, as everything that breaks does here.
 *
 * Buffers may move between two tries of a write (consumers encode acks behind those that wait), and
 * what a record carries beyond one read is kept by OpenSSL: read-ahead saves a system call for each
 * record's header.
 */
#include "perf/tls.h"

#include "perf/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

static SSL_CTX *context; /* for as long as the process lives */
static const char *version;

/* What stands in OpenSSL's queue, and where it was the certificate, what is wrong with it. */
static _Noreturn void fail_tls(SSL *tls, const char *what)
{
    bool is_verified = tls == NULL || SSL_get_verify_mode(tls) == SSL_VERIFY_NONE;
    long verdict = is_verified ? X509_V_OK : SSL_get_verify_result(tls);
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    fail("TLS, %s: %s%s%s", what, reason == NULL ? "broken" : reason,
         verdict == X509_V_OK ? "" : ": ",
         verdict == X509_V_OK ? "" : X509_verify_cert_error_string(verdict));
}

static SSL_CTX *make_context(const struct options *options)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    if (made == NULL)
        fail_tls(NULL, "context");
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(made, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(made, 1);
    if (options->is_insecure)
        return made;
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    if (options->ca_file == NULL ? SSL_CTX_set_default_verify_paths(made) != 1
                                 : SSL_CTX_load_verify_locations(made, options->ca_file, NULL) != 1)
        fail("cannot use the certificates in %s",
             options->ca_file == NULL ? "the system's folder" : options->ca_file);
    return made;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

SSL *tls_new(const struct options *options, int fd)
{
    if (context == NULL) {
        context = make_context(options);
        signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL. */
    }
    SSL *tls = SSL_new(context);
    if (tls == NULL || SSL_set_fd(tls, fd) != 1)
        fail_tls(tls, "connection");
    bool is_set = is_address(options->host)
                      ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), options->host) == 1
                      : SSL_set1_host(tls, options->host) == 1 &&
                            SSL_set_tlsext_host_name(tls, options->host) == 1;
    if (!is_set)
        fail_tls(tls, "name");
    SSL_set_connect_state(tls);
    return tls;
}

void tls_free(SSL *tls)
{
    version = SSL_get_version(tls);
    SSL_free(tls);
}

const char *tls_version(void)
{
    return version;
}

static int size_of(size_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (int)bytes;
}

/* What a result that is no progress means to a caller who thinks of a socket. */
static ssize_t explain(SSL *tls, int result, const char *what)
{
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return -1;
    default:
        fail_tls(tls, what);
    }
}

ssize_t tls_write(SSL *tls, const void *data, size_t bytes)
{
    size_t written = 0;
    while (written < bytes) {
        ERR_clear_error();
        int result = SSL_write(tls, (const char *)data + written, size_of(bytes - written));
        if (result <= 0)
            return written > 0 ? (ssize_t)written : explain(tls, result, "write");
        written += (size_t)result;
    }
    return (ssize_t)written;
}

ssize_t tls_read(SSL *tls, void *data, size_t bytes)
{
    ERR_clear_error();
    int result = SSL_read(tls, data, size_of(bytes));
    return result > 0 ? result : explain(tls, result, "read");
}
