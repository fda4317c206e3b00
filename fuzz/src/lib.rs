//! The plain way to read what the parsers read: word by word, with the standard library, and slowly.

pub mod attributes;
pub mod machine;
pub mod words;
