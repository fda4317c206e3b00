//! Tables as Arrow record batches: one column a field, made from the field table, the names as dictionaries.

pub(crate) mod capsule;
pub(crate) mod dictionary;

use std::collections::HashMap;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use vmiostat_core::fields::{self, Kind, Table};
use vmiostat_core::rates;
use vmiostat_core::state::State;

use self::capsule::failed;
use self::dictionary::{by_key, texts};

/// The columns of a counters' table: the labels, then every field. What is -1 in the struct is NULL.
pub(crate) fn counters_schema<T: Table>() -> Schema {
    schema(T::FIELDS.iter().enumerate().map(|(word, field)| match word == T::STATE {
        true => text(field.name, DataType::Int8, [("kind", field.kind.word()), ("help", field.help)]),
        false => described(Field::new(field.name, DataType::Int64, true), field, field.unit.word(), field.kind.word()),
    }))
}

/// The columns of a rates' table: the labels, then every field that has a rate, the interval and the state. What is NaN
/// in the struct is NULL.
pub(crate) fn rates_schema<T: Table>() -> Schema {
    let rates = rates::fields::<T>().map(|field| {
        let column = Field::new(field.name, DataType::Float64, true);
        match field.kind {
            Kind::Counter => described(column, field, &format!("{}/s", field.unit.word()), "rate"),
            _ => described(column, field, field.unit.word(), field.kind.word()),
        }
    });
    let interval = Field::new("interval", DataType::Float64, true).with_metadata(metadata([
        ("unit", "s"),
        ("kind", Kind::Row.word()),
        ("help", "seconds between the two reads of this row"),
    ]));
    let state = text("state", DataType::Int8, [("kind", Kind::Row.word()), ("help", "ok, or why there is no rate")]);
    schema(rates.chain([interval, state]))
}

fn schema(fields: impl Iterator<Item = Field>) -> Schema {
    let labels = [
        text("domain", DataType::Int32, [("help", "the domain's name")]),
        text("device", DataType::Int32, [("help", "the device's name within its domain")]),
        text("kind", DataType::Int8, [("help", "disk, interface, or total: all that the domain reads and writes")]),
    ];
    Schema::new(labels.into_iter().chain(fields).collect::<Vec<_>>())
}

fn described(column: Field, field: &fields::Field, unit: &str, kind: &str) -> Field {
    let version = field.version.to_string();
    column.with_metadata(metadata([("unit", unit), ("kind", kind), ("help", field.help), ("version", &version)]))
}

/// A column of text. Never NULL.
fn text<const N: usize>(name: &str, key: DataType, about: [(&str, &str); N]) -> Field {
    Field::new(name, dictionary::data_type(key), false).with_metadata(metadata(about))
}

fn metadata<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// A table, to be seen as Arrow: its rows are words, one for each column after the labels.
pub(crate) struct Rows<'table> {
    pub(crate) schema: &'static Schema,
    pub(crate) labels: &'table [ArrayData; 3],
    pub(crate) words: &'table [i64],
}

impl Rows<'_> {
    /// The `arrow_array` capsule, of a struct array.
    pub(crate) fn array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::array(py, &self.batch(py)?)
    }

    /// The `arrow_array_stream` capsule, of this one batch.
    pub(crate) fn stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::stream(py, self.schema, &self.batch(py)?)
    }

    fn batch(&self, py: Python<'_>) -> PyResult<ArrayData> {
        let labels = self.labels.clone();
        py.detach(|| self.columns(labels)).map_err(failed)
    }

    fn columns(&self, labels: [ArrayData; 3]) -> Result<ArrayData, ArrowError> {
        let fields = self.schema.fields();
        let width = fields.len() - labels.len();
        let mut columns = Vec::from(labels);
        for (word, field) in fields[columns.len()..].iter().enumerate() {
            let values = self.words.chunks_exact(width).map(|row| row[word]);
            let of = field.data_type();
            columns.push(match of {
                DataType::Int64 => numbers(of, collected(values)?, |value: i64| value != -1),
                DataType::Float64 => {
                    let values = collected(values.map(|bits| f64::from_bits(bits.cast_unsigned())))?;
                    numbers(of, values, |value| !value.is_nan())
                }
                _ => by_key(of, collected(values.map(state_key))?, texts(State::ALL.map(State::word))?),
            }?);
        }
        let rows = self.words.len() / width;
        ArrayData::builder(DataType::Struct(fields.clone())).len(rows).child_data(columns).build()
    }
}

/// One value a row. Refused memory is an error, as of a poll, and not the end of the process.
fn collected<N>(values: impl ExactSizeIterator<Item = N>) -> Result<Vec<N>, ArrowError> {
    let (rows, mut column) = (values.len(), Vec::new());
    column.try_reserve_exact(rows).map_err(|_| ArrowError::MemoryError(format!("no memory for {rows} rows")))?;
    column.extend(values);
    Ok(column)
}

fn numbers<N: ArrowNativeType>(
    of: &DataType,
    values: Vec<N>,
    known: impl Fn(N) -> bool,
) -> Result<ArrayData, ArrowError> {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| known(values[row])));
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    ArrayData::builder(of.clone()).len(values.len()).add_buffer(Buffer::from_vec(values)).nulls(nulls).build()
}

fn state_key(word: i64) -> i8 {
    State::from_word(word).unwrap_or(State::Unreadable) as i8
}
