//! Which streams there are: from name to name along the index, as there is no list of them.

use async_trait::async_trait;
use gesta_core::{ListStreams, ReadError, StreamCatalog, StreamInfo, Version};
use tokio_postgres::types::{ToSql, Type};

use crate::{
    PostgresStore, read,
    shared::{bound, position},
};

/// Streams looked at by one statement.
const RUN: usize = 1_000;

/// Each step takes the last event of a stream, then goes to the next name in byte order.
const SQL: &str = "
WITH RECURSIVE found AS (
    (SELECT stream, version, position, 1 AS n FROM gesta.events
      WHERE tenant = $1 COLLATE \"C\" AND stream > $2 COLLATE \"C\"
      ORDER BY stream, version LIMIT 1)
    UNION ALL
    SELECT next.stream, next.version, next.position, found.n + 1
    FROM found CROSS JOIN LATERAL (
        SELECT stream, version, position FROM gesta.events
         WHERE tenant = $1 COLLATE \"C\" AND stream > found.stream
         ORDER BY stream, version LIMIT 1
    ) AS next
    WHERE found.n < $3
)
SELECT found.stream, last.version, last.position
FROM found CROSS JOIN LATERAL (
    SELECT version, position FROM gesta.events
     WHERE tenant = $1 COLLATE \"C\" AND stream = found.stream
     ORDER BY version DESC LIMIT 1
) AS last
ORDER BY found.stream";

#[async_trait]
impl StreamCatalog for PostgresStore {
    async fn list_streams(&self, list: ListStreams) -> Result<Vec<StreamInfo>, ReadError> {
        let prefix = list.pattern.as_str().split('*').next().unwrap_or_default().to_owned();
        let mut listed = Vec::new();
        let mut after = list.after.as_ref().map(|after| after.as_str().to_owned()).unwrap_or_default();
        // Names that begin with the prefix come behind it, or are it.
        let mut before_prefix = prefix.clone();
        before_prefix.pop();
        after = after.max(before_prefix);
        while listed.len() < list.limit {
            let tenant = list.tenant.as_str();
            let most = bound(RUN as u64);
            let values: [(&(dyn ToSql + Sync), Type); 3] =
                [(&tenant, Type::TEXT), (&after, Type::TEXT), (&most, Type::INT8)];
            let rows = read::page(&self.shared, Some(&list.tenant), SQL, &values).await?;
            for row in &rows {
                let name: &str = row.get(0);
                let stream = name.parse().map_err(|_| ReadError::Damaged {
                    place: "gesta.events".into(),
                    reason: format!("{name:?} is no stream"),
                })?;
                if list.accepts(&stream) && listed.len() < list.limit {
                    let version = Version::new(u64::try_from(row.get::<_, i64>(1)).unwrap_or(0));
                    listed.push(StreamInfo { stream, version, last_position: position(row.get(2)) });
                }
            }
            match rows.last().map(|row| row.get::<_, String>(0)) {
                Some(last) if rows.len() == RUN && (last.starts_with(&prefix) || last < prefix) => {
                    after = last
                }
                _ => break,
            }
        }
        Ok(listed)
    }
}
