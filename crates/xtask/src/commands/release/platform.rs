//! The platforms that are released, and static programs for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use xtask::process::{cargo_home, command, complete, is_installed, target};
use xtask::root;

use super::{PROGRAMS, Release};

/// A platform.
#[derive(Debug)]
pub(super) struct Platform {
    /// The processor, as archives and wheels name it.
    pub(super) name: &'static str,
    pub(super) triple: &'static str,
    /// The processor, as Debian and Docker name it.
    pub(super) debian: &'static str,
    /// The compiler of C, which also links.
    cc: &'static str,
    /// Runs its programs on x86-64, if it is installed.
    emulator: Option<&'static str>,
}

/// The first is the one on which releases are made.
pub(super) const PLATFORMS: [Platform; 2] = [
    Platform {
        name: "x86_64",
        triple: "x86_64-unknown-linux-gnu",
        debian: "amd64",
        cc: "x86_64-linux-gnu-gcc",
        emulator: None,
    },
    Platform {
        name: "aarch64",
        triple: "aarch64-unknown-linux-gnu",
        debian: "arm64",
        cc: "aarch64-linux-gnu-gcc",
        emulator: Some("qemu-aarch64-static"),
    },
];

impl Platform {
    /// Returns the reason why nothing can be built for it here, if there is one.
    pub(super) fn missing(&self) -> anyhow::Result<Option<String>> {
        let words = ["rustc", "--print", "target-libdir", "--target", self.triple];
        let output = command(&words).output()?;
        let folder = String::from_utf8(output.stdout)?;
        let reason = if !Path::new(folder.trim()).is_dir() {
            Some(format!("its standard library is missing: rustup target add {}", self.triple))
        } else if !is_installed(&[self.cc, "--version"]) {
            let package = self.cc.trim_end_matches("-gcc");
            Some(
                format!("its compiler is missing: apt-get install gcc-{package}").replace('_', "-"),
            )
        } else {
            None
        };
        Ok(reason)
    }

    /// Builds the programs; returns their folder.
    pub(super) fn build(&self, release: &Release) -> anyhow::Result<PathBuf> {
        let resolver = release.stage.join(format!("resolver-{}.o", self.name));
        let source = root().join("packaging/static/resolver.c");
        complete(command(&[self.cc, "-O2", "-c", "-o"]).arg(&resolver).arg(source))?;
        let words = ["cargo", "build", "--release", "--locked", "--target", self.triple];
        let mut cargo = command(&words);
        for (package, program) in PROGRAMS {
            cargo.args(["--package", package, "--bin", program]);
        }
        self.set_variables(&mut cargo, &resolver)?;
        complete(release.at_its_time(&mut cargo))?;
        let folder = target().join(self.triple).join("release");
        for (_, program) in PROGRAMS {
            self.check(&folder.join(program))?;
        }
        Ok(folder)
    }

    /// Sets what makes programs static, and their bytes the same on every machine.
    fn set_variables(&self, cargo: &mut Command, resolver: &Path) -> anyhow::Result<()> {
        let maps = [(root().canonicalize()?, "/certstream"), (cargo_home()?, "/cargo")];
        let mut flags = format!("-C target-feature=+crt-static -C link-arg={}", resolver.display());
        let mut c_flags = String::new();
        for (path, name) in maps {
            flags += &format!(" --remap-path-prefix={}={name}", path.display());
            c_flags += &format!(" -ffile-prefix-map={}={name}", path.display());
        }
        let small = self.triple.replace('-', "_");
        let large = small.to_uppercase();
        cargo.env(format!("CARGO_TARGET_{large}_RUSTFLAGS"), flags);
        cargo.env(format!("CARGO_TARGET_{large}_LINKER"), self.cc);
        cargo.env(format!("CC_{small}"), self.cc).env(format!("CFLAGS_{small}"), c_flags);
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        // Kernels with pages of 64 KiB run the program too.
        cargo.env("JEMALLOC_SYS_WITH_LG_PAGE", if self.name == "aarch64" { "16" } else { "12" });
        Ok(())
    }

    /// Fails if a program needs a shared library, or does not run where it can be run.
    fn check(&self, program: &Path) -> anyhow::Result<()> {
        let mut readelf = Command::new("readelf");
        let output =
            readelf.args(["--wide", "--dynamic", "--program-headers"]).arg(program).output()?;
        let shown = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "readelf cannot read {}", program.display());
        let needs = shown.lines().find(|line| line.contains("(NEEDED)") || line.contains("INTERP"));
        ensure!(needs.is_none(), "{} is not static: {}", program.display(), needs.unwrap_or(""));
        let size = fs::metadata(program)?.len();
        println!("release: {} for {}: static, {size} bytes", name(program), self.name);
        let mut version = match self.emulator {
            None => Command::new(program),
            Some(emulator) if is_installed(&[emulator, "--version"]) => {
                let mut command = Command::new(emulator);
                command.arg(program);
                command
            }
            Some(emulator) => {
                println!("release: it was not run: {emulator} is missing");
                return Ok(());
            }
        };
        complete(version.arg("--version"))
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
