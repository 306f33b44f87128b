//! The mailbox from those who run the peer's requests to the one who speaks with the peer.
//!
//! What is in it goes out in order. It is bounded by the bytes that have not been written: whoever wants to say more waits,
//! and nobody else does. Calls of a client are bounded in the session; here, only by how many come before it looks.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use event_listener::Event;
use futures_util::task::AtomicWaker;

use super::request::Cancel;
use crate::jsonrpc::Line;
use crate::session::NewCall;

/// Unsent bytes from which on nobody may say more. One line may go beyond.
const HIGH_WATER: usize = 1024 * 1024;

/// Asks that wait to be taken, from which on no further call of a client is left here.
const CALLS: usize = 1024;

/// So many asks are worth being written before all who are awake have left theirs: the peer goes on with those meanwhile.
const ENOUGH: usize = 64;

/// Whether a call is to be left here, and was if there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    No,
    Yes,
    /// There is enough here to be taken now, by whoever can.
    Enough,
}

/// What is asked of the one who speaks with the peer.
#[derive(Debug)]
pub(crate) enum Ask {
    /// To be written as it is.
    Line(Line),
    /// A request of the peer is over; `None` where it is not to be answered.
    Over { key: u64, line: Option<Line> },
    /// A request of the peer that was begun in the connection's task goes on elsewhere, and is cancelled by this.
    Waits { key: u64, cancel: Arc<Cancel> },
    /// A request to the peer. Its time runs from when it is taken up.
    Call(NewCall),
}

impl Ask {
    fn weight(&self) -> usize {
        match self {
            Ask::Line(line) | Ask::Over { line: Some(line), .. } => line.len(),
            Ask::Over { line: None, .. } | Ask::Waits { .. } => 0,
            Ask::Call(call) => call.line.len(),
        }
    }
}

/// The connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// Something lies here. Changed under the lock, and looked at without.
    has_asks: AtomicBool,
    /// Whoever takes is about to, or has been woken for what lies here: nobody need wake it. Who leaves something notes that
    /// above before it looks here, and sets this in the same step; who takes ends its promise here before it looks there.
    attended: AtomicBool,
    /// Of the one who takes.
    waker: AtomicWaker,
    /// There is room again, or it is over.
    room: Event,
}

#[derive(Default)]
struct State {
    asks: Vec<Ask>,
    /// Bytes here.
    bytes: usize,
    /// And those that were taken and have not been written.
    unsent: usize,
    ended: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.unsent < HIGH_WATER
    }

    #[inline]
    fn push(&mut self, ask: Ask) {
        let weight = ask.weight();
        self.bytes += weight;
        self.unsent += weight;
        self.asks.push(ask);
    }
}

impl Desk {
    pub(crate) fn new() -> Arc<Desk> {
        Arc::default()
    }

    /// Waits for room, and leaves `ask` here.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was left.
    pub(crate) async fn leave(&self, ask: Ask) -> Result<(), Ended> {
        self.leave_where(ask, State::has_room).await
    }

    /// As [`leave`](Desk::leave), where there is room. What has to wait for it stays where it is.
    pub(crate) fn leave_now(&self, ask: &mut Option<Ask>) -> Result<bool, Ended> {
        self.try_leave(ask, State::has_room)
    }

    /// Leaves a call of a client here. What waits to be written is no reason to wait here: the session says how many calls
    /// may wait for that, and for how long.
    ///
    /// # Cancel safety
    /// As [`leave`](Desk::leave).
    pub(crate) async fn call(&self, call: NewCall) -> Result<(), Ended> {
        self.leave_where(Ask::Call(call), |state| state.asks.len() < CALLS).await
    }

    /// Leaves a call here where whatever is left here is taken without anybody being woken. A call that has to
    /// [wait for room](Desk::call) stays where it is.
    pub(crate) fn call_if_attended(&self, call: &mut Option<NewCall>) -> Left {
        let mut state = self.state();
        if !self.attended.load(Ordering::Acquire) {
            return Left::No;
        }
        if !state.ended
            && state.asks.len() < CALLS
            && let Some(call) = call.take()
        {
            state.push(Ask::Call(call));
            let enough = state.asks.len().is_multiple_of(ENOUGH);
            let attended = self.note_left();
            drop(state);
            if !attended {
                self.waker.wake();
            }
            if enough {
                return Left::Enough;
            }
        }
        Left::Yes
    }

