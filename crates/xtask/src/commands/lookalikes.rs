//! `cargo xtask lookalikes`: the lookalikes that rules find, of those that another program makes.

use std::process::Command;

use clap::{Arg, ArgMatches, Command as Cli, value_parser};

use xtask::process::{command, complete, target};
use xtask::python::environment;
use xtask::root;

pub(crate) const NAME: &str = "lookalikes";

/// Benign names, unless the command line gives another number.
const NAMES: &str = "1000000";

const PYTHON: [&str; 2] = ["dnstwist==20250130", "english-words==2.0.2"];

/// Fails unless the packages are there.
const PYTHON_CHECK: &str =
    "import dnstwist, english_words; assert dnstwist.__version__ == '20250130'";

pub(crate) fn command_line() -> Cli {
    let names = Arg::new("names").long("names").value_name("COUNT").default_value(NAMES);
    let names = names.value_parser(value_parser!(u32).range(1..));
    Cli::new(NAME)
        .about("Measure which lookalikes rules find, and which other names they take for one")
        .arg(names.help("Benign names to generate"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    // Of the whole workspace, as the tests are built, so that nothing is built a second time.
    let build = ["cargo", "build", "--workspace", "--example", "lookalikes", "--locked"];
    complete(&mut command(&build))?;
    let python = environment("lookalikes", &PYTHON, PYTHON_CHECK)?;
    let names = arguments.get_one::<u32>("names").copied().unwrap_or(1);
    let measure = root().join("crates/xtask/lookalikes/measure.py");
    let program = target().join("debug/examples/lookalikes");
    // -B: no compiled files beside the sources.
    complete(Command::new(python).arg("-B").arg(measure).arg(program).arg(names.to_string()))
}
