//! `cargo xtask bench`: builds the release binaries and starts the program `bench`.

use clap::{Arg, ArgMatches, Command as Cli};

use xtask::process::{command, complete, release_binary};
use xtask::root;

pub(crate) const NAME: &str = "bench";

/// The arguments are those of the program, which defines and checks them.
pub(crate) fn command_line() -> Cli {
    Cli::new(NAME)
        .about("What the server costs; raw figures go to target/bench")
        .disable_help_flag(true)
        .arg(
            Arg::new("arguments")
                .value_name("CASE AND OPTIONS")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("See cargo xtask bench --help"),
        )
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let arguments = matches.get_many::<String>("arguments").into_iter().flatten();
    let arguments: Vec<&str> = arguments.map(String::as_str).collect();
    let has = |names: &[&str]| arguments.iter().any(|argument| names.contains(argument));
    if has(&["-h", "--help"]) {
        // Without a release build.
        let help = ["cargo", "run", "--quiet", "--package", "bench", "--", "--help"];
        return complete(&mut command(&help));
    }
    if !has(&["--no-build"]) {
        let build =
            "cargo build --release --locked --bins -p server -p ctsim -p collector -p bench";
        complete(&mut command(&build.split(' ').collect::<Vec<_>>()))?;
    }
    complete(release_binary("bench").args(arguments).current_dir(root()))
}
