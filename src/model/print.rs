//! What commands print: text, tables, JSON.

use minijinja::Value;
use serde_json::{Map, Value as Json};

use crate::model::expression::{Expression, Template};
use crate::model::world::{Pending, World, line};
use crate::model::{Entry, ModelError};

/// What a command prints, before it is rendered.
#[derive(Debug)]
pub(super) enum Printed {
    Nothing,
    Text(Template),
    /// A row for each host of a group.
    Hosts {
        of: Chosen,
        header: String,
        columns: Vec<Expression>,
    },
    Rows {
        header: String,
        rows: Vec<Vec<Template>>,
    },
    Json(Tree),
}

/// The hosts of a group for which a condition is true.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) group: usize,
    pub(super) filter: Option<Expression>,
}

/// A JSON value with templates.
#[derive(Debug)]
pub(super) enum Tree {
    Value(Template),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// An item for each host of a group: a list, or with keys a mapping.
    Hosts(Box<EachHost>),
}

/// See [`Tree::Hosts`].
#[derive(Debug)]
pub(super) struct EachHost {
    pub(super) of: Chosen,
    pub(super) key: Option<Template>,
    pub(super) item: Tree,
}

impl World {
    pub(super) fn print(
        &self,
        printed: &Printed,
        entry: &Entry,
        pending: &Pending,
        scope: &Value,
    ) -> Result<String, ModelError> {
        match printed {
            Printed::Nothing => Ok(String::new()),
            Printed::Text(text) => Ok(line(text.text(scope)?)),
            Printed::Hosts { of, header, columns } => {
                let mut out = format!("{header}\n");
                for scope in self.scopes(of, entry, pending)? {
                    for (number, column) in columns.iter().enumerate() {
                        out.push_str(if number == 0 { "" } else { "\t" });
                        column.write(&scope, &mut out)?;
                    }
                    out.push('\n');
                }
                Ok(out)
            }
            Printed::Rows { header, rows } => {
                let mut out = format!("{header}\n");
                for row in rows {
                    let cells: Result<Vec<String>, _> =
                        row.iter().map(|cell| cell.text(scope)).collect();
                    out.push_str(&cells?.join("\t"));
                    out.push('\n');
                }
                Ok(out)
            }
            Printed::Json(tree) => Ok(line(self.json(tree, entry, pending, scope)?.to_string())),
        }
    }

    fn json(
        &self,
        tree: &Tree,
        entry: &Entry,
        pending: &Pending,
        scope: &Value,
    ) -> Result<Json, ModelError> {
        let json = |tree: &Tree, scope: &Value| self.json(tree, entry, pending, scope);
        Ok(match tree {
            Tree::Value(template) => serde_json::to_value(template.value(scope)?)
                .map_err(|error| ModelError::Impossible(error.to_string()))?,
            Tree::List(items) => {
                items.iter().map(|item| json(item, scope)).collect::<Result<_, _>>()?
            }
            Tree::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.clone(), json(value, scope)?);
                }
                map.into()
            }
            Tree::Hosts(each) => {
                let EachHost { of, key, item } = &**each;
                let scopes = self.scopes(of, entry, pending)?.into_iter();
                match key {
                    None => scopes
                        .map(|scope| json(item, &scope))
                        .collect::<Result<Vec<_>, _>>()?
                        .into(),
                    Some(key) => scopes
                        .map(|scope| Ok((key.text(&scope)?, json(item, &scope)?)))
                        .collect::<Result<Map<_, _>, ModelError>>()?
                        .into(),
                }
            }
        })
    }

    /// Returns what expressions about each chosen host read.
    fn scopes(
        &self,
        of: &Chosen,
        entry: &Entry,
        pending: &Pending,
    ) -> Result<Vec<Value>, ModelError> {
        let (here, captures, names) = (pending.here, &pending.captures, &entry.names);
        let hosts = self.chosen(of.group, of.filter.as_ref(), names, here, captures)?;
        let scope = |host| self.scope_of(names, here, Some(host), captures);
        Ok(hosts.into_iter().map(scope).collect())
    }
}
