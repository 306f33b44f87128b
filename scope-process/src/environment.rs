//! What a child inherits of the host's environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::marker::PREFIX;

/// What a child inherits of the host's environment, before the variables set for it are added.
///
/// Whatever is chosen, the [markers](crate::OwnerId) of outer hosts are passed on: they belong to those hosts, and a
/// child without them would escape them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inherit {
    /// What programs need to find their way about: `PATH`, `HOME`, `USER`, `LOGNAME`, `SHELL`, `TERM`, `TMPDIR`, `TZ`,
    /// `LANG`, `LANGUAGE` and `LC_*`.
    ///
    /// A server is somebody else's program, and a host's environment is full of secrets: tokens, keys, agent sockets.
    /// `XDG_RUNTIME_DIR` is left out for the same reason as `SSH_AUTH_SOCK` and `DBUS_SESSION_BUS_ADDRESS` are: it leads
    /// to the sockets of the user's session. Who needs one sets it.
    #[default]
    Needed,
    /// Everything.
    All,
    /// Nothing.
    Nothing,
}

const NEEDED: [&str; 10] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LANGUAGE"];

impl Inherit {
    fn takes(self, name: &OsStr) -> bool {
        let bytes = name.as_bytes();
        bytes.starts_with(PREFIX.as_bytes())
            || match self {
                Inherit::Needed => bytes.starts_with(b"LC_") || NEEDED.iter().any(|needed| name == *needed),
                Inherit::All => true,
                Inherit::Nothing => false,
            }
    }
}

/// The child's whole environment. `None` among the changes removes a variable.
pub(crate) fn build(
    inherit: Inherit,
    host: impl Iterator<Item = (OsString, OsString)>,
    changes: &BTreeMap<OsString, Option<OsString>>,
    marker: (String, String),
) -> BTreeMap<OsString, OsString> {
    let mut built: BTreeMap<_, _> = host.filter(|(name, _)| inherit.takes(name)).collect();
    for (name, change) in changes {
        match change {
            Some(value) => built.insert(name.clone(), value.clone()),
            None if name.as_bytes().starts_with(PREFIX.as_bytes()) => None,
            None => built.remove(name),
        };
    }
    // Last: nothing that is configured can take it away.
    built.insert(marker.0.into(), marker.1.into());
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(inherit: Inherit, changes: &[(&str, Option<&str>)]) -> Vec<String> {
        let host = ["PATH=/bin", "LC_TIME=C", "AWS_SECRET_KEY=x", "XDG_RUNTIME_DIR=/run/user/1", "SCOPE_OWNER_0a=7"];
        let host = host.map(|pair| pair.split_once('=').unwrap());
        let host = host.into_iter().map(|(name, value)| (name.into(), value.into()));
        let changes = changes.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect();
        let environment = build(inherit, host, &changes, ("SCOPE_OWNER_0b".into(), "1".into()));
        environment.iter().map(|(n, v)| format!("{}={}", n.display(), v.display())).collect()
    }

    #[test]
    fn a_child_gets_no_more_than_it_needs_unless_told() {
        let all = ["AWS_SECRET_KEY=x", "LC_TIME=C", "PATH=/bin", "SCOPE_OWNER_0a=7", "SCOPE_OWNER_0b=1"];
        assert_eq!(built(Inherit::Needed, &[]), all[1..]);
        assert_eq!(built(Inherit::Nothing, &[]), all[3..]);
        assert_eq!(built(Inherit::All, &[("XDG_RUNTIME_DIR", None)]), all);
    }

    #[test]
    fn configured_variables_win_but_never_over_a_marker() {
        let changes = [("PATH", Some("/opt")), ("LC_TIME", None), ("SCOPE_OWNER_0a", None), ("SCOPE_OWNER_0b", None)];
        assert_eq!(built(Inherit::Needed, &changes), ["PATH=/opt", "SCOPE_OWNER_0a=7", "SCOPE_OWNER_0b=1"]);
    }
}
