//! The watched interfaces by their number, as RTM_GETSTATS knows them: which is which, and how they are asked for.

use std::collections::HashMap;

use rustix::io::Errno;

use super::socket::Question;
use crate::source::net::index::InterfaceIndex;
use crate::source::net::rows::Swapped;
use crate::source::tracked_devices::Watched;

/// Which number each watched interface has now. The kernel gives a number to no other interface while it is in use, so
/// that a NIC which is made anew under its name is seen as another one, even between two polls.
pub(crate) struct NetlinkInterfaces {
    names: Vec<Box<[u8]>>,
    /// By interface; none for one that is not there.
    indices: Vec<Option<u32>>,
    /// Those that are there, to be asked for one by one.
    present: Vec<u32>,
    answers: AnswerOrder,
    /// Since the last question another interface has come to be known.
    changed: bool,
    /// One dump of all is asked for, and not each on its own.
    dump: bool,
}

impl NetlinkInterfaces {
    pub(crate) fn new(names: Vec<Box<[u8]>>, dump: bool) -> NetlinkInterfaces {
        let (indices, present) = (vec![None; names.len()], Vec::new());
        NetlinkInterfaces { names, indices, present, answers: AnswerOrder::default(), changed: false, dump }
    }

    /// Looks up the number of an interface that is there; another number than before is another interface.
    pub(crate) fn look_up(&mut self, index: &InterfaceIndex, watched: &mut Watched<Swapped>, device: usize) {
        let now = index.of(&self.names[device]);
        self.identify(watched, device, now);
    }

    /// Whether an interface that is there still is the one that it was.
    pub(crate) fn is_same(&mut self, index: &InterfaceIndex, watched: &mut Watched<Swapped>, device: usize) -> bool {
        let known = watched.id(device).and_then(|known| u32::try_from(known).ok());
        let now = index.still(&self.names[device], known);
        self.identify(watched, device, now)
    }

    fn identify(&mut self, watched: &mut Watched<Swapped>, device: usize, index: Result<Option<u32>, Errno>) -> bool {
        let same = watched.identify(device, index.map(|index| index.map(u64::from)));
        let Some(index) = index.ok().filter(|index| *index != self.indices[device]) else { return same };
        if let Some(old) = self.indices[device] {
            self.answers.by_index.remove(&old);
        }
        if let Some(index) = index {
            self.answers.by_index.insert(index, device);
        }
        self.indices[device] = index;
        self.changed = true;
        same
    }

    /// What to ask so that each watched interface which is there is answered for, and what the answers are told by.
    pub(crate) fn ask(&mut self) -> (Question<'_>, &mut AnswerOrder) {
        if std::mem::take(&mut self.changed) {
            self.present.clear();
            self.present.extend(self.indices.iter().flatten());
            self.answers.order.clear();
        }
        let question = if self.dump { Question::All } else { Question::Some(&self.present) };
        (question, &mut self.answers)
    }

    /// The numbers of those that this poll has not found so far.
    pub(crate) fn missing(&self, watched: &Watched<Swapped>) -> Vec<u32> {
        let devices = self.indices.iter().enumerate().filter(|(device, _)| watched.is_missing(*device));
        devices.filter_map(|(_, index)| *index).collect()
    }

    /// Which watched interface has this number.
    pub(crate) fn device_of(&self, index: u32) -> Option<usize> {
        self.answers.by_index.get(&index).copied()
    }

    /// One dump of all is asked for, and not each on its own.
    pub(crate) fn dumps(&self) -> bool {
        self.dump
    }
}

/// Which watched interface an answer is of.
#[derive(Default)]
pub(crate) struct AnswerOrder {
    by_index: HashMap<u32, usize>,
    /// Whose each answer was last time: their order only changes when an interface comes or goes.
    order: Vec<(u32, Option<usize>)>,
}

impl AnswerOrder {
    /// The interface of the answer at `position`, if it is watched.
    #[inline]
    pub(crate) fn device_of(&mut self, position: usize, index: u32) -> Option<usize> {
        match self.order.get(position) {
            Some((remembered, device)) if *remembered == index => *device,
            _ => {
                let device = self.by_index.get(&index).copied();
                self.order.truncate(position);
                self.order.push((index, device));
                device
            }
        }
    }
}
