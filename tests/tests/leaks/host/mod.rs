//! The hosts: this binary, started with `--host`. What a user would write, and a line to the test, which says when.

pub(crate) mod again;
mod line;
mod native;
mod rmcp;
mod smol;
mod spec;
mod tokio;

use crate::kinds::{Client, Ending, Server};
use crate::oracle;
use line::Line;
pub(crate) use spec::{Start, VARIABLE};

/// What a host is told to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) ending: Ending,
    /// Where a server says that it has come to what it is for.
    pub(crate) socket: String,
    /// On everything that the host starts.
    pub(crate) mark: String,
}

impl Plan {
    pub(crate) fn arguments(&self, door: &str) -> Vec<String> {
        let words =
            ["--host", door, self.client.name(), self.server.name(), self.ending.name(), &self.socket, &self.mark];
        words.map(str::to_owned).to_vec()
    }
}

/// `--host DOOR CLIENT SERVER ENDING SOCKET MARK`
pub(crate) fn main(arguments: &[String]) {
    let [door, client, server, ending, socket, mark] = arguments else {
        panic!("--host takes six arguments, not {arguments:?}")
    };
    oracle::enter(door);
    forbid_dumps();
    let plan = Plan {
        client: Client::named(client).unwrap_or_else(|| panic!("there is no client {client}")),
        server: Server::named(server).unwrap_or_else(|| panic!("there is no server {server}")),
        ending: Ending::named(ending).unwrap_or_else(|| panic!("there is no ending {ending}")),
        socket: socket.clone(),
        mark: mark.clone(),
    };
    run(&plan, &Line::new());
}

/// One that goes by `abort` leaves no file behind.
fn forbid_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).expect("a limit can be lowered");
}

/// `--again DOOR CLIENT HOW MARK`
pub(crate) fn main_again(arguments: &[String]) {
    let [door, client, how, mark] = arguments else { panic!("--again takes four arguments, not {arguments:?}") };
    oracle::enter(door);
    again::main(client, how, mark, &Line::new());
}

fn run(plan: &Plan, line: &Line) {
    if plan.ending.is_survived() {
        // Once, so that what a runtime and this crate set up once in a process is not counted as left over.
        match plan.client {
            Client::Tokio => tokio::warm_up(plan),
            Client::Smol => smol::warm_up(plan),
            Client::Rmcp | Client::RmcpOwn => rmcp::warm_up(plan),
        }
        line.ask_blocking("before", "on");
    }
    match plan.client {
        Client::Tokio => tokio::run(plan, line),
        Client::Smol => smol::run(plan, line),
        Client::Rmcp | Client::RmcpOwn => rmcp::run(plan, line),
    }
    if plan.ending.is_survived() {
        line.ask_blocking("over", "leave");
    }
}
