//! The environment marker: how a process is known to be ours wherever it went.
//!
//! The owner's id is part of the variable's *name*. Under a fixed name, a host started by another host would overwrite
//! the outer one's mark on everything below it.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What every marker variable's name begins with.
pub(crate) const PREFIX: &str = "SCOPE_OWNER_";

/// The identity of a host: of one process that owns others.
///
/// Every process started by [`Command`](crate::Command), and whatever that starts in turn, has an environment variable
/// whose name is [`variable`](OwnerId::variable) and whose value is the [number](crate::Process::number) of the child,
/// with an `s` in front if it was started with [`Reach::Session`](crate::Reach::Session).
///
/// A host that forks without an exec has a copy that is a host of its own, with an id of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerId(u128);

impl OwnerId {
    /// This process's own. Chosen at random at the first call, the same from then on.
    pub fn of_this_host() -> OwnerId {
        static OWN: Mutex<Option<(u32, OwnerId)>> = Mutex::new(None);
        let host = std::process::id();
        let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        match *own {
            Some((of, id)) if of == host => id,
            _ => own.insert((host, OwnerId(random()))).1,
        }
    }

    /// The name of the environment variable that marks this host's processes.
    ///
    /// Letters, digits and underscores only: shells drop variables whose names they could not write down themselves.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{self}")
    }
}

/// 32 hexadecimal digits; [`FromStr`] reads them back.
impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerId({self})")
    }
}

impl FromStr for OwnerId {
    type Err = ParseOwnerIdError;

    fn from_str(text: &str) -> Result<Self, ParseOwnerIdError> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseOwnerIdError(()));
        }
        u128::from_str_radix(text, 16).map(OwnerId).map_err(|_| ParseOwnerIdError(()))
    }
}

/// A text that is no [`OwnerId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an owner's id is 32 hexadecimal digits")]
pub struct ParseOwnerIdError(());

/// What the variable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) child: u64,
    /// It counts only in the host's own session: [`Reach::Session`](crate::Reach::Session).
    pub(crate) spares_daemons: bool,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The guardian looks for the `s` too.
        write!(f, "{}{}", if self.spares_daemons { "s" } else { "" }, self.child)
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix('s');
        Ok(Mark { child: number.unwrap_or(text).parse()?, spares_daemons: number.is_some() })
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The number of the next child of this host, which is given to it before it is started.
pub(crate) fn next_child() -> u64 {
    NEXT.fetch_add(1, Ordering::AcqRel)
}

/// The number that the next child will have. Who has it, or a higher one, has not been started yet.
#[cfg(target_os = "linux")]
pub(crate) fn number_of_next_child() -> u64 {
    NEXT.load(Ordering::Acquire)
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_ok() {
        return u128::from_ne_bytes(bytes);
    }
    // Not a secret, it only has to be unique: std's hash keys, the time and the pid are enough where the system has no
    // randomness to give.
    let half = || {
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u128(std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_nanos()));
        u128::from(hasher.finish())
    };
    half() << 64 | half()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_id_is_stable_and_reads_back() {
        let own = OwnerId::of_this_host();
        assert_eq!(own, OwnerId::of_this_host());
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(own.variable().bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()));
    }

    #[test]
    fn what_is_no_owner_id_is_refused() {
        for text in ["", "12", "+1234567890123456789012345678901", "g0000000000000000000000000000000"] {
            assert!(text.parse::<OwnerId>().is_err(), "{text:?}");
        }
    }
}
