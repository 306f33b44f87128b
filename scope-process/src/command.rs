//! Starting a process that is owned.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use scope_core::rt::Handle;

use crate::containment::{self, Containment, Means};
use crate::error::{Kind, SpawnError};
use crate::exit::ExitWatch;
use crate::group::Group;
use crate::marker::Mark;
use crate::{
    Budgets, Inherit, OwnerId, PipeReader, PipeWriter, Process, ProcessName, Reach, Shortfall, environment, keeper,
    lookup, marker, orphans,
};

/// What a standard stream of a child is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stdio {
    /// A pipe to this process.
    Piped,
    /// The host's own.
    Inherit,
    /// Nothing: reads as empty, and takes everything.
    Null,
}

/// A process to be started: the program, its arguments, its surroundings, and how much time it gets to end.
///
/// May be used again, for another start of the same thing.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use scope_process::Command;
///
/// let rt = scope_core::rt::current()?;
/// let mut server = Command::new("my-server").arg("--stdio").spawn(&rt)?;
/// let mut input = server.take_stdin().expect("piped unless told otherwise, and not taken yet");
/// input.write_all(b"hello\n").await?;
/// drop(input);
/// println!("{}", server.close().await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Command {
    name: Option<ProcessName>,
    program: OsString,
    args: Vec<OsString>,
    cwd: Option<PathBuf>,
    inherit: Inherit,
    changes: BTreeMap<OsString, Option<OsString>>,
    budgets: Budgets,
    reach: Reach,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
}

