//! my_sink: appends every record to a file, a line each. deliver() gets several records at once and
//! may complete them later, from any thread: a thread of the sink's own writes the file, since the
//! one that calls deliver() must never block. No panic may leave.
mod weir;

use weir::c;

use std::ffi::{c_void, CStr, OsStr};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::ptr::null;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{self, JoinHandle};

/// What the host gave; its calls from count() on may be made from any thread.
#[derive(Clone, Copy)]
struct Host {
    calls: &'static weir::Host,
    instance: weir::Instance,
}
unsafe impl Send for Host {}

/// A delivery lives until the last of its records is completed.
struct Job {
    delivery: weir::Delivery,
    token: u64,
}
unsafe impl Send for Job {}

struct Writer {
    host: Host,
    path: &'static Path, // text of options lives until close()
    file: Option<File>,
    lines: Vec<u8>,
}

impl Writer {
    fn append(&mut self, job: &Job) -> io::Result<()> {
        let calls = self.host.calls;
        self.lines.clear();
        unsafe {
            for i in 0..(calls.count)(job.delivery) {
                let record = (calls.at)(job.delivery, i);
                self.lines.extend_from_slice((calls.field)(record, weir::F_EVENT_JSON).bytes());
                self.lines.push(b'\n');
            }
        }
        if self.file.is_none() {
            self.file = Some(OpenOptions::new().append(true).create(true).open(self.path)?);
        }
        let mut file = self.file.as_ref().unwrap();
        file.write_all(&self.lines)?;
        file.sync_data()
    }

    /// Until the sink is closed. A file that can't be written is the sink's trouble, not a record's.
    fn run(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            match self.append(&job) {
                Ok(()) => self.host.complete(job.token, weir::OK, ""),
                Err(error) => self.host.complete(job.token, weir::DOWN, &error.to_string()),
            }
        }
    }
}

impl Host {
    fn complete(&self, token: u64, outcome: i32, reason: &str) {
        unsafe { (self.calls.complete_rest)(self.instance, token, outcome, weir::Str::of(reason)) }
    }
}

struct Sink {
    host: Host,
    path: &'static Path,
    worker: Option<(Sender<Job>, JoinHandle<()>)>, // from the first delivery on
}

impl Sink {
    unsafe fn open(calls: &'static weir::Host, instance: weir::Instance) -> Sink {
        let mut path = weir::Str::NONE;
        (calls.option_str)(instance, c!("path"), &mut path);
        (calls.declare)(instance, weir::D_TARGET, path);
        let path = Path::new(OsStr::from_bytes(CStr::from_ptr(path.ptr).to_bytes()));
        Sink { host: Host { calls, instance }, path, worker: None }
    }

    fn deliver(&mut self, job: Job) -> io::Result<()> {
        if self.worker.is_none() {
            let writer = Writer { host: self.host, path: self.path, file: None, lines: Vec::new() };
            let (sender, jobs) = channel();
            let thread = thread::Builder::new().name("my_sink".into()).spawn(move || writer.run(jobs))?;
            self.worker = Some((sender, thread));
        }
        let (sender, _) = self.worker.as_ref().unwrap();
        sender.send(job).map_err(|_| io::Error::new(io::ErrorKind::Other, "the thread has ended"))
    }
}

/// Comes when nothing is left to complete.
impl Drop for Sink {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.worker.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

unsafe extern "C" fn open(host: *const weir::Host, instance: weir::Instance, out: *mut *mut c_void) -> i32 {
    match catch_unwind(|| Sink::open(&*host, instance)) {
        Ok(sink) => {
            *out = Box::into_raw(Box::new(sink)).cast();
            0
        }
        Err(_) => -weir::EINVAL,
    }
}

unsafe extern "C" fn deliver(sink: *mut c_void, delivery: weir::Delivery) {
    let sink = &mut *sink.cast::<Sink>();
    let host = sink.host;
    let token = (host.calls.token)(delivery);
    match catch_unwind(AssertUnwindSafe(|| sink.deliver(Job { delivery, token }))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => host.complete(token, weir::RETRY, &error.to_string()),
        Err(_) => host.complete(token, weir::RETRY, "panic"),
    }
}

unsafe extern "C" fn close(sink: *mut c_void) {
    drop(Box::from_raw(sink.cast::<Sink>()));
}

static OPTIONS: [weir::Option_; 2] = [
    weir::Option_ {
        name: c!("path"),
        fallback: c!("\"changes.jsonl\""),
        type_: weir::O_PATH,
        flags: 0,
        choices: null(),
        help: c!("The file that gets one line a record; relative to the configuration."),
    },
    weir::Option_ { name: null(), fallback: null(), type_: 0, flags: 0, choices: null(), help: null() },
];

static PLUGIN: weir::Plugin = weir::Plugin {
    abi: weir::ABI,
    abi_min: weir::ABI_MIN,
    struct_size: std::mem::size_of::<weir::Plugin>() as u32,
    flags: weir::P_KEEPS_ORDER, // a whole delivery succeeds or fails, in order
    name: c!("my_sink"),
    version: c!("0.1.0"),
    summary: c!("Appends every record to a file."),
    options: OPTIONS.as_ptr(),
    subscription: weir::Subscription { struct_size: 0, events: 0, images: 0, changed_only: 0, attributes: null() },
    repeats: 0,
    batch_records: 0,
    open,
    close,
    record: None,
    deliver: Some(deliver),
    flush: None,
    cancel: None,
};

#[no_mangle]
pub extern "C" fn weir_plugin_entry(_host_abi: u32) -> *const weir::Plugin {
    &PLUGIN
}
