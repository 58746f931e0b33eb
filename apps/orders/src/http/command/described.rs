//! What the OpenAPI document says of a command.

use gesta::Aggregate;
use gesta_api::Problem;
use utoipa::{
    ToSchema,
    openapi::{
        Content, HeaderBuilder, HttpMethod, KnownFormat, ObjectBuilder, Ref, Required, Response,
        ResponseBuilder, SchemaFormat, Type,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::SchemaType,
    },
};

use super::{Body, ByHttp, Row};

impl Row {
    /// One that makes a thing.
    pub(super) fn making<B: Body, C: ByHttp>(&self) -> Operation {
        self.operation::<B, C>("201", &[key()], &[("409", self.conflicts)])
    }

    /// One for a thing that is there.
    pub(super) fn telling<B: Body, C: ByHttp>(&self) -> Operation {
        let uuid = Some(SchemaFormat::KnownFormat(KnownFormat::Uuid));
        let uuid = ObjectBuilder::new().schema_type(Type::String).format(uuid);
        let id = parameter("id", ParameterIn::Path, &format!("the {}'s id", C::To::CATEGORY), uuid);
        let held = header("If-Match", "the version that must still hold, in quotes");
        let missing = ["NotInitialized"].into_iter().chain(self.missing).collect::<Vec<_>>().join(", ");
        let conflicts = format!("{}, version_conflict", self.conflicts);
        self.operation::<B, C>("200", &[id, held, key()], &[("404", &missing), ("409", &conflicts)])
    }

    fn operation<B: Body, C: ByHttp>(
        &self,
        status: &str,
        parameters: &[Parameter],
        refusals: &[(&str, &str)],
    ) -> Operation {
        let name = self.name.replace('-', "_");
        let id = if self.method == HttpMethod::Put { format!("update_{name}") } else { name };
        let body = RequestBodyBuilder::new().content("application/json", content::<B>());
        let text = Some(ObjectBuilder::new().schema_type(Type::String));
        let etag = HeaderBuilder::new().description(Some("the version in quotes")).schema(text).build();
        let done =
            ResponseBuilder::new().content("application/json", content::<C::Reply>()).header("ETag", etag);
        let refusals = refusals.iter().copied().chain(self.invalid.map(|codes| ("422", codes)));
        let operation = OperationBuilder::new()
            .tag(format!("{}s", C::To::CATEGORY))
            .summary(Some(self.summary))
            .description(self.description)
            .operation_id(Some(id))
            .parameters(Some(parameters.iter().cloned()))
            .request_body(Some(body.required(Some(Required::True)).build()))
            .response(status, done);
        let told = refusals.fold(operation, |told, (status, codes)| told.response(status, refusal(codes)));
        told.response("default", refusal("")).build()
    }
}

fn key() -> Parameter {
    header("Idempotency-Key", "makes retries safe: the first result again")
}

/// A header that may be left out.
fn header(name: &str, description: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    parameter(name, ParameterIn::Header, description, text)
}

fn parameter(name: &str, place: ParameterIn, description: &str, schema: ObjectBuilder) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let described = ParameterBuilder::new().name(name).parameter_in(place).description(Some(description));
    described.required(required).schema(Some(schema)).build()
}

fn refusal(codes: &str) -> Response {
    ResponseBuilder::new().description(codes).content("application/json", content::<Problem>()).build()
}

fn content<T: ToSchema>() -> Content {
    Content::new(Some(Ref::from_schema_name(T::name())))
}
