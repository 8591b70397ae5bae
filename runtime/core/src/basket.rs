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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_never_goes_below_zero() {
        let mut basket = Basket::default();
        assert!(!basket.remove(ClassId(1)));
        for _ in 0..2 {
            basket.add(ClassId(1)).unwrap();
        }
        basket.add(ClassId(2)).unwrap();
        assert!(basket.remove(ClassId(1)));
        assert_eq!(basket.lines(), [(ClassId(1), 1), (ClassId(2), 1)]);
        assert!(basket.remove(ClassId(1)) && !basket.remove(ClassId(1)));
        assert_eq!((basket.lines(), basket.count(ClassId(1))), (&[(ClassId(2), 1)][..], 0));
        basket.clear();
        assert!(basket.lines().is_empty());
    }

    #[test]
    fn a_full_one_takes_no_more_and_keeps_what_it_has() {
        let mut basket = Basket::default();
        for item in 0..MAX_LINES as u16 {
            basket.add(ClassId(item)).unwrap();
        }
        assert_eq!(basket.add(ClassId(999)), Err(BasketFull));
        assert_eq!(basket.add(ClassId(5)), Ok(()));
        assert!(basket.remove(ClassId(0)));
        assert_eq!(basket.add(ClassId(999)), Ok(()), "a line that went makes room");
        for _ in 1..u16::MAX {
            basket.add(ClassId(999)).unwrap();
        }
        assert_eq!(basket.add(ClassId(999)), Err(BasketFull));
        assert_eq!(basket.count(ClassId(999)), u16::MAX);
    }
}
