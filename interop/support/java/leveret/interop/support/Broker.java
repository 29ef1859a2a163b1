// SPDX-License-Identifier: Apache-2.0

package leveret.interop.support;

import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** The broker under test, as interop/run describes it in the environment. */
public final class Broker {
    public static final boolean QUICK = "1".equals(System.getenv("INTEROP_QUICK"));

    static final long RESTART_SECONDS = 120;

    private Broker() {
    }

    /** One of the variables that describe the broker. */
    public static String environment(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set (start the suite with interop/run)");
        }
        return value;
    }

    public static boolean isRabbitMQ() {
        return "rabbitmq".equals(System.getenv("BROKER_NAME"));
    }

    public static String host() {
        return environment("AMQP_HOST");
    }

    public static int port() {
        return Integer.parseInt(environment("AMQP_PORT"));
    }

    public static String user() {
        return environment("AMQP_USER");
    }

    public static String password() {
        return environment("AMQP_PASSWORD");
    }

    public static String vhost() {
        return environment("AMQP_VHOST");
    }

    /** Restarts the broker and returns once it accepts connections again. */
    public static void restart() throws IOException, InterruptedException {
        shell(environment("BROKER_RESTART"));
    }

    /** The same after a SIGKILL. */
    public static void crash() throws IOException, InterruptedException {
        shell(environment("BROKER_CRASH"));
    }

    private static void shell(String command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder("sh", "-c", command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
        Check.isTrue(command + " ends", process.waitFor(RESTART_SECONDS, TimeUnit.SECONDS));
        Check.equal("status of " + command, 0, process.exitValue());
    }
}
