//! Manual pages: the options of a command line, between sections that a program adds.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::Example;

/// A term, and its description.
pub type Item = (&'static str, &'static str);

/// The parts of a manual page that do not follow from the command line.
#[derive(Debug, Clone, Copy)]
pub struct Manual {
    /// The forms of a call, without the program's name.
    pub synopsis: &'static [&'static str],
    /// Paragraphs that describe the program.
    pub description: &'static [&'static str],
    /// Examples of use.
    pub examples: &'static [Example],
    /// Environment variables.
    pub environment: &'static [Item],
    /// Files that the program reads or writes.
    pub files: &'static [Item],
    /// Signals that the program handles.
    pub signals: &'static [Item],
    /// Exit statuses.
    pub exit_status: &'static [Item],
    /// Other manual pages, with their sections, and addresses.
    pub see_also: &'static [&'static str],
}

/// The number of lines at the beginning of each part of a page that define an apostrophe.
const DEFINITIONS: usize = 2;

/// Returns the manual page of a program.
///
/// # Errors
/// None in practice: memory can be written to.
pub fn page(command: &Command, manual: &Manual) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    before_options(command, manual).to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    after_options(command, manual).to_writer(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    // Each part begins with the same definitions; once is enough.
    let definitions: Vec<&str> = page.lines().take(DEFINITIONS).collect();
    let rest = page.lines().filter(|line| !definitions.contains(line));
    Ok(definitions.iter().copied().chain(rest).map(|line| format!("{line}\n")).collect())
}

fn before_options(command: &Command, manual: &Manual) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["SYNOPSIS"]);
    for (position, form) in manual.synopsis.iter().enumerate() {
        if position > 0 {
            roff.control("br", []);
        }
        roff.text([bold(command.get_name()), roman(" "), roman(*form)]);
    }
    roff.control("SH", ["DESCRIPTION"]);
    for (position, paragraph) in manual.description.iter().enumerate() {
        if position > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*paragraph)]);
    }
    roff
}

fn after_options(command: &Command, manual: &Manual) -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    subcommands(command, "", &mut roff);
    roff.control("SH", ["EXAMPLES"]);
    for (example, about) in manual.examples {
        roff.control("TP", []);
        roff.text([roman(*about)]);
        roff.text([bold(*example)]);
    }
    for (heading, items) in [
        ("ENVIRONMENT", manual.environment),
        ("FILES", manual.files),
        ("SIGNALS", manual.signals),
        ("EXIT STATUS", manual.exit_status),
    ] {
        roff.control("SH", [heading]);
        for (term, about) in items {
            item(&mut roff, term, about);
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(manual.see_also.join(", "))]);
    roff
}

/// Describes the subcommands, which have no pages of their own.
fn subcommands(command: &Command, outer: &str, roff: &mut Roff) {
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{outer}{}", subcommand.get_name());
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        item(roff, &name, &about);
        let own = subcommand.get_arguments().filter(|arg| !is_help(arg));
        let own: Vec<&Arg> = own.collect();
        if !own.is_empty() {
            roff.control("RS", []);
            for arg in own {
                let help = arg.get_long_help().or_else(|| arg.get_help());
                roff.control("TP", []);
                roff.text(names(arg));
                roff.text([roman(help.map(ToString::to_string).unwrap_or_default())]);
            }
            roff.control("RE", []);
        }
        subcommands(subcommand, &format!("{name} "), roff);
    }
}

fn is_help(arg: &Arg) -> bool {
    arg.get_id() == "help"
}

/// Returns the names of an argument, with that of its value.
fn names(arg: &Arg) -> Vec<clap_mangen::roff::Inline> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let mut names = Vec::new();
    if !flags.is_empty() {
        names.push(bold(flags.join(", ")));
    }
    if arg.get_action().takes_values() {
        let values = arg.get_value_names().unwrap_or_default();
        let values = values.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
        names.push(italic(if flags.is_empty() { values } else { format!(" {values}") }));
    }
    names
}

fn item(roff: &mut Roff, term: &str, about: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(about)]);
}
