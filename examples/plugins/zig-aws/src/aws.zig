//! weir/ext/aws.h, weir.aws/1, for Zig: as much of it as a call by JSON takes.
const weir = @import("weir.zig");

/// What revision 1 has; a host copies as much as struct_size says.
pub const Request = extern struct {
    struct_size: u32 = @sizeOf(Request),
    concurrency: i32 = 0,
    service: [*:0]const u8,
    target: [*:0]const u8,
    json: [*:0]const u8,
    body: weir.Str,
    endpoint: weir.Str = .{},
    region: weir.Str = .{},
    timeout_ms: i64 = 0,
    token: u64 = 0,
};

pub const Response = extern struct {
    struct_size: u32,
    outcome: i32,
    status: i32,
    sent: i32,
    body: weir.Str,
    error_type: weir.Str,
    error_message: weir.Str,
    request_id: weir.Str,
};

pub const Done = *const fn (*anyopaque, *const Response) callconv(.c) void;

pub const Aws = extern struct {
    revision: u32,
    struct_size: u32,
    call: *const fn (*weir.Instance, *const Request, Done, *anyopaque, ?*u64) callconv(.c) i32,
    abort: *const fn (*weir.Instance, u64) callconv(.c) void,
};

// The layout that revision 1 promises.
comptime {
    if (@sizeOf(Request) != 96 or @sizeOf(Response) != 80 or @sizeOf(Aws) != 24)
        @compileError("another layout than that of weir.aws/1");
}
