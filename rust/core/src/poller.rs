//! Keeps the handles of a plan open and reads them all in one call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::fields::{Table, WORD, block, interface};
use crate::fork_guard::ForkGuard;
use crate::plan::{CarriedOver, InterfaceSource, Plan};
use crate::plan_id::{Numbers, PlanId};
use crate::roots::Roots;
use crate::rows::Rows;
use crate::source::{Explanation, OpenHandles, Reopened, Source, selection};
use crate::state::State;

/// The open handles of a plan. Polls of several threads run one at a time, and each reads all rows.
///
/// In a fork of the process that opened it, every call returns `Error::Forked`.
pub struct Poller {
    fork_guard: ForkGuard,
    roots: Arc<Roots>,
    interface_source: InterfaceSource,
    /// Shared with the plans after this one.
    numbers: Arc<Numbers>,
    plan: PlanId,
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
    /// The plan that was read.
    pub plan: PlanId,
    /// The block table's words, `block::WORDS` a row.
    pub block: Vec<i64>,
    /// The interface table's words, `interface::WORDS` a row.
    pub interface: Vec<i64>,
}

/// Where the rows of one table are written, and how many bytes of each.
pub struct Target<'memory> {
    /// The caller's memory.
    pub bytes: &'memory mut [u8],
    /// The caller's struct size.
    pub size: usize,
}

/// The rows of one table and their sources.
struct Rowset {
    /// The `row_id` of each row.
    row_ids: Vec<i64>,
    /// The index of the word that holds it.
    row_id: usize,
    /// The record of a row that the plan does not have.
    no_row: Vec<i64>,
    limit: usize,
    /// The highest generation of any row of an earlier plan.
    highest: i64,
    /// Another plan has taken the rows over; written and read while `sources` is locked.
    taken_over: AtomicBool,
    sources: Mutex<Vec<Box<dyn Source>>>,
}

/// What the rows of a plan start with.
struct Inherited {
    row_ids: Vec<i64>,
    handles: OpenHandles,
}

impl Inherited {
    fn none(rows: usize, numbers: &Numbers) -> Inherited {
        Inherited { row_ids: (0..rows).map(|_| numbers.row()).collect(), handles: OpenHandles::new() }
    }
}

impl Poller {
    /// Opens the sources of the plan's rows. It never fails: a handle that cannot be opened affects its own rows only.
    /// Their state says so, and `problem` says why.
    pub fn open(roots: Arc<Roots>, plan: &Plan, interface_source: InterfaceSource) -> Poller {
        let numbers = Arc::new(Numbers::new());
        let [block, interface] = [plan.block.len(), plan.interface.len()].map(|rows| Inherited::none(rows, &numbers));
        Poller::open_with(roots, plan, interface_source, numbers, block, interface)
    }

    /// As `open`, with what the rows inherit from an earlier plan.
    fn open_with(
        roots: Arc<Roots>,
        plan: &Plan,
        interface_source: InterfaceSource,
        numbers: Arc<Numbers>,
        block: Inherited,
        interface: Inherited,
    ) -> Poller {
        let block_sources = selection::block(&roots, &plan.block, block.handles);
        let interface_sources = selection::interface(&roots, &plan.interface, interface_source, interface.handles);
        Poller {
            fork_guard: ForkGuard::new(),
            roots,
            interface_source,
            plan: numbers.plan(),
            numbers,
            block: Rowset::new::<block::Table>(block.row_ids, block_sources),
            interface: Rowset::new::<interface::Table>(interface.row_ids, interface_sources),
        }
    }

    /// Opens another plan. Rows that are `carried_over` from this one keep their row id, their open files and their
    /// generation; a new row gets a row id and a generation above all earlier ones.
    ///
    /// `take_over` gets the new poller while no poll of this one runs, so that the new one knows all that this one has
    /// seen. Polls go on while files are opened. A later poll of this one returns `Error::TakenOver`: it would count
    /// generations that the new one counts, too.
    pub fn replan(&self, plan: &Plan, carried_over: &CarriedOver, take_over: impl FnOnce(Poller)) -> Result<(), Error> {
        self.check_process()?;
        let roots = Arc::clone(&self.roots);
        let numbers = Arc::clone(&self.numbers);
        let block = self.block.inheritance(&carried_over.block, &numbers);
        let interface = self.interface.inheritance(&carried_over.interface, &numbers);
        let mut next = Poller::open_with(roots, plan, self.interface_source, numbers, block, interface);
        let (mut block, mut interface) = (self.block.lock(), self.interface.lock());
        next.block.inherit(self.block.highest, &mut block, &carried_over.block);
        next.interface.inherit(self.interface.highest, &mut interface, &carried_over.interface);
        self.block.taken_over.store(true, Ordering::Relaxed);
        self.interface.taken_over.store(true, Ordering::Relaxed);
        take_over(next);
        Ok(())
    }

