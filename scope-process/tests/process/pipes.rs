//! The pipes to a child.

use std::io::{ErrorKind, IoSlice, Write};

use futures_lite::future::{poll_once, zip};
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use scope_process::{Budgets, Ended, PipeReader, Stdio, Tail};

use crate::runtimes::{on_each, on_one, within};
use crate::servers::{self, sh};

#[test]
fn what_is_written_comes_back() {
    on_each(async |rt| {
        let mut process = sh("cat").spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let mut output = process.take_stdout().unwrap();
        assert!(process.take_stdin().is_none() && process.take_stdout().is_none());
        // Many times what a pipe holds, so that both ends wait for each other.
        let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        let send = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (a, b) = rest.split_at(rest.len().min(1000));
                let n = input.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]).await.unwrap();
                rest = &rest[n..];
            }
            drop(input);
        };
        let receive = async {
            let mut received = Vec::new();
            let mut buf = vec![0; 70_000];
            loop {
                match output.read(&mut buf).await.unwrap() {
                    0 => return received,
                    n => received.extend_from_slice(&buf[..n]),
                }
            }
        };
        let ((), received) = within(&rt, "the echo", zip(send, receive)).await;
        assert!(received == sent);
        assert!(process.close().await.is_polite());
    });
}

#[test]
fn a_pipe_holds_more_once_it_is_given_a_long_message() {
    on_each(async |rt| {
        let mut process = sh(servers::NEVER_READS).budgets(Budgets::NONE).spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let before = fcntl_getpipe_size(&input).unwrap();
        assert_eq!(input.write(&vec![0; before]).await.unwrap(), before);
        assert_eq!(fcntl_getpipe_size(&input).unwrap(), before, "it holds that already");
        // A user may have used up what all pipes may hold together.
        let (reader, writer) = std::io::pipe().unwrap();
        let may = fcntl_setpipe_size(&writer, 4 * before).is_ok();
        drop((reader, writer));
        let long = vec![0; 8 * before];
        let taken = poll_once(input.write(&long)).await;
        let held = fcntl_getpipe_size(&input).unwrap();
        assert_eq!(held, if may { 4 * before } else { before });
        assert!(taken.as_ref().is_none_or(|taken| *taken.as_ref().unwrap() <= held - before), "{taken:?}");
        process.close().await;
    });
}

#[test]
fn what_is_there_at_once_and_what_comes_later_is_read_in_order() {
    on_each(async |rt| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut reader = PipeReader::new(&rt, reader.into()).unwrap();
        // For long the one, then the other, and mixed.
        for round in 0..400_u16 {
            let mut buf = [0; 16];
            let comes_later = round >= 200 && (round < 300 || round.is_multiple_of(3));
            if comes_later {
                assert!(poll_once(reader.read(&mut buf)).await.is_none(), "{round}: there is nothing");
            }
            let written = round.to_be_bytes();
            let count = if comes_later {
                let write = async { writer.write(&written).unwrap() };
                zip(reader.read(&mut buf), write).await.0.unwrap()
            } else {
                writer.write_all(&written).unwrap();
                reader.read(&mut buf).await.unwrap()
            };
            assert_eq!(&buf[..count], &written, "{round}");
        }
        drop(writer);
        assert_eq!(reader.read(&mut [0; 16]).await.unwrap(), 0);
    });
}

