//! Asks for passwords at the terminal, without showing what is typed.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use tokio::task::spawn_blocking;

use crate::cli::terminal::Terminal;
use crate::cli::view::{Pause, View};
use crate::report::text::printable;
use crate::secret::Secret;
use crate::transport::passwords::Ask;

/// Asks, while the view of the run pauses.
#[derive(Default)]
pub(super) struct Prompter {
    view: RefCell<Weak<RefCell<View>>>,
}

impl Prompter {
    /// From now on, this view pauses.
    pub(super) fn attach(&self, view: &Rc<RefCell<View>>) {
        self.view.replace(Rc::downgrade(view));
    }
}

#[async_trait(?Send)]
impl Ask for Prompter {
    async fn ask(&self, prompt: &str) -> Option<Secret> {
        let terminal = Terminal::open()?;
        let view = self.view.borrow().upgrade();
        let _pause = view.as_deref().map(Pause::new);
        // Shown again also if the run ends meanwhile.
        let hidden = terminal.hide()?;
        terminal.prompt(&format!("{}: ", printable(prompt)));
        let reader = terminal.again()?;
        let line = spawn_blocking(move || reader.line()).await.ok()??;
        terminal.prompt("\n");
        let is_cancelled = hidden.is_cancelled(&line);
        drop(hidden);
        if is_cancelled {
            // As if it had been typed at any other moment.
            kill_process(getpid(), Signal::INT).ok();
            return None;
        }
        let text = line.trim_end_matches(['\n', '\r']);
        (!text.is_empty()).then(|| Secret::text(text))
    }
}
