// The OpenTelemetry collector's own OTLP receiver, for tests: what it takes over HTTP is written to a file, one JSON
// object a line, {"metrics":...} or {"traces":...}, as the collector would write it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

type sink struct {
	sync.Mutex
	file *os.File
}

func (out *sink) put(kind string, json []byte, err error) error {
	if err != nil {
		return err
	}
	out.Lock()
	defer out.Unlock()
	_, err = fmt.Fprintf(out.file, "{%q:%s}\n", kind, json)
	return err
}

func (out *sink) metrics(_ context.Context, metrics pmetric.Metrics) error {
	json, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	return out.put("metrics", json, err)
}

func (out *sink) traces(_ context.Context, traces ptrace.Traces) error {
	json, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	return out.put("traces", json, err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: collector PORT FILE")
	}
	file, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	check(err)
	out, ctx, host := &sink{file: file}, context.Background(), componenttest.NewNopHost()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	config.GRPC = nil
	config.HTTP.ServerConfig.Endpoint = "127.0.0.1:" + os.Args[1]
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}
	metrics, err := consumer.NewMetrics(out.metrics)
	check(err)
	traces, err := consumer.NewTraces(out.traces)
	check(err)
	ofMetrics, err := factory.CreateMetrics(ctx, settings, config, metrics)
	check(err)
	ofTraces, err := factory.CreateTraces(ctx, settings, config, traces)
	check(err)
	check(ofMetrics.Start(ctx, host))
	check(ofTraces.Start(ctx, host))
	select {}
}