#[test]
fn what_is_there_at_once_again_and_again_is_read_without_the_reactor_which_has_its_turn_all_the_same() {
    on_one(async |rt| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut reader = PipeReader::new(&rt, reader.into()).unwrap();
        let mut buf = [0; 16];
        // On this thread there is no reactor but while one waits.
        let mut at_once = Vec::new();
        for _ in 0..160 {
            writer.write_all(b"x").unwrap();
            let read = poll_once(reader.read(&mut buf)).await;
            at_once.push(read.is_some());
            let count = if let Some(read) = read { read } else { reader.read(&mut buf).await };
            assert_eq!(count.unwrap(), 1);
        }
        let found = at_once.iter().position(|it| *it).expect("it is found out at some time");
        let mut rows = at_once[found + 1..].chunks_exact(8);
        assert!(found <= 64 && rows.all(|row| row.iter().filter(|it| !**it).count() == 1), "{at_once:?}");
        // Where that is wrong again and again, it waits for the reactor.
        for _ in 0..40 {
            writer.write_all(b"x").unwrap();
            assert_eq!(reader.read(&mut buf).await.unwrap(), 1);
            assert!(poll_once(reader.read(&mut buf)).await.is_none());
        }
        writer.write_all(b"x").unwrap();
        assert!(poll_once(reader.read(&mut buf)).await.is_none());
        assert_eq!(reader.read(&mut buf).await.unwrap(), 1);
    });
}

#[test]
fn what_was_answered_at_once_is_read_ahead_and_the_rest_is_left_to_the_reactor() {
    on_each(async |rt| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut reader = PipeReader::new(&rt, reader.into()).unwrap();
        let mut buf = [0; 16];
        let mut ahead = 0;
        for round in 0..160_u8 {
            writer.write_all(&[round]).unwrap();
            let count = match reader.read_ahead(&mut buf) {
                Some(count) => {
                    ahead += 1;
                    count
                }
                None => reader.read(&mut buf).await.unwrap(),
            };
            assert_eq!(&buf[..count], [round]);
        }
        // Now and then the reactor has its turn.
        assert!((64..160).contains(&ahead), "{ahead}");
        for _ in 0..40 {
            assert_eq!(reader.read_ahead(&mut buf), None, "there is nothing");
        }
        writer.write_all(b"late").unwrap();
        assert_eq!(reader.read_ahead(&mut buf), None, "it was in vain too often");
        assert_eq!(reader.read(&mut buf).await.unwrap(), 4);
        drop(writer);
        assert!((0..200).all(|_| reader.read_ahead(&mut buf).is_none()));
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0, "the end is told by this");
    });
}

#[test]
fn more_slices_than_the_system_takes_are_no_error() {
    on_each(async |rt| {
        let mut process = sh("cat").spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let slices = vec![IoSlice::new(b"x"); 5000];
        assert_eq!(input.write_vectored(&slices).await.unwrap(), 1024);
        drop(input);
        process.close().await;
    });
}

#[test]
fn a_server_that_never_reads_makes_the_writer_wait() {
    on_each(async |rt| {
        let mut process = sh(servers::NEVER_READS).budgets(Budgets::NONE).spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let block = vec![0; 1 << 16];
        let full = async { while poll_once(input.write(&block)).await.is_some() {} };
        within(&rt, "the pipe is full", full).await;
        // A write that is waiting ends when the reader does.
        let write = async {
            loop {
                if let Err(e) = input.write(&block).await {
                    return e;
                }
            }
        };
        let (error, report) = within(&rt, "close", zip(write, process.close())).await;
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(report.is_complete());
    });
}

#[test]
fn a_read_that_is_given_up_loses_nothing() {
    on_each(async |rt| {
        let mut process = sh("cat").spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let mut output = process.take_stdout().unwrap();
        let mut buf = [0; 16];
        for byte in 0..50_u8 {
            assert!(poll_once(output.read(&mut buf)).await.is_none());
            input.write_all(&[byte]).await.unwrap();
            assert_eq!(within(&rt, "a byte", output.read(&mut buf)).await.unwrap(), 1);
            assert_eq!(buf[0], byte);
        }
        drop(input);
        process.close().await;
    });
}

