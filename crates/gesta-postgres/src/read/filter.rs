//! A filter in SQL, as far as SQL can say it.

use gesta_core::{Direction, Filter, Pattern, Position, ReadError, Tenant, Timestamp};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

use super::{COLUMNS, page};
use crate::{
    append::correlation,
    shared::{Shared, bound},
};

/// The conditions of a filter with their values, from `$4` on; what they say holds of every event that passes, and what they
/// leave out (metadata) is looked at afterwards.
pub(super) struct Where {
    sql: String,
    values: Vec<Value>,
    /// Whether an index leads to what passes, wherever in the log it is.
    pub(super) indexed: bool,
}

/// A value of a condition.
enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(i64),
    Ids(Vec<Uuid>),
    Time(jiff::Timestamp),
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Number(number) => (number, Type::INT8),
            Self::Ids(ids) => (ids, Type::UUID_ARRAY),
            Self::Time(time) => (time, Type::TIMESTAMPTZ),
        }
    }
}

impl Where {
    pub(super) fn of(filter: &Filter) -> Self {
        let mut made = Self { sql: String::new(), values: Vec::new(), indexed: false };
        if let Some(tenant) = &filter.tenant {
            made.and("tenant = ? COLLATE \"C\"", Value::Text(tenant.as_str().into()));
        }
        made.patterns("type", &filter.types);
        made.patterns("stream", &filter.streams);
        if !filter.categories.is_empty() {
            made.and("split_part(stream, '-', 1) = ANY (?)", Value::Texts(filter.categories.clone()));
        }
        if !filter.system {
            made.sql.push_str(" AND stream NOT LIKE '$%'");
        }
        if let Some((least, most)) = filter.schema_versions {
            made.and("schema_version >= ?", Value::Number(least.into()));
            made.and("schema_version <= ?", Value::Number(most.into()));
        }
        if let Some(from) = filter.recorded_from {
            made.and("recorded_at >= ?", Value::Time(time(from)));
        }
        if let Some(before) = filter.recorded_before {
            made.and("recorded_at < ?", Value::Time(time(before)));
        }
        if !filter.ids.is_empty() {
            made.and("id = ANY (?)", Value::Ids(filter.ids.clone()));
        }
        if let Some(id) = &filter.correlation_id {
            made.correlation(id);
        }
        let one_stream = matches!(&*filter.streams, [only] if only.exact().is_some());
        let picked = !filter.ids.is_empty() || filter.correlation_id.is_some() || one_stream;
        made.indexed = filter.tenant.is_some() && picked;
        made
    }

    fn and(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        let place = format!("${}", self.values.len() + 3);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace('?', &place));
    }

    /// An event whose correlation is its own id is found by that.
    fn correlation(&mut self, id: &str) {
        match id.parse::<Uuid>() {
            Err(_) => self.and("correlation = ?", Value::Number(correlation(id))),
            Ok(own) => {
                self.values.extend([Value::Number(correlation(id)), Value::Ids(vec![own])]);
                let second = self.values.len() + 3;
                self.sql.push_str(&format!(" AND (correlation = ${} OR id = ANY (${second}))", second - 1));
            }
        }
    }

    fn patterns(&mut self, column: &str, patterns: &[Pattern]) {
        if patterns.is_empty() {
            return;
        }
        let (exact, wild): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.exact().is_some());
        let exact: Vec<String> = exact.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let wild: Vec<String> = wild.iter().map(|pattern| like(pattern.as_str())).collect();
        match (exact.is_empty(), wild.is_empty()) {
            (false, true) => self.and(&format!("{column} = ANY (?)"), Value::Texts(exact)),
            (true, _) => self.and(&format!("{column} LIKE ANY (?)"), Value::Texts(wild)),
            (false, false) => {
                self.values.push(Value::Texts(exact));
                let first = self.values.len() + 3;
                self.values.push(Value::Texts(wild));
                let either =
                    format!(" AND ({column} = ANY (${first}) OR {column} LIKE ANY (${}))", first + 1);
                self.sql.push_str(&either);
            }
        }
    }

    /// The rows with `from < position ≤ to` that these conditions let through.
    pub(super) async fn rows(
        &self,
        shared: &Shared,
        tenant: Option<&Tenant>,
        (from, to): (Position, Position),
        direction: Direction,
        most: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let order = if direction == Direction::Forwards { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT {COLUMNS} FROM gesta.events WHERE position > $1 AND position <= $2{} \
             ORDER BY position {order} LIMIT $3",
            self.sql
        );
        let (from, to, most) = (bound(from.get()), bound(to.get()), bound(most as u64));
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&from, Type::INT8), (&to, Type::INT8), (&most, Type::INT8)];
        values.extend(self.values.iter().map(Value::typed));
        page(shared, tenant, &sql, &values).await
    }
}

/// A pattern as LIKE takes it.
pub(crate) fn like(pattern: &str) -> String {
    let mut made = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '*' => made.push('%'),
            '%' | '_' | '\\' => made.extend(['\\', character]),
            other => made.push(other),
        }
    }
    made
}

fn time(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).expect("a timestamp is within the years 1 to 9999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_keeps_what_like_would_take_for_a_wildcard() {
        assert_eq!(like("a_b%c\\d*"), "a\\_b\\%c\\\\d%");
    }

    #[test]
    fn conditions_number_their_values_from_the_fourth_on() {
        let filter = Filter::of(Tenant::default()).types(["a", "b*"]).streams(["s-1"]);
        let made = Where::of(&filter);
        assert_eq!(
            made.sql,
            " AND tenant = $4 COLLATE \"C\" AND (type = ANY ($5) OR type LIKE ANY ($6)) AND stream = ANY ($7) \
             AND stream NOT LIKE '$%'"
        );
        assert!(made.indexed);
    }
}
