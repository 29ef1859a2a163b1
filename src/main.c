/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretd: reads the configuration, starts the server, serves until it is told to stop.
 *
 *     leveretd [-c FILE] [-D DATA_DIR] [-o KEY=VALUE]...
 */
#include "config.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/config.h"
#include "runtime/log.h"
#include "runtime/notify.h"
#include "runtime/server.h"

enum { exit_usage = 64, options_max = 256 };

struct arguments {
    const char *config_path;
    const char *data_dir;
    const char *options[options_max];
    size_t option_count;
};

/* glibc keeps small blocks that were freed apart, without bound, and merges all of them with their
 * neighbours when somebody next wants a larger block: after a million of them (a list of queues, an
 * import) whoever comes next, perhaps holding a vhost, stops for 0.2 to 0.5 s. Each thread's cache
 * of a few blocks of each size stays. */
static void merge_freed_memory_at_once(void)
{
#ifdef M_MXFAST
    mallopt(M_MXFAST, 0);
#endif
}

static void print_usage(FILE *file)
{
    fprintf(file, "usage: leveretd [-c FILE] [-D DATA_DIR] [-o KEY=VALUE]...\n"
                  "  -c FILE       configuration in the syntax of rabbitmq.conf\n"
                  "  -D DATA_DIR   where the data is (default: ./data)\n"
                  "  -o KEY=VALUE  overrides a key of the configuration\n"
                  "  -V            prints the version\n");
}

/* false where the program is to end with *status. */
static bool read_arguments(int argc, char **argv, struct arguments *arguments, int *status)
{
    int option;
    while ((option = getopt(argc, argv, "c:D:o:Vh")) != -1) {
        switch (option) {
        case 'c':
            arguments->config_path = optarg;
            break;
        case 'D':
            arguments->data_dir = optarg;
            break;
        case 'o':
            if (arguments->option_count < options_max)
                arguments->options[arguments->option_count++] = optarg;
            break;
        case 'V':
            printf("leveretd %s\n", PACKAGE_VERSION);
            *status = 0;
            return false;
        default:
            print_usage(option == 'h' ? stdout : stderr);
            *status = option == 'h' ? 0 : exit_usage;
            return false;
        }
    }
    if (optind == argc)
        return true;
    print_usage(stderr);
    *status = exit_usage;
    return false;
}

static bool load(struct config *config, const struct arguments *arguments,
                 struct config_messages *messages)
{
    bool is_right =
        config_load(config, arguments->config_path, (const char *const *)environ, messages);
    for (size_t i = 0; i < arguments->option_count; i++)
        is_right = config_set_option(config, arguments->options[i], messages) && is_right;
    if (arguments->data_dir != NULL)
        is_right = config_set(config, "leveret.data_dir", arguments->data_dir, "command line", 0,
                              messages) &&
                   is_right;
    return config_validate(config, messages) && is_right;
}

static void print_messages(const struct config_messages *messages)
{
    static const char *const levels[] = {"info", "warning", "error"};
    for (size_t i = 0; i < messages->count; i++) {
        if (messages->messages[i].level != CONFIG_INFO)
            fprintf(stderr, "leveretd: %s: %s\n", levels[messages->messages[i].level],
                    messages->messages[i].text);
    }
}

/* As many descriptors as the system allows: each connection is one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Of the same sources as at the start. */
static bool load_again(void *context, struct config *config, struct config_messages *messages)
{
    return load(config, context, messages);
}

static int serve(const struct config *config, struct arguments *arguments)
{
    char reason[1024];
    if (!log_open(config, reason, sizeof reason)) {
        fprintf(stderr, "leveretd: %s\n", reason);
        return EXIT_FAILURE;
    }
    log_info("leveretd %s, data in %s", PACKAGE_VERSION, config->data_dir);
    struct server *server = server_start(config, reason, sizeof reason);
    if (server == NULL) {
        log_error("cannot start: %s", reason);
        log_close();
        return EXIT_FAILURE;
    }
    server_set_loader(server, load_again, arguments);
    log_info("ready");
    server_run(server);
    server_free(server);
    log_info("stopped");
    log_close();
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct config config;
    struct config_messages messages;
    int status = EXIT_FAILURE;
    merge_freed_memory_at_once();
    notify_open();
    if (!read_arguments(argc, argv, &arguments, &status))
        return status;
    config_init(&config);
    config_messages_init(&messages);
    bool is_right = load(&config, &arguments, &messages);
    print_messages(&messages);
    config_messages_fini(&messages);
    if (is_right) {
        raise_descriptor_limit();
        status = serve(&config, &arguments);
    }
    config_fini(&config);
    notify_close();
    return status;
}
