package weir.kcl;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.metrics.MetricsLevel;

/** The properties file, named as the MultiLangDaemon names its own; an unknown key is an error. */
final class Settings {
    private static final Set<String> KEYS = Set.of("executableName", "streamArn", "applicationName", "workerId",
            "initialPositionInStream", "failoverTimeMillis", "maxRecords", "idleTimeBetweenReadsInMillis",
            "metricsLevel", "shutdownGraceMillis", "clientVersionConfig", "workerMetricsReporterFreqInMillis",
            "shardSyncIntervalMillis");

    final List<String> command;
    final String streamArn;
    final String applicationName;
    final String workerId;
    final InitialPositionInStream initialPosition;
    final MetricsLevel metricsLevel;
    final CoordinatorConfig.ClientVersionConfig clientVersion;
    final long workerMetricsMillis;
    final long failoverMillis;
    final long shardSyncMillis;
    final long idleMillis;
    final long graceMillis;
    final int maxRecords;

    private Settings(Properties given) throws IOException {
        for (String key : given.stringPropertyNames()) {
            if (!KEYS.contains(key)) {
                throw new IllegalArgumentException("unknown property " + key + "; known: " + KEYS);
            }
        }
        command = List.of(needed(given, "executableName").split("\\s+"));
        streamArn = needed(given, "streamArn");
        applicationName = needed(given, "applicationName");
        workerId = given.getProperty("workerId", InetAddress.getLocalHost().getHostName() + ":" + UUID.randomUUID());
        initialPosition = InitialPositionInStream.valueOf(given.getProperty("initialPositionInStream", "TRIM_HORIZON"));
        metricsLevel = MetricsLevel.fromName(given.getProperty("metricsLevel", "NONE").toUpperCase(Locale.ROOT));
        clientVersion = CoordinatorConfig.ClientVersionConfig.valueOf(
                "CLIENT_VERSION_CONFIG_" + given.getProperty("clientVersionConfig", "3X"));
        workerMetricsMillis = Long.parseLong(given.getProperty("workerMetricsReporterFreqInMillis", "30000"));
        failoverMillis = Long.parseLong(given.getProperty("failoverTimeMillis", "10000"));
        shardSyncMillis = Long.parseLong(given.getProperty("shardSyncIntervalMillis", "60000"));
        idleMillis = Long.parseLong(given.getProperty("idleTimeBetweenReadsInMillis", "500"));
        graceMillis = Long.parseLong(given.getProperty("shutdownGraceMillis", "25000"));
        maxRecords = Integer.parseInt(given.getProperty("maxRecords", "1000")); // more the Streams API refuses
    }

    static Settings read(Path file) throws IOException {
        Properties given = new Properties();
        try (var reader = Files.newBufferedReader(file)) {
            given.load(reader);
        }
        return new Settings(given);
    }

    private static String needed(Properties given, String key) {
        String value = given.getProperty(key, "").trim();
        if (value.isEmpty()) {
            throw new IllegalArgumentException("property " + key + " is missing");
        }
        return value;
    }
}
