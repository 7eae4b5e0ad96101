//! The packages on a new system: installed, started, upgraded and removed.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use xtask::process::complete;
use xtask::root;

use super::platform::Platform;
use super::{Release, debian};
use crate::commands::system::System;

/// A version before this one, to upgrade from.
const BEFORE: &str = "0.9.0";

/// Runs `packaging/debian/lifecycle.sh` on a new Debian.
pub(super) fn test(release: &Release, platform: &Platform, programs: &Path) -> anyhow::Result<()> {
    let system = System::make("packages", "bookworm")?;
    let (old, new) = (system.path("packages/old"), system.path("packages/new"));
    for folder in [&old, &new] {
        fs::create_dir_all(folder)?;
    }
    debian::pack(release, platform, programs, BEFORE, &old)?;
    for entry in fs::read_dir(&release.dist)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(&format!("_{}.deb", platform.debian)) {
            fs::copy(&path, new.join(path.file_name().context("a file")?))?;
        }
    }
    fs::copy(root().join("packaging/debian/lifecycle.sh"), system.path("packages/lifecycle.sh"))?;
    let words = ["sh", "/packages/lifecycle.sh", "/packages/old", "/packages/new"];
    complete(&mut system.command(&words))
}
