/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: requests and replies, those that are none, clients that go away, commands
 * that answer later, and who may connect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/control.h"
#include "net/control_address.h"

enum { DEADLINE_MS = 5000, REPLY_BYTES_MAX = 1 << 22 };

struct server {
    char folder[64];
    int folder_fd;
    struct event_base *base;
    struct control *control;
    struct control_call *kept; /* by the command "keep" */
    struct control_work *work; /* what the helper was given */
    int started;
    int trouble_count;
};

/* --- commands */

static void handle_echo(void *context, struct control_call *call)
{
    struct server *server = context;
    server->started++;
    control_reply(call, json_deep_copy(control_arguments(call)));
}

static void handle_name(void *context, struct control_call *call)
{
    const char *name = control_text(call, "name");
    (void)context;
    if (name == NULL)
        control_fail(call, CONTROL_DATA, "no name in %s", "this");
    else
        control_reply(call, json_string(name));
}

static void handle_nothing(void *context, struct control_call *call)
{
    (void)context;
    control_reply(call, NULL);
}

static void handle_keep(void *context, struct control_call *call)
{
    struct server *server = context;
    server->kept = call;
}

static void handle_large(void *context, struct control_call *call)
{
    (void)context;
    json_t *rows = json_array();
    for (int i = 0; i < 100000; i++)
        json_array_append_new(rows, json_integer(i));
    control_reply(call, rows);
}

static const struct control_command commands[] = {
    {"echo", handle_echo}, {"name", handle_name},   {"nothing", handle_nothing},
    {"keep", handle_keep}, {"large", handle_large},
};

/* --- the server, and clients on the same thread */

static void on_trouble(void *context, const char *text)
{
    struct server *server = context;
    assert_non_null(strstr(text, "leveretctl"));
    server->trouble_count++;
}