impl Command {
    /// Starts `program`: a path if there is a `/` in it, relative to the [working directory](Command::cwd) of the new
    /// process; else it is searched for in the `PATH` of the new process. No shell is involved.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command {
            name: None,
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            cwd: None,
            inherit: Inherit::default(),
            changes: BTreeMap::new(),
            budgets: Budgets::default(),
            reach: Reach::default(),
            stdin: Stdio::Piped,
            stdout: Stdio::Piped,
            stderr: Stdio::Piped,
        }
    }

    /// What to call it in messages. The program's name, unless set.
    pub fn name(&mut self, name: impl Into<ProcessName>) -> &mut Command {
        self.name = Some(name.into());
        self
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Where it runs. The host's working directory, unless set.
    pub fn cwd(&mut self, cwd: impl Into<PathBuf>) -> &mut Command {
        self.cwd = Some(cwd.into());
        self
    }

    /// What it inherits of the host's environment: no more than it [needs](Inherit::Needed), unless set.
    pub fn inherit(&mut self, inherit: Inherit) -> &mut Command {
        self.inherit = inherit;
        self
    }

    /// Sets a variable, whatever is inherited.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.changes.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Sets variables, whatever is inherited.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable, whatever is inherited.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.changes.insert(name.as_ref().to_owned(), None);
        self
    }

    /// How much time it gets to end.
    pub fn budgets(&mut self, budgets: Budgets) -> &mut Command {
        self.budgets = budgets;
        self
    }

    /// What counts as its own when it is ended: its group and whoever carries its marker, unless set.
    pub fn reach(&mut self, reach: Reach) -> &mut Command {
        self.reach = reach;
        self
    }

    /// Its standard input: a pipe, unless set.
    pub fn stdin(&mut self, stdio: Stdio) -> &mut Command {
        self.stdin = stdio;
        self
    }

    /// Its standard output: a pipe, unless set.
    pub fn stdout(&mut self, stdio: Stdio) -> &mut Command {
        self.stdout = stdio;
        self
    }

    /// Its standard error: a pipe, unless set. Someone must read it then, or the process stops when it is full.
    pub fn stderr(&mut self, stdio: Stdio) -> &mut Command {
        self.stderr = stdio;
        self
    }

    /// Starts it, in a process group of its own and with this host's [marker](OwnerId) in its environment.
    ///
    /// Blocks for the time that the system takes to start a program: about a millisecond; and for another one with the
    /// first process of a host, whose guardian is started before it.
    ///
    /// # Errors
    /// See the predicates of [`SpawnError`]. Nothing is left behind.
    pub fn spawn(&self, rt: &Handle) -> Result<Process, SpawnError> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ProcessName::from(self.program.to_string_lossy()),
        };
        self.check_variables(&name)?;
        let number = marker::next_child();
        let mark = Mark { child: number, spares_daemons: self.reach == Reach::Session };
        let marker = (OwnerId::of_this_host().variable(), mark.to_string());
        let environment = environment::build(self.inherit, std::env::vars_os(), &self.changes, marker);
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let program = lookup::find(&name, &self.program, self.cwd.as_deref(), path)?;

        let mut command = std::process::Command::new(&program);
        command.arg0(&self.program).args(&self.args).env_clear().envs(environment).process_group(0);
        command.stdin(self.stdin.std()).stdout(self.stdout.std()).stderr(self.stderr.std());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        orphans::reap();
        let mut shortfalls = Vec::new();
        // First: a host that is killed right after the start must not leave this one either.
        shortfalls.extend(keeper::guard().err().map(Shortfall::Unguarded));
        let mut contained = match self.reach {
            Reach::Contained => containment::prepare(Means::Any, OwnerId::of_this_host(), number)
                .map_err(|e| shortfalls.push(Shortfall::Uncontained(e.to_string())))
                .ok(),
            Reach::Session | Reach::Marked => None,
        };
        if let Some(contained) = &contained {
            contained.arm(&mut command);
            contained.cgroup_path().into_iter().for_each(keeper::add_box);
        }
        let starting = keeper::starting();
        let started = command.spawn();
        // It holds the child's ends of everything.
        drop(command);
        let mut child = match started {
            Ok(child) => child,
            Err(e) => {
                let path = contained.as_ref().and_then(Containment::cgroup_path).map(Path::to_owned);
                drop(contained);
                path.as_deref().into_iter().for_each(keeper::remove_box);
                return Err(SpawnError::refused(&name, &program, e));
            }
        };

        let stdin = child.stdin.take().map(OwnedFd::from);
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = child.stderr.take().map(OwnedFd::from);
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            return Err(SpawnError::new(&name, Kind::Other, "the system gave it no number", None));
        };
        contained.iter_mut().for_each(|contained| contained.started(pid));
        let end = contained.as_ref().map_or(Ok(None), Containment::end_fd);
        let watch = end.and_then(|end| ExitWatch::new(rt, pid, end));
        let failed = watch.as_ref().err().map(|e| std::io::Error::new(e.kind(), e.to_string()));
        let exit = watch.unwrap_or_else(|_| ExitWatch::unwatched(rt, pid));
        if !exit.is_prompt() && failed.is_none() {
            shortfalls.push(Shortfall::NoPidfd);
        }
        shortfalls.iter().for_each(Shortfall::warn_once);
        // From here on it is owned: an early return ends it.
        let group = Group::new(child, pid, number, exit, contained);
        let mut process = Process::new(rt.clone(), name.clone(), group, self.budgets, shortfalls);
        keeper::add_group(&process.group);
        drop(starting);
        let refused = |e| SpawnError::system(&name, e);
        if let Some(e) = failed {
            return Err(refused(e));
        }
        process.stdin = stdin.map(|fd| PipeWriter::new(rt, fd)).transpose().map_err(refused)?;
        process.stdout = stdout.map(|fd| PipeReader::new(rt, fd)).transpose().map_err(refused)?;
        process.stderr = stderr.map(|fd| PipeReader::new(rt, fd)).transpose().map_err(refused)?;
        Ok(process)
    }

    fn check_variables(&self, process: &ProcessName) -> Result<(), SpawnError> {
        let bad = |text: String| Err(SpawnError::new(process, Kind::InvalidInput, text, None));
        for (name, value) in &self.changes {
            if name.is_empty() || name.as_bytes().iter().any(|b| matches!(b, b'=' | 0)) {
                return bad(format!("{name:?} cannot be the name of an environment variable"));
            }
            // The value may be a secret: not shown.
            if value.as_ref().is_some_and(|value| value.as_bytes().contains(&0)) {
                return bad(format!("the value of the environment variable {name:?} has a NUL byte in it"));
            }
        }
        Ok(())
    }
}

impl Stdio {
    fn std(self) -> std::process::Stdio {
        match self {
            Stdio::Piped => std::process::Stdio::piped(),
            Stdio::Inherit => std::process::Stdio::inherit(),
            Stdio::Null => std::process::Stdio::null(),
        }
    }
}

/// Arguments and the values of variables are left out: people pass secrets in both.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("cwd", &self.cwd)
            .field("inherit", &self.inherit)
            .field("env", &self.changes.keys())
            .field("budgets", &self.budgets)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}
