//! Real orders into commands, at the times they really happened.
//!
//! A file in the form of a marketplace's export: one row for each item, with the order's times in every row. It is
//! read to its end before anything is sent, so a row that cannot be read leaves nothing half imported. The ids of the
//! commands follow from the orders' ids: a second import of the same file changes nothing.
//!
//! Times without an offset are taken as UTC.

use std::{collections::BTreeMap, fs::File, future::Future, io, path::Path, time::Duration};

use futures_util::{StreamExt, stream};
use gesta::{
    Command, ProcessorOptions, Processors, Rejection, Repository, WaitError, repository::ExecuteError,
};
use gesta_core::{Metadata, Position, read_model::ReadModelError};
use gesta_server::{Backend, ServeError};
use uuid::Uuid;

use crate::{
    app::{processors, read_models, repository},
    domain::order::{Order, OrderRejection},
    http::PATIENCE,
};

mod file;
mod plan;
mod report;
mod totals;

pub use file::UnreadableFile;
use plan::{Plan, Step};
pub use report::{ImportReport, RefusedCommand};
pub use totals::Totals;

/// How often it is looked what a server on the same store does.
const LOOK: Duration = Duration::from_secs(1);

/// How many orders are worked on at once: their appends share a sync.
const AT_ONCE: usize = 64;

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read; nothing was imported.
    #[error(transparent)]
    Unreadable(#[from] UnreadableFile),
    /// The store cannot be opened.
    #[error("{source}{}", remedy(source))]
    Open {
        /// Why.
        #[from]
        source: ServeError,
    },
    /// The store does not take commands any more. What was taken stays; the same import again goes on.
    #[error("order {order_id} could not be imported: {reason}; run the same import again to go on")]
    Store {
        /// Where it ended.
        order_id: Uuid,
        /// Why.
        reason: String,
    },
    /// The read models did not catch up.
    #[error("the orders are imported, but the read models cannot tell: {0}")]
    ReadModels(String),
}

/// An import works on the store itself, and a folder is one process's.
fn remedy(error: &ServeError) -> &'static str {
    match error {
        ServeError::Folder { .. } => "; an import works on the folder itself, so stop the server first",
        _ => "",
    }
}

/// Imports a file into a store, which is opened once the file has been read, and closed at the end.
///
/// Fails on a file or a store that cannot be read, before anything is sent. Commands that the rules refuse are no
/// failure: the report names them.
pub async fn import(
    path: &Path,
    opened: impl Future<Output = Result<Backend, ServeError>>,
) -> Result<ImportReport, ImportError> {
    let input = File::open(path).map_err(|error| UnreadableFile::File { reason: error.to_string() })?;
    let rows = file::read(io::BufReader::new(input))?;
    let plans = plan::plans(&rows)?;
    let backend = opened.await?;
    let report = send_all(&backend, &plans, rows.len()).await;
    backend.close().await?;
    report
}

async fn send_all(backend: &Backend, plans: &[Plan], rows: usize) -> Result<ImportReport, ImportError> {
    let orders = repository::<Order>(backend);
    let mut report = ImportReport::of(plans, rows);
    let sent = stream::iter(plans).map(|plan| send(&orders, plan)).buffered(AT_ONCE);
    let mut sent = std::pin::pin!(sent);
    while let Some(outcomes) = sent.next().await {
        report.take(outcomes?);
    }
    let lost = |error: &dyn std::fmt::Display| ImportError::ReadModels(error.to_string());
    let lease = ProcessorOptions::default().lease;
    let processors = processors(backend, lease, None).await.map_err(|error| lost(&error))?;
    // A server on the same database may be the one that maintains them.
    let _following = backend.is_shared().then(|| processors.follow(LOOK));
    processors.start_all().await.map_err(|error| lost(&error))?;
    let told = tell(backend, &processors, plans).await;
    processors.shutdown().await;
    report.read_models = told?;
    Ok(report)
}

/// What became of a command.
struct Outcome<'a> {
    plan: &'a Plan,
    step: &'a Step,
    became: Became,
}

enum Became {
    Accepted,
    /// An earlier import has sent it.
    Repeated,
    Refused(OrderRejection),
}

/// The commands of one order, one after the other. A refusal does not keep the later ones from being tried.
async fn send<'a>(orders: &Repository<Order>, plan: &'a Plan) -> Result<Vec<Outcome<'a>>, ImportError> {
    let mut outcomes = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let metadata = Metadata {
            correlation_id: Some(plan.order_id.to_string()),
            user_id: Some("import".to_owned()),
            source: Some("orders-import".to_owned()),
            occurred_at: Some(step.at),
            ..Metadata::default()
        };
        let command = Command::new(plan.order_id.to_string(), step.command.clone());
        let became = match orders.execute(command.with_id(step.id).with_metadata(metadata)).await {
            Ok(executed) if executed.repeated => Became::Repeated,
            Ok(_) => Became::Accepted,
            Err(ExecuteError::Rejected(refused)) => Became::Refused(refused),
            Err(error) => {
                let (order_id, reason) = (plan.order_id, error.to_string());
                return Err(ImportError::Store { order_id, reason });
            }
        };
        outcomes.push(Outcome { plan, step, became });
    }
    Ok(outcomes)
}

/// What the read models say of the orders of the file, once they have seen them all.
async fn tell(backend: &Backend, processors: &Processors, plans: &[Plan]) -> Result<Totals, ImportError> {
    let lost = |reason: String| ImportError::ReadModels(reason);
    let head = backend.store().head().await.map_err(|error| lost(error.to_string()))?;
    for name in crate::read_models::NAMES {
        catch_up(processors, name, head.position).await.map_err(|error| lost(error.to_string()))?;
    }
    let read_models = read_models(backend).map_err(|error| lost(error.to_string()))?;
    let orders = plans.iter().map(|plan| plan.order_id);
    let told: Result<Totals, ReadModelError> = totals::of_read_models(&*read_models, orders).await;
    told.map_err(|error| lost(error.to_string()))
}

/// Waits for as long as it comes nearer.
async fn catch_up(processors: &Processors, name: &str, head: Position) -> Result<(), WaitError> {
    let mut before = None;
    loop {
        match processors.wait_for(name, head, PATIENCE).await {
            Ok(_) => return Ok(()),
            Err(WaitError::Timeout { stands, .. }) if before != Some(stands) => before = Some(stands),
            Err(error) => return Err(error),
        }
    }
}

/// The rules' refusals by their code.
fn by_code(refused: &[RefusedCommand]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for one in refused {
        *counts.entry(one.code).or_default() += 1;
    }
    counts
}

impl RefusedCommand {
    fn of(plan: &Plan, step: &Step, refused: &OrderRejection) -> Self {
        Self {
            order_id: plan.order_id,
            line: plan.line,
            command: step.name,
            code: refused.code(),
            reason: refused.to_string(),
        }
    }
}
