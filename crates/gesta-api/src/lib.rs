//! What goes over the wire between a Gesta server and its clients: request and reply bodies, problem codes and the
//! one strict way to read JSON.
//!
//! It is no client and no server: it opens no connection and registers no route; see `gesta-client` and
//! `gesta-server`. Requests refuse unknown fields, replies tolerate them, so that a client outlives a server's
//! additions.
//!
//! ```
//! use gesta_api::{Code, PublishRequest, parse};
//!
//! let body = br#"{"event_type":"sample.created","source_service":"test","payload":{"test":"data"}}"#;
//! let request: PublishRequest = parse(body)?;
//! assert_eq!(request.payload.get(), r#"{"test":"data"}"#);
//!
//! let problem = parse::<PublishRequest>(br#"{"event_type":"sample.created"}"#).unwrap_err();
//! assert_eq!(problem.code(), Some(Code::InvalidField));
//! assert_eq!(problem.status, 422);
//! # Ok::<(), gesta_api::Problem>(())
//! ```
//!
//! Foreign types in the public API: `uuid::Uuid`, `serde_json::value::RawValue`, serde's and utoipa's traits.

#![allow(clippy::result_large_err, reason = "a problem ends its request, so its size is no matter")]

mod aggregate;
mod append;
mod code;
mod dead_letter;
mod delivery;
mod envelope;
mod event;
mod group;
mod info;
mod page;
mod problem;
mod processor;
mod publish;
mod query;
mod strict;
mod subscription;
mod types;

pub use aggregate::{
    AggregateCategories, AggregateDiff, AggregateState, DiffQuery, FieldChange, FieldHistory, FieldQuery,
    FieldSet, StateQuery,
};
pub use append::{
    AppendRequest, AppendedReply, BatchAppendRequest, BatchAppendedEvent, BatchAppendedReply, EventToAppend,
    PlacedEvent, StreamToAppend,
};
pub use code::Code;
pub use dead_letter::{DeadLetter, DeadLetterStatistics, DeadLetters, DeadLettersOfType};
pub use delivery::{AckReply, AckRequest, DeliveredEvent, Deliveries, NackReply, NackRequest, PullRequest};
pub use envelope::Envelope;
pub use event::Event;
pub use group::{
    Group, GroupCounts, GroupFilter, GroupMember, GroupRequest, GroupStart, Groups, ParkedEvent,
    ParkedEvents, ParkedReply, ParkedSelection,
};
pub use info::{
    Breaker, Breakers, Endpoints, Health, HealthStatus, RecentEvent, RecentEvents, RecentStatus, ServiceInfo,
    Stats, StoreHealth,
};
pub use page::{LogInfo, LogPage, StreamHead, StreamPage, StreamSummary, StreamsPage};
pub use problem::Problem;
pub use processor::{Processor, ProcessorKind, ProcessorState, Processors, Progress, Rebuild};
pub use publish::{
    AcceptedEvent, AggregateEvent, Durability, DurabilityGiven, PublishBatchReply, PublishBatchRequest,
    PublishRequest, Published,
};
pub use query::{LogQuery, Query, StreamQuery, StreamsQuery, consumer_of, recent_limit};
pub use strict::{check_json, parse};
pub use subscription::{SubscribeRequest, Subscribed};
pub use types::{KnownType, KnownTypes};
