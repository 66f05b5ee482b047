//! weir/plugin.h, plugin ABI 1.1, for Zig: the same structs, member for member.
const std = @import("std");

pub const ABI: u32 = 1 << 16 | 1;
pub const ABI_MIN: u32 = 1 << 16;

pub const INSERT: u32 = 1;
pub const MODIFY: u32 = 2;
pub const REMOVE: u32 = 4;
pub const KEYS: i32 = 1;
pub const OLD: i32 = 2;
pub const NEW: i32 = 4;
pub const LOG_ERROR: i32 = 1;
pub const LOG_WARN: i32 = 2;
pub const LOG_INFO: i32 = 3;
pub const LOG_DEBUG: i32 = 4;
pub const OK: i32 = 1;
pub const SKIP: i32 = 2;
pub const RETRY: i32 = 3;
pub const FAIL: i32 = 4;
pub const DOWN: i32 = 5;
pub const F_EVENT_ID: i32 = 1;
pub const F_SEQUENCE: i32 = 2;
pub const F_IDENTITY: i32 = 3;
pub const F_ITEM_KEY: i32 = 7;
pub const F_EVENT_JSON: i32 = 10;
pub const O_STRING: i32 = 0;
pub const O_INT: i32 = 1;
pub const O_BOOL: i32 = 2;
pub const O_PATH: i32 = 7;
pub const O_REQUIRED: u32 = 1;
pub const P_KEEPS_ORDER: u32 = 1;
pub const D_TARGET: i32 = 2;
pub const D_IAM: i32 = 3;
pub const ENOMEM: i32 = 12;
pub const EINVAL: i32 = 22;
pub const ENOTSUP: i32 = 95;

/// What the host owns and a plugin only points at.
pub const Instance = opaque {};
pub const Delivery = opaque {};
pub const Record = opaque {};
pub const Value = opaque {};
const Name = [*:0]const u8;

/// UTF-8 text, not NUL-terminated.
pub const Str = extern struct {
    ptr: ?[*]const u8 = null,
    len: usize = 0,

    pub fn of(text: []const u8) Str {
        return .{ .ptr = text.ptr, .len = text.len };
    }

    /// Lives as long as what it is a view of.
    pub fn bytes(self: Str) []const u8 {
        return if (self.ptr) |ptr| ptr[0..self.len] else "";
    }
};

pub const Option = extern struct {
    name: ?Name = null,
    fallback: ?Name = null,
    type: i32 = O_STRING,
    flags: u32 = 0,
    choices: ?Name = null,
    help: ?Name = null,
};

pub const Subscription = extern struct {
    struct_size: u32 = 0,
    events: u32 = 0,
    images: u32 = 0,
    changed_only: u32 = 0,
    attributes: ?[*:null]const ?Name = null,
};

pub const Entry = extern struct {
    value: ?*const Value,
    name: Str,
    text: Str,
    type: i32,
    below: u32,
};

pub const Host = extern struct {
    abi: u32,
    struct_size: u32,
    log: *const fn (*Instance, i32, Str) callconv(.c) void,
    option_str: *const fn (*Instance, Name, *Str) callconv(.c) i32,
    option_i64: *const fn (*Instance, Name, *i64) callconv(.c) i32,
    option_error: *const fn (*Instance, Name, Str) callconv(.c) void,
    subscribe: *const fn (*Instance, *const Subscription) callconv(.c) i32,
    declare: *const fn (*Instance, i32, Str) callconv(.c) void,
    extension: *const fn (*Instance, Name) callconv(.c) ?*const anyopaque,
    count: *const fn (*const Delivery) callconv(.c) usize,
    at: *const fn (*const Delivery, usize) callconv(.c) *const Record,
    remaining_ms: *const fn (*const Delivery) callconv(.c) i64,
    event: *const fn (*const Record) callconv(.c) i32,
    created_us: *const fn (*const Record, *i32) callconv(.c) i64,
    images: *const fn (*const Record) callconv(.c) u32,
    lane: *const fn (*const Record) callconv(.c) u64,
    field: *const fn (*const Record, i32) callconv(.c) Str,
    image: *const fn (*const Record, i32) callconv(.c) ?*const Value,
    attr: *const fn (*const Record, i32, Name) callconv(.c) ?*const Value,
    size: *const fn (?*const Value) callconv(.c) usize,
    entry: *const fn (?*const Value, usize, ?*Str) callconv(.c) ?*const Value,
    type: *const fn (?*const Value) callconv(.c) i32,
    text: *const fn (?*const Value) callconv(.c) Str,
    json: *const fn (?*const Value) callconv(.c) Str,
    equal: *const fn (?*const Value, ?*const Value) callconv(.c) i32,
    token: *const fn (*const Delivery) callconv(.c) u64,
    complete: *const fn (*Instance, u64, usize, i32, Str) callconv(.c) void,
    complete_rest: *const fn (*Instance, u64, i32, Str) callconv(.c) void,
    walk: *const fn (?*const Value, usize, [*]Entry, usize) callconv(.c) usize,
};

pub const Plugin = extern struct {
    abi: u32 = ABI,
    abi_min: u32 = ABI_MIN,
    struct_size: u32 = @sizeOf(Plugin),
    flags: u32 = 0,
    name: Name,
    version: Name,
    summary: Name,
    options: ?[*]const Option = null,
    subscription: Subscription = .{},
    repeats: i32 = 0,
    batch_records: u32 = 0,
    open: *const fn (*const Host, *Instance, *?*anyopaque) callconv(.c) i32,
    close: *const fn (*anyopaque) callconv(.c) void,
    record: ?*const fn (*anyopaque, *const Record) callconv(.c) i32 = null,
    deliver: ?*const fn (*anyopaque, *const Delivery) callconv(.c) void = null,
    flush: ?*const fn (*anyopaque, i64) callconv(.c) void = null,
    cancel: ?*const fn (*anyopaque, u64) callconv(.c) void = null,
};

/// Of a root file: a panic says what it was and ends the process, as abort() does; Zig's own brings
/// half a megabyte that reads debug information.
pub const panic = std.debug.FullPanic(struct {
    fn end(message: []const u8, _: ?usize) noreturn {
        _ = std.c.write(2, message.ptr, message.len);
        _ = std.c.write(2, "\n", 1);
        std.c.abort();
    }
}.end);

// The layout that plugin ABI 1.1 promises.
comptime {
    const promised = .{
        .{ Plugin, 128 },
        .{ Host, 224 },
        .{ Option, 40 },
        .{ Subscription, 24 },
        .{ Entry, 48 },
    };
    for (promised) |one|
        if (@sizeOf(one[0]) != one[1])
            @compileError("another layout than that of plugin ABI 1.1");
}
