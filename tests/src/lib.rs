//! What the contract tests share: the runtimes a case runs on, and the means to order its events without a clock.
//!
//! A case is one `async fn case<R: Rt>()`, written once. [`Rt::check`] runs it as the root task of a runtime: once on
//! tokio (current-thread, and multi-thread with four workers) and on smol, and [`SEEDS`] times on the deterministic
//! runtime, where a failure names its seed.
//!
//! Order comes from [`Gate`]s, from polls by hand ([`poll_now`]) and from virtual time, never from sleeping.

mod bound;
mod doomed;
mod gate;
mod journal;
mod rt;
mod scopes;

pub use bound::{HANG_BOUND, within_bound};
pub use doomed::Doomed;
pub use gate::Gate;
pub use journal::{Journal, Note};
pub use rt::{Det, Foreign, Rt, SEEDS, Smol, TokioCt, TokioMt};
pub use scopes::{Boom, panic_text, poll_now, turns, way_to, while_it_waits};
