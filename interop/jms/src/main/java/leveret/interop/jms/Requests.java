// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import com.rabbitmq.jms.admin.RMQDestination;
import jakarta.jms.Message;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueConnection;
import jakarta.jms.QueueRequestor;
import jakarta.jms.QueueSession;
import jakarta.jms.Session;
import jakarta.jms.TemporaryQueue;
import jakarta.jms.TextMessage;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Requests and replies: by temporary queues and by the broker's direct reply-to. */
final class Requests {
    private static final String DIRECT = "amq.rabbitmq.reply-to";

    private Requests() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_queue_requestor", Requests::requestor);
        suite.add("jms_temporary_queue_goes_with_its_connection", Requests::temporary);
        suite.add("jms_request_by_direct_reply_to", Requests::directReplyTo);
    }

    /** Answers every request in capitals; where to is the affair of who asked. */
    private static Queue answer(Client client) throws Exception {
        client.factory.setDeclareReplyToDestination(false);
        client.factory.setKeepTextMessageType(true);
        Session session = client.session();
        Queue requests = client.queue(session, "requests");
        MessageProducer replies = session.createProducer(null);
        session.createConsumer(requests).setMessageListener(message -> {
            try {
                TextMessage reply = session.createTextMessage(Queues.text(message).toUpperCase());
                reply.setJMSCorrelationID(message.getJMSMessageID());
                replies.send(message.getJMSReplyTo(), reply);
            } catch (jakarta.jms.JMSException error) {
                throw new IllegalStateException(error);
            }
        });
        return requests;
    }

    private static void requestor(Scope scope) throws Exception {
        Queue requests = answer(new Client(scope));
        QueueConnection connection = scope.defer(Client.factory().createQueueConnection());
        connection.start();
        QueueSession session = connection.createQueueSession(false, Session.AUTO_ACKNOWLEDGE);
        QueueRequestor requestor = new QueueRequestor(session, requests);
        for (int i = 0; i < 10; i++) {
            Message reply = requestor.request(session.createTextMessage("text " + i));
            Check.equal("reply", "TEXT " + i, Queues.text(reply));
        }
        requestor.close();
    }

    private static void temporary(Scope scope) throws Exception {
        Client client = new Client(scope);
        var connection = client.factory.createConnection();
        Session session = connection.createSession();
        TemporaryQueue queue = session.createTemporaryQueue();
        session.createConsumer(queue);
        String name = queue.getQueueName();
        try (var amqp = Client.amqp()) {
            var error = Check.fails(java.io.IOException.class,
                () -> amqp.createChannel().queueDeclarePassive(name));
            Check.says("405, reply-text=RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" + name
                + "'", error);
            connection.close();
            Check.eventually("the queue is gone", () -> {
                var gone = Check.fails(java.io.IOException.class,
                    () -> amqp.createChannel().queueDeclarePassive(name));
                return String.valueOf(gone.getCause()).contains("reply-code=404");
            });
        }
    }

    private static void directReplyTo(Scope scope) throws Exception {
        Client client = new Client(scope);
        Queue requests = answer(client);
        Session session = client.connect().createSession();
        RMQDestination pseudo = new RMQDestination(DIRECT, "", DIRECT, DIRECT);
        pseudo.setDeclared(true);
        BlockingQueue<String> replies = new LinkedBlockingQueue<>();
        // Consuming, and before the request, is the condition; a receive() would only get.
        session.createConsumer(pseudo).setMessageListener(message -> replies.add(Queues.text(message)));
        MessageProducer producer = session.createProducer(requests);
        for (int i = 0; i < 10; i++) {
            TextMessage request = session.createTextMessage("text " + i);
            request.setJMSReplyTo(pseudo);
            producer.send(request);
            Check.equal("reply", "TEXT " + i, Check.next("the reply", replies));
        }
    }
}
