//! Asks a broker for a topic's id, which tells a topic from another of the same name.
//!
//! A topic's name comes in, its id goes out as Kafka's own tools print it. The binding has no
//! such call, so these lines are unsafe; every object that is made here is given back here.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka_sys as native;

/// The id of `topic`, or what the broker or the client says instead. Blocks up to `timeout`.
pub(super) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<String, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive for the whole function; each object is made for it here, checked
    // for null and given back by its guard, the event before the queue that it came from.
    unsafe {
        let client = client.native_ptr();
        let queue = Owned::new(
            native::rd_kafka_queue_new(client),
            native::rd_kafka_queue_destroy,
        )?;
        let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Owned::new(
            native::rd_kafka_AdminOptions_new(client, operation),
            native::rd_kafka_AdminOptions_destroy,
        )?;
        // It only fails for a time outside of its range, and then has its own.
        native::rd_kafka_AdminOptions_set_request_timeout(
            options.get(),
            timeout_ms,
            ptr::null_mut(),
            0,
        );
        let mut names = [name.as_ptr()];
        let topics = Owned::new(
            native::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            native::rd_kafka_TopicCollection_destroy,
        )?;
        native::rd_kafka_DescribeTopics(client, topics.get(), options.get(), queue.get());
        // The answer comes at the request's own timeout at the latest; a second is its margin.
        let event = native::rd_kafka_queue_poll(queue.get(), timeout_ms.saturating_add(1000));
        if event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        let event = Owned::new(event, native::rd_kafka_event_destroy)?;
        check(native::rd_kafka_event_error(event.get()))?;
        read(event.get())
    }
}

/// Reads the answer.
///
/// # Safety
///
/// `event` must be a live event.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> Result<String, RDKafkaErrorCode> {
    // SAFETY: the answer, its topics and their ids belong to the event, which lives; all is
    // checked for null.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let topics = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() || count == 0 {
            return Err(RDKafkaErrorCode::UnknownTopicOrPartition);
        }
        let topic = *topics;
        let error = native::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            check(native::rd_kafka_error_code(error))?;
        }
        let id = native::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Err(RDKafkaErrorCode::UnsupportedFeature);
        }
        let text = native::rd_kafka_Uuid_base64str(id);
        if text.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        // Kafka's tools print the alphabet for URLs.
        let text = CStr::from_ptr(text).to_string_lossy();
        Ok(text.replace('+', "-").replace('/', "_"))
    }
}

fn check(code: RDKafkaRespErr) -> Result<(), RDKafkaErrorCode> {
    match code {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

/// An object of librdkafka and what gives it back.
struct Owned<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// # Safety
    ///
    /// `pointer` must be null or ours alone, and `destroy` the way to give it back.
    unsafe fn new(
        pointer: *mut T,
        destroy: unsafe extern "C" fn(*mut T),
    ) -> Result<Owned<T>, RDKafkaErrorCode> {
        let pointer = NonNull::new(pointer).ok_or(RDKafkaErrorCode::CriticalSystemResource)?;
        Ok(Owned { pointer, destroy })
    }

    fn get(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `new` was promised that this is how it is given back, and it is done once.
        unsafe { (self.destroy)(self.pointer.as_ptr()) };
    }
}
