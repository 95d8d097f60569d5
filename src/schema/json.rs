//! Shapes as JSON Schema (draft 07, which all editors support).

use serde_json::{Map, Value, json};

use crate::schema::foreign::values;
use crate::schema::{Field, Form, Record, Select, Shape, editor, form, selects};

/// Returns the JSON Schema of a file with this record at its root.
pub fn schema(root: &'static Record, title: &str) -> Value {
    let mut definitions = Map::new();
    let body = of_record(root, &mut definitions);
    let mut schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "title": title});
    for (key, value) in body.as_object().into_iter().flatten() {
        schema[key] = value.clone();
    }
    definitions.sort_keys();
    schema["definitions"] = definitions.into();
    schema
}

fn of_record(record: &'static Record, definitions: &mut Map<String, Value>) -> Value {
    let word = record.word();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &record.fields {
        let mut schema = of_shape(&field.shape, definitions);
        if let Value::Object(map) = &mut schema {
            // Draft 07 ignores the keys next to `$ref`, so the reference moves one level down.
            if let Some(reference) = map.remove("$ref") {
                map.insert("allOf".into(), json!([{ "$ref": reference }]));
            }
            map.insert("title".into(), format!("{} of {}", field.name, record.name).into());
            map.insert("description".into(), field.about.into());
            map.insert("markdownDescription".into(), about(field).into());
            for word in ["allOf", "anyOf"] {
                let parts = map.get_mut(word).and_then(Value::as_array_mut);
                parts.into_iter().flatten().for_each(|part| describe(part, field));
            }
            if let Some(value) = editor::default(&word, field.name) {
                map.insert("default".into(), value);
            }
            if let Some(snippets) = editor::snippets(&format!("{word}.{}", field.name)) {
                map.insert("defaultSnippets".into(), snippets);
            }
        }
        properties.insert(field.name.into(), schema);
        if field.required {
            required.push(Value::from(field.name));
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": record.about,
        "markdownDescription": record.about,
    });
    if let Some(snippets) = editor::snippets(&word) {
        schema["defaultSnippets"] = snippets;
    }
    schema["properties"] = properties.into();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    let rest = record.rest.as_ref();
    schema["additionalProperties"] =
        rest.map_or(Value::Bool(false), |shape| of_shape(shape, definitions));
    if !record.one_of.is_empty() {
        let each = record.one_of.iter().map(|key| json!({"required": [key]}));
        schema["oneOf"] = each.collect();
    }
    schema
}

/// Adds the sentence of a key to the references of its value. Validation ignores it next to a
/// reference; editors show it instead of the sentence of the record.
fn describe(schema: &mut Value, field: &Field) {
    let Value::Object(map) = schema else { return };
    if map.contains_key("$ref") {
        map.insert("description".into(), field.about.into());
        map.insert("markdownDescription".into(), about(field).into());
    }
    let parts = map.get_mut("allOf").and_then(Value::as_array_mut);
    parts.into_iter().flatten().for_each(|part| describe(part, field));
}

/// Returns what an editor shows for a key: its sentence, and the expected value.
fn about(field: &Field) -> String {
    format!("{}\n\nValue: {}.", field.about, field.shape.expected())
}

fn of_shape(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Text(form) => of_form(form),
        Shape::Choice(words) => {
            let mut schema = json!({"type": "string", "enum": words});
            if let Some(meanings) = editor::meanings(words) {
                schema["enumDescriptions"] = json!(meanings);
                schema["markdownEnumDescriptions"] = json!(meanings);
            }
            schema
        }
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
                schema["propertyNames"] = json!({"description": keys.name, "pattern": pattern});
            }
            if *min > 0 {
                schema["minProperties"] = (*min).into();
            }
            schema
        }
        Shape::Record(id) => {
            let (record, name) = (id.get(), id.get().word());
            if !definitions.contains_key(&name) {
                // The name is taken before the body is made: records may contain themselves.
                definitions.insert(name.clone(), Value::Null);
                let mut body = of_record(record, definitions);
                body["title"] = record.name.into();
                definitions.insert(name.clone(), body);
            }
            json!({"$ref": format!("#/definitions/{name}")})
        }
        Shape::OneOf(alternatives) => of_alternatives(alternatives, definitions),
    }
}

/// The check tries alternatives in order; the schema excludes the keys that select an earlier one.
fn of_alternatives(alternatives: &[Shape], definitions: &mut Map<String, Value>) -> Value {
    let mut earlier: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    for (select, shape) in selects(alternatives) {
        let mut schema = of_shape(shape, definitions);
        // An editor shows the titles of all alternatives; a reference has that of its record.
        if schema.get("$ref").is_none() {
            schema["title"] = shape.expected().into();
        }
        let excluded: Vec<Value> = earlier.iter().map(|key| json!({"required": [key]})).collect();
        let mut parts = vec![schema];
        match select {
            Select::Key(key) => {
                parts.push(json!({"required": [key]}));
                if !excluded.is_empty() {
                    parts.push(json!({"not": {"anyOf": excluded}}));
                }
                earlier.push(key);
            }
            // `yes` is a string in YAML 1.2, but its author means a bool if one is allowed.
            Select::Text if alternatives.iter().any(|one| matches!(one, Shape::Bool)) => {
                parts.push(json!({"not": {"pattern": values::bool_pattern()}}));
            }
            Select::Map if !excluded.is_empty() => {
                parts.push(json!({"not": {"anyOf": excluded}}));
            }
            _ => {}
        }
        all.push(if parts.len() == 1 { parts.remove(0) } else { json!({"allOf": parts}) });
    }
    json!({"anyOf": all})
}

fn of_form(form: &Form) -> Value {
    let mut schema = match form.pattern {
        Some(pattern) => json!({"type": "string", "pattern": pattern}),
        None => json!({"type": "string"}),
    };
    // Some values would be inserted without quotes.
    if form.example != self::form("words").example {
        let examples: Vec<&str> = form.example.split(", ").collect();
        schema["examples"] = json!(examples);
    }
    schema
}
