package weir.kcl;

import com.amazonaws.services.dynamodbv2.streamsadapter.AmazonDynamoDBStreamsAdapterClient;
import com.amazonaws.services.dynamodbv2.streamsadapter.StreamsSchedulerFactory;
import com.amazonaws.services.dynamodbv2.streamsadapter.polling.DynamoDBStreamsPollingConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.metrics.MetricsConfig;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.ShardRecordProcessorFactory;
import software.amazon.kinesis.processor.StreamTracker;

/**
 * A KCL 3 worker on a DynamoDB stream that hands each shard to a weir process of its own. Leases, balancing,
 * lineage and checkpoints are KCL's; decoding, routing and delivery weir's. Region, credentials and endpoints
 * come from where the AWS SDK looks for them.
 */
public final class Bridge {
    private static final Logger LOG = LoggerFactory.getLogger(Bridge.class);

    private Bridge() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("usage: weir-kcl-bridge FILE.properties");
            System.exit(2);
        }
        Settings settings = Settings.read(Path.of(arguments[0]));
        Scheduler scheduler = scheduler(settings);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(scheduler, settings, main)));
        scheduler.run();
        LOG.info("the scheduler has ended");
    }

    private static Scheduler scheduler(Settings settings) {
        var region = DefaultAwsRegionProviderChain.builder().build().getRegion();
        var streams = new AmazonDynamoDBStreamsAdapterClient(DynamoDbStreamsClient.create(), region);
        StreamTracker tracker = StreamsSchedulerFactory.createSingleStreamTracker(settings.streamArn,
                InitialPositionInStreamExtended.newInitialPosition(settings.initialPosition));
        ShardRecordProcessorFactory processors = () -> new ShardProcessor(settings);
        ConfigsBuilder configs = new ConfigsBuilder(tracker, settings.applicationName, streams,
                DynamoDbAsyncClient.create(), CloudWatchAsyncClient.create(), settings.workerId, processors);

        DynamoDBStreamsPollingConfig polling = new DynamoDBStreamsPollingConfig(streams);
        polling.idleTimeBetweenReadsInMillis(settings.idleMillis);
        polling.maxRecords(settings.maxRecords);
        CoordinatorConfig coordinator = configs.coordinatorConfig()
                .skipShardSyncAtWorkerInitializationIfLeasesExist(true)
                .clientVersionConfig(settings.clientVersion);
        LeaseManagementConfig leases = configs.leaseManagementConfig().failoverTimeMillis(settings.failoverMillis)
                .shardSyncIntervalMillis(settings.shardSyncMillis);
        leases.workerUtilizationAwareAssignmentConfig().workerMetricsReporterFreqInMillis(settings.workerMetricsMillis);
        MetricsConfig metrics = configs.metricsConfig();
        if (settings.metricsLevel == MetricsLevel.NONE) {
            metrics.metricsFactory(new NullMetricsFactory());
        }
        metrics.metricsLevel(settings.metricsLevel);
        return StreamsSchedulerFactory.createScheduler(configs.checkpointConfig(), coordinator, leases,
                configs.lifecycleConfig(), metrics, configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(polling), streams);
    }

    /** Lets every shard finish its batch and checkpoint it; the leases are then free at once. */
    private static void stop(Scheduler scheduler, Settings settings, Thread main) {
        try {
            scheduler.startGracefulShutdown().get(settings.graceMillis, TimeUnit.MILLISECONDS);
            main.join(1000);
        } catch (Exception e) {
            LOG.warn("no graceful end within {} ms: {}", settings.graceMillis, e.toString());
        }
        Runtime.getRuntime().halt(0);
    }
}
