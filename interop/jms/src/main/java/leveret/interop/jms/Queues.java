// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.receiveNothing;
import static leveret.interop.jms.Client.send;

import jakarta.jms.CompletionListener;
import jakarta.jms.DeliveryMode;
import jakarta.jms.JMSConsumer;
import jakarta.jms.JMSContext;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Queues: producers, consumers and listeners, browsers, and what the broker's arguments do to them. */
final class Queues {
    private Queues() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_queue_send_and_receive", Queues::sendAndReceive);
        suite.add("jms_queue_listener", Queues::listener);
        suite.add("jms_queue_with_two_consumers", Queues::twoConsumers);
        suite.add("jms_simplified_api", Queues::simplified);
        suite.add("jms_receive_times_out_and_loses_nothing", Queues::timesOut);
        suite.add("jms_stopped_connection_receives_nothing", Queues::stopped);
        suite.add("jms_headers", Queues::headers);
        suite.add("jms_time_to_live", Queues::timeToLive);
        suite.add("jms_priorities", Queues::priorities);
        suite.add("jms_browser", Queues::browser);
        suite.add("jms_asynchronous_send", Queues::asynchronousSend);
        suite.add("jms_quorum_queue_counts_deliveries", Queues::quorum);
        suite.add("jms_quorum_queue_dead_letters_poison", Queues::deadLetter);
        suite.add("jms_failing_listener_gives_its_message_back", Queues::failingListener);
    }

    private static List<String> numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).toList();
    }

    private static void sendAndReceive(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        List<String> sent = numbers(Broker.QUICK ? 200 : 2000);
        send(session, queue, sent.toArray(String[]::new));
        MessageConsumer consumer = session.createConsumer(queue);
        Check.equal("messages", sent, receive(consumer, sent.size()));
        receiveNothing(consumer);
    }

    private static void listener(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        List<String> sent = numbers(Broker.QUICK ? 500 : 5000);
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        Session listening = client.session();
        listening.createConsumer(queue).setMessageListener(message -> got.add(text(message)));
        send(session, queue, sent.toArray(String[]::new));
        Check.equal("messages", sent, Check.take("a message", sent.size(), got));
        Check.nothing("another message", got);
    }

    static String text(Message message) {
        try {
            return ((TextMessage) message).getText();
        } catch (jakarta.jms.JMSException error) {
            return error.toString();
        }
    }

    private static void twoConsumers(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        BlockingQueue<String> one = new LinkedBlockingQueue<>();
        BlockingQueue<String> two = new LinkedBlockingQueue<>();
        client.session().createConsumer(queue).setMessageListener(message -> one.add(text(message)));
        client.session().createConsumer(queue).setMessageListener(message -> two.add(text(message)));
        send(session, queue, numbers(100).toArray(String[]::new));
        Check.eventually("all came", () -> one.size() + two.size() == 100);
        Check.isTrue("both got some: " + one.size() + " and " + two.size(), !one.isEmpty() && !two.isEmpty());
    }

    private static void simplified(Scope scope) throws Exception {
        Client client = new Client(scope);
        Client.deleteLater(scope, scope.name("queue"));
        try (JMSContext context = client.factory.createContext()) {
            Queue queue = context.createQueue(scope.name("queue"));
            context.createProducer().setProperty("number", 7).send(queue, "text");
            context.createProducer().send(queue, Map.of("key", "value"));
            try (JMSConsumer consumer = context.createConsumer(queue)) {
                Message message = consumer.receive(Client.WAIT_MS);
                Check.equal("property", 7, message.getIntProperty("number"));
                Check.equal("body", "text", message.getBody(String.class));
                Check.equal("map", Map.of("key", "value"), consumer.receiveBody(Map.class, Client.WAIT_MS));
                Check.equal("nothing", null, consumer.receiveNoWait());
            }
        }
    }

    private static void timesOut(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        MessageConsumer consumer = session.createConsumer(queue);
        for (int i = 0; i < 5; i++) {
            Check.equal("message", null, consumer.receive(30));
            Check.equal("message", null, consumer.receiveNoWait());
        }
        send(client.session(), queue, "late");
        Check.equal("message", "late", receive(consumer).getText());
    }

    private static void stopped(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        session.createConsumer(queue).setMessageListener(message -> got.add(text(message)));
        client.connection().stop();
        Session sending = client.connect().createSession();
        send(sending, queue, "text");
        Check.nothing("a message", got);
        client.connection().start();
        Check.equal("message", "text", Check.next("the message", got));
    }

    private static void headers(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        Queue replies = client.queue(session, "replies");
        TextMessage sent = session.createTextMessage("text");
        sent.setJMSCorrelationID("correlation");
        sent.setJMSReplyTo(replies);
        sent.setJMSType("type");
        MessageProducer producer = session.createProducer(queue);
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        producer.setPriority(7);
        producer.setTimeToLive(600_000);
        producer.send(sent);
        Message got = receive(session.createConsumer(queue));
        Check.equal("message id", sent.getJMSMessageID(), got.getJMSMessageID());
        Check.equal("correlation", "correlation", got.getJMSCorrelationID());
        Check.equal("type", "type", got.getJMSType());
        Check.equal("priority", 7, got.getJMSPriority());
        Check.equal("delivery mode", DeliveryMode.NON_PERSISTENT, got.getJMSDeliveryMode());
        Check.equal("timestamp", sent.getJMSTimestamp(), got.getJMSTimestamp());
        Check.equal("expiration", sent.getJMSExpiration(), got.getJMSExpiration());
        Check.equal("redelivered", false, got.getJMSRedelivered());
        Check.equal("reply to", replies, got.getJMSReplyTo());
        Check.equal("destination", queue, got.getJMSDestination());
    }

    private static void timeToLive(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("short"), DeliveryMode.PERSISTENT, 4, 100);
        producer.send(session.createTextMessage("long"), DeliveryMode.PERSISTENT, 4, 600_000);
        producer.send(session.createTextMessage("for ever"));
        try (var amqp = Client.amqp(); var channel = amqp.createChannel()) {
            Check.eventually("one expires",
                () -> channel.queueDeclarePassive(scope.name("queue")).getMessageCount() == 2);
        }
        Check.equal("messages", List.of("long", "for ever"), receive(session.createConsumer(queue), 2));
    }

    private static void priorities(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue("queue", Map.of("x-max-priority", 9));
        MessageProducer producer = session.createProducer(queue);
        for (int priority : new int[] {4, 0, 9, 1, 9}) {
            producer.send(session.createTextMessage("p" + priority), DeliveryMode.PERSISTENT, priority, 0);
        }
        try (var amqp = Client.amqp(); var channel = amqp.createChannel()) {
            Check.eventually("all are there",
                () -> channel.queueDeclarePassive(scope.name("queue")).getMessageCount() == 5);
        }
        Check.equal("order", List.of("p9", "p9", "p4", "p1", "p0"), receive(session.createConsumer(queue), 5));
    }

    private static void browser(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        MessageProducer producer = session.createProducer(queue);
        for (int i = 0; i < 5; i++) {
            TextMessage message = session.createTextMessage("" + i);
            message.setIntProperty("number", i);
            producer.send(message);
        }
        Check.eventually("all are seen", () -> browse(session, queue, null).equals(numbers(5)));
        Check.equal("those selected", List.of("3", "4"), browse(session, queue, "number > 2"));
        Check.equal("they are all still there", numbers(5), receive(session.createConsumer(queue), 5));
        Check.equal("nothing to browse", List.of(), browse(session, queue, null));
    }

    private static List<String> browse(Session session, Queue queue, String selector) throws Exception {
        try (var browser = session.createBrowser(queue, selector)) {
            return Collections.list((java.util.Enumeration<?>) browser.getEnumeration()).stream()
                .map(message -> text((Message) message)).toList();
        }
    }

    /** The completion is the broker's confirm. */
    private static void asynchronousSend(Scope scope) throws Exception {
        Client client = new Client(scope);
        client.factory.setDeclareReplyToDestination(false);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        CountDownLatch completed = new CountDownLatch(50);
        BlockingQueue<Exception> failed = new LinkedBlockingQueue<>();
        MessageProducer producer = session.createProducer(queue);
        for (String text : numbers(50)) {
            producer.send(session.createTextMessage(text), new CompletionListener() {
                @Override
                public void onCompletion(Message message) {
                    completed.countDown();
                }

                @Override
                public void onException(Message message, Exception error) {
                    failed.add(error);
                }
            });
        }
        Check.isTrue("all complete", completed.await(Check.WAIT_SECONDS, TimeUnit.SECONDS));
        Check.equal("failures", 0, failed.size());
        Check.equal("messages", numbers(50), receive(session.createConsumer(queue), 50));
    }

    private static void quorum(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.CLIENT_ACKNOWLEDGE);
        Queue queue = client.queue("queue", Map.of("x-queue-type", "quorum", "x-delivery-limit", 10));
        MessageConsumer consumer = session.createConsumer(queue);
        send(client.session(), queue, "text");
        for (int delivery = 1; delivery <= 3; delivery++) {
            Message message = receive(consumer);
            Check.equal("deliveries", delivery, message.getIntProperty("JMSXDeliveryCount"));
            Check.equal("redelivered", delivery > 1, message.getJMSRedelivered());
            if (delivery < 3) {
                session.recover();
            } else {
                message.acknowledge();
            }
        }
        receiveNothing(consumer);
    }

    /** Given back too often, a message of a queue with a delivery limit becomes a dead letter. */
    private static void deadLetter(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.CLIENT_ACKNOWLEDGE);
        Queue dead = client.queue(session, "dead");
        Queue queue = client.queue("queue", Map.of("x-queue-type", "quorum", "x-delivery-limit", 2,
            "x-dead-letter-exchange", "jms.durable.queues", "x-dead-letter-routing-key", scope.name("dead")));
        MessageConsumer consumer = session.createConsumer(queue);
        send(client.session(), queue, "poison");
        for (int i = 0; i < 3; i++) {
            Check.equal("message", "poison", receive(consumer).getText());
            session.recover();
        }
        Check.equal("dead letter", "poison", receive(client.session().createConsumer(dead)).getText());
        receiveNothing(consumer);
    }

    /** A listener that fails gives its message back, and hears no more. */
    private static void failingListener(Scope scope) throws Exception {
        Client client = new Client(scope);
        client.factory.setRequeueOnMessageListenerException(true);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        BlockingQueue<String> tries = new LinkedBlockingQueue<>();
        client.session().createConsumer(queue).setMessageListener(message -> {
            tries.add(text(message));
            throw new IllegalStateException("on purpose");
        });
        send(session, queue, "text");
        Check.equal("first try", "text", Check.next("the first try", tries));
        TextMessage again = receive(session.createConsumer(queue));
        Check.equal("message", "text", again.getText());
        Check.equal("redelivered", true, again.getJMSRedelivered());
        Check.nothing("a second try", tries);
    }
}
