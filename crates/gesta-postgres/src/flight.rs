//! Several statements on their way at once.

use std::{future::poll_fn, pin::Pin, task::Poll};

use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::Error;

/// A statement on its way.
pub(crate) type Sent<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Sends all, one behind the other and without waiting in between, then waits for their answers.
///
/// The driver sends a statement when its future is first polled. So all are on their way before anything else happens on
/// this task, the end of their transaction included: whoever hangs up leaves no transaction open behind.
pub(crate) async fn answers<'a, T: Send>(
    statements: impl IntoIterator<Item = Sent<'a, T>>,
) -> Vec<Result<T, Error>> {
    let mut sent: Vec<Pin<Box<MaybeDone<Sent<'a, T>>>>> =
        statements.into_iter().map(|statement| Box::pin(maybe_done(statement))).collect();
    poll_fn(|context| {
        for statement in &mut sent {
            let _ = statement.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::with_capacity(sent.len());
    for mut statement in sent {
        statement.as_mut().await;
        answers.push(statement.as_mut().take_output().expect("a future that is done has an output"));
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn all_are_sent_in_order_before_any_answer_comes() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let statement = |n: usize| -> Sent<'_, usize> {
            let said = said.clone();
            Box::pin(async move {
                said.lock().expect("not poisoned").push(n);
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                said.lock().expect("not poisoned").push(1_000 + n);
                Ok(n)
            })
        };
        let answers = answers((0..500).map(statement)).await;
        assert!(answers.into_iter().map(|answer| answer.expect("answers")).eq(0..500));
        let said = said.lock().expect("not poisoned");
        assert!(said[..500].iter().copied().eq(0..500), "one was sent behind an answer");
    }
}
