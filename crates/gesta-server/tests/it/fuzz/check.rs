//! Whether a reply is as the document says.

use serde_json::Value;

use super::generate::Generated;

pub(crate) struct Schema<'a> {
    document: &'a Value,
}

impl<'a> Schema<'a> {
    pub(crate) fn new(document: &'a Value) -> Self {
        Self { document }
    }

    /// Refuses a reply of a status, content type or shape that the document does not have.
    pub(crate) fn reply(
        &self,
        request: &Generated,
        status: u16,
        kind: Option<&str>,
        body: &[u8],
    ) -> Result<(), String> {
        let shown = || format!("{status} {kind:?} {}", String::from_utf8_lossy(body));
        let operation = &self.document["paths"][&request.template][request.method.to_lowercase()];
        let responses = &operation["responses"];
        let response = responses.get(status.to_string()).or_else(|| responses.get("default"));
        let response = match response {
            Some(response) => response,
            // An open route says nothing of problems, which any route may answer.
            None if status >= 400 => return Ok(()),
            None => return Err(format!("status not in the document: {}", shown())),
        };
        let Some(content) = response["content"].as_object() else {
            return if body.is_empty() {
                Ok(())
            } else {
                Err(format!("a body without a content type: {}", shown()))
            };
        };
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        // Problems are documented as JSON and sent as the JSON they are.
        let documented = if essence == "application/problem+json" { "application/json" } else { essence };
        let media = content
            .get(documented)
            .ok_or_else(|| format!("content type not in the document: {}", shown()))?;
        if documented != "application/json" {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("{error}: {}", shown()))?;
        self.fits(&media["schema"], &value, "$").map_err(|why| format!("{why}: {}", shown()))
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(pointer) = schema["$ref"].as_str() {
            let target = self.document.pointer(pointer.trim_start_matches('#'));
            return self.fits(target.ok_or("a dangling reference")?, value, at);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return parts.iter().try_for_each(|part| self.fits(part, value, at));
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fitting = choices.iter().filter(|choice| self.fits(choice, value, at).is_ok()).count();
            return if fitting > 0 { Ok(()) } else { Err(format!("{at} fits none of its choices: {value}")) };
        }
        if let Some(words) = schema["enum"].as_array() {
            return if words.contains(value) {
                Ok(())
            } else {
                Err(format!("{at} is none of its words: {value}"))
            };
        }
        self.of_type(&schema["type"], value, at)?;
        if let Value::Object(map) = value {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(name) {
                    return Err(format!("{at} lacks {name}"));
                }
            }
            for (name, inner) in map {
                if let Some(property) = schema["properties"].get(name) {
                    self.fits(property, inner, &format!("{at}.{name}"))?;
                }
            }
        }
        if let Value::Array(items) = value {
            for (index, item) in items.iter().enumerate() {
                self.fits(&schema["items"], item, &format!("{at}[{index}]"))?;
            }
        }
        Ok(())
    }

    fn of_type(&self, types: &Value, value: &Value, at: &str) -> Result<(), String> {
        let is = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => false,
        };
        let good = match types {
            Value::String(kind) => is(kind),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
            _ => true,
        };
        if good { Ok(()) } else { Err(format!("{at} is not of type {types}: {value}")) }
    }
}

#[test]
fn a_reply_of_another_shape_is_noticed() {
    let document: Value = serde_json::from_str(gesta_server::openapi::text()).expect("JSON");
    let schema = Schema::new(&document);
    let request = Generated::plain("POST", "/api/v1/events/publish");
    let good = serde_json::json!({"event_id": "x", "stream_id": "a-1", "published_at": "t", "version": 1,
        "position": 1, "durability": "synced"});
    let check = |status, kind: &str, body: &Value| {
        schema.reply(&request, status, Some(kind), body.to_string().as_bytes())
    };
    assert_eq!(check(200, "application/json", &good), Ok(()));
    for (field, wrong) in [("event_id", Value::Null), ("version", "1".into()), ("durability", "firm".into())]
    {
        let mut bad = good.clone();
        bad[field] = wrong;
        assert!(check(200, "application/json", &bad).is_err(), "{field}");
        bad.as_object_mut().expect("an object").remove(field);
        assert!(check(200, "application/json", &bad).is_err(), "{field}");
    }
    let steered = Generated::plain("POST", "/api/v1/processors/{name}/pause");
    let told = serde_json::json!({"name": "x", "kind": "handler", "generation": 0, "state": "running"});
    let half = schema.reply(&steered, 200, Some("application/json"), told.to_string().as_bytes());
    assert!(half.is_err_and(|defect| defect.contains("lacks position")), "each of its parts counts");
    assert!(check(200, "text/plain", &good).is_err());
    assert!(check(302, "application/json", &good).is_err());
}
