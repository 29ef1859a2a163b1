/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration from outside: text goes in as files, environment or options, and what counts is
 * the values in struct config and the messages. Each test has a folder of its own for its files.
 *
 * What RabbitMQ does with the same line (a "#" in a value, kb as 1000 or 1024, the address of a
 * listener) was asked of RabbitMQ's own parser; the expectations here are its answers, with the
 * deliberate differences that docs/configuration.md names.
 */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config_key.h"
#include "config/config_show.h"
#include "config/config_value.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
    struct config config;
    struct config_messages messages;
    char folder[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    config_init(&f->config);
    config_messages_init(&f->messages);
    strcpy(f->folder, "/tmp/leveret-config-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    config_fini(&f->config);
    config_messages_fini(&f->messages);
    free(f);
    return 0;
}

static void start_again(struct fixture *f)
{
    config_fini(&f->config);
    config_messages_fini(&f->messages);
    config_init(&f->config);
}

/* The path of a file in the test's folder; valid until the next call. */
static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    return path;
}

static void write_bytes(const struct fixture *f, const char *name, const void *data, size_t size)
{
    FILE *file = fopen(path_of(f, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const struct fixture *f, const char *name, const char *text)
{
    write_bytes(f, name, text, strlen(text));
}

static bool load_text(struct fixture *f, const char *text)
{
    write_text(f, "main.conf", text);
    return config_load_file(&f->config, path_of(f, "main.conf"), &f->messages);
}

static void print_messages(const struct fixture *f)
{
    for (size_t i = 0; i < f->messages.count; i++)
        print_message("%d %s\n", (int)f->messages.messages[i].level, f->messages.messages[i].text);
}

static size_t count_level(const struct fixture *f, enum config_message_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < f->messages.count; i++)
        count += f->messages.messages[i].level == level;
    return count;
}

static bool has_message(const struct fixture *f, enum config_message_level level, const char *part)
{
    for (size_t i = 0; i < f->messages.count; i++) {
        if (f->messages.messages[i].level == level &&
            strstr(f->messages.messages[i].text, part) != NULL)
            return true;
    }
    return false;
}

static void assert_message(const struct fixture *f, enum config_message_level level,
                           const char *part)
{
    if (has_message(f, level, part))
        return;
    print_messages(f);
    fail_msg("no message with level %d and \"%s\"", (int)level, part);
}

static void assert_loads_silently(struct fixture *f, const char *text)
{
    bool ok = load_text(f, text);
    if (!ok || f->messages.count != 0)
        print_messages(f);
    assert_true(ok);
    assert_int_equal(f->messages.count, 0);
}

/* text is refused with this message. */
static void assert_refused(struct fixture *f, const char *text, const char *part)
{
    start_again(f);
    if (load_text(f, text)) {
        print_messages(f);
        fail_msg("was not refused: %s", text);
    }
    assert_message(f, CONFIG_ERROR, part);
}

/* --- defaults --- */

static void defaults_are_those_of_rabbitmq(void **state)
{
    struct fixture *f = *state;
    const struct config *c = &f->config;
    assert_int_equal(c->tcp_listeners.count, 1);
    assert_null(c->tcp_listeners.entries[0].address);
    assert_int_equal(c->tcp_listeners.entries[0].port, 5672);
    assert_int_equal(c->tls_listeners.count, 0);
    assert_int_equal(c->heartbeat_s, 60);
    assert_int_equal(c->frame_max_bytes, 131072);
    assert_int_equal(c->initial_frame_max_bytes, 16384);
    assert_int_equal(c->channel_max, 2047);
    assert_int_equal(c->max_message_size_bytes, 134217728);
    assert_int_equal(c->handshake_timeout_ms, 10000);
    assert_int_equal(c->consumer_timeout_ms, 1800000);
    assert_true(c->connection_max == CONFIG_UNLIMITED);
    assert_string_equal(c->default_user, "guest");
    assert_string_equal(c->default_vhost, "/");
    assert_true(config_list_has_name(&c->loopback_users, "guest"));
    assert_string_equal(c->auth_mechanisms.entries[0].value, "PLAIN");
    assert_string_equal(c->product_name, "RabbitMQ");
    assert_int_equal(c->disk_free_limit_bytes, 50000000);
    assert_memory_equal(c->node_name, "rabbit@", 7);
}

static void defaults_are_valid(void **state)
{
    struct fixture *f = *state;
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->messages.count, 0);
    assert_string_equal(f->config.cluster_name, f->config.node_name);
}

/* --- syntax --- */

static void lines_are_read_as_rabbitmq_reads_them(void **state)
{
    static const struct {
        const char *text;
        const char *value; /* of default_user */
    } CASES[] = {
        {"default_user = a\n", "a"},
        {"default_user=a", "a"},
        {" \t default_user\t=\ta b \t\n", "a b"},
        {"default_user = a\r\n", "a"},
        {"default_user = a # comment\n", "a"},
        {"default_user = a#b\n", "a"},
        {"default_user = 'a # b'\n", "a # b"},
        {"default_user = ' a ' # comment\n", " a "},
        {"default_user = 'a'b'\n", "'a'b'"},
        {"default_user = 'a\n", "'a"},
        {"default_user = it's\n", "it's"},
        {"default_user = \"a\"\n", "\"a\""},
        {"default_user = a=b\n", "a=b"},
        {"default_user == b\n", "= b"},
        {"default_user = \\n\n", "\\n"},
        {"default_user = j\xc3\xbcrgen\n", "j\xc3\xbcrgen"},
        {"# default_user = b\n\n  # c\ndefault_user = a\n", "a"},
        {"default_user = a\ndefault_user = b\n", "b"},
        {"default_user = $(\n", "$("},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        start_again(f);
        assert_loads_silently(f, CASES[i].text);
        assert_string_equal(f->config.default_user, CASES[i].value);
    }
}

static void an_empty_quoted_value_is_a_value(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "default_pass = ''\n");
    assert_string_equal(f->config.default_pass, "");
}

static void what_is_no_setting_is_refused_with_its_line(void **state)
{
    static const char *const LINES[] = {
        "heartbeat",
        "heartbeat =",
        "heartbeat = # 5",
        "= 5",
        "a b = 5",
        "a..b = 5",
        ".a = 5",
        "a. = 5",
        "heart\xc3\xa9 = 5",
        "default_user = \xff",
        "# \xff",
        "include ",
        "a:b = 5",
        "a\\b = 5",
        "heartbeat # = 5",
        "[{rabbit, []}].",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(LINES); i++) {
        char text[256];
        snprintf(text, sizeof(text), "# first\n%s\n\nheartbeat = 7\n", LINES[i]);
        assert_refused(f, text, "main.conf:2: ");
        assert_int_equal(f->config.heartbeat_s, 7);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char TEXT[] = "heartbeat = 5\ndefault_user = a\0b\n";
    write_bytes(f, "main.conf", TEXT, sizeof(TEXT) - 1);
    assert_false(config_load_file(&f->config, path_of(f, "main.conf"), &f->messages));
    assert_message(f, CONFIG_ERROR, "main.conf:2: ");
    assert_string_equal(f->config.default_user, "guest");
}

static void only_the_last_line_of_a_key_counts(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "heartbeat = nonsense\nheartbeat = 5\n");
    assert_int_equal(f->config.heartbeat_s, 5);
}

static void every_mistake_is_reported(void **state)
{
    struct fixture *f = *state;
    assert_false(load_text(f, "heartbeat = x\nframe_max = 5\nnonsense\nchannel_max = 9\n"));
    assert_int_equal(count_level(f, CONFIG_ERROR), 3);
    assert_message(f, CONFIG_ERROR, "main.conf:1: heartbeat = x: ");
    assert_message(f, CONFIG_ERROR, "main.conf:2: frame_max = 5: ");
    assert_message(f, CONFIG_ERROR, "main.conf:3: ");
    assert_int_equal(f->config.channel_max, 9);
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_false(config_load_file(&f->config, path_of(f, "none.conf"), &f->messages));
    assert_message(f, CONFIG_ERROR, "none.conf: cannot be read: ");
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t size = 5 << 20;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '\n', size);
    write_bytes(f, "main.conf", text, size);
    free(text);
    assert_false(config_load_file(&f->config, path_of(f, "main.conf"), &f->messages));
    assert_message(f, CONFIG_ERROR, "is larger than");
}

/* --- includes --- */

static void a_folder_is_read_in_alphabetical_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(path_of(f, "conf.d"), 0700), 0);
    write_text(f, "conf.d/20-b.conf", "heartbeat = 20\n");
    write_text(f, "conf.d/10-a.conf", "heartbeat = 10\nchannel_max = 10\n");
    write_text(f, "conf.d/30-c.conf.bak", "heartbeat = 30\n");
    assert_true(config_load_file(&f->config, path_of(f, "conf.d"), &f->messages));
    assert_int_equal(f->config.heartbeat_s, 20);
    assert_int_equal(f->config.channel_max, 10);
}

