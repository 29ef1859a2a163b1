// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.receiveNothing;
import static leveret.interop.jms.Client.send;

import jakarta.jms.Connection;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import jakarta.jms.TemporaryTopic;
import jakarta.jms.Topic;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Topics: subscriptions of every kind, and the client's names as topic patterns. */
final class Topics {
    private Topics() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_topic_reaches_every_subscriber", Topics::everySubscriber);
        suite.add("jms_topic_names_are_patterns", Topics::patterns);
        suite.add("jms_topic_without_a_subscriber_keeps_nothing", Topics::noSubscriber);
        suite.add("jms_durable_subscription", Topics::durable);
        suite.add("jms_durable_subscription_of_another_connection", Topics::durableOverConnections);
        suite.add("jms_shared_subscription", Topics::shared);
        suite.add("jms_shared_durable_subscription", Topics::sharedDurable);
        suite.add("jms_temporary_topic", Topics::temporary);
    }

    private static void everySubscriber(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        MessageConsumer one = client.session().createConsumer(topic);
        MessageConsumer two = client.session().createConsumer(topic);
        BlockingQueue<String> three = new LinkedBlockingQueue<>();
        client.session().createConsumer(topic).setMessageListener(message -> three.add(Queues.text(message)));
        send(session, topic, "1", "2", "3");
        Check.equal("to the first", List.of("1", "2", "3"), receive(one, 3));
        Check.equal("to the second", List.of("1", "2", "3"), receive(two, 3));
        Check.equal("to the listener", List.of("1", "2", "3"), Check.take("a message", 3, three));
        two.close();
        send(session, topic, "4");
        Check.equal("to the first", "4", receive(one).getText());
    }

    private static void patterns(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        MessageConsumer words = client.session().createConsumer(client.topic(session, "a.*.c"));
        MessageConsumer all = client.session().createConsumer(client.topic(session, "a.#"));
        for (String suffix : List.of("a.b.c", "a", "a.b.b.c")) {
            send(session, client.topic(session, suffix), suffix);
        }
        Check.equal("by *", "a.b.c", receive(words).getText());
        receiveNothing(words);
        Check.equal("by #", List.of("a.b.c", "a", "a.b.b.c"), receive(all, 3));
    }

    private static void noSubscriber(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        send(session, topic, "lost");
        MessageConsumer consumer = session.createConsumer(topic);
        receiveNothing(consumer);
        send(session, topic, "kept");
        Check.equal("message", "kept", receive(consumer).getText());
    }

    /** Unsubscribes behind the test, which may have done that already. */
    private static void unsubscribeLater(Scope scope, String... names) {
        for (String name : names) {
            Client.deleteLater(scope, name);
        }
    }

    private static void durable(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        String name = scope.name("subscription");
        unsubscribeLater(scope, name);
        MessageConsumer consumer = session.createDurableConsumer(topic, name);
        send(session, topic, "while it listens");
        Check.equal("message", "while it listens", receive(consumer).getText());
        consumer.close();
        send(session, topic, "while it is away", "and another");
        consumer = session.createDurableConsumer(topic, name);
        Check.equal("messages", List.of("while it is away", "and another"), receive(consumer, 2));
        consumer.close();
        session.unsubscribe(name);
        send(session, topic, "after its end");
        receiveNothing(session.createDurableConsumer(topic, name));
    }

    private static void durableOverConnections(Scope scope) throws Exception {
        Client client = new Client(scope);
        String name = scope.name("subscription");
        unsubscribeLater(scope, name);
        Topic topic;
        try (Connection connection = client.factory.createConnection(); Session session = connection.createSession()) {
            topic = client.topic(session, "topic");
            session.createDurableSubscriber(topic, name).close();
        }
        Session session = client.session();
        send(session, topic, "while nobody is there");
        MessageConsumer consumer = session.createDurableSubscriber(topic, name);
        Check.equal("message", "while nobody is there", receive(consumer).getText());
        consumer.close();
        session.unsubscribe(name);
    }

    private static void shared(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        sharedBetween(client, session, topic, client.session().createSharedConsumer(topic, scope.name("shared")),
            client.session().createSharedConsumer(topic, scope.name("shared")));
    }

    private static void sharedDurable(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        String name = scope.name("shared");
        unsubscribeLater(scope, name);
        MessageConsumer one = client.session().createSharedDurableConsumer(topic, name);
        MessageConsumer two = client.session().createSharedDurableConsumer(topic, name);
        sharedBetween(client, session, topic, one, two);
        one.close();
        two.close();
        send(session, topic, "while both are away");
        Check.equal("message", "while both are away",
            receive(client.session().createSharedDurableConsumer(topic, name)).getText());
    }

    /** The two share their subscription's messages; another subscriber gets all of them. */
    private static void sharedBetween(Client client, Session session, Topic topic, MessageConsumer one,
        MessageConsumer two) throws Exception {
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        one.setMessageListener(message -> got.add(Queues.text(message)));
        two.setMessageListener(message -> got.add(Queues.text(message)));
        MessageConsumer own = client.session().createConsumer(topic);
        for (int i = 0; i < 20; i++) {
            send(session, topic, "" + i);
        }
        List<String> shared = Check.take("a message", 20, got).stream().sorted().toList();
        Check.equal("to the subscriber of its own", shared, receive(own, 20).stream().sorted().toList());
        Check.nothing("another message", got);
    }

    private static void temporary(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        TemporaryTopic topic = session.createTemporaryTopic();
        MessageConsumer consumer = session.createConsumer(topic);
        send(session, topic, "text");
        Check.equal("message", "text", receive(consumer).getText());
    }
}