static int server_begin(void **state)
{
    char reason[256];
    struct server *server = calloc(1, sizeof *server);
    strcpy(server->folder, "control-test-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    server->folder_fd = open(server->folder, O_RDONLY | O_DIRECTORY);
    server->base = event_base_new();
    server->control =
        control_open(server->base, server->folder, on_trouble, server, reason, sizeof reason);
    assert_non_null(server->control);
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
    *state = server;
    return 0;
}

static int server_end(void **state)
{
    struct server *server = *state;
    if (server->control != NULL)
        control_close(server->control);
    event_base_free(server->base);
    close(server->folder_fd);
    assert_int_equal(rmdir(server->folder), 0);
    free(server);
    return 0;
}

static int client_open(struct server *server)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    control_address(server->folder_fd, &address);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void client_send(int fd, const char *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void serve(struct server *server)
{
    assert_true(event_base_loop(server->base, EVLOOP_NONBLOCK) >= 0);
}

/* What the server sends until it ends the connection; the caller frees it. */
static char *client_receive(struct server *server, int fd)
{
    char *text = calloc(1, REPLY_BYTES_MAX);
    size_t size = 0;
    int64_t deadline_ms = now_ms() + DEADLINE_MS;
    while (now_ms() < deadline_ms) {
        serve(server);
        ssize_t got = recv(fd, text + size, REPLY_BYTES_MAX - 1 - size, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return text;
        if (got > 0)
            size += (size_t)got;
        else
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
    }
    fail_msg("no end after '%.200s'", text);
    return text;
}

static void assert_reply(struct server *server, const char *request, const char *expected)
{
    int fd = client_open(server);
    client_send(fd, request, strlen(request));
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, expected);
    free(reply);
    close(fd);
}

/* --- cases */

static void a_command_is_answered(void **state)
{
    assert_reply(*state, "{\"command\":\"echo\",\"arguments\":{\"a\":[1,\"\\u00e4\"]}}\n",
                 "{\"status\":0,\"result\":{\"a\":[1,\"\xc3\xa4\"]}}\n");
    assert_reply(*state, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
    assert_reply(*state, "{\"command\":\"name\",\"arguments\":{\"name\":\"n\"}}\n",
                 "{\"status\":0,\"result\":\"n\"}\n");
    assert_reply(*state, "{\"command\":\"name\",\"arguments\":{\"name\":1}}\n",
                 "{\"status\":65,\"error\":\"no name in this\"}\n");
}

static void a_request_may_come_in_parts(void **state)
{
    static const char request[] = "{\"command\":\"name\",\"arguments\":{\"name\":\"parts\"}}\n";
    struct server *server = *state;
    int fd = client_open(server);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        client_send(fd, request + i, 1);
        serve(server);
    }
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "{\"status\":0,\"result\":\"parts\"}\n");
    free(reply);
    close(fd);
}

static void what_is_no_request_is_refused(void **state)
{
    static const char *const requests[] = {
        "\n",
        "hello\n",
        "[]\n",
        "{}\n",
        "{\"command\":\"nothing\"}\n",
        "{\"command\":\"nothing\",\"arguments\":[]}\n",
        "{\"command\":1,\"arguments\":{}}\n",
        "{\"command\":\"nothing\",\"command\":\"nothing\",\"arguments\":{}}\n",
        "{\"command\":\"nothing\\u0000\",\"arguments\":{}}\n",
        "{\"command\":\"nothing\xff\",\"arguments\":{}}\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_reply(*state, requests[i], "{\"status\":64,\"error\":\"the request is not one\"}\n");
    assert_reply(*state, "{\"command\":\"bogus\",\"arguments\":{}}\n",
                 "{\"status\":64,\"error\":\"the server does not know this command\"}\n");
}

static void a_request_without_end_is_cut_off(void **state)
{
    struct server *server = *state;
    static char block[65536];
    memset(block, 'x', sizeof block);
    int fd = client_open(server);
    size_t sent = 0;
    while (sent < (256u << 20)) {
        ssize_t size = send(fd, block, sizeof block, MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN)
            break;
        sent += size > 0 ? (size_t)size : 0;
        serve(server);
    }
    assert_true(sent >= 128u << 20);
    assert_true(sent < 256u << 20);
    close(fd);
    assert_reply(server, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
}

static void a_large_reply_arrives_whole(void **state)
{
    struct server *server = *state;
    static const char request[] = "{\"command\":\"large\",\"arguments\":{}}\n";
    int fd = client_open(server);
    client_send(fd, request, sizeof request - 1);
    char *text = client_receive(server, fd);
    json_t *reply = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(reply, "result")), 100000);
    json_decref(reply);
    free(text);
    close(fd);
}

static void submit(void *context, struct control_work *work)
{
    struct server *server = context;
    assert_null(server->work);
    server->work = work;
}

/* The helper does one piece of work. */
static void help(struct server *server)
{
    struct control_work *work = server->work;
    int64_t deadline_ms = now_ms() + DEADLINE_MS;
    for (; work == NULL && now_ms() < deadline_ms; work = server->work)
        serve(server);
    assert_non_null(work);
    work->run(work);
    server->work = NULL;
    work->done(work);
}

static int send_large_request(struct server *server)
{
    size_t size = 100000;
    char *request = malloc(size + 100);
    int head = sprintf(request, "{\"command\":\"name\",\"arguments\":{\"name\":\"large\",\"x\":\"");
    memset(request + head, 'x', size);
    strcpy(request + (size_t)head + size, "\"}}\n");
    int fd = client_open(server);
    for (size_t sent = 0; sent < strlen(request);) {
        ssize_t part = send(fd, request + sent, strlen(request) - sent, MSG_NOSIGNAL);
        sent += part > 0 ? (size_t)part : 0;
        serve(server);
    }
    free(request);
    return fd;
}

/* It is read, and freed, by somebody else, and meanwhile others are answered. */
static void a_large_request_is_the_helpers(void **state)
{
    struct server *server = *state;
    control_set_helper(server->control, submit, server);
    int fd = send_large_request(server);
    assert_reply(server, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
    help(server);
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "{\"status\":0,\"result\":\"large\"}\n");
    help(server);
    assert_null(server->work);
    free(reply);
    close(fd);
}

static void the_end_does_not_wait_for_the_helper(void **state)
{
    struct server *server = *state;
    control_set_helper(server->control, submit, server);
    int fd = send_large_request(server);
    while (server->work == NULL)
        serve(server);
    control_close(server->control);
    server->control = NULL;
    help(server);
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "");
    free(reply);
    close(fd);
}

/* Most commands take a text as a string of C, which would be another text then. */
static void a_nul_is_for_those_who_look_for_it(void **state)
{
    struct server *server = *state;
    static const char request[] =
        "{\"command\":\"echo\",\"arguments\":{\"list\":[1,{\"a\":\"b\\u0000c\"}]}}\n";
    assert_reply(server, request, "{\"status\":65,\"error\":\"an argument has a NUL in it\"}\n");
    control_allow_nul(server->control, "echo");
    assert_reply(server, request,
                 "{\"status\":0,\"result\":{\"list\":[1,{\"a\":\"b\\u0000c\"}]}}\n");
}

