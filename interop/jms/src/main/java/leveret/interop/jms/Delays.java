// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.receiveNothing;

import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.Topic;
import java.util.List;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Delivery delays, for which the client declares a delayed exchange over a headers exchange. */
final class Delays {
    private static final String NO_PLUGIN = "Debian's RabbitMQ has no rabbitmq_delayed_message_exchange";

    private Delays() {
    }

    static void addTo(Suite suite) {
        suite.addUnlessRabbitMQ("jms_delivery_delay_of_a_queue", NO_PLUGIN, Delays::queue);
        suite.addUnlessRabbitMQ("jms_delivery_delay_of_a_topic", NO_PLUGIN, Delays::topic);
    }

    private static void queue(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Queue queue = client.queue(session, "queue");
        MessageProducer producer = session.createProducer(queue);
        MessageConsumer consumer = session.createConsumer(queue);
        long sentMs = System.currentTimeMillis();
        for (long delayMs : new long[] {1000, 500, 0}) {
            producer.setDeliveryDelay(delayMs);
            producer.send(session.createTextMessage("after " + delayMs));
        }
        for (long delayMs : new long[] {0, 500, 1000}) {
            Check.equal("message", "after " + delayMs, receive(consumer).getText());
            Check.between("its time", delayMs, delayMs + 5000, System.currentTimeMillis() - sentMs);
        }
        receiveNothing(consumer);
    }

    private static void topic(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "topic");
        List<MessageConsumer> consumers =
            List.of(client.session().createConsumer(topic), client.session().createConsumer(topic));
        MessageProducer producer = session.createProducer(topic);
        producer.setDeliveryDelay(500);
        producer.send(session.createTextMessage("late"));
        receiveNothing(consumers.get(0));
        for (MessageConsumer consumer : consumers) {
            Check.equal("message", "late", receive(consumer).getText());
        }
    }
}
