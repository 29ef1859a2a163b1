// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.AmqpException;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageBuilder;
import org.springframework.amqp.core.MessageDeliveryMode;
import org.springframework.amqp.core.MessageProperties;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.ReturnedMessage;
import org.springframework.amqp.rabbit.batch.SimpleBatchingStrategy;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.BatchingRabbitTemplate;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.amqp.support.postprocessor.GUnzipPostProcessor;
import org.springframework.amqp.support.postprocessor.GZipPostProcessor;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/** RabbitTemplate: confirms and returns, conversion, receiving, batches. */
final class Templates {
    /** What travels as JSON. */
    record Order(@JsonProperty("id") int id, @JsonProperty("items") List<String> items) {
    }

    private Templates() {
    }

    static void addTo(Suite suite) {
        suite.add("spring_correlated_confirms", Templates::correlatedConfirms);
        suite.add("spring_unroutable_message_is_returned_and_confirmed", Templates::returns);
        suite.add("spring_returns_callback", Templates::returnsCallback);
        suite.add("spring_missing_exchange_is_a_nack", Templates::missingExchange);
        suite.add("spring_overflow_is_a_nack", Templates::overflow);
        suite.add("spring_simple_confirms_in_an_operation", Templates::simpleConfirms);
        suite.add("spring_json_conversion", Templates::json);
        suite.add("spring_simple_conversion_and_properties", Templates::properties);
        suite.add("spring_compressed_messages", Templates::compressed);
        suite.add("spring_receive_and_reply", Templates::receiveAndReply);
        suite.add("spring_receive_times_out", Templates::receiveTimesOut);
        suite.add("spring_batching_template", Templates::batches);
    }

    private static CorrelationData.Confirm confirm(CorrelationData data) throws Exception {
        return data.getFuture().get(Check.WAIT_SECONDS, TimeUnit.SECONDS);
    }

