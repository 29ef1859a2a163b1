// SPDX-License-Identifier: Apache-2.0

package leveret.interop.management;

import com.rabbitmq.http.client.Client;
import com.rabbitmq.http.client.HttpClientException;
import com.rabbitmq.http.client.domain.TopicPermissions;
import com.rabbitmq.http.client.domain.UserPermissions;
import com.rabbitmq.http.client.domain.VhostInfo;
import java.util.List;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** Users, permissions, virtual hosts and limits by the Java client. */
final class Users {
    private Users() {
    }

    static void addTo(Suite suite) {
        suite.add("usersGetPermissions", Users::usersGetPermissions)
            .add("vhostsHaveLimits", Users::vhostsHaveLimits);
    }

    private static void usersGetPermissions(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        String user = Api.unique("clerk");
        client.createUser(user, "secret".toCharArray(), List.of("management", "policymaker"));
        scope.defer(() -> client.deleteUser(user));
        Check.equal("tags", List.of("management", "policymaker"), client.getUser(user).getTags());
        client.updatePermissions(vhost, user, new UserPermissions("^a", "^b", "^c"));
        UserPermissions permissions = client.getPermissions(vhost, user);
        Check.equal("permissions", List.of("^a", "^b", "^c"),
            List.of(permissions.getRead(), permissions.getWrite(), permissions.getConfigure()));
        client.updateTopicPermissions(vhost, user, new TopicPermissions("amq.topic", "^r", "^w"));
        Check.equal("topic permissions", "^w", client.getTopicPermissions(vhost, user).get(0).getWrite());
        Check.equal("who that is", user, Api.client(user, "secret").whoAmI().getName());
        client.updateUser(user, "other".toCharArray(), List.of("monitoring"));
        HttpClientException error = Check.fails(HttpClientException.class, () -> Api.client(user, "secret").whoAmI());
        Check.equal("status", 401, error.status());
        client.clearTopicPermissions(vhost, user);
        client.clearPermissions(vhost, user);
        Check.equal("permissions", 0, client.getPermissionsOf(user).size());
    }

    private static void vhostsHaveLimits(Scope scope) throws Exception {
        Client client = Api.client();
        String vhost = Api.vhost(scope);
        VhostInfo info = client.getVhost(vhost);
        Check.equal("description", "a shop", info.getDescription());
        Check.equal("tags", List.of("a", "b"), info.getTags());
        client.limitMaxNumberOfQueues(vhost, 7);
        client.limitMaxNumberOfConnections(vhost, 9);
        Check.equal("limit of queues", 7, client.getVhostLimits(vhost).getMaxQueues());
        Check.equal("limit of connections", 9, client.getVhostLimits(vhost).getMaxConnections());
        client.clearMaxQueuesLimit(vhost);
        client.clearMaxConnectionsLimit(vhost);
        Check.equal("limit of queues", -1, client.getVhostLimits(vhost).getMaxQueues());
    }
}
