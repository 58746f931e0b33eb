//! The shape of a type, found by asking serde to read it.
//!
//! A type only says what it wants to read while it reads. So it is given made-up values and what it asks for is written
//! down, a line for each place. Where there is a choice (the variants of an enum, texts that a type may insist on, an
//! option) it is read again with the next one. Nothing here has to be complete: two types that differ in a place that
//! nobody could look into are told apart by [`SnapshotPolicy::revision`](crate::snapshot::SnapshotPolicy).

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{DeserializeOwned, Error as _, value::Error};

mod places;
use places::Place;

/// Readings of one type at most; a type has about as many as it has variants and special texts.
const READINGS: usize = 2_000;
/// Deepest nesting looked into.
const DEPTH: usize = 64;

/// The lines of a type, sorted. Equal types give equal lines.
pub(super) fn shape<T: DeserializeOwned>() -> String {
    let mut trace = Trace::default();
    for _ in 0..READINGS {
        trace.visited.clear();
        let read = T::deserialize(Place { trace: &mut trace, path: String::new(), inside: &mut Vec::new() });
        let more = match read {
            Ok(_) => trace.advance(|point| point.variants),
            Err(_) => trace.advance(|_| true) || trace.put_last(),
        };
        if !more {
            break;
        }
    }
    trace.lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// What was learned so far.
#[derive(Default)]
struct Trace {
    /// What is where.
    lines: BTreeSet<String>,
    /// Which choice is next, by place.
    choices: BTreeMap<String, usize>,
    /// The choices of this reading, in order.
    visited: Vec<Point>,
    /// The place that was looked at last.
    here: String,
    /// Places that no reading gets past.
    stuck: BTreeSet<String>,
}

/// A place with a choice.
struct Point {
    path: String,
    of: usize,
    /// Whether every choice is a part of the type, so that each is worth a reading.
    variants: bool,
}

impl Trace {
    fn note(&mut self, path: &str, what: &str) {
        self.lines.insert(format!("{path}: {what}"));
        path.clone_into(&mut self.here);
    }

    /// Remembers where the reading got stuck: the fields of a struct may come in any order, so that one comes last from
    /// now on. Answers whether that is news.
    fn put_last(&mut self) -> bool {
        self.stuck.insert(self.here.clone())
    }

    /// The fields of the struct at a place, those last that nobody gets past.
    fn in_order(&self, path: &str, fields: &'static [&'static str]) -> Vec<&'static str> {
        let stuck = |field: &&&str| {
            let field = format!("{path}/{field}");
            self.stuck.iter().any(|place| {
                place
                    .strip_prefix(&*field)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        };
        let (last, first): (Vec<_>, Vec<_>) = fields.iter().partition(stuck);
        first.into_iter().chain(last).copied().collect()
    }

    fn choose(&mut self, path: &str, of: usize, variants: bool) -> usize {
        self.visited.push(Point { path: path.to_owned(), of, variants });
        *self.choices.entry(path.to_owned()).or_default()
    }

    /// Moves the last of these choices on that has something left. A choice never goes back, so this ends.
    fn advance(&mut self, of_these: impl Fn(&Point) -> bool) -> bool {
        for point in self.visited.iter().rev().filter(|point| of_these(point)) {
            let choice = self.choices.entry(point.path.clone()).or_default();
            if *choice + 1 < point.of {
                *choice += 1;
                return true;
            }
        }
        false
    }
}

/// The reading cannot go on here.
fn stuck(why: &str) -> Error {
    Error::custom(why)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    enum Status {
        Open,
        Sent { by: String, at: gesta_core::Timestamp },
        Paid(u64, Option<bool>),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Order {
        id: uuid::Uuid,
        before: Status,
        status: Status,
        lines: Vec<Line>,
        notes: HashMap<String, Option<String>>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Line {
        #[serde(default)]
        quantity: u32,
        price: f64,
    }

    #[test]
    fn every_place_of_a_type_is_seen() {
        let lines = shape::<Order>();
        for line in [
            ": {id,before,status,lines,notes}",
            "/before: Open|Sent|Paid",
            "/status.Sent/at: text",
            "/status.Paid.1?: bool",
            "/lines[]/quantity: u32",
            "/lines[]/price: f64",
            "/notes[]?: text",
        ] {
            assert!(lines.lines().any(|seen| seen == line), "{line} is missing in\n{lines}");
        }
    }

    #[test]
    fn types_that_differ_deep_inside_have_different_shapes() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Narrow {
            lines: Vec<Inner<u32>>,
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Wide {
            lines: Vec<Inner<u64>>,
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Inner<T> {
            quantity: T,
        }
        assert_ne!(shape::<Narrow>(), shape::<Wide>());
        assert_eq!(shape::<Narrow>(), shape::<Narrow>());
    }

    #[test]
    fn a_type_within_itself_ends() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Tree {
            name: String,
            branches: Vec<Tree>,
            trunk: Option<Box<Tree>>,
            last: u8,
        }
        assert!(shape::<Tree>().contains("/last: u8"), "{}", shape::<Tree>());
    }

    #[test]
    fn what_stands_behind_a_closed_place_is_seen() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        #[serde(tag = "kind")]
        enum Closed {
            One { a: u8 },
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Holder {
            lines: Vec<Line>,
            closed: Closed,
            closed_too: Closed,
            maybe: Option<Line>,
            count: u16,
        }
        let lines = shape::<Holder>();
        for line in ["/closed: anything", "/maybe?/price: f64", "/count: u16", "/lines[]/quantity: u32"] {
            assert!(lines.lines().any(|seen| seen == line), "{line} is missing in\n{lines}");
        }
    }

    #[test]
    fn what_nobody_can_look_into_is_passed_over() {
        #[derive(Deserialize)]
        #[allow(dead_code)]
        struct Odd {
            any: serde_json::Value,
            picky: Option<gesta_core::StreamId>,
            after: i16,
        }
        let lines = shape::<Odd>();
        assert!(lines.contains("/any: anything") && lines.contains("/after: i16"), "{lines}");
    }
}
