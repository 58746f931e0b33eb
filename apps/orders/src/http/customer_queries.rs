//! Queries of customers: answered by their events, so they are never behind.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use gesta_api::Problem;
use gesta_core::Tenant;
use gesta_server::{
    Failure,
    auth::Caller,
    extract::{PathText, etag, json},
};

use super::{
    Orders, check_tenant,
    query::{self, AsOf, Moment},
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
    let (key, asked): (String, AsOf) = (query::id(&path)?.to_string(), query::read(&uri)?);
    let (tenant, customers) = (Tenant::default(), &app.0.customers);
    let loaded = match asked.moment()? {
        Moment::Now => customers.load(&tenant, &key).await,
        Moment::Version(version) => customers.load_version(&tenant, &key, version).await,
        Moment::Time(time) => customers.load_at(&tenant, &key, time).await,
    };
    match loaded.map_err(refusal::unloadable)?.and_then(|loaded| loaded.state.0) {
        Some(customer) => {
            let mut response = json(StatusCode::OK, &customer);
            response.headers_mut().extend([etag(customer.version)]);
            Ok(response)
        }
        None => Err(refusal::broken(&CustomerRejection::NotInitialized)),
    }
}
