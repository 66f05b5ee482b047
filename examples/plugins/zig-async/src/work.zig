//! weir/ext/work.h, weir.work/1, for Zig.
const weir = @import("weir.zig");

pub const Call = *const fn (*anyopaque) callconv(.c) void;

pub const Work = extern struct {
    revision: u32,
    struct_size: u32,
    /// run on a pool thread, then done on the host's; 0 or -errno, and neither is called.
    submit: *const fn (*weir.Instance, run: Call, done: Call, arg: *anyopaque) callconv(.c) i32,
};
