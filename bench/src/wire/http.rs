//! HTTP/1.1 to the event service and the event store.

use std::fmt::Write as _;

use super::{Wire, Workload};

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// One event a request.
    Publish,
    /// One event a request, acknowledged before the flush.
    PublishRelaxed,
    /// So many events a request, to one subject.
    PublishBatch(usize),
    /// The same, acknowledged before the flush.
    PublishBatchRelaxed(usize),
}

/// A publisher.
pub(crate) struct Http {
    route: Route,
    workload: Workload,
}

impl Http {
    /// The publisher of a connection.
    pub(crate) fn new(route: Route, connection: u64) -> Self {
        Self { route, workload: Workload::new(connection) }
    }

    fn event(&mut self, stream: u64, sent_at: u64, body: &mut String) {
        let (id, data) = (Workload::id(), self.workload.data(stream, sent_at));
        let metadata = Workload::metadata();
        let durability = if matches!(self.route, Route::PublishRelaxed | Route::PublishBatchRelaxed(_)) {
            ",\"durability\":\"relaxed\""
        } else {
            ""
        };
        let written = write!(
            body,
            "{{\"event_id\":\"{id}\",\"event_type\":\"sample.created\",\"source_service\":\"bench\",\
             \"subject\":\"sample-{stream}\",\"payload\":{data},\"metadata\":{metadata}{durability}}}"
        );
        written.expect("writing to a string cannot fail");
    }
}

impl Wire for Http {
    fn request(&mut self, sent_at: u64, buffer: &mut Vec<u8>) {
        let stream = self.workload.stream();
        let mut body = String::with_capacity(1024);
        let path = match self.route {
            Route::Publish | Route::PublishRelaxed => {
                self.event(stream, sent_at, &mut body);
                "/api/v1/events/publish"
            }
            Route::PublishBatch(events) | Route::PublishBatchRelaxed(events) => {
                body.push_str("{\"events\":[");
                for at in 0..events {
                    body.push_str(if at == 0 { "" } else { "," });
                    self.event(stream, sent_at, &mut body);
                }
                body.push_str("]}");
                "/api/v1/events/publish/batch"
            }
        };
        post(path, &body, buffer);
    }

    fn reply(&self, bytes: &[u8]) -> Result<Option<usize>, String> {
        Ok(whole_reply(bytes)?.map(|(_, end)| end))
    }
}

/// Where the body of the reply at the start of `bytes` begins and ends, once it is whole. Fails on a refusal.
pub(crate) fn whole_reply(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|cause| cause.to_string())?;
    let length = content_length(text).ok_or("the reply has no content-length")?;
    let (body, end) = (head + 4, head + 4 + length);
    if bytes.len() < end {
        return Ok(None);
    }
    if text.starts_with("HTTP/1.1 2") {
        return Ok(Some((body, end)));
    }
    let status = text.lines().next().unwrap_or("");
    Err(format!("refused: {status} {}", String::from_utf8_lossy(&bytes[body..end])))
}

/// Writes a request with a body of JSON.
pub(crate) fn post(path: &str, body: &str, buffer: &mut Vec<u8>) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    buffer.extend_from_slice(head.as_bytes());
    buffer.extend_from_slice(body.as_bytes());
}

/// A request without a body.
pub(crate) fn get(path: &str, accept: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: {accept}\r\n\r\n")
}

fn content_length(head: &str) -> Option<usize> {
    let line =
        head.lines().find(|line| line.len() > 15 && line[..15].eq_ignore_ascii_case("content-length:"))?;
    line[15..].trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_or_not() {
        let http = Http::new(Route::Publish, 1);
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}next";
        assert_eq!(http.reply(&reply[..39]), Ok(None));
        assert_eq!(http.reply(reply), Ok(Some(reply.len() - 4)));
        assert!(http.reply(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn a_batch_is_json() {
        let mut buffer = Vec::new();
        Http::new(Route::PublishBatch(3), 1).request(0, &mut buffer);
        let at = buffer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let body: serde_json::Value = serde_json::from_slice(&buffer[at..]).expect("JSON");
        assert_eq!(body["events"].as_array().map(Vec::len), Some(3));
    }
}
