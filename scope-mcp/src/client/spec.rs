use std::fmt;
use std::path::PathBuf;

use scope_process::{Budgets, Command, Inherit, Reach};

/// Which program to start as a server, and how.
///
/// ```
/// use scope_mcp::ServerSpec;
/// let spec = ServerSpec::new("time", "mcp-server-time").arg("--local-timezone").arg("UTC");
/// # let _ = spec;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerSpec {
    /// What it is called in messages, events and reports.
    pub name: String,
    /// The program: a path, or a name to be looked up in the `PATH` it will have.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables it gets, whatever it inherits.
    pub env: Vec<(String, String)>,
    /// Its working directory; this program's own, if `None`.
    pub cwd: Option<PathBuf>,
    /// Whether it inherits the whole environment. If not, it gets what programs need (`PATH`, `HOME`, `LANG`, …:
    /// [`Inherit::Needed`]) and nothing that may be a secret.
    pub inherit_env: bool,
    /// How long it may take to end, by each way of asking it to: 4 s together, unless set. The connection takes that
    /// time, and a little more, whatever the clean-up budget of the scope around it.
    pub budgets: Budgets,
    /// What counts as its own when it is ended: its group and whoever carries its marker, unless set.
    pub reach: Reach,
}

impl ServerSpec {
    /// A server of that name, started by that command.
    pub fn new(name: impl Into<String>, command: impl Into<String>) -> Self {
        ServerSpec {
            name: name.into(),
            command: command.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            inherit_env: false,
            budgets: Budgets::default(),
            reach: Reach::default(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the [working directory](ServerSpec::cwd).
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Sets whether it [inherits everything](ServerSpec::inherit_env).
    #[must_use]
    pub fn inherit_env(mut self, all: bool) -> Self {
        self.inherit_env = all;
        self
    }

    /// Sets how long it may take [to end](ServerSpec::budgets).
    #[must_use]
    pub fn budgets(mut self, budgets: Budgets) -> Self {
        self.budgets = budgets;
        self
    }

    /// Sets what [counts as its own](ServerSpec::reach).
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.command);
        command
            .name(&self.name)
            .args(&self.args)
            .inherit(if self.inherit_env { Inherit::All } else { Inherit::Needed })
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .budgets(self.budgets)
            .reach(self.reach);
        if let Some(cwd) = &self.cwd {
            command.cwd(cwd);
        }
        command
    }
}

/// Arguments and values of variables may be secrets, and are left out.
impl fmt::Debug for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ServerSpec")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("args", &self.args.len())
            .field("env", &env)
            .field("cwd", &self.cwd)
            .field("inherit_env", &self.inherit_env)
            .field("budgets", &self.budgets)
            .field("reach", &self.reach)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let spec = ServerSpec::new("s", "cmd").args(["--key", "hush-1"]).env("TOKEN", "hush-2");
        let shown = format!("{spec:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("hush"), "{shown}");
    }
}
