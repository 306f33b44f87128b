//! What a run knows, behind one lock. State changes here and nowhere else.
//!
//! No task, closure, waker or foreign destructor runs under the lock: whatever could run one is handed out to the
//! caller instead.
//!
//! Invariants:
//! 1. `ready[i]` is a number whose slot exists and has `ready_at == Some(i)`; every other slot has `None`.
//! 2. A slot whose work is being polled or run keeps its place, with `Work::Away`.
//! 3. Once `closed` is set, no slot and no timer is added.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use scope_core::TaskRef;
use scope_core::rt::Task;

use crate::error::{Details, Kind, Place, RunError, TaskInfo, TimerInfo};
use crate::random::{Choice, Choices, Random};
use crate::trace::{Entry, Named, TaskNumber, Trace, What};

pub(crate) type Job = Box<dyn FnOnce() + Send + 'static>;
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// What a slot stands for.
pub(crate) enum Work {
    /// The root's future lives in the driver's frame: it need be neither `Send` nor `'static`.
    Root,
    Task(Task),
    Blocking(Job),
    /// In the driver's hands.
    Away,
}

/// Where a task comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) by: Option<TaskNumber>,
    pub(crate) at: Option<&'static Location<'static>>,
}

struct Slot {
    work: Work,
    blocking: bool,
    waker: Waker,
    /// Its place in the ready set.
    ready_at: Option<usize>,
    origin: Origin,
    spawned_in: u64,
    last_step: u64,
}

struct Timer {
    waker: Waker,
    set_by: Option<TaskNumber>,
    /// The task of the core's: a same-task child has no number here.
    set_in: Option<TaskRef>,
}

/// Where a timer is registered: its time, and a number that orders those of the same time.
pub(crate) type TimerKey = (Duration, u64);

pub(crate) struct State {
    seed: u64,
    choices: Choices,
    for_tests: Random,
    /// Virtual time since the start.
    pub(crate) at: Duration,
    pub(crate) steps: u64,
    next_number: u64,
    next_timer: u64,
    slots: BTreeMap<u64, Slot>,
    ready: Vec<u64>,
    /// By number, also of tasks that have ended.
    polls: Vec<u64>,
    timers: BTreeMap<TimerKey, Timer>,
    /// What the driver has in its hands.
    pub(crate) current: Option<TaskNumber>,
    pub(crate) closed: bool,
    /// How many guards of outside work are alive.
    pub(crate) outside: usize,
    /// Of blocking work on a thread of its own.
    pub(crate) panicked: Option<Payload>,
    trace: Trace,
    print: bool,
}

impl State {
    pub(crate) fn new(seed: u64, trace_limit: usize, print: bool) -> Self {
        State {
            seed,
            choices: Choices::new(seed),
            for_tests: Random::new(!seed),
            at: Duration::ZERO,
            steps: 0,
            next_number: 0,
            next_timer: 0,
            slots: BTreeMap::new(),
            ready: Vec::new(),
            polls: Vec::new(),
            timers: BTreeMap::new(),
            current: None,
            closed: false,
            outside: 0,
            panicked: None,
            trace: Trace::new(trace_limit),
            print,
        }
    }

    fn record(&mut self, what: What) {
        let entry = Entry { step: self.steps, at: self.at, what };
        if self.print {
            // At once, not at the end: a poll that never returns is found by its last line.
            eprintln!("{}", self.trace.line(&entry));
        }
        self.trace.push(entry);
    }

    /// Takes a number for work about to be [added](State::add).
    pub(crate) fn reserve(&mut self) -> TaskNumber {
        let number = TaskNumber(self.next_number);
        self.next_number += 1;
        self.polls.push(0);
        number
    }

