// SPDX-License-Identifier: Apache-2.0

package leveret.interop.jms;

import jakarta.jms.BytesMessage;
import jakarta.jms.MapMessage;
import jakarta.jms.Message;
import jakarta.jms.MessageFormatException;
import jakarta.jms.MessageProducer;
import jakarta.jms.ObjectMessage;
import jakarta.jms.Queue;
import jakarta.jms.Session;
import jakarta.jms.StreamMessage;
import jakarta.jms.TextMessage;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import leveret.interop.support.Check;
import leveret.interop.support.Scope;
import leveret.interop.support.Suite;

/** The five kinds of messages, and properties of every type. */
final class MessageTypes {
    private final Session session;
    private final Queue queue;

    private MessageTypes(Scope scope) throws Exception {
        Client client = new Client(scope);
        session = client.session();
        queue = client.queue(session, "types");
    }

    static void addTo(Suite suite) {
        suite.add("jms_text_message", MessageTypes::text);
        suite.add("jms_bytes_message", MessageTypes::bytes);
        suite.add("jms_map_message", MessageTypes::map);
        suite.add("jms_stream_message", MessageTypes::stream);
        suite.add("jms_object_message", MessageTypes::object);
        suite.add("jms_message_without_a_body", MessageTypes::empty);
        suite.add("jms_large_message", MessageTypes::large);
        suite.add("jms_properties_of_every_type", MessageTypes::properties);
    }

    /** Sends the message and gives back what comes. */
    private <M extends Message> M pass(M message, Class<M> kind) throws Exception {
        try (MessageProducer producer = session.createProducer(queue); var consumer = session.createConsumer(queue)) {
            producer.send(message);
            Message got = consumer.receive(Client.WAIT_MS);
            Check.isTrue("a " + kind.getSimpleName() + " comes: " + got, kind.isInstance(got));
            return kind.cast(got);
        }
    }

    private static void text(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        for (String text : new String[] {"plain", "\u20ac \ud83d\ude00", "", null}) {
            Check.equal("text", text, types.pass(types.session.createTextMessage(text), TextMessage.class).getText());
        }
    }

    private static void bytes(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        BytesMessage sent = types.session.createBytesMessage();
        sent.writeByte((byte) -1);
        sent.writeInt(1 << 30);
        sent.writeUTF("\u20ac");
        sent.writeDouble(0.1);
        sent.writeBytes(new byte[] {0, (byte) 0xce, 3});
        BytesMessage got = types.pass(sent, BytesMessage.class);
        Check.equal("byte", (byte) -1, got.readByte());
        Check.equal("int", 1 << 30, got.readInt());
        Check.equal("text", "\u20ac", got.readUTF());
        Check.equal("double", 0.1, got.readDouble());
        byte[] rest = new byte[3];
        Check.equal("length of the rest", 3, got.readBytes(rest));
        Check.equal("the rest", new byte[] {0, (byte) 0xce, 3}, rest);
    }

    private static void map(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        MapMessage sent = types.session.createMapMessage();
        sent.setString("text", "\u20ac");
        sent.setLong("long", Long.MIN_VALUE);
        sent.setBoolean("flag", true);
        sent.setBytes("bytes", new byte[] {1, 2});
        sent.setChar("char", 'c');
        MapMessage got = types.pass(sent, MapMessage.class);
        Check.equal("text", "\u20ac", got.getString("text"));
        Check.equal("long", Long.MIN_VALUE, got.getLong("long"));
        Check.equal("flag", true, got.getBoolean("flag"));
        Check.equal("bytes", new byte[] {1, 2}, got.getBytes("bytes"));
        Check.equal("char", 'c', got.getChar("char"));
        Check.equal("missing", false, got.itemExists("missing"));
        Check.equal("entries", 5, Collections.list((java.util.Enumeration<?>) got.getMapNames()).size());
    }

    private static void stream(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        StreamMessage sent = types.session.createStreamMessage();
        sent.writeShort((short) 7);
        sent.writeString("text");
        sent.writeFloat(1.5f);
        sent.writeObject(null);
        StreamMessage got = types.pass(sent, StreamMessage.class);
        Check.equal("short", (short) 7, got.readShort());
        Check.equal("text", "text", got.readString());
        Check.equal("float", 1.5f, got.readFloat());
        Check.equal("null", null, got.readObject());
    }

    private static void object(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        ArrayList<String> list = new ArrayList<>(List.of("a", "b"));
        Check.equal("object", list,
            types.pass(types.session.createObjectMessage(list), ObjectMessage.class).getObject());
    }

    private static void empty(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        Message sent = types.session.createMessage();
        sent.setStringProperty("only", "a property");
        Check.equal("property", "a property", types.pass(sent, Message.class).getStringProperty("only"));
    }

    private static void large(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        String text = "0123456789".repeat(300_000);
        String got = types.pass(types.session.createTextMessage(text), TextMessage.class).getText();
        Check.isTrue("the text is the same", text.equals(got));
    }

    private static void properties(Scope scope) throws Exception {
        MessageTypes types = new MessageTypes(scope);
        TextMessage sent = types.session.createTextMessage("text");
        sent.setBooleanProperty("boolean", true);
        sent.setByteProperty("byte", (byte) -2);
        sent.setShortProperty("short", (short) -300);
        sent.setIntProperty("int", -70_000);
        sent.setLongProperty("long", 1L << 40);
        sent.setFloatProperty("float", 1.25f);
        sent.setDoubleProperty("double", 1e100);
        sent.setStringProperty("string", "\u20ac");
        sent.setIntProperty("JMSXGroupSeq", 3);
        sent.setStringProperty("JMSXGroupID", "group");
        TextMessage got = types.pass(sent, TextMessage.class);
        Check.equal("boolean", true, got.getBooleanProperty("boolean"));
        Check.equal("byte", (byte) -2, got.getByteProperty("byte"));
        Check.equal("short", (short) -300, got.getShortProperty("short"));
        Check.equal("int", -70_000, got.getIntProperty("int"));
        Check.equal("long", 1L << 40, got.getLongProperty("long"));
        Check.equal("float", 1.25f, got.getFloatProperty("float"));
        Check.equal("double", 1e100, got.getDoubleProperty("double"));
        Check.equal("string", "\u20ac", got.getStringProperty("string"));
        Check.equal("group", "group", got.getStringProperty("JMSXGroupID"));
        Check.equal("place in the group", 3, got.getIntProperty("JMSXGroupSeq"));
        Check.equal("int as text", "-70000", got.getStringProperty("int"));
        Check.fails(MessageFormatException.class, () -> got.getBooleanProperty("int"));
    }
}
