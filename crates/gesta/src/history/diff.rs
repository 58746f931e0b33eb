//! What differs between two JSON values.

use serde_json::Value;

/// One place where two values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: a JSON pointer (RFC 6901); empty for the whole.
    pub path: String,
    /// What was there; `None` when nothing was.
    pub before: Option<Value>,
    /// What is there; `None` when nothing is.
    pub after: Option<Value>,
}

/// The places where two values differ, as deep as objects and lists go along, in the order of their paths.
///
/// ```
/// use gesta::history::changes;
/// use serde_json::json;
/// let found = changes(&json!({"status": "created", "items": [1]}), &json!({"status": "confirmed", "items": [1, 2]}));
/// let paths: Vec<_> = found.iter().map(|change| &*change.path).collect();
/// assert_eq!(paths, ["/items/1", "/status"]);
/// assert_eq!((&found[0].before, &found[0].after), (&None, &Some(json!(2))));
/// ```
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let token = key.replace('~', "~0").replace('/', "~1");
                below(path, &token, before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for at in 0..before.len().max(after.len()) {
                below(path, &at.to_string(), before.get(at), after.get(at), found);
            }
        }
        (before, after) if before != after => {
            found.push(Change { path: path.clone(), before: before.cloned(), after: after.cloned() });
        }
        _ => {}
    }
}

fn below(
    path: &mut String,
    token: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Change>,
) {
    let parent = path.len();
    path.push('/');
    path.push_str(token);
    compare(path, before, after, found);
    path.truncate(parent);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_do_not_differ() {
        let value = json!({"a": [1, {"b": null}]});
        assert_eq!(changes(&value, &value), []);
    }

    #[test]
    fn what_comes_and_goes_is_told_apart_from_null() {
        let found = changes(&json!({"a": null}), &json!({"b": null}));
        let gone = Change { path: "/a".into(), before: Some(Value::Null), after: None };
        let come = Change { path: "/b".into(), before: None, after: Some(Value::Null) };
        assert_eq!(found, [gone, come]);
    }

    #[test]
    fn a_path_leads_to_its_value() {
        let (before, after) = (json!({"a/b": {"~": [0, 1]}}), json!({"a/b": {"~": [0, 2]}}));
        let [change] = &changes(&before, &after)[..] else { panic!("one difference") };
        assert_eq!(after.pointer(&change.path), change.after.as_ref());
        assert_eq!(before.pointer(&change.path), change.before.as_ref());
    }

    #[test]
    fn another_kind_of_value_is_one_difference() {
        let found = changes(&json!([1]), &json!({"0": 1}));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "");
    }
}
