//! Keeps foreign SQL away from what is Gesta's own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

/// Tables of Gesta itself; so is everything that begins with `gesta_`.
const OWN: [&str; 5] = ["migrations", "identity", "leases", "checkpoints", "snapshots"];

/// The clock is looked at after so many instructions of SQLite's machine.
const INSTRUCTIONS: i32 = 20_000;

/// Tells a connection whether the SQL it compiles is foreign, and how long it may run. SQLite asks when it compiles a
/// statement, and again when it does so anew after a change of tables, so a statement that is kept is not asked about
/// each time.
#[derive(Clone, Default)]
pub(crate) struct Guard(Arc<State>);

#[derive(Default)]
struct State {
    foreign: AtomicBool,
    until: Mutex<Option<Instant>>,
}

impl State {
    fn set_until(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn is_late(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until < Instant::now())
    }
}

impl Guard {
    /// Watches over a connection: what is compiled while the guard is entered is foreign.
    pub(crate) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let late = self.0.clone();
        connection.progress_handler(INSTRUCTIONS, Some(move || late.is_late()))?;
        let state = self.0.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            let free = !state.foreign.load(Ordering::Relaxed) || allows(&asked.action);
            if free { Authorization::Allow } else { Authorization::Deny }
        }))
    }

    /// Foreign SQL follows, on this thread, until what is answered is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.0.foreign.store(true, Ordering::Relaxed);
        Entered(self)
    }

    /// The same; what runs longer than this is interrupted.
    pub(crate) fn enter_for(&self, longest: Duration) -> Entered<'_> {
        self.0.set_until(Some(Instant::now() + longest));
        self.enter()
    }
}

/// A stretch of foreign SQL.
pub(crate) struct Entered<'a>(&'a Guard);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.foreign.store(false, Ordering::Relaxed);
        self.0.0.set_until(None);
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
