//! A small disk that a test can fill up.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::Command;

/// A file system in memory; where it cannot be mounted, a limit on the size of files takes its place.
pub(in crate::operations) struct SmallDisk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl SmallDisk {
    /// Mounts it.
    pub(in crate::operations) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        let kind =
            if is_mounted { "a file system in memory" } else { "a limit on files (prlimit)" };
        println!("the disk that fills up is {kind}");
        Self { folder, is_mounted }
    }

    /// Reports whether it is a file system of its own.
    pub(in crate::operations) const fn is_mounted(&self) -> bool {
        self.is_mounted
    }

    pub(in crate::operations) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Fills it up, so that the process can write nothing.
    pub(in crate::operations) fn fill(&self, process: u32) {
        if !self.is_mounted {
            return limit_files(process, "1");
        }
        let mut filler = File::create(self.filler()).expect("writable");
        // Smaller pieces at the end: nothing is left.
        for size in [1 << 16, 1 << 12, 1] {
            let piece = vec![0; size];
            loop {
                match filler.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Makes room again.
    pub(in crate::operations) fn clear(&self, process: u32) {
        if self.is_mounted {
            std::fs::remove_file(self.filler()).expect("it is there");
        } else {
            limit_files(process, "unlimited");
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).output();
            assert!(unmounted.is_ok_and(|output| output.status.success()), "it is unmounted");
        }
    }
}

/// Limits the size of the files that a process may write.
pub(super) fn limit_files(process: u32, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &process.to_string(), &format!("--fsize={bytes}:unlimited")]);
    assert!(command.status().expect("prlimit runs").success());
}
