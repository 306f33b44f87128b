//! What happens in a run, as its seed decides.

use std::io::ErrorKind;
use std::time::Duration;

use scope_mcp::Era;
use scope_mcp::transport::Stream;
use scope_test::{Cut, FaultyPipe, TestRuntime, Wire};

use crate::spoil::Spoil;

/// What the handler of a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Answer,
    /// Takes that long.
    Sleep(Duration),
    /// Tells its progress so many times, and logs each, with that time between.
    Report(u32, Duration),
    Refuse,
    Panic,
    /// Until it is cancelled.
    Wait,
    /// Asks the client, and answers when that has.
    Ask(Reply),
}

/// What the client does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    After(Duration),
    Refuse,
    Panic,
    Wait,
}

/// A call of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Tells it from all others, in what is asked and what is answered.
    pub(crate) nonce: u64,
    pub(crate) act: Act,
    /// Bytes that are sent along, and come back.
    pub(crate) pad: usize,
    /// Whether it wants to hear of its progress, which starts its time-out anew.
    pub(crate) listens: bool,
    pub(crate) begins: Duration,
    pub(crate) timeout: Duration,
    /// When its future is dropped, counted from its beginning.
    pub(crate) given_up: Option<Duration>,
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    capacity: usize,
    short_reads: bool,
    short_writes: bool,
    read_delay: Duration,
    write_delay: Duration,
    cut: Option<(u64, Cut)>,
    spoiled_at: Option<u64>,
}

/// How it comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client is closed when all calls are over.
    Done,
    /// It is closed in the middle.
    ClosedAt(Duration),
    /// The server is.
    ServerClosedAt(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) calls: Vec<Call>,
    up: Pipe,
    down: Pipe,
    pub(crate) max_in_flight: usize,
    pub(crate) max_requests: usize,
    pub(crate) open_timeout: Duration,
    /// Found out, if there is none.
    pub(crate) era: Option<Era>,
    pub(crate) ending: Ending,
}

/// Longer than all that is not meant to wait for ever takes.
pub(crate) const LONG: Duration = Duration::from_secs(100_000);

/// More than there are calls.
const MANY: usize = 64;

struct Dice<'a>(&'a TestRuntime);

impl Dice<'_> {
    fn below(&self, bound: u64) -> u64 {
        self.0.random_below(bound)
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn up_to(&self, most: Duration) -> Duration {
        Duration::from_micros(self.below(most.as_micros() as u64 + 1))
    }
}

impl Plan {
    pub(crate) fn draw(rt: &TestRuntime) -> Plan {
        let dice = Dice(rt);
        let calls: Vec<Call> = (0..1 + dice.below(8)).map(|number| Call::draw(1000 + number, &dice)).collect();
        let (mut up, mut down) = (Pipe::draw(&dice), Pipe::draw(&dice));
        for pipe in [&mut up, &mut down] {
            // Somewhere in what is said about, or a little behind it.
            let place = dice.below(600 + calls.iter().map(|call| 300 + 2 * call.pad as u64).sum::<u64>());
            match dice.below(36) {
                0..3 => pipe.cut = Some((place, Cut::End)),
                3..5 => pipe.cut = Some((place, Cut::Error(ErrorKind::ConnectionReset))),
                5..7 => pipe.cut = Some((place, Cut::Stall)),
                7..9 => pipe.spoiled_at = Some(place),
                _ => {}
            }
        }
        if up.cut.is_some() && dice.chance(40) {
            // So that the client learns of it by writing alone.
            down.cut = Some((500 + dice.below(1000), Cut::Stall));
        }
        let soon = Duration::from_millis(300);
        let ending = match dice.below(10) {
            0 => Ending::ClosedAt(dice.up_to(soon)),
            1 => Ending::ServerClosedAt(dice.up_to(soon)),
            _ => Ending::Done,
        };
        let few = |dice: &Dice<'_>| if dice.chance(20) { 1 + dice.below(3) as usize } else { MANY };
        let era = dice.pick(&[None, Some(Era::Legacy), Some(Era::Modern)]);
        let open_timeout = if dice.chance(80) { LONG } else { dice.up_to(soon) };
        Plan { calls, up, down, max_in_flight: few(&dice), max_requests: few(&dice), open_timeout, era, ending }
    }

    pub(crate) fn call(&self, nonce: u64) -> Option<&Call> {
        self.calls.iter().find(|call| call.nonce == nonce)
    }

    /// Whether nothing is lost on the way and nobody ends it before its time: who waits long enough is answered.
    pub(crate) fn is_whole(&self) -> bool {
        let open = self.ending == Ending::Done && self.open_timeout == LONG;
        open && [self.up, self.down].iter().all(|pipe| pipe.cut.is_none() && pipe.spoiled_at.is_none())
    }

