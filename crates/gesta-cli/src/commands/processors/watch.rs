//! Staying with a rebuild until it is done.

use std::time::Duration;

use gesta_api::{Processor, ProcessorState};
use gesta_client::Processors;
use tokio::time::sleep;

use super::shown;
use crate::{
    exit::{Exit, Failure},
    interrupt::Interrupt,
    progress::Progress,
};

/// How often the server is asked.
const EVERY: Duration = Duration::from_millis(500);

/// Asks how a rebuild goes on until there is none any more, and answers with the processor as it is then. Fails when
/// the rebuild has stopped. The rebuild goes on whatever becomes of the watching.
pub(super) async fn to_the_end(
    remote: &Processors,
    name: &str,
    begun: Option<Processor>,
) -> Result<Processor, Failure> {
    let interrupt = Interrupt::listen();
    let mut now = match begun {
        Some(begun) => begun,
        None => remote.get(name).await?,
    };
    let (was, building) = (now.generation, now.rebuild.as_ref().map(|rebuild| rebuild.generation));
    let mut progress: Option<Progress> = None;
    while let Some(rebuild) = &now.rebuild {
        if rebuild.state == ProcessorState::Stopped {
            return Err(Failure::failed(format!(
                "the rebuild of {name} has stopped: {}",
                shown::rebuild(rebuild)
            )));
        }
        progress
            .get_or_insert_with(|| Progress::new("rebuild", Some(rebuild.of)))
            .at(rebuild.done, || shown::rebuild(rebuild));
        tokio::select! {
            () = sleep(EVERY) => {}
            () = interrupt.asked() => {
                return Err(Failure::new(Exit::Interrupted, format!("the rebuild of {name} goes on")));
            }
        }
        now = remote.get(name).await?;
    }
    drop(progress);
    match building {
        Some(building) if now.generation == was && was != building => Err(Failure::failed(format!(
            "the rebuild of {name} ended without generation {building} being put in place"
        ))),
        _ => Ok(now),
    }
}
