//! Queries of orders.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use futures_util::TryStreamExt;
use gesta::{Page, aggregate::stream_of};
use gesta_api::Problem;
use gesta_core::{ReadStream, Tenant, Timestamp, Version};
use gesta_server::{
    Failure,
    auth::Caller,
    extract::{PathText, json},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Orders, check_tenant,
    command::tagged,
    envelope::{EventEnvelope, EventPage},
    query::{self, AsOf, Listing, Moment, Paging},
    refusal,
};
use crate::{
    domain::order::{Order, OrderItem, OrderRejection, OrderStatus, PlacedOrder},
    read_models::{
        order_by_id,
        orders_by_customer::{self, ListedOrder},
        orders_by_status,
    },
};

/// How many bytes of events a page may hold; a page of one event holds it whatever its size.
const PAGE_BYTES: usize = 8 << 20;

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// Its id.
    pub order_id: Uuid,
    /// For whom.
    pub customer_id: Uuid,
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// How far it is.
    pub status: OrderStatus,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// The number of its events; also the `ETag`.
    pub version: u64,
    /// The carrier's number of the parcel; in answers with `version` or `at`, which come from the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
    /// The carrier; in answers with `version` or `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Why it was given up; in answers with `version` or `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_reason: Option<String>,
}

/// A page of orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderPage {
    /// The orders.
    pub items: Vec<ListedOrder>,
    /// How many there are on all pages.
    pub total_count: u64,
    /// Which page this is, from 1.
    pub page: u32,
    /// How many a full page holds.
    pub page_size: u32,
    /// Whether there are orders behind it.
    pub has_next: bool,
    /// Whether there are orders before it.
    pub has_previous: bool,
}

/// List orders
///
/// Of one customer or of one status, newest first. A page behind the last is empty.
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "orders", params(Listing),
    responses((status = 200, body = OrderPage), (status = "default", body = Problem)),
)]
pub(super) async fn list(State(app): State<Orders>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    check_tenant(&caller)?;
    let asked: Listing = query::read(&uri)?;
    let page = query::page(asked.page, asked.page_size)?;
    let store = &*app.0.read_models;
    let found = match (&asked.customer_id, &asked.status) {
        (Some(customer), None) => {
            let customer = query::uuid(customer)?;
            app.settle(orders_by_customer::NAME, asked.after_position).await?;
            orders_by_customer::list(store, customer, page).await
        }
        (None, Some(status)) => {
            let statuses = query::statuses(status)?;
            app.settle(orders_by_status::NAME, asked.after_position).await?;
            orders_by_status::list(store, &statuses, page).await
        }
        _ => return Err(Failure::request("give customer_id or status, one of them")),
    };
    let page = found.map_err(|error| refusal::unanswered(&error))?;
    Ok(json(StatusCode::OK, &OrderPage::from(page)))
}

/// Show an order
///
/// As the read model knows it, or with `version` or `at` as its events tell it for then. `ETag` is the version.
#[utoipa::path(
    get, path = "/api/v1/orders/{id}", tag = "orders",
    params(("id" = Uuid, Path, description = "the order's id"), AsOf),
    responses(
        (status = 200, body = OrderView, headers(("ETag" = String, description = "the version in quotes"))),
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
    let moment = asked.moment()?;
    if let Moment::Now = moment {
        return show_row(&app, id, asked.after_position).await;
    }
    let order = moment.of(&app.0.orders, id).await?.0.ok_or_else(missing)?;
    Ok(shown(&OrderView::of(id, order)))
}

async fn show_row(app: &Orders, id: Uuid, after: Option<u64>) -> Result<Response, Failure> {
    app.settle(order_by_id::NAME, after).await?;
    let find = || async {
        let found = order_by_id::find(&*app.0.read_models, id).await;
        found.map_err(|error| refusal::unanswered(&error))
    };
    let mut found = find().await?;
    if found.is_none() && Moment::Now.of(&app.0.orders, id).await?.0.is_some() {
        // The order is younger than the read model: a lag is no reason to say that it is not there.
        app.catch_up(order_by_id::NAME).await?;
        found = find().await?;
    }
    found.map(|order| shown(&OrderView::of(id, order))).ok_or_else(missing)
}

/// List an order's events
///
/// In the order they happened, page by page, as this application's envelope. A page of more than 8 MiB is refused: ask
/// for a smaller one.
#[utoipa::path(
    get, path = "/api/v1/orders/{id}/events", tag = "orders",
    params(("id" = Uuid, Path, description = "the order's id"), Paging),
    responses(
        (status = 200, body = EventPage),
        (status = 404, body = Problem, description = "NotInitialized"),
        (status = "default", body = Problem),
    ),
)]
pub(super) async fn events(
    State(app): State<Orders>,
    caller: Caller,
    path: PathText,
    uri: Uri,
) -> Result<Response, Failure> {
    check_tenant(&caller)?;
    let (id, asked): (Uuid, Paging) = (query::id(&path)?, query::read(&uri)?);
    let page = query::page(asked.page, asked.page_size)?;
    let stream = stream_of::<Order>(&id.to_string()).map_err(|error| Failure::request(error.to_string()))?;
    let read = ReadStream::of(Tenant::default(), stream);
    let last = app.0.store.read_stream(read.clone().backwards().limit(1)).try_next().await?;
    let total = last.ok_or_else(missing)?.version.get();
    let skipped = u64::from(page.page() - 1) * u64::from(page.page_size());
    let size = usize::try_from(page.page_size()).unwrap_or(usize::MAX);
    let read = read.after(Version::new(skipped)).up_to(Version::new(total)).limit(size);
    let items = collect(&app, read).await?;
    Ok(json(StatusCode::OK, &EventPage::new(items, total, page)))
}

/// The events of a page. Pages have numbers, so one cannot end early: one that is too large is refused.
async fn collect(app: &Orders, read: ReadStream) -> Result<Vec<EventEnvelope>, Failure> {
    let mut found = app.0.store.read_stream(read);
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(event) = found.try_next().await? {
        bytes += event.data.len() + event.metadata.len();
        if bytes > PAGE_BYTES && !items.is_empty() {
            let most = PAGE_BYTES >> 20;
            let detail =
                format!("the events of this page are more than {most} MiB: give a smaller page_size");
            return Err(Failure::request(detail));
        }
        items.push(EventEnvelope::of(&event));
    }
    Ok(items)
}

fn missing() -> Failure {
    refusal::broken(&OrderRejection::NotInitialized)
}

fn shown(view: &OrderView) -> Response {
    tagged(StatusCode::OK, view, Version::new(view.version))
}

impl OrderView {
    fn of(order_id: Uuid, order: PlacedOrder) -> Self {
        Self {
            order_id,
            customer_id: order.customer_id,
            items: order.items,
            status: order.status,
            created_at: order.created_at,
            updated_at: order.updated_at,
            version: order.version.get(),
            tracking_number: order.tracking_number,
            carrier: order.carrier,
            cancelled_reason: order.cancelled_reason,
        }
    }
}

impl From<Page<ListedOrder>> for OrderPage {
    fn from(found: Page<ListedOrder>) -> Self {
        let Page { items, total_count, page, page_size, has_next, has_previous } = found;
        Self { items, total_count, page, page_size, has_next, has_previous }
    }
}
