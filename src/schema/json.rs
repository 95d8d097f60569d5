//! Shapes as JSON Schema (draft 07, which every editor understands).

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::schema::Form;
use crate::schema::Record;
use crate::schema::Select;
use crate::schema::Shape;
use crate::schema::foreign::values;

/// Returns the JSON Schema of a file whose root is a record.
pub fn schema(root: &'static Record, title: &str) -> Value {
    let mut definitions = Map::new();
    let body = of_record(root, &mut definitions);
    let mut schema = Map::new();
    schema.insert(
        "$schema".into(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    schema.insert("title".into(), title.into());
    if let Value::Object(body) = body {
        schema.extend(body);
    }
    definitions.sort_keys();
    schema.insert("definitions".into(), Value::Object(definitions));
    Value::Object(schema)
}

fn of_record(record: &'static Record, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in record.fields {
        let mut schema = of_shape(&field.shape, definitions);
        if let Value::Object(map) = &mut schema {
            // Draft 07 ignores what stands beside `$ref`, so the reference moves one level down.
            if let Some(reference) = map.remove("$ref") {
                map.insert("allOf".into(), json!([{ "$ref": reference }]));
            }
            map.insert("description".into(), field.about.into());
        }
        properties.insert(field.name.into(), schema);
        if field.required {
            required.push(Value::from(field.name));
        }
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("description".into(), record.about.into());
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    let rest = record
        .rest
        .map_or(Value::Bool(false), |shape| of_shape(shape, definitions));
    schema.insert("additionalProperties".into(), rest);
    if !record.one_of.is_empty() {
        let each: Vec<Value> = record
            .one_of
            .iter()
            .map(|key| json!({"required": [key]}))
            .collect();
        schema.insert("oneOf".into(), each.into());
    }
    Value::Object(schema)
}

fn of_shape(shape: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text(form) => of_form(form),
        Shape::Choice(words) => json!({"type": "string", "enum": words}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int(min) => json!({"type": "integer", "minimum": min}),
        Shape::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Shape::Null => json!({"type": "null"}),
        Shape::Late(inner) => {
            let template = json!({"type": "string", "pattern": r"\{\{"});
            json!({"anyOf": [of_shape(inner, definitions), template]})
        }
        Shape::List(inner, min) => {
            let mut schema = json!({"type": "array", "items": of_shape(inner, definitions)});
            if *min > 0 {
                schema["minItems"] = (*min).into();
            }
            schema
        }
        Shape::Map(keys, inner, min) => {
            let mut schema =
                json!({"type": "object", "additionalProperties": of_shape(inner, definitions)});
            if let Some(pattern) = keys.pattern {
                schema["propertyNames"] = json!({"pattern": pattern});
            }
            if *min > 0 {
                schema["minProperties"] = (*min).into();
            }
            schema
        }
        Shape::Record(record) => {
            let name = record.word();
            if !definitions.contains_key(&name) {
                // The place is taken before the body is made: records may hold themselves.
                definitions.insert(name.clone(), Value::Null);
                let body = of_record(record, definitions);
                definitions.insert(name.clone(), body);
            }
            json!({"$ref": format!("#/definitions/{name}")})
        }
        Shape::OneOf(alternatives) => of_alternatives(alternatives, definitions),
    }
}

/// Alternatives are tried in order by the check; the schema says the same by excluding the keys
/// that select an earlier one.
fn of_alternatives(
    alternatives: &'static [(Select, Shape)],
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut earlier: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for (select, shape) in alternatives {
        let schema = of_shape(shape, definitions);
        let excluded: Vec<Value> = earlier
            .iter()
            .map(|key| json!({"required": [key]}))
            .collect();
        let mut parts = vec![schema];
        match select {
            Select::Key(key) => {
                parts.push(json!({"required": [key]}));
                if !excluded.is_empty() {
                    parts.push(json!({"not": {"anyOf": excluded}}));
                }
                earlier.push(key);
            }
            // `yes` is text in YAML 1.2, and never what its author meant where a bool may stand.
            Select::Text if alternatives.iter().any(|(one, _)| *one == Select::Bool) => {
                parts.push(json!({"not": {"pattern": values::bool_pattern()}}));
            }
            Select::Map if !excluded.is_empty() => {
                parts.push(json!({"not": {"anyOf": excluded}}));
            }
            _ => {}
        }
        all.push(if parts.len() == 1 {
            parts.remove(0)
        } else {
            json!({"allOf": parts})
        });
    }
    json!({"anyOf": all})
}

fn of_form(form: &Form) -> Value {
    match form.pattern {
        Some(pattern) => json!({"type": "string", "pattern": pattern}),
        None => json!({"type": "string"}),
    }
}
