//! The tables: a row for each server, a column for each ending, and what was left.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::kinds::{Cell, Client, Ending, Server};
use crate::matrix::Left;

/// What was left in each cell that was run.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<BTreeMap<Cell, Entry>>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    left: usize,
    took: Duration,
}

/// A row in one form or another: its server, and a figure for each ending.
type Row = (Server, Vec<String>);

impl Table {
    pub(crate) fn enter(&self, cell: Cell, left: &Left) {
        let entry = Entry { left: left.count(), took: left.took };
        self.entries(|entries| entries.insert(cell, entry));
    }

    fn entries<T>(&self, with: impl FnOnce(&mut BTreeMap<Cell, Entry>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was left in that cell: `0` or more, `-` for what cannot exist, `.` for what was not run.
    fn figure(&self, cell: Cell) -> String {
        match self.entries(|entries| entries.get(&cell).map(|entry| entry.left)) {
            Some(left) => left.to_string(),
            None if cell.impossible().is_some() => "-".to_owned(),
            None => ".".to_owned(),
        }
    }

    /// A row as the README has it: what was left with the worst of `clients`; `None` if a cell of it was not run.
    fn worst(&self, clients: &[Client], server: Server) -> Option<Row> {
        let worst = |&ending: &Ending| {
            let cells = clients.iter().map(|&client| Cell { client, server, ending });
            let possible: Vec<Cell> = cells.filter(|cell| cell.impossible().is_none()).collect();
            if possible.is_empty() {
                return Some("–".to_owned());
            }
            let left = |cell: &Cell| self.entries(|entries| entries.get(cell).map(|entry| entry.left));
            let left: Option<Vec<usize>> = possible.iter().map(left).collect();
            left?.into_iter().max().map(|left| left.to_string())
        };
        Some((server, Ending::ALL.iter().map(worst).collect::<Option<_>>()?))
    }

    /// In Markdown, the rows that were run in full.
    pub(crate) fn markdown(&self, clients: &[Client]) -> String {
        let mut text = "| |".to_owned();
        Ending::ALL.iter().for_each(|ending| _ = write!(text, " {} |", ending.title()));
        text.push_str("\n|---|");
        text.push_str(&"---|".repeat(Ending::ALL.len()));
        for (server, figures) in Server::ALL.iter().filter_map(|server| self.worst(clients, *server)) {
            _ = write!(text, "\n| {} | {} |", server.title(), figures.join(" | "));
        }
        text.push('\n');
        text
    }

    /// Whether there is a figure in each cell of `clients`, but for the servers that are not here.
    pub(crate) fn is_complete(&self, clients: &[Client], missing: Option<Server>) -> bool {
        let mut servers = Server::ALL.iter().filter(|server| missing != Some(**server));
        servers.all(|server| self.worst(clients, *server).is_some())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, clients: &[Client]) -> fmt::Result {
        let titles: Vec<&str> = clients.iter().map(|client| client.title()).collect();
        write!(f, "\nLeft behind by {}:\n{:50}", titles.join(" / "), "")?;
        (1..=Ending::ALL.len()).try_for_each(|i| write!(f, " {i:>6}"))?;
        for &server in Server::ALL {
            write!(f, "\n{:50}", server.title())?;
            for &ending in Ending::ALL {
                let figures = clients.iter().map(|&client| self.figure(Cell { client, server, ending }));
                write!(f, " {:>6}", figures.collect::<Vec<_>>().join("/"))?;
            }
        }
        writeln!(f)
    }
}

/// Both tables, as far as anything of them was run.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ran: Vec<Client> = self.entries(|entries| entries.keys().map(|cell| cell.client).collect());
        if ran.is_empty() {
            return Ok(());
        }
        let endings: Vec<String> =
            Ending::ALL.iter().enumerate().map(|(i, ending)| format!("{} {}", i + 1, ending.title())).collect();
        writeln!(f, "\nThe host ends by: {}", endings.join(", "))?;
        if ran.iter().any(|client| client.is_ours()) {
            self.print(f, Client::OURS)?;
        }
        if ran.contains(&Client::RmcpOwn) {
            self.print(f, &[Client::RmcpOwn])?;
        }
        let clean = |(cell, entry): &(&Cell, &Entry)| cell.client.is_ours() && entry.left == 0;
        let longest = self.entries(|entries| {
            let longest = entries.iter().filter(clean).max_by_key(|(_, entry)| entry.took);
            longest.map(|(cell, entry)| (*cell, *entry))
        });
        longest.map_or(Ok(()), |(cell, entry)| {
            writeln!(f, "\nThe longest until nothing was left: {:?}, {}", entry.took, cell.name())
        })
    }
}
