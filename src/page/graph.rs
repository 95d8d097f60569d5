//! A drawing of steps: as an SVG picture, and as a Mermaid flow chart.
//!
//! The steps are below each other, those in a block further right, and what undoes a step next to it.

use serde::Serialize;

use crate::page::anchor;
use crate::printable::printable;

/// The steps of a procedure, in the order in which they are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub title: String,
    /// The parts of the procedure, each with its steps.
    pub parts: Vec<(String, Vec<GraphStep>)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphStep {
    pub id: String,
    pub number: String,
    pub title: String,
    /// How deep it is in other steps.
    pub depth: usize,
    /// `work`, `wait`, `question`, `check` or `block`.
    pub kind: &'static str,
    /// Whether it runs only under a condition.
    pub is_conditional: bool,
    /// What undoes it, in a few words.
    pub rollback: Option<String>,
    /// Whether nothing is undone after it.
    pub is_no_return: bool,
}

const ROW: usize = 44;
const BOX: usize = 30;
const LEFT: usize = 16;
const INDENT: usize = 22;
const STEP_WIDTH: usize = 480;
const UNDO_LEFT: usize = LEFT + STEP_WIDTH + 60;
const UNDO_WIDTH: usize = 340;
/// Where the line between two steps is, from the left edge of their boxes.
const LINE: usize = 14;
/// Columns of the smallest font that fit in a box, in hundredths of a unit each.
const CHARACTER: usize = 690;

/// A graph with the place of everything in it.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Drawing {
    title: String,
    width: usize,
    height: usize,
    headings: Vec<Mark>,
    boxes: Vec<Mark>,
    /// Paths of lines, and their kinds.
    lines: Vec<(String, &'static str)>,
    no_returns: Vec<usize>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Mark {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    kind: &'static str,
    text: String,
    whole: String,
}

impl Graph {
    pub(super) fn drawing(&self) -> Drawing {
        let mut out = Drawing { title: printable(&self.title), ..Drawing::default() };
        let mut y = 10;
        for (heading, steps) in &self.parts {
            out.headings.push(Mark {
                x: LEFT,
                y: y + 20,
                text: printable(heading),
                ..Mark::default()
            });
            y += 34;
            let mut before: Option<(usize, usize)> = None;
            for step in steps {
                let x = LEFT + step.depth.min(10) * INDENT;
                if let Some((from, bottom)) = before {
                    let middle = bottom + (y - bottom) / 2;
                    let path = format!("M{} {bottom}V{middle}H{}V{y}", from + LINE, x + LINE);
                    out.lines.push((path, "next"));
                }
                let kind = if step.is_conditional { "maybe" } else { step.kind };
                let text = format!("{}. {}", step.number, step.title);
                out.mark(x, y, LEFT + STEP_WIDTH - x, kind, &text);
                if let Some(undo) = &step.rollback {
                    let (from, to) = (LEFT + STEP_WIDTH, UNDO_LEFT);
                    out.lines.push((format!("M{from} {}H{to}", y + BOX / 2), "undo"));
                    out.mark(UNDO_LEFT, y, UNDO_WIDTH, "undo", undo);
                }
                before = Some((x, y + BOX));
                if step.is_no_return {
                    out.no_returns.push(y + BOX + 14);
                    y += 26;
                }
                y += ROW;
            }
            y += 8;
        }
        out.width = UNDO_LEFT + UNDO_WIDTH + LEFT;
        out.height = y;
        out
    }

    /// Returns the drawing as a Mermaid flow chart.
    pub fn mermaid(&self) -> String {
        let mut out = vec!["flowchart TD".to_owned()];
        let mut links = Vec::new();
        let mut before: Option<String> = None;
        for (at, (heading, steps)) in self.parts.iter().enumerate() {
            out.push(format!("  subgraph part{at} [\"{}\"]", label(heading)));
            for (number, step) in steps.iter().enumerate() {
                let id = format!("s{at}x{number}");
                let text = label(&format!("{}. {}", step.number, step.title));
                let (open, close) = match step.kind {
                    "wait" => ("([", "])"),
                    "question" | "check" => ("{{", "}}"),
                    "block" => ("[[", "]]"),
                    _ => ("[", "]"),
                };
                out.push(format!("    {id}{open}\"{text}\"{close}"));
                let from = before.replace(id.clone());
                links.extend(from.map(|from| {
                    let condition = if step.is_conditional { "|\"if\"|" } else { "" };
                    format!("  {from} -->{condition} {id}")
                }));
                let undo = step.rollback.iter();
                links.extend(
                    undo.map(|undo| {
                        format!("  {id} -. \"undone by\" .-> {id}r(\"{}\")", label(undo))
                    }),
                );
                if step.is_no_return {
                    let gate = format!("{id}n");
                    out.push(format!("    {gate}>\"point of no return\"]"));
                    links.push(format!("  {id} --> {gate}"));
                    before = Some(gate);
                }
            }
            out.push("  end".to_owned());
        }
        out.extend(links);
        out.join("\n") + "\n"
    }
}

impl Drawing {
    fn mark(&mut self, x: usize, y: usize, width: usize, kind: &'static str, text: &str) {
        let whole = printable(text);
        let room = (width - 20) * 100 / CHARACTER;
        let text = match whole.char_indices().nth(room) {
            Some((end, _)) => format!("{}…", whole[..end].trim_end()),
            None => whole.clone(),
        };
        self.boxes.push(Mark { x, y, width, height: BOX, kind, text, whole });
    }
}

/// Writes text for the quotes of a Mermaid label: what has a meaning there or in HTML becomes an entity.
fn label(text: &str) -> String {
    let entity = |c: char| match c {
        '"' | '#' | '<' | '>' | '&' | '`' | '\\' | ';' => format!("#{};", u32::from(c)),
        c => c.to_string(),
    };
    printable(text).chars().map(entity).collect()
}

impl GraphStep {
    /// Makes a step by its place in the plan.
    pub fn new(id: &str, number: &str, title: &str) -> Self {
        Self {
            id: anchor(id),
            number: number.to_owned(),
            title: title.to_owned(),
            ..Self::default()
        }
    }
}
