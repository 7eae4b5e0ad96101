//! Filters as terms of the journal's index.

use std::net::IpAddr;

use ipnet::IpNet;
use journal::Term;
use wire::filter::{Filter, Parameter};

/// Returns groups of terms: whatever passes the filter has a term of each. The index knows nothing of
/// the other parameters, so they rule nothing out.
pub(super) fn of(filter: &Filter) -> Vec<Vec<Term>> {
    // A name may be written as an address, too.
    let domain = |domain: &str| {
        let address = domain.parse::<IpAddr>().ok().and_then(|_| addresses(domain));
        std::iter::once(Term::Domain(domain.to_owned())).chain(address)
    };
    let wildcards = filter.wildcards().iter().map(|name| Term::Name(name.to_string()));
    let domains = filter.terms(Parameter::Domain).iter().flat_map(|term| domain(term));
    let domains = domains.chain(wildcards);
    let networks: Option<Vec<Term>> =
        filter.terms(Parameter::Ip).iter().map(|network| addresses(network)).collect();
    let issuers = filter.terms(Parameter::Issuer).iter().map(|part| Term::Issuer(part.to_string()));
    let groups = [domains.collect(), networks.unwrap_or_default(), issuers.collect()];
    groups.into_iter().filter(|group: &Vec<Term>| !group.is_empty()).collect()
}

/// Reads an address or a network.
fn addresses(text: &str) -> Option<Term> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address)?;
    Some(Term::Addresses(network.network(), network.broadcast()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(parameters: &[(&str, &str)]) -> Vec<Vec<Term>> {
        let filter = Filter::parse(parameters.iter().copied(), 100).expect("a filter");
        of(&filter.expect("a filter"))
    }

    #[test]
    fn a_filter_is_one_group_for_each_parameter_that_is_indexed() {
        let found =
            groups(&[("domain", "www.Example.com"), ("issuer", "R10,E5"), ("log", "argon")]);
        let domains =
            [Term::Domain("www.example.com".to_owned()), Term::Name("*.example.com".to_owned())];
        let issuers = [Term::Issuer("e5".to_owned()), Term::Issuer("r10".to_owned())];
        assert_eq!(found, [domains.to_vec(), issuers.to_vec()]);
        let exact = groups(&[("domain", "a.com"), ("exact", "true")]);
        assert_eq!(exact, [[Term::Domain("a.com".to_owned())]]);
        assert_eq!(groups(&[("match", "abc"), ("entry", "final")]), [[]; 0]);
    }

    #[test]
    fn addresses_are_ranges() {
        let range = |first: &str, last: &str| {
            Term::Addresses(first.parse().expect("an address"), last.parse().expect("an address"))
        };
        assert_eq!(groups(&[("ip", "192.0.2.0/24")]), [[range("192.0.2.0", "192.0.2.255")]]);
        assert_eq!(groups(&[("ip", "2001:db8::1")]), [[range("2001:db8::1", "2001:db8::1")]]);
        let name = Term::Domain("192.0.2.1".to_owned());
        assert_eq!(groups(&[("domain", "192.0.2.1")]), [[name, range("192.0.2.1", "192.0.2.1")]]);
    }
}
