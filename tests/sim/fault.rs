//! Faults, and schedules of them: all that a run of the simulator depends on.

use crate::cases::Case;

/// What a fault waits for: the n-th of these in the whole life of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Events are stored.
    Commit,
    /// An effect is sent.
    Send,
    /// A probe is sent.
    Look,
    /// A host is asked about an attempt.
    Ask,
    /// A lock is taken, or released.
    Lock,
}

/// How many kinds of points there are.
const POINTS: usize = 5;

/// How a command ends on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It succeeds.
    Well,
    /// It exits with 1, without an effect.
    Fails,
    /// It exits with 1, after its effect.
    FailsLate,
    /// A signal kills it, without an effect.
    Killed,
    /// It takes too long, and its host ends it.
    Slow,
    /// It takes too long, cannot be ended, and takes effect a minute later.
    Stubborn,
    /// Its runner dies: it takes effect, and its exit code is lost.
    Orphaned,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The process dies; the events are not stored, or the lock is not asked for.
    CrashBefore,
    /// The process dies; the events are stored, or the lock is taken or released.
    CrashAfter,
    /// The store returns an error, until the process ends; the events may be stored.
    StoreFails { kept: bool },
    /// The process is suspended while another one takes the run over, and then continues.
    Freeze { kept: bool },
    /// The operator presses ^C.
    Interrupt,
    /// A host reboots; commands that run there have taken effect, or not.
    Reboot { host: usize, done: bool, down: u16 },
    /// A host cannot be reached for so many seconds. Its commands continue.
    Away { host: usize, seconds: u16 },
    /// A host shows another key, to so many processes.
    OtherKey { host: usize, processes: u32 },
    /// A host loses its records of attempts.
    EmptySpool { host: usize },
    /// Nothing is sent: the host cannot be reached.
    Unreachable,
    /// Nothing is sent: the host refuses the login.
    Denied,
    /// The connection is lost before the request arrives.
    LostRequest,
    /// The connection is lost, and the request arrives so many seconds later.
    Late(u16),
    /// Nothing comes back until the connection is given up.
    BlackHole { arrives: bool },
    /// The connection is lost while the command runs.
    LostConnection,
    /// The connection is lost when the command has ended.
    LostAnswer,
    /// The request arrives again, so many seconds later.
    Duplicate(u16),
    /// The host reboots while the command runs.
    RebootDuring { done: bool },
    /// The command ends in another way.
    Ends(Fate),
    /// The command fails, this time and always.
    FailsAlways,
    /// The probe exits with 1.
    ProbeFails,
    /// The probe prints something that cannot be parsed.
    Garbage,
    /// The connection is lost.
    LookLost,
    /// The host does not hear the question, or the request for its lock.
    AskLost,
    /// The host hears the question, or the request for its lock; its answer is lost.
    ReplyLost,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) point: Point,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) kind: Kind,
}

/// All that a run depends on, besides its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    /// How many seconds pass before each next process, in turn.
    pub(crate) downtimes: Vec<u16>,
    /// How many seconds the clock of each process is set forward or back, in turn.
    pub(crate) jumps: Vec<i32>,
    /// Whether somebody sits at the terminal of each process, in turn.
    pub(crate) terminals: Vec<bool>,
    /// Which of the true answers the operator picks, in turn.
    pub(crate) choices: Vec<u8>,
    /// The process that rolls back, instead of a resume.
    pub(crate) rollback_at: Option<u32>,
    /// Whether the run is rolled back when it has succeeded.
    pub(crate) rollback_after: bool,
    /// Before which process the operator wants the run to end as it is.
    pub(crate) abort_at: Option<u32>,
    /// The number of the only host that is rolled back first.
    pub(crate) limit: Option<usize>,
    /// Another operator on the same hosts.
    pub(crate) rival: Option<Rival>,
}

/// An operator who runs the same plan on the same hosts at the same time, from another home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rival {
    /// After how many requests, commits and pauses it is the turn of the other operator, in turn. Until then
    /// processes of that one are suspended.
    pub(crate) turns: Vec<u16>,
    /// Whether an operator who finds a host locked releases the lock, in turn.
    pub(crate) unlocks: Vec<bool>,
    /// How many seconds a process waits for a lock.
    pub(crate) lock_timeout: u16,
}

impl Schedule {
    /// No fault, nobody at the terminal.
    pub(crate) fn quiet() -> Self {
        Self {
            seed: 0,
            faults: Vec::new(),
            downtimes: vec![1],
            jumps: vec![0],
            terminals: vec![false],
            choices: vec![0],
            rollback_at: None,
            rollback_after: false,
            abort_at: None,
            limit: None,
            rival: None,
        }
    }