    /// This poller, or `Error::Forked` in a fork: there it would share sockets with the process that opened it, and a
    /// thread that does not exist in the fork may hold its locks.
    #[inline]
    pub fn check_process(&self) -> Result<&Poller, Error> {
        if self.fork_guard.is_same_process() { Ok(self) } else { Err(Error::Forked) }
    }

    /// The plan that it reads.
    pub fn plan(&self) -> PlanId {
        self.plan
    }

    /// The number of rows of a table.
    pub fn rows(&self, kind: Kind) -> usize {
        self.rowset(kind).row_ids.len()
    }

    /// Reads all rows.
    pub fn poll(&self) -> Result<Sample, Error> {
        self.check_process()?;
        Ok(Sample { plan: self.plan, block: self.block.read_all()?, interface: self.interface.read_all()? })
    }

    /// Reads the rows of the given tables into the caller's memory, without allocating. Whole rows of that memory
    /// beyond those of the plan become `gone`: an earlier plan may have left counters there. Sizes are checked before
    /// anything is read.
    pub fn poll_into(&self, block: Option<Target<'_>>, interface: Option<Target<'_>>) -> Result<(), Error> {
        self.check_process()?;
        let block = block.map(|target| self.block.rows_in(target)).transpose()?;
        let interface = interface.map(|target| self.interface.rows_in(target)).transpose()?;
        if let Some(mut rows) = block {
            self.block.read(&mut rows)?;
            rows.fill_spare(&self.block.no_row);
        }
        if let Some(mut rows) = interface {
            self.interface.read(&mut rows)?;
            rows.fill_spare(&self.interface.no_row);
        }
        Ok(())
    }

    /// Opens handles that could not be opened before or were lost, and returns how many it opened. Too costly for every
    /// poll.
    pub fn reopen(&self) -> Result<usize, Error> {
        self.check_process()?;
        Ok(self.block.reopen(&self.roots) + self.interface.reopen(&self.roots))
    }

    /// Whether other devices have made polls much longer since the plan was made, so that opening it again may select
    /// cheaper sources.
    pub fn has_outgrown(&self) -> Result<bool, Error> {
        self.check_process()?;
        let outgrown = |rowset: &Rowset| rowset.lock().iter().any(|source| source.has_outgrown());
        Ok(outgrown(&self.block) || outgrown(&self.interface))
    }

    /// Why a row has no counters, or old ones.
    pub fn problem(&self, kind: Kind, row: usize) -> Option<Error> {
        match self.check_process() {
            Ok(_) => self.rowset(kind).lock().iter().find_map(|source| source.problem(row)),
            Err(error) => Some(error),
        }
    }

    /// Polls once and describes what each source did.
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
    fn new<T: Table>(row_ids: Vec<i64>, sources: Vec<Box<dyn Source>>) -> Rowset {
        let no_row = T::stamped(T::UNKNOWN, -1, -1, State::Gone).as_ref().to_vec();
        Rowset {
            row_ids,
            row_id: T::ROW_ID,
            no_row,
            limit: T::SIZE,
            highest: -1,
            taken_over: AtomicBool::new(false),
            sources: Mutex::new(sources),
        }
    }

