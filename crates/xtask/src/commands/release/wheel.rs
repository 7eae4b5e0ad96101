//! The wheel, so that `pip install` brings `certstream-arrow`.

use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::process::{complete, target};
use xtask::root;

use super::Release;
use super::archive::copy;
use super::platform::Platform;

/// Packs the wheel of a platform.
pub(super) fn pack(release: &Release, platform: &Platform, programs: &Path) -> anyhow::Result<()> {
    let version = python_version(&release.version);
    let name = format!("certstream_arrow-{version}");
    let folder = release.stage.join(format!("wheel-{}", platform.name));
    let information = folder.join(format!("{name}.dist-info"));
    let scripts = folder.join(format!("{name}.data/scripts"));
    copy(&programs.join("certstream-arrow"), &scripts.join("certstream-arrow"))?;
    copy(&root().join("LICENSE"), &information.join("licenses/LICENSE"))?;
    fs::write(information.join("METADATA"), metadata(&version))?;
    fs::write(information.join("WHEEL"), tags(platform))?;
    let mut pack = Command::new(Release::python()?);
    pack.args(["-m", "wheel", "pack", "--dest-dir"]).arg(&release.dist).arg(&folder);
    complete(release.at_its_time(&mut pack))
}

/// Installs the wheel with pip in a new environment and runs its program.
pub(super) fn test(release: &Release) -> anyhow::Result<()> {
    let venv = target().join("release-stage/venv");
    complete(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-index"]);
    complete(pip.arg("--find-links").arg(&release.dist).args(["--pre", "certstream-arrow"]))?;
    complete(Command::new(venv.join("bin/certstream-arrow")).arg("--version"))
}

/// Returns a version as Python writes it: `1.0.0rc1` for `1.0.0-rc.1`.
fn python_version(version: &str) -> String {
    version.replace("-rc.", "rc")
}

fn metadata(version: &str) -> String {
    let repository = env!("CARGO_PKG_REPOSITORY");
    format!(
        "Metadata-Version: 2.4\nName: certstream-arrow\nVersion: {version}\n\
         Summary: Collects the stream of a certstream server for pandas, Polars and DuckDB\n\
         License-Expression: MIT\nLicense-File: LICENSE\nRequires-Python: >=3.8\n\
         Project-URL: Source, {repository}\nDescription-Content-Type: text/markdown\n\n\
         `certstream-arrow` collects the certificates that a certstream server streams in Arrow \
         Feather or Parquet files. The program is static: it needs neither Python nor other \
         packages.\n\n    certstream-arrow --url ws://127.0.0.1:8080/\n    \
         python3 -c 'import pandas; print(pandas.read_feather(\"certstream_data.feather\"))'\n\n\
         Documentation: {repository}/blob/main/docs/arrow.md\n"
    )
}

/// Returns the description of the format. A static program runs with any C library.
fn tags(platform: &Platform) -> String {
    let name = platform.name;
    format!(
        "Wheel-Version: 1.0\nGenerator: cargo xtask release\nRoot-Is-Purelib: false\n\
         Tag: py3-none-manylinux2014_{name}\nTag: py3-none-musllinux_1_1_{name}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_python_does() {
        assert_eq!(python_version("1.0.0-rc.1"), "1.0.0rc1");
        assert_eq!(python_version("1.2.3"), "1.2.3");
    }
}