    /// Makes the schedule of a seed.
    pub(crate) fn of(seed: u64, case: &Case) -> Self {
        let mut chance = Chance(seed);
        let rollback_after = chance.one_in(3);
        let counts = case.counts[usize::from(rollback_after)];
        let number = 2 + chance.below(19);
        let mut faults: Vec<Fault> =
            (0..number).map(|_| fault(&mut chance, counts, case)).collect();
        faults.sort_by_key(|fault| fault.number);
        // A host compares the age of its memory with that of an intent: clocks must then agree.
        let is_emptied = faults.iter().any(|it| matches!(it.kind, Kind::EmptySpool { .. }));
        if is_emptied {
            // What a suspended process sends later is refused because of a record that is lost then.
            for fault in &mut faults {
                if matches!(fault.kind, Kind::Freeze { .. }) {
                    fault.kind = Kind::CrashAfter;
                }
            }
        }
        let jump = |chance: &mut Chance| match chance.below(8) {
            _ if is_emptied => 0,
            0 => -31_536_000,
            1 => 31_536_000,
            2 => -40,
            _ => 0,
        };
        let downtime = |chance: &mut Chance| [0, 1, 3, 30, 200, 4_000][chance.below(6)];
        Self {
            seed,
            faults,
            downtimes: (0..5).map(|_| downtime(&mut chance)).collect(),
            jumps: (0..3).map(|_| jump(&mut chance)).collect(),
            terminals: (0..4).map(|_| chance.one_in(2)).collect(),
            choices: (0..7).map(|_| u8::try_from(chance.below(6)).unwrap()).collect(),
            rollback_at: chance.one_in(6).then(|| 2 + u32::try_from(chance.below(3)).unwrap()),
            rollback_after,
            rival: chance.one_in(6).then(|| Rival {
                turns: (0..6).map(|_| [1, 2, 3, 8, 25, 90][chance.below(6)]).collect(),
                unlocks: (0..4).map(|_| chance.one_in(2)).collect(),
                lock_timeout: [0, 0, 3, 60][chance.below(4)],
            }),
            abort_at: chance.one_in(8).then(|| 1 + u32::try_from(chance.below(3)).unwrap()),
            limit: chance.one_in(4).then(|| chance.below(3)),
        }
    }

    /// Whether one of its faults is of these.
    pub(crate) fn has(&self, is: impl Fn(&Kind) -> bool) -> bool {
        self.faults.iter().any(|fault| is(&fault.kind))
    }
}

/// How often a run without faults comes to each [`Point`].
pub(crate) type Counts = [u32; POINTS];

#[expect(clippy::match_same_arms, reason = "a table, point by point")]
fn fault(chance: &mut Chance, counts: Counts, case: &Case) -> Fault {
    let point = match chance.below(20) {
        0..=7 => Point::Commit,
        8..=14 => Point::Send,
        15..=16 => Point::Look,
        17..=18 => Point::Ask,
        _ => Point::Lock,
    };
    let most = match point {
        // Nobody asks if nothing goes wrong.
        Point::Ask => 6,
        point => counts[point as usize] * 5 / 4 + 2,
    };
    let number = 1 + u32::try_from(chance.below(most as usize)).unwrap();
    let host = chance.below(case.machines);
    let seconds = [1, 4, 20, 90, 700][chance.below(5)];
    let yes = chance.one_in(2);
    let kind = match (point, chance.below(20)) {
        (Point::Commit, 0..=3) => Kind::CrashBefore,
        (Point::Commit, 4..=8) => Kind::CrashAfter,
        (Point::Commit, 9..=10) => Kind::StoreFails { kept: yes },
        (Point::Commit, 11) => Kind::Freeze { kept: yes },
        (Point::Commit, 12..=14) => Kind::Interrupt,
        (Point::Commit, 15..=16) => Kind::Reboot { host, done: yes, down: seconds },
        (Point::Commit, 17) => Kind::Away { host, seconds },
        (Point::Commit, 18) => Kind::OtherKey { host, processes: 1 + u32::from(yes) },
        (Point::Commit, _) => Kind::EmptySpool { host },
        (Point::Send, 0) => Kind::Unreachable,
        (Point::Send, 1) => Kind::Denied,
        (Point::Send, 2..=3) => Kind::LostRequest,
        (Point::Send, 4..=5) => Kind::Late(seconds),
        (Point::Send, 6..=7) => Kind::BlackHole { arrives: yes },
        (Point::Send, 8..=9) => Kind::LostConnection,
        (Point::Send, 10) => Kind::LostAnswer,
        (Point::Send, 11) => Kind::Duplicate(seconds),
        (Point::Send, 12) => Kind::RebootDuring { done: yes },
        (Point::Send, 13..=14) => Kind::Ends(Fate::Fails),
        (Point::Send, 15) => Kind::Ends(Fate::FailsLate),
        (Point::Send, 16) => Kind::Ends([Fate::Killed, Fate::Orphaned][usize::from(yes)]),
        (Point::Send, 17) => Kind::Ends(Fate::Slow),
        (Point::Send, 18) => Kind::Ends(Fate::Stubborn),
        (Point::Send, _) => Kind::FailsAlways,
        (Point::Look, 0..=6) => Kind::ProbeFails,
        (Point::Look, 7..=10) => Kind::Garbage,
        (Point::Look, 11..=14) => Kind::LookLost,
        (Point::Look, 15..=17) => Kind::Away { host, seconds },
        (Point::Look, _) => Kind::Interrupt,
        (Point::Ask, 0..=7) => Kind::AskLost,
        (Point::Ask, 8..=15) => Kind::ReplyLost,
        (Point::Ask, _) => Kind::Away { host, seconds },
        (Point::Lock, 0..=3) => Kind::AskLost,
        (Point::Lock, 4..=7) => Kind::ReplyLost,
        (Point::Lock, 8..=9) => Kind::CrashBefore,
        (Point::Lock, 10..=11) => Kind::CrashAfter,
        (Point::Lock, 12..=13) => Kind::Freeze { kept: yes },
        (Point::Lock, 14..=15) => Kind::Interrupt,
        (Point::Lock, 16..=17) => Kind::Reboot { host, done: yes, down: seconds },
        (Point::Lock, _) => Kind::Away { host, seconds },
    };
    Fault { point, number, kind }
}

/// Pseudorandom numbers, the same for the same seed (`SplitMix64`).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below another one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Returns true in one of so many cases.
    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}
