// SPDX-License-Identifier: Apache-2.0

package leveret.interop;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import leveret.interop.support.Check;

/** What the broker says when it refuses something: its reply code and text, and what it closes. */
final class Refusal {
    private Refusal() {
    }

    static void reply(ShutdownSignalException signal, int code, String text) {
        Method reason = signal.getReason();
        if (reason instanceof AMQP.Channel.Close close) {
            Check.equal("reply", code + " " + text, close.getReplyCode() + " " + close.getReplyText());
        } else if (reason instanceof AMQP.Connection.Close close) {
            Check.equal("reply", code + " " + text, close.getReplyCode() + " " + close.getReplyText());
        } else {
            throw new AssertionError("expected " + code + " " + text + ", got " + signal);
        }
    }

    static ShutdownSignalException failure(Check.Operation operation) throws Exception {
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
    static void channelError(Watched channel, int code, String text, Check.Operation operation) throws Exception {
        reply(failure(operation), code, text);
        closed(channel, code, text);
    }

    /** The broker must close the channel with this code and text. */
    static void closed(Watched channel, int code, String text) throws Exception {
        ShutdownSignalException signal = Check.next("the channel to be closed", channel.closed());
        reply(signal, code, text);
        Check.isTrue("the connection is still open", !signal.isHardError());
        Check.isTrue("the connection is still open", channel.getConnection().isOpen());
    }
}
