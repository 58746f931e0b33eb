//! As much of an HTTP/1.1 client as breaking a server takes: blocking, one connection, no retry of its own.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Longer than any reply takes; a killed server resets its connections long before.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection, kept open between requests.
pub(super) struct Connection {
    reader: BufReader<TcpStream>,
}

/// What a server answered.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body's text, cut for messages.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(64 << 10, stream) })
    }

    pub(super) fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.send("GET", path, "")?;
        self.reply()
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> io::Result<Reply> {
        self.send("POST", path, &body.to_string())?;
        self.reply()
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        self.reader.get_mut().write_all(request.as_bytes())
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let (status, framing) = self.head()?;
        let mut body = Vec::new();
        match framing {
            Framing::Length(length) => {
                body.resize(length, 0);
                self.reader.read_exact(&mut body)?;
            }
            Framing::Chunked => while self.chunk(&mut body)? {},
        }
        Ok(Reply { status, body })
    }

    fn head(&mut self) -> io::Result<(u16, Framing)> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| odd(&line))?;
        let mut framing = Framing::Length(0);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((status, framing));
            }
            if let Some(length) = line.strip_prefix("content-length:") {
                framing = Framing::Length(length.trim().parse().map_err(|_| odd(&line))?);
            }
            if line.starts_with("transfer-encoding:") && line.ends_with("chunked") {
                framing = Framing::Chunked;
            }
        }
    }

    /// Appends the next chunk; `false` at the last.
    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let line = self.line()?;
        let length =
            usize::from_str_radix(line.split(';').next().unwrap_or(&line), 16).map_err(|_| odd(&line))?;
        let start = body.len();
        body.resize(start + length, 0);
        self.reader.read_exact(&mut body[start..])?;
        self.line()?;
        Ok(length > 0)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Asks for server-sent events, going on behind `last`, and hands each one's id and data over until the server
    /// ends or the answer is `false`; a comment is handed over as two empty texts.
    pub(super) fn follow(
        mut self,
        path: &str,
        last: Option<&str>,
        mut each: impl FnMut(&str, &str) -> bool,
    ) -> io::Result<()> {
        let resume = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n{resume}\r\n");
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (status, framing) = self.head()?;
        if status != 200 || !matches!(framing, Framing::Chunked) {
            return Err(odd(&format!("status {status} to a subscription")));
        }
        let (mut bytes, mut id, mut data) = (Vec::new(), String::new(), String::new());
        while self.chunk(&mut bytes)? {
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if let Some(given) = line.strip_prefix("id:") {
                    id = given.trim_start().to_owned();
                } else if let Some(given) = line.strip_prefix("data:") {
                    data.push_str(given.trim_start());
                } else if line.starts_with(':') {
                    // A sign of life: whoever listens may have had enough.
                    if !each("", "") {
                        return Ok(());
                    }
                } else if line.is_empty() && !data.is_empty() {
                    if !each(&id, &data) {
                        return Ok(());
                    }
                    data.clear();
                }
            }
        }
        Ok(())
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not what HTTP allows: {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with these bytes, whatever it asks.
    fn server(reply: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(reply.as_bytes()).expect("written");
        });
        address
    }

    #[test]
    fn reads_bodies_of_a_length_and_in_chunks() {
        for reply in [
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        ] {
            let reply = Connection::open(server(reply)).expect("connects").get("/").expect("a reply");
            assert_eq!((reply.status, reply.json()), (200, serde_json::json!({"a": 1})));
        }
    }

    #[test]
    fn events_are_found_across_chunks() {
        let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nid: 1\ndat\r\n\
                     6\r\na: x\n\n\r\n4\r\n: p\n\r\ne\r\nid:2\ndata:y\n\nz\r\n0\r\n\r\n";
        let mut seen = Vec::new();
        let connection = Connection::open(server(reply)).expect("connects");
        connection
            .follow("/", None, |id, data| {
                seen.extend((!data.is_empty()).then(|| format!("{id}{data}")));
                true
            })
            .expect("ends");
        assert_eq!(seen, ["1x", "2y"]);
    }

    #[test]
    fn a_broken_reply_is_an_error() {
        for reply in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "rubbish\r\n\r\n"] {
            assert!(Connection::open(server(reply)).expect("connects").get("/").is_err(), "{reply:?}");
        }
    }
}