    private static void correlatedConfirms(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("confirmed");
        int count = Broker.QUICK ? 500 : 5000;
        List<CorrelationData> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            CorrelationData data = new CorrelationData(Integer.toString(i));
            application.template().convertAndSend("", queue.getName(), "message " + i, data);
            sent.add(data);
        }
        for (CorrelationData data : sent) {
            Check.equal("ack of " + data.getId(), true, confirm(data).isAck());
            Check.equal("returned", null, data.getReturned());
        }
        Check.equal("messages", count, application.count(queue));
    }

    private static void returns(Scope scope) throws Exception {
        Application application = Application.started(scope);
        CorrelationData data = new CorrelationData("lost");
        application.template().convertAndSend("amq.topic", scope.name("nowhere"), "text", data);
        Check.equal("ack", true, confirm(data).isAck());
        ReturnedMessage returned = data.getReturned();
        Check.isTrue("the message was returned before its confirm", returned != null);
        Check.equal("reply", "312 NO_ROUTE", returned.getReplyCode() + " " + returned.getReplyText());
        Check.equal("exchange", "amq.topic", returned.getExchange());
        Check.equal("routing key", scope.name("nowhere"), returned.getRoutingKey());
        Check.equal("body", "text", new String(returned.getMessage().getBody(), StandardCharsets.UTF_8));
    }

    private static void returnsCallback(Scope scope) throws Exception {
        Application application = Application.started(scope);
        BlockingQueue<ReturnedMessage> returns = new LinkedBlockingQueue<>();
        BlockingQueue<Boolean> confirms = new LinkedBlockingQueue<>();
        application.template().setReturnsCallback(returns::add);
        application.template().setConfirmCallback((data, ack, cause) -> confirms.add(ack));
        Message message = MessageBuilder.withBody(new byte[0]).setHeader("number", 7).setMessageId("m").build();
        application.template().send("amq.direct", scope.name("nowhere"), message, new CorrelationData());
        ReturnedMessage returned = Check.next("the return", returns);
        Check.equal("ack", true, Check.next("the confirm", confirms));
        MessageProperties properties = returned.getMessage().getMessageProperties();
        Check.equal("header", 7, properties.<Integer>getHeader("number"));
        Check.equal("message id", "m", properties.getMessageId());
    }

    private static void missingExchange(Scope scope) throws Exception {
        Application application = Application.started(scope);
        CorrelationData data = new CorrelationData();
        application.template().convertAndSend(scope.name("missing"), "key", "text", data);
        CorrelationData.Confirm confirm = confirm(data);
        Check.equal("ack", false, confirm.isAck());
        String reply = "reply-code=404, reply-text=NOT_FOUND - no exchange '" + scope.name("missing") + "' in vhost '"
            + Broker.vhost() + "', class-id=60, method-id=40";
        Check.isTrue("the reason says " + reply + ": " + confirm.getReason(), confirm.getReason().contains(reply));
    }

    private static void overflow(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue(QueueBuilder.durable(scope.name("full"))
            .maxLength(2L).overflow(QueueBuilder.Overflow.rejectPublish).build());
        List<CorrelationData> sent = IntStream.range(0, 5).mapToObj(i -> new CorrelationData("" + i)).toList();
        for (CorrelationData data : sent) {
            application.template().convertAndSend("", queue.getName(), data.getId(), data);
            confirm(data);
        }
        List<Boolean> acks = new ArrayList<>();
        for (CorrelationData data : sent) {
            acks.add(confirm(data).isAck());
        }
        Check.equal("acks", List.of(true, true, false, false, false), acks);
        Check.equal("kept", "0", application.template().receiveAndConvert(queue.getName()));
    }

    private static void simpleConfirms(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("simple");
        CachingConnectionFactory connections = Application.connections(ConfirmType.SIMPLE);
        scope.defer(connections::destroy);
        RabbitTemplate template = new RabbitTemplate(connections);
        Boolean confirmed = template.invoke(operations -> {
            for (int i = 0; i < 100; i++) {
                operations.convertAndSend("", queue.getName(), i);
            }
            operations.waitForConfirmsOrDie(10_000);
            return true;
        });
        Check.equal("confirmed", true, confirmed);
        Check.equal("messages", 100, application.count(queue));
    }

    private static void json(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("json");
        RabbitTemplate template = application.template();
        Jackson2JsonMessageConverter converter = new Jackson2JsonMessageConverter("*");
        template.setMessageConverter(converter);
        Order order = new Order(7, List.of("caf\u00e9", "\u20ac"));
        template.convertAndSend("", queue.getName(), order);
        template.convertAndSend("", queue.getName(), List.of(order, order));
        template.convertAndSend("", queue.getName(), Map.of("key", 1));
        Message raw = template.receive(queue.getName(), 5000);
        Check.equal("content type", "application/json", raw.getMessageProperties().getContentType());
        Check.equal("type", Order.class.getName(), raw.getMessageProperties().getHeader("__TypeId__"));
        Check.equal("order", order, converter.fromMessage(raw));
        List<Order> orders = template.receiveAndConvert(queue.getName(), new ParameterizedTypeReference<>() {
        });
        Check.equal("orders", List.of(order, order), orders);
        Check.equal("map", Map.of("key", 1), template.receiveAndConvert(queue.getName()));
    }

    private static void properties(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("properties");
        RabbitTemplate template = application.template();
        Message message = MessageBuilder.withBody("text".getBytes(StandardCharsets.UTF_8))
            .setContentType("text/plain").setContentEncoding("UTF-8")
            .setDeliveryMode(MessageDeliveryMode.NON_PERSISTENT).setPriority(3)
            .setCorrelationId("c").setReplyTo("r").setExpiration("600000").setMessageId("m")
            .setTimestamp(new java.util.Date(1_700_000_000_000L)).setType("t").setUserId(Broker.user()).setAppId("a")
            .setHeader("text", "\u20ac").setHeader("long", 1L << 40).setHeader("flag", true)
            .setHeader("list", List.of("a", 1)).setHeader("map", Map.of("k", "v")).setHeader("bytes", new byte[] {1})
            .build();
        template.send("", queue.getName(), message);
        MessageProperties got = template.receive(queue.getName()).getMessageProperties();
        MessageProperties sent = message.getMessageProperties();
        for (String header : sent.getHeaders().keySet()) {
            Object wanted = sent.getHeader(header);
            Check.equal("header " + header, wanted, got.getHeader(header));
        }
        Check.equal("delivery mode", MessageDeliveryMode.NON_PERSISTENT, got.getReceivedDeliveryMode());
        Check.equal("user", Broker.user(), got.getReceivedUserId());
        Check.equal("others", List.of(3, "c", "r", "600000", "m", sent.getTimestamp(), "t", "a", "text/plain", "UTF-8"),
            List.of(got.getPriority(), got.getCorrelationId(), got.getReplyTo(), got.getExpiration(),
                got.getMessageId(), got.getTimestamp(), got.getType(), got.getAppId(), got.getContentType(),
                got.getContentEncoding()));
        template.convertAndSend("", queue.getName(), new java.math.BigDecimal("1.5").toString());
        Check.equal("text", "1.5", template.receiveAndConvert(queue.getName()));
        template.convertAndSend("", queue.getName(), new byte[] {1, 2});
        Check.equal("bytes", new byte[] {1, 2}, template.receiveAndConvert(queue.getName()));
    }

    private static void compressed(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("compressed");
        RabbitTemplate template = application.template();
        template.setBeforePublishPostProcessors(new GZipPostProcessor());
        template.setAfterReceivePostProcessors(new GUnzipPostProcessor());
        String text = "0123456789".repeat(100_000);
        template.convertAndSend("", queue.getName(), text);
        Check.isTrue("the text is the same", text.equals(template.receiveAndConvert(queue.getName())));
    }

    private static void receiveAndReply(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue requests = application.queue("requests");
        Queue replies = application.queue("replies");
        RabbitTemplate template = application.template();
        template.convertAndSend("", requests.getName(), "question", message -> {
            message.getMessageProperties().setReplyTo(replies.getName());
            message.getMessageProperties().setCorrelationId("c");
            return message;
        });
        boolean received = template.<String, String>receiveAndReply(requests.getName(), text -> "answer to " + text);
        Check.equal("received", true, received);
        Message reply = template.receive(replies.getName());
        Check.equal("reply", "answer to question", new String(reply.getBody(), StandardCharsets.UTF_8));
        Check.equal("correlation", "c", reply.getMessageProperties().getCorrelationId());
    }

    /** The template consumes for its receive and cancels; what comes too late must not be lost to it. */
    private static void receiveTimesOut(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("late");
        RabbitTemplate template = application.template();
        for (int i = 0; i < 3; i++) {
            /* The template fails where not even consume-ok has come by then. */
            Check.equal("message", null, template.receive(queue.getName(), 1000));
        }
        Check.equal("message", null, template.receive(queue.getName())); /* basic.get: with a time of 0 it races */
        template.convertAndSend("", queue.getName(), "late");
        Check.equal("message", "late", template.receiveAndConvert(queue.getName(), 5000));
        Check.equal("consumers", 0, application.admin().getQueueInfo(queue.getName()).getConsumerCount());
        AmqpException missing = Check.fails(AmqpException.class, () -> template.receive(scope.name("missing"), 1000));
        Check.says("no queue '" + scope.name("missing") + "'", missing);
    }

    private static void batches(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.queue("batches");
        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.initialize();
        scope.defer(scheduler::shutdown);
        BatchingRabbitTemplate template = new BatchingRabbitTemplate(
            application.connections(), new SimpleBatchingStrategy(10, 100_000, 500), scheduler);
        for (int i = 0; i < 25; i++) {
            template.convertAndSend("", queue.getName(), "part " + i);
        }
        template.flush();
        Check.eventually("three batches", () -> application.count(queue) == 3);
        MessageProperties first = template.receive(queue.getName()).getMessageProperties();
        Check.equal("format", "lengthHeader4", first.getHeader("springBatchFormat"));
    }
}
