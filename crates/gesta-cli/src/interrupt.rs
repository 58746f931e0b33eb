//! Ctrl-C, seen between two steps.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

/// Whether somebody wants the command to stop. The first Ctrl-C or SIGTERM asks; the second ends the process at once.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Asked>);

struct Asked {
    asked: AtomicBool,
    told: Notify,
}

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Self {
        let interrupt = Self(Arc::new(Asked { asked: AtomicBool::new(false), told: Notify::new() }));
        let ours = interrupt.clone();
        // Registered here and not in the task: from now on no signal ends the process unasked.
        let (Ok(mut keyboard), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return interrupt;
        };
        tokio::spawn(async move {
            either(&mut keyboard, &mut terminate).await;
            ours.0.asked.store(true, Ordering::SeqCst);
            ours.0.told.notify_waiters();
            either(&mut keyboard, &mut terminate).await;
            std::process::exit(crate::exit::Exit::Interrupted as i32);
        });
        interrupt
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Waits until it is asked for.
    pub(crate) async fn asked(&self) {
        let told = self.0.told.notified();
        let mut told = std::pin::pin!(told);
        // Enabled before the flag is looked at, so that a signal between the two is not missed.
        told.as_mut().enable();
        if !self.is_asked() {
            told.await;
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
