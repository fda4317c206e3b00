//! The state of a row, and of a rate.

/// The `state` word of a record. The numbers are part of the ABI: new ones are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// The counters are current: read in this poll, or reported in time by the VMM.
    Ok = 0,
    /// No rate: the device's counters restarted (a Xen frontend reconnected, a driver was reset), or one sample of them was
    /// too low.
    Reset = 1,
    /// No rate: another device has taken this row's place since the earlier sample.
    Replaced = 2,
    /// No rate: all counters of the row wrapped at 32 bits.
    Wrapped = 3,
    /// The device does not exist (any more).
    Gone = 4,
    /// The counters are those of `time_ns`: there has been no answer since.
    Stale = 5,
    /// Nothing in the kernel counts this device.
    Unsupported = 6,
    /// The source could not be read, or held no counters.
    Unreadable = 7,
    /// No rate: the earlier sample has no counters of this row, or is not earlier.
    New = 8,
    /// Finding or reading the counters takes a privilege that this process lacks.
    Denied = 9,
    /// What would count the device is not there: a path, a process, a backend or a driver.
    Missing = 10,
}

impl State {
    /// All states, by number.
    pub const ALL: [State; 11] = [
        State::Ok,
        State::Reset,
        State::Replaced,
        State::Wrapped,
        State::Gone,
        State::Stale,
        State::Unsupported,
        State::Unreadable,
        State::New,
        State::Denied,
        State::Missing,
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
            State::Denied => "denied",
            State::Missing => "missing",
        }
    }

    /// One sentence for docs and messages.
    pub const fn help(self) -> &'static str {
        match self {
            State::Ok => "the counters are current: read in this poll, or reported in time by the VMM",
            State::Reset => {
                "the device's counters restarted since the earlier sample, or one sample of them was too low"
            }
            State::Replaced => "another device has taken this row's place since the earlier sample",
            State::Wrapped => "all counters that the row has wrapped at 32 bits since the earlier sample",
            State::Gone => "the device does not exist",
            State::Stale => "the counters are old (see time_ns), or there are none yet: no answer came in time",
            State::Unsupported => "nothing in the kernel counts this device",
            State::Unreadable => "the source could not be opened or read, or holds no counters of this device",
            State::New => "the earlier sample has no counters of this row",
            State::Denied => "finding or reading the counters takes a privilege that this process lacks",
            State::Missing => "what would count the device was not found: a path, a process, a backend or a driver",
        }
    }

    /// The state of a record's word.
    pub fn from_word(word: i64) -> Option<State> {
        usize::try_from(word).ok().and_then(|index| State::ALL.get(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn numbers_and_states_match() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(State::from_word(state as i64), Some(state));
        }
        assert_eq!(State::from_word(-1), None);
        assert_eq!(State::from_word(State::ALL.len() as i64), None);
    }
}
