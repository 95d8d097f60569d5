//! A document for people, as a value, as Markdown and as HTML.
//!
//! A report or a procedure is built once, as a [`Page`], and written by [`Page::markdown`] or [`Page::html`]:
//!
//! ```text
//!  records -> state -> Page -+-> Markdown   for a ticket, for a repository
//!             plan  ---^     '-> HTML       one file: no script, no network, prints on A4
//! ```
//!
//! Whatever is put into a page passes [`crate::printable`] on its way in ([`Text`], [`Listing`]), and is
//! escaped for its format on its way out, in one place for each: `markdown.rs`, and the automatic escapes
//! of the template engine. A page knows nothing of runs and plans.

mod graph;
mod html;
mod markdown;
mod text;

use serde::Serialize;

pub use graph::{Graph, GraphStep};
pub use text::{Listing, Span, Text, anchor};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub title: Text,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Paragraph(Text),
    List(Vec<Text>),
    /// Names and what is known under them.
    Facts(Vec<(String, Text)>),
    Table {
        head: Vec<&'static str>,
        rows: Vec<Vec<Text>>,
    },
    Listing(Listing),
    /// A paragraph that must not be missed.
    Note(Tone, Text),
    Section {
        /// What links lead to it; may be empty.
        id: String,
        title: Text,
        blocks: Vec<Self>,
    },
    Step(Step),
    Timeline(Timeline),
    /// A drawing of steps; Markdown leaves it out.
    Graph(Graph),
}

/// A step, done or to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What links lead to it; see [`anchor`].
    pub id: String,
    /// Its number as it is read: `3`, `7.2`; empty if it has none.
    pub number: String,
    pub title: Text,
    /// What is said of it in short, under its title.
    pub about: Text,
    pub blocks: Vec<Block>,
    /// How deep it is in other steps.
    pub depth: usize,
}

/// What happened when, a lane for each host. Places are ten-thousandths of its width.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// Times at equal distances, the first at its start and the last at its end.
    pub ticks: Vec<String>,
    pub lanes: Vec<Lane>,
    /// What occurs in it, as classes of the style sheet, and its words.
    pub legend: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lane {
    pub name: String,
    pub bars: Vec<Bar>,
    /// The steps, below the bars.
    pub steps: Vec<Bar>,
    /// Moments that matter, as lines across the lane.
    pub marks: Vec<Bar>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bar {
    pub from: u32,
    pub width: u32,
    /// What it shows, as a class of the style sheet.
    pub kind: &'static str,
    /// What it says if it is pointed at.
    pub text: String,
}

/// How wide a [`Timeline`] is, in its own units.
pub const WIDTH: u32 = 10_000;

/// How important a piece of text is to the reader; colour only supports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Tone {
    /// As it should be.
    Good,
    Quiet,
    Warn,
    Bad,
    Strong,
    Plain,
}

impl Block {
    pub fn section(title: impl Into<Text>, blocks: Vec<Self>) -> Self {
        Self::Section { id: String::new(), title: title.into(), blocks }
    }

    pub fn paragraph(text: impl Into<Text>) -> Self {
        Self::Paragraph(text.into())
    }

    /// Returns a section, or nothing if there is nothing in it.
    pub fn section_of(title: impl Into<Text>, blocks: Vec<Self>) -> Option<Self> {
        (!blocks.is_empty()).then(|| Self::section(title, blocks))
    }

    /// Returns a table without the columns that are empty, or nothing if it has no rows.
    pub fn table(head: &[&'static str], mut rows: Vec<Vec<Text>>) -> Option<Self> {
        let is_used = |column: usize| rows.iter().any(|row| !row[column].is_empty());
        let used: Vec<bool> = (0..head.len()).map(is_used).collect();
        for row in &mut rows {
            let mut used = used.iter();
            row.retain(|_| used.next() == Some(&true));
        }
        let head = head.iter().zip(&used).filter(|(_, used)| **used).map(|(name, _)| *name);
        (!rows.is_empty()).then(|| Self::Table { head: head.collect(), rows })
    }

    /// Returns a list, or nothing if it is empty.
    pub fn list(items: Vec<Text>) -> Option<Self> {
        (!items.is_empty()).then_some(Self::List(items))
    }
}
