//! Which device stands in a row: the row is the device, not its name.

/// A place in the plan, and how many devices have stood in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Occupant {
    generation: Option<i64>,
    present: bool,
}

impl Occupant {
    /// The device is there; gives its generation, which goes up when it was not there last time.
    #[inline]
    pub(super) fn seen(&mut self) -> i64 {
        if !self.present {
            self.present = true;
            self.generation = Some(self.generation() + 1);
        }
        self.generation()
    }

    /// The device is not there.
    pub(super) fn lost(&mut self) {
        self.present = false;
    }

    /// Of the device that is there or was there last; -1 before the first one.
    #[inline]
    pub(super) fn generation(&self) -> i64 {
        self.generation.unwrap_or(-1)
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
}
