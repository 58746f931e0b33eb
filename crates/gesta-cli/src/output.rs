//! What a command prints: for people, or for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::Outcome;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs: one JSON value a line
    Json,
}

impl Output {
    /// Prints one result: its JSON, or what `text` makes of it.
    pub(crate) fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Outcome {
        let mut out = io::stdout().lock();
        match self {
            Self::Json => {
                serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Self::Text => {
                let text = text(value);
                if !text.is_empty() {
                    writeln!(out, "{text}")?;
                }
            }
        }
        // A reader at the other end of a pipe sees each result as it comes.
        out.flush()?;
        Ok(())
    }
}

/// A number with its thousands apart, as people read it.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Rows under a header, each column as wide as its widest cell. The last column is not padded. Cells hold what others
/// wrote: what would move the cursor or colour a terminal becomes a space.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| one_line(&cell))).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text += &format!("{cell:<width$}  ");
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(header)];
    lines.extend(rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str()))));
    lines.join("\n")
}

/// One recorded event on one line.
pub(crate) fn event_line(event: &gesta_api::Event<'_>) -> String {
    let data = match (&event.data, &event.data_base64) {
        (Some(json), _) => one_line(json.get()),
        (None, Some(text)) => format!("({} as base64) {text}", event.content_type),
        (None, None) => String::new(),
    };
    let (position, recorded_at) = (event.position, event.recorded_at);
    format!("{position}  {recorded_at}  {}@{}  {}  {data}", event.stream, event.version, event.event_type)
}

/// A text without line breaks and what else would disturb a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (10_707, "10,707"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(n), text);
        }
    }

    #[test]
    fn a_cell_does_not_speak_to_the_terminal() {
        let rows = [["a\u{1b}[2Jb\r\nc\u{9b}1m".to_owned()]];
        assert_eq!(table(["USER"], rows), "USER\na [2Jb  c 1m");
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [["a-1".to_owned(), "10".to_owned()], ["longer-1".to_owned(), "2".to_owned()]];
        assert_eq!(table(["STREAM", "VERSION"], rows), "STREAM    VERSION\na-1       10\nlonger-1  2");
    }
}
