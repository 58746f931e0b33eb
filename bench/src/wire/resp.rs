//! The protocol of Redis, as far as XADD needs it.

use super::{Wire, Workload};

/// Appends entries to Redis streams.
pub(crate) struct Resp {
    entries: usize,
    workload: Workload,
}

impl Resp {
    /// A connection that adds so many entries a request: more than one in a transaction.
    pub(crate) fn new(entries: usize, connection: u64) -> Self {
        Self { entries, workload: Workload::new(connection) }
    }

    fn add(&mut self, stream: u64, sent_at: u64, buffer: &mut Vec<u8>) {
        let (key, id) = (format!("sample-{stream}"), Workload::id().to_string());
        let data = self.workload.data(stream, sent_at);
        let fields = [
            "XADD",
            &key,
            "*",
            "id",
            &id,
            "type",
            "sample.created",
            "data",
            &data,
            "metadata",
            Workload::metadata(),
        ];
        command(&fields, buffer);
    }
}

impl Wire for Resp {
    fn request(&mut self, sent_at: u64, buffer: &mut Vec<u8>) {
        let stream = self.workload.stream();
        if self.entries == 1 {
            return self.add(stream, sent_at, buffer);
        }
        command(&["MULTI"], buffer);
        for _ in 0..self.entries {
            self.add(stream, sent_at, buffer);
        }
        command(&["EXEC"], buffer);
    }

    fn reply(&self, bytes: &[u8]) -> Result<Option<usize>, String> {
        // A transaction answers MULTI and each entry at once, and EXEC with the list of ids.
        let values = if self.entries == 1 { 1 } else { self.entries + 2 };
        let mut at = 0;
        for _ in 0..values {
            let Some(end) = value(bytes, at)? else { return Ok(None) };
            at = end;
        }
        Ok(Some(at))
    }
}

fn command(fields: &[&str], buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(format!("*{}\r\n", fields.len()).as_bytes());
    for field in fields {
        buffer.extend_from_slice(format!("${}\r\n{field}\r\n", field.len()).as_bytes());
    }
}

/// Where the value that begins at `at` ends, if it is whole.
fn value(bytes: &[u8], at: usize) -> Result<Option<usize>, String> {
    let Some(line) = bytes[at..].windows(2).position(|end| end == b"\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
    let behind = at + line + 2;
    let number = || text[1..].parse::<usize>().map_err(|_| format!("an unknown reply: {text}"));
    match text.as_bytes().first() {
        Some(b'+' | b':') => Ok(Some(behind)),
        Some(b'$') => Ok(Some(behind + number()? + 2).filter(|end| *end <= bytes.len())),
        Some(b'*') => {
            (0..number()?).try_fold(Some(behind), |end, _| end.map_or(Ok(None), |end| value(bytes, end)))
        }
        _ => Err(format!("refused: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_answered_by_all_of_its_values() {
        let reply = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$3\r\n1-0\r\n$3\r\n1-1\r\n";
        let resp = Resp::new(2, 1);
        assert_eq!(resp.reply(reply), Ok(Some(reply.len())));
        assert_eq!(resp.reply(&reply[..reply.len() - 1]), Ok(None));
        assert!(Resp::new(1, 1).reply(b"-ERR no\r\n").is_err());
    }
}
