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

    /// Puts in as many of `count` as there is room for.
    pub(crate) fn add(&mut self, item: ClassId, count: u16) -> Result<(), BasketFull> {
        match self.lines.iter_mut().find(|(i, _)| *i == item) {
            Some((_, n)) => {
                let all = n.checked_add(count);
                *n = all.unwrap_or(u16::MAX);
                all.map(|_| ()).ok_or(BasketFull)
            }
            None if count == 0 => Ok(()),
            None => self.lines.push((item, count)).map_err(|_| BasketFull),
        }
    }

    /// Takes out as many of `count` as there are; `false` if there were none.
    pub(crate) fn remove(&mut self, item: ClassId, count: u16) -> bool {
        let Some(at) = self.lines.iter().position(|(i, _)| *i == item) else { return false };
        self.lines[at].1 = self.lines[at].1.saturating_sub(count);
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
        assert!(!basket.remove(ClassId(1), 1));
        for _ in 0..2 {
            basket.add(ClassId(1), 1).unwrap();
        }
        basket.add(ClassId(2), 1).unwrap();
        assert!(basket.remove(ClassId(1), 1));
        assert_eq!(basket.lines(), [(ClassId(1), 1), (ClassId(2), 1)]);
        assert!(basket.remove(ClassId(1), 1) && !basket.remove(ClassId(1), 1));
        assert_eq!((basket.lines(), basket.count(ClassId(1))), (&[(ClassId(2), 1)][..], 0));
        basket.clear();
        assert!(basket.lines().is_empty());
    }

    #[test]
    fn a_full_one_takes_no_more_and_keeps_what_it_has() {
        let mut basket = Basket::default();
        for item in 0..MAX_LINES as u16 {
            basket.add(ClassId(item), 1).unwrap();
        }
        assert_eq!(basket.add(ClassId(999), 1), Err(BasketFull));
        assert_eq!(basket.add(ClassId(5), 1), Ok(()));
        assert!(basket.remove(ClassId(0), 1));
        assert_eq!(basket.add(ClassId(999), 1), Ok(()), "a line that went makes room");
        basket.add(ClassId(999), u16::MAX - 2).unwrap();
        assert_eq!(basket.add(ClassId(999), 7), Err(BasketFull));
        assert_eq!(basket.add(ClassId(999), 1), Err(BasketFull));
        assert_eq!(basket.count(ClassId(999)), u16::MAX);
    }
}
