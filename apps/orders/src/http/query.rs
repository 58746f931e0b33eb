//! What queries say behind the question mark. Unknown parameters are refused.

use axum::{extract::Query, http::Uri};
use gesta::{Aggregate, PageRequest, Repository};
use gesta_core::{Tenant, Timestamp, Version};
use gesta_server::{Failure, extract::PathText};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;
use uuid::Uuid;

use super::refusal;
use crate::domain::order::OrderStatus;

/// Which state of one thing is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AsOf {
    /// As it was at this version.
    pub(super) version: Option<u64>,
    /// As it was at this time, RFC 3339: with the events that had happened by then.
    pub(super) at: Option<String>,
    /// Not before the read model has seen this position (`Gesta-Position` of a reply): read your writes.
    /// What comes from the events themselves (a customer, an order with `version` or `at`) is never behind, with or without.
    pub(super) after_position: Option<u64>,
}

/// A moment in the life of one thing.
pub(super) enum Moment {
    Now,
    Version(Version),
    Time(Timestamp),
}

impl AsOf {
    pub(super) fn moment(&self) -> Result<Moment, Failure> {
        match (self.version, &self.at) {
            (None, None) => Ok(Moment::Now),
            (Some(0), _) => Err(Failure::request("versions begin at 1")),
            (Some(version), None) => Ok(Moment::Version(Version::new(version))),
            (None, Some(at)) => {
                at.parse().map(Moment::Time).map_err(|error| Failure::request(format!("at: {error}")))
            }
            (Some(_), Some(_)) => Err(Failure::request("give version or at, not both")),
        }
    }
}

impl Moment {
    /// What the events tell of a thing for then: nothing where there were none.
    pub(super) async fn of<A: Aggregate>(&self, things: &Repository<A>, id: Uuid) -> Result<A, Failure> {
        let (tenant, key) = (Tenant::default(), id.to_string());
        let loaded = match self {
            Self::Now => things.load(&tenant, &key).await,
            Self::Version(version) => things.load_version(&tenant, &key, *version).await,
            Self::Time(time) => things.load_at(&tenant, &key, *time).await,
        };
        Ok(loaded.map_err(refusal::unloadable)?.map(|loaded| loaded.state).unwrap_or_default())
    }
}

/// Which orders are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Those of this customer.
    pub(super) customer_id: Option<String>,
    /// Those of this status; `ACTIVE` is Created, Confirmed and Shipped.
    pub(super) status: Option<String>,
    /// Which page, from 1.
    pub(super) page: Option<u32>,
    /// How many a page holds: 50, at most 100.
    pub(super) page_size: Option<u32>,
    /// Not before the read model has seen this position (`Gesta-Position` of a reply): read your writes.
    pub(super) after_position: Option<u64>,
}

/// Which page is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Which page, from 1.
    pub(super) page: Option<u32>,
    /// How many a page holds: 50, at most 100.
    pub(super) page_size: Option<u32>,
}

/// Reads the query of a request.
pub(super) fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    let read = Query::<T>::try_from_uri(uri);
    read.map(|Query(query)| query).map_err(|error| Failure::request(error.to_string()))
}

/// A page within its bounds.
pub(super) fn page(page: Option<u32>, page_size: Option<u32>) -> Result<PageRequest, Failure> {
    let (page, size) = (page.unwrap_or(1), page_size.unwrap_or(PageRequest::DEFAULT_SIZE));
    if page == 0 {
        return Err(Failure::request("pages begin at 1"));
    }
    if size == 0 || size > PageRequest::MOST {
        return Err(Failure::request(format!("page_size is 1 to {}", PageRequest::MOST)));
    }
    Ok(PageRequest::new(page, size))
}

/// The statuses that a name stands for, in any case.
pub(super) fn statuses(name: &str) -> Result<Vec<OrderStatus>, Failure> {
    if name.eq_ignore_ascii_case("ACTIVE") {
        return Ok(OrderStatus::ACTIVE.to_vec());
    }
    let found = OrderStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(name));
    let names = OrderStatus::ALL.map(OrderStatus::as_str).join(", ");
    found.map(|status| vec![status]).ok_or_else(|| Failure::request(format!("status is ACTIVE, {names}")))
}

/// The id that the path names.
pub(super) fn id(PathText(text): &PathText) -> Result<Uuid, Failure> {
    uuid(text)
}

/// An id, however it is written.
pub(super) fn uuid(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(text).map_err(|_| Failure::request("the id is no UUID"))
}