static void includes_are_merged_where_they_stand(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(path_of(f, "conf.d"), 0700), 0);
    write_text(f, "conf.d/a.conf", "heartbeat = 1\ninclude b.conf\n");
    write_text(f, "conf.d/b.conf", "channel_max = 2\nframe_max = 5000");
    write_text(f, "more.conf", "connection_max = 3");
    write_text(f, "more#1.conf", "connection_max = 4\nmax_message_size = 5");
    assert_loads_silently(f, "heartbeat = 9\n"
                             "include conf.d/a*.conf  # relative to this file\n"
                             "include 'more#1.conf' # quoted, as a value is\n"
                             "include more.conf\n"
                             "include none.d/*.conf\n"
                             "frame_max = 6000\n");
    assert_int_equal(f->config.heartbeat_s, 1);
    assert_int_equal(f->config.channel_max, 2);
    assert_int_equal(f->config.frame_max_bytes, 6000);
    assert_int_equal(f->config.connection_max, 3);
    assert_int_equal(f->config.max_message_size_bytes, 5);
}

static void a_mistake_in_an_included_file_names_that_file(void **state)
{
    struct fixture *f = *state;
    write_text(f, "more.conf", "\n\nheartbeat = x\n");
    assert_false(load_text(f, "include more.conf\n"));
    assert_message(f, CONFIG_ERROR, "more.conf:3: heartbeat = x: ");
}

static void an_included_file_must_be_there(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "include none.conf\n", "none.conf: cannot be read: ");
}

static void files_that_include_each_other_end(void **state)
{
    struct fixture *f = *state;
    write_text(f, "more.conf", "include main.conf\n");
    assert_refused(f, "include more.conf\nheartbeat = 5\n", "include each other");
    assert_int_equal(f->config.heartbeat_s, 5);
}

static void files_that_include_many_end(void **state)
{
    struct fixture *f = *state;
    for (char name[] = "a.conf"; name[0] <= 'p'; name[0]++)
        write_text(f, name, "include *.conf\n");
    assert_refused(f, "include *.conf\nheartbeat = 5\n", "more than 1000 files are included");
    assert_int_equal(f->config.heartbeat_s, 5);
}

/* --- references --- */

static void values_refer_to_keys_and_the_environment(void **state)
{
    static const char *const ENVP[] = {"SEED_USER=seed", "default_pass=not this",
                                       "EMPTY=", "ODD=$(SEED_USER)", NULL};
    struct fixture *f = *state;
    f->config.envp = ENVP;
    assert_loads_silently(f, "default_user = $(SEED_USER)\n"
                             "default_vhost = $( default_user )-$(default_pass)/$(ODD)\n"
                             "default_pass = p\n");
    assert_string_equal(f->config.default_user, "seed");
    assert_string_equal(f->config.default_vhost, "seed-p/$(SEED_USER)");
    assert_refused(f, "default_user = $(SEED_USER)\n",
                   "main.conf:1: default_user: $(SEED_USER) is ");
    f->config.envp = ENVP;
    assert_refused(f, "default_user = $(EMPTY)\n", "$(EMPTY) is neither");
    assert_refused(f, "default_user = $()\n", "$() is neither");
}

static void circles_and_bombs_of_references_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "default_user = $(default_pass)\ndefault_pass = $(default_user)\n",
                   "refers to itself");
    assert_refused(f, "heartbeat = $(heartbeat)\n", "refers to itself");
    char text[4096] = "x.0 = 0123456789\n";
    for (int i = 1; i < 12; i++) {
        char line[256];
        snprintf(line, sizeof(line), "x.%d = $(x.%d)$(x.%d)$(x.%d)$(x.%d)$(x.%d)\n", i, i - 1,
                 i - 1, i - 1, i - 1, i - 1);
        strcat(text, line);
    }
    strcat(text, "default_user = $(x.11)\n");
    assert_refused(f, text, "grows too long");
}

static void encrypted_values_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "default_pass = encrypted:c2VjcmV0\n",
                   "main.conf:1: default_pass: encrypted");
    assert_false(has_message(f, CONFIG_ERROR, "c2VjcmV0"));
}

/* --- values --- */

static void sizes_are_read_as_rabbitmq_reads_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t limit; /* kb is 1000 */
        uint64_t frame; /* kb is 1024 */
    } CASES[] = {
        {"0", 0, 0},
        {"1", 1, 1},
        {"17b", 17, 17},
        {"1k", 1024, 1024},
        {"1K", 1024, 1024},
        {"1kb", 1000, 1024},
        {"1KB", 1000, 1024},
        {"1Kb", 1000, 1024},
        {"1kib", 1024, 1024},
        {"1KiB", 1024, 1024},
        {"2m", 2097152, 2097152},
        {"2M", 2097152, 2097152},
        {"2MB", 2000000, 2097152},
        {"2MiB", 2097152, 2097152},
        {"3G", 3221225472, 3221225472},
        {"3GB", 3000000000, 3221225472},
        {"3GiB", 3221225472, 3221225472},
        {"1TB", 1000000000000, 1099511627776},
        {"1PiB", 1125899906842624, 1125899906842624},
        {"1.5MB", 1500000, 1572864},
        {"0.5 KiB", 512, 512},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX},
        {"16383PiB", UINT64_C(16383) << 50, UINT64_C(16383) << 50},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint64_t bytes = 7;
        assert_null(config_value_size(CASES[i].text, 1000, &bytes));
        assert_true(bytes == CASES[i].limit);
        assert_null(config_value_size(CASES[i].text, 1024, &bytes));
        assert_true(bytes == CASES[i].frame);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const CASES[] = {
        "",
        "k",
        "-1",
        "-1k",
        "+1",
        "1kk",
        "1bk",
        "1.5",
        "1.5b",
        "1.k",
        "1.5.5k",
        "1 2",
        "0x10",
        "1e3",
        "1kibb",
        " 1",
        "16384PiB",
        "1ZB",
        "10M0",
        "k1",
        "1.5MB10",
        "18446744073709551616",
        "99999999999999999999999k",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint64_t bytes = 7;
        assert_non_null(config_value_size(CASES[i], 1024, &bytes));
        assert_true(bytes == 7);
    }
}

