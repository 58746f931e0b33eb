//! Old facts read in today's shape.
//!
//! Stored bytes are never rewritten. When a kind of event gets another shape, its schema version goes up by one and an
//! *upcaster* says how data of the version before becomes data of this one. Readers see the present shape only.
//!
//! ```
//! use gesta::{Event, upcast::Upcasters};
//! use serde_json::json;
//!
//! #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
//! struct Weighed { grams: f64 }
//!
//! #[derive(Debug, Clone, PartialEq, Event)]
//! enum Parcel {
//!     #[event(name = "ParcelWeighed", schema_version = 2)]
//!     Weighed(Weighed),
//! }
//!
//! let upcasters = Upcasters::new().step("ParcelWeighed", 1, |data| {
//!     let kilograms = data["kilograms"].as_f64().ok_or("kilograms is no number")?;
//!     Ok(json!({"grams": kilograms * 1000.0}))
//! });
//! upcasters.check::<Parcel>()?;
//! # Ok::<(), gesta::upcast::InvalidUpcasters>(())
//! ```

use std::{fmt, sync::Arc};

use serde_json::Value;

use crate::{
    event::{Event, EventKind},
    unreadable::Unreadable,
};

mod decode;
pub use decode::{DecodeError, Undecodable, decode};

/// What makes old data into newer data: pure, so that the same bytes always read the same.
type Upcast = Arc<dyn Fn(Value) -> Result<Value, Unfit> + Send + Sync>;

/// The upcasters of a program: for each kind a chain of steps from version 1 to today's.
///
/// Numbers pass through `serde_json::Value`, so an integer beyond 64 bits in *old* data becomes a float; data that needs
/// no upcaster is not touched.
#[derive(Clone, Default)]
pub struct Upcasters {
    steps: Vec<Step>,
    shapes: Vec<AliasShape>,
}

/// Why an upcaster cannot make new data of old: in a few words without values of the data, as they are logged. From a
/// text, or from serde's error with `?`, of which only kind and place are taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

/// From one version of a kind to the next.
#[derive(Clone)]
struct Step {
    event_type: String,
    from: u32,
    upcast: Upcast,
}

/// From the shape that one spelling has to the shape of its kind, at the same version.
#[derive(Clone)]
struct AliasShape {
    spelling: String,
    upcast: Upcast,
}

/// The upcasters do not lead from every old version to today's. Mend the program: nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUpcasters {
    /// Some version has no way on.
    #[error(
        "{event_type} is at schema version {current}, but nothing leads from version {from} to {}: add \
         .step({event_type:?}, {from}, …)", from + 1
    )]
    Missing {
        /// The kind.
        event_type: String,
        /// The version without a way on.
        from: u32,
        /// The version of today.
        current: u32,
    },
    /// Two steps begin at one version.
    #[error("two upcasters lead from {event_type} schema version {from}: keep one")]
    Twice {
        /// The kind.
        event_type: String,
        /// The version they begin at.
        from: u32,
    },
    /// A step leads beyond today's version.
    #[error(
        "an upcaster leads from {event_type} schema version {from}, but {current} is today's: raise schema_version of \
         the kind, or take the step out"
    )]
    Beyond {
        /// The kind.
        event_type: String,
        /// The version it begins at.
        from: u32,
        /// The version of today.
        current: u32,
    },
    /// A shape is given for a name that new events are stored under, so they would be changed, too.
    #[error(
        "{spelling:?} is the name of its kind and no alias: give old data of it schema versions and steps"
    )]
    NoAlias {
        /// The name.
        spelling: String,
    },
    /// Two shapes are given for one alias.
    #[error("the alias {spelling:?} is given two shapes: keep one")]
    AliasTwice {
        /// The alias.
        spelling: String,
    },
}

impl Upcasters {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the step from version `from` to the next, for a kind by any of its spellings.
    ///
    /// The function gets the data as it was at `from` and answers with it as of `from + 1`, or says in a few words why
    /// it cannot. It must be pure: no clock, no look-up, no state.
    pub fn step(
        mut self,
        event_type: impl Into<String>,
        from: u32,
        upcast: impl Fn(Value) -> Result<Value, Unfit> + Send + Sync + 'static,
    ) -> Self {
        self.steps.push(Step { event_type: event_type.into(), from, upcast: Arc::new(upcast) });
        self
    }

    /// Says how data stored under exactly this spelling becomes data of the kind, at the same schema version: for an
    /// alias whose payload always differed. The steps follow.
    pub fn alias(
        mut self,
        spelling: impl Into<String>,
        upcast: impl Fn(Value) -> Result<Value, Unfit> + Send + Sync + 'static,
    ) -> Self {
        self.shapes.push(AliasShape { spelling: spelling.into(), upcast: Arc::new(upcast) });
        self
    }

    /// Refuses gaps, steps that begin at one version, and steps beyond today's version, for every kind of a type.
    /// Called at start-up, so that a forgotten step is not found by a customer's order.
    pub fn check<E: Event>(&self) -> Result<(), InvalidUpcasters> {
        E::KINDS.iter().try_for_each(|kind| self.check_kind(kind))
    }

