use std::io::{self, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::LONG;
use super::lines::Lines;
use crate::mcp::echo::{Era, TOOL};
use crate::mcp::server::Server;

/// What every request carries in the modern era.
const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1.0"}}"#
);

/// A client that writes and reads with what the system offers, and looks at no more of an answer than it has to.
pub(in crate::mcp) struct Client {
    child: Child,
    /// Until it is closed.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    lines: Lines,
    /// What is to be written with the next write.
    out: Vec<u8>,
    /// What comes in a call before the message and after it, but for the id.
    around: [String; 2],
    next: usize,
}

impl Client {
    /// Starts a server and begins a conversation of that era.
    pub(in crate::mcp) fn open(server: Server, era: Era) -> Client {
        let mut child = server.piped().spawn().expect("this program can be started again");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let meta = if era == Era::Modern { format!("{META},") } else { String::new() };
        let head = format!(r#","method":"tools/call","params":{{{meta}"name":"{TOOL}","arguments":{{"message":""#);
        let around = [head, "\"}}}\n".to_owned()];
        let mut client =
            Client { child, stdin: Some(stdin), stdout, lines: Lines::default(), out: Vec::new(), around, next: 1 };
        client.begin(era).expect("the server answers");
        client
    }

    fn begin(&mut self, era: Era) -> io::Result<()> {
        match era {
            Era::Modern => {
                writeln!(self.out, r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{{META}}}}}"#)?
            }
            Era::Legacy => writeln!(
                self.out,
                r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"raw","version":"1.0"}}}}}}"#
            )?,
        }
        self.flush()?;
        self.answer(|line| assert!(memmem::find(line, b"\"result\"").is_some()))?;
        if era == Era::Legacy {
            self.out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
            self.flush()?;
        }
        Ok(())
    }

    /// Calls the tool so many times, `in_flight` at a time, and says how long each took.
    ///
    /// All that can be asked at a time goes out in one write: as many calls as have been answered by one read.
    pub(in crate::mcp) fn calls(&mut self, in_flight: usize, calls: usize, message: &str, times: &mut Vec<Duration>) {
        // Of the calls that are not answered; their ids are consecutive.
        let mut sent_at = vec![Instant::now(); in_flight];
        let first = self.next;
        let mut sent = 0;
        let mut answered = 0;
        while sent < in_flight.min(calls) {
            self.ask(message);
            sent += 1;
        }
        self.flush().expect("the server reads");
        while answered < calls {
            let read = self.lines.fill(&mut self.stdout).expect("the server writes");
            assert!(read > 0, "the server is gone");
            let now = Instant::now();
            let mut here = 0;
            while let Some(line) = self.lines.next() {
                let id = answered_call(line, message);
                times.push(now - sent_at[(id - first) % in_flight]);
                here += 1;
            }
            answered += here;
            let more = here.min(calls - sent);
            let now = Instant::now();
            for _ in 0..more {
                sent_at[(self.next - first) % in_flight] = now;
                self.ask(message);
            }
            sent += more;
            self.flush().expect("the server reads");
        }
    }

    fn ask(&mut self, message: &str) {
        self.out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        write!(self.out, "{}", self.next).expect("memory can be written to");
        self.next += 1;
        self.out.extend_from_slice(self.around[0].as_bytes());
        if message.len() > LONG {
            self.flush().expect("the server reads");
            let stdin = self.stdin.as_mut().expect("it is not closed yet");
            stdin.write_all(message.as_bytes()).expect("the server reads");
        } else {
            self.out.extend_from_slice(message.as_bytes());
        }
        self.out.extend_from_slice(self.around[1].as_bytes());
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Waits for one answer.
    fn answer(&mut self, look: impl FnOnce(&[u8])) -> io::Result<()> {
        loop {
            if let Some(line) = self.lines.next() {
                look(line);
                return Ok(());
            }
            if self.lines.fill(&mut self.stdout)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Ends the server as one is ended that leaves politely: its input is closed.
    pub(in crate::mcp) fn close(mut self) {
        self.stdin = None;
        self.child.wait().expect("it is a child that nobody else waits for");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of the call that `line` answers, as the raw server answers it.
fn answered_call(line: &[u8], message: &str) -> usize {
    let rest = line.strip_prefix(b"{\"jsonrpc\":\"2.0\",\"id\":").expect("it is how the server begins");
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let id = rest[..digits].iter().fold(0, |id, digit| id * 10 + usize::from(digit - b'0'));
    let text = memmem::find(&rest[digits..], b"\"text\":\"").expect("there is a text") + digits + 8;
    assert_eq!(rest[text + message.len()], b'"', "the text is as long as what was said");
    id
}
