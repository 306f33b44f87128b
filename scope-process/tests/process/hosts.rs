//! This test program again, as a host in a process of its own that does what it is told: what it leaves behind is looked
//! for from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fork::Fork;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal};
use scope_core::rt::Handle;
use scope_process::{Process, Reach};
use scope_tokio::TokioRuntime;

use crate::oracle::{self, Suspect};
use crate::runtimes::within;
use crate::servers::{self, SHORT, sh};

const INNER: &str = "SCOPE_TEST_HOST";

/// A hang is a failure. What is waited for takes less than a second on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The host, seen from outside.
pub(crate) struct Host {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Whatever it starts has the other end, wherever it went: at the end of it, nobody is left.
    witness: Option<ChildStderr>,
    /// The name of a variable which whatever it starts has, its guardian too, unless it has cleared its environment.
    mark: String,
}

/// Whether this process is such a host.
pub(crate) fn is_one() -> bool {
    std::env::var_os(INNER).is_some()
}

/// Tests that run in the background have had SIGINT and SIGQUIT ignored, under nohup SIGHUP too; and so would their hosts.
const AS_FROM_A_TERMINAL: &str =
    "env --default-signal=INT true 2>/dev/null && exec env --default-signal=INT,HUP,QUIT \"$@\"; exec \"$@\"";

impl Host {
    /// Runs the test `name` again, which must call [`obey`] if it [is a host](is_one).
    pub(crate) fn start(name: &str) -> Host {
        Host::start_under("", name)
    }

    /// The same; the shell commands in `setup` change the process first.
    pub(crate) fn start_under(setup: &str, name: &str) -> Host {
        let mark =
            format!("SCOPE_OWNER_{name}_{:?}", Instant::now()).replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let mut child = Command::new("sh")
            .args(["-c", AS_FROM_A_TERMINAL, "sh", "sh", "-c"])
            .arg(format!("{setup}\nexec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(INNER, "1")
            .env(&mark, "outer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let witness = child.stderr.take();
        Host { child, input, output, witness, mark }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it do something that it does not come back from.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Has it do something, and gives its answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                self.clear();
                let mut errors = String::new();
                let _ = self.witness.take().unwrap().read_to_string(&mut errors);
                panic!("the host has ended, having said {said}{errors}");
            }
            // The harness prints on standard output too.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.trim_end().to_owned();
            }
            said += &line;
        }
    }

