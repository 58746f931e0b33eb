//! A domain of the tests: one concert and its seats.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use gesta::{Aggregate, Command, Context, Event, Rejection};
use gesta_core::{EventStore, ReadStream, RecordedEvent, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) seats: u32,
    pub(crate) opened_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sold {
    pub(crate) seat: u32,
    pub(crate) to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closed {}

#[derive(Debug, Clone, PartialEq, Event)]
pub(crate) enum ConcertEvent {
    #[event(name = "ConcertOpened")]
    Opened(Opened),
    #[event(name = "SeatSold", aliases("seat.sold"))]
    Sold(Sold),
    #[event(name = "ConcertClosed")]
    Closed(Closed),
}

#[derive(Debug, Clone)]
pub(crate) enum ConcertCommand {
    Open {
        seats: u32,
    },
    /// One event for each seat.
    Sell {
        seats: Vec<u32>,
        to: String,
    },
    Close,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum No {
    #[error("the concert is open already")]
    AlreadyOpen,
    #[error("the concert is not open")]
    NotOpen,
    #[error("seat {0} is taken")]
    Taken(u32),
}

impl Rejection for No {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyOpen => "AlreadyOpen",
            Self::NotOpen => "NotOpen",
            Self::Taken(_) => "Taken",
        }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Concert {
    pub(crate) seats: u32,
    pub(crate) sold: BTreeMap<u32, String>,
    pub(crate) open: bool,
    pub(crate) opened_at: Option<Timestamp>,
    pub(crate) last_change: Option<Timestamp>,
    pub(crate) last_user: Option<String>,
}

impl Aggregate for Concert {
    const CATEGORY: &'static str = "concert";
    type Command = ConcertCommand;
    type Event = ConcertEvent;
    type Rejection = No;

    fn decide(&self, command: &ConcertCommand, context: &Context<'_>) -> Result<Vec<ConcertEvent>, No> {
        match command {
            ConcertCommand::Open { .. } if self.opened_at.is_some() => Err(No::AlreadyOpen),
            ConcertCommand::Open { seats } => Ok(vec![opened(*seats, context.at)]),
            ConcertCommand::Sell { .. } if !self.open => Err(No::NotOpen),
            ConcertCommand::Sell { seats, to } => match seats.iter().find(|seat| self.taken(**seat)) {
                Some(seat) => Err(No::Taken(*seat)),
                None => Ok(seats.iter().map(|seat| sold(*seat, to)).collect()),
            },
            ConcertCommand::Close if !self.open => Ok(vec![]),
            ConcertCommand::Close => Ok(vec![ConcertEvent::Closed(Closed {})]),
        }
    }

    fn apply(&mut self, event: &ConcertEvent, context: &Context<'_>) {
        match event {
            ConcertEvent::Opened(opened) => {
                (self.seats, self.open, self.opened_at) = (opened.seats, true, Some(opened.opened_at));
            }
            ConcertEvent::Sold(sold) => drop(self.sold.insert(sold.seat, sold.to.clone())),
            ConcertEvent::Closed(_) => self.open = false,
        }
        self.last_change = Some(context.at);
        self.last_user = context.user_id.map(Into::into);
    }
}

impl Concert {
    fn taken(&self, seat: u32) -> bool {
        seat >= self.seats || self.sold.contains_key(&seat)
    }
}

pub(crate) fn opened(seats: u32, at: Timestamp) -> ConcertEvent {
    ConcertEvent::Opened(Opened { seats, opened_at: at })
}

pub(crate) fn sold(seat: u32, to: &str) -> ConcertEvent {
    ConcertEvent::Sold(Sold { seat, to: to.into() })
}

pub(crate) fn open(seats: u32) -> ConcertCommand {
    ConcertCommand::Open { seats }
}

pub(crate) fn sell(seat: u32) -> ConcertCommand {
    ConcertCommand::Sell { seats: vec![seat], to: "ada".into() }
}

/// To the concert `1`.
pub(crate) fn command(payload: ConcertCommand) -> Command<ConcertCommand> {
    Command::new("1", payload)
}

/// Of the concert `1`.
pub(crate) async fn events(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let read = ReadStream::of(tenant(), "concert-1".parse().expect("legal"));
    store.read_stream(read).try_collect().await.expect("reads")
}

pub(crate) fn tenant() -> Tenant {
    Tenant::default()
}
