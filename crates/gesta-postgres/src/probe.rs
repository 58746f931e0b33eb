//! What the server promises, found out before anything is promised on top of it.

use gesta_core::DurabilityClass;
use tokio_postgres::Client;

use crate::error::ConnectError;

/// The oldest release of the server that is used.
const OLDEST: i32 = 150_000;

/// What a server promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    /// What a commit survives.
    pub(crate) durability: DurabilityClass,
    /// The settings that make it less than it could be, as `fsync=off`.
    pub(crate) lowered: Vec<String>,
    /// Whether a statement alone sees all that was committed before it, without a word about isolation.
    pub(crate) autocommit: bool,
}

/// Asks the server; refuses one that cannot serve.
pub(crate) async fn probe(client: &Client, place: &str) -> Result<Promise, ConnectError> {
    let asked = format!(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
         current_setting('server_encoding'), {SETTINGS}, current_setting('default_transaction_isolation')"
    );
    let row = client.query_typed(&asked, &[]).await.map_err(|error| ConnectError::of(place, &error))?;
    let row =
        row.first().ok_or_else(|| ConnectError::Other { place: place.into(), reason: "no answer".into() })?;
    if row.get::<_, i32>(1) < OLDEST {
        return Err(ConnectError::TooOld { place: place.into(), found: row.get(0) });
    }
    if row.get(2) {
        return Err(ConnectError::Standby { place: place.into() });
    }
    let encoding: String = row.get(3);
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding { found: encoding });
    }
    let mut promise = Promise {
        durability: DurabilityClass::Synced,
        lowered: Vec::new(),
        autocommit: row.get::<_, &str>(7) == "read committed",
    };
    promise.go_by([4, 5, 6].map(|at| row.get(at)));
    Ok(promise)
}

/// The settings that a commit's worth depends on, as columns of a query.
pub(crate) const SETTINGS: &str =
    "current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')";

impl Promise {
    /// What it is worth with these [`SETTINGS`].
    pub(crate) fn go_by(&mut self, settings: [&str; 3]) {
        let names = ["fsync", "synchronous_commit", "full_page_writes"];
        let off = names.into_iter().zip(settings).filter(|(_, value)| *value == "off");
        self.lowered = off.map(|(name, _)| format!("{name}=off")).collect();
        self.durability =
            if self.lowered.is_empty() { DurabilityClass::Synced } else { DurabilityClass::Buffered };
    }
}
