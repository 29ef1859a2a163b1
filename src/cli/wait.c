/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl wait: whoever has started the server has its process number, in a file or not, and
 * waits until it serves. That it will not is known as soon as there is no such process any more.
 */
#include "cli/wait.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/options.h"
#include "net/control.h"

enum { usual_ms = 10000, look_ms = 100 };

struct waiting {
    const struct options *options;
    int64_t deadline_ms;
};

static void say(const struct waiting *waiting, const char *before, const char *name,
                const char *after)
{
    if (!waiting->options->is_quiet && !answer_is_json(waiting->options))
        printf("%s%s%s\n", before, name, after);
    fflush(stdout);
}

/* False where the time is over. */
static bool pause_a_little(const struct waiting *waiting)
{
    struct timespec pause = {.tv_nsec = look_ms * 1000000L};
    if (client_now_ms() >= waiting->deadline_ms)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

static int time_out(const struct waiting *waiting)
{
    int64_t timeout_ms = waiting->options->timeout_ms > 0 ? waiting->options->timeout_ms : usual_ms;
    fprintf(stderr, "Error: operation wait timed out. Timeout value used: %lld\n",
            (long long)timeout_ms);
    return CONTROL_TIMEOUT;
}

/* --- the process */

/* 0 where it is no number. */
static pid_t read_pid(const char *text)
{
    char *end;
    long pid = strtol(text, &end, 10);
    end += strspn(end, " \t\r\n");
    return *text != '\0' && *end == '\0' && pid > 0 && pid == (long)(pid_t)pid ? (pid_t)pid : 0;
}

/* 0: there is no file yet, or it is being written. */
static pid_t read_pid_file(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    return read_pid(text);
}

static bool is_running(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

/* --- the server */

static bool serves(const struct waiting *waiting)
{
    char reason[256];
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s, s:{}}", "command", "ping", "arguments");
    bool is_there = client_call(waiting->options->data_dir, request, waiting->deadline_ms, &reply,
                                NULL, reason, sizeof reason) == CLIENT_OK;
    json_decref(reply);
    json_decref(request);
    return is_there;
}

static int wait_for_server(const struct waiting *waiting, pid_t pid)
{
    char name[24];
    snprintf(name, sizeof name, "%ld", (long)pid);
    say(waiting, "Waiting for the server while OS process '", name, "' is running");
    while (is_running(pid)) {
        if (serves(waiting)) {
            say(waiting, "The server is running", "", "");
            return CONTROL_OK;
        }
        if (!pause_a_little(waiting))
            return time_out(waiting);
    }
    fputs("Error:\nprocess_not_running\n", stderr);
    return CONTROL_UNAVAILABLE;
}

static int wait_for_file(const struct waiting *waiting, const char *path)
{
    pid_t pid;
    char name[24];
    say(waiting, "Waiting for pid file '", path, "' to appear");
    while ((pid = read_pid_file(path)) == 0) {
        if (!pause_a_little(waiting))
            return time_out(waiting);
    }
    snprintf(name, sizeof name, "%ld", (long)pid);
    say(waiting, "pid is ", name, "");
    return wait_for_server(waiting, pid);
}

int wait_run(const struct options *options, const struct json_t *arguments)
{
    const char *pid_text = options_value(options, "pid");
    const char *path = json_string_value(json_object_get(arguments, "file"));
    struct waiting waiting = {
        options, client_now_ms() + (options->timeout_ms > 0 ? options->timeout_ms : usual_ms)};
    if ((pid_text == NULL) == (path == NULL)) {
        options_complain(options, "%s",
                         path == NULL ? "No pid or pidfile specified"
                                      : "Cannot specify both pid and pidfile");
        return CONTROL_USAGE;
    }
    if (path != NULL)
        return wait_for_file(&waiting, path);
    pid_t pid = read_pid(pid_text);
    if (pid > 0)
        return wait_for_server(&waiting, pid);
    options_complain(options, "--pid: a process number is expected");
    return CONTROL_USAGE;
}