static void wrong_values_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *line;
        const char *reason;
    } CASES[] = {
        {"heartbeat = ten", "heartbeat = ten: a whole number is expected"},
        {"heartbeat = -1", "must not be negative"},
        {"heartbeat = 1.5", "a whole number is expected"},
        {"heartbeat = 65536", "must be at most 65535"},
        {"heartbeat = 99999999999999999999", "the number is too large"},
        {"heartbeat = infinity", "a whole number is expected"},
        {"channel_max = 65536", "must be at most 65535"},
        {"frame_max = 4095", "must be at least 4096"},
        {"frame_max = 3GB", "must be at most 2147483647"},
        {"initial_frame_max = 0", "must be at least 4096"},
        {"max_message_size = 536870913", "must be at most 536870912"},
        {"max_message_size = 0", "must be at least 1"},
        {"handshake_timeout = 0", "must be at least 1"},
        {"connection_max = many", "a whole number is expected"},
        {"listeners.tcp.default = 70000", "a port is at most 65535"},
        {"listeners.tcp.default = localhost:5672", "a numeric IPv4 or IPv6 address"},
        {"listeners.tcp.default = :5672", "a numeric IPv4 or IPv6 address"},
        {"listeners.tcp.default = 127.0.0.1", "PORT or ADDRESS:PORT is expected"},
        {"listeners.tcp.default = unix:/tmp/a", "Unix sockets are not supported"},
        {"management.tcp.port = 70000", "a port is at most 65535"},
        {"management.sample_retention_policies.global.week = 5",
         "an interval is minute, hour, day"},
        {"management.sample_retention_policies.global.minute = 0", "from 1 s to all of it"},
        {"management.rates_mode = any", "one of basic, detailed, none"},
        {"management.tcp.port = any", "a whole number is expected"},
        {"management.tcp.ip = localhost", "a numeric IPv4 or IPv6 address"},
        {"listeners.tcp = 5672", "the only value of the key itself is none"},
        {"listeners.ssl = 5671", "the only value of the key itself is none"},
        {"tcp_listen_options.nodelay = yes", "true or false (on or off) is expected"},
        {"tcp_listen_options.backlog = 0", "must be at least 1"},
        {"ssl_options.verify = maybe", "expected one of verify_none, verify_peer"},
        {"ssl_options.depth = 256", "must be at most 255"},
        {"ssl_options.versions.1 = 1.2", "expected one of tlsv1.3, tlsv1.2"},
        {"ssl_options.crl_check = peer", "revocation lists are not checked"},
        {"ssl_options.certfile = ''", "must not be empty"},
        {"ssl_options.cert = abc", "TLS material is read from files only"},
        {"ssl_options.key.RSAPrivateKey = abc", "TLS material is read from files only"},
        {"ssl_options.cacerts.one = abc", "TLS material is read from files only"},
        {"ssl_options.psk_identity = abc", "pre-shared keys are not supported"},
        {"ssl_cert_login_from = dn", "expected one of distinguished_name"},
        {"proxy_protocol = perhaps", "true or false"},
        {"default_user = ''", "must not be empty"},
        {"loopback_users.guest = maybe", "true or false"},
        {"loopback_users = guest", "the only value of the key itself is none"},
        {"auth_mechanisms.1 = PLAIIN", "expected one of PLAIN, AMQPLAIN"},
        {"auth_backends.1 = amqp", "auth_backends.1 = amqp: expected one of internal"},
        {"auth_backends.1.authn = htpt", "expected one of internal"},
        {"auth_backends.1.authz = rabbit_auth_backend_ip_range", "expected one of internal"},
        {"auth_cache.cached_backend = none", "expected one of internal"},
        {"auth_http.http_method = put", "expected one of get, post"},
        {"auth_http.user_path = ''", "must not be empty"},
        {"auth_http.ssl_options.verify = yes", "expected one of verify_none, verify_peer"},
        {"auth_ldap.other_bind = nobody", "expected one of as_user, anon"},
        {"auth_ldap.port = 0", "must be at least 1"},
        {"auth_oauth2.algorithms.1 = none", "expected one of RS256"},
        {"auth_oauth2.verify_aud = maybe", "expected one of true, false"},
        {"auth_oauth2.oauth_providers.a.issuer = https://a",
         "one resource server and one provider"},
        {"auth_oauth2.resource_servers.1.id = a", "one resource server and one provider"},
        {"password_hashing_module = md5", "expected one of rabbit_password_hashing_sha256"},
        {"vm_memory_high_watermark.relative = high", "a number such as 0.4 is expected"},
        {"vm_memory_high_watermark.relative = 1.1", "must be at most 1"},
        {"vm_memory_high_watermark.relative = -0.1", "must not be negative"},
        {"vm_memory_high_watermark.relative = 1e999", "too large"},
        {"vm_memory_high_watermark.relative = 0.4.4", "a number such as 0.4 is expected"},
        {"vm_memory_high_watermark.relative = nan", "a number such as 0.4 is expected"},
        {"vm_memory_high_watermark.absolute = 2XB", "a size such as"},
        {"default_queue_type = mirrored", "expected one of classic, quorum, stream"},
        {"log.console.level = loud", "expected one of debug, info"},
        {"log.file.rotation.date = daily", "a time such as $D0"},
        {"log.file.rotation.size = big", "a size such as"},
        {"log.file.rotation.count = 10001", "too many files"},
        {"log.queue.rotation.compress = maybe", "true or false"},
        {"log.console.formatter.time_format = iso", "expected one of rfc3339_space"},
        {"log.file.formatter.level_format = LC", "expected one of lc, uc"},
        {"log.file.formatter.json.field_map = *:x", "fields are expected"},
        {"log.file.formatter.json.verbosity_map = loud:1", "levels with a number"},
        {"log.syslog.formatter.plaintext.format = $", "the name of a field is expected"},
        {"log.syslog.transport = sctp", "expected one of udp, tcp, tls"},
        {"log.syslog.facility = loud", "expected one of kern"},
        {"log.syslog.ssl_options.cert = abc", "TLS material is read from files only"},
        {"log.journald.fields = lower=\"x\"", "fields are expected"},
        {"leveret.reactors = 0", "must be at least 1"},
        {"leveret.reactors = 1000", "must be at most 256"},
        {"leveret.table_depth_max = 0", "must be at least 1"},
        {"leveret.table_depth_max = 129", "must be at most 128"},
        {"leveret.connection_output_bytes = 1", "must be at least 4096"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        char expected[256];
        assert_refused(f, CASES[i].line, CASES[i].reason);
        snprintf(expected, sizeof(expected), "main.conf:1: %.*s", (int)strcspn(CASES[i].line, " "),
                 CASES[i].line);
        assert_message(f, CONFIG_ERROR, expected);
        assert_int_equal(f->messages.count, 1);
    }
}

static void values_of_every_kind_reach_their_fields(void **state)
{
    struct fixture *f = *state;
    const struct config *c = &f->config;
    assert_loads_silently(f, "handshake_timeout = infinity\n"
                             "frame_max = 128KB\n"
                             "channel_max = 65535\n"
                             "ssl_options.depth = 255\n"
                             "ssl_options.verify = verify_peer\n"
                             "ssl_options.honor_cipher_order = on\n"
                             "tcp_listen_options.nodelay = off\n"
                             "tcp_listen_options.sndbuf = 192kib\n"
                             "vm_memory_high_watermark.relative = 0.75\n"
                             "vm_memory_high_watermark_paging_ratio = 0.25\n"
                             "disk_free_limit.absolute = 2GB\n"
                             "default_queue_type = quorum\n"
                             "log.file = leveret.log\n"
                             "log.file.level = none\n"
                             "leveret.reactors = 4\n"
                             "leveret.store_writers = auto\n");
    assert_true(c->handshake_timeout_ms == CONFIG_UNLIMITED);
    assert_int_equal(c->frame_max_bytes, 131072);
    assert_int_equal(c->channel_max, 65535);
    assert_int_equal(c->tls.depth, 255);
    assert_true(c->tls.verify_peer);
    assert_true(c->tls.honor_cipher_order);
    assert_false(c->tls.fail_if_no_peer_cert);
    assert_false(c->socket.nodelay);
    assert_int_equal(c->socket.sndbuf_bytes, 196608);
    assert_true(c->memory_watermark_relative > 0.749 && c->memory_watermark_relative < 0.751);
    assert_true(c->memory_paging_ratio > 0.249 && c->memory_paging_ratio < 0.251);
    assert_int_equal(c->disk_free_limit_bytes, 2000000000);
    assert_int_equal(c->default_queue_type, CONFIG_QUEUE_QUORUM);
    assert_string_equal(c->log.file.path, "leveret.log");
    assert_int_equal(c->log.file.level, CONFIG_LOG_NONE);
    assert_int_equal(c->reactors, 4);
    assert_int_equal(c->store_writers, 0);
    assert_loads_silently(f, "log.file = false\n");
    assert_string_equal(c->log.file.path, "");
}

/* --- lists --- */

static void listeners_replace_the_default(void **state)
{
    struct fixture *f = *state;
    const struct config_listeners *tcp = &f->config.tcp_listeners;
    assert_loads_silently(f, "listeners.tcp.local = 127.0.0.1:5673\n"
                             "listeners.tcp.v6 = ::1:5674\n"
                             "listeners.tcp.v6b = [fe80::1]:5675\n"
                             "listeners.tcp.any = 0\n"
                             "listeners.ssl.default = 5671\n");
    assert_int_equal(tcp->count, 4);
    assert_string_equal(tcp->entries[0].address, "127.0.0.1");
    assert_int_equal(tcp->entries[0].port, 5673);
    assert_string_equal(tcp->entries[1].address, "::1");
    assert_int_equal(tcp->entries[1].port, 5674);
    assert_string_equal(tcp->entries[2].address, "fe80::1");
    assert_null(tcp->entries[3].address);
    assert_int_equal(tcp->entries[3].port, 0);
    assert_int_equal(f->config.tls_listeners.count, 1);
    assert_loads_silently(f, "listeners.tcp.local = 5676\n");
    assert_int_equal(tcp->count, 4);
    assert_null(tcp->entries[0].address);
    assert_int_equal(tcp->entries[0].port, 5676);
}

static void no_listener_wins_over_named_ones(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "listeners.tcp = none\nlisteners.tcp.default = 5672\n");
    assert_int_equal(f->config.tcp_listeners.count, 0);
    start_again(f);
    assert_loads_silently(f, "listeners.tcp.default = 5672\nlisteners.tcp = none\n");
    assert_int_equal(f->config.tcp_listeners.count, 0);
}

static void lists_are_ordered_by_number(void **state)
{
    struct fixture *f = *state;
    const struct config_list *ciphers = &f->config.tls.ciphers;
    assert_loads_silently(f, "ssl_options.ciphers.10 = J\n"
                             "ssl_options.ciphers.9 = I\n"
                             "ssl_options.ciphers.001 = A\n"
                             "ssl_options.ciphers.b = Z\n"
                             "ssl_options.ciphers.9 = H\n");
    static const char *const EXPECTED[] = {"A", "H", "J", "Z"};
    assert_int_equal(ciphers->count, COUNT_OF(EXPECTED));
    for (size_t i = 0; i < COUNT_OF(EXPECTED); i++)
        assert_string_equal(ciphers->entries[i].value, EXPECTED[i]);
}

