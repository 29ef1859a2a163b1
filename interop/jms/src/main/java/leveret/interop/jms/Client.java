// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import com.rabbitmq.client.Channel;
import com.rabbitmq.jms.admin.RMQConnectionFactory;
import com.rabbitmq.jms.admin.RMQDestination;
import jakarta.jms.Connection;
import jakarta.jms.Destination;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;

/** A connection of a test, its sessions, and destinations of its own that go when the test is over. */
final class Client {
    static final long WAIT_MS = Check.WAIT_SECONDS * 1000;
    /** How long one waits for what must not come. */
    static final long QUIET_MS = 300;

    private final Scope scope;
    final RMQConnectionFactory factory = factory();
    private Connection connection;

    Client(Scope scope) {
        this.scope = scope;
    }

    static RMQConnectionFactory factory() {
        RMQConnectionFactory factory = new RMQConnectionFactory();
        factory.setHost(Broker.host());
        factory.setPort(Broker.port());
        factory.setUsername(Broker.user());
        factory.setPassword(Broker.password());
        factory.setVirtualHost(Broker.vhost());
        factory.setTerminationTimeout(1000);
        return factory;
    }

    /** A connection as an AMQP client would have it, to look at what the JMS client made. */
    static com.rabbitmq.client.Connection amqp() throws Exception {
        com.rabbitmq.client.ConnectionFactory factory = new com.rabbitmq.client.ConnectionFactory();
        factory.setHost(Broker.host());
        factory.setPort(Broker.port());
        factory.setUsername(Broker.user());
        factory.setPassword(Broker.password());
        factory.setVirtualHost(Broker.vhost());
        factory.setAutomaticRecoveryEnabled(false);
        return factory.newConnection();
    }

    String name(String suffix) {
        return scope.name(suffix);
    }

    Connection connection() throws JMSException {
        if (connection == null) {
            connection = connect();
        }
        return connection;
    }

    /** Another connection, started. */
    Connection connect() throws JMSException {
        Connection made = scope.defer(factory.createConnection());
        made.start();
        return made;
    }

    Session session() throws JMSException {
        return session(Session.AUTO_ACKNOWLEDGE);
    }

    Session session(int mode) throws JMSException {
        return connection().createSession(mode == Session.SESSION_TRANSACTED, mode);
    }

    Queue queue(Session session, String suffix) throws JMSException {
        deleteLater(scope, name(suffix));
        return session.createQueue(name(suffix));
    }

    /** A queue whose declaration carries arguments for the broker. */
    Queue queue(String suffix, Map<String, Object> arguments) {
        deleteLater(scope, name(suffix));
        return new RMQDestination(name(suffix), true, false, arguments);
    }

    Topic topic(Session session, String suffix) throws JMSException {
        return session.createTopic(name(suffix));
    }

    static void deleteLater(Scope scope, String queue) {
        scope.defer(() -> {
            try (var amqp = amqp(); Channel channel = amqp.createChannel()) {
                channel.queueDelete(queue);
            }
        });
    }

    static void send(Session session, Destination to, String... texts) throws JMSException {
        try (MessageProducer producer = session.createProducer(to)) {
            for (String text : texts) {
                producer.send(session.createTextMessage(text));
            }
        }
    }

    static TextMessage receive(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receive(WAIT_MS);
        Check.isTrue("a message comes", message != null);
        return (TextMessage) message;
    }

    static List<String> receive(MessageConsumer consumer, int count) throws JMSException {
        List<String> texts = new ArrayList<>();
        while (texts.size() < count) {
            texts.add(receive(consumer).getText());
        }
        return texts;
    }

    static void receiveNothing(MessageConsumer consumer) throws JMSException {
        Message message = consumer.receive(QUIET_MS);
        Check.isTrue("no message comes, but there was " + message, message == null);
    }

    /** Takes the queue's messages in a session of its own. */
    List<String> drain(Destination from) throws JMSException {
        List<String> texts = new ArrayList<>();
        try (Session session = session(); MessageConsumer consumer = session.createConsumer(from)) {
            for (Message m = consumer.receive(QUIET_MS); m != null; m = consumer.receive(QUIET_MS)) {
                texts.add(((TextMessage) m).getText());
            }
        }
        return texts;
    }
}