    /// The number of its guardian, once it has another one than `not`.
    pub(crate) fn guardian(&mut self, not: u32) -> u32 {
        self.ask(&format!("guardian {not}")).parse().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        oracle::soon("the host ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Fails if what it started does not go. What it and the others had to say.
    pub(crate) fn assert_nothing_left(mut self) -> String {
        let start = Instant::now();
        let mut errors = Vec::new();
        let mut witness = self.witness.take().unwrap();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let mut polled = [PollFd::new(&witness, PollFlags::IN)];
            let ready = rustix::event::poll(&mut polled, Some(&left.try_into().unwrap())).unwrap();
            let mut buf = [0; 4096];
            match if ready > 0 {
                witness.read(&mut buf).unwrap()
            } else {
                self.fail("somebody holds its standard error")
            } {
                0 => break,
                n => errors.extend_from_slice(&buf[..n]),
            }
        }
        // Those who do not hold it, the guardian above all.
        while !oracle::with_name(&self.mark).is_empty() {
            if start.elapsed() > PATIENCE {
                self.fail("somebody carries its mark");
            }
            std::thread::yield_now();
        }
        eprintln!("all gone after {:?}", start.elapsed());
        String::from_utf8_lossy(&errors).into_owned()
    }

    fn clear(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        oracle::soon("all killed", || {
            let left = oracle::with_name(&self.mark);
            left.iter().for_each(|pid| signal(*pid, Signal::KILL));
            left.is_empty()
        });
    }

    fn fail(&self, what: &str) -> ! {
        let left = oracle::with_name(&self.mark);
        let shown: Vec<String> = left.iter().map(|pid| oracle::shown(*pid)).collect();
        panic!("{what}: {shown:#?}");
    }
}

/// A test that fails leaves nothing behind either.
impl Drop for Host {
    fn drop(&mut self) {
        self.clear();
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let _ = rustix::process::kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal);
}

/// Whether it is a signal that ended it, and which.
pub(crate) fn ended_by(status: ExitStatus) -> Option<Signal> {
    status.signal().and_then(Signal::from_named_raw)
}

/// What the host holds.
struct Held {
    runtime: tokio::runtime::Runtime,
    rt: Handle,
    servers: Vec<(Process, Suspect)>,
}

/// What the host does: it does as it is told on its standard input, until the end of that.
pub(crate) fn obey() {
    let mut held = Held::new();
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["start"] => held.start(&servers::ALL, Reach::Marked),
            ["contain"] => held.start(&servers::ALL, Reach::Contained),
            ["contain", "a", "bare", "daemon"] => {
                held.start(&[("bare daemon", servers::ESCAPES_WITHOUT_A_MARKER)], Reach::Contained)
            }
            ["start", "who", "tells", "of", "SIGINT"] => {
                let script = "trap 'echo struck >&2; exit' INT; echo ready; while :; do sleep 0.01; done";
                held.start(&[("teller", script)], Reach::Marked)
            }
            [reach, "who", "reads", "the", "terminal"] => {
                let reach = if reach == "contain" { Reach::Contained } else { Reach::Marked };
                held.start(&[("reader", "echo ready; exec cat </dev/tty")], reach)
            }
            ["close"] => held.close(),
            ["shortfalls"] => format!("{:?}", sh("exit 0").spawn(&held.rt).unwrap().end_now().shortfalls()),
            ["many", count] => held.start(&vec![("many", servers::POLITE); count.parse().unwrap()], Reach::Marked),
            ["churn", count] => {
                for _ in 0..count.parse().unwrap() {
                    let process = sh("exit 0").spawn(&held.rt).unwrap();
                    futures_lite::future::block_on(process.exited()).unwrap();
                    drop(process);
                }
                "done".to_owned()
            }
            ["guardian", not] => {
                let not = not.parse().unwrap();
                let mut id = None;
                // There is no event: who it is, is asked for by people only. It may be a matter of seconds.
                oracle::soon("another guardian", || {
                    std::thread::sleep(Duration::from_millis(1));
                    id = scope_process::guardian_id().filter(|id| *id != not);
                    id.is_some()
                });
                id.unwrap().to_string()
            }
            ["drop"] => {
                held.servers.clear();
                "done".to_owned()
            }
            ["owner"] => scope_process::OwnerId::of_this_host().variable(),
            ["fork"] => match fork::fork().unwrap() {
                Fork::Parent(_) => loop {
                    std::thread::park();
                },
                Fork::Child => {
                    // Its threads are not here, and what it holds is not this one's.
                    std::mem::forget(std::mem::replace(&mut held, Held::new()));
                    "done".to_owned()
                }
            },
            ["fork", "and", "drop"] => match fork::fork().unwrap() {
                Fork::Parent(copy) => format!("the copy ended with {}", fork::waitpid(copy).unwrap()),
                Fork::Child => {
                    for (process, suspect) in held.servers.drain(..) {
                        drop(process);
                        std::mem::forget(suspect);
                    }
                    std::process::exit(0)
                }
            },
            ["start", "an", "echo"] => {
                held.start(&[("echo", "echo ready; read line; echo $line; exit 5")], Reach::Marked)
            }
            ["echo"] => held.echo(),
            ["abort"] => {
                // It leaves no core.
                rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).unwrap();
                std::process::abort()
            }
            ["return"] => return,
            ["exit"] => std::process::exit(0),
            ["panic"] => panic!("as it was told"),
            ["forget"] => {
                held.servers.drain(..).for_each(std::mem::forget);
                "done".to_owned()
            }
            _ => panic!("{line:?}"),
        };
        println!("answer: {answer}");
        line.clear();
    }
}

impl Held {
    fn new() -> Held {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let rt = Handle::new(TokioRuntime::new(runtime.handle().clone()));
        Held { runtime, rt, servers: Vec::new() }
    }

    fn close(&mut self) -> String {
        self.runtime.block_on(async {
            for (mut process, _) in self.servers.drain(..) {
                let report = within(&self.rt, "close", process.close()).await;
                assert!(report.is_complete(), "{report:#}");
            }
        });
        "done".to_owned()
    }

    /// Has the server that was started last say something, and end.
    fn echo(&mut self) -> String {
        let (mut process, mut suspect) = self.servers.pop().unwrap();
        self.runtime.block_on(within(&self.rt, "its echo and its end", async {
            process.take_stdin().unwrap().write_all(b"hello\n").await.unwrap();
            suspect.says("hello").await;
            process.exited().await.unwrap();
            format!("it said hello and ended with {}", process.close().await.status().unwrap().code().unwrap())
        }))
    }

    fn start(&mut self, scripts: &[(&str, &str)], reach: Reach) -> String {
        for (name, script) in scripts {
            let mut command = sh(script);
            command.name(*name).reach(reach).stderr(scope_process::Stdio::Inherit);
            let mut process = command.budgets(servers::patient().with_after_eof(SHORT)).spawn(&self.rt).unwrap();
            let suspect = Suspect::new(&mut process);
            self.servers.push((process, suspect));
        }
        let started = self.servers.len() - scripts.len();
        self.runtime.block_on(async {
            for (_, suspect) in &mut self.servers[started..] {
                suspect.says("ready").await;
            }
        });
        let pids: Vec<String> = self.servers[started..].iter().map(|(process, _)| process.id().to_string()).collect();
        pids.join(" ")
    }
}
