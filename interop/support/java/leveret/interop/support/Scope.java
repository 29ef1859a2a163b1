// SPDX-License-Identifier: Apache-2.0

package leveret.interop.support;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

/** What belongs to one test: names of its own, and what is to be cleaned up behind it. */
public final class Scope {
    private static final String RUN = Integer.toHexString(ThreadLocalRandom.current().nextInt());
    private static final AtomicInteger COUNT = new AtomicInteger();

    private final String test;
    private final int number = COUNT.incrementAndGet();
    private final Deque<AutoCloseable> deferred = new ArrayDeque<>();

    Scope(String test) {
        this.test = test;
    }

    public String test() {
        return test;
    }

    /** A name of this test's own; short, because a reply text that names it is cut off at 255 bytes. */
    public String name(String suffix) {
        return "interop." + RUN + "." + number + "." + suffix;
    }

    /** Closes it when the test is over, last deferred first. */
    public <T extends AutoCloseable> T defer(T closeable) {
        deferred.push(closeable);
        return closeable;
    }

    /** Closes everything, and then throws what the first close threw that failed. */
    void cleanUp() throws Exception {
        Exception first = null;
        while (!deferred.isEmpty()) {
            try {
                deferred.pop().close();
            } catch (Exception error) {
                first = first == null ? error : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
