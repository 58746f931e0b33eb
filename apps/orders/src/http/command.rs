//! A command by HTTP: its body becomes the command, what that led to becomes the reply. The same for every command of
//! every aggregate; what differs stands in its [`Row`].
//!
//! An aggregate of the category `order` is at `/api/v1/orders`, its commands behind its id.

use axum::{
    extract::{FromRequest, State},
    handler::Handler,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::on,
};
use gesta::{Aggregate, Repository, repository::Executed};
use gesta_core::Version;
use gesta_server::{
    Failure,
    auth::Caller,
    extract::{JsonBody, PathText, etag, json},
};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        HttpMethod,
        path::{Operation, Paths},
    },
};
use utoipa_axum::{PathItemExt, router::UtoipaMethodRouter};
use uuid::Uuid;

use super::{
    Orders, Parts,
    head::{Head, OptionalBody},
    query,
    refusal::Rule,
};

mod described;

/// What a server is given of a route: what it does, and what the document says of it.
pub(super) type Route = UtoipaMethodRouter<Orders>;

/// A command that is given by HTTP.
pub(super) trait ByHttp: Send + Sync + 'static {
    /// To what.
    type To: Aggregate<Command = Self, Rejection: Rule>;
    /// What it is answered with.
    type Reply: Serialize + ToSchema;

    /// Where that is loaded and appended to.
    fn repository(parts: &Parts) -> &Repository<Self::To>;

    /// What it led to. Fails where the stream tells of no such thing.
    fn reply(id: Uuid, executed: &Executed<Self::To>) -> Result<Self::Reply, Failure>;
}

/// What a command may be read from.
pub(super) trait Body: Serialize + DeserializeOwned + ToSchema + Send + 'static {}

impl<B: Serialize + DeserializeOwned + ToSchema + Send + 'static> Body for B {}

/// A command in the table of routes: its name in the path, and what the document says of it.
pub(super) struct Row {
    method: HttpMethod,
    name: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    missing: Option<&'static str>,
    conflicts: &'static str,
    invalid: Option<&'static str>,
}

impl Row {
    /// A command of this name, and what it does in a few words.
    pub(super) fn post(name: &'static str, summary: &'static str) -> Self {
        let (description, missing, invalid) = (None, None, None);
        Self { method: HttpMethod::Post, name, summary, description, missing, conflicts: "", invalid }
    }

    /// One that says what a part of a thing is from now on.
    pub(super) fn put(name: &'static str, summary: &'static str) -> Self {
        Self { method: HttpMethod::Put, ..Self::post(name, summary) }
    }

    /// The same with more of what it does.
    pub(super) fn says(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    /// The same with the codes of its 404, beside the one of a thing that does not exist at all.
    pub(super) fn missing(self, codes: &'static str) -> Self {
        Self { missing: Some(codes), ..self }
    }

    /// The same with the codes of its 409, beside the one of a version that does not hold.
    pub(super) fn conflicts(self, codes: &'static str) -> Self {
        Self { conflicts: codes, ..self }
    }

    /// The same with the codes of its 422.
    pub(super) fn invalid(self, codes: &'static str) -> Self {
        Self { invalid: Some(codes), ..self }
    }

    /// The route of a command that makes a thing, under the id that its body gives or one from here.
    pub(super) fn makes<B: Body, C: ByHttp>(self, command: fn(B) -> (Option<Uuid>, C)) -> Route {
        let name = self.name;
        let make = move |State(app): State<Orders>,
                         caller: Caller,
                         headers: HeaderMap,
                         JsonBody(body): JsonBody<B>| {
            async move {
                let head = Head::read(caller, &headers, &body)?;
                let (given, command) = command(body);
                let id = head.new_id(given);
                let executed = head.execute(&app, C::repository(&app.0), id, name, command).await?;
                let mut response = reply::<C>(StatusCode::CREATED, id, &executed)?;
                let location =
                    HeaderValue::from_str(&format!("{}/{id}", root::<C>())).expect("a UUID is ASCII");
                response.headers_mut().insert(header::LOCATION, location);
                Ok::<_, Failure>(response)
            }
        };
        route::<B, C, _>(root::<C>(), self.method.clone(), self.making::<B, C>(), make)
    }

    /// The route of a command to one thing.
    pub(super) fn takes<B: Body, C: ByHttp>(self, command: fn(B) -> C) -> Route {
        self.tells(|JsonBody(body)| body, command)
    }

    /// The same for a body that may be left out.
    pub(super) fn may_take<B: Body + Default, C: ByHttp>(self, command: fn(B) -> C) -> Route {
        self.tells(|OptionalBody(body)| body, command)
    }

    fn tells<R, B: Body, C: ByHttp>(self, read: fn(R) -> B, command: fn(B) -> C) -> Route
    where
        R: FromRequest<Orders> + Send + 'static,
    {
        let name = self.name;
        let tell = move |State(app): State<Orders>,
                         caller: Caller,
                         path: PathText,
                         headers: HeaderMap,
                         body: R| {
            async move {
                let body = read(body);
                let (head, id) = (Head::read(caller, &headers, &body)?, query::id(&path)?);
                let executed = head
                    .execute(&app, C::repository(&app.0), id, &format!("{id}/{name}"), command(body))
                    .await?;
                reply::<C>(StatusCode::OK, id, &executed)
            }
        };
        let path = format!("{}/{{id}}/{name}", root::<C>());
        route::<B, C, _>(path, self.method.clone(), self.telling::<B, C>(), tell)
    }
}

fn route<B: Body, C: ByHttp, T: 'static>(
    path: String,
    method: HttpMethod,
    operation: Operation,
    handler: impl Handler<T, Orders>,
) -> Route {
    let (mut schemas, mut paths) = (Vec::new(), Paths::new());
    schemas.extend([(B::name().into(), B::schema()), (C::Reply::name().into(), C::Reply::schema())]);
    B::schemas(&mut schemas);
    C::Reply::schemas(&mut schemas);
    let methods = on(method.to_method_filter(), handler);
    paths.add_path_operation(path, vec![method], operation);
    (schemas, paths, methods)
}

/// Where all of one kind are.
fn root<C: ByHttp>() -> String {
    format!("/api/v1/{}s", C::To::CATEGORY)
}

fn reply<C: ByHttp>(status: StatusCode, id: Uuid, executed: &Executed<C::To>) -> Result<Response, Failure> {
    let mut response = tagged(status, &C::reply(id, executed)?, executed.version);
    // Where the last of its events is, for a query that has to see it.
    if let Some(position) = executed.position() {
        response.headers_mut().insert("gesta-position", HeaderValue::from(position.get()));
    }
    Ok(response)
}

/// A reply with the version of what it tells of.
pub(super) fn tagged(status: StatusCode, told: &impl Serialize, version: Version) -> Response {
    let mut response = json(status, told);
    response.headers_mut().extend([etag(version)]);
    response
}
