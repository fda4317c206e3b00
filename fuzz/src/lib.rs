//! Reference parsers: simple and slow, with the standard library.

pub mod attributes;
pub mod machine;
pub mod words;
