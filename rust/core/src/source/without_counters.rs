//! Devices without a counter source: the state of their rows says why. They are never read.

use std::marker::PhantomData;

use super::identity::generation::RowGeneration;
use super::{Explanation, Source};
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::state::State;

pub(crate) struct WithoutCounters<T> {
    rows: Vec<(usize, State)>,
    table: PhantomData<T>,
}

impl<T> WithoutCounters<T> {
    pub(crate) fn new(rows: Vec<(usize, State)>) -> WithoutCounters<T> {
        WithoutCounters { rows, table: PhantomData }
    }
}

impl<T: Table + Send> Source for WithoutCounters<T> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        for (row, state) in &self.rows {
            rows.put(*row, T::stamped(T::UNKNOWN, -1, -1, *state).as_ref());
        }
    }

    fn problem(&self, _: usize) -> Option<Error> {
        None
    }

    fn explain(&self) -> Explanation {
        let why = "these devices have no counter source".to_owned();
        Explanation { source: "none".to_owned(), rows: self.rows.len(), system_calls: 0, why }
    }

    fn each_generation(&mut self, _: &mut dyn FnMut(usize, &mut RowGeneration)) {}
}
