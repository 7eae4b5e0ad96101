//! Reports which names are like protected ones: `lookalikes FILE` with the domains to protect, a line
//! each. Reads names from standard input, a line each, and writes for each a line: the protected
//! domain and the kind of likeness, separated by a space, or an empty line.
#![allow(clippy::print_stdout, reason = "a command for programs")]

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use alerts::{Candidate, Reason, Rule, Rules};
use wire::filter::Subject;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("give a file with the domains to protect")?;
    let domains = std::fs::read_to_string(file)?;
    let rules: Vec<_> = domains
        .lines()
        .map(|domain| Rule {
            name: domain.to_owned(),
            lookalike: vec![domain.to_owned()],
            ..Rule::default()
        })
        .collect();
    let mut rules = Rules::new(&rules).map_err(|problems| format!("{problems:?}"))?;
    let mut output = BufWriter::new(io::stdout().lock());
    let (mut subject, mut found) = (Subject::default(), Vec::new());
    for name in io::stdin().lock().lines() {
        subject.clear();
        subject.add_name(&name?);
        found.clear();
        let candidate = Candidate { subject: &subject, der: &[], sha256: &[0; 32] };
        rules.matching(&candidate, &mut found);
        let reasons = found.iter().flat_map(|found| &found.reasons);
        let like: Vec<_> = reasons
            .filter_map(|reason| match reason {
                Reason::Lookalike { of, likeness, .. } => Some(format!("{of} {}", likeness.kind())),
                _ => None,
            })
            .collect();
        writeln!(output, "{}", like.join("\t"))?;
    }
    output.flush()?;
    Ok(())
}
