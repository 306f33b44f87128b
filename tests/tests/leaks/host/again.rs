//! Hosts that open and close servers again and again: a thousand times, or until they are killed.

use scope_core::{Failure, Nursery};
use scope_mcp::ClientOptions;

use super::line::Line;
use super::{Plan, native};
use crate::dice::Dice;
use crate::kinds::{Client, Ending, Server};

/// After so many times, what the host has is counted.
pub(crate) const EARLY: usize = 100;
/// And after so many it must be no more.
pub(crate) const LATE: usize = 1000;

/// Those that are killed with their host at any moment.
const SERVERS: [Server; 6] =
    [Server::Polite, Server::WithChild, Server::IgnoresEof, Server::IgnoresTerm, Server::Escapee, Server::Cleared];

/// What a host does again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Says `early` and `late`, and waits each time.
    Count,
    /// For ever, as these dice fall; says where it is.
    For(u64),
}

impl How {
    pub(crate) fn arguments(self, client: Client, door: &str, mark: &str) -> Vec<String> {
        let how = match self {
            How::Count => "count".to_owned(),
            How::For(seed) => seed.to_string(),
        };
        ["--again", door, client.name(), &how, mark].map(str::to_owned).to_vec()
    }

    fn read(word: &str) -> How {
        match word {
            "count" => How::Count,
            seed => How::For(seed.parse().expect("a number to seed dice with")),
        }
    }
}

/// `--again DOOR CLIENT HOW MARK`, from the client on.
pub(super) fn main(client: &str, how: &str, mark: &str, line: &Line) {
    let client = Client::named(client).unwrap_or_else(|| panic!("there is no client {client}"));
    let how = How::read(how);
    let plan =
        Plan { client, server: Server::Polite, ending: Ending::Close, socket: "-".to_owned(), mark: mark.to_owned() };
    let ended = match client {
        Client::Tokio => scope_tokio::run(async |n| body(n, &plan, how, line).await),
        Client::Smol => scope_smol::run(async |n| body(n, &plan, how, line).await),
        other => unreachable!("{other:?} is no native client"),
    };
    ended.expect("the program's own scope");
}

async fn body(n: &Nursery<'_, '_>, plan: &Plan, how: How, line: &Line) -> Result<(), Failure> {
    match how {
        How::Count => {
            for i in 1..=LATE {
                let client = scope_mcp::Client::open(n, native::spec(plan), ClientOptions::default()).await?;
                client.close().await?;
                drop(client);
                match i {
                    EARLY => line.ask("early", "on").await,
                    LATE => line.ask("late", "on").await,
                    _ => {}
                }
            }
            Ok(())
        }
        How::For(seed) => {
            let mut dice = Dice::new(seed);
            loop {
                let server = SERVERS[dice.below(SERVERS.len() as u64) as usize];
                line.say(&format!("opening {}", server.name()));
                let plan = Plan { server, ..plan.clone() };
                let client = scope_mcp::Client::start(n, native::spec(&plan), ClientOptions::default())?;
                line.say("starting");
                client.wait_ready().await?;
                line.say("open");
                native::echo(&client).await;
                line.say("closing");
                client.close().await?;
                line.say("closed");
            }
        }
    }
}
