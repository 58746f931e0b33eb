//! Writes each event of the program's own log as one JSON object a line.
//!
//! By hand, because every request is such a line: the formatter that comes with tracing-subscriber builds a map of
//! values for each, which cost a busy server a third of its time.

use std::{fmt, io::Write};

use gesta_core::{Clock, SystemClock};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// The layer that hands every line to `to`, its line feed included.
pub(super) struct JsonLines<F>(pub(super) F);

impl<S: Subscriber, F: Fn(Vec<u8>) + 'static> Layer<S> for JsonLines<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(Vec::with_capacity(512));
        line.0.extend_from_slice(b"{");
        line.put("timestamp", &SystemClock.now());
        line.put("level", event.metadata().level().as_str());
        event.record(&mut line);
        line.put("target", event.metadata().target());
        line.0.extend_from_slice(b"}\n");
        (self.0)(line.0);
    }
}

/// A line that is being written.
struct Line(Vec<u8>);

impl Line {
    fn put(&mut self, key: &str, value: &(impl serde::Serialize + ?Sized)) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.write(key);
        self.0.push(b':');
        self.write(value);
    }

    fn write(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(self.0.by_ref(), value).expect("plain values become JSON in memory");
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn every_line_is_one_json_object_whatever_is_in_it() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let layer = JsonLines(move |line| kept.lock().expect("no panic").push(line));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let absent: Option<&str> = None;
            tracing::info!(target: "t", text = "a\"b\n", status = 200_u16, ms = 1.5, ok = true, absent, "said {}", 1);
        });
        let lines = lines.lock().expect("no panic");
        assert_eq!(lines.len(), 1);
        let mut line: serde_json::Value = serde_json::from_slice(&lines[0]).expect("JSON");
        assert!(line["timestamp"].take().is_string());
        let expected = serde_json::json!({
            "timestamp": null, "level": "INFO", "message": "said 1", "text": "a\"b\n", "status": 200, "ms": 1.5,
            "ok": true, "target": "t",
        });
        assert_eq!(line, expected);
        assert!(lines[0].ends_with(b"}\n"));
    }
}
