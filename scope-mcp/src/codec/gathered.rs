//! A long line, gathered as it is read: what is looked at and copied is what was read last, and is near at hand.

/// So much is looked at, and then copied.
const PIECE: usize = 16 * 1024;

/// See the [module](self).
#[derive(Debug)]
pub(super) enum Gathered {
    /// All of it so far.
    Text(String),
    /// It has turned out to be no text.
    Bytes(Vec<u8>),
}

impl Gathered {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Gathered::Text(text) => text.as_bytes(),
            Gathered::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Gathered::Text(text) => text.capacity(),
            Gathered::Bytes(bytes) => bytes.capacity(),
        }
    }

    /// Adds `bytes`, for which no more room than for `most` in all is made, unless there are more. Returns how many were taken:
    /// not the beginning of a character at their end.
    pub(super) fn push(&mut self, bytes: &[u8], most: usize) -> usize {
        let (len, capacity) = (self.len(), self.capacity());
        if capacity - len < bytes.len() {
            let more = (2 * capacity).min(most).max(len + bytes.len()) - len;
            match self {
                Gathered::Text(text) => text.reserve_exact(more),
                Gathered::Bytes(bytes) => bytes.reserve_exact(more),
            }
        }
        let mut taken = 0;
        while let Gathered::Text(text) = self
            && taken < bytes.len()
        {
            let piece = &bytes[taken..bytes.len().min(taken + PIECE)];
            let whole = piece.len() - begun(piece);
            match str::from_utf8(&piece[..whole]) {
                Ok("") => return taken,
                Ok(piece) => {
                    text.push_str(piece);
                    taken += whole;
                }
                Err(_) => *self = Gathered::Bytes(std::mem::take(text).into_bytes()),
            }
        }
        if let Gathered::Bytes(all) = self {
            all.extend_from_slice(&bytes[taken..]);
        }
        bytes.len()
    }

    /// Adds the last bytes, be they characters or not.
    pub(super) fn end(&mut self, bytes: &[u8], most: usize) {
        let taken = self.push(bytes, most);
        if taken < bytes.len() {
            let mut all = std::mem::replace(self, Gathered::Bytes(Vec::new())).into_bytes();
            all.extend_from_slice(&bytes[taken..]);
            *self = Gathered::Bytes(all);
        }
    }

    /// Takes its last byte away, if it is that one.
    pub(super) fn strip(&mut self, last: u8) {
        match self {
            Gathered::Text(text) if text.ends_with(char::from(last)) => {
                text.pop();
            }
            Gathered::Bytes(bytes) if bytes.ends_with(&[last]) => {
                bytes.pop();
            }
            _ => {}
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Gathered::Text(text) => text.into_bytes(),
            Gathered::Bytes(bytes) => bytes,
        }
    }
}

/// How many bytes at the end of `bytes` are the beginning of a character of which more has to come.
fn begun(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let needs = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if needs > back { back } else { 0 };
    }
    0
}
