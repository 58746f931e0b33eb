//! Whether two logs are equal to the byte: a hash over the envelopes of each, read from where they are stored.

use gesta_core::{Position, encode_recorded};
use sha2::{Digest, Sha256};

use super::{source::Source, transfer::Ended};
use crate::{exit::Failure, interrupt::Interrupt, output::number, progress::Progress};

/// Two logs as far as they were compared.
pub(super) struct Comparison {
    source: Side,
    target: Side,
}

/// A log and the hash over its events so far.
struct Side {
    log: Source,
    hash: Sha256,
    head: Position,
}

impl Comparison {
    /// Nothing of them yet.
    pub(super) fn new(source: Source, target: Source) -> Self {
        let side = |log| Side { log, hash: Sha256::new(), head: Position::START };
        Self { source: side(source), target: side(target) }
    }

    /// Goes on up to this position, which both have. Stopped half way it goes on from there the next time.
    pub(super) async fn up_to(
        &mut self,
        head: Position,
        interrupt: Option<&Interrupt>,
    ) -> Result<Ended, Failure> {
        let from = self.target.head.get();
        let mut progress = Progress::new("compare", Some(head.get().saturating_sub(from)));
        while self.source.head < head || self.target.head < head {
            if interrupt.is_some_and(Interrupt::is_asked) {
                return Ok(Ended::Interrupted);
            }
            let (source, target) = tokio::join!(self.source.step(head), self.target.step(head));
            source.and(target)?;
            let done = self.target.head.get() - from;
            progress.at(done, || format!("{} events", number(done)));
        }
        Ok(Ended::Done)
    }

    /// The source's hash in hexadecimal.
    pub(super) fn source(&self) -> String {
        self.source.hex()
    }

    /// The target's.
    pub(super) fn target(&self) -> String {
        self.target.hex()
    }

    /// Whether nothing differs.
    pub(super) fn is_equal(&self) -> bool {
        self.source() == self.target()
    }

    /// Lets go of both.
    pub(super) async fn close(&self) {
        self.source.log.close().await;
        self.target.log.close().await;
    }
}

impl Side {
    async fn step(&mut self, up_to: Position) -> Result<(), Failure> {
        if self.head >= up_to {
            return Ok(());
        }
        let events = self.log.read(self.head, up_to).await?;
        let Some(last) = events.last().map(|last| last.position) else {
            return Err(Failure::failed(format!(
                "a log ends at {} that went up to {up_to}: verify it",
                self.head
            )));
        };
        let mut envelope = Vec::new();
        for event in &events {
            envelope.clear();
            encode_recorded(&mut envelope, event);
            self.hash.update(&envelope);
        }
        self.head = last;
        Ok(())
    }

    fn hex(&self) -> String {
        self.hash.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
