//! weir/ext/aws.h, weir.aws/1, for Rust: as much of it as a call by JSON takes.
use crate::weir::{Instance, Str};

use std::os::raw::{c_char, c_void};

/// What revision 1 has; a host copies as much as struct_size says.
#[repr(C)]
pub struct Request {
    pub struct_size: u32,
    pub concurrency: i32,
    pub service: *const c_char,
    pub target: *const c_char,
    pub json: *const c_char,
    pub body: Str,
    pub endpoint: Str,
    pub region: Str,
    pub timeout_ms: i64,
    pub token: u64,
}

#[repr(C)]
pub struct Response {
    pub struct_size: u32,
    pub outcome: i32,
    pub status: i32,
    pub sent: i32,
    pub body: Str,
    pub error_type: Str,
    pub error_message: Str,
    pub request_id: Str,
}

pub type Done = unsafe extern "C" fn(*mut c_void, *const Response);

#[repr(C)]
pub struct Aws {
    pub revision: u32,
    pub struct_size: u32,
    pub call: unsafe extern "C" fn(Instance, *const Request, Done, *mut c_void, *mut u64) -> i32,
    pub abort: unsafe extern "C" fn(Instance, u64),
}

// The layout that revision 1 promises.
const _: () = assert!(std::mem::size_of::<Request>() == 96);
const _: () = assert!(std::mem::size_of::<Response>() == 80);
const _: () = assert!(std::mem::size_of::<Aws>() == 24);
