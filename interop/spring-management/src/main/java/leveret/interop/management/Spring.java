// SPDX-License-Identifier: Apache-2.0

package leveret.interop.management;

import com.rabbitmq.http.client.Client;
import com.rabbitmq.http.client.domain.QueueInfo;
import java.util.Map;
import leveret.interop.support.Broker;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.LocalizedQueueConnectionFactory;
import org.springframework.amqp.rabbit.connection.RestTemplateNodeLocator;
import org.springframework.amqp.rabbit.junit.BrokerRunningSupport;

/** What Spring AMQP itself asks: on which node a queue is, and in tests whether the broker is alive. */
final class Spring {
    private Spring() {
    }

    static void addTo(Suite suite) {
        suite.add("aQueuesNodeIsFound", Spring::aQueuesNodeIsFound)
            .add("testsFindOutWhetherTheBrokerIsAlive", Spring::testsFindOutWhetherTheBrokerIsAlive);
    }

    private static void aQueuesNodeIsFound(Scope scope) throws Exception {
        Client client = Api.client();
        String queue = Api.unique("queue");
        client.declareQueue("/", queue, new QueueInfo(true, false, false));
        scope.defer(() -> client.deleteQueue("/", queue));
        String address = Broker.host() + ":" + Broker.port();
        CachingConnectionFactory elsewhere = new CachingConnectionFactory(Broker.host(), 1);
        scope.defer(elsewhere::destroy);
        Map<String, String> nodes = Map.of(client.getQueue("/", queue).getNode(), address);
        LocalizedQueueConnectionFactory factory = new LocalizedQueueConnectionFactory(elsewhere, nodes,
            new String[] {Api.url()}, "/", Broker.user(), Broker.password(), false, null);
        factory.setNodeLocator(new RestTemplateNodeLocator());
        scope.defer(factory::destroy);
        try (var connection = factory.getTargetConnectionFactory("[" + queue + "]").createConnection()) {
            Check.isTrue("it is connected with the queue's node, and not elsewhere", connection.isOpen());
        }
    }

    private static void testsFindOutWhetherTheBrokerIsAlive(Scope scope) throws Exception {
        String queue = Api.unique("queue");
        BrokerRunningSupport support = BrokerRunningSupport.isBrokerAndManagementRunningWithEmptyQueues(queue);
        support.setHostName(Broker.host());
        support.setPort(Broker.port());
        support.setUser(Broker.user());
        support.setPassword(Broker.password());
        support.setAdminUri(Api.url());
        support.setAdminUser(Broker.user());
        support.setAdminPassword(Broker.password());
        support.test();
        Check.isTrue("the queue is there", Api.client().getQueue("/", queue) != null);
        support.removeTestQueues();
        Check.equal("the queue afterwards", null, Api.client().getQueue("/", queue));
    }
}
