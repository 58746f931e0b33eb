//! What is typed as an argument: texts, files, key-value pairs.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use gesta_core::Metadata;
use serde_json::value::RawValue;

use crate::exit::Failure;

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

/// What is read from, whatever it is.
pub(crate) type Input = BufReader<Box<dyn Read + Send>>;

/// A file, or standard input for `-`, with its size if that is known.
pub(crate) fn open(path: &Path) -> Result<(Input, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((BufReader::with_capacity(BUFFER, Box::new(io::stdin())), None));
    }
    let unreadable = |error| Failure::failed(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().ok().map(|meta| meta.len());
    Ok((BufReader::with_capacity(BUFFER, Box::new(file)), size))
}

/// Data given as itself, as `@file`, or as `-` for standard input.
pub(crate) fn data(given: &str) -> Result<Vec<u8>, Failure> {
    let path = match given {
        "-" => Path::new("-"),
        _ => match given.strip_prefix('@') {
            Some(path) => Path::new(path),
            None => return Ok(given.as_bytes().to_vec()),
        },
    };
    let mut bytes = Vec::new();
    let read = open(path)?.0.read_to_end(&mut bytes);
    read.map_err(|error| Failure::failed(format!("{} cannot be read: {error}", path.display())))?;
    Ok(bytes)
}

/// Data that must be JSON.
pub(crate) fn json(given: &str) -> Result<Box<RawValue>, Failure> {
    let bytes = data(given)?;
    serde_json::from_slice::<Box<RawValue>>(&bytes).map_err(|error| {
        Failure::usage(format!("this is no JSON: {error}; a text needs its own quotes, as '\"text\"'"))
    })
}

/// A `key=text` pair.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=text".to_owned()),
    }
}

/// Metadata from `key=text` pairs; reserved keys go where they belong.
pub(crate) fn metadata(pairs: &[(String, String)]) -> Result<Metadata, Failure> {
    let text = |text: &str| serde_json::to_string(text).expect("text always serializes");
    let members: Vec<String> = pairs
        .iter()
        .map(|(key, value)| match key.as_str() {
            // The one reserved key that is a number.
            "priority" => format!("{}:{value}", text(key)),
            _ => format!("{}:{}", text(key), text(value)),
        })
        .collect();
    Metadata::from_json(format!("{{{}}}", members.join(",")).as_bytes()).map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_metadata_and_reserved_ones_their_fields() {
        let pairs = [pair("source=ward"), pair("priority=1"), pair("note=a=b")].map(|p| p.expect("a pair"));
        let metadata = metadata(&pairs).expect("metadata");
        assert_eq!(metadata.source.as_deref(), Some("ward"));
        assert_eq!((metadata.priority().get(), metadata.text("note").as_deref()), (1, Some("a=b")));
    }

    #[test]
    fn a_pair_out_of_range_or_twice_is_refused() {
        let pairs = |texts: [&str; 2]| metadata(&texts.map(|text| pair(text).expect("a pair")));
        assert!(pairs(["priority=9", "a=b"]).is_err());
        assert!(pairs(["a=1", "a=2"]).is_err());
        assert!(pair("=x").is_err() && pair("x").is_err());
    }
}
