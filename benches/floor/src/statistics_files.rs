//! Small files of sysfs, kept open: one read per file.

use std::fs::File;
use std::io::Result;
use std::path::PathBuf;

use rustix::io::pread;

use crate::route::Route;

pub(crate) struct StatisticsFiles(Vec<File>);

impl StatisticsFiles {
    pub(crate) fn open(paths: impl Iterator<Item = PathBuf>) -> Result<StatisticsFiles> {
        Ok(StatisticsFiles(paths.map(File::open).collect::<Result<_>>()?))
    }
}

impl Route for StatisticsFiles {
    fn round(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut buffer = [0; 512];
        for file in &self.0 {
            let read = pread(file, &mut buffer, 0)?;
            each(&buffer[..read]);
        }
        Ok(())
    }
}
