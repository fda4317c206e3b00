//! Holds a plan's handles open, and reads them all in one call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::fields::{Table, WORD, block, interface};
use crate::fork_guard::Process;
use crate::plan::{InterfaceSource, Kept, Plan};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::{Explanation, OpenHandles, Reopened, Source, selection};

/// The open handles of a plan. Polls of several threads take turns; each reads everything anew.
///
/// They are of the process that opened them: in a fork of it every call is refused, by `Error::Forked`.
pub struct Poller {
    process: Process,
    roots: Arc<Roots>,
    interface_source: InterfaceSource,
    block: Rowset,
    interface: Rowset,
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Block devices.
    Block,
    /// Network interfaces.
    Interface,
}

/// What one poll read: the records of all rows, in the order of the plan.
#[derive(Debug)]
pub struct Sample {
    /// The block table's words, `block::WORDS` a row.
    pub block: Vec<i64>,
    /// The interface table's words, `interface::WORDS` a row.
    pub interface: Vec<i64>,
}

/// Where the rows of one table are to be written, and how many bytes of each.
pub struct Target<'memory> {
    /// The caller's memory.
    pub bytes: &'memory mut [u8],
    /// The caller's struct size.
    pub size: usize,
}

/// One table's rows, and what they are read from.
struct Rowset {
    count: usize,
    limit: usize,
    /// The highest generation that any row of an earlier plan has had.
    highest: i64,
    sources: Mutex<Vec<Box<dyn Source>>>,
}

impl Poller {
    /// Opens what the plan's rows are read from. It never fails: what cannot be opened costs its own rows, whose state says
    /// so, and `problem` says why.
    pub fn open(roots: Arc<Roots>, plan: &Plan, interface_source: InterfaceSource) -> Poller {
        Poller::open_but(roots, plan, interface_source, OpenHandles::new(), OpenHandles::new())
    }

    /// As `open`, but for the handles that are open already.
    fn open_but(
        roots: Arc<Roots>,
        plan: &Plan,
        interface_source: InterfaceSource,
        block: OpenHandles,
        interface: OpenHandles,
    ) -> Poller {
        let block = selection::block(&roots, &plan.block, block);
        let interface = selection::interface(&roots, &plan.interface, interface_source, interface);
        Poller {
            process: Process::this(),
            roots,
            interface_source,
            block: Rowset::new::<block::Table>(plan.block.len(), block),
            interface: Rowset::new::<interface::Table>(plan.interface.len(), interface),
        }
    }

    /// Opens another plan, of which some rows are `kept` ones of this: they keep their open files and their generation. A
    /// new row's generation is above every one before it.
    ///
    /// `take_over` gets the new poller at a time when no poll of this one is under way: what this one has seen by then, the
    /// new one knows. No poll waits while files are opened.
    pub fn replan(&self, plan: &Plan, kept: &Kept, take_over: impl FnOnce(Poller)) -> Result<(), Error> {
        self.here()?;
        let roots = Arc::clone(&self.roots);
        let (block, interface) = (self.block.handles(&kept.block), self.interface.handles(&kept.interface));
        let mut next = Poller::open_but(roots, plan, self.interface_source, block, interface);
        let (mut block, mut interface) = (self.block.lock(), self.interface.lock());
        next.block.follow(self.block.highest, &mut block, &kept.block);
        next.interface.follow(self.interface.highest, &mut interface, &kept.interface);
        take_over(next);
        Ok(())
    }

    /// This, where it may be used: in a fork it would share sockets with the process that opened it, and its locks may be
    /// held by threads that are not there.
    #[inline]
    pub fn here(&self) -> Result<&Poller, Error> {
        if self.process.is_this() { Ok(self) } else { Err(Error::Forked) }
    }

    /// Rows of a table.
    pub fn rows(&self, kind: Kind) -> usize {
        self.rowset(kind).count
    }

    /// Reads all rows.
    pub fn poll(&self) -> Result<Sample, Error> {
        self.here()?;
        Ok(Sample { block: self.block.newest()?, interface: self.interface.newest()? })
    }

    /// Reads the rows of the tables that are asked for into the caller's memory, and allocates nothing. The sizes are
    /// looked at before anything is read.
    pub fn poll_into(&self, block: Option<Target<'_>>, interface: Option<Target<'_>>) -> Result<(), Error> {
        self.here()?;
        let block = block.map(|target| self.block.room(target)).transpose()?;
        let interface = interface.map(|target| self.interface.room(target)).transpose()?;
        if let Some(mut rows) = block {
            self.block.read(&mut rows);
        }
        if let Some(mut rows) = interface {
            self.interface.read(&mut rows);
        }
        Ok(())
    }

    /// Opens what could not be opened before or has gone; how many handles that gave. Opening is rare work: not for every poll.
    pub fn reopen(&self) -> Result<usize, Error> {
        self.here()?;
        Ok(self.block.reopen(&self.roots) + self.interface.reopen(&self.roots))
    }