    async fn leave_where(&self, ask: Ask, has_room: impl Fn(&State) -> bool) -> Result<(), Ended> {
        let mut ask = Some(ask);
        loop {
            if self.try_leave(&mut ask, &has_room)? {
                return Ok(());
            }
            let room = self.room.listen();
            if self.try_leave(&mut ask, &has_room)? {
                return Ok(());
            }
            room.await;
        }
    }

    /// A request is over, without an answer. There is always room for that: so many requests run, and no more.
    pub(crate) fn over(&self, key: u64) {
        self.leave_at_once(Ask::Over { key, line: None });
    }

    /// A request that was begun at once goes on. As for [`over`](Desk::over), there is room.
    pub(crate) fn waits(&self, key: u64, cancel: Arc<Cancel>) {
        self.leave_at_once(Ask::Waits { key, cancel });
    }

    fn leave_at_once(&self, ask: Ask) {
        {
            let mut state = self.state();
            if state.ended {
                return;
            }
            state.asks.push(ask);
            if self.note_left() {
                return;
            }
        }
        self.waker.wake();
    }

    /// Wakes the one who takes, for what was not left here.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Promises to take what is left from here on, in this turn or in the next, for which it has woken itself: nobody else
    /// does.
    pub(crate) fn attend(&self) {
        self.attended.swap(true, Ordering::AcqRel);
    }

    /// Ends that promise, if nothing was left. If something was, it is to be [taken](Desk::take).
    #[must_use = "nobody is woken for what was left"]
    pub(crate) fn ends_attending(&self) -> bool {
        self.attended.swap(false, Ordering::AcqRel);
        !self.has_asks()
    }

    /// Registers to be woken by what is left, once.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// Whether something lies here that was left by who runs here, or by others before whom it waited for.
    pub(crate) fn has_asks(&self) -> bool {
        self.has_asks.load(Ordering::Acquire)
    }

    /// Whatever has been left since the last time, into `asks`, which is empty. Who does not look again in any case has
    /// registered before.
    pub(crate) fn take(&self, asks: &mut Vec<Ask>) {
        self.empty(asks, false);
    }

    /// The same, by one who goes on [attending](Desk::attend).
    pub(crate) fn take_meanwhile(&self, asks: &mut Vec<Ask>) {
        self.empty(asks, true);
    }

    fn empty(&self, asks: &mut Vec<Ask>, attended: bool) {
        let was_full = {
            let mut state = self.state();
            let was_full = state.asks.len() >= CALLS;
            self.attended.store(attended, Ordering::Release);
            state.bytes = 0;
            mem::swap(&mut state.asks, asks);
            self.has_asks.store(false, Ordering::Release);
            was_full
        };
        if was_full {
            self.room.notify(usize::MAX);
        }
    }

    /// Says how much of what was taken has not been written yet.
    pub(crate) fn unsent(&self, bytes: usize) {
        let room = {
            let mut state = self.state();
            let before = state.unsent;
            state.unsent = bytes + state.bytes;
            before >= HIGH_WATER && state.unsent < HIGH_WATER
        };
        if room {
            self.room.notify(usize::MAX);
        }
    }

    /// Nobody takes anything any more.
    pub(crate) fn end(&self) {
        let asks = {
            let mut state = self.state();
            state.ended = true;
            mem::take(&mut state.asks)
        };
        // A call that is dropped tells its caller.
        drop(asks);
        self.room.notify(usize::MAX);
    }

    /// Under the lock: something lies here. Whether it is attended to; if not, whoever takes is to be woken.
    fn note_left(&self) -> bool {
        self.has_asks.store(true, Ordering::Release);
        self.attended.swap(true, Ordering::AcqRel)
    }

