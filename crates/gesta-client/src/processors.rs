//! Processors that run in a server's process.

use gesta_api::{Processor, Processors as Listed};

use crate::{
    Client, Error,
    client::{Call, segment},
};

mod dead_letters;

/// The processors that run in a server's process, and what an operator tells them.
///
/// ```no_run
/// use gesta_client::{Client, Processors};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let processors = Processors::of(Client::new("http://127.0.0.1:8087")?);
/// for processor in processors.list().await? {
///     println!("{} is {} events behind", processor.name, processor.progress.lag_events);
/// }
/// let begun = processors.rebuild("order-read-model").await?;
/// println!("{:?}", begun.rebuild.and_then(|rebuild| rebuild.time_left_ms));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Processors(Client);

impl Processors {
    /// Those of this server. Nothing is sent yet.
    pub fn of(client: Client) -> Self {
        Self(client)
    }

    /// Every processor that the caller may see, by name.
    pub async fn list(&self) -> Result<Vec<Processor>, Error> {
        self.0.get::<Listed>("/api/v1/processors").await.map(|listed| listed.processors)
    }

    /// One of them; `-projection` at the end of its name may be left out. Fails with 404 when the server runs none of
    /// this name.
    pub async fn get(&self, name: &str) -> Result<Processor, Error> {
        self.0.get(&path(name)).await
    }

    /// Lets it finish its batch and wait, also after a restart. Safe to send again, and is.
    pub async fn pause(&self, name: &str) -> Result<Processor, Error> {
        self.0.retrying(Call::tell(format!("{}/pause", path(name)))).await
    }

    /// Lets it go on, after a pause or after it has stopped with an error. Safe to send again, and is.
    pub async fn resume(&self, name: &str) -> Result<Processor, Error> {
        self.0.retrying(Call::tell(format!("{}/resume", path(name)))).await
    }

    /// Begins at the start of the log again: a read model is empty at once. Sent once.
    pub async fn reset(&self, name: &str) -> Result<Processor, Error> {
        self.0.once(Call::tell(format!("{}/reset", path(name)))).await
    }

    /// Builds a read model anew beside the one at work. Answers when it has begun; sent once. Fails with 409 while
    /// another rebuild runs.
    pub async fn rebuild(&self, name: &str) -> Result<Processor, Error> {
        self.0.once(Call::tell(format!("{}/rebuild", path(name)))).await
    }

    /// Gives up a rebuild, whether it runs or has stopped; sent once. Fails with 409 when there is none.
    pub async fn cancel_rebuild(&self, name: &str) -> Result<Processor, Error> {
        self.0.once(Call::tell(format!("{}/cancel-rebuild", path(name)))).await
    }

    /// Puts the generation before the last rebuild back in place; sent once. Fails with 409 when there is none.
    pub async fn swap_back(&self, name: &str) -> Result<Processor, Error> {
        self.0.once(Call::tell(format!("{}/swap-back", path(name)))).await
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/processors/{}", segment(name))
}
