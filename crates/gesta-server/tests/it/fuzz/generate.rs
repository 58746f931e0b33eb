//! Requests from a document and a number.

use serde_json::{Map, Value, json};

/// Numbers that are the same for every run of the same number (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(run: u64) -> Self {
        Self(run)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    /// Whether one of `sides` came up.
    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) method: String,
    pub(crate) template: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

const RUBBISH: &[&str] = &[
    "",
    "*",
    "..",
    "a-1",
    "$group-g",
    "-1",
    "0",
    "18446744073709551616",
    "%",
    "\u{202e}",
    "a,b",
    "null",
    "'\"<",
];

impl Generated {
    /// A request that nothing was added to.
    pub(crate) fn plain(method: &str, path: &str) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method: method.into(), template: path.into(), uri: path.into(), headers, body }
    }

    pub(crate) fn new(dice: &mut Dice, document: &Value) -> Self {
        let paths: Vec<_> = document["paths"].as_object().expect("paths").iter().collect();
        let (template, item) = *dice.pick(&paths);
        let methods: Vec<_> = item.as_object().expect("methods").iter().collect();
        let (method, operation) = *dice.pick(&methods);
        let mut made = Self {
            method: method.to_uppercase(),
            template: template.clone(),
            uri: template.clone(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
            made.parameter(dice, document, parameter, &mut query);
        }
        if dice.one_in(20) {
            query.push(format!("unknown={}", encode(dice.pick::<&str>(RUBBISH))));
        }
        if !query.is_empty() {
            made.uri = format!("{}?{}", made.uri, query.join("&"));
        }
        if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
            made.body(dice, document, schema);
        }
        if dice.one_in(10) {
            made.headers.push(("gesta-tenant".into(), (*dice.pick(&["other", "default", "../x"])).into()));
        }
        made
    }

    fn parameter(&mut self, dice: &mut Dice, document: &Value, parameter: &Value, query: &mut Vec<String>) {
        let name = parameter["name"].as_str().expect("a name");
        let place = parameter["in"].as_str().expect("a place");
        if place != "path" && !dice.one_in(4) {
            return;
        }
        let text = if dice.one_in(8) {
            (*dice.pick(RUBBISH)).to_owned()
        } else {
            Self::likely(dice, name).unwrap_or_else(|| plain(&value(dice, document, &parameter["schema"], 0)))
        };
        match place {
            "path" => {
                let text = if text.is_empty() { "x".to_owned() } else { encode(&text) };
                self.uri = self.uri.replace(&format!("{{{name}}}"), &text);
            }
            "query" => query.push(format!("{name}={}", encode(&text))),
            _ if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
                self.headers.push((name.to_lowercase(), text));
            }
            _ => {}
        }
    }

    /// Values that reach something.
    fn likely(dice: &mut Dice, name: &str) -> Option<String> {
        let choices: &[&str] = match name {
            "stream" => &["a-1", "b-1", "sample-42", "events-x"],
            "group" => &["g", "h", "default-group"],
            "name" | "key" => &[crate::lamp::NAME, "other"],
            "category" => &["lamp", "ship"],
            "field" => &["/colour", "", "/notes/0"],
            "version" | "to" => &["1", "2"],
            "code" => &["forbidden", "internal"],
            "If-Match" => &["\"1\"", "\"0\"", "*"],
            "If-None-Match" => &["*", "\"1\""],
            "Idempotency-Key" => &["k1", "k2", "k3"],
            "direction" => &["forwards", "backwards"],
            "from" => &["start", "head", "0", "1"],
            "limit" => &["1", "3", "1000"],
            "after" => &["0", "1", "a-1"],
            _ => return None,
        };
        Some((*dice.pick(choices)).to_owned())
    }

    fn body(&mut self, dice: &mut Dice, document: &Value, schema: &Value) {
        let mut made = value(dice, document, schema, 0);
        if dice.one_in(4) {
            spoil(dice, &mut made);
        }
        self.body = made.to_string().into_bytes();
        if dice.one_in(15) && !self.body.is_empty() {
            let at = dice.roll(self.body.len());
            match dice.roll(3) {
                0 => self.body.truncate(at),
                1 => self.body[at] ^= 1 << dice.roll(8),
                _ => self.body.insert(at, b"{}[]\",:\0\xff"[dice.roll(9)]),
            }
        }
        let kind = if dice.one_in(30) { "text/plain" } else { "application/json" };
        self.headers.push(("content-type".into(), kind.into()));
    }
}

/// A value that the schema allows, mostly.
fn value(dice: &mut Dice, document: &Value, schema: &Value, depth: usize) -> Value {
    if let Some(pointer) = schema["$ref"].as_str() {
        let target = document.pointer(pointer.trim_start_matches('#')).expect("a schema");
        return value(dice, document, target, depth);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = dice.pick(choices);
        return value(dice, document, choice, depth);
    }
    if let Some(words) = schema["enum"].as_array() {
        return dice.pick(words).clone();
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => dice.pick(kinds).as_str().expect("a type").to_owned(),
        _ => (*dice.pick(&["object", "string", "integer", "null"])).to_owned(),
    };
    match kind.as_str() {
        "object" => object(dice, document, schema, depth),
        "array" => {
            let count = dice.roll(4).max(schema["minItems"].as_u64().unwrap_or(0) as usize);
            (0..count.min(4)).map(|_| value(dice, document, &schema["items"], depth + 1)).collect()
        }
        "integer" | "number" => {
            let least = schema["minimum"].as_f64().unwrap_or(0.0) as i64;
            let most = schema["maximum"].as_f64().unwrap_or(50.0) as i64;
            json!(least + dice.roll((most - least).clamp(0, 50) as usize + 1) as i64)
        }
        "boolean" => json!(dice.one_in(2)),
        "null" => Value::Null,
        _ => text(dice, schema),
    }
}

fn object(dice: &mut Dice, document: &Value, schema: &Value, depth: usize) -> Value {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut made = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if required.contains(&name.as_str()) || (depth < 6 && dice.one_in(3)) {
            let made_value = if name == "stream" || name == "subject" {
                json!(dice.pick(&["a-1", "b-1", "sample-42"]))
            } else if name == "name" || name == "consumer_group" {
                json!(dice.pick(&["g", "h"]))
            } else {
                value(dice, document, property, depth + 1)
            };
            made.insert(name.clone(), made_value);
        }
    }
    Value::Object(made)
}

fn text(dice: &mut Dice, schema: &Value) -> Value {
    match schema["format"].as_str() {
        Some("uuid") => json!(uuid::Uuid::from_u128(dice.roll(50) as u128).to_string()),
        Some("date-time") => json!("2026-01-31T08:30:00Z"),
        _ => json!(dice.pick(&["x", "sample.created", "order.*", "lab", "a b", "\u{e4}\u{1f600}"])),
    }
}

/// Breaks one thing.
fn spoil(dice: &mut Dice, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() && !dice.one_in(4) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = dice.pick(&keys).clone();
            match dice.roll(3) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(format!("{key}_"), Value::Null)),
                _ => spoil(dice, map.get_mut(&key).expect("it has the key")),
            }
        }
        Value::Array(items) if !items.is_empty() && !dice.one_in(3) => {
            let at = dice.roll(items.len());
            spoil(dice, &mut items[at]);
        }
        other => {
            let rubbish = [
                json!(-1),
                json!(u64::MAX),
                json!(1.5),
                json!([]),
                json!({}),
                json!(""),
                json!(true),
                json!("\u{0}"),
                json!("x".repeat(5_000)),
                Value::Null,
            ];
            *other = dice.pick(&rubbish).clone();
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
