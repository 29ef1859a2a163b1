/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crowd of clients of a plain evhttp: one at a time is served here, over real sockets in the
 * loop's own thread, and has a second for its request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/http_crowd.h"

enum { REQUEST_S = 1, PATIENCE_S = 60, WAITING_BYTES_MAX = 1 << 20 };

static const char request_text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

struct place {
    struct event_base *base;
    struct evhttp *http;
    struct http_crowd *crowd;
    struct sockaddr_in address;
};

static void on_request(struct evhttp_request *request, void *context)
{
    const struct place *place = context;
    http_crowd_forget_request(place->crowd, request);
    evhttp_send_reply(request, 200, "OK", NULL);
}

static int open_place(void **state)
{
    static const struct http_bounds bounds = {1, REQUEST_S, WAITING_BYTES_MAX};
    static struct place place;
    socklen_t size = sizeof place.address;
    place.address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = (struct sockaddr *)&place.address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, address, &size), 0);
    place.base = event_base_new();
    place.http = evhttp_new(place.base);
    evhttp_set_gencb(place.http, on_request, &place);
    place.crowd = http_crowd_new(place.base, &bounds);
    http_crowd_open(place.crowd, place.http, fd, NULL);
    *state = &place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;
    evhttp_free(place->http);
    http_crowd_free(place->crowd);
    event_base_loop(place->base, EVLOOP_NONBLOCK);
    event_base_free(place->base);
    return 0;
}

static int join(const struct place *place)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&place->address, sizeof place->address),
                     0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One turn of the loop; true while there is time for more. */
static bool turn(const struct place *place, time_t began)
{
    static const struct timespec pause = {.tv_nsec = 10000000};
    nanosleep(&pause, NULL);
    event_base_loop(place->base, EVLOOP_NONBLOCK);
    return time(NULL) < began + PATIENCE_S;
}

/* The first byte of the answer; '\0': the connection ended; '?': nothing came. */
static char hear(const struct place *place, int fd)
{
    char first = '?';
    ssize_t size = -1;
    for (time_t began = time(NULL); turn(place, began) && size < 0;)
        size = recv(fd, &first, 1, 0);
    return size == 0 ? '\0' : first;
}

static void who_has_no_whole_request_in_time_makes_room(void **state)
{
    const struct place *place = *state;
    int slow = join(place), next = join(place);
    bool is_shut = false;
    say(next, request_text);
    for (time_t began = time(NULL); turn(place, began) && !is_shut;)
        is_shut = send(slow, "G", 1, MSG_NOSIGNAL) < 0;
    assert_true(is_shut);
    assert_int_equal(hear(place, next), 'H');
    close(slow);
    close(next);
}

static void who_asks_again_and_again_stays(void **state)
{
    const struct place *place = *state;
    int fd = join(place);
    char rest[1000];
    for (time_t began = time(NULL); time(NULL) <= began + 3 * REQUEST_S;) {
        say(fd, request_text);
        assert_int_equal(hear(place, fd), 'H');
        while (recv(fd, rest, sizeof rest, 0) > 0)
            ;
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_no_whole_request_in_time_makes_room, open_place,
                                        close_place),
        cmocka_unit_test_setup_teardown(who_asks_again_and_again_stays, open_place, close_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
