//! Names that are like protected ones, and names that are not.

use proptest::prelude::*;

use super::*;

fn index(domains: &[&str]) -> Lookalikes {
    Lookalikes::new(domains.iter().map(|domain| Brand::read(domain).unwrap()).collect()).unwrap()
}

/// Returns the plainest likeness of a name to the only protected one.
fn likeness(protected: &str, name: &str) -> Option<Likeness> {
    let mut found = Vec::new();
    let mut index = index(&[protected]);
    index.find(name, &mut found);
    // A label in which nothing was found is remembered, and nothing changes by that.
    let first = found.clone();
    index.find(name, &mut found);
    assert_eq!([first.clone(), first.clone()].concat(), found, "{name}");
    first.into_iter().map(|found| found.likeness).min()
}

#[test]
fn every_likeness_is_found() {
    use Addition::{Confusable as LooksLike, Edited, Exact};
    use Likeness::{Added, Confusable, Dot, Edits, Hyphens, OtherSuffix, Subdomain, Swapped};
    let cases = [
        ("paypal.com", "paypal.shop", OtherSuffix),
        ("paypal.com", "www.paypal.co.uk", OtherSuffix),
        ("paypal.com", "paypal.github.io", OtherSuffix),
        ("ing.com", "ing.example", OtherSuffix),
        ("paypal.com", "paypal.com.evil.org", Subdomain),
        ("paypal.com", "paypal.evil.org", Subdomain),
        ("ing.com", "login.ing.com.evil.org", Subdomain),
        ("paypal.com", "paypa1.com", Confusable),
        ("paypal.com", "*.paypai.com", Confusable),
        ("paypal.com", "xn--pypal-4ve.com", Confusable),
        ("paypal.com", "p\u{e1}yp\u{e0}l.com", Confusable),
        ("paypal.com", "paypa1.evil.org", Confusable),
        ("amazon.com", "arnazon.com", Confusable),
        ("paypal.com", "pay-pal.com", Hyphens),
        ("coca-cola.com", "cocacola.com", Hyphens),
        ("paypal.com", "pay.pal.com", Dot),
        ("paypal.com", "www.p.aypal.com", Dot),
        ("paypal.com", "papyal.com", Swapped),
        ("ebay.com", "beay.com", Swapped),
        ("paypal.com", "paypall.com", Edits(1)),
        ("paypal.com", "papal.com", Edits(1)),
        ("paypal.com", "paypol.com", Edits(1)),
        ("apple.com", "aple.com", Edits(1)),
        ("facebook.com", "facebok.com", Edits(1)),
        ("facebook.com", "facebuk.com", Edits(2)),
        ("facebook.com", "faecboko.com", Edits(2)),
        ("paypal.com", "paypal-login.com", Added(Exact)),
        ("paypal.com", "securepaypal.com", Added(Exact)),
        ("paypal.com", "paypal-xyzzy.com", Added(Exact)),
        ("paypal.com", "paypal-com.evil.org", Added(Exact)),
        ("paypal.com", "wwwpaypal.com", Added(Exact)),
        ("ebay.com", "ebaylogin24.com", Added(Exact)),
        ("ing.com", "my-ing.com", Added(Exact)),
        ("facebook.com", "xyfacebookzz.com", Added(Exact)),
        // Two edits are weak below another domain, but the added text counts.
        ("facebook.com", "myfacebook.evil.com", Added(Exact)),
        ("facebook.com", "facebook-1.evil.com", Added(Exact)),
        ("microsoft.com", "microsoft-a.evil.com", Added(Exact)),
        ("microsoft.com", "microsoftid.evil.com", Added(Exact)),
        ("paypal.com", "paypai-login.com", Added(LooksLike)),
        ("paypal.com", "papyal-login.com", Added(Edited)),
        ("b\u{fc}cher.de", "bucher.de", Confusable),
        ("b\u{fc}cher.de", "xn--bcher-kva.com", OtherSuffix),
    ];
    for (protected, name, expected) in cases {
        assert_eq!(likeness(protected, name), Some(expected), "{name} for {protected}");
    }
}

