//! The floor: the system calls of a poll, and nothing else. It parses nothing, so no program can be faster by the same
//! route. For comparison it also measures the `procfs` crate, the usual route to these counters in Rust.
//!
//! `vmiostat-floor SYS INTERFACES DISKS` reads interface names and disk numbers (major:minor) from two files, one per
//! line. Then it executes commands from its standard input, so that a benchmark can alternate it with other programs:
//!
//! - `measure ROUTE ROUNDS [RUNS]` prints a line of JSON: nanoseconds per round, of each run, least, and median.
//! - `show ROUTE` prints a line with a number of bytes, and those bytes: the kernel's reply in one round.
//!
//! A ROUTE is one of `routes::NAMES`, or several joined by `+` that make one round together.

mod netlink;
mod procfs_crate;
mod recvmmsg;
mod route;
mod routes;
mod statistics_files;
mod text_file;

use std::collections::HashMap;
use std::io::{BufRead, Result, Write, stdin, stdout};
use std::time::Instant;

use route::{Devices, Route, wrong};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sys, interfaces, disks] = &arguments[..] else {
        return Err(wrong("usage: vmiostat-floor SYS INTERFACES DISKS"));
    };
    let devices = Devices { sys: sys.into(), interfaces: lines_of(interfaces)?, disks: lines_of(disks)? };
    let mut open = HashMap::new();
    for command in stdin().lock().lines() {
        execute(&command?, &devices, &mut open)?;
        stdout().flush()?;
    }
    Ok(())
}

fn execute(command: &str, devices: &Devices, open: &mut HashMap<String, Vec<Box<dyn Route>>>) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    let [verb, name, numbers @ ..] = &words[..] else { return Err(wrong("a command has at least two words")) };
    if !open.contains_key(*name) {
        let routes = name.split('+').map(|name| routes::open(name, devices)).collect::<Result<Vec<_>>>()?;
        open.insert((*name).to_owned(), routes);
    }
    let routes = open.get_mut(*name).expect("was just put there");
    match (*verb, numbers) {
        ("measure", [rounds]) => measure(name, routes, number(rounds)?, 1),
        ("measure", [rounds, runs]) => measure(name, routes, number(rounds)?, number(runs)?),
        ("show", []) => show(routes),
        _ => Err(wrong("a command is `measure ROUTE ROUNDS [RUNS]` or `show ROUTE`")),
    }
}

fn measure(name: &str, routes: &mut [Box<dyn Route>], rounds: u32, runs: u32) -> Result<()> {
    let mut nanoseconds = Vec::new();
    for _ in 0..runs.max(1) {
        round(routes)?; // warm the caches
        let start = Instant::now();
        for _ in 0..rounds.max(1) {
            round(routes)?;
        }
        nanoseconds.push(start.elapsed().as_nanos() as f64 / f64::from(rounds.max(1)));
    }
    for route in routes {
        route.check()?;
    }
    let runs: Vec<String> = nanoseconds.iter().map(|run| format!("{run:.1}")).collect();
    nanoseconds.sort_unstable_by(f64::total_cmp);
    let (least, median, runs) = (nanoseconds[0], nanoseconds[nanoseconds.len() / 2], runs.join(", "));
    write!(stdout(), r#"{{"route": "{name}", "rounds": {rounds}, "runs_ns": [{runs}], "#)?;
    writeln!(stdout(), r#""min_ns": {least:.1}, "median_ns": {median:.1}}}"#)
}

fn round(routes: &mut [Box<dyn Route>]) -> Result<()> {
    routes.iter_mut().try_for_each(|route| route.round(&mut |_| {}))
}

fn show(routes: &mut [Box<dyn Route>]) -> Result<()> {
    let replies = routes.iter_mut().map(|route| route.show()).collect::<Result<Vec<_>>>()?.concat();
    writeln!(stdout(), "{}", replies.len())?;
    stdout().write_all(&replies)
}

fn lines_of(path: &str) -> Result<Vec<String>> {
    Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}

fn number(word: &str) -> Result<u32> {
    word.parse().map_err(|_| wrong("no number"))
}