static void a_list_replaces_its_default(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "auth_mechanisms.1 = EXTERNAL\n"
                             "default_user_tags.monitoring = true\n"
                             "default_user_tags.policymaker = false\n"
                             "ssl_options.versions.1 = tlsv1.2\n");
    assert_int_equal(f->config.auth_mechanisms.count, 1);
    assert_string_equal(f->config.auth_mechanisms.entries[0].value, "EXTERNAL");
    assert_int_equal(f->config.default_user_tags.count, 1);
    assert_string_equal(f->config.default_user_tags.entries[0].name, "monitoring");
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.tls.version_mask, CONFIG_TLS_1_2);
}

static void guest_stays_on_loopback_until_it_is_let_out(void **state)
{
    struct fixture *f = *state;
    const struct config_list *users = &f->config.loopback_users;
    assert_loads_silently(f, "loopback_users.first\\.last = true\n");
    assert_true(config_list_has_name(users, "first.last"));
    assert_true(config_list_has_name(users, "guest"));
    assert_loads_silently(f, "loopback_users.guest = false\n");
    assert_false(config_list_has_name(users, "guest"));
    assert_true(config_list_has_name(users, "first.last"));
    assert_loads_silently(f, "loopback_users = none\n");
    assert_int_equal(users->count, 0);
}

static void what_cannot_be_offered_is_passed_over_with_a_warning(void **state)
{
    struct fixture *f = *state;
    assert_true(load_text(f, "ssl_options.versions.1 = tlsv1.3\n"
                             "ssl_options.versions.2 = tlsv1.1\n"
                             "auth_oauth2.algorithms.1 = EdDSA\n"
                             "auth_oauth2.algorithms.2 = RS256\n"));
    assert_message(f, CONFIG_WARNING,
                   "main.conf:2: ssl_options.versions.2 = tlsv1.1: has no effect");
    assert_message(f, CONFIG_WARNING,
                   "main.conf:3: auth_oauth2.algorithms.1 = EdDSA: has no effect");
    assert_int_equal(f->config.tls.versions.count, 1);
    assert_int_equal(f->config.auth_oauth2.algorithms.count, 1);
}

/* --- keys without effect --- */

static void an_unknown_key_is_warned_of_once(void **state)
{
    struct fixture *f = *state;
    assert_true(load_text(f, "hartbeat = 5\nhartbeat = 6\nheartbeat = 7\n"));
    assert_true(config_set_option(&f->config, "hartbeat=8", &f->messages));
    assert_int_equal(f->messages.count, 1);
    assert_message(f, CONFIG_WARNING, "main.conf:1: hartbeat: unknown key");
    assert_int_equal(f->config.heartbeat_s, 7);
}

static void the_management_api_listens_where_it_is_told(void **state)
{
    struct fixture *f = *state;
    start_again(f);
    assert_int_equal(f->config.management.port, 15672);
    assert_false(f->config.management.is_port_chosen);
    assert_loads_silently(f, "management.tcp.port = 8080\nmanagement.tcp.ip = ::1\n"
                             "management.http.max_body_size = 1000\n");
    assert_int_equal(f->config.management.port, 8080);
    assert_true(f->config.management.is_port_chosen);
    assert_string_equal(f->config.management.address, "::1");
    assert_int_equal(f->config.management.body_bytes_max, 1000);
    assert_loads_silently(f,
                          "management.listener.port = none\nmanagement.listener.ip = 127.0.0.1\n");
    assert_true(f->config.management.port == CONFIG_UNLIMITED);
    assert_string_equal(f->config.management.address, "127.0.0.1");
}

static void management_keys_do_what_they_say(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "management.rates_mode = basic\nmanagement.cors.max_age = 5\n"
                             "management.cors.allow_origins.1 = *\n"
                             "management.cors.allow_origins = none\n"
                             "management.sample_retention_policies.basic.day = 3600\n"
                             "management.disable_stats = true\n");
    assert_int_equal(f->config.http_headers.cors_max_age_s, 5);
    assert_string_equal(f->config.http_headers.cors_origins.entries[0].value, "*");
    assert_string_equal(f->config.statistics.retention_basic.entries[0].name, "day");
    assert_true(f->config.statistics.is_disabled);
    assert_int_equal(config_retention_age_s("hour"), 3600);
    assert_int_equal(config_retention_age_s("90"), 90);
    assert_int_equal(config_retention_age_s("week") + config_retention_age_s("0"), 0);
    start_again(f);
    assert_true(load_text(f, "management.path_prefix = /x\nmanagement.rates_mode = detailed\n"));
    assert_message(f, CONFIG_WARNING, "the management API is at /api");
    assert_message(f, CONFIG_WARNING, "rates are those of rates_mode basic");
}

static void keys_that_mean_nothing_here_are_info(void **state)
{
    static const char *const KEYS[] = {"management.login_session_timeout",
                                       "management_agent.any",
                                       "prometheus.path",
                                       "collect_statistics",
                                       "hipe_compile",
                                       "erlang.schedulers",
                                       "runtime.any",
                                       "delegate_count",
                                       "sysmon_handler.thresholds.busy_ports",
                                       "background_gc_enabled",
                                       "num_acceptors.tcp",
                                       "num_acceptors.ssl",
                                       "socket_writer.gc_threshold",
                                       "reverse_dns_lookups",
                                       "tcp_listen_options.buffer",
                                       "tcp_listen_options.send_timeout",
                                       "tcp_listen_options.exit_on_close",
                                       "ssl_options.client_renegotiation",
                                       "ssl_options.secure_renegotiate",
                                       "ssl_options.reuse_sessions",
                                       "ssl_options.bypass_pem_cache",
                                       "ssl_options.log_level",
                                       "ssl_options.log_alert",
                                       "trust_store.directory",
                                       "auth_ldap.connection_pool_size",
                                       "auth_ldap.idle_timeout",
                                       "auth_ldap.log",
                                       "auth_oauth2.resource_server_type",
                                       "auth_cache.cache_module",
                                       "classic_queue.default_version",
                                       "queue_index_embed_msgs_below",
                                       "msg_store_file_size_limit",
                                       "queue_master_locator",
                                       "queue_leader_locator",
                                       "consumer_disconnected_timeout",
                                       "quorum_queue.initial_cluster_size",
                                       "raft.wal_max_size_bytes",
                                       "vm_memory_calculation_strategy",
                                       "log.file.formatter.single_line",
                                       "log.syslog.multiline_mode",
                                       "log.console.color_esc_seqs.info",
                                       "deprecated_features.permit.transient_nonexcl_queues",
                                       "feature_flags.any",
                                       "cluster_formation.peer_discovery_backend",
                                       "cluster_partition_handling",
                                       "cluster_keepalive_interval",
                                       "net_ticktime",
                                       "distribution.listener.port_range.min",
                                       "metadata_store.any",
                                       "mqtt.listeners.tcp.default",
                                       "stomp.listeners.tcp.default",
                                       "stream.listeners.tcp.default",
                                       "web_mqtt.tcp.port",
                                       "web_stomp.tcp.port",
                                       "amqp1_0.default_vhost",
                                       "shovel.topology.predeclared",
                                       "federation.any",
                                       "tracing.dir"};
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(KEYS); i++) {
        char line[160], info[160];
        start_again(f);
        snprintf(line, sizeof line, "%s = 1\n", KEYS[i]);
        snprintf(info, sizeof info, "main.conf:1: %s: has no effect", KEYS[i]);
        assert_true(load_text(f, line));
        if (f->messages.count != 1 || !has_message(f, CONFIG_INFO, info))
            fail_msg("%s: no such message: %s", KEYS[i], info);
    }
}

static void definitions_come_from_a_file_or_a_folder(void **state)
{
    struct fixture *f = *state;
    assert_true(load_text(f, "management.load_definitions = /one.json\n"
                             "definitions.import_backend = local_filesystem\n"
                             "definitions.local.path = /folder\n"
                             "definitions.skip_if_unchanged = true\n"));
    assert_int_equal(f->messages.count, 0);
    assert_string_equal(f->config.load_definitions, "/one.json");
    assert_string_equal(f->config.definitions_local_path, "/folder");
    assert_true(f->config.definitions_skip_if_unchanged);
    assert_false(load_text(f, "definitions.import_backend = https\n"));
}

static void keys_whose_wish_is_not_met_are_warnings(void **state)
{
    struct fixture *f = *state;
    assert_true(load_text(f, "definitions.https.url = https://localhost/definitions.json\n"
                             "default_policies.other = 1\n"
                             "message_interceptors.outgoing.any.enabled = true\n"));
    assert_int_equal(count_level(f, CONFIG_WARNING), 3);
    assert_message(f, CONFIG_WARNING, "main.conf:1: definitions.https.url: has no effect");
    assert_message(f, CONFIG_WARNING,
                   "main.conf:3: message_interceptors.outgoing.any.enabled: has no effect");
}

