//! What the session has put into the cart.

use crate::sighting::ClassId;

/// The most different items a basket holds.
pub const MAX_LINES: usize = 128;

/// Items and how many of each; no line has a count of zero.
#[derive(Clone, Debug, Default)]
pub struct Basket {
    lines: heapless::Vec<(ClassId, u16), MAX_LINES>,
}

/// The basket has [`MAX_LINES`] different items (or 65,535 of this one) and takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasketFull;

impl Basket {
    /// The lines, in the order in which the items first came.
    pub fn lines(&self) -> &[(ClassId, u16)] {
        &self.lines
    }

    /// How many of `item` there are.
    pub fn count(&self, item: ClassId) -> u16 {
        self.lines.iter().find(|(i, _)| *i == item).map_or(0, |(_, n)| *n)
    }

    pub(crate) fn add(&mut self, item: ClassId) -> Result<(), BasketFull> {
        match self.lines.iter_mut().find(|(i, _)| *i == item) {
            Some((_, n)) => *n = n.checked_add(1).ok_or(BasketFull)?,
            None => self.lines.push((item, 1)).map_err(|_| BasketFull)?,
        }
        Ok(())
    }

    /// Takes one out; `false` if there was none.
    pub(crate) fn remove(&mut self, item: ClassId) -> bool {
        let Some(at) = self.lines.iter().position(|(i, _)| *i == item) else { return false };
        self.lines[at].1 -= 1;
        if self.lines[at].1 == 0 {
            self.lines.remove(at);
        }
        true
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
    }
}
