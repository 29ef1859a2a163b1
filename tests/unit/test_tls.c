/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS streams over socket pairs, against OpenSSL's own client: what the options allow and refuse,
 * names out of certificates, reloading, and peers that do not speak TLS. The certificates are made
 * on the spot, in a folder that goes again.
 */
#include "amqp_test.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config.h"
#include "config/config_list.h"
#include "net/stream.h"
#include "net/tls.h"

enum { steps_max = 1000 };

/* --- certificates */

static char folder[] = "/tmp/leveret-test-tls-XXXXXX";

static const char *file(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static struct identity authority, server, client;

static void add_name(X509_NAME *name, const char *type, const char *value)
{
    assert_int_equal(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
                                                (const unsigned char *)value, -1, -1, 0),
                     1);
}

static void add_extension(X509 *certificate, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: signed by itself. Takes the key over. */
static struct identity certify(EVP_PKEY *key, const char *organisation, const char *common_name,
                               const char *alternative, const struct identity *issuer,
                               bool is_authority)
{
    static long serial = 1;
    struct identity made = {.key = key, .certificate = X509_new()};
    X509 *certificate = made.certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, made.key);
    X509_NAME *name = X509_get_subject_name(certificate);
    add_name(name, "O", organisation);
    add_name(name, "CN", common_name);
    X509_set_issuer_name(certificate,
                         issuer != NULL ? X509_get_subject_name(issuer->certificate) : name);
    if (is_authority)
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (alternative != NULL)
        add_extension(certificate, NID_subject_alt_name, alternative);
    assert_true(X509_sign(certificate, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static struct identity make_identity(const char *organisation, const char *common_name,
                                     const char *alternative, const struct identity *issuer)
{
    return certify(EVP_EC_gen("P-256"), organisation, common_name, alternative, issuer,
                   issuer == NULL);
}

static void free_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static void write_certificate(const char *name, const struct identity *identity)
{
    FILE *out = fopen(file(name), "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, identity->certificate), 1);
    fclose(out);
}

static void write_key(const char *name, const struct identity *identity, const char *password)
{
    FILE *out = fopen(file(name), "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, identity->key,
                                          password != NULL ? EVP_aes_128_cbc() : NULL, NULL, 0,
                                          NULL, (void *)(uintptr_t)password),
                     1);
    fclose(out);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    authority = make_identity("tests", "authority", NULL, NULL);
    server = make_identity("tests", "server", "DNS:localhost", &authority);
    client = make_identity("client", "guest",
                           "DNS:one.example,email:guest@example.org,DNS:two.example,"
                           "URI:urn:guest,IP:192.0.2.7",
                           &authority);
    write_certificate("ca.pem", &authority);
    write_certificate("server.pem", &server);
    write_key("server.key", &server, NULL);
    write_key("locked.key", &server, "secret");
    return 0;
}

static int remove_files(void **state)
{
    static const char *const names[] = {"ca.pem", "server.pem", "server.key", "locked.key"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(file(names[i]));
    free_identity(&authority);
    free_identity(&server);
    free_identity(&client);
    return rmdir(folder);
}

/* --- both ends */

static struct config config;
static struct tls_context *context;
static char reason[TLS_REASON_SIZE];
static struct stream stream; /* the server's end */
static int peer = -1;
static SSL_CTX *client_context;
static SSL *client_ssl;
static struct buffer received; /* by the server */
static ssize_t server_outcome;

static void set_file(char **place, const char *name)
{
    free(*place);
    *place = strdup(file(name));
}

static int set_up(void **state)
{
    (void)state;
    config_init(&config);
    set_file(&config.tls.cacertfile, "ca.pem");
    set_file(&config.tls.certfile, "server.pem");
    set_file(&config.tls.keyfile, "server.key");
    config.tls.version_mask = CONFIG_TLS_1_2 | CONFIG_TLS_1_3;
    client_context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_file(client_context, file("ca.pem")), 1);
    SSL_CTX_set_verify(client_context, SSL_VERIFY_PEER, NULL);
    return 0;
}

static void drop_connection(void)
{
    stream_close(&stream);
    SSL_free(client_ssl);
    client_ssl = NULL;
    if (peer >= 0)
        close(peer);
    peer = -1;
    buffer_fini(&received);
}

static int tear_down(void **state)
{
    (void)state;
    drop_connection();
    tls_context_free(context);
    context = NULL;
    SSL_CTX_free(client_context);
    config_fini(&config);
    return 0;
}

static void make_context(void)
{
    context = tls_context_new(&config, &config.tls, reason);
    if (context == NULL)
        print_error("%s\n", reason);
    assert_non_null(context);
}

static void connect_plain(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    stream_init(&stream, fds[0], tls_stream_new(context, fds[0]));
}

static void connect_tls(void)
{
    connect_plain();
    client_ssl = SSL_new(client_context);
    SSL_set_fd(client_ssl, peer);
    SSL_set_connect_state(client_ssl);
}

static void serve(void)
{
    uint8_t bytes[20000];
    struct iovec part = {bytes, sizeof bytes};
    server_outcome = stream_read(&stream, &part, 1);
    if (server_outcome > 0)
        buffer_append(&received, bytes, (size_t)server_outcome);
}

/* True when the client's handshake is through. */
static bool shake_hands(void)
{
    for (int i = 0; i < steps_max; i++) {
        ERR_clear_error();
        int result = SSL_do_handshake(client_ssl);
        serve();
        if (server_outcome == STREAM_FAILED)
            return false;
        if (result == 1 && tls_is_handshaken(stream.tls))
            return true;
        int error = SSL_get_error(client_ssl, result);
        if (result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return false;
    }
    return false;
}

static void present_client_certificate(void)
{
    assert_int_equal(SSL_CTX_use_certificate(client_context, client.certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(client_context, client.key), 1);
}

/* --- streams */

static void bytes_go_both_ways(void **state)
{
    static const char text[] = "to the client";
    struct iovec parts[] = {{(void *)(uintptr_t)text, 3}, {(void *)(uintptr_t)(text + 3), 10}};
    char answer[32];
    (void)state;
    make_context();
    connect_tls();
    assert_true(shake_hands());
    assert_int_equal(SSL_write(client_ssl, "to the server", 13), 13);
    serve();
    assert_bytes_equal(buffer_bytes(&received), bytes_of_text("to the server"));
    assert_int_equal(stream_write(&stream, parts, 2), 13);
    for (int read = 0; read < 13;) {
        int count = SSL_read(client_ssl, answer + read, (int)sizeof answer - read);
        assert_true(count > 0);
        read += count;
    }
    assert_memory_equal(answer, text, 13);
    assert_string_equal(tls_version(stream.tls), "TLSv1.3");
    stream_end(&stream);
    assert_int_equal(SSL_read(client_ssl, answer, sizeof answer), 0);
    assert_int_equal(SSL_get_error(client_ssl, 0), SSL_ERROR_ZERO_RETURN);
}

/* The socket fills, and writing goes on from the same byte, from a buffer that has moved. */
static void much_more_than_the_socket_holds(void **state)
{
    size_t size = 3000000, written = 0, read = 0;
    uint8_t *bytes = malloc(size), *got = malloc(size);
    bool was_full = false;
    (void)state;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 11 >> 3);
    make_context();
    connect_tls();
    assert_true(shake_hands());
    while (read < size) {
        size_t left = size - written;
        uint8_t *moved = malloc(left + 1);
        memcpy(moved, bytes + written, left);
        struct iovec part = {moved, left};
        ssize_t taken = left > 0 ? stream_write(&stream, &part, 1) : 0;
        free(moved);
        assert_int_not_equal(taken, STREAM_FAILED);
        was_full = was_full || taken == STREAM_AGAIN;
        written += taken > 0 ? (size_t)taken : 0;
        int count = SSL_read(client_ssl, got + read, 100000);
        read += count > 0 ? (size_t)count : 0;
    }
    assert_true(was_full);
    assert_memory_equal(got, bytes, size);
    free(bytes);
    free(got);
}

static void orderly_end_of_the_client(void **state)
{
    (void)state;
    make_context();
    connect_tls();
    assert_true(shake_hands());
    SSL_shutdown(client_ssl);
    serve();
    assert_int_equal(server_outcome, STREAM_END);
}

static void plain_client_is_refused(void **state)
{
    (void)state;
    make_context();
    connect_plain();
    assert_int_equal(write(peer, "AMQP\0\0\x09\1", 8), 8);
    serve();
    assert_int_equal(server_outcome, STREAM_FAILED);
    assert_non_null(strstr(stream_failure(&stream), "TLS handshake"));
    struct iovec part = {(void *)(uintptr_t) "x", 1};
    assert_int_equal(stream_write(&stream, &part, 1), STREAM_FAILED);
}

static void client_that_goes_amid_the_handshake(void **state)
{
    (void)state;
    make_context();
    connect_tls();
    SSL_do_handshake(client_ssl);
    serve();
    assert_int_equal(server_outcome, STREAM_AGAIN);
    SSL_free(client_ssl);
    client_ssl = NULL;
    close(peer);
    peer = -1;
    serve();
    assert_true(server_outcome == STREAM_FAILED || server_outcome == STREAM_END);
}

/* --- options */

static bool client_of_version_connects(int version)
{
    SSL_CTX_set_min_proto_version(client_context, version);
    SSL_CTX_set_max_proto_version(client_context, version);
    connect_tls();
    bool is_connected = shake_hands();
    drop_connection();
    return is_connected;
}

static void versions_are_limited(void **state)
{
    (void)state;
    config.tls.version_mask = CONFIG_TLS_1_3;
    make_context();
    assert_true(client_of_version_connects(TLS1_3_VERSION));
    assert_false(client_of_version_connects(TLS1_2_VERSION));
    tls_context_free(context);
    config.tls.version_mask = CONFIG_TLS_1_2;
    make_context();
    assert_false(client_of_version_connects(TLS1_3_VERSION));
    assert_true(client_of_version_connects(TLS1_2_VERSION));
}

static void client_certificate_may_be_demanded(void **state)
{
    (void)state;
    config.tls.verify_peer = true;
    config.tls.fail_if_no_peer_cert = true;
    make_context();
    connect_tls();
    assert_false(shake_hands());
    drop_connection();
    present_client_certificate();
    connect_tls();
    assert_true(shake_hands());
}

static void foreign_client_certificate_is_refused(void **state)
{
    (void)state;
    struct identity foreign = make_identity("client", "guest", NULL, NULL);
    config.tls.verify_peer = true;
    make_context();
    SSL_CTX_use_certificate(client_context, foreign.certificate);
    SSL_CTX_use_PrivateKey(client_context, foreign.key);
    connect_tls();
    assert_false(shake_hands());
    free_identity(&foreign);
}

static void locked_key_needs_its_password(void **state)
{
    (void)state;
    set_file(&config.tls.keyfile, "locked.key");
    assert_null(tls_context_new(&config, &config.tls, reason));
    assert_non_null(strstr(reason, "ssl_options.keyfile"));
    config.tls.password = strdup("secret");
    make_context();
    connect_tls();
    assert_true(shake_hands());
}

static void missing_file_is_named(void **state)
{
    (void)state;
    set_file(&config.tls.certfile, "missing.pem");
    assert_null(tls_context_new(&config, &config.tls, reason));
    assert_non_null(strstr(reason, "missing.pem"));
}

static void the_depth_of_a_chain_is_limited(void **state)
{
    (void)state;
    struct identity between =
        certify(EVP_EC_gen("P-256"), "tests", "between", NULL, &authority, true);
    struct identity deep = make_identity("client", "deep", NULL, &between);
    config.tls.verify_peer = true;
    SSL_CTX_use_certificate(client_context, deep.certificate);
    SSL_CTX_use_PrivateKey(client_context, deep.key);
    SSL_CTX_add1_chain_cert(client_context, between.certificate);
    for (uint8_t depth = 0; depth < 2; depth++) {
        config.tls.depth = depth;
        make_context();
        connect_tls();
        assert_int_equal(shake_hands(), depth == 1);
        drop_connection();
        tls_context_free(context);
    }
    context = NULL;
    free_identity(&deep);
    free_identity(&between);
}

/* --- ciphers */

static const char aes128[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
static const char aes256[] = "ECDHE-ECDSA-AES256-GCM-SHA384";

/* The cipher on which both agree: "" where they do not. */
static const char *agreed_cipher(void)
{
    make_context();
    connect_tls();
    const char *name = shake_hands() ? SSL_get_cipher_name(client_ssl) : "";
    drop_connection();
    tls_context_free(context);
    context = NULL;
    return name;
}

static void ciphers_are_limited(void **state)
{
    (void)state;
    config_list_put(&config.tls.ciphers, "1", "TLS_AES_128_GCM_SHA256");
    config_list_put(&config.tls.ciphers, "2", aes256);
    assert_string_equal(agreed_cipher(), "TLS_AES_128_GCM_SHA256");
    config.tls.version_mask = CONFIG_TLS_1_2;
    assert_string_equal(agreed_cipher(), aes256);
    SSL_CTX_set_cipher_list(client_context, aes128);
    assert_string_equal(agreed_cipher(), "");
    config_list_put(&config.tls.ciphers, "2", "NO-SUCH-CIPHER");
    assert_null(tls_context_new(&config, &config.tls, reason));
    assert_non_null(strstr(reason, "NO-SUCH-CIPHER"));
}

static void the_order_of_ciphers_is_the_clients_or_ours(void **state)
{
    (void)state;
    config.tls.version_mask = CONFIG_TLS_1_2;
    config_list_put(&config.tls.ciphers, "1", aes128);
    config_list_put(&config.tls.ciphers, "2", aes256);
    SSL_CTX_set_cipher_list(client_context,
                            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_string_equal(agreed_cipher(), aes256);
    config.tls.honor_cipher_order = true;
    assert_string_equal(agreed_cipher(), aes128);
}

static size_t bits_of_the_key_exchange(void)
{
    EVP_PKEY *key = NULL;
    make_context();
    connect_tls();
    assert_true(shake_hands());
    assert_int_equal(SSL_get_peer_tmp_key(client_ssl, &key), 1);
    size_t bits = (size_t)EVP_PKEY_get_bits(key);
    EVP_PKEY_free(key);
    drop_connection();
    tls_context_free(context);
    context = NULL;
    return bits;
}

/* Both sides take either curve, in opposite orders. In TLS 1.3 the client has chosen already. */
static void the_order_of_curves_is_the_clients_or_ours(void **state)
{
    (void)state;
    config.tls.version_mask = CONFIG_TLS_1_2;
    SSL_CTX_set1_groups_list(client_context, "P-521:P-256");
    assert_int_equal(bits_of_the_key_exchange(), 521);
    config.tls.honor_ecc_order = true;
    assert_int_equal(bits_of_the_key_exchange(), 256);
}

static EVP_PKEY *diffie_hellman_group(const char *group)
{
    EVP_PKEY *parameters = NULL;
    OSSL_PARAM options[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    assert_int_equal(EVP_PKEY_paramgen_init(making), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(making, options), 1);
    assert_int_equal(EVP_PKEY_paramgen(making, &parameters), 1);
    EVP_PKEY_CTX_free(making);
    return parameters;
}

static void diffie_hellman_takes_its_parameters_from_a_file(void **state)
{
    (void)state;
    struct identity rsa =
        certify(EVP_RSA_gen(2048), "tests", "server", "DNS:localhost", &authority, false);
    EVP_PKEY *parameters = diffie_hellman_group("ffdhe3072");
    write_certificate("rsa.pem", &rsa);
    write_key("rsa.key", &rsa, NULL);
    BIO *out = BIO_new_file(file("dh.pem"), "w");
    assert_int_equal(PEM_write_bio_Parameters(out, parameters), 1);
    BIO_free(out);
    set_file(&config.tls.certfile, "rsa.pem");
    set_file(&config.tls.keyfile, "rsa.key");
    config.tls.version_mask = CONFIG_TLS_1_2;
    SSL_CTX_set_cipher_list(client_context, "DHE-RSA-AES128-GCM-SHA256");
    assert_int_equal(bits_of_the_key_exchange(), 2048);
    set_file(&config.tls.dhfile, "dh.pem");
    assert_int_equal(bits_of_the_key_exchange(), 3072);
    set_file(&config.tls.dhfile, "rsa.key");
    assert_null(tls_context_new(&config, &config.tls, reason));
    assert_non_null(strstr(reason, "ssl_options.dhfile"));
    unlink(file("rsa.pem"));
    unlink(file("rsa.key"));
    unlink(file("dh.pem"));
    EVP_PKEY_free(parameters);
    free_identity(&rsa);
}

/* --- names */

static void assert_peer_name(const char *expected)
{
    struct buffer name = {0};
    config.tls.verify_peer = true;
    make_context();
    present_client_certificate();
    connect_tls();
    assert_true(shake_hands());
    assert_int_equal(tls_peer_name(stream.tls, &name), expected != NULL);
    if (expected != NULL)
        assert_bytes_equal(buffer_bytes(&name), bytes_of_text(expected));
    buffer_fini(&name);
}

static void distinguished_name(void **state)
{
    (void)state;
    assert_peer_name("CN=guest,O=client");
}

static void common_name(void **state)
{
    (void)state;
    config.ssl_cert_login_from = CONFIG_CERT_LOGIN_COMMON_NAME;
    assert_peer_name("guest");
}

static void use_alternative_name(enum config_san_type type, uint32_t index)
{
    config.ssl_cert_login_from = CONFIG_CERT_LOGIN_SUBJECT_ALTERNATIVE_NAME;
    config.ssl_cert_login_san_type = type;
    config.ssl_cert_login_san_index = index;
}

static void second_dns_name(void **state)
{
    (void)state;
    use_alternative_name(CONFIG_SAN_DNS, 1);
    assert_peer_name("two.example");
}

static void email_name(void **state)
{
    (void)state;
    use_alternative_name(CONFIG_SAN_EMAIL, 0);
    assert_peer_name("guest@example.org");
}

static void address_name(void **state)
{
    (void)state;
    use_alternative_name(CONFIG_SAN_IP, 0);
    assert_peer_name("192.0.2.7");
}

static void missing_alternative_name(void **state)
{
    (void)state;
    use_alternative_name(CONFIG_SAN_URI, 1);
    assert_peer_name(NULL);
}

/* Without verification anybody could claim to be anybody. */
static void no_name_without_verification(void **state)
{
    struct buffer name = {0};
    (void)state;
    make_context();
    present_client_certificate();
    connect_tls();
    assert_true(shake_hands());
    assert_false(tls_peer_name(stream.tls, &name));
}

/* --- reloading */

static void assert_server_name(const char *expected)
{
    char name[64] = "";
    X509 *certificate = SSL_get1_peer_certificate(client_ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof name);
    X509_free(certificate);
    assert_string_equal(name, expected);
}

static void reload_is_for_new_connections(void **state)
{
    struct identity fresh = make_identity("tests", "fresh", NULL, &authority);
    (void)state;
    make_context();
    connect_tls();
    assert_true(shake_hands());
    struct stream old_stream = stream;
    SSL *old_client = client_ssl;
    int old_peer = peer;
    write_certificate("server.pem", &fresh);
    write_key("server.key", &fresh, NULL);
    assert_true(tls_context_reload(context, reason));
    connect_tls();
    assert_true(shake_hands());
    assert_server_name("fresh");
    drop_connection();
    stream = old_stream;
    client_ssl = old_client;
    peer = old_peer;
    assert_server_name("server");
    assert_int_equal(SSL_write(client_ssl, "still here", 10), 10);
    serve();
    assert_bytes_equal(buffer_bytes(&received), bytes_of_text("still here"));
    write_certificate("server.pem", &server);
    write_key("server.key", &server, NULL);
    free_identity(&fresh);
}

static void failed_reload_changes_nothing(void **state)
{
    struct identity other = make_identity("tests", "other", NULL, &authority);
    (void)state;
    make_context();
    write_key("server.key", &other, NULL);
    assert_false(tls_context_reload(context, reason));
    assert_true(strlen(reason) > 0);
    connect_tls();
    assert_true(shake_hands());
    assert_server_name("server");
    write_key("server.key", &server, NULL);
    free_identity(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(much_more_than_the_socket_holds),
        TEST(orderly_end_of_the_client),
        TEST(plain_client_is_refused),
        TEST(client_that_goes_amid_the_handshake),
        TEST(versions_are_limited),
        TEST(client_certificate_may_be_demanded),
        TEST(foreign_client_certificate_is_refused),
        TEST(locked_key_needs_its_password),
        TEST(missing_file_is_named),
        TEST(the_depth_of_a_chain_is_limited),
        TEST(ciphers_are_limited),
        TEST(the_order_of_ciphers_is_the_clients_or_ours),
        TEST(the_order_of_curves_is_the_clients_or_ours),
        TEST(diffie_hellman_takes_its_parameters_from_a_file),
        TEST(distinguished_name),
        TEST(common_name),
        TEST(second_dns_name),
        TEST(email_name),
        TEST(address_name),
        TEST(missing_alternative_name),
        TEST(no_name_without_verification),
        TEST(reload_is_for_new_connections),
        TEST(failed_reload_changes_nothing),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
