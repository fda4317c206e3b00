//! Devices that the kernel does not count: their rows say so.

use std::marker::PhantomData;

use super::identity::generation::RowGeneration;
use super::{Explanation, Source};
use crate::clock::monotonic_ns;
use crate::error::Error;
use crate::fields::Table;
use crate::rows::Rows;
use crate::state::State;

pub(crate) struct Unsupported<T> {
    rows: Vec<usize>,
    table: PhantomData<T>,
}

impl<T> Unsupported<T> {
    pub(crate) fn new(rows: Vec<usize>) -> Unsupported<T> {
        Unsupported { rows, table: PhantomData }
    }
}

impl<T: Table + Send> Source for Unsupported<T> {
    fn read(&mut self, rows: &mut Rows<'_>) {
        let record = T::stamped(T::UNKNOWN, monotonic_ns(), -1, State::Unsupported);
        for row in &self.rows {
            rows.put(*row, record.as_ref());
        }
    }

    fn problem(&self, _: usize) -> Option<Error> {
        None
    }

    fn explain(&self) -> Explanation {
        let why = "the kernel does not count these devices".to_owned();
        Explanation { source: "none".to_owned(), rows: self.rows.len(), system_calls: 0, why }
    }

    fn each_generation(&mut self, _: &mut dyn FnMut(usize, &mut RowGeneration)) {}
}
