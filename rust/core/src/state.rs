//! What a row can say of itself, and a rate of its row.

/// The `state` word of a record. The numbers are published: they are only ever added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// The counters are this device's, read just now, or answered in time by its VMM.
    Ok = 0,
    /// A rate cannot be made: the device's counters started anew (a Xen frontend reconnected, a driver was reset).
    Reset = 1,
    /// A rate cannot be made: another device stands in this row's place since the earlier sample.
    Replaced = 2,
    /// A rate cannot be made: a 32-bit counter of the kernel passed its end.
    Wrapped = 3,
    /// The device is not there (any more).
    Gone = 4,
    /// The numbers are old, those of `time_ns`: who knows them has not answered since.
    Stale = 5,
    /// The device is known, and nothing in the kernel counts it.
    Unsupported = 6,
    /// The source could not be read, or what it held were not numbers.
    Unreadable = 7,
    /// A rate cannot be made: the earlier sample has no counters of this row, or was not read earlier.
    New = 8,
}

impl State {
    /// All of them, by their number.
    pub const ALL: [State; 9] = [
        State::Ok,
        State::Reset,
        State::Replaced,
        State::Wrapped,
        State::Gone,
        State::Stale,
        State::Unsupported,
        State::Unreadable,
        State::New,
    ];

    /// The word used in docs, in Python and by the command.
    pub const fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Reset => "reset",
            State::Replaced => "replaced",
            State::Wrapped => "wrapped",
            State::Gone => "gone",
            State::Stale => "stale",
            State::Unsupported => "unsupported",
            State::Unreadable => "unreadable",
            State::New => "new",
        }
    }

    /// One sentence for docs and for who asks why a number is missing.
    pub const fn help(self) -> &'static str {
        match self {
            State::Ok => "the counters are this device's, read just now, or answered in time by its VMM",
            State::Reset => "the device's counters started anew since the earlier sample",
            State::Replaced => "another device stands in this row's place since the earlier sample",
            State::Wrapped => "a 32-bit counter of the kernel passed its end since the earlier sample",
            State::Gone => "the device is not there",
            State::Stale => {
                "the numbers are old (see time_ns), or there are none yet: who knows them did not answer in time"
            }
            State::Unsupported => "nothing in the kernel counts this device",
            State::Unreadable => "it could not be opened or read, or does not hold this device's numbers",
            State::New => "the earlier sample has no counters of this row",
        }
    }

    /// The state that a record's word holds.
    pub fn from_word(word: i64) -> Option<State> {
        usize::try_from(word).ok().and_then(|index| State::ALL.get(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn every_number_leads_back_to_its_state() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(State::from_word(state as i64), Some(state));
        }
        assert_eq!(State::from_word(-1), None);
        assert_eq!(State::from_word(State::ALL.len() as i64), None);
    }
}
