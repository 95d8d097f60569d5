//! A page as one HTML file. It needs no other file, runs no script and may not reach a network: its
//! content security policy allows its own style sheet and nothing else.
//!
//! The engine escapes everything that is inserted. Only the style sheet, which is ours, is not.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;

use crate::page::{Block, Graph, Listing, Page, Span, Step, Text, Timeline, Tone};

/// The templates by their names.
const TEMPLATES: [(&str, &str); 3] = [
    (PAGE, include_str!("html/page.html")),
    (INLINE, include_str!("html/inline.html")),
    (GRAPH, include_str!("html/graph.svg")),
];
const PAGE: &str = "page.html";
const INLINE: &str = "inline.html";
const GRAPH: &str = "graph.svg";
const STYLE: &str = include_str!("html/page.css");

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    engine.set_syntax(syntax.unwrap_or_default());
    engine.add_filter("inline", |spans: Value| inner(INLINE, &context! { spans }));
    engine.add_filter("drawing", |graph: Value| inner(GRAPH, &context! { graph, alone => false }));
    for (name, text) in TEMPLATES {
        engine.add_template(name, text).expect("the templates are valid");
    }
    engine
});

impl Page {
    /// Returns the page as an HTML file.
    pub fn html(&self) -> String {
        let nodes: Vec<Node<'_>> = self.blocks.iter().map(|block| node(block, 2)).collect();
        render(
            PAGE,
            &Serde(PageNode {
                style: STYLE,
                title: self.title.bare(),
                heading: self.title.spans(),
                nodes,
            })
            .into(),
        )
    }
}

impl Graph {
    /// Returns the drawing as an SVG file.
    pub fn svg(&self) -> String {
        render(GRAPH, &context! { graph => Value::from(Serde(self.drawing())), alone => true })
    }
}

fn render(template: &str, value: &Value) -> String {
    let template = ENGINE.get_template(template).expect("the template exists");
    // A template is ours, and so is the form of its value.
    template.render(value).expect("a template fits its value")
}

/// Renders a part of a page, which is not escaped again.
fn inner(template: &str, value: &Value) -> Value {
    Value::from_safe_string(render(template, value))
}

/// A page as the template reads it.
#[derive(Serialize)]
struct PageNode<'a> {
    style: &'static str,
    title: String,
    heading: &'a [Span],
    nodes: Vec<Node<'a>>,
}

/// A part of the page as the template reads it: what it is, and what is in it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Node<'a> {
    Paragraph { spans: &'a [Span] },
    List { items: Vec<&'a [Span]> },
    Facts { rows: Vec<(&'a str, &'a [Span])> },
    Table { head: &'a [&'static str], rows: Vec<Vec<&'a [Span]>> },
    Listing { about: &'a [Span], text: &'a str, is_output: bool },
    Note { tone: Tone, spans: &'a [Span] },
    Section { id: &'a str, level: usize, title: &'a [Span], nodes: Vec<Self> },
    Step { level: usize, step: StepNode<'a>, nodes: Vec<Self> },
    Timeline { timeline: &'a Timeline, width: u32 },
    Graph { graph: crate::page::graph::Drawing },
}

#[derive(Serialize)]
struct StepNode<'a> {
    id: &'a str,
    number: &'a str,
    depth: usize,
    title: &'a [Span],
    about: &'a [Span],
}

fn node(block: &Block, level: usize) -> Node<'_> {
    let spans = Text::spans;
    match block {
        Block::Paragraph(text) => Node::Paragraph { spans: text.spans() },
        Block::List(items) => Node::List { items: items.iter().map(spans).collect() },
        Block::Facts(facts) => {
            let rows = facts.iter().map(|(name, value)| (name.as_str(), value.spans()));
            Node::Facts { rows: rows.collect() }
        }
        Block::Table { head, rows } => {
            let rows = rows.iter().map(|cells| cells.iter().map(spans).collect());
            Node::Table { head, rows: rows.collect() }
        }
        Block::Listing(Listing { about, text, is_output }) => {
            Node::Listing { about: about.spans(), text, is_output: *is_output }
        }
        Block::Note(tone, text) => Node::Note { tone: *tone, spans: text.spans() },
        Block::Section { id, title, blocks } => {
            let nodes = blocks.iter().map(|block| node(block, level + 1)).collect();
            Node::Section { id, level, title: title.spans(), nodes }
        }
        Block::Step(step) => self::step(step, level),
        Block::Timeline(timeline) => Node::Timeline { timeline, width: crate::page::WIDTH },
        Block::Graph(graph) => Node::Graph { graph: graph.drawing() },
    }
}

fn step(step: &Step, level: usize) -> Node<'_> {
    let level = level + step.depth;
    Node::Step {
        level: level.min(6),
        step: StepNode {
            id: &step.id,
            number: &step.number,
            depth: step.depth,
            title: step.title.spans(),
            about: step.about.spans(),
        },
        nodes: step.blocks.iter().map(|block| node(block, level + 1)).collect(),
    }
}
