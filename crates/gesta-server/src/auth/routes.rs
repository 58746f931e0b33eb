//! Routes that are ready to be served, and what they ask.

use axum::Router;
use utoipa::openapi::OpenApi;

use super::Declared;
use crate::error::ServeError;

/// Routes with their state, each behind its permission: made by [`Guarded::ready`](super::Guarded::ready), and by
/// nothing else, so that no route gets into a server without having said what it asks of its caller.
#[derive(Clone)]
pub struct Routes {
    pub(super) router: Router,
    pub(super) declared: Vec<Declared>,
    pub(super) document: OpenApi,
}

impl Routes {
    /// Every route and what it asks.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The document of these routes alone.
    pub fn document(&self) -> &OpenApi {
        &self.document
    }

    /// The same document as text, pretty-printed, the same for every run of a release: to be kept as a golden file.
    pub fn document_text(&self) -> String {
        text(&self.document)
    }

    /// The same with all routes of another. The document keeps the title of the first. Routes that cannot be told
    /// apart are refused when a server is made of them.
    pub(crate) fn merge(self, other: Self) -> Result<Self, ServeError> {
        if let Some(clash) = clash(&self.declared, &other.declared) {
            return Err(clash);
        }
        let Self { router, mut declared, mut document } = self;
        declared.extend(other.declared);
        document.merge(other.document);
        Ok(Self { router: router.merge(other.router), declared, document })
    }

    pub(crate) fn into_router(self) -> Router {
        self.router
    }
}

pub(crate) fn text(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().expect("the document is JSON");
    text.push('\n');
    text
}

/// The router takes one path under several methods, but not two spellings of one path.
fn clash(ours: &[Declared], theirs: &[Declared]) -> Option<ServeError> {
    let same = |one: &Declared, other: &Declared| {
        shape(&one.path) == shape(&other.path) && (one.path != other.path || one.method == other.method)
    };
    let pairs = theirs.iter().flat_map(|other| ours.iter().map(move |one| (one, other)));
    let (one, other) = pairs.into_iter().find(|(one, other)| same(one, other))?;
    let (method, path) = (other.method.clone(), other.path.clone());
    let (other_method, other_path) = (one.method.clone(), one.path.clone());
    Some(ServeError::RouteTaken { method, path, other_method, other_path })
}

/// A path without the names of its variable parts.
fn shape(path: &str) -> Vec<&str> {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::{super::Access, *};

    fn route(method: Method, path: &str) -> Declared {
        Declared { method, path: path.into(), access: Access::Open }
    }

    #[test]
    fn routes_that_cannot_be_told_apart_clash() {
        let ours = [route(Method::GET, "/orders/{id}"), route(Method::GET, "/orders")];
        let clashes = |method, path| clash(&ours, &[route(method, path)]).is_some();
        assert!(clashes(Method::GET, "/orders"));
        assert!(clashes(Method::GET, "/orders/{id}"));
        assert!(clashes(Method::POST, "/orders/{order}"), "another name for the same part");
        assert!(!clashes(Method::POST, "/orders/{id}"));
        assert!(!clashes(Method::GET, "/orders/new"));
    }
}
