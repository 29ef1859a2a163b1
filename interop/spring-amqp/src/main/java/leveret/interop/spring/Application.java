// SPDX-License-Identifier: Apache-2.0

package leveret.interop.spring;

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.io.IOException;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeoutException;
import leveret.interop.support.Broker;
import leveret.interop.support.Scope;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.Declarable;
import org.springframework.amqp.core.Declarables;
import org.springframework.amqp.core.DirectExchange;
import org.springframework.amqp.core.Exchange;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.annotation.EnableRabbit;
import org.springframework.amqp.rabbit.config.DirectRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.MapPropertySource;

/**
 * A Spring application: the beans that each has (connections, template, admin, listener containers), those
 * that the test adds before the start, and the removal of every declared queue and exchange at the end.
 * Listeners name their queues as ${names}.suffix, which is what {@link #name} gives.
 */
final class Application implements AutoCloseable {
    private final Scope scope;
    private final AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();
    private final Set<String> queues = new LinkedHashSet<>();
    private final Set<String> exchanges = new LinkedHashSet<>();

    Application(Scope scope) {
        this.scope = scope;
        Map<String, Object> properties = Map.of("names", prefix());
        context.getEnvironment().getPropertySources().addFirst(new MapPropertySource("test", properties));
        context.register(Beans.class);
        scope.defer(this);
    }

    /** An application with these configurations and listeners, running. */
    static Application started(Scope scope, Class<?>... components) {
        return new Application(scope).with(components).start();
    }

    Application with(Class<?>... components) {
        if (components.length > 0) {
            context.register(components);
        }
        return this;
    }

    /** Beans that the admin declares. */
    Application declaring(Declarable... declarables) {
        String name = "declarables" + context.getBeanDefinitionCount();
        context.registerBean(name, Declarables.class, () -> new Declarables(declarables));
        return this;
    }

    <T> Application bean(String name, Class<T> type, T bean) {
        context.registerBean(name, type, () -> bean);
        return this;
    }

    Application start() {
        context.refresh();
        context.getBeansOfType(Queue.class).values().forEach(queue -> queues.add(queue.getName()));
        context.getBeansOfType(Exchange.class).values().forEach(exchange -> exchanges.add(exchange.getName()));
        for (Declarables all : context.getBeansOfType(Declarables.class).values()) {
            all.getDeclarablesByType(Queue.class).forEach(queue -> queues.add(queue.getName()));
            all.getDeclarablesByType(Exchange.class).forEach(exchange -> exchanges.add(exchange.getName()));
        }
        return this;
    }

    private String prefix() {
        String name = scope.name("x");
        return name.substring(0, name.length() - 2);
    }

    String name(String suffix) {
        return scope.name(suffix);
    }

    <T> T get(Class<T> type) {
        return context.getBean(type);
    }

    <T> T get(String name, Class<T> type) {
        return context.getBean(name, type);
    }

    RabbitTemplate template() {
        return get(RabbitTemplate.class);
    }

    RabbitAdmin admin() {
        return get(RabbitAdmin.class);
    }

    CachingConnectionFactory connections() {
        return get(CachingConnectionFactory.class);
    }

    /** A durable queue without arguments, declared now and removed with the application. */
    Queue queue(String suffix) {
        return queue(QueueBuilder.durable(name(suffix)).build());
    }

    Queue queue(Queue queue) {
        queues.add(queue.getName());
        admin().declareQueue(queue);
        return queue;
    }

    <E extends Exchange> E exchange(E exchange) {
        exchanges.add(exchange.getName());
        admin().declareExchange(exchange);
        return exchange;
    }

    /** Sends texts on one channel, as only that keeps their order: the template has several. */
    void sendInOrder(String exchange, String key, List<String> texts) {
        template().invoke(operations -> {
            texts.forEach(text -> operations.convertAndSend(exchange, key, text));
            return null;
        });
    }

    ApplicationContext context() {
        return context;
    }

    /** The number of ready messages. */
    int count(Queue queue) {
        return count(queue.getName());
    }

    int count(String queue) {
        return admin().getQueueInfo(queue).getMessageCount();
    }

    @Override
    public void close() throws IOException, TimeoutException {
        context.close();
        try (Connection connection = factory().newConnection()) {
            delete(connection, queues, Channel::queueDelete);
            delete(connection, exchanges, Channel::exchangeDelete);
        }
    }

    private interface Deletion {
        void delete(Channel channel, String name) throws IOException;
    }

    private static void delete(Connection connection, Collection<String> names, Deletion deletion)
        throws IOException, TimeoutException {
        Channel channel = connection.createChannel();
        for (String name : names) {
            if (!name.isEmpty()) {
                deletion.delete(channel, name);
            }
        }
        channel.close();
    }

    static ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(Broker.host());
        factory.setPort(Broker.port());
        factory.setUsername(Broker.user());
        factory.setPassword(Broker.password());
        factory.setVirtualHost(Broker.vhost());
        factory.setAutomaticRecoveryEnabled(false);
        return factory;
    }

    static CachingConnectionFactory connections(ConfirmType confirms) {
        CachingConnectionFactory connections = new CachingConnectionFactory(factory());
        connections.setPublisherConfirmType(confirms);
        connections.setPublisherReturns(true);
        connections.setCloseTimeout(1000);
        return connections;
    }

    /** A queue that is bound by its name to a direct exchange of the same name. */
    static Declarable[] boundQueue(Queue queue) {
        DirectExchange exchange = new DirectExchange(queue.getName());
        Binding binding = BindingBuilder.bind(queue).to(exchange).with(queue.getName());
        return new Declarable[] {queue, exchange, binding};
    }

    /** What nearly every application has. */
    @Configuration(proxyBeanMethods = false)
    @EnableRabbit
    static class Beans {
        @Bean
        CachingConnectionFactory connectionFactory() {
            return connections(ConfirmType.CORRELATED);
        }

        @Bean
        RabbitAdmin admin(CachingConnectionFactory connections) {
            return new RabbitAdmin(connections);
        }

        @Bean
        RabbitTemplate template(CachingConnectionFactory connections) {
            RabbitTemplate template = new RabbitTemplate(connections);
            template.setMandatory(true);
            template.setReplyTimeout(10_000);
            template.setReceiveTimeout(10_000);
            return template;
        }

        @Bean
        SimpleRabbitListenerContainerFactory rabbitListenerContainerFactory(CachingConnectionFactory connections) {
            SimpleRabbitListenerContainerFactory factory = new SimpleRabbitListenerContainerFactory();
            factory.setConnectionFactory(connections);
            factory.setReceiveTimeout(100L);
            factory.setContainerCustomizer(container -> container.setShutdownTimeout(2000));
            factory.setRecoveryInterval(200L);
            return factory;
        }

        @Bean
        DirectRabbitListenerContainerFactory directFactory(CachingConnectionFactory connections) {
            DirectRabbitListenerContainerFactory factory = new DirectRabbitListenerContainerFactory();
            factory.setConnectionFactory(connections);
            factory.setContainerCustomizer(container -> container.setShutdownTimeout(2000));
            factory.setRecoveryInterval(200L);
            factory.setMonitorInterval(500);
            return factory;
        }
    }
}