#[test]
fn the_tail_of_standard_error_is_kept() {
    on_each(async |rt| {
        let script =
            "i=0; while [ $i -lt 100 ]; do echo line $i >&2; i=$((i+1)); done; printf 'last words' >&2; exit 1";
        let mut process = sh(script).stderr(Stdio::Piped).spawn(&rt).unwrap();
        let tail = Tail::new();
        let mut errors = process.take_stderr().unwrap();
        within(&rt, "the end of standard error", tail.follow(&mut errors)).await.unwrap();
        let lines = tail.lines();
        assert_eq!((lines[0].as_str(), lines[64].as_str()), ("line 36", "last words"));
        assert_eq!(tail.dropped(), 36);
        process.close().await;
    });
}

#[test]
fn what_is_given_back_is_closed_and_read_as_if_it_had_never_been_taken() {
    // More than a pipe holds, on both.
    const WORDY: &str = "echo ready; echo first words >&2; cat >/dev/null; head -c 1000000 /dev/zero;
        yes | head -n 100000 >&2; echo last words >&2";
    on_each(async |rt| {
        let mut process = sh(WORDY).stderr(Stdio::Piped).spawn(&rt).unwrap();
        let (stdin, stdout, stderr) = (process.take_stdin(), process.take_stdout(), process.take_stderr());
        let mut stdout = stdout.unwrap();
        let mut ready = [0; 6];
        within(&rt, "its first line", stdout.read_exact(&mut ready)).await.unwrap();
        process.give_back(stdin, Some(stdout), None);
        process.give_back(None, None, stderr);
        let tail = Tail::new();
        process.keep_stderr(&tail);
        let report = process.close().await;
        assert!(report.is_polite(), "{report:#}");
        assert_eq!(report.ended(), Ended::AtEndOfInput);
        assert_eq!(tail.lines().last().unwrap(), "last words");
        assert!(tail.dropped() > 99_000);
    });
}

#[test]
fn the_last_words_of_one_that_has_ended_are_kept() {
    on_each(async |rt| {
        let mut process = sh("echo last words >&2").stderr(Stdio::Piped).spawn(&rt).unwrap();
        let tail = Tail::new();
        process.keep_stderr(&tail);
        within(&rt, "its end", process.exited()).await.unwrap();
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::BeforeClose);
        assert_eq!(tail.lines(), ["last words"]);
    });
}

#[test]
fn the_last_words_are_kept_also_where_the_reactor_has_not_heard_of_them() {
    on_each(async |rt| {
        let script = "echo first words >&2; read -r _; echo last words >&2";
        let mut process = sh(script).stderr(Stdio::Piped).spawn(&rt).unwrap();
        let mut stderr = process.take_stderr().unwrap();
        let mut words = [0; 100];
        // Less than was asked for: from here on the pipe is taken for empty until the reactor says otherwise.
        let count = within(&rt, "its first words", stderr.read(&mut words)).await.unwrap();
        let tail = Tail::new();
        tail.push(&words[..count]);
        process.give_back(None, None, Some(stderr));
        process.keep_stderr(&tail);
        drop(process.take_stdin());
        let pid = Pid::from_raw(process.id().cast_signed()).unwrap();
        // Blocks on purpose: the reactor has no turn.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::BeforeClose);
        assert_eq!(tail.lines(), ["first words", "last words"]);
    });
}

#[test]
fn the_traits_of_futures_io_read_and_write_it() {
    on_each(async |rt| {
        let mut process = sh("cat").spawn(&rt).unwrap();
        let mut input = process.take_stdin().unwrap();
        let mut output = BufReader::new(process.take_stdout().unwrap()).lines();
        AsyncWriteExt::write_all(&mut input, b"one\ntwo\n").await.unwrap();
        AsyncWriteExt::flush(&mut input).await.unwrap();
        AsyncWriteExt::close(&mut input).await.unwrap();
        assert_eq!(within(&rt, "a line", output.try_next()).await.unwrap().unwrap(), "one");
        assert_eq!(within(&rt, "a line", output.try_next()).await.unwrap().unwrap(), "two");
        drop(input);
        assert!(within(&rt, "the end", output.try_next()).await.unwrap().is_none());
        assert!(process.close().await.is_polite());
    });
}
