//! A validator for the JSON Schemas of the formats that lab writes.

use regex::Regex;
use serde_json::Value;

/// Fails if `value` is not valid by `schema`.
#[track_caller]
pub(crate) fn assert_valid(schema: &Value, value: &Value) {
    let mut mistakes = Vec::new();
    let mut path = String::new();
    validate(schema, schema, value, &mut path, &mut mistakes);
    assert!(mistakes.is_empty(), "{}\nin {value:#}", mistakes.join("\n"));
}

fn validate(root: &Value, schema: &Value, value: &Value, path: &mut String, mistakes: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        assert!(schema == &Value::Bool(true), "{path}: the schema {schema} is not supported here");
        return;
    };
    for (keyword, wanted) in keywords {
        let is_held = match keyword.as_str() {
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                validate(root, root.pointer(name).unwrap(), value, path, mistakes);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_type(value, one)),
                one => is_type(value, one),
            },
            "required" => {
                let names = wanted.as_array().unwrap().iter();
                value
                    .as_object()
                    .is_none_or(|object| names.clone().all(|name| object.contains_key(name.as_str().unwrap())))
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        within(path, name, |path| validate(root, schema, inner, path, mistakes));
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
                let others = value.as_object().into_iter().flatten().filter(|(name, _)| !is_known(name));
                let others: Vec<_> = others.collect();
                if wanted == &Value::Bool(false) {
                    others.is_empty()
                } else {
                    for (name, inner) in others {
                        within(path, name, |path| validate(root, wanted, inner, path, mistakes));
                    }
                    true
                }
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    within(path, &index.to_string(), |path| validate(root, wanted, inner, path, mistakes));
                }
                true
            }
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "uniqueItems" => value
                .as_array()
                .is_none_or(|items| items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))),
            "pattern" => {
                let pattern = Regex::new(wanted.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "anyOf" | "oneOf" | "allOf" => {
                let matching = wanted.as_array().unwrap().iter().filter(|schema| {
                    let mut found = Vec::new();
                    validate(root, schema, value, &mut path.clone(), &mut found);
                    found.is_empty()
                });
                let (matching, all) = (matching.count(), wanted.as_array().unwrap().len());
                match keyword.as_str() {
                    "anyOf" => matching > 0,
                    "oneOf" => matching == 1,
                    _ => matching == all,
                }
            }
            // They say nothing of validity, or only editors read them.
            "$schema" | "$id" | "title" | "description" | "definitions" | "$defs" | "default" | "format" => true,
            unknown => panic!("the keyword `{unknown}` is not supported here"),
        };
        if !is_held {
            mistakes.push(format!("{path}: breaks {keyword} {wanted}"));
        }
    }
}

fn within(path: &mut String, name: &str, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(name);
    inside(path);
    path.truncate(length);
}

fn is_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type `{other}` is not known"),
    }
}
