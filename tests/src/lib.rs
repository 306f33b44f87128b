//! What the contract tests share: the runtimes a case runs on, and the means to order its events without a clock.
//!
//! The rows of the contract stand in `tests/`, a folder for each of their letters, a file for each row. A case is one
//! `async fn <row>_<what>::<R: Rt>()`, written once; [`on_every_runtime`] lists the cases of a folder and makes four
//! tests of each. [`Rt::check`] runs a case as the root task of a runtime: once on tokio (current-thread, and
//! multi-thread with four workers) and on smol, and [`SEEDS`] times on the deterministic runtime, where a failure names
//! its seed. A case that is not listed is dead code, which the lints refuse.
//!
//! Order comes from [`Gate`]s, from polls by hand ([`poll_now`]) and from virtual time, never from sleeping.

mod bound;
mod doomed;
mod gate;
mod journal;
mod on_every_runtime;
mod rt;
mod scopes;
mod still;
mod stopped;

pub use bound::{HANG_BOUND, within_bound};
pub use doomed::Doomed;
pub use gate::Gate;
pub use journal::{Journal, Note};
pub use rt::{Det, Foreign, Rt, SEEDS, Smol, TokioCt, TokioMt, TokioOwn};
pub use scopes::{Boom, panic_text, poll_now, turns, way_to, while_it_waits};
pub use still::Still;
pub use stopped::Stopped;