    /// The sources are consistent after every row, so that a panic in another thread's poll does no harm.
    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows_in<'memory>(&self, target: Target<'memory>) -> Result<Rows<'memory>, Error> {
        Rows::new(target.bytes, self.row_ids.len(), target.size, self.limit)
    }

    fn read(&self, rows: &mut Rows<'_>) -> Result<(), Error> {
        if rows.size() == 0 || self.row_ids.is_empty() {
            return Ok(());
        }
        let mut sources = self.lock();
        if self.taken_over.load(Ordering::Relaxed) {
            return Err(Error::TakenOver);
        }
        for source in sources.iter_mut() {
            source.read(rows);
        }
        rows.set_words(self.row_id, &self.row_ids);
        Ok(())
    }

    fn read_all(&self) -> Result<Vec<i64>, Error> {
        let (count, mut words) = (self.row_ids.len() * (self.limit / WORD), Vec::new());
        words.try_reserve_exact(count).map_err(|_| Error::Memory { rows: self.row_ids.len() })?;
        words.resize(count, -1);
        self.read(&mut self.rows_in(Target { bytes: bytemuck::cast_slice_mut(&mut words), size: self.limit })?)?;
        Ok(words)
    }

    fn reopen(&self, roots: &Arc<Roots>) -> usize {
        let reopenings: Vec<_> =
            self.lock().iter().enumerate().filter_map(|(place, source)| Some((place, source.reopening()?))).collect();
        // Polls wait for the lock, so it is not held while files are opened.
        let put = |(place, opened): (usize, Reopened)| self.lock()[place].reopened(opened);
        reopenings.into_iter().map(|(place, reopening)| put((place, reopening(roots)))).sum()
    }

    /// The row ids and open handles of the carried-over rows, by their new index; new rows get new ids.
    fn inheritance(&self, carried_over: &[Option<usize>], numbers: &Numbers) -> Inherited {
        let mut by_place = HashMap::new();
        self.lock().iter().for_each(|source| {
            source.each_handle(&mut |row, handle| {
                by_place.insert(row, handle);
            });
        });
        let row_id =
            |old: &Option<usize>| old.and_then(|old| self.row_ids.get(old).copied()).unwrap_or_else(|| numbers.row());
        let handle = |(row, old): (usize, &Option<usize>)| Some((row, by_place.remove(old.as_ref()?)?));
        Inherited {
            row_ids: carried_over.iter().map(row_id).collect(),
            handles: carried_over.iter().enumerate().filter_map(handle).collect(),
        }
    }

    /// Gives the carried-over rows the generations that they had in the old plan, whose rows are read by `sources`.
    fn inherit(&mut self, highest: i64, sources: &mut [Box<dyn Source>], carried_over: &[Option<usize>]) {
        self.highest = highest;
        let mut before = HashMap::new();
        for source in sources {
            // What has changed since the last poll may have been before the new plan was opened.
            source.catch_up();
            source.each_generation(&mut |row, generation| {
                self.highest = self.highest.max(generation.number());
                before.insert(row, generation.clone());
            });
        }
        let highest = self.highest;
        for source in self.lock().iter_mut() {
            source.each_generation(&mut |row, generation| match carried_over
                .get(row)
                .copied()
                .flatten()
                .and_then(|old| before.get(&old))
            {
                Some(earlier) => generation.go_on(earlier),
                None => generation.begin_above(highest),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use super::*;
    use crate::fields::block;
    use crate::plan::{BlockRow, WhyNot};
    use crate::source::Reopening;
    use crate::source::identity::generation::RowGeneration;

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

        fn each_generation(&mut self, _: &mut dyn FnMut(usize, &mut RowGeneration)) {}
    }

    #[test]
    fn rows_that_were_taken_over_are_read_by_the_new_plan_alone() {
        let plan = Plan { block: vec![BlockRow::WithoutCounters(WhyNot::Unsupported)], interface: vec![] };
        let old = Poller::open(Arc::new(Roots::machine().unwrap()), &plan, InterfaceSource::Auto);
        let carried_over = CarriedOver { block: vec![Some(0)], interface: vec![] };
        let mut next = None;
        old.replan(&plan, &carried_over, |poller| next = Some(poller)).unwrap();
        assert!(matches!(old.poll(), Err(Error::TakenOver)));
        next.unwrap().poll().unwrap();
    }

    #[test]
    fn polls_go_on_while_files_are_opened() {
        let sources = |rowset: &Weak<Rowset>| [(); 2].map(|()| Box::new(Missing(rowset.clone())) as Box<dyn Source>);
        let rowset = Arc::new_cyclic(|rowset| Rowset::new::<block::Table>(vec![], sources(rowset).into()));
        assert_eq!(rowset.reopen(&Arc::new(Roots::machine().unwrap())), 2);
    }
}
