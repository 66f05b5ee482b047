//! weir/plugin.h, plugin ABI 1.1, for Rust: the same structs, member for member.
#![allow(dead_code)]
use std::os::raw::{c_char, c_void};

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
pub const EINVAL: i32 = 22;
pub const ENOTSUP: i32 = 95;

/// A NUL-terminated text, as C has it.
macro_rules! c {
    ($text:literal) => {
        concat!($text, "\0").as_ptr().cast::<std::os::raw::c_char>()
    };
}
pub(crate) use c;

/// What the host owns and a plugin only points at.
#[repr(C)]
pub struct Opaque {
    _private: [u8; 0],
}
pub type Instance = *mut Opaque;
pub type Delivery = *const Opaque;
pub type Record = *const Opaque;
pub type Value = *const Opaque;

/// UTF-8 text, not NUL-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub ptr: *const c_char,
    pub len: usize,
}

impl Str {
    pub const NONE: Str = Str { ptr: std::ptr::null(), len: 0 };

    pub fn of(text: &str) -> Str {
        Str { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// # Safety
    /// What it points at must live as long as the result is used.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        std::slice::from_raw_parts(self.ptr.cast(), self.len)
    }
}

#[repr(C)]
pub struct Option_ {
    pub name: *const c_char,
    pub fallback: *const c_char,
    pub type_: i32,
    pub flags: u32,
    pub choices: *const c_char,
    pub help: *const c_char,
}

#[repr(C)]
pub struct Subscription {
    pub struct_size: u32,
    pub events: u32,
    pub images: u32,
    pub changed_only: u32,
    pub attributes: *const *const c_char,
}

#[repr(C)]
pub struct Entry {
    pub value: Value,
    pub name: Str,
    pub text: Str,
    pub type_: i32,
    pub below: u32,
}

#[repr(C)]
pub struct Host {
    pub abi: u32,
    pub struct_size: u32,
    pub log: unsafe extern "C" fn(Instance, i32, Str),
    pub option_str: unsafe extern "C" fn(Instance, *const c_char, *mut Str) -> i32,
    pub option_i64: unsafe extern "C" fn(Instance, *const c_char, *mut i64) -> i32,
    pub option_error: unsafe extern "C" fn(Instance, *const c_char, Str),
    pub subscribe: unsafe extern "C" fn(Instance, *const Subscription) -> i32,
    pub declare: unsafe extern "C" fn(Instance, i32, Str),
    pub extension: unsafe extern "C" fn(Instance, *const c_char) -> *const c_void,
    pub count: unsafe extern "C" fn(Delivery) -> usize,
    pub at: unsafe extern "C" fn(Delivery, usize) -> Record,
    pub remaining_ms: unsafe extern "C" fn(Delivery) -> i64,
    pub event: unsafe extern "C" fn(Record) -> i32,
    pub created_us: unsafe extern "C" fn(Record, *mut i32) -> i64,
    pub images: unsafe extern "C" fn(Record) -> u32,
    pub lane: unsafe extern "C" fn(Record) -> u64,
    pub field: unsafe extern "C" fn(Record, i32) -> Str,
    pub image: unsafe extern "C" fn(Record, i32) -> Value,
    pub attr: unsafe extern "C" fn(Record, i32, *const c_char) -> Value,
    pub size: unsafe extern "C" fn(Value) -> usize,
    pub entry: unsafe extern "C" fn(Value, usize, *mut Str) -> Value,
    pub type_: unsafe extern "C" fn(Value) -> i32,
    pub text: unsafe extern "C" fn(Value) -> Str,
    pub json: unsafe extern "C" fn(Value) -> Str,
    pub equal: unsafe extern "C" fn(Value, Value) -> i32,
    pub token: unsafe extern "C" fn(Delivery) -> u64,
    pub complete: unsafe extern "C" fn(Instance, u64, usize, i32, Str),
    pub complete_rest: unsafe extern "C" fn(Instance, u64, i32, Str),
    pub walk: unsafe extern "C" fn(Value, usize, *mut Entry, usize) -> usize,
}

#[repr(C)]
pub struct Plugin {
    pub abi: u32,
    pub abi_min: u32,
    pub struct_size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub summary: *const c_char,
    pub options: *const Option_,
    pub subscription: Subscription,
    pub repeats: i32,
    pub batch_records: u32,
    pub open: unsafe extern "C" fn(*const Host, Instance, *mut *mut c_void) -> i32,
    pub close: unsafe extern "C" fn(*mut c_void),
    pub record: Option<unsafe extern "C" fn(*mut c_void, Record) -> i32>,
    pub deliver: Option<unsafe extern "C" fn(*mut c_void, Delivery)>,
    pub flush: Option<unsafe extern "C" fn(*mut c_void, i64)>,
    pub cancel: Option<unsafe extern "C" fn(*mut c_void, u64)>,
}

// Only constants with pointers to constants inside.
unsafe impl Sync for Plugin {}
unsafe impl Sync for Option_ {}

// The layout that plugin ABI 1.1 promises.
const _: () = assert!(std::mem::size_of::<Plugin>() == 128);
const _: () = assert!(std::mem::size_of::<Host>() == 224);
const _: () = assert!(std::mem::size_of::<Option_>() == 40);
const _: () = assert!(std::mem::size_of::<Subscription>() == 24);
const _: () = assert!(std::mem::size_of::<Entry>() == 48);
