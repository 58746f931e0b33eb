//! One HTTP/1.1 connection that asks the same kind of thing over and over.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest answer that is taken, in bytes.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What an answer says before its body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    head_bytes: usize,
    body_bytes: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer; answers with its status.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<u16> {
        // A server that refuses a large request may answer before it has read all of it.
        let written = self.stream.write_all(request).await;
        self.buffer.clear();
        match self.answer().await {
            Ok(status) => Ok(status),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    async fn answer(&mut self) -> io::Result<u16> {
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = head(&self.buffer)? else { continue };
            let whole = head.head_bytes + head.body_bytes;
            while self.buffer.len() < whole {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            if self.buffer.len() > whole {
                return Err(malformed("an answer is longer than it says"));
            }
            return Ok(head.status);
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        match head(&self.buffer) {
            Ok(Some(head)) => &self.buffer[head.head_bytes..],
            _ => &[],
        }
    }
}

fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The head of an answer; `None` while it is not complete.
fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > ANSWER_BYTES { Err(malformed("a head without end")) } else { Ok(None) };
    };
    let text = str::from_utf8(&bytes[..end]).map_err(|_| malformed("a head that is not ASCII"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| malformed("no HTTP/1.1 answer"))?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    match length {
        Some(body_bytes) if body_bytes <= ANSWER_BYTES => {
            Ok(Some(Head { status, head_bytes: end + 4, body_bytes }))
        }
        _ => Err(malformed("an answer without a length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(
            head(answer).expect("a head"),
            Some(Head { status: 200, head_bytes: answer.len() - 2, body_bytes: 2 })
        );
        assert_eq!(head(&answer[..20]).expect("begun"), None);
    }

    #[test]
    fn what_is_no_answer_with_a_length_is_refused() {
        for bad in ["HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "x\r\n\r\n"] {
            assert!(head(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
