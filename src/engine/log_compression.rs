//! Compresses the logs of measured rounds, which have a line for each request.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A smaller log is read more often than it takes space.
const LEAST_BYTES: u64 = 64 << 10;

/// Compresses the large logs in a folder and below it, each into a file of its name with `.gz`.
///
/// # Errors
/// A log cannot be read, or its replacement not be written. Then it stays.
pub(super) fn compress_logs(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            compress_logs(&path)?;
        } else if metadata.is_file()
            && metadata.len() >= LEAST_BYTES
            && path.extension().is_some_and(|end| end == "log")
        {
            compress(&path)?;
        }
    }
    Ok(())
}

fn compress(log: &Path) -> io::Result<()> {
    let compressed = log.with_extension("log.gz");
    let write = || -> io::Result<()> {
        let mut encoder = GzEncoder::new(File::create(&compressed)?, Compression::fast());
        io::copy(&mut File::open(log)?, &mut encoder)?;
        encoder.finish()?.sync_all()?;
        fs::remove_file(log)
    };
    write().inspect_err(|_| drop(fs::remove_file(&compressed)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn large_logs_are_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let visit = folder.path().join("001-pages-site");
        fs::create_dir(&visit).unwrap();
        let text = "GET / 200\n".repeat(10_000);
        for (name, text) in [("access.log", text.as_str()), ("error.log", "one line\n"), ("body.bin", &text)] {
            fs::write(visit.join(name), text).unwrap();
        }
        compress_logs(folder.path()).unwrap();
        let names = fs::read_dir(&visit).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(names, ["access.log.gz", "body.bin", "error.log"]);
        let mut read = String::new();
        let file = File::open(visit.join("access.log.gz")).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut read).unwrap();
        assert!(read == text);
    }
}
