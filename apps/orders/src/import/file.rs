//! Reading the file: every row, or none with the line and the column that cannot be read.

use std::{collections::HashMap, io::Read};

use csv::{ReaderBuilder, StringRecord};
use gesta_core::Timestamp;
use uuid::Uuid;

/// One row: an item of an order, with what the row says of the whole order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it begins in the file, from 1.
    pub(super) line: u64,
    /// What it says of the whole order.
    pub(super) order: OrderFacts,
    /// The item.
    pub(super) item: ItemFacts,
}

/// What the file says of an order; the same in each of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OrderFacts {
    pub(super) order_id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) status: FileStatus,
    pub(super) purchased_at: Timestamp,
    pub(super) approved_at: Option<Timestamp>,
    pub(super) handed_over_at: Option<Timestamp>,
    pub(super) delivered_at: Option<Timestamp>,
}

/// What the file says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ItemFacts {
    pub(super) number: u32,
    pub(super) product_id: Uuid,
    pub(super) price_cents: i64,
    pub(super) freight_cents: i64,
}

/// The last status that the marketplace knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FileStatus {
    Created,
    Approved,
    Invoiced,
    Processing,
    Shipped,
    Delivered,
    Unavailable,
    Canceled,
}

/// Why a file cannot be read. Nothing of it was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableFile {
    /// The file cannot be opened or is no CSV.
    #[error("the file cannot be read: {reason}")]
    File {
        /// What the system or the parser says.
        reason: String,
    },
    /// The first line does not name a column that is needed.
    #[error("line 1 names no column {column:?}: the import needs it")]
    Column {
        /// Which.
        column: &'static str,
    },
    /// A value cannot be understood.
    #[error("line {line}, column {column:?}: {reason}; nothing was imported")]
    Value {
        /// The line of the row, from 1.
        line: u64,
        /// The column by its name.
        column: &'static str,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A row is wider or narrower than the first line.
    #[error("line {line} has {found} columns, the first line has {wanted}; nothing was imported")]
    Width {
        /// The line of the row, from 1.
        line: u64,
        /// Its columns.
        found: usize,
        /// Those of the first line.
        wanted: usize,
    },
    /// Rows of one order contradict each other.
    #[error("line {line} says something else of order {order_id} than line {first}; nothing was imported")]
    Contradiction {
        /// The line of the later row.
        line: u64,
        /// The line of the order's first row.
        first: u64,
        /// Which order.
        order_id: Uuid,
    },
}

const ORDER_ID: &str = "order_id";
const CUSTOMER_ID: &str = "customer_id";
const STATUS: &str = "order_status";
const PURCHASED: &str = "order_purchase_timestamp";
const APPROVED: &str = "order_approved_at";
const HANDED_OVER: &str = "order_delivered_carrier_date";
const DELIVERED: &str = "order_delivered_customer_date";
const NUMBER: &str = "item_no";
const PRODUCT: &str = "product_id";
const PRICE: &str = "price";
const FREIGHT: &str = "freight";
const NEEDED: [&str; 11] = [
    ORDER_ID,
    CUSTOMER_ID,
    STATUS,
    PURCHASED,
    APPROVED,
    HANDED_OVER,
    DELIVERED,
    NUMBER,
    PRODUCT,
    PRICE,
    FREIGHT,
];

/// Reads all rows. Further columns and empty lines are left alone.
pub(super) fn read(mut input: impl Read) -> Result<Vec<Row>, UnreadableFile> {
    let mut text = Vec::new();
    input.read_to_end(&mut text).map_err(|error| UnreadableFile::File { reason: error.to_string() })?;
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(&text[..]);
    let unreadable = |error: csv::Error| UnreadableFile::File { reason: error.to_string() };
    let header = reader.headers().map_err(unreadable)?;
    let wanted = header.len();
    let named = header.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at));
    let places: HashMap<_, _> = named.collect();
    if let Some(column) = NEEDED.into_iter().find(|column| !places.contains_key(*column)) {
        return Err(UnreadableFile::Column { column });
    }
    let mut lines = Lines { text: &text, seen: 0, line: 1 };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let (line, found) = (lines.of(&record), record.len());
        if found != wanted {
            return Err(UnreadableFile::Width { line, found, wanted });
        }
        rows.push(row(&Cells { record, line, places: &places })?);
    }
    Ok(rows)
}

