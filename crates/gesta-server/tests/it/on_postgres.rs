//! What the routes answer does not depend on the store: the same tests once more, on databases of their own.

use std::{env, process::Command};

use crate::support::ON_POSTGRES;

/// The tests that make no store of their own, and that do not stop the clock: a database goes by its own.
const ROUTES: [&str; 10] = [
    "append::",
    "groups::",
    "idempotence::",
    "log::",
    "publish::",
    "streams::",
    "sse::a_group_is_followed",
    "sse::a_server_that_stops",
    "sse::a_stream_is_followed",
    "sse::the_log_is_followed",
];

#[test]
fn the_routes_answer_on_postgres_as_in_memory() {
    let tests = env::current_exe().expect("it runs");
    let done = Command::new(tests).args(ROUTES).env(ON_POSTGRES, "1").output().expect("it runs");
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}\n{}", String::from_utf8_lossy(&done.stderr));
    let passed = told.split("test result: ok. ").nth(1).and_then(|rest| rest.split(' ').next());
    let passed: u32 = passed.and_then(|text| text.parse().ok()).expect("it says how many");
    assert!(passed >= 40, "only {passed} ran:\n{told}");
}
