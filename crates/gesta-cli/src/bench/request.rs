//! The bytes of a request, with places to patch.

/// Added to every time in an event, so that it has 16 digits from the first nanosecond on.
pub(crate) const TIME_BASE: u64 = 1_000_000_000_000_000;

/// What stands before the time in an event's data.
pub(crate) const TIME_MARK: &[u8] = b"\"sent_ns\":";

/// The type of every event that is sent.
pub(crate) const EVENT_TYPE: &str = "bench.measured";

const TIME: &str = "1000000000000000";
const STREAM: &str = "00000000";

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Whether the event store's route is called instead of the event service's.
    pub(crate) append: bool,
    /// Events of one request.
    pub(crate) events: usize,
    /// Bytes of one event's data, about.
    pub(crate) payload_bytes: usize,
    /// Whether relaxed durability is asked for.
    pub(crate) relaxed: bool,
    /// `host:port`.
    pub(crate) authority: String,
    /// The path before `/api`, often empty.
    pub(crate) base_path: String,
    /// More header lines, each with its line end.
    pub(crate) headers: String,
}

/// One request as bytes, and where its stream and times stand.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    streams: Vec<usize>,
    times: Vec<usize>,
}

impl Request {
    /// A request of this shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        let body = if shape.append { append_body(shape) } else { publish_body(shape) };
        let route = match (shape.append, shape.events) {
            (true, _) => format!("/api/v1/streams/bench-{STREAM}"),
            (false, 1) => "/api/v1/events/publish".to_owned(),
            (false, _) => "/api/v1/events/publish/batch".to_owned(),
        };
        let text = format!(
            "POST {}{route} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n{body}",
            shape.base_path,
            shape.authority,
            shape.headers,
            body.len(),
        );
        let places =
            |mark: &str| -> Vec<usize> { text.match_indices(mark).map(|(at, _)| at + mark.len()).collect() };
        let (streams, times) = (places("bench-"), places("\"sent_ns\":"));
        Self { bytes: text.into_bytes(), streams, times }
    }

    /// The bytes, for this stream and this time.
    pub(crate) fn patched(&mut self, stream: u32, time_ns: u64) -> &[u8] {
        for at in &self.streams {
            digits(&mut self.bytes[*at..*at + STREAM.len()], u64::from(stream));
        }
        for at in &self.times {
            digits(&mut self.bytes[*at..*at + TIME.len()], TIME_BASE + time_ns);
        }
        &self.bytes
    }
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
}

fn data(shape: &Shape) -> String {
    let bare = format!("{{\"sent_ns\":{TIME},\"text\":\"\"}}");
    let text = "x".repeat(shape.payload_bytes.saturating_sub(bare.len()));
    format!("{{\"sent_ns\":{TIME},\"text\":\"{text}\"}}")
}

fn publish_body(shape: &Shape) -> String {
    let relaxed = if shape.relaxed { ",\"durability\":\"relaxed\"" } else { "" };
    let event = format!(
        "{{\"event_type\":\"{EVENT_TYPE}\",\"source_service\":\"gesta\",\"subject\":\"bench-{STREAM}\",\"payload\":{}{relaxed}}}",
        data(shape)
    );
    if shape.events == 1 {
        event
    } else {
        format!("{{\"events\":[{}]}}", vec![event; shape.events].join(","))
    }
}

fn append_body(shape: &Shape) -> String {
    let relaxed = if shape.relaxed { ",\"durability\":\"relaxed\"" } else { "" };
    let event = format!("{{\"type\":\"{EVENT_TYPE}\",\"data\":{}}}", data(shape));
    format!("{{\"events\":[{}]{relaxed}}}", vec![event; shape.events].join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(append: bool, events: usize) -> Shape {
        let (authority, base_path, headers) = ("h:1".to_owned(), String::new(), String::new());
        Shape { append, events, payload_bytes: 100, relaxed: true, authority, base_path, headers }
    }

    fn body(bytes: &[u8]) -> &[u8] {
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = str::from_utf8(&bytes[..at]).expect("ASCII");
        let body = &bytes[at + 4..];
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        body
    }

    #[test]
    fn a_patched_request_is_what_the_server_takes() {
        let mut one = Request::new(&shape(false, 1));
        let request: gesta_api::PublishRequest = gesta_api::parse(body(one.patched(42, 7))).expect("legal");
        assert_eq!(request.subject.as_deref(), Some("bench-00000042"));
        assert!(request.payload.get().starts_with("{\"sent_ns\":1000000000000007,"));
        assert_eq!(request.payload.get().len(), 100);
        let mut many = Request::new(&shape(false, 3));
        let batch: gesta_api::PublishBatchRequest =
            gesta_api::parse(body(many.patched(1, 1))).expect("legal");
        assert_eq!(batch.events.len(), 3);
        let mut append = Request::new(&shape(true, 2));
        let bytes = append.patched(9, 1).to_vec();
        assert!(bytes.starts_with(b"POST /api/v1/streams/bench-00000009 HTTP/1.1\r\n"));
        let request: gesta_api::AppendRequest = gesta_api::parse(body(&bytes)).expect("legal");
        assert_eq!(request.events.len(), 2);
    }
}
