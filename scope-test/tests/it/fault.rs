use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;

use scope_test::{Config, Cut, FaultyPipe, Manual, PipeCut, PipeReader, TestRuntime, pipe, poll_once};

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog";
const MINUTE: Duration = Duration::from_secs(60);

/// What comes out until the end, and how it ends.
async fn drain(reader: &mut PipeReader) -> (Vec<u8>, Option<ErrorKind>) {
    let (mut all, mut buf) = (Vec::new(), [0; 5]);
    loop {
        match reader.read(&mut buf).await {
            Ok(0) => return (all, None),
            Ok(count) => all.extend(&buf[..count]),
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

/// Writes the text as one message and says how that ended, after what came out.
async fn send(rt: &TestRuntime, faulty: FaultyPipe) -> (Vec<u8>, Option<ErrorKind>, Option<ErrorKind>) {
    let (mut reader, mut writer) = faulty.open();
    let (tell, told) = std::sync::mpsc::channel();
    rt.spawn(async move { tell.send(writer.write_all(TEXT).await.err().map(|error| error.kind())).unwrap() }).unwrap();
    let (out, end) = drain(&mut reader).await;
    rt.sleep(Duration::from_nanos(1)).await;
    (out, end, told.try_recv().expect("the writer has ended by then"))
}

#[test]
fn only_reads_are_short_where_only_they_are_to_be() {
    let mut reads = HashSet::new();
    scope_test::for_each_seed(0..128, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).short_reads().open();
        assert_eq!(writer.write(&TEXT[..4]).await.unwrap(), 4);
        reads.insert(reader.read(&mut [0; 10]).await.unwrap());
    });
    assert_eq!(reads, HashSet::from([1, 2, 3, 4]));
}

#[test]
fn only_writes_are_short_where_only_they_are_to_be() {
    let mut writes = HashSet::new();
    scope_test::for_each_seed(0..128, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).short_writes().open();
        let written = writer.write(&TEXT[..4]).await.unwrap();
        assert_eq!(reader.read(&mut [0; 10]).await.unwrap(), written);
        writes.insert(written);
    });
    assert_eq!(writes, HashSet::from([1, 2, 3, 4]));
}

#[test]
fn delays_take_virtual_time_within_their_range_and_vary_with_the_seed() {
    let mut took = HashSet::new();
    scope_test::for_each_seed(0..64, async |rt| {
        let range = MINUTE..=2 * MINUTE;
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).write_delay(range.clone()).open();
        writer.write_all(TEXT).await.unwrap();
        assert!(range.contains(&rt.elapsed()), "{:?}", rt.elapsed());
        assert_eq!(reader.read(&mut [0; 100]).await.unwrap(), TEXT.len());
        took.insert(rt.elapsed());

        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).read_delay(range.clone()).open();
        let begun = rt.elapsed();
        writer.write_all(TEXT).await.unwrap();
        assert_eq!(rt.elapsed(), begun);
        for _ in 0..2 {
            let begun = rt.elapsed();
            reader.read(&mut [0; 7]).await.unwrap();
            assert!(range.contains(&(rt.elapsed() - begun)), "each read has a delay of its own");
        }
    });
    assert!(took.len() > 60, "{}", took.len());
}

#[test]
fn a_fixed_delay_is_exact_and_a_dropped_read_loses_neither_bytes_nor_the_time_waited() {
    scope_test::block_on(0, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).read_delay(MINUTE..=MINUTE).open();
        writer.write_all(b"abc").await.unwrap();
        let mut buf = [0; 3];
        assert!(poll_once(&mut Box::pin(reader.read(&mut buf))).await.is_pending());
        rt.sleep(MINUTE / 2).await;
        assert_eq!(reader.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf, b"abc");
        assert_eq!(rt.elapsed(), MINUTE);
    });
}

#[test]
fn a_dropped_end_disarms_its_delay() {
    scope_test::block_on(0, async |rt| {
        let (_reader, mut writer) = FaultyPipe::new(100, &rt).write_delay(MINUTE..=MINUTE).open();
        assert!(poll_once(&mut Box::pin(writer.write(TEXT))).await.is_pending());
        drop(writer);
        // A timer left armed would fail the run.
    });
}