/// Counts lines as an editor does. The reader's own count stands before the line feed of the row before, and before
/// lines that it leaves out.
struct Lines<'a> {
    text: &'a [u8],
    seen: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line a record begins at. Records come in order.
    fn of(&mut self, record: &StringRecord) -> u64 {
        let from =
            record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.seen);
        let behind = self.text.get(from..).unwrap_or_default();
        let skipped = behind.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begins = from + skipped;
        let passed = self.text.get(self.seen..begins).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.seen = self.seen.max(begins);
        self.line
    }
}

fn row(cells: &Cells<'_>) -> Result<Row, UnreadableFile> {
    let order = OrderFacts {
        order_id: cells.id(ORDER_ID)?,
        customer_id: cells.id(CUSTOMER_ID)?,
        status: cells.parse(STATUS, status)?,
        purchased_at: cells.parse(PURCHASED, time)?,
        approved_at: cells.optional(APPROVED, time)?,
        handed_over_at: cells.optional(HANDED_OVER, time)?,
        delivered_at: cells.optional(DELIVERED, time)?,
    };
    let number = |text: &str| text.parse().map_err(|_| "write a whole number".to_owned());
    let item = ItemFacts {
        number: cells.parse(NUMBER, number)?,
        product_id: cells.id(PRODUCT)?,
        price_cents: cells.parse(PRICE, cents)?,
        freight_cents: cells.parse(FREIGHT, cents)?,
    };
    Ok(Row { line: cells.line, order, item })
}

struct Cells<'a> {
    record: StringRecord,
    line: u64,
    places: &'a HashMap<String, usize>,
}

impl Cells<'_> {
    fn text(&self, column: &str) -> &str {
        self.places.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default().trim()
    }

    fn parse<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, UnreadableFile> {
        let text = self.text(column);
        let said = if text.is_empty() { Err("the value is missing".to_owned()) } else { read(text) };
        said.map_err(|reason| {
            let shown: String = text.chars().take(60).collect();
            let reason = if shown.is_empty() { reason } else { format!("{shown:?} is illegal: {reason}") };
            UnreadableFile::Value { line: self.line, column, reason }
        })
    }

    fn optional<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UnreadableFile> {
        if self.text(column).is_empty() { Ok(None) } else { self.parse(column, read).map(Some) }
    }

    fn id(&self, column: &'static str) -> Result<Uuid, UnreadableFile> {
        self.parse(column, |text| Uuid::parse_str(text).map_err(|_| "write a UUID, 32 hex digits".to_owned()))
    }
}

fn status(text: &str) -> Result<FileStatus, String> {
    Ok(match text {
        "created" => FileStatus::Created,
        "approved" => FileStatus::Approved,
        "invoiced" => FileStatus::Invoiced,
        "processing" => FileStatus::Processing,
        "shipped" => FileStatus::Shipped,
        "delivered" => FileStatus::Delivered,
        "unavailable" => FileStatus::Unavailable,
        "canceled" => FileStatus::Canceled,
        _ => {
            return Err("write created, approved, invoiced, processing, shipped, delivered, unavailable or \
                 canceled"
                .to_owned());
        }
    })
}

/// A time without an offset is UTC: the file names none.
fn time(text: &str) -> Result<Timestamp, String> {
    let rfc = if text.contains('T') { text.to_owned() } else { format!("{}Z", text.replacen(' ', "T", 1)) };
    rfc.parse().map_err(|_| "write a time as 2017-10-02 10:56:33".to_owned())
}

