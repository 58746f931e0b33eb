//! Keeps foreign SQL away from what is Gesta's own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

/// Tables of Gesta itself; so is everything that begins with `gesta_`.
const OWN: [&str; 5] = ["migrations", "identity", "leases", "checkpoints", "snapshots"];

/// Tells a connection whether the SQL it compiles is foreign. SQLite asks when it compiles a statement, and again when
/// it does so anew after a change of tables, so a statement that is kept is not asked about each time.
#[derive(Clone, Default)]
pub(crate) struct Guard(Arc<AtomicBool>);

impl Guard {
    /// Watches over a connection: what is compiled while the guard is entered is foreign.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let foreign = self.0.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            let free = !foreign.load(Ordering::Relaxed) || allows(&asked.action);
            if free { Authorization::Allow } else { Authorization::Deny }
        }))
    }

    /// Foreign SQL follows, on this thread, until what is answered is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.0.store(true, Ordering::Relaxed);
        Entered(self)
    }
}

/// A stretch of foreign SQL.
pub(crate) struct Entered<'a>(&'a Guard);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// Whether foreign SQL may do this. What is not named here it may not: other files, settings, transactions, triggers.
fn allows(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Reindex { .. } => true,
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateView { view_name: table_name }
        | AuthAction::DropView { view_name: table_name } => !is_own(table_name),
        _ => false,
    }
}

fn is_own(table: &str) -> bool {
    let gestas = table.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("gesta_"));
    gestas || OWN.iter().any(|own| own.eq_ignore_ascii_case(table))
}
