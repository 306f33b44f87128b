//! What the matrix is made of: who the host is, how it ends, and how the server resists. Their names are the arguments
//! of the processes, the words of the tests' names, and the heads of the table.

use std::time::Duration;

use scope_process::{Budgets, Reach};

use crate::matrix::Left;
use crate::proc::Process;

/// For each step of ending a server.
pub(crate) const STEP: Duration = Duration::from_millis(200);

/// The budgets of every server.
pub(crate) const BUDGETS: Budgets = Budgets::NONE.with_after_eof(STEP).with_after_term(STEP).with_after_kill(STEP);

/// All budgets of a server together.
const BUDGET: Duration = STEP.saturating_mul(3);

/// What rmcp's own child process takes for its steps: 3 s after the end of the input, and again after SIGTERM.
const RMCPS_BUDGET: Duration = Duration::from_secs(6);

/// A name for every case, and all cases in a row.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident { $($(#[$of:meta])* $case:ident = $name:literal, $title:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $kind {
            $($(#[$of])* $case,)*
        }

        impl $kind {
            pub(crate) const ALL: &[$kind] = &[$($kind::$case),*];

            /// In a test's name, and on a command line.
            pub(crate) fn name(self) -> &'static str {
                match self { $($kind::$case => $name,)* }
            }

            /// In the table.
            pub(crate) fn title(self) -> &'static str {
                match self { $($kind::$case => $title,)* }
            }

            /// By its [name](Self::name).
            pub(crate) fn named(name: &str) -> Option<$kind> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

kinds! {
    /// Who the host is.
    Client {
        /// `scope_mcp::Client` on tokio.
        Tokio = "tokio", "native, tokio";
        /// `scope_mcp::Client` on smol.
        Smol = "smol", "native, smol";
        /// rmcp on our transport, on tokio.
        Rmcp = "rmcp", "rmcp on our transport";
        /// rmcp on its own. For comparison: it is run when that is asked for, and nothing is expected of it.
        RmcpOwn = "rmcp_own", "rmcp on its own";
    }
}

kinds! {
    /// What the server does to stay. Its processes are this binary: see `server`.
    Server {
        /// Ends when its input does.
        Polite = "polite", "polite";
        /// As `Polite`; but a child of its stays, and holds its output open.
        WithChild = "with_child", "with a child";
        IgnoresEof = "ignores_eof", "ignores EOF";
        /// And the child ignores it as well.
        IgnoresTerm = "ignores_term", "ignores EOF and TERM, with a child";
        /// By SIGSTOP, when it is open.
        Stopped = "stopped", "stopped";
        /// A daemon of its: `setsid`, and its parent is gone. It ignores what a daemon can.
        Escapee = "escapee", "escapee (`setsid`, double fork)";
        /// And has no environment, in a server that is contained.
        Cleared = "cleared", "escapee without environment, `Reach::Contained`";
        /// The same where nothing is contained: the limit that the docs name.
        ClearedMarked = "cleared_marked", "escapee without environment, by default";
        /// The host is in the middle of sending it 4 MiB.
        NeverReads = "never_reads", "never reads, host sending 4 MiB";
        /// Writes as much as is read, and looks at nothing else.
        Floods = "floods", "floods its output";
        /// A real one: npm, `sh`, `node`.
        Npx = "npx", "`npx` (npm, sh, node)";
        /// Before it has answered anything. Its child stays.
        ExitsAtOnce = "exits_at_once", "exits at once, leaving a child";
    }
}

kinds! {
    /// How the host ends, or its interest in the server.
    Ending {
        Close = "close", "`close()`";
        /// From a thread that belongs to no runtime.
        CloseElsewhere = "close_elsewhere", "`close()` elsewhere";
        DropHandle = "drop_handle", "handle dropped";
        /// While a call waits for its answer.
        DropNursery = "drop_nursery", "dropped in a call";
        DropRuntime = "drop_runtime", "runtime dropped";
        /// What holds the server is dropped when the runtime has been.
        RuntimeGone = "runtime_gone", "dropped after the runtime";
        /// And caught, so that the host lives on.
        Panic = "panic", "panic";
        Exit = "exit", "`process::exit`";
        /// Handled, as the docs recommend.
        SigTerm = "sigterm", "SIGTERM";
        /// Ctrl-C: to the host's whole group. Handled.
        SigInt = "sigint", "SIGINT";
        /// Once more, while the first is being obeyed.
        SigIntTwice = "sigint_twice", "SIGINT twice";
        SigTermUnhandled = "sigterm_unhandled", "SIGTERM, no handler";
        SigIntUnhandled = "sigint_unhandled", "SIGINT, no handler";
        SigKill = "sigkill", "SIGKILL";
        Abort = "abort", "`abort`";
    }
}

