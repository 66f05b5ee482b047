//! my_sink: sends every record as a message to an SQS queue, by weir.aws/1: the host signs the calls,
//! keeps the connections and makes exactly one attempt; weir itself tries a record again. A panic
//! ends the host.
const std = @import("std");
const aws = @import("aws.zig");
const weir = @import("weir.zig");

pub const panic = weir.panic;
const memory = std.heap.c_allocator;

const Sink = struct {
    host: *const weir.Host,
    instance: *weir.Instance,
    aws: *const aws.Aws,
    queue_url: weir.Str, // text of options lives until close()

    fn send(self: *const Sink, token: u64, index: usize, message: []const u8) !void {
        const call = try memory.create(Call);
        errdefer call.free();
        call.* = .{ .sink = self, .token = token, .index = index };
        try call.body.appendSlice(memory, "{\"QueueUrl\":");
        try putJsonString(&call.body, self.queue_url.bytes());
        try call.body.appendSlice(memory, ",\"MessageBody\":");
        try putJsonString(&call.body, message);
        try call.body.append(memory, '}');
        const request: aws.Request = .{
            .service = "sqs",
            .target = "AmazonSQS.SendMessage",
            .json = "1.0",
            .body = .of(call.body.items), // lives until done()
            .endpoint = self.queue_url,
            .token = token, // when the delivery is revoked, the call is aborted
        };
        if (self.aws.call(self.instance, &request, done, call, null) < 0)
            return error.NotCalled;
    }
};

const Call = struct { // one message on its way
    sink: *const Sink,
    token: u64,
    index: usize, // of its record in the delivery
    body: std.ArrayList(u8) = .empty,

    fn free(self: *Call) void {
        self.body.deinit(memory);
        memory.destroy(self);
    }
};

fn putJsonString(out: *std.ArrayList(u8), text: []const u8) !void {
    try out.append(memory, '"');
    for (text) |byte| switch (byte) {
        '"', '\\' => try out.appendSlice(memory, &.{ '\\', byte }),
        0...0x1f => {
            const digits = "0123456789abcdef";
            try out.appendSlice(memory, "\\u00");
            try out.appendSlice(memory, &.{ digits[byte >> 4], digits[byte & 15] });
        },
        else => try out.append(memory, byte),
    };
    try out.append(memory, '"');
}

/// What the host made of the answer is right for this call: a validation error is this record's
/// fault, throttling or a missing queue is the sink's.
fn done(arg: *anyopaque, response: *const aws.Response) callconv(.c) void {
    const call: *Call = @ptrCast(@alignCast(arg));
    const sink = call.sink;
    const reason: weir.Str = if (response.outcome == weir.OK) .{} else response.error_type;
    sink.host.complete(sink.instance, call.token, call.index, response.outcome, reason);
    call.free();
}

/// Also runs for `weir check`, so it touches no network and no file.
fn open(host: *const weir.Host, instance: *weir.Instance, out: *?*anyopaque) callconv(.c) i32 {
    const table = host.extension(instance, "weir.aws/1") orelse {
        host.log(instance, weir.LOG_ERROR, .of("this host has no weir.aws/1"));
        return -weir.ENOTSUP;
    };
    var queue_url: weir.Str = .{};
    _ = host.option_str(instance, "queue_url", &queue_url);
    const url = queue_url.bytes();
    if (!std.mem.startsWith(u8, url, "https://") and !std.mem.startsWith(u8, url, "http://")) {
        host.option_error(instance, "queue_url", .of("it is no URL"));
        return -weir.EINVAL;
    }
    host.declare(instance, weir.D_TARGET, queue_url);
    host.declare(instance, weir.D_IAM, .of("sqs:SendMessage *"));
    const sink = memory.create(Sink) catch return -weir.ENOMEM;
    sink.* = .{
        .host = host,
        .instance = instance,
        .aws = @ptrCast(@alignCast(table)),
        .queue_url = queue_url,
    };
    out.* = sink;
    return 0;
}

fn deliver(self: *anyopaque, delivery: *const weir.Delivery) callconv(.c) void {
    const sink: *const Sink = @ptrCast(@alignCast(self));
    const token = sink.host.token(delivery);
    // The delivery ends with its last completion.
    for (0..sink.host.count(delivery)) |i| {
        const message = sink.host.field(sink.host.at(delivery, i), weir.F_EVENT_JSON);
        sink.send(token, i, message.bytes()) catch |err|
            sink.host.complete(sink.instance, token, i, weir.RETRY, .of(@errorName(err)));
    }
}

fn close(self: *anyopaque) callconv(.c) void {
    const sink: *Sink = @ptrCast(@alignCast(self));
    memory.destroy(sink);
}

const options = [_]weir.Option{
    .{
        .name = "queue_url",
        .fallback = "\"https://sqs.us-east-1.amazonaws.com/123456789012/changes\"",
        .type = weir.O_STRING,
        .help = "The queue that gets one message a record.",
    },
    .{},
};

const plugin: weir.Plugin = .{
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Sends every record to an SQS queue.",
    .options = &options,
    .subscription = .{ .struct_size = @sizeOf(weir.Subscription) }, // every event; no image is read
    .batch_records = 16, // one call a record: that many in flight
    .open = open,
    .close = close,
    .deliver = deliver,
};

export fn weir_plugin_entry(_: u32) *const weir.Plugin {
    return &plugin;
}
