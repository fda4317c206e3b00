//! The floor: the system calls of a poll, and nothing else. No answer is looked into, so nobody who asks the kernel this
//! way can be faster. Beside it the `procfs` crate, the usual way to these numbers from Rust.
//!
//! `vmiostat-floor SYS INTERFACES DISKS` reads the names of the interfaces and the numbers (major:minor) of the disks from
//! two files, one a line. Then it obeys lines from its standard input, so that whoever measures others too can take turns:
//!
//! - `measure WAY ROUNDS [TURNS]` answers with a line of JSON: nanoseconds a round, in each turn, least, and median.
//! - `show WAY` answers with a line that holds a number of bytes, and those bytes: what the kernel said in one round.
//!
//! A WAY is one of `ways::NAMES`, or several joined by `+` that make one round together.

mod netlink;
mod procfs_crate;
mod receive_many;
mod statistics_files;
mod text_file;
mod way;
mod ways;

use std::collections::HashMap;
use std::io::{BufRead, Result, Write, stdin, stdout};
use std::time::Instant;

use way::{Devices, Way, wrong};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sys, interfaces, disks] = &arguments[..] else {
        return Err(wrong("usage: vmiostat-floor SYS INTERFACES DISKS"));
    };
    let devices = Devices { sys: sys.into(), interfaces: lines_of(interfaces)?, disks: lines_of(disks)? };
    let mut open = HashMap::new();
    for command in stdin().lock().lines() {
        obey(&command?, &devices, &mut open)?;
        stdout().flush()?;
    }
    Ok(())
}

fn obey(command: &str, devices: &Devices, open: &mut HashMap<String, Vec<Box<dyn Way>>>) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    let [verb, name, numbers @ ..] = &words[..] else { return Err(wrong("a command has at least two words")) };
    if !open.contains_key(*name) {
        let ways = name.split('+').map(|name| ways::open(name, devices)).collect::<Result<Vec<_>>>()?;
        open.insert((*name).to_owned(), ways);
    }
    let ways = open.get_mut(*name).expect("was just put there");
    match (*verb, numbers) {
        ("measure", [rounds]) => measure(name, ways, number(rounds)?, 1),
        ("measure", [rounds, turns]) => measure(name, ways, number(rounds)?, number(turns)?),
        ("show", []) => show(ways),
        _ => Err(wrong("a command is `measure WAY ROUNDS [TURNS]` or `show WAY`")),
    }
}

fn measure(name: &str, ways: &mut [Box<dyn Way>], rounds: u32, turns: u32) -> Result<()> {
    let mut nanoseconds = Vec::new();
    for _ in 0..turns.max(1) {
        round(ways)?; // what others have pushed out of the caches comes back
        let start = Instant::now();
        for _ in 0..rounds.max(1) {
            round(ways)?;
        }
        nanoseconds.push(start.elapsed().as_nanos() as f64 / f64::from(rounds.max(1)));
    }
    for way in ways {
        way.check()?;
    }
    let turns: Vec<String> = nanoseconds.iter().map(|turn| format!("{turn:.1}")).collect();
    nanoseconds.sort_unstable_by(f64::total_cmp);
    let (least, median, turns) = (nanoseconds[0], nanoseconds[nanoseconds.len() / 2], turns.join(", "));
    write!(stdout(), r#"{{"way": "{name}", "rounds": {rounds}, "turns_ns": [{turns}], "#)?;
    writeln!(stdout(), r#""min_ns": {least:.1}, "median_ns": {median:.1}}}"#)
}

fn round(ways: &mut [Box<dyn Way>]) -> Result<()> {
    ways.iter_mut().try_for_each(|way| way.round(&mut |_| {}))
}

fn show(ways: &mut [Box<dyn Way>]) -> Result<()> {
    let answers = ways.iter_mut().map(|way| way.show()).collect::<Result<Vec<_>>>()?.concat();
    writeln!(stdout(), "{}", answers.len())?;
    stdout().write_all(&answers)
}

fn lines_of(path: &str) -> Result<Vec<String>> {
    Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}

fn number(word: &str) -> Result<u32> {
    word.parse().map_err(|_| wrong("no number"))
}
