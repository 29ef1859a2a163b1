// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.core.Address;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.rabbit.AsyncRabbitTemplate;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.support.AmqpHeaders;
import org.springframework.messaging.handler.annotation.Header;

/** Requests and replies: direct reply-to, with and without a container, temporary and fixed reply queues. */
final class Replies {
    private static final String DIRECT = Address.AMQ_RABBITMQ_REPLY_TO;

    private Replies() {
    }

    static void addTo(Suite suite) {
        suite.add("spring_request_by_direct_reply_to", Replies::directReplyTo);
        suite.add("spring_requests_by_direct_reply_to_at_once", Replies::concurrentRequests);
        suite.add("spring_request_on_the_publishing_channel", Replies::ownChannel);
        suite.add("spring_asynchronous_requests", Replies::asynchronous);
        suite.add("spring_request_by_temporary_queue", Replies::temporaryQueue);
        suite.add("spring_request_by_reply_queue", Replies::replyQueue);
        suite.add("spring_request_times_out", Replies::timesOut);
        suite.add("spring_listener_sends_its_reply_to_an_address", Replies::sendTo);
    }

    /** Answers what comes to ${names}.requests. */
    static final class Upper {
        final BlockingQueue<String> replyTo = new LinkedBlockingQueue<>();

        @RabbitListener(queuesToDeclare = @org.springframework.amqp.rabbit.annotation.Queue("${names}.requests"),
            concurrency = "2")
        String answer(String text, @Header(AmqpHeaders.REPLY_TO) String address) {
            replyTo.add(address);
            return text.toUpperCase();
        }
    }

    private static Application upper(Scope scope) {
        Application application = Application.started(scope, Upper.class);
        application.queue("requests");
        application.template().setRoutingKey(scope.name("requests"));
        return application;
    }

    private static void ask(RabbitTemplate template, String text) {
        Check.equal("reply", text.toUpperCase(), template.convertSendAndReceive(text));
    }

    private static void directReplyTo(Scope scope) throws Exception {
        Application application = upper(scope);
        for (int i = 0; i < 20; i++) {
            ask(application.template(), "text " + i);
        }
        for (String address : Check.take("the reply address", 20, application.get(Upper.class).replyTo)) {
            Check.isTrue("direct reply-to: " + address, address.startsWith(DIRECT + "."));
        }
    }

    private static void concurrentRequests(Scope scope) throws Exception {
        RabbitTemplate template = upper(scope).template();
        ExecutorService threads = Executors.newFixedThreadPool(8);
        scope.defer(threads::shutdownNow);
        List<CompletableFuture<Void>> asked = new ArrayList<>();
        int count = Broker.QUICK ? 200 : 2000;
        for (int i = 0; i < count; i++) {
            String text = "text " + i;
            asked.add(CompletableFuture.runAsync(() -> ask(template, text), threads));
        }
        CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
    }

    /** Without the container the template consumes and publishes anew for each request. */
    private static void ownChannel(Scope scope) throws Exception {
        Application application = upper(scope);
        application.template().setUseDirectReplyToContainer(false);
        for (int i = 0; i < 5; i++) {
            ask(application.template(), "text " + i);
        }
        String address = Check.next("the reply address", application.get(Upper.class).replyTo);
        Check.isTrue("direct reply-to: " + address, address.startsWith(DIRECT + "."));
    }

    private static void asynchronous(Scope scope) throws Exception {
        Application application = upper(scope);
        AsyncRabbitTemplate template = new AsyncRabbitTemplate(application.template());
        template.setReceiveTimeout(10_000);
        template.setEnableConfirms(true);
        template.start();
        scope.defer(template::stop);
        List<CompletableFuture<String>> futures = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            futures.add(template.convertSendAndReceive("text " + i));
        }
        for (int i = 0; i < 50; i++) {
            Check.equal("reply", "TEXT " + i, futures.get(i).get(Check.WAIT_SECONDS, TimeUnit.SECONDS));
        }
    }

    private static void temporaryQueue(Scope scope) throws Exception {
        Application application = upper(scope);
        application.template().setUseTemporaryReplyQueues(true);
        for (int i = 0; i < 3; i++) {
            ask(application.template(), "text " + i);
        }
        for (String queue : Check.take("the reply address", 3, application.get(Upper.class).replyTo)) {
            Check.isTrue("named by the broker: " + queue, queue.startsWith("amq.gen-"));
            Check.eventually(queue + " is gone", () -> application.admin().getQueueInfo(queue) == null);
        }
    }

    private static void replyQueue(Scope scope) throws Exception {
        Application application = upper(scope);
        Queue replies = application.queue("replies");
        RabbitTemplate template = application.template();
        template.setReplyAddress(replies.getName());
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer(application.connections());
        container.setQueues(replies);
        container.setMessageListener(template);
        container.setReceiveTimeout(100);
        container.start();
        scope.defer(container::stop);
        for (int i = 0; i < 20; i++) {
            ask(template, "text " + i);
        }
        Check.equal("reply address", replies.getName(), application.get(Upper.class).replyTo.poll());
    }

    private static void timesOut(Scope scope) throws Exception {
        Application application = Application.started(scope);
        Queue silent = application.queue("silent");
        application.template().setReplyTimeout(200);
        Check.equal("reply", null, application.template().convertSendAndReceive("", silent.getName(), "text"));
        Check.equal("messages", 1, application.count(silent));
        // The late reply finds nobody, which is nobody's mistake: the template goes on.
        String address = application.template().receive(silent.getName()).getMessageProperties().getReplyTo();
        application.template().convertAndSend("", address, "late");
        Check.equal("reply", null, application.template().convertSendAndReceive("", silent.getName(), "again"));
    }

    /** The reply to a request without an address goes where the listener says. */
    static final class Forwarding {
        @RabbitListener(queuesToDeclare = @org.springframework.amqp.rabbit.annotation.Queue("${names}.in"))
        @org.springframework.messaging.handler.annotation.SendTo("${names}.exchange/out")
        String forward(String text) {
            return text + "!";
        }
    }

    private static void sendTo(Scope scope) throws Exception {
        Application application = new Application(scope).with(Forwarding.class);
        Queue out = new Queue(scope.name("out"));
        var exchange = new org.springframework.amqp.core.TopicExchange(scope.name("exchange"));
        application.declaring(out, exchange,
            org.springframework.amqp.core.BindingBuilder.bind(out).to(exchange).with("out")).start();
        application.queue("in");
        application.template().convertAndSend("", scope.name("in"), "text");
        Check.equal("forwarded", "text!", application.template().receiveAndConvert(out.getName()));
    }
}
