use std::borrow::Cow;

/// A message as it is written, with its newline: in one piece, or around something long that is written from where it lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line(Form);

/// No larger than its most frequent.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    One(Vec<u8>),
    Around(Box<Around>),
}

#[derive(Debug, PartialEq, Eq)]
struct Around {
    begin: Vec<u8>,
    long: Vec<u8>,
    end: &'static [u8],
}

/// What is shorter is copied.
const LONG: usize = 32 * 1024;

impl Default for Line {
    fn default() -> Line {
        Vec::new().into()
    }
}

impl From<Vec<u8>> for Line {
    fn from(line: Vec<u8>) -> Line {
        Line(Form::One(line))
    }
}

impl Line {
    /// Whether it is worth to be written from where it lies.
    pub(super) fn is_long(part: &[u8]) -> bool {
        part.len() > LONG
    }

    /// A [long](Line::is_long) part, and what stands around it.
    pub(super) fn around(begin: Vec<u8>, long: Vec<u8>, end: &'static [u8]) -> Line {
        Line(Form::Around(Box::new(Around { begin, long, end })))
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::One(all) => all.len(),
            Form::Around(it) => it.begin.len() + it.long.len() + it.end.len(),
        }
    }

    /// All of it, if it is in one piece.
    #[inline]
    pub(crate) fn one_piece(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::One(all) => Some(all),
            Form::Around(_) => None,
        }
    }

    /// What there is from `skip` on, in order.
    pub(crate) fn pieces(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        let pieces = match &self.0 {
            Form::One(all) => [all, &[][..], &[]],
            Form::Around(it) => [&it.begin[..], &it.long, it.end],
        };
        pieces.into_iter().filter_map(move |piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            Some(&piece[skipped..]).filter(|piece| !piece.is_empty())
        })
    }

    /// In one piece.
    pub(crate) fn whole(&self) -> Cow<'_, [u8]> {
        match self.one_piece() {
            Some(all) => Cow::Borrowed(all),
            None => Cow::Owned(self.pieces(0).collect::<Vec<_>>().concat()),
        }
    }

    /// The memory of one that has been written. That of what was long is not kept.
    #[inline]
    pub(crate) fn into_memory(self) -> Vec<u8> {
        match self.0 {
            Form::One(all) => all,
            Form::Around(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_has_been_written_the_rest_follows_in_order() {
        assert_eq!(size_of::<Line>(), size_of::<Vec<u8>>());
        let line = Line::around(b"{\"a\":".to_vec(), b"12345".to_vec(), b"}\n");
        let all = b"{\"a\":12345}\n";
        assert_eq!((line.len(), &*line.whole(), line.one_piece()), (all.len(), &all[..], None));
        for skip in 0..=all.len() {
            let pieces: Vec<&[u8]> = line.pieces(skip).collect();
            assert_eq!(pieces.concat(), all[skip..]);
            assert!(pieces.iter().all(|piece| !piece.is_empty()) && pieces.len() <= 3);
        }
        let line = Line::from(b"abc\n".to_vec());
        assert_eq!((line.one_piece(), line.pieces(1).collect::<Vec<_>>()), (Some(&b"abc\n"[..]), vec![&b"bc\n"[..]]));
    }
}