#[test]
fn a_cut_lets_exactly_so_many_bytes_pass_whatever_the_seed() {
    for bytes in [0, 1, 17, TEXT.len() as u64 - 1] {
        for (cut, read, written) in [
            (Cut::End, None, ErrorKind::BrokenPipe),
            (Cut::Error(ErrorKind::ConnectionReset), Some(ErrorKind::ConnectionReset), ErrorKind::ConnectionReset),
            (Cut::Error(ErrorKind::TimedOut), Some(ErrorKind::TimedOut), ErrorKind::TimedOut),
        ] {
            scope_test::for_each_seed(0..32, async |rt| {
                let faulty = FaultyPipe::new(9, &rt).short_reads().short_writes().cut_after(bytes, cut);
                let (out, end, writer) = send(&rt, faulty).await;
                assert_eq!(out, &TEXT[..bytes as usize]);
                assert_eq!((end, writer), (read, Some(written)));
            });
        }
    }
}

#[test]
fn a_cut_behind_everything_is_not_met() {
    scope_test::block_on(0, async |rt| {
        let faulty = FaultyPipe::new(9, &rt).cut_after(TEXT.len() as u64 + 1, Cut::Error(ErrorKind::ConnectionReset));
        assert_eq!(send(&rt, faulty).await, (TEXT.to_vec(), None, None));
    });
}

#[test]
fn a_cut_within_a_range_reaches_all_of_it() {
    let mut places = HashSet::new();
    scope_test::for_each_seed(0..128, async |rt| {
        let faulty = FaultyPipe::new(9, &rt).cut_within(3..=6, Cut::End);
        places.insert(send(&rt, faulty).await.0.len());
    });
    assert_eq!(places, HashSet::from([3, 4, 5, 6]));
}

#[test]
fn a_cut_in_a_write_leaves_half_a_message() {
    let mut places = HashSet::new();
    scope_test::for_each_seed(0..128, async |rt| {
        let reset = Cut::Error(ErrorKind::ConnectionReset);
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).cut_in_write(2, reset).open();
        writer.write_all(b"first\n").await.unwrap();
        assert_eq!(writer.write_all(b"half\n").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let (out, end) = drain(&mut reader).await;
        assert!(b"first\nhalf\n".starts_with(&out));
        assert_eq!(end, Some(ErrorKind::ConnectionReset));
        places.insert(out.len() - b"first\n".len());
    });
    assert_eq!(places, HashSet::from([1, 2, 3, 4]), "never nothing, never all of it");
}

#[test]
fn a_write_of_one_byte_that_is_cut_passes_nothing_and_a_waiting_reader_is_told() {
    scope_test::block_on(0, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).cut_in_write(1, Cut::End).open();
        let mut buf = [0; 1];
        let mut read = Manual::new(reader.read(&mut buf));
        assert!(read.poll().is_pending());
        assert_eq!(writer.write(b"a").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(read.is_woken());
        assert!(matches!(read.poll(), std::task::Poll::Ready(Ok(0))));
    });
}

#[test]
fn a_stall_in_the_middle_of_a_message_is_for_time_outs_to_find() {
    scope_test::for_each_seed(0..64, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).cut_after(3, Cut::Stall).open();
        rt.spawn(async move {
            // Gone with all it had to say, but nobody hears of it.
            assert_eq!(writer.write(b"message").await.unwrap(), 3);
        })
        .unwrap();
        let result = scope_test::nursery(async |_| Ok(reader.read_to_end().await?)).timeout(MINUTE).await;
        assert!(result.unwrap_err().is_timed_out());
        assert_eq!(rt.elapsed(), MINUTE);
    });
}

#[test]
fn a_stall_that_nothing_ends_is_reported_as_a_deadlock() {
    let report = Config::new(0).try_block_on(async |rt| {
        let (_reader, mut writer) = FaultyPipe::new(100, &rt).cut_after(3, Cut::Stall).open();
        writer.write_all(b"message").await
    });
    assert!(report.into_result().unwrap_err().is_deadlock());
}

