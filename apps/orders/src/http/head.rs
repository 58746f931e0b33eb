//! What comes before the command itself: which one it is, which version it expects, who asks and why.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::HeaderMap,
};
use futures_util::TryStreamExt;
use gesta::{Aggregate, Command, Repository, aggregate::stream_of, repository::Executed};
use gesta_core::{Metadata, ReadStream, Version};
use gesta_server::{
    Failure,
    auth::Caller,
    extract::{JsonBody, header_text, if_match},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::{Uuid, uuid};

use super::{
    Orders, check_tenant,
    refusal::{self, Rule},
};

/// What command ids are made in that come from an `Idempotency-Key`. Never changes: a retry must make the same ids.
const NAMESPACE: Uuid = uuid!("0e0f3f6e-5e6c-5b8e-9d1b-6a0f4c1f7d21");

/// The metadata key under which an event keeps what the body of its command was, so that a key that is used again for
/// another body is noticed.
const REQUEST: &str = "request";

/// A command as its headers tell it, for one aggregate.
pub(super) struct Head {
    key: Option<String>,
    expected: Option<Version>,
    metadata: Metadata,
    caller: Caller,
}

impl Head {
    /// Reads the headers. Fails on what cannot be understood, and for a caller of another tenant.
    pub(super) fn read(caller: Caller, headers: &HeaderMap, body: &impl Serialize) -> Result<Self, Failure> {
        check_tenant(&caller)?;
        let user = short(headers, "x-user-id")?.map_or_else(|| caller.principal.to_string(), str::to_owned);
        let mut metadata = Metadata {
            correlation_id: short(headers, "x-correlation-id")?.map(str::to_owned),
            causation_id: short(headers, "x-causation-id")?.map(str::to_owned),
            user_id: Some(user),
            source: Some("orders".to_owned()),
            ..Metadata::default()
        };
        keep_trace(headers, &mut metadata);
        let key = short(headers, "idempotency-key")?.map(str::to_owned);
        if key.is_some() {
            metadata = metadata.with(REQUEST, &digest(body));
        }
        Ok(Self { key, expected: if_match(headers)?, metadata, caller })
    }

    /// The id of a thing that the body leaves to the server: the same for every retry with one `Idempotency-Key`.
    pub(super) fn new_id(&self, given: Option<Uuid>) -> Uuid {
        given.or_else(|| self.id_of("new")).unwrap_or_else(Uuid::now_v7)
    }

    fn id_of(&self, what: &str) -> Option<Uuid> {
        let key = self.key.as_ref()?;
        Some(Uuid::new_v5(&NAMESPACE, format!("{}\0{what}\0{key}", self.caller.tenant).as_bytes()))
    }

    /// Executes a command. The same `Idempotency-Key` for the same `what` gives the first result again; for another body
    /// it is refused. What makes a thing names no id in `what`: a client that thinks of a new id for each try does not
    /// make two.
    pub(super) async fn execute<A: Aggregate<Rejection: Rule>>(
        self,
        app: &Orders,
        repository: &Repository<A>,
        id: Uuid,
        what: &str,
        command: A::Command,
    ) -> Result<Executed<A>, Failure> {
        let category = A::CATEGORY;
        let command_id = self.id_of(&format!("{category}/{what}"));
        let body = self.metadata.text(REQUEST);
        let mut command =
            Command::new(id.to_string(), command).of(self.caller.tenant).with_metadata(self.metadata);
        command.expected = self.expected;
        if let Some(command_id) = command_id {
            command = command.with_id(command_id);
        }
        let executed = repository.execute(command).await;
        let executed =
            executed.inspect_err(|error| app.0.metrics.refused::<A>(error)).map_err(refusal::of)?;
        app.0.metrics.sent(category, &executed);
        match body {
            Some(body) if executed.repeated => check_body(app, &executed, id, &body).await?,
            _ => {}
        }
        Ok(executed)
    }
}

/// What tells one body from another.
fn digest(request: &impl Serialize) -> String {
    let body = serde_json::to_vec(request).expect("a request that was read can be written");
    Uuid::new_v5(&NAMESPACE, &body).to_string()
}

async fn check_body<A: Aggregate>(
    app: &Orders,
    executed: &Executed<A>,
    id: Uuid,
    body: &str,
) -> Result<(), Failure> {
    let Some(first) = executed.appended.first() else { return Ok(()) };
    let stream = stream_of::<A>(&id.to_string()).map_err(|error| Failure::request(error.to_string()))?;
    let before = Version::new(first.version.get() - 1);
    let read = ReadStream::of(Default::default(), stream).after(before).limit(1);
    let event = app.0.store.read_stream(read).try_next().await?;
    let known = event.and_then(|event| event.metadata().ok()?.text(REQUEST));
    if known.as_deref() == Some(body) {
        return Ok(());
    }
    Err(refusal::key_reused())
}

/// One header of 1 to 255 bytes.
fn short<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    match header_text(headers, name)? {
        Some(text) if text.is_empty() || text.len() > 255 => {
            Err(Failure::request(format!("the header {name} must hold 1 to 255 bytes")))
        }
        found => Ok(found),
    }
}

/// Keeps the W3C trace context. An illegal one is to be ignored, not refused (Trace Context, section 4.3).
fn keep_trace(headers: &HeaderMap, metadata: &mut Metadata) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(parent) = text("traceparent").filter(|parent| parent.len() == 55) else { return };
    metadata.traceparent = Some(parent.to_owned());
    metadata.tracestate = text("tracestate").filter(|state| state.len() <= 512).map(str::to_owned);
}

/// A body that may be left out when there is nothing to say.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let broken = |_| Failure::request("the body ended before it was complete");
        // The gate of the server has bounded it and taken it in.
        let body = to_bytes(body, usize::MAX).await.map_err(broken)?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, Body::from(body));
        JsonBody::from_request(request, state).await.map(|JsonBody(read)| Self(read))
    }
}
