package weir.kcl;

import com.amazonaws.services.dynamodbv2.streamsadapter.adapter.DynamoDBStreamsClientRecord;
import com.amazonaws.services.dynamodbv2.streamsadapter.model.DynamoDBStreamsProcessRecordsInput;
import com.amazonaws.services.dynamodbv2.streamsadapter.processor.DynamoDBStreamsShardRecordProcessor;
import com.amazonaws.services.dynamodbv2.streamsadapter.serialization.RecordObjectMapper;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.services.dynamodb.model.Record;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;

/**
 * One shard, one weir process. KCL passes over records for which processRecords throws, so it never does: when
 * the process ends too early a new one gets the same records, until they are answered or this worker ends.
 */
final class ShardProcessor implements DynamoDBStreamsShardRecordProcessor {
    private static final Logger LOG = LoggerFactory.getLogger(ShardProcessor.class);
    private static final ObjectMapper RECORDS = new RecordObjectMapper();
    private static final long FIRST_PAUSE_MILLIS = 1000;
    private static final long LAST_PAUSE_MILLIS = 30000;
    private static final int EXIT_USAGE = 2;
    private static final int EXIT_SOFTWARE = 70;
    private static final int EXIT_CONFIG = 78;

    private final Settings settings;
    private String shard;
    private ObjectNode initialize;
    private Child child;

    ShardProcessor(Settings settings) {
        this.settings = settings;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.shardId();
        initialize = Child.message("initialize").put("shardId", shard)
                .put("sequenceNumber", input.extendedSequenceNumber().sequenceNumber())
                .put("subSequenceNumber", input.extendedSequenceNumber().subSequenceNumber());
        until(() -> { });
    }

    @Override
    public void processRecords(DynamoDBStreamsProcessRecordsInput input) {
        if (input.records().isEmpty()) {
            return;
        }
        try {
            ObjectNode message = Child.message("processRecords");
            ArrayNode records = message.putArray("records");
            for (DynamoDBStreamsClientRecord record : input.records()) {
                records.add(envelope(record.getRecord()));
            }
            message.put("millisBehindLatest", input.millisBehindLatest());
            ask(message, input.checkpointer());
        } catch (RuntimeException | Error e) {
            LOG.error("{}: records that can't be handed over", shard, e);
            Runtime.getRuntime().halt(EXIT_SOFTWARE);
        }
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
        ask(Child.message("shardEnded"), input.checkpointer());
        child.end();
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
        ask(Child.message("shutdownRequested"), input.checkpointer());
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
        try (Child last = child) {
            last.ask(Child.message("leaseLost"), null);
        } catch (IOException e) {
            LOG.info("{}: weir had ended before it heard that the lease is lost", shard);
        }
    }

    private void ask(ObjectNode message, RecordProcessorCheckpointer checkpointer) {
        until(() -> child.ask(message, checkpointer));
    }

    private interface Attempt {
        void run() throws IOException;
    }

    /** Tries until it succeeds, each time with a process that is initialized. */
    private void until(Attempt attempt) {
        for (long pause = FIRST_PAUSE_MILLIS;; pause = Math.min(2 * pause, LAST_PAUSE_MILLIS)) {
            try {
                if (child == null) {
                    child = new Child(settings.command, settings.streamArn);
                    child.ask(initialize, null);
                }
                attempt.run();
                return;
            } catch (IOException e) {
                int code = child == null ? -1 : child.end();
                child = null;
                LOG.error("{}: weir {} (exit code {}); the same records again in {} ms", shard, e.getMessage(), code,
                        pause);
                if (code == EXIT_CONFIG || code == EXIT_USAGE) {
                    Runtime.getRuntime().halt(code); // no shard would fare better
                }
                sleep(pause);
            }
        }
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Runtime.getRuntime().halt(1); // to return would be to say that the records are done
        }
    }

    /** As the MultiLangDaemon of KCL 1 with the streams adapter gives a record. */
    private static ObjectNode envelope(Record record) {
        ObjectNode json = RECORDS.valueToTree(record);
        ObjectNode change = (ObjectNode) json.get("dynamodb");
        if (!record.dynamodb().hasOldImage()) { // the SDK makes an empty map of what is not there
            change.remove("OldImage");
        }
        if (!record.dynamodb().hasNewImage()) {
            change.remove("NewImage");
        }
        if (record.userIdentity() == null) {
            json.remove("userIdentity");
        }
        ObjectNode envelope = Child.JSON.createObjectNode();
        try {
            envelope.put("data", RECORDS.writeValueAsBytes(json));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return envelope.putNull("partitionKey").put("sequenceNumber", record.dynamodb().sequenceNumber())
                .put("approximateArrivalTimestamp", change.path("ApproximateCreationDateTime").asLong())
                .putNull("subSequenceNumber").put("action", "record");
    }
}