impl Client {
    /// Those that have to leave nothing.
    pub(crate) const OURS: &[Client] = &[Client::Tokio, Client::Smol, Client::Rmcp];

    /// Whether it is one of those.
    pub(crate) fn is_ours(self) -> bool {
        Client::OURS.contains(&self)
    }

    /// Whether it is `scope_mcp::Client`.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, Client::Tokio | Client::Smol)
    }
}

impl Server {
    /// What its host asks for.
    pub(crate) fn reach(self) -> Reach {
        if self == Server::Cleared { Reach::Contained } else { Reach::default() }
    }
}

impl Ending {
    /// Whether the host goes on living when it is over: then it is counted what it has more than before.
    pub(crate) fn is_survived(self) -> bool {
        use Ending::*;
        matches!(self, Close | CloseElsewhere | DropHandle | DropNursery | DropRuntime | RuntimeGone | Panic)
    }

    /// Whether the host waits until the server has ended.
    pub(crate) fn is_awaited(self) -> bool {
        matches!(self, Ending::Close | Ending::CloseElsewhere)
    }

    /// Whether the host has a handler for SIGINT and SIGTERM.
    pub(crate) fn is_handled(self) -> bool {
        matches!(self, Ending::SigTerm | Ending::SigInt | Ending::SigIntTwice)
    }
}

/// One meeting of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) ending: Ending,
}

impl Cell {
    pub(crate) fn name(self) -> String {
        format!("{}::{}::{}", self.client.name(), self.server.name(), self.ending.name())
    }

    /// All of them, those that cannot exist too.
    pub(crate) fn all() -> impl Iterator<Item = Cell> {
        let endings = |client, server| Ending::ALL.iter().map(move |&ending| Cell { client, server, ending });
        let servers = move |client| Server::ALL.iter().flat_map(move |&server| endings(client, server));
        Client::ALL.iter().flat_map(move |&client| servers(client))
    }

    /// Whether that is the limit that the docs name, and no more: the daemon alone, which has neither the environment
    /// nor the group by which it could be found.
    pub(crate) fn is_known_limit(self, left: &Left) -> bool {
        let daemon = |one: &Process| one.words.get(2).is_some_and(|word| word == "stubborn");
        self.server == Server::ClearedMarked
            && left.processes.len() == 1
            && left.processes.iter().all(daemon)
            && Left { processes: Vec::new(), ..left.clone() }.is_nothing()
    }

    /// From the moment in which the host begins to end (or is ended) until nothing may be left: the budgets and 1 s.
    pub(crate) fn limit(self) -> Duration {
        // Whoever is gone uses no budget.
        let is_patient = !self.client.is_ours() && (self.ending.is_survived() || self.ending.is_handled());
        Duration::from_secs(1) + if is_patient { RMCPS_BUDGET } else { BUDGET }
    }

    /// Why it cannot exist.
    pub(crate) fn impossible(self) -> Option<&'static str> {
        let is = |one: &&Impossible| {
            (one.client)(self.client) && one.server == self.server && one.endings.contains(&self.ending)
        };
        IMPOSSIBLE.iter().find(is).map(|one| one.reason)
    }
}

/// A set of cells that cannot exist.
struct Impossible {
    client: fn(Client) -> bool,
    server: Server,
    endings: &'static [Ending],
    reason: &'static str,
}

/// The cells that cannot exist, and why. There is no other place for that.
const IMPOSSIBLE: &[Impossible] = &[
    Impossible {
        client: |_| true,
        server: Server::ExitsAtOnce,
        endings: &[Ending::DropNursery],
        reason: "there is no call to be in the middle of: the server is gone before it is open",
    },
    Impossible {
        client: |_| true,
        server: Server::ExitsAtOnce,
        endings: &[Ending::DropRuntime],
        reason: "the runtime would be dropped with no server in it: that one is gone before it is open",
    },
    Impossible {
        client: |client| !client.is_native(),
        server: Server::ExitsAtOnce,
        endings: &[Ending::Close, Ending::CloseElsewhere, Ending::DropHandle, Ending::RuntimeGone],
        reason: "rmcp gives no handle of a server that did not open, so there is nothing to close or drop",
    },
    Impossible {
        client: |client| !client.is_ours(),
        server: Server::ExitsAtOnce,
        endings: Ending::ALL,
        reason: "rmcp's own transport does not notice: it waits for the end of the output, which the child holds open",
    },
    Impossible {
        client: |client| !client.is_ours(),
        server: Server::Cleared,
        endings: Ending::ALL,
        reason: "rmcp contains nothing, and the row without containment is the same for it",
    },
];
