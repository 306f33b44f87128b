//! The memory of lines that were written, for requests that are kept until they are answered, and for their answers.

/// Most calls of a tool fit into this, and most answers.
const USUAL: usize = 256;

/// So many are kept.
const MOST: usize = 32;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// Room for what is of usual length.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(USUAL))
    }

    /// A line that is not needed any more.
    pub(super) fn keep(&mut self, mut line: Vec<u8>) {
        if self.0.len() < MOST {
            line.clear();
            self.0.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_room_for_the_next_and_not_without_end() {
        let mut spares = Spares::default();
        let line = b"{}\n".to_vec();
        let at = line.as_ptr();
        spares.keep(line);
        let room = spares.take();
        assert!(room.is_empty() && room.as_ptr() == at);
        assert_eq!(spares.take().capacity(), USUAL);
        (0..100).for_each(|_| spares.keep(vec![b'x']));
        assert_eq!(spares.0.len(), MOST);
    }
}
