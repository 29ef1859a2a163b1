// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;
import static leveret.interop.jms.Client.receiveNothing;
import static leveret.interop.jms.Client.send;

import jakarta.jms.IllegalStateException;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Transacted sessions, and the ways to acknowledge. */
final class Sessions {
    private Sessions() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_transaction_of_sent_messages", Sessions::sent);
        suite.add("jms_transaction_of_received_messages", Sessions::received);
        suite.add("jms_rollback_rejects_what_was_received", Sessions::deadLettered);
        suite.add("jms_transaction_that_moves_messages", Sessions::moved);
        suite.add("jms_transaction_of_a_closed_session_is_rolled_back", Sessions::closed);
        suite.add("jms_transaction_of_a_transacted_topic", Sessions::topic);
        suite.add("jms_client_acknowledges", Sessions::clientAcknowledge);
        suite.add("jms_unacknowledged_messages_come_back", Sessions::unacknowledged);
        suite.add("jms_recover", Sessions::recover);
    }

    private static void sent(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.SESSION_TRANSACTED);
        Queue queue = client.queue(session, "queue");
        send(session, queue, "1", "2");
        session.rollback();
        send(session, queue, "3", "4");
        Check.equal("before the commit", List.of(), client.drain(queue));
        session.commit();
        Check.equal("after the commit", List.of("3", "4"), client.drain(queue));
        Check.fails(IllegalStateException.class, () -> client.session().commit());
    }

    private static void received(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.SESSION_TRANSACTED);
        Queue queue = client.queue(session, "queue");
        send(client.session(), queue, "1", "2", "3");
        MessageConsumer consumer = session.createConsumer(queue);
        Check.equal("messages", List.of("1", "2"), receive(consumer, 2));
        session.rollback();
        TextMessage again = receive(consumer);
        Check.equal("message", "1", again.getText());
        Check.equal("redelivered", true, again.getJMSRedelivered());
        session.commit();
        Check.equal("message", List.of("2", "3"), receive(consumer, 2));
        session.commit();
        receiveNothing(consumer);
    }

    /** With nackOnRollback what was received is rejected in a transaction, and so becomes a dead letter. */
    private static void deadLettered(Scope scope) throws Exception {
        Client client = new Client(scope);
        client.factory.setNackOnRollback(true);
        Session session = client.session(Session.SESSION_TRANSACTED);
        Queue dead = client.queue(session, "dead");
        Queue queue = client.queue("queue", Map.of("x-dead-letter-exchange", "jms.durable.queues",
            "x-dead-letter-routing-key", scope.name("dead")));
        MessageConsumer consumer = session.createConsumer(queue);
        send(client.session(), queue, "1", "2");
        Check.equal("messages", List.of("1", "2"), receive(consumer, 2));
        session.rollback();
        Check.equal("dead letters", List.of("1", "2"), receive(client.session().createConsumer(dead), 2));
        receiveNothing(consumer);
    }

    private static void moved(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.SESSION_TRANSACTED);
        Queue from = client.queue(session, "from");
        Queue to = client.queue(session, "to");
        send(client.session(), from, "1", "2", "3");
        MessageConsumer consumer = session.createConsumer(from);
        for (int i = 0; i < 3; i++) {
            send(session, to, receive(consumer).getText());
            session.commit();
        }
        session.close();
        Check.equal("left", List.of(), client.drain(from));
        Check.equal("moved", List.of("1", "2", "3"), client.drain(to));
    }

    private static void closed(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.SESSION_TRANSACTED);
        Queue from = client.queue(session, "from");
        Queue to = client.queue(session, "to");
        send(client.session(), from, "text");
        send(session, to, receive(session.createConsumer(from)).getText());
        session.close();
        Check.equal("moved", List.of(), client.drain(to));
        Check.equal("back", List.of("text"), client.drain(from));
    }

    private static void topic(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.SESSION_TRANSACTED);
        var topic = client.topic(session, "topic");
        MessageConsumer consumer = client.session().createConsumer(topic);
        send(session, topic, "lost");
        session.rollback();
        send(session, topic, "kept");
        receiveNothing(consumer);
        session.commit();
        Check.equal("message", "kept", receive(consumer).getText());
    }

    private static void clientAcknowledge(Scope scope) throws Exception {
        Client client = new Client(scope);
        Session session = client.session(Session.CLIENT_ACKNOWLEDGE);
        Queue queue = client.queue(session, "queue");
        send(session, queue, "1", "2", "3");
        MessageConsumer consumer = session.createConsumer(queue);
        receive(consumer);
        receive(consumer).acknowledge();
        Check.equal("message", "3", receive(consumer).getText());
        session.close();
        Check.equal("not acknowledged", List.of("3"), client.drain(queue));
    }

    private static void unacknowledged(Scope scope) throws Exception {
        Client client = new Client(scope);
        var connection = client.factory.createConnection();
        connection.start();
        Session session = connection.createSession(Session.CLIENT_ACKNOWLEDGE);
        Queue queue = client.queue(session, "queue");
        send(session, queue, "1", "2");
        receive(session.createConsumer(queue));
        connection.close();
        MessageConsumer consumer = client.session().createConsumer(queue);
        Message first = receive(consumer);
        Check.equal("redelivered", true, first.getJMSRedelivered());
        Check.equal("messages", "1", ((TextMessage) first).getText());
        Check.equal("messages", "2", receive(consumer).getText());
    }

    private static void recover(Scope scope) throws JMSException {
        Client client = new Client(scope);
        Session session = client.session(Session.CLIENT_ACKNOWLEDGE);
        Queue queue = client.queue(session, "queue");
        send(session, queue, "1", "2");
        MessageConsumer consumer = session.createConsumer(queue);
        Check.equal("messages", List.of("1", "2"), receive(consumer, 2));
        session.recover();
        for (String text : List.of("1", "2")) {
            TextMessage again = receive(consumer);
            Check.equal("message", text, again.getText());
            Check.equal("redelivered", true, again.getJMSRedelivered());
            again.acknowledge();
        }
        receiveNothing(consumer);
    }
}