#[test]
fn other_names_are_not_found() {
    let cases = [
        // The name itself, and what is below it.
        ("paypal.com", "paypal.com"),
        ("paypal.com", "*.login.paypal.com."),
        ("paypal.com", "paypal.login.paypal.com"),
        ("paypal.com", "example.com"),
        ("paypal.com", "pay.example.com"),
        // Too far away for its length.
        ("paypal.com", "papol.com"),
        ("facebook.com", "fcebuk.com"),
        ("ing.com", "ng.com"),
        ("ing.com", "ign.com"),
        ("ing.com", "1ng.com"),
        ("ebay.com", "bay.com"),
        ("ebay.com", "ebey.com"),
        ("nike.com", "nlke.com"),
        // By chance in another word.
        ("ebay.com", "thebayarea.com"),
        ("ing.com", "parking-lot.com"),
        ("ing.com", "shopping.com"),
        ("apple.com", "pineapple-farm.com"),
        ("apple.com", "grapple.com"),
        // Weak below another domain.
        ("ebay.com", "ebay.example.com"),
        ("apple.com", "aple.example.com"),
        ("facebook.com", "facebuk.example.com"),
        // No domain names.
        ("paypal.com", "paypal"),
        ("paypal.com", "PayPal Inc"),
        ("paypal.com", "192.0.2.1"),
        ("paypal.com", ""),
    ];
    for (protected, name) in cases {
        assert_eq!(likeness(protected, name), None, "{name} for {protected}");
    }
}

#[test]
fn a_name_can_be_like_several() {
    let mut index = index(&["paypal.com", "paypal.de", "amazon.com", "paypals.org"]);
    let mut found = Vec::new();
    index.find("paypal-amazon.com", &mut found);
    let mut brands: Vec<_> = found.iter().map(|found| found.brand).collect();
    brands.sort_unstable();
    assert_eq!(brands, [0, 1, 2, 3]);
    assert!(found.iter().all(|found| &*found.part == "paypal-amazon"));
}

#[test]
fn hostile_names_are_looked_at_in_bounds() {
    let mut index = index(&["paypal.com", "facebook.com"]);
    let mut found = Vec::new();
    let dots = ".".repeat(253);
    let labels = "paypal.".repeat(35) + "example";
    let hyphens = "paypal-".repeat(35) + "x.com";
    let long = "a".repeat(100_000);
    let unicode = "\u{fdfa}".repeat(80) + ".com";
    for name in
        [&*dots, &labels, &hyphens, &long, &unicode, "xn--.com", "xn--a.xn--", "\u{300}.com"]
    {
        index.find(name, &mut found);
    }
    assert!(found.iter().all(|found| found.brand == 0), "{found:?}");
}

/// One edit of a text.
fn edit(word: &str, kind: u8, place: usize, letter: char) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let place = place % letters.len();
    match kind {
        0 => letters.insert(place, letter),
        1 => _ = letters.remove(place),
        2 => letters[place] = letter,
        _ => letters.swap(place, (place + 1) % word.len()),
    }
    letters.into_iter().collect()
}

proptest! {
    /// Every name of six letters or more is found with any one edit.
    #[test]
    fn one_edit_of_a_longer_name_is_found(
        word in "[a-z]{6,20}",
        kind in 0..4_u8,
        place in 0..20_usize,
        letter in "[a-z0-9]",
        below in prop::bool::ANY,
    ) {
        let place = if kind == 3 { place % (word.len() - 1) } else { place };
        let edited = edit(&word, kind, place, letter.chars().next().unwrap());
        prop_assume!(edited != word);
        let name = if below { format!("{edited}.example.org") } else { format!("{edited}.com") };
        let found = likeness(&format!("{word}.com"), &name);
        prop_assert!(found.is_some(), "{edited} for {word}");
    }

    /// Two edits of a name of eight letters or more are found, too.
    #[test]
    fn two_edits_of_a_long_name_are_found(
        word in "[a-z]{8,20}",
        edits in prop::array::uniform2((0..3_u8, 0..20_usize, "[a-z]")),
    ) {
        let mut edited = word.clone();
        for (kind, place, letter) in &edits {
            edited = edit(&edited, *kind, *place, letter.chars().next().unwrap());
        }
        prop_assume!(edited != word);
        let found = likeness(&format!("{word}.com"), &format!("{edited}.org"));
        prop_assert!(found.is_some(), "{edited} for {word}");
    }

    /// Many protected names find what each of them finds alone, whatever came before.
    #[test]
    fn an_index_finds_what_each_protected_name_finds_alone(
        words in prop::collection::btree_set("[ab10il]{3,6}-?[ab10il]{0,3}", 1..12),
        names in prop::collection::vec("[ab10il-]{1,10}(\\.[ab10il-]{1,10}){0,2}\\.(com|org)", 1..20),
    ) {
        let domains: Vec<_> = words.iter().map(|word| format!("{word}.com")).collect();
        let domains: Vec<_> = domains.iter().map(String::as_str).collect();
        let mut all = index(&domains);
        for name in &names {
            let mut found = Vec::new();
            all.find(name, &mut found);
            for (number, domain) in (0..).zip(&domains) {
                let here = found.iter().filter(|found| found.brand == number);
                prop_assert_eq!(here.map(|found| found.likeness).min(), likeness(domain, name));
            }
        }
    }
}
