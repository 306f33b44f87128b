//! What is to be started, from the commands that people have.

use std::fmt;
use std::io;

use scope_process::{Command, Inherit};

/// A command to start a server with: tokio's, std's or scope-process's.
///
/// # What is taken of tokio's and std's commands
/// The program, its arguments, its environment and its working directory. The standard streams belong to the transport,
/// as they do in rmcp, and the process is in a group of its own anyway (`process_group`). `kill_on_drop` is not needed.
///
/// What cannot be read back from a command is refused, not ignored, where that can be told: `uid`, `gid`, `groups`,
/// `arg0`. Hooks (`pre_exec`) cannot be told: they are **not** run.
///
/// As with std's, the whole environment of the host is inherited unless `env_clear` was called. A
/// [`scope_process::Command`] inherits [no more than is needed](Inherit::Needed), which is better: a server is somebody
/// else's program.
pub struct Launch(Inner);

enum Inner {
    Ours(Command),
    Std(std::process::Command),
}

impl From<Command> for Launch {
    fn from(command: Command) -> Self {
        Launch(Inner::Ours(command))
    }
}

impl From<std::process::Command> for Launch {
    fn from(command: std::process::Command) -> Self {
        Launch(Inner::Std(command))
    }
}

impl From<tokio::process::Command> for Launch {
    fn from(command: tokio::process::Command) -> Self {
        Launch(Inner::Std(command.into_std()))
    }
}

impl Launch {
    /// # Errors
    /// `Unsupported`: there is something set on it that cannot be read back.
    pub(crate) fn into_command(self) -> io::Result<Command> {
        match self.0 {
            Inner::Ours(command) => Ok(command),
            Inner::Std(command) => read(command),
        }
    }
}

fn read(mut theirs: std::process::Command) -> io::Result<Command> {
    normalise(&mut theirs);
    let (program, shown) = (theirs.get_program(), format!("{theirs:#?}"));
    // Whether `env_clear` was called cannot be asked. But two commands with the same settings show the same, and this one
    // can be made again both ways. If it shows neither, there is more to it than can be read.
    let is = |cleared: bool| {
        let mut again = std::process::Command::new(program);
        if cleared {
            again.env_clear();
        }
        again.args(theirs.get_args());
        for (name, value) in theirs.get_envs() {
            match value {
                Some(value) => again.env(name, value),
                None => again.env_remove(name),
            };
        }
        if let Some(cwd) = theirs.get_current_dir() {
            again.current_dir(cwd);
        }
        normalise(&mut again);
        format!("{again:#?}") == shown
    };
    let inherit = match (is(false), is(true)) {
        (true, _) => Inherit::All,
        (false, true) => Inherit::Nothing,
        (false, false) => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "the command for {program:?} has something set that cannot be read back from it (a user, a group, or \
                     an argument 0) and would be lost: start the program by way of one that sets it, such as `setpriv` \
                     or `env --argv0`"
                ),
            ));
        }
    };
    let mut ours = Command::new(program);
    ours.inherit(inherit).args(theirs.get_args());
    for (name, value) in theirs.get_envs() {
        match value {
            Some(value) => ours.env(name, value),
            None => ours.env_remove(name),
        };
    }
    if let Some(cwd) = theirs.get_current_dir() {
        ours.cwd(cwd);
    }
    Ok(ours)
}

/// Sets what is the transport's to set, so that it makes no difference how it was set before.
fn normalise(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
}

/// Arguments and the values of variables are left out: people pass secrets in both.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Ours(command) => command.fmt(f),
            Inner::Std(command) => {
                let names: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
                f.debug_struct("Launch")
                    .field("program", &command.get_program())
                    .field("args", &command.get_args().len())
                    .field("env", &names)
                    .finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    fn std(with: impl FnOnce(&mut std::process::Command)) -> io::Result<String> {
        let mut command = std::process::Command::new("prog");
        with(&mut command);
        read(command).map(|ours| format!("{ours:?}"))
    }

    #[test]
    fn what_a_command_shows_is_taken_over() {
        let shown = std(|c| {
            c.args(["a", "b"]).env("X", "secret").env_remove("Y").current_dir("/tmp");
            c.stdin(std::process::Stdio::piped()).process_group(0);
        });
        let shown = shown.unwrap();
        for part in ["\"prog\"", "args: 2", "\"X\"", "\"Y\"", "inherit: All", "\"/tmp\""] {
            assert!(shown.contains(part), "no {part} in {shown}");
        }
        assert!(!shown.contains("secret"));
    }

    #[test]
    fn a_cleared_environment_stays_cleared() {
        assert!(std(|c| _ = c.env_clear()).unwrap().contains("inherit: Nothing"));
        assert!(std(|c| _ = c.env_clear().env("A", "b")).unwrap().contains("inherit: Nothing"));
        assert!(std(|c| _ = c.env("A", "b")).unwrap().contains("inherit: All"));
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        for lost in [std(|c| _ = c.uid(1)), std(|c| _ = c.gid(1)), std(|c| _ = c.arg0("other"))] {
            let error = lost.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("\"prog\""), "{error}");
        }
    }
}
