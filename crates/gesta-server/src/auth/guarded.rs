//! Routes that cannot be without a permission.

use axum::{Router, http::Method, middleware::from_fn_with_state};
use utoipa::openapi::{OpenApi, extensions::Extensions, path::Operation};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::{Permission, Routes};
use crate::gate::{self, Passage};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing: it tells no secrets. The limits hold all the same, except those of one tenant.
    Open,
    /// This permission.
    Needs(Permission),
}

/// One route and what it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The method.
    pub method: Method,
    /// The path template, such as `/api/v1/streams/{stream}`.
    pub path: String,
    /// What it asks.
    pub access: Access,
}

/// A router that takes no route without its [`Access`]: so none can be forgotten, and the list of them is what
/// the matrix test runs over. The permission is also written into the OpenAPI document as `x-permission`.
pub struct Guarded<S> {
    router: OpenApiRouter<S>,
    declared: Vec<Declared>,
}

impl<S: Clone + Send + Sync + 'static> Guarded<S> {
    /// No routes yet.
    pub fn new(document: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), declared: Vec::new() }
    }

    /// The same with the routes of one `routes!(…)`, all asking for this.
    pub fn routes(self, access: Access, routes: UtoipaMethodRouter<S>) -> Self {
        self.with(access, Passage::Limited(access), routes)
    }

    /// The same with open routes that answer under overload too. Their handlers read no body and hardly work.
    pub(crate) fn always(self, routes: UtoipaMethodRouter<S>) -> Self {
        self.with(Access::Open, Passage::Always, routes)
    }

    fn with(
        mut self,
        access: Access,
        passage: Passage,
        (schemas, mut paths, methods): UtoipaMethodRouter<S>,
    ) -> Self {
        for (path, item) in &mut paths.paths {
            let operations = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::POST, &mut item.post),
                (Method::DELETE, &mut item.delete),
                (Method::PATCH, &mut item.patch),
            ];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                note(operation, access);
                self.declared.push(Declared { method, path: path.clone(), access });
            }
        }
        let guarded = (schemas, paths, methods).layer(from_fn_with_state(passage, gate::guard));
        self.router = self.router.routes(guarded);
        self
    }

    /// The same with all routes of another.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Every route and what it asks.
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The document of all routes.
    pub fn document(&self) -> &OpenApi {
        self.router.get_openapi()
    }

    /// The router, ready for the layers of the rim.
    pub fn with_state(self, state: S) -> Router {
        self.ready(state).into_router()
    }

    /// The routes with the state their handlers share, ready to be served: by [`Server::with_routes`] next to Gesta's
    /// own.
    ///
    /// [`Server::with_routes`]: crate::Server::with_routes
    pub fn ready(self, state: S) -> Routes {
        let Self { router, declared } = self;
        let (router, document) = router.with_state::<()>(state).split_for_parts();
        Routes { router, declared, document }
    }
}

fn note(operation: &mut Operation, access: Access) {
    let text = match access {
        Access::Open => "none",
        Access::Needs(permission) => permission.as_str(),
    };
    let extensions = operation.extensions.get_or_insert_with(Extensions::default);
    extensions.insert("x-permission".to_owned(), text.into());
}