    fn check_kind(&self, kind: &EventKind) -> Result<(), InvalidUpcasters> {
        self.check_shapes(kind)?;
        let (event_type, current) = (kind.name.to_owned(), kind.schema_version);
        let mut from: Vec<u32> = self.steps_of(kind).map(|step| step.from).collect();
        from.sort_unstable();
        if let Some(pair) = from.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(InvalidUpcasters::Twice { event_type, from: pair[0] });
        }
        if let Some(from) = from.iter().copied().find(|from| *from >= current || *from == 0) {
            return Err(InvalidUpcasters::Beyond { event_type, from, current });
        }
        match (1..current).find(|version| !from.contains(version)) {
            Some(from) => Err(InvalidUpcasters::Missing { event_type, from, current }),
            None => Ok(()),
        }
    }

    fn check_shapes(&self, kind: &EventKind) -> Result<(), InvalidUpcasters> {
        let shapes = |spelling: &str| self.shapes.iter().filter(|shape| shape.spelling == spelling).count();
        if shapes(kind.name) > 0 {
            return Err(InvalidUpcasters::NoAlias { spelling: kind.name.to_owned() });
        }
        match kind.aliases.iter().find(|alias| shapes(alias) > 1) {
            Some(alias) => Err(InvalidUpcasters::AliasTwice { spelling: (*alias).to_owned() }),
            None => Ok(()),
        }
    }

    fn steps_of(&self, kind: &EventKind) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| kind.is_called(&step.event_type))
    }

    /// How data of this spelling and version becomes data of today; `None` when it is that already, and the version
    /// that has no way on when there is none.
    fn way(&self, kind: &EventKind, spelling: &str, from: u32) -> Result<Option<Vec<&Upcast>>, u32> {
        let shape = self.shapes.iter().find(|shape| shape.spelling == spelling).map(|shape| &shape.upcast);
        let mut way: Vec<&Upcast> = shape.into_iter().collect();
        for version in from..kind.schema_version {
            let step = self.steps_of(kind).find(|step| step.from == version).ok_or(version)?;
            way.push(&step.upcast);
        }
        Ok((!way.is_empty()).then_some(way))
    }
}

impl From<&str> for Unfit {
    fn from(reason: &str) -> Self {
        Self(reason.into())
    }
}

impl From<String> for Unfit {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

impl From<serde_json::Error> for Unfit {
    fn from(error: serde_json::Error) -> Self {
        Self(Unreadable(&error).to_string())
    }
}

impl fmt::Debug for Upcasters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps =
            self.steps.iter().map(|step| format!("{} {} → {}", step.event_type, step.from, step.from + 1));
        let shapes = self.shapes.iter().map(|shape| format!("alias {}", shape.spelling));
        f.debug_list().entries(steps.chain(shapes)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate as gesta;

    #[derive(Debug, Clone, PartialEq, gesta::Event)]
    enum Thing {
        #[event(name = "ThingMade", schema_version = 3, aliases("thing.made"))]
        Made(Value),
    }

    fn same(data: Value) -> Result<Value, Unfit> {
        Ok(data)
    }

    #[test]
    fn a_missing_link_is_found_before_anything_is_read() {
        let missing = |from| InvalidUpcasters::Missing { event_type: "ThingMade".into(), from, current: 3 };
        assert_eq!(Upcasters::new().check::<Thing>(), Err(missing(1)));
        let half = Upcasters::new().step("thing.made", 1, same);
        assert_eq!(half.check::<Thing>(), Err(missing(2)));
        assert_eq!(half.step("ThingMade", 2, same).check::<Thing>(), Ok(()), "any spelling will do");
    }

    #[test]
    fn a_step_that_can_not_be_meant_is_refused() {
        let whole = Upcasters::new().step("ThingMade", 1, same).step("ThingMade", 2, same);
        let twice = whole.clone().step("thing.made", 1, same).check::<Thing>();
        assert_eq!(twice, Err(InvalidUpcasters::Twice { event_type: "ThingMade".into(), from: 1 }));
        for from in [0, 3] {
            let beyond = whole.clone().step("thing.made", from, same).check::<Thing>();
            assert!(matches!(beyond, Err(InvalidUpcasters::Beyond { .. })), "{from}: {beyond:?}");
        }
    }

    #[test]
    fn a_shape_belongs_to_one_alias_and_never_to_the_name() {
        let whole = Upcasters::new().step("ThingMade", 1, same).step("ThingMade", 2, same);
        let once = whole.clone().alias("thing.made", same);
        assert_eq!(once.check::<Thing>(), Ok(()));
        let twice = InvalidUpcasters::AliasTwice { spelling: "thing.made".into() };
        assert_eq!(once.alias("thing.made", same).check::<Thing>(), Err(twice));
        let name = InvalidUpcasters::NoAlias { spelling: "ThingMade".into() };
        assert_eq!(whole.alias("ThingMade", same).check::<Thing>(), Err(name));
    }

    #[test]
    fn it_says_what_it_holds() {
        let some = Upcasters::new().step("ThingMade", 1, same).alias("thing.made", same);
        assert_eq!(format!("{some:?}"), r#"["ThingMade 1 → 2", "alias thing.made"]"#);
    }
}
