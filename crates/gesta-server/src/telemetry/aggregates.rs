//! What repositories of a program do: how long streams are when commands decide, and what becomes of snapshots.

use gesta::repository::{Observer, Seen};
use metrics::{counter, histogram};

use super::Telemetry;

/// Events that streams have when commands decide: up to a hundred no snapshot is due, far beyond it one had better be used.
pub(super) const VERSIONS: [f64; 9] = [1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 100_000.0];

/// For [`Repository::with_observer`](gesta::Repository::with_observer). Categories come from the program, so they are a
/// closed set.
impl Observer for Telemetry {
    fn seen(&self, category: &'static str, seen: Seen) {
        self.within(|| match seen {
            Seen::Decided { version } => {
                histogram!("gesta_aggregate_version", "category" => category).record(version.get() as f64);
            }
            Seen::SnapshotSaved => count(category, "gesta_snapshots_saved_total"),
            Seen::SnapshotFailed => count(category, "gesta_snapshots_failed_total"),
            Seen::SnapshotUsed => count(category, "gesta_snapshots_used_total"),
            Seen::SnapshotPassedOver => count(category, "gesta_snapshots_passed_over_total"),
            // What a newer engine tells.
            _ => {}
        });
    }
}

fn count(category: &'static str, name: &'static str) {
    counter!(name, "category" => category).increment(1);
}
