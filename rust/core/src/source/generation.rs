//! Which device stands in a row: the row is the device, not its name.

/// A place in the plan, and how many devices have stood in it.
#[derive(Clone, Debug)]
pub(crate) struct Occupant {
    generation: i64,
    /// The least that the next one may have.
    least: i64,
    present: bool,
}

impl Default for Occupant {
    fn default() -> Occupant {
        Occupant { generation: -1, least: 0, present: false }
    }
}

impl Occupant {
    /// The device is there; gives its generation, which goes up when it was not there last time.
    #[inline]
    pub(crate) fn seen(&mut self) -> i64 {
        if !self.present {
            self.present = true;
            self.generation = self.least.max(self.generation + 1);
        }
        self.generation
    }

    /// The device is not there.
    pub(crate) fn lost(&mut self) {
        self.present = false;
    }

    /// The first device has a higher generation than that.
    pub(crate) fn begin_above(&mut self, highest: i64) {
        self.least = highest + 1;
    }

    /// Of the device that is there or was there last; -1 before the first one.
    #[inline]
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::Occupant;

    #[test]
    fn a_device_that_comes_back_is_another_one() {
        let mut occupant = Occupant::default();
        assert_eq!(occupant.generation(), -1);
        assert_eq!((occupant.seen(), occupant.seen()), (0, 0));
        occupant.lost();
        assert_eq!(occupant.generation(), 0);
        assert_eq!(occupant.seen(), 1);
    }

    #[test]
    fn the_first_device_of_a_later_plan_is_above_all_before() {
        let mut occupant = Occupant::default();
        occupant.begin_above(4);
        assert_eq!(occupant.generation(), -1);
        assert_eq!((occupant.seen(), occupant.seen()), (5, 5));
        occupant.lost();
        assert_eq!(occupant.seen(), 6);
    }
}
