/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libldap's own timeouts do not reach everywhere: a server that takes the connection and then says
 * nothing holds a TLS handshake for ever, and with it the thread, and the end of the server. So a
 * layer of our own is put between the socket and TLS, as soon as there is a connection: it waits
 * for the socket with a timeout, and fails the read or the write when that is over.
 */
#include "auth/ldap_timeout.h"

#include <errno.h>
#include <lber.h>
#include <poll.h>
#include <stdint.h>

static bool is_ready(Sockbuf_IO_Desc *layer, short events)
{
    const struct ldap_timeout *timeout = layer->sbiod_pvt;
    struct pollfd socket = {.fd = -1, .events = events};
    int count = -1;
    if (ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &socket.fd) != 1)
        return true;
    do {
        count = poll(&socket, 1, timeout->timeout_ms);
    } while (count < 0 && errno == EINTR && !ldap_timeout_is_stopped(timeout));
    if (count == 0)
        errno = ETIMEDOUT;
    else if (count < 0)
        errno = ECANCELED; /* with EINTR it would be tried again */
    return count > 0;
}

static int set_up(Sockbuf_IO_Desc *layer, void *timeout)
{
    layer->sbiod_pvt = timeout;
    return 0;
}

static int control(Sockbuf_IO_Desc *layer, int option, void *argument)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

static ber_slen_t read_some(Sockbuf_IO_Desc *layer, void *data, ber_len_t size)
{
    return is_ready(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, data, size) : -1;
}

static ber_slen_t write_some(Sockbuf_IO_Desc *layer, void *data, ber_len_t size)
{
    return is_ready(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, data, size) : -1;
}

static Sockbuf_IO patient_io = {
    .sbi_setup = set_up,
    .sbi_ctrl = control,
    .sbi_read = read_some,
    .sbi_write = write_some,
};

static int on_connection(LDAP *ldap, Sockbuf *socket, LDAPURLDesc *server, struct sockaddr *address,
                         struct ldap_conncb *callback)
{
    enum { above_the_socket = LBER_SBIOD_LEVEL_PROVIDER + 1 };
    (void)ldap, (void)server, (void)address;
    return ber_sockbuf_add_io(socket, &patient_io, above_the_socket, callback->lc_arg);
}

static void on_end(LDAP *ldap, Sockbuf *socket, struct ldap_conncb *callback)
{
    (void)ldap, (void)socket, (void)callback;
}

void ldap_timeout_init(struct ldap_timeout *timeout, int timeout_ms)
{
    *timeout = (struct ldap_timeout){
        .callback = {.lc_add = on_connection, .lc_del = on_end, .lc_arg = timeout},
        .timeout_ms = timeout_ms,
    };
}

void ldap_timeout_stop(struct ldap_timeout *timeout)
{
    atomic_store_explicit(&timeout->is_stopped, true, memory_order_relaxed);
}

bool ldap_timeout_is_stopped(const struct ldap_timeout *timeout)
{
    return atomic_load_explicit(&timeout->is_stopped, memory_order_relaxed);
}

void ldap_timeout_install(struct ldap_timeout *timeout, LDAP *ldap)
{
    ldap_set_option(ldap, LDAP_OPT_CONNECT_CB, &timeout->callback);
}