#[test]
fn a_stall_can_be_lifted_and_nothing_is_lost() {
    scope_test::for_each_seed(0..64, async |rt| {
        let (mut reader, mut writer) = FaultyPipe::new(100, &rt).cut_after(3, Cut::Stall).open();
        let wire = writer.wire();
        rt.spawn(async move { writer.write_all(TEXT).await.unwrap() }).unwrap();
        rt.spawn({
            let rt = rt.clone();
            async move {
                rt.sleep(MINUTE).await;
                assert_eq!((wire.is_cut(), wire.passed()), (Some(Cut::Stall), 3));
                wire.resume();
            }
        })
        .unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), TEXT);
        assert_eq!(rt.elapsed(), MINUTE);
    });
}

#[test]
fn a_cut_by_hand_wakes_both_ends_and_the_first_one_stays() {
    scope_test::block_on(0, async |_| {
        let (mut reader, mut writer) = pipe(1);
        let wire = reader.wire();
        writer.write_all(b"a").await.unwrap();
        {
            let mut write = Manual::new(writer.write(b"b"));
            assert!(write.poll().is_pending());
            wire.cut(Cut::Error(ErrorKind::ConnectionReset));
            wire.cut(Cut::End);
            wire.resume();
            assert!(write.is_woken());
            let std::task::Poll::Ready(Err(error)) = write.poll() else { panic!("the pipe is cut") };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PipeCut>());
            assert_eq!(cause.map(PipeCut::passed), Some(1));
        }
        // What had passed is still there.
        let (out, end) = drain(&mut reader).await;
        assert_eq!((out.as_slice(), end), (b"a".as_slice(), Some(ErrorKind::ConnectionReset)));
        let (mut reader, _writer) = pipe(1);
        let wire = reader.wire();
        let mut buf = [0; 1];
        let mut read = Manual::new(reader.read(&mut buf));
        assert!(read.poll().is_pending());
        wire.cut(Cut::End);
        assert!(read.is_woken());
        assert!(matches!(read.poll(), std::task::Poll::Ready(Ok(0))));
    });
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let run = |seed| {
        Config::new(seed).try_block_on(async |rt| {
            let faulty = FaultyPipe::new(7, &rt)
                .short_reads()
                .short_writes()
                .read_delay(Duration::ZERO..=MINUTE)
                .write_delay(Duration::ZERO..=MINUTE)
                .cut_within(1..=40, Cut::End);
            send(&rt, faulty).await
        })
    };
    let mut seen = HashSet::new();
    for seed in 0..32 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.result().unwrap(), second.result().unwrap());
        assert_eq!(first.trace().to_string(), second.trace().to_string());
        seen.insert(first.trace().fingerprint());
    }
    assert!(seen.len() > 30, "{}", seen.len());
}

#[test]
fn settings_that_mean_nothing_are_refused() {
    let refused = |set: fn(FaultyPipe) -> FaultyPipe| {
        crate::panic_text(|| scope_test::block_on(0, async |rt| drop(set(FaultyPipe::new(1, &rt)))))
    };
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let texts = [
        refused(|pipe| pipe.cut_in_write(0, Cut::End)),
        refused(|pipe| pipe.cut_within(2..=1, Cut::End)),
        refused(|pipe| pipe.read_delay(MINUTE..=Duration::ZERO)),
        refused(|pipe| pipe.write_delay(MINUTE..=Duration::ZERO)),
    ];
    for (text, part) in texts.iter().zip(["counted from 1", "no number of bytes", "no delay in", "no delay in"]) {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_ends_of_a_pipe_can_be_sent_and_its_wire_shared() {
    fn sent<T: Send + 'static>() {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    sent::<PipeReader>();
    sent::<scope_test::PipeWriter>();
    shared::<scope_test::Wire>();
    shared::<FaultyPipe>();
    shared::<PipeCut>();
}
