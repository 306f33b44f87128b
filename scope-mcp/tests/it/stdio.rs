//! A program's own standard streams, of every kind: it sends back what it reads, and nothing changes for those who share
//! them.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use futures_util::io::{AsyncReadExt, AsyncWriteExt};
use rustix::fs::{Mode, OFlags};
use scope_core::Failure;
use scope_mcp::transport;

use crate::peer;
use crate::support::Test;

/// More than any pipe or socket holds.
const MUCH: usize = 1 << 20;

/// What the program ends with when nobody reads what it says.
const NOBODY_READS: i32 = 7;

/// The program: sends back what it reads, on the runtime that is named. The code it is to end with.
pub(crate) fn echo(runtime: &str) -> i32 {
    let ended = match runtime {
        "tokio" => scope_tokio::run(async |_| talk().await),
        "smol" => scope_smol::run(async |_| talk().await),
        other => panic!("no runtime is called {other:?}"),
    };
    ended.unwrap()
}

async fn talk() -> Result<i32, Failure> {
    let (mut reader, mut writer) = transport::stdio()?.into_parts();
    let mut buffer = vec![0; 100_000];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            writer.close().await?;
            return Ok(0);
        }
        match writer.write_all(&buffer[..count]).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(NOBODY_READS),
            written => written?,
        }
    }
}

/// The program, running. Killed with its test.
struct Echo(Child);

impl Echo {
    fn start(test: Test, runtime: &str, stdin: impl Into<Stdio>, stdout: impl Into<Stdio>) -> Echo {
        let mut command = Command::new(std::env::current_exe().unwrap());
        test.tag_command(&mut command);
        command.args([peer::FLAG, "echo", runtime]).stdin(stdin).stdout(stdout);
        Echo(command.spawn().unwrap())
    }

    /// Whether a thread of its own moves bytes for it.
    fn has_pump(&self) -> bool {
        fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().any(|task| {
            fs::read_to_string(task.unwrap().path().join("comm")).is_ok_and(|name| name.starts_with("scope-std"))
        })
    }

    #[track_caller]
    fn assert_ends_with(mut self, code: i32) {
        assert_eq!(self.0.wait().unwrap().code(), Some(code));
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the test on both runtimes.
fn on_both(test: Test, body: fn(Test, &'static str)) {
    for runtime in ["tokio", "smol"] {
        test.run(runtime, move || {
            body(test, runtime);
            Ok(())
        });
    }
}

/// Bytes that show when some of them are lost or out of order.
fn much() -> Vec<u8> {
    (0..MUCH / 8).flat_map(|number| (number as u64).to_be_bytes()).collect()
}

/// Writes all in a thread, and reads until there is as much.
#[track_caller]
fn assert_echoes(mut writer: impl Write + Send + 'static, mut reader: impl Read) {
    let writing = std::thread::spawn(move || writer.write_all(&much()).map(|()| writer));
    let mut heard = vec![0; MUCH];
    reader.read_exact(&mut heard).unwrap();
    assert!(heard == much());
    drop(writing.join().unwrap().unwrap());
}

fn is_blocking(fd: impl AsFd) -> bool {
    !rustix::fs::fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

pub(crate) fn a_pipe_is_opened_anew_and_stays_as_it_was() {
    on_both(Test("a_pipe_is_opened_anew_and_stays_as_it_was"), |test, runtime| {
        let (theirs_in, ours_in) = std::io::pipe().unwrap();
        let (ours_out, theirs_out) = std::io::pipe().unwrap();
        // Kept, as a shell would that goes on reading from its own standard input.
        let shared = (theirs_in.try_clone().unwrap(), theirs_out.try_clone().unwrap());
        let mut echo = Echo::start(test, runtime, theirs_in, theirs_out);
        let mut writer = ours_in;
        writer.write_all(b"x").unwrap();
        (&ours_out).read_exact(&mut [0]).unwrap();
        assert!(is_blocking(&shared.0) && is_blocking(&shared.1));
        assert!(!echo.has_pump());
        assert_echoes(writer, &ours_out);
        assert!(echo.0.wait().unwrap().success());
        assert!(is_blocking(&shared.0) && is_blocking(&shared.1));
    });
}

pub(crate) fn a_socket_is_used_without_a_change_to_it() {
    on_both(Test("a_socket_is_used_without_a_change_to_it"), |test, runtime| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        let shared = theirs.try_clone().unwrap();
        let echo = Echo::start(test, runtime, theirs.try_clone().unwrap(), theirs);
        ours.write_all(b"x").unwrap();
        ours.read_exact(&mut [0]).unwrap();
        assert!(is_blocking(&shared));
        assert!(!echo.has_pump());
        assert_echoes(ours.try_clone().unwrap(), &ours);
        ours.shutdown(Shutdown::Write).unwrap();
        echo.assert_ends_with(0);
        assert!(is_blocking(&shared));
    });
}

pub(crate) fn a_terminal_is_opened_anew_and_stays_as_it_was() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    on_both(Test("a_terminal_is_opened_anew_and_stays_as_it_was"), |test, runtime| {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).and_then(|()| unlockpt(&controller)).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let mut settings = tcgetattr(&terminal).unwrap();
        settings.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &settings).unwrap();
        let echo = Echo::start(test, runtime, terminal.try_clone().unwrap(), terminal.try_clone().unwrap());
        let controller = File::from(controller);
        (&controller).write_all(b"hello").unwrap();
        let mut heard = [0; 5];
        (&controller).read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        assert!(is_blocking(&terminal) && !echo.has_pump());
    });
}

