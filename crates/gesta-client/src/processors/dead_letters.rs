//! What processors left out.

use gesta_api::{DeadLetter, DeadLetterStatistics, DeadLetters, ParkedReply, ParkedSelection};

use super::{Processors, path};
use crate::Error;

impl Processors {
    /// What a processor left out, oldest first; at most 1,000. With the events themselves on demand, for who may read
    /// streams.
    pub async fn dead_letters(&self, name: &str, events: bool) -> Result<Vec<DeadLetter<'static>>, Error> {
        let asked = if events { "?events=true" } else { "" };
        let listed =
            self.0.get::<DeadLetters<'static>>(&format!("{}/dead-letters{asked}", path(name))).await?;
        Ok(listed.dead_letters)
    }

    /// How many dead letters a processor has, by type.
    pub async fn dead_letter_statistics(&self, name: &str) -> Result<DeadLetterStatistics, Error> {
        self.0.get(&format!("{}/dead-letters/statistics", path(name))).await
    }

    /// Has dead letters handled again, each followed by what waits behind it; answers with how many.
    pub async fn replay_dead_letters(&self, name: &str, which: &ParkedSelection) -> Result<usize, Error> {
        self.decide(name, "replay", which).await
    }

    /// Gives dead letters up; answers with how many. The events stay in the log.
    pub async fn discard_dead_letters(&self, name: &str, which: &ParkedSelection) -> Result<usize, Error> {
        self.decide(name, "discard", which).await
    }

    async fn decide(&self, name: &str, verb: &str, which: &ParkedSelection) -> Result<usize, Error> {
        let reply: ParkedReply = self.0.post(&format!("{}/dead-letters/{verb}", path(name)), which).await?;
        Ok(reply.count)
    }
}
