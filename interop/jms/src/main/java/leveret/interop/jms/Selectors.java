// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.receiveNothing;
import static leveret.interop.jms.Client.send;

import jakarta.jms.DeliveryMode;
import jakarta.jms.InvalidSelectorException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Session;
import jakarta.jms.Topic;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Selectors, which the broker evaluates in exchanges of the type x-jms-topic. */
final class Selectors {
    private Selectors() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_selector_by_properties", Selectors::properties);
        suite.add("jms_selectors_of_every_kind", Selectors::everyKind);
        suite.add("jms_selector_by_headers", Selectors::headers);
        suite.add("jms_selector_of_a_durable_subscription", Selectors::durable);
        suite.add("jms_changed_selector_makes_a_new_subscription", Selectors::changed);
        suite.add("jms_selector_that_is_wrong", Selectors::wrong);
        suite.add("jms_selectors_of_many_subscribers", Selectors::many);
    }

    private static Message message(Session session, String text, Map<String, Object> properties) throws Exception {
        Message message = session.createTextMessage(text);
        for (Map.Entry<String, Object> property : properties.entrySet()) {
            message.setObjectProperty(property.getKey(), property.getValue());
        }
        return message;
    }

    private static void properties(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "prices");
        MessageConsumer cheap = client.session().createConsumer(topic, "price < 10 AND currency = 'EUR'");
        MessageConsumer all = client.session().createConsumer(topic);
        MessageProducer producer = session.createProducer(topic);
        producer.send(message(session, "cheap", Map.of("price", 5, "currency", "EUR")));
        producer.send(message(session, "dear", Map.of("price", 50, "currency", "EUR")));
        producer.send(message(session, "foreign", Map.of("price", 5, "currency", "USD")));
        producer.send(message(session, "free", Map.of("price", 0.0, "currency", "EUR")));
        Check.equal("selected", List.of("cheap", "free"), receive(cheap, 2));
        receiveNothing(cheap);
        Check.equal("all", List.of("cheap", "dear", "foreign", "free"), receive(all, 4));
    }

    /** A message for each line, and the selectors with the messages that they let through. */
    private static void everyKind(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "kinds");
        Map<String, Map<String, Object>> messages = new LinkedHashMap<>();
        messages.put("a", Map.of("n", 1, "s", "apple", "b", true));
        messages.put("b", Map.of("n", 5L, "s", "banana", "b", false));
        messages.put("c", Map.of("n", 9.5, "s", "it's 100%"));
        messages.put("d", Map.of("s", "under_score", "m", -3));
        messages.put("e", Map.of());
        Map<String, String> selectors = new LinkedHashMap<>();
        selectors.put("n = 5", "b");
        selectors.put("n <> 5", "ac");
        selectors.put("n > 1", "bc");
        selectors.put("n >= 1 AND n <= 5", "ab");
        selectors.put("n BETWEEN 2 AND 10", "bc");
        selectors.put("n NOT BETWEEN 2 AND 10", "a");
        selectors.put("s IN ('apple', 'banana')", "ab");
        selectors.put("s NOT IN ('apple', 'banana')", "cd");
        selectors.put("s LIKE '%an%'", "b");
        selectors.put("s LIKE '_pple'", "a");
        selectors.put("s LIKE '%100!%' ESCAPE '!'", "c");
        selectors.put("s LIKE 'under\\_%' ESCAPE '\\'", "d");
        selectors.put("s NOT LIKE '%e%'", "bc");
        selectors.put("s = 'it''s 100%'", "c");
        selectors.put("n IS NULL", "de");
        selectors.put("n IS NOT NULL", "abc");
        selectors.put("b", "a");
        selectors.put("b = TRUE", "a");
        selectors.put("NOT b", "b");
        selectors.put("b OR n > 9", "ac");
        selectors.put("NOT (n = 1 OR n = 5)", "c");
        selectors.put("n + 4 = 5", "a");
        selectors.put("n * 2 = 10", "b");
        selectors.put("n / 5 = 1", "b");
        selectors.put("m = -3", "d");
        selectors.put("m + 5 > 1", "d");
        selectors.put("n > 0 AND s LIKE '%a%' AND (b OR n = 5)", "ab");
        Map<String, MessageConsumer> consumers = new LinkedHashMap<>();
        for (String selector : selectors.keySet()) {
            consumers.put(selector, session.createConsumer(topic, selector));
        }
        MessageConsumer unselected = session.createConsumer(topic);
        MessageProducer producer = session.createProducer(topic);
        for (Map.Entry<String, Map<String, Object>> each : messages.entrySet()) {
            producer.send(message(session, each.getKey(), each.getValue()));
        }
        Check.equal("all", List.copyOf(messages.keySet()), receive(unselected, messages.size()));
        List<String> wrong = new ArrayList<>();
        for (Map.Entry<String, String> each : selectors.entrySet()) {
            StringBuilder got = new StringBuilder();
            MessageConsumer consumer = consumers.get(each.getKey());
            for (int i = 0; i < each.getValue().length(); i++) {
                Message next = consumer.receive(1000);
                got.append(next == null ? "?" : Queues.text(next));
            }
            for (Message more = consumer.receive(10); more != null; more = consumer.receive(10)) {
                got.append(Queues.text(more));
            }
            if (!got.toString().equals(each.getValue())) {
                wrong.add("\"" + each.getKey() + "\" gave " + got + " and not " + each.getValue());
            }
        }
        Check.equal("wrong", List.of(), wrong);
    }

    private static void headers(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "headers");
        MessageConsumer urgent = session.createConsumer(topic, "JMSPriority > 6");
        MessageConsumer typed = session.createConsumer(topic, "JMSType = 'order'");
        MessageConsumer correlated = session.createConsumer(topic, "JMSCorrelationID LIKE 'id-%'");
        MessageConsumer persistent = session.createConsumer(topic, "JMSDeliveryMode = 'PERSISTENT'");
        MessageProducer producer = session.createProducer(topic);
        Message order = session.createTextMessage("order");
        order.setJMSType("order");
        producer.send(order, DeliveryMode.NON_PERSISTENT, 4, 0);
        producer.send(session.createTextMessage("urgent"), DeliveryMode.PERSISTENT, 9, 0);
        Message answer = session.createTextMessage("answer");
        answer.setJMSCorrelationID("id-7");
        producer.send(answer, DeliveryMode.NON_PERSISTENT, 0, 0);
        Check.equal("by priority", "urgent", receive(urgent).getText());
        Check.equal("by type", "order", receive(typed).getText());
        Check.equal("by correlation", "answer", receive(correlated).getText());
        Check.equal("by delivery mode", "urgent", receive(persistent).getText());
        for (MessageConsumer consumer : List.of(urgent, typed, correlated, persistent)) {
            Check.equal("another", null, consumer.receive(50));
        }
    }

    private static void durable(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "durable");
        String name = scope.name("subscription");
        Client.deleteLater(scope, name);
        session.createDurableSubscriber(topic, name, "wanted", false).close();
        MessageProducer producer = session.createProducer(topic);
        producer.send(message(session, "yes", Map.of("wanted", true)));
        producer.send(message(session, "no", Map.of("wanted", false)));
        producer.send(message(session, "unknown", Map.of()));
        MessageConsumer consumer = session.createDurableSubscriber(topic, name, "wanted", false);
        Check.equal("selected", "yes", receive(consumer).getText());
        receiveNothing(consumer);
        consumer.close();
        session.unsubscribe(name);
    }

    private static void changed(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "changed");
        String name = scope.name("subscription");
        Client.deleteLater(scope, name);
        session.createDurableSubscriber(topic, name, "colour = 'red'", false).close();
        MessageProducer producer = session.createProducer(topic);
        producer.send(message(session, "old", Map.of("colour", "red")));
        MessageConsumer consumer = session.createDurableSubscriber(topic, name, "colour = 'blue'", false);
        producer.send(message(session, "red", Map.of("colour", "red")));
        producer.send(message(session, "blue", Map.of("colour", "blue")));
        Check.equal("by the new selector", "blue", receive(consumer).getText());
        receiveNothing(consumer);
    }

    private static void wrong(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "wrong");
        for (String selector : List.of("price <", "'text' > 3", "AND")) {
            Check.fails(InvalidSelectorException.class, () -> client.session().createConsumer(topic, selector));
        }
        MessageConsumer consumer = session.createConsumer(topic);
        send(session, topic, "text");
        Check.equal("message", "text", receive(consumer).getText());
    }

    private static void many(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session();
        Topic topic = client.topic(session, "many");
        int count = Broker.QUICK ? 50 : 300;
        List<MessageConsumer> consumers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            consumers.add(session.createConsumer(topic, "number = " + i));
        }
        MessageProducer producer = session.createProducer(topic);
        for (int i = 0; i < count; i++) {
            producer.send(message(session, "" + i, Map.of("number", i)));
        }
        for (int i = 0; i < count; i++) {
            Check.equal("selected", "" + i, receive(consumers.get(i)).getText());
            Check.equal("another", null, consumers.get(i).receiveNoWait());
        }
    }
}
