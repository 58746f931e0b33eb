//! Work that may wait.

/// How far it steps back: it gets about a third of what a thread that answers requests gets where both want a core.
const NICENESS: i32 = 5;

/// Lets the threads that answer requests go first: before this thread, and before those it starts from now on. On
/// Linux niceness belongs to a thread. Where it cannot be set the work goes on as before.
pub(crate) fn step_back() {
    let _ = rustix::process::nice(NICENESS);
}
