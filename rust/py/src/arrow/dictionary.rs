//! Dictionary columns of Arrow: each row is a key into a dictionary, which has each distinct text once.

use std::collections::HashMap;

use arrow_buffer::{ArrowNativeType, Buffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::capsule::failed;

pub(crate) fn data_type(key: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8))
}

pub(crate) fn by_key<K: ArrowNativeType>(
    of: &DataType,
    keys: Vec<K>,
    dictionary: ArrayData,
) -> Result<ArrayData, ArrowError> {
    ArrayData::builder(of.clone()).len(keys.len()).add_buffer(Buffer::from_vec(keys)).add_child_data(dictionary).build()
}

/// A column of names.
pub(crate) fn names(names: &Bound<'_, PyTuple>) -> PyResult<ArrayData> {
    let mut dictionary = Vec::new();
    let mut known = HashMap::new();
    let mut keys: Vec<i32> = Vec::with_capacity(names.len());
    for name in names {
        let name = valid(name.cast()?)?;
        let key = *known.entry(name).or_insert_with_key(|name| {
            dictionary.push(name.clone());
            dictionary.len() as i32 - 1
        });
        keys.push(key);
    }
    let texts = texts(dictionary).map_err(failed)?;
    by_key(&data_type(DataType::Int32), keys, texts).map_err(failed)
}

/// A name as valid Unicode, of two names never the same. A byte that was not UTF-8, a lone surrogate in Python, becomes
/// `\xNN`, and a backslash is doubled.
fn valid(name: &Bound<'_, PyString>) -> PyResult<String> {
    if let Ok(text) = name.to_str() {
        return Ok(text.replace('\\', r"\\"));
    }
    let encoded = name.call_method1("encode", ("utf-32-le", "surrogatepass"))?;
    let codes = encoded.extract::<&[u8]>()?.as_chunks().0.iter().map(|code| u32::from_le_bytes(*code));
    Ok(codes.fold(String::new(), |text, code| match char::from_u32(code) {
        Some('\\') => text + r"\\",
        Some(character) => text + character.encode_utf8(&mut [0; 4]),
        None if (0xdc80..=0xdcff).contains(&code) => text + &format!("\\x{:02x}", code - 0xdc00),
        None => text + &format!("\\u{code:04x}"),
    }))
}

pub(crate) fn texts(texts: impl IntoIterator<Item: AsRef<str>>) -> Result<ArrayData, ArrowError> {
    let (mut offsets, mut bytes) = (vec![0], Vec::new());
    for text in texts {
        bytes.extend_from_slice(text.as_ref().as_bytes());
        let end = i32::try_from(bytes.len());
        offsets.push(end.map_err(|_| ArrowError::InvalidArgumentError("over 2 GiB of names".to_owned()))?);
    }
    ArrayData::builder(DataType::Utf8)
        .len(offsets.len() - 1)
        .add_buffer(Buffer::from_vec(offsets))
        .add_buffer(Buffer::from_vec(bytes))
        .build()
}
