//! Why a request is refused before anything is done for it.

use axum::{
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use gesta_api::Code;

use super::Permission;
use crate::problem::Failure;

/// Why a request is refused before anything is done for it. Says nothing that a stranger could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No credential.
    #[error("send a key: Authorization: Bearer gk_…; gesta keys create prints one")]
    NoKey,
    /// A credential that is not ours, was revoked, or is malformed: which of these is not told.
    #[error("the key is not valid: ask whoever runs the server for one")]
    WrongKey,
    /// The caller lacks a permission.
    #[error("this needs the permission {permission}, which the key does not have")]
    Missing {
        /// Which.
        permission: Permission,
    },
    /// `Gesta-Tenant` is no tenant name.
    #[error("the header Gesta-Tenant holds no tenant name: use 1 to 64 of A-Z a-z 0-9 . _ -")]
    IllegalTenant,
    /// `Gesta-Tenant` names a tenant that is not the key's.
    #[error("the key belongs to another tenant than the header Gesta-Tenant names: leave the header out")]
    OtherTenant,
    /// The `Host` or `Origin` is foreign to a server without keys, which would serve any web page that way.
    #[error("a server without keys answers only to loopback names: use http://127.0.0.1, or give it keys")]
    ForeignHost,
}

impl Denied {
    /// The stable code of the reply.
    pub fn code(&self) -> Code {
        match self {
            Self::NoKey | Self::WrongKey => Code::Unauthenticated,
            Self::Missing { .. } | Self::OtherTenant | Self::ForeignHost => Code::Forbidden,
            Self::IllegalTenant => Code::MalformedRequest,
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = Failure::from(self).into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