    /// Whether the pipes pass everything on at once, and nobody waits for a place: so that what takes time takes it in the
    /// handlers.
    pub(crate) fn is_prompt(&self) -> bool {
        let pipes = [self.up, self.down].iter().all(|pipe| pipe.read_delay.is_zero() && pipe.write_delay.is_zero());
        pipes && self.max_in_flight == MANY && self.max_requests == MANY
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.up.spoiled_at.is_some() || self.down.spoiled_at.is_some()
    }

    /// Whether a pipe may go silent, which nobody is told of.
    pub(crate) fn stalls(&self) -> bool {
        [self.up, self.down].iter().any(|pipe| pipe.cut.is_some_and(|(_, cut)| cut == Cut::Stall))
    }

    /// The client's end and the server's, and the pipe that the client writes to.
    pub(crate) fn open(&self, rt: &TestRuntime) -> (Stream, Stream, Wire) {
        let ((up_reader, up_writer), (down_reader, down_writer)) = (self.up.open(rt), self.down.open(rt));
        let wire = up_reader.wire();
        let up_reader = Spoil::new(up_reader, self.up.spoiled_at);
        let down_reader = Spoil::new(down_reader, self.down.spoiled_at);
        (Stream::new(down_reader, up_writer), Stream::new(up_reader, down_writer), wire)
    }
}

impl Call {
    fn draw(nonce: u64, dice: &Dice<'_>) -> Call {
        let ms = Duration::from_millis;
        let act = match dice.below(14) {
            0..3 => Act::Answer,
            3..5 => Act::Sleep(dice.up_to(ms(200))),
            5..8 => Act::Report(1 + dice.below(4) as u32, dice.up_to(ms(40))),
            8 => Act::Refuse,
            9 => Act::Panic,
            10 => Act::Wait,
            11 => Act::Ask(dice.pick(&[Reply::Refuse, Reply::Panic, Reply::Wait])),
            _ => Act::Ask(Reply::After(dice.up_to(ms(100)))),
        };
        // One that would wait for ever does not.
        let hasty = matches!(act, Act::Wait | Act::Ask(Reply::Wait)) || dice.chance(20);
        let given_up = dice.chance(if hasty { 50 } else { 10 }).then(|| dice.up_to(ms(150)));
        Call {
            nonce,
            act,
            pad: if dice.chance(10) { dice.below(5000) as usize } else { dice.below(20) as usize },
            listens: matches!(act, Act::Report(..)) || dice.chance(20),
            begins: if dice.chance(50) { Duration::ZERO } else { dice.up_to(ms(200)) },
            timeout: if hasty { ms(1) + dice.up_to(ms(150)) } else { LONG },
            given_up,
        }
    }

    /// How long its handlers take, if they come to their end.
    pub(crate) fn takes(&self) -> Option<Duration> {
        match self.act {
            Act::Answer | Act::Refuse | Act::Panic | Act::Ask(Reply::Refuse | Reply::Panic) => Some(Duration::ZERO),
            Act::Sleep(time) | Act::Ask(Reply::After(time)) => Some(time),
            Act::Report(steps, between) => Some(between * steps),
            Act::Wait | Act::Ask(Reply::Wait) => None,
        }
    }

    pub(crate) fn padding(&self) -> String {
        "x".repeat(self.pad)
    }

    /// What it is answered with, if it is one that is.
    pub(crate) fn answer(&self) -> String {
        format!("{} {}", self.nonce, self.padding())
    }
}

impl Pipe {
    fn draw(dice: &Dice<'_>) -> Pipe {
        let capacity = match dice.below(30) {
            0 => 1,
            1..8 => 2 + dice.below(62) as usize,
            8..20 => 64 + dice.below(1000) as usize,
            _ => 65_536,
        };
        let delay =
            |dice: &Dice<'_>| if dice.chance(30) { dice.up_to(Duration::from_millis(10)) } else { Duration::ZERO };
        Pipe {
            capacity,
            short_reads: dice.chance(40),
            short_writes: dice.chance(40),
            read_delay: delay(dice),
            write_delay: delay(dice),
            cut: None,
            spoiled_at: None,
        }
    }

    fn open(&self, rt: &TestRuntime) -> (scope_test::PipeReader, scope_test::PipeWriter) {
        let mut pipe = FaultyPipe::new(self.capacity, rt);
        if self.short_reads {
            pipe = pipe.short_reads();
        }
        if self.short_writes {
            pipe = pipe.short_writes();
        }
        if !self.read_delay.is_zero() {
            pipe = pipe.read_delay(Duration::ZERO..=self.read_delay);
        }
        if !self.write_delay.is_zero() {
            pipe = pipe.write_delay(Duration::ZERO..=self.write_delay);
        }
        if let Some((bytes, cut)) = self.cut {
            pipe = pipe.cut_after(bytes, cut);
        }
        pipe.open()
    }
}
