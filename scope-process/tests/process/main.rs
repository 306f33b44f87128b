//! Owning processes, on every runtime. Whether anything is left is never asked of the crate itself: see `oracle`.

#[cfg(target_os = "linux")]
mod alone;
#[cfg(target_os = "linux")]
mod closing;
#[cfg(target_os = "linux")]
mod discarding;
#[cfg(target_os = "linux")]
mod dropping;
#[cfg(target_os = "linux")]
mod exiting;
#[cfg(target_os = "linux")]
mod forking;
#[cfg(target_os = "linux")]
mod guarding;
#[cfg(target_os = "linux")]
mod hostile_hosts;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(target_os = "linux")]
mod missing;
#[cfg(target_os = "linux")]
mod oracle;
#[cfg(target_os = "linux")]
mod other_users;
#[cfg(target_os = "linux")]
mod pipes;
#[cfg(target_os = "linux")]
mod reaching;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod runtimes;
#[cfg(target_os = "linux")]
mod scanning;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod shells;
#[cfg(target_os = "linux")]
mod starting;
#[cfg(target_os = "linux")]
mod strange_hosts;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod torture;
