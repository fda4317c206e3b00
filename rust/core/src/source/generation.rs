//! Which device a row shows: a row stands for the device, not for its name.

/// A row's generation: it goes up when another device takes the row's place.
#[derive(Clone, Debug)]
pub(crate) struct RowGeneration {
    number: i64,
    /// The next device's number is at least this.
    least: i64,
    present: bool,
}

impl Default for RowGeneration {
    fn default() -> RowGeneration {
        RowGeneration { number: -1, least: 0, present: false }
    }
}

impl RowGeneration {
    /// The device is present. Returns its number, which goes up if it was absent last time.
    #[inline]
    pub(crate) fn seen(&mut self) -> i64 {
        if !self.present {
            self.present = true;
            self.number = self.least.max(self.number + 1);
        }
        self.number
    }

    /// The device is absent, or another one has replaced it.
    pub(crate) fn lost(&mut self) {
        self.present = false;
    }

    /// The first device gets a number above `highest`.
    pub(crate) fn begin_above(&mut self, highest: i64) {
        self.least = highest + 1;
    }

    /// The number of the present device, or of the last one; -1 before the first.
    #[inline]
    pub(crate) fn number(&self) -> i64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::RowGeneration;

    #[test]
    fn a_device_that_comes_back_is_a_new_generation() {
        let mut generation = RowGeneration::default();
        assert_eq!(generation.number(), -1);
        assert_eq!((generation.seen(), generation.seen()), (0, 0));
        generation.lost();
        assert_eq!(generation.number(), 0);
        assert_eq!(generation.seen(), 1);
    }

    #[test]
    fn the_first_device_of_a_later_plan_is_above_all_earlier_ones() {
        let mut generation = RowGeneration::default();
        generation.begin_above(4);
        assert_eq!(generation.number(), -1);
        assert_eq!((generation.seen(), generation.seen()), (5, 5));
        generation.lost();
        assert_eq!(generation.seen(), 6);
    }
}
