//! Files becoming events: what a file holds, what becomes of each row, and sending that so that a second time
//! adds nothing.

pub(crate) mod cell;
pub(crate) mod cloudevents;
pub(crate) mod csv;
pub(crate) mod exported;
pub(crate) mod lines;
pub(crate) mod mapping;
pub(crate) mod row;
pub(crate) mod send;
pub(crate) mod template;

pub(crate) use self::{
    mapping::{Candidate, Columns, Mapping},
    row::Refused,
    send::{Sender, Tally},
    template::Template,
};

/// What a file holds, one after the other.
pub(crate) type Candidates = Box<dyn Iterator<Item = Result<Candidate, Trouble>> + Send>;

/// Why something of a file did not become an event.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// This row cannot; the next one may.
    Row(Refused),
    /// The file cannot be read on.
    File(String),
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Row(refused)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(refused) => write!(f, "line {}: {}", refused.line, refused.reason),
            Self::File(reason) => f.write_str(reason),
        }
    }
}