    /// Puts work into the ready set.
    pub(crate) fn add(&mut self, number: TaskNumber, work: Work, waker: Waker, origin: Origin) {
        let slot = Slot {
            blocking: matches!(work, Work::Blocking(_)),
            work,
            waker,
            ready_at: Some(self.ready.len()),
            origin,
            spawned_in: self.steps,
            last_step: 0,
        };
        self.slots.insert(number.0, slot);
        self.ready.push(number.0);
        if number != TaskNumber::ROOT {
            self.record(What::Spawned { task: number, by: origin.by, at: origin.at });
        }
    }

    /// Notes work that never has a slot: it runs on a thread of its own.
    pub(crate) fn add_elsewhere(&mut self, number: TaskNumber, origin: Origin) {
        self.record(What::Spawned { task: number, by: origin.by, at: origin.at });
    }

    /// Whether this was news.
    pub(crate) fn wake(&mut self, number: TaskNumber) -> bool {
        match self.slots.get_mut(&number.0) {
            Some(slot) if slot.ready_at.is_none() => {
                slot.ready_at = Some(self.ready.len());
                self.ready.push(number.0);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The last of the ready set moves into the gap. The slot of the number taken is the caller's to mark.
    fn take_ready(&mut self, index: usize) -> u64 {
        let number = self.ready.swap_remove(index);
        if let Some(moved) = self.ready.get(index) {
            self.slots.get_mut(moved).expect("a ready number has a slot: invariant 1").ready_at = Some(index);
        }
        number
    }

    /// Takes the next step: a seeded choice among the ready.
    pub(crate) fn pick(&mut self) -> Option<(TaskNumber, Work, Waker)> {
        if self.ready.is_empty() {
            return None;
        }
        let index = self.choices.index(self.ready.len());
        let number = self.take_ready(index);
        self.steps += 1;
        let step = self.steps;
        let slot = self.slots.get_mut(&number).expect("a ready number has a slot: invariant 1");
        slot.ready_at = None;
        slot.last_step = step;
        let work = match slot.work {
            Work::Root => Work::Root,
            _ => std::mem::replace(&mut slot.work, Work::Away),
        };
        let waker = slot.waker.clone();
        let task = TaskNumber(number);
        if matches!(work, Work::Blocking(_)) {
            self.record(What::Blocking { task });
        } else {
            self.polls[number as usize] += 1;
            self.record(What::Polled { task });
        }
        self.current = Some(task);
        Some((task, work, waker))
    }

    /// A polled task goes back to wait for its waker.
    pub(crate) fn put_back(&mut self, number: TaskNumber, task: Task) {
        self.current = None;
        let slot = self.slots.get_mut(&number.0).expect("work in hand keeps its slot: invariant 2");
        slot.work = Work::Task(task);
    }

    /// The root was polled and waits for its waker.
    pub(crate) fn root_parked(&mut self) {
        self.current = None;
    }

    /// Forgets work that has ended, or is given up. The waker is the caller's to drop.
    #[must_use]
    pub(crate) fn remove(&mut self, number: TaskNumber, how: What) -> Option<(Work, Waker)> {
        self.current = None;
        let slot = self.slots.remove(&number.0)?;
        if let Some(index) = slot.ready_at {
            self.take_ready(index);
        }
        self.record(how);
        Some((slot.work, slot.waker))
    }

    /// All that is left, in an order that the seed decides: for the end of the run.
    pub(crate) fn left(&mut self) -> Vec<TaskNumber> {
        let mut left: Vec<_> = self.slots.keys().copied().map(TaskNumber).collect();
        for end in (1..left.len()).rev() {
            left.swap(end, self.choices.index(end + 1));
        }
        left
    }

    /// Takes out what is to be dropped at the end of the run.
    #[must_use]
    pub(crate) fn take_left(&mut self, task: TaskNumber) -> Option<(Work, Waker)> {
        let gone = self.remove(task, What::Dropped { task });
        self.current = Some(task);
        gone
    }

    pub(crate) fn name(&mut self, number: TaskNumber, name: &str) {
        self.trace.name(number, name);
    }

    pub(crate) fn polls(&self, number: TaskNumber) -> u64 {
        usize::try_from(number.0).ok().and_then(|index| self.polls.get(index)).copied().unwrap_or(0)
    }

    pub(crate) fn alive(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn random_below(&mut self, bound: u64) -> u64 {
        self.for_tests.below(bound)
    }

    /// Registers a timer, or changes whom a registered one wakes. The waker handed back is the caller's to drop.
    pub(crate) fn arm(
        &mut self,
        due: Duration,
        key: &mut Option<TimerKey>,
        waker: Waker,
        set_by: Option<TaskNumber>,
        set_in: Option<TaskRef>,
    ) -> Option<Waker> {
        if self.closed {
            return Some(waker);
        }
        if let Some(timer) = key.and_then(|key| self.timers.get_mut(&key)) {
            return Some(std::mem::replace(&mut timer.waker, waker));
        }
        let new = (due, self.next_timer);
        self.next_timer += 1;
        self.timers.insert(new, Timer { waker, set_by, set_in });
        *key = Some(new);
        None
    }

    /// The waker is the caller's to drop.
    #[must_use]
    pub(crate) fn disarm(&mut self, key: TimerKey) -> Option<Waker> {
        self.timers.remove(&key).map(|timer| timer.waker)
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.timers.first_key_value().map(|((due, _), _)| *due)
    }

    /// Sets the time and takes out all timers that are due by then, in the order of their times, then of their setting.
    #[must_use]
    pub(crate) fn pass_to(&mut self, at: Duration) -> Vec<Waker> {
        self.at = at;
        let mut due = Vec::new();
        while let Some(first) = self.timers.first_entry() {
            let (time, timer) = *first.key();
            if time > at {
                break;
            }
            let Timer { waker, set_by, .. } = first.remove();
            due.push(waker);
            self.record(What::Fired { timer, set_by });
        }
        due
    }

    pub(crate) fn note_advance(&mut self, by: Duration) {
        self.record(What::Advanced { by });
    }

    /// For the caller to drop.
    #[must_use]
    pub(crate) fn take_timers(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.timers).into_values().map(|timer| timer.waker).collect()
    }

    pub(crate) fn has_timers(&self) -> bool {
        !self.timers.is_empty()
    }

    /// The first choices between ready tasks, and whether there were more.
    pub(crate) fn first_choices(&self) -> (Vec<Choice>, bool) {
        self.choices.first()
    }

    pub(crate) fn place(&self) -> Place {
        Place { seed: self.seed, steps: self.steps, at: self.at }
    }

    pub(crate) fn trace(&self) -> Trace {
        self.trace.clone()
    }

    pub(crate) fn last_events(&self, count: usize) -> Vec<String> {
        self.trace.last(count).collect()
    }

    /// An error about this moment, with everything alive in it.
    pub(crate) fn error(&self, kind: Kind) -> RunError {
        let names = self.trace.names();
        let tasks = self.slots.iter().map(|(number, slot)| TaskInfo {
            number: TaskNumber(*number),
            name: Named(TaskNumber(*number), names).to_string(),
            spawned_by: slot.origin.by.map(|by| Named(by, names).to_string()),
            spawned_in: slot.spawned_in,
            spawned_at: slot.origin.at,
            polls: self.polls[*number as usize],
            last_step: slot.last_step,
            blocking: slot.blocking,
            ready: slot.ready_at.is_some(),
        });
        let timers = self.timers.iter().map(|((due, number), timer)| TimerInfo {
            timer: *number,
            due: *due,
            set_by: timer.set_by.map(|by| Named(by, names).to_string()),
            set_in: timer.set_in.clone(),
        });
        RunError(Box::new(Details {
            kind,
            place: self.place(),
            tasks: tasks.collect(),
            timers: timers.collect(),
            last: self.last_events(LAST_EVENTS),
            scopes: String::new(),
        }))
    }
}

/// How many events a report shows.
pub(crate) const LAST_EVENTS: usize = 12;
