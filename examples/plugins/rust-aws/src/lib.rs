//! my_sink: sends every record as a message to an SQS queue, by weir.aws/1: the host signs the calls,
//! keeps the connections and makes exactly one attempt; weir itself tries a record again. No panic
//! may leave.
mod aws;
mod weir;

use weir::c;

use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};

struct Sink {
    host: &'static weir::Host,
    instance: weir::Instance,
    aws: &'static aws::Aws,
    queue_url: weir::Str, // text of options lives until close()
}

/// One message on its way; the sink is there until its last call is done.
struct Call {
    host: &'static weir::Host,
    instance: weir::Instance,
    token: u64,
    index: usize, // of its record in the delivery
    body: Vec<u8>,
}

impl Sink {
    /// Also runs for `weir check`, so it touches no network and no file.
    unsafe fn open(host: &'static weir::Host, instance: weir::Instance) -> Result<Sink, i32> {
        let aws = (host.extension)(instance, c!("weir.aws/1")).cast::<aws::Aws>();
        if aws.is_null() {
            (host.log)(instance, weir::LOG_ERROR, weir::Str::of("this host has no weir.aws/1"));
            return Err(-weir::ENOTSUP);
        }
        let mut queue_url = weir::Str::NONE;
        (host.option_str)(instance, c!("queue_url"), &mut queue_url);
        let url = queue_url.bytes();
        if !url.starts_with(b"https://") && !url.starts_with(b"http://") {
            (host.option_error)(instance, c!("queue_url"), weir::Str::of("it is no URL"));
            return Err(-weir::EINVAL);
        }
        (host.declare)(instance, weir::D_TARGET, queue_url);
        (host.declare)(instance, weir::D_IAM, weir::Str::of("sqs:SendMessage *"));
        Ok(Sink { host, instance, aws: &*aws, queue_url })
    }

    unsafe fn send(&self, token: u64, index: usize, message: &[u8]) {
        let mut body = Vec::with_capacity(message.len() + message.len() / 4 + 200);
        body.extend_from_slice(b"{\"QueueUrl\":");
        put_json_string(&mut body, self.queue_url.bytes());
        body.extend_from_slice(b",\"MessageBody\":");
        put_json_string(&mut body, message);
        body.push(b'}');
        let call = Box::new(Call { host: self.host, instance: self.instance, token, index, body });
        let request = aws::Request {
            struct_size: std::mem::size_of::<aws::Request>() as u32,
            concurrency: 0,
            service: c!("sqs"),
            target: c!("AmazonSQS.SendMessage"),
            json: c!("1.0"),
            body: weir::Str { ptr: call.body.as_ptr().cast(), len: call.body.len() }, // lives until done()
            endpoint: self.queue_url,
            region: weir::Str::NONE,
            timeout_ms: 0,
            token, // when the delivery is revoked, the call is aborted
        };
        let call = Box::into_raw(call); // done() has it
        if (self.aws.call)(self.instance, &request, done, call.cast(), null_mut()) < 0 {
            Box::from_raw(call).complete(weir::RETRY, weir::Str::of("the call could not be made"));
        }
    }

    unsafe fn deliver(&self, delivery: weir::Delivery) {
        let token = (self.host.token)(delivery);
        let count = (self.host.count)(delivery); // the delivery ends with its last completion
        for i in 0..count {
            let message = (self.host.field)((self.host.at)(delivery, i), weir::F_EVENT_JSON);
            self.send(token, i, message.bytes());
        }
    }
}

impl Call {
    unsafe fn complete(self, outcome: i32, reason: weir::Str) {
        (self.host.complete)(self.instance, self.token, self.index, outcome, reason);
    }
}

fn put_json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{:04x}", byte).as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// What the host made of the answer is right for this call: a validation error is this record's fault,
/// throttling or a missing queue is the sink's.
unsafe extern "C" fn done(call: *mut c_void, response: *const aws::Response) {
    let (call, response) = (Box::from_raw(call.cast::<Call>()), &*response);
    let reason = if response.outcome == weir::OK { weir::Str::NONE } else { response.error_type };
    call.complete(response.outcome, reason);
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

unsafe extern "C" fn deliver(sink: *mut c_void, delivery: weir::Delivery) {
    let sink = &*sink.cast::<Sink>();
    let token = (sink.host.token)(delivery);
    // What was under way already comes again: a repeat.
    if catch_unwind(AssertUnwindSafe(|| sink.deliver(delivery))).is_err() {
        (sink.host.complete_rest)(sink.instance, token, weir::RETRY, weir::Str::of("panic"));
    }
}

unsafe extern "C" fn close(sink: *mut c_void) {
    drop(Box::from_raw(sink.cast::<Sink>()));
}

static OPTIONS: [weir::Option_; 2] = [
    weir::Option_ {
        name: c!("queue_url"),
        fallback: c!("\"https://sqs.us-east-1.amazonaws.com/123456789012/changes\""),
        type_: weir::O_STRING,
        flags: 0,
        choices: null(),
        help: c!("The queue that gets one message a record."),
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
    summary: c!("Sends every record to an SQS queue."),
    options: OPTIONS.as_ptr(),
    subscription: weir::Subscription {
        struct_size: std::mem::size_of::<weir::Subscription>() as u32, // every event; no image is read
        events: 0,
        images: 0,
        changed_only: 0,
        attributes: null(),
    },
    repeats: 0,
    batch_records: 16, // one call a record: that many in flight
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
