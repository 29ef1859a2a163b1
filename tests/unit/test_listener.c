/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets on loopback: ports, addresses, options, and a process without descriptors.
 */
#include "amqp_test.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "net/listener.h"

enum { deadline_ms = 10000 };

static struct event_base *base;
static struct config_socket_options options;
static char reason[LISTENER_REASON_SIZE];
static int accepted[256];
static size_t accepted_count;
static unsigned trouble_count;

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    options = (struct config_socket_options){.backlog = 16, .nodelay = true, .keepalive = true};
    accepted_count = 0;
    trouble_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < accepted_count; i++)
        close(accepted[i]);
    event_base_free(base);
    return 0;
}

static void on_accept(void *context, int fd)
{
    assert_ptr_equal(context, &options);
    accepted[accepted_count++] = fd;
}

static void on_trouble(void *context, const char *text)
{
    assert_ptr_equal(context, &options);
    assert_true(strlen(text) > 0);
    trouble_count++;
}

static struct listener *listen_on(const char *address)
{
    struct listener *listener = listener_new(address, 0, &options, reason);
    assert_non_null(listener);
    assert_true(listener_port(listener) > 0);
    return listener;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Runs the loop until so many were accepted, or the deadline. */
static void await_accepted(size_t count)
{
    for (int passed_ms = 0; accepted_count < count && passed_ms < deadline_ms; passed_ms += 10) {
        struct timeval slice = {.tv_sec = 0, .tv_usec = 10000};
        event_base_loopexit(base, &slice);
        event_base_dispatch(base);
    }
    assert_int_equal(accepted_count, count);
}

static int option_of(int fd, int level, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

static void accepted_sockets_have_their_options(void **state)
{
    (void)state;
    options.sndbuf_bytes = 50000;
    options.recbuf_bytes = 30000;
    struct listener *listener = listen_on("127.0.0.1");
    listener_start(listener, base, on_accept, on_trouble, &options);
    int fd = connect_to(listener_port(listener));
    await_accepted(1);
    assert_true((fcntl(accepted[0], F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(accepted[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(option_of(accepted[0], IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_true(option_of(accepted[0], SOL_SOCKET, SO_KEEPALIVE) != 0);
    assert_int_equal(option_of(accepted[0], SOL_SOCKET, SO_SNDBUF), 100000);
    assert_int_equal(option_of(accepted[0], SOL_SOCKET, SO_RCVBUF), 60000);
    close(fd);
    listener_free(listener);
}

static void accepted_sockets_have_no_options_but_theirs(void **state)
{
    (void)state;
    options.nodelay = options.keepalive = false;
    struct listener *listener = listen_on("127.0.0.1");
    listener_start(listener, base, on_accept, on_trouble, &options);
    int fd = connect_to(listener_port(listener));
    await_accepted(1);
    struct linger linger = {.l_onoff = 1};
    socklen_t size = sizeof linger;
    assert_int_equal(getsockopt(accepted[0], SOL_SOCKET, SO_LINGER, &linger, &size), 0);
    assert_int_equal(linger.l_onoff, 0);
    assert_int_equal(option_of(accepted[0], IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(option_of(accepted[0], SOL_SOCKET, SO_KEEPALIVE), 0);
    close(fd);
    listener_free(listener);
}

/* A queue of one takes two of them; to the others nobody answers until it is their turn. */
static void the_backlog_is_limited(void **state)
{
    enum { clients = 6 };
    int fds[clients];
    unsigned established = 0;
    (void)state;
    options.backlog = 1;
    struct listener *listener = listen_on("127.0.0.1");
    for (int i = 0; i < clients; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(listener_port(listener)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&address, sizeof address);
    }
    for (int i = 0; i < clients; i++) {
        struct pollfd writable = {.fd = fds[i], .events = POLLOUT};
        established += poll(&writable, 1, 0) == 1;
        close(fds[i]);
    }
    assert_in_range(established, 1, 2);
    listener_free(listener);
}

static void linger_without_a_timeout_resets(void **state)
{
    struct linger linger;
    socklen_t size = sizeof linger;
    (void)state;
    options.linger_on = true;
    struct listener *listener = listen_on("127.0.0.1");
    listener_start(listener, base, on_accept, on_trouble, &options);
    int fd = connect_to(listener_port(listener));
    await_accepted(1);
    assert_int_equal(getsockopt(accepted[0], SOL_SOCKET, SO_LINGER, &linger, &size), 0);
    assert_true(linger.l_onoff != 0 && linger.l_linger == 0);
    close(fd);
    listener_free(listener);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nobody waits until a peer that does not read has taken the rest, but it gets it. */
static void linger_with_a_timeout_does_not_block(void **state)
{
    static char bytes[65536];
    size_t written = 0, got = 0;
    ssize_t size;
    (void)state;
    options.linger_on = true;
    options.linger_timeout_s = 10;
    struct listener *listener = listen_on("127.0.0.1");
    listener_start(listener, base, on_accept, on_trouble, &options);
    int fd = connect_to(listener_port(listener));
    await_accepted(1);
    while ((size = write(accepted[0], bytes, sizeof bytes)) > 0)
        written += (size_t)size;
    double began_s = now_s();
    close(accepted[0]);
    accepted_count = 0;
    assert_true(now_s() - began_s < 5);
    while ((size = read(fd, bytes, sizeof bytes)) > 0)
        got += (size_t)size;
    assert_int_equal(size, 0);
    assert_int_equal(got, written);
    close(fd);
    listener_free(listener);
}

static void every_address_takes_ipv4(void **state)
{
    (void)state;
    struct listener *listener = listen_on(NULL);
    listener_start(listener, base, on_accept, NULL, &options);
    int fd = connect_to(listener_port(listener));
    await_accepted(1);
    close(fd);
    listener_free(listener);
}

static void taken_port_is_refused_with_a_reason(void **state)
{
    char port[16];
    (void)state;
    struct listener *listener = listen_on("127.0.0.1");
    assert_null(listener_new("127.0.0.1", listener_port(listener), &options, reason));
    snprintf(port, sizeof port, "%u", listener_port(listener));
    assert_non_null(strstr(reason, port));
    listener_free(listener);
}

static void address_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_null(listener_new("no.address", 0, &options, reason));
    assert_non_null(strstr(reason, "no.address"));
}

/* Without descriptors the listener waits instead of spinning, and goes on when there are some. */
static void descriptors_that_run_out(void **state)
{
    struct rlimit limit, tight;
    (void)state;
    struct listener *listener = listen_on("127.0.0.1");
    listener_start(listener, base, on_accept, on_trouble, &options);
    int fd = connect_to(listener_port(listener));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < 100; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(trouble_count, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    await_accepted(1);
    assert_int_equal(trouble_count, 2);
    close(fd);
    listener_free(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(accepted_sockets_have_their_options),
        TEST(accepted_sockets_have_no_options_but_theirs),
        TEST(the_backlog_is_limited),
        TEST(linger_without_a_timeout_resets),
        TEST(linger_with_a_timeout_does_not_block),
        TEST(every_address_takes_ipv4),
        TEST(taken_port_is_refused_with_a_reason),
        TEST(address_that_is_none_is_refused),
        TEST(descriptors_that_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
