//! Which names a server without keys answers to.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// Whether a request is meant for this machine and comes from no foreign web page.
///
/// A page of any site can make a browser on this machine send requests to 127.0.0.1, under a name that it lets
/// point there (DNS rebinding) or as a plain cross-origin request. Both carry their own name.
pub(super) fn is_local(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = match headers.get(header::HOST) {
        Some(value) => value.to_str().ok(),
        None => uri.authority().map(http::uri::Authority::as_str),
    };
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    host.is_some_and(is_loopback_authority) && origin.is_none_or(is_loopback_origin)
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
        let headers = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8087".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers
        };
        assert!(is_local(&headers("http://localhost:3000"), &Uri::default()));
        assert!(!is_local(&headers("https://evil.example"), &Uri::default()));
        assert!(!is_local(&headers("null"), &Uri::default()));
    }
}
