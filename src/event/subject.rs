//! What an event is about: the run, a host of it, or a task.

use crate::event::Event;
use crate::inventory::HostName;
use crate::task::TaskId;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'e> {
    /// The run as a whole.
    Run,
    /// A host.
    Host(&'e HostName),
    /// A step on a host.
    Task(&'e TaskId),
}

impl Event {
    /// Returns what it is about.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::PreflightEnded { host, .. }
            | Self::HostBegun { host }
            | Self::HostBlocked { host, .. }
            | Self::HostKeySeen { host, .. }
            | Self::HostEnded { host, .. }
            | Self::RollbackBegun { host, .. } => Subject::Host(host),
            Self::TaskBegun { task, .. }
            | Self::RoundBegun { task, .. }
            | Self::AttemptIntended { task, .. }
            | Self::AttemptEnded { task, .. }
            | Self::WaitTicked { task, .. }
            | Self::TimeSpent { task, .. }
            | Self::RequirementsHeld { task }
            | Self::TaskEnded { task, .. }
            | Self::PointOfNoReturn { task, .. }
            | Self::QuestionAsked { task, .. }
            | Self::QuestionAnswered { task, .. } => Subject::Task(task),
            Self::RunPlanned(_)
            | Self::RunStarted
            | Self::RunResumed { .. }
            | Self::RollbackRequested { .. }
            | Self::StopRequested { .. }
            | Self::RunPaused { .. }
            | Self::RunEnded { .. } => Subject::Run,
        }
    }
}

impl<'e> Subject<'e> {
    /// Returns the host it is, or is on.
    pub fn host(self) -> Option<&'e HostName> {
        match self {
            Self::Run => None,
            Self::Host(host) => Some(host),
            Self::Task(task) => Some(&task.host),
        }
    }

    /// Returns the task it is.
    pub fn task(self) -> Option<&'e TaskId> {
        match self {
            Self::Task(task) => Some(task),
            Self::Run | Self::Host(_) => None,
        }
    }
}
