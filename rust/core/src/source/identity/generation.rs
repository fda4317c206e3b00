//! The generation of a row: how many devices have had its place.

use super::device_id::DeviceId;

/// A row's generation: it goes up when another device takes the row's place.
#[derive(Clone, Debug)]
pub(crate) struct RowGeneration {
    number: i64,
    /// The next device's number is at least this.
    least: i64,
    present: bool,
    /// The device of the number, once it is known.
    id: Option<DeviceId>,
}

impl Default for RowGeneration {
    fn default() -> RowGeneration {
        RowGeneration { number: -1, least: 0, present: false, id: None }
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

    /// The row's device is this one: another one than before gets another number.
    pub(crate) fn becomes(&mut self, id: DeviceId) {
        if self.id.replace(id).is_some_and(|before| before != id) {
            self.lost();
        }
    }

    /// Goes on where the row was in an earlier plan; in this one its device may be known already.
    pub(crate) fn go_on(&mut self, earlier: &RowGeneration) {
        let id = self.id;
        self.clone_from(earlier);
        if let Some(id) = id {
            self.becomes(id);
        }
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

    /// The device of that number, where it is known.
    pub(crate) fn id(&self) -> Option<DeviceId> {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn only_the_same_device_goes_on() {
        let (one, other) = (DeviceId::OpenFile(1), DeviceId::OpenFile(2));
        let mut earlier = RowGeneration::default();
        earlier.becomes(one);
        earlier.becomes(one);
        assert_eq!((earlier.seen(), earlier.id()), (0, Some(one)));
        for (known, checked, number) in
            [(None, one, 0), (None, other, 1), (Some(one), one, 0), (Some(other), other, 1), (Some(other), one, 1)]
        {
            let mut later = RowGeneration::default();
            known.into_iter().for_each(|id| later.becomes(id));
            later.go_on(&earlier);
            later.becomes(checked);
            assert_eq!(later.seen(), number, "{known:?} {checked:?}");
        }
    }
}
