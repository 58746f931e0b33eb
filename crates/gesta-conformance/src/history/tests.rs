//! The checker is checked on edited histories: a good one passes, and each edit is caught by the rule it breaks.

use super::{History, Logged, Operation, Outcome, Rule, What, check};
use crate::{
    MemoryBackend,
    lin_append::{Load, lin_append},
};

async fn good(run: u64) -> History {
    lin_append(&MemoryBackend::default(), Load { run, ..Load::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_histories_pass() {
    for run in 1..=10 {
        let verdict = check(&good(run).await);
        assert!(verdict.violations.is_empty(), "run {run}: {verdict}");
        assert!(verdict.unknown > 20 && verdict.conflicts > 20 && verdict.observations > 100, "{verdict}");
    }
}

/// What an edit breaks, what it is called, and how it is done.
type Edit = (Rule, &'static str, fn(&mut History));

const EDITS: [Edit; 20] = [
    (Rule::Acknowledged, "an acknowledged event is lost from the end", lose_the_last),
    (Rule::Acknowledged, "a reply told another position", |h| first_place(h).0 += 1),
    (Rule::Acknowledged, "a reply told another version", |h| first_place(h).1 += 1),
    (Rule::Once, "an event is there twice", append_a_copy),
    (Rule::Expected, "a version is skipped", |h| last_of(h).version += 1),
    (Rule::Expected, "an append came at another version than it expected", expect_another),
    (Rule::Expected, "a conflict told what was expected", conflict_as_expected),
    (Rule::Dense, "a position is skipped", |h| last_of(h).position += 1),
    (Rule::Dense, "two neighbours are swapped", |h| h.log.swap(3, 4)),
    (Rule::RealTime, "an append stands before one that was answered earlier", answer_late_first),
    (Rule::RealTime, "a conflict told a version long gone", |h| stale_conflict(h)),
    (Rule::RealTime, "a retry of a success came back as a conflict", conflict_with_itself),
    (Rule::Slice, "a read left one out", |h| drop(long_read(h).remove(1))),
    (Rule::Slice, "a read saw two in the wrong order", |h| long_read(h).swap(0, 1)),
    (Rule::Backwards, "a client saw less than it had seen", read_again_and_see_nothing),
    (Rule::Phantom, "a read saw other content", |h| long_read(h)[0].digest ^= 1),
    (Rule::Phantom, "a read saw what is not in the log", |h| long_read(h)[0].id = uuid::Uuid::nil()),
    (Rule::Phantom, "nobody sent an event of the log", forget_a_sender),
    (Rule::Refused, "what was refused is in the log", refuse_what_is_there),
    (Rule::Whole, "a batch is there in part", lose_the_end_of_a_batch),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_is_caught_by_its_rule() {
    let (good, mut caught) = (good(3).await, 0);
    for (rule, name, edit) in EDITS {
        let mut history = good.clone();
        edit(&mut history);
        let verdict = check(&history);
        assert!(verdict.of(rule) > 0, "{name} is not caught as {rule:?}: {verdict}");
        caught += 1;
    }
    println!("edited histories caught: {caught} of {}", EDITS.len());
}

fn appends(history: &mut History) -> impl Iterator<Item = (&mut Vec<super::Wanted>, &mut Outcome)> {
    history.operations.iter_mut().filter_map(|call| match &mut call.what {
        What::Append { appends, outcome } => Some((appends, outcome)),
        What::Read { .. } => None,
    })
}

fn first_place(history: &mut History) -> &mut (u64, u64) {
    let placed = appends(history).find_map(|(_, outcome)| match outcome {
        Outcome::Acknowledged { places, .. } => places.first_mut(),
        _ => None,
    });
    placed.expect("something was acknowledged")
}

fn last_of(history: &mut History) -> &mut Logged {
    history.log.last_mut().expect("a log")
}

fn lose_the_last(history: &mut History) {
    history.log.pop();
}

fn append_a_copy(history: &mut History) {
    let mut copy = history.log[0].clone();
    copy.position = last_of(history).position + 1;
    history.log.push(copy);
}

fn expect_another(history: &mut History) {
    let (wanted, _) = appends(history)
        .find(|(_, outcome)| matches!(outcome, Outcome::Acknowledged { repeated: false, .. }))
        .expect("something was acknowledged");
    wanted[0].expected = gesta_core::ExpectedVersion::Exact(gesta_core::Version::new(9_999));
}

fn conflict_as_expected(history: &mut History) {
    let (wanted, outcome) = appends(history)
        .find(|(wanted, outcome)| matches!(outcome, Outcome::Conflict { .. }) && wanted.len() == 1)
        .expect("a conflict");
    let Outcome::Conflict { actual, .. } = outcome else { return };
    wanted[0].expected = gesta_core::ExpectedVersion::Exact(gesta_core::Version::new(*actual));
}

/// Moves the call of the first event behind everything: what was answered before it now stands behind it.
fn answer_late_first(history: &mut History) {
    let first = history.log[0].id;
    for call in &mut history.operations {
        let What::Append { appends, .. } = &call.what else { continue };
        if appends.iter().any(|append| append.ids.contains(&first)) {
            call.invoked = u64::MAX - 2;
            call.returned = u64::MAX - 1;
        }
    }
}

fn stale_conflict(history: &mut History) {
    let last = history.operations.iter_mut().rfind(|call| {
        matches!(&call.what, What::Append { outcome: Outcome::Conflict { actual, .. }, .. } if *actual > 9)
    });
    let What::Append { appends, outcome: Outcome::Conflict { actual, stream } } =
        &mut last.expect("a conflict").what
    else {
        return;
    };
    appends.retain(|append| append.stream == *stream);
    appends[0].expected = gesta_core::ExpectedVersion::Exact(gesta_core::Version::new(9_999));
    *actual = 1;
}

/// A retry at the end that compares versions before it looks its ids up.
fn conflict_with_itself(history: &mut History) {
    let stream = history.log[0].stream.clone();
    let actual =
        history.log.iter().rfind(|event| event.stream == stream).expect("the first at least").version;
    let first = history.log[0].id;
    let sent = appends(history).find(|(wanted, _)| wanted[0].ids[0] == first).expect("somebody sent it");
    let mut again = sent.0.clone();
    again[0].expected = gesta_core::ExpectedVersion::NoStream;
    let what = What::Append { appends: again, outcome: Outcome::Conflict { stream, actual } };
    history.operations.push(Operation { client: 77, invoked: u64::MAX - 3, returned: u64::MAX - 2, what });
}

fn long_read(history: &mut History) -> &mut Vec<Logged> {
    let long = history.operations.iter_mut().find_map(|call| match &mut call.what {
        What::Read { saw, .. } if saw.len() > 3 => Some(saw),
        _ => None,
    });
    long.expect("a read that saw something")
}

fn read_again_and_see_nothing(history: &mut History) {
    let what = What::Read { stream: None, after: history.start, limited: false, saw: history.log.clone() };
    let nothing = What::Read { stream: None, after: history.start, limited: false, saw: vec![] };
    for (at, what) in [what, nothing].into_iter().enumerate() {
        let invoked = u64::MAX - 10 + 2 * at as u64;
        history.operations.push(Operation { client: 77, invoked, returned: invoked + 1, what });
    }
}

fn forget_a_sender(history: &mut History) {
    let id = history.log[5].id;
    history.operations.retain(|call| match &call.what {
        What::Append { appends, .. } => appends.iter().all(|append| !append.ids.contains(&id)),
        What::Read { .. } => true,
    });
}

fn refuse_what_is_there(history: &mut History) {
    let id = history.log[5].id;
    for (wanted, outcome) in appends(history) {
        if wanted.iter().any(|append| append.ids.contains(&id)) {
            *outcome = Outcome::Refused;
        }
    }
}

/// Cuts the log within its last batch of several events.
fn lose_the_end_of_a_batch(history: &mut History) {
    let mut lasts: Vec<_> = appends(history)
        .filter_map(|(wanted, _)| {
            (wanted.iter().map(|w| w.ids.len()).sum::<usize>() > 1)
                .then(|| wanted.last().and_then(|append| append.ids.last().copied()))
        })
        .flatten()
        .collect();
    lasts.sort_unstable();
    let cut = history.log.iter().rposition(|event| lasts.binary_search(&event.id).is_ok());
    history.log.truncate(cut.expect("a batch of several events"));
}
