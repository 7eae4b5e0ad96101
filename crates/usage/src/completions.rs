//! Completions of shells.

use clap::{Arg, ArgMatches, Command, value_parser};
pub use clap_complete::Shell;

/// The name of the subcommand that prints completions.
pub const NAME: &str = "completions";

/// Returns the subcommand that prints the completions of a program.
#[must_use]
pub fn command(program: &str) -> Command {
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .value_parser(value_parser!(Shell))
        .help("The shell that reads them");
    Command::new(NAME)
        .about("Print the completions of a shell; see --help to install them")
        .arg(shell)
        .after_long_help(format!(
            "Install:\n  \
             bash  {program} completions bash > /etc/bash_completion.d/{program}\n  \
             zsh   {program} completions zsh > /usr/local/share/zsh/site-functions/_{program}\n  \
             fish  {program} completions fish > /etc/fish/completions/{program}.fish\n\n\
             These need root. For one user:\n  \
             bash  ~/.local/share/bash-completion/completions/{program}\n  \
             zsh   any folder in $fpath\n  \
             fish  ~/.config/fish/completions/{program}.fish\n\n\
             Bash needs the package bash-completion. Start a new shell afterwards."
        ))
}

/// Returns the completions that the subcommand requests for `program`.
#[must_use]
pub fn requested(matches: &ArgMatches, program: Command) -> String {
    let shell = matches.get_one::<Shell>("shell").copied().unwrap_or(Shell::Bash);
    script(shell, program)
}

/// Returns the completions of a program.
#[must_use]
pub fn script(shell: Shell, mut program: Command) -> String {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name.as_str(), &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    // If the program's name has a hyphen, clap_complete 4.6 writes the cases of subcommands for bash
    // under another name than it looks them up by.
    let [written, looked_up] = ["__subcmd__", "__"].map(|hyphen| name.replace('-', hyphen));
    script.replace(&format!("{written}__subcmd__"), &format!("{looked_up}__subcmd__"))
}
