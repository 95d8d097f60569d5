//! Events in JSON, as they are stored and printed: one flat object. `event` names the variant, and
//! `host` or `task` follows if the event is about one.
//!
//! This form outlives versions. Fields may be added with a default, variants may be added; nothing
//! is renamed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};

use super::Event;

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, subject, event) = match self {
            Self::Run(event) => return event.serialize(serializer),
            Self::Host { host, event } => ("host", json(host)?, json(event)?),
            Self::Task { task, event } => ("task", json(task)?, json(event)?),
        };
        let Value::Object(mut flat) = event else {
            return Err(ser::Error::custom("an event is an object"));
        };
        // After `event`, which comes first.
        flat.shift_insert(1, name.to_owned(), subject);
        flat.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut flat = Map::deserialize(deserializer)?;
        if let Some(task) = flat.remove("task") {
            return Ok(Self::Task { task: read(task)?, event: read(flat.into())? });
        }
        if let Some(host) = flat.remove("host") {
            return Ok(Self::Host { host: read(host)?, event: read(flat.into())? });
        }
        read(flat.into()).map(Self::Run)
    }
}

fn json<T: Serialize, E: ser::Error>(value: &T) -> Result<Value, E> {
    serde_json::to_value(value).map_err(E::custom)
}

fn read<T: DeserializeOwned, E: de::Error>(value: Value) -> Result<T, E> {
    serde_json::from_value(value).map_err(E::custom)
}
