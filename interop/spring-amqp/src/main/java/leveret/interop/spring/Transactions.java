// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessageListener;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.AbstractMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.transaction.RabbitTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Transacted templates and containers, with Spring's transaction manager and without. */
final class Transactions {
    private final Application application;
    private final CachingConnectionFactory connections;
    private final RabbitTemplate template;
    private final TransactionTemplate transaction;

    private Transactions(Scope scope) {
        application = Application.started(scope);
        connections = Application.connections(ConfirmType.NONE);
        scope.defer(connections::destroy);
        template = new RabbitTemplate(connections);
        template.setChannelTransacted(true);
        template.setReceiveTimeout(5000);
        transaction = new TransactionTemplate(new RabbitTransactionManager(connections));
    }

    static void addTo(Suite suite) {
        suite.add("spring_transaction_commits_and_rolls_back", Transactions::template);
        suite.add("spring_transaction_covers_what_was_received", Transactions::received);
        suite.add("spring_transacted_simple_container_rolls_back", scope -> {
            container(scope, new SimpleMessageListenerContainer(), true);
        });
        suite.add("spring_transacted_direct_container_rolls_back", scope -> {
            container(scope, new DirectMessageListenerContainer(), true);
        });
        suite.add("spring_locally_transacted_container_rolls_back", scope -> {
            container(scope, new SimpleMessageListenerContainer(), false);
        });
    }

    private static void template(Scope scope) throws Exception {
        Transactions t = new Transactions(scope);
        Queue queue = t.application.queue("transacted");
        t.transaction.executeWithoutResult(status -> {
            for (int i = 0; i < 10; i++) {
                t.template.convertAndSend("", queue.getName(), i);
            }
            Check.equal("messages before the commit", 0, t.application.count(queue));
        });
        Check.equal("messages after the commit", 10, t.application.count(queue));
        Check.fails(IllegalStateException.class, () -> t.transaction.executeWithoutResult(status -> {
            t.template.convertAndSend("", queue.getName(), "rolled back");
            throw new IllegalStateException("on purpose");
        }));
        Check.equal("messages after the rollback", 10, t.application.count(queue));
    }

    private static void received(Scope scope) throws Exception {
        Transactions t = new Transactions(scope);
        Queue from = t.application.queue("from");
        Queue to = t.application.queue("to");
        t.application.template().convertAndSend("", from.getName(), "text");
        Check.fails(IllegalStateException.class, () -> t.transaction.executeWithoutResult(status -> {
            t.template.convertAndSend("", to.getName(), t.template.receiveAndConvert(from.getName()));
            throw new IllegalStateException("on purpose");
        }));
        Check.eventually("it is back", () -> t.application.count(from) == 1);
        Check.equal("messages forwarded", 0, t.application.count(to));
        t.transaction.executeWithoutResult(status -> {
            Message message = t.template.receive(from.getName());
            Check.equal("redelivered", true, message.getMessageProperties().isRedelivered());
            t.template.send("", to.getName(), message);
        });
        Check.equal("messages left", 0, t.application.count(from));
        Check.equal("messages forwarded", 1, t.application.count(to));
    }

    /** The listener forwards and then fails, twice; the message is forwarded once. */
    private static void container(Scope scope, AbstractMessageListenerContainer container, boolean managed)
        throws Exception {
        Transactions t = new Transactions(scope);
        Queue from = t.application.queue("from");
        Queue to = t.application.queue("to");
        AtomicInteger tries = new AtomicInteger();
        BlockingQueue<Boolean> redelivered = new LinkedBlockingQueue<>();
        container.setConnectionFactory(t.connections);
        container.setQueues(from);
        container.setChannelTransacted(true);
        if (managed) {
            container.setTransactionManager(new RabbitTransactionManager(t.connections));
        }
        container.setMessageListener((MessageListener) message -> {
            redelivered.add(message.getMessageProperties().isRedelivered());
            t.template.send("", to.getName(), message);
            if (tries.incrementAndGet() < 3) {
                throw new IllegalStateException("on purpose");
            }
        });
        container.setShutdownTimeout(2000);
        container.afterPropertiesSet();
        container.start();
        scope.defer(container::stop);
        t.application.template().convertAndSend("", from.getName(), "text");
        Check.equal("redelivered", List.of(false, true, true), Check.take("a delivery", 3, redelivered));
        Check.equal("forwarded", "text", t.application.template().receiveAndConvert(to.getName()));
        container.stop();
        Check.equal("messages left", 0, t.application.count(from));
        Check.equal("messages forwarded", 0, t.application.count(to));
    }
}
