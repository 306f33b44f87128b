use std::io::ErrorKind;

use futures_lite::io::{BufReader, BufWriter};
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
use scope_test::{Manual, pipe, poll_once, short_pipe};

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog";

#[test]
fn bytes_come_out_in_order_whatever_the_capacity_and_the_seed() {
    for capacity in [1, 2, 7, 1000] {
        for short in [false, true] {
            scope_test::for_each_seed(0..64, async |rt| {
                let (mut reader, mut writer) = if short { short_pipe(capacity, &rt) } else { pipe(capacity) };
                rt.spawn(async move { writer.write_all(TEXT).await.unwrap() }).unwrap();
                assert_eq!(reader.read_to_end().await.unwrap(), TEXT);
            });
        }
    }
}

#[test]
fn short_reads_and_writes_vary_with_the_seed_and_are_never_empty() {
    let mut sizes = std::collections::HashSet::new();
    scope_test::for_each_seed(0..256, async |rt| {
        let (mut reader, mut writer) = short_pipe(100, &rt);
        let written = writer.write(&TEXT[..4]).await.unwrap();
        let read = reader.read(&mut [0; 10]).await.unwrap();
        assert!(1 <= read && read <= written && written <= 4);
        sizes.insert((written, read));
    });
    assert_eq!(sizes.len(), 10, "every pair of sizes: {sizes:?}");
}

#[test]
fn a_full_pipe_holds_its_writer_until_something_is_read() {
    scope_test::block_on(0, async |_| {
        let (mut reader, mut writer) = pipe(3);
        assert_eq!(writer.write(b"abcdef").await.unwrap(), 3);
        let mut more = Manual::new(writer.write(b"def"));
        assert!(more.poll().is_pending());
        assert_eq!(reader.read(&mut [0; 2]).await.unwrap(), 2);
        assert_eq!(more.wakes(), 1);
        assert!(matches!(more.poll(), std::task::Poll::Ready(Ok(2))));
    });
}

#[test]
fn an_empty_pipe_holds_its_reader_and_the_end_of_the_writer_wakes_it() {
    scope_test::block_on(0, async |_| {
        let (mut reader, writer) = pipe(3);
        let mut buf = [0; 3];
        let mut read = Manual::new(reader.read(&mut buf));
        assert!(read.poll().is_pending());
        drop(writer);
        assert_eq!(read.wakes(), 1);
        assert!(matches!(read.poll(), std::task::Poll::Ready(Ok(0))));
    });
}

#[test]
fn writing_without_a_reader_fails_and_a_waiting_writer_is_told() {
    scope_test::block_on(0, async |_| {
        let (reader, mut writer) = pipe(1);
        writer.write_all(b"a").await.unwrap();
        let mut write = Manual::new(writer.write(b"b"));
        assert!(write.poll().is_pending());
        drop(reader);
        assert!(write.is_woken());
        let std::task::Poll::Ready(Err(error)) = write.poll() else { panic!("the pipe is broken") };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_dropped_read_or_write_loses_nothing() {
    scope_test::block_on(0, async |_| {
        let (mut reader, mut writer) = pipe(2);
        let mut buf = [0; 2];
        assert!(poll_once(&mut Box::pin(reader.read(&mut buf))).await.is_pending());
        writer.write_all(b"ab").await.unwrap();
        assert!(poll_once(&mut Box::pin(writer.write(b"c"))).await.is_pending());
        drop(writer);
        assert_eq!(reader.read_to_end().await.unwrap(), b"ab");
    });
}

#[test]
fn a_pipe_without_capacity_is_refused() {
    let text = crate::panic_text(|| drop(pipe(0)));
    assert!(text.contains("without capacity"), "{text}");
}

#[test]
fn a_closed_writer_ends_the_stream_and_writes_no_more() {
    scope_test::block_on(0, async |_| {
        let (mut reader, mut writer) = pipe(4);
        writer.write_all(b"last").await.unwrap();
        let mut more = Manual::new(writer.write(b"x"));
        assert!(more.poll().is_pending());
        drop(more);
        writer.close();
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(reader.read_to_end().await.unwrap(), b"last");
    });
}

#[test]
fn the_traits_of_futures_io_read_and_write_it() {
    scope_test::for_each_seed(0..64, async |rt| {
        let (reader, writer) = scope_test::short_pipe(7, &rt);
        let (mut reader, mut writer) = (BufReader::new(reader).lines(), BufWriter::new(writer));
        let task = async move {
            writer.write_all(b"one\nand two\n").await.unwrap();
            AsyncWriteExt::close(&mut writer).await.unwrap();
        };
        rt.spawn(task).unwrap();
        assert_eq!(reader.try_next().await.unwrap().unwrap(), "one");
        assert_eq!(reader.try_next().await.unwrap().unwrap(), "and two");
        assert!(reader.try_next().await.unwrap().is_none());
    });
}
