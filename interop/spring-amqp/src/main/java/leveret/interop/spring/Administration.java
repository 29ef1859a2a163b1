// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.AmqpIOException;
import org.springframework.amqp.core.AnonymousQueue;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.DirectExchange;
import org.springframework.amqp.core.ExchangeBuilder;
import org.springframework.amqp.core.FanoutExchange;
import org.springframework.amqp.core.HeadersExchange;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.TopicExchange;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;

/** RabbitAdmin: what applications declare, and how they are told that it does not fit. */
final class Administration {
    private Administration() {
    }

    static void addTo(Suite suite) {
        suite.add("spring_admin_declares_a_topology", Administration::topology);
        suite.add("spring_admin_declares_every_argument_of_a_classic_queue", Administration::classicArguments);
        suite.add("spring_admin_declares_every_argument_of_a_quorum_queue", Administration::quorumArguments);
        suite.add("spring_admin_is_told_of_an_inequivalent_queue", Administration::inequivalent);
        suite.add("spring_admin_counts_purges_and_deletes", Administration::countsAndDeletes);
        suite.add("spring_admin_of_server_named_and_anonymous_queues", Administration::serverNamed);
    }

    private static void topology(Scope scope) throws Exception {
        Queue queue = new Queue(scope.name("queue"));
        TopicExchange topic = new TopicExchange(scope.name("topic"));
        FanoutExchange fanout = new FanoutExchange(scope.name("fanout"));
        HeadersExchange headers = new HeadersExchange(scope.name("headers"));
        Queue lost = new Queue(scope.name("lost"));
        FanoutExchange alternate = ExchangeBuilder.fanoutExchange(scope.name("alternate")).internal().build();
        DirectExchange direct =
            ExchangeBuilder.directExchange(scope.name("direct")).alternate(alternate.getName()).build();
        Application application = new Application(scope).declaring(
            queue, topic, fanout, headers, lost, alternate, direct,
            BindingBuilder.bind(fanout).to(topic).with("a.#"), BindingBuilder.bind(queue).to(fanout),
            BindingBuilder.bind(queue).to(headers).whereAll(Map.of("x", 1, "y", "two")).match(),
            BindingBuilder.bind(queue).to(direct).withQueueName(), BindingBuilder.bind(lost).to(alternate)).start();
        RabbitTemplate template = application.template();
        application.admin().initialize();
        template.convertAndSend(topic.getName(), "a.b.c", "by topic and fanout");
        template.convertAndSend(headers.getName(), "", "by headers", message -> {
            message.getMessageProperties().setHeader("x", 1);
            message.getMessageProperties().setHeader("y", "two");
            return message;
        });
        template.convertAndSend(direct.getName(), queue.getName(), "by name");
        template.convertAndSend(direct.getName(), "unknown", "by the alternate exchange");
        for (String text : List.of("by topic and fanout", "by headers", "by name")) {
            Check.equal("message", text, template.receiveAndConvert(queue.getName()));
        }
        Check.equal("message", "by the alternate exchange", template.receiveAndConvert(lost.getName()));
    }

    /** Declared twice: by two admins, as two instances of a service do. */
    private static void declareTwice(Scope scope, Queue queue) {
        Application application = Application.started(scope);
        application.queue(queue);
        new RabbitAdmin(application.connections()).declareQueue(queue);
        application.template().convertAndSend("", queue.getName(), "text");
        Check.equal("message", "text", application.template().receiveAndConvert(queue.getName()));
    }

    private static void classicArguments(Scope scope) throws Exception {
        declareTwice(scope, QueueBuilder.durable(scope.name("queue")).classic().ttl(600_000).expires(600_000)
            .maxLength(1000L).maxLengthBytes(1_000_000).overflow(QueueBuilder.Overflow.dropHead)
            .deadLetterExchange(scope.name("dlx")).deadLetterRoutingKey("dead").maxPriority(10).lazy()
            .singleActiveConsumer().build());
    }

    private static void quorumArguments(Scope scope) throws Exception {
        declareTwice(scope, QueueBuilder.durable(scope.name("queue")).quorum().ttl(600_000).expires(600_000)
            .maxLength(1000L).maxLengthBytes(1_000_000).overflow(QueueBuilder.Overflow.rejectPublish)
            .deadLetterExchange(scope.name("dlx")).withArgument("x-dead-letter-strategy", "at-least-once")
            .deliveryLimit(5).singleActiveConsumer().withArgument("x-quorum-initial-group-size", 1).build());
    }

    private static void inequivalent(Scope scope) throws Exception {
        Application application = Application.started(scope);
        String name = scope.name("queue");
        application.queue(QueueBuilder.durable(name).ttl(1000).build());
        AmqpIOException error = Check.fails(AmqpIOException.class,
            () -> application.admin().declareQueue(QueueBuilder.durable(name).ttl(2000).build()));
        Check.says("reply-code=406, reply-text=PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '"
            + name + "' in vhost '" + Broker.vhost() + "': received '2000' but current is '1000'", error);
        // The channel is gone, the connection is not.
        Check.equal("messages", 0, application.count(name));
        error = Check.fails(AmqpIOException.class,
            () -> application.admin().declareQueue(QueueBuilder.nonDurable(name).ttl(1000).build()));
        Check.says("inequivalent arg 'durable' for queue '" + name + "'", error);
    }

    private static void countsAndDeletes(Scope scope) throws Exception {
        Application application = Application.started(scope);
        RabbitAdmin admin = application.admin();
        Queue queue = application.queue("queue");
        for (int i = 0; i < 10; i++) {
            application.template().convertAndSend("", queue.getName(), i);
        }
        Check.eventually("ten messages", () -> application.count(queue) == 10);
        Properties properties = admin.getQueueProperties(queue.getName());
        Check.equal("messages", 10, properties.get(RabbitAdmin.QUEUE_MESSAGE_COUNT));
        Check.equal("consumers", 0, properties.get(RabbitAdmin.QUEUE_CONSUMER_COUNT));
        Check.equal("purged", 10, admin.purgeQueue(queue.getName()));
        Check.equal("deleted", true, admin.deleteQueue(queue.getName()));
        Check.equal("properties of a missing queue", null, admin.getQueueProperties(queue.getName()));
        Check.equal("deleted again", true, admin.deleteQueue(queue.getName()));
        DirectExchange exchange = application.exchange(new DirectExchange(scope.name("exchange"), false, false));
        Check.equal("deleted exchange", true, admin.deleteExchange(exchange.getName()));
    }

    private static void serverNamed(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue queue = application.admin().declareQueue();
        Check.isTrue("named by the broker: " + queue.getName(), queue.getName().startsWith("amq.gen-"));
        Queue named = new Queue("", false, true, true);
        application.admin().declareQueue(named);
        Check.isTrue("named by the broker", named.getActualName().startsWith("amq.gen-"));
        AnonymousQueue anonymous = new AnonymousQueue();
        application.queue(anonymous);
        FanoutExchange exchange = application.exchange(new FanoutExchange(scope.name("fanout"), false, true));
        for (Queue each : List.of(queue, named, anonymous)) {
            Binding binding = BindingBuilder.bind(each).to(exchange);
            application.admin().declareBinding(binding);
        }
        application.template().convertAndSend(exchange.getName(), "", "to all");
        for (Queue each : List.of(queue, named, anonymous)) {
            Check.equal("message", "to all", application.template().receiveAndConvert(each.getActualName()));
        }
    }
}
