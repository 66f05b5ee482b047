//! my_sink: logs every change of one attribute. record() is called for one record at a time and says
//! what became of it; nothing here may block, and a panic ends the host.
const std = @import("std");
const weir = @import("weir.zig");

pub const panic = weir.panic;
const memory = std.heap.c_allocator;

const Sink = struct {
    host: *const weir.Host,
    instance: *weir.Instance,
    attribute: [:0]const u8, // text of options lives until close()
    line: std.ArrayList(u8) = .empty,

    /// The value as it came, or "nothing"; numbers keep all their digits.
    fn shown(self: *const Sink, rec: *const weir.Record, image: i32) []const u8 {
        const value = self.host.attr(rec, image, self.attribute) orelse return "nothing";
        return self.host.json(value).bytes();
    }

    fn write(self: *Sink, rec: *const weir.Record) !void {
        self.line.clearRetainingCapacity();
        for ([_][]const u8{
            self.attribute,
            ": ",
            self.shown(rec, weir.OLD),
            " -> ",
            self.shown(rec, weir.NEW),
        }) |part|
            try self.line.appendSlice(memory, part);
        self.host.log(self.instance, weir.LOG_INFO, .of(self.line.items));
    }
};

/// Also runs for `weir check`, so it touches no network and no file.
fn open(host: *const weir.Host, instance: *weir.Instance, out: *?*anyopaque) callconv(.c) i32 {
    var attribute: weir.Str = .{};
    _ = host.option_str(instance, "attribute", &attribute);
    if (attribute.len == 0) {
        host.option_error(instance, "attribute", .of("it is empty"));
        return -weir.EINVAL;
    }
    const name = attribute.bytes().ptr[0..attribute.len :0];

    // Only records whose attribute differs between the two images come to record().
    const watched = [_:null]?[*:0]const u8{name};
    const rc = host.subscribe(instance, &.{
        .struct_size = @sizeOf(weir.Subscription),
        .events = weir.INSERT | weir.MODIFY | weir.REMOVE,
        .images = weir.OLD | weir.NEW,
        .changed_only = 1,
        .attributes = &watched,
    });
    if (rc < 0)
        return rc;
    const sink = memory.create(Sink) catch return -weir.ENOMEM;
    sink.* = .{ .host = host, .instance = instance, .attribute = name };
    out.* = sink;
    return 0;
}

fn record(self: *anyopaque, rec: *const weir.Record) callconv(.c) i32 {
    const sink: *Sink = @ptrCast(@alignCast(self));
    sink.write(rec) catch return weir.RETRY; // out of memory
    return weir.OK;
}

fn close(self: *anyopaque) callconv(.c) void {
    const sink: *Sink = @ptrCast(@alignCast(self));
    sink.line.deinit(memory);
    memory.destroy(sink);
}

const options = [_]weir.Option{
    .{
        .name = "attribute",
        .fallback = "\"price\"",
        .type = weir.O_STRING,
        .help = "The attribute whose changes are logged.",
    },
    .{},
};

const plugin: weir.Plugin = .{
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Logs every change of one attribute.",
    .options = &options,
    .open = open,
    .close = close,
    .record = record,
};

export fn weir_plugin_entry(_: u32) *const weir.Plugin {
    return &plugin;
}