    /// What lies behind a row's state.
    pub fn problem(&self, kind: Kind, row: usize) -> Option<Error> {
        match self.here() {
            Ok(_) => self.rowset(kind).lock().iter().find_map(|source| source.problem(row)),
            Err(error) => Some(error),
        }
    }

    /// What a poll does, source by source: polls once, and tells.
    pub fn explain(&self) -> Result<Vec<(Kind, Explanation)>, Error> {
        self.poll()?;
        let of = |kind: Kind| {
            let sources = self.rowset(kind).lock();
            sources.iter().map(|source| (kind, source.explain())).collect::<Vec<_>>()
        };
        Ok([of(Kind::Block), of(Kind::Interface)].concat())
    }

    fn rowset(&self, kind: Kind) -> &Rowset {
        match kind {
            Kind::Block => &self.block,
            Kind::Interface => &self.interface,
        }
    }
}

impl Rowset {
    fn new<T: Table>(count: usize, sources: Vec<Box<dyn Source>>) -> Rowset {
        Rowset { count, limit: T::SIZE, highest: -1, sources: Mutex::new(sources) }
    }

    /// The sources are whole after every row, so a panic in another thread's poll leaves nothing behind that is half done.
    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room<'memory>(&self, target: Target<'memory>) -> Result<Rows<'memory>, Error> {
        Rows::new(target.bytes, self.count, target.size, self.limit)
    }

    fn read(&self, rows: &mut Rows<'_>) {
        if rows.size() == 0 {
            return;
        }
        for source in self.lock().iter_mut() {
            source.read(rows);
        }
    }

    fn newest(&self) -> Result<Vec<i64>, Error> {
        let (count, mut words) = (self.count * (self.limit / WORD), Vec::new());
        words.try_reserve_exact(count).map_err(|_| Error::Memory { rows: self.count })?;
        words.resize(count, -1);
        self.read(&mut self.room(Target { bytes: bytemuck::cast_slice_mut(&mut words), size: self.limit })?);
        Ok(words)
    }

    fn reopen(&self, roots: &Roots) -> usize {
        let reopenings: Vec<_> =
            self.lock().iter().enumerate().filter_map(|(place, source)| Some((place, source.reopening()?))).collect();
        // The lock, for which polls wait, is not held while files are opened.
        let put = |(place, opened): (usize, Reopened)| self.lock()[place].reopened(opened);
        reopenings.into_iter().map(|(place, reopening)| put((place, reopening(roots)))).sum()
    }

    /// The open handles of the rows that are kept, by their new place.
    fn handles(&self, kept: &[Option<usize>]) -> OpenHandles {
        let mut by_place = HashMap::new();
        self.lock().iter().for_each(|source| {
            source.each_handle(&mut |row, handle| {
                by_place.insert(row, handle);
            });
        });
        kept.iter().enumerate().filter_map(|(row, old)| Some((row, by_place.remove(old.as_ref()?)?))).collect()
    }

    /// Takes over which devices stood in the rows that are kept of an earlier plan, read by `sources`.
    fn follow(&mut self, highest: i64, sources: &mut [Box<dyn Source>], kept: &[Option<usize>]) {
        self.highest = highest;
        let mut before = HashMap::new();
        for source in sources {
            source.each_occupant(&mut |row, occupant, device| {
                self.highest = self.highest.max(occupant.generation());
                before.insert(row, (occupant.clone(), device));
            });
        }
        let highest = self.highest;
        for source in self.lock().iter_mut() {
            source.each_occupant(&mut |row, occupant, device| {
                match kept.get(row).copied().flatten().and_then(|old| before.get(&old)) {
                    Some((old, old_device)) => {
                        *occupant = old.clone();
                        // It was made anew while the new plan was opened.
                        if old_device.is_some() && device.is_some() && *old_device != device {
                            occupant.lost();
                        }
                    }
                    None => occupant.begin_above(highest),
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use super::*;
    use crate::fields::block;
    use crate::source::Reopening;
    use crate::source::generation::Occupant;

    struct Missing(Weak<Rowset>);

    impl Source for Missing {
        fn read(&mut self, _: &mut Rows<'_>) {}

        fn reopening(&self) -> Option<Reopening> {
            let rowset = self.0.clone();
            Some(Box::new(move |_| Box::new(rowset.upgrade().unwrap().sources.try_lock().is_ok())))
        }

        fn reopened(&mut self, opened: Reopened) -> usize {
            usize::from(*opened.downcast::<bool>().unwrap())
        }

        fn problem(&self, _: usize) -> Option<Error> {
            None
        }

        fn explain(&self) -> Explanation {
            unreachable!()
        }

        fn each_occupant(&mut self, _: &mut dyn FnMut(usize, &mut Occupant, Option<u64>)) {}
    }

    #[test]
    fn polls_go_on_while_files_are_opened() {
        let sources = |rowset: &Weak<Rowset>| [(); 2].map(|()| Box::new(Missing(rowset.clone())) as Box<dyn Source>);
        let rowset = Arc::new_cyclic(|rowset| Rowset::new::<block::Table>(0, sources(rowset).into()));
        assert_eq!(rowset.reopen(&Roots::machine().unwrap()), 2);
    }
}
