//! Files with one JSON value a line.

use std::{fmt, io::BufRead};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Trouble,
    row::{Column, Refused, Row},
};

/// The longest line that is taken, in bytes.
const LINE_BYTES: usize = 16 * 1024 * 1024;

/// The lines of a file that hold anything, each with its number and where it ends.
pub(crate) struct Lines<R> {
    input: R,
    line: u64,
    end: u64,
}

/// One line.
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) end: u64,
    pub(crate) bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, line: 0, end: 0 }
    }

    fn read(&mut self) -> std::io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let most = LINE_BYTES as u64 + 1;
        let read = std::io::Read::take(&mut self.input, most).read_until(b'\n', &mut bytes)?;
        if read > LINE_BYTES {
            return Err(std::io::Error::other(format!("line {} is longer than 16 MiB", self.line + 1)));
        }
        self.line += 1;
        self.end += read as u64;
        Ok((read > 0).then_some(Line { number: self.line, end: self.end, bytes }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read() {
                Ok(Some(line)) if line.bytes.trim_ascii().is_empty() => {}
                Ok(line) => return line.map(Ok),
                Err(error) => return Some(Err(Trouble::File(error.to_string()))),
            }
        }
    }
}

/// A JSON object as the columns of a row; a `null` is a column without a value.
pub(crate) fn row(line: &Line) -> Result<Row, Refused> {
    let columns = columns(&line.bytes).map_err(|error| Refused::new(line.number, no_object(&error)))?;
    Ok(Row { line: line.number, end: line.end, columns })
}

/// The members of a JSON object as columns.
pub(crate) fn columns(json: &[u8]) -> serde_json::Result<Vec<Column>> {
    serde_json::from_slice::<Object>(json).map(|object| object.0)
}

fn no_object(error: &serde_json::Error) -> String {
    format!("it is no JSON object with each key once: {error}")
}

struct Object(Vec<Column>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut seen = std::collections::HashSet::new();
                let mut columns: Vec<Column> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let json: Box<RawValue> = map.next_value()?;
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("key {name:?} comes twice")));
                    }
                    if json.get() != "null" {
                        let text = text_of(&json);
                        columns.push(Column { name, text, json });
                    }
                }
                Ok(Object(columns))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A JSON string's content, or another value's JSON.
pub(crate) fn text_of(json: &RawValue) -> String {
    serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_becomes_a_row_and_an_empty_line_nothing() {
        let lines: Vec<_> = Lines::new(&b"\n{\"a\":\"x\",\"b\":1.50,\"c\":null}\n"[..]).collect();
        let [Ok(line)] = &lines[..] else { panic!("one line") };
        let row = row(line).expect("a row");
        let columns: Vec<_> = row.columns.iter().map(|c| (c.text.as_str(), c.json.get())).collect();
        assert_eq!((row.line, columns), (2, vec![("x", "\"x\""), ("1.50", "1.50")]));
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_line() {
        for bad in ["[1]", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "x"] {
            let line = Line { number: 3, end: 0, bytes: bad.into() };
            assert_eq!(row(&line).expect_err(bad).line, 3);
        }
    }
}
