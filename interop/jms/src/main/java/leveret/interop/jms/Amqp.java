// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import static leveret.interop.jms.Client.receive;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.jms.admin.RMQDestination;
import jakarta.jms.BytesMessage;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** JMS and AMQP applications side by side, through destinations that stand for AMQP's own. */
final class Amqp {
    private Amqp() {
    }

    static void addTo(Suite suite) {
        suite.add("jms_reads_from_an_amqp_queue", Amqp::reads);
        suite.add("jms_writes_to_an_amqp_exchange", Amqp::writes);
    }

    private static RMQDestination amqpQueue(Channel channel, Scope scope) throws Exception {
        String name = scope.name("amqp");
        channel.queueDeclare(name, true, false, false, null);
        Client.deleteLater(scope, name);
        return new RMQDestination("amqp", "amq.direct", name, name);
    }

    private static void reads(Scope scope) throws Exception {
        Client client = new Client(scope);
        try (var amqp = Client.amqp(); Channel channel = amqp.createChannel()) {
            RMQDestination queue = amqpQueue(channel, scope);
            MessageConsumer consumer = client.session().createConsumer(queue);
            AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder().correlationId("c").deliveryMode(2)
                .headers(Map.of("JMSType", "TextMessage", "number", 7)).build();
            channel.basicPublish("", scope.name("amqp"), properties, "caf\u00e9".getBytes(StandardCharsets.UTF_8));
            TextMessage message = receive(consumer);
            Check.equal("text", "caf\u00e9", message.getText());
            Check.equal("header", 7, message.getIntProperty("number"));
            Check.equal("correlation", "c", message.getJMSCorrelationID());
            channel.basicPublish("", scope.name("amqp"), null, new byte[] {1, 2, 3});
            Message bytes = consumer.receive(Client.WAIT_MS);
            Check.equal("bytes", 3L, ((BytesMessage) bytes).getBodyLength());
        }
    }

    private static void writes(Scope scope) throws Exception {
        Client client = new Client(scope);
        try (var amqp = Client.amqp(); Channel channel = amqp.createChannel()) {
            RMQDestination queue = amqpQueue(channel, scope);
            channel.queueBind(scope.name("amqp"), "amq.direct", scope.name("amqp"));
            Session session = client.session();
            TextMessage message = session.createTextMessage("caf\u00e9");
            message.setStringProperty("key", "value");
            session.createProducer(queue).send(message);
            GetResponse[] got = new GetResponse[1];
            Check.eventually("it comes", () -> (got[0] = channel.basicGet(scope.name("amqp"), true)) != null);
            Check.equal("body", "caf\u00e9", new String(got[0].getBody(), StandardCharsets.UTF_8));
            Map<String, Object> headers = got[0].getProps().getHeaders();
            Check.equal("header", "value", String.valueOf(headers.get("key")));
            Check.equal("delivery mode", 2, got[0].getProps().getDeliveryMode());
        }
    }
}
