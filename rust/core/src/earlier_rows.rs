//! An earlier sample's rows, found by their row id: rows move when a plan changes, and names can be given twice.

use crate::error::Error;
use crate::fields::Table;

/// The rows of one table of a sample.
pub struct EarlierRows<'sample> {
    words: &'sample [i64],
    width: usize,
    id: usize,
    /// Where the row is if nothing moved: after the one that was found last.
    next: usize,
    /// Row ids and their rows, sorted; made when a row is not there.
    index: Option<Vec<(i64, usize)>>,
}

impl<'sample> EarlierRows<'sample> {
    /// The rows of a table's words.
    pub fn of<T: Table>(words: &'sample [i64]) -> EarlierRows<'sample> {
        EarlierRows { words, width: T::FIELDS.len(), id: T::ROW_ID, next: 0, index: None }
    }

    /// The words of the row of this id. Rows that are asked for in their order cost one comparison each.
    pub fn find(&mut self, row_id: i64) -> Result<Option<&'sample [i64]>, Error> {
        if self.row(self.next).is_none_or(|row| row[self.id] != row_id) {
            let index = self.index()?;
            match index.binary_search_by_key(&row_id, |(id, _)| *id) {
                Ok(place) => self.next = index[place].1,
                Err(_) => return Ok(None),
            }
        }
        self.next += 1;
        Ok(self.row(self.next - 1))
    }

    fn row(&self, row: usize) -> Option<&'sample [i64]> {
        self.words.get(row * self.width..(row + 1) * self.width)
    }

    fn index(&mut self) -> Result<&[(i64, usize)], Error> {
        if self.index.is_none() {
            let rows = self.words.chunks_exact(self.width);
            let mut index = Vec::new();
            index.try_reserve_exact(rows.len()).map_err(|_| Error::Memory { rows: rows.len() })?;
            index.extend(rows.enumerate().map(|(place, row)| (row[self.id], place)));
            index.sort_unstable();
            self.index = Some(index);
        }
        Ok(self.index.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::interface;

    fn sample(ids: &[i64]) -> Vec<i64> {
        let row = |id: &i64| {
            let mut record = interface::UNKNOWN;
            (record[interface::rx_bytes], record[interface::row_id]) = (10 * id, *id);
            record
        };
        ids.iter().flat_map(row).collect()
    }

    fn found(before: &[i64], after: &[i64]) -> Vec<Option<i64>> {
        let words = sample(before);
        let mut rows = EarlierRows::of::<interface::Table>(&words);
        after.iter().map(|id| rows.find(*id).unwrap().map(|row| row[interface::rx_bytes])).collect()
    }

    #[test]
    fn rows_are_found_wherever_they_were() {
        assert_eq!(found(&[0, 1, 2], &[0, 1, 2]), [Some(0), Some(10), Some(20)]);
        assert_eq!(found(&[0, 1, 2], &[2, 5, 0]), [Some(20), None, Some(0)]);
        assert_eq!(found(&[4, 1], &[1]), [Some(10)]);
        assert_eq!(found(&[], &[7]), [None]);
    }

    #[test]
    fn an_unchanged_plan_needs_no_index() {
        let words = sample(&[3, 8, 5]);
        let mut rows = EarlierRows::of::<interface::Table>(&words);
        assert!([3, 8, 5].into_iter().all(|id| rows.find(id).unwrap().is_some()));
        assert!(rows.index.is_none());
    }
}
