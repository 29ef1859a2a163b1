/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_TLS_H
#define LEVERET_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

struct config;
struct config_tls;
struct ssl_st;

/*
 * TLS of the listeners: what ssl_options say (or management.ssl) as an OpenSSL context, and the
 * streams made from it.
 * tls_stream_new may be called on any thread; a stream belongs to one thread.
 */
struct tls_context;
struct tls_stream;

enum { TLS_REASON_SIZE = 512 };

/* NULL with the reason as one line of text where files or options do not work. config, and the tls
 * options in it, are borrowed: a reload reads them again. */
struct tls_context *tls_context_new(const struct config *config, const struct config_tls *tls,
                                    char reason[TLS_REASON_SIZE]);
void tls_context_free(struct tls_context *context);

/* Reads the files again, for new connections; those that exist keep what they have. False with the
 * reason where that fails: then everything stays as it was. On any thread. */
bool tls_context_reload(struct tls_context *context, char reason[TLS_REASON_SIZE])
    __attribute__((warn_unused_result));
/* The same with other options, which are read in the call only. */
bool tls_context_reload_from(struct tls_context *context, const struct config_tls *tls,
                             char reason[TLS_REASON_SIZE]) __attribute__((warn_unused_result));

/* When the certificates end that new connections get: Unix time in seconds; INT64_MAX where that
 * cannot be found out. On any thread. */
struct tls_ends {
    int64_t certificate_s;
    int64_t chain_s;     /* the first one of what is sent, the former included */
    int64_t authority_s; /* the first one of cacertfile; INT64_MAX: there is none */
};
struct tls_ends tls_context_ends(struct tls_context *context);

/* "OpenSSL 3.0.11 19 Sep 2023": the one that is in use. */
const char *tls_library(void);

/* Calls visit with OpenSSL's name of each cipher suite that a context offers, best first; NULL:
 * that OpenSSL offers by default, or all that it knows. */
void tls_each_cipher(struct tls_context *context, bool is_all,
                     void (*visit)(void *visitor, const char *name), void *visitor);

/* The server's side of a connection on a nonblocking socket, which stays the caller's. NULL only
 * when OpenSSL has no memory. */
struct tls_stream *tls_stream_new(struct tls_context *context, int fd);
void tls_stream_free(struct tls_stream *stream); /* NULL is allowed */

/* For who moves the bytes by himself: OpenSSL's part alone, the caller's. NULL as above; on any
 * thread. */
struct ssl_st *tls_context_open(struct tls_context *context);
/* Tells the other side that the stream ends, where it can be told at once: a session that was
 * opened so, with its socket in it. */
void tls_say_end(struct ssl_st *ssl);

/* As stream_read and stream_write for one run of bytes; *wants_other becomes true where the call
 * waits for the opposite direction of the socket. The handshake happens inside of tls_read. */
ssize_t tls_read(struct tls_stream *stream, void *data, size_t size, bool *wants_other);
ssize_t tls_write(struct tls_stream *stream, const void *data, size_t size, bool *wants_other);
bool tls_has_input(const struct tls_stream *stream);
/* Sends the alert that ends the stream. */
void tls_end(struct tls_stream *stream);

bool tls_is_handshaken(const struct tls_stream *stream);
/* Why the last call failed; valid as long as the stream. */
const char *tls_failure(const struct tls_stream *stream);
/* "TLSv1.3" and OpenSSL's name of the cipher. */
const char *tls_version(const struct tls_stream *stream);
const char *tls_cipher(const struct tls_stream *stream);

/* What was agreed on, and the peer's certificate, after the handshake. */
struct tls_status {
    char protocol[16];        /* "tlsv1.3" */
    const char *key_exchange; /* "ecdhe_rsa"; "any" in TLS 1.3 */
    const char *cipher;       /* "aes_256_gcm" */
    const char *hash;         /* "sha256", "aead" */
    struct buffer subject;    /* owned, as the next two; empty where there is no certificate */
    struct buffer issuer;
    struct buffer validity; /* "2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z" */
};
void tls_describe(const struct tls_stream *stream, struct tls_status *status);
void tls_status_fini(struct tls_status *status);

/* Appends the user that the client's verified certificate names, after ssl_cert_login_from. False
 * where there is no verified certificate or no such name in it. */
bool tls_peer_name(const struct tls_stream *stream, struct buffer *name);

#endif
