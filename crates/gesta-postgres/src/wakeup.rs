//! Telling and hearing that the head has moved: notifications, and a look now and then behind them.

use std::{
    future::poll_fn,
    sync::{Arc, PoisonError},
    time::Duration,
};

use gesta_core::Position;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client};

use crate::{
    probe::SETTINGS,
    read,
    shared::{Shared, position},
};

/// How long to wait before listening again.
const AGAIN: Duration = Duration::from_millis(500);

/// Listens for as long as the store is there. What is not heard, because the connection broke or a pooler swallows
/// notifications, is seen at the next look.
pub(crate) async fn listen(shared: Arc<Shared>) {
    let heard = async {
        loop {
            if let Err(error) = hear(&shared).await {
                tracing::debug!(error = %crate::error::told(&error), "wakeups are not heard for a moment");
            }
            sleep(AGAIN).await;
        }
    };
    tokio::join!(heard, look(&shared));
}

/// Looks at the head again and again.
async fn look(shared: &Shared) {
    loop {
        sleep(shared.options.poll).await;
        look_once(shared).await;
    }
}

async fn look_once(shared: &Shared) {
    // A setting may be changed under a running server; what is answered then says so.
    let asked = format!("SELECT (SELECT coalesce(max(position), 0) FROM gesta.events), {SETTINGS}");
    match read::page(shared, None, &asked, &[]).await {
        Ok(rows) => {
            let Some(row) = rows.first() else { return };
            shared
                .promise
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .go_by([1, 2, 3].map(|at| row.get(at)));
            shared.heard(position(row.get(0)));
        }
        // It is tried again; readers are told by their own reads.
        Err(error) => shared.noticed(Some(error.to_string())),
    }
}

/// Hears until the connection breaks.
async fn hear(shared: &Shared) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = shared.connector.listening().await?;
    let messages = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message?
                && let Ok(head) = told.payload().parse()
            {
                shared.heard(position(head));
            }
        }
        Ok(())
    };
    let listening = async {
        client.batch_execute("LISTEN gesta_log").await?;
        // What was notified before was not heard.
        look_once(shared).await;
        tokio::select! {
            ended = tell(&client, shared) => ended,
            ended = alive(&client) => ended,
        }
    };
    tokio::select! {
        ended = messages => ended,
        failed = listening => failed,
    }
}

/// Tells the other processes how far this one has appended. Behind the commit, not in it: a transaction that notifies takes
/// twice as long, and what is told is a hint. What is appended meanwhile is told at once with the next.
async fn tell(client: &Client, shared: &Shared) -> Result<(), tokio_postgres::Error> {
    let mut appended = shared.appended.subscribe();
    if Position::default() < *appended.borrow() {
        // It may have been appended while nothing could be told.
        appended.mark_changed();
    }
    while appended.changed().await.is_ok() {
        let head = *appended.borrow_and_update();
        let notify = format!(
            "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_notify('gesta_log', '{head}'); COMMIT"
        );
        client.batch_execute(&notify).await?;
    }
    Ok(())
}

/// Asks now and then whether the server is still there: a connection that only listens would not notice.
async fn alive(client: &Client) -> Result<(), tokio_postgres::Error> {
    const EVERY: Duration = Duration::from_secs(10);
    loop {
        sleep(EVERY).await;
        match timeout(EVERY, client.batch_execute("")).await {
            Ok(answered) => answered?,
            // Dropping the connection is the answer to a silent server.
            Err(_) => return Ok(()),
        }
    }
}
