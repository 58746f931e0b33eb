//! What a process does among those that share a log.

use axum::{
    extract::Request,
    http::HeaderName,
    middleware::Next,
    response::{IntoResponse, Response},
};
use gesta_api::Code;

use crate::problem::Failure;

/// Says of a request which process has passed it on.
pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("gesta-forwarded-by");

/// What a process does among those that share a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It answers requests.
    pub api: bool,
    /// It runs processors and groups.
    pub processors: bool,
}

impl Roles {
    /// All of them.
    pub const ALL: Self = Self { api: true, processors: true };

    /// Reads names separated by commas; `None` for another name, and for none at all.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut roles = Self { api: false, processors: false };
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "api" => roles.api = true,
                "processors" => roles.processors = true,
                _ => return None,
            }
        }
        (roles.api || roles.processors).then_some(roles)
    }
}

/// Lets in what a process without the role `api` answers: how it fares, and what another process passes on.
pub(crate) async fn only_passed_on(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let about = path.starts_with("/health") || path == "/metrics";
    let owned = path.starts_with("/api/v1/groups/") || path.starts_with("/api/v1/processors/");
    if about || owned && request.headers().contains_key(FORWARDED) {
        return next.run(request).await;
    }
    let detail = "this process has the role processors alone: ask one with the role api (GESTA_ROLES)";
    Failure::new(Code::RouteNotFound, detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_by_name() {
        assert_eq!(Roles::read("api,processors"), Some(Roles::ALL));
        assert_eq!(Roles::read(" processors , "), Some(Roles { api: false, processors: true }));
        assert_eq!(Roles::read(""), None, "a process without a role does nothing");
        assert_eq!(Roles::read("api,sagas"), None);
    }
}
