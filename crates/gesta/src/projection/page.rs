//! Queries page by page.

use gesta_core::read_model::{ReadModelError, ReadModelStore, Row, Statement, Value};
use serde::{Deserialize, Serialize};

/// Some of the answers to a query, and where they stand among all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The answers of this page, in the order of the query.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total_count: u64,
    /// Which page this is, from 1.
    pub page: u32,
    /// How many a full page holds.
    pub page_size: u32,
    /// Whether there are answers behind it.
    pub has_next: bool,
    /// Whether there are answers before it.
    pub has_previous: bool,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    page: u32,
    page_size: u32,
}

impl PageRequest {
    /// So many answers a page holds unless told otherwise.
    pub const DEFAULT_SIZE: u32 = 50;
    /// So many at most.
    pub const MOST: u32 = 100;

    /// A page, from 1, of so many answers; numbers out of bounds are moved to the nearest bound.
    pub fn new(page: u32, page_size: u32) -> Self {
        Self { page: page.max(1), page_size: page_size.clamp(1, Self::MOST) }
    }

    /// Which page, from 1.
    pub fn page(self) -> u32 {
        self.page
    }

    /// How many answers a full page holds.
    pub fn page_size(self) -> u32 {
        self.page_size
    }

    fn skipped(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.page_size)
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(1, Self::DEFAULT_SIZE)
    }
}

impl<T> Page<T> {
    /// Asks for one page of a query that names its order, and reads each row with `read`. Count and rows are of one
    /// state of the read model. A page behind the last is empty.
    pub async fn of(
        store: &dyn ReadModelStore,
        query: Statement,
        request: PageRequest,
        read: impl Fn(&Row) -> Result<T, ReadModelError>,
    ) -> Result<Self, ReadModelError> {
        let Statement { sql, values } = query;
        let count =
            Statement::new(format!("SELECT count(*) AS total FROM ({sql}) AS counted"), values.clone());
        let (limit, offset) = (values.len() + 1, values.len() + 2);
        let skipped = request.skipped();
        let bounds = [Value::from(request.page_size), Value::Integer(skipped.cast_signed())];
        let paged = Statement::new(
            format!("{sql} LIMIT ${limit} OFFSET ${offset}"),
            values.into_iter().chain(bounds),
        );
        let mut answers = store.query_together(vec![count, paged]).await?.into_iter();
        let total = answers.next().and_then(|rows| rows.first().map(|row| row.get::<u64>("total")));
        let total_count = total.transpose()?.unwrap_or_default();
        let items = answers.next().unwrap_or_default().iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            has_next: skipped + (items.len() as u64) < total_count && !items.is_empty(),
            has_previous: request.page > 1,
            items,
            total_count,
            page: request.page,
            page_size: request.page_size,
        })
    }
}
