//! Looking into a server that runs no application: what is missing is told apart by its code.

use gesta_api::{Code, DiffQuery, StateQuery};
use gesta_client::{Aggregates, Error, Processors};
use gesta_core::Tenant;

use crate::served::Served;

fn code(error: Error) -> Option<Code> {
    error.refusal().and_then(|refusal| refusal.code())
}

#[tokio::test]
async fn what_a_server_without_an_application_lacks_is_told_apart() {
    let served = Served::open().await;
    let client = served.client(&Tenant::default()).await;

    let processors = Processors::of(client.clone());
    assert_eq!(processors.list().await.expect("a list"), []);
    assert_eq!(code(processors.get("a/b").await.unwrap_err()), Some(Code::ProcessorNotFound));
    for told in [
        processors.pause("orders").await,
        processors.resume("orders").await,
        processors.reset("orders").await,
        processors.rebuild("orders").await,
        processors.swap_back("orders").await,
    ] {
        assert_eq!(code(told.unwrap_err()), Some(Code::ProcessorNotFound));
    }

    let aggregates = Aggregates::of(client);
    assert!(aggregates.categories().await.expect("a list").is_empty());
    let (state, diff) = (StateQuery::default(), DiffQuery::default());
    assert_eq!(code(aggregates.state("order", "1", &state).await.unwrap_err()), Some(Code::CategoryNotFound));
    assert_eq!(code(aggregates.diff("order", "a b", &diff).await.unwrap_err()), Some(Code::CategoryNotFound));
    let field = aggregates.field("order", "..", "/status").await.unwrap_err();
    assert_eq!(code(field), Some(Code::CategoryNotFound), "a name cannot lead to another route");
}
