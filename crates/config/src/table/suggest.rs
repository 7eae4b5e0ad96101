//! Suggestions for unknown names.

use crate::compat::COMPAT_KEYS;
use crate::table::SETTINGS;

/// Sections with more names than this are not listed in an error.
const MOST_LISTED: usize = 12;

/// Keys of programs, which receivers of alerts do not have.
const OF_PROGRAMS: [&str; 6] = ["args", "command", "exec", "program", "run", "script"];

/// Returns the message for an unknown key, with a suggestion: the nearest name of the section, one
/// that begins with it, or the same name in another one.
pub(crate) fn unknown_key(section: &str, name: &str) -> String {
    let names = names_in(section);
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let longer = names
        .iter()
        .copied()
        .find(|known| known.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('_')));
    let near = nearest(&name, names.iter().copied()).or(longer);
    let advice = match (near, elsewhere(&name)) {
        _ if section == "alerts.receivers[]" && OF_PROGRAMS.contains(&name.as_str()) => {
            "the server starts no programs for alerts; use a webhook".to_owned()
        }
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, Some(key)) => format!("did you mean {key}?"),
        (None, None) if names.len() <= MOST_LISTED => {
            format!("the keys here are {}", names.join(", "))
        }
        (None, None) => "docs/configuration.md lists all keys".to_owned(),
    };
    format!("unknown key {name:?}; {advice}")
}

/// Returns the nearest of `names`, unless all differ in more than one edit for three characters.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |other: &&str| strsim::osa_distance(&name, &other.to_lowercase());
    let near = names.min_by_key(distance)?;
    let longest = name.chars().count().min(near.chars().count());
    (distance(&near) <= longest.div_ceil(3)).then_some(near)
}

/// Returns the names of a section's keys, ours before those of other servers, each once.
pub(crate) fn names_in(section: &str) -> Vec<&'static str> {
    let ours = SETTINGS.iter().map(|setting| setting.key);
    let theirs = COMPAT_KEYS.iter().map(|known| known.key).filter(|key| !key.is_empty());
    let mut names: Vec<&str> = Vec::new();
    for key in ours.chain(theirs) {
        let rest = match section {
            "" => Some(key),
            section => key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.map(|rest| rest.split(['.', '[']).next().unwrap_or(rest));
        names.extend(name.filter(|name| !name.is_empty() && !names.contains(name)));
    }
    names
}

/// Returns the key of the only setting with this name in any section.
fn elsewhere(name: &str) -> Option<&'static str> {
    let mut found = SETTINGS.iter().filter(|setting| {
        setting.name() == name && setting.key.contains('.') && !setting.key.contains("[]")
    });
    let first = found.next()?;
    found.next().is_none().then_some(first.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_and_misplaced_keys_get_a_suggestion() {
        let cases = [
            ("", "prot", "unknown key \"prot\"; did you mean \"port\"?"),
            ("", "protocol", "unknown key \"protocol\"; did you mean \"protocols\"?"),
            ("auth", "tokns", "unknown key \"tokns\"; did you mean \"tokens\"?"),
            ("", "batch_size", "unknown key \"batch_size\"; did you mean ct_log.batch_size?"),
            ("", "full", "unknown key \"full\"; did you mean streams.full?"),
            ("", "webhooks", "unknown key \"webhooks\"; docs/configuration.md lists all keys"),
            ("metrics", "nothing", "unknown key \"nothing\"; the keys here are compat"),
            ("alerts", "rule", "unknown key \"rule\"; did you mean \"rules\"?"),
            ("", "receivers", "unknown key \"receivers\"; did you mean alerts.receivers?"),
            ("alerts.rules[]", "mach", "unknown key \"mach\"; did you mean \"match\"?"),
            ("alerts.rules[]", "max", "unknown key \"max\"; did you mean \"max_per_hour\"?"),
            (
                "alerts.rules[].except",
                "spki",
                "unknown key \"spki\"; the keys here are domain, issuer, key, certificate",
            ),
            (
                "alerts.receivers[]",
                "password",
                "unknown key \"password\"; did you mean \"password_file\"?",
            ),
            (
                "alerts.receivers[]",
                "command",
                "unknown key \"command\"; the server starts no programs for alerts; use a webhook",
            ),
            ("custom_logs[]", "nme", "unknown key \"nme\"; did you mean \"name\"?"),
            (
                "webserver",
                "listen_prt",
                "unknown key \"listen_prt\"; did you mean \"listen_port\"?",
            ),
        ];
        for (section, name, expected) in cases {
            assert_eq!(unknown_key(section, name), expected);
        }
    }
}
