//! Commands to an order.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use gesta::repository::Executed;
use gesta_api::Problem;
use gesta_core::Position;
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
    query,
    requests::{
        CancelOrderRequest, CreateOrderRequest, DeliverOrderRequest, NothingRequest, ShipOrderRequest,
        UpdateItemsRequest, items,
    },
};
use crate::domain::order::{Order, OrderCommand, OrderStatus};

/// What became of a command to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderReply {
    /// The order.
    pub order_id: Uuid,
    /// Its version after the command; also the `ETag`.
    pub version: u64,
    /// How far it is.
    pub status: OrderStatus,
}

/// Place an order
///
/// At least one item, every quantity above zero. `Gesta-Position` in the reply says where the order's event is, for
/// `after_position` of a query.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders",
    params(("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again")),
    request_body = CreateOrderRequest,
    responses(
        (status = 201, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 409, body = Problem, description = "AlreadyExists"),
        (status = 422, body = Problem, description = "EmptyItems, InvalidQuantity, InvalidAmount, TotalTooLarge"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn create(
    State(app): State<Orders>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CreateOrderRequest>,
) -> Result<Response, Failure> {
    let head = Head::read(caller, &headers)?;
    let id = head.new_id(request.order_id);
    let command =
        OrderCommand::CreateOrder { customer_id: request.customer_id, items: items(&request.items) };
    let executed = head.create(&app, &app.0.orders, (id, "create"), (&request, command)).await?;
    let mut response = reply(StatusCode::CREATED, id, &executed)?;
    let location = HeaderValue::from_str(&format!("/api/v1/orders/{id}")).expect("a UUID is ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Order something else instead
///
/// Until the order is confirmed. The same items again are no change: the same version.
#[utoipa::path(
    put, path = "/api/v1/orders/{id}/items", tag = "orders",
    params(
        ("id" = Uuid, Path, description = "the order's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = UpdateItemsRequest,
    responses(
        (status = 200, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "AlreadyCancelled, InvalidStatusTransition, version_conflict"),
        (status = 422, body = Problem, description = "EmptyItems, InvalidQuantity, InvalidAmount, TotalTooLarge"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn update_items(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<UpdateItemsRequest>,
) -> Result<Response, Failure> {
    let command = OrderCommand::UpdateItems { items: items(&request.items), reason: request.reason.clone() };
    run(&app, caller, &path, &headers, "items", (&request, command)).await
}

/// Accept an order
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/confirm", tag = "orders",
    params(
        ("id" = Uuid, Path, description = "the order's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = NothingRequest,
    responses(
        (status = 200, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "AlreadyConfirmed, InvalidStatusTransition, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn confirm(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<NothingRequest>,
) -> Result<Response, Failure> {
    run(&app, caller, &path, &headers, "confirm", (&request, OrderCommand::ConfirmOrder)).await
}

/// Hand an order to a carrier
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/ship", tag = "orders",
    params(
        ("id" = Uuid, Path, description = "the order's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = ShipOrderRequest,
    responses(
        (status = 200, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotConfirmed, InvalidStatusTransition, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn ship(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ShipOrderRequest>,
) -> Result<Response, Failure> {
    let (tracking_number, carrier) = (request.tracking_number.clone(), request.carrier.clone());
    let command = OrderCommand::ShipOrder { tracking_number, carrier };
    run(&app, caller, &path, &headers, "ship", (&request, command)).await
}

/// Hand an order to the customer
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/deliver", tag = "orders",
    params(
        ("id" = Uuid, Path, description = "the order's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = DeliverOrderRequest,
    responses(
        (status = 200, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "NotShipped, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn deliver(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<DeliverOrderRequest>,
) -> Result<Response, Failure> {
    let command = OrderCommand::DeliverOrder { signature: request.signature.clone() };
    run(&app, caller, &path, &headers, "deliver", (&request, command)).await
}

/// Give an order up
///
/// Until it is delivered.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/cancel", tag = "orders",
    params(
        ("id" = Uuid, Path, description = "the order's id"),
        ("If-Match" = Option<String>, Header, description = "the version that must still hold, in quotes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes retries safe: the first result again"),
    ),
    request_body = CancelOrderRequest,
    responses(
        (status = 200, body = OrderReply, headers(("ETag" = String, description = "the version in quotes"))),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = 409, body = Problem, description = "AlreadyCancelled, InvalidStatusTransition, version_conflict"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn cancel(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    headers: HeaderMap,
    OptionalBody(request): OptionalBody<CancelOrderRequest>,
) -> Result<Response, Failure> {
    let (reason, cancelled_by) = (request.reason.clone(), request.cancelled_by);
    let command = OrderCommand::CancelOrder { reason, cancelled_by };
    run(&app, caller, &path, &headers, "cancel", (&request, command)).await
}

async fn run(
    app: &Orders,
    caller: Caller,
    path: &PathText,
    headers: &HeaderMap,
    name: &str,
    (request, command): (&impl Serialize, OrderCommand),
) -> Result<Response, Failure> {
    let (head, id) = (Head::read(caller, headers)?, query::id(path)?);
    let executed = head.execute(app, &app.0.orders, (id, name), (request, command)).await?;
    reply(StatusCode::OK, id, &executed)
}

fn reply(status: StatusCode, id: Uuid, executed: &Executed<Order>) -> Result<Response, Failure> {
    let Some(order) = &executed.state.0 else {
        return Err(Failure::request("the stream of the order does not begin with its creation"));
    };
    let reply = OrderReply { order_id: id, version: executed.version.get(), status: order.status };
    let mut response = json(status, &reply);
    response.headers_mut().extend([etag(executed.version)]);
    with_position(&mut response, executed.position());
    Ok(response)
}

/// Says where the last event of a command is.
pub(super) fn with_position(response: &mut Response, position: Option<Position>) {
    if let Some(position) = position {
        response.headers_mut().insert("gesta-position", HeaderValue::from(position.get()));
    }
}
