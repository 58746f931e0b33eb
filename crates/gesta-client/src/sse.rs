//! Server-sent events, as far as a client of Gesta needs them.

use std::{collections::VecDeque, time::Duration};

/// The longest line or message that is taken, in bytes: an event of 1 MiB fits with room for its escapes.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// One dispatched message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its kind; `message` if the server names none.
    pub(crate) event: String,
    /// Its data, lines joined by a line feed.
    pub(crate) data: String,
    /// The last id that was sent with it or before it.
    pub(crate) id: Option<String>,
}

/// The bytes are no event stream, or a message is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event stream is malformed: {0}")]
pub(crate) struct MalformedStream(&'static str);

/// Cuts bytes, in whatever pieces they come, into messages, by the rules of the HTML standard.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    begun: bool,
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    retry: Option<Duration>,
    ready: VecDeque<Message>,
}

impl Parser {
    /// A parser of a stream that goes on after `id`.
    pub(crate) fn after(id: Option<String>) -> Self {
        Self { id, ..Self::default() }
    }

    /// How long the server asks clients to wait before they connect again.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The next message that is complete.
    pub(crate) fn next(&mut self) -> Option<Message> {
        self.ready.pop_front()
    }

    /// Takes the next bytes of the stream.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), MalformedStream> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                return self.extend(rest);
            };
            self.extend(&rest[..end])?;
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line()?;
        }
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), MalformedStream> {
        if self.line.len() + self.data.len() + bytes.len() > MESSAGE_BYTES {
            return Err(MalformedStream("a message is longer than 16 MiB"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), MalformedStream> {
        let line = std::mem::take(&mut self.line);
        let text = str::from_utf8(&line).map_err(|_| MalformedStream("a line is not UTF-8"))?;
        let text = if std::mem::replace(&mut self.begun, true) {
            text
        } else {
            text.strip_prefix('\u{feff}').unwrap_or(text)
        };
        if text.is_empty() {
            self.dispatch();
        } else {
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        Ok(())
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "event" => self.event = value.to_owned(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }

    /// A message without data is dispatched all the same: a bare id tells how far the server has looked.
    fn dispatch(&mut self) {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        self.has_data = false;
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.ready.push_back(Message { event, data, id: self.id.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Message> {
        let mut parser = Parser::default();
        for piece in pieces {
            parser.feed(piece).expect("well-formed");
        }
        std::iter::from_fn(|| parser.next()).collect()
    }

    #[test]
    fn reads_fields_comments_and_all_three_line_ends() {
        let bytes = "\u{feff}: hello\nevent: event\r\nid: c1\rdata: one\ndata:two\n\nretry: 250\ndata\n\n";
        let mut parser = Parser::default();
        parser.feed(bytes.as_bytes()).expect("well-formed");
        let message = |event: &str, data: &str| Message {
            event: event.into(),
            data: data.into(),
            id: Some("c1".into()),
        };
        assert_eq!(parser.next(), Some(message("event", "one\ntwo")));
        assert_eq!(parser.next(), Some(message("message", "")));
        assert_eq!((parser.next(), parser.retry()), (None, Some(Duration::from_millis(250))));
    }

    #[test]
    fn refuses_a_message_without_end() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MESSAGE_BYTES / 2 + 1];
        parser.feed(&piece).expect("still short");
        parser.feed(&piece).expect_err("too long");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            messages in proptest::collection::vec(("[a-z]{1,6}", "[^\r\n\u{feff}]{0,20}(\n[^\r\n]{0,9}){0,2}", "[a-z0-9]{1,8}"), 1..6),
            cuts in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let mut written = String::new();
            for (event, data, id) in &messages {
                written += &format!(": note\nevent: {event}\nid: {id}\n");
                for line in data.split('\n') { written += &format!("data: {line}\n"); }
                written += "\n";
            }
            let bytes = written.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let read = parse(cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
            let expected: Vec<_> = messages.into_iter()
                .map(|(event, data, id)| Message { event, data, id: Some(id) }).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = Parser::default().feed(&bytes);
        }
    }
}
