/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a client's certificate says it is, for SASL EXTERNAL: the distinguished name, the common
 * name, or one of the subject alternative names, after ssl_cert_login_from.
 *
 * RabbitMQ prints a distinguished name as RFC 4514 orders it, the most specific part first, with
 * short names of the types and a comma between: CN=guest,O=client. That is what users are called in
 * existing installations, so it is what comes out here, to the octet. OpenSSL's printer is close to
 * it, but knows other names for the types, and quotes other octets.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buffer.h"
#include "config/config.h"
#include "net/tls.h"
#include "net/tls_internal.h"

static bool append_string(struct buffer *name, const ASN1_STRING *string)
{
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, string);
    if (size < 0)
        return false;
    buffer_append(name, text, (size_t)size);
    OPENSSL_free(text);
    return size > 0;
}

/* --- the distinguished name */

static const struct {
    int type;
    const char *name;
} short_names[] = {
    {NID_commonName, "CN"},
    {NID_surname, "SN"},
    {NID_givenName, "GIVENNAME"},
    {NID_initials, "INITIALS"},
    {NID_generationQualifier, "GENERATIONQUALIFIER"},
    {NID_localityName, "L"},
    {NID_stateOrProvinceName, "ST"},
    {NID_organizationName, "O"},
    {NID_organizationalUnitName, "OU"},
    {NID_title, "TITLE"},
    {NID_countryName, "C"},
    {NID_serialNumber, "SERIALNUMBER"},
    {NID_pseudonym, "PSEUDONYM"},
    {NID_domainComponent, "DC"},
    {NID_pkcs9_emailAddress, "EMAILADDRESS"},
    {NID_userId, "UID"},
};

/* Its short name, or its number with dots. */
static void append_type(struct buffer *name, const ASN1_OBJECT *type)
{
    char number[128] = "";
    int id = OBJ_obj2nid(type);
    for (size_t i = 0; i < sizeof short_names / sizeof short_names[0]; i++) {
        if (short_names[i].type == id) {
            buffer_append_format(name, "%s=", short_names[i].name);
            return;
        }
    }
    OBJ_obj2txt(number, sizeof number, type, 1);
    buffer_append_format(name, "%s=", number);
}

static void append_quoted(struct buffer *name, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        bool is_first = i == 0 && (c == ' ' || c == '#');
        bool is_last = i + 1 == value.size && c == ' ';
        if (c < ' ' || c >= '~')
            buffer_append_format(name, "\\%02X", c);
        else if (is_first || is_last || memchr("\"+,;<>\\", c, 7) != NULL)
            buffer_append_format(name, "\\%c", c);
        else
            buffer_append_u8(name, c);
    }
}

static void append_entry(struct buffer *name, const X509_NAME_ENTRY *entry)
{
    struct buffer value = {0};
    append_type(name, X509_NAME_ENTRY_get_object(entry));
    (void)append_string(&value, X509_NAME_ENTRY_get_data(entry));
    append_quoted(name, buffer_bytes(&value));
    buffer_fini(&value);
}

/* The parts from the last to the first; the entries of a part in their order, with + between. */
static bool distinguished_name(X509 *certificate, struct buffer *name)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int end = X509_NAME_entry_count(subject);
    while (end > 0) {
        int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(subject, end - 1)), start = end - 1;
        while (start > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(subject, start - 1)) == set)
            start--;
        for (int i = start; i < end; i++) {
            if (name->size > 0)
                buffer_append_u8(name, i == start ? ',' : '+');
            append_entry(name, X509_NAME_get_entry(subject, i));
        }
        end = start;
    }
    return name->size > 0;
}

/* --- other names */

/* All common names, with commas between, as RabbitMQ does where there are several. */
static bool common_name(X509 *certificate, struct buffer *name)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    bool has_name = false;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
        if (has_name)
            buffer_append_u8(name, ',');
        has_name = append_string(name, X509_NAME_ENTRY_get_data(entry)) || has_name;
    }
    return has_name;
}

static int general_name_type(enum config_san_type type)
{
    switch (type) {
    case CONFIG_SAN_DNS:
        return GEN_DNS;
    case CONFIG_SAN_IP:
        return GEN_IPADD;
    case CONFIG_SAN_EMAIL:
        return GEN_EMAIL;
    case CONFIG_SAN_URI:
        return GEN_URI;
    case CONFIG_SAN_OTHER_NAME:
        return GEN_OTHERNAME;
    }
    return -1;
}

static bool append_address(struct buffer *name, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && ASN1_STRING_length(address) != 16)
        return false;
    inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text);
    buffer_append(name, text, strlen(text));
    return true;
}

static bool append_other_name(struct buffer *name, const OTHERNAME *other)
{
    switch (other->value->type) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
        return append_string(name, other->value->value.asn1_string);
    default:
        return false;
    }
}

static bool append_general_name(struct buffer *name, const GENERAL_NAME *general)
{
    switch (general->type) {
    case GEN_IPADD:
        return append_address(name, general->d.iPAddress);
    case GEN_OTHERNAME:
        return append_other_name(name, general->d.otherName);
    default:
        return append_string(name, general->d.ia5);
    }
}

/* The index counts the names of the wanted type alone. */
static bool alternative_name(X509 *certificate, const struct config *config, struct buffer *name)
{
    int wanted = general_name_type(config->ssl_cert_login_san_type);
    uint32_t left = config->ssl_cert_login_san_index;
    bool has_name = false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *general = sk_GENERAL_NAME_value(names, i);
        if (general->type != wanted || left-- > 0)
            continue;
        has_name = append_general_name(name, general);
        break;
    }
    GENERAL_NAMES_free(names);
    return has_name;
}

static bool name_of(X509 *certificate, const struct config *config, struct buffer *name)
{
    switch (config->ssl_cert_login_from) {
    case CONFIG_CERT_LOGIN_COMMON_NAME:
        return common_name(certificate, name);
    case CONFIG_CERT_LOGIN_SUBJECT_ALTERNATIVE_NAME:
        return alternative_name(certificate, config, name);
    case CONFIG_CERT_LOGIN_DISTINGUISHED_NAME:
        break;
    }
    return distinguished_name(certificate, name);
}

bool tls_peer_name(const struct tls_stream *stream, struct buffer *name)
{
    ERR_clear_error();
    if ((SSL_get_verify_mode(stream->ssl) & SSL_VERIFY_PEER) == 0 ||
        SSL_get_verify_result(stream->ssl) != X509_V_OK)
        return false;
    X509 *certificate = SSL_get1_peer_certificate(stream->ssl);
    if (certificate == NULL)
        return false;
    bool has_name = name_of(certificate, stream->config, name);
    X509_free(certificate);
    return has_name;
}