/// An amount such as `58.90`, exactly: no floating point touches money.
fn cents(text: &str) -> Result<i64, String> {
    let wrong = || "write an amount as 58.90, in cents at most 9223372036854775807".to_owned();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) || part.len() > 2 {
        return Err(wrong());
    }
    let part: i64 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    let whole: i64 = whole.parse().map_err(|_| wrong())?;
    let cents = whole.checked_mul(100).and_then(|cents| cents.checked_add(part)).ok_or_else(wrong)?;
    Ok(sign * cents)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,\
        order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date,item_no,\
        product_id,price,freight\n";
    const ID: &str = "e481f51cbdc54678b7cc49136f2d6af7";

    fn one(row: &str) -> Result<Vec<Row>, UnreadableFile> {
        read(format!("{HEADER}{}\n", row.replace("ID", ID)).as_bytes())
    }

    #[test]
    fn an_amount_is_read_to_the_cent() {
        for (text, want) in
            [("58.90", 5890), ("0.1", 10), ("7", 700), ("-1.25", -125), ("92233720368547758.07", i64::MAX)]
        {
            assert_eq!(cents(text), Ok(want), "{text}");
        }
        for bad in ["", "1,50", "1.234", "1e3", ".5", "5.", "92233720368547758.08", "+1", "--1"] {
            assert!(cents(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_row_keeps_what_is_there_and_what_is_missing() {
        let rows = one("ID,ID,shipped,2017-10-02 10:56:33,,2017-10-04 19:55:00,,,1,ID,58.90,13.29").unwrap();
        let row = &rows[0];
        assert_eq!((row.line, row.item.price_cents, row.item.freight_cents), (2, 5890, 1329));
        assert_eq!(row.order.approved_at, None);
        assert_eq!(row.order.purchased_at.to_string(), "2017-10-02T10:56:33.000000Z");
    }

    #[test]
    fn what_cannot_be_read_is_named_by_line_and_column() {
        let good = "ID,ID,shipped,2017-10-02 10:56:33,,,,,1,ID,58.90,13.29\n";
        for (bad, column) in [
            ("x,ID,shipped,2017-10-02 10:56:33,,,,,1,ID,1,1", ORDER_ID),
            ("ID,,shipped,2017-10-02 10:56:33,,,,,1,ID,1,1", CUSTOMER_ID),
            ("ID,ID,lost,2017-10-02 10:56:33,,,,,1,ID,1,1", STATUS),
            ("ID,ID,shipped,,,,,,1,ID,1,1", PURCHASED),
            ("ID,ID,shipped,2017-13-02 10:56:33,,,,,1,ID,1,1", PURCHASED),
            ("ID,ID,shipped,2017-10-02 10:56:33,soon,,,,1,ID,1,1", APPROVED),
            ("ID,ID,shipped,2017-10-02 10:56:33,,,,,one,ID,1,1", NUMBER),
            ("ID,ID,shipped,2017-10-02 10:56:33,,,,,1,,1,1", PRODUCT),
            ("ID,ID,shipped,2017-10-02 10:56:33,,,,,1,ID,99999999999999999999,1", PRICE),
            ("ID,ID,shipped,2017-10-02 10:56:33,,,,,1,ID,1,free", FREIGHT),
        ] {
            match one(&format!("{good}{bad}")) {
                Err(UnreadableFile::Value { line: 3, column: found, .. }) => {
                    assert_eq!(found, column, "{bad}")
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_column_and_a_row_of_another_width_are_refused() {
        assert!(matches!(read(&b"order_id\nx\n"[..]), Err(UnreadableFile::Column { column: CUSTOMER_ID })));
        assert!(matches!(one("ID,ID"), Err(UnreadableFile::Width { line: 2, found: 2, wanted: 12 })));
    }

    #[test]
    fn lines_are_counted_right_however_they_end() {
        let row = format!("{ID},{ID},shipped,2017-10-02 10:56:33,,,,\"two\nlines\",1,{ID},1,1");
        for end in ["\n", "\r\n"] {
            let text = [HEADER.trim_end(), &row, "", &row, ""].join(end);
            let lines: Vec<_> = read(text.as_bytes()).unwrap().iter().map(|row| row.line).collect();
            assert_eq!(lines, [2, 5], "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, cells in prop::collection::vec(".{0,20}", 0..14)) {
            let _ = read(&bytes[..]);
            let _ = read([HEADER.as_bytes(), &bytes].concat().as_slice());
            let _ = one(&cells.join(","));
        }

        #[test]
        fn every_amount_is_read_as_it_was_written(amount in 0..=i64::MAX) {
            prop_assert_eq!(cents(&format!("{}.{:02}", amount / 100, amount % 100)), Ok(amount));
        }
    }
}
