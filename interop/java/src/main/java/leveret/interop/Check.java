// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** What a test may expect. Each throws an AssertionError that says what was expected and what came. */
final class Check {
    static final long WAIT_SECONDS = 10;

    private Check() {
    }

    interface Operation {
        void run() throws Exception;
    }

    static void isTrue(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void equal(String what, Object expected, Object got) {
        if (!Objects.deepEquals(expected, got)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + got);
        }
    }

    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (!holds.call()) {
            isTrue(what + ": not so after " + WAIT_SECONDS + " s", System.nanoTime() < deadline);
            Thread.sleep(20);
        }
    }

    static <E> E next(String what, BlockingQueue<E> queue) throws InterruptedException {
        E element = queue.poll(WAIT_SECONDS, TimeUnit.SECONDS);
        isTrue(what + ": nothing after " + WAIT_SECONDS + " s", element != null);
        return element;
    }

    static void reply(ShutdownSignalException signal, int code, String text) {
        Method reason = signal.getReason();
        if (reason instanceof AMQP.Channel.Close close) {
            equal("reply", code + " " + text, close.getReplyCode() + " " + close.getReplyText());
        } else if (reason instanceof AMQP.Connection.Close close) {
            equal("reply", code + " " + text, close.getReplyCode() + " " + close.getReplyText());
        } else {
            throw new AssertionError("expected " + code + " " + text + ", got " + signal);
        }
    }

    static ShutdownSignalException failure(Operation operation) throws Exception {
        try {
            operation.run();
        } catch (ShutdownSignalException signal) {
            return signal;
        } catch (IOException error) {
            if (error.getCause() instanceof ShutdownSignalException signal) {
                return signal;
            }
            throw error;
        }
        throw new AssertionError("nothing was refused");
    }

    /** The operation must fail, and close its channel alone, with this code and text. */
    static void channelError(Watched channel, int code, String text, Operation operation) throws Exception {
        reply(failure(operation), code, text);
        closed(channel, code, text);
    }

    /** The broker must close the channel with this code and text. */
    static void closed(Watched channel, int code, String text) throws Exception {
        ShutdownSignalException signal = next("the channel to be closed", channel.closed());
        reply(signal, code, text);
        isTrue("the connection was closed, too", !signal.isHardError());
        isTrue("the connection was closed, too", channel.getConnection().isOpen());
    }
}
