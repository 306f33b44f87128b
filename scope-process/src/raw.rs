//! The only module tree with `unsafe`. Each block has its argument.
//!
//! All but `group_of` is for what runs between fork and exec. There it is the copy of one thread of a program that may have had many. Whatever lock another thread held is held for
//! ever: nothing is allocated, nothing is printed, nothing panics; only system calls are made, and memory is touched that
//! is on the stack or was prepared before. Any such hook makes std start the program by fork instead of `posix_spawn`:
//! some 0.4 ms more, and because the page tables are copied, 50 to 90 ms for each GiB that the host has in memory. The
//! shim forks a second time: half as much again.
#![allow(unsafe_code)]

mod children;
pub(crate) mod death_signal;
pub(crate) mod enter;
pub(crate) mod group_of;
mod memory;
pub(crate) mod shim;
