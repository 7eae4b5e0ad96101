//! Gives back the pages of the program that only its start needed.
//!
//! What an idle server has in memory is mostly its own program: code and constants that the kernel
//! read in from the file, and keeps while there is room. More than half of it served the start alone:
//! relocating, reading the configuration, setting up TLS. Dropping those pages once is what makes the
//! figure that an operator sees the one that the server needs; a page that is used again comes back
//! from the file.

use std::collections::HashSet;
use std::time::Duration;
use std::{fs, io};

use rustix::mm::{Advice, madvise};

/// When the start is over: lists are read, logs followed, and the connections closed again that only
/// catching up needed.
const START: Duration = Duration::from_secs(60);

/// Waits for the end of the start, and gives back what it needed.
pub async fn after_start() {
    tokio::time::sleep(START).await;
    match give_back() {
        Ok(bytes) => tracing::debug!(bytes, "gave back the pages of the program"),
        Err(error) => tracing::debug!(%error, "the pages of the program stay in memory"),
    }
}

/// Drops all pages of the program and its libraries that are as in their files. How many bytes of them
/// were in memory.
fn give_back() -> io::Result<usize> {
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let mappings = read(&smaps);
    let mut given_back = 0;
    for mapping in of_programs(&mappings) {
        drop_pages(mapping)?;
        given_back += mapping.resident;
    }
    Ok(given_back)
}

#[allow(unsafe_code, reason = "the kernel is told of pages by their address")]
fn drop_pages(mapping: &Mapping<'_>) -> io::Result<()> {
    let address = std::ptr::without_provenance_mut(mapping.start);
    // SAFETY: the range is a private mapping of a program's file that stays as long as the process
    // does. It cannot be written to and no page of it differs from the file, so what is read from it
    // after its pages are dropped is what was there before.
    unsafe { madvise(address, mapping.length, Advice::LinuxDontNeed) }?;
    Ok(())
}

/// A stretch of the process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping<'a> {
    start: usize,
    /// In bytes.
    length: usize,
    /// Such as `r-xp`.
    permissions: &'a str,
    /// The file behind it; empty where there is none.
    path: &'a str,
    /// Bytes in memory.
    resident: usize,
    /// Bytes in memory that are not the file's.
    anonymous: usize,
}

/// The mappings of programs and libraries, which are files mapped to be executed, that are not to be
/// written to and have never been: relocated data, read-only by now, is not among them.
fn of_programs<'a>(mappings: &'a [Mapping<'a>]) -> impl Iterator<Item = &'a Mapping<'a>> {
    let executed = mappings.iter().filter(|mapping| mapping.permissions.contains('x'));
    let programs: HashSet<&str> = executed.map(|mapping| mapping.path).collect();
    mappings.iter().filter(move |mapping| {
        mapping.path.starts_with('/')
            && programs.contains(mapping.path)
            && mapping.permissions.starts_with("r-")
            && mapping.permissions.ends_with('p')
            && mapping.anonymous == 0
    })
}

/// Reads `/proc/PID/smaps` (proc_pid_smaps(5)). What is not understood is left out.
fn read(smaps: &str) -> Vec<Mapping<'_>> {
    let mut mappings: Vec<Mapping<'_>> = Vec::new();
    for line in smaps.lines() {
        if let Some(mapping) = header(line) {
            mappings.push(mapping);
        } else if let Some(mapping) = mappings.last_mut()
            && let Some((name, bytes)) = field(line)
        {
            match name {
                "Rss" => mapping.resident = bytes,
                "Anonymous" => mapping.anonymous = bytes,
                _ => {}
            }
        }
    }
    mappings
}

/// `5614b8a9d000-5614b940f000 r-xp 00427000 08:01 1835 /usr/bin/certstream-server`
fn header(line: &str) -> Option<Mapping<'_>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    let permissions = words.next()?;
    let path = words.nth(3).unwrap_or_default().trim_start();
    // Until the field is read it counts as changed.
    Some(Mapping { start, length, permissions, path, resident: 0, anonymous: usize::MAX })
}

/// `Rss:                 508 kB`
fn field(line: &str) -> Option<(&str, usize)> {
    let (name, value) = line.split_once(':')?;
    let kib: usize = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some((name, kib.checked_mul(1024)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
5000-6000 r--p 00000000 08:01 1835                       /usr/bin/a program
Rss:                   4 kB
Anonymous:             0 kB
6000-9000 r-xp 00001000 08:01 1835                       /usr/bin/a program
Size:                 12 kB
Rss:                   8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
9000-a000 r--p 00004000 08:01 1835                       /usr/bin/a program
Rss:                   4 kB
Anonymous:             4 kB
a000-b000 rw-p 00005000 08:01 1835                       /usr/bin/a program
Rss:                   0 kB
Anonymous:             0 kB
c000-d000 r--p 00000000 08:01 77                         /usr/lib/locale
Rss:                   4 kB
Anonymous:             0 kB
d000-e000 r--s 00000000 08:01 1835                       /usr/bin/a program
Rss:                   4 kB
Anonymous:             0 kB
e000-f000 rw-p 00000000 00:00 0
Rss:                   4 kB
Anonymous:             4 kB
f000-10000 r-xp 00000000 00:00 0                         [vdso]
Rss:                   4 kB
Anonymous:             0 kB
10000-11000 r-xp 00000000 08:01 99                       /usr/lib/patched.so
Rss:                   4 kB
";

    #[test]
    fn only_what_is_as_in_the_file_of_a_program() {
        let mappings = read(SMAPS);
        assert_eq!(mappings.len(), 9);
        assert_eq!(mappings[1].length, 0x3000);
        assert_eq!(mappings[1].path, "/usr/bin/a program");
        let starts: Vec<_> = of_programs(&mappings).map(|it| (it.start, it.resident)).collect();
        assert_eq!(starts, [(0x5000, 4096), (0x6000, 8192)]);
    }

    #[test]
    fn nonsense_is_left_out() {
        for text in ["", "\n", "Rss: 4 kB", "z-y r-xp", "2000-1000 r-xp 0 0 0 /a", "1-2"] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    #[test]
    fn the_program_goes_on_with_less_memory() {
        let resident = || -> usize {
            let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
            of_programs(&read(&smaps)).map(|mapping| mapping.resident).sum()
        };
        // Other tests of this process bring pages in meanwhile.
        let shrinks = |_| {
            let before = resident();
            assert!(give_back().unwrap() > 0);
            resident() < before
        };
        assert!((0..1_000).any(shrinks), "no page was dropped");
        // Code and constants that were dropped are there again.
        assert_eq!(read(SMAPS).len(), 9);
    }
}
