//! The JSON Schema of scenarios, for editors. Long options are taken from the command line's own
//! description, so that it cannot lag behind.

use crate::config::{OptionKind, option_keys};
use serde_json::{Map, Value, json};

/// What a name may be.
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";

/// The schema, as text.
pub fn schema() -> String {
    let mut options = options();
    let phase_options = options.clone();
    options.extend([
        ("feed".into(), array(feed())),
        ("session".into(), array(session())),
        ("phase".into(), array(phase(phase_options))),
        ("limit".into(), limits()),
    ]);
    let mut schema = object(options, &[]);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A scenario of sclients".into();
    schema["$defs"] = json!({ "step": step() });
    format!("{schema:#}\n")
}

/// The long options.
fn options() -> Map<String, Value> {
    let property = |(key, kind, help): (String, OptionKind, String)| {
        let one = json!(["string", "number"]);
        let property = match kind {
            OptionKind::Flag => json!({ "type": "boolean", "description": help }),
            OptionKind::One => json!({ "type": one, "description": help }),
            OptionKind::Many => {
                json!({ "type": ["string", "number", "array"], "items": { "type": one }, "description": help })
            }
        };
        (key, property)
    };
    option_keys().into_iter().map(property).collect()
}

fn feed() -> Value {
    object(
        map(json!({
            "name": name("How steps call it: {{name.column}}"),
            "file": text("CSV with a head line (.csv) or JSON lines (.jsonl), in the scenario's folder"),
            "order": {
                "enum": ["sequential", "random", "unique"],
                "description": "Which row a session gets; unique: one that no other session has at that time",
            },
        })),
        &["name", "file"],
    )
}

fn session() -> Value {
    object(
        map(json!({
            "name": name("Its name in reports"),
            "weight": { "type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "How often it is drawn, beside the others" },
            "step": { "type": "array", "items": { "$ref": "#/$defs/step" }, "minItems": 1 },
        })),
        &["name", "step"],
    )
}

/// One step: a request, a pause, or a loop of steps.
fn step() -> Value {
    let steps = json!({ "type": "array", "items": { "$ref": "#/$defs/step" }, "minItems": 1 });
    let repeated = json!({ "loop": { "type": "integer", "minimum": 1, "maximum": 1_000_000 }, "steps": steps });
    let time = |description: &str| json!({ "type": "string", "description": description });
    json!({ "oneOf": [
        request(),
        object(map(json!({ "think": time("A pause drawn evenly, as 1s..3s") })), &["think"]),
        object(map(json!({ "pause": time("A pause, as 1s") })), &["pause"]),
        object(map(repeated), &["loop", "steps"]),
    ] })
}

fn request() -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let extracts = json!({ "type": "object", "additionalProperties": { "oneOf": found() } });
    object(
        map(json!({
            "name": text("Its name in reports"),
            "request": text("Method and path, as GET /items/{{id}}"),
            "headers": texts,
            "body": text("What is sent, with values put in"),
            "body-file": text("A file in the scenario's folder that is sent as it is"),
            "expect": expect(&texts),
            "extract": extracts,
        })),
        &["request"],
    )
}

fn expect(texts: &Value) -> Value {
    object(
        map(json!({
            "status": number("Statuses, as 200-299,304"),
            "header": texts,
            "contains": text("The body holds this"),
            "matches": text("The body matches this regular expression"),
            "bytes": number("Bytes of the body, as 64 or 1..10KiB"),
            "within": text("From send to the last byte at most, as 200ms"),
        })),
        &[],
    )
}

/// The places in an answer where a value may be.
fn found() -> Vec<Value> {
    let two =
        json!({ "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 });
    let json = ("json", text("A JSON pointer into the body"));
    let between = ("between", two);
    let regex = ("regex", text("The first group of the first match, or the match"));
    let header = ("header", text("The first header of this name"));
    let cookie = ("cookie", text("The value of the cookie that the answer sets by this name"));
    let status = ("status", json!({ "const": true }));
    let places = [
        vec![json],
        vec![between.clone()],
        vec![regex.clone()],
        vec![header.clone()],
        vec![header.clone(), between],
        vec![header, regex],
        vec![cookie],
        vec![status],
    ];
    let place = |keys: Vec<(&str, Value)>| {
        let needed: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        object(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(), &needed)
    };
    places.into_iter().map(place).collect()
}

fn phase(mut options: Map<String, Value>) -> Value {
    options.extend(map(json!({
        "name": name("Its name in reports"),
        "start": text("From the begin of load, or of what it waits for"),
        "after": text("It begins when this phase has ended"),
        "with": text("It begins when this phase begins"),
        "sessions": { "type": "array", "items": { "type": "string" } },
        "limits": limits(),
    })));
    object(options, &["name"])
}

fn limits() -> Value {
    let check = text("What must hold, as --limit takes it");
    json!({ "oneOf": [check, array(json!({ "oneOf": [check, limit()] }))] })
}

fn limit() -> Value {
    object(
        map(json!({
            "check": text("What must hold, as p99 < 250ms"),
            "abort": { "type": "boolean", "description": "End the run where it does not" },
            "delay": text("For how long it may fail before that"),
        })),
        &["check"],
    )
}

fn name(description: &str) -> Value {
    json!({ "type": "string", "pattern": NAME, "description": description })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A text that may be a whole number without quotes.
fn number(description: &str) -> Value {
    json!({ "type": ["string", "integer"], "description": description })
}

fn array(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it is written as an object"),
    }
}

/// An object of these properties and no others.
fn object(properties: Map<String, Value>, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_that_is_shipped_is_the_one_that_is_made() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/scenario.schema.json");
        let shipped = std::fs::read_to_string(shipped).unwrap();
        assert!(shipped == schema(), "sclients check --schema > configs/scenario.schema.json");
    }

    #[test]
    fn it_knows_every_option_and_part() {
        let schema: Value = serde_json::from_str(&schema()).unwrap();
        for key in
            ["target", "conns", "rate", "header", "no-reopen", "feed", "session", "phase", "limit"]
        {
            assert!(schema["properties"][key].is_object(), "{key}");
        }
        for key in ["config", "resume", "help"] {
            assert!(schema["properties"][key].is_null(), "{key}");
        }
        assert_eq!(schema["properties"]["no-reopen"]["type"], "boolean");
    }
}
