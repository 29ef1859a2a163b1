// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.send;

import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.Topic;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** The broker restarts: queues, durable subscriptions and their selectors are still there. */
final class Restarts {
    private Restarts() {
    }

    static void addTo(Suite suite) {
        suite.addWithRestart("jms_queues_and_subscriptions_survive_a_restart", Restarts::survive);
    }

    private static void survive(Scope scope) throws Exception {
        Client client = new Client(scope);
        BlockingQueue<JMSException> failures = new LinkedBlockingQueue<>();
        client.connection().setExceptionListener(failures::add);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        Topic topic = client.topic(session, "topic");
        List<String> names = List.of(scope.name("plain"), scope.name("selecting"));
        names.forEach(name -> Client.deleteLater(scope, name));
        session.createDurableSubscriber(topic, names.get(0)).close();
        session.createDurableSubscriber(topic, names.get(1), "number > 1", false).close();
        send(session, queue, "1", "2");
        publish(session, topic, 1, 2);
        MessageProducer producer = session.createProducer(queue);
        producer.send(session.createTextMessage("transient"), DeliveryMode.NON_PERSISTENT, 4, 0);

        Broker.restart();

        Check.next("the connection's failure", failures);
        try (Connection connection = client.factory.createConnection()) {
            connection.start();
            Session again = connection.createSession();
            publish(again, topic, 3, 0);
            MessageConsumer fromQueue = again.createConsumer(queue);
            Check.equal("from the queue", List.of("1", "2"), receive(fromQueue, 2));
            Message none = fromQueue.receive(Client.QUIET_MS);
            Check.equal("from the queue", null, none);
            MessageConsumer plain = again.createDurableSubscriber(topic, names.get(0));
            Check.equal("from the subscription", List.of("1", "2", "3", "0"), receive(plain, 4));
            MessageConsumer selecting = again.createDurableSubscriber(topic, names.get(1), "number > 1", false);
            Check.equal("from the selecting one", List.of("2", "3"), receive(selecting, 2));
            plain.close();
            selecting.close();
        }
    }

    private static void publish(Session session, Topic topic, int... numbers) throws JMSException {
        MessageProducer producer = session.createProducer(topic);
        for (int number : numbers) {
            Message message = session.createTextMessage("" + number);
            message.setIntProperty("number", number);
            producer.send(message);
        }
    }
}
