//! Cases that not every runtime can have:
//!
//! | file | rows | the reason |
//! |---|---|---|
//! | `tokio_only` | t02 | `tokio::select!`, `tokio::time::timeout` and `block_in_place` work inside tokio alone |
//! | `tokio_only` | t02 | `JoinHandle::abort` and `LocalSet` are tokio's; elsewhere the core case aborts by `Abortable` |
//! | `tokio_only` | t01, t02, n01, n05, s02 | the end of a real runtime; the core cases end one that runs on top of the runtime |
//! | `tokio_only` | n10, c01 | several threads at once: children that block for one another; a cancel that races with parking |
//! | `smol_only` | t02, n01, n05 | `Task::cancel`, and an executor that ends by being dropped |
//! | `det_only` | n01 | that the seeds find all orders: only there is the order a choice |
//! | `blocking_only` | s02 | blocking work that waits for a task needs a second real thread: on the deterministic runtime it is a task like others, unless asked for otherwise, which is done there |
//! | `cancellation_aborts` | c16 | the runtimes' own aborts, in the tick of a cancellation |
//! | `cancellation_det` | c17 | the full size, once: the core case has 400 levels and 4000 edits in each of the 256 runs |
//! | `nursery_threads` | n01, n02, n04 | a child that is in the middle of a poll on another thread while its scope is dropped or fails |
//! | `adoption_run` | f05 | `run` has returned: on each of the four, but seen from outside |
//! | `adoption_tokio` | f05, o02, o09 | tokio's `select!`, `timeout`, `JoinHandle::abort` and LocalSet; a server on a socket that drops its handler; the end of a real runtime |
//! | `blocking_threads` | n14 | blocking work in progress while its scope is cancelled, or waits for it, or is called back into: a second real thread |
//! | `owned_threads` | o02, o03 | a drop on one thread that meets the end of a task on another; a close, others' on another thread |
//! | `owned_abort` | o08 | the process ends: each run is a process of its own |

mod adoption_run;
mod adoption_tokio;
mod blocking_only;
mod blocking_threads;
mod cancellation_aborts;
mod cancellation_det;
mod det_only;
mod nursery_threads;
mod owned_abort;
mod owned_threads;
mod smol_only;
mod tokio_only;
