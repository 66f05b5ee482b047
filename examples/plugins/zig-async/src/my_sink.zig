//! my_sink: appends every record to a file, a line each. deliver() gets several records at once and
//! may complete them later: the file is written by a pool thread (weir.work/1), since the thread that
//! calls deliver() must never block. A panic ends the host.
const std = @import("std");
const weir = @import("weir.zig");
const work = @import("work.zig");

pub const panic = weir.panic;
const memory = std.heap.c_allocator;

extern "c" fn strerror(c_int) [*:0]const u8;

const Sink = struct {
    host: *const weir.Host,
    instance: *weir.Instance,
    work: *const work.Work,
    path: [*:0]const u8, // text of options lives until close()
    file: c_int = -1, // until the first write; only the pool thread uses it

    /// 0 or errno.
    fn append(self: *Sink, text: []const u8) c_int {
        if (self.file < 0)
            self.file = std.c.open(self.path, .{
                .ACCMODE = .WRONLY,
                .CREAT = true,
                .APPEND = true,
                .CLOEXEC = true,
            }, @as(c_uint, 0o644));
        if (self.file < 0)
            return std.c._errno().*;
        var left = text;
        while (left.len > 0) {
            const wrote = std.c.write(self.file, left.ptr, left.len);
            if (wrote < 0 and std.c._errno().* != @intFromEnum(std.c.E.INTR))
                return std.c._errno().*;
            left = left[@intCast(@max(wrote, 0))..];
        }
        return if (std.c.fdatasync(self.file) < 0) std.c._errno().* else 0;
    }

    fn submit(self: *Sink, delivery: *const weir.Delivery) !void {
        const job = try memory.create(Job);
        errdefer job.free();
        job.* = .{ .sink = self, .token = self.host.token(delivery) };
        for (0..self.host.count(delivery)) |i| {
            const line = self.host.field(self.host.at(delivery, i), weir.F_EVENT_JSON);
            try job.lines.appendSlice(memory, line.bytes());
            try job.lines.append(memory, '\n');
        }
        if (self.work.submit(self.instance, run, done, job) < 0)
            return error.OutOfMemory;
    }
};

const Job = struct { // one delivery on its way into the file
    sink: *Sink,
    token: u64,
    lines: std.ArrayList(u8) = .empty,
    err: c_int = 0,

    fn free(self: *Job) void {
        self.lines.deinit(memory);
        memory.destroy(self);
    }
};

/// On a pool thread; those of one sink run one after the other.
fn run(arg: *anyopaque) callconv(.c) void {
    const job: *Job = @ptrCast(@alignCast(arg));
    job.err = job.sink.append(job.lines.items);
}

/// Back on the host's thread. A file that can't be written is the sink's trouble, not a record's.
fn done(arg: *anyopaque) callconv(.c) void {
    const job: *Job = @ptrCast(@alignCast(arg));
    const sink = job.sink;
    const reason: weir.Str = if (job.err == 0) .{} else .of(std.mem.span(strerror(job.err)));
    const outcome = if (job.err == 0) weir.OK else weir.DOWN;
    sink.host.complete_rest(sink.instance, job.token, outcome, reason);
    job.free();
}

fn open(host: *const weir.Host, instance: *weir.Instance, out: *?*anyopaque) callconv(.c) i32 {
    // An extension may be absent: ask, and say so.
    const table = host.extension(instance, "weir.work/1") orelse {
        host.log(instance, weir.LOG_ERROR, .of("this host has no weir.work/1"));
        return -weir.ENOTSUP;
    };
    var path: weir.Str = .{};
    _ = host.option_str(instance, "path", &path);
    host.declare(instance, weir.D_TARGET, path);
    const sink = memory.create(Sink) catch return -weir.ENOMEM;
    sink.* = .{
        .host = host,
        .instance = instance,
        .work = @ptrCast(@alignCast(table)),
        .path = path.bytes().ptr[0..path.len :0],
    };
    out.* = sink;
    return 0;
}

fn deliver(self: *anyopaque, delivery: *const weir.Delivery) callconv(.c) void {
    const sink: *Sink = @ptrCast(@alignCast(self));
    sink.submit(delivery) catch {
        const token = sink.host.token(delivery);
        sink.host.complete_rest(sink.instance, token, weir.RETRY, .of("out of memory"));
    };
}

/// Comes after the last done().
fn close(self: *anyopaque) callconv(.c) void {
    const sink: *Sink = @ptrCast(@alignCast(self));
    if (sink.file >= 0)
        _ = std.c.close(sink.file);
    memory.destroy(sink);
}

const options = [_]weir.Option{
    .{
        .name = "path",
        .fallback = "\"changes.jsonl\"",
        .type = weir.O_PATH,
        .help = "The file that gets one line a record; relative to the configuration.",
    },
    .{},
};

const plugin: weir.Plugin = .{
    .flags = weir.P_KEEPS_ORDER, // a whole delivery succeeds or fails, in order
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Appends every record to a file.",
    .options = &options,
    .open = open,
    .close = close,
    .deliver = deliver,
};

export fn weir_plugin_entry(_: u32) *const weir.Plugin {
    return &plugin;
}
