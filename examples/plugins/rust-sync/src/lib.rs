//! my_sink: logs every change of one attribute. record() is called for one record at a time and says
//! what became of it; nothing here may block, and no panic may leave.
mod weir;

use weir::c;

use std::ffi::{c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null;

struct Sink {
    host: &'static weir::Host,
    instance: weir::Instance,
    attribute: &'static CStr, // text of options lives until close()
    line: Vec<u8>,
}

impl Sink {
    /// Also runs for `weir check`, so it touches no network and no file.
    unsafe fn open(host: &'static weir::Host, instance: weir::Instance) -> Result<Sink, i32> {
        let mut attribute = weir::Str::NONE;
        (host.option_str)(instance, c!("attribute"), &mut attribute);
        if attribute.len == 0 {
            (host.option_error)(instance, c!("attribute"), weir::Str::of("it is empty"));
            return Err(-weir::EINVAL);
        }
        // Only records whose attribute differs between the two images come to record().
        let watched = [attribute.ptr, null()];
        let wants = weir::Subscription {
            struct_size: std::mem::size_of::<weir::Subscription>() as u32,
            events: weir::INSERT | weir::MODIFY | weir::REMOVE,
            images: (weir::OLD | weir::NEW) as u32,
            changed_only: 1,
            attributes: watched.as_ptr(),
        };
        match (host.subscribe)(instance, &wants) {
            0 => Ok(Sink { host, instance, attribute: CStr::from_ptr(attribute.ptr), line: Vec::new() }),
            error => Err(error),
        }
    }

    /// The value as it came, or "nothing"; numbers keep all their digits.
    unsafe fn put(&mut self, record: weir::Record, image: i32) {
        let value = (self.host.attr)(record, image, self.attribute.as_ptr());
        let shown = if value.is_null() { b"nothing" } else { (self.host.json)(value).bytes() };
        self.line.extend_from_slice(shown);
    }

    unsafe fn record(&mut self, record: weir::Record) -> i32 {
        self.line.clear();
        self.line.extend_from_slice(self.attribute.to_bytes());
        self.line.extend_from_slice(b": ");
        self.put(record, weir::OLD);
        self.line.extend_from_slice(b" -> ");
        self.put(record, weir::NEW);
        let line = weir::Str { ptr: self.line.as_ptr().cast(), len: self.line.len() };
        (self.host.log)(self.instance, weir::LOG_INFO, line);
        weir::OK
    }
}

unsafe extern "C" fn open(host: *const weir::Host, instance: weir::Instance, out: *mut *mut c_void) -> i32 {
    match catch_unwind(|| Sink::open(&*host, instance)) {
        Ok(Ok(sink)) => {
            *out = Box::into_raw(Box::new(sink)).cast();
            0
        }
        Ok(Err(error)) => error,
        Err(_) => -weir::EINVAL,
    }
}

unsafe extern "C" fn record(sink: *mut c_void, record: weir::Record) -> i32 {
    let sink = &mut *sink.cast::<Sink>();
    catch_unwind(AssertUnwindSafe(|| sink.record(record))).unwrap_or(weir::FAIL)
}

unsafe extern "C" fn close(sink: *mut c_void) {
    drop(Box::from_raw(sink.cast::<Sink>()));
}

static OPTIONS: [weir::Option_; 2] = [
    weir::Option_ {
        name: c!("attribute"),
        fallback: c!("\"price\""),
        type_: weir::O_STRING,
        flags: 0,
        choices: null(),
        help: c!("The attribute whose changes are logged."),
    },
    weir::Option_ { name: null(), fallback: null(), type_: 0, flags: 0, choices: null(), help: null() },
];

static PLUGIN: weir::Plugin = weir::Plugin {
    abi: weir::ABI,
    abi_min: weir::ABI_MIN,
    struct_size: std::mem::size_of::<weir::Plugin>() as u32,
    flags: 0,
    name: c!("my_sink"),
    version: c!("0.1.0"),
    summary: c!("Logs every change of one attribute."),
    options: OPTIONS.as_ptr(),
    subscription: weir::Subscription { struct_size: 0, events: 0, images: 0, changed_only: 0, attributes: null() },
    repeats: 0,
    batch_records: 0,
    open,
    close,
    record: Some(record),
    deliver: None,
    flush: None,
    cancel: None,
};

#[no_mangle]
pub extern "C" fn weir_plugin_entry(_host_abi: u32) -> *const weir::Plugin {
    &PLUGIN
}
