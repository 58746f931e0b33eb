//! Which names a server without keys answers to.

use std::net::IpAddr;

use axum::{extract::Request, http::header};

use crate::cors::FromAllowedOrigin;

/// Whether a request is meant for this machine and comes from no foreign web page.
///
/// A page of any site can make a browser on this machine send requests to 127.0.0.1, under a name that it lets
/// point there (DNS rebinding) or as a plain cross-origin request. Both carry their own name.
pub(super) fn is_local(request: &Request) -> bool {
    let headers = request.headers();
    let host = match headers.get(header::HOST) {
        Some(value) => value.to_str().ok(),
        None => request.uri().authority().map(http::uri::Authority::as_str),
    };
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    let allowed = request.extensions().get::<FromAllowedOrigin>().is_some();
    host.is_some_and(is_loopback_authority) && (allowed || origin.is_none_or(is_loopback_origin))
}

fn is_loopback_origin(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(is_loopback_authority)
}

fn is_loopback_authority(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<http::uri::Authority>() else { return false };
    if authority.contains('@') {
        return false;
    }
    let name = parsed.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for good in ["localhost", "LOCALHOST:8087", "127.0.0.1:8087", "127.9.9.9", "[::1]:8087", "localhost."]
        {
            assert!(is_loopback_authority(good), "{good}");
        }
        for bad in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8087", "10.0.0.1", "", "a b"]
        {
            assert!(!is_loopback_authority(bad), "{bad}");
        }
        assert!(!is_loopback_authority("localhost@evil.example"));
    }

    #[test]
    fn a_foreign_origin_is_not_local() {
        let from = |origin: &str| {
            let request =
                Request::builder().header(header::HOST, "localhost:8087").header(header::ORIGIN, origin);
            request.body(axum::body::Body::empty()).unwrap()
        };
        assert!(is_local(&from("http://localhost:3000")));
        assert!(!is_local(&from("https://evil.example")));
        assert!(!is_local(&from("null")));
        let mut allowed = from("https://console.example");
        allowed.extensions_mut().insert(FromAllowedOrigin);
        assert!(is_local(&allowed));
    }
}
