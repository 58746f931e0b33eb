//! Rows of a CSV file.

use std::{collections::HashSet, io::Read};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::{
    Trouble,
    cell::{plain, typed},
    row::{Column, Refused, Row},
};

/// How a CSV file is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    /// What separates the columns.
    pub(crate) delimiter: u8,
    /// The text of a cell without a value; an empty cell is always one. In a column that names something it is a
    /// name like any other: cases that are called `A` to `ZZ` have one called `NA`.
    pub(crate) null: Option<String>,
    /// Whether every cell is kept as text.
    pub(crate) text: bool,
    /// Columns that are kept as text in any case, because they name something.
    pub(crate) names: Vec<String>,
}

/// The rows of a CSV file; its first line names the columns.
pub(crate) struct CsvRows<R> {
    reader: Reader<R>,
    dialect: Dialect,
    header: Vec<String>,
    record: ByteRecord,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    pub(crate) fn new(input: R, dialect: Dialect) -> Result<Self, Trouble> {
        let mut reader = ReaderBuilder::new().delimiter(dialect.delimiter).flexible(true).from_reader(input);
        let header = reader.headers().map_err(|error| Trouble::File(format!("the header: {error}")))?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = header.iter().find(|name| name.is_empty() || !seen.insert(name.as_str())) {
            let reason = format!("the header names column {twice:?} twice or leaves a name out");
            return Err(Trouble::File(format!("{reason}: give every column its own name")));
        }
        Ok(Self { reader, dialect, header, record: ByteRecord::new() })
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    fn row(&self) -> Result<Row, Refused> {
        let line = self.record.position().map_or(0, csv::Position::line);
        if self.record.len() != self.header.len() {
            let (found, wanted) = (self.record.len(), self.header.len());
            return Err(Refused::new(line, format!("it has {found} columns, the header has {wanted}")));
        }
        let mut columns = Vec::with_capacity(self.header.len());
        for (name, cell) in self.header.iter().zip(&self.record) {
            let text = str::from_utf8(cell)
                .map_err(|_| Refused::new(line, format!("column {name:?} is not UTF-8")))?;
            if !self.is_absent(name, text) {
                columns.push(self.column(name, text));
            }
        }
        Ok(Row { line, end: self.reader.position().byte(), columns })
    }

    fn is_absent(&self, name: &str, text: &str) -> bool {
        text.is_empty() || (self.dialect.null.as_deref() == Some(text) && !self.is_name(name))
    }

    fn is_name(&self, column: &str) -> bool {
        self.dialect.names.iter().any(|name| name == column)
    }

    fn column(&self, name: &str, text: &str) -> Column {
        let keep = self.dialect.text || self.is_name(name);
        let json = if keep { plain(text) } else { typed(text) };
        Column { name: name.to_owned(), text: text.to_owned(), json }
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Row, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = std::mem::take(&mut self.record);
        let read = self.reader.read_byte_record(&mut record);
        self.record = record;
        match read {
            Ok(false) => None,
            Ok(true) => Some(self.row().map_err(Trouble::Row)),
            Err(error) => Some(Err(Trouble::File(error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<Row, Trouble>> {
        let dialect =
            Dialect { delimiter: b';', null: Some("NA".into()), text: false, names: vec!["case".into()] };
        CsvRows::new(text.as_bytes(), dialect).expect("a header").collect()
    }

    #[test]
    fn a_row_keeps_what_has_a_value_and_types_what_is_no_name() {
        let row = rows("case;crp;note;x\n7;16.5;\"a;b\nc\";NA\n").remove(0).expect("a row");
        let columns: Vec<_> = row.columns.iter().map(|c| (c.name.as_str(), c.json.get())).collect();
        assert_eq!(columns, [("case", "\"7\""), ("crp", "16.5"), ("note", r#""a;b\nc""#)]);
        assert_eq!((row.line, row.text("crp")), (2, Some("16.5")));
    }

    #[test]
    fn the_null_marker_is_a_name_where_names_stand() {
        let row = rows("case;crp\nNA;NA\n").remove(0).expect("a row");
        assert_eq!((row.text("case"), row.text("crp")), (Some("NA"), None));
    }

    #[test]
    fn a_row_of_another_width_is_refused_with_its_line_and_the_next_one_read() {
        let rows = rows("case;crp\n1;2;3\n2;4\n");
        assert!(matches!(&rows[0], Err(Trouble::Row(refused)) if refused.line == 2), "{:?}", rows[0]);
        assert_eq!(rows[1].as_ref().expect("a row").line, 3);
    }

    #[test]
    fn a_header_that_names_a_column_twice_is_refused() {
        let dialect = Dialect { delimiter: b',', null: None, text: false, names: vec![] };
        assert!(matches!(CsvRows::new(&b"a,a\n"[..], dialect), Err(Trouble::File(_))));
    }
}