static void assert_default(const struct fixture *f, const char *key, const char *value)
{
    const struct config_list *list = &f->config.vhost_defaults;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].name, key) == 0) {
            assert_string_equal(list->entries[i].value, value);
            return;
        }
    }
    fail_msg("no default %s", key);
}

static void what_new_vhosts_begin_with_is_kept(void **state)
{
    struct fixture *f = *state;
    assert_true(load_text(f, "default_limits.vhosts.a.pattern = ^a\n"
                             "default_limits.vhosts.a.max_connections = -1\n"
                             "default_policies.operator.p.expires = 1h30m\n"
                             "default_policies.operator.p.message_ttl = 86400000\n"
                             "default_policies.operator.p.max_length_bytes = 10MB\n"
                             "default_users.joe.tags = monitoring\n"));
    assert_int_equal(f->messages.count, 0);
    assert_int_equal(f->config.vhost_defaults.count, 6);
    assert_default(f, "default_limits.vhosts.a.pattern", "^a");
    assert_default(f, "default_limits.vhosts.a.max_connections", "-1");
    assert_default(f, "default_policies.operator.p.expires", "5400000");
    assert_default(f, "default_policies.operator.p.message_ttl", "86400000");
    assert_default(f, "default_policies.operator.p.max_length_bytes", "10000000");
    assert_default(f, "default_users.joe.tags", "monitoring");
    assert_refused(f, "default_policies.operator.p.expires = soon", "1h30m, is expected");
    assert_refused(f, "default_policies.operator.p.expires = 5y", "1h30m, is expected");
    assert_refused(f, "default_policies.operator.p.max_length = -2", "must not be negative");
}

static void secrets_are_not_shown(void **state)
{
    struct fixture *f = *state;
    assert_false(load_text(f, "default_users.alice.password = XYZZY1\n"
                              "ssl_options.key.RSAPrivateKey = XYZZY2\n"
                              "default_pass = XYZZY3$(NONE)\n"
                              "management.ssl.password = XYZZY4\n"
                              "unknown_password = XYZZY5\n"));
    assert_int_equal(f->messages.count, 3); /* the first line and the password are fine */
    for (size_t i = 0; i < f->messages.count; i++)
        assert_null(strstr(f->messages.messages[i].text, "XYZZY"));
}

/* --- environment and command line --- */

static void the_environment_wins_over_files_and_options_over_both(void **state)
{
    struct fixture *f = *state;
    char file[600], more[600];
    write_text(f, "rabbitmq.conf",
               "listeners.tcp.a = 1\nlisteners.tcp.b = 2\n"
               "default_user = file\nheartbeat = 1\nchannel_max = 1\n");
    assert_int_equal(mkdir(path_of(f, "conf.d"), 0700), 0);
    write_text(f, "conf.d/a.conf", "heartbeat = 2\n");
    snprintf(file, sizeof(file), "RABBITMQ_CONFIG_FILE=%s/rabbitmq", f->folder);
    snprintf(more, sizeof(more), "RABBITMQ_CONFIG_FILES=%s/conf.d/*.conf", f->folder);
    const char *const envp[] = {file,
                                more,
                                "RABBITMQ_NODENAME=hare",
                                "RABBITMQ_NODE_PORT=5700",
                                "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
                                "RABBITMQ_DEFAULT_USER=env",
                                "RABBITMQ_DEFAULT_PASS=a$(b",
                                "RABBITMQ_DEFAULT_VHOST=",
                                "RABBITMQ_LOGS=-",
                                "LEVERET_DATA_DIR=/srv/leveret",
                                NULL};
    assert_true(config_load(&f->config, NULL, envp, &f->messages));
    assert_true(config_set_option(&f->config, "channel_max=3", &f->messages));
    assert_int_equal(f->messages.count, 0);
    assert_int_equal(f->config.tcp_listeners.count, 1);
    assert_string_equal(f->config.tcp_listeners.entries[0].address, "127.0.0.1");
    assert_int_equal(f->config.tcp_listeners.entries[0].port, 5700);
    assert_string_equal(f->config.default_user, "env");
    assert_string_equal(f->config.default_pass, "a$(b");
    assert_string_equal(f->config.default_vhost, "/");
    assert_int_equal(f->config.heartbeat_s, 2);
    assert_int_equal(f->config.channel_max, 3);
    assert_memory_equal(f->config.node_name, "hare@", 5);
    assert_string_equal(f->config.data_dir, "/srv/leveret");
    assert_true(f->config.log.console.output.is_on);
}

static void the_file_of_the_command_line_wins_over_that_of_the_environment(void **state)
{
    struct fixture *f = *state;
    static const char *const ENVP[] = {"RABBITMQ_CONFIG_FILE=/nonexistent/file", NULL};
    write_text(f, "main.conf", "heartbeat = 4\n");
    assert_true(config_load(&f->config, path_of(f, "main.conf"), ENVP, &f->messages));
    assert_int_equal(f->config.heartbeat_s, 4);
    assert_false(config_load(&f->config, NULL, ENVP, &f->messages));
    assert_message(f, CONFIG_ERROR, "/nonexistent/file: cannot be read: ");
}

static void wrong_variables_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const PORT[] = {"RABBITMQ_NODE_PORT=amqp", NULL};
    static const char *const ADDRESS[] = {"RABBITMQ_NODE_IP_ADDRESS=localhost", NULL};
    assert_false(config_load_environment(&f->config, PORT, &f->messages));
    assert_message(f, CONFIG_ERROR,
                   "environment: RABBITMQ_NODE_IP_ADDRESS, RABBITMQ_NODE_PORT = amqp");
    assert_false(config_load_environment(&f->config, ADDRESS, &f->messages));
    assert_message(f, CONFIG_ERROR, "localhost:5672: a numeric IPv4 or IPv6 address");
    assert_int_equal(f->config.tcp_listeners.entries[0].port, 5672);
}

static void an_address_alone_keeps_the_usual_port(void **state)
{
    struct fixture *f = *state;
    static const char *const ENVP[] = {"RABBITMQ_NODE_IP_ADDRESS=::1", NULL};
    assert_true(config_load_environment(&f->config, ENVP, &f->messages));
    assert_string_equal(f->config.tcp_listeners.entries[0].address, "::1");
    assert_int_equal(f->config.tcp_listeners.entries[0].port, 5672);
}

static void wrong_options_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_false(config_set_option(&f->config, "heartbeat", &f->messages));
    assert_message(f, CONFIG_ERROR, "command line: heartbeat: KEY=VALUE is expected");
    assert_false(config_set_option(&f->config, "heartbeat=x", &f->messages));
    assert_message(f, CONFIG_ERROR, "command line: heartbeat = x: ");
    assert_false(config_set_option(&f->config, "heart beat=1", &f->messages));
    assert_message(f, CONFIG_ERROR, "heart beat: this is not a key");
    assert_false(config_set_option(&f->config, "=1", &f->messages));
    assert_false(config_set_option(&f->config, "cluster_name=\xff", &f->messages));
    assert_message(f, CONFIG_ERROR, "command line: cluster_name: its value is not text in UTF-8");
}

/* --- cross checks --- */

static void assert_invalid(struct fixture *f, const char *text, const char *part)
{
    start_again(f);
    assert_true(load_text(f, text));
    assert_false(config_validate(&f->config, &f->messages));
    assert_message(f, CONFIG_ERROR, part);
}

static void what_belongs_together_is_checked(void **state)
{
    struct fixture *f = *state;
    char text[600];
    assert_invalid(f, "\nlisteners.ssl.default = 5671\n",
                   "main.conf:2: listeners.ssl.default: a TLS listener needs ssl_options.certfile");
    assert_invalid(f, "ssl_options.certfile = /nonexistent/cert.pem\n",
                   "main.conf:1: ssl_options.certfile: /nonexistent/cert.pem cannot be read: ");
    snprintf(text, sizeof(text),
             "listeners.ssl.default = 5671\nssl_options.certfile = %s/main.conf\n"
             "ssl_options.verify = verify_peer\n",
             f->folder);
    assert_invalid(f, text, "main.conf:3: ssl_options.verify: verify_peer needs");
    snprintf(text, sizeof(text),
             "listeners.ssl.default = 5671\nssl_options.certfile = %s/main.conf\n"
             "ssl_options.versions.1 = tlsv1.1\n",
             f->folder);
    assert_invalid(f, text, "main.conf:3: ssl_options.versions.1: a TLS listener needs tlsv1.2");
    assert_invalid(f, "log.syslog.transport = tls\nlog.syslog.protocol = rfc3164\n",
                   "main.conf:2: log.syslog.protocol: rfc3164 does not go over TLS");
    assert_invalid(f, "listeners.tcp.a = 5672\nlisteners.tcp.b = 5672\n", "same address and port");
    assert_invalid(f, "listeners.tcp.a = 1.2.3.4:5672\nlisteners.ssl.b = 1.2.3.4:5672\n",
                   "same address and port");
    assert_invalid(f, "auth_mechanisms.1 = ANONYMOUS\n", "no mechanism is left");
    assert_invalid(f,
                   "credential_validator.validation_backend = "
                   "rabbit_credential_validator_password_regexp\n",
                   "needs credential_validator.regexp");
}

