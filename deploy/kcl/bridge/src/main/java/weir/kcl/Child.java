package weir.kcl;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;

/** A weir process, and the MultiLangDaemon's protocol with it: one line of JSON each way. */
final class Child implements AutoCloseable {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final long CLOSE_SECONDS = 30; // sinks that are not required finish what they have

    private final Process process;
    private final OutputStream to;
    private final BufferedReader from;

    /** What it was asked is not done, and nobody says that it is. */
    static final class Failed extends IOException {
        private static final long serialVersionUID = 1;

        Failed(String message) {
            super(message);
        }
    }

    Child(List<String> command, String streamArn) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("STREAM_ARN", streamArn);
        process = builder.start();
        to = process.getOutputStream();
        from = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    static ObjectNode message(String action) {
        return JSON.createObjectNode().put("action", action);
    }

    /** Sends a message, makes the checkpoints that are asked for, and returns when it is answered by `status`. */
    void ask(ObjectNode message, RecordProcessorCheckpointer checkpointer) throws IOException {
        String action = message.get("action").asText();
        send(message);
        for (;;) {
            JsonNode answer = receive();
            String said = answer.path("action").asText();
            if (said.equals("status") && answer.path("responseFor").asText().equals(action)) {
                return;
            }
            if (!said.equals("checkpoint")) {
                throw new Failed("said " + answer + " in answer to " + action);
            }
            send(checkpoint(answer.path("sequenceNumber").asText(null), checkpointer));
        }
    }

    private ObjectNode checkpoint(String number, RecordProcessorCheckpointer checkpointer) {
        ObjectNode done = message("checkpoint").put("sequenceNumber", number).putNull("subSequenceNumber");
        try {
            if (checkpointer == null) {
                return done.put("error", "InvalidStateException");
            }
            if (number == null) {
                checkpointer.checkpoint();
            } else {
                checkpointer.checkpoint(number);
            }
            return done.putNull("error");
        } catch (Exception e) {
            return done.put("error", e.getClass().getSimpleName());
        }
    }

    private void send(ObjectNode message) throws IOException {
        to.write((JSON.writeValueAsString(message) + "\n").getBytes(StandardCharsets.UTF_8));
        to.flush();
    }

    private JsonNode receive() throws IOException {
        String line = from.readLine();
        if (line == null) {
            throw new Failed("ended");
        }
        return JSON.readTree(line);
    }

    /** Closes its standard input, on which it ends; returns its exit code. */
    int end() {
        try {
            to.close();
        } catch (IOException e) {
            // it has ended already
        }
        try {
            if (process.waitFor(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                return process.exitValue();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        process.destroyForcibly();
        return -1;
    }

    @Override
    public void close() {
        end();
    }
}
