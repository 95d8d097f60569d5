//! Lowers what commands print: text, tables, JSON.

use crate::diagnostic::Code;
use crate::document::{Entry, Node, Value as Written};
use crate::model::expression::Template;
use crate::model::lower::command::Place;
use crate::model::lower::text::all;
use crate::model::lower::{Lowering, written};
use crate::model::names::Names;
use crate::model::print::{EachHost, Printed, Tree};
use crate::schema::one_of;

/// The keys of an item for each host.
const EACH_HOST: [&str; 4] = ["for", "where", "key", "item"];

impl Lowering<'_> {
    pub(super) fn printed(&mut self, node: &Node, place: &Place<'_>) -> Printed {
        let outputs = ["stdout", "table", "json"].map(|key| node.entry(key));
        let mut outputs: Vec<&Entry> = outputs.into_iter().flatten().collect();
        outputs.sort_by_key(|entry| entry.key_span);
        let mut outputs = outputs.into_iter();
        let (first, second) = (outputs.next(), outputs.next());
        if let (Some(first), Some(second)) = (first, second) {
            self.refuse(
                Code::SeveralOutputs,
                format!("`{}` and `{}` cannot be combined", first.key, second.key),
                (second.key_span, "second output"),
                "remove one of them",
            );
            return Printed::Nothing;
        }
        let Some(Entry { key, value, .. }) = first else { return Printed::Nothing };
        match key.as_str() {
            "table" if value.get("for").is_some() => self.host_table(value, place),
            "table" => self.row_table(value, place),
            "json" => self.tree(value, &place.names).map_or(Printed::Nothing, Printed::Json),
            _ => self.words(value, place).map_or(Printed::Nothing, Printed::Text),
        }
    }

    fn tree(&mut self, node: &Node, names: &Names<'_>) -> Option<Tree> {
        match &node.value {
            Written::List(items) => {
                all(items.iter().map(|item| self.tree(item, names))).map(Tree::List)
            }
            Written::Map(_) if node.get("for").is_some() && node.get("item").is_some() => {
                self.tree_of_hosts(node, names)
            }
            Written::Map(entries) => all(entries
                .iter()
                .map(|entry| Some((entry.key.clone(), self.tree(&entry.value, names)?))))
            .map(Tree::Map),
            _ => self.template(node, names).map(Tree::Value),
        }
    }

    fn tree_of_hosts(&mut self, node: &Node, names: &Names<'_>) -> Option<Tree> {
        for entry in node.entries() {
            if !EACH_HOST.contains(&entry.key.as_str()) {
                self.refuse(
                    Code::UnknownKey,
                    format!("unknown key `{}` next to `for` and `item`", entry.key),
                    (entry.key_span, "not a valid key here"),
                    format!("use {}", one_of(&EACH_HOST)),
                );
            }
        }
        let of = self.chosen(node, names)?;
        let names = names.for_host(self.slots(of.group));
        let key = node.get("key").map(|key| self.template(key, &names));
        let item = node.get("item").and_then(|item| self.tree(item, &names));
        let key = match key {
            Some(key) => Some(key?),
            None => None,
        };
        Some(Tree::Hosts(Box::new(EachHost { of, key, item: item? })))
    }

    fn host_table(&mut self, table: &Node, place: &Place<'_>) -> Printed {
        let Some(of) = self.chosen(table, &place.names) else { return Printed::Nothing };
        let names = place.names.for_host(self.slots(of.group));
        let columns = table.get("columns").map_or(&[][..], Node::entries);
        let header: Vec<&str> = columns.iter().map(|entry| entry.key.as_str()).collect();
        Printed::Hosts {
            of,
            header: header.join("\t"),
            columns: columns
                .iter()
                .filter_map(|entry| self.expression(&entry.value, &names))
                .collect(),
        }
    }

    fn row_table(&mut self, table: &Node, place: &Place<'_>) -> Printed {
        let header = table.get("header").map_or(&[][..], Node::items);
        let rows = table.get("rows").map_or(&[][..], Node::items);
        for row in rows.iter().filter(|row| row.items().len() != header.len()) {
            let (found, expected) = (row.items().len(), header.len());
            self.refuse(
                Code::RowLength,
                format!("expected {expected} cells as in the header, found {found}"),
                (written(row), "this row"),
                "write one cell for each header",
            );
        }
        let heads: Vec<&str> = header.iter().filter_map(|head| head.lexeme(self.sources)).collect();
        Printed::Rows {
            header: heads.join("\t"),
            rows: rows
                .iter()
                .map(|row| {
                    let cells = row.items().iter();
                    cells.filter_map(|cell| self.words(cell, place)).collect()
                })
                .collect(),
        }
    }

    /// Lowers text that is printed: numbers as they are written.
    pub(super) fn words(&mut self, node: &Node, place: &Place<'_>) -> Option<Template> {
        match node.value {
            Written::Text(_) => self.template(node, &place.names),
            _ => Some(Template::Constant(node.lexeme(self.sources)?.into())),
        }
    }
}
