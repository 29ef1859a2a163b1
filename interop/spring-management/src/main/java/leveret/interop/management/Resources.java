// SPDX-License-Identifier: Apache-2.0

package leveret.interop.management;

import com.rabbitmq.http.client.Client;
import com.rabbitmq.http.client.domain.BindingInfo;
import com.rabbitmq.http.client.domain.DeleteQueueParameters;
import com.rabbitmq.http.client.domain.ExchangeInfo;
import com.rabbitmq.http.client.domain.OutboundMessage;
import com.rabbitmq.http.client.domain.PolicyInfo;
import com.rabbitmq.http.client.domain.QueryParameters;
import com.rabbitmq.http.client.domain.QueueInfo;
import com.rabbitmq.http.client.HttpClientException;
import java.util.List;
import java.util.Map;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Queues, exchanges, bindings, policies and messages by the Java client. */
final class Resources {
    private Resources() {
    }

    static void addTo(Suite suite) {
        suite.add("queuesAreDeclaredAndDeleted", Resources::queuesAreDeclaredAndDeleted)
            .add("exchangesAreBound", Resources::exchangesAreBound)
            .add("messagesArePublishedAndGot", Resources::messagesArePublishedAndGot)
            .add("policiesApply", Resources::policiesApply)
            .add("listsComeInPages", Resources::listsComeInPages)
            .add("theBrokerIsShown", Resources::theBrokerIsShown);
    }

    private static void queuesAreDeclaredAndDeleted(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        client.declareQueue(vhost, "orders", new QueueInfo(true, false, false, Map.of("x-max-length", 5)));
        client.declareQueue(vhost, "kept", new QueueInfo(true, false, false, Map.of("x-queue-type", "quorum")));
        QueueInfo queue = client.getQueue(vhost, "orders");
        Check.isTrue("the queue is durable", queue.isDurable());
        Check.equal("arguments", Map.of("x-max-length", 5), queue.getArguments());
        Check.equal("type", "quorum", client.getQueue(vhost, "kept").getType());
        HttpClientException error = Check.fails(HttpClientException.class,
            () -> client.declareQueue(vhost, "orders", new QueueInfo(false, false, false)));
        Check.equal("status of a declaration that differs", 400, error.status());
        client.publish(vhost, "amq.default", "orders", new OutboundMessage().payload("x").utf8Encoded());
        error = Check.fails(HttpClientException.class,
            () -> client.deleteQueue(vhost, "orders", new DeleteQueueParameters(true, false)));
        Check.equal("status of deleting what is not empty", 400, error.status());
        client.purgeQueue(vhost, "orders");
        client.deleteQueue(vhost, "orders", new DeleteQueueParameters(true, true));
        Check.equal("a queue that is gone", null, client.getQueue(vhost, "orders"));
    }

    private static void exchangesAreBound(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        client.declareExchange(vhost, "shop", new ExchangeInfo("topic", true, false));
        client.declareQueue(vhost, "orders", new QueueInfo(true, false, false));
        client.bindQueue(vhost, "orders", "shop", "eu.#", Map.of("weight", 3));
        client.bindExchange(vhost, "amq.fanout", "shop", "lost");
        List<BindingInfo> found = client.getQueueBindingsBetween(vhost, "shop", "orders");
        Check.equal("bindings", 1, found.size());
        Check.equal("routing key", "eu.#", found.get(0).getRoutingKey());
        Check.equal("arguments", Map.of("weight", 3), found.get(0).getArguments());
        Check.equal("bindings of the source", 2, client.getBindingsBySource(vhost, "shop").size());
        Check.equal("bindings of the target", 1, client.getExchangeBindingsByDestination(vhost, "amq.fanout").size());
        client.unbindExchange(vhost, "amq.fanout", "shop", "lost");
        Check.equal("bindings", 0, client.getExchangeBindingsBetween(vhost, "shop", "amq.fanout").size());
        Check.equal("type", "topic", client.getExchange(vhost, "shop").getType());
        client.deleteExchange(vhost, "shop");
        Check.equal("an exchange that is gone", null, client.getExchange(vhost, "shop"));
    }

    private static void messagesArePublishedAndGot(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        client.declareQueue(vhost, "orders", new QueueInfo(true, false, false));
        OutboundMessage message = new OutboundMessage().payload("hello").utf8Encoded()
            .properties(Map.of("delivery_mode", 2, "content_type", "text/plain", "headers", Map.of("a", 1)));
        Check.isTrue("it is not routed", !client.publish(vhost, "amq.direct", "none", message));
        client.bindQueue(vhost, "orders", "amq.direct", "eu");
        Check.isTrue("it is routed", client.publish(vhost, "amq.direct", "eu", message));
        var got = client.get(vhost, "orders");
        Check.equal("payload", "hello", got.getPayload());
        Check.equal("content type", "text/plain", got.getProperties().get("content_type"));
        Check.isTrue("it comes for the first time", !got.isRedelivered());
        Check.equal("what is left over", 0, got.getMessageCount());
    }

    private static void policiesApply(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        client.declareQueue(vhost, "orders", new QueueInfo(true, false, false));
        client.declarePolicy(vhost, "lengths", new PolicyInfo("^orders", 1, "queues", Map.of("max-length", 5)));
        client.declareOperatorPolicy(vhost, "ages", new PolicyInfo(".*", 0, "queues", Map.of("message-ttl", 1000)));
        Check.eventually("the policy applies", () -> "lengths".equals(client.getQueue(vhost, "orders").getPolicy()));
        List<String> names = client.getPolicies(vhost).stream().map(PolicyInfo::getName).toList();
        Check.equal("policies", List.of("lengths"), names);
        Check.equal("operator policies", 1, client.getOperatorPolicies(vhost).size());
        client.deletePolicy(vhost, "lengths");
        client.deleteOperatorPolicy(vhost, "ages");
        Check.equal("policies", 0, client.getPolicies(vhost).size());
    }

    private static void listsComeInPages(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        for (int i = 0; i < 7; i++) {
            client.declareQueue(vhost, "orders." + i, new QueueInfo(true, false, false));
        }
        var query = new QueryParameters().name("^orders", true).pagination().pageSize(3).query();
        var first = client.getQueues(vhost, query);
        Check.equal("queues of the page", 3, first.getItemsAsList().size());
        Check.equal("queues that match", 7, first.getFilteredCount());
        Check.equal("pages", 3, first.getPageCount());
        Check.equal("the next page", 2, client.getQueues(vhost, query.pagination().nextPage(first).query()).getPage());
    }

    private static void theBrokerIsShown(Scope scope) throws Exception {
        Client client = Api.client();
        Check.isTrue("it is alive", client.alivenessTest("/"));
        Check.isTrue("it has a version", !client.getOverview().getServerVersion().isEmpty());
        var node = client.getNodes().get(0);
        Check.isTrue("its node runs", client.getNode(node.getName()).isRunning());
        Check.isTrue("it has exchange types", !node.getExchangeTypes().isEmpty());
        Check.isTrue("it has definitions", !client.getDefinitions().getUsers().isEmpty());
        client.getConnections();
        client.getChannels();
        client.getConsumers();
        client.getExtensions();
    }
}
