// SPDX-License-Identifier: Apache-2.0

package leveret.interop.management;

import com.rabbitmq.http.client.Client;
import com.rabbitmq.http.client.ClientParameters;
import java.util.UUID;
import leveret.interop.support.Broker;
import leveret.interop.support.Scope;

/** The client of the management API, and virtual hosts that go with a test. */
final class Api {
    private Api() {
    }

    static String url() {
        return "http://" + Broker.host() + ":" + Broker.environment("MANAGEMENT_PORT") + "/api/";
    }

    static Client client() throws Exception {
        return client(Broker.user(), Broker.password());
    }

    static Client client(String user, String password) throws Exception {
        return new Client(new ClientParameters().url(url()).username(user).password(password));
    }

    static String unique(String name) {
        return "interop." + name + "." + UUID.randomUUID();
    }

    static String vhost(Scope scope) throws Exception {
        Client client = client();
        String name = unique("vhost");
        client.createVhost(name, "a shop", "a", "b");
        scope.defer(() -> client.deleteVhost(name));
        return name;
    }
}