static void a_certificate_file_may_hold_the_key(void **state)
{
    struct fixture *f = *state;
    char text[600];
    snprintf(text, sizeof(text),
             "listeners.ssl.default = 5671\nssl_options.certfile = %s/main.conf\n", f->folder);
    assert_loads_silently(f, text);
    assert_true(config_validate(&f->config, &f->messages));
    assert_string_equal(f->config.tls.keyfile, f->config.tls.certfile);
}

static void the_management_api_has_tls_where_it_is_told(void **state)
{
    struct fixture *f = *state;
    char text[900];
    assert_true(f->config.management_https.port == CONFIG_UNLIMITED);
    snprintf(text, sizeof text,
             "management.ssl.certfile = %s/main.conf\nmanagement.ssl.versions.1 = tlsv1.3\n",
             f->folder);
    assert_loads_silently(f, text);
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.management_https.port, 15671);
    assert_true(f->config.management.port == CONFIG_UNLIMITED); /* TLS alone */
    assert_string_equal(f->config.management_tls.keyfile, f->config.management_tls.certfile);
    assert_int_equal(f->config.management_tls.version_mask, CONFIG_TLS_1_3);
    assert_null(f->config.tls.certfile);
    start_again(f);
    snprintf(text, sizeof text,
             "management.ssl.certfile = %s/main.conf\nmanagement.ssl.port = 8443\n"
             "management.ssl.ip = ::1\nmanagement.tcp.port = 8080\n",
             f->folder);
    assert_loads_silently(f, text);
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.management_https.port, 8443);
    assert_string_equal(f->config.management_https.address, "::1");
    assert_int_equal(f->config.management.port, 8080);
    assert_invalid(f, "management.ssl.port = 8443\n",
                   "management.ssl.port: a TLS listener needs management.ssl.certfile");
    assert_invalid(f, "management.ssl.certfile = /nonexistent/cert.pem\n",
                   "main.conf:1: management.ssl.certfile: /nonexistent/cert.pem cannot be read: ");
    start_again(f);
    snprintf(
        text, sizeof text,
        "management.listener.port = 8443\nmanagement.listener.ip = ::1\n"
        "management.listener.ssl = true\nmanagement.listener.ssl_opts.certfile = %s/main.conf\n",
        f->folder);
    assert_loads_silently(f, text);
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.management_https.port, 8443);
    assert_string_equal(f->config.management_https.address, "::1");
    assert_true(f->config.management.port == CONFIG_UNLIMITED);
    assert_invalid(f, "management.listener.ssl = true\n",
                   "management.listener.ssl: a TLS listener needs "
                   "management.listener.ssl_opts.certfile");
    start_again(f);
    assert_loads_silently(f, "management.listener.ssl = false\n");
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.management.port, 15672);
    start_again(f);
    assert_loads_silently(f, "management.ssl.port = none\n");
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.management.port, 15672);
}

static void a_relative_watermark_wins_over_an_absolute_one(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "vm_memory_high_watermark.absolute = 2GB\n");
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.memory_watermark_bytes, 2000000000);
    assert_loads_silently(f, "vm_memory_high_watermark.relative = 0.4\n");
    assert_true(config_validate(&f->config, &f->messages));
    assert_int_equal(f->config.memory_watermark_bytes, 0);
}

static void questionable_configurations_are_warned_of(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "listeners.tcp = none\nssl_options.fail_if_no_peer_cert = true\n");
    assert_true(config_validate(&f->config, &f->messages));
    assert_message(f, CONFIG_WARNING, "no client can connect");
    assert_message(f, CONFIG_WARNING,
                   "main.conf:2: ssl_options.fail_if_no_peer_cert: has no effect");
}

/* --- whole files --- */

/* A file as administrators write them for RabbitMQ. */
static const char REALISTIC[] =
    "# /etc/rabbitmq/rabbitmq.conf\n"
    "## ---- networking\n"
    "listeners.tcp.default = 5672\n"
    "listeners.tcp.metrics = 127.0.0.1:5682\n"
    "num_acceptors.tcp = 10\n"
    "handshake_timeout = 15000\n"
    "reverse_dns_lookups = false\n"
    "tcp_listen_options.backlog = 4096\n"
    "tcp_listen_options.nodelay = true\n"
    "tcp_listen_options.linger.on = true\n"
    "tcp_listen_options.linger.timeout = 0\n"
    "tcp_listen_options.exit_on_close = false\n"
    "tcp_listen_options.sndbuf = 196608\n"
    "tcp_listen_options.recbuf = 196608\n"
    "tcp_listen_options.keepalive = true\n"
    "proxy_protocol = false\n"
    "\n"
    "## ---- TLS\n"
    "ssl_options.verify               = verify_none\n"
    "ssl_options.fail_if_no_peer_cert = false\n"
    "ssl_options.versions.1 = tlsv1.3\n"
    "ssl_options.versions.2 = tlsv1.2\n"
    "ssl_options.ciphers.1 = TLS_AES_256_GCM_SHA384\n"
    "ssl_options.ciphers.2 = ECDHE-ECDSA-AES256-GCM-SHA384\n"
    "ssl_options.honor_cipher_order = true\n"
    "ssl_options.honor_ecc_order = true\n"
    "ssl_options.client_renegotiation = false\n"
    "ssl_options.secure_renegotiate = true\n"
    "ssl_cert_login_from = common_name\n"
    "\n"
    "## ---- users\n"
    "default_vhost = /\n"
    "default_user = $(RABBIT_USER)\n"
    "default_pass = '4N$3#cr&t'\n"
    "default_permissions.configure = .*\n"
    "default_permissions.read = .*\n"
    "default_permissions.write = .*\n"
    "default_user_tags.administrator = true\n"
    "default_user_tags.management = true\n"
    "loopback_users.guest = false\n"
    "auth_mechanisms.1 = PLAIN\n"
    "auth_mechanisms.2 = AMQPLAIN\n"
    "auth_backends.1 = internal\n"
    "password_hashing_module = rabbit_password_hashing_sha512\n"
    "\n"
    "## ---- limits\n"
    "heartbeat = 30\n"
    "frame_max = 131072\n"
    "initial_frame_max = 8192\n"
    "channel_max = 512\n"
    "connection_max = infinity\n"
    "channel_max_per_node = 20000\n"
    "consumer_max_per_channel = 200\n"
    "max_message_size = 134217728\n"
    "consumer_timeout = 31622400000\n"
    "vm_memory_high_watermark.relative = 0.4\n"
    "vm_memory_high_watermark_paging_ratio = 0.75\n"
    "vm_memory_calculation_strategy = allocated\n"
    "memory_monitor_interval = 2500\n"
    "total_memory_available_override_value = 8GB\n"
    "disk_free_limit.absolute = 2GB\n"
    "\n"
    "## ---- cluster\n"
    "cluster_name = rabbit@production\n"
    "cluster_partition_handling = pause_minority\n"
    "cluster_keepalive_interval = 10000\n"
    "cluster_formation.peer_discovery_backend = classic_config\n"
    "cluster_formation.classic_config.nodes.1 = rabbit@hostname1.eng.example.local\n"
    "cluster_formation.classic_config.nodes.2 = rabbit@hostname2.eng.example.local\n"
    "queue_master_locator = min-masters\n"
    "queue_leader_locator = balanced\n"
    "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true\n"
    "raft.wal_max_size_bytes = 64000000\n"
    "net_ticktime = 60\n"
    "distribution.listener.interface = 10.10.10.10\n"
    "\n"
    "## ---- runtime\n"
    "collect_statistics = none\n"
    "collect_statistics_interval = 5000\n"
    "delegate_count = 16\n"
    "mirroring_sync_batch_size = 4096\n"
    "hipe_compile = false\n"
    "background_gc_enabled = false\n"
    "queue_index_embed_msgs_below = 4kb\n"
    "sysmon_handler.triggers.distribution_port = on\n"
    "deprecated_features.permit.transient_nonexcl_queues = true\n"
    "\n"
    "## ---- log\n"
    "log.dir = /var/log/rabbitmq\n"
    "log.file = rabbit.log\n"
    "log.file.level = info\n"
    "log.file.rotation.date = $D0\n"
    "log.file.rotation.size = 10485760\n"
    "log.console = true\n"
    "log.console.level = warning\n"
    "log.console.formatter = json\n"
    "log.console.color_esc_seqs.debug = \"\\033[38;5;246m\"\n"
    "log.connection.level = warning\n"
    "log.channel.level = error\n"
    "log.queue.level = info\n"
    "log.mirroring.level = info\n"
    "log.exchange = false\n"
    "log.syslog = false\n"
    "\n"
    "## ---- plug-ins\n"
    "management.tcp.port = 15672\n"
    "management.tcp.ip = 0.0.0.0\n"
    "management.http_log_dir = /var/log/rabbitmq/management\n"
    "management.rates_mode = basic\n"
    "management.sample_retention_policies.global.minute = 5\n"
    "management.cors.allow_origins.1 = https://origin1.example.com\n"
    "management_agent.disable_metrics_collector = false\n"
    "prometheus.tcp.port = 15692\n"
    "prometheus.return_per_object_metrics = true\n"
    "mqtt.listeners.tcp.default = 1883\n"
    "mqtt.allow_anonymous = true\n"
    "mqtt.default_pass = guest\n"
    "stomp.listeners.tcp.1 = 127.0.0.1:61613\n"
    "stream.listeners.tcp.default = 5552\n"
    "web_mqtt.ws_path = /ws\n"
    "auth_ldap.servers.1 = ldap.eng.megacorp.local\n"
    "auth_ldap.user_dn_pattern = cn=${username},ou=People,dc=example,dc=com\n"
    "auth_http.user_path = http://127.0.0.1:8000/auth/user\n"
    "auth_oauth2.resource_server_id = my_rabbit_server\n"
    "trust_store.directory = /etc/rabbitmq/trust\n"
    "motd_file = /etc/rabbitmq/motd\n";

