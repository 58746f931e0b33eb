//! Which groups there are, and which of them have an actor.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use gesta_core::{Position, Tenant};
use tokio::{sync::mpsc, task::JoinHandle};

use super::command::Command;

/// How many commands may wait for a group.
pub(super) const MAILBOX: usize = 1_024;

/// Which groups there are, and which of them have an actor.
#[derive(Default)]
pub(super) struct Registry(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    groups: BTreeMap<(Tenant, String), Option<Running>>,
    /// How far the log was searched for groups.
    searched: Position,
    closed: bool,
}

/// A group's actor.
struct Running {
    mailbox: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Registry {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder of the registry's lock panics")
    }

    pub(super) fn insert(&self, tenant: &Tenant, name: &str) {
        self.inner().groups.entry((tenant.clone(), name.to_owned())).or_default();
    }

    pub(super) fn remove(&self, tenant: &Tenant, name: &str) {
        self.inner().groups.remove(&(tenant.clone(), name.to_owned()));
    }

    pub(super) fn holds(&self, tenant: &Tenant, name: &str) -> bool {
        self.inner().groups.contains_key(&(tenant.clone(), name.to_owned()))
    }

    /// Who has groups.
    pub(super) fn tenants(&self) -> BTreeSet<Tenant> {
        self.inner().groups.keys().map(|(tenant, _)| tenant.clone()).collect()
    }

    /// The names of a tenant's groups.
    pub(super) fn names(&self, tenant: &Tenant) -> Vec<String> {
        let inner = self.inner();
        inner.groups.keys().filter(|(of, _)| of == tenant).map(|(_, name)| name.clone()).collect()
    }

    /// The mailbox of a group's actor; `start` makes one if there is none. `None` once all is closed.
    pub(super) fn mailbox(
        &self,
        tenant: &Tenant,
        name: &str,
        start: impl FnOnce(mpsc::Receiver<Command>) -> JoinHandle<()>,
    ) -> Option<mpsc::Sender<Command>> {
        let mut inner = self.inner();
        if inner.closed {
            return None;
        }
        let slot = inner.groups.entry((tenant.clone(), name.to_owned())).or_default();
        if let Some(running) = slot.as_ref().filter(|running| !running.mailbox.is_closed()) {
            return Some(running.mailbox.clone());
        }
        let (mailbox, commands) = mpsc::channel(MAILBOX);
        *slot = Some(Running { mailbox: mailbox.clone(), task: start(commands) });
        Some(mailbox)
    }

    /// The mailbox of a group's actor, if one runs.
    pub(super) fn running(&self, tenant: &Tenant, name: &str) -> Option<mpsc::Sender<Command>> {
        let inner = self.inner();
        let running = inner.groups.get(&(tenant.clone(), name.to_owned()))?.as_ref()?;
        (!running.mailbox.is_closed()).then(|| running.mailbox.clone())
    }

    /// Lets an actor end if nobody has asked or is about to ask anything; the lock keeps it so.
    pub(super) fn retire(&self, tenant: &Tenant, name: &str, commands: &mut mpsc::Receiver<Command>) -> bool {
        let mut inner = self.inner();
        if !commands.is_empty() || commands.sender_strong_count() > 1 {
            return false;
        }
        commands.close();
        if let Some(slot) = inner.groups.get_mut(&(tenant.clone(), name.to_owned())) {
            *slot = None;
        }
        true
    }

    /// How far the log was searched for groups.
    pub(super) fn searched(&self) -> Position {
        self.inner().searched
    }

    pub(super) fn set_searched(&self, position: Position) {
        let mut inner = self.inner();
        inner.searched = inner.searched.max(position);
    }

    /// Starts no actor any more; answers with the running ones.
    pub(super) fn close(&self) -> Vec<(mpsc::Sender<Command>, JoinHandle<()>)> {
        let mut inner = self.inner();
        inner.closed = true;
        inner
            .groups
            .values_mut()
            .filter_map(Option::take)
            .map(|running| (running.mailbox, running.task))
            .collect()
    }
}