static void names_need_not_be_utf8(void **state)
{
    (void)state;
    json_t *text = control_json_text(bytes_of("a\xff\x80", 3));
    assert_string_equal(json_string_value(text), "a\xc3\xbf\xc2\x80");
    json_decref(text);
    text = control_json_text(bytes_of("\xc3\xa4", 2));
    assert_string_equal(json_string_value(text), "\xc3\xa4");
    json_decref(text);
    text = control_json_text(bytes_of(NULL, 0));
    assert_string_equal(json_string_value(text), "");
    json_decref(text);
}

static int keep_call(struct server *server)
{
    static const char request[] = "{\"command\":\"keep\",\"arguments\":{\"n\":\"kept\"}}\n";
    int fd = client_open(server);
    client_send(fd, request, sizeof request - 1);
    int64_t deadline_ms = now_ms() + DEADLINE_MS;
    while (server->kept == NULL && now_ms() < deadline_ms)
        serve(server);
    assert_non_null(server->kept);
    return fd;
}

static void a_command_may_answer_later(void **state)
{
    struct server *server = *state;
    int fd = keep_call(server);
    assert_reply(server, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
    assert_string_equal(control_text(server->kept, "n"), "kept");
    control_fail(server->kept, CONTROL_TIMEOUT, "too late");
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "{\"status\":75,\"error\":\"too late\"}\n");
    free(reply);
    close(fd);
}

static void a_client_may_go_before_the_answer(void **state)
{
    struct server *server = *state;
    close(keep_call(server));
    control_reply(server->kept, NULL);
    serve(server);
    assert_reply(server, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
}

static void a_call_may_be_answered_after_the_end(void **state)
{
    struct server *server = *state;
    int fd = keep_call(server);
    int reading = client_open(server);
    serve(server);
    control_close(server->control);
    server->control = NULL;
    assert_string_equal(control_text(server->kept, "n"), "kept");
    control_reply(server->kept, json_integer(1));
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "");
    free(reply);
    close(fd);
    close(reading);
}

static void only_the_owner_may_connect(void **state)
{
    struct server *server = *state;
    struct stat file;
    assert_int_equal(fstatat(server->folder_fd, CONTROL_SOCKET_NAME, &file, 0), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 0777, 0600);
}

static void a_socket_left_behind_is_replaced(void **state)
{
    struct server *server = *state;
    char reason[256];
    struct control *second =
        control_open(server->base, server->folder, on_trouble, server, reason, sizeof reason);
    assert_non_null(second);
    control_add_commands(second, commands, sizeof commands / sizeof commands[0], server);
    assert_reply(server, "{\"command\":\"nothing\",\"arguments\":{}}\n", "{\"status\":0}\n");
    control_close(second);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    struct server *server = *state;
    char reason[256] = "";
    assert_null(control_open(server->base, "no-such-folder", NULL, NULL, reason, sizeof reason));
    assert_non_null(strstr(reason, "no-such-folder"));
    assert_non_null(strstr(reason, strerror(ENOENT)));
}

/* Without descriptors a call waits, without a loop that turns and turns, until there are some. */
static void descriptors_that_run_out(void **state)
{
    struct server *server = *state;
    struct rlimit limit, tight;
    int fd = client_open(server);
    client_send(fd, "{\"command\":\"nothing\",\"arguments\":{}}\n", 37);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    serve(server);
    int64_t began_ms = now_ms();
    assert_int_equal(event_base_loop(server->base, EVLOOP_ONCE), 0);
    assert_true(now_ms() - began_ms >= 50);
    assert_int_equal(server->trouble_count, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    char *reply = client_receive(server, fd);
    assert_string_equal(reply, "{\"status\":0}\n");
    assert_int_equal(server->trouble_count, 2);
    free(reply);
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, server_begin, server_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_command_is_answered),
        CASE(a_request_may_come_in_parts),
        CASE(what_is_no_request_is_refused),
        CASE(a_request_without_end_is_cut_off),
        CASE(a_large_reply_arrives_whole),
        CASE(a_large_request_is_the_helpers),
        CASE(the_end_does_not_wait_for_the_helper),
        CASE(a_nul_is_for_those_who_look_for_it),
        CASE(names_need_not_be_utf8),
        CASE(a_command_may_answer_later),
        CASE(a_client_may_go_before_the_answer),
        CASE(a_call_may_be_answered_after_the_end),
        CASE(only_the_owner_may_connect),
        CASE(a_socket_left_behind_is_replaced),
        CASE(a_folder_that_is_not_there_is_told),
        CASE(descriptors_that_run_out),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