static void a_file_written_for_rabbitmq_loads_without_a_warning(void **state)
{
    static const char *const ENVP[] = {"RABBIT_USER=operator", NULL};
    struct fixture *f = *state;
    const struct config *c = &f->config;
    f->config.envp = ENVP;
    bool ok = load_text(f, REALISTIC) && config_validate(&f->config, &f->messages);
    if (!ok || count_level(f, CONFIG_WARNING) > 0)
        print_messages(f);
    assert_true(ok);
    assert_int_equal(count_level(f, CONFIG_WARNING), 0);
    assert_string_equal(c->default_user, "operator");
    assert_string_equal(c->default_pass, "4N$3#cr&t");
    assert_int_equal(c->consumer_timeout_ms, 31622400000);
    assert_string_equal(c->cluster_name, "rabbit@production");
    assert_int_equal(c->loopback_users.count, 0);
    assert_int_equal(c->log.about[CONFIG_LOG_ABOUT_CHANNEL].level, CONFIG_LOG_ERROR);
    assert_true(c->quorum_relaxed_redeclaration);
}

/* A file of the source tree, ended by NUL; freed by the caller. */
static char *read_source_file(const char *name)
{
    const char *folder = getenv("srcdir");
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder == NULL ? "." : folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be read; set srcdir to the source tree", path);
    char *text = calloc(1, 1 << 18);
    assert_non_null(text);
    size_t size = fread(text, 1, (1 << 18) - 1, file);
    assert_true(size > 0 && size < (1 << 18) - 1);
    fclose(file);
    return text;
}

/* Takes "# " away from every line that would then be a setting. */
static char *uncomment(const char *sample)
{
    char *result = calloc(1, strlen(sample) + 1);
    char *to = result;
    assert_non_null(result);
    for (const char *line = sample; *line != '\0';) {
        size_t size = strcspn(line, "\n") + 1;
        size_t word = strspn(line + 2, "abcdefghijklmnopqrstuvwxyz0123456789_.");
        bool is_setting = strncmp(line, "# ", 2) == 0 && strncmp(line + 2 + word, " = ", 3) == 0;
        size_t skip = is_setting ? 2 : 0;
        memcpy(to, line + skip, size - skip);
        to += size - skip;
        line += size;
    }
    return result;
}

static void the_sample_is_right_when_it_is_uncommented(void **state)
{
    struct fixture *f = *state;
    char *sample = read_source_file("etc/leveret.conf");
    assert_loads_silently(f, sample);
    assert_int_equal(f->config.setting_count, 0);
    char *active = uncomment(sample);
    assert_loads_silently(f, active);
    assert_true(f->config.setting_count > 70);
    assert_int_equal(f->config.lane_memory_bytes, 50331648);
    assert_int_equal(f->config.disk_free_limit_bytes, 50000000);
    assert_int_equal(f->config.tls.versions.count, 2);
    free(active);
    free(sample);
}

/* A new row of the table must be described, and shown in the sample. */
static void every_key_with_an_effect_is_documented(void **state)
{
    (void)state;
    char *manual = read_source_file("docs/configuration.md");
    char *sample = read_source_file("etc/leveret.conf");
    size_t count;
    const struct config_key *keys = config_keys(&count);
    static const char other_name[] = "management.listener.ssl_opts."; /* of management.ssl */
    for (size_t i = 0; i < count; i++) {
        char quoted[160], shown[160];
        if (strncmp(keys[i].pattern, other_name, sizeof other_name - 1) == 0)
            continue;
        snprintf(quoted, sizeof(quoted), "`%s`", keys[i].pattern);
        snprintf(shown, sizeof(shown), "%.*s", (int)strcspn(keys[i].pattern, "$"), keys[i].pattern);
        if (keys[i].size == 0)
            continue;
        if (strstr(manual, quoted) == NULL)
            fail_msg("docs/configuration.md does not name %s", quoted);
        bool is_alias = strncmp(shown, "max_c", 5) == 0;
        if (!is_alias && strstr(sample, shown) == NULL)
            fail_msg("etc/leveret.conf does not show %s", shown);
    }
    free(manual);
    free(sample);
}

/* Writes a key that the pattern matches. */
static void key_of_pattern(const char *pattern, char *key, size_t size)
{
    size_t used = 0;
    for (const char *at = pattern; *at != '\0';) {
        size_t length = strcspn(at, ".");
        const char *dot = at[length] == '.' ? "." : "";
        if (at[0] == '$')
            used += (size_t)snprintf(key + used, size - used, "any%s", dot);
        else if (at[0] == '*')
            used += (size_t)snprintf(key + used, size - used, "one.two%s", dot);
        else
            used += (size_t)snprintf(key + used, size - used, "%.*s%s", (int)length, at, dot);
        at += length + strlen(dot);
    }
}

static void every_row_of_the_table_can_be_reached(void **state)
{
    (void)state;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct config_path path;
        const char *name;
        char key[160];
        key_of_pattern(keys[i].pattern, key, sizeof(key));
        assert_true(config_path_init(&path, key));
        if (config_key_find(&path, &name) != &keys[i])
            fail_msg("row %s is hidden by an earlier one", keys[i].pattern);
        assert_true((name != NULL) == (strchr(keys[i].pattern, '$') != NULL));
        config_path_fini(&path);
    }
}

/* --- anything --- */

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static size_t random_bytes(uint32_t *seed, char *text, size_t size)
{
    /* Half of the bytes are those that mean something to the parser. */
    static const char TELLING[] = "=#'$().\\\n\r\t /*[]:-0123456789kMib include heartbeat";
    size_t length = next_random(seed) % size;
    for (size_t i = 0; i < length; i++) {
        uint32_t random = next_random(seed);
        text[i] = random & 256 ? TELLING[(random >> 9) % (sizeof(TELLING) - 1)] : (char)random;
    }
    return length;
}

/* A line with a key of the table and a value that may be anything. */
static size_t random_line(uint32_t *seed, char *text, size_t size)
{
    static const char *const VALUES[] = {
        "none",  "true",    "infinity", "-1",           "99999999999999999999",
        "1.5GB", "tlsv1.3", "::1:1",    "$(heartbeat)", "$(default_user)$(default_pass)",
        "'",     "''",      "PLAIN",    "0.0000000001", "::::",
    };
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char key[160];
    key_of_pattern(keys[next_random(seed) % count].pattern, key, sizeof(key));
    const char *value = VALUES[next_random(seed) % COUNT_OF(VALUES)];
    char noise[40];
    size_t noise_size = next_random(seed) % 4 == 0 ? random_bytes(seed, noise, sizeof(noise)) : 0;
    size_t used = (size_t)snprintf(text, size, "%s = %s", key, value);
    memcpy(text + used, noise, noise_size);
    text[used + noise_size] = '\n';
    return used + noise_size + 1;
}

