//! Queries of customers: answered by their events, so they are never behind.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use gesta_api::Problem;
use gesta_server::{Failure, auth::Caller, extract::PathText};
use uuid::Uuid;

use super::{
    Orders, check_tenant,
    command::tagged,
    query::{self, AsOf},
    refusal,
};
use crate::domain::customer::{CustomerRejection, RegisteredCustomer};

/// Show a customer
///
/// As it is, or with `version` or `at` as it was then. `ETag` is the version.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = Uuid, Path, description = "the customer's id"), AsOf),
    responses(
        (status = 200, body = RegisteredCustomer, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn show(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    uri: Uri,
) -> Result<Response, Failure> {
    check_tenant(&caller)?;
    let (id, asked): (Uuid, AsOf) = (query::id(&path)?, query::read(&uri)?);
    match asked.moment()?.of(&app.0.customers, id).await?.0 {
        Some(customer) => Ok(tagged(StatusCode::OK, &customer, customer.version)),
        None => Err(refusal::broken(&CustomerRejection::NotInitialized)),
    }
}