pub(crate) fn a_file_is_read_and_written_by_threads_to_its_end() {
    on_both(Test("a_file_is_read_and_written_by_threads_to_its_end"), |test, runtime| {
        let (mut input, mut output) = (tempfile(), tempfile());
        input.write_all(&much()).unwrap();
        // What comes before this place is not read, and not written over.
        input.seek(std::io::SeekFrom::Start(8)).unwrap();
        output.write_all(b"header: ").unwrap();
        Echo::start(test, runtime, input.try_clone().unwrap(), output.try_clone().unwrap()).assert_ends_with(0);
        output.rewind().unwrap();
        let mut written = Vec::new();
        output.read_to_end(&mut written).unwrap();
        assert!(written.starts_with(b"header: ") && written[8..] == much()[8..]);
        assert!(is_blocking(&input) && is_blocking(&output));
    });
}

pub(crate) fn an_input_that_is_empty_ends_at_once() {
    on_both(Test("an_input_that_is_empty_ends_at_once"), |test, runtime| {
        Echo::start(test, runtime, Stdio::null(), Stdio::null()).assert_ends_with(0);
    });
}

pub(crate) fn a_host_that_does_not_read_is_an_error_not_a_signal() {
    on_both(Test("a_host_that_does_not_read_is_an_error_not_a_signal"), |test, runtime| {
        for socket in [false, true] {
            let (theirs_in, ours_in) = std::io::pipe().unwrap();
            let theirs_out = if socket {
                let (ours, theirs) = UnixStream::pair().unwrap();
                drop(ours);
                OwnedFd::from(theirs)
            } else {
                let (ours, theirs) = std::io::pipe().unwrap();
                drop(ours);
                OwnedFd::from(theirs)
            };
            let echo = Echo::start(test, runtime, theirs_in, theirs_out);
            // It may be gone before it has taken all.
            let _ = (&ours_in).write_all(&much());
            echo.assert_ends_with(NOBODY_READS);
        }
    });
}

pub(crate) fn outside_a_runtime_it_says_what_to_do() {
    let error = transport::stdio().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    assert!(error.to_string().contains("scope_tokio::run"), "{error}");
}

/// A file without a name.
fn tempfile() -> File {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(std::env::temp_dir(), flags, Mode::from_raw_mode(0o600)).unwrap().into()
}