/* Whatever the bytes are: no crash, and a failure always says why. */
static void assert_survives(struct fixture *f, const char *text, size_t size)
{
    start_again(f);
    write_bytes(f, "main.conf", text, size);
    bool ok = config_load_file(&f->config, path_of(f, "main.conf"), &f->messages);
    assert_true(ok == (count_level(f, CONFIG_ERROR) == 0));
    ok = config_validate(&f->config, &f->messages) && ok;
    assert_true(ok == (count_level(f, CONFIG_ERROR) == 0));
    assert_non_null(f->config.default_user);
}

static void random_bytes_are_survived(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 2463534242;
    char text[600];
    for (int i = 0; i < 1500; i++)
        assert_survives(f, text, random_bytes(&seed, text, sizeof(text)));
}

static void random_settings_are_survived(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 88172645;
    char text[8192];
    for (int i = 0; i < 1500; i++) {
        size_t size = 0;
        for (uint32_t lines = next_random(&seed) % 20; lines > 0; lines--)
            size += random_line(&seed, text + size, sizeof(text) - size);
        assert_survives(f, text, size);
    }
}

static void random_changes_of_a_real_file_are_survived(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 521288629;
    char text[sizeof(REALISTIC)];
    for (int i = 0; i < 300; i++) {
        memcpy(text, REALISTIC, sizeof(REALISTIC));
        for (uint32_t changes = next_random(&seed) % 30; changes > 0; changes--)
            text[next_random(&seed) % (sizeof(REALISTIC) - 1)] = (char)next_random(&seed);
        assert_survives(f, text, next_random(&seed) % sizeof(REALISTIC));
    }
}

/* --- showing what is in force --- */

struct shown {
    char *lines; /* owned */
    size_t size;
    struct config *copy; /* NULL: only lines are wanted */
    struct config_messages messages;
};

static void on_setting(void *context, const char *key, const char *value)
{
    struct shown *shown = context;
    size_t size = strlen(key) + strlen(value) + 5;
    shown->lines = realloc(shown->lines, shown->size + size);
    assert_non_null(shown->lines);
    shown->size += (size_t)snprintf(shown->lines + shown->size, size, "%s = %s\n", key, value);
    if (shown->copy == NULL || strcmp(value, CONFIG_SHOWN_SECRET) == 0)
        return;
    if (!config_set(shown->copy, key, value, "copy", 0, &shown->messages))
        fail_msg("%s = %s: %s", key, value, shown->messages.messages[0].text);
}

static char *show(const struct config *config, struct config *copy)
{
    struct shown shown = {.lines = strdup(""), .copy = copy};
    config_messages_init(&shown.messages);
    config_show(config, on_setting, &shown);
    config_messages_fini(&shown.messages);
    return shown.lines;
}

static void what_is_in_force_is_shown(void **state)
{
    struct fixture *f = *state;
    assert_loads_silently(f, "heartbeat = 17\n"
                             "max_connections = infinity\n"
                             "listeners.tcp.a\\.b = [::1]:5673\n"
                             "listeners.ssl = none\n"
                             "default_pass = geheim\n"
                             "ssl_options.password = geheim\n"
                             "password_hashing_module = rabbit_password_hashing_sha512\n"
                             "default_user_tags.monitoring = true\n"
                             "default_users.x.vhost_pattern = ^a\n"
                             "default_users.x.password = geheim\n"
                             "auth_http.user_path = http://a:geheim@b/c@d\n"
                             "auth_http.vhost_path = http://b/c@d\n"
                             "log.file.rotation.count = 3\n"
                             "log.queue.rotation.compress = true\n"
                             "vm_memory_high_watermark.relative = 0.25\n");
    char *lines = show(&f->config, NULL);
    static const char *const parts[] = {
        "heartbeat = 17\n",
        "connection_max = infinity\n",
        "listeners.tcp.a\\.b = [::1]:5673\n",
        "default_pass = " CONFIG_SHOWN_SECRET "\n",
        "ssl_options.password = " CONFIG_SHOWN_SECRET "\n",
        "password_hashing_module = rabbit_password_hashing_sha512\n",
        "default_user_tags.monitoring = true\n",
        "default_users.x.vhost_pattern = ^a\n",
        "default_users.x.password = " CONFIG_SHOWN_SECRET "\n",
        "auth_http.user_path = http://" CONFIG_SHOWN_SECRET "@b/c@d\n",
        "auth_http.vhost_path = http://b/c@d\n",
        "log.file.rotation.count = 3\n",
        "log.queue.rotation.compress = true\n",
        "vm_memory_high_watermark.relative = 0.25\n",
        "channel_max = 2047\n", /* a default */
        "leveret.reactors = auto\n",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strstr(lines, parts[i]) == NULL)
            fail_msg("no %s in\n%s", parts[i], lines);
    }
    assert_null(strstr(lines, "geheim"));
    assert_null(strstr(lines, "max_connections"));
    assert_null(strstr(lines, "default_user_tags.administrator"));
    free(lines);
}

/* What is shown makes the same configuration again. */
static void what_is_shown_can_be_read(void **state)
{
    struct fixture *f = *state;
    struct config copy;
    config_init(&copy);
    assert_loads_silently(f, "listeners.tcp.1 = 127.0.0.1:5673\n"
                             "auth_mechanisms.1 = EXTERNAL\n"
                             "loopback_users = none\n"
                             "auth_backends.1.authn = ldap\n"
                             "auth_backends.1.authz = internal\n"
                             "log.file.rotation.size = 1MB\n"
                             "management.tcp.port = none\n"
                             "leveret.server_properties.a\\.b = c\n"
                             "handshake_timeout = infinity\n");
    char *lines = show(&f->config, &copy);
    char *again = show(&copy, NULL);
    size_t same = 0;
    while (lines[same] != '\0' && lines[same] == again[same])
        same++;
    if (lines[same] != again[same])
        fail_msg("%.80s is not %.80s", lines + same, again + same);
    free(lines);
    free(again);
    config_fini(&copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_rabbitmq),
        TEST(defaults_are_valid),
        TEST(lines_are_read_as_rabbitmq_reads_them),
        TEST(an_empty_quoted_value_is_a_value),
        TEST(what_is_no_setting_is_refused_with_its_line),
        TEST(a_nul_byte_is_refused),
        TEST(only_the_last_line_of_a_key_counts),
        TEST(every_mistake_is_reported),
        TEST(a_file_that_cannot_be_read_is_refused),
        TEST(a_file_that_is_too_large_is_refused),
        TEST(a_folder_is_read_in_alphabetical_order),
        TEST(includes_are_merged_where_they_stand),
        TEST(a_mistake_in_an_included_file_names_that_file),
        TEST(an_included_file_must_be_there),
        TEST(files_that_include_each_other_end),
        TEST(files_that_include_many_end),
        TEST(values_refer_to_keys_and_the_environment),
        TEST(circles_and_bombs_of_references_are_refused),
        TEST(encrypted_values_are_refused),
        TEST(sizes_are_read_as_rabbitmq_reads_them),
        TEST(what_is_no_size_is_refused),
        TEST(wrong_values_are_refused_with_the_reason),
        TEST(values_of_every_kind_reach_their_fields),
        TEST(listeners_replace_the_default),
        TEST(no_listener_wins_over_named_ones),
        TEST(lists_are_ordered_by_number),
        TEST(a_list_replaces_its_default),
        TEST(guest_stays_on_loopback_until_it_is_let_out),
        TEST(what_cannot_be_offered_is_passed_over_with_a_warning),
        TEST(an_unknown_key_is_warned_of_once),
        TEST(the_management_api_listens_where_it_is_told),
        TEST(the_management_api_has_tls_where_it_is_told),
        TEST(management_keys_do_what_they_say),
        TEST(keys_that_mean_nothing_here_are_info),
        TEST(definitions_come_from_a_file_or_a_folder),
        TEST(keys_whose_wish_is_not_met_are_warnings),
        TEST(what_new_vhosts_begin_with_is_kept),
        TEST(secrets_are_not_shown),
        TEST(the_environment_wins_over_files_and_options_over_both),
        TEST(the_file_of_the_command_line_wins_over_that_of_the_environment),
        TEST(wrong_variables_are_refused),
        TEST(an_address_alone_keeps_the_usual_port),
        TEST(wrong_options_are_refused),
        TEST(what_belongs_together_is_checked),
        TEST(a_certificate_file_may_hold_the_key),
        TEST(a_relative_watermark_wins_over_an_absolute_one),
        TEST(questionable_configurations_are_warned_of),
        TEST(a_file_written_for_rabbitmq_loads_without_a_warning),
        TEST(the_sample_is_right_when_it_is_uncommented),
        TEST(every_key_with_an_effect_is_documented),
        TEST(every_row_of_the_table_can_be_reached),
        TEST(what_is_in_force_is_shown),
        TEST(what_is_shown_can_be_read),
        TEST(random_bytes_are_survived),
        TEST(random_settings_are_survived),
        TEST(random_changes_of_a_real_file_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
