/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards a syslog server. Its certificate is checked, by the authorities of the system unless
 * the configuration names one, and must be for the host that was configured: whoever has the log
 * has much of what is worth knowing about a broker. `verify_none` gives that up.
 */
#include "log/log_syslog_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum { records_max = 16 };

struct log_syslog_tls {
    SSL_CTX *context; /* owned */
    SSL *session;     /* owned; NULL: not connected */
};

static bool fail(char *reason, size_t size, const char *key, const char *path)
{
    char why[200] = "";
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    snprintf(reason, size, "log.syslog.ssl_options.%s: %s cannot be used: %s", key, path, why);
    return false;
}

static bool load_files(SSL_CTX *context, const struct config_log_syslog *config, char *reason,
                       size_t size)
{
    const char *key = config->keyfile[0] != '\0' ? config->keyfile : config->certfile;
    if (config->password[0] != '\0')
        SSL_CTX_set_default_passwd_cb_userdata(context, config->password);
    if (config->cacertfile[0] != '\0' &&
        SSL_CTX_load_verify_locations(context, config->cacertfile, NULL) != 1)
        return fail(reason, size, "cacertfile", config->cacertfile);
    if (config->certfile[0] == '\0')
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, config->certfile) != 1)
        return fail(reason, size, "certfile", config->certfile);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail(reason, size, "keyfile", key);
    return true;
}

struct log_syslog_tls *log_syslog_tls_new(const struct config_log_syslog *config, char *reason,
                                          size_t reason_size)
{
    struct log_syslog_tls *tls = xcalloc(1, sizeof *tls);
    tls->context = SSL_CTX_new(TLS_client_method());
    CHECK(tls->context != NULL);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, config->verifies_not ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    if (config->cacertfile[0] == '\0')
        SSL_CTX_set_default_verify_paths(tls->context);
    bool is_right = load_files(tls->context, config, reason, reason_size);
    /* The password is gone when the configuration is. */
    SSL_CTX_set_default_passwd_cb_userdata(tls->context, NULL);
    if (is_right)
        return tls;
    log_syslog_tls_free(tls);
    return NULL;
}

void log_syslog_tls_free(struct log_syslog_tls *tls)
{
    log_syslog_tls_end(tls);
    SSL_CTX_free(tls->context);
    free(tls);
    /* What OpenSSL keeps for this thread would otherwise be freed by the thread's end, for which
     * nobody waits: not at all, where the process ends first. */
    OPENSSL_thread_stop();
}

static bool is_address(const char *host)
{
    struct in6_addr unused;
    return inet_pton(AF_INET, host, &unused) == 1 || inet_pton(AF_INET6, host, &unused) == 1;
}

bool log_syslog_tls_begin(struct log_syslog_tls *tls, int fd, const char *host)
{
    tls->session = SSL_new(tls->context);
    CHECK(tls->session != NULL);
    if (is_address(host)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->session), host);
    } else {
        SSL_set1_host(tls->session, host);
        SSL_set_tlsext_host_name(tls->session, host);
    }
    bool is_right = SSL_set_fd(tls->session, fd) == 1 && SSL_connect(tls->session) == 1;
    ERR_clear_error();
    return is_right;
}

ssize_t log_syslog_tls_write(struct log_syslog_tls *tls, struct bytes bytes)
{
    size_t written = 0;
    int result = SSL_write_ex(tls->session, bytes.data, bytes.size, &written);
    ERR_clear_error();
    return result == 1 ? (ssize_t)written : -1;
}

/* What stands there to be read may be a session ticket, which is no end. Without its usual mode
 * OpenSSL returns after each record instead of waiting for one that is meant for us. */
bool log_syslog_tls_is_closed(struct log_syslog_tls *tls)
{
    struct pollfd readable = {.fd = SSL_get_fd(tls->session), .events = POLLIN};
    bool is_closed = false;
    char octet;
    size_t size;
    SSL_clear_mode(tls->session, SSL_MODE_AUTO_RETRY);
    for (int i = 0; i < records_max && !is_closed && poll(&readable, 1, 0) > 0; i++) {
        int result = SSL_read_ex(tls->session, &octet, 1, &size);
        is_closed = result != 1 && SSL_get_error(tls->session, result) != SSL_ERROR_WANT_READ;
    }
    SSL_set_mode(tls->session, SSL_MODE_AUTO_RETRY);
    ERR_clear_error();
    return is_closed;
}

void log_syslog_tls_end(struct log_syslog_tls *tls)
{
    if (tls->session == NULL)
        return;
    SSL_shutdown(tls->session);
    ERR_clear_error();
    SSL_free(tls->session);
    tls->session = NULL;
}
