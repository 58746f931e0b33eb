//! The aggregates of a program for those who know them by name only: the server, the command line, the console.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use gesta_core::{Tenant, Version};
use serde::Serialize;

use super::Aggregate;
use crate::{
    event::{EventKind, Kinds, SharedSpelling},
    history::{At, Diff, FieldSets, HistoryError, Past, StateView},
    repository::Repository,
    upcast::InvalidUpcasters,
};

/// Aggregates of one kind, seen without their type.
#[async_trait]
pub trait AggregateView: Send + Sync {
    /// The category of their streams.
    fn category(&self) -> &'static str;

    /// The kinds of their events.
    fn kinds(&self) -> &'static [EventKind];

    /// A state as JSON; `None` if there is no event until then.
    async fn state(&self, tenant: &Tenant, id: &str, at: At) -> Result<Option<StateView>, HistoryError>;

    /// What differs between two states; `None` if there is no event at all.
    async fn diff(&self, tenant: &Tenant, id: &str, from: At, to: At) -> Result<Option<Diff>, HistoryError>;

    /// The events behind `after`, oldest first, at most `limit`, in today's shape.
    async fn history(
        &self,
        tenant: &Tenant,
        id: &str,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Past>, HistoryError>;

    /// The events that changed a field (a JSON pointer), oldest first, at most the latest `limit`, and of
    /// these as many as fit into 8 MiB of memory, but always the last one.
    async fn field_history(
        &self,
        tenant: &Tenant,
        id: &str,
        field: &str,
        limit: usize,
    ) -> Result<FieldSets, HistoryError>;
}

#[async_trait]
impl<A: Aggregate + Serialize> AggregateView for Repository<A> {
    fn category(&self) -> &'static str {
        A::CATEGORY
    }

    fn kinds(&self) -> &'static [EventKind] {
        <A::Event as crate::Event>::KINDS
    }

    async fn state(&self, tenant: &Tenant, id: &str, at: At) -> Result<Option<StateView>, HistoryError> {
        self.view(tenant, id, at).await
    }

    async fn diff(&self, tenant: &Tenant, id: &str, from: At, to: At) -> Result<Option<Diff>, HistoryError> {
        Repository::diff(self, tenant, id, from, to).await
    }

    async fn history(
        &self,
        tenant: &Tenant,
        id: &str,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Past>, HistoryError> {
        Ok(Repository::history(self, tenant, id, after, limit).await?)
    }

    async fn field_history(
        &self,
        tenant: &Tenant,
        id: &str,
        field: &str,
        limit: usize,
    ) -> Result<FieldSets, HistoryError> {
        Repository::field_history(self, tenant, id, field, limit).await
    }
}

/// The kinds of aggregates of a program, by category.
///
/// Registering is where a program is checked as a whole: two aggregates of one category, two kinds of events with one
/// spelling and an old schema version without an upcaster are refused before anything is served.
#[derive(Clone, Default)]
pub struct Aggregates {
    views: BTreeMap<&'static str, Arc<dyn AggregateView>>,
    kinds: Kinds,
}

/// An aggregate that cannot be served beside the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Its category is taken.
    #[error("two aggregates have the category {category:?}: their streams would be mixed up; rename one")]
    Category {
        /// The category.
        category: &'static str,
    },
    /// No stream can have its category.
    #[error("{category:?} cannot be a category: use A-Z a-z 0-9 . _ and no dash")]
    IllegalCategory {
        /// The category.
        category: &'static str,
    },
    /// One of its events has a spelling of another kind.
    #[error(transparent)]
    Spelling(#[from] SharedSpelling),
    /// Some old event of it could not be read.
    #[error(transparent)]
    Upcasters(#[from] InvalidUpcasters),
}

impl Aggregates {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the aggregates of a repository. Fails on a category or spelling that is taken and on a missing upcaster, and
    /// then adds nothing.
    pub fn register<A: Aggregate + Serialize>(
        &mut self,
        repository: Repository<A>,
    ) -> Result<(), RegisterError> {
        let category = A::CATEGORY;
        if !super::stream_of::<A>("x").is_ok_and(|stream| stream.category() == category) {
            return Err(RegisterError::IllegalCategory { category });
        }
        if self.views.contains_key(category) {
            return Err(RegisterError::Category { category });
        }
        repository.check()?;
        self.kinds.add::<A::Event>()?;
        self.views.insert(category, Arc::new(repository));
        Ok(())
    }

    /// The aggregates of this category.
    pub fn of(&self, category: &str) -> Option<&Arc<dyn AggregateView>> {
        self.views.get(category)
    }

    /// The categories, by name.
    pub fn categories(&self) -> impl Iterator<Item = &'static str> {
        self.views.keys().copied()
    }

    /// Every kind of event of every aggregate.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }
}

impl fmt::Debug for Aggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.categories()).finish()
    }
}
