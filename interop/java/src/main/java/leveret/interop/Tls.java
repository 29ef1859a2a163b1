// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import static leveret.interop.support.Broker.environment;

import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManagerFactory;
import leveret.interop.support.Check;
import leveret.interop.support.Suite;

/** TLS: the server verified by its authority, the client known by its certificate, and refusals. */
final class Tls {

    private static final char[] NO_PASSWORD = {};

    private Tls() {
    }

    static void addTo(Suite suite) {
        Context.add(suite, "tls_server_verified", t -> roundTrip(t, factory("TLSv1.3", authority(), null)));
        Context.add(suite, "tls_server_verified_by_host_name", Tls::byHostName);
        Context.add(suite, "tls_mutual_1.2", t -> roundTrip(t, factory("TLSv1.2", authority(), identity())));
        Context.add(suite, "tls_mutual_1.3", t -> roundTrip(t, factory("TLSv1.3", authority(), identity())));
        Context.add(suite, "tls_unknown_authority_is_refused_by_the_client", Tls::unknownAuthority);
        Context.add(suite, "tls_wrong_password_403", Tls::wrongPassword);
        Context.add(suite, "plain_client_on_the_tls_port_fails", Tls::plainOnTls);
    }

    private static Certificate certificate(String variable) throws IOException, GeneralSecurityException {
        try (InputStream in = Files.newInputStream(Path.of(environment(variable)))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static PrivateKey privateKey() throws IOException, GeneralSecurityException {
        String pem = Files.readString(Path.of(environment("AMQP_CLIENT_KEY")));
        byte[] encoded = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
        PKCS8EncodedKeySpec key = new PKCS8EncodedKeySpec(encoded);
        try {
            return KeyFactory.getInstance("RSA").generatePrivate(key);
        } catch (InvalidKeySpecException notRsa) {
            return KeyFactory.getInstance("EC").generatePrivate(key);
        }
    }

    private static KeyStore emptyStore() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, NO_PASSWORD);
        return store;
    }

    private static TrustManagerFactory authority() throws IOException, GeneralSecurityException {
        KeyStore store = emptyStore();
        store.setCertificateEntry("authority", certificate("AMQP_CA_FILE"));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        return trust;
    }

    private static KeyManager[] identity() throws IOException, GeneralSecurityException {
        KeyStore store = emptyStore();
        store.setKeyEntry(
            "client", privateKey(), NO_PASSWORD, new Certificate[] {certificate("AMQP_CLIENT_CERT")});
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, NO_PASSWORD);
        return keys.getKeyManagers();
    }

    private static ConnectionFactory factory(String protocol, TrustManagerFactory trust, KeyManager[] identity)
        throws GeneralSecurityException {
        SSLContext tls = SSLContext.getInstance(protocol);
        tls.init(identity, trust == null ? null : trust.getTrustManagers(), null);
        ConnectionFactory factory = Context.factory();
        factory.setPort(Integer.parseInt(environment("AMQP_TLS_PORT")));
        factory.useSslProtocol(tls);
        factory.enableHostnameVerification();
        return factory;
    }

    private static void roundTrip(Context t, ConnectionFactory factory) throws Exception {
        Connection connection = t.connect(factory);
        Watched channel = t.confirmChannel(connection);
        String queue = t.transientQueue(channel, "q");
        byte[] body = new byte[500_000];
        new Random(1).nextBytes(body);
        channel.publishConfirmed("", queue, Watched.NONE, body);
        Check.isTrue("the body is unchanged", Arrays.equals(body, channel.get(queue, true).getBody()));
    }

    private static void byHostName(Context t) throws Exception {
        ConnectionFactory factory = factory("TLSv1.3", authority(), null);
        factory.setHost("localhost");
        roundTrip(t, factory);
    }

    private static void unknownAuthority(Context t) throws Exception {
        try {
            t.connect(factory("TLSv1.3", null, null));
        } catch (SSLHandshakeException refused) {
            String message = refused.getMessage();
            Check.isTrue(message, message.contains("unable to find valid certification path"));
            return;
        }
        throw new AssertionError("a server of an unknown authority was accepted");
    }

    private static void wrongPassword(Context t) throws Exception {
        ConnectionFactory factory = factory("TLSv1.3", authority(), null);
        factory.setPassword("wrong");
        try {
            t.connect(factory);
        } catch (AuthenticationFailureException refused) {
            Check.isTrue(refused.getMessage(), refused.getMessage().startsWith("ACCESS_REFUSED - Login was refused"));
            return;
        }
        throw new AssertionError("the wrong password was accepted");
    }

    private static void plainOnTls(Context t) throws Exception {
        ConnectionFactory plain = Context.factory();
        plain.setPort(Integer.parseInt(environment("AMQP_TLS_PORT")));
        plain.setHandshakeTimeout(5000);
        try {
            t.connect(plain);
        } catch (IOException | TimeoutException refused) {
            roundTrip(t, factory("TLSv1.3", authority(), null));
            return;
        }
        throw new AssertionError("a plain connection to the TLS port was accepted");
    }
}
