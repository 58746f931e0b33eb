//! Commands to a customer.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use gesta::repository::Executed;
use gesta_api::Problem;
use gesta_server::{
    Failure,
    auth::Caller,
    extract::{JsonBody, PathText, etag, json},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Orders,
    head::{Head, OptionalBody},
    order_commands::with_position,
    query,
    requests::{
        AddAddressRequest, AddPaymentMethodRequest, ChangeEmailRequest, ChangePhoneRequest,
        ReactivateRequest, ReasonRequest, RegisterCustomerRequest, RemoveAddressRequest,
        RemovePaymentMethodRequest, UpdateAddressRequest, UpdateProfileRequest, UpgradeTierRequest,
    },
};
use crate::domain::customer::{Customer, CustomerCommand};

/// What became of a command to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerReply {
    /// The customer.
    pub customer_id: Uuid,
    /// Its version after the command; also the `ETag`.
    pub version: u64,
}

/// Register a customer
///
/// It begins active and bronze.
#[utoipa::path(
    post, path = "/api/v1/customers", tag = "customers",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again")),
    request_body = RegisterCustomerRequest,
    responses(
        (status = 201, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 409, body = Problem, description = "AlreadyExists"),
        (status = 422, body = Problem, description = "EmptyFirstName, EmptyLastName, EmptyEmail, InvalidEmail"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn register(
    State(app): State<Orders>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RegisterCustomerRequest>,
) -> Result<Response, Failure> {
    let head = Head::read(caller, &headers)?;
    let id = head.new_id(request.customer_id);
    let RegisterCustomerRequest { email, first_name, last_name, phone, .. } = request.clone();
    let command = CustomerCommand::RegisterCustomer { email, first_name, last_name, phone };
    let executed = head.create(&app, &app.0.customers, (id, "register"), (&request, command)).await?;
    let mut response = reply(StatusCode::CREATED, id, &executed);
    let location = HeaderValue::from_str(&format!("/api/v1/customers/{id}")).expect("a UUID is ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Correct what is known of a customer
///
/// What is absent stays.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/update-profile", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = UpdateProfileRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, version_conflict"),
        (status = 422, body = Problem, description = "EmptyFirstName, EmptyLastName"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn update_profile(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<UpdateProfileRequest>,
) -> Result<Response, Failure> {
    let UpdateProfileRequest { first_name, last_name, phone } = request.clone();
    let command = CustomerCommand::UpdateProfile { first_name, last_name, phone };
    run(&app, caller, &path, &headers, "update-profile", (&request, command)).await
}

/// Reach a customer elsewhere
///
/// The same address again is no change.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/change-email", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ChangeEmailRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, version_conflict"),
        (status = 422, body = Problem, description = "EmptyEmail, InvalidEmail"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn change_email(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChangeEmailRequest>,
) -> Result<Response, Failure> {
    let ChangeEmailRequest { new_email } = request.clone();
    let command = CustomerCommand::ChangeEmail { new_email };
    run(&app, caller, &path, &headers, "change-email", (&request, command)).await
}

/// Call a customer elsewhere
///
/// The same number again is no change.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/change-phone", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ChangePhoneRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn change_phone(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChangePhoneRequest>,
) -> Result<Response, Failure> {
    let ChangePhoneRequest { new_phone } = request.clone();
    let command = CustomerCommand::ChangePhone { new_phone };
    run(&app, caller, &path, &headers, "change-phone", (&request, command)).await
}

/// Add an address
///
/// A new default replaces the old one.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/add-address", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = AddAddressRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, AddressAlreadyExists, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn add_address(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AddAddressRequest>,
) -> Result<Response, Failure> {
    let AddAddressRequest { address_id, address, set_as_default } = request.clone();
    let command = CustomerCommand::AddAddress { address_id, address: address.into(), set_as_default };
    run(&app, caller, &path, &headers, "add-address", (&request, command)).await
}

/// Correct an address
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/update-address", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = UpdateAddressRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized, AddressNotFound"),
        (status = 409, body = Problem, description = "NotActive, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn update_address(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<UpdateAddressRequest>,
) -> Result<Response, Failure> {
    let UpdateAddressRequest { address_id, address } = request.clone();
    let command = CustomerCommand::UpdateAddress { address_id, address: address.into() };
    run(&app, caller, &path, &headers, "update-address", (&request, command)).await
}

/// Take an address away
///
/// Without the default there is none.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/remove-address", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = RemoveAddressRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized, AddressNotFound"),
        (status = 409, body = Problem, description = "NotActive, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn remove_address(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RemoveAddressRequest>,
) -> Result<Response, Failure> {
    let RemoveAddressRequest { address_id } = request.clone();
    let command = CustomerCommand::RemoveAddress { address_id };
    run(&app, caller, &path, &headers, "remove-address", (&request, command)).await
}

/// Add a way to pay
///
/// A new default replaces the old one.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/add-payment-method", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = AddPaymentMethodRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, PaymentMethodAlreadyExists, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn add_payment_method(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<AddPaymentMethodRequest>,
) -> Result<Response, Failure> {
    let AddPaymentMethodRequest { payment_method } = request.clone();
    let command = CustomerCommand::AddPaymentMethod { payment_method: payment_method.into() };
    run(&app, caller, &path, &headers, "add-payment-method", (&request, command)).await
}

/// Take a way to pay away
///
/// The default stays while there are others.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/remove-payment-method", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = RemovePaymentMethodRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized, PaymentMethodNotFound"),
        (status = 409, body = Problem, description = "NotActive, CannotRemoveDefaultPaymentMethod, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn remove_payment_method(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RemovePaymentMethodRequest>,
) -> Result<Response, Failure> {
    let RemovePaymentMethodRequest { payment_method_id } = request.clone();
    let command = CustomerCommand::RemovePaymentMethod { payment_method_id };
    run(&app, caller, &path, &headers, "remove-payment-method", (&request, command)).await
}

/// Serve a customer better
///
/// Only upwards; levels may be skipped.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/upgrade-tier", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = UpgradeTierRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotActive, TierDowngradeNotAllowed, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn upgrade_tier(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<UpgradeTierRequest>,
) -> Result<Response, Failure> {
    let UpgradeTierRequest { new_tier } = request.clone();
    let command = CustomerCommand::UpgradeTier { new_tier };
    run(&app, caller, &path, &headers, "upgrade-tier", (&request, command)).await
}

/// Suspend a customer
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/suspend", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ReasonRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "AlreadySuspended, AlreadyDeactivated, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn suspend(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ReasonRequest>,
) -> Result<Response, Failure> {
    let ReasonRequest { reason } = request.clone();
    let command = CustomerCommand::Suspend { reason };
    run(&app, caller, &path, &headers, "suspend", (&request, command)).await
}

/// Reactivate a suspended customer
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/reactivate", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ReactivateRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotSuspended, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn reactivate(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<ReactivateRequest>,
) -> Result<Response, Failure> {
    let ReactivateRequest { notes } = request.clone();
    let command = CustomerCommand::Reactivate { notes };
    run(&app, caller, &path, &headers, "reactivate", (&request, command)).await
}

/// Deactivate a customer for good
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/deactivate", tag = "customers",
    params(
        ("id" = Uuid, Path, description = "the customer's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ReasonRequest,
    responses(
        (status = 200, body = CustomerReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "AlreadyDeactivated, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn deactivate(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ReasonRequest>,
) -> Result<Response, Failure> {
    let ReasonRequest { reason } = request.clone();
    let command = CustomerCommand::Deactivate { reason };
    run(&app, caller, &path, &headers, "deactivate", (&request, command)).await
}

async fn run(
    app: &Orders,
    caller: Caller,
    path: &PathText,
    headers: &HeaderMap,
    name: &str,
    (request, command): (&impl Serialize, CustomerCommand),
) -> Result<Response, Failure> {
    let (head, id) = (Head::read(caller, headers)?, query::id(path)?);
    let executed = head.execute(app, &app.0.customers, (id, name), (request, command)).await?;
    Ok(reply(StatusCode::OK, id, &executed))
}

fn reply(status: StatusCode, customer_id: Uuid, executed: &Executed<Customer>) -> Response {
    let mut response = json(status, &CustomerReply { customer_id, version: executed.version.get() });
    response.headers_mut().extend([etag(executed.version)]);
    with_position(&mut response, executed.position());
    response
}
