use std::collections::VecDeque;
use std::io::IoSlice;

use crate::jsonrpc::Line;

/// Lines that are to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<Item>,
    /// Of the first line, what has been written already.
    written: usize,
    /// What has not been written, of all lines.
    bytes: usize,
    /// How many answers are in lines that have not been written to their end.
    answers: usize,
}

#[derive(Debug)]
struct Item {
    line: Line,
    call: Option<u64>,
    answers: usize,
}

/// A line that answers the peer: one answer, or those of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) line: Line,
    pub(super) count: usize,
}

impl Answers {
    pub(super) fn one(line: impl Into<Line>) -> Self {
        Answers { line: line.into(), count: 1 }
    }
}

/// What becomes of a line.
pub(super) enum Step<'a> {
    /// Its first byte has been written.
    Begun(&'a Line),
    /// Its last.
    Done(Line),
    /// Both, at once.
    Whole(Line),
}

impl Step<'_> {
    /// The line, if this is where it begins.
    pub(super) fn begun(&self) -> Option<&Line> {
        match self {
            Step::Begun(line) => Some(line),
            Step::Whole(line) => Some(line),
            Step::Done(_) => None,
        }
    }
}

impl Outbox {
    pub(super) fn push(&mut self, line: Line, call: Option<u64>) {
        self.push_item(Item { line, call, answers: 0 });
    }

    pub(super) fn push_answers(&mut self, answers: Answers) {
        self.push_item(Item { line: answers.line, call: None, answers: answers.count });
    }

    fn push_item(&mut self, item: Item) {
        self.bytes += item.line.len();
        self.answers += item.answers;
        self.lines.push_back(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Answers that the peer has not, or not whole.
    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    /// Takes the line of `call` out again, if not a byte of it has been written.
    pub(super) fn remove(&mut self, call: u64) {
        let Some(at) = self.lines.iter().position(|item| item.call == Some(call)) else { return };
        if at == 0 && self.written > 0 {
            return;
        }
        if let Some(Item { line, .. }) = self.lines.remove(at) {
            self.bytes -= line.len();
        }
    }

    /// What there is to be written, if it is in one piece.
    pub(super) fn one_piece(&self) -> Option<&[u8]> {
        let first = self.lines.front().filter(|_| self.lines.len() == 1)?;
        first.line.one_piece().map(|all| &all[self.written..])
    }

    /// What there is to be written, as far as there are places for its pieces. Returns how many those are.
    pub(super) fn fill<'a>(&'a self, places: &mut [IoSlice<'a>]) -> usize {
        let all = places.len();
        let (mut free, mut skip) = (places.iter_mut(), self.written);
        for Item { line, .. } in &self.lines {
            match line.one_piece() {
                Some(piece) => match free.next() {
                    Some(place) => *place = IoSlice::new(&piece[skip..]),
                    None => break,
                },
                None => line.pieces(skip).zip(&mut free).for_each(|(piece, place)| *place = IoSlice::new(piece)),
            }
            skip = 0;
        }
        all - free.len()
    }

    /// `count` more bytes have been written. `hear` hears of each line whose first or last byte is among them.
    pub(super) fn advance(&mut self, mut count: usize, mut hear: impl FnMut(Step<'_>, Option<u64>)) {
        while count > 0
            && let Some(item) = self.lines.front()
        {
            let left = item.line.len() - self.written;
            let step = count.min(left);
            count -= step;
            self.bytes -= step;
            let begins = self.written == 0;
            if step < left {
                if begins {
                    hear(Step::Begun(&item.line), item.call);
                }
                self.written += step;
            } else if let Some(Item { line, call, answers }) = self.lines.pop_front() {
                self.written = 0;
                self.answers -= answers;
                hear(if begins { Step::Whole(line) } else { Step::Done(line) }, call);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outbox: &Outbox) -> String {
        let mut places = [IoSlice::new(&[]); 8];
        let count = outbox.fill(&mut places);
        places[..count].iter().map(|slice| std::str::from_utf8(slice).unwrap()).collect()
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        for (line, call) in [("aaa\n", Some(1)), ("bb\n", None), ("c\n", Some(3))] {
            outbox.push(line.as_bytes().to_vec().into(), call);
        }
        outbox
    }

    #[test]
    fn whatever_the_pipe_takes_the_bytes_stay_in_order() {
        for step in 1..12 {
            let mut outbox = outbox();
            let mut written = String::new();
            let (mut begun, mut done) = (Vec::new(), Vec::new());
            while !outbox.is_empty() {
                let step = step.min(outbox.bytes());
                written += &text(&outbox)[..step];
                outbox.advance(step, |step, call| {
                    if step.begun().is_some() {
                        begun.push(call);
                    }
                    if let Step::Done(line) | Step::Whole(line) = step {
                        done.push((String::from_utf8(line.whole().into_owned()).unwrap(), call));
                    }
                });
            }
            assert_eq!(written, "aaa\nbb\nc\n");
            assert_eq!(begun, [Some(1), None, Some(3)], "each begins once");
            let lines = [("aaa\n", Some(1)), ("bb\n", None), ("c\n", Some(3))];
            assert_eq!(done, lines.map(|(line, call)| (line.to_owned(), call)), "each ends once");
            assert_eq!(outbox.bytes(), 0);
        }
    }

    #[test]
    fn an_answer_is_there_when_its_last_byte_is_out() {
        let mut outbox = outbox();
        outbox.push_answers(Answers { line: b"[d,e]\n".to_vec().into(), count: 2 });
        outbox.push_answers(Answers::one(b"f\n".to_vec()));
        outbox.advance(9 + 5, |_, _| {});
        assert_eq!(outbox.answers(), 3);
        outbox.advance(1, |_, _| {});
        assert_eq!(outbox.answers(), 1);
        outbox.advance(2, |_, _| {});
        assert_eq!(outbox.answers(), 0);
    }

    #[test]
    fn a_line_can_be_taken_back_until_its_first_byte_is_out() {
        let mut outbox = outbox();
        outbox.advance(1, |_, _| {});
        outbox.remove(1);
        outbox.remove(3);
        outbox.remove(7);
        assert_eq!(text(&outbox), "aa\nbb\n");
        assert_eq!(outbox.bytes(), 6);
    }
}