    fn try_leave(&self, ask: &mut Option<Ask>, has_room: impl Fn(&State) -> bool) -> Result<bool, Ended> {
        {
            let mut state = self.state();
            if state.ended {
                return Err(Ended);
            }
            if !has_room(&state) {
                return Ok(false);
            }
            if let Some(ask) = ask.take() {
                state.push(ask);
            }
            if self.note_left() {
                return Ok(true);
            }
        }
        self.waker.wake();
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Desk").field("asks", &state.asks.len()).field("unsent", &state.unsent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::session::Reply;
    use crate::testing::Wakes;

    fn line(len: usize) -> Ask {
        Ask::Line(vec![b'x'; len].into())
    }

    fn taken(desk: &Desk, cx: &Context<'_>) -> Vec<Ask> {
        let mut asks = Vec::new();
        desk.register(cx);
        desk.take(&mut asks);
        asks
    }

    #[test]
    fn who_says_too_much_waits_until_it_is_written_and_nobody_else_is_lost() {
        let desk = Desk::new();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        assert!(taken(&desk, &cx).is_empty());
        desk.leave(line(HIGH_WATER)).now_or_never().unwrap().unwrap();
        assert_eq!(wakes.count(), 1);
        let mut waiting = pin!(desk.leave(line(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(desk.leave(line(7)).now_or_never().is_none(), "dropped: nothing was left");
        desk.over(3);
        let asks = taken(&desk, &cx);
        assert!(matches!(&asks[..], [Ask::Line(_), Ask::Over { key: 3, line: None }]), "{asks:?}");
        desk.unsent(HIGH_WATER);
        assert!(waiting.as_mut().now_or_never().is_none(), "taken is not written");
        desk.unsent(HIGH_WATER - 1);
        waiting.now_or_never().unwrap().unwrap();
        assert_eq!(taken(&desk, &cx).len(), 1);
    }

    #[test]
    fn who_is_about_to_take_is_not_woken() {
        let desk = Desk::new();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        assert!(taken(&desk, &cx).is_empty());
        desk.attend();
        desk.leave(line(1)).now_or_never().unwrap().unwrap();
        desk.over(1);
        assert_eq!((taken(&desk, &cx).len(), wakes.count()), (2, 0));
        desk.over(2);
        assert_eq!((taken(&desk, &cx).len(), wakes.count()), (1, 1));
    }

    #[test]
    fn who_ends_its_promise_takes_what_was_left_or_is_woken_for_it() {
        const EACH: u64 = 20_000;
        let (desk, wakes) = (Desk::new(), Wakes::new());
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        std::thread::scope(|scope| {
            for from in [0, EACH] {
                let desk = &desk;
                scope.spawn(move || (from..from + EACH).for_each(|key| desk.over(key)));
            }
            let (mut asks, mut came, mut woken) = (Vec::new(), 0, 0);
            desk.register(&cx);
            while came < 2 * EACH {
                desk.attend();
                if desk.ends_attending() {
                    // Whatever is left from here on is told, so that this ends.
                    while wakes.count() == woken {
                        std::thread::yield_now();
                    }
                }
                woken = wakes.count();
                desk.register(&cx);
                desk.take(&mut asks);
                came += asks.drain(..).len() as u64;
            }
        });
        assert!(!desk.has_asks());
    }

    #[test]
    fn one_of_many_wakes_who_takes() {
        let desk = Desk::new();
        let wakes = Wakes::new();
        let waker = wakes.waker();
        let cx = Context::from_waker(&waker);
        assert!(taken(&desk, &cx).is_empty() && !desk.attended.load(Ordering::Relaxed));
        for key in 0..3 {
            desk.over(key);
            desk.leave(line(1)).now_or_never().unwrap().unwrap();
            assert!(desk.attended.load(Ordering::Relaxed));
        }
        assert_eq!((wakes.count(), taken(&desk, &cx).len()), (1, 6));
        desk.over(3);
        assert_eq!((wakes.count(), taken(&desk, &cx).len()), (2, 1));
    }

    #[test]
    fn a_call_is_left_where_it_is_taken_anyway_and_there_is_room() {
        let desk = Desk::new();
        let leave = |id| {
            let line = b"{}\n".to_vec();
            let mut call = Some(NewCall::new(id, "m", line, Duration::from_secs(1), Reply::to_nobody()));
            (desk.call_if_attended(&mut call), call.map(|call| call.id))
        };
        assert_eq!(leave(1), (Left::No, Some(1)));
        desk.attend();
        for id in 1..=CALLS as u64 {
            let left = if id.is_multiple_of(64) { Left::Enough } else { Left::Yes };
            assert_eq!(leave(id), (left, None));
        }
        assert_eq!(leave(7), (Left::Yes, Some(7)), "there is no room");
        let left = taken(&desk, &Context::from_waker(std::task::Waker::noop()));
        assert_eq!(left.len(), CALLS);
        desk.attend();
        desk.end();
        assert_eq!(leave(8), (Left::Yes, Some(8)));
    }

    #[test]
    fn when_it_is_over_everybody_is_told() {
        let desk = Desk::new();
        desk.leave(line(HIGH_WATER)).now_or_never().unwrap().unwrap();
        let mut waiting = pin!(desk.leave(line(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        desk.end();
        assert_eq!(waiting.now_or_never(), Some(Err(Ended)));
        assert_eq!(desk.leave(line(1)).now_or_never(), Some(Err(Ended)));
        desk.over(1);
        assert!(taken(&desk, &Context::from_waker(std::task::Waker::noop())).is_empty());
    }
}
